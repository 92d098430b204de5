/*
 * sasl_memory.c - the Nth allocation fails, for every N; and no block is
 * given back with a secret in it.
 */
#include "tap.h"
#include "sasl_case.h"
#include "nsx_sasl_mech.h"

/* ---- an allocator that knows sizes, to look into what it gets back ---- */

#define PASSWORD "correct-horse-battery"
#define BEARER "ya29.bearer-of-tidings"

union head {
    size_t size;
    long double align;
    void *pointer;
};

static int leaks;
static const unsigned char *needle;
static size_t needle_len;

static int
holds(const unsigned char *p, size_t n, const void *what, size_t len)
{
    size_t i;

    for (i = 0; len && i + len <= n; i++)
        if (memcmp(p + i, what, len) == 0)
            return 1;
    return 0;
}

static void
look(const union head *h)
{
    const unsigned char *p = (const unsigned char *)(h + 1);

    leaks += holds(p, h->size, PASSWORD, strlen(PASSWORD))
        || holds(p, h->size, BEARER, strlen(BEARER))
        || holds(p, h->size, needle, needle_len);
}

static void
looking_free(void *ptr)
{
    union head *h = ptr;

    if (!ptr)
        return;
    look(--h);
    live_blocks--;
    free(h);
}

static void *
looking_realloc(void *ptr, size_t size)
{
    union head *h;

    if (fail_countdown >= 0 && fail_countdown-- == 0) {
        did_fail = 1;
        return NULL;
    }
    h = calloc(1, sizeof(*h) + size);
    if (!h)
        return NULL;
    h->size = size;
    live_blocks++;
    if (ptr) {
        const union head *old = (const union head *)ptr - 1;

        memcpy(h + 1, ptr, old->size < size ? old->size : size);
        looking_free(ptr);
    }
    return h + 1;
}

/* ---- one whole exchange of each mechanism ---- */

static const struct {
    const char *mech;
    const char *challenge[2];
} talks[] = {
    { "SCRAM-SHA-256-PLUS", { "r=abcXYZ,s=QSXCR+Q6sek8bf92,i=2,x=1", "e=no" } },
    { "SCRAM-SHA-1",
      { "r=abcXYZ,s=QSXCR+Q6sek8bf92,i=2", "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=" } },
    { "SCRAM-SHA-256", { "r=wrong,s=QSXC,i=2", NULL } },
    { "SCRAM-SHA-256", { "r=abcX,s=QQ,i=2", NULL } },
    { "DIGEST-MD5",
      { "realm=\"r\",nonce=\"a\",algorithm=md5-sess,charset=utf-8",
        "rspauth=00000000000000000000000000000000" } },
    { "CRAM-MD5", { "<1@x>", NULL } },
    { "PLAIN", { NULL, NULL } },
    { "PLAIN", { "unexpected", NULL } },
    { "LOGIN", { "Username:", "Password:" } },
    { "LOGIN", { "Username:", NULL } },
    { "EXTERNAL", { NULL, NULL } },
    { "ANONYMOUS", { NULL, NULL } },
    { "XOAUTH2", { "{}", NULL } },
    { "OAUTHBEARER", { "{}", NULL } },
};

#define TALKS (sizeof(talks) / sizeof(talks[0]))

static struct nsx_sasl_config
secret_config(void)
{
    struct nsx_sasl_config c = full_config();

    c.authcid = octets("us,er");
    c.authzid = octets("bo=ss");
    c.password = octets(PASSWORD);
    c.token = octets(BEARER);
    c.port = 587;
    return c;
}

/* The code of the error that ended the exchange, or NSX_E_NONE. */
static nsx_errcode
converse(size_t i)
{
    struct nsx_sasl_config c = secret_config();
    nsx_errcode code = NSX_E_NONE;
    struct talk t;
    int k;

    if (!talk_begin(&t, talks[i].mech, &c))
        code = t.error.code;
    for (k = 0; k < 2 && talks[i].challenge[k] && code == NSX_E_NONE; k++)
        if (talk_step(&t, octets(talks[i].challenge[k])) != NSX_OK)
            code = t.error.code;
    talk_end(&t);
    return code;
}

/* ---- the checks ---- */

static void
check_failing(size_t i)
{
    nsx_errcode expected, code;
    long n;
    int right = 1;

    fail_countdown = -1;
    live_blocks = 0;
    expected = converse(i);
    for (n = 0; n < 1000; n++) {
        fail_countdown = n;
        did_fail = 0;
        code = converse(i);
        if (!did_fail)
            break;
        right &= code == NSX_E_NOMEM;
    }
    fail_countdown = -1;
    ok(right && n > 1 && n < 1000 && code == expected && live_blocks == 0,
       "%s: each of %ld allocations may fail", talks[i].mech, n);
}

static void
check_wiped(void)
{
    ok(leaks == 0, "nothing freed held the password or the token");
    leaks = 0;
    {
        unsigned char *p = looking_realloc(NULL, 64);

        memcpy(p + 7, PASSWORD, strlen(PASSWORD));
        looking_free(p);
    }
    ok(leaks == 1, "and the check would have seen it");
    leaks = 0;
}

/* The salted password and the keys are as good as the password. */
static void
check_derived(void)
{
    static const unsigned char salt[] = { 0x41, 0x25, 0xc2, 0x47, 0xe4, 0x3a,
                                          0xb1, 0xe9, 0x3c, 0x6d, 0xff, 0x76 };
    static const struct nsx_octets label = S("Client Key");
    struct nsx_octets s = { salt, sizeof(salt) }, k;
    struct nsx_pbkdf2 *hi;
    unsigned char salted[NSX_MAX_DIGEST], key[NSX_MAX_DIGEST];
    struct nsx_error e;
    int i, right = 1;

    nsx_error_reset(&e);
    hi = nsx_pbkdf2_new(NSX_HASH_SHA1, octets(PASSWORD), s, 2, &e);
    ok(hi && nsx_pbkdf2_work(hi, 2, salted, &e) == NSX_OK, "salted");
    nsx_pbkdf2_free(hi);
    k.data = salted;
    k.len = 20;
    nsx_hmac(NSX_HASH_SHA1, k, label, key, &e);
    for (i = 0; i < 2; i++) {
        needle = i ? key : salted;
        needle_len = 20;
        leaks = 0;
        converse(1);
        right &= leaks == 0;
    }
    needle_len = 0;
    ok(right && e.code == NSX_E_NONE,
       "nothing freed held the salted password or the client key");
}

/* The arguments go as soon as the exchange needs them no more. */
static void
check_soon(void)
{
    static const char *const kept[] = {
        "PLAIN",       "CRAM-MD5", "DIGEST-MD5",
        "SCRAM-SHA-1", "XOAUTH2",  "OAUTHBEARER"
    };
    static const char *const challenge[] = {
        NULL, "<1@x>", "nonce=\"a\",algorithm=md5-sess", "r=abcXYZ,s=QSXC,i=1",
        NULL, NULL
    };
    size_t i;

    for (i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        struct nsx_sasl_config c = secret_config();
        struct talk t;
        const union head *arena;
        int right = talk_begin(&t, kept[i], &c);

        if (challenge[i])
            right &= talk_step(&t, octets(challenge[i])) == NSX_OK;
        arena = (const union head *)(const void *)t.sasl->arena - 1;
        leaks = 0;
        look(arena);
        ok(right && leaks == 0, "%s: wiped after the last use", kept[i]);
        talk_end(&t);
    }
}

int
main(void)
{
    size_t i;

    nsx_alloc_hooks(looking_realloc, looking_free);
    for (i = 0; i < TALKS; i++)
        check_failing(i);
    check_wiped();
    check_derived();
    check_soon();
    return done_testing();
}
