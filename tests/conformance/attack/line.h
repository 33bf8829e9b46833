/* tests/conformance/attack/line.h - a TCP line from a peer to a directory, kept by a process of its
 * own: what the directory sends is taken from its socket as slowly as is wanted. */
#ifndef CPIS_TESTS_CONFORMANCE_LINE_H
#define CPIS_TESTS_CONFORMANCE_LINE_H
#include "tests/conformance/attack/attack.h"

#include <sys/types.h>

struct line_state; /* shared with that process */
struct line {
    pid_t pid;
    char endpoint[ENDPOINT_BYTES_MAX + 1]; /* dialled once, instead of the directory's */
    struct line_state *state;
};

/* false: noted. line_close on every path. */
bool line_open(struct federation *f, const char *directory, struct line *ret);
void line_close(struct line *l);
/* From now on a byte a second is read of what the directory sends. */
void line_slow_down(struct line *l);
unsigned line_taken(const struct line *l); /* bytes since then */
#endif
