/*
 * nsx_dot.h - the body encoder: CRLF line ends and dot transparency
 * (RFC 5321 2.3.8 and 4.5.2), streaming.
 *
 * LF not after CR becomes CRLF; a '.' at the start of a line is doubled; all
 * other octets, bare CR included, pass as they are.  The state is the last
 * octet of what came before, so a body may be cut anywhere.
 */
#ifndef NSX_DOT_H
#define NSX_DOT_H

#include <stddef.h>
#include <stdint.h>

/* Least room nsx_dot_encode works with, and what nsx_dot_end may write. */
#define NSX_DOT_MIN_ROOM 4u
#define NSX_DOT_END_ROOM 5u

/* What to do with a CR that no LF follows. */
enum nsx_bare_cr {
    NSX_BARE_CR_PASS = 0,
    NSX_BARE_CR_CONVERT /* to CRLF */
};

enum nsx_dot_at {
    NSX_DOT_BOL = 0, /* at the start of a line (also before any octet) */
    NSX_DOT_CR,      /* the last octet was CR */
    NSX_DOT_TEXT     /* anything else */
};

struct nsx_dot {
    enum nsx_dot_at at;
    enum nsx_bare_cr bare_cr;
    int lines_only;   /* 1: line ends alone, no dot is doubled (BDAT) */
    uint64_t doubled; /* dots put before dots so far */
};

/* lines_only is 0 then, and doubled 0. */
void nsx_dot_init(struct nsx_dot *d, enum nsx_dot_at at,
                  enum nsx_bare_cr bare_cr);

/* Encodes from in[0..n) into out[0..size) until either is used up; returns
 * the octets written and sets *taken to the octets read; an octet that needs
 * two may leave the last one of out unused.  size must be at least 4.  With NSX_BARE_CR_CONVERT a CR at the end of the input is written
 * at once and its LF when the next octet shows that it was bare (or by
 * nsx_dot_end). */
size_t nsx_dot_encode(struct nsx_dot *d, const char *in, size_t n, char *out,
                      size_t size, size_t *taken);

/* Writes the end of data: CRLF unless at a line start, then ".CRLF".
 * out holds at least 5 octets.  Returns the octets written. */
size_t nsx_dot_end(struct nsx_dot *d, char *out);

/* The same without the dot's line: only what the last line lacks. */
size_t nsx_dot_end_line(struct nsx_dot *d, char *out);

/* 1 when in[0..n), following state d, holds a CR that no LF follows; a CR in
 * last place counts only when final is set. */
int nsx_dot_has_bare_cr(const struct nsx_dot *d, const char *in, size_t n,
                        int final);

#endif
