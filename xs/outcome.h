/*
 * outcome.h - what became of a message: as a result, and as the object's status.
 */
#ifndef NSX_GLUE_OUTCOME_H
#define NSX_GLUE_OUTCOME_H

#include "source.h"

/* The message's Net::SMTP::XS::Result, a mortal. */
SV *nsx_outcome_result(pTHX_ struct letter *l,
                       const struct nsx_message_result *r);

/* The same of plain data, a hash as Result.pm describes it; dies for what is
 * none. */
SV *nsx_outcome_from_perl(pTHX_ HV *facts);

/* Gives the object the last reply as its status: 0 when there was none. */
int nsx_outcome_status(pTHX_ struct nsx_op *op, const struct nsx_message *m);

#endif
