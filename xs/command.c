/*
 * command.c - commands and replies: Net::Cmd's conversation, waiting included.
 *
 * The only blocking loops are here and in write.c.  Each waits with a
 * deadline, lets signal handlers run, looks at the handle again, and goes on
 * with the time that is left.
 */
#include "glue.h"

/* A status the object was given in place of a reply. */
static SV *
tagged(pTHX_ struct nsx_op *op, const char *text)
{
    return sv_2mortal(
        newSVpvf("[%s] %s", sv_reftype((SV *)op->gv, 1), text));
}

int
nsx_debug_level(pTHX_ struct nsx_op *op)
{
    SV *level = nsx_overridden(aTHX_ op, NSX_M_debug)
        ? nsx_call(aTHX_ op->self, "debug", 0, NULL)
        : nsx_fact(aTHX_ op->gv, NSX_K_DEBUG);

    if (!level || !SvTRUE(level))
        return 0;
    return looks_like_number(level) ? (int)SvIV(level) : 1;
}

void
nsx_debug_print(pTHX_ struct nsx_op *op, int out, SV *text)
{
    SV *argv[2];

    argv[0] = sv_2mortal(newSViv(out));
    argv[1] = text;
    nsx_tell(aTHX_ op->self, "debug_print", 2, argv);
}

SV *
nsx_def_reply_code(pTHX_ struct nsx_op *op)
{
    TAINT_NOT; /* a code of our own is trusted */
    return nsx_overridden(aTHX_ op, NSX_M_DEF_REPLY_CODE)
        ? nsx_call(aTHX_ op->self, "DEF_REPLY_CODE", 0, NULL)
        : sv_2mortal(newSViv(NSX_DEF_REPLY_CODE));
}

/* The text of a reply as an array of lines. */
static SV *
reply_lines(pTHX_ SV *resp)
{
    AV *av = newAV();
    SV *ref = sv_2mortal(newRV_noinc((SV *)av));

    if (SvOK(resp))
        av_push(av, newSVsv(resp));
    return ref;
}

/* Magic is read first: its code may empty the hash. */
void
nsx_store_status(pTHX_ GV *gv, SV *code, SV *resp)
{
    if (SvGMAGICAL(code))
        code = nsx_copy(code);
    if (SvGMAGICAL(resp))
        resp = nsx_copy(resp);
    if (!SvROK(resp))
        resp = reply_lines(aTHX_ resp);
    sv_setsv_mg(nsx_fact_lvalue(aTHX_ gv, NSX_K_CODE), code);
    sv_setsv_mg(nsx_fact_lvalue(aTHX_ gv, NSX_K_RESP), resp);
}

void
nsx_set_status(pTHX_ struct nsx_op *op, SV *code, SV *resp)
{
    if (nsx_overridden(aTHX_ op, NSX_M_set_status)) {
        SV *argv[2];

        argv[0] = code;
        argv[1] = resp;
        nsx_tell(aTHX_ op->self, "set_status", 2, argv);
    }
    else {
        nsx_store_status(aTHX_ op->gv, code, resp);
    }
}

/* Net::Cmd's debugging words about a failed wait, from the caller's line. */
static void
debug_carp(pTHX_ struct nsx_op *op, const char *caller, const char *what)
{
    SV *text;

    if (!nsx_debug_level(aTHX_ op))
        return;
    text = sv_2mortal(newSVpvf("%s: Net::Cmd::%s(): %s",
                               sv_reftype((SV *)op->gv, 1), caller, what));
    (void)nsx_call_function(aTHX_ "_carp", 1, &text);
}

void
nsx_set_closed(pTHX_ struct nsx_op *op, SV *why, const char *caller)
{
    nsx_set_status(aTHX_ op, nsx_def_reply_code(aTHX_ op),
                   tagged(aTHX_ op, "Connection closed"));
    debug_carp(aTHX_ op, caller,
               SvPV_nolen(sv_2mortal(newSVpvf(
                   "unexpected EOF on command channel: %" SVf, SVfARG(why)))));
}

void
nsx_closed(pTHX_ struct nsx_op *op, int err, const char *caller)
{
    SV *why = sv_2mortal(newSVpv(err ? Strerror(err) : "", 0));

    if (nsx_overridden(aTHX_ op, NSX_M__set_status_closed))
        nsx_tell(aTHX_ op->self, "_set_status_closed", 1, &why);
    else
        nsx_set_closed(aTHX_ op, why, caller);
}

void
nsx_set_timeout(pTHX_ struct nsx_op *op, const char *caller)
{
    nsx_set_status(aTHX_ op, nsx_def_reply_code(aTHX_ op),
                   tagged(aTHX_ op, "Timeout"));
    debug_carp(aTHX_ op, caller, "timeout");
}

void
nsx_close(pTHX_ struct nsx_op *op)
{
    nsx_tell(aTHX_ op->self, "close", 0, NULL);
    op->obj->unsure = 1;
    (void)nsx_op_fd(aTHX_ op);
}

/* The handle goes with the session: after a timeout the next reply would
 * answer the wrong command. */
void
nsx_timed_out(pTHX_ struct nsx_op *op, const char *caller)
{
    nsx_close(aTHX_ op);
    if (nsx_overridden(aTHX_ op, NSX_M__set_status_timeout))
        nsx_tell(aTHX_ op->self, "_set_status_timeout", 0, NULL);
    else
        nsx_set_timeout(aTHX_ op, caller);
}

/* Ends the session for the reason the channel gives. */
void
nsx_failed(pTHX_ struct nsx_op *op, const char *caller)
{
    const struct nsx_error e = op->obj->ch.error;

    if (e.code == NSX_E_TIMEOUT) {
        nsx_timed_out(aTHX_ op, caller);
        return;
    }
    nsx_close(aTHX_ op);
    if (e.code == NSX_E_EOF || e.code == NSX_E_IO || e.code == NSX_E_NONE) {
        errno = e.sys_errno;
        nsx_closed(aTHX_ op, e.sys_errno, caller);
        return;
    }
    nsx_set_status(aTHX_ op, nsx_def_reply_code(aTHX_ op),
                   tagged(aTHX_ op, e.text));
    debug_carp(aTHX_ op, caller, e.text);
}

int
nsx_is_closed(pTHX_ struct nsx_op *op)
{
    if (nsx_overridden(aTHX_ op, NSX_M__is_closed))
        return SvTRUE(nsx_call(aTHX_ op->self, "_is_closed", 0, NULL));
    return nsx_check_closed(aTHX_ op);
}

int
nsx_check_closed(pTHX_ struct nsx_op *op)
{
    int err = errno;

    if (nsx_op_fd(aTHX_ op) < 0) {
        nsx_closed(aTHX_ op, err, "_is_closed");
        return 1;
    }
    if (op->obj->torn)
        (void)nsx_channel_fail(&op->obj->ch, NSX_E_IO, "nsx_check_closed");
    if (op->obj->ch.error.code == NSX_E_NONE)
        return 0;
    nsx_failed(aTHX_ op, "_is_closed");
    return 1;
}

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
                       tagged(aTHX_ op, "Reply taken by a signal handler"));
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

static nsx_status
fill_from_tie(pTHX_ struct nsx_op *op)
{
    SV *data = nsx_call_function(aTHX_ "_tied_read", 1, &op->self);
    STRLEN len;
    const char *text;

    if (!SvOK(data)) {
        if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
            return NSX_WANT_READ;
        return nsx_channel_fail(&op->obj->ch, NSX_E_EOF, "fill_from_tie");
    }
    text = SvPV(data, len);
    return len ? nsx_channel_feed(&op->obj->ch, text, len)
               : nsx_channel_fail(&op->obj->ch, NSX_E_EOF, "fill_from_tie");
}

static int
readable_now(pTHX_ struct nsx_op *op)
{
    if (op->obj->handle == NSX_HANDLE_TIED)
        return SvTRUE(
            nsx_call_function(aTHX_ "_tied_pending", 1, &op->self));
    return nsx_channel_pending(&op->obj->ch) > 0;
}

/* Adds input: 1, or 0 with the session ended and the status set. */
static int
read_more(pTHX_ struct nsx_op *op, int64_t deadline)
{
    nsx_status want = readable_now(aTHX_ op) ? NSX_OK : NSX_WANT_READ;

    for (;;) {
        if (want != NSX_OK && !nsx_wait(aTHX_ op, want, deadline, "getline"))
            return 0;
        want = op->obj->handle == NSX_HANDLE_TIED
            ? fill_from_tie(aTHX_ op)
            : nsx_channel_fill(&op->obj->ch);
        if (want == NSX_OK)
            return 1;
        if (want == NSX_ERROR) {
            nsx_failed(aTHX_ op, "getline");
            return 0;
        }
    }
}

/* A deadline that is to be computed when a wait begins. */
#define NSX_UNSET INT64_MIN

/* The first line that ungetline put back, or NULL. */
static SV *
pushed_back(pTHX_ struct nsx_op *op)
{
    AV *lines = nsx_fact_array(aTHX_ op->gv, NSX_K_LINES);

    if (!lines) {
        sv_setsv(nsx_fact_lvalue(aTHX_ op->gv, NSX_K_LINES),
                 sv_2mortal(newRV_noinc((SV *)newAV())));
        return NULL;
    }
    return av_len(lines) >= 0 ? sv_2mortal(av_shift(lines)) : NULL;
}

static SV *
line_sv(pTHX_ const char *text, size_t len)
{
    SV *sv = newSV(len + 2);

    sv_setpvn(sv, text, len);
    sv_catpvs(sv, "\n");
    if (TAINTING_get)
        SvTAINTED_on(sv);
    return sv;
}

/* A line was taken: the last one of its reply, unless it says otherwise. */
static void
line_taken(struct nsx_object *obj, const char *text, size_t len)
{
    struct nsx_reply_line parsed;

    if (nsx_reply_parse_line(text, len, &parsed) && parsed.more)
        return;
    obj->replies++;
    obj->owed = 0;
}

/* The next line, which in a reply may not be longer than one of those. */
static nsx_status
line_of_reply(struct nsx_object *obj, struct nsx_line *line)
{
    const size_t cap = NSX_MAX_REPLY_LINE + 1; /* the CR may be there */
    nsx_status got = nsx_channel_line(&obj->ch, line);

    return got == NSX_WANT_READ && obj->awaiting
            && nsx_channel_buffered(&obj->ch) > cap
        ? nsx_channel_fail(&obj->ch, NSX_E_LINE_LENGTH, "line_of_reply")
        : got;
}

/* *deadline is NSX_UNSET until a line must be waited for. */
static SV *
getline_within(pTHX_ struct nsx_op *op, int64_t *deadline)
{
    struct nsx_line line;
    nsx_status got;
    SV *sv;

    (void)nsx_op_fd(aTHX_ op);
    sv = pushed_back(aTHX_ op);
    if (sv) {
        if (SvPOK(sv))
            line_taken(op->obj, SvPVX(sv), SvCUR(sv));
        return sv;
    }
    got = nsx_channel_line(&op->obj->ch, &line);
    if (got != NSX_OK) {
        if (nsx_is_closed(aTHX_ op))
            return NULL;
        if (*deadline == NSX_UNSET)
            *deadline = nsx_deadline_after(nsx_timeout(aTHX_ op));
        while (got == NSX_WANT_READ) {
            if (!read_more(aTHX_ op, *deadline))
                return NULL;
            got = line_of_reply(op->obj, &line);
        }
    }
    if (got == NSX_ERROR) {
        nsx_failed(aTHX_ op, "getline");
        return NULL;
    }
    sv = sv_2mortal(line_sv(aTHX_ line.text, line.len));
    line_taken(op->obj, line.text, line.len);
    nsx_channel_take(&op->obj->ch, line.used);
    return sv;
}

SV *
nsx_getline(pTHX_ struct nsx_op *op)
{
    int64_t deadline = NSX_UNSET;

    return getline_within(aTHX_ op, &deadline);
}

static SV *
call_getline(pTHX_ struct nsx_op *op, int64_t *deadline)
{
    SV *line;

    if (!nsx_overridden(aTHX_ op, NSX_M_getline))
        return getline_within(aTHX_ op, deadline);
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
    TAINT_NOT; /* a code that was parsed is trusted */
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
        if (op->obj->replies == watch->replies) /* a getline of its own */
            line_taken(op->obj, text, len);
        if (nsx_debug_level(aTHX_ op))
            nsx_debug_print(aTHX_ op, 0, line);
        if (!call_parse(aTHX_ op, line, &code, &more)) {
            not_a_reply(aTHX_ op, line);
            return NSX_DIGIT_NONE;
        }
        if (more)
            watch->replies = op->obj->replies; /* its end is to come */
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
    int64_t deadline = nsx_deadline_after(nsx_timeout(aTHX_ op));
    struct nsx_reply reply;

    nsx_reply_init(&reply);
    for (;;) {
        struct nsx_reply_line line;
        size_t used;
        nsx_status got = nsx_channel_reply(ch, &reply, &line, &used);

        if (got == NSX_WANT_READ) {
            if (!read_more(aTHX_ op, deadline))
                return NSX_DIGIT_NONE;
        }
        else if (got == NSX_OK) {
            char digit = line.code[0];
            int more = line.more;
            SV *code, *text;

            TAINT_NOT; /* a code that was parsed is trusted */
            code = sv_2mortal(newSVpvn(line.code, NSX_CODE_DIGITS));
            text = sv_2mortal(line_sv(aTHX_ line.text, line.text_len));
            nsx_channel_take(ch, used);
            op->obj->replies += !more;
            add_reply_line(aTHX_ op, code, text);
            if (!more)
                return digit;
        }
        else if (ch->error.code == NSX_E_NONE) { /* not a reply's line */
            SV *sv = sv_2mortal(line_sv(aTHX_ line.text, line.text_len));

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
        || nsx_overridden(aTHX_ op, NSX_M_debug)
        || nsx_debug_level(aTHX_ op))
        return 0;
    lines = nsx_fact_array(aTHX_ op->gv, NSX_K_LINES);
    return !lines || av_len(lines) < 0;
}

static int
read_reply(pTHX_ struct nsx_op *op, struct nsx_watch *watch)
{
    if (!can_read_direct(aTHX_ op))
        return reply_by_methods(aTHX_ op, watch);
    return nsx_check_closed(aTHX_ op) ? NSX_DIGIT_NONE
                                      : reply_direct(aTHX_ op);
}

/* Runs when nsx_response is left.  A die on the way (from a signal handler,
 * say) may leave the reply still to come: the next command lets it pass first.
 * One whose last line was taken is not owed, nor one of another handle. */
static void
response_left(pTHX_ void *arg)
{
    const struct nsx_watch *watch = (const struct nsx_watch *)arg;
    struct nsx_object *obj = watch->obj;

    PERL_UNUSED_CONTEXT;
    obj->awaiting--;
    if (!watch->whole && obj->replies == watch->replies
        && obj->handles == watch->handles)
        obj->owed = 1;
}

int
nsx_response(pTHX_ struct nsx_op *op)
{
    struct nsx_object *obj = op->obj;
    struct nsx_watch watch;
    int digit;

    (void)nsx_op_fd(aTHX_ op);
    obj->awaiting++;
    nsx_watch_begin(aTHX_ &watch, op, response_left);
    nsx_set_status(aTHX_ op, nsx_def_reply_code(aTHX_ op), &PL_sv_undef);
    digit = read_reply(aTHX_ op, &watch);
    if (!obj->lost)
        obj->owed = 0;
    obj->lost = 0;
    if (obj->replies == watch.replies)
        obj->replies++; /* whatever it was, it is over */
    nsx_watch_end(aTHX_ &watch);
    obj->touched = nsx_clock_ms();
    return digit;
}

int
nsx_owed_reply(pTHX_ struct nsx_op *op)
{
    int digit = nsx_call_response(aTHX_ op);

    op->obj->owed = 0;
    return digit;
}

int
nsx_digit_of(pTHX_ SV *status)
{
    return SvOK(status) ? (int)SvIV(status) + '0' : NSX_DIGIT_NONE;
}

int
nsx_call_response(pTHX_ struct nsx_op *op)
{
    return nsx_overridden(aTHX_ op, NSX_M_response)
        ? nsx_digit_of(aTHX_ nsx_call(aTHX_ op->self, "response", 0, NULL))
        : nsx_response(aTHX_ op);
}

static int
build_command(pTHX_ struct nsx_op *op, I32 argc, SV **argv)
{
    struct nsx_error e;
    nsx_status st = NSX_OK;
    I32 i;

    nsx_error_reset(&e);
    nsx_command_begin(&op->obj->out);
    for (i = 0; i < argc && st == NSX_OK; i++) {
        STRLEN len;
        const char *word = SvPV_nomg(argv[i], len);

        st = nsx_command_word(&op->obj->out, i == 0, word, len, &e);
    }
    if (st == NSX_OK)
        st = nsx_command_end(&op->obj->out, &e);
    if (st != NSX_OK)
        Perl_croak(aTHX_ "Net::SMTP::XS::command: %s", e.text);
    return 1;
}

/* Copies words whose text comes from Perl code, or all of them when code runs
 * before they are used, and refuses what is no octet string, before anything
 * else happens. */
static void
settle_words(pTHX_ I32 argc, SV **argv, int all)
{
    I32 i;

    for (i = 0; i < argc; i++) {
        SV *sv = argv[i];

        if (all || SvGMAGICAL(sv) || SvROK(sv) || SvUTF8(sv))
            sv = nsx_copy(sv);
        if (!SvOK(sv)) {
            (void)nsx_call_function(aTHX_ "_undefined_word", 0, NULL);
            sv = sv_2mortal(newSVpvs(""));
        }
        else if (SvROK(sv)) {
            STRLEN len;
            const char *text = SvPV(sv, len);

            sv = newSVpvn_flags(text, len, SVs_TEMP | SvUTF8(sv));
        }
        if (SvUTF8(sv) && !sv_utf8_downgrade(sv, TRUE))
            Perl_croak(aTHX_ "Wide character in syswrite");
        argv[i] = sv;
    }
}

/* Behind a go-ahead (354, 334) the server takes a command for text. */
static int
pass_owed_reply(pTHX_ struct nsx_op *op)
{
    if (nsx_owed_reply(aTHX_ op) == NSX_DIGIT_MORE) {
        op->obj->torn = 1;
        (void)nsx_check_closed(aTHX_ op);
    }
    return op->obj->ch.io.fd >= 0 && op->obj->ch.error.code == NSX_E_NONE;
}

/* A command in the data phase ends the message first, as in Net::Cmd. */
static void
finish_message(pTHX_ struct nsx_op *op)
{
    if (nsx_overridden(aTHX_ op, NSX_M_dataend))
        nsx_tell(aTHX_ op->self, "dataend", 0, NULL);
    else
        (void)nsx_dataend(aTHX_ op);
}

static void
wipe_command(pTHX_ void *arg)
{
    PERL_UNUSED_CONTEXT;
    nsx_buf_wipe(&((struct nsx_object *)arg)->out);
}

/* Credentials do not stay in memory, however the write ends. */
static int
write_command(pTHX_ struct nsx_op *op, struct nsx_secrecy how, int more)
{
    struct nsx_buf *out = &op->obj->out;
    int ok;

    ENTER;
    if (nsx_is_secret(op, how))
        SAVEDESTRUCTOR_X(wipe_command, op->obj);
    ok = nsx_write_unit(aTHX_ op, (const char *)nsx_buf_data(out), out->len,
                        more);
    LEAVE;
    return ok;
}

/* 1 when code of Perl's may run before the words are sent. */
static int
is_observed(pTHX_ struct nsx_op *op)
{
    SV *level;

    if (nsx_overridden(aTHX_ op, NSX_M_debug)
        || nsx_fact_runs_code(aTHX_ op->gv, NSX_K_DEBUG)
        || nsx_fact_runs_code(aTHX_ op->gv, NSX_K_DEBUG_SECRETS)
        || nsx_fact_runs_code(aTHX_ op->gv, NSX_K_CODE))
        return 1;
    level = nsx_fact(aTHX_ op->gv, NSX_K_DEBUG);
    return level && SvTRUE(level);
}

int
nsx_command(pTHX_ struct nsx_op *op, I32 argc, SV **argv, int more)
{
    struct nsx_secrecy how;
    int in_data, level;

    if (nsx_interrupts(aTHX_ op) || nsx_is_closed(aTHX_ op))
        return 0;
    in_data = nsx_fact_exists(aTHX_ op->gv, NSX_K_LAST_CH);
    settle_words(aTHX_ argc, argv,
                 in_data || op->obj->owed || is_observed(aTHX_ op));
    if (in_data)
        finish_message(aTHX_ op);
    if (argc == 0)
        return 1;
    if (op->obj->owed && !pass_owed_reply(aTHX_ op))
        return 0;
    level = nsx_debug_level(aTHX_ op);
    how = nsx_secrecy(aTHX_ op);
    build_command(aTHX_ op, argc, argv);
    if (level) {
        nsx_debug_print(aTHX_ op, 1, nsx_shown_command(aTHX_ op, how));
        /* Once more: what printed it may have given another command. */
        build_command(aTHX_ op, argc, argv);
    }
    return write_command(aTHX_ op, how, more);
}

static int
exchange_by_methods(pTHX_ struct nsx_op *op, I32 argc, SV **argv)
{
    SV *ret = nsx_call(aTHX_ op->self, "command", argc, argv);

    if (SvROK(ret) && SvRV(ret) == (SV *)op->gv)
        return nsx_call_response(aTHX_ op);
    return nsx_digit_of(aTHX_ nsx_call(aTHX_ ret, "response", 0, NULL));
}

int
nsx_exchange(pTHX_ struct nsx_op *op, I32 argc, SV **argv)
{
    if (nsx_overridden(aTHX_ op, NSX_M_command))
        return exchange_by_methods(aTHX_ op, argc, argv);
    (void)nsx_command(aTHX_ op, argc, argv, 0);
    return nsx_call_response(aTHX_ op);
}
