/* node/core/log.h - the node's own hash-chained log of what it did (crypto/chain.h): appended to by
 * all machines; its head goes into what others keep (lookups, list heads, acks, register-times).
 * Entries hold times, event codes, hashes of messages; never a number or a name. */
#ifndef CPIS_NODE_CORE_LOG_H
#define CPIS_NODE_CORE_LOG_H
#include "node/core/io.h"

struct chain_log {
    struct chain_head head;
};
/* Appends and persists; returns the entry's sequence. about may be NULL. */
uint64_t log_append(struct env *e, enum log_event event, const struct cpis_hash *about,
                    uint64_t value);
/* One row of TABLE_LOG at start, in order. CPIS_E_MALFORMED: not the next entry. */
CPIS_CHECK cpis_err log_restore(struct chain_log *log, const struct row *row);
#endif
