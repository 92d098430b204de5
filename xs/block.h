/*
 * block.h - the block that bodies are encoded into.
 */
#ifndef NSX_GLUE_BLOCK_H
#define NSX_GLUE_BLOCK_H

#include "glue.h"

/* NSX_BLOCK_SIZE octets, the call's until the enclosing LEAVE. */
char *nsx_block_borrow(pTHX);

/* The interpreter's block itself, for who asks whether it is lent. */
char *nsx_block_own(pTHX);

#endif
