/*
 * net.h - connected pairs of descriptors for the tests of nsx_io and
 * nsx_channel.  Include after tap.h.
 */
#ifndef NSX_TEST_NET_H
#define NSX_TEST_NET_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>

static TAP_UNUSED void
unix_pair(int fd[2])
{
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) != 0)
        bail_out("no socketpair");
}

/* Both ends of a TCP connection over loopback, on a port of the system's
 * choice; 0 when there is no such network. */
static TAP_UNUSED int
tcp_pair(int fd[2])
{
    struct sockaddr_in a;
    socklen_t len = sizeof a;
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    memset(&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fd[0] = fd[1] = -1;
    if (listener < 0 || bind(listener, (void *)&a, len) != 0
        || listen(listener, 1) != 0
        || getsockname(listener, (void *)&a, &len) != 0)
        return 0;
    fd[0] = socket(AF_INET, SOCK_STREAM, 0);
    if (fd[0] < 0 || connect(fd[0], (void *)&a, len) != 0)
        return 0;
    fd[1] = accept(listener, NULL, NULL);
    (void)close(listener);
    return fd[1] >= 0;
}

static TAP_UNUSED void
close_pair(int fd[2])
{
    (void)close(fd[0]);
    (void)close(fd[1]);
}

/* Descriptors that are open, of those that a test can have. */
static TAP_UNUSED int
count_open(void)
{
    int i, n = 0;

    for (i = 0; i < 256; i++)
        n += fcntl(i, F_GETFD) >= 0;
    return n;
}

/* Says s on fd, whole; for the far end, whose buffers are empty. */
static TAP_UNUSED void
say(int fd, const char *s)
{
    if (write(fd, s, strlen(s)) != (ssize_t)strlen(s))
        bail_out("the far end cannot write");
}

static volatile sig_atomic_t alarms;

static void
on_alarm(int sig)
{
    (void)sig;
    alarms++;
}

/* A SIGALRM in ms milliseconds, that interrupts system calls. */
static TAP_UNUSED void
alarm_in(long ms)
{
    struct sigaction sa;
    struct itimerval t;

    memset(&sa, 0, sizeof sa);
    sa.sa_handler = on_alarm;
    (void)sigemptyset(&sa.sa_mask);
    (void)sigaction(SIGALRM, &sa, NULL);
    memset(&t, 0, sizeof t);
    t.it_value.tv_sec = ms / 1000;
    t.it_value.tv_usec = (int)(ms % 1000) * 1000;
    (void)setitimer(ITIMER_REAL, &t, NULL);
}

/* A test that hangs is ended by the system. */
static TAP_UNUSED void
watchdog(unsigned seconds)
{
    pid_t parent = getpid();

    if (fork() == 0) {
        unsigned i;

        (void)close(0);
        (void)close(1);
        (void)close(2);
        for (i = 0; i < seconds * 10 && getppid() == parent; i++)
            (void)usleep(100000);
        if (getppid() == parent)
            (void)kill(parent, SIGKILL);
        _exit(0);
    }
}

#endif
