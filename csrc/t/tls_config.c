/*
 * Options: what is accepted, what is refused and in which words; where trust
 * comes from; keys with and without passphrases; the log of secrets.
 */
#include "tap.h"

#include "tls_net.h"

#define HOST "mail.example.org"
#define SECRET "correct horse"

static struct id ca, leaf, me;
static const struct nsx_tls_target target = { HOST, HOST, NULL };

static struct nsx_tls_options
plain(void)
{
    struct nsx_tls_options o;

    nsx_tls_options_init(&o);
    return o;
}

static struct nsx_tls_config *
build(const struct nsx_tls_options *o, struct nsx_error *e)
{
    int needs;

    nsx_error_reset(e);
    return nsx_tls_config_new(o, &needs, e);
}

static void
takes(const char *name, const struct nsx_tls_options *o)
{
    struct nsx_error e;
    struct nsx_tls_config *c = build(o, &e);

    if (!ok(c != NULL, "taken: %s", name))
        printf("# %s\n", e.text);
    nsx_tls_config_drop(c);
}

static void
refuses(const char *name, const struct nsx_tls_options *o, const char *word1,
        const char *word2)
{
    struct nsx_error e;
    struct nsx_tls_config *c = build(o, &e);

    ok(c == NULL && e.code == NSX_E_TLS_CONFIG && strstr(e.text, word1)
           && strstr(e.text, word2),
       "refused: %s: %s", name, e.text);
    nsx_tls_config_drop(c);
}

static void
test_versions(void)
{
    static const char *const good[] = { "SSLv23:!SSLv3:!SSLv2",
                                        "SSLv23",
                                        "sslv2/3",
                                        "TLSv1_2",
                                        "TLSv12",
                                        "TLSv1_3",
                                        "tlsv13",
                                        "TLSv12:!TLSv13",
                                        "SSLv23 : !TLSv1_3",
                                        "",
                                        "!TLSv1_3",
                                        "!SSLv3",
                                        "TLSv1",
                                        "TLSv1_1",
                                        "SSLv23:!TLSv1:!TLSv1_1" };
    static const char *const bad[] = { "TLSv1_4",
                                       "TLS1.2",
                                       "ssl",
                                       "TLSv1_2:TLSv1_3",
                                       "SSLv3",
                                       "SSLv2",
                                       "TLSv1_2:!TLSv1_2",
                                       "!TLSv1:!TLSv11:!TLSv12:!TLSv13",
                                       "TLSv1_2 x",
                                       "!" };
    struct nsx_tls_options o = plain();
    size_t i;

    for (i = 0; i < sizeof good / sizeof good[0]; i++) {
        o.version = good[i];
        takes(good[i], &o);
    }
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        o.version = bad[i];
        refuses(bad[i], &o, "SSL_version", bad[i]);
    }
}

static void
test_ciphers(void)
{
    struct nsx_tls_options o = plain();

    o.cipher_list = "ECDHE-RSA-AES256-GCM-SHA384:HIGH:!aNULL";
    takes("cipher list", &o);
    o.cipher_list = "NO-SUCH-CIPHER";
    refuses("unknown cipher", &o, "SSL_cipher_list", "NO-SUCH-CIPHER");
    o = plain();
    o.ciphersuites = "TLS_AES_128_GCM_SHA256";
    takes("ciphersuites", &o);
    o.ciphersuites = "TLS_NO_SUCH";
    refuses("unknown suite", &o, "SSL_ciphersuites", "TLS_NO_SUCH");
    o = plain();
    o.groups = "P-256:X25519";
    takes("groups", &o);
    o.groups = "P-257";
    refuses("unknown group", &o, "SSL_ecdh_curve", "P-257");
}

static void
test_alpn(void)
{
    const char *list[] = { "smtp", "" };
    char longer[300];
    struct nsx_tls_options o = plain();

    o.alpn = list;
    o.alpn_count = 1;
    takes("ALPN", &o);
    o.alpn_count = 2;
    refuses("empty protocol", &o, "SSL_alpn_protocols", "255");
    memset(longer, 'x', sizeof longer);
    longer[256] = '\0';
    list[1] = longer;
    refuses("protocol of 256 octets", &o, "SSL_alpn_protocols", "255");
}

static void
test_pins(void)
{
    static const char *const good[] = {
        "sha256$"
        "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20",
        "SHA1$01:02:03:04:05:06:07:08:09:0a:0b:0c:0d:0e:0f:10:11:12:13:14",
        "sha256$pub$"
        "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20",
        "pub$0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20",
        "0102030405060708090a0b0c0d0e0f1011121314",
    };
    static const char *const bad[] = {
        "",
        "sha256$",
        "sha256$0102",
        "sha256$xyz",
        "nosuch$0102",
        "0102",
        "sha1$010",
        "$01",
        "sha256$pub$",
        "01020304050607080900102030405060708090010203040506070809001020304050"
        "60708090010203040506070809001020304050607080900102030405060708090010"
    };
    struct nsx_tls_options o = plain();
    size_t i;

    o.pin_count = 1;
    for (i = 0; i < sizeof good / sizeof good[0]; i++) {
        o.pins = &good[i];
        takes(good[i], &o);
    }
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        o.pins = &bad[i];
        refuses("pin", &o, "SSL_fingerprint", "invalid");
    }
}

/* 1 when a handshake under these options succeeds. */
static int
trusts(const struct nsx_tls_options *o, struct nsx_error *e)
{
    struct nsx_tls_config *c = build(o, e);
    struct link l;
    int yes;

    if (!c)
        return 0;
    link_open(&l, server_ctx(&leaf, NULL));
    yes = link_handshake(&l, c, &target) == NSX_TLS_DONE;
    *e = l.error;
    link_close(&l);
    nsx_tls_config_drop(c);
    return yes;
}

/* A directory as c_rehash makes it. */
static void
write_hashed(X509 *cert)
{
    char name[32];

    snprintf(name, sizeof name, "%08lx.0",
             X509_NAME_hash(X509_get_subject_name(cert)));
    write_cert(name, cert);
}

static void
test_anchors(void)
{
    struct nsx_tls_options o = plain();
    struct nsx_error e;
    const char *path = pki_path("nosuch"), *junk;
    BIO *bio = BIO_new(BIO_s_mem());
    char *pem;
    char list[512];

    o.ca_files = &path;
    o.ca_file_count = 1;
    refuses("missing CA file", &o, "SSL_ca_file", "No such file");
    o.verify_mode = NSX_TLS_VERIFY_NONE;
    takes("missing CA file where nothing is verified", &o);
    o = plain();
    junk = strdup(write_text("junk", "no certificate\n"));
    o.ca_files = &junk;
    o.ca_file_count = 1;
    refuses("CA file without a certificate", &o, "SSL_ca_file", "junk");
    o = plain();
    o.ca_paths = &path;
    o.ca_path_count = 1;
    refuses("missing CA directory", &o, "SSL_ca_path", "does not exist");
    write_hashed(ca.cert);
    path = pki_dir;
    ok(trusts(&o, &e), "a CA directory: %s", e.text);
    snprintf(list, sizeof list, "/nonexistent:%s", pki_dir);
    path = list;
    ok(trusts(&o, &e), "a list of them, one missing: %s", e.text);
    o = plain();
    PEM_write_bio_X509(bio, leaf.cert);
    PEM_write_bio_X509(bio, ca.cert);
    o.ca_pem_len = (size_t)BIO_get_mem_data(bio, &pem);
    o.ca_pem = pem;
    ok(trusts(&o, &e), "CAs as text: %s", e.text);
    o.ca_pem = "junk";
    o.ca_pem_len = 4;
    refuses("text without a certificate", &o, "SSL_ca", "PEM");
    o = plain();
    o.check_crl = 1;
    o.crl_file = junk;
    refuses("CRL file without a CRL", &o, "SSL_crl_file", "junk");
    o.crl_file = pki_path("nosuch");
    refuses("missing CRL file", &o, "SSL_crl_file", "No such file");
    BIO_free(bio);
    free((void *)junk);
}

static void
test_environment(void)
{
    struct nsx_tls_options o = plain();
    struct nsx_error e;

    setenv("SSL_CERT_FILE", "/nonexistent", 1);
    setenv("SSL_CERT_DIR", "/nonexistent", 1);
    ok(!trusts(&o, &e), "the system's CAs do not know ours");
    setenv("SSL_CERT_FILE", pki_path("ca.pem"), 1);
    ok(trusts(&o, &e), "SSL_CERT_FILE counts: %s", e.text);
    setenv("SSL_CERT_FILE", "/nonexistent", 1);
    setenv("SSL_CERT_DIR", pki_dir, 1);
    ok(trusts(&o, &e), "SSL_CERT_DIR counts: %s", e.text);
    setenv("SSL_CERT_DIR", "/nonexistent", 1);
    write_cert("system.pem", me.cert);
    setenv("SSL_CERT_FILE", pki_path("system.pem"), 1);
    ok(!trusts(&o, &e), "a bundle without our CA");
    write_cert("system2.pem", ca.cert);
    (void)rename(pki_path("system2.pem"), pki_path("system.pem"));
    ok(trusts(&o, &e), "a bundle that changed is read again: %s", e.text);
    o.check_crl = 1;
    o.crl_file = write_crl("good.crl", &ca, NULL);
    ok(trusts(&o, &e), "a CRL beside the system's CAs: %s", e.text);
    o.crl_file = NULL;
    ok(!trusts(&o, &e), "does not stay with them: %s", e.text);
    unsetenv("SSL_CERT_FILE");
    unsetenv("SSL_CERT_DIR");
}

/* The leaf itself as an anchor. */
static void
test_partial_chain(void)
{
    const char *file = write_cert("leaf.pem", leaf.cert);
    struct nsx_tls_options o = plain();
    struct nsx_error e;

    o.ca_files = &file;
    o.ca_file_count = 1;
    ok(trusts(&o, &e), "a leaf may be its own anchor: %s", e.text);
}

static void
test_keys(void)
{
    struct nsx_tls_options o = plain();
    struct nsx_error e;
    struct nsx_tls_config *c;
    int needs;

    o.cert_file = strdup(write_cert("me.pem", me.cert));
    refuses("no key at all", &o, "SSL_cert_file", "me.pem");
    o.key_file = strdup(write_key("me.key", me.key, NULL));
    takes("certificate and key", &o);
    free((void *)o.key_file);
    o.key_file = pki_path("nosuch");
    refuses("missing key", &o, "SSL_key_file", "No such file");
    o.key_file = strdup(write_key("leaf.key", leaf.key, NULL));
    refuses("another's key", &o, "SSL_key_file", "mismatch");
    free((void *)o.key_file);

    o.key_file = strdup(write_key("me.enc", me.key, SECRET));
    nsx_error_reset(&e);
    c = nsx_tls_config_new(&o, &needs, &e);
    ok(!c && needs && e.code == NSX_E_TLS_CONFIG
           && strstr(e.text, "SSL_passwd_cb"),
       "a passphrase is needed: %s", e.text);
    o.passphrase = SECRET;
    o.passphrase_len = strlen(SECRET);
    nsx_error_reset(&e);
    c = nsx_tls_config_new(&o, &needs, &e);
    ok(c && !needs, "and with it the key opens");
    nsx_tls_config_drop(c);
    o.passphrase = "wrong";
    o.passphrase_len = 5;
    nsx_error_reset(&e);
    c = nsx_tls_config_new(&o, &needs, &e);
    ok(!c && !needs && strstr(e.text, "me.enc") && !strstr(e.text, "wrong"),
       "a wrong one does not: %s", e.text);
    free((void *)o.key_file);
    free((void *)o.cert_file);
}

static void
test_combined(void)
{
    struct nsx_tls_options o = plain();
    FILE *f;

    write_cert("both.pem", me.cert);
    o.cert_file = write_key("both.pem", me.key, NULL);
    takes("certificate and key in one file", &o);
    f = fopen(pki_path("me.der"), "w");
    i2d_X509_fp(f, me.cert);
    fclose(f);
    f = fopen(pki_path("me.kder"), "w");
    i2d_PrivateKey_fp(f, me.key);
    fclose(f);
    o.cert_file = pki_path("me.der");
    o.key_file = pki_path("me.kder");
    takes("certificate and key in DER", &o);
    o.cert_file = write_text("empty.pem", "");
    refuses("an empty file", &o, "SSL_cert_file", "empty.pem");
}

static void
write_p12(const char *name, const char *password)
{
    STACK_OF(X509) *chain = sk_X509_new_null();
    PKCS12 *p12;
    FILE *f;

    sk_X509_push(chain, ca.cert);
    p12 = PKCS12_create(password, "me", me.key, me.cert, chain, 0, 0, 0, 0, 0);
    f = fopen(pki_path(name), "w");
    i2d_PKCS12_fp(f, p12);
    fclose(f);
    PKCS12_free(p12);
    sk_X509_free(chain);
}

static void
test_pkcs12(void)
{
    struct nsx_tls_options o = plain();
    struct nsx_error e;
    struct nsx_tls_config *c;
    int needs;

    write_p12("open.p12", "");
    o.cert_file = pki_path("open.p12");
    takes("PKCS#12 with an empty passphrase", &o);
    write_p12("me.p12", SECRET);
    o.cert_file = pki_path("me.p12");
    nsx_error_reset(&e);
    c = nsx_tls_config_new(&o, &needs, &e);
    ok(!c && needs, "PKCS#12 asks for its passphrase: %s", e.text);
    o.passphrase = SECRET;
    o.passphrase_len = strlen(SECRET);
    takes("PKCS#12 with its passphrase", &o);
    o.passphrase = "wrong";
    o.passphrase_len = 5;
    refuses("PKCS#12 with a wrong passphrase", &o, "SSL_cert_file", "me.p12");
}

static size_t
file_has(const char *name, const char *word)
{
    char line[1024];
    FILE *f = fopen(pki_path(name), "r");
    size_t n = 0;

    while (f && fgets(line, sizeof line, f))
        n += strncmp(line, word, strlen(word)) == 0;
    if (f)
        fclose(f);
    return n;
}

static void
test_keylog(void)
{
    const char *file = strdup(pki_path("ca.pem"));
    struct nsx_tls_options o = plain();
    struct nsx_error e;
    int fd;

    o.ca_files = &file;
    o.ca_file_count = 1;
    o.keylog_file = pki_path("keylog");
    ok(trusts(&o, &e), "with a log of secrets");
    is_num(file_has("keylog", "CLIENT_TRAFFIC_SECRET_0 "), 1, "logged");
    ok(trusts(&o, &e), "again");
    is_num(file_has("keylog", "CLIENT_TRAFFIC_SECRET_0 "), 2, "appended");
    fd = open(pki_path("keylog2"), O_WRONLY | O_CREAT, 0600);
    o.keylog_file = NULL;
    o.keylog_fd = fd;
    ok(trusts(&o, &e), "to a descriptor");
    is_num(file_has("keylog2", "CLIENT_TRAFFIC_SECRET_0 "), 1, "logged");
    ok(fcntl(fd, F_GETFD) >= 0, "which stays open");
    close(fd);
    o = plain();
    o.keylog_file = "/nonexistent/keylog";
    refuses("a log that cannot be written", &o, "SSL_keylog", "/nonexistent");
    free((void *)file);
}

static void
test_identity(void)
{
    struct nsx_tls_options o = plain();
    struct nsx_error e;
    struct nsx_tls_config *a = build(&o, &e), *b = build(&o, &e), *c, *d;

    ok(memcmp(nsx_tls_config_identity(a), nsx_tls_config_identity(b),
              NSX_TLS_IDENTITY)
           == 0,
       "equal options have one identity");
    o.identity = "CODE(0x1)";
    c = build(&o, &e);
    o.identity = NULL;
    o.verify_mode = NSX_TLS_VERIFY_NONE;
    d = build(&o, &e);
    ok(memcmp(nsx_tls_config_identity(a), nsx_tls_config_identity(c),
              NSX_TLS_IDENTITY)
           && memcmp(nsx_tls_config_identity(a), nsx_tls_config_identity(d),
                     NSX_TLS_IDENTITY),
       "others have another");
    nsx_tls_config_drop(a);
    nsx_tls_config_drop(b);
    nsx_tls_config_drop(c);
    nsx_tls_config_drop(d);
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
    me = issue(s);
    write_cert("ca.pem", ca.cert);
    test_versions();
    test_ciphers();
    test_alpn();
    test_pins();
    test_anchors();
    test_environment();
    test_partial_chain();
    test_keys();
    test_combined();
    test_pkcs12();
    test_keylog();
    test_identity();
    id_free(&ca);
    id_free(&leaf);
    id_free(&me);
    pki_clean();
    return done_testing();
}
