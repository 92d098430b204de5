/*
 * nsx_sasl_pick.c - the mechanisms in order of strength, and the choice.
 *
 * Channel binding comes before the better hash: a man in the middle who
 * strips SCRAM-SHA-256-PLUS from the offer but leaves SCRAM-SHA-1-PLUS is
 * found out only if the latter is preferred to plain SCRAM-SHA-256.
 */
#include "nsx_ascii.h"
#include "nsx_sasl_mech.h"

enum {
    SCRAM = NSX_SASL_MUTUAL | NSX_SASL_CLIENT_FIRST | NSX_SASL_NEEDS_PASSWORD,
    SCRAM_PLUS = SCRAM | NSX_SASL_BINDING,
    BEARER = NSX_SASL_PLAINTEXT | NSX_SASL_CLIENT_FIRST | NSX_SASL_NEEDS_TOKEN
};

static const struct nsx_sasl_mech mechs[] = {
    { "SCRAM-SHA-256-PLUS", SCRAM_PLUS, 1u << 0, NSX_HASH_SHA256,
      &nsx_sasl_scram_ops },
    { "SCRAM-SHA-1-PLUS", SCRAM_PLUS, 1u << 1, NSX_HASH_SHA1,
      &nsx_sasl_scram_ops },
    { "SCRAM-SHA-256", SCRAM, 1u << 2, NSX_HASH_SHA256, &nsx_sasl_scram_ops },
    { "SCRAM-SHA-1", SCRAM, 1u << 3, NSX_HASH_SHA1, &nsx_sasl_scram_ops },
    { "EXTERNAL", NSX_SASL_CLIENT_FIRST | NSX_SASL_NEEDS_IDENTITY, 1u << 4,
      NSX_HASH_COUNT_, &nsx_sasl_external_ops },
    { "OAUTHBEARER", BEARER, 1u << 5, NSX_HASH_COUNT_,
      &nsx_sasl_oauthbearer_ops },
    { "XOAUTH2", BEARER, 1u << 6, NSX_HASH_COUNT_, &nsx_sasl_xoauth2_ops },
    { "DIGEST-MD5",
      NSX_SASL_MUTUAL | NSX_SASL_ONLY_NAMED | NSX_SASL_NEEDS_PASSWORD, 1u << 7,
      NSX_HASH_MD5, &nsx_sasl_digest_ops },
    { "CRAM-MD5", NSX_SASL_NEEDS_PASSWORD, 1u << 8, NSX_HASH_MD5,
      &nsx_sasl_cram_ops },
    { "PLAIN",
      NSX_SASL_PLAINTEXT | NSX_SASL_CLIENT_FIRST | NSX_SASL_NEEDS_PASSWORD,
      1u << 9, NSX_HASH_COUNT_, &nsx_sasl_plain_ops },
    { "LOGIN", NSX_SASL_PLAINTEXT | NSX_SASL_NEEDS_PASSWORD, 1u << 10,
      NSX_HASH_COUNT_, &nsx_sasl_login_ops },
    { "ANONYMOUS", NSX_SASL_CLIENT_FIRST | NSX_SASL_NEEDS_NOTHING, 1u << 11,
      NSX_HASH_COUNT_, &nsx_sasl_anonymous_ops },
};

#define MECHS (sizeof(mechs) / sizeof(mechs[0]))

const struct nsx_sasl_mech *
nsx_sasl_find(const char *name, size_t len)
{
    size_t i;

    for (i = 0; i < MECHS; i++)
        if (nsx_is_word(name, len, mechs[i].name))
            return &mechs[i];
    return NULL;
}

const struct nsx_sasl_mech *
nsx_sasl_mech_at(size_t i)
{
    return i < MECHS ? &mechs[i] : NULL;
}

static int
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* 1 when name is one of the list's words. */
static int
listed(struct nsx_octets list, const char *name)
{
    const char *p = list.data, *end;

    if (!p)
        return 0;
    end = p + list.len;
    while (p < end) {
        const char *word;

        while (p < end && is_blank(*p))
            p++;
        word = p;
        while (p < end && !is_blank(*p))
            p++;
        if (nsx_is_word(word, (size_t)(p - word), name))
            return 1;
    }
    return 0;
}

int
nsx_sasl_offers_binding(struct nsx_octets offered)
{
    size_t i;

    for (i = 0; i < MECHS; i++)
        if ((mechs[i].flags & NSX_SASL_BINDING)
            && listed(offered, mechs[i].name))
            return 1;
    return 0;
}

/* Do the credentials suit the mechanism? */
static int
fits(const struct nsx_sasl_mech *m, const struct nsx_sasl_choice *c, int named)
{
    if (m->flags & NSX_SASL_NEEDS_PASSWORD)
        return (c->credentials & NSX_SASL_HAS_PASSWORD) != 0;
    if (m->flags & NSX_SASL_NEEDS_TOKEN)
        return (c->credentials & NSX_SASL_HAS_TOKEN) != 0;
    if (named)
        return 1;
    if (m->flags & NSX_SASL_NEEDS_IDENTITY)
        return c->tls && c->credentials == NSX_SASL_HAS_CERTIFICATE;
    return c->credentials == 0;
}

static int
binding_refused(const struct nsx_sasl_choice *c)
{
    size_t i;

    for (i = 0; i < MECHS; i++)
        if ((mechs[i].flags & NSX_SASL_BINDING) && (c->refused & mechs[i].bit))
            return 1;
    return 0;
}

static int
usable(const struct nsx_sasl_mech *m, const struct nsx_sasl_choice *c)
{
    int named = c->allowed.data && listed(c->allowed, m->name);

    if (c->allowed.data ? !named : (m->flags & NSX_SASL_ONLY_NAMED) != 0)
        return 0;
    if (((c->refused | c->unfit) & m->bit) || !listed(c->offered, m->name))
        return 0;
    if ((m->flags & NSX_SASL_BINDING) && !(c->tls && c->binding))
        return 0;
    if (!(m->flags & NSX_SASL_BINDING) && !named && binding_refused(c))
        return 0;
    if ((m->flags & NSX_SASL_PLAINTEXT) && !c->tls && !c->cleartext)
        return 0;
    return fits(m, c, named);
}

const struct nsx_sasl_mech *
nsx_sasl_pick(const struct nsx_sasl_choice *c)
{
    size_t i;

    for (i = 0; i < MECHS; i++)
        if (usable(&mechs[i], c))
            return &mechs[i];
    return NULL;
}
