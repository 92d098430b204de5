/*
 * nsx_ehlo.h - one line of an EHLO reply after the greeting
 * (RFC 5321 4.1.1.1: ehlo-keyword *( SP ehlo-param )).
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

/* 1 when the blank-separated list holds word, compared without case. */
int nsx_ehlo_has_word(const char *list, size_t list_len, const char *word,
                      size_t word_len);

#endif
