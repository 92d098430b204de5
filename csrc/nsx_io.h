/*
 * nsx_io.h - descriptors, the monotonic clock, and waiting.  The only file of
 * the engine that makes system calls on sockets.
 *
 * Reads and writes never block and never raise SIGPIPE; the descriptor's own
 * blocking mode is neither changed nor relied on.  Plain files, pipes and
 * terminals work too (Net::Cmd is used on them): on a file a call is made as
 * it is and never has to wait; the others are polled first.
 */
#ifndef NSX_IO_H
#define NSX_IO_H

#include <stddef.h>
#include <stdint.h>
#include "nsx_error.h"

enum nsx_io_kind {
    NSX_IO_SOCKET = 0,
    NSX_IO_FILE,
    NSX_IO_OTHER
};

struct nsx_io {
    int fd; /* borrowed: never closed here */
    enum nsx_io_kind kind;
};

/* Looks at fd (which may be -1: every call then fails with EBADF) and, for a TCP socket, turns TCP_NODELAY on: a command is
 * written whole and must not wait for an ACK. */
void nsx_io_init(struct nsx_io *io, int fd);

/* One read or write.  NSX_OK with *done > 0; WANT_READ / WANT_WRITE; or
 * NSX_ERROR: NSX_E_EOF (recv only) or NSX_E_IO.  EINTR is answered as
 * WANT_READ / WANT_WRITE, so that the caller gets to run signal handlers.
 * more = 1 says that more octets of the same unit follow at once, so a
 * partly filled segment may be held back by the kernel until they do. */
nsx_status nsx_io_recv(struct nsx_io *io, void *buf, size_t n, size_t *done,
                       struct nsx_error *e);
nsx_status nsx_io_send(struct nsx_io *io, const void *buf, size_t n, int more,
                       size_t *done, struct nsx_error *e);

/* The same read, but the octets stay where they are for the next one. */
nsx_status nsx_io_peek(struct nsx_io *io, void *buf, size_t n, size_t *done,
                       struct nsx_error *e);

/* ---- sockets of our own, and pipes ----
 * Functions that answer an int answer 0 or an errno. */

/* An address of the system's: a struct sockaddr, as octets. */
struct nsx_address {
    size_t len;
    unsigned char octets[NSX_MAX_SOCKADDR];
};

/* AF_INET, AF_INET6, AF_UNIX...; 1 when it is a Unix socket's. */
int nsx_address_family(const struct nsx_address *a);
int nsx_address_is_unix(const struct nsx_address *a);

/* A new stream socket for such an address: non-blocking, closed by exec. */
int nsx_io_socket(const struct nsx_address *a, int *fd);
int nsx_io_bind(int fd, const struct nsx_address *a);

/* Begins to connect: EINPROGRESS when that goes on, as a signal's arrival does
 * not hinder it.  nsx_io_connected says what became of it: EINPROGRESS as long
 * as it goes on.  Neither waits. */
int nsx_io_connect(int fd, const struct nsx_address *a);
int nsx_io_connected(int fd);

/* Lets the descriptor block again, as programs expect of one they are given. */
void nsx_io_blocking(int fd);

/* A pipe, reading end first; closed by exec, the reading end non-blocking. */
int nsx_io_pipe(int fd[2]);

/* -1 is allowed; errno stays as it was. */
void nsx_io_close(int fd);

/* Milliseconds of a clock that never steps back. */
int64_t nsx_clock_ms(void);

/* Microseconds of the same clock, to measure by. */
int64_t nsx_clock_us(void);

/* A deadline is a value of that clock; NSX_NEVER means none. */
#define NSX_NEVER INT64_MAX

/* Never early; seconds <= 0 (or not a number) gives NSX_NEVER. */
int64_t nsx_deadline_after(double seconds);

enum nsx_wait {
    NSX_WAIT_READY = 0,
    NSX_WAIT_TIMEOUT,
    NSX_WAIT_SIGNAL, /* a signal arrived: let its handler run, wait again */
    NSX_WAIT_FAILED  /* errno says why */
};

/* Waits until the descriptor can do what (NSX_WANT_READ, NSX_WANT_WRITE, or
 * either: NSX_WANT_BOTH) or the deadline passes.  One that has passed is a timeout even when the
 * descriptor is ready (a plain file always is): a peer that never stops
 * talking holds nobody beyond it.  Hang-up and error count as ready: the next
 * read or write tells.  Works for descriptors of any number. */
enum nsx_wait nsx_io_wait(const struct nsx_io *io, nsx_status what,
                          int64_t deadline);

/* The same for a wait that begins now, with one look at the clock: *deadline
 * becomes nsx_deadline_after(seconds), for who goes on waiting. */
enum nsx_wait nsx_io_wait_from_now(const struct nsx_io *io, nsx_status what,
                                   double seconds, int64_t *deadline);

/* The same for any one of n descriptors (0: only the deadline ends it, or a
 * signal), at most NSX_MAX_HANDLES. */
enum nsx_wait nsx_io_wait_any(const int *fds, size_t n, nsx_status what,
                              int64_t deadline);

#endif
