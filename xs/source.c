/*
 * source.c - the octets of a message's body, and calls to the code they come
 * from.
 */
#include "source.h"
#include "owned.h"

/* Octets of a string handed out at a time: as much as may have to be copied
 * before Perl code runs that could change the string. */
#define PIECE_SIZE 65536u

SV *
nsx_field(pTHX_ HV *hv, const char *name)
{
    SV **slot = hv_fetch(hv, name, (I32)strlen(name), 0);

    return slot && *slot && SvOK(*slot) ? *slot : NULL;
}

int
nsx_flag(pTHX_ HV *hv, const char *name)
{
    SV *sv = nsx_field(aTHX_ hv, name);

    return sv && SvTRUE(sv);
}

/* What is left of an item; a string that Perl code changed meanwhile is looked
 * at afresh, and the engine notices another size. */
static STRLEN
left_of_item(const struct letter *l)
{
    const SV *sv = l->at < l->count ? l->item[l->at] : NULL;
    STRLEN len = sv && SvPOK(sv) ? SvCUR(sv) : 0;

    return len > l->off ? len - l->off : 0;
}

static void
next_item(struct letter *l)
{
    while (l->at < l->count && left_of_item(l) == 0) {
        l->at++;
        l->off = 0;
    }
}

static nsx_status
pull_string(void *ctx, const char **ptr, size_t *len)
{
    struct letter *l = (struct letter *)ctx;

    next_item(l);
    *len = left_of_item(l);
    if (*len == 0)
        return NSX_OK;
    if (*len > PIECE_SIZE)
        *len = PIECE_SIZE;
    *ptr = SvPVX_const(l->item[l->at]) + l->off;
    l->off += *len;
    return NSX_OK;
}

static int
string_follows(void *ctx)
{
    struct letter *l = (struct letter *)ctx;

    next_item(l);
    return left_of_item(l) > 0;
}

static int
rewind_string(void *ctx)
{
    struct letter *l = (struct letter *)ctx;

    l->at = 0;
    l->off = 0;
    return 1;
}

/* Pieces of a handle or code are fetched between steps, see feed. */
static nsx_status
pull_piece(void *ctx, const char **ptr, size_t *len)
{
    struct letter *l = (struct letter *)ctx;

    *len = 0;
    if (l->why)
        return NSX_ERROR;
    if (l->at_end)
        return NSX_OK;
    if (!l->is_ready)
        return NSX_WANT_READ;
    l->is_ready = 0;
    *ptr = SvPVX_const(l->piece);
    *len = SvCUR(l->piece);
    return NSX_OK;
}

static int
rewind_pieces(void *ctx)
{
    struct letter *l = (struct letter *)ctx;

    l->is_ready = l->at_end = 0;
    l->must_rewind = 1;
    return 1;
}

/* A string in place: the caller's own where it is plain octets.  What outlives
 * the call is a copy, which shares its buffer as long as nobody writes. */
static SV *
held_string(pTHX_ const struct letter *l, SV *ref)
{
    SV *sv = SvRV(ref), *copy;

    if (!l->is_kept && SvPOK(sv) && !SvGMAGICAL(sv) && !SvUTF8(sv)
        && !SvROK(sv))
        return SvREFCNT_inc_simple_NN(sv);
    copy = newSVsv(sv);
    (void)SvPV_nolen(copy);
    (void)sv_utf8_downgrade(copy, TRUE);
    return copy;
}

static void
strings_source(struct letter *l, struct nsx_source *source)
{
    source->ctx = l;
    source->pull = pull_string;
    source->follows = string_follows;
    source->rewind = rewind_string;
}

void
nsx_letter_string(pTHX_ struct letter *l, SV *sv, struct nsx_source *source)
{
    PERL_UNUSED_CONTEXT;
    l->only = SvREFCNT_inc_simple_NN(sv);
    l->item = &l->only;
    l->count = 1;
    strings_source(l, source);
}

void
nsx_letter_source(pTHX_ struct letter *l, struct nsx_source *source)
{
    SV *items = nsx_field(aTHX_ l->message, "items");
    AV *av;

    source->ctx = l;
    if (!items) {
        source->pull = pull_piece;
        source->follows = NULL;
        source->rewind =
            nsx_flag(aTHX_ l->message, "can_rewind") ? rewind_pieces : NULL;
        return;
    }
    av = (AV *)SvRV(items);
    l->item = (SV **)nsx_zeroed(aTHX_(size_t)(av_len(av) + 1) * sizeof(SV *));
    for (; l->count <= av_len(av); l->count++)
        l->item[l->count] = held_string(aTHX_ l, *av_fetch(av, l->count, 0));
    strings_source(l, source);
}

static void
own_piece(pTHX_ struct letter *l)
{
    struct nsx_content *c = &l->m.content;

    if (!l->item || c->piece_len == 0 || c->piece_len > PIECE_SIZE)
        return;
    if (!l->own)
        l->own = (char *)nsx_zeroed(aTHX_ PIECE_SIZE);
    if (c->piece < l->own || c->piece >= l->own + PIECE_SIZE) {
        memcpy(l->own, c->piece, c->piece_len);
        c->piece = l->own;
    }
}

void
nsx_letter_own_pieces(pTHX_ struct letter *l)
{
    own_piece(aTHX_ l);
    if (l->follower) /* it may be measured already */
        own_piece(aTHX_ l->follower);
}

/* Calls Net::SMTP::XS::Message::NAME, and keeps what it dies with: the engine
 * has to end the message first.  The value is owned by who asked, or NULL: a
 * mortal would stay until the whole message is sent. */
static SV *
call_caller(pTHX_ struct letter *l, const char *name, int argc, SV **argv)
{
    dSP;
    SV *ret;
    int i;

    ENTER;
    SAVETMPS;
    save_scalar(PL_errgv);
    PUSHMARK(SP);
    EXTEND(SP, argc);
    for (i = 0; i < argc; i++)
        PUSHs(argv[i]);
    PUTBACK;
    (void)call_pv(name, G_SCALAR | G_EVAL);
    SPAGAIN;
    ret = POPs;
    PUTBACK;
    if (SvTRUE(ERRSV)) {
        SvREFCNT_dec(l->why);
        l->why = newSVsv(ERRSV);
        ret = NULL;
    }
    else {
        SvREFCNT_inc_simple_void_NN(ret);
    }
    FREETMPS;
    LEAVE;
    return ret;
}

void
nsx_letter_feed(pTHX_ struct letter *l)
{
    SV *argv[2], *ret;
    SV **body = hv_fetchs(l->message, "body", 0);

    argv[0] = body ? *body : &PL_sv_undef;
    argv[1] = boolSV(l->must_rewind);
    l->must_rewind = 0;
    l->is_late = 0;
    nsx_letter_own_pieces(aTHX_ l);
    ret = call_caller(aTHX_ l, "Net::SMTP::XS::Message::_next_piece", 2, argv);
    if (!ret)
        return;
    if (SvROK(ret)) {
        SvREFCNT_dec(l->piece);
        l->piece = SvREFCNT_inc_simple_NN(SvRV(ret));
        l->is_ready = 1;
    }
    else if (SvOK(ret)) {
        l->is_late = 1;
    }
    else {
        l->at_end = 1;
    }
    SvREFCNT_dec_NN(ret);
}

int
nsx_letter_tell(pTHX_ struct letter *l, SV *code)
{
    uint64_t total;
    const uint64_t octets = nsx_message_progress(&l->m, &total);
    SV *argv[3];

    if (octets == l->told || l->why)
        return 0;
    l->told = octets;
    nsx_letter_own_pieces(aTHX_ l);
    ENTER;
    SAVETMPS;
    argv[0] = code;
    argv[1] = sv_2mortal(newSVnv((NV)octets));
    argv[2] = total == NSX_SIZE_UNKNOWN ? &PL_sv_undef
                                        : sv_2mortal(newSVnv((NV)total));
    SvREFCNT_dec(
        call_caller(aTHX_ l, "Net::SMTP::XS::Message::_tell", 3, argv));
    FREETMPS;
    LEAVE;
    if (l->why)
        nsx_message_cancel(&l->m);
    return 1;
}
