/*
 * nsx_channel.c - the buffered, non-blocking byte channel.
 */
#include "nsx_channel.h"

static void start(struct nsx_channel *ch, int fd)
{
    nsx_io_init(&ch->io, fd);
    ch->transport = NULL;
    ch->transport_ctx = NULL;
    ch->scanned = 0;
    nsx_error_reset(&ch->error);
}

static void drop_transport(struct nsx_channel *ch)
{
    if (ch->transport != NULL)
        ch->transport->free(ch->transport_ctx);
    ch->transport = NULL;
    ch->transport_ctx = NULL;
}

void nsx_channel_init(struct nsx_channel *ch, int fd)
{
    nsx_buf_init(&ch->in, NSX_MAX_LINE);
    start(ch, fd);
}

void nsx_channel_free(struct nsx_channel *ch)
{
    drop_transport(ch);
    nsx_buf_free(&ch->in);
    start(ch, -1);
}

void nsx_channel_reopen(struct nsx_channel *ch, int fd)
{
    drop_transport(ch);
    nsx_buf_clear(&ch->in);
    start(ch, fd);
}

static int is_dead(const struct nsx_channel *ch)
{
    return ch->error.code != NSX_E_NONE;
}

/* What the peer sent before the connection broke is still its word. */
static int is_readable(const struct nsx_channel *ch)
{
    return !is_dead(ch) || ch->error.code == NSX_E_EOF
        || ch->error.code == NSX_E_TLS_TRUNCATED
        || ch->error.code == NSX_E_IO;
}

nsx_status nsx_channel_fail(struct nsx_channel *ch, nsx_errcode code,
                            const char *where)
{
    return nsx_error_set(&ch->error, code, where, NULL);
}

/* A transport's answer, made to keep two promises: NSX_OK means progress, and
 * an error has a cause. */
static nsx_status settle(nsx_status s, size_t done, nsx_status again,
                         struct nsx_error *e)
{
    if (s == NSX_ERROR)
        return nsx_error_set(e, NSX_E_IO, __func__, NULL);
    return s == NSX_OK && done == 0 ? again : s;
}

static nsx_status read_some(struct nsx_channel *ch, struct nsx_error *e)
{
    size_t room = ch->in.cap - ch->in.len;
    size_t done = 0;
    unsigned char *to;
    nsx_status s;

    if (room > NSX_READ_SIZE)
        room = NSX_READ_SIZE;
    if (room == 0)
        return nsx_error_set(e, NSX_E_LINE_LENGTH, __func__, NULL);
    to = nsx_buf_reserve(&ch->in, room);
    if (to == NULL)
        return nsx_error_set(e, NSX_E_NOMEM, __func__, NULL);
    if (ch->transport != NULL)
        s = ch->transport->recv(ch->transport_ctx, &ch->io, to, room, &done,
                                e);
    else
        s = nsx_io_recv(&ch->io, to, room, &done, e);
    if (s == NSX_OK)
        nsx_buf_commit(&ch->in, done);
    return settle(s, done, NSX_WANT_READ, e);
}

nsx_status nsx_channel_fill(struct nsx_channel *ch)
{
    return is_dead(ch) ? NSX_ERROR : read_some(ch, &ch->error);
}

nsx_status nsx_channel_feed(struct nsx_channel *ch, const void *data,
                            size_t n)
{
    nsx_errcode code;

    if (is_dead(ch))
        return NSX_ERROR;
    code = nsx_buf_append(&ch->in, data, n);
    if (code == NSX_E_ARGUMENT)
        code = NSX_E_LINE_LENGTH;
    return code == NSX_E_NONE ? NSX_OK
                              : nsx_channel_fail(ch, code, __func__);
}

static const char *input(const struct nsx_channel *ch)
{
    return (const char *)nsx_buf_data(&ch->in);
}

nsx_status nsx_channel_line(struct nsx_channel *ch, struct nsx_line *line)
{
    if (!is_readable(ch))
        return NSX_ERROR;
    if (nsx_line_find(input(ch), ch->in.len, &ch->scanned, line))
        return NSX_OK;
    return is_dead(ch) ? NSX_ERROR : NSX_WANT_READ;
}

nsx_status nsx_channel_reply(struct nsx_channel *ch, struct nsx_reply *r,
                             struct nsx_reply_line *out, size_t *used)
{
    struct nsx_error e;
    nsx_status s;

    *used = 0;
    out->code = NULL;
    if (!is_readable(ch))
        return NSX_ERROR;
    nsx_error_reset(&e);
    s = nsx_reply_next(r, input(ch), ch->in.len, &ch->scanned, out, used, &e);
    if (s == NSX_ERROR && e.code != NSX_E_REPLY_SYNTAX)
        return nsx_channel_fail(ch, e.code, e.where);
    return s == NSX_WANT_READ && is_dead(ch) ? NSX_ERROR : s;
}

void nsx_channel_take(struct nsx_channel *ch, size_t n)
{
    nsx_buf_consume(&ch->in, n);
    ch->scanned = ch->scanned > n ? ch->scanned - n : 0;
}

size_t nsx_channel_buffered(const struct nsx_channel *ch)
{
    return ch->in.len;
}

size_t nsx_channel_pending(const struct nsx_channel *ch)
{
    return ch->transport != NULL ? ch->transport->pending(ch->transport_ctx)
                                 : 0;
}

/* A server that gives up on a message says why before it closes: its words
 * are fetched before the write error is reported. */
static void rescue_input(struct nsx_channel *ch)
{
    struct nsx_error ignored;

    nsx_error_reset(&ignored);
    while (read_some(ch, &ignored) == NSX_OK)
        continue;
}

nsx_status nsx_channel_send(struct nsx_channel *ch, const void *data,
                            size_t n, int more, size_t *done)
{
    nsx_status s;

    *done = 0;
    if (is_dead(ch))
        return NSX_ERROR;
    if (n == 0)
        return NSX_OK;
    if (ch->transport != NULL) {
        s = ch->transport->send(ch->transport_ctx, &ch->io, data, n, more,
                                done, &ch->error);
        s = settle(s, *done, NSX_WANT_WRITE, &ch->error);
    }
    else {
        s = nsx_io_send(&ch->io, data, n, more, done, &ch->error);
    }
    if (s == NSX_ERROR && ch->error.code == NSX_E_IO)
        rescue_input(ch);
    return s;
}

nsx_status nsx_channel_set_transport(struct nsx_channel *ch,
                                     const struct nsx_transport *t,
                                     void *ctx)
{
    nsx_status s = is_dead(ch) ? NSX_ERROR : NSX_OK;

    if (t == NULL) {
        drop_transport(ch);
        return s;
    }
    if (s == NSX_OK && ch->transport != NULL)
        s = nsx_channel_fail(ch, NSX_E_ARGUMENT, __func__);
    else if (s == NSX_OK && ch->in.len > 0)
        s = nsx_channel_fail(ch, NSX_E_PLAINTEXT, __func__);
    if (s != NSX_OK) {
        t->free(ctx);
        return s;
    }
    ch->transport = t;
    ch->transport_ctx = ctx;
    return NSX_OK;
}
