/*
 * nsx_digest.c - the only file besides TLS that knows OpenSSL.  EVP only, so
 * that 1.1.1, 3.x and LibreSSL serve alike and providers (FIPS) have a say.
 */
#include "nsx_digest.h"

#include <limits.h>
#include <string.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "nsx_buf.h"

struct hash_row {
    const char *name;
    size_t size;
    const EVP_MD *(*md)(void);
};

static const struct hash_row hashes[NSX_HASH_COUNT_] = {
    { "MD5", 16, EVP_md5 },
    { "SHA-1", 20, EVP_sha1 },
    { "SHA-256", 32, EVP_sha256 },
    { "SHA-512", 64, EVP_sha512 },
};

size_t
nsx_hash_size(enum nsx_hash hash)
{
    return hashes[hash].size;
}

const char *
nsx_hash_name(enum nsx_hash hash)
{
    return hashes[hash].name;
}

/* Turns the end of an OpenSSL call between ERR_set_mark and here into a
 * status, and drops what the call left in the error queue. */
static nsx_status
outcome(int ok, const char *what, const char *where, struct nsx_error *e)
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

static int
digest_parts(EVP_MD_CTX *ctx, const EVP_MD *md, const struct nsx_octets *parts,
             size_t count, unsigned char *out)
{
    size_t i;

    if (!EVP_DigestInit_ex(ctx, md, NULL))
        return 0;
    for (i = 0; i < count; i++)
        if (!EVP_DigestUpdate(ctx, parts[i].data, parts[i].len))
            return 0;
    return EVP_DigestFinal_ex(ctx, out, NULL);
}

nsx_status
nsx_digest(enum nsx_hash hash, const struct nsx_octets *parts, size_t count,
           unsigned char *out, struct nsx_error *e)
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
static const void *
given(struct nsx_octets o)
{
    return o.data ? o.data : "";
}

nsx_status
nsx_hmac(enum nsx_hash hash, struct nsx_octets key, struct nsx_octets data,
         unsigned char *out, struct nsx_error *e)
{
    int ok;

    if (key.len > INT_MAX)
        return nsx_error_set(e, NSX_E_ARGUMENT, "nsx_hmac", "key is too long");
    ERR_set_mark();
    ok = HMAC(hashes[hash].md(), given(key), (int)key.len, given(data),
              data.len, out, NULL)
        != NULL;
    return outcome(ok, hashes[hash].name, "nsx_hmac", e);
}

/* ---- PBKDF2 ---- */

#define MAX_BLOCK 128 /* of a hash's input: SHA-512 */

struct nsx_pbkdf2 {
    EVP_MD_CTX *inner, *outer; /* HMAC after the key's block */
    EVP_MD_CTX *work;
    size_t size;
    unsigned long left;                /* iterations to be done */
    unsigned char u[NSX_MAX_DIGEST];   /* the last U */
    unsigned char sum[NSX_MAX_DIGEST]; /* of all U so far */
};

/* A context that has taken the key's block, changed by pad. */
static int
keyed(EVP_MD_CTX *ctx, const EVP_MD *md, const unsigned char *block,
      size_t size, unsigned pad)
{
    unsigned char mixed[MAX_BLOCK];
    size_t i;
    int ok;

    for (i = 0; i < size; i++)
        mixed[i] = (unsigned char)(block[i] ^ pad);
    ok = EVP_DigestInit_ex(ctx, md, NULL) && EVP_DigestUpdate(ctx, mixed, size);
    OPENSSL_cleanse(mixed, sizeof(mixed));
    return ok;
}

/* RFC 2104: a key longer than a block is hashed first. */
static int
take_key(struct nsx_pbkdf2 *p, const EVP_MD *md, struct nsx_octets key)
{
    unsigned char block[MAX_BLOCK] = { 0 };
    size_t size = (size_t)EVP_MD_block_size(md);
    int ok = size <= sizeof(block);

    if (ok && key.len > size)
        ok = digest_parts(p->work, md, &key, 1, block);
    else if (ok && key.len)
        memcpy(block, key.data, key.len);
    ok = ok && keyed(p->inner, md, block, size, 0x36)
        && keyed(p->outer, md, block, size, 0x5c);
    OPENSSL_cleanse(block, sizeof(block));
    return ok;
}

/* HMAC of what follows the key in work, into u. */
static int
finish_mac(struct nsx_pbkdf2 *p)
{
    return EVP_DigestFinal_ex(p->work, p->u, NULL)
        && EVP_MD_CTX_copy_ex(p->work, p->outer)
        && EVP_DigestUpdate(p->work, p->u, p->size)
        && EVP_DigestFinal_ex(p->work, p->u, NULL);
}

static int
first_round(struct nsx_pbkdf2 *p, struct nsx_octets salt)
{
    static const unsigned char one[] = { 0, 0, 0, 1 }; /* the only block */
    int ok = EVP_MD_CTX_copy_ex(p->work, p->inner)
        && EVP_DigestUpdate(p->work, given(salt), salt.len)
        && EVP_DigestUpdate(p->work, one, sizeof(one)) && finish_mac(p);

    memcpy(p->sum, p->u, p->size);
    p->left--;
    return ok;
}

static int
next_round(struct nsx_pbkdf2 *p)
{
    size_t i;

    if (!EVP_MD_CTX_copy_ex(p->work, p->inner)
        || !EVP_DigestUpdate(p->work, p->u, p->size) || !finish_mac(p))
        return 0;
    for (i = 0; i < p->size; i++)
        p->sum[i] ^= p->u[i];
    p->left--;
    return 1;
}

static struct nsx_pbkdf2 *
new_contexts(void)
{
    struct nsx_pbkdf2 *p = nsx_alloc(sizeof(*p));

    if (!p)
        return NULL;
    p->inner = EVP_MD_CTX_new();
    p->outer = EVP_MD_CTX_new();
    p->work = EVP_MD_CTX_new();
    if (p->inner && p->outer && p->work)
        return p;
    nsx_pbkdf2_free(p);
    return NULL;
}

struct nsx_pbkdf2 *
nsx_pbkdf2_new(enum nsx_hash hash, struct nsx_octets password,
               struct nsx_octets salt, unsigned long iterations,
               struct nsx_error *e)
{
    struct nsx_pbkdf2 *p;
    int ok;

    if (iterations < 1) {
        nsx_error_set(e, NSX_E_ARGUMENT, "nsx_pbkdf2_new", "no iterations");
        return NULL;
    }
    p = new_contexts();
    if (!p) {
        nsx_error_set(e, NSX_E_NOMEM, "nsx_pbkdf2_new", NULL);
        return NULL;
    }
    p->size = hashes[hash].size;
    p->left = iterations;
    ERR_set_mark();
    ok = take_key(p, hashes[hash].md(), password) && first_round(p, salt);
    if (outcome(ok, hashes[hash].name, "nsx_pbkdf2_new", e) == NSX_OK)
        return p;
    nsx_pbkdf2_free(p);
    return NULL;
}

nsx_status
nsx_pbkdf2_work(struct nsx_pbkdf2 *p, unsigned long at_most, unsigned char *out,
                struct nsx_error *e)
{
    int ok = 1;

    ERR_set_mark();
    for (; ok && at_most && p->left; at_most--)
        ok = next_round(p);
    if (outcome(ok, "the hash", "nsx_pbkdf2_work", e) != NSX_OK)
        return NSX_ERROR;
    if (p->left)
        return NSX_AGAIN;
    memcpy(out, p->sum, p->size);
    return NSX_OK;
}

void
nsx_pbkdf2_free(struct nsx_pbkdf2 *p)
{
    if (!p)
        return;
    EVP_MD_CTX_free(p->inner); /* overwrites its state */
    EVP_MD_CTX_free(p->outer);
    EVP_MD_CTX_free(p->work);
    nsx_wipe(p, sizeof(*p));
    nsx_free(p);
}

/* ---- the rest ---- */

nsx_status
nsx_random(void *out, size_t n, struct nsx_error *e)
{
    int ok;

    ERR_set_mark();
    ok = n <= INT_MAX && RAND_bytes(out, (int)n) == 1;
    return outcome(ok, "a source of random numbers", "nsx_random", e);
}

int
nsx_same_secret(const void *a, const void *b, size_t n)
{
    return CRYPTO_memcmp(a, b, n) == 0;
}

void
nsx_hex(const unsigned char *in, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    size_t i;

    for (i = 0; i < n; i++) {
        *out++ = digits[in[i] >> 4];
        *out++ = digits[in[i] & 15];
    }
}
