/*
 * sasl_exchange.c - the AUTH talk as Perl sees it.
 *
 * A talk is a reference to a scalar that owns its struct nsx_auth_talk by ext
 * magic, so that a die on the way still wipes what it holds.
 */
#include "openssl_glue.h"

struct exchange {
    struct nsx_auth_talk *talk; /* NULL: it could not begin, error says why */
    struct nsx_error error;
    SV *line;      /* the line handed out for sending, until the next step */
    int64_t began; /* when the work going on began, of nsx_clock_ms */
};

/* ---- the object ---- */

/* The line is wiped in place: whoever was given it keeps an empty scalar. */
static void
drop_line(pTHX_ struct exchange *ex)
{
    if (ex->line) {
        nsx_wipe_scalar(aTHX_ ex->line);
        SvREFCNT_dec(ex->line);
        ex->line = NULL;
    }
}

static int
exchange_free(pTHX_ SV *sv, MAGIC *mg)
{
    struct exchange *ex = (struct exchange *)(void *)mg->mg_ptr;

    PERL_UNUSED_ARG(sv);
    if (ex) {
        drop_line(aTHX_ ex);
        nsx_auth_free(ex->talk);
        nsx_free(ex);
        mg->mg_ptr = NULL;
    }
    return 0;
}

/* A new thread has no part in it. */
static int
exchange_dup(pTHX_ MAGIC *mg, CLONE_PARAMS *param)
{
    PERL_UNUSED_ARG(param);
    PERL_UNUSED_CONTEXT;
    mg->mg_ptr = NULL;
    return 0;
}

static MGVTBL exchange_vtbl = { NULL,          NULL, NULL,         NULL,
                                exchange_free, NULL, exchange_dup, NULL };

static struct exchange *
exchange_of(pTHX_ SV *ref)
{
    MAGIC *mg = SvROK(ref) && SvTYPE(SvRV(ref)) >= SVt_PVMG
        ? mg_findext(SvRV(ref), PERL_MAGIC_ext, &exchange_vtbl)
        : NULL;

    if (!mg || !mg->mg_ptr)
        Perl_croak(aTHX_ "not a SASL exchange");
    return (struct exchange *)(void *)mg->mg_ptr;
}

static struct nsx_auth_talk *
talk_of(pTHX_ struct exchange *ex)
{
    if (!ex->talk)
        Perl_croak(aTHX_ "SASL exchange has not begun");
    return ex->talk;
}

/* A mortal reference, because reading arguments may die. */
static SV *
exchange_new(pTHX_ struct exchange **ex)
{
    SV *self = newSV(0);
    SV *ref = sv_2mortal(newRV_noinc(self));

    *ex = (struct exchange *)nsx_alloc(sizeof **ex);
    if (!*ex)
        Perl_croak(aTHX_ "Out of memory in Net::SMTP::XS");
    Zero(*ex, 1, struct exchange);
    nsx_magic_own(aTHX_ self, &exchange_vtbl, *ex, NULL);
    nsx_error_reset(&(*ex)->error);
    return ref;
}

SV *
nsx_talk_ours(pTHX_ SV *mechanism, HV *hash)
{
    struct nsx_sasl_config config;
    struct nsx_sasl *sasl;
    struct exchange *ex;
    STRLEN len;
    const char *name = SvPV(mechanism, len);
    SV *ref = exchange_new(aTHX_ &ex);

    ENTER;
    nsx_sasl_read(aTHX_ hash, &config);
    sasl = nsx_sasl_new(name, len, &config, &ex->error);
    if (sasl)
        ex->talk = nsx_auth_ours(sasl, &ex->error);
    LEAVE;
    return SvREFCNT_inc_simple_NN(ref);
}

SV *
nsx_talk_theirs(pTHX_ SV *mechanism, SV *first)
{
    struct exchange *ex;
    STRLEN len;
    const char *name = SvPV(mechanism, len);
    SV *ref = exchange_new(aTHX_ &ex);
    SV *octets;

    ENTER;
    octets = nsx_sasl_octets(aTHX_ first, "a response");
    ex->talk =
        nsx_auth_theirs(name, len, SvPVX(octets), SvCUR(octets), &ex->error);
    LEAVE;
    return SvREFCNT_inc_simple_NN(ref);
}

/* ---- steps ---- */

static const char *
step_name(enum nsx_auth_step step)
{
    switch (step) {
    case NSX_AUTH_SEND:
        return "send";
    case NSX_AUTH_WORK:
        return "work";
    case NSX_AUTH_CHALLENGE:
        return "challenge";
    case NSX_AUTH_SUCCESS:
        return "success";
    case NSX_AUTH_OVER:
        break;
    }
    return "over";
}

const char *
nsx_talk_start(pTHX_ SV *ref)
{
    struct exchange *ex = exchange_of(aTHX_ ref);

    return step_name(ex->talk ? nsx_auth_start(ex->talk) : NSX_AUTH_OVER);
}

size_t
nsx_talk_words(pTHX_ SV *ref, SV *words[NSX_AUTH_WORDS])
{
    struct exchange *ex = exchange_of(aTHX_ ref);
    struct nsx_octets word[NSX_AUTH_WORDS];
    size_t i, n = nsx_auth_words(talk_of(aTHX_ ex), word);

    drop_line(aTHX_ ex);
    for (i = 0; i < n; i++)
        words[i] =
            sv_2mortal(newSVpvn(word[i].len ? (const char *)word[i].data : "",
                                word[i].len));
    ex->line = SvREFCNT_inc_simple_NN(words[n - 1]);
    return n;
}

const char *
nsx_talk_reply(pTHX_ SV *ref, unsigned code, SV *text)
{
    struct exchange *ex = exchange_of(aTHX_ ref);
    STRLEN len = 0;
    const char *said = text && SvOK(text) ? SvPV(text, len) : "";
    enum nsx_auth_step step;

    drop_line(aTHX_ ex);
    step = nsx_auth_reply(talk_of(aTHX_ ex), code, said, len);
    ex->began = nsx_clock_ms();
    return step_name(step);
}

/* Milliseconds, -1 for no limit. */
static long long
allowed(double seconds)
{
    const int64_t deadline = nsx_deadline_after(seconds);

    return deadline == NSX_NEVER ? -1 : deadline - nsx_clock_ms();
}

const char *
nsx_talk_work(pTHX_ SV *ref, double seconds)
{
    struct exchange *ex = exchange_of(aTHX_ ref);
    enum nsx_auth_step step = nsx_auth_work(talk_of(aTHX_ ex));

    if (step == NSX_AUTH_WORK
        && nsx_auth_too_slow(ex->talk, nsx_clock_ms() - ex->began,
                             allowed(seconds)))
        step = nsx_auth_cancel(ex->talk,
                               "the server asks for more work"
                               " than Timeout allows");
    return step_name(step);
}

SV *
nsx_talk_challenge(pTHX_ SV *ref)
{
    struct exchange *ex = exchange_of(aTHX_ ref);
    struct nsx_octets o = nsx_auth_challenge(talk_of(aTHX_ ex));

    return newSVpvn(o.len ? (const char *)o.data : "", o.len);
}

const char *
nsx_talk_answer(pTHX_ SV *ref, SV *answer)
{
    struct exchange *ex = exchange_of(aTHX_ ref);
    enum nsx_auth_step step;
    SV *octets;

    ENTER;
    octets = nsx_sasl_octets(aTHX_ answer, "a response");
    step = nsx_auth_answer(talk_of(aTHX_ ex), SvPVX(octets), SvCUR(octets));
    LEAVE;
    return step_name(step);
}

const char *
nsx_talk_believe(pTHX_ SV *ref, int proved, const char *why)
{
    return step_name(
        nsx_auth_believe(talk_of(aTHX_ exchange_of(aTHX_ ref)), proved, why));
}

const char *
nsx_talk_cancel(pTHX_ SV *ref, const char *why)
{
    return step_name(
        nsx_auth_cancel(talk_of(aTHX_ exchange_of(aTHX_ ref)), why));
}

/* ---- what came of it ---- */

static const char *
outcome_name(enum nsx_auth_outcome outcome)
{
    switch (outcome) {
    case NSX_AUTH_PENDING:
        return "pending";
    case NSX_AUTH_ACCEPTED:
        return "accepted";
    case NSX_AUTH_UNFIT:
        return "unfit";
    case NSX_AUTH_UNSUITED:
        return "unsuited";
    case NSX_AUTH_REFUSED:
        return "refused";
    case NSX_AUTH_CANCELLED:
        return "cancelled";
    case NSX_AUTH_BROKEN:
        break;
    }
    return "broken";
}

const char *
nsx_talk_outcome(pTHX_ SV *ref)
{
    struct exchange *ex = exchange_of(aTHX_ ref);

    return outcome_name(ex->talk ? nsx_auth_outcome(ex->talk) : NSX_AUTH_UNFIT);
}

const char *
nsx_talk_why(pTHX_ SV *ref)
{
    struct exchange *ex = exchange_of(aTHX_ ref);

    return ex->talk ? nsx_auth_why(ex->talk) : ex->error.text;
}

const char *
nsx_talk_detail(pTHX_ SV *ref)
{
    struct exchange *ex = exchange_of(aTHX_ ref);

    return ex->talk ? nsx_auth_detail(ex->talk) : "";
}
