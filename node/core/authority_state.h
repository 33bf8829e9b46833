/* node/core/authority_state.h - what authority.c (record, complete, notify) and answer.c share;
 * nobody else includes it. */
#ifndef CPIS_NODE_CORE_AUTHORITY_STATE_H
#define CPIS_NODE_CORE_AUTHORITY_STATE_H
#include "node/core/authority.h"

#define ACCESS_ROW_BYTES_MAX 8192U
#define HISTORY_READ_MAX     256U /* looks that are read back to choose the 25 that are shown */

struct waiting { /* an access whose details have not come */
    struct cpis_hash rh;
    cpis_ms due;
};
struct authority {
    struct children *children;
    struct publisher *publisher;
    struct waiting *waiting; /* rising by due */
    size_t waiting_count, waiting_cap;
    uint64_t unmatched;         /* rows in TABLE_UNMATCHED, at most */
    uint64_t last_notification; /* id */
    /* as of our start: an older ack of ours may not name more than our log had then */
    cpis_ms start_wall;
    uint64_t start_sequence, newest_access;
    bool recalling; /* behind our own acks: every directory is asked for what came since */
    uint64_t recall_since;
    struct cpis_id *recalled; /* directories that were there when asked */
    size_t recalled_count, recalled_cap;
};

/* One access with what belongs to it, opened; in the scratch arena. */
struct record {
    struct row_access row;
    struct msg_lookup lookup;
};
/* CPIS_E_NOTFOUND: no such access. CPIS_E_STORE (and an event): it could not be read. */
CPIS_CHECK cpis_err record_load(struct env *e, const struct cpis_hash *rh, struct record *ret);

/* answer.c: the stored answer again, or, if there is none and one may be given now, a new one. */
void answer_give(struct authority *a, struct env *e, const struct registry_node *to,
                 const struct record *r);

/* recall.c */
CPIS_CHECK cpis_err recall_restore(struct authority *a, struct env *e);
#endif
