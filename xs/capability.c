/*
 * capability.c - what the server said to EHLO.
 */
#include "glue.h"

static SV *
upper(pTHX_ const char *text, size_t len)
{
    SV *sv = sv_2mortal(newSVpvn(text, len));
    char *p = SvPVX(sv);
    size_t i;

    for (i = 0; i < len; i++)
        p[i] = (char)toUPPER(p[i]);
    return sv;
}

SV *
nsx_upper(pTHX_ SV *keyword)
{
    STRLEN len;
    const char *text = SvPV(keyword, len);

    return upper(aTHX_ text, len);
}

/* AUTH may come twice, as "AUTH ..." and the older "AUTH=...": then *more
 * becomes 1, and one stands behind the other. */
static void
add_capability(pTHX_ HV *esmtp, SV *line, int *more)
{
    struct nsx_capability cap;
    STRLEN len;
    const char *text = SvPV(line, len);
    SV *keyword, *value;

    if (!nsx_ehlo_line(text, len, &cap))
        return;
    TAINT_NOT; /* what was parsed is trusted */
    keyword = upper(aTHX_ cap.keyword, cap.keyword_len);
    if (strEQ(SvPVX(keyword), "AUTH") && hv_exists_ent(esmtp, keyword, 0)) {
        value = HeVAL(hv_fetch_ent(esmtp, keyword, 0, 0));
        sv_catpvs(value, " ");
        sv_catpvn(value, cap.params, cap.params_len);
        *more = 1;
        return;
    }
    value = newSVpvn(cap.params, cap.params_len);
    if (!hv_store_ent(esmtp, keyword, value, 0))
        SvREFCNT_dec(value);
}

static void
merge_auth(pTHX_ HV *esmtp)
{
    SV *list = *hv_fetchs(esmtp, "AUTH", 0);

    SvCUR_set(list, nsx_ehlo_distinct(SvPVX(list), SvCUR(list), SvPVX(list)));
    *SvEND(list) = '\0';
}

/* The server's own list of mechanisms: a script may put another in its place
 * to force one. */
static void
remember_offer(pTHX_ struct nsx_object *obj, HV *esmtp)
{
    SV **list = hv_fetchs(esmtp, "AUTH", 0);
    STRLEN len = 0;
    const char *text = list ? SvPV(*list, len) : "";

    nsx_buf_clear(&obj->offered);
    (void)nsx_buf_append(&obj->offered, text, len);
}

void
nsx_learn_capabilities(pTHX_ struct nsx_op *op, I32 count, SV **lines)
{
    HV *esmtp = newHV();
    int more_auth = 0;
    I32 i;

    sv_setsv_mg(nsx_fact_lvalue(aTHX_ op->gv, NSX_K_ESMTP),
                sv_2mortal(newRV_noinc((SV *)esmtp)));
    /* The first line is the greeting, whatever it looks like. */
    for (i = 1; i < count; i++)
        add_capability(aTHX_ esmtp, lines[i], &more_auth);
    if (more_auth)
        merge_auth(aTHX_ esmtp);
    remember_offer(aTHX_ op->obj, esmtp);
}

/* --- for the session ---------------------------------------------------- */

/* The hash, where each of its values can be looked at without running code;
 * else NULL. */
static HV *
plain_hash(SV *esmtp)
{
    HV *hv = esmtp && SvROK(esmtp) && !SvGMAGICAL(esmtp)
            && SvTYPE(SvRV(esmtp)) == SVt_PVHV
        ? (HV *)SvRV(esmtp)
        : NULL;

    return hv && !SvMAGICAL((SV *)hv) && HvARRAY(hv) ? hv : NULL;
}

static int
is_plain(SV *value)
{
    return !SvGMAGICAL(value) && !SvROK(value)
        && (SvPOK(value) || !SvOK(value));
}

/* A capability as the notes on what is known have it: name, NUL, parameters,
 * NUL, behind one NUL for the hash itself; no notes: nothing is known.  Two hashes with the same notes in the same order say the same; the
 * order of a hash that nobody touched stays. */
static int
is_noted(const HE *he, const char **at, const char *end)
{
    SV *value = HeVAL(he);
    const STRLEN key = (STRLEN)HeKLEN(he);
    const STRLEN len = SvPOK(value) ? SvCUR(value) : 0;
    const char *p = *at;

    if ((STRLEN)(end - p) < key + len + 2 || memcmp(p, HeKEY(he), key) != 0
        || p[key] != '\0' || p[key + 1 + len] != '\0'
        || (len && memcmp(p + key + 1, SvPVX_const(value), len) != 0))
        return 0;
    *at = p + key + len + 2;
    return 1;
}

static int
is_as_known(HV *hv, const struct nsx_buf *known)
{
    const char *at = (const char *)nsx_buf_data(known) + 1;
    const char *const end = at - 1 + known->len;
    STRLEN i;

    if (known->len == 0)
        return 0;
    for (i = 0; i <= HvMAX(hv); i++) {
        const HE *he;

        for (he = HvARRAY(hv)[i]; he; he = HeNEXT(he)) {
            if (HeVAL(he) == &PL_sv_placeholder)
                continue;
            if (!is_plain(HeVAL(he)) || !is_noted(he, &at, end))
                return 0;
        }
    }
    return at == end;
}

static int
note(struct nsx_buf *known, const char *text, STRLEN len)
{
    return nsx_buf_append(known, text, len) == NSX_E_NONE
        && nsx_buf_append(known, "", 1) == NSX_E_NONE;
}

static void
learn(pTHX_ struct nsx_object *obj, const char *key, STRLEN key_len, SV *value,
      int *is_noted_too)
{
    STRLEN len = 0;
    const char *params;

    if (!is_plain(value))
        *is_noted_too = 0;
    SvGETMAGIC(value);
    params = SvOK(value) ? SvPV_nomg(value, len) : "";
    *is_noted_too = *is_noted_too && note(&obj->known, key, key_len)
        && note(&obj->known, params, len);
    (void)nsx_caps_add(&obj->session.caps, key, key_len, params, len);
}

/* In the order of the buckets; an iterator of the script's stays where it is. */
static int
learn_plain(pTHX_ struct nsx_object *obj, HV *hv)
{
    int is_noted_too = note(&obj->known, "", 0);
    STRLEN i;

    for (i = 0; i <= HvMAX(hv); i++) {
        const HE *he;

        for (he = HvARRAY(hv)[i]; he; he = HeNEXT(he)) {
            if (HeVAL(he) == &PL_sv_placeholder)
                continue;
            if (SvGMAGICAL(HeVAL(he)) || SvROK(HeVAL(he)))
                return 0;
            learn(aTHX_ obj, HeKEY(he), (STRLEN)HeKLEN(he), HeVAL(he),
                  &is_noted_too);
        }
    }
    if (!is_noted_too)
        nsx_buf_clear(&obj->known);
    return 1;
}

/* Where to look at a value may run code. */
static void
learn_any(pTHX_ struct nsx_object *obj, HV *hv)
{
    int never = 0;
    HE *he;

    (void)hv_iterinit(hv);
    while ((he = hv_iternext(hv))) {
        STRLEN len;
        const char *key = HePV(he, len);

        learn(aTHX_ obj, key, len, hv_iterval(hv, he), &never);
    }
}

static void
forget(struct nsx_object *obj)
{
    nsx_buf_clear(&obj->known);
    nsx_caps_clear(&obj->session.caps);
}

/* 1 when no capabilities can be told without asking anybody. */
static int
has_none(SV *esmtp)
{
    SV *hv;

    if (!esmtp)
        return 1;
    if (SvGMAGICAL(esmtp) || !SvROK(esmtp))
        return !SvGMAGICAL(esmtp);
    hv = SvRV(esmtp);
    return SvTYPE(hv) == SVt_PVHV && !SvMAGICAL(hv) && !HvARRAY((HV *)hv);
}

int
nsx_plain_capabilities(pTHX_ struct nsx_op *op)
{
    struct nsx_object *obj = op->obj;
    SV *esmtp = nsx_fact(aTHX_ op->gv, NSX_K_ESMTP);
    HV *plain = plain_hash(esmtp);

    if (plain && is_as_known(plain, &obj->known))
        return 1;
    forget(obj);
    if (plain && learn_plain(aTHX_ obj, plain))
        return 1;
    forget(obj);
    return has_none(esmtp);
}

void
nsx_known_capabilities(pTHX_ struct nsx_op *op)
{
    SV *esmtp;

    if (nsx_plain_capabilities(aTHX_ op))
        return;
    esmtp = nsx_fact(aTHX_ op->gv, NSX_K_ESMTP);
    if (esmtp && SvROK(esmtp) && SvTYPE(SvRV(esmtp)) == SVt_PVHV)
        learn_any(aTHX_ op->obj, (HV *)SvRV(esmtp));
}
