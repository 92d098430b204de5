/*
 * fuzz_tls_name.c - the certificate name matcher against a slow reading of
 * its rule, and the properties no name may break.
 *
 * Input: one octet that picks the rule, a name, a NUL, a host.
 */
#include "fuzz.h"
#include "nsx_tls_verify.h"

static char
lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static int
equal(const char *a, const char *b, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++)
        if (lower(a[i]) != lower(b[i]))
            return 0;
    return 1;
}

static size_t
stripped(const char *s, size_t n)
{
    while (n > 0 && s[n - 1] == '.')
        n--;
    return n;
}

static size_t
dots(const char *s, size_t n)
{
    size_t i, found = 0;

    for (i = 0; i < n; i++)
        found += s[i] == '.';
    return found;
}

/* A match means: equal, or one star stands for octets of the first label. */
static void
check_match(const char *name, size_t n, const char *host, size_t h,
            enum nsx_tls_wildcard rule)
{
    const char *star = memchr(name, '*', n);
    size_t prefix, suffix, i;

    CHECK(memchr(host, '\0', h) == NULL);
    if (n == h && equal(name, host, n))
        return;
    CHECK(star != NULL && rule != NSX_TLS_WILDCARD_NONE);
    prefix = (size_t)(star - name);
    suffix = n - prefix - 1;
    CHECK(rule != NSX_TLS_WILDCARD_FULL_LABEL || prefix == 0);
    CHECK(h > prefix + suffix && dots(host, h) >= 2);
    CHECK(equal(name, host, prefix));
    CHECK(equal(star + 1, host + h - suffix, suffix));
    for (i = prefix; i < h - suffix; i++)
        CHECK(host[i] != '.');
    CHECK(dots(name, prefix) == 0);
    CHECK(prefix == 0 || h < 4 || !equal(host, "xn--", 4));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *name = (const char *)data + 1, *host;
    enum nsx_tls_wildcard rule;
    unsigned char ip[16];
    size_t n, h, len;

    if (size < 2)
        return 0;
    rule = (enum nsx_tls_wildcard)(data[0] % 3);
    host = memchr(name, '\0', size - 1);
    if (host == NULL)
        return 0;
    n = (size_t)(host++ - name);
    h = size - 2 - n;
    if (nsx_tls_name_match(name, n, host, h, rule))
        check_match(name, n, host, stripped(host, h), rule);
    else
        CHECK(n == 0 || n != stripped(host, h) || memchr(host, '\0', h)
              || !equal(name, host, n < h ? n : h) || memchr(name, '*', n));
    CHECK(!nsx_tls_name_match(name, n, name, n, rule) || n > 0);
    len = nsx_tls_ip_literal(host, h, ip);
    CHECK(len == 0 || len == 4 || len == 16);
    return 0;
}
