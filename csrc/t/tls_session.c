/*
 * Resumption: it saves the certificate, never the verification.
 */
#include "tap.h"

#include "tls_net.h"

#include <stdlib.h>

#define HOST "mail.example.org"

static struct id ca, leaf, other;
static SSL_CTX *shared; /* the server's tickets outlive a connection */

static struct nsx_tls_options
trusting(struct nsx_tls_sessions *s, const char *version)
{
    static const char *file;
    struct nsx_tls_options o;

    if (!file)
        file = strdup(pki_path("ca.pem"));
    nsx_tls_options_init(&o);
    o.ca_files = &file;
    o.ca_file_count = 1;
    o.sessions = s;
    o.version = version;
    return o;
}

/* One connection; 1 resumed, 0 not, -1 failed. */
static int
connect_once(const struct nsx_tls_options *o, const char *host, const char *key,
             int clean)
{
    struct nsx_tls_target t;
    struct nsx_tls_config *c;
    struct nsx_error e;
    struct link l;
    char buf[8];
    size_t got;
    int needs, result = -1;

    nsx_error_reset(&e);
    t.server_name = t.verify_name = host;
    t.session_key = key;
    c = nsx_tls_config_new(o, &needs, &e);
    if (!c)
        bail_out(e.text);
    SSL_CTX_up_ref(shared);
    link_open(&l, shared);
    if (link_handshake(&l, c, &t) == NSX_TLS_DONE) {
        server_say(&l, "220 hi\r\n", 8);
        if (client_read(&l, buf, 8, &got) == NSX_OK)
            result = nsx_tls_session_reused(l.tls);
        if (clean)
            nsx_tls_shutdown(l.tls, &l.io);
    }
    link_close(&l);
    nsx_tls_config_drop(c);
    return result;
}

static void
test_resume(const char *version, int clean)
{
    struct nsx_tls_sessions *s = nsx_tls_sessions_new(10);
    struct nsx_tls_options o = trusting(s, version);

    is_num(connect_once(&o, HOST, "h:25", clean), 0, "first: not resumed");
    ok(nsx_tls_sessions_count(s) > 0, "%s: a session is kept", version);
    is_num(connect_once(&o, HOST, "h:25", clean), 1, "second: resumed");
    is_num(connect_once(&o, HOST, "h:25", clean), 1, "third: resumed");
    is_num(connect_once(&o, HOST, "h:26", clean), 0, "another key: not");
    is_num(connect_once(&o, HOST, NULL, clean), 0, "no key: not");
    nsx_tls_sessions_forget(s, "h:25");
    is_num(connect_once(&o, HOST, "h:25", clean), 0, "forgotten: not");
    nsx_tls_sessions_drop(s);
}

/* What was let in under laxer rules does not come in under stricter ones. */
static void
test_no_weakening(const char *version)
{
    struct nsx_tls_sessions *s = nsx_tls_sessions_new(10);
    struct nsx_tls_options o = trusting(s, version), strict = o;
    const char *pin = pin_of(leaf.cert, 0);

    o.verify_mode = NSX_TLS_VERIFY_NONE;
    is_num(connect_once(&o, "other.example.org", "k", 1), 0,
           "unverified, first");
    is_num(connect_once(&o, "other.example.org", "k", 1), 1,
           "unverified, resumed");
    is_num(connect_once(&strict, "other.example.org", "k", 1), -1,
           "verified: refused in spite of the session");
    is_num(connect_once(&strict, HOST, "k", 1), 0,
           "verified, right name: a handshake of its own");
    is_num(connect_once(&strict, "other.example.org", "k", 1), -1,
           "another name: refused in spite of that session");
    strict.pins = &pin;
    strict.pin_count = 1;
    is_num(connect_once(&strict, HOST, "k", 1), 0, "other pins: not resumed");
    strict.identity = "callback";
    is_num(connect_once(&strict, HOST, "k", 1), 0,
           "another callback: not resumed");
    nsx_tls_sessions_drop(s);
}

static void
test_refused_leaves_none(const char *version)
{
    struct nsx_tls_sessions *s = nsx_tls_sessions_new(10);
    struct nsx_tls_options o = trusting(s, version);

    is_num(connect_once(&o, "other.example.org", "k", 1), -1, "refused");
    is_num(nsx_tls_sessions_count(s), 0, "no session of a refused peer");
    nsx_tls_sessions_drop(s);
}

static void
test_capacity(void)
{
    struct nsx_tls_sessions *s = nsx_tls_sessions_new(3);
    struct nsx_tls_options o = trusting(s, "TLSv1_2");
    char key[2] = "a";

    for (; key[0] < 'f'; key[0]++)
        connect_once(&o, HOST, key, 1);
    is_num(nsx_tls_sessions_count(s), 3, "no more than the capacity");
    is_num(connect_once(&o, HOST, "c", 1), 1, "the third last is there");
    is_num(connect_once(&o, HOST, "b", 1), 0, "the one before is not");
    is_num(connect_once(&o, HOST, "d", 1), 0,
           "nor is what was used least recently");
    is_num(connect_once(&o, HOST, "c", 1), 1, "what was used more recently is");
    ok(nsx_tls_sessions_new(0) == NULL, "a cache of nothing is no cache");
    nsx_tls_sessions_drop(s);
}

static void
write_bundle(const char *name, const struct id *trusted)
{
    remove(pki_path(name));
    write_cert(name, trusted->cert);
}

/* What a resumed session proves is that a CA vouched for the server then. */
static void
test_bundle_changed(const char *version)
{
    struct nsx_tls_sessions *s = nsx_tls_sessions_new(10);
    struct nsx_tls_options o = trusting(s, version);

    o.ca_file_count = 0;
    write_bundle("bundle.pem", &ca);
    setenv("SSL_CERT_FILE", pki_path("bundle.pem"), 1);
    setenv("SSL_CERT_DIR", pki_path("no-directory"), 1);
    is_num(connect_once(&o, HOST, "k", 1), 0, "the default CAs");
    is_num(connect_once(&o, HOST, "k", 1), 1, "resumed while it is unchanged");
    write_bundle("bundle.pem", &other);
    is_num(connect_once(&o, HOST, "k", 1), -1,
           "refused when the CA is gone from the bundle");
    unsetenv("SSL_CERT_FILE");
    unsetenv("SSL_CERT_DIR");
    nsx_tls_sessions_drop(s);
}

static void
test_off(void)
{
    struct nsx_tls_options o = trusting(NULL, NULL);

    connect_once(&o, HOST, "k", 1);
    is_num(connect_once(&o, HOST, "k", 1), 0, "no cache, no resumption");
}

int
main(void)
{
    static const char *const versions[] = { "TLSv1_3", "TLSv1_2" };
    struct spec s;
    size_t v;

    alarm(100);
    memset(&s, 0, sizeof s);
    s.cn = "CA";
    s.is_ca = 1;
    ca = issue(s);
    other = issue(s);
    s.cn = "leaf";
    s.is_ca = 0;
    s.issuer = &ca;
    s.san = "DNS:" HOST;
    leaf = issue(s);
    write_cert("ca.pem", ca.cert);
    shared = server_ctx(&leaf, NULL);
    for (v = 0; v < 2; v++) {
        test_resume(versions[v], 1);
        test_resume(versions[v], 0);
        test_no_weakening(versions[v]);
        test_refused_leaves_none(versions[v]);
        test_bundle_changed(versions[v]);
    }
    test_capacity();
    test_off();
    SSL_CTX_free(shared);
    id_free(&ca);
    id_free(&leaf);
    id_free(&other);
    pki_clean();
    return done_testing();
}
