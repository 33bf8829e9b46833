/* tests/node/http/callers_fixture.h - a folder with a clients.conf and its issuer's keys, and
 * requests as a server would hand them on. Tests only. */
#ifndef CPIS_TESTS_CALLERS_FIXTURE_H
#define CPIS_TESTS_CALLERS_FIXTURE_H
#include "node/http/callers.h"
#include "tests/node/http/token_fixture.h"

#define CF_NOW ((cpis_ms)5000000)

extern struct tf_key cf_key; /* ES256, "k1", in cf_path("issuer.jwks") */
void cf_start(void);         /* the folder, the key and its file; asserts */
void cf_finish(void);
const char *cf_path(const char *name); /* of a file in the folder; static */
void cf_write(const char *name, const char *text);

/* One issuer "nhs" for cf_key, and what stands in clients (groups of libconfig). */
void cf_write_clients(const char *clients);
/* Claims of a nurse of RZZ99, R8001, with B0107, for client "app-1", as CIS2 tells them. */
json_t *cf_claims(void);
json_t *cf_role(json_t *claims); /* the role in them; borrowed */

struct cf_request {
    struct request r;
    struct peer peer;
    struct pair headers[8];
    char *texts[8];
};
void cf_request(struct cf_request *ret,
                unsigned certificate); /* 0: none; its fingerprint's bytes */
void cf_header(struct cf_request *q, const char *name, const char *value);
void cf_bearer(struct cf_request *q, char *token); /* takes token */
void cf_request_free(struct cf_request *q);
/* --- callers over such a folder --- */

#define CF_OF "organisation_code = \"RZZ99\"; organisation_name = \"Test Hospital\"; "
/* ed: CF_PRINT_11, with a token; portal: a token alone; device, silent: a certificate alone; any:
 * asks for every organisation. */
extern const char cf_clients[];
extern struct callers *cf_callers;
extern struct cf_request cf_q; /* the next request */
extern struct caller cf_caller;
extern struct caller_refused cf_refused;
extern struct cf_told {
    enum caller_refusal why;
    uint64_t count;
    char client[64], fingerprint[80];
} cf_told[64];
extern size_t cf_told_count;
void cf_setup(void); /* cf_start, cf_clients, cf_callers */
void cf_teardown(void);
/* Asks with cf_q, which is freed; cf_caller or cf_refused. */
enum caller_refusal cf_ask(void);
/* These make cf_q; claims are taken. */
void cf_ask_bare(unsigned certificate);
void cf_ask_signed(unsigned certificate, json_t *claims);
enum caller_refusal cf_ask_as(unsigned certificate, json_t *claims); /* and asks */
/* cf_claims with one claim, or one member of the role, that is another; value is taken. */
json_t *cf_with(const char *claim, json_t *value);
json_t *cf_with_role(const char *member, json_t *value);
#define CF_PRINT_11 "1111111111111111111111111111111111111111111111111111111111111111"
#endif
