/*
 * tls_options.c - a hash of settled options, made into a configuration.
 *
 * Perl has judged and sorted the script's options (TLS/Context.pm); here they
 * are plain scalars and arrays of them, under the names of the fields of
 * struct nsx_tls_options.  Nothing runs Perl code, so pointers into the
 * scalars hold as long as the hash.
 */
#include "openssl_glue.h"

static SV *
given(pTHX_ HV *hv, const char *name)
{
    SV **slot = hv_fetch(hv, name, (I32)strlen(name), 0);

    return slot && SvOK(*slot) ? *slot : NULL;
}

static const char *
text(pTHX_ HV *hv, const char *name)
{
    SV *sv = given(aTHX_ hv, name);

    return sv ? SvPV_nolen(sv) : NULL;
}

static const char *
octets(pTHX_ HV *hv, const char *name, size_t *len)
{
    SV *sv = given(aTHX_ hv, name);
    STRLEN n = 0;
    const char *s = sv ? SvPV(sv, n) : NULL;

    *len = n;
    return s;
}

static int
number(pTHX_ HV *hv, const char *name, int otherwise)
{
    SV *sv = given(aTHX_ hv, name);

    return sv ? (int)SvIV(sv) : otherwise;
}

/* The strings of an array, in an array that lives as long as a mortal. */
static const char *const *
list(pTHX_ HV *hv, const char *name, size_t *count)
{
    SV *sv = given(aTHX_ hv, name);
    AV *av;
    SV *store;
    const char **strings;
    size_t i;

    *count = 0;
    if (!sv || !SvROK(sv) || SvTYPE(SvRV(sv)) != SVt_PVAV)
        return NULL;
    av = (AV *)SvRV(sv);
    *count = (size_t)(av_len(av) + 1);
    store = sv_2mortal(newSV((STRLEN)(*count + 1) * sizeof *strings));
    strings = (const char **)(void *)SvPVX(store);
    for (i = 0; i < *count; i++) {
        SV **item = av_fetch(av, (SSize_t)i, 0);

        strings[i] = item ? SvPV_nolen(*item) : "";
    }
    return strings;
}

int
nsx_tls_read_rules(pTHX_ HV *hv, struct nsx_tls_name_rules *rules)
{
    const char *scheme = text(aTHX_ hv, "scheme");
    const char *in_cn = text(aTHX_ hv, "wildcards_in_cn");
    const char *in_alt = text(aTHX_ hv, "wildcards_in_alt");
    const char *check_cn = text(aTHX_ hv, "check_cn");

    if (scheme)
        return nsx_tls_scheme(scheme, rules);
    Zero(rules, 1, struct nsx_tls_name_rules);
    rules->check = 1;
    rules->ip_in_cn = number(aTHX_ hv, "ip_in_cn", 0);
    return nsx_tls_wildcard_word(in_cn ? in_cn : "", &rules->in_cn)
        && nsx_tls_wildcard_word(in_alt ? in_alt : "", &rules->in_alt)
        && nsx_tls_check_cn_word(check_cn ? check_cn : "", &rules->cn);
}

static void
read_trust(pTHX_ HV *hv, struct nsx_tls_options *o)
{
    o->ca_files = list(aTHX_ hv, "ca_files", &o->ca_file_count);
    o->ca_paths = list(aTHX_ hv, "ca_paths", &o->ca_path_count);
    o->ca_pem = octets(aTHX_ hv, "ca_pem", &o->ca_pem_len);
    o->ca_none = number(aTHX_ hv, "ca_none", 0);
    o->check_crl = number(aTHX_ hv, "check_crl", 0);
    o->crl_file = text(aTHX_ hv, "crl_file");
    o->ocsp_mode = number(aTHX_ hv, "ocsp_mode", NSX_TLS_OCSP_DEFAULT);
}

static void
read_protocol(pTHX_ HV *hv, struct nsx_tls_options *o)
{
    o->version = text(aTHX_ hv, "version");
    o->cipher_list = text(aTHX_ hv, "cipher_list");
    o->ciphersuites = text(aTHX_ hv, "ciphersuites");
    o->groups = text(aTHX_ hv, "groups");
    o->alpn = list(aTHX_ hv, "alpn", &o->alpn_count);
    o->keylog_file = text(aTHX_ hv, "keylog_file");
    o->keylog_fd = number(aTHX_ hv, "keylog_fd", -1);
}

static void
read_options(pTHX_ HV *hv, struct nsx_tls_options *o)
{
    nsx_tls_options_init(o);
    o->verify_mode = number(aTHX_ hv, "verify_mode", o->verify_mode);
    o->verify_callback = number(aTHX_ hv, "verify_callback", 0);
    (void)nsx_tls_read_rules(aTHX_ hv, &o->names);
    o->pins = list(aTHX_ hv, "pins", &o->pin_count);
    read_trust(aTHX_ hv, o);
    o->cert_file = text(aTHX_ hv, "cert_file");
    o->key_file = text(aTHX_ hv, "key_file");
    o->passphrase = octets(aTHX_ hv, "passphrase", &o->passphrase_len);
    read_protocol(aTHX_ hv, o);
    o->identity = text(aTHX_ hv, "identity");
    o->sessions =
        (struct nsx_tls_sessions *)nsx_held(aTHX_ given(aTHX_ hv, "sessions"),
                                            NSX_HELD_SESSIONS);
}

SV *
nsx_tls_configure(pTHX_ HV *hv, int *needs_passphrase, struct nsx_error *e)
{
    struct nsx_tls_options o;
    struct nsx_tls_config *config;

    nsx_error_reset(e);
    read_options(aTHX_ hv, &o);
    config = nsx_tls_config_new(&o, needs_passphrase, e);
    return config ? nsx_held_new(aTHX_ NSX_HELD_CONFIG, config) : newSV(0);
}

static const char *
text_or_null(pTHX_ SV *sv)
{
    return SvOK(sv) ? SvPV_nolen(sv) : NULL;
}

void
nsx_tls_read_target(pTHX_ struct nsx_tls_target *target, SV *server_name,
                    SV *verify_name, SV *session_key)
{
    target->server_name = text_or_null(aTHX_ server_name);
    target->verify_name = text_or_null(aTHX_ verify_name);
    target->session_key = text_or_null(aTHX_ session_key);
}
