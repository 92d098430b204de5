/*
 * status.c - the status of an object: code and text of its last reply, and
 * what stands in their place when the session ended.
 */
#include "glue.h"

/* A status the object was given in place of a reply. */
SV *
nsx_tagged(pTHX_ struct nsx_op *op, const char *text)
{
    return sv_2mortal(newSVpvf("[%s] %s", sv_reftype((SV *)op->gv, 1), text));
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
                   nsx_tagged(aTHX_ op, "Connection closed"));
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
                   nsx_tagged(aTHX_ op, "Timeout"));
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
                   nsx_tagged(aTHX_ op, e.text));
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
    if (nsx_session_is_torn(&op->obj->session))
        (void)nsx_channel_fail(&op->obj->ch, NSX_E_IO, "nsx_check_closed");
    if (op->obj->ch.error.code == NSX_E_NONE)
        return 0;
    nsx_failed(aTHX_ op, "_is_closed");
    return 1;
}
