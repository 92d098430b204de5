/*
 * op.h - one method call on one object, how its waits end, and Perl's headers as
 * all of the glue includes them.
 *
 * A struct nsx_op lives on the C stack and keeps the object alive while the
 * call waits, because a signal handler or an overriding method may drop the
 * script's last reference meanwhile.
 */
#ifndef NSX_OP_H
#define NSX_OP_H

#define PERL_NO_GET_CONTEXT
#include "EXTERN.h"
#include "perl.h"
#include "XSUB.h"

#include "compat.h"

struct nsx_object; /* the engine on a glob: glue.h */

struct nsx_op {
    SV *self; /* mortal reference of the object's own class */
    GV *gv;
    struct nsx_object *obj;
    U8 gimme; /* the call's context, by nsx_gimme */
};

/* How a wait ended. */
enum nsx_waited {
    NSX_WAITED_READY = 0,
    NSX_WAITED_AGAIN,   /* signal handlers ran: look again, wait again */
    NSX_WAITED_TIMEOUT, /* the deadline has passed, ready or not */
    NSX_WAITED_CLOSED,  /* the handle is closed, or another one now */
    NSX_WAITED_FAILED   /* errno says why */
};

typedef struct nsx_op nsx_op_t;   /* what the typemap makes of an object */
typedef struct nsx_op nsx_work_t; /* of one whose operation goes on */

#endif
