/*
 * straight.c - which calls may go straight; see straight.h.
 */
#include "glue.h"
#include "context.h"


static int
is_idle(const struct nsx_object *obj)
{
    const struct nsx_session *s = &obj->session;

    return obj->handle == NSX_HANDLE_PLAIN && !obj->inherited && obj->handles
        && !obj->sending && !obj->operation && !obj->awaiting && !obj->secret
        && obj->ch.error.code == NSX_E_NONE && s->queue.count == 0
        && s->state == NSX_SESSION_READY && s->answer.used == 0 && !s->strict
        && !s->lmtp;
}

/* The handle is the one the engine knows: open, not tied by somebody else. */
static int
has_handle(pTHX_ const struct nsx_straight *l)
{
    IO *io = GvIO(l->gv) ? GvIOp(l->gv) : NULL;

    PERL_UNUSED_CONTEXT;
    return io && IoIFP(io) && (l->obj->ch.transport || !SvRMAGICAL((SV *)io))
        && PerlIO_fileno(nsx_layer_below(IoIFP(io))) == l->obj->ch.io.fd;
}

/* What can be looked at without running code: its truth is in *is. */
int
nsx_plain_truth(pTHX_ SV *sv, int *is)
{
    *is = 0;
    if (!sv)
        return 1;
    if (SvROK(sv) || SvGMAGICAL(sv))
        return 0;
    *is = SvTRUE_nomg(sv) != 0;
    return 1;
}

static int
is_unset(pTHX_ SV *sv)
{
    int is;

    return nsx_plain_truth(aTHX_ sv, &is) && !is;
}

/* Nothing was put back by ungetline. */
static int
has_no_lines(SV *sv)
{
    return !sv
        || (SvROK(sv) && !SvGMAGICAL(sv) && SvTYPE(SvRV(sv)) == SVt_PVAV
            && !SvMAGICAL(SvRV(sv)) && AvFILLp((AV *)SvRV(sv)) < 0);
}

static int
plain_timeout(pTHX_ struct nsx_straight *l)
{
    SV *sv = l->fact[NSX_K_IO_TIMEOUT];

    l->timeout = 0;
    if (!sv || !SvOK(sv))
        return 1;
    if (SvROK(sv) || SvGMAGICAL(sv) || !(SvIOK(sv) || SvNOK(sv)))
        return 0;
    l->timeout = SvIOK(sv) ? (double)SvIVX(sv) : (double)SvNVX(sv);
    return 1;
}

/* A scalar that nobody else holds, and that may be assigned to. */
static int
is_own(SV *sv)
{
    return sv && SvREFCNT(sv) == 1 && !SvROK(sv) && !SvMAGICAL(sv)
        && !SvREADONLY(sv) && SvTYPE(sv) <= SVt_PVMG && !isGV(sv);
}

/* The same with octets of its own, which may be written over. */
int
nsx_is_own_string(SV *sv)
{
    return is_own(sv) && SvPOK(sv) && !SvIsCOW(sv) && !SvUTF8(sv) && !SvIOK(sv)
        && !SvNOK(sv);
}

/* The reply's array when only the hash has it, else NULL. */
static AV *
own_lines(SV *resp)
{
    AV *av = resp && SvREFCNT(resp) == 1 && SvROK(resp) && !SvMAGICAL(resp)
            && SvTYPE(SvRV(resp)) == SVt_PVAV && SvREFCNT(SvRV(resp)) == 1
        ? (AV *)SvRV(resp)
        : NULL;

    return av && !SvMAGICAL((SV *)av) && !SvOBJECT((SV *)av) && AvREAL(av)
        ? av
        : NULL;
}

/* The one line of a reply, into the line that is there. */
static int
overwrite_line(pTHX_ AV *av, const char *text, size_t len)
{
    SV *line = AvFILLp(av) == 0 ? AvARRAY(av)[0] : NULL;

    if (!nsx_is_own_string(line))
        return 0;
    (void)SvGROW(line, len + 2);
    Copy(text, SvPVX(line), len, char);
    SvPVX(line)[len] = '\n';
    SvPVX(line)[len + 1] = '\0';
    SvCUR_set(line, len + 1);
    return 1;
}

static void
store_code(pTHX_ SV *sv, const char *code)
{
    if (nsx_is_own_string(sv) && SvLEN(sv) > NSX_CODE_DIGITS) {
        Copy(code, SvPVX(sv), NSX_CODE_DIGITS, char);
        SvPVX(sv)[NSX_CODE_DIGITS] = '\0';
        SvCUR_set(sv, NSX_CODE_DIGITS);
        return;
    }
    sv_setpvn(sv, code, NSX_CODE_DIGITS);
    if (SvUTF8(sv))
        SvUTF8_off(sv);
}

void
nsx_straight_keep(pTHX_ SV *code, AV *lines, const struct nsx_reply_line *line)
{
    store_code(aTHX_ code, line->code);
    if (!overwrite_line(aTHX_ lines, line->text, line->text_len)) {
        av_clear(lines);
        av_push(lines, nsx_line_sv(aTHX_ line->text, line->text_len));
    }
}

int
nsx_keep_in_place(pTHX_ GV *gv, const struct nsx_reply_line *line)
{
    SV *fact[NSX_FACT_COUNT];
    AV *lines;

    if (!nsx_facts(aTHX_ gv, fact) || !is_own(fact[NSX_K_CODE]))
        return 0;
    lines = own_lines(fact[NSX_K_RESP]);
    if (lines)
        nsx_straight_keep(aTHX_ fact[NSX_K_CODE], lines, line);
    return lines != NULL;
}

/* 1 when the call can go this way.  in_data: a body is under way. */
int
nsx_straight_enter(pTHX_ struct nsx_straight *l, SV *self, int in_data)
{
    if (!SvROK(self) || SvGMAGICAL(self) || !isGV_with_GP(SvRV(self))
        || SvTYPE(SvRV(self)) != SVt_PVGV || !SvOBJECT(SvRV(self))
        || SvAMAGIC(self) || TAINTING_get || PL_sig_pending)
        return 0;
    l->gv = (GV *)SvRV(self);
    l->obj = nsx_object_find(aTHX_ l->gv);
    if (!l->obj || !nsx_facts(aTHX_ l->gv, l->fact) || !is_idle(l->obj)
        || !nsx_class_is_ours(aTHX_ SvSTASH((SV *)l->gv))
        || !is_unset(aTHX_ l->fact[NSX_K_DEBUG])
        || !has_no_lines(l->fact[NSX_K_LINES])
        || (l->fact[NSX_K_LAST_CH] != NULL) != in_data
        || !plain_timeout(aTHX_ l) || !has_handle(aTHX_ l))
        return 0;
    l->lines = own_lines(l->fact[NSX_K_RESP]);
    return l->lines && is_own(l->fact[NSX_K_CODE]);
}

/* What was read ahead, and a TLS session, may belong to a handle that another
 * was opened in the place of: that one is told by its inode.  In the clear with
 * nothing read ahead there is no need to look. */
int
nsx_straight_is_same_file(pTHX_ struct nsx_straight *l)
{
    struct nsx_object *obj = l->obj;
    const U32 handles = obj->handles;
    struct nsx_op op;

    if (nsx_channel_buffered(&obj->ch) > 0)
        return 0;
    if (!obj->ch.transport) {
        obj->ino = 0;
        return 1;
    }
    op.self = NULL;
    op.gv = l->gv;
    op.obj = obj;
    obj->unsure = 1;
    return nsx_op_fd(aTHX_ &op) >= 0 && obj->handles == handles;
}

int
nsx_straight_path(pTHX_ const struct nsx_straight *l, SV *addr,
                  struct nsx_addr *found)
{
    int exact;

    if (!SvPOK(addr) || SvGMAGICAL(addr) || SvROK(addr) || SvUTF8(addr)
        || isGV(addr) || nsx_addr_replaced(aTHX)
        || !nsx_plain_truth(aTHX_ l->fact[NSX_K_EXACT], &exact))
        return 0;
    if (exact)
        nsx_addr_exact(SvPVX(addr), SvCUR(addr), NSX_ADDR_OCTETS, found);
    else
        nsx_addr_extract(SvPVX(addr), SvCUR(addr), NSX_ADDR_OCTETS, found);
    return nsx_addr_is_whole(found);
}

/* The object as the general path wants it. */
void
nsx_straight_leave(pTHX_ struct nsx_straight *l, struct nsx_op *op)
{
    op->self = sv_2mortal(newRV_inc((SV *)l->gv));
    op->gv = l->gv;
    op->obj = l->obj;
    op->gimme = G_SCALAR;
    l->obj->unsure = 1;
}
