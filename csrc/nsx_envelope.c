/*
 * nsx_envelope.c - sender, recipients, options; the lines they make.
 */
#include "nsx_envelope.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "nsx_ascii.h"
#include "nsx_content.h"
#include "nsx_command.h"
#include "nsx_date.h"
#include "nsx_xtext.h"

enum {
    FIRST_ROOM = 8,   /* recipients */
    SHOWN_VALUE = 100 /* octets of a wrong value that its error shows */
};

static const char *
textual(const struct nsx_envelope *v, const struct nsx_stretch *s)
{
    return (const char *)nsx_buf_data(&v->texts) + s->at;
}

static int
is_given(const struct nsx_stretch *s)
{
    return s->at != NSX_NOT_GIVEN;
}

/* --- building ------------------------------------------------------------ */

static const struct nsx_stretch not_given = { NSX_NOT_GIVEN, 0 };

void
nsx_envelope_clear(struct nsx_envelope *v)
{
    int o;

    nsx_buf_clear(&v->texts);
    v->from = not_given;
    for (o = 0; o < NSX_OPT_COUNT_; o++)
        v->value[o] = not_given;
    v->count = 0;
    v->has_utf8 = 0;
    v->idn_help = NULL;
}

void
nsx_envelope_init(struct nsx_envelope *v)
{
    memset(v, 0, sizeof *v);
    nsx_buf_init(&v->texts, NSX_MAX_ENVELOPE);
    nsx_envelope_clear(v);
}

void
nsx_envelope_free(struct nsx_envelope *v)
{
    nsx_free(v->rcpts);
    nsx_buf_free(&v->texts);
    nsx_envelope_init(v);
}

static nsx_status
keep(struct nsx_envelope *v, const char *text, size_t n,
     struct nsx_stretch *out, struct nsx_error *e)
{
    size_t at = v->texts.len;
    nsx_errcode code = nsx_buf_append(&v->texts, text, n);

    if (code != NSX_E_NONE)
        return nsx_error_set(e, code, __func__, NULL);
    out->at = (uint32_t)at;
    out->len = (uint32_t)n;
    return NSX_OK;
}

static int
shown(size_t n)
{
    return (int)(n < SHOWN_VALUE ? n : SHOWN_VALUE);
}

/* After the quoted string that begins at i, or n + 1 when it never ends. */
static size_t
skip_quoted(const char *p, size_t n, size_t i)
{
    for (i++; i < n && p[i] != '"'; i++)
        if (p[i] == '\\')
            i++;
    return i + 1;
}

/* Can nothing of it be taken for the end of the path, or of the line? */
static int
is_path(const char *p, size_t n)
{
    size_t i = 1;

    if (n < 2 || p[0] != '<' || p[n - 1] != '>')
        return 0;
    for (i = 0; i < n; i++)
        if ((unsigned char)p[i] < 0x20 || p[i] == 0x7f)
            return 0;
    for (i = 1; i < n - 1;) {
        if (p[i] == '<' || p[i] == '>')
            return 0;
        i = p[i] == '"' ? skip_quoted(p, n - 1, i) : i + 1;
    }
    return i == n - 1;
}

static nsx_status
keep_path(struct nsx_envelope *v, const char *name, const char *path, size_t n,
          struct nsx_stretch *out, struct nsx_error *e)
{
    if (!is_path(path, n) || n > NSX_MAX_COMMAND / 2)
        return nsx_error_set(e, NSX_E_ARGUMENT, __func__,
                             "%s => \"%.*s\": it is no address", name, shown(n),
                             path);
    if (nsx_path_need(path, n) != NSX_NEED_NOTHING)
        v->has_utf8 = 1;
    return keep(v, path, n, out, e);
}

nsx_status
nsx_envelope_from(struct nsx_envelope *v, const char *path, size_t n,
                  struct nsx_error *e)
{
    return keep_path(v, "From", path, n, &v->from, e);
}

static nsx_status
grow(struct nsx_envelope *v, struct nsx_error *e)
{
    size_t room = v->room > 0 ? v->room * 2 : FIRST_ROOM;
    struct nsx_rcpt *more;

    if (v->count < v->room)
        return NSX_OK;
    more = nsx_alloc(room * sizeof *more);
    if (more == NULL)
        return nsx_error_set(e, NSX_E_NOMEM, __func__, NULL);
    if (v->count > 0)
        memcpy(more, v->rcpts, v->count * sizeof *more);
    nsx_free(v->rcpts);
    v->rcpts = more;
    v->room = room;
    return NSX_OK;
}

nsx_status
nsx_envelope_to(struct nsx_envelope *v, const char *path, size_t n,
                struct nsx_error *e)
{
    struct nsx_rcpt *r;

    if (n == 2)
        return nsx_error_set(e, NSX_E_ARGUMENT, __func__,
                             "To => \"<>\": a recipient needs an address");
    if (grow(v, e) != NSX_OK)
        return NSX_ERROR;
    r = &v->rcpts[v->count];
    r->notify = r->orcpt = not_given;
    if (keep_path(v, "To", path, n, &r->path, e) != NSX_OK)
        return NSX_ERROR;
    v->count++;
    return NSX_OK;
}

static nsx_status
keep_value(struct nsx_envelope *v, enum nsx_option o, const char *value,
           size_t n, struct nsx_stretch *out, struct nsx_error *e)
{
    if (!nsx_option_facts(o)->is_valid(value, n))
        return nsx_error_set(e, NSX_E_ARGUMENT, __func__,
                             "%s => \"%.*s\": it takes %s",
                             nsx_option_facts(o)->name, shown(n), value,
                             nsx_option_facts(o)->takes);
    return keep(v, value, n, out, e);
}

nsx_status
nsx_envelope_set(struct nsx_envelope *v, enum nsx_option o, const char *value,
                 size_t n, struct nsx_error *e)
{
    enum nsx_option other = o == NSX_OPT_HOLDFOR ? NSX_OPT_HOLDUNTIL
        : o == NSX_OPT_HOLDUNTIL                 ? NSX_OPT_HOLDFOR
                                                 : NSX_OPT_COUNT_;

    if (o >= NSX_OPT_ORCPT)
        return nsx_error_set(e, NSX_E_ARGUMENT, __func__,
                             "ORcpt: it belongs to one recipient");
    if (other != NSX_OPT_COUNT_ && is_given(&v->value[other]))
        return nsx_error_set(e, NSX_E_ARGUMENT, __func__,
                             "HoldFor and HoldUntil: one or the other");
    return keep_value(v, o, value, n, &v->value[o], e);
}

nsx_status
nsx_envelope_set_rcpt(struct nsx_envelope *v, size_t i, enum nsx_option o,
                      const char *value, size_t n, struct nsx_error *e)
{
    struct nsx_rcpt *r = &v->rcpts[i];

    if (o != NSX_OPT_NOTIFY && o != NSX_OPT_ORCPT)
        return nsx_error_set(e, NSX_E_ARGUMENT, __func__,
                             "To: %s is no option of one recipient",
                             o < NSX_OPT_COUNT_ ? nsx_option_facts(o)->name
                                                : "?");
    return keep_value(v, o, value, n,
                      o == NSX_OPT_NOTIFY ? &r->notify : &r->orcpt, e);
}

/* --- addresses ----------------------------------------------------------- */

static int
is_ascii(const char *p, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++)
        if ((unsigned char)p[i] > 0x7f)
            return 0;
    return 1;
}

/* Where the domain begins: after the last '@'; n where there is none. */
static size_t
domain_at(const char *p, size_t n)
{
    size_t i = n;

    while (i > 0 && p[i - 1] != '@')
        i--;
    return i > 0 ? i : n;
}

enum nsx_need
nsx_path_need(const char *path, size_t n)
{
    if (!is_ascii(path, domain_at(path, n)))
        return NSX_NEED_UTF8;
    return is_ascii(path, n) ? NSX_NEED_NOTHING : NSX_NEED_LABELS;
}

const char *
nsx_envelope_path(const struct nsx_envelope *v, size_t i, size_t *len)
{
    *len = v->rcpts[i].path.len;
    return textual(v, &v->rcpts[i].path);
}

const char *
nsx_envelope_domain(const struct nsx_envelope *v, size_t i, size_t *len)
{
    const struct nsx_stretch *s = &v->rcpts[i].path;
    const char *path = textual(v, s);
    size_t at = domain_at(path, s->len);

    *len = at < s->len ? s->len - 1 - at : 0;
    return path + at;
}

/* --- judging ------------------------------------------------------------- */

static int
is_true(const struct nsx_envelope *v, enum nsx_option o)
{
    const struct nsx_stretch *s = &v->value[o];

    return is_given(s) && s->len > 0
        && !(s->len == 1 && textual(v, s)[0] == '0');
}

static int
is_switch(enum nsx_option o)
{
    return o == NSX_OPT_SMTPUTF8 || o == NSX_OPT_REQUIRETLS;
}

/* Given, and not given as no. */
static int
is_wanted(const struct nsx_envelope *v, enum nsx_option o)
{
    return is_switch(o) ? is_true(v, o) : is_given(&v->value[o]);
}

int
nsx_envelope_is_binary(const struct nsx_envelope *v)
{
    return v->value[NSX_OPT_BITS].len == sizeof "binary" - 1;
}

static uint64_t
number(const char *p, size_t n)
{
    uint64_t value = 0;
    size_t i;

    for (i = 0; i < n && nsx_is_digit(p[i]); i++) {
        if (value > (UINT64_MAX - 9) / 10)
            return UINT64_MAX;
        value = value * 10 + (uint64_t)(p[i] - '0');
    }
    return value;
}

static uint64_t
number_of(const struct nsx_envelope *v, enum nsx_option o)
{
    const struct nsx_stretch *s = &v->value[o];

    return is_given(s) ? number(textual(v, s), s->len) : 0;
}

static int
refuse(struct nsx_refusal *why, unsigned subject, unsigned detail,
       const char *text)
{
    why->enhanced.cls = 5;
    why->enhanced.subject = (uint16_t)subject;
    why->enhanced.detail = (uint16_t)detail;
    (void)snprintf(why->text, sizeof why->text, "%s", text);
    return 0;
}

static int
not_offered(struct nsx_refusal *why, unsigned subject, unsigned detail,
            enum nsx_option o)
{
    (void)refuse(why, subject, detail, "");
    (void)snprintf(why->text, sizeof why->text,
                   "%s: the server does not offer %s",
                   nsx_option_facts(o)->name, nsx_option_facts(o)->extension);
    return 0;
}

/* Options that decide who may get the message, or when. */
static int
judge_options(const struct nsx_envelope *v, const struct nsx_caps *c,
              struct nsx_refusal *why)
{
    static const struct {
        enum nsx_option option;
        unsigned subject, detail;
    } needed[] = { { NSX_OPT_REQUIRETLS, 7, 30 }, /* RFC 8689 8 */
                   { NSX_OPT_DELIVERBY, 3, 3 },
                   { NSX_OPT_HOLDFOR, 3, 3 },
                   { NSX_OPT_HOLDUNTIL, 3, 3 } };
    size_t i;

    for (i = 0; i < sizeof needed / sizeof needed[0]; i++)
        if (is_wanted(v, needed[i].option)
            && !nsx_caps_has(c, nsx_option_facts(needed[i].option)->cap))
            return not_offered(why, needed[i].subject, needed[i].detail,
                               needed[i].option);
    return 1;
}

/* A latest time that is none says nothing. */
static int
is_later(const char *a, size_t n, const char *latest)
{
    struct nsx_date x, y;

    return nsx_date_parse(a, n, &x)
        && nsx_date_parse(latest, strlen(latest), &y)
        && nsx_date_compare(&x, &y) > 0;
}

static int
judge_times(const struct nsx_envelope *v, const struct nsx_caps *c,
            struct nsx_refusal *why)
{
    const struct nsx_stretch *by = &v->value[NSX_OPT_DELIVERBY];
    const struct nsx_stretch *until = &v->value[NSX_OPT_HOLDUNTIL];

    if (is_given(by) && c->by_min > 0
        && memchr(textual(v, by), 'R', by->len) != NULL
        && number_of(v, NSX_OPT_DELIVERBY) < c->by_min)
        return refuse(why, 5, 4, "DeliverBy: less than the server's minimum");
    if (c->hold_max > 0 && number_of(v, NSX_OPT_HOLDFOR) > c->hold_max)
        return refuse(why, 5, 4, "HoldFor: more than the server allows");
    if (is_given(until)
        && is_later(textual(v, until), until->len, c->hold_until))
        return refuse(why, 5, 4, "HoldUntil: later than the server allows");
    return 1;
}

static const char *
who_needs(const struct nsx_envelope *v, int *len, enum nsx_need *need)
{
    const struct nsx_stretch *s = &v->from;
    size_t i;

    *need = nsx_path_need(textual(v, s), s->len);
    for (i = 0; *need == NSX_NEED_NOTHING && i < v->count; i++) {
        s = &v->rcpts[i].path;
        *need = nsx_path_need(textual(v, s), s->len);
    }
    *len = shown(s->len);
    return textual(v, s);
}

static int
judge_addresses(const struct nsx_envelope *v, const struct nsx_caps *c,
                struct nsx_refusal *why)
{
    const char *path, *help;
    enum nsx_need need;
    int len;

    if (!v->has_utf8 || nsx_caps_has(c, NSX_CAP_SMTPUTF8))
        return 1;
    path = who_needs(v, &len, &need);
    help = need == NSX_NEED_LABELS && v->idn_help != NULL ? v->idn_help : "";
    (void)refuse(why, 6, 7, "");
    (void)snprintf(why->text, sizeof why->text,
                   "%.*s: the server does not offer SMTPUTF8%s%s", len, path,
                   *help != '\0' ? "; " : "", help);
    return 0;
}

static int
judge_body(const struct nsx_envelope *v, const struct nsx_caps *c,
           const struct nsx_size_facts *body, struct nsx_refusal *why)
{
    uint64_t size = number_of(v, NSX_OPT_SIZE);

    if (nsx_envelope_is_binary(v)
        && !nsx_caps_has(c, NSX_CAP_BINARYMIME | NSX_CAP_CHUNKING))
        return refuse(why, 6, 3,
                      "Bits => 'binary': the server does not offer "
                      "BINARYMIME and CHUNKING");
    if (body->size != NSX_SIZE_UNKNOWN && body->size > size)
        size = body->size;
    if (!nsx_caps_has(c, NSX_CAP_SIZE) || c->size == 0 || size <= c->size)
        return 1;
    (void)refuse(why, 3, 4, "");
    (void)snprintf(why->text, sizeof why->text,
                   "a message of %" PRIu64 " octets; the server takes %" PRIu64,
                   size, c->size);
    return 0;
}

int
nsx_envelope_judge(const struct nsx_envelope *v, const struct nsx_caps *c,
                   const struct nsx_size_facts *body, struct nsx_refusal *why)
{
    return judge_options(v, c, why) && judge_times(v, c, why)
        && judge_addresses(v, c, why) && judge_body(v, c, body, why);
}

/* Bits has a rule of its own: any of two extensions may do. */
static int
bits_offered(const struct nsx_envelope *v, const struct nsx_caps *c)
{
    const struct nsx_stretch *bits = &v->value[NSX_OPT_BITS];

    if (nsx_envelope_is_binary(v) || nsx_caps_has(c, NSX_CAP_8BITMIME))
        return 1;
    return textual(v, bits)[0] == '7' && nsx_caps_has(c, NSX_CAP_BINARYMIME);
}

static int
is_offered(const struct nsx_envelope *v, const struct nsx_caps *c,
           enum nsx_option o)
{
    return o == NSX_OPT_BITS ? bits_offered(v, c)
                             : nsx_caps_has(c, nsx_option_facts(o)->cap);
}

unsigned
nsx_envelope_left_out(const struct nsx_envelope *v, const struct nsx_caps *c)
{
    unsigned out = 0;
    size_t i;
    int o;

    for (o = 0; o < NSX_OPT_COUNT_; o++)
        if (nsx_option_facts((enum nsx_option)o)->informs
            && is_wanted(v, (enum nsx_option)o)
            && !is_offered(v, c, (enum nsx_option)o))
            out |= 1u << o;
    for (i = 0; i < v->count && !nsx_caps_has(c, NSX_CAP_DSN); i++) {
        out |= is_given(&v->rcpts[i].notify) ? 1u << NSX_OPT_NOTIFY : 0;
        out |= is_given(&v->rcpts[i].orcpt) ? 1u << NSX_OPT_ORCPT : 0;
    }
    return out;
}

/* --- lines --------------------------------------------------------------- */

/* A line being written; what fails stays failed. */
struct line {
    struct nsx_buf *out;
    struct nsx_error *e;
    nsx_status status;
};

static void
add(struct line *l, const char *text, size_t n)
{
    if (l->status == NSX_OK)
        l->status = nsx_command_append(l->out, text, n, l->e);
}

static void
add_str(struct line *l, const char *text)
{
    add(l, text, strlen(text));
}

static void
add_upper(struct line *l, const char *text, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++) {
        char c = nsx_upper(text[i]);

        add(l, &c, 1);
    }
}

static void
begin(struct line *l, struct nsx_buf *out, const char *verb, const char *path,
      size_t n, struct nsx_error *e)
{
    l->out = out;
    l->e = e;
    l->status = NSX_OK;
    add_str(l, verb);
    add(l, path, n);
}

static nsx_status
end(struct line *l)
{
    if (l->status == NSX_OK)
        l->status = nsx_command_end(l->out, l->e);
    return l->status;
}

/* " KEYWORD=value" of an option that is given and offered. */
static void
add_option(struct line *l, const struct nsx_envelope *v,
           const struct nsx_caps *c, enum nsx_option o, const char *keyword,
           int in_upper)
{
    const struct nsx_stretch *s = &v->value[o];

    if (!is_wanted(v, o) || !is_offered(v, c, o))
        return;
    add_str(l, keyword);
    if (keyword[strlen(keyword) - 1] != '=')
        return;
    if (in_upper)
        add_upper(l, textual(v, s), s->len);
    else
        add(l, textual(v, s), s->len);
}

static void
add_size(struct line *l, const struct nsx_envelope *v, const struct nsx_caps *c,
         const struct nsx_size_facts *body)
{
    char digits[NSX_DIGITS];

    if (is_given(&v->value[NSX_OPT_SIZE])) {
        add_option(l, v, c, NSX_OPT_SIZE, " SIZE=", 0);
    }
    else if (body->size != NSX_SIZE_UNKNOWN && nsx_caps_has(c, NSX_CAP_SIZE)) {
        add_str(l, " SIZE=");
        add(l, digits, nsx_decimal(body->size, digits));
    }
}

static void
add_body(struct line *l, const struct nsx_envelope *v, const struct nsx_caps *c,
         const struct nsx_size_facts *body)
{
    const struct nsx_stretch *bits = &v->value[NSX_OPT_BITS];

    if (nsx_envelope_is_binary(v)) {
        add_str(l, " BODY=BINARYMIME");
    }
    else if (!is_given(bits)) {
        if (body->may_be_8bit && nsx_caps_has(c, NSX_CAP_8BITMIME))
            add_str(l, " BODY=8BITMIME");
    }
    else if (bits_offered(v, c)) {
        add_str(l,
                textual(v, bits)[0] == '8' ? " BODY=8BITMIME" : " BODY=7BIT");
    }
}

static void
add_envid(struct line *l, const struct nsx_envelope *v,
          const struct nsx_caps *c)
{
    const struct nsx_stretch *s = &v->value[NSX_OPT_ENVELOPE];
    char text[NSX_MAX_ENVID];

    if (!is_given(s)) {
        add_option(l, v, c, NSX_OPT_ENVID, " ENVID=", 0);
    }
    else if (nsx_caps_has(c, NSX_CAP_DSN)) {
        nsx_xtext_encode(textual(v, s), s->len, text);
        add_str(l, " ENVID=");
        add(l, text, nsx_xtext_size(textual(v, s), s->len));
    }
}

static void
add_auth(struct line *l, const struct nsx_envelope *v, const struct nsx_caps *c)
{
    add_option(l, v, c, NSX_OPT_AUTH, " AUTH=", 0);
    if (is_given(&v->value[NSX_OPT_AUTH]) && nsx_caps_has(c, NSX_CAP_AUTH)
        && v->value[NSX_OPT_AUTH].len == 0)
        add_str(l, "<>");
}

static int
says_utf8(const struct nsx_envelope *v, const struct nsx_caps *c)
{
    return (v->has_utf8 || is_true(v, NSX_OPT_SMTPUTF8))
        && nsx_caps_has(c, NSX_CAP_SMTPUTF8);
}

nsx_status
nsx_envelope_mail(const struct nsx_envelope *v, const struct nsx_caps *c,
                  const struct nsx_size_facts *body, struct nsx_buf *out,
                  struct nsx_error *e)
{
    struct line l;

    begin(&l, out, "MAIL FROM:", textual(v, &v->from), v->from.len, e);
    add_size(&l, v, c, body);
    add_option(&l, v, c, NSX_OPT_RETURN, " RET=", 1);
    add_body(&l, v, c, body);
    add_envid(&l, v, c);
    add_auth(&l, v, c);
    add_option(&l, v, c, NSX_OPT_XVERP, " XVERP", 0);
    if (says_utf8(v, c))
        add_str(&l, " SMTPUTF8");
    add_option(&l, v, c, NSX_OPT_DELIVERBY, " BY=", 1);
    add_option(&l, v, c, NSX_OPT_HOLDFOR, " HOLDFOR=", 0);
    add_option(&l, v, c, NSX_OPT_HOLDUNTIL, " HOLDUNTIL=", 1);
    add_option(&l, v, c, NSX_OPT_PRIORITY, " MT-PRIORITY=", 0);
    add_option(&l, v, c, NSX_OPT_REQUIRETLS, " REQUIRETLS", 0);
    return end(&l);
}

nsx_status
nsx_envelope_rcpt(const struct nsx_envelope *v, const struct nsx_caps *c,
                  size_t i, struct nsx_buf *out, struct nsx_error *e)
{
    const struct nsx_rcpt *r = &v->rcpts[i];
    const struct nsx_stretch *notify =
        is_given(&r->notify) ? &r->notify : &v->value[NSX_OPT_NOTIFY];
    struct line l;

    begin(&l, out, "RCPT TO:", textual(v, &r->path), r->path.len, e);
    if (nsx_caps_has(c, NSX_CAP_DSN)) {
        if (is_given(notify)) {
            add_str(&l, " NOTIFY=");
            add_upper(&l, textual(v, notify), notify->len);
        }
        if (is_given(&r->orcpt)) {
            add_str(&l, " ORCPT=");
            add(&l, textual(v, &r->orcpt), r->orcpt.len);
        }
    }
    return end(&l);
}
