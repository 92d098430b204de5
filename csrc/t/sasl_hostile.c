/*
 * sasl_hostile.c - challenges no honest server sends: each is a clear
 * failure, none is ever followed by a success that is believed.
 */
#include "tap.h"
#include "sasl_case.h"

/* ---- malformed ---- */

struct challenge {
    const char *mech;
    const char *what;
    struct nsx_octets text;
};

#define SCRAM(what, text)                                                      \
    {                                                                          \
        "SCRAM-SHA-256", what, S(text)                                         \
    }
#define DIGEST(what, text)                                                     \
    {                                                                          \
        "DIGEST-MD5", what, S(text)                                            \
    }
#define MD5SESS "algorithm=md5-sess"

/* The client's nonce is "abc". */
static const struct challenge first[] = {
    SCRAM("empty", ""),
    SCRAM("one letter", "r"),
    SCRAM("binary", "\xff\xfe\x01\x80"),
    SCRAM("a NUL", "r=abcX,s=QSXC,i=1\0"),
    SCRAM("a mandatory extension", "m=x,r=abcX,s=QSXC,i=1"),
    SCRAM("an extension m later", "r=abcX,s=QSXC,i=1,m=x"),
    SCRAM("our nonce alone", "r=abc,s=QSXC,i=1"),
    SCRAM("a nonce of its own", "r=xyzabc,s=QSXC,i=1"),
    SCRAM("a part of our nonce", "r=ab,s=QSXC,i=1"),
    SCRAM("an empty nonce", "r=,s=QSXC,i=1"),
    SCRAM("a blank in the nonce", "r=abc X,s=QSXC,i=1"),
    SCRAM("8-bit in the nonce", "r=abc\xc3\xa4,s=QSXC,i=1"),
    SCRAM("no nonce", "s=QSXC,i=1"),
    SCRAM("no salt", "r=abcX,i=1"),
    SCRAM("no count", "r=abcX,s=QSXC"),
    SCRAM("another order", "r=abcX,i=1,s=QSXC"),
    SCRAM("an empty salt", "r=abcX,s=,i=1"),
    SCRAM("a salt that is not base64", "r=abcX,s=Q!XC,i=1"),
    SCRAM("a salt cut off", "r=abcX,s=QSX,i=1"),
    SCRAM("a salt with loose bits", "r=abcX,s=QR==,i=1"),
    SCRAM("count 0", "r=abcX,s=QSXC,i=0"),
    SCRAM("a leading zero", "r=abcX,s=QSXC,i=01"),
    SCRAM("a negative count", "r=abcX,s=QSXC,i=-1"),
    SCRAM("a count with a blank", "r=abcX,s=QSXC,i=1 "),
    SCRAM("an empty count", "r=abcX,s=QSXC,i="),
    SCRAM("a count in words", "r=abcX,s=QSXC,i=many"),
    SCRAM("a count beyond the cap", "r=abcX,s=QSXC,i=10000001"),
    SCRAM("a count beyond any integer",
          "r=abcX,s=QSXC,i=99999999999999999999999999999999999"),
    SCRAM("a comma at the end", "r=abcX,s=QSXC,i=1,"),
    SCRAM("an extension without value", "r=abcX,s=QSXC,i=1,x"),
    SCRAM("the final message first", "v=rmF9pqV8S7suAoZWja4dJRkFsKQ="),
    { "CRAM-MD5", "empty", S("") },
    DIGEST("empty", ""),
    DIGEST("commas", ",,,"),
    DIGEST("binary", "\x00\xff\x80"),
    DIGEST("no nonce", "realm=\"x\"," MD5SESS),
    DIGEST("an empty nonce", "nonce=\"\"," MD5SESS),
    DIGEST("two nonces", "nonce=\"a\",nonce=\"b\"," MD5SESS),
    DIGEST("no algorithm", "nonce=\"a\""),
    DIGEST("another algorithm", "nonce=\"a\",algorithm=md5"),
    DIGEST("two algorithms", "nonce=\"a\"," MD5SESS "," MD5SESS),
    DIGEST("another charset", "nonce=\"a\"," MD5SESS ",charset=latin1"),
    DIGEST("no qop=auth", "nonce=\"a\"," MD5SESS ",qop=\"auth-int\""),
    DIGEST("an open quote", MD5SESS ",nonce=\"a"),
    DIGEST("a quoted pair cut off", MD5SESS ",nonce=\"a\\"),
    DIGEST("no value", MD5SESS ",nonce="),
    DIGEST("no equals sign", MD5SESS ",nonce"),
    DIGEST("no name", MD5SESS ",=\"x\",nonce=\"a\""),
    DIGEST("no comma", "nonce=\"a\" " MD5SESS),
    DIGEST("the server's proof first",
           "rspauth=ea40f60335c427b5527b84dbabcdfffd"),
};

static void
check_first(const struct challenge *c)
{
    struct nsx_sasl_config config = full_config();
    struct talk t;

    ok(talk_begin(&t, c->mech, &config), "%s starts", c->mech);
    ok(talk_step(&t, c->text) == NSX_ERROR && t.error.code == NSX_E_SASL_INPUT
           && t.out.len == 0,
       "%s: %s is refused: %s", c->mech, c->what, t.error.text);
    ok(talk_step(&t, c->text) == NSX_ERROR && talk_success(&t) == NSX_ERROR,
       "%s: %s: no way on from there", c->mech, c->what);
    talk_end(&t);
}

/* ---- the server's proof ---- */

#define SFIRST "r=abcXYZ,s=QSXCR+Q6sek8bf92,i=2"
#define SIGNATURE "tDEqydS6LXXSFhRoA9ujqz5i5XG7zCOY2fT9RtyaGHc="

static const struct challenge last[] = {
    SCRAM("empty", ""),
    SCRAM("an empty signature", "v="),
    SCRAM("a wrong signature",
          "v=uDEqydS6LXXSFhRoA9ujqz5i5XG7zCOY2fT9RtyaGHc="),
    SCRAM("a signature wrong in the last bit",
          "v=tDEqydS6LXXSFhRoA9ujqz5i5XG7zCOY2fT9RtyaGHY="),
    SCRAM("a short signature", "v=tDEqydS6LXXSFhRoA9ujqz5i5XG7"),
    SCRAM("a long signature", "v=AAAA" SIGNATURE),
    SCRAM("a signature without padding",
          "v=tDEqydS6LXXSFhRoA9ujqz5i5XG7zCOY2fT9RtyaGHc"),
    SCRAM("a signature in base64 no more",
          "v=tDEqydS6LXXSFhRoA9ujqz5i5XG7zCOY2fT9RtyaGH!="),
    SCRAM("a NUL behind it", "v=" SIGNATURE "\0"),
    SCRAM("a comma behind it", "v=" SIGNATURE ","),
    SCRAM("another attribute", "x=" SIGNATURE),
    SCRAM("the first message again", SFIRST),
    DIGEST("empty", ""),
    DIGEST("another directive", "nonce=\"a\""),
    DIGEST("a short proof", "rspauth=00"),
    DIGEST("a wrong proof", "rspauth=00000000000000000000000000000000"),
    DIGEST("a proof behind garbage",
           "@,rspauth=00000000000000000000000000000000"),
};

static int
talk_to_proof(struct talk *t, const char *mech)
{
    struct nsx_sasl_config config = full_config();

    return talk_begin(t, mech, &config)
        && talk_step(t, octets(*mech == 'S' ? SFIRST : "nonce=\"a\"," MD5SESS))
        == NSX_OK;
}

static void
check_last(const struct challenge *c)
{
    struct talk t;

    ok(talk_to_proof(&t, c->mech), "%s reaches the proof", c->mech);
    ok(talk_step(&t, c->text) == NSX_ERROR && t.error.code == NSX_E_SASL_INPUT
           && !nsx_sasl_server_proved(t.sasl),
       "%s: %s is refused: %s", c->mech, c->what, t.error.text);
    ok(talk_success(&t) == NSX_ERROR, "%s: %s: success is not believed",
       c->mech, c->what);
    talk_end(&t);
}

/* Success without a proof, at every point. */
static void
check_early_success(const char *mech)
{
    struct nsx_sasl_config config = full_config();
    struct talk t;

    ok(talk_begin(&t, mech, &config) && talk_success(&t) == NSX_ERROR,
       "%s: success at once is not believed", mech);
    ok(talk_step(&t, octets(SFIRST)) == NSX_ERROR, "%s: and ends the exchange",
       mech);
    talk_end(&t);
    ok(talk_to_proof(&t, mech) && talk_success(&t) == NSX_ERROR
           && t.error.code == NSX_E_SASL_INPUT,
       "%s: success instead of the proof is not believed: %s", mech,
       t.error.text);
    talk_end(&t);
}

/* ---- refusals inside the exchange ---- */

static void
check_refusal(const char *mech, struct nsx_octets challenge,
              struct nsx_octets answer, const char *detail)
{
    struct nsx_sasl_config config = full_config();
    struct talk t;

    ok(talk_begin(&t, mech, &config) && talk_step(&t, challenge) == NSX_OK
           && said(&t, answer),
       "%s: a refusal is acknowledged", mech);
    ok(strcmp(nsx_sasl_detail(t.sasl), detail) == 0, "%s: with reason: %s",
       mech, nsx_sasl_detail(t.sasl));
    ok(talk_success(&t) == NSX_ERROR, "%s: no success after that", mech);
    ok(talk_step(&t, challenge) == NSX_ERROR, "%s: no second refusal", mech);
    talk_end(&t);
}

static void
check_refusals(void)
{
    static const struct nsx_octets none = S(""), dummy = S("\1");
    char big[2 * NSX_ERROR_TEXT], cut[NSX_ERROR_TEXT];

    check_refusal("XOAUTH2", octets("{\"status\":\"401\"}\r\n"), none,
                  "{\"status\":\"401\"}??");
    check_refusal("OAUTHBEARER", octets("{\"status\":\"invalid_token\"}"),
                  dummy, "{\"status\":\"invalid_token\"}");
    check_refusal("OAUTHBEARER", none, dummy, "");
    check_refusal("SCRAM-SHA-1", octets("e=invalid-proof"), none,
                  "invalid-proof");
    memset(big, 'x', sizeof(big));
    big[sizeof(big) - 1] = '\0';
    memset(cut, 'x', sizeof(cut));
    cut[sizeof(cut) - 1] = '\0';
    check_refusal("XOAUTH2", octets(big), none, cut);
}

static void
check_late_refusal(void)
{
    struct talk t;

    ok(talk_to_proof(&t, "SCRAM-SHA-256")
           && talk_step(&t, octets("e=other-error,x=y")) == NSX_OK
           && t.out.len == 0
           && strcmp(nsx_sasl_detail(t.sasl), "other-error") == 0,
       "SCRAM: e= in the final message is acknowledged and kept");
    ok(talk_success(&t) == NSX_ERROR, "SCRAM: no success after that");
    talk_end(&t);
}

/* ---- the iteration count ---- */

static nsx_status
offer_count(struct talk *t, unsigned long least, const char *challenge)
{
    struct nsx_sasl_config config = full_config();

    config.min_iterations = least;
    if (!talk_begin(t, "SCRAM-SHA-256", &config))
        return NSX_ERROR;
    nsx_error_reset(&t->error);
    return nsx_sasl_step(t->sasl, challenge, strlen(challenge), &t->out,
                         &t->error);
}

static void
check_counts(void)
{
    struct nsx_sasl_progress p;
    struct talk t;

    ok(offer_count(&t, 0, "r=abcX,s=QSXC,i=4095") == NSX_ERROR
           && t.error.code == NSX_E_SASL_INPUT
           && strstr(t.error.text, "4095 is below 4096"),
       "too few iterations are refused: %s", t.error.text);
    talk_end(&t);
    ok(offer_count(&t, 4095, "r=abcX,s=QSXC,i=4095") == NSX_AGAIN,
       "unless they are allowed");
    talk_end(&t);
    ok(offer_count(&t, 0, "r=abcX,s=QSXC,i=10000000") == NSX_AGAIN
           && t.out.len == 0,
       "ten million iterations are not done at once");
    p = nsx_sasl_progress(t.sasl);
    ok(p.done == 0 && p.total == 10000000, "but announced");
    ok(nsx_sasl_work(t.sasl, &t.out, &t.error) == NSX_AGAIN, "a slice");
    p = nsx_sasl_progress(t.sasl);
    ok(p.done == NSX_SCRAM_SLICE, "is counted");
    ok(talk_step(&t, octets("v=")) == NSX_ERROR, "no challenge in between");
    talk_end(&t);
    ok(talk_to_proof(&t, "SCRAM-SHA-256")
           && nsx_sasl_work(t.sasl, &t.out, &t.error) == NSX_ERROR,
       "no work where there is none");
    talk_end(&t);
}

/* ---- no end ---- */

static const struct nsx_sasl_mech *
each(size_t *i)
{
    return nsx_sasl_mech_at((*i)++);
}

static void
check_endless(void)
{
    struct nsx_sasl_config config = full_config();
    const struct nsx_sasl_mech *m;
    struct talk t;
    size_t i = 0;
    unsigned n;

    while ((m = each(&i))) {
        int began = talk_begin(&t, m->name, &config);

        for (n = 0; n <= NSX_MAX_SASL_STEPS; n++)
            if (talk_step(&t, octets("x")) == NSX_ERROR)
                break;
        ok(began && n <= 2, "%s: endless challenges end at the %uth", m->name,
           n + 1);
        talk_end(&t);
    }
}

static void
check_long(void)
{
    static char huge[NSX_MAX_SASL_CHALLENGE + 1];
    struct nsx_sasl_config config = full_config();
    const struct nsx_sasl_mech *m;
    struct nsx_octets challenge;
    struct talk t;
    size_t i = 0;

    memset(huge, 'a', sizeof(huge));
    challenge.data = huge;
    challenge.len = sizeof(huge);
    while ((m = each(&i))) {
        ok(talk_begin(&t, m->name, &config)
               && talk_step(&t, challenge) == NSX_ERROR
               && t.error.code == NSX_E_SASL_INPUT,
           "%s: a challenge beyond the cap is refused", m->name);
        talk_end(&t);
    }
}

/* ---- noise, between guard pages ---- */

static unsigned long seed = 1;

static unsigned
noise(void)
{
    seed = (seed * 1103515245ul + 12345ul) & 0x7ffffffful;
    return (unsigned)(seed >> 8);
}

/* Valid words in random order find more than random octets do. */
static size_t
make_noise(char *to, size_t room)
{
    static const char *const words[] = { "r=",
                                         "abc",
                                         ",",
                                         "s=QSXC",
                                         "i=1",
                                         "=",
                                         "v=",
                                         "e=x",
                                         "m=",
                                         "\"",
                                         "\\",
                                         "nonce=\"a\"",
                                         "algorithm=md5-sess",
                                         "qop=\"auth\"",
                                         "realm=",
                                         "charset=utf-8",
                                         "rspauth=",
                                         " ",
                                         "\t",
                                         "\xc3" };
    size_t n = 0, count = noise() % 12;

    while (count--) {
        const char *w = words[noise() % (sizeof(words) / sizeof(words[0]))];
        size_t len = strlen(w);

        if (n + len + 1 > room)
            break;
        memcpy(to + n, w, len);
        n += len;
        if (noise() % 8 == 0)
            to[n++] = (char)noise();
    }
    return n;
}

enum {
    ROUNDS = 400,
    MOST_NOISE = 512
};

static void
check_noise(void)
{
    struct nsx_sasl_config config = full_config();
    const struct nsx_sasl_mech *m;
    char text[MOST_NOISE];
    struct arena arena;
    struct talk t;
    size_t i = 0, round;

    arena_init(&arena, MOST_NOISE);
    while ((m = each(&i))) {
        int proved = 0;

        for (round = 0; round < ROUNDS; round++) {
            struct nsx_octets c;
            int steps = 3;

            talk_begin(&t, m->name, &config);
            do {
                c.len = make_noise(text, sizeof(text));
                c.data = arena_put(&arena, text, c.len, round & 1);
            } while (talk_step(&t, c) == NSX_OK && --steps);
            proved += nsx_sasl_server_proved(t.sasl);
            talk_end(&t);
        }
        ok(!proved, "%s survives noise and takes none for a proof", m->name);
    }
}

int
main(void)
{
    size_t i;

    for (i = 0; i < sizeof(first) / sizeof(first[0]); i++)
        check_first(&first[i]);
    for (i = 0; i < sizeof(last) / sizeof(last[0]); i++)
        check_last(&last[i]);
    check_early_success("SCRAM-SHA-256");
    check_early_success("DIGEST-MD5");
    check_refusals();
    check_late_refusal();
    check_counts();
    check_endless();
    check_long();
    check_noise();
    return done_testing();
}
