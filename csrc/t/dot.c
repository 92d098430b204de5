/* The body encoder against a plain reference, over any chunks and spaces. */
#include "tap.h"
#include "nsx_dot.h"

#include <time.h>

static struct arena in_arena, out_arena;

/* The rule, one octet at a time. */
static size_t
reference(const char *in, size_t n, enum nsx_bare_cr bare_cr, char *out)
{
    size_t len = 0, i;
    int bol = 1, cr = 0;

    for (i = 0; i < n; i++) {
        if (cr && in[i] != '\n' && bare_cr == NSX_BARE_CR_CONVERT) {
            out[len++] = '\n';
            bol = 1;
        }
        if (in[i] == '\n' && !cr)
            out[len++] = '\r';
        if (in[i] == '.' && bol)
            out[len++] = '.';
        out[len++] = in[i];
        bol = in[i] == '\n';
        cr = in[i] == '\r';
    }
    if (cr && bare_cr == NSX_BARE_CR_CONVERT) {
        out[len++] = '\n';
        bol = 1;
    }
    if (!bol) {
        out[len++] = '\r';
        out[len++] = '\n';
    }
    memcpy(out + len, ".\r\n", 3);
    return len + 3;
}

/* Encodes in[0..n) in chunks of at most `chunk` octets through a space of
 * `space`, both against guard pages. */
static size_t
encode(const char *in, size_t n, enum nsx_bare_cr bare_cr, size_t chunk,
       size_t space, char *out)
{
    struct nsx_dot d;
    size_t len = 0, at = 0;

    nsx_dot_init(&d, NSX_DOT_BOL, bare_cr);
    while (at < n) {
        size_t part = n - at < chunk ? n - at : chunk;
        const char *p = arena_put(&in_arena, in + at, part, 1);

        at += part;
        while (part > 0) {
            char *to = arena_put(&out_arena, NULL, space, 1);
            size_t taken;
            size_t put = nsx_dot_encode(&d, p, part, to, space, &taken);

            if (put == 0 && taken == 0)
                bail_out("the encoder stands still");
            memcpy(out + len, to, put);
            len += put;
            p += taken;
            part -= taken;
        }
    }
    return len + nsx_dot_end(&d, out + len);
}

static size_t
disagreements(const char *in, size_t n, size_t max_chunk)
{
    char want[256], got[256];
    size_t chunk, space, bad = 0;
    int cr;

    for (cr = NSX_BARE_CR_PASS; cr <= NSX_BARE_CR_CONVERT; cr++) {
        size_t want_n = reference(in, n, (enum nsx_bare_cr)cr, want);

        for (chunk = 1; chunk <= max_chunk; chunk++)
            for (space = 4; space < 12; space++) {
                /* The last one is room enough for whole lines. */
                size_t room = space < 11 ? space : 2 * sizeof got;
                size_t got_n =
                    encode(in, n, (enum nsx_bare_cr)cr, chunk, room, got);

                bad += got_n != want_n || memcmp(got, want, want_n) != 0;
            }
    }
    return bad;
}

/* All inputs of up to 7 octets over the four kinds of octets there are. */
static void
all_short(void)
{
    static const char alphabet[] = { '\r', '\n', '.', 'x' };
    char in[8];
    size_t n, code, codes = 1, bad = 0, k;

    for (n = 0; n <= 7; n++, codes *= 4)
        for (code = 0; code < codes; code++) {
            for (k = 0; k < n; k++)
                in[k] = alphabet[code >> (2 * k) & 3];
            bad += disagreements(in, n, n > 0 ? n : 1);
        }
    is_num(bad, 0, "every short body, in every chunk size and space");
}

static void
random_long(void)
{
    static const char alphabet[] = "\r\n.xyz\r\n.ab\ncd\n..";
    char in[100];
    unsigned seed = 4711;
    size_t k, bad = 0;
    int round;

    for (round = 0; round < 300; round++) {
        size_t n;

        seed = seed * 1103515245u + 12345u;
        n = (seed >> 16) % sizeof in;
        for (k = 0; k < n; k++) {
            seed = seed * 1103515245u + 12345u;
            in[k] = alphabet[(seed >> 16) % (sizeof alphabet - 1)];
        }
        bad += disagreements(in, n, 11);
    }
    is_num(bad, 0, "random bodies");
}

static void
body(const char *in, size_t n, enum nsx_bare_cr bare_cr, const char *want,
     const char *name)
{
    char got[256];
    size_t len = encode(in, n, bare_cr, n > 0 ? n : 1, 200, got);

    is_mem(got, len, want, strlen(want), name);
}

#define BODY(in, want, name)                                                   \
    body(in, sizeof in - 1, NSX_BARE_CR_PASS, want, name)
#define CONVERT(in, want, name)                                                \
    body(in, sizeof in - 1, NSX_BARE_CR_CONVERT, want, name)

static void
examples(void)
{
    BODY("", ".\r\n", "empty body");
    BODY("a\n", "a\r\n.\r\n", "LF becomes CRLF");
    BODY("a\r\n", "a\r\n.\r\n", "CRLF stays");
    BODY("a", "a\r\n.\r\n", "missing line end");
    BODY(".", "..\r\n.\r\n", "a dot alone");
    BODY(".\n.a\r\n..\n", "..\r\n..a\r\n...\r\n.\r\n", "dots at line starts");
    BODY("a.b\n", "a.b\r\n.\r\n", "dot inside a line");
    BODY("a\rb\n", "a\rb\r\n.\r\n", "bare CR passes");
    BODY("a\r.\n", "a\r.\r\n.\r\n", "a bare CR starts no line");
    BODY("a\r\r\n", "a\r\r\n.\r\n", "CR before CRLF");
    BODY("a\r", "a\r\r\n.\r\n", "CR at the very end");
    BODY("\n\n", "\r\n\r\n.\r\n", "empty lines");
    CONVERT("a\rb\n", "a\r\nb\r\n.\r\n", "bare CR converted");
    CONVERT("a\r.\n", "a\r\n..\r\n.\r\n", "then a dot is doubled after it");
    CONVERT("a\r\r\n", "a\r\n\r\n.\r\n", "CR before CRLF converted");
    CONVERT("a\r", "a\r\n.\r\n", "CR at the very end converted");
    CONVERT("\r.\r\r", "\r\n..\r\n\r\n.\r\n", "several");
}

static void
states(void)
{
    struct nsx_dot d;
    char out[8];
    size_t taken;

    nsx_dot_init(&d, NSX_DOT_CR, NSX_BARE_CR_PASS);
    is_num(nsx_dot_encode(&d, "\n.", 2, out, 8, &taken), 3, "after a CR");
    is_mem(out, 3, "\n..", 3, "LF alone completes it, the dot is doubled");
    nsx_dot_init(&d, NSX_DOT_TEXT, NSX_BARE_CR_PASS);
    is_num(nsx_dot_encode(&d, ".\n", 2, out, 8, &taken), 3, "in a line");
    is_mem(out, 3, ".\r\n", 3, "a dot is no dot");
    is_num(d.at, NSX_DOT_BOL, "at a line start after it");
    is_num(nsx_dot_encode(&d, "", 0, out, 8, &taken), 0, "nothing");
    is_num(taken, 0, "takes nothing");
    is_num(d.at, NSX_DOT_BOL, "and changes nothing");
    is_num(nsx_dot_encode(&d, NULL, 0, out, 8, &taken), 0, "from nowhere");
    is_num(nsx_dot_end(&d, out), 3, "the end after a line");
    is_num(d.at, NSX_DOT_BOL, "is a line start again");
}

static int
bare(enum nsx_dot_at at, const char *in, size_t n, int final)
{
    struct nsx_dot d;

    nsx_dot_init(&d, at, NSX_BARE_CR_PASS);
    return nsx_dot_has_bare_cr(&d, arena_put(&in_arena, in, n, 1), n, final);
}

static void
finding(void)
{
    ok(!bare(NSX_DOT_BOL, "a\r\nb\r\n", 6, 1), "CRLF only");
    ok(bare(NSX_DOT_BOL, "a\r\nb\rc", 6, 0), "a bare CR");
    ok(bare(NSX_DOT_BOL, "\r\r\n", 3, 0), "CR CR LF");
    ok(!bare(NSX_DOT_BOL, "a\r", 2, 0), "a last CR may go on");
    ok(bare(NSX_DOT_BOL, "a\r", 2, 1), "unless it is the end");
    ok(!bare(NSX_DOT_CR, "\nb", 2, 1), "it went on");
    ok(bare(NSX_DOT_CR, "b\n", 2, 0), "it did not");
    ok(bare(NSX_DOT_CR, "", 0, 1), "it ended");
    ok(!bare(NSX_DOT_CR, "", 0, 0), "nothing new");
    ok(!bare(NSX_DOT_TEXT, "", 0, 1), "nothing at all");
    ok(!bare(NSX_DOT_BOL, "abc\n\n.", 6, 1), "no CR");
}

static double
seconds_for(const char *in, size_t n, enum nsx_bare_cr bare_cr)
{
    static char out[NSX_BLOCK_SIZE];
    struct nsx_dot d;
    clock_t start = clock();
    size_t taken;

    nsx_dot_init(&d, NSX_DOT_BOL, bare_cr);
    for (; n > 0; in += taken, n -= taken)
        (void)nsx_dot_encode(&d, in, n, out, sizeof out, &taken);
    return (double)(clock() - start) / CLOCKS_PER_SEC;
}

/* No pattern may make the encoder slow.  The bound is far above what it
 * takes, far below what a search per octet would. */
static void
speed(void)
{
    const size_t n = 32u << 20;
    const double bound = 5;
    static const char *patterns[] = { "x",   "\n",  "\r",   ".",
                                      "\n.", "\rx", "\r\n", "\r.\n" };
    char *in = malloc(n);
    size_t i, k;
    int cr;

    for (i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        double worst = 0;

        for (k = 0; k < n; k++)
            in[k] = patterns[i][k % strlen(patterns[i])];
        for (cr = NSX_BARE_CR_PASS; cr <= NSX_BARE_CR_CONVERT; cr++) {
            double s = seconds_for(in, n, (enum nsx_bare_cr)cr);

            worst = s > worst ? s : worst;
        }
        ok(worst < bound, "32 MB of pattern %zu", i);
    }
    memset(in, 'x', n);
    for (k = 70; k < n; k += 71)
        in[k] = '\n';
    printf("# 32 MB of 71-octet lines: %.3f s\n",
           seconds_for(in, n, NSX_BARE_CR_PASS));
    free(in);
}

int
main(void)
{
    arena_init(&in_arena, 4096);
    arena_init(&out_arena, 4096);
    examples();
    states();
    finding();
    all_short();
    random_long();
    speed();
    return done_testing();
}
