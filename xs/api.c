/*
 * api.c - the table of api.h, published once an interpreter.
 */
#include "api.h"

static const struct nsx_api table = {
    NSX_API_VERSION, nsx_op_enter, nsx_op_fd, nsx_timeout,
    nsx_wait,        nsx_failed,   nsx_call,
};

void
nsx_api_publish(pTHX)
{
    SV *slot = *hv_fetchs(PL_modglobal, NSX_API_KEY, 1);

    sv_setiv(slot, PTR2IV(&table));
}
