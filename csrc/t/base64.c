/* base64 both ways. */
#include "tap.h"
#include "nsx_base64.h"

static struct arena in_arena, out_arena;

static void
pair(const char *raw, size_t n, const char *text)
{
    size_t text_n = strlen(text), len = 999;
    char *in = arena_put(&in_arena, raw, n, 1);
    char *out = arena_put(&out_arena, NULL, text_n, 1);

    is_num(nsx_base64_encoded_size(n), text_n, "encoded size");
    nsx_base64_encode((unsigned char *)in, n, out);
    is_mem(out, text_n, text, text_n, "encoded");
    in = arena_put(&in_arena, text, text_n, 1);
    out = arena_put(&out_arena, NULL, nsx_base64_decoded_size(text_n), 1);
    is_num(nsx_base64_decode(in, text_n, (unsigned char *)out, &len), 1,
           "decodes");
    is_mem(out, len, raw, n, "decoded");
}

#define PAIR(raw, text) pair(raw, sizeof raw - 1, text)

static void
bad(const char *text, const char *name)
{
    size_t n = strlen(text), len;
    char *in = arena_put(&in_arena, text, n, 1);
    char *out = arena_put(&out_arena, NULL, nsx_base64_decoded_size(n), 1);

    is_num(nsx_base64_decode(in, n, (unsigned char *)out, &len), 0, name);
}

static void
refused(void)
{
    bad("A", "one character");
    bad("AA", "two characters");
    bad("AAA", "no padding");
    bad("AAAAA", "a character too many");
    bad("====", "padding only");
    bad("A===", "three octets of padding");
    bad("=AAA", "padding first");
    bad("AA=A", "padding inside a group");
    bad("AA==AAAA", "padding inside the text");
    bad("AAA=AAAA", "single padding inside the text");
    bad("AB==", "trailing bits, four of them");
    bad("AAB=", "trailing bits, two of them");
    bad("AA A", "a blank");
    bad("AAA\n", "a line end");
    bad("AA-_", "the other alphabet");
    bad("AA\xc3\xa9", "eight-bit octets");
    bad("AAA@", "the octet before A");
    bad("AAA[", "the octet after Z");
    bad("AAA`", "the octet before a");
    bad("AAA{", "the octet after z");
    bad("AAA:", "the octet after 9");
    bad("AAA.", "the octet before /");
}

static void
all_lengths(void)
{
    unsigned char raw[256], back[256];
    char text[400];
    size_t n, i, len, wrong = 0;

    for (i = 0; i < sizeof raw; i++)
        raw[i] = (unsigned char)(i * 37 + 11);
    for (n = 0; n <= sizeof raw; n++) {
        size_t size = nsx_base64_encoded_size(n);

        nsx_base64_encode(raw, n, text);
        wrong += !nsx_base64_decode(text, size, back, &len) || len != n
            || memcmp(raw, back, n) != 0 || nsx_base64_decoded_size(size) < n;
    }
    is_num(wrong, 0, "every length comes back");
}

int
main(void)
{
    arena_init(&in_arena, 4096);
    arena_init(&out_arena, 4096);
    PAIR("", "");
    PAIR("f", "Zg==");
    PAIR("fo", "Zm8=");
    PAIR("foo", "Zm9v");
    PAIR("foob", "Zm9vYg==");
    PAIR("fooba", "Zm9vYmE=");
    PAIR("foobar", "Zm9vYmFy");
    PAIR("\0user\0pass", "AHVzZXIAcGFzcw==");
    PAIR("\xff\xef\xbe\xfb",
         "/+++"
         "+w==");
    refused();
    all_lengths();
    return done_testing();
}
