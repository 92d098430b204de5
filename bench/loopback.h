/*
 * loopback.h - what the servers of the benchmarks begin with.
 */
#ifndef BENCH_LOOPBACK_H
#define BENCH_LOOPBACK_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

static void
die(const char *what)
{
    perror(what);
    exit(1);
}

/* A listener on a port of the system's choice, which is printed. */
static int
listen_on_loopback(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET };
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, n) || listen(fd, 64)
        || getsockname(fd, (struct sockaddr *)&a, &n))
        die("listen");
    printf("%d\n", ntohs(a.sin_port));
    fflush(stdout);
    return fd;
}

#endif
