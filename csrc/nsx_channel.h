/*
 * nsx_channel.h - a buffered, non-blocking byte channel to one server.
 *
 * The channel reads into its own capped buffer and writes straight from the
 * caller's memory.  What carries the octets is a transport: the plain one
 * (nsx_io) to begin with, TLS after nsx_channel_set_transport.  The channel
 * never waits: calls answer WANT_READ / WANT_WRITE, the caller waits with
 * nsx_io_wait on its io and calls again.
 *
 * After the first error the channel is dead: every later call answers
 * NSX_ERROR with the same struct nsx_error, until nsx_channel_reopen.  One
 * exception: when the connection broke (NSX_E_EOF, NSX_E_IO), whole lines that
 * had arrived can still be taken with nsx_channel_line and _reply; the error
 * is answered when none is left.
 */
#ifndef NSX_CHANNEL_H
#define NSX_CHANNEL_H

#include "nsx_buf.h"
#include "nsx_io.h"
#include "nsx_reply.h"

/* What a transport does.  ctx is its own; io is the plain descriptor below. */
struct nsx_transport {
    const char *name; /* static: "tls" */
    nsx_status (*recv)(void *ctx, struct nsx_io *io, void *buf, size_t n,
                       size_t *done, struct nsx_error *e);
    nsx_status (*send)(void *ctx, struct nsx_io *io, const void *buf, size_t n,
                       int more, size_t *done, struct nsx_error *e);
    size_t (*pending)(void *ctx); /* octets readable without the socket */
    /* Says goodbye (close_notify) without waiting for the peer's. */
    void (*shutdown)(void *ctx, struct nsx_io *io);
    void (*free)(void *ctx); /* never touches the socket */
};

/* A whole reply at the front of the input, told by places in it. */
struct nsx_whole {
    size_t len;         /* octets of its lines with their ends */
    size_t last;        /* where the last of them begins */
    size_t garbage_len; /* of a line without a code that came next, without
                           its end; it begins at len */
    size_t used;        /* octets to take; 0: no whole reply */
    char is_garbage;    /* 1: there is such a line */
};

struct nsx_channel {
    struct nsx_io io;
    const struct nsx_transport *transport; /* NULL: plain */
    void *transport_ctx;                   /* owned */
    struct nsx_buf in;                     /* octets received, not yet taken */
    size_t scanned;                        /* of in, for nsx_line_find */
    struct nsx_whole whole;                /* what is known of a reply */
    size_t whole_scanned;                  /* of in behind whole.len */
    struct nsx_reply count;                /* of it */
    struct nsx_error error;                /* sticky */
    uint64_t sent; /* octets taken by what carries them, on any descriptor */
};

void nsx_channel_init(struct nsx_channel *ch, int fd);
void nsx_channel_free(struct nsx_channel *ch);

/* Forgets the input, the transport and the error, and starts afresh on fd. */
void nsx_channel_reopen(struct nsx_channel *ch, int fd);

/* One read into the buffer.  NSX_OK: at least one octet was added.
 * NSX_ERROR: NSX_E_EOF, NSX_E_IO, NSX_E_TLS*, NSX_E_NOMEM, or
 * NSX_E_LINE_LENGTH when the buffer holds NSX_MAX_LINE octets. */
nsx_status nsx_channel_fill(struct nsx_channel *ch);

/* The same into to[0..room) of the caller's, past the buffer, which is empty:
 * what the caller does not use goes back by nsx_channel_feed.  NSX_OK:
 * *done > 0. */
nsx_status nsx_channel_recv(struct nsx_channel *ch, void *to, size_t room,
                            size_t *done);

/* Puts octets that came another way (a tied handle) behind the input. */
nsx_status nsx_channel_feed(struct nsx_channel *ch, const void *data, size_t n);

/* The first whole line of the buffer, or WANT_READ.  The slice is valid until
 * the next call on the channel. */
nsx_status nsx_channel_line(struct nsx_channel *ch, struct nsx_line *line);

/* The same for the next line of reply r.  A line without a reply code is
 * NSX_ERROR too, but leaves the channel alive and ch->error empty: out->text
 * is the line and *used its length with its end, still to be taken. */
nsx_status nsx_channel_reply(struct nsx_channel *ch, struct nsx_reply *r,
                             struct nsx_reply_line *out, size_t *used);

/* The first whole reply of the buffer, all its lines in place: NSX_OK with *out
 * filled; WANT_READ; or NSX_ERROR, when it passes a cap or cannot become whole
 * any more.  A line without a code ends it too.  Costs nothing the second
 * time. */
nsx_status nsx_channel_whole(struct nsx_channel *ch, struct nsx_whole *out);

/* Takes n octets (line->used, *used) off the input. */
void nsx_channel_take(struct nsx_channel *ch, size_t n);

/* Unread octets in the buffer, and those the transport holds decrypted. */
size_t nsx_channel_buffered(const struct nsx_channel *ch);
size_t nsx_channel_pending(const struct nsx_channel *ch);

/* One write; *done octets of data were accepted.  When a write in the clear
 * fails, what the peer had sent is read into the buffer first: its last reply
 * says why it went. */
nsx_status nsx_channel_send(struct nsx_channel *ch, const void *data, size_t n,
                            int more, size_t *done);

/* Reads what the peer had sent by now, whatever became of the channel, until a
 * whole reply is there; at most NSX_STEP_OCTETS. */
void nsx_channel_rescue(struct nsx_channel *ch);

/* Marks the channel dead with a cause the caller found (a timeout). */
nsx_status nsx_channel_fail(struct nsx_channel *ch, nsx_errcode code,
                            const char *where);

/* Hands the channel's octets to a transport, which the channel then owns.
 * Input still buffered in the clear is a violation (RFC 3207 6, command
 * injection): NSX_ERROR, NSX_E_PLAINTEXT; the transport is freed and the
 * channel is dead.  A second transport is NSX_E_ARGUMENT, likewise.  t NULL
 * frees the transport in use (no goodbye: call its shutdown before) and goes
 * on in the clear. */
nsx_status nsx_channel_set_transport(struct nsx_channel *ch,
                                     const struct nsx_transport *t, void *ctx);

#endif
