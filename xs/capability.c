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
