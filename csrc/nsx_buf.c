/*
 * nsx_buf.c - the growable octet buffer, and the engine's allocator.
 */
#include "nsx_buf.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    SMALLEST = 256
}; /* first allocation of a buffer */

static nsx_realloc_fn hook_realloc = realloc;
static nsx_free_fn hook_free = free;

void
nsx_alloc_hooks(nsx_realloc_fn re, nsx_free_fn fr)
{
    hook_realloc = re != NULL ? re : realloc;
    hook_free = fr != NULL ? fr : free;
}

void *
nsx_alloc(size_t size)
{
    void *p = hook_realloc(NULL, size > 0 ? size : 1);

    if (p != NULL)
        memset(p, 0, size);
    return p;
}

void
nsx_free(void *ptr)
{
    if (ptr != NULL)
        hook_free(ptr);
}

void
nsx_wipe(void *ptr, size_t n)
{
#if defined(__GNUC__)
    if (n > 0)
        memset(ptr, 0, n);
    /* The compiler must assume that this reads what ptr points to. */
    __asm__ __volatile__("" : : "r"(ptr) : "memory");
#else
    volatile unsigned char *p = ptr;

    while (n-- > 0)
        *p++ = 0;
#endif
}

void
nsx_buf_init(struct nsx_buf *b, size_t cap)
{
    b->base = NULL;
    b->off = b->len = b->size = 0;
    b->cap = cap;
}

void
nsx_buf_free(struct nsx_buf *b)
{
    nsx_free(b->base);
    nsx_buf_init(b, b->cap);
}

void
nsx_buf_wipe(struct nsx_buf *b)
{
    if (b->base != NULL)
        nsx_wipe(b->base, b->size);
    nsx_buf_free(b);
}

void
nsx_buf_clear(struct nsx_buf *b)
{
    b->off = b->len = 0;
}

/* The allocation may pass the cap by a quarter: then a full buffer that is
 * consumed and refilled in small steps is moved only once per cap/4 octets. */
static size_t
largest(const struct nsx_buf *b)
{
    size_t slack = b->cap / 4 + SMALLEST;

    return b->cap > SIZE_MAX - slack ? SIZE_MAX : b->cap + slack;
}

static size_t
grown(const struct nsx_buf *b, size_t need)
{
    size_t max = largest(b);
    size_t size = b->size > 0 ? b->size : SMALLEST;

    while (size < need || size <= b->size) {
        if (size > max / 2)
            return max;
        size *= 2;
    }
    return size;
}

/* A new block instead of realloc, so that no copy of the octets stays behind
 * in freed memory: they may be secrets. */
static int
grow(struct nsx_buf *b, size_t need)
{
    size_t size = grown(b, need);
    unsigned char *base = hook_realloc(NULL, size);

    if (base == NULL)
        return 0;
    if (b->base != NULL) {
        memcpy(base, b->base + b->off, b->len);
        nsx_wipe(b->base, b->size);
        nsx_free(b->base);
    }
    b->base = base;
    b->size = size;
    b->off = 0;
    return 1;
}

static void
compact(struct nsx_buf *b)
{
    memmove(b->base, b->base + b->off, b->len);
    b->off = 0;
}

unsigned char *
nsx_buf_reserve(struct nsx_buf *b, size_t n)
{
    if (b->len > b->cap || n > b->cap - b->len)
        return NULL;
    if (b->base == NULL || n > b->size - b->off - b->len) {
        /* Moving is paid for by the octets consumed since the last move. */
        if (b->base != NULL && n <= b->size - b->len && b->off >= b->len / 4)
            compact(b);
        else if (!grow(b, b->len + n))
            return NULL;
    }
    return b->base + b->off + b->len;
}

void
nsx_buf_commit(struct nsx_buf *b, size_t n)
{
    b->len += n;
}

nsx_errcode
nsx_buf_append(struct nsx_buf *b, const void *data, size_t n)
{
    unsigned char *to;

    if (n == 0)
        return NSX_E_NONE;
    if (b->len > b->cap || n > b->cap - b->len)
        return NSX_E_ARGUMENT;
    to = nsx_buf_reserve(b, n);
    if (to == NULL)
        return NSX_E_NOMEM;
    memcpy(to, data, n);
    nsx_buf_commit(b, n);
    return NSX_E_NONE;
}

nsx_errcode
nsx_buf_append_str(struct nsx_buf *b, const char *s)
{
    return nsx_buf_append(b, s, strlen(s));
}

void
nsx_buf_consume(struct nsx_buf *b, size_t n)
{
    b->len -= n;
    b->off = b->len > 0 ? b->off + n : 0;
}

/* Never NULL, so that callers may pass it to memchr and memcpy. */
const unsigned char *
nsx_buf_data(const struct nsx_buf *b)
{
    static const unsigned char nothing[1] = { 0 };

    return b->base != NULL ? b->base + b->off : nothing;
}

void
nsx_buf_truncate(struct nsx_buf *b, size_t n)
{
    b->len = n;
}
