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

/* Milliseconds between two calls of a producer that is not slow, and the
 * longest that an octet waits while calls go on. */
#define NSX_WAITING_GAP_MS 1
#define NSX_WAITING_AGE_MS 200

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
    const char *block;      /* the interpreter's */
    size_t n;               /* octets that wait in it */
    int64_t since, last;    /* when the first of them came, and the last call */
    double timeout;         /* the object's, in seconds */
    Pid_t owner;            /* the process that may send them */
};

#endif
