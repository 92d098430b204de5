/*
 * letter.h - one message (csrc/nsx_message.h): it holds all that the engine
 * looks at (strings, the last piece of a handle or code), so that it may
 * outlive the call that made it.
 */
#ifndef NSX_GLUE_LETTER_H
#define NSX_GLUE_LETTER_H

#include "source.h"
#include "owned.h"

/* Makes the object's session ready for messages, by what its hash says now.
 * Answers obj->handles, for the letters that are made for it. */
U32 nsx_letter_begin(pTHX_ struct nsx_op *op);

/* The interpreter's own, empty, until the scope is left; another one where that
 * is lent already. */
struct letter *nsx_letter_borrow(pTHX);

/* A new mortal from Message.pm's hash; or a string that says what is wrong. */
SV *nsx_letter_new(pTHX_ struct nsx_op *op, U32 handles, HV *message);

/* Dies for what is no letter. */
struct letter *nsx_letter_of(pTHX_ SV *letter);

/* The next letter's envelope may go behind this one's end. */
void nsx_letter_follow(pTHX_ SV *letter, SV *next);

/* Extensions whose lack leaves an option out: a mortal array. */
AV *nsx_letter_left_out(pTHX_ SV *letter);

#endif
