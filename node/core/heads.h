/* node/core/heads.h - a query node's knowledge of every directory's state: the heads that each
 * directory streams, in its order, so that the heads behind an S are there before a statement that
 * names it; and the highest versions this node has known, durably. Each authority's signature is
 * verified once per head. Source: proto/README.md sections 6 and 10. Inside a node of role query.
 */
#ifndef CPIS_NODE_CORE_HEADS_H
#define CPIS_NODE_CORE_HEADS_H
#include "node/core/verdict.h"

#define HEAD_BODY_BYTES_MAX 1024U /* a longer body is no head: the frame is dropped */
#define STATE_HEADS_MAX                                                                            \
    HEADS_MAX /* of one directory in one epoch; the frame over it is dropped                       \
               */

struct known_head {        /* shared by all states and snapshots that hold it */
    struct cpis_hash hash; /* H(body || signature) */
    struct judged_head judged;
    struct signed_message as_signed; /* its body lies behind this struct */
    unsigned refs;
    uint32_t noted; /* the day on which it was last put into TABLE_SEEN_HEAD; 0: never */
};
struct head_set;  /* the heads of one state, shared by it and its snapshots */
struct snapshot { /* the heads behind one S, in S's order; released by whoever took it */
    struct head_set *set;
    struct known_head *const *head;
    const struct judged_head *judged; /* of each, in one piece */
    const struct cpis_hash *hash;     /* of each */
    size_t count;
};
struct heads;
CPIS_CHECK cpis_err heads_new(struct heads **ret);
void heads_free(struct heads **p);
CPIS_CHECK cpis_err heads_restore(struct heads *h, struct env *e); /* the floors: TABLE_HEAD */
/* One frame of a directory's stream. *ret_whole: its state is whole again (after a request). */
void heads_recv(struct heads *h, struct env *e, const struct cpis_id *directory,
                const struct msg_heads *m, bool *ret_whole);
/* Asks the directory for its whole state, once until it comes or 1 s has passed. */
void heads_request(struct heads *h, struct env *e, const struct cpis_id *directory, uint32_t epoch);
/* The state that this directory has streamed, if it gives S. CPIS_E_NOTFOUND: it does not (a gap).
 * CPIS_E_NOMEM. CPIS_OK: the caller releases *ret. */
CPIS_CHECK cpis_err heads_snapshot(const struct heads *h, const struct cpis_id *directory,
                                   uint32_t epoch, const struct cpis_hash *state,
                                   struct snapshot *ret);
void snapshot_release(struct snapshot *s);
/* Highest version of each authority known for FLOOR_SETTLE at `now`, rising by id, in the arena. */
CPIS_CHECK cpis_err heads_floors(const struct heads *h, cpis_ms now, struct arena *a,
                                 struct judged_floor **ret, size_t *ret_count);
/* Is there an authority whose list is searched, that some directory has in its state of `before`
 * and some directory lacks in its state of `current`? Then a lookup in `current` alone may miss it.
 */
bool heads_lack(const struct heads *h, const struct registry *r, uint32_t current, uint32_t before);
void heads_registry_changed(struct heads *h,
                            struct env *e); /* verifies again what could not be before */
struct newest_head {
    struct cpis_id authority;
    uint64_t version, time;
};
/* Of each authority the newest verified head that any directory streams in this epoch, rising by
 * id; returns how many, at most cap. */
size_t heads_newest(const struct heads *h, uint32_t epoch, struct newest_head *ret, size_t cap);
size_t heads_known(const struct heads *h, const struct cpis_id *directory, uint32_t epoch);
#endif
