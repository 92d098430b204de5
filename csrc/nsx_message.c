/*
 * nsx_message.c - the run of one message: its life, its steps, its result.
 */
#include "nsx_message_priv.h"

#include <string.h>

static const struct nsx_enhanced no_code = { 0, 0, 0 };

static int
is_name(const char *name, size_t len, const char *of)
{
    return strlen(of) == len && memcmp(name, of, len) == 0;
}

int
nsx_pace_find(const char *name, size_t len, enum nsx_pace *out)
{
    if (is_name(name, len, "envelope"))
        *out = NSX_PACE_ENVELOPE;
    else if (is_name(name, len, "message"))
        *out = NSX_PACE_MESSAGE;
    else if (len == 0 || is_name(name, len, "0"))
        *out = NSX_PACE_LOCKSTEP;
    else
        return 0;
    return 1;
}

static void
begin_rules(struct nsx_message *m)
{
    m->rules.chunking = 1;
    m->deadline = NSX_NEVER;
}

void
nsx_message_init(struct nsx_message *m)
{
    memset(m, 0, sizeof *m);
    nsx_envelope_init(&m->envelope);
    nsx_outcome_init(&m->outcome);
    nsx_buf_init(&m->text, 2 * NSX_MAX_REPLY);
    nsx_buf_init(&m->last, NSX_MAX_OUTCOME_TEXT);
    begin_rules(m);
}

/* What a message of common size needs, so that one that was large does not
 * keep its memory. */
static int
is_common(const struct nsx_message *m)
{
    return m->envelope.room <= NSX_IDLE_RECIPIENTS
        && m->envelope.texts.size <= NSX_IDLE_TEXT
        && m->outcome.texts.size <= NSX_IDLE_TEXT
        && m->text.size <= NSX_IDLE_TEXT && m->last.size <= NSX_IDLE_TEXT
        && m->block_room <= NSX_IDLE_TEXT;
}

void
nsx_message_reset(struct nsx_message *m)
{
    const size_t kept = offsetof(struct nsx_message, rules);

    if (!is_common(m)) {
        nsx_message_free(m);
        return;
    }
    nsx_message_cancel(m);
    nsx_envelope_clear(&m->envelope);
    nsx_buf_clear(&m->text);
    nsx_buf_clear(&m->last);
    memset((char *)m + kept, 0, sizeof *m - kept);
    begin_rules(m);
}

void
nsx_message_free(struct nsx_message *m)
{
    nsx_message_cancel(m);
    nsx_envelope_free(&m->envelope);
    nsx_outcome_free(&m->outcome);
    nsx_buf_free(&m->text);
    nsx_buf_free(&m->last);
    nsx_free(m->block);
    nsx_free(m->asked);
    nsx_message_init(m);
}

static nsx_status
check(const struct nsx_message *m, struct nsx_error *e)
{
    if (m->envelope.from.at == NSX_NOT_GIVEN)
        return nsx_error_set(e, NSX_E_ARGUMENT, __func__, "From is missing");
    if (m->envelope.count == 0)
        return nsx_error_set(e, NSX_E_ARGUMENT, __func__,
                             "To has no recipient");
    if (nsx_envelope_is_binary(&m->envelope) && !m->rules.chunking)
        return nsx_error_set(e, NSX_E_ARGUMENT, __func__,
                             "Bits => 'binary' needs Chunking");
    return NSX_OK;
}

/* Room for what is known of each recipient. */
static nsx_status
ask_nobody(struct nsx_message *m, struct nsx_error *e)
{
    const size_t count = m->envelope.count;

    if (count > m->asked_room) {
        nsx_free(m->asked);
        m->asked = nsx_alloc(count);
        m->asked_room = m->asked != NULL ? count : 0;
    }
    if (m->asked == NULL)
        return nsx_error_set(e, NSX_E_NOMEM, __func__, NULL);
    memset(m->asked, ASKED_NOT, count);
    return NSX_OK;
}

nsx_status
nsx_message_start(struct nsx_message *m, struct nsx_session *s,
                  const struct nsx_source *source, struct nsx_error *e)
{
    if (check(m, e) != NSX_OK
        || nsx_outcome_begin(&m->outcome, m->envelope.count, m->rules.skip_bad,
                             e)
            != NSX_OK
        || ask_nobody(m, e) != NSX_OK)
        return NSX_ERROR;
    m->session = s;
    m->source = *source;
    m->binary = (char)nsx_envelope_is_binary(&m->envelope);
    nsx_content_init(&m->content, source, m->rules.cr_rule,
                     m->binary ? NSX_FRAME_BINARY : NSX_FRAME_DATA);
    m->sent_before = s->sent;
    m->state = NSX_MESSAGE_MEASURE;
    return NSX_OK;
}

void
nsx_message_follow(struct nsx_message *m, struct nsx_message *next)
{
    m->follower = next;
}

void
nsx_message_wake(struct nsx_message *m)
{
    if (m->began != 0)
        return;
    m->began = nsx_clock_us();
    m->deadline = nsx_deadline_after(m->rules.limit);
}

void
nsx_message_finish(struct nsx_message *m)
{
    if (m->state == NSX_MESSAGE_DONE)
        return;
    nsx_message_wake(m);
    m->state = NSX_MESSAGE_DONE;
    m->ended = nsx_clock_us();
    m->session->strict = 0;
    m->session->deadline = NSX_NEVER;
    if (m->content.octets > m->octets)
        m->octets = m->content.octets;
    if (m->block_room > NSX_IDLE_TEXT) {
        nsx_free(m->block);
        m->block = NULL;
        m->block_room = 0;
    }
}

void
nsx_message_trouble(struct nsx_message *m, const struct nsx_error *e)
{
    m->local = e->code;
    nsx_message_lose(m, e->code, e->text);
}

/* ---- before anything is sent ---- */

static void
refuse_locally(struct nsx_message *m)
{
    nsx_message_unsent(m, NSX_STAGE_LOCAL, m->refusal.enhanced, NSX_E_ARGUMENT,
                       m->refusal.text);
    nsx_message_finish(m);
}

void
nsx_message_source_failed(struct nsx_message *m, enum nsx_stage stage)
{
    static const struct nsx_enhanced bad_content = { 5, 6, 0 };

    nsx_message_unsent(m, stage,
                       m->content.failed == NSX_E_BARE_CR ? bad_content
                                                          : no_code,
                       m->content.failed, m->content.why);
}

/* Without SkipBad nobody may be left to a further transaction. */
static int
fits_limits(struct nsx_message *m)
{
    static const struct nsx_enhanced too_many = { 5, 5, 3 };
    const struct nsx_caps *c = &m->session->caps;

    if (m->rules.skip_bad
        || ((c->rcpt_max == 0 || m->envelope.count <= c->rcpt_max)
            && nsx_message_domains_fit(m)))
        return 1;
    m->refusal.enhanced = too_many;
    memcpy(m->refusal.text, "more recipients than the server takes at once",
           sizeof "more recipients than the server takes at once");
    return 0;
}

static void
judge(struct nsx_message *m)
{
    struct nsx_size_facts body;
    const struct nsx_caps *c = &m->session->caps;

    body.size = m->content.size;
    body.may_be_8bit = !m->content.is_measured || m->content.has_8bit;
    if (!nsx_envelope_judge(&m->envelope, c, &body, &m->refusal)
        || !fits_limits(m)) {
        refuse_locally(m);
        return;
    }
    m->bdat = (char)(m->binary
                     || (m->rules.chunking && nsx_caps_has(c, NSX_CAP_CHUNKING)
                         && m->content.size != NSX_SIZE_UNKNOWN));
    m->state = NSX_MESSAGE_READY;
}

enum nsx_step
nsx_message_prepare(struct nsx_message *m)
{
    nsx_status s = NSX_OK;

    if (m->source.rewind != NULL && !m->content.is_measured) {
        s = nsx_content_measure(&m->content, NSX_MEASURE_OCTETS);
        if (s == NSX_WANT_READ)
            return NSX_STEP_LATER;
        if (s == NSX_ERROR) {
            nsx_message_source_failed(m, NSX_STAGE_LOCAL);
            nsx_message_finish(m);
            return NSX_STEP_DONE;
        }
        if (!m->content.is_measured)
            return NSX_STEP_AGAIN;
    }
    judge(m);
    return m->state == NSX_MESSAGE_DONE ? NSX_STEP_DONE : NSX_STEP_AGAIN;
}

/* A 421 on an idle connection, or its end, is no reply to MAIL. */
static void
found_closed(struct nsx_message *m)
{
    const struct nsx_error *e = &m->session->ch->error;

    nsx_message_lose(m, e->code != NSX_E_NONE ? e->code : NSX_E_EOF,
                     e->code != NSX_E_NONE ? e->text
                                           : "the server closed before MAIL");
}

static void
probe(struct nsx_message *m)
{
    const struct nsx_caps *c = &m->session->caps;

    enum nsx_step t = nsx_session_probe(m->session);

    if (t == NSX_STEP_REPLY) {
        nsx_message_answer(m);
        return;
    }
    if (t != NSX_STEP_DONE) {
        found_closed(m);
        return;
    }
    if (c->mail_max > 0 && m->session->mails >= c->mail_max)
        nsx_message_lose(m, NSX_E_CANCELLED,
                         "the server takes no more messages on this "
                         "connection");
    else
        nsx_message_begin(m);
}

/* What was under way before us is read first; then MAIL may go. */
static void
meet(struct nsx_message *m)
{
    m->sent_before = m->session->sent;
    if (nsx_session_outstanding(m->session) > 0
        || nsx_session_unsent(m->session) > 0)
        m->state = NSX_MESSAGE_SYNC;
    else
        probe(m);
}

/* ---- steps ---- */

/* Counted in octets: a session that broke has dropped what was left. */
static int
is_all_out(const struct nsx_message *m)
{
    if (m->content.size == NSX_SIZE_UNKNOWN && m->bdat)
        return m->session->sent >= m->end_at;
    return m->content.is_done
        && m->session->sent >= m->end_at + m->content.emitted;
}

/* The last octet of the end is with the kernel: from now on the server may
 * have the message. */
static void
note(struct nsx_message *m)
{
    const struct nsx_session *s = m->session;

    if (m->end_given && !m->end_handed && is_all_out(m))
        m->end_handed = 1;
    if (m->flight_open && s->state != NSX_SESSION_DEAD
        && nsx_session_unsent(s) == 0 && nsx_session_outstanding(s) > 0) {
        m->round_trips++;
        m->flight_open = 0;
    }
    if (m->content.octets > m->octets && m->taken > 0)
        m->octets = m->content.octets;
}

void
nsx_message_body_failed(struct nsx_message *m)
{
    nsx_message_source_failed(m, NSX_STAGE_BODY);
    nsx_message_lose(m, m->content.failed, m->content.why);
}

/* What comes after a step of the session; 1 to go on at once. */
static int
react(struct nsx_message *m, enum nsx_step t)
{
    note(m);
    switch (t) {
    case NSX_STEP_REPLY:
        nsx_message_answer(m);
        return 1;
    case NSX_STEP_BODY_ERROR:
        nsx_message_body_failed(m);
        return 1;
    case NSX_STEP_ERROR:
        nsx_message_lose(m, m->session->ch->error.code,
                         m->session->ch->error.text);
        return 1;
    default:
        return 0;
    }
}

/* The chunk being filled has no more for now, or never will. */
static enum nsx_step
wait_for_source(struct nsx_message *m, enum nsx_step t)
{
    if (m->state != NSX_MESSAGE_CHUNKS || m->content.is_done || m->body_refused
        || nsx_session_unsent(m->session) > 0)
        return t;
    if (m->content.failed != NSX_E_NONE) {
        nsx_message_source_failed(m, NSX_STAGE_BODY);
        m->body_refused = 1;
        return NSX_STEP_AGAIN;
    }
    return nsx_message_wants_chunk(m) ? NSX_STEP_LATER : t;
}

static enum nsx_step
run(struct nsx_message *m)
{
    unsigned left = NSX_REPLIES_A_STEP;
    enum nsx_step t = NSX_STEP_AGAIN;

    while (m->state != NSX_MESSAGE_DONE && left > 0) {
        while (nsx_message_pump(m) && m->state != NSX_MESSAGE_DONE)
            continue;
        if (m->state == NSX_MESSAGE_DONE)
            break;
        t = nsx_session_step(m->session);
        if (react(m, t)) {
            left--;
            continue;
        }
        if (nsx_message_pump(m))
            continue;
        return wait_for_source(m, t);
    }
    return m->state == NSX_MESSAGE_DONE ? NSX_STEP_DONE : NSX_STEP_AGAIN;
}

static enum nsx_step
sync_step(struct nsx_message *m)
{
    enum nsx_step t;

    if (nsx_session_outstanding(m->session) == 0
        && nsx_session_unsent(m->session) == 0) {
        m->sent_before = m->session->sent;
        probe(m);
        return m->state == NSX_MESSAGE_DONE ? NSX_STEP_DONE : NSX_STEP_AGAIN;
    }
    t = nsx_session_step(m->session);
    if (react(m, t))
        return m->state == NSX_MESSAGE_DONE ? NSX_STEP_DONE : NSX_STEP_AGAIN;
    return t == NSX_STEP_DONE ? NSX_STEP_AGAIN : t;
}

enum nsx_step
nsx_message_step(struct nsx_message *m)
{
    if (m->state == NSX_MESSAGE_DONE)
        return NSX_STEP_DONE;
    nsx_message_wake(m);
    m->session->strict = 1;
    m->rides = 0;
    m->session->deadline = m->deadline;
    if (m->state == NSX_MESSAGE_MEASURE) {
        enum nsx_step t = nsx_message_prepare(m);

        if (m->state != NSX_MESSAGE_READY)
            return t;
    }
    if (m->state == NSX_MESSAGE_READY)
        meet(m);
    return m->state == NSX_MESSAGE_SYNC ? sync_step(m) : run(m);
}

int64_t
nsx_message_deadline(struct nsx_message *m)
{
    return m->state < NSX_MESSAGE_SYNC || m->state == NSX_MESSAGE_DONE
        ? m->deadline
        : nsx_session_deadline(m->session);
}

enum nsx_step
nsx_message_timed_out(struct nsx_message *m)
{
    if (m->state == NSX_MESSAGE_DONE)
        return NSX_STEP_DONE;
    if (m->state < NSX_MESSAGE_SYNC) {
        nsx_message_lose(m, NSX_E_CANCELLED, nsx_error_name(NSX_E_TIMEOUT));
        return NSX_STEP_DONE;
    }
    while (m->state != NSX_MESSAGE_DONE) {
        enum nsx_step t = nsx_session_timed_out(m->session);

        if (!react(m, t))
            nsx_message_lose(m, NSX_E_TIMEOUT, nsx_error_name(NSX_E_TIMEOUT));
    }
    return NSX_STEP_DONE;
}

void
nsx_message_cancel(struct nsx_message *m)
{
    if (m->state == NSX_MESSAGE_DONE || m->session == NULL
        || m->state == NSX_MESSAGE_NEW)
        return;
    m->local = NSX_E_CANCELLED;
    nsx_message_lose(m, NSX_E_CANCELLED, nsx_error_name(NSX_E_CANCELLED));
}

/* ---- results ---- */

uint64_t
nsx_message_progress(const struct nsx_message *m, uint64_t *total)
{
    *total = m->content.size;
    return m->octets;
}

const char *
nsx_message_last_reply(const struct nsx_message *m, size_t *len)
{
    *len = m->last.len;
    return m->last.len > 0 ? (const char *)nsx_buf_data(&m->last) : "";
}

static int
is_alive(const struct nsx_message *m)
{
    const struct nsx_session *s = m->session;

    return !m->is_dead && s->ch->error.code == NSX_E_NONE
        && s->state == NSX_SESSION_READY;
}

void
nsx_message_result(const struct nsx_message *m, struct nsx_message_result *r)
{
    const struct nsx_caps *c = &m->session->caps;

    r->fate = nsx_outcome_message(&m->outcome, &r->decider);
    r->octets = m->octets;
    r->transactions = m->transactions;
    r->round_trips = m->round_trips;
    r->elapsed_us = m->ended - m->began;
    r->local = m->local;
    r->must_close = !is_alive(m);
    r->is_reusable =
        is_alive(m) && (c->mail_max == 0 || m->session->mails < c->mail_max);
}
