/*
 * plain.c - plain messages; see plain.h.
 */
#include "plain.h"
#include "context.h"
#include "message.h"
#include "outcome.h"

/* Longest address that is looked at here. */
#define MOST_ADDRESS 254

/* Digits of Size, as Message.pm takes them. */
#define MOST_DIGITS 18

/* The arguments; NULL where not given. */
struct arguments {
    SV *from, *to, *data;
    char size[NSX_DIGITS]; /* digits of Size */
    size_t size_len;
    int skip_bad, chunking;
    enum nsx_pace pace;
};

/* --- arguments ---------------------------------------------------------- */

/* Octets that can be read in place, and are what they seem to be. */
static int
is_octets(SV *sv)
{
    return SvPOK(sv) && !SvGMAGICAL(sv) && !SvROK(sv) && !SvUTF8(sv)
        && SvTYPE(sv) <= SVt_PVMG;
}

static int
take_flag(pTHX_ SV *value, int *flag)
{
    return nsx_plain_truth(aTHX_ value, flag);
}

/* A number that nobody has looked at as text; *number is it. */
static int
is_number(SV *sv, IV *number)
{
    *number = 0;
    if (!SvIOK(sv) || SvIsUV(sv) || SvPOK(sv) || SvNOK(sv) || SvROK(sv))
        return 0;
    *number = SvIVX(sv);
    return 1;
}

static int
take_pace(SV *value, enum nsx_pace *pace)
{
    IV number;

    if (is_number(value, &number) && number == 0) {
        *pace = NSX_PACE_LOCKSTEP;
        return 1;
    }
    if (!is_octets(value))
        return 0;
    return nsx_pace_find(SvPVX_const(value), SvCUR(value), pace);
}

static int
take_size(struct arguments *a, SV *value)
{
    IV number;
    STRLEN i;

    if (is_number(value, &number) && number >= 0) {
        a->size_len = nsx_decimal((uint64_t)number, a->size);
        return a->size_len <= MOST_DIGITS;
    }
    if (!is_octets(value) || SvCUR(value) == 0 || SvCUR(value) > MOST_DIGITS)
        return 0;
    for (i = 0; i < SvCUR(value); i++)
        if (!isDIGIT(SvPVX_const(value)[i]))
            return 0;
    Copy(SvPVX_const(value), a->size, SvCUR(value), char);
    a->size_len = SvCUR(value);
    return 1;
}

static int
take_sv(SV *value, SV **out)
{
    *out = value;
    return 1;
}

static int
take(pTHX_ struct arguments *a, SV *name, SV *value)
{
    if (!is_octets(name) || SvGMAGICAL(value))
        return 0;
    if (strEQ(SvPVX_const(name), "From"))
        return take_sv(value, &a->from);
    if (strEQ(SvPVX_const(name), "To"))
        return take_sv(value, &a->to);
    if (strEQ(SvPVX_const(name), "Data"))
        return take_sv(value, &a->data);
    if (!SvOK(value)) /* as if it were not there, but it may have been */
        return 0;
    if (strEQ(SvPVX_const(name), "SkipBad"))
        return take_flag(aTHX_ value, &a->skip_bad);
    if (strEQ(SvPVX_const(name), "Pipelining"))
        return take_pace(value, &a->pace);
    if (strEQ(SvPVX_const(name), "Chunking"))
        return take_flag(aTHX_ value, &a->chunking);
    if (strEQ(SvPVX_const(name), "Size"))
        return take_size(a, value);
    return 0;
}

/* What Data is, or refers to; NULL where Message.pm must look. */
static SV *
octets_of(SV *data)
{
    if (SvROK(data) && !SvOBJECT(SvRV(data)))
        data = SvRV(data);
    return is_octets(data) ? data : NULL;
}

static int
judge(pTHX_ struct arguments *a, I32 ax, I32 n)
{
    I32 i;

    Zero(a, 1, struct arguments);
    a->chunking = 1;
    a->pace = NSX_PACE_ENVELOPE;
    if (n % 2)
        return 0;
    for (i = 0; i < n; i += 2)
        if (!take(aTHX_ a, ST(i), ST(i + 1)))
            return 0;
    if (!a->from || !a->to || !a->data)
        return 0;
    a->data = octets_of(a->data);
    return a->data != NULL;
}

/* --- addresses ---------------------------------------------------------- */

/* Characters of which an address can be made that every rule leaves as it is:
 * those of atoms (RFC 5322 3.2.3), dots, '@'. */
static int
is_common(char c)
{
    return isALNUM(c) || (c && strchr("@.-_+!#$%&'*/=?^`{|}~", c));
}

/* Writes the path with its brackets: its length, or 0. */
static size_t
write_path(SV *address, char out[MOST_ADDRESS + 2])
{
    const char *text;
    STRLEN len, i;

    if (!is_octets(address) || SvCUR(address) > MOST_ADDRESS)
        return 0;
    text = SvPVX_const(address);
    len = SvCUR(address);
    out[0] = '<';
    for (i = 0; i < len; i++) {
        if (!is_common(text[i]))
            return 0;
        out[i + 1] = text[i];
    }
    out[len + 1] = '>';
    return len + 2;
}

static int
add_recipient(struct nsx_envelope *v, SV *address)
{
    char path[MOST_ADDRESS + 2];
    struct nsx_error e;
    size_t len = write_path(address, path);

    e.code = NSX_E_NONE;
    return len > 2 && nsx_envelope_to(v, path, len, &e) == NSX_OK;
}

static int
add_recipients(pTHX_ struct nsx_envelope *v, SV *to)
{
    AV *av = SvROK(to) && SvTYPE(SvRV(to)) == SVt_PVAV ? (AV *)SvRV(to) : NULL;
    SSize_t i;

    PERL_UNUSED_CONTEXT;
    if (!av)
        return add_recipient(v, to);
    if (SvMAGICAL((SV *)av) || SvOBJECT((SV *)av))
        return 0;
    for (i = 0; i <= AvFILLp(av); i++)
        if (!AvARRAY(av)[i] || !add_recipient(v, AvARRAY(av)[i]))
            return 0;
    return v->count > 0;
}

static int
fill_envelope(pTHX_ struct nsx_envelope *v, const struct arguments *a)
{
    char path[MOST_ADDRESS + 2];
    struct nsx_error e;
    size_t len = write_path(a->from, path);

    e.code = NSX_E_NONE;
    if (!len || nsx_envelope_from(v, path, len, &e) != NSX_OK
        || !add_recipients(aTHX_ v, a->to))
        return 0;
    return !a->size_len
        || nsx_envelope_set(v, NSX_OPT_SIZE, a->size, a->size_len, &e)
        == NSX_OK;
}

/* --- the object --------------------------------------------------------- */

static int
cr_rule_of(SV *fact, enum nsx_cr_rule *rule)
{
    *rule = NSX_CR_PASS;
    return !fact || (!SvOK(fact) && !SvGMAGICAL(fact))
        || (is_octets(fact)
            && nsx_cr_rule_find(SvPVX_const(fact), SvCUR(fact), rule));
}

/* Readies the session: 0 where something is unusual. */
static int
enter(pTHX_ struct nsx_straight *s, SV *self, enum nsx_cr_rule *rule)
{
    int is_lmtp, is_exact;

    if (!nsx_straight_enter(aTHX_ s, self, 0) || s->obj->waits
        || nsx_class_sends(aTHX_ SvSTASH((SV *)s->gv))
        || nsx_addr_replaced(aTHX)
        || !nsx_plain_truth(aTHX_ nsx_fact_raw(aTHX_ s->gv, NSX_K_LMTP),
                            &is_lmtp)
        || is_lmtp || !nsx_plain_truth(aTHX_ s->fact[NSX_K_EXACT], &is_exact)
        || !cr_rule_of(s->fact[NSX_K_BARE_CR], rule))
        return 0;
    return nsx_straight_is_same_file(aTHX_ s);
}

/* Fills the letter and starts it: 0 with nothing sent. */
static int
start(pTHX_ struct letter *l, const struct nsx_straight *s,
      const struct arguments *a)
{
    struct nsx_message *m = &l->m;
    struct nsx_source source;
    struct nsx_error e;

    m->rules.pace = a->pace;
    m->rules.skip_bad = a->skip_bad;
    m->rules.chunking = a->chunking;
    if (!fill_envelope(aTHX_ &m->envelope, a)
        || nsx_envelope_left_out(&m->envelope, &s->obj->session.caps))
        return 0;
    nsx_letter_string(aTHX_ l, a->data, &source);
    l->handles = s->obj->handles;
    e.code = NSX_E_NONE;
    return nsx_message_start(m, &s->obj->session, &source, &e) == NSX_OK;
}

/* The overloading of results. */
static int
has_results(pTHX)
{
    dNSX_CXT;

    if (NSX_CXT->has_results)
        return 1;
    ENTER;
    save_scalar(PL_errgv);
    require_pv("Net/SMTP/XS/Result.pm");
    LEAVE;
    NSX_CXT->has_results =
        get_cv("Net::SMTP::XS::Result::as_string", 0) != NULL;
    return NSX_CXT->has_results;
}

SV *
nsx_plain_send(pTHX_ SV *self, I32 ax, I32 n)
{
    struct nsx_straight s;
    struct arguments a;
    struct nsx_op op;
    struct letter *l;
    enum nsx_cr_rule rule;
    SV *result = NULL;

    if (!has_results(aTHX) || !judge(aTHX_ &a, ax, n)
        || !enter(aTHX_ &s, self, &rule))
        return NULL;
    nsx_straight_leave(aTHX_ &s, &op);
    s.obj->unsure = 0; /* it was looked at */
    s.obj->session.timeout = s.timeout;
    if (!nsx_plain_capabilities(aTHX_
                                & op)) /* code might change what was judged */
        return NULL;
    ENTER;
    l = nsx_letter_borrow(aTHX);
    l->m.rules.cr_rule = rule;
    if (start(aTHX_ l, &s, &a))
        result = nsx_letter_send(aTHX_ &op, l);
    LEAVE;
    return result;
}
