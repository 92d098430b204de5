/*
 * reply.h - replies.
 */
#ifndef NSX_GLUE_REPLY_H
#define NSX_GLUE_REPLY_H

#include "glue.h"

/* Takes code and separator off the line, whose magic has been got: 1, or 0 and the line unchanged. */
int nsx_parse_line(pTHX_ SV *line, SV **code, int *more);

/* The first digit of the reply as a character, or NSX_DIGIT_NONE. */
int nsx_response(pTHX_ struct nsx_op *op);
int nsx_call_response(pTHX_ struct nsx_op *op);

/* Reads what is owed, so that the next reply answers the next command: the
 * digit of the last. */
int nsx_owed_reply(pTHX_ struct nsx_op *op);
int nsx_digit_of(pTHX_ SV *status);

#endif
