/* simulations/result.h - what a run measures. The engine (run.h) tells what happened, one call
 * each; this adds up in bounded memory (under 30 MiB for a nation, however long the run) and writes
 * the result as JSON and CSV. Fields: simulations/README.md.
 *
 * All times are virtual us from the run's start. Nothing here reads a clock or draws anything; the
 * wall time and memory are told by the caller and the only fields that differ between two runs of
 * one seed. One owner.
 *
 * Out of memory (only ever while a time bucket is first used) marks the result: result_json fails.
 */
#ifndef CPIS_SIMULATIONS_RESULT_H
#define CPIS_SIMULATIONS_RESULT_H
#include "crypto/types.h"
#include "node/core/io.h"
#include "node/core/verdict.h"
#include "simulations/histogram.h"
#include "simulations/scenario.h"

#include <jansson.h>
#include <stdio.h>

#define RESULT_BUCKETS_MAX  1440U /* wider buckets than the scenario's when it would be more */
#define RESULT_COLUMNS_MAX  120U  /* of the freshness map */
#define RESULT_FAULTS_MAX   1024U /* the rest is only counted */
#define RESULT_BREACHES_MAX 16U
#define RESULT_SMALL        5U /* counts below it are not shown for a single authority */
#define RESULT_VERDICT_KINDS                                                                       \
    ((size_t)VERDICT_UNKNOWN + 1) /* index: enum verdict_kind; 0 unused                            \
                                   */

enum result_load {                  /* work of a directory */
                   LOAD_EVALUATION, /* blind elements */
                   LOAD_LOOKUP,     /* lookups answered, of any kind */
                   LOAD_PRESENCE,   /* of these: present */
                   LOAD_FORWARD,    /* copies sent to authorities */
                   LOAD_LIST,       /* list updates taken */
                   LOAD_REFUSED,    /* refused: busy or over quota */
                   LOAD_KINDS
};
const char *load_name(enum result_load l);

struct run_result; /* opaque: node.h has a `struct result` of its own */
/* Copies what it needs of *sc. NULL: out of memory. */
struct run_result *result_new(const struct scenario *sc, uint64_t seed);
void result_free(struct run_result **p);
/* It is of real processes (emulate.h): "engine" says so; crypto and storage are what they have. */
void result_emulated(struct run_result *r);

/* --- told by the engine, as it happens --- */

struct result_lookup {
    uint64_t begin_us, end_us; /* end: the verdict is given; counts in the bucket of begin */
    enum verdict_kind verdict;
    enum verdict_reason reason; /* of UNKNOWN and INCOMPLETE */
    bool scheduled, batch;      /* batch: of a batch job; its latency is kept apart */
    bool listed;                /* the child had a live visible plan: flag is right */
};
void result_lookup(struct run_result *r, const struct result_lookup *l);
/* A lookup that should leave a notification is under way (at its begin). */
void result_notification_due(struct run_result *r);
/* The authority has it in its store; delay from the lookup's begin. */
void result_notification(struct run_result *r, uint32_t authority, uint64_t at_us,
                         uint64_t delay_us);
void result_acknowledged(struct run_result *r); /* the asker holds the signed ack of one of these */
/* A plan is live nationally; delay from its import. `at_us`: when it went live. */
void result_plan_saved(struct run_result *r);
void result_propagation(struct run_result *r, uint64_t at_us, uint64_t delay_us);
/* How old an authority's list is at a query node: the worst of each column is kept. */
void result_freshness(struct run_result *r, uint32_t authority, uint64_t at_us, uint64_t age_us);
void result_load(struct run_result *r, uint32_t directory, enum result_load kind, uint64_t at_us,
                 uint64_t n);
void result_message(struct run_result *r, enum frame_kind kind, size_t bytes);
/* So many more whose kind nobody knows: what processes count. */
void result_messages(struct run_result *r, uint64_t n);
void result_event(struct run_result *r, enum event e);
/* A fault that came (end_us UINT64_MAX: not ended): its word and whom, "authority 3, 8, 12". */
void result_fault(struct run_result *r, uint64_t begin_us, uint64_t end_us, const char *what,
                  const char *whom);
/* An invariant does not hold. `what`: one line, no number of a child. */
void result_breach(struct run_result *r, uint64_t at_us, const char *what);

/* --- when it ends --- */

struct result_end {
    uint64_t virtual_us, wall_us, events;
    /* processor time of the process; founding: until the scenario's time 0, in all three */
    uint64_t cpu_us, founding_cpu_us, founding_events;
    struct cpis_hash trace;
    uint64_t peak_rss_kib;
    bool partial;            /* stopped before its time */
    bool liveness_asked;     /* the liveness phase was reached */
    bool converged;          /* within converge_within */
    uint64_t converge_us;    /* how long it took, or was waited */
    char not_converged[160]; /* what was missing; "" */
};
void result_end(struct run_result *r, const struct result_end *end);

/* --- read --- */

uint64_t result_lookups(const struct run_result *r);
uint64_t result_verdicts(const struct run_result *r, enum verdict_kind k);
uint64_t result_breaches(const struct run_result *r);
bool result_ok(const struct run_result *r); /* no breach, converged if asked, not failed */

/* The whole object, for the caller to json_decref; without `series` only the one-line summary.
 * NULL: out of memory. */
json_t *result_json(const struct run_result *r, bool series);
/* Writes summary.csv, series.csv, authorities.csv, freshness.csv, directories.csv, faults.csv of a
 * result's JSON (with series) into an existing folder. CPIS_E_IO; CPIS_E_MALFORMED: no such result.
 */
CPIS_CHECK cpis_err result_csv(json_t *result, const char *folder);

/* Numbers of a single authority: those below RESULT_SMALL become UINT64_MAX, and when that hides
 * just one, the smallest of the others too, so that it can't be had from the sum. */
void result_suppress(uint64_t *counts, size_t n);
#endif
