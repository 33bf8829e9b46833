/* tests/bench/process.h - what several processes do together: processor time, shared memory, forks.
 */
#ifndef CPIS_TESTS_BENCH_PROCESS_H
#define CPIS_TESTS_BENCH_PROCESS_H
#include <stddef.h>
#include <sys/types.h>

/* User and system time of a process that is there, in microseconds; /proc counts in ticks. */
double process_cpu_us(const char *pid);
/* The same with its children, those that have ended included: not with children's children. */
double process_family_cpu_us(const char *pid);
/* Zeros, which this process and those that it forks afterwards all read and write. */
void *process_shared(size_t bytes);
/* fork(); the child is killed when the parent ends, however it ends. */
pid_t process_fork(void);
/* Waits for so many children; all must have ended well. */
void process_wait(size_t children);
/* `count` children have each written a byte into the pipe; one that died before has closed it. */
void process_ready(int pipe_end, size_t count);
#endif
