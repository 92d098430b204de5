/*
 * outcome.c - the engine's records as a result, the last reply as a status.
 */
#include "outcome.h"
#include "result.h"

#define US_A_SECOND 1e6

/* --- the engine's -------------------------------------------------------- */

static void
given_of(pTHX_ SV *address, struct nsx_given *given)
{
    STRLEN len;

    given->text = SvPV(address, len);
    given->len = len;
    given->is_utf8 = SvUTF8(address) != 0;
}

/* From Message.pm's list of recipients. */
static void
given_to(pTHX_ void *ctx, size_t i, struct nsx_given *given)
{
    HV *to = (HV *)SvRV(*av_fetch((AV *)ctx, (SSize_t)i, 0));

    given_of(aTHX_ nsx_field(aTHX_ to, "address"), given);
}

/* Of a plain message: what stands between the brackets. */
static void
given_path(pTHX_ void *ctx, size_t i, struct nsx_given *given)
{
    const struct nsx_envelope *v = (const struct nsx_envelope *)ctx;

    PERL_UNUSED_CONTEXT;
    given->text = nsx_envelope_path(v, i, &given->len) + 1;
    given->len -= 2;
    given->is_utf8 = 0;
}

SV *
nsx_outcome_result(pTHX_ struct letter *l, const struct nsx_message_result *r)
{
    const double elapsed = (double)r->elapsed_us / US_A_SECOND;

    if (!l->message)
        return nsx_result_new(aTHX_ &l->m.outcome, r, elapsed, given_path,
                              &l->m.envelope);
    return nsx_result_new(aTHX_ &l->m.outcome, r, elapsed, given_to,
                          SvRV(nsx_field(aTHX_ l->message, "to")));
}

/* --- of plain data ------------------------------------------------------- */

static const char *
text_of(pTHX_ HV *hv, const char *name, STRLEN *len)
{
    SV *sv = nsx_field(aTHX_ hv, name);

    *len = 0;
    return sv ? SvPV(sv, *len) : "";
}

static void
decide_from_perl(pTHX_ struct nsx_outcome *o, size_t i, HV *hv)
{
    struct nsx_enhanced x = { 0, 0, 0 };
    struct nsx_record r;
    enum nsx_fate fate;
    enum nsx_stage stage;
    STRLEN len;
    const char *text = text_of(aTHX_ hv, "outcome", &len);

    if (!nsx_fate_find(text, len, &fate))
        Perl_croak(aTHX_ "No outcome of a message: \"%s\"", text);
    text = text_of(aTHX_ hv, "stage", &len);
    if (!nsx_stage_find(text, len, &stage))
        Perl_croak(aTHX_ "No stage of a message: \"%s\"", text);
    text = text_of(aTHX_ hv, "enhanced", &len);
    (void)nsx_enhanced_parse(text, len, *text, &x);
    text = text_of(aTHX_ hv, "message", &len);
    nsx_outcome_local(o, &r, stage, x, text, len);
    r.code = (uint16_t)atoi(text_of(aTHX_ hv, "code", &len));
    nsx_outcome_decide(o, i, fate, &r);
}

static void
free_outcome(pTHX_ void *o)
{
    PERL_UNUSED_CONTEXT;
    nsx_outcome_free((struct nsx_outcome *)o);
}

static NV
number(pTHX_ HV *hv, const char *name)
{
    SV *sv = nsx_field(aTHX_ hv, name);

    return sv ? SvNV(sv) : 0;
}

static AV *
recipients_of(pTHX_ HV *facts)
{
    SV *list = nsx_field(aTHX_ facts, "recipients");
    AV *av = list && SvROK(list) && SvTYPE(SvRV(list)) == SVt_PVAV
        ? (AV *)SvRV(list)
        : NULL;
    SSize_t i;

    if (!av || av_len(av) < 0)
        Perl_croak(aTHX_ "A result has recipients");
    for (i = 0; i <= av_len(av); i++) {
        SV **slot = av_fetch(av, i, 0);

        if (!slot || !SvROK(*slot) || SvTYPE(SvRV(*slot)) != SVt_PVHV
            || !nsx_field(aTHX_(HV *) SvRV(*slot), "address"))
            Perl_croak(aTHX_ "A recipient of a result is a hash");
    }
    return av;
}

SV *
nsx_outcome_from_perl(pTHX_ HV *facts)
{
    AV *to = recipients_of(aTHX_ facts);
    const size_t count = (size_t)av_len(to) + 1;
    struct nsx_message_result r;
    struct nsx_outcome o;
    struct nsx_error e;
    SV *result;
    size_t i;

    nsx_outcome_init(&o);
    if (nsx_outcome_begin(&o, count, nsx_flag(aTHX_ facts, "skip_bad"), &e)
        != NSX_OK)
        Perl_croak(aTHX_ "Out of memory in Net::SMTP::XS");
    ENTER;
    SAVEDESTRUCTOR_X(free_outcome, &o);
    for (i = 0; i < count; i++)
        decide_from_perl(aTHX_ &o, i,
                         (HV *)SvRV(*av_fetch(to, (SSize_t)i, 0)));
    Zero(&r, 1, struct nsx_message_result);
    r.fate = nsx_outcome_message(&o, &r.decider);
    r.octets = (uint64_t)number(aTHX_ facts, "octets");
    r.transactions = (unsigned)number(aTHX_ facts, "transactions");
    r.round_trips = (unsigned)number(aTHX_ facts, "round_trips");
    r.is_reusable = nsx_flag(aTHX_ facts, "is_reusable");
    result = nsx_result_new(aTHX_ &o, &r, number(aTHX_ facts, "elapsed"),
                            given_to, to);
    LEAVE;
    return result;
}

/* --- the status ---------------------------------------------------------- */

/* A reply of one line goes into the scalars of the one before. */
static int
keep_in_place(pTHX_ GV *gv, const char *text, size_t len)
{
    const char *lf = (const char *)memchr(text, '\n', len);
    struct nsx_reply_line line;
    size_t n = len - 1;

    if (!lf || lf != text + n)
        return 0;
    if (n && text[n - 1] == '\r')
        n--;
    return nsx_reply_parse_line(text, n, &line)
        && nsx_keep_in_place(aTHX_ gv, &line);
}

int
nsx_outcome_status(pTHX_ struct nsx_op *op, const struct nsx_message *m)
{
    size_t len;
    const char *text = nsx_message_last_reply(m, &len);
    const char *const end = text + len;
    SV *code = NULL;
    AV *lines;

    if (len && keep_in_place(aTHX_ op->gv, text, len))
        return 1;
    lines = (AV *)sv_2mortal((SV *)newAV());
    while (text < end) {
        const char *lf = (const char *)memchr(text, '\n', (size_t)(end - text));
        size_t n = (size_t)((lf ? lf : end) - text);
        struct nsx_reply_line line;

        if (n && text[n - 1] == '\r')
            n--;
        if (nsx_reply_parse_line(text, n, &line)) {
            code = sv_2mortal(newSVpvn(line.code, NSX_CODE_DIGITS));
            av_push(lines, newSVpvf("%.*s\n", (int)line.text_len, line.text));
        }
        text = lf ? lf + 1 : end;
    }
    if (code)
        nsx_store_status(aTHX_ op->gv, code,
                         sv_2mortal(newRV_inc((SV *)lines)));
    return code != NULL;
}
