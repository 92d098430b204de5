/*
 * dial.c - from a name to the greeting, through proxies that are played here.
 */
#include "tap.h"
#include "net.h"
#include "nsx_dial.h"

#include <errno.h>

static struct nsx_error e;

static int
listen_at(struct sockaddr_in *in)
{
    socklen_t len = sizeof *in;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    memset(in, 0, sizeof *in);
    in->sin_family = AF_INET;
    in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (void *)in, len) != 0 || listen(fd, 5) != 0
        || getsockname(fd, (void *)in, &len) != 0)
        bail_out("no loopback");
    return fd;
}

static struct nsx_dial_plan
plan_for(const struct sockaddr_in *in, const char *host,
         const struct nsx_proxy_request *proxy, double seconds)
{
    struct nsx_dial_plan plan;

    memset(&plan, 0, sizeof plan);
    plan.host = host;
    plan.host_len = strlen(host);
    plan.port = ntohs(in->sin_port);
    plan.proxy = proxy;
    plan.deadline = nsx_deadline_after(seconds);
    nsx_error_reset(&e);
    return plan;
}

static struct nsx_proxy_request
request(enum nsx_proxy_kind kind)
{
    struct nsx_proxy_request r = { kind, "mx.test", 7, 25, NULL, 0, NULL, 0 };

    return r;
}

static void
wait_once(const struct nsx_dial *d, nsx_status want)
{
    size_t n;
    const int *fds = nsx_dial_handles(d, &n);

    (void)nsx_io_wait_any(fds, n, want, nsx_dial_until(d, 1));
}

static nsx_status
run(struct nsx_dial *d)
{
    nsx_status got;

    while ((got = nsx_dial_step(d)) != NSX_OK && got != NSX_ERROR)
        wait_once(d, got);
    return got;
}

/* Until it waits for something to be said. */
static int
run_to_read(struct nsx_dial *d, int listener)
{
    nsx_status got;

    while ((got = nsx_dial_step(d)) == NSX_WANT_WRITE)
        wait_once(d, got);
    if (got != NSX_WANT_READ)
        bail_out("not waiting for the proxy");
    return accept(listener, NULL, NULL);
}

static void
straight(void)
{
    struct sockaddr_in in;
    int listener = listen_at(&in), fd, peer;
    struct nsx_dial_plan plan = plan_for(&in, "127.0.0.1", NULL, 10);
    struct nsx_dial d;
    char buf[10];

    is_num(nsx_dial_init(&d, &plan, &e), NSX_OK, "without a proxy");
    is_num(nsx_dial_take(&d), -1, "nothing to take yet");
    is_num(run(&d), NSX_OK, "there");
    is_num(d.stage, NSX_DIAL_DONE, "done");
    is_num(nsx_dial_step(&d), NSX_OK, "for good");
    fd = nsx_dial_take(&d);
    nsx_dial_free(&d);
    peer = accept(listener, NULL, NULL);
    say(peer, "220 hi");
    is_num(read(fd, buf, sizeof buf), 6, "a way to the server");
    (void)close(fd);
    (void)close(peer);
    (void)close(listener);
}

/* All that the proxy says comes in pieces of so many octets, and the greeting
 * right behind. */
static void
split(enum nsx_proxy_kind kind, const char *reply, size_t n, size_t greeting,
      size_t step)
{
    struct sockaddr_in in;
    int listener = listen_at(&in), fd, peer;
    struct nsx_proxy_request r = request(kind);
    struct nsx_dial_plan plan = plan_for(&in, "localhost", &r, 10);
    struct nsx_dial d;
    char buf[100];
    size_t at = 0;
    ssize_t got;

    (void)nsx_dial_init(&d, &plan, &e);
    peer = run_to_read(&d, listener);
    while (at < n) {
        size_t k = n - at < step ? n - at : step;

        if (write(peer, reply + at, k) != (ssize_t)k)
            bail_out("the proxy cannot write");
        at += k;
        wait_once(&d, NSX_WANT_READ);
        if (nsx_dial_step(&d) == NSX_WANT_WRITE)
            (void)run(&d);
    }
    fd = run(&d) == NSX_OK ? nsx_dial_take(&d) : -1;
    got = fd >= 0 ? recv(fd, buf, n - greeting, MSG_WAITALL) : -1;
    is_mem(buf, got < 0 ? 0 : (size_t)got, reply + greeting, n - greeting,
           "the greeting");
    nsx_dial_free(&d);
    (void)close(fd);
    (void)close(peer);
    (void)close(listener);
}

static void
splits(void)
{
    static const char http[] = "HTTP/1.1 200 OK\r\n\r\n220 hi\r\n";
    static const char socks[] = "\x05\x00\x05\x00\x00\x01\x7f\x00\x00\x01\x12"
                                "\x34"
                                "220 hi\r\n";
    size_t step;

    for (step = 1; step < sizeof http; step++)
        split(NSX_PROXY_HTTP, http, sizeof http - 1, 19, step);
    for (step = 1; step < sizeof socks; step++)
        split(NSX_PROXY_SOCKS5, socks, sizeof socks - 1, 12, step);
}

/* The proxy says something and perhaps closes. */
static void
fails(const char *said, int closes, double seconds, nsx_errcode code,
      const char *why)
{
    struct sockaddr_in in;
    int listener = listen_at(&in), peer, before;
    struct nsx_proxy_request r = request(NSX_PROXY_HTTP);
    struct nsx_dial_plan plan = plan_for(&in, "127.0.0.1", &r, seconds);
    struct nsx_dial d;
    char request_text[200];

    before = count_open();
    (void)nsx_dial_init(&d, &plan, &e);
    peer = run_to_read(&d, listener);
    if (read(peer, request_text, sizeof request_text) <= 0)
        bail_out("nothing was asked");
    say(peer, said);
    if (closes)
        (void)close(peer);
    is_num(run(&d), NSX_ERROR, why);
    is_num(d.error.code, code, "its kind");
    is_str(d.error.text, why, "and text");
    is_num(d.stage, NSX_DIAL_PROXY, "by the proxy");
    is_num(nsx_dial_step(&d), NSX_ERROR, "for good");
    if (!closes)
        (void)close(peer);
    is_num(count_open(), before, "nothing is open");
    nsx_dial_free(&d);
    (void)close(listener);
}

static void
failures(void)
{
    fails("HTTP/1.1 403 No\r\n\r\n", 0, 10, NSX_E_PROXY,
          "the proxy refused: 403 No");
    fails("HTTP/1.1 2", 1, 10, NSX_E_PROXY, "the proxy closed the connection");
    fails("", 1, 10, NSX_E_PROXY, "the proxy closed the connection");
    fails("HTTP/1.1 2", 0, 0.1, NSX_E_TIMEOUT, strerror(ETIMEDOUT));
}

/* ---- addresses from the caller ---- */

static void
asked(void)
{
    struct sockaddr_in in;
    int listener = listen_at(&in);
    struct nsx_dial_plan plan = plan_for(&in, "far.test", NULL, 10);
    struct nsx_address a;
    struct nsx_dial d;

    a.len = sizeof in;
    memcpy(a.octets, &in, sizeof in);
    plan.asks = 1;
    (void)nsx_dial_init(&d, &plan, &e);
    ok(nsx_dial_asks(&d), "it asks");
    is_str(nsx_dial_host(&d), "far.test", "for this one");
    is_num(nsx_dial_step(&d), NSX_AGAIN, "and has nothing to wait for");
    is_num(nsx_dial_handle(&d), -1, "no handle");
    ok(nsx_dial_until(&d, 1) > nsx_clock_ms() + 5000, "but the deadline");
    nsx_dial_found(&d, &a, 1);
    ok(nsx_dial_until(&d, 1) <= nsx_clock_ms(), "an answer: to be stepped now");
    nsx_dial_not_found(&d, "too late");
    is_num(run(&d), NSX_OK, "there");
    nsx_dial_found(&d, &a, 1);
    nsx_dial_free(&d);

    (void)nsx_dial_init(&d, &plan, &e);
    nsx_dial_not_found(&d, "no such name");
    nsx_dial_found(&d, &a, 1);
    ok(nsx_dial_until(&d, 1) <= nsx_clock_ms(),
       "no address: to be stepped now");
    is_num(nsx_dial_step(&d), NSX_ERROR, "fails");
    is_str(d.error.text, "no such name", "with the caller's text");
    nsx_dial_free(&d);

    (void)nsx_dial_init(&d, &plan, &e);
    nsx_dial_found(&d, &a, 0);
    is_num(run(&d), NSX_ERROR, "an empty answer");
    is_str(d.error.text, "no address", "is none");
    nsx_dial_free(&d);

    plan.deadline = nsx_deadline_after(0.05);
    (void)nsx_dial_init(&d, &plan, &e);
    is_num(run(&d), NSX_ERROR, "no answer ever");
    is_num(d.error.code, NSX_E_TIMEOUT, "ends at the deadline");
    is_num(d.stage, NSX_DIAL_RESOLVE, "at the name");
    nsx_dial_free(&d);
    plan.to = &a;
    plan.count = 1;
    plan.host_len = 0;
    plan.deadline = NSX_NEVER;
    is_num(nsx_dial_init(&d, &plan, &e), NSX_OK, "known addresses, no name");
    is_num(run(&d), NSX_OK, "there");
    nsx_dial_free(&d);
    (void)close(listener);
}

static void
memory(void)
{
    struct sockaddr_in in;
    int listener = listen_at(&in);
    struct nsx_proxy_request r = request(NSX_PROXY_SOCKS5);
    struct nsx_address local;
    struct nsx_dial d;
    long n;
    int good = 1;

    in.sin_port = htons(0);
    local.len = sizeof in;
    memcpy(local.octets, &in, sizeof in);
    {
        socklen_t len = sizeof in;
        (void)getsockname(listener, (void *)&in, &len);
    }
    for (n = 0; good; n++) {
        struct nsx_dial_plan plan = plan_for(&in, "127.0.0.1", &r, 10);

        plan.local = &local;
        plan.locals = 1;
        failing_after(n);
        live_blocks = 0;
        if (nsx_dial_init(&d, &plan, &e) == NSX_OK) {
            while (nsx_dial_step(&d) == NSX_WANT_WRITE)
                wait_once(&d, NSX_WANT_WRITE);
            good = did_fail ? d.error.code == NSX_E_NOMEM
                            : d.stage == NSX_DIAL_PROXY;
            nsx_dial_free(&d);
        }
        else
            good = did_fail && e.code == NSX_E_NOMEM;
        good = good && live_blocks == 0;
        if (!did_fail)
            break;
    }
    nsx_alloc_hooks(NULL, NULL);
    ok(good && n > 4, "memory that fails %ld times", n);
    (void)close(listener);
}

static void
arguments(void)
{
    struct sockaddr_in in;
    int listener = listen_at(&in);
    struct nsx_proxy_request r = request(NSX_PROXY_SOCKS5);
    struct nsx_dial_plan plan = plan_for(&in, "", NULL, 1);
    struct nsx_dial d;

    is_num(nsx_dial_init(&d, &plan, &e), NSX_ERROR, "no host");
    is_num(e.code, NSX_E_ARGUMENT, e.text);
    r.host_len = 0;
    plan = plan_for(&in, "127.0.0.1", &r, 1);
    is_num(nsx_dial_init(&d, &plan, &e), NSX_ERROR, "no host for the proxy");
    is_num(e.code, NSX_E_ARGUMENT, e.text);
    (void)close(listener);
}

int
main(void)
{
    watchdog(60);
    straight();
    splits();
    failures();
    asked();
    memory();
    arguments();
    return done_testing();
}
