/*
 * fuzz.h - what the fuzz targets share: the entry point's prototype and a
 * check that ends the run.
 */
#ifndef NSX_FUZZ_H
#define NSX_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(cond)                                                            \
    do {                                                                       \
        if (!(cond)) {                                                         \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond);         \
            abort();                                                           \
        }                                                                      \
    } while (0)

/* Is [p, p + n) inside [in, in + size)? */
static inline int
inside(const char *p, size_t n, const char *in, size_t size)
{
    return p >= in && n <= size && (size_t)(p - in) <= size - n;
}

#endif
