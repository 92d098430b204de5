/*
 * boot.c - finds the base shared object.
 */
#include "openssl_glue.h"

const struct nsx_api *nsx_base;

void
nsx_openssl_boot(pTHX)
{
    SV **slot = hv_fetchs(PL_modglobal, NSX_API_KEY, 0);

    nsx_base = slot ? INT2PTR(const struct nsx_api *, SvIV(*slot)) : NULL;
    if (!nsx_base || nsx_base->version != NSX_API_VERSION)
        Perl_croak(aTHX_ "Net::SMTP::XS::OpenSSL and Net::SMTP::XS are not "
                         "of one build");
}
