/*
 * nsx_short.h - the usual case of a client in lockstep, in blocks of the
 * caller's: a command of some words and at most one path, and a reply of one
 * line that is all there is.  Neither allocates.  Where the case is another
 * one both say so, and nothing is lost.
 */
#ifndef NSX_SHORT_H
#define NSX_SHORT_H

#include "nsx_addr.h"
#include "nsx_channel.h"

/* Puts words[0..n), the path (NULL: none) in angle brackets, and CRLF into
 * line: its octets, or 0 when they do not fit, or the path could end the line
 * (CR, LF or NUL).  words are octets of the program's own. */
size_t nsx_short_command(char line[NSX_SHORT_OCTETS], const char *words,
                         size_t n, const struct nsx_addr *path);

struct nsx_short_reply {
    struct nsx_reply_line line; /* slices of octets */
    char octets[NSX_SHORT_OCTETS];
};

/* One read, of a channel whose buffer is empty.  NSX_OK: one line came and
 * nothing else, a whole reply, and r->line is that.  NSX_AGAIN: what came is
 * something else and stands in the channel's buffer.  WANT_READ, WANT_WRITE:
 * nothing came.  NSX_ERROR: as nsx_channel_fill. */
nsx_status nsx_short_reply(struct nsx_channel *ch, struct nsx_short_reply *r);

#endif
