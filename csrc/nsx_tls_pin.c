#include "nsx_tls_pin.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <string.h>
#include <strings.h>

#define PUBKEY_MARK "pub$"

static int
hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* 1 when hex is pairs of digits (colons skipped) that fit the digest. */
static int
read_hex(const char *hex, struct nsx_tls_pin *pin)
{
    size_t digits = 0;

    for (; *hex; hex++) {
        int v = hex_value(*hex);

        if (*hex == ':')
            continue;
        if (v < 0 || digits == 2 * sizeof pin->digest)
            return 0;
        pin->digest[digits / 2] =
            (unsigned char)(digits % 2 ? pin->digest[digits / 2] | v : v << 4);
        digits++;
    }
    pin->digest_len = digits / 2;
    return digits > 0 && digits % 2 == 0;
}

static const char *
name_by_length(size_t digest_len)
{
    switch (digest_len) {
    case 16:
        return "md5";
    case 20:
        return "sha1";
    case 32:
        return "sha256";
    default:
        return NULL;
    }
}

/* Copies a digest's name in lower case.  0 when it is none. */
static int
read_name(const char *name, size_t len, struct nsx_tls_pin *pin)
{
    size_t i;

    if (len == 0 || len >= sizeof pin->digest_name)
        return 0;
    for (i = 0; i < len; i++) {
        char c = name[i];

        pin->digest_name[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    return 1;
}

static int
name_the_digest(const char *name, size_t name_len, struct nsx_tls_pin *pin)
{
    const EVP_MD *md;

    if (!name) {
        name = name_by_length(pin->digest_len);
        name_len = name ? strlen(name) : 0;
    }
    if (!name || !read_name(name, name_len, pin))
        return 0;
    md = EVP_get_digestbyname(pin->digest_name);
    return md && (size_t)EVP_MD_size(md) == pin->digest_len;
}

nsx_status
nsx_tls_pin_parse(const char *text, struct nsx_tls_pin *out,
                  struct nsx_error *e)
{
    const char *hex = text, *dollar;
    const char *name = NULL;
    size_t name_len = 0;

    memset(out, 0, sizeof *out);
    dollar = strchr(hex, '$');
    if (dollar && strncasecmp(hex, PUBKEY_MARK, strlen(PUBKEY_MARK)) != 0) {
        name = hex;
        name_len = (size_t)(dollar - hex);
        hex = dollar + 1;
    }
    if (strncasecmp(hex, PUBKEY_MARK, strlen(PUBKEY_MARK)) == 0) {
        out->pubkey = 1;
        hex += strlen(PUBKEY_MARK);
    }
    if (read_hex(hex, out) && name_the_digest(name, name_len, out))
        return NSX_OK;
    return nsx_error_set(e, NSX_E_TLS_CONFIG, "nsx_tls_pin_parse",
                         "SSL_fingerprint: invalid fingerprint '%s'", text);
}

static int
fits(X509 *cert, const struct nsx_tls_pin *pin)
{
    const EVP_MD *md = EVP_get_digestbyname(pin->digest_name);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    int ok;

    if (!md)
        return 0;
    ok = pin->pubkey ? X509_pubkey_digest(cert, md, digest, &len)
                     : X509_digest(cert, md, digest, &len);
    return ok && len == pin->digest_len
        && memcmp(digest, pin->digest, len) == 0;
}

int
nsx_tls_pin_match(struct x509_st *cert, const struct nsx_tls_pin *pins,
                  size_t n)
{
    size_t i;

    for (i = 0; i < n; i++)
        if (fits(cert, &pins[i]))
            return 1;
    return 0;
}
