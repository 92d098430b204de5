/*
 * wait.h - waiting for a descriptor.
 */
#ifndef NSX_GLUE_WAIT_H
#define NSX_GLUE_WAIT_H

#include "glue.h"

/* The object's Timeout in seconds, 0 for none. */
double nsx_timeout(pTHX_ struct nsx_op *op);

/* Waits for the descriptor: 1, or 0 with the session ended. */
int nsx_wait(pTHX_ struct nsx_op *op, nsx_status what, int64_t deadline,
             const char *caller);

#endif
