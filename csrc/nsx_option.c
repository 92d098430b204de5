/*
 * nsx_option.c - the options of messages and recipients, and what is a value
 * of each.
 */
#include "nsx_option.h"

#include <string.h>

#include "nsx_ascii.h"
#include "nsx_caps.h"
#include "nsx_date.h"
#include "nsx_limits.h"
#include "nsx_xtext.h"

enum {
    MAX_ORCPT = 500, /* RFC 3461 4.2 */
    MAX_SECONDS = 9, /* digits; RFC 2852 4, 4865 5 */
    MAX_SIZE = 20    /* digits, RFC 1870 4 */
};

static int
digits(const char *v, size_t n, size_t most)
{
    size_t i;

    for (i = 0; i < n; i++)
        if (!nsx_is_digit(v[i]))
            return 0;
    return n > 0 && n <= most;
}

static int
is_hex(char c)
{
    return nsx_is_digit(c) || (c >= 'A' && c <= 'F');
}

/* xtext, RFC 3461 4. */
static int
xtext(const char *v, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++) {
        if (v[i] < '!' || v[i] > '~' || v[i] == '=')
            return 0;
        if (v[i] == '+'
            && (n - i < 3 || !is_hex(v[i + 1]) || !is_hex(v[i + 2])))
            return 0;
    }
    return 1;
}

static int
ok_size(const char *v, size_t n)
{
    return digits(v, n, MAX_SIZE);
}

static int
ok_return(const char *v, size_t n)
{
    return nsx_is_word(v, n, "FULL") || nsx_is_word(v, n, "HDRS");
}

static int
ok_bits(const char *v, size_t n)
{
    return nsx_is_word(v, n, "7") || nsx_is_word(v, n, "8")
        || (n == 6 && memcmp(v, "binary", n) == 0);
}

static int
ok_envelope(const char *v, size_t n)
{
    return n > 0 && n <= NSX_MAX_ENVID && nsx_xtext_size(v, n) <= NSX_MAX_ENVID;
}

static int
ok_envid(const char *v, size_t n)
{
    return n > 0 && n <= NSX_MAX_ENVID && xtext(v, n);
}

static int
ok_auth(const char *v, size_t n)
{
    return n <= NSX_MAX_OPTION && xtext(v, n);
}

static int
ok_any(const char *v, size_t n)
{
    (void)v;
    return n <= NSX_MAX_OPTION;
}

/* by-time ";" by-mode [ "T" ]; what is returned within a time needs one. */
static int
ok_deliverby(const char *v, size_t n)
{
    size_t at = n > 0 && (v[0] == '-' || v[0] == '+');
    const char *semi = n > 0 ? memchr(v, ';', n) : NULL;
    size_t end = semi != NULL ? (size_t)(semi - v) : 0;
    int returns;

    if (end <= at || !digits(v + at, end - at, MAX_SECONDS) || n - end < 2
        || n - end > 3 || (n - end == 3 && nsx_upper(v[end + 2]) != 'T'))
        return 0;
    returns = nsx_upper(v[end + 1]) == 'R';
    if (!returns)
        return nsx_upper(v[end + 1]) == 'N';
    while (at < end && v[at] == '0')
        at++;
    return v[0] != '-' && at < end;
}

static int
ok_seconds(const char *v, size_t n)
{
    return digits(v, n, MAX_SECONDS);
}

static int
ok_time(const char *v, size_t n)
{
    struct nsx_date date;

    return n <= NSX_MAX_CAP_WORD && nsx_date_parse(v, n, &date);
}

static int
ok_priority(const char *v, size_t n)
{
    if (n == 1)
        return nsx_is_digit(v[0]);
    return n == 2 && v[0] == '-' && v[1] >= '1' && v[1] <= '9';
}

static int
ok_notify(const char *v, size_t n)
{
    static const char *const words[] = { "SUCCESS", "FAILURE", "DELAY" };
    unsigned seen = 0;
    size_t at = 0, end, i;

    if (nsx_is_word(v, n, "NEVER"))
        return 1;
    for (; at <= n; at = end + 1) {
        for (end = at; end < n && v[end] != ','; end++)
            continue;
        for (i = 0; i < 3 && !nsx_is_word(v + at, end - at, words[i]); i++)
            continue;
        if (i == 3 || (seen & 1u << i) != 0)
            return 0;
        seen |= 1u << i;
    }
    return 1;
}

static int
ok_orcpt(const char *v, size_t n)
{
    const char *semi = n > 0 ? memchr(v, ';', n) : NULL;

    return semi != NULL && semi > v && n <= MAX_ORCPT && xtext(v, n);
}

/* --- the options --------------------------------------------------------- */

static const struct nsx_option_facts options[NSX_OPT_COUNT_] = {
    [NSX_OPT_SIZE] = { "Size", "SIZE", NSX_CAP_SIZE, 1, ok_size,
                       "a number of octets" },
    [NSX_OPT_RETURN] = { "Return", "DSN", NSX_CAP_DSN, 1, ok_return,
                         "FULL or HDRS" },
    [NSX_OPT_BITS] = { "Bits", "8BITMIME", NSX_CAP_8BITMIME, 1, ok_bits,
                       "7, 8 or binary" },
    [NSX_OPT_ENVELOPE] = { "Envelope", "DSN", NSX_CAP_DSN, 1, ok_envelope,
                           "at most 100 characters once encoded" },
    [NSX_OPT_ENVID] = { "ENVID", "DSN", NSX_CAP_DSN, 1, ok_envid,
                        "at most 100 characters of xtext" },
    [NSX_OPT_AUTH] = { "AUTH", "AUTH", NSX_CAP_AUTH, 1, ok_auth,
                       "an address as xtext, or <>" },
    [NSX_OPT_XVERP] = { "XVERP", "XVERP", NSX_CAP_XVERP, 1, ok_any, "1" },
    [NSX_OPT_SMTPUTF8] = { "SMTPUTF8", "SMTPUTF8", NSX_CAP_SMTPUTF8, 1, ok_any,
                           "1 or 0" },
    [NSX_OPT_DELIVERBY] = { "DeliverBy", "DELIVERBY", NSX_CAP_DELIVERBY, 0,
                            ok_deliverby,
                            "seconds;R or seconds;N, with T for trace" },
    [NSX_OPT_HOLDFOR] = { "HoldFor", "FUTURERELEASE", NSX_CAP_FUTURERELEASE, 0,
                          ok_seconds, "a number of seconds" },
    [NSX_OPT_HOLDUNTIL] = { "HoldUntil", "FUTURERELEASE", NSX_CAP_FUTURERELEASE,
                            0, ok_time, "a time like 2026-01-31T18:30:00Z" },
    [NSX_OPT_PRIORITY] = { "Priority", "MT-PRIORITY", NSX_CAP_MT_PRIORITY, 1,
                           ok_priority, "-9 to 9" },
    [NSX_OPT_REQUIRETLS] = { "RequireTLS", "REQUIRETLS", NSX_CAP_REQUIRETLS, 0,
                             ok_any, "1 or 0" },
    [NSX_OPT_NOTIFY] = { "Notify", "DSN", NSX_CAP_DSN, 1, ok_notify,
                         "NEVER alone, or of SUCCESS, FAILURE, DELAY" },
    [NSX_OPT_ORCPT] = { "ORcpt", "DSN", NSX_CAP_DSN, 1, ok_orcpt,
                        "type;address, the address as xtext" }
};

const struct nsx_option_facts *
nsx_option_facts(enum nsx_option o)
{
    return &options[o];
}

const char *
nsx_option_name(enum nsx_option o)
{
    return options[o].name;
}

const char *
nsx_option_extension(enum nsx_option o)
{
    return options[o].extension;
}

enum nsx_option
nsx_option_find(const char *name, size_t len)
{
    int o;

    for (o = 0; o < NSX_OPT_COUNT_; o++)
        if (strlen(options[o].name) == len
            && memcmp(options[o].name, name, len) == 0)
            break;
    return (enum nsx_option)o;
}
