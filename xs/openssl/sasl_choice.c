/*
 * sasl_choice.c - mechanisms as Perl sees them, and the choice of one.
 */
#include "openssl_glue.h"

static SV *
describe(pTHX_ const struct nsx_sasl_mech *mech)
{
    HV *hash = newHV();
    SV *ref = newRV_noinc((SV *)hash);

    (void)hv_stores(hash, "name", newSVpv(mech->name, 0));
    (void)hv_stores(hash, "bit", newSVuv(mech->bit));
    (void)hv_stores(hash, "plaintext",
                    newSViv((mech->flags & NSX_SASL_PLAINTEXT) != 0));
    (void)hv_stores(hash, "binding",
                    newSViv((mech->flags & NSX_SASL_BINDING) != 0));
    (void)hv_stores(hash, "token",
                    newSViv((mech->flags & NSX_SASL_NEEDS_TOKEN) != 0));
    return ref;
}

SV *
nsx_auth_named(pTHX_ SV *name)
{
    STRLEN len;
    const char *text = SvPV(name, len);
    const struct nsx_sasl_mech *mech = nsx_sasl_find(text, len);

    return mech ? describe(aTHX_ mech) : &PL_sv_undef;
}

SV *
nsx_auth_choose(pTHX_ HV *hash)
{
    struct nsx_sasl_choice choice;
    const struct nsx_sasl_mech *mech;

    ENTER;
    choice.offered = nsx_sasl_argument(aTHX_ hash, "offered");
    choice.allowed = nsx_sasl_argument(aTHX_ hash, "allowed");
    choice.credentials =
        (nsx_sasl_number(aTHX_ hash, "password") ? NSX_SASL_HAS_PASSWORD : 0u)
        | (nsx_sasl_number(aTHX_ hash, "token") ? NSX_SASL_HAS_TOKEN : 0u);
    choice.tls = nsx_sasl_number(aTHX_ hash, "tls") != 0;
    choice.binding = nsx_sasl_number(aTHX_ hash, "binding") != 0;
    choice.cleartext = nsx_sasl_number(aTHX_ hash, "cleartext") != 0;
    choice.refused = (unsigned)nsx_sasl_number(aTHX_ hash, "refused");
    choice.unfit = (unsigned)nsx_sasl_number(aTHX_ hash, "unfit");
    mech = nsx_sasl_pick(&choice);
    LEAVE;
    return mech ? describe(aTHX_ mech) : &PL_sv_undef;
}

int
nsx_auth_binds(pTHX_ SV *offered)
{
    struct nsx_octets list;
    STRLEN len;

    list.data = SvPV(offered, len);
    list.len = len;
    return nsx_sasl_offers_binding(list);
}
