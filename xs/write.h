/*
 * write.h - octets to the server.
 */
#ifndef NSX_GLUE_WRITE_H
#define NSX_GLUE_WRITE_H

#include "glue.h"

/* Writes octets, waiting within the object's Timeout: 1, or 0 with the status
 * set and the handle closed.  body, when given, is made independent of the
 * caller's scalars before a signal handler runs. */
int nsx_write(pTHX_ struct nsx_op *op, const char *data, size_t n, int more,
              struct nsx_text *body);

/* The same through the _syswrite_with_timeout method where overridden. */
int nsx_write_unit(pTHX_ struct nsx_op *op, const char *data, size_t n,
                   int more);

#endif
