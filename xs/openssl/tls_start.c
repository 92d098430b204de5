/*
 * tls_start.c - the handshake of one object: steps of the core, and in
 * between waits within the object's Timeout, signal handlers, and the
 * script's judgement of certificates.
 */
#include "openssl_glue.h"

/* The session that is being made.  Perl code that runs meanwhile may die: then
 * the save stack frees it, and no octet may follow on the connection. */
struct starting {
    struct nsx_tls *tls;
    struct nsx_channel *ch;
};

static void
starting_left(pTHX_ void *arg)
{
    struct starting *s = (struct starting *)arg;

    PERL_UNUSED_CONTEXT;
    if (s->tls) {
        nsx_tls_free(s->tls);
        (void)nsx_error_set(&s->ch->error, NSX_E_TLS, "nsx_tls_start",
                            "the TLS handshake was left unfinished");
    }
    nsx_free(s);
}

static struct starting *
starting_new(pTHX_ struct nsx_op *op)
{
    struct starting *s = (struct starting *)nsx_alloc(sizeof *s);

    if (!s)
        Perl_croak(aTHX_ "Out of memory in Net::SMTP::XS");
    s->ch = nsx_base->channel(op);
    SAVEDESTRUCTOR_X(starting_left, s);
    return s;
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

/* 1 to go on, 0 when the object was closed or took too long. */
static int
between_steps(pTHX_ struct nsx_op *op, struct nsx_tls *tls,
              enum nsx_tls_step step, SV *judge, int64_t deadline)
{
    const int fd = nsx_base->channel(op)->io.fd;
    const nsx_status want = step == NSX_TLS_VERDICT ? NSX_OK
        : step == NSX_TLS_WANT_WRITE                ? NSX_WANT_WRITE
                                                    : NSX_WANT_READ;

    if (step == NSX_TLS_VERDICT)
        judge_all(aTHX_ tls, judge);
    return nsx_base->fd(aTHX_ op) == fd
        && nsx_base->wait(aTHX_ op, want, deadline, "starttls")
        && nsx_base->fd(aTHX_ op) == fd;
}

static enum nsx_tls_started
shake_hands(pTHX_ struct nsx_op *op, struct starting *s, SV *judge)
{
    struct nsx_channel *ch = nsx_base->channel(op);
    int64_t deadline = nsx_deadline_after(nsx_base->timeout(aTHX_ op));

    for (;;) {
        enum nsx_tls_step step = nsx_tls_handshake(s->tls, &ch->io, &ch->error);

        if (step == NSX_TLS_FAILED)
            return NSX_TLS_START_FAILED;
        if (step == NSX_TLS_DONE)
            break;
        if (!between_steps(aTHX_ op, s->tls, step, judge, deadline))
            return nsx_clock_ms() >= deadline ? NSX_TLS_START_TIMEOUT
                                              : NSX_TLS_START_CLOSED;
    }
    nsx_base->own(op);
    if (nsx_channel_set_transport(ch, &nsx_tls_transport, s->tls) != NSX_OK) {
        s->tls = NULL; /* the channel freed it */
        return NSX_TLS_START_FAILED;
    }
    s->tls = NULL;
    return NSX_TLS_STARTED;
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

enum nsx_tls_started
nsx_tls_start(pTHX_ SV *smtp, SV *config, const struct nsx_tls_target *target,
              SV *judge)
{
    struct nsx_tls_config *c =
        (struct nsx_tls_config *)nsx_held(aTHX_ config, NSX_HELD_CONFIG);
    enum nsx_tls_started result = NSX_TLS_START_FAILED;
    struct starting *s;
    struct nsx_op op;

    if (!c)
        Perl_croak(aTHX_ "Net::SMTP::XS: a TLS context of another thread");
    nsx_base->enter(aTHX_ &op, smtp);
    if (!may_start(aTHX_ &op))
        return NSX_TLS_START_FAILED;
    ENTER;
    s = starting_new(aTHX_ &op);
    s->tls = nsx_tls_new(c, target, &s->ch->error);
    if (s->tls)
        result = shake_hands(aTHX_ &op, s, judge);
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
