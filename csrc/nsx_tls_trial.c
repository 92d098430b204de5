/*
 * nsx_tls_trial.c - the verification of the server's certificate: OpenSSL's
 * findings are recorded during the handshake, then judged one by one, by the
 * rules of the configuration and, where it wants to, by the caller.
 */
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE 1
#endif

#include "nsx_tls_priv.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_RECORDS 8u
#define NAMES_TEXT 96u
#define NAME_TEXT 64u

static void
forget_records(struct nsx_tls_trial *t)
{
    size_t i;

    for (i = 0; i < t->count; i++)
        X509_free(t->records[i].cert);
    nsx_free(t->records);
    t->records = NULL;
    t->count = t->size = t->next = 0;
}

void
nsx_tls_trial_free(struct nsx_tls_trial *t)
{
    forget_records(t);
    X509_free(t->leaf);
    t->leaf = NULL;
}

static struct nsx_tls *
owner(X509_STORE_CTX *x)
{
    SSL *ssl =
        X509_STORE_CTX_get_ex_data(x, SSL_get_ex_data_X509_STORE_CTX_idx());

    return ssl ? SSL_get_app_data(ssl) : NULL;
}

/* --- recording --- */

static int
grow(struct nsx_tls_trial *t)
{
    size_t size = t->size ? t->size * 2 : FIRST_RECORDS;
    struct nsx_tls_record *r;

    if (size > NSX_TLS_MAX_RECORDS)
        return 0;
    r = nsx_alloc(size * sizeof *r);
    if (!r)
        return 0;
    if (t->count)
        memcpy(r, t->records, t->count * sizeof *r);
    nsx_free(t->records);
    t->records = r;
    t->size = size;
    return 1;
}

/* OpenSSL's verify callback: 0 ends the verification. */
static int
record(int ok, X509_STORE_CTX *x)
{
    struct nsx_tls_trial *t = &owner(x)->trial;
    struct nsx_tls_record *r;

    if (t->count == t->size && !grow(t))
        return 0;
    r = &t->records[t->count++];
    r->ok = ok;
    r->error = ok ? X509_V_OK : X509_STORE_CTX_get_error(x);
    r->depth = X509_STORE_CTX_get_error_depth(x);
    r->text = X509_verify_cert_error_string(r->error);
    r->cert = nsx_tls_cert_hold(X509_STORE_CTX_get_current_cert(x));
    return 1;
}

static int
pass(int ok, X509_STORE_CTX *x)
{
    (void)ok;
    (void)x;
    return 1;
}

/* --- words --- */

static void
name_text(int type, const struct nsx_buf *name, char *out, size_t size)
{
    if (type == GEN_IPADD
        && inet_ntop(name->len == 4 ? AF_INET : AF_INET6, nsx_buf_data(name),
                     out, (socklen_t)size))
        return;
    snprintf(out, size, "%.*s", (int)name->len,
             (const char *)nsx_buf_data(name));
}

static int
is_address_or_dns(int type, size_t len)
{
    return type == GEN_DNS || (type == GEN_IPADD && (len == 4 || len == 16));
}

/* "a.example, b.example": the names a certificate has, as far as they fit. */
static void
names_text(X509 *cert, char *out, size_t size)
{
    struct nsx_tls_alt_names *it = nsx_tls_alt_names_open(cert);
    char one[NAME_TEXT];
    struct nsx_buf name;
    size_t len = 0;
    int type;

    nsx_buf_init(&name, NSX_MAX_REPLY_LINE);
    out[0] = '\0';
    while (it && len < size && nsx_tls_alt_names_next(it, &type, &name)) {
        if (is_address_or_dns(type, name.len)) {
            name_text(type, &name, one, sizeof one);
            snprintf(out + len, size - len, "%s%s", len ? ", " : "", one);
            len = strlen(out);
        }
        nsx_buf_clear(&name);
    }
    if (len == 0 && nsx_tls_cert_common_name(cert, &name))
        snprintf(out, size, "%.*s", (int)name.len,
                 (const char *)nsx_buf_data(&name));
    nsx_tls_alt_names_close(it);
    nsx_buf_free(&name);
}

static void
blame(struct nsx_tls *tls, int x509_error, const char *check, const char *what)
{
    struct nsx_tls_trial *t = &tls->trial;

    if (t->cause.code == NSX_E_NONE)
        t->x509_error = x509_error;
    nsx_error_set(&t->cause, NSX_E_TLS_VERIFY, "nsx_tls_handshake", "%s%s",
                  check, what);
}

static void
blame_chain(struct nsx_tls *tls, const struct nsx_tls_record *r)
{
    char what[NSX_ERROR_TEXT], subject[NSX_TLS_SUBJECT_TEXT];

    nsx_tls_subject_text(r->cert, subject, sizeof subject);
    if (r->ok)
        snprintf(what, sizeof what,
                 "%s: SSL_verify_callback refused the certificate at depth "
                 "%d (%s)",
                 nsx_tls_whom(tls), r->depth, subject);
    else
        snprintf(what, sizeof what,
                 "%s: %s (error %d at depth %d, certificate %s)",
                 nsx_tls_whom(tls), r->text, r->error, r->depth, subject);
    blame(tls, r->ok ? X509_V_ERR_APPLICATION_VERIFICATION : r->error,
          "SSL connect attempt failed: certificate verify failed for ", what);
}

static void
blame_name(struct nsx_tls *tls, const struct nsx_tls_record *r)
{
    char what[NSX_ERROR_TEXT], subject[NSX_TLS_SUBJECT_TEXT];
    char names[NAMES_TEXT];

    nsx_tls_subject_text(r->cert, subject, sizeof subject);
    names_text(r->cert, names, sizeof names);
    snprintf(what, sizeof what, "the certificate is not for %s but for %s (%s)",
             tls->verify_name, names[0] ? names : "nobody", subject);
    blame(tls, X509_V_ERR_HOSTNAME_MISMATCH,
          "hostname verification failed: ", what);
}

static void
blame_pin(struct nsx_tls *tls)
{
    struct nsx_tls_trial *t = &tls->trial;
    size_t len = strlen(t->cause.text);

    if (len)
        snprintf(t->cause.text + len, sizeof t->cause.text - len,
                 "; no SSL_fingerprint fits");
    else
        blame(tls, X509_V_ERR_APPLICATION_VERIFICATION,
              "fingerprint verification failed: the certificate fits no "
              "SSL_fingerprint given for ",
              nsx_tls_whom(tls));
}

/* --- judging --- */

static int
name_fits(const struct nsx_tls *tls, const struct nsx_tls_record *r)
{
    struct nsx_tls_name_rules rules = tls->config->names;

    rules.cn_limited = tls->trial.limited;
    return !rules.check
        || nsx_tls_cert_names_host(r->cert, tls->verify_name,
                                   strlen(tls->verify_name), &rules);
}

/* With pins, refusals are collected, and the leaf decides. */
static int
judge_pins(struct nsx_tls *tls, const struct nsx_tls_record *r, int ok)
{
    const struct nsx_tls_config *c = tls->config;
    struct nsx_tls_trial *t = &tls->trial;

    t->failed |= !ok;
    if (r->depth > 0)
        return 1;
    if (nsx_tls_pin_match(r->cert, c->pins, c->pin_count)) {
        t->by_pin = 1;
        return 1;
    }
    if (!t->failed && !c->pins_required)
        return 1;
    blame_pin(tls);
    return 0;
}

static int
judge(struct nsx_tls *tls, const struct nsx_tls_record *r, int ok)
{
    if (!ok || !r->cert) {
        blame_chain(tls, r);
        ok = 0;
    }
    else if (r->depth == 0 && !name_fits(tls, r)) {
        blame_name(tls, r);
        ok = 0;
    }
    if (tls->config->pin_count && r->cert)
        ok = judge_pins(tls, r, ok);
    return ok;
}

int
nsx_tls_record_next(struct nsx_tls *tls, struct nsx_tls_record *out)
{
    const struct nsx_tls_trial *t = &tls->trial;

    if (t->verdict != NSX_TLS_UNDECIDED || t->next >= t->count)
        return 0;
    *out = t->records[t->next];
    return 1;
}

void
nsx_tls_answer(struct nsx_tls *tls, int ok)
{
    struct nsx_tls_trial *t = &tls->trial;

    if (t->verdict != NSX_TLS_UNDECIDED || t->next >= t->count)
        return;
    if (tls->config->verify_mode != NSX_TLS_VERIFY_NONE
        && !judge(tls, &t->records[t->next], ok)) {
        t->verdict = NSX_TLS_REFUSED;
        return;
    }
    if (++t->next == t->count)
        t->verdict = NSX_TLS_ACCEPTED;
}

/* The rules alone decide. */
static void
judge_all(struct nsx_tls *tls)
{
    struct nsx_tls_record r;

    while (nsx_tls_record_next(tls, &r))
        nsx_tls_answer(tls, r.ok);
}

/* A verification that did not get as far as the leaf proves nothing. */
static int
saw_leaf(const struct nsx_tls_trial *t)
{
    size_t i;

    for (i = 0; i < t->count; i++)
        if (t->records[i].depth == 0)
            return 1;
    return 0;
}

/* 1 when an authority of the chain may speak for some names only. */
static int
is_limited(X509_STORE_CTX *x)
{
    STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(x);
    int i;

    for (i = 1; i < sk_X509_num(chain); i++)
        if (X509_get_ext_by_NID(sk_X509_value(chain, i), NID_name_constraints,
                                -1)
            >= 0)
            return 1;
    return 0;
}

static void
run(struct nsx_tls *tls, X509_STORE_CTX *x)
{
    struct nsx_tls_trial *t = &tls->trial;
    int verified;

    t->ran = 1;
    X509_STORE_CTX_set_verify_cb(x, record);
    verified = X509_verify_cert(x) > 0;
    t->limited = is_limited(x);
    if (!verified || !saw_leaf(t)) {
        blame(tls, X509_V_ERR_UNSPECIFIED,
              "SSL connect attempt failed: certificate verify failed: ",
              X509_verify_cert_error_string(X509_STORE_CTX_get_error(x)));
        t->verdict = tls->config->verify_mode == NSX_TLS_VERIFY_NONE
            ? NSX_TLS_ACCEPTED
            : NSX_TLS_REFUSED;
    }
    else if (!tls->config->verify_callback) {
        judge_all(tls);
    }
    ERR_clear_error();
}

/* The handshake goes on in the light of the verdict. */
static int
conclude(struct nsx_tls *tls, X509_STORE_CTX *x)
{
    const struct nsx_tls_trial *t = &tls->trial;

    if (t->verdict == NSX_TLS_REFUSED) {
        X509_STORE_CTX_set_error(x, t->x509_error);
        return 0;
    }
    X509_STORE_CTX_set_error(x, X509_V_OK);
#if NSX_TLS_CAN_PAUSE
    if (t->verdict == NSX_TLS_UNDECIDED)
        (void)SSL_set_retry_verify(tls->ssl);
#endif
    return 1;
}

/* A renegotiation may not bring another peer (RFC 5746 does not forbid it,
 * but nothing would judge it). */
static int
same_peer(struct nsx_tls *tls, X509_STORE_CTX *x)
{
    X509 *cert = X509_STORE_CTX_get0_cert(x);

    if (cert && tls->trial.leaf && X509_cmp(cert, tls->trial.leaf) == 0) {
        X509_STORE_CTX_set_error(x, X509_V_OK);
        return 1;
    }
    blame(tls, X509_V_ERR_APPLICATION_VERIFICATION,
          "the server changed its certificate in a renegotiation: ",
          nsx_tls_whom(tls));
    X509_STORE_CTX_set_error(x, X509_V_ERR_APPLICATION_VERIFICATION);
    return 0;
}

int
nsx_tls_trial_verify(X509_STORE_CTX *x, void *unused)
{
    struct nsx_tls *tls = owner(x);

    (void)unused;
    if (!tls)
        return 0;
    if (tls->state == NSX_TLS_OPEN)
        return same_peer(tls, x);
    if (tls->config->verify_mode == NSX_TLS_VERIFY_NONE
        && !tls->config->verify_callback) {
        tls->trial.ran = 1;
        tls->trial.verdict = NSX_TLS_ACCEPTED;
    }
    else if (!tls->trial.ran) {
        run(tls, x);
    }
    else { /* after a pause; the chain is wanted for OCSP */
        X509_STORE_CTX_set_verify_cb(x, pass);
        X509_verify_cert(x);
    }
    return conclude(tls, x);
}
