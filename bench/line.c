/*
 * line - a long line to a server of this machine.
 *
 *   line MILLISECONDS PORT
 *
 * Listens on a free port of 127.0.0.1, prints it on one line, and passes what
 * comes on to PORT and back, each octet half of MILLISECONDS late: a round trip
 * takes MILLISECONDS, whoever waits for it, handshakes of TLS too.  How much is
 * under way is bounded by QUEUE_MOST alone.  TCP's own handshake is not late.
 * Each connection has a process of its own; all end when standard input does.
 */
#define _GNU_SOURCE /* ppoll */

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "loopback.h"

#define BLOCK_SIZE 65536
#define QUEUE_MOST (64L << 20) /* octets under way in one direction */
#define LIFETIME 600           /* seconds a connection may last */
#define NS 1000000000LL

struct block {
    struct block *next;
    long long due; /* ns of the monotonic clock */
    size_t len, off;
    char octets[BLOCK_SIZE];
};

/* One direction. */
struct way {
    int from, to;
    int ended; /* nothing more comes */
    long queued;
    struct block *first, **last;
};

static long long delay_ns; /* of one direction */

static long long
now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * NS + t.tv_nsec;
}

static void
take(struct way *w)
{
    struct block *b = malloc(sizeof *b);
    ssize_t n;

    if (!b)
        die("malloc");
    n = read(w->from, b->octets, BLOCK_SIZE);
    if (n <= 0) {
        w->ended = 1;
        n = 0; /* an empty block: the end arrives late, too */
    }
    b->next = NULL;
    b->due = now_ns() + delay_ns;
    b->len = (size_t)n;
    b->off = 0;
    *w->last = b;
    w->last = &b->next;
    w->queued += n;
}

/* Sends the first block on, as much as goes. */
static void
give(struct way *w)
{
    struct block *b = w->first;
    ssize_t n;

    if (b->len == 0) {
        shutdown(w->to, SHUT_WR);
    }
    else {
        n = send(w->to, b->octets + b->off, b->len - b->off,
                 MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0)
            exit(0);
        b->off += (size_t)n;
        w->queued -= n;
        if (b->off < b->len)
            return;
    }
    w->first = b->next;
    if (!w->first)
        w->last = &w->first;
    free(b);
}

/* Until neither direction has anything left. */
static void
pass_on(struct way *ways)
{
    for (;;) {
        struct pollfd fds[4];
        long long wait = NS * LIFETIME, left;
        struct timespec t;
        int i, open = 0;

        for (i = 0; i < 2; i++) {
            struct way *w = &ways[i];
            int due = 0;

            open += !w->ended || w->first;
            if (w->first) {
                left = w->first->due - now_ns();
                due = left <= 0;
                if (!due && left < wait)
                    wait = left;
            }
            fds[2 * i].fd = !w->ended && w->queued < QUEUE_MOST ? w->from : -1;
            fds[2 * i].events = POLLIN;
            fds[2 * i + 1].fd = due ? w->to : -1;
            fds[2 * i + 1].events = POLLOUT;
        }
        if (!open)
            return;
        t.tv_sec = (time_t)(wait / NS);
        t.tv_nsec = (long)(wait % NS);
        if (ppoll(fds, 4, &t, NULL) < 0)
            die("ppoll");
        for (i = 0; i < 2; i++) {
            if (fds[2 * i].revents)
                take(&ways[i]);
            if (fds[2 * i + 1].revents)
                give(&ways[i]);
        }
    }
}

static int
dial(int port)
{
    struct sockaddr_in a = { .sin_family = AF_INET };
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    a.sin_port = htons((unsigned short)port);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a))
        die("connect");
    return fd;
}

static void
serve(int client, int port)
{
    struct way ways[2] = { { .from = client }, { .to = client } };
    int on = 1, i;

    alarm(LIFETIME);
    ways[0].to = ways[1].from = dial(port);
    for (i = 0; i < 2; i++) {
        ways[i].last = &ways[i].first;
        setsockopt(ways[i].to, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    pass_on(ways);
    exit(0);
}

int
main(int argc, char **argv)
{
    struct pollfd fds[2] = { { .fd = 0, .events = POLLIN },
                             { .events = POLLIN } };
    int client;

    if (argc != 3)
        return 2;
    delay_ns = atoll(argv[1]) * (NS / 1000) / 2;
    signal(SIGCHLD, SIG_IGN);
    fds[1].fd = listen_on_loopback();
    while (poll(fds, 2, -1) > 0 && !fds[0].revents) {
        client = accept(fds[1].fd, NULL, NULL);
        if (client < 0)
            continue;
        if (fork() == 0)
            serve(client, atoi(argv[2]));
        close(client);
    }
    return 0;
}
