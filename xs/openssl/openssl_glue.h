/*
 * openssl_glue.h - what the files of the TLS and SASL glue share.
 */
#ifndef NSX_OPENSSL_GLUE_H
#define NSX_OPENSSL_GLUE_H

#include "api.h"
#include "nsx_base64.h"
#include "nsx_sasl.h"
#include "nsx_tls.h"
#include "nsx_tls_cert.h"
#include "nsx_tls_peer.h"

/* The base shared object's table; set by nsx_openssl_boot, which dies when it
 * is missing or of another version. */
extern const struct nsx_api *nsx_base;

void nsx_openssl_boot(pTHX);

/* --- tls_peer.c -------------------------------------------------------- */

/* The native TLS session of an object, or NULL. */
struct nsx_tls *nsx_tls_of(pTHX_ SV *smtp);

/* A new scalar of the buffer's octets, undef when ok is 0; frees buf. */
SV *nsx_tls_octets(pTHX_ int ok, struct nsx_buf *buf);

/* Channel binding data (RFC 9266, RFC 5929) by the type's name: a new scalar,
 * undef when the connection has none. */
SV *nsx_tls_binding(pTHX_ SV *smtp, const char *type);

#endif
