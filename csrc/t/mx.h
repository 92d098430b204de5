/*
 * mx.h - a scripted SMTP and LMTP server in the test's own process, at the far
 * end of a socketpair, and a driver that steps a message against it.  Include
 * after tap.h and net.h.
 *
 * The client is stepped until it waits; then the server reads what it may,
 * answers, and the next flight begins.  What it was told is in log: verbs, a
 * '|' between flights.
 */
#ifndef NSX_TEST_MX_H
#define NSX_TEST_MX_H

#include <errno.h>

#include "nsx_message.h"

enum {
    MX_LOG = 4096,
    MX_ANY = -1, /* no limit */
    MX_ROUNDS = 200000
};

enum mx_ending {
    MX_FIN,
    MX_RST,
    MX_SILENCE
};

struct mx {
    int fd;
    /* Replies, without line end; NULL: the usual.  "!" hangs up, "?" never
     * answers; several lines are joined by '\n'. */
    const char *mail, *data, *end, *bdat, *rset;
    const char *ends[8]; /* LMTP: in the order of the accepted */
    int lmtp;
    size_t rcpt_max;   /* 452 to those beyond, 0: none */
    int data_anyway;   /* 354 although nobody was accepted */
    int early;         /* answers the data with end at its first octet */
    long read_at_most; /* octets, then the ending */
    long send_at_most;
    enum mx_ending ending;
    int between;     /* reads only when its replies are gone */
    int answer_last; /* holds its replies back until all is read */
    /* state */
    char *in;
    size_t in_len, in_room;
    char *out;
    size_t out_len, out_at, out_room;
    size_t taken, accepted_ever, bdat_left;
    size_t end_next;
    int in_data, bdat_last, is_closed, is_deaf, flight, ended, mailed;
    long was_read, was_sent;
    size_t messages; /* delivered: 250 to an end */
    char *body;      /* of the last message */
    size_t body_len, body_room;
    char log[MX_LOG];
    size_t log_len;
    size_t commands;
};

static void
mx_grow(char **p, size_t *room, size_t need)
{
    if (need <= *room)
        return;
    *room = need * 2;
    *p = realloc(*p, *room);
    if (*p == NULL)
        bail_out("the server has no memory");
}

static void
mx_init(struct mx *x, int fd)
{
    memset(x, 0, sizeof *x);
    x->fd = fd;
    x->read_at_most = x->send_at_most = MX_ANY;
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

static void
mx_free(struct mx *x)
{
    free(x->in);
    free(x->out);
    free(x->body);
    if (!x->is_closed)
        (void)close(x->fd);
}

static void
mx_note(struct mx *x, const char *word)
{
    size_t n = strlen(word);

    x->commands++;
    if (x->log_len + n + 4 > MX_LOG)
        return;
    if (x->flight && x->log_len > 0)
        x->log_len += (size_t)sprintf(x->log + x->log_len, " |");
    x->flight = 0;
    x->log_len += (size_t)sprintf(x->log + x->log_len, "%s%s",
                                  x->log_len > 0 ? " " : "", word);
}

static void
mx_hang_up(struct mx *x)
{
    struct linger now = { 1, 0 };

    if (x->is_closed || x->is_deaf)
        return;
    if (x->ending == MX_SILENCE) {
        x->is_deaf = 1;
        return;
    }
    if (x->ending == MX_RST)
        (void)setsockopt(x->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    if (x->ending == MX_FIN)
        (void)shutdown(x->fd, SHUT_WR);
    else
        (void)close(x->fd);
    x->is_closed = x->ending != MX_FIN;
    x->is_deaf = 1;
}

static void
mx_say(struct mx *x, const char *text)
{
    const char *end;

    if (x->ended)
        return;
    if (*text == '!' || *text == '?') {
        x->ended = 1;
        x->ending = *text == '!' ? x->ending : MX_SILENCE;
        return;
    }
    do {
        size_t n;

        end = strchr(text, '\n');
        n = end != NULL ? (size_t)(end - text) : strlen(text);
        mx_grow(&x->out, &x->out_room, x->out_len + n + 2);
        memcpy(x->out + x->out_len, text, n);
        memcpy(x->out + x->out_len + n, "\r\n", 2);
        x->out_len += n + 2;
        text += n + 1;
    } while (end != NULL);
}

static const char *
mx_or(const char *given, const char *usual)
{
    return given != NULL ? given : usual;
}

static void
mx_message_end(struct mx *x)
{
    size_t k = x->lmtp && x->taken > 0 ? x->taken : 1;

    x->in_data = 0;
    while (k-- > 0) {
        const char *r =
            x->lmtp && x->end_next < 8 && x->ends[x->end_next] != NULL
            ? x->ends[x->end_next++]
            : mx_or(x->end, "250 2.0.0 queued");

        if (x->taken == 0)
            r = x->end != NULL ? x->end : "503 5.5.1 nobody";
        if (!x->early || x->bdat_last)
            mx_say(x, r);
        if (*r == '2' && x->taken > 0)
            x->messages++;
    }
    x->taken = 0;
    x->mailed = 0;
}

static void
mx_keep(struct mx *x, const char *p, size_t n)
{
    mx_grow(&x->body, &x->body_room, x->body_len + n + 1);
    memcpy(x->body + x->body_len, p, n);
    x->body_len += n;
}

static void
mx_rcpt(struct mx *x, const char *line)
{
    const char *at = strchr(line, '<');
    int code = at != NULL ? atoi(at + 1) : 0;
    char reply[64];

    if (!x->mailed) {
        mx_say(x, "503 5.5.1 MAIL first");
    }
    else if (code >= 300 && code < 600) {
        (void)snprintf(reply, sizeof reply, "%d %d.1.1 not here", code,
                       code / 100);
        mx_say(x, reply);
    }
    else if (x->rcpt_max > 0 && x->taken >= x->rcpt_max) {
        mx_say(x, "452 4.5.3 too many");
    }
    else {
        x->taken++;
        x->accepted_ever++;
        mx_say(x, "250 2.1.5 ok");
    }
}

static void
mx_data(struct mx *x)
{
    if (x->data == NULL && x->taken == 0 && !x->data_anyway) {
        mx_say(x, "554 5.5.1 nobody");
        return;
    }
    mx_say(x, mx_or(x->data, "354 go"));
    x->in_data = x->data == NULL || *x->data == '3';
    x->body_len = 0;
    if (x->in_data && x->early)
        mx_say(x, x->end);
}

static void
mx_chunk_end(struct mx *x)
{
    if (x->bdat_last) {
        mx_message_end(x);
        x->bdat_last = 0;
    }
    else {
        mx_say(x,
               mx_or(x->bdat,
                     x->taken > 0 ? "250 2.0.0 chunk" : "503 5.5.1 nobody"));
    }
}

static void
mx_bdat(struct mx *x, const char *line)
{
    x->bdat_left = (size_t)strtoul(line + 5, NULL, 10);
    x->bdat_last = strstr(line, "LAST") != NULL;
    mx_note(x, x->bdat_last ? "BDAT-LAST" : "BDAT");
    if (x->bdat_left == 0)
        mx_chunk_end(x);
}

static void
mx_command(struct mx *x, char *line)
{
    static const char *const known[] = { "RCPT", "DATA", "RSET", "NOOP" };
    size_t i;

    if (strncmp(line, "BDAT ", 5) == 0) {
        mx_bdat(x, line);
        return;
    }
    if (strncmp(line, "MAIL ", 5) == 0) {
        const char *r =
            x->mailed ? "503 5.5.1 nested" : mx_or(x->mail, "250 2.1.0 ok");

        mx_note(x, "MAIL");
        x->mailed = *r == '2';
        x->body_len = 0;
        mx_say(x, r);
        return;
    }
    for (i = 0; i < 4 && strncmp(line, known[i], 4) != 0; i++)
        continue;
    mx_note(x, i < 4 ? known[i] : "BAD");
    if (i == 0)
        mx_rcpt(x, line);
    else if (i == 1)
        mx_data(x);
    else if (i == 2) {
        x->taken = 0;
        x->mailed = 0;
        mx_say(x, mx_or(x->rset, "250 2.0.0 ok"));
    }
    else {
        mx_say(x, i == 3 ? "250 ok" : "500 what");
    }
}

/* A line of the data; its dot is taken off. */
static void
mx_text(struct mx *x, char *line, size_t n)
{
    if (n == 3 && *line == '.') {
        mx_note(x, ".");
        mx_message_end(x);
        return;
    }
    if (*line == '.') {
        line++;
        n--;
    }
    mx_keep(x, line, n);
}

/* Takes what is whole off the input. */
static void
mx_parse(struct mx *x)
{
    size_t at = 0;

    while (at < x->in_len && !x->ended) {
        char *lf;

        if (x->bdat_left > 0) {
            size_t n = x->in_len - at;

            n = n < x->bdat_left ? n : x->bdat_left;
            mx_keep(x, x->in + at, n);
            at += n;
            x->bdat_left -= n;
            if (x->bdat_left == 0)
                mx_chunk_end(x);
            continue;
        }
        lf = memchr(x->in + at, '\n', x->in_len - at);
        if (lf == NULL)
            break;
        if (x->in_data) {
            mx_text(x, x->in + at, (size_t)(lf - x->in) + 1 - at);
        }
        else {
            *lf = '\0';
            mx_command(x, x->in + at);
        }
        at = (size_t)(lf - x->in) + 1;
    }
    memmove(x->in, x->in + at, x->in_len - at);
    x->in_len -= at;
}

static int
mx_read(struct mx *x)
{
    size_t want = 4096;
    ssize_t n;

    if (x->read_at_most >= 0 && x->was_read + (long)want > x->read_at_most)
        want = (size_t)(x->read_at_most - x->was_read);
    if (want == 0)
        return 0;
    mx_grow(&x->in, &x->in_room, x->in_len + want);
    n = recv(x->fd, x->in + x->in_len, want, 0);
    if (n <= 0)
        return 0;
    x->in_len += (size_t)n;
    x->was_read += n;
    mx_parse(x);
    return 1;
}

static int
mx_write(struct mx *x)
{
    size_t n = x->out_len - x->out_at;
    ssize_t put;

    if (x->send_at_most >= 0 && x->was_sent + (long)n > x->send_at_most)
        n = (size_t)(x->send_at_most - x->was_sent);
    if (n == 0)
        return 0;
    put = send(x->fd, x->out + x->out_at, n, MSG_NOSIGNAL);
    if (put <= 0)
        return 0;
    x->out_at += (size_t)put;
    x->was_sent += put;
    return 1;
}

/* Reads, answers; 1 when anything moved. */
static int
mx_turn(struct mx *x)
{
    int moved = 0;

    if (x->is_closed || x->is_deaf)
        return 0;
    if (!(x->between && x->out_at < x->out_len))
        while (mx_read(x)) {
            moved = 1;
            if (x->between)
                break;
        }
    if (x->answer_last && moved)
        return 1;
    x->flight = 1;
    while (mx_write(x))
        moved = 1;
    return moved;
}

/* The limit is reached, or the script says so: nothing more to be moved. */
static int
mx_is_over(const struct mx *x)
{
    return x->ended || (x->read_at_most >= 0 && x->was_read >= x->read_at_most)
        || (x->send_at_most >= 0 && x->was_sent >= x->send_at_most);
}

/* --- the client ---------------------------------------------------------- */

struct run {
    struct nsx_channel ch;
    struct nsx_session s;
    struct mx x;
    int steps;
};

static void
run_open_on(struct run *r, const char *offers, int fd[2])
{
    nsx_channel_init(&r->ch, fd[0]);
    nsx_session_init(&r->s, &r->ch);
    mx_init(&r->x, fd[1]);
    while (*offers != '\0') {
        size_t n = strcspn(offers, ",");

        (void)nsx_caps_line(&r->s.caps, offers, n);
        offers += n + (offers[n] == ',');
    }
    r->steps = 0;
}

static void
run_open(struct run *r, const char *offers)
{
    int fd[2];

    unix_pair(fd);
    run_open_on(r, offers, fd);
}

static void
run_close(struct run *r)
{
    int fd = r->ch.io.fd;

    nsx_session_free(&r->s);
    nsx_channel_free(&r->ch);
    (void)close(fd);
    mx_free(&r->x);
}

/* Recipients by local part, separated by blanks. */
static void
address(struct nsx_message *m, const char *locals)
{
    struct nsx_error e;
    char path[80];

    nsx_error_reset(&e);
    (void)nsx_envelope_from(&m->envelope, "<from@x>", 8, &e);
    while (*locals != '\0') {
        size_t n = strcspn(locals, " ");

        (void)snprintf(path, sizeof path,
                       memchr(locals, '@', n) != NULL ? "<%.*s>" : "<%.*s@y>",
                       (int)n, locals);
        if (nsx_envelope_to(&m->envelope, path, strlen(path), &e) != NSX_OK)
            return;
        locals += n + (locals[n] == ' ');
    }
}

/* Steps m until it is done; the server moves when the client waits. */
static TAP_UNUSED int
drive(struct run *r, struct nsx_message *m)
{
    int round, stuck = 0;

    for (round = 0; round < MX_ROUNDS; round++) {
        enum nsx_step t = nsx_message_step(m);

        r->steps++;
        if (t == NSX_STEP_DONE)
            return 1;
        if (t == NSX_STEP_AGAIN)
            continue;
        if (t == NSX_STEP_LATER && !mx_turn(&r->x))
            continue;
        if (mx_turn(&r->x)) {
            stuck = 0;
            continue;
        }
        if (mx_is_over(&r->x))
            mx_hang_up(&r->x);
        if (stuck++ > 2)
            return nsx_message_timed_out(m) == NSX_STEP_DONE;
    }
    return 0;
}

/* "ARDUN": a letter for each recipient's fate. */
static TAP_UNUSED const char *
fates(const struct nsx_message *m)
{
    static const char letters[] = "?ARDUNP";
    static char out[64];
    size_t i;

    for (i = 0; i < m->outcome.count && i < sizeof out - 1; i++)
        out[i] = letters[m->outcome.records[i].fate];
    out[i] = '\0';
    return out;
}

#endif
