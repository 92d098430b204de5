/*
 * SMTP.xs - the methods Perl sees.  What they do is in xs/; what they speak
 * is in csrc/.
 */
#include "glue.h"
#include "dial.h"
#include "dialogue.h"
#include "message.h"
#include "operation.h"
#include "outcome.h"
#include "plain.h"
#include "result.h"

/* Returns one value.  The call that makes it may move Perl's stack, so the
 * slot is looked up after. */
#define RETURN_SV(expression)         \
    STMT_START                        \
    {                                 \
        SV *const ret = (expression); \
        ST(0) = ret;                  \
        XSRETURN(1);                  \
    }                                 \
    STMT_END

/* A number of our own, whatever tainted text was read to come to it. */
#define RETURN_IV(number)                    \
    STMT_START                               \
    {                                        \
        const IV iv = (number);              \
        TAINT_NOT;                           \
        RETURN_SV(sv_2mortal(newSViv(iv)));  \
    }                                        \
    STMT_END

/* The same in the scalar that perl keeps for the value of this call, which
 * spares a new one; the assignment is to TARG. */
#define RETURN_TARGET(assignment) \
    STMT_START                    \
    {                             \
        dXSTARG;                  \
        TAINT_NOT;                \
        assignment;               \
        ST(0) = TARG;             \
        XSRETURN(1);              \
    }                             \
    STMT_END

/* The arguments from first on, in an array that stays where it is while Perl
 * code runs; held: they also stay alive, so that this code may drop them. */
static SV **
arguments(pTHX_ I32 ax, I32 items, I32 first, int held)
{
    I32 count = items > first ? items - first : 0;
    SV *store = sv_2mortal(newSV((STRLEN)(count + 1) * sizeof(SV *)));
    SV **args = (SV **)(void *)SvPVX(store);
    I32 i;

    for (i = 0; i < count; i++)
        args[i] = ST(first + i);
    if (held)
        nsx_hold(aTHX_ count, args);
    return args;
}

/* The n-th argument after self, kept alive: to look at it may run code that
 * drops it.  Undef when it was not given. */
static SV *
argument(pTHX_ I32 ax, I32 items, I32 n)
{
    if (n >= items)
        return &PL_sv_undef;
    nsx_hold(aTHX_ 1, &ST(n));
    return ST(n);
}

/* The same for the object of a call that needs no engine. */
static GV *
glob_of(pTHX_ SV *self)
{
    SV *gv = (SV *)nsx_glob(aTHX_ self);

    nsx_hold(aTHX_ 1, &gv);
    return (GV *)gv;
}

/* Dies with the caller's line, as Carp's croak. */
static void
usage(pTHX_ const char *form)
{
    SV *text = sv_2mortal(newSVpvf("usage: $obj->%s", form));

    (void)nsx_call_function(aTHX_ "_croak", 1, &text);
}

static void
warn_caller(pTHX_ const char *text)
{
    SV *sv = sv_2mortal(newSVpv(text, 0));

    (void)nsx_call_function(aTHX_ "_carp", 1, &sv);
}

static SV *
joined_message(pTHX_ AV *resp)
{
    SV *text = sv_2mortal(newSVpvs(""));
    I32 i, last = resp ? (I32)av_len(resp) : -1;

    if (resp)
        sv_2mortal(newRV_inc((SV *)resp));
    for (i = 0; i <= last; i++) {
        SV **line = av_fetch(resp, i, 0);

        if (line && *line)
            sv_catsv(text, *line);
    }
    return text;
}

/* Mortal copies of a reply's lines, in a list of its own: a line may be
 * magical, and Perl code that runs moves the stack. */
static SV **
copied_lines(pTHX_ AV *resp, I32 *count)
{
    const I32 n = resp ? (I32)(av_len(resp) + 1) : 0;
    SV *store = sv_2mortal(newSV((STRLEN)(n + 1) * sizeof(SV *)));
    SV **lines = (SV **)(void *)SvPVX(store);
    I32 i;

    if (resp)
        sv_2mortal(newRV_inc((SV *)resp));
    for (i = 0; i < n; i++) {
        SV **line = av_fetch(resp, i, 0);

        lines[i] = line ? nsx_copy(*line) : &PL_sv_undef;
    }
    *count = n;
    return lines;
}

/* The first digit of the stored code as a string, or undef without one. */
static SV *
status_digit(pTHX_ GV *gv)
{
    SV *code = nsx_fact(aTHX_ gv, NSX_K_CODE);
    STRLEN len;
    const char *text;

    if (!code || !SvOK(code))
        return sv_newmortal();
    text = SvPV(code, len);
    return sv_2mortal(newSVpvn(text, len ? 1 : 0));
}

static SV *
reply_class(pTHX_ int digit)
{
    char text = (char)digit;

    TAINT_NOT; /* a digit that was parsed is trusted */
    return digit == NSX_DIGIT_NONE
        ? sv_2mortal(newSViv(NSX_DIGIT_ERROR - '0'))
        : sv_2mortal(newSVpvn(&text, 1));
}

/* A sent body's answer: 1, 0, or nothing. */
static I32
return_sent(pTHX_ I32 ax, U8 gimme, int sent)
{
    if (sent < 0) {
        if (gimme == G_LIST)
            return 0;
        ST(0) = &PL_sv_undef;
        return 1;
    }
    TAINT_NOT;
    ST(0) = sv_2mortal(newSViv(sent));
    return 1;
}

/* 1 when datasend and dataend can be one: nobody watches them. */
static int
sends_whole(pTHX_ struct nsx_op *op)
{
    return !nsx_overridden(aTHX_ op, NSX_M_datasend)
        && !nsx_overridden(aTHX_ op, NSX_M_dataend)
        && !nsx_overridden(aTHX_ op, NSX_M__is_closed)
        && !nsx_overridden(aTHX_ op, NSX_M__syswrite_with_timeout)
        && !nsx_overridden(aTHX_ op, NSX_M_debug)
        && !nsx_debug_level(aTHX_ op);
}

/* 1 when a message may begin with these arguments, which become one where they
 * were read as one; 0 with the status set.  A datasend of the
 * class's own is given them as they are. */
static int
fit_for_data(pTHX_ struct nsx_op *op, I32 *argc, SV **args)
{
    struct nsx_text body;

    if (nsx_overridden(aTHX_ op, NSX_M_datasend))
        return 1;
    nsx_text_init(aTHX_ &body, *argc, args);
    if (body.single) {
        args[0] = body.single;
        *argc = 1;
    }
    return !nsx_text_refused(aTHX_ op, &body);
}

static SV *
sent_sv(pTHX_ int sent)
{
    return sent < 0 ? sv_newmortal() : sv_2mortal(newSViv(sent));
}

/* BDAT's chunk (RFC 3030 2): announced, sent, answered; what was not sent has
 * the answer of the method that failed. */
static SV *
send_chunk(pTHX_ struct nsx_op *op, I32 argc, SV **argv, int last)
{
    struct nsx_watch watch;
    struct nsx_text body;
    SV *data, *sent, *words[2];

    nsx_text_init(aTHX_ &body, argc, argv);
    data = nsx_text_joined(aTHX_ &body);
    words[0] = sv_2mortal(newSVuv(SvCUR(data)));
    words[1] = sv_2mortal(newSVpvs("LAST"));
    nsx_chunk_begin(aTHX_ &watch, op);
    if (nsx_overridden(aTHX_ op, NSX_M__BDAT)
        || nsx_overridden(aTHX_ op, NSX_M_command))
        sent = nsx_call(aTHX_ op->self, "_BDAT", last ? 2 : 1, words);
    else
        sent = sent_sv(aTHX_ nsx_command(
            aTHX_ op, last ? 3 : 2,
            nsx_words(aTHX_ "BDAT", last ? 2 : 1, words), SvCUR(data) > 0));
    if (SvTRUE(sent) && nsx_overridden(aTHX_ op, NSX_M_rawdatasend)) {
        sent = nsx_call(aTHX_ op->self, "rawdatasend", 1, &data);
    }
    else if (SvTRUE(sent)) {
        nsx_text_init(aTHX_ &body, 1, &data);
        sent = sent_sv(aTHX_ nsx_rawdatasend(aTHX_ op, &body));
    }
    nsx_watch_end(aTHX_ &watch);
    if (!SvTRUE(sent))
        return sent;
    return nsx_yes_no(aTHX_ nsx_call_response(aTHX_ op) == NSX_DIGIT_OK);
}

/* Only a hash that does not stand for an address holds options. */
static int
is_options(pTHX_ SV *sv)
{
    SvGETMAGIC(sv);
    if (!SvROK(sv))
        return 0;
    return !(SvAMAGIC(sv)
             && gv_fetchmethod_autoload(SvSTASH(SvRV(sv)), "(\"\"", FALSE));
}

/* Takes recipient's options off the argument list. */
static SV *
take_options(pTHX_ struct nsx_op *op, I32 *argc, SV **argv, int *skip_bad)
{
    SV *words[2], *ret;
    AV *pair;
    SV **slot;

    *skip_bad = 0;
    if (*argc == 0 || !is_options(aTHX_ argv[*argc - 1]))
        return NULL;
    words[0] = op->self;
    words[1] = argv[--*argc];
    ret = nsx_call_function(aTHX_ "_rcpt_options", 2, words);
    pair = (AV *)SvRV(ret);
    slot = av_fetch(pair, 1, 0);
    *skip_bad = slot && SvTRUE(*slot);
    slot = av_fetch(pair, 0, 0);
    return slot ? *slot : NULL;
}

/* One RCPT.  There may be many, so that what each needs is freed at once. */
static int
one_recipient(pTHX_ struct nsx_op *op, SV *to, SV *opts)
{
    SV *arg;
    int ok;

    ENTER;
    SAVETMPS;
    arg = nsx_path_argument(aTHX_ op, "TO:", to, opts);
    ok = nsx_verb(aTHX_ op, NSX_M__RCPT, 1, &arg);
    FREETMPS;
    LEAVE;
    return ok;
}

/* The object's message as the method gives it: a mortal array. */
static AV *
message_lines(pTHX_ struct nsx_op *op)
{
    AV *lines = (AV *)sv_2mortal((SV *)newAV());
    dSP;
    I32 count, i;

    ENTER;
    SAVETMPS;
    PUSHMARK(SP);
    XPUSHs(op->self);
    PUTBACK;
    count = call_method("message", G_LIST);
    for (i = count - 1; i >= 0; i--)
        av_push(lines, newSVsv(PL_stack_sp[-i]));
    PL_stack_sp -= count;
    FREETMPS;
    LEAVE;
    return lines;
}

/* 1 when the stored code begins so. */
static int
digit_is(pTHX_ GV *gv, int digit)
{
    SV *status = status_digit(aTHX_ gv);

    return SvOK(status) && SvIV(status) == digit - '0';
}

static int
status_is(pTHX_ struct nsx_op *op, int digit)
{
    SV *status = nsx_overridden(aTHX_ op, NSX_M_status)
        ? nsx_call(aTHX_ op->self, "status", 0, NULL)
        : status_digit(aTHX_ op->gv);

    return SvOK(status) && SvIV(status) == digit - '0';
}

/* The first word of a greeting, or " ". */
static SV *
greeting_word(pTHX_ AV *lines)
{
    SV **first = av_fetch(lines, 0, 0);
    STRLEN len = 0;
    const char *text = first && SvOK(*first) ? SvPV(*first, len) : "";
    const char *end = text + len, *word;

    while (text < end && isSPACE(*text))
        text++;
    for (word = text; text < end && !isSPACE(*text); text++)
        ;
    TAINT_NOT; /* a word that was parsed is trusted, as a regex capture is */
    if (text == word || (text - word == 1 && *word == '0'))
        return sv_2mortal(newSVpvs(" "));
    return sv_2mortal(newSVpvn(word, (STRLEN)(text - word)));
}

static int
speaks_lmtp(pTHX_ struct nsx_op *op)
{
    SV *lmtp = nsx_fact(aTHX_ op->gv, NSX_K_LMTP);

    return lmtp && SvTRUE(lmtp);
}

/* LMTP's greeting (RFC 2033 4.1), which knows no older form. */
static int
say_lhlo(pTHX_ struct nsx_op *op, SV *domain)
{
    return nsx_exchange(aTHX_ op, 2, nsx_words(aTHX_ "LHLO", 1, &domain))
        == NSX_DIGIT_OK;
}

/* EHLO, then HELO where the server knows no EHLO: the greeting's lines, or
 * NULL. */
static AV *
say_hello(pTHX_ struct nsx_op *op, SV *domain)
{
    const int lmtp = speaks_lmtp(aTHX_ op);
    const int ok = lmtp ? say_lhlo(aTHX_ op, domain)
                        : nsx_verb(aTHX_ op, NSX_M__EHLO, 1, &domain);
    AV *lines = message_lines(aTHX_ op);

    if (ok) {
        nsx_learn_capabilities(aTHX_ op, (I32)(av_len(lines) + 1),
                               AvARRAY(lines));
        return lines;
    }
    if (lmtp || !status_is(aTHX_ op, NSX_DIGIT_ERROR)
        || !nsx_verb(aTHX_ op, NSX_M__HELO, 1, &domain))
        return NULL;
    nsx_fact_delete(aTHX_ op->gv, NSX_K_ESMTP);
    return message_lines(aTHX_ op);
}

MODULE = Net::SMTP::XS    PACKAGE = Net::SMTP::XS::Cmd

PROTOTYPES: DISABLE

BOOT:
    nsx_glue_boot(aTHX);
    nsx_api_publish(aTHX);

void
CLONE(...)
  CODE:
    /* perl calls it for every class that inherits it, too. */
    if (items > 0 && strEQ(SvPV_nolen(ST(0)), "Net::SMTP::XS::Cmd"))
        nsx_glue_clone(aTHX);

void
code(self, ...)
    SV *self
  PREINIT:
    GV *gv;
    SV *code;
  PPCODE:
    if (items != 1)
        usage(aTHX_ "code()");
    gv = glob_of(aTHX_ self);
    code = nsx_fact(aTHX_ gv, NSX_K_CODE);
    if (!code) {
        struct nsx_op op;

        nsx_op_enter(aTHX_ &op, self);
        code = nsx_def_reply_code(aTHX_ &op);
        sv_setsv_mg(nsx_fact_lvalue(aTHX_ gv, NSX_K_CODE), code);
    }
    RETURN_SV(nsx_copy(code));

void
message(self, ...)
    SV *self
  PREINIT:
    const U8 gimme = nsx_gimme(aTHX);
    AV *resp;
    I32 i, count;
    SV **lines;
  PPCODE:
    if (items != 1)
        usage(aTHX_ "message()");
    resp = nsx_fact_array(aTHX_ glob_of(aTHX_ self), NSX_K_RESP);
    if (gimme != G_LIST) {
        RETURN_SV(joined_message(aTHX_ resp));
    }
    lines = copied_lines(aTHX_ resp, &count);
    SP = PL_stack_base + ax - 1;
    EXTEND(SP, count);
    for (i = 0; i < count; i++)
        PUSHs(lines[i]);

void
status(self, ...)
    SV *self
  PPCODE:
    if (items != 1)
        usage(aTHX_ "status()");
    RETURN_SV(status_digit(aTHX_ glob_of(aTHX_ self)));

void
set_status(self, ...)
    SV *self
  PREINIT:
    SV **args;
  PPCODE:
    if (items != 3)
        usage(aTHX_ "set_status($code, $resp)");
    args = arguments(aTHX_ ax, items, 1, 1);
    nsx_store_status(aTHX_ glob_of(aTHX_ self), args[0], args[1]);
    RETURN_IV(1);

void
debug(self, ...)
    SV *self
  PREINIT:
    SV **args;
    SV *level;
  PPCODE:
    if (items > 2)
        usage(aTHX_ "debug([$level])");
    if (items == 2 || !SvROK(self)) {
        args = arguments(aTHX_ ax, items, 0, 1);
        RETURN_SV(nsx_call_function(aTHX_ "_set_debug", items, args));
    }
    level = nsx_fact(aTHX_ glob_of(aTHX_ self), NSX_K_DEBUG);
    RETURN_SV(level && SvTRUE(level) ? nsx_copy(level)
                                   : sv_2mortal(newSViv(0)));

IV
DEF_REPLY_CODE(...)
  CODE:
    PERL_UNUSED_VAR(items);
    RETVAL = NSX_DEF_REPLY_CODE;
  OUTPUT:
    RETVAL

void
command(op, ...)
    nsx_op_t op
  PREINIT:
    SV **args;
  PPCODE:
    args = arguments(aTHX_ ax, items, 1, 1);
    (void)nsx_command(aTHX_ &op, items - 1, args, 0);
    RETURN_SV(op.self);

void
response(op)
    nsx_op_t op
  PPCODE:
    RETURN_SV(reply_class(aTHX_ nsx_response(aTHX_ &op)));

void
getline(op, ...)
    nsx_op_t op
  PREINIT:
    SV *line;
  PPCODE:
    PERL_UNUSED_VAR(items);
    line = nsx_getline(aTHX_ &op);
    if (!line && op.gimme == G_LIST)
        XSRETURN_EMPTY;
    RETURN_SV(line ? line : &PL_sv_undef);

void
ungetline(self, ...)
    SV *self
  PREINIT:
    GV *gv;
    AV *lines;
    SV *line;
  PPCODE:
    line = nsx_copy(argument(aTHX_ ax, items, 1));
    gv = glob_of(aTHX_ self);
    lines = nsx_fact_array(aTHX_ gv, NSX_K_LINES);
    if (!lines) {
        lines = newAV();
        sv_setsv(nsx_fact_lvalue(aTHX_ gv, NSX_K_LINES),
                 sv_2mortal(newRV_noinc((SV *)lines)));
    }
    av_unshift(lines, 1);
    (void)av_store(lines, 0, SvREFCNT_inc_simple_NN(line));
    RETURN_IV(av_len(lines) + 1 + (IV)nsx_lines_waiting(aTHX_ gv));

void
parse_response(self, ...)
    SV *self
  PREINIT:
    const U8 gimme = nsx_gimme(aTHX);
    SV *line, *code, *last;
    int more;
  PPCODE:
    PERL_UNUSED_VAR(self);
    line = argument(aTHX_ ax, items, 1);
    SvGETMAGIC(line);
    if (!SvOK(line) || !nsx_parse_line(aTHX_ line, &code, &more)) {
        if (gimme == G_LIST)
            XSRETURN_EMPTY;
        XSRETURN_UNDEF;
    }
    last = nsx_yes_no(aTHX_ more);
    if (gimme != G_LIST) {
        RETURN_SV(last);
    }
    SP = PL_stack_base + ax - 1;
    EXTEND(SP, 2);
    PUSHs(code);
    PUSHs(last);

void
unsupported(op, ...)
    nsx_op_t op
  PPCODE:
    PERL_UNUSED_VAR(items);
    nsx_set_status(aTHX_ &op, sv_2mortal(newSViv(NSX_UNSUPPORTED_CODE)),
                   sv_2mortal(newSVpvs("Unsupported command")));
    RETURN_IV(0);

void
datasend(self, ...)
    SV *self
  PREINIT:
    struct nsx_op op;
    struct nsx_text body;
    SV **args;
    I32 count;
  PPCODE:
    if (items == 2
        && (nsx_waiting_add(aTHX_ self, ST(1))
            || nsx_lane_datasend(aTHX_ self, ST(1))))
        RETURN_TARGET(sv_setiv(TARG, 1));
    nsx_op_begin_waiting(aTHX_ &op, self, items, &ST(0));
    args = arguments(aTHX_ ax, items, 1, 0);
    nsx_text_init(aTHX_ &body, items - 1, args);
    count = return_sent(aTHX_ ax, op.gimme, nsx_datasend(aTHX_ &op, &body, 0));
    XSRETURN(count);

void
rawdatasend(op, ...)
    nsx_op_t op
  PREINIT:
    struct nsx_text body;
    SV **args;
    I32 count;
  PPCODE:
    args = arguments(aTHX_ ax, items, 1, 0);
    nsx_text_init(aTHX_ &body, items - 1, args);
    count = return_sent(aTHX_ ax, op.gimme, nsx_rawdatasend(aTHX_ &op, &body));
    XSRETURN(count);

void
dataend(self, ...)
    SV *self
  PREINIT:
    struct nsx_op op;
    int ok;
  PPCODE:
    if (nsx_lane_dataend(aTHX_ self, &ok))
        RETURN_TARGET(sv_setsv(TARG, boolSV(ok)));
    nsx_op_begin_waiting(aTHX_ &op, self, items, &ST(0));
    if (op.obj->waits && !nsx_waiting_is_steady(aTHX))
        (void)nsx_waiting_flush(aTHX_ &op, 1);
    RETURN_SV(nsx_dataend(aTHX_ &op));

void
_is_closed(op, ...)
    nsx_op_t op
  PPCODE:
    PERL_UNUSED_VAR(items);
    RETURN_IV(nsx_check_closed(aTHX_ &op));

void
_set_status_closed(op, ...)
    nsx_op_t op
  PREINIT:
    SV *err;
  PPCODE:
    err = argument(aTHX_ ax, items, 1);
    nsx_set_closed(aTHX_ &op, err, "_set_status_closed");
    RETURN_IV(nsx_debug_level(aTHX_ &op) != 0);

void
_set_status_timeout(op, ...)
    nsx_op_t op
  PPCODE:
    PERL_UNUSED_VAR(items);
    nsx_set_timeout(aTHX_ &op, "_set_status_timeout");
    RETURN_IV(nsx_debug_level(aTHX_ &op) != 0);

void
_syswrite_with_timeout(op, ...)
    nsx_op_t op
  PREINIT:
    SV *line;
    STRLEN len;
    const char *text;
  PPCODE:
    line = nsx_copy(argument(aTHX_ ax, items, 1));
    if (SvUTF8(line) && !sv_utf8_downgrade(line, TRUE))
        Perl_croak(aTHX_ "Wide character in syswrite");
    text = SvOK(line) ? SvPV(line, len) : (len = 0, "");
    if (nsx_write(aTHX_ &op, text, len, 0, NULL))
        RETURN_IV(1);
    if (op.gimme == G_LIST)
        XSRETURN_EMPTY;
    XSRETURN_UNDEF;

MODULE = Net::SMTP::XS    PACKAGE = Net::SMTP::XS

void
_EHLO(op, ...)
    nsx_op_t op
  ALIAS:
    _EHLO = NSX_M__EHLO
    _HELO = NSX_M__HELO
    _MAIL = NSX_M__MAIL
    _RCPT = NSX_M__RCPT
    _SEND = NSX_M__SEND
    _SAML = NSX_M__SAML
    _SOML = NSX_M__SOML
    _VRFY = NSX_M__VRFY
    _EXPN = NSX_M__EXPN
    _HELP = NSX_M__HELP
    _ETRN = NSX_M__ETRN
    _AUTH = NSX_M__AUTH
    _RSET = NSX_M__RSET
    _NOOP = NSX_M__NOOP
    _QUIT = NSX_M__QUIT
    _DATA = NSX_M__DATA
    _STARTTLS = NSX_M__STARTTLS
  PREINIT:
    I32 argc;
  PPCODE:
    argc = nsx_verb_takes_words((enum nsx_method)ix) ? items - 1 : 0;
    RETURN_SV(nsx_yes_no(aTHX_ nsx_run_verb(
        aTHX_ &op, (enum nsx_method)ix, argc,
        arguments(aTHX_ ax, items, 1, 1))));

void
_BDAT(self, ...)
    SV *self
  PREINIT:
    const U8 gimme = nsx_gimme(aTHX);
    SV **words;
    I32 count;
  PPCODE:
    words = nsx_words(aTHX_ "BDAT", items - 1,
                      arguments(aTHX_ ax, items, 1, 1));
    count = nsx_tail_call(aTHX_ ax, gimme, self, "command", items, words);
    XSRETURN(count);

void
_TURN(self, ...)
    SV *self
  PREINIT:
    const U8 gimme = nsx_gimme(aTHX);
    SV **args;
    I32 count;
  PPCODE:
    args = arguments(aTHX_ ax, items, 1, 1);
    count = nsx_tail_call(aTHX_ ax, gimme, self, "unsupported", items - 1, args);
    XSRETURN(count);

SV *
_addr(self, ...)
    SV *self
  PREINIT:
    SV *addr;
  CODE:
    addr = argument(aTHX_ ax, items, 1);
    RETVAL = SvREFCNT_inc(nsx_addr_path(aTHX_ glob_of(aTHX_ self), addr));
  OUTPUT:
    RETVAL

void
hello(op, ...)
    nsx_op_t op
  PREINIT:
    SV *domain;
    AV *lines;
  PPCODE:
    domain = nsx_copy(argument(aTHX_ ax, items, 1));
    if (!SvTRUE(domain))
        domain = sv_2mortal(newSVpvs("localhost.localdomain"));
    lines = say_hello(aTHX_ &op, domain);
    if (!lines) {
        if (op.gimme == G_LIST)
            XSRETURN_EMPTY;
        XSRETURN_UNDEF;
    }
    sv_setsv_mg(nsx_fact_lvalue(aTHX_ op.gv, NSX_K_HELLO_DOMAIN), domain);
    RETURN_SV(greeting_word(aTHX_ lines));

void
supports(op, ...)
    nsx_op_t op
  PREINIT:
    SV *esmtp, *keyword, **args;
    HE *he;
  PPCODE:
    args = arguments(aTHX_ ax, items, 1, 1);
    keyword = items > 1 ? nsx_upper(aTHX_ args[0]) : NULL;
    esmtp = nsx_fact(aTHX_ op.gv, NSX_K_ESMTP);
    he = keyword && esmtp && SvROK(esmtp)
            && SvTYPE(SvRV(esmtp)) == SVt_PVHV
        ? hv_fetch_ent((HV *)SvRV(esmtp), keyword, 0, 0)
        : NULL;
    if (he) {
        RETURN_SV(nsx_copy(HeVAL(he)));
    }
    if (items > 2)
        nsx_tell(aTHX_ op.self, "set_status", items - 2, args + 1);
    if (op.gimme == G_LIST)
        XSRETURN_EMPTY;
    XSRETURN_UNDEF;

void
mail(self, ...)
    SV *self
  PREINIT:
    struct nsx_op op;
    SV *addr, *opts = NULL, *arg, **args;
    I32 count;
    int ok;
  PPCODE:
    if (items == 2 && nsx_lane_mail(aTHX_ self, ST(1), &ok))
        RETURN_TARGET(sv_setsv(TARG, boolSV(ok)));
    nsx_op_begin(aTHX_ &op, self, items, &ST(0));
    args = arguments(aTHX_ ax, items, 1, 1);
    addr = items > 1 ? nsx_copy(args[0]) : &PL_sv_undef;
    nsx_fact_delete(aTHX_ op.gv, NSX_K_CHUNKING);
    if (items > 2) {
        args[0] = op.self;
        opts = nsx_call_function(aTHX_ "_mail_options", items - 1, args);
        if (!SvOK(opts))
            XSRETURN_NO;
    }
    arg = nsx_path_argument(aTHX_ &op, "FROM:", addr, opts);
    count = nsx_tail_verb(aTHX_ ax, &op, NSX_M__MAIL, 1, &arg);
    if (count ? !SvTRUE(ST(count - 1))
              : op.gimme != G_VOID || !digit_is(aTHX_ op.gv, NSX_DIGIT_OK))
        nsx_fact_delete(aTHX_ op.gv, NSX_K_CHUNKING);
    XSRETURN(count);

void
send(op, ...)
    nsx_op_t op
  ALIAS:
    send          = NSX_M__SEND
    send_or_mail  = NSX_M__SOML
    send_and_mail = NSX_M__SAML
  PREINIT:
    SV *arg;
    I32 count;
  PPCODE:
    arg = nsx_path_argument(aTHX_ &op, "FROM:",
                            argument(aTHX_ ax, items, 1), NULL);
    count = nsx_tail_verb(aTHX_ ax, &op, (enum nsx_method)ix, 1, &arg);
    XSRETURN(count);

void
recipient(self, ...)
    SV *self
  ALIAS:
    to  = 1
    cc  = 2
    bcc = 3
  PREINIT:
    struct nsx_op op;
    SV *opts, **args;
    I32 argc, i, good;
    int skip_bad, ok;
  PPCODE:
    PERL_UNUSED_VAR(ix);
    if (items == 2 && nsx_lane_rcpt(aTHX_ self, ST(1), &ok))
        RETURN_TARGET(sv_setiv(TARG, ok));
    nsx_op_begin(aTHX_ &op, self, items, &ST(0));
    argc = items - 1;
    args = arguments(aTHX_ ax, items, 1, 1);
    opts = take_options(aTHX_ &op, &argc, args, &skip_bad);
    good = 0;
    i = skip_bad ? nsx_flight_recipients(aTHX_ &op, argc, args, opts, &good) : 0;
    for (; i < argc; i++) {
        if (one_recipient(aTHX_ &op, args[i], opts))
            args[good++] = args[i];
        else if (!skip_bad)
            RETURN_IV(0);
    }
    if (!skip_bad)
        RETURN_IV(1);
    if (op.gimme != G_LIST)
        RETURN_SV(good ? sv_2mortal(newSViv(good)) : NSX_SV_ZERO);
    for (i = 0; i < good; i++)
        args[i] = nsx_copy(args[i]);
    for (i = 0; i < good; i++)
        ST(i) = args[i];
    XSRETURN(good);

void
data(self, ...)
    SV *self
  PREINIT:
    struct nsx_op op;
    struct nsx_text body;
    SV **args, *ok;
    I32 argc, count;
    int direct, begun;
  PPCODE:
    if (items == 1 && nsx_lane_data(aTHX_ self, &begun)) {
        if (begun)
            RETURN_TARGET(sv_setiv(TARG, 1));
        RETURN_SV(nsx_yes_no(aTHX_ 0));
    }
    nsx_op_begin(aTHX_ &op, self, items, &ST(0));
    argc = items - 1;
    args = arguments(aTHX_ ax, items, 1, 1);
    if (nsx_fact_exists(aTHX_ op.gv, NSX_K_CHUNKING)) {
        warn_caller(aTHX_ "Net::SMTP::data: CHUNKING extension in use, must "
                          "call bdat instead");
        RETURN_IV(0);
    }
    direct = sends_whole(aTHX_ &op);
    if (!fit_for_data(aTHX_ &op, &argc, args)
        || !nsx_verb(aTHX_ &op, NSX_M__DATA, 0, NULL))
        RETURN_SV(nsx_yes_no(aTHX_ 0));
    if (direct && argc > 0) {
        nsx_text_init(aTHX_ &body, argc, args);
        count = nsx_send_whole(aTHX_ &op, &body);
        RETURN_SV(count < 0 ? sv_newmortal() : nsx_yes_no(aTHX_ count));
    }
    ok = nsx_call_datasend(aTHX_ &op, argc, args);
    if (!SvTRUE(ok) || argc == 0) {
        RETURN_SV(ok);
    }
    count = nsx_tail_call(aTHX_ ax, op.gimme, op.self, "dataend", 0, NULL);
    XSRETURN(count);

void
bdat(op, ...)
    nsx_op_t op
  ALIAS:
    bdat     = 0
    bdatlast = 1
  PPCODE:
    if (!nsx_fact_exists(aTHX_ op.gv, NSX_K_CHUNKING)) {
        warn_caller(aTHX_ "Net::SMTP::bdat: CHUNKING extension is not in "
                          "use, call data instead");
        RETURN_IV(0);
    }
    RETURN_SV(send_chunk(aTHX_ &op, items - 1,
                       arguments(aTHX_ ax, items, 1, 1), ix));

void
reset(op, ...)
    nsx_op_t op
  PREINIT:
    I32 count;
  PPCODE:
    PERL_UNUSED_VAR(items);
    nsx_fact_delete(aTHX_ op.gv, NSX_K_CHUNKING);
    count = nsx_tail_verb(aTHX_ ax, &op, NSX_M__RSET, 0, NULL);
    XSRETURN(count);

void
expand(op, ...)
    nsx_op_t op
  PREINIT:
    I32 count;
  PPCODE:
    if (!nsx_verb(aTHX_ &op, NSX_M__EXPN, items - 1,
                  arguments(aTHX_ ax, items, 1, 1))) {
        if (op.gimme == G_LIST)
            XSRETURN_EMPTY;
        XSRETURN_UNDEF;
    }
    count = nsx_tail_call(aTHX_ ax, op.gimme, op.self, "message", 0, NULL);
    XSRETURN(count);

void
verify(op, ...)
    nsx_op_t op
  PREINIT:
    I32 count;
  PPCODE:
    count = nsx_tail_verb(aTHX_ ax, &op, NSX_M__VRFY, items - 1,
                          arguments(aTHX_ ax, items, 1, 1));
    XSRETURN(count);

void
help(op, ...)
    nsx_op_t op
  PPCODE:
    if (!nsx_verb(aTHX_ &op, NSX_M__HELP, items - 1,
                  arguments(aTHX_ ax, items, 1, 1)))
        RETURN_SV(sv_newmortal());
    RETURN_SV(nsx_call(aTHX_ op.self, "message", 0, NULL));

void
quit(op, ...)
    nsx_op_t op
  PREINIT:
    I32 count;
  PPCODE:
    PERL_UNUSED_VAR(items);
    if (nsx_overridden(aTHX_ &op, NSX_M__QUIT))
        nsx_tell(aTHX_ op.self, "_QUIT", 0, NULL);
    else
        (void)nsx_run_verb(aTHX_ &op, NSX_M__QUIT, 0, NULL);
    count = nsx_tail_call(aTHX_ ax, op.gimme, op.self, "close", 0, NULL);
    XSRETURN(count);

void
send_message(self, ...)
    SV *self
  PREINIT:
    SV *result;
  PPCODE:
    result = nsx_plain_send(aTHX_ self, ax + 1, items - 1);
    if (!result)
        result = nsx_call_function(aTHX_ "_send_message", items,
                                   arguments(aTHX_ ax, items, 0, 0));
    RETURN_SV(result);

SV *
_xtext(text)
    SV *text
  PREINIT:
    SV *octets;
    STRLEN len;
    const char *in;
    size_t size;
  CODE:
    octets = nsx_copy(text);
    if (SvUTF8(octets))
        (void)sv_utf8_downgrade(octets, TRUE);
    in = SvPV(octets, len);
    size = nsx_xtext_size(in, len);
    RETVAL = newSV(size + 1);
    SvPOK_on(RETVAL);
    nsx_xtext_encode(in, len, SvPVX(RETVAL));
    SvCUR_set(RETVAL, size);
    *SvEND(RETVAL) = '\0';
  OUTPUT:
    RETVAL

int
_unread(op)
    nsx_op_t op
  CODE:
    RETVAL = nsx_unread(aTHX_ &op);
  OUTPUT:
    RETVAL

void
_in_place()
  CODE:
    nsx_in_place(aTHX);

MODULE = Net::SMTP::XS    PACKAGE = Net::SMTP::XS::Message

void
_make_ready(op)
    nsx_op_t op
  CODE:
    (void)nsx_make_ready(aTHX_ &op);

int
_goes_by_methods(op)
    nsx_op_t op
  CODE:
    RETVAL = nsx_goes_by_methods(aTHX_ &op);
  OUTPUT:
    RETVAL

NV
_sent(op)
    nsx_op_t op
  CODE:
    RETVAL = (NV)op.obj->ch.sent;
  OUTPUT:
    RETVAL

void
_busy(op, more)
    nsx_op_t op
    int more
  CODE:
    op.obj->sending += more;

unsigned
_mails(op)
    nsx_op_t op
  CODE:
    RETVAL = op.obj->session.mails;
  OUTPUT:
    RETVAL

U32
_begin(op)
    nsx_op_t op
  CODE:
    RETVAL = nsx_letter_begin(aTHX_ &op);
  OUTPUT:
    RETVAL

void
_letter(op, handles, message)
    nsx_op_t op
    U32 handles
    HV *message
  PPCODE:
    RETURN_SV(nsx_letter_new(aTHX_ &op, handles, message));

void
_follow(letter, next)
    SV *letter
    SV *next
  CODE:
    nsx_letter_follow(aTHX_ letter, next);

void
_left_out(letter)
    SV *letter
  PPCODE:
    RETURN_SV(sv_2mortal(newRV_inc((SV *)nsx_letter_left_out(aTHX_ letter))));

void
_send(op, letter)
    nsx_op_t op
    SV *letter
  PPCODE:
    RETURN_SV(nsx_letter_send(aTHX_ &op, nsx_letter_of(aTHX_ letter)));

# (what to wait for, until when in milliseconds of the clock), or nothing at the
# end.
void
_step(op, letter)
    nsx_work_t op
    SV *letter
  PREINIT:
    int64_t until;
    enum nsx_step step;
  PPCODE:
    step = nsx_letter_step(aTHX_ &op, letter, &until);
    SPAGAIN;
    SP -= items;
    if (step == NSX_STEP_DONE)
        XSRETURN_EMPTY;
    EXTEND(SP, 2);
    mPUSHs(nsx_want(aTHX_ step));
    mPUSHs(nsx_until(aTHX_ step, until));

void
_finish(op, letter)
    nsx_work_t op
    SV *letter
  PPCODE:
    RETURN_SV(nsx_letter_finish(aTHX_ &op, nsx_letter_of(aTHX_ letter)));

void
_cancel(letter)
    SV *letter
  CODE:
    nsx_letter_cancel(aTHX_ letter);

MODULE = Net::SMTP::XS    PACKAGE = Net::SMTP::XS::Operation

# Why none can begin on the object, or undef; dies when one is under way.
const char *
_unready(self)
    SV *self
  PREINIT:
    struct nsx_op op;
  CODE:
    nsx_op_begin_waiting(aTHX_ &op, self, items, &ST(0));
    RETVAL = nsx_unready(aTHX_ &op);
  OUTPUT:
    RETVAL

void
_occupy(op, operation)
    nsx_work_t op
    int operation
  CODE:
    op.obj->operation = (enum nsx_operation)operation;

# A command, without waiting; the greeting that is to come.  Then _heard answers
# (what to wait for, until when), or once the status is there only the class of
# the reply, 0 where none came.
void
_say(op, ...)
    nsx_work_t op
  CODE:
    nsx_dialogue_say(aTHX_ &op, items - 1,
                     arguments(aTHX_ ax, items, 1, 1));

void
_await(op)
    nsx_work_t op
  CODE:
    nsx_dialogue_await(aTHX_ &op);

void
_heard(op)
    nsx_work_t op
  PREINIT:
    int64_t until;
    enum nsx_step step;
    int digit;
  PPCODE:
    step = nsx_dialogue_step(aTHX_ &op, &until, &digit);
    SPAGAIN;
    SP -= items;
    if (step == NSX_STEP_DONE)
        XSRETURN_IV(digit == NSX_DIGIT_NONE ? 0 : digit - '0');
    EXTEND(SP, 2);
    mPUSHs(nsx_want(aTHX_ step));
    mPUSHs(nsx_until(aTHX_ step, until));

void
_learn(op)
    nsx_work_t op
  CODE:
    nsx_dialogue_learn(aTHX_ &op);

NV
_clock()
  CODE:
    RETVAL = (NV)nsx_clock_ms();
  OUTPUT:
    RETVAL

INCLUDE: xs/result.xsi

INCLUDE: xs/dial.xsi
