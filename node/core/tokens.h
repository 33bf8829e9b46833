/* node/core/tokens.h - the asker's side of blind evaluation: NHS numbers to keys, at t directories,
 * every reply checked (a wrong share would be a silent false "no"), in its step or as work for
 * others (work.h), a missing one replaced by another directory. Used by the publisher (batches) and
 * by lookups (those that come at once together). Source: proto/README.md section 3. Inside a node.
 */
#ifndef CPIS_NODE_CORE_TOKENS_H
#define CPIS_NODE_CORE_TOKENS_H
#include "node/core/links.h"
#include "node/core/work.h"
#include "proto/nhs_number.h"

/* Both for each TOKENS_WAIT_PER numbers: a batch takes a directory longer than a lookup, and waits
 * its turn there. One that is asked for anew too early costs a busy directory as much again. */
#define TOKENS_REPLY_WAIT   CPIS_MS_SECOND       /* then another directory is asked as well */
#define TOKENS_GIVE_UP      (5 * CPIS_MS_SECOND) /* the whole job */
#define TOKENS_WAIT_PER     32U
#define TOKENS_JOBS_MAX     512U
#define TOKENS_TOGETHER_MAX EVIDENCE_TOGETHER_MAX /* numbers that tokens_join puts in one job */

struct tokens_done { /* what a job came to; borrowed until tokens_release */
    uint64_t job;
    cpis_err
        err; /* CPIS_OK; CPIS_E_LIMIT: refused over quota; CPIS_E_NOTFOUND: too few directories */
    uint32_t epoch;
    size_t m;
    const struct nhs_number *numbers;
    const struct child_keys *keys;         /* m of them, on CPIS_OK */
    const struct oprf_scalar *blinds;      /* m */
    const struct oprf_element *blinded;    /* m: as they were asked for */
    const struct threshold_reply *replies; /* those used, m elements each */
    size_t replies_count;
    struct cpis_id used[THRESHOLD_HOLDERS_MAX]; /* the directories they came from */
};
struct tokens;
CPIS_CHECK cpis_err tokens_new(struct links *links, struct tokens **ret); /* links is borrowed */
void tokens_free(struct tokens **p);
/* Starts a job for m (1..OPRF_BATCH_MAX) numbers: copies them. CPIS_E_LIMIT: too many jobs.
 * CPIS_E_NOTFOUND: no such epoch. CPIS_E_NOMEM. */
CPIS_CHECK cpis_err tokens_start(struct tokens *t, struct env *e, uint32_t epoch,
                                 const struct nhs_number *numbers, size_t m, uint64_t *ret_job);
/* One number, asked for together with those that are joined before the next tick, which is due at
 * once: one request to each directory, and one proof of all of its evaluations, which costs each
 * side less than half of as many. *ret_place: where it stands in the job. Errors as tokens_start.
 */
CPIS_CHECK cpis_err tokens_join(struct tokens *t, struct env *e, uint32_t epoch,
                                const struct nhs_number *number, uint64_t *ret_job,
                                size_t *ret_place);
void tokens_recv_reply(struct tokens *t, struct env *e, const struct cpis_id *directory,
                       const struct msg_evaluate_reply *m);
/* A check of a reply that is done. What is not under way here, or of a job that is over, is
 * dropped. */
void tokens_recv_work(struct tokens *t, struct env *e, const struct work *w);
void tokens_tick(struct tokens *t, struct env *e);
cpis_ms tokens_deadline(const struct tokens *t);
/* The next finished job, if any; wiped and forgotten by tokens_release. */
bool tokens_pop(struct tokens *t, struct tokens_done *ret);
void tokens_release(struct tokens *t, uint64_t job);
#endif
