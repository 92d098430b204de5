/*
 * write.c - commands and bodies on their way to the server.
 *
 * A body is encoded from the caller's own scalars through one block of fixed
 * size.  Before a signal handler may run, what is left of it is copied: the
 * handler is free to change or drop those scalars.
 */
#include "glue.h"

/* --- bodies ------------------------------------------------------------ */

static AV *
body_array(pTHX_ SV *ref)
{
    if (SvAMAGIC(ref))
        ref = amagic_deref_call(ref, to_av_amg);
    if (SvTYPE(SvRV(ref)) != SVt_PVAV)
        Perl_croak(aTHX_ "Not an ARRAY reference");
    return (AV *)SvRV(ref);
}

/* Text as it stands in the scalar: no code of Perl's runs to read it. */
static int
is_plain(SV *sv)
{
    return sv && SvPOK(sv) && !SvGMAGICAL(sv) && !SvROK(sv) && !isGV(sv);
}

static void
join_item(pTHX_ SV *joined, SV *sv)
{
    if (sv)
        SvGETMAGIC(sv);
    if (sv && SvOK(sv))
        sv_catsv_nomg(joined, sv);
    else
        (void)nsx_call_function(aTHX_ "_undefined_text", 0, NULL);
}

static void
body_single(struct nsx_body *body, SV *sv)
{
    body->single = sv;
    body->item = &body->single;
    body->count = 1;
    body->at = 0;
    body->off = 0;
}

/* A list of items of its own, each kept alive: reading one of them may run
 * code that drops the others. */
static SV **
held_items(pTHX_ const struct nsx_body *body)
{
    SV *store = sv_2mortal(newSV((STRLEN)(body->count + 1) * sizeof(SV *)));
    SV **item = (SV **)(void *)SvPVX(store);

    Copy(body->item, item, body->count, SV *);
    nsx_hold(aTHX_ body->count, item);
    return item;
}

static void
join_all(pTHX_ struct nsx_body *body)
{
    SV *joined = sv_2mortal(newSVpvs(""));
    SV **item = held_items(aTHX_ body);
    const I32 count = body->count;
    I32 i;

    for (i = 0; i < count; i++)
        join_item(aTHX_ joined, item[i]);
    body_single(body, joined);
    body->owned = 1;
}

/* Lead octets of UTF-8 for the characters 128 to 255. */
#define NSX_UTF8_LEAD_MIN 0xC2
#define NSX_UTF8_LEAD_MAX 0xC3

/* 1 when the text has characters above 255, or octets that are no characters
 * at all though Perl is told that they are: neither can be sent. */
static int
is_wide(pTHX_ SV *sv)
{
    STRLEN len, i;
    const U8 *text;

    if (!SvUTF8(sv))
        return 0;
    text = (const U8 *)SvPV_nomg(sv, len);
    for (i = 0; i < len; i++) {
        if (UTF8_IS_INVARIANT(text[i]))
            continue;
        if (text[i] < NSX_UTF8_LEAD_MIN || text[i] > NSX_UTF8_LEAD_MAX
            || ++i == len || !UTF8_IS_CONTINUATION(text[i]))
            return 1;
    }
    return 0;
}

static void
list_items(pTHX_ struct nsx_body *body, I32 argc, SV **argv)
{
    AV *av;
    I32 i;

    Zero(body, 1, struct nsx_body);
    if (argc == 1)
        SvGETMAGIC(argv[0]);
    if (argc != 1 || !SvROK(argv[0])) {
        body->item = argv;
        body->count = argc;
        return;
    }
    av = body_array(aTHX_ argv[0]);
    body->count = (I32)(av_len(av) + 1);
    if (SvRMAGICAL((SV *)av) || !AvREAL(av)) {
        SV *store = sv_2mortal(
            newSV((STRLEN)(body->count + 1) * sizeof(SV *)));

        body->item = (SV **)(void *)SvPVX(store);
        for (i = 0; i < body->count; i++) {
            SV **slot = av_fetch(av, i, 0);

            body->item[i] = slot ? *slot : &PL_sv_undef;
        }
        return;
    }
    body->item = AvARRAY(av); /* with holes, perhaps */
}

void
nsx_body_init(pTHX_ struct nsx_body *body, I32 argc, SV **argv)
{
    I32 i;

    list_items(aTHX_ body, argc, argv);
    for (i = 0; i < body->count; i++)
        if (!is_plain(body->item[i])) {
            join_all(aTHX_ body);
            break;
        }
    for (i = 0; i < body->count; i++)
        if (is_wide(aTHX_ body->item[i]))
            Perl_croak(aTHX_ "Wide character in syswrite");
}

static STRLEN
characters(pTHX_ SV *sv)
{
    return SvUTF8(sv) ? sv_len_utf8(sv) : SvCUR(sv);
}

STRLEN
nsx_body_length(pTHX_ const struct nsx_body *body)
{
    STRLEN total = 0;
    I32 i;

    for (i = 0; i < body->count; i++)
        total += characters(aTHX_ body->item[i]);
    return total;
}

/* Octets of what is not sent yet, in a mortal of its own. */
static SV *
body_rest(pTHX_ struct nsx_body *body)
{
    SV *rest = sv_2mortal(newSVpvs(""));
    I32 i;

    for (i = body->at; i < body->count; i++) {
        SV *sv = body->item[i];
        STRLEN skip = i == body->at ? body->off : 0;
        SV *part = newSVpvn_flags(SvPVX(sv) + skip, SvCUR(sv) - skip,
                                  SVs_TEMP | SvUTF8(sv));

        (void)sv_utf8_downgrade(part, TRUE);
        sv_catsv(rest, part);
    }
    return rest;
}

SV *
nsx_body_joined(pTHX_ struct nsx_body *body)
{
    return body_rest(aTHX_ body);
}

/* A copy that shares the caller's octets until one of the two is changed,
 * where perl can do that. */
static SV *
shared_copy(pTHX_ SV *sv)
{
    SV *copy = sv_newmortal();

    sv_setsv_flags(copy, sv, SV_NOSTEAL | SV_COW_SHARED_HASH_KEYS);
    return copy;
}

static int
body_done(const struct nsx_body *body)
{
    return body->at >= body->count;
}

/* From here on the body does not depend on the caller's scalars.  One that is
 * sent stays so. */
static void
body_own(pTHX_ struct nsx_body *body)
{
    const STRLEN off = body->off;

    if (body->owned || body_done(body))
        return;
    body->owned = 1;
    if (body->count == 1 && body->at == 0
        && SvTYPE(body->item[0]) <= SVt_PVMG) {
        body_single(body, shared_copy(aTHX_ body->item[0]));
        body->off = off;
    }
    else {
        body_single(body, body_rest(aTHX_ body));
    }
}

/* The character that Perl keeps in UTF-8 as these two octets. */
static char
two_octets(const char *text)
{
    const U8 high = (U8)text[0], low = (U8)text[1];

    return (char)TWO_BYTE_UTF8_TO_NATIVE(high, low);
}

/* The last octet of the body; the body is not empty. */
static char
body_last(const struct nsx_body *body)
{
    I32 i = body->count;

    while (i-- > 0) {
        SV *sv = body->item[i];
        STRLEN len = SvCUR(sv);

        if (len == 0)
            continue;
        if (SvUTF8(sv) && len > 1 && UTF8_IS_CONTINUATION(SvPVX(sv)[len - 1]))
            return two_octets(SvPVX(sv) + len - 2);
        return SvPVX(sv)[len - 1];
    }
    return '\012';
}

/* --- writing ----------------------------------------------------------- */

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
    while (more
           && nsx_channel_reply(ch, &reply, &line, &used) == NSX_OK) {
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
           struct nsx_body *body)
{
    SV *argv[2];

    argv[0] = op->self;
    argv[1] = sv_2mortal(newSVpvn(data, n));
    if (body)
        body_own(aTHX_ body);
    if (SvTRUE(nsx_call_function(aTHX_ "_tied_write", 2, argv))) {
        op->obj->torn = body && !body_done(body);
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
    struct nsx_body *body; /* what follows; NULL for a command */
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
        body_own(aTHX_ out->body);
}

static double
output_timeout(pTHX_ struct nsx_op *op, struct output *out)
{
    if (nsx_overridden(aTHX_ op, NSX_M_timeout)
        || nsx_fact_runs_code(aTHX_ op->gv, NSX_K_IO_TIMEOUT))
        output_own(aTHX_ out);
    return nsx_timeout(aTHX_ op);
}

/* Waits for room; on a signal makes the octets ours before handlers run.
 * 1, or 0 with the session ended. */
static int
wait_for_room(pTHX_ struct nsx_op *op, nsx_status what, int64_t deadline,
              struct output *out)
{
    const U32 handles = op->obj->handles;

    for (;;) {
        /* A signal that came while nobody waited would not end the wait. */
        enum nsx_wait got = PL_sig_pending
            ? NSX_WAIT_SIGNAL
            : nsx_io_wait(&op->obj->ch.io, what, deadline);

        if (got == NSX_WAIT_READY)
            return 1;
        if (got != NSX_WAIT_SIGNAL) {
            if (got == NSX_WAIT_TIMEOUT)
                (void)nsx_channel_fail(&op->obj->ch, NSX_E_TIMEOUT,
                                       "wait_for_room");
            else
                (void)nsx_error_errno(&op->obj->ch.error, errno,
                                      "wait_for_room");
            return write_failed(aTHX_ op);
        }
        output_own(aTHX_ out);
        nsx_op_signals(aTHX_ op);
        if (op->obj->handles != handles) {
            nsx_closed(aTHX_ op, 0, "_syswrite_with_timeout");
            return 0;
        }
    }
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

        if (st == NSX_OK) {
            out->data += done;
            out->n -= done;
            obj->torn = out->n > 0 || out->body;
            deadline = 0;
        }
        else if (st == NSX_ERROR) {
            return write_failed(aTHX_ op);
        }
        else {
            /* A record that waits holds octets of these. */
            if (obj->ch.transport)
                obj->torn = 1;
            if (timeout < 0)
                timeout = output_timeout(aTHX_ op, out);
            if (!deadline)
                deadline = nsx_deadline_after(timeout);
            if (!wait_for_room(aTHX_ op, st, deadline, out))
                return 0;
        }
    }
    obj->torn = out->body && !body_done(out->body);
    return 1;
}

int
nsx_write(pTHX_ struct nsx_op *op, const char *data, size_t n, int more,
          struct nsx_body *body)
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
    op->obj->torn = body != NULL;
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
    return SvTRUE(nsx_call(aTHX_ op->self, "_syswrite_with_timeout", 1,
                           &text));
}

/* --- parts of a message ------------------------------------------------ */

/* Runs when a part of a message was sent, or a die left it unsent: then nothing
 * else keeps what went before from being delivered.  A reply that is owed comes
 * first: it tells whether there is a message at all. */
static void
part_left(pTHX_ void *arg)
{
    const struct nsx_watch *watch = (const struct nsx_watch *)arg;
    struct nsx_object *obj = watch->obj;

    PERL_UNUSED_CONTEXT;
    obj->sending -= watch->inside;
    if (!watch->whole && !obj->owed && obj->handles == watch->handles)
        obj->torn = 1;
}

void
nsx_part_begin(pTHX_ struct nsx_watch *watch, struct nsx_op *op)
{
    nsx_watch_begin(aTHX_ watch, op, part_left);
    watch->inside = 1;
    op->obj->sending++;
}

static void
chunk_left(pTHX_ void *arg)
{
    const struct nsx_watch *watch = (const struct nsx_watch *)arg;

    if (watch->obj->writes != watch->writes)
        part_left(aTHX_ arg);
}

void
nsx_chunk_begin(pTHX_ struct nsx_watch *watch, struct nsx_op *op)
{
    nsx_watch_begin(aTHX_ watch, op, chunk_left);
}

int
nsx_interrupts(pTHX_ struct nsx_op *op)
{
    if (!op->obj->sending)
        return 0;
    op->obj->torn = 1;
    (void)nsx_check_closed(aTHX_ op);
    return 1;
}

SV *
nsx_call_datasend(pTHX_ struct nsx_op *op, I32 argc, SV **argv)
{
    struct nsx_watch watch;
    SV *ok;

    nsx_watch_begin(aTHX_ &watch, op, part_left);
    ok = nsx_call(aTHX_ op->self, "datasend", argc, argv);
    nsx_watch_end(aTHX_ &watch);
    return ok;
}

/* --- datasend ---------------------------------------------------------- */

static enum nsx_bare_cr
bare_cr_rule(pTHX_ struct nsx_op *op, int *refuse)
{
    SV *rule = nsx_fact(aTHX_ op->gv, NSX_K_BARE_CR);

    *refuse = rule && SvOK(rule) && strEQ(SvPV_nolen(rule), "refuse");
    return rule && SvOK(rule) && strEQ(SvPV_nolen(rule), "convert")
        ? NSX_BARE_CR_CONVERT
        : NSX_BARE_CR_PASS;
}

/* Where the body stands, by the last octet that went before. */
static enum nsx_dot_at
dot_at(SV *last)
{
    const char *text = SvPVX(last);

    if (SvCUR(last) != 1)
        return NSX_DOT_TEXT;
    return text[0] == '\012' ? NSX_DOT_BOL
        : text[0] == '\015'  ? NSX_DOT_CR
                             : NSX_DOT_TEXT;
}

/* Enters the data phase when need be, and tells where the body stands. */
static enum nsx_dot_at
begin_data(pTHX_ struct nsx_op *op)
{
    SV *last = nsx_fact_lvalue(aTHX_ op->gv, NSX_K_LAST_CH);

    SvGETMAGIC(last);
    if (!SvOK(last))
        sv_setpvs_mg(last, "\012");
    (void)SvPV_force_nolen(last);
    return dot_at(last);
}

/* Methods of the script's own may run before the body is sent, and could
 * change the scalars it is read from. */
static void
guard_body(pTHX_ struct nsx_op *op, struct nsx_body *body)
{
    if (nsx_overridden(aTHX_ op, NSX_M__is_closed)
        || nsx_overridden(aTHX_ op, NSX_M_debug)
        || nsx_overridden(aTHX_ op, NSX_M_timeout)
        || nsx_overridden(aTHX_ op, NSX_M__syswrite_with_timeout)
        || nsx_fact_runs_code(aTHX_ op->gv, NSX_K_DEBUG)
        || nsx_fact_runs_code(aTHX_ op->gv, NSX_K_BARE_CR)
        || nsx_fact_runs_code(aTHX_ op->gv, NSX_K_LAST_CH)
        || nsx_op_tied(aTHX_ op) || op->obj->owed)
        body_own(aTHX_ body);
}

static void
debug_body(pTHX_ struct nsx_op *op, struct nsx_body *body)
{
    SV *argv[2];

    if (!nsx_debug_level(aTHX_ op))
        return;
    body_own(aTHX_ body);
    argv[0] = op->self;
    argv[1] = body->single;
    (void)nsx_call_function(aTHX_ "_debug_body", 2, argv);
}

/* Octets of the body from where it stands, for the encoder: a slice of the
 * scalar itself, or of tmp for text that Perl keeps in UTF-8. */
static const char *
body_slice(struct nsx_body *body, char *tmp, size_t size, size_t *len)
{
    SV *sv = body->item[body->at];
    const char *text = SvPVX(sv) + body->off;
    size_t left = SvCUR(sv) - body->off, i, n = 0;

    if (!SvUTF8(sv)) {
        *len = left;
        return text;
    }
    for (i = 0; i < left && n < size; n++) {
        if (UTF8_IS_INVARIANT(text[i])) {
            tmp[n] = text[i++];
        }
        else {
            tmp[n] = two_octets(text + i);
            i += 2;
        }
    }
    *len = n;
    return tmp;
}

/* Moves on by n octets. */
static void
body_advance(struct nsx_body *body, size_t n)
{
    SV *sv = body->item[body->at];

    if (SvUTF8(sv))
        while (n-- > 0)
            body->off += UTF8_IS_INVARIANT(SvPVX(sv)[body->off]) ? 1 : 2;
    else
        body->off += n;
    while (body->at < body->count
           && body->off >= SvCUR(body->item[body->at])) {
        body->at++;
        body->off = 0;
    }
}

static void
body_skip_empty(struct nsx_body *body)
{
    if (!body_done(body))
        body_advance(body, 0);
}

/* Octets of upgraded text converted at a time. */
#define NSX_SLICE 1024

/* Fills out[0..size) with encoded body; answers the octets written. */
static size_t
encode_block(struct nsx_dot *dot, struct nsx_body *body, char *out,
             size_t size)
{
    char tmp[NSX_SLICE];
    size_t used = 0;

    while (!body_done(body) && size - used >= NSX_DOT_MIN_ROOM) {
        size_t len, taken;
        const char *text = body_slice(body, tmp, sizeof tmp, &len);

        used += nsx_dot_encode(dot, text, len, out + used, size - used,
                               &taken);
        if (taken == 0 && len > 0)
            break;
        body_advance(body, taken);
    }
    return used;
}

/* The whole encoded body as one scalar, for an overriding
 * _syswrite_with_timeout. */
static int
send_by_method(pTHX_ struct nsx_op *op, struct nsx_dot *dot,
               struct nsx_body *body)
{
    SV *all = sv_2mortal(newSVpvs(""));
    char *block;

    ENTER;
    block = nsx_block_borrow(aTHX);
    while (!body_done(body)) {
        size_t n = encode_block(dot, body, block, NSX_BLOCK_SIZE);

        sv_catpvn(all, block, n);
    }
    LEAVE;
    return nsx_write_unit(aTHX_ op, SvPVX(all), SvCUR(all), 1);
}

/* Ends the body in the block where there is room for it. */
static size_t
finish_block(struct nsx_dot *dot, char *block, size_t n)
{
    return n + nsx_dot_end(dot, block + n);
}

static int
send_body(pTHX_ struct nsx_op *op, struct nsx_dot *dot,
          struct nsx_body *body, int finish)
{
    char *block;
    int ok = 1;

    ENTER;
    block = nsx_block_borrow(aTHX);
    do {
        size_t n = encode_block(dot, body, block,
                                NSX_BLOCK_SIZE - NSX_DOT_END_ROOM);
        int last = body_done(body);

        if (last && finish)
            n = finish_block(dot, block, n);
        ok = nsx_write(aTHX_ op, block, n, !(last && finish), body);
    } while (ok && !body_done(body));
    LEAVE;
    return ok;
}

static void
set_refused(pTHX_ struct nsx_op *op)
{
    nsx_set_status(aTHX_ op, sv_2mortal(newSViv(NSX_BARE_CR_CODE)),
                   sv_2mortal(newSVpvs("Bare CR in message data (BareCR => "
                                       "'refuse')")));
}

/* 1, with the status set, when the body has a bare CR; final = 1: nothing
 * comes behind it. */
static int
refuses(pTHX_ struct nsx_op *op, const struct nsx_dot *dot,
        struct nsx_body *body, int final)
{
    SV *whole = body_rest(aTHX_ body);

    if (!nsx_dot_has_bare_cr(dot, SvPVX(whole), SvCUR(whole), final))
        return 0;
    set_refused(aTHX_ op);
    return 1;
}

static int
send_part(pTHX_ struct nsx_op *op, struct nsx_body *body, int finish)
{
    struct nsx_dot dot;
    U32 handles;
    enum nsx_bare_cr rule;
    int refuse;
    STRLEN length = nsx_body_length(aTHX_ body);

    guard_body(aTHX_ op, body);
    if (!nsx_waiting_flush(aTHX_ op, 1))
        return -1;
    if (nsx_is_closed(aTHX_ op))
        return 0;
    if (op->obj->owed && nsx_owed_reply(aTHX_ op) != NSX_DIGIT_MORE)
        return 0; /* DATA was refused, or who knows */
    handles = op->obj->handles;
    rule = bare_cr_rule(aTHX_ op, &refuse);
    nsx_dot_init(&dot, begin_data(aTHX_ op), rule);
    if (length == 0 && !finish)
        return 1;
    if (refuse && refuses(aTHX_ op, &dot, body, finish)) {
        op->obj->torn = 1; /* what went before must not be delivered */
        return -1;
    }
    debug_body(aTHX_ op, body);
    if (op->obj->handles != handles) { /* another one now */
        nsx_closed(aTHX_ op, 0, "datasend");
        return -1;
    }
    body_skip_empty(body);
    if (!finish && body->count == 1
        && nsx_waiting_begin(aTHX_ op, body->item[0]))
        return 1;
    if (length > 0) {
        char last = body_last(body);

        sv_setpvn_mg(nsx_fact_lvalue(aTHX_ op->gv, NSX_K_LAST_CH), &last, 1);
    }
    if (nsx_overridden(aTHX_ op, NSX_M__syswrite_with_timeout))
        return send_by_method(aTHX_ op, &dot, body) ? 1 : -1;
    return send_body(aTHX_ op, &dot, body, finish) ? 1 : -1;
}

int
nsx_datasend(pTHX_ struct nsx_op *op, struct nsx_body *body, int finish)
{
    struct nsx_watch watch;
    int sent;

    if (nsx_interrupts(aTHX_ op))
        return 0;
    nsx_part_begin(aTHX_ &watch, op);
    sent = send_part(aTHX_ op, body, finish);
    nsx_watch_end(aTHX_ &watch);
    return sent;
}

static void
debug_raw(pTHX_ struct nsx_op *op, SV *text)
{
    SV *argv[2];

    if (!nsx_debug_level(aTHX_ op))
        return;
    argv[0] = op->self;
    argv[1] = text;
    (void)nsx_call_function(aTHX_ "_debug_raw", 2, argv);
}

/* Octets as they are, item by item. */
static int
send_raw(pTHX_ struct nsx_op *op, struct nsx_body *body)
{
    char tmp[NSX_SLICE];

    body_skip_empty(body);
    while (!body_done(body)) {
        size_t len;
        const char *text = body_slice(body, tmp, sizeof tmp, &len);

        len = len > NSX_BLOCK_SIZE ? NSX_BLOCK_SIZE : len;
        body_advance(body, len);
        if (!nsx_write(aTHX_ op, text, len, !body_done(body), body))
            return 0;
    }
    return 1;
}

static int
send_raw_part(pTHX_ struct nsx_op *op, struct nsx_body *body)
{
    guard_body(aTHX_ op, body);
    if (nsx_is_closed(aTHX_ op))
        return 0;
    if (nsx_body_length(aTHX_ body) == 0)
        return 1;
    if (nsx_debug_level(aTHX_ op)
        || nsx_overridden(aTHX_ op, NSX_M__syswrite_with_timeout)) {
        body_own(aTHX_ body);
        debug_raw(aTHX_ op, body->single);
        return nsx_write_unit(aTHX_ op, SvPVX(body->single),
                              SvCUR(body->single), 0)
            ? 1
            : -1;
    }
    return send_raw(aTHX_ op, body) ? 1 : -1;
}

int
nsx_rawdatasend(pTHX_ struct nsx_op *op, struct nsx_body *body)
{
    struct nsx_watch watch;
    int sent;

    if (nsx_interrupts(aTHX_ op))
        return 0;
    nsx_part_begin(aTHX_ &watch, op);
    sent = send_raw_part(aTHX_ op, body);
    nsx_watch_end(aTHX_ &watch);
    return sent;
}

/* --- dataend ----------------------------------------------------------- */

/* The end must not go twice: who gives a command while it waits for room would
 * end the message too. */
static int
write_end(pTHX_ struct nsx_op *op, const char *end, size_t n)
{
    struct nsx_watch watch;
    int ok;

    nsx_part_begin(aTHX_ &watch, op);
    ok = op->obj->waits ? nsx_waiting_finish(aTHX_ op)
                        : nsx_write_unit(aTHX_ op, end, n, 0);
    nsx_watch_end(aTHX_ &watch);
    return ok;
}

/* The body is over: the data phase ends with the terminator's arrival. */
static int
end_of_data(pTHX_ struct nsx_op *op)
{
    nsx_fact_delete(aTHX_ op->gv, NSX_K_LAST_CH);
    return nsx_call_response(aTHX_ op) == NSX_DIGIT_OK;
}

SV *
nsx_dataend(pTHX_ struct nsx_op *op)
{
    char end[NSX_DOT_END_ROOM];
    struct nsx_dot dot;
    int refuse;
    size_t n;
    SV *last;

    if (nsx_interrupts(aTHX_ op) || nsx_is_closed(aTHX_ op))
        return sv_2mortal(newSViv(0));
    last = nsx_fact(aTHX_ op->gv, NSX_K_LAST_CH);
    if (!last || !SvOK(last))
        return op->obj->owed
            ? nsx_yes_no(aTHX_ nsx_owed_reply(aTHX_ op) == NSX_DIGIT_OK)
            : sv_2mortal(newSViv(1));
    nsx_dot_init(&dot, begin_data(aTHX_ op), bare_cr_rule(aTHX_ op, &refuse));
    if (refuse && dot.at == NSX_DOT_CR) {
        set_refused(aTHX_ op);
        op->obj->torn = 1;
        return sv_2mortal(newSViv(0));
    }
    n = nsx_dot_end(&dot, end);
    if (nsx_debug_level(aTHX_ op))
        nsx_debug_print(aTHX_ op, 1, sv_2mortal(newSVpvs(".\n")));
    if (!write_end(aTHX_ op, end, n))
        return sv_2mortal(newSViv(0));
    return nsx_yes_no(aTHX_ end_of_data(aTHX_ op));
}

int
nsx_send_whole(pTHX_ struct nsx_op *op, struct nsx_body *body)
{
    int sent = nsx_datasend(aTHX_ op, body, 1);

    return sent == 1 ? end_of_data(aTHX_ op) : sent;
}

int
nsx_body_refused(pTHX_ struct nsx_op *op, struct nsx_body *body)
{
    struct nsx_dot dot;
    int refuse;

    guard_body(aTHX_ op, body);
    (void)bare_cr_rule(aTHX_ op, &refuse);
    nsx_dot_init(&dot, NSX_DOT_BOL, NSX_BARE_CR_PASS);
    return refuse && refuses(aTHX_ op, &dot, body, body->count > 0);
}
