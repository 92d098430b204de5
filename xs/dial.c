/*
 * dial.c - a connection being made, as a Perl object.
 */
#include "dial.h"

#include "nsx_dial.h"
#include "owned.h"
#include "source.h"

enum {
    IPV4 = 4,
    IPV6 = 6
};

/* The octets of a field that may be missing: mortal, as whoever reads them may
 * run Perl code. */
static const char *
octets(pTHX_ HV *hv, const char *name, size_t *n)
{
    SV *sv = nsx_field(aTHX_ hv, name);
    STRLEN len = 0;
    const char *p = NULL;

    if (sv)
        p = SvPVbyte(nsx_copy(sv), len);
    *n = len;
    return p;
}

static unsigned
number(pTHX_ HV *hv, const char *name)
{
    SV *sv = nsx_field(aTHX_ hv, name);

    return sv ? (unsigned)SvUV(sv) : 0;
}

static void
read_address(pTHX_ struct nsx_address *a, SV *sv)
{
    STRLEN len;
    const char *p = SvPVbyte(nsx_copy(sv), len);

    if (len == 0 || len > NSX_MAX_SOCKADDR)
        Perl_croak(aTHX_ "Not an address as pack_sockaddr_in makes it");
    memset(a, 0, sizeof *a);
    memcpy(a->octets, p, len);
    a->len = len;
}

/* The addresses of an array, in a mortal's buffer. */
static const struct nsx_address *
addresses(pTHX_ SV **sv, size_t n)
{
    SV *store = sv_2mortal(newSV((n + 1) * sizeof(struct nsx_address)));
    struct nsx_address *list = (struct nsx_address *)(void *)SvPVX(store);
    size_t i;

    for (i = 0; i < n; i++)
        read_address(aTHX_ &list[i], sv[i]);
    return list;
}

static const struct nsx_address *
address_field(pTHX_ HV *plan, const char *name, size_t *n)
{
    SV *sv = nsx_field(aTHX_ plan, name);
    AV *av = sv && SvROK(sv) ? (AV *)SvRV(sv) : NULL;

    *n = av ? (size_t)(av_len(av) + 1) : 0;
    if (*n > NSX_MAX_ADDRESSES)
        *n = NSX_MAX_ADDRESSES;
    return *n ? addresses(aTHX_ AvARRAY(av), *n) : NULL;
}

/* ---- proxies ---- */

static void
read_proxy(pTHX_ struct nsx_proxy_request *r, HV *hv)
{
    size_t n;
    const char *kind = octets(aTHX_ hv, "kind", &n);

    Zero(r, 1, struct nsx_proxy_request);
    r->kind = kind && strEQ(kind, "http") ? NSX_PROXY_HTTP : NSX_PROXY_SOCKS5;
    r->host = octets(aTHX_ hv, "host", &r->host_len);
    r->port = number(aTHX_ hv, "port");
    r->user = octets(aTHX_ hv, "user", &r->user_len);
    r->password = octets(aTHX_ hv, "password", &r->password_len);
}

SV *
nsx_dial_check_proxy(pTHX_ HV *hv)
{
    struct nsx_proxy_request request;
    struct nsx_proxy proxy;
    struct nsx_error e;

    read_proxy(aTHX_ &request, hv);
    nsx_error_reset(&e);
    if (nsx_proxy_init(&proxy, &request, &e) != NSX_OK)
        return sv_2mortal(newSVpv(e.text, 0));
    nsx_proxy_free(&proxy);
    return sv_newmortal();
}

/* ---- life ---- */

static int
dial_free(pTHX_ SV *sv, MAGIC *mg)
{
    struct nsx_dial *d = (struct nsx_dial *)(void *)mg->mg_ptr;

    PERL_UNUSED_ARG(sv);
    PERL_UNUSED_CONTEXT;
    if (d) {
        nsx_dial_free(d);
        nsx_free(d);
    }
    mg->mg_ptr = NULL;
    return 0;
}

static MGVTBL dial_vtbl = {
    NULL, NULL, NULL, NULL, dial_free, NULL, nsx_owned_forget, NULL
};

static struct nsx_dial *
dial_of(pTHX_ SV *ref)
{
    return (struct nsx_dial *)nsx_owned(aTHX_ ref, &dial_vtbl);
}

/* All that may die comes before the memory is there. */
SV *
nsx_dial_begin(pTHX_ HV *hv)
{
    SV *proxy = nsx_field(aTHX_ hv, "proxy");
    SV *deadline = nsx_field(aTHX_ hv, "deadline");
    unsigned family = number(aTHX_ hv, "family");
    struct nsx_proxy_request request;
    struct nsx_dial_plan plan;
    struct nsx_error e;
    struct nsx_dial *d;

    Zero(&plan, 1, struct nsx_dial_plan);
    plan.host = octets(aTHX_ hv, "host", &plan.host_len);
    plan.port = number(aTHX_ hv, "port");
    plan.family = family == IPV4 ? NSX_FAMILY_IPV4
        : family == IPV6         ? NSX_FAMILY_IPV6
                                 : NSX_FAMILY_ANY;
    plan.asks = nsx_flag(aTHX_ hv, "asks");
    plan.to = address_field(aTHX_ hv, "to", &plan.count);
    plan.local = address_field(aTHX_ hv, "local", &plan.locals);
    plan.deadline = nsx_deadline_after(deadline ? SvNV(deadline) : 0);
    if (proxy)
        read_proxy(aTHX_ &request, (HV *)SvRV(proxy));
    plan.proxy = proxy ? &request : NULL;
    d = (struct nsx_dial *)nsx_zeroed(aTHX_ sizeof *d);
    nsx_error_reset(&e);
    if (nsx_dial_init(d, &plan, &e) == NSX_OK)
        return nsx_owner_of(aTHX_ d, &dial_vtbl);
    nsx_free(d);
    return sv_2mortal(newSVpv(e.text, 0));
}

/* ---- steps ---- */

enum nsx_step
nsx_dial_turn(pTHX_ SV *dial, int64_t *until)
{
    struct nsx_dial *d = dial_of(aTHX_ dial);
    nsx_status got = nsx_dial_step(d);

    *until = nsx_dial_until(d, 0);
    switch (got) {
    case NSX_WANT_READ:
        return NSX_STEP_WANT_READ;
    case NSX_WANT_WRITE:
        return NSX_STEP_WANT_WRITE;
    case NSX_AGAIN:
        return NSX_STEP_AGAIN;
    default:
        return NSX_STEP_DONE;
    }
}

SV *
nsx_dial_why(pTHX_ SV *dial)
{
    const struct nsx_dial *d = dial_of(aTHX_ dial);

    SV *why;

    if (d->error.code == NSX_E_NONE)
        return sv_newmortal();
    why = sv_2mortal(newSVpv(d->error.text, 0));
    errno = d->error.sys_errno;
    return why;
}

const char *
nsx_dial_stage_name(pTHX_ SV *dial)
{
    static const char *const name[] = { "resolve", "connect", "proxy", "done" };

    return name[dial_of(aTHX_ dial)->stage];
}

SV *
nsx_dial_question(pTHX_ SV *dial)
{
    const struct nsx_dial *d = dial_of(aTHX_ dial);

    return nsx_dial_asks(d) ? sv_2mortal(newSVpv(nsx_dial_host(d), 0))
                            : sv_newmortal();
}

void
nsx_dial_answer(pTHX_ SV *dial, I32 n, SV **sv)
{
    size_t count = n > (I32)NSX_MAX_ADDRESSES ? NSX_MAX_ADDRESSES : (size_t)n;
    const struct nsx_address *list = addresses(aTHX_ sv, count);

    nsx_dial_found(dial_of(aTHX_ dial), list, count);
}

void
nsx_dial_refuse(pTHX_ SV *dial, SV *why)
{
    const char *text = SvPV_nolen(nsx_copy(why));

    nsx_dial_not_found(dial_of(aTHX_ dial), text);
}

int
nsx_dial_fd(pTHX_ SV *dial)
{
    return nsx_dial_handle(dial_of(aTHX_ dial));
}

/* A signal that came while nobody waited would not end the wait. */
void
nsx_dial_wait(pTHX_ SV *dial)
{
    const struct nsx_dial *d = dial_of(aTHX_ dial);
    enum nsx_waited got = NSX_WAITED_AGAIN;
    size_t n;
    const int *fds = nsx_dial_handles(d, &n);

    if (!PL_sig_pending)
        got = nsx_await_any_quietly(fds, n, d->want, nsx_dial_until(d, 1));
    if (got == NSX_WAITED_AGAIN)
        PERL_ASYNC_CHECK();
}

int
nsx_dial_hand_over(pTHX_ SV *dial)
{
    return nsx_dial_take(dial_of(aTHX_ dial));
}
