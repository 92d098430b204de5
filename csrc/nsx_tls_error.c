/*
 * nsx_tls_error.c - OpenSSL's complaints in words a person can act on.
 */
#include "nsx_tls_priv.h"

#include <string.h>

struct hint {
    int reason; /* of ERR_LIB_SSL */
    const char *text;
};

static const struct hint hints[] = {
    { SSL_R_WRONG_VERSION_NUMBER, "the server does not speak TLS here" },
    { SSL_R_HTTP_REQUEST, "the server speaks HTTP here" },
    { SSL_R_UNSUPPORTED_PROTOCOL,
      "the server has no TLS version that SSL_version allows" },
    { SSL_R_TLSV1_ALERT_PROTOCOL_VERSION,
      "the server has no TLS version that SSL_version allows" },
    { SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE,
      "the server found no common cipher, group or certificate" },
    { SSL_R_TLSV1_ALERT_UNKNOWN_CA,
      "the server does not trust the issuer of our certificate" },
    { SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, "the server refused our certificate" },
#ifdef SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED
    { SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED,
      "give SSL_cert_file and SSL_key_file" },
#endif
#ifdef SSL_R_TLSV1_UNRECOGNIZED_NAME
    { SSL_R_TLSV1_UNRECOGNIZED_NAME,
      "the server does not know the host name that was asked for" },
#endif
    { SSL_R_DH_KEY_TOO_SMALL, "the server's parameters are too weak" },
    { SSL_R_NO_PROTOCOLS_AVAILABLE, "SSL_version leaves no TLS version" },
    { 0, NULL }
};

static const char *
hint_for(unsigned long code)
{
    const struct hint *h;

    if (ERR_GET_LIB(code) != ERR_LIB_SSL)
        return NULL;
    for (h = hints; h->text; h++)
        if (h->reason == ERR_GET_REASON(code))
            return h->text;
    return NULL;
}

void
nsx_tls_queue_text(char *text, size_t size)
{
    unsigned long code = ERR_get_error();
    const char *hint = hint_for(code);
    size_t len;

    if (code)
        ERR_error_string_n(code, text, size);
    else
        snprintf(text, size, "unknown error");
    len = strlen(text);
    if (hint && len < size)
        snprintf(text + len, size - len, " (%s)", hint);
    ERR_clear_error();
}

void
nsx_tls_subject_text(X509 *cert, char *text, size_t size)
{
    X509_NAME *name = cert ? X509_get_subject_name(cert) : NULL;

    if (!name || X509_NAME_entry_count(name) == 0)
        snprintf(text, size, "without a subject");
    else
        X509_NAME_oneline(name, text, (int)size);
}

const char *
nsx_tls_whom(const struct nsx_tls *tls)
{
    if (tls->verify_name)
        return tls->verify_name;
    return tls->server_name ? tls->server_name : "the server";
}
