/* tests/bench/echo.h - the least that a message over CURVE costs: two processes, one connection on
 * loopback, libzmq alone, and what is sent is answered at once. */
#ifndef CPIS_TESTS_BENCH_ECHO_H
#define CPIS_TESTS_BENCH_ECHO_H
#include <stddef.h>

struct echo {
    double cpu_us, p50_us; /* of a request and its reply, both processes added; and its time */
    size_t n;
};
/* n echoes one after the other, of request_bytes there and reply_bytes back. Forks: before this
 * process has used libzmq. */
void echo_measure(size_t request_bytes, size_t reply_bytes, size_t n, struct echo *ret);
#endif
