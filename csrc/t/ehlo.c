/* EHLO capability lines and lists of words. */
#include "tap.h"
#include "nsx_ehlo.h"
#include "nsx_limits.h"

#include <time.h>

static struct arena arena;

/* One line, at both guard pages: keyword and parameters, or none. */
static void
line(const char *in, size_t n, const char *keyword, const char *params,
     const char *name)
{
    struct nsx_capability c;
    int end;

    for (end = 0; end < 2; end++) {
        const char *p = arena_put(&arena, in, n, end);
        int found = nsx_ehlo_line(p, n, &c);

        if (keyword == NULL) {
            ok(!found, "%s: no keyword", name);
            continue;
        }
        if (!ok(found, "%s: found", name))
            continue;
        is_mem(c.keyword, c.keyword_len, keyword, strlen(keyword), name);
        is_mem(c.params, c.params_len, params, strlen(params), name);
        ok(c.keyword >= p && c.params + c.params_len <= p + n,
           "%s: slices of the line", name);
    }
}

#define LINE(in, keyword, params)                                              \
    line(in, sizeof in - 1, keyword, params, "'" in "'")

static void
keywords(void)
{
    LINE("SIZE 35882577", "SIZE", "35882577");
    LINE("PIPELINING", "PIPELINING", "");
    LINE("8BITMIME", "8BITMIME", "");
    LINE("AUTH PLAIN LOGIN", "AUTH", "PLAIN LOGIN");
    LINE("AUTH=LOGIN PLAIN", "AUTH", "LOGIN PLAIN");
    LINE("AUTH = \t LOGIN ", "AUTH", "LOGIN ");
    LINE("auth plain", "auth", "plain");
    LINE("X-FOO-2 bar", "X-FOO-2", "bar");
    LINE("X_FOO", "X_FOO", "");
    LINE("  SIZE  1", "SIZE", "1");
    LINE("AUTH- PLAIN", "AUTH", "- PLAIN");
    LINE("--FOO x", "--FOO", "x");
    LINE("--- SIZE 1", "SIZE", "1");
    LINE("-=-A", "-A", "");
    LINE(".x:y", "x", ":y");
    LINE("mx.example.com greets you", "mx", ".example.com greets you");
    LINE("SIZE 1\nSIZE 2", "SIZE", "1");
    LINE("SIZE\n2", "SIZE", "");
    LINE("SIZE \r", "SIZE", "\r");
    LINE("\xe9t\xe9 1", "t", "\xe9 1");
}

static void
no_keyword(void)
{
    LINE("", NULL, NULL);
    LINE(" ", NULL, NULL);
    LINE("---", NULL, NULL);
    LINE("=", NULL, NULL);
    LINE("\xe9\xe8", NULL, NULL);
}

/* Every prefix of a line gives a prefix of its answer. */
static void
prefixes(void)
{
    static const char in[] = "--AUTH--= SCRAM-SHA-256 PLAIN";
    struct nsx_capability c;
    size_t n, bad = 0;

    for (n = 0; n < sizeof in; n++) {
        const char *p = arena_put(&arena, in, n, 1);
        int found = nsx_ehlo_line(p, n, &c);

        bad += found != (n > 2);
        if (found) {
            size_t want = n < 6 ? n : 6;

            bad += c.keyword != p || c.keyword_len != want;
            bad += c.params_len != n - want;
        }
    }
    is_num(bad, 0, "every prefix, against a guard page");
}

static void
distinct(const char *list, const char *want)
{
    char out[64];
    size_t n = strlen(list);
    size_t len = nsx_ehlo_distinct(arena_put(&arena, list, n, 1), n, out);
    char *in = arena_put(&arena, list, n, 1);

    is_mem(out, len, want, strlen(want), list);
    len = nsx_ehlo_distinct(in, n, in);
    is_mem(in, len, want, strlen(want), "in place");
}

static void
lists(void)
{
    distinct("PLAIN LOGIN", "PLAIN LOGIN");
    distinct("PLAIN LOGIN login Plain\tX", "PLAIN LOGIN X");
    distinct("  a \t A  b  ", "a b");
    distinct("SCRAM-SHA-1-PLUS SCRAM-SHA-1", "SCRAM-SHA-1-PLUS SCRAM-SHA-1");
    distinct("", "");
    distinct("  ", "");
    distinct("[ {", "[ {");
    distinct("@ `", "@ `");
}

/* Lists of a megabyte take milliseconds; quadratic would be minutes. */
static void
linear(void)
{
    const size_t n = 1u << 20;
    const double bound = 5;
    char *list = malloc(n);
    size_t width, i, k;

    for (width = 1; width <= NSX_MAX_AUTH_WORD + 1; width *= 4) {
        clock_t start = clock();
        size_t len;

        for (i = 0; i < n; i++)
            list[i] = ' ';
        for (i = 0; i + width < n; i += width + 1)
            for (k = 0; k < width; k++)
                list[i + k] = (char)('a' + (i >> (k % 20)) % 26);
        len = nsx_ehlo_distinct(list, n, list);
        ok((double)(clock() - start) / CLOCKS_PER_SEC < bound,
           "1 MB of words of %lu", (unsigned long)width);
        ok(len <= NSX_MAX_AUTH_WORDS * (width + 1), "of which some are kept");
    }
    for (i = 0; i < n; i++)
        list[i] = 'a';
    ok(nsx_ehlo_distinct(list, n, list) == 0, "an endless word is none");
    free(list);
}

int
main(void)
{
    arena_init(&arena, 4096);
    keywords();
    no_keyword();
    prefixes();
    lists();
    linear();
    return done_testing();
}
