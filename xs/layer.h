/*
 * layer.h - the octets of one object that wait in the interpreter's block, and
 * the PerlIO layer that is on its handle meanwhile.
 */
#ifndef NSX_GLUE_LAYER_H
#define NSX_GLUE_LAYER_H

#include "glue.h"

struct nsx_waiting {
    struct nsx_object *obj; /* whose octets they are; NULL: nobody's */
    GV *gv;                 /* its glob, */
    IO *io;                 /* its handle */
    HV *hash;               /* and its facts */
    HV *stash;              /* its class, */
    U32 generation;         /* and the state of that */
    I32 keys;               /* how many facts there are */
    SV *debug, *last_ch;    /* two of them, with references of ours */
    PerlIO *layered[2];     /* where the layer is: input, output */
    char *block;            /* the interpreter's */
    size_t n;               /* octets that wait in it */
    int64_t since, last;    /* when the first of them came, and the last call */
    double timeout;         /* the object's, in seconds */
    Pid_t owner;            /* the process that may send them */
};

/* Puts the layer on both sides of w->io: 1, or 0 when it cannot be. */
int nsx_layer_put(pTHX_ struct nsx_waiting *w);

/* The handle without the layer. */
PerlIO *nsx_layer_below(PerlIO *f);

/* Nothing waits any more: the octets are taken over, or lost. */
void nsx_layer_leave(pTHX_ struct nsx_waiting *w);

/* Sends what waits in this interpreter, without running Perl code; an error
 * stays in the channel. */
void nsx_layer_send(pTHX);

/* The object goes: what it has waiting is tried once. */
void nsx_layer_drop(pTHX_ struct nsx_object *obj);

#endif
