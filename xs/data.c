/*
 * data.c - the body of a message on its way: encoded from the caller's own
 * scalars through one block of fixed size.
 */
#include "glue.h"

SV *
nsx_call_datasend(pTHX_ struct nsx_op *op, I32 argc, SV **argv)
{
    struct nsx_watch watch;
    SV *ok;

    nsx_part_guard(aTHX_ &watch, op);
    ok = nsx_call(aTHX_ op->self, "datasend", argc, argv);
    nsx_watch_end(aTHX_ &watch);
    return ok;
}

static enum nsx_bare_cr
bare_cr_rule(pTHX_ struct nsx_op *op, int *refuse)
{
    SV *rule = nsx_fact(aTHX_ op->gv, NSX_K_BARE_CR);

    *refuse = rule && SvOK(rule) && strEQ(SvPV_nolen(rule), "refuse");
    return rule && SvOK(rule) && strEQ(SvPV_nolen(rule), "convert")
        ? NSX_BARE_CR_CONVERT
        : NSX_BARE_CR_PASS;
}

/* Where the body stands, by the last octet that went before. */
static enum nsx_dot_at
dot_at(SV *last)
{
    const char octet = SvCUR(last) == 1 ? *SvPVX(last) : '\0';

    return octet == '\012' ? NSX_DOT_BOL
        : octet == '\015'  ? NSX_DOT_CR
                           : NSX_DOT_TEXT;
}

/* Enters the data phase when need be, and tells where the body stands. */
static enum nsx_dot_at
begin_data(pTHX_ struct nsx_op *op)
{
    SV *last = nsx_fact_lvalue(aTHX_ op->gv, NSX_K_LAST_CH);

    SvGETMAGIC(last);
    if (!SvOK(last))
        sv_setpvs_mg(last, "\012");
    (void)SvPV_force_nolen(last);
    return dot_at(last);
}

/* Methods of the script's own may run before the body is sent, and could
 * change the scalars it is read from. */
static void
guard_body(pTHX_ struct nsx_op *op, struct nsx_text *body)
{
    if (nsx_overridden(aTHX_ op, NSX_M__is_closed)
        || nsx_overridden(aTHX_ op, NSX_M_debug)
        || nsx_overridden(aTHX_ op, NSX_M_timeout)
        || nsx_overridden(aTHX_ op, NSX_M__syswrite_with_timeout)
        || nsx_fact_runs_code(aTHX_ op->gv, NSX_K_DEBUG)
        || nsx_fact_runs_code(aTHX_ op->gv, NSX_K_BARE_CR)
        || nsx_fact_runs_code(aTHX_ op->gv, NSX_K_LAST_CH)
        || nsx_op_tied(aTHX_ op) || nsx_session_is_disowned(&op->obj->session))
        nsx_text_own(aTHX_ body);
}

static void
debug_body(pTHX_ struct nsx_op *op, struct nsx_text *body)
{
    SV *argv[2];

    if (!nsx_debug_level(aTHX_ op))
        return;
    nsx_text_own(aTHX_ body);
    argv[0] = op->self;
    argv[1] = body->single;
    (void)nsx_call_function(aTHX_ "_debug_body", 2, argv);
}

/* The whole encoded body as one scalar, for an overriding
 * _syswrite_with_timeout. */
static int
send_by_method(pTHX_ struct nsx_op *op, struct nsx_dot *dot,
               struct nsx_text *body)
{
    SV *all = sv_2mortal(newSVpvs(""));
    char *block;

    ENTER;
    block = nsx_block_borrow(aTHX);
    while (!nsx_text_done(body)) {
        size_t n = nsx_text_encode(dot, body, block, NSX_BLOCK_SIZE);

        sv_catpvn(all, block, n);
    }
    LEAVE;
    return nsx_write_unit(aTHX_ op, SvPVX(all), SvCUR(all), 1);
}

/* Ends the body in the block where there is room for it. */
static size_t
finish_block(struct nsx_dot *dot, char *block, size_t n)
{
    return n + nsx_dot_end(dot, block + n);
}

static int
send_body(pTHX_ struct nsx_op *op, struct nsx_dot *dot, struct nsx_text *body,
          int finish)
{
    char *block;
    int ok = 1;

    ENTER;
    block = nsx_block_borrow(aTHX);
    do {
        size_t n = nsx_text_encode(dot, body, block,
                                   NSX_BLOCK_SIZE - NSX_DOT_END_ROOM);
        int last = nsx_text_done(body);

        if (last && finish)
            n = finish_block(dot, block, n);
        ok = nsx_write(aTHX_ op, block, n, !(last && finish), body);
    } while (ok && !nsx_text_done(body));
    LEAVE;
    return ok;
}

static void
set_refused(pTHX_ struct nsx_op *op)
{
    nsx_set_status(aTHX_ op, sv_2mortal(newSViv(NSX_BARE_CR_CODE)),
                   sv_2mortal(newSVpvs("Bare CR in message data (BareCR => "
                                       "'refuse')")));
}

/* 1, with the status set, when the body has a bare CR; final = 1: nothing
 * comes behind it. */
static int
refuses(pTHX_ struct nsx_op *op, const struct nsx_dot *dot,
        struct nsx_text *body, int final)
{
    SV *whole = nsx_text_joined(aTHX_ body);

    if (!nsx_dot_has_bare_cr(dot, SvPVX(whole), SvCUR(whole), final))
        return 0;
    set_refused(aTHX_ op);
    return 1;
}

static int
send_part(pTHX_ struct nsx_op *op, struct nsx_text *body, int finish)
{
    struct nsx_dot dot;
    U32 handles;
    enum nsx_bare_cr rule;
    int refuse;
    STRLEN length = nsx_text_length(aTHX_ body);

    guard_body(aTHX_ op, body);
    if (!nsx_waiting_flush(aTHX_ op, 1))
        return -1;
    if (nsx_is_closed(aTHX_ op))
        return 0;
    if (nsx_session_is_disowned(&op->obj->session)
        && nsx_disowned_replies(aTHX_ op) != NSX_DIGIT_MORE)
        return 0; /* DATA was refused, or who knows */
    handles = op->obj->handles;
    rule = bare_cr_rule(aTHX_ op, &refuse);
    nsx_dot_init(&dot, begin_data(aTHX_ op), rule);
    if (length == 0 && !finish)
        return 1;
    if (refuse && refuses(aTHX_ op, &dot, body, finish)) {
        nsx_session_tear(&op->obj->session);
        return -1;
    }
    debug_body(aTHX_ op, body);
    if (op->obj->handles != handles) { /* another one now */
        nsx_closed(aTHX_ op, 0, "datasend");
        return -1;
    }
    nsx_text_skip_empty(body);
    if (!finish && body->count == 1
        && nsx_waiting_begin(aTHX_ op, body->item[0]))
        return 1;
    if (length > 0) {
        char last = nsx_text_last(body);

        sv_setpvn_mg(nsx_fact_lvalue(aTHX_ op->gv, NSX_K_LAST_CH), &last, 1);
    }
    if (nsx_overridden(aTHX_ op, NSX_M__syswrite_with_timeout))
        return send_by_method(aTHX_ op, &dot, body) ? 1 : -1;
    return send_body(aTHX_ op, &dot, body, finish) ? 1 : -1;
}

int
nsx_datasend(pTHX_ struct nsx_op *op, struct nsx_text *body, int finish)
{
    struct nsx_watch watch;
    int sent;

    if (nsx_interrupts(aTHX_ op))
        return 0;
    nsx_part_begin(aTHX_ &watch, op);
    sent = send_part(aTHX_ op, body, finish);
    nsx_watch_end(aTHX_ &watch);
    return sent;
}

static void
debug_raw(pTHX_ struct nsx_op *op, SV *text)
{
    SV *argv[2];

    if (!nsx_debug_level(aTHX_ op))
        return;
    argv[0] = op->self;
    argv[1] = text;
    (void)nsx_call_function(aTHX_ "_debug_raw", 2, argv);
}

/* Octets as they are, item by item. */
static int
send_raw(pTHX_ struct nsx_op *op, struct nsx_text *body)
{
    char tmp[NSX_SLICE];

    nsx_text_skip_empty(body);
    while (!nsx_text_done(body)) {
        size_t len;
        const char *text = nsx_text_slice(body, tmp, sizeof tmp, &len);

        len = len > NSX_BLOCK_SIZE ? NSX_BLOCK_SIZE : len;
        nsx_text_advance(body, len);
        if (!nsx_write(aTHX_ op, text, len, !nsx_text_done(body), body))
            return 0;
    }
    return 1;
}

static int
send_raw_part(pTHX_ struct nsx_op *op, struct nsx_text *body)
{
    guard_body(aTHX_ op, body);
    if (nsx_is_closed(aTHX_ op))
        return 0;
    if (nsx_text_length(aTHX_ body) == 0)
        return 1;
    if (nsx_debug_level(aTHX_ op)
        || nsx_overridden(aTHX_ op, NSX_M__syswrite_with_timeout)) {
        nsx_text_own(aTHX_ body);
        debug_raw(aTHX_ op, body->single);
        return nsx_write_unit(aTHX_ op, SvPVX(body->single),
                              SvCUR(body->single), 0)
            ? 1
            : -1;
    }
    return send_raw(aTHX_ op, body) ? 1 : -1;
}

int
nsx_rawdatasend(pTHX_ struct nsx_op *op, struct nsx_text *body)
{
    struct nsx_watch watch;
    int sent;

    if (nsx_interrupts(aTHX_ op))
        return 0;
    nsx_part_begin(aTHX_ &watch, op);
    sent = send_raw_part(aTHX_ op, body);
    nsx_watch_end(aTHX_ &watch);
    return sent;
}

/* The end must not go twice: who gives a command while it waits for room would
 * end the message too. */
static int
write_end(pTHX_ struct nsx_op *op, const char *end, size_t n)
{
    struct nsx_watch watch;
    int ok;

    nsx_part_begin(aTHX_ &watch, op);
    ok = op->obj->waits ? nsx_waiting_finish(aTHX_ op)
                        : nsx_write_unit(aTHX_ op, end, n, 0);
    nsx_watch_end(aTHX_ &watch);
    return ok;
}

/* The body is over: the data phase ends with the terminator's arrival. */
static int
end_of_data(pTHX_ struct nsx_op *op)
{
    nsx_fact_delete(aTHX_ op->gv, NSX_K_LAST_CH);
    nsx_expect_reply(op, NSX_VERB_END);
    return nsx_call_response(aTHX_ op) == NSX_DIGIT_OK;
}

SV *
nsx_dataend(pTHX_ struct nsx_op *op)
{
    char end[NSX_DOT_END_ROOM];
    struct nsx_dot dot;
    int refuse;
    size_t n;
    SV *last;

    if (nsx_interrupts(aTHX_ op) || nsx_is_closed(aTHX_ op))
        return sv_2mortal(newSViv(0));
    last = nsx_fact(aTHX_ op->gv, NSX_K_LAST_CH);
    if (!last || !SvOK(last))
        return nsx_session_is_disowned(&op->obj->session)
            ? nsx_yes_no(aTHX_ nsx_disowned_replies(aTHX_ op) == NSX_DIGIT_OK)
            : sv_2mortal(newSViv(1));
    nsx_dot_init(&dot, begin_data(aTHX_ op), bare_cr_rule(aTHX_ op, &refuse));
    if (refuse && dot.at == NSX_DOT_CR) {
        set_refused(aTHX_ op);
        nsx_session_tear(&op->obj->session);
        return sv_2mortal(newSViv(0));
    }
    n = nsx_dot_end(&dot, end);
    if (nsx_debug_level(aTHX_ op))
        nsx_debug_print(aTHX_ op, 1, sv_2mortal(newSVpvs(".\n")));
    if (!write_end(aTHX_ op, end, n))
        return sv_2mortal(newSViv(0));
    return nsx_yes_no(aTHX_ end_of_data(aTHX_ op));
}

int
nsx_send_whole(pTHX_ struct nsx_op *op, struct nsx_text *body)
{
    int sent = nsx_datasend(aTHX_ op, body, 1);

    return sent == 1 ? end_of_data(aTHX_ op) : sent;
}

int
nsx_text_refused(pTHX_ struct nsx_op *op, struct nsx_text *body)
{
    struct nsx_dot dot;
    int refuse;

    guard_body(aTHX_ op, body);
    (void)bare_cr_rule(aTHX_ op, &refuse);
    nsx_dot_init(&dot, NSX_DOT_BOL, NSX_BARE_CR_PASS);
    return refuse && refuses(aTHX_ op, &dot, body, body->count > 0);
}
