/* tests/node/http/fhir_fixture.h - the FHIR face behind a door made by hand: requests without a
 * socket, and a node that answers when the test says so. One of each; ff_begin first. */
#ifndef CPIS_TESTS_NODE_HTTP_FHIR_FIXTURE_H
#define CPIS_TESTS_NODE_HTTP_FHIR_FIXTURE_H
#include "node/http/fhir.h"

#define FF_NUMBER  "9990000018"
#define FF_OTHER   "9990000026"
#define FF_SYSTEM  "https://fhir.nhs.uk/Id/nhs-number"
#define FF_BASE    "/cpis/FHIR/R4"
#define FF_RID     "00112233445566778899aabbccddeeff"
#define FF_PAIRS   24U
#define FF_T0      ((cpis_ms)1796083200000) /* 2026-12-01T00:00Z */
#define FF_ANSWERS 300U

/* Tests of one process share it. */
extern struct ff {
    struct fhir *f;
    struct caller who;
    cpis_ms now;
    /* what waits at the door, in order; a test answers it by its place */
    struct control_call calls[FF_ANSWERS];
    size_t calls_count;
    bool answer_at_once; /* ff_ask has the node answer `verdict` before it returns */
    json_t *verdict;     /* for every number: its nhs_number is put in */
} ff;
void ff_begin(void); /* Dr A of RJ1, unscheduled; the FLAG of one plan is answered at once */
void ff_end(void);

struct ff_request {
    enum http_method method;
    const char *path; /* behind FF_BASE; with an "=" before it: whole */
    struct pair query[FF_PAIRS], headers[FF_PAIRS];
    const char *body;
};
/* The answer to the last request; unanswered: answers is 0. */
extern struct ff_answer {
    unsigned answers; /* since ff_ask */
    bool no_memory;   /* it was answered with NULL: the server says 503 */
    unsigned status;
    struct reply *reply;
    json_t *body;
} ff_got;
void ff_ask(const struct ff_request *q); /* Host and what the request holds; ff.who asks */
void ff_ask_as(const struct ff_request *q, const struct caller *who);
void ff_get(const char *resource, const char *number); /* patient:identifier=SYSTEM|number */
const char *ff_header(const char *name);               /* of the answer; "" none */

void ff_answer(size_t call, const json_t *verdict); /* more, then the end */
void ff_fail(size_t call, cpis_err err);            /* the end alone */
const char *ff_asked(size_t call, const char *key); /* of its "ask" */

/* --- verdicts: new references --- */
enum ff_kind {
    FF_FLAG,
    FF_FLAG_PENDING, /* one authority has answered, another has not */
    FF_FLAG_UNSEEN,  /* nobody has looked in unscheduled care */
    FF_FLAG_CUT,     /* older looks did not fit into the answer */
    FF_FLAG_CUT_ALL, /* nor the newest one */
    FF_CONTACT_ONLY,
    FF_DETAILS_TO_FOLLOW, /* two authorities */
    FF_REFUSED,           /* by the policy of the one authority */
    FF_NO_FLAG,
    FF_NO_FLAG_NOTED,
    FF_INCOMPLETE,
    FF_UNKNOWN,
    FF_KINDS
};
json_t *ff_verdict(enum ff_kind k);

/* --- reading --- */
/* entries whose resource is of that type; NULL: all */
size_t ff_count(const json_t *bundle, const char *type);
const json_t *ff_entry(const json_t *bundle, const char *type, size_t i); /* its resource */
const char *ff_text(const json_t *o, const char *key);
/* Is it an OperationOutcome whose first issue has that code in details? */
bool ff_is_outcome(const json_t *o, enum fhir_code c);
bool ff_says(const json_t *o, const char *text); /* somewhere in its JSON */
#endif
