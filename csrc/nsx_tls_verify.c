#include "nsx_tls_verify.h"

#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

/* Whom the certificate must name. */
struct identity {
    const char *host;
    size_t len;
    unsigned char ip[16];
    size_t ip_len; /* 0: a DNS name */
};

static int
is_host_octet(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
        || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

static int
identity_read(struct identity *id, const char *host, size_t len)
{
    size_t i;

    while (len > 0 && host[len - 1] == '.')
        len--;
    id->host = host;
    id->len = len;
    id->ip_len = nsx_tls_ip_literal(host, len, id->ip);
    if (id->ip_len)
        return 1;
    for (i = 0; i < len; i++)
        if (!is_host_octet(host[i]))
            return 0;
    return len > 0 && !nsx_tls_is_numeric(host, len);
}

static const char *
octets(const ASN1_STRING *s, size_t *len)
{
    int n = ASN1_STRING_length(s);

    *len = n > 0 ? (size_t)n : 0;
    return (const char *)ASN1_STRING_get0_data(s);
}

static int
dns_fits(const ASN1_STRING *s, const struct identity *id,
         enum nsx_tls_wildcard rule)
{
    size_t len;
    const char *name = octets(s, &len);

    return nsx_tls_name_match(name, len, id->host, id->len, rule);
}

static int
ip_fits(const ASN1_STRING *s, const struct identity *id)
{
    size_t len;
    const char *ip = octets(s, &len);

    return len == id->ip_len && memcmp(ip, id->ip, len) == 0;
}

/* 1 when an alternative name fits; *dns_names counts those of type DNS. */
static int
alt_names_fit(X509 *cert, const struct identity *id, enum nsx_tls_wildcard rule,
              size_t *dns_names)
{
    GENERAL_NAMES *names;
    int i, fits = 0;

    names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    for (i = 0; !fits && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);

        if (g->type == GEN_IPADD && id->ip_len) {
            fits = ip_fits(g->d.iPAddress, id);
        }
        else if (g->type == GEN_DNS && !id->ip_len) {
            ++*dns_names;
            fits = dns_fits(g->d.dNSName, id, rule);
        }
    }
    GENERAL_NAMES_free(names);
    return fits;
}

static int
ip_in_cn_allowed(const struct identity *id, int ip_in_cn)
{
    if (ip_in_cn == 4)
        return id->ip_len == 4;
    if (ip_in_cn == 6)
        return id->ip_len == 16;
    return ip_in_cn != 0;
}

/* What OpenSSL takes for a host name in a CN, and so holds against name
 * constraints. */
static int
is_plain_name(const char *cn, size_t n)
{
    size_t i, dots = 0;

    for (i = 0; i < n; i++) {
        const int edge = i == 0 || i + 1 == n;

        if (!is_host_octet(cn[i]) || (edge && (cn[i] == '-' || cn[i] == '.')))
            return 0;
        if (cn[i] != '.')
            continue;
        if (cn[i - 1] == '-' || cn[i + 1] == '-' || cn[i + 1] == '.')
            return 0;
        dots++;
    }
    return dots > 0;
}

static int
ip_is_name(const char *cn, size_t n, const struct identity *id,
           const struct nsx_tls_name_rules *rules)
{
    return !rules->cn_limited && ip_in_cn_allowed(id, rules->ip_in_cn)
        && n == id->len && memcmp(cn, id->host, n) == 0;
}

static int
host_is_name(const char *cn, size_t n, const struct identity *id,
             const struct nsx_tls_name_rules *rules)
{
    return (!rules->cn_limited || is_plain_name(cn, n))
        && nsx_tls_name_match(cn, n, id->host, id->len, rules->in_cn);
}

static int
common_name_fits(X509 *cert, const struct identity *id,
                 const struct nsx_tls_name_rules *rules)
{
    X509_NAME *subject = X509_get_subject_name(cert);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    unsigned char *utf8 = NULL;
    int len, fits;

    if (at < 0)
        return 0;
    len = ASN1_STRING_to_UTF8(&utf8,
                              X509_NAME_ENTRY_get_data(
                                  X509_NAME_get_entry(subject, at)));
    if (len < 0)
        return 0;
    fits = id->ip_len
        ? ip_is_name((const char *)utf8, (size_t)len, id, rules)
        : host_is_name((const char *)utf8, (size_t)len, id, rules);
    OPENSSL_free(utf8);
    return fits;
}

int
nsx_tls_cert_names_host(struct x509_st *cert, const char *host, size_t host_len,
                        const struct nsx_tls_name_rules *rules)
{
    struct identity id;
    size_t dns_names = 0;

    if (!rules->check)
        return 1;
    if (!identity_read(&id, host, host_len))
        return 0;
    if (alt_names_fit(cert, &id, rules->in_alt, &dns_names))
        return 1;
    if (rules->cn == NSX_TLS_CN_NEVER
        || (rules->cn == NSX_TLS_CN_WHEN_ONLY && dns_names > 0))
        return 0;
    return common_name_fits(cert, &id, rules);
}
