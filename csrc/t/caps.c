/* Capabilities as data. */
#include "tap.h"
#include "nsx_caps.h"

static struct arena arena;
static struct nsx_caps caps;

/* A line before a guard page. */
static nsx_errcode
line(const char *text)
{
    size_t n = strlen(text);

    return nsx_caps_line(&caps, arena_put(&arena, text, n, 1), n);
}

static int
offers(const char *text, unsigned flag)
{
    nsx_caps_clear(&caps);
    return line(text) == NSX_E_NONE && caps.flags == flag;
}

static void
flags(void)
{
    ok(offers("PIPELINING", NSX_CAP_PIPELINING), "PIPELINING");
    ok(offers("chunking", NSX_CAP_CHUNKING), "CHUNKING, without case");
    ok(offers("BINARYMIME", NSX_CAP_BINARYMIME), "BINARYMIME");
    ok(offers("8BITMIME", NSX_CAP_8BITMIME), "8BITMIME");
    ok(offers("SMTPUTF8", NSX_CAP_SMTPUTF8), "SMTPUTF8");
    ok(offers("DSN", NSX_CAP_DSN), "DSN");
    ok(offers("ENHANCEDSTATUSCODES", NSX_CAP_ENHANCED), "enhanced codes");
    ok(offers("STARTTLS", NSX_CAP_STARTTLS), "STARTTLS");
    ok(offers("REQUIRETLS", NSX_CAP_REQUIRETLS), "REQUIRETLS");
    ok(offers("XVERP", NSX_CAP_XVERP), "XVERP");
    ok(offers("ETRN", NSX_CAP_ETRN), "ETRN");
    ok(offers("X-UNKNOWN 1", 0), "an unknown one");
    ok(offers("PIPELININGS", 0), "whole keywords");
    ok(offers("", 0), "an empty line");
    (void)line("DSN");
    (void)line("8BITMIME");
    ok(nsx_caps_has(&caps, NSX_CAP_DSN | NSX_CAP_8BITMIME), "several");
    ok(!nsx_caps_has(&caps, NSX_CAP_DSN | NSX_CAP_SIZE), "all are asked for");
    ok(nsx_caps_add(&caps, "size", 4, "7", 1) == NSX_E_NONE && caps.size == 7,
       "by keyword and parameters");
}

static uint64_t
size_of(const char *text)
{
    nsx_caps_clear(&caps);
    (void)line(text);
    return caps.flags == NSX_CAP_SIZE ? caps.size : 999;
}

static void
numbers(void)
{
    is_num(size_of("SIZE 35882577"), 35882577, "SIZE");
    is_num(size_of("SIZE"), 0, "not said");
    is_num(size_of("SIZE 0"), 0, "no limit");
    is_num(size_of("SIZE=10"), 10, "the older way");
    is_num(size_of("SIZE 12x"), 0, "nonsense is not said");
    is_num(size_of("SIZE -1"), 0, "nor a sign");
    ok(size_of("SIZE 18446744073709551615") == UINT64_MAX, "the greatest");
    ok(size_of("SIZE 18446744073709551616") == UINT64_MAX, "beyond it");
    ok(size_of("SIZE 999999999999999999999999") == UINT64_MAX, "far beyond");
    (void)line("SIZE 5");
    is_num(caps.size, 5, "the last one counts");
    (void)line("DELIVERBY 240");
    is_num(caps.by_min, 240, "DELIVERBY");
    (void)line("FUTURERELEASE 86400 2026-12-01T00:00:00Z");
    is_num(caps.hold_max, 86400, "FUTURERELEASE's interval");
    is_str(caps.hold_until, "2026-12-01T00:00:00Z", "and time");
    (void)line("FUTURERELEASE 5 "
               "0123456789012345678901234567890123456789");
    is_str(caps.hold_until, "", "a word without end is none");
    (void)line("MT-PRIORITY MIXER");
    is_str(caps.priority, "MIXER", "MT-PRIORITY's profile");
    (void)line("MT-PRIORITY \x01");
    is_str(caps.priority, "", "unprintable is none");
}

static void
limits(void)
{
    nsx_caps_clear(&caps);
    (void)line("LIMITS RCPTMAX=100 mailmax=20 RCPTDOMAINMAX=3 OTHER=9 X");
    is_num(caps.rcpt_max, 100, "RCPTMAX");
    is_num(caps.mail_max, 20, "MAILMAX, without case");
    is_num(caps.rcpt_domain_max, 3, "RCPTDOMAINMAX");
    (void)line("LIMITS RCPTMAX=99999999999999999999 MAILMAX=x MAILMAX");
    is_num(caps.rcpt_max, NSX_MAX_SERVER_LIMIT, "never more than six digits");
    is_num(caps.mail_max, 0, "nonsense is no limit");
    is_num(caps.rcpt_domain_max, 0, "the last line counts");
}

static void
auth(void)
{
    char *big = malloc(3 * NSX_MAX_AUTH_LIST);
    size_t i;

    nsx_caps_clear(&caps);
    (void)line("AUTH PLAIN  LOGIN");
    (void)line("AUTH=login CRAM-MD5");
    (void)line("AUTH");
    is_mem((const char *)nsx_buf_data(&caps.auth), caps.auth.len,
           "PLAIN LOGIN CRAM-MD5", 20, "AUTH's lists are joined");
    nsx_caps_clear(&caps);
    is_num(caps.auth.len, 0, "forgotten");
    memcpy(big, "AUTH ", 5);
    for (i = 5; i < 3 * NSX_MAX_AUTH_LIST; i++)
        big[i] = i % 7 ? (char)('A' + i / 7 % 26) : ' ';
    is_num(nsx_caps_line(&caps, big, i), NSX_E_NONE, "a list without end");
    is_num(caps.auth.len, 2 + 26 * 7, "has few words");
    free(big);
}

static void
no_memory(void)
{
    nsx_caps_free(&caps);
    failing_after(0);
    is_num(line("AUTH PLAIN"), NSX_E_NOMEM, "no memory");
    is_num(line("AUTH LOGIN"), NSX_E_NONE, "memory again");
    nsx_caps_free(&caps);
    is_num(live_blocks, 0, "nothing leaks");
    nsx_alloc_hooks(NULL, NULL);
}

int
main(void)
{
    arena_init(&arena, 4096);
    nsx_caps_init(&caps);
    flags();
    numbers();
    limits();
    auth();
    no_memory();
    nsx_caps_free(&caps);
    return done_testing();
}
