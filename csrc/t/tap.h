/*
 * tap.h - the Test Anything Protocol for the unit tests of the C core, and
 * what several of them share: an input between guard pages, an allocator that
 * fails on demand.
 *
 * A test is a main() that calls ok() and is_*() and ends with done_testing().
 */
#ifndef NSX_TAP_H
#define NSX_TAP_H

#if !defined(_DEFAULT_SOURCE)
#define _DEFAULT_SOURCE 1
#endif
#if !defined(_DARWIN_C_SOURCE)
#define _DARWIN_C_SOURCE 1
#endif

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "nsx_buf.h"

#if defined(__GNUC__)
#define TAP_UNUSED __attribute__((unused))
#define TAP_PRINTF(f, a) __attribute__((unused, format(printf, f, a)))
#else
#define TAP_UNUSED
#define TAP_PRINTF(f, a)
#endif

static int tap_run, tap_failed;

#define ok(cond, ...) tap_ok((cond) != 0, __FILE__, __LINE__, __VA_ARGS__)
#define is_num(got, want, name)                                                \
    tap_num((long long)(got), (long long)(want), __FILE__, __LINE__, name)
#define is_mem(got, got_n, want, want_n, name)                                 \
    tap_mem(got, got_n, want, want_n, __FILE__, __LINE__, name)
#define is_str(got, want, name)                                                \
    tap_mem(got, strlen(got), want, strlen(want), __FILE__, __LINE__, name)

static TAP_PRINTF(4, 5) int tap_ok(int good, const char *file, int line,
                                   const char *fmt, ...)
{
    va_list ap;

    printf("%s %d - ", good ? "ok" : "not ok", ++tap_run);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
    if (!good) {
        tap_failed++;
        printf("# failed at %s line %d\n", file, line);
    }
    fflush(stdout);
    return good;
}

static TAP_UNUSED int
tap_num(long long got, long long want, const char *file, int line,
        const char *name)
{
    if (!tap_ok(got == want, file, line, "%s", name)) {
        printf("#      got: %lld\n# expected: %lld\n", got, want);
        return 0;
    }
    return 1;
}

static TAP_UNUSED void
tap_dump(const char *label, const char *p, size_t n)
{
    printf("# %s: \"", label);
    for (; n > 0; p++, n--) {
        unsigned char c = (unsigned char)*p;

        if (c < 0x20 || c > 0x7e || c == '"' || c == '\\')
            printf("\\x%02x", c);
        else
            putchar(c);
    }
    printf("\"\n");
}

static TAP_UNUSED int
tap_mem(const char *got, size_t got_n, const char *want, size_t want_n,
        const char *file, int line, const char *name)
{
    int same = got_n == want_n && (got_n == 0 || !memcmp(got, want, got_n));

    if (!tap_ok(same, file, line, "%s", name)) {
        tap_dump("     got", got, got_n);
        tap_dump("expected", want, want_n);
    }
    return same;
}

static TAP_UNUSED void
bail_out(const char *why)
{
    printf("Bail out! %s\n", why);
    exit(255);
}

static TAP_UNUSED int
done_testing(void)
{
    printf("1..%d\n", tap_run);
    return tap_failed > 0;
}

/* --- an input between guard pages ---------------------------------------
 * The memory before and after an arena cannot be read, so that a parser that
 * looks one octet too far dies at once. */

struct arena {
    char *start; /* first usable octet */
    size_t size;
};

static TAP_UNUSED void
arena_init(struct arena *a, size_t at_least)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t size = (at_least + page - 1) / page * page;
    char *map;

#if !defined(MAP_ANONYMOUS) && defined(MAP_ANON)
#define MAP_ANONYMOUS MAP_ANON
#endif
    map = mmap(NULL, size + 2 * page, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || mprotect(map, page, PROT_NONE) != 0
        || mprotect(map + page + size, page, PROT_NONE) != 0)
        bail_out("no guard pages");
    a->start = map + page;
    a->size = size;
}

/* n octets right before, or right after, a guard page; data may be NULL. */
static TAP_UNUSED char *
arena_put(struct arena *a, const char *data, size_t n, int at_end)
{
    char *p = at_end ? a->start + a->size - n : a->start;

    if (n > a->size)
        bail_out("arena too small");
    if (data != NULL && n > 0)
        memcpy(p, data, n);
    return p;
}

/* --- an allocator that fails --------------------------------------------
 * failing_after(n): n allocations succeed, then one fails and all others
 * succeed again; failing_after(-1): none fails.  Both count live blocks, those
 * of other threads too. */

static long fail_countdown = -1;
static long live_blocks;
static int did_fail;

static TAP_UNUSED void *
failing_realloc(void *old, size_t size)
{
    void *p;

    if (fail_countdown >= 0 && fail_countdown-- == 0) {
        did_fail = 1;
        return NULL;
    }
    p = realloc(old, size);
    if (old == NULL && p != NULL)
        (void)__sync_fetch_and_add(&live_blocks, 1);
    return p;
}

static TAP_UNUSED void
counting_free(void *p)
{
    if (p != NULL)
        (void)__sync_fetch_and_sub(&live_blocks, 1);
    free(p);
}

static TAP_UNUSED void
failing_after(long n)
{
    fail_countdown = n;
    did_fail = 0;
    nsx_alloc_hooks(failing_realloc, counting_free);
}

#endif
