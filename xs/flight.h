/*
 * flight.h - recipients in flight: to(@many, { SkipBad => 1 }) where the server
 * offers PIPELINING (RFC 2920) and nobody watches.
 */
#ifndef NSX_GLUE_FLIGHT_H
#define NSX_GLUE_FLIGHT_H

#include "glue.h"

/* Sends RCPT for addresses of addr[0..n), words (NULL: none) behind each,
 * without waiting for the replies in between.  Answers how many of them are
 * done, 0 where this is not the way; the others are for the lockstep.  *good
 * of the former were accepted and stand in front, in their order; the status is
 * that of the last reply. */
I32 nsx_flight_recipients(pTHX_ struct nsx_op *op, I32 n, SV **addr, SV *words,
                          I32 *good);

#endif
