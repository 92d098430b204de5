/* The session: replies stay in step whatever the pieces, full buffers never
 * lock, nothing goes out half or after the end, last words are heard. */
#include "tap.h"
#include "net.h"
#include "nsx_command.h"
#include "nsx_session.h"

/* --- a server behind small buffers -------------------------------------- */

struct peer {
    char in[4096]; /* on its way to the server */
    size_t in_len, in_cap;
    char out[65536]; /* on its way to the client */
    size_t out_len, out_cap;
    size_t piece; /* octets one call moves */
    size_t seen;  /* all that came */
    char log[65536];
    int closed; /* 1: no more octets either way */
    int mute;   /* 1: reads, says nothing */
    int flood;  /* 1: says one reply without end */
    int in_data;
    unsigned rcpt;
    size_t recv_calls, send_calls, recv_octets;
};

static nsx_status
peer_recv(void *ctx, struct nsx_io *io, void *buf, size_t n, size_t *done,
          struct nsx_error *e)
{
    struct peer *p = ctx;
    size_t k = p->out_len < p->piece ? p->out_len : p->piece;

    (void)io;
    p->recv_calls++;
    if (p->flood) {
        memset(buf, 'x', n);
        memcpy(buf, "250-", 4);
        memcpy((char *)buf + n - 2, "\r\n", 2);
        p->recv_octets += n;
        *done = n;
        return NSX_OK;
    }
    k = k < n ? k : n;
    if (k == 0)
        return p->closed ? nsx_error_set(e, NSX_E_EOF, __func__, NULL)
                         : NSX_WANT_READ;
    memcpy(buf, p->out, k);
    p->out_len -= k;
    memmove(p->out, p->out + k, p->out_len);
    p->recv_octets += k;
    *done = k;
    return NSX_OK;
}

static nsx_status
peer_send(void *ctx, struct nsx_io *io, const void *buf, size_t n, int more,
          size_t *done, struct nsx_error *e)
{
    struct peer *p = ctx;
    size_t k = p->in_cap - p->in_len;

    (void)io;
    (void)more;
    p->send_calls++;
    if (p->closed)
        return nsx_error_set(e, NSX_E_IO, __func__, NULL);
    k = k < p->piece ? k : p->piece;
    k = k < n ? k : n;
    if (k == 0)
        return NSX_WANT_WRITE;
    memcpy(p->in + p->in_len, buf, k);
    p->in_len += k;
    *done = k;
    return NSX_OK;
}

static size_t
peer_pending(void *ctx)
{
    (void)ctx;
    return 0;
}

static void
peer_nothing(void *ctx, struct nsx_io *io)
{
    (void)ctx;
    (void)io;
}

static void
peer_free(void *ctx)
{
    (void)ctx;
}

static const struct nsx_transport peer_transport = { "peer",       peer_recv,
                                                     peer_send,    peer_pending,
                                                     peer_nothing, peer_free };

static void
peer_say(struct peer *p, const char *text)
{
    size_t n = strlen(text);

    if (p->out_len + n > sizeof p->out)
        bail_out("the server says too much");
    memcpy(p->out + p->out_len, text, n);
    p->out_len += n;
}

static void
answer_line(struct peer *p, const char *line)
{
    char text[100];

    if (p->in_data) {
        if (strcmp(line, ".\r\n") == 0) {
            p->in_data = 0;
            peer_say(p, "250 queued\r\n");
        }
        return;
    }
    if (strncmp(line, "RCPT", 4) == 0)
        (void)snprintf(text, sizeof text, "250-2.1.5\r\n250 rcpt %u\r\n",
                       p->rcpt++);
    else if (strncmp(line, "DATA", 4) == 0)
        (void)snprintf(text, sizeof text, "354 go\r\n");
    else
        (void)snprintf(text, sizeof text, "250 %.4s\r\n", line);
    p->in_data = line[0] == 'D';
    peer_say(p, text);
}

/* The server works as long as there is room for what it says. */
static void
serve(struct peer *p)
{
    for (;;) {
        char *lf = memchr(p->in, '\n', p->in_len);
        size_t n = lf != NULL ? (size_t)(lf - p->in) + 1 : 0;
        char line[1000];

        if (n == 0 || p->out_len + 64 > p->out_cap)
            return;
        memcpy(line, p->in, n);
        line[n] = '\0';
        if (p->seen + n <= sizeof p->log)
            memcpy(p->log + p->seen, line, n);
        p->seen += n;
        p->in_len -= n;
        memmove(p->in, p->in + n, p->in_len);
        if (!p->mute)
            answer_line(p, line);
    }
}

static struct peer peer;
static struct nsx_channel ch;
static struct nsx_session s;
static struct nsx_error err;

static void
begin(size_t piece)
{
    memset(&peer, 0, sizeof peer);
    peer.piece = piece;
    peer.in_cap = sizeof peer.in;
    peer.out_cap = sizeof peer.out;
    nsx_channel_init(&ch, -1);
    (void)nsx_channel_set_transport(&ch, &peer_transport, &peer);
    nsx_session_init(&s, &ch);
    nsx_error_reset(&err);
}

static void
end(void)
{
    nsx_session_free(&s);
    nsx_channel_free(&ch);
}

static nsx_status
push(enum nsx_verb verb, const char *line, unsigned index)
{
    return nsx_session_push(&s, verb, line, strlen(line), index, &err);
}

/* Steps until there is something to tell; the server works meanwhile. */
static enum nsx_step
drive(void)
{
    size_t i;

    for (i = 0; i < 1000000; i++) {
        enum nsx_step step = nsx_session_step(&s);

        if (step != NSX_STEP_AGAIN && step != NSX_STEP_WANT_READ
            && step != NSX_STEP_WANT_WRITE && step != NSX_STEP_WANT_BOTH)
            return step;
        serve(&peer);
    }
    bail_out("nothing moves");
    return NSX_STEP_ERROR;
}

static int
code_is(const char *code)
{
    const struct nsx_answer *a = nsx_session_reply(&s);

    return a->code != NULL && memcmp(a->code, code, 3) == 0;
}

/* --- sources ------------------------------------------------------------- */

struct text {
    const char *text;
    size_t len, at, piece;
    int fail_at_end, later;
};

static nsx_status
text_pull(void *ctx, const char **ptr, size_t *len)
{
    struct text *t = ctx;
    size_t left = t->len - t->at;

    if (t->later > 0) {
        t->later--;
        return NSX_WANT_READ;
    }
    if (left == 0 && t->fail_at_end)
        return NSX_ERROR;
    *ptr = t->text + t->at;
    *len = left < t->piece ? left : t->piece;
    t->at += *len;
    return NSX_OK;
}

static void
give(struct text *t, const char *text, size_t len, size_t piece)
{
    struct nsx_source source = { NULL, text_pull, NULL, NULL };

    memset(t, 0, sizeof *t);
    t->text = text;
    t->len = len;
    t->piece = piece;
    source.ctx = t;
    if (nsx_session_body(&s, &source, &err) != NSX_OK)
        bail_out("the body is not taken");
}

/* --- tests ---------------------------------------------------------------- */

static void
lockstep(void)
{
    struct nsx_reply_line line;
    size_t at = 0;

    begin(4096);
    is_num(nsx_session_step(&s), NSX_STEP_DONE, "nothing to do");
    is_num(push(NSX_VERB_RCPT, "RCPT TO:<a@b>\r\n", 7), NSX_OK, "pushed");
    is_num(nsx_session_outstanding(&s), 1, "one to come");
    is_num(nsx_session_next(&s), NSX_VERB_RCPT, "which");
    is_num(nsx_session_unsent(&s), 15, "nothing sent yet");
    is_num(nsx_session_step(&s), NSX_STEP_WANT_READ, "written");
    is_num(peer.send_calls, 1, "by one call");
    is_num(peer.recv_calls, 0, "and nothing read in vain");
    is_num(nsx_session_unsent(&s), 0, "all sent");
    serve(&peer);
    is_num(nsx_session_step(&s), NSX_STEP_REPLY, "answered");
    is_num(peer.recv_calls, 1, "by one call");
    is_num(nsx_session_step(&s), NSX_STEP_REPLY, "until it is taken");
    is_num(nsx_session_reply(&s)->verb, NSX_VERB_RCPT, "its verb");
    is_num(nsx_session_reply(&s)->index, 7, "its index");
    ok(code_is("250"), "its code");
    ok(nsx_answer_line(nsx_session_reply(&s), &at, &line) && line.more,
       "its first line");
    is_mem(line.text, line.text_len, "2.1.5", 5, "as sent");
    ok(nsx_answer_line(nsx_session_reply(&s), &at, &line) && !line.more,
       "its last line");
    is_mem(line.text, line.text_len, "rcpt 0", 6, "as sent");
    ok(!nsx_answer_line(nsx_session_reply(&s), &at, &line), "no other");
    nsx_session_take(&s);
    is_num(nsx_session_outstanding(&s), 0, "in step");
    is_num(nsx_session_step(&s), NSX_STEP_DONE, "done");
    is_num(ch.in.len, 0, "nothing left");
    end();
}

/* Nothing but whole lines leaves. */
static void
refusals(void)
{
    struct nsx_buf *out;

    begin(4096);
    is_num(push(NSX_VERB_NOOP, "NOOP", 0), NSX_ERROR, "no line end");
    is_num(err.code, NSX_E_ARGUMENT, "is the caller's mistake");
    is_num(push(NSX_VERB_NOOP, "NOOP\n", 0), NSX_ERROR, "half a line end");
    is_num(push(NSX_VERB_NOOP, "A\r\nB\r\n", 0), NSX_ERROR, "two lines");
    is_num(push(NSX_VERB_NOOP, "A\rB\r\n", 0), NSX_ERROR, "a bare CR");
    is_num(push(NSX_VERB_NOOP, "A\r\r\n", 0), NSX_ERROR, "two of them");
    is_num(nsx_session_push(&s, NSX_VERB_NOOP, "A\0B\r\n", 5, 0, &err),
           NSX_ERROR, "a NUL");
    is_num(push(NSX_VERB_NOOP, "", 0), NSX_ERROR, "nothing");
    is_num(nsx_session_outstanding(&s), 0, "nothing is expected");
    is_num(nsx_session_step(&s), NSX_STEP_DONE, "nothing is sent");
    out = nsx_session_line(&s);
    (void)nsx_command_word(out, 1, "RSET", 4, &err);
    out = nsx_session_line(&s);
    (void)nsx_command_word(out, 1, "NOOP", 4, &err);
    (void)nsx_command_end(out, &err);
    is_num(nsx_session_commit(&s, NSX_VERB_NOOP, 0, &err), NSX_OK,
           "a line built in place");
    is_num(drive(), NSX_STEP_REPLY, "is answered");
    is_mem(peer.log, peer.seen, "NOOP\r\n", 6, "alone");
    nsx_session_take(&s);
    is_num(push(NSX_VERB_NONE, "QUIT\r\n", 0), NSX_OK, "without a reply");
    is_num(nsx_session_step(&s), NSX_STEP_DONE, "is sent, and that is all");
    end();
}

enum {
    MANY = 300
};

/* A flight with a body behind it, in pieces of every size, through buffers
 * that hold little: each reply answers its own command. */
static int
flight(size_t piece, size_t in_cap, size_t out_cap)
{
    static const char body[] = "a\r\nb\r\n.\r\n";
    struct text t;
    unsigned i, bad = 0;
    char line[40];

    begin(piece);
    peer.in_cap = in_cap;
    peer.out_cap = out_cap;
    bad += push(NSX_VERB_MAIL, "MAIL FROM:<>\r\n", 0) != NSX_OK;
    for (i = 0; i < MANY; i++) {
        (void)snprintf(line, sizeof line, "RCPT TO:<%u@b>\r\n", i);
        bad += push(NSX_VERB_RCPT, line, i) != NSX_OK;
    }
    bad += push(NSX_VERB_DATA, "DATA\r\n", 0) != NSX_OK;
    bad += nsx_session_outstanding(&s) != MANY + 2;
    for (i = 0; i < MANY + 2; i++) {
        const struct nsx_answer *a = nsx_session_reply(&s);
        char want[40];

        if (drive() != NSX_STEP_REPLY)
            break;
        (void)snprintf(want, sizeof want, "250-2.1.5\r\n250 rcpt %u\r\n",
                       i - 1);
        bad += nsx_session_outstanding(&s) != MANY + 2 - i;
        if (i == 0)
            bad += a->verb != NSX_VERB_MAIL;
        else if (i <= MANY)
            bad += a->verb != NSX_VERB_RCPT || a->index != i - 1
                || a->len != strlen(want) || memcmp(a->lines, want, a->len);
        else
            bad += a->verb != NSX_VERB_DATA || !code_is("354");
        nsx_session_take(&s);
    }
    bad += i != MANY + 2;
    bad += drive() != NSX_STEP_DONE;
    bad += nsx_session_expect(&s, NSX_VERB_END, 0, &err) != NSX_OK;
    give(&t, body, sizeof body - 1, 3);
    bad += drive() != NSX_STEP_REPLY;
    bad += nsx_session_reply(&s)->verb != NSX_VERB_END || !code_is("250");
    bad += nsx_session_unsent(&s) != 0 || s.state != NSX_SESSION_READY;
    nsx_session_take(&s);
    bad += nsx_session_step(&s) != NSX_STEP_DONE;
    bad += memcmp(peer.log + peer.seen - 9, body, 9) != 0;
    end();
    return (int)bad;
}

static void
flights(void)
{
    size_t piece;
    int bad = 0;

    for (piece = 1; piece < 70; piece++)
        bad += flight(piece, 64, 128);
    is_num(bad, 0, "every piece, both buffers small: no lock, in step");
    is_num(flight(100000, 4096, 65536), 0, "large buffers");
}

/* Replies cut in two at each place. */
static void
splits(void)
{
    static const char in[] = "220-a\r\n220 b\r\n250 c\n550-x\r\n550 y\r\n";
    size_t cut;
    int bad = 0;

    for (cut = 0; cut < sizeof in; cut++) {
        unsigned i;

        begin(4096);
        for (i = 0; i < 3; i++)
            (void)nsx_session_expect(&s, NSX_VERB_OTHER, i, &err);
        memcpy(peer.out, in, cut);
        peer.out_len = cut;
        for (i = 0; i < 3; i++) {
            while (nsx_session_step(&s) == NSX_STEP_WANT_READ) {
                memcpy(peer.out, in + cut, sizeof in - 1 - cut);
                peer.out_len = sizeof in - 1 - cut;
            }
            bad += nsx_session_reply(&s)->index != i
                || !code_is(i == 0       ? "220"
                                : i == 1 ? "250"
                                         : "550");
            nsx_session_take(&s);
        }
        bad += nsx_session_step(&s) != NSX_STEP_DONE;
        end();
    }
    is_num(bad, 0, "every split");
}

/* A reply that is there before the command is not its answer while that has
 * not gone out. */
static void
too_early(void)
{
    begin(4096);
    peer.in_cap = 0;
    peer_say(&peer, "421 idle\r\n");
    (void)push(NSX_VERB_MAIL, "MAIL FROM:<>\r\n", 0);
    is_num(nsx_session_step(&s), NSX_STEP_WANT_WRITE, "it waits");
    is_num(nsx_session_step(&s), NSX_STEP_WANT_WRITE, "and is not read past");
    peer.in_cap = 100;
    is_num(nsx_session_step(&s), NSX_STEP_REPLY, "then it answers");
    is_num(nsx_session_unsent(&s), 0, "what was sent");
    end();

    begin(4096);
    s.strict = 1;
    peer_say(&peer, "421 idle\r\n");
    is_num(nsx_session_probe(&s), NSX_STEP_REPLY, "asked before a message");
    is_num(nsx_session_reply(&s)->verb, NSX_VERB_NONE, "it answers nothing");
    nsx_session_take(&s);
    is_num(s.state, NSX_SESSION_CLOSING, "the session is over");
    is_num(push(NSX_VERB_MAIL, "MAIL FROM:<>\r\n", 0), NSX_ERROR,
           "nothing is sent");
    end();

    begin(4096);
    is_num(nsx_session_probe(&s), NSX_STEP_DONE, "a silent server");
    peer.closed = 1;
    is_num(nsx_session_probe(&s), NSX_STEP_ERROR, "a server that is gone");
    is_num(ch.error.code, NSX_E_EOF, "is seen");
    end();
}

static void
strictness(void)
{
    static const char *const wrong[] = { "hello\r\n", "150 x\r\n", "999 x\r\n",
                                         "000 x\r\n", "250-a\r\nb\r\n" };
    size_t i;

    for (i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        begin(4096);
        s.strict = 1;
        peer.mute = 1;
        (void)push(NSX_VERB_NOOP, "NOOP\r\n", 0);
        (void)nsx_session_step(&s);
        peer_say(&peer, wrong[i]);
        is_num(nsx_session_step(&s), NSX_STEP_ERROR, "no reply to a command");
        is_num(ch.error.code, NSX_E_REPLY_SYNTAX, "says so");
        is_num(nsx_session_step(&s), NSX_STEP_ERROR, "for good");
        end();
    }
    begin(4096);
    s.strict = 1;
    peer_say(&peer, "250 one\r\n250 two\r\n");
    (void)push(NSX_VERB_NOOP, "NOOP\r\n", 0);
    (void)nsx_session_step(&s);
    is_num(s.state, NSX_SESSION_READY, "a reply");
    is_num(drive(), NSX_STEP_REPLY, "of two");
    nsx_session_take(&s);
    is_num(drive(), NSX_STEP_ERROR, "one too many");
    end();

    begin(4096);
    (void)nsx_session_expect(&s, NSX_VERB_OTHER, 0, &err);
    peer_say(&peer, "250-a\r\nwhat\r\n250 c\r\n");
    is_num(nsx_session_step(&s), NSX_STEP_REPLY, "else it is handed out");
    is_mem(nsx_session_reply(&s)->garbage, nsx_session_reply(&s)->garbage_len,
           "what", 4, "as it is");
    is_mem(nsx_session_reply(&s)->lines, nsx_session_reply(&s)->len,
           "250-a\r\n", 7, "with what came before");
    nsx_session_take(&s);
    is_num(ch.error.code, NSX_E_NONE, "the channel lives");
    (void)nsx_session_expect(&s, NSX_VERB_OTHER, 0, &err);
    is_num(nsx_session_step(&s), NSX_STEP_REPLY, "and goes on");
    end();
}

static void
lmtp(void)
{
    static const char in[] = "250 m\r\n250 a\r\n550 b\r\n250 c\r\n354 d\r\n"
                             "250 done a\r\n452 done c\r\n250 reset\r\n";
    static const unsigned index[] = { 0, 10, 11, 12, 0, 10, 12, 0 };
    static const enum nsx_verb verb[] = { NSX_VERB_MAIL, NSX_VERB_RCPT,
                                          NSX_VERB_RCPT, NSX_VERB_RCPT,
                                          NSX_VERB_DATA, NSX_VERB_END,
                                          NSX_VERB_END,  NSX_VERB_RSET };
    unsigned i;
    int bad = 0;

    begin(4096);
    s.lmtp = 1;
    (void)nsx_session_expect(&s, NSX_VERB_MAIL, 0, &err);
    for (i = 0; i < 3; i++)
        (void)nsx_session_expect(&s, NSX_VERB_RCPT, 10 + i, &err);
    (void)nsx_session_expect(&s, NSX_VERB_DATA, 0, &err);
    (void)nsx_session_expect(&s, NSX_VERB_END, 0, &err);
    (void)nsx_session_expect(&s, NSX_VERB_RSET, 0, &err);
    peer_say(&peer, in);
    for (i = 0; i < 8; i++) {
        bad += nsx_session_step(&s) != NSX_STEP_REPLY;
        bad += nsx_session_reply(&s)->verb != verb[i]
            || nsx_session_reply(&s)->index != index[i];
        if (i == 5)
            is_num(nsx_session_outstanding(&s), 3, "LMTP: two and RSET's");
        nsx_session_take(&s);
    }
    is_num(bad, 0, "one for each that was accepted, in order");
    is_num(nsx_session_step(&s), NSX_STEP_DONE, "in step");
    end();
}

static void
last_reply(void)
{
    static char big[100000];
    struct text t;

    begin(4096);
    peer.mute = 1;
    (void)nsx_session_expect(&s, NSX_VERB_END, 3, &err);
    memset(big, 'x', sizeof big);
    give(&t, big, sizeof big, 4096);
    is_num(nsx_session_step(&s), NSX_STEP_WANT_BOTH, "the body is stuck");
    peer_say(&peer, "552 too big\r\n");
    peer.closed = 1;
    is_num(nsx_session_step(&s), NSX_STEP_REPLY, "last words");
    ok(code_is("552") && nsx_session_reply(&s)->last
           && nsx_session_reply(&s)->verb == NSX_VERB_END,
       "are known as such");
    nsx_session_take(&s);
    is_num(nsx_session_step(&s), NSX_STEP_ERROR, "then the error");
    is_num(ch.error.code, NSX_E_IO, "that it was");
    is_num(s.state, NSX_SESSION_DEAD, "the session is over");
    end();

    begin(4096);
    peer.mute = 1;
    give(&t, big, sizeof big, 4096);
    (void)nsx_session_step(&s);
    peer_say(&peer, "452 full\r\n");
    is_num(nsx_session_timed_out(&s), NSX_STEP_REPLY,
           "a write that takes too long, too");
    is_num(nsx_session_reply(&s)->verb, NSX_VERB_NONE, "it answers nothing");
    nsx_session_take(&s);
    is_num(nsx_session_step(&s), NSX_STEP_ERROR, "then the timeout");
    is_num(ch.error.code, NSX_E_TIMEOUT, "is one");
    end();

    begin(4096);
    peer.mute = 1;
    (void)push(NSX_VERB_NOOP, "NOOP\r\n", 0);
    (void)nsx_session_step(&s);
    peer_say(&peer, "250 late\r\n");
    is_num(nsx_session_timed_out(&s), NSX_STEP_ERROR,
           "what came late answers nothing");
    is_num(nsx_session_step(&s), NSX_STEP_ERROR, "for good");
    end();

    begin(4096);
    (void)nsx_session_expect(&s, NSX_VERB_OTHER, 0, &err);
    peer_say(&peer, "250 bye\r\n250-ha");
    peer.closed = 1;
    is_num(nsx_session_step(&s), NSX_STEP_REPLY, "before the end");
    nsx_session_take(&s);
    (void)nsx_session_expect(&s, NSX_VERB_OTHER, 0, &err);
    is_num(nsx_session_step(&s), NSX_STEP_ERROR, "half a reply is none");
    end();
}

static void
bodies(void)
{
    struct text t;

    begin(4096);
    (void)push(NSX_VERB_BDAT_LAST, "BDAT 3 LAST\r\n", 0);
    give(&t, "a\r\n", 3, 100);
    (void)nsx_session_step(&s);
    is_num(peer.send_calls, 1, "a small body goes with its command");
    is_mem(peer.in, peer.in_len, "BDAT 3 LAST\r\na\r\n", 16, "in order");
    is_num(s.state, NSX_SESSION_READY, "commands may follow");
    end();

    begin(4096);
    give(&t, "abc", 3, 100);
    is_num(push(NSX_VERB_NOOP, "NOOP\r\n", 0), NSX_ERROR,
           "no command inside a body");
    t.later = 2;
    is_num(nsx_session_step(&s), NSX_STEP_LATER, "nothing now");
    is_num(nsx_session_step(&s), NSX_STEP_LATER, "nor now");
    is_num(nsx_session_step(&s), NSX_STEP_DONE, "then it goes");
    is_mem(peer.in, peer.in_len, "abc", 3, "whole");
    end();

    begin(4096);
    give(&t, "abc", 3, 100);
    t.fail_at_end = 1;
    is_num(nsx_session_step(&s), NSX_STEP_BODY_ERROR, "a source fails");
    is_num(s.state, NSX_SESSION_TORN, "the session is torn");
    is_num(push(NSX_VERB_NOOP, "NOOP\r\n", 0), NSX_ERROR, "and ends there");
    is_num(ch.error.code, NSX_E_NONE, "the channel lives");
    end();

    begin(4096);
    give(&t, "abc", 3, 100);
    nsx_session_tear(&s);
    is_num(s.state, NSX_SESSION_TORN, "given up");
    is_num(nsx_session_step(&s), NSX_STEP_DONE, "nothing more goes out");
    is_num(peer.in_len, 0, "nothing did");
    nsx_session_reset(&s);
    is_num(push(NSX_VERB_NOOP, "NOOP\r\n", 0), NSX_OK, "afresh");
    is_num(drive(), NSX_STEP_REPLY, "goes on");
    end();
}

/* What goes out by other means, and what another thread finds. */
static void
elsewhere(void)
{
    struct nsx_session other;

    begin(4096);
    nsx_session_enter(&s);
    ok(nsx_session_is_torn(&s), "inside a unit nothing else goes");
    is_num(push(NSX_VERB_NOOP, "NOOP\r\n", 0), NSX_ERROR, "no command");
    nsx_session_leave(&s);
    ok(!nsx_session_is_torn(&s), "behind it all does");
    nsx_session_tear(&s);
    nsx_session_leave(&s);
    ok(nsx_session_is_torn(&s), "torn stays torn");
    nsx_session_reset(&s);

    is_num(nsx_session_expect(&s, NSX_VERB_MAIL, 0, &err), NSX_OK, "MAIL went");
    is_num(s.mails, 1, "and counts");
    ok(!nsx_session_is_disowned(&s), "its reply is asked for");
    nsx_session_disown(&s, 1);
    nsx_session_init(&other, &ch);
    is_num(nsx_session_continue(&other, &s), NSX_E_NONE, "another goes on");
    is_num(nsx_session_outstanding(&other), 1, "with the reply to come");
    ok(nsx_session_is_disowned(&other), "which nobody asks for");
    is_num(other.mails, 1, "MAIL counts there too");
    ok(!nsx_session_is_torn(&other), "nothing is torn");
    nsx_session_pass(&other);
    is_num(other.answered, 1, "it passes");
    is_num(nsx_session_outstanding(&other), 0, "and none is to come");
    nsx_session_free(&other);
    nsx_session_enter(&s);
    nsx_session_init(&other, &ch);
    (void)nsx_session_continue(&other, &s);
    ok(nsx_session_is_torn(&other), "half a unit is not finished elsewhere");
    nsx_session_free(&other);
    end();
}

/* One step never moves more than its share. */
static void
bounded(void)
{
    static char big[4 * NSX_STEP_OCTETS];
    struct text t;
    size_t i;

    begin(NSX_READ_SIZE);
    give(&t, big, sizeof big, NSX_BLOCK_SIZE);
    for (i = 0; i < 3; i++) {
        uint64_t before = s.sent;
        enum nsx_step step;

        do {
            peer.in_len = 0;
            step = nsx_session_step(&s);
        } while (step != NSX_STEP_AGAIN && step != NSX_STEP_DONE
                 && s.sent < before);
        ok(s.sent - before < NSX_STEP_OCTETS + NSX_BLOCK_SIZE, "a share");
    }
    end();

    begin(4096);
    peer.flood = 1;
    (void)nsx_session_expect(&s, NSX_VERB_OTHER, 0, &err);
    is_num(nsx_session_step(&s), NSX_STEP_AGAIN, "a reply without end");
    ok(peer.recv_octets <= NSX_STEP_OCTETS, "is read a share at a time");
    for (i = 0; i < 10 && nsx_session_step(&s) == NSX_STEP_AGAIN; i++)
        continue;
    is_num(nsx_session_step(&s), NSX_STEP_ERROR, "and not for ever");
    is_num(ch.error.code, NSX_E_REPLY_LENGTH, "says so");
    ok(peer.recv_octets < NSX_MAX_REPLY + NSX_STEP_OCTETS, "by its cap");
    end();
}

static void
times(void)
{
    int64_t now = nsx_clock_ms(), first;

    begin(4096);
    peer.mute = 1;
    ok(nsx_session_deadline(&s) == NSX_NEVER, "no timeout");
    s.timeout = 10;
    s.until = 0;
    first = nsx_session_deadline(&s);
    ok(first >= now + 10000 && first < now + 20000, "timeout from now");
    (void)usleep(3000);
    ok(nsx_session_deadline(&s) == first, "the same while nothing moves");
    (void)push(NSX_VERB_NOOP, "NOOP\r\n", 0);
    (void)nsx_session_step(&s);
    first = nsx_session_deadline(&s);
    peer_say(&peer, "250-a\r\n");
    (void)nsx_session_step(&s);
    ok(nsx_session_deadline(&s) == first, "part of a reply does not move it");
    s.deadline = now + 5;
    ok(nsx_session_deadline(&s) == now + 5, "nor beyond the deadline of all");
    end();
}

/* Each allocation fails once: an error, or the same replies; no leak. */
static void
no_memory(void)
{
    long n;
    int bad = 0, more = 1;

    for (n = 0; more && n < 200; n++) {
        unsigned i, good = 0;

        failing_after(n);
        begin(50);
        s.lmtp = 1;
        for (i = 0; i < 40; i++)
            good += push(NSX_VERB_RCPT, "RCPT TO:<a@b>\r\n", i) == NSX_OK;
        for (i = 0; i < good; i++) {
            if (drive() != NSX_STEP_REPLY) {
                bad += ch.error.code != NSX_E_NOMEM;
                break;
            }
            nsx_session_take(&s);
        }
        bad += i < good && ch.error.code != NSX_E_NOMEM;
        more = did_fail;
        end();
        bad += live_blocks != 0;
    }
    is_num(bad, 0, "each allocation may fail");
    ok(n > 3 && !more, "and each did");
    nsx_alloc_hooks(NULL, NULL);
}

/* Real sockets with little room, both ways full. */
static void
sockets(void)
{
    int fd[2], small = 2048, flags;
    unsigned replies = 0, i, rounds = 0, bad = 0;
    size_t lines = 0, said = 0;

    unix_pair(fd);
    for (i = 0; i < 2; i++) {
        (void)setsockopt(fd[i], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
        (void)setsockopt(fd[i], SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    }
    flags = fcntl(fd[1], F_GETFL);
    (void)fcntl(fd[1], F_SETFL, flags | O_NONBLOCK);
    nsx_channel_init(&ch, fd[0]);
    nsx_session_init(&s, &ch);
    nsx_error_reset(&err);
    for (i = 0; i < 5000; i++)
        bad += push(NSX_VERB_RCPT, "RCPT TO:<somebody@example.com>\r\n", i)
            != NSX_OK;
    while (replies < 5000 && rounds++ < 10000000) {
        enum nsx_step step = nsx_session_step(&s);

        if (step == NSX_STEP_ERROR || step == NSX_STEP_DONE)
            break;
        if (step == NSX_STEP_REPLY) {
            bad += nsx_session_reply(&s)->index != replies++;
            nsx_session_take(&s);
            continue;
        }
        /* The server reads only while it can say its replies. */
        if (said < lines && write(fd[1], "250 ok\r\n", 8) == 8) {
            said++;
        }
        else if (said == lines) {
            char c[32];
            ssize_t n = read(fd[1], c, sizeof c);

            for (; n > 0; n--)
                lines += c[n - 1] == '\n';
        }
    }
    is_num(replies, 5000, "5000 recipients through small sockets");
    is_num(bad, 0, "in step");
    nsx_session_free(&s);
    nsx_channel_free(&ch);
    close_pair(fd);
}

static void
small_when_idle(void)
{
    unsigned i;

    begin(100000);
    for (i = 0; i < 1000; i++)
        (void)push(NSX_VERB_RCPT, "RCPT TO:<a@b>\r\n", i);
    for (i = 0; i < 1000; i++) {
        if (drive() != NSX_STEP_REPLY)
            break;
        nsx_session_take(&s);
    }
    is_num(i, 1000, "after a flight");
    ok(s.out.size <= NSX_IDLE_BUFFER && ch.in.size <= NSX_IDLE_BUFFER
           && s.queue.ring == NULL,
       "the session is small");
    ok(sizeof s < 1024, "itself too (%u)", (unsigned)sizeof s);
    end();
}

static void
secrets(void)
{
    begin(4096);
    (void)push(NSX_VERB_AUTH, "AUTH PLAIN c2VjcmV0\r\n", 0);
    nsx_session_secret(&s);
    (void)nsx_session_step(&s);
    ok(s.out.base == NULL, "credentials do not stay in the buffer");
    end();
}

/* A reply before a guard page, in a body before another. */
static void
guarded(void)
{
    struct arena a;
    struct text t;
    const char *line;

    arena_init(&a, 4096);
    begin(4096);
    line = arena_put(&a, "NOOP\r\n", 6, 1);
    is_num(nsx_session_push(&s, NSX_VERB_NOOP, line, 6, 0, &err), NSX_OK,
           "a line before a guard page");
    is_num(drive(), NSX_STEP_REPLY, "is sent");
    nsx_session_take(&s);
    give(&t, arena_put(&a, NULL, 4096, 1), 4096, 1000);
    is_num(drive(), NSX_STEP_DONE, "a body too");
    end();
}

int
main(void)
{
    watchdog(120);
    lockstep();
    refusals();
    flights();
    splits();
    too_early();
    strictness();
    lmtp();
    last_reply();
    bodies();
    elsewhere();
    bounded();
    times();
    no_memory();
    sockets();
    small_when_idle();
    secrets();
    guarded();
    return done_testing();
}
