/* Descriptors of every kind: results, waiting, signals, the clock. */
#include "tap.h"
#include "net.h"
#include "nsx_io.h"

#include <errno.h>
#include <math.h>

static struct nsx_error e;
static char big[1 << 20];

static struct nsx_io
open_io(int fd)
{
    struct nsx_io io;

    nsx_io_init(&io, fd);
    nsx_error_reset(&e);
    return io;
}

static void
results(const char *kind, int fd[2])
{
    struct nsx_io io = open_io(fd[0]);
    char buf[100];
    size_t done = 77;
    int flags = fcntl(fd[0], F_GETFL);

    is_num(io.kind, NSX_IO_SOCKET, kind);
    is_num(nsx_io_recv(&io, buf, sizeof buf, &done, &e), NSX_WANT_READ,
           "nothing to read");
    is_num(done, 0, "and nothing read");
    is_num(nsx_io_recv(&io, buf, 0, &done, &e), NSX_OK, "reading nothing");
    is_num(nsx_io_send(&io, buf, 0, 0, &done, &e), NSX_OK, "writing nothing");
    say(fd[1], "hello");
    is_num(nsx_io_wait(&io, NSX_WANT_READ, nsx_deadline_after(5)),
           NSX_WAIT_READY, "readable");
    is_num(nsx_io_recv(&io, buf, 3, &done, &e), NSX_OK, "read");
    is_mem(buf, done, "hel", 3, "as much as there is room for");
    is_num(nsx_io_recv(&io, buf, sizeof buf, &done, &e), NSX_OK, "read on");
    is_mem(buf, done, "lo", 2, "as much as there is");
    is_num(nsx_io_send(&io, "a", 1, 1, &done, &e), NSX_OK, "write a part");
    is_num(nsx_io_send(&io, "bc", 2, 0, &done, &e), NSX_OK, "and the rest");
    is_num(recv(fd[1], buf, 3, MSG_WAITALL), 3, "both arrive");
    is_mem(buf, 3, "abc", 3, "in order");
    while (nsx_io_send(&io, big, sizeof big, 0, &done, &e) == NSX_OK)
        continue;
    is_num(e.code, NSX_E_NONE, "a full buffer is no error");
    is_num(nsx_io_send(&io, big, 1, 0, &done, &e), NSX_WANT_WRITE,
           "but does not take more");
    is_num(nsx_io_wait(&io, NSX_WANT_WRITE, nsx_deadline_after(0.05)),
           NSX_WAIT_TIMEOUT, "nor become writable by itself");
    is_num(fcntl(fd[0], F_GETFL), flags, "blocking mode is untouched");
}

static void
ends(const char *kind, int fd[2])
{
    struct nsx_io io = open_io(fd[0]);
    char buf[10];
    size_t done;
    int i;
    nsx_status s = NSX_OK;

    say(fd[1], "x");
    (void)close(fd[1]);
    is_num(nsx_io_wait(&io, NSX_WANT_READ, nsx_deadline_after(5)),
           NSX_WAIT_READY, kind);
    is_num(nsx_io_recv(&io, buf, 10, &done, &e), NSX_OK, "last octet");
    is_num(nsx_io_wait(&io, NSX_WANT_READ, nsx_deadline_after(5)),
           NSX_WAIT_READY, "the end makes it readable");
    is_num(nsx_io_recv(&io, buf, 10, &done, &e), NSX_ERROR, "the end");
    is_num(e.code, NSX_E_EOF, "is the end");
    nsx_error_reset(&e);
    for (i = 0; i < 100 && s != NSX_ERROR; i++) {
        s = nsx_io_send(&io, "y", 1, 0, &done, &e);
        (void)usleep(1000);
    }
    is_num(e.code, NSX_E_IO, "writing fails");
    ok(e.sys_errno == EPIPE || e.sys_errno == ECONNRESET,
       "with EPIPE and no signal (%s)", e.text);
}

static void
sockets(void)
{
    int fd[2];

    unix_pair(fd);
    results("a Unix socket", fd);
    close_pair(fd);
    unix_pair(fd);
    ends("a Unix socket's end", fd);
    (void)close(fd[0]);
    if (!tcp_pair(fd)) {
        ok(1, "# SKIP no TCP over loopback");
        return;
    }
    results("a TCP socket", fd);
    close_pair(fd);
    (void)tcp_pair(fd);
    ends("a TCP socket's end", fd);
    (void)close(fd[0]);
}

static int
nodelay(int fd)
{
    int on = -1;
    socklen_t len = sizeof on;

    (void)getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &len);
    return on != 0;
}

static void
tuning(void)
{
    int fd[2];

    if (!tcp_pair(fd)) {
        ok(1, "# SKIP no TCP over loopback");
        return;
    }
    ok(!nodelay(fd[0]), "a TCP socket delays");
    errno = ENOENT;
    (void)open_io(fd[0]);
    ok(nodelay(fd[0]), "until it is ours");
    is_num(errno, ENOENT, "errno is untouched");
    close_pair(fd);
    errno = ENOENT;
    (void)open_io(fd[0]);
    (void)open_io(-1);
    is_num(errno, ENOENT, "by a closed descriptor too");
}

static void
no_descriptor(void)
{
    struct nsx_io io = open_io(-1);
    char buf[1];
    size_t done;

    is_num(nsx_io_recv(&io, buf, 1, &done, &e), NSX_ERROR, "recv on -1");
    is_num(e.sys_errno, EBADF, "EBADF");
    nsx_error_reset(&e);
    is_num(nsx_io_send(&io, buf, 1, 0, &done, &e), NSX_ERROR, "send on -1");
    is_num(e.sys_errno, EBADF, "EBADF");
    errno = 0;
    is_num(nsx_io_wait(&io, NSX_WANT_READ, NSX_NEVER), NSX_WAIT_FAILED,
           "wait on -1");
    is_num(errno, EBADF, "EBADF");
    io = open_io(dup(0));
    (void)close(io.fd);
    is_num(nsx_io_wait(&io, NSX_WANT_READ, NSX_NEVER), NSX_WAIT_READY,
           "a closed descriptor does not wait");
    is_num(nsx_io_recv(&io, buf, 1, &done, &e), NSX_ERROR, "reading tells");
    is_num(e.sys_errno, EBADF, "EBADF");
}

static void
files(void)
{
    FILE *f = tmpfile();
    struct nsx_io io;
    char buf[10];
    size_t done;

    if (f == NULL)
        bail_out("no temporary file");
    io = open_io(fileno(f));
    is_num(io.kind, NSX_IO_FILE, "a file");
    is_num(nsx_io_send(&io, "abc", 3, 1, &done, &e), NSX_OK, "is written");
    (void)lseek(io.fd, 0, SEEK_SET);
    is_num(nsx_io_wait(&io, NSX_WANT_READ, NSX_NEVER), NSX_WAIT_READY,
           "never waits");
    is_num(nsx_io_wait(&io, NSX_WANT_READ, 0), NSX_WAIT_TIMEOUT,
           "but a deadline has passed");
    is_num(nsx_io_recv(&io, buf, 10, &done, &e), NSX_OK, "is read");
    is_mem(buf, done, "abc", 3, "as written");
    is_num(nsx_io_recv(&io, buf, 10, &done, &e), NSX_ERROR, "to its end");
    is_num(e.code, NSX_E_EOF, "which is the end");
    (void)fclose(f);
}

static void
pipes(void)
{
    int fd[2], flags;
    struct nsx_io in, out;
    char buf[10];
    size_t done;

    if (pipe(fd) != 0)
        bail_out("no pipe");
    in = open_io(fd[0]);
    out = open_io(fd[1]);
    flags = fcntl(fd[0], F_GETFL);
    is_num(in.kind, NSX_IO_OTHER, "a pipe");
    is_num(nsx_io_recv(&in, buf, 10, &done, &e), NSX_WANT_READ,
           "an empty pipe does not block");
    is_num(nsx_io_send(&out, "abc", 3, 0, &done, &e), NSX_OK, "write");
    is_num(nsx_io_recv(&in, buf, 10, &done, &e), NSX_OK, "read");
    is_mem(buf, done, "abc", 3, "as written");
    while (nsx_io_send(&out, big, sizeof big, 0, &done, &e) == NSX_OK)
        continue;
    is_num(e.code, NSX_E_NONE, "a full pipe does not block either");
    is_num(fcntl(fd[0], F_GETFL), flags, "blocking mode is untouched");
    (void)close(fd[0]);
    is_num(nsx_io_send(&out, "x", 1, 0, &done, &e), NSX_ERROR,
           "a pipe nobody reads");
    is_num(e.sys_errno, EPIPE, "is EPIPE and no signal");
    (void)close(fd[1]);
}

/* A SIGPIPE that was pending before a write of ours is still there after. */
static void
pending_sigpipe(void)
{
    sigset_t set, old, pending;
    struct nsx_io io;
    int fd[2], sig = 0;
    size_t done;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGPIPE);
    (void)sigprocmask(SIG_BLOCK, &set, &old);
    (void)kill(getpid(), SIGPIPE);
    if (pipe(fd) != 0)
        bail_out("no pipe");
    io = open_io(fd[1]);
    (void)close(fd[0]);
    (void)nsx_io_send(&io, "x", 1, 0, &done, &e);
    is_num(e.sys_errno, EPIPE, "EPIPE under a pending SIGPIPE");
    (void)sigpending(&pending);
    is_num(sigismember(&pending, SIGPIPE), 1, "which stays pending");
    /* The write's own may wait beside it: one per process, one per thread. */
    while (sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1)
        (void)sigwait(&set, &sig);
    (void)sigprocmask(SIG_SETMASK, &old, NULL);
    (void)close(fd[1]);
}

static void
peeking(void)
{
    int fd[2];
    struct nsx_io io;
    char buf[10];
    size_t done;

    unix_pair(fd);
    io = open_io(fd[0]);
    is_num(nsx_io_peek(&io, buf, 10, &done, &e), NSX_WANT_READ,
           "nothing to look at");
    say(fd[1], "abc");
    is_num(nsx_io_peek(&io, buf, 10, &done, &e), NSX_OK, "a look");
    is_mem(buf, done, "abc", 3, "shows what is there");
    is_num(nsx_io_recv(&io, buf, 2, &done, &e), NSX_OK, "a read");
    is_mem(buf, done, "ab", 2, "gets it");
    (void)close(fd[1]);
    is_num(nsx_io_peek(&io, buf, 10, &done, &e), NSX_OK, "what is left");
    is_num(nsx_io_recv(&io, buf, 10, &done, &e), NSX_OK, "is read");
    is_num(nsx_io_peek(&io, buf, 10, &done, &e), NSX_ERROR, "the end");
    is_num(e.code, NSX_E_EOF, "is the end");
    (void)close(fd[0]);
}

static void
own_pipes(void)
{
    int fd[2];
    struct nsx_io io;
    char c = 0;
    size_t done;

    is_num(nsx_io_pipe(fd), 0, "a pipe");
    ok(fcntl(fd[0], F_GETFD) & fcntl(fd[1], F_GETFD) & FD_CLOEXEC,
       "that exec closes");
    is_num(read(fd[0], &c, 1), -1, "reading it");
    is_num(errno, EAGAIN, "never blocks");
    io = open_io(fd[1]);
    is_num(nsx_io_send(&io, "x", 1, 0, &done, &e), NSX_OK, "written");
    is_num(nsx_io_wait_any(fd, 1, NSX_WANT_READ, nsx_deadline_after(5)),
           NSX_WAIT_READY, "readable");
    is_num(read(fd[0], &c, 1), 1, "read");
    is_num(nsx_io_wait_any(fd, 1, NSX_WANT_READ, nsx_deadline_after(0.01)),
           NSX_WAIT_TIMEOUT, "then nothing is");
    is_num(nsx_io_wait_any(fd, 0, NSX_WANT_READ, nsx_deadline_after(0.01)),
           NSX_WAIT_TIMEOUT, "no descriptor at all: the time");
    nsx_io_close(fd[0]);
    nsx_io_close(fd[1]);
    errno = 7;
    nsx_io_close(-1);
    is_num(errno, 7, "closing nothing is quiet");
}

static void
clock_and_deadlines(void)
{
    int64_t a = nsx_clock_ms(), b;

    (void)usleep(20000);
    b = nsx_clock_ms();
    ok(b - a >= 19 && b - a < 5000, "the clock goes");
    ok(nsx_deadline_after(0) == NSX_NEVER, "0 is no deadline");
    ok(nsx_deadline_after(-1) == NSX_NEVER, "nor is a negative one");
    ok(nsx_deadline_after(1e300) == NSX_NEVER, "nor one out of range");
    ok(nsx_deadline_after((double)NAN) == NSX_NEVER, "nor what is no number");
    a = nsx_deadline_after(1.5) - nsx_clock_ms();
    ok(a >= 1490 && a <= 1502, "a second and a half");
    ok(nsx_deadline_after(1e9) > nsx_clock_ms() + INT32_MAX,
       "more than poll can take");
}

static void
waiting(void)
{
    int fd[2];
    struct nsx_io io;
    int64_t start, deadline;
    size_t done;

    unix_pair(fd);
    io = open_io(fd[0]);
    start = nsx_clock_ms();
    is_num(nsx_io_wait(&io, NSX_WANT_READ, nsx_deadline_after(0.1)),
           NSX_WAIT_TIMEOUT, "timeout");
    start = nsx_clock_ms() - start;
    ok(start >= 100 && start < 5000, "after its time (%d ms)", (int)start);
    start = nsx_clock_ms();
    is_num(nsx_io_wait_from_now(&io, NSX_WANT_READ, 0.1, &deadline),
           NSX_WAIT_TIMEOUT, "a wait that begins now ends");
    ok(nsx_clock_ms() - start >= 100, "not early");
    ok(deadline >= start + 100 && deadline <= nsx_clock_ms(),
       "its deadline is told");
    is_num(nsx_io_wait_from_now(&io, NSX_WANT_WRITE, 0, &deadline),
           NSX_WAIT_READY, "without an end");
    ok(deadline == NSX_NEVER, "which is told");
    is_num(nsx_io_wait(&io, NSX_WANT_READ, nsx_clock_ms() - 1),
           NSX_WAIT_TIMEOUT, "a deadline in the past");
    is_num(nsx_io_wait(&io, NSX_WANT_WRITE, nsx_clock_ms() - 1),
           NSX_WAIT_TIMEOUT, "is a timeout even when the descriptor is ready");
    alarms = 0;
    alarm_in(50);
    is_num(nsx_io_wait(&io, NSX_WANT_READ, nsx_deadline_after(20)),
           NSX_WAIT_SIGNAL, "a signal is no timeout");
    is_num(alarms, 1, "its handler ran");
    alarm_in(50);
    is_num(nsx_io_wait(&io, NSX_WANT_READ, NSX_NEVER), NSX_WAIT_SIGNAL,
           "nor without a deadline");
    (void)nsx_io_send(&io, "x", 1, 0, &done, &e);
    io.fd = fd[1];
    is_num(nsx_io_wait(&io, NSX_WANT_READ, nsx_deadline_after(1e9)),
           NSX_WAIT_READY, "a far deadline");
    close_pair(fd);
}

/* poll has no FD_SETSIZE. */
static void
high_numbers(void)
{
    const int high = 1500;
    struct rlimit rl;
    struct nsx_io io;
    char buf[10];
    size_t done;
    int fd[2];

    (void)getrlimit(RLIMIT_NOFILE, &rl);
    if (rl.rlim_cur <= (rlim_t)high) {
        rl.rlim_cur = (rlim_t)high + 1;
        (void)setrlimit(RLIMIT_NOFILE, &rl);
    }
    unix_pair(fd);
    if (dup2(fd[0], high) != high) {
        ok(1, "# SKIP descriptors of this number are not allowed");
        return;
    }
    io = open_io(high);
    is_num(nsx_io_wait(&io, NSX_WANT_READ, nsx_deadline_after(0.02)),
           NSX_WAIT_TIMEOUT, "descriptor 1500 waits");
    say(fd[1], "x");
    is_num(nsx_io_wait(&io, NSX_WANT_READ, nsx_deadline_after(5)),
           NSX_WAIT_READY, "becomes readable");
    is_num(nsx_io_recv(&io, buf, 10, &done, &e), NSX_OK, "and is read");
    (void)close(high);
    close_pair(fd);
}

int
main(void)
{
    watchdog(60);
    sockets();
    tuning();
    no_descriptor();
    files();
    pipes();
    pending_sigpipe();
    peeking();
    own_pipes();
    clock_and_deadlines();
    waiting();
    high_numbers();
    return done_testing();
}
