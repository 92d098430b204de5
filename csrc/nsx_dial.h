/*
 * nsx_dial.h - a connection to a server, from its name to the moment when its
 * own octets begin: the addresses (nsx_resolve.h, or from who calls), the first
 * that takes a connection (nsx_connect.h), and a proxy's leave (nsx_proxy.h).
 *
 *     nsx_dial_init(&d, &plan, &e)
 *     while ((got = nsx_dial_step(&d)) is not NSX_OK or NSX_ERROR)
 *         if nsx_dial_asks(&d): find the addresses of nsx_dial_host, and call
 *             nsx_dial_found or nsx_dial_not_found, now or later
 *         NSX_WANT_READ, NSX_WANT_WRITE: wait for any of nsx_dial_handles, or
 *             until nsx_dial_until
 *         NSX_AGAIN: wait until nsx_dial_until
 *     fd = nsx_dial_take(&d)
 *     nsx_dial_free(&d)
 *
 * No octet of the server's is read: the greeting waits in the socket.  The
 * descriptors differ from step to step.
 */
#ifndef NSX_DIAL_H
#define NSX_DIAL_H

#include "nsx_connect.h"
#include "nsx_proxy.h"
#include "nsx_resolve.h"

struct nsx_dial_plan {
    const char *host; /* who is connected to: the server, or the proxy */
    size_t host_len;
    unsigned port;
    enum nsx_resolve_family family;
    int asks;                        /* 1: the caller finds the addresses */
    const struct nsx_address *to;    /* addresses known already: host is not */
    size_t count;                    /* resolved; 0: it is */
    const struct nsx_address *local; /* as nsx_connect_init takes them */
    size_t locals;
    const struct nsx_proxy_request *proxy; /* what to ask of it; NULL: none */
    int64_t deadline;
};

enum nsx_dial_stage {
    NSX_DIAL_RESOLVE = 0,
    NSX_DIAL_CONNECT,
    NSX_DIAL_PROXY,
    NSX_DIAL_DONE
};

struct nsx_dial {
    enum nsx_dial_stage stage; /* after a failure: where it was */
    int asks, has_proxy;
    char host[NSX_MAX_HOST + 1];
    struct nsx_resolve resolve;
    struct nsx_connect connect;
    struct nsx_proxy proxy;
    struct nsx_address *local; /* owned */
    size_t locals;
    struct nsx_io io; /* to the proxy, then to the server; owned */
    nsx_status want;  /* of the last step */
    int64_t deadline;
    struct nsx_error error;
};

/* Copies what it needs and opens nothing but perhaps nsx_resolve's pipe.
 * NSX_OK; or NSX_ERROR with *e filled and nothing to free: what nsx_resolve_init,
 * nsx_connect_init and nsx_proxy_init say. */
nsx_status nsx_dial_init(struct nsx_dial *d, const struct nsx_dial_plan *plan,
                         struct nsx_error *e);
void nsx_dial_free(struct nsx_dial *d);

/* Does what can be done now.  NSX_ERROR: d->error says why; NSX_E_TIMEOUT after
 * the deadline (while connecting: NSX_E_IO), sys_errno ETIMEDOUT. */
nsx_status nsx_dial_step(struct nsx_dial *d);

/* 1 while the caller is to find the addresses of nsx_dial_host. */
int nsx_dial_asks(const struct nsx_dial *d);
const char *nsx_dial_host(const struct nsx_dial *d);

/* The caller's answer.  Out of turn it is ignored; the next step goes on.  Why
 * not is a text. */
void nsx_dial_found(struct nsx_dial *d, const struct nsx_address *list,
                    size_t n);
void nsx_dial_not_found(struct nsx_dial *d, const char *why);

/* As nsx_connect_handles, _handle and _until are. */
const int *nsx_dial_handles(const struct nsx_dial *d, size_t *n);
int nsx_dial_handle(const struct nsx_dial *d);
int64_t nsx_dial_until(const struct nsx_dial *d, int waits_for_all);

/* Hands over the descriptor, a blocking one; -1 before the end. */
int nsx_dial_take(struct nsx_dial *d);

#endif
