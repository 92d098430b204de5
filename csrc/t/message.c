/* Messages against a scripted server: every event in every mode. */
#include "tap.h"
#include "net.h"
#include "mx.h"

enum {
    SKIP = 1,
    LMTP = 2,
    NO_CHUNKS = 4,
    ONCE = 8,
    EARLY = 16,
    DATA_ANYWAY = 32,
    BINARY = 64
};

static const char body_text[] = "Subject: x\n\n.dot\nlast";
static const char body_wire[] = "Subject: x\r\n\r\n.dot\r\nlast\r\n";

/* A source that can be read once, in small pieces. */
struct once {
    size_t at;
};

static nsx_status
pull_once(void *ctx, const char **ptr, size_t *len)
{
    struct once *o = ctx;
    size_t left = sizeof body_text - 1 - o->at;

    *ptr = body_text + o->at;
    *len = left < 7 ? left : 7;
    o->at += *len;
    return NSX_OK;
}

struct row {
    const char *name, *offers;
    enum nsx_pace pace;
    unsigned flags;
    const char *to;
    struct {
        const char *mail, *data, *end, *bdat, *rset, *ends[4];
        size_t rcpt_max;
    } say;
    const char *log, *fates;
    const char *stage; /* of the decider, "" does not matter */
    enum nsx_fate fate;
    unsigned trips;
    int reusable;
};

#define PIPE "PIPELINING"
#define FULL "PIPELINING,CHUNKING"
#define LOCK NSX_PACE_LOCKSTEP
#define ENV NSX_PACE_ENVELOPE
#define MSG NSX_PACE_MESSAGE
#define ACC NSX_FATE_ACCEPTED
#define PART NSX_FATE_PARTIAL
#define REF NSX_FATE_REFUSED
#define DEF NSX_FATE_DEFERRED
#define UNK NSX_FATE_UNKNOWN
#define UNS NSX_FATE_UNSENT

#define SAY(...)                                                               \
    {                                                                          \
        __VA_ARGS__                                                            \
    }
#define USUAL                                                                  \
    {                                                                          \
        .rcpt_max = 0                                                          \
    }

static const struct row rows[] = {
    /* how many flights */
    { "lockstep, DATA", "", LOCK, 0, "a b", USUAL,
      "MAIL | RCPT | RCPT | DATA | .", "AA", "end", ACC, 5, 1 },
    { "lockstep asks every recipient", "", LOCK, 0, "a 550 c", USUAL,
      "MAIL | RCPT | RCPT | RCPT | RSET", "NRN", "rcpt", REF, 5, 1 },
    { "lockstep, BDAT", "CHUNKING", LOCK, 0, "a b", USUAL,
      "MAIL | RCPT | RCPT | BDAT-LAST", "AA", "end", ACC, 4, 1 },
    { "no PIPELINING is lockstep", "CHUNKING", MSG, SKIP, "a b", USUAL,
      "MAIL | RCPT | RCPT | BDAT-LAST", "AA", "end", ACC, 4, 1 },
    { "envelope, DATA", PIPE, ENV, 0, "a b", USUAL, "MAIL RCPT RCPT | DATA | .",
      "AA", "end", ACC, 3, 1 },
    { "DATA joins with SkipBad", PIPE, ENV, SKIP, "a b", USUAL,
      "MAIL RCPT RCPT DATA | .", "AA", "end", ACC, 2, 1 },
    { "envelope, BDAT", FULL, ENV, 0, "a b", USUAL,
      "MAIL RCPT RCPT | BDAT-LAST", "AA", "end", ACC, 2, 1 },
    { "BDAT does not join", FULL, ENV, SKIP, "a b", USUAL,
      "MAIL RCPT RCPT | BDAT-LAST", "AA", "end", ACC, 2, 1 },
    { "all in one flight", FULL, MSG, SKIP, "a b", USUAL,
      "MAIL RCPT RCPT BDAT-LAST", "AA", "end", ACC, 1, 1 },
    { "not without SkipBad", FULL, MSG, 0, "a b", USUAL,
      "MAIL RCPT RCPT | BDAT-LAST", "AA", "end", ACC, 2, 1 },
    { "nor with DATA", PIPE, MSG, SKIP, "a b", USUAL, "MAIL RCPT RCPT DATA | .",
      "AA", "end", ACC, 2, 1 },
    { "Chunking off", FULL, MSG, SKIP | NO_CHUNKS, "a b", USUAL,
      "MAIL RCPT RCPT DATA | .", "AA", "end", ACC, 2, 1 },
    { "a size nobody knows", FULL, MSG, SKIP | ONCE, "a b", USUAL,
      "MAIL RCPT RCPT DATA | .", "AA", "end", ACC, 2, 1 },
    { "binary of unknown size", FULL ",BINARYMIME", MSG, SKIP | ONCE | BINARY,
      "a b", USUAL, "MAIL RCPT RCPT | BDAT-LAST", "AA", "end", ACC, 2, 1 },
    /* refusals */
    { "all refused, DATA too", PIPE, ENV, SKIP, "550 551", USUAL,
      "MAIL RCPT RCPT DATA | RSET", "RR", "rcpt", REF, 2, 1 },
    { "all refused, DATA got 354", PIPE, ENV, SKIP | DATA_ANYWAY, "550 450",
      SAY(.end = "250 fine"), "MAIL RCPT RCPT DATA | .", "RD", "rcpt", DEF, 2,
      1 },
    { "all refused, envelope", PIPE, ENV, 0, "550 450", USUAL,
      "MAIL RCPT RCPT | RSET", "RD", "rcpt", REF, 2, 1 },
    { "all refused, one flight", FULL, MSG, SKIP, "550 551", USUAL,
      "MAIL RCPT RCPT BDAT-LAST | RSET", "RR", "rcpt", REF, 2, 1 },
    { "some refused, SkipBad", PIPE, ENV, SKIP, "a 550 c", USUAL,
      "MAIL RCPT RCPT RCPT DATA | .", "ARA", "rcpt", PART, 2, 1 },
    { "some refused, one flight", FULL, MSG, SKIP, "a 550 c", USUAL,
      "MAIL RCPT RCPT RCPT BDAT-LAST", "ARA", "rcpt", PART, 1, 1 },
    { "some refused, no SkipBad", PIPE, ENV, 0, "a 450 c", USUAL,
      "MAIL RCPT RCPT RCPT | RSET", "NDN", "rcpt", DEF, 2, 1 },
    { "5xx goes before 4xx without SkipBad", PIPE, ENV, 0, "450 550 c", USUAL,
      "MAIL RCPT RCPT RCPT | RSET", "DRN", "rcpt", REF, 2, 1 },
    { "MAIL refused", PIPE, ENV, 0, "a b", SAY(.mail = "550 5.7.1 no"),
      "MAIL RCPT RCPT", "RR", "mail", REF, 1, 1 },
    { "MAIL refused, DATA in flight", PIPE, ENV, SKIP, "a b",
      SAY(.mail = "450 4.7.1 no"), "MAIL RCPT RCPT DATA", "DD", "mail", DEF, 1,
      1 },
    { "MAIL refused, lockstep", "", LOCK, 0, "a b", SAY(.mail = "550 no"),
      "MAIL", "RR", "mail", REF, 1, 1 },
    { "MAIL refused, one flight", FULL, MSG, SKIP, "a b", SAY(.mail = "550 no"),
      "MAIL RCPT RCPT BDAT-LAST | RSET", "RR", "mail", REF, 2, 1 },
    { "DATA refused", PIPE, ENV, 0, "a b", SAY(.data = "451 4.3.0 no"),
      "MAIL RCPT RCPT | DATA | RSET", "DD", "data", DEF, 3, 1 },
    { "DATA refused in the flight", PIPE, ENV, SKIP, "a 550",
      SAY(.data = "554 no"), "MAIL RCPT RCPT DATA | RSET", "RR", "data", REF, 2,
      1 },
    { "any 3xx is the go-ahead", PIPE, ENV, 0, "a", SAY(.data = "399 go"),
      "MAIL RCPT | DATA | .", "A", "end", ACC, 3, 1 },
    { "the data refused", PIPE, ENV, 0, "a b", SAY(.end = "554 5.6.0 spam"),
      "MAIL RCPT RCPT | DATA | .", "RR", "end", REF, 3, 1 },
    { "BDAT LAST refused", FULL, ENV, 0, "a b", SAY(.end = "451 later"),
      "MAIL RCPT RCPT | BDAT-LAST | RSET", "DD", "end", DEF, 3, 1 },
    /* 421 */
    { "421 to MAIL", PIPE, ENV, 0, "a b", SAY(.mail = "421 bye"),
      "MAIL RCPT RCPT", "DD", "mail", DEF, 1, 0 },
    { "421 to MAIL, all is out", FULL, MSG, SKIP, "a b", SAY(.mail = "421 bye"),
      "MAIL RCPT RCPT BDAT-LAST", "DD", "mail", DEF, 1, 0 },
    { "421 to a recipient, all is out", FULL, MSG, SKIP, "550 421 c", USUAL,
      "MAIL RCPT RCPT RCPT BDAT-LAST", "RDD", "rcpt", DEF, 1, 0 },
    { "421 to DATA", PIPE, ENV, SKIP, "550 b", SAY(.data = "421 bye"),
      "MAIL RCPT RCPT DATA", "RD", "data", DEF, 1, 0 },
    { "421 to the end", PIPE, ENV, SKIP, "550 b", SAY(.end = "421 bye"),
      "MAIL RCPT RCPT DATA | .", "RD", "end", DEF, 2, 0 },
    { "421 to RSET", PIPE, ENV, 0, "550 b", SAY(.rset = "421 bye"),
      "MAIL RCPT RCPT | RSET", "RN", "rcpt", REF, 2, 0 },
    { "RSET refused", PIPE, ENV, 0, "550 b", SAY(.rset = "500 no"),
      "MAIL RCPT RCPT | RSET", "RN", "rcpt", REF, 2, 0 },
    /* losses */
    { "lost before MAIL's reply", PIPE, ENV, 0, "a", SAY(.mail = "!"), "MAIL",
      "D", "mail", DEF, 1, 0 },
    { "silent at DATA", PIPE, ENV, SKIP, "a 550", SAY(.data = "?"),
      "MAIL RCPT RCPT DATA", "DR", "data", DEF, 1, 0 },
    { "lost at the end", PIPE, ENV, SKIP, "a 550", SAY(.end = "!"),
      "MAIL RCPT RCPT DATA | .", "UR", "end", UNK, 2, 0 },
    { "silent at the end", FULL, ENV, SKIP, "a 550", SAY(.end = "?"),
      "MAIL RCPT RCPT | BDAT-LAST", "UR", "end", UNK, 2, 0 },
    { "lost, one flight, after the recipients", FULL, MSG, SKIP, "a 550",
      SAY(.end = "!"), "MAIL RCPT RCPT BDAT-LAST", "UR", "end", UNK, 1, 0 },
    { "lost, one flight, at MAIL", FULL, MSG, SKIP, "a 550", SAY(.mail = "!"),
      "MAIL", "UU", "end", UNK, 1, 0 },
    { "RSET lost", PIPE, ENV, 0, "550 b", SAY(.rset = "!"),
      "MAIL RCPT RCPT | RSET", "RN", "rcpt", REF, 2, 0 },
    /* nonsense */
    { "a line without a code", PIPE, ENV, 0, "a", SAY(.mail = "what"),
      "MAIL RCPT", "D", "mail", DEF, 1, 0 },
    { "an impossible code", PIPE, ENV, 0, "a", SAY(.mail = "350 go"),
      "MAIL RCPT", "D", "mail", DEF, 1, 0 },
    { "250 to DATA", PIPE, ENV, 0, "a", SAY(.data = "250 ok"),
      "MAIL RCPT | DATA", "D", "data", DEF, 2, 0 },
    { "nonsense at the end", PIPE, ENV, 0, "a", SAY(.end = "what"),
      "MAIL RCPT | DATA | .", "U", "end", UNK, 3, 0 },
    { "354 at the end", PIPE, ENV, 0, "a", SAY(.end = "354 go"),
      "MAIL RCPT | DATA | .", "U", "end", UNK, 3, 0 },
    { "a reply too many", PIPE, ENV, 0, "a", SAY(.mail = "250 a\n250 b\n250 c"),
      "MAIL RCPT", "D", "", DEF, 1, 0 },
    /* LMTP */
    { "LMTP", PIPE, ENV, SKIP | LMTP, "a 550 c d",
      SAY(.ends = { "250 a", "452 full", "250 d" }),
      "MAIL RCPT RCPT RCPT RCPT DATA | .", "ARDA", "end", PART, 2, 1 },
    { "LMTP by BDAT", FULL, MSG, SKIP | LMTP, "a 550 c",
      SAY(.ends = { "250 a", "550 no" }), "MAIL RCPT RCPT RCPT BDAT-LAST",
      "ARR", "rcpt", PART, 1, 1 },
    { "LMTP lost in the middle", PIPE, ENV, SKIP | LMTP, "a b c",
      SAY(.ends = { "250 a", "!" }), "MAIL RCPT RCPT RCPT DATA | .", "AUU",
      "end", PART, 2, 0 },
    { "LMTP, 421 in the middle", PIPE, ENV, SKIP | LMTP, "a b c",
      SAY(.ends = { "250 a", "421 bye", "?" }), "MAIL RCPT RCPT RCPT DATA | .",
      "ADU", "end", PART, 2, 0 },
    { "LMTP, nobody accepted, one flight", FULL, MSG, SKIP | LMTP, "550 551",
      USUAL, "MAIL RCPT RCPT BDAT-LAST | RSET", "RR", "rcpt", REF, 2, 1 },
    /* several transactions */
    { "452 to later recipients", PIPE, ENV, SKIP, "a b c d e",
      SAY(.rcpt_max = 2),
      "MAIL RCPT RCPT RCPT RCPT RCPT DATA | . | MAIL RCPT RCPT RCPT DATA | . "
      "| MAIL RCPT DATA | .",
      "AAAAA", "end", ACC, 6, 1 },
    { "452 without SkipBad", PIPE, ENV, 0, "a b c", SAY(.rcpt_max = 2),
      "MAIL RCPT RCPT RCPT | RSET", "NND", "rcpt", DEF, 2, 1 },
    { "452, but the source is gone", PIPE, ENV, SKIP | ONCE, "a b c",
      SAY(.rcpt_max = 2), "MAIL RCPT RCPT RCPT DATA | .", "AAD", "rcpt", PART,
      2, 1 },
    { "452 and the data refused", PIPE, ENV, SKIP, "a b c",
      SAY(.rcpt_max = 2, .end = "554 no"), "MAIL RCPT RCPT RCPT DATA | .",
      "RRD", "rcpt", DEF, 2, 1 },
    { "452 in one flight", FULL, MSG, SKIP, "a b c", SAY(.rcpt_max = 2),
      "MAIL RCPT RCPT RCPT BDAT-LAST | MAIL RCPT BDAT-LAST", "AAA", "end", ACC,
      2, 1 },
    { "RCPTMAX", PIPE ",LIMITS RCPTMAX=2", ENV, SKIP, "a b c", USUAL,
      "MAIL RCPT RCPT DATA | . | MAIL RCPT DATA | .", "AAA", "end", ACC, 4, 1 },
    { "RCPTMAX without SkipBad", PIPE ",LIMITS RCPTMAX=2", ENV, 0, "a b c",
      USUAL, "", "NNN", "local", UNS, 0, 1 },
    { "RCPTMAX, data refused", PIPE ",LIMITS RCPTMAX=2", ENV, SKIP, "a b c",
      SAY(.end = "554 no"), "MAIL RCPT RCPT DATA | .", "RRN", "end", REF, 2,
      1 },
    { "RCPTMAX, the first ones refused", PIPE ",LIMITS RCPTMAX=2", ENV, SKIP,
      "550 450 c", USUAL, "MAIL RCPT RCPT DATA | RSET | MAIL RCPT DATA | .",
      "RDA", "rcpt", PART, 4, 1 },
    { "RCPTMAX, the first ones put off", PIPE ",LIMITS RCPTMAX=2", LOCK, SKIP,
      "452 452 c", USUAL, "MAIL | RCPT | RCPT | RSET | MAIL | RCPT | DATA | .",
      "DDA", "rcpt", PART, 8, 1 },
    { "452 to all, and DATA got 354", PIPE, ENV, SKIP | DATA_ANYWAY, "452 452",
      SAY(.end = "250 fine"), "MAIL RCPT RCPT DATA | .", "DD", "rcpt", DEF, 2,
      1 },
    { "RCPTDOMAINMAX", PIPE ",LIMITS RCPTDOMAINMAX=1", ENV, SKIP, "a@Y b@z c@y",
      USUAL, "MAIL RCPT RCPT DATA | . | MAIL RCPT DATA | .", "AAA", "end", ACC,
      4, 1 },
    { "RCPTDOMAINMAX without SkipBad", PIPE ",LIMITS RCPTDOMAINMAX=1", ENV, 0,
      "a@y b@z", USUAL, "", "NN", "local", UNS, 0, 1 },
    { "MAILMAX", PIPE ",LIMITS MAILMAX=1", ENV, SKIP, "a", USUAL,
      "MAIL RCPT DATA | .", "A", "end", ACC, 2, 0 },
    /* the body */
    { "early 552 inside DATA", PIPE, ENV, SKIP | EARLY, "a 550",
      SAY(.end = "552 5.3.4 big"), NULL, "RR", "", REF, 2, 0 },
    { "local refusal", "SIZE 5", LOCK, 0, "a b", USUAL, "", "NN", "local", UNS,
      0, 1 },
};

/* An early reply to a body this small comes when all is out: only a larger
 * one shows it, see early(). */
static int
is_early_row(const struct row *row)
{
    return row->log == NULL;
}

static void
set_up(struct nsx_message *m, const struct row *row, struct nsx_source *source,
       struct nsx_memory *mem, struct once *once)
{
    struct nsx_error e;

    nsx_message_init(m);
    nsx_error_reset(&e);
    address(m, row->to);
    m->rules.pace = row->pace;
    m->rules.skip_bad = (row->flags & SKIP) != 0;
    m->rules.chunking = (row->flags & NO_CHUNKS) == 0;
    if ((row->flags & BINARY) != 0)
        (void)nsx_envelope_set(&m->envelope, NSX_OPT_BITS, "binary", 6, &e);
    nsx_memory_source(source, mem, body_text, sizeof body_text - 1);
    if ((row->flags & ONCE) != 0) {
        once->at = 0;
        source->ctx = once;
        source->pull = pull_once;
        source->rewind = NULL;
    }
}

static void
set_server(struct mx *x, const struct row *row)
{
    size_t i;

    x->mail = row->say.mail;
    x->data = row->say.data;
    x->end = row->say.end;
    x->bdat = row->say.bdat;
    x->rset = row->say.rset;
    for (i = 0; i < 4; i++)
        x->ends[i] = row->say.ends[i];
    x->rcpt_max = row->say.rcpt_max;
    x->lmtp = (row->flags & LMTP) != 0;
    x->early = (row->flags & EARLY) != 0;
    x->data_anyway = (row->flags & DATA_ANYWAY) != 0;
}

static void
one_row(const struct row *row)
{
    struct nsx_message_result res;
    struct nsx_message m;
    struct nsx_source source;
    struct nsx_memory mem;
    struct once once;
    struct nsx_error e;
    struct run r;
    const char *wire = (row->flags & BINARY) != 0 ? body_text : body_wire;

    if (is_early_row(row))
        return;
    nsx_error_reset(&e);
    run_open(&r, row->offers);
    set_server(&r.x, row);
    r.s.lmtp = (char)r.x.lmtp;
    set_up(&m, row, &source, &mem, &once);
    is_num(nsx_message_start(&m, &r.s, &source, &e), NSX_OK, row->name);
    ok(drive(&r, &m), "it ends");
    nsx_message_result(&m, &res);
    is_str(r.x.log, row->log, "what the server was told");
    is_str(fates(&m), row->fates, "fates");
    is_str(nsx_fate_name(res.fate), nsx_fate_name(row->fate), "the whole");
    if (*row->stage != '\0')
        is_str(nsx_stage_name(
                   (enum nsx_stage)m.outcome.records[res.decider].stage),
               row->stage, "stage");
    is_num(res.round_trips, row->trips, "round trips");
    is_num(res.is_reusable, row->reusable, "reusable");
    if (res.fate == ACC) {
        is_mem(r.x.body, r.x.body_len, wire, strlen(wire), "the body");
        is_num(res.octets, strlen(wire), "its octets");
    }
    nsx_message_free(&m);
    run_close(&r);
}

int
main(void)
{
    size_t i;

    watchdog(120);
    for (i = 0; i < sizeof rows / sizeof rows[0]; i++)
        one_row(&rows[i]);
    return done_testing();
}
