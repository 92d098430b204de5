/* Outcomes: records from replies, enhanced codes, the message's own fate. */
#include "tap.h"
#include "nsx_outcome.h"

static void
enhanced(void)
{
    static const struct {
        const char *text;
        char cls;
        size_t used;
        const char *code;
    } rows[] = {
        { "5.1.1 no", '5', 6, "5.1.1" },
        { "5.1.1", '5', 5, "5.1.1" },
        { "2.123.456 x", '2', 10, "2.123.456" },
        { "5.1.1\nx", '5', 5, "5.1.1" },
        { "5.1.1x", '5', 0, "" },
        { "5.1.1234 x", '5', 0, "" },
        { "4.1.1 no", '5', 0, "" }, /* RFC 2034 4: the reply's own class */
        { "5.1. x", '5', 0, "" },
        { "5..1 x", '5', 0, "" },
        { "5.1", '5', 0, "" },
        { "", '5', 0, "" },
    };
    size_t i;

    for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct nsx_enhanced x = { 0, 0, 0 };
        char out[NSX_ENHANCED_SIZE];

        is_num(nsx_enhanced_parse(rows[i].text, strlen(rows[i].text),
                                  rows[i].cls, &x),
               rows[i].used, rows[i].text);
        (void)nsx_enhanced_format(&x, out);
        is_str(out, rows[i].code, "its code");
    }
}

static void
is_text(const struct nsx_outcome *o, const struct nsx_record *r,
        const char *want, const char *name)
{
    size_t len;
    const char *text = nsx_outcome_text(o, r, &len);

    is_mem(text, len, want, strlen(want), name);
}

static void
reply(struct nsx_outcome *o, size_t i, enum nsx_fate fate, unsigned code,
      const char *text)
{
    struct nsx_record r;

    nsx_outcome_reply(o, &r, NSX_STAGE_RCPT, code, text, strlen(text));
    nsx_outcome_decide(o, i, fate, &r);
}

static void
replies(void)
{
    struct nsx_outcome o;
    struct nsx_error e;
    static char big[NSX_MAX_OUTCOME_TEXT + 100];
    struct nsx_enhanced lost = { 4, 4, 2 };
    struct nsx_record r;
    size_t before;

    nsx_error_reset(&e);
    nsx_outcome_init(&o);
    is_num(nsx_outcome_begin(&o, 4, 1, &e), NSX_OK, "four recipients");
    is_num(o.records[3].fate, NSX_FATE_PENDING, "are pending");
    reply(&o, 0, NSX_FATE_REFUSED, 550, "5.1.1 no\n5.1.1 such user");
    is_text(&o, &o.records[0], "no\nsuch user", "the text of both lines");
    is_num(o.records[0].enhanced.cls, 5, "the enhanced code beside it");
    before = o.texts.len;
    reply(&o, 1, NSX_FATE_REFUSED, 551, "no\nsuch user");
    is_num(o.texts.len, before, "the same text is kept once");
    is_text(&o, &o.records[1], "no\nsuch user", "for both");
    is_num(o.records[1].enhanced.cls, 0, "no enhanced code");
    memset(big, 'x', sizeof big);
    nsx_outcome_reply(&o, &r, NSX_STAGE_END, 250, big, sizeof big);
    is_num(r.text_len, NSX_MAX_OUTCOME_TEXT, "a long text is cut");
    nsx_outcome_decide(&o, 2, NSX_FATE_ACCEPTED, &r);
    nsx_outcome_local(&o, &r, NSX_STAGE_CONNECT, lost, "gone", 4);
    nsx_outcome_decide(&o, 3, NSX_FATE_DEFERRED, &r);
    is_text(&o, &o.records[3], "gone", "a text of our own");
    ok(nsx_record_is_temporary(&o.records[3]), "a loss is passing");
    ok(nsx_record_may_retry(&o.records[3]), "and may be tried again");
    ok(nsx_record_is_permanent(&o.records[0]), "a 550 is lasting");
    ok(!nsx_record_may_retry(&o.records[0]), "and not tried again");
    nsx_outcome_free(&o);
}

/* Fates as letters: A R D U(nknown) N(ot sent). */
static enum nsx_fate
fate_of(char c)
{
    return c == 'A' ? NSX_FATE_ACCEPTED
        : c == 'R'  ? NSX_FATE_REFUSED
        : c == 'D'  ? NSX_FATE_DEFERRED
        : c == 'U'  ? NSX_FATE_UNKNOWN
                    : NSX_FATE_UNSENT;
}

static void
messages(void)
{
    static const struct {
        const char *fates;
        int skip_bad;
        enum nsx_fate want;
        size_t decider;
    } rows[] = {
        { "AAA", 0, NSX_FATE_ACCEPTED, 0 },
        { "ARA", 1, NSX_FATE_PARTIAL, 1 },
        { "ARD", 1, NSX_FATE_PARTIAL, 2 },
        { "UAU", 1, NSX_FATE_PARTIAL, 0 }, /* LMTP, lost in the middle */
        { "RRR", 1, NSX_FATE_REFUSED, 0 },
        { "DRD", 0, NSX_FATE_REFUSED, 1 },
        { "RDR", 1, NSX_FATE_DEFERRED, 1 },
        { "NRN", 0, NSX_FATE_REFUSED, 1 },
        { "NDN", 0, NSX_FATE_DEFERRED, 1 },
        { "NNN", 0, NSX_FATE_UNSENT, 0 },
        { "RUU", 1, NSX_FATE_UNKNOWN, 1 },
    };
    size_t i, k;

    for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct nsx_outcome o;
        struct nsx_error e;
        size_t decider;

        nsx_error_reset(&e);
        nsx_outcome_init(&o);
        (void)nsx_outcome_begin(&o, 3, rows[i].skip_bad, &e);
        for (k = 0; k < 3; k++)
            reply(&o, k, fate_of(rows[i].fates[k]), 250, "x");
        is_str(nsx_fate_name(nsx_outcome_message(&o, &decider)),
               nsx_fate_name(rows[i].want), rows[i].fates);
        is_num(decider, rows[i].decider, "by whom");
        nsx_outcome_free(&o);
    }
    is_str(nsx_stage_name(NSX_STAGE_END), "end", "names of stages");
}

static void
retry(void)
{
    struct nsx_outcome o;
    struct nsx_error e;

    nsx_error_reset(&e);
    nsx_outcome_init(&o);
    (void)nsx_outcome_begin(&o, 3, 0, &e);
    reply(&o, 0, NSX_FATE_UNSENT, 450, "later");
    reply(&o, 1, NSX_FATE_UNSENT, 550, "never");
    reply(&o, 2, NSX_FATE_UNKNOWN, 0, "");
    ok(nsx_record_may_retry(&o.records[0]), "unsent for a passing reason");
    ok(!nsx_record_may_retry(&o.records[1]), "unsent for a lasting one");
    ok(!nsx_record_may_retry(&o.records[2]), "unknown never");
    nsx_outcome_free(&o);
    failing_after(0);
    nsx_outcome_init(&o);
    is_num(nsx_outcome_begin(&o, 3, 0, &e), NSX_ERROR, "no memory");
    is_num(o.count, 0, "no records");
    nsx_outcome_free(&o);
    failing_after(-1);
    nsx_error_reset(&e);
    nsx_outcome_init(&o);
    (void)nsx_outcome_begin(&o, 3, 0, &e);
    failing_after(0);
    reply(&o, 0, NSX_FATE_REFUSED, 550, "no");
    is_num(o.records[0].code, 550, "without memory the code is kept");
    is_num(o.records[0].text_len, 0, "the text is not");
    nsx_outcome_free(&o);
    nsx_alloc_hooks(NULL, NULL);
}

static void
names(void)
{
    enum nsx_fate fate;
    enum nsx_stage stage;
    int i;

    for (i = NSX_FATE_PENDING; i <= NSX_FATE_PARTIAL; i++) {
        const char *name = nsx_fate_name((enum nsx_fate)i);

        ok(nsx_fate_find(name, strlen(name), &fate) && (int)fate == i, name);
    }
    for (i = NSX_STAGE_LOCAL; i <= NSX_STAGE_END; i++) {
        const char *name = nsx_stage_name((enum nsx_stage)i);

        ok(nsx_stage_find(name, strlen(name), &stage) && (int)stage == i, name);
    }
    ok(!nsx_fate_find("accept", 6, &fate), "no fate");
    ok(!nsx_stage_find("", 0, &stage), "no stage");
}

int
main(void)
{
    enhanced();
    names();
    replies();
    messages();
    retry();
    return done_testing();
}
