/*
 * letter.c - a message made from what the caller gave.
 */
#include "letter.h"

static int
letter_free(pTHX_ SV *sv, MAGIC *mg)
{
    struct letter *l = (struct letter *)(void *)mg->mg_ptr;
    SSize_t i;

    PERL_UNUSED_ARG(sv);
    if (!l)
        return 0;
    if (!PL_dirty) /* as perl ends the session may be gone */
        nsx_message_free(&l->m);
    for (i = 0; l->item && i < l->count; i++)
        SvREFCNT_dec(l->item[i]);
    nsx_free(l->item);
    nsx_free(l->own);
    SvREFCNT_dec(l->piece);
    SvREFCNT_dec(l->why);
    SvREFCNT_dec((SV *)l->message);
    SvREFCNT_dec(l->glob);
    SvREFCNT_dec(l->next);
    nsx_free(l);
    mg->mg_ptr = NULL;
    return 0;
}

static MGVTBL letter_vtbl = {
    NULL, NULL, NULL, NULL, letter_free, NULL, nsx_owned_forget, NULL
};

struct letter *
nsx_letter_of(pTHX_ SV *letter)
{
    return (struct letter *)nsx_owned(aTHX_ letter, &letter_vtbl);
}

static nsx_status
set_option(pTHX_ struct nsx_envelope *v, HV *from, enum nsx_option o,
           SSize_t index, struct nsx_error *e)
{
    SV *value = nsx_field(aTHX_ from, nsx_option_name(o));
    STRLEN len;
    const char *text;

    if (!value)
        return NSX_OK;
    text = SvPV(value, len);
    return index < 0 ? nsx_envelope_set(v, o, text, len, e)
                     : nsx_envelope_set_rcpt(v, (size_t)index, o, text, len, e);
}

static nsx_status
add_recipient(pTHX_ struct nsx_envelope *v, HV *to, struct nsx_error *e)
{
    SV *path = nsx_field(aTHX_ to, "wire");
    STRLEN len;
    const char *text = SvPV(path, len);
    SSize_t index;

    if (nsx_envelope_to(v, text, len, e) != NSX_OK)
        return NSX_ERROR;
    index = (SSize_t)v->count - 1;
    if (set_option(aTHX_ v, to, NSX_OPT_NOTIFY, index, e) != NSX_OK)
        return NSX_ERROR;
    return set_option(aTHX_ v, to, NSX_OPT_ORCPT, index, e);
}

/* The message's own hash of options has the engine's names and values. */
static nsx_status
fill_envelope(pTHX_ struct nsx_envelope *v, HV *message, struct nsx_error *e)
{
    HV *options = (HV *)SvRV(nsx_field(aTHX_ message, "options"));
    AV *to = (AV *)SvRV(nsx_field(aTHX_ message, "to"));
    STRLEN len;
    const char *from = SvPV(nsx_field(aTHX_ message, "from_wire"), len);
    nsx_status s = nsx_envelope_from(v, from, len, e);
    SSize_t i;
    int o;

    if (HvUSEDKEYS(options))
        for (o = 0; s == NSX_OK && o < NSX_OPT_COUNT_; o++)
            s = set_option(aTHX_ v, options, (enum nsx_option)o, -1, e);
    for (i = 0; s == NSX_OK && i <= av_len(to); i++)
        s = add_recipient(aTHX_ v, (HV *)SvRV(*av_fetch(to, i, 0)), e);
    return s;
}

static void
fill_rules(pTHX_ struct nsx_message_rules *r, HV *message)
{
    SV *deadline = nsx_field(aTHX_ message, "Deadline");

    r->pace = (enum nsx_pace)SvIV(nsx_field(aTHX_ message, "pace"));
    r->cr_rule = (enum nsx_cr_rule)SvIV(nsx_field(aTHX_ message, "cr_rule"));
    r->skip_bad = nsx_flag(aTHX_ message, "SkipBad");
    r->chunking = nsx_flag(aTHX_ message, "chunking");
    r->deadline = deadline ? nsx_deadline_after(SvNV(deadline)) : NSX_NEVER;
}

/* Scripts edit the hash, so that it is what counts. */
static void
learn(pTHX_ struct nsx_caps *caps, GV *gv)
{
    SV *esmtp = nsx_fact(aTHX_ gv, NSX_K_ESMTP);
    HV *hv;
    HE *he;

    nsx_caps_clear(caps);
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

U32
nsx_letter_begin(pTHX_ struct nsx_op *op)
{
    struct nsx_session *s = &op->obj->session;
    const U32 handles = op->obj->handles; /* Perl code may run from here on */
    SV *lmtp = nsx_fact(aTHX_ op->gv, NSX_K_LMTP);

    s->lmtp = (char)(lmtp && SvTRUE(lmtp));
    s->timeout = nsx_timeout(aTHX_ op);
    learn(aTHX_ &s->caps, op->gv);
    return handles;
}

SV *
nsx_letter_new(pTHX_ struct nsx_op *op, U32 handles, HV *message)
{
    struct letter *l = (struct letter *)nsx_zeroed(aTHX_ sizeof *l);
    SV *owner = nsx_owner_of(aTHX_ l, &letter_vtbl);
    struct nsx_source source;
    struct nsx_error e;

    nsx_message_init(&l->m);
    l->glob = SvREFCNT_inc_simple_NN((SV *)op->gv);
    l->handles = handles;
    l->message = (HV *)SvREFCNT_inc_simple_NN((SV *)message);
    l->is_kept = nsx_flag(aTHX_ message, "is_kept");
    l->told = 0;
    nsx_error_reset(&e);
    fill_rules(aTHX_ &l->m.rules, message);
    nsx_letter_source(aTHX_ l, &source);
    l->m.envelope.idn_help = nsx_flag(aTHX_ message, "lacks_idn")
        ? "Net::LibIDN2 or Net::IDN::Encode"
        : NULL;
    if (fill_envelope(aTHX_ &l->m.envelope, message, &e) != NSX_OK
        || nsx_message_start(&l->m, &op->obj->session, &source, &e) != NSX_OK)
        return sv_2mortal(newSVpv(e.text, 0));
    return owner;
}

void
nsx_letter_follow(pTHX_ SV *letter, SV *next)
{
    struct letter *l = nsx_letter_of(aTHX_ letter);
    struct letter *n = nsx_letter_of(aTHX_ next);

    if (l->next)
        return;
    l->next = SvREFCNT_inc_simple_NN(SvRV(next));
    l->follower = n;
    nsx_message_follow(&l->m, &n->m);
}

AV *
nsx_letter_left_out(pTHX_ SV *letter)
{
    struct letter *l = nsx_letter_of(aTHX_ letter);
    const unsigned left_out =
        nsx_envelope_left_out(&l->m.envelope, &l->m.session->caps);
    AV *names = (AV *)sv_2mortal((SV *)newAV());
    unsigned o;

    for (o = 0; left_out >> o && o < NSX_OPT_COUNT_; o++)
        if (left_out >> o & 1u)
            av_push(names,
                    newSVpv(nsx_option_extension((enum nsx_option)o), 0));
    return names;
}
