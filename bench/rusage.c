/*
 * rusage - runs a command and prints "wall N cpu N memory N" for it:
 * microseconds, and kilobytes of peak memory.  The command's own output goes
 * to standard error.  Status: the command's.
 *
 *   rusage COMMAND ARGUMENT...
 */
#define _DEFAULT_SOURCE /* wait4 */

#include <stdio.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long
tv_us(struct timeval t)
{
    return t.tv_sec * 1000000LL + t.tv_usec;
}

static long long
now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

int
main(int argc, char **argv)
{
    long long start = now_us();
    struct rusage use;
    int status;
    pid_t pid;

    if (argc < 2)
        return 2;
    pid = fork();
    if (pid == 0) {
        dup2(2, 1);
        execvp(argv[1], argv + 1);
        perror(argv[1]);
        _exit(127);
    }
    if (pid < 0 || wait4(pid, &status, 0, &use) != pid)
        return 1;
    printf("wall %lld cpu %lld memory %ld\n", now_us() - start,
           tv_us(use.ru_utime) + tv_us(use.ru_stime), use.ru_maxrss);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
