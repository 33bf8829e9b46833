/* node/http/fhir_resource.h - a verdict's flags, pending authorities and accesses as FHIR
 * resources: CareTeam and AuditEvent as the national guide of 2023 has them, Flag and CarePlan as
 * the one of 2025. One answer each; not thread-safe. */
#ifndef CPIS_NODE_HTTP_FHIR_RESOURCE_H
#define CPIS_NODE_HTTP_FHIR_RESOURCE_H
#include "node/http/fhir_make.h"
#include "proto/date.h"

/* One reason to act: a plan, or an authority that has to be rung. Borrowed from the verdict. */
struct fhir_known {
    /* FHIR_OK: a plan. FHIR_CONTACT_ONLY, FHIR_DETAILS_TO_FOLLOW, FHIR_DETAILS_REFUSED: no more
     * than an authority. */
    enum fhir_code why;
    const char *name, *code, *emergency, *office; /* of the authority; "": not known */
    const char *start, *end;                      /* of a plan; "": not known, open */
    const char *system, *category, *display;      /* of its type, or of `why` */
    bool ended;                                   /* before today */
};
/* o: of the verdict's flags, or, pending, of the authorities that it names. */
void fhir_known_read(const json_t *o, bool pending, const char *today, struct fhir_known *ret);
/* "Ring Testborough (T001): emergency duty team 020...; office hours 016...". more: stands behind
 * it; "": nothing. */
json_t *fhir_ring(const struct fhir_known *k, const char *more);

/* A searchset under way. */
struct fhir_bundle {
    struct fhir_make *m;
    const char *base;   /* "https://node.example/FHIR/R4" */
    const char *digits; /* of whom was asked */
    json_t *entry;
    size_t matches;
};
void fhir_add_care_team(struct fhir_bundle *s, const struct fhir_known *k);
void fhir_add_audit_event(struct fhir_bundle *s,
                          const json_t *access); /* with its PractitionerRole */
void fhir_add_flag(struct fhir_bundle *s, const struct fhir_known *k); /* with CarePlan, CareTeam */
void fhir_add_care_plan(struct fhir_bundle *s, const struct fhir_known *k); /* with its CareTeam */
void fhir_add_outcome(struct fhir_bundle *s, json_t *issues);               /* taken */

/* A text of an object, "" where there is none. */
const char *fhir_text_of(const json_t *o, const char *key);
#endif
