/*
 * nsx_date.c - times of RFC 3339.
 */
#include "nsx_date.h"

enum {
    SECONDS_A_MINUTE = 60,
    SECONDS_AN_HOUR = 3600,
    SECONDS_A_DAY = 86400
};

static int
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The number that n digits make. */
static int
number(const char *p, size_t n)
{
    int value = 0;

    while (n-- > 0)
        value = value * 10 + (*p++ - '0');
    return value;
}

/* 1 when text begins with digits where shape has n, and with its other
 * characters elsewhere, letters in either case. */
static int
has_shape(const char *text, size_t n, const char *shape)
{
    for (; *shape != '\0'; shape++, text++, n--) {
        if (n == 0)
            return 0;
        if (*shape == 'n' ? !is_digit(*text)
                          : *text != *shape && !(*shape == 'T' && *text == 't'))
            return 0;
    }
    return 1;
}

static int
is_leap_year(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int
days_of(int year, int month)
{
    static const int days[] = {
        31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31
    };

    return month == 2 && is_leap_year(year) ? 29 : days[month - 1];
}

/* Days from 1970-01-01 on, of the Gregorian calendar (RFC 3339 5.6). */
static int64_t
days_until(int year, int month, int day)
{
    const int before = year - 1;
    int64_t days = (int64_t)before * 365 + before / 4 - before / 100
        + before / 400 + day - 1;
    int m;

    for (m = 1; m < month; m++)
        days += days_of(year, m);
    return days - 719162; /* of the years 1 to 1969 */
}

/* "Z" or "+nn:nn": 1 with *seconds east of UTC. */
static int
offset(const char *p, size_t n, int *seconds)
{
    *seconds = 0;
    if (n == 1)
        return *p == 'Z' || *p == 'z';
    if (n != 6 || (*p != '+' && *p != '-') || !has_shape(p + 1, n - 1, "nn:nn")
        || number(p + 1, 2) > 23 || number(p + 4, 2) > 59)
        return 0;
    *seconds = number(p + 1, 2) * SECONDS_AN_HOUR
        + number(p + 4, 2) * SECONDS_A_MINUTE;
    if (*p == '-')
        *seconds = -*seconds;
    return 1;
}

/* Takes ".nnn" off the front, where it stands there: 0 for a point alone. */
static int
take_fraction(const char **p, size_t *n, struct nsx_date *out)
{
    out->fraction = *p;
    out->digits = 0;
    if (*n == 0 || **p != '.')
        return 1;
    out->fraction = ++*p;
    --*n;
    while (*n > 0 && is_digit(**p)) {
        ++*p;
        --*n;
        out->digits++;
    }
    return out->digits > 0;
}

int
nsx_date_parse(const char *text, size_t n, struct nsx_date *out)
{
    static const char shape[] = "nnnn-nn-nnTnn:nn:nn";
    const size_t length = sizeof shape - 1;
    const char *rest = text + length;
    int year, month, day, hour, minute, second, east;

    if (!has_shape(text, n, shape))
        return 0;
    year = number(text, 4);
    month = number(text + 5, 2);
    day = number(text + 8, 2);
    hour = number(text + 11, 2);
    minute = number(text + 14, 2);
    second = number(text + 17, 2);
    n -= length;
    if (month < 1 || month > 12 || day < 1 || day > days_of(year, month)
        || hour > 23 || minute > 59 || second > 60
        || !take_fraction(&rest, &n, out) || !offset(rest, n, &east))
        return 0;
    out->seconds = days_until(year, month, day) * SECONDS_A_DAY
        + hour * SECONDS_AN_HOUR + minute * SECONDS_A_MINUTE + second - east;
    return 1;
}

int
nsx_date_compare(const struct nsx_date *a, const struct nsx_date *b)
{
    size_t i;

    if (a->seconds != b->seconds)
        return a->seconds < b->seconds ? -1 : 1;
    for (i = 0; i < a->digits || i < b->digits; i++) {
        const char x = i < a->digits ? a->fraction[i] : '0';
        const char y = i < b->digits ? b->fraction[i] : '0';

        if (x != y)
            return x - y;
    }
    return 0;
}
