/*
 * reply.c - replies: Net::Cmd's response and what it is made of.
 */
#include "glue.h"

static SV *
call_getline(pTHX_ struct nsx_op *op, int64_t *deadline)
{
    SV *line;

    if (!nsx_overridden(aTHX_ op, NSX_M_getline))
        return nsx_getline_within(aTHX_ op, deadline);
    line = nsx_call(aTHX_ op->self, "getline", 0, NULL);
    return SvOK(line) ? nsx_copy(line) : NULL;
}

int
nsx_parse_line(pTHX_ SV *line, SV **code, int *more)
{
    struct nsx_reply_line parsed;
    STRLEN len;
    const char *text = SvPV_nomg(line, len);
    const int tainted = TAINTING_get && SvTAINTED(line);
    STRLEN body = len && text[len - 1] == '\n' ? len - 1 : len, prefix;

    if (!nsx_reply_parse_line(text, body, &parsed))
        return 0;
    if (body > NSX_CODE_DIGITS && text[NSX_CODE_DIGITS] == '\n')
        parsed.text--; /* a line end separates nothing */
    TAINT_NOT;         /* a code that was parsed is trusted */
    *code = sv_2mortal(newSVpvn(parsed.code, NSX_CODE_DIGITS));
    if (SvUTF8(line))
        SvUTF8_on(*code);
    *more = parsed.more;
    prefix = (STRLEN)(parsed.text - text);
    if (SvUTF8(line)) /* the separator may be any character */
        while (prefix < body && UTF8_IS_CONTINUATION(text[prefix]))
            prefix++;
    sv_insert_flags(line, 0, prefix, "", 0, 0);
    SvSETMAGIC(line);
    if (tainted) /* what is left of it is not trusted */
        SvTAINTED_on(line);
    return 1;
}

/* The parse_response method in list context: ($code, $more), or (). */
static int
call_parse(pTHX_ struct nsx_op *op, SV *line, SV **code, int *more)
{
    dSP;
    SV *flag;
    I32 count;

    if (!nsx_overridden(aTHX_ op, NSX_M_parse_response))
        return nsx_parse_line(aTHX_ line, code, more);
    ENTER;
    PUSHMARK(SP);
    EXTEND(SP, 2);
    PUSHs(op->self);
    PUSHs(line);
    PUTBACK;
    count = call_method("parse_response", G_LIST);
    SPAGAIN;
    SP -= count;
    *code = count > 0 ? SP[1] : &PL_sv_undef;
    flag = count > 1 ? SP[2] : &PL_sv_undef;
    PUTBACK;
    LEAVE;
    *more = SvTRUE(flag) != 0;
    *code = nsx_copy(*code);
    return SvOK(*code);
}

/* A line that is no reply stays for the next response, and in $@. */
static void
not_a_reply(pTHX_ struct nsx_op *op, SV *line)
{
    if (nsx_debug_level(aTHX_ op)) {
        SV *argv[2];

        argv[0] = op->self;
        argv[1] = line;
        (void)nsx_call_function(aTHX_ "_parse_error", 2, argv);
    }
    nsx_tell(aTHX_ op->self, "ungetline", 1, &line);
    sv_setsv(ERRSV, line);
}

static void
add_reply_line(pTHX_ struct nsx_op *op, SV *code, SV *line)
{
    AV *resp;

    TAINT_NOT; /* by whatever was read before */
    sv_setsv_mg(nsx_fact_lvalue(aTHX_ op->gv, NSX_K_CODE), code);
    resp = nsx_fact_array(aTHX_ op->gv, NSX_K_RESP);
    if (!resp) {
        resp = newAV();
        sv_setsv(nsx_fact_lvalue(aTHX_ op->gv, NSX_K_RESP),
                 sv_2mortal(newRV_noinc((SV *)resp)));
    }
    av_push(resp, SvREFCNT_inc_simple_NN(line));
}

/* Ends the session because a reply passes a cap. */
static int
reply_refused(pTHX_ struct nsx_op *op, const struct nsx_error *e)
{
    (void)nsx_channel_fail(&op->obj->ch, e->code, e->where);
    nsx_failed(aTHX_ op, "response");
    return NSX_DIGIT_NONE;
}

/* Line by line through the methods: somebody overrode one, wants to see the
 * dialogue, or put a line back. */
static int
reply_by_methods(pTHX_ struct nsx_op *op, struct nsx_watch *watch)
{
    int64_t deadline = NSX_UNSET;
    struct nsx_reply count;
    struct nsx_error e;

    nsx_reply_init(&count);
    nsx_error_reset(&e);
    for (;;) {
        SV *line = call_getline(aTHX_ op, &deadline);
        SV *code;
        STRLEN len;
        const char *text;
        int digit, more;

        if (!line)
            return NSX_DIGIT_NONE;
        text = SvPV(line, len);
        len -= len && text[len - 1] == '\n';
        if (nsx_reply_count(&count, len, &e) != NSX_OK)
            return reply_refused(aTHX_ op, &e);
        if (op->obj->session.answered
            == watch->answered) /* a getline of its own */
            nsx_line_taken(op->obj, text, len);
        if (nsx_debug_level(aTHX_ op))
            nsx_debug_print(aTHX_ op, 0, line);
        if (!call_parse(aTHX_ op, line, &code, &more)) {
            not_a_reply(aTHX_ op, line);
            return NSX_DIGIT_NONE;
        }
        if (more)
            watch->answered =
                op->obj->session.answered; /* its end is to come */
        digit = SvPV_nolen(nsx_copy(code))[0];
        add_reply_line(aTHX_ op, code, line);
        if (!more)
            return digit;
    }
}

/* Straight from the channel's buffer. */
static int
reply_direct(pTHX_ struct nsx_op *op)
{
    struct nsx_channel *ch = &op->obj->ch;
    int64_t deadline = op->obj->until
        ? op->obj->until
        : nsx_deadline_after(nsx_timeout(aTHX_ op));
    struct nsx_reply reply;

    op->obj->until = 0;
    nsx_reply_init(&reply);
    for (;;) {
        struct nsx_reply_line line;
        size_t used;
        nsx_status got = nsx_channel_reply(ch, &reply, &line, &used);

        if (got == NSX_WANT_READ) {
            if (!nsx_read_more(aTHX_ op, deadline))
                return NSX_DIGIT_NONE;
        }
        else if (got == NSX_OK) {
            char digit = line.code[0];
            int more = line.more;
            SV *code, *text;

            TAINT_NOT; /* a code that was parsed is trusted */
            code = sv_2mortal(newSVpvn(line.code, NSX_CODE_DIGITS));
            text = sv_2mortal(nsx_line_sv(aTHX_ line.text, line.text_len));
            nsx_channel_take(ch, used);
            if (!more)
                nsx_session_pass(&op->obj->session);
            add_reply_line(aTHX_ op, code, text);
            if (!more)
                return digit;
        }
        else if (ch->error.code == NSX_E_NONE) { /* not a reply's line */
            SV *sv = sv_2mortal(nsx_line_sv(aTHX_ line.text, line.text_len));

            nsx_channel_take(ch, used);
            not_a_reply(aTHX_ op, sv);
            return NSX_DIGIT_NONE;
        }
        else {
            nsx_failed(aTHX_ op, "getline");
            return NSX_DIGIT_NONE;
        }
    }
}

static int
can_read_direct(pTHX_ struct nsx_op *op)
{
    AV *lines;

    if (nsx_overridden(aTHX_ op, NSX_M_getline)
        || nsx_overridden(aTHX_ op, NSX_M_parse_response)
        || nsx_overridden(aTHX_ op, NSX_M__is_closed)
        || nsx_overridden(aTHX_ op, NSX_M_debug) || nsx_debug_level(aTHX_ op))
        return 0;
    lines = nsx_fact_array(aTHX_ op->gv, NSX_K_LINES);
    return !lines || av_len(lines) < 0;
}

static int
read_reply(pTHX_ struct nsx_op *op, struct nsx_watch *watch)
{
    if (!can_read_direct(aTHX_ op))
        return reply_by_methods(aTHX_ op, watch);
    return nsx_check_closed(aTHX_ op) ? NSX_DIGIT_NONE : reply_direct(aTHX_ op);
}

/* Runs when nsx_response is left.  A die on the way (from a signal handler,
 * say) may leave the reply still to come: the next command lets it pass first.
 * Not one whose last line was taken, nor one of another handle. */
static void
response_left(pTHX_ void *arg)
{
    const struct nsx_watch *watch = (const struct nsx_watch *)arg;
    struct nsx_object *obj = watch->obj;

    PERL_UNUSED_CONTEXT;
    obj->awaiting--;
    if (!watch->whole && obj->session.answered == watch->answered
        && obj->handles == watch->handles)
        nsx_session_disown(&obj->session, 1);
}

int
nsx_response(pTHX_ struct nsx_op *op)
{
    struct nsx_object *obj = op->obj;
    struct nsx_watch watch;
    int digit;

    (void)nsx_op_fd(aTHX_ op);
    obj->awaiting++;
    if (nsx_session_next(&obj->session) == NSX_VERB_NONE)
        nsx_expect_reply(op, NSX_VERB_OTHER); /* the greeting, say */
    nsx_watch_begin(aTHX_ &watch, op, response_left);
    nsx_set_status(aTHX_ op, nsx_def_reply_code(aTHX_ op), &PL_sv_undef);
    digit = read_reply(aTHX_ op, &watch);
    if (obj->session.answered == watch.answered)
        nsx_session_pass(&obj->session); /* whatever it was, it is over */
    nsx_watch_end(aTHX_ &watch);
    obj->touched = nsx_clock_ms();
    return digit;
}

void
nsx_expect_reply(struct nsx_op *op, enum nsx_verb verb)
{
    struct nsx_error ignored;

    nsx_error_reset(&ignored);
    (void)nsx_session_expect(&op->obj->session, verb, 0, &ignored);
}

int
nsx_digit_of(pTHX_ SV *status)
{
    return SvOK(status) ? (int)SvIV(status) + '0' : NSX_DIGIT_NONE;
}

int
nsx_call_response(pTHX_ struct nsx_op *op)
{
    const uint64_t answered = op->obj->session.answered;
    int digit;

    if (!nsx_overridden(aTHX_ op, NSX_M_response))
        return nsx_response(aTHX_ op);
    digit = nsx_digit_of(aTHX_ nsx_call(aTHX_ op->self, "response", 0, NULL));
    if (op->obj->session.answered == answered)
        nsx_session_pass(&op->obj->session); /* it read by means of its own */
    return digit;
}

int
nsx_disowned_replies(pTHX_ struct nsx_op *op)
{
    int digit = NSX_DIGIT_NONE;

    while (nsx_session_is_disowned(&op->obj->session))
        digit = nsx_call_response(aTHX_ op); /* takes one off in any case */
    return digit;
}
