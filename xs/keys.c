/*
 * keys.c - names of the glob-hash keys, and access by shared key: the hash
 * value is computed once an interpreter.
 */
#include "glue.h"
#include "context.h"

static const char *const key_names[NSX_KEY_COUNT] = {
    [NSX_K_CODE] = "net_cmd_code",
    [NSX_K_RESP] = "net_cmd_resp",
    [NSX_K_LAST_CH] = "net_cmd_last_ch",
    [NSX_K_DEBUG] = "net_cmd_debug",
    [NSX_K_LINES] = "net_cmd_lines",
    [NSX_K_EXACT] = "net_smtp_exact_addr",
    [NSX_K_CHUNKING] = "net_smtp_chunking",
    [NSX_K_BARE_CR] = "net_smtp_bare_cr",
    [NSX_K_IO_TIMEOUT] = "io_socket_timeout",
    [NSX_K_PARTIAL] = "net_cmd_partial",
    [NSX_K_ESMTP] = "net_smtp_esmtp",
    [NSX_K_HELLO_DOMAIN] = "net_smtp_hello_domain",
    [NSX_K_DEBUG_SECRETS] = "net_smtp_debug_secrets",
    [NSX_K_LMTP] = "net_smtp_lmtp",
};

void
nsx_keys_boot(pTHX)
{
    dNSX_CXT;
    int i;

    for (i = 0; i < NSX_KEY_COUNT; i++) {
        SV *name = newSVpvn_share(key_names[i], (I32)strlen(key_names[i]), 0);

        NSX_CXT->keys[i] = name;
        NSX_CXT->shared[i] = SvSHARED_HEK_FROM_PV(SvPVX_const(name));
    }
}

static HE *
shared_entry(HE *const *buckets, STRLEN max, const HEK *key)
{
    HE *he = buckets[HEK_HASH(key) & max];

    while (he && HeKEY_hek(he) != key)
        he = HeNEXT(he);
    return he;
}

/* 1 when every key of the hash is shared and plain, and none is a placeholder
 * of one that is gone: then the address of the key tells its entry. */
static int
is_simple(HV *hv)
{
    return !SvMAGIC((SV *)hv) && HvSHAREKEYS(hv) && !HvHASKFLAGS(hv)
        && HvARRAY(hv);
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
    he = is_simple(hv)
        ? shared_entry(HvARRAY(hv), HvMAX(hv), NSX_CXT->shared[key])
        : hv_fetch_ent(hv, name, lvalue, SvSHARED_HASH(name));
    if (!he && lvalue)
        he = hv_fetch_ent(hv, name, 1, SvSHARED_HASH(name));
    return he ? HeVAL(he) : NULL;
}

int
nsx_facts(pTHX_ GV *gv, SV **facts)
{
    dNSX_CXT;
    HV *hv = GvHV(gv);
    HE *const *buckets;
    STRLEN max;
    int i;

    if (!hv || !is_simple(hv))
        return 0;
    buckets = HvARRAY(hv);
    max = HvMAX(hv);
    for (i = 0; i < NSX_FACT_COUNT; i++) {
        HE *he = shared_entry(buckets, max, NSX_CXT->shared[i]);

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
