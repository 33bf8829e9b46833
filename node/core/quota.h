/* node/core/quota.h - at a query node: how many lookups each organisation behind it, and the node
 * itself, have asked for today. Source: proto/README.md section 3. Inside a node of role query; one
 * owner; not thread-safe.
 *
 * Counted at once, and durable before the lookup is sent: the count goes into the commit that the
 * lookup's own row waits for, so that it costs none of its own; a question that comes to no lookup
 * is written within QUOTA_WRITE_WAIT. A crash between loses the count of what was never sent.
 *
 * An organisation is the ODS code that the asker names (any case). What is no such code counts as
 * one organisation, without a code: a misspelt code must not be a way round a limit. Days are
 * UTC's, by the corrected clock, as directories count them. */
#ifndef CPIS_NODE_CORE_QUOTA_H
#define CPIS_NODE_CORE_QUOTA_H
#include "node/core/verdict.h"
#include "proto/code.h"

#define QUOTA_ORGANISATIONS_MAX 4096U /* in one day; what others ask is refused */
#define QUOTA_EXCEPTIONS_MAX    512U
#define QUOTA_ALARM_PERCENT     70U
#define QUOTA_WRITE_WAIT        CPIS_MS_SECOND

struct quota_exception {
    struct ods_code code;
    uint64_t lookups_a_day; /* 0: none at all */
};
struct quota_conf {         /* what the node's operator has set */
    uint64_t lookups_a_day; /* of each organisation that is no exception */
    const struct quota_exception *exceptions;
    size_t exceptions_count; /* at most QUOTA_EXCEPTIONS_MAX (asserted) */
};
struct quotas;
/* conf is copied. CPIS_E_NOMEM. */
CPIS_CHECK cpis_err quotas_new(const struct quota_conf *conf, struct quotas **ret);
/* Other limits from now on; what has been asked stays counted. CPIS_E_NOMEM: nothing changed. */
CPIS_CHECK cpis_err quotas_configure(struct quotas *q, const struct quota_conf *conf);
void quotas_free(struct quotas **p);
CPIS_CHECK cpis_err quotas_restore(struct quotas *q, struct env *e); /* TABLE_ASKED */

/* One question of this organisation, for which `searches` lookups go to each directory.
 * REASON_NONE: it is counted. REASON_ORGANISATION_QUOTA: its limit is used up; REASON_QUOTA: more
 * organisations than can be counted have asked today, or there is no memory. What is refused is an
 * event and is not counted. q NULL: nothing is counted (a machine alone, in a test). At 70 % of the
 * organisation's limit, and of the smaller of this node's two limits in the register, an alarm,
 * once a day each. */
enum verdict_reason quotas_take(struct quotas *q, struct env *e, const char *organisation_code,
                                unsigned searches);
void quotas_settle(struct quotas *q, struct env *e); /* at the end of each step */
void quotas_tick(struct quotas *q, struct env *e);   /* forgets days before yesterday */
cpis_ms quotas_deadline(const struct quotas *q);

struct quota_use {
    struct ods_code code; /* "": no code, or none that can be */
    uint64_t lookups, limit;
};
/* Today's organisations, most lookups first; returns how many there are and fills at most cap. */
size_t quotas_used(const struct quotas *q, cpis_ms wall, struct quota_use *ret, size_t cap);
/* Lookups of this node today, of all organisations. */
uint64_t quotas_node_used(const struct quotas *q, cpis_ms wall);
/* The smaller of a node's two limits; a lookup needs one evaluation. */
uint64_t quotas_node_limit(const struct registry_node *self);
#endif
