/*
 * nsx_date.h - times as RFC 3339 5.6 writes them, compared whatever their
 * offsets and fractions: "2026-01-31T18:30:00.25+01:00".
 */
#ifndef NSX_DATE_H
#define NSX_DATE_H

#include <stddef.h>
#include <stdint.h>

struct nsx_date {
    int64_t seconds;      /* of UTC, from 1970 on, leap seconds not counted */
    const char *fraction; /* the digits behind the point, borrowed */
    size_t digits;
};

/* 1 with *out filled, or 0 for what is no such time.  Months have the days they
 * have; second 60 is that of a leap second, and as late as the next minute. */
int nsx_date_parse(const char *text, size_t n, struct nsx_date *out);

/* Less than, equal to or more than 0 as a is before, at or after b. */
int nsx_date_compare(const struct nsx_date *a, const struct nsx_date *b);

#endif
