/*
 * nsx_short.c - short commands and replies; see nsx_short.h.
 */
#include "nsx_short.h"

#include <string.h>

static const char line_end[] = "\r\n";

/* Octets that the brackets and the end of the line take. */
enum {
    LINE_EXTRA = 4
};

static int
breaks_line(const struct nsx_addr *path)
{
    return !path->bare
        && (memchr(path->text, '\r', path->len) != NULL
            || memchr(path->text, '\n', path->len) != NULL
            || memchr(path->text, '\0', path->len) != NULL);
}

static char *
put(char *to, const char *text, size_t n)
{
    memcpy(to, text, n);
    return to + n;
}

size_t
nsx_short_command(char line[NSX_SHORT_OCTETS], const char *words, size_t n,
                  const struct nsx_addr *path)
{
    char *to = line;

    if (n + LINE_EXTRA > NSX_SHORT_OCTETS)
        return 0;
    to = put(to, words, n);
    if (path != NULL) {
        if (path->len > NSX_SHORT_OCTETS - LINE_EXTRA - n || breaks_line(path))
            return 0;
        if (!path->bracketed)
            *to++ = '<';
        to = put(to, path->text, path->len);
        if (!path->bracketed)
            *to++ = '>';
    }
    to = put(to, line_end, sizeof line_end - 1);
    return (size_t)(to - line);
}

/* 1 when in[0..n) is one line and nothing else, and that a whole reply. */
static int
is_reply(const char *in, size_t n, struct nsx_reply_line *out)
{
    size_t len = n - 1;

    if (in[len] != '\n' || memchr(in, '\n', len) != NULL)
        return 0;
    if (len > 0 && in[len - 1] == '\r')
        len--;
    return nsx_reply_parse_line(in, len, out) && !out->more;
}

nsx_status
nsx_short_reply(struct nsx_channel *ch, struct nsx_short_reply *r)
{
    size_t n;
    nsx_status st = nsx_channel_recv(ch, r->octets, sizeof r->octets, &n);

    if (st != NSX_OK || is_reply(r->octets, n, &r->line))
        return st;
    st = nsx_channel_feed(ch, r->octets, n);
    return st == NSX_OK ? NSX_AGAIN : st;
}
