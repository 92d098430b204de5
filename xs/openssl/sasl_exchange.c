/*
 * sasl_exchange.c - SASL exchanges as Perl sees them, and the choice of a
 * mechanism.
 *
 * An exchange is a reference to a scalar that owns its struct nsx_sasl by ext
 * magic, so that a die on the way still wipes what it holds.  Lines are what
 * goes over the wire: base64, "=" for an empty initial response (RFC 4954 4).
 */
#include "openssl_glue.h"

struct exchange {
    struct nsx_sasl *sasl;
    struct nsx_error error;
};

/* ---- arguments ---- */

static void
wipe_copy(pTHX_ void *copy)
{
    nsx_wipe_scalar(aTHX_ (SV *)copy);
}

/* The octets of a scalar: a mortal, wiped as the scope is left.  A copy of all
 * of them, because code behind a later argument may change an earlier one. */
static SV *
octet_copy(pTHX_ SV *sv, const char *name)
{
    STRLEN len;
    const char *text = SvPV_nomg(sv, len);
    SV *copy = newSVpvn_flags(text, len, SVs_TEMP | SvUTF8(sv));

    SAVEDESTRUCTOR_X(wipe_copy, copy);
    if (SvUTF8(copy) && !sv_utf8_downgrade(copy, TRUE))
        Perl_croak(aTHX_ "auth: wide character in %s: encode it first", name);
    return copy;
}

/* Secrets come as references, so that Perl makes no copy of them. */
static struct nsx_octets
argument(pTHX_ HV *hash, const char *name)
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
    sv = octet_copy(aTHX_ sv, name);
    octets.data = SvPVX(sv);
    octets.len = SvCUR(sv);
    return octets;
}

static UV
number(pTHX_ HV *hash, const char *name)
{
    SV **slot = hv_fetch(hash, name, (I32)strlen(name), 0);

    return slot && SvOK(*slot) ? SvUV(*slot) : 0;
}

static void
read_config(pTHX_ HV *hash, struct nsx_sasl_config *config)
{
    Zero(config, 1, struct nsx_sasl_config);
    /* First what is still the caller's own: see octet_copy. */
    config->password = argument(aTHX_ hash, "password");
    config->token = argument(aTHX_ hash, "token");
    config->authcid = argument(aTHX_ hash, "user");
    config->authzid = argument(aTHX_ hash, "authzid");
    config->service = argument(aTHX_ hash, "service");
    config->host = argument(aTHX_ hash, "host");
    config->port = (unsigned)number(aTHX_ hash, "port");
    config->realm = argument(aTHX_ hash, "realm");
    config->binding_type = argument(aTHX_ hash, "binding_type");
    config->binding_data = argument(aTHX_ hash, "binding_data");
    config->min_iterations = (unsigned long)number(aTHX_ hash,
                                                   "min_iterations");
    config->server_binds = number(aTHX_ hash, "server_binds") != 0;
}

/* ---- mechanisms ---- */

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
    choice.offered = argument(aTHX_ hash, "offered");
    choice.allowed = argument(aTHX_ hash, "allowed");
    choice.credentials =
        (number(aTHX_ hash, "password") ? NSX_SASL_HAS_PASSWORD : 0u)
        | (number(aTHX_ hash, "token") ? NSX_SASL_HAS_TOKEN : 0u);
    choice.tls = number(aTHX_ hash, "tls") != 0;
    choice.binding = number(aTHX_ hash, "binding") != 0;
    choice.cleartext = number(aTHX_ hash, "cleartext") != 0;
    choice.refused = (unsigned)number(aTHX_ hash, "refused");
    choice.unfit = (unsigned)number(aTHX_ hash, "unfit");
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

/* ---- the object ---- */

static int
exchange_free(pTHX_ SV *sv, MAGIC *mg)
{
    struct exchange *ex = (struct exchange *)(void *)mg->mg_ptr;

    PERL_UNUSED_ARG(sv);
    PERL_UNUSED_CONTEXT;
    if (ex) {
        nsx_sasl_free(ex->sasl);
        nsx_free(ex);
        mg->mg_ptr = NULL;
    }
    return 0;
}

/* A new thread has no part in it. */
static int
exchange_dup(pTHX_ MAGIC *mg, CLONE_PARAMS *param)
{
    PERL_UNUSED_ARG(param);
    PERL_UNUSED_CONTEXT;
    mg->mg_ptr = NULL;
    return 0;
}

static MGVTBL exchange_vtbl = {
    NULL, NULL, NULL, NULL, exchange_free, NULL, exchange_dup, NULL
};

static struct exchange *
exchange_of(pTHX_ SV *ref)
{
    MAGIC *mg = SvROK(ref) && SvTYPE(SvRV(ref)) >= SVt_PVMG
        ? mg_findext(SvRV(ref), PERL_MAGIC_ext, &exchange_vtbl)
        : NULL;

    if (!mg || !mg->mg_ptr)
        Perl_croak(aTHX_ "not a SASL exchange");
    return (struct exchange *)(void *)mg->mg_ptr;
}

SV *
nsx_auth_begin(pTHX_ SV *mechanism, HV *hash)
{
    struct nsx_sasl_config config;
    struct exchange *ex;
    STRLEN len;
    const char *name = SvPV(mechanism, len);
    SV *self = newSV(0);
    SV *ref = sv_2mortal(newRV_noinc(self)); /* reading arguments may die */

    ex = (struct exchange *)nsx_alloc(sizeof *ex);
    if (!ex)
        Perl_croak(aTHX_ "Out of memory in Net::SMTP::XS");
    nsx_magic_own(aTHX_ self, &exchange_vtbl, ex, NULL);
    nsx_error_reset(&ex->error);
    ENTER;
    read_config(aTHX_ hash, &config);
    ex->sasl = nsx_sasl_new(name, len, &config, &ex->error);
    LEAVE;
    return SvREFCNT_inc_simple_NN(ref);
}

const char *
nsx_auth_error(pTHX_ SV *ref)
{
    return exchange_of(aTHX_ ref)->error.text;
}

const char *
nsx_auth_reason(pTHX_ SV *ref)
{
    struct exchange *ex = exchange_of(aTHX_ ref);

    return ex->sasl ? nsx_sasl_detail(ex->sasl) : "";
}

/* ---- lines ---- */

/* The base64 of out, which is wiped. */
static SV *
line_of(pTHX_ struct nsx_buf *out)
{
    size_t size = nsx_base64_encoded_size(out->len);
    SV *line = newSV(size + 1);

    nsx_base64_encode(nsx_buf_data(out), out->len, SvPVX(line));
    SvPVX(line)[size] = '\0';
    SvCUR_set(line, size);
    SvPOK_only(line);
    nsx_buf_wipe(out);
    return line;
}

SV *
nsx_auth_first(pTHX_ SV *ref)
{
    struct exchange *ex = exchange_of(aTHX_ ref);
    struct nsx_buf out;
    int present = 0;

    nsx_buf_init(&out, NSX_MAX_SASL_RESPONSE * 4);
    if (!ex->sasl
        || nsx_sasl_start(ex->sasl, &out, &present, &ex->error) != NSX_OK)
        return &PL_sv_undef;
    if (present && out.len == 0)
        return newSVpvs("=");
    return line_of(aTHX_ &out);
}

/* Decodes a challenge into a mortal, or NULL with *e set. */
static SV *
decoded(pTHX_ SV *challenge, struct nsx_error *e)
{
    STRLEN len;
    const char *text = SvPV(challenge, len);
    SV *sv = sv_2mortal(newSV(nsx_base64_decoded_size(len) + 1));
    size_t size = 0;

    if (!nsx_base64_decode(text, len, (unsigned char *)SvPVX(sv), &size)) {
        (void)nsx_error_set(e, NSX_E_SASL_INPUT, "decoded",
                            "the server's challenge is not base64");
        return NULL;
    }
    SvPVX(sv)[size] = '\0';
    SvCUR_set(sv, size);
    SvPOK_only(sv);
    return sv;
}

SV *
nsx_auth_next(pTHX_ SV *ref, SV *challenge)
{
    struct exchange *ex = exchange_of(aTHX_ ref);
    SV *plain = decoded(aTHX_ challenge, &ex->error);
    struct nsx_buf out;
    nsx_status st;

    nsx_buf_init(&out, NSX_MAX_SASL_RESPONSE * 4);
    if (!plain || !ex->sasl)
        return &PL_sv_undef;
    st = nsx_sasl_step(ex->sasl, SvPVX(plain), SvCUR(plain), &out,
                       &ex->error);
    while (st == NSX_AGAIN)
        st = nsx_sasl_work(ex->sasl, &out, &ex->error);
    if (st != NSX_OK)
        return &PL_sv_undef;
    return line_of(aTHX_ &out);
}

int
nsx_auth_done(pTHX_ SV *ref)
{
    struct exchange *ex = exchange_of(aTHX_ ref);

    return ex->sasl && ex->error.code == NSX_E_NONE
        && nsx_sasl_finished(ex->sasl, &ex->error) == NSX_OK;
}
