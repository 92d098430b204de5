/*
 * tls_peer.c - what an object's TLS session knows, as Perl values.
 */
#include "openssl_glue.h"

struct nsx_tls *
nsx_tls_of(pTHX_ SV *smtp)
{
    struct nsx_op op;
    const struct nsx_channel *ch;

    nsx_base->enter(aTHX_ &op, smtp);
    (void)nsx_base->fd(aTHX_ &op);
    ch = nsx_base->channel(&op);
    return ch->transport == &nsx_tls_transport
        ? (struct nsx_tls *)ch->transport_ctx
        : NULL;
}

/* A new scalar of the buffer's octets, undef when ok is 0; frees buf. */
static SV *
octets(pTHX_ int ok, struct nsx_buf *buf)
{
    SV *sv = ok
        ? newSVpvn(buf->len ? (const char *)nsx_buf_data(buf) : "", buf->len)
        : newSV(0);

    nsx_buf_wipe(buf);
    return sv;
}

SV *
nsx_tls_binding(pTHX_ SV *smtp, const char *type)
{
    struct nsx_tls *tls = nsx_tls_of(aTHX_ smtp);
    struct nsx_buf buf;
    int ok = 0;

    nsx_buf_init(&buf, NSX_MAX_REPLY_LINE);
    if (tls && strEQ(type, "tls-exporter"))
        ok = nsx_tls_binding_exporter(tls, &buf);
    else if (tls && strEQ(type, "tls-server-end-point"))
        ok = nsx_tls_binding_end_point(tls, &buf);
    return octets(aTHX_ ok, &buf);
}

static SV *
maybe_text(pTHX_ const char *text)
{
    return text ? newSVpv(text, 0) : newSV(0);
}

static SV *
alpn(pTHX_ struct nsx_tls *tls)
{
    size_t len = 0;
    const char *name = nsx_tls_alpn(tls, &len);

    return name ? newSVpvn(name, len) : newSV(0);
}

SV *
nsx_tls_fact(pTHX_ SV *smtp, enum nsx_tls_fact what)
{
    struct nsx_tls *tls = nsx_tls_of(aTHX_ smtp);

    if (!tls)
        return newSV(0);
    switch (what) {
    case NSX_FACT_CIPHER:
        return maybe_text(aTHX_ nsx_tls_cipher(tls));
    case NSX_FACT_VERSION:
        return maybe_text(aTHX_ nsx_tls_version(tls));
    case NSX_FACT_VERSION_INT:
        return newSViv(nsx_tls_version_int(tls));
    case NSX_FACT_SERVERNAME:
        return maybe_text(aTHX_ nsx_tls_servername(tls));
    case NSX_FACT_ALPN:
        return alpn(aTHX_ tls);
    case NSX_FACT_REUSED:
        return newSViv(nsx_tls_session_reused(tls));
    case NSX_FACT_PENDING:
        return newSVuv(nsx_tls_pending(tls) + nsx_stream_buffered(aTHX_ smtp));
    case NSX_FACT_VERIFY_NAME:
        return maybe_text(aTHX_ nsx_tls_verify_name(tls));
    }
    return newSV(0);
}

/* --- certificates ------------------------------------------------------ */

static struct x509_st *
cert_of(pTHX_ SV *sv)
{
    struct x509_st *cert = (struct x509_st *)nsx_held(aTHX_ sv, NSX_HELD_CERT);

    if (!cert)
        Perl_croak(aTHX_ "not a certificate of Net::SMTP::XS");
    return cert;
}

SV *
nsx_cert_fact(pTHX_ SV *sv, enum nsx_cert_fact what)
{
    typedef int (*getter)(struct x509_st *, struct nsx_buf *);
    static const getter getters[] = {
        nsx_tls_cert_subject, nsx_tls_cert_issuer, nsx_tls_cert_common_name,
        nsx_tls_cert_dump,    nsx_tls_cert_serial, nsx_tls_cert_der,
        nsx_tls_cert_pem
    };
    struct x509_st *cert = cert_of(aTHX_ sv);
    struct nsx_buf buf;

    nsx_buf_init(&buf, NSX_MAX_REPLY);
    return octets(aTHX_ getters[what](cert, &buf), &buf);
}

SV *
nsx_cert_fingerprint(pTHX_ SV *sv, const char *digest, int pubkey)
{
    struct x509_st *cert = cert_of(aTHX_ sv);
    struct nsx_buf buf;

    nsx_buf_init(&buf, NSX_MAX_REPLY_LINE);
    return octets(aTHX_ nsx_tls_cert_fingerprint(cert, digest, pubkey, &buf),
                  &buf);
}

void
nsx_cert_alt_names(pTHX_ SV *sv, AV *av)
{
    struct nsx_tls_alt_names *names = nsx_tls_alt_names_open(cert_of(aTHX_ sv));
    struct nsx_buf buf;
    int type;

    nsx_buf_init(&buf, NSX_MAX_REPLY);
    while (names && nsx_tls_alt_names_next(names, &type, &buf)) {
        av_push(av, newSViv(type));
        av_push(av, octets(aTHX_ 1, &buf));
    }
    nsx_tls_alt_names_close(names);
    nsx_buf_free(&buf);
}
