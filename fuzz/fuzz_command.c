/*
 * fuzz_command.c - whatever the words, a command is one line.
 *
 * Input: words, each an octet of length and its text; a length of 128 or more
 * continues the word before.
 */
#include "fuzz.h"
#include "nsx_command.h"
#include "nsx_xtext.h"

enum {
    CONTINUES = 128
};

static void
check_xtext(const char *p, size_t n)
{
    size_t size = nsx_xtext_size(p, n), i, back = 0;
    char *out = malloc(size + 1);

    CHECK(out != NULL);
    nsx_xtext_encode(p, n, out);
    for (i = 0; i < size; back++) {
        unsigned c = (unsigned char)out[i];

        CHECK(c >= '!' && c <= '~' && c != '=');
        if (c == '+') {
            char hex[3] = { out[i + 1], out[i + 2], '\0' };

            c = (unsigned)strtoul(hex, NULL, 16);
            i += 2;
        }
        CHECK(back < n && c == (unsigned char)p[back]);
        i++;
    }
    CHECK(back == n);
    free(out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nsx_error e;
    struct nsx_buf b;
    size_t want = 0;
    const char *line;
    int first = 1;

    nsx_error_reset(&e);
    nsx_buf_init(&b, NSX_MAX_COMMAND);
    nsx_command_begin(&b);
    while (size > 0) {
        int continues = *data >= CONTINUES && !first;
        size_t n = *data++ % CONTINUES;
        const char *word = (const char *)data;

        n = n < --size ? n : size;
        want += n + (size_t)(!first && !continues);
        CHECK((continues ? nsx_command_append(&b, word, n, &e)
                         : nsx_command_word(&b, first, word, n, &e))
              == NSX_OK);
        check_xtext(word, n);
        first = 0;
        data += n;
        size -= n;
    }
    CHECK(nsx_command_end(&b, &e) == NSX_OK);
    line = (const char *)nsx_buf_data(&b);
    CHECK(b.len == want + 2);
    CHECK(memcmp(line + want, "\r\n", 2) == 0);
    CHECK(memchr(line, '\r', want) == NULL);
    CHECK(memchr(line, '\n', want) == NULL);
    CHECK(memchr(line, '\0', want) == NULL);
    nsx_buf_wipe(&b);
    return 0;
}
