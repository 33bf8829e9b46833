/* node/core/lists.h - a directory's side of the blind lists: takes updates that authorities push,
 * checks that each head follows the one held, searches all lists of an epoch from one snapshot,
 * streams heads to query nodes, repairs by gossip, signs receipts. Source: proto/README.md sections
 * 5, 6, 8. Inside a node of role directory. */
#ifndef CPIS_NODE_CORE_LISTS_H
#define CPIS_NODE_CORE_LISTS_H
#include "node/core/evaluator.h"
#include "node/core/links.h"

#define GOSSIP_EVERY     (30 * CPIS_MS_SECOND)
#define LIST_MATCHES_MAX 64U
#define SHRINK_WINDOW    (7 * CPIS_MS_DAY)
#define SHRINK_ALLOWED   10U /* entries by which a list may fall below 80 % unconfirmed */

struct list_match { /* one authority that lists the token of a tag; borrowed until the next step */
    struct cpis_id authority;
    struct token token;
    uint64_t index;
    struct salt salt;
    struct merkle_path path;
    const struct signed_message *head;
};
struct lists;
CPIS_CHECK cpis_err lists_new(struct links *links, struct lists **ret);
void lists_free(struct lists **p);
/* Rows of TABLE_HEAD and TABLE_LIST through the view, at start: lists and trees stand as they were.
 * What does not fit together (root, n) is CPIS_E_STORE. After it, no head is in S until it is
 * confirmed. */
CPIS_CHECK cpis_err lists_restore(struct lists *l, struct env *e);

/* --- from authorities, and from directories as gossip --- */
void lists_recv_update(struct lists *l, struct env *e, const struct cpis_id *peer,
                       const struct msg_list_update *m);
void lists_recv_request(struct lists *l, struct env *e, const struct cpis_id *peer,
                        const struct msg_list_request *m);
/* Heads that another directory holds: repairs ours, and counts towards our own start check. */
void lists_recv_heads(struct lists *l, struct env *e, const struct cpis_id *directory,
                      const struct msg_heads *m);
void lists_recv_heads_request(struct lists *l, struct env *e, const struct cpis_id *peer,
                              const struct msg_heads_request *m);
/* A peer became reachable or started anew: an authority is shown every head held in its name, a
 * query node gets the whole stream, a directory our heads. */
void lists_peer_appeared(struct lists *l, struct env *e, const struct registry_node *peer);
/* A holder has heard that another lists a child of its, too (section 5). */
void lists_recv_heard(struct lists *l, struct env *e, const struct cpis_id *holder,
                      const struct msg_listed_elsewhere_heard *m);
/* The register changed: lists of authorities no longer searched leave the state. */
void lists_registry_changed(struct lists *l, struct env *e);
/* By hand, when too few directories are left to confirm: takes every held head into S; logged. */
void lists_accept_heads(struct lists *l, struct env *e);

/* --- to the matcher: one snapshot --- */
/* Every authority whose list holds the token behind (handle, bucket, tag); tries every token of the
 * bucket of every list, no early exit. Returns how many there are in all; fills at most cap. */
size_t lists_match(struct lists *l, const struct registry_epoch *ep, const struct handle *handle,
                   uint32_t bucket, const struct tag *tag, struct list_match *ret, size_t cap);
/* S of the epoch as it is now. */
struct cpis_hash lists_state(struct lists *l, uint32_t epoch);
/* The directory has finished its own start: every head held at the start is confirmed (or its
 * authority no longer searched); at once if it held none. Once true it stays so. */
bool lists_ready(const struct lists *l);

struct list_summary { /* for status: one held list */
    struct cpis_id authority;
    uint32_t epoch;
    uint64_t version, n, time;
    bool in_state;
};
/* Has an authority that is searched a head in `epoch` and none yet in the current one: then it is
 * served on for that authority when it is over (section 11). Also true for the current epoch and
 * later ones. */
bool lists_epoch_is_needed(const struct lists *l, const struct env *e, uint32_t epoch);
size_t lists_summary(const struct lists *l, struct list_summary *ret, size_t cap);
void lists_tick(struct lists *l, struct env *e);
cpis_ms lists_deadline(const struct lists *l);
#endif
