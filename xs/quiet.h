/*
 * quiet.h - the wait where no Perl code may run.
 */
#ifndef NSX_GLUE_QUIET_H
#define NSX_GLUE_QUIET_H

#include "glue.h"

/* As nsx_await (wait.h), but AGAIN says that a signal came: no handler ran. */
enum nsx_waited nsx_await_quietly(const struct nsx_io *io, nsx_status what,
                                  int64_t deadline);

/* The same for the first wait of seconds (0: no end), which says until when it
 * and those behind it may last. */
enum nsx_waited nsx_await_from_now(const struct nsx_io *io, nsx_status what,
                                   double seconds, int64_t *deadline);

/* The first for any one of n descriptors, which may be none. */
enum nsx_waited nsx_await_any_quietly(const int *fds, size_t n, nsx_status what,
                                      int64_t deadline);

#endif
