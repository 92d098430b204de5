/*
 * quiet.c - the wait itself, without Perl: all others are made of it.
 */
#include "glue.h"

static enum nsx_waited
waited(enum nsx_wait how)
{
    switch (how) {
    case NSX_WAIT_READY:
        return NSX_WAITED_READY;
    case NSX_WAIT_TIMEOUT:
        return NSX_WAITED_TIMEOUT;
    case NSX_WAIT_SIGNAL:
        return NSX_WAITED_AGAIN;
    default:
        return NSX_WAITED_FAILED;
    }
}

enum nsx_waited
nsx_await_quietly(const struct nsx_io *io, nsx_status what, int64_t deadline)
{
    if (what == NSX_OK)
        return nsx_clock_ms() < deadline ? NSX_WAITED_READY
                                         : NSX_WAITED_TIMEOUT;
    return waited(nsx_io_wait(io, what, deadline));
}

enum nsx_waited
nsx_await_from_now(const struct nsx_io *io, nsx_status what, double seconds,
                   int64_t *deadline)
{
    return waited(nsx_io_wait_from_now(io, what, seconds, deadline));
}

enum nsx_waited
nsx_await_any_quietly(const int *fds, size_t n, nsx_status what,
                      int64_t deadline)
{
    return waited(nsx_io_wait_any(fds, n, what, deadline));
}
