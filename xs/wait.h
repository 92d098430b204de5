/*
 * wait.h - waiting for a descriptor.
 */
#ifndef NSX_GLUE_WAIT_H
#define NSX_GLUE_WAIT_H

#include "glue.h"

/* The object's Timeout in seconds, 0 for none. */
double nsx_timeout(pTHX_ struct nsx_op *op);

/* The one wait: until the descriptor can do what, the deadline (NSX_NEVER: none)
 * passes, or a signal came.  Then before, unless it is NULL, is called with
 * arg, and the handlers run: they may die.  With NSX_OK for what nothing is
 * waited for: it gives handlers and the clock their turn between two steps. */
enum nsx_waited nsx_await(pTHX_ struct nsx_op *op, nsx_status what,
                          int64_t deadline, void (*before)(pTHX_ void *arg),
                          void *arg);

/* The channel's error for a wait that ended in TIMEOUT or FAILED. */
void nsx_await_failed(struct nsx_object *obj, enum nsx_waited waited);

/* Waits as a method does: 1, or 0 with the session ended and the status set. */
int nsx_wait(pTHX_ struct nsx_op *op, nsx_status what, int64_t deadline,
             const char *caller);

#endif
