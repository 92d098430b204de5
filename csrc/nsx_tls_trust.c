/*
 * nsx_tls_trust.c - trust anchors and revocation lists of a configuration.
 */
#include "nsx_tls_priv.h"

#include <errno.h>
#include <openssl/pem.h>
#include <string.h>

static nsx_status
unusable(struct nsx_error *e, const char *option, const char *what)
{
    char why[NSX_ERROR_TEXT];

    nsx_tls_queue_text(why, sizeof why);
    return nsx_error_set(e, NSX_E_TLS_CONFIG, "nsx_tls_trust_apply",
                         "%s %s can't be used: %s", option, what, why);
}

static nsx_status
unreadable(struct nsx_error *e, const char *option, const char *what)
{
    return nsx_error_set(e, NSX_E_TLS_CONFIG, "nsx_tls_trust_apply",
                         "%s %s can't be used: %s", option, what,
                         strerror(errno));
}

static nsx_status
add_crl_file(SSL_CTX *ctx, const char *file, struct nsx_error *e)
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

/* Whether anything will be verified: the chain, or an OCSP answer. */
static int
needs_anchors(const struct nsx_tls_options *o)
{
    return o->verify_mode != NSX_TLS_VERIFY_NONE || o->verify_callback
        || (o->ocsp_mode != NSX_TLS_OCSP_DEFAULT
            && nsx_tls_wants_staple(o->ocsp_mode));
}

static nsx_status
add_anchors(SSL_CTX *ctx, const struct nsx_tls_options *o, struct nsx_error *e)
{
    X509_STORE *store;

    if (!needs_anchors(o))
        return NSX_OK;
    store = nsx_tls_store(o, e);
    if (!store)
        return NSX_ERROR;
    SSL_CTX_set_cert_store(ctx, store); /* takes the reference over */
    return NSX_OK;
}

nsx_status
nsx_tls_trust_apply(SSL_CTX *ctx, const struct nsx_tls_options *o,
                    struct nsx_error *e)
{
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx);
    unsigned long flags = X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN;
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
