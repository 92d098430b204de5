/*
 * nsx_resolve.h - the addresses of a host, without waiting.
 *
 * The system has no call that asks for a name and does not wait.  So a thread
 * of its own asks (getaddrinfo), and all that it shares with the caller is a
 * pipe, by which the answer comes back.  It runs no code of the caller's, gets
 * no signal, and knows nothing of an operation that is given up: it ends by
 * itself when the system has answered.  Numeric addresses and "localhost"
 * (RFC 6761 6.3) need no thread.
 *
 *     nsx_resolve_init(&r, host, n, port, family, &e)
 *     while ((got = nsx_resolve_step(&r)) is not NSX_OK or NSX_ERROR)
 *         wait until nsx_resolve_handle can be read from, or until
 *         nsx_resolve_until
 *     r.list, r.count
 *     nsx_resolve_free(&r)
 */
#ifndef NSX_RESOLVE_H
#define NSX_RESOLVE_H

#include <sys/types.h>
#include "nsx_buf.h"
#include "nsx_io.h"

struct nsx_resolve_job; /* what the thread is given */

struct nsx_resolve {
    struct nsx_io io;            /* the pipe's reading end, owned; -1: none */
    pid_t owner;                 /* the process whose thread answers */
    struct nsx_buf in;           /* the answer, as far as it is there */
    struct nsx_resolve_job *job; /* owned until a thread has it */
    int64_t again_at;
    struct nsx_address *list; /* owned; NULL before the end */
    size_t count;
    struct nsx_error error;
};

/* Which family is asked for. */
enum nsx_resolve_family {
    NSX_FAMILY_ANY = 0,
    NSX_FAMILY_IPV4,
    NSX_FAMILY_IPV6
};

/* Begins.  NSX_OK; or NSX_ERROR with *e filled and nothing to free: NSX_E_NOMEM,
 * NSX_E_IO (no pipe), or NSX_E_ARGUMENT when host is empty, longer than
 * NSX_MAX_HOST or has a NUL, or the port is not of 1 to 65535. */
nsx_status nsx_resolve_init(struct nsx_resolve *r, const char *host, size_t n,
                            unsigned port, enum nsx_resolve_family family,
                            struct nsx_error *e);

/* Gives up what has not ended. */
void nsx_resolve_free(struct nsx_resolve *r);

/* NSX_OK: r->list has r->count addresses, at least one and at most
 * NSX_MAX_ADDRESSES, in the system's order.  NSX_WANT_READ.  NSX_AGAIN: no
 * thread was to be had; it is tried again at nsx_resolve_until.  NSX_ERROR with
 * r->error: NSX_E_RESOLVE, the system's words, sys_errno EINVAL where it has no
 * errno; NSX_E_NOMEM; or NSX_E_CANCELLED in a child of fork, which has no
 * thread to answer it. */
nsx_status nsx_resolve_step(struct nsx_resolve *r);

/* -1 where there is nothing to wait for. */
int nsx_resolve_handle(const struct nsx_resolve *r);
int64_t nsx_resolve_until(const struct nsx_resolve *r);

/* Called in getaddrinfo's place, for tests; NULL restores it.  The answer is
 * freed by freeaddrinfo. */
struct addrinfo;
typedef int (*nsx_lookup_fn)(const char *host, const char *port,
                             const struct addrinfo *hints,
                             struct addrinfo **found);
void nsx_resolve_hook(nsx_lookup_fn lookup);

#endif
