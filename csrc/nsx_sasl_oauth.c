/*
 * nsx_sasl_oauth.c - OAuth 2.0 bearer tokens: OAUTHBEARER (RFC 7628) and its
 * forerunner XOAUTH2.
 *
 * A server that refuses the token sends a challenge with the reason in JSON,
 * and its final reply once the client has acknowledged that.
 */
#include "nsx_sasl_mech.h"

#include <stdio.h>
#include <string.h>

#define KVSEP "\x01" /* RFC 7628 3.1 */
#define PORT_DIGITS 12

static nsx_status
xoauth2_start(struct nsx_sasl *s, struct nsx_buf *out, struct nsx_error *e)
{
    const struct nsx_octets parts[] = { NSX_OCTETS("user="), s->config.authcid,
                                        NSX_OCTETS(KVSEP "auth=Bearer "),
                                        s->config.token,
                                        NSX_OCTETS(KVSEP KVSEP) };
    nsx_status st =
        nsx_sasl_put(out, parts, sizeof(parts) / sizeof(parts[0]), e);

    nsx_sasl_forget(s);
    return st;
}

static nsx_status
xoauth2_step(struct nsx_sasl *s, struct nsx_octets challenge,
             struct nsx_buf *out, struct nsx_error *e)
{
    nsx_sasl_refused(s, challenge);
    return nsx_sasl_put(out, NULL, 0, e);
}

const struct nsx_sasl_ops nsx_sasl_xoauth2_ops = { NSX_SASL_NO_CONTROLS
                                                       | NSX_SASL_WANTS_USER,
                                                   0,
                                                   xoauth2_start,
                                                   xoauth2_step,
                                                   NULL,
                                                   NULL };

/* "n,a=user," and the pairs that say which server is meant. */
static nsx_status
bearer_head(const struct nsx_sasl *s, struct nsx_buf *head, struct nsx_error *e)
{
    const struct nsx_sasl_config *c = &s->config;
    struct nsx_octets who = c->authzid.len ? c->authzid : c->authcid;
    char port[PORT_DIGITS];
    nsx_status st = nsx_sasl_append(head, "n,", 2, e);

    if (st == NSX_OK && who.len)
        st = nsx_sasl_append(head, "a=", 2, e);
    if (st == NSX_OK)
        st = nsx_sasl_append_name(head, who, e);
    if (st == NSX_OK)
        st = nsx_sasl_append(head, ",", 1, e);
    if (st == NSX_OK && c->host.len)
        st = nsx_sasl_append(head, KVSEP "host=", 6, e);
    if (st == NSX_OK)
        st = nsx_sasl_append(head, c->host.data, c->host.len, e);
    if (st != NSX_OK || !c->port)
        return st;
    snprintf(port, sizeof(port), "%u", c->port);
    st = nsx_sasl_append(head, KVSEP "port=", 6, e);
    return st == NSX_OK ? nsx_sasl_append(head, port, strlen(port), e) : st;
}

static nsx_status
bearer_start(struct nsx_sasl *s, struct nsx_buf *out, struct nsx_error *e)
{
    struct nsx_buf head;
    nsx_status st;

    nsx_buf_init(&head, NSX_MAX_SASL_RESPONSE);
    st = bearer_head(s, &head, e);
    if (st == NSX_OK) {
        const struct nsx_octets parts[] = { nsx_octets_of(&head),
                                            NSX_OCTETS(KVSEP "auth=Bearer "),
                                            s->config.token,
                                            NSX_OCTETS(KVSEP KVSEP) };

        st = nsx_sasl_put(out, parts, sizeof(parts) / sizeof(parts[0]), e);
    }
    nsx_buf_free(&head);
    nsx_sasl_forget(s);
    return st;
}

static nsx_status
bearer_step(struct nsx_sasl *s, struct nsx_octets challenge,
            struct nsx_buf *out, struct nsx_error *e)
{
    static const struct nsx_octets dummy = NSX_OCTETS(KVSEP);

    nsx_sasl_refused(s, challenge);
    return nsx_sasl_put(out, &dummy, 1, e);
}

const struct nsx_sasl_ops nsx_sasl_oauthbearer_ops = {
    NSX_SASL_NO_CONTROLS, 0, bearer_start, bearer_step, NULL, NULL
};
