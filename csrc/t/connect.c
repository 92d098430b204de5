/*
 * connect.c - happy eyeballs over loopback: addresses that answer, refuse, or
 * are black holes.
 */
#include "tap.h"
#include "net.h"
#include "nsx_connect.h"

#include <errno.h>
#include <sys/un.h>

static struct nsx_error e;

/* ---- places on loopback ---- */

static struct nsx_address
address_of(const void *sa, size_t len)
{
    struct nsx_address a;

    memset(&a, 0, sizeof a);
    a.len = len;
    memcpy(a.octets, sa, len);
    return a;
}

static int
listen_at(struct nsx_address *a, int backlog)
{
    struct sockaddr_in in;
    socklen_t len = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    memset(&in, 0, sizeof in);
    in.sin_family = AF_INET;
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (void *)&in, len) != 0
        || (backlog >= 0 && listen(fd, backlog) != 0)
        || getsockname(fd, (void *)&in, &len) != 0)
        bail_out("no loopback");
    *a = address_of(&in, len);
    return fd;
}

/* -1 where there is no IPv6. */
static int
listen6_at(struct nsx_address *a)
{
    struct sockaddr_in6 in;
    socklen_t len = sizeof in;
    int fd = socket(AF_INET6, SOCK_STREAM, 0);

    memset(&in, 0, sizeof in);
    in.sin6_family = AF_INET6;
    in.sin6_addr = in6addr_loopback;
    if (fd < 0 || bind(fd, (void *)&in, len) != 0 || listen(fd, 5) != 0
        || getsockname(fd, (void *)&in, &len) != 0) {
        if (fd >= 0)
            (void)close(fd);
        return -1;
    }
    *a = address_of(&in, len);
    return fd;
}

/* A listener whose queue is full: what comes then is left without an answer.
 * fds[0] is the listener. */
enum {
    FILLERS = 8
};
struct hole {
    struct nsx_address at;
    int fds[FILLERS];
    int count;
};

static int
dig(struct hole *h)
{
    h->fds[0] = listen_at(&h->at, 0);
    for (h->count = 1; h->count < FILLERS; h->count++) {
        int *fd = &h->fds[h->count], i;

        if (nsx_io_socket(&h->at, fd) != 0)
            bail_out("no socket");
        (void)nsx_io_connect(*fd, &h->at);
        for (i = 0; i < 20 && nsx_io_connected(*fd) == EINPROGRESS; i++)
            (void)usleep(1000);
        if (nsx_io_connected(*fd) == EINPROGRESS)
            return h->count++, 1;
    }
    return 0;
}

static void
fill_in(struct hole *h)
{
    while (h->count > 0)
        (void)close(h->fds[--h->count]);
}

static struct nsx_address
refusing(void)
{
    struct nsx_address a;

    (void)close(listen_at(&a, -1));
    return a;
}

/* ---- driving ---- */

static nsx_status
begin(struct nsx_connect *c, const struct nsx_address *list, size_t n,
      double seconds)
{
    nsx_error_reset(&e);
    return nsx_connect_init(c, list, n, NULL, 0, nsx_deadline_after(seconds),
                            &e);
}

static int steps, most;

static nsx_status
run(struct nsx_connect *c, int sees_all)
{
    nsx_status got;

    steps = most = 0;
    while ((got = nsx_connect_step(c)) == NSX_WANT_WRITE || got == NSX_AGAIN) {
        int newest = nsx_connect_handle(c);
        const int *fds = &newest;
        size_t n = newest >= 0;

        if (sees_all)
            fds = nsx_connect_handles(c, &n);
        steps++;
        most = (int)n > most ? (int)n : most;
        (void)nsx_io_wait_any(fds, n, NSX_WANT_WRITE,
                              nsx_connect_until(c, sees_all));
    }
    return got;
}

static int
same(const struct nsx_address *a, const struct nsx_address *b)
{
    return a->len == b->len && !memcmp(a->octets, b->octets, a->len);
}

/* Ends in a connection to that one, in so many milliseconds. */
static void
reaches(const struct nsx_address *list, size_t n,
        const struct nsx_address *want, int sees_all, int64_t least,
        const char *name)
{
    int before = count_open();
    int64_t start = nsx_clock_ms(), took;
    const struct nsx_address *to;
    struct nsx_connect c;
    int fd;

    is_num(begin(&c, list, n, 10), NSX_OK, name);
    is_num(run(&c, sees_all), NSX_OK, "connected");
    took = nsx_clock_ms() - start;
    fd = nsx_connect_take(&c, &to);
    ok(same(to, want), "to the right one");
    ok(took >= least, "not before its turn (%ld of %ld ms)", (long)took,
       (long)least);
    ok(!(fcntl(fd, F_GETFL) & O_NONBLOCK), "it may block");
    ok(fcntl(fd, F_GETFD) & FD_CLOEXEC, "and is closed by exec");
    is_num(nsx_connect_take(&c, &to), -1, "it is taken once");
    is_num(count_open() - before, 1, "the losers are closed");
    nsx_connect_free(&c);
    (void)close(fd);
}

static void
fails(const struct nsx_address *list, size_t n, double seconds, int err,
      const char *name)
{
    int before = count_open();
    struct nsx_connect c;

    is_num(begin(&c, list, n, seconds), NSX_OK, name);
    is_num(run(&c, 1), NSX_ERROR, "fails");
    is_num(c.error.sys_errno, err, c.error.text);
    is_num(nsx_connect_step(&c), NSX_ERROR, "and stays so");
    is_num(nsx_connect_take(&c, NULL), -1, "nothing to take");
    is_num(count_open(), before, "nothing is open");
    nsx_connect_free(&c);
}

/* ---- cases ---- */

static void
answering(void)
{
    struct nsx_address list[3], want;
    int fd = listen_at(&want, 5);

    list[0] = want;
    reaches(list, 1, &want, 1, 0, "one that answers");
    list[0] = refusing();
    list[1] = want;
    reaches(list, 2, &want, 1, 0, "the second, when the first refuses");
    reaches(list, 2, &want, 0, 0, "the same by one handle");
    ok(steps < 5, "at once");
    list[1] = list[0];
    list[2] = want;
    reaches(list, 3, &want, 1, 0, "the third");
    list[0] = want;
    reaches(list, 3, &want, 1, 0, "the first of many");
    (void)close(fd);
}

static void
black_holes(void)
{
    struct nsx_address list[3], want;
    int fd = listen_at(&want, 5);
    struct hole h, other;

    if (!dig(&h) || !dig(&other)) {
        ok(1, "# SKIP a full queue is no black hole here");
        return;
    }
    list[0] = h.at;
    list[1] = want;
    reaches(list, 2, &want, 1, NSX_NEXT_ATTEMPT_MS, "past a black hole");
    ok(steps <= 5, "in few steps (%d)", steps);
    reaches(list, 2, &want, 0, NSX_NEXT_ATTEMPT_MS, "the same by one handle");
    list[1] = other.at;
    list[2] = want;
    reaches(list, 3, &want, 1, 2 * NSX_NEXT_ATTEMPT_MS, "past two");
    list[1] = refusing();
    reaches(list, 3, &want, 1, NSX_NEXT_ATTEMPT_MS,
            "one that refuses hands its turn on");
    list[1] = other.at;
    fails(list, 2, 0.4, ETIMEDOUT, "nothing but black holes");
    is_num(most, 2, "both were waited for");
    list[1] = refusing();
    fails(list, 2, 0.4, ETIMEDOUT, "a black hole and one that refuses");
    fill_in(&h);
    fill_in(&other);
    (void)close(fd);
}

/* The first answers late, when the second is under way already. */
static void
late(int sees_all, const char *name)
{
    struct nsx_address list[2];
    struct hole h, other;
    struct nsx_connect c;
    const struct nsx_address *to;
    int64_t until;
    int fd;

    if (!dig(&h) || !dig(&other)) {
        ok(1, "# SKIP a full queue is no black hole here");
        return;
    }
    list[0] = h.at;
    list[1] = other.at;
    (void)begin(&c, list, 2, 20);
    while (nsx_connect_step(&c) == NSX_WANT_WRITE && c.under_way < 2)
        (void)usleep(10000);
    until = nsx_connect_until(&c, sees_all) - nsx_clock_ms();
    ok(sees_all ? until > 1000 : until <= NSX_LOOK_MS,
       "%s: next look in %ld ms", name, (long)until);
    (void)close(accept(h.fds[0], NULL, NULL));
    (void)close(accept(h.fds[0], NULL, NULL));
    is_num(run(&c, sees_all), NSX_OK, "the late one is seen");
    fd = nsx_connect_take(&c, &to);
    ok(same(to, &h.at), "and taken");
    (void)close(fd);
    nsx_connect_free(&c);
    fill_in(&h);
    fill_in(&other);
}

static void
errors(void)
{
    struct nsx_address list[2], local;
    struct sockaddr_in in;
    struct nsx_connect c;
    int fd = listen_at(&local, 5);

    list[0] = list[1] = refusing();
    fails(list, 2, 10, ECONNREFUSED, "all refuse");
    memset(&list[0].octets, 0x7f, list[0].len);
    fails(list, 1, 10, EAFNOSUPPORT, "no such family");
    fails(list, 2, 10, ECONNREFUSED, "a refusal is told rather");
    nsx_error_reset(&e);
    list[0] = list[1];
    memset(&in, 0, sizeof in);
    in.sin_family = AF_INET;
    in.sin_addr.s_addr = htonl(0xc0000201); /* 192.0.2.1 is nobody's */
    local = address_of(&in, sizeof in);
    (void)nsx_connect_init(&c, list, 1, &local, 1, NSX_NEVER, &e);
    is_num(run(&c, 1), NSX_ERROR, "an address that is not ours");
    is_num(c.error.sys_errno, EADDRNOTAVAIL, c.error.text);
    nsx_connect_free(&c);
    (void)begin(&c, list, 1, -1);
    c.deadline = 1;
    is_num(nsx_connect_step(&c), NSX_ERROR, "after the deadline");
    is_num(c.error.sys_errno, ETIMEDOUT, "nothing begins");
    nsx_connect_free(&c);
    (void)close(fd);
}

static void
arguments(void)
{
    struct nsx_address a = refusing(), bad = a, unix_one = a;
    struct nsx_connect c;
    const sa_family_t family = AF_UNIX;

    bad.len = NSX_MAX_SOCKADDR + 1;
    is_num(begin(&c, &bad, 1, 1), NSX_ERROR, "an address that is too long");
    is_num(e.code, NSX_E_ARGUMENT, e.text);
    bad.len = 0;
    is_num(begin(&c, &bad, 1, 1), NSX_ERROR, "an empty one");
    is_num(begin(&c, &a, 0, 1), NSX_ERROR, "none");
    memcpy(unix_one.octets
               + ((char *)&((struct sockaddr *)0)->sa_family - (char *)0),
           &family, sizeof family);
    ok(nsx_address_is_unix(&unix_one) && !nsx_address_is_unix(&a),
       "families are told apart");
    nsx_error_reset(&e);
    is_num(nsx_connect_init(&c, &unix_one, 1, &a, 1, NSX_NEVER, &e), NSX_ERROR,
           "a local address of another family");
    is_str(e.text, "no local address of the server's family", "is told");
}

static void
local_ones(void)
{
    struct nsx_address want, local, got;
    int listener = listen_at(&want, 5), fd;
    struct nsx_connect c;
    struct sockaddr_in in;
    socklen_t len = sizeof in;

    local = refusing();
    (void)nsx_connect_init(&c, &want, 1, &local, 1, nsx_deadline_after(5), &e);
    is_num(run(&c, 1), NSX_OK, "from an address and port");
    fd = nsx_connect_take(&c, NULL);
    (void)getsockname(fd, (void *)&in, &len);
    got = address_of(&in, len);
    ok(same(&got, &local), "it is bound to them");
    nsx_connect_free(&c);
    (void)close(fd);
    (void)close(listener);
}

/* The order of the families (RFC 8305 4). */
static void
order(void)
{
    struct nsx_address list[6], four = refusing(), six = four;
    const sa_family_t family = AF_INET6;
    struct nsx_connect c;
    char got[7] = "";
    size_t i;

    memcpy(six.octets
               + ((char *)&((struct sockaddr *)0)->sa_family - (char *)0),
           &family, sizeof family);
    for (i = 0; i < 6; i++) {
        list[i] = i < 3 || i == 5 ? six : four;
        list[i].octets[20] = (unsigned char)('a' + i);
        list[i].len = 21;
    }
    (void)begin(&c, list, 6, 1);
    for (i = 0; i < c.count; i++)
        got[i] = (char)c.list[i].octets[20];
    is_str(got, "adbecf", "families take turns");
    nsx_connect_free(&c);
    (void)begin(&c, list + 3, 3, 1);
    is_num(c.list[0].octets[20], 'd', "the first stays the first");
    is_num(c.list[1].octets[20], 'f', "the other family comes next");
    nsx_connect_free(&c);
}

static void
both_families(void)
{
    struct nsx_address list[2];
    int fd = listen6_at(&list[1]);

    if (fd < 0) {
        ok(1, "# SKIP no IPv6");
        return;
    }
    list[0] = refusing();
    reaches(list, 2, &list[1], 1, 0, "IPv6 when IPv4 refuses");
    (void)close(fd);
}

/* ---- Unix sockets ---- */

static void
unix_sockets(void)
{
    char dir[] = "/tmp/nsx-connect.XXXXXX";
    struct sockaddr_un un;
    struct nsx_address a;
    struct nsx_connect c;
    int listener, held, fd;

    memset(&un, 0, sizeof un);
    un.sun_family = AF_UNIX;
    if (mkdtemp(dir) == NULL)
        bail_out("no directory");
    (void)snprintf(un.sun_path, sizeof un.sun_path, "%s/s", dir);
    a = address_of(&un, sizeof un);
    fails(&a, 1, 1, ENOENT, "nobody there");
    listener = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(listener, (void *)&un, sizeof un) != 0 || listen(listener, 0) != 0)
        bail_out("no Unix socket");
    reaches(&a, 1, &a, 1, 0, "a Unix socket");
    (void)close(accept(listener, NULL, NULL));
    held = socket(AF_UNIX, SOCK_STREAM, 0);
    (void)connect(held, (void *)&un, sizeof un);
    (void)begin(&c, &a, 1, 5);
    if (nsx_connect_step(&c) != NSX_AGAIN)
        ok(1, "# SKIP a full queue refuses nobody here");
    else {
        is_num(nsx_connect_handle(&c), -1, "a full queue: no handle");
        (void)close(accept(listener, NULL, NULL));
        is_num(run(&c, 1), NSX_OK, "it is tried again");
        fd = nsx_connect_take(&c, NULL);
        (void)close(accept(listener, NULL, NULL));
        (void)close(fd);
        (void)close(held);
        held = socket(AF_UNIX, SOCK_STREAM, 0);
        (void)connect(held, (void *)&un, sizeof un);
        fails(&a, 1, 0.1, ETIMEDOUT, "until the deadline");
    }
    nsx_connect_free(&c);
    (void)close(held);
    (void)close(listener);
    (void)unlink(un.sun_path);
    (void)rmdir(dir);
}

static void
memory(void)
{
    struct nsx_address a = refusing();
    struct nsx_connect c;
    long n;
    int good = 1;

    for (n = 0; good; n++) {
        failing_after(n);
        live_blocks = 0;
        if (begin(&c, &a, 1, 1) == NSX_OK) {
            good = run(&c, 1) == NSX_ERROR && !did_fail;
            nsx_connect_free(&c);
        }
        else
            good = did_fail && e.code == NSX_E_NOMEM;
        good = good && live_blocks == 0;
        if (!did_fail)
            break;
    }
    nsx_alloc_hooks(NULL, NULL);
    ok(good && n > 0, "memory that fails %ld times", n);
}

int
main(void)
{
    watchdog(60);
    answering();
    black_holes();
    late(1, "who sees all handles");
    late(0, "who sees one");
    errors();
    arguments();
    local_ones();
    order();
    both_families();
    unix_sockets();
    memory();
    return done_testing();
}
