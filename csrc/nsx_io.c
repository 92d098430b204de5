/*
 * nsx_io.c - descriptors, the monotonic clock, and waiting.
 */
/* -std=c99 hides the system's interfaces; these bring them back. */
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE 1
#endif
#ifndef _DARWIN_C_SOURCE
#define _DARWIN_C_SOURCE 1
#endif
#ifndef __EXTENSIONS__
#define __EXTENSIONS__ 1
#endif

#include "nsx_io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

/* Systems without MSG_NOSIGNAL have SO_NOSIGPIPE. */
#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif
#ifndef MSG_MORE
#define MSG_MORE 0
#endif

/* A pipe that polls writable takes this much without blocking. */
#ifdef PIPE_BUF
enum {
    PIPE_STEP = PIPE_BUF
};
#else
enum {
    PIPE_STEP = 512
};
#endif

enum {
    MS_PER_S = 1000,
    NS_PER_MS = 1000000,
    US_PER_S = 1000000,
    NS_PER_US = 1000
};

static enum nsx_io_kind
kind_of(int fd)
{
    struct stat st;

    if (fd < 0 || fstat(fd, &st) != 0)
        return NSX_IO_OTHER;
    if (S_ISSOCK(st.st_mode))
        return NSX_IO_SOCKET;
    return S_ISREG(st.st_mode) ? NSX_IO_FILE : NSX_IO_OTHER;
}

static int
is_tcp(int fd)
{
    union {
        struct sockaddr sa;
        struct sockaddr_storage storage;
    } addr;
    socklen_t len = sizeof addr;
    int type = 0;
    socklen_t type_len = sizeof type;

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) != 0
        || type != SOCK_STREAM)
        return 0;
    if (getsockname(fd, &addr.sa, &len) != 0)
        return 0;
    return addr.sa.sa_family == AF_INET || addr.sa.sa_family == AF_INET6;
}

/* Failure is no error: the socket is then slower, or not one of TCP. */
static void
tune(int fd)
{
    int on = 1;

    if (is_tcp(fd))
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
#ifdef SO_NOSIGPIPE
    (void)setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
}

void
nsx_io_init(struct nsx_io *io, int fd)
{
    int saved = errno;

    io->fd = fd;
    io->kind = kind_of(fd);
    if (io->kind == NSX_IO_SOCKET)
        tune(fd);
    errno = saved;
}

/* 1 when the descriptor can do what events says, or fail, without waiting. */
static int
ready_now(int fd, short events)
{
    struct pollfd p = { fd, events, 0 };

    return poll(&p, 1, 0) != 0;
}

/* Means "not now": the caller waits, and runs signal handlers first. */
static int
is_transient(int err)
{
    return err == EAGAIN || err == EWOULDBLOCK || err == EINTR;
}

static nsx_status
received(ssize_t got, size_t *done, struct nsx_error *e, const char *where)
{
    if (got < 0)
        return is_transient(errno) ? NSX_WANT_READ
                                   : nsx_error_errno(e, errno, where);
    if (got == 0)
        return nsx_error_set(e, NSX_E_EOF, where, NULL);
    *done = (size_t)got;
    return NSX_OK;
}

nsx_status
nsx_io_recv(struct nsx_io *io, void *buf, size_t n, size_t *done,
            struct nsx_error *e)
{
    ssize_t got;

    *done = 0;
    if (n == 0)
        return NSX_OK;
    if (io->fd < 0)
        return nsx_error_errno(e, EBADF, __func__);
    if (io->kind == NSX_IO_OTHER && !ready_now(io->fd, POLLIN))
        return NSX_WANT_READ;
    got = io->kind == NSX_IO_SOCKET ? recv(io->fd, buf, n, MSG_DONTWAIT)
                                    : read(io->fd, buf, n);
    return received(got, done, e, __func__);
}

nsx_status
nsx_io_peek(struct nsx_io *io, void *buf, size_t n, size_t *done,
            struct nsx_error *e)
{
    *done = 0;
    return received(recv(io->fd, buf, n, MSG_DONTWAIT | MSG_PEEK), done, e,
                    __func__);
}

/* Takes back the SIGPIPE that a write under a mask left pending. */
static void
swallow_sigpipe(const sigset_t *pipe_only)
{
    sigset_t pending;
    int sig;

    if (sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1)
        (void)sigwait(pipe_only, &sig);
}

/* write() to a pipe.  Its SIGPIPE is blocked in this thread rather than
 * ignored in the process, whose other threads have their own ideas. */
static ssize_t
write_pipe(int fd, const void *buf, size_t n)
{
    sigset_t pipe_only, before, pending;
    ssize_t put;
    int err;

    (void)sigemptyset(&pipe_only);
    (void)sigaddset(&pipe_only, SIGPIPE);
    (void)sigemptyset(&pending);
    (void)sigpending(&pending);
    (void)sigprocmask(SIG_BLOCK, &pipe_only, &before);
    put = write(fd, buf, n < PIPE_STEP ? n : PIPE_STEP);
    err = errno;
    if (put < 0 && err == EPIPE && sigismember(&pending, SIGPIPE) != 1)
        swallow_sigpipe(&pipe_only);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    errno = err;
    return put;
}

static ssize_t
put_some(const struct nsx_io *io, const void *buf, size_t n, int more)
{
    int flags = MSG_DONTWAIT | MSG_NOSIGNAL | (more ? MSG_MORE : 0);

    if (io->kind == NSX_IO_SOCKET)
        return send(io->fd, buf, n, flags);
    if (io->kind == NSX_IO_FILE)
        return write(io->fd, buf, n);
    if (!ready_now(io->fd, POLLOUT)) {
        errno = EAGAIN;
        return -1;
    }
    return write_pipe(io->fd, buf, n);
}

nsx_status
nsx_io_send(struct nsx_io *io, const void *buf, size_t n, int more,
            size_t *done, struct nsx_error *e)
{
    ssize_t put;

    *done = 0;
    if (n == 0)
        return NSX_OK;
    if (io->fd < 0)
        return nsx_error_errno(e, EBADF, __func__);
    put = put_some(io, buf, n, more);
    if (put < 0 && !is_transient(errno))
        return nsx_error_errno(e, errno, __func__);
    if (put <= 0)
        return NSX_WANT_WRITE;
    *done = (size_t)put;
    return NSX_OK;
}

/* ---- sockets of our own, and pipes ---- */

union socket_address {
    struct sockaddr any;
    struct sockaddr_storage storage;
    unsigned char octets[NSX_MAX_SOCKADDR];
};

static socklen_t
fill(union socket_address *to, const struct nsx_address *a)
{
    memset(to, 0, sizeof *to);
    memcpy(to->octets, a->octets, a->len);
    return (socklen_t)a->len;
}

int
nsx_address_family(const struct nsx_address *a)
{
    union socket_address sa;

    (void)fill(&sa, a);
    return sa.any.sa_family;
}

int
nsx_address_is_unix(const struct nsx_address *a)
{
    return nsx_address_family(a) == AF_UNIX;
}

/* 0, or errno with the descriptor as it was. */
static int
set_flags(int fd, int nonblocking)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return errno;
    flags = nonblocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    return fcntl(fd, F_SETFL, flags) < 0 ? errno : 0;
}

void
nsx_io_close(int fd)
{
    int saved = errno;

    if (fd >= 0)
        (void)close(fd);
    errno = saved;
}

int
nsx_io_socket(const struct nsx_address *a, int *fd)
{
    int err;

    *fd = socket(nsx_address_family(a), SOCK_STREAM, 0);
    if (*fd < 0)
        return errno;
    err = set_flags(*fd, 1);
    if (err == 0)
        return 0;
    nsx_io_close(*fd);
    *fd = -1;
    return err;
}

int
nsx_io_bind(int fd, const struct nsx_address *a)
{
    union socket_address sa;
    socklen_t len = fill(&sa, a);

    return bind(fd, &sa.any, len) < 0 ? errno : 0;
}

int
nsx_io_connect(int fd, const struct nsx_address *a)
{
    union socket_address sa;
    socklen_t len = fill(&sa, a);

    if (connect(fd, &sa.any, len) == 0)
        return 0;
    return errno == EINTR ? EINPROGRESS : errno;
}

int
nsx_io_connected(int fd)
{
    int err = 0;
    socklen_t len = sizeof err;

    if (!ready_now(fd, POLLOUT))
        return EINPROGRESS;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
        return errno;
    return err;
}

void
nsx_io_blocking(int fd)
{
    (void)set_flags(fd, 0);
}

int
nsx_io_pipe(int fd[2])
{
    int err;

    if (pipe(fd) < 0) {
        fd[0] = fd[1] = -1;
        return errno;
    }
    err = set_flags(fd[0], 1);
    if (err == 0)
        err = set_flags(fd[1], 0);
    if (err == 0)
        return 0;
    nsx_io_close(fd[0]);
    nsx_io_close(fd[1]);
    fd[0] = fd[1] = -1;
    return err;
}

/* ---- time ---- */

int64_t
nsx_clock_us(void)
{
    struct timespec now = { 0, 0 };

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * US_PER_S + now.tv_nsec / NS_PER_US;
}

int64_t
nsx_clock_ms(void)
{
    struct timespec now = { 0, 0 };

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * MS_PER_S + now.tv_nsec / NS_PER_MS;
}

static int64_t
milliseconds(double seconds)
{
    const double forever = 1e12; /* seconds; also keeps the sum in range */

    if (!(seconds > 0) || seconds >= forever)
        return NSX_NEVER;
    /* Both roundings, of the clock and of the product, are down: one more
     * millisecond each so that the wait is never too short. */
    return (int64_t)(seconds * MS_PER_S) + 2;
}

int64_t
nsx_deadline_after(double seconds)
{
    const int64_t wait = milliseconds(seconds);

    return wait == NSX_NEVER ? NSX_NEVER : nsx_clock_ms() + wait;
}

/* What poll takes for so many milliseconds. */
static int
bounded(int64_t left)
{
    if (left < 0)
        return 0;
    return left > INT_MAX ? INT_MAX : (int)left;
}

/* Milliseconds for poll: -1 without a deadline, 0 when it has passed. */
static int
time_left(int64_t deadline)
{
    return deadline == NSX_NEVER ? -1 : bounded(deadline - nsx_clock_ms());
}

static short
events_of(nsx_status what)
{
    return what == NSX_WANT_WRITE ? POLLOUT
        : what == NSX_WANT_BOTH   ? POLLIN | POLLOUT
                                  : POLLIN;
}

/* left: for the first time, what time_left says. */
static enum nsx_wait
wait_for(struct pollfd *p, size_t n, int left, int64_t deadline)
{
    int found = 0;

    while (left != 0 && (found = poll(p, (nfds_t)n, left)) == 0)
        left = time_left(deadline);
    if (found == 0)
        return NSX_WAIT_TIMEOUT;
    if (found > 0)
        return NSX_WAIT_READY;
    return errno == EINTR ? NSX_WAIT_SIGNAL : NSX_WAIT_FAILED;
}

static enum nsx_wait
wait_left(const struct nsx_io *io, nsx_status what, int left, int64_t deadline)
{
    struct pollfd p = { io->fd, events_of(what), 0 };

    if (io->fd < 0) {
        errno = EBADF;
        return NSX_WAIT_FAILED;
    }
    if (io->kind == NSX_IO_FILE)
        return left == 0 ? NSX_WAIT_TIMEOUT : NSX_WAIT_READY;
    return wait_for(&p, 1, left, deadline);
}

enum nsx_wait
nsx_io_wait(const struct nsx_io *io, nsx_status what, int64_t deadline)
{
    return wait_left(io, what, time_left(deadline), deadline);
}

enum nsx_wait
nsx_io_wait_from_now(const struct nsx_io *io, nsx_status what, double seconds,
                     int64_t *deadline)
{
    const int64_t wait = milliseconds(seconds);

    *deadline = wait == NSX_NEVER ? NSX_NEVER : nsx_clock_ms() + wait;
    return wait_left(io, what, wait == NSX_NEVER ? -1 : bounded(wait),
                     *deadline);
}

enum nsx_wait
nsx_io_wait_any(const int *fds, size_t n, nsx_status what, int64_t deadline)
{
    struct pollfd p[NSX_MAX_HANDLES];
    size_t i;

    for (i = 0; i < n && i < NSX_MAX_HANDLES; i++) {
        p[i].fd = fds[i];
        p[i].events = events_of(what);
        p[i].revents = 0;
    }
    return wait_for(p, i, time_left(deadline), deadline);
}
