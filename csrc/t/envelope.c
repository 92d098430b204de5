/* Envelopes: values that no rule allows, lines by what the server offers,
 * local refusals, what is left out. */
#include "tap.h"
#include "nsx_content.h"
#include "nsx_envelope.h"

enum {
    MOST_OPTIONS = 3
};

static struct nsx_caps caps;

static void
offer(const char *keywords)
{
    const char *at = keywords;

    nsx_caps_clear(&caps);
    while (*at != '\0') {
        size_t n = strcspn(at, ",");

        (void)nsx_caps_line(&caps, at, n);
        at += n + (at[n] == ',');
    }
}

static nsx_status
set(struct nsx_envelope *v, const char *name, const char *value,
    struct nsx_error *e)
{
    return nsx_envelope_set(v, nsx_option_find(name, strlen(name)), value,
                            strlen(value), e);
}

static void
sender(struct nsx_envelope *v, const char *path)
{
    struct nsx_error e;

    nsx_error_reset(&e);
    nsx_envelope_init(v);
    (void)nsx_envelope_from(v, path, strlen(path), &e);
    (void)nsx_envelope_to(v, "<b@y>", 5, &e);
}

/* A value that no rule allows names the option and changes nothing. */
static void
values(void)
{
    struct nsx_envelope v;
    struct nsx_error e;
    int o;

    sender(&v, "<>");
    for (o = 0; o < NSX_OPT_COUNT_; o++) {
        const struct nsx_option_facts *f = nsx_option_facts((enum nsx_option)o);
        nsx_status st;

        nsx_error_reset(&e);
        st = o == NSX_OPT_ORCPT
            ? nsx_envelope_set_rcpt(&v, 0, NSX_OPT_ORCPT, "x\n", 2, &e)
            : nsx_envelope_set(&v, (enum nsx_option)o, "x\n", 2, &e);
        if (f->is_valid("x\n", 2)) {
            is_num(st, NSX_OK, f->name);
            continue;
        }
        ok(st == NSX_ERROR && e.code == NSX_E_ARGUMENT
               && strncmp(e.text, f->name, strlen(f->name)) == 0
               && v.value[o].at == NSX_NOT_GIVEN,
           "%s: a wrong value", f->name);
    }
    nsx_envelope_free(&v);
}

static void
paths(void)
{
    static const struct {
        const char *path;
        int is_from, is_to;
    } rows[] = { { "<a@b>", 1, 1 },
                 { "<>", 1, 0 },
                 { "a@b", 0, 0 },
                 { "<a@b", 0, 0 },
                 { "<a@b> SIZE=1 X=<>", 0, 0 },
                 { "<a>b@c>", 0, 0 },
                 { "<\"a>b\"@c>", 1, 1 },
                 { "<\"a\\\">b\"@c>", 1, 1 },
                 { "<\"a>", 0, 0 },
                 { "<a\nb@c>", 0, 0 },
                 { "<\"a b\"@c>", 1, 1 },
                 { "<postmaster>", 1, 1 } };
    size_t i;

    for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct nsx_envelope v;
        struct nsx_error e;
        size_t n = strlen(rows[i].path);

        nsx_envelope_init(&v);
        nsx_error_reset(&e);
        is_num(nsx_envelope_from(&v, rows[i].path, n, &e) == NSX_OK,
               rows[i].is_from, rows[i].path);
        nsx_error_reset(&e);
        is_num(nsx_envelope_to(&v, rows[i].path, n, &e) == NSX_OK,
               rows[i].is_to, "as a recipient");
        is_num(v.count, rows[i].is_to, "counted");
        nsx_envelope_free(&v);
    }
    is_num(nsx_path_need("<a@b>", 5), NSX_NEED_NOTHING, "ASCII");
    is_num(nsx_path_need("<a@b\xc3\xa4>", 7), NSX_NEED_LABELS, "a domain");
    is_num(nsx_path_need("<\xc3\xa4@b>", 6), NSX_NEED_UTF8, "a local part");
}

struct mail_row {
    const char *offer;
    const char *options[2 * MOST_OPTIONS];
    uint64_t size;
    int may_be_8bit;
    const char *line;     /* NULL: refused locally */
    const char *refused;  /* its code */
    const char *left_out; /* an option of which a warning tells */
};

#define U NSX_SIZE_UNKNOWN
#define NONE                                                                   \
    {                                                                          \
        NULL, NULL, NULL, NULL, NULL, NULL                                     \
    }
#define ONE(a, b)                                                              \
    {                                                                          \
        a, b, NULL, NULL, NULL, NULL                                           \
    }
#define TWO(a, b, c, d)                                                        \
    {                                                                          \
        a, b, c, d, NULL, NULL                                                 \
    }

static const struct mail_row mails[] = {
    { "", NONE, 10, 1, "", NULL, NULL },
    { "SIZE", NONE, 10, 0, " SIZE=10", NULL, NULL },
    { "SIZE", NONE, U, 0, "", NULL, NULL },
    { "SIZE 10", NONE, 10, 0, " SIZE=10", NULL, NULL },
    { "SIZE 9", NONE, 10, 0, NULL, "5.3.4", NULL },
    { "SIZE 9", ONE("Size", "10"), U, 0, NULL, "5.3.4", NULL },
    { "SIZE 0", ONE("Size", "11"), 10, 0, " SIZE=11", NULL, NULL },
    { "", ONE("Size", "11"), 10, 0, "", NULL, "Size" },
    { "8BITMIME", NONE, U, 1, " BODY=8BITMIME", NULL, NULL },
    { "8BITMIME", NONE, U, 0, "", NULL, NULL },
    { "8BITMIME", ONE("Bits", "8"), U, 0, " BODY=8BITMIME", NULL, NULL },
    { "8BITMIME", ONE("Bits", "7"), U, 1, " BODY=7BIT", NULL, NULL },
    { "BINARYMIME", ONE("Bits", "7"), U, 1, " BODY=7BIT", NULL, NULL },
    { "", ONE("Bits", "8"), U, 1, "", NULL, "Bits" },
    { "BINARYMIME,CHUNKING", ONE("Bits", "binary"), U, 1, " BODY=BINARYMIME",
      NULL, NULL },
    { "BINARYMIME", ONE("Bits", "binary"), U, 1, NULL, "5.6.3", NULL },
    { "DSN", TWO("Return", "full", "Envelope", "a+b"), U, 0,
      " RET=FULL ENVID=a+2Bb", NULL, NULL },
    { "DSN", ONE("ENVID", "a+2Bb"), U, 0, " ENVID=a+2Bb", NULL, NULL },
    { "", ONE("Return", "FULL"), U, 0, "", NULL, "Return" },
    { "", ONE("Envelope", "x"), U, 0, "", NULL, "Envelope" },
    { "AUTH PLAIN", ONE("AUTH", ""), U, 0, " AUTH=<>", NULL, NULL },
    { "AUTH PLAIN", ONE("AUTH", "a@b"), U, 0, " AUTH=a@b", NULL, NULL },
    { "", ONE("AUTH", "a@b"), U, 0, "", NULL, "AUTH" },
    { "XVERP", ONE("XVERP", "1"), U, 0, " XVERP", NULL, NULL },
    { "", ONE("XVERP", "1"), U, 0, "", NULL, "XVERP" },
    { "SMTPUTF8", ONE("SMTPUTF8", "1"), U, 0, " SMTPUTF8", NULL, NULL },
    { "SMTPUTF8", ONE("SMTPUTF8", "0"), U, 0, "", NULL, NULL },
    { "", ONE("SMTPUTF8", "1"), U, 0, "", NULL, "SMTPUTF8" },
    { "DELIVERBY", ONE("DeliverBy", "120;rt"), U, 0, " BY=120;RT", NULL, NULL },
    { "DELIVERBY 240", ONE("DeliverBy", "120;R"), U, 0, NULL, "5.5.4", NULL },
    { "DELIVERBY 240", ONE("DeliverBy", "120;N"), U, 0, " BY=120;N", NULL,
      NULL },
    { "", ONE("DeliverBy", "120;R"), U, 0, NULL, "5.3.3", NULL },
    { "FUTURERELEASE 3600 2026-12-31T00:00:00Z", ONE("HoldFor", "3600"), U, 0,
      " HOLDFOR=3600", NULL, NULL },
    { "FUTURERELEASE 3600 2026-12-31T00:00:00Z", ONE("HoldFor", "3601"), U, 0,
      NULL, "5.5.4", NULL },
    { "FUTURERELEASE 3600 2026-12-31T00:00:00Z",
      ONE("HoldUntil", "2026-12-31T00:00:00Z"), U, 0,
      " HOLDUNTIL=2026-12-31T00:00:00Z", NULL, NULL },
    { "FUTURERELEASE 3600 2026-12-31T00:00:00Z",
      ONE("HoldUntil", "2026-12-31T00:00:01Z"), U, 0, NULL, "5.5.4", NULL },
    { "FUTURERELEASE 3600 2026-12-31T00:00:00Z",
      ONE("HoldUntil", "2026-12-31T00:30:00.5+01:00"), U, 0,
      " HOLDUNTIL=2026-12-31T00:30:00.5+01:00", NULL, NULL },
    { "FUTURERELEASE 3600 2026-12-31T00:00:00Z",
      ONE("HoldUntil", "2026-12-30T23:30:00-01:00"), U, 0, NULL, "5.5.4",
      NULL },
    { "FUTURERELEASE 3600 2026-12-31T01:00:00.25+01:00",
      ONE("HoldUntil", "2026-12-31T00:00:00.3Z"), U, 0, NULL, "5.5.4", NULL },
    { "FUTURERELEASE 3600 tomorrow", ONE("HoldUntil", "2026-12-31T00:00:00Z"),
      U, 0, " HOLDUNTIL=2026-12-31T00:00:00Z", NULL, NULL },
    { "", ONE("HoldFor", "1"), U, 0, NULL, "5.3.3", NULL },
    { "", ONE("HoldUntil", "2026-12-31T00:00:01Z"), U, 0, NULL, "5.3.3", NULL },
    { "MT-PRIORITY", ONE("Priority", "-3"), U, 0, " MT-PRIORITY=-3", NULL,
      NULL },
    { "", ONE("Priority", "3"), U, 0, "", NULL, "Priority" },
    { "REQUIRETLS", ONE("RequireTLS", "1"), U, 0, " REQUIRETLS", NULL, NULL },
    { "", ONE("RequireTLS", "1"), U, 0, NULL, "5.7.30", NULL },
    { "", ONE("RequireTLS", "0"), U, 0, "", NULL, NULL },
    { "", ONE("Notify", "NEVER"), U, 0, "", NULL, "Notify" },
};

static void
one_mail(const struct mail_row *row, const char *from)
{
    struct nsx_size_facts body = { row->size, row->may_be_8bit };
    struct nsx_refusal why;
    struct nsx_envelope v;
    struct nsx_error e;
    struct nsx_buf out;
    char want[200], code[NSX_ENHANCED_SIZE];
    unsigned left;
    size_t i;

    nsx_error_reset(&e);
    offer(row->offer);
    sender(&v, from);
    for (i = 0; i < 2 * MOST_OPTIONS && row->options[i] != NULL; i += 2)
        (void)set(&v, row->options[i], row->options[i + 1], &e);
    is_num(e.code, NSX_E_NONE, row->offer);
    is_num(nsx_envelope_judge(&v, &caps, &body, &why), row->line != NULL,
           "judged");
    if (row->line == NULL) {
        (void)nsx_enhanced_format(&why.enhanced, code);
        is_str(code, row->refused, why.text);
    }
    else {
        nsx_buf_init(&out, NSX_MAX_COMMAND);
        is_num(nsx_envelope_mail(&v, &caps, &body, &out, &e), NSX_OK, "line");
        (void)snprintf(want, sizeof want, "MAIL FROM:%s%s\r\n", from,
                       row->line);
        is_mem((const char *)nsx_buf_data(&out), out.len, want, strlen(want),
               "as it goes out");
        nsx_buf_free(&out);
    }
    left = nsx_envelope_left_out(&v, &caps);
    is_num(left,
           row->left_out == NULL
               ? 0
               : 1u << nsx_option_find(row->left_out, strlen(row->left_out)),
           "left out");
    nsx_envelope_free(&v);
}

static void
rcpts(void)
{
    struct nsx_envelope v;
    struct nsx_error e;
    struct nsx_buf out;
    const char *domain;
    size_t n;
    static const char want[] = "RCPT TO:<b@y> NOTIFY=NEVER\r\n"
                               "RCPT TO:<c@Z> NOTIFY=DELAY "
                               "ORCPT=rfc822;c@z\r\n";

    nsx_error_reset(&e);
    nsx_buf_init(&out, NSX_MAX_COMMAND);
    offer("DSN");
    sender(&v, "<>");
    (void)set(&v, "Notify", "never", &e);
    (void)nsx_envelope_to(&v, "<c@Z>", 5, &e);
    (void)nsx_envelope_set_rcpt(&v, 1, NSX_OPT_NOTIFY, "delay", 5, &e);
    (void)nsx_envelope_set_rcpt(&v, 1, NSX_OPT_ORCPT, "rfc822;c@z", 10, &e);
    (void)nsx_envelope_rcpt(&v, &caps, 0, &out, &e);
    (void)nsx_envelope_rcpt(&v, &caps, 1, &out, &e);
    is_num(e.code, NSX_E_NONE, "two recipients");
    is_mem((const char *)nsx_buf_data(&out), out.len, want, sizeof want - 1,
           "their own Notify, or the message's");
    nsx_buf_clear(&out);
    offer("");
    (void)nsx_envelope_rcpt(&v, &caps, 1, &out, &e);
    is_mem((const char *)nsx_buf_data(&out), out.len, "RCPT TO:<c@Z>\r\n", 15,
           "without DSN");
    is_num(nsx_envelope_left_out(&v, &caps),
           1u << NSX_OPT_NOTIFY | 1u << NSX_OPT_ORCPT, "both left out");
    domain = nsx_envelope_domain(&v, 1, &n);
    is_mem(domain, n, "Z", 1, "a domain");
    is_num(nsx_envelope_set_rcpt(&v, 1, NSX_OPT_SIZE, "1", 1, &e), NSX_ERROR,
           "Size is no option of a recipient");
    nsx_error_reset(&e);
    is_num(nsx_envelope_set(&v, NSX_OPT_ORCPT, "a;b", 3, &e), NSX_ERROR,
           "nor ORcpt one of the message");
    nsx_error_reset(&e);
    (void)set(&v, "HoldFor", "1", &e);
    is_num(set(&v, "HoldUntil", "2026-12-31T00:00:01Z", &e), NSX_ERROR,
           "both Hold options at once");
    nsx_envelope_free(&v);
    nsx_buf_free(&out);
}

static void
utf8(void)
{
    static const struct mail_row offered = { "SMTPUTF8",  NONE, U,   0,
                                             " SMTPUTF8", NULL, NULL };
    static const struct mail_row missing = {
        "", NONE, U, 0, NULL, "5.6.7", NULL
    };
    struct nsx_size_facts body = { U, 0 };
    struct nsx_refusal why;
    struct nsx_envelope v;
    struct nsx_error e;

    one_mail(&offered, "<\xc3\xa4@b>");
    one_mail(&offered, "<a@\xc3\xa4>");
    one_mail(&missing, "<\xc3\xa4@b>");
    one_mail(&missing, "<a@\xc3\xa4>");
    nsx_error_reset(&e);
    offer("");
    sender(&v, "<>");
    (void)nsx_envelope_to(&v, "<c@\xc3\xa4>", 6, &e);
    v.idn_help = "HELP";
    is_num(nsx_envelope_judge(&v, &caps, &body, &why), 0, "a recipient's");
    ok(strstr(why.text, "<c@") != NULL, "the address is named");
    ok(strstr(why.text, "HELP") != NULL, "and what would have helped");
    nsx_envelope_free(&v);
}

static void
no_memory(void)
{
    long n;
    int done = 0, bad = 0;

    for (n = 0; !done && n < 50; n++) {
        struct nsx_envelope v;
        struct nsx_error e;
        int i;

        nsx_error_reset(&e);
        failing_after(n);
        nsx_envelope_init(&v);
        done = nsx_envelope_from(&v, "<a@b>", 5, &e) == NSX_OK;
        for (i = 0; done && i < 100; i++)
            done = nsx_envelope_to(&v, "<c@d>", 5, &e) == NSX_OK;
        bad += done ? did_fail : e.code != NSX_E_NOMEM;
        nsx_envelope_free(&v);
    }
    ok(n > 3, "several allocations were made to fail");
    is_num(bad, 0, "each is told");
    is_num(live_blocks, 0, "nothing leaks");
    nsx_alloc_hooks(NULL, NULL);
}

int
main(void)
{
    size_t i;

    nsx_caps_init(&caps);
    values();
    paths();
    for (i = 0; i < sizeof mails / sizeof mails[0]; i++)
        one_mail(&mails[i], "<a@x>");
    rcpts();
    utf8();
    nsx_caps_free(&caps);
    no_memory();
    return done_testing();
}
