/* The queue of replies still to come. */
#include "tap.h"
#include "nsx_expect.h"

/* Pushes and pops in waves: first in, first out, whatever the ring does. */
static void
order(void)
{
    struct nsx_expect q;
    unsigned in = 0, out = 0, wave, i;
    int bad = 0;

    nsx_expect_init(&q);
    ok(nsx_expect_front(&q) == NULL, "empty");
    for (wave = 1; wave < 60; wave++) {
        for (i = 0; i < wave; i++, in++)
            bad += nsx_expect_push(&q, NSX_VERB_RCPT, in, in * 2) != NSX_E_NONE;
        for (i = 0; i < wave - (wave > 1); i++, out++) {
            const struct nsx_expected *e = nsx_expect_front(&q);

            bad += e->index != out || e->sent_at != out * 2
                || e->verb != NSX_VERB_RCPT;
            nsx_expect_pop(&q);
        }
    }
    is_num(bad, 0, "in order");
    is_num(q.count, in - out, "counted");
    while (q.count > 0)
        nsx_expect_pop(&q);
    ok(q.ring == NULL, "an empty queue holds no memory");
    nsx_expect_free(&q);
}

static void
cap(void)
{
    struct nsx_expect q;
    unsigned i;
    int bad = 0;

    nsx_expect_init(&q);
    for (i = 0; i < NSX_MAX_EXPECTED; i++)
        bad += nsx_expect_push(&q, NSX_VERB_RCPT, i, i) != NSX_E_NONE;
    is_num(bad, 0, "as many as the cap says");
    is_num(nsx_expect_push(&q, NSX_VERB_RCPT, i, i), NSX_E_ARGUMENT,
           "and no more");
    is_num(q.count, NSX_MAX_EXPECTED, "the queue is as before");
    is_num(nsx_expect_front(&q)->index, 0, "its front too");
    nsx_expect_free(&q);
}

static void
disowned(void)
{
    struct nsx_expect q, copy;
    unsigned i;

    nsx_expect_init(&q);
    nsx_expect_init(&copy);
    nsx_expect_disown(&q, 1);
    for (i = 0; i < 2 * NSX_EXPECT_INLINE; i++)
        (void)nsx_expect_push(&q, NSX_VERB_NOOP, i, i);
    ok(!nsx_expect_front(&q)->disowned, "a reply is somebody's");
    nsx_expect_disown(&q, 1);
    is_num(nsx_expect_copy(&copy, &q), NSX_E_NONE, "a queue is copied");
    is_num(copy.count, q.count, "whole");
    ok(nsx_expect_front(&copy)->disowned, "with what is nobody's");
    nsx_expect_disown(&q, 0);
    ok(!nsx_expect_front(&q)->disowned, "until somebody wants it");
    nsx_expect_pop(&copy);
    ok(nsx_expect_front(&copy)->disowned, "the next one too");
    is_num(nsx_expect_front(&copy)->index, 1, "in its place");
    nsx_expect_free(&q);
    nsx_expect_free(&copy);
}

static void
no_memory(void)
{
    struct nsx_expect q;
    unsigned i;

    nsx_expect_init(&q);
    failing_after(0);
    for (i = 0; i < NSX_EXPECT_INLINE; i++)
        is_num(nsx_expect_push(&q, NSX_VERB_MAIL, i, 0), NSX_E_NONE,
               "a few need no memory");
    is_num(nsx_expect_push(&q, NSX_VERB_MAIL, i, 0), NSX_E_NOMEM, "more do");
    is_num(q.count, NSX_EXPECT_INLINE, "the queue is as before");
    is_num(nsx_expect_push(&q, NSX_VERB_MAIL, i, 0), NSX_E_NONE,
           "memory is back");
    for (i = 0; i <= NSX_EXPECT_INLINE; i++) {
        is_num(nsx_expect_front(&q)->index, i, "in order");
        nsx_expect_pop(&q);
    }
    nsx_expect_free(&q);
    is_num(live_blocks, 0, "nothing leaks");
    nsx_alloc_hooks(NULL, NULL);
}

int
main(void)
{
    order();
    cap();
    disowned();
    no_memory();
    return done_testing();
}
