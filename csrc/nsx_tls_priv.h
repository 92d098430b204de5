/*
 * nsx_tls_priv.h - the insides the nsx_tls*.c files share.  Nobody else
 * includes it: OpenSSL's headers come with it.
 */
#ifndef NSX_TLS_PRIV_H
#define NSX_TLS_PRIV_H

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "nsx_tls.h"
#include "nsx_tls_cert.h"
#include "nsx_tls_peer.h"

/* 3.0 can stop a handshake at the server's certificate and go on later. */
#if defined(SSL_ERROR_WANT_RETRY_VERIFY) && !defined(NSX_TLS_JUDGE_LATE)
#define NSX_TLS_CAN_PAUSE 1
#else
#define NSX_TLS_CAN_PAUSE 0
#endif

/* Calls of the verify callback one handshake may make: a few for each
 * certificate of the longest chain OpenSSL builds. */
#define NSX_TLS_MAX_RECORDS 512u

/* Text of one certificate's subject in an error. */
#define NSX_TLS_SUBJECT_TEXT 80u

struct nsx_tls_config {
    size_t refs;
    SSL_CTX *ctx;
    int verify_mode;
    int verify_callback;
    int pins_required;
    int ocsp_mode; /* never NSX_TLS_OCSP_DEFAULT */
    struct nsx_tls_name_rules names;
    struct nsx_tls_pin *pins;
    size_t pin_count;
    struct nsx_tls_sessions *sessions;
    FILE *keylog;
    unsigned char identity[NSX_TLS_IDENTITY];
};

/* --- nsx_tls_trial.c: the verification of one handshake --- */

enum nsx_tls_verdict {
    NSX_TLS_UNDECIDED = 0,
    NSX_TLS_ACCEPTED,
    NSX_TLS_REFUSED
};

struct nsx_tls_trial {
    int ran; /* OpenSSL's verifier has been through */
    struct nsx_tls_record *records;
    size_t count, size, next;
    int limited; /* an authority of the chain has name constraints */
    int failed;  /* a refusal that only a pin can outweigh */
    int by_pin;  /* a pin decided */
    enum nsx_tls_verdict verdict;
    int x509_error;         /* for the alert, when refused */
    struct nsx_error cause; /* the first refusal */
    X509 *leaf;             /* what was accepted; for renegotiation */
};

void nsx_tls_trial_free(struct nsx_tls_trial *t);
int nsx_tls_trial_verify(X509_STORE_CTX *x, void *unused);

/* --- nsx_tls_session.c --- */

#define NSX_TLS_SESSION_ID 32u

/* The id a connection's sessions are filed under. 1, or 0. */
int nsx_tls_session_id(const struct nsx_tls *tls,
                       unsigned char id[NSX_TLS_SESSION_ID]);

/* A session to resume (the caller's reference), or NULL. */
SSL_SESSION *nsx_tls_sessions_take(struct nsx_tls_sessions *s,
                                   const unsigned char *id);

/* Files a session; takes over the reference. */
void nsx_tls_sessions_put(struct nsx_tls_sessions *s, const unsigned char *id,
                          const char *key, SSL_SESSION *session);

/* --- nsx_tls.c --- */

enum nsx_tls_state {
    NSX_TLS_CONNECTING = 0,
    NSX_TLS_JUDGING, /* connected, not yet allowed */
    NSX_TLS_OPEN,
    NSX_TLS_BROKEN /* a fatal error: nothing may be sent any more */
};

/* TLS 1.3 servers send a ticket or two; more than this are not kept while
 * the verdict is out. */
#define NSX_TLS_EARLY_SESSIONS 4u

struct nsx_tls {
    SSL *ssl;
    struct nsx_tls_config *config;
    enum nsx_tls_state state;
    char *server_name;
    char *verify_name;
    char *session_key;
    struct nsx_io *io;         /* for the BIO, during a call */
    int more;                  /* likewise */
    size_t may_read;           /* octets this step may still read */
    int eof;                   /* the BIO met the end of the stream */
    struct nsx_error io_error; /* or this */
    int write_failed;          /* what the peer said before can be read */
    struct nsx_tls_trial trial;
    enum nsx_tls_staple staple;
    SSL_SESSION *early[NSX_TLS_EARLY_SESSIONS]; /* before the verdict */
    size_t early_count;
};

/* --- nsx_tls_bio.c --- */

/* A BIO over tls->io, or NULL; owned by the caller. */
BIO *nsx_tls_bio_new(struct nsx_tls *tls);

/* --- nsx_tls_ocsp.c --- */

/* Judges the stapled answer; NSX_OK sets tls->staple. */
nsx_status nsx_tls_ocsp_check(struct nsx_tls *tls, struct nsx_error *e);

/* What asks the server for an answer. */
int nsx_tls_wants_staple(int ocsp_mode);

/* --- nsx_tls_store.c --- */

/* The trust anchors of the options: a reference to a store that others may
 * use too, so nothing may be added to it unless check_crl is on; or NULL with
 * *e filled. */
X509_STORE *nsx_tls_store(const struct nsx_tls_options *o, struct nsx_error *e);

/* What tells them apart from others: equal while they are unchanged. */
int nsx_tls_hash_anchors(EVP_MD_CTX *md, const struct nsx_tls_options *o);

/* --- nsx_tls_bundle.c --- */

/* The certificates of a PEM file become trust anchors of the store.  1, or 0
 * with OpenSSL's reason in its queue when there is none or one is broken;
 * what is broken behind the subject shows when it is asked for, and is then
 * no anchor.  To be done before the store is shared. */
int nsx_tls_bundle_add(X509_STORE *store, const char *file);

/* --- nsx_tls_path.c --- */

#define NSX_TLS_MAX_PATH 4096u

/* Takes the next path off a list as OpenSSL writes it ("/a:/b"): copies it to
 * out and answers its length, or 0 at the end.  Empty and overlong ones are
 * skipped. */
size_t nsx_tls_path_next(const char **list, char *out, size_t size);

/* A file or directory by its name and what would change if it were replaced.
 * NULL is not the same as "". */
int nsx_tls_hash_file(EVP_MD_CTX *md, const char *file);
/* Each directory of a list: a certificate that comes or goes changes it. */
int nsx_tls_hash_directories(EVP_MD_CTX *md, const char *list);
int nsx_tls_hash_text(EVP_MD_CTX *md, const char *text);
int nsx_tls_hash_octets(EVP_MD_CTX *md, const void *data, size_t n);
int nsx_tls_hash_list(EVP_MD_CTX *md, const char *const *list, size_t n,
                      int (*hash_one)(EVP_MD_CTX *, const char *));

/* --- nsx_tls_trust.c, nsx_tls_key.c, nsx_tls_protocol.c: parts of a
 * configuration; each applies its options to ctx --- */

nsx_status nsx_tls_trust_apply(SSL_CTX *ctx, const struct nsx_tls_options *o,
                               struct nsx_error *e);
nsx_status nsx_tls_key_apply(SSL_CTX *ctx, const struct nsx_tls_options *o,
                             int *needs_passphrase, struct nsx_error *e);
nsx_status nsx_tls_protocol_apply(SSL_CTX *ctx, const struct nsx_tls_options *o,
                                  struct nsx_error *e);

/* --- nsx_tls_error.c --- */

/* The oldest entry of OpenSSL's error queue in words, with a hint for people
 * where one helps; empties the queue.  The text is NUL-terminated. */
void nsx_tls_queue_text(char *text, size_t size);

/* Certificate subject, shortened to the size. */
void nsx_tls_subject_text(X509 *cert, char *text, size_t size);

/* Host for people: the name that is verified, else SNI, else "the server". */
const char *nsx_tls_whom(const struct nsx_tls *tls);

#endif
