/*
 * Application data: records cut and joined, the end of the stream told from
 * its truncation, key update, renegotiation, broken lines.
 */
#include "tap.h"

#include "tls_net.h"

#include "nsx_channel.h"

#define HOST "mail.example.org"
#define BIG 300000u

static struct id ca, leaf, leaf2;
static struct nsx_tls_config *any, *tls12;

static struct nsx_tls_config *
make_config(const char *version, int no_reneg)
{
    const char *file = pki_path("ca.pem");
    struct nsx_tls_options o;
    struct nsx_tls_config *c;
    struct nsx_error e;
    int needs;

    nsx_error_reset(&e);
    nsx_tls_options_init(&o);
    o.ca_files = &file;
    o.ca_file_count = 1;
    o.version = version;
    o.no_renegotiation = no_reneg;
    c = nsx_tls_config_new(&o, &needs, &e);
    if (!c)
        bail_out(e.text);
    return c;
}

static void
talk(struct link *l, struct nsx_tls_config *c)
{
    static const struct nsx_tls_target t = { HOST, HOST, NULL };

    link_open(l, server_ctx(&leaf, NULL));
    if (link_handshake(l, c, &t) != NSX_TLS_DONE)
        bail_out(l->error.text);
}

/* The same text in records of every size, through every chunk. */
static void
test_records(void)
{
    static const char text[] = "250-mail.example.org\r\n250-SIZE 1000\r\n"
                               "250 CHUNKING\r\n";
    static const size_t chunks[] = { 1, 7, 65536 };
    size_t i, k;
    char buf[sizeof text];
    size_t got;

    for (k = 0; k < sizeof chunks / sizeof chunks[0]; k++) {
        size_t good = 0;

        for (i = 1; i < sizeof text; i++) {
            struct link l;
            size_t at;

            talk(&l, any);
            l.chunk = chunks[k];
            for (at = 0; at < sizeof text - 1; at += i)
                server_say(&l, text + at,
                           i < sizeof text - 1 - at ? i : sizeof text - 1 - at);
            good += client_read(&l, buf, sizeof text - 1, &got) == NSX_OK
                && memcmp(buf, text, sizeof text - 1) == 0;
            link_close(&l);
            if (k == 0)
                i += 6;
        }
        ok(good >= (sizeof text - 1) / 7,
           "records of every size, %d octets at a time", (int)chunks[k]);
    }
}

static void
test_pending(void)
{
    struct link l;
    char buf[10];
    size_t done;

    talk(&l, any);
    server_say(&l, "250 a\r\n250 b\r\n", 14);
    relay(&l);
    while (nsx_tls_recv(l.tls, &l.io, buf, 7, &done, &l.error) != NSX_OK)
        relay(&l);
    is_mem(buf, done, "250 a\r\n", 7, "the first reply of a record");
    is_num(nsx_tls_pending(l.tls), 7, "the second is pending");
    is_num(nsx_tls_transport.pending(l.tls), 7, "for the channel too");
    ok(nsx_tls_recv(l.tls, &l.io, buf, 7, &done, &l.error) == NSX_OK
           && memcmp(buf, "250 b\r\n", 7) == 0,
       "and comes without the socket");
    is_num(nsx_tls_pending(l.tls), 0, "nothing is left");
    ok(nsx_tls_recv(l.tls, &l.io, buf, 7, &done, &l.error) == NSX_WANT_READ,
       "silence is no error");
    link_close(&l);
}

/* Half a record, then the end: nothing of it may be handed out. */
static void
test_half_record(void)
{
    struct link l;
    char buf[100];
    size_t got;

    talk(&l, any);
    client_read(&l, buf, 1, &got); /* the tickets are through */
    l.cut_after = 12;
    server_say(&l, "250 accepted\r\n", 14);
    ok(client_read(&l, buf, 14, &got) == NSX_ERROR && got == 0
           && l.error.code == NSX_E_TLS_TRUNCATED,
       "half a record, then the end: %s", l.error.text);
    link_close(&l);
}

static void
test_truncation(void)
{
    struct link l;
    char buf[100];
    size_t got;

    talk(&l, any);
    server_say(&l, "250 first\r\n250-sec", 18);
    client_read(&l, buf, 18, &got);
    is_num(got, 18, "what came before the end is handed out");
    l.cut_after = 0;
    ok(client_read(&l, buf, 1, &got) == NSX_ERROR
           && l.error.code == NSX_E_TLS_TRUNCATED,
       "an end without close_notify is a truncation");
    ok(strstr(l.error.text, HOST) && strstr(l.error.text, "close_notify"),
       "the error says so: %s", l.error.text);
    link_close(&l);
}

static void
test_close_notify(void)
{
    struct link l;
    char buf[100];
    size_t got;

    talk(&l, any);
    server_say(&l, "221 bye\r\n", 9);
    SSL_shutdown(l.server);
    client_read(&l, buf, 9, &got);
    is_num(got, 9, "data before close_notify");
    ok(client_read(&l, buf, 1, &got) == NSX_ERROR && l.error.code == NSX_E_EOF,
       "close_notify is a clean end");
    nsx_tls_shutdown(l.tls, &l.io);
    nsx_tls_shutdown(l.tls, &l.io);
    relay(&l);
    is_num(SSL_read(l.server, buf, 1), 0, "ours arrives");
    ok(SSL_get_shutdown(l.server) & SSL_RECEIVED_SHUTDOWN, "as close_notify");
    link_close(&l);
}

static void
test_close(void)
{
    struct link l;
    nsx_status st;
    char buf[1];
    long turn;

    talk(&l, any);
    server_say(&l, "421 noise\r\n", 11);
    st = nsx_tls_close(l.tls, &l.io, &l.error);
    ok(st == NSX_WANT_READ, "close waits for the peer");
    for (turn = 0; turn < 1000 && st == NSX_WANT_READ; turn++) {
        relay(&l);
        if (SSL_read(l.server, buf, 1) == 0
            && !(SSL_get_shutdown(l.server) & SSL_SENT_SHUTDOWN))
            SSL_shutdown(l.server);
        st = nsx_tls_close(l.tls, &l.io, &l.error);
    }
    ok(st == NSX_OK && l.error.code == NSX_E_NONE,
       "and ends when both have said goodbye, noise dropped");
    link_close(&l);
}

static void
test_big(void)
{
    static char out[BIG], in[BIG];
    struct link l;
    size_t i, at = 0, got = 0, done;
    nsx_status st = NSX_OK;
    long turn;

    for (i = 0; i < BIG; i++)
        out[i] = (char)(i * 2654435761u >> 13);
    talk(&l, any);
    for (turn = 0; turn < MAX_TURNS && got < BIG; turn++) {
        int rc;

        if (at < BIG) {
            st = nsx_tls_send(l.tls, &l.io, out + at, BIG - at, 0, &done,
                              &l.error);
            if (st == NSX_ERROR)
                break;
            at += done;
        }
        relay(&l);
        rc = SSL_read(l.server, in + got, (int)(BIG - got));
        if (rc > 0)
            got += (size_t)rc;
    }
    ok(got == BIG && memcmp(in, out, BIG) == 0,
       "a body larger than the socket's buffers");
    link_close(&l);
}

/* After WANT_WRITE the rest may be offered at another address. */
static void
test_moving(void)
{
    static char out[BIG], in[BIG];
    struct link l;
    size_t at = 0, got = 0, done;
    int waited = 0;
    long turn;

    memset(out, 'x', sizeof out);
    talk(&l, any);
    while (at < BIG) {
        nsx_status st =
            nsx_tls_send(l.tls, &l.io, out + at, BIG - at, 1, &done, &l.error);

        at += done;
        if (st != NSX_OK) {
            waited = st == NSX_WANT_WRITE;
            break;
        }
    }
    ok(waited, "a full line answers WANT_WRITE");
    for (turn = 0; turn < MAX_TURNS && got < BIG; turn++) {
        char *elsewhere = malloc(BIG - at + 1);
        int rc;

        memcpy(elsewhere, out + at, BIG - at);
        if (at < BIG
            && nsx_tls_send(l.tls, &l.io, elsewhere, BIG - at, 0, &done,
                            &l.error)
                == NSX_OK)
            at += done;
        free(elsewhere);
        relay(&l);
        rc = SSL_read(l.server, in + got, (int)(BIG - got));
        if (rc > 0)
            got += (size_t)rc;
    }
    ok(got == BIG && memcmp(in, out, BIG) == 0, "and goes on from anywhere");
    link_close(&l);
}

static void
test_key_update(void)
{
    struct link l;
    char buf[100];
    size_t got;
    int i;

    talk(&l, any);
    for (i = 0; i < 5; i++) {
        SSL_key_update(l.server, SSL_KEY_UPDATE_REQUESTED);
        server_say(&l, "250 ok\r\n", 8);
        if (client_read(&l, buf, 8, &got) != NSX_OK
            || client_say(&l, "NOOP\r\n", 6) != NSX_OK
            || server_read(&l, buf, 6) != 6)
            break;
    }
    is_num(i, 5, "key updates pass unnoticed");
    link_close(&l);
}

/* The server asks for a renegotiation, then speaks. */
static void
renegotiate(struct link *l)
{
    SSL_set_options(l->server, SSL_OP_NO_SESSION_RESUMPTION_ON_RENEGOTIATION);
    SSL_renegotiate(l->server);
    SSL_do_handshake(l->server);
}

static int
survives_renegotiation(struct link *l)
{
    char buf[64];
    size_t got;
    long turn;

    renegotiate(l);
    for (turn = 0; turn < 1000; turn++) {
        size_t done;

        if (nsx_tls_recv(l->tls, &l->io, buf, 1, &done, &l->error) == NSX_ERROR)
            return 0;
        relay(l);
        (void)SSL_read(l->server, buf, 1);
        if (SSL_is_init_finished(l->server)
            && !SSL_renegotiate_pending(l->server) && turn > 20)
            break;
    }
    server_say(l, "250 ok\r\n", 8);
    return client_read(l, buf, 8, &got) == NSX_OK
        && memcmp(buf, "250 ok\r\n", 8) == 0;
}

static void
test_renegotiation(void)
{
    struct nsx_tls_config *refusing = make_config("TLSv1_2", 1);
    struct link l;
    char buf[8];
    long turn;

    talk(&l, tls12);
    if (!ok(survives_renegotiation(&l), "renegotiation with the same peer"))
        printf("# %s\n", l.error.text);
    link_close(&l);

    talk(&l, tls12);
    SSL_use_certificate(l.server, leaf2.cert);
    SSL_use_PrivateKey(l.server, leaf2.key);
    ok(!survives_renegotiation(&l) && l.error.code == NSX_E_TLS_VERIFY
           && strstr(l.error.text, "changed its certificate"),
       "another peer is refused: %s", l.error.text);
    link_close(&l);

    talk(&l, refusing);
    renegotiate(&l);
    for (turn = 0; turn < 100; turn++) {
        size_t done;

        if (nsx_tls_recv(l.tls, &l.io, buf, 1, &done, &l.error) == NSX_ERROR)
            break;
        relay(&l);
        (void)SSL_read(l.server, buf, 1);
    }
    ok(!SSL_is_init_finished(l.server) || turn < 100,
       "or renegotiation is refused altogether");
    link_close(&l);
    nsx_tls_config_drop(refusing);
}

/* TLS 1.3: the server wants a certificate in mid-session. */
static void
test_late_client_cert(void)
{
    static const struct nsx_tls_target t = { HOST, HOST, NULL };
    struct nsx_tls_options o;
    struct nsx_tls_config *c;
    struct nsx_error e;
    struct link l;
    const char *file;
    X509 *shown = NULL;
    char buf[8];
    size_t got;
    int needs;
    long turn;

    nsx_error_reset(&e);
    nsx_tls_options_init(&o);
    o.ca_files = &file;
    o.ca_file_count = 1;
    write_cert("me.pem", leaf2.cert);
    o.cert_file = write_key("me.pem", leaf2.key, NULL);
    file = pki_path("ca.pem");
    c = nsx_tls_config_new(&o, &needs, &e);
    link_open(&l, server_ctx(&leaf, NULL));
    X509_STORE_add_cert(SSL_CTX_get_cert_store(l.ctx), ca.cert);
    if (link_handshake(&l, c, &t) != NSX_TLS_DONE)
        bail_out(l.error.text);
    SSL_set_verify(l.server, SSL_VERIFY_PEER | SSL_VERIFY_POST_HANDSHAKE, NULL);
    ok(SSL_verify_client_post_handshake(l.server) == 1,
       "the server may ask for a certificate later");
    SSL_do_handshake(l.server);
    server_say(&l, "250 ok\r\n", 8);
    ok(client_read(&l, buf, 8, &got) == NSX_OK, "the session goes on");
    for (turn = 0; turn < 1000 && !shown; turn++) {
        relay(&l);
        (void)SSL_read(l.server, buf, 1);
        shown = SSL_get_peer_certificate(l.server);
    }
    ok(shown && X509_cmp(shown, leaf2.cert) == 0, "and the server gets ours");
    X509_free(shown);
    link_close(&l);
    nsx_tls_config_drop(c);
}

/* Junk where a record should be. */
static void
test_garbage(void)
{
    struct link l;
    char buf[10];
    size_t got;

    talk(&l, any);
    client_read(&l, buf, 1, &got);
    say(l.near[1], "250 in the clear\r\n");
    ok(client_read(&l, buf, 1, &got) == NSX_ERROR && l.error.code == NSX_E_TLS,
       "octets that are no record: %s", l.error.text);
    nsx_error_reset(&l.error);
    ok(nsx_tls_send(l.tls, &l.io, "x", 1, 0, &got, &l.error) == NSX_ERROR
           && l.error.code == NSX_E_TLS,
       "and the session stays dead");
    nsx_tls_shutdown(l.tls, &l.io);
    ok(nsx_tls_close(l.tls, &l.io, &l.error) == NSX_OK,
       "closing it is harmless");
    link_close(&l);
}

/* The server gives up on a message, says why, and hangs up. */
static void
test_last_words(void)
{
    struct link l;
    char buf[32];
    size_t got;
    nsx_status st = NSX_OK;
    long turn;

    talk(&l, any);
    client_read(&l, buf, 1, &got); /* the tickets are through */
    server_say(&l, "552 too big\r\n", 13);
    relay(&l);
    (void)close(l.near[1]);
    l.near[1] = dup(l.far[0]);
    for (turn = 0; turn < 1000 && st != NSX_ERROR; turn++)
        st = nsx_tls_send(l.tls, &l.io, "DATA", 4, 0, &got, &l.error);
    ok(l.error.code == NSX_E_IO && l.error.sys_errno == EPIPE,
       "writing to a closed line: %s", l.error.text);
    nsx_error_reset(&l.error);
    ok(nsx_tls_recv(l.tls, &l.io, buf, sizeof buf, &got, &l.error) == NSX_OK
           && got == 13 && memcmp(buf, "552 too big\r\n", 13) == 0,
       "the peer's last words can still be read");
    ok(nsx_tls_send(l.tls, &l.io, "DATA", 4, 0, &got, &l.error) == NSX_ERROR,
       "but nothing is sent any more");
    link_close(&l);
}

/* As a transport of a channel. */
static void
test_channel(void)
{
    struct nsx_channel ch;
    struct nsx_reply r;
    struct nsx_reply_line line;
    struct link l;
    size_t used;
    nsx_status st;
    long turn;

    talk(&l, any);
    nsx_channel_init(&ch, l.near[0]);
    ok(nsx_channel_set_transport(&ch, &nsx_tls_transport, l.tls) == NSX_OK,
       "the channel takes the session over");
    l.tls = NULL;
    server_say(&l, "250 hello\r\n", 11);
    nsx_reply_init(&r);
    for (turn = 0; turn < 1000; turn++) {
        st = nsx_channel_reply(&ch, &r, &line, &used);
        if (st != NSX_WANT_READ || nsx_channel_fill(&ch) == NSX_ERROR)
            break;
        relay(&l);
    }
    ok(st == NSX_OK && line.text_len == 5 && memcmp(line.text, "hello", 5) == 0,
       "a reply through it");
    nsx_channel_free(&ch);
    link_close(&l);
}

/* Freeing a session says nothing on the line: a forked child may do it. */
static void
test_silent_free(void)
{
    struct link l;
    char buf[1];

    talk(&l, any);
    relay(&l);
    nsx_tls_free(l.tls);
    l.tls = NULL;
    is_num(recv(l.near[1], buf, 1, 0), -1, "free sends nothing");
    link_close(&l);
}

int
main(void)
{
    struct spec s;

    alarm(100);
    memset(&s, 0, sizeof s);
    s.cn = "CA";
    s.is_ca = 1;
    ca = issue(s);
    s.cn = "leaf";
    s.is_ca = 0;
    s.issuer = &ca;
    s.san = "DNS:" HOST;
    leaf = issue(s);
    leaf2 = issue(s);
    write_cert("ca.pem", ca.cert);
    any = make_config(NULL, 0);
    tls12 = make_config("TLSv1_2", 0);
    test_records();
    test_pending();
    test_half_record();
    test_truncation();
    test_close_notify();
    test_close();
    test_big();
    test_moving();
    test_key_update();
    test_renegotiation();
    test_late_client_cert();
    test_garbage();
    test_last_words();
    test_channel();
    test_silent_free();
    nsx_tls_config_drop(any);
    nsx_tls_config_drop(tls12);
    id_free(&ca);
    id_free(&leaf);
    id_free(&leaf2);
    pki_clean();
    return done_testing();
}
