/*
 * nsx_ehlo.h - one line of an EHLO reply after the greeting
 * (RFC 5321 4.1.1.1: ehlo-keyword *( SP ehlo-param )), and lists of words.
 */
#ifndef NSX_EHLO_H
#define NSX_EHLO_H

#include <stddef.h>

struct nsx_capability {
    const char *keyword; /* slice of the line, case as sent */
    size_t keyword_len;
    const char *params; /* slice: what follows, blanks and '=' skipped */
    size_t params_len;  /* up to the first LF or the end of the line */
};

/* Finds the first run of [-A-Za-z0-9_] that ends at a word boundary (it is
 * shortened from the right until its last octet is [A-Za-z0-9_]; a run of
 * '-' alone is skipped), then skips any '=', space and tab after it.
 * 1 on success, 0 when the line has no keyword. */
int nsx_ehlo_line(const char *line, size_t len, struct nsx_capability *out);

/* Writes each of the blank-separated words of list[0..n) once, compared
 * without case, with one space between, to out, which has n octets and may be
 * list itself.  Returns the octets written.  Words beyond NSX_MAX_AUTH_WORDS,
 * or longer than NSX_MAX_AUTH_WORD, are left out, so that the time is linear
 * whatever a server sends. */
size_t nsx_ehlo_distinct(const char *list, size_t n, char *out);

#endif
