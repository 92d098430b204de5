/*
 * proxy.c - the dialogues with SOCKS5 and HTTP proxies: octets both ways, at
 * every split, and every way they can end.
 */
#include "tap.h"
#include "nsx_proxy.h"

#include <errno.h>

#define S(text) text, sizeof(text) - 1

/* What the proxy says, a part for each turn of ours, is one string here: the
 * dialogue is lockstep, so that the machine knows where each part ends. */
struct dialogue {
    const char *name;
    enum nsx_proxy_kind kind;
    const char *host;
    unsigned port;
    const char *user, *password;
    const char *said;
    size_t said_len;
    const char *reply;
    size_t reply_len;
    size_t used; /* of reply */
    nsx_status end;
    int sys_errno;
    const char *why;
};

#define LONG_NAME                                                              \
    "a23456789.123456789.123456789.123456789.123456789.123456789.123456789."   \
    "123456789.123456789.123456789.123456789.123456789.123456789.123456789."   \
    "123456789.123456789.123456789.123456789.123456789.123456789.123456789."   \
    "123456789.123456789.123456789.123456789.12345"

#define IPV4_BOUND "\x05\x00\x00\x01\x7f\x00\x00\x01\x12\x34"
#define NAMED "\x05\x01\x00\x03\x09mx.test.a\x00\x19"
#define HTTP_SAID "CONNECT mx.test:25 HTTP/1.1\r\nHost: mx.test:25\r\n"
#define HTTP_LOGIN "Proxy-Authorization: Basic dTpwOnc=\r\n"

static const struct dialogue dialogues[] = {
    { "a name", NSX_PROXY_SOCKS5, "mx.test.a", 25, NULL, NULL,
      S("\x05\x01\x00" NAMED), S("\x05\x00" IPV4_BOUND "220 hi\r\n"), 12,
      NSX_OK, 0, "" },
    { "an IPv4 address", NSX_PROXY_SOCKS5, "192.0.2.1", 587, NULL, NULL,
      S("\x05\x01\x00\x05\x01\x00\x01\xc0\x00\x02\x01\x02\x4b"),
      S("\x05\x00" IPV4_BOUND), 12, NSX_OK, 0, "" },
    { "an IPv6 address, and one as bound", NSX_PROXY_SOCKS5, "2001:db8::1", 25,
      NULL, NULL,
      S("\x05\x01\x00\x05\x01\x00\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
        "\x00\x19"),
      S("\x05\x00\x05\x00\x00\x04"
        "0123456789abcdef\x00\x19"
        "220"),
      24, NSX_OK, 0, "" },
    { "a name as bound", NSX_PROXY_SOCKS5, "mx.test.a", 25, NULL, NULL,
      S("\x05\x01\x00" NAMED), S("\x05\x00\x05\x00\x00\x03\x02xy\x00\x19Z"), 11,
      NSX_OK, 0, "" },
    { "an empty name as bound", NSX_PROXY_SOCKS5, "mx.test.a", 25, NULL, NULL,
      S("\x05\x01\x00" NAMED), S("\x05\x00\x05\x00\x00\x03\x00\x00\x19Z"), 9,
      NSX_OK, 0, "" },
    { "user and password", NSX_PROXY_SOCKS5, "mx.test.a", 25, "me", "s3cret",
      S("\x05\x02\x00\x02\x01\x02me\x06s3cret" NAMED),
      S("\x05\x02\x01\x00" IPV4_BOUND "2"), 14, NSX_OK, 0, "" },
    { "user and password that the proxy does not want", NSX_PROXY_SOCKS5,
      "mx.test.a", 25, "me", "s3cret", S("\x05\x02\x00\x02" NAMED),
      S("\x05\x00" IPV4_BOUND), 12, NSX_OK, 0, "" },
    { "wrong password", NSX_PROXY_SOCKS5, "mx.test.a", 25, "me", "s3cret",
      S("\x05\x02\x00\x02\x01\x02me\x06s3cret"), S("\x05\x02\x01\x01"), 4,
      NSX_ERROR, 0, "the proxy refused user and password" },
    { "a strange reply to the password", NSX_PROXY_SOCKS5, "mx.test.a", 25,
      "me", "s3cret", S("\x05\x02\x00\x02\x01\x02me\x06s3cret"),
      S("\x05\x02\x07\x00"), 4, NSX_ERROR, 0,
      "an impossible reply to user and password" },
    { "no method, without a password", NSX_PROXY_SOCKS5, "mx.test.a", 25, NULL,
      NULL, S("\x05\x01\x00"), S("\x05\xff"), 2, NSX_ERROR, 0,
      "the proxy wants authentication" },
    { "no method, with a password", NSX_PROXY_SOCKS5, "mx.test.a", 25, "me",
      "s3cret", S("\x05\x02\x00\x02"), S("\x05\xff"), 2, NSX_ERROR, 0,
      "the proxy takes no password" },
    { "a password nobody offered", NSX_PROXY_SOCKS5, "mx.test.a", 25, NULL,
      NULL, S("\x05\x01\x00"), S("\x05\x02"), 2, NSX_ERROR, 0,
      "the proxy chose a method that was not offered" },
    { "a method nobody offered", NSX_PROXY_SOCKS5, "mx.test.a", 25, "me",
      "s3cret", S("\x05\x02\x00\x02"), S("\x05\x01"), 2, NSX_ERROR, 0,
      "the proxy chose a method that was not offered" },
    { "no SOCKS5", NSX_PROXY_SOCKS5, "mx.test.a", 25, NULL, NULL,
      S("\x05\x01\x00"), S("HTTP/1.0 400 Bad"), 2, NSX_ERROR, 0,
      "it does not speak SOCKS5" },
    { "SOCKS4's refusal", NSX_PROXY_SOCKS5, "mx.test.a", 25, NULL, NULL,
      S("\x05\x01\x00"), S("\x00\x5b"), 2, NSX_ERROR, 0,
      "it does not speak SOCKS5" },
    { "another version in the reply", NSX_PROXY_SOCKS5, "mx.test.a", 25, NULL,
      NULL, S("\x05\x01\x00" NAMED), S("\x05\x00\x04\x00\x00\x01\x00"), 7,
      NSX_ERROR, 0, "an impossible reply to CONNECT" },
    { "an address of no kind", NSX_PROXY_SOCKS5, "mx.test.a", 25, NULL, NULL,
      S("\x05\x01\x00" NAMED), S("\x05\x00\x05\x00\x00\x02\x00"), 7, NSX_ERROR,
      0, "an impossible kind of address in the proxy's reply" },
    { "a name to HTTP", NSX_PROXY_HTTP, "mx.test", 25, NULL, NULL,
      S(HTTP_SAID "\r\n"), S("HTTP/1.1 200 OK\r\n\r\n220 hi\r\n"), 19, NSX_OK,
      0, "" },
    { "an IPv6 address to HTTP", NSX_PROXY_HTTP, "::1", 2525, NULL, NULL,
      S("CONNECT [::1]:2525 HTTP/1.1\r\nHost: [::1]:2525\r\n\r\n"),
      S("HTTP/1.0 200\r\n\r\n"), 16, NSX_OK, 0, "" },
    { "the longest name", NSX_PROXY_HTTP, LONG_NAME, 65535, NULL, NULL,
      S("CONNECT " LONG_NAME ":65535 HTTP/1.1\r\nHost: " LONG_NAME
        ":65535\r\n\r\n"),
      S("HTTP/1.0 200\r\n\r\n"), 16, NSX_OK, 0, "" },
    { "Basic", NSX_PROXY_HTTP, "mx.test", 25, "u", "p:w",
      S(HTTP_SAID HTTP_LOGIN "\r\n"), S("HTTP/1.1 299 Yes\r\n\r\n"), 20, NSX_OK,
      0, "" },
    { "Basic with nothing in it", NSX_PROXY_HTTP, "mx.test", 25, "", "",
      S(HTTP_SAID "Proxy-Authorization: Basic Og==\r\n\r\n"),
      S("HTTP/1.1 200 Yes\r\n\r\n"), 20, NSX_OK, 0, "" },
    { "fields, and a length that means nothing", NSX_PROXY_HTTP, "mx.test", 25,
      NULL, NULL, S(HTTP_SAID "\r\n"),
      S("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nVia: x\r\n\r\n220 hi"), 46,
      NSX_OK, 0, "" },
    { "lines that end with LF", NSX_PROXY_HTTP, "mx.test", 25, NULL, NULL,
      S(HTTP_SAID "\r\n"), S("HTTP/1.1 200 OK\nVia: x\n\n\r\n"), 24, NSX_OK, 0,
      "" },
    { "interim replies", NSX_PROXY_HTTP, "mx.test", 25, NULL, NULL,
      S(HTTP_SAID "\r\n"),
      S("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 P\r\nA: b\r\n\r\n"
        "HTTP/1.1 200 OK\r\n\r\n2"),
      68, NSX_OK, 0, "" },
    { "another protocol", NSX_PROXY_HTTP, "mx.test", 25, NULL, NULL,
      S(HTTP_SAID "\r\n"), S("HTTP/1.1 101 Switching\r\n\r\n"), 26, NSX_ERROR,
      0, "the proxy refused: 101 Switching" },
    { "a refusal", NSX_PROXY_HTTP, "mx.test", 25, NULL, NULL,
      S(HTTP_SAID "\r\n"), S("HTTP/1.1 503 No \x1bway\r\nA: b\r\n\r\n<html>"),
      30, NSX_ERROR, 0, "the proxy refused: 503 No ?way" },
    { "a redirection", NSX_PROXY_HTTP, "mx.test", 25, NULL, NULL,
      S(HTTP_SAID "\r\n"), S("HTTP/1.1 302\nLocation: x\n\n"), 26, NSX_ERROR, 0,
      "the proxy refused: 302" },
    { "authentication wanted", NSX_PROXY_HTTP, "mx.test", 25, NULL, NULL,
      S(HTTP_SAID "\r\n"), S("HTTP/1.1 407 Who?\r\n\r\n"), 21, NSX_ERROR, 0,
      "the proxy wants authentication: 407 Who?" },
    { "wrong password, told back", NSX_PROXY_HTTP, "mx.test", 25, "u", "p:w",
      S(HTTP_SAID HTTP_LOGIN "\r\n"), S("HTTP/1.1 407 not p:w\r\n\r\n"), 24,
      NSX_ERROR, 0, "the proxy refused user and password: 407" },
    { "a refusal that tells the password", NSX_PROXY_HTTP, "mx.test", 25, "u",
      "p:w", S(HTTP_SAID HTTP_LOGIN "\r\n"), S("HTTP/1.1 403 dTpwOnc=\r\n\r\n"),
      25, NSX_ERROR, 0, "the proxy refused: 403" },
    { "an SMTP server", NSX_PROXY_HTTP, "mx.test", 25, NULL, NULL,
      S(HTTP_SAID "\r\n"), S("220 mx.test ESMTP\r\n500 what?\r\n"), 19,
      NSX_ERROR, 0, "it does not speak HTTP" },
    { "an empty line first", NSX_PROXY_HTTP, "mx.test", 25, NULL, NULL,
      S(HTTP_SAID "\r\n"), S("\r\nHTTP/1.1 200 OK\r\n\r\n"), 2, NSX_ERROR, 0,
      "it does not speak HTTP" },
    { "a code too long", NSX_PROXY_HTTP, "mx.test", 25, NULL, NULL,
      S(HTTP_SAID "\r\n"), S("HTTP/1.1 2000 OK\r\n\r\n"), 18, NSX_ERROR, 0,
      "it does not speak HTTP" },
};

static struct nsx_error e;
static struct arena arena;

static nsx_status
begin(struct nsx_proxy *p, const struct dialogue *d)
{
    struct nsx_proxy_request r = { d->kind, d->host, 0,           d->port,
                                   d->user, 0,       d->password, 0 };

    r.host_len = strlen(d->host);
    r.user_len = d->user ? strlen(d->user) : 0;
    r.password_len = d->password ? strlen(d->password) : 0;
    nsx_error_reset(&e);
    return nsx_proxy_init(p, &r, &e);
}

struct wire {
    char said[2048];
    size_t said_len;
    size_t at; /* of the reply */
};

/* Octets out and in, at most so many a time; the input ends at a guard page,
 * or begins after one. */
static void
drive(struct nsx_proxy *p, const struct dialogue *d, struct wire *w, size_t out,
      size_t in)
{
    w->said_len = w->at = 0;
    for (;;) {
        nsx_status want = nsx_proxy_want(p);
        size_t n, k, used;

        if (want == NSX_WANT_WRITE) {
            const unsigned char *say = nsx_proxy_out(p, &n);

            k = n < out ? n : out;
            if (k == 0 || w->said_len + k > sizeof w->said)
                bail_out("nothing to say, or too much");
            memcpy(w->said + w->said_len, say, k);
            w->said_len += k;
            nsx_proxy_sent(p, k);
        }
        else if (want == NSX_WANT_READ && w->at < d->reply_len) {
            n = d->reply_len - w->at;
            n = n < in ? n : in;
            used =
                nsx_proxy_in(p,
                             arena_put(&arena, d->reply + w->at, n, w->at & 1),
                             n);
            w->at += used;
            if (used == 0 || (used < n && nsx_proxy_want(p) == NSX_WANT_READ))
                bail_out("octets left");
        }
        else
            return;
    }
}

/* "" or what is not as it should be. */
static const char *
compare(const struct nsx_proxy *p, const struct dialogue *d,
        const struct wire *w)
{
    if (nsx_proxy_want(p) != d->end)
        return "the end";
    if (w->said_len != d->said_len || memcmp(w->said, d->said, w->said_len))
        return "what was said";
    if (w->at != d->used)
        return "what was taken";
    if (d->end == NSX_OK)
        return p->error.code == NSX_E_NONE ? "" : "an error";
    if (p->error.code != NSX_E_PROXY || strcmp(p->error.text, d->why))
        return p->error.text;
    return p->error.sys_errno == d->sys_errno ? "" : "errno";
}

static void
every_split(const struct dialogue *d)
{
    struct nsx_proxy p;
    struct wire w;
    const char *bad = "";
    size_t in, out;

    for (in = 1; !*bad && in <= d->reply_len; in++)
        for (out = 1; !*bad && out <= d->said_len; out += 1 + out / 4) {
            if (begin(&p, d) != NSX_OK)
                bail_out(e.text);
            drive(&p, d, &w, out, in);
            bad = compare(&p, d, &w);
            nsx_proxy_free(&p);
        }
    ok(!*bad, "%s: %s", d->name, *bad ? bad : "as it should be");
    if (*bad) {
        tap_dump("     said", w.said, w.said_len);
        tap_dump("to be said", d->said, d->said_len);
        printf("# taken %zu of %zu\n", w.at, d->used);
    }
}

/* SOCKS5's reasons (RFC 1928 6). */
static void
refusals(void)
{
    static const int errnos[] = { -1,
                                  0,
                                  EACCES,
                                  ENETUNREACH,
                                  EHOSTUNREACH,
                                  ECONNREFUSED,
                                  EHOSTUNREACH,
                                  0,
                                  EAFNOSUPPORT,
                                  0,
                                  0 };
    struct dialogue d = dialogues[0];
    unsigned i;

    for (i = 1; i < sizeof errnos / sizeof errnos[0]; i++) {
        char reply[] = "\x05\x00\x05?\x00\x01\x00";
        struct nsx_proxy p;
        struct wire w;

        reply[3] = (char)(i == 10 ? 0xff : i);
        d.reply = reply;
        d.reply_len = sizeof reply - 1;
        (void)begin(&p, &d);
        drive(&p, &d, &w, 100, 100);
        ok(nsx_proxy_want(&p) == NSX_ERROR && p.error.sys_errno == errnos[i],
           "reply %u: %s", i, p.error.text);
        nsx_proxy_free(&p);
    }
}

/* ---- closed at each point ---- */

static void
closed(const struct dialogue *d)
{
    struct dialogue part = *d;
    struct nsx_proxy p;
    struct wire w;
    size_t n;
    int good = 1;

    for (n = 0; good && n < d->used; n++) {
        part.reply_len = n;
        (void)begin(&p, d);
        drive(&p, &part, &w, 1000, 1000);
        good = nsx_proxy_want(&p) == NSX_WANT_READ;
        nsx_proxy_closed(&p);
        good = good && nsx_proxy_want(&p) == NSX_ERROR
            && p.error.sys_errno == ECONNRESET
            && !strcmp(p.error.text, "the proxy closed the connection");
        nsx_proxy_free(&p);
    }
    ok(good, "%s: closed at each point", d->name);
}

/* ---- caps ---- */

static void
endless(const char *first, const char *again, const char *name)
{
    struct nsx_proxy p;
    size_t n, total = strlen(first);

    (void)begin(&p, &dialogues[17]);
    (void)nsx_proxy_out(&p, &n);
    nsx_proxy_sent(&p, n);
    (void)nsx_proxy_in(&p, first, strlen(first));
    while (nsx_proxy_want(&p) == NSX_WANT_READ && total < (1u << 20))
        total += nsx_proxy_in(&p, again, strlen(again));
    is_num(total, NSX_MAX_PROXY_REPLY + 1, name);
    is_str(p.error.text, "the proxy's reply is too long", "and why");
    nsx_proxy_free(&p);
}

static void
caps(void)
{
    is_str(dialogues[17].name, "a name to HTTP", "the one that is meant");
    endless("HTTP/1.1 200 OK", "x", "an endless line");
    endless("HTTP/1.1 200 OK\r\n", "A: b\r\n", "endless fields");
    endless("", "HTTP/1.1 100 Continue\r\n\r\n", "endless interim replies");
    endless("", "\r", "endless CRs");
}

/* ---- arguments ---- */

static void
bad_argument(enum nsx_proxy_kind kind, const char *host, size_t host_len,
             unsigned port, const char *user, size_t user_len,
             const char *password, size_t password_len, const char *why)
{
    struct nsx_proxy_request r = { kind, host,     host_len, port,
                                   user, user_len, password, password_len };
    struct nsx_proxy p;

    nsx_error_reset(&e);
    is_num(nsx_proxy_init(&p, &r, &e), NSX_ERROR, why);
    is_num(e.code, NSX_E_ARGUMENT, "as an argument");
    is_str(e.text, why, "with the rule");
}

static void
arguments(void)
{
    static const char *const hosts[] = { "a b",   "a\r\nb",    "a:25",
                                         "[::1]", "a/b",       "a@b",
                                         "%41",   "fe80::1%x", "m\xfc.a",
                                         "a,b",   "?" };
    static char big[NSX_MAX_PROXY_SECRET + 1];
    const char *no_host = "not a host's name or address";
    const char *count = "SOCKS5 takes a user and a password of 1 to 255 octets";
    const char *control =
        "the proxy's user or password has a control character";
    size_t i;

    memset(big, 'x', sizeof big);
    for (i = 0; i < sizeof hosts / sizeof hosts[0]; i++)
        bad_argument(NSX_PROXY_HTTP, hosts[i], strlen(hosts[i]), 25, NULL, 0,
                     NULL, 0, no_host);
    bad_argument(NSX_PROXY_SOCKS5, "", 0, 25, NULL, 0, NULL, 0, no_host);
    bad_argument(NSX_PROXY_SOCKS5, "a\0b", 3, 25, NULL, 0, NULL, 0, no_host);
    bad_argument(NSX_PROXY_SOCKS5, "::1\0b", 5, 25, NULL, 0, NULL, 0, no_host);
    bad_argument(NSX_PROXY_SOCKS5, big, 256, 25, NULL, 0, NULL, 0, no_host);
    bad_argument(NSX_PROXY_SOCKS5, "a", 1, 0, NULL, 0, NULL, 0, "not a port");
    bad_argument(NSX_PROXY_HTTP, "a", 1, 65536, NULL, 0, NULL, 0, "not a port");
    bad_argument(NSX_PROXY_SOCKS5, "a", 1, 25, "", 0, "x", 1, count);
    bad_argument(NSX_PROXY_SOCKS5, "a", 1, 25, "x", 1, "", 0, count);
    bad_argument(NSX_PROXY_SOCKS5, "a", 1, 25, big, 256, "x", 1, count);
    bad_argument(NSX_PROXY_SOCKS5, "a", 1, 25, "x", 1, big, 256, count);
    bad_argument(NSX_PROXY_HTTP, "a", 1, 25, big, sizeof big, "x", 1,
                 "the proxy's user or password is too long");
    bad_argument(NSX_PROXY_HTTP, "a", 1, 25, "x", 1, big, sizeof big,
                 "the proxy's user or password is too long");
    bad_argument(NSX_PROXY_HTTP, "a", 1, 25, "x\n", 2, "x", 1, control);
    bad_argument(NSX_PROXY_HTTP, "a", 1, 25, "x", 1, "x\x7f", 2, control);
    bad_argument(NSX_PROXY_HTTP, "a", 1, 25, "x:y", 3, "x", 1,
                 "a colon in the user of an HTTP proxy");
}

/* ---- memory ---- */

static int
holds(const void *at, size_t n, const char *what)
{
    const char *p = at;
    size_t k = strlen(what), i;

    for (i = 0; i + k <= n; i++)
        if (!memcmp(p + i, what, k))
            return 1;
    return 0;
}

static char seen[8];

/* Looks at each block as it is given back; none is smaller. */
static void
looking_free(void *p)
{
    if (p != NULL && holds(p, 16, "s3cret"))
        memcpy(seen, "seen", 5);
    counting_free(p);
}

static void
memory(const struct dialogue *d)
{
    struct nsx_proxy p;
    struct wire w;
    long n;
    int good = 1;

    for (n = 0; good; n++) {
        failing_after(n);
        live_blocks = 0;
        if (begin(&p, d) == NSX_OK) {
            good = !did_fail;
            drive(&p, d, &w, 1000, 1000);
            good = good && !*compare(&p, d, &w);
            nsx_proxy_free(&p);
        }
        else
            good = did_fail && e.code == NSX_E_NOMEM;
        good = good && live_blocks == 0;
        if (!did_fail)
            break;
    }
    nsx_alloc_hooks(NULL, NULL);
    ok(good && n > 0, "%s: memory that fails %ld times", d->name, n);
}

/* Once it is said the password is nowhere in the machine. */
static void
secrets(void)
{
    const struct dialogue *d = &dialogues[5];
    struct dialogue part = *d;
    struct nsx_proxy p;
    struct wire w;

    seen[0] = '\0';
    failing_after(-1);
    nsx_alloc_hooks(failing_realloc, looking_free);
    (void)begin(&p, d);
    part.reply_len = 2;
    drive(&p, &part, &w, 1000, 1000);
    ok(holds(w.said, w.said_len, "s3cret"), "the password was said");
    ok(p.say[NSX_PROXY_LOGIN].base == NULL, "and is gone at once");
    nsx_proxy_free(&p);
    (void)begin(&p, d);
    part.reply = "\x05\x00";
    drive(&p, &part, &w, 1000, 1000);
    ok(p.say[NSX_PROXY_LOGIN].base == NULL,
       "one that is not wanted goes as soon");
    nsx_proxy_free(&p);
    (void)begin(&p, d);
    nsx_proxy_free(&p);
    is_str(seen, "", "no block with it was given back");
    nsx_alloc_hooks(NULL, NULL);
}

static void
out_of_turn(void)
{
    struct nsx_proxy p;
    struct wire w;
    size_t n;

    (void)begin(&p, &dialogues[0]);
    is_num(nsx_proxy_in(&p, "\x05", 1), 0, "nothing is taken out of turn");
    drive(&p, &dialogues[0], &w, 1000, 1000);
    is_num(nsx_proxy_in(&p, "220", 3), 0, "nor behind the end");
    ok(nsx_proxy_out(&p, &n) == NULL && n == 0, "nothing is left to say");
    nsx_proxy_sent(&p, 5);
    nsx_proxy_closed(&p);
    is_num(nsx_proxy_want(&p), NSX_OK, "an end stays one");
    nsx_proxy_free(&p);
}

int
main(void)
{
    size_t i;

    arena_init(&arena, 4096);
    for (i = 0; i < sizeof dialogues / sizeof dialogues[0]; i++) {
        every_split(&dialogues[i]);
        memory(&dialogues[i]);
        if (dialogues[i].end == NSX_OK)
            closed(&dialogues[i]);
    }
    refusals();
    caps();
    arguments();
    secrets();
    out_of_turn();
    return done_testing();
}
