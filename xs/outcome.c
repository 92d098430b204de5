/*
 * outcome.c - the engine's records as a result, the last reply as a status.
 */
#include "outcome.h"

static void
put(pTHX_ HV *hv, const char *name, SV *value)
{
    (void)hv_store(hv, name, (I32)strlen(name), value, 0);
}

static SV *
recipient_facts(pTHX_ const struct nsx_outcome *o, size_t i, SV *address,
                HV *stash)
{
    const struct nsx_record *r = &o->records[i];
    char enhanced[NSX_ENHANCED_SIZE];
    size_t len;
    const char *text = nsx_outcome_text(o, r, &len);
    HV *hv = newHV();

    put(aTHX_ hv, "address", newSVsv(address));
    put(aTHX_ hv, "outcome", newSVpv(nsx_fate_name((enum nsx_fate)r->fate), 0));
    put(aTHX_ hv, "stage",
        newSVpv(nsx_stage_name((enum nsx_stage)r->stage), 0));
    put(aTHX_ hv, "code", r->code ? newSVpvf("%03u", r->code) : newSV(0));
    put(aTHX_ hv, "enhanced",
        nsx_enhanced_format(&r->enhanced, enhanced) ? newSVpv(enhanced, 0)
                                                    : newSV(0));
    put(aTHX_ hv, "message", newSVpvn(text, len));
    return sv_bless(newRV_noinc((SV *)hv), stash);
}

static SV *
all_recipients(pTHX_ struct letter *l)
{
    AV *to = (AV *)SvRV(nsx_field(aTHX_ l->message, "to"));
    HV *stash = gv_stashpvs("Net::SMTP::XS::Result::Recipient", GV_ADD);
    AV *av = newAV();
    size_t i;

    av_extend(av, (SSize_t)l->m.outcome.count);
    for (i = 0; i < l->m.outcome.count; i++) {
        HV *hv = (HV *)SvRV(*av_fetch(to, (SSize_t)i, 0));

        av_push(av,
                recipient_facts(aTHX_ &l->m.outcome, i,
                                nsx_field(aTHX_ hv, "address"), stash));
    }
    return newRV_noinc((SV *)av);
}

SV *
nsx_outcome_facts(pTHX_ struct letter *l, const struct nsx_message_result *r)
{
    HV *hv = newHV();

    put(aTHX_ hv, "recipients", all_recipients(aTHX_ l));
    put(aTHX_ hv, "octets", newSVnv((NV)r->octets));
    put(aTHX_ hv, "transactions", newSVuv(r->transactions));
    put(aTHX_ hv, "round_trips", newSVuv(r->round_trips));
    put(aTHX_ hv, "elapsed", newSVnv((NV)r->elapsed_ms / 1000.0));
    put(aTHX_ hv, "is_reusable", newSViv(r->is_reusable));
    put(aTHX_ hv, "skip_bad", newSViv(l->m.rules.skip_bad));
    return sv_2mortal(newRV_noinc((SV *)hv));
}

int
nsx_outcome_status(pTHX_ struct nsx_op *op, const struct nsx_message *m)
{
    size_t len;
    const char *text = nsx_message_last_reply(m, &len);
    const char *const end = text + len;
    AV *lines = (AV *)sv_2mortal((SV *)newAV());
    SV *code = NULL;

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
