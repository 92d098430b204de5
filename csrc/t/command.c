/* Command lines: joining, no way out of the line, cap, memory. */
#include "tap.h"
#include "nsx_command.h"

static void
join(void)
{
    struct nsx_buf b;
    struct nsx_error e;

    nsx_error_reset(&e);
    nsx_buf_init(&b, NSX_MAX_COMMAND);
    nsx_command_begin(&b);
    is_num(nsx_command_word(&b, 1, "MAIL", 4, &e), NSX_OK, "first word");
    is_num(nsx_command_word(&b, 0, "FROM:", 5, &e), NSX_OK, "second word");
    is_num(nsx_command_append(&b, "<a@b>", 5, &e), NSX_OK, "goes on");
    is_num(nsx_command_word(&b, 0, "", 0, &e), NSX_OK, "empty word");
    is_num(nsx_command_word(&b, 0, "X=1", 3, &e), NSX_OK, "last word");
    is_num(nsx_command_end(&b, &e), NSX_OK, "end");
    is_mem((const char *)nsx_buf_data(&b), b.len, "MAIL FROM:<a@b>  X=1\r\n",
           22, "joined by one space each");
    nsx_command_begin(&b);
    is_num(b.len, 0, "begin empties");
    is_num(nsx_command_word(&b, 1, "", 0, &e), NSX_OK, "empty first word");
    is_num(nsx_command_end(&b, &e), NSX_OK, "end");
    is_mem((const char *)nsx_buf_data(&b), b.len, "\r\n", 2, "empty line");
    nsx_buf_free(&b);
}

static void
safe(void)
{
    static const char in[] = "a\r\nRSET\r\nb\nc\rd\0e";
    struct nsx_buf b;
    struct nsx_error e;
    char all[256];
    size_t i, bad = 0;

    nsx_error_reset(&e);
    nsx_buf_init(&b, NSX_MAX_COMMAND);
    nsx_command_begin(&b);
    (void)nsx_command_word(&b, 1, in, sizeof in - 1, &e);
    (void)nsx_command_append(&b, "\n\n", 2, &e);
    (void)nsx_command_end(&b, &e);
    is_mem((const char *)nsx_buf_data(&b), b.len, "a  RSET  b c d e  \r\n", 20,
           "CR, LF and NUL become spaces");
    for (i = 0; i < sizeof all; i++)
        all[i] = (char)i;
    nsx_command_begin(&b);
    (void)nsx_command_word(&b, 1, all, sizeof all, &e);
    for (i = 0; i < sizeof all; i++) {
        int cut = i == 0 || i == '\r' || i == '\n';

        bad += nsx_buf_data(&b)[i] != (cut ? ' ' : i);
    }
    is_num(bad, 0, "all other octets pass");
    nsx_buf_free(&b);
}

static void
caps(void)
{
    struct nsx_buf b;
    struct nsx_error e;
    char *big = malloc(NSX_MAX_COMMAND);

    memset(big, 'x', NSX_MAX_COMMAND);
    nsx_error_reset(&e);
    nsx_buf_init(&b, (size_t)NSX_MAX_COMMAND * 2);
    nsx_command_begin(&b);
    is_num(nsx_command_word(&b, 1, big, NSX_MAX_COMMAND - 2, &e), NSX_OK,
           "longest command");
    is_num(nsx_command_end(&b, &e), NSX_OK, "has room for its end");
    nsx_command_begin(&b);
    (void)nsx_command_word(&b, 1, big, NSX_MAX_COMMAND - 1, &e);
    is_num(nsx_command_end(&b, &e), NSX_ERROR, "one octet more has not");
    is_num(e.code, NSX_E_COMMAND_LENGTH, "and says so");
    is_num(nsx_error_class(e.code), NSX_CLASS_CALLER, "the caller's fault");
    nsx_error_reset(&e);
    nsx_command_begin(&b);
    (void)nsx_command_word(&b, 1, big, NSX_MAX_COMMAND, &e);
    is_num(nsx_command_word(&b, 0, "", 0, &e), NSX_ERROR, "nor a word more");
    nsx_buf_free(&b);

    nsx_error_reset(&e);
    nsx_buf_init(&b, 10);
    is_num(nsx_command_word(&b, 1, big, 11, &e), NSX_ERROR, "small buffer");
    is_num(e.code, NSX_E_COMMAND_LENGTH, "is a length error too");
    nsx_buf_free(&b);
    free(big);
}

/* A whole command in which the nth allocation fails, for every n. */
static void
no_memory(void)
{
    long n;
    int done = 0, bad = 0;
    char word[1000];

    memset(word, 'w', sizeof word);
    for (n = 0; !done && n < 100; n++) {
        struct nsx_buf b;
        struct nsx_error e;

        failing_after(n);
        nsx_error_reset(&e);
        nsx_buf_init(&b, NSX_MAX_COMMAND);
        nsx_command_begin(&b);
        done = nsx_command_word(&b, 1, "MAIL", 4, &e) == NSX_OK
            && nsx_command_word(&b, 0, word, sizeof word, &e) == NSX_OK
            && nsx_command_append(&b, word, sizeof word, &e) == NSX_OK
            && nsx_command_end(&b, &e) == NSX_OK;
        bad += done ? did_fail : e.code != NSX_E_NOMEM;
        nsx_buf_free(&b);
    }
    ok(n > 2, "several allocations were made to fail");
    is_num(bad, 0, "each is an error of its own class, then it works");
    is_num(live_blocks, 0, "and nothing leaks");
    nsx_alloc_hooks(NULL, NULL);
}

static void
decimal(void)
{
    char out[NSX_DIGITS];

    is_mem(out, nsx_decimal(0, out), "0", 1, "nothing");
    is_mem(out, nsx_decimal(1039, out), "1039", 4, "some");
    is_mem(out, nsx_decimal(UINT64_MAX, out), "18446744073709551615", 20,
           "the most");
}

int
main(void)
{
    join();
    safe();
    caps();
    no_memory();
    decimal();
    return done_testing();
}
