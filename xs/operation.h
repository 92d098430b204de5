/*
 * operation.h - what a step of an operation asks for, as Perl data.
 */
#ifndef NSX_GLUE_OPERATION_H
#define NSX_GLUE_OPERATION_H

#include "glue.h"

/* New scalars: 'read', 'write', 'both' or 'timer'; and milliseconds of the
 * clock, undef for no limit. */
SV *nsx_want(pTHX_ enum nsx_step step);
SV *nsx_until(pTHX_ enum nsx_step step, int64_t until);

#endif
