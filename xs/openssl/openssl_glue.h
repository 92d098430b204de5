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

#endif
