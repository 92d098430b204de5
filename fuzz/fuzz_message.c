/*
 * fuzz_message.c - a message against any server, in any pieces.  No octet of a
 * body leaves before the reply that permits it, the way the pace says; every
 * recipient has exactly one fate; nobody is accepted without a 250 to the end
 * of the data, nor deferred when all of it was out and nothing said no; what
 * went out decodes to the body; a run ends.
 *
 * Input: four octets of settings, then the server's octets: each round hands
 * over as many as the next octet says.
 */
#include "fuzz.h"
#include "nsx_message.h"

enum {
    HEAD = 4,
    OUT = 1 << 16,
    ROUNDS = 4096,
    RCPTS = 3,
    STUCK = 3
};

static const char body[] = ".one\ntwo\r\n..\nthree";
static const char lines[] = ".one\r\ntwo\r\n..\r\nthree\r\n";
static const char dotted[] = "..one\r\ntwo\r\n...\r\nthree\r\n.\r\n";

struct wire {
    const uint8_t *in;
    size_t in_len;
    size_t readable, writable;
    int is_over; /* the server's words are at their end: EOF */
    char out[OUT];
    size_t out_len;
    size_t threes, twos; /* 3xx and 2xx lines handed to the client */
    uint8_t line[4];
    size_t at;
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
    size_t at, piece;
    int waits, turn, fails;
};

static nsx_status
pull(void *ctx, const char **ptr, size_t *len)
{
    struct source *s = ctx;
    size_t left = sizeof body - 1 - s->at;

    if (s->waits && s->turn++ % 2 == 0)
        return NSX_WANT_READ;
    if (s->fails && s->at > 5)
        return NSX_ERROR;
    *ptr = body + s->at;
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

/* What the wire shows: a walk over what went out. */
struct seen {
    size_t mails, datas, ends, bodies, bad;
};

static int
begins(const char *p, size_t n, const char *word)
{
    return n >= strlen(word) && memcmp(p, word, strlen(word)) == 0;
}

/* A body, or as much of it as went out; 0 where it is no such. */
static size_t
take_body(const char *p, size_t n, const char *want, size_t want_n)
{
    size_t k = n < want_n ? n : want_n;

    return memcmp(p, want, k) == 0 ? k : 0;
}

static size_t
take_bdat(struct seen *x, const char *p, size_t n)
{
    char size[64];
    size_t k;

    (void)snprintf(size, sizeof size, "BDAT %zu LAST\r\n", sizeof lines - 1);
    CHECK(begins(p, n, size) || memcmp(p, size, n) == 0);
    if (n <= strlen(size))
        return n;
    k = take_body(p + strlen(size), n - strlen(size), lines, sizeof lines - 1);
    CHECK(k > 0);
    x->bodies++;
    x->ends += k == sizeof lines - 1;
    return strlen(size) + k;
}

/* Behind DATA: a body, a dot alone, or another command where it was refused. */
static size_t
take_data(struct seen *x, const char *p, size_t n)
{
    size_t k;

    if (begins(p, n, "..")) {
        k = take_body(p, n, dotted, sizeof dotted - 1);
        CHECK(k > 0);
        x->bodies++;
        x->ends += k == sizeof dotted - 1;
        return k;
    }
    return begins(p, n, ".\r\n") ? 3 : 0;
}

static void
walk(struct seen *x, const struct wire *w)
{
    static const char *const verbs[] = { "MAIL FROM:<", "RCPT TO:<", "DATA\r\n",
                                         "RSET\r\n" };
    size_t at = 0, i;

    memset(x, 0, sizeof *x);
    while (at < w->out_len) {
        const char *p = w->out + at;
        size_t n = w->out_len - at;
        const char *lf = memchr(p, '\n', n);

        if (begins(p, n, "BDAT ")) {
            at += take_bdat(x, p, n);
            continue;
        }
        if (lf == NULL)
            return;
        for (i = 0; i < 4 && !begins(p, n, verbs[i]); i++)
            continue;
        CHECK(i < 4);
        x->mails += i == 0;
        x->datas += i == 2;
        at += (size_t)(lf - p) + 1;
        if (i == 2)
            at += take_data(x, w->out + at, w->out_len - at);
    }
}

static void
set_caps(struct nsx_caps *c, unsigned bits)
{
    static const char *const offers[] = { "PIPELINING", "CHUNKING",
                                          "LIMITS RCPTMAX=2", "SIZE 1000",
                                          "8BITMIME" };
    size_t i;

    for (i = 0; i < sizeof offers / sizeof offers[0]; i++)
        if ((bits >> i & 1) != 0)
            (void)nsx_caps_line(c, offers[i], strlen(offers[i]));
}

static void
check_now(const struct nsx_message *m, const struct wire *w)
{
    struct seen x;

    walk(&x, w);
    CHECK(x.mails <= RCPTS);
    /* A dot-stuffed body needs a 3xx each. */
    if (!m->bdat)
        CHECK(x.bodies <= w->threes);
    /* A BDAT does not leave before anybody can have been accepted, but in the
     * pace that says so. */
    else if (m->rules.pace != NSX_PACE_MESSAGE || !m->rules.skip_bad)
        CHECK(x.bodies == 0 || w->twos >= 2 * x.bodies);
}

static void
check_end(const struct nsx_message *m, const struct wire *w)
{
    struct nsx_message_result r;
    struct seen x;
    size_t i, accepted = 0;

    walk(&x, w);
    nsx_message_result(m, &r);
    CHECK(r.transactions >= x.mails);
    for (i = 0; i < RCPTS; i++) {
        unsigned fate = m->outcome.records[i].fate;

        CHECK(fate > NSX_FATE_PENDING && fate < NSX_FATE_PARTIAL);
        accepted += fate == NSX_FATE_ACCEPTED;
        CHECK(fate != NSX_FATE_UNKNOWN || x.ends > 0);
    }
    CHECK(accepted == 0 || (x.ends > 0 && w->twos >= 3));
    CHECK(!r.is_reusable || nsx_session_outstanding(m->session) == 0);
}

static void
run(struct nsx_message *m, struct wire *w)
{
    int round, stuck = 0;

    for (round = 0; round < ROUNDS; round++) {
        enum nsx_step t = nsx_message_step(m);

        CHECK(t != NSX_STEP_REPLY && t != NSX_STEP_ERROR
              && t != NSX_STEP_BODY_ERROR);
        check_now(m, w);
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

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const to[RCPTS] = { "<a@x>", "<b@y>", "<c@x>" };
    static struct wire w;
    struct nsx_channel ch;
    struct nsx_session s;
    struct nsx_message m;
    struct nsx_source from = { NULL, pull, NULL, again };
    struct source src = { 0, 4, 0, 0, 0 };
    struct nsx_error e;
    size_t i;

    if (size < HEAD)
        return 0;
    memset(&w, 0, sizeof w);
    w.in = data + HEAD;
    w.in_len = size - HEAD;
    w.is_over = data[3] & 1;
    src.waits = data[3] >> 1 & 1;
    src.fails = data[3] >> 2 & 1;
    w.writable = (data[3] & 8) != 0 ? OUT : 0;
    src.piece = 1 + (data[3] >> 4);
    from.ctx = &src;
    if ((data[2] & 1) != 0)
        from.rewind = NULL;
    nsx_error_reset(&e);
    nsx_channel_init(&ch, -1);
    CHECK(nsx_channel_set_transport(&ch, &transport, &w) == NSX_OK);
    nsx_session_init(&s, &ch);
    s.lmtp = data[2] >> 1 & 1;
    set_caps(&s.caps, data[1]);
    nsx_message_init(&m);
    m.rules.pace = (enum nsx_pace)(data[0] % 3);
    m.rules.skip_bad = data[0] >> 2 & 1;
    m.rules.chunking = data[0] >> 3 & 1;
    CHECK(nsx_envelope_from(&m.envelope, "<>", 2, &e) == NSX_OK);
    for (i = 0; i < RCPTS; i++)
        CHECK(nsx_envelope_to(&m.envelope, to[i], 5, &e) == NSX_OK);
    CHECK(nsx_message_start(&m, &s, &from, &e) == NSX_OK);
    run(&m, &w);
    check_end(&m, &w);
    nsx_message_free(&m);
    nsx_session_free(&s);
    nsx_channel_free(&ch);
    return 0;
}
