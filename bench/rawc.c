/*
 * rawc - the least an SMTP client can do: the measure for all others.
 *
 *   rawc PORT MESSAGES SIZE RECIPIENTS [ahead | envelope | message]
 *
 * Sends MESSAGES messages of SIZE octets over one connection to 127.0.0.1, in
 * lockstep, with TCP_NODELAY.  The body is prepared in advance and goes out
 * with its final dot; a reply is read up to the end of its last line and not
 * parsed further.  With "ahead" all RCPT of a message are one write, and then
 * their replies are read.  With "envelope" MAIL and all RCPT are one write, BDAT
 * LAST with the body the next; with "message" all of it is one write, built in
 * advance.  Prints "wall N cpu N": microseconds, the connection's set-up not
 * included.
 */
#define _POSIX_C_SOURCE 200809L

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LINE_LEN 71 /* octets of a body line before its CRLF */
#define REPLY_SIZE 4096

static void
die(const char *what)
{
    perror(what);
    exit(1);
}

static void
put(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t done = write(fd, p, n);
        if (done <= 0)
            die("write");
        p += done;
        n -= (size_t)done;
    }
}

/* 1 when p[0..n) ends with a whole line that is a reply's last. */
static int
is_complete(const char *p, size_t n)
{
    size_t at = n;

    if (n < 5 || p[n - 1] != '\n')
        return 0;
    for (at = n - 1; at > 0 && p[at - 1] != '\n'; at--)
        continue;
    return p[at + 3] == ' ';
}

static void
get_reply(int fd, char class)
{
    char buf[REPLY_SIZE];
    size_t n = 0;

    do {
        ssize_t got = read(fd, buf + n, sizeof buf - n);
        if (got <= 0)
            die("read");
        n += (size_t)got;
    } while (!is_complete(buf, n));
    if (buf[0] != class) {
        fprintf(stderr, "rawc: %.*s", (int)n, buf);
        exit(1);
    }
}

static void
say(int fd, const char *command, char class)
{
    put(fd, command, strlen(command));
    get_reply(fd, class);
}

static int
dial(int port)
{
    struct sockaddr_in a = { .sin_family = AF_INET };
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

    a.sin_port = htons((unsigned short)port);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a))
        die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

/* size octets of CRLF lines, then the end of data; *len counts both. */
static char *
make_body(size_t size, size_t *len)
{
    static const char end[] = "\r\n.\r\n";
    char *body = malloc(size + sizeof end);
    size_t i;

    if (!body)
        die("malloc");
    for (i = 0; i < size; i++)
        body[i] = i % (LINE_LEN + 2) == LINE_LEN ? '\r'
            : i % (LINE_LEN + 2) == LINE_LEN + 1 ? '\n'
                                                 : 'x';
    memcpy(body + size, end, sizeof end - 1);
    *len = size + sizeof end - 1;
    return body;
}

static const char rcpt[] = "RCPT TO:<recipient@example.com>\r\n";

/* Replies of one line each, counted by their ends. */
static void
get_replies(int fd, long n)
{
    char buf[REPLY_SIZE];
    const char *p;

    while (n > 0) {
        ssize_t got = read(fd, buf, sizeof buf);

        if (got <= 0)
            die("read");
        for (p = buf; (p = memchr(p, '\n', (size_t)(buf + got - p))); p++)
            n--;
    }
}

static void
name_ahead(int fd, long recipients)
{
    size_t len = sizeof rcpt - 1;
    char *all = malloc((size_t)recipients * len);
    long i;

    if (!all)
        die("malloc");
    for (i = 0; i < recipients; i++)
        memcpy(all + (size_t)i * len, rcpt, len);
    put(fd, all, (size_t)recipients * len);
    free(all);
    get_replies(fd, recipients);
}

static void
send_message(int fd, long recipients, int ahead, const char *body, size_t len)
{
    long i;

    say(fd, "MAIL FROM:<sender@example.com>\r\n", '2');
    if (ahead)
        name_ahead(fd, recipients);
    else
        for (i = 0; i < recipients; i++)
            say(fd, rcpt, '2');
    say(fd, "DATA\r\n", '3');
    put(fd, body, len);
    get_reply(fd, '2');
}

/* The flights of a message, as they go out. */
struct flights {
    char *octets;
    size_t envelope, all; /* octets of the envelope, and of all */
};

static struct flights
make_flights(long recipients, const char *body, size_t size)
{
    static const char mail[] = "MAIL FROM:<sender@example.com>\r\n";
    static const char end[] = "\r\n";
    const size_t mail_len = sizeof mail - 1, rcpt_len = sizeof rcpt - 1;
    struct flights f;
    char *p;
    long i;

    f.envelope = mail_len + (size_t)recipients * rcpt_len;
    p = f.octets = malloc(f.envelope + size + REPLY_SIZE);
    if (!p)
        die("malloc");
    memcpy(p, mail, mail_len);
    for (p += mail_len, i = 0; i < recipients; i++, p += rcpt_len)
        memcpy(p, rcpt, rcpt_len);
    p +=
        sprintf(p, "BDAT %lu LAST\r\n", (unsigned long)(size + sizeof end - 1));
    memcpy(p, body, size);
    memcpy(p + size, end, sizeof end - 1);
    f.all = (size_t)(p - f.octets) + size + sizeof end - 1;
    return f;
}

static void
send_flights(int fd, long recipients, const struct flights *f, int at_once)
{
    if (at_once) {
        put(fd, f->octets, f->all);
        get_replies(fd, recipients + 2);
        return;
    }
    put(fd, f->octets, f->envelope);
    get_replies(fd, recipients + 1);
    put(fd, f->octets + f->envelope, f->all - f->envelope);
    get_reply(fd, '2');
}

static long long
microseconds(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

int
main(int argc, char **argv)
{
    long long wall, cpu;
    long messages, recipients, i;
    struct flights flights;
    const char *mode;
    size_t len, size;
    char *body;
    int fd;

    if (argc != 5 && argc != 6)
        return 2;
    messages = atol(argv[2]);
    recipients = atol(argv[4]);
    size = strtoul(argv[3], NULL, 10);
    mode = argc > 5 ? argv[5] : "";
    body = make_body(size, &len);
    flights = make_flights(recipients, body, size);
    fd = dial(atoi(argv[1]));
    get_reply(fd, '2');
    say(fd, "EHLO rawc\r\n", '2');

    wall = microseconds(CLOCK_MONOTONIC);
    cpu = microseconds(CLOCK_PROCESS_CPUTIME_ID);
    for (i = 0; i < messages; i++)
        if (strcmp(mode, "envelope") == 0 || strcmp(mode, "message") == 0)
            send_flights(fd, recipients, &flights, *mode == 'm');
        else
            send_message(fd, recipients, strcmp(mode, "ahead") == 0, body, len);
    cpu = microseconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    wall = microseconds(CLOCK_MONOTONIC) - wall;

    say(fd, "QUIT\r\n", '2');
    printf("wall %lld cpu %lld\n", wall, cpu);
    free(flights.octets);
    free(body);
    return 0;
}
