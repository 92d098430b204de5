/*
 * nsx_sasl_digest.c - DIGEST-MD5 (RFC 2831) with qop=auth.  Historic
 * (RFC 6331): used only when the caller names it.
 */
#include "nsx_sasl_mech.h"

#include <string.h>

#define HEX_SIZE 32   /* of an MD5 digest */
#define NC "00000001" /* nonce-count: a nonce is used once */
#define MAX_RESPONSE (NSX_MAX_SASL_RESPONSE * 8)

struct digest {
    char expected[HEX_SIZE]; /* the server's rspauth */
    int answered;
};

/* ---- reading directives ---- */

/* #( name "=" ( token | quoted-string ) ), with blanks and empty elements
 * anywhere between (RFC 2831 7.1). */
struct reader {
    char *p, *end; /* a copy: quoted pairs are undone in place */
};

struct directive {
    struct nsx_octets name, value;
};

static int
is_token(char c)
{
    return c > ' ' && c < 0x7f && !strchr("()<>@,;:\\\"/[]?={}", c);
}

static void
skip_blanks(struct reader *r)
{
    while (r->p < r->end && strchr(" \t\r\n", *r->p) && *r->p)
        r->p++;
}

static struct nsx_octets
read_token(struct reader *r)
{
    char *from = r->p;

    while (r->p < r->end && is_token(*r->p))
        r->p++;
    return nsx_octets(from, (size_t)(r->p - from));
}

/* 1 with the text between the quotes, or 0 when they do not close. */
static int
read_quoted(struct reader *r, struct nsx_octets *value)
{
    char *from = ++r->p, *to = from;

    for (; r->p < r->end; r->p++) {
        if (*r->p == '"') {
            r->p++;
            *value = nsx_octets(from, (size_t)(to - from));
            return 1;
        }
        if (*r->p == '\\' && ++r->p == r->end)
            return 0;
        *to++ = *r->p;
    }
    return 0;
}

/* 1 with a directive, 0 at the end, -1 when it is malformed. */
static int
read_directive(struct reader *r, struct directive *d)
{
    for (skip_blanks(r); r->p < r->end && *r->p == ','; skip_blanks(r))
        r->p++;
    if (r->p == r->end)
        return 0;
    d->name = read_token(r);
    skip_blanks(r);
    if (!d->name.len || r->p == r->end || *r->p++ != '=')
        return -1;
    skip_blanks(r);
    if (r->p < r->end && *r->p == '"') {
        if (!read_quoted(r, &d->value))
            return -1;
    }
    else {
        d->value = read_token(r);
        if (!d->value.len)
            return -1;
    }
    skip_blanks(r);
    return r->p == r->end || *r->p == ',' ? 1 : -1;
}

static int
is(struct nsx_octets o, const char *word)
{
    const char *p = o.data;
    size_t i;

    if (o.len != strlen(word))
        return 0;
    for (i = 0; i < o.len; i++)
        if ((p[i] >= 'A' && p[i] <= 'Z' ? p[i] - 'A' + 'a' : p[i]) != word[i])
            return 0;
    return 1;
}

/* ---- the challenge ---- */

struct offer {
    struct nsx_octets realm, nonce, qop, charset, algorithm;
};

static int
offers_auth(struct nsx_octets qop)
{
    struct reader r;
    struct nsx_octets word;
    int found = !qop.data; /* absent means auth */

    if (!qop.data)
        return 1;
    r.p = (char *)qop.data;
    r.end = r.p + qop.len;
    while (r.p < r.end) {
        word = read_token(&r);
        found |= is(word, "auth");
        if (r.p < r.end)
            r.p++;
    }
    return found;
}

/* 0 when a directive that may come once comes again. */
static int
note(struct offer *o, const struct directive *d)
{
    struct nsx_octets *slot;

    if (is(d->name, "realm")) {
        if (!o->realm.data)
            o->realm = d->value;
        return 1;
    }
    if (is(d->name, "nonce"))
        slot = &o->nonce;
    else if (is(d->name, "qop"))
        slot = &o->qop;
    else if (is(d->name, "charset"))
        slot = &o->charset;
    else if (is(d->name, "algorithm"))
        slot = &o->algorithm;
    else
        return 1;
    if (slot->data)
        return 0;
    *slot = d->value;
    return 1;
}

/* NULL, or what is wrong with the challenge. */
static const char *
read_offer(char *text, size_t n, struct offer *o)
{
    struct reader r;
    struct directive d;
    int got;

    r.p = text;
    r.end = text + n;
    memset(o, 0, sizeof(*o));
    while ((got = read_directive(&r, &d)) > 0)
        if (!note(o, &d))
            return "a directive comes twice";
    if (got < 0 || !o->nonce.len)
        return "malformed challenge";
    if (!is(o->algorithm, "md5-sess"))
        return "unknown algorithm";
    if (o->charset.data && !is(o->charset, "utf-8"))
        return "unknown charset";
    return offers_auth(o->qop) ? NULL : "qop=auth is not offered";
}

/* ---- the response ---- */

/* The ISO 8859-1 octet that the UTF-8 at p stands for, or -1. */
static int
latin1_octet(const unsigned char *p, size_t left, size_t *used)
{
    *used = p[0] < 0x80 ? 1 : 2;
    if (p[0] < 0x80)
        return p[0];
    if ((p[0] == 0xc2 || p[0] == 0xc3) && left > 1 && (p[1] & 0xc0) == 0x80)
        return ((p[0] & 3) << 6) | (p[1] & 0x3f);
    return -1;
}

static int
is_latin1(const unsigned char *p, size_t n)
{
    size_t i, used;

    for (i = 0; i < n; i += used)
        if (latin1_octet(p + i, n - i, &used) < 0)
            return 0;
    return 1;
}

/* Puts into b what is hashed for in.  With charset=utf-8, what ISO 8859-1 can
 * express is hashed in ISO 8859-1 (RFC 2831 2.1.2.1, username-value). */
static nsx_status
put_hashed(struct nsx_buf *b, struct nsx_octets in, int utf8,
           struct nsx_error *e)
{
    const unsigned char *p = in.data;
    unsigned char *to;
    size_t i, used, n = 0;

    if (!utf8 || !in.len || !is_latin1(p, in.len))
        return nsx_sasl_put(b, &in, 1, e);
    to = nsx_buf_reserve(b, in.len);
    if (!to)
        return nsx_error_set(e, NSX_E_NOMEM, "put_hashed", NULL);
    for (i = 0; i < in.len; i += used)
        to[n++] = (unsigned char)latin1_octet(p + i, in.len - i, &used);
    nsx_buf_commit(b, n);
    return NSX_OK;
}

/* H(user:realm:password), in 16 octets. */
static nsx_status
hash_user(const struct nsx_sasl *s, struct nsx_octets realm, int utf8,
          unsigned char *out, struct nsx_error *e)
{
    struct nsx_buf user, area, pass;
    nsx_status st;

    nsx_buf_init(&user, NSX_MAX_SASL_RESPONSE);
    nsx_buf_init(&area, NSX_MAX_SASL_RESPONSE);
    nsx_buf_init(&pass, NSX_MAX_SASL_RESPONSE);
    st = put_hashed(&user, s->config.authcid, utf8, e);
    if (st == NSX_OK)
        st = put_hashed(&area, realm, utf8, e);
    if (st == NSX_OK)
        st = put_hashed(&pass, s->config.password, utf8, e);
    if (st == NSX_OK) {
        const struct nsx_octets parts[] = {
            nsx_octets_of(&user), NSX_OCTETS(":"), nsx_octets_of(&area),
            NSX_OCTETS(":"), nsx_octets_of(&pass)
        };

        st = nsx_digest(NSX_HASH_MD5, parts, sizeof(parts) / sizeof(parts[0]),
                        out, e);
    }
    nsx_buf_wipe(&pass);
    nsx_buf_wipe(&area);
    nsx_buf_wipe(&user);
    return st;
}

static nsx_status
hex_digest(const struct nsx_octets *parts, size_t count, char *hex,
           struct nsx_error *e)
{
    unsigned char raw[NSX_MAX_DIGEST];
    nsx_status st = nsx_digest(NSX_HASH_MD5, parts, count, raw, e);

    if (st == NSX_OK)
        nsx_hex(raw, nsx_hash_size(NSX_HASH_MD5), hex);
    nsx_wipe(raw, sizeof(raw));
    return st;
}

/* What both proofs are made of. */
struct terms {
    struct nsx_octets realm, nonce, cnonce, uri;
    char a1[HEX_SIZE]; /* secret */
};

static nsx_status
hash_a1(const struct nsx_sasl *s, struct terms *t, int utf8,
        struct nsx_error *e)
{
    unsigned char user[NSX_MAX_DIGEST];
    struct nsx_octets authzid = s->config.authzid;
    const struct nsx_octets parts[] = { { user, nsx_hash_size(NSX_HASH_MD5) },
                                        NSX_OCTETS(":"),
                                        t->nonce,
                                        NSX_OCTETS(":"),
                                        t->cnonce,
                                        NSX_OCTETS(":"),
                                        authzid };
    size_t count = authzid.len ? 7 : 5;
    nsx_status st = hash_user(s, t->realm, utf8, user, e);

    if (st == NSX_OK)
        st = hex_digest(parts, count, t->a1, e);
    nsx_wipe(user, sizeof(user));
    return st;
}

/* verb is "AUTHENTICATE" for our proof and "" for the server's. */
static nsx_status
hash_proof(const struct terms *t, struct nsx_octets verb, char *hex,
           struct nsx_error *e)
{
    char a2[HEX_SIZE];
    const struct nsx_octets a2_parts[] = { verb, NSX_OCTETS(":"), t->uri };
    const struct nsx_octets parts[] = {
        { t->a1, HEX_SIZE },    NSX_OCTETS(":"), t->nonce,
        NSX_OCTETS(":" NC ":"), t->cnonce,       NSX_OCTETS(":auth:"),
        { a2, HEX_SIZE }
    };

    if (hex_digest(a2_parts, sizeof(a2_parts) / sizeof(a2_parts[0]), a2, e)
        != NSX_OK)
        return NSX_ERROR;
    return hex_digest(parts, sizeof(parts) / sizeof(parts[0]), hex, e);
}

/* 'name="value"', with '"' and '\' quoted, and a comma. */
static nsx_status
append_quoted(struct nsx_buf *b, const char *name, struct nsx_octets value,
              struct nsx_error *e)
{
    const char *p = value.data;
    size_t i;
    nsx_status st = nsx_sasl_append(b, name, strlen(name), e);

    if (st == NSX_OK)
        st = nsx_sasl_append(b, "=\"", 2, e);
    for (i = 0; i < value.len && st == NSX_OK; i++) {
        if (p[i] == '"' || p[i] == '\\')
            st = nsx_sasl_append(b, "\\", 1, e);
        if (st == NSX_OK)
            st = nsx_sasl_append(b, p + i, 1, e);
    }
    return st == NSX_OK ? nsx_sasl_append(b, "\",", 2, e) : st;
}

static nsx_status
append_text(struct nsx_buf *b, const char *text, struct nsx_error *e)
{
    return nsx_sasl_append(b, text, strlen(text), e);
}

static nsx_status
append_response(const struct nsx_sasl *s, const struct terms *t, int utf8,
                const char *proof, struct nsx_buf *b, struct nsx_error *e)
{
    nsx_status st = append_text(b, utf8 ? "charset=utf-8," : "", e);

    if (st == NSX_OK)
        st = append_quoted(b, "username", s->config.authcid, e);
    if (st == NSX_OK && t->realm.data)
        st = append_quoted(b, "realm", t->realm, e);
    if (st == NSX_OK)
        st = append_quoted(b, "nonce", t->nonce, e);
    if (st == NSX_OK)
        st = append_text(b, "nc=" NC ",", e);
    if (st == NSX_OK)
        st = append_quoted(b, "cnonce", t->cnonce, e);
    if (st == NSX_OK)
        st = append_quoted(b, "digest-uri", t->uri, e);
    if (st == NSX_OK && s->config.authzid.len)
        st = append_quoted(b, "authzid", s->config.authzid, e);
    if (st == NSX_OK)
        st = append_text(b, "response=", e);
    if (st == NSX_OK)
        st = nsx_sasl_append(b, proof, HEX_SIZE, e);
    return st == NSX_OK ? append_text(b, ",qop=auth", e) : st;
}

static nsx_status
append_uri(const struct nsx_sasl *s, struct nsx_buf *uri, struct nsx_error *e)
{
    const struct nsx_sasl_config *c = &s->config;
    nsx_status st = c->service.len
        ? nsx_sasl_append(uri, c->service.data, c->service.len, e)
        : append_text(uri, "smtp", e);

    if (st == NSX_OK)
        st = append_text(uri, "/", e);
    return st == NSX_OK ? nsx_sasl_append(uri, c->host.data, c->host.len, e)
                        : st;
}

static nsx_status
answer_with(struct nsx_sasl *s, struct terms *t, int utf8, struct nsx_buf *out,
            struct nsx_error *e)
{
    static const struct nsx_octets ours = NSX_OCTETS("AUTHENTICATE");
    static const struct nsx_octets theirs = NSX_OCTETS("");
    struct digest *state = s->state;
    struct nsx_octets response;
    struct nsx_buf text;
    char proof[HEX_SIZE];
    nsx_status st = hash_a1(s, t, utf8, e);

    nsx_buf_init(&text, MAX_RESPONSE);
    if (st == NSX_OK)
        st = hash_proof(t, ours, proof, e);
    if (st == NSX_OK)
        st = hash_proof(t, theirs, state->expected, e);
    if (st == NSX_OK)
        st = append_response(s, t, utf8, proof, &text, e);
    if (st == NSX_OK) {
        response = nsx_octets_of(&text);
        st = nsx_sasl_put(out, &response, 1, e);
    }
    nsx_buf_free(&text);
    return st;
}

static nsx_status
answer(struct nsx_sasl *s, const struct offer *o, struct nsx_buf *out,
       struct nsx_error *e)
{
    struct digest *state = s->state;
    struct nsx_buf cnonce, uri;
    struct terms t;
    nsx_status st;

    nsx_buf_init(&cnonce, NSX_MAX_SASL_RESPONSE);
    nsx_buf_init(&uri, NSX_MAX_SASL_RESPONSE * 2);
    st = nsx_sasl_append_nonce(s, &cnonce, e);
    if (st == NSX_OK)
        st = append_uri(s, &uri, e);
    if (st == NSX_OK) {
        t.realm = s->config.realm.data ? s->config.realm : o->realm;
        t.nonce = o->nonce;
        t.cnonce = nsx_octets_of(&cnonce);
        t.uri = nsx_octets_of(&uri);
        st = answer_with(s, &t, o->charset.data != NULL, out, e);
        nsx_wipe(t.a1, sizeof(t.a1));
    }
    nsx_sasl_forget(s);
    nsx_buf_free(&uri);
    nsx_buf_free(&cnonce);
    state->answered = 1;
    return st;
}

/* ---- the server's proof ---- */

static nsx_status
verify(struct nsx_sasl *s, char *text, size_t n, struct nsx_error *e)
{
    const struct digest *state = s->state;
    struct directive d;
    struct reader r;

    r.p = text;
    r.end = text + n;
    while (read_directive(&r, &d) > 0) {
        if (!is(d.name, "rspauth"))
            continue;
        if (d.value.len != HEX_SIZE
            || !nsx_same_secret(d.value.data, state->expected, HEX_SIZE))
            return nsx_sasl_bad(s, "verify",
                                "wrong rspauth: the server does not know the "
                                "password",
                                e);
        s->proved = 1;
        s->phase = NSX_SASL_DONE;
        return NSX_OK;
    }
    return nsx_sasl_bad(s, "verify", "rspauth is missing", e);
}

static nsx_status
digest_step(struct nsx_sasl *s, struct nsx_octets challenge,
            struct nsx_buf *out, struct nsx_error *e)
{
    const struct digest *state = s->state;
    char *copy = nsx_alloc(challenge.len + 1);
    struct offer offer;
    const char *fault;
    nsx_status st;

    if (!copy)
        return nsx_error_set(e, NSX_E_NOMEM, "digest_step", NULL);
    memcpy(copy, challenge.data, challenge.len);
    if (state->answered) {
        st = verify(s, copy, challenge.len, e);
    }
    else {
        fault = read_offer(copy, challenge.len, &offer);
        st = fault ? nsx_sasl_bad(s, "digest_step", fault, e)
                   : answer(s, &offer, out, e);
    }
    nsx_free(copy);
    return st;
}

const struct nsx_sasl_ops nsx_sasl_digest_ops = { NSX_SASL_NO_CONTROLS
                                                      | NSX_SASL_WANTS_USER
                                                      | NSX_SASL_WANTS_HOST,
                                                  sizeof(struct digest),
                                                  NULL,
                                                  digest_step,
                                                  NULL,
                                                  NULL };
