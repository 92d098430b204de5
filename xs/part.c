/*
 * part.c - what must not be broken off: a part of a message that is being
 * sent.
 */
#include "glue.h"

/* Runs when a part of a message was sent, or a die left it unsent: then nothing
 * else keeps what went before from being delivered.  A reply that is owed comes
 * first: it tells whether there is a message at all. */
static void
part_left(pTHX_ void *arg)
{
    const struct nsx_watch *watch = (const struct nsx_watch *)arg;
    struct nsx_object *obj = watch->obj;

    PERL_UNUSED_CONTEXT;
    obj->sending -= watch->inside;
    if (!watch->whole && !nsx_session_is_disowned(&obj->session)
        && obj->handles == watch->handles)
        nsx_session_tear(&obj->session);
}

void
nsx_part_guard(pTHX_ struct nsx_watch *watch, struct nsx_op *op)
{
    nsx_watch_begin(aTHX_ watch, op, part_left);
}

void
nsx_part_begin(pTHX_ struct nsx_watch *watch, struct nsx_op *op)
{
    nsx_part_guard(aTHX_ watch, op);
    watch->inside = 1;
    op->obj->sending++;
}

static void
chunk_left(pTHX_ void *arg)
{
    const struct nsx_watch *watch = (const struct nsx_watch *)arg;

    if (watch->obj->writes != watch->writes)
        part_left(aTHX_ arg);
}

void
nsx_chunk_begin(pTHX_ struct nsx_watch *watch, struct nsx_op *op)
{
    nsx_watch_begin(aTHX_ watch, op, chunk_left);
}

int
nsx_interrupts(pTHX_ struct nsx_op *op)
{
    if (!op->obj->sending)
        return 0;
    nsx_session_tear(&op->obj->session);
    (void)nsx_check_closed(aTHX_ op);
    return 1;
}
