/*
 * peer.h - what the peers written in C share: arguments, bodies, clocks.
 */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SENDER "sender@example.com"
#define RECIPIENT "recipient@example.com"
#define LINE_LEN 70 /* octets of a body line before its end */

/* MODE PORT COUNT SIZE RECIPIENTS [CA-FILE] */
struct work {
    const char *mode, *port, *ca;
    long count, recipients;
    size_t size;
};

struct cost {
    long long wall, cpu; /* microseconds */
};

static inline void
die(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static inline struct work
work_of(int argc, char **argv)
{
    struct work w;

    if (argc < 6)
        die("MODE PORT COUNT SIZE RECIPIENTS [CA-FILE]");
    w.mode = argv[1];
    w.port = argv[2];
    w.count = atol(argv[3]);
    w.size = strtoul(argv[4], NULL, 10);
    w.recipients = atol(argv[5]);
    w.ca = argc > 6 ? argv[6] : NULL;
    return w;
}

/* size octets of lines that end in CRLF, and a NUL.  The caller's. */
static inline char *
body_of(size_t size)
{
    char *body = malloc(size + 1);
    size_t i, at;

    if (!body)
        die("malloc");
    for (i = 0; i < size; i++) {
        at = i % (LINE_LEN + 2);
        body[i] = at == LINE_LEN ? '\r' : at == LINE_LEN + 1 ? '\n' : 'x';
    }
    if (size > 1) {
        body[size - 2] = '\r';
        body[size - 1] = '\n';
    }
    body[size] = '\0';
    return body;
}

static inline long long
microseconds(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static inline struct cost
cost_now(void)
{
    struct cost c = { microseconds(CLOCK_MONOTONIC),
                      microseconds(CLOCK_PROCESS_CPUTIME_ID) };

    return c;
}

static inline struct cost
cost_since(struct cost start)
{
    struct cost now = cost_now();

    now.wall -= start.wall;
    now.cpu -= start.cpu;
    return now;
}

static inline void
print_cost(struct cost c)
{
    printf("wall %lld cpu %lld\n", c.wall, c.cpu);
}

#endif
