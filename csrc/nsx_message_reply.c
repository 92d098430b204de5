/*
 * nsx_message_reply.c - what replies, losses and failures mean for each
 * recipient.
 */
#include "nsx_message_priv.h"

#include <string.h>

/* The reply being looked at, after it was taken off the channel. */
struct reply {
    unsigned code;
    char cls; /* its first digit */
    enum nsx_verb verb;
    size_t index;
    int is_early; /* it answers a body of which octets are still to go */
};

static int
is_open(const struct nsx_message *m, size_t i)
{
    return m->asked[i] != ASKED_DONE && m->asked[i] != ASKED_AGAIN;
}

static void
decide(struct nsx_message *m, size_t i, enum nsx_fate fate,
       const struct nsx_record *r)
{
    nsx_outcome_decide(&m->outcome, i, fate, r);
    m->asked[i] = ASKED_DONE;
}

static const char *
text(const struct nsx_message *m)
{
    return m->text.len > 0 ? (const char *)nsx_buf_data(&m->text) : "";
}

static void
record(struct nsx_message *m, const struct reply *a, enum nsx_stage stage,
       struct nsx_record *r)
{
    nsx_outcome_reply(&m->outcome, r, stage, a->code, text(m), m->text.len);
}

static enum nsx_fate
fate_of(const struct reply *a)
{
    return a->cls == '5' ? NSX_FATE_REFUSED : NSX_FATE_DEFERRED;
}

/* Everybody of this transaction, or only those accepted so far. */
static void
decide_many(struct nsx_message *m, enum nsx_fate fate,
            const struct nsx_record *r, int only_taken)
{
    size_t i;

    for (i = 0; i < m->envelope.count; i++)
        if (only_taken ? m->asked[i] == ASKED_TAKEN
                       : m->asked[i] >= ASKED_LISTED && is_open(m, i))
            decide(m, i, fate, r);
}

/* The lines without codes, joined by LF; only where they will be kept. */
static void
gather(struct nsx_message *m, const struct nsx_answer *a)
{
    struct nsx_reply_line line;
    size_t at = 0;

    nsx_buf_clear(&m->text);
    while (nsx_answer_line(a, &at, &line)
           && m->text.len < NSX_MAX_OUTCOME_TEXT) {
        if (m->text.len > 0)
            (void)nsx_buf_append(&m->text, "\n", 1);
        (void)nsx_buf_append(&m->text, line.text, line.text_len);
    }
}

static void
remember(struct nsx_message *m, const struct nsx_answer *a)
{
    nsx_buf_clear(&m->last);
    (void)nsx_buf_append(&m->last, a->lines,
                         a->len < NSX_MAX_OUTCOME_TEXT ? a->len
                                                       : NSX_MAX_OUTCOME_TEXT);
}

static void
read_reply(struct nsx_message *m, struct reply *out)
{
    const struct nsx_answer *a = nsx_session_reply(m->session);
    const char *c = a->code;

    out->code = c == NULL
        ? 0
        : (unsigned)((c[0] - '0') * 100 + (c[1] - '0') * 10 + (c[2] - '0'));
    out->cls = c == NULL ? '0' : *c;
    out->verb = a->verb;
    out->index = a->index;
    out->is_early = !m->end_handed;
    remember(m, a);
    if (out->cls != '2' || out->verb == NSX_VERB_END
        || out->verb == NSX_VERB_BDAT_LAST)
        gather(m, a);
    nsx_session_take(m->session);
}

/* ---- giving up ---- */

static int
is_nothing_sent(const struct nsx_message *m)
{
    return m->session == NULL || m->state < NSX_MESSAGE_ENVELOPE
        || (m->session->sent == m->sent_before && m->transactions <= 1);
}

/* Where we are, for those whom no reply decided. */
static enum nsx_stage
stage_now(const struct nsx_message *m)
{
    if (is_nothing_sent(m))
        return NSX_STAGE_CONNECT;
    if (m->end_handed)
        return NSX_STAGE_END;
    if (!m->mail_answered)
        return NSX_STAGE_MAIL;
    if (m->in_flight > 0 || m->state == NSX_MESSAGE_ENVELOPE)
        return NSX_STAGE_RCPT;
    return m->state == NSX_MESSAGE_DATA ? NSX_STAGE_DATA : NSX_STAGE_BODY;
}

/* 1 when the server may have the whole message for this recipient: the last
 * octet of its end is out, and nothing has said no. */
static int
may_be_delivered(const struct nsx_message *m, size_t i)
{
    return m->end_handed && m->asked[i] >= ASKED_LISTED
        && !(m->mail_answered && !m->mail_ok) && !m->body_refused
        && (m->asked[i] == ASKED_TAKEN || m->asked[i] == ASKED_SENT);
}

/* What is not decided when the connection is no more.  r says why. */
static void
decide_lost(struct nsx_message *m, const struct nsx_record *r, int is_answer)
{
    size_t i;

    for (i = 0; i < m->envelope.count; i++)
        if (is_open(m, i))
            decide(m, i,
                   !is_answer && may_be_delivered(m, i) ? NSX_FATE_UNKNOWN
                                                        : NSX_FATE_DEFERRED,
                   r);
}

static void
kill_channel(struct nsx_message *m, nsx_errcode code)
{
    m->is_dead = 1;
    (void)nsx_channel_fail(m->session->ch, code, "nsx_message");
}

void
nsx_message_lose(struct nsx_message *m, nsx_errcode code, const char *why)
{
    struct nsx_record r;
    int is_clean = is_nothing_sent(m) && m->session->pushed == m->session->sent;

    nsx_outcome_local(&m->outcome, &r, stage_now(m), nsx_lost_code, why,
                      strlen(why));
    decide_lost(m, &r, 0);
    if (!is_clean || code != NSX_E_CANCELLED)
        kill_channel(m, code);
    nsx_message_finish(m);
}

void
nsx_message_unsent(struct nsx_message *m, enum nsx_stage stage,
                   struct nsx_enhanced x, nsx_errcode code, const char *why)
{
    struct nsx_record r;
    size_t i;

    m->local = code;
    nsx_outcome_local(&m->outcome, &r, stage, x, why, strlen(why));
    for (i = 0; i < m->envelope.count; i++)
        if (is_open(m, i))
            decide(m, i, NSX_FATE_UNSENT, &r);
}

void
nsx_message_spare(struct nsx_message *m)
{
    const struct nsx_record *why = NULL;
    size_t i;

    for (i = 0; i < m->outcome.count; i++) {
        const struct nsx_record *r = &m->outcome.records[i];

        if (r->fate == NSX_FATE_REFUSED
            || (r->fate == NSX_FATE_DEFERRED && why == NULL))
            why = r;
        if (r->fate == NSX_FATE_REFUSED)
            break;
    }
    if (why != NULL) {
        struct nsx_record copy = *why;

        decide_many(m, NSX_FATE_UNSENT, &copy, 1);
    }
}

/* Those that no transaction asked: what the last one met keeps them. */
void
nsx_message_leave_rest(struct nsx_message *m)
{
    static const struct nsx_enhanced too_many = { 4, 5, 3 };
    static const char why[] = "the server takes no more recipients with this";
    struct nsx_record r;
    size_t i;

    nsx_outcome_local(&m->outcome, &r, NSX_STAGE_RCPT, too_many, why,
                      sizeof why - 1);
    for (i = 0; i < m->envelope.count; i++)
        if (is_open(m, i))
            decide(m, i, NSX_FATE_UNSENT, m->has_why ? &m->why : &r);
}

/* ---- replies ---- */

/* The server broke the rules: what it says next cannot be trusted. */
static void
violation(struct nsx_message *m)
{
    nsx_message_lose(m, NSX_E_REPLY_SYNTAX,
                     "the server's reply makes no sense here");
}

/* 421: it closes.  What it had answered stays. */
static void
shutdown(struct nsx_message *m, const struct reply *a, enum nsx_stage stage)
{
    struct nsx_record r;

    record(m, a, stage, &r);
    decide_lost(m, &r, stage != NSX_STAGE_END);
    kill_channel(m, NSX_E_EOF);
    nsx_message_finish(m);
}

/* For those whom this transaction's end keeps from another one. */
static void
keep_why(struct nsx_message *m, const struct reply *a,
         const struct nsx_record *r)
{
    if (a->cls == '2' || m->taken == 0)
        return;
    m->why = *r;
    m->has_why = 1;
}

static void
mail_reply(struct nsx_message *m, const struct reply *a)
{
    struct nsx_record r;
    size_t i;

    m->mail_answered = 1;
    m->mail_ok = a->cls == '2';
    if (m->mail_ok)
        return;
    record(m, a, NSX_STAGE_MAIL, &r);
    for (i = 0; i < m->envelope.count; i++)
        if (is_open(m, i))
            decide(m, i, fate_of(a), &r);
}

static void
rcpt_reply(struct nsx_message *m, const struct reply *a)
{
    enum {
        TOO_MANY = 452
    };
    struct nsx_record r;

    m->in_flight--;
    if (a->cls == '2') {
        m->taken++;
        if (m->asked[a->index] == ASKED_SENT)
            m->asked[a->index] = ASKED_TAKEN;
        return;
    }
    if (m->asked[a->index] != ASKED_SENT)
        return;
    record(m, a, NSX_STAGE_RCPT, &r);
    decide(m, a->index, fate_of(a), &r);
    if (a->code == TOO_MANY && nsx_message_may_split(m))
        m->asked[a->index] = ASKED_AGAIN;
}

static void
data_reply(struct nsx_message *m, const struct reply *a)
{
    struct nsx_record r;

    m->data_ok = a->cls == '3';
    if (m->data_ok)
        return;
    record(m, a, NSX_STAGE_DATA, &r);
    keep_why(m, a, &r);
    decide_many(m, fate_of(a), &r, 1);
}

static void
chunk_reply(struct nsx_message *m, const struct reply *a)
{
    struct nsx_record r;

    if (a->cls == '2' || m->body_refused)
        return;
    m->body_refused = 1;
    record(m, a, NSX_STAGE_BODY, &r);
    decide_many(m, fate_of(a), &r, 1);
}

/* The reply that says what became of the message. */
static void
end_reply(struct nsx_message *m, const struct reply *a)
{
    struct nsx_record r;
    int is_ours = m->taken > 0 && !m->body_refused;
    int is_early = a->is_early && m->state == NSX_MESSAGE_BODY;

    m->ends++;
    if (a->cls == '2' && is_early && is_ours) {
        violation(m);
        return;
    }
    if (a->cls == '2')
        m->end_ok = 1;
    record(m, a,
           is_early && a->verb == NSX_VERB_END ? NSX_STAGE_BODY : NSX_STAGE_END,
           &r);
    keep_why(m, a, &r);
    if (m->session->lmtp) {
        if (is_ours && m->asked[a->index] == ASKED_TAKEN)
            decide(m, a->index, a->cls == '2' ? NSX_FATE_ACCEPTED : fate_of(a),
                   &r);
    }
    else {
        decide_many(m, a->cls == '2' ? NSX_FATE_ACCEPTED : fate_of(a), &r, 1);
    }
    if (is_early && a->verb == NSX_VERB_END) {
        /* The rest of a body that is not wanted is owed, or the connection
         * ends; a command in its place would be text. */
        decide_many(m, a->cls == '5' ? NSX_FATE_REFUSED : NSX_FATE_DEFERRED, &r,
                    0);
        nsx_session_tear(m->session);
        nsx_message_leave_rest(m);
        kill_channel(m, NSX_E_EOF);
        nsx_message_finish(m);
    }
}

static enum nsx_stage
stage_of(const struct nsx_message *m, const struct reply *a)
{
    if (m->state < NSX_MESSAGE_ENVELOPE)
        return NSX_STAGE_CONNECT;
    switch (a->verb) {
    case NSX_VERB_MAIL:
        return NSX_STAGE_MAIL;
    case NSX_VERB_RCPT:
        return NSX_STAGE_RCPT;
    case NSX_VERB_DATA:
        return NSX_STAGE_DATA;
    case NSX_VERB_END:
    case NSX_VERB_BDAT_LAST:
        return m->end_handed ? NSX_STAGE_END : NSX_STAGE_BODY;
    default:
        return stage_now(m);
    }
}

/* May the first digit answer that verb? */
static int
makes_sense(const struct reply *a)
{
    if (a->cls == '4' || a->cls == '5')
        return 1;
    return a->cls == (a->verb == NSX_VERB_DATA ? '3' : '2');
}

static void
dispatch(struct nsx_message *m, const struct reply *a)
{
    switch (a->verb) {
    case NSX_VERB_MAIL:
        mail_reply(m, a);
        break;
    case NSX_VERB_RCPT:
        rcpt_reply(m, a);
        break;
    case NSX_VERB_DATA:
        data_reply(m, a);
        break;
    case NSX_VERB_BDAT:
        chunk_reply(m, a);
        break;
    case NSX_VERB_END:
    case NSX_VERB_BDAT_LAST:
        end_reply(m, a);
        break;
    case NSX_VERB_RSET: /* also that of the message before */
        if (a->cls != '2')
            kill_channel(m, NSX_E_REPLY_SYNTAX);
        break;
    default: /* what was under way before */
        break;
    }
}

void
nsx_message_answer(struct nsx_message *m)
{
    enum {
        CLOSING = 421
    };
    struct reply a;
    int is_end;

    read_reply(m, &a);
    is_end = a.verb == NSX_VERB_END || a.verb == NSX_VERB_BDAT_LAST;
    if (m->state == NSX_MESSAGE_SYNC && a.code != CLOSING)
        return;
    if (m->state < NSX_MESSAGE_ENVELOPE && a.code != CLOSING) {
        violation(m);
        return;
    }
    if (!makes_sense(&a)) {
        violation(m);
        return;
    }
    if (a.code == CLOSING) {
        if (is_end && m->end_handed)
            end_reply(m, &a);
        if (m->state != NSX_MESSAGE_DONE)
            shutdown(m, &a, stage_of(m, &a));
        return;
    }
    dispatch(m, &a);
}
