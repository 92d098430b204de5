/*
 * sasl_vectors.c - whole exchanges: the RFCs' own examples, and cases
 * computed with an independent implementation.
 */
#include "tap.h"
#include "sasl_case.h"

enum {
    MOST_STEPS = 3
};

struct exchange {
    const char *name;
    const char *mech;
    struct nsx_sasl_config config;
    struct nsx_octets initial; /* data NULL: the server speaks first */
    struct {
        struct nsx_octets challenge, response;
    } step[MOST_STEPS];
    int proved;
};

#define CN "fyko+d2lbbFgONRv9qkxdawL"
#define CN256 "rOprNGfwEbeRWgbNEkqO"
#define SN256 CN256 "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define BINDING                                                                \
    "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"         \
    "\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f"

static const struct exchange exchanges[] = {
    { .name = "RFC 5802",
      .mech = "SCRAM-SHA-1",
      .config = { .authcid = S("user"),
                  .password = S("pencil"),
                  .nonce = S(CN) },
      .initial = S("n,,n=user,r=" CN),
      .step = { { S("r=" CN "3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096"),
                  S("c=biws,r=" CN "3rfcNHYJY1ZVvWVs7j,"
                    "p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=") },
                { S("v=rmF9pqV8S7suAoZWja4dJRkFsKQ="), S("") } },
      .proved = 1 },
    { .name = "RFC 7677",
      .mech = "scram-sha-256",
      .config = { .authcid = S("user"),
                  .password = S("pencil"),
                  .nonce = S(CN256) },
      .initial = S("n,,n=user,r=" CN256),
      .step = { { S("r=" SN256 ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"),
                  S("c=biws,r=" SN256
                    ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=") },
                { S("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="),
                  S("") } },
      .proved = 1 },
    { .name = "bound channel, escaped names, UTF-8 password",
      .mech = "SCRAM-SHA-256-PLUS",
      .config = { .authcid = S("us=er,x"),
                  .authzid = S("ad,m=in"),
                  .password = S("p\xc3\xa4ss,word="),
                  .binding_type = S("tls-exporter"),
                  .binding_data = S(BINDING),
                  .server_binds = 1,
                  .nonce = S("clientnonce0123") },
      .initial = S("p=tls-exporter,a=ad=2Cm=3Din,n=us=3Der=2Cx,"
                   "r=clientnonce0123"),
      .step = { { S("r=clientnonce0123server,s=c2FsdHNhbHQ=,i=64"),
                  S("c=cD10bHMtZXhwb3J0ZXIsYT1hZD0yQ209M0RpbiwAAQIDBAUGBwgJCgsM"
                    "DQ4PEBESExQVFhcYGRobHB0eHw==,r=clientnonce0123server,"
                    "p=jnzgc+/CWxnuZVJnbjnJ+SDJm0dqcj68aUFMu36P2KA=") },
                { S("v=yFW69lze2ndBXgw6bgxo8NUBBzjTbOoidJbMFWcMM/A="),
                  S("") } },
      .proved = 1 },
    { .name = "bound to the certificate, one iteration, an extension",
      .mech = "SCRAM-SHA-1-PLUS",
      .config = { .authcid = S("user"),
                  .password = S("pencil"),
                  .binding_type = S("tls-server-end-point"),
                  .binding_data = { BINDING, 20 },
                  .nonce = S("abc") },
      .initial = S("p=tls-server-end-point,,n=user,r=abc"),
      .step = { { S("r=abcXYZ,s=QSXCR+Q6sek8bf92,i=1,x=future"),
                  S("c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwsAAECAwQFBgcICQoLDA0ODxAR"
                    "EhM=,r=abcXYZ,p=3cNqfCniH7KOZVDVbv3g7vleilk=") },
                { S("v=S7iZ9UoAH0CB4/XSX5hDB1OiUn8=,x=more"), S("") } },
      .proved = 1 },
    { .name = "could bind, the server does not offer it",
      .mech = "SCRAM-SHA-256",
      .config = { .authcid = S("user"),
                  .password = S("pencil"),
                  .binding_type = S("tls-exporter"),
                  .binding_data = S(BINDING),
                  .nonce = S("abc") },
      .initial = S("y,,n=user,r=abc"),
      .step = { { S("r=abcXYZ,s=QSXCR+Q6sek8bf92,i=2"),
                  S("c=eSws,r=abcXYZ,"
                    "p=UzOIkZdu09xneemblct1+WfBHkgLQA5fPgvi5B3t9t4=") },
                { S("v=tDEqydS6LXXSFhRoA9ujqz5i5XG7zCOY2fT9RtyaGHc="),
                  S("") } },
      .proved = 1 },
    { .name = "empty password; binding offered but not wanted",
      .mech = "SCRAM-SHA-256",
      .config = { .authcid = S("user"),
                  .password = S(""),
                  .binding_type = S("tls-exporter"),
                  .binding_data = S(BINDING),
                  .server_binds = 1,
                  .nonce = S("abc") },
      .initial = S("n,,n=user,r=abc"),
      .step = { { S("r=abcXYZ,s=QSXCR+Q6sek8bf92,i=2"),
                  S("c=biws,r=abcXYZ,"
                    "p=MbJMEhX/d3PBTmc9UcLMTgXPmUPtA1dmwWbL6f5w4lA=") },
                { S("v=UNYFHQKWpTByN7Kls1ywZf+pKgX6hu2iSBxNVL54VFY="),
                  S("") } },
      .proved = 1 },
    { .name = "RFC 2195",
      .mech = "CRAM-MD5",
      .config = { .authcid = S("tim"), .password = S("tanstaaftanstaaf") },
      .step = { { S("<1896.697170952@postoffice.reston.mci.net>"),
                  S("tim b913a602c7eda7a495b4e6e7334d3890") } } },
    { .name = "RFC 2831, first example",
      .mech = "DIGEST-MD5",
      .config = { .authcid = S("chris"),
                  .password = S("secret"),
                  .service = S("imap"),
                  .host = S("elwood.innosoft.com"),
                  .nonce = S("OA6MHXh6VqTrRk") },
      .step = { { S("realm=\"elwood.innosoft.com\",nonce=\"OA6MG9tEQGm2hh\","
                    "qop=\"auth\",algorithm=md5-sess,charset=utf-8"),
                  S("charset=utf-8,username=\"chris\","
                    "realm=\"elwood.innosoft.com\",nonce=\"OA6MG9tEQGm2hh\","
                    "nc=00000001,cnonce=\"OA6MHXh6VqTrRk\","
                    "digest-uri=\"imap/elwood.innosoft.com\","
                    "response=d388dad90d4bbd760a152321f2143af7,qop=auth") },
                { S("rspauth=ea40f60335c427b5527b84dbabcdfffd"), S("") } },
      .proved = 1 },
    { .name = "RFC 2831, second example",
      .mech = "DIGEST-MD5",
      .config = { .authcid = S("chris"),
                  .password = S("secret"),
                  .service = S("acap"),
                  .host = S("elwood.innosoft.com"),
                  .nonce = S("OA9BSuZWMSpW8m") },
      .step = { { S("realm=\"elwood.innosoft.com\",nonce=\"OA9BSXrbuRhWay\","
                    "qop=\"auth\",algorithm=md5-sess,charset=utf-8"),
                  S("charset=utf-8,username=\"chris\","
                    "realm=\"elwood.innosoft.com\",nonce=\"OA9BSXrbuRhWay\","
                    "nc=00000001,cnonce=\"OA9BSuZWMSpW8m\","
                    "digest-uri=\"acap/elwood.innosoft.com\","
                    "response=6084c6db3fede7352c551284490fd0fc,qop=auth") },
                { S("rspauth=2f0b3d7c3c2e486600ef710726aa2eae"), S("") } },
      .proved = 1 },
    { .name = "quoted pairs, a name in ISO 8859-1, a password that is not",
      .mech = "DIGEST-MD5",
      .config = { .authcid = S("j\xc3\xbcrgen"),
                  .authzid = S("boss"),
                  .password = S("p\xc3\xa4\xe2\x82\xac"),
                  .host = S("mx.example"),
                  .nonce = S("c1") },
      .step = { { S(" ,realm = \"r\\\"x\" ,, realm=\"second\", nonce=\"n\\1\","
                    "qop=\"auth-int, auth\",\tALGORITHM=MD5-sess,"
                    "charset=UTF-8,cipher=\"rc4\",maxbuf=1024"),
                  S("charset=utf-8,username=\"j\xc3\xbcrgen\","
                    "realm=\"r\\\"x\",nonce=\"n1\",nc=00000001,cnonce=\"c1\","
                    "digest-uri=\"smtp/mx.example\",authzid=\"boss\","
                    "response=521d88dd4dbeb7aadd9b24cd504e0282,qop=auth") },
                { S("rspauth=6aad184c7550e026c0dc7a3f7107d679"), S("") } },
      .proved = 1 },
    { .name = "neither realm nor charset",
      .mech = "DIGEST-MD5",
      .config = { .authcid = S("j\xc3\xbcrgen"),
                  .password = S("p\xc3\xa4"),
                  .host = S("mx.example"),
                  .nonce = S("c1") },
      .step = { { S("nonce=\"n1\",algorithm=md5-sess"),
                  S("username=\"j\xc3\xbcrgen\",nonce=\"n1\",nc=00000001,"
                    "cnonce=\"c1\",digest-uri=\"smtp/mx.example\","
                    "response=9ed5b23979af3362959e6c3e5614e819,qop=auth") },
                { S("rspauth=d6a16af2c0e162dd933e402ee21f7021"), S("") } },
      .proved = 1 },
    { .name = "RFC 4616, no authorization identity",
      .mech = "PLAIN",
      .config = { .authcid = S("tim"), .password = S("tanstaaftanstaaf") },
      .initial = S("\0tim\0tanstaaftanstaaf") },
    { .name = "RFC 4616, with one",
      .mech = "PLAIN",
      .config = { .authzid = S("Ursel"),
                  .authcid = S("Kurt"),
                  .password = S("xipj3plmq") },
      .initial = S("Ursel\0Kurt\0xipj3plmq") },
    { .name = "two prompts",
      .mech = "LOGIN",
      .config = { .authcid = S("tim"), .password = S("tanstaaf") },
      .step = { { S("Username:"), S("tim") },
                { S("Password:"), S("tanstaaf") } } },
    { .name = "identity from the certificate",
      .mech = "EXTERNAL",
      .initial = S("") },
    { .name = "identity named",
      .mech = "EXTERNAL",
      .config = { .authzid = S("fred@example.com") },
      .initial = S("fred@example.com") },
    { .name = "RFC 4505 trace",
      .mech = "ANONYMOUS",
      .config = { .authcid = S("sirhc") },
      .initial = S("sirhc") },
    { .name = "RFC 7628",
      .mech = "OAUTHBEARER",
      .config = { .authcid = S("user@example.com"),
                  .host = S("server.example.com"),
                  .port = 143,
                  .token = S("vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==") },
      .initial = S("n,a=user@example.com,\1host=server.example.com\1port=143\1"
                   "auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\1"
                   "\1") },
    { .name = "token alone",
      .mech = "OAUTHBEARER",
      .config = { .token = S("tok") },
      .initial = S("n,,\1auth=Bearer tok\1\1") },
    { .name = "published example",
      .mech = "XOAUTH2",
      .config = { .authcid = S("someuser@example.com"),
                  .token = S("ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg") },
      .initial = S("user=someuser@example.com\1auth=Bearer "
                   "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg\1\1") },
};

static void
run(const struct exchange *x)
{
    struct nsx_sasl_config config = x->config;
    struct talk t;
    int i, steps = 0, right = 1;

    config.min_iterations = 1;
    right = talk_begin(&t, x->mech, &config)
        && t.present == (x->initial.data != NULL) && said(&t, x->initial);
    for (i = 0; right && i < MOST_STEPS && x->step[i].challenge.data; i++) {
        right = talk_step(&t, x->step[i].challenge) == NSX_OK
            && said(&t, x->step[i].response);
        steps = i + 1;
    }
    ok(right, "%s: %s", x->mech, x->name);
    if (!right)
        printf("# step %d: %s; said %.*s\n", steps, t.error.text,
               (int)t.out.len, (const char *)nsx_buf_data(&t.out));
    ok(right && talk_success(&t) == NSX_OK
           && nsx_sasl_server_proved(t.sasl) == x->proved,
       "%s: %s: believed", x->mech, x->name);
    ok(right && (talk_step(&t, octets("more")) == NSX_ERROR || t.out.len <= 1)
           && talk_success(&t) == NSX_ERROR,
       "%s: %s: a challenge too many", x->mech, x->name);
    talk_end(&t);
}

/* In FIPS mode there may be no MD5. */
static int
lacks_hash(const struct exchange *x)
{
    const struct nsx_sasl_mech *m = nsx_sasl_find(x->mech, strlen(x->mech));
    unsigned char out[NSX_MAX_DIGEST];
    struct nsx_error e;

    nsx_error_reset(&e);
    if (m->hash == NSX_HASH_COUNT_
        || nsx_digest(m->hash, NULL, 0, out, &e) == NSX_OK)
        return 0;
    ok(1, "%s # SKIP %s", x->name, e.text);
    return 1;
}

int
main(void)
{
    size_t i;

    for (i = 0; i < sizeof(exchanges) / sizeof(exchanges[0]); i++)
        if (!lacks_hash(&exchanges[i]))
            run(&exchanges[i]);
    return done_testing();
}
