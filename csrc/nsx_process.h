/*
 * nsx_process.h - which process this is, without a system call where the
 * system can tell a forked child by its memory.
 */
#ifndef NSX_PROCESS_H
#define NSX_PROCESS_H

#include <sys/types.h>

/* The process's number, as getpid tells it, in a child too however that was
 * forked.  Safe in every thread. */
pid_t nsx_process_id(void);

#endif
