/*
 * Servers that never stop talking: one step reads a bounded amount, whatever
 * OpenSSL would go on to read, and says that it wants more.
 */
#include "tap.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "tls_net.h"

#define HOST "mail.example.org"

/* What may be under way in socket buffers beyond what a step has read. */
#define IN_FLIGHT (1024u * 1024u)
#define WANTED (4u * NSX_STEP_OCTETS)

static struct id ca, leaf;
static struct nsx_tls_config *tls12, *tls13;

/* A child that writes the same octets for ever; it counts them. */
struct flood {
    pid_t pid;
    volatile size_t *sent; /* shared with the child */
};

static void
pour(int fd, const void *octets, size_t n, volatile size_t *sent)
{
    static char block[65536];
    size_t used = 0;

    while (used + n <= sizeof block) {
        memcpy(block + used, octets, n);
        used += n;
    }
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    alarm(60);
    for (;;) {
        size_t at = 0;

        while (at < used) {
            ssize_t put = send(fd, block + at, used - at, MSG_NOSIGNAL);

            if (put <= 0)
                _exit(0);
            at += (size_t)put;
            *sent += (size_t)put;
        }
    }
}

static void
flood_start(struct flood *f, int fd, const void *octets, size_t n)
{
    void *shared = mmap(NULL, sizeof *f->sent, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (shared == MAP_FAILED)
        bail_out("no shared memory");
    f->sent = shared;
    f->pid = fork();
    if (f->pid == 0)
        pour(fd, octets, n, f->sent);
}

static void
flood_end(struct flood *f)
{
    kill(f->pid, SIGKILL);
    waitpid(f->pid, NULL, 0);
    munmap((void *)f->sent, sizeof *f->sent);
}

static void
test_handshake(void)
{
    static const unsigned char hello_request[] = { 22, 3, 3, 0, 4, 0, 0, 0, 0 };
    static const struct nsx_tls_target t = { HOST, HOST, NULL };
    enum nsx_tls_step step = NSX_TLS_WANT_READ;
    struct flood f;
    struct link l;
    size_t steps = 0, most = 0;

    link_open(&l, NULL);
    nsx_error_reset(&l.error);
    l.tls = nsx_tls_new(tls12, &t, &l.error);
    flood_start(&f, l.near[1], hello_request, sizeof hello_request);
    while (*f.sent < WANTED && step == NSX_TLS_WANT_READ) {
        const size_t before = *f.sent;

        step = nsx_tls_handshake(l.tls, &l.io, &l.error);
        if (*f.sent - before > most)
            most = *f.sent - before;
        steps++;
    }
    ok(step == NSX_TLS_WANT_READ, "HelloRequests without end: %s",
       step == NSX_TLS_WANT_READ ? "more is wanted" : l.error.text);
    ok(steps >= 2 && most <= NSX_STEP_OCTETS + IN_FLIGHT,
       "a step reads so much of them and no more");
    flood_end(&f);
    link_close(&l);
}

/* A child that says something new under TLS as fast as it can. */
static pid_t
talk_for_ever(struct link *l, int (*talk)(SSL *))
{
    pid_t pid = fork();

    if (pid == 0) {
        const int fd = l->near[1];

        alarm(60);
        (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
        SSL_set_fd(l->server, fd);
        while (talk(l->server))
            continue;
        _exit(0);
    }
    return pid;
}

static int
say_data(SSL *ssl)
{
    static const char data[16384];

    return SSL_write(ssl, data, sizeof data) > 0;
}

static int
say_new_key(SSL *ssl)
{
    return SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED)
        && SSL_do_handshake(ssl) == 1;
}

static nsx_status
goodbye(struct link *l)
{
    return nsx_tls_close(l->tls, &l->io, &l->error);
}

static nsx_status
read_reply(struct link *l)
{
    char reply[16];
    size_t done;

    return nsx_tls_recv(l->tls, &l->io, reply, sizeof reply, &done, &l->error);
}

static void
test_open(const char *name, int (*talk)(SSL *),
          nsx_status (*step)(struct link *))
{
    static const struct nsx_tls_target t = { HOST, HOST, NULL };
    const int64_t patience = 10000; /* ms */
    enum nsx_wait got = NSX_WAIT_READY;
    nsx_status want = NSX_WANT_READ;
    int64_t deadline, start;
    struct link l;
    pid_t pid;

    link_open(&l, server_ctx(&leaf, NULL));
    if (link_handshake(&l, tls13, &t) != NSX_TLS_DONE)
        bail_out(l.error.text);
    relay(&l); /* the tickets, which would come out of turn */
    pid = talk_for_ever(&l, talk);
    (void)usleep(200000); /* the line fills */
    start = nsx_clock_ms();
    deadline = nsx_deadline_after(0.2);
    while (got == NSX_WAIT_READY && nsx_clock_ms() - start < patience
           && (want = step(&l)) == NSX_WANT_READ)
        got = nsx_io_wait(&l.io, want, deadline);
    ok(got == NSX_WAIT_TIMEOUT, "%s: the deadline holds (%d ms) %s", name,
       (int)(nsx_clock_ms() - start), l.error.text);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    link_close(&l);
}

static void
catch_nothing(int sig)
{
    (void)sig;
    bail_out("one step reads for ever");
}

int
main(void)
{
    const char *file;
    struct nsx_tls_options o;
    struct nsx_error e;
    struct spec s;
    int needs;

    signal(SIGALRM, catch_nothing);
    alarm(50);
    memset(&s, 0, sizeof s);
    s.cn = "CA";
    s.is_ca = 1;
    ca = issue(s);
    s.cn = "leaf";
    s.is_ca = 0;
    s.issuer = &ca;
    s.san = "DNS:" HOST;
    leaf = issue(s);
    file = write_cert("ca.pem", ca.cert);
    nsx_error_reset(&e);
    nsx_tls_options_init(&o);
    o.ca_files = &file;
    o.ca_file_count = 1;
    o.version = "TLSv1_2";
    tls12 = nsx_tls_config_new(&o, &needs, &e);
    o.version = "TLSv1_3";
    tls13 = nsx_tls_config_new(&o, &needs, &e);
    if (!tls12 || !tls13)
        bail_out(e.text);
    test_handshake();
    test_open("data after our goodbye", say_data, goodbye);
    test_open("key updates for a reply", say_new_key, read_reply);
    nsx_tls_config_drop(tls12);
    nsx_tls_config_drop(tls13);
    id_free(&ca);
    id_free(&leaf);
    pki_clean();
    return done_testing();
}
