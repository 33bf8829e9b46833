/* node/http/fhir_code.h - every error and warning that the FHIR face can give: code, HTTP status,
 * Retry-After in seconds (0: of no use), severity, R4 issue type, what it says. The catalogue in
 * README.md names exactly these; a test compares the two. Codes are never renamed, nor used again
 * for something else.
 *
 * The first three are the national guide's own and carry its system. Status 200: it only stands
 * beside an answer, in an outcome entry. Values only; any thread. Source: FHIR R4,
 * OperationOutcome; RFC 9110, 15. */
#ifndef CPIS_NODE_HTTP_FHIR_CODE_H
#define CPIS_NODE_HTTP_FHIR_CODE_H
#include "crypto/types.h"

#define FHIR_NHS_SYSTEM "https://fhir.nhs.uk/CodeSystem/England-SpineErrorOrWarningCode"
/* Of our own codes: a name that nobody else can give, and that needs no domain. */
#define FHIR_OWN_SYSTEM "urn:uuid:5d0c6b1e-7f0a-4f0e-9a39-3c1f0b7f5a52"

#define FHIR_CODES(X)                                                                              \
    X(INVALID_SEARCH_DATA, 400, 0, "error", "invalid", "Invalid NHS number")                       \
    X(PRECONDITION_FAILED, 400, 0, "error", "invalid", "Missing or invalid header parameter")      \
    X(ACCESS_DENIED, 403, 0, "error", "forbidden",                                                 \
      "Access has been denied to process this request")                                            \
    X(UNAUTHENTICATED, 401, 0, "error", "login", "It is not known who asks")                       \
    X(MISSING_PATIENT, 400, 0, "error", "required", "The search names no patient")                 \
    X(SEVERAL_PATIENTS, 400, 0, "error", "invalid", "The search names more than one patient")      \
    X(UNSUPPORTED_PARAMETER, 400, 0, "error", "not-supported", "There is no such parameter here")  \
    X(UNSUPPORTED_VALUE, 400, 0, "error", "not-supported", "A parameter has a value unknown here") \
    X(UNSUPPORTED_INTERACTION, 400, 0, "error", "not-supported",                                   \
      "Resources are found by searching, not by their id")                                         \
    X(UNKNOWN_RESOURCE, 404, 0, "error", "not-supported", "There is nothing at this path")         \
    X(METHOD_NOT_ALLOWED, 405, 0, "error", "not-supported", "This method is not for this path")    \
    X(NOT_ACCEPTABLE, 406, 0, "error", "not-supported", "Answers are FHIR R4 in JSON only")        \
    X(UNSUPPORTED_MEDIA_TYPE, 415, 0, "error", "not-supported", "The body has the wrong type")     \
    X(MALFORMED_JSON, 400, 0, "error", "structure", "The body is not JSON that can be taken")      \
    X(MALFORMED_FORM, 400, 0, "error", "structure", "The search is not well encoded")              \
    X(INVALID_BATCH, 400, 0, "error", "invalid", "The body is not a Bundle of type batch")         \
    X(BATCH_TOO_LARGE, 413, 0, "error", "too-costly", "A batch holds at most 256 entries")         \
    X(UNSUPPORTED_ENTRY, 400, 0, "error", "not-supported", "A batch holds searches only")          \
    X(ASKER_INVALID, 422, 0, "error", "business-rule", "The details of who asks are not valid")    \
    X(ORGANISATION_LIMIT, 429, 3600, "error", "throttled",                                         \
      "This organisation's limit of lookups a day is used up. This is not \"none\"")               \
    X(TOO_MANY_REQUESTS, 429, 60, "error", "throttled",                                            \
      "This system or its user asks too often. This is not \"none\"")                              \
    X(HISTORY_WITHHELD, 403, 0, "error", "suppressed",                                             \
      "The authority does not show all who looked before. The patient is known")                   \
    X(KNOWN_WITHOUT_HISTORY, 422, 0, "error", "business-rule",                                     \
      "The patient is known; nobody has looked in unscheduled care")                               \
    X(NOT_ANSWERED, 503, 5, "error", "transient",                                                  \
      "The question could not be answered. This is not \"none\"")                                  \
    X(INCOMPLETE, 503, 60, "error", "incomplete",                                                  \
      "Nothing was found, but not every authority's list could be searched. This is not \"none\"") \
    X(DETAILS_TO_FOLLOW, 503, 60, "error", "incomplete",                                           \
      "The patient is listed by an authority that has not answered yet. Ring it")                  \
    X(DETAILS_REFUSED, 403, 0, "error", "suppressed",                                              \
      "The patient is listed by an authority whose policy gives this role no details. Ring it")    \
    X(NODE_LIMIT, 503, 3600, "error", "throttled",                                                 \
      "This service's limit of lookups a day is used up. This is not \"none\"")                    \
    X(TOO_BUSY, 503, 5, "error", "throttled", "Too much is under way. This is not \"none\"")       \
    X(TIMED_OUT, 503, 5, "error", "timeout", "No answer came in time. This is not \"none\"")       \
    X(NODE_UNAVAILABLE, 503, 10, "error", "transient",                                             \
      "The service behind this address does not answer. This is not \"none\"")                     \
    X(INTERNAL_ERROR, 500, 0, "error", "exception",                                                \
      "Something is wrong with this service. This is not \"none\"")                                \
    X(CONTACT_ONLY, 200, 0, "warning", "suppressed",                                               \
      "There is safeguarding information that is not shown. Ring the authority")                   \
    X(AUTHORITY_NOTE, 200, 0, "information", "informational", "To be known beside this answer")    \
    X(ONLY_CPIS_FLAGS, 200, 0, "information", "informational",                                     \
      "Of all patient flags only those of CP-IS are known here")

enum fhir_code {
    FHIR_OK = 0,
#define CPIS_X(name, status, retry, severity, type, display) FHIR_##name,
    FHIR_CODES(CPIS_X)
#undef CPIS_X
        FHIR_CODE_COUNT
};
struct fhir_code_facts { /* static texts */
    const char *name;    /* "INCOMPLETE" */
    unsigned status, retry;
    const char *severity, *type, *display, *system;
};
/* c: FHIR_OK < c < FHIR_CODE_COUNT (asserted). */
const struct fhir_code_facts *fhir_code_facts(enum fhir_code c);

/* Why a request is refused, or what an answer lacks. FHIR_OK: nothing. */
#define FHIR_WHY_BYTES 300U
struct fhir_fault {
    enum fhir_code code;
    char why[FHIR_WHY_BYTES]; /* for the developer or the clinician; never a child's number */
};
/* Fills *f; false, for `return fhir_fault(...)`. */
bool fhir_fault(struct fhir_fault *f, enum fhir_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#endif
