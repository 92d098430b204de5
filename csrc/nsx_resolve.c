/*
 * nsx_resolve.c - a thread that asks for a name, and the pipe to it.
 */
/* -std=c99 hides the system's interfaces; these bring them back. */
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE 1
#endif
#ifndef _DARWIN_C_SOURCE
#define _DARWIN_C_SOURCE 1
#endif
#ifndef __EXTENSIONS__
#define __EXTENSIONS__ 1
#endif

#include "nsx_resolve.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include "nsx_process.h"

/* Systems that lack these have numeric ports without asking, and no filter. */
#ifndef AI_NUMERICSERV
#define AI_NUMERICSERV 0
#endif
#ifndef AI_ADDRCONFIG
#define AI_ADDRCONFIG 0
#endif

enum {
    MAX_PORT = 65535,
    PORT_TEXT = 6
};

/* What comes through the pipe: this, then for each address an octet that says
 * how long it is, and its octets. */
struct answer {
    size_t len; /* of all, this included */
    int fault;  /* getaddrinfo's, 0: none */
    int sys_errno;
    size_t count;
};

#define MAX_ANSWER                                                             \
    (sizeof(struct answer) + NSX_MAX_ADDRESSES * (NSX_MAX_SOCKADDR + 1))

struct nsx_resolve_job {
    char host[NSX_MAX_HOST + 1];
    char port[PORT_TEXT];
    int family;
    int fd; /* the pipe's writing end, owned */
    struct answer head;
    unsigned char text[MAX_ANSWER];
};

static nsx_lookup_fn lookup = getaddrinfo;

void
nsx_resolve_hook(nsx_lookup_fn fn)
{
    lookup = fn != NULL ? fn : getaddrinfo;
}

static int
system_family(enum nsx_resolve_family family)
{
    return family == NSX_FAMILY_IPV4 ? AF_INET
        : family == NSX_FAMILY_IPV6  ? AF_INET6
                                     : AF_UNSPEC;
}

/* ---- the question, in whichever thread ---- */

static void
put_addresses(struct nsx_resolve_job *job, const struct addrinfo *ai)
{
    for (; ai != NULL && job->head.count < NSX_MAX_ADDRESSES;
         ai = ai->ai_next) {
        if (ai->ai_addrlen == 0 || ai->ai_addrlen > NSX_MAX_SOCKADDR)
            continue;
        job->text[job->head.len++] = (unsigned char)ai->ai_addrlen;
        memcpy(job->text + job->head.len, ai->ai_addr, ai->ai_addrlen);
        job->head.len += ai->ai_addrlen;
        job->head.count++;
    }
}

/* Asks, and leaves the whole answer in job->text. */
static void
ask(struct nsx_resolve_job *job, const char *host, int family, int flags)
{
    struct addrinfo hints, *found = NULL;

    memset(&hints, 0, sizeof hints);
    hints.ai_flags = flags | AI_NUMERICSERV;
    hints.ai_family = family;
    hints.ai_socktype = SOCK_STREAM;
    if (job->head.len < sizeof job->head)
        job->head.len = sizeof job->head;
    job->head.fault = lookup(host, job->port, &hints, &found);
    job->head.sys_errno = job->head.fault == EAI_SYSTEM ? errno : 0;
    if (job->head.fault == 0 && found != NULL) {
        put_addresses(job, found);
        freeaddrinfo(found);
    }
    memcpy(job->text, &job->head, sizeof job->head);
}

static void
give_back(struct nsx_resolve_job *job)
{
    nsx_io_close(job->fd);
    nsx_free(job);
}

/* The thread.  Nobody may be left to read the answer. */
static void *
run(void *arg)
{
    struct nsx_resolve_job *job = arg;
    struct nsx_error e;
    struct nsx_io io;
    size_t at = 0, n;
    nsx_status got = NSX_OK;

    ask(job, job->host, job->family, AI_ADDRCONFIG);
    nsx_io_init(&io, job->fd);
    nsx_error_reset(&e);
    while (at < job->head.len && got != NSX_ERROR) {
        got = nsx_io_send(&io, job->text + at, job->head.len - at, 0, &n, &e);
        at += n;
        if (got == NSX_WANT_WRITE)
            (void)nsx_io_wait(&io, got, NSX_NEVER);
    }
    give_back(job);
    return NULL;
}

/* ---- the answer ---- */

static nsx_status
fault(struct nsx_resolve *r, int code, int sys_errno)
{
    if (code == EAI_MEMORY)
        return nsx_error_set(&r->error, NSX_E_NOMEM, "nsx_resolve", NULL);
    if (sys_errno != 0) {
        (void)nsx_error_errno(&r->error, sys_errno, "nsx_resolve");
        r->error.code = NSX_E_RESOLVE;
        return NSX_ERROR;
    }
    (void)nsx_error_set(&r->error, NSX_E_RESOLVE, "nsx_resolve", "%s",
                        gai_strerror(code));
    r->error.sys_errno = EINVAL;
    return NSX_ERROR;
}

/* The whole answer is at text. */
static nsx_status
take_answer(struct nsx_resolve *r, const unsigned char *text)
{
    const unsigned char *at = text + sizeof(struct answer);
    struct answer head;
    size_t i;

    memcpy(&head, text, sizeof head);
    if (head.fault != 0 || head.count == 0)
        return fault(r, head.fault != 0 ? head.fault : EAI_NONAME,
                     head.sys_errno);
    r->list = nsx_alloc(head.count * sizeof *r->list);
    if (r->list == NULL)
        return nsx_error_set(&r->error, NSX_E_NOMEM, "nsx_resolve", NULL);
    for (i = 0; i < head.count; i++) {
        r->list[i].len = *at++;
        memcpy(r->list[i].octets, at, r->list[i].len);
        at += r->list[i].len;
    }
    r->count = head.count;
    return NSX_OK;
}

/* ---- the beginning ---- */

/* Signals are for the program's own threads. */
static int
start_thread(struct nsx_resolve_job *job)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, before;
    int err = pthread_attr_init(&attr);

    if (err != 0)
        return err;
    (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    (void)pthread_attr_setstacksize(&attr, NSX_RESOLVE_STACK);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    err = pthread_create(&thread, &attr, run, job);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attr);
    return err;
}

/* Hands the job over; when there is no thread now, there may be one later. */
static nsx_status
hand_over(struct nsx_resolve *r)
{
    int err = start_thread(r->job);

    if (err == EAGAIN) {
        r->again_at = nsx_clock_ms() + NSX_TRY_AGAIN_MS;
        return NSX_AGAIN;
    }
    if (err != 0)
        return nsx_error_errno(&r->error, err, "nsx_resolve");
    r->job = NULL;
    r->again_at = NSX_NEVER;
    return NSX_WANT_READ;
}

static int
is_localhost(const char *host)
{
    static const char name[] = "localhost";
    size_t i;

    for (i = 0; name[i] != '\0'; i++)
        if ((host[i] | 0x20) != name[i])
            return 0;
    return host[i] == '\0' || (host[i] == '.' && host[i + 1] == '\0');
}

/* Answers what needs nobody to be asked: 1, or 0. */
static int
answer_at_once(struct nsx_resolve_job *job)
{
    if (is_localhost(job->host)) {
        if (job->family != AF_INET)
            ask(job, "::1", AF_INET6, AI_NUMERICHOST);
        if (job->family != AF_INET6)
            ask(job, "127.0.0.1", AF_INET, AI_NUMERICHOST);
        return 1;
    }
    ask(job, job->host, job->family, AI_NUMERICHOST);
    if (job->head.count > 0)
        return 1;
    memset(&job->head, 0, sizeof job->head);
    return 0;
}

static nsx_status
begin(struct nsx_resolve *r)
{
    int fd[2], err;

    if (answer_at_once(r->job))
        return take_answer(r, r->job->text);
    err = nsx_io_pipe(fd);
    if (err != 0)
        return nsx_error_errno(&r->error, err, "nsx_resolve");
    r->job->fd = fd[1];
    nsx_io_init(&r->io, fd[0]);
    r->owner = nsx_process_id();
    return hand_over(r);
}

nsx_status
nsx_resolve_init(struct nsx_resolve *r, const char *host, size_t n,
                 unsigned port, enum nsx_resolve_family family,
                 struct nsx_error *e)
{
    memset(r, 0, sizeof *r);
    nsx_error_reset(&r->error);
    nsx_buf_init(&r->in, MAX_ANSWER);
    r->io.fd = -1;
    r->again_at = NSX_NEVER;
    if (n == 0 || n > NSX_MAX_HOST || memchr(host, '\0', n) != NULL)
        return nsx_error_set(e, NSX_E_ARGUMENT, __func__,
                             "not a host's name or address");
    if (port < 1 || port > MAX_PORT)
        return nsx_error_set(e, NSX_E_ARGUMENT, __func__, "not a port");
    r->job = nsx_alloc(sizeof *r->job);
    if (r->job == NULL)
        return nsx_error_set(e, NSX_E_NOMEM, __func__, NULL);
    memcpy(r->job->host, host, n);
    (void)snprintf(r->job->port, sizeof r->job->port, "%u", port);
    r->job->family = system_family(family);
    r->job->fd = -1;
    if (begin(r) != NSX_ERROR)
        return NSX_OK;
    *e = r->error;
    nsx_resolve_free(r);
    return NSX_ERROR;
}

void
nsx_resolve_free(struct nsx_resolve *r)
{
    nsx_io_close(r->io.fd);
    r->io.fd = -1;
    nsx_buf_free(&r->in);
    if (r->job != NULL)
        give_back(r->job);
    r->job = NULL;
    nsx_free(r->list);
    r->list = NULL;
    r->count = 0;
}

/* ---- steps ---- */

/* NSX_OK when all of the answer is there. */
static nsx_status
read_answer(struct nsx_resolve *r)
{
    struct answer head = { 0, 0, 0, 0 };
    unsigned char *to;
    nsx_status got;
    size_t n;

    for (;;) {
        if (r->in.len >= sizeof head)
            memcpy(&head, nsx_buf_data(&r->in), sizeof head);
        if (r->in.len >= sizeof head && r->in.len >= head.len)
            return NSX_OK;
        to = nsx_buf_reserve(&r->in, MAX_ANSWER - r->in.len);
        if (to == NULL)
            return nsx_error_set(&r->error, NSX_E_NOMEM, "nsx_resolve", NULL);
        got = nsx_io_recv(&r->io, to, MAX_ANSWER - r->in.len, &n, &r->error);
        if (got != NSX_OK)
            return got;
        nsx_buf_commit(&r->in, n);
    }
}

nsx_status
nsx_resolve_step(struct nsx_resolve *r)
{
    nsx_status got;

    if (r->list != NULL || r->error.code != NSX_E_NONE)
        return r->list != NULL ? NSX_OK : NSX_ERROR;
    if (r->owner != nsx_process_id())
        return nsx_error_set(&r->error, NSX_E_CANCELLED, "nsx_resolve",
                             "a name is not resolved across fork");
    if (r->job != NULL) {
        if (nsx_clock_ms() < r->again_at)
            return NSX_AGAIN;
        return hand_over(r);
    }
    got = read_answer(r);
    if (got == NSX_OK)
        got = take_answer(r, nsx_buf_data(&r->in));
    if (got != NSX_WANT_READ) {
        nsx_io_close(r->io.fd);
        r->io.fd = -1;
    }
    return got;
}

int
nsx_resolve_handle(const struct nsx_resolve *r)
{
    return r->job == NULL ? r->io.fd : -1;
}

int64_t
nsx_resolve_until(const struct nsx_resolve *r)
{
    return r->again_at;
}
