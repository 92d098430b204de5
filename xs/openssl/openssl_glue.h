/*
 * openssl_glue.h - what the files of the TLS and SASL glue share.
 */
#ifndef NSX_OPENSSL_GLUE_H
#define NSX_OPENSSL_GLUE_H

#include "api.h"
#include "nsx_auth_talk.h"
#include "nsx_base64.h"
#include "nsx_sasl.h"
#include "nsx_tls.h"
#include "nsx_tls_cert.h"
#include "nsx_tls_peer.h"

/* The base shared object's table; set by nsx_openssl_boot, which dies when it
 * is missing or of another version or size. */
extern const struct nsx_api *nsx_base;

void nsx_openssl_boot(pTHX);

/* --- tls_held.c: references Perl holds to things of the core ------------ */

enum nsx_held {
    NSX_HELD_CONFIG = 0, /* struct nsx_tls_config */
    NSX_HELD_SESSIONS,   /* struct nsx_tls_sessions */
    NSX_HELD_CERT,       /* struct x509_st */
    NSX_HELD_COUNT
};

/* A new reference, blessed into the kind's class; takes over the thing. */
SV *nsx_held_new(pTHX_ enum nsx_held kind, void *thing);

/* The same for a borrowed certificate; undef for NULL. */
SV *nsx_held_cert(pTHX_ struct x509_st *cert);

/* The thing behind a reference, borrowed; NULL when it is of another kind, or
 * came from another thread. */
void *nsx_held(pTHX_ SV *sv, enum nsx_held kind);

/* --- tls_options.c ----------------------------------------------------- */

/* Reads rules for names: {scheme}, or the words of a custom scheme.  1, or 0
 * when a name or word is unknown. */
int nsx_tls_read_rules(pTHX_ HV *hv, struct nsx_tls_name_rules *rules);

/* A new reference to a configuration; undef with *e filled. */
SV *nsx_tls_configure(pTHX_ HV *hv, int *needs_passphrase, struct nsx_error *e);

/* Whom the connection is with; undef for what is not known. */
void nsx_tls_read_target(pTHX_ struct nsx_tls_target *target, SV *server_name,
                         SV *verify_name, SV *session_key);

/* --- tls_start.c ------------------------------------------------------- */

enum nsx_tls_started {
    NSX_TLS_STARTED = 0,
    NSX_TLS_START_FAILED,  /* nsx_tls_error says why; still to be closed */
    NSX_TLS_START_TIMEOUT, /* closed, status set */
    NSX_TLS_START_CLOSED,  /* closed meanwhile by the script, status set */
    NSX_TLS_START_READ,    /* to go on when readable, or writable: only where */
    NSX_TLS_START_WRITE,   /* the handshake is made in steps */
    NSX_TLS_START_AGAIN    /* likewise: at once */
};

/* The whole handshake.  judge, when defined, is called for each record to be
 * judged with (ok, error, text, depth, certificate) and answers a truth. */
enum nsx_tls_started nsx_tls_start(pTHX_ SV *smtp, SV *config,
                                   const struct nsx_tls_target *target,
                                   SV *judge);

/* The same without waiting: a new reference to a handshake, NULL when it cannot
 * begin (as START_FAILED).  go_on is called until it answers another thing
 * than READ, WRITE or AGAIN, when the descriptor is ready, and when *until (clock of
 * nsx_io) has passed.  When the handshake is dropped before, the channel is dead.
 * A CLOSED leaves the status alone. */
SV *nsx_tls_begin(pTHX_ SV *smtp, SV *config,
                  const struct nsx_tls_target *target, SV *judge);
enum nsx_tls_started nsx_tls_go_on(pTHX_ SV *smtp, SV *handshake,
                                   int64_t *until);

/* Text of the channel's error as a new scalar, undef when there is none. */
SV *nsx_tls_error(pTHX_ SV *smtp);

/* Ends the session for the channel's error: closed, status set. */
void nsx_tls_fail(pTHX_ SV *smtp);

/* Ends TLS with a close_notify (wait: until the peer's), and goes on in the
 * clear; unread data of the session is dropped. */
void nsx_tls_end(pTHX_ SV *smtp, int wait);

/* --- tls_stream.c: Perl's own input and output -------------------------- */

enum nsx_stream {
    NSX_STREAM_OK = 0,
    NSX_STREAM_EOF,
    NSX_STREAM_ERROR,     /* errno says why */
    NSX_STREAM_WANT_READ, /* would block; errno is EAGAIN */
    NSX_STREAM_WANT_WRITE
};

/* Adds input to the channel's buffer. */
enum nsx_stream nsx_stream_fill(pTHX_ SV *smtp, int block);

/* Octets in the buffer; up to n of them as a new scalar, taken when skip is
 * 1; where a mark that begins at from or later ends, 0 when it is not there. */
size_t nsx_stream_buffered(pTHX_ SV *smtp);
SV *nsx_stream_take(pTHX_ SV *smtp, size_t n, size_t skip);
size_t nsx_stream_find(pTHX_ SV *smtp, const char *mark, size_t len,
                       size_t from);

/* Writes all of data; *done says how much went out in any case. */
enum nsx_stream nsx_stream_write(pTHX_ SV *smtp, const char *data, size_t n,
                                 int block, size_t *done);

/* The handle's descriptor, or -1. */
int nsx_stream_fileno(pTHX_ SV *smtp);

/* --- tls_peer.c -------------------------------------------------------- */

/* The native TLS session of an object, or NULL. */
struct nsx_tls *nsx_tls_of(pTHX_ SV *smtp);

/* Channel binding data (RFC 9266, RFC 5929) by the type's name: a new scalar,
 * undef when the connection has none. */
SV *nsx_tls_binding(pTHX_ SV *smtp, const char *type);

/* What TLS.xsi's getters can be asked for. */
enum nsx_tls_fact {
    NSX_FACT_CIPHER = 0,
    NSX_FACT_VERSION,
    NSX_FACT_VERSION_INT,
    NSX_FACT_SERVERNAME,
    NSX_FACT_ALPN,
    NSX_FACT_REUSED,
    NSX_FACT_PENDING,
    NSX_FACT_VERIFY_NAME
};
SV *nsx_tls_fact(pTHX_ SV *smtp, enum nsx_tls_fact what);

enum nsx_cert_fact {
    NSX_CERT_SUBJECT = 0,
    NSX_CERT_ISSUER,
    NSX_CERT_COMMON_NAME,
    NSX_CERT_DUMP,
    NSX_CERT_SERIAL,
    NSX_CERT_DER,
    NSX_CERT_PEM
};
SV *nsx_cert_fact(pTHX_ SV *cert, enum nsx_cert_fact what);
SV *nsx_cert_fingerprint(pTHX_ SV *cert, const char *digest, int pubkey);

/* Pushes (type, name) pairs of subjectAltName onto av. */
void nsx_cert_alt_names(pTHX_ SV *cert, AV *av);

/* --- sasl_secret.c ----------------------------------------------------- */

/* Hangs ptr on a fresh scalar; vtbl must have free and dup.  companion, when
 * given, lives as long. */
void nsx_magic_own(pTHX_ SV *sv, MGVTBL *vtbl, void *ptr, SV *companion);

/* Overwrites a string's buffer and leaves it empty, unless it is shared. */
void nsx_wipe_scalar(pTHX_ SV *sv);

/* A guard: as long as it lives, smtp's command lines are taken for
 * credentials. */
SV *nsx_auth_secrecy(pTHX_ SV *smtp);

/* The AUTH list of the server's last EHLO, "" when there was none. */
SV *nsx_auth_offered(pTHX_ SV *smtp);

/* --- sasl_arguments.c -------------------------------------------------- */

/* The octets of a scalar: a mortal, wiped as the scope is left.  Dies on wide
 * characters, with the name of the argument. */
SV *nsx_sasl_octets(pTHX_ SV *sv, const char *name);

/* Those of a hash's value, or of the scalar it refers to: secrets come as
 * references, so that Perl makes no copy of them.  No data where it is
 * missing or undefined. */
struct nsx_octets nsx_sasl_argument(pTHX_ HV *hash, const char *name);

/* A hash's value as a number, 0 where it is missing or undefined. */
UV nsx_sasl_number(pTHX_ HV *hash, const char *name);

/* All of a mechanism's configuration; user stands for authcid. */
void nsx_sasl_read(pTHX_ HV *hash, struct nsx_sasl_config *config);

/* --- sasl_choice.c ----------------------------------------------------- */

/* What Perl is to know of a mechanism, in a hash: name, bit, plaintext,
 * binding, token.  undef for an unknown name, or when none can be chosen
 * (see nsx_sasl_pick; the hash holds struct nsx_sasl_choice's members). */
SV *nsx_auth_named(pTHX_ SV *name);
SV *nsx_auth_choose(pTHX_ HV *choice);

/* nsx_sasl_offers_binding of a list. */
int nsx_auth_binds(pTHX_ SV *offered);

/* --- sasl_exchange.c --------------------------------------------------- */

/* A talk (nsx_auth_talk.h) as a reference, with a mechanism of ours from its
 * configuration in a hash; or with a client of the caller's and its initial
 * response ("": none).  Where it cannot begin, its start says so.
 * Both die on wide characters. */
SV *nsx_talk_ours(pTHX_ SV *mechanism, HV *config);
SV *nsx_talk_theirs(pTHX_ SV *mechanism, SV *first);

/* The steps, as nsx_auth_talk.h has them: each answers the name of the next,
 * "send", "work", "challenge", "success" or "over". */
const char *nsx_talk_start(pTHX_ SV *talk);
const char *nsx_talk_reply(pTHX_ SV *talk, unsigned code, SV *text);
const char *nsx_talk_answer(pTHX_ SV *talk, SV *answer);
const char *nsx_talk_believe(pTHX_ SV *talk, int proved, const char *why);
const char *nsx_talk_cancel(pTHX_ SV *talk, const char *why);

/* A slice of the work.  Cancels the exchange when all of it would take more
 * than that many seconds (0: no limit). */
const char *nsx_talk_work(pTHX_ SV *talk, double seconds);

/* The words of the line to be sent: mortals, emptied at the next step. */
size_t nsx_talk_words(pTHX_ SV *talk, SV *words[NSX_AUTH_WORDS]);

/* The decoded challenge, a new scalar. */
SV *nsx_talk_challenge(pTHX_ SV *talk);

/* What came of it: "pending", "accepted", "unfit", "unsuited", "refused",
 * "cancelled" or "broken"; why, and what the server gave as its reason in a
 * challenge; valid until the next call. */
const char *nsx_talk_outcome(pTHX_ SV *talk);
const char *nsx_talk_why(pTHX_ SV *talk);
const char *nsx_talk_detail(pTHX_ SV *talk);

#endif
