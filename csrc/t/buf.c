/* The growable buffer: order, caps, space, failing allocations. */
#include "tap.h"

#include <stdint.h>

static int
holds(const struct nsx_buf *b, const char *want)
{
    return b->len == strlen(want) && !memcmp(nsx_buf_data(b), want, b->len);
}

static void
basics(void)
{
    struct nsx_buf b;
    unsigned char *p;

    nsx_buf_init(&b, 100);
    ok(nsx_buf_data(&b) != NULL, "data of an empty buffer is a pointer");
    is_num(nsx_buf_append(&b, NULL, 0), NSX_E_NONE, "nothing, from nowhere");
    is_num(nsx_buf_append_str(&b, "hello "), NSX_E_NONE, "append");
    is_num(nsx_buf_append(&b, "world", 5), NSX_E_NONE, "append again");
    ok(holds(&b, "hello world"), "in order");
    nsx_buf_consume(&b, 6);
    ok(holds(&b, "world"), "consumed from the front");
    nsx_buf_truncate(&b, 3);
    ok(holds(&b, "wor"), "truncated at the end");
    p = nsx_buf_reserve(&b, 97);
    ok(p != NULL, "room up to the cap");
    memset(p, 'x', 97);
    nsx_buf_commit(&b, 97);
    is_num(b.len, 100, "full");
    ok(nsx_buf_reserve(&b, 1) == NULL, "no room over the cap");
    is_num(nsx_buf_append(&b, "y", 1), NSX_E_ARGUMENT, "append over the cap");
    is_num(nsx_buf_append(&b, "y", SIZE_MAX), NSX_E_ARGUMENT, "overflow");
    ok(!memcmp(nsx_buf_data(&b), "worx", 4) && b.len == 100, "unchanged by it");
    ok(nsx_buf_reserve(&b, 0) != NULL, "no room asked, none denied");
    nsx_buf_clear(&b);
    is_num(b.len, 0, "cleared");
    ok(b.base != NULL, "memory is kept");
    nsx_buf_wipe(&b);
    ok(b.base == NULL && b.len == 0 && b.cap == 100, "wiped and usable");
    is_num(nsx_buf_append_str(&b, "again"), NSX_E_NONE, "used again");
    nsx_buf_free(&b);
    nsx_buf_free(&b);
    ok(b.base == NULL, "freeing twice is harmless");
    nsx_buf_init(&b, 0);
    is_num(nsx_buf_append(&b, "x", 1), NSX_E_ARGUMENT, "a cap of nothing");
    nsx_buf_init(&b, SIZE_MAX);
    is_num(nsx_buf_append(&b, "x", 1), NSX_E_NONE, "no cap");
    nsx_buf_free(&b);
}

/* Feeds a counter in and takes it out in odd steps: order, and space. */
static void
queue(size_t cap, unsigned steps)
{
    struct nsx_buf b;
    unsigned char in = 0, out = 0, block[997];
    size_t bad = 0, peak = 0;
    unsigned i, seed = 12345;

    nsx_buf_init(&b, cap);
    for (i = 0; i < steps; i++) {
        size_t n, k;

        seed = seed * 1103515245u + 12345u;
        n = (seed >> 16) % sizeof block;
        for (k = 0; k < n; k++)
            block[k] = (unsigned char)(in + k);
        if (nsx_buf_append(&b, block, n) == NSX_E_NONE)
            in = (unsigned char)(in + n);
        seed = seed * 1103515245u + 12345u;
        n = b.len > 0 ? (seed >> 16) % (b.len + 1) % sizeof block : 0;
        for (k = 0; k < n; k++)
            bad += nsx_buf_data(&b)[k] != (unsigned char)(out + k);
        out = (unsigned char)(out + n);
        nsx_buf_consume(&b, n);
        peak = b.size > peak ? b.size : peak;
    }
    ok(bad == 0, "cap %zu: octets leave as they came", cap);
    ok(peak <= cap + cap / 4 + 256, "cap %zu: memory %zu", cap, peak);
    nsx_buf_free(&b);
}

/* A nearly full buffer with a trickle in and out must not be moved each
 * time: 16 MB moved 4 million times would take minutes. */
static void
trickle(void)
{
    const size_t cap = 16u << 20;
    struct nsx_buf b;
    unsigned char *p;
    long i;

    nsx_buf_init(&b, cap);
    p = nsx_buf_reserve(&b, cap - 4);
    ok(p != NULL, "16 MB");
    memset(p, 'a', cap - 4);
    nsx_buf_commit(&b, cap - 4);
    for (i = 0; i < 4000000 && nsx_buf_append(&b, "b", 1) == NSX_E_NONE; i++)
        nsx_buf_consume(&b, 1);
    is_num(i, 4000000, "a trickle through a full buffer");
    nsx_buf_free(&b);
}

static void
no_memory(void)
{
    struct nsx_buf b;

    nsx_buf_init(&b, 1 << 20);
    failing_after(0);
    is_num(nsx_buf_append(&b, "x", 1), NSX_E_NOMEM, "first allocation fails");
    ok(b.base == NULL && b.len == 0, "still empty");
    is_num(nsx_buf_append(&b, "x", 1), NSX_E_NONE, "then it works");
    failing_after(0);
    ok(nsx_buf_reserve(&b, 5000) == NULL, "growing fails");
    ok(holds(&b, "x"), "the octets stay");
    failing_after(0);
    ok(nsx_alloc(10) == NULL, "nsx_alloc fails");
    failing_after(-1);
    {
        char *z = nsx_alloc(300);
        int i, sum = 0;

        for (i = 0; i < 300; i++)
            sum |= z[i];
        is_num(sum, 0, "nsx_alloc gives zeroes");
        nsx_free(z);
    }
    nsx_free(NULL);
    nsx_buf_free(&b);
    is_num(live_blocks, 0, "nothing is left allocated");
    nsx_alloc_hooks(NULL, NULL);
}

/* Watches what is handed back to the allocator for leftovers of a secret. */
static size_t block_size[2];
static unsigned char *block[2];
static int leaked;

static void *
spy_realloc(void *old, size_t size)
{
    int i = block[0] == NULL ? 0 : 1;

    (void)old;
    block_size[i] = size;
    return block[i] = malloc(size);
}

static void
spy_free(void *p)
{
    int i = p == block[0] ? 0 : 1;
    size_t k;

    for (k = 0; k + 6 <= block_size[i]; k++)
        leaked |= !memcmp(block[i] + k, "secret", 6);
    free(p);
    block[i] = NULL;
}

static void
secrets(void)
{
    struct nsx_buf b;
    char s[] = "secret";

    nsx_alloc_hooks(spy_realloc, spy_free);
    nsx_buf_init(&b, 1 << 20);
    (void)nsx_buf_append_str(&b, "secret");
    memset(nsx_buf_reserve(&b, 4096), 0, 4096);
    is_num(leaked, 0, "growing leaves no copy behind");
    nsx_buf_wipe(&b);
    is_num(leaked, 0, "wiping neither");
    nsx_alloc_hooks(NULL, NULL);
    nsx_wipe(s, sizeof s);
    is_mem(s, sizeof s, "\0\0\0\0\0\0", 7, "nsx_wipe");
    nsx_wipe(s, 0);
}

int
main(void)
{
    basics();
    queue(1000, 20000);
    queue(5000, 20000);
    queue(100000, 20000);
    trickle();
    no_memory();
    secrets();
    return done_testing();
}
