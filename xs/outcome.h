/*
 * outcome.h - what became of a message, as Perl data.
 */
#ifndef NSX_GLUE_OUTCOME_H
#define NSX_GLUE_OUTCOME_H

#include "source.h"

/* A mortal reference to the facts of Net::SMTP::XS::Result. */
SV *nsx_outcome_facts(pTHX_ struct letter *l,
                      const struct nsx_message_result *r);

/* Gives the object the last reply as its status: 0 when there was none. */
int nsx_outcome_status(pTHX_ struct nsx_op *op, const struct nsx_message *m);

#endif
