/*
 * nsx_digest.c - the only file besides TLS that knows OpenSSL.  EVP only, so
 * that 1.1.1, 3.x and LibreSSL serve alike and providers (FIPS) have a say.
 */
#include "nsx_digest.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

struct hash_row {
    const char *name;
    size_t size;
    const EVP_MD *(*md)(void);
};

static const struct hash_row hashes[NSX_HASH_COUNT_] = {
    {"MD5", 16, EVP_md5},
    {"SHA-1", 20, EVP_sha1},
    {"SHA-256", 32, EVP_sha256},
    {"SHA-512", 64, EVP_sha512},
};

size_t nsx_hash_size(enum nsx_hash hash)
{
    return hashes[hash].size;
}

const char *nsx_hash_name(enum nsx_hash hash)
{
    return hashes[hash].name;
}

/* Turns the end of an OpenSSL call between ERR_set_mark and here into a
 * status, and drops what the call left in the error queue. */
static nsx_status outcome(int ok, const char *what, const char *where,
                          struct nsx_error *e)
{
    unsigned long last = ok ? 0 : ERR_peek_last_error();

    ERR_pop_to_mark();
    if (ok)
        return NSX_OK;
    if (ERR_GET_REASON(last) == ERR_R_MALLOC_FAILURE)
        return nsx_error_set(e, NSX_E_NOMEM, where, NULL);
    return nsx_error_set(e, NSX_E_SASL_MECHANISM, where,
                         "%s is not available from the OpenSSL library "
                         "(FIPS mode?)",
                         what);
}

static int digest_parts(EVP_MD_CTX *ctx, const EVP_MD *md,
                        const struct nsx_octets *parts, size_t count,
                        unsigned char *out)
{
    size_t i;

    if (!EVP_DigestInit_ex(ctx, md, NULL))
        return 0;
    for (i = 0; i < count; i++)
        if (!EVP_DigestUpdate(ctx, parts[i].data, parts[i].len))
            return 0;
    return EVP_DigestFinal_ex(ctx, out, NULL);
}

nsx_status nsx_digest(enum nsx_hash hash, const struct nsx_octets *parts,
                      size_t count, unsigned char *out, struct nsx_error *e)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int ok;

    if (!ctx)
        return nsx_error_set(e, NSX_E_NOMEM, "nsx_digest", NULL);
    ERR_set_mark();
    ok = digest_parts(ctx, hashes[hash].md(), parts, count, out);
    EVP_MD_CTX_free(ctx); /* overwrites its state */
    return outcome(ok, hashes[hash].name, "nsx_digest", e);
}

/* libcrypto takes a NULL key or password for something else than an empty
 * one. */
static const void *given(struct nsx_octets o)
{
    return o.data ? o.data : "";
}

nsx_status nsx_hmac(enum nsx_hash hash, struct nsx_octets key,
                    struct nsx_octets data, unsigned char *out,
                    struct nsx_error *e)
{
    int ok;

    if (key.len > INT_MAX)
        return nsx_error_set(e, NSX_E_ARGUMENT, "nsx_hmac",
                             "key is too long");
    ERR_set_mark();
    ok = HMAC(hashes[hash].md(), given(key), (int)key.len, given(data),
              data.len, out, NULL) != NULL;
    return outcome(ok, hashes[hash].name, "nsx_hmac", e);
}

nsx_status nsx_pbkdf2(enum nsx_hash hash, struct nsx_octets password,
                      struct nsx_octets salt, unsigned long iterations,
                      unsigned char *out, struct nsx_error *e)
{
    int ok;

    if (password.len > INT_MAX || salt.len > INT_MAX ||
        iterations < 1 || iterations > INT_MAX)
        return nsx_error_set(e, NSX_E_ARGUMENT, "nsx_pbkdf2",
                             "a PBKDF2 parameter is out of range");
    ERR_set_mark();
    ok = PKCS5_PBKDF2_HMAC(given(password), (int)password.len, given(salt),
                           (int)salt.len, (int)iterations,
                           hashes[hash].md(), (int)hashes[hash].size, out);
    return outcome(ok, hashes[hash].name, "nsx_pbkdf2", e);
}

nsx_status nsx_random(void *out, size_t n, struct nsx_error *e)
{
    int ok;

    ERR_set_mark();
    ok = n <= INT_MAX && RAND_bytes(out, (int)n) == 1;
    return outcome(ok, "a source of random numbers", "nsx_random", e);
}

int nsx_same_secret(const void *a, const void *b, size_t n)
{
    return CRYPTO_memcmp(a, b, n) == 0;
}

void nsx_hex(const unsigned char *in, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    size_t i;

    for (i = 0; i < n; i++) {
        *out++ = digits[in[i] >> 4];
        *out++ = digits[in[i] & 15];
    }
}
