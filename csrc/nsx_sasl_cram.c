/*
 * nsx_sasl_cram.c - CRAM-MD5 (RFC 2195): user, a space, and the HMAC-MD5 of
 * the challenge in hexadecimal.
 */
#include "nsx_sasl_mech.h"

static nsx_status
cram_step(struct nsx_sasl *s, struct nsx_octets challenge, struct nsx_buf *out,
          struct nsx_error *e)
{
    unsigned char mac[NSX_MAX_DIGEST];
    char hex[2 * NSX_MAX_DIGEST];
    size_t size = nsx_hash_size(s->mech->hash);
    struct nsx_octets parts[] = { s->config.authcid,
                                  NSX_OCTETS(" "),
                                  { hex, 2 * size } };

    /* The same answer every time would be as good as the password. */
    if (!challenge.len)
        return nsx_sasl_bad(s, "cram_step", "empty challenge", e);
    if (nsx_hmac(s->mech->hash, s->config.password, challenge, mac, e)
        != NSX_OK)
        return NSX_ERROR;
    nsx_hex(mac, size, hex);
    s->phase = NSX_SASL_DONE;
    return nsx_sasl_put(out, parts, sizeof(parts) / sizeof(parts[0]), e);
}

const struct nsx_sasl_ops nsx_sasl_cram_ops = {
    NSX_SASL_WANTS_USER, 0, NULL, cram_step, NULL, NULL
};
