/*
 * letter.c - a message made from what the caller gave.
 */
#include "letter.h"
#include "context.h"

/* Lets go of all that is held. */
static void
let_go(pTHX_ struct letter *l)
{
    SSize_t i;

    for (i = 0; l->item && i < l->count; i++)
        SvREFCNT_dec(l->item[i]);
    if (l->item != &l->only)
        nsx_free(l->item);
    nsx_free(l->own);
    SvREFCNT_dec(l->piece);
    SvREFCNT_dec(l->why);
    SvREFCNT_dec((SV *)l->message);
    SvREFCNT_dec(l->glob);
    SvREFCNT_dec(l->next);
}

static int
letter_free(pTHX_ SV *sv, MAGIC *mg)
{
    struct letter *l = (struct letter *)(void *)mg->mg_ptr;

    PERL_UNUSED_ARG(sv);
    if (!l)
        return 0;
    if (!PL_dirty) /* as perl ends the session may be gone */
        nsx_message_free(&l->m);
    let_go(aTHX_ l);
    nsx_free(l);
    mg->mg_ptr = NULL;
    return 0;
}

/* --- the one that plain messages use, one after the other ---------------- */

static void
free_lent(pTHX_ void *arg)
{
    nsx_cxt *const cxt = (nsx_cxt *)arg;

    PERL_UNUSED_CONTEXT;
    nsx_message_free(&cxt->letter->m);
    nsx_free(cxt->letter);
    cxt->letter = NULL;
}

static struct letter *
new_letter(pTHX)
{
    struct letter *l = (struct letter *)nsx_zeroed(aTHX_ sizeof *l);

    nsx_message_init(&l->m);
    return l;
}

static void
give_back(pTHX_ void *arg)
{
    dNSX_CXT;
    struct letter *l = (struct letter *)arg;
    const size_t kept = offsetof(struct letter, glob);

    let_go(aTHX_ l);
    if (l != NSX_CXT->letter) {
        nsx_message_free(&l->m);
        nsx_free(l);
        return;
    }
    nsx_message_reset(&l->m);
    memset((char *)l + kept, 0, sizeof *l - kept);
    NSX_CXT->letter_lent = 0;
}

struct letter *
nsx_letter_borrow(pTHX)
{
    dNSX_CXT;
    struct letter *l = NSX_CXT->letter;

    if (!l) {
        l = NSX_CXT->letter = new_letter(aTHX);
        call_atexit(free_lent, NSX_CXT);
    }
    else if (NSX_CXT->letter_lent) {
        l = new_letter(aTHX);
    }
    if (l == NSX_CXT->letter)
        NSX_CXT->letter_lent = 1;
    SAVEDESTRUCTOR_X(give_back, l);
    return l;
}

/* --- one made from Message.pm's hash -------------------------------------- */

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
    const char *text;
    STRLEN len;

    text = SvPV(nsx_field(aTHX_ message, "pace"), len);
    (void)nsx_pace_find(text, len, &r->pace);
    text = SvPV(nsx_field(aTHX_ message, "bare_cr"), len);
    (void)nsx_cr_rule_find(text, len, &r->cr_rule);
    r->skip_bad = nsx_flag(aTHX_ message, "SkipBad");
    r->chunking = nsx_flag(aTHX_ message, "chunking");
    r->limit = deadline ? SvNV(deadline) : 0;
}

U32
nsx_letter_begin(pTHX_ struct nsx_op *op)
{
    struct nsx_session *s = &op->obj->session;
    const U32 handles = op->obj->handles; /* Perl code may run from here on */
    SV *lmtp = nsx_fact(aTHX_ op->gv, NSX_K_LMTP);

    s->lmtp = (char)(lmtp && SvTRUE(lmtp));
    s->timeout = nsx_timeout(aTHX_ op);
    nsx_known_capabilities(aTHX_ op);
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
