/*
 * nsx_reply.h - server replies (RFC 5321 4.2), one line at a time.
 *
 * The parser looks at octets the caller holds, takes whole lines only, and
 * answers with slices into them: it allocates nothing and copies nothing.
 * struct nsx_reply only counts, so that one reply cannot exceed the caps.
 */
#ifndef NSX_REPLY_H
#define NSX_REPLY_H

#include <stddef.h>
#include "nsx_error.h"

/* A line without its CRLF or LF. */
struct nsx_line {
    const char *text; /* slice of the input */
    size_t len;       /* octets before the line end */
    size_t used;      /* octets of input the line took, its end included */
};

/* Finds the first line of input[0..n).  *scanned is how many leading octets
 * earlier calls on the same input already searched; it is kept up to date, so
 * that a line delivered in pieces costs linear time.  Returns 1 with *line
 * filled (and *scanned back to 0), or 0 when no line end is there yet.  The
 * line end is LF with at most one CR before it. */
int nsx_line_find(const char *input, size_t n, size_t *scanned,
                  struct nsx_line *line);

struct nsx_reply_line {
    const char *code; /* three ASCII digits, slice of the line */
    const char *text; /* what follows the code and its one separator octet */
    size_t text_len;
    int more; /* 1 when the separator was '-': another line follows */
};

/* Parses one line (no line end).  1 on success; 0 when it does not begin with
 * three ASCII digits.  Any octet separates code and text, none is needed. */
int nsx_reply_parse_line(const char *line, size_t len,
                         struct nsx_reply_line *out);

/* Counts for one reply. */
struct nsx_reply {
    size_t octets;
    size_t lines;
};

void nsx_reply_init(struct nsx_reply *r);

/* Takes the next line of a reply from input[0..n); *scanned as above.
 * NSX_OK: *out is a line of the reply, *used octets are consumed; the reply
 * is complete when !out->more.  NSX_WANT_READ: no whole line yet, *used is 0.
 * NSX_ERROR: *e holds NSX_E_LINE_LENGTH, NSX_E_REPLY_LENGTH,
 * NSX_E_REPLY_LINES, or NSX_E_REPLY_SYNTAX (then out->text/text_len is the
 * whole offending line and *used its length with its end: nothing of it is
 * to be taken as consumed unless the caller decides so). */
nsx_status nsx_reply_next(struct nsx_reply *r, const char *input, size_t n,
                          size_t *scanned, struct nsx_reply_line *out,
                          size_t *used, struct nsx_error *e);

/* Counts a line that reached the caller by another way (octets without line
 * end) against the same caps. */
nsx_status nsx_reply_count(struct nsx_reply *r, size_t octets,
                           struct nsx_error *e);

#endif
