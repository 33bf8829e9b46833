/* CPIS_FAULT_CLOCK=SECONDS: this process's wall clock goes so far ahead, or (below 0) behind. The
 * monotonic clock goes on as it is.
 * CPIS_FAULT_CLOCK_FILE=PATH: both clocks, while it runs: PATH holds "WALL MONOTONIC", seconds that
 * are added from when it is there: in the folder of a node, which may read no other.
 * CPIS_FAULT_RATE=N:SINCE: both clocks go N times as fast, the wall clock since that second of
 * 1970, and whoever waits for files and sockets waits an N-th of what he means to: all periods of a
 * federation are so much shorter for all its processes alike. The kernel (TCP's repetitions) keeps
 * its own.
 * Linked into build/faults/cpis; for any other program as a library to preload, clock.so. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000LL

static long rate(long *ret_since)
{
    static long n, since;
    if (n == 0) {
        const char *text = getenv("CPIS_FAULT_RATE");
        if (text == NULL || sscanf(text, "%ld:%ld", &n, &since) != 2 || n < 1) n = 1;
    }
    *ret_since = since;
    return n;
}

/* since + n x (t - since) */
static void faster(struct timespec *t, long n, long since)
{
    const long long ns = (long long)t->tv_nsec * n;
    t->tv_sec = since + (t->tv_sec - since) * n + (time_t)(ns / NS_PER_S);
    t->tv_nsec = (long)(ns % NS_PER_S);
}

/* By system calls: the calls of libc have points (faults.h) in front of them. */
static void read_moved(const char *path, long *wall, long *monotonic)
{
    char text[64];
    const int before = errno, fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        const long len = syscall(SYS_read, fd, text, sizeof text - 1);
        text[len > 0 ? len : 0] = '\0';
        (void)sscanf(text, "%ld %ld", wall, monotonic);
        (void)syscall(SYS_close, fd);
    }
    errno = before;
}

int clock_gettime(clockid_t id, struct timespec *ret)
{
    static int (*real)(clockid_t, struct timespec *);
    static const char *file;
    static long ahead;
    long since;
    if (real == NULL) {
        const char *text = getenv("CPIS_FAULT_CLOCK");
        ahead = text == NULL ? 0 : strtol(text, NULL, 10);
        file = getenv("CPIS_FAULT_CLOCK_FILE");
        *(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
    }
    const int rc = real(id, ret);
    const long n = rate(&since);
    if (rc == 0 && n > 1 && (id == CLOCK_REALTIME || id == CLOCK_MONOTONIC))
        faster(ret, n, id == CLOCK_REALTIME ? since : 0);
    long wall = ahead, monotonic = 0;
    if (rc == 0 && file != NULL) read_moved(file, &wall, &monotonic);
    if (rc == 0 && id == CLOCK_REALTIME) ret->tv_sec += wall;
    if (rc == 0 && id == CLOCK_MONOTONIC) ret->tv_sec += monotonic;
    return rc;
}

/* Not shorter than a millisecond: it would spin. */
static long sooner(long ms)
{
    long since;
    const long n = rate(&since);
    return ms <= 0 || n == 1 ? ms : ms / n > 0 ? ms / n : 1;
}

int poll(struct pollfd *fds, nfds_t count, int ms)
{
    static int (*real)(struct pollfd *, nfds_t, int);
    if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, "poll");
    return real(fds, count, (int)sooner(ms));
}

int epoll_wait(int fd, struct epoll_event *events, int count, int ms)
{
    static int (*real)(int, struct epoll_event *, int, int);
    if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, "epoll_wait");
    return real(fd, events, count, (int)sooner(ms));
}
