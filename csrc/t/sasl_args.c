/*
 * sasl_args.c - what the caller gives: refused arguments are named, values
 * never appear in a text, and what is allowed passes.
 */
#include "tap.h"
#include "sasl_case.h"

/* ---- refused ---- */

enum which {
    USER,
    AUTHZID,
    PASSWORD,
    TOKEN,
    HOST
};

static struct nsx_octets *
argument(struct nsx_sasl_config *c, enum which w)
{
    switch (w) {
    case USER:
        return &c->authcid;
    case AUTHZID:
        return &c->authzid;
    case PASSWORD:
        return &c->password;
    case TOKEN:
        return &c->token;
    default:
        return &c->host;
    }
}

#define MISSING                                                                \
    {                                                                          \
        NULL, 0                                                                \
    }

static const struct {
    const char *mech;
    enum which which;
    struct nsx_octets value;
    const char *text;
} refused[] = {
    { "PLAIN", PASSWORD, MISSING, "PLAIN: password is missing" },
    { "PLAIN", USER, MISSING, "PLAIN: user is missing" },
    { "PLAIN", PASSWORD, S("s3cret\0x"), "PLAIN: password holds a NUL" },
    { "PLAIN", USER, S("s3cret\0"), "PLAIN: user holds a NUL" },
    { "PLAIN", AUTHZID, S("\0s3cret"),
      "PLAIN: authorization identity holds a NUL" },
    { "LOGIN", USER, MISSING, "LOGIN: user is missing" },
    { "LOGIN", PASSWORD, S("s3cret\0x"), "LOGIN: password holds a NUL" },
    { "CRAM-MD5", PASSWORD, MISSING, "CRAM-MD5: password is missing" },
    { "SCRAM-SHA-1", PASSWORD, S("s3cret\t"),
      "SCRAM-SHA-1: password holds a control character" },
    { "SCRAM-SHA-1", PASSWORD, S("s3cret\x7f"),
      "SCRAM-SHA-1: password holds a control character" },
    { "SCRAM-SHA-1", PASSWORD, S("s3cret\xc2\x85"),
      "SCRAM-SHA-1: password holds a control character" },
    { "SCRAM-SHA-1", USER, S("s3cret\n"),
      "SCRAM-SHA-1: user holds a control character" },
    { "XOAUTH2", TOKEN, MISSING, "XOAUTH2: token is missing" },
    { "XOAUTH2", TOKEN, S("s3cret\1x"),
      "XOAUTH2: token holds a control character" },
    { "XOAUTH2", USER, S("s3cret\1auth=x"),
      "XOAUTH2: user holds a control character" },
    { "XOAUTH2", USER, MISSING, "XOAUTH2: user is missing" },
    { "OAUTHBEARER", HOST, S("s3cret\1"),
      "OAUTHBEARER: host holds a control character" },
    { "DIGEST-MD5", HOST, MISSING, "DIGEST-MD5: host is missing" },
    { "ANONYMOUS", USER, S("s3cret\r\n"),
      "ANONYMOUS: user holds a control character" },
};

static void
check_refused(size_t i)
{
    struct nsx_sasl_config c = full_config();
    struct nsx_error e;

    *argument(&c, refused[i].which) = refused[i].value;
    nsx_error_reset(&e);
    ok(!nsx_sasl_new(refused[i].mech, strlen(refused[i].mech), &c, &e)
           && e.code == NSX_E_ARGUMENT && strcmp(e.text, refused[i].text) == 0
           && !strstr(e.text, "s3cret"),
       "%s", e.text);
}

static void
check_long(void)
{
    static char big[NSX_MAX_SASL_RESPONSE + 1];
    struct nsx_sasl_config c = full_config();
    struct nsx_error e;

    memset(big, 'x', sizeof(big));
    c.token.data = big;
    c.token.len = sizeof(big);
    nsx_error_reset(&e);
    ok(!nsx_sasl_new("XOAUTH2", 7, &c, &e) && e.code == NSX_E_ARGUMENT, "%s",
       e.text);
}

static void
check_mechanism(const char *name, const char *text)
{
    struct nsx_sasl_config c = full_config();
    struct nsx_error e;

    c.binding_data.data = NULL;
    nsx_error_reset(&e);
    ok(!nsx_sasl_new(name, strlen(name), &c, &e)
           && e.code == NSX_E_SASL_MECHANISM && strcmp(e.text, text) == 0,
       "%s", e.text);
}

/* ---- allowed ---- */

static void
check_out_cap(void)
{
    struct nsx_sasl_config c = full_config();
    struct nsx_sasl *s;
    struct nsx_buf out;
    struct nsx_error e;
    int present;

    nsx_error_reset(&e);
    nsx_buf_init(&out, 4);
    s = nsx_sasl_new("PLAIN", 5, &c, &e);
    ok(s && nsx_sasl_start(s, &out, &present, &e) == NSX_ERROR
           && e.code == NSX_E_ARGUMENT && !out.len,
       "a response beyond the caller's cap: %s", e.text);
    nsx_sasl_free(s);
    nsx_buf_free(&out);
}

static void
check_order(void)
{
    struct nsx_sasl_config c = full_config();
    struct talk t;

    ok(talk_begin(&t, "LOGIN", &c) && t.present == 0,
       "LOGIN waits for the server");
    ok(nsx_sasl_start(t.sasl, &t.out, &t.present, &t.error) == NSX_ERROR
           && t.error.code == NSX_E_ARGUMENT,
       "a second start is refused");
    talk_end(&t);
    nsx_error_reset(&t.error);
    t.sasl = nsx_sasl_new("LOGIN", 5, &c, &t.error);
    ok(talk_step(&t, octets("x")) == NSX_ERROR,
       "a step before the start is refused");
    talk_end(&t);
    nsx_sasl_free(NULL);
}

/* The caller's copies may go as soon as the exchange exists. */
static void
check_copies(void)
{
    char user[] = "user", password[] = "pencil";
    struct nsx_sasl_config c = full_config();
    struct nsx_octets want = S("\0user\0pencil");
    struct talk t;

    c.authcid = octets(user);
    c.password = octets(password);
    nsx_buf_init(&t.out, RESPONSE_CAP);
    nsx_error_reset(&t.error);
    t.sasl = nsx_sasl_new("plain", 5, &c, &t.error);
    memset(user, 'x', sizeof(user) - 1);
    memset(password, 'x', sizeof(password) - 1);
    ok(nsx_sasl_start(t.sasl, &t.out, &t.present, &t.error) == NSX_OK
           && said(&t, want),
       "arguments are copied");
    ok(nsx_sasl_mechanism(t.sasl) == nsx_sasl_find("PLAIN", 5),
       "the exchange knows its mechanism");
    talk_end(&t);
}

static void
check_nonces(void)
{
    struct nsx_sasl_config c = full_config();
    struct talk a, b;

    c.nonce.data = NULL;
    c.binding_data.data = NULL;
    ok(talk_begin(&a, "SCRAM-SHA-1", &c) && talk_begin(&b, "SCRAM-SHA-1", &c),
       "SCRAM with random nonces");
    ok(a.out.len == strlen("n,,n=user,r=") + 24 && a.out.len == b.out.len
           && memcmp(nsx_buf_data(&a.out), nsx_buf_data(&b.out), a.out.len)
               != 0,
       "24 characters, another each time");
    talk_end(&a);
    talk_end(&b);
}

int
main(void)
{
    size_t i;

    for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        check_refused(i);
    check_long();
    check_mechanism("SCRAM-SHA-1-PLUS",
                    "SCRAM-SHA-1-PLUS: no channel binding data");
    check_mechanism("SCRAM-SHA", "unknown SASL mechanism \"SCRAM-SHA\"");
    check_mechanism("", "unknown SASL mechanism \"\"");
    check_mechanism("PLAIN\r\nQUIT", "unknown SASL mechanism \"PLAIN??QUIT\"");
    check_out_cap();
    check_order();
    check_copies();
    check_nonces();
    return done_testing();
}
