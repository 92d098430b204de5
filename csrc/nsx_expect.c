/*
 * nsx_expect.c - the queue of replies still to come.
 */
#include "nsx_expect.h"
#include "nsx_buf.h"

enum {
    FIRST_RING = 16
};

void
nsx_expect_init(struct nsx_expect *q)
{
    q->ring = NULL;
    q->size = NSX_EXPECT_INLINE;
    q->head = q->count = 0;
}

void
nsx_expect_free(struct nsx_expect *q)
{
    nsx_free(q->ring);
    nsx_expect_init(q);
}

/* The entry i places behind the front. */
static struct nsx_expected *
entry(const struct nsx_expect *q, size_t i)
{
    struct nsx_expected *all =
        q->ring != NULL ? q->ring : (struct nsx_expected *)q->few;
    size_t at = q->head + i;

    return &all[at < q->size ? at : at - q->size];
}

static nsx_errcode
grow(struct nsx_expect *q)
{
    size_t size = q->ring != NULL ? q->size * 2 : FIRST_RING, i;
    struct nsx_expected *ring;

    if (q->count >= NSX_MAX_EXPECTED)
        return NSX_E_ARGUMENT;
    ring = nsx_alloc(size * sizeof *ring);
    if (ring == NULL)
        return NSX_E_NOMEM;
    for (i = 0; i < q->count; i++)
        ring[i] = *entry(q, i);
    nsx_free(q->ring);
    q->ring = ring;
    q->size = size;
    q->head = 0;
    return NSX_E_NONE;
}

nsx_errcode
nsx_expect_push(struct nsx_expect *q, enum nsx_verb verb, unsigned index,
                uint64_t sent_at)
{
    nsx_errcode code = q->count < q->size ? NSX_E_NONE : grow(q);
    struct nsx_expected *e;

    if (code != NSX_E_NONE)
        return code;
    e = entry(q, q->count++);
    e->verb = verb;
    e->index = index;
    e->sent_at = sent_at;
    e->disowned = 0;
    return NSX_E_NONE;
}

void
nsx_expect_disown(struct nsx_expect *q, int disowned)
{
    size_t i;

    for (i = 0; i < q->count; i++)
        entry(q, i)->disowned = (char)disowned;
}

nsx_errcode
nsx_expect_copy(struct nsx_expect *q, const struct nsx_expect *from)
{
    size_t i;

    for (i = 0; i < from->count; i++) {
        const struct nsx_expected *e = entry(from, i);
        nsx_errcode code = nsx_expect_push(q, e->verb, e->index, e->sent_at);

        if (code != NSX_E_NONE)
            return code;
        entry(q, q->count - 1)->disowned = e->disowned;
    }
    return NSX_E_NONE;
}

void
nsx_expect_pop(struct nsx_expect *q)
{
    q->head = q->head + 1 < q->size ? q->head + 1 : 0;
    if (--q->count > 0)
        return;
    if (q->ring != NULL)
        nsx_expect_free(q);
    q->head = 0;
}
