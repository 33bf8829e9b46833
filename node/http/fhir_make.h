/* node/http/fhir_make.h - building JSON of which no part may be missing: what runs out of memory
 * marks the whole as failed, so that a Bundle never lacks an entry in silence. One answer each; not
 * thread-safe. */
#ifndef CPIS_NODE_HTTP_FHIR_MAKE_H
#define CPIS_NODE_HTTP_FHIR_MAKE_H
#include "node/http/fhir_search.h"

#include <jansson.h>

#define FHIR_SEED_BYTES 16U
#define FHIR_UUID_BYTES 37U

struct fhir_make {
    uint8_t seed[FHIR_SEED_BYTES]; /* random, new for each answer: ids come from it */
    uint32_t ids;
    bool sandbox; /* each resource says so */
    bool failed;  /* throw it all away */
};
/* The next id: RFC 9562, version 8. */
void fhir_make_uuid(struct fhir_make *m, char ret[static FHIR_UUID_BYTES]);

/* All take `value`; NULL, or what can't be put there, fails. */
void fhir_set(struct fhir_make *m, json_t *o, const char *key, json_t *value);
void fhir_text(struct fhir_make *m, json_t *o, const char *key, const char *text);
void fhir_append(struct fhir_make *m, json_t *array, json_t *value);
/* [value] */
json_t *fhir_list(struct fhir_make *m, json_t *value);
/* {"system":..., "code":..., "display":...} without what is NULL. */
json_t *fhir_coding(struct fhir_make *m, const char *system, const char *code, const char *display);
/* {"coding":[{...}]} */
json_t *fhir_concept(struct fhir_make *m, const char *system, const char *code,
                     const char *display);
/* {"identifier":{"system": NHS number, "value": digits}} */
json_t *fhir_patient(struct fhir_make *m, const char *digits);
/* {"resourceType":type,"id":id}, in a sandbox with a tag that says so. id NULL: none. */
json_t *fhir_resource(struct fhir_make *m, const char *type, const char *id);

/* One issue of an OperationOutcome. beside: it stands in an answer that is given, where nothing is
 * an error. diagnostics: a string, taken; NULL: none. */
json_t *fhir_issue(struct fhir_make *m, enum fhir_code c, bool beside, json_t *diagnostics);
/* Takes issues, an array of at least one. */
json_t *fhir_outcome(struct fhir_make *m, json_t *issues);
/* An answer that was made: `body` is the caller's. */
struct fhir_made {
    enum fhir_code code; /* FHIR_OK: what was asked for */
    unsigned status;
    json_t *body; /* NULL: out of memory */
};
/* An answer of one of the issues' codes; takes outcome. */
void fhir_made_outcome(struct fhir_make *m, enum fhir_code c, json_t *outcome,
                       struct fhir_made *ret);
void fhir_made_fault(struct fhir_make *m, const struct fhir_fault *f, struct fhir_made *ret);
/* The same of an answer; takes body, which ends when anything of it has failed. */
void fhir_made_body(struct fhir_make *m, json_t *body, struct fhir_made *ret);
#endif
