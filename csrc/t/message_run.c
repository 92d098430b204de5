/* Messages: idle connections, large and failing bodies, chunks, several in a
 * row, many recipients, memory, time. */
#include "tap.h"
#include "net.h"
#include "mx.h"

#include <poll.h>
#include <sys/resource.h>

enum {
    BIG = 1 << 20,
    MANY = 10000,
    SMALL_BUFFER = 2048
};

static struct nsx_error e;

struct fixture {
    struct run r;
    struct nsx_message m;
    struct nsx_source source;
    struct nsx_memory mem;
    struct nsx_message_result res;
};

static void
open_fixture(struct fixture *f, const char *offers, enum nsx_pace pace,
             const char *to, const char *body, size_t n)
{
    nsx_error_reset(&e);
    run_open(&f->r, offers);
    f->r.s.timeout = 1000;
    nsx_message_init(&f->m);
    address(&f->m, to);
    f->m.rules.pace = pace;
    f->m.rules.skip_bad = 1;
    nsx_memory_source(&f->source, &f->mem, body, n);
}

static void
go(struct fixture *f, const char *name)
{
    is_num(nsx_message_start(&f->m, &f->r.s, &f->source, &e), NSX_OK, name);
    ok(drive(&f->r, &f->m), "it ends");
    nsx_message_result(&f->m, &f->res);
}

static void
close_fixture(struct fixture *f)
{
    nsx_message_free(&f->m);
    run_close(&f->r);
}

static void
is_stage(const struct fixture *f, const char *stage)
{
    is_str(nsx_stage_name(
               (enum nsx_stage)f->m.outcome.records[f->res.decider].stage),
           stage, "stage");
}

/* A source in pieces: waits where told, fails where told. */
struct feed {
    const char *in;
    size_t n, piece, at;
    long fails_at;
    int waits, turn;
};

static nsx_status
feed_pull(void *ctx, const char **ptr, size_t *len)
{
    struct feed *d = ctx;
    size_t left = d->n - d->at;

    if (d->fails_at >= 0 && d->at >= (size_t)d->fails_at)
        return NSX_ERROR;
    if (d->waits && d->turn++ % 3 == 0)
        return NSX_WANT_READ;
    *ptr = d->in + d->at;
    *len = left < d->piece ? left : d->piece;
    d->at += *len;
    return NSX_OK;
}

static void
feed(struct fixture *f, struct feed *d, const char *in, size_t n, size_t piece)
{
    memset(d, 0, sizeof *d);
    d->in = in;
    d->n = n;
    d->piece = piece;
    d->fails_at = -1;
    f->source.ctx = d;
    f->source.pull = feed_pull;
    f->source.rewind = NULL;
    f->source.follows = NULL;
}

static void
idle(void)
{
    static const char *const words[] = { "421 4.4.2 bye\r\n", "250 what\r\n",
                                         "half a li" };
    struct fixture f;
    size_t i;

    for (i = 0; i < 3; i++) {
        open_fixture(&f, "PIPELINING", NSX_PACE_ENVELOPE, "a b", "x\n", 2);
        say(f.r.x.fd, words[i]);
        go(&f, words[i]);
        is_str(fates(&f.m), "DD", "deferred");
        is_stage(&f, "connect");
        is_num(f.res.transactions, 0, "nothing was sent");
        is_num(f.r.s.sent, 0, "not an octet");
        is_num(f.res.must_close, 1, "and it is closed");
        ok(nsx_record_may_retry(&f.m.outcome.records[0]), "retry");
        close_fixture(&f);
    }
    open_fixture(&f, "PIPELINING", NSX_PACE_ENVELOPE, "a b", "x\n", 2);
    (void)close(f.r.x.fd);
    f.r.x.is_closed = 1;
    go(&f, "found closed");
    is_str(fates(&f.m), "DD", "deferred");
    is_stage(&f, "connect");
    is_num(f.r.s.sent, 0, "nothing was sent");
    close_fixture(&f);
}

static char *
big_body(size_t n)
{
    char *p = malloc(n);
    size_t i;

    for (i = 0; i < n; i++)
        p[i] = i % 71 == 70 ? '\n' : (char)('a' + i % 26);
    return p;
}

static void
narrow(struct run *r)
{
    int size = SMALL_BUFFER;

    (void)setsockopt(r->ch.io.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    (void)setsockopt(r->x.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

static void
large(void)
{
    static const struct {
        const char *offers, *end, *fates, *stage;
        int early;
        long read;
        enum mx_ending ending;
    } rows[] = {
        { "PIPELINING", "552 5.3.4 big", "RR", "body", 1, MX_ANY, MX_FIN },
        { "PIPELINING", "250 early", "RD", "body", 1, MX_ANY, MX_FIN },
        { "PIPELINING", "421 bye", "RD", "body", 1, MX_ANY, MX_FIN },
        { "PIPELINING", NULL, "RD", "body", 0, BIG / 2, MX_FIN },
        { "PIPELINING", NULL, "RD", "body", 0, BIG / 2, MX_RST },
        { "PIPELINING", NULL, "RD", "body", 0, BIG / 2, MX_SILENCE },
        { "PIPELINING,CHUNKING", NULL, "RD", "body", 0, BIG / 2, MX_SILENCE },
        { "PIPELINING,CHUNKING", NULL, "RD", "body", 0, BIG / 2, MX_RST },
    };
    char *body = big_body(BIG);
    struct fixture f;
    size_t i;

    for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        open_fixture(&f, rows[i].offers, NSX_PACE_ENVELOPE, "550 b", body, BIG);
        narrow(&f.r);
        f.r.x.early = rows[i].early;
        f.r.x.end = rows[i].end;
        f.r.x.read_at_most = rows[i].read;
        f.r.x.ending = rows[i].ending;
        go(&f, "a large body cut");
        is_str(fates(&f.m), rows[i].fates, rows[i].end ? rows[i].end : "lost");
        is_str(nsx_stage_name((enum nsx_stage)f.m.outcome.records[1].stage),
               rows[i].stage, "stage");
        is_num(f.res.must_close, 1, "closed");
        is_num(f.r.x.messages, 0, "nothing was delivered");
        ok(strstr(f.r.x.log, "RSET") == NULL, "no command in the body's place");
        close_fixture(&f);
    }
    open_fixture(&f, "PIPELINING,CHUNKING", NSX_PACE_MESSAGE, "a 550 c", body,
                 BIG);
    narrow(&f.r);
    f.r.x.mail = "550 no";
    go(&f, "MAIL refused while a large body goes");
    is_str(fates(&f.m), "RRR", "refused");
    is_str(f.r.x.log, "MAIL RCPT RCPT RCPT BDAT-LAST | RSET", "RSET");
    is_num(f.res.is_reusable, 1, "reusable");
    close_fixture(&f);
    free(body);
}

static void
sources(void)
{
    static const char body[] = "one\ntwo\nthree\n";
    struct fixture f;
    struct feed d;

    open_fixture(&f, "PIPELINING", NSX_PACE_ENVELOPE, "a 550", "", 0);
    feed(&f, &d, body, sizeof body - 1, 3);
    d.waits = 1;
    go(&f, "a source that waits");
    is_str(fates(&f.m), "AR", "accepted");
    is_mem(f.r.x.body, f.r.x.body_len, "one\r\ntwo\r\nthree\r\n", 17, "whole");
    close_fixture(&f);

    open_fixture(&f, "PIPELINING", NSX_PACE_ENVELOPE, "a 550", "", 0);
    feed(&f, &d, body, sizeof body - 1, 3);
    d.fails_at = 6;
    go(&f, "a source that fails inside DATA");
    is_str(fates(&f.m), "NR", "nothing was delivered");
    is_num(f.r.x.messages, 0, "indeed");
    is_num(f.res.local, NSX_E_SOURCE, "the cause");
    is_num(f.res.must_close, 1, "closed");
    close_fixture(&f);

    open_fixture(&f, "PIPELINING", NSX_PACE_ENVELOPE, "a 550", "a\rb", 3);
    f.m.rules.cr_rule = NSX_CR_REFUSE;
    go(&f, "a bare CR known beforehand");
    is_str(fates(&f.m), "NN", "refused");
    is_stage(&f, "local");
    is_num(f.res.local, NSX_E_BARE_CR, "for that");
    is_str(f.r.x.log, "", "nothing was sent");
    is_num(f.res.is_reusable, 1, "reusable");
    close_fixture(&f);

    open_fixture(&f, "PIPELINING", NSX_PACE_ENVELOPE, "a", "", 0);
    feed(&f, &d, "a\n\rb\n", 5, 2);
    f.m.rules.cr_rule = NSX_CR_REFUSE;
    go(&f, "a bare CR found on the way");
    is_str(fates(&f.m), "N", "unsent");
    is_num(f.res.must_close, 1, "closed");
    is_num(f.r.x.messages, 0, "nothing was delivered");
    close_fixture(&f);
}

static void
chunks(void)
{
    enum {
        LONG = 3 * NSX_BLOCK_SIZE + 10
    };
    char *body = big_body(LONG);
    struct fixture f;
    struct feed d;
    int pipelined;

    for (pipelined = 0; pipelined < 2; pipelined++) {
        const char *offers = pipelined ? "PIPELINING,CHUNKING,BINARYMIME"
                                       : "CHUNKING,BINARYMIME";

        open_fixture(&f, offers, NSX_PACE_MESSAGE, "a 550", "", 0);
        (void)nsx_envelope_set(&f.m.envelope, NSX_OPT_BITS, "binary", 6, &e);
        feed(&f, &d, body, LONG, 1000);
        d.waits = 1;
        go(&f, "a binary body of unknown size");
        is_str(fates(&f.m), "AR", "accepted");
        is_mem(f.r.x.body, f.r.x.body_len, body, LONG, "octet by octet");
        is_num(f.res.octets, LONG, "counted");
        ok(strstr(f.r.x.log,
                  pipelined ? "BDAT BDAT BDAT | BDAT-LAST"
                            : "BDAT | BDAT | BDAT | BDAT-LAST"),
           "in chunks, the last one after all replies");
        close_fixture(&f);

        open_fixture(&f, offers, NSX_PACE_MESSAGE, "a 550", "", 0);
        (void)nsx_envelope_set(&f.m.envelope, NSX_OPT_BITS, "binary", 6, &e);
        feed(&f, &d, body, LONG, 1000);
        d.fails_at = 100000;
        go(&f, "the source fails between chunks");
        is_str(fates(&f.m), "NR", "unsent");
        ok(strstr(f.r.x.log, "BDAT | RSET") != NULL, "RSET");
        is_num(f.res.is_reusable, 1, "reusable");
        is_num(f.res.local, NSX_E_SOURCE, "the cause");
        close_fixture(&f);

        open_fixture(&f, offers, NSX_PACE_MESSAGE, "a 550", "", 0);
        (void)nsx_envelope_set(&f.m.envelope, NSX_OPT_BITS, "binary", 6, &e);
        feed(&f, &d, body, LONG, 1000);
        f.r.x.bdat = "452 4.3.1 full";
        go(&f, "a chunk is refused");
        is_str(fates(&f.m), "DR", "deferred");
        is_str(nsx_stage_name((enum nsx_stage)f.m.outcome.records[0].stage),
               "body", "stage");
        ok(strstr(f.r.x.log, "LAST") == NULL, "nothing is completed");
        ok(strstr(f.r.x.log, "RSET") != NULL, "RSET");
        is_num(f.res.is_reusable, 1, "reusable");
        close_fixture(&f);
    }
    free(body);
}

static void
second(struct fixture *f, struct nsx_message *m2, struct nsx_memory *mem2,
       enum nsx_pace pace, const char *to)
{
    struct nsx_source s2;

    nsx_message_init(m2);
    address(m2, to);
    m2->rules.pace = pace;
    m2->rules.skip_bad = 1;
    nsx_memory_source(&s2, mem2, "second\n", 7);
    is_num(nsx_message_start(m2, &f->r.s, &s2, &e), NSX_OK, "a second one");
    nsx_message_follow(&f->m, m2);
}

static void
in_a_row(void)
{
    static const struct {
        const char *name, *offers;
        enum nsx_pace pace;
        const char *to1, *to2, *end, *log, *fates1, *fates2;
        int reusable;
    } rows[] = {
        { "behind the dot", "PIPELINING", NSX_PACE_ENVELOPE, "a 550", "c", NULL,
          "MAIL RCPT RCPT DATA | . MAIL RCPT DATA | .", "AR", "A", 1 },
        { "behind BDAT, RSET between", "PIPELINING,CHUNKING", NSX_PACE_ENVELOPE,
          "a 550", "c", NULL,
          "MAIL RCPT RCPT | BDAT-LAST RSET MAIL RCPT | BDAT-LAST", "AR", "A",
          1 },
        { "not in lockstep", "", NSX_PACE_LOCKSTEP, "a", "c", NULL,
          "MAIL | RCPT | DATA | . | MAIL | RCPT | DATA | .", "A", "A", 1 },
        { "the first one refused", "PIPELINING,CHUNKING", NSX_PACE_ENVELOPE,
          "a", "c", "554 no",
          "MAIL RCPT | BDAT-LAST RSET MAIL RCPT | BDAT-LAST | RSET", "R", "R",
          1 },
        { "one flight each", "PIPELINING,CHUNKING", NSX_PACE_MESSAGE, "a", "c",
          NULL, "MAIL RCPT BDAT-LAST | MAIL RCPT BDAT-LAST", "A", "A", 1 },
        { "421 between", "PIPELINING", NSX_PACE_ENVELOPE, "a", "c", "421 bye",
          "MAIL RCPT DATA | . MAIL RCPT DATA", "D", "D", 0 },
        { "lost between", "PIPELINING", NSX_PACE_ENVELOPE, "a", "c", "!",
          "MAIL RCPT DATA | .", "U", "D", 0 },
        { "nobody accepted", "PIPELINING", NSX_PACE_ENVELOPE, "550", "c", NULL,
          "MAIL RCPT DATA | RSET | MAIL RCPT DATA | .", "R", "A", 1 },
        { "MAILMAX", "PIPELINING,LIMITS MAILMAX=1", NSX_PACE_ENVELOPE, "a", "c",
          NULL, "MAIL RCPT DATA | .", "A", "D", 0 },
    };
    struct nsx_message_result res;
    struct nsx_message m2;
    struct nsx_memory mem2;
    struct fixture f;
    size_t i;

    for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        open_fixture(&f, rows[i].offers, rows[i].pace, rows[i].to1, "first\n",
                     6);
        f.r.x.end = rows[i].end;
        second(&f, &m2, &mem2, rows[i].pace, rows[i].to2);
        go(&f, rows[i].name);
        is_str(fates(&f.m), rows[i].fates1, "the first");
        ok(drive(&f.r, &m2), "the second ends");
        is_str(fates(&m2), rows[i].fates2, "so");
        is_str(f.r.x.log, rows[i].log, "what the server was told");
        nsx_message_result(&m2, &res);
        is_num(res.is_reusable, rows[i].reusable, "reusable");
        is_num(nsx_session_outstanding(&f.r.s) > 0,
               !rows[i].reusable && rows[i].end != NULL, "in step");
        if (rows[i].reusable && strcmp(rows[i].fates2, "A") == 0)
            is_mem(f.r.x.body, f.r.x.body_len, "second\r\n", 8, "its body");
        nsx_message_free(&m2);
        close_fixture(&f);
    }
}

static void
many(void)
{
    static const struct {
        const char *offers;
        enum nsx_pace pace;
        int between, answer_last;
    } rows[] = {
        { "PIPELINING", NSX_PACE_ENVELOPE, 1, 0 },
        { "PIPELINING,CHUNKING", NSX_PACE_MESSAGE, 1, 0 },
        { "PIPELINING,CHUNKING", NSX_PACE_ENVELOPE, 0, 1 },
        { "PIPELINING,CHUNKING", NSX_PACE_MESSAGE, 0, 1 },
    };
    struct fixture f;
    char path[40];
    size_t i, k, accepted;

    for (k = 0; k < 4; k++) {
        open_fixture(&f, rows[k].offers, rows[k].pace, "550", "x\n", 2);
        narrow(&f.r);
        f.r.x.between = rows[k].between;
        f.r.x.answer_last = rows[k].answer_last;
        for (i = 1; i < MANY; i++) {
            int n = snprintf(path, sizeof path, "<u%zu@example.com>", i);

            (void)nsx_envelope_to(&f.m.envelope, path, (size_t)n, &e);
        }
        go(&f, "ten thousand recipients, tiny buffers");
        for (i = 0, accepted = 0; i < MANY; i++)
            accepted += f.m.outcome.records[i].fate == NSX_FATE_ACCEPTED;
        is_num(accepted, MANY - 1, "all but one accepted");
        is_num(f.res.fate, NSX_FATE_PARTIAL, "partial");
        ok(f.r.s.out.size < 4 * NSX_FLIGHT_WINDOW, "the buffer stays small");
        close_fixture(&f);
    }
}

static void
memory(void)
{
    const size_t n = 100u << 20;
    char *body = big_body(n);
    struct rusage before, after;
    struct fixture f;
    int way;

    for (way = 0; way < 2; way++) {
        open_fixture(&f, way ? "PIPELINING,CHUNKING" : "PIPELINING",
                     NSX_PACE_ENVELOPE, "a", body, n);
        f.r.x.body_room = 300u << 20;
        f.r.x.body = malloc(f.r.x.body_room);
        memset(f.r.x.body, 0, f.r.x.body_room);
        (void)getrusage(RUSAGE_SELF, &before);
        go(&f, "100 MB");
        (void)getrusage(RUSAGE_SELF, &after);
        is_str(fates(&f.m), "A", "accepted");
        is_num(f.r.x.body_len, f.res.octets, "whole");
        ok(after.ru_maxrss - before.ru_maxrss < 1024, "memory grew by %ld KB",
           after.ru_maxrss - before.ru_maxrss);
        close_fixture(&f);
    }
    free(body);
}

/* Everybody has one fate, whatever allocation failed. */
static void
no_memory(void)
{
    long n;
    size_t i;
    int done = 0, bad = 0;

    for (n = 0; !done && n < 300; n++) {
        struct fixture f;
        int started;

        failing_after(n);
        open_fixture(&f, "PIPELINING,CHUNKING,DSN", NSX_PACE_ENVELOPE,
                     "a 550 c d", "x\n", 2);
        started = f.m.envelope.count == 4
            && nsx_message_start(&f.m, &f.r.s, &f.source, &e) == NSX_OK;
        if (started) {
            bad += !drive(&f.r, &f.m);
            for (i = 0; i < 4; i++)
                bad += f.m.outcome.records[i].fate == NSX_FATE_PENDING;
            nsx_message_result(&f.m, &f.res);
            bad += f.r.x.messages > 0 && f.res.fate == NSX_FATE_DEFERRED;
            done = !did_fail;
            bad += done && strcmp(fates(&f.m), "ARAA") != 0;
        }
        close_fixture(&f);
    }
    ok(n > 10, "%ld allocations were made to fail", n);
    is_num(bad, 0, "each leaves one fate a recipient");
    is_num(live_blocks, 0, "nothing leaks");
    nsx_alloc_hooks(NULL, NULL);
}

static void
time_and_cancel(void)
{
    struct fixture f;
    uint64_t total;
    size_t len;
    const char *last;

    open_fixture(&f, "PIPELINING", NSX_PACE_ENVELOPE, "a", "x\n", 2);
    f.m.rules.limit = 5;
    (void)nsx_message_start(&f.m, &f.r.s, &f.source, &e);
    is_num(nsx_message_step(&f.m), NSX_STEP_WANT_READ, "MAIL is out");
    ok(f.m.deadline > nsx_clock_ms() && f.m.deadline <= nsx_clock_ms() + 5002,
       "the deadline is that far");
    is_num(nsx_message_deadline(&f.m), f.m.deadline, "the deadline");
    nsx_message_cancel(&f.m);
    nsx_message_result(&f.m, &f.res);
    is_str(fates(&f.m), "D", "cancelled");
    is_num(f.res.must_close, 1, "closed");
    is_num(f.r.s.deadline, NSX_NEVER, "no deadline is left");
    close_fixture(&f);

    open_fixture(&f, "PIPELINING", NSX_PACE_ENVELOPE, "a", "x\n", 2);
    (void)nsx_message_start(&f.m, &f.r.s, &f.source, &e);
    nsx_message_cancel(&f.m);
    nsx_message_result(&f.m, &f.res);
    is_num(f.res.must_close, 0, "before anything was sent it stays open");
    is_num(f.res.local, NSX_E_CANCELLED, "cancelled");
    close_fixture(&f);

    open_fixture(&f, "PIPELINING", NSX_PACE_ENVELOPE, "a 550", "x\n", 2);
    go(&f, "progress");
    is_num(nsx_message_progress(&f.m, &total), 3, "octets handed over");
    is_num(total, 3, "of so many");
    last = nsx_message_last_reply(&f.m, &len);
    is_mem(last, len, "250 2.0.0 queued\r\n", 18, "the last reply");
    close_fixture(&f);

    nsx_error_reset(&e);
    open_fixture(&f, "", NSX_PACE_LOCKSTEP, "", "x\n", 2);
    is_num(nsx_message_start(&f.m, &f.r.s, &f.source, &e), NSX_ERROR,
           "no recipient");
    is_num(e.code, NSX_E_ARGUMENT, "is an error of the caller's");
    close_fixture(&f);
}

/* The time of a message that follows another runs from when its envelope
 * leaves, or from its first step. */
static void
time_of_second(void)
{
    const char *const offers[] = { "PIPELINING", "" };
    struct nsx_message m2;
    struct nsx_memory mem2;
    struct fixture f;
    size_t i;

    for (i = 0; i < sizeof offers / sizeof offers[0]; i++) {
        int64_t then = nsx_clock_ms();

        open_fixture(&f, offers[i], NSX_PACE_ENVELOPE, "a", "first\n", 6);
        second(&f, &m2, &mem2, NSX_PACE_ENVELOPE, "c");
        m2.rules.limit = 60;
        is_num(m2.deadline, NSX_NEVER, "no time runs for who waits");
        (void)poll(NULL, 0, 30);
        go(&f, "the first");
        ok((m2.began != 0) == (i == 0), "the second has begun if it rides");
        ok(drive(&f.r, &m2), "the second ends");
        is_str(fates(&m2), "A", "in its time");
        ok(m2.deadline >= then + 60030, "which runs from its beginning");
        nsx_message_free(&m2);
        close_fixture(&f);
    }
}

/* One struct, one message after the other: nothing of the last one shows. */
static void
again(void)
{
    struct fixture f;
    int i;

    open_fixture(&f, "PIPELINING CHUNKING", NSX_PACE_MESSAGE, "a 550", "x\n",
                 2);
    go(&f, "the first");
    is_str(fates(&f.m), "AR", "one of two");
    nsx_message_reset(&f.m);
    is_num(f.m.state, NSX_MESSAGE_NEW, "new again");
    is_num(f.m.envelope.count, 0, "nobody");
    is_num(f.m.rules.pace, NSX_PACE_LOCKSTEP, "the rules as at first");
    for (i = 0; i < 3; i++) {
        address(&f.m, i == 1 ? "b c d" : "b");
        nsx_memory_source(&f.source, &f.mem, "yy\n", 3);
        go(&f, "a further one");
        is_str(fates(&f.m), i == 1 ? "AAA" : "A", "its own recipients");
        is_num(f.res.octets, 4, "its own body");
        is_num(f.res.transactions, 1, "counted anew");
        nsx_message_reset(&f.m);
    }
    address(&f.m, "e");
    (void)nsx_message_start(&f.m, &f.r.s, &f.source, &e);
    (void)nsx_message_step(&f.m);
    nsx_message_reset(&f.m);
    ok(f.r.s.ch->error.code != NSX_E_NONE, "one under way is cancelled");
    close_fixture(&f);
}

/* Names as callers write them. */
static void
words(void)
{
    enum nsx_pace pace = NSX_PACE_LOCKSTEP;
    enum nsx_cr_rule rule = NSX_CR_PASS;

    ok(nsx_pace_find("message", 7, &pace) && pace == NSX_PACE_MESSAGE, "pace");
    ok(nsx_pace_find("0", 1, &pace) && pace == NSX_PACE_LOCKSTEP, "none");
    ok(!nsx_pace_find("messages", 8, &pace), "another word");
    ok(nsx_cr_rule_find("refuse", 6, &rule) && rule == NSX_CR_REFUSE, "rule");
    ok(nsx_cr_rule_find("", 0, &rule) && rule == NSX_CR_PASS, "no rule");
    ok(!nsx_cr_rule_find("drop", 4, &rule), "another word");
}

/* Replies that something before still owes are read first. */
static void
in_step(void)
{
    struct fixture f;

    open_fixture(&f, "PIPELINING", NSX_PACE_ENVELOPE, "a 550", "x\n", 2);
    (void)nsx_session_push(&f.r.s, NSX_VERB_NOOP, "NOOP\r\n", 6, 0, &e);
    go(&f, "behind a NOOP");
    is_str(fates(&f.m), "AR", "its reply is nobody else's");
    is_str(f.r.x.log, "NOOP | MAIL RCPT RCPT DATA | .", "in order");
    close_fixture(&f);
}

int
main(void)
{
    watchdog(300);
    (void)signal(SIGPIPE, SIG_IGN);
    idle();
    large();
    sources();
    chunks();
    in_a_row();
    in_step();
    time_of_second();
    again();
    words();
    time_and_cancel();
    no_memory();
    many();
    memory();
    return done_testing();
}
