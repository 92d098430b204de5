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

/* Reads the replies that nobody asks for any more, so that the next one answers
 * the next command: the digit of the last. */
int nsx_disowned_replies(pTHX_ struct nsx_op *op);

/* A reply is to come.  Scripts may leave any number of them unasked for: those
 * beyond the session's cap are not counted. */
void nsx_expect_reply(struct nsx_op *op, enum nsx_verb verb);

int nsx_digit_of(pTHX_ SV *status);

#endif
