/*
 * Stapled OCSP answers: good, revoked, stale, forged, about somebody else,
 * missing, under each mode.
 */
#include "tap.h"

#include "tls_net.h"

#define HOST "mail.example.org"

#define TRY NSX_TLS_OCSP_TRY_STAPLE
#define MUST NSX_TLS_OCSP_MUST_STAPLE
#define HARD (NSX_TLS_OCSP_TRY_STAPLE | NSX_TLS_OCSP_FAIL_HARD)
#define NO NSX_TLS_OCSP_NO_STAPLE

#define FOREVER 0L /* no nextUpdate */

static struct id ca, leaf, stranger, other;
static const char *ca_file;

struct staple {
    const unsigned char *der;
    int len;
};

/* From 3.6 on OpenSSL's server sends nothing in place of a staple that is no
 * OCSP response or speaks of other certificates, and its client ends the
 * handshake at octets that are none. */
static int
server_checks_staples(void)
{
#ifdef LIBRESSL_VERSION_NUMBER
    return 0;
#else
    return OpenSSL_version_num() >= 0x30600000UL;
#endif
}

static int
staple_cb(SSL *ssl, void *arg)
{
    const struct staple *s = arg;
    unsigned char *copy;

    if (!s->len)
        return SSL_TLSEXT_ERR_NOACK;
    copy = OPENSSL_malloc((size_t)s->len);
    memcpy(copy, s->der, (size_t)s->len);
    SSL_set_tlsext_status_ocsp_resp(ssl, copy, s->len);
    return SSL_TLSEXT_ERR_OK;
}

struct reply {
    int status;
    long from, until; /* seconds from now; until may be FOREVER */
    const struct id *signer;
    X509 *about;
    const struct id *issuer; /* of about */
    const EVP_MD *md;
};

static int
make_staple(const struct reply *r, unsigned char **der)
{
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    OCSP_CERTID *id = OCSP_cert_to_id(r->md, r->about, r->issuer->cert);
    ASN1_TIME *from = X509_gmtime_adj(NULL, r->from);
    ASN1_TIME *until = X509_gmtime_adj(NULL, r->until);
    OCSP_RESPONSE *resp;
    int len;

    OCSP_basic_add1_status(basic, id, r->status, 0,
                           r->status == V_OCSP_CERTSTATUS_REVOKED ? from : NULL,
                           from, r->until == FOREVER ? NULL : until);
    OCSP_basic_sign(basic, r->signer->cert, r->signer->key, EVP_sha256(), NULL,
                    0);
    resp = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    *der = NULL;
    len = i2d_OCSP_RESPONSE(resp, der);
    OCSP_RESPONSE_free(resp);
    OCSP_BASICRESP_free(basic);
    OCSP_CERTID_free(id);
    ASN1_TIME_free(from);
    ASN1_TIME_free(until);
    return len;
}

/* NULL when accepted, else the error's text (static). */
static const char *
visit(const struct staple *staple, int mode, const char *version,
      const char *pin, enum nsx_tls_staple *found)
{
    static const struct nsx_tls_target t = { HOST, HOST, NULL };
    static struct nsx_error e;
    struct nsx_tls_options o;
    struct nsx_tls_config *c;
    struct link l;
    int needs, done;

    nsx_error_reset(&e);
    nsx_tls_options_init(&o);
    o.ca_files = &ca_file;
    o.ca_file_count = 1;
    o.ocsp_mode = mode;
    o.version = version;
    o.pins = &pin;
    o.pin_count = pin != NULL;
    c = nsx_tls_config_new(&o, &needs, &e);
    link_open(&l, server_ctx(&leaf, NULL));
    SSL_CTX_set_tlsext_status_cb(l.ctx, staple_cb);
    SSL_CTX_set_tlsext_status_arg(l.ctx, (void *)staple);
    done = link_handshake(&l, c, &t) == NSX_TLS_DONE;
    *found = nsx_tls_staple(l.tls);
    e = l.error;
    nsx_tls_config_drop(c);
    link_close(&l);
    return done ? NULL : e.text;
}

static void
check(const char *name, const struct staple *s, int mode,
      enum nsx_tls_staple want, const char *words)
{
    static const char *const versions[] = { "TLSv1_3", "TLSv1_2" };
    size_t v;

    for (v = 0; v < 2; v++) {
        enum nsx_tls_staple found;
        const char *error = visit(s, mode, versions[v], NULL, &found);

        ok((words ? error && strstr(error, words) : !error) && found == want,
           "%s: %s, mode %d: %s", versions[v], name, mode,
           error ? error : "accepted");
    }
}

static void
check_reply(const char *name, struct reply r, int mode,
            enum nsx_tls_staple want, const char *words)
{
    unsigned char *der;
    struct staple s;

    s.len = make_staple(&r, &der);
    s.der = der;
    check(name, &s, mode, want, words);
    OPENSSL_free(der);
}

static struct reply
good(void)
{
    struct reply r = {
        V_OCSP_CERTSTATUS_GOOD, -3600, 3600, &ca, NULL, &ca, NULL
    };

    r.about = leaf.cert;
    return r;
}

static void
test_statuses(void)
{
    struct reply r = good();

    check_reply("good", r, TRY, NSX_TLS_STAPLE_GOOD, NULL);
    check_reply("good", r, MUST, NSX_TLS_STAPLE_GOOD, NULL);
    check_reply("good", r, HARD, NSX_TLS_STAPLE_GOOD, NULL);
    check_reply("good", r, NSX_TLS_OCSP_DEFAULT, NSX_TLS_STAPLE_GOOD, NULL);
    r.md = EVP_sha256();
    check_reply("good, by SHA-256", r, MUST, NSX_TLS_STAPLE_GOOD, NULL);
    r = good();
    r.status = V_OCSP_CERTSTATUS_REVOKED;
    check_reply("revoked", r, TRY, NSX_TLS_STAPLE_REVOKED, "is revoked");
    check_reply("revoked", r, MUST, NSX_TLS_STAPLE_REVOKED, HOST);
    check_reply("revoked, but not asked", r, NO, NSX_TLS_STAPLE_NONE, NULL);
    r.status = V_OCSP_CERTSTATUS_UNKNOWN;
    check_reply("unknown", r, TRY, NSX_TLS_STAPLE_REVOKED, "does not know");
}

/* Without nextUpdate newer news may be had at any time (RFC 6960 4.2.2.1):
 * the answer is of its own day. */
static void
test_open_end(void)
{
    struct reply r = good();

    r.until = FOREVER;
    check_reply("of an hour ago, no end", r, MUST, NSX_TLS_STAPLE_GOOD, NULL);
    r.from = -2 * DAY;
    check_reply("of two days ago, no end", r, TRY, NSX_TLS_STAPLE_UNUSABLE,
                NULL);
    check_reply("of two days ago, no end", r, MUST, NSX_TLS_STAPLE_UNUSABLE,
                "out of date");
    check_reply("of two days ago, no end", r, HARD, NSX_TLS_STAPLE_UNUSABLE,
                "out of date");
    r.until = DAY;
    check_reply("of two days ago, until tomorrow", r, MUST, NSX_TLS_STAPLE_GOOD,
                NULL);
}

static void
test_unusable(void)
{
    struct reply r = good();

    r.from = -7200;
    r.until = -3600;
    check_reply("stale", r, TRY, NSX_TLS_STAPLE_UNUSABLE, NULL);
    check_reply("stale", r, MUST, NSX_TLS_STAPLE_UNUSABLE, "out of date");
    check_reply("stale", r, HARD, NSX_TLS_STAPLE_UNUSABLE, "out of date");
    r = good();
    r.signer = &stranger;
    check_reply("forged", r, TRY, NSX_TLS_STAPLE_UNUSABLE, NULL);
    check_reply("forged", r, MUST, NSX_TLS_STAPLE_UNUSABLE, "signature");
    r.status = V_OCSP_CERTSTATUS_REVOKED;
    check_reply("forged revocation", r, TRY, NSX_TLS_STAPLE_UNUSABLE, NULL);
}

/* The namesake has the leaf's serial number, from another authority. */
static void
test_about_another(void)
{
    struct reply r = good();

    r.issuer = &stranger;
    check_reply("about a namesake", r, TRY, NSX_TLS_STAPLE_UNUSABLE, NULL);
    check_reply("about a namesake", r, MUST, NSX_TLS_STAPLE_UNUSABLE,
                "signature");
    if (server_checks_staples())
        return;
    r = good();
    r.about = other.cert;
    check_reply("about another", r, TRY, NSX_TLS_STAPLE_UNUSABLE, NULL);
    check_reply("about another", r, MUST, NSX_TLS_STAPLE_UNUSABLE,
                "another certificate");
}

/* successful, of a type that nobody knows (OID 0.1) */
static const unsigned char odd_type[] = { 0x30, 0x10, 0x0a, 0x01, 0x00, 0xa0,
                                          0x0b, 0x30, 0x09, 0x06, 0x01, 0x01,
                                          0x04, 0x04, 'j',  'u',  'n',  'k' };
/* basic, but what it holds is no answer */
static const unsigned char hollow[] = { 0x30, 0x18, 0x0a, 0x01, 0x00, 0xa0,
                                        0x13, 0x30, 0x11, 0x06, 0x09, 0x2b,
                                        0x06, 0x01, 0x05, 0x05, 0x07, 0x30,
                                        0x01, 0x01, 0x04, 0x04, 'j',  'u',
                                        'n',  'k' };

static void
test_junk(void)
{
    static const struct staple odd = { odd_type, sizeof odd_type };
    static const struct staple empty = { hollow, sizeof hollow };
    static const struct staple junk = { (const unsigned char *)"junk", 4 };

    check("of no known type", &odd, TRY, NSX_TLS_STAPLE_UNUSABLE, NULL);
    check("of no known type", &odd, MUST, NSX_TLS_STAPLE_UNUSABLE, "malformed");
    check("hollow", &empty, TRY, NSX_TLS_STAPLE_UNUSABLE, NULL);
    check("hollow", &empty, MUST, NSX_TLS_STAPLE_UNUSABLE, "malformed");
    if (server_checks_staples())
        return;
    check("junk", &junk, TRY, NSX_TLS_STAPLE_UNUSABLE, NULL);
    check("junk", &junk, MUST, NSX_TLS_STAPLE_UNUSABLE, "malformed");
}

static void
test_none(void)
{
    static const struct staple none = { NULL, 0 };
    unsigned char refusal[] = { 0x30, 0x03, 0x0a, 0x01, 0x03 }; /* tryLater */
    struct staple later;

    later.der = refusal;
    later.len = sizeof refusal;
    check("try later", &later, TRY, NSX_TLS_STAPLE_UNUSABLE, NULL);
    check("try later", &later, MUST, NSX_TLS_STAPLE_UNUSABLE, "responder");
    check("none", &none, TRY, NSX_TLS_STAPLE_NONE, NULL);
    check("none", &none, HARD, NSX_TLS_STAPLE_NONE, NULL);
    check("none", &none, MUST, NSX_TLS_STAPLE_NONE,
          "did not receive the required stapled OCSP response");
}

static void
test_pinned(void)
{
    static const struct staple none = { NULL, 0 };
    enum nsx_tls_staple found;

    ok(visit(&none, MUST, NULL, pin_of(leaf.cert, 0), &found) == NULL,
       "a pinned certificate needs no staple");
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
    s.cn = "Stranger";
    stranger = issue(s);
    s.cn = "leaf";
    s.is_ca = 0;
    s.issuer = &ca;
    s.san = "DNS:" HOST;
    leaf = issue(s);
    other = issue(s);
    ca_file = strdup(write_cert("ca.pem", ca.cert));
    test_statuses();
    test_open_end();
    test_unusable();
    test_about_another();
    test_junk();
    test_none();
    test_pinned();
    id_free(&ca);
    id_free(&leaf);
    id_free(&other);
    id_free(&stranger);
    free((void *)ca_file);
    pki_clean();
    return done_testing();
}
