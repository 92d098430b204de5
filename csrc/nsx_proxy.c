/*
 * nsx_proxy.c - the dialogues with SOCKS5 and HTTP proxies.
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

#include "nsx_proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include "nsx_base64.h"

/* RFC 1928 3 to 6, RFC 1929 2. */
enum {
    SOCKS_VERSION = 5,
    LOGIN_VERSION = 1,
    METHOD_NONE = 0x00,
    METHOD_LOGIN = 0x02,
    METHOD_REFUSED = 0xff,
    COMMAND_CONNECT = 1,
    ADDRESS_IPV4 = 1,
    ADDRESS_NAME = 3,
    ADDRESS_IPV6 = 4,
    IPV4_OCTETS = 4,
    IPV6_OCTETS = 16,
    PORT_OCTETS = 2,
    SHORT_REPLY = 2, /* to the methods and to the login */
    REPLY_HEAD = 5,  /* with the first octet of the address */
    MAX_LOGIN = 255,
    MAX_PORT = 65535
};

/* "HTTP/1.x 200" (RFC 9112 4). */
enum {
    STATUS_AT = 9,
    STATUS_END = 12
};

enum turn {
    SAY_METHODS = 0,
    HEAR_METHOD,
    SAY_LOGIN,
    HEAR_LOGIN,
    SAY_CONNECT,
    HEAR_SOCKS,
    HEAR_HTTP,
    OPEN,
    FAILED
};

/* ---- the host ---- */

struct host {
    char name[NSX_MAX_HOST + 1];
    size_t len;
    int type; /* ADDRESS_* */
    unsigned char octets[IPV6_OCTETS];
};

static int
is_name(const char *s, size_t n)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789.-_";

    return strspn(s, allowed) == n;
}

/* 0 when it is no host. */
static int
read_host(struct host *h, const struct nsx_proxy_request *r)
{
    if (r->host_len == 0 || r->host_len > NSX_MAX_HOST)
        return 0;
    memcpy(h->name, r->host, r->host_len);
    h->name[r->host_len] = '\0';
    h->len = r->host_len;
    if (strlen(h->name) != h->len)
        return 0;
    if (inet_pton(AF_INET, h->name, h->octets) == 1)
        h->type = ADDRESS_IPV4;
    else if (inet_pton(AF_INET6, h->name, h->octets) == 1)
        h->type = ADDRESS_IPV6;
    else
        h->type = ADDRESS_NAME;
    return h->type != ADDRESS_NAME || is_name(h->name, h->len);
}

/* ---- what is said ---- */

static nsx_errcode
put_octet(struct nsx_buf *b, unsigned octet)
{
    unsigned char c = (unsigned char)octet;

    return nsx_buf_append(b, &c, 1);
}

static nsx_errcode
put_counted(struct nsx_buf *b, const void *data, size_t n)
{
    nsx_errcode code = put_octet(b, (unsigned)n);

    return code != NSX_E_NONE ? code : nsx_buf_append(b, data, n);
}

static nsx_errcode
put_methods(struct nsx_proxy *p)
{
    static const unsigned char both[] = { SOCKS_VERSION, 2, METHOD_NONE,
                                          METHOD_LOGIN };
    static const unsigned char none[] = { SOCKS_VERSION, 1, METHOD_NONE };
    struct nsx_buf *b = &p->say[NSX_PROXY_METHODS];

    return p->has_login ? nsx_buf_append(b, both, sizeof both)
                        : nsx_buf_append(b, none, sizeof none);
}

static nsx_errcode
put_login(struct nsx_proxy *p, const struct nsx_proxy_request *r)
{
    struct nsx_buf *b = &p->say[NSX_PROXY_LOGIN];
    nsx_errcode code = put_octet(b, LOGIN_VERSION);

    if (code == NSX_E_NONE)
        code = put_counted(b, r->user, r->user_len);
    if (code == NSX_E_NONE)
        code = put_counted(b, r->password, r->password_len);
    return code;
}

static nsx_errcode
put_socks_connect(struct nsx_proxy *p, const struct host *h, unsigned port)
{
    const unsigned char head[] = { SOCKS_VERSION, COMMAND_CONNECT, 0,
                                   (unsigned char)h->type };
    const unsigned char tail[PORT_OCTETS] = { (unsigned char)(port >> 8),
                                              (unsigned char)port };
    struct nsx_buf *b = &p->say[NSX_PROXY_CONNECT];
    nsx_errcode code = nsx_buf_append(b, head, sizeof head);

    if (code != NSX_E_NONE)
        return code;
    if (h->type == ADDRESS_NAME)
        code = put_counted(b, h->name, h->len);
    else
        code =
            nsx_buf_append(b, h->octets,
                           h->type == ADDRESS_IPV4 ? IPV4_OCTETS : IPV6_OCTETS);
    return code != NSX_E_NONE ? code : nsx_buf_append(b, tail, sizeof tail);
}

/* base64 of "user:password" (RFC 7617 2). */
static nsx_errcode
put_basic(struct nsx_buf *b, const struct nsx_proxy_request *r)
{
    struct nsx_buf plain;
    unsigned char *to;
    size_t n;
    nsx_errcode code;

    nsx_buf_init(&plain, 2 * NSX_MAX_PROXY_SECRET + 1);
    code = nsx_buf_append(&plain, r->user, r->user_len);
    if (code == NSX_E_NONE)
        code = put_octet(&plain, ':');
    if (code == NSX_E_NONE)
        code = nsx_buf_append(&plain, r->password, r->password_len);
    n = nsx_base64_encoded_size(plain.len);
    to = code == NSX_E_NONE ? nsx_buf_reserve(b, n) : NULL;
    if (to != NULL) {
        nsx_base64_encode(nsx_buf_data(&plain), plain.len, (char *)to);
        nsx_buf_commit(b, n);
    }
    nsx_buf_wipe(&plain);
    return to != NULL ? NSX_E_NONE : NSX_E_NOMEM;
}

static nsx_errcode
put_http_connect(struct nsx_proxy *p, const struct nsx_proxy_request *r,
                 const struct host *h)
{
    /* Twice "[host]:65535" and the words around it. */
    char text[2 * (NSX_MAX_HOST + 8) + 48];
    struct nsx_buf *b = &p->say[NSX_PROXY_CONNECT];
    const char *open = h->type == ADDRESS_IPV6 ? "[" : "";
    const char *close = h->type == ADDRESS_IPV6 ? "]" : "";
    nsx_errcode code;

    (void)snprintf(text, sizeof text,
                   "CONNECT %s%s%s:%u HTTP/1.1\r\nHost: %s%s%s:%u\r\n", open,
                   h->name, close, r->port, open, h->name, close, r->port);
    code = nsx_buf_append_str(b, text);
    if (code == NSX_E_NONE && p->has_login) {
        code = nsx_buf_append_str(b, "Proxy-Authorization: Basic ");
        if (code == NSX_E_NONE)
            code = put_basic(b, r);
        if (code == NSX_E_NONE)
            code = nsx_buf_append_str(b, "\r\n");
    }
    return code != NSX_E_NONE ? code : nsx_buf_append_str(b, "\r\n");
}

static nsx_errcode
compose(struct nsx_proxy *p, const struct nsx_proxy_request *r,
        const struct host *h)
{
    nsx_errcode code;

    if (p->kind == NSX_PROXY_HTTP)
        return put_http_connect(p, r, h);
    code = put_methods(p);
    if (code == NSX_E_NONE && p->has_login)
        code = put_login(p, r);
    return code != NSX_E_NONE ? code : put_socks_connect(p, h, r->port);
}

/* ---- arguments ---- */

static int
has_control(const char *s, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++)
        if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
            return 1;
    return 0;
}

/* What is wrong with the credentials; NULL: nothing. */
static const char *
login_fault(const struct nsx_proxy_request *r)
{
    if (r->user == NULL)
        return NULL;
    if (r->kind == NSX_PROXY_SOCKS5)
        return r->user_len < 1 || r->user_len > MAX_LOGIN || r->password_len < 1
                || r->password_len > MAX_LOGIN
            ? "SOCKS5 takes a user and a password of 1 to 255 octets"
            : NULL;
    if (r->user_len > NSX_MAX_PROXY_SECRET
        || r->password_len > NSX_MAX_PROXY_SECRET)
        return "the proxy's user or password is too long";
    if (has_control(r->user, r->user_len)
        || has_control(r->password, r->password_len))
        return "the proxy's user or password has a control character";
    if (r->user_len > 0 && memchr(r->user, ':', r->user_len) != NULL)
        return "a colon in the user of an HTTP proxy";
    return NULL;
}

nsx_status
nsx_proxy_init(struct nsx_proxy *p, const struct nsx_proxy_request *r,
               struct nsx_error *e)
{
    const char *fault = login_fault(r);
    struct host host;
    size_t i;

    memset(p, 0, sizeof *p);
    if (!read_host(&host, r))
        fault = "not a host's name or address";
    else if (r->port < 1 || r->port > MAX_PORT)
        fault = "not a port";
    if (fault != NULL)
        return nsx_error_set(e, NSX_E_ARGUMENT, __func__, "%s", fault);
    p->kind = r->kind;
    p->has_login = r->user != NULL;
    p->turn = r->kind == NSX_PROXY_HTTP ? SAY_CONNECT : SAY_METHODS;
    nsx_error_reset(&p->error);
    for (i = 0; i < NSX_PROXY_PARTS; i++)
        nsx_buf_init(&p->say[i], 8 * NSX_MAX_PROXY_SECRET);
    if (compose(p, r, &host) == NSX_E_NONE)
        return NSX_OK;
    nsx_proxy_free(p);
    return nsx_error_set(e, NSX_E_NOMEM, __func__, NULL);
}

void
nsx_proxy_free(struct nsx_proxy *p)
{
    size_t i;

    for (i = 0; i < NSX_PROXY_PARTS; i++)
        nsx_buf_wipe(&p->say[i]);
    nsx_wipe(p->head, sizeof p->head);
}

/* ---- turns ---- */

nsx_status
nsx_proxy_want(const struct nsx_proxy *p)
{
    switch (p->turn) {
    case OPEN:
        return NSX_OK;
    case FAILED:
        return NSX_ERROR;
    case SAY_METHODS:
    case SAY_LOGIN:
    case SAY_CONNECT:
        return NSX_WANT_WRITE;
    default:
        return NSX_WANT_READ;
    }
}

/* The part that is being said, or NULL. */
static const struct nsx_buf *
saying(const struct nsx_proxy *p)
{
    switch (p->turn) {
    case SAY_METHODS:
        return &p->say[NSX_PROXY_METHODS];
    case SAY_LOGIN:
        return &p->say[NSX_PROXY_LOGIN];
    case SAY_CONNECT:
        return &p->say[NSX_PROXY_CONNECT];
    default:
        return NULL;
    }
}

const unsigned char *
nsx_proxy_out(const struct nsx_proxy *p, size_t *n)
{
    const struct nsx_buf *b = saying(p);

    *n = b != NULL ? b->len : 0;
    return b != NULL ? nsx_buf_data(b) : NULL;
}

static void
hear(struct nsx_proxy *p, enum turn turn, size_t wanted)
{
    p->turn = turn;
    p->wanted = wanted;
    p->head_len = p->line_len = p->lines = 0;
}

void
nsx_proxy_sent(struct nsx_proxy *p, size_t n)
{
    struct nsx_buf *b = (struct nsx_buf *)saying(p);

    if (b == NULL)
        return;
    nsx_buf_consume(b, n < b->len ? n : b->len);
    if (b->len > 0)
        return;
    nsx_buf_wipe(b);
    if (p->turn == SAY_METHODS)
        hear(p, HEAR_METHOD, SHORT_REPLY);
    else if (p->turn == SAY_LOGIN)
        hear(p, HEAR_LOGIN, SHORT_REPLY);
    else if (p->kind == NSX_PROXY_SOCKS5)
        hear(p, HEAR_SOCKS, REPLY_HEAD);
    else
        hear(p, HEAR_HTTP, 0);
}

/* The dialogue is over: nothing of it is needed any more. */
static void
end(struct nsx_proxy *p, enum turn turn)
{
    nsx_proxy_free(p);
    p->turn = turn;
}

static void
fail(struct nsx_proxy *p, int sys_errno, const char *why)
{
    if (p->error.code == NSX_E_NONE) {
        (void)nsx_error_set(&p->error, NSX_E_PROXY, "nsx_proxy", "%s", why);
        p->error.sys_errno = sys_errno;
    }
    end(p, FAILED);
}

void
nsx_proxy_closed(struct nsx_proxy *p)
{
    if (p->turn != OPEN)
        fail(p, ECONNRESET, "the proxy closed the connection");
}

/* ---- SOCKS5's replies ---- */

static void
hear_method(struct nsx_proxy *p)
{
    if (p->head[0] != SOCKS_VERSION)
        fail(p, 0, "it does not speak SOCKS5");
    else if (p->head[1] == METHOD_NONE)
        p->turn = SAY_CONNECT;
    else if (p->head[1] == METHOD_LOGIN && p->has_login)
        p->turn = SAY_LOGIN;
    else if (p->head[1] == METHOD_REFUSED)
        fail(p, 0,
             p->has_login ? "the proxy takes no password"
                          : "the proxy wants authentication");
    else
        fail(p, 0, "the proxy chose a method that was not offered");
    if (p->turn == SAY_CONNECT)
        nsx_buf_wipe(&p->say[NSX_PROXY_LOGIN]);
}

static void
hear_login(struct nsx_proxy *p)
{
    if (p->head[0] != LOGIN_VERSION)
        fail(p, 0, "an impossible reply to user and password");
    else if (p->head[1] != 0)
        fail(p, 0, "the proxy refused user and password");
    else
        p->turn = SAY_CONNECT;
}

/* RFC 1928 6. */
static void
refuse_socks(struct nsx_proxy *p, unsigned reply)
{
    static const struct {
        int sys_errno;
        const char *why;
    } refusals[] = { { 0, "" },
                     { 0, "the proxy failed" },
                     { EACCES, "refused by the proxy's rules" },
                     { ENETUNREACH, "network unreachable from the proxy" },
                     { EHOSTUNREACH, "host unreachable from the proxy" },
                     { ECONNREFUSED, "connection refused to the proxy" },
                     { EHOSTUNREACH, "time to live expired behind the proxy" },
                     { 0, "the proxy does not support CONNECT" },
                     { EAFNOSUPPORT,
                       "the proxy does not support this kind of address" } };

    if (reply < sizeof refusals / sizeof refusals[0])
        fail(p, refusals[reply].sys_errno, refusals[reply].why);
    else
        fail(p, 0, "the proxy refused for a reason of its own");
}

/* The head is there: how long the whole is; 0 when it failed. */
static size_t
socks_length(struct nsx_proxy *p)
{
    const unsigned char *head = p->head;

    if (head[0] != SOCKS_VERSION)
        fail(p, 0, "an impossible reply to CONNECT");
    else if (head[1] != 0)
        refuse_socks(p, head[1]);
    else if (head[3] == ADDRESS_IPV4)
        return REPLY_HEAD - 1 + IPV4_OCTETS + PORT_OCTETS;
    else if (head[3] == ADDRESS_IPV6)
        return REPLY_HEAD - 1 + IPV6_OCTETS + PORT_OCTETS;
    else if (head[3] == ADDRESS_NAME)
        return REPLY_HEAD + (size_t)head[4] + PORT_OCTETS;
    else
        fail(p, 0, "an impossible kind of address in the proxy's reply");
    return 0;
}

/* As many octets as were wanted are there. */
static void
hear_socks(struct nsx_proxy *p)
{
    if (p->turn == HEAR_METHOD)
        hear_method(p);
    else if (p->turn == HEAR_LOGIN)
        hear_login(p);
    else if (p->wanted == REPLY_HEAD)
        p->wanted = socks_length(p);
    else
        end(p, OPEN);
}

static size_t
min(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Octets of the reply: the first are kept, the others are counted. */
static void
keep(struct nsx_proxy *p, const unsigned char *data, size_t n)
{
    if (p->head_len < sizeof p->head)
        memcpy(p->head + p->head_len, data,
               min(n, sizeof p->head - p->head_len));
    p->head_len += n;
    p->taken += n;
}

static size_t
socks_in(struct nsx_proxy *p, const unsigned char *data, size_t n)
{
    size_t k, used = 0;

    while (used < n && nsx_proxy_want(p) == NSX_WANT_READ) {
        k = min(n - used, p->wanted - p->head_len);
        keep(p, data + used, k);
        used += k;
        if (p->head_len == p->wanted)
            hear_socks(p);
    }
    return used;
}

/* ---- HTTP's reply ---- */

static int
is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

/* The status code, 0 when the line is none of HTTP's. */
static unsigned
status_code(const struct nsx_proxy *p)
{
    const unsigned char *h = p->head;

    if (p->head_len < STATUS_END || memcmp(h, "HTTP/", 5) != 0
        || !is_digit(h[5]) || h[6] != '.' || !is_digit(h[7]) || h[8] != ' '
        || !is_digit(h[STATUS_AT]) || !is_digit(h[STATUS_AT + 1])
        || !is_digit(h[STATUS_AT + 2]))
        return 0;
    if (p->head_len > STATUS_END && h[STATUS_END] != ' '
        && h[STATUS_END] != '\r' && h[STATUS_END] != '\n')
        return 0;
    return (unsigned)(h[STATUS_AT] - '0') * 100u
        + (unsigned)(h[STATUS_AT + 1] - '0') * 10u
        + (unsigned)(h[STATUS_AT + 2] - '0');
}

/* The code, and the proxy's words where they cannot hold a secret. */
static void
refuse_http(struct nsx_proxy *p, unsigned code)
{
    const unsigned char *at = p->head + STATUS_AT;
    size_t n = min(p->head_len, sizeof p->head) - STATUS_AT;
    const unsigned char *cr = memchr(at, '\r', n);
    const unsigned char *lf = memchr(at, '\n', n);
    const char *what = "the proxy refused";
    char why[NSX_PROXY_HEAD + 64];

    if (code == 407)
        what = p->has_login ? "the proxy refused user and password"
                            : "the proxy wants authentication";
    if (lf != NULL)
        n = (size_t)(lf - at);
    if (cr != NULL && (size_t)(cr - at) < n)
        n = (size_t)(cr - at);
    if (p->has_login)
        n = STATUS_END - STATUS_AT;
    (void)snprintf(why, sizeof why, "%s: %.*s", what, (int)n, (const char *)at);
    fail(p, 0, why);
}

/* The empty line is there.  An interim reply has another behind it (RFC 9110
 * 15.2); 101 says that the protocol changed, which nobody asked for. */
static void
hear_http(struct nsx_proxy *p)
{
    unsigned code = status_code(p);

    if (code / 100 == 2)
        end(p, OPEN);
    else if (code / 100 == 1 && code != 101)
        hear(p, HEAR_HTTP, 0);
    else
        refuse_http(p, code);
}

/* A line is over. */
static void
hear_line(struct nsx_proxy *p)
{
    if (p->lines++ == 0) {
        if (status_code(p) == 0)
            fail(p, 0, "it does not speak HTTP");
    }
    else if (p->line_len == 0) {
        hear_http(p);
        return;
    }
    p->line_len = 0;
}

/* A CR is no part of a line's length, wherever it is: an empty line is one
 * that has nothing else. */
static size_t
http_in(struct nsx_proxy *p, const unsigned char *data, size_t n)
{
    size_t used = 0;

    while (used < n && p->turn == HEAR_HTTP) {
        const unsigned char c = data[used++];

        keep(p, &c, 1);
        if (p->taken > NSX_MAX_PROXY_REPLY)
            fail(p, 0, "the proxy's reply is too long");
        else if (c == '\n')
            hear_line(p);
        else if (c != '\r')
            p->line_len++;
    }
    return used;
}

size_t
nsx_proxy_in(struct nsx_proxy *p, const void *data, size_t n)
{
    if (nsx_proxy_want(p) != NSX_WANT_READ)
        return 0;
    return p->kind == NSX_PROXY_HTTP ? http_in(p, data, n)
                                     : socks_in(p, data, n);
}
