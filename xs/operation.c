/*
 * operation.c - what a step of an operation asks for, as Perl data.
 */
#include "operation.h"

static const char *
want_name(enum nsx_step step)
{
    switch (step) {
    case NSX_STEP_WANT_WRITE:
        return "write";
    case NSX_STEP_WANT_BOTH:
        return "both";
    case NSX_STEP_AGAIN:
        return "timer";
    default: /* and LATER: the server may say something meanwhile */
        return "read";
    }
}

SV *
nsx_want(pTHX_ enum nsx_step step)
{
    return newSVpv(want_name(step), 0);
}

SV *
nsx_until(pTHX_ enum nsx_step step, int64_t until)
{
    if (step == NSX_STEP_AGAIN)
        return newSViv(0);
    return until == NSX_NEVER ? newSV(0) : newSVnv((NV)until);
}
