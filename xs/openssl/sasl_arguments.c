/*
 * sasl_arguments.c - what Perl passes in hashes for mechanisms and their
 * choice.
 */
#include "openssl_glue.h"

static void
wipe_copy(pTHX_ void *copy)
{
    nsx_wipe_scalar(aTHX_(SV *) copy);
}

/* A copy of all of them, because code behind a later argument may change an
 * earlier one. */
SV *
nsx_sasl_octets(pTHX_ SV *sv, const char *name)
{
    STRLEN len;
    const char *text = SvPV_nomg(sv, len);
    SV *copy = newSVpvn_flags(text, len, SVs_TEMP | SvUTF8(sv));

    SAVEDESTRUCTOR_X(wipe_copy, copy);
    if (SvUTF8(copy) && !sv_utf8_downgrade(copy, TRUE))
        Perl_croak(aTHX_ "auth: wide character in %s: encode it first", name);
    return copy;
}

struct nsx_octets
nsx_sasl_argument(pTHX_ HV *hash, const char *name)
{
    SV **slot = hv_fetch(hash, name, (I32)strlen(name), 0);
    SV *sv = slot ? *slot : NULL;
    struct nsx_octets octets = { NULL, 0 };

    if (sv && SvROK(sv) && !SvOBJECT(SvRV(sv)))
        sv = SvRV(sv);
    if (!sv)
        return octets;
    SvGETMAGIC(sv);
    if (!SvOK(sv))
        return octets;
    sv = nsx_sasl_octets(aTHX_ sv, name);
    octets.data = SvPVX(sv);
    octets.len = SvCUR(sv);
    return octets;
}

UV
nsx_sasl_number(pTHX_ HV *hash, const char *name)
{
    SV **slot = hv_fetch(hash, name, (I32)strlen(name), 0);

    return slot && SvOK(*slot) ? SvUV(*slot) : 0;
}

void
nsx_sasl_read(pTHX_ HV *hash, struct nsx_sasl_config *config)
{
    Zero(config, 1, struct nsx_sasl_config);
    /* First what is still the caller's own: see nsx_sasl_octets. */
    config->password = nsx_sasl_argument(aTHX_ hash, "password");
    config->token = nsx_sasl_argument(aTHX_ hash, "token");
    config->authcid = nsx_sasl_argument(aTHX_ hash, "user");
    config->authzid = nsx_sasl_argument(aTHX_ hash, "authzid");
    config->service = nsx_sasl_argument(aTHX_ hash, "service");
    config->host = nsx_sasl_argument(aTHX_ hash, "host");
    config->port = (unsigned)nsx_sasl_number(aTHX_ hash, "port");
    config->realm = nsx_sasl_argument(aTHX_ hash, "realm");
    config->binding_type = nsx_sasl_argument(aTHX_ hash, "binding_type");
    config->binding_data = nsx_sasl_argument(aTHX_ hash, "binding_data");
    config->min_iterations =
        (unsigned long)nsx_sasl_number(aTHX_ hash, "min_iterations");
    config->server_binds = nsx_sasl_number(aTHX_ hash, "server_binds") != 0;
}
