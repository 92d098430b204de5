/*
 * api.c - the table of api.h, published once an interpreter.
 */
#include "api.h"
#include "glue.h"

static struct nsx_channel *
channel(struct nsx_op *op)
{
    return &op->obj->ch;
}

static void
own(struct nsx_op *op)
{
    op->obj->owner = PerlProc_getpid();
}

static int
owned(struct nsx_op *op)
{
    return op->obj->owner == PerlProc_getpid();
}

static void
torn(struct nsx_op *op, int is_torn)
{
    if (is_torn)
        nsx_session_enter(&op->obj->session);
    else
        nsx_session_leave(&op->obj->session);
}

static void
secret(struct nsx_object *obj)
{
    obj->secret++;
}

static void
no_secret(struct nsx_object *obj)
{
    obj->secret--;
    nsx_buf_wipe(&obj->out);
}

static SV *
offered(pTHX_ struct nsx_op *op)
{
    const struct nsx_buf *list = &op->obj->offered;

    return newSVpvn((const char *)nsx_buf_data(list), list->len);
}

static const struct nsx_api table = { NSX_API_STAMP, nsx_op_enter, nsx_op_fd,
                                      nsx_op_tied,   channel,      nsx_timeout,
                                      nsx_await,     nsx_wait,     nsx_failed,
                                      own,           owned,        torn,
                                      secret,        no_secret,    offered };

void
nsx_api_publish(pTHX)
{
    SV *slot = *hv_fetchs(PL_modglobal, NSX_API_KEY, 1);

    sv_setiv(slot, PTR2IV(&table));
}
