/*
 * waiting.h - short lines of a body that wait to be sent together.
 *
 * A script that calls datasend once a line would pay for one system call a
 * line.  So what one datasend gives may wait in the interpreter's block for
 * the next one, as long as nobody can tell: whatever touches the object or its
 * handle sends it first.  One object an interpreter has octets that wait.
 *
 * What sends them: any other method; any use of the handle by Perl (a PerlIO
 * layer that is there only while octets wait); a fork, system or exec; a new
 * thread; a call that comes more than NSX_WAITING_GAP_MS after the one before
 * or NSX_WAITING_AGE_MS after the first octet; a full block; another object
 * that sends.  What is left when the object goes is tried once.
 */
#ifndef NSX_WAITING_H
#define NSX_WAITING_H

#include "glue.h"

/* Milliseconds between two calls of a producer that is not slow, and the
 * longest that an octet waits while calls go on. */
#define NSX_WAITING_GAP_MS 1
#define NSX_WAITING_AGE_MS 200

/* Puts text behind what waits, or begins to wait with it: 1, or 0 when it has
 * to be sent the ordinary way.  The first is for a call on self that is not
 * entered yet. */
int nsx_waiting_add(pTHX_ SV *self, SV *text);
int nsx_waiting_begin(pTHX_ struct nsx_op *op, SV *text);

/* The same for an object of which all that forbids it is known to be absent. */
int nsx_waiting_start(pTHX_ struct nsx_op *op, SV *text, double timeout);

/* 1 while nothing about the object that waits was changed. */
int nsx_waiting_is_steady(pTHX);

/* Sends what waits of the object; with the end of data behind it.  1, or 0
 * with the session ended and the status set. */
int nsx_waiting_flush(pTHX_ struct nsx_op *op, int more);
int nsx_waiting_finish(pTHX_ struct nsx_op *op);

/* The latter in two steps: what can go without waiting, of an object whose
 * handle is known to be there, and what is left of that; *sent octets went. */
size_t nsx_waiting_finish_now(pTHX_ struct nsx_object *obj, size_t *sent);
int nsx_waiting_finish_later(pTHX_ struct nsx_op *op, size_t sent, size_t left);

#endif
