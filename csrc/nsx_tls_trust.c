/*
 * nsx_tls_trust.c - trust anchors and revocation lists of a configuration.
 */
#include "nsx_tls_priv.h"

#include <errno.h>
#include <limits.h>
#include <openssl/pem.h>
#include <string.h>
#include <sys/stat.h>

static nsx_status unusable(struct nsx_error *e, const char *option,
                           const char *what)
{
    char why[NSX_ERROR_TEXT];

    nsx_tls_queue_text(why, sizeof why);
    return nsx_error_set(e, NSX_E_TLS_CONFIG, "nsx_tls_trust_apply",
                         "%s %s can't be used: %s", option, what, why);
}

static nsx_status unreadable(struct nsx_error *e, const char *option,
                             const char *what)
{
    return nsx_error_set(e, NSX_E_TLS_CONFIG, "nsx_tls_trust_apply",
                         "%s %s can't be used: %s", option, what,
                         strerror(errno));
}

static int can_open(const char *file)
{
    FILE *f = fopen(file, "r");

    if (f)
        fclose(f);
    return f != NULL;
}

static nsx_status add_file(SSL_CTX *ctx, const char *file, struct nsx_error *e)
{
    if (!can_open(file))
        return unreadable(e, "SSL_ca_file", file);
    if (!SSL_CTX_load_verify_locations(ctx, file, NULL))
        return unusable(e, "SSL_ca_file", file);
    return NSX_OK;
}

/* 1 when one directory of the list exists. */
static int any_directory(const char *list)
{
    char dir[NSX_TLS_MAX_PATH];
    struct stat st;

    while (nsx_tls_path_next(&list, dir, sizeof dir) > 0)
        if (stat(dir, &st) == 0 && S_ISDIR(st.st_mode))
            return 1;
    return 0;
}

static nsx_status add_directories(SSL_CTX *ctx,
                                  const struct nsx_tls_options *o,
                                  struct nsx_error *e)
{
    size_t i, there = 0;

    for (i = 0; i < o->ca_path_count; i++) {
        there += (size_t)any_directory(o->ca_paths[i]);
        if (!SSL_CTX_load_verify_locations(ctx, NULL, o->ca_paths[i]))
            return unusable(e, "SSL_ca_path", o->ca_paths[i]);
    }
    if (o->ca_path_count && !there)
        return nsx_error_set(e, NSX_E_TLS_CONFIG, "nsx_tls_trust_apply",
                             "SSL_ca_path %s does not exist", o->ca_paths[0]);
    return NSX_OK;
}

static BIO *memory_bio(const void *data, size_t len)
{
    return len <= INT_MAX ? BIO_new_mem_buf(data, (int)len) : NULL;
}

static nsx_status add_pem(SSL_CTX *ctx, const struct nsx_tls_options *o,
                          struct nsx_error *e)
{
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    BIO *bio = memory_bio(o->ca_pem, o->ca_pem_len);
    size_t count = 0;
    X509 *cert;

    while (bio && (cert = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL))) {
        count += (size_t)(X509_STORE_add_cert(store, cert) == 1);
        X509_free(cert);
    }
    BIO_free(bio);
    if (!count)
        return unusable(e, "SSL_ca", "PEM text");
    ERR_clear_error(); /* the end of the text counts as an error there */
    return NSX_OK;
}

static nsx_status add_crl_file(SSL_CTX *ctx, const char *file,
                               struct nsx_error *e)
{
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    BIO *bio = BIO_new_file(file, "r");
    size_t count = 0;
    X509_CRL *crl;

    if (!bio) {
        ERR_clear_error();
        return unreadable(e, "SSL_crl_file", file);
    }
    while ((crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL))) {
        count += (size_t)(X509_STORE_add_crl(store, crl) == 1);
        X509_CRL_free(crl);
    }
    BIO_free(bio);
    if (!count)
        return unusable(e, "SSL_crl_file", file);
    ERR_clear_error();
    return NSX_OK;
}

/* With a CRL to be added the store has to be our own. */
static nsx_status add_system(SSL_CTX *ctx, const struct nsx_tls_options *o,
                             struct nsx_error *e)
{
    X509_STORE *store;

    if (o->crl_file) {
        SSL_CTX_set_default_verify_paths(ctx); /* may find none */
        ERR_clear_error();
        return NSX_OK;
    }
    store = nsx_tls_system_store();
    if (!store)
        return nsx_error_set(e, NSX_E_NOMEM, "nsx_tls_trust_apply", NULL);
    SSL_CTX_set_cert_store(ctx, store); /* takes the reference over */
    return NSX_OK;
}

static nsx_status add_anchors(SSL_CTX *ctx, const struct nsx_tls_options *o,
                              struct nsx_error *e)
{
    nsx_status st = NSX_OK;
    size_t i;

    if (o->ca_none)
        return NSX_OK;
    if (!o->ca_pem && !o->ca_file_count && !o->ca_path_count)
        return add_system(ctx, o, e);
    if (o->ca_pem)
        st = add_pem(ctx, o, e);
    for (i = 0; st == NSX_OK && i < o->ca_file_count; i++)
        st = add_file(ctx, o->ca_files[i], e);
    return st == NSX_OK ? add_directories(ctx, o, e) : st;
}

nsx_status nsx_tls_trust_apply(SSL_CTX *ctx, const struct nsx_tls_options *o,
                               struct nsx_error *e)
{
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx);
    unsigned long flags =
        X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN;
    nsx_status st;

    /* On the parameters of the connection, not of the store: an OCSP
     * answer's signature is verified with the store too. */
    if (o->check_crl)
        flags |= X509_V_FLAG_CRL_CHECK;
    X509_VERIFY_PARAM_set_flags(param, flags);
    /* Name constraints hold for the CN too where it may count. */
    if (o->names.cn == NSX_TLS_CN_ALWAYS)
        X509_VERIFY_PARAM_set_hostflags(param,
                                        X509_CHECK_FLAG_ALWAYS_CHECK_SUBJECT);
    st = add_anchors(ctx, o, e);
    if (st != NSX_OK && o->verify_mode == NSX_TLS_VERIFY_NONE) {
        nsx_error_reset(e); /* nobody will ask for them */
        st = NSX_OK;
    }
    if (st == NSX_OK && o->check_crl && o->crl_file)
        st = add_crl_file(ctx, o->crl_file, e);
    return st;
}
