/*
 * sasl_pick.c - the choice of mechanism.
 */
#include "tap.h"
#include "sasl_case.h"

enum {
    PASS = NSX_SASL_HAS_PASSWORD,
    TOKEN = NSX_SASL_HAS_TOKEN,
    CERT = NSX_SASL_HAS_CERTIFICATE
};

#define ALL                                                                    \
    "LOGIN PLAIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-256 "               \
    "SCRAM-SHA-1-PLUS SCRAM-SHA-256-PLUS XOAUTH2 OAUTHBEARER EXTERNAL "        \
    "ANONYMOUS GSSAPI NTLM"

enum {
    CLEAR = 0,
    CLEAR_OK = 1,
    TLS = 2,
    BOUND = 6
};

static const struct {
    const char *offered, *allowed;
    unsigned credentials;
    int wire;         /* CLEAR, CLEAR_OK, TLS, BOUND */
    const char *want; /* in turn, each refused by the server */
} cases[] = {
    { ALL, NULL, PASS, BOUND, "SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS" },
    { ALL, "SCRAM-SHA-256-PLUS PLAIN", PASS, BOUND,
      "SCRAM-SHA-256-PLUS PLAIN" },
    { ALL, NULL, PASS, TLS, "SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN" },
    { ALL, NULL, PASS, CLEAR, "SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5" },
    { ALL, NULL, PASS, CLEAR_OK,
      "SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN" },
    { ALL, NULL, TOKEN, TLS, "OAUTHBEARER XOAUTH2" },
    { ALL, NULL, TOKEN, CLEAR, "" },
    { ALL, NULL, PASS | TOKEN, TLS,
      "SCRAM-SHA-256 SCRAM-SHA-1 OAUTHBEARER XOAUTH2 CRAM-MD5 PLAIN LOGIN" },
    { ALL, NULL, CERT, TLS, "EXTERNAL" },
    { ALL, NULL, CERT | PASS, TLS,
      "SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN" },
    { ALL, NULL, 0, TLS, "ANONYMOUS" },
    { ALL, "EXTERNAL", PASS, CLEAR, "EXTERNAL" },
    { ALL, "ANONYMOUS EXTERNAL", PASS, CLEAR, "EXTERNAL ANONYMOUS" },
    { ALL, "DIGEST-MD5", PASS, CLEAR, "DIGEST-MD5" },
    { ALL, "plain login", PASS, TLS, "PLAIN LOGIN" },
    { ALL, "PLAIN", TOKEN, TLS, "" },
    { ALL, "SCRAM-SHA-1", PASS, BOUND, "SCRAM-SHA-1" },
    { ALL, "NTLM", PASS, BOUND, "" },
    { ALL, "", PASS, BOUND, "" },
    { "PLAIN LOGIN", "CRAM-MD5 SCRAM-SHA-1", PASS, TLS, "" },
    { "SCRAM-SHA-1-PLUS", NULL, PASS, TLS, "" },
    { "SCRAM-SHA-1-PLUS", "SCRAM-SHA-1", PASS, BOUND, "" },
    { "SCRAM-SHA-1", "SCRAM-SHA-1-PLUS", PASS, BOUND, "" },
    { "XPLAIN PLAINX X-PLAIN PLAIN-X", NULL, PASS, TLS, "" },
    { " \t scram-sha-1\tpLain  ", NULL, PASS, TLS, "SCRAM-SHA-1 PLAIN" },
    { "", NULL, PASS, TLS, "" },
};

static void
check(size_t i)
{
    struct nsx_sasl_choice c;
    const struct nsx_sasl_mech *m;
    char got[256] = "";

    memset(&c, 0, sizeof(c));
    c.offered = octets(cases[i].offered);
    if (cases[i].allowed)
        c.allowed = octets(cases[i].allowed);
    c.credentials = cases[i].credentials;
    c.tls = (cases[i].wire & TLS) != 0;
    c.binding = cases[i].wire == BOUND;
    c.cleartext = cases[i].wire == CLEAR_OK;
    while ((m = nsx_sasl_pick(&c)) && strlen(got) < 200) {
        strcat(got, *got ? " " : "");
        strcat(got, m->name);
        c.refused |= m->bit;
    }
    ok(strcmp(got, cases[i].want) == 0, "offered %.30s..., allowed %s: %s",
       cases[i].offered, cases[i].allowed ? cases[i].allowed : "any", got);
}

/* What could not begin tells nothing about the server. */
static void
check_unfit(void)
{
    struct nsx_sasl_choice c;
    const struct nsx_sasl_mech *m;

    memset(&c, 0, sizeof(c));
    c.offered = octets("SCRAM-SHA-1-PLUS PLAIN");
    c.credentials = PASS;
    c.tls = c.binding = 1;
    m = nsx_sasl_pick(&c);
    ok(m && (m->flags & NSX_SASL_BINDING), "the one with channel binding");
    c.unfit = m->bit;
    m = nsx_sasl_pick(&c);
    ok(m && strcmp(m->name, "PLAIN") == 0, "unfit: the next one");
}

static void
check_table(void)
{
    const struct nsx_sasl_mech *m;
    unsigned bits = 0;
    size_t i;

    for (i = 0; (m = nsx_sasl_mech_at(i)); i++) {
        ok(nsx_sasl_find(m->name, strlen(m->name)) == m && m->bit
               && !(bits & m->bit),
           "%s is found and has its own bit", m->name);
        bits |= m->bit;
    }
    is_num(i, 12, "twelve mechanisms");
    ok(!nsx_sasl_find("PLAI", 4) && !nsx_sasl_find("PLAINS", 6)
           && !nsx_sasl_find("", 0),
       "no other names");
}

/* Lists may end where readable memory ends. */
static void
check_bounds(void)
{
    static const char list[] = "PLAIN SCRAM-SHA-1-PLUS";
    struct nsx_sasl_choice c;
    struct arena arena;
    size_t n;
    int quiet = 1;

    arena_init(&arena, sizeof(list));
    memset(&c, 0, sizeof(c));
    c.credentials = PASS;
    c.tls = 1;
    for (n = 0; n < sizeof(list); n++) {
        c.offered.data = arena_put(&arena, list, n, 1);
        c.offered.len = n;
        quiet &= (nsx_sasl_pick(&c) != NULL) == (n >= 5);
        quiet &= nsx_sasl_offers_binding(c.offered) == (n == 22);
    }
    ok(quiet, "a list cut anywhere, at the end of memory");
    c.offered.data = NULL;
    c.offered.len = 0;
    ok(!nsx_sasl_pick(&c) && !nsx_sasl_offers_binding(c.offered),
       "no list at all");
}

int
main(void)
{
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        check(i);
    check_unfit();
    check_table();
    check_bounds();
    return done_testing();
}
