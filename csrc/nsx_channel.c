/*
 * nsx_channel.c - the buffered, non-blocking byte channel.
 */
#include "nsx_channel.h"

#include <string.h>

/* What was learnt of the first reply no longer holds. */
static void
forget_reply(struct nsx_channel *ch)
{
    memset(&ch->whole, 0, sizeof ch->whole);
    ch->whole_scanned = 0;
    nsx_reply_init(&ch->count);
}

static void
start(struct nsx_channel *ch, int fd)
{
    nsx_io_init(&ch->io, fd);
    ch->transport = NULL;
    ch->transport_ctx = NULL;
    ch->scanned = 0;
    forget_reply(ch);
    nsx_error_reset(&ch->error);
}

static void
drop_transport(struct nsx_channel *ch)
{
    if (ch->transport != NULL)
        ch->transport->free(ch->transport_ctx);
    ch->transport = NULL;
    ch->transport_ctx = NULL;
}

void
nsx_channel_init(struct nsx_channel *ch, int fd)
{
    nsx_buf_init(&ch->in, NSX_MAX_LINE);
    ch->sent = 0;
    start(ch, fd);
}

void
nsx_channel_free(struct nsx_channel *ch)
{
    drop_transport(ch);
    nsx_buf_free(&ch->in);
    start(ch, -1);
}

void
nsx_channel_reopen(struct nsx_channel *ch, int fd)
{
    drop_transport(ch);
    nsx_buf_clear(&ch->in);
    start(ch, fd);
}

static int
is_dead(const struct nsx_channel *ch)
{
    return ch->error.code != NSX_E_NONE;
}

/* What the peer sent before the connection broke is still its word. */
static int
is_readable(const struct nsx_channel *ch)
{
    return !is_dead(ch) || ch->error.code == NSX_E_EOF
        || ch->error.code == NSX_E_TLS_TRUNCATED || ch->error.code == NSX_E_IO;
}

nsx_status
nsx_channel_fail(struct nsx_channel *ch, nsx_errcode code, const char *where)
{
    return nsx_error_set(&ch->error, code, where, NULL);
}

/* A transport's answer, made to keep two promises: NSX_OK means progress, and
 * an error has a cause. */
static nsx_status
settle(nsx_status s, size_t done, nsx_status again, struct nsx_error *e)
{
    if (s == NSX_ERROR)
        return nsx_error_set(e, NSX_E_IO, __func__, NULL);
    return s == NSX_OK && done == 0 ? again : s;
}

static nsx_status
receive(struct nsx_channel *ch, void *to, size_t room, size_t *done,
        struct nsx_error *e)
{
    if (ch->transport != NULL)
        return ch->transport->recv(ch->transport_ctx, &ch->io, to, room, done,
                                   e);
    return nsx_io_recv(&ch->io, to, room, done, e);
}

/* By way of the stack: an idle channel then keeps no more memory than a reply
 * takes. */
static nsx_status
read_some(struct nsx_channel *ch, struct nsx_error *e)
{
    unsigned char block[NSX_READ_SIZE];
    size_t room = ch->in.cap - ch->in.len;
    size_t done = 0;
    nsx_status s;

    if (room > sizeof block)
        room = sizeof block;
    if (room == 0)
        return nsx_error_set(e, NSX_E_LINE_LENGTH, __func__, NULL);
    /* Without any memory the octets are left where they are. */
    if (nsx_buf_reserve(&ch->in, 1) == NULL)
        return nsx_error_set(e, NSX_E_NOMEM, __func__, NULL);
    s = receive(ch, block, room, &done, e);
    if (s == NSX_OK && nsx_buf_append(&ch->in, block, done) != NSX_E_NONE)
        return nsx_error_set(e, NSX_E_NOMEM, __func__, NULL);
    return settle(s, done, NSX_WANT_READ, e);
}

nsx_status
nsx_channel_fill(struct nsx_channel *ch)
{
    return is_dead(ch) ? NSX_ERROR : read_some(ch, &ch->error);
}

nsx_status
nsx_channel_recv(struct nsx_channel *ch, void *to, size_t room, size_t *done)
{
    nsx_status s;

    *done = 0;
    if (is_dead(ch))
        return NSX_ERROR;
    s = receive(ch, to, room, done, &ch->error);
    return settle(s, *done, NSX_WANT_READ, &ch->error);
}

nsx_status
nsx_channel_feed(struct nsx_channel *ch, const void *data, size_t n)
{
    nsx_errcode code;

    if (is_dead(ch))
        return NSX_ERROR;
    code = nsx_buf_append(&ch->in, data, n);
    if (code == NSX_E_ARGUMENT)
        code = NSX_E_LINE_LENGTH;
    return code == NSX_E_NONE ? NSX_OK : nsx_channel_fail(ch, code, __func__);
}

static const char *
input(const struct nsx_channel *ch)
{
    return (const char *)nsx_buf_data(&ch->in);
}

nsx_status
nsx_channel_line(struct nsx_channel *ch, struct nsx_line *line)
{
    if (!is_readable(ch))
        return NSX_ERROR;
    if (nsx_line_find(input(ch), ch->in.len, &ch->scanned, line))
        return NSX_OK;
    return is_dead(ch) ? NSX_ERROR : NSX_WANT_READ;
}

nsx_status
nsx_channel_reply(struct nsx_channel *ch, struct nsx_reply *r,
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

/* Goes on behind the lines known so far: 1 when the reply is whole. */
static int
next_reply_line(struct nsx_channel *ch, nsx_status *s, struct nsx_error *e)
{
    struct nsx_whole *w = &ch->whole;
    struct nsx_reply_line line;
    size_t used;

    *s = nsx_reply_next(&ch->count, input(ch) + w->len, ch->in.len - w->len,
                        &ch->whole_scanned, &line, &used, e);
    if (*s == NSX_OK) {
        w->last = w->len;
        w->len += used;
        w->used = line.more ? 0 : w->len;
        return !line.more;
    }
    if (*s == NSX_ERROR && e->code == NSX_E_REPLY_SYNTAX) {
        w->is_garbage = 1;
        w->garbage_len = line.text_len;
        w->used = w->len + used;
        return 1;
    }
    return 0;
}

/* The usual case at little cost: one line, which is all there is. */
static int
is_one_line(struct nsx_channel *ch)
{
    const char *in = input(ch);
    size_t n = ch->in.len;

    if (ch->whole.len > 0 || n <= NSX_CODE_DIGITS || n > NSX_MAX_REPLY_LINE
        || in[NSX_CODE_DIGITS] == '-' || in[n - 1] != '\n'
        || memchr(in, '\n', n - 1) != NULL || (unsigned char)(in[0] - '0') > 9
        || (unsigned char)(in[1] - '0') > 9 || (unsigned char)(in[2] - '0') > 9)
        return 0;
    ch->whole.len = ch->whole.used = n;
    return 1;
}

nsx_status
nsx_channel_whole(struct nsx_channel *ch, struct nsx_whole *out)
{
    struct nsx_error e;
    nsx_status s = NSX_OK;

    if (!is_readable(ch))
        return NSX_ERROR;
    if (ch->whole.used == 0 && !is_one_line(ch)) {
        nsx_error_reset(&e);
        while (!next_reply_line(ch, &s, &e))
            if (s == NSX_ERROR)
                return nsx_channel_fail(ch, e.code, e.where);
            else if (s == NSX_WANT_READ)
                return is_dead(ch) ? NSX_ERROR : NSX_WANT_READ;
    }
    *out = ch->whole;
    return NSX_OK;
}

void
nsx_channel_take(struct nsx_channel *ch, size_t n)
{
    nsx_buf_consume(&ch->in, n);
    ch->scanned = ch->scanned > n ? ch->scanned - n : 0;
    forget_reply(ch);
    if (ch->in.len == 0 && ch->in.size > NSX_IDLE_BUFFER)
        nsx_buf_free(&ch->in);
}

size_t
nsx_channel_buffered(const struct nsx_channel *ch)
{
    return ch->in.len;
}

size_t
nsx_channel_pending(const struct nsx_channel *ch)
{
    return ch->transport != NULL ? ch->transport->pending(ch->transport_ctx)
                                 : 0;
}

/* A server that gives up on a message says why before it closes. */
void
nsx_channel_rescue(struct nsx_channel *ch)
{
    struct nsx_error ignored;
    struct nsx_whole whole;
    size_t most = ch->in.len + NSX_STEP_OCTETS;

    nsx_error_reset(&ignored);
    do {
        if (is_readable(ch) && nsx_channel_whole(ch, &whole) == NSX_OK)
            break;
    } while (ch->in.len < most && read_some(ch, &ignored) == NSX_OK);
}

nsx_status
nsx_channel_send(struct nsx_channel *ch, const void *data, size_t n, int more,
                 size_t *done)
{
    nsx_status s;

    *done = 0;
    if (is_dead(ch))
        return NSX_ERROR;
    if (n == 0)
        return NSX_OK;
    if (ch->transport != NULL) {
        s = ch->transport->send(ch->transport_ctx, &ch->io, data, n, more, done,
                                &ch->error);
        s = settle(s, *done, NSX_WANT_WRITE, &ch->error);
    }
    else {
        s = nsx_io_send(&ch->io, data, n, more, done, &ch->error);
    }
    ch->sent += *done;
    if (s == NSX_ERROR && ch->error.code == NSX_E_IO)
        nsx_channel_rescue(ch);
    return s;
}

nsx_status
nsx_channel_set_transport(struct nsx_channel *ch, const struct nsx_transport *t,
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
