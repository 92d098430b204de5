/*
 * nsx_sasl_mech.h - what nsx_sasl.c and the mechanisms share.  Internal: only
 * nsx_sasl*.c include it.
 */
#ifndef NSX_SASL_MECH_H
#define NSX_SASL_MECH_H

#include "nsx_sasl.h"

/* How an exchange stands. */
enum nsx_sasl_phase {
    NSX_SASL_FRESH = 0, /* not started */
    NSX_SASL_GOING,     /* a challenge is expected */
    NSX_SASL_DONE,      /* nothing is left to say: only success may come */
    NSX_SASL_REFUSED,   /* the server reported failure in a challenge */
    NSX_SASL_FAILED     /* an error; nothing goes on from here */
};

struct nsx_sasl {
    const struct nsx_sasl_mech *mech;
    struct nsx_sasl_config config; /* slices of arena */
    unsigned char *arena;          /* owned; holds the secrets */
    size_t arena_size;
    void *state; /* owned; ops->state_size octets, zeroed at first */
    enum nsx_sasl_phase phase;
    unsigned steps; /* challenges so far, the present one included */
    int working;    /* the last step is not done yet */
    struct nsx_sasl_progress progress;
    int proved; /* the server's proof was verified */
    char detail[NSX_ERROR_TEXT];
};

/* Rules on the caller's octets. */
enum nsx_sasl_rules {
    NSX_SASL_NO_CONTROLS = 1, /* no control characters of ASCII and C1 */
    NSX_SASL_WANTS_USER = 2,  /* authcid must be given */
    NSX_SASL_WANTS_HOST = 4   /* host must be given */
};

/* One mechanism family.  start and step end the exchange by setting phase to
 * DONE or REFUSED; whatever they answer NSX_ERROR to becomes FAILED.  They
 * write to out through nsx_sasl_put, at most once. */
struct nsx_sasl_ops {
    unsigned rules; /* of enum nsx_sasl_rules */
    size_t state_size;
    /* NULL: the server speaks first */
    nsx_status (*start)(struct nsx_sasl *s, struct nsx_buf *out,
                        struct nsx_error *e);
    /* NULL: there is no challenge */
    nsx_status (*step)(struct nsx_sasl *s, struct nsx_octets challenge,
                       struct nsx_buf *out, struct nsx_error *e);
    /* A slice of what step answered NSX_AGAIN to; NULL: it never does */
    nsx_status (*work)(struct nsx_sasl *s, struct nsx_buf *out,
                       struct nsx_error *e);
    /* Frees what the state points to, not the state; NULL: nothing */
    void (*clear)(void *state);
};

extern const struct nsx_sasl_ops nsx_sasl_scram_ops;
extern const struct nsx_sasl_ops nsx_sasl_cram_ops;
extern const struct nsx_sasl_ops nsx_sasl_digest_ops;
extern const struct nsx_sasl_ops nsx_sasl_plain_ops;
extern const struct nsx_sasl_ops nsx_sasl_login_ops;
extern const struct nsx_sasl_ops nsx_sasl_external_ops;
extern const struct nsx_sasl_ops nsx_sasl_anonymous_ops;
extern const struct nsx_sasl_ops nsx_sasl_xoauth2_ops;
extern const struct nsx_sasl_ops nsx_sasl_oauthbearer_ops;

/* --- nsx_sasl_part.c --- */

/* A string constant as octets. */
#define NSX_OCTETS(literal)                                                    \
    {                                                                          \
        (literal), sizeof(literal) - 1                                         \
    }
struct nsx_octets nsx_octets(const void *data, size_t len);
struct nsx_octets nsx_octets_of(const struct nsx_buf *b);

/* Makes the parts the whole of out. */
nsx_status nsx_sasl_put(struct nsx_buf *out, const struct nsx_octets *parts,
                        size_t count, struct nsx_error *e);

/* Appends octets, or their base64. */
nsx_status nsx_sasl_append(struct nsx_buf *b, const void *data, size_t n,
                           struct nsx_error *e);
nsx_status nsx_sasl_append_base64(struct nsx_buf *b, const void *data, size_t n,
                                  struct nsx_error *e);

/* Puts a fresh nonce, or the configured one, at the end of b: base64's
 * alphabet, so that it needs no quoting anywhere. */
nsx_status nsx_sasl_append_nonce(const struct nsx_sasl *s, struct nsx_buf *b,
                                 struct nsx_error *e);

/* Appends a saslname (RFC 5802 5.1): ',' and '=' become "=2C" and "=3D". */
nsx_status nsx_sasl_append_name(struct nsx_buf *b, struct nsx_octets name,
                                struct nsx_error *e);

/* Overwrites the password, the token and all other arguments, which must not
 * be used any more. */
void nsx_sasl_forget(struct nsx_sasl *s);

/* Ends the exchange with the server's own words for its refusal. */
void nsx_sasl_refused(struct nsx_sasl *s, struct nsx_octets reason);

/* NSX_ERROR with NSX_E_SASL_INPUT and "MECHANISM: complaint". */
nsx_status nsx_sasl_bad(const struct nsx_sasl *s, const char *where,
                        const char *complaint, struct nsx_error *e);

#endif
