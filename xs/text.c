/*
 * text.c - the text that datasend and its kin were given: the caller's own
 * scalars, until Perl code may run that could change them.
 */
#include "glue.h"

static AV *
body_array(pTHX_ SV *ref)
{
    if (SvAMAGIC(ref))
        ref = amagic_deref_call(ref, to_av_amg);
    if (SvTYPE(SvRV(ref)) != SVt_PVAV)
        Perl_croak(aTHX_ "Not an ARRAY reference");
    return (AV *)SvRV(ref);
}

/* Text as it stands in the scalar: no code of Perl's runs to read it. */
static int
is_plain(SV *sv)
{
    return sv && SvPOK(sv) && !SvGMAGICAL(sv) && !SvROK(sv) && !isGV(sv);
}

static void
join_item(pTHX_ SV *joined, SV *sv)
{
    if (sv)
        SvGETMAGIC(sv);
    if (sv && SvOK(sv))
        sv_catsv_nomg(joined, sv);
    else
        (void)nsx_call_function(aTHX_ "_undefined_text", 0, NULL);
}

static void
body_single(struct nsx_text *body, SV *sv)
{
    body->single = sv;
    body->item = &body->single;
    body->count = 1;
    body->at = 0;
    body->off = 0;
}

/* A list of items of its own, each kept alive: reading one of them may run
 * code that drops the others. */
static SV **
held_items(pTHX_ const struct nsx_text *body)
{
    SV *store = sv_2mortal(newSV((STRLEN)(body->count + 1) * sizeof(SV *)));
    SV **item = (SV **)(void *)SvPVX(store);

    Copy(body->item, item, body->count, SV *);
    nsx_hold(aTHX_ body->count, item);
    return item;
}

static void
join_all(pTHX_ struct nsx_text *body)
{
    SV *joined = sv_2mortal(newSVpvs(""));
    SV **item = held_items(aTHX_ body);
    const I32 count = body->count;
    I32 i;

    for (i = 0; i < count; i++)
        join_item(aTHX_ joined, item[i]);
    body_single(body, joined);
    body->owned = 1;
}

/* Lead octets of UTF-8 for the characters 128 to 255. */
#define NSX_UTF8_LEAD_MIN 0xC2
#define NSX_UTF8_LEAD_MAX 0xC3

/* 1 when the text has characters above 255, or octets that are no characters
 * at all though Perl is told that they are: neither can be sent. */
static int
is_wide(pTHX_ SV *sv)
{
    STRLEN len, i;
    const U8 *text;

    if (!SvUTF8(sv))
        return 0;
    text = (const U8 *)SvPV_nomg(sv, len);
    for (i = 0; i < len; i++) {
        if (UTF8_IS_INVARIANT(text[i]))
            continue;
        if (text[i] < NSX_UTF8_LEAD_MIN || text[i] > NSX_UTF8_LEAD_MAX
            || ++i == len || !UTF8_IS_CONTINUATION(text[i]))
            return 1;
    }
    return 0;
}

static void
list_items(pTHX_ struct nsx_text *body, I32 argc, SV **argv)
{
    AV *av;
    I32 i;

    Zero(body, 1, struct nsx_text);
    if (argc == 1)
        SvGETMAGIC(argv[0]);
    if (argc != 1 || !SvROK(argv[0])) {
        body->item = argv;
        body->count = argc;
        return;
    }
    av = body_array(aTHX_ argv[0]);
    body->count = (I32)(av_len(av) + 1);
    if (SvRMAGICAL((SV *)av) || !AvREAL(av)) {
        SV *store = sv_2mortal(newSV((STRLEN)(body->count + 1) * sizeof(SV *)));

        body->item = (SV **)(void *)SvPVX(store);
        for (i = 0; i < body->count; i++) {
            SV **slot = av_fetch(av, i, 0);

            body->item[i] = slot ? *slot : &PL_sv_undef;
        }
        return;
    }
    body->item = AvARRAY(av); /* with holes, perhaps */
}

void
nsx_text_init(pTHX_ struct nsx_text *body, I32 argc, SV **argv)
{
    I32 i;

    list_items(aTHX_ body, argc, argv);
    for (i = 0; i < body->count; i++)
        if (!is_plain(body->item[i])) {
            join_all(aTHX_ body);
            break;
        }
    for (i = 0; i < body->count; i++)
        if (is_wide(aTHX_ body->item[i]))
            Perl_croak(aTHX_ "Wide character in syswrite");
}

static STRLEN
characters(pTHX_ SV *sv)
{
    return SvUTF8(sv) ? sv_len_utf8(sv) : SvCUR(sv);
}

STRLEN
nsx_text_length(pTHX_ const struct nsx_text *body)
{
    STRLEN total = 0;
    I32 i;

    for (i = 0; i < body->count; i++)
        total += characters(aTHX_ body->item[i]);
    return total;
}

/* Octets of what is not sent yet, in a mortal of its own. */
SV *
nsx_text_joined(pTHX_ struct nsx_text *body)
{
    SV *rest = sv_2mortal(newSVpvs(""));
    I32 i;

    for (i = body->at; i < body->count; i++) {
        SV *sv = body->item[i];
        STRLEN skip = i == body->at ? body->off : 0;
        SV *part = newSVpvn_flags(SvPVX(sv) + skip, SvCUR(sv) - skip,
                                  SVs_TEMP | SvUTF8(sv));

        (void)sv_utf8_downgrade(part, TRUE);
        sv_catsv(rest, part);
    }
    return rest;
}

/* A copy that shares the caller's octets until one of the two is changed,
 * where perl can do that. */
static SV *
shared_copy(pTHX_ SV *sv)
{
    SV *copy = sv_newmortal();

    sv_setsv_flags(copy, sv, SV_NOSTEAL | SV_COW_SHARED_HASH_KEYS);
    return copy;
}

int
nsx_text_done(const struct nsx_text *body)
{
    return body->at >= body->count;
}

/* From here on the body does not depend on the caller's scalars.  One that is
 * sent stays so. */
void
nsx_text_own(pTHX_ struct nsx_text *body)
{
    const STRLEN off = body->off;

    if (body->owned || nsx_text_done(body))
        return;
    body->owned = 1;
    if (body->count == 1 && body->at == 0
        && SvTYPE(body->item[0]) <= SVt_PVMG) {
        body_single(body, shared_copy(aTHX_ body->item[0]));
        body->off = off;
    }
    else {
        body_single(body, nsx_text_joined(aTHX_ body));
    }
}

/* The character that Perl keeps in UTF-8 as these two octets. */
static char
two_octets(const char *text)
{
    const U8 high = (U8)text[0], low = (U8)text[1];

    return (char)TWO_BYTE_UTF8_TO_NATIVE(high, low);
}

/* The last octet of the body; the body is not empty. */
char
nsx_text_last(const struct nsx_text *body)
{
    I32 i = body->count;

    while (i-- > 0) {
        SV *sv = body->item[i];
        STRLEN len = SvCUR(sv);

        if (len == 0)
            continue;
        if (SvUTF8(sv) && len > 1 && UTF8_IS_CONTINUATION(SvPVX(sv)[len - 1]))
            return two_octets(SvPVX(sv) + len - 2);
        return SvPVX(sv)[len - 1];
    }
    return '\012';
}

/* Octets of the body from where it stands, for the encoder: a slice of the
 * scalar itself, or of tmp for text that Perl keeps in UTF-8. */
const char *
nsx_text_slice(struct nsx_text *body, char *tmp, size_t size, size_t *len)
{
    SV *sv = body->item[body->at];
    const char *text = SvPVX(sv) + body->off;
    size_t left = SvCUR(sv) - body->off, i, n = 0;

    if (!SvUTF8(sv)) {
        *len = left;
        return text;
    }
    for (i = 0; i < left && n < size; n++) {
        if (UTF8_IS_INVARIANT(text[i])) {
            tmp[n] = text[i++];
        }
        else {
            tmp[n] = two_octets(text + i);
            i += 2;
        }
    }
    *len = n;
    return tmp;
}

/* Moves on by n octets. */
void
nsx_text_advance(struct nsx_text *body, size_t n)
{
    SV *sv = body->item[body->at];

    if (SvUTF8(sv))
        while (n-- > 0)
            body->off += UTF8_IS_INVARIANT(SvPVX(sv)[body->off]) ? 1 : 2;
    else
        body->off += n;
    while (body->at < body->count && body->off >= SvCUR(body->item[body->at])) {
        body->at++;
        body->off = 0;
    }
}

void
nsx_text_skip_empty(struct nsx_text *body)
{
    if (!nsx_text_done(body))
        nsx_text_advance(body, 0);
}

/* Fills out[0..size) with encoded body; answers the octets written. */
size_t
nsx_text_encode(struct nsx_dot *dot, struct nsx_text *body, char *out,
                size_t size)
{
    char tmp[NSX_SLICE];
    size_t used = 0;

    while (!nsx_text_done(body) && size - used >= NSX_DOT_MIN_ROOM) {
        size_t len, taken;
        const char *text = nsx_text_slice(body, tmp, sizeof tmp, &len);

        used += nsx_dot_encode(dot, text, len, out + used, size - used, &taken);
        if (taken == 0 && len > 0)
            break;
        nsx_text_advance(body, taken);
    }
    return used;
}
