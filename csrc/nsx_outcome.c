/*
 * nsx_outcome.c - records of recipients, and the message's own fate.
 */
#include "nsx_outcome.h"

#include <stdio.h>
#include <string.h>

static const char *const fate_names[] = { "pending",  "accepted", "refused",
                                          "deferred", "unknown",  "unsent",
                                          "partial" };
static const char *const stage_names[] = { "local", "connect", "mail", "rcpt",
                                           "data",  "body",    "end" };

/* The place of a name among n, or n. */
static size_t
find_name(const char *const *names, size_t n, const char *name, size_t len)
{
    size_t i;

    for (i = 0; i < n; i++)
        if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
            break;
    return i;
}

const char *
nsx_fate_name(enum nsx_fate f)
{
    return fate_names[f];
}

const char *
nsx_stage_name(enum nsx_stage s)
{
    return stage_names[s];
}

int
nsx_fate_find(const char *name, size_t len, enum nsx_fate *out)
{
    const size_t n = sizeof fate_names / sizeof fate_names[0];
    const size_t i = find_name(fate_names, n, name, len);

    *out = (enum nsx_fate)i;
    return i < n;
}

int
nsx_stage_find(const char *name, size_t len, enum nsx_stage *out)
{
    const size_t n = sizeof stage_names / sizeof stage_names[0];
    const size_t i = find_name(stage_names, n, name, len);

    *out = (enum nsx_stage)i;
    return i < n;
}

void
nsx_outcome_init(struct nsx_outcome *o)
{
    memset(o, 0, sizeof *o);
    nsx_buf_init(&o->texts, NSX_MAX_OUTCOME_TEXTS);
}

nsx_status
nsx_outcome_begin(struct nsx_outcome *o, size_t count, int skip_bad,
                  struct nsx_error *e)
{
    if (count > o->room) {
        nsx_outcome_free(o);
        o->records = nsx_alloc(count * sizeof *o->records);
        if (o->records == NULL)
            return nsx_error_set(e, NSX_E_NOMEM, __func__, NULL);
        o->room = count;
    }
    else {
        memset(o->records, 0, count * sizeof *o->records);
    }
    o->count = count;
    o->skip_bad = skip_bad;
    o->last = o->last_len = 0;
    nsx_buf_clear(&o->texts);
    return NSX_OK;
}

void
nsx_outcome_free(struct nsx_outcome *o)
{
    nsx_free(o->records);
    nsx_buf_free(&o->texts);
    nsx_outcome_init(o);
}

/* --- enhanced codes ------------------------------------------------------ */

/* Up to three digits at *at, which moves behind them; -1 for none or more. */
static int
number(const char *text, size_t n, size_t *at)
{
    size_t from = *at;
    int value = 0;

    while (*at < n && *at - from < 4 && text[*at] >= '0' && text[*at] <= '9')
        value = value * 10 + (text[(*at)++] - '0');
    return *at == from || *at - from > 3 ? -1 : value;
}

size_t
nsx_enhanced_parse(const char *text, size_t n, char cls, struct nsx_enhanced *x)
{
    size_t at = 2;
    int subject, detail;

    if (n < 5 || text[0] != cls || text[1] != '.')
        return 0;
    subject = number(text, n, &at);
    if (subject < 0 || at >= n || text[at++] != '.')
        return 0;
    detail = number(text, n, &at);
    if (detail < 0 || (at < n && text[at] != ' ' && text[at] != '\n'))
        return 0;
    x->cls = (uint8_t)(cls - '0');
    x->subject = (uint16_t)subject;
    x->detail = (uint16_t)detail;
    return at < n && text[at] == ' ' ? at + 1 : at;
}

int
nsx_enhanced_format(const struct nsx_enhanced *x, char out[NSX_ENHANCED_SIZE])
{
    out[0] = '\0';
    if (x->cls == 0)
        return 0;
    (void)snprintf(out, NSX_ENHANCED_SIZE, "%u.%u.%u", x->cls % 10u,
                   x->subject % 1000u, x->detail % 1000u);
    return 1;
}

/* --- texts --------------------------------------------------------------- */

static const char *
texts(const struct nsx_outcome *o)
{
    return (const char *)nsx_buf_data(&o->texts);
}

/* Adds to the text being kept, as much as the caps and memory allow. */
static void
add(struct nsx_outcome *o, size_t from, const char *p, size_t n)
{
    size_t room = NSX_MAX_OUTCOME_TEXT - (o->texts.len - from);

    if (n > room)
        n = room;
    (void)nsx_buf_append(&o->texts, p, n);
}

/* The text from offset from on belongs to r; dropped again when it is the
 * same as the one before. */
static void
keep(struct nsx_outcome *o, size_t from, struct nsx_record *r)
{
    size_t len = o->texts.len - from;

    if (len == o->last_len && len > 0
        && memcmp(texts(o) + o->last, texts(o) + from, len) == 0) {
        nsx_buf_truncate(&o->texts, from);
    }
    else {
        o->last = (uint32_t)from;
        o->last_len = (uint32_t)len;
    }
    r->text = o->last;
    r->text_len = o->last_len;
}

void
nsx_outcome_reply(struct nsx_outcome *o, struct nsx_record *r,
                  enum nsx_stage stage, unsigned code, const char *text,
                  size_t len)
{
    char cls = (char)('0' + code / 100 % 10);
    size_t from = o->texts.len;

    memset(r, 0, sizeof *r);
    r->stage = (uint8_t)stage;
    r->code = (uint16_t)code;
    while (len > 0) {
        const char *lf = memchr(text, '\n', len);
        size_t line = lf != NULL ? (size_t)(lf - text) + 1 : len;
        size_t skip = nsx_enhanced_parse(text, line, cls, &r->enhanced);

        add(o, from, text + skip, line - skip);
        text += line;
        len -= line;
    }
    keep(o, from, r);
}

void
nsx_outcome_local(struct nsx_outcome *o, struct nsx_record *r,
                  enum nsx_stage stage, struct nsx_enhanced enhanced,
                  const char *text, size_t len)
{
    size_t from = o->texts.len;

    memset(r, 0, sizeof *r);
    r->stage = (uint8_t)stage;
    r->enhanced = enhanced;
    add(o, from, text, len);
    keep(o, from, r);
}

void
nsx_outcome_decide(struct nsx_outcome *o, size_t i, enum nsx_fate fate,
                   const struct nsx_record *r)
{
    o->records[i] = *r;
    o->records[i].fate = (uint8_t)fate;
}

const char *
nsx_outcome_text(const struct nsx_outcome *o, const struct nsx_record *r,
                 size_t *len)
{
    *len = r->text_len;
    return r->text_len > 0 ? texts(o) + r->text : "";
}

/* --- judging ------------------------------------------------------------- */

static int
has_class(const struct nsx_record *r, unsigned cls)
{
    return r->code > 0 ? r->code / 100u == cls : r->enhanced.cls == cls;
}

static int
is_open(const struct nsx_record *r)
{
    return r->fate == NSX_FATE_ACCEPTED || r->fate == NSX_FATE_UNKNOWN;
}

int
nsx_record_is_temporary(const struct nsx_record *r)
{
    return !is_open(r) && has_class(r, 4);
}

int
nsx_record_is_permanent(const struct nsx_record *r)
{
    return !is_open(r) && has_class(r, 5);
}

int
nsx_record_may_retry(const struct nsx_record *r)
{
    return r->fate == NSX_FATE_DEFERRED
        || (r->fate == NSX_FATE_UNSENT && has_class(r, 4));
}

static size_t
first(const struct nsx_outcome *o, enum nsx_fate fate)
{
    size_t i;

    for (i = 0; i < o->count && o->records[i].fate != fate; i++)
        continue;
    return i;
}

/* The fate that decides where nobody was accepted, or not everybody was. */
static enum nsx_fate
worst(const struct nsx_outcome *o, size_t *decider)
{
    static const enum nsx_fate all_or_none[] = {
        NSX_FATE_UNKNOWN, NSX_FATE_REFUSED, NSX_FATE_DEFERRED, NSX_FATE_UNSENT
    };
    static const enum nsx_fate whoever[] = {
        NSX_FATE_UNKNOWN, NSX_FATE_DEFERRED, NSX_FATE_REFUSED, NSX_FATE_UNSENT
    };
    const enum nsx_fate *order = o->skip_bad ? whoever : all_or_none;
    size_t i;

    for (i = 0; i < sizeof whoever / sizeof whoever[0]; i++) {
        *decider = first(o, order[i]);
        if (*decider < o->count)
            return order[i];
    }
    *decider = 0;
    return NSX_FATE_ACCEPTED;
}

enum nsx_fate
nsx_outcome_message(const struct nsx_outcome *o, size_t *decider)
{
    enum nsx_fate fate = worst(o, decider);

    return fate != NSX_FATE_ACCEPTED && first(o, NSX_FATE_ACCEPTED) < o->count
        ? NSX_FATE_PARTIAL
        : fate;
}
