/* CPIS_FAULT_CLOCK=SECONDS: this process's wall clock goes so far ahead, or (below 0) behind. The
 * monotonic clock goes on as it is. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

int clock_gettime(clockid_t id, struct timespec *ret)
{
    static int (*real)(clockid_t, struct timespec *);
    static long ahead;
    if (real == NULL) {
        const char *text = getenv("CPIS_FAULT_CLOCK");
        ahead = text == NULL ? 0 : strtol(text, NULL, 10);
        *(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
    }
    const int rc = real(id, ret);
    if (rc == 0 && id == CLOCK_REALTIME) ret->tv_sec += ahead;
    return rc;
}
