/*
 * Trust anchors out of files: which count, which are broken, and that what a
 * process keeps for later connections is what the files still say.
 */
#include "tap.h"

#include <openssl/pem.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "tls_net.h"

#define HOST "mail.example.org"

static struct id ca, namesake, other, leaf;

static struct nsx_tls_config *
build(const char *const *files, size_t n, int verify_mode, struct nsx_error *e)
{
    struct nsx_tls_options o;
    int needs;

    nsx_error_reset(e);
    nsx_tls_options_init(&o);
    o.verify_mode = verify_mode;
    o.ca_files = files;
    o.ca_file_count = n;
    return nsx_tls_config_new(&o, &needs, e);
}

/* 1 when the leaf is trusted, 0 when not, -1 when the files are refused. */
static int
visit(const char *const *files, size_t n)
{
    static const struct nsx_tls_target t = { HOST, HOST, NULL };
    struct nsx_error e;
    struct nsx_tls_config *c = build(files, n, NSX_TLS_VERIFY_PEER, &e);
    struct link l;
    int done;

    if (!c)
        return -1;
    link_open(&l, server_ctx(&leaf, NULL));
    done = link_handshake(&l, c, &t) == NSX_TLS_DONE;
    link_close(&l);
    nsx_tls_config_drop(c);
    return done;
}

static int
visit_file(const char *file)
{
    return visit(&file, 1);
}

/* Appends a block of PEM. */
static void
write_block(const char *file, const char *name, const unsigned char *der,
            long len)
{
    FILE *f = fopen(file, "a");

    if (!f || !PEM_write(f, name, "", der, len))
        bail_out("no PEM block");
    fclose(f);
}

/* The certificate with one octet changed, counted from the end if below 0. */
static void
write_broken(const char *file, X509 *cert, int at)
{
    unsigned char *der = NULL;
    int len = i2d_X509(cert, &der);

    der[at < 0 ? len + at : at] ^= 0x40;
    write_block(file, PEM_STRING_X509, der, len);
    OPENSSL_free(der);
}

static void
test_bundles(void)
{
    const char *both[2];
    const char *file = strdup(write_cert("bundle.pem", other.cert));

    is_num(visit_file(file), 0, "a file without our CA");
    write_cert("bundle.pem", namesake.cert);
    is_num(visit_file(file), 0, "its name with another key");
    write_cert("bundle.pem", ca.cert);
    is_num(visit_file(file), 1, "both keys of the name");
    write_text("first.pem", "Some words before\n");
    write_cert("first.pem", namesake.cert);
    both[0] = strdup(pki_path("first.pem"));
    both[1] = strdup(write_cert("second.pem", ca.cert));
    is_num(visit(both, 2), 1, "keys of the name in two files");
    is_num(visit(both, 1), 0, "the first of them alone");
    is_num(visit(both + 1, 1), 1, "the second alone");
    free((void *)both[0]);
    free((void *)both[1]);
    free((void *)file);
}

static void
test_aux(void)
{
    unsigned char *der = NULL;
    const char *file = strdup(pki_path("aux.pem"));
    int len;

    X509_alias_set1(ca.cert, (const unsigned char *)"us", 2);
    len = i2d_X509_AUX(ca.cert, &der);
    write_block(file, PEM_STRING_X509_TRUSTED, der, len);
    is_num(visit_file(file), 1, "a TRUSTED CERTIFICATE");
    OPENSSL_free(der);
    free((void *)file);
}

static void
test_broken(void)
{
    const char *file = strdup(write_cert("broken.pem", ca.cert));

    write_broken(file, other.cert, -1);
    is_num(visit_file(file), 1, "a signature is nothing to an anchor");
    write_broken(file, other.cert, 4);
    is_num(visit_file(file), -1, "a certificate that is none");
    (void)unlink(file);
    write_cert("broken.pem", ca.cert);
    write_block(file, PEM_STRING_X509, (const unsigned char *)"0", 1);
    is_num(visit_file(file), -1, "one that ends in its head");
    write_text("broken.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n");
    is_num(visit_file(file), -1, "one that ends early");
    free((void *)file);
}

/* Octets of any length and content: refused, or no anchor of ours. */
static void
test_mangled(void)
{
    unsigned char *der = NULL;
    const int len = i2d_X509(other.cert, &der);
    const char *file = strdup(pki_path("mangled.pem"));
    int i, trusted = 0;

    for (i = 0; i < len; i++) {
        der[i] ^= 0xff;
        write_text("mangled.pem", "");
        write_block(file, PEM_STRING_X509, der, i % 2 || i == 0 ? len : i);
        trusted += visit_file(file) == 1;
        der[i] ^= 0xff;
    }
    is_num(trusted, 0, "mangled certificates are no anchors");
    OPENSSL_free(der);
    free((void *)file);
}

static void
test_changes(void)
{
    const char *file = strdup(write_cert("changing.pem", ca.cert));
    char pem[4096];
    size_t i, n;
    FILE *f;

    is_num(visit_file(file), 1, "an anchor");
    is_num(visit_file(file), 1, "again");
    f = fopen(file, "r");
    n = f ? fread(pem, 1, sizeof pem - 1, f) : 0;
    if (f)
        fclose(f);
    pem[n] = '\0';
    for (i = 0; i < NSX_MAX_SHARED_STORES + 2; i++) {
        (void)unlink(file);
        write_cert("changing.pem", other.cert);
        ok(visit_file(file) == 0, "gone with the file that had it");
        write_text("changing.pem", pem);
        ok(visit_file(file) == 1, "back, written over the file");
    }
    (void)unlink(file);
    is_num(visit_file(file), -1, "no file");
    free((void *)file);
}

/* Nobody reads what is in the pipe. */
static void
test_unverified(void)
{
    const char *file = strdup(pki_path("pipe"));
    struct nsx_error e;
    int fd, left = 0;

    if (mkfifo(file, 0600) != 0 || (fd = open(file, O_RDWR)) < 0)
        bail_out("no pipe");
    if (write(fd, "unread", 6) != 6)
        bail_out("no octets in the pipe");
    nsx_tls_config_drop(build(&file, 1, NSX_TLS_VERIFY_NONE, &e));
    (void)ioctl(fd, FIONREAD, &left);
    is_num(left, 6, "no anchors are read where nothing is verified");
    close(fd);
    free((void *)file);
}

int
main(void)
{
    struct spec s;

    alarm(100);
    memset(&s, 0, sizeof s);
    s.is_ca = 1;
    s.cn = "CA";
    ca = issue(s);
    namesake = issue(s);
    s.cn = "Other";
    other = issue(s);
    s.cn = "leaf";
    s.is_ca = 0;
    s.issuer = &ca;
    s.san = "DNS:" HOST;
    leaf = issue(s);
    add_ext(leaf.cert, ca.cert, NID_authority_key_identifier, "keyid");
    if (!X509_sign(leaf.cert, ca.key, EVP_sha256()))
        bail_out("no signature");
    test_bundles();
    test_aux();
    test_broken();
    test_mangled();
    test_changes();
    test_unverified();
    id_free(&ca);
    id_free(&namesake);
    id_free(&other);
    id_free(&leaf);
    pki_clean();
    return done_testing();
}
