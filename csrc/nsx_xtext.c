/*
 * nsx_xtext.c - xtext (RFC 3461 4).
 */
#include "nsx_xtext.h"

static int
is_plain(unsigned char c)
{
    return c >= '!' && c <= '~' && c != '+' && c != '=';
}

size_t
nsx_xtext_size(const char *in, size_t n)
{
    size_t size = 0;
    size_t i;

    for (i = 0; i < n; i++)
        size += is_plain((unsigned char)in[i]) ? 1 : 3;
    return size;
}

void
nsx_xtext_encode(const char *in, size_t n, char *out)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t i;

    for (i = 0; i < n; i++) {
        unsigned char c = (unsigned char)in[i];

        if (is_plain(c)) {
            *out++ = in[i];
        }
        else {
            *out++ = '+';
            *out++ = hex[c >> 4];
            *out++ = hex[c & 15];
        }
    }
}
