/*
 * Names in certificates: schemes, wildcards, IP literals.
 */
#include "tap.h"

#include "nsx_tls_verify.h"

#define NONE NSX_TLS_WILDCARD_NONE
#define LABEL NSX_TLS_WILDCARD_FULL_LABEL
#define ANY NSX_TLS_WILDCARD_ANYWHERE

static const struct match {
    const char *name, *host;
    enum nsx_tls_wildcard rule;
    int want;
} matches[] = {
    { "mail.example.org", "mail.example.org", NONE, 1 },
    { "MAIL.Example.ORG", "mail.example.org", NONE, 1 },
    { "mail.example.org.", "mail.example.org", NONE, 0 },
    { "mail.example.org.", "mail.example.org.", NONE, 0 },
    { " mail.example.org", "mail.example.org", ANY, 0 },
    { "mail.example.org ", "mail.example.org", ANY, 0 },
    { "mail.example.org", "mail.example.org..", NONE, 1 },
    { "mail.example.org", "mail.example.com", ANY, 0 },
    { "example.org", "mail.example.org", ANY, 0 },
    { "mail.example.org", "example.org", ANY, 0 },
    { "", "", ANY, 0 },
    { ".", ".", ANY, 0 },
    { "", "a", ANY, 0 },
    { "*.example.org", "mail.example.org", NONE, 0 },
    { "*.example.org", "mail.example.org", LABEL, 1 },
    { "*.EXAMPLE.org", "mail.example.ORG", LABEL, 1 },
    { "*.example.org.", "mail.example.org", LABEL, 0 },
    { "*.example.org", "mail.example.org", ANY, 1 },
    { "*.example.org", "a.mail.example.org", ANY, 0 },
    { "*.example.org", "example.org", ANY, 0 },
    { "*.example.org", ".example.org", ANY, 0 },
    { "*.example.org", "mail.example.org.evil", ANY, 0 },
    { "m*.example.org", "mail.example.org", LABEL, 0 },
    { "m*.example.org", "mail.example.org", ANY, 1 },
    { "m*l.example.org", "mail.example.org", ANY, 1 },
    { "m*l.example.org", "ml.example.org", ANY, 0 },
    { "*l.example.org", "mail.example.org", ANY, 1 },
    { "m*.*.org", "mail.example.org", ANY, 0 },
    { "*.*.org", "mail.example.org", ANY, 0 },
    { "mail.*.org", "mail.example.org", ANY, 0 },
    { "*.org", "example.org", ANY, 0 },
    { "*", "localhost", ANY, 0 },
    { "*.", "localhost", ANY, 0 },
    { "*.localhost", "a.localhost", ANY, 0 },
    { "*.co.uk", "example.co.uk", ANY, 0 },
    { "*.example.co.uk", "mail.example.co.uk", ANY, 1 },
    { "*.com.au", "example.com.au", LABEL, 0 },
    { "*.example.de", "mail.example.de", LABEL, 1 },
    { "*.com.museum", "example.com.museum", LABEL, 1 },
    { "*.example.org", "xn--mnchen-3ya.example.org", LABEL, 1 },
    { "xn--*.example.org", "xn--mnchen-3ya.example.org", ANY, 0 },
    { "x*.example.org", "XN--mnchen-3ya.example.org", ANY, 0 },
    { "*.example.org", "a b.example.org", ANY, 0 },
    { "mx_1.example.org", "mx_1.example.org", NONE, 1 },
};

static void
test_matches(void)
{
    size_t i;

    for (i = 0; i < sizeof matches / sizeof matches[0]; i++) {
        const struct match *m = &matches[i];

        ok(nsx_tls_name_match(m->name, strlen(m->name), m->host,
                              strlen(m->host), m->rule)
               == m->want,
           "'%s' %s '%s' under rule %d", m->name, m->want ? "is" : "is not",
           m->host, (int)m->rule);
    }
}

static void
test_nul(void)
{
    static const char bad[] = "mail.example.org\0.evil.example";
    static const char same[] = "a\0b.example.org";

    ok(!nsx_tls_name_match(bad, sizeof bad - 1, "mail.example.org", 16, ANY),
       "a NUL does not end the name");
    ok(!nsx_tls_name_match(same, sizeof same - 1, same, sizeof same - 1, ANY),
       "a name with a NUL matches nothing, itself included");
}

static void
test_guarded(void)
{
    struct arena a, b;
    size_t i;

    arena_init(&a, 256);
    arena_init(&b, 256);
    for (i = 0; i < sizeof matches / sizeof matches[0]; i++) {
        const struct match *m = &matches[i];
        size_t n = strlen(m->name), h = strlen(m->host);

        if (nsx_tls_name_match(arena_put(&a, m->name, n, 1), n,
                               arena_put(&b, m->host, h, 1), h, m->rule)
                != m->want
            || nsx_tls_name_match(arena_put(&a, m->name, n, 0), n,
                                  arena_put(&b, m->host, h, 0), h, m->rule)
                != m->want)
            break;
    }
    is_num(i, sizeof matches / sizeof matches[0],
           "nothing outside of the names is read");
}

static const struct literal {
    const char *text;
    size_t len;
    unsigned char ip[16];
} literals[] = {
    { "127.0.0.1", 4, { 127, 0, 0, 1 } },
    { "255.255.255.255", 4, { 255, 255, 255, 255 } },
    { "0.0.0.0", 4, { 0, 0, 0, 0 } },
    { "010.0.0.1", 0, { 0 } },
    { "10.0.0.01", 0, { 0 } },
    { "00.0.0.0", 0, { 0 } },
    { "256.0.0.1", 0, { 0 } },
    { "1.2.3", 0, { 0 } },
    { "1.2.3.4.5", 0, { 0 } },
    { "1.2.3.", 0, { 0 } },
    { "1..2.3", 0, { 0 } },
    { "1.2.3.4x", 0, { 0 } },
    { "99999999999999999999.1.1.1", 0, { 0 } },
    { "", 0, { 0 } },
    { "::1", 16, { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 } },
    { "[::1]", 16, { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 } },
    { "[::1", 0, { 0 } },
    { "[127.0.0.1]", 0, { 0 } },
    { "::g", 0, { 0 } },
    { "fe80::1%eth0", 0, { 0 } },
    { "mail.example.org", 0, { 0 } },
};

static void
test_literals(void)
{
    size_t i;

    for (i = 0; i < sizeof literals / sizeof literals[0]; i++) {
        const struct literal *l = &literals[i];
        unsigned char ip[16];
        size_t n = nsx_tls_ip_literal(l->text, strlen(l->text), ip);

        ok(n == l->len && (n == 0 || memcmp(ip, l->ip, n) == 0), "'%s' is %s",
           l->text,
           l->len == 0       ? "no address"
               : l->len == 4 ? "IPv4"
                             : "IPv6");
    }
}

static void
test_schemes(void)
{
    static const char *const names[] = {
        "none",    "default", "www",     "http",    "ldap",    "smtp",
        "imap",    "pop3",    "acap",    "nntp",    "netconf", "syslog",
        "snmp",    "ftp",     "xmpp",    "gist",    "sip",     "rfc2595",
        "rfc2818", "rfc3920", "rfc4217", "rfc4513", "rfc4642", "rfc5425",
        "rfc5538", "rfc5539", "rfc5922", "rfc5953", "rfc5971"
    };
    struct nsx_tls_name_rules r;
    size_t i, known = 0;

    for (i = 0; i < sizeof names / sizeof names[0]; i++)
        known += (size_t)nsx_tls_scheme(names[i], &r);
    is_num(known, sizeof names / sizeof names[0], "all schemes are known");
    ok(!nsx_tls_scheme("SMTP", &r) && !nsx_tls_scheme("", &r),
       "others are not");
    nsx_tls_scheme("smtp", &r);
    ok(r.check && r.in_cn == LABEL && r.in_alt == LABEL
           && r.cn == NSX_TLS_CN_WHEN_ONLY && !r.ip_in_cn,
       "smtp: whole labels, the CN where no name is beside it");
    nsx_tls_scheme("none", &r);
    ok(!r.check, "none checks nothing");
}

static void
test_words(void)
{
    enum nsx_tls_wildcard w;
    enum nsx_tls_check_cn c;

    ok(nsx_tls_wildcard_word("anywhere", &w) && w == ANY, "anywhere");
    ok(nsx_tls_wildcard_word("leftmost", &w) && w == LABEL, "leftmost");
    ok(nsx_tls_wildcard_word("0", &w) && w == NONE, "0 is no wildcard");
    ok(!nsx_tls_wildcard_word("somewhere", &w), "unknown word");
    ok(nsx_tls_check_cn_word("when_only", &c) && c == NSX_TLS_CN_WHEN_ONLY,
       "when_only");
    ok(nsx_tls_check_cn_word("", &c) && c == NSX_TLS_CN_NEVER, "never");
    ok(!nsx_tls_check_cn_word("often", &c), "unknown word");
}

int
main(void)
{
    test_matches();
    test_nul();
    test_guarded();
    test_literals();
    test_schemes();
    test_words();
    return done_testing();
}
