/*
 * nsx_caps.c - what a server said it can do.
 */
#include "nsx_caps.h"
#include "nsx_ascii.h"
#include "nsx_ehlo.h"

#include <string.h>

void
nsx_caps_init(struct nsx_caps *c)
{
    memset(c, 0, sizeof *c);
    nsx_buf_init(&c->auth, NSX_MAX_AUTH_LIST);
}

void
nsx_caps_clear(struct nsx_caps *c)
{
    struct nsx_buf auth = c->auth;

    nsx_caps_init(c);
    c->auth = auth;
    nsx_buf_clear(&c->auth);
}

void
nsx_caps_free(struct nsx_caps *c)
{
    nsx_buf_free(&c->auth);
    nsx_caps_init(c);
}

/* Words separated by blanks. */
struct words {
    const char *at;
    size_t left;
};

static int
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The next word's length, 0 when there is none. */
static size_t
next_word(struct words *w, const char **word)
{
    size_t n = 0;

    while (w->left > 0 && is_blank(*w->at)) {
        w->at++;
        w->left--;
    }
    while (n < w->left && !is_blank(w->at[n]))
        n++;
    *word = w->at;
    w->at += n;
    w->left -= n;
    return n;
}

/* A number that is digits alone, 0 otherwise; the greatest there is when it
 * is greater than that. */
static uint64_t
number(const char *text, size_t n)
{
    uint64_t value = 0;
    size_t i;

    for (i = 0; i < n; i++) {
        unsigned digit = (unsigned)(unsigned char)text[i] - '0';

        if (digit > 9)
            return 0;
        value =
            value > (UINT64_MAX - digit) / 10 ? UINT64_MAX : value * 10 + digit;
    }
    return value;
}

static uint64_t
next_number(struct words *w)
{
    const char *word;
    size_t n = next_word(w, &word);

    return number(word, n);
}

/* Keeps the next word where it has room and is printable. */
static void
keep_word(struct words *w, char to[NSX_MAX_CAP_WORD])
{
    const char *word;
    size_t n = next_word(w, &word), i;

    to[0] = '\0';
    if (n >= NSX_MAX_CAP_WORD)
        return;
    for (i = 0; i < n; i++)
        if (word[i] < '!' || word[i] > '~')
            return;
    memcpy(to, word, n);
    to[n] = '\0';
}

static nsx_errcode
add_size(struct nsx_caps *c, struct words *w)
{
    c->size = next_number(w);
    return NSX_E_NONE;
}

static nsx_errcode
add_deliverby(struct nsx_caps *c, struct words *w)
{
    c->by_min = next_number(w);
    return NSX_E_NONE;
}

static nsx_errcode
add_futurerelease(struct nsx_caps *c, struct words *w)
{
    c->hold_max = next_number(w);
    keep_word(w, c->hold_until);
    return NSX_E_NONE;
}

static nsx_errcode
add_priority(struct nsx_caps *c, struct words *w)
{
    keep_word(w, c->priority);
    return NSX_E_NONE;
}

/* What does not fit is dropped: such a list is no server's. */
static nsx_errcode
add_auth(struct nsx_caps *c, struct words *w)
{
    const char *word;
    size_t n;

    while ((n = next_word(w, &word)) > 0) {
        nsx_errcode code;

        if (n + 1 > c->auth.cap - c->auth.len)
            break;
        code = nsx_buf_append(&c->auth, " ", c->auth.len > 0);
        if (code == NSX_E_NONE)
            code = nsx_buf_append(&c->auth, word, n);
        if (code != NSX_E_NONE)
            return code;
    }
    if (c->auth.len > 0) {
        char *list = (char *)c->auth.base + c->auth.off;

        nsx_buf_truncate(&c->auth, nsx_ehlo_distinct(list, c->auth.len, list));
    }
    return NSX_E_NONE;
}

/* One limit, "RCPTMAX=100" (RFC 9422 3). */
static void
add_limit(struct nsx_caps *c, const char *word, size_t n)
{
    const char *eq = memchr(word, '=', n);
    size_t name = eq != NULL ? (size_t)(eq - word) : n;
    uint64_t value;
    unsigned limit;

    if (eq == NULL)
        return;
    value = number(eq + 1, n - name - 1);
    limit =
        value > NSX_MAX_SERVER_LIMIT ? NSX_MAX_SERVER_LIMIT : (unsigned)value;
    if (nsx_is_word(word, name, "RCPTMAX"))
        c->rcpt_max = limit;
    else if (nsx_is_word(word, name, "MAILMAX"))
        c->mail_max = limit;
    else if (nsx_is_word(word, name, "RCPTDOMAINMAX"))
        c->rcpt_domain_max = limit;
}

static nsx_errcode
add_limits(struct nsx_caps *c, struct words *w)
{
    const char *word;
    size_t n;

    c->rcpt_max = c->mail_max = c->rcpt_domain_max = 0;
    while ((n = next_word(w, &word)) > 0)
        add_limit(c, word, n);
    return NSX_E_NONE;
}

static const struct {
    const char *keyword;
    enum nsx_cap flag;
    nsx_errcode (*add)(struct nsx_caps *c, struct words *w);
} table[] = {
    { "PIPELINING", NSX_CAP_PIPELINING, NULL },
    { "CHUNKING", NSX_CAP_CHUNKING, NULL },
    { "BINARYMIME", NSX_CAP_BINARYMIME, NULL },
    { "8BITMIME", NSX_CAP_8BITMIME, NULL },
    { "SMTPUTF8", NSX_CAP_SMTPUTF8, NULL },
    { "DSN", NSX_CAP_DSN, NULL },
    { "ENHANCEDSTATUSCODES", NSX_CAP_ENHANCED, NULL },
    { "STARTTLS", NSX_CAP_STARTTLS, NULL },
    { "REQUIRETLS", NSX_CAP_REQUIRETLS, NULL },
    { "AUTH", NSX_CAP_AUTH, add_auth },
    { "SIZE", NSX_CAP_SIZE, add_size },
    { "DELIVERBY", NSX_CAP_DELIVERBY, add_deliverby },
    { "FUTURERELEASE", NSX_CAP_FUTURERELEASE, add_futurerelease },
    { "MT-PRIORITY", NSX_CAP_MT_PRIORITY, add_priority },
    { "XVERP", NSX_CAP_XVERP, NULL },
    { "LIMITS", NSX_CAP_LIMITS, add_limits },
    { "ETRN", NSX_CAP_ETRN, NULL },
};

nsx_errcode
nsx_caps_add(struct nsx_caps *c, const char *keyword, size_t keyword_len,
             const char *params, size_t params_len)
{
    struct words w;
    size_t i;

    for (i = 0; i < sizeof table / sizeof *table; i++)
        if (nsx_is_word(keyword, keyword_len, table[i].keyword))
            break;
    if (i == sizeof table / sizeof *table)
        return NSX_E_NONE;
    c->flags |= (unsigned)table[i].flag;
    w.at = params;
    w.left = params_len;
    return table[i].add != NULL ? table[i].add(c, &w) : NSX_E_NONE;
}

nsx_errcode
nsx_caps_line(struct nsx_caps *c, const char *text, size_t n)
{
    struct nsx_capability cap;

    if (!nsx_ehlo_line(text, n, &cap))
        return NSX_E_NONE;
    return nsx_caps_add(c, cap.keyword, cap.keyword_len, cap.params,
                        cap.params_len);
}

int
nsx_caps_has(const struct nsx_caps *c, unsigned flags)
{
    return (c->flags & flags) == flags;
}
