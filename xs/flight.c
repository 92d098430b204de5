/*
 * flight.c - recipients in flight; see flight.h.
 *
 * A die while replies are still to come disowns them, so that they pass before
 * the next command.  One that is half written then is the end of the session, as
 * everywhere.
 */
#include "glue.h"

struct flight {
    struct nsx_op *op;
    struct nsx_session *s;
    struct nsx_straight l;
    SV **addr;
    SV *words;
    SV *last;         /* lines of the last reply, as they came */
    I32 n;            /* addresses that go this way */
    I32 pushed, done; /* in the session, answered */
    I32 good;         /* accepted, in front of addr */
    struct nsx_watch watch;
};

static int
is_plain_string(SV *sv)
{
    return SvPOK(sv) && !SvGMAGICAL(sv) && !SvROK(sv) && !SvUTF8(sv)
        && !isGV(sv);
}

static int
offers_pipelining(pTHX_ GV *gv)
{
    SV *esmtp = nsx_fact_raw(aTHX_ gv, NSX_K_ESMTP);

    return esmtp && SvROK(esmtp) && !SvGMAGICAL(esmtp)
        && SvTYPE(SvRV(esmtp)) == SVt_PVHV && !SvMAGICAL(SvRV(esmtp))
        && hv_exists((HV *)SvRV(esmtp), "PIPELINING", sizeof "PIPELINING" - 1);
}

/* --- what the replies say ------------------------------------------------ */

/* The last reply becomes the object's status. */
static void
show_status(pTHX_ struct flight *f)
{
    struct nsx_reply_line line;
    struct nsx_answer a;
    size_t at = 0;
    SV *code;
    AV *lines;

    if (SvCUR(f->last) == 0)
        return;
    a.lines = SvPVX(f->last);
    a.len = SvCUR(f->last);
    lines = newAV();
    code = sv_newmortal();
    while (nsx_answer_line(&a, &at, &line)) {
        sv_setpvn(code, line.code, NSX_CODE_DIGITS);
        av_push(lines, nsx_line_sv(aTHX_ line.text, line.text_len));
    }
    SvCUR_set(f->last, 0);
    nsx_store_status(aTHX_ f->op->gv, code,
                     sv_2mortal(newRV_noinc((SV *)lines)));
}

static void
settle(struct flight *f, int digit)
{
    if (digit == NSX_DIGIT_OK)
        f->addr[f->good++] = f->addr[f->done];
    f->done++;
}

static void
take_reply(pTHX_ struct flight *f)
{
    const struct nsx_answer *a = nsx_session_reply(f->s);

    sv_setpvn(f->last, a->lines, a->len);
    settle(f, a->code[0]);
    nsx_session_take(f->s);
}

/* --- what is not as it should be ----------------------------------------- */

/* The session ended, or what came is no reply: the general path says so, for
 * each reply that is still to come, or once. */
static void
go_on_generally(pTHX_ struct flight *f)
{
    show_status(aTHX_ f);
    if (nsx_session_unsent(f->s) > 0)
        nsx_session_tear(f->s);
    do
        settle(f, nsx_response(aTHX_ f->op));
    while (nsx_session_outstanding(f->s) > 0 && f->done < f->pushed);
    f->n = f->done;
}

/* Runs when the flight is over, or was left by a die. */
static void
flight_left(pTHX_ void *arg)
{
    const struct nsx_watch *watch = (const struct nsx_watch *)arg;
    struct nsx_object *obj = watch->obj;

    PERL_UNUSED_CONTEXT;
    obj->sending -= watch->inside;
    if (watch->whole || obj->handles != watch->handles)
        return;
    if (nsx_session_unsent(&obj->session) > 0)
        nsx_session_tear(&obj->session);
    nsx_session_disown(&obj->session, 1);
}

/* They see what they see while one reply is waited for. */
static void
before_handlers(pTHX_ void *arg)
{
    struct flight *f = (struct flight *)arg;

    SvCUR_set(f->last, 0);
    nsx_session_disown(f->s, 1);
    nsx_set_status(aTHX_ f->op, nsx_def_reply_code(aTHX_ f->op), &PL_sv_undef);
}

/* Waits, and lets signal handlers run: 1, or 0 when the flight is over.  What
 * they may have changed about the object concerns what was not sent yet. */
static int
stop_over(pTHX_ struct flight *f, nsx_status want)
{
    struct nsx_object *obj = f->op->obj;
    const uint64_t answered = f->s->answered;
    enum nsx_waited waited;

    /* Nothing must be written between the halves of a command. */
    f->watch.inside = nsx_session_unsent(f->s) > 0;
    obj->sending += f->watch.inside;
    waited = nsx_await(aTHX_ f->op, want, nsx_session_deadline(f->s),
                       before_handlers, f);
    obj->sending -= f->watch.inside;
    f->watch.inside = 0;
    if (waited == NSX_WAITED_READY)
        return 1;
    f->n = f->pushed;
    if (waited == NSX_WAITED_AGAIN && f->s->answered == answered
        && !nsx_session_is_torn(f->s)) {
        nsx_session_disown(f->s, 0);
        return 1;
    }
    if (waited == NSX_WAITED_CLOSED) {
        nsx_closed(aTHX_ f->op, 0, "response");
        settle(f, NSX_DIGIT_NONE);
        f->n = f->done;
        return 0;
    }
    if (waited == NSX_WAITED_AGAIN) /* a handler took replies: whose? */
        nsx_session_tear(f->s);
    else
        nsx_await_failed(obj, waited);
    go_on_generally(aTHX_ f);
    return 0;
}

/* --- going on ------------------------------------------------------------- */

static int
push_one(pTHX_ struct flight *f)
{
    struct nsx_buf *out = nsx_session_line(f->s);
    char line[NSX_SHORT_OCTETS];
    struct nsx_addr path;
    struct nsx_error e;
    size_t n;

    e.code = NSX_E_NONE;
    if (!nsx_straight_path(aTHX_ &f->l, f->addr[f->pushed], &path))
        return 0;
    n = nsx_short_command(line, STR_WITH_LEN("RCPT TO:"), &path);
    if (n == 0
        || nsx_command_append(out, line, n - (sizeof "\r\n" - 1), &e) != NSX_OK
        || (f->words
            && nsx_command_append(out, SvPVX(f->words), SvCUR(f->words), &e)
                != NSX_OK)
        || nsx_command_end(out, &e) != NSX_OK)
        return 0;
    return nsx_session_commit(f->s, NSX_VERB_RCPT, (unsigned)f->pushed, &e)
        == NSX_OK;
}

static void
push_some(pTHX_ struct flight *f)
{
    while (f->pushed < f->n && f->s->whole < NSX_FLIGHT_WINDOW
           && nsx_session_outstanding(f->s) < NSX_MAX_EXPECTED) {
        if (push_one(aTHX_ f))
            f->pushed++;
        else
            f->n = f->pushed; /* in lockstep from here on */
    }
}

static nsx_status
wanted(enum nsx_step step)
{
    return step == NSX_STEP_WANT_READ ? NSX_WANT_READ
        : step == NSX_STEP_WANT_WRITE ? NSX_WANT_WRITE
        : step == NSX_STEP_WANT_BOTH  ? NSX_WANT_BOTH
                                      : NSX_OK;
}

static void
fly(pTHX_ struct flight *f)
{
    for (;;) {
        enum nsx_step step;

        push_some(aTHX_ f);
        if (f->done >= f->n)
            return;
        step = nsx_session_step(f->s);
        if (step == NSX_STEP_REPLY && !nsx_session_reply(f->s)->garbage)
            take_reply(aTHX_ f);
        else if (step == NSX_STEP_REPLY || step == NSX_STEP_ERROR)
            go_on_generally(aTHX_ f);
        else if (!stop_over(aTHX_ f, wanted(step)))
            return;
    }
}

I32
nsx_flight_recipients(pTHX_ struct nsx_op *op, I32 n, SV **addr, SV *words,
                      I32 *good)
{
    struct flight f;

    if (n < 2 || (words && !is_plain_string(words))
        || !offers_pipelining(aTHX_ op->gv)
        || !nsx_straight_enter(aTHX_ &f.l, op->self, 0)
        || !nsx_straight_is_same_file(aTHX_ &f.l))
        return 0;
    f.op = op;
    f.s = &op->obj->session;
    f.s->timeout = f.l.timeout;
    f.addr = addr;
    f.words = words;
    f.last = sv_2mortal(newSVpvs(""));
    f.n = n;
    f.pushed = f.done = f.good = 0;
    nsx_watch_begin(aTHX_ &f.watch, op, flight_left);
    fly(aTHX_ &f);
    nsx_watch_end(aTHX_ &f.watch);
    show_status(aTHX_ &f);
    op->obj->touched = nsx_clock_ms();
    *good = f.good;
    return f.done;
}
