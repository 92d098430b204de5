/*
 * fuzz_message.c - a message, or two in a row, against any server, in any
 * pieces.  No octet of a body leaves before the reply that permits it, the way
 * the pace says; a message of unknown size is completed only when all its chunks
 * have been answered; every recipient has exactly one fate; nobody is accepted
 * without a 250 to the end of the data, nor deferred when all of it was out and
 * nothing said no; what went out decodes to the body; a run ends.
 *
 * Input: four octets of settings, then the server's octets: each round hands
 * over as many as the next octet says.
 */
#include "fuzz.h"
#include "nsx_message.h"

#include <stddef.h>
#include <stdlib.h>

enum {
    HEAD = 4,
    OUT = 1 << 21,
    LARGE = 150000, /* octets of a body of several chunks */
    LETTERS = 2,
    ROUNDS = 4096,
    RCPTS = 3,
    STUCK = 3
};

/* A body as it is given, with its line ends, and as it goes behind DATA. */
struct text {
    const char *raw, *lines, *dotted;
    size_t raw_len;
};

static const char text_1[] = ".one\ntwo\r\n..\nthree";
static const char text_2[] = "second\n.\n";
static char large[LARGE];
static const struct text texts[LETTERS] = {
    { text_1, ".one\r\ntwo\r\n..\r\nthree\r\n",
      "..one\r\ntwo\r\n...\r\nthree\r\n.\r\n", sizeof text_1 - 1 },
    { text_2, "second\r\n.\r\n", "second\r\n..\r\n.\r\n", sizeof text_2 - 1 }
};

/* What is sent of a letter: its octets in chunks. */
struct letter {
    struct text text;
    const char *chunks;
    size_t chunks_len;
    int is_stream; /* of a size that nobody knows */
};

struct wire {
    const uint8_t *in;
    size_t in_len;
    size_t readable, writable;
    int is_over; /* the server's words are at their end: EOF */
    size_t out_len;
    size_t threes, twos; /* 3xx and 2xx lines handed to the client */
    size_t replies;      /* all of them */
    uint8_t line[4];
    size_t at;
    char out[OUT]; /* last: it is not cleared */
};

/* Counts replies by their last lines, as the client sees them. */
static void
count(struct wire *w, const uint8_t *p, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++) {
        if (p[i] == '\n') {
            if (w->at >= 3 && !(w->at > 3 && w->line[3] == '-')) {
                w->threes += w->line[0] == '3';
                w->twos += w->line[0] == '2';
                w->replies++;
            }
            w->at = 0;
        }
        else if (w->at < 4) {
            w->line[w->at++] = p[i];
        }
    }
}

static nsx_status
wire_recv(void *ctx, struct nsx_io *io, void *buf, size_t n, size_t *done,
          struct nsx_error *e)
{
    struct wire *w = ctx;
    size_t k = w->in_len < w->readable ? w->in_len : w->readable;

    (void)io;
    k = k < n ? k : n;
    if (k == 0)
        return w->in_len == 0 && w->is_over
            ? nsx_error_set(e, NSX_E_EOF, __func__, NULL)
            : NSX_WANT_READ;
    memcpy(buf, w->in, k);
    count(w, w->in, k);
    w->in += k;
    w->in_len -= k;
    w->readable -= k;
    *done = k;
    return NSX_OK;
}

static nsx_status
wire_send(void *ctx, struct nsx_io *io, const void *buf, size_t n, int more,
          size_t *done, struct nsx_error *e)
{
    struct wire *w = ctx;
    size_t k = n < w->writable ? n : w->writable;

    (void)io;
    (void)more;
    (void)e;
    if (k == 0)
        return NSX_WANT_WRITE;
    CHECK(w->out_len + k <= OUT);
    memcpy(w->out + w->out_len, buf, k);
    w->out_len += k;
    w->writable -= k;
    *done = k;
    return NSX_OK;
}

static size_t
wire_pending(void *ctx)
{
    (void)ctx;
    return 0;
}

static void
wire_shutdown(void *ctx, struct nsx_io *io)
{
    (void)ctx;
    (void)io;
}

static void
wire_free(void *ctx)
{
    (void)ctx;
}

static const struct nsx_transport transport = { "wire",        wire_recv,
                                                wire_send,     wire_pending,
                                                wire_shutdown, wire_free };

struct source {
    const char *text;
    size_t len, at, piece;
    int waits, turn, fails;
};

static nsx_status
pull(void *ctx, const char **ptr, size_t *len)
{
    struct source *s = ctx;
    size_t left = s->len - s->at;

    if (s->waits && s->turn++ % 2 == 0)
        return NSX_WANT_READ;
    if (s->fails && s->at > 5)
        return NSX_ERROR;
    *ptr = s->text + s->at;
    *len = left < s->piece ? left : s->piece;
    s->at += *len;
    return NSX_OK;
}

static int
again(void *ctx)
{
    ((struct source *)ctx)->at = 0;
    return 1;
}

/* What the wire shows of a letter, and of them all: a walk over what went out,
 * which goes on where it was. */
struct tally {
    size_t mails, ends;
};

struct seen {
    struct tally of[LETTERS];
    size_t dotted, chunked; /* bodies, also those that have only begun */
    size_t begun;           /* 1 in one of them for the body being walked */
    struct tally *now;      /* of the letter whose MAIL was last */
    const struct letter *letters, *letter;
    size_t at; /* octets that were looked at for good */
    size_t commands, chunk_at;
    size_t replies; /* that the client has */
    int behind_data;
};

static int
begins(const char *p, size_t n, const char *word)
{
    return n >= strlen(word) && memcmp(p, word, strlen(word)) == 0;
}

/* Of a stretch, what there is of it: it must be the text. */
static int
is_whole(const char *p, size_t n, const char *want, size_t want_n)
{
    CHECK(memcmp(p, want, n < want_n ? n : want_n) == 0);
    return n >= want_n;
}

/* BDAT and its octets; 0 while they are not whole. */
static size_t
take_bdat(struct seen *x, const char *p, size_t n, size_t line)
{
    const struct letter *l = x->letter;
    size_t size = (size_t)strtoul(p + 5, NULL, 10);
    int is_last = memcmp(p + line - 7, " LAST\r\n", 7) == 0;

    CHECK(size <= l->chunks_len - x->chunk_at);
    CHECK(is_last == (x->chunk_at + size == l->chunks_len));
    CHECK(is_last || l->is_stream);
    if (l->is_stream && is_last)
        CHECK(x->replies >= x->commands);
    if (x->chunk_at == 0 && !x->begun) {
        x->chunked++;
        x->begun = 1;
    }
    if (!is_whole(p + line, n - line, l->chunks + x->chunk_at, size))
        return 0;
    x->commands++;
    x->begun = 0;
    x->chunk_at += size;
    x->now->ends += (size_t)is_last;
    return line + size;
}

/* Behind DATA: a body, a dot alone, or another command where it was refused. */
static size_t
take_data(struct seen *x, const char *p, size_t n)
{
    const char *want = x->letter->text.dotted;

    if (n < 3 && (*p == '.' || *p == *want))
        return 0;
    if (*p != *want || begins(p, n, ".\r\n")) {
        x->behind_data = 0;
        return begins(p, n, ".\r\n") ? 3 : 0;
    }
    if (!x->begun) {
        x->dotted++;
        x->begun = 1;
    }
    if (!is_whole(p, n, want, strlen(want)))
        return 0;
    x->behind_data = 0;
    x->begun = 0;
    x->now->ends++;
    return strlen(want);
}

/* One command; 0 while it is not whole. */
static size_t
take_command(struct seen *x, const char *p, size_t n)
{
    const char *lf = memchr(p, '\n', n);
    size_t line = lf == NULL ? 0 : (size_t)(lf - p) + 1;

    if (line == 0)
        return 0;
    if (begins(p, n, "BDAT "))
        return take_bdat(x, p, n, line);
    if (begins(p, n, "MAIL FROM:<")) {
        int k = begins(p, n, "MAIL FROM:<2@x>");

        x->now = &x->of[k];
        x->letter = &x->letters[k];
        x->chunk_at = 0;
        x->now->mails++;
    }
    else if (begins(p, n, "DATA\r\n")) {
        x->behind_data = 1;
    }
    else {
        CHECK(begins(p, n, "RCPT TO:<") || begins(p, n, "RSET\r\n"));
        if (*p == 'R' && p[1] == 'S')
            x->chunk_at = 0;
    }
    x->commands++;
    return line;
}

static void
walk(struct seen *x, const struct wire *w)
{
    x->replies = w->replies;
    while (x->at < w->out_len) {
        const char *p = w->out + x->at;
        size_t n = w->out_len - x->at;
        size_t k = x->behind_data ? take_data(x, p, n) : 0;

        if (k == 0 && !x->behind_data)
            k = take_command(x, p, n);
        if (k == 0)
            return;
        x->at += k;
    }
}

static void
set_caps(struct nsx_caps *c, unsigned bits)
{
    static const char *const offers[] = { "PIPELINING",       "CHUNKING",
                                          "LIMITS RCPTMAX=2", "SIZE 1000",
                                          "8BITMIME",         "BINARYMIME",
                                          "LIMITS MAILMAX=1" };
    size_t i;

    for (i = 0; i < sizeof offers / sizeof offers[0]; i++)
        if ((bits >> i & 1) != 0)
            (void)nsx_caps_line(c, offers[i], strlen(offers[i]));
}

static void
check_now(const struct nsx_message *m, struct seen *x, const struct wire *w)
{
    size_t k;

    walk(x, w);
    for (k = 0; k < LETTERS; k++)
        CHECK(x->of[k].mails <= RCPTS);
    /* A dot-stuffed body needs a 3xx each. */
    CHECK(x->dotted <= w->threes);
    /* A BDAT does not leave before anybody can have been accepted, but in the
     * pace that says so. */
    if (m->rules.pace != NSX_PACE_MESSAGE || !m->rules.skip_bad
        || x->letters->is_stream)
        CHECK(x->chunked == 0 || w->twos >= 2 * x->chunked);
}

static void
check_end(const struct nsx_message *m, const struct tally *x,
          const struct wire *w)
{
    struct nsx_message_result r;
    size_t i, accepted = 0;

    nsx_message_result(m, &r);
    CHECK(r.transactions >= x->mails);
    for (i = 0; i < RCPTS; i++) {
        unsigned fate = m->outcome.records[i].fate;

        CHECK(fate > NSX_FATE_PENDING && fate < NSX_FATE_PARTIAL);
        accepted += fate == NSX_FATE_ACCEPTED;
        CHECK(fate != NSX_FATE_UNKNOWN || x->ends > 0);
    }
    CHECK(accepted == 0 || (x->ends > 0 && w->twos >= 3));
}

static void
run(struct nsx_message *m, struct seen *x, struct wire *w)
{
    int round, stuck = 0;

    for (round = 0; round < ROUNDS; round++) {
        enum nsx_step t = nsx_message_step(m);

        CHECK(t != NSX_STEP_REPLY && t != NSX_STEP_ERROR
              && t != NSX_STEP_BODY_ERROR);
        check_now(m, x, w);
        if (t == NSX_STEP_DONE)
            return;
        if (t == NSX_STEP_AGAIN)
            continue;
        w->writable += 1 + (w->in_len > 0 ? w->in[0] % 64u : 64u);
        if (w->in_len > 0) {
            size_t k = w->in[0];

            w->in++;
            w->in_len--;
            w->readable = k % 48;
        }
        else if (stuck++ > STUCK * 64) {
            CHECK(nsx_message_timed_out(m) == NSX_STEP_DONE);
            return;
        }
    }
    nsx_message_cancel(m);
}

static void
prepare(struct nsx_message *m, const uint8_t *data, int k)
{
    static const char *const to[RCPTS] = { "<a@x>", "<b@y>", "<c@x>" };
    struct nsx_error e;
    size_t i;

    nsx_error_reset(&e);
    nsx_message_init(m);
    m->rules.pace = (enum nsx_pace)(data[0] % 3);
    m->rules.skip_bad = data[0] >> 2 & 1;
    m->rules.chunking = data[0] >> 3 & 1;
    CHECK(nsx_envelope_from(&m->envelope, k == 0 ? "<>" : "<2@x>",
                            k == 0 ? 2 : 5, &e)
          == NSX_OK);
    for (i = 0; i < RCPTS; i++)
        CHECK(nsx_envelope_to(&m->envelope, to[i], 5, &e) == NSX_OK);
}

static void
make_letters(struct letter *letters, int is_binary, int is_large, int is_stream)
{
    size_t i;

    for (i = 0; large[0] == '\0' && i < LARGE; i++)
        large[i] = (char)(1 + i % 251);
    for (i = 0; i < LETTERS; i++) {
        struct letter *l = &letters[i];

        l->text = texts[i];
        if (is_large) {
            l->text.raw = large;
            l->text.raw_len = LARGE;
        }
        l->chunks = is_binary ? l->text.raw : l->text.lines;
        l->chunks_len = is_binary ? l->text.raw_len : strlen(l->text.lines);
        l->is_stream = is_stream;
    }
}

/* What the head of an input asks for. */
struct order {
    int count, is_binary, is_large, is_stream;
};

static struct order
order_of(const uint8_t *head)
{
    struct order o;

    o.is_binary = head[2] >> 2 & 1;
    o.is_large = o.is_binary && (head[2] >> 3 & 1);
    o.is_stream = head[2] & 1;
    o.count = 1 + (head[2] >> 4 & 1);
    return o;
}

static void
make_source(struct source *src, const struct letter *l, const uint8_t *head,
            const struct order *o)
{
    memset(src, 0, sizeof *src);
    src->text = l->text.raw;
    src->len = l->text.raw_len;
    src->piece = o->is_large ? 20000 : 1 + (head[3] >> 4);
    src->waits = head[3] >> 1 & 1;
    src->fails = head[3] >> 2 & 1;
}

static void
start_message(struct nsx_message *m, struct nsx_session *s, struct source *src,
              const struct order *o)
{
    struct nsx_source from = { NULL, pull, NULL, again };
    struct nsx_error e;

    nsx_error_reset(&e);
    from.ctx = src;
    if (o->is_stream)
        from.rewind = NULL;
    if (o->is_binary) {
        m->rules.chunking = 1;
        CHECK(nsx_envelope_set(&m->envelope, NSX_OPT_BITS, "binary", 6, &e)
              == NSX_OK);
    }
    CHECK(nsx_message_start(m, s, &from, &e) == NSX_OK);
}

static void
run_to_end(struct nsx_message *m, struct nsx_session *s, struct seen *x,
           const struct tally *of, struct wire *w, int is_last)
{
    struct nsx_message_result r;

    run(m, x, w);
    walk(x, w);
    check_end(m, of, w);
    nsx_message_result(m, &r);
    CHECK(!r.is_reusable || !is_last || nsx_session_outstanding(s) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct wire w;
    struct nsx_channel ch;
    struct nsx_session s;
    struct nsx_message m[LETTERS];
    struct letter letters[LETTERS];
    struct source src[LETTERS];
    struct seen x;
    struct order o;
    int k;

    if (size < HEAD)
        return 0;
    o = order_of(data);
    memset(&w, 0, offsetof(struct wire, out));
    memset(&x, 0, sizeof x);
    w.in = data + HEAD;
    w.in_len = size - HEAD;
    w.is_over = data[3] & 1;
    w.writable = o.is_large || (data[3] & 8) != 0 ? OUT : 0;
    make_letters(letters, o.is_binary, o.is_large, o.is_binary && o.is_stream);
    x.letters = x.letter = letters;
    x.now = x.of;
    nsx_channel_init(&ch, -1);
    CHECK(nsx_channel_set_transport(&ch, &transport, &w) == NSX_OK);
    nsx_session_init(&s, &ch);
    s.lmtp = data[2] >> 1 & 1;
    set_caps(&s.caps, data[1]);
    for (k = 0; k < o.count; k++) {
        make_source(&src[k], &letters[k], data, &o);
        prepare(&m[k], data, k);
        start_message(&m[k], &s, &src[k], &o);
        if (k > 0)
            nsx_message_follow(&m[k - 1], &m[k]);
    }
    for (k = 0; k < o.count; k++)
        run_to_end(&m[k], &s, &x, &x.of[k], &w, k + 1 == o.count);
    for (k = 0; k < o.count; k++)
        nsx_message_free(&m[k]);
    nsx_session_free(&s);
    nsx_channel_free(&ch);
    return 0;
}
