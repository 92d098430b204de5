/*
 * nsx_ehlo.c - EHLO capability lines (RFC 5321 4.1.1.1).
 */
#include "nsx_ehlo.h"

#include <string.h>

/* ASCII whatever the locale says. */
static int is_word(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')
        || (c >= '0' && c <= '9') || c == '_';
}

static int is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* First run of keyword octets at or after *at that holds a word octet: sets
 * *at to its start and returns its length up to the last word octet, or 0. */
static size_t find_keyword(const char *line, size_t len, size_t *at)
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

int nsx_ehlo_line(const char *line, size_t len, struct nsx_capability *out)
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

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static int same(const char *a, const char *b, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++)
        if (lower(a[i]) != lower(b[i]))
            return 0;
    return 1;
}

int nsx_ehlo_has_word(const char *list, size_t list_len, const char *word,
                      size_t word_len)
{
    size_t i = 0;

    while (i < list_len) {
        size_t start = i;

        while (i < list_len && !is_blank(list[i]))
            i++;
        if (i > start && i - start == word_len
            && same(list + start, word, word_len))
            return 1;
        i++;
    }
    return 0;
}
