/*
 * nsx_reply.c - lines and replies (RFC 5321 4.2).
 */
#include "nsx_reply.h"
#include "nsx_ascii.h"

#include <string.h>

int
nsx_line_find(const char *input, size_t n, size_t *scanned,
              struct nsx_line *line)
{
    size_t from = *scanned < n ? *scanned : n;
    const char *lf = from < n ? memchr(input + from, '\n', n - from) : NULL;

    if (lf == NULL) {
        *scanned = n;
        return 0;
    }
    line->text = input;
    line->len = (size_t)(lf - input);
    line->used = line->len + 1;
    if (line->len > 0 && input[line->len - 1] == '\r')
        line->len--;
    *scanned = 0;
    return 1;
}

int
nsx_reply_parse_line(const char *line, size_t len, struct nsx_reply_line *out)
{
    size_t i;

    if (len < NSX_CODE_DIGITS)
        return 0;
    for (i = 0; i < NSX_CODE_DIGITS; i++)
        if (!nsx_is_digit(line[i]))
            return 0;
    out->code = line;
    out->more = len > i && line[i] == '-';
    if (len > i)
        i++;
    out->text = line + i;
    out->text_len = len - i;
    return 1;
}

void
nsx_reply_init(struct nsx_reply *r)
{
    r->octets = 0;
    r->lines = 0;
}

nsx_status
nsx_reply_count(struct nsx_reply *r, size_t octets, struct nsx_error *e)
{
    if (octets > NSX_MAX_REPLY_LINE)
        return nsx_error_set(e, NSX_E_LINE_LENGTH, __func__, NULL);
    if (r->lines >= NSX_MAX_REPLY_LINES)
        return nsx_error_set(e, NSX_E_REPLY_LINES, __func__, NULL);
    if (octets > NSX_MAX_REPLY - r->octets)
        return nsx_error_set(e, NSX_E_REPLY_LENGTH, __func__, NULL);
    r->lines++;
    r->octets += octets;
    return NSX_OK;
}

nsx_status
nsx_reply_next(struct nsx_reply *r, const char *input, size_t n,
               size_t *scanned, struct nsx_reply_line *out, size_t *used,
               struct nsx_error *e)
{
    struct nsx_line line;

    *used = 0;
    out->code = NULL;
    out->text = input;
    out->text_len = 0;
    out->more = 0;
    if (!nsx_line_find(input, n, scanned, &line)) {
        /* One octet more may be the CR of the line end to come. */
        if (n > NSX_MAX_REPLY_LINE + 1)
            return nsx_error_set(e, NSX_E_LINE_LENGTH, __func__, NULL);
        return NSX_WANT_READ;
    }
    if (line.len <= NSX_MAX_REPLY_LINE
        && !nsx_reply_parse_line(line.text, line.len, out)) {
        out->text_len = line.len;
        *used = line.used;
        return nsx_error_set(e, NSX_E_REPLY_SYNTAX, __func__, NULL);
    }
    if (nsx_reply_count(r, line.len, e) != NSX_OK)
        return NSX_ERROR;
    *used = line.used;
    return NSX_OK;
}
