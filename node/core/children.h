/* node/core/children.h - an authority's plans: what is held about each child, how a change is
 * applied, and which NHS numbers are visible now. Rows live in the store (TABLE_CHILD); in memory
 * stands for each number only when it becomes invisible. Source: proto/README.md, CP-IS rules
 * there. Inside a node. */
#ifndef CPIS_NODE_CORE_CHILDREN_H
#define CPIS_NODE_CORE_CHILDREN_H
#include "node/core/io.h"
#include "proto/nhs_number.h"

enum child_change_type {
    CHANGE_UPSERT =
        1,         /* plan known by (number, type, start): added, ended, re-opened or unchanged */
    CHANGE_END,    /* sets `end` on a plan; without start: on every open plan of the type */
    CHANGE_DELETE, /* takes a plan away (error, "365-day error"); without start: all of the type */
    CHANGE_KEEP,   /* an old number is shown through the day of `end` and no longer; an upsert takes
                      that back. Only `number` and `end` count */
    CHANGE_TRANSFER /* to `to`: what is open ends once that authority is proven to list the child;
                       zeros: not any more. Only `number` and `to` count */
};
enum child_outcome {
    OUTCOME_ADDED = 1,
    OUTCOME_ENDED,
    OUTCOME_REOPENED,
    OUTCOME_UPDATED,
    OUTCOME_UNCHANGED,
    OUTCOME_DELETED,
    OUTCOME_NOT_FOUND, /* END or DELETE of what is not held */
    OUTCOME_TOO_MANY   /* PLANS_PER_CHILD_MAX */
};
struct child_change {
    enum child_change_type type;
    struct nhs_number number;
    uint32_t birth_date;                   /* YYYYMMDD; UPSERT */
    const char *given, *family, *local_id; /* borrowed; "" when unknown */
    uint32_t plan;                         /* enum plan_type */
    uint64_t start, end; /* YYYYMMDDHHMM; end 0: open; start 0: END, DELETE of the type */
    uint32_t visibility; /* 0: as it is held; of a new child: full */
    uint64_t import_id;
    struct cpis_id to; /* TRANSFER */
};
struct children;
CPIS_CHECK cpis_err children_new(struct children **ret);
void children_free(struct children **p); /* wipes */
CPIS_CHECK cpis_err children_restore(struct children *c, struct env *e);
/* Applies one change and persists the row. *ret is UNCHANGED, NOT_FOUND or TOO_MANY: nothing has
 * changed and nothing is persisted. CPIS_E_INVAL: a date, type, visibility, length or text that
 * can't be (readers of files say why before); CPIS_E_STORE: the row could not be read;
 * CPIS_E_NOMEM: on these, too, nothing has changed. One step may hold several changes of one child.
 */
CPIS_CHECK cpis_err children_apply(struct children *c, struct env *e,
                                   const struct child_change *change, enum child_outcome *ret);
/* What children_apply would do, changing nothing: for --dry-run. */
CPIS_CHECK cpis_err children_try(const struct children *c, struct env *e,
                                 const struct child_change *change, enum child_outcome *ret);
/* This authority lists the child now. If it is the one that was to take over, what is open ends
 * today (London) and stays visible as any ended plan does: *ret says whether. Errors as
 * children_apply. */
CPIS_CHECK cpis_err children_taken_over(struct children *c, struct env *e,
                                        const struct nhs_number *n, const struct cpis_id *by,
                                        bool *ret);
/* Puts every child back as it was before this import changed it, but for those that somebody has
 * changed since: *ret_undone, *ret_kept. try_only: counts, and changes nothing. Only the newest
 * import's are there. Errors as children_apply. */
CPIS_CHECK cpis_err children_undo(struct children *c, struct env *e, uint64_t import_id,
                                  bool try_only, uint64_t *ret_undone, uint64_t *ret_kept);
/* An import is over: what is kept from before older ones goes. */
void children_forget_before(struct env *e, uint64_t import_id);
/* The row of a child, in the scratch arena. CPIS_E_NOTFOUND; CPIS_E_STORE; CPIS_E_NOMEM. */
CPIS_CHECK cpis_err children_get(const struct children *c, struct env *e,
                                 const struct nhs_number *n, struct row_child *ret);
/* plan_visible_until of a row's plan; 0 for one whose dates can't be. */
cpis_ms children_plan_until(const struct row_plan *plan);
/* Is this number on the list at `wall`? */
bool children_visible(const struct children *c, const struct nhs_number *n, cpis_ms wall);
/* All visible numbers in rising order, in the arena. CPIS_E_NOMEM. */
CPIS_CHECK cpis_err children_visible_all(const struct children *c, cpis_ms wall, struct arena *a,
                                         const struct nhs_number **ret, size_t *ret_count);
cpis_ms children_next_change(const struct children *c,
                             cpis_ms wall); /* wall ms of the next visibility end */
uint64_t children_generation(
    const struct children *c); /* rises with every change that matters to the list */
size_t children_count(const struct children *c);
#endif
