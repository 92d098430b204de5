/*
 * fuzz_reply.c - replies, delivered whole and in pieces, must come out the
 * same, line by line, error included.
 *
 * Input: one octet that sets the piece size, then the stream.
 */
#include "fuzz.h"
#include "nsx_channel.h"

struct outcome {
    uint64_t hash;
    size_t lines;
    nsx_errcode code;
};

static void
mix(struct outcome *o, const char *p, size_t n)
{
    const uint64_t prime = 1099511628211u;
    size_t i;

    for (i = 0; i < n; i++)
        o->hash = (o->hash ^ (uint8_t)p[i]) * prime;
    o->hash = (o->hash ^ n) * prime;
}

static void
take_line(struct outcome *o, const struct nsx_reply_line *line)
{
    CHECK(line->code != NULL);
    CHECK(line->text >= line->code + NSX_CODE_DIGITS);
    mix(o, line->code, NSX_CODE_DIGITS);
    mix(o, line->text, line->text_len);
    o->hash += (uint64_t)line->more;
    o->lines++;
}

/* Parses what has arrived; garbage lines are skipped, as callers may. */
static nsx_status
parse(struct nsx_channel *ch, struct nsx_reply *r, struct outcome *o)
{
    struct nsx_reply_line line;
    size_t used;
    nsx_status s;

    for (;;) {
        s = nsx_channel_reply(ch, r, &line, &used);
        CHECK(used <= nsx_channel_buffered(ch));
        if (s == NSX_OK) {
            take_line(o, &line);
            if (!line.more)
                nsx_reply_init(r);
        }
        else if (s == NSX_ERROR && ch->error.code == NSX_E_NONE) {
            mix(o, line.text, line.text_len);
            nsx_reply_init(r);
        }
        else {
            return s;
        }
        CHECK(used > 0);
        nsx_channel_take(ch, used);
    }
}

static struct outcome
deliver(const uint8_t *p, size_t n, size_t piece)
{
    struct outcome o = { 14695981039346656037u, 0, NSX_E_NONE };
    struct nsx_channel ch;
    struct nsx_reply r;
    nsx_status s = NSX_WANT_READ;

    nsx_channel_init(&ch, -1);
    nsx_reply_init(&r);
    while (n > 0 && s == NSX_WANT_READ) {
        size_t k = n < piece ? n : piece;

        CHECK(nsx_channel_feed(&ch, p, k) == NSX_OK);
        p += k;
        n -= k;
        s = parse(&ch, &r, &o);
    }
    o.code = ch.error.code;
    nsx_channel_free(&ch);
    return o;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct outcome whole, pieces;

    if (size < 1)
        return 0;
    whole = deliver(data + 1, size - 1, size);
    pieces = deliver(data + 1, size - 1, (size_t)data[0] + 1);
    CHECK(whole.hash == pieces.hash);
    CHECK(whole.lines == pieces.lines);
    CHECK(whole.code == pieces.code);
    return 0;
}
