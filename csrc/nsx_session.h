/*
 * nsx_session.h - one conversation with a server: commands and bodies on
 * their way out, the replies that are still to come, in step.
 *
 *     push a command (or several), give a body   nothing is sent yet
 *     nsx_session_step                           moves octets both ways
 *       WANT_...   wait until nsx_session_deadline, then step again
 *       AGAIN      look at the clock and at signals, then step again
 *       REPLY      nsx_session_reply; nsx_session_take; step again
 *       DONE       all is written, nothing is to come
 *
 * A step never waits, calls nothing but the body's source, and moves at most
 * NSX_STEP_OCTETS each way.  While what is to be written does not go, it
 * reads: buffers that are full on both sides never lock.
 *
 * A reply is matched with the first thing that waits for one, and never with
 * a command whose octets have not all gone out.  What the server says while
 * nothing waits stays where it is: the next reply, for the classic methods;
 * an error where the session is strict.
 *
 * Strict (a message run): a line that is no reply, a reply nobody waits for,
 * or one that begins with neither 2, 3, 4 nor 5 ends the session with
 * NSX_E_REPLY_SYNTAX.  Otherwise such a line is handed out, and answers.
 *
 * LMTP (RFC 2033 4.2, 4.3): what ends a message waits for one reply for each
 * recipient that was accepted since MAIL, in their order; each is handed out
 * with that recipient's index.  Where none was accepted it waits for one.
 *
 * When writing fails, or takes too long, what the server had said by then is
 * handed out first (reply.last is 1): it says why.  Then step answers ERROR.
 */
#ifndef NSX_SESSION_H
#define NSX_SESSION_H

#include "nsx_caps.h"
#include "nsx_channel.h"
#include "nsx_expect.h"
#include "nsx_source.h"

enum nsx_step {
    NSX_STEP_DONE = 0,   /* all is written, no reply is to come */
    NSX_STEP_WANT_READ,  /* step again when readable */
    NSX_STEP_WANT_WRITE, /* when writable */
    NSX_STEP_WANT_BOTH,  /* when either */
    NSX_STEP_AGAIN,      /* there is more to do at once */
    NSX_STEP_REPLY,      /* a whole reply is there, until it is taken */
    NSX_STEP_LATER,      /* the body's source has nothing now; a reply may come
                            meanwhile: step again when either changes */
    NSX_STEP_BODY_ERROR, /* the body's source failed: the session is torn, the
                            channel still alive */
    NSX_STEP_ERROR       /* s->ch->error says why; stays so */
};

enum nsx_session_state {
    NSX_SESSION_READY = 0, /* a command may be pushed */
    NSX_SESSION_BODY,      /* a body is on its way, or a unit is partly written:
                              no command before its end */
    NSX_SESSION_TORN,      /* something is half written and stays so */
    NSX_SESSION_CLOSING,   /* the server said 421 (strict sessions only) */
    NSX_SESSION_DEAD       /* the channel has failed, last words are out */
};

/* Why the connection is over, while replies that came before are handed out. */
enum nsx_session_ending {
    NSX_SESSION_LIVES = 0,
    NSX_SESSION_BROKEN, /* the channel has its error */
    NSX_SESSION_LATE    /* it will be NSX_E_TIMEOUT */
};

/* A reply in the channel's buffer: valid until it is taken or anything else is
 * done to the channel. */
struct nsx_answer {
    const char *code;    /* three digits of the last line */
    const char *lines;   /* all lines, with their ends; see nsx_answer_line */
    size_t len;          /* their octets */
    const char *garbage; /* a line without a code came in place of the last
                            one: without its end; else NULL.  lines holds what
                            came before it; code is NULL if nothing did */
    size_t garbage_len;
    size_t used;        /* octets of the buffer, garbage included */
    enum nsx_verb verb; /* what it answers; NSX_VERB_NONE: nothing */
    unsigned index;
    char last; /* 1: the connection is gone */
};

struct nsx_session {
    struct nsx_channel *ch; /* not owned */
    struct nsx_buf out;     /* octets of commands, not yet sent */
    size_t whole;           /* of out: what is committed */
    uint64_t sent;          /* octets handed to the channel, ever */
    uint64_t pushed;        /* octets committed, ever */
    uint64_t answered;      /* replies that were taken or passed, ever */
    unsigned mails;         /* MAIL commands on this connection (MAILMAX) */
    struct nsx_expect queue;
    struct nsx_expect accepted; /* LMTP: recipients of this transaction */
    struct nsx_source body;     /* pull NULL: none */
    const char *piece;          /* of the body, from its source */
    size_t piece_len;
    struct nsx_answer answer; /* used 0: none is held */
    struct nsx_caps caps;     /* for the owner to fill */
    double timeout;           /* seconds for each wait, 0: none */
    int64_t until;            /* the wait under way ends; 0: none is */
    int64_t deadline;         /* of all that is done; NSX_NEVER: none */
    enum nsx_session_state state;
    enum nsx_session_ending ending;
    char strict, lmtp; /* for the owner to set */
    char secret;
};

/* ch outlives the session.  Neither strict nor LMTP, no timeout. */
void nsx_session_init(struct nsx_session *s, struct nsx_channel *ch);
void nsx_session_free(struct nsx_session *s); /* the channel stays */

/* Forgets all that is under way, for a channel that was reopened.  strict,
 * lmtp, timeout, deadline and caps stay as they are. */
void nsx_session_reset(struct nsx_session *s);

/* ---- what is to be sent ---- */

/* Puts one command line, CRLF included, behind what is to be sent, and its
 * reply behind those to come (none where verb is NSX_VERB_NONE).  NSX_ERROR
 * with *e set, and nothing changed: NSX_E_ARGUMENT (no CRLF at the end, CR, LF
 * or NUL before it; more than NSX_MAX_EXPECTED replies; a state other than
 * READY), NSX_E_COMMAND_LENGTH, NSX_E_NOMEM. */
nsx_status nsx_session_push(struct nsx_session *s, enum nsx_verb verb,
                            const char *line, size_t n, unsigned index,
                            struct nsx_error *e);

/* The same without a copy: the line is built behind what is in the buffer that
 * _line answers (with nsx_command_word, _append, _end), and _commit does the
 * rest.  What was begun and not committed is forgotten by the next _line. */
struct nsx_buf *nsx_session_line(struct nsx_session *s);
nsx_status nsx_session_commit(struct nsx_session *s, enum nsx_verb verb,
                              unsigned index, struct nsx_error *e);

/* Overwrites the buffer once all in it is sent: it holds credentials. */
void nsx_session_secret(struct nsx_session *s);

/* A reply is to come without a command: the greeting, the end of a body.  It
 * may come as soon as what was pushed so far is sent. */
nsx_status nsx_session_expect(struct nsx_session *s, enum nsx_verb verb,
                              unsigned index, struct nsx_error *e);

/* Octets that go out as they are behind what was pushed, pulled as there is
 * room; *source is copied, its ctx is used until the state is READY again.
 * NSX_ERROR, NSX_E_ARGUMENT: a state other than READY. */
nsx_status nsx_session_body(struct nsx_session *s,
                            const struct nsx_source *source,
                            struct nsx_error *e);

/* Octets accepted and not yet handed to the kernel (or to TLS), and 1 more for
 * a body that has not ended: 0 when the server has all it is to get. */
size_t nsx_session_unsent(const struct nsx_session *s);

/* What is under way is not to be finished: the session is torn. */
void nsx_session_tear(struct nsx_session *s);

/* A unit (a command, a part of a body) goes out by other means, from the
 * caller's own memory: until _leave the session is in the midst of it. */
void nsx_session_enter(struct nsx_session *s);
void nsx_session_leave(struct nsx_session *s);

/* 1 when a unit is half written, and what comes now would be a part of it. */
int nsx_session_is_torn(const struct nsx_session *s);

/* ---- going on ---- */

enum nsx_step nsx_session_step(struct nsx_session *s);

/* The same without touching the descriptor: REPLY if a whole one is in the
 * channel's buffer for what waits, else WANT_READ, DONE or ERROR. */
enum nsx_step nsx_session_look(struct nsx_session *s);

/* Between messages: reads once, although nothing is to come.  DONE: the server
 * is silent and there.  REPLY: it said something (421, where the session is
 * strict), which answers nothing.  ERROR: it is gone.  WANT_READ: half a line. */
enum nsx_step nsx_session_probe(struct nsx_session *s);

/* The reply that is there, until it is taken off. */
const struct nsx_answer *nsx_session_reply(const struct nsx_session *s);
void nsx_session_take(struct nsx_session *s);

/* The next line of an answer; *at, 0 to begin with, says where to go on.
 * 1 with *line filled, 0 when there is no further one. */
int nsx_answer_line(const struct nsx_answer *a, size_t *at,
                    struct nsx_reply_line *line);

/* Replies still to come, at least; 0: in step. */
size_t nsx_session_outstanding(const struct nsx_session *s);

/* What the next reply answers (NSX_VERB_NONE: nothing); and takes that off,
 * for a reply that was read by other means. */
enum nsx_verb nsx_session_next(const struct nsx_session *s);
void nsx_session_pass(struct nsx_session *s);

/* Nobody will ask for the replies that are to come (0: somebody does after all):
 * they have to pass before the next command.  1 when the next one is such. */
void nsx_session_disown(struct nsx_session *s, int disowned);
int nsx_session_is_disowned(const struct nsx_session *s);

/* Goes on where another session on the same connection is, by another process
 * or thread: the replies to come, the count of MAIL; torn where that one has
 * something half written or its channel failed.  s is new. */
nsx_errcode nsx_session_continue(struct nsx_session *s,
                                 const struct nsx_session *from);

/* ---- time ---- */

/* Until when the wait that the last step asked for may last: timeout from the
 * first call since something moved, and not beyond s->deadline. */
int64_t nsx_session_deadline(struct nsx_session *s);

/* The caller saw that pass, whether or not the descriptor is ready.  What came
 * late answers nothing: ERROR, NSX_E_TIMEOUT; or REPLY first, where octets had
 * been waiting to go. */
enum nsx_step nsx_session_timed_out(struct nsx_session *s);

#endif
