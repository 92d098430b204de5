/*
 * fuzz_session.c - a session against any server, any order of readiness and of
 * calls.  What leaves is the lines that were pushed, in order and whole, and
 * bodies between them; no command leaves before the ones ahead of it; the
 * count of replies to come is kept by a model; memory and work stay bounded.
 *
 * Input: pairs of octets, an action and its argument.
 */
#include "fuzz.h"
#include "nsx_session.h"

enum {
    ROOM = 1 << 16
};

struct wire {
    const uint8_t *in; /* what the server will say */
    size_t in_len;
    size_t readable, writable; /* octets that pass now */
    int broken;
    char out[ROOM], want[ROOM]; /* what left; what may have left by now */
    size_t out_len, want_len;
    size_t moved_in;
};

static nsx_status
wire_recv(void *ctx, struct nsx_io *io, void *buf, size_t n, size_t *done,
          struct nsx_error *e)
{
    struct wire *w = ctx;
    size_t k = w->in_len < w->readable ? w->in_len : w->readable;

    (void)io;
    k = k < n ? k : n;
    if (k == 0)
        return w->broken ? nsx_error_set(e, NSX_E_EOF, __func__, NULL)
                         : NSX_WANT_READ;
    memcpy(buf, w->in, k);
    w->in += k;
    w->in_len -= k;
    w->readable -= k;
    w->moved_in += k;
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
    if (w->broken > 1)
        return nsx_error_set(e, NSX_E_IO, __func__, NULL);
    if (k == 0)
        return NSX_WANT_WRITE;
    CHECK(w->out_len + k <= w->want_len);
    CHECK(memcmp(w->want + w->out_len, buf, k) == 0);
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

struct model {
    struct wire w;
    struct nsx_channel ch;
    struct nsx_session s;
    struct {
        enum nsx_verb verb;
        unsigned index;
        size_t sent_at;
    } queue[ROOM];
    size_t first, last; /* of queue: what is still to come */
    unsigned next;
    size_t body_left;
    int body_fails;
};

static nsx_status
body_pull(void *ctx, const char **ptr, size_t *len)
{
    static const char octets[256] = "any octets\r\n.\r\n";
    struct model *m = ctx;
    size_t n = m->body_left < sizeof octets ? m->body_left : sizeof octets;

    if (n == 0 && m->body_fails)
        return NSX_ERROR;
    if (m->w.want_len + n > ROOM)
        n = 0;
    memcpy(m->w.want + m->w.want_len, octets, n);
    m->w.want_len += n;
    m->body_left -= n;
    *ptr = octets;
    *len = n;
    return NSX_OK;
}

static int
is_one_line(const char *line, size_t n)
{
    size_t i;

    if (n < 2 || line[n - 2] != '\r' || line[n - 1] != '\n')
        return 0;
    for (i = 0; i < n - 2; i++)
        if (line[i] == '\r' || line[i] == '\n' || line[i] == '\0')
            return 0;
    return 1;
}

static void
push(struct model *m, const char *line, size_t n)
{
    enum nsx_verb verb = nsx_verb_find(line, n);
    struct nsx_error e;
    nsx_status st;

    if (m->w.want_len + n > ROOM || m->last == ROOM)
        return;
    nsx_error_reset(&e);
    st = nsx_session_push(&m->s, verb, line, n, m->next, &e);
    CHECK((st == NSX_OK) == (e.code == NSX_E_NONE));
    if (st != NSX_OK)
        return;
    CHECK(is_one_line(line, n));
    memcpy(m->w.want + m->w.want_len, line, n);
    m->w.want_len += n;
    m->queue[m->last].verb = verb;
    m->queue[m->last].index = m->next++;
    m->queue[m->last++].sent_at = m->w.want_len;
}

static void
begin_body(struct model *m, size_t n, int fails)
{
    struct nsx_source source = { NULL, body_pull, NULL, NULL };
    struct nsx_error e;

    nsx_error_reset(&e);
    source.ctx = m;
    if (nsx_session_body(&m->s, &source, &e) != NSX_OK)
        return;
    m->body_left = n;
    m->body_fails = fails;
}

static void
check_answer(struct model *m)
{
    const struct nsx_answer *a = nsx_session_reply(&m->s);
    const char *in = (const char *)nsx_buf_data(&m->ch.in);
    struct nsx_reply_line line;
    size_t at = 0, lines = 0;
    int more = 1;

    CHECK(a->used > 0 && a->used <= m->ch.in.len && a->lines == in);
    CHECK(a->garbage != NULL || a->len == a->used);
    CHECK(a->garbage == NULL || !m->s.strict);
    while (nsx_answer_line(a, &at, &line)) {
        CHECK(more);
        more = line.more;
        lines++;
    }
    CHECK(at == a->len && more == (a->garbage != NULL));
    CHECK((a->code != NULL) == (lines > 0));
    if (a->verb == NSX_VERB_NONE)
        return;
    CHECK(m->first < m->last && m->queue[m->first].verb == a->verb);
    CHECK(a->last || m->queue[m->first].sent_at <= m->w.out_len);
    if (!m->s.lmtp || !nsx_verb_facts(a->verb)->ends_message)
        CHECK(m->queue[m->first].index == a->index);
}

static void
take(struct model *m)
{
    const struct nsx_answer *a = nsx_session_reply(&m->s);
    size_t before = m->s.queue.count;

    if (a->used == 0)
        return;
    check_answer(m);
    nsx_session_take(&m->s);
    CHECK(before - m->s.queue.count <= 1);
    m->first += before - m->s.queue.count;
}

static void
step(struct model *m)
{
    size_t in = m->w.moved_in, out = m->w.out_len;
    enum nsx_step got = nsx_session_step(&m->s);

    CHECK(m->w.moved_in - in <= NSX_STEP_OCTETS);
    CHECK(m->w.out_len - out <= NSX_STEP_OCTETS + NSX_BLOCK_SIZE);
    CHECK(m->ch.in.len
          <= NSX_MAX_REPLY + NSX_MAX_REPLY_LINE + 2 * NSX_READ_SIZE);
    CHECK((got == NSX_STEP_REPLY) == (m->s.answer.used > 0));
    if (got == NSX_STEP_DONE && m->s.state == NSX_SESSION_READY) {
        CHECK(nsx_session_unsent(&m->s) == 0);
        CHECK(m->w.out_len == m->w.want_len);
        CHECK(nsx_session_outstanding(&m->s) == 0);
    }
    if (got == NSX_STEP_ERROR)
        CHECK(m->ch.error.code != NSX_E_NONE);
}

/* Server octets that come often enough by chance. */
static const char script[] =
    "220 hi\r\n250 ok\r\n250-a\r\n250 b\r\n354 go\r\n550 no\r\n421 bye\r\n"
    "250 x\r\nnoise\r\n250-\n250\r\n";

static const char *const lines[] = { "MAIL FROM:<a@b>\r\n",
                                     "RCPT TO:<c@d>\r\n",
                                     "DATA\r\n",
                                     "RSET\r\n",
                                     "BDAT 4 LAST\r\n",
                                     "NOOP",
                                     "A\rB\r\n",
                                     "A\nB\r\n",
                                     "X\r\nY\r\n",
                                     "\r\n" };

static void
act(struct model *m, uint8_t what, uint8_t n)
{
    const char *line = lines[n % (sizeof lines / sizeof *lines)];

    switch (what % 16) {
    case 0:
    case 1:
        push(m, line, strlen(line));
        break;
    case 2:
        m->w.readable += n;
        break;
    case 3:
        m->w.readable += (size_t)n * 2048;
        break;
    case 4:
        m->w.writable += n;
        break;
    case 5:
        m->w.writable += (size_t)n * 2048;
        break;
    case 6:
        begin_body(m, (size_t)n * 97, 0);
        break;
    case 7:
        begin_body(m, n, n % 8 == 0);
        break;
    case 8:
        m->w.broken = n > 250 ? 1 + n % 2 : m->w.broken;
        break;
    case 9:
        (void)nsx_session_look(&m->s);
        break;
    case 10:
        (void)nsx_session_probe(&m->s);
        break;
    case 11:
        if (n > 240)
            (void)nsx_session_timed_out(&m->s);
        break;
    case 12:
    case 13:
        take(m);
        break;
    default:
        step(m);
        break;
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct model m;
    size_t actions, i;

    if (size < 4)
        return 0;
    m.w.readable = m.w.writable = m.w.moved_in = 0;
    m.w.out_len = m.w.want_len = 0;
    m.w.broken = m.body_fails = 0;
    m.body_left = m.first = m.last = 0;
    m.next = 0;
    nsx_channel_init(&m.ch, -1);
    (void)nsx_channel_set_transport(&m.ch, &transport, &m.w);
    nsx_session_init(&m.s, &m.ch);
    m.s.strict = (char)(data[0] & 1);
    m.s.lmtp = (char)(data[0] >> 1 & 1);
    actions = (size_t)data[1] * 2;
    data += 2;
    size -= 2;
    if (actions > size)
        actions = size / 2 * 2;
    m.w.in = data + actions;
    m.w.in_len = size - actions;
    if (m.w.in_len == 0) {
        m.w.in = (const uint8_t *)script;
        m.w.in_len = sizeof script - 1;
    }
    for (i = 0; i + 1 < actions; i += 2)
        act(&m, data[i], data[i + 1]);
    nsx_session_free(&m.s);
    nsx_channel_free(&m.ch);
    return 0;
}
