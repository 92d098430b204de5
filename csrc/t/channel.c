/* The channel: lines and replies over real sockets in any pieces, errors that
 * stick, transports. */
#include "tap.h"
#include "net.h"
#include "nsx_channel.h"

#include <errno.h>

static int fd[2];

static void
open_channel(struct nsx_channel *ch)
{
    unix_pair(fd);
    nsx_channel_init(ch, fd[0]);
}

static void
close_channel(struct nsx_channel *ch)
{
    nsx_channel_free(ch);
    close_pair(fd);
}

static void
lines(void)
{
    struct nsx_channel ch;
    struct nsx_line line;

    open_channel(&ch);
    is_num(nsx_channel_line(&ch, &line), NSX_WANT_READ, "nothing yet");
    is_num(nsx_channel_fill(&ch), NSX_WANT_READ, "nothing to fill with");
    say(fd[1], "220 he");
    is_num(nsx_channel_fill(&ch), NSX_OK, "part of a line");
    is_num(nsx_channel_line(&ch, &line), NSX_WANT_READ, "is no line");
    is_num(nsx_channel_buffered(&ch), 6, "but buffered");
    say(fd[1], "llo\r\nnext\nlast");
    is_num(nsx_channel_fill(&ch), NSX_OK, "the rest and more");
    is_num(nsx_channel_line(&ch, &line), NSX_OK, "a line");
    is_mem(line.text, line.len, "220 hello", 9, "as sent");
    is_num(nsx_channel_line(&ch, &line), NSX_OK, "still the same line");
    is_num(line.used, 11, "until it is taken");
    nsx_channel_take(&ch, line.used);
    is_num(nsx_channel_line(&ch, &line), NSX_OK, "the next line");
    is_mem(line.text, line.len, "next", 4, "as sent");
    nsx_channel_take(&ch, line.used);
    is_num(nsx_channel_line(&ch, &line), NSX_WANT_READ, "no further line");
    is_num(nsx_channel_feed(&ch, " words\n", 7), NSX_OK, "fed by hand");
    is_num(nsx_channel_line(&ch, &line), NSX_OK, "a line of both");
    is_mem(line.text, line.len, "last words", 10, "in order");
    is_num(nsx_channel_pending(&ch), 0, "plain transports hold nothing");
    close_channel(&ch);
}

static void
replies(void)
{
    static const char in[] = "250-a\r\n250-b\r\n250 c\r\n354\r\n";
    struct nsx_channel ch;
    struct nsx_reply r;
    struct nsx_reply_line out;
    size_t i, used;
    int seen = 0, bad = 0;
    nsx_status s;

    open_channel(&ch);
    nsx_reply_init(&r);
    for (i = 0; i < sizeof in - 1; i++) {
        char one[2] = { in[i], '\0' };

        say(fd[1], one);
        bad += nsx_channel_fill(&ch) != NSX_OK;
        while ((s = nsx_channel_reply(&ch, &r, &out, &used)) == NSX_OK) {
            bad += out.more != (seen < 2);
            seen++;
            nsx_channel_take(&ch, used);
            if (!out.more)
                nsx_reply_init(&r);
        }
        bad += s != NSX_WANT_READ;
    }
    is_num(seen, 4, "four lines, octet by octet");
    is_num(bad, 0, "each complete");
    say(fd[1], "garbage\r\n250 ok\r\n");
    (void)nsx_channel_fill(&ch);
    is_num(nsx_channel_reply(&ch, &r, &out, &used), NSX_ERROR, "no code");
    is_num(ch.error.code, NSX_E_NONE, "does not kill the channel");
    ok(out.code == NULL, "there is no code to point to");
    is_mem(out.text, out.text_len, "garbage", 7, "the line is shown");
    is_num(nsx_channel_reply(&ch, &r, &out, &used), NSX_ERROR,
           "and stays in the way");
    nsx_channel_take(&ch, used);
    is_num(nsx_channel_reply(&ch, &r, &out, &used), NSX_OK,
           "until it is taken");
    close_channel(&ch);
}

static void
endings(void)
{
    struct nsx_channel ch;
    struct nsx_line line;
    struct nsx_reply r;
    struct nsx_reply_line out;
    size_t used, done;

    open_channel(&ch);
    nsx_reply_init(&r);
    say(fd[1], "250 a\r\n250 b\r\n250");
    (void)close(fd[1]);
    is_num(nsx_channel_fill(&ch), NSX_OK, "last words");
    is_num(nsx_channel_fill(&ch), NSX_ERROR, "the end");
    is_num(ch.error.code, NSX_E_EOF, "is the end");
    is_num(nsx_channel_line(&ch, &line), NSX_OK, "the words are there");
    nsx_channel_take(&ch, line.used);
    is_num(nsx_channel_reply(&ch, &r, &out, &used), NSX_OK, "as replies too");
    nsx_channel_take(&ch, used);
    is_num(nsx_channel_line(&ch, &line), NSX_ERROR, "half a line is not");
    is_num(nsx_channel_reply(&ch, &r, &out, &used), NSX_ERROR, "nor a reply");
    is_num(nsx_channel_send(&ch, "x", 1, 0, &done), NSX_ERROR, "dead");
    is_num(nsx_channel_feed(&ch, "x", 1), NSX_ERROR, "for all calls");
    is_num(nsx_channel_fill(&ch), NSX_ERROR, "and ever");
    is_num(nsx_channel_fail(&ch, NSX_E_TIMEOUT, "t"), NSX_ERROR, "the first");
    is_num(ch.error.code, NSX_E_EOF, "cause stays");
    (void)close(fd[0]);
    unix_pair(fd);
    nsx_channel_reopen(&ch, fd[0]);
    is_num(ch.error.code, NSX_E_NONE, "reopened");
    is_num(nsx_channel_buffered(&ch), 0, "nothing old is left");
    say(fd[1], "220 x\r\n");
    is_num(nsx_channel_fill(&ch), NSX_OK, "alive");
    is_num(nsx_channel_fail(&ch, NSX_E_TIMEOUT, "t"), NSX_ERROR, "timeout");
    is_num(nsx_channel_line(&ch, &line), NSX_ERROR,
           "what came late answers nothing");
    is_num(nsx_channel_reply(&ch, &r, &out, &used), NSX_ERROR,
           "as a reply neither");
    close_channel(&ch);
}

/* A server says 552 and closes while the message is being written. */
static void
last_reply(const char *name)
{
    struct nsx_channel ch;
    struct nsx_line line;
    size_t done;
    int i;
    nsx_status s = NSX_OK;

    nsx_channel_init(&ch, fd[0]);
    say(fd[1], "552 too big\r\n");
    (void)close(fd[1]);
    for (i = 0; i < 1000 && s != NSX_ERROR; i++) {
        s = nsx_channel_send(&ch, "data", 4, 0, &done);
        (void)usleep(1000);
    }
    is_num(s, NSX_ERROR, name);
    is_num(ch.error.code, NSX_E_IO, "writing fails, without a signal");
    is_num(nsx_channel_line(&ch, &line), NSX_OK, "the reply is there");
    is_mem(line.text, line.len, "552 too big", 11, "as sent");
    nsx_channel_take(&ch, line.used);
    is_num(nsx_channel_line(&ch, &line), NSX_ERROR, "then the error");
    nsx_channel_free(&ch);
    (void)close(fd[0]);
}

static void
writing(void)
{
    static char block[1 << 18];
    struct nsx_channel ch;
    size_t done, sent = 0, got = 0;
    ssize_t n;
    nsx_status s;

    open_channel(&ch);
    is_num(nsx_channel_send(&ch, "", 0, 0, &done), NSX_OK, "nothing");
    while ((s = nsx_channel_send(&ch, block, sizeof block, 0, &done)) == NSX_OK)
        sent += done;
    is_num(s, NSX_WANT_WRITE, "written until it would block");
    while (got < sent && (n = read(fd[1], block, sizeof block)) > 0)
        got += (size_t)n;
    is_num(got, sent, "all of it arrives");
    is_num(nsx_io_wait(&ch.io, NSX_WANT_WRITE, nsx_deadline_after(5)),
           NSX_WAIT_READY, "writable again");
    is_num(nsx_channel_send(&ch, "x", 1, 0, &done), NSX_OK, "goes on");
    close_channel(&ch);
    unix_pair(fd);
    last_reply("a Unix socket");
    if (tcp_pair(fd))
        last_reply("a TCP socket");
}

static void
caps(void)
{
    struct nsx_channel ch;
    struct nsx_line line;
    struct nsx_reply r;
    struct nsx_reply_line out;
    size_t used, n = NSX_MAX_LINE;
    char *x = malloc(n);

    memset(x, 'x', n);
    open_channel(&ch);
    is_num(nsx_channel_feed(&ch, x, n - 1), NSX_OK, "a line of 16 MB");
    say(fd[1], "\n250 ok\r\n");
    is_num(nsx_channel_fill(&ch), NSX_OK, "gets its end");
    is_num(nsx_channel_line(&ch, &line), NSX_OK, "and is a line");
    is_num(line.len, n - 1, "of that length");
    is_num(nsx_channel_fill(&ch), NSX_ERROR, "there is no room for more");
    is_num(ch.error.code, NSX_E_LINE_LENGTH, "says so");
    nsx_channel_reopen(&ch, fd[0]);
    is_num(nsx_channel_feed(&ch, x, n), NSX_OK, "as much by hand");
    is_num(nsx_channel_feed(&ch, x, 1), NSX_ERROR, "and one more");
    is_num(ch.error.code, NSX_E_LINE_LENGTH, "says so");
    nsx_channel_reopen(&ch, fd[0]);
    nsx_reply_init(&r);
    (void)nsx_channel_feed(&ch, x, NSX_MAX_REPLY_LINE + 2);
    is_num(nsx_channel_reply(&ch, &r, &out, &used), NSX_ERROR,
           "a reply line has a smaller cap");
    is_num(ch.error.code, NSX_E_LINE_LENGTH, "says so");
    close_channel(&ch);
    free(x);
}

static void
no_memory(void)
{
    struct nsx_channel ch;

    open_channel(&ch);
    say(fd[1], "220 x\r\n");
    failing_after(0);
    is_num(nsx_channel_fill(&ch), NSX_ERROR, "no memory to read into");
    is_num(ch.error.code, NSX_E_NOMEM, "says so");
    nsx_channel_reopen(&ch, fd[0]);
    failing_after(0);
    is_num(nsx_channel_feed(&ch, "x", 1), NSX_ERROR, "no memory to feed");
    is_num(ch.error.code, NSX_E_NOMEM, "says so");
    nsx_channel_reopen(&ch, fd[0]);
    is_num(nsx_channel_fill(&ch), NSX_OK, "nothing was lost");
    close_channel(&ch);
    is_num(live_blocks, 0, "nothing leaks");
    nsx_alloc_hooks(NULL, NULL);
}

/* --- a transport made of a script -------------------------------------- */

struct fake {
    const char *input; /* what recv hands out, three octets at a time */
    nsx_status answer; /* recv's when input is used up, and send's */
    nsx_errcode code;  /* of NSX_ERROR; NSX_E_NONE: forgets to say */
    char sent[100];
    size_t sent_len;
    int shut, freed;
};

static nsx_status
fake_recv(void *ctx, struct nsx_io *io, void *buf, size_t n, size_t *done,
          struct nsx_error *e)
{
    struct fake *f = ctx;
    size_t k = strlen(f->input);

    (void)io;
    k = k < 3 ? k : 3;
    k = k < n ? k : n;
    memcpy(buf, f->input, k);
    f->input += k;
    *done = k;
    if (k > 0)
        return NSX_OK;
    if (f->answer == NSX_ERROR && f->code != NSX_E_NONE)
        return nsx_error_set(e, f->code, "fake_recv", NULL);
    return f->answer;
}

static nsx_status
fake_send(void *ctx, struct nsx_io *io, const void *buf, size_t n, int more,
          size_t *done, struct nsx_error *e)
{
    struct fake *f = ctx;

    (void)io;
    (void)more;
    *done = 0;
    if (f->answer == NSX_ERROR)
        return nsx_error_set(e, f->code, "fake_send", NULL);
    if (f->answer != NSX_WANT_READ)
        return f->answer;
    n = n < 2 ? n : 2;
    memcpy(f->sent + f->sent_len, buf, n);
    f->sent_len += n;
    *done = n;
    return NSX_OK;
}

static size_t
fake_pending(void *ctx)
{
    return strlen(((struct fake *)ctx)->input);
}

static void
fake_shutdown(void *ctx, struct nsx_io *io)
{
    (void)io;
    ((struct fake *)ctx)->shut++;
}

static void
fake_free(void *ctx)
{
    ((struct fake *)ctx)->freed++;
}

static const struct nsx_transport fake_transport = {
    "fake", fake_recv, fake_send, fake_pending, fake_shutdown, fake_free
};

static void
transports(void)
{
    struct fake f = { "250 ok\r\n", NSX_WANT_READ, NSX_E_TLS, "", 0, 0, 0 };
    struct nsx_channel ch;
    struct nsx_line line;
    size_t done;

    open_channel(&ch);
    say(fd[1], "in the clear, not yet read\r\n");
    is_num(nsx_channel_set_transport(&ch, &fake_transport, &f), NSX_OK, "set");
    is_num(nsx_channel_pending(&ch), 8, "pending is asked of it");
    while (nsx_channel_line(&ch, &line) == NSX_WANT_READ)
        if (nsx_channel_fill(&ch) != NSX_OK)
            break;
    is_mem(line.text, line.len, "250 ok", 6, "read through it");
    is_num(nsx_channel_send(&ch, "abc", 3, 0, &done), NSX_OK, "written");
    is_mem(f.sent, f.sent_len, "ab", 2, "through it, as much as it takes");
    f.answer = NSX_WANT_WRITE;
    is_num(nsx_channel_fill(&ch), NSX_WANT_WRITE, "reading may want to write");
    f.answer = NSX_OK;
    is_num(nsx_channel_fill(&ch), NSX_WANT_READ, "no progress is no success");
    is_num(nsx_channel_send(&ch, "abc", 3, 0, &done), NSX_WANT_WRITE,
           "in writing neither");
    f.answer = NSX_ERROR;
    is_num(nsx_channel_fill(&ch), NSX_ERROR, "its errors");
    is_num(ch.error.code, NSX_E_TLS, "are the channel's");
    is_num(f.freed, 0, "not freed yet");
    close_channel(&ch);
    is_num(f.freed, 1, "freed with the channel");
    is_num(f.shut, 0, "without a word to the peer");
}

static void
transport_rules(void)
{
    struct fake a = { "", NSX_ERROR, NSX_E_NONE, "", 0, 0, 0 };
    struct fake b = a;
    struct nsx_channel ch;
    size_t done;

    open_channel(&ch);
    say(fd[1], "220 go\r\nMAIL");
    (void)nsx_channel_fill(&ch);
    nsx_channel_take(&ch, 8);
    is_num(nsx_channel_set_transport(&ch, &fake_transport, &a), NSX_ERROR,
           "octets in the clear behind the 220");
    is_num(ch.error.code, NSX_E_PLAINTEXT, "are a violation");
    is_num(a.freed, 1, "the transport is freed");
    is_num(nsx_channel_send(&ch, "x", 1, 0, &done), NSX_ERROR, "dead");
    is_num(nsx_channel_set_transport(&ch, &fake_transport, &b), NSX_ERROR,
           "a dead channel takes none");
    is_num(b.freed, 1, "and frees it");

    nsx_channel_reopen(&ch, fd[0]);
    (void)nsx_channel_set_transport(&ch, &fake_transport, &a);
    is_num(nsx_channel_set_transport(&ch, &fake_transport, &b), NSX_ERROR,
           "a second one");
    is_num(ch.error.code, NSX_E_ARGUMENT, "is the caller's mistake");
    is_num(b.freed, 2, "and freed");

    nsx_channel_reopen(&ch, fd[0]);
    is_num(a.freed, 2, "reopening frees");
    (void)nsx_channel_set_transport(&ch, &fake_transport, &a);
    is_num(nsx_channel_fill(&ch), NSX_ERROR, "an error without a cause");
    is_num(ch.error.code, NSX_E_IO, "gets one");

    nsx_channel_reopen(&ch, fd[0]);
    (void)nsx_channel_set_transport(&ch, &fake_transport, &a);
    is_num(nsx_channel_set_transport(&ch, NULL, NULL), NSX_OK, "taken off");
    is_num(a.freed, 4, "and freed");
    say(fd[1], "plain\n");
    is_num(nsx_channel_fill(&ch), NSX_OK, "in the clear again");
    close_channel(&ch);
    is_num(a.freed, 4, "once only");
}

int
main(void)
{
    watchdog(60);
    lines();
    replies();
    endings();
    writing();
    caps();
    no_memory();
    transports();
    transport_rules();
    return done_testing();
}
