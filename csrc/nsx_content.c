/*
 * nsx_content.c - measuring a body, and framing it for DATA or BDAT.
 */
#include "nsx_content.h"

#include <string.h>

static nsx_status
memory_pull(void *ctx, const char **ptr, size_t *len)
{
    struct nsx_memory *m = ctx;

    *ptr = m->ptr;
    *len = m->is_taken ? 0 : m->len;
    m->is_taken = 1;
    return NSX_OK;
}

static int
memory_rewind(void *ctx)
{
    struct nsx_memory *m = ctx;

    m->is_taken = 0;
    return 1;
}

void
nsx_memory_source(struct nsx_source *s, struct nsx_memory *m, const char *ptr,
                  size_t len)
{
    m->ptr = ptr;
    m->len = len;
    m->is_taken = 0;
    s->ctx = m;
    s->pull = memory_pull;
    s->follows = NULL;
    s->rewind = memory_rewind;
}

static void
start(struct nsx_content *b, enum nsx_framing framing)
{
    b->framing = framing;
    nsx_dot_init(&b->dot, NSX_DOT_BOL,
                 b->cr_rule == NSX_CR_CONVERT ? NSX_BARE_CR_CONVERT
                                              : NSX_BARE_CR_PASS);
    b->dot.lines_only = framing == NSX_FRAME_BDAT;
    b->piece = NULL;
    b->piece_len = 0;
    b->octets = b->emitted = b->raw = b->grown = 0;
    b->at_end = b->is_done = b->has_held = 0;
}

int
nsx_cr_rule_find(const char *name, size_t len, enum nsx_cr_rule *out)
{
    static const char *const names[] = { "", "convert", "refuse" };
    size_t i;

    for (i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0) {
            *out = (enum nsx_cr_rule)i;
            return 1;
        }
    return 0;
}

void
nsx_content_init(struct nsx_content *b, const struct nsx_source *source,
                 enum nsx_cr_rule cr_rule, enum nsx_framing framing)
{
    b->source = *source;
    b->cr_rule = cr_rule;
    b->size = NSX_SIZE_UNKNOWN;
    b->has_8bit = b->is_measured = 0;
    b->held = '\0';
    b->failed = NSX_E_NONE;
    b->why = "";
    b->block = NULL;
    b->block_size = 0;
    start(b, framing);
}

static nsx_status
fail(struct nsx_content *b, nsx_errcode code, const char *why)
{
    b->failed = code;
    b->why = why;
    return NSX_ERROR;
}

/* The source failed, or is not what it was. */
static nsx_status
bad_source(struct nsx_content *b, const char *why)
{
    return fail(b, NSX_E_SOURCE, why);
}

static nsx_status
rewind_source(struct nsx_content *b)
{
    if (b->source.rewind == NULL)
        return bad_source(b, "the message cannot be read again");
    if (!b->source.rewind(b->source.ctx))
        return bad_source(b, "the message could not be read again");
    return NSX_OK;
}

nsx_status
nsx_content_restart(struct nsx_content *b, enum nsx_framing framing)
{
    if ((b->raw > 0 || b->at_end) && rewind_source(b) != NSX_OK)
        return NSX_ERROR;
    start(b, framing);
    return NSX_OK;
}

/* Makes piece the next one of the source; at_end where there is none. */
static nsx_status
pull(struct nsx_content *b)
{
    nsx_status s = b->source.pull(b->source.ctx, &b->piece, &b->piece_len);

    if (s == NSX_OK) {
        b->at_end = b->piece_len == 0;
        b->raw += b->piece_len;
        return NSX_OK;
    }
    b->piece_len = 0;
    return s == NSX_WANT_READ ? s
                              : bad_source(b,
                                           "the message cannot be "
                                           "read to its end");
}

/* --- measuring ----------------------------------------------------------- */

static int
any_8bit(const char *p, size_t n)
{
    static const uint64_t high = UINT64_C(0x8080808080808080);
    uint64_t seen = 0, word;

    for (; n >= sizeof word; p += sizeof word, n -= sizeof word) {
        memcpy(&word, p, sizeof word);
        seen |= word;
    }
    for (; n > 0; p++, n--)
        seen |= (unsigned char)*p;
    return (seen & high) != 0;
}

/* Octets that line ends of p[0..n) lack: a CR for each bare LF.  *crlf is
 * how many need nothing. */
static uint64_t
lone_lf(const char *p, size_t n, int after_cr, uint64_t *crlf)
{
    const char *end = p + n, *at = p;
    uint64_t lone = 0;

    *crlf = 0;
    while (at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        if (at > p ? at[-1] == '\r' : after_cr)
            ++*crlf;
        else
            lone++;
        at++;
    }
    return lone;
}

static uint64_t
count_cr(const char *p, size_t n)
{
    const char *end = p + n;
    uint64_t found = 0;

    while (p < end && (p = memchr(p, '\r', (size_t)(end - p))) != NULL) {
        found++;
        p++;
    }
    return found;
}

/* CRs that this stretch shows to be bare: the one before it, if any, is
 * judged here, a last one is left for the next stretch. */
static uint64_t
bare_cr(const char *p, size_t n, int after_cr, uint64_t crlf)
{
    int last = p[n - 1] == '\r';

    return count_cr(p, n) + (uint64_t)after_cr - crlf - (uint64_t)last;
}

static nsx_status
refuse_cr(struct nsx_content *b)
{
    if (b->cr_rule != NSX_CR_REFUSE || b->framing == NSX_FRAME_BINARY)
        return NSX_OK;
    return fail(b, NSX_E_BARE_CR, nsx_error_name(NSX_E_BARE_CR));
}

static nsx_status
measure_lines(struct nsx_content *b, const char *p, size_t n)
{
    int after_cr = b->dot.at == NSX_DOT_CR;
    uint64_t crlf, bare;

    b->grown += lone_lf(p, n, after_cr, &crlf);
    if (b->cr_rule != NSX_CR_PASS) {
        bare = bare_cr(p, n, after_cr, crlf);
        if (bare > 0 && refuse_cr(b) != NSX_OK)
            return NSX_ERROR;
        b->grown += bare;
    }
    b->dot.at = p[n - 1] == '\n' ? NSX_DOT_BOL
        : p[n - 1] == '\r'       ? NSX_DOT_CR
                                 : NSX_DOT_TEXT;
    return NSX_OK;
}

static nsx_status
measure_end(struct nsx_content *b)
{
    char end[NSX_DOT_END_ROOM];

    if (b->dot.at == NSX_DOT_CR && refuse_cr(b) != NSX_OK)
        return NSX_ERROR;
    b->size = b->raw;
    if (b->framing != NSX_FRAME_BINARY)
        b->size += b->grown + nsx_dot_end_line(&b->dot, end);
    b->is_measured = 1;
    if (rewind_source(b) != NSX_OK)
        return NSX_ERROR;
    start(b, b->framing);
    return NSX_OK;
}

nsx_status
nsx_content_measure(struct nsx_content *b, size_t budget)
{
    while (!b->is_measured && budget > 0) {
        size_t n = b->piece_len < budget ? b->piece_len : budget;
        nsx_status s = NSX_OK;

        if (b->at_end)
            return measure_end(b);
        if (n == 0)
            s = pull(b);
        else if (b->framing != NSX_FRAME_BINARY)
            s = measure_lines(b, b->piece, n);
        if (s != NSX_OK)
            return s;
        if (n == 0)
            continue;
        b->has_8bit |= any_8bit(b->piece, n);
        b->piece += n;
        b->piece_len -= n;
        budget -= n;
    }
    return NSX_OK;
}

/* --- reading ------------------------------------------------------------- */

static size_t
copy(struct nsx_content *b, char *out, size_t room, size_t *taken)
{
    *taken = b->piece_len < room ? b->piece_len : room;
    memcpy(out, b->piece, *taken);
    return *taken;
}

/* Frames some of the piece; nothing where a bare CR forbids it. */
static nsx_status
encode(struct nsx_content *b, char *out, size_t room, size_t *put)
{
    uint64_t doubled = b->dot.doubled;
    size_t n = b->piece_len < room ? b->piece_len : room;
    size_t taken;

    if (b->framing == NSX_FRAME_BINARY) {
        *put = copy(b, out, room, &taken);
    }
    else {
        if (b->cr_rule == NSX_CR_REFUSE
            && nsx_dot_has_bare_cr(&b->dot, b->piece, n, 0))
            return refuse_cr(b);
        *put = nsx_dot_encode(&b->dot, b->piece, n, out, room, &taken);
    }
    b->octets += *put - (b->dot.doubled - doubled);
    b->piece += taken;
    b->piece_len -= taken;
    return NSX_OK;
}

/* After the last octet of the source: what the framing puts behind it. */
static nsx_status
finish(struct nsx_content *b, char *out, size_t *put)
{
    size_t line = 0;

    *put = 0;
    if (b->dot.at == NSX_DOT_CR && refuse_cr(b) != NSX_OK)
        return NSX_ERROR;
    if (b->framing != NSX_FRAME_BINARY)
        line = nsx_dot_end_line(&b->dot, out);
    b->octets += line;
    *put = line;
    if (b->size != NSX_SIZE_UNKNOWN && b->octets != b->size)
        return bad_source(b, "the message has become shorter or longer");
    if (b->framing == NSX_FRAME_DATA)
        *put += nsx_dot_end(&b->dot, out + line);
    b->is_done = 1;
    return NSX_OK;
}

static int
is_full(const struct nsx_content *b)
{
    return b->size != NSX_SIZE_UNKNOWN && b->octets >= b->size;
}

/* The size is reached and the source has not said that this was all: the last
 * octet waits, so that the other side never has a whole message of another
 * length than was meant. */
static nsx_status
hold(struct nsx_content *b, const char *out, size_t *put)
{
    if (b->piece_len > 0 || b->octets > b->size)
        return bad_source(b, "the message has become longer");
    if (!b->at_end && !b->has_held && *put > 0) {
        b->held = out[--*put];
        b->has_held = 1;
    }
    return NSX_OK;
}

static size_t
release(struct nsx_content *b, char *out)
{
    if (!b->has_held)
        return 0;
    b->has_held = 0;
    *out = b->held;
    return 1;
}

static nsx_status
step(struct nsx_content *b, char *out, size_t room, size_t *put)
{
    size_t more = 0;
    nsx_status s = NSX_OK;

    if (b->piece_len > 0) {
        s = encode(b, out + *put, room - *put, &more);
    }
    else if (b->at_end) {
        *put += release(b, out + *put);
        s = finish(b, out + *put, &more);
    }
    else {
        s = pull(b);
    }
    *put += more;
    if (s == NSX_OK && !b->is_done && is_full(b))
        s = hold(b, out, put);
    return s;
}

nsx_status
nsx_content_read(struct nsx_content *b, char *out, size_t room, size_t *put)
{
    nsx_status s = b->failed != NSX_E_NONE ? NSX_ERROR : NSX_OK;

    *put = 0;
    while (s == NSX_OK && !b->is_done && room - *put >= NSX_CONTENT_MIN_ROOM)
        s = step(b, out, room, put);
    if (s == NSX_ERROR)
        *put = 0;
    b->emitted += *put;
    return s == NSX_WANT_READ && *put > 0 ? NSX_OK : s;
}

static nsx_status
framed_pull(void *ctx, const char **ptr, size_t *len)
{
    struct nsx_content *b = ctx;

    *ptr = b->block;
    return nsx_content_read(b, b->block, b->block_size, len);
}

/* What is left of a piece is more than nothing once framed. */
static int
framed_follows(void *ctx)
{
    const struct nsx_content *b = ctx;

    return b->piece_len > 0 && b->failed == NSX_E_NONE;
}

void
nsx_content_framed(struct nsx_content *b, char *block, size_t size,
                   struct nsx_source *out)
{
    b->block = block;
    b->block_size = size;
    out->ctx = b;
    out->pull = framed_pull;
    out->follows = framed_follows;
    out->rewind = NULL;
}
