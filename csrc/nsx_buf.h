/*
 * nsx_buf.h - a growable octet buffer with a cap.
 *
 * Data is appended at the end and consumed from the front; consuming is O(1)
 * and the space is reclaimed when more room is asked for.  The buffer owns its
 * memory.  Pointers returned by nsx_buf_data are valid until the next call
 * that takes a non-const buffer; consume, truncate and commit leave them
 * valid.  Octets are wiped from memory that growing gives back.
 */
#ifndef NSX_BUF_H
#define NSX_BUF_H

#include <stddef.h>
#include "nsx_error.h"

struct nsx_buf {
    unsigned char *base; /* allocation, NULL while empty */
    size_t off;          /* first unread octet */
    size_t len;          /* unread octets */
    size_t size;         /* of the allocation */
    size_t cap;          /* most octets len may reach */
};

/* Replaces realloc/free for the whole engine, for tests that make the Nth
 * allocation fail; NULL restores the C library's.  Not for use while another
 * thread is in the engine. */
typedef void *(*nsx_realloc_fn)(void *ptr, size_t size);
typedef void (*nsx_free_fn)(void *ptr);
void nsx_alloc_hooks(nsx_realloc_fn re, nsx_free_fn fr);
void *nsx_alloc(size_t size); /* NULL when memory is out; zeroed */
void nsx_free(void *ptr);

/* Overwrites n octets in a way the compiler keeps (secrets). */
void nsx_wipe(void *ptr, size_t n);

void nsx_buf_init(struct nsx_buf *b, size_t cap);
void nsx_buf_free(struct nsx_buf *b);  /* leaves b initialised and empty */
void nsx_buf_wipe(struct nsx_buf *b);  /* overwrites all octets, then frees */
void nsx_buf_clear(struct nsx_buf *b); /* forgets the octets, keeps memory */

/* Makes room for n more octets and returns where to write them, or NULL when
 * the cap (len + n > cap) or memory forbids it; commit says how many were. */
unsigned char *nsx_buf_reserve(struct nsx_buf *b, size_t n);
void nsx_buf_commit(struct nsx_buf *b, size_t n);

/* NSX_E_NONE, NSX_E_NOMEM, or NSX_E_ARGUMENT when the cap forbids it; on
 * failure the buffer is as before. */
nsx_errcode nsx_buf_append(struct nsx_buf *b, const void *data, size_t n);
nsx_errcode nsx_buf_append_str(struct nsx_buf *b, const char *s);

void nsx_buf_consume(struct nsx_buf *b, size_t n); /* n <= len */
const unsigned char *nsx_buf_data(const struct nsx_buf *b);

/* Shrinks the tail: the buffer then holds n octets (n <= len). */
void nsx_buf_truncate(struct nsx_buf *b, size_t n);

#endif
