/*
 * capability.h - what the server said to EHLO.
 */
#ifndef NSX_GLUE_CAPABILITY_H
#define NSX_GLUE_CAPABILITY_H

#include "glue.h"

/* An upper-case copy, a mortal. */
SV *nsx_upper(pTHX_ SV *keyword);

/* EHLO's answer: fills the object's capability hash from lines. */
void nsx_learn_capabilities(pTHX_ struct nsx_op *op, I32 count, SV **lines);

/* Makes the session's caps those of the hash, as it is now: scripts edit it. */
void nsx_known_capabilities(pTHX_ struct nsx_op *op);

/* The same where no code of a script's can run: 1, or 0 with nothing known. */
int nsx_plain_capabilities(pTHX_ struct nsx_op *op);

#endif
