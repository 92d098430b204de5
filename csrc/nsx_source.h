/*
 * nsx_source.h - where octets come from, a piece at a time: the caller's
 * memory, an encoder over it.  The one place where the engine calls something
 * it was given, so what is called only hands out pointers: it runs no foreign
 * code and never waits.
 */
#ifndef NSX_SOURCE_H
#define NSX_SOURCE_H

#include <stddef.h>
#include "nsx_error.h"

struct nsx_source {
    void *ctx; /* not owned by who pulls */

    /* The next piece: NSX_OK with *len > 0, and *ptr valid until the next
     * call; NSX_OK with *len 0 at the end, and again if asked again;
     * NSX_WANT_READ when there is nothing now; NSX_ERROR when there will
     * never be more, which the source's owner knows the reason of. */
    nsx_status (*pull)(void *ctx, const char **ptr, size_t *len);

    /* 1 when octets are sure to follow the last piece at once; the last one
     * on the wire must not claim it.  NULL: nobody knows. */
    int (*follows)(void *ctx);

    /* Back to the first octet: 1, or 0.  NULL: it cannot. */
    int (*rewind)(void *ctx);
};

#endif
