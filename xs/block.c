/*
 * block.c - the block of NSX_BLOCK_SIZE octets that bodies are encoded into.
 *
 * An interpreter has one, which it lends to the call that sends, or to the
 * object whose lines wait to be sent (waiting.c).  A call that begins while
 * another one has it (from a signal handler) gets one of its own.
 */
#include "glue.h"
#include "context.h"

static void
give_back(pTHX_ void *arg)
{
    PERL_UNUSED_CONTEXT;
    ((nsx_cxt *)arg)->block_lent = 0;
}

static char *
another_block(pTHX)
{
    return SvPVX(sv_2mortal(newSV(NSX_BLOCK_SIZE)));
}

/* The interpreter ends: what waits is tried once, before the block goes. */
static void
free_block(pTHX_ void *arg)
{
    nsx_cxt *const cxt = (nsx_cxt *)arg;

    if (cxt->waiting.obj)
        nsx_layer_drop(aTHX_ cxt->waiting.obj);
    nsx_free(cxt->block);
    cxt->block = NULL;
}

/* The interpreter's own, whoever has it; made when first asked for. */
char *
nsx_block_own(pTHX)
{
    dNSX_CXT;

    if (NSX_CXT->block)
        return NSX_CXT->block;
    NSX_CXT->block = (char *)nsx_alloc(NSX_BLOCK_SIZE);
    if (!NSX_CXT->block)
        Perl_croak(aTHX_ "Out of memory in Net::SMTP::XS");
    call_atexit(free_block, NSX_CXT);
    return NSX_CXT->block;
}

char *
nsx_block_borrow(pTHX)
{
    dNSX_CXT;

    if (NSX_CXT->block_lent)
        return another_block(aTHX);
    nsx_layer_send(aTHX);
    (void)nsx_block_own(aTHX);
    NSX_CXT->block_lent = 1;
    SAVEDESTRUCTOR_X(give_back, NSX_CXT);
    return NSX_CXT->block;
}
