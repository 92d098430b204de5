/*
 * nsx_sasl.h - the client side of SASL (RFC 4422): mechanisms, the choice
 * among them, and one exchange.
 *
 * Nothing here knows the protocol that carries the exchange.  Challenges and
 * responses are raw octets; how SMTP carries them is in nsx_auth_talk.h, which
 * also bounds how many there may be.  An exchange goes
 *
 *     nsx_sasl_new
 *     nsx_sasl_start                  initial response, or none
 *     nsx_sasl_step ...               one call for each challenge
 *     nsx_sasl_work ...               while that leaves work to be done
 *     nsx_sasl_finished               when the server reported success
 *     nsx_sasl_free
 *
 * and no call waits for anything or works for long.  Strings are octets, taken as UTF-8.
 * SASLprep (RFC 4013) is applied as far as refusing what it prohibits among
 * control characters (U+0000-U+001F, U+007F-U+009F) where a mechanism asks for
 * it (SCRAM); no character is mapped or normalised, so a password outside
 * ASCII must be given the way the server's copy was made (usually NFC).
 */
#ifndef NSX_SASL_H
#define NSX_SASL_H

#include "nsx_buf.h"
#include "nsx_digest.h"
#include "nsx_error.h"

/* What a mechanism is, and what it needs. */
enum nsx_sasl_flags {
    NSX_SASL_PLAINTEXT = 1,     /* whoever reads the wire has the secret */
    NSX_SASL_BINDING = 2,       /* needs channel binding data */
    NSX_SASL_MUTUAL = 4,        /* the server proves that it knows the secret */
    NSX_SASL_ONLY_NAMED = 8,    /* never chosen unless the caller names it */
    NSX_SASL_CLIENT_FIRST = 16, /* begins with an initial response */
    NSX_SASL_NEEDS_PASSWORD = 32,
    NSX_SASL_NEEDS_TOKEN = 64,
    NSX_SASL_NEEDS_IDENTITY = 128, /* the caller is known by other means:
                                      a TLS client certificate */
    NSX_SASL_NEEDS_NOTHING = 256
};

struct nsx_sasl_ops;

struct nsx_sasl_mech {
    const char *name;   /* as registered: "SCRAM-SHA-256-PLUS" */
    unsigned flags;     /* of enum nsx_sasl_flags */
    unsigned bit;       /* one bit, for sets of mechanisms */
    enum nsx_hash hash; /* of the families that have one */
    const struct nsx_sasl_ops *ops;
};

/* The mechanism of that name, compared without case, or NULL. */
const struct nsx_sasl_mech *nsx_sasl_find(const char *name, size_t len);

/* All mechanisms, the strongest first; NULL when i is beyond the last. */
const struct nsx_sasl_mech *nsx_sasl_mech_at(size_t i);

/* ---- the choice ---- */

enum nsx_sasl_credentials {
    NSX_SASL_HAS_PASSWORD = 1,
    NSX_SASL_HAS_TOKEN = 2,
    NSX_SASL_HAS_CERTIFICATE = 4 /* the TLS client certificate was given */
};

struct nsx_sasl_choice {
    struct nsx_octets offered; /* the server's list, separated by blanks */
    struct nsx_octets allowed; /* the caller's, likewise; NULL: no preference */
    unsigned credentials;      /* of enum nsx_sasl_credentials */
    int tls;                   /* 1: the wire is encrypted */
    int binding;               /* 1: channel binding data can be had */
    int cleartext;             /* 1: a secret may be sent without tls */
    unsigned refused;          /* bits of mechanisms the server refused */
    unsigned unfit;            /* bits of those that could not begin */
};

/* The strongest mechanism that the server offers, the caller allows, the
 * credentials fit and that is neither refused nor unfit; NULL when none is
 * left.  The caller's list never widens the server's nor the other way round.
 * Names are compared as whole words, without case.  Without a caller's list,
 * a certificate is used only when there is neither password nor token,
 * ANONYMOUS only when there are no credentials at all, and after a mechanism
 * with channel binding was refused none without: whoever sits in between
 * refuses what would find him out.  Mechanisms named are taken as named. */
const struct nsx_sasl_mech *nsx_sasl_pick(const struct nsx_sasl_choice *c);

/* 1 when the list offers a SCRAM mechanism with channel binding; what
 * nsx_sasl_config.server_binds is to be set to. */
int nsx_sasl_offers_binding(struct nsx_octets offered);

/* ---- one exchange ---- */

/* All octets are copied by nsx_sasl_new; data NULL means not given. */
struct nsx_sasl_config {
    struct nsx_octets authcid; /* who logs in; ANONYMOUS: trace information */
    struct nsx_octets authzid; /* on whose behalf, when that is another */
    struct nsx_octets password;
    struct nsx_octets token;   /* OAuth 2.0 bearer token */
    struct nsx_octets service; /* DIGEST-MD5: "smtp" */
    struct nsx_octets host;    /* DIGEST-MD5, OAUTHBEARER: server's name */
    unsigned port;             /* OAUTHBEARER; 0: not mentioned */
    struct nsx_octets realm;   /* DIGEST-MD5; not given: the server's first */
    struct nsx_octets binding_type; /* "tls-exporter", "tls-server-end-point";
                                       not given: no binding data */
    struct nsx_octets binding_data;
    int server_binds;             /* see nsx_sasl_offers_binding */
    unsigned long min_iterations; /* SCRAM: fewer are refused; 0:
                                     NSX_MIN_SCRAM_ITERATIONS */
    struct nsx_octets nonce;      /* tests only; not given: random */
};

struct nsx_sasl; /* opaque; one exchange, then to be freed */

/* NULL with *e set: NSX_E_SASL_MECHANISM (unknown name, or channel binding
 * data missing), NSX_E_ARGUMENT (a credential is missing or holds octets the
 * mechanism cannot carry; the text names the argument, never its value) or
 * NSX_E_NOMEM. */
struct nsx_sasl *nsx_sasl_new(const char *mechanism, size_t len,
                              const struct nsx_sasl_config *config,
                              struct nsx_error *e);

/* Overwrites every secret, then frees; NULL is allowed. */
void nsx_sasl_free(struct nsx_sasl *s);

const struct nsx_sasl_mech *nsx_sasl_mechanism(const struct nsx_sasl *s);

/* Puts the initial response into out, whose former octets are overwritten,
 * and sets *present: 0 when the server speaks first, else 1 (the response
 * itself may be empty).  A response too long to go with the command may be
 * kept and given to the server's empty first challenge instead of a step.
 * out is the caller's and is to be cleared with nsx_buf_wipe. */
nsx_status nsx_sasl_start(struct nsx_sasl *s, struct nsx_buf *out, int *present,
                          struct nsx_error *e);

/* Answers one challenge; out as above, perhaps empty.  NSX_AGAIN: nothing is
 * in out yet, nsx_sasl_work is to be called until it answers otherwise.
 * NSX_ERROR: the exchange is to be cancelled and cannot go on:
 * NSX_E_SASL_INPUT (malformed, forged or unexpected challenge), NSX_E_NOMEM,
 * or NSX_E_SASL_MECHANISM (hash not available).  A challenge in which the server
 * reports failure is answered as the mechanism says, so that the server's
 * own final reply can be read: see nsx_sasl_detail. */
nsx_status nsx_sasl_step(struct nsx_sasl *s, const void *challenge, size_t n,
                         struct nsx_buf *out, struct nsx_error *e);

/* Does a slice of what nsx_sasl_step left to be done, some milliseconds of
 * it; answers as nsx_sasl_step. */
nsx_status nsx_sasl_work(struct nsx_sasl *s, struct nsx_buf *out,
                         struct nsx_error *e);

/* How much of the work of the last step is done, in the mechanism's own unit;
 * 0 of 0 where there was none. */
struct nsx_sasl_progress {
    unsigned long done, total;
};
struct nsx_sasl_progress nsx_sasl_progress(const struct nsx_sasl *s);

/* To be asked when the server reports success.  NSX_ERROR, NSX_E_SASL_INPUT:
 * the success is not to be believed, because a mechanism that proves the
 * server's knowledge of the secret (NSX_SASL_MUTUAL) has not come to a valid
 * proof, or an earlier step failed. */
nsx_status nsx_sasl_finished(struct nsx_sasl *s, struct nsx_error *e);

/* 1 once the server's proof was verified; always 0 for the mechanisms that
 * have none. */
int nsx_sasl_server_proved(const struct nsx_sasl *s);

/* What the server gave as the reason of a failure inside a challenge (SCRAM's
 * e=, OAuth's JSON), cut to NSX_ERROR_TEXT, '?' for control characters; ""
 * when it gave none.  Valid until the next step. */
const char *nsx_sasl_detail(const struct nsx_sasl *s);

#endif
