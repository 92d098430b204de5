/*
 * nsx_connect.h - a connection to the first of several addresses that takes
 * one (RFC 8305, "happy eyeballs"), without waiting.
 *
 * The addresses are tried in their order, except that families take turns.
 * The next one's turn comes NSX_NEXT_ATTEMPT_MS after that of the one before,
 * or at once when none is left under way or one has failed.  The first that
 * connects wins, and the others are closed.
 *
 *     nsx_connect_init(&c, list, n, local, locals, deadline, &e)
 *     while ((got = nsx_connect_step(&c)) is not NSX_OK or NSX_ERROR)
 *         wait until one of nsx_connect_handles can be written to, or until
 *         nsx_connect_until
 *     fd = nsx_connect_take(&c)
 *     nsx_connect_free(&c)
 *
 * Several attempts may be under way, so there is more than one descriptor to
 * wait for.  Who can wait for one only takes nsx_connect_handle, the newest,
 * and nsx_connect_until's time for that case: it comes back every NSX_LOOK_MS
 * while there are others.
 */
#ifndef NSX_CONNECT_H
#define NSX_CONNECT_H

#include "nsx_io.h"

/* Which step an address failed at; the first of these that any of them failed
 * at is told, of the last address that did (as IO::Socket::IP does). */
enum nsx_connect_fault {
    NSX_FAULT_CONNECT = 0,
    NSX_FAULT_BIND,
    NSX_FAULT_SOCKET,
    NSX_FAULTS
};

struct nsx_connect {
    struct nsx_address *list; /* owned; in the order they are tried */
    size_t count, next;
    struct nsx_address *local; /* owned */
    size_t locals;
    int *fds;      /* owned; under way, the oldest first */
    size_t *which; /* owned; of list, for each of fds */
    size_t under_way;
    int is_full;     /* 1: a Unix socket's queue is, it is tried again */
    int64_t next_at; /* values of nsx_clock_ms */
    int64_t deadline;
    int fd;                 /* connected, or -1 */
    size_t winner;          /* of list */
    int faults[NSX_FAULTS]; /* errno, 0: none */
    struct nsx_error error;
};

/* Copies the lists; of more than NSX_MAX_ADDRESSES the first are taken.  local:
 * what to bind to; with locals > 0, addresses of a family that none of them
 * has are left out.  Opens nothing yet.  NSX_OK; or NSX_ERROR with *e filled
 * and nothing to free: NSX_E_NOMEM, or NSX_E_ARGUMENT when no address is left
 * or one is longer than NSX_MAX_SOCKADDR or empty. */
nsx_status nsx_connect_init(struct nsx_connect *c,
                            const struct nsx_address *list, size_t n,
                            const struct nsx_address *local, size_t locals,
                            int64_t deadline, struct nsx_error *e);

/* Closes whatever is open and was not taken. */
void nsx_connect_free(struct nsx_connect *c);

/* Begins what is to be begun by now and looks at what is under way: NSX_OK,
 * connected; NSX_WANT_WRITE; NSX_AGAIN: nothing to wait for but the time;
 * NSX_ERROR with c->error: NSX_E_IO with sys_errno, ETIMEDOUT after the
 * deadline, or NSX_E_NOMEM.  Nothing is open then. */
nsx_status nsx_connect_step(struct nsx_connect *c);

/* The descriptors under way, the oldest first; valid until the next step. */
const int *nsx_connect_handles(const struct nsx_connect *c, size_t *n);

/* The newest of them, or -1. */
int nsx_connect_handle(const struct nsx_connect *c);

/* When step is to be called though no descriptor is ready, for who waits for
 * all of them (1) or for the newest only (0). */
int64_t nsx_connect_until(const struct nsx_connect *c, int waits_for_all);

/* Hands over the connected descriptor, which is a blocking one again, and says
 * which address it is connected to (valid until free). -1 before. */
int nsx_connect_take(struct nsx_connect *c, const struct nsx_address **to);

#endif
