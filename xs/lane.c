/*
 * lane.c - the straight path of mail, to, data and dataend; see lane.h.
 */
#include "glue.h"
#include "context.h"

/* --- the reply ---------------------------------------------------------- */

/* The one line of a reply, into the line that is there. */
static int
overwrite_line(pTHX_ AV *av, const char *text, size_t len)
{
    SV *line = AvFILLp(av) == 0 ? AvARRAY(av)[0] : NULL;

    if (!nsx_is_own_string(line))
        return 0;
    (void)SvGROW(line, len + 2);
    Copy(text, SvPVX(line), len, char);
    SvPVX(line)[len] = '\n';
    SvPVX(line)[len + 1] = '\0';
    SvCUR_set(line, len + 1);
    return 1;
}

static void
store_lines(pTHX_ AV *av, const struct nsx_answer *a)
{
    struct nsx_reply_line line;
    size_t at = 0;
    int single = nsx_answer_line(a, &at, &line) && at >= a->len;

    if (single && overwrite_line(aTHX_ av, line.text, line.text_len))
        return;
    av_clear(av);
    at = 0;
    while (nsx_answer_line(a, &at, &line))
        av_push(av, nsx_line_sv(aTHX_ line.text, line.text_len));
}

/* Takes the reply: its digit. */
static int
store(pTHX_ struct nsx_straight *l)
{
    const struct nsx_answer *a = nsx_session_reply(&l->obj->session);
    const int digit = a->code[0];

    sv_setpvn(l->fact[NSX_K_CODE], a->code, NSX_CODE_DIGITS);
    if (SvUTF8(l->fact[NSX_K_CODE]))
        SvUTF8_off(l->fact[NSX_K_CODE]);
    store_lines(aTHX_ nsx_own_lines(l->fact[NSX_K_RESP]), a);
    nsx_session_take(&l->obj->session);
    l->obj->replies++;
    l->obj->touched = nsx_clock_ms();
    return digit;
}

/* Goes on the general way, within the deadline of the wait that began here:
 * the reply's digit. */
static int
reply_generally(pTHX_ struct nsx_straight *l, enum nsx_wait waited,
                int64_t deadline)
{
    struct nsx_op op;

    nsx_session_pass(&l->obj->session);
    nsx_straight_leave(aTHX_ l, &op);
    if (waited == NSX_WAIT_TIMEOUT)
        (void)nsx_channel_fail(&l->obj->ch, NSX_E_TIMEOUT, "lane");
    l->obj->until = deadline;
    return nsx_response(aTHX_ &op);
}

/* All is sent, and one reply is to come: its digit. */
static int
await(pTHX_ struct nsx_straight *l)
{
    struct nsx_session *s = &l->obj->session;
    const int64_t deadline = nsx_deadline_after(l->timeout);
    enum nsx_wait waited = NSX_WAIT_READY;

    for (;;) {
        enum nsx_step step = nsx_session_look(s);

        if (step == NSX_STEP_REPLY && !s->answer.garbage)
            return store(aTHX_ l);
        if (step == NSX_STEP_WANT_READ)
            waited = nsx_io_wait(&l->obj->ch.io, NSX_WANT_READ, deadline);
        if (step != NSX_STEP_WANT_READ || waited != NSX_WAIT_READY
            || PL_sig_pending || nsx_channel_fill(&l->obj->ch) != NSX_OK)
            return reply_generally(aTHX_ l, waited, deadline);
    }
}

/* --- commands ----------------------------------------------------------- */

/* The command that was built: its reply's digit. */
static int
exchange(pTHX_ struct nsx_straight *l)
{
    struct nsx_session *s = &l->obj->session;
    struct nsx_op op;
    const char *left;
    size_t n;

    l->obj->writes++;
    if (nsx_session_step(s) == NSX_STEP_ERROR || s->whole > 0) {
        left = nsx_session_output(s, &n);
        nsx_straight_leave(aTHX_ l, &op);
        left = SvPVX(sv_2mortal(newSVpvn(left, n)));
        nsx_session_sent(s, n);
        nsx_session_pass(s);
        (void)nsx_write(aTHX_ &op, left, n, 0, NULL);
        return nsx_response(aTHX_ &op);
    }
    return await(aTHX_ l);
}

/* 1 when the text is an address that can be read as it stands. */
static int
find_path(pTHX_ struct nsx_straight *l, SV *addr, struct nsx_addr *found)
{
    int exact;

    if (!SvPOK(addr) || SvGMAGICAL(addr) || SvROK(addr) || SvUTF8(addr)
        || isGV(addr) || nsx_addr_replaced(aTHX)
        || !nsx_plain_truth(aTHX_ l->fact[NSX_K_EXACT], &exact))
        return 0;
    if (exact)
        nsx_addr_exact(SvPVX(addr), SvCUR(addr), NSX_ADDR_OCTETS, found);
    else
        nsx_addr_extract(SvPVX(addr), SvCUR(addr), NSX_ADDR_OCTETS, found);
    return nsx_addr_is_whole(found);
}

static nsx_status
build(struct nsx_session *s, const char *verb, const struct nsx_addr *path,
      struct nsx_error *e)
{
    struct nsx_buf *out = nsx_session_line(s);
    nsx_status st = nsx_command_append(out, verb, strlen(verb), e);

    if (st == NSX_OK && path && !path->bracketed)
        st = nsx_command_append(out, "<", 1, e);
    if (st == NSX_OK && path)
        st = nsx_command_append(out, path->text, path->len, e);
    if (st == NSX_OK && path && !path->bracketed)
        st = nsx_command_append(out, ">", 1, e);
    return st == NSX_OK ? nsx_command_end(out, e) : st;
}

/* Builds and sends: 1 with *ok, or 0 where it is the general path's. */
static int
command(pTHX_ struct nsx_straight *l, enum nsx_verb verb, const char *text,
        const struct nsx_addr *path, int *ok)
{
    struct nsx_session *s = &l->obj->session;
    struct nsx_error e;

    e.code = NSX_E_NONE;
    if (!nsx_straight_is_same_file(aTHX_ l)
        || build(s, text, path, &e) != NSX_OK
        || nsx_session_commit(s, verb, 0, &e) != NSX_OK)
        return 0;
    *ok = exchange(aTHX_ l) == nsx_verb_facts(verb)->wanted;
    return 1;
}

int
nsx_lane_mail(pTHX_ SV *self, SV *addr, int *ok)
{
    struct nsx_addr path;
    struct nsx_straight l;

    return nsx_straight_enter(aTHX_ &l, self, 0) && !l.fact[NSX_K_CHUNKING]
        && find_path(aTHX_ &l, addr, &path)
        && command(aTHX_ &l, NSX_VERB_MAIL, "MAIL FROM:", &path, ok);
}

int
nsx_lane_rcpt(pTHX_ SV *self, SV *addr, int *ok)
{
    struct nsx_addr path;
    struct nsx_straight l;

    return nsx_straight_enter(aTHX_ &l, self, 0)
        && find_path(aTHX_ &l, addr, &path)
        && command(aTHX_ &l, NSX_VERB_RCPT, "RCPT TO:", &path, ok);
}

int
nsx_lane_data(pTHX_ SV *self, int *ok)
{
    struct nsx_straight l;

    if (!nsx_straight_enter(aTHX_ &l, self, 0) || l.fact[NSX_K_CHUNKING]
        || !command(aTHX_ &l, NSX_VERB_DATA, "DATA", NULL, ok))
        return 0;
    if (*ok) /* what datasend without text does */
        sv_setpvs(nsx_fact_lvalue(aTHX_ l.gv, NSX_K_LAST_CH), "\012");
    return 1;
}

int
nsx_lane_datasend(pTHX_ SV *self, SV *text)
{
    struct nsx_op op;
    struct nsx_straight l;

    if (!nsx_straight_enter(aTHX_ &l, self, 1) || l.fact[NSX_K_BARE_CR]
        || l.obj->waits || l.obj->ch.transport || !l.fact[NSX_K_DEBUG])
        return 0;
    op.gv = l.gv;
    op.obj = l.obj;
    return nsx_waiting_start(aTHX_ &op, text, l.timeout);
}

int
nsx_lane_dataend(pTHX_ SV *self, int *ok)
{
    struct nsx_error e;
    struct nsx_watch watch;
    struct nsx_op op;
    struct nsx_straight l;

    e.code = NSX_E_NONE;
    if (!nsx_straight_enter(aTHX_ &l, self, 1) || !l.obj->waits
        || !nsx_waiting_is_steady(aTHX)
        || !nsx_straight_is_same_file(aTHX_ &l))
        return 0;
    nsx_straight_leave(aTHX_ &l, &op);
    nsx_part_begin(aTHX_ &watch, &op);
    *ok = nsx_waiting_finish(aTHX_ &op);
    nsx_watch_end(aTHX_ &watch);
    if (!*ok)
        return 1;
    nsx_fact_delete(aTHX_ l.gv, NSX_K_LAST_CH);
    if (nsx_session_expect(&l.obj->session, NSX_VERB_END, 0, &e) != NSX_OK)
        *ok = nsx_response(aTHX_ &op) == NSX_DIGIT_OK;
    else
        *ok = await(aTHX_ &l) == NSX_DIGIT_OK;
    return 1;
}
