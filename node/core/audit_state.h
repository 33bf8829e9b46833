/* node/core/audit_state.h - inside audit*.c: what was taken in. */
#ifndef CPIS_NODE_CORE_AUDIT_STATE_H
#define CPIS_NODE_CORE_AUDIT_STATE_H
#include "node/core/audit.h"

struct audit_line { /* one entry of a log */
    uint64_t time, value;
    uint32_t event;
    struct cpis_hash about, head; /* head: of the log with this entry */
};
struct audit_place { /* of an entry, by what it is about */
    struct cpis_hash about;
    size_t at; /* in line */
};
struct audit_log {
    struct cpis_id node;
    size_t file;
    struct audit_line *line; /* line[i] is entry i + 1 */
    size_t count, cap;
    struct audit_place *by_about; /* rising by about, then by place; made by audit_judge */
    bool broken;                  /* its entries stop making sense at line[count] */
    bool ended;                   /* with the node's own signature, at `end`, over `signed_head` */
    uint64_t end;
    struct chain_head signed_head;
};
struct audit_said { /* one signed message */
    uint32_t type;
    size_t file;
    struct cpis_id who;
    uint64_t time;
    struct cpis_hash about; /* rh or list id */
    uint32_t outcome;       /* acks */
    uint64_t sequence;      /* 0: it names no head of a log */
    struct cpis_hash head;
};
struct audit_stated { /* a directory's absence, by what version of an authority's list */
    struct cpis_id directory, authority;
    size_t file;
    uint32_t epoch;
    uint64_t time, version;
    struct cpis_hash rh;
};
struct audit {
    const struct registry *registry;
    struct audit_log *log;
    size_t logs, logs_cap;
    struct audit_said *said;
    size_t said_count, said_cap;
    struct audit_stated *stated;
    size_t stated_count, stated_cap;
    struct audit_finding *finding;
    size_t findings, findings_cap;
    size_t records;
};
/* Room for one more element of `size` in *list, which grows by doubling. */
CPIS_CHECK cpis_err audit_grow(void **list, size_t count, size_t *cap, size_t size);
CPIS_CHECK cpis_err audit_find(struct audit *a, const struct audit_finding *f);
int audit_compare(const struct cpis_hash *a, const struct cpis_hash *b);
#endif
