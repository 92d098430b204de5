/*
 * message.h - sending whole messages.
 */
#ifndef NSX_GLUE_MESSAGE_H
#define NSX_GLUE_MESSAGE_H

#include "letter.h"

/* 1 when sending would go through methods that are not ours, code behind a
 * tied handle, or the debugging output. */
int nsx_goes_by_methods(pTHX_ struct nsx_op *op);

/* Sends it: its result, a mortal.  Dies as the caller's code died. */
SV *nsx_letter_send(pTHX_ struct nsx_op *op, SV *letter);

#endif
