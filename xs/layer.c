/*
 * layer.c - the octets that wait, and the PerlIO layer that sends them before
 * Perl's own input and output touches the handle; see layer.h.
 *
 * The layer's functions must not run Perl code: they send with the engine
 * alone, and what fails is kept in the channel for the next method to report.
 */
#include "glue.h"
#include "context.h"
#include <perliol.h>

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
void
nsx_layer_leave(pTHX_ struct nsx_waiting *w)
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
send_octets(struct nsx_object *obj, const char *data, size_t n, double timeout)
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
        else if (nsx_await_quietly(&obj->ch.io, st, deadline)
                 == NSX_WAITED_TIMEOUT)
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
    if (w->owner == nsx_process_id()
        && !send_octets(obj, w->block, w->n, w->timeout))
        nsx_session_tear(&obj->session);
    nsx_layer_leave(aTHX_ w);
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
        & (PERLIO_F_CANREAD | PERLIO_F_CANWRITE | PERLIO_F_UTF8 | PERLIO_F_EOF
           | PERLIO_F_ERROR | PERLIO_F_LINEBUF | PERLIO_F_UNBUF
           | PERLIO_F_CRLF);
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

/* What the layer below is asked when the octets are sent. */
#define ASK(type, name)                                                        \
    static type layer_##name(pTHX_ PerlIO *f)                                  \
    {                                                                          \
        send_first(aTHX_ f);                                                   \
        return (type)PerlIO_##name(f);                                         \
    }
ASK(IV, fileno)
ASK(Off_t, tell)
ASK(IV, close)
ASK(IV, flush)
ASK(IV, fill)
ASK(IV, eof)
ASK(IV, error)
ASK(STDCHAR *, get_base)
ASK(Size_t, get_bufsiz)
ASK(STDCHAR *, get_ptr)
ASK(SSize_t, get_cnt)
#undef ASK

static PerlIO *
layer_dup(pTHX_ PerlIO *f, PerlIO *o, CLONE_PARAMS *param, int flags)
{
    struct nsx_waiting *w = PerlIOSelf(o, struct layer)->waiting;
    PerlIO *below = PerlIONext(o);
    PerlIO_funcs *tab;

    /* The other interpreter's layers stay where they are. */
    if (w && w->obj && w->owner == nsx_process_id()
        && !send_octets(w->obj, w->block, w->n, w->timeout))
        nsx_session_tear(&w->obj->session);
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
    NULL, /* binmode takes the layer off */
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
nsx_layer_below(PerlIO *f)
{
    return is_layered(f) ? PerlIONext(f) : f;
}

/* Puts the layer on both sides of the handle: 1, or 0 when it cannot be. */
int
nsx_layer_put(pTHX_ struct nsx_waiting *w)
{
    PerlIO *side[2];
    size_t i;

    side[0] = IoIFP(w->io);
    side[1] = IoOFP(w->io) == IoIFP(w->io) ? NULL : IoOFP(w->io);
    for (i = 0; i < C_ARRAY_LENGTH(side); i++) {
        if (!side[i])
            continue;
        if (!PerlIOValid(side[i])
            || !PerlIO_push(aTHX_ side[i], &layer_funcs, NULL, NULL)) {
            forget_layers(aTHX_ w);
            return 0;
        }
        PerlIOSelf(side[i], struct layer)->waiting = w;
        w->layered[i] = side[i];
    }
    return w->layered[0] != NULL;
}

void
nsx_layer_send(pTHX)
{
    dNSX_CXT;

    send_quietly(aTHX_ &NSX_CXT->waiting);
}

void
nsx_layer_drop(pTHX_ struct nsx_object *obj)
{
    dNSX_CXT;
    struct nsx_waiting *w = &NSX_CXT->waiting;
    size_t done;

    if (!obj->waits || w->obj != obj)
        return;
    if (w->owner == nsx_process_id())
        (void)nsx_channel_send(&obj->ch, w->block, w->n, 0, &done);
    nsx_layer_leave(aTHX_ w);
}
