/*
 * part.h - parts of a message that must not be broken off.
 */
#ifndef NSX_GLUE_PART_H
#define NSX_GLUE_PART_H

#include "glue.h"

/* A die before nsx_watch_end leaves the session torn. */
void nsx_part_guard(pTHX_ struct nsx_watch *watch, struct nsx_op *op);

/* Begins a part of a message: a die before nsx_watch_end leaves the session
 * torn, and what code that runs meanwhile wants to send is refused. */
void nsx_part_begin(pTHX_ struct nsx_watch *watch, struct nsx_op *op);

/* Begins a chunk: a die behind the first octet that is written, and before
 * nsx_watch_end, leaves the session torn. */
void nsx_chunk_begin(pTHX_ struct nsx_watch *watch, struct nsx_op *op);

/* 1, with the session ended, when a part of a message is being sent: what a
 * signal handler, or code that shows the dialogue, sends now would become part
 * of it. */
int nsx_interrupts(pTHX_ struct nsx_op *op);

#endif
