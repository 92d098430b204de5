/*
 * message.c - who sends a message, and the loop that steps the engine and
 * waits.
 */
#include "message.h"
#include "outcome.h"

int
nsx_goes_by_methods(pTHX_ struct nsx_op *op)
{
    static const enum nsx_method through[] = { NSX_M_command,
                                               NSX_M_response,
                                               NSX_M_getline,
                                               NSX_M_ungetline,
                                               NSX_M_parse_response,
                                               NSX_M_set_status,
                                               NSX_M_DEF_REPLY_CODE,
                                               NSX_M_debug,
                                               NSX_M_debug_print,
                                               NSX_M_message,
                                               NSX_M_code,
                                               NSX_M_status,
                                               NSX_M_datasend,
                                               NSX_M_rawdatasend,
                                               NSX_M_dataend,
                                               NSX_M__is_closed,
                                               NSX_M__syswrite_with_timeout,
                                               NSX_M__set_status_closed,
                                               NSX_M__set_status_timeout,
                                               NSX_M_supports,
                                               NSX_M__MAIL,
                                               NSX_M__RCPT,
                                               NSX_M__RSET,
                                               NSX_M__DATA,
                                               NSX_M__BDAT };
    AV *lines = nsx_fact_array(aTHX_ op->gv, NSX_K_LINES);
    size_t i;

    for (i = 0; i < C_ARRAY_LENGTH(through); i++)
        if (nsx_overridden(aTHX_ op, through[i]))
            return 1;
    return nsx_debug_level(aTHX_ op) || nsx_op_tied(aTHX_ op)
        || nsx_op_fd(aTHX_ op) < 0 || (lines && av_len(lines) >= 0);
}

/* Of another handle nothing is touched. */
static void
cancel(struct nsx_object *obj, struct letter *l)
{
    const struct nsx_error error = obj->ch.error;

    nsx_message_cancel(&l->m);
    if (obj->handles != l->handles)
        obj->ch.error = error;
}

/* After Perl code ran: 0 when the handle is another one now.  The message is
 * lost with the old one, and nothing of it may reach the new one. */
static int
has_handle(pTHX_ struct nsx_op *op, struct letter *l)
{
    op->obj->unsure = 1;
    (void)nsx_op_fd(aTHX_ op);
    if (op->obj->handles == l->handles)
        return 1;
    cancel(op->obj, l);
    l->is_abandoned = 1;
    return 0;
}

static void
wait_for(pTHX_ struct nsx_op *op, struct letter *l, nsx_status what)
{
    const enum nsx_wait got =
        nsx_io_wait(&op->obj->ch.io, what, nsx_message_deadline(&l->m));

    if (got == NSX_WAIT_TIMEOUT)
        (void)nsx_message_timed_out(&l->m);
    else if (got == NSX_WAIT_FAILED)
        (void)nsx_error_errno(&op->obj->ch.error, errno, "wait_for");
}

static nsx_status
wanted(enum nsx_step step)
{
    return step == NSX_STEP_WANT_READ ? NSX_WANT_READ
        : step == NSX_STEP_WANT_WRITE ? NSX_WANT_WRITE
                                      : NSX_WANT_BOTH;
}

/* What a step asks for, save DONE.  1 when Perl code ran. */
static int
serve(pTHX_ struct nsx_op *op, struct letter *l, enum nsx_step step)
{
    if (PL_sig_pending) {
        nsx_letter_own_pieces(aTHX_ l);
        nsx_op_signals(aTHX_ op);
        return 1;
    }
    if (step == NSX_STEP_LATER) {
        nsx_letter_feed(aTHX_ l);
        return 1;
    }
    if (step != NSX_STEP_AGAIN)
        wait_for(aTHX_ op, l, wanted(step));
    else if (nsx_clock_ms() >= nsx_message_deadline(&l->m))
        (void)nsx_message_timed_out(&l->m);
    return 0;
}

static void
drive(pTHX_ struct nsx_op *op, struct letter *l)
{
    SV *progress = nsx_field(aTHX_ l->message, "Progress");

    if (nsx_op_fd(aTHX_ op) >= 0 && !has_handle(aTHX_ op, l))
        return;

    for (;;) {
        const enum nsx_step step = nsx_message_step(&l->m);

        if (progress && nsx_letter_tell(aTHX_ l, progress)
            && !has_handle(aTHX_ op, l))
            return;
        if (step == NSX_STEP_DONE)
            return;
        if (serve(aTHX_ op, l, step) && !has_handle(aTHX_ op, l))
            return;
    }
}

/* What a die may leave half sent. */
struct sending {
    struct nsx_op *op;
    struct letter *l;
};

/* Runs when the loop was left: a die, from a signal handler, leaves a message
 * unfinished that somebody may still hold. */
static void
sending_left(pTHX_ void *arg)
{
    const struct sending *s = (const struct sending *)arg;

    PERL_UNUSED_CONTEXT;
    s->op->obj->sending--;
    cancel(s->op->obj, s->l);
}

/* A command meanwhile ends the session. */
static void
send_guarded(pTHX_ struct nsx_op *op, struct letter *l)
{
    struct sending s;

    s.op = op;
    s.l = l;
    ENTER;
    SAVEDESTRUCTOR_X(sending_left, &s);
    op->obj->sending++;
    drive(aTHX_ op, l);
    LEAVE;
}

static void
leave_session(pTHX_ struct nsx_op *op, struct letter *l, int must_close)
{
    if (l->is_abandoned)
        nsx_closed(aTHX_ op, 0, "send_message");
    else if (nsx_outcome_status(aTHX_ op, &l->m) && must_close)
        nsx_close(aTHX_ op);
    else if (must_close)
        nsx_failed(aTHX_ op, "send_message");
}

SV *
nsx_letter_send(pTHX_ struct nsx_op *op, SV *letter)
{
    struct letter *l = nsx_letter_of(aTHX_ letter);
    struct nsx_message_result r;
    SV *result, *why;

    send_guarded(aTHX_ op, l);
    nsx_message_result(&l->m, &r);
    if (l->is_abandoned)
        r.is_reusable = 0;
    result = nsx_outcome_result(aTHX_ l, &r);
    why = l->why ? sv_2mortal(newSVsv(l->why)) : NULL;
    leave_session(aTHX_ op, l, r.must_close);
    if (why)
        croak_sv(why);
    if (r.local == NSX_E_BARE_CR && l->m.source.rewind == NULL)
        Perl_croak(aTHX_ "send_message: BareCR: the body has a CR that no LF "
                         "follows\n");
    if (r.local == NSX_E_SOURCE)
        Perl_croak(aTHX_ "send_message: Data: it changed while it was sent\n");
    if (r.local == NSX_E_NOMEM)
        Perl_croak(aTHX_ "Out of memory in Net::SMTP::XS");
    return result;
}
