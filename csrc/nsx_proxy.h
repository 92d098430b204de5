/*
 * nsx_proxy.h - asking a proxy for a way to a host: SOCKS5 (RFC 1928, with the
 * user and password of RFC 1929) and HTTP's CONNECT (RFC 9110 9.3.6, with the
 * Basic credentials of RFC 7617), without the wire.
 *
 * The machine says which octets are to be sent and is handed what came back,
 * in pieces of any size:
 *
 *     nsx_proxy_init(&p, &request, &e)
 *     while ((want = nsx_proxy_want(&p)) is not NSX_OK or NSX_ERROR)
 *         NSX_WANT_WRITE  send of nsx_proxy_out; nsx_proxy_sent(&p, how many)
 *         NSX_WANT_READ   used = nsx_proxy_in(&p, octets, how many)
 *     nsx_proxy_free(&p)
 *
 * What follows the proxy's reply is the server's: nsx_proxy_in never takes an
 * octet of it, so that a caller who looks before it takes (nsx_io_peek) leaves
 * the greeting where it is.
 *
 * Names go to the proxy as they are and are resolved there.  A numeric IPv4 or
 * IPv6 address goes as one (RFC 1928 5; in brackets to HTTP, RFC 3986 3.2.2).
 *
 * User and password are overwritten once they are sent and when the machine is
 * freed.  No text of an error holds them: to a proxy that was given some,
 * what it says in its own words is not repeated.
 */
#ifndef NSX_PROXY_H
#define NSX_PROXY_H

#include "nsx_buf.h"

enum nsx_proxy_kind {
    NSX_PROXY_SOCKS5 = 0,
    NSX_PROXY_HTTP
};

struct nsx_proxy_request {
    enum nsx_proxy_kind kind;
    const char *host; /* a name, or a numeric address without brackets */
    size_t host_len;
    unsigned port;
    const char *user; /* NULL: without credentials */
    size_t user_len;
    const char *password;
    size_t password_len;
};

/* What is still to be said: a part of SOCKS5 each; HTTP has the last only. */
enum nsx_proxy_part {
    NSX_PROXY_METHODS = 0,
    NSX_PROXY_LOGIN,
    NSX_PROXY_CONNECT,
    NSX_PROXY_PARTS
};

struct nsx_proxy {
    enum nsx_proxy_kind kind;
    int turn;      /* of the dialogue; nsx_proxy.c has the names */
    int has_login; /* 1: credentials were given */
    struct nsx_buf say[NSX_PROXY_PARTS];
    unsigned char head[NSX_PROXY_HEAD]; /* the reply, as far as it is kept */
    size_t head_len;
    size_t wanted;   /* SOCKS5: octets the reply has, as far as is known */
    size_t line_len; /* HTTP: of the line that is being read, without CR */
    size_t lines;    /* HTTP: lines of this reply that are over */
    size_t taken;    /* octets of all replies */
    struct nsx_error error;
};

/* Copies what it needs.  NSX_OK; or NSX_ERROR with *e filled, and nothing to
 * free: NSX_E_NOMEM, or NSX_E_ARGUMENT when
 *   the host is empty, longer than NSX_MAX_HOST, or has an octet that is in no
 *   host's name (RFC 1123 2.1, "_" allowed) and is no numeric address either;
 *   the port is not of 1 to 65535;
 *   SOCKS5: user or password are not of 1 to 255 octets (RFC 1929 2);
 *   HTTP: the user has a colon, either has a control character (RFC 7617 2) or
 *   is longer than NSX_MAX_PROXY_SECRET. */
nsx_status nsx_proxy_init(struct nsx_proxy *p,
                          const struct nsx_proxy_request *request,
                          struct nsx_error *e);
void nsx_proxy_free(struct nsx_proxy *p);

/* NSX_WANT_WRITE, NSX_WANT_READ; NSX_OK: the way is open; NSX_ERROR: it is not,
 * p->error says why (NSX_E_PROXY, sys_errno where the reply has an equal). */
nsx_status nsx_proxy_want(const struct nsx_proxy *p);

/* What is to be sent, valid until the next call; n 0 out of turn. */
const unsigned char *nsx_proxy_out(const struct nsx_proxy *p, size_t *n);
void nsx_proxy_sent(struct nsx_proxy *p, size_t n);

/* Takes octets of the proxy's: how many, which is all of them but for those
 * behind the end. */
size_t nsx_proxy_in(struct nsx_proxy *p, const void *data, size_t n);

/* The proxy closed the connection: an error, unless the dialogue is over. */
void nsx_proxy_closed(struct nsx_proxy *p);

#endif
