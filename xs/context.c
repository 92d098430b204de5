/*
 * context.c - what the glue keeps for one interpreter.
 */
#include "glue.h"
#include "context.h"

#define MY_CXT_KEY "Net::SMTP::XS::_guts"
typedef nsx_cxt my_cxt_t;
START_MY_CXT

nsx_cxt *
nsx_context(pTHX)
{
    dMY_CXT;

    return &MY_CXT;
}

void
nsx_context_init(pTHX)
{
    MY_CXT_INIT;

    Zero(&MY_CXT, 1, my_cxt_t);
}

void
nsx_context_clone(pTHX)
{
#ifdef MY_CXT_CLONE
    MY_CXT_CLONE;

    MY_CXT.block = NULL; /* the parent's */
    MY_CXT.block_lent = 0;
    Zero(&MY_CXT.waiting, 1, struct nsx_waiting);
    MY_CXT.letter = NULL;
    MY_CXT.letter_lent = 0;
#else
    PERL_UNUSED_CONTEXT;
#endif
}
