/*
 * auth_talk.c - the AUTH exchange without a wire: lines, replies, and every
 * way it can end.
 */
#include "tap.h"
#include "sasl_case.h"
#include "nsx_auth_talk.h"

/* ---- drivers ---- */

static struct nsx_auth_talk *
ours(const char *mech, const struct nsx_sasl_config *c)
{
    struct nsx_error e;
    struct nsx_sasl *sasl;

    nsx_error_reset(&e);
    sasl = nsx_sasl_new(mech, strlen(mech), c, &e);
    return sasl ? nsx_auth_ours(sasl, &e) : NULL;
}

static struct nsx_auth_talk *
plain_ours(const char *mech)
{
    struct nsx_sasl_config c = full_config();

    return ours(mech, &c);
}

static struct nsx_auth_talk *
theirs(const char *name, const char *first)
{
    struct nsx_error e;

    nsx_error_reset(&e);
    return nsx_auth_theirs(name, strlen(name), first, strlen(first), &e);
}

static enum nsx_auth_step
reply(struct nsx_auth_talk *t, unsigned code, const char *text)
{
    enum nsx_auth_step step = nsx_auth_reply(t, code, text, strlen(text));

    while (step == NSX_AUTH_WORK)
        step = nsx_auth_work(t);
    return step;
}

/* The line as it would be sent, without CRLF. */
static const char *
line(const struct nsx_auth_talk *t)
{
    static char text[400];
    struct nsx_octets w[NSX_AUTH_WORDS];
    size_t i, n = nsx_auth_words(t, w), at = 0;

    for (i = 0; i < n && at + w[i].len + 2 < sizeof(text); i++) {
        if (i)
            text[at++] = ' ';
        if (w[i].len)
            memcpy(text + at, w[i].data, w[i].len);
        at += w[i].len;
    }
    text[at] = '\0';
    return text;
}

static void
over(struct nsx_auth_talk *t, enum nsx_auth_outcome want, const char *why,
     const char *name)
{
    is_num(nsx_auth_outcome(t), want, name);
    is_str(nsx_auth_why(t), why, "and why");
    nsx_auth_free(t);
}

/* ---- our own mechanisms ---- */

static void
check_plain(void)
{
    struct nsx_auth_talk *t = plain_ours("PLAIN");

    is_num(nsx_auth_outcome(t), NSX_AUTH_PENDING, "pending");
    is_num(nsx_auth_start(t), NSX_AUTH_SEND, "PLAIN begins");
    is_str(line(t), "AUTH PLAIN AHVzZXIAcGVuY2ls", "with its response");
    is_num(reply(t, 235, "ok"), NSX_AUTH_OVER, "235 ends it");
    is_str(line(t), "", "the line is gone");
    over(t, NSX_AUTH_ACCEPTED, "", "accepted");
}

static void
check_login(void)
{
    struct nsx_auth_talk *t = plain_ours("LOGIN");

    nsx_auth_start(t);
    is_str(line(t), "AUTH LOGIN", "LOGIN has no initial response");
    is_num(reply(t, 334, "VXNlcg=="), NSX_AUTH_SEND, "a challenge");
    is_str(line(t), "dXNlcg==", "the user");
    is_num(reply(t, 334, " \t \r\n"), NSX_AUTH_SEND, "an empty challenge");
    is_str(line(t), "cGVuY2ls", "the password");
    is_num(reply(t, 334, "Pw=="), NSX_AUTH_SEND, "one too many");
    is_str(line(t), "*", "is cancelled");
    is_num(reply(t, 501, "cancelled"), NSX_AUTH_OVER, "the server agrees");
    over(t, NSX_AUTH_CANCELLED, "LOGIN: unexpected challenge", "cancelled");
}

static void
check_empty_first(void)
{
    struct nsx_auth_talk *t = plain_ours("EXTERNAL");

    nsx_auth_start(t);
    is_str(line(t), "AUTH EXTERNAL =", "an empty initial response");
    nsx_auth_free(t);
}

#define SFIRST "r=abcXYZ,s=QSXCR+Q6sek8bf92,i=2"
#define SFIRST64 "cj1hYmNYWVoscz1RU1hDUitRNnNlazhiZjkyLGk9Mg=="

static void
check_scram(void)
{
    struct nsx_auth_talk *t = plain_ours("SCRAM-SHA-256");

    nsx_auth_start(t);
    is_str(line(t), "AUTH SCRAM-SHA-256 eSwsbj11c2VyLHI9YWJj",
           "SCRAM's first message");
    is_num(nsx_auth_reply(t, 334, SFIRST64, strlen(SFIRST64)), NSX_AUTH_WORK,
           "a challenge that makes work");
    ok(!nsx_auth_too_slow(t, 0, 1000) && !nsx_auth_too_slow(t, 999, 1000)
           && nsx_auth_too_slow(t, 1000, 1000)
           && !nsx_auth_too_slow(t, 1000000, -1),
       "too slow when the time is up");
    is_num(nsx_auth_work(t), NSX_AUTH_SEND, "done");
    ok(!nsx_auth_too_slow(t, 1000, 1000), "then it is not too slow");
    is_num(reply(t, 235, "ok"), NSX_AUTH_OVER, "success without proof");
    is_num(nsx_auth_outcome(t), NSX_AUTH_BROKEN, "is not believed");
    ok(strstr(nsx_auth_why(t), "has not shown") != NULL, "%s", nsx_auth_why(t));
    nsx_auth_free(t);

    t = plain_ours("SCRAM-SHA-1");
    nsx_auth_start(t);
    is_num(reply(t, 334, "ZT1pbnZhbGlkLXByb29m"), NSX_AUTH_SEND,
           "a refusal inside the exchange");
    is_str(line(t), "", "is acknowledged with an empty line");
    reply(t, 535, "5.7.8 no");
    is_str(nsx_auth_detail(t), "invalid-proof", "and its reason kept");
    over(t, NSX_AUTH_REFUSED, "", "refused");
}

/* The pace of the first slice tells how long it will take. */
static void
check_pace(void)
{
    static const char first[] =
        "cj1hYmNYLHM9UVNYQyxpPTEwMDAwMDAw"; /* i=10000000 */
    struct nsx_auth_talk *t = plain_ours("SCRAM-SHA-256");

    nsx_auth_start(t);
    nsx_auth_reply(t, 334, first, strlen(first));
    is_num(nsx_auth_work(t), NSX_AUTH_WORK, "one slice of many");
    ok(!nsx_auth_too_slow(t, 100, 10000), "too early to tell");
    ok(nsx_auth_too_slow(t, 700, 10000), "at that pace it is too slow");
    ok(!nsx_auth_too_slow(t, 700, 4000000000ll), "with more time it is not");
    is_num(nsx_auth_cancel(t, "it takes too long"), NSX_AUTH_SEND, "cancelled");
    is_str(line(t), "*", "with a star");
    reply(t, 501, "");
    over(t, NSX_AUTH_CANCELLED, "SCRAM-SHA-256: it takes too long", "agreed");
}

static void
check_replies(void)
{
    static const struct {
        unsigned code;
        const char *text;
        enum nsx_auth_outcome want;
    } r[] = { { 504, "no", NSX_AUTH_UNSUITED },
              { 534, "no", NSX_AUTH_UNSUITED },
              { 538, "", NSX_AUTH_UNSUITED },
              { 535, "no", NSX_AUTH_REFUSED },
              { 454, "no", NSX_AUTH_REFUSED },
              { 530, "no", NSX_AUTH_REFUSED },
              { 421, "no", NSX_AUTH_REFUSED },
              { 0, "", NSX_AUTH_REFUSED },
              { 199, "no", NSX_AUTH_REFUSED },
              { 999, "no", NSX_AUTH_REFUSED },
              { 504, "5.7.8 no\n", NSX_AUTH_REFUSED },
              { 534, "5.7.8", NSX_AUTH_REFUSED },
              { 504, "5.7.80 no", NSX_AUTH_UNSUITED },
              { 504, "5.7.4 no", NSX_AUTH_UNSUITED },
              { 504, "5.7", NSX_AUTH_UNSUITED } };
    size_t i;

    for (i = 0; i < sizeof(r) / sizeof(r[0]); i++) {
        struct nsx_auth_talk *t = plain_ours("CRAM-MD5");

        nsx_auth_start(t);
        reply(t, r[i].code, r[i].text);
        ok(nsx_auth_outcome(t) == r[i].want, "%u %s", r[i].code, r[i].text);
        nsx_auth_free(t);
    }
}

static void
check_not_base64(void)
{
    static const char *const bad[] = { "!", "QQ=", "A", "Q Q==", "QQ==QQ==" };
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct nsx_auth_talk *t = plain_ours("CRAM-MD5");

        nsx_auth_start(t);
        reply(t, 334, bad[i]);
        is_str(line(t), "*", bad[i]);
        reply(t, 235, "very well");
        over(t, NSX_AUTH_BROKEN, "the server's challenge is not base64",
             "a success for a cancel");
    }
}

static void
check_unfit(void)
{
    struct nsx_sasl_config c = full_config();
    static char huge[NSX_MAX_SASL_RESPONSE];
    struct nsx_auth_talk *t;

    memset(huge, ',', sizeof(huge));
    c.authcid.data = huge;
    c.authcid.len = sizeof(huge);
    c.authzid = c.authcid;
    t = ours("OAUTHBEARER", &c);
    is_num(nsx_auth_start(t), NSX_AUTH_OVER, "what cannot begin");
    over(t, NSX_AUTH_UNFIT, "authentication response is too long", "unfit");
}

/* ---- the limit of a line ---- */

static void
check_held(void)
{
    static char big[NSX_MAX_AUTH_LINE];
    size_t fit = (NSX_MAX_AUTH_LINE - strlen("AUTH X \r\n")) / 4 * 3;
    struct nsx_octets w[NSX_AUTH_WORDS];
    struct nsx_auth_talk *t;
    struct nsx_error e;

    nsx_error_reset(&e);
    memset(big, 'b', sizeof(big));
    t = nsx_auth_theirs("X", 1, big, fit, &e);
    nsx_auth_start(t);
    is_num(nsx_auth_words(t, w), 3, "what fits goes with the command");
    nsx_auth_free(t);

    t = nsx_auth_theirs("X", 1, big, fit + 1, &e);
    nsx_auth_start(t);
    is_num(nsx_auth_words(t, w), 2, "what does not is held");
    is_num(reply(t, 334, ""), NSX_AUTH_SEND, "until it is asked for");
    is_num(nsx_auth_words(t, w), 1, "alone");
    is_num(w[0].len, (fit + 1 + 2) / 3 * 4, "and whole");
    is_num(reply(t, 334, "QQ=="), NSX_AUTH_CHALLENGE, "then the client's");
    nsx_auth_free(t);

    t = nsx_auth_theirs("X", 1, big, fit + 1, &e);
    nsx_auth_start(t);
    is_num(reply(t, 334, "c2F5"), NSX_AUTH_SEND, "a challenge with words");
    is_str(line(t), "*", "is no invitation");
    reply(t, 501, "");
    over(t, NSX_AUTH_CANCELLED, "X: unexpected challenge", "cancelled");
}

/* ---- the caller's client ---- */

static void
check_theirs(void)
{
    struct nsx_auth_talk *t = theirs("NTLM", "");
    struct nsx_octets c;

    nsx_auth_start(t);
    is_str(line(t), "AUTH NTLM", "no initial response");
    is_num(reply(t, 334, "NTLM supported\r\n"), NSX_AUTH_CHALLENGE,
           "a challenge that is not base64 is handed on");
    c = nsx_auth_challenge(t);
    is_mem(c.data, c.len, "\x35\x32\xcc\xb2\xea\x69\xa2\xbb\x5e", 9,
           "decoded as far as it is");
    is_num(nsx_auth_answer(t, "one", 3), NSX_AUTH_SEND, "its answer");
    is_str(line(t), "b25l", "encoded");
    is_num(reply(t, 334, "QUJD"), NSX_AUTH_CHALLENGE, "the next");
    c = nsx_auth_challenge(t);
    is_mem(c.data, c.len, "ABC", 3, "decoded");
    nsx_auth_answer(t, NULL, 0);
    is_str(line(t), "", "an empty answer");
    is_num(nsx_auth_challenge(t).len, 0, "the challenge is gone");
    is_num(reply(t, 235, ""), NSX_AUTH_SUCCESS, "the client judges success");
    is_num(nsx_auth_believe(t, 1, ""), NSX_AUTH_OVER, "believes it");
    over(t, NSX_AUTH_ACCEPTED, "", "accepted");

    t = theirs("X", "hi");
    nsx_auth_start(t);
    is_str(line(t), "AUTH X aGk=", "an initial response");
    reply(t, 235, "");
    nsx_auth_believe(t, 0, "no proof");
    over(t, NSX_AUTH_BROKEN, "X: no proof", "or does not");

    t = theirs("X", "hi");
    nsx_auth_start(t);
    reply(t, 334, "");
    nsx_auth_cancel(t, "bad\nchallenge");
    is_str(line(t), "*", "the client gives up");
    reply(t, 454, "");
    over(t, NSX_AUTH_CANCELLED, "X: bad?challenge", "cancelled");
}

static void
check_endless(void)
{
    struct nsx_auth_talk *t = theirs("X", "");
    unsigned n = 0;

    nsx_auth_start(t);
    while (reply(t, 334, "QQ==") == NSX_AUTH_CHALLENGE && n < 100) {
        n++;
        nsx_auth_answer(t, "x", 1);
    }
    is_num(n, NSX_MAX_SASL_STEPS, "challenges are counted");
    is_str(line(t), "*", "and ended");
    reply(t, 501, "");
    over(t, NSX_AUTH_CANCELLED, "X: the server asks without end", "cancelled");
}

static void
check_names(void)
{
    static const struct nsx_octets bad[] = { S(""), S("A B"), S("A\r\nRSET"),
                                             S("A\0"), S("A\x7f") };
    struct nsx_error e;
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        nsx_error_reset(&e);
        ok(!nsx_auth_theirs(bad[i].data, bad[i].len, NULL, 0, &e)
               && e.code == NSX_E_ARGUMENT,
           "name %d is refused", (int)i);
    }
}

/* ---- calls out of turn ---- */

static void
check_turns(void)
{
    int i;

    for (i = 0; i < 6; i++) {
        struct nsx_auth_talk *t = theirs("X", "");
        enum nsx_auth_step step;

        nsx_auth_start(t);
        step = i == 0 ? nsx_auth_start(t)
            : i == 1  ? nsx_auth_work(t)
            : i == 2  ? nsx_auth_answer(t, "x", 1)
            : i == 3  ? nsx_auth_believe(t, 1, "")
            : i == 4  ? nsx_auth_cancel(t, "x")
                      : (reply(t, 334, ""), reply(t, 235, ""));
        ok(step == NSX_AUTH_OVER && nsx_auth_outcome(t) == NSX_AUTH_BROKEN,
           "call %d out of turn", i);
        ok(nsx_auth_reply(t, 235, "", 0) == NSX_AUTH_OVER
               && nsx_auth_outcome(t) == NSX_AUTH_BROKEN,
           "and nothing mends it");
        nsx_auth_free(t);
    }
}

/* ---- memory ---- */

static nsx_errcode
converse(void)
{
    struct nsx_sasl_config c = full_config();
    struct nsx_error e;
    struct nsx_sasl *sasl;
    struct nsx_auth_talk *t;

    nsx_error_reset(&e);
    sasl = nsx_sasl_new("SCRAM-SHA-256", 13, &c, &e);
    t = sasl ? nsx_auth_ours(sasl, &e) : NULL;
    if (!t)
        return e.code;
    if (nsx_auth_start(t) == NSX_AUTH_SEND)
        reply(t, 334, SFIRST64);
    e.code = nsx_auth_outcome(t) == NSX_AUTH_UNFIT
            || nsx_auth_outcome(t) == NSX_AUTH_BROKEN
            || strcmp(line(t), "*") == 0
        ? NSX_E_NOMEM
        : NSX_E_NONE;
    nsx_auth_free(t);
    return e.code;
}

static void
check_memory(void)
{
    int right = 1;
    long n;

    for (n = 0; n < 1000; n++) {
        nsx_errcode code;

        failing_after(n);
        live_blocks = 0;
        code = converse();
        right &= live_blocks == 0 && (code == NSX_E_NOMEM) == did_fail;
        if (!did_fail)
            break;
    }
    failing_after(-1);
    nsx_alloc_hooks(NULL, NULL);
    ok(right && n > 5 && n < 1000, "each of %ld allocations may fail", n);
}

/* ---- wiping ---- */

static int seen;

static void
looking_free(void *p)
{
    /* Blocks here are at least as long as what is looked for. */
    if (p && memcmp(p, "cGVuY2ls", 8) == 0)
        seen++;
    free(p);
}

static void *
moving_realloc(void *old, size_t size)
{
    return realloc(old, size < 64 ? 64 : size);
}

static void
check_wiped(void)
{
    struct nsx_auth_talk *t;
    char *p;

    nsx_alloc_hooks(moving_realloc, looking_free);
    t = plain_ours("LOGIN");
    nsx_auth_start(t);
    reply(t, 334, "");
    reply(t, 334, "");
    nsx_auth_free(t);
    is_num(seen, 0, "no line is given back unwiped");
    p = moving_realloc(NULL, 64);
    memcpy(p, "cGVuY2ls", 8);
    looking_free(p);
    is_num(seen, 1, "and the check would have seen it");
    nsx_alloc_hooks(NULL, NULL);
}

int
main(void)
{
    check_plain();
    check_login();
    check_empty_first();
    check_scram();
    check_pace();
    check_replies();
    check_not_base64();
    check_unfit();
    check_held();
    check_theirs();
    check_endless();
    check_names();
    check_turns();
    check_memory();
    check_wiped();
    return done_testing();
}
