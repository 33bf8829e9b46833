/* node/http/fhir_search.h - what a search asks for, from its parameters: strict, so that a client
 * never believes to have narrowed or widened a question that was asked otherwise. Pure; any thread.
 * Source: FHIR R4, Search; the national guides, whose three spellings of the patient are all
 * taken. */
#ifndef CPIS_NODE_HTTP_FHIR_SEARCH_H
#define CPIS_NODE_HTTP_FHIR_SEARCH_H
#include "node/http/exchange.h"
#include "node/http/fhir_code.h"
#include "proto/nhs_number.h"

#define FHIR_PARAMS_MAX        16U
#define FHIR_NHS_NUMBER_SYSTEM "https://fhir.nhs.uk/Id/nhs-number"

enum fhir_resource { FHIR_CARE_TEAM = 1, FHIR_AUDIT_EVENT, FHIR_FLAG, FHIR_CARE_PLAN };
#define FHIR_RESOURCES 5U /* a table's size; the first is none */
/* "/CareTeam" -> FHIR_CARE_TEAM; "/PatientFlag" and "/Flag" -> FHIR_FLAG. 0: no such resource. */
enum fhir_resource fhir_resource_of(const char *path, size_t len);
const char *fhir_resource_name(enum fhir_resource r); /* as it stands in a path: "PatientFlag" */

struct fhir_search { /* holds a child's number: wipe */
    enum fhir_resource resource;
    struct nhs_number number;
    bool code; /* PatientFlag: only CP-IS flags were asked for */
};
/* false: *f says why, without what may be a child's number; *ret is wiped. */
bool fhir_search_read(enum fhir_resource r, const struct pair *params, size_t n,
                      struct fhir_search *ret, struct fhir_fault *f);
void fhir_search_wipe(struct fhir_search *s);

/* Is it a value of _format that means JSON? */
bool fhir_is_json_format(const char *value);

/* form_decode of a query, or a body; false: *f says why not. */
bool fhir_form_read(char *text, size_t len, struct pair ret[static FHIR_PARAMS_MAX], size_t *ret_n,
                    struct fhir_fault *f);
#endif
