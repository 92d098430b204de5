/*
 * nsx_command.c - builds one command line (RFC 5321 4.1.1).
 */
#include "nsx_command.h"

#include <string.h>

void
nsx_command_begin(struct nsx_buf *out)
{
    nsx_buf_clear(out);
}

/* Room for n octets of the line, or NULL with *e filled. */
static unsigned char *
room(struct nsx_buf *out, size_t n, struct nsx_error *e)
{
    unsigned char *to;
    size_t cap = out->cap < NSX_MAX_COMMAND ? out->cap : NSX_MAX_COMMAND;

    if (out->len > cap || n > cap - out->len) {
        (void)nsx_error_set(e, NSX_E_COMMAND_LENGTH, __func__, NULL);
        return NULL;
    }
    to = nsx_buf_reserve(out, n);
    if (to == NULL)
        (void)nsx_error_set(e, NSX_E_NOMEM, __func__, NULL);
    return to;
}

/* What could end the line, here or in a server that reads C strings. */
static int
breaks_line(char c)
{
    return c == '\r' || c == '\n' || c == '\0';
}

nsx_status
nsx_command_append(struct nsx_buf *out, const char *text, size_t len,
                   struct nsx_error *e)
{
    unsigned char *to = room(out, len, e);
    size_t i;

    if (to == NULL)
        return NSX_ERROR;
    for (i = 0; i < len; i++)
        to[i] = (unsigned char)(breaks_line(text[i]) ? ' ' : text[i]);
    nsx_buf_commit(out, len);
    return NSX_OK;
}

nsx_status
nsx_command_word(struct nsx_buf *out, int first, const char *word, size_t len,
                 struct nsx_error *e)
{
    if (!first && nsx_command_append(out, " ", 1, e) != NSX_OK)
        return NSX_ERROR;
    return nsx_command_append(out, word, len, e);
}

nsx_status
nsx_command_end(struct nsx_buf *out, struct nsx_error *e)
{
    unsigned char *to = room(out, 2, e);

    if (to == NULL)
        return NSX_ERROR;
    to[0] = '\r';
    to[1] = '\n';
    nsx_buf_commit(out, 2);
    return NSX_OK;
}

size_t
nsx_decimal(uint64_t number, char out[NSX_DIGITS])
{
    char digits[NSX_DIGITS];
    size_t at = NSX_DIGITS;

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    memcpy(out, digits + at, NSX_DIGITS - at);
    return NSX_DIGITS - at;
}
