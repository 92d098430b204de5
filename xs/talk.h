/*
 * talk.h - the session of one connection, which the messages that follow one
 * another share; and what owns C memory for Perl scalars, by ext magic.
 */
#ifndef NSX_GLUE_TALK_H
#define NSX_GLUE_TALK_H

#include "glue.h"

#include "nsx_session.h"

struct talk {
    struct nsx_session session;
    SV *glob;    /* whose channel it is */
    U32 handles; /* of the object, as it began */
};

/* A new mortal.  mails: MAIL commands this connection has seen. */
SV *nsx_talk_new(pTHX_ struct nsx_op *op, int lmtp, unsigned mails);

/* Dies for what is no talk. */
struct talk *nsx_talk_of(pTHX_ SV *talk);

/* A mortal reference to a scalar that owns what; vtbl frees it, and has
 * nsx_owned_forget for new threads.  nsx_owned dies for another scalar. */
SV *nsx_owner_of(pTHX_ void *what, MGVTBL *vtbl);
void *nsx_owned(pTHX_ SV *ref, MGVTBL *vtbl);
int nsx_owned_forget(pTHX_ MAGIC *mg, CLONE_PARAMS *param);

/* n octets of zeros, for nsx_free; dies when there are none. */
void *nsx_zeroed(pTHX_ size_t n);

#endif
