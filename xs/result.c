/*
 * result.c - the facts of a result in the octets of one scalar.
 */
#include "result.h"

/* The scalar's octets: this, then a record, then an address a recipient, then
 * the texts of records, then those of addresses. */
struct head {
    uint64_t octets;
    double elapsed;
    uint32_t size; /* of all: tells a scalar that was written to */
    uint32_t count, decider, texts;
    uint32_t transactions, round_trips;
    uint8_t fate, skip_bad, is_reusable;
};

struct address {
    uint32_t at, len; /* in the texts of addresses */
    uint32_t is_utf8;
};

/* Where everything is. */
struct view {
    const struct head *head;
    const struct nsx_record *records;
    const struct address *addresses;
    const char *texts, *names;
    size_t names_len;
};

#define PER_RECIPIENT (sizeof(struct nsx_record) + sizeof(struct address))

/* 1 when len octets can be what this file once made. */
static int
is_whole(const struct head *h, size_t len)
{
    size_t left;

    if (len < sizeof *h || h->size != len || h->count == 0
        || h->decider >= h->count || h->fate > NSX_FATE_PARTIAL)
        return 0;
    left = len - sizeof *h;
    return left / PER_RECIPIENT >= h->count
        && left - h->count * PER_RECIPIENT >= h->texts;
}

static void
look_at(const struct head *h, struct view *v)
{
    v->head = h;
    v->records = (const struct nsx_record *)(const void *)(h + 1);
    v->addresses =
        (const struct address *)(const void *)(v->records + h->count);
    v->texts = (const char *)(v->addresses + h->count);
    v->names = v->texts + h->texts;
    v->names_len = (size_t)((const char *)h + h->size - v->names);
}

/* What stands in the scalar is not to be trusted: scripts can write to it. */
static void
view_of(pTHX_ SV *result, struct view *v)
{
    SV *sv = SvROK(result) ? SvRV(result) : NULL;

    if (!sv || !SvPOK(sv) || SvOOK(sv)
        || !is_whole((const struct head *)(const void *)SvPVX_const(sv),
                     SvCUR(sv)))
        Perl_croak(aTHX_ "Not a result of send_message");
    look_at((const struct head *)(const void *)SvPVX_const(sv), v);
}

/* --- making one --------------------------------------------------------- */

static size_t
length_of_names(pTHX_ const struct nsx_outcome *o, nsx_given_fn given,
                void *ctx)
{
    struct nsx_given g;
    size_t i, len = 0;

    for (i = 0; i < o->count; i++) {
        given(aTHX_ ctx, i, &g);
        len += g.len;
    }
    return len;
}

static void
fill_addresses(pTHX_ struct address *a, char *names,
               const struct nsx_outcome *o, nsx_given_fn given, void *ctx)
{
    struct nsx_given g;
    uint32_t at = 0;
    size_t i;

    for (i = 0; i < o->count; i++) {
        given(aTHX_ ctx, i, &g);
        a[i].at = at;
        a[i].len = (uint32_t)g.len;
        a[i].is_utf8 = g.is_utf8 != 0;
        Copy(g.text, names + at, g.len, char);
        at += a[i].len;
    }
}

SV *
nsx_result_new(pTHX_ const struct nsx_outcome *o,
               const struct nsx_message_result *r, double elapsed,
               nsx_given_fn given, void *ctx)
{
    const size_t names = length_of_names(aTHX_ o, given, ctx);
    const size_t size =
        sizeof(struct head) + o->count * PER_RECIPIENT + o->texts.len + names;
    SV *sv = newSV(size + 1);
    SV *ref = sv_2mortal(newRV_noinc(sv));
    struct head *h = (struct head *)(void *)SvPVX(sv);
    struct view v;

    if (size > U32_MAX)
        Perl_croak(aTHX_ "Out of memory in Net::SMTP::XS");
    Zero(h, 1, struct head);
    h->octets = r->octets;
    h->elapsed = elapsed;
    h->size = (uint32_t)size;
    h->count = (uint32_t)o->count;
    h->decider = (uint32_t)r->decider;
    h->texts = (uint32_t)o->texts.len;
    h->transactions = r->transactions;
    h->round_trips = r->round_trips;
    h->fate = (uint8_t)r->fate;
    h->skip_bad = o->skip_bad != 0;
    h->is_reusable = r->is_reusable != 0;
    look_at(h, &v);
    Copy(o->records, (struct nsx_record *)v.records, o->count,
         struct nsx_record);
    if (o->texts.len)
        Copy(nsx_buf_data(&o->texts), (char *)v.texts, o->texts.len, char);
    fill_addresses(aTHX_(struct address *) v.addresses, (char *)v.names, o,
                   given, ctx);
    SvPVX(sv)[size] = '\0';
    SvCUR_set(sv, size);
    SvPOK_only(sv);
    return sv_bless(ref, gv_stashpvs("Net::SMTP::XS::Result", GV_ADD));
}

/* --- asking it ---------------------------------------------------------- */

static const struct nsx_record *
record_at(pTHX_ const struct view *v, size_t i)
{
    const struct nsx_record *r = &v->records[i];

    if (i >= v->head->count || r->fate > NSX_FATE_UNSENT
        || r->stage > NSX_STAGE_END || r->text > v->head->texts
        || r->text_len > v->head->texts - r->text)
        Perl_croak(aTHX_ "Not a result of send_message");
    return r;
}

static SV *
code_sv(pTHX_ const struct nsx_record *r)
{
    return r->code ? newSVpvf("%03u", r->code) : newSV(0);
}

static SV *
enhanced_sv(pTHX_ const struct nsx_record *r)
{
    char text[NSX_ENHANCED_SIZE];

    return nsx_enhanced_format(&r->enhanced, text) ? newSVpv(text, 0)
                                                   : newSV(0);
}

static SV *
text_sv(pTHX_ const struct view *v, const struct nsx_record *r)
{
    return newSVpvn(v->texts + r->text, r->text_len);
}

static SV *
truth_sv(pTHX_ int is)
{
    return newSVsv(boolSV(is));
}

static SV *
record_fact(pTHX_ const struct view *v, const struct nsx_record *r,
            enum nsx_result_fact fact)
{
    switch (fact) {
    case NSX_RESULT_CODE:
        return code_sv(aTHX_ r);
    case NSX_RESULT_ENHANCED:
        return enhanced_sv(aTHX_ r);
    case NSX_RESULT_MESSAGE:
        return text_sv(aTHX_ v, r);
    case NSX_RESULT_STAGE:
        return newSVpv(nsx_stage_name((enum nsx_stage)r->stage), 0);
    case NSX_RESULT_IS_TEMPORARY:
        return truth_sv(aTHX_ nsx_record_is_temporary(r));
    case NSX_RESULT_IS_PERMANENT:
        return truth_sv(aTHX_ nsx_record_is_permanent(r));
    default:
        return newSVpv(nsx_fate_name((enum nsx_fate)r->fate), 0);
    }
}

static SV *
address_sv(pTHX_ const struct view *v, size_t i)
{
    const struct address *a = &v->addresses[i];
    SV *sv;

    if (i >= v->head->count || a->at > v->names_len
        || a->len > v->names_len - a->at)
        Perl_croak(aTHX_ "Not a result of send_message");
    sv = newSVpvn(v->names + a->at, a->len);
    if (a->is_utf8)
        SvUTF8_on(sv);
    return sv;
}

static SV *
recipient_sv(pTHX_ const struct view *v, size_t i)
{
    static const struct {
        const char *name;
        enum nsx_result_fact fact;
    } facts[] = {
        { "outcome", NSX_RESULT_OUTCOME },
        { "code", NSX_RESULT_CODE },
        { "enhanced", NSX_RESULT_ENHANCED },
        { "message", NSX_RESULT_MESSAGE },
        { "stage", NSX_RESULT_STAGE },
        { "is_temporary", NSX_RESULT_IS_TEMPORARY },
        { "is_permanent", NSX_RESULT_IS_PERMANENT },
    };
    const struct nsx_record *r = record_at(aTHX_ v, i);
    HV *hv = newHV();
    SV *ref = sv_2mortal(newRV_noinc((SV *)hv));
    size_t f;

    (void)hv_stores(hv, "address", address_sv(aTHX_ v, i));
    for (f = 0; f < C_ARRAY_LENGTH(facts); f++)
        (void)hv_store(hv, facts[f].name, (I32)strlen(facts[f].name),
                       record_fact(aTHX_ v, r, facts[f].fact), 0);
    (void)sv_bless(ref,
                   gv_stashpvs("Net::SMTP::XS::Result::Recipient", GV_ADD));
    return SvREFCNT_inc_simple_NN(ref);
}

static int
is_success(const struct head *h)
{
    return h->fate == NSX_FATE_ACCEPTED
        || (h->fate == NSX_FATE_PARTIAL && h->skip_bad);
}

SV *
nsx_result_fact(pTHX_ SV *result, enum nsx_result_fact fact)
{
    struct view v;

    view_of(aTHX_ result, &v);
    switch (fact) {
    case NSX_RESULT_OUTCOME:
        return newSVpv(nsx_fate_name((enum nsx_fate)v.head->fate), 0);
    case NSX_RESULT_OCTETS:
        return newSVnv((NV)v.head->octets);
    case NSX_RESULT_TRANSACTIONS:
        return newSVuv(v.head->transactions);
    case NSX_RESULT_ROUND_TRIPS:
        return newSVuv(v.head->round_trips);
    case NSX_RESULT_ELAPSED:
        return newSVnv(v.head->elapsed);
    case NSX_RESULT_IS_REUSABLE:
        return truth_sv(aTHX_ v.head->is_reusable);
    case NSX_RESULT_IS_SUCCESS:
        return truth_sv(aTHX_ is_success(v.head));
    case NSX_RESULT_DECIDER:
        return recipient_sv(aTHX_ &v, v.head->decider);
    default:
        return record_fact(aTHX_ &v, record_at(aTHX_ &v, v.head->decider),
                           fact);
    }
}

size_t
nsx_result_count(pTHX_ SV *result)
{
    struct view v;

    view_of(aTHX_ result, &v);
    return v.head->count;
}

int
nsx_result_has(pTHX_ SV *result, size_t i, int which)
{
    const struct nsx_record *r;
    struct view v;

    view_of(aTHX_ result, &v);
    r = record_at(aTHX_ &v, i);
    return which == NSX_RESULT_ALL
        || (which == NSX_RESULT_RETRY ? nsx_record_may_retry(r)
                                      : r->fate == which);
}

SV *
nsx_result_address(pTHX_ SV *result, size_t i)
{
    struct view v;

    view_of(aTHX_ result, &v);
    return address_sv(aTHX_ &v, i);
}

SV *
nsx_result_recipient(pTHX_ SV *result, size_t i)
{
    struct view v;

    view_of(aTHX_ result, &v);
    return recipient_sv(aTHX_ &v, i);
}
