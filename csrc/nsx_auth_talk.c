/*
 * nsx_auth_talk.c - the AUTH command and its exchange (RFC 4954 4).
 */
#include "nsx_auth_talk.h"

#include <string.h>
#include "nsx_base64.h"

/* A response, encoded. */
#define MAX_LINE (NSX_MAX_SASL_RESPONSE * 8)

#define CLASS_SUCCESS 2
#define CLASS_MORE 3
#define CLASS_TEMPORARY 4
#define CLASS_PERMANENT 5

/* Whose turn it is; what a call out of turn is told by. */
enum turn {
    TURN_FRESH = 0,
    TURN_COMMAND,  /* the line is AUTH itself */
    TURN_RESPONSE, /* the line answers a challenge */
    TURN_CANCEL,   /* the line is "*" */
    TURN_WORK,
    TURN_CHALLENGE, /* the caller's client is to answer */
    TURN_SUCCESS,   /* the caller's client is to judge */
    TURN_OVER
};

struct nsx_auth_talk {
    struct nsx_sasl *sasl; /* owned; NULL: a client of the caller's */
    struct nsx_buf name;
    struct nsx_buf line;      /* base64: the initial response or an answer */
    struct nsx_buf challenge; /* decoded */
    enum turn turn;
    int held; /* the initial response waits for the empty challenge */
    unsigned challenges;
    enum nsx_auth_outcome outcome;
    struct nsx_error error;
};

/* ---- life ---- */

static struct nsx_auth_talk *
new_talk(const char *name, size_t len, struct nsx_error *e)
{
    struct nsx_auth_talk *t = nsx_alloc(sizeof(*t));

    if (!t) {
        nsx_error_set(e, NSX_E_NOMEM, "nsx_auth_talk", NULL);
        return NULL;
    }
    nsx_error_reset(&t->error);
    nsx_buf_init(&t->name, NSX_MAX_SASL_NAME);
    nsx_buf_init(&t->line, MAX_LINE);
    nsx_buf_init(&t->challenge, NSX_MAX_REPLY_LINE);
    if (nsx_buf_append(&t->name, name, len) == NSX_E_NONE)
        return t;
    nsx_error_set(e, NSX_E_NOMEM, "nsx_auth_talk", NULL);
    nsx_auth_free(t);
    return NULL;
}

struct nsx_auth_talk *
nsx_auth_ours(struct nsx_sasl *sasl, struct nsx_error *e)
{
    const char *name = nsx_sasl_mechanism(sasl)->name;
    struct nsx_auth_talk *t = new_talk(name, strlen(name), e);

    if (t)
        t->sasl = sasl;
    else
        nsx_sasl_free(sasl);
    return t;
}

/* A name becomes a word of a command. */
static int
is_word(const char *p, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++)
        if (p[i] <= ' ' || p[i] == 0x7f)
            return 0;
    return n > 0 && n <= NSX_MAX_SASL_NAME;
}

static nsx_status
put_line(struct nsx_auth_talk *t, const void *data, size_t n,
         struct nsx_error *e)
{
    size_t size = nsx_base64_encoded_size(n);
    unsigned char *to;

    nsx_buf_wipe(&t->line);
    if (n > MAX_LINE / 2)
        return nsx_error_set(e, NSX_E_ARGUMENT, "put_line",
                             "authentication response is too long");
    if (!size)
        return NSX_OK;
    to = nsx_buf_reserve(&t->line, size);
    if (!to)
        return nsx_error_set(e, NSX_E_NOMEM, "put_line", NULL);
    nsx_base64_encode(data, n, (char *)to);
    nsx_buf_commit(&t->line, size);
    return NSX_OK;
}

struct nsx_auth_talk *
nsx_auth_theirs(const char *name, size_t len, const void *first, size_t n,
                struct nsx_error *e)
{
    struct nsx_auth_talk *t;

    if (!is_word(name, len)) {
        nsx_error_set(e, NSX_E_ARGUMENT, "nsx_auth_theirs",
                      "malformed name of a SASL mechanism");
        return NULL;
    }
    if (n > NSX_MAX_SASL_RESPONSE) {
        nsx_error_set(e, NSX_E_ARGUMENT, "nsx_auth_theirs",
                      "authentication response is too long");
        return NULL;
    }
    t = new_talk(name, len, e);
    if (t && put_line(t, first, n, e) != NSX_OK) {
        nsx_auth_free(t);
        return NULL;
    }
    return t;
}

void
nsx_auth_free(struct nsx_auth_talk *t)
{
    if (!t)
        return;
    nsx_sasl_free(t->sasl);
    nsx_buf_free(&t->name);
    nsx_buf_wipe(&t->line);
    nsx_buf_wipe(&t->challenge);
    nsx_free(t);
}

/* ---- ends ---- */

static enum nsx_auth_step
end(struct nsx_auth_talk *t, enum nsx_auth_outcome outcome)
{
    nsx_buf_wipe(&t->line);
    nsx_buf_wipe(&t->challenge);
    t->turn = TURN_OVER;
    t->outcome = outcome;
    return NSX_AUTH_OVER;
}

static enum nsx_auth_step
out_of_turn(struct nsx_auth_talk *t, const char *where)
{
    nsx_error_set(&t->error, NSX_E_ARGUMENT, where, "call out of turn");
    return end(t, NSX_AUTH_BROKEN);
}

/* The server waits for us: RFC 4954 4's way to say no. */
static enum nsx_auth_step
say_cancel(struct nsx_auth_talk *t)
{
    nsx_buf_wipe(&t->line);
    nsx_buf_wipe(&t->challenge);
    if (nsx_buf_append_str(&t->line, "*") != NSX_E_NONE)
        return end(t, NSX_AUTH_BROKEN);
    t->turn = TURN_CANCEL;
    return NSX_AUTH_SEND;
}

static enum nsx_auth_step
complain(struct nsx_auth_talk *t, nsx_errcode code, const char *why)
{
    nsx_error_set(&t->error, code, "nsx_auth_reply", "%.*s: %s",
                  (int)t->name.len, (const char *)nsx_buf_data(&t->name), why);
    return say_cancel(t);
}

enum nsx_auth_step
nsx_auth_cancel(struct nsx_auth_talk *t, const char *why)
{
    switch (t->turn) {
    case TURN_WORK:
    case TURN_CHALLENGE:
        return complain(t, NSX_E_SASL_INPUT, why);
    case TURN_SUCCESS:
        return nsx_auth_believe(t, 0, why);
    case TURN_FRESH:
        nsx_error_set(&t->error, NSX_E_SASL_INPUT, "nsx_auth_cancel", "%s",
                      why);
        return end(t, NSX_AUTH_UNFIT);
    default:
        return out_of_turn(t, "nsx_auth_cancel");
    }
}

/* ---- lines ---- */

static enum nsx_auth_step
send_answer(struct nsx_auth_talk *t)
{
    nsx_buf_wipe(&t->challenge);
    t->turn = TURN_RESPONSE;
    return NSX_AUTH_SEND;
}

/* The raw initial response of our own mechanism; out is wiped. */
static nsx_status
first_line(struct nsx_auth_talk *t)
{
    struct nsx_buf out;
    int present = 0;
    nsx_status st;

    nsx_buf_init(&out, NSX_MAX_SASL_RESPONSE * 4);
    st = nsx_sasl_start(t->sasl, &out, &present, &t->error);
    if (st == NSX_OK)
        st = put_line(t, nsx_buf_data(&out), out.len, &t->error);
    if (st == NSX_OK && present && !out.len
        && nsx_buf_append_str(&t->line, "=") != NSX_E_NONE)
        st = nsx_error_set(&t->error, NSX_E_NOMEM, "first_line", NULL);
    nsx_buf_wipe(&out);
    return st;
}

enum nsx_auth_step
nsx_auth_start(struct nsx_auth_talk *t)
{
    static const char around[] = "AUTH  \r\n";

    if (t->turn != TURN_FRESH)
        return out_of_turn(t, "nsx_auth_start");
    if (t->sasl && first_line(t) != NSX_OK)
        return end(t, NSX_AUTH_UNFIT);
    t->held =
        sizeof(around) - 1 + t->name.len + t->line.len > NSX_MAX_AUTH_LINE;
    t->turn = TURN_COMMAND;
    return NSX_AUTH_SEND;
}

size_t
nsx_auth_words(const struct nsx_auth_talk *t,
               struct nsx_octets words[NSX_AUTH_WORDS])
{
    struct nsx_octets line = { nsx_buf_data(&t->line), t->line.len };
    struct nsx_octets name = { nsx_buf_data(&t->name), t->name.len };
    struct nsx_octets verb = { "AUTH", 4 };

    if (t->turn != TURN_COMMAND) {
        words[0] = line;
        return 1;
    }
    words[0] = verb;
    words[1] = name;
    words[2] = line;
    return t->held || !line.len ? 2 : 3;
}

/* ---- challenges ---- */

static int
is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct nsx_octets
trimmed(const char *text, size_t len)
{
    struct nsx_octets o;

    while (len && is_blank(text[len - 1]))
        len--;
    while (len && is_blank(*text)) {
        text++;
        len--;
    }
    o.data = text;
    o.len = len;
    return o;
}

static nsx_status
decode(struct nsx_auth_talk *t, struct nsx_octets text)
{
    size_t room = nsx_base64_decoded_size(text.len) + 3;
    unsigned char *to = nsx_buf_reserve(&t->challenge, room);
    size_t len = 0;

    if (!to)
        return nsx_error_set(&t->error, NSX_E_NOMEM, "decode", NULL);
    if (!t->sasl)
        len = nsx_base64_decode_some(text.data, text.len, to);
    else if (!nsx_base64_decode(text.data, text.len, to, &len))
        return nsx_error_set(&t->error, NSX_E_SASL_INPUT, "decode",
                             "the server's challenge is not base64");
    nsx_buf_commit(&t->challenge, len);
    return NSX_OK;
}

/* After a step or a slice of work of our own mechanism; out is wiped. */
static enum nsx_auth_step
stepped(struct nsx_auth_talk *t, nsx_status st, struct nsx_buf *out)
{
    if (st == NSX_OK)
        st = put_line(t, nsx_buf_data(out), out->len, &t->error);
    nsx_buf_wipe(out);
    if (st == NSX_ERROR)
        return say_cancel(t);
    if (st == NSX_OK)
        return send_answer(t);
    t->turn = TURN_WORK;
    return NSX_AUTH_WORK;
}

static enum nsx_auth_step
challenged(struct nsx_auth_talk *t)
{
    struct nsx_buf out;

    if (!t->sasl) {
        t->turn = TURN_CHALLENGE;
        return NSX_AUTH_CHALLENGE;
    }
    nsx_buf_init(&out, NSX_MAX_SASL_RESPONSE * 4);
    return stepped(t,
                   nsx_sasl_step(t->sasl, nsx_buf_data(&t->challenge),
                                 t->challenge.len, &out, &t->error),
                   &out);
}

enum nsx_auth_step
nsx_auth_work(struct nsx_auth_talk *t)
{
    struct nsx_buf out;

    if (t->turn != TURN_WORK)
        return out_of_turn(t, "nsx_auth_work");
    nsx_buf_init(&out, NSX_MAX_SASL_RESPONSE * 4);
    return stepped(t, nsx_sasl_work(t->sasl, &out, &t->error), &out);
}

int
nsx_auth_too_slow(const struct nsx_auth_talk *t, long long spent,
                  long long allowed)
{
    struct nsx_sasl_progress p = { 0, 0 };

    if (t->sasl)
        p = nsx_sasl_progress(t->sasl);
    if (allowed < 0 || t->turn != TURN_WORK)
        return 0;
    if (spent >= allowed)
        return 1;
    return spent >= allowed / 16 && p.done
        && (double)spent / (double)p.done * (double)p.total > (double)allowed;
}

struct nsx_octets
nsx_auth_challenge(const struct nsx_auth_talk *t)
{
    struct nsx_octets o = { nsx_buf_data(&t->challenge), t->challenge.len };

    return o;
}

enum nsx_auth_step
nsx_auth_answer(struct nsx_auth_talk *t, const void *data, size_t n)
{
    if (t->turn != TURN_CHALLENGE)
        return out_of_turn(t, "nsx_auth_answer");
    if (put_line(t, data, n, &t->error) != NSX_OK)
        return say_cancel(t);
    return send_answer(t);
}

/* ---- replies ---- */

static enum nsx_auth_step
take_challenge(struct nsx_auth_talk *t, struct nsx_octets text)
{
    if (t->held) {
        t->held = 0;
        if (text.len)
            return complain(t, NSX_E_SASL_INPUT, "unexpected challenge");
        return send_answer(t);
    }
    nsx_buf_wipe(&t->line);
    nsx_buf_wipe(&t->challenge);
    if (++t->challenges > NSX_MAX_SASL_STEPS)
        return complain(t, NSX_E_SASL_STEPS, "the server asks without end");
    if (text.len > NSX_MAX_REPLY_LINE)
        return complain(t, NSX_E_SASL_INPUT, "challenge is too long");
    if (decode(t, text) != NSX_OK)
        return say_cancel(t);
    return challenged(t);
}

static enum nsx_auth_step
take_success(struct nsx_auth_talk *t)
{
    nsx_buf_wipe(&t->line);
    if (!t->sasl) {
        t->turn = TURN_SUCCESS;
        return NSX_AUTH_SUCCESS;
    }
    if (nsx_sasl_finished(t->sasl, &t->error) != NSX_OK)
        return end(t, NSX_AUTH_BROKEN);
    return end(t, NSX_AUTH_ACCEPTED);
}

enum nsx_auth_step
nsx_auth_believe(struct nsx_auth_talk *t, int true_success, const char *why)
{
    if (t->turn != TURN_SUCCESS)
        return out_of_turn(t, "nsx_auth_believe");
    if (true_success)
        return end(t, NSX_AUTH_ACCEPTED);
    complain(t, NSX_E_SASL_INPUT, why);
    return end(t, NSX_AUTH_BROKEN);
}

/* A server that takes "*" for anything but a refusal is out of step. */
static enum nsx_auth_step
take_cancelled(struct nsx_auth_talk *t, unsigned cls)
{
    return end(t,
               cls == CLASS_TEMPORARY || cls == CLASS_PERMANENT
                   ? NSX_AUTH_CANCELLED
                   : NSX_AUTH_BROKEN);
}

/* RFC 4954 6: invalid credentials, whatever the reply code. */
static int
means_credentials(struct nsx_octets text)
{
    static const char enhanced[] = "5.7.8";
    const size_t n = sizeof(enhanced) - 1;

    return text.len >= n && memcmp(text.data, enhanced, n) == 0
        && (text.len == n || is_blank(((const char *)text.data)[n]));
}

static enum nsx_auth_outcome
refusal(unsigned code, struct nsx_octets text)
{
    int suits = code != 504 && code != 534 && code != 538;

    return suits || means_credentials(text) ? NSX_AUTH_REFUSED
                                            : NSX_AUTH_UNSUITED;
}

enum nsx_auth_step
nsx_auth_reply(struct nsx_auth_talk *t, unsigned code, const char *text,
               size_t len)
{
    unsigned cls = code / 100;

    if (t->turn == TURN_CANCEL)
        return take_cancelled(t, cls);
    if (t->turn != TURN_COMMAND && t->turn != TURN_RESPONSE)
        return out_of_turn(t, "nsx_auth_reply");
    if (cls == CLASS_MORE)
        return take_challenge(t, trimmed(text, len));
    if (cls == CLASS_SUCCESS)
        return take_success(t);
    return end(t, refusal(code, trimmed(text, len)));
}

/* ---- what came of it ---- */

enum nsx_auth_outcome
nsx_auth_outcome(const struct nsx_auth_talk *t)
{
    return t->outcome;
}

const char *
nsx_auth_why(const struct nsx_auth_talk *t)
{
    return t->error.text;
}

const char *
nsx_auth_detail(const struct nsx_auth_talk *t)
{
    return t->sasl ? nsx_sasl_detail(t->sasl) : "";
}
