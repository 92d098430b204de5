/*
 * nsx_addr.h - the address DWIM: from what people write in an address
 * argument to the path of MAIL and RCPT.
 */
#ifndef NSX_ADDR_H
#define NSX_ADDR_H

#include <stddef.h>

struct nsx_addr {
    const char *text; /* slice of the input */
    size_t len;
    int bracketed; /* 1: text begins with '<' and ends with '>';
                      0: the caller puts <> around it */
};

/* Default rule.  The last "<...>" that lies outside quoted strings and
 * comments (RFC 5322 3.2.2, 3.2.4) is the path; quoted strings inside it may
 * hold '>'.  A quote, parenthesis or '<' that is never closed is an ordinary
 * character.  Where angle pairs stand only in quoted strings and comments, the
 * first of them counts, unless an '@' outside shows that the address is there.
 * Without angle brackets: the input without leading and trailing white space
 * (space, \t \n \v \f \r), bracketed = 0.  Linear time (see
 * NSX_MAX_ADDR_TRIES). */
void nsx_addr_extract(const char *in, size_t n, struct nsx_addr *out);

/* ExactAddresses rule: white space around is dropped when what is left is
 * "<...>"; else the input is taken whole, unchanged, bracketed = 0. */
void nsx_addr_exact(const char *in, size_t n, struct nsx_addr *out);

#endif
