/*
 * nsx_sasl_scram.c - SCRAM (RFC 5802) with SHA-1 and SHA-256 (RFC 7677), with
 * and without channel binding.
 *
 *     C: gs2-header n=user,r=nonce            client-first
 *     S: r=nonce+,s=salt,i=count              server-first
 *     C: c=binding,r=nonce+,p=proof           client-final
 *     S: v=signature  or  e=reason            server-final
 *     C: (empty)
 *
 * The gs2 header says "p" when the channel is bound, "y" when it could be but
 * the server did not offer that (so a server that did offer it notices that
 * its offer was stripped on the way), "n" otherwise.
 */
#include "nsx_sasl_mech.h"

#include <string.h>
#include "nsx_base64.h"

struct scram {
    struct nsx_buf gs2;  /* "p=tls-exporter,," */
    struct nsx_buf bare; /* client-first-message-bare; ends in the nonce */
    size_t nonce_len;
    struct nsx_buf final;  /* client-final-message-without-proof */
    struct nsx_buf auth;   /* AuthMessage */
    struct nsx_pbkdf2 *hi; /* the password being salted */
    unsigned char expected[NSX_MAX_DIGEST]; /* the server's signature */
    int proof_sent;
};

static void
scram_clear(void *state)
{
    struct scram *sc = state;

    nsx_buf_wipe(&sc->gs2);
    nsx_buf_wipe(&sc->bare);
    nsx_buf_wipe(&sc->final);
    nsx_buf_wipe(&sc->auth);
    nsx_pbkdf2_free(sc->hi);
}

/* ---- client-first ---- */

static nsx_status
append_gs2(const struct nsx_sasl *s, struct nsx_buf *gs2, struct nsx_error *e)
{
    const struct nsx_sasl_config *c = &s->config;
    nsx_status st;

    if (s->mech->flags & NSX_SASL_BINDING) {
        st = nsx_sasl_append(gs2, "p=", 2, e);
        if (st == NSX_OK)
            st = nsx_sasl_append(gs2, c->binding_type.data, c->binding_type.len,
                                 e);
    }
    else {
        int could = c->binding_data.data && !c->server_binds;

        st = nsx_sasl_append(gs2, could ? "y" : "n", 1, e);
    }
    if (st == NSX_OK)
        st = nsx_sasl_append(gs2, ",", 1, e);
    if (st == NSX_OK && c->authzid.len) {
        st = nsx_sasl_append(gs2, "a=", 2, e);
        if (st == NSX_OK)
            st = nsx_sasl_append_name(gs2, c->authzid, e);
    }
    return st == NSX_OK ? nsx_sasl_append(gs2, ",", 1, e) : st;
}

static nsx_status
append_bare(const struct nsx_sasl *s, struct scram *sc, struct nsx_error *e)
{
    nsx_status st = nsx_sasl_append(&sc->bare, "n=", 2, e);
    size_t before;

    if (st == NSX_OK)
        st = nsx_sasl_append_name(&sc->bare, s->config.authcid, e);
    if (st == NSX_OK)
        st = nsx_sasl_append(&sc->bare, ",r=", 3, e);
    before = sc->bare.len;
    if (st == NSX_OK)
        st = nsx_sasl_append_nonce(s, &sc->bare, e);
    sc->nonce_len = sc->bare.len - before;
    return st;
}

static nsx_status
scram_start(struct nsx_sasl *s, struct nsx_buf *out, struct nsx_error *e)
{
    struct scram *sc = s->state;
    struct nsx_octets parts[2];

    nsx_buf_init(&sc->gs2, NSX_MAX_SASL_RESPONSE * 4);
    nsx_buf_init(&sc->bare, NSX_MAX_SASL_RESPONSE * 4);
    nsx_buf_init(&sc->final, NSX_MAX_SASL_RESPONSE * 16);
    nsx_buf_init(&sc->auth, NSX_MAX_SASL_RESPONSE * 32);
    if (append_gs2(s, &sc->gs2, e) != NSX_OK || append_bare(s, sc, e) != NSX_OK)
        return NSX_ERROR;
    parts[0] = nsx_octets_of(&sc->gs2);
    parts[1] = nsx_octets_of(&sc->bare);
    return nsx_sasl_put(out, parts, 2, e);
}

/* ---- reading the server's messages ---- */

/* Takes "x=value" and the comma after it off the message; 0 when the message
 * does not begin so. */
static int
take(struct nsx_octets *msg, char *name, struct nsx_octets *value)
{
    const char *p = msg->data;
    const char *comma;
    size_t used;

    if (msg->len < 2 || p[1] != '=')
        return 0;
    *name = p[0];
    comma = memchr(p, ',', msg->len);
    used = comma ? (size_t)(comma - p) : msg->len;
    *value = nsx_octets(p + 2, used - 2);
    if (comma && ++used == msg->len)
        return 0; /* nothing after the comma */
    *msg = nsx_octets(p + used, msg->len - used);
    return 1;
}

static int
take_named(struct nsx_octets *msg, char wanted, struct nsx_octets *value)
{
    char name;

    return take(msg, &name, value) && name == wanted;
}

/* Further attributes are extensions a client may skip (RFC 5802 5.1), unless
 * they are the reserved one. */
static int
skip_extensions(struct nsx_octets msg)
{
    struct nsx_octets value;
    char name;

    while (msg.len)
        if (!take(&msg, &name, &value) || name == 'm')
            return 0;
    return 1;
}

static int
read_count(struct nsx_octets digits, unsigned long *count)
{
    const char *p = digits.data;
    size_t i;

    *count = 0;
    for (i = 0; i < digits.len; i++) {
        if (p[i] < '0' || p[i] > '9' || (i == 0 && p[i] == '0'))
            return 0;
        *count = *count * 10 + (unsigned long)(p[i] - '0');
        if (*count > NSX_MAX_SCRAM_ITERATIONS)
            return 0;
    }
    return digits.len > 0;
}

/* The server's nonce is ours with something of its own behind it. */
static int
extends_nonce(const struct scram *sc, struct nsx_octets nonce)
{
    const unsigned char *own =
        nsx_buf_data(&sc->bare) + sc->bare.len - sc->nonce_len;
    const unsigned char *p = nonce.data;
    size_t i;

    if (nonce.len <= sc->nonce_len || memcmp(p, own, sc->nonce_len) != 0)
        return 0;
    for (i = 0; i < nonce.len; i++)
        if (p[i] < 0x21 || p[i] > 0x7e)
            return 0;
    return 1;
}

struct offer {
    struct nsx_octets nonce;
    struct nsx_octets salt; /* base64 */
    unsigned long count;
};

/* NULL, or what is wrong with a server-first message. */
static const char *
read_offer(const struct scram *sc, struct nsx_octets msg, struct offer *o)
{
    struct nsx_octets count;

    if (msg.len && *(const char *)msg.data == 'm')
        return "the server demands an unknown extension";
    if (!take_named(&msg, 'r', &o->nonce) || !take_named(&msg, 's', &o->salt)
        || !take_named(&msg, 'i', &count) || !skip_extensions(msg))
        return "malformed first message of the server";
    if (!extends_nonce(sc, o->nonce))
        return "the server's nonce does not extend ours";
    if (!read_count(count, &o->count))
        return "iteration count is malformed or too high";
    return NULL;
}

/* ---- client-final ---- */

struct keys {
    unsigned char salted[NSX_MAX_DIGEST];
    unsigned char client[NSX_MAX_DIGEST];
    unsigned char stored[NSX_MAX_DIGEST];
    unsigned char signature[NSX_MAX_DIGEST];
    unsigned char server[NSX_MAX_DIGEST];
};

/* Begins Hi(password, salt, i). */
static nsx_status
begin_salting(const struct nsx_sasl *s, const struct offer *o, struct scram *sc,
              struct nsx_error *e)
{
    size_t room = nsx_base64_decoded_size(o->salt.len), len = 0;
    unsigned char *salt = nsx_alloc(room ? room : 1);
    nsx_status st = NSX_OK;

    if (!salt)
        return nsx_error_set(e, NSX_E_NOMEM, "begin_salting", NULL);
    if (!nsx_base64_decode(o->salt.data, o->salt.len, salt, &len) || !len)
        st = nsx_sasl_bad(s, "begin_salting", "malformed salt", e);
    else
        sc->hi = nsx_pbkdf2_new(s->mech->hash, s->config.password,
                                nsx_octets(salt, len), o->count, e);
    nsx_free(salt);
    return st == NSX_OK && sc->hi ? NSX_OK : NSX_ERROR;
}

/* From the salted password and the messages to the proof, left in k->client,
 * and to the signature the server has to show (RFC 5802 3). */
static nsx_status
compute(const struct nsx_sasl *s, struct scram *sc, struct keys *k,
        struct nsx_error *e)
{
    static const struct nsx_octets client_key = NSX_OCTETS("Client Key");
    static const struct nsx_octets server_key = NSX_OCTETS("Server Key");
    enum nsx_hash hash = s->mech->hash;
    size_t i, size = nsx_hash_size(hash);
    struct nsx_octets auth = nsx_octets_of(&sc->auth);
    struct nsx_octets salted = nsx_octets(k->salted, size);
    struct nsx_octets client = nsx_octets(k->client, size);

    if (nsx_hmac(hash, salted, client_key, k->client, e) != NSX_OK
        || nsx_digest(hash, &client, 1, k->stored, e) != NSX_OK
        || nsx_hmac(hash, nsx_octets(k->stored, size), auth, k->signature, e)
            != NSX_OK
        || nsx_hmac(hash, salted, server_key, k->server, e) != NSX_OK
        || nsx_hmac(hash, nsx_octets(k->server, size), auth, sc->expected, e)
            != NSX_OK)
        return NSX_ERROR;
    for (i = 0; i < size; i++)
        k->client[i] ^= k->signature[i];
    return NSX_OK;
}

/* "c=binding,r=nonce" */
static nsx_status
append_unproved(const struct nsx_sasl *s, const struct scram *sc,
                struct nsx_octets nonce, struct nsx_buf *final,
                struct nsx_error *e)
{
    struct nsx_buf bound;
    nsx_status st;

    nsx_buf_init(&bound, NSX_MAX_SASL_RESPONSE * 8);
    st = nsx_sasl_append(&bound, nsx_buf_data(&sc->gs2), sc->gs2.len, e);
    if (st == NSX_OK && (s->mech->flags & NSX_SASL_BINDING))
        st = nsx_sasl_append(&bound, s->config.binding_data.data,
                             s->config.binding_data.len, e);
    if (st == NSX_OK)
        st = nsx_sasl_append(final, "c=", 2, e);
    if (st == NSX_OK)
        st = nsx_sasl_append_base64(final, nsx_buf_data(&bound), bound.len, e);
    if (st == NSX_OK)
        st = nsx_sasl_append(final, ",r=", 3, e);
    if (st == NSX_OK)
        st = nsx_sasl_append(final, nonce.data, nonce.len, e);
    nsx_buf_wipe(&bound);
    return st;
}

/* The messages so far, as the proofs cover them. */
static nsx_status
append_auth(struct nsx_buf *auth, const struct scram *sc,
            struct nsx_octets first, const struct nsx_buf *final,
            struct nsx_error *e)
{
    const struct nsx_octets parts[] = { nsx_octets_of(&sc->bare),
                                        NSX_OCTETS(","), first, NSX_OCTETS(","),
                                        nsx_octets_of(final) };

    return nsx_sasl_put(auth, parts, sizeof(parts) / sizeof(parts[0]), e);
}

static nsx_status
put_final(const struct nsx_buf *final, const unsigned char *proof, size_t size,
          struct nsx_buf *out, struct nsx_error *e)
{
    char text[NSX_MAX_DIGEST * 2];
    struct nsx_octets parts[] = { nsx_octets_of(final),
                                  NSX_OCTETS(",p="),
                                  { text, 0 } };

    nsx_base64_encode(proof, size, text);
    parts[2].len = nsx_base64_encoded_size(size);
    return nsx_sasl_put(out, parts, sizeof(parts) / sizeof(parts[0]), e);
}

/* All of client-final but the proof, which takes its time. */
static nsx_status
begin_proof(struct nsx_sasl *s, struct nsx_octets first, const struct offer *o,
            struct nsx_error *e)
{
    struct scram *sc = s->state;
    nsx_status st = append_unproved(s, sc, o->nonce, &sc->final, e);

    if (st == NSX_OK)
        st = append_auth(&sc->auth, sc, first, &sc->final, e);
    if (st == NSX_OK)
        st = begin_salting(s, o, sc, e);
    nsx_sasl_forget(s);
    s->progress.total = o->count;
    return st == NSX_OK ? NSX_AGAIN : st;
}

static nsx_status
prove(struct nsx_sasl *s, struct nsx_buf *out, struct nsx_error *e)
{
    struct scram *sc = s->state;
    struct keys k;
    nsx_status st = nsx_pbkdf2_work(sc->hi, NSX_SCRAM_SLICE, k.salted, e);

    if (st == NSX_OK)
        st = compute(s, sc, &k, e);
    if (st == NSX_OK)
        st = put_final(&sc->final, k.client, nsx_hash_size(s->mech->hash), out,
                       e);
    nsx_wipe(&k, sizeof(k));
    sc->proof_sent = st == NSX_OK;
    return st;
}

static nsx_status
scram_work(struct nsx_sasl *s, struct nsx_buf *out, struct nsx_error *e)
{
    struct nsx_sasl_progress *p = &s->progress;
    unsigned long left = p->total - p->done;

    p->done += left < NSX_SCRAM_SLICE ? left : NSX_SCRAM_SLICE;
    return prove(s, out, e);
}

/* ---- server-final ---- */

static nsx_status
verify(struct nsx_sasl *s, struct nsx_octets msg, struct nsx_error *e)
{
    const struct scram *sc = s->state;
    size_t size = nsx_hash_size(s->mech->hash), len = 0;
    unsigned char got[NSX_MAX_DIGEST + 3]; /* a quantum may overshoot */
    struct nsx_octets value;

    if (!take_named(&msg, 'v', &value) || !skip_extensions(msg)
        || value.len != nsx_base64_encoded_size(size)
        || !nsx_base64_decode(value.data, value.len, got, &len) || len != size)
        return nsx_sasl_bad(s, "verify",
                            "malformed final message of the server", e);
    if (!nsx_same_secret(got, sc->expected, size))
        return nsx_sasl_bad(s, "verify",
                            "wrong signature: the server does not know the "
                            "password",
                            e);
    s->proved = 1;
    s->phase = NSX_SASL_DONE;
    return NSX_OK;
}

static nsx_status
check_count(const struct nsx_sasl *s, unsigned long count, struct nsx_error *e)
{
    unsigned long least = s->config.min_iterations ? s->config.min_iterations
                                                   : NSX_MIN_SCRAM_ITERATIONS;

    if (count >= least)
        return NSX_OK;
    return nsx_error_set(e, NSX_E_SASL_INPUT, "check_count",
                         "%s: iteration count %lu is below %lu", s->mech->name,
                         count, least);
}

static nsx_status
scram_step(struct nsx_sasl *s, struct nsx_octets challenge, struct nsx_buf *out,
           struct nsx_error *e)
{
    const struct scram *sc = s->state;
    struct nsx_octets msg = challenge, reason;
    struct offer offer;
    const char *fault;

    (void)out; /* the proof comes from scram_work */
    if (memchr(challenge.data, 0, challenge.len))
        return nsx_sasl_bad(s, "scram_step", "NUL in the challenge", e);
    if (take_named(&msg, 'e', &reason)) {
        nsx_sasl_refused(s, reason);
        return NSX_OK;
    }
    if (sc->proof_sent)
        return verify(s, challenge, e);
    fault = read_offer(sc, challenge, &offer);
    if (fault)
        return nsx_sasl_bad(s, "scram_step", fault, e);
    if (check_count(s, offer.count, e) != NSX_OK)
        return NSX_ERROR;
    return begin_proof(s, challenge, &offer, e);
}

const struct nsx_sasl_ops nsx_sasl_scram_ops = { NSX_SASL_NO_CONTROLS
                                                     | NSX_SASL_WANTS_USER,
                                                 sizeof(struct scram),
                                                 scram_start,
                                                 scram_step,
                                                 scram_work,
                                                 scram_clear };
