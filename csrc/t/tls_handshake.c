/*
 * The handshake: who is accepted, who is refused and in which words, over a
 * line that drips, breaks, or speaks no TLS at all.
 */
#include "tap.h"

#include "tls_net.h"

#define HOST "mail.example.org"

static struct id ca, mid, leaf, other_ca;
static const char *ca_file, *other_file;

/* Options that trust our CA. */
static struct nsx_tls_options
trusting(void)
{
    struct nsx_tls_options o;

    nsx_tls_options_init(&o);
    o.ca_files = &ca_file;
    o.ca_file_count = 1;
    return o;
}

static struct nsx_tls_config *
config(const struct nsx_tls_options *o)
{
    struct nsx_error e;
    int needs;
    struct nsx_tls_config *c;

    nsx_error_reset(&e);
    c = nsx_tls_config_new(o, &needs, &e);
    if (!c)
        bail_out(e.text);
    return c;
}

static struct nsx_tls_target
to(const char *host)
{
    struct nsx_tls_target t;

    t.server_name = t.verify_name = host;
    t.session_key = NULL;
    return t;
}

/* One connection to a server with this certificate; the link stays open. */
static enum nsx_tls_step
visit(struct link *l, const struct nsx_tls_options *o, const struct id *server,
      X509 *extra, const char *host)
{
    struct nsx_tls_config *c = config(o);
    struct nsx_tls_target t = to(host);
    enum nsx_tls_step step;

    link_open(l, server_ctx(server, extra));
    step = link_handshake(l, c, &t);
    nsx_tls_config_drop(c);
    return step;
}

static void
accepts(const char *name, const struct nsx_tls_options *o,
        const struct id *server, const char *host)
{
    struct link l;
    enum nsx_tls_step step = visit(&l, o, server, NULL, host);

    if (!ok(step == NSX_TLS_DONE, "accepted: %s", name))
        printf("# %s\n", l.error.text);
    link_close(&l);
}

/* word1 and word2 must be in the text of the error. */
static void
refuses(const char *name, const struct nsx_tls_options *o,
        const struct id *server, const char *host, const char *word1,
        const char *word2)
{
    struct link l;
    enum nsx_tls_step step = visit(&l, o, server, NULL, host);

    ok(step == NSX_TLS_FAILED && l.error.code == NSX_E_TLS_VERIFY,
       "refused: %s", name);
    if (!ok(strstr(l.error.text, word1) && strstr(l.error.text, word2),
            "%s: the error says '%s' and '%s'", name, word1, word2))
        printf("# %s\n", l.error.text);
    link_close(&l);
}

static struct id
make(const char *cn, const char *san, long from, long until,
     const struct id *issuer)
{
    struct spec s;

    memset(&s, 0, sizeof s);
    s.cn = cn;
    s.san = san;
    s.from = from;
    s.until = until;
    s.issuer = issuer;
    return issue(s);
}

static void
test_plain_success(void)
{
    struct nsx_tls_options o = trusting();
    struct link l;

    if (!ok(visit(&l, &o, &leaf, NULL, HOST) == NSX_TLS_DONE, "handshake"))
        bail_out(l.error.text);
    is_str(nsx_tls_version(l.tls), "TLSv1_3", "version");
    is_num(nsx_tls_version_int(l.tls), 0x0304, "version on the wire");
    ok(strncmp(nsx_tls_cipher(l.tls), "TLS_", 4) == 0, "cipher");
    is_str(nsx_tls_servername(l.tls), HOST, "SNI");
    is_str(SSL_get_servername(l.server, TLSEXT_NAMETYPE_host_name), HOST,
           "SNI arrived");
    is_num(nsx_tls_session_reused(l.tls), 0, "not resumed");
    ok(X509_cmp(nsx_tls_peer_cert(l.tls), leaf.cert) == 0, "certificate");
    is_num(nsx_tls_chain_count(l.tls), 1, "chain");
    ok(nsx_tls_own_cert(l.tls) == NULL, "no certificate of ours");
    ok(nsx_tls_handshake(l.tls, &l.io, &l.error) == NSX_TLS_DONE,
       "done stays done");
    link_close(&l);
}

static const char *const versions[] = { "TLSv1_3", "TLSv1_2" };

static void
test_drip(void)
{
    static const size_t chunks[] = { 1, 2, 3, 5, 7, 100, 1000 };
    size_t i, v;

    for (v = 0; v < 2; v++)
        for (i = 0; i < sizeof chunks / sizeof chunks[0]; i++) {
            struct nsx_tls_options o = trusting();
            struct nsx_tls_target t = to(HOST);
            struct nsx_tls_config *c;
            struct link l;

            o.version = versions[v];
            c = config(&o);
            link_open(&l, server_ctx(&leaf, NULL));
            l.chunk = chunks[i];
            ok(link_handshake(&l, c, &t) == NSX_TLS_DONE, "%s in pieces of %d",
               versions[v], (int)chunks[i]);
            nsx_tls_config_drop(c);
            link_close(&l);
        }
}

static void
test_cut(void)
{
    struct nsx_tls_options o = trusting();
    struct nsx_tls_config *c = config(&o);
    struct nsx_tls_target t = to(HOST);
    long at, good = 0, tried = 0;

    for (at = 0; at < 700; at += 13, tried++) {
        struct link l;

        link_open(&l, server_ctx(&leaf, NULL));
        l.cut_after = at;
        good += link_handshake(&l, c, &t) == NSX_TLS_FAILED
            && l.error.code == NSX_E_TLS_TRUNCATED
            && strstr(l.error.text, "during the handshake") != NULL;
        link_close(&l);
    }
    is_num(good, tried, "a handshake that is cut anywhere fails as such");
    nsx_tls_config_drop(c);
}

static void
test_no_tls(void)
{
    struct nsx_tls_options o = trusting();
    struct nsx_tls_config *c = config(&o);
    struct nsx_tls_target t = to(HOST);
    struct link l;

    link_open(&l, NULL);
    say(l.far[1], "220 mail.example.org ESMTP\r\n");
    ok(link_handshake(&l, c, &t) == NSX_TLS_FAILED && l.error.code == NSX_E_TLS
           && strstr(l.error.text, "does not speak TLS"),
       "a server in the clear: %s", l.error.text);
    link_close(&l);
    nsx_tls_config_drop(c);
}

static void
test_chain(void)
{
    struct nsx_tls_options o = trusting(), wrong = trusting();
    struct id expired = make(NULL, "DNS:" HOST, -3 * DAY, -DAY, &ca);
    struct id early = make(NULL, "DNS:" HOST, DAY, 2 * DAY, &ca);
    struct id self = make(HOST, "DNS:" HOST, 0, 0, NULL);
    struct id below = make(NULL, "DNS:" HOST, 0, 0, &mid);
    struct spec client_spec = { "c",  "DNS:" HOST,  0,    0,   &ca, 0,
                                NULL, "clientAuth", NULL, NULL };
    struct id client = issue(client_spec);
    struct link l;

    wrong.ca_files = &other_file;
    accepts("issued by a trusted CA", &o, &leaf, HOST);
    refuses("expired", &o, &expired, HOST, HOST, "has expired");
    refuses("not yet valid", &o, &early, HOST, HOST, "not yet valid");
    refuses("self-signed", &o, &self, HOST, "certificate verify failed",
            "depth 0");
    refuses("unknown CA", &wrong, &leaf, HOST, "certificate verify failed",
            "unable to get local issuer");
    refuses("intermediate missing", &o, &below, HOST, HOST, "issuer");
    refuses("for clients only", &o, &client, HOST, HOST, "purpose");
    ok(visit(&l, &o, &below, mid.cert, HOST) == NSX_TLS_DONE,
       "accepted: intermediate sent");
    is_num(nsx_tls_chain_count(l.tls), 2, "chain of two");
    ok(X509_cmp(nsx_tls_chain_cert(l.tls, 1), mid.cert) == 0
           && nsx_tls_chain_cert(l.tls, 2) == NULL,
       "the second of them");
    link_close(&l);
    o.ca_files = NULL;
    o.ca_file_count = 0;
    o.ca_none = 1;
    refuses("no trust anchor at all", &o, &leaf, HOST, HOST, "issuer");
    id_free(&expired);
    id_free(&early);
    id_free(&self);
    id_free(&below);
    id_free(&client);
}

static void
test_names(void)
{
    struct nsx_tls_options o = trusting();
    struct id cn = make(HOST, NULL, 0, 0, &ca);
    struct id wild = make(NULL, "DNS:*.example.org", 0, 0, &ca);
    struct id ip = make(NULL, "IP:127.0.0.1,IP:::1", 0, 0, &ca);
    struct id ipcn = make("127.0.0.1", NULL, 0, 0, &ca);
    struct id dns_ip = make(NULL, "DNS:127.0.0.1", 0, 0, &ca);

    refuses("another host", &o, &leaf, "other.example.org",
            "hostname verification failed", "not for other.example.org");
    refuses("another host", &o, &leaf, "other.example.org", "but for " HOST,
            "CN=leaf");
    accepts("by its CN", &o, &cn, HOST);
    accepts("by a wildcard", &o, &wild, HOST);
    refuses("wildcard two labels down", &o, &wild, "a.b.example.org",
            "*.example.org", "a.b.example.org");
    accepts("IPv4", &o, &ip, "127.0.0.1");
    accepts("IPv6", &o, &ip, "::1");
    accepts("IPv6 in brackets", &o, &ip, "[::1]");
    refuses("another address", &o, &ip, "127.0.0.2", "127.0.0.2",
            "127.0.0.1, ::1");
    refuses("an address in the CN", &o, &ipcn, "127.0.0.1", "hostname",
            "127.0.0.1");
    refuses("an address as DNS name", &o, &dns_ip, "127.0.0.1", "hostname",
            "127.0.0.1");
    refuses("no host name", &o, &leaf, "mail.example.org\nx", "hostname",
            "not for");
    nsx_tls_scheme("http", &o.names);
    accepts("http takes an IPv4 address in the CN", &o, &ipcn, "127.0.0.1");
    accepts("http takes the CN where no DNS name is", &o, &cn, HOST);
    refuses("http does not where one is", &o, &leaf, "leaf", "hostname",
            "not for leaf");
    nsx_tls_scheme("sip", &o.names);
    refuses("sip takes no wildcard", &o, &wild, HOST, "hostname", HOST);
    nsx_tls_scheme("none", &o.names);
    accepts("scheme none", &o, &leaf, "other.example.org");
    accepts("scheme none without a name", &o, &leaf, NULL);
    id_free(&cn);
    id_free(&wild);
    id_free(&ip);
    id_free(&ipcn);
    id_free(&dns_ip);
}

static void
test_no_name(void)
{
    struct nsx_tls_options o = trusting();
    struct nsx_tls_config *c = config(&o);
    struct nsx_tls_target t = to(NULL);
    struct nsx_error e;

    nsx_error_reset(&e);
    ok(nsx_tls_new(c, &t, &e) == NULL && e.code == NSX_E_TLS_CONFIG,
       "a name to check is needed: %s", e.text);
    nsx_tls_config_drop(c);
}

static void
test_unverified(void)
{
    struct nsx_tls_options o;
    struct id self = make("x", NULL, -3 * DAY, -DAY, NULL);
    const char *pin = "sha256$00";

    nsx_tls_options_init(&o);
    o.verify_mode = NSX_TLS_VERIFY_NONE;
    accepts("anything without verification", &o, &self, HOST);
    accepts("anything without verification and name", &o, &self, NULL);
    pin = pin_of(leaf.cert, 0);
    o.pins = &pin;
    o.pin_count = 1;
    accepts("a wrong pin without verification", &o, &self, HOST);
    id_free(&self);
}

static void
test_pins(void)
{
    struct nsx_tls_options o = trusting(), wrong = trusting();
    struct id self = make("x", NULL, -3 * DAY, -DAY, NULL);
    const char *pin = pin_of(self.cert, 0), *key = pin_of(self.cert, 1);
    const char *list[2];
    char upper[200];
    size_t i;

    list[0] = pin_of(leaf.cert, 0);
    list[1] = pin;
    o.pins = &pin;
    o.pin_count = 1;
    accepts("pinned, though expired, self-signed, misnamed", &o, &self, HOST);
    o.pins = &key;
    accepts("pinned by key", &o, &self, HOST);
    o.pins = list;
    o.pin_count = 2;
    accepts("second pin of two", &o, &self, HOST);
    o.pin_count = 1;
    refuses("another pin", &o, &self, HOST, "certificate verify failed",
            "no SSL_fingerprint fits");
    snprintf(upper, sizeof upper, "%s", pin + strlen("sha256$"));
    for (i = 0; upper[i]; i++)
        if (upper[i] >= 'a')
            upper[i] = (char)(upper[i] - 'a' + 'A');
    list[0] = upper;
    o.pins = list;
    accepts("a pin without the digest's name, in upper case", &o, &self, HOST);
    wrong.pins = &pin;
    wrong.pin_count = 1;
    accepts("another pin, but chain and name are good", &wrong, &leaf, HOST);
    wrong.pins_required = 1;
    refuses("the same where a pin is required", &wrong, &leaf, HOST,
            "fingerprint", HOST);
    id_free(&self);
}

static void
test_crl(void)
{
    struct nsx_tls_options o = trusting();

    o.check_crl = 1;
    refuses("CRL wanted, none there", &o, &leaf, HOST, HOST,
            "unable to get certificate CRL");
    o.crl_file = write_crl("good.crl", &ca, NULL);
    accepts("not on the CRL", &o, &leaf, HOST);
    o.crl_file = write_crl("bad.crl", &ca, leaf.cert);
    refuses("revoked", &o, &leaf, HOST, HOST, "revoked");
}

static void
test_verdicts(void)
{
    struct nsx_tls_options o = trusting();
    struct nsx_tls_target t = to(HOST), t2 = to("other.example.org");
    size_t v;

    o.verify_callback = 1;
    for (v = 0; v < 2; v++) {
        struct nsx_tls_config *c;
        struct link l;

        o.version = versions[v];
        c = config(&o);
        link_open(&l, server_ctx(&leaf, NULL));
        ok(link_handshake(&l, c, &t) == NSX_TLS_DONE && l.verdicts == 2,
           "%s: asked about both certificates", versions[v]);
        link_close(&l);

        link_open(&l, server_ctx(&leaf, NULL));
        l.answer = 0;
        ok(link_handshake(&l, c, &t) == NSX_TLS_FAILED && l.verdicts == 1
               && l.error.code == NSX_E_TLS_VERIFY
               && strstr(l.error.text, "SSL_verify_callback refused"),
           "%s: the caller's no: %s", versions[v], l.error.text);
        link_close(&l);

        link_open(&l, server_ctx(&leaf, NULL));
        l.answer = 1;
        ok(link_handshake(&l, c, &t2) == NSX_TLS_FAILED
               && strstr(l.error.text, "hostname verification failed"),
           "%s: the caller's yes does not cover the name", versions[v]);
        link_close(&l);
        nsx_tls_config_drop(c);
    }
}

static void
test_verdicts_on_strangers(void)
{
    struct nsx_tls_options o = trusting();
    struct nsx_tls_target t = to(HOST);
    struct id self = make("x", NULL, 0, 0, NULL);
    size_t v;

    o.verify_callback = 1;
    nsx_tls_scheme("none", &o.names);
    for (v = 0; v < 2; v++) {
        struct nsx_tls_config *c;
        struct link l;

        o.version = versions[v];
        c = config(&o);
        link_open(&l, server_ctx(&self, NULL));
        l.answer = 1;
        ok(link_handshake(&l, c, &t) == NSX_TLS_DONE && l.verdicts >= 1,
           "%s: the caller's yes covers a self-signed one", versions[v]);
        link_close(&l);
        nsx_tls_config_drop(c);
    }
    o.verify_mode = NSX_TLS_VERIFY_NONE;
    {
        struct nsx_tls_config *c = config(&o);
        struct link l;

        link_open(&l, server_ctx(&self, NULL));
        l.answer = 0;
        ok(link_handshake(&l, c, &t) == NSX_TLS_DONE && l.verdicts >= 1,
           "without verification a no has no effect");
        link_close(&l);
        nsx_tls_config_drop(c);
    }
    id_free(&self);
}

/* Nothing of ours is to reach a server that is still being judged. */
static void
test_judged_first(void)
{
#if defined(SSL_ERROR_WANT_RETRY_VERIFY) && !defined(NSX_TLS_JUDGE_LATE)
    struct nsx_tls_options o = trusting();
    struct nsx_tls_config *c;
    struct nsx_tls_target t = to(HOST);
    struct link l;
    enum nsx_tls_step step;
    long turn;

    o.verify_callback = 1;
    c = config(&o);
    link_open(&l, server_ctx(&leaf, NULL));
    nsx_error_reset(&l.error);
    l.tls = nsx_tls_new(c, &t, &l.error);
    for (turn = 0; turn < MAX_TURNS; turn++) {
        step = nsx_tls_handshake(l.tls, &l.io, &l.error);
        if (step == NSX_TLS_VERDICT)
            break;
        relay(&l);
        server_step(&l);
    }
    for (turn = 0; turn < 100; turn++) {
        relay(&l);
        server_step(&l);
    }
    ok(nsx_tls_handshake(l.tls, &l.io, &l.error) == NSX_TLS_VERDICT,
       "it waits for the verdict");
    is_num(l.accepted, 0, "and the server waits for us");
    link_close(&l);
    nsx_tls_config_drop(c);
#endif
}

static void
test_client_cert(void)
{
    struct nsx_tls_options o = trusting();
    struct nsx_tls_target t = to(HOST);
    struct id me = make("me", NULL, 0, 0, &ca);
    size_t v;

    for (v = 0; v < 2; v++) {
        struct nsx_tls_config *c;
        struct link l;
        char buf[8];
        size_t n;

        o.version = versions[v];
        o.cert_file =
            v == 0 ? write_cert("me.pem", me.cert) : pki_path("me.pem");
        o.key_file =
            v == 0 ? write_key("me.key", me.key, NULL) : pki_path("me.key");
        c = config(&o);
        link_open(&l, server_ctx(&leaf, NULL));
        X509_STORE_add_cert(SSL_CTX_get_cert_store(l.ctx), ca.cert);
        SSL_set_verify(l.server,
                       SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
        X509_STORE_add_cert(SSL_CTX_get_cert_store(SSL_get_SSL_CTX(l.server)),
                            ca.cert);
        ok(link_handshake(&l, c, &t) == NSX_TLS_DONE && l.accepted == 1,
           "%s: our certificate is taken", versions[v]);
        ok(X509_cmp(nsx_tls_own_cert(l.tls), me.cert) == 0,
           "and is the one we sent");
        link_close(&l);
        nsx_tls_config_drop(c);

        o.cert_file = o.key_file = NULL;
        c = config(&o);
        link_open(&l, server_ctx(&leaf, NULL));
        SSL_set_verify(l.server,
                       SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
        if (link_handshake(&l, c, &t) == NSX_TLS_DONE) /* 1.3 tells later */
            client_read(&l, buf, 1, &n);
        ok(l.error.code == NSX_E_TLS && l.accepted == -1, "%s: without one: %s",
           versions[v], l.error.text);
        link_close(&l);
        nsx_tls_config_drop(c);
    }
    id_free(&me);
}

static void
test_versions(void)
{
    struct nsx_tls_options o = trusting();
    struct nsx_tls_target t = to(HOST);
    struct nsx_tls_config *c;
    struct link l;

    o.version = "TLSv12:!TLSv13";
    c = config(&o);
    link_open(&l, server_ctx(&leaf, NULL));
    ok(link_handshake(&l, c, &t) == NSX_TLS_DONE, "TLS 1.2 alone");
    is_str(nsx_tls_version(l.tls), "TLSv1_2", "is TLS 1.2");
    link_close(&l);
    link_open(&l, server_ctx(&leaf, NULL));
    SSL_set_min_proto_version(l.server, TLS1_3_VERSION);
    ok(link_handshake(&l, c, &t) == NSX_TLS_FAILED
           && strstr(l.error.text, "SSL_version"),
       "no version in common: %s", l.error.text);
    link_close(&l);
    nsx_tls_config_drop(c);

    o.version = "SSLv23:!TLSv1_3:!SSLv3:!SSLv2";
    c = config(&o);
    link_open(&l, server_ctx(&leaf, NULL));
    ok(link_handshake(&l, c, &t) == NSX_TLS_DONE
           && nsx_tls_version_int(l.tls) == 0x0303,
       "all but TLS 1.3 is TLS 1.2");
    link_close(&l);
    nsx_tls_config_drop(c);
}

static int
choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
            const unsigned char *in, unsigned n, void *arg)
{
    (void)ssl;
    (void)arg;
    return SSL_select_next_proto((unsigned char **)out, out_len,
                                 (const unsigned char *)"\4smtp", 5, in, n)
            == OPENSSL_NPN_NEGOTIATED
        ? SSL_TLSEXT_ERR_OK
        : SSL_TLSEXT_ERR_NOACK;
}

static void
test_alpn(void)
{
    struct nsx_tls_options o = trusting();
    static const char *const names[] = { "lmtp", "smtp" };
    struct nsx_tls_target t = to(HOST);
    struct nsx_tls_config *c;
    struct link l;
    const char *got;
    size_t n;

    o.alpn = names;
    o.alpn_count = 2;
    c = config(&o);
    link_open(&l, server_ctx(&leaf, NULL));
    SSL_CTX_set_alpn_select_cb(l.ctx, choose_alpn, NULL);
    ok(link_handshake(&l, c, &t) == NSX_TLS_DONE, "with ALPN");
    got = nsx_tls_alpn(l.tls, &n);
    is_mem(got, n, "smtp", 4, "the server's choice");
    link_close(&l);
    link_open(&l, server_ctx(&leaf, NULL));
    ok(link_handshake(&l, c, &t) == NSX_TLS_DONE
           && nsx_tls_alpn(l.tls, &n) == NULL && n == 0,
       "a server without ALPN");
    link_close(&l);
    nsx_tls_config_drop(c);
}

static void
test_bindings(void)
{
    struct nsx_tls_target t = to(HOST);
    size_t v;

    for (v = 0; v < 2; v++) {
        struct nsx_tls_options o = trusting();
        struct nsx_tls_config *c;
        struct nsx_buf b;
        struct link l;
        unsigned char far[32];
        unsigned char md[EVP_MAX_MD_SIZE];
        unsigned n = 0;

        o.version = versions[v];
        c = config(&o);
        nsx_buf_init(&b, 1024);
        link_open(&l, server_ctx(&leaf, NULL));
        link_handshake(&l, c, &t);
        SSL_export_keying_material(l.server, far, sizeof far,
                                   "EXPORTER-Channel-Binding", 24, NULL, 0, 0);
        ok(nsx_tls_binding_exporter(l.tls, &b), "%s: exporter", versions[v]);
        is_mem((const char *)nsx_buf_data(&b), b.len, (const char *)far,
               sizeof far, "the same at both ends");
        nsx_buf_clear(&b);
        X509_digest(leaf.cert, EVP_sha256(), md, &n);
        ok(nsx_tls_binding_end_point(l.tls, &b), "%s: end point", versions[v]);
        is_mem((const char *)nsx_buf_data(&b), b.len, (const char *)md, n,
               "the certificate's digest");
        nsx_buf_free(&b);
        link_close(&l);
        nsx_tls_config_drop(c);
    }
}

/* Without the extended master secret there is no exporter binding. */
static void
test_no_ems(void)
{
#ifdef SSL_OP_NO_EXTENDED_MASTER_SECRET
    struct nsx_tls_options o = trusting();
    struct nsx_tls_target t = to(HOST);
    struct nsx_tls_config *c;
    struct nsx_buf b;
    struct link l;

    o.version = "TLSv1_2";
    c = config(&o);
    nsx_buf_init(&b, 1024);
    link_open(&l, server_ctx(&leaf, NULL));
    SSL_set_options(l.server, SSL_OP_NO_EXTENDED_MASTER_SECRET);
    link_handshake(&l, c, &t);
    ok(!nsx_tls_binding_exporter(l.tls, &b) && b.len == 0,
       "no exporter without the extended master secret");
    link_close(&l);
    nsx_tls_config_drop(c);
    nsx_buf_free(&b);
#endif
}

static void
test_anonymous(void)
{
    struct nsx_tls_options o = trusting();
    struct nsx_tls_target t = to(HOST);
    struct nsx_tls_config *c;
    struct link l;

    o.version = "TLSv1_2";
    o.cipher_list = "aNULL:@SECLEVEL=0";
    c = config(&o);
    link_open(&l, server_ctx(NULL, NULL));
    SSL_set_cipher_list(l.server, "aNULL:@SECLEVEL=0");
    SSL_set_security_level(l.server, 0);
    ok(link_handshake(&l, c, &t) == NSX_TLS_FAILED
           && l.error.code == NSX_E_TLS_VERIFY
           && strstr(l.error.text, "showed none"),
       "a server without a certificate: %s", l.error.text);
    link_close(&l);
    nsx_tls_config_drop(c);
}

static void
test_ip_sni(void)
{
    struct nsx_tls_options o = trusting();
    struct nsx_tls_target t = to("127.0.0.1");
    struct nsx_tls_config *c;
    struct link l;

    nsx_tls_scheme("none", &o.names);
    c = config(&o);
    link_open(&l, server_ctx(&leaf, NULL));
    ok(link_handshake(&l, c, &t) == NSX_TLS_DONE
           && nsx_tls_servername(l.tls) == NULL
           && SSL_get_servername(l.server, TLSEXT_NAMETYPE_host_name) == NULL,
       "an address is not sent as SNI");
    link_close(&l);
    nsx_tls_config_drop(c);
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
    s.cn = "Other CA";
    other_ca = issue(s);
    s.cn = "Middle";
    s.issuer = &ca;
    mid = issue(s);
    leaf = make("leaf", "DNS:" HOST, 0, 0, &ca);
    ca_file = strdup(write_cert("ca.pem", ca.cert));
    other_file = strdup(write_cert("other.pem", other_ca.cert));
    test_plain_success();
    test_drip();
    test_cut();
    test_no_tls();
    test_chain();
    test_names();
    test_no_name();
    test_unverified();
    test_pins();
    test_crl();
    test_verdicts();
    test_verdicts_on_strangers();
    test_judged_first();
    test_client_cert();
    test_versions();
    test_alpn();
    test_bindings();
    test_no_ems();
    test_anonymous();
    test_ip_sni();
    id_free(&ca);
    id_free(&mid);
    id_free(&leaf);
    id_free(&other_ca);
    free((void *)ca_file);
    free((void *)other_file);
    pki_clean();
    return done_testing();
}
