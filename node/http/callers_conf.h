/* node/http/callers_conf.h - clients.conf: who may ask, and whose tokens count. One table of keys
 * gives the defaults, the checks, what an error says was expected, and the commented example.
 * libconfig's syntax. What is read does not change. */
#ifndef CPIS_NODE_HTTP_CALLERS_CONF_H
#define CPIS_NODE_HTTP_CALLERS_CONF_H
#include "node/http/bearer.h"
#include "node/http/exchange.h"
#include "proto/message.h"

#define CALLERS_CLIENTS_MAX      256U
#define CALLERS_ISSUERS_MAX      8U
#define CALLERS_NAME_BYTES       40U
#define CALLERS_CLAIM_BYTES      64U
#define CALLERS_FINGERPRINTS_MAX 4U
#define CALLERS_CODES_MAX        8192U
#define CALLERS_ROLES_MAX        256U
#define CALLERS_TEXT_BYTES       256U /* of one element of a list */
#define CALLERS_CONF_BYTES_MAX   ((size_t)1024 * 1024)
#define CALLERS_WHY_BYTES        2048U

enum callers_token {
    TOKEN_NEVER = 1, /* the certificate alone; a device asks */
    TOKEN_REQUIRED,  /* the certificate, and a token that says who asks */
    TOKEN_INSTEAD    /* the token alone */
};
const char *callers_token_name(enum callers_token t); /* "never", "required", "instead" */
struct callers_list {
    char **texts;
    size_t count;
};
struct callers_client {
    char name[CALLERS_NAME_BYTES + 1];
    struct callers_list fingerprints;  /* 64 lower-case hexadecimal digits each */
    char subject[PEER_NAME_BYTES + 4]; /* "cn:...", "dns:...", "uri:..." or "" */
    enum callers_token token;
    struct callers_list issuers; /* names */
    char token_client[CALLERS_TEXT_BYTES];
    char organisation_code[CODE_BYTES_MAX + 1], organisation_name[ORGANISATION_BYTES_MAX + 1];
    struct callers_list speaks_for; /* codes, besides its own */
    bool speaks_for_any;
    char setting[SETTING_BYTES_MAX + 1];
    char device_id[USER_ID_BYTES_MAX + 1], responsible[NAME_BYTES_MAX + 1];
    bool scheduled, unscheduled, incomplete_as_200;
    struct callers_list roles; /* none: any */
    uint64_t requests_a_minute, user_requests_a_minute;
};
struct callers_claims { /* the names of claims; "": none */
    char user_id[CALLERS_CLAIM_BYTES + 1], user_name[CALLERS_CLAIM_BYTES + 1];
    char client[CALLERS_CLAIM_BYTES + 1];
    char roles[CALLERS_CLAIM_BYTES + 1], selected[CALLERS_CLAIM_BYTES + 1];
    char role_id[CALLERS_CLAIM_BYTES + 1];
    char role_code[CALLERS_CLAIM_BYTES + 1], role_name[CALLERS_CLAIM_BYTES + 1];
    char activities[CALLERS_CLAIM_BYTES + 1];
    char organisation_code[CALLERS_CLAIM_BYTES + 1], organisation_name[CALLERS_CLAIM_BYTES + 1];
    char organisations[CALLERS_CLAIM_BYTES + 1];
};
struct callers_issuer {
    char name[CALLERS_NAME_BYTES + 1];
    char issuer[BEARER_ISSUER_BYTES];
    struct callers_list audiences;
    char keys_file[1024];
    enum bearer_algorithm algorithm; /* of keys that name none; BEARER_ANY: they are refused */
    uint64_t skew_seconds, life_seconds;
    struct callers_claims claims;
    struct bearer_keys *keys;
};
struct callers_conf {
    size_t clients_count, issuers_count;
    struct callers_client *clients;
    struct callers_issuer issuers[CALLERS_ISSUERS_MAX];
    struct bearer_issuer bearers[CALLERS_ISSUERS_MAX]; /* the same, as bearer.h wants them */
};
/* Reads the file, and the key files that it names (a relative path: beside it). A file without
 * clients is right: then nobody may ask. CPIS_OK: the caller owns *ret. CPIS_E_MALFORMED,
 * CPIS_E_IO, CPIS_E_NOMEM: `why` is "FILE:12: fingerprints: expected ...", or what bearer_keys_read
 * says. */
CPIS_CHECK cpis_err callers_conf_read(const char *path, struct callers_conf **ret,
                                      char why[static CALLERS_WHY_BYTES]);
/* The same from a text, ended by NUL; path is what `why` calls it and where key files are beside.
 */
CPIS_CHECK cpis_err callers_conf_parse(const char *path, const char *text,
                                       struct callers_conf **ret,
                                       char why[static CALLERS_WHY_BYTES]);
void callers_conf_free(struct callers_conf **p);
/* Does this list hold that text? */
bool callers_list_has(const struct callers_list *l, const char *text);
/* A file without clients, with every key explained: with the number signs before `name =` taken
 * away it is one of an issuer and a client. free(); NULL: out of memory. */
char *callers_conf_example(void);
#endif
