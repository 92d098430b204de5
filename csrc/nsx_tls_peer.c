#include "nsx_tls_priv.h"

#include <string.h>

#define EXPORTER_LABEL "EXPORTER-Channel-Binding" /* RFC 9266 2 */

static int
is_done(const struct nsx_tls *tls)
{
    return tls->state == NSX_TLS_OPEN || SSL_is_init_finished(tls->ssl);
}

const char *
nsx_tls_cipher(struct nsx_tls *tls)
{
    return is_done(tls) ? SSL_get_cipher_name(tls->ssl) : NULL;
}

int
nsx_tls_version_int(struct nsx_tls *tls)
{
    return is_done(tls) ? SSL_version(tls->ssl) : 0;
}

const char *
nsx_tls_version(struct nsx_tls *tls)
{
    switch (nsx_tls_version_int(tls)) {
    case TLS1_3_VERSION:
        return "TLSv1_3";
    case TLS1_2_VERSION:
        return "TLSv1_2";
    case TLS1_1_VERSION:
        return "TLSv1_1";
    case TLS1_VERSION:
        return "TLSv1";
    default:
        return NULL;
    }
}

const char *
nsx_tls_servername(struct nsx_tls *tls)
{
    return tls->server_name;
}

const char *
nsx_tls_verify_name(struct nsx_tls *tls)
{
    return tls->verify_name;
}

const char *
nsx_tls_alpn(struct nsx_tls *tls, size_t *len)
{
    const unsigned char *name = NULL;
    unsigned n = 0;

    SSL_get0_alpn_selected(tls->ssl, &name, &n);
    *len = n;
    return (const char *)name;
}

int
nsx_tls_session_reused(struct nsx_tls *tls)
{
    return is_done(tls) && SSL_session_reused(tls->ssl);
}

struct x509_st *
nsx_tls_peer_cert(struct nsx_tls *tls)
{
    STACK_OF(X509) * chain;

    if (tls->trial.leaf)
        return tls->trial.leaf;
    chain = SSL_get_peer_cert_chain(tls->ssl);
    return chain && sk_X509_num(chain) ? sk_X509_value(chain, 0) : NULL;
}

struct x509_st *
nsx_tls_own_cert(struct nsx_tls *tls)
{
    return SSL_get_certificate(tls->ssl);
}

size_t
nsx_tls_chain_count(struct nsx_tls *tls)
{
    STACK_OF(X509) *chain = SSL_get_peer_cert_chain(tls->ssl);

    return chain ? (size_t)sk_X509_num(chain) : 0;
}

struct x509_st *
nsx_tls_chain_cert(struct nsx_tls *tls, size_t i)
{
    if (i >= nsx_tls_chain_count(tls))
        return NULL;
    return sk_X509_value(SSL_get_peer_cert_chain(tls->ssl), (int)i);
}

/* Without the extended master secret a TLS 1.2 exporter can be the same on
 * two connections (RFC 7627 1). */
static int
exporter_binds(struct nsx_tls *tls)
{
    if (SSL_version(tls->ssl) >= TLS1_3_VERSION)
        return 1;
#ifdef SSL_get_extms_support
    return SSL_version(tls->ssl) == TLS1_2_VERSION
        && SSL_get_extms_support(tls->ssl) == 1;
#else
    return 0;
#endif
}

int
nsx_tls_binding_exporter(struct nsx_tls *tls, struct nsx_buf *out)
{
    unsigned char key[NSX_TLS_EXPORTER];
    int ok;

    if (tls->state != NSX_TLS_OPEN || !exporter_binds(tls))
        return 0;
    ok = SSL_export_keying_material(tls->ssl, key, sizeof key, EXPORTER_LABEL,
                                    strlen(EXPORTER_LABEL), NULL, 0, 0)
            == 1
        && nsx_buf_append(out, key, sizeof key) == NSX_E_NONE;
    nsx_wipe(key, sizeof key);
    return ok;
}

int
nsx_tls_binding_end_point(struct nsx_tls *tls, struct nsx_buf *out)
{
    X509 *cert = nsx_tls_peer_cert(tls);

    return tls->state == NSX_TLS_OPEN && cert
        && nsx_tls_cert_end_point(cert, out);
}

enum nsx_tls_staple
nsx_tls_staple(struct nsx_tls *tls)
{
    return tls->staple;
}

const char *
nsx_tls_library(void)
{
    return OpenSSL_version(OPENSSL_VERSION);
}
