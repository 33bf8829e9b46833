/* node/http/fhir.h - the FHIR R4 face of a query node: CareTeam and AuditEvent (national guide of
 * 2023), PatientFlag and CarePlan (of 2025), as searches of one patient, alone or in a batch; a
 * CapabilityStatement of exactly that; every error an OperationOutcome of fhir_code.h.
 *
 * All of it stands below /FHIR/R4, which may stand below /cpis or /patient-flags-api: the paths of
 * the national services, so that a client changes only the host. There is no way without: "/" is
 * the pages'. README.md has examples of each answer.
 *
 * A handler only: who asks has been found out before (caller.h), and whether silently; nothing here
 * makes less of it. Nothing is logged. One thread. */
#ifndef CPIS_NODE_HTTP_FHIR_H
#define CPIS_NODE_HTTP_FHIR_H
#include "node/http/caller.h"
#include "node/http/exchange.h"
#include "node/http/fhir_code.h"
#include "node/http/node_door.h"

#define FHIR_BATCH_MAX 256U
#define FHIR_JSON      "application/fhir+json"

struct fhir_conf {
    const struct node_door *door; /* borrowed until fhir_free */
    /* "https://node.example:8443", for what is told of addresses; NULL: as the request's Host says
     */
    const char *origin;
    bool sandbox; /* each resource is tagged as test data */
};
struct fhir; /* opaque */
/* CPIS_E_INVAL: origin is too long. CPIS_E_NOMEM. */
CPIS_CHECK cpis_err fhir_new(const struct fhir_conf *conf, struct fhir **ret);
/* The door has ended all calls (asserted): free control_link before. */
void fhir_free(struct fhir **p);

bool fhir_takes(const char *path);   /* is it below one of the bases? */
bool fhir_is_open(const char *path); /* and nobody is asked who they are: /metadata */
/* Answers x, now or when the node has. who: borrowed for the call; NULL: not known, and then only
 * /metadata is answered. The path is one that fhir_takes. */
void fhir_handle(struct fhir *f, struct exchange *x, const struct caller *who);

/* The log-in's refusal as an OperationOutcome. Texts are borrowed for the call. */
struct fhir_refusal {
    enum fhir_code code;
    const char *told;      /* diagnostics */
    const char *challenge; /* WWW-Authenticate; "": none */
    unsigned retry_after;  /* seconds; 0: as the code has it */
};
void fhir_refuse(struct fhir *f, struct exchange *x, const struct fhir_refusal *r);

void fhir_turn(struct fhir *f, cpis_ms now); /* every second: wipes what is kept no more */

struct fhir_counts {                   /* since it was made */
    uint64_t answers[FHIR_CODE_COUNT]; /* of searches, one for each of a batch; [FHIR_OK]: good */
    uint64_t lookups, joined;          /* asked of the node; answered by the lookup before */
};
void fhir_counts(const struct fhir *f, struct fhir_counts *ret);
#endif
