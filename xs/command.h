/*
 * command.h - commands and their replies.
 */
#ifndef NSX_GLUE_COMMAND_H
#define NSX_GLUE_COMMAND_H

#include "glue.h"

/* Sends words (argv is written to) as one command; 1 when it was written. */
int nsx_command(pTHX_ struct nsx_op *op, I32 argc, SV **argv, int more);

/* Builds the line of a command in op->obj->out (argv is written to).  Dies for
 * words that make none. */
void nsx_command_build(pTHX_ struct nsx_op *op, I32 argc, SV **argv);

/* What comes before a command: a message that is under way is ended, a reply
 * that is owed passes.  1, or 0 when nothing can be sent. */
int nsx_make_ready(pTHX_ struct nsx_op *op);

/* A command and its reply, through the methods of these names. */
int nsx_exchange(pTHX_ struct nsx_op *op, I32 argc, SV **argv);

#endif
