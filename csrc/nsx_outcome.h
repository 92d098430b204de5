/*
 * nsx_outcome.h - what became of a message: one record a recipient, and what
 * they make together.
 *
 * A record holds the reply that decided, or, where none did (a local refusal,
 * a lost connection), code 0, an enhanced code and a text of our own.  Texts
 * are kept once where neighbours share them, in memory the outcome owns.
 */
#ifndef NSX_OUTCOME_H
#define NSX_OUTCOME_H

#include <stddef.h>
#include <stdint.h>

#include "nsx_buf.h"

enum nsx_fate {
    NSX_FATE_PENDING = 0, /* not decided yet; never in a finished outcome */
    NSX_FATE_ACCEPTED,
    NSX_FATE_REFUSED,  /* 5xx */
    NSX_FATE_DEFERRED, /* 4xx, or lost before the end of the data */
    NSX_FATE_UNKNOWN,  /* the end of the data was sent, no reply came */
    NSX_FATE_UNSENT,   /* refused locally, or others kept it from being sent */
    NSX_FATE_PARTIAL   /* of a message only: some accepted, some not */
};

enum nsx_stage {
    NSX_STAGE_LOCAL = 0,
    NSX_STAGE_CONNECT,
    NSX_STAGE_MAIL,
    NSX_STAGE_RCPT,
    NSX_STAGE_DATA,
    NSX_STAGE_BODY,
    NSX_STAGE_END
};

/* RFC 3463: class.subject.detail; class 0 means none. */
struct nsx_enhanced {
    uint8_t cls; /* 2, 4 or 5 */
    uint16_t subject, detail;
};

/* "5.1.1" and NUL take at most this. */
#define NSX_ENHANCED_SIZE 10u

struct nsx_record {
    uint8_t fate;  /* enum nsx_fate */
    uint8_t stage; /* enum nsx_stage: where it was decided */
    uint16_t code; /* of the reply, or 0 */
    struct nsx_enhanced enhanced;
    uint32_t text, text_len; /* see nsx_outcome_text */
};

struct nsx_outcome {
    struct nsx_record *records; /* count of them, in the order given */
    size_t count, room;
    struct nsx_buf texts;
    uint32_t last, last_len; /* the text kept last */
    int skip_bad;
};

/* Names as the result shows them ("accepted", "rcpt"); static. */
const char *nsx_fate_name(enum nsx_fate f);
const char *nsx_stage_name(enum nsx_stage s);

/* The one of that name, exactly so: 1, or 0 where there is none. */
int nsx_fate_find(const char *name, size_t len, enum nsx_fate *out);
int nsx_stage_find(const char *name, size_t len, enum nsx_stage *out);

/* No records yet. */
void nsx_outcome_init(struct nsx_outcome *o);
void nsx_outcome_free(struct nsx_outcome *o);

/* Begins anew with count pending records, in the memory that is there where it
 * is enough.  NSX_ERROR: NSX_E_NOMEM. */
nsx_status nsx_outcome_begin(struct nsx_outcome *o, size_t count, int skip_bad,
                             struct nsx_error *e);

/* Fills a record, all but its fate, from a reply: code and the text of its
 * lines, codes removed, joined by LF.  An enhanced code of the reply's own
 * class (RFC 2034 4) at the start of the lines is taken out of the text.  Text
 * beyond NSX_MAX_OUTCOME_TEXT, or beyond the memory at hand, is cut off. */
void nsx_outcome_reply(struct nsx_outcome *o, struct nsx_record *r,
                       enum nsx_stage stage, unsigned code, const char *text,
                       size_t len);

/* The same without a reply: code 0. */
void nsx_outcome_local(struct nsx_outcome *o, struct nsx_record *r,
                       enum nsx_stage stage, struct nsx_enhanced enhanced,
                       const char *text, size_t len);

/* Gives record i what r says, with this fate. */
void nsx_outcome_decide(struct nsx_outcome *o, size_t i, enum nsx_fate fate,
                        const struct nsx_record *r);

/* The record's text, no NUL, valid until the outcome is changed or freed. */
const char *nsx_outcome_text(const struct nsx_outcome *o,
                             const struct nsx_record *r, size_t *len);

/* What the records make together, none of them pending: all accepted;
 * partial; unknown when anybody's fate is; refused before deferred without
 * SkipBad, deferred before refused with it; unsent.  *decider is the index of
 * the first record with that fate; of a partial message, the one that would
 * decide among those that were not accepted. */
enum nsx_fate nsx_outcome_message(const struct nsx_outcome *o, size_t *decider);

/* What decided is passing (4xx, a lost connection) or lasting (5xx, a local
 * reason); both 0 for what was accepted or is unknown. */
int nsx_record_is_temporary(const struct nsx_record *r);
int nsx_record_is_permanent(const struct nsx_record *r);

/* May be tried again without anybody getting the message twice. */
int nsx_record_may_retry(const struct nsx_record *r);

/* Writes "5.1.1" and NUL; returns 0 and "" where there is none. */
int nsx_enhanced_format(const struct nsx_enhanced *x,
                        char out[NSX_ENHANCED_SIZE]);

/* Takes the enhanced code at the start of text[0..n) when its class is cls
 * ('2', '4', '5') and a blank or the end follows: returns the octets it and
 * one blank take, 0 when there is none (then *x is left alone). */
size_t nsx_enhanced_parse(const char *text, size_t n, char cls,
                          struct nsx_enhanced *x);

#endif
