/* A dialogue cut at every octet, by either side, in every way and mode: what
 * the message's outcome is, against a little model of what it must be. */
#include "tap.h"
#include "net.h"
#include "mx.h"

enum {
    RECIPIENTS = 3,
    REFUSED = 1
};

struct mode {
    const char *name, *offers;
    enum nsx_pace pace;
    int lmtp;
    size_t before_end; /* replies that must be there before the end can go */
    size_t replies;    /* in all */
};

static const struct mode modes[] = {
    { "lockstep DATA", "", NSX_PACE_LOCKSTEP, 0, 5, 6 },
    { "lockstep BDAT", "CHUNKING", NSX_PACE_LOCKSTEP, 0, 4, 5 },
    { "envelope DATA", "PIPELINING", NSX_PACE_ENVELOPE, 0, 5, 6 },
    { "envelope BDAT", "PIPELINING,CHUNKING", NSX_PACE_ENVELOPE, 0, 4, 5 },
    { "message", "PIPELINING,CHUNKING", NSX_PACE_MESSAGE, 0, 0, 5 },
    { "LMTP DATA", "PIPELINING", NSX_PACE_ENVELOPE, 1, 5, 7 },
    { "LMTP message", "PIPELINING,CHUNKING", NSX_PACE_MESSAGE, 1, 0, 6 },
};

/* What must be, from nothing but how many replies came whole: the client has
 * long handed over what those permit. */
static void
model(const struct mode *mode, size_t came, char *want)
{
    int handed = came >= mode->before_end;
    size_t i, end = mode->replies - (mode->lmtp ? 2 : 1);

    for (i = 0; i < RECIPIENTS; i++)
        want[i] = handed ? 'U' : 'D';
    if (came >= 3)
        want[REFUSED] = 'R';
    if (came > end)
        want[0] = 'A';
    if (came > end + (mode->lmtp ? 1 : 0))
        want[2] = 'A';
    want[RECIPIENTS] = '\0';
}

static size_t
whole_lines(const struct mx *x)
{
    size_t i, n = 0;

    for (i = 0; i < (size_t)x->was_sent; i++)
        n += x->out[i] == '\n';
    return n;
}

/* One dialogue, cut after read or sent octets; its length where not. */
static int
one(const struct mode *mode, long read, long sent, enum mx_ending ending,
    long *was_read, long *was_sent)
{
    struct nsx_message m;
    struct nsx_source source;
    struct nsx_memory mem;
    struct nsx_error e;
    struct nsx_message_result res;
    struct run r;
    char want[RECIPIENTS + 1];
    int good, fd[2];

    if (ending == MX_RST && tcp_pair(fd)) {
        run_open_on(&r, mode->offers, fd);
    }
    else {
        run_open(&r, mode->offers);
    }
    nsx_error_reset(&e);
    r.x.lmtp = mode->lmtp;
    r.s.lmtp = (char)mode->lmtp;
    r.s.timeout = 1000;
    r.x.read_at_most = read;
    r.x.send_at_most = sent;
    r.x.ending = ending;
    nsx_message_init(&m);
    address(&m, "a 550 c");
    m.rules.pace = mode->pace;
    m.rules.skip_bad = 1;
    nsx_memory_source(&source, &mem, "x\n.y\n", 5);
    (void)nsx_message_start(&m, &r.s, &source, &e);
    good = drive(&r, &m);
    model(mode, whole_lines(&r.x), want);
    nsx_message_result(&m, &res);
    if (strcmp(fates(&m), want) != 0) {
        printf("# %s, read %ld, sent %ld, ending %d: %s, not %s\n", mode->name,
               read, sent, ending, fates(&m), want);
        good = 0;
    }
    /* the server's own view: what it took is never called deferred, what it
     * did not is never called accepted */
    if (r.x.messages > 0 && strchr(fates(&m), 'D') != NULL)
        good = 0;
    if (r.x.messages == 0 && strchr(fates(&m), 'A') != NULL)
        good = 0;
    good &= res.must_close == (whole_lines(&r.x) < mode->replies);
    *was_read = r.x.was_read;
    *was_sent = r.x.was_sent;
    nsx_message_free(&m);
    run_close(&r);
    return good;
}

int
main(void)
{
    size_t k;

    watchdog(300);
    (void)signal(SIGPIPE, SIG_IGN);
    for (k = 0; k < sizeof modes / sizeof modes[0]; k++) {
        long read, sent, n, a, b, bad = 0;
        int ending, whole;

        whole = one(&modes[k], MX_ANY, MX_ANY, MX_FIN, &read, &sent);
        ok(whole && read >= 80 && sent >= 80,
           "%s, whole: %ld octets there, %ld back", modes[k].name, read, sent);
        for (ending = MX_FIN; ending <= MX_SILENCE; ending++) {
            for (n = 0; n < read; n++)
                bad +=
                    !one(&modes[k], n, MX_ANY, (enum mx_ending)ending, &a, &b);
            for (n = 0; n < sent; n++)
                bad +=
                    !one(&modes[k], MX_ANY, n, (enum mx_ending)ending, &a, &b);
        }
        is_num(bad, 0, "cut at every octet, FIN, RST and silence");
    }
    return done_testing();
}
