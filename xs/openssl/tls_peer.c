/*
 * tls_peer.c - what an object's TLS session knows, as Perl values.
 */
#include "openssl_glue.h"

struct nsx_tls *
nsx_tls_of(pTHX_ SV *smtp)
{
    struct nsx_op op;

    nsx_base->op_enter(aTHX_ &op, smtp);
    (void)nsx_base->op_fd(aTHX_ &op);
    return op.obj->ch.transport == &nsx_tls_transport
        ? (struct nsx_tls *)op.obj->ch.transport_ctx
        : NULL;
}

SV *
nsx_tls_octets(pTHX_ int ok, struct nsx_buf *buf)
{
    SV *sv = ok ? newSVpvn(buf->len ? (const char *)nsx_buf_data(buf) : "",
                           buf->len)
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
    return nsx_tls_octets(aTHX_ ok, &buf);
}
