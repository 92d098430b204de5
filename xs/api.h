/*
 * api.h - what the base shared object lends to the one with TLS and SASL.
 *
 * The two are loaded apart, so that plain SMTP never maps OpenSSL.  The base
 * publishes this table in PL_modglobal under NSX_API_KEY; functions that need
 * no interpreter (csrc/) are linked into both.
 */
#ifndef NSX_API_H
#define NSX_API_H

#include "glue.h"

#define NSX_API_KEY "Net::SMTP::XS::api"
#define NSX_API_VERSION 1

struct nsx_api {
    int version;
    void (*op_enter)(pTHX_ struct nsx_op *op, SV *self);
    int (*op_fd)(pTHX_ struct nsx_op *op);
    double (*timeout)(pTHX_ struct nsx_op *op);
    /* Like nsx_wait: 0 with the session ended and its status set. */
    int (*wait)(pTHX_ struct nsx_op *op, nsx_status what, int64_t deadline,
                const char *caller);
    /* Ends the session for the reason op->obj->ch.error gives. */
    void (*failed)(pTHX_ struct nsx_op *op, const char *caller);
    SV *(*call)(pTHX_ SV *self, const char *name, I32 argc, SV **argv);
};

#endif
