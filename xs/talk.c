/*
 * talk.c - the session of one connection, and scalars that own C memory.
 */
#include "talk.h"

/* A new thread's copy has nothing behind it. */
int
nsx_owned_forget(pTHX_ MAGIC *mg, CLONE_PARAMS *param)
{
    PERL_UNUSED_ARG(param);
    mg->mg_ptr = NULL;
    return 0;
}

SV *
nsx_owner_of(pTHX_ void *what, MGVTBL *vtbl)
{
    SV *sv = newSV(0);
    MAGIC *mg = sv_magicext(sv, NULL, PERL_MAGIC_ext, vtbl, (char *)what, 0);

#ifdef USE_ITHREADS
    mg->mg_flags |= MGf_DUP;
#else
    PERL_UNUSED_VAR(mg);
#endif
    return sv_2mortal(newRV_noinc(sv));
}

void *
nsx_owned(pTHX_ SV *ref, MGVTBL *vtbl)
{
    MAGIC *mg = SvROK(ref) && SvTYPE(SvRV(ref)) >= SVt_PVMG
        ? mg_findext(SvRV(ref), PERL_MAGIC_ext, vtbl)
        : NULL;

    if (!mg || !mg->mg_ptr)
        Perl_croak(aTHX_ "Not a message of this thread's");
    return mg->mg_ptr;
}

void *
nsx_zeroed(pTHX_ size_t n)
{
    void *p = nsx_alloc(n ? n : 1);

    if (!p)
        Perl_croak(aTHX_ "Out of memory in Net::SMTP::XS");
    memset(p, 0, n);
    return p;
}

static int
talk_free(pTHX_ SV *sv, MAGIC *mg)
{
    struct talk *t = (struct talk *)(void *)mg->mg_ptr;

    PERL_UNUSED_ARG(sv);
    if (t) {
        nsx_session_free(&t->session);
        SvREFCNT_dec(t->glob);
        nsx_free(t);
        mg->mg_ptr = NULL;
    }
    return 0;
}

static MGVTBL talk_vtbl = {
    NULL, NULL, NULL, NULL, talk_free, NULL, nsx_owned_forget, NULL
};

/* Scripts edit the hash, so that it is what counts. */
static void
learn(pTHX_ struct nsx_caps *caps, GV *gv)
{
    SV *esmtp = nsx_fact(aTHX_ gv, NSX_K_ESMTP);
    HV *hv;
    HE *he;

    if (!esmtp || !SvROK(esmtp) || SvTYPE(SvRV(esmtp)) != SVt_PVHV)
        return;
    hv = (HV *)SvRV(esmtp);
    (void)hv_iterinit(hv);
    while ((he = hv_iternext(hv))) {
        STRLEN key_len, len = 0;
        const char *key = HePV(he, key_len);
        SV *value = HeVAL(he);
        const char *params = SvOK(value) ? SvPV(value, len) : "";

        (void)nsx_caps_add(caps, key, key_len, params, len);
    }
}

SV *
nsx_talk_new(pTHX_ struct nsx_op *op, int lmtp, unsigned mails)
{
    struct talk *t = (struct talk *)nsx_zeroed(aTHX_ sizeof *t);
    SV *owner = nsx_owner_of(aTHX_ t, &talk_vtbl);

    nsx_session_init(&t->session, &op->obj->ch);
    t->glob = SvREFCNT_inc_simple_NN((SV *)op->gv);
    t->handles = op->obj->handles;
    t->session.lmtp = (char)(lmtp != 0);
    t->session.mails = mails;
    t->session.timeout = nsx_timeout(aTHX_ op);
    learn(aTHX_ &t->session.caps, op->gv);
    return owner;
}

struct talk *
nsx_talk_of(pTHX_ SV *talk)
{
    return (struct talk *)nsx_owned(aTHX_ talk, &talk_vtbl);
}
