/* Lines and replies: forms, caps, any split, no look beyond the input. */
#include "tap.h"
#include "nsx_reply.h"

static struct arena arena;

/* What a parser said about a stream, as text: "250 more text|" a line, then
 * "E<code>" for an error or "?" for an unfinished reply. */
struct log {
    char text[4096];
    size_t len;
};

static void
note(struct log *l, const char *p, size_t n)
{
    if (n > sizeof l->text - l->len)
        n = sizeof l->text - l->len;
    if (n > 0)
        memcpy(l->text + l->len, p, n);
    l->len += n;
}

/* Parses what [0..n) holds of stream: one reply after the other, until more
 * input is needed.  pos and scanned persist between calls. */
struct parse {
    struct nsx_reply reply;
    size_t pos, scanned;
    struct nsx_error e;
    struct log log;
};

static void
parse_init(struct parse *p)
{
    nsx_reply_init(&p->reply);
    p->pos = p->scanned = p->log.len = 0;
    nsx_error_reset(&p->e);
}

static void
parse_more(struct parse *p, const char *in, size_t n)
{
    struct nsx_reply_line line;
    size_t used;
    char code[8];

    while (p->e.code == NSX_E_NONE) {
        nsx_status s = nsx_reply_next(&p->reply, in + p->pos, n - p->pos,
                                      &p->scanned, &line, &used, &p->e);

        if (s == NSX_WANT_READ)
            return;
        if (s == NSX_ERROR) {
            (void)snprintf(code, sizeof code, "E%d", (int)p->e.code);
            note(&p->log, code, strlen(code));
            note(&p->log, line.text, line.text_len);
            return;
        }
        note(&p->log, line.code, NSX_CODE_DIGITS);
        note(&p->log, line.more ? "-" : " ", 1);
        note(&p->log, line.text, line.text_len);
        note(&p->log, "|", 1);
        p->pos += used;
        if (!line.more)
            nsx_reply_init(&p->reply);
    }
}

/* The same stream whole, in two parts cut anywhere, octet by octet, and each
 * prefix against a guard page: always the same log. */
static void
stream(const char *name, const char *in, size_t n, const char *want,
       size_t want_n)
{
    struct parse p;
    size_t i, bad = 0;
    int end;

    parse_init(&p);
    parse_more(&p, in, n);
    is_mem(p.log.text, p.log.len, want, want_n, name);
    for (i = 0; i <= n; i++) {
        parse_init(&p);
        parse_more(&p, in, i);
        parse_more(&p, in, n);
        bad += p.log.len != want_n || memcmp(p.log.text, want, p.log.len) != 0;
    }
    for (end = 0; end < 2; end++) {
        parse_init(&p);
        for (i = 0; i <= n; i++)
            parse_more(&p, arena_put(&arena, in, i, end), i);
        bad += p.log.len != want_n || memcmp(p.log.text, want, p.log.len) != 0;
    }
    ok(bad == 0, "%s, in pieces", name);
}

#define STREAM(name, in, want)                                                 \
    stream(name, in, sizeof in - 1, want, sizeof want - 1)

static void
forms(void)
{
    char syntax[64];

    STREAM("one line", "250 ok\r\n", "250 ok|");
    STREAM("bare LF", "250 ok\n", "250 ok|");
    STREAM("only one CR is line end", "250 ok\r\r\n", "250 ok\r|");
    STREAM("CR inside", "250 o\rk\r\n", "250 o\rk|");
    STREAM("code alone", "250\r\n", "250 |");
    STREAM("code and blank", "250 \r\n", "250 |");
    STREAM("continuation without text", "250-\r\n250 \r\n", "250-|250 |");
    STREAM("four digits", "2500 x\r\n", "250  x|");
    STREAM("any separator", "250:x\r\n", "250 x|");
    STREAM("NUL inside", "250 a\0b\r\n", "250 a\0b|");
    STREAM("three lines", "250-a\r\n250-b\r\n250 c\r\n", "250-a|250-b|250 c|");
    STREAM("codes that differ", "550-a\n250 b\n", "550-a|250 b|");
    STREAM("replies back to back", "220 a\r\n250-b\r\n250 c\r\n221 d\r\n",
           "220 a|250-b|250 c|221 d|");
    STREAM("unfinished", "250-a\r\n250 b", "250-a|");
    STREAM("nothing", "", "");
#define BAD(name, in, text)                                                    \
    (void)snprintf(syntax, sizeof syntax, "E%d%s", NSX_E_REPLY_SYNTAX, text);  \
    stream(name, in, sizeof in - 1, syntax, strlen(syntax))
    BAD("empty line", "\r\n", "");
    BAD("two digits", "25\r\n", "25");
    BAD("no digits", "HELO\r\n", "HELO");
    BAD("blank first", " 250 x\n", " 250 x");
    BAD("digits of another script", "\xd9\xa2\xd9\xa5\xd9\xa0 x\n",
        "\xd9\xa2\xd9\xa5\xd9\xa0 x");
#undef BAD
}

static void
lines(void)
{
    struct nsx_line line;
    struct nsx_reply_line r;
    size_t scanned = 0;

    is_num(nsx_line_find("a\0b\r\nc", 6, &scanned, &line), 1, "line found");
    is_num(line.len, 3, "length without the end");
    is_num(line.used, 5, "length with the end");
    scanned = 0;
    is_num(nsx_line_find("abc", 3, &scanned, &line), 0, "no line end");
    is_num(scanned, 3, "searched octets are remembered");
    is_num(nsx_line_find("abc\n", 4, &scanned, &line), 1, "end comes later");
    is_num(line.len, 3, "and counts from the start");
    is_num(scanned, 0, "ready for the next line");
    scanned = 9;
    is_num(nsx_line_find("ab", 2, &scanned, &line), 0,
           "more searched than there is");
    is_num(nsx_line_find("\n", 1, &scanned, &line), 0, "searched already");
    scanned = 0;
    is_num(nsx_line_find("\n", 1, &scanned, &line), 1, "empty line");
    is_num(line.len, 0, "of no octets");
    is_num(nsx_line_find(NULL, 0, &scanned, &line), 0, "no input at all");
    is_num(nsx_reply_parse_line("354", 3, &r), 1, "code alone");
    is_num(r.text_len, 0, "has no text");
    is_num(nsx_reply_parse_line("35", 2, &r), 0, "two digits");
    is_num(nsx_reply_parse_line("3:4 x", 5, &r), 0, "':' follows '9'");
    is_num(nsx_reply_parse_line("3/4 x", 5, &r), 0, "'/' precedes '0'");
}

static nsx_errcode
run(const char *in, size_t n, size_t *lines_seen)
{
    struct nsx_reply r;
    struct nsx_reply_line line;
    struct nsx_error e;
    size_t used, scanned = 0, pos = 0;
    nsx_status s;

    nsx_error_reset(&e);
    nsx_reply_init(&r);
    *lines_seen = 0;
    while (
        (s = nsx_reply_next(&r, in + pos, n - pos, &scanned, &line, &used, &e))
        == NSX_OK) {
        pos += used;
        ++*lines_seen;
    }
    return s == NSX_ERROR ? e.code : NSX_E_NONE;
}

static void
repeat(struct nsx_buf *b, const char *s, size_t times)
{
    while (times-- > 0)
        (void)nsx_buf_append_str(b, s);
}

static void
caps(void)
{
    struct nsx_buf b;
    size_t seen, i, bad = 0;
    const char *in;

    nsx_buf_init(&b, 8 << 20);
    repeat(&b, "250-\r\n", NSX_MAX_REPLY_LINES);
    in = (const char *)nsx_buf_data(&b);
    is_num(run(in, b.len, &seen), NSX_E_NONE, "as many lines as allowed");
    repeat(&b, "250-\r\n", 1);
    in = (const char *)nsx_buf_data(&b);
    is_num(run(in, b.len, &seen), NSX_E_REPLY_LINES, "one line more");
    is_num(seen, NSX_MAX_REPLY_LINES, "stops there");

    nsx_buf_clear(&b);
    repeat(&b, "250-", 1);
    repeat(&b, "x", NSX_MAX_REPLY_LINE - 4);
    in = (const char *)nsx_buf_data(&b);
    is_num(run(in, b.len, &seen), NSX_E_NONE, "longest line, unfinished");
    repeat(&b, "\r", 1);
    in = (const char *)nsx_buf_data(&b);
    is_num(run(in, b.len, &seen), NSX_E_NONE, "and its CR");
    repeat(&b, "\n", 1);
    in = (const char *)nsx_buf_data(&b);
    is_num(run(in, b.len, &seen), NSX_E_NONE, "longest line");
    is_num(seen, 1, "is taken");

    nsx_buf_clear(&b);
    repeat(&b, "250-", 1);
    repeat(&b, "x", NSX_MAX_REPLY_LINE - 3);
    repeat(&b, "\r\n", 1);
    in = (const char *)nsx_buf_data(&b);
    is_num(run(in, b.len, &seen), NSX_E_LINE_LENGTH, "one octet too long");
    for (i = NSX_MAX_REPLY_LINE + 2; i < b.len; i++)
        bad += run(in, i, &seen) != NSX_E_LINE_LENGTH;
    is_num(bad, 0, "found out before the line ends");

    nsx_buf_clear(&b);
    for (i = 0; i < NSX_MAX_REPLY / 1024; i++) {
        repeat(&b, "250-", 1);
        repeat(&b, "x", 1020);
        repeat(&b, "\n", 1);
    }
    in = (const char *)nsx_buf_data(&b);
    is_num(run(in, b.len, &seen), NSX_E_NONE, "longest reply");
    is_num(seen, NSX_MAX_REPLY / 1024, "is taken");
    repeat(&b, "250 \n", 1);
    in = (const char *)nsx_buf_data(&b);
    is_num(run(in, b.len, &seen), NSX_E_REPLY_LENGTH, "a line more");
    nsx_buf_free(&b);
}

static void
counting(void)
{
    struct nsx_reply r;
    struct nsx_error e;

    nsx_error_reset(&e);
    nsx_reply_init(&r);
    is_num(nsx_reply_count(&r, 10, &e), NSX_OK, "a line from elsewhere");
    is_num(r.octets, 10, "its octets count");
    is_num(r.lines, 1, "and the line");
    is_num(nsx_reply_count(&r, (size_t)-1, &e), NSX_ERROR, "absurd length");
    is_num(e.code, NSX_E_LINE_LENGTH, "is a line too long");
    is_num(r.octets, 10, "and is not counted");
}

/* A line of 16 MB that arrives in small pieces is searched once only. */
static void
linear(void)
{
    const size_t n = 16u << 20;
    char *in = malloc(n);
    struct nsx_line line;
    size_t scanned = 0, i;

    memset(in, 'x', n);
    for (i = 0; i < n; i += 16)
        if (nsx_line_find(in, i, &scanned, &line))
            break;
    ok(i == n, "16 MB in pieces of 16 octets");
    free(in);
}

int
main(void)
{
    arena_init(&arena, 4096);
    forms();
    lines();
    caps();
    counting();
    linear();
    return done_testing();
}
