/*
 * command.c - commands on their way to the server, and their replies.
 */
#include "glue.h"

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

void
nsx_command_build(pTHX_ struct nsx_op *op, I32 argc, SV **argv)
{
    settle_words(aTHX_ argc, argv, 0);
    build_command(aTHX_ op, argc, argv);
}

/* Reads the replies that nobody asks for any more: 1, or 0 when nothing can be
 * sent.  Behind a go-ahead (354, 334) the server takes a command for text. */
static int
pass_disowned(pTHX_ struct nsx_op *op)
{
    if (nsx_disowned_replies(aTHX_ op) == NSX_DIGIT_MORE) {
        nsx_session_tear(&op->obj->session);
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

int
nsx_make_ready(pTHX_ struct nsx_op *op)
{
    if (nsx_interrupts(aTHX_ op) || nsx_is_closed(aTHX_ op))
        return 0;
    if (nsx_fact_exists(aTHX_ op->gv, NSX_K_LAST_CH))
        finish_message(aTHX_ op);
    return pass_disowned(aTHX_ op);
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
    const enum nsx_verb verb =
        nsx_verb_find((const char *)nsx_buf_data(out), out->len);
    int ok;

    ENTER;
    if (nsx_is_secret(op, how))
        SAVEDESTRUCTOR_X(wipe_command, op->obj);
    ok = nsx_write_unit(aTHX_ op, (const char *)nsx_buf_data(out), out->len,
                        more);
    if (ok)
        nsx_expect_reply(op, verb);
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
                 in_data || nsx_session_is_disowned(&op->obj->session)
                     || is_observed(aTHX_ op));
    if (in_data)
        finish_message(aTHX_ op);
    if (argc == 0)
        return 1;
    if (nsx_session_is_disowned(&op->obj->session) && !pass_disowned(aTHX_ op))
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
