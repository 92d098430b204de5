/*
 * nsx_ehlo.c - EHLO capability lines (RFC 5321 4.1.1.1).
 */
#include "nsx_ehlo.h"
#include "nsx_limits.h"

#include <string.h>

/* ASCII whatever the locale says. */
static int
is_word(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')
        || (c >= '0' && c <= '9') || c == '_';
}

static int
is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* First run of keyword octets at or after *at that holds a word octet: sets
 * *at to its start and returns its length up to the last word octet, or 0. */
static size_t
find_keyword(const char *line, size_t len, size_t *at)
{
    size_t i = *at;

    while (i < len) {
        size_t end = 0;

        *at = i;
        for (; i < len && (is_word(line[i]) || line[i] == '-'); i++)
            if (is_word(line[i]))
                end = i + 1;
        if (end > 0)
            return end - *at;
        i++;
    }
    return 0;
}

int
nsx_ehlo_line(const char *line, size_t len, struct nsx_capability *out)
{
    size_t at = 0;
    const char *lf;

    out->keyword_len = find_keyword(line, len, &at);
    if (out->keyword_len == 0)
        return 0;
    out->keyword = line + at;
    at += out->keyword_len;
    while (at < len && (is_blank(line[at]) || line[at] == '='))
        at++;
    out->params = line + at;
    lf = at < len ? memchr(out->params, '\n', len - at) : NULL;
    out->params_len = lf != NULL ? (size_t)(lf - out->params) : len - at;
    return 1;
}

static char
lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static int
same(const char *a, const char *b, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++)
        if (lower(a[i]) != lower(b[i]))
            return 0;
    return 1;
}

/* Words that were written to out. */
struct words {
    size_t start[NSX_MAX_AUTH_WORDS];
    size_t len[NSX_MAX_AUTH_WORDS];
    size_t count;
    size_t end; /* octets of out in use */
};

static void
add_word(struct words *w, char *out, const char *word, size_t len)
{
    size_t i;

    if (len > NSX_MAX_AUTH_WORD || w->count == NSX_MAX_AUTH_WORDS)
        return;
    for (i = 0; i < w->count; i++)
        if (w->len[i] == len && same(out + w->start[i], word, len))
            return;
    if (w->count > 0)
        out[w->end++] = ' ';
    memmove(out + w->end, word, len);
    w->start[w->count] = w->end;
    w->len[w->count++] = len;
    w->end += len;
}

size_t
nsx_ehlo_distinct(const char *list, size_t n, char *out)
{
    struct words w;
    size_t i = 0;

    w.count = 0;
    w.end = 0;
    while (i < n) {
        size_t start = i;

        while (i < n && !is_blank(list[i]))
            i++;
        if (i > start)
            add_word(&w, out, list + start, i - start);
        else
            i++;
    }
    return w.end;
}
