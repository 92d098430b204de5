/*
 * nsx_digest.h - hashes, HMAC, PBKDF2, random octets and the comparison of
 * secrets, over whichever libcrypto the engine was built with.
 *
 * No OpenSSL type shows here.  A failing call leaves OpenSSL's error queue as
 * it found it.
 */
#ifndef NSX_DIGEST_H
#define NSX_DIGEST_H

#include <stddef.h>
#include "nsx_error.h"

/* A borrowed run of octets; data NULL means "not given", which is not the
 * same as a length of 0. */
struct nsx_octets {
    const void *data;
    size_t len;
};

enum nsx_hash {
    NSX_HASH_MD5 = 0,
    NSX_HASH_SHA1,
    NSX_HASH_SHA256,
    NSX_HASH_SHA512,
    NSX_HASH_COUNT_ /* number of hashes, not a hash */
};

/* Octets of a digest (at most NSX_MAX_DIGEST), and its name: "SHA-256". */
size_t nsx_hash_size(enum nsx_hash hash);
const char *nsx_hash_name(enum nsx_hash hash);

/* Each writes nsx_hash_size(hash) octets to out.  parts are taken as one
 * run of octets.  NSX_ERROR: NSX_E_SASL_MECHANISM when this libcrypto does
 * not provide the hash (MD5 in FIPS mode), NSX_E_NOMEM, or NSX_E_ARGUMENT
 * when a length is beyond what libcrypto takes. */
nsx_status nsx_digest(enum nsx_hash hash, const struct nsx_octets *parts,
                      size_t count, unsigned char *out, struct nsx_error *e);
nsx_status nsx_hmac(enum nsx_hash hash, struct nsx_octets key,
                    struct nsx_octets data, unsigned char *out,
                    struct nsx_error *e);

/* RFC 8018 5.2 with HMAC, one block of output (SCRAM's Hi), in slices. */
struct nsx_pbkdf2; /* opaque; holds secrets */

/* NULL with *e set, as above.  iterations is 1 or more.  password and salt
 * are not needed afterwards. */
struct nsx_pbkdf2 *nsx_pbkdf2_new(enum nsx_hash hash,
                                  struct nsx_octets password,
                                  struct nsx_octets salt,
                                  unsigned long iterations,
                                  struct nsx_error *e);

/* Does up to at_most (1 or more) iterations, of two hash blocks each.
 * NSX_AGAIN: more are to be done.  NSX_OK: out has nsx_hash_size octets; not
 * to be called again. */
nsx_status nsx_pbkdf2_work(struct nsx_pbkdf2 *p, unsigned long at_most,
                           unsigned char *out, struct nsx_error *e);

/* Overwrites, then frees; NULL is allowed. */
void nsx_pbkdf2_free(struct nsx_pbkdf2 *p);

/* Fills out with n octets nobody can guess, or NSX_ERROR:
 * NSX_E_SASL_MECHANISM when libcrypto has no source of them. */
nsx_status nsx_random(void *out, size_t n, struct nsx_error *e);

/* 1 when both runs of n octets are equal, in time that depends on n alone. */
int nsx_same_secret(const void *a, const void *b, size_t n);

/* Writes 2 * n lower-case hexadecimal digits, no NUL. */
void nsx_hex(const unsigned char *in, size_t n, char *out);

#endif
