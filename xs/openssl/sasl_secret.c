/*
 * sasl_secret.c - keeping credentials out of sight: in memory that is given
 * back, and in the debugging output of the commands that carry them.
 */
#include "openssl_glue.h"

void
nsx_magic_own(pTHX_ SV *sv, MGVTBL *vtbl, void *ptr, SV *companion)
{
    MAGIC *mg =
        sv_magicext(sv, companion, PERL_MAGIC_ext, vtbl, (const char *)ptr, 0);

#ifdef USE_ITHREADS
    mg->mg_flags |= MGf_DUP;
#else
    PERL_UNUSED_VAR(mg);
#endif
}

/* A buffer that another scalar shares is left alone: it is that one's. */
void
nsx_wipe_scalar(pTHX_ SV *sv)
{
    PERL_UNUSED_CONTEXT;
    if (!SvPOK(sv) || SvREADONLY(sv) || SvLEN(sv) == 0)
        return;
#ifdef SvIsCOW
    if (SvIsCOW(sv))
        return;
#endif
    nsx_wipe(SvPVX(sv), SvLEN(sv));
    SvCUR_set(sv, 0);
}

/* The object may be gone when a program ends in the middle of an exchange. */
static int
secrecy_free(pTHX_ SV *sv, MAGIC *mg)
{
    struct nsx_object *obj = (struct nsx_object *)(void *)mg->mg_ptr;

    PERL_UNUSED_ARG(sv);
    if (obj && !PL_dirty)
        nsx_base->no_secret(obj);
    mg->mg_ptr = NULL;
    return 0;
}

static int
secrecy_dup(pTHX_ MAGIC *mg, CLONE_PARAMS *param)
{
    PERL_UNUSED_ARG(param);
    PERL_UNUSED_CONTEXT;
    mg->mg_ptr = NULL;
    return 0;
}

static MGVTBL secrecy_vtbl = { NULL,         NULL, NULL,        NULL,
                               secrecy_free, NULL, secrecy_dup, NULL };

SV *
nsx_auth_secrecy(pTHX_ SV *smtp)
{
    struct nsx_op op;
    SV *guard;

    nsx_base->enter(aTHX_ &op, smtp);
    guard = newSV(0);
    nsx_magic_own(aTHX_ guard, &secrecy_vtbl, op.obj, (SV *)op.gv);
    nsx_base->secret(op.obj);
    return newRV_noinc(guard);
}

SV *
nsx_auth_offered(pTHX_ SV *smtp)
{
    struct nsx_op op;

    nsx_base->enter(aTHX_ &op, smtp);
    return nsx_base->offered(aTHX_ &op);
}
