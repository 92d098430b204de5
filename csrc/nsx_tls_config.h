/*
 * nsx_tls_config.h - what a TLS client wants: one struct of options, made
 * into a shared, immutable configuration.
 *
 * The fields follow IO::Socket::SSL's options of the same name.  Nothing here
 * touches a socket, prompts, or calls out.
 */
#ifndef NSX_TLS_CONFIG_H
#define NSX_TLS_CONFIG_H

#include <stddef.h>
#include "nsx_error.h"
#include "nsx_tls_pin.h"
#include "nsx_tls_session.h"
#include "nsx_tls_verify.h"

/* verify_mode; the other bits of the OpenSSL macro mean nothing to a client */
#define NSX_TLS_VERIFY_NONE 0
#define NSX_TLS_VERIFY_PEER 1

/* ocsp_mode bits.  A stapled "revoked" always fails.  An unusable answer
 * (stale, unsigned, for another certificate) fails under MUST_STAPLE and
 * FAIL_HARD; a missing one under MUST_STAPLE. */
#define NSX_TLS_OCSP_NO_STAPLE 0x01
#define NSX_TLS_OCSP_MUST_STAPLE 0x02
#define NSX_TLS_OCSP_FAIL_HARD 0x04
#define NSX_TLS_OCSP_FULL_CHAIN 0x08 /* about own queries: no effect here */
#define NSX_TLS_OCSP_TRY_STAPLE 0x10
#define NSX_TLS_OCSP_DEFAULT (-1) /* TRY_STAPLE when verifying, else none */

struct nsx_tls_options {
    /* What is verified.  VERIFY_NONE turns chain, names and pins off. */
    int verify_mode;
    int verify_callback; /* 1: the caller judges each record, see nsx_tls.h */
    struct nsx_tls_name_rules names;

    /* A pin that fits the leaf accepts the certificate whatever chain and
     * name say.  When none fits, chain and name decide (IO::Socket::SSL's
     * meaning), unless pins_required makes that a refusal. */
    const char *const *pins;
    size_t pin_count;
    int pins_required;

    /* Trust anchors.  When none of these is given: the system's, with
     * SSL_CERT_FILE and SSL_CERT_DIR honoured.  A file that is missing or
     * holds no certificate is an error; of the directories one must exist.
     * A directory entry may itself be a ':'-separated list. */
    const char *const *ca_files;
    size_t ca_file_count;
    const char *const *ca_paths;
    size_t ca_path_count;
    const char *ca_pem; /* one or more PEM certificates */
    size_t ca_pem_len;
    int ca_none; /* 1: no trust anchors at all, not even the system's */

    int check_crl;        /* the leaf must be on a valid CRL's good side */
    const char *crl_file; /* PEM; NULL: from the CA directories */
    int ocsp_mode;

    /* Our own certificate: PEM chain, DER or PKCS#12; the key in PEM or DER,
     * NULL: in cert_file.  A NULL cert_file sends none. */
    const char *cert_file;
    const char *key_file;
    const char *passphrase; /* octets, copied nowhere that outlives the call */
    size_t passphrase_len;

    const char *version;      /* "SSLv23:!SSLv3:!SSLv2", "TLSv1_2", ... */
    const char *cipher_list;  /* up to TLS 1.2 */
    const char *ciphersuites; /* TLS 1.3 */
    const char *groups;       /* SSL_ecdh_curve: "P-256:X25519" */
    const char *const *alpn;
    size_t alpn_count;

    int no_renegotiation; /* 1: refuse TLS 1.2 renegotiation; 0: allow the
                             secure kind (RFC 5746), same certificate only */

    const char *keylog_file; /* secrets appended in NSS format, mode 0600 */
    int keylog_fd;           /* the same to a descriptor, duplicated; or -1 */

    struct nsx_tls_sessions *sessions; /* NULL: no resumption; held */
    const char *identity; /* whatever else decides about trust in the caller
                             (which callback); part of the session's key */
};

/* Everything off or NULL, except: verify peer, scheme "smtp", keylog_fd -1,
 * ocsp_mode default. */
void nsx_tls_options_init(struct nsx_tls_options *o);

struct nsx_tls_config;

/* Builds a configuration; it copies what it needs.  NULL with *e filled:
 * NSX_E_TLS_CONFIG, the text names the option as in "SSL_ca_file", what was
 * given and why it cannot be used; NSX_E_NOMEM.  *needs_passphrase is set to
 * 1 when a private key (or PKCS#12 file) is encrypted and no passphrase was
 * given, else to 0: ask for one and call again.  A key is never asked for on
 * the terminal.
 *
 * Versions without the word TLSv1 or TLSv1_1 start at TLS 1.2. */
struct nsx_tls_config *nsx_tls_config_new(const struct nsx_tls_options *o,
                                          int *needs_passphrase,
                                          struct nsx_error *e);

/* Shared by reference count; drop accepts NULL. */
struct nsx_tls_config *nsx_tls_config_hold(struct nsx_tls_config *c);
void nsx_tls_config_drop(struct nsx_tls_config *c);

/* A digest of every option that matters for trust, equal for equal options. */
#define NSX_TLS_IDENTITY 32u
const unsigned char *nsx_tls_config_identity(const struct nsx_tls_config *c);

#endif
