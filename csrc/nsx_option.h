/*
 * nsx_option.h - the options a message or a recipient may have: their names,
 * the extensions they need and the values they take.
 */
#ifndef NSX_OPTION_H
#define NSX_OPTION_H

#include <stddef.h>

enum nsx_option {
    NSX_OPT_SIZE = 0,   /* decimal octets, RFC 1870 */
    NSX_OPT_RETURN,     /* FULL or HDRS, RFC 3461 4.3 */
    NSX_OPT_BITS,       /* 7, 8 or binary */
    NSX_OPT_ENVELOPE,   /* ENVID, octets to be encoded; RFC 3461 4.4 */
    NSX_OPT_ENVID,      /* the same, as xtext */
    NSX_OPT_AUTH,       /* xtext, "<>" or ""; RFC 4954 5 */
    NSX_OPT_XVERP,      /* any value */
    NSX_OPT_SMTPUTF8,   /* "" and "0" are no, all else is yes; RFC 6531 */
    NSX_OPT_DELIVERBY,  /* "120;R", "-60;NT"; RFC 2852 4 */
    NSX_OPT_HOLDFOR,    /* seconds, RFC 4865 5 */
    NSX_OPT_HOLDUNTIL,  /* date-time of RFC 3339 5.6 */
    NSX_OPT_PRIORITY,   /* -9 to 9, RFC 6710 5 */
    NSX_OPT_REQUIRETLS, /* yes or no as SMTPUTF8, RFC 8689 2 */
    NSX_OPT_NOTIFY,     /* NEVER, or of SUCCESS,FAILURE,DELAY; RFC 3461 4.1 */
    NSX_OPT_ORCPT,      /* type;xtext, RFC 3461 4.2; of a recipient only */
    NSX_OPT_COUNT_      /* number of options, not one */
};

struct nsx_option_facts {
    const char *name;      /* as callers write it: "DeliverBy" */
    const char *extension; /* EHLO's keyword of what it needs: "DELIVERBY" */
    unsigned cap;          /* the same, of enum nsx_cap */
    int informs;           /* 1: left out where that is not offered */
    int (*is_valid)(const char *v, size_t n);
    const char *takes; /* the values, for an error's text */
};

/* Of any option; static. */
const struct nsx_option_facts *nsx_option_facts(enum nsx_option o);

/* The option's name as callers write it ("DeliverBy"), and the EHLO keyword
 * of the extension it needs ("DELIVERBY"); static. */
const char *nsx_option_name(enum nsx_option o);
const char *nsx_option_extension(enum nsx_option o);

/* The option of that name, exactly so; NSX_OPT_COUNT_ when there is none. */
enum nsx_option nsx_option_find(const char *name, size_t len);

#endif
