/*
 * boot.c - finds the base shared object, and sees that it is of this build.
 */
#include "openssl_glue.h"

static const struct nsx_api_stamp wanted = NSX_API_STAMP;

const struct nsx_api *nsx_base;

/* Why the two do not fit, NULL where they do. */
static const char *
misfit(const struct nsx_api_stamp *stamp)
{
    if (!stamp || memNE(stamp->name, wanted.name, sizeof wanted.name))
        return "it offers no table of functions";
    if (stamp->version != wanted.version)
        return "its table of functions is of another version";
    if (stamp->table != wanted.table)
        return "its table of functions has another size";
    if (stamp->op != wanted.op || stamp->channel != wanted.channel)
        return "its structures have another size";
    return NULL;
}

void
nsx_openssl_boot(pTHX)
{
    SV **slot = hv_fetchs(PL_modglobal, NSX_API_KEY, 0);
    const struct nsx_api *base =
        slot ? INT2PTR(const struct nsx_api *, SvIV(*slot)) : NULL;
    const char *why = misfit(base ? &base->stamp : NULL);

    if (why)
        Perl_croak(aTHX_ "Net::SMTP::XS::OpenSSL does not fit the loaded "
                         "Net::SMTP::XS: %s. Install both from one build",
                   why);
    nsx_base = base;
}
