/*
 * api.h - the fence between the two shared objects: all that the one with TLS
 * and SASL may ask of the base.
 *
 * The two are loaded apart, so that plain SMTP never maps OpenSSL.  The base
 * publishes this table in PL_modglobal under NSX_API_KEY.  What an object is
 * made of stays on its side; shared are a call on it (op.h) and its channel,
 * because the functions of csrc/ are linked into both.
 */
#ifndef NSX_API_H
#define NSX_API_H

#include "nsx_channel.h"
#include "op.h"

#define NSX_API_KEY "Net::SMTP::XS::api"
#define NSX_API_NAME "NSX api"

/* Raised when a function of the table changes what it takes or does. */
#define NSX_API_VERSION 3

/* By what the two know that they are of one build.  It stands first, and of
 * another build's table nothing else may be looked at. */
struct nsx_api_stamp {
    char name[sizeof NSX_API_NAME];
    U32 version;
    U32 table, op, channel; /* octets of the structures both sides use */
};

struct nsx_api {
    struct nsx_api_stamp stamp;

    /* Begins a call; every other function wants it begun (nsx_op_enter). */
    void (*enter)(pTHX_ struct nsx_op *op, SV *self);

    /* The descriptor as it is now, -1 when the handle is closed or the session
     * stayed in another thread.  Notices a handle that changed. */
    int (*fd)(pTHX_ struct nsx_op *op);

    /* 1 when octets go through a tied handle, whose code is Perl's. */
    int (*tied)(pTHX_ struct nsx_op *op);

    /* The object's channel, which lives as long as the object. */
    struct nsx_channel *(*channel)(struct nsx_op *op);

    /* The object's Timeout in seconds, 0 for none. */
    double (*timeout)(pTHX_ struct nsx_op *op);

    /* The one wait (nsx_await). */
    enum nsx_waited (*await)(pTHX_ struct nsx_op *op, nsx_status what,
                             int64_t deadline, void (*before)(pTHX_ void *arg),
                             void *arg);

    /* Waits for the descriptor (nsx_wait): 1, or 0 with the session ended and
     * its status set. */
    int (*wait)(pTHX_ struct nsx_op *op, nsx_status what, int64_t deadline,
                const char *caller);

    /* Ends the session for the reason the channel's error gives. */
    void (*failed)(pTHX_ struct nsx_op *op, const char *caller);

    /* Makes this process the one that may say goodbye; 1 when it is. */
    void (*own)(struct nsx_op *op);
    int (*owned)(struct nsx_op *op);

    /* Says that a unit is (1) or is no longer (0) partly written. */
    void (*torn)(struct nsx_op *op, int torn);

    /* From here command lines carry credentials; until here, as often as
     * that: then the last line is wiped. */
    void (*secret)(struct nsx_object *obj);
    void (*no_secret)(struct nsx_object *obj);

    /* The AUTH list of the server's last EHLO, a new scalar. */
    SV *(*offered)(pTHX_ struct nsx_op *op);
};

#define NSX_API_STAMP                                                          \
    {                                                                          \
        NSX_API_NAME, NSX_API_VERSION, sizeof(struct nsx_api),                 \
            sizeof(struct nsx_op), sizeof(struct nsx_channel)                  \
    }

#endif
