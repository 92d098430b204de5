/*
 * nsx_tls_peer.h - what was negotiated, and with whom.
 *
 * Strings are static or live as long as the session.  Before the handshake is
 * done the answers are NULL, 0 or empty.
 */
#ifndef NSX_TLS_PEER_H
#define NSX_TLS_PEER_H

#include <stddef.h>
#include "nsx_buf.h"

struct x509_st; /* OpenSSL's X509 */
struct nsx_tls;

const char *nsx_tls_cipher(struct nsx_tls *tls); /* "TLS_AES_256_GCM_SHA384" */

/* "TLSv1_3" "TLSv1_2" "TLSv1_1" "TLSv1", and the number on the wire
 * (0x0304). */
const char *nsx_tls_version(struct nsx_tls *tls);
int nsx_tls_version_int(struct nsx_tls *tls);

const char *nsx_tls_servername(struct nsx_tls *tls); /* SNI sent, or NULL */

/* The name the certificate was to be checked against, or NULL. */
const char *nsx_tls_verify_name(struct nsx_tls *tls);

/* The protocol the server chose: slice, *len octets; NULL when none. */
const char *nsx_tls_alpn(struct nsx_tls *tls, size_t *len);

int nsx_tls_session_reused(struct nsx_tls *tls); /* 1 or 0 */

/* Borrowed; NULL when there is none.  Chain as the peer sent it, leaf first,
 * i from 0. */
struct x509_st *nsx_tls_peer_cert(struct nsx_tls *tls);
struct x509_st *nsx_tls_own_cert(struct nsx_tls *tls);
size_t nsx_tls_chain_count(struct nsx_tls *tls);
struct x509_st *nsx_tls_chain_cert(struct nsx_tls *tls, size_t i);

/* Channel bindings, appended to out.  1, or 0 when the connection has none.
 * exporter: RFC 9266, 32 octets, only for TLS 1.3 and for TLS 1.2 with the
 * extended master secret (RFC 7627); end_point: RFC 5929 4. */
#define NSX_TLS_EXPORTER 32u
int nsx_tls_binding_exporter(struct nsx_tls *tls, struct nsx_buf *out);
int nsx_tls_binding_end_point(struct nsx_tls *tls, struct nsx_buf *out);

/* What came of OCSP stapling. */
enum nsx_tls_staple {
    NSX_TLS_STAPLE_NONE = 0, /* not asked for, or nothing came */
    NSX_TLS_STAPLE_GOOD,
    NSX_TLS_STAPLE_REVOKED,
    NSX_TLS_STAPLE_UNUSABLE /* came, but does not prove anything */
};
enum nsx_tls_staple nsx_tls_staple(struct nsx_tls *tls);

/* Words for the library's and the build's versions: "OpenSSL 3.0.19 ...". */
const char *nsx_tls_library(void);

#endif
