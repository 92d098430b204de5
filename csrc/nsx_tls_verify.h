/*
 * nsx_tls_verify.h - does this certificate speak for that host.
 *
 * The rules are those IO::Socket::SSL documents for its
 * SSL_verifycn_scheme; "smtp" (RFC 3207, RFC 6125) is what a mail client
 * wants.  Nothing here needs a TLS session.
 */
#ifndef NSX_TLS_VERIFY_H
#define NSX_TLS_VERIFY_H

#include <stddef.h>

struct x509_st; /* OpenSSL's X509 */

/* Where a '*' may stand in a name of a certificate.  It never matches more
 * than one label, and what follows it has at least two labels and is not a
 * registry's second level (co.uk, com.au). */
enum nsx_tls_wildcard {
    NSX_TLS_WILDCARD_NONE = 0,
    NSX_TLS_WILDCARD_FULL_LABEL, /* "*.example.org" only ("leftmost" too) */
    NSX_TLS_WILDCARD_ANYWHERE    /* also "www*.example.org" in the first label,
                                    never against an A-label ("xn--") */
};

enum nsx_tls_check_cn {
    NSX_TLS_CN_NEVER = 0,
    NSX_TLS_CN_WHEN_ONLY, /* when no dNSName is in the certificate */
    NSX_TLS_CN_ALWAYS
};

struct nsx_tls_name_rules {
    int check; /* 0: every name fits ("none"); the rest is then unused */
    enum nsx_tls_wildcard in_cn;
    enum nsx_tls_wildcard in_alt;
    enum nsx_tls_check_cn cn;
    int ip_in_cn;   /* an IP literal may equal the CN: 0 no, 4 or 6 that family
                     only, any other number both */
    int cn_limited; /* 1: authorities of the chain may speak for some names
                       only (RFC 5280 4.2.1.10), so the CN counts only where
                       OpenSSL has held it against that: a plain host name
                       of two labels or more */
};

/* --- names alone (nsx_tls_name.c, no OpenSSL in it) --- */

/* The rules of a scheme by name: none default www http ldap smtp imap pop3
 * acap nntp netconf syslog snmp ftp xmpp gist sip and their rfcNNNN names.
 * 1, or 0 when there is no such scheme (*out untouched). */
int nsx_tls_scheme(const char *name, struct nsx_tls_name_rules *out);

/* Words of a custom scheme: "anywhere", "full_label", "leftmost", "" or "0";
 * "always", "when_only", "" or "0".  1, or 0 when the word is unknown. */
int nsx_tls_wildcard_word(const char *word, enum nsx_tls_wildcard *out);
int nsx_tls_check_cn_word(const char *word, enum nsx_tls_check_cn *out);

/* 1 when name (from a certificate) matches host under the wildcard rule.
 * Both compared without case; dots at the end of host are ignored, name is
 * taken as it is, as when its authority's right to it was checked.  A NUL
 * never matches. */
int nsx_tls_name_match(const char *name, size_t name_len, const char *host,
                       size_t host_len, enum nsx_tls_wildcard rule);

/* Octets of the address host denotes (4 or 16, written to out), 0 when it is
 * not an IP literal.  IPv6 may stand in brackets.  IPv4 is decimal without
 * leading zeros, which the resolver takes for octal. */
size_t nsx_tls_ip_literal(const char *host, size_t len, unsigned char out[16]);

/* 1 for nothing but digits and dots: an IPv4 address, or nothing a host can
 * be called. */
int nsx_tls_is_numeric(const char *host, size_t len);

/* --- certificates --- */

/* 1 when the certificate speaks for host (a DNS name in A-label form, or an
 * IP literal), 0 when not.  Also 0 for a host that cannot be valid: empty,
 * characters outside [A-Za-z0-9_.-], a malformed address. */
int nsx_tls_cert_names_host(struct x509_st *cert, const char *host,
                            size_t host_len,
                            const struct nsx_tls_name_rules *rules);

#endif
