/*
 * nsx_ascii.h - letters and digits as protocols know them: ASCII's, whatever
 * the locale is.
 */
#ifndef NSX_ASCII_H
#define NSX_ASCII_H

#include <stddef.h>

static inline int
nsx_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline char
nsx_upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

/* Is text[0..n) this word in capitals, compared without case? */
static inline int
nsx_is_word(const char *text, size_t n, const char *word)
{
    size_t i;

    for (i = 0; i < n; i++)
        if (word[i] == '\0' || nsx_upper(text[i]) != word[i])
            return 0;
    return word[n] == '\0';
}

#endif
