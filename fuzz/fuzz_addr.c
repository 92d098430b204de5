/*
 * fuzz_addr.c - the address rules against a reference that looks for every
 * closing bracket anew.
 */
#include "fuzz.h"
#include "nsx_addr.h"
#include "nsx_limits.h"

/* One past the quoted string, comment or pair at i, or 0 when it is open. */
static size_t
close_quote(const char *in, size_t n, size_t i)
{
    for (i++; i < n; i++) {
        if (in[i] == '"')
            return i + 1;
        i += in[i] == '\\';
    }
    return 0;
}

static size_t
close_comment(const char *in, size_t n, size_t i)
{
    size_t depth = 0;

    for (; i < n; i++) {
        depth += in[i] == '(';
        if (in[i] == ')' && --depth == 0)
            return i + 1;
        i += in[i] == '\\';
    }
    return 0;
}

static size_t
close_angle(const char *in, size_t n, size_t i)
{
    while (++i < n) {
        size_t end = in[i] == '"' ? close_quote(in, n, i) : 0;

        if (in[i] == '>')
            return i + 1;
        if (end > 0)
            i = end - 1;
    }
    return 0;
}

/* The first pair anywhere, for inputs without an '@' outside. */
static int
first_pair(const char *in, size_t n, size_t *from, size_t *to)
{
    for (*from = 0; *from < n && in[*from] != '<'; ++*from)
        ;
    for (*to = *from; *to < n && in[*to] != '>'; ++*to)
        ;
    return (*to)++ < n;
}

/* The last pair: 1 with its place, or 0 when there is none. */
static int
reference(const char *in, size_t n, size_t *from, size_t *to)
{
    size_t i = 0;
    int found = 0, address_outside = 0;

    while (i < n) {
        size_t end = 0;

        address_outside |= in[i] == '@';

        if (in[i] == '"')
            end = close_quote(in, n, i);
        else if (in[i] == '(')
            end = close_comment(in, n, i);
        else if (in[i] == '<')
            end = close_angle(in, n, i);
        if (in[i] == '<' && end > 0) {
            found = 1;
            *from = i;
            *to = end;
        }
        i = end > 0 ? end : i + 1;
    }
    if (!found && !address_outside)
        return first_pair(in, n, from, to);
    return found;
}

static size_t
count(const char *in, size_t n, char c)
{
    size_t i, found = 0;

    for (i = 0; i < n; i++)
        found += in[i] == c;
    return found;
}

static void
check_trimmed(const struct nsx_addr *a)
{
    static const char space[] = " \t\n\v\f\r";

    CHECK(a->len == 0 || a->text[0] == '\0'
          || strchr(space, a->text[0]) == NULL);
    CHECK(a->len == 0 || a->text[a->len - 1] == '\0'
          || strchr(space, a->text[a->len - 1]) == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *in = (const char *)data;
    struct nsx_addr a;
    size_t from = 0, to = 0;

    nsx_addr_exact(in, size, NSX_ADDR_UTF8, &a);
    CHECK(inside(a.text, a.len, in, size));
    CHECK(a.bracketed || (a.text == in && a.len == size));
    (void)nsx_addr_is_whole(&a);
    nsx_addr_extract(in, size, NSX_ADDR_UTF8, &a);
    CHECK(inside(a.text, a.len, in, size));
    nsx_addr_extract(in, size, NSX_ADDR_OCTETS, &a);
    CHECK(inside(a.text, a.len, in, size));
    CHECK(!a.bracketed || nsx_addr_is_whole(&a));
    if (!a.bracketed)
        check_trimmed(&a);
    if (a.bare) {
        CHECK(a.text == in && a.len == size && !a.bracketed);
        a.bare = 0;
        CHECK(nsx_addr_is_whole(&a));
    }
    if (count(in, size, '<') > NSX_MAX_ADDR_TRIES
        || count(in, size, '(') > NSX_MAX_ADDR_TRIES)
        return 0;
    CHECK(a.bracketed == reference(in, size, &from, &to));
    CHECK(!a.bracketed || (a.text == in + from && a.len == to - from));
    return 0;
}
