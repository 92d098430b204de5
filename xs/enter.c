/*
 * enter.c - how a method's call begins.
 */
#include "glue.h"

static void
send_waiting(pTHX_ struct nsx_op *op)
{
    if (op->obj->waits)
        (void)nsx_waiting_flush(aTHX_ op, 0);
}

void
nsx_op_enter(pTHX_ struct nsx_op *op, SV *self)
{
    nsx_op_find(aTHX_ op, self);
    send_waiting(aTHX_ op);
}

void
nsx_op_begin_waiting(pTHX_ struct nsx_op *op, SV *self, I32 n, SV **args)
{
    const U8 gimme = nsx_gimme(aTHX);

    if (SvGMAGICAL(self) || (SvROK(self) && SvAMAGIC(self)))
        nsx_hold(aTHX_ n, args);
    nsx_op_find(aTHX_ op, self);
    op->gimme = gimme;
}

void
nsx_op_begin(pTHX_ struct nsx_op *op, SV *self, I32 n, SV **args)
{
    nsx_op_begin_waiting(aTHX_ op, self, n, args);
    send_waiting(aTHX_ op);
}
