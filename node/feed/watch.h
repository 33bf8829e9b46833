/* node/feed/watch.h - a folder that a case system drops files into, one after the other:
 *
 *   feed/in      dropped here; taken only when whole
 *   feed/work    the one that is being taken in
 *   feed/done, feed/failed   where it goes then; in failed beside it NAME.why.txt
 *   feed/out     acknowledgements and reports
 *
 * Whole: nobody has it open for writing (a lease of Linux says so, where the file is ours), and it
 * has not changed for WATCH_SETTLE. Names that begin with a dot or end in .tmp, .part or .filepart,
 * folders, links and pipes are left alone. What this process may not read is counted: somebody has
 * to be told. The rename into work is the claim; whatever is found
 * there at a start was claimed before a crash and comes first. Taking a file in twice must change
 * nothing: then no crash loses or doubles one. One owner; not thread-safe. */
#ifndef CPIS_NODE_FEED_WATCH_H
#define CPIS_NODE_FEED_WATCH_H
#include "proto/date.h"

#include <limits.h>

#define WATCH_SETTLE (2 * CPIS_MS_SECOND)
#define WATCH_EVERY  (30 * CPIS_MS_SECOND) /* a look without an event: network folders tell none */
/* No report in feed/out is longer: with one that would be, a file is not over. */
#define WATCH_REPORT_BYTES_MAX ((size_t)32 << 20)

enum watch_end { WATCH_DONE = 1, WATCH_FAILED };
/* Its place among files that are whole at one time: lower comes first, then the older one. May be
 * NULL: by age alone. */
typedef uint64_t (*watch_order_fn)(int fd);

struct watch;
/* feed: DIR/feed; the folders in it are made, 0700, where missing. CPIS_E_BUSY: another process
 * watches it. CPIS_E_IO (errno), CPIS_E_NOMEM. */
CPIS_CHECK cpis_err watch_open(const char *feed, watch_order_fn order, struct watch **ret);
void watch_close(struct watch **p);
int watch_fd(const struct watch *w); /* poll: readable when something has happened in feed/in */
/* The next whole file, claimed: it stands in feed/work under *ret. CPIS_E_NOTFOUND: none;
 * look again after *ret_wait ms, or when watch_fd says so. CPIS_E_IO. wall: now, ms. */
CPIS_CHECK cpis_err watch_take(struct watch *w, cpis_ms wall, char ret[static NAME_MAX + 1],
                               cpis_ms *ret_wait);
/* So many files could not be opened when watch_take looked last. */
size_t watch_unreadable(const struct watch *w);
/* The same of DIR/feed/in by a look from outside, beside whoever watches it. CPIS_E_NOTFOUND: there
 * is no such folder. CPIS_E_IO (errno): it can't be read. */
CPIS_CHECK cpis_err watch_count_unreadable(const char *feed, size_t *ret);
/* It is over with this one: durable. A name that is there already gets a number. why: what an
 * officer reads beside a failed one. CPIS_E_IO. */
CPIS_CHECK cpis_err watch_end(struct watch *w, const char *name, enum watch_end end,
                              const char *why);

struct watch_backlog { /* counted up to WATCH_BACKLOG_MAX files a folder */
    size_t waiting;    /* in feed/in and feed/work */
    cpis_ms oldest;    /* wall ms at which the one that waits longest came; 0: none */
    size_t failed;     /* in feed/failed; what explains them left out */
};
#define WATCH_BACKLOG_MAX 10000U
/* What lies there, by somebody who need not be the one that watches: nothing is made or changed.
 * A folder that is not there is empty. */
struct watch_backlog watch_backlog(const char *feed);
#endif
