/*
 * nsx_tls_key.c - our own certificate and private key.
 */
#include "nsx_tls_priv.h"

#include <errno.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <string.h>

/* What the library may ask for while it reads a key. */
struct passphrase {
    const char *text;
    size_t len;
    int asked_in_vain;
};

struct pkcs12 {
    EVP_PKEY *key;
    X509 *cert;
    STACK_OF(X509) * chain;
};

/* OpenSSL's pem_password_cb. */
static int
give_passphrase(char *buf, int size, int rwflag, void *u)
{
    struct passphrase *p = u;

    (void)rwflag;
    if (!p || !p->text) {
        if (p)
            p->asked_in_vain = 1;
        return -1;
    }
    if (p->len > (size_t)size)
        return -1;
    memcpy(buf, p->text, p->len);
    return (int)p->len;
}

static nsx_status
refuse(struct nsx_error *e, const char *option, const char *file,
       const struct passphrase *p, const char *why)
{
    if (p->asked_in_vain)
        return nsx_error_set(e, NSX_E_TLS_CONFIG, "nsx_tls_key_apply",
                             "%s %s can't be used: it is encrypted, and "
                             "SSL_passwd_cb gave no passphrase",
                             option, file);
    return nsx_error_set(e, NSX_E_TLS_CONFIG, "nsx_tls_key_apply",
                         "%s %s can't be used: %s", option, file, why);
}

/* The reason is in OpenSSL's queue. */
static nsx_status
unusable(struct nsx_error *e, const char *option, const char *file,
         const struct passphrase *p)
{
    char why[NSX_ERROR_TEXT];

    nsx_tls_queue_text(why, sizeof why);
    return refuse(e, option, file, p, why);
}

static nsx_status
check_readable(const char *option, const char *file, struct nsx_error *e)
{
    FILE *f = fopen(file, "r");

    if (!f)
        return nsx_error_set(e, NSX_E_TLS_CONFIG, "nsx_tls_key_apply",
                             "%s %s can't be used: %s", option, file,
                             strerror(errno));
    fclose(f);
    return NSX_OK;
}

static PKCS12 *
read_pkcs12(const char *file)
{
    BIO *bio = BIO_new_file(file, "rb");
    PKCS12 *p12 = bio ? d2i_PKCS12_bio(bio, NULL) : NULL;

    BIO_free(bio);
    return p12;
}

/* Opens the box with no passphrase, an empty one, or the one given. */
static int
parse_pkcs12(PKCS12 *p12, struct passphrase *p, struct pkcs12 *out)
{
    char text[PEM_BUFSIZE + 1];
    int ok;

    if (PKCS12_verify_mac(p12, NULL, 0))
        return PKCS12_parse(p12, NULL, &out->key, &out->cert, &out->chain);
    if (PKCS12_verify_mac(p12, "", 0))
        return PKCS12_parse(p12, "", &out->key, &out->cert, &out->chain);
    if (!p->text)
        p->asked_in_vain = 1;
    if (!p->text || p->len >= sizeof text)
        return 0;
    memcpy(text, p->text, p->len);
    text[p->len] = '\0';
    ok = PKCS12_parse(p12, text, &out->key, &out->cert, &out->chain);
    nsx_wipe(text, sizeof text);
    return ok;
}

static int
use_pkcs12(SSL_CTX *ctx, const struct pkcs12 *box)
{
    int i;

    if (!box->cert || !SSL_CTX_use_certificate(ctx, box->cert))
        return 0;
    for (i = 0; i < sk_X509_num(box->chain); i++)
        if (!SSL_CTX_add1_chain_cert(ctx, sk_X509_value(box->chain, i)))
            return 0;
    return !box->key || SSL_CTX_use_PrivateKey(ctx, box->key);
}

/* 1 with *has_key set, or 0. */
static int
load_pkcs12(SSL_CTX *ctx, const char *file, struct passphrase *p, int *has_key)
{
    struct pkcs12 box = { NULL, NULL, NULL };
    PKCS12 *p12 = read_pkcs12(file);
    int ok = p12 && parse_pkcs12(p12, p, &box) && use_pkcs12(ctx, &box);

    *has_key = ok && box.key;
    EVP_PKEY_free(box.key);
    X509_free(box.cert);
    sk_X509_pop_free(box.chain, X509_free);
    PKCS12_free(p12);
    return ok;
}

static nsx_status
load_cert(SSL_CTX *ctx, const struct nsx_tls_options *o, struct passphrase *p,
          int *has_key, struct nsx_error *e)
{
    const char *file = o->cert_file;
    nsx_status st = check_readable("SSL_cert_file", file, e);

    *has_key = 0;
    if (st != NSX_OK)
        return st;
    if (SSL_CTX_use_certificate_chain_file(ctx, file))
        return NSX_OK;
    ERR_clear_error();
    if (SSL_CTX_use_certificate_file(ctx, file, SSL_FILETYPE_ASN1))
        return NSX_OK;
    ERR_clear_error();
    if (load_pkcs12(ctx, file, p, has_key))
        return NSX_OK;
    return unusable(e, "SSL_cert_file", file, p);
}

static nsx_status
load_key(SSL_CTX *ctx, const struct nsx_tls_options *o, struct passphrase *p,
         struct nsx_error *e)
{
    const char *option = o->key_file ? "SSL_key_file" : "SSL_cert_file";
    const char *file = o->key_file ? o->key_file : o->cert_file;
    nsx_status st = check_readable(option, file, e);
    char why[NSX_ERROR_TEXT];

    if (st != NSX_OK)
        return st;
    if (SSL_CTX_use_PrivateKey_file(ctx, file, SSL_FILETYPE_PEM))
        return NSX_OK;
    nsx_tls_queue_text(why, sizeof why); /* closer to the truth than DER's */
    if (!p->asked_in_vain
        && SSL_CTX_use_PrivateKey_file(ctx, file, SSL_FILETYPE_ASN1))
        return NSX_OK;
    return refuse(e, option, file, p, why);
}

static nsx_status
load_both(SSL_CTX *ctx, const struct nsx_tls_options *o, struct passphrase *p,
          struct nsx_error *e)
{
    int has_key;
    nsx_status st = load_cert(ctx, o, p, &has_key, e);

    if (st == NSX_OK && !has_key)
        st = load_key(ctx, o, p, e);
    if (st == NSX_OK && !SSL_CTX_check_private_key(ctx))
        st = unusable(e, "SSL_key_file",
                      o->key_file ? o->key_file : o->cert_file, p);
    return st;
}

nsx_status
nsx_tls_key_apply(SSL_CTX *ctx, const struct nsx_tls_options *o,
                  int *needs_passphrase, struct nsx_error *e)
{
    struct passphrase p = { NULL, 0, 0 };
    nsx_status st;

    *needs_passphrase = 0;
    if (!o->cert_file)
        return NSX_OK;
    p.text = o->passphrase;
    p.len = o->passphrase_len;
    SSL_CTX_set_default_passwd_cb(ctx, give_passphrase);
    SSL_CTX_set_default_passwd_cb_userdata(ctx, &p);
    st = load_both(ctx, o, &p, e);
    SSL_CTX_set_default_passwd_cb_userdata(ctx, NULL);
    *needs_passphrase = p.asked_in_vain;
#ifndef LIBRESSL_VERSION_NUMBER
    if (st == NSX_OK)
        SSL_CTX_set_post_handshake_auth(ctx, 1);
#endif
    return st;
}
