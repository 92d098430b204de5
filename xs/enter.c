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

static void
refuse_second(pTHX_ const struct nsx_object *obj)
{
    static const char *const name[] = { "", "start_message", "start_quit" };

    if (obj->operation != NSX_OPERATION_NONE)
        Perl_croak(aTHX_ "Net::SMTP::XS: %s is under way on this object: step "
                         "it to its end, or cancel it, before anything else",
                   name[obj->operation]);
}

void
nsx_op_begin_waiting(pTHX_ struct nsx_op *op, SV *self, I32 n, SV **args)
{
    const U8 gimme = nsx_gimme(aTHX);

    if (SvGMAGICAL(self) || (SvROK(self) && SvAMAGIC(self)))
        nsx_hold(aTHX_ n, args);
    nsx_op_find(aTHX_ op, self);
    refuse_second(aTHX_ op->obj);
    op->gimme = gimme;
}

void
nsx_op_begin(pTHX_ struct nsx_op *op, SV *self, I32 n, SV **args)
{
    nsx_op_begin_waiting(aTHX_ op, self, n, args);
    send_waiting(aTHX_ op);
}
