/*
 * write.c - octets to the server.
 */
#include "glue.h"

static void
add_text_line(pTHX_ AV *lines, const char *text, size_t len)
{
    SV *sv = newSVpvn(text, len);

    sv_catpvs(sv, "\n");
    av_push(lines, sv);
}

/* A reply that came before the connection broke says more than the break. */
static int
salvage_reply(pTHX_ struct nsx_op *op)
{
    struct nsx_channel *ch = &op->obj->ch;
    struct nsx_reply reply;
    struct nsx_reply_line line;
    AV *lines = newAV();
    SV *resp = sv_2mortal(newRV_noinc((SV *)lines));
    SV *code = NULL;
    size_t used;
    int more = 1;

    if (op->obj->handle == NSX_HANDLE_TIED)
        return 0;
    nsx_error_reset(&ch->error);
    while (nsx_channel_fill(ch) == NSX_OK)
        ;
    nsx_error_reset(&ch->error);
    nsx_reply_init(&reply);
    while (more && nsx_channel_reply(ch, &reply, &line, &used) == NSX_OK) {
        code = sv_2mortal(newSVpvn(line.code, NSX_CODE_DIGITS));
        more = line.more;
        add_text_line(aTHX_ lines, line.text, line.text_len);
        nsx_channel_take(ch, used);
    }
    if (more)
        return 0;
    nsx_close(aTHX_ op);
    nsx_set_status(aTHX_ op, code, resp);
    return 1;
}

static int
write_failed(pTHX_ struct nsx_op *op)
{
    struct nsx_error e = op->obj->ch.error;

    if (salvage_reply(aTHX_ op))
        return 0;
    op->obj->ch.error = e;
    nsx_failed(aTHX_ op, "_syswrite_with_timeout");
    return 0;
}

static int
write_tied(pTHX_ struct nsx_op *op, const char *data, size_t n,
           struct nsx_text *body)
{
    SV *argv[2];

    argv[0] = op->self;
    argv[1] = sv_2mortal(newSVpvn(data, n));
    if (body)
        nsx_text_own(aTHX_ body);
    if (SvTRUE(nsx_call_function(aTHX_ "_tied_write", 2, argv))) {
        if (!body || nsx_text_done(body))
            nsx_session_leave(&op->obj->session);
        op->obj->ch.sent += n;
        return 1;
    }
    (void)nsx_channel_fail(&op->obj->ch,
                           errno == ETIMEDOUT ? NSX_E_TIMEOUT : NSX_E_EOF,
                           "write_tied");
    nsx_failed(aTHX_ op, "_syswrite_with_timeout");
    return 0;
}

/* What is being written. */
struct output {
    const char *data;
    size_t n;
    struct nsx_text *body; /* what follows; NULL for a command */
    int owned;             /* data is a copy that nobody else knows */
};

/* What is written may be a secret. */
static void
free_wiped(pTHX_ void *sv)
{
    Zero(SvPVX((SV *)sv), SvCUR((SV *)sv), char);
    SvREFCNT_dec_NN((SV *)sv);
}

/* Called before Perl code runs, which may change the scalars, or give another
 * command in the same buffers. */
static void
output_own(pTHX_ struct output *out)
{
    if (!out->owned) {
        SV *copy = newSVpvn(out->data, out->n);

        SAVEDESTRUCTOR_X(free_wiped, copy); /* as nsx_write is left */
        out->data = SvPVX(copy);
        out->owned = 1;
    }
    if (out->body)
        nsx_text_own(aTHX_ out->body);
}

static double
output_timeout(pTHX_ struct nsx_op *op, struct output *out)
{
    if (nsx_overridden(aTHX_ op, NSX_M_timeout)
        || nsx_fact_runs_code(aTHX_ op->gv, NSX_K_IO_TIMEOUT))
        output_own(aTHX_ out);
    return nsx_timeout(aTHX_ op);
}

static void
own_before(pTHX_ void *out)
{
    output_own(aTHX_(struct output *) out);
}

/* Waits for room (NSX_OK: only lets handlers run), the octets being ours before
 * they do.  1, or 0 with the session ended. */
static int
wait_for_room(pTHX_ struct nsx_op *op, nsx_status what, int64_t deadline,
              struct output *out)
{
    const enum nsx_waited waited =
        nsx_await(aTHX_ op, what, deadline, own_before, out);

    if (waited == NSX_WAITED_READY || waited == NSX_WAITED_AGAIN)
        return 1;
    if (waited == NSX_WAITED_CLOSED) {
        nsx_closed(aTHX_ op, 0, "_syswrite_with_timeout");
        return 0;
    }
    nsx_await_failed(op->obj, waited);
    return write_failed(aTHX_ op);
}

static int
is_all_written(const struct output *out)
{
    return out->n == 0 && (!out->body || nsx_text_done(out->body));
}

static int
write_plain(pTHX_ struct nsx_op *op, struct output *out, int more)
{
    struct nsx_object *obj = op->obj;
    double timeout = -1;
    int64_t deadline = 0; /* 0: to be set when there is no room */

    while (out->n > 0) {
        size_t done = 0;
        nsx_status st =
            nsx_channel_send(&obj->ch, out->data, out->n, more, &done);

        if (st == NSX_ERROR)
            return write_failed(aTHX_ op);
        if (st == NSX_OK) {
            out->data += done;
            out->n -= done;
            nsx_session_enter(&obj->session);
            deadline = 0;
            if (PL_sig_pending && !is_all_written(out)
                && !wait_for_room(aTHX_ op, NSX_OK, NSX_NEVER, out))
                return 0;
            continue;
        }
        /* A record that waits holds octets of these. */
        if (obj->ch.transport)
            nsx_session_enter(&obj->session);
        if (timeout < 0)
            timeout = output_timeout(aTHX_ op, out);
        if (!deadline)
            deadline = nsx_deadline_after(timeout);
        if (!wait_for_room(aTHX_ op, st, deadline, out))
            return 0;
    }
    if (is_all_written(out))
        nsx_session_leave(&obj->session);
    return 1;
}

int
nsx_write(pTHX_ struct nsx_op *op, const char *data, size_t n, int more,
          struct nsx_text *body)
{
    struct output out;
    int ok;

    out.data = data;
    out.n = n;
    out.body = body;
    out.owned = 0;
    ENTER;
    if (nsx_op_tied(aTHX_ op)) /* its FILENO may be Perl's */
        output_own(aTHX_ &out);
    if (nsx_op_fd(aTHX_ op) < 0) {
        nsx_closed(aTHX_ op, 0, "_syswrite_with_timeout");
        LEAVE;
        return 0;
    }
    if (body)
        nsx_session_enter(&op->obj->session);
    op->obj->writes++;
    ok = op->obj->handle == NSX_HANDLE_TIED
        ? write_tied(aTHX_ op, out.data, n, body)
        : write_plain(aTHX_ op, &out, more);
    LEAVE;
    return ok;
}

int
nsx_write_unit(pTHX_ struct nsx_op *op, const char *data, size_t n, int more)
{
    SV *text;

    if (!nsx_overridden(aTHX_ op, NSX_M__syswrite_with_timeout))
        return nsx_write(aTHX_ op, data, n, more, NULL);
    text = sv_2mortal(newSVpvn(data, n));
    return SvTRUE(nsx_call(aTHX_ op->self, "_syswrite_with_timeout", 1, &text));
}
