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
SV *nsx_letter_send(pTHX_ struct nsx_op *op, struct letter *l);

/* The same in parts, for who must not wait.  step does what can be done in some
 * milliseconds: DONE; WANT_...; AGAIN: call it at once; LATER: when the
 * caller's code has more, or the descriptor is readable.  Whatever it answers,
 * it is to be called when *until (clock of nsx_io) has passed.  Once it is DONE,
 * or after cancel, finish answers and dies as nsx_letter_send. */
enum nsx_step nsx_letter_step(pTHX_ struct nsx_op *op, SV *letter,
                              int64_t *until);
void nsx_letter_cancel(pTHX_ SV *letter);
SV *nsx_letter_finish(pTHX_ struct nsx_op *op, struct letter *l);

/* Why no operation can begin: something must be waited for first; or NULL. */
const char *nsx_unready(pTHX_ struct nsx_op *op);

#endif
