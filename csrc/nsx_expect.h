/*
 * nsx_expect.h - the replies that are still to come, in the order in which
 * they must come (RFC 2920 3.2): a queue with a cap.
 */
#ifndef NSX_EXPECT_H
#define NSX_EXPECT_H

#include <stddef.h>
#include <stdint.h>
#include "nsx_error.h"
#include "nsx_verb.h"

struct nsx_expected {
    uint64_t sent_at; /* it may come once so many octets went out */
    unsigned index;   /* the caller's: which recipient */
    enum nsx_verb verb;
    char disowned; /* 1: nobody will ask for it any more */
};

/* One waits as a rule: that many need no allocation. */
#define NSX_EXPECT_INLINE 2u

struct nsx_expect {
    struct nsx_expected *ring; /* NULL: few is used */
    size_t size;               /* entries there is room for */
    size_t head, count;
    struct nsx_expected few[NSX_EXPECT_INLINE];
};

void nsx_expect_init(struct nsx_expect *q);
void nsx_expect_free(struct nsx_expect *q); /* leaves q empty */

/* NSX_E_NONE, NSX_E_NOMEM, or NSX_E_ARGUMENT beyond NSX_MAX_EXPECTED; q is
 * then as before. */
nsx_errcode nsx_expect_push(struct nsx_expect *q, enum nsx_verb verb,
                            unsigned index, uint64_t sent_at);

/* The one that comes next, or NULL; valid until the next push or pop. */
static inline const struct nsx_expected *
nsx_expect_front(const struct nsx_expect *q)
{
    const struct nsx_expected *all = q->ring != NULL ? q->ring : q->few;

    return q->count > 0 ? &all[q->head] : NULL;
}

/* Says so of all, or takes it back. */
void nsx_expect_disown(struct nsx_expect *q, int disowned);

/* Puts what from holds behind what q holds: NSX_E_NONE, or as a push. */
nsx_errcode nsx_expect_copy(struct nsx_expect *q,
                            const struct nsx_expect *from);

/* Takes it off; the queue is not empty.  Memory goes when none is left. */
void nsx_expect_pop(struct nsx_expect *q);

#endif
