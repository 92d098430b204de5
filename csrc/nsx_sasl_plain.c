/*
 * nsx_sasl_plain.c - the mechanisms without any arithmetic: PLAIN (RFC 4616),
 * LOGIN (draft-murchison-sasl-login), EXTERNAL (RFC 4422 A) and ANONYMOUS
 * (RFC 4505).
 */
#include "nsx_sasl_mech.h"

static nsx_status
plain_start(struct nsx_sasl *s, struct nsx_buf *out, struct nsx_error *e)
{
    const struct nsx_octets parts[] = {
        s->config.authzid, NSX_OCTETS("\0"),   s->config.authcid,
        NSX_OCTETS("\0"),  s->config.password,
    };

    s->phase = NSX_SASL_DONE;
    return nsx_sasl_put(out, parts, sizeof(parts) / sizeof(parts[0]), e);
}

const struct nsx_sasl_ops nsx_sasl_plain_ops = {
    NSX_SASL_WANTS_USER, 0, plain_start, NULL, NULL, NULL
};

/* The prompts are free text: the first asks for the name, whatever it says. */
static nsx_status
login_step(struct nsx_sasl *s, struct nsx_octets challenge, struct nsx_buf *out,
           struct nsx_error *e)
{
    (void)challenge;
    if (s->steps == 1)
        return nsx_sasl_put(out, &s->config.authcid, 1, e);
    s->phase = NSX_SASL_DONE;
    return nsx_sasl_put(out, &s->config.password, 1, e);
}

const struct nsx_sasl_ops nsx_sasl_login_ops = {
    NSX_SASL_WANTS_USER, 0, NULL, login_step, NULL, NULL
};

static nsx_status
external_start(struct nsx_sasl *s, struct nsx_buf *out, struct nsx_error *e)
{
    s->phase = NSX_SASL_DONE;
    return nsx_sasl_put(out, &s->config.authzid, 1, e);
}

const struct nsx_sasl_ops nsx_sasl_external_ops = { 0,    0,    external_start,
                                                    NULL, NULL, NULL };

static nsx_status
anonymous_start(struct nsx_sasl *s, struct nsx_buf *out, struct nsx_error *e)
{
    s->phase = NSX_SASL_DONE;
    return nsx_sasl_put(out, &s->config.authcid, 1, e);
}

const struct nsx_sasl_ops nsx_sasl_anonymous_ops = {
    NSX_SASL_NO_CONTROLS, 0, anonymous_start, NULL, NULL, NULL
};
