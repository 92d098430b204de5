/*
 * nsx_content.h - a message's body on its way: octets pulled from a source,
 * framed for DATA (RFC 5321 4.5.2) or for BDAT (RFC 3030).
 *
 * A body is read at most twice: once to measure it (nsx_content_measure, where
 * the source can be read again), once for each transaction that sends it.
 * Nothing is copied but into the room that the reader of the body brings, so
 * memory does not grow with the body.
 */
#ifndef NSX_CONTENT_H
#define NSX_CONTENT_H

#include <stddef.h>
#include <stdint.h>

#include "nsx_dot.h"
#include "nsx_error.h"
#include "nsx_source.h"

/* n octets in memory, borrowed. */
struct nsx_memory {
    const char *ptr;
    size_t len;
    int is_taken; /* the one piece was handed out */
};
void nsx_memory_source(struct nsx_source *s, struct nsx_memory *m,
                       const char *ptr, size_t len);

/* What becomes of a CR that no LF follows. */
enum nsx_cr_rule {
    NSX_CR_PASS = 0, /* sent as it is */
    NSX_CR_CONVERT,  /* becomes CRLF */
    NSX_CR_REFUSE    /* the body cannot be sent: NSX_E_BARE_CR */
};

/* Of what callers write: "convert", "refuse", or "" to pass it.  1, or 0 with
 * *out unchanged. */
int nsx_cr_rule_find(const char *name, size_t len, enum nsx_cr_rule *out);

enum nsx_framing {
    NSX_FRAME_DATA = 0, /* CRLF line ends, dots doubled, CRLF "." CRLF */
    NSX_FRAME_BDAT,     /* CRLF line ends, CRLF after the last line */
    NSX_FRAME_BINARY    /* octets as they are (BODY=BINARYMIME) */
};

/* A size that nobody knows. */
#define NSX_SIZE_UNKNOWN UINT64_MAX

/* Least room nsx_content_read works with. */
#define NSX_CONTENT_MIN_ROOM 8u

struct nsx_content {
    struct nsx_source source; /* copied; what ctx points to is borrowed.  The
                                 size is known beforehand where it can be
                                 rewound */
    enum nsx_cr_rule cr_rule;
    enum nsx_framing framing;
    struct nsx_dot dot;
    const char *piece; /* rest of the last piece pulled */
    size_t piece_len;
    uint64_t size;    /* in this framing, see below; or NSX_SIZE_UNKNOWN */
    uint64_t octets;  /* handed over so far, counted like size */
    uint64_t emitted; /* the same with doubled dots and the end of data */
    uint64_t raw;     /* octets of the source measured or read so far */
    uint64_t grown;   /* while measuring: octets the framing adds */
    int has_8bit;     /* measured: an octet above 127 was seen */
    int is_measured;
    int at_end;  /* the source has no more */
    int is_done; /* so has the body, its end included */
    int has_held;
    char held;          /* the last octet, until the source says that it was */
    nsx_errcode failed; /* NSX_E_SOURCE, NSX_E_BARE_CR, or NSX_E_NONE */
    const char *why;    /* static text for it */
    char *block;        /* see nsx_content_framed */
    size_t block_size;
};

/* A body not yet measured, its source at the first octet. */
void nsx_content_init(struct nsx_content *b, const struct nsx_source *source,
                      enum nsx_cr_rule cr_rule, enum nsx_framing framing);

/* Counts on through the source, at most about budget octets of it.
 * NSX_OK: measured to the end when b->is_measured, else call again.  size,
 * which is the same for DATA and BDAT (CRLF line ends, a CRLF after the last
 * line; no doubled dots, no end of data), and has_8bit hold then, and the
 * source was rewound.  NSX_WANT_READ: the source has nothing now.  NSX_ERROR:
 * b->failed.  Only for sources that can be rewound. */
nsx_status nsx_content_measure(struct nsx_content *b, size_t budget);

/* Makes ready to read the body from its first octet in another framing.  Where
 * octets were pulled the source is rewound: NSX_E_SOURCE where it cannot be.
 * A size once measured stays: binary framing needs a body measured as such. */
nsx_status nsx_content_restart(struct nsx_content *b, enum nsx_framing framing);

/* Writes the next octets of the framed body to out[0..room), room at least
 * NSX_CONTENT_MIN_ROOM.  NSX_OK with *put > 0, or with *put 0 when all of it, the
 * end included, was handed out (is_done).  NSX_WANT_READ: the source has
 * nothing now.  NSX_ERROR, for good: b->failed is NSX_E_SOURCE where the source
 * failed or did not have the octets it had when it was measured, or
 * NSX_E_BARE_CR; the body can then not be completed, and *put is 0.  A body whose
 * size is known never hands out its last octet before the source has confirmed
 * its end, so that a source that grew makes no whole message. */
nsx_status nsx_content_read(struct nsx_content *b, char *out, size_t room,
                            size_t *put);

/* The framed body as a source itself, through block[0..size), borrowed, size
 * at least NSX_CONTENT_MIN_ROOM.  It cannot be rewound: restart the body. */
void nsx_content_framed(struct nsx_content *b, char *block, size_t size,
                        struct nsx_source *out);

#endif
