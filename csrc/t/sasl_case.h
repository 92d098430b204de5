/*
 * sasl_case.h - what the SASL tests share: one exchange, driven in C strings.
 */
#ifndef SASL_CASE_H
#define SASL_CASE_H

#include <string.h>
#include "nsx_sasl.h"

#define S(literal)                                                             \
    {                                                                          \
        (literal), sizeof(literal) - 1                                         \
    }
#define RESPONSE_CAP (1024u * 1024u)

static inline struct nsx_octets
octets(const char *text)
{
    struct nsx_octets o;

    o.data = text;
    o.len = strlen(text);
    return o;
}

/* Credentials that every mechanism can start with. */
static inline struct nsx_sasl_config
full_config(void)
{
    struct nsx_sasl_config c;

    memset(&c, 0, sizeof(c));
    c.authcid = octets("user");
    c.password = octets("pencil");
    c.token = octets("bearer-token");
    c.host = octets("mx.example");
    c.binding_type = octets("tls-exporter");
    c.binding_data = octets("0123456789abcdef0123456789abcdef");
    c.nonce = octets("abc");
    c.min_iterations = 1;
    return c;
}

/* One exchange and what its last call left. */
struct talk {
    struct nsx_sasl *sasl;
    struct nsx_buf out;
    struct nsx_error error;
    int present;
};

/* 1 when the exchange could begin. */
static inline int
talk_begin(struct talk *t, const char *mech, const struct nsx_sasl_config *c)
{
    nsx_error_reset(&t->error);
    nsx_buf_init(&t->out, RESPONSE_CAP);
    t->present = -1;
    t->sasl = nsx_sasl_new(mech, strlen(mech), c, &t->error);
    return t->sasl
        && nsx_sasl_start(t->sasl, &t->out, &t->present, &t->error) == NSX_OK;
}

/* One challenge, and all the work it makes. */
static inline nsx_status
talk_step(struct talk *t, struct nsx_octets challenge)
{
    nsx_status st;

    nsx_error_reset(&t->error);
    st = nsx_sasl_step(t->sasl, challenge.data, challenge.len, &t->out,
                       &t->error);
    while (st == NSX_AGAIN)
        st = nsx_sasl_work(t->sasl, &t->out, &t->error);
    return st;
}

static inline nsx_status
talk_success(struct talk *t)
{
    nsx_error_reset(&t->error);
    return nsx_sasl_finished(t->sasl, &t->error);
}

static inline void
talk_end(struct talk *t)
{
    nsx_sasl_free(t->sasl);
    nsx_buf_wipe(&t->out);
}

/* 1 when the last response is these octets. */
static inline int
said(const struct talk *t, struct nsx_octets want)
{
    return t->out.len == want.len
        && (!want.len
            || memcmp(nsx_buf_data(&t->out), want.data, want.len) == 0);
}

#endif
