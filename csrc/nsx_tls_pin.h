/*
 * nsx_tls_pin.h - a certificate's fingerprint that somebody vouches for.
 *
 * Written "sha256$HEX", "sha256$pub$HEX" (of the public key), or HEX alone
 * (md5, sha1 or sha256 by its length); colons in HEX are skipped.
 */
#ifndef NSX_TLS_PIN_H
#define NSX_TLS_PIN_H

#include <stddef.h>
#include "nsx_error.h"

struct x509_st; /* OpenSSL's X509 */

#define NSX_TLS_MAX_DIGEST 64u
#define NSX_TLS_DIGEST_NAME 32u

struct nsx_tls_pin {
    char digest_name[NSX_TLS_DIGEST_NAME]; /* lower case */
    int pubkey;
    unsigned char digest[NSX_TLS_MAX_DIGEST];
    size_t digest_len;
};

/* NSX_OK, or NSX_ERROR: NSX_E_TLS_CONFIG with a text that shows the pin. */
nsx_status nsx_tls_pin_parse(const char *text, struct nsx_tls_pin *out,
                             struct nsx_error *e);

/* 1 when cert has one of the fingerprints. */
int nsx_tls_pin_match(struct x509_st *cert, const struct nsx_tls_pin *pins,
                      size_t n);

#endif
