/* node/core/registry_state.h - the inside of struct registry, for registry.c, registry_rules.c and
 * registry_time.c only. */
#ifndef CPIS_NODE_CORE_REGISTRY_STATE_H
#define CPIS_NODE_CORE_REGISTRY_STATE_H
#include "node/core/id_map.h"
#include "node/core/registry.h"
#include "node/core/verified.h"

#define REGISTER_TIME_BODY_MAX 128U
#define FORK_KEY_BYTES         (REGISTER_KEY_BYTES + CPIS_HASH_BYTES)

struct heard_time { /* the newest register-time of one directory */
    struct cpis_id id;
    uint64_t version, time;
    struct cpis_hash hash;
    int64_t difference; /* its time less our uncorrected wall clock when it came */
    cpis_ms heard;      /* monotonic */
    struct signed_message as_signed;
    uint8_t body[REGISTER_TIME_BODY_MAX]; /* as_signed.body points here only when handed out */
    size_t body_len;
};
enum alarm { ALARM_EXPIRING, ALARM_UNCONFIRMED, ALARM_CLOCK, ALARM_FORK, ALARM_OUT, ALARM_COUNT };

struct registry {
    struct net_id net;
    struct verified *verified; /* behind this struct; forgotten with each newer register */
    struct arena arena;        /* the newest register: decoded, and the arrays below */
    struct msg_register newest;
    struct cpis_hash hash;
    struct registry_node *nodes;                       /* in rising order of id */
    struct id_map places;                              /* where in nodes an id stands */
    const struct registry_node **role[ROLE_QUERY + 1]; /* those in force */
    size_t role_count[ROLE_QUERY + 1];
    struct registry_epoch *epochs;
    struct registry_notice *notices;
    uint32_t epoch_highest; /* of all links */

    struct cpis_hash *links; /* links[v - 1] is H(body) of version v; the documents are on disk */
    size_t links_count, links_cap;
    struct registry_node *gone; /* nodes of earlier links, in the order they went */
    size_t gone_count, gone_cap;
    uint8_t roots_before[ROOT_KEYS_MAX * SIGN_PUBLIC_BYTES]; /* who may sign the newest version */
    size_t roots_before_len;
    uint32_t threshold_before;

    bool forked;
    uint8_t fork_key[FORK_KEY_BYTES];
    uint64_t fork_version;

    struct heard_time *times; /* one for each directory heard */
    size_t times_count, times_cap;
    bool confirmed_ever, ticked;
    cpis_ms confirmed;  /* when t directories had last named our register of that time */
    cpis_ms first_tick; /* an alarm is not raised before they had time to */
    cpis_ms wall_heard; /* for t, where no wall clock is given */
    int64_t offset;     /* the clock's, found at offset_from, good until offset_until */
    cpis_ms offset_from, offset_until;
    bool self_counts; /* this node is a directory in force: its own word is one of the t */
    cpis_ms alarm_next[ALARM_COUNT];
};
/* registry_time.c: a register has been accepted; forgets the times of who is no directory now. */
void registry_times_prune(struct registry *r);
#endif
