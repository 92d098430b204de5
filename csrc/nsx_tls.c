#include "nsx_tls_priv.h"

#include <string.h>

#define SHUTDOWN_SCRATCH 4096u

/* What one call into OpenSSL came to. */
enum outcome {
    OUTCOME_WANT_READ,
    OUTCOME_WANT_WRITE,
    OUTCOME_VERDICT,
    OUTCOME_CLOSED, /* close_notify */
    OUTCOME_FATAL
};

static char *
copy(const char *text)
{
    size_t n = text ? strlen(text) + 1 : 0;
    char *p = n ? nsx_alloc(n) : NULL;

    return p ? memcpy(p, text, n) : NULL;
}

/* SNI is for names (RFC 6066 3), without the final dot. */
static int
wants_sni(const char *name)
{
    unsigned char ip[16];

    return name && *name && !nsx_tls_is_numeric(name, strlen(name))
        && !nsx_tls_ip_literal(name, strlen(name), ip);
}

static int
copy_target(struct nsx_tls *tls, const struct nsx_tls_target *target)
{
    size_t len;

    if (wants_sni(target->server_name)) {
        tls->server_name = copy(target->server_name);
        len = tls->server_name ? strlen(tls->server_name) : 0;
        if (len > 1 && tls->server_name[len - 1] == '.')
            tls->server_name[len - 1] = '\0';
    }
    tls->verify_name = copy(target->verify_name);
    tls->session_key = copy(target->session_key);
    return (tls->server_name || !wants_sni(target->server_name))
        && (tls->verify_name || !target->verify_name)
        && (tls->session_key || !target->session_key);
}

/* Anything that may be resumed is offered. */
static void
offer_session(struct nsx_tls *tls)
{
    unsigned char id[NSX_TLS_SESSION_ID];
    SSL_SESSION *session;

    if (!tls->config->sessions || !tls->session_key
        || !nsx_tls_session_id(tls, id))
        return;
    session = nsx_tls_sessions_take(tls->config->sessions, id);
    if (session) {
        SSL_set_session(tls->ssl, session);
        SSL_SESSION_free(session);
    }
}

static int
set_up(struct nsx_tls *tls)
{
    BIO *bio;

    tls->ssl = SSL_new(tls->config->ctx);
    bio = tls->ssl ? nsx_tls_bio_new(tls) : NULL;
    if (!bio)
        return 0;
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_app_data(tls->ssl, tls);
    SSL_set_connect_state(tls->ssl);
    if (tls->server_name
        && !SSL_set_tlsext_host_name(tls->ssl, tls->server_name))
        return 0;
    if (nsx_tls_wants_staple(tls->config->ocsp_mode))
        SSL_set_tlsext_status_type(tls->ssl, TLSEXT_STATUSTYPE_ocsp);
    offer_session(tls);
    return 1;
}

static int
names_nobody(const struct nsx_tls_config *c,
             const struct nsx_tls_target *target)
{
    return c->verify_mode != NSX_TLS_VERIFY_NONE && c->names.check
        && (!target->verify_name || !*target->verify_name);
}

struct nsx_tls *
nsx_tls_new(struct nsx_tls_config *config, const struct nsx_tls_target *target,
            struct nsx_error *e)
{
    struct nsx_tls *tls;

    if (names_nobody(config, target)) {
        nsx_error_set(e, NSX_E_TLS_CONFIG, "nsx_tls_new",
                      "Cannot determine peer hostname for verification");
        return NULL;
    }
    ERR_clear_error();
    tls = nsx_alloc(sizeof *tls);
    if (tls) {
        tls->config = nsx_tls_config_hold(config);
        if (copy_target(tls, target) && set_up(tls))
            return tls;
        nsx_tls_free(tls);
    }
    if (ERR_peek_error() && target->server_name)
        nsx_error_set(e, NSX_E_TLS_CONFIG, "nsx_tls_new",
                      "SSL_hostname '%s' can't be used", target->server_name);
    else
        nsx_error_set(e, NSX_E_NOMEM, "nsx_tls_new", NULL);
    ERR_clear_error();
    return NULL;
}

static void
drop_early(struct nsx_tls *tls)
{
    while (tls->early_count)
        SSL_SESSION_free(tls->early[--tls->early_count]);
}

void
nsx_tls_free(struct nsx_tls *tls)
{
    if (!tls)
        return;
    drop_early(tls);
    /* Or OpenSSL takes the session for broken and forbids to resume it. */
    if (tls->state == NSX_TLS_OPEN)
        SSL_set_shutdown(tls->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(tls->ssl);
    nsx_tls_trial_free(&tls->trial);
    nsx_tls_config_drop(tls->config);
    nsx_free(tls->server_name);
    nsx_free(tls->verify_name);
    nsx_free(tls->session_key);
    nsx_free(tls);
}

/* Every call into OpenSSL stands between enter and leave. */
static void
enter_again(struct nsx_tls *tls, struct nsx_io *io, int more)
{
    ERR_clear_error(); /* SSL_get_error looks at the queue */
    tls->io = io;
    tls->more = more;
}

/* The same for the first call of a step. */
static void
enter(struct nsx_tls *tls, struct nsx_io *io, int more)
{
    tls->may_read = NSX_STEP_OCTETS;
    enter_again(tls, io, more);
}

static enum outcome
leave(struct nsx_tls *tls, int rc)
{
    tls->io = NULL;
    switch (SSL_get_error(tls->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        return OUTCOME_WANT_READ;
    case SSL_ERROR_WANT_WRITE:
        return OUTCOME_WANT_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return OUTCOME_CLOSED;
#if NSX_TLS_CAN_PAUSE
    case SSL_ERROR_WANT_RETRY_VERIFY:
        return OUTCOME_VERDICT;
#endif
    default:
        return OUTCOME_FATAL;
    }
}

static nsx_status
explain_eof(const struct nsx_tls *tls, struct nsx_error *e)
{
    if (tls->state == NSX_TLS_CONNECTING)
        return nsx_error_set(e, NSX_E_TLS_TRUNCATED, "nsx_tls_handshake",
                             "SSL connect attempt failed: %s closed the "
                             "connection during the handshake",
                             nsx_tls_whom(tls));
    return nsx_error_set(e, NSX_E_TLS_TRUNCATED, "nsx_tls_recv",
                         "%s closed the connection without the end of the "
                         "TLS stream (close_notify)",
                         nsx_tls_whom(tls));
}

static nsx_status
explain_queue(const struct nsx_tls *tls, const char *where, struct nsx_error *e)
{
    char why[NSX_ERROR_TEXT];

    nsx_tls_queue_text(why, sizeof why);
    return nsx_error_set(e, NSX_E_TLS, where, "%s%s",
                         tls->state == NSX_TLS_CONNECTING
                             ? "SSL connect attempt failed "
                             : "TLS connection failed ",
                         why);
}

/* After a fatal error: the deepest cause known. */
static nsx_status
explain(struct nsx_tls *tls, const char *where, struct nsx_error *e)
{
    const struct nsx_error *known = NULL;
    nsx_status st;

    if (tls->trial.verdict == NSX_TLS_REFUSED
        || (tls->state == NSX_TLS_OPEN && tls->trial.cause.code != NSX_E_NONE))
        known = &tls->trial.cause;
    else if (tls->io_error.code != NSX_E_NONE)
        known = &tls->io_error;
    if (known)
        st = known->code == NSX_E_IO
            ? nsx_error_errno(e, known->sys_errno, known->where)
            : nsx_error_set(e, known->code, known->where, "%s", known->text);
    else if (tls->eof)
        st = explain_eof(tls, e);
    else
        st = explain_queue(tls, where, e);
    ERR_clear_error();
    return st;
}

static nsx_status
answer(struct nsx_tls *tls, enum outcome o, const char *where,
       struct nsx_error *e)
{
    switch (o) {
    case OUTCOME_WANT_READ:
        return NSX_WANT_READ;
    case OUTCOME_WANT_WRITE:
        return NSX_WANT_WRITE;
    case OUTCOME_CLOSED:
        return nsx_error_set(e, NSX_E_EOF, where, NULL);
    default:
        explain(tls, where, e);
        tls->state = NSX_TLS_BROKEN;
        return NSX_ERROR;
    }
}

/* --- handshake --- */

static enum nsx_tls_step
connect_step(struct nsx_tls *tls, struct nsx_io *io, struct nsx_error *e)
{
    enum outcome o;
    int rc;

    enter(tls, io, 0);
    rc = SSL_connect(tls->ssl);
    if (rc == 1) {
        tls->io = NULL;
        tls->state = NSX_TLS_JUDGING;
        return NSX_TLS_DONE;
    }
    o = leave(tls, rc);
    switch (o) {
    case OUTCOME_WANT_READ:
        return NSX_TLS_WANT_READ;
    case OUTCOME_WANT_WRITE:
        return NSX_TLS_WANT_WRITE;
    case OUTCOME_VERDICT:
        return NSX_TLS_VERDICT;
    default:
        explain(tls, "nsx_tls_handshake", e);
        tls->state = NSX_TLS_BROKEN;
        return NSX_TLS_FAILED;
    }
}

static enum nsx_tls_step
refuse(struct nsx_tls *tls)
{
    drop_early(tls);
    tls->state = NSX_TLS_BROKEN;
    return NSX_TLS_FAILED;
}

/* Somebody must have vouched for the peer; an anonymous cipher suite brings
 * no certificate to judge. */
static int
is_vouched_for(const struct nsx_tls *tls)
{
    return tls->config->verify_mode == NSX_TLS_VERIFY_NONE
        || tls->trial.verdict == NSX_TLS_ACCEPTED
        || (!tls->trial.ran && SSL_session_reused(tls->ssl));
}

static void
file_sessions(struct nsx_tls *tls)
{
    unsigned char id[NSX_TLS_SESSION_ID];

    if (!tls->early_count || !nsx_tls_session_id(tls, id)) {
        drop_early(tls);
        return;
    }
    while (tls->early_count)
        nsx_tls_sessions_put(tls->config->sessions, id, tls->session_key,
                             tls->early[--tls->early_count]);
}

static X509 *
peer_cert(SSL *ssl)
{
#if OPENSSL_VERSION_NUMBER >= 0x30000000L && !defined(LIBRESSL_VERSION_NUMBER)
    return SSL_get1_peer_certificate(ssl);
#else
    return SSL_get_peer_certificate(ssl);
#endif
}

static enum nsx_tls_step
judge_step(struct nsx_tls *tls, struct nsx_error *e)
{
    struct nsx_tls_record r;

    if (nsx_tls_record_next(tls, &r))
        return NSX_TLS_VERDICT;
    if (!is_vouched_for(tls)) {
        if (tls->trial.verdict == NSX_TLS_REFUSED)
            nsx_error_set(e, tls->trial.cause.code, tls->trial.cause.where,
                          "%s", tls->trial.cause.text);
        else
            nsx_error_set(e, NSX_E_TLS_VERIFY, "nsx_tls_handshake",
                          "certificate verify failed: %s showed none",
                          nsx_tls_whom(tls));
        return refuse(tls);
    }
    if (nsx_tls_ocsp_check(tls, e) != NSX_OK)
        return refuse(tls);
    tls->trial.leaf = peer_cert(tls->ssl);
    nsx_error_reset(&tls->trial.cause);
    tls->state = NSX_TLS_OPEN;
    file_sessions(tls);
    return NSX_TLS_DONE;
}

enum nsx_tls_step
nsx_tls_handshake(struct nsx_tls *tls, struct nsx_io *io, struct nsx_error *e)
{
    struct nsx_tls_record r;

    if (tls->state == NSX_TLS_OPEN)
        return NSX_TLS_DONE;
    if (tls->state == NSX_TLS_BROKEN) {
        nsx_error_set(e, NSX_E_TLS, "nsx_tls_handshake",
                      "the TLS session has failed");
        return NSX_TLS_FAILED;
    }
    if (nsx_tls_record_next(tls, &r))
        return NSX_TLS_VERDICT; /* not yet answered */
    if (tls->state == NSX_TLS_CONNECTING) {
        enum nsx_tls_step step = connect_step(tls, io, e);

        if (step != NSX_TLS_DONE)
            return step;
    }
    return judge_step(tls, e);
}

/* --- application data --- */

static nsx_status
not_open(const char *where, struct nsx_error *e)
{
    return nsx_error_set(e, NSX_E_TLS, where, "there is no TLS session");
}

nsx_status
nsx_tls_recv(struct nsx_tls *tls, struct nsx_io *io, void *buf, size_t n,
             size_t *done, struct nsx_error *e)
{
    enum outcome o;
    int rc;

    *done = 0;
    if (tls->state != NSX_TLS_OPEN)
        return not_open("nsx_tls_recv", e);
    enter(tls, io, 0);
    for (;;) {
        rc = SSL_read_ex(tls->ssl, buf, n, done);
        o = leave(tls, rc);
        /* What is already here the descriptor will not announce again. */
        if (rc > 0 || o != OUTCOME_WANT_READ || SSL_pending(tls->ssl) == 0
            || tls->may_read == 0)
            break;
        enter_again(tls, io, 0);
    }
    return rc > 0 ? NSX_OK : answer(tls, o, "nsx_tls_recv", e);
}

nsx_status
nsx_tls_send(struct nsx_tls *tls, struct nsx_io *io, const void *buf, size_t n,
             int more, size_t *done, struct nsx_error *e)
{
    enum outcome o;
    int rc;

    *done = 0;
    if (tls->state != NSX_TLS_OPEN || tls->write_failed)
        return not_open("nsx_tls_send", e);
    enter(tls, io, more || n > SSL3_RT_MAX_PLAIN_LENGTH);
    rc = SSL_write_ex(tls->ssl, buf, n, done);
    o = leave(tls, rc);
    if (rc > 0)
        return NSX_OK;
    if (o == OUTCOME_FATAL && tls->io_error.code != NSX_E_NONE) {
        tls->write_failed = 1;
        return explain(tls, "nsx_tls_send", e);
    }
    return answer(tls, o, "nsx_tls_send", e);
}

size_t
nsx_tls_pending(struct nsx_tls *tls)
{
    int n = tls->state == NSX_TLS_OPEN ? SSL_pending(tls->ssl) : 0;

    return n > 0 ? (size_t)n : 0;
}

/* --- the end --- */

void
nsx_tls_shutdown(struct nsx_tls *tls, struct nsx_io *io)
{
    if (tls->state != NSX_TLS_OPEN || tls->write_failed
        || SSL_get_shutdown(tls->ssl) & SSL_SENT_SHUTDOWN
        || !SSL_is_init_finished(tls->ssl))
        return;
    enter(tls, io, 0);
    SSL_shutdown(tls->ssl);
    tls->io = NULL;
    ERR_clear_error();
}

nsx_status
nsx_tls_close(struct nsx_tls *tls, struct nsx_io *io, struct nsx_error *e)
{
    char scratch[SHUTDOWN_SCRATCH];
    nsx_status st;
    size_t done;

    if (tls->state != NSX_TLS_OPEN || tls->write_failed)
        return NSX_OK;
    if (!(SSL_get_shutdown(tls->ssl) & SSL_SENT_SHUTDOWN)) {
        enter(tls, io, 0);
        if (SSL_shutdown(tls->ssl) < 0)
            return answer(tls, leave(tls, -1), "nsx_tls_close", e);
        tls->io = NULL;
    }
    do
        st = nsx_tls_recv(tls, io, scratch, sizeof scratch, &done, e);
    while (st == NSX_OK && nsx_tls_pending(tls) > 0);
    if (st == NSX_ERROR && e->code == NSX_E_EOF) {
        nsx_error_reset(e);
        return NSX_OK;
    }
    return st == NSX_OK ? NSX_WANT_READ : st;
}

/* --- as a transport --- */

static nsx_status
transport_recv(void *ctx, struct nsx_io *io, void *buf, size_t n, size_t *done,
               struct nsx_error *e)
{
    return nsx_tls_recv(ctx, io, buf, n, done, e);
}

static nsx_status
transport_send(void *ctx, struct nsx_io *io, const void *buf, size_t n,
               int more, size_t *done, struct nsx_error *e)
{
    return nsx_tls_send(ctx, io, buf, n, more, done, e);
}

static size_t
transport_pending(void *ctx)
{
    return nsx_tls_pending(ctx);
}

static void
transport_shutdown(void *ctx, struct nsx_io *io)
{
    nsx_tls_shutdown(ctx, io);
}

static void
transport_free(void *ctx)
{
    nsx_tls_free(ctx);
}

const struct nsx_transport nsx_tls_transport = { "tls",
                                                 transport_recv,
                                                 transport_send,
                                                 transport_pending,
                                                 transport_shutdown,
                                                 transport_free };
