/*
 * context.h - what the glue keeps for one interpreter.
 */
#ifndef NSX_CONTEXT_H
#define NSX_CONTEXT_H

#include "glue.h"
#include "layer.h"

/* What stands in a method's place when nobody overrode it: an XSUB of ours,
 * told by its C function and index, or a Perl function told by address. */
struct nsx_default {
    XSUBADDR_t xsub;
    I32 index;
    CV *cv;
};

/* Which methods of a class are not ours.  The class is told by its method
 * resolution order, which is held: perl drops it with the class, or when it
 * inherits otherwise, and no other class is ever given it while it is held.
 * Address and generation of the class alone come again. */
struct nsx_methods {
    SV *order;
    U32 generation;
    unsigned char overridden[NSX_METHOD_COUNT];
    unsigned char any;   /* 1: one of them is that is not public */
    unsigned char sends; /* 1: one is that whole messages go through */
};

/* Classes kept; more are resolved again and again. */
#define NSX_CLASSES 8

typedef struct {
    SV *keys[NSX_KEY_COUNT];
    const HEK *shared[NSX_KEY_COUNT]; /* of the same */
    struct nsx_default defaults[NSX_METHOD_COUNT];
    struct nsx_methods classes[NSX_CLASSES];
    int class_at;               /* the one looked at last */
    XSUBADDR_t addr_xsub;       /* our _addr, which stock calls as a function */
    GV *addr[2];                /* where scripts may put another in its place */
    int in_place;               /* 1 once Net::SMTP's own names are ours */
    char *block;                /* NSX_BLOCK_SIZE octets for bodies, or NULL */
    int block_lent;             /* 1 while a call has it */
    struct nsx_waiting waiting; /* whose octets wait in it */
    struct letter *letter;      /* of plain messages, or NULL */
    int letter_lent;            /* 1 while a call has it */
    int has_results;            /* 1 once Result.pm is loaded */
} nsx_cxt;

nsx_cxt *nsx_context(pTHX);

/* Makes it, and a new thread's from its parent's. */
void nsx_context_init(pTHX);
void nsx_context_clone(pTHX);

#define dNSX_CXT nsx_cxt *const nsx_cxt_p = nsx_context(aTHX)
#define NSX_CXT nsx_cxt_p

#endif
