/*
 * nsx_dot.c - the body encoder (RFC 5321 2.3.8, 4.5.2).
 *
 * The octets between line ends are found by memchr and moved by memcpy; only
 * the first octet of a line and the one after a chunk's last CR are looked at
 * one by one.  Whole lines that fit for certain go in a loop of their own.
 */
#include "nsx_dot.h"

#include <string.h>

/* One call's input and output, shrinking from the front. */
struct job {
    const char *in;
    size_t n;
    char *out;
    size_t room;
};

void
nsx_dot_init(struct nsx_dot *d, enum nsx_dot_at at, enum nsx_bare_cr bare_cr)
{
    d->at = at;
    d->bare_cr = bare_cr;
    d->lines_only = 0;
    d->doubled = 0;
}

static void
put(struct job *j, char c)
{
    *j->out++ = c;
    j->room--;
}

static void
skip(struct job *j, size_t n)
{
    j->in += n;
    j->n -= n;
}

static void
copy(struct job *j, size_t n)
{
    memcpy(j->out, j->in, n);
    j->out += n;
    j->room -= n;
    skip(j, n);
}

/* At a line start: doubles a dot.  Whatever follows is text. */
static void
line_start(struct nsx_dot *d, struct job *j)
{
    if (*j->in == '.' && !d->lines_only) {
        put(j, '.');
        d->doubled++;
    }
    d->at = NSX_DOT_TEXT;
}

/* After a CR that the output already holds. */
static void
after_cr(struct nsx_dot *d, struct job *j)
{
    int lf = *j->in == '\n';

    if (lf || d->bare_cr == NSX_BARE_CR_CONVERT) {
        put(j, '\n');
        d->at = NSX_DOT_BOL;
    }
    else {
        d->at = NSX_DOT_TEXT;
    }
    if (lf)
        skip(j, 1);
}

/* Octets of in[0..n) before the first one that needs a look. */
static size_t
plain_run(const struct nsx_dot *d, const char *in, size_t n)
{
    const char *lf;
    size_t i = 0;

    if (d->bare_cr == NSX_BARE_CR_PASS) {
        lf = memchr(in, '\n', n);
        return lf != NULL ? (size_t)(lf - in) : n;
    }
    while (i < n && in[i] != '\n' && in[i] != '\r')
        i++;
    return i;
}

/* Text up to and with the next line end, or what fits: an LF in the last
 * place grows to two octets, so one octet of room is kept for it. */
static void
text(struct nsx_dot *d, struct job *j)
{
    size_t window = j->n < j->room ? j->n : j->room - 1;
    size_t run = plain_run(d, j->in, window);
    int cr = run > 0 && j->in[run - 1] == '\r';

    copy(j, run);
    if (run == window) {
        d->at = cr ? NSX_DOT_CR : NSX_DOT_TEXT;
    }
    else if (*j->in == '\r') {
        copy(j, 1);
        d->at = NSX_DOT_CR;
    }
    else {
        if (!cr)
            put(j, '\r');
        copy(j, 1);
        d->at = NSX_DOT_BOL;
    }
}

/* Whole lines, from the start of one on, as many as fit however they grow. */
static void
whole_lines(struct nsx_dot *d, struct job *j)
{
    const char *in = j->in, *lf;
    char *out = j->out;
    size_t left = j->n < j->room / 2 ? j->n : j->room / 2, len;

    while (left > 0 && (lf = memchr(in, '\n', left)) != NULL) {
        if (*in == '.' && !d->lines_only) {
            *out++ = '.';
            d->doubled++;
        }
        len = (size_t)(lf - in);
        memcpy(out, in, len);
        out += len;
        if (len == 0 || lf[-1] != '\r')
            *out++ = '\r';
        *out++ = '\n';
        left -= len + 1;
        in = lf + 1;
    }
    j->n -= (size_t)(in - j->in);
    j->room -= (size_t)(out - j->out);
    j->in = in;
    j->out = out;
}

size_t
nsx_dot_encode(struct nsx_dot *d, const char *in, size_t n, char *out,
               size_t size, size_t *taken)
{
    struct job j = { in, n, out, size };

    while (j.n > 0 && j.room > 1) {
        if (d->at == NSX_DOT_BOL && d->bare_cr == NSX_BARE_CR_PASS)
            whole_lines(d, &j);
        if (j.n == 0 || j.room <= 1)
            break;
        if (d->at == NSX_DOT_BOL)
            line_start(d, &j);
        else if (d->at == NSX_DOT_CR)
            after_cr(d, &j);
        else
            text(d, &j);
    }
    *taken = n - j.n;
    return size - j.room;
}

size_t
nsx_dot_end_line(struct nsx_dot *d, char *out)
{
    size_t len = 0;

    if (d->at == NSX_DOT_TEXT
        || (d->at == NSX_DOT_CR && d->bare_cr == NSX_BARE_CR_PASS))
        out[len++] = '\r';
    if (d->at != NSX_DOT_BOL)
        out[len++] = '\n';
    d->at = NSX_DOT_BOL;
    return len;
}

size_t
nsx_dot_end(struct nsx_dot *d, char *out)
{
    static const char dot[] = ".\r\n";
    size_t len = nsx_dot_end_line(d, out);

    memcpy(out + len, dot, sizeof dot - 1);
    return len + sizeof dot - 1;
}

int
nsx_dot_has_bare_cr(const struct nsx_dot *d, const char *in, size_t n,
                    int final)
{
    const char *cr, *end;

    if (n == 0)
        return final && d->at == NSX_DOT_CR;
    end = in + n;
    if (d->at == NSX_DOT_CR && *in != '\n')
        return 1;
    while (in < end && (cr = memchr(in, '\r', (size_t)(end - in))) != NULL) {
        if (cr + 1 == end)
            return final != 0;
        if (cr[1] != '\n')
            return 1;
        in = cr + 2;
    }
    return 0;
}
