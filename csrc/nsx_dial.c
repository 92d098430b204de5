/*
 * nsx_dial.c - from a server's name to its first octet.
 */
#include "nsx_dial.h"

#include <errno.h>
#include <string.h>

/* ---- life ---- */

static nsx_status
copy_local(struct nsx_dial *d, const struct nsx_dial_plan *plan)
{
    if (plan->locals == 0)
        return NSX_OK;
    d->local = nsx_alloc(plan->locals * sizeof *d->local);
    if (d->local == NULL)
        return nsx_error_set(&d->error, NSX_E_NOMEM, "nsx_dial", NULL);
    memcpy(d->local, plan->local, plan->locals * sizeof *d->local);
    d->locals = plan->locals;
    return NSX_OK;
}

static nsx_status
begin_connect(struct nsx_dial *d, const struct nsx_address *list, size_t n)
{
    if (nsx_connect_init(&d->connect, list, n, d->local, d->locals, d->deadline,
                         &d->error)
        != NSX_OK)
        return NSX_ERROR;
    d->stage = NSX_DIAL_CONNECT;
    return NSX_AGAIN;
}

static nsx_status
begin(struct nsx_dial *d, const struct nsx_dial_plan *plan)
{
    if (plan->count > 0)
        return begin_connect(d, plan->to, plan->count);
    if (plan->host_len == 0 || plan->host_len > NSX_MAX_HOST)
        return nsx_error_set(&d->error, NSX_E_ARGUMENT, "nsx_dial",
                             "not a host's name or address");
    memcpy(d->host, plan->host, plan->host_len);
    d->asks = plan->asks;
    if (d->asks)
        return NSX_OK;
    return nsx_resolve_init(&d->resolve, plan->host, plan->host_len, plan->port,
                            plan->family, &d->error);
}

nsx_status
nsx_dial_init(struct nsx_dial *d, const struct nsx_dial_plan *plan,
              struct nsx_error *e)
{
    memset(d, 0, sizeof *d);
    nsx_error_reset(&d->error);
    d->resolve.io.fd = d->connect.fd = d->io.fd = -1;
    d->deadline = plan->deadline;
    d->want = NSX_AGAIN;
    if (plan->proxy != NULL
        && nsx_proxy_init(&d->proxy, plan->proxy, e) != NSX_OK)
        return NSX_ERROR;
    d->has_proxy = plan->proxy != NULL;
    if (copy_local(d, plan) == NSX_OK && begin(d, plan) != NSX_ERROR)
        return NSX_OK;
    *e = d->error;
    nsx_dial_free(d);
    return NSX_ERROR;
}

void
nsx_dial_free(struct nsx_dial *d)
{
    nsx_resolve_free(&d->resolve);
    nsx_connect_free(&d->connect);
    if (d->has_proxy)
        nsx_proxy_free(&d->proxy);
    nsx_io_close(d->io.fd);
    d->io.fd = -1;
    nsx_free(d->local);
    d->local = NULL;
}

/* ---- stages: NSX_AGAIN means that the next one has begun ---- */

static nsx_status
fail_as(struct nsx_dial *d, const struct nsx_error *e)
{
    if (d->error.code == NSX_E_NONE)
        d->error = *e;
    return NSX_ERROR;
}

static nsx_status
step_resolve(struct nsx_dial *d)
{
    nsx_status got;

    if (d->asks)
        return NSX_WANT_READ;
    got = nsx_resolve_step(&d->resolve);
    if (got == NSX_ERROR)
        return fail_as(d, &d->resolve.error);
    if (got != NSX_OK)
        return NSX_WANT_READ;
    got = begin_connect(d, d->resolve.list, d->resolve.count);
    nsx_resolve_free(&d->resolve);
    return got;
}

static nsx_status
step_connect(struct nsx_dial *d)
{
    nsx_status got = nsx_connect_step(&d->connect);

    if (got == NSX_ERROR)
        return fail_as(d, &d->connect.error);
    if (got != NSX_OK)
        return NSX_WANT_WRITE;
    nsx_io_init(&d->io, nsx_connect_take(&d->connect, NULL));
    nsx_connect_free(&d->connect);
    d->stage = d->has_proxy ? NSX_DIAL_PROXY : NSX_DIAL_DONE;
    return NSX_AGAIN;
}

static nsx_status
say(struct nsx_dial *d)
{
    size_t n, done;
    const unsigned char *out = nsx_proxy_out(&d->proxy, &n);
    nsx_status got = nsx_io_send(&d->io, out, n, 0, &done, &d->error);

    nsx_proxy_sent(&d->proxy, done);
    return got;
}

/* Looks first, and takes what was the proxy's: the rest is the server's. */
static nsx_status
hear(struct nsx_dial *d)
{
    unsigned char octets[NSX_PROXY_LOOK];
    struct nsx_error e;
    size_t n, used;
    nsx_status got;

    nsx_error_reset(&e);
    got = nsx_io_peek(&d->io, octets, sizeof octets, &n, &e);
    if (got == NSX_ERROR && e.code == NSX_E_EOF)
        nsx_proxy_closed(&d->proxy);
    else if (got == NSX_ERROR)
        return fail_as(d, &e);
    if (got != NSX_OK)
        return got == NSX_ERROR ? NSX_OK : got;
    used = nsx_proxy_in(&d->proxy, octets, n);
    got = nsx_io_recv(&d->io, octets, used, &n, &d->error);
    return got == NSX_OK && n == used
        ? NSX_OK
        : nsx_error_errno(&d->error, EIO, "nsx_dial");
}

static nsx_status
step_proxy(struct nsx_dial *d)
{
    for (;;) {
        nsx_status got = nsx_proxy_want(&d->proxy);

        if (got == NSX_ERROR)
            return fail_as(d, &d->proxy.error);
        if (got == NSX_OK) {
            d->stage = NSX_DIAL_DONE;
            return NSX_AGAIN;
        }
        got = got == NSX_WANT_WRITE ? say(d) : hear(d);
        if (got != NSX_OK)
            return got;
    }
}

static nsx_status
step_stage(struct nsx_dial *d)
{
    switch (d->stage) {
    case NSX_DIAL_RESOLVE:
        return step_resolve(d);
    case NSX_DIAL_CONNECT:
        return step_connect(d);
    case NSX_DIAL_PROXY:
        return step_proxy(d);
    default:
        return NSX_OK;
    }
}

/* What is open is closed at once: its owner may be slow to free the rest. */
static nsx_status
fail(struct nsx_dial *d)
{
    d->want = NSX_ERROR;
    nsx_dial_free(d);
    d->has_proxy = 0;
    return NSX_ERROR;
}

static nsx_status
timed_out(struct nsx_dial *d)
{
    (void)nsx_error_errno(&d->error, ETIMEDOUT, "nsx_dial");
    d->error.code = NSX_E_TIMEOUT;
    return NSX_ERROR;
}

nsx_status
nsx_dial_step(struct nsx_dial *d)
{
    nsx_status got;

    if (d->want == NSX_ERROR || d->want == NSX_OK)
        return d->want;
    do
        got = d->error.code == NSX_E_NONE ? step_stage(d) : NSX_ERROR;
    while (got == NSX_AGAIN);
    if (got != NSX_OK && got != NSX_ERROR && nsx_clock_ms() >= d->deadline)
        got = timed_out(d);
    if (got == NSX_ERROR)
        return fail(d);
    d->want = got;
    if (got != NSX_OK && nsx_dial_handle(d) < 0)
        d->want = NSX_AGAIN;
    return d->want;
}

/* ---- what the caller knows or waits for ---- */

int
nsx_dial_asks(const struct nsx_dial *d)
{
    return d->asks && d->stage == NSX_DIAL_RESOLVE && d->want != NSX_ERROR
        && d->error.code == NSX_E_NONE;
}

const char *
nsx_dial_host(const struct nsx_dial *d)
{
    return d->host;
}

void
nsx_dial_found(struct nsx_dial *d, const struct nsx_address *list, size_t n)
{
    if (nsx_dial_asks(d))
        (void)begin_connect(d, list, n);
}

void
nsx_dial_not_found(struct nsx_dial *d, const char *why)
{
    if (!nsx_dial_asks(d))
        return;
    (void)nsx_error_set(&d->error, NSX_E_RESOLVE, "nsx_dial", "%s", why);
    d->error.sys_errno = EINVAL;
}

int
nsx_dial_handle(const struct nsx_dial *d)
{
    switch (d->stage) {
    case NSX_DIAL_RESOLVE:
        return nsx_resolve_handle(&d->resolve);
    case NSX_DIAL_CONNECT:
        return nsx_connect_handle(&d->connect);
    default:
        return d->io.fd;
    }
}

const int *
nsx_dial_handles(const struct nsx_dial *d, size_t *n)
{
    const int *fd =
        d->stage == NSX_DIAL_RESOLVE ? &d->resolve.io.fd : &d->io.fd;

    if (d->stage == NSX_DIAL_CONNECT)
        return nsx_connect_handles(&d->connect, n);
    *n = nsx_dial_handle(d) >= 0;
    return fd;
}

int64_t
nsx_dial_until(const struct nsx_dial *d, int waits_for_all)
{
    int64_t until = NSX_NEVER;

    if (d->error.code != NSX_E_NONE)
        return 0;
    if (d->stage == NSX_DIAL_CONNECT)
        until = nsx_connect_until(&d->connect, waits_for_all);
    else if (d->stage == NSX_DIAL_RESOLVE && !d->asks)
        until = nsx_resolve_until(&d->resolve);
    return until < d->deadline ? until : d->deadline;
}

int
nsx_dial_take(struct nsx_dial *d)
{
    int fd = d->want == NSX_OK ? d->io.fd : -1;

    if (fd >= 0)
        d->io.fd = -1;
    return fd;
}
