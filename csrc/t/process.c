/* The number of the process: in a child its own, however it was forked. */
#include "tap.h"
#include "nsx_process.h"

#include <sys/wait.h>
#if defined(__linux__)
#include <sys/syscall.h>
#endif

/* 1 when a child and its own child, made so, know who they are. */
static int
knows(pid_t (*make)(void))
{
    int status = 1;
    pid_t child = make();

    if (child == 0) {
        int own = nsx_process_id() == getpid();
        pid_t next = make();

        if (next == 0)
            _exit(own && nsx_process_id() == getpid() ? 0 : 1);
        (void)waitpid(next, &status, 0);
        _exit(own && status == 0 ? 0 : 1);
    }
    (void)waitpid(child, &status, 0);
    return child > 0 && status == 0;
}

#if defined(SYS_fork)
static pid_t
bare_fork(void)
{
    return (pid_t)syscall(SYS_fork);
}
#endif

int
main(void)
{
    ok(nsx_process_id() == getpid(), "the first time");
    ok(nsx_process_id() == getpid(), "the second time");
    ok(knows(fork), "after fork");
#if defined(SYS_fork)
    ok(knows(bare_fork), "after a fork that the C library does not see");
#endif
    ok(nsx_process_id() == getpid(), "in the parent");
    return done_testing();
}
