/*
 * sink - an SMTP server that accepts everything and keeps nothing, cheap
 * enough that what is measured is the client.
 *
 *   sink [-c CERTIFICATE -k KEY [-t]]
 *
 * Listens on a free port of 127.0.0.1, prints the port on one line, serves
 * each connection in a process of its own, and ends when its standard input
 * does.  -c and -k (PEM files) offer STARTTLS; with -t TLS begins with the
 * connection.  Commands may be pipelined; replies to one batch leave in one write.
 */
#define _GNU_SOURCE /* memmem */

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "loopback.h"

#define IN_SIZE 65536
#define OUT_SIZE 4096
#define LONGEST_REPLY 256
#define LIFETIME 600 /* seconds a connection may last */

static const char END_OF_DATA[] = "\r\n.\r\n";
#define END_LEN (sizeof END_OF_DATA - 1)

enum mode {
    COMMAND,
    DATA,
    CHUNK,
    QUIT
};

struct conn {
    int fd;
    SSL *ssl; /* NULL in the clear */
    SSL_CTX *ctx;
    enum mode mode;
    size_t chunk_left;
    size_t in_len, out_len;
    char in[IN_SIZE];
    char out[OUT_SIZE];
};

static void
flush_replies(struct conn *c)
{
    size_t off = 0;

    while (off < c->out_len) {
        size_t left = c->out_len - off;
        ssize_t n = c->ssl ? SSL_write(c->ssl, c->out + off, (int)left)
                           : write(c->fd, c->out + off, left);
        if (n <= 0)
            exit(0);
        off += (size_t)n;
    }
    c->out_len = 0;
}

static void
reply(struct conn *c, const char *text)
{
    size_t n = strlen(text);

    if (c->out_len + n > OUT_SIZE)
        flush_replies(c);
    memcpy(c->out + c->out_len, text, n);
    c->out_len += n;
}

static void
start_tls(struct conn *c)
{
    flush_replies(c);
    c->ssl = SSL_new(c->ctx);
    SSL_set_fd(c->ssl, c->fd);
    if (SSL_accept(c->ssl) <= 0) {
        ERR_print_errors_fp(stderr);
        exit(1);
    }
}

static int
is_verb(const char *line, const char *verb)
{
    return strncasecmp(line, verb, strlen(verb)) == 0;
}

static void
hello(struct conn *c)
{
    reply(c, "250-sink\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-8BITMIME\r\n");
    if (c->ctx && !c->ssl)
        reply(c, "250-STARTTLS\r\n");
    reply(c, "250 SIZE 0\r\n");
}

/* BDAT's size and LAST; the reply comes when the chunk is through. */
static void
chunk(struct conn *c, const char *line)
{
    c->chunk_left = strtoul(line + 4, NULL, 10);
    c->mode = CHUNK;
}

static void
command(struct conn *c, const char *line)
{
    if (is_verb(line, "DATA")) {
        reply(c, "354 go on\r\n");
        c->mode = DATA;
    }
    else if (is_verb(line, "BDAT")) {
        chunk(c, line);
    }
    else if (is_verb(line, "EHLO")) {
        hello(c);
    }
    else if (is_verb(line, "STARTTLS") && c->ctx && !c->ssl) {
        reply(c, "220 go on\r\n");
        start_tls(c);
    }
    else if (is_verb(line, "QUIT")) {
        reply(c, "221 bye\r\n");
        c->mode = QUIT;
    }
    else {
        reply(c, "250 ok\r\n");
    }
}

/* Each step takes what it can from p[0..n) and returns how much. */

static size_t
step_command(struct conn *c, char *p, size_t n)
{
    char *lf = memchr(p, '\n', n);

    if (!lf)
        return 0;
    *lf = '\0';
    command(c, p);
    /* The line end before the first line of data is this command's. */
    if (c->mode == DATA) {
        *lf = '\n';
        return (size_t)(lf - p) - 1;
    }
    return (size_t)(lf - p) + 1;
}

static size_t
step_data(struct conn *c, const char *p, size_t n)
{
    const char *end = memmem(p, n, END_OF_DATA, END_LEN);

    if (!end)
        return n < END_LEN ? 0 : n - (END_LEN - 1);
    reply(c, "250 ok\r\n");
    c->mode = COMMAND;
    return (size_t)(end - p) + END_LEN;
}

static size_t
step_chunk(struct conn *c, size_t n)
{
    size_t taken = n < c->chunk_left ? n : c->chunk_left;

    c->chunk_left -= taken;
    if (c->chunk_left == 0) {
        reply(c, "250 ok\r\n");
        c->mode = COMMAND;
    }
    return taken;
}

static size_t
step(struct conn *c, char *p, size_t n)
{
    switch (c->mode) {
    case COMMAND:
        return step_command(c, p, n);
    case DATA:
        return step_data(c, p, n);
    case CHUNK:
        return step_chunk(c, n);
    case QUIT:
        break;
    }
    return 0;
}

static void
take_input(struct conn *c)
{
    size_t off = 0, used;

    while ((used = step(c, c->in + off, c->in_len - off)) > 0)
        off += used;
    c->in_len -= off;
    memmove(c->in, c->in + off, c->in_len);
}

static ssize_t
receive(struct conn *c)
{
    size_t room = IN_SIZE - c->in_len;

    return c->ssl ? SSL_read(c->ssl, c->in + c->in_len, (int)room)
                  : read(c->fd, c->in + c->in_len, room);
}

static void
serve(struct conn *c, int tls_at_once)
{
    ssize_t n;
    int on = 1;

    alarm(LIFETIME);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (tls_at_once)
        start_tls(c);
    reply(c, "220 sink ESMTP\r\n");
    flush_replies(c);
    while (c->mode != QUIT && (n = receive(c)) > 0) {
        c->in_len += (size_t)n;
        take_input(c);
        flush_replies(c);
    }
    if (c->ssl)
        SSL_shutdown(c->ssl);
    exit(0);
}

static SSL_CTX *
tls_context(const char *cert, const char *key)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    if (!ctx || SSL_CTX_use_certificate_chain_file(ctx, cert) != 1
        || SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1) {
        ERR_print_errors_fp(stderr);
        exit(1);
    }
    return ctx;
}

int
main(int argc, char **argv)
{
    static struct conn c;
    struct pollfd fds[2] = { { .fd = 0, .events = POLLIN },
                             { .events = POLLIN } };
    const char *cert = NULL, *key = NULL;
    int opt, tls_at_once = 0;

    while ((opt = getopt(argc, argv, "c:k:t")) != -1) {
        if (opt == 'c')
            cert = optarg;
        else if (opt == 'k')
            key = optarg;
        else if (opt == 't')
            tls_at_once = 1;
        else
            return 2;
    }
    if (cert && key)
        c.ctx = tls_context(cert, key);
    signal(SIGCHLD, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    fds[1].fd = listen_on_loopback();
    while (poll(fds, 2, -1) > 0 && !fds[0].revents) {
        c.fd = accept(fds[1].fd, NULL, NULL);
        if (c.fd < 0)
            continue;
        if (fork() == 0)
            serve(&c, tls_at_once);
        close(c.fd);
    }
    return 0;
}
