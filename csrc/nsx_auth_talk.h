/*
 * nsx_auth_talk.h - SMTP's AUTH command and the exchange it begins (RFC 4954 4),
 * without the wire.
 *
 * A talk says which line is to be sent and is told the server's reply, until
 * it is over.  It knows base64, "=" for an empty initial response, "*" for a
 * cancelled exchange, the limit of a line (an initial response that would pass
 * it waits for the server's empty first challenge) and how many challenges one
 * exchange may have.  What is said comes from one of our mechanisms, or from a
 * client that the caller drives.
 *
 *     talk = nsx_auth_ours(sasl, &e)  or  nsx_auth_theirs(name, ...)
 *     step = nsx_auth_start(talk)
 *     while step is not NSX_AUTH_OVER:
 *         NSX_AUTH_SEND       send the line of nsx_auth_words and its CRLF;
 *                             step = nsx_auth_reply(talk, the whole reply)
 *         NSX_AUTH_WORK       look at the clock and at signals;
 *                             step = nsx_auth_work(talk)
 *         NSX_AUTH_CHALLENGE  (theirs) let the client answer;
 *                             step = nsx_auth_answer(talk, its answer)
 *         NSX_AUTH_SUCCESS    (theirs) the server reports success;
 *                             step = nsx_auth_believe(talk, 1 or 0)
 *     nsx_auth_outcome(talk), nsx_auth_why(talk)
 *     nsx_auth_free(talk)
 *
 * No call waits, and each does some milliseconds of work at most.  In any step
 * nsx_auth_cancel may be called in the place of what is written above.  Any
 * other call out of its turn ends the talk as broken.  A talk that is left
 * before it is over leaves the server in mid-exchange, where it would take the
 * next command for an answer: the session is then to be closed.
 *
 * Lines, challenges and answers are secrets: a talk overwrites its own copies
 * before the next step and when it is freed.
 */
#ifndef NSX_AUTH_TALK_H
#define NSX_AUTH_TALK_H

#include "nsx_sasl.h"

struct nsx_auth_talk; /* opaque; one AUTH command */

enum nsx_auth_step {
    NSX_AUTH_OVER = 0,
    NSX_AUTH_SEND,
    NSX_AUTH_WORK,
    NSX_AUTH_CHALLENGE,
    NSX_AUTH_SUCCESS
};

enum nsx_auth_outcome {
    NSX_AUTH_PENDING = 0, /* not over yet */
    NSX_AUTH_ACCEPTED,
    NSX_AUTH_UNFIT,     /* the mechanism could not begin: nothing was sent */
    NSX_AUTH_UNSUITED,  /* the server refused the mechanism (504, 534, 538):
                           another may do */
    NSX_AUTH_REFUSED,   /* any other refusal, or one with the enhanced code
                           5.7.8: another attempt could only count as a
                           further wrong password */
    NSX_AUTH_CANCELLED, /* by us; the session is in step */
    NSX_AUTH_BROKEN     /* the session is to be closed: a success that is not
                           to be believed, a "*" that was not taken for one,
                           or a call out of turn */
};

/* With one of our mechanisms, not started yet.  Takes sasl over, also when it
 * fails: NULL with *e set, NSX_E_NOMEM. */
struct nsx_auth_talk *nsx_auth_ours(struct nsx_sasl *sasl, struct nsx_error *e);

/* With a client of the caller's, whose mechanism has that name.  first is its
 * initial response, n octets; 0: none.  All is copied.  NULL with *e set:
 * NSX_E_NOMEM, or NSX_E_ARGUMENT (the name is empty, longer than
 * NSX_MAX_SASL_NAME or has a blank or control character; or first is longer
 * than NSX_MAX_SASL_RESPONSE). */
struct nsx_auth_talk *nsx_auth_theirs(const char *name, size_t len,
                                      const void *first, size_t n,
                                      struct nsx_error *e);

/* NULL is allowed. */
void nsx_auth_free(struct nsx_auth_talk *t);

/* NSX_AUTH_SEND; or NSX_AUTH_OVER, with NSX_AUTH_UNFIT. */
enum nsx_auth_step nsx_auth_start(struct nsx_auth_talk *t);

/* The line of NSX_AUTH_SEND as words, to be joined by one space each: "AUTH",
 * the mechanism and perhaps the initial response; or one word, which may be
 * empty.  How many; the slices are valid until the next step. */
enum {
    NSX_AUTH_WORDS = 3
};
size_t nsx_auth_words(const struct nsx_auth_talk *t,
                      struct nsx_octets words[NSX_AUTH_WORDS]);

/* The reply: its code and the text of its first line, with or without a line
 * end.  Code 0 is no reply at all. */
enum nsx_auth_step nsx_auth_reply(struct nsx_auth_talk *t, unsigned code,
                                  const char *text, size_t len);

/* A slice of the work. */
enum nsx_auth_step nsx_auth_work(struct nsx_auth_talk *t);

/* 1 when the work cannot be done in the milliseconds that are allowed for all
 * of it, of which spent are gone: they are up, or at the pace so far would be
 * (not asked before a sixteenth of them is spent).  allowed < 0: no limit. */
int nsx_auth_too_slow(const struct nsx_auth_talk *t, long long spent,
                      long long allowed);

/* The challenge, decoded, of NSX_AUTH_CHALLENGE; valid until the next step.
 * One that is not base64 is decoded as far as it is: characters outside the
 * alphabet are skipped, and nothing is taken after a "=".  (For our own
 * mechanisms it is an error.) */
struct nsx_octets nsx_auth_challenge(const struct nsx_auth_talk *t);

enum nsx_auth_step nsx_auth_answer(struct nsx_auth_talk *t, const void *data,
                                   size_t n);

/* Whether the client takes the server's success for true; why when not. */
enum nsx_auth_step nsx_auth_believe(struct nsx_auth_talk *t, int true_success,
                                    const char *why);

/* Ends the exchange from our side, with "*" where the server waits for us.
 * Not to be called when a reply is outstanding. */
enum nsx_auth_step nsx_auth_cancel(struct nsx_auth_talk *t, const char *why);

enum nsx_auth_outcome nsx_auth_outcome(const struct nsx_auth_talk *t);

/* Why the outcome is NSX_AUTH_UNFIT, NSX_AUTH_CANCELLED or NSX_AUTH_BROKEN,
 * "" for the others; never holds a secret. */
const char *nsx_auth_why(const struct nsx_auth_talk *t);

/* What the server gave as its reason inside the exchange: nsx_sasl_detail. */
const char *nsx_auth_detail(const struct nsx_auth_talk *t);

#endif
