/*
 * nsx_message.h - one message run on a session: envelope, body, and what became
 * of it for each recipient (RFC 5321 3.3, 2920, 3030, 2033, 9422).
 *
 *     nsx_message_init
 *     nsx_envelope_from, _to, _set on m->envelope; the fields of m->rules
 *     nsx_message_start          says nothing yet, sends nothing
 *     nsx_message_step           until NSX_STEP_DONE
 *     nsx_message_result, m->outcome
 *     nsx_message_free, or _reset and the next message
 *
 * A step does a bounded amount of work, never waits, and calls nothing but the
 * source's functions.  It answers
 *       WANT_...  wait until nsx_message_deadline, then step again;
 *                 when that passes: nsx_message_timed_out
 *       AGAIN     look at the clock and signals, tell of progress, step again
 *       LATER     the source has nothing now: get it some, step again.  Where
 *                 the session waits too a reply may come: step then as well
 *       DONE      the outcome is there.  Never REPLY or ERROR: a lost
 *                 connection is an outcome, too.
 *
 * When an octet may leave is decided in nsx_message_send.c alone:
 *   - MAIL once the session is in step, or behind the end of the message
 *     before it (RFC 2920 3.1);
 *   - lockstep: each command after the reply to the one before;
 *   - envelope: RCPT behind MAIL at once.  DATA with them where SkipBad is set
 *     and BDAT is not used, else after all their replies;
 *   - message: BDAT LAST and the body with them, where SkipBad is set and the
 *     size is known; else as envelope;
 *   - the octets of a body after DATA's 3xx, behind BDAT at once.
 * Without PIPELINING all is lockstep.
 */
#ifndef NSX_MESSAGE_H
#define NSX_MESSAGE_H

#include "nsx_content.h"
#include "nsx_envelope.h"
#include "nsx_outcome.h"
#include "nsx_session.h"

enum nsx_pace {
    NSX_PACE_LOCKSTEP = 0,
    NSX_PACE_ENVELOPE,
    NSX_PACE_MESSAGE
};

/* Of what callers write: "envelope", "message", "0" or "" for lockstep.  1, or
 * 0 with *out unchanged. */
int nsx_pace_find(const char *name, size_t len, enum nsx_pace *out);

struct nsx_message_rules {
    enum nsx_pace pace;
    int skip_bad;
    int chunking; /* 1: BDAT where it can be used; binary bodies need it */
    enum nsx_cr_rule cr_rule;
    double limit; /* seconds for the run, from when it begins; 0: no limit */
};

enum nsx_message_state {
    NSX_MESSAGE_NEW = 0,
    NSX_MESSAGE_MEASURE, /* the body is measured; nothing was sent */
    NSX_MESSAGE_READY,   /* judged: the envelope may go */
    NSX_MESSAGE_SYNC,    /* replies of what was before are awaited */
    NSX_MESSAGE_ENVELOPE,
    NSX_MESSAGE_DATA,   /* DATA is sent */
    NSX_MESSAGE_BODY,   /* so are the octets, or some: its end is awaited */
    NSX_MESSAGE_CHUNKS, /* BDAT without LAST, more to come */
    NSX_MESSAGE_DOT,    /* "." alone, after 354 with nobody accepted */
    NSX_MESSAGE_RSET,
    NSX_MESSAGE_DONE
};

struct nsx_message {
    /* Up to rules: memory that _reset keeps. */
    struct nsx_envelope envelope; /* filled by the caller before the start */
    struct nsx_outcome outcome;   /* for reading once done */
    struct nsx_buf text;          /* of the reply being looked at */
    struct nsx_buf last;          /* the last reply, as it came */
    char *block;                  /* what the body is framed into */
    unsigned char *asked;         /* a recipient each, see nsx_message_priv.h */
    size_t block_room, asked_room;

    struct nsx_message_rules rules;
    struct nsx_content content;
    struct nsx_source source;
    struct nsx_memory chunk;      /* of a body whose size nobody knows */
    struct nsx_session *session;  /* borrowed from start to done */
    struct nsx_message *follower; /* its envelope may go behind our end */
    struct nsx_refusal refusal;
    nsx_errcode local; /* see nsx_message_result */
    size_t next;       /* recipient to be asked next */
    size_t in_flight;  /* RCPTs not answered */
    size_t taken;      /* accepted in this transaction */
    size_t ends;       /* replies to the end of this one's data */
    size_t chunk_len;
    uint64_t sent_before; /* session->sent at the start */
    uint64_t octets;
    uint64_t end_at;       /* session->sent before the last stretch of body */
    struct nsx_record why; /* what kept the last transaction's data */
    int64_t began, ended;  /* clock_us; began 0: not yet */
    int64_t deadline;      /* by rules.limit, or NSX_NEVER */
    unsigned transactions, round_trips;
    enum nsx_message_state state;
    char binary, bdat; /* how the body goes */
    char mail_sent, mail_answered, mail_ok, data_ok, end_given, end_handed;
    char end_ok, has_why, body_refused, flight_open, rides, ridden, is_dead,
        can_go_on;
};

/* No recipients, no options, lockstep, without SkipBad, with Chunking. */
void nsx_message_init(struct nsx_message *m);

/* Frees all but the session and the source's ctx; a message under way is
 * first cancelled.  There are no secrets in it. */
void nsx_message_free(struct nsx_message *m);

/* The same, but memory of a common size is kept for the next message. */
void nsx_message_reset(struct nsx_message *m);

/* Takes the envelope and the rules as they are now.  source is copied, its ctx
 * borrowed until DONE; one that can be rewound makes a body whose size is
 * known.  The session, borrowed likewise, is the object's: its caps and timeout
 * are used, its deadline set.  NSX_ERROR: NSX_E_ARGUMENT (no sender, no
 * recipient; Bits => 'binary' with Chunking => 0), NSX_E_NOMEM; m can then
 * only be freed. */
nsx_status nsx_message_start(struct nsx_message *m, struct nsx_session *s,
                             const struct nsx_source *source,
                             struct nsx_error *e);

/* next, started on the same session, may send its envelope behind the end of
 * m's data.  m is stepped until DONE, then next.  next outlives m's run.  Its
 * own begins, and its time runs, when it sends something or is first stepped. */
void nsx_message_follow(struct nsx_message *m, struct nsx_message *next);

enum nsx_step nsx_message_step(struct nsx_message *m);

/* Until when the wait may last; NSX_NEVER: for ever. */
int64_t nsx_message_deadline(struct nsx_message *m);

/* The caller saw that pass: as a step. */
enum nsx_step nsx_message_timed_out(struct nsx_message *m);

/* Ends the run now: DONE.  The channel is dead then unless nothing was sent. */
void nsx_message_cancel(struct nsx_message *m);

/* Octets of the body handed over so far, counted as in the result; *total is
 * NSX_SIZE_UNKNOWN where nobody knows. */
uint64_t nsx_message_progress(const struct nsx_message *m, uint64_t *total);

/* The last reply read, lines as they came with their ends (cut off at
 * NSX_MAX_OUTCOME_TEXT), or "" when there was none; valid until free. */
const char *nsx_message_last_reply(const struct nsx_message *m, size_t *len);

struct nsx_message_result {
    enum nsx_fate fate;
    size_t decider;  /* index of the recipient whose record decided */
    uint64_t octets; /* of the body as sent, once; 0 when none was */
    unsigned transactions, round_trips;
    int64_t elapsed_us;
    int is_reusable;   /* the connection can take another message */
    int must_close;    /* the channel is dead or cannot be trusted */
    nsx_errcode local; /* NSX_E_NONE; NSX_E_SOURCE: the source failed, its
                          owner has the reason; NSX_E_BARE_CR; NSX_E_ARGUMENT:
                          the envelope was refused locally; NSX_E_NOMEM;
                          NSX_E_CANCELLED */
};
void nsx_message_result(const struct nsx_message *m,
                        struct nsx_message_result *r);

#endif
