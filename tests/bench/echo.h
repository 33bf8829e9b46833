/* tests/bench/echo.h - the least that messages over CURVE cost: one process asks several at once,
 * each a process with a connection on loopback, libzmq alone, and what is sent is answered at once.
 */
#ifndef CPIS_TESTS_BENCH_ECHO_H
#define CPIS_TESTS_BENCH_ECHO_H
#include <stddef.h>

struct echo {
    double cpu_us,
        p50_us; /* of one request and its reply, all processes; until all have answered */
    size_t n;
};
/* n times, one after the other, request_bytes to each of `servers` (1..ECHO_SERVERS_MAX) and
 * reply_bytes back. Forks: before this process has used libzmq. */
#define ECHO_SERVERS_MAX 16U
void echo_measure(unsigned servers, size_t request_bytes, size_t reply_bytes, size_t n,
                  struct echo *ret);
#endif
