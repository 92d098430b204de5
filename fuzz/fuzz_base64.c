/*
 * fuzz_base64.c - what decodes is exactly what encoding gives, and the other
 * way round.
 */
#include "fuzz.h"
#include "nsx_base64.h"

static void *
block(size_t n)
{
    void *p = malloc(n > 0 ? n : 1);

    CHECK(p != NULL);
    return p;
}

static void
decode(const char *in, size_t n)
{
    unsigned char *raw = block(nsx_base64_decoded_size(n));
    size_t len = 0, size;
    char *text;

    if (nsx_base64_decode(in, n, raw, &len)) {
        CHECK(len <= nsx_base64_decoded_size(n));
        size = nsx_base64_encoded_size(len);
        CHECK(size == n);
        text = block(size);
        nsx_base64_encode(raw, len, text);
        CHECK(memcmp(text, in, n) == 0);
        free(text);
    }
    free(raw);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t n = nsx_base64_encoded_size(size), len = 0;
    char *text = block(n);
    unsigned char *back = block(nsx_base64_decoded_size(n));

    decode((const char *)data, size);
    nsx_base64_encode(data, size, text);
    CHECK(nsx_base64_decode(text, n, back, &len));
    CHECK(len == size && (size == 0 || memcmp(back, data, size) == 0));
    free(text);
    free(back);
    return 0;
}
