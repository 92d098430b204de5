/*
 * fuzz_sasl.c - drives every mechanism with arbitrary challenges.
 *
 *     clang -g -O1 -fsanitize=fuzzer,address,undefined -Icsrc -o fuzz_sasl \
 *         fuzz/fuzz_sasl.c csrc/nsx_sasl*.c csrc/nsx_digest.c \
 *         csrc/nsx_buf.c csrc/nsx_error.c csrc/nsx_base64.c -lcrypto
 *     ./fuzz_sasl -dict=fuzz/fuzz_sasl.dict
 *
 * Input: one octet that picks the mechanism, one of switches, then challenges,
 * each an octet of length and its text.  The nonce is "abc".  No input can
 * know the password, so a server that counts as proved is a crash.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "nsx_sasl.h"

enum {
    BINDING = 1,
    AUTHZID = 2,
    REALM = 4,
    DIGITS = 4
};

static struct nsx_octets
octets(const char *text)
{
    struct nsx_octets o;

    o.data = text;
    o.len = strlen(text);
    return o;
}

static struct nsx_sasl_config
make_config(unsigned switches)
{
    struct nsx_sasl_config c;

    memset(&c, 0, sizeof(c));
    c.authcid = octets("u,s=er");
    c.password = octets("p\xc3\xa4ss");
    c.token = octets("token");
    c.host = octets("mx.example");
    c.nonce = octets("abc");
    c.binding_type = octets("tls-exporter");
    c.binding_data = octets("0123456789abcdef");
    c.min_iterations = 1;
    c.server_binds = (switches & BINDING) != 0;
    if (switches & AUTHZID)
        c.authzid = octets("boss");
    if (switches & REALM)
        c.realm = octets("re\"alm");
    return c;
}

/* A high iteration count is allowed, but costs the fuzzer its speed. */
static int
too_slow(const uint8_t *p, size_t n)
{
    size_t i, digits = 0;

    for (i = 0; i < n && digits <= DIGITS; i++)
        digits = p[i] >= '0' && p[i] <= '9' ? digits + 1 : 0;
    return digits > DIGITS;
}

/* A copy of exact size lets the sanitizer see one octet too far. */
static nsx_status
step(struct nsx_sasl *s, const uint8_t *p, size_t n, struct nsx_buf *out,
     struct nsx_error *e)
{
    uint8_t *copy = malloc(n ? n : 1);
    nsx_status st;

    if (!copy)
        return NSX_ERROR;
    memcpy(copy, p, n);
    st = nsx_sasl_step(s, copy, n, out, e);
    while (st == NSX_AGAIN)
        st = nsx_sasl_work(s, out, e);
    free(copy);
    return st;
}

static void
converse(struct nsx_sasl *s, const uint8_t *p, size_t n, struct nsx_buf *out,
         struct nsx_error *e)
{
    int present;

    if (nsx_sasl_start(s, out, &present, e) != NSX_OK)
        return;
    while (n) {
        size_t len = *p++;

        n--;
        if (len > n)
            len = n;
        if (too_slow(p, len) || step(s, p, len, out, e) != NSX_OK)
            return;
        p += len;
        n -= len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct nsx_sasl_mech *m;
    struct nsx_sasl_config config;
    struct nsx_sasl *s;
    struct nsx_buf out;
    struct nsx_error e;
    size_t count = 0;

    if (size < 2)
        return 0;
    while (nsx_sasl_mech_at(count))
        count++;
    m = nsx_sasl_mech_at(data[0] % count);
    config = make_config(data[1]);
    nsx_error_reset(&e);
    nsx_buf_init(&out, NSX_MAX_SASL_RESPONSE);
    s = nsx_sasl_new(m->name, strlen(m->name), &config, &e);
    if (!s)
        abort();
    converse(s, data + 2, size - 2, &out, &e);
    if (nsx_sasl_server_proved(s))
        abort();
    if ((m->flags & NSX_SASL_MUTUAL) && nsx_sasl_finished(s, &e) == NSX_OK)
        abort();
    nsx_sasl_free(s);
    nsx_buf_wipe(&out);
    return 0;
}
