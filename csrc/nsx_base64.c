/*
 * nsx_base64.c - base64 (RFC 4648 4).
 *
 * Secrets pass through here (SASL), so the digits are computed: a table look
 * up would leave their traces in the cache.
 */
#include "nsx_base64.h"

size_t
nsx_base64_encoded_size(size_t n)
{
    return (n / 3 + (n % 3 > 0)) * 4;
}

/* The digit of v & 63. */
static char
digit(unsigned v)
{
    v &= 63;
    if (v < 26)
        return (char)('A' + v);
    if (v < 52)
        return (char)('a' + (v - 26));
    if (v < 62)
        return (char)('0' + (v - 52));
    return v == 62 ? '+' : '/';
}

/* The value of a digit, or 64 for any other octet. */
static unsigned
value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (unsigned)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (unsigned)(c - 'a') + 26;
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0') + 52;
    if (c == '+')
        return 62;
    return c == '/' ? 63 : 64;
}

void
nsx_base64_encode(const unsigned char *in, size_t n, char *out)
{
    while (n > 0) {
        unsigned b1 = n > 1 ? in[1] : 0;
        unsigned b2 = n > 2 ? in[2] : 0;
        unsigned v = (unsigned)in[0] << 16 | b1 << 8 | b2;
        size_t used = n < 3 ? n : 3;

        out[0] = digit(v >> 18);
        out[1] = digit(v >> 12);
        out[2] = n > 1 ? digit(v >> 6) : '=';
        out[3] = n > 2 ? digit(v) : '=';
        in += used;
        n -= used;
        out += 4;
    }
}

size_t
nsx_base64_decoded_size(size_t n)
{
    return n / 4 * 3;
}

/* One group of four, the last `pad` of which are padding: its 24 bits, or -1
 * when a character is no digit or a bit that padding cuts off is set. */
static long
group(const char *in, unsigned pad)
{
    long v = 0;
    unsigned i;

    for (i = 0; i < 4; i++) {
        unsigned d = i < 4 - pad ? value(in[i]) : 0;

        if (d > 63)
            return -1;
        v = v << 6 | (long)d;
    }
    return (v & ((1L << (8 * pad)) - 1)) == 0 ? v : -1;
}

static unsigned
padding(const char *in)
{
    if (in[3] != '=')
        return 0;
    return in[2] == '=' ? 2 : 1;
}

int
nsx_base64_decode(const char *in, size_t n, unsigned char *out, size_t *out_len)
{
    size_t len = 0;
    size_t at;

    if (n % 4 != 0)
        return 0;
    for (at = 0; at < n; at += 4) {
        unsigned pad = at + 4 == n ? padding(in + at) : 0;
        long v = group(in + at, pad);

        if (v < 0)
            return 0;
        out[len++] = (unsigned char)(v >> 16);
        if (pad < 2)
            out[len++] = (unsigned char)(v >> 8 & 0xff);
        if (pad < 1)
            out[len++] = (unsigned char)(v & 0xff);
    }
    *out_len = len;
    return 1;
}

size_t
nsx_base64_decode_some(const char *in, size_t n, unsigned char *out)
{
    unsigned long bits = 0;
    unsigned have = 0; /* bits not yet written */
    size_t len = 0, at;

    for (at = 0; at < n && in[at] != '='; at++) {
        unsigned d = value(in[at]);

        if (d > 63)
            continue;
        bits = (bits << 6 | d) & 0xfff;
        have += 6;
        if (have < 8)
            continue;
        have -= 8;
        out[len++] = (unsigned char)(bits >> have & 0xff);
    }
    return len;
}
