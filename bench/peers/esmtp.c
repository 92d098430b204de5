/*
 * esmtp MODE PORT COUNT SIZE RECIPIENTS - libesmtp.
 *
 * MODE and output as bench/README.md says.  A session of libesmtp is one call
 * from connect to quit: what a message costs over a kept connection is the
 * difference between a session of COUNT + 1 messages and one of a single.
 */
#define _POSIX_C_SOURCE 200809L
#include "peer.h"

#include <libesmtp.h>

static void
check(int ok)
{
    char text[256];

    if (!ok)
        die(smtp_strerror(smtp_errno(), text, sizeof text));
}

static struct cost
session(const struct work *w, char *body, long messages)
{
    struct cost start = cost_now();
    smtp_session_t session = smtp_create_session();
    char server[64];
    long i, j;

    check(session != NULL);
    (void)snprintf(server, sizeof server, "127.0.0.1:%s", w->port);
    check(smtp_set_server(session, server));
    check(smtp_set_hostname(session, "bench"));
    for (i = 0; i < messages; i++) {
        smtp_message_t message = smtp_add_message(session);

        check(message != NULL && smtp_set_message_str(message, body)
              && smtp_set_reverse_path(message, SENDER));
        for (j = 0; j < w->recipients; j++)
            check(smtp_add_recipient(message, RECIPIENT) != NULL);
    }
    check(smtp_start_session(session));
    smtp_destroy_session(session);
    return cost_since(start);
}

int
main(int argc, char **argv)
{
    struct work w = work_of(argc, argv);
    char *body = body_of(w.size);
    struct cost one, sum = { 0, 0 };
    long i;

    if (strcmp(w.mode, "each") == 0) {
        for (i = 0; i < w.count; i++) {
            one = session(&w, body, 1);
            sum.wall += one.wall;
            sum.cpu += one.cpu;
        }
    }
    else {
        one = session(&w, body, 1);
        sum = session(&w, body, w.count + 1);
        sum.wall -= one.wall;
        sum.cpu -= one.cpu;
    }
    print_cost(sum);
    free(body);
    return 0;
}
