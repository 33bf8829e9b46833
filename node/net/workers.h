/* node/net/workers.h - threads that do a node's work (work.h) beside its loop: evaluations at a
 * directory, so that a publisher's batch (some 40 ms) holds up no lookup, and it uses more than one
 * processor; their checks at who asked for them, so that those of t directories are made at once.
 *
 * Few elements, a lookup's, go before a batch that came before them, but no more than 64 times. The
 * loop helps with what no thread is free for, if it is few elements (workers_help): so a lookup's
 * never wait for a batch to end, and the loop takes its part of t checks. What a node has put out
 * is bounded (WORK_MAX), so there is always room.
 *
 * What waits lies in memory that is not swapped; a share is wiped as soon as it was used. The
 * functions are for one thread, the loop's. */
#ifndef CPIS_NODE_NET_WORKERS_H
#define CPIS_NODE_NET_WORKERS_H
#include "node/core/work.h"

#define WORKERS_MAX 16U

struct workers;
/* How many threads are of use: one fewer than the processors that this process may use, at least
 * one (a processor is shared in slices, a loop is not), at most `most`. */
unsigned workers_count(unsigned most);
/* Signals must be blocked already. threads: 0 to WORKERS_MAX; 0: all is done in the loop.
 * CPIS_E_NOMEM, CPIS_E_IO: no thread, no descriptor. */
CPIS_CHECK cpis_err workers_new(unsigned threads, struct workers **ret);
void workers_free(struct workers **p); /* waits for what is under way, drops the rest */
unsigned workers_threads(const struct workers *w);
void workers_give(struct workers *w, struct work *work); /* copies; the share is wiped here */
/* What is done. false: nothing is. */
bool workers_take(struct workers *w, struct work *ret);
/* Does one piece of few elements here that no thread is free for, also when a batch is due before
 * it; workers_take gives it. To be called before the loop would sleep. false: there is none. */
bool workers_help(struct workers *w);
void workers_drop(struct workers *w);    /* all that was given: its node is gone */
int workers_fd(const struct workers *w); /* to be polled for reading; workers_take quiets it */
#endif
