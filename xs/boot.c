/*
 * boot.c - the glue's beginning in an interpreter.
 */
#include "glue.h"
#include "constant.h"
#include "context.h"

static const struct nsx_constant constants[] = {
    { "Net::SMTP::XS::Cmd", "TIED_READ_SIZE", NSX_READ_SIZE },
    { "Net::SMTP::XS::Message", "MOST_ENVELOPE_ID", NSX_MAX_ENVID },
    { "Net::SMTP::XS::Operation", "OF_NOBODY", NSX_OPERATION_NONE },
    { "Net::SMTP::XS::Operation", "OF_MESSAGE", NSX_OPERATION_MESSAGE },
    { "Net::SMTP::XS::Operation", "OF_QUIT", NSX_OPERATION_QUIT },
};

static void
learn(pTHX)
{
    nsx_keys_boot(aTHX);
    nsx_method_boot(aTHX);
    nsx_addr_boot(aTHX);
}

void
nsx_glue_boot(pTHX)
{
    nsx_constants(aTHX_ constants, C_ARRAY_LENGTH(constants));
    nsx_context_init(aTHX);
    learn(aTHX);
}

/* A new thread gets scalars of its own: shared ones belong to their maker. */
void
nsx_glue_clone(pTHX)
{
#ifdef USE_ITHREADS
    nsx_context_clone(aTHX);
    learn(aTHX);
#else
    PERL_UNUSED_CONTEXT;
#endif
}
