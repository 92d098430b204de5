/*
 * nsx_xtext.h - xtext (RFC 3461 4): octets outside '!'..'~', and '+' and
 * '=', become '+' and two upper-case hex digits.
 */
#ifndef NSX_XTEXT_H
#define NSX_XTEXT_H

#include <stddef.h>

/* Octets the encoding of in[0..n) takes. */
size_t nsx_xtext_size(const char *in, size_t n);

/* Writes exactly nsx_xtext_size octets, no NUL. */
void nsx_xtext_encode(const char *in, size_t n, char *out);

#endif
