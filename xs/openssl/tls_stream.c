/*
 * tls_stream.c - what Perl's own input and output on the handle are made of:
 * print, <>, sysread and their kin come here through the tie (TLS/Handle.pm).
 *
 * The octets are those of the object's channel, so that a script may mix them
 * with the object's methods.  As on any handle of Perl's, a wait here knows no
 * Timeout; on a handle that does not block there is none.
 */
#include "openssl_glue.h"

/* Enters a call on a handle with a live session: 1, or 0 with errno set. */
static int
stream_enter(pTHX_ struct nsx_op *op, SV *smtp)
{
    nsx_base->enter(aTHX_ op, smtp);
    if (nsx_base->fd(aTHX_ op) >= 0
        && nsx_base->channel(op)->transport == &nsx_tls_transport)
        return 1;
    errno = EBADF;
    return 0;
}

/* errno for the channel's error. */
static int
stream_errno(const struct nsx_error *e)
{
    switch (e->code) {
    case NSX_E_IO:
        return e->sys_errno ? e->sys_errno : EIO;
    case NSX_E_TIMEOUT:
        return ETIMEDOUT;
    case NSX_E_LINE_LENGTH:
        return EMSGSIZE;
    case NSX_E_NOMEM:
        return ENOMEM;
    default:
        return ECONNRESET;
    }
}

/* After a WANT_*: OK to try again, else what to tell Perl. */
static enum nsx_stream
stream_wait(pTHX_ struct nsx_op *op, nsx_status want, int block)
{
    enum nsx_waited waited;

    if (!block) {
        errno = EAGAIN;
        return want == NSX_WANT_READ ? NSX_STREAM_WANT_READ
                                     : NSX_STREAM_WANT_WRITE;
    }
    waited = nsx_base->await(aTHX_ op, want, NSX_NEVER, NULL, NULL);
    if (waited == NSX_WAITED_FAILED)
        return NSX_STREAM_ERROR;
    if (waited != NSX_WAITED_CLOSED
        && nsx_base->channel(op)->transport == &nsx_tls_transport)
        return NSX_STREAM_OK;
    errno = EBADF;
    return NSX_STREAM_ERROR;
}

enum nsx_stream
nsx_stream_fill(pTHX_ SV *smtp, int block)
{
    struct nsx_op op;

    if (!stream_enter(aTHX_ &op, smtp))
        return NSX_STREAM_ERROR;
    for (;;) {
        struct nsx_channel *ch = nsx_base->channel(&op);
        nsx_status st = nsx_channel_fill(ch);
        enum nsx_stream waited;

        if (st == NSX_OK)
            return NSX_STREAM_OK;
        if (st == NSX_ERROR && ch->error.code == NSX_E_EOF)
            return NSX_STREAM_EOF;
        if (st == NSX_ERROR) {
            errno = stream_errno(&ch->error);
            return NSX_STREAM_ERROR;
        }
        waited = stream_wait(aTHX_ &op, st, block);
        if (waited != NSX_STREAM_OK)
            return waited;
    }
}

size_t
nsx_stream_buffered(pTHX_ SV *smtp)
{
    struct nsx_op op;

    return stream_enter(aTHX_ &op, smtp)
        ? nsx_channel_buffered(nsx_base->channel(&op))
        : 0;
}

SV *
nsx_stream_take(pTHX_ SV *smtp, size_t n, size_t skip)
{
    struct nsx_op op;
    struct nsx_channel *ch;
    SV *sv = newSVpvs("");
    size_t have;

    if (!stream_enter(aTHX_ &op, smtp))
        return sv;
    ch = nsx_base->channel(&op);
    have = nsx_channel_buffered(ch);
    if (n > have)
        n = have;
    if (n) {
        sv_setpvn(sv, (const char *)nsx_buf_data(&ch->in), n);
        if (TAINTING_get)
            SvTAINTED_on(sv);
    }
    if (skip)
        nsx_channel_take(ch, n);
    return sv;
}

size_t
nsx_stream_find(pTHX_ SV *smtp, const char *mark, size_t len, size_t from)
{
    struct nsx_op op;
    struct nsx_channel *ch;
    const char *data, *at;
    size_t have;

    if (!len || !stream_enter(aTHX_ &op, smtp))
        return 0;
    ch = nsx_base->channel(&op);
    have = nsx_channel_buffered(ch);
    if (from + len > have)
        return 0;
    data = (const char *)nsx_buf_data(&ch->in);
    at = ninstr(data + from, data + have, mark, mark + len);
    return at ? (size_t)(at - data) + len : 0;
}

enum nsx_stream
nsx_stream_write(pTHX_ SV *smtp, const char *data, size_t n, int block,
                 size_t *done)
{
    struct nsx_op op;

    *done = 0;
    if (!stream_enter(aTHX_ &op, smtp))
        return NSX_STREAM_ERROR;
    while (*done < n) {
        struct nsx_channel *ch = nsx_base->channel(&op);
        size_t written = 0;
        nsx_status st =
            nsx_channel_send(ch, data + *done, n - *done, 0, &written);
        enum nsx_stream waited;

        *done += written;
        if (st == NSX_OK)
            continue;
        if (st == NSX_ERROR) {
            errno = stream_errno(&ch->error);
            return NSX_STREAM_ERROR;
        }
        nsx_base->torn(&op, block); /* a handler may die */
        waited = stream_wait(aTHX_ &op, st, block);
        nsx_base->torn(&op, 0);
        if (waited != NSX_STREAM_OK)
            return waited;
    }
    return NSX_STREAM_OK;
}

/* By the handle alone: the engine itself asks a tied handle for its number. */
int
nsx_stream_fileno(pTHX_ SV *smtp)
{
    IO *io = sv_2io(smtp);

    return io && IoIFP(io) ? PerlIO_fileno(IoIFP(io)) : -1;
}
