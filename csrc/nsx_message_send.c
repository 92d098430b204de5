/*
 * nsx_message_send.c - when an octet of a message may leave.
 */
#include "nsx_message_priv.h"

#include <string.h>

#include "nsx_command.h"

enum {
    LEAST_BLOCK = 512,
    DATA_INDEX = 0
};

static const struct nsx_caps *
caps(const struct nsx_message *m)
{
    return &m->session->caps;
}

static int
is_quiet(const struct nsx_message *m)
{
    return nsx_session_outstanding(m->session) == 0;
}

static int
is_pipelined(const struct nsx_message *m)
{
    return m->rules.pace != NSX_PACE_LOCKSTEP
        && nsx_caps_has(caps(m), NSX_CAP_PIPELINING);
}

/* ---- the rule ---- */

/* Behind a command whose reply may still be out. */
static int
may_follow(const struct nsx_message *m)
{
    if (!is_pipelined(m))
        return is_quiet(m);
    return nsx_session_unsent(m->session) < NSX_FLIGHT_WINDOW
        && nsx_session_outstanding(m->session)
        < NSX_MAX_EXPECTED - NSX_EXPECT_SPARE;
}

/* What lets the server deliver, before anybody is known to be accepted: only
 * where what is accepted decides for itself (SkipBad), and a body that went
 * for nothing does no harm. */
static int
may_join(const struct nsx_message *m)
{
    if (!m->rules.skip_bad || !is_pipelined(m) || !may_follow(m))
        return 0;
    if (m->bdat)
        return m->rules.pace == NSX_PACE_MESSAGE
            && m->content.size != NSX_SIZE_UNKNOWN;
    return 1;
}

/* ---- pushing ---- */

static int
push(struct nsx_message *m, enum nsx_verb verb, const char *line, size_t index)
{
    struct nsx_error e;

    nsx_error_reset(&e);
    if (nsx_session_push(m->session, verb, line, strlen(line), (unsigned)index,
                         &e)
        != NSX_OK) {
        nsx_message_trouble(m, &e);
        return 0;
    }
    m->flight_open = 1;
    return 1;
}

/* A line of the envelope, built in the session's own buffer. */
static int
push_line(struct nsx_message *m, enum nsx_verb verb, size_t index)
{
    struct nsx_size_facts body;
    struct nsx_error e;
    struct nsx_buf *out = nsx_session_line(m->session);
    nsx_status s;

    nsx_error_reset(&e);
    body.size = m->content.size;
    body.may_be_8bit = !m->content.is_measured || m->content.has_8bit;
    if (verb == NSX_VERB_MAIL)
        s = nsx_envelope_mail(&m->envelope, caps(m), &body, out, &e);
    else
        s = nsx_envelope_rcpt(&m->envelope, caps(m), index, out, &e);
    if (s == NSX_OK)
        s = nsx_session_commit(m->session, verb, (unsigned)index, &e);
    if (s != NSX_OK) {
        nsx_message_trouble(m, &e);
        return 0;
    }
    m->flight_open = 1;
    return 1;
}

static void
push_mail(struct nsx_message *m)
{
    if (!push_line(m, NSX_VERB_MAIL, 0))
        return;
    m->mail_sent = 1;
    m->transactions++;
}

static void
push_rcpt(struct nsx_message *m)
{
    if (!push_line(m, NSX_VERB_RCPT, m->next))
        return;
    m->asked[m->next] = ASKED_SENT;
    m->in_flight++;
}

static int
give(struct nsx_message *m, const struct nsx_source *source)
{
    struct nsx_error e;

    nsx_error_reset(&e);
    if (nsx_session_body(m->session, source, &e) != NSX_OK) {
        nsx_message_trouble(m, &e);
        return 0;
    }
    m->flight_open = 1;
    return 1;
}

/* A small body needs no large block. */
static size_t
block_size(const struct nsx_message *m)
{
    uint64_t size = m->content.size;

    if (size >= NSX_BLOCK_SIZE / 2)
        return NSX_BLOCK_SIZE;
    return (size_t)size + LEAST_BLOCK;
}

static int
has_block(struct nsx_message *m)
{
    const size_t size = block_size(m);

    if (size > m->block_room) {
        nsx_free(m->block);
        m->block = nsx_alloc(size);
        m->block_room = m->block != NULL ? size : 0;
    }
    return m->block != NULL;
}

static int
restart_content(struct nsx_message *m, enum nsx_framing framing)
{
    if (!has_block(m)) {
        struct nsx_error e;

        nsx_error_reset(&e);
        (void)nsx_error_set(&e, NSX_E_NOMEM, __func__, NULL);
        nsx_message_trouble(m, &e);
        return 0;
    }
    if (nsx_content_restart(&m->content, framing) == NSX_OK)
        return 1;
    if (!m->bdat) {
        nsx_message_body_failed(m);
        return 0;
    }
    nsx_message_source_failed(m, NSX_STAGE_BODY);
    m->body_refused = 1;
    m->state = NSX_MESSAGE_CHUNKS;
    return 0;
}

static void
give_content(struct nsx_message *m)
{
    struct nsx_source framed;

    nsx_content_framed(&m->content, m->block, block_size(m), &framed);
    m->end_at = m->session->pushed;
    m->state = NSX_MESSAGE_BODY;
    m->end_given = (char)give(m, &framed);
}

static void
begin_data_body(struct nsx_message *m)
{
    struct nsx_error e;

    nsx_error_reset(&e);
    if (!restart_content(m, NSX_FRAME_DATA))
        return;
    /* Its reply may come early: a server that has had enough says so. */
    if (nsx_session_expect(m->session, NSX_VERB_END, DATA_INDEX, &e) != NSX_OK)
        nsx_message_trouble(m, &e);
    else
        give_content(m);
}

static int
push_bdat(struct nsx_message *m, uint64_t size, int is_last)
{
    static const char verb[] = "BDAT ";
    char line[sizeof verb + NSX_DIGITS + sizeof " LAST\r\n"];
    size_t len = sizeof verb - 1;

    memcpy(line, verb, len);
    len += nsx_decimal(size, line + len);
    strcpy(line + len, is_last ? " LAST\r\n" : "\r\n");
    return push(m, is_last ? NSX_VERB_BDAT_LAST : NSX_VERB_BDAT, line,
                DATA_INDEX);
}

static void
begin_bdat(struct nsx_message *m)
{
    if (!restart_content(m, m->binary ? NSX_FRAME_BINARY : NSX_FRAME_BDAT))
        return;
    if (m->content.size == NSX_SIZE_UNKNOWN)
        m->state = NSX_MESSAGE_CHUNKS;
    else if (push_bdat(m, m->content.size, 1))
        give_content(m);
}

static void
begin_body(struct nsx_message *m)
{
    if (m->bdat) {
        begin_bdat(m);
    }
    else if (push(m, NSX_VERB_DATA, "DATA\r\n", DATA_INDEX)) {
        m->state = NSX_MESSAGE_DATA;
    }
}

/* ---- a body in chunks ---- */

/* Fills the block: 1 when a chunk is whole, 0 when the source must wait or
 * failed. */
static int
fill_chunk(struct nsx_message *m)
{
    size_t size = block_size(m), put;
    nsx_status s = NSX_OK;

    while (s == NSX_OK && !m->content.is_done
           && size - m->chunk_len >= NSX_CONTENT_MIN_ROOM) {
        s = nsx_content_read(&m->content, m->block + m->chunk_len,
                             size - m->chunk_len, &put);
        m->chunk_len += s == NSX_OK ? put : 0;
    }
    return s == NSX_OK;
}

int
nsx_message_wants_chunk(const struct nsx_message *m)
{
    return m->state == NSX_MESSAGE_CHUNKS && !m->body_refused
        && nsx_session_unsent(m->session) == 0
        && (is_quiet(m)
            || (is_pipelined(m)
                && nsx_session_outstanding(m->session) < NSX_CHUNKS_AHEAD));
}

static int
pump_chunk(struct nsx_message *m)
{
    struct nsx_source source;
    int is_last;

    if (m->body_refused && is_quiet(m) && nsx_session_unsent(m->session) == 0) {
        nsx_message_close_transaction(m);
        return 1;
    }
    if (!nsx_message_wants_chunk(m) || !fill_chunk(m))
        return 0;
    is_last = m->content.is_done;
    /* Nothing completes a message of which a part may have been refused. */
    if (is_last && !is_quiet(m))
        return 0;
    if (!push_bdat(m, m->chunk_len, is_last))
        return 1;
    nsx_memory_source(&source, &m->chunk, m->block, m->chunk_len);
    m->end_at = m->session->pushed + m->chunk_len;
    m->chunk_len = 0;
    if (is_last)
        m->state = NSX_MESSAGE_BODY;
    if (give(m, &source) && is_last)
        m->end_given = 1;
    return 1;
}

/* ---- transactions ---- */

int
nsx_message_may_split(const struct nsx_message *m)
{
    return m->rules.skip_bad && m->source.rewind != NULL;
}

/* Room for the domains of a transaction under RCPTDOMAINMAX: recipients whose
 * domain is new to it.  Compared without case, RFC 5321 2.4. */
static int
same_domain(const struct nsx_message *m, size_t a, size_t b)
{
    size_t an, bn, i;
    const char *ad = nsx_envelope_domain(&m->envelope, a, &an);
    const char *bd = nsx_envelope_domain(&m->envelope, b, &bn);

    if (an != bn)
        return 0;
    for (i = 0; i < an; i++) {
        char x = ad[i], y = bd[i];

        if (x >= 'A' && x <= 'Z')
            x = (char)(x - 'A' + 'a');
        if (y >= 'A' && y <= 'Z')
            y = (char)(y - 'A' + 'a');
        if (x != y)
            return 0;
    }
    return 1;
}

/* Is i's domain that of the first recipient listed of one of n domains? */
static int
is_known(const struct nsx_message *m, size_t i, const uint32_t *first, size_t n)
{
    size_t k;

    for (k = 0; k < n; k++)
        if (same_domain(m, first[k], i))
            return 1;
    return 0;
}

/* Lists who is asked in this transaction; the rest waits. */
static size_t
list(struct nsx_message *m, size_t most, uint32_t *domains, size_t most_domains)
{
    size_t i, listed = 0, known = 0;

    for (i = 0; i < m->envelope.count && listed < most; i++) {
        if (m->asked[i] != ASKED_NOT)
            continue;
        if (domains != NULL && !is_known(m, i, domains, known)) {
            if (known == most_domains)
                continue;
            domains[known++] = (uint32_t)i;
        }
        m->asked[i] = ASKED_LISTED;
        listed++;
    }
    return listed;
}

static size_t
list_by_limits(struct nsx_message *m)
{
    size_t most = caps(m)->rcpt_max, domains = caps(m)->rcpt_domain_max;
    uint32_t *first = NULL;
    size_t listed;

    if (most == 0)
        most = m->envelope.count;
    if (domains >= m->envelope.count)
        domains = 0;
    if (domains > 0) {
        first = nsx_alloc(domains * sizeof *first);
        if (first == NULL)
            return 0;
    }
    listed = list(m, most, first, domains);
    nsx_free(first);
    return listed;
}

int
nsx_message_domains_fit(struct nsx_message *m)
{
    size_t most = caps(m)->rcpt_domain_max, i, known = 0;
    uint32_t *first;

    if (most == 0 || most >= m->envelope.count)
        return 1;
    first = nsx_alloc(most * sizeof *first);
    if (first == NULL)
        return 0;
    for (i = 0; i < m->envelope.count && known <= most; i++)
        if (!is_known(m, i, first, known) && ++known <= most)
            first[known - 1] = (uint32_t)i;
    nsx_free(first);
    return known <= most;
}

void
nsx_message_begin(struct nsx_message *m)
{
    m->next = m->in_flight = m->taken = m->ends = 0;
    m->chunk_len = 0;
    m->mail_sent = m->mail_answered = m->mail_ok = m->data_ok = 0;
    m->end_given = m->end_handed = m->end_ok = m->body_refused = m->has_why = 0;
    m->state = NSX_MESSAGE_ENVELOPE;
    if (list_by_limits(m) == 0) {
        struct nsx_error e;

        nsx_error_reset(&e);
        (void)nsx_error_set(&e, NSX_E_NOMEM, __func__, NULL);
        nsx_message_trouble(m, &e);
    }
}

static int
is_mail_max(const struct nsx_message *m)
{
    return caps(m)->mail_max > 0 && m->session->mails >= caps(m)->mail_max;
}

int
nsx_message_is_last(const struct nsx_message *m)
{
    size_t i;

    for (i = 0; i < m->envelope.count; i++)
        if (m->asked[i] == ASKED_NOT || m->asked[i] == ASKED_AGAIN)
            return 0;
    return 1;
}

static void
go_on(struct nsx_message *m)
{
    size_t i;

    for (i = 0; i < m->envelope.count; i++)
        if (m->asked[i] == ASKED_AGAIN)
            m->asked[i] = ASKED_NOT;
    nsx_message_begin(m);
}

/* After RSET's reply, or where none was needed. */
static void
next_or_done(struct nsx_message *m)
{
    if (m->can_go_on && nsx_message_may_split(m) && !nsx_message_is_last(m)
        && !is_mail_max(m)) {
        m->can_go_on = 0;
        go_on(m);
        return;
    }
    nsx_message_leave_rest(m);
    nsx_message_finish(m);
}

static int
stands(const struct nsx_message *m)
{
    if (m->ridden || m->state == NSX_MESSAGE_DOT)
        return 0;
    if (m->end_given || m->body_refused || m->state == NSX_MESSAGE_CHUNKS)
        return m->bdat && !m->end_ok;
    return m->mail_ok || m->taken > 0;
}

/* Who is put off is asked again when the others are served.  Where there was no
 * other that would be for ever. */
static void
settle_put_off(struct nsx_message *m)
{
    size_t i;

    for (i = 0; i < m->envelope.count; i++)
        if (m->asked[i] == ASKED_AGAIN)
            m->asked[i] = ASKED_DONE;
}

/* Refusals of these recipients leave the rest to a further transaction, a
 * refusal of what is sent does not. */
void
nsx_message_close_transaction(struct nsx_message *m)
{
    if (!m->rules.skip_bad)
        nsx_message_spare(m);
    if (m->taken == 0)
        settle_put_off(m);
    m->can_go_on = m->taken == 0 ? m->mail_ok : m->end_ok;
    if (stands(m)) {
        if (push(m, NSX_VERB_RSET, "RSET\r\n", 0))
            m->state = NSX_MESSAGE_RSET;
        return;
    }
    next_or_done(m);
}

/* ---- the pump ---- */

/* The next recipient of this transaction that was not asked, or the count. */
static size_t
find_next(struct nsx_message *m)
{
    while (m->next < m->envelope.count && m->asked[m->next] != ASKED_LISTED)
        m->next++;
    return m->next;
}

static int
has_more(struct nsx_message *m)
{
    return find_next(m) < m->envelope.count
        && !(m->mail_answered && !m->mail_ok);
}

/* Everybody that was asked has answered, and so has MAIL. */
static int
is_envelope_known(const struct nsx_message *m)
{
    return m->mail_answered && m->in_flight == 0;
}

static int
is_accepted(const struct nsx_message *m)
{
    size_t i;

    if (!m->mail_ok || m->taken == 0)
        return 0;
    for (i = 0; !m->rules.skip_bad && i < m->envelope.count; i++)
        if (m->asked[i] != ASKED_TAKEN)
            return 0;
    return 1;
}

static int
pump_envelope(struct nsx_message *m)
{
    if (!m->mail_sent) {
        if (!m->rides && !is_quiet(m))
            return 0;
        push_mail(m);
        return 1;
    }
    if (has_more(m)) {
        if (!may_follow(m))
            return 0;
        push_rcpt(m);
        return 1;
    }
    if (is_envelope_known(m)) {
        if (!is_quiet(m))
            return 0;
        if (is_accepted(m))
            begin_body(m);
        else
            nsx_message_close_transaction(m);
        return 1;
    }
    if (m->mail_answered && !m->mail_ok)
        return 0;
    if (!may_join(m))
        return 0;
    begin_body(m);
    return 1;
}

static int
pump_data(struct nsx_message *m)
{
    if (!is_quiet(m))
        return 0;
    if (!m->data_ok)
        nsx_message_close_transaction(m);
    else if (m->taken > 0)
        begin_data_body(m);
    else if (push(m, NSX_VERB_END, ".\r\n", DATA_INDEX))
        m->state = NSX_MESSAGE_DOT;
    return 1;
}

/* Replies that the end of the data has. */
static size_t
ends_wanted(const struct nsx_message *m)
{
    return m->session->lmtp && m->taken > 0 ? m->taken : 1;
}

/* The next message's envelope goes behind our end, RFC 2920 3.1: once all is
 * known but what became of that.  A BDAT that is refused leaves a transaction
 * that only RSET ends (RFC 3030 2). */
static int
ride(struct nsx_message *m)
{
    struct nsx_message *f = m->follower;

    if (f == NULL || m->ridden || !m->end_handed || !is_pipelined(f)
        || !is_envelope_known(m) || !nsx_message_is_last(m)
        || nsx_session_unsent(m->session) > 0
        || m->session->state != NSX_SESSION_READY || is_mail_max(m))
        return 0;
    if (f->state == NSX_MESSAGE_MEASURE)
        (void)nsx_message_prepare(f);
    /* It may be refused here and now; we go on. */
    m->session->strict = 1;
    m->session->deadline = m->deadline;
    /* One that goes in one flight with its body loses nothing by waiting. */
    if (f->state != NSX_MESSAGE_READY
        || (f->bdat && f->rules.skip_bad && f->rules.pace == NSX_PACE_MESSAGE))
        return 0;
    if (m->bdat && !push(m, NSX_VERB_RSET, "RSET\r\n", 0))
        return 1;
    nsx_message_wake(f);
    m->ridden = f->rides = 1;
    f->sent_before = f->session->sent;
    nsx_message_begin(f);
    return 1;
}

static int
pump_body(struct nsx_message *m)
{
    if (m->in_flight > 0 || m->ends < ends_wanted(m)) {
        if (ride(m))
            return 1;
        if (m->ridden && m->follower != NULL
            && m->follower->state == NSX_MESSAGE_ENVELOPE)
            return nsx_message_pump(m->follower);
        return 0;
    }
    /* BDAT refused early: its octets are owed all the same. */
    if (!m->ridden && nsx_session_unsent(m->session) > 0)
        return 0;
    nsx_message_close_transaction(m);
    return 1;
}

int
nsx_message_pump(struct nsx_message *m)
{
    switch (m->state) {
    case NSX_MESSAGE_ENVELOPE:
        return pump_envelope(m);
    case NSX_MESSAGE_DATA:
        return pump_data(m);
    case NSX_MESSAGE_CHUNKS:
        return pump_chunk(m);
    case NSX_MESSAGE_BODY:
        return pump_body(m);
    case NSX_MESSAGE_DOT:
        if (m->ends == 0)
            return 0;
        nsx_message_close_transaction(m);
        return 1;
    case NSX_MESSAGE_RSET:
        if (!is_quiet(m))
            return 0;
        next_or_done(m);
        return 1;
    default:
        return 0;
    }
}
