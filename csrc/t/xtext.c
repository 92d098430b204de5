/* xtext. */
#include "tap.h"
#include "nsx_xtext.h"

static struct arena in_arena, out_arena;

static void
xtext(const char *in, size_t n, const char *want, const char *name)
{
    const char *p = arena_put(&in_arena, in, n, 1);
    size_t size = nsx_xtext_size(p, n);
    char *out = arena_put(&out_arena, NULL, size, 1);

    nsx_xtext_encode(p, n, out);
    is_mem(out, size, want, strlen(want), name);
}

#define XTEXT(in, want, name) xtext(in, sizeof in - 1, want, name)

int
main(void)
{
    char all[256];
    size_t i, plain = 0;

    arena_init(&in_arena, 4096);
    arena_init(&out_arena, 4096);
    XTEXT("", "", "nothing");
    XTEXT("rfc822;bob@example.com", "rfc822;bob@example.com", "plain");
    XTEXT("a+b=c", "a+2Bb+3Dc", "plus and equals sign");
    XTEXT(" \t\r\n\0\x7f", "+20+09+0D+0A+00+7F", "blanks and controls");
    XTEXT("\xc3\xa9\xff\x80", "+C3+A9+FF+80", "eight-bit octets");
    XTEXT("!~<>", "!~<>", "the ends of the plain range");
    for (i = 0; i < sizeof all; i++) {
        all[i] = (char)i;
        plain += nsx_xtext_size(all + i, 1) == 1;
    }
    is_num(plain, 92, "92 octets stand for themselves");
    is_num(nsx_xtext_size(all, sizeof all), 92 + 3 * (256 - 92), "size");
    return done_testing();
}
