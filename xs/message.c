/*
 * message.c - who sends a message, and the loop that steps the engine and
 * waits.
 */
#include "message.h"
#include "outcome.h"

/* Milliseconds that one step of an operation may go on for, about. */
#define NSX_TURN_MS 2

int
nsx_goes_by_methods(pTHX_ struct nsx_op *op)
{
    HV *stash = SvOBJECT((SV *)op->gv) ? SvSTASH((SV *)op->gv) : NULL;
    AV *lines = nsx_fact_array(aTHX_ op->gv, NSX_K_LINES);

    return (stash && nsx_class_sends(aTHX_ stash)) || nsx_debug_level(aTHX_ op)
        || nsx_op_tied(aTHX_ op) || nsx_op_fd(aTHX_ op) < 0
        || (lines && av_len(lines) >= 0);
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

/* The handle is another one now.  The message is lost with the old one, and
 * nothing of it may reach the new one. */
static void
abandon(struct nsx_object *obj, struct letter *l)
{
    cancel(obj, l);
    l->is_abandoned = 1;
}

/* After Perl code ran: 0 when that is so. */
static int
has_handle(pTHX_ struct nsx_op *op, struct letter *l)
{
    op->obj->unsure = 1;
    (void)nsx_op_fd(aTHX_ op);
    if (op->obj->handles == l->handles)
        return 1;
    abandon(op->obj, l);
    return 0;
}

static void
own_before(pTHX_ void *l)
{
    nsx_letter_own_pieces(aTHX_(struct letter *) l);
}

/* NSX_OK: nothing is waited for. */
static nsx_status
wanted(enum nsx_step step)
{
    return step == NSX_STEP_AGAIN     ? NSX_OK
        : step == NSX_STEP_WANT_READ  ? NSX_WANT_READ
        : step == NSX_STEP_WANT_WRITE ? NSX_WANT_WRITE
                                      : NSX_WANT_BOTH;
}

/* What the step needs of the caller's code: 1 when some ran. */
static int
ask_caller(pTHX_ struct letter *l, enum nsx_step step)
{
    SV *progress = l->message ? nsx_field(aTHX_ l->message, "Progress") : NULL;
    const int told = progress && nsx_letter_tell(aTHX_ l, progress);

    if (step != NSX_STEP_LATER)
        return told;
    nsx_letter_feed(aTHX_ l);
    l->m.session->until = 0; /* until then the server waited for us */
    return 1;
}

/* A step of the engine: DONE, WANT_..., AGAIN, or LATER: the caller's code has
 * nothing now. */
static enum nsx_step
step_once(pTHX_ struct nsx_op *op, struct letter *l)
{
    const enum nsx_step step = nsx_message_step(&l->m);

    if (ask_caller(aTHX_ l, step) && !has_handle(aTHX_ op, l))
        return NSX_STEP_DONE;
    return step != NSX_STEP_LATER ? step
        : l->is_late              ? NSX_STEP_LATER
                                  : NSX_STEP_AGAIN;
}

static void
look_at_clock(struct letter *l)
{
    if (nsx_clock_ms() >= nsx_message_deadline(&l->m))
        (void)nsx_message_timed_out(&l->m);
}

/* What the blocking call does between two steps: 0 when the handle is gone. */
static int
between_steps(pTHX_ struct nsx_op *op, struct letter *l, enum nsx_step step)
{
    const enum nsx_waited waited =
        nsx_await(aTHX_ op, wanted(step), nsx_message_deadline(&l->m),
                  own_before, l);

    if (waited == NSX_WAITED_AGAIN || waited == NSX_WAITED_CLOSED)
        return has_handle(aTHX_ op, l);
    if (waited == NSX_WAITED_TIMEOUT)
        (void)nsx_message_timed_out(&l->m);
    else if (waited == NSX_WAITED_FAILED)
        nsx_await_failed(op->obj, waited);
    return 1;
}

static void
drive(pTHX_ struct nsx_op *op, struct letter *l)
{
    enum nsx_step step;

    if (nsx_op_fd(aTHX_ op) >= 0 && op->obj->handles != l->handles) {
        abandon(op->obj, l);
        return;
    }
    do
        step = step_once(aTHX_ op, l);
    while (step != NSX_STEP_DONE && between_steps(aTHX_ op, l, step));
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

enum nsx_step
nsx_letter_step(pTHX_ struct nsx_op *op, SV *letter, int64_t *until)
{
    struct letter *l = nsx_letter_of(aTHX_ letter);
    const int64_t turn = nsx_clock_ms() + NSX_TURN_MS;
    enum nsx_step step = NSX_STEP_DONE;

    ENTER;
    SAVEINT(op->obj->sending);
    op->obj->sending++;
    if (nsx_op_fd(aTHX_ op) < 0 || has_handle(aTHX_ op, l)) {
        look_at_clock(l);
        do
            step = step_once(aTHX_ op, l);
        while (step == NSX_STEP_AGAIN && nsx_clock_ms() < turn);
    }
    LEAVE;
    *until =
        step == NSX_STEP_LATER ? l->m.deadline : nsx_message_deadline(&l->m);
    return step;
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

/* What the blocking call dies with, once the engine has ended the message. */
static void
rethrow(pTHX_ const struct letter *l, nsx_errcode local, SV *why)
{
    if (why)
        croak_sv(why);
    if (local == NSX_E_BARE_CR && l->m.source.rewind == NULL)
        Perl_croak(aTHX_ "send_message: BareCR: the body has a CR that no LF "
                         "follows\n");
    if (local == NSX_E_SOURCE)
        Perl_croak(aTHX_ "send_message: Data: it changed while it was sent\n");
    if (local == NSX_E_NOMEM)
        Perl_croak(aTHX_ "Out of memory in Net::SMTP::XS");
}

SV *
nsx_letter_finish(pTHX_ struct nsx_op *op, struct letter *l)
{
    struct nsx_message_result r;
    SV *result, *why;

    nsx_message_result(&l->m, &r);
    if (l->is_abandoned)
        r.is_reusable = 0;
    result = nsx_outcome_result(aTHX_ l, &r);
    why = l->why ? sv_2mortal(newSVsv(l->why)) : NULL;
    leave_session(aTHX_ op, l, r.must_close);
    rethrow(aTHX_ l, r.local, why);
    return result;
}

SV *
nsx_letter_send(pTHX_ struct nsx_op *op, struct letter *l)
{
    send_guarded(aTHX_ op, l);
    return nsx_letter_finish(aTHX_ op, l);
}

void
nsx_letter_cancel(pTHX_ SV *letter)
{
    struct letter *l = nsx_letter_of(aTHX_ letter);
    struct nsx_object *obj = nsx_object_find(aTHX_(GV *) l->glob);

    if (obj)
        cancel(obj, l);
}

const char *
nsx_unready(pTHX_ struct nsx_op *op)
{
    if (op->obj->sending)
        return "a message is being sent";
    if (op->obj->waits || nsx_fact_exists(aTHX_ op->gv, NSX_K_LAST_CH))
        return "a message is under way: end it with dataend";
    return nsx_session_is_disowned(&op->obj->session)
        ? "the reply to the last command is still to come"
        : NULL;
}
