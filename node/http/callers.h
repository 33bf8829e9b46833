/* node/http/callers.h - who may ask through this node's HTTP interface, and as whom: a client
 * certificate, a bearer token, or both, looked up in clients.conf (callers_conf.h).
 *
 * Nothing is guessed and nothing is made less than it was asked as. A look is unscheduled, which
 * the authority is told of, unless a header says otherwise; whoever has only the right to look
 * silently (B0170) and asks unscheduled is let through and told of, for to be told of is never the
 * lesser duty; whoever has only B0107 and asks silently is refused, and never told of instead.
 *
 * Every refusal is one of this list: what the client is told, what is counted, what is logged. No
 * user, role or child stands in a log line: the client and the reason are enough to act on, and the
 * authority has the rest. One thread. Sources: README.md of node/, "Who may ask"; RFC 6750, 8705.
 */
#ifndef CPIS_NODE_HTTP_CALLERS_H
#define CPIS_NODE_HTTP_CALLERS_H
#include "node/http/caller.h"
#include "node/http/callers_conf.h"
#include "node/http/exchange.h"
#include "node/http/fhir_code.h"

#define CALLERS_USERS_MAX  16384U /* whose limits are known at once */
#define CALLERS_TELL_EVERY CPIS_MS_MINUTE

/* name, its name in logs and metrics, what it is in the catalogue of errors (fhir_code.h: status
 * and all), what the client is told beside that, what its operator or ours does. The handbook's
 * table is this one (a test compares). */
#define CALLER_REFUSALS(X)                                                                         \
    X(CALLER_PLAIN, "plain", FHIR_ACCESS_DENIED, "this needs TLS", "use https")                    \
    X(CALLER_NOBODY, "nobody", FHIR_UNAUTHENTICATED,                                               \
      "neither a client certificate nor a bearer token",                                           \
      "the client sends its certificate; if it does, `web_client_ca` does not vouch for it, or "   \
      "it "                                                                                        \
      "has expired")                                                                               \
    X(CALLER_CERTIFICATE_UNKNOWN, "certificate-unknown", FHIR_ACCESS_DENIED,                       \
      "no client is known by this certificate",                                                    \
      "put the fingerprint of the log line into `fingerprints` of its client, if it is right")     \
    X(CALLER_CERTIFICATE_AMBIGUOUS, "certificate-ambiguous", FHIR_ACCESS_DENIED,                   \
      "more than one client is known by this certificate",                                         \
      "clients.conf: name one of them by `fingerprints`")                                          \
    X(CALLER_CERTIFICATE_MISSING, "certificate-missing", FHIR_ACCESS_DENIED,                       \
      "this client has to show its certificate", "the client connects with its certificate")       \
    X(CALLER_TOKEN_MISSING, "token-missing", FHIR_UNAUTHENTICATED,                                 \
      "this client has to send a bearer token", "the client sends `Authorization: Bearer ...`")    \
    X(CALLER_TOKEN_UNWANTED, "token-unwanted", FHIR_ACCESS_DENIED,                                 \
      "this client asks for itself and sends no bearer token",                                     \
      "if users ask through it: `token = \"required\"`")                                           \
    X(CALLER_TOKEN_MALFORMED, "token-malformed", FHIR_UNAUTHENTICATED,                             \
      "this is no bearer token that can be read here",                                             \
      "one `Authorization: Bearer` with a signed JWT of at most 8 KiB, no name twice, no `crit`")  \
    X(CALLER_TOKEN_ALGORITHM, "token-algorithm", FHIR_UNAUTHENTICATED,                             \
      "the token is not signed in the way its key is for",                                         \
      "the issuer signs with the algorithm of its key; `none` and HS* are somebody's attempt")     \
    X(CALLER_TOKEN_ISSUER, "token-issuer", FHIR_UNAUTHENTICATED,                                   \
      "tokens of this issuer are not taken from this client",                                      \
      "`issuer` has to be the token's `iss` letter for letter; `issuers` of the client names it")  \
    X(CALLER_TOKEN_KEY, "token-key", FHIR_UNAUTHENTICATED,                                         \
      "no key is known of this token's key id",                                                    \
      "fetch the issuer's newest keys into its `keys_file` and send SIGHUP")                       \
    X(CALLER_TOKEN_SIGNATURE, "token-signature", FHIR_UNAUTHENTICATED,                             \
      "the token's signature is wrong", "as token-key; if it keeps coming, somebody tries")        \
    X(CALLER_TOKEN_AUDIENCE, "token-audience", FHIR_UNAUTHENTICATED,                               \
      "the token is meant for somebody else",                                                      \
      "the client asks the issuer for a token of our `audiences`")                                 \
    X(CALLER_TOKEN_EXPIRED, "token-expired", FHIR_UNAUTHENTICATED, "the token has expired",        \
      "the client fetches a new one; of all tokens: see to our clock")                             \
    X(CALLER_TOKEN_EARLY, "token-early", FHIR_UNAUTHENTICATED, "the token is not valid yet",       \
      "see to the clocks, ours and the issuer's")                                                  \
    X(CALLER_TOKEN_LIFE, "token-life", FHIR_UNAUTHENTICATED,                                       \
      "the token lives longer than it may, or does not say how long",                              \
      "the issuer gives shorter ones with `exp` and `iat`, or raise `life_seconds`")               \
    X(CALLER_TOKEN_BOUND, "token-bound", FHIR_UNAUTHENTICATED,                                     \
      "the token is bound to another certificate or key",                                          \
      "the client uses the certificate that it fetched the token with; else: it was stolen")       \
    X(CALLER_CLAIMS, "claims", FHIR_ACCESS_DENIED,                                                 \
      "the token does not say well who asks: user, role or organisation",                          \
      "compare `claims` of the issuer with a token; a user with several roles has to choose one")  \
    X(CALLER_CLIENT_UNKNOWN, "client-unknown", FHIR_ACCESS_DENIED,                                 \
      "no client is known of this token", "`token_client` of a client is the token's claim")       \
    X(CALLER_CLIENT_OTHER, "client-other", FHIR_ACCESS_DENIED,                                     \
      "the token was given to another client", "as token-bound; or `token_client` is wrong")       \
    X(CALLER_ORGANISATION, "organisation", FHIR_ACCESS_DENIED,                                     \
      "this client may not ask for that organisation", "if it is right: `speaks_for`")             \
    X(CALLER_ROLE, "role", FHIR_ACCESS_DENIED, "this role may not ask",                            \
      "if it is right: `roles` of the client")                                                     \
    X(CALLER_ACTIVITY, "activity", FHIR_ACCESS_DENIED, "the user has neither B0107 nor B0170",     \
      "the user's Registration Authority; or the issuer tells only codes beyond the role's own: "  \
      "`claims.activities = \"\"` leaves it to the client's rights")                               \
    X(CALLER_ACTIVITY_SILENT, "activity-silent", FHIR_ACCESS_DENIED,                               \
      "the user has only B0107 and may not ask silently",                                          \
      "the client asks with `IsUnscheduledAccessEvent: true`; or the user needs B0170")            \
    X(CALLER_SILENT, "silent", FHIR_ACCESS_DENIED, "this client may not ask silently",             \
      "the client asks with `IsUnscheduledAccessEvent: true`; or `scheduled = true`")              \
    X(CALLER_UNSCHEDULED, "unscheduled", FHIR_ACCESS_DENIED,                                       \
      "this client may ask only with IsUnscheduledAccessEvent: false",                             \
      "the client sends that header; or `unscheduled = true`")                                     \
    X(CALLER_HEADER, "header", FHIR_PRECONDITION_FAILED,                                           \
      "IsUnscheduledAccessEvent is true or false, and stands there once",                          \
      "the client's maker corrects it")                                                            \
    X(CALLER_RATE, "rate", FHIR_TOO_MANY_REQUESTS, "this client asks too often",                   \
      "if it is right: `requests_a_minute`")                                                       \
    X(CALLER_USER_RATE, "user-rate", FHIR_TOO_MANY_REQUESTS, "this user asks too often",           \
      "somebody trawls, or a script does; if it is right: `user_requests_a_minute`")               \
    X(CALLER_USERS, "users", FHIR_TOO_BUSY, "too many users ask at once",                          \
      "more than 16,384 users within a minute: a token issuer makes them up")                      \
    X(CALLER_MEMORY, "memory", FHIR_TOO_BUSY, "out of memory", "more memory")
enum caller_refusal {
    CALLER_GOOD = 0,
#define CPIS_X(name, text, code, told, mend) name,
    CALLER_REFUSALS(CPIS_X)
#undef CPIS_X
        CALLER_REFUSAL_END
};
struct caller_refusal_text { /* static texts */
    const char *name;
    enum fhir_code code;
    const char *told;      /* OperationOutcome.issue.diagnostics */
    const char *mend;      /* what to do, for an operator */
    const char *challenge; /* WWW-Authenticate of a 401; "" else */
};
/* CALLER_GOOD, and what is none (asserted). */
const struct caller_refusal_text *caller_refusal_text(enum caller_refusal r);

struct caller_refused {
    enum caller_refusal why;
    char client[CALLERS_NAME_BYTES + 1]; /* "": not known */
    unsigned retry_after;                /* seconds, for Retry-After; 0: of no use to ask again */
};

/* Told for each client and reason at most once in CALLERS_TELL_EVERY. */
struct callers_told {
    const char *client; /* "": not known */
    enum caller_refusal why;
    uint64_t count; /* since it was told last */
    /* CALLER_CERTIFICATE_UNKNOWN: of the last such certificate, in hexadecimal; else "" */
    const char *fingerprint;
};
typedef void (*callers_tell_fn)(void *arg, const struct callers_told *t);

struct callers; /* opaque */
/* Reads clients.conf and the keys that it names. tell may be NULL. Errors as callers_conf_read. */
CPIS_CHECK cpis_err callers_new(const char *path, callers_tell_fn tell, void *arg,
                                struct callers **ret, char why[static CALLERS_WHY_BYTES]);
void callers_free(struct callers **p);
/* Reads all anew (SIGHUP). What clients and users have used of their limits stays used; counts go
 * on. On error all stays as it was. */
CPIS_CHECK cpis_err callers_reload(struct callers *c, char why[static CALLERS_WHY_BYTES]);

/* Is the look silent? CALLER_GOOD or CALLER_HEADER. Both spellings of the header that have been
 * seen; neither: unscheduled, for to be told of is the default. */
enum caller_refusal callers_scheduled(const struct request *r, bool *ret);

/* Who is this, and may they ask this now? CPIS_OK: *ret, and the request counts against limits.
 * CPIS_E_AUTH, or CPIS_E_NOMEM: *why is set, counted and told. */
CPIS_CHECK cpis_err callers_identify(struct callers *c, const struct request *r, struct caller *ret,
                                     struct caller_refused *why);
/* Tells what has been counted since it was told last; when nobody asks, too. Every few seconds. */
void callers_turn(struct callers *c, cpis_ms now);

struct callers_counts { /* since it was made; of all clients */
    uint64_t scheduled, unscheduled;
    uint64_t refused[CALLER_REFUSAL_END];
};
void callers_counts(const struct callers *c, struct callers_counts *ret);
size_t callers_clients(const struct callers *c); /* how many there are */
#endif
