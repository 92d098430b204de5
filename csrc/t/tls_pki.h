/*
 * tls_pki.h - keys and certificates made on the spot for the TLS tests.
 * Include after tap.h.
 */
#ifndef NSX_TEST_TLS_PKI_H
#define NSX_TEST_TLS_PKI_H

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <dirent.h>
#include <time.h>

#define DAY 86400L

/* A certificate with its key. */
struct id {
    X509 *cert;
    EVP_PKEY *key;
};

struct spec {
    const char *cn;
    const char *san;         /* as in openssl.cnf: "DNS:a,IP:1.2.3.4" */
    long from, until;        /* seconds from now; both 0: valid today */
    const struct id *issuer; /* NULL: self-signed */
    int is_ca;
    const EVP_MD *md;    /* NULL: SHA-256 */
    const char *usage;   /* extendedKeyUsage */
    const char *limits;  /* nameConstraints: "permitted;DNS:a" */
    const char *raw_dns; /* a dNSName as it is, blanks and all */
};

static long next_serial = 1;
static char pki_dir[] = "/tmp/nsx-tls-XXXXXX";

static TAP_UNUSED EVP_PKEY *
new_key(void)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
    EVP_PKEY *key = NULL;

    if (!ctx || EVP_PKEY_keygen_init(ctx) <= 0
        || EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx, NID_X9_62_prime256v1)
            <= 0
        || EVP_PKEY_keygen(ctx, &key) <= 0)
        bail_out("no key");
    EVP_PKEY_CTX_free(ctx);
    return key;
}

static void
add_ext(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX v3;
    X509_EXTENSION *ext;

    X509V3_set_ctx(&v3, issuer, cert, NULL, NULL, 0);
    ext = X509V3_EXT_conf_nid(NULL, &v3, nid, value);
    if (!ext || !X509_add_ext(cert, ext, -1))
        bail_out("no extension");
    X509_EXTENSION_free(ext);
}

static void
add_raw_dns(X509 *cert, const char *text)
{
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_IA5STRING *s = ASN1_IA5STRING_new();

    ASN1_STRING_set(s, text, -1);
    GENERAL_NAME_set0_value(name, GEN_DNS, s);
    sk_GENERAL_NAME_push(names, name);
    if (!X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, 0))
        bail_out("no extension");
    GENERAL_NAMES_free(names);
}

static TAP_UNUSED struct id
issue(struct spec s)
{
    struct id id;
    const struct id *by = s.issuer ? s.issuer : &id;
    X509_NAME *name;

    id.cert = X509_new();
    id.key = new_key();
    X509_set_version(id.cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(id.cert), next_serial++);
    X509_gmtime_adj(X509_getm_notBefore(id.cert), s.from ? s.from : -DAY);
    X509_gmtime_adj(X509_getm_notAfter(id.cert), s.until ? s.until : DAY);
    name = X509_get_subject_name(id.cert);
    X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC,
                               (const unsigned char *)"Test", -1, -1, 0);
    if (s.cn)
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                   (const unsigned char *)s.cn, -1, -1, 0);
    X509_set_issuer_name(id.cert, X509_get_subject_name(by->cert));
    X509_set_pubkey(id.cert, id.key);
    add_ext(id.cert, by->cert, NID_basic_constraints,
            s.is_ca ? "critical,CA:TRUE" : "CA:FALSE");
    add_ext(id.cert, by->cert, NID_subject_key_identifier, "hash");
    if (s.san)
        add_ext(id.cert, by->cert, NID_subject_alt_name, s.san);
    if (s.raw_dns)
        add_raw_dns(id.cert, s.raw_dns);
    if (s.limits)
        add_ext(id.cert, by->cert, NID_name_constraints, s.limits);
    if (s.usage)
        add_ext(id.cert, by->cert, NID_ext_key_usage, s.usage);
    if (!X509_sign(id.cert, by->key, s.md ? s.md : EVP_sha256()))
        bail_out("cannot sign");
    return id;
}

static TAP_UNUSED void
id_free(struct id *id)
{
    X509_free(id->cert);
    EVP_PKEY_free(id->key);
}

/* --- files --- */

/* The path of a file in this test's directory: static, four at a time. */
static TAP_UNUSED const char *
pki_path(const char *name)
{
    static char path[4][256];
    static int made, turn;

    if (!made) {
        if (!mkdtemp(pki_dir))
            bail_out("no temporary directory");
        made = 1;
    }
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", pki_dir, name);
    return path[turn];
}

static TAP_UNUSED void
pki_clean(void)
{
    DIR *d = opendir(pki_dir);
    struct dirent *de;

    while (d && (de = readdir(d)))
        if (de->d_name[0] != '.')
            unlink(pki_path(de->d_name));
    if (d)
        closedir(d);
    rmdir(pki_dir);
}

static FILE *
pki_open(const char *name, const char *mode)
{
    FILE *f = fopen(pki_path(name), mode);

    if (!f)
        bail_out("cannot write a file");
    return f;
}

static TAP_UNUSED const char *
write_cert(const char *name, X509 *cert)
{
    FILE *f = pki_open(name, "a");

    PEM_write_X509(f, cert);
    fclose(f);
    return pki_path(name);
}

/* With a password the key is encrypted. */
static TAP_UNUSED const char *
write_key(const char *name, EVP_PKEY *key, const char *password)
{
    FILE *f = pki_open(name, "a");

    PEM_write_PKCS8PrivateKey(f, key, password ? EVP_aes_256_cbc() : NULL,
                              (char *)password,
                              password ? (int)strlen(password) : 0, NULL, NULL);
    fclose(f);
    return pki_path(name);
}

static TAP_UNUSED const char *
write_text(const char *name, const char *text)
{
    FILE *f = pki_open(name, "w");

    fputs(text, f);
    fclose(f);
    return pki_path(name);
}

/* A list of the CA's with at most one revoked certificate. */
static TAP_UNUSED const char *
write_crl(const char *name, const struct id *ca, X509 *revoked)
{
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *t = ASN1_TIME_new();
    FILE *f;

    X509_CRL_set_version(crl, 1);
    X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca->cert));
    X509_gmtime_adj(t, -DAY);
    X509_CRL_set1_lastUpdate(crl, t);
    if (revoked) {
        X509_REVOKED *r = X509_REVOKED_new();

        X509_REVOKED_set_serialNumber(r, X509_get_serialNumber(revoked));
        X509_REVOKED_set_revocationDate(r, t);
        X509_CRL_add0_revoked(crl, r);
    }
    X509_gmtime_adj(t, DAY);
    X509_CRL_set1_nextUpdate(crl, t);
    X509_CRL_sign(crl, ca->key, EVP_sha256());
    f = pki_open(name, "w");
    PEM_write_X509_CRL(f, crl);
    fclose(f);
    ASN1_TIME_free(t);
    X509_CRL_free(crl);
    return pki_path(name);
}

/* "sha256$..." of a certificate or its key; static, eight at a time. */
static TAP_UNUSED const char *
pin_of(X509 *cert, int pubkey)
{
    static char text[8][100];
    static int turn;
    unsigned char md[EVP_MAX_MD_SIZE];
    unsigned n = 0, i;
    char *p;

    turn = (turn + 1) % 8;
    p = text[turn];
    if (pubkey)
        X509_pubkey_digest(cert, EVP_sha256(), md, &n);
    else
        X509_digest(cert, EVP_sha256(), md, &n);
    p += sprintf(p, "sha256$%s", pubkey ? "pub$" : "");
    for (i = 0; i < n; i++)
        p += sprintf(p, "%02x", md[i]);
    return text[turn];
}

#endif
