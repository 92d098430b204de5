/* Bodies: measured and framed over any pieces and rooms, against a plain
 * reference; sources that wait, fail, shrink or grow. */
#include "tap.h"
#include "nsx_content.h"

enum {
    MOST = 64,
    NEVER = -1
};

/* A source of n octets in pieces; it has nothing at every second pull where
 * it waits, and fails before octet fails_at. */
struct pieces {
    const char *in;
    size_t n, piece, at;
    int waits, turn;
    long fails_at;
};

static nsx_status
pull(void *ctx, const char **ptr, size_t *len)
{
    struct pieces *p = ctx;
    size_t left = p->n - p->at;

    if (p->waits && p->turn++ % 2 == 0)
        return NSX_WANT_READ;
    if (p->fails_at >= 0 && p->at >= (size_t)p->fails_at)
        return NSX_ERROR;
    *ptr = p->in + p->at;
    *len = left < p->piece ? left : p->piece;
    p->at += *len;
    return NSX_OK;
}

static int
again(void *ctx)
{
    ((struct pieces *)ctx)->at = 0;
    return 1;
}

static void
open_body(struct nsx_content *b, struct pieces *p, const char *in, size_t n,
          size_t piece, enum nsx_cr_rule rule, enum nsx_framing framing)
{
    struct nsx_source s = { NULL, pull, NULL, again };

    p->in = in;
    p->n = n;
    p->piece = piece;
    p->at = 0;
    p->waits = p->turn = 0;
    p->fails_at = NEVER;
    s.ctx = p;
    nsx_content_init(b, &s, rule, framing);
}

/* The rules, octet by octet: the framed body; *lines what size must be. */
static size_t
reference(const char *in, size_t n, enum nsx_cr_rule rule,
          enum nsx_framing framing, char *out, size_t *lines)
{
    size_t len = 0, dots = 0, i;
    int bol = 1, cr = 0;

    for (i = 0; i <= n; i++) {
        if (framing == NSX_FRAME_BINARY && i < n) {
            out[len++] = in[i];
            continue;
        }
        if (rule == NSX_CR_CONVERT && cr && (i == n || in[i] != '\n')) {
            out[len++] = '\n';
            bol = 1;
        }
        if (i == n)
            break;
        if (in[i] == '\n' && !cr)
            out[len++] = '\r';
        if (in[i] == '.' && bol && framing == NSX_FRAME_DATA) {
            out[len++] = '.';
            dots++;
        }
        out[len++] = in[i];
        bol = in[i] == '\n';
        cr = in[i] == '\r';
    }
    if (framing != NSX_FRAME_BINARY && !bol) {
        out[len++] = '\r';
        out[len++] = '\n';
    }
    *lines = len - dots;
    if (framing == NSX_FRAME_DATA) {
        memcpy(out + len, ".\r\n", 3);
        len += 3;
    }
    return len;
}

static int
has_bare_cr(const char *in, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++)
        if (in[i] == '\r' && (i + 1 == n || in[i + 1] != '\n'))
            return 1;
    return 0;
}

/* Reads all of b in rooms of room octets; waiting is not counted. */
static nsx_status
read_all(struct nsx_content *b, size_t room, char *out, size_t *len)
{
    char space[MOST * 4];
    nsx_status s;
    size_t put;

    *len = 0;
    do {
        s = nsx_content_read(b, space, room, &put);
        memcpy(out + *len, space, put);
        *len += put;
    } while (s == NSX_WANT_READ || (s == NSX_OK && put > 0));
    return s;
}

static nsx_status
measure(struct nsx_content *b, size_t budget)
{
    nsx_status s;

    do
        s = nsx_content_measure(b, budget);
    while (s == NSX_WANT_READ || (s == NSX_OK && !b->is_measured));
    return s;
}

/* One body in every framing and rule, measured or not: 1 when all is well. */
static int
is_right(const char *in, size_t n, size_t piece, size_t room, int waits)
{
    int framing, rule, known;

    for (framing = NSX_FRAME_DATA; framing <= NSX_FRAME_BINARY; framing++)
        for (rule = NSX_CR_PASS; rule <= NSX_CR_REFUSE; rule++)
            for (known = 0; known < 2; known++) {
                enum nsx_framing f = (enum nsx_framing)framing;
                enum nsx_cr_rule r = (enum nsx_cr_rule)rule;
                char want[MOST * 4], got[MOST * 4];
                size_t want_n, got_n, lines;
                struct nsx_content b;
                struct pieces p;
                nsx_status s = NSX_OK;
                int refused = r == NSX_CR_REFUSE && f != NSX_FRAME_BINARY
                    && has_bare_cr(in, n);

                open_body(&b, &p, in, n, piece, r, f);
                p.waits = waits;
                want_n = reference(in, n, r, f, want, &lines);
                if (known)
                    s = measure(&b, room);
                if (known && !refused && b.size != lines)
                    return 0;
                if (s == NSX_OK)
                    s = read_all(&b, room, got, &got_n);
                if (refused) {
                    if (s != NSX_ERROR || b.failed != NSX_E_BARE_CR)
                        return 0;
                    continue;
                }
                if (s != NSX_OK || !b.is_done || b.octets != lines
                    || got_n != want_n || memcmp(got, want, got_n) != 0)
                    return 0;
            }
    return 1;
}

static void
all_short(void)
{
    static const char alphabet[] = "x.\r\n";
    char in[6];
    size_t n, i, piece, bad = 0, all;

    for (n = 0; n <= 6; n++) {
        size_t code;

        for (all = 1, i = 0; i < n; i++)
            all *= 4;
        for (code = 0; code < all; code++) {
            size_t left = code;

            for (i = 0; i < n; i++, left /= 4)
                in[i] = alphabet[left % 4];
            for (piece = 1; piece <= 3; piece++)
                bad += !is_right(in, n, piece, NSX_CONTENT_MIN_ROOM,
                                 (int)piece & 1);
        }
    }
    is_num(bad, 0, "every body of up to six octets");
}

static void
random_long(void)
{
    static const char alphabet[] = "ab\xe4.\r\n\n";
    unsigned long seed = 11;
    char in[MOST];
    size_t bad = 0, k, n;
    int round;

    for (round = 0; round < 3000; round++) {
        seed = seed * 1103515245u + 12345u;
        n = (seed >> 16) % MOST;
        for (k = 0; k < n; k++) {
            seed = seed * 1103515245u + 12345u;
            in[k] = alphabet[(seed >> 16) % (sizeof alphabet - 1)];
        }
        bad += !is_right(in, n, 1 + n % 17, 8 + (size_t)round % 30, round & 1);
    }
    is_num(bad, 0, "random bodies");
}

static void
eight_bit(void)
{
    char in[40];
    struct nsx_content b;
    struct pieces p;
    size_t at, bad = 0;

    for (at = 0; at <= sizeof in; at++) {
        memset(in, 'a', sizeof in);
        if (at < sizeof in)
            in[at] = '\x80';
        open_body(&b, &p, in, sizeof in, 13, NSX_CR_PASS, NSX_FRAME_DATA);
        (void)measure(&b, 5);
        bad += b.has_8bit != (at < sizeof in);
    }
    is_num(bad, 0, "an octet above 127 is seen wherever it is");
}

static void
changes(void)
{
    char got[MOST * 4], in[] = "one\ntwo\n";
    size_t len, piece;
    int bad_short = 0, bad_long = 0, bad_same = 0;

    for (piece = 1; piece < 9; piece++) {
        struct nsx_content b;
        struct pieces p;

        open_body(&b, &p, in, 8, piece, NSX_CR_PASS, NSX_FRAME_BDAT);
        (void)measure(&b, 100);
        p.n = 7;
        bad_same += read_all(&b, 100, got, &len) != NSX_OK || len != 10;
        (void)nsx_content_restart(&b, NSX_FRAME_BDAT);
        p.n = 6;
        bad_short += read_all(&b, 100, got, &len) != NSX_ERROR
            || b.failed != NSX_E_SOURCE || len >= 10;
        open_body(&b, &p, in, 4, piece, NSX_CR_PASS, NSX_FRAME_BDAT);
        (void)measure(&b, 100);
        p.n = 8;
        p.waits = 1;
        bad_long += read_all(&b, 8, got, &len) != NSX_ERROR
            || b.failed != NSX_E_SOURCE || len >= 5;
    }
    is_num(bad_same, 0, "the size of the framed body is what counts");
    is_num(bad_short, 0, "a source that shrank never makes a whole body");
    is_num(bad_long, 0, "nor does one that grew");
}

static void
failures(void)
{
    char got[MOST * 4];
    struct nsx_content b;
    struct pieces p;
    struct nsx_source once = { NULL, pull, NULL, NULL };
    size_t len;

    open_body(&b, &p, "abcdef", 6, 2, NSX_CR_PASS, NSX_FRAME_DATA);
    p.fails_at = 4;
    is_num(read_all(&b, 8, got, &len), NSX_ERROR, "a source that fails");
    is_num(b.failed, NSX_E_SOURCE, "says so");
    p.fails_at = NEVER;
    is_num(nsx_content_read(&b, got, 8, &len), NSX_ERROR, "for good");
    open_body(&b, &p, "abcdef", 6, 2, NSX_CR_PASS, NSX_FRAME_DATA);
    p.fails_at = 4;
    is_num(measure(&b, 100), NSX_ERROR, "while it is measured");
    is_num(b.size, NSX_SIZE_UNKNOWN, "there is no size then");
    once.ctx = &p;
    p.fails_at = NEVER;
    p.at = 0;
    nsx_content_init(&b, &once, NSX_CR_PASS, NSX_FRAME_DATA);
    is_num(nsx_content_restart(&b, NSX_FRAME_BDAT), NSX_OK, "nothing was read");
    (void)read_all(&b, 8, got, &len);
    is_num(nsx_content_restart(&b, NSX_FRAME_BDAT), NSX_ERROR,
           "what can be read once only is not read again");
}

static void
as_source(void)
{
    char block[16], got[MOST * 4], want[MOST * 4];
    const char *ptr, in[] = ".one\n.two\nthree three three three\n";
    struct nsx_memory m;
    struct nsx_source from, s;
    struct nsx_content b;
    size_t len, at = 0, lines, said = 0;

    nsx_memory_source(&from, &m, in, sizeof in - 1);
    nsx_content_init(&b, &from, NSX_CR_PASS, NSX_FRAME_DATA);
    is_num(nsx_content_measure(&b, SIZE_MAX), NSX_OK, "measured at once");
    nsx_content_framed(&b, block, sizeof block, &s);
    while (s.pull(s.ctx, &ptr, &len) == NSX_OK && len > 0) {
        memcpy(got + at, ptr, len);
        at += len;
        said += (size_t)s.follows(s.ctx);
    }
    len =
        reference(in, sizeof in - 1, NSX_CR_PASS, NSX_FRAME_DATA, want, &lines);
    is_mem(got, at, want, len, "as a source, through a small block");
    ok(said > 0 && !s.follows(s.ctx), "it says what follows");
    is_num(s.pull(s.ctx, &ptr, &len), NSX_OK, "asked again");
    is_num(len, 0, "it is still at its end");
}

int
main(void)
{
    all_short();
    random_long();
    eight_bit();
    changes();
    failures();
    as_source();
    return done_testing();
}
