/*
 * tls_net.h - a TLS server in the same thread for the TLS tests, behind a
 * relay that can slow the line down or cut it.  Include after tap.h.
 *
 *     client -- near socket pair -- relay -- far socket pair -- server
 */
#ifndef NSX_TEST_TLS_NET_H
#define NSX_TEST_TLS_NET_H

#include <openssl/ssl.h>

#include "net.h"
#include "nsx_io.h"
#include "nsx_tls.h"
#include "nsx_tls_peer.h"
#include "tls_pki.h"

#define MAX_TURNS 200000L

struct link {
    struct nsx_io io; /* of the client */
    int near[2], far[2];
    size_t chunk;   /* octets the relay moves at a time */
    long cut_after; /* octets to the client until the line ends; -1 never */
    SSL_CTX *ctx;
    SSL *server;
    int accepted; /* 1 done, -1 failed */
    struct nsx_tls *tls;
    struct nsx_error error;
    int verdicts; /* times the caller was asked */
    int answer;   /* what it says, -1: OpenSSL's own opinion */
};

static void
unblock(int fd)
{
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

/* A server for one certificate; extra goes behind it in the chain. */
static TAP_UNUSED SSL_CTX *
server_ctx(const struct id *id, X509 *extra)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"t", 1);
    if (id
        && (!SSL_CTX_use_certificate(ctx, id->cert)
            || !SSL_CTX_use_PrivateKey(ctx, id->key)))
        bail_out("no server certificate");
    if (extra)
        SSL_CTX_add1_chain_cert(ctx, extra);
    return ctx;
}

/* Takes over ctx; with NULL nothing speaks TLS at the far end. */
static TAP_UNUSED void
link_open(struct link *l, SSL_CTX *ctx)
{
    memset(l, 0, sizeof *l);
    unix_pair(l->near);
    unix_pair(l->far);
    unblock(l->near[1]);
    unblock(l->far[0]);
    unblock(l->far[1]);
    l->chunk = 65536;
    l->cut_after = -1;
    l->answer = -1;
    nsx_io_init(&l->io, l->near[0]);
    l->ctx = ctx;
    if (ctx) {
        l->server = SSL_new(ctx);
        SSL_set_fd(l->server, l->far[1]);
        SSL_set_accept_state(l->server);
    }
}

static TAP_UNUSED void
link_close(struct link *l)
{
    nsx_tls_free(l->tls);
    SSL_free(l->server);
    SSL_CTX_free(l->ctx);
    close_pair(l->near);
    close_pair(l->far);
    ERR_clear_error();
}

static void
hang_up(struct link *l)
{
    (void)shutdown(l->near[1], SHUT_WR);
    (void)shutdown(l->far[0], SHUT_WR);
}

/* Moves up to n octets as far as the other side takes them.  0 at the end of
 * the stream, -1 when nothing moved. */
static ssize_t
move(int from, int to, size_t n)
{
    static char buf[65536];
    ssize_t got = recv(from, buf, n < sizeof buf ? n : sizeof buf, MSG_PEEK);

    if (got > 0)
        got = send(to, buf, (size_t)got, MSG_NOSIGNAL);
    if (got > 0 && recv(from, buf, (size_t)got, 0) != got)
        bail_out("the relay loses octets");
    return got;
}

/* What the server said, to the client. */
static void
relay_down(struct link *l)
{
    size_t n = l->chunk;
    ssize_t got;

    if (l->cut_after >= 0 && (size_t)l->cut_after < n)
        n = (size_t)l->cut_after;
    if (n == 0) {
        hang_up(l);
        return;
    }
    got = move(l->far[0], l->near[1], n);
    if (got == 0)
        (void)shutdown(l->near[1], SHUT_WR);
    if (got > 0 && l->cut_after > 0)
        l->cut_after -= got;
}

static void
relay_up(struct link *l)
{
    if (move(l->near[1], l->far[0], l->chunk) == 0)
        (void)shutdown(l->far[0], SHUT_WR);
}

static TAP_UNUSED void
relay(struct link *l)
{
    relay_up(l);
    relay_down(l);
}

static TAP_UNUSED void
server_step(struct link *l)
{
    int rc;

    if (!l->server || l->accepted)
        return;
    ERR_clear_error();
    rc = SSL_accept(l->server);
    if (rc == 1)
        l->accepted = 1;
    else if (SSL_get_error(l->server, rc) != SSL_ERROR_WANT_READ
             && SSL_get_error(l->server, rc) != SSL_ERROR_WANT_WRITE)
        l->accepted = -1;
    ERR_clear_error();
}

static void
give_verdicts(struct link *l)
{
    struct nsx_tls_record r;

    while (nsx_tls_record_next(l->tls, &r)) {
        l->verdicts++;
        nsx_tls_answer(l->tls, l->answer < 0 ? r.ok : l->answer);
    }
}

/* The whole handshake: NSX_TLS_DONE or NSX_TLS_FAILED with l->error. */
static TAP_UNUSED enum nsx_tls_step
link_handshake(struct link *l, struct nsx_tls_config *c,
               const struct nsx_tls_target *target)
{
    enum nsx_tls_step step = NSX_TLS_WANT_READ;
    long turn;

    nsx_error_reset(&l->error);
    l->tls = nsx_tls_new(c, target, &l->error);
    if (!l->tls)
        return NSX_TLS_FAILED;
    for (turn = 0; turn < MAX_TURNS; turn++) {
        if (step != NSX_TLS_DONE)
            step = nsx_tls_handshake(l->tls, &l->io, &l->error);
        if (step == NSX_TLS_VERDICT)
            give_verdicts(l);
        if (step == NSX_TLS_FAILED
            || (step == NSX_TLS_DONE && l->accepted != 0))
            return step;
        relay(l);
        server_step(l);
    }
    return step;
}

/* Reads until n octets are there, or until something else happens. */
static TAP_UNUSED nsx_status
client_read(struct link *l, char *buf, size_t n, size_t *got)
{
    long turn;

    *got = 0;
    for (turn = 0; turn < MAX_TURNS && *got < n; turn++) {
        size_t done = 0;
        nsx_status st = nsx_tls_recv(l->tls, &l->io, buf + *got, n - *got,
                                     &done, &l->error);

        *got += done;
        if (st == NSX_ERROR)
            return st;
        if (st != NSX_OK)
            relay(l);
    }
    return *got == n ? NSX_OK : NSX_WANT_READ;
}

static TAP_UNUSED void
server_say(struct link *l, const char *text, size_t n)
{
    if (SSL_write(l->server, text, (int)n) != (int)n)
        bail_out("the server cannot write");
}

/* What the server reads, up to n octets. */
static TAP_UNUSED size_t
server_read(struct link *l, char *buf, size_t n)
{
    size_t got = 0;
    long turn;

    for (turn = 0; turn < MAX_TURNS && got < n; turn++) {
        int rc = SSL_read(l->server, buf + got, (int)(n - got));

        if (rc > 0) {
            got += (size_t)rc;
            continue;
        }
        if (SSL_get_error(l->server, rc) != SSL_ERROR_WANT_READ)
            break;
        relay(l);
    }
    ERR_clear_error();
    return got;
}

/* Sends all of it; what the server makes of it is read into sink. */
static TAP_UNUSED nsx_status
client_say(struct link *l, const char *text, size_t n)
{
    long turn;
    size_t at = 0;

    for (turn = 0; turn < MAX_TURNS && at < n; turn++) {
        size_t done = 0;
        nsx_status st = nsx_tls_send(l->tls, &l->io, text + at, n - at, 0,
                                     &done, &l->error);

        if (st == NSX_ERROR)
            return st;
        at += done;
        relay(l);
    }
    return at == n ? NSX_OK : NSX_WANT_WRITE;
}

#endif
