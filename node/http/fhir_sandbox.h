/* node/http/fhir_sandbox.h - a node_door without a node: test children of the range 999 that is
 * never issued, each with its answer, for suppliers to try every one of them. README.md lists the
 * children; a test compares. A number that is not among them is UNKNOWN: nobody is told "none" of a
 * real child. One thread. */
#ifndef CPIS_NODE_HTTP_FHIR_SANDBOX_H
#define CPIS_NODE_HTTP_FHIR_SANDBOX_H
#include "node/http/node_door.h"

struct fhir_sandbox_child { /* static texts */
    const char *number, *shows;
};
/* The i-th, or NULL. */
const struct fhir_sandbox_child *fhir_sandbox_child(size_t i);

struct fhir_sandbox; /* opaque */
/* CPIS_E_NOMEM. */
CPIS_CHECK cpis_err fhir_sandbox_new(struct fhir_sandbox **ret);
void fhir_sandbox_free(struct fhir_sandbox **p); /* ends all calls with CPIS_E_IO */
/* The same as long as it lives. */
const struct node_door *fhir_sandbox_door(const struct fhir_sandbox *s);
/* Answers what is due. Its calls are made between two turns, and count from the last one. */
void fhir_sandbox_turn(struct fhir_sandbox *s, cpis_ms now, cpis_ms wall);
cpis_ms fhir_sandbox_deadline(const struct fhir_sandbox *s); /* when to turn at the latest */
#endif
