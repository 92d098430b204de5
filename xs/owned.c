/*
 * owned.c - scalars that own C memory, by ext magic.
 */
#include "owned.h"

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
        Perl_croak(aTHX_ "Not an object of ours and this thread's");
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
