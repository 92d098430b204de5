/*
 * context.h - what the glue keeps for one interpreter.
 */
#ifndef NSX_CONTEXT_H
#define NSX_CONTEXT_H

#include "glue.h"

/* What stands in a method's place when nobody overrode it: an XSUB of ours,
 * told by its C function and index, or a Perl function told by address. */
struct nsx_default {
    XSUBADDR_t xsub;
    I32 index;
    CV *cv;
};

typedef struct {
    SV *keys[NSX_KEY_COUNT];
    struct nsx_default defaults[NSX_METHOD_COUNT];
    XSUBADDR_t addr_xsub; /* our _addr, which stock calls as a function */
    GV *addr[2];          /* where scripts may put another in its place */
    int in_place;         /* 1 once Net::SMTP's own names are ours */
} nsx_cxt;

nsx_cxt *nsx_context(pTHX);

#define dNSX_CXT nsx_cxt *const nsx_cxt_p = nsx_context(aTHX)
#define NSX_CXT nsx_cxt_p

#endif
