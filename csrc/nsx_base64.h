/*
 * nsx_base64.h - base64 (RFC 4648 4) without line breaks.
 */
#ifndef NSX_BASE64_H
#define NSX_BASE64_H

#include <stddef.h>

/* Octets that n octets encode to, padding included, NUL not. */
size_t nsx_base64_encoded_size(size_t n);

/* Writes exactly nsx_base64_encoded_size(n) octets. */
void nsx_base64_encode(const unsigned char *in, size_t n, char *out);

/* Upper bound of what n characters decode to. */
size_t nsx_base64_decoded_size(size_t n);

/* Strict decoding: only the alphabet, correct padding, zero trailing bits.
 * 1 with *out_len set, or 0 when the input is not base64.  Empty input is
 * valid. */
int nsx_base64_decode(const char *in, size_t n, unsigned char *out,
                      size_t *out_len);

/* Decodes what there is, as MIME::Base64 does: characters outside the alphabet
 * are skipped, nothing after a "=" is taken, the bits of an unfinished group
 * give the whole octets they make.  out has room for
 * nsx_base64_decoded_size(n) + 3; the octets written. */
size_t nsx_base64_decode_some(const char *in, size_t n, unsigned char *out);

#endif
