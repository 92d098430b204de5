/* The address rules. */
#include "tap.h"
#include "nsx_addr.h"

#include <time.h>

static struct arena arena;
static int utf8; /* what is given is UTF-8 */

typedef void rule_fn(const char *in, size_t n, enum nsx_addr_text text,
                     struct nsx_addr *out);

static void
addr(rule_fn *rule, const char *in, size_t n, const char *want, int bracketed)
{
    struct nsx_addr a;
    char name[200];
    int end;

    (void)snprintf(name, sizeof name, "%s: %.150s",
                   rule == nsx_addr_exact ? "exact" : "usual", in);
    for (end = 0; name[end] != '\0'; end++)
        if ((unsigned char)name[end] < ' ' || name[end] == '#')
            name[end] = '~';
    for (end = 0; end < 2; end++) {
        const char *p = arena_put(&arena, in, n, end);

        rule(p, n, utf8 ? NSX_ADDR_UTF8 : NSX_ADDR_OCTETS, &a);
        is_mem(a.text, a.len, want, strlen(want), name);
        is_num(a.bracketed, bracketed, "with brackets or without");
        ok(a.text >= p && a.text + a.len <= p + n, "a slice of the input");
    }
}

#define PATH(in, want) addr(nsx_addr_extract, in, sizeof in - 1, want, 1)
#define BARE(in, want) addr(nsx_addr_extract, in, sizeof in - 1, want, 0)
#define EXACT(in, want, b) addr(nsx_addr_exact, in, sizeof in - 1, want, b)

static void
plain(void)
{
    BARE("", "");
    BARE("  \t\r\n\v\f ", "");
    BARE("a@b", "a@b");
    BARE(" a@b\n", "a@b");
    BARE("a b@c", "a b@c");
    BARE("\"a b\"@c", "\"a b\"@c");
    BARE("\"a<b>\"@c", "\"a<b>\"@c");
    BARE("\xa0"
         "a@b\x85",
         "\xa0"
         "a@b\x85");
    BARE("a < b", "a < b");
    BARE("a > b", "a > b");
    BARE("a> <b", "a> <b");
    BARE("<a@b", "<a@b");
    BARE("a@b (Bob <x@y>)", "a@b (Bob <x@y>)");
}

static void
angles(void)
{
    PATH("<>", "<>");
    PATH("<a@b>", "<a@b>");
    PATH(" <a@b> ", "<a@b>");
    PATH("Bob <a@b>", "<a@b>");
    PATH("Bob<a@b>", "<a@b>");
    PATH("<a@b>Bob", "<a@b>");
    PATH("< a@b >", "< a@b >");
    PATH("<a> <b>", "<b>");
    PATH("<a <b>", "<a <b>");
    PATH("<a>> b", "<a>");
    PATH("> <a>", "<a>");
    PATH("<@hop:a@b>", "<@hop:a@b>");
    PATH("<a@b> <c", "<a@b>");
}

static void
quotes(void)
{
    PATH("\"Bob <evil@x>\" <real@y>", "<real@y>");
    PATH("<real@y> \"Bob <evil@x>\"", "<real@y>");
    PATH("\"a\\\" <evil@x> \" <real@y>", "<real@y>");
    PATH("\"a\\\\\" <real@y>", "<real@y>");
    PATH("O\"Brien <x@y>", "<x@y>");
    PATH("<x@y> O\"Brien", "<x@y>");
    PATH("a\\\"b <x@y>", "<x@y>");
    PATH("\"a\" \" <x@y>", "<x@y>");
    PATH("<\"a>b\"@x>", "<\"a>b\"@x>");
    PATH("<\"a\\\">b\"@x>", "<\"a\\\">b\"@x>");
    PATH("<\"ab@x>", "<\"ab@x>");
    PATH("<a\"b@x> y", "<a\"b@x>");
    PATH("\"<a@b>\" (<c@d>) <e@f>", "<e@f>");
}

static void
comments(void)
{
    PATH("Bob (aka <old@z>) <new@z>", "<new@z>");
    PATH("<real@z> (was <old@z>)", "<real@z>");
    PATH("<real@z> (a (b) <old@z>)", "<real@z>");
    PATH("<real@z> (a \\) <old@z>)", "<real@z>");
    PATH("<real@z> (a \" <old@z>)", "<real@z>");
    PATH("\"(\" <real@z> \")\"", "<real@z>");
    PATH(":( <a@b>", "<a@b>");
    PATH(":) <a@b>", "<a@b>");
    PATH("<a@b> :(", "<a@b>");
    PATH("(( x) <a@b>", "<a@b>");
    PATH(":( <a@b> (was <c@d>", "<c@d>");
    PATH(":( <a@b> (was <c@d>) (", "<a@b>");
    PATH("<(a>b)@x>", "<(a>");
    PATH(":( <a@b> :)", "<a@b>");
    PATH("\"Joe <joe@x>\"", "<joe@x>");
    BARE("real@z (was <old@z>)", "real@z (was <old@z>)");
    BARE("real@z \"<old@z>\"", "real@z \"<old@z>\"");
}

static void
exact(void)
{
    EXACT("a@b", "a@b", 0);
    EXACT(" a@b ", " a@b ", 0);
    EXACT("<a@b>", "<a@b>", 1);
    EXACT(" \n<a@b>\t ", "<a@b>", 1);
    EXACT("Bob <a@b>", "Bob <a@b>", 0);
    EXACT("<a> <b>", "<a> <b>", 1);
    EXACT("<>", "<>", 1);
    EXACT("<", "<", 0);
    EXACT(">", ">", 0);
    EXACT("", "", 0);
    EXACT("   ", "   ", 0);
}

/* White space of Unicode counts in UTF-8 and nowhere else. */
static void
unicode(void)
{
    utf8 = 1;
    BARE("\xc2\xa0\xe2\x80\x83 a@b\xc2\x85\xe3\x80\x80", "a@b");
    BARE("\xe2\x80\xa8\xe1\x9a\x80", "");
    BARE("\xe2\x80\x8b"
         "a@b",
         "\xe2\x80\x8b"
         "a@b");
    BARE("a@b\xa0", "a@b\xa0");
    BARE("\xc2", "\xc2");
    EXACT("\xc2\xa0<a@b>\xc2\x85", "<a@b>", 1);
    EXACT("\xc2\xa0"
          "a@b",
          "\xc2\xa0"
          "a@b",
          0);
    utf8 = 0;
    BARE("\xc2\xa0"
         "a@b",
         "\xc2\xa0"
         "a@b");
    EXACT("\xc2\xa0<a@b>", "\xc2\xa0<a@b>", 0);
}

static int
whole(const char *text)
{
    const size_t n = strlen(text);
    struct nsx_addr a = { arena_put(&arena, text, n, 1), n, 0, 0 };

    return nsx_addr_is_whole(&a);
}

static void
wholes(void)
{
    ok(whole(""), "nothing");
    ok(whole("a@b"), "an address");
    ok(whole("<a@b>"), "a path");
    ok(whole("a@b>"), "a last '>' has nothing behind it");
    ok(whole("<a@b>>"), "nor have two");
    ok(whole("\"a> b\"@c"), "quoted");
    ok(whole("<\"a\\\"> b\"@c>"), "quoted in a path");
    ok(!whole("a@b> SIZE=1"), "a parameter");
    ok(!whole("a@b>SIZE=1"), "without a blank");
    ok(!whole("<a@b> SIZE=<1>"), "in a path");
    ok(!whole("<a> <b>"), "two paths");
    ok(!whole("\"a\"> SIZE=1"), "after a quoted string");
    ok(!whole("\"a> SIZE=1"), "a quote that does not end");
    ok(!whole("> a@b"), "at the beginning");
}

/* Every prefix of a hard input against a guard page. */
static void
prefixes(void)
{
    static const char in[] = " \"a\\\"<\\\\\" (b(\\)c)<) <\"d\\\">\"@e> (f<g> ";
    struct nsx_addr a;
    size_t n, bad = 0;

    for (n = 0; n < sizeof in; n++) {
        const char *p = arena_put(&arena, in, n, 1);

        nsx_addr_extract(p, n, NSX_ADDR_UTF8, &a);
        bad += a.text < p || a.text + a.len > p + n;
        bad += a.bracketed && (a.text[0] != '<' || a.text[a.len - 1] != '>');
        nsx_addr_exact(p, n, NSX_ADDR_UTF8, &a);
        bad += a.text < p || a.text + a.len > p + n;
    }
    is_num(bad, 0, "every prefix stays inside");
}

/* A megabyte of any of these takes milliseconds; quadratic would be hours. */
static void
linear(void)
{
    static const char *patterns[] = { "<",   ">",    "\"",  "(",     ")",
                                      "\\",  "\\\"", "<\"", "(\\(",  "<(",
                                      "\"(", "\\(",  "()",  "<\\\"", "(<",
                                      " ",   "a" };
    const size_t n = 1u << 20;
    const double bound = 5;
    char *in = malloc(n + 1);
    struct nsx_addr a;
    size_t i, k;

    for (i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        clock_t start = clock();

        for (k = 0; k < n; k++)
            in[k] = patterns[i][k % strlen(patterns[i])];
        nsx_addr_extract(in, n, NSX_ADDR_OCTETS, &a);
        in[n] = '"';
        nsx_addr_extract(in, n + 1, NSX_ADDR_OCTETS, &a);
        in[n] = ')';
        nsx_addr_extract(in, n + 1, NSX_ADDR_OCTETS, &a);
        ok((double)(clock() - start) / CLOCKS_PER_SEC < bound, "1 MB of %s",
           patterns[i]);
    }
    free(in);
}

int
main(void)
{
    arena_init(&arena, 4096);
    plain();
    angles();
    quotes();
    comments();
    exact();
    unicode();
    wholes();
    prefixes();
    linear();
    return done_testing();
}
