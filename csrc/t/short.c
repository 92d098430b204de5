/* Short commands and replies: what they look like, where they give up, and
 * that nothing is lost then. */
#include "tap.h"
#include "net.h"
#include "nsx_short.h"

static struct arena arena;

static size_t
command(char *line, const char *words, const char *text, size_t n)
{
    struct nsx_addr path;

    nsx_addr_extract(arena_put(&arena, text, n, 1), n, NSX_ADDR_OCTETS, &path);
    return nsx_short_command(line, words, strlen(words), &path);
}

#define COMMAND(words, text, want)                                             \
    is_mem(line, command(line, words, text, sizeof text - 1), want,            \
           sizeof want - 1, #text)

static void
commands(void)
{
    char line[NSX_SHORT_OCTETS];

    COMMAND("MAIL FROM:", "a@b", "MAIL FROM:<a@b>\r\n");
    COMMAND("RCPT TO:", "A <a@b>", "RCPT TO:<a@b>\r\n");
    COMMAND("RCPT TO:", "\"a b\"@c", "RCPT TO:<\"a b\"@c>\r\n");
    COMMAND("MAIL FROM:", "", "MAIL FROM:<>\r\n");
    COMMAND("MAIL FROM:", "a\r\nRSET", "");
    COMMAND("MAIL FROM:", "a\nb", "");
    COMMAND("MAIL FROM:", "a\rb", "");
    COMMAND("MAIL FROM:", "a\0b", "");
    is_mem(line, nsx_short_command(line, "DATA", 4, NULL), "DATA\r\n", 6,
           "without a path");
}

/* Every length around the largest one that fits, against a guard page. */
static void
lengths(void)
{
    char text[NSX_SHORT_OCTETS + 8];
    size_t n, bad = 0;

    memset(text, 'a', sizeof text);
    for (n = 0; n <= sizeof text; n++) {
        char *line = arena_put(&arena, NULL, NSX_SHORT_OCTETS, 1);
        struct nsx_addr path = { text, n, 0, 1 };
        size_t want = n + 7 <= NSX_SHORT_OCTETS ? n + 7 : 0;

        bad += nsx_short_command(line, "TO:", 3, &path) != want;
        path.bracketed = 1;
        want = n + 7 <= NSX_SHORT_OCTETS ? n + 5 : 0;
        bad += nsx_short_command(line, "TO:", 3, &path) != want;
        want = n + 4 <= NSX_SHORT_OCTETS ? n + 2 : 0;
        bad +=
            n <= sizeof text && nsx_short_command(line, text, n, NULL) != want;
    }
    is_num(bad, 0, "what does not fit is told");
}

/* Which addresses are bare, by the rule as it is written down. */
static void
bare(void)
{
    struct nsx_addr a;
    size_t bad = 0;
    unsigned c;

    for (c = 0; c <= 255; c++) {
        char text[3] = { 'a', (char)c, 'b' };
        int want = c > ' ' && c <= '~' && strchr("\"(<>", (int)c) == NULL;

        nsx_addr_extract(text, sizeof text, NSX_ADDR_OCTETS, &a);
        bad += a.bare != want;
    }
    is_num(bad, 0, "every octet in an address");
    nsx_addr_extract("", 0, NSX_ADDR_OCTETS, &a);
    is_num(a.bare, 0, "nothing is no bare address");
    nsx_addr_exact("a@b", 3, NSX_ADDR_OCTETS, &a);
    is_num(a.bare, 0, "an exact one is not looked at");
}

struct talk {
    struct nsx_channel ch;
    struct nsx_short_reply reply;
    int fd[2];
};

static void
begin(struct talk *t)
{
    unix_pair(t->fd);
    nsx_channel_init(&t->ch, t->fd[0]);
}

static void
end(struct talk *t)
{
    nsx_channel_free(&t->ch);
    close_pair(t->fd);
}

static void
whole_reply(const char *text, const char *code, const char *rest,
            const char *name)
{
    struct talk t;

    begin(&t);
    say(t.fd[1], text);
    is_num(nsx_short_reply(&t.ch, &t.reply), NSX_OK, name);
    is_mem(t.reply.line.code, 3, code, 3, "its code");
    is_mem(t.reply.line.text, t.reply.line.text_len, rest, strlen(rest),
           "its text");
    is_num(nsx_channel_buffered(&t.ch), 0, "and nothing is left");
    end(&t);
}

static void
other_reply(const char *text, const char *name)
{
    struct talk t;

    begin(&t);
    say(t.fd[1], text);
    is_num(nsx_short_reply(&t.ch, &t.reply), NSX_AGAIN, name);
    is_mem((const char *)nsx_buf_data(&t.ch.in), nsx_channel_buffered(&t.ch),
           text, strlen(text), "is in the channel");
    end(&t);
}

#define WHOLE(text, code, rest) whole_reply(text, code, rest, #text)
#define OTHER(text) other_reply(text, #text)

static void
replies(void)
{
    char text[2 * NSX_SHORT_OCTETS];

    WHOLE("250 ok\r\n", "250", "ok");
    WHOLE("250 ok\n", "250", "ok");
    WHOLE("250\r\n", "250", "");
    WHOLE("250\n", "250", "");
    WHOLE("2509\r\n", "250", "");
    WHOLE("250 \r\r\n", "250", "\r");
    OTHER("250");
    OTHER("250-a\r\n");
    OTHER("250-a\r\n250 b\r\n");
    OTHER("250 a\r\n250 b\r\n");
    OTHER("250 a\r\n2");
    OTHER("hello\r\n");
    OTHER("25\r\n");
    OTHER("\r\n");
    OTHER("\n");
    memset(text, 'a', sizeof text);
    memcpy(text, "250 ", 4);
    text[NSX_SHORT_OCTETS] = '\0';
    OTHER(text);
}

static void
no_reply(void)
{
    struct talk t;

    begin(&t);
    is_num(nsx_short_reply(&t.ch, &t.reply), NSX_WANT_READ, "nothing came");
    (void)close(t.fd[1]);
    t.fd[1] = -1;
    is_num(nsx_short_reply(&t.ch, &t.reply), NSX_ERROR, "the peer is gone");
    is_num(t.ch.error.code, NSX_E_EOF, "which is told");
    is_num(nsx_short_reply(&t.ch, &t.reply), NSX_ERROR, "again");
    end(&t);
}

int
main(void)
{
    watchdog(60);
    arena_init(&arena, 2 * NSX_SHORT_OCTETS);
    commands();
    lengths();
    bare();
    replies();
    no_reply();
    return done_testing();
}
