/* Times of RFC 3339. */
#include "tap.h"
#include "nsx_date.h"

static int
parse(const char *text, struct nsx_date *out)
{
    return nsx_date_parse(text, strlen(text), out);
}

static void
valid(void)
{
    static const struct {
        const char *text;
        int64_t seconds;
    } rows[] = {
        { "1970-01-01T00:00:00Z", 0 },
        { "1969-12-31T23:59:59Z", -1 },
        { "0001-01-01T00:00:00Z", -62135596800 },
        { "2000-02-29T00:00:00z", 951782400 },
        { "2026-11-24t18:05:00Z", 1795543500 },
        { "2026-11-24T18:05:00+01:30", 1795538100 },
        { "2026-11-24T18:05:00-23:59", 1795629840 },
        { "1990-12-31T23:59:60Z", 662688000 },
        { "9999-12-31T23:59:59.999Z", 253402300799 },
    };
    struct nsx_date d;
    size_t i;

    for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ok(parse(rows[i].text, &d), rows[i].text);
        ok(d.seconds == rows[i].seconds, "its seconds");
    }
}

static void
invalid(void)
{
    static const char *const rows[] = {
        "",
        "2026-11-24",
        "2026-11-24T18:05:00",
        "2026-11-24 18:05:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-04-00T00:00:00Z",
        "2026-04-01T24:00:00Z",
        "2026-04-01T00:60:00Z",
        "2026-04-01T00:00:61Z",
        "2026-04-01T00:00:00.Z",
        "2026-04-01T00:00:00.5",
        "2026-04-01T00:00:00+0100",
        "2026-04-01T00:00:00+24:00",
        "2026-04-01T00:00:00+01:60",
        "2026-04-01T00:00:00Zx",
        "2o26-04-01T00:00:00Z",
    };
    struct nsx_date d;
    size_t i;

    for (i = 0; i < sizeof rows / sizeof rows[0]; i++)
        ok(!parse(rows[i], &d), rows[i]);
}

static void
compare(void)
{
    static const struct {
        const char *a, *b;
        int sign;
    } rows[] = {
        { "2026-01-01T00:00:00Z", "2026-01-01T00:00:00+00:00", 0 },
        { "2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00Z", 0 },
        { "2026-01-01T00:00:00-01:00", "2026-01-01T00:30:00Z", 1 },
        { "2025-12-31T23:30:00Z", "2026-01-01T00:00:00+01:00", 1 },
        { "2026-01-01T00:00:00.5Z", "2026-01-01T00:00:00.50Z", 0 },
        { "2026-01-01T00:00:00.5Z", "2026-01-01T00:00:00.51Z", -1 },
        { "2026-01-01T00:00:00.001Z", "2026-01-01T00:00:00Z", 1 },
        { "2026-01-01T00:00:00.000Z", "2026-01-01T00:00:00Z", 0 },
        { "2026-01-01T00:00:00.999Z", "2026-01-01T00:00:01Z", -1 },
    };
    struct nsx_date a, b;
    size_t i;

    for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int sign;

        (void)parse(rows[i].a, &a);
        (void)parse(rows[i].b, &b);
        sign = nsx_date_compare(&a, &b);
        is_num((sign > 0) - (sign < 0), rows[i].sign, rows[i].a);
        sign = nsx_date_compare(&b, &a);
        is_num((sign > 0) - (sign < 0), -rows[i].sign, rows[i].b);
    }
}

int
main(void)
{
    valid();
    invalid();
    compare();
    return done_testing();
}
