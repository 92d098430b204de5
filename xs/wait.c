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

/* Runs signal handlers: 1, or 0 when nothing is left to wait for, with the
 * status set.  A handler that gives a command of its own reads the reply that
 * is waited for first; nobody can tell then what that one was. */
static int
signalled(pTHX_ struct nsx_op *op, const char *caller)
{
    struct nsx_object *obj = op->obj;
    const U32 handles = obj->handles, replies = obj->replies;

    if (obj->awaiting)
        obj->owed = 1;
    nsx_op_signals(aTHX_ op);
    if (obj->handles != handles) {
        nsx_closed(aTHX_ op, 0, caller);
        return 0;
    }
    if (obj->awaiting && obj->replies != replies) {
        obj->lost = 1;
        nsx_set_status(aTHX_ op, nsx_def_reply_code(aTHX_ op),
                       nsx_tagged(aTHX_ op, "Reply taken by a signal handler"));
        return 0;
    }
    if (obj->awaiting)
        obj->owed = 0;
    return 1;
}

int
nsx_wait(pTHX_ struct nsx_op *op, nsx_status what, int64_t deadline,
         const char *caller)
{
    for (;;) {
        /* A signal that came while nobody waited would not end the wait. */
        enum nsx_wait got = PL_sig_pending
            ? NSX_WAIT_SIGNAL
            : nsx_io_wait(&op->obj->ch.io, what, deadline);

        if (got == NSX_WAIT_READY)
            return 1;
        if (got == NSX_WAIT_TIMEOUT) {
            (void)nsx_channel_fail(&op->obj->ch, NSX_E_TIMEOUT, "nsx_wait");
            nsx_failed(aTHX_ op, caller);
            return 0;
        }
        if (got == NSX_WAIT_FAILED) {
            (void)nsx_error_errno(&op->obj->ch.error, errno, "nsx_wait");
            nsx_failed(aTHX_ op, caller);
            return 0;
        }
        if (!signalled(aTHX_ op, caller))
            return 0;
    }
}
