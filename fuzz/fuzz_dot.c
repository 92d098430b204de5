/*
 * fuzz_dot.c - the body encoder, in any pieces and any room, against a
 * reference that goes octet by octet; and that nothing it writes can end the
 * message early.
 *
 * Input: octets that set the handling of bare CR, the piece size and the
 * room, then the body.
 */
#include "fuzz.h"
#include "nsx_dot.h"

enum {
    HEAD = 3,
    ROOM_KINDS = 64
};

static size_t
reference(const char *in, size_t n, int convert, char *out)
{
    size_t len = 0, i;
    int bol = 1, cr = 0;

    for (i = 0; i <= n; i++) {
        if (convert && cr && (i == n || in[i] != '\n')) {
            out[len++] = '\n';
            bol = 1;
        }
        if (i == n)
            break;
        if (in[i] == '\n' && !cr)
            out[len++] = '\r';
        if (in[i] == '.' && bol)
            out[len++] = '.';
        out[len++] = in[i];
        bol = in[i] == '\n';
        cr = in[i] == '\r';
    }
    if (!bol) {
        out[len++] = '\r';
        out[len++] = '\n';
    }
    memcpy(out + len, ".\r\n", 3);
    return len + 3;
}

static size_t
encode(struct nsx_dot *d, const char *in, size_t n, size_t piece, size_t room,
       char *out)
{
    char *space = malloc(room);
    size_t len = 0, taken, put, k;

    CHECK(space != NULL);
    for (; n > 0; n -= k, in += k) {
        size_t at;

        k = n < piece ? n : piece;
        for (at = 0; at < k; at += taken) {
            put = nsx_dot_encode(d, in + at, k - at, space, room, &taken);
            CHECK(put <= room && taken <= k - at && put + taken > 0);
            memcpy(out + len, space, put);
            len += put;
        }
    }
    free(space);
    return len + nsx_dot_end(d, out + len);
}

static size_t
count_ends(const char *p, size_t n)
{
    size_t i, found = n >= 3 && memcmp(p, ".\r\n", 3) == 0;

    for (i = 0; i + 5 <= n; i++)
        found += memcmp(p + i, "\r\n.\r\n", 5) == 0;
    return found;
}

static int
naive_bare(const char *in, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++)
        if (in[i] == '\r' && (i + 1 == n || in[i + 1] != '\n'))
            return 1;
    return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *in = (const char *)data + HEAD;
    struct nsx_dot d;
    char *want, *got;
    size_t want_n, got_n, n;
    int convert;

    if (size < HEAD)
        return 0;
    n = size - HEAD;
    convert = data[0] & 1;
    want = malloc(2 * n + 8);
    got = malloc(2 * n + 8);
    CHECK(want != NULL && got != NULL);
    want_n = reference(in, n, convert, want);
    nsx_dot_init(&d, NSX_DOT_BOL,
                 convert ? NSX_BARE_CR_CONVERT : NSX_BARE_CR_PASS);
    CHECK(nsx_dot_has_bare_cr(&d, in, n, 1) == naive_bare(in, n));
    got_n = encode(&d, in, n, (size_t)data[1] + 1,
                   NSX_DOT_MIN_ROOM + data[2] % ROOM_KINDS, got);
    CHECK(got_n == want_n && memcmp(got, want, want_n) == 0);
    CHECK(count_ends(got, got_n) == 1);
    free(want);
    free(got);
    return 0;
}
