/*
 * nsx_process.c - the number of the process, kept in memory that a forked
 * child gets empty; see nsx_process.h.
 */
/* -std=c99 hides the system's interfaces; this brings them back. */
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE 1
#endif

#include "nsx_process.h"

#include <sys/mman.h>
#include <unistd.h>

#if defined(MADV_WIPEONFORK) && defined(MAP_ANONYMOUS)

/* Never given back: a page for the life of the process.  Two threads may both
 * map one, and then either does. */
static volatile pid_t *volatile known;

static volatile pid_t *
map_page(void)
{
    void *page = mmap(NULL, sizeof *known, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (page == MAP_FAILED)
        return NULL;
    if (madvise(page, (size_t)sysconf(_SC_PAGESIZE), MADV_WIPEONFORK) == 0)
        return page;
    (void)munmap(page, sizeof *known);
    return NULL;
}

pid_t
nsx_process_id(void)
{
    static volatile int refused; /* by an older kernel */

    if (known != NULL && *known != 0)
        return *known;
    if (known == NULL && !refused) {
        known = map_page();
        refused = known == NULL;
    }
    if (known == NULL)
        return getpid();
    return *known = getpid();
}

#else

pid_t
nsx_process_id(void)
{
    return getpid();
}

#endif
