/*
 * resolve.c - names by a thread: answers, refusals, names that never resolve,
 * and what becomes of the thread.
 */
#include "tap.h"
#include "net.h"
#include "nsx_resolve.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <sys/wait.h>

static struct nsx_error e;

/* ---- a system that answers as it is told ---- */

static int gate[2];                 /* a lookup waits here, when it is to */
static int entered[2];              /* and says so here */
static volatile int asked, blocked; /* lookups; 1: no signal may reach them */

static int
answers(const char *host, const char *port, const struct addrinfo *hints,
        struct addrinfo **found)
{
    struct addrinfo numeric = *hints;
    char c;

    if (hints->ai_flags & AI_NUMERICHOST)
        return getaddrinfo(host, port, hints, found);
    asked++;
    numeric.ai_flags = AI_NUMERICHOST;
    if (!strcmp(host, "one.test"))
        return getaddrinfo("192.0.2.1", port, &numeric, found);
    if (!strcmp(host, "none.test"))
        return 0;
    if (!strcmp(host, "full.test"))
        return EAI_MEMORY;
    if (!strcmp(host, "broken.test")) {
        errno = EMFILE;
        return EAI_SYSTEM;
    }
    if (!strcmp(host, "masked.test")) {
        sigset_t now;

        (void)pthread_sigmask(SIG_BLOCK, NULL, &now);
        blocked = sigismember(&now, SIGCHLD) && sigismember(&now, SIGTERM)
            && sigismember(&now, SIGALRM);
    }
    if (!strcmp(host, "never.test")) {
        say(entered[1], "x");
        if (read(gate[0], &c, 1) < 0)
            return EAI_FAIL;
    }
    return EAI_NONAME;
}

static nsx_status
begin(struct nsx_resolve *r, const char *host, enum nsx_resolve_family family)
{
    nsx_error_reset(&e);
    return nsx_resolve_init(r, host, strlen(host), 25, family, &e);
}

static nsx_status
run(struct nsx_resolve *r)
{
    int64_t deadline = nsx_deadline_after(20);
    nsx_status got;

    while ((got = nsx_resolve_step(r)) == NSX_WANT_READ || got == NSX_AGAIN) {
        int fd = nsx_resolve_handle(r);
        int64_t until = nsx_resolve_until(r);

        if (nsx_io_wait_any(&fd, fd >= 0, NSX_WANT_READ,
                            until < deadline ? until : deadline)
                == NSX_WAIT_TIMEOUT
            && until > deadline)
            bail_out("no answer");
    }
    return got;
}

/* The addresses as text: "127.0.0.1:25 ...". */
static const char *
text_of(const struct nsx_resolve *r)
{
    static char text[400];
    char host[100], port[10];
    struct sockaddr_storage sa;
    size_t i;

    text[0] = '\0';
    for (i = 0; i < r->count; i++) {
        memcpy(&sa, r->list[i].octets, r->list[i].len);
        if (getnameinfo((void *)&sa, (socklen_t)r->list[i].len, host,
                        sizeof host, port, sizeof port,
                        NI_NUMERICHOST | NI_NUMERICSERV)
            != 0)
            bail_out("not an address");
        (void)snprintf(text + strlen(text), sizeof text - strlen(text),
                       "%s%s:%s", i ? " " : "", host, port);
    }
    return text;
}

static void
at_once(const char *host, enum nsx_resolve_family family, const char *want)
{
    struct nsx_resolve r;

    is_num(begin(&r, host, family), NSX_OK, host);
    is_num(nsx_resolve_handle(&r), -1, "nothing to wait for");
    is_num(nsx_resolve_step(&r), NSX_OK, "at once");
    is_str(text_of(&r), want, "the address");
    nsx_resolve_free(&r);
}

static void
fails(const char *host, nsx_errcode code, int sys_errno)
{
    struct nsx_resolve r;

    is_num(begin(&r, host, NSX_FAMILY_ANY), NSX_OK, host);
    is_num(run(&r), NSX_ERROR, "no address");
    is_num(r.error.code, code, r.error.text);
    is_num(r.error.sys_errno, sys_errno, "errno");
    is_num(nsx_resolve_step(&r), NSX_ERROR, "it stays so");
    nsx_resolve_free(&r);
}

static void
without_asking(void)
{
    at_once("127.0.0.1", NSX_FAMILY_ANY, "127.0.0.1:25");
    at_once("2001:db8::1", NSX_FAMILY_ANY, "2001:db8::1:25");
    at_once("localhost", NSX_FAMILY_ANY, "::1:25 127.0.0.1:25");
    at_once("LocalHost.", NSX_FAMILY_IPV4, "127.0.0.1:25");
    at_once("localhost", NSX_FAMILY_IPV6, "::1:25");
    is_num(asked, 0, "nobody was asked");
}

static void
asking(void)
{
    struct nsx_resolve r;

    is_num(begin(&r, "one.test", NSX_FAMILY_ANY), NSX_OK, "a name");
    is_num(run(&r), NSX_OK, "has an address");
    is_str(text_of(&r), "192.0.2.1:25", "this one");
    is_num(nsx_resolve_step(&r), NSX_OK, "for good");
    nsx_resolve_free(&r);
    fails("localhosts", NSX_E_RESOLVE, EINVAL);
    fails("other.test", NSX_E_RESOLVE, EINVAL);
    fails("none.test", NSX_E_RESOLVE, EINVAL);
    fails("broken.test", NSX_E_RESOLVE, EMFILE);
    fails("full.test", NSX_E_NOMEM, 0);
    fails("masked.test", NSX_E_RESOLVE, EINVAL);
    ok(blocked, "no signal goes to the thread");
}

static void
bad(const char *host, size_t n, unsigned port, const char *why)
{
    struct nsx_resolve r;

    nsx_error_reset(&e);
    is_num(nsx_resolve_init(&r, host, n, port, NSX_FAMILY_ANY, &e), NSX_ERROR,
           why);
    is_num(e.code, NSX_E_ARGUMENT, e.text);
}

static void
arguments(void)
{
    static char big[NSX_MAX_HOST + 1];

    memset(big, 'a', sizeof big);
    bad("", 0, 25, "an empty name");
    bad("a\0b", 3, 25, "a NUL");
    bad(big, sizeof big, 25, "too long a name");
    bad("a", 1, 0, "no port");
    bad("a", 1, 65536, "too great a port");
}

static volatile sig_atomic_t children;

static void
on_child(int sig)
{
    (void)sig;
    children++;
}

/* Until the threads have given back what they had. */
static int
all_ended(void)
{
    int i;

    for (i = 0; i < 500 && __sync_fetch_and_add(&live_blocks, 0) > 0; i++)
        (void)usleep(10000);
    return __sync_fetch_and_add(&live_blocks, 0) == 0;
}

/* Given up while the system does not answer; the thread ends when it does. */
static void
never(void)
{
    struct nsx_resolve r;
    char c;
    int status = -1, i, fd;
    pid_t pid;

    (void)signal(SIGCHLD, on_child);
    (void)begin(&r, "never.test", NSX_FAMILY_ANY);
    if (read(entered[0], &c, 1) != 1)
        bail_out("the thread does not run");
    is_num(nsx_resolve_step(&r), NSX_WANT_READ, "no answer");
    is_num(nsx_resolve_step(&r), NSX_WANT_READ, "and no waiting");
    alarm_in(20);
    fd = nsx_resolve_handle(&r);
    is_num(nsx_io_wait_any(&fd, 1, NSX_WANT_READ, nsx_deadline_after(5)),
           NSX_WAIT_SIGNAL, "a signal interrupts the program's thread");
    is_num(waitpid(-1, &status, WNOHANG) > 0, 0, "there is no child");
    nsx_resolve_free(&r);
    is_num(fcntl(fd, F_GETFD), -1, "the pipe is closed");
    say(gate[1], "x");
    ok(all_ended(), "the thread ends and gives back what it had");
    is_num(children, 0, "no SIGCHLD came");
    (void)signal(SIGCHLD, SIG_DFL);

    (void)begin(&r, "never.test", NSX_FAMILY_ANY);
    if (read(entered[0], &c, 1) != 1)
        bail_out("the thread does not run");
    pid = fork();
    if (pid == 0) {
        i = nsx_resolve_step(&r) == NSX_ERROR
            && r.error.code == NSX_E_CANCELLED;
        nsx_resolve_free(&r);
        _exit(i ? 0 : 1);
    }
    (void)waitpid(pid, &status, 0);
    is_num(status, 0, "a child has no part in it");
    say(gate[1], "x");
    is_num(run(&r), NSX_ERROR, "the parent gets its answer");
    is_num(r.error.code, NSX_E_RESOLVE, "all the same");
    nsx_resolve_free(&r);
}

/* No thread to be had: tried again. */
static void
no_thread(void)
{
    struct rlimit before, none;
    struct nsx_resolve r;
    nsx_status got;
    int64_t wait;

    if (getuid() == 0 || getrlimit(RLIMIT_NPROC, &before) != 0) {
        ok(1, "# SKIP no limit for this user");
        return;
    }
    none = before;
    none.rlim_cur = 0;
    (void)setrlimit(RLIMIT_NPROC, &none);
    got = begin(&r, "one.test", NSX_FAMILY_ANY);
    (void)setrlimit(RLIMIT_NPROC, &before);
    is_num(got, NSX_OK, "no thread");
    is_num(nsx_resolve_handle(&r), -1, "nothing to wait for");
    wait = nsx_resolve_until(&r) - nsx_clock_ms();
    ok(wait > 0 && wait <= NSX_TRY_AGAIN_MS, "but the time");
    is_num(nsx_resolve_step(&r), NSX_AGAIN, "not yet");
    is_num(run(&r), NSX_OK, "then it is there");
    nsx_resolve_free(&r);
}

static void
memory(const char *host)
{
    struct nsx_resolve r;
    long n;
    int good = all_ended();

    for (n = 0; good; n++) {
        failing_after(n);
        if (begin(&r, host, NSX_FAMILY_ANY) == NSX_OK) {
            nsx_status got = run(&r);

            good = did_fail ? got == NSX_ERROR && r.error.code == NSX_E_NOMEM
                            : got == NSX_OK;
            nsx_resolve_free(&r);
        }
        else
            good = did_fail && e.code == NSX_E_NOMEM;
        good = all_ended() && good;
        if (!did_fail)
            break;
    }
    failing_after(-1);
    ok(good && n > 0, "%s: memory that fails %ld times", host, n);
}

int
main(void)
{
    watchdog(60);
    if (pipe(gate) != 0 || pipe(entered) != 0)
        bail_out("no pipe");
    failing_after(-1);
    nsx_resolve_hook(answers);
    without_asking();
    asking();
    arguments();
    never();
    no_thread();
    memory("one.test");
    memory("127.0.0.1");
    return done_testing();
}
