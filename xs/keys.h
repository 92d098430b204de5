/*
 * keys.h - the facts an object keeps in its glob hash, where scripts read and
 * write them.  The names are in keys.c and nowhere else.
 */
#ifndef NSX_KEYS_H
#define NSX_KEYS_H

enum nsx_key {
    NSX_K_CODE,       /* reply code: string of three digits, or a number */
    NSX_K_RESP,       /* array reference: the reply's lines, each with LF */
    NSX_K_LAST_CH,    /* last octet of the body so far; exists inside DATA */
    NSX_K_DEBUG,      /* debug level */
    NSX_K_LINES,      /* array reference: lines pushed back by ungetline */
    NSX_K_EXACT,      /* true: ExactAddresses */
    NSX_K_CHUNKING,   /* exists: the message goes by BDAT */
    NSX_K_BARE_CR,    /* what becomes of a bare CR in a body */
    NSX_K_IO_TIMEOUT, /* IO::Socket's timeout */
    NSX_FACT_COUNT,   /* those above are looked up together by nsx_facts */

    NSX_K_PARTIAL = NSX_FACT_COUNT, /* of a line another class began to read */
    NSX_K_ESMTP,                    /* hash reference: capability => words */
    NSX_K_HELLO_DOMAIN,
    NSX_K_DEBUG_SECRETS, /* true: Debug shows credentials */
    NSX_K_LMTP,          /* true: LMTP is spoken, LHLO is said for EHLO */
    NSX_KEY_COUNT
};

void nsx_keys_boot(pTHX);

/* The scalar of a fact, or NULL when the key does not exist. */
SV *nsx_fact(pTHX_ GV *gv, enum nsx_key key);

/* The same, its magic not read. */
SV *nsx_fact_raw(pTHX_ GV *gv, enum nsx_key key);

/* The first NSX_FACT_COUNT of them at once, their magic not read, NULL for those that are not there:
 * 1, or 0 where the hash is of a kind that needs perl's own look-up. */
int nsx_facts(pTHX_ GV *gv, SV **facts);

/* The same, made when missing. */
SV *nsx_fact_lvalue(pTHX_ GV *gv, enum nsx_key key);

int nsx_fact_exists(pTHX_ GV *gv, enum nsx_key key);
void nsx_fact_delete(pTHX_ GV *gv, enum nsx_key key);

/* 1 when to look at a fact is to run Perl code: it is magical, or an object. */
int nsx_fact_runs_code(pTHX_ GV *gv, enum nsx_key key);

/* The array behind a fact that is an array reference, or NULL. */
AV *nsx_fact_array(pTHX_ GV *gv, enum nsx_key key);

#endif
