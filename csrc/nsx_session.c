/*
 * nsx_session.c - one conversation with a server.
 */
#include "nsx_session.h"

#include <string.h>

/* A piece of a body up to this size travels with the octets before it. */
enum {
    JOINED = 8192
};

/* What the server says when it goes away (RFC 5321 3.8). */
static const char closing_code[] = "421";

/* ---- life ---- */

void
nsx_session_init(struct nsx_session *s, struct nsx_channel *ch)
{
    memset(s, 0, sizeof *s);
    s->ch = ch;
    nsx_buf_init(&s->out, NSX_MAX_COMMAND);
    nsx_expect_init(&s->queue);
    nsx_expect_init(&s->accepted);
    nsx_caps_init(&s->caps);
    s->deadline = NSX_NEVER;
}

/* The buffer's octets were secrets, or it is larger than an idle one is. */
static void
empty_output(struct nsx_session *s)
{
    if (s->secret)
        nsx_buf_wipe(&s->out);
    else if (s->out.size > NSX_IDLE_BUFFER)
        nsx_buf_free(&s->out);
    else
        nsx_buf_clear(&s->out);
    s->secret = 0;
    s->whole = 0;
}

static void
drop_body(struct nsx_session *s)
{
    memset(&s->body, 0, sizeof s->body);
    s->piece = NULL;
    s->piece_len = 0;
}

void
nsx_session_reset(struct nsx_session *s)
{
    empty_output(s);
    drop_body(s);
    nsx_expect_free(&s->queue);
    nsx_expect_free(&s->accepted);
    s->pushed = s->sent;
    s->mails = 0;
    memset(&s->answer, 0, sizeof s->answer);
    s->until = 0;
    s->state = NSX_SESSION_READY;
    s->ending = NSX_SESSION_LIVES;
}

void
nsx_session_free(struct nsx_session *s)
{
    nsx_session_reset(s);
    nsx_buf_free(&s->out);
    nsx_caps_free(&s->caps);
}

/* ---- what is to be sent ---- */

/* 1 when a command may be pushed now. */
static int
is_ready(const struct nsx_session *s, struct nsx_error *e)
{
    if (s->state == NSX_SESSION_READY && s->ch->error.code == NSX_E_NONE)
        return 1;
    (void)nsx_error_set(e, NSX_E_ARGUMENT, __func__,
                        "the session takes no command now");
    return 0;
}

/* One line, and the octets that end it are its last. */
static int
is_line(const char *line, size_t n)
{
    return n >= 2 && line[n - 2] == '\r' && line[n - 1] == '\n'
        && memchr(line, '\n', n - 1) == NULL
        && memchr(line, '\r', n - 2) == NULL
        && memchr(line, '\0', n - 2) == NULL;
}

struct nsx_buf *
nsx_session_line(struct nsx_session *s)
{
    nsx_buf_truncate(&s->out, s->whole);
    return &s->out;
}

static nsx_status
expect(struct nsx_session *s, enum nsx_verb verb, unsigned index,
       uint64_t sent_at, struct nsx_error *e)
{
    nsx_errcode code = verb == NSX_VERB_NONE
        ? NSX_E_NONE
        : nsx_expect_push(&s->queue, verb, index, sent_at);

    if (code != NSX_E_NONE)
        return nsx_error_set(e, code, __func__, NULL);
    s->mails += verb == NSX_VERB_MAIL;
    return NSX_OK;
}

static nsx_status
accept_line(struct nsx_session *s, enum nsx_verb verb, unsigned index,
            struct nsx_error *e)
{
    const char *line = (const char *)nsx_buf_data(&s->out) + s->whole;
    size_t n = s->out.len - s->whole;

    if (!is_ready(s, e))
        return NSX_ERROR;
    if (n > NSX_MAX_COMMAND)
        return nsx_error_set(e, NSX_E_COMMAND_LENGTH, __func__, NULL);
    if (!is_line(line, n))
        return nsx_error_set(e, NSX_E_ARGUMENT, __func__,
                             "a command is one line");
    if (expect(s, verb, index, s->pushed + n, e) != NSX_OK)
        return NSX_ERROR;
    s->pushed += n;
    s->whole += n;
    return NSX_OK;
}

nsx_status
nsx_session_commit(struct nsx_session *s, enum nsx_verb verb, unsigned index,
                   struct nsx_error *e)
{
    nsx_status st = accept_line(s, verb, index, e);

    if (st != NSX_OK)
        nsx_buf_truncate(&s->out, s->whole);
    return st;
}

nsx_status
nsx_session_push(struct nsx_session *s, enum nsx_verb verb, const char *line,
                 size_t n, unsigned index, struct nsx_error *e)
{
    nsx_errcode code = nsx_buf_append(nsx_session_line(s), line, n);

    if (code == NSX_E_ARGUMENT)
        code = NSX_E_COMMAND_LENGTH;
    if (code != NSX_E_NONE)
        return nsx_error_set(e, code, __func__, NULL);
    return nsx_session_commit(s, verb, index, e);
}

void
nsx_session_secret(struct nsx_session *s)
{
    s->secret = 1;
}

nsx_status
nsx_session_expect(struct nsx_session *s, enum nsx_verb verb, unsigned index,
                   struct nsx_error *e)
{
    return expect(s, verb, index, s->pushed, e);
}

nsx_status
nsx_session_body(struct nsx_session *s, const struct nsx_source *source,
                 struct nsx_error *e)
{
    if (!is_ready(s, e))
        return NSX_ERROR;
    (void)nsx_session_line(s);
    s->body = *source;
    s->state = NSX_SESSION_BODY;
    return NSX_OK;
}

size_t
nsx_session_unsent(const struct nsx_session *s)
{
    return s->whole + s->piece_len + (s->body.pull != NULL);
}

void
nsx_session_tear(struct nsx_session *s)
{
    empty_output(s);
    drop_body(s);
    if (s->state != NSX_SESSION_DEAD)
        s->state = NSX_SESSION_TORN;
}

void
nsx_session_enter(struct nsx_session *s)
{
    if (s->state == NSX_SESSION_READY)
        s->state = NSX_SESSION_BODY;
}

void
nsx_session_leave(struct nsx_session *s)
{
    if (s->state == NSX_SESSION_BODY)
        s->state = NSX_SESSION_READY;
}

int
nsx_session_is_torn(const struct nsx_session *s)
{
    return s->state == NSX_SESSION_BODY || s->state == NSX_SESSION_TORN;
}

static void
note_sent(struct nsx_session *s, size_t n)
{
    nsx_buf_consume(&s->out, n);
    s->whole -= n;
    s->sent += n;
    s->until = 0;
    if (s->out.len == 0)
        empty_output(s);
}

/* ---- replies ---- */

/* Fills the answer from what the channel found. */
static enum nsx_step
hand_out(struct nsx_session *s, const struct nsx_whole *w,
         const struct nsx_expected *to)
{
    const char *in = (const char *)nsx_buf_data(&s->ch->in);
    struct nsx_answer *a = &s->answer;

    a->code = w->len > 0 ? in + w->last : NULL;
    a->lines = in;
    a->len = w->len;
    a->garbage = w->is_garbage ? in + w->len : NULL;
    a->garbage_len = w->garbage_len;
    a->used = w->used;
    a->verb = to != NULL ? to->verb : NSX_VERB_NONE;
    a->index = to != NULL ? to->index : 0;
    a->last = s->ending != NSX_SESSION_LIVES;
    if (s->lmtp && s->accepted.count > 0
        && nsx_verb_facts(a->verb)->ends_message)
        a->index = nsx_expect_front(&s->accepted)->index;
    return NSX_STEP_REPLY;
}

/* RFC 5321 4.2.1 knows no other replies to a command. */
static int
is_possible(const char *in, const struct nsx_whole *w)
{
    return !w->is_garbage && in[w->last] >= '2' && in[w->last] <= '5';
}

static int
is_closing(const char *in, const struct nsx_whole *w)
{
    return memcmp(in + w->last, closing_code, NSX_CODE_DIGITS) == 0;
}

/* The connection is over: first the replies that came before, whatever they
 * answer, then its error. */
static enum nsx_step
last_words(struct nsx_session *s)
{
    const char *in = (const char *)nsx_buf_data(&s->ch->in);
    struct nsx_whole w;

    if (s->state != NSX_SESSION_DEAD && nsx_channel_whole(s->ch, &w) == NSX_OK
        && (!s->strict || is_possible(in, &w)))
        return hand_out(s, &w, nsx_expect_front(&s->queue));
    if (s->ending == NSX_SESSION_LATE)
        (void)nsx_channel_fail(s->ch, NSX_E_TIMEOUT, __func__);
    s->state = NSX_SESSION_DEAD;
    empty_output(s);
    drop_body(s);
    return NSX_STEP_ERROR;
}

static enum nsx_step
broken(struct nsx_session *s)
{
    if (s->ending == NSX_SESSION_LIVES)
        s->ending = NSX_SESSION_BROKEN;
    return last_words(s);
}

static enum nsx_step
violation(struct nsx_session *s)
{
    (void)nsx_channel_fail(s->ch, NSX_E_REPLY_SYNTAX, __func__);
    s->state = NSX_SESSION_DEAD;
    return broken(s);
}

/* What a reply is worth that is there while none may come. */
static enum nsx_step
uncalled(struct nsx_session *s, const struct nsx_whole *w)
{
    const char *in = (const char *)nsx_buf_data(&s->ch->in);

    if (!s->strict)
        return NSX_STEP_DONE; /* it stays for the next command */
    return is_possible(in, w) && is_closing(in, w) ? hand_out(s, w, NULL)
                                                   : violation(s);
}

static enum nsx_step
find_buffered(struct nsx_session *s)
{
    const struct nsx_expected *next = nsx_expect_front(&s->queue);
    struct nsx_whole w;
    nsx_status st = nsx_channel_whole(s->ch, &w);
    if (st == NSX_ERROR)
        return broken(s);
    if (st != NSX_OK)
        return NSX_STEP_WANT_READ;
    if (next == NULL || next->sent_at > s->sent)
        return uncalled(s, &w);
    if (s->strict && !is_possible((const char *)nsx_buf_data(&s->ch->in), &w))
        return violation(s);
    return hand_out(s, &w, next);
}

/* REPLY, ERROR, WANT_READ, or DONE: a reply is there that must stay. */
static enum nsx_step
find_reply(struct nsx_session *s)
{
    return s->ch->in.len > 0 ? find_buffered(s) : NSX_STEP_WANT_READ;
}

const struct nsx_answer *
nsx_session_reply(const struct nsx_session *s)
{
    return &s->answer;
}

int
nsx_answer_line(const struct nsx_answer *a, size_t *at,
                struct nsx_reply_line *line)
{
    struct nsx_line raw;
    size_t scanned = 0;

    if (*at >= a->len
        || !nsx_line_find(a->lines + *at, a->len - *at, &scanned, &raw))
        return 0;
    *at += raw.used;
    return nsx_reply_parse_line(raw.text, raw.len, line);
}

/* LMTP: remembers who will get a reply to the end of the message. */
static void
count_recipient(struct nsx_session *s, const struct nsx_answer *a)
{
    int good = a->garbage == NULL && a->code[0] == '2';

    if (!good)
        return;
    if (a->verb == NSX_VERB_RCPT) {
        nsx_errcode code = nsx_expect_push(&s->accepted, a->verb, a->index, 0);

        if (code != NSX_E_NONE)
            (void)nsx_channel_fail(s->ch, code, __func__);
    }
    else if (a->verb == NSX_VERB_MAIL || a->verb == NSX_VERB_RSET
             || a->verb == NSX_VERB_LHLO) {
        nsx_expect_free(&s->accepted);
    }
}

/* The thing that was answered waits no more, unless it is LMTP's end of a
 * message and further recipients do. */
static void
settle(struct nsx_session *s, const struct nsx_answer *a)
{
    if (s->lmtp) {
        count_recipient(s, a);
        if (s->accepted.count > 0 && nsx_verb_facts(a->verb)->ends_message) {
            nsx_expect_pop(&s->accepted);
            if (s->accepted.count > 0)
                return;
        }
    }
    nsx_expect_pop(&s->queue);
}

void
nsx_session_take(struct nsx_session *s)
{
    struct nsx_answer *a = &s->answer;

    if (a->used == 0)
        return;
    if (a->verb != NSX_VERB_NONE)
        settle(s, a);
    s->answered++;
    if (s->strict && s->state != NSX_SESSION_DEAD && a->code != NULL
        && memcmp(a->code, closing_code, NSX_CODE_DIGITS) == 0)
        s->state = NSX_SESSION_CLOSING;
    nsx_channel_take(s->ch, a->used);
    a->used = 0;
    s->until = 0;
}

size_t
nsx_session_outstanding(const struct nsx_session *s)
{
    const struct nsx_expected *next = nsx_expect_front(&s->queue);
    size_t more = 0;

    if (s->accepted.count > 1 && next != NULL
        && nsx_verb_facts(next->verb)->ends_message)
        more = s->accepted.count - 1;
    return s->queue.count + more;
}

enum nsx_verb
nsx_session_next(const struct nsx_session *s)
{
    const struct nsx_expected *next = nsx_expect_front(&s->queue);

    return next != NULL ? next->verb : NSX_VERB_NONE;
}

void
nsx_session_pass(struct nsx_session *s)
{
    if (s->queue.count > 0)
        nsx_expect_pop(&s->queue);
    s->answered++;
    s->answer.used = 0;
    s->until = 0;
}

void
nsx_session_disown(struct nsx_session *s, int disowned)
{
    nsx_expect_disown(&s->queue, disowned);
}

int
nsx_session_is_disowned(const struct nsx_session *s)
{
    const struct nsx_expected *next = nsx_expect_front(&s->queue);

    return next != NULL && next->disowned;
}

nsx_errcode
nsx_session_continue(struct nsx_session *s, const struct nsx_session *from)
{
    s->mails = from->mails;
    s->pushed = s->sent = from->pushed;
    if (nsx_session_is_torn(from) || nsx_session_unsent(from) > 0
        || from->ch->error.code != NSX_E_NONE)
        s->state = NSX_SESSION_TORN;
    return nsx_expect_copy(&s->queue, &from->queue);
}

/* ---- moving octets ---- */

/* How far writing came. */
enum progress {
    ALL_SENT,
    BLOCKED_READ, /* TLS wants to read */
    BLOCKED_WRITE,
    USED_UP, /* enough for one step */
    NO_BODY_NOW,
    BODY_FAILED,
    FAILED
};

static enum progress
blocked(nsx_status st)
{
    return st == NSX_WANT_READ ? BLOCKED_READ
        : st == NSX_WANT_WRITE ? BLOCKED_WRITE
                               : FAILED;
}

/* The next piece of the body, when the last one is gone. */
static enum progress
pull(struct nsx_session *s)
{
    nsx_status st;

    if (s->piece_len > 0 || s->body.pull == NULL)
        return ALL_SENT;
    st = s->body.pull(s->body.ctx, &s->piece, &s->piece_len);
    if (st == NSX_ERROR) {
        nsx_session_tear(s);
        return BODY_FAILED;
    }
    if (st != NSX_OK)
        return NO_BODY_NOW;
    if (s->piece_len == 0) {
        drop_body(s);
        if (s->state == NSX_SESSION_BODY)
            s->state = NSX_SESSION_READY;
    }
    return ALL_SENT;
}

/* Puts small pieces behind the commands: one write for both.  Without memory
 * they go by themselves. */
static enum progress
join(struct nsx_session *s)
{
    (void)nsx_session_line(s);
    while (s->body.pull != NULL && s->out.len < JOINED) {
        enum progress p = pull(s);

        if (p != ALL_SENT)
            return p;
        if (s->piece_len == 0 || s->piece_len > JOINED
            || nsx_buf_append(&s->out, s->piece, s->piece_len) != NSX_E_NONE)
            break;
        s->whole += s->piece_len;
        s->pushed += s->piece_len;
        s->piece_len = 0;
    }
    return ALL_SENT;
}

static enum progress
send_output(struct nsx_session *s)
{
    enum progress p = s->state == NSX_SESSION_BODY ? join(s) : ALL_SENT;
    size_t done = 0;
    nsx_status st;

    if (p == BODY_FAILED)
        return p;
    /* A body that has nothing now may have nothing for long. */
    st = nsx_channel_send(s->ch, nsx_buf_data(&s->out), s->whole,
                          s->piece_len > 0, &done);
    if (st != NSX_OK)
        return blocked(st);
    note_sent(s, done);
    return ALL_SENT;
}

static enum progress
send_piece(struct nsx_session *s)
{
    int more = s->body.follows != NULL && s->body.follows(s->body.ctx);
    size_t done = 0;
    nsx_status st =
        nsx_channel_send(s->ch, s->piece, s->piece_len, more, &done);

    if (st != NSX_OK)
        return blocked(st);
    s->piece += done;
    s->piece_len -= done;
    s->pushed += done;
    s->sent += done;
    s->until = 0;
    return ALL_SENT;
}

static int
may_write(const struct nsx_session *s)
{
    return s->state == NSX_SESSION_READY || s->state == NSX_SESSION_BODY;
}

static enum progress
send_some(struct nsx_session *s)
{
    const uint64_t before = s->sent;
    enum progress p = ALL_SENT;

    while (p == ALL_SENT && may_write(s)) {
        if (s->whole > 0)
            p = send_output(s);
        else if (s->piece_len > 0)
            p = send_piece(s);
        else if (s->body.pull != NULL)
            p = pull(s);
        else
            break;
        if (s->sent - before >= NSX_STEP_OCTETS && p == ALL_SENT)
            return nsx_session_unsent(s) > 0 ? USED_UP : ALL_SENT;
    }
    return p;
}

/* Reads until a reply is whole: REPLY, ERROR, DONE (one is there that must
 * stay), AGAIN, WANT_READ or WANT_WRITE. */
static enum nsx_step
read_some(struct nsx_session *s)
{
    const size_t most = NSX_STEP_OCTETS;
    size_t got = 0;

    while (got + NSX_READ_SIZE <= most) {
        size_t before = s->ch->in.len;
        nsx_status st = nsx_channel_fill(s->ch);
        enum nsx_step step;

        if (st == NSX_ERROR)
            return broken(s);
        if (st != NSX_OK)
            return st == NSX_WANT_WRITE ? NSX_STEP_WANT_WRITE
                                        : NSX_STEP_WANT_READ;
        got += s->ch->in.len - before;
        step = find_reply(s);
        if (step != NSX_STEP_WANT_READ)
            return step;
    }
    return NSX_STEP_AGAIN;
}

/* What to wait for when neither way goes on. */
static enum nsx_step
wanted(enum progress out, enum nsx_step in)
{
    int write = out == BLOCKED_WRITE || in == NSX_STEP_WANT_WRITE;
    int read = out == BLOCKED_READ || in == NSX_STEP_WANT_READ;

    if (out == USED_UP || in == NSX_STEP_AGAIN)
        return NSX_STEP_AGAIN;
    if (out == NO_BODY_NOW)
        return NSX_STEP_LATER;
    return write && read ? NSX_STEP_WANT_BOTH
        : write          ? NSX_STEP_WANT_WRITE
        : read           ? NSX_STEP_WANT_READ
                         : NSX_STEP_DONE;
}

/* What holds whatever may be on the wire; WANT_READ: nothing does. */
static enum nsx_step
standing(struct nsx_session *s)
{
    if (s->answer.used > 0)
        return NSX_STEP_REPLY;
    if (s->state == NSX_SESSION_DEAD)
        return NSX_STEP_ERROR;
    if (s->ending != NSX_SESSION_LIVES)
        return last_words(s);
    if (s->ch->error.code != NSX_E_NONE)
        return broken(s);
    return find_reply(s);
}

enum nsx_step
nsx_session_look(struct nsx_session *s)
{
    enum nsx_step step = standing(s);

    if (step == NSX_STEP_DONE || step == NSX_STEP_WANT_READ)
        return s->queue.count > 0 ? NSX_STEP_WANT_READ : NSX_STEP_DONE;
    return step;
}

/* After a write that left nothing: what the server said before, or the reply
 * that cannot be there yet. */
static enum nsx_step
written(struct nsx_session *s)
{
    enum nsx_step step = find_reply(s);

    if (step != NSX_STEP_WANT_READ)
        return step;
    if (s->queue.count == 0)
        return NSX_STEP_DONE;
    return nsx_channel_pending(s->ch) > 0 ? NSX_STEP_AGAIN : NSX_STEP_WANT_READ;
}

enum nsx_step
nsx_session_step(struct nsx_session *s)
{
    const uint64_t before = s->sent;
    enum nsx_step in = standing(s);
    enum progress out;

    if (in == NSX_STEP_REPLY || in == NSX_STEP_ERROR)
        return in;
    out = send_some(s);
    if (out == FAILED)
        return broken(s);
    if (out == BODY_FAILED)
        return NSX_STEP_BODY_ERROR;
    if (out == ALL_SENT && s->sent != before)
        return written(s);
    if (out == ALL_SENT && s->queue.count == 0)
        return NSX_STEP_DONE;
    if (in != NSX_STEP_DONE) {
        in = read_some(s);
        if (in == NSX_STEP_REPLY || in == NSX_STEP_ERROR)
            return in;
    }
    return wanted(out, in);
}

enum nsx_step
nsx_session_probe(struct nsx_session *s)
{
    enum nsx_step step = standing(s);
    struct nsx_whole w;
    nsx_status st;

    if (step == NSX_STEP_REPLY || step == NSX_STEP_ERROR)
        return step;
    st = nsx_channel_fill(s->ch);
    if (st == NSX_ERROR)
        return broken(s);
    if (s->ch->in.len == 0)
        return NSX_STEP_DONE;
    st = nsx_channel_whole(s->ch, &w);
    if (st == NSX_ERROR)
        return broken(s);
    if (st != NSX_OK)
        return NSX_STEP_WANT_READ;
    return s->strict ? uncalled(s, &w) : hand_out(s, &w, NULL);
}

/* ---- time ---- */

int64_t
nsx_session_deadline(struct nsx_session *s)
{
    if (s->until == 0)
        s->until = nsx_deadline_after(s->timeout);
    return s->until < s->deadline ? s->until : s->deadline;
}

enum nsx_step
nsx_session_timed_out(struct nsx_session *s)
{
    enum nsx_step step = s->answer.used > 0 ? NSX_STEP_REPLY : NSX_STEP_DONE;

    if (step == NSX_STEP_REPLY || s->ending != NSX_SESSION_LIVES)
        return nsx_session_look(s);
    s->ending = NSX_SESSION_LATE;
    if (nsx_session_unsent(s) > 0)
        nsx_channel_rescue(s->ch);
    else
        s->state = NSX_SESSION_DEAD;
    return last_words(s);
}
