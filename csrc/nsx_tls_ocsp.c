/*
 * nsx_tls_ocsp.c - the stapled OCSP answer (RFC 6066 8, RFC 6960).
 */
#include "nsx_tls_priv.h"

#include <openssl/ocsp.h>

/* As in the handshake, any trusted certificate ends the responder's chain. */
#ifdef OCSP_PARTIAL_CHAIN
#define BASIC_VERIFY_FLAGS OCSP_PARTIAL_CHAIN
#else
#define BASIC_VERIFY_FLAGS 0
#endif

#define CLOCK_SKEW 300L /* seconds two clocks may differ */

struct finding {
    enum nsx_tls_staple staple;
    const char *why; /* static */
};

static struct finding
unusable(const char *why)
{
    struct finding f;

    f.staple = NSX_TLS_STAPLE_UNUSABLE;
    f.why = why;
    return f;
}

static STACK_OF(X509) * chain_of(SSL *ssl)
{
    STACK_OF(X509) *chain = SSL_get0_verified_chain(ssl);

    return chain ? chain : SSL_get_peer_cert_chain(ssl);
}

/* The certificate after the leaf; a self-signed leaf is its own issuer. */
static X509 *
issuer_of(STACK_OF(X509) * chain)
{
    X509 *leaf = sk_X509_value(chain, 0);
    X509 *next = sk_X509_num(chain) > 1 ? sk_X509_value(chain, 1) : leaf;

    return X509_check_issued(next, leaf) == X509_V_OK ? next : NULL;
}

/* 1 when the answer is about this certificate, with whatever hash it used. */
static int
is_about(OCSP_SINGLERESP *single, X509 *leaf, X509 *issuer)
{
    OCSP_CERTID *id = (OCSP_CERTID *)OCSP_SINGLERESP_get0_id(single);
    ASN1_OBJECT *alg = NULL;
    const EVP_MD *md;
    OCSP_CERTID *ours;
    int same;

    if (!OCSP_id_get0_info(NULL, &alg, NULL, NULL, id))
        return 0;
    md = EVP_get_digestbyobj(alg);
    ours = md ? OCSP_cert_to_id(md, leaf, issuer) : NULL;
    same = ours && OCSP_id_cmp(ours, id) == 0;
    OCSP_CERTID_free(ours);
    return same;
}

static OCSP_SINGLERESP *
find_single(OCSP_BASICRESP *basic, X509 *leaf, X509 *issuer)
{
    int i;

    for (i = 0; i < OCSP_resp_count(basic); i++) {
        OCSP_SINGLERESP *single = OCSP_resp_get0(basic, i);

        if (is_about(single, leaf, issuer))
            return single;
    }
    return NULL;
}

static struct finding
read_single(OCSP_SINGLERESP *single)
{
    ASN1_GENERALIZEDTIME *this_update = NULL, *next_update = NULL;
    struct finding f = { NSX_TLS_STAPLE_GOOD, "good" };
    int status =
        OCSP_single_get0_status(single, NULL, NULL, &this_update, &next_update);

    if (status != V_OCSP_CERTSTATUS_GOOD) {
        f.staple = NSX_TLS_STAPLE_REVOKED;
        f.why = status == V_OCSP_CERTSTATUS_REVOKED
            ? "the certificate is revoked"
            : "the responder does not know the certificate";
        return f;
    }
    if (!OCSP_check_validity(this_update, next_update, CLOCK_SKEW,
                             next_update ? -1L : NSX_MAX_OCSP_AGE))
        return unusable("it is out of date");
    return f;
}

static struct finding
read_basic(SSL *ssl, OCSP_BASICRESP *basic)
{
    X509_STORE *store = SSL_CTX_get_cert_store(SSL_get_SSL_CTX(ssl));
    STACK_OF(X509) *chain = chain_of(ssl);
    X509 *issuer = chain && sk_X509_num(chain) ? issuer_of(chain) : NULL;
    OCSP_SINGLERESP *single;

    if (!issuer)
        return unusable("the issuer of the certificate is not known");
    if (OCSP_basic_verify(basic, chain, store, BASIC_VERIFY_FLAGS) <= 0)
        return unusable("its signature cannot be verified");
    single = find_single(basic, sk_X509_value(chain, 0), issuer);
    return single ? read_single(single)
                  : unusable("it is about another certificate");
}

static struct finding
read_response(SSL *ssl, OCSP_RESPONSE *response)
{
    OCSP_BASICRESP *basic;
    struct finding f;

    if (!response)
        return unusable("it is malformed");
    if (OCSP_response_status(response) != OCSP_RESPONSE_STATUS_SUCCESSFUL)
        return unusable("it reports an error of the responder");
    basic = OCSP_response_get1_basic(response);
    if (!basic)
        return unusable("it is malformed");
    f = read_basic(ssl, basic);
    OCSP_BASICRESP_free(basic);
    return f;
}

static struct finding
read_staple(SSL *ssl)
{
    struct finding f = { NSX_TLS_STAPLE_NONE, "none came" };
    const unsigned char *der = NULL;
    long len = SSL_get_tlsext_status_ocsp_resp(ssl, &der);
    OCSP_RESPONSE *response;

    if (!der || len <= 0)
        return f;
    response = d2i_OCSP_RESPONSE(NULL, &der, len);
    f = read_response(ssl, response);
    OCSP_RESPONSE_free(response);
    ERR_clear_error();
    return f;
}

static int
is_fatal(enum nsx_tls_staple staple, int mode)
{
    switch (staple) {
    case NSX_TLS_STAPLE_GOOD:
        return 0;
    case NSX_TLS_STAPLE_REVOKED:
        return 1;
    case NSX_TLS_STAPLE_UNUSABLE:
        return (mode & (NSX_TLS_OCSP_MUST_STAPLE | NSX_TLS_OCSP_FAIL_HARD))
            != 0;
    default:
        return (mode & NSX_TLS_OCSP_MUST_STAPLE) != 0;
    }
}

static nsx_status
refuse(const struct nsx_tls *tls, const struct finding *f, struct nsx_error *e)
{
    if (f->staple == NSX_TLS_STAPLE_NONE)
        return nsx_error_set(e, NSX_E_TLS_VERIFY, "nsx_tls_handshake",
                             "did not receive the required stapled OCSP "
                             "response from %s",
                             nsx_tls_whom(tls));
    return nsx_error_set(e, NSX_E_TLS_VERIFY, "nsx_tls_handshake",
                         "OCSP verification failed for %s: %s%s",
                         nsx_tls_whom(tls),
                         f->staple == NSX_TLS_STAPLE_UNUSABLE
                             ? "the stapled response cannot be used, "
                             : "",
                         f->why);
}

int
nsx_tls_wants_staple(int mode)
{
    return !(mode & NSX_TLS_OCSP_NO_STAPLE)
        && (mode & (NSX_TLS_OCSP_TRY_STAPLE | NSX_TLS_OCSP_MUST_STAPLE));
}

nsx_status
nsx_tls_ocsp_check(struct nsx_tls *tls, struct nsx_error *e)
{
    int mode = tls->config->ocsp_mode;
    struct finding f;

    /* A resumed session was checked when it was new; a pinned certificate
     * needs no other voucher. */
    if (!nsx_tls_wants_staple(mode) || tls->trial.by_pin
        || SSL_session_reused(tls->ssl))
        return NSX_OK;
    f = read_staple(tls->ssl);
    tls->staple = f.staple;
    return is_fatal(f.staple, mode) ? refuse(tls, &f, e) : NSX_OK;
}
