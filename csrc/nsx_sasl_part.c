/*
 * nsx_sasl_part.c - what all mechanisms need: octets put together for what is
 * said, and the ends of an exchange.
 */
#include "nsx_sasl_mech.h"

#include <string.h>
#include "nsx_base64.h"

struct nsx_octets
nsx_octets(const void *data, size_t len)
{
    struct nsx_octets o;

    o.data = data;
    o.len = len;
    return o;
}

struct nsx_octets
nsx_octets_of(const struct nsx_buf *b)
{
    return nsx_octets(nsx_buf_data(b), b->len);
}

static nsx_status
no_room(const struct nsx_buf *b, size_t n, struct nsx_error *e)
{
    if (n > b->cap - b->len)
        return nsx_error_set(e, NSX_E_ARGUMENT, "nsx_sasl_put",
                             "authentication response is too long");
    return nsx_error_set(e, NSX_E_NOMEM, "nsx_sasl_put", NULL);
}

nsx_status
nsx_sasl_put(struct nsx_buf *out, const struct nsx_octets *parts, size_t count,
             struct nsx_error *e)
{
    unsigned char *to;
    size_t i, total = 0;

    for (i = 0; i < count; i++)
        total += parts[i].len;
    nsx_buf_wipe(out);
    if (!total)
        return NSX_OK;
    to = nsx_buf_reserve(out, total);
    if (!to)
        return no_room(out, total, e);
    for (i = 0; i < count; i++) {
        if (parts[i].len)
            memcpy(to, parts[i].data, parts[i].len);
        to += parts[i].len;
    }
    nsx_buf_commit(out, total);
    return NSX_OK;
}

nsx_status
nsx_sasl_append(struct nsx_buf *b, const void *data, size_t n,
                struct nsx_error *e)
{
    if (n && nsx_buf_append(b, data, n) != NSX_E_NONE)
        return no_room(b, n, e);
    return NSX_OK;
}

nsx_status
nsx_sasl_append_base64(struct nsx_buf *b, const void *data, size_t n,
                       struct nsx_error *e)
{
    size_t size = nsx_base64_encoded_size(n);
    unsigned char *to;

    if (!size)
        return NSX_OK;
    to = nsx_buf_reserve(b, size);
    if (!to)
        return no_room(b, size, e);
    nsx_base64_encode(data, n, (char *)to);
    nsx_buf_commit(b, size);
    return NSX_OK;
}

nsx_status
nsx_sasl_append_nonce(const struct nsx_sasl *s, struct nsx_buf *b,
                      struct nsx_error *e)
{
    unsigned char raw[NSX_SASL_NONCE_OCTETS];

    if (s->config.nonce.data)
        return nsx_sasl_append(b, s->config.nonce.data, s->config.nonce.len, e);
    if (nsx_random(raw, sizeof(raw), e) != NSX_OK)
        return NSX_ERROR;
    return nsx_sasl_append_base64(b, raw, sizeof(raw), e);
}

nsx_status
nsx_sasl_append_name(struct nsx_buf *b, struct nsx_octets name,
                     struct nsx_error *e)
{
    const char *p = name.data;
    size_t i;
    nsx_status st = NSX_OK;

    for (i = 0; i < name.len && st == NSX_OK; i++) {
        if (p[i] == ',')
            st = nsx_sasl_append(b, "=2C", 3, e);
        else if (p[i] == '=')
            st = nsx_sasl_append(b, "=3D", 3, e);
        else
            st = nsx_sasl_append(b, p + i, 1, e);
    }
    return st;
}

void
nsx_sasl_refused(struct nsx_sasl *s, struct nsx_octets reason)
{
    const unsigned char *p = reason.data;
    size_t i, n = reason.len;

    if (n > sizeof(s->detail) - 1)
        n = sizeof(s->detail) - 1;
    for (i = 0; i < n; i++)
        s->detail[i] = (char)(p[i] < 0x20 || p[i] == 0x7f ? '?' : p[i]);
    s->detail[n] = '\0';
    s->phase = NSX_SASL_REFUSED;
}

nsx_status
nsx_sasl_bad(const struct nsx_sasl *s, const char *where, const char *complaint,
             struct nsx_error *e)
{
    return nsx_error_set(e, NSX_E_SASL_INPUT, where, "%s: %s", s->mech->name,
                         complaint);
}

void
nsx_sasl_forget(struct nsx_sasl *s)
{
    if (s->arena)
        nsx_wipe(s->arena, s->arena_size);
    memset(&s->config, 0, sizeof(s->config));
}
