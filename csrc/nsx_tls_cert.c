#include "nsx_tls_cert.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

struct nsx_tls_alt_names {
    GENERAL_NAMES *names;
    int next;
};

struct x509_st *
nsx_tls_cert_hold(struct x509_st *cert)
{
    if (cert)
        X509_up_ref(cert);
    return cert;
}

void
nsx_tls_cert_drop(struct x509_st *cert)
{
    X509_free(cert);
}

static int
append(struct nsx_buf *out, const void *data, size_t n)
{
    return nsx_buf_append(out, data, n) == NSX_E_NONE;
}

static int
append_name(X509_NAME *name, struct nsx_buf *out)
{
    char *line = name ? X509_NAME_oneline(name, NULL, 0) : NULL;
    int ok = line && append(out, line, strlen(line));

    OPENSSL_free(line);
    return ok;
}

int
nsx_tls_cert_subject(struct x509_st *cert, struct nsx_buf *out)
{
    return append_name(X509_get_subject_name(cert), out);
}

int
nsx_tls_cert_issuer(struct x509_st *cert, struct nsx_buf *out)
{
    return append_name(X509_get_issuer_name(cert), out);
}

static int
append_utf8(const ASN1_STRING *s, struct nsx_buf *out)
{
    unsigned char *utf8 = NULL;
    int len = ASN1_STRING_to_UTF8(&utf8, s);
    int ok = len >= 0 && append(out, utf8, (size_t)len);

    OPENSSL_free(utf8);
    return ok;
}

int
nsx_tls_cert_common_name(struct x509_st *cert, struct nsx_buf *out)
{
    X509_NAME *subject = X509_get_subject_name(cert);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

    if (at < 0)
        return 0;
    return append_utf8(X509_NAME_ENTRY_get_data(
                           X509_NAME_get_entry(subject, at)),
                       out);
}

int
nsx_tls_cert_dump(struct x509_st *cert, struct nsx_buf *out)
{
    size_t before = out->len;
    int ok = append(out, "Subject Name: ", strlen("Subject Name: "))
        && nsx_tls_cert_subject(cert, out)
        && append(out, "\nIssuer  Name: ", strlen("\nIssuer  Name: "))
        && nsx_tls_cert_issuer(cert, out) && append(out, "\n", 1);

    if (!ok)
        nsx_buf_truncate(out, before);
    return ok;
}

struct nsx_tls_alt_names *
nsx_tls_alt_names_open(struct x509_st *cert)
{
    struct nsx_tls_alt_names *it;
    GENERAL_NAMES *names =
        X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);

    if (!names)
        return NULL;
    it = nsx_alloc(sizeof *it);
    if (!it) {
        GENERAL_NAMES_free(names);
        return NULL;
    }
    it->names = names;
    return it;
}

void
nsx_tls_alt_names_close(struct nsx_tls_alt_names *names)
{
    if (!names)
        return;
    GENERAL_NAMES_free(names->names);
    nsx_free(names);
}

static int
append_octets(const ASN1_STRING *s, struct nsx_buf *out)
{
    int len = ASN1_STRING_length(s);

    return append(out, ASN1_STRING_get0_data(s), len > 0 ? (size_t)len : 0);
}

static int
append_oid(const ASN1_OBJECT *oid, struct nsx_buf *out)
{
    char text[128];
    int len = OBJ_obj2txt(text, (int)sizeof text, oid, 1);

    return len > 0 && (size_t)len < sizeof text
        && append(out, text, (size_t)len);
}

static int
append_other(const OTHERNAME *other, struct nsx_buf *out)
{
    const ASN1_TYPE *value = other->value;

    if (!value)
        return 0;
    switch (value->type) {
    case V_ASN1_UTF8STRING:
    case V_ASN1_IA5STRING:
    case V_ASN1_PRINTABLESTRING:
    case V_ASN1_BMPSTRING:
        return append_utf8(value->value.asn1_string, out);
    default:
        return 0;
    }
}

static int
append_general(const GENERAL_NAME *g, struct nsx_buf *out)
{
    switch (g->type) {
    case GEN_OTHERNAME:
        return append_other(g->d.otherName, out);
    case GEN_EMAIL:
    case GEN_DNS:
    case GEN_URI:
        return append_octets(g->d.ia5, out);
    case GEN_IPADD:
        return append_octets(g->d.iPAddress, out);
    case GEN_DIRNAME:
        return append_name(g->d.directoryName, out);
    case GEN_RID:
        return append_oid(g->d.registeredID, out);
    default:
        return 0;
    }
}

int
nsx_tls_alt_names_next(struct nsx_tls_alt_names *names, int *type,
                       struct nsx_buf *out)
{
    while (names->next < sk_GENERAL_NAME_num(names->names)) {
        const GENERAL_NAME *g =
            sk_GENERAL_NAME_value(names->names, names->next++);

        if (append_general(g, out)) {
            *type = g->type;
            return 1;
        }
    }
    return 0;
}

/* Days from 1970-01-01 to the first of a month in the Gregorian calendar. */
static long
days_before_month(long year, long month)
{
    static const int upto[] = { 0,   31,  59,  90,  120, 151,
                                181, 212, 243, 273, 304, 334 };
    long y = year - (month <= 2); /* the leap day of a year counts after it */
    long leaps = y / 4 - y / 100 + y / 400;

    return (year - 1970) * 365 + leaps - (1969 / 4 - 1969 / 100 + 1969 / 400)
        + upto[month - 1];
}

static int
read_time(const ASN1_TIME *t, time_t *out)
{
    struct tm tm;
    long days;

    if (!t || !ASN1_TIME_to_tm(t, &tm))
        return 0;
    days =
        days_before_month(tm.tm_year + 1900L, tm.tm_mon + 1L) + tm.tm_mday - 1;
    *out =
        (time_t)days * 86400 + tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec;
    return 1;
}

int
nsx_tls_cert_validity(struct x509_st *cert, time_t *not_before,
                      time_t *not_after)
{
    return read_time(X509_get0_notBefore(cert), not_before)
        && read_time(X509_get0_notAfter(cert), not_after);
}

int
nsx_tls_cert_serial(struct x509_st *cert, struct nsx_buf *out)
{
    BIGNUM *bn = ASN1_INTEGER_to_BN(X509_get_serialNumber(cert), NULL);
    char *hex = bn ? BN_bn2hex(bn) : NULL;
    int ok = hex && append(out, hex, strlen(hex));

    OPENSSL_free(hex);
    BN_free(bn);
    return ok;
}

int
nsx_tls_cert_der(struct x509_st *cert, struct nsx_buf *out)
{
    unsigned char *der = NULL;
    int len = i2d_X509(cert, &der);
    int ok = len > 0 && append(out, der, (size_t)len);

    OPENSSL_free(der);
    return ok;
}

int
nsx_tls_cert_pem(struct x509_st *cert, struct nsx_buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    long len = 0;
    int ok;

    if (bio && PEM_write_bio_X509(bio, cert))
        len = BIO_get_mem_data(bio, &text);
    ok = len > 0 && append(out, text, (size_t)len);
    BIO_free(bio);
    return ok;
}

static int
append_digest(X509 *cert, const EVP_MD *md, int pubkey, struct nsx_buf *out)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    int ok = pubkey ? X509_pubkey_digest(cert, md, digest, &len)
                    : X509_digest(cert, md, digest, &len);

    return ok && append(out, digest, len);
}

int
nsx_tls_cert_fingerprint(struct x509_st *cert, const char *digest_name,
                         int pubkey, struct nsx_buf *out)
{
    const EVP_MD *md = EVP_get_digestbyname(digest_name);

    return md && append_digest(cert, md, pubkey, out);
}

int
nsx_tls_cert_end_point(struct x509_st *cert, struct nsx_buf *out)
{
    const EVP_MD *md;
    int nid = NID_undef;

    if (!X509_get_signature_info(cert, &nid, NULL, NULL, NULL)
        || nid == NID_undef)
        return 0;
    if (nid == NID_md5 || nid == NID_sha1 || nid == NID_md5_sha1)
        nid = NID_sha256; /* RFC 5929 4.1 */
    md = EVP_get_digestbynid(nid);
    return md && append_digest(cert, md, 0, out);
}
