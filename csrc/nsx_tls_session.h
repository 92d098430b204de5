/*
 * nsx_tls_session.h - sessions of earlier connections, for resumption
 * (RFC 8446 2.2, RFC 5246 7.3).
 *
 * A session is filed under the caller's key (host:port) together with the
 * name that was verified and a digest of every option that took part in the
 * verification, and only after that verification succeeded.  So a resumed
 * session never vouches for more than its full handshake did.
 */
#ifndef NSX_TLS_SESSION_H
#define NSX_TLS_SESSION_H

#include <stddef.h>

struct nsx_tls_sessions;

/* A cache of at most capacity sessions, the least recently used goes first.
 * One reference is the caller's.  NULL when memory is out or capacity is 0. */
struct nsx_tls_sessions *nsx_tls_sessions_new(size_t capacity);
struct nsx_tls_sessions *nsx_tls_sessions_hold(struct nsx_tls_sessions *s);
void nsx_tls_sessions_drop(struct nsx_tls_sessions *s); /* NULL is fine */

size_t nsx_tls_sessions_count(const struct nsx_tls_sessions *s);

/* Forgets the sessions whose caller's key is key, or all when it is NULL. */
void nsx_tls_sessions_forget(struct nsx_tls_sessions *s, const char *key);

#endif
