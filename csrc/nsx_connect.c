/*
 * nsx_connect.c - a connection to the first of several addresses.
 */
#include "nsx_connect.h"

#include <errno.h>
#include <string.h>
#include "nsx_buf.h"

/* ---- the lists ---- */

/* 1 when it can be bound to one of the local ones, or need not be. */
static const struct nsx_address *
local_for(const struct nsx_connect *c, const struct nsx_address *a)
{
    size_t i;

    for (i = 0; i < c->locals; i++)
        if (nsx_address_family(&c->local[i]) == nsx_address_family(a))
            return &c->local[i];
    return NULL;
}

/* Where the next address of this family (same = 1), or of another, is; n when
 * there is none. */
static size_t
find_family(const struct nsx_address *list, size_t n, size_t from, int family,
            int same)
{
    while (from < n && (nsx_address_family(&list[from]) == family) != same)
        from++;
    return from;
}

/* RFC 8305 4: the family of the first address, another, and so on by turns. */
static void
interleave(struct nsx_connect *c, const struct nsx_address *list, size_t n)
{
    int first = nsx_address_family(&list[0]);
    size_t at[2] = { 0, 0 };
    int same = 1;

    at[0] = find_family(list, n, 0, first, 0);
    while (at[0] < n || at[1] < n) {
        if (at[same] >= n)
            same = !same;
        if (c->locals == 0 || local_for(c, &list[at[same]]) != NULL)
            c->list[c->count++] = list[at[same]];
        at[same] = find_family(list, n, at[same] + 1, first, same);
        same = !same;
    }
}

static int
are_valid(const struct nsx_address *list, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++)
        if (list[i].len == 0 || list[i].len > NSX_MAX_SOCKADDR)
            return 0;
    return 1;
}

static nsx_status
copy_lists(struct nsx_connect *c, const struct nsx_address *list, size_t n,
           const struct nsx_address *local, size_t locals)
{
    c->list = nsx_alloc(n * sizeof *list);
    c->fds = nsx_alloc(n * sizeof *c->fds);
    c->which = nsx_alloc(n * sizeof *c->which);
    c->local = nsx_alloc((locals + 1) * sizeof *local);
    if (!c->list || !c->fds || !c->which || !c->local)
        return NSX_ERROR;
    if (locals > 0)
        memcpy(c->local, local, locals * sizeof *local);
    c->locals = locals;
    interleave(c, list, n);
    return NSX_OK;
}

nsx_status
nsx_connect_init(struct nsx_connect *c, const struct nsx_address *list,
                 size_t n, const struct nsx_address *local, size_t locals,
                 int64_t deadline, struct nsx_error *e)
{
    memset(c, 0, sizeof *c);
    nsx_error_reset(&c->error);
    c->fd = -1;
    c->deadline = deadline;
    if (n > NSX_MAX_ADDRESSES)
        n = NSX_MAX_ADDRESSES;
    if (locals > NSX_MAX_ADDRESSES)
        locals = NSX_MAX_ADDRESSES;
    if (n == 0 || !are_valid(list, n) || !are_valid(local, locals))
        return nsx_error_set(e, NSX_E_ARGUMENT, __func__, "no address");
    if (copy_lists(c, list, n, local, locals) != NSX_OK)
        (void)nsx_error_set(e, NSX_E_NOMEM, __func__, NULL);
    else if (c->count == 0)
        (void)nsx_error_set(e, NSX_E_ARGUMENT, __func__,
                            "no local address of the server's family");
    else
        return NSX_OK;
    nsx_connect_free(c);
    return NSX_ERROR;
}

/* ---- attempts ---- */

static void
close_all(struct nsx_connect *c)
{
    while (c->under_way > 0)
        nsx_io_close(c->fds[--c->under_way]);
}

void
nsx_connect_free(struct nsx_connect *c)
{
    close_all(c);
    nsx_io_close(c->fd);
    c->fd = -1;
    nsx_free(c->list);
    nsx_free(c->fds);
    nsx_free(c->which);
    nsx_free(c->local);
    c->list = c->local = NULL;
    c->fds = NULL;
    c->which = NULL;
}

static void
forget(struct nsx_connect *c, size_t i)
{
    size_t behind = --c->under_way - i;

    memmove(&c->fds[i], &c->fds[i + 1], behind * sizeof *c->fds);
    memmove(&c->which[i], &c->which[i + 1], behind * sizeof *c->which);
}

static nsx_status
win(struct nsx_connect *c, size_t i)
{
    c->fd = c->fds[i];
    c->winner = c->which[i];
    forget(c, i);
    close_all(c);
    return NSX_OK;
}

/* NSX_OK, one of them connected; NSX_AGAIN, one failed: the next one's turn has
 * come; NSX_WANT_WRITE. */
static nsx_status
look(struct nsx_connect *c)
{
    nsx_status got = NSX_WANT_WRITE;
    size_t i = 0;

    while (i < c->under_way) {
        int err = nsx_io_connected(c->fds[i]);

        if (err == 0)
            return win(c, i);
        if (err == EINPROGRESS) {
            i++;
            continue;
        }
        c->faults[NSX_FAULT_CONNECT] = err;
        nsx_io_close(c->fds[i]);
        forget(c, i);
        got = NSX_AGAIN;
    }
    return got;
}

/* A socket for the address, bound where that is asked for; -1 with the fault
 * noted. */
static int
open_for(struct nsx_connect *c, const struct nsx_address *a)
{
    const struct nsx_address *local = local_for(c, a);
    int fd, err = nsx_io_socket(a, &fd);

    if (err != 0) {
        c->faults[NSX_FAULT_SOCKET] = err;
        return -1;
    }
    err = local != NULL ? nsx_io_bind(fd, local) : 0;
    if (err == 0)
        return fd;
    c->faults[NSX_FAULT_BIND] = err;
    nsx_io_close(fd);
    return -1;
}

/* The same answers as of look. */
static nsx_status
begin_next(struct nsx_connect *c, int64_t now)
{
    const struct nsx_address *a = &c->list[c->next];
    int fd = open_for(c, a);
    int err = fd < 0 ? 0 : nsx_io_connect(fd, a);

    c->next_at = now + NSX_NEXT_ATTEMPT_MS;
    c->is_full = fd >= 0 && nsx_address_is_unix(a)
        && (err == EAGAIN || err == EWOULDBLOCK);
    if (c->is_full) {
        nsx_io_close(fd);
        c->next_at = now + NSX_TRY_AGAIN_MS;
        return NSX_WANT_WRITE;
    }
    c->which[c->under_way] = c->next++;
    if (fd < 0)
        return NSX_AGAIN;
    if (err != 0 && err != EINPROGRESS) {
        c->faults[NSX_FAULT_CONNECT] = err;
        nsx_io_close(fd);
        return NSX_AGAIN;
    }
    c->fds[c->under_way++] = fd;
    return err == 0 ? win(c, c->under_way - 1) : NSX_WANT_WRITE;
}

/* ---- steps ---- */

static nsx_status
fail(struct nsx_connect *c, int err)
{
    close_all(c);
    return nsx_error_errno(&c->error, err, "nsx_connect");
}

static nsx_status
none_left(struct nsx_connect *c)
{
    size_t i = 0;

    while (i < NSX_FAULTS - 1 && c->faults[i] == 0)
        i++;
    return fail(c, c->faults[i]);
}

nsx_status
nsx_connect_step(struct nsx_connect *c)
{
    int64_t now = nsx_clock_ms();
    nsx_status got;

    if (c->fd >= 0 || c->error.code != NSX_E_NONE)
        return c->fd >= 0 ? NSX_OK : NSX_ERROR;
    got = look(c);
    if (got == NSX_OK)
        return got;
    if (now >= c->deadline)
        return fail(c, ETIMEDOUT);
    if (c->under_way == 0 && !c->is_full)
        got = NSX_AGAIN;
    while (c->next < c->count && (got == NSX_AGAIN || now >= c->next_at)) {
        got = begin_next(c, now);
        if (got == NSX_OK)
            return got;
    }
    if (c->under_way > 0)
        return NSX_WANT_WRITE;
    return c->is_full ? NSX_AGAIN : none_left(c);
}

const int *
nsx_connect_handles(const struct nsx_connect *c, size_t *n)
{
    *n = c->under_way;
    return c->fds;
}

int
nsx_connect_handle(const struct nsx_connect *c)
{
    return c->under_way > 0 ? c->fds[c->under_way - 1] : -1;
}

int64_t
nsx_connect_until(const struct nsx_connect *c, int waits_for_all)
{
    int64_t until = c->deadline;

    if (c->next < c->count && c->next_at < until)
        until = c->next_at;
    if (!waits_for_all && c->under_way > 1) {
        int64_t look_at = nsx_clock_ms() + NSX_LOOK_MS;

        if (look_at < until)
            until = look_at;
    }
    return until;
}

int
nsx_connect_take(struct nsx_connect *c, const struct nsx_address **to)
{
    int fd = c->fd;

    if (fd < 0)
        return -1;
    nsx_io_blocking(fd);
    if (to != NULL)
        *to = &c->list[c->winner];
    c->fd = -1;
    (void)nsx_error_set(&c->error, NSX_E_ARGUMENT, "nsx_connect_take",
                        "the connection was taken");
    return fd;
}
