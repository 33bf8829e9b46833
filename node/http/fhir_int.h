/* node/http/fhir_int.h - inside fhir*.c: a request under way, of one search or of a batch. */
#ifndef CPIS_NODE_HTTP_FHIR_INT_H
#define CPIS_NODE_HTTP_FHIR_INT_H
#include "node/http/fhir.h"
#include "node/http/fhir_answer.h"
#include "node/http/fhir_look.h"
#include "node/http/fhir_make.h"

#define FHIR_BASE_BYTES  320U
#define FHIR_TRACE_BYTES (USER_ID_BYTES_MAX + 1) /* so that the authority keeps it whole */

struct fhir {
    struct fhir_conf conf;
    struct fhir_looks *looks;
    uint64_t answers[FHIR_CODE_COUNT];
};

/* What all answers to a request need of it, read before anything else. */
struct fhir_request {
    const struct request *r;
    const char *rest;             /* of the path, behind the base: "/CareTeam" */
    char base[FHIR_BASE_BYTES];   /* "https://node.example/FHIR/R4" */
    char trace[FHIR_TRACE_BYTES]; /* ""; well formed */
};

struct fhir_job;
struct fhir_part { /* one search */
    struct fhir_job *job;
    struct fhir_waiter waiter;
    struct fhir_search search; /* resource 0: fault says why there is none */
    struct fhir_fault fault;
    struct fhir_made made;
    char rid[2 * CPIS_ID_BYTES + 1]; /* of its evidence; "": none */
};
struct fhir_job {
    struct fhir *f;
    struct exchange *x;
    struct fhir_request in;
    bool batch, incomplete_as_200;
    size_t waiting, count;
    struct fhir_part parts[];
};

/* Of so many parts, each without a search. NULL: x was answered. */
struct fhir_job *fhir_job_new(struct fhir *f, struct exchange *x, const struct fhir_request *in,
                              size_t parts);
/* Asks for all parts that have a search; answers x, and frees the job. */
void fhir_job_begin(struct fhir_job *j, const struct caller *who);
void fhir_job_free(struct fhir_job *j); /* one that was not begun */

/* Reads the body into a job. NULL: fault says why; FHIR_OK: x was answered. */
struct fhir_job *fhir_batch_read(struct fhir *f, struct exchange *x, const struct fhir_request *in,
                                 struct fhir_fault *fault);
/* "batch-response" of its parts, whose bodies are taken. */
json_t *fhir_batch_bundle(struct fhir_make *m, struct fhir_job *j);

json_t *fhir_capability(struct fhir_make *m, const char *base);

void fhir_make_begin(const struct fhir *f, struct fhir_make *ret);
/* Answers x; takes made->body. header: one more; or NULL. */
void fhir_reply(struct exchange *x, const char *trace, const struct fhir_made *made,
                const struct pair *header);
void fhir_reply_fault(struct fhir *f, struct exchange *x, const char *trace,
                      const struct fhir_fault *fault, const struct pair *header);
#endif
