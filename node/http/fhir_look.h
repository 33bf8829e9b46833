/* node/http/fhir_look.h - lookups at the node, under way and lately answered. Searches of several
 * resources about one patient that one user makes within FHIR_LOOK_LIFE are one lookup: the
 * authority hears of one look, not of one for each resource.
 *
 * What joins: the same client, user, role, organisation, setting, duty to be told (scheduled or
 * not) and number; a resource that this lookup has not been searched for yet; while it is under
 * way. A verdict is never taken from a lookup that has ended, so that no "none" is an old one. But
 * AuditEvent, the history behind a FLAG, takes one that was answered, once, unless asking again may
 * mend it (fhir_is_settled).
 *
 * At most FHIR_LOOKS_MAX are kept for that; beyond it an answer is not. One is wiped when its
 * history was taken, or its time is over. One thread. */
#ifndef CPIS_NODE_HTTP_FHIR_LOOK_H
#define CPIS_NODE_HTTP_FHIR_LOOK_H
#include "node/http/caller.h"
#include "node/http/fhir_search.h"
#include "node/http/node_door.h"

#define FHIR_LOOK_LIFE   (5 * CPIS_MS_MINUTE)
#define FHIR_LOOKS_MAX   4096U                 /* answered, and kept */
#define FHIR_ASKED_MAX   4096U                 /* under way */
#define FHIR_LOOK_WITHIN (20 * CPIS_MS_SECOND) /* in its turn, and then for its answer */

/* Told once of each: a verdict, borrowed for the call, or NULL and why there is none. */
typedef void (*fhir_look_fn)(void *arg, const json_t *verdict, const struct fhir_fault *f);
struct fhir_waiter { /* the caller's, until it is told */
    struct fhir_waiter *next;
    fhir_look_fn fn;
    void *arg;
};

struct fhir_looks; /* opaque */
/* door: borrowed. CPIS_E_NOMEM. */
CPIS_CHECK cpis_err fhir_looks_new(const struct node_door *door, struct fhir_looks **ret);
/* The door has ended all calls (asserted). */
void fhir_looks_free(struct fhir_looks **p);
/* correlation: kept with the access at the authority; "": none. w is told later, or from within. */
void fhir_look(struct fhir_looks *l, const struct caller *who, const struct fhir_search *search,
               const char *correlation, cpis_ms now, struct fhir_waiter *w);
void fhir_looks_turn(struct fhir_looks *l, cpis_ms now); /* wipes what is over time */

struct fhir_looks_counts {
    uint64_t asked, joined; /* since it was made */
    size_t under_way, kept; /* now */
};
void fhir_looks_counts(const struct fhir_looks *l, struct fhir_looks_counts *ret);
#endif
