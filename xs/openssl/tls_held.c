/*
 * tls_held.c - references Perl holds to things of the TLS core: blessed
 * scalars that carry the pointer in ext magic, told by the magic table.
 */
#include "openssl_glue.h"

static int
free_config(pTHX_ SV *sv, MAGIC *mg)
{
    PERL_UNUSED_CONTEXT;
    PERL_UNUSED_ARG(sv);
    nsx_tls_config_drop((struct nsx_tls_config *)(void *)mg->mg_ptr);
    mg->mg_ptr = NULL;
    return 0;
}

static int
free_sessions(pTHX_ SV *sv, MAGIC *mg)
{
    PERL_UNUSED_CONTEXT;
    PERL_UNUSED_ARG(sv);
    nsx_tls_sessions_drop((struct nsx_tls_sessions *)(void *)mg->mg_ptr);
    mg->mg_ptr = NULL;
    return 0;
}

static int
free_cert(pTHX_ SV *sv, MAGIC *mg)
{
    PERL_UNUSED_CONTEXT;
    PERL_UNUSED_ARG(sv);
    nsx_tls_cert_drop((struct x509_st *)(void *)mg->mg_ptr);
    mg->mg_ptr = NULL;
    return 0;
}

#ifdef USE_ITHREADS
/* The core counts references to these without locks: they stay in the thread
 * that made them, and a copy holds nothing. */
static int
dup_nothing(pTHX_ MAGIC *mg, CLONE_PARAMS *param)
{
    PERL_UNUSED_CONTEXT;
    PERL_UNUSED_ARG(param);
    mg->mg_ptr = NULL;
    return 0;
}

static int
dup_cert(pTHX_ MAGIC *mg, CLONE_PARAMS *param)
{
    PERL_UNUSED_CONTEXT;
    PERL_UNUSED_ARG(param);
    if (mg->mg_ptr)
        (void)nsx_tls_cert_hold((struct x509_st *)(void *)mg->mg_ptr);
    return 0;
}
#else
#define dup_nothing NULL
#define dup_cert NULL
#endif

static MGVTBL tables[NSX_HELD_COUNT] = {
    { NULL, NULL, NULL, NULL, free_config, NULL, dup_nothing, NULL },
    { NULL, NULL, NULL, NULL, free_sessions, NULL, dup_nothing, NULL },
    { NULL, NULL, NULL, NULL, free_cert, NULL, dup_cert, NULL }
};

static const char *const classes[NSX_HELD_COUNT] = {
    "Net::SMTP::XS::TLS::Config", "Net::SMTP::XS::TLS::SessionCache",
    "Net::SMTP::XS::TLS::Certificate"
};

SV *
nsx_held_new(pTHX_ enum nsx_held kind, void *thing)
{
    SV *sv = newSV_type(SVt_PVMG);
    MAGIC *mg = sv_magicext(sv, NULL, PERL_MAGIC_ext, &tables[kind],
                            (const char *)thing, 0);

#ifdef USE_ITHREADS
    mg->mg_flags |= MGf_DUP;
#else
    PERL_UNUSED_VAR(mg);
#endif
    return sv_bless(newRV_noinc(sv), gv_stashpv(classes[kind], GV_ADD));
}

SV *
nsx_held_cert(pTHX_ struct x509_st *cert)
{
    return cert ? nsx_held_new(aTHX_ NSX_HELD_CERT, nsx_tls_cert_hold(cert))
                : newSV(0);
}

void *
nsx_held(pTHX_ SV *sv, enum nsx_held kind)
{
    MAGIC *mg;

    if (!sv || !SvROK(sv) || SvTYPE(SvRV(sv)) < SVt_PVMG || !SvMAGIC(SvRV(sv)))
        return NULL;
    mg = mg_findext(SvRV(sv), PERL_MAGIC_ext, &tables[kind]);
    return mg ? (void *)mg->mg_ptr : NULL;
}
