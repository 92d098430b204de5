/*
 * tls_start.c - the handshake of one object: steps of the core, the script's
 * judgement of certificates, and, where the caller may wait, waits within the
 * object's Timeout and signal handlers.
 */
#include "openssl_glue.h"

/* The session that is being made, owned by a scalar that keeps the object.  When
 * that goes before the end (what the script says may die), no octet may follow
 * on the connection. */
struct starting {
    struct nsx_tls *tls; /* NULL: made, and the channel's */
    struct nsx_channel *ch;
    SV *judge;
    int64_t deadline;
    int fd;
};

static int
starting_free(pTHX_ SV *sv, MAGIC *mg)
{
    struct starting *s = (struct starting *)(void *)mg->mg_ptr;

    PERL_UNUSED_ARG(sv);
    if (!s)
        return 0;
    if (s->tls) {
        nsx_tls_free(s->tls);
        if (!PL_dirty)
            (void)nsx_error_set(&s->ch->error, NSX_E_TLS, "nsx_tls_start",
                                "the TLS handshake was left unfinished");
    }
    SvREFCNT_dec(s->judge);
    nsx_free(s);
    mg->mg_ptr = NULL;
    return 0;
}

/* A new thread has no part in it. */
static int
starting_dup(pTHX_ MAGIC *mg, CLONE_PARAMS *param)
{
    PERL_UNUSED_ARG(param);
    PERL_UNUSED_CONTEXT;
    mg->mg_ptr = NULL;
    return 0;
}

static MGVTBL starting_vtbl = { NULL,          NULL, NULL,         NULL,
                                starting_free, NULL, starting_dup, NULL };

static SV *
starting_new(pTHX_ struct nsx_op *op, SV *judge)
{
    struct starting *s = (struct starting *)nsx_alloc(sizeof *s);
    SV *sv;

    if (!s)
        Perl_croak(aTHX_ "Out of memory in Net::SMTP::XS");
    sv = newSV(0);
    s->tls = NULL;
    s->ch = nsx_base->channel(op);
    s->judge = newSVsv(judge);
    s->deadline = nsx_deadline_after(nsx_base->timeout(aTHX_ op));
    s->fd = s->ch->io.fd;
    nsx_magic_own(aTHX_ sv, &starting_vtbl, s, (SV *)op->gv);
    return newRV_noinc(sv);
}

static struct starting *
starting_of(pTHX_ SV *ref)
{
    MAGIC *mg = SvROK(ref) && SvTYPE(SvRV(ref)) >= SVt_PVMG
        ? mg_findext(SvRV(ref), PERL_MAGIC_ext, &starting_vtbl)
        : NULL;

    if (!mg || !mg->mg_ptr)
        Perl_croak(aTHX_ "Not a handshake of this thread's");
    return (struct starting *)(void *)mg->mg_ptr;
}

/* What the script says about one certificate. */
static int
judged(pTHX_ SV *judge, const struct nsx_tls_record *r)
{
    dSP;
    int ok;

    ENTER;
    SAVETMPS;
    PUSHMARK(SP);
    EXTEND(SP, 5);
    mPUSHi(r->ok);
    mPUSHi(r->error);
    mPUSHp(r->text, strlen(r->text));
    mPUSHi(r->depth);
    mPUSHs(nsx_held_cert(aTHX_ r->cert));
    PUTBACK;
    (void)call_sv(judge, G_SCALAR);
    SPAGAIN;
    ok = SvTRUEx(POPs);
    PUTBACK;
    FREETMPS;
    LEAVE;
    return ok;
}

static void
judge_all(pTHX_ struct nsx_tls *tls, SV *judge)
{
    struct nsx_tls_record record;

    while (nsx_tls_record_next(tls, &record))
        nsx_tls_answer(tls,
                       SvOK(judge) ? judged(aTHX_ judge, &record) : record.ok);
}

/* The session is made: it is the channel's from here on. */
static enum nsx_tls_started
hand_over(struct nsx_op *op, struct starting *s)
{
    struct nsx_tls *tls = s->tls;

    s->tls = NULL;
    nsx_base->own(op);
    return nsx_channel_set_transport(s->ch, &nsx_tls_transport, tls) == NSX_OK
        ? NSX_TLS_STARTED
        : NSX_TLS_START_FAILED;
}

/* As far as it goes without waiting. */
static enum nsx_tls_started
shake_hands(pTHX_ struct nsx_op *op, struct starting *s)
{
    switch (nsx_tls_handshake(s->tls, &s->ch->io, &s->ch->error)) {
    case NSX_TLS_DONE:
        return hand_over(op, s);
    case NSX_TLS_WANT_READ:
        return NSX_TLS_START_READ;
    case NSX_TLS_WANT_WRITE:
        return NSX_TLS_START_WRITE;
    case NSX_TLS_VERDICT:
        judge_all(aTHX_ s->tls, s->judge);
        return nsx_base->fd(aTHX_ op) == s->fd ? NSX_TLS_START_AGAIN
                                               : NSX_TLS_START_CLOSED;
    case NSX_TLS_FAILED:
        break;
    }
    return NSX_TLS_START_FAILED;
}

/* 1 when a session may begin here; else the channel's error says why not. */
static int
may_start(pTHX_ struct nsx_op *op)
{
    struct nsx_channel *ch = nsx_base->channel(op);

    if (nsx_base->fd(aTHX_ op) < 0)
        (void)nsx_error_set(&ch->error, NSX_E_IO, "nsx_tls_start",
                            "the object is not connected");
    else if (nsx_base->tied(aTHX_ op))
        (void)nsx_error_set(&ch->error, NSX_E_ARGUMENT, "nsx_tls_start",
                            "the handle is tied to a class of its own");
    else if (nsx_channel_buffered(ch) > 0)
        (void)nsx_channel_fail(ch, NSX_E_PLAINTEXT, "nsx_tls_start");
    return ch->error.code == NSX_E_NONE;
}

/* A new reference, or NULL: the channel's error says why. */
static SV *
begin(pTHX_ struct nsx_op *op, SV *config, const struct nsx_tls_target *target,
      SV *judge)
{
    struct nsx_tls_config *c =
        (struct nsx_tls_config *)nsx_held(aTHX_ config, NSX_HELD_CONFIG);
    SV *ref;
    struct starting *s;

    if (!c)
        Perl_croak(aTHX_ "Net::SMTP::XS: a TLS context of another thread");
    if (!may_start(aTHX_ op))
        return NULL;
    ref = starting_new(aTHX_ op, judge);
    s = starting_of(aTHX_ ref);
    s->tls = nsx_tls_new(c, target, &s->ch->error);
    if (s->tls)
        return ref;
    SvREFCNT_dec(ref);
    return NULL;
}

SV *
nsx_tls_begin(pTHX_ SV *smtp, SV *config, const struct nsx_tls_target *target,
              SV *judge)
{
    struct nsx_op op;

    nsx_base->enter(aTHX_ &op, smtp);
    return begin(aTHX_ &op, config, target, judge);
}

enum nsx_tls_started
nsx_tls_go_on(pTHX_ SV *smtp, SV *ref, int64_t *until)
{
    struct starting *s = starting_of(aTHX_ ref);
    struct nsx_op op;

    nsx_base->enter(aTHX_ &op, smtp);
    *until = s->deadline;
    if (nsx_base->fd(aTHX_ &op) != s->fd)
        return NSX_TLS_START_CLOSED;
    if (nsx_clock_ms() < s->deadline)
        return shake_hands(aTHX_ &op, s);
    (void)nsx_channel_fail(s->ch, NSX_E_TIMEOUT, "nsx_tls_go_on");
    nsx_base->failed(aTHX_ &op, "starttls");
    return NSX_TLS_START_TIMEOUT;
}

/* Goes on after each wait. */
static enum nsx_tls_started
wait_and_shake(pTHX_ struct nsx_op *op, struct starting *s)
{
    for (;;) {
        const enum nsx_tls_started got = shake_hands(aTHX_ op, s);
        const nsx_status want = got == NSX_TLS_START_AGAIN ? NSX_OK
            : got == NSX_TLS_START_WRITE                   ? NSX_WANT_WRITE
                                                           : NSX_WANT_READ;

        if (got < NSX_TLS_START_READ)
            return got;
        if (!nsx_base->wait(aTHX_ op, want, s->deadline, "starttls")
            || nsx_base->fd(aTHX_ op) != s->fd)
            return nsx_clock_ms() >= s->deadline ? NSX_TLS_START_TIMEOUT
                                                 : NSX_TLS_START_CLOSED;
    }
}

enum nsx_tls_started
nsx_tls_start(pTHX_ SV *smtp, SV *config, const struct nsx_tls_target *target,
              SV *judge)
{
    enum nsx_tls_started result = NSX_TLS_START_FAILED;
    struct nsx_op op;
    SV *ref;

    nsx_base->enter(aTHX_ &op, smtp);
    ref = begin(aTHX_ &op, config, target, judge);
    if (!ref)
        return result;
    ENTER;
    SAVEFREESV(ref);
    result = wait_and_shake(aTHX_ &op, starting_of(aTHX_ ref));
    LEAVE;
    return result;
}

SV *
nsx_tls_error(pTHX_ SV *smtp)
{
    const struct nsx_error *e;
    struct nsx_op op;

    nsx_base->enter(aTHX_ &op, smtp);
    e = &nsx_base->channel(&op)->error;
    return e->code == NSX_E_NONE ? newSV(0) : newSVpv(e->text, 0);
}

void
nsx_tls_fail(pTHX_ SV *smtp)
{
    struct nsx_op op;

    nsx_base->enter(aTHX_ &op, smtp);
    nsx_base->failed(aTHX_ &op, "starttls");
}

/* Waits for the peer's close_notify, or until the Timeout. */
static void
await_goodbye(pTHX_ struct nsx_op *op)
{
    struct nsx_channel *ch = nsx_base->channel(op);
    int64_t deadline = nsx_deadline_after(nsx_base->timeout(aTHX_ op));
    struct nsx_error ignored;

    nsx_error_reset(&ignored);
    while (ch->transport == &nsx_tls_transport) {
        nsx_status want = nsx_tls_close((struct nsx_tls *)ch->transport_ctx,
                                        &ch->io, &ignored);
        enum nsx_waited waited;

        if (want == NSX_OK || want == NSX_ERROR)
            return;
        waited = nsx_base->await(aTHX_ op, want, deadline, NULL, NULL);
        if (waited != NSX_WAITED_READY && waited != NSX_WAITED_AGAIN)
            return;
    }
}

void
nsx_tls_end(pTHX_ SV *smtp, int wait)
{
    struct nsx_channel *ch;
    struct nsx_op op;

    nsx_base->enter(aTHX_ &op, smtp);
    ch = nsx_base->channel(&op);
    if (ch->transport != &nsx_tls_transport)
        return;
    if (nsx_base->owned(&op)) {
        if (wait)
            await_goodbye(aTHX_ &op);
        else
            ch->transport->shutdown(ch->transport_ctx, &ch->io);
    }
    if (ch->transport != &nsx_tls_transport)
        return;
    nsx_channel_take(ch, nsx_channel_buffered(ch));
    (void)nsx_channel_set_transport(ch, NULL, NULL);
}
