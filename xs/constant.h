/*
 * constant.h - numbers of C as constants of Perl's packages, so that no number
 * is written down twice.
 */
#ifndef NSX_CONSTANT_H
#define NSX_CONSTANT_H

#include "op.h"

struct nsx_constant {
    const char *package, *name;
    IV value;
};

/* Makes count of them; once an interpreter, before Perl code asks. */
static inline void
nsx_constants(pTHX_ const struct nsx_constant *list, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++)
        (void)newCONSTSUB(gv_stashpv(list[i].package, GV_ADD), list[i].name,
                          newSViv(list[i].value));
}

#endif
