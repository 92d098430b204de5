/*
 * nsx_tls_cert.h - what a certificate says, as octets for the caller.
 *
 * Functions append to a buffer the caller owns and answer 1; or they answer 0
 * with the buffer as it was: the field is not there, or memory is out.
 */
#ifndef NSX_TLS_CERT_H
#define NSX_TLS_CERT_H

#include <stddef.h>
#include <time.h>
#include "nsx_buf.h"

struct x509_st; /* OpenSSL's X509 */

/* References are counted: hold takes one and returns cert, drop gives one
 * back (NULL is fine). */
struct x509_st *nsx_tls_cert_hold(struct x509_st *cert);
void nsx_tls_cert_drop(struct x509_st *cert);

/* "/C=XX/O=Some/CN=name", the form of X509_NAME_oneline. */
int nsx_tls_cert_subject(struct x509_st *cert, struct nsx_buf *out);
int nsx_tls_cert_issuer(struct x509_st *cert, struct nsx_buf *out);

/* The first commonName of the subject, as UTF-8 octets (may hold NUL). */
int nsx_tls_cert_common_name(struct x509_st *cert, struct nsx_buf *out);

/* "Subject Name: ...\nIssuer  Name: ...\n". */
int nsx_tls_cert_dump(struct x509_st *cert, struct nsx_buf *out);

/* subjectAltName, entry by entry.  open: NULL when the certificate has none
 * (or memory is out).  next: 1 with the entry appended to out and *type set
 * to its tag in RFC 5280 4.2.1.6 (0 otherName 1 email 2 DNS 4 directoryName
 * 6 URI 7 IP 8 registered ID); an IP address is its 4 or 16 octets, a
 * directoryName its one-line form, an otherName its text; 0 past the end.
 * Entries that have no such form are skipped. */
struct nsx_tls_alt_names;
struct nsx_tls_alt_names *nsx_tls_alt_names_open(struct x509_st *cert);
int nsx_tls_alt_names_next(struct nsx_tls_alt_names *names, int *type,
                           struct nsx_buf *out);
void nsx_tls_alt_names_close(struct nsx_tls_alt_names *names); /* or NULL */

/* Seconds since 1970 of notBefore and notAfter.  1, or 0. */
int nsx_tls_cert_validity(struct x509_st *cert, time_t *not_before,
                          time_t *not_after);

/* Serial number in upper-case hex. */
int nsx_tls_cert_serial(struct x509_st *cert, struct nsx_buf *out);

int nsx_tls_cert_der(struct x509_st *cert, struct nsx_buf *out);
int nsx_tls_cert_pem(struct x509_st *cert, struct nsx_buf *out);

/* Raw digest of the certificate, or of its public key (the bit string of
 * SubjectPublicKeyInfo, as IO::Socket::SSL's "pub$").  0 also when OpenSSL
 * does not know the digest. */
int nsx_tls_cert_fingerprint(struct x509_st *cert, const char *digest_name,
                             int pubkey, struct nsx_buf *out);

/* tls-server-end-point (RFC 5929 4.1): the certificate's digest with the hash
 * of its signature, SHA-256 in place of MD5 and SHA-1.  0 when the signature
 * algorithm has no hash of its own (Ed25519). */
int nsx_tls_cert_end_point(struct x509_st *cert, struct nsx_buf *out);

#endif
