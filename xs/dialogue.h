/*
 * dialogue.h - one command and its reply on the object's session, for who must
 * not wait: nsx_exchange in steps.
 *
 *     nsx_dialogue_say or nsx_dialogue_await
 *     while (nsx_dialogue_step(op, &until, &digit) is not NSX_STEP_DONE) ...
 *     the status is the reply's, or what response leaves where none came
 *
 * The dialogue is shown where Debug is on.  No override is asked: it is for
 * objects whose class has none.
 */
#ifndef NSX_GLUE_DIALOGUE_H
#define NSX_GLUE_DIALOGUE_H

#include "glue.h"

/* A command, of words as nsx_command takes them; a reply that comes without
 * one, the greeting.  Dies for words that are no octets or make no line. */
void nsx_dialogue_say(pTHX_ struct nsx_op *op, I32 argc, SV **argv);
void nsx_dialogue_await(pTHX_ struct nsx_op *op);

/* DONE, with *digit the first one of the reply's code or NSX_DIGIT_NONE; WANT_...
 * or AGAIN, until *until (clock of nsx_io) at most. */
enum nsx_step nsx_dialogue_step(pTHX_ struct nsx_op *op, int64_t *until,
                                int *digit);

/* Takes the lines of the last reply for EHLO's. */
void nsx_dialogue_learn(pTHX_ struct nsx_op *op);

#endif
