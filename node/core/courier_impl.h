/* node/core/courier_impl.h - what courier.c (messages) and courier_copies.c (what is stored,
 * sending it again, how long it is kept) share. Nobody else includes it. */
#ifndef CPIS_NODE_CORE_COURIER_IMPL_H
#define CPIS_NODE_CORE_COURIER_IMPL_H
#include "node/core/copies.h"
#include "node/core/courier.h"

#define COPY_KEY_BYTES (CPIS_HASH_BYTES + CPIS_ID_BYTES)
#define COPY_ROW_MAX   (16U * 1024U)
#define SEND_BATCH     512U /* rows read and sent in one step; the rest follows at once */
#define SWEEP_EVERY    CPIS_MS_HOUR

struct last_ack {
    struct cpis_id authority;
    uint64_t log_sequence;
    uint8_t *bytes;
    size_t len;
};
struct recall { /* of one authority, under way: until it has signed for each of its copies since */
    struct cpis_id authority;
    uint64_t since;
    size_t left;
};
struct courier {
    struct recall *recall;
    size_t recalls, recalls_cap;
    struct lists *lists;
    struct evaluator *evaluator;
    struct links *links;
    struct copies copies;
    size_t copies_max;
    struct last_ack *ack;
    size_t acks, acks_cap;
    cpis_ms sweep_at, deadline;
};

/* --- courier_copies.c --- */
/* A new copy's row and its place in the index. False: no room; nothing has changed. */
bool copy_store(struct courier *c, struct env *e, const struct cpis_hash *rh,
                const struct cpis_id *authority, const struct cpis_id *query, uint64_t stored,
                struct bytes lookup);
/* Its row, in scratch. CPIS_E_NOMEM; CPIS_E_STORE (an event says so). */
CPIS_CHECK cpis_err copy_read(struct env *e, const struct copy *k, struct row_copy *ret);
void copy_write(struct env *e, const struct copy *k, struct row_copy *row);
void copy_remove(struct courier *c, struct env *e, struct copy *k);
/* The next sending, by back-off; or never, when nothing is waited for. */
void copy_schedule(struct courier *c, struct env *e, struct copy *k, bool anew);
void courier_set_deadline(struct courier *c);
void copies_pump(struct courier *c, struct env *e);
/* A copy is signed for: the last of a recall is told to its authority. (Until then none is removed,
 * unless its authority has retired, and asks no more.) */
void copy_recalled(struct courier *c, struct env *e, struct copy *k);
struct last_ack *last_ack_of(struct courier *c, const struct cpis_id *authority); /* or NULL */
/* Remembers and persists it. */
void last_ack_set(struct courier *c, struct env *e, const struct cpis_id *authority,
                  uint64_t log_sequence, struct bytes as_signed);
#endif
