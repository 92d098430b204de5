/*
 * waiting.c - short lines of a body that wait to be sent together; see
 * waiting.h.
 *
 * The layer's functions are called by Perl's own input and output and must not
 * run Perl code: they send with the engine alone, and what fails is kept in
 * the channel for the next method to report.
 */
#include "glue.h"
#include "context.h"
#include <perliol.h>

/* --- the layer ---------------------------------------------------------- */

struct layer {
    struct _PerlIO base;
    struct nsx_waiting *waiting;
};

static PerlIO_funcs layer_funcs;

static int
is_layered(PerlIO *f)
{
    return PerlIOValid(f) && PerlIOBase(f)->tab == &layer_funcs;
}

static void
forget_layers(pTHX_ struct nsx_waiting *w)
{
    size_t i;

    for (i = 0; i < C_ARRAY_LENGTH(w->layered); i++) {
        PerlIO *f = w->layered[i];

        w->layered[i] = NULL;
        if (f && is_layered(f))
            PerlIO_pop(aTHX_ f);
    }
}

/* Nothing waits any more: the octets are sent, or lost. */
static void
leave(pTHX_ struct nsx_waiting *w)
{
    SV *debug = w->debug, *last_ch = w->last_ch;

    if (w->obj)
        w->obj->waits = 0;
    w->obj = NULL;
    w->n = 0;
    w->debug = w->last_ch = NULL;
    forget_layers(aTHX_ w);
    SvREFCNT_dec(debug);
    SvREFCNT_dec(last_ch);
}

/* Sends without Perl: 1, or 0 with the channel dead. */
static int
send_octets(struct nsx_object *obj, const char *data, size_t n,
            double timeout)
{
    int64_t deadline = nsx_deadline_after(timeout);

    while (n > 0) {
        size_t done = 0;
        nsx_status st = nsx_channel_send(&obj->ch, data, n, 0, &done);

        data += done;
        n -= done;
        if (st == NSX_ERROR)
            return 0;
        if (st == NSX_OK)
            deadline = nsx_deadline_after(timeout);
        else if (nsx_io_wait(&obj->ch.io, st, deadline) == NSX_WAIT_TIMEOUT)
            return nsx_channel_fail(&obj->ch, NSX_E_TIMEOUT, "waiting")
                != NSX_ERROR;
    }
    return 1;
}

static void
send_quietly(pTHX_ struct nsx_waiting *w)
{
    struct nsx_object *obj = w->obj;
    const int saved = errno;

    if (!obj)
        return;
    if (w->owner == PerlProc_getpid()
        && !send_octets(obj, w->block, w->n, w->timeout))
        obj->torn = 1;
    leave(aTHX_ w);
    errno = saved;
}

/* What every function of the layer begins with: the octets are sent, and the
 * layer is gone from f. */
static void
send_first(pTHX_ PerlIO *f)
{
    struct nsx_waiting *w = PerlIOSelf(f, struct layer)->waiting;

    if (w)
        send_quietly(aTHX_ w);
    if (is_layered(f))
        PerlIO_pop(aTHX_ f);
}

static IV
layer_pushed(pTHX_ PerlIO *f, const char *mode, SV *arg, PerlIO_funcs *tab)
{
    PERL_UNUSED_ARG(mode);
    PERL_UNUSED_ARG(arg);
    PERL_UNUSED_ARG(tab);
    PerlIOSelf(f, struct layer)->waiting = NULL;
    /* Buffered, at its end or in error: as the layer below is. */
    PerlIOBase(f)->flags |= PerlIOBase(PerlIONext(f))->flags
        & (PERLIO_F_CANREAD | PERLIO_F_CANWRITE | PERLIO_F_UTF8
           | PERLIO_F_EOF | PERLIO_F_ERROR | PERLIO_F_LINEBUF
           | PERLIO_F_UNBUF | PERLIO_F_CRLF);
    return 0;
}

static IV
layer_popped(pTHX_ PerlIO *f)
{
    struct nsx_waiting *w = PerlIOSelf(f, struct layer)->waiting;
    size_t i;

    PerlIOSelf(f, struct layer)->waiting = NULL;
    for (i = 0; w && i < C_ARRAY_LENGTH(w->layered); i++)
        if (w->layered[i] == f) { /* somebody else takes it off */
            w->layered[i] = NULL;
            send_quietly(aTHX_ w);
        }
    return 0;
}

static IV
layer_binmode(pTHX_ PerlIO *f)
{
    send_first(aTHX_ f);
    return PerlIO_binmode(aTHX_ f, '+', O_BINARY, NULL) ? 0 : -1;
}

static IV
layer_fileno(pTHX_ PerlIO *f)
{
    send_first(aTHX_ f);
    return PerlIO_fileno(f);
}

static PerlIO *
layer_dup(pTHX_ PerlIO *f, PerlIO *o, CLONE_PARAMS *param, int flags)
{
    struct nsx_waiting *w = PerlIOSelf(o, struct layer)->waiting;
    PerlIO *below = PerlIONext(o);
    PerlIO_funcs *tab;

    /* The other interpreter's layers stay where they are. */
    if (w && w->obj && w->owner == PerlProc_getpid()
        && !send_octets(w->obj, w->block, w->n, w->timeout))
        w->obj->torn = 1;
    if (w)
        w->n = 0;
    if (!PerlIOValid(below))
        return NULL;
    tab = PerlIOBase(below)->tab;
    return tab && tab->Dup ? (*tab->Dup)(aTHX_ f, below, param, flags)
                           : PerlIOBase_dup(aTHX_ f, below, param, flags);
}

static SSize_t
layer_read(pTHX_ PerlIO *f, void *buf, Size_t n)
{
    send_first(aTHX_ f);
    return PerlIO_read(f, buf, n);
}

static SSize_t
layer_unread(pTHX_ PerlIO *f, const void *buf, Size_t n)
{
    send_first(aTHX_ f);
    return PerlIO_unread(f, buf, n);
}

static SSize_t
layer_write(pTHX_ PerlIO *f, const void *buf, Size_t n)
{
    send_first(aTHX_ f);
    return PerlIO_write(f, buf, n);
}

static IV
layer_seek(pTHX_ PerlIO *f, Off_t offset, int whence)
{
    send_first(aTHX_ f);
    return PerlIO_seek(f, offset, whence);
}

static Off_t
layer_tell(pTHX_ PerlIO *f)
{
    send_first(aTHX_ f);
    return PerlIO_tell(f);
}

static IV
layer_close(pTHX_ PerlIO *f)
{
    send_first(aTHX_ f);
    return PerlIO_close(f);
}

static IV
layer_flush(pTHX_ PerlIO *f)
{
    send_first(aTHX_ f);
    return PerlIO_flush(f);
}

static IV
layer_fill(pTHX_ PerlIO *f)
{
    send_first(aTHX_ f);
    return PerlIO_fill(f);
}

static IV
layer_eof(pTHX_ PerlIO *f)
{
    send_first(aTHX_ f);
    return PerlIO_eof(f);
}

static IV
layer_error(pTHX_ PerlIO *f)
{
    send_first(aTHX_ f);
    return PerlIO_error(f);
}

static void
layer_clearerr(pTHX_ PerlIO *f)
{
    send_first(aTHX_ f);
    PerlIO_clearerr(f);
}

static void
layer_setlinebuf(pTHX_ PerlIO *f)
{
    send_first(aTHX_ f);
    PerlIO_setlinebuf(f);
}

static STDCHAR *
layer_get_base(pTHX_ PerlIO *f)
{
    send_first(aTHX_ f);
    return PerlIO_get_base(f);
}

static Size_t
layer_get_bufsiz(pTHX_ PerlIO *f)
{
    send_first(aTHX_ f);
    return (Size_t)PerlIO_get_bufsiz(f);
}

static STDCHAR *
layer_get_ptr(pTHX_ PerlIO *f)
{
    send_first(aTHX_ f);
    return PerlIO_get_ptr(f);
}

static SSize_t
layer_get_cnt(pTHX_ PerlIO *f)
{
    send_first(aTHX_ f);
    return PerlIO_get_cnt(f);
}

static void
layer_set_ptrcnt(pTHX_ PerlIO *f, STDCHAR *ptr, SSize_t count)
{
    send_first(aTHX_ f);
    PerlIO_set_ptrcnt(f, ptr, count);
}

static PerlIO_funcs layer_funcs = {
    sizeof(PerlIO_funcs),
    "nsx_waiting",
    sizeof(struct layer),
    PERLIO_K_RAW | PERLIO_K_BUFFERED,
    layer_pushed,
    layer_popped,
    NULL, /* never opened by name */
    layer_binmode,
    NULL,
    layer_fileno,
    layer_dup,
    layer_read,
    layer_unread,
    layer_write,
    layer_seek,
    layer_tell,
    layer_close,
    layer_flush,
    layer_fill,
    layer_eof,
    layer_error,
    layer_clearerr,
    layer_setlinebuf,
    layer_get_base,
    layer_get_bufsiz,
    layer_get_ptr,
    layer_get_cnt,
    layer_set_ptrcnt,
};

PerlIO *
nsx_waiting_below(PerlIO *f)
{
    return is_layered(f) ? PerlIONext(f) : f;
}

/* Puts the layer on both sides of the handle: 1, or 0 when it cannot be. */
static int
put_layers(pTHX_ struct nsx_waiting *w)
{
    PerlIO *side[2];
    size_t i;

    side[0] = IoIFP(w->io);
    side[1] = IoOFP(w->io) == IoIFP(w->io) ? NULL : IoOFP(w->io);
    for (i = 0; i < C_ARRAY_LENGTH(side); i++) {
        if (!side[i])
            continue;
        if (!PerlIOValid(side[i])
            || !PerlIO_push(aTHX_ side[i], &layer_funcs, NULL, NULL))
            return 0;
        PerlIOSelf(side[i], struct layer)->waiting = w;
        w->layered[i] = side[i];
    }
    return w->layered[0] != NULL;
}

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

    return obj->handle == NSX_HANDLE_PLAIN && !obj->owed && !obj->torn
        && obj->ch.error.code == NSX_E_NONE
        && SvOBJECT((SV *)op->gv) && SvTYPE(op->gv) == SVt_PVGV
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
enter(pTHX_ struct nsx_waiting *w, struct nsx_op *op, int64_t now)
{
    w->gv = op->gv;
    w->io = GvIOp(op->gv);
    if (!put_layers(aTHX_ w)) {
        forget_layers(aTHX_ w);
        return 0;
    }
    w->obj = op->obj;
    w->obj->waits = 1;
    w->hash = GvHV(op->gv);
    w->keys = (I32)HvTOTALKEYS(w->hash);
    w->stash = SvSTASH((SV *)op->gv);
    w->generation = class_generation(aTHX_ w->stash);
    w->debug = SvREFCNT_inc(nsx_fact(aTHX_ op->gv, NSX_K_DEBUG));
    w->last_ch = SvREFCNT_inc(nsx_fact(aTHX_ op->gv, NSX_K_LAST_CH));
    w->block = nsx_block_own(aTHX);
    w->n = 0;
    w->since = now;
    w->timeout = nsx_timeout(aTHX_ op);
    w->owner = PerlProc_getpid();
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
    char *to = (char *)w->block + w->n;
    struct nsx_dot dot;
    size_t taken;

    nsx_dot_init(&dot, at_octet(*SvPVX(w->last_ch)), NSX_BARE_CR_PASS);
    w->n += nsx_dot_encode(&dot, text, len, to, NSX_BLOCK_SIZE - w->n,
                           &taken);
    *SvPVX(w->last_ch) = text[len - 1];
}

/* A body grows to twice its length at the most, and ends with a dot. */
static int
has_room(const struct nsx_waiting *w, size_t len)
{
    return len <= (NSX_BLOCK_SIZE - NSX_DOT_END_ROOM - NSX_DOT_MIN_ROOM
                   - w->n) / 2;
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
nsx_waiting_begin(pTHX_ struct nsx_op *op, SV *text)
{
    dNSX_CXT;
    struct nsx_waiting *w = &NSX_CXT->waiting;
    const int64_t now = nsx_clock_ms();
    const int64_t gap = now - op->obj->touched;

    op->obj->touched = now;
    if (gap > NSX_WAITING_GAP_MS || NSX_CXT->block_lent || !is_simple(text)
        || !may_wait(aTHX_ op))
        return 0;
    nsx_waiting_send_all(aTHX);
    if (!has_room(w, SvCUR(text)) || !enter(aTHX_ w, op, now))
        return 0;
    w->last = now;
    if (!is_octet(w->last_ch)) {
        leave(aTHX_ w);
        return 0;
    }
    append(w, SvPVX(text), SvCUR(text));
    return 1;
}

/* 1 when the object's class, handle and facts are what they were. */
static int
is_as_before(pTHX_ const struct nsx_waiting *w)
{
    PERL_UNUSED_CONTEXT;
    return SvOBJECT((SV *)w->gv) && SvSTASH((SV *)w->gv) == w->stash
        && class_generation(aTHX_ w->stash) == w->generation
        && GvIOp(w->gv) == w->io && GvHV(w->gv) == w->hash
        && (I32)HvTOTALKEYS(w->hash) == w->keys
        && SvREFCNT(w->debug) > 1 && !SvROK(w->debug)
        && !SvGMAGICAL(w->debug) && !SvTRUE_nomg(w->debug)
        && SvREFCNT(w->last_ch) > 1 && is_octet(w->last_ch)
        && w->obj->ch.error.code == NSX_E_NONE && !w->obj->owed;
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

    if (!w->obj || !SvROK(self) || SvGMAGICAL(self)
        || (GV *)SvRV(self) != w->gv || SvAMAGIC(self) || !is_simple(text)
        || !has_room(w, SvCUR(text)) || !is_as_before(aTHX_ w))
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

void
nsx_waiting_send_all(pTHX)
{
    dNSX_CXT;

    send_quietly(aTHX_ &NSX_CXT->waiting);
}

/* Takes the octets over from the block, which is then the call's. */
static size_t
take(pTHX_ struct nsx_waiting *w)
{
    const size_t n = w->owner == PerlProc_getpid() ? w->n : 0;

    leave(aTHX_ w);
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

int
nsx_waiting_finish(pTHX_ struct nsx_op *op)
{
    dNSX_CXT;
    struct nsx_waiting *w = &NSX_CXT->waiting;
    const enum nsx_dot_at at = at_octet(*SvPVX(w->last_ch));
    struct nsx_dot dot;
    char *block;
    size_t n;
    int ok;

    n = take(aTHX_ w);
    ENTER;
    block = nsx_block_borrow(aTHX);
    nsx_dot_init(&dot, at, NSX_BARE_CR_PASS);
    n += nsx_dot_end(&dot, block + n);
    ok = nsx_write(aTHX_ op, block, n, 0, NULL);
    LEAVE;
    return ok;
}

void
nsx_waiting_drop(pTHX_ struct nsx_object *obj)
{
    dNSX_CXT;
    struct nsx_waiting *w = &NSX_CXT->waiting;
    size_t done;

    if (!obj->waits || w->obj != obj)
        return;
    if (w->owner == PerlProc_getpid())
        (void)nsx_channel_send(&obj->ch, w->block, w->n, 0, &done);
    leave(aTHX_ w);
}
