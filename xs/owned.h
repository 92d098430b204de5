/*
 * owned.h - scalars that own C memory, by ext magic.
 */
#ifndef NSX_GLUE_OWNED_H
#define NSX_GLUE_OWNED_H

#include "glue.h"

/* A mortal reference to a scalar that owns what; vtbl frees it, and has
 * nsx_owned_forget for new threads.  nsx_owned dies for another scalar. */
SV *nsx_owner_of(pTHX_ void *what, MGVTBL *vtbl);
void *nsx_owned(pTHX_ SV *ref, MGVTBL *vtbl);
int nsx_owned_forget(pTHX_ MAGIC *mg, CLONE_PARAMS *param);

/* n octets of zeros, for nsx_free; dies when there are none. */
void *nsx_zeroed(pTHX_ size_t n);

#endif
