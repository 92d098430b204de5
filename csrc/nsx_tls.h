/*
 * nsx_tls.h - one TLS client session over a non-blocking descriptor.
 *
 * The session is the context of nsx_tls_transport.  Life of one:
 *
 *     tls = nsx_tls_new(config, &target, &e);
 *     while ((step = nsx_tls_handshake(tls, &io, &e)) != NSX_TLS_DONE) {
 *         WANT_READ, WANT_WRITE: wait on io, call again
 *         VERDICT: see below, call again
 *         FAILED: e says why; nsx_tls_free; close the descriptor
 *     }
 *     nsx_channel_set_transport(&ch, &nsx_tls_transport, tls);
 *
 * It never blocks and never calls the caller: where the caller must judge a
 * certificate itself (options.verify_callback) the handshake stops with
 * NSX_TLS_VERDICT.  With OpenSSL 3.0 and later it stops before anything of
 * ours that depends on the server's identity is sent (the client certificate,
 * Finished); with older libraries the judgement comes after the handshake.
 * In both cases no application data goes out before NSX_TLS_DONE.
 *
 * A call reads at most NSX_STEP_OCTETS octets from the wire and then says
 * that it wants more, so that the caller can look at its clock.
 */
#ifndef NSX_TLS_H
#define NSX_TLS_H

#include "nsx_channel.h"
#include "nsx_tls_config.h"

struct x509_st; /* OpenSSL's X509 */
struct nsx_tls;

/* Whom we want to talk to; all copied. */
struct nsx_tls_target {
    const char *server_name; /* SNI; NULL or an IP literal sends none */
    const char *verify_name; /* host or IP literal the certificate must name;
                                NULL only where the rules check no name */
    const char *session_key; /* host:port for resumption; NULL: none */
};

/* Holds the configuration.  NULL: NSX_E_NOMEM, or NSX_E_TLS_CONFIG when a
 * name cannot be used or the one to check is missing. */
struct nsx_tls *nsx_tls_new(struct nsx_tls_config *config,
                            const struct nsx_tls_target *target,
                            struct nsx_error *e);

/* Frees the session without touching the descriptor (a forked child may do
 * it).  NULL is fine. */
void nsx_tls_free(struct nsx_tls *tls);

enum nsx_tls_step {
    NSX_TLS_DONE = 0,
    NSX_TLS_WANT_READ,
    NSX_TLS_WANT_WRITE,
    NSX_TLS_VERDICT, /* answer all records, then call again */
    NSX_TLS_FAILED
};

/* One step of the handshake; DONE means that chain, name, pins, CRL, OCSP and
 * the caller's verdicts allow the connection.  FAILED: NSX_E_TLS_VERIFY with
 * host, check, certificate, OpenSSL's reason and depth; NSX_E_TLS;
 * NSX_E_TLS_TRUNCATED when the peer hung up; NSX_E_IO; NSX_E_NOMEM.  After
 * FAILED only nsx_tls_free and the getters make sense. */
enum nsx_tls_step nsx_tls_handshake(struct nsx_tls *tls, struct nsx_io *io,
                                    struct nsx_error *e);

/* One call OpenSSL's verifier would make to a verify callback, in its order
 * (from the trust anchor to the leaf; a certificate may come up more than
 * once).  Judgements made before the caller's: ok is OpenSSL's alone. */
struct nsx_tls_record {
    int ok;
    int error;            /* X509_V_ERR_*, 0 when ok */
    int depth;            /* 0 is the leaf */
    const char *text;     /* static words for error */
    struct x509_st *cert; /* borrowed from the session */
};

/* The record to judge next: 1 with *out filled, or 0 when none is left or one
 * was refused.  nsx_tls_answer judges it: ok = 0 refuses the peer.  After an
 * ok for the leaf its name is checked by the rules; a pin that fits the leaf
 * outweighs any refusal.  Where verify_mode is NONE answers have no effect.
 *
 * (For a scheme with a callback of its own: turn the name rules off and let
 * the judge of record depth 0 do it.) */
int nsx_tls_record_next(struct nsx_tls *tls, struct nsx_tls_record *out);
void nsx_tls_answer(struct nsx_tls *tls, int ok);

/* Application data.  recv: NSX_OK with *done > 0; WANT_*; or NSX_ERROR:
 * NSX_E_EOF after a close_notify, NSX_E_TLS_TRUNCATED when the stream ended
 * without one, NSX_E_TLS, NSX_E_IO.  send: at most one record a call; after
 * WANT_* the same octets must be offered again (at any address, more may
 * follow).  Either may want the other direction (key update, renegotiation).
 * more = 1 lets the kernel hold the record back until more comes.  After a
 * send that failed with NSX_E_IO, recv still gives what the peer had sent. */
nsx_status nsx_tls_recv(struct nsx_tls *tls, struct nsx_io *io, void *buf,
                        size_t n, size_t *done, struct nsx_error *e);
nsx_status nsx_tls_send(struct nsx_tls *tls, struct nsx_io *io, const void *buf,
                        size_t n, int more, size_t *done, struct nsx_error *e);

/* Decrypted octets that wait to be read. */
size_t nsx_tls_pending(struct nsx_tls *tls);

/* Sends close_notify once, without waiting; errors are of no interest. */
void nsx_tls_shutdown(struct nsx_tls *tls, struct nsx_io *io);

/* Waiting for the peer's close_notify too (stop_SSL): NSX_OK when both are
 * through, WANT_*, NSX_ERROR.  Application data that still arrives is
 * dropped. */
nsx_status nsx_tls_close(struct nsx_tls *tls, struct nsx_io *io,
                         struct nsx_error *e);

extern const struct nsx_transport nsx_tls_transport; /* ctx: struct nsx_tls */

#endif
