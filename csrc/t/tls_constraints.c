/*
 * Name constraints: an authority that may speak for some names only does not
 * get others in by way of the common name, or of names that mean one thing to
 * the check of the constraints and another to the check of the host.
 */
#include "tap.h"

#include "tls_net.h"

#define BANK "mail.bank.example"
#define EVIL "mail.evil.example"

static struct id root, limited, excluding, open_ca;
static const char *root_file;

static const char *
visit(const char *scheme, const struct id *by, const struct spec *names,
      const char *host)
{
    static struct nsx_error e;
    struct nsx_tls_target t = { NULL, NULL, NULL };
    struct nsx_tls_options o;
    struct nsx_tls_config *c;
    struct spec s = *names;
    struct id leaf;
    struct link l;
    int needs, done;

    s.issuer = by;
    leaf = issue(s);
    t.server_name = t.verify_name = host;
    nsx_error_reset(&e);
    nsx_tls_options_init(&o);
    o.ca_files = &root_file;
    o.ca_file_count = 1;
    nsx_tls_scheme(scheme, &o.names);
    c = nsx_tls_config_new(&o, &needs, &e);
    if (!c)
        bail_out(e.text);
    link_open(&l, server_ctx(&leaf, by->cert));
    done = link_handshake(&l, c, &t) == NSX_TLS_DONE;
    e = l.error;
    nsx_tls_config_drop(c);
    link_close(&l);
    id_free(&leaf);
    return done ? NULL : e.text;
}

static const struct trial {
    const char *what;
    const char *scheme;
    const struct id *by;
    const char *cn, *san, *raw_dns, *host;
    int accepted;
} trials[] = {
    { "a permitted name", "smtp", &limited, "x", "DNS:" EVIL, NULL, EVIL, 1 },
    { "a permitted CN alone", "smtp", &limited, EVIL, NULL, NULL, EVIL, 1 },
    { "a name that is not permitted", "smtp", &limited, "x", "DNS:" BANK, NULL,
      BANK, 0 },
    { "a CN alone that is not", "smtp", &limited, BANK, NULL, NULL, BANK, 0 },
    { "a CN beside a permitted name", "smtp", &limited, BANK, "DNS:" EVIL, NULL,
      BANK, 0 },
    { "the same where the CN always counts", "default", &limited, BANK,
      "DNS:" EVIL, NULL, BANK, 0 },
    { "the same, permitted", "default", &limited, "www.evil.example",
      "DNS:" EVIL, NULL, "www.evil.example", 1 },
    { "a wildcard CN alone", "smtp", &limited, "*.bank.example", NULL, NULL,
      BANK, 0 },
    { "the same where the CN always counts", "default", &limited,
      "*.bank.example", "DNS:" EVIL, NULL, BANK, 0 },
    { "a CN of one label", "smtp", &limited, "bank", NULL, NULL, "bank", 0 },
    { "a CN that is no host name", "smtp", &limited, "mail-.bank.example", NULL,
      NULL, "mail-.bank.example", 0 },
    { "an excluded name", "smtp", &excluding, "x", "DNS:" BANK, NULL, BANK, 0 },
    { "the same with a final dot", "smtp", &excluding, "x", NULL, BANK ".",
      BANK, 0 },
    { "the same with a blank behind", "smtp", &excluding, "x", NULL, BANK " ",
      BANK, 0 },
    { "the same with a blank before", "smtp", &excluding, "x", NULL, " " BANK,
      BANK, 0 },
    { "a CN with a final dot", "smtp", &excluding, BANK ".", NULL, NULL, BANK,
      0 },
    { "no limits: a CN beside a name", "smtp", &open_ca, BANK, "DNS:" EVIL,
      NULL, BANK, 0 },
    { "no limits: the same where it counts", "default", &open_ca, BANK,
      "DNS:" EVIL, NULL, BANK, 1 },
    { "no limits: a wildcard CN alone", "smtp", &open_ca, "*.bank.example",
      NULL, NULL, BANK, 1 },
};

static struct id
authority(const char *cn, const char *limits)
{
    struct spec s;

    memset(&s, 0, sizeof s);
    s.cn = cn;
    s.is_ca = 1;
    s.issuer = &root;
    s.limits = limits;
    return issue(s);
}

int
main(void)
{
    struct spec s;
    size_t i;

    alarm(100);
    memset(&s, 0, sizeof s);
    s.cn = "Root";
    s.is_ca = 1;
    root = issue(s);
    root_file = strdup(write_cert("root.pem", root.cert));
    limited = authority("Limited", "critical,permitted;DNS:evil.example");
    excluding = authority("Excluding", "critical,excluded;DNS:bank.example");
    open_ca = authority("Open", NULL);
    for (i = 0; i < sizeof trials / sizeof trials[0]; i++) {
        const struct trial *t = &trials[i];
        const char *error;

        memset(&s, 0, sizeof s);
        s.cn = t->cn;
        s.san = t->san;
        s.raw_dns = t->raw_dns;
        error = visit(t->scheme, t->by, &s, t->host);
        ok((error == NULL) == t->accepted, "%s: %s", t->what,
           error ? error : "accepted");
    }
    id_free(&root);
    id_free(&limited);
    id_free(&excluding);
    id_free(&open_ca);
    free((void *)root_file);
    pki_clean();
    return done_testing();
}
