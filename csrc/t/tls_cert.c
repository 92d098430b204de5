/*
 * What certificates say, and that memory may run out anywhere.
 */
#include "tap.h"

#include "tls_net.h"

#include "nsx_tls_cert.h"

#define HOST "mail.example.org"

static struct id ca, leaf, bare;

static void
is_text(struct nsx_buf *b, const char *want, const char *name)
{
    is_mem((const char *)nsx_buf_data(b), b->len, want, strlen(want), name);
    nsx_buf_clear(b);
}

static void
test_fields(void)
{
    struct nsx_buf b;
    time_t from, until, now = time(NULL);
    BIO *bio;
    X509 *again;

    nsx_buf_init(&b, 65536);
    ok(nsx_tls_cert_subject(leaf.cert, &b), "subject");
    is_text(&b, "/O=Test/CN=m\\xC3\\xA4il", "in one line");
    ok(nsx_tls_cert_issuer(leaf.cert, &b), "issuer");
    is_text(&b, "/O=Test/CN=CA", "in one line");
    ok(nsx_tls_cert_common_name(leaf.cert, &b), "commonName");
    is_text(&b, "m\xc3\xa4il", "in UTF-8");
    ok(!nsx_tls_cert_common_name(bare.cert, &b) && b.len == 0,
       "a certificate without one");
    ok(nsx_tls_cert_dump(ca.cert, &b), "dump");
    is_text(&b, "Subject Name: /O=Test/CN=CA\nIssuer  Name: /O=Test/CN=CA\n",
            "both names");
    ok(nsx_tls_cert_serial(ca.cert, &b), "serial");
    is_text(&b, "01", "in hex");
    ok(nsx_tls_cert_validity(leaf.cert, &from, &until), "validity");
    ok(from >= now - DAY - 60 && from <= now - DAY + 60
           && until >= now + DAY - 60 && until <= now + DAY + 60,
       "from a day ago to a day from now");
    nsx_tls_cert_pem(leaf.cert, &b);
    bio = BIO_new_mem_buf(nsx_buf_data(&b), (int)b.len);
    again = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    ok(again && X509_cmp(again, leaf.cert) == 0, "PEM and back");
    X509_free(again);
    BIO_free(bio);
    nsx_buf_clear(&b);
    nsx_tls_cert_der(leaf.cert, &b);
    {
        const unsigned char *p = nsx_buf_data(&b);

        again = d2i_X509(NULL, &p, (long)b.len);
        ok(again && X509_cmp(again, leaf.cert) == 0, "DER and back");
        X509_free(again);
    }
    nsx_buf_free(&b);
}

/* The calendar against the C library's. */
static void
test_calendar(void)
{
    static const char *const times[] = { "19700101000000Z", "19991231235959Z",
                                         "20000229120000Z", "20240229000000Z",
                                         "20240301000000Z", "20491231235959Z",
                                         "21000228235959Z", "21000301000000Z" };
    static const long long want[] = { 0,          946684799,  951825600,
                                      1709164800, 1709251200, 2524607999,
                                      4107542399, 4107542400 };
    size_t i, good = 0;

    for (i = 0; i < sizeof times / sizeof times[0]; i++) {
        X509 *cert = X509_new();
        time_t from = 1, until = 1;

        ASN1_TIME_set_string_X509(X509_getm_notBefore(cert), times[i]);
        ASN1_TIME_set_string_X509(X509_getm_notAfter(cert), times[i]);
        good += nsx_tls_cert_validity(cert, &from, &until) && from == want[i]
            && until == want[i];
        X509_free(cert);
    }
    is_num(good, sizeof times / sizeof times[0], "dates of four centuries");
}

static void
test_alt_names(void)
{
    static const struct {
        int type;
        const char *text;
        size_t len;
    } want[] = {
        { 2, HOST, sizeof HOST - 1 },
        { 7, "\177\0\0\1", 4 },
        { 1, "a@example.org", 13 },
        { 6, "http://example.org/", 19 },
        { 8, "1.2.3.4", 7 },
        { 7, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16 },
    };
    struct nsx_tls_alt_names *it = nsx_tls_alt_names_open(leaf.cert);
    struct nsx_buf b;
    size_t i;
    int type;

    nsx_buf_init(&b, 1024);
    for (i = 0; i < sizeof want / sizeof want[0]; i++) {
        ok(nsx_tls_alt_names_next(it, &type, &b) && type == want[i].type,
           "type %d", want[i].type);
        is_mem((const char *)nsx_buf_data(&b), b.len, want[i].text, want[i].len,
               "and its text");
        nsx_buf_clear(&b);
    }
    ok(!nsx_tls_alt_names_next(it, &type, &b), "no more");
    nsx_tls_alt_names_close(it);
    ok(nsx_tls_alt_names_open(bare.cert) == NULL, "none at all");
    nsx_tls_alt_names_close(NULL);
    nsx_buf_free(&b);
}

static void
test_digests(void)
{
    struct nsx_buf b;
    unsigned char md[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    nsx_buf_init(&b, 1024);
    X509_digest(leaf.cert, EVP_sha1(), md, &n);
    ok(nsx_tls_cert_fingerprint(leaf.cert, "sha1", 0, &b), "fingerprint");
    is_mem((const char *)nsx_buf_data(&b), b.len, (const char *)md, n,
           "by SHA-1");
    nsx_buf_clear(&b);
    X509_pubkey_digest(leaf.cert, EVP_sha256(), md, &n);
    ok(nsx_tls_cert_fingerprint(leaf.cert, "sha256", 1, &b), "of the key");
    is_mem((const char *)nsx_buf_data(&b), b.len, (const char *)md, n,
           "by SHA-256");
    nsx_buf_clear(&b);
    ok(!nsx_tls_cert_fingerprint(leaf.cert, "nosuch", 0, &b) && b.len == 0,
       "unknown digest");
    nsx_buf_free(&b);
}

/* RFC 5929 4.1: the hash of the signature, but never MD5 or SHA-1. */
static void
test_end_point(void)
{
    static const struct {
        const char *sign, *bind;
    } cases[] = { { "sha1", "sha256" },
                  { "sha256", "sha256" },
                  { "sha384", "sha384" },
                  { "sha512", "sha512" } };
    size_t i;

    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct spec s;
        struct id id;
        struct nsx_buf b;
        unsigned char md[EVP_MAX_MD_SIZE];
        unsigned n = 0;

        memset(&s, 0, sizeof s);
        s.cn = "x";
        s.md = EVP_get_digestbyname(cases[i].sign);
        id = issue(s);
        nsx_buf_init(&b, 1024);
        X509_digest(id.cert, EVP_get_digestbyname(cases[i].bind), md, &n);
        ok(nsx_tls_cert_end_point(id.cert, &b) && b.len == n
               && memcmp(nsx_buf_data(&b), md, n) == 0,
           "signed with %s, bound with %s", cases[i].sign, cases[i].bind);
        nsx_buf_free(&b);
        id_free(&id);
    }
}

static void
test_references(void)
{
    X509 *held = nsx_tls_cert_hold(leaf.cert);

    ok(held == leaf.cert, "hold answers the certificate");
    nsx_tls_cert_drop(held);
    nsx_tls_cert_drop(NULL);
    ok(nsx_tls_cert_hold(NULL) == NULL, "nothing to hold");
}

/* --- memory --- */

static int
whole_life(struct nsx_error *e)
{
    static const struct nsx_tls_target t = { HOST, HOST, "h:25" };
    const char *file = pki_path("ca.pem"), *alpn = "smtp",
               *pin = pin_of(ca.cert, 0);
    struct nsx_tls_sessions *s = nsx_tls_sessions_new(3);
    struct nsx_tls_options o;
    struct nsx_tls_config *c;
    struct link l;
    char buf[8];
    size_t got;
    int needs, done = 0;

    nsx_error_reset(e);
    nsx_tls_options_init(&o);
    o.ca_files = &file;
    o.ca_file_count = 1;
    o.alpn = &alpn;
    o.alpn_count = 1;
    o.pins = &pin;
    o.pin_count = 1;
    o.sessions = s;
    c = nsx_tls_config_new(&o, &needs, e);
    if (c) {
        link_open(&l, server_ctx(&leaf, NULL));
        done = link_handshake(&l, c, &t) == NSX_TLS_DONE;
        if (done) {
            server_say(&l, "220 hi\r\n", 8);
            client_read(&l, buf, 8, &got);
        }
        else {
            *e = l.error;
        }
        nsx_tls_config_drop(c);
        link_close(&l);
    }
    nsx_tls_sessions_drop(s);
    return done;
}

static void
test_failing_memory(void)
{
    struct nsx_error e;
    long n, bad = 0;
    int done = 0;

    failing_after(-1);
    ok(whole_life(&e), "with enough memory: %s", e.text);
    is_num(live_blocks, 0, "all of it is given back");
    for (n = 0; n < 100; n++) {
        failing_after(n);
        done = whole_life(&e);
        if (!did_fail)
            break;
        bad += live_blocks != 0;
        if (!done) /* a session less to resume is no failure */
            bad += e.code == NSX_E_NONE;
    }
    ok(n > 5 && n < 100, "memory failed at %ld places", n);
    is_num(bad, 0, "each time with an error and without a leak");
    failing_after(-1);
    nsx_alloc_hooks(NULL, NULL);
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
    s.cn = "m\xc3\xa4il";
    s.is_ca = 0;
    s.issuer = &ca;
    s.san = "DNS:" HOST ",IP:127.0.0.1,email:a@example.org,"
            "URI:http://example.org/,RID:1.2.3.4,IP:::1";
    leaf = issue(s);
    memset(&s, 0, sizeof s);
    bare = issue(s);
    write_cert("ca.pem", ca.cert);
    test_fields();
    test_calendar();
    test_alt_names();
    test_digests();
    test_end_point();
    test_references();
    test_failing_memory();
    id_free(&ca);
    id_free(&leaf);
    id_free(&bare);
    pki_clean();
    return done_testing();
}
