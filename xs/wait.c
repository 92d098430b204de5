/*
 * wait.c - waiting for a descriptor: the deadline, and signal handlers.
 */
#include "glue.h"

double
nsx_timeout(pTHX_ struct nsx_op *op)
{
    SV *timeout = nsx_overridden(aTHX_ op, NSX_M_timeout)
        ? nsx_call(aTHX_ op->self, "timeout", 0, NULL)
        : nsx_fact(aTHX_ op->gv, NSX_K_IO_TIMEOUT);

    if (!timeout || !SvTRUE(timeout))
        return 0.0;
    return SvIOK(timeout) ? (double)SvIV(timeout) : (double)SvNV(timeout);
}

enum nsx_waited
nsx_await(pTHX_ struct nsx_op *op, nsx_status what, int64_t deadline,
          void (*before)(pTHX_ void *arg), void *arg)
{
    const U32 handles = op->obj->handles;
    /* A signal that came while nobody waited would not end the wait. */
    const enum nsx_waited waited = PL_sig_pending
        ? NSX_WAITED_AGAIN
        : nsx_await_quietly(&op->obj->ch.io, what, deadline);

    if (waited != NSX_WAITED_AGAIN)
        return waited;
    if (before)
        before(aTHX_ arg);
    nsx_op_signals(aTHX_ op);
    if (op->obj->handles != handles)
        return NSX_WAITED_CLOSED;
    /* Signals that never end do not hold anybody beyond the deadline. */
    return nsx_clock_ms() < deadline ? NSX_WAITED_AGAIN : NSX_WAITED_TIMEOUT;
}

void
nsx_await_failed(struct nsx_object *obj, enum nsx_waited waited)
{
    if (waited == NSX_WAITED_TIMEOUT)
        (void)nsx_channel_fail(&obj->ch, NSX_E_TIMEOUT, "nsx_await");
    else
        (void)nsx_error_errno(&obj->ch.error, errno, "nsx_await");
}

/* Before handlers run: one that gives a command of its own is to read the reply
 * that is waited for first. */
static void
disown_reply(pTHX_ void *arg)
{
    struct nsx_object *obj = (struct nsx_object *)arg;

    PERL_UNUSED_CONTEXT;
    if (obj->awaiting)
        nsx_session_disown(&obj->session, 1);
}

/* After handlers ran: 0, with the status set, when one of them took the reply
 * that is waited for.  Nobody can tell then what that one was. */
static int
is_still_to_come(pTHX_ struct nsx_op *op, uint64_t answered)
{
    struct nsx_object *obj = op->obj;

    if (!obj->awaiting)
        return 1;
    if (obj->session.answered == answered) {
        nsx_session_disown(&obj->session, 0);
        return 1;
    }
    nsx_set_status(aTHX_ op, nsx_def_reply_code(aTHX_ op),
                   nsx_tagged(aTHX_ op, "Reply taken by a signal handler"));
    return 0;
}

int
nsx_wait(pTHX_ struct nsx_op *op, nsx_status what, int64_t deadline,
         const char *caller)
{
    const uint64_t answered = op->obj->session.answered;
    enum nsx_waited waited;

    do {
        waited = nsx_await(aTHX_ op, what, deadline, disown_reply, op->obj);
        if ((waited == NSX_WAITED_AGAIN || waited == NSX_WAITED_TIMEOUT)
            && !is_still_to_come(aTHX_ op, answered))
            return 0;
    } while (waited == NSX_WAITED_AGAIN);
    if (waited == NSX_WAITED_READY)
        return 1;
    if (waited == NSX_WAITED_CLOSED) {
        nsx_closed(aTHX_ op, 0, caller);
        return 0;
    }
    nsx_await_failed(op->obj, waited);
    nsx_failed(aTHX_ op, caller);
    return 0;
}
