/*
 * nsx_addr.c - the address DWIM.
 *
 * One walk from left to right.  A quoted string, comment or angle pair that
 * turns out never to close has cost a look at the rest of the input; how
 * often that may happen is bounded, so the time is linear in the input.
 */
#include "nsx_addr.h"
#include "nsx_limits.h"

#include <limits.h>
#include <string.h>

struct walk {
    const char *in;
    size_t n;
    size_t lone_quote; /* no quote from here on is ever closed */
    unsigned comments; /* that may still fail to close */
    unsigned angles;   /* the same */
};

static int
is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* White space beyond ASCII in UTF-8 (Unicode's White_Space). */
static const char *const wide_spaces[] = {
    "\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80", "\xe2\x80\x80",
    "\xe2\x80\x81", "\xe2\x80\x82", "\xe2\x80\x83", "\xe2\x80\x84",
    "\xe2\x80\x85", "\xe2\x80\x86", "\xe2\x80\x87", "\xe2\x80\x88",
    "\xe2\x80\x89", "\xe2\x80\x8a", "\xe2\x80\xa8", "\xe2\x80\xa9",
    "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80",
};

/* Octets of the white space at in[0] (at_end: that ends at in[n]), or 0. */
static size_t
space_here(const char *in, size_t n, enum nsx_addr_text text, int at_end)
{
    size_t i;

    if (n > 0 && is_space(at_end ? in[n - 1] : in[0]))
        return 1;
    if (text == NSX_ADDR_OCTETS)
        return 0;
    for (i = 0; i < sizeof wide_spaces / sizeof wide_spaces[0]; i++) {
        size_t len = strlen(wide_spaces[i]);

        if (n >= len
            && memcmp(at_end ? in + n - len : in, wide_spaces[i], len) == 0)
            return len;
    }
    return 0;
}

/* After the quoted string that begins at i, or i + 1 when it never ends: then
 * no later quote begins one either, because a search from there would pass
 * through the same octets in the same state. */
static size_t
skip_quoted(struct walk *w, size_t i)
{
    size_t at;

    if (i >= w->lone_quote)
        return i + 1;
    for (at = i + 1; at < w->n; at++) {
        if (w->in[at] == '"')
            return at + 1;
        if (w->in[at] == '\\')
            at++;
    }
    w->lone_quote = i;
    return i + 1;
}

/* After the comment that begins at i, or i + 1 when it never ends. */
static size_t
skip_comment(struct walk *w, size_t i)
{
    size_t depth = 0;
    size_t at;

    if (w->comments == 0)
        return i + 1;
    for (at = i; at < w->n; at++) {
        char c = w->in[at];

        if (c == '\\')
            at++;
        else if (c == '(')
            depth++;
        else if (c == ')' && --depth == 0)
            return at + 1;
    }
    w->comments--;
    return i + 1;
}

/* After the angle pair that begins at i, which then is the best so far; or
 * i + 1 when it never ends. */
static size_t
skip_angle(struct walk *w, size_t i, struct nsx_addr *best)
{
    size_t at = i + 1;

    if (w->angles == 0)
        return i + 1;
    while (at < w->n) {
        if (w->in[at] == '>') {
            best->text = w->in + i;
            best->len = at + 1 - i;
            best->bracketed = 1;
            return at + 1;
        }
        at = w->in[at] == '"' ? skip_quoted(w, at) : at + 1;
    }
    w->angles--;
    return i + 1;
}

static void
trim(const char *in, size_t n, enum nsx_addr_text text, struct nsx_addr *out)
{
    size_t blank;

    while ((blank = space_here(in, n, text, 0)) > 0) {
        in += blank;
        n -= blank;
    }
    while ((blank = space_here(in, n, text, 1)) > 0)
        n -= blank;
    out->text = in;
    out->len = n;
    out->bracketed = 0;
    out->bare = 0;
}

/* The first "<...>" wherever it stands. */
static void
first_angle(const char *in, size_t n, struct nsx_addr *out)
{
    const char *open = memchr(in, '<', n);
    const char *close =
        open ? memchr(open, '>', n - (size_t)(open - in)) : NULL;

    if (!close)
        return;
    out->text = open;
    out->len = (size_t)(close - open) + 1;
    out->bracketed = 1;
}

/* Printable ASCII but space, quote, opening parenthesis, angle brackets. */
/* clang-format off */
static const unsigned char bare_octet[UCHAR_MAX + 1] = {
    ['!'] = 1,
    ['#'] = 1, 1, 1, 1, 1,
    [')'] = 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    ['='] = 1,
    ['?'] = 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    ['O'] = 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    ['_'] = 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    ['o'] = 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
};
/* clang-format on */

/* 1 when the input is an address and nothing else: ASCII without quotes,
 * comments, brackets or white space.  Most are. */
static int
is_bare(const char *in, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++)
        if (!bare_octet[(unsigned char)in[i]])
            return 0;
    return n > 0;
}

void
nsx_addr_extract(const char *in, size_t n, enum nsx_addr_text text,
                 struct nsx_addr *out)
{
    struct walk w = { in, n, n, NSX_MAX_ADDR_TRIES, NSX_MAX_ADDR_TRIES };
    int address_outside = 0;
    size_t i = 0;

    if (is_bare(in, n)) {
        out->text = in;
        out->len = n;
        out->bracketed = 0;
        out->bare = 1;
        return;
    }
    trim(in, n, text, out);
    while (i < n) {
        if (in[i] == '"')
            i = skip_quoted(&w, i);
        else if (in[i] == '(')
            i = skip_comment(&w, i);
        else if (in[i] == '<')
            i = skip_angle(&w, i, out);
        else
            address_outside |= in[i++] == '@';
    }
    if (!out->bracketed && !address_outside)
        first_angle(in, n, out);
}

void
nsx_addr_exact(const char *in, size_t n, enum nsx_addr_text text,
               struct nsx_addr *out)
{
    trim(in, n, text, out);
    if (out->len >= 2 && out->text[0] == '<'
        && out->text[out->len - 1] == '>') {
        out->bracketed = 1;
        return;
    }
    out->text = in;
    out->len = n;
}

int
nsx_addr_is_whole(const struct nsx_addr *addr)
{
    struct walk w = { addr->text, addr->len, addr->len, 0, 0 };
    size_t i = 0;

    if (addr->bare)
        return 1;
    while (i < w.n && w.in[i] != '>')
        i = w.in[i] == '"' ? skip_quoted(&w, i) : i + 1;
    while (i < w.n && w.in[i] == '>')
        i++;
    return i >= w.n;
}
