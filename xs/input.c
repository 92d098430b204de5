/*
 * input.c - octets from the server, a line at a time.
 */
#include "glue.h"

static nsx_status
fill_from_tie(pTHX_ struct nsx_op *op)
{
    SV *data = nsx_call_function(aTHX_ "_tied_read", 1, &op->self);
    STRLEN len;
    const char *text;

    if (!SvOK(data)) {
        if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
            return NSX_WANT_READ;
        return nsx_channel_fail(&op->obj->ch, NSX_E_EOF, "fill_from_tie");
    }
    text = SvPV(data, len);
    return len ? nsx_channel_feed(&op->obj->ch, text, len)
               : nsx_channel_fail(&op->obj->ch, NSX_E_EOF, "fill_from_tie");
}

static int
readable_now(pTHX_ struct nsx_op *op)
{
    if (op->obj->handle == NSX_HANDLE_TIED)
        return SvTRUE(nsx_call_function(aTHX_ "_tied_pending", 1, &op->self));
    return nsx_channel_pending(&op->obj->ch) > 0;
}

/* Adds input: 1, or 0 with the session ended and the status set. */
int
nsx_read_more(pTHX_ struct nsx_op *op, int64_t deadline)
{
    nsx_status want = readable_now(aTHX_ op) ? NSX_OK : NSX_WANT_READ;

    for (;;) {
        if (!nsx_wait(aTHX_ op, want, deadline, "getline"))
            return 0;
        want = op->obj->handle == NSX_HANDLE_TIED
            ? fill_from_tie(aTHX_ op)
            : nsx_channel_fill(&op->obj->ch);
        if (want == NSX_OK)
            return 1;
        if (want == NSX_ERROR) {
            nsx_failed(aTHX_ op, "getline");
            return 0;
        }
    }
}

/* The first line that ungetline put back, or NULL. */
static SV *
pushed_back(pTHX_ struct nsx_op *op)
{
    AV *lines = nsx_fact_array(aTHX_ op->gv, NSX_K_LINES);

    if (!lines) {
        sv_setsv(nsx_fact_lvalue(aTHX_ op->gv, NSX_K_LINES),
                 sv_2mortal(newRV_noinc((SV *)newAV())));
        return NULL;
    }
    return av_len(lines) >= 0 ? sv_2mortal(av_shift(lines)) : NULL;
}

SV *
nsx_line_sv(pTHX_ const char *text, size_t len)
{
    SV *sv = newSV(len + 2);

    sv_setpvn(sv, text, len);
    sv_catpvs(sv, "\n");
    if (TAINTING_get)
        SvTAINTED_on(sv);
    return sv;
}

/* A line was taken: the last one of its reply, unless it says otherwise. */
void
nsx_line_taken(struct nsx_object *obj, const char *text, size_t len)
{
    struct nsx_reply_line parsed;

    if (nsx_reply_parse_line(text, len, &parsed) && parsed.more)
        return;
    nsx_session_pass(&obj->session);
}

/* The next line, which in a reply may not be longer than one of those. */
static nsx_status
line_of_reply(struct nsx_object *obj, struct nsx_line *line)
{
    const size_t cap = NSX_MAX_REPLY_LINE + 1; /* the CR may be there */
    nsx_status got = nsx_channel_line(&obj->ch, line);

    return got == NSX_WANT_READ && obj->awaiting
            && nsx_channel_buffered(&obj->ch) > cap
        ? nsx_channel_fail(&obj->ch, NSX_E_LINE_LENGTH, "line_of_reply")
        : got;
}

/* *deadline is NSX_UNSET until a line must be waited for. */
SV *
nsx_getline_within(pTHX_ struct nsx_op *op, int64_t *deadline)
{
    struct nsx_line line;
    nsx_status got;
    SV *sv;

    (void)nsx_op_fd(aTHX_ op);
    sv = pushed_back(aTHX_ op);
    if (sv) {
        if (SvPOK(sv))
            nsx_line_taken(op->obj, SvPVX(sv), SvCUR(sv));
        return sv;
    }
    got = nsx_channel_line(&op->obj->ch, &line);
    if (got != NSX_OK) {
        if (nsx_is_closed(aTHX_ op))
            return NULL;
        if (*deadline == NSX_UNSET)
            *deadline = nsx_deadline_after(nsx_timeout(aTHX_ op));
        while (got == NSX_WANT_READ) {
            if (!nsx_read_more(aTHX_ op, *deadline))
                return NULL;
            got = line_of_reply(op->obj, &line);
        }
    }
    if (got == NSX_ERROR) {
        nsx_failed(aTHX_ op, "getline");
        return NULL;
    }
    sv = sv_2mortal(nsx_line_sv(aTHX_ line.text, line.len));
    nsx_line_taken(op->obj, line.text, line.len);
    nsx_channel_take(&op->obj->ch, line.used);
    return sv;
}

SV *
nsx_getline(pTHX_ struct nsx_op *op)
{
    int64_t deadline = NSX_UNSET;

    return nsx_getline_within(aTHX_ op, &deadline);
}

size_t
nsx_lines_waiting(pTHX_ GV *gv)
{
    const struct nsx_object *obj = nsx_object_find(aTHX_ gv);
    const unsigned char *data;
    size_t i, count = 0;

    if (!obj)
        return 0;
    data = nsx_buf_data(&obj->ch.in);
    for (i = 0; i < nsx_channel_buffered(&obj->ch); i++)
        count += data[i] == '\012';
    return count;
}

int
nsx_unread(pTHX_ struct nsx_op *op)
{
    (void)nsx_op_fd(aTHX_ op);
    return nsx_channel_buffered(&op->obj->ch) > 0;
}
