/* node/http/fhir_answer.h - what a search is answered, from the verdict on its patient: the one
 * place that decides what is a Bundle and what an error, so that no client can read "none" out of
 * anything but NO FLAG.
 *
 * A Bundle with `total` 0 is made of NO FLAG alone. UNKNOWN and INCOMPLETE are errors, as is the
 * empty history of a patient who is known; DETAILS TO FOLLOW and contact-only are resources,
 * counted as any other. A verdict that contradicts itself is an error. Pure but for memory; any
 * thread. Source: proto/README.md section 10; the guides. */
#ifndef CPIS_NODE_HTTP_FHIR_ANSWER_H
#define CPIS_NODE_HTTP_FHIR_ANSWER_H
#include "node/http/fhir_make.h"

struct fhir_asked { /* borrowed */
    const struct fhir_search *search;
    const char *base; /* "https://node.example/FHIR/R4" */
    /* INCOMPLETE is a Bundle without `total` and with an outcome entry: for a client that is known
     * to read that */
    bool incomplete_as_200;
    cpis_ms wall;
};
/* verdict: one "more" of the control command `lookup`. ret->body NULL: out of memory; never a
 * Bundle that lacks something. */
void fhir_answer(struct fhir_make *m, const struct fhir_asked *asked, const json_t *verdict,
                 struct fhir_made *ret);
/* May the next search be answered with it? Not with a "none", which may be over, nor with what
 * asking again may mend. */
bool fhir_is_settled(const json_t *verdict);
#endif
