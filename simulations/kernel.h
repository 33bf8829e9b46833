/* simulations/kernel.h - virtual time and one heap of timed events; nothing of networks or nodes.
 *
 * Ties are broken by a written rule: the earlier time first, then the event that was made first.
 * A timer is not deleted but outlived: an event may carry the generation of its node, and is
 * dropped unseen when the node has had a new one since (kernel_renew): such an event owns nothing.
 * The trace is a rolling
 * 64-bit hash over what its callers say happened, in order; the last of it is kept in words, for
 * whoever must say how a breach came about. No clock, no randomness. One owner. */
#ifndef CPIS_SIMULATIONS_KERNEL_H
#define CPIS_SIMULATIONS_KERNEL_H
#include "crypto/types.h"

typedef uint64_t sim_us; /* microseconds of virtual time since the run began */
#define SIM_US_NEVER  UINT64_MAX
#define SIM_US_MS     ((sim_us)1000)
#define SIM_US_SECOND ((sim_us)1000000)

#define KERNEL_TAIL 64U /* entries of the trace that are kept */

struct kernel_event {
    sim_us at;
    uint64_t order;      /* the kernel's: which event was made first */
    void *p;             /* the caller's */
    uint32_t node;       /* whom it happens to; below the kernel's nodes */
    uint32_t from;       /* the caller's */
    uint32_t generation; /* 0: whatever happens; else it must still be the node's */
    uint32_t type;       /* the caller's */
};
struct kernel_entry { /* of the trace */
    sim_us at;
    uint32_t node;
    uint64_t what; /* the caller's */
};
struct kernel;

/* Out of memory ends the process, here and in all of simulations/: a run is nothing without it. */
struct kernel *kernel_new(void);
/* Events not yet taken are dropped; `drop`, or NULL, sees each of them (its p may be owned). */
void kernel_free(struct kernel **p, void (*drop)(void *arg, const struct kernel_event *e),
                 void *arg);
uint32_t kernel_add_node(struct kernel *k); /* 0, 1, 2, ... */
sim_us kernel_now(const struct kernel *k);
uint64_t kernel_taken(const struct kernel *k); /* events so far, outlived ones not counted */

/* Copied; its `order` is set here. Pre (asserted): not before now, and the node is there. */
void kernel_add(struct kernel *k, const struct kernel_event *e);
/* The node's generation, never 0; renewing it outlives all events that carry the old one. */
uint32_t kernel_generation(const struct kernel *k, uint32_t node);
void kernel_renew(struct kernel *k, uint32_t node);
/* The next event that is not outlived and not later than `until`; time moves to it. false: there is
 * none, and time has moved to `until` (never back). */
bool kernel_take(struct kernel *k, sim_us until, struct kernel_event *ret);

/* When the next event is due, be it outlived or not; SIM_US_NEVER: there is none. */
sim_us kernel_due(const struct kernel *k);
/* The event that would be taken next, outlived or not; NULL: none. Until kernel_add or kernel_take.
 */
const struct kernel_event *kernel_next(const struct kernel *k);

/* Into the trace: (time, which entry, node, what). */
void kernel_trace(struct kernel *k, uint32_t node, uint64_t what);
uint64_t kernel_trace_hash(const struct kernel *k);
/* The last entries, oldest first; returns how many. */
size_t kernel_tail(const struct kernel *k, struct kernel_entry ret[static KERNEL_TAIL]);

/* An allocation that ends the process when there is no memory. */
void *sim_must(void *p);
/* Room for one more in a list that doubles: returns p, moved. */
void *sim_grow(void *p, size_t count, size_t *cap, size_t size);
#endif
