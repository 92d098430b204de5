/*
 * waiting.c - which short lines of a body may wait to be sent together, and
 * what ends their wait.
 */
#include "glue.h"
#include "context.h"

/* --- what may wait ------------------------------------------------------ */

/* Methods of the script's own would notice. */
static int
is_watched(pTHX_ struct nsx_op *op)
{
    return nsx_overridden(aTHX_ op, NSX_M__is_closed)
        || nsx_overridden(aTHX_ op, NSX_M_debug)
        || nsx_overridden(aTHX_ op, NSX_M_timeout)
        || nsx_overridden(aTHX_ op, NSX_M__syswrite_with_timeout)
        || nsx_overridden(aTHX_ op, NSX_M_datasend)
        || nsx_overridden(aTHX_ op, NSX_M_dataend);
}

static int
is_quiet_fact(pTHX_ GV *gv, enum nsx_key key)
{
    return nsx_fact_exists(aTHX_ gv, key) && !nsx_fact_runs_code(aTHX_ gv, key);
}

/* 1 when the object is one whose lines may wait. */
static int
may_wait(pTHX_ struct nsx_op *op)
{
    const struct nsx_object *obj = op->obj;

    return obj->handle == NSX_HANDLE_PLAIN
        && !nsx_session_is_disowned(&obj->session)
        && !nsx_session_is_torn(&obj->session)
        && obj->ch.error.code == NSX_E_NONE && SvOBJECT((SV *)op->gv)
        && SvTYPE(op->gv) == SVt_PVGV
        && is_quiet_fact(aTHX_ op->gv, NSX_K_DEBUG)
        && is_quiet_fact(aTHX_ op->gv, NSX_K_LAST_CH)
        && !nsx_fact_exists(aTHX_ op->gv, NSX_K_BARE_CR)
        && !nsx_fact_runs_code(aTHX_ op->gv, NSX_K_IO_TIMEOUT)
        && !is_watched(aTHX_ op) && !nsx_debug_level(aTHX_ op);
}

static U32
class_generation(pTHX_ HV *stash)
{
    const struct mro_meta *meta = HvMROMETA(stash);

    return PL_sub_generation + meta->cache_gen + meta->pkg_gen;
}

static int
enter(pTHX_ struct nsx_waiting *w, struct nsx_op *op, double timeout,
      int64_t now)
{
    w->gv = op->gv;
    w->io = GvIOp(op->gv);
    if (!nsx_layer_put(aTHX_ w))
        return 0;
    w->obj = op->obj;
    w->obj->waits = 1;
    w->hash = GvHV(op->gv);
    w->keys = (I32)HvTOTALKEYS(w->hash);
    w->stash = SvSTASH((SV *)op->gv);
    w->generation = class_generation(aTHX_ w->stash);
    w->debug = SvREFCNT_inc(nsx_fact_raw(aTHX_ op->gv, NSX_K_DEBUG));
    w->last_ch = SvREFCNT_inc(nsx_fact_raw(aTHX_ op->gv, NSX_K_LAST_CH));
    w->block = nsx_block_own(aTHX);
    w->n = 0;
    w->since = now;
    w->timeout = timeout;
    w->owner = nsx_process_id();
    return 1;
}

/* The octets after which a body is at octet last. */
static enum nsx_dot_at
at_octet(char last)
{
    return last == '\012' ? NSX_DOT_BOL
        : last == '\015'  ? NSX_DOT_CR
                          : NSX_DOT_TEXT;
}

/* Encodes text behind what waits; there is room. */
static void
append(struct nsx_waiting *w, const char *text, size_t len)
{
    char *to = w->block + w->n;
    struct nsx_dot dot;
    size_t taken;

    nsx_dot_init(&dot, at_octet(*SvPVX(w->last_ch)), NSX_BARE_CR_PASS);
    w->n += nsx_dot_encode(&dot, text, len, to, NSX_BLOCK_SIZE - w->n, &taken);
    *SvPVX(w->last_ch) = text[len - 1];
}

/* A body grows to twice its length at the most, and ends with a dot. */
static int
has_room(const struct nsx_waiting *w, size_t len)
{
    return len
        <= (NSX_BLOCK_SIZE - NSX_DOT_END_ROOM - NSX_DOT_MIN_ROOM - w->n) / 2;
}

/* Text of which no copy and no look at magic is needed. */
static int
is_simple(SV *sv)
{
    return SvPOK(sv) && !SvGMAGICAL(sv) && !SvROK(sv) && !SvUTF8(sv)
        && !isGV(sv) && SvCUR(sv) > 0;
}

/* One octet in a buffer of its own, which may be written to. */
static int
is_octet(SV *sv)
{
    return SvPOK(sv) && !SvGMAGICAL(sv) && !SvSMAGICAL(sv) && !SvROK(sv)
        && !SvUTF8(sv) && SvCUR(sv) == 1 && !SvIsCOW(sv) && !SvREADONLY(sv)
        && !SvIOK(sv) && !SvNOK(sv) && !isGV(sv);
}

int
nsx_waiting_start(pTHX_ struct nsx_op *op, SV *text, double timeout)
{
    dNSX_CXT;
    struct nsx_waiting *w = &NSX_CXT->waiting;
    const int64_t now = nsx_clock_ms();

    if (now - op->obj->touched > NSX_WAITING_GAP_MS || NSX_CXT->block_lent
        || !is_simple(text))
        return 0;
    nsx_layer_send(aTHX);
    if (!has_room(w, SvCUR(text)) || !enter(aTHX_ w, op, timeout, now))
        return 0;
    w->last = now;
    if (!is_octet(w->last_ch)) {
        nsx_layer_leave(aTHX_ w);
        return 0;
    }
    append(w, SvPVX(text), SvCUR(text));
    op->obj->touched = now;
    return 1;
}

int
nsx_waiting_begin(pTHX_ struct nsx_op *op, SV *text)
{
    const int begun = may_wait(aTHX_ op)
        && nsx_waiting_start(aTHX_ op, text, nsx_timeout(aTHX_ op));

    op->obj->touched = nsx_clock_ms();
    return begun;
}

/* 1 when the object's class, handle and facts are what they were. */
static int
is_as_before(pTHX_ const struct nsx_waiting *w)
{
    PERL_UNUSED_CONTEXT;
    return SvOBJECT((SV *)w->gv) && SvSTASH((SV *)w->gv) == w->stash
        && class_generation(aTHX_ w->stash) == w->generation
        && GvIOp(w->gv) == w->io && GvHV(w->gv) == w->hash
        && (I32)HvTOTALKEYS(w->hash) == w->keys && SvREFCNT(w->debug) > 1
        && !SvROK(w->debug) && !SvGMAGICAL(w->debug) && !SvTRUE_nomg(w->debug)
        && SvREFCNT(w->last_ch) > 1 && is_octet(w->last_ch)
        && w->obj->ch.error.code == NSX_E_NONE
        && !nsx_session_is_disowned(&w->obj->session);
}

int
nsx_waiting_is_steady(pTHX)
{
    dNSX_CXT;

    return is_as_before(aTHX_ &NSX_CXT->waiting);
}

int
nsx_waiting_add(pTHX_ SV *self, SV *text)
{
    dNSX_CXT;
    struct nsx_waiting *w = &NSX_CXT->waiting;
    int64_t now;

    if (!w->obj || !SvROK(self) || SvGMAGICAL(self) || (GV *)SvRV(self) != w->gv
        || SvAMAGIC(self) || !is_simple(text) || !has_room(w, SvCUR(text))
        || !is_as_before(aTHX_ w))
        return 0;
    now = nsx_clock_ms();
    if (now - w->last > NSX_WAITING_GAP_MS
        || now - w->since > NSX_WAITING_AGE_MS)
        return 0;
    w->last = now;
    w->obj->touched = now;
    append(w, SvPVX(text), SvCUR(text));
    return 1;
}

/* --- sending what waits ------------------------------------------------- */

/* Takes the octets over from the block, which is then the call's. */
static size_t
take(pTHX_ struct nsx_waiting *w)
{
    const size_t n = w->owner == nsx_process_id() ? w->n : 0;

    nsx_layer_leave(aTHX_ w);
    return n;
}

int
nsx_waiting_flush(pTHX_ struct nsx_op *op, int more)
{
    dNSX_CXT;
    struct nsx_watch watch;
    size_t n;
    int ok;

    if (!op->obj->waits)
        return 1;
    n = take(aTHX_ &NSX_CXT->waiting);
    nsx_part_begin(aTHX_ &watch, op);
    ok = n == 0 || nsx_write(aTHX_ op, nsx_block_borrow(aTHX), n, more, NULL);
    nsx_watch_end(aTHX_ &watch);
    return ok;
}

/* Takes the octets over with the end of data behind them. */
static size_t
take_whole(pTHX_ struct nsx_waiting *w)
{
    struct nsx_dot dot;
    size_t n;

    nsx_dot_init(&dot, at_octet(*SvPVX(w->last_ch)), NSX_BARE_CR_PASS);
    n = take(aTHX_ w);
    return n + nsx_dot_end(&dot, w->block + n);
}

/* Sends n octets that stand in the block from at on. */
static int
send_from_block(pTHX_ struct nsx_op *op, size_t at, size_t n)
{
    int ok;

    ENTER;
    ok = nsx_write(aTHX_ op, nsx_block_borrow(aTHX) + at, n, 0, NULL);
    LEAVE;
    return ok;
}

int
nsx_waiting_finish(pTHX_ struct nsx_op *op)
{
    dNSX_CXT;

    return send_from_block(aTHX_ op, 0, take_whole(aTHX_ &NSX_CXT->waiting));
}

size_t
nsx_waiting_finish_now(pTHX_ struct nsx_object *obj, size_t *sent)
{
    dNSX_CXT;
    struct nsx_waiting *w = &NSX_CXT->waiting;
    const size_t n = take_whole(aTHX_ w);

    obj->writes++;
    (void)nsx_channel_send(&obj->ch, w->block, n, 0, sent);
    return n - *sent;
}

int
nsx_waiting_finish_later(pTHX_ struct nsx_op *op, size_t sent, size_t left)
{
    struct nsx_watch watch;
    int ok;

    nsx_part_begin(aTHX_ &watch, op);
    ok = send_from_block(aTHX_ op, sent, left);
    nsx_watch_end(aTHX_ &watch);
    return ok;
}
