/*
 * boot.c - finds the base shared object, and sees that it is of this build.
 */
#include "constant.h"
#include "openssl_glue.h"

#define TLS "Net::SMTP::XS::TLS"
#define STREAM "Net::SMTP::XS::TLS::Handle"

static const struct nsx_constant constants[] = {
    { TLS, "STARTED", NSX_TLS_STARTED },
    { TLS, "FAILED", NSX_TLS_START_FAILED },
    { TLS, "TIMED_OUT", NSX_TLS_START_TIMEOUT },
    { TLS, "CLOSED", NSX_TLS_START_CLOSED },
    { TLS, "WANT_READ", NSX_TLS_START_READ },
    { TLS, "WANT_WRITE", NSX_TLS_START_WRITE },
    { TLS, "GO_ON", NSX_TLS_START_AGAIN },
    { STREAM, "OK", NSX_STREAM_OK },
    { STREAM, "ENDED", NSX_STREAM_EOF },
    { STREAM, "FAILED", NSX_STREAM_ERROR },
    { STREAM, "WANT_READ", NSX_STREAM_WANT_READ },
    { STREAM, "WANT_WRITE", NSX_STREAM_WANT_WRITE },
};

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
    nsx_constants(aTHX_ constants, C_ARRAY_LENGTH(constants));
}
