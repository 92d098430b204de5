/*
 * fuzz_ehlo.c - capability lines against a slow reading of the rule: the
 * leftmost, longest run of keyword octets that ends at a word boundary; and
 * lists of words.
 */
#include "fuzz.h"
#include "nsx_ehlo.h"
#include "nsx_limits.h"

#include <ctype.h>

static int
is_word(const char *line, size_t len, size_t i)
{
    unsigned char c = i < len ? (unsigned char)line[i] : ' ';

    return c < 128 && (isalnum(c) || c == '_');
}

static size_t
run_at(const char *line, size_t len, size_t at)
{
    size_t end = at;

    while (end < len && (is_word(line, len, end) || line[end] == '-'))
        end++;
    /* Back to where a word octet meets another kind. */
    while (end > at && is_word(line, len, end - 1) == is_word(line, len, end))
        end--;
    return end - at;
}

static void
check_line(const char *line, size_t len)
{
    struct nsx_capability c;
    int found = nsx_ehlo_line(line, len, &c);
    size_t at = 0, run = 0, i;

    while (at < len && (run = run_at(line, len, at)) == 0)
        at++;
    CHECK(found == (at < len));
    if (!found)
        return;
    CHECK(c.keyword == line + at && c.keyword_len == run);
    CHECK(inside(c.params, c.params_len, line, len));
    for (i = at + run; line + i < c.params; i++)
        CHECK(strchr("= \t", line[i]) != NULL && line[i] != '\0');
    CHECK(i == len || strchr("= \t", line[i]) == NULL || line[i] == '\0');
    CHECK(memchr(c.params, '\n', c.params_len) == NULL);
    i += c.params_len;
    CHECK(i == len || line[i] == '\n');
}

static int
same(const char *a, const char *b, size_t n)
{
    for (; n > 0; n--, a++, b++) {
        int x = (unsigned char)*a, y = (unsigned char)*b;

        if (x != y && (x > 127 || y > 127 || tolower(x) != tolower(y)))
            return 0;
    }
    return 1;
}

static int
is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* 1 when list holds word between blanks. */
static int
has(const char *list, size_t len, const char *word, size_t n)
{
    size_t at;

    for (at = 0; at + n <= len; at++)
        if ((at == 0 || is_blank(list[at - 1]))
            && (at + n == len || is_blank(list[at + n]))
            && same(list + at, word, n))
            return 1;
    return 0;
}

/* Each word once, and none but the list's. */
static void
check_distinct(const char *list, size_t len)
{
    char *out = malloc(len + 1);
    size_t n = nsx_ehlo_distinct(list, len, out), from = 0, to;

    CHECK(n <= len);
    while (from < n) {
        for (to = from; to < n && out[to] != ' '; to++)
            CHECK(out[to] != '\t');
        CHECK(to > from && to - from <= NSX_MAX_AUTH_WORD);
        CHECK(has(list, len, out + from, to - from));
        CHECK(from == 0 || !has(out, from - 1, out + from, to - from));
        from = to + 1;
    }
    free(out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *in = (const char *)data;

    check_line(in, size);
    check_distinct(in, size);
    return 0;
}
