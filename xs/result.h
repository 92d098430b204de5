/*
 * result.h - what became of a message, as Net::SMTP::XS::Result: a blessed
 * scalar whose octets are the facts.  It holds no memory of its own, so it
 * needs no destructor and goes into new threads as any scalar does.  Objects
 * for recipients are made of it when they are asked for; what the facts mean
 * is known to csrc/nsx_outcome alone.
 */
#ifndef NSX_GLUE_RESULT_H
#define NSX_GLUE_RESULT_H

#include "glue.h"

#include "nsx_message.h"

/* An address as the caller gave it; borrowed. */
struct nsx_given {
    const char *text;
    size_t len;
    int is_utf8;
};

/* Tells the address of recipient i; the text is read before the next call. */
typedef void (*nsx_given_fn)(pTHX_ void *ctx, size_t i,
                             struct nsx_given *given);

/* A new mortal; elapsed in seconds.  Dies without memory. */
SV *nsx_result_new(pTHX_ const struct nsx_outcome *o,
                   const struct nsx_message_result *r, double elapsed,
                   nsx_given_fn given, void *ctx);

/* What a result is asked.  All die for what is no result.  Values are new
 * scalars, the caller's to free. */
enum nsx_result_fact {
    NSX_RESULT_OUTCOME,
    NSX_RESULT_CODE,
    NSX_RESULT_ENHANCED,
    NSX_RESULT_MESSAGE,
    NSX_RESULT_STAGE,
    NSX_RESULT_IS_TEMPORARY,
    NSX_RESULT_IS_PERMANENT,
    NSX_RESULT_OCTETS,
    NSX_RESULT_TRANSACTIONS,
    NSX_RESULT_ROUND_TRIPS,
    NSX_RESULT_ELAPSED,
    NSX_RESULT_IS_REUSABLE,
    NSX_RESULT_IS_SUCCESS,
    NSX_RESULT_DECIDER /* the recipient whose reply decided, as an object */
};
SV *nsx_result_fact(pTHX_ SV *result, enum nsx_result_fact fact);

/* Which recipients: those of a fate (enum nsx_fate), or one of these. */
enum {
    NSX_RESULT_ALL = 100,
    NSX_RESULT_RETRY
};
size_t nsx_result_count(pTHX_ SV *result);
int nsx_result_has(pTHX_ SV *result, size_t i, int which);
SV *nsx_result_address(pTHX_ SV *result, size_t i);
SV *nsx_result_recipient(pTHX_ SV *result, size_t i);

#endif
