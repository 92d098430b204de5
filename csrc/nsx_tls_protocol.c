/*
 * nsx_tls_protocol.c - versions, ciphers, groups, ALPN of a configuration.
 */
#include "nsx_tls_priv.h"

#include <string.h>
#include <strings.h>

#define DEFAULT_VERSION "SSLv23:!SSLv3:!SSLv2"
#define ALPN_NAME_MAX 255u /* RFC 7301 3.1: one octet of length */
#define ALPN_LIST_MAX 65535u

/* Words of SSL_version; wire 0: any version. */
static const struct word {
    const char *text;
    int wire;
    int supported;
} words[] = { { "SSLv23", 0, 1 },
              { "SSLv2/3", 0, 1 },
              { "SSLv2", SSL2_VERSION, 0 },
              { "SSLv3", SSL3_VERSION, 0 },
              { "TLSv1", TLS1_VERSION, 1 },
              { "TLSv1_1", TLS1_1_VERSION, 1 },
              { "TLSv11", TLS1_1_VERSION, 1 },
              { "TLSv1_2", TLS1_2_VERSION, 1 },
              { "TLSv12", TLS1_2_VERSION, 1 },
              { "TLSv1_3", TLS1_3_VERSION, 1 },
              { "TLSv13", TLS1_3_VERSION, 1 },
              { NULL, 0, 0 } };

/* What the words add up to. */
struct choice {
    int named;  /* a version was named, or "any" */
    int only;   /* that version; 0: any */
    int off[4]; /* TLS 1.0 .. 1.3 */
};

static const struct word *
find_word(const char *text, size_t len)
{
    const struct word *w;

    for (w = words; w->text; w++)
        if (strlen(w->text) == len && strncasecmp(w->text, text, len) == 0)
            return w;
    return NULL;
}

static nsx_status
bad_version(struct nsx_error *e, const char *why, const char *version)
{
    return nsx_error_set(e, NSX_E_TLS_CONFIG, "nsx_tls_protocol_apply",
                         "%s: '%s'", why, version);
}

static nsx_status
add_word(struct choice *c, const char *text, size_t len, const char *version,
         struct nsx_error *e)
{
    int not = len > 0 && text[0] == '!';
    const struct word *w = find_word(text + not, len - (size_t) not );

    if (!w)
        return bad_version(e, "invalid SSL_version specified", version);
    if (not ) {
        if (w->wire >= TLS1_VERSION)
            c->off[w->wire - TLS1_VERSION] = 1;
        return NSX_OK;
    }
    if (!w->supported)
        return bad_version(e, "SSL_version not supported", version);
    if (c->named && c->only != w->wire)
        return bad_version(e,
                           "cannot set multiple SSL protocols in SSL_version",
                           version);
    c->named = 1;
    c->only = w->wire;
    return NSX_OK;
}

static size_t
blanks(const char *s)
{
    return strspn(s, " \t\r\n");
}

static nsx_status
parse_version(struct choice *c, const char *version, struct nsx_error *e)
{
    const char *p = version;
    nsx_status st = NSX_OK;

    memset(c, 0, sizeof *c);
    while (st == NSX_OK && *p) {
        size_t len = strcspn(p, ": \t\r\n");

        st = add_word(c, p, len, version, e);
        p += len;
        p += blanks(p);
        if (*p == ':')
            p += 1 + blanks(p + 1);
        else if (*p && st == NSX_OK)
            st = bad_version(e, "invalid SSL_version specified", version);
    }
    return st;
}

static int
allowed(const struct choice *c, int wire)
{
    return (c->only == 0 || c->only == wire) && !c->off[wire - TLS1_VERSION];
}

/* "Any" starts at TLS 1.2, or higher where the system's policy says so; only
 * who switches both 1.2 and 1.3 off gets the older ones. */
static int
lowest(const struct choice *c, SSL_CTX *ctx)
{
    int system = (int)SSL_CTX_get_min_proto_version(ctx);

    if (c->only)
        return c->only;
    if (!allowed(c, TLS1_2_VERSION) && !allowed(c, TLS1_3_VERSION))
        return TLS1_VERSION;
    return system > TLS1_2_VERSION ? system : TLS1_2_VERSION;
}

static void
switch_off(SSL_CTX *ctx, const struct choice *c)
{
    if (!allowed(c, TLS1_VERSION))
        SSL_CTX_set_options(ctx, SSL_OP_NO_TLSv1);
    if (!allowed(c, TLS1_1_VERSION))
        SSL_CTX_set_options(ctx, SSL_OP_NO_TLSv1_1);
    if (!allowed(c, TLS1_2_VERSION))
        SSL_CTX_set_options(ctx, SSL_OP_NO_TLSv1_2);
    if (!allowed(c, TLS1_3_VERSION))
        SSL_CTX_set_options(ctx, SSL_OP_NO_TLSv1_3);
}

static nsx_status
apply_version(SSL_CTX *ctx, const char *version, struct nsx_error *e)
{
    struct choice c;
    int wire, left = 0;
    nsx_status st = parse_version(&c, version, e);

    if (st != NSX_OK)
        return st;
    for (wire = TLS1_VERSION; wire <= TLS1_3_VERSION; wire++)
        left += allowed(&c, wire);
    if (!left)
        return bad_version(e, "SSL_version leaves no TLS version", version);
    if (!SSL_CTX_set_min_proto_version(ctx, lowest(&c, ctx))
        || !SSL_CTX_set_max_proto_version(ctx, c.only))
        return bad_version(e, "SSL_version not supported", version);
    switch_off(ctx, &c);
    return NSX_OK;
}

static nsx_status
refuse(struct nsx_error *e, const char *option, const char *value)
{
    char why[NSX_ERROR_TEXT];

    nsx_tls_queue_text(why, sizeof why);
    return nsx_error_set(e, NSX_E_TLS_CONFIG, "nsx_tls_protocol_apply",
                         "%s '%s' can't be used: %s", option, value, why);
}

static nsx_status
append_protocol(struct nsx_buf *list, const char *name, struct nsx_error *e)
{
    size_t len = strlen(name);
    unsigned char octet = (unsigned char)len;

    if (len == 0 || len > ALPN_NAME_MAX)
        return nsx_error_set(e, NSX_E_TLS_CONFIG, "nsx_tls_protocol_apply",
                             "SSL_alpn_protocols: a name has 1 to 255 "
                             "octets, not %lu",
                             (unsigned long)len);
    if (nsx_buf_append(list, &octet, 1) != NSX_E_NONE
        || nsx_buf_append(list, name, len) != NSX_E_NONE)
        return nsx_error_set(e, NSX_E_TLS_CONFIG, "nsx_tls_protocol_apply",
                             "SSL_alpn_protocols: list too long");
    return NSX_OK;
}

static nsx_status
apply_alpn(SSL_CTX *ctx, const struct nsx_tls_options *o, struct nsx_error *e)
{
    struct nsx_buf list;
    nsx_status st = NSX_OK;
    size_t i;

    nsx_buf_init(&list, ALPN_LIST_MAX);
    for (i = 0; st == NSX_OK && i < o->alpn_count; i++)
        st = append_protocol(&list, o->alpn[i], e);
    /* 0 is success here, alone in the library */
    if (st == NSX_OK && list.len
        && SSL_CTX_set_alpn_protos(ctx, nsx_buf_data(&list), (unsigned)list.len)
            != 0)
        st = refuse(e, "SSL_alpn_protocols", o->alpn[0]);
    nsx_buf_free(&list);
    return st;
}

static nsx_status
apply_ciphers(SSL_CTX *ctx, const struct nsx_tls_options *o,
              struct nsx_error *e)
{
    if (o->cipher_list && !SSL_CTX_set_cipher_list(ctx, o->cipher_list))
        return refuse(e, "SSL_cipher_list", o->cipher_list);
    if (o->ciphersuites && !SSL_CTX_set_ciphersuites(ctx, o->ciphersuites))
        return refuse(e, "SSL_ciphersuites", o->ciphersuites);
    if (o->groups && !SSL_CTX_set1_groups_list(ctx, o->groups))
        return refuse(e, "SSL_ecdh_curve", o->groups);
    return NSX_OK;
}

nsx_status
nsx_tls_protocol_apply(SSL_CTX *ctx, const struct nsx_tls_options *o,
                       struct nsx_error *e)
{
    const char *version = o->version ? o->version : DEFAULT_VERSION;
    nsx_status st = apply_version(ctx, version, e);

    if (st == NSX_OK)
        st = apply_ciphers(ctx, o, e);
    if (st == NSX_OK)
        st = apply_alpn(ctx, o, e);
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION);
#ifdef SSL_OP_NO_RENEGOTIATION
    if (o->no_renegotiation)
        SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION);
#endif
    return st;
}
