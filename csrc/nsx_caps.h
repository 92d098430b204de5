/*
 * nsx_caps.h - what a server said it can do, as data (RFC 5321 4.1.1.1).
 *
 * A keyword that comes twice: the last one counts, but the lists of AUTH are
 * joined.  A parameter that makes no sense counts as not given.
 */
#ifndef NSX_CAPS_H
#define NSX_CAPS_H

#include <stdint.h>
#include "nsx_buf.h"

enum nsx_cap {
    NSX_CAP_PIPELINING = 1 << 0,     /* RFC 2920 */
    NSX_CAP_CHUNKING = 1 << 1,       /* RFC 3030 */
    NSX_CAP_BINARYMIME = 1 << 2,     /* RFC 3030 */
    NSX_CAP_8BITMIME = 1 << 3,       /* RFC 6152 */
    NSX_CAP_SMTPUTF8 = 1 << 4,       /* RFC 6531 */
    NSX_CAP_DSN = 1 << 5,            /* RFC 3461 */
    NSX_CAP_ENHANCED = 1 << 6,       /* ENHANCEDSTATUSCODES, RFC 2034 */
    NSX_CAP_STARTTLS = 1 << 7,       /* RFC 3207 */
    NSX_CAP_REQUIRETLS = 1 << 8,     /* RFC 8689 */
    NSX_CAP_AUTH = 1 << 9,           /* RFC 4954 */
    NSX_CAP_SIZE = 1 << 10,          /* RFC 1870 */
    NSX_CAP_DELIVERBY = 1 << 11,     /* RFC 2852 */
    NSX_CAP_FUTURERELEASE = 1 << 12, /* RFC 4865 */
    NSX_CAP_MT_PRIORITY = 1 << 13,   /* RFC 6710 */
    NSX_CAP_XVERP = 1 << 14,
    NSX_CAP_LIMITS = 1 << 15, /* RFC 9422 */
    NSX_CAP_ETRN = 1 << 16    /* RFC 1985 */
};

struct nsx_caps {
    unsigned flags;    /* of enum nsx_cap */
    uint64_t size;     /* SIZE: most octets of a message, 0: not said */
    uint64_t by_min;   /* DELIVERBY: least seconds, 0: not said */
    uint64_t hold_max; /* FUTURERELEASE: most seconds */
    char hold_until[NSX_MAX_CAP_WORD]; /* and latest time, as sent; or "" */
    char priority[NSX_MAX_CAP_WORD];   /* MT-PRIORITY: profile, or "" */
    unsigned rcpt_max;                 /* LIMITS: RCPTMAX, 0: not said */
    unsigned mail_max;                 /* MAILMAX */
    unsigned rcpt_domain_max;          /* RCPTDOMAINMAX */
    struct nsx_buf auth;               /* mechanisms, separated by blanks */
};

void nsx_caps_init(struct nsx_caps *c);
void nsx_caps_clear(struct nsx_caps *c); /* nothing is offered; keeps memory */
void nsx_caps_free(struct nsx_caps *c);

/* Adds what one line of the reply says: text without code and line end.  The
 * first line of the reply, the greeting, is not to be given.  NSX_E_NONE also
 * for what is not known or no capability; NSX_E_NOMEM. */
nsx_errcode nsx_caps_line(struct nsx_caps *c, const char *text, size_t n);

/* The same for a keyword and its parameters. */
nsx_errcode nsx_caps_add(struct nsx_caps *c, const char *keyword,
                         size_t keyword_len, const char *params,
                         size_t params_len);

/* 1 when all of these (enum nsx_cap, or'ed) are offered. */
int nsx_caps_has(const struct nsx_caps *c, unsigned flags);

#endif
