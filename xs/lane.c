/*
 * lane.c - the straight path of mail, to, data and dataend; see lane.h.
 */
#include "glue.h"
#include "context.h"

/* --- the reply ---------------------------------------------------------- */

/* Keeps the reply: its digit. */
static int
store(pTHX_ struct nsx_straight *l, const struct nsx_reply_line *line)
{
    nsx_straight_keep(aTHX_ l->fact[NSX_K_CODE], l->lines, line);
    return line->code[0];
}

/* Goes on the general way, within the deadline of the wait that began here:
 * the reply's digit. */
static int
reply_generally(pTHX_ struct nsx_straight *l, enum nsx_waited waited,
                int64_t deadline)
{
    struct nsx_op op;

    nsx_straight_leave(aTHX_ l, &op);
    if (waited == NSX_WAITED_TIMEOUT)
        nsx_await_failed(l->obj, waited);
    l->obj->until = deadline;
    return nsx_response(aTHX_ &op);
}

/* All is sent, and one reply is to come: its digit. */
static int
await(pTHX_ struct nsx_straight *l)
{
    struct nsx_channel *ch = &l->obj->ch;
    struct nsx_short_reply reply;
    enum nsx_waited waited = NSX_WAITED_READY;
    int64_t deadline;
    nsx_status st;

    if (nsx_channel_pending(ch) > 0)
        deadline = nsx_deadline_after(l->timeout);
    else
        waited =
            nsx_await_from_now(&ch->io, NSX_WANT_READ, l->timeout, &deadline);
    while (waited == NSX_WAITED_READY && !PL_sig_pending) {
        st = nsx_short_reply(ch, &reply);
        if (st == NSX_OK)
            return store(aTHX_ l, &reply.line);
        if (st == NSX_AGAIN || st == NSX_ERROR)
            break;
        waited = nsx_await_quietly(&ch->io, st, deadline);
    }
    return reply_generally(aTHX_ l, waited, deadline);
}

/* --- commands ----------------------------------------------------------- */

/* What is left of a command that could not be sent at once, and its reply. */
static int
exchange_generally(pTHX_ struct nsx_straight *l, const char *left, size_t n)
{
    struct nsx_op op;

    nsx_straight_leave(aTHX_ l, &op);
    (void)nsx_write(aTHX_ &op, SvPVX(sv_2mortal(newSVpvn(left, n))), n, 0,
                    NULL);
    return nsx_response(aTHX_ &op);
}

/* Builds and sends: 1 with the reply's digit, or 0 where it is the general
 * path's. */
static int
command(pTHX_ struct nsx_straight *l, const char *words, size_t len,
        const struct nsx_addr *path, int *digit)
{
    struct nsx_object *obj = l->obj;
    char line[NSX_SHORT_OCTETS];
    size_t n, done = 0;

    if (!nsx_straight_is_same_file(aTHX_ l))
        return 0;
    n = nsx_short_command(line, words, len, path);
    if (n == 0)
        return 0;
    obj->writes++;
    (void)nsx_channel_send(&obj->ch, line, n, 0, &done);
    *digit = done == n ? await(aTHX_ l)
                       : exchange_generally(aTHX_ l, line + done, n - done);
    return 1;
}

/* The same with words of the program's own, and the digit that is wanted. */
#define COMMAND(l, words, path, wanted, ok)                                    \
    (command(aTHX_(l), words, sizeof words - 1, path, ok)                      \
     && (*(ok) = *(ok) == (wanted), 1))

int
nsx_lane_mail(pTHX_ SV *self, SV *addr, int *ok)
{
    struct nsx_addr path;
    struct nsx_straight l;

    if (!nsx_straight_enter(aTHX_ &l, self, 0) || l.fact[NSX_K_CHUNKING]
        || !nsx_straight_path(aTHX_ &l, addr, &path)
        || !COMMAND(&l, "MAIL FROM:", &path, NSX_DIGIT_OK, ok))
        return 0;
    l.obj->session.mails++;
    return 1;
}

int
nsx_lane_rcpt(pTHX_ SV *self, SV *addr, int *ok)
{
    struct nsx_addr path;
    struct nsx_straight l;

    return nsx_straight_enter(aTHX_ &l, self, 0)
        && nsx_straight_path(aTHX_ &l, addr, &path)
        && COMMAND(&l, "RCPT TO:", &path, NSX_DIGIT_OK, ok);
}

int
nsx_lane_data(pTHX_ SV *self, int *ok)
{
    struct nsx_straight l;

    if (!nsx_straight_enter(aTHX_ &l, self, 0) || l.fact[NSX_K_CHUNKING]
        || !COMMAND(&l, "DATA", NULL, NSX_DIGIT_MORE, ok))
        return 0;
    l.obj->touched = nsx_clock_ms();
    if (*ok) /* what datasend without text does */
        sv_setpvs(nsx_fact_lvalue(aTHX_ l.gv, NSX_K_LAST_CH), "\012");
    return 1;
}

int
nsx_lane_datasend(pTHX_ SV *self, SV *text)
{
    struct nsx_op op;
    struct nsx_straight l;

    if (!nsx_straight_enter(aTHX_ &l, self, 1) || l.fact[NSX_K_BARE_CR]
        || l.obj->waits || !l.fact[NSX_K_DEBUG])
        return 0;
    op.gv = l.gv;
    op.obj = l.obj;
    return nsx_waiting_start(aTHX_ &op, text, l.timeout);
}

int
nsx_lane_dataend(pTHX_ SV *self, int *ok)
{
    struct nsx_op op;
    struct nsx_straight l;
    size_t sent, left;

    if (!nsx_straight_enter(aTHX_ &l, self, 1) || !l.obj->waits
        || !nsx_waiting_is_steady(aTHX)
        || !nsx_straight_is_same_file(aTHX_ &l))
        return 0;
    *ok = 0;
    left = nsx_waiting_finish_now(aTHX_ l.obj, &sent);
    if (left > 0) {
        nsx_straight_leave(aTHX_ &l, &op);
        if (!nsx_waiting_finish_later(aTHX_ &op, sent, left))
            return 1;
    }
    nsx_fact_delete(aTHX_ l.gv, NSX_K_LAST_CH);
    *ok = await(aTHX_ &l) == NSX_DIGIT_OK;
    return 1;
}
