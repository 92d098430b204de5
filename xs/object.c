/*
 * object.c - the engine on its glob: attached where it is first needed,
 * freed with the glob, told by the address of its magic table.
 */
#include "glue.h"
#include "context.h"

static struct nsx_object *
object_new(pTHX)
{
    struct nsx_object *obj = (struct nsx_object *)nsx_alloc(sizeof *obj);

    if (!obj)
        Perl_croak(aTHX_ "Out of memory in Net::SMTP::XS");
    nsx_channel_init(&obj->ch, -1);
    nsx_session_init(&obj->session, &obj->ch);
    nsx_buf_init(&obj->out, NSX_MAX_COMMAND);
    nsx_buf_init(&obj->offered, NSX_MAX_REPLY);
    nsx_buf_init(&obj->known, NSX_MAX_REPLY);
    obj->owner = nsx_process_id();
    return obj;
}

static void
object_free(struct nsx_object *obj)
{
    nsx_session_free(&obj->session);
    nsx_channel_free(&obj->ch);
    nsx_buf_wipe(&obj->out);
    nsx_buf_free(&obj->offered);
    nsx_buf_free(&obj->known);
    nsx_free(obj);
}

static int
io_fileno(pTHX_ IO *io)
{
    return io && IoIFP(io) ? PerlIO_fileno(nsx_layer_below(IoIFP(io))) : -1;
}

/* A forked child does not own the TLS session and says nothing on it. */
static void
say_goodbye(pTHX_ struct nsx_object *obj, SV *sv)
{
    if (obj->ch.transport && obj->owner == nsx_process_id() && isGV_with_GP(sv)
        && GvIO((GV *)sv) && io_fileno(aTHX_ GvIOp((GV *)sv)) == obj->ch.io.fd)
        obj->ch.transport->shutdown(obj->ch.transport_ctx, &obj->ch.io);
}

static int
magic_free(pTHX_ SV *sv, MAGIC *mg)
{
    struct nsx_object *obj = (struct nsx_object *)(void *)mg->mg_ptr;

    if (obj) {
        nsx_layer_drop(aTHX_ obj);
        say_goodbye(aTHX_ obj, sv);
        object_free(obj);
        mg->mg_ptr = NULL;
    }
    return 0;
}

/* In a new thread the glob is a copy with a descriptor of its own: it goes on
 * with a copy of the unread input.  A TLS session cannot be copied. */
static int
magic_dup(pTHX_ MAGIC *mg, CLONE_PARAMS *param)
{
    const struct nsx_object *old =
        (const struct nsx_object *)(void *)mg->mg_ptr;
    struct nsx_object *obj = object_new(aTHX);

    PERL_UNUSED_ARG(param);
    obj->inherited = old->inherited || old->ch.transport != NULL;
    if (nsx_session_continue(&obj->session, &old->session) != NSX_E_NONE
        || old->operation != NSX_OPERATION_NONE)
        nsx_session_tear(&obj->session);
    (void)nsx_buf_append(&obj->offered, nsx_buf_data(&old->offered),
                         old->offered.len);
    if (!obj->inherited)
        (void)nsx_channel_feed(&obj->ch, nsx_buf_data(&old->ch.in),
                               nsx_channel_buffered(&old->ch));
    mg->mg_ptr = (char *)obj;
    return 0;
}

static MGVTBL object_vtbl = { NULL,       NULL, NULL,      NULL,
                              magic_free, NULL, magic_dup, NULL };

GV *
nsx_glob(pTHX_ SV *self)
{
    SvGETMAGIC(self);
    if (SvROK(self)) {
        if (SvAMAGIC(self))
            self = amagic_deref_call(self, to_gv_amg);
        self = SvRV(self);
        if (!isGV_with_GP(self))
            Perl_croak(aTHX_ "Not a GLOB reference");
    }
    else if (!isGV_with_GP(self)) {
        if (!SvOK(self))
            Perl_croak(aTHX_ "Can't use an undefined value as a symbol "
                             "reference");
        Perl_croak(aTHX_ "Can't use string (\"%.32s\") as a symbol ref while "
                         "\"strict refs\" in use",
                   SvPV_nolen(self));
    }
    return (GV *)self;
}

struct nsx_object *
nsx_object_find(pTHX_ GV *gv)
{
    MAGIC *mg = SvTYPE((SV *)gv) >= SVt_PVMG ? SvMAGIC((SV *)gv) : NULL;

    if (mg && mg->mg_virtual != &object_vtbl) /* it is the first, as a rule */
        mg = mg_findext((SV *)gv, PERL_MAGIC_ext, &object_vtbl);
    return mg ? (struct nsx_object *)(void *)mg->mg_ptr : NULL;
}

/* A line another class began to read goes on in the engine. */
static void
take_over_partial(pTHX_ struct nsx_object *obj, GV *gv)
{
    SV *partial = nsx_fact(aTHX_ gv, NSX_K_PARTIAL);
    STRLEN len;
    const char *text;

    if (!partial || !SvOK(partial))
        return;
    text = SvPV(partial, len);
    if (len) {
        (void)nsx_channel_feed(&obj->ch, text, len);
        sv_setpvs(partial, "");
    }
}

static struct nsx_object *
attach(pTHX_ GV *gv)
{
    struct nsx_object *obj = object_new(aTHX);
    MAGIC *mg = sv_magicext((SV *)gv, NULL, PERL_MAGIC_ext, &object_vtbl,
                            (char *)obj, 0);

#ifdef USE_ITHREADS
    mg->mg_flags |= MGf_DUP;
#else
    PERL_UNUSED_VAR(mg);
#endif
    take_over_partial(aTHX_ obj, gv);
    return obj;
}

void
nsx_op_find(pTHX_ struct nsx_op *op, SV *self)
{
    TAINT_NOT; /* as at the first statement of a Perl sub */
    SvGETMAGIC(self);
    op->self = SvROK(self) ? sv_2mortal(newRV_inc(SvRV(self))) : self;
    op->gv = nsx_glob(aTHX_ op->self);
    if (SvROK(op->self) && SvRV(op->self) != (SV *)op->gv)
        nsx_hold(aTHX_ 1, (SV **)&op->gv); /* what *{} gave */
    if (!SvROK(op->self))
        op->self = sv_2mortal(newRV_inc((SV *)op->gv));
    op->obj = nsx_object_find(aTHX_ op->gv);
    if (!op->obj)
        op->obj = attach(aTHX_ op->gv);
    op->obj->unsure = 1;
}

static enum nsx_handle
handle_kind(const struct nsx_object *obj, IO *io)
{
    return io && !obj->ch.transport && SvRMAGICAL((SV *)io)
            && mg_find((SV *)io, PERL_MAGIC_tiedscalar)
        ? NSX_HANDLE_TIED
        : NSX_HANDLE_PLAIN;
}

int
nsx_op_tied(pTHX_ struct nsx_op *op)
{
    IO *io = GvIO(op->gv) ? GvIOp(op->gv) : NULL;

    return handle_kind(op->obj, io) == NSX_HANDLE_TIED;
}

static int
tied_fileno(pTHX_ struct nsx_op *op)
{
    SV *fd = nsx_call_function(aTHX_ "_tied_fileno", 1, &op->self);

    return SvOK(fd) ? (int)SvIV(fd) : -1;
}

/* The handle is another one than at the last look: what was read from the
 * old one must not be taken for the new one's. */
static void
handle_changed(pTHX_ struct nsx_op *op, int fd, enum nsx_handle kind)
{
    struct nsx_object *obj = op->obj;
    int was_open = obj->ch.io.fd >= 0;
    int in_clear = was_open && kind == NSX_HANDLE_TIED
        && obj->handle == NSX_HANDLE_PLAIN && fd == obj->ch.io.fd
        && nsx_channel_buffered(&obj->ch) > 0;

    obj->handle = kind;
    obj->handles++;
    if (was_open) {
        nsx_fact_delete(aTHX_ op->gv, fd < 0 ? NSX_K_LINES : NSX_K_LAST_CH);
        nsx_channel_reopen(&obj->ch, fd);
        nsx_session_reset(&obj->session);
    }
    else {
        obj->ch.io.fd = fd;
        nsx_io_init(&obj->ch.io, fd);
    }
    if (in_clear)
        (void)nsx_channel_fail(&obj->ch, NSX_E_PLAINTEXT, "handle_changed");
}

static int
stat_quietly(int fd, Stat_t *st)
{
    const int saved = errno;
    const int ok = PerlLIO_fstat(fd, st) == 0;

    errno = saved;
    return ok;
}

/* A script may close the handle and open another, which is given the same
 * number: 1 when the descriptor stands for something else than before. */
static int
is_another(struct nsx_object *obj, int fd)
{
    Stat_t st;
    const UV dev = obj->dev, ino = obj->ino;

    if (fd < 0)
        obj->ino = 0;
    if (fd < 0 || !obj->unsure)
        return 0;
    obj->unsure = 0;
    if (!stat_quietly(fd, &st))
        return 0;
    obj->dev = (UV)st.st_dev;
    obj->ino = (UV)st.st_ino;
    return ino != 0 && (dev != obj->dev || ino != obj->ino);
}

int
nsx_op_fd(pTHX_ struct nsx_op *op)
{
    IO *io = GvIO(op->gv) ? GvIOp(op->gv) : NULL;
    enum nsx_handle kind = handle_kind(op->obj, io);
    int fd =
        kind == NSX_HANDLE_TIED ? tied_fileno(aTHX_ op) : io_fileno(aTHX_ io);

    if (is_another(op->obj, fd) || fd != op->obj->ch.io.fd
        || kind != op->obj->handle)
        handle_changed(aTHX_ op, fd, kind);
    return op->obj->inherited ? -1 : fd;
}

void
nsx_op_signals(pTHX_ struct nsx_op *op)
{
    PERL_ASYNC_CHECK();
    op->obj->unsure = 1;
    (void)nsx_op_fd(aTHX_ op);
}

void
nsx_watch_begin(pTHX_ struct nsx_watch *watch, struct nsx_op *op,
                DESTRUCTORFUNC_t left)
{
    if (op->obj->handles == 0)
        (void)nsx_op_fd(aTHX_ op); /* the first look is no change */
    watch->obj = op->obj;
    watch->handles = op->obj->handles;
    watch->answered = op->obj->session.answered;
    watch->writes = op->obj->writes;
    watch->inside = 0;
    watch->whole = 0;
    ENTER;
    SAVEDESTRUCTOR_X(left, watch);
}

void
nsx_watch_end(pTHX_ struct nsx_watch *watch)
{
    watch->whole = 1;
    LEAVE;
}
