/*
 * nsx_sasl.c - one exchange: the arguments and the order of calls.  What is
 * said is in nsx_sasl_<family>.c, from parts of nsx_sasl_part.c.
 */
#include "nsx_sasl_mech.h"

#include <string.h>

/* ---- the caller's arguments ---- */

struct field {
    size_t at;        /* in struct nsx_sasl_config */
    const char *name; /* as an error calls it */
    int text;         /* 0: any octets */
};

#define FIELD(member, name, text)                                              \
    {                                                                          \
        offsetof(struct nsx_sasl_config, member), name, text                   \
    }

static const struct field fields[] = {
    FIELD(authcid, "user", 1),
    FIELD(authzid, "authorization identity", 1),
    FIELD(password, "password", 1),
    FIELD(token, "token", 1),
    FIELD(service, "service", 1),
    FIELD(host, "host", 1),
    FIELD(realm, "realm", 1),
    FIELD(binding_type, "channel binding type", 1),
    FIELD(binding_data, "channel binding data", 0),
    FIELD(nonce, "nonce", 1),
};

#define FIELDS (sizeof(fields) / sizeof(fields[0]))

static const struct nsx_octets *
field_of(const struct nsx_sasl_config *c, size_t i)
{
    const void *p = (const char *)c + fields[i].at;
    return p;
}

/* ASCII's controls, and U+0080 to U+009F in UTF-8. */
static int
has_control(const unsigned char *p, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++) {
        if (p[i] < 0x20 || p[i] == 0x7f)
            return 1;
        if (p[i] == 0xc2 && i + 1 < n && p[i + 1] >= 0x80 && p[i + 1] <= 0x9f)
            return 1;
    }
    return 0;
}

static nsx_status
check_field(const struct nsx_sasl_mech *mech, const struct field *f,
            const struct nsx_octets *value, struct nsx_error *e)
{
    const char *fault = NULL;

    if (!value->data)
        return NSX_OK;
    if (value->len > NSX_MAX_SASL_RESPONSE)
        fault = "is too long";
    else if (f->text && memchr(value->data, 0, value->len))
        fault = "holds a NUL";
    else if (f->text && (mech->ops->rules & NSX_SASL_NO_CONTROLS)
             && has_control(value->data, value->len))
        fault = "holds a control character";
    if (!fault)
        return NSX_OK;
    return nsx_error_set(e, NSX_E_ARGUMENT, "nsx_sasl_new", "%s: %s %s",
                         mech->name, f->name, fault);
}

static const char *
missing(const struct nsx_sasl_mech *mech, const struct nsx_sasl_config *c)
{
    if ((mech->flags & NSX_SASL_NEEDS_PASSWORD) && !c->password.data)
        return "password";
    if ((mech->flags & NSX_SASL_NEEDS_TOKEN) && !c->token.data)
        return "token";
    if ((mech->ops->rules & NSX_SASL_WANTS_USER) && !c->authcid.data)
        return "user";
    if ((mech->ops->rules & NSX_SASL_WANTS_HOST) && !c->host.data)
        return "host";
    return NULL;
}

static nsx_status
check_config(const struct nsx_sasl_mech *mech, const struct nsx_sasl_config *c,
             struct nsx_error *e)
{
    const char *lacks = missing(mech, c);
    size_t i;

    if (lacks)
        return nsx_error_set(e, NSX_E_ARGUMENT, "nsx_sasl_new",
                             "%s: %s is missing", mech->name, lacks);
    for (i = 0; i < FIELDS; i++)
        if (check_field(mech, &fields[i], field_of(c, i), e) != NSX_OK)
            return NSX_ERROR;
    if ((mech->flags & NSX_SASL_BINDING)
        && !(c->binding_type.data && c->binding_data.data))
        return nsx_error_set(e, NSX_E_SASL_MECHANISM, "nsx_sasl_new",
                             "%s: no channel binding data", mech->name);
    return NSX_OK;
}

/* Copies every argument into one allocation, that one wipe can clear. */
static nsx_status
copy_config(struct nsx_sasl *s, const struct nsx_sasl_config *c,
            struct nsx_error *e)
{
    unsigned char *to;
    size_t i;

    s->arena_size = 1; /* an empty argument still needs an address */
    for (i = 0; i < FIELDS; i++)
        if (field_of(c, i)->data)
            s->arena_size += field_of(c, i)->len;
    s->arena = nsx_alloc(s->arena_size);
    if (!s->arena)
        return nsx_error_set(e, NSX_E_NOMEM, "nsx_sasl_new", NULL);
    s->config = *c;
    to = s->arena;
    for (i = 0; i < FIELDS; i++) {
        const struct nsx_octets *from = field_of(c, i);
        void *slot = (char *)&s->config + fields[i].at;

        if (!from->data) {
            *(struct nsx_octets *)slot = nsx_octets(NULL, 0);
            continue;
        }
        memcpy(to, from->data, from->len);
        *(struct nsx_octets *)slot = nsx_octets(to, from->len);
        to += from->len;
    }
    return NSX_OK;
}

/* ---- life ---- */

#define LONGEST_NAME 20 /* of a mechanism (RFC 4422 3.1) */

static nsx_status
fill(struct nsx_sasl *s, const struct nsx_sasl_config *c, struct nsx_error *e)
{
    if (copy_config(s, c, e) != NSX_OK)
        return NSX_ERROR;
    if (!s->mech->ops->state_size)
        return NSX_OK;
    s->state = nsx_alloc(s->mech->ops->state_size);
    if (!s->state)
        return nsx_error_set(e, NSX_E_NOMEM, "nsx_sasl_new", NULL);
    return NSX_OK;
}

struct nsx_sasl *
nsx_sasl_new(const char *mechanism, size_t len,
             const struct nsx_sasl_config *config, struct nsx_error *e)
{
    const struct nsx_sasl_mech *mech = nsx_sasl_find(mechanism, len);
    struct nsx_sasl *s;

    if (!mech) {
        nsx_error_set(e, NSX_E_SASL_MECHANISM, "nsx_sasl_new",
                      "unknown SASL mechanism \"%.*s\"",
                      (int)(len < LONGEST_NAME ? len : LONGEST_NAME),
                      mechanism);
        return NULL;
    }
    if (check_config(mech, config, e) != NSX_OK)
        return NULL;
    s = nsx_alloc(sizeof(*s));
    if (!s) {
        nsx_error_set(e, NSX_E_NOMEM, "nsx_sasl_new", NULL);
        return NULL;
    }
    s->mech = mech;
    if (fill(s, config, e) != NSX_OK) {
        nsx_sasl_free(s);
        return NULL;
    }
    return s;
}

static void
drop_state(struct nsx_sasl *s)
{
    if (!s->state)
        return;
    if (s->mech->ops->clear)
        s->mech->ops->clear(s->state);
    nsx_wipe(s->state, s->mech->ops->state_size);
    nsx_free(s->state);
    s->state = NULL;
}

void
nsx_sasl_free(struct nsx_sasl *s)
{
    if (!s)
        return;
    drop_state(s);
    nsx_sasl_forget(s);
    nsx_free(s->arena);
    nsx_free(s);
}

const struct nsx_sasl_mech *
nsx_sasl_mechanism(const struct nsx_sasl *s)
{
    return s->mech;
}

/* ---- the exchange ---- */

/* What must hold after a start or a step, whatever it did. */
static nsx_status
settle(struct nsx_sasl *s, nsx_status st, struct nsx_buf *out)
{
    s->working = st == NSX_AGAIN;
    if (st == NSX_ERROR) {
        s->phase = NSX_SASL_FAILED;
        nsx_buf_wipe(out);
    }
    if (s->phase != NSX_SASL_GOING) {
        drop_state(s);
        nsx_sasl_forget(s);
    }
    return st;
}

nsx_status
nsx_sasl_start(struct nsx_sasl *s, struct nsx_buf *out, int *present,
               struct nsx_error *e)
{
    const struct nsx_sasl_ops *ops = s->mech->ops;

    nsx_buf_wipe(out);
    *present = 0;
    if (s->phase != NSX_SASL_FRESH)
        return nsx_error_set(e, NSX_E_ARGUMENT, "nsx_sasl_start",
                             "%s: started twice", s->mech->name);
    s->phase = NSX_SASL_GOING;
    if (!ops->start)
        return NSX_OK;
    *present = 1;
    return settle(s, ops->start(s, out, e), out);
}

static nsx_status
check_step(struct nsx_sasl *s, size_t n, struct nsx_error *e)
{
    if (s->phase != NSX_SASL_GOING || s->working)
        return nsx_sasl_bad(s, "nsx_sasl_step", "unexpected challenge", e);
    if (n > NSX_MAX_SASL_CHALLENGE)
        return nsx_sasl_bad(s, "nsx_sasl_step", "challenge is too long", e);
    return NSX_OK;
}

nsx_status
nsx_sasl_step(struct nsx_sasl *s, const void *challenge, size_t n,
              struct nsx_buf *out, struct nsx_error *e)
{
    nsx_status st = check_step(s, n, e);

    nsx_buf_wipe(out);
    s->detail[0] = '\0';
    memset(&s->progress, 0, sizeof(s->progress));
    if (st == NSX_OK) {
        s->steps++;
        st = s->mech->ops->step(s, nsx_octets(n ? challenge : "", n), out, e);
    }
    return settle(s, st, out);
}

nsx_status
nsx_sasl_work(struct nsx_sasl *s, struct nsx_buf *out, struct nsx_error *e)
{
    nsx_buf_wipe(out);
    if (!s->working)
        return nsx_error_set(e, NSX_E_ARGUMENT, "nsx_sasl_work",
                             "%s: nothing to be done", s->mech->name);
    return settle(s, s->mech->ops->work(s, out, e), out);
}

struct nsx_sasl_progress
nsx_sasl_progress(const struct nsx_sasl *s)
{
    return s->progress;
}

nsx_status
nsx_sasl_finished(struct nsx_sasl *s, struct nsx_error *e)
{
    if (s->phase == NSX_SASL_FAILED || s->phase == NSX_SASL_REFUSED)
        return nsx_sasl_bad(s, "nsx_sasl_finished",
                            "success reported after a failure", e);
    if ((s->mech->flags & NSX_SASL_MUTUAL) && !s->proved) {
        s->phase = NSX_SASL_FAILED;
        return nsx_sasl_bad(s, "nsx_sasl_finished",
                            "success reported, but the server has not shown "
                            "that it knows the password",
                            e);
    }
    return NSX_OK;
}

int
nsx_sasl_server_proved(const struct nsx_sasl *s)
{
    return s->proved;
}

const char *
nsx_sasl_detail(const struct nsx_sasl *s)
{
    return s->detail;
}
