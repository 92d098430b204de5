#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE 1
#endif
#ifndef _DARWIN_C_SOURCE
#define _DARWIN_C_SOURCE 1
#endif
#ifndef __EXTENSIONS__
#define __EXTENSIONS__ 1
#endif

#include "nsx_tls_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEYLOG_MODE 0600

void
nsx_tls_options_init(struct nsx_tls_options *o)
{
    memset(o, 0, sizeof *o);
    o->verify_mode = NSX_TLS_VERIFY_PEER;
    o->ocsp_mode = NSX_TLS_OCSP_DEFAULT;
    o->keylog_fd = -1;
    nsx_tls_scheme("smtp", &o->names);
}

/* --- identity: a digest over everything that decides about trust --- */

static int
hash_int(EVP_MD_CTX *md, int value)
{
    return nsx_tls_hash_octets(md, &value, sizeof value);
}

static int
hash_verification(EVP_MD_CTX *md, const struct nsx_tls_options *o)
{
    return hash_int(md, o->verify_mode) && hash_int(md, o->verify_callback)
        && hash_int(md, o->names.check) && hash_int(md, (int)o->names.in_cn)
        && hash_int(md, (int)o->names.in_alt) && hash_int(md, (int)o->names.cn)
        && hash_int(md, o->names.ip_in_cn)
        && nsx_tls_hash_list(md, o->pins, o->pin_count, nsx_tls_hash_text)
        && hash_int(md, o->pins_required) && hash_int(md, o->check_crl)
        && nsx_tls_hash_file(md, o->crl_file) && hash_int(md, o->ocsp_mode)
        && nsx_tls_hash_text(md, o->identity);
}

static int
hash_protocol(EVP_MD_CTX *md, const struct nsx_tls_options *o)
{
    return nsx_tls_hash_text(md, o->version)
        && nsx_tls_hash_text(md, o->cipher_list)
        && nsx_tls_hash_text(md, o->ciphersuites)
        && nsx_tls_hash_text(md, o->groups)
        && nsx_tls_hash_list(md, o->alpn, o->alpn_count, nsx_tls_hash_text)
        && nsx_tls_hash_file(md, o->cert_file)
        && nsx_tls_hash_file(md, o->key_file);
}

static int
make_identity(struct nsx_tls_config *c, const struct nsx_tls_options *o)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    int ok = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL)
        && hash_verification(md, o) && nsx_tls_hash_anchors(md, o)
        && hash_protocol(md, o) && EVP_DigestFinal_ex(md, c->identity, NULL);

    EVP_MD_CTX_free(md);
    return ok;
}

/* --- the log of secrets --- */

static void
keylog_line(const SSL *ssl, const char *line)
{
    const struct nsx_tls *tls = SSL_get_app_data(ssl);

    if (tls && tls->config->keylog) {
        fprintf(tls->config->keylog, "%s\n", line);
        fflush(tls->config->keylog);
    }
}

static int
keylog_descriptor(const struct nsx_tls_options *o)
{
    return o->keylog_file
        ? open(o->keylog_file, O_WRONLY | O_CREAT | O_APPEND, KEYLOG_MODE)
        : dup(o->keylog_fd);
}

static nsx_status
apply_keylog(struct nsx_tls_config *c, const struct nsx_tls_options *o,
             struct nsx_error *e)
{
    int fd;

    if (!o->keylog_file && o->keylog_fd < 0)
        return NSX_OK;
    fd = keylog_descriptor(o);
    if (fd >= 0) {
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        c->keylog = fdopen(fd, "a");
    }
    if (!c->keylog) {
        int why = errno;

        if (fd >= 0)
            close(fd);
        return nsx_error_set(e, NSX_E_TLS_CONFIG, "nsx_tls_config_new",
                             "SSL_keylog %s can't be written: %s",
                             o->keylog_file ? o->keylog_file : "descriptor",
                             strerror(why));
    }
    SSL_CTX_set_keylog_callback(c->ctx, keylog_line);
    return NSX_OK;
}

/* --- sessions --- */

/* OpenSSL's new session callback: 1 takes over the reference. */
static int
keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct nsx_tls *tls = SSL_get_app_data(ssl);
    unsigned char id[NSX_TLS_SESSION_ID];

    if (!tls || !tls->session_key || !tls->config->sessions)
        return 0;
    if (tls->state == NSX_TLS_OPEN) {
        if (!nsx_tls_session_id(tls, id))
            return 0;
        nsx_tls_sessions_put(tls->config->sessions, id, tls->session_key,
                             session);
        return 1;
    }
    if (tls->early_count == NSX_TLS_EARLY_SESSIONS)
        return 0;
    tls->early[tls->early_count++] = session;
    return 1;
}

static void
apply_sessions(struct nsx_tls_config *c, const struct nsx_tls_options *o)
{
    c->sessions = nsx_tls_sessions_hold(o->sessions);
    if (!c->sessions) {
        SSL_CTX_set_session_cache_mode(c->ctx, SSL_SESS_CACHE_OFF);
        return;
    }
    SSL_CTX_set_session_cache_mode(c->ctx,
                                   SSL_SESS_CACHE_CLIENT
                                       | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(c->ctx, keep_session);
}

/* --- the whole --- */

static nsx_status
parse_pins(struct nsx_tls_config *c, const struct nsx_tls_options *o,
           struct nsx_error *e)
{
    nsx_status st = NSX_OK;
    size_t i;

    if (!o->pin_count)
        return NSX_OK;
    c->pins = nsx_alloc(o->pin_count * sizeof *c->pins);
    if (!c->pins)
        return nsx_error_set(e, NSX_E_NOMEM, "nsx_tls_config_new", NULL);
    c->pin_count = o->pin_count;
    for (i = 0; st == NSX_OK && i < o->pin_count; i++)
        st = nsx_tls_pin_parse(o->pins[i], &c->pins[i], e);
    return st;
}

static int
ocsp_mode(const struct nsx_tls_options *o)
{
    if (o->ocsp_mode != NSX_TLS_OCSP_DEFAULT)
        return o->ocsp_mode;
    return o->verify_mode == NSX_TLS_VERIFY_NONE ? 0 : NSX_TLS_OCSP_TRY_STAPLE;
}

static nsx_status
build(struct nsx_tls_config *c, const struct nsx_tls_options *o,
      int *needs_passphrase, struct nsx_error *e)
{
    nsx_status st;

    c->verify_mode = o->verify_mode & NSX_TLS_VERIFY_PEER;
    c->verify_callback = o->verify_callback;
    c->pins_required = o->pins_required;
    c->ocsp_mode = ocsp_mode(o);
    c->names = o->names;
    SSL_CTX_set_mode(c->ctx,
                     SSL_MODE_ENABLE_PARTIAL_WRITE
                         | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
                         | SSL_MODE_RELEASE_BUFFERS);
    /* A server that floods us with tickets must not keep one read busy past
     * the caller's deadline. */
    SSL_CTX_clear_mode(c->ctx, SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_verify(c->ctx,
                       c->verify_mode ? SSL_VERIFY_PEER : SSL_VERIFY_NONE,
                       NULL);
    SSL_CTX_set_cert_verify_callback(c->ctx, nsx_tls_trial_verify, NULL);
    apply_sessions(c, o);
    st = parse_pins(c, o, e);
    if (st == NSX_OK)
        st = nsx_tls_protocol_apply(c->ctx, o, e);
    if (st == NSX_OK)
        st = nsx_tls_trust_apply(c->ctx, o, e);
    if (st == NSX_OK)
        st = nsx_tls_key_apply(c->ctx, o, needs_passphrase, e);
    if (st == NSX_OK)
        st = apply_keylog(c, o, e);
    return st;
}

struct nsx_tls_config *
nsx_tls_config_new(const struct nsx_tls_options *o, int *needs_passphrase,
                   struct nsx_error *e)
{
    struct nsx_tls_config *c = nsx_alloc(sizeof *c);

    *needs_passphrase = 0;
    ERR_clear_error();
    if (c) {
        c->refs = 1;
        c->ctx = SSL_CTX_new(TLS_client_method());
    }
    if (!c || !c->ctx || !make_identity(c, o))
        nsx_error_set(e, NSX_E_NOMEM, "nsx_tls_config_new", NULL);
    else if (build(c, o, needs_passphrase, e) == NSX_OK)
        return c;
    ERR_clear_error();
    nsx_tls_config_drop(c);
    return NULL;
}

struct nsx_tls_config *
nsx_tls_config_hold(struct nsx_tls_config *c)
{
    c->refs++;
    return c;
}

void
nsx_tls_config_drop(struct nsx_tls_config *c)
{
    if (!c || --c->refs > 0)
        return;
    SSL_CTX_free(c->ctx);
    nsx_tls_sessions_drop(c->sessions);
    nsx_free(c->pins);
    if (c->keylog)
        fclose(c->keylog);
    nsx_free(c);
}

const unsigned char *
nsx_tls_config_identity(const struct nsx_tls_config *c)
{
    return c->identity;
}
