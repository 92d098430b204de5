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
    int bare;      /* 1: printable ASCII without quotes, brackets or spaces:
                      whole, and it ends no line.  0: nobody looked */
};

/* What the octets of an address are: characters of one octet each, of which
 * only ASCII has white space (space, \t \n \v \f \r); or UTF-8, with
 * Unicode's white space (U+0085, U+00A0, U+2003 and so on). */
enum nsx_addr_text {
    NSX_ADDR_OCTETS,
    NSX_ADDR_UTF8
};

/* Default rule.  The last "<...>" that lies outside quoted strings and
 * comments (RFC 5322 3.2.2, 3.2.4) is the path; quoted strings inside it may
 * hold '>'.  A quote, parenthesis or '<' that is never closed is an ordinary
 * character.  Where angle pairs stand only in quoted strings and comments, the
 * first of them counts, unless an '@' outside shows that the address is there.
 * Without angle brackets: the input without leading and trailing white space,
 * bracketed = 0.  Linear time (see NSX_MAX_ADDR_TRIES). */
void nsx_addr_extract(const char *in, size_t n, enum nsx_addr_text text,
                      struct nsx_addr *out);

/* ExactAddresses rule: white space around is dropped when what is left is
 * "<...>"; else the input is taken whole, unchanged, bracketed = 0. */
void nsx_addr_exact(const char *in, size_t n, enum nsx_addr_text text,
                    struct nsx_addr *out);

/* 1 when the path ends where it seems to: no '>' outside quoted strings has
 * anything but '>' behind it.  Otherwise what follows that '>' would be read
 * as parameters of the command (RFC 5321 4.1.2). */
int nsx_addr_is_whole(const struct nsx_addr *addr);

#endif
