/*
 * dialogue.c - one command and its reply, in steps.
 */
#include "dialogue.h"

static void
begin(pTHX_ struct nsx_op *op)
{
    (void)nsx_op_fd(aTHX_ op);
    op->obj->session.timeout = nsx_timeout(aTHX_ op);
    op->obj->session.until = 0;
    nsx_set_status(aTHX_ op, nsx_def_reply_code(aTHX_ op), &PL_sv_undef);
}

static void
check(pTHX_ nsx_status st, const struct nsx_error *e)
{
    if (st != NSX_OK)
        Perl_croak(aTHX_ "Net::SMTP::XS::command: %s", e->text);
}

static void
wipe(struct nsx_op *op)
{
    nsx_session_secret(&op->obj->session);
    nsx_buf_wipe(&op->obj->out);
}

void
nsx_dialogue_say(pTHX_ struct nsx_op *op, I32 argc, SV **argv)
{
    const struct nsx_secrecy how = nsx_secrecy(aTHX_ op);
    struct nsx_buf *out = &op->obj->out;
    const char *line;
    struct nsx_error e;
    nsx_status st;

    nsx_error_reset(&e);
    nsx_command_build(aTHX_ op, argc, argv);
    if (nsx_debug_level(aTHX_ op)) {
        nsx_debug_print(aTHX_ op, 1, nsx_shown_command(aTHX_ op, how));
        nsx_command_build(aTHX_ op, argc, argv);
    }
    begin(aTHX_ op);
    line = (const char *)nsx_buf_data(out);
    st = nsx_session_push(&op->obj->session, nsx_verb_find(line, out->len),
                          line, out->len, 0, &e);
    if (nsx_is_secret(op, how))
        wipe(op);
    check(aTHX_ st, &e);
}

void
nsx_dialogue_await(pTHX_ struct nsx_op *op)
{
    struct nsx_error e;

    nsx_error_reset(&e);
    begin(aTHX_ op);
    check(aTHX_ nsx_session_expect(&op->obj->session, NSX_VERB_GREETING, 0, &e),
          &e);
}

static void
show(pTHX_ struct nsx_op *op, AV *lines)
{
    SSize_t i;

    if (nsx_debug_level(aTHX_ op))
        for (i = 0; i <= av_len(lines); i++)
            nsx_debug_print(aTHX_ op, 0, *av_fetch(lines, i, 0));
}

/* The reply that is there becomes the status. */
static int
take(pTHX_ struct nsx_op *op)
{
    struct nsx_session *s = &op->obj->session;
    const struct nsx_answer *a = nsx_session_reply(s);
    AV *lines = (AV *)sv_2mortal((SV *)newAV());
    AV *shown = (AV *)sv_2mortal((SV *)newAV());
    struct nsx_reply_line line;
    size_t at = 0;
    int digit = NSX_DIGIT_NONE;

    while (nsx_answer_line(a, &at, &line)) {
        av_push(lines, nsx_line_sv(aTHX_ line.text, line.text_len));
        av_push(shown,
                newSVpvf("%.3s%c%.*s\n", line.code, line.more ? '-' : ' ',
                         (int)line.text_len, line.text));
    }
    if (a->code && !a->garbage) {
        digit = a->code[0];
        nsx_set_status(aTHX_ op, sv_2mortal(newSVpvn(a->code, NSX_CODE_DIGITS)),
                       sv_2mortal(newRV_inc((SV *)lines)));
    }
    nsx_session_take(s);
    op->obj->touched = nsx_clock_ms();
    show(aTHX_ op, shown);
    return digit;
}

enum nsx_step
nsx_dialogue_step(pTHX_ struct nsx_op *op, int64_t *until, int *digit)
{
    struct nsx_session *s = &op->obj->session;
    enum nsx_step step;

    *digit = NSX_DIGIT_NONE;
    if (nsx_op_fd(aTHX_ op) < 0 || nsx_session_outstanding(s) == 0) {
        nsx_closed(aTHX_ op, 0, "getline"); /* by the program, meanwhile */
        return NSX_STEP_DONE;
    }
    step = nsx_clock_ms() < nsx_session_deadline(s) ? nsx_session_step(s)
                                                    : nsx_session_timed_out(s);
    if (step == NSX_STEP_REPLY) {
        *digit = take(aTHX_ op);
        return NSX_STEP_DONE;
    }
    if (step == NSX_STEP_ERROR) {
        nsx_failed(aTHX_ op, "getline");
        return NSX_STEP_DONE;
    }
    *until = nsx_session_deadline(s);
    return step;
}

void
nsx_dialogue_learn(pTHX_ struct nsx_op *op)
{
    AV *lines = nsx_fact_array(aTHX_ op->gv, NSX_K_RESP);

    if (lines)
        nsx_learn_capabilities(aTHX_ op, (I32)(av_len(lines) + 1),
                               AvARRAY(lines));
}
