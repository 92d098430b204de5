/*
 * keys.c - names of the glob-hash keys, and access by shared key: the hash
 * value is computed once an interpreter.
 */
#include "glue.h"
#include "context.h"

static const char *const key_names[NSX_KEY_COUNT] = {
    "net_cmd_code",          "net_cmd_resp",        "net_cmd_last_ch",
    "net_cmd_debug",         "net_cmd_lines",       "net_cmd_partial",
    "net_smtp_esmtp",        "net_smtp_exact_addr", "net_smtp_chunking",
    "net_smtp_hello_domain", "net_smtp_bare_cr",    "net_smtp_debug_secrets",
    "net_smtp_lmtp",         "io_socket_timeout",
};

void
nsx_keys_boot(pTHX_ SV **keys)
{
    int i;

    for (i = 0; i < NSX_KEY_COUNT; i++)
        keys[i] = newSVpvn_share(key_names[i], (I32)strlen(key_names[i]), 0);
}

static HE *
shared_entry(HV *hv, SV *name)
{
    const HEK *key = SvSHARED_HEK_FROM_PV(SvPVX_const(name));
    HE *he = HvARRAY(hv)[SvSHARED_HASH(name) & HvMAX(hv)];

    while (he && (HeKEY_hek(he) != key || HeVAL(he) == &PL_sv_placeholder))
        he = HeNEXT(he);
    return he;
}

/* The entry of a name, by the address of the shared key: quicker than perl's
 * own look-up.  Only where every key of the hash is shared and plain. */
static HE *
find(pTHX_ HV *hv, SV *name)
{
    if (SvMAGICAL((SV *)hv) || !HvSHAREKEYS(hv) || HvHASKFLAGS(hv))
        return hv_fetch_ent(hv, name, 0, SvSHARED_HASH(name));
    return HvARRAY(hv) ? shared_entry(hv, name) : NULL;
}

static SV *
fetch(pTHX_ GV *gv, enum nsx_key key, int lvalue)
{
    dNSX_CXT;
    SV *name = NSX_CXT->keys[key];
    HV *hv;
    HE *he;

    if (!isGV_with_GP(gv)) /* a copied glob that was assigned to */
        Perl_croak(aTHX_ "Not a GLOB reference");
    hv = lvalue ? GvHVn(gv) : GvHV(gv);
    if (!hv)
        return NULL;
    he = find(aTHX_ hv, name);
    if (!he && lvalue)
        he = hv_fetch_ent(hv, name, 1, SvSHARED_HASH(name));
    return he ? HeVAL(he) : NULL;
}

int
nsx_facts(pTHX_ GV *gv, SV **facts)
{
    dNSX_CXT;
    HV *hv = GvHV(gv);
    int i;

    if (!hv || SvMAGICAL((SV *)hv) || !HvSHAREKEYS(hv) || HvHASKFLAGS(hv)
        || !HvARRAY(hv))
        return 0;
    for (i = 0; i < NSX_KEY_COUNT; i++) {
        HE *he = shared_entry(hv, NSX_CXT->keys[i]);

        facts[i] = he ? HeVAL(he) : NULL;
    }
    return 1;
}

SV *
nsx_fact_raw(pTHX_ GV *gv, enum nsx_key key)
{
    return fetch(aTHX_ gv, key, 0);
}

SV *
nsx_fact(pTHX_ GV *gv, enum nsx_key key)
{
    SV *sv = fetch(aTHX_ gv, key, 0);

    if (sv)
        SvGETMAGIC(sv);
    return sv;
}

SV *
nsx_fact_lvalue(pTHX_ GV *gv, enum nsx_key key)
{
    return fetch(aTHX_ gv, key, 1);
}

int
nsx_fact_runs_code(pTHX_ GV *gv, enum nsx_key key)
{
    SV *sv = fetch(aTHX_ gv, key, 0);

    return sv && (SvGMAGICAL(sv) || SvROK(sv));
}

int
nsx_fact_exists(pTHX_ GV *gv, enum nsx_key key)
{
    return fetch(aTHX_ gv, key, 0) != NULL;
}

void
nsx_fact_delete(pTHX_ GV *gv, enum nsx_key key)
{
    dNSX_CXT;
    SV *name = NSX_CXT->keys[key];

    if (isGV_with_GP(gv) && GvHV(gv))
        (void)hv_delete_ent(GvHV(gv), name, G_DISCARD, SvSHARED_HASH(name));
}

AV *
nsx_fact_array(pTHX_ GV *gv, enum nsx_key key)
{
    SV *sv = nsx_fact(aTHX_ gv, key);

    if (sv && SvROK(sv) && SvAMAGIC(sv))
        sv = amagic_deref_call(sv, to_av_amg);
    return sv && SvROK(sv) && SvTYPE(SvRV(sv)) == SVt_PVAV ? (AV *)SvRV(sv)
                                                           : NULL;
}
