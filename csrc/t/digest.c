/*
 * digest.c - hashes, HMAC, PBKDF2 against published vectors (RFC 1321, 2202,
 * 4231, 6070, FIPS 180-4), and the small things around them.
 */
#include "tap.h"
#include <openssl/err.h>
#include <openssl/evp.h>
#include "nsx_digest.h"

static const char *
hex_of(const unsigned char *p, size_t n)
{
    static char text[2 * NSX_MAX_DIGEST + 1];

    nsx_hex(p, n, text);
    text[2 * n] = '\0';
    return text;
}

static struct nsx_octets
str(const char *text)
{
    struct nsx_octets o;

    o.data = text;
    o.len = strlen(text);
    return o;
}

static const struct {
    enum nsx_hash hash;
    const char *of_abc;
    const char *hmac; /* key "Jefe", "what do ya want for nothing?" */
} vectors[] = {
    { NSX_HASH_MD5, "900150983cd24fb0d6963f7d28e17f72",
      "750c783e6ab0b503eaa86e310a5db738" },
    { NSX_HASH_SHA1, "a9993e364706816aba3e25717850c26c9cd0d89d",
      "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79" },
    { NSX_HASH_SHA256,
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
    { NSX_HASH_SHA512,
      "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
      "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
      "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
      "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737" },
};

static void
check_vectors(void)
{
    const struct nsx_octets split[] = { { "a", 1 }, { NULL, 0 }, { "bc", 2 } };
    unsigned char out[NSX_MAX_DIGEST];
    struct nsx_error e;
    size_t i, size;

    nsx_error_reset(&e);
    for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        enum nsx_hash h = vectors[i].hash;

        size = nsx_hash_size(h);
        if (nsx_digest(h, NULL, 0, out, &e) != NSX_OK) {
            ok(e.code == NSX_E_SASL_MECHANISM, "hash # SKIP %s", e.text);
            nsx_error_reset(&e);
            continue;
        }
        ok(nsx_digest(h, split, 3, out, &e) == NSX_OK
               && strcmp(hex_of(out, size), vectors[i].of_abc) == 0,
           "%s of \"abc\" in parts", nsx_hash_name(h));
        ok(nsx_hmac(h, str("Jefe"), str("what do ya want for nothing?"), out,
                    &e)
                   == NSX_OK
               && strcmp(hex_of(out, size), vectors[i].hmac) == 0,
           "HMAC-%s", nsx_hash_name(h));
    }
}

/* PBKDF2 with SHA-1 in slices; how many it took, 0 when it failed. */
static unsigned
salt(struct nsx_octets password, unsigned long count, unsigned long slice,
     unsigned char *out)
{
    struct nsx_error e;
    struct nsx_pbkdf2 *p;
    nsx_status st = NSX_AGAIN;
    unsigned calls = 0;

    nsx_error_reset(&e);
    p = nsx_pbkdf2_new(NSX_HASH_SHA1, password, str("salt"), count, &e);
    for (; p && st == NSX_AGAIN; calls++)
        st = nsx_pbkdf2_work(p, slice, out, &e);
    nsx_pbkdf2_free(p);
    return st == NSX_OK ? calls : 0;
}

static void
check_pbkdf2(void)
{
    static const struct {
        unsigned long count;
        const char *want;
    } v[] = {
        { 1, "0c60c80f961f0e71f3a9b524af6012062fe037a6" },
        { 2, "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957" },
        { 4096, "4b007901b765489abead49d926f721d065a429c1" },
    };
    unsigned char out[NSX_MAX_DIGEST];
    struct nsx_error e;
    size_t i;

    nsx_error_reset(&e);
    for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        unsigned calls = salt(str("password"), v[i].count, v[i].count, out);

        ok(calls == 1 && strcmp(hex_of(out, 20), v[i].want) == 0,
           "PBKDF2 with %lu iterations", v[i].count);
    }
    is_num(salt(str("password"), 4096, 1000, out), 5, "in five slices");
    is_str(hex_of(out, 20), v[2].want, "with the same result");
    ok(!nsx_pbkdf2_new(NSX_HASH_SHA1, str("password"), str("salt"), 0, &e)
           && e.code == NSX_E_ARGUMENT,
       "0 iterations are refused");
}

/* Around the length of a block, against libcrypto's own. */
static void
check_long_passwords(void)
{
    unsigned char out[NSX_MAX_DIGEST], want[NSX_MAX_DIGEST];
    char text[130];
    size_t n;
    int same = 1;

    memset(text, 'p', sizeof(text));
    for (n = 0; n <= sizeof(text); n++) {
        struct nsx_octets password = { text, n };

        salt(password, 3, 1, out);
        same &= PKCS5_PBKDF2_HMAC(text, (int)n, (const unsigned char *)"salt",
                                  4, 3, EVP_sha1(), 20, want)
                == 1
            && memcmp(out, want, 20) == 0;
    }
    ok(same, "PBKDF2 of passwords shorter and longer than a block");
}

static void
check_rest(void)
{
    const struct nsx_octets nothing = { NULL, 0 };
    unsigned char a[32], b[32], zero[32] = { 0 };
    struct nsx_error e;

    nsx_error_reset(&e);
    ok(nsx_hmac(NSX_HASH_SHA256, nothing, nothing, a, &e) == NSX_OK
           && strncmp(hex_of(a, 32), "b613679a0814d9ec", 16) == 0,
       "an empty key and empty data have their HMAC");
    ok(nsx_random(a, 32, &e) == NSX_OK && nsx_random(b, 32, &e) == NSX_OK
           && memcmp(a, b, 32) != 0 && memcmp(a, zero, 32) != 0,
       "random octets differ");
    memcpy(b, a, 32);
    ok(nsx_same_secret(a, b, 32), "equal secrets");
    b[31] ^= 1;
    ok(!nsx_same_secret(a, b, 32), "secrets that differ in the last bit");
    ok(ERR_peek_error() == 0, "OpenSSL's error queue is empty");
}

/* A library in FIPS mode with no FIPS provider has nothing to offer. */
static void
check_unavailable(void)
{
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
    unsigned char out[NSX_MAX_DIGEST];
    struct nsx_error e;

    nsx_error_reset(&e);
    EVP_set_default_properties(NULL, "provider=none");
    ok(nsx_digest(NSX_HASH_MD5, NULL, 0, out, &e) == NSX_ERROR
           && e.code == NSX_E_SASL_MECHANISM,
       "%s", e.text);
    nsx_error_reset(&e);
    ok(nsx_hmac(NSX_HASH_MD5, str("k"), str("d"), out, &e) == NSX_ERROR
           && e.code == NSX_E_SASL_MECHANISM,
       "HMAC: %s", e.text);
    nsx_error_reset(&e);
    ok(!nsx_pbkdf2_new(NSX_HASH_SHA1, str("p"), str("s"), 1, &e)
           && e.code == NSX_E_SASL_MECHANISM,
       "PBKDF2: %s", e.text);
    ok(ERR_peek_error() == 0, "OpenSSL's error queue is still empty");
#endif
}

int
main(void)
{
    check_vectors();
    check_pbkdf2();
    check_long_passwords();
    check_rest();
    check_unavailable();
    return done_testing();
}
