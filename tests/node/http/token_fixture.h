/* tests/node/http/token_fixture.h - an issuer of tokens: keys made in the test, their JWKS, and
 * tokens signed with them through libcjose. Tests only. */
#ifndef CPIS_TESTS_TOKEN_FIXTURE_H
#define CPIS_TESTS_TOKEN_FIXTURE_H
#include <cjose/cjose.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TF_WALL   ((uint64_t)1795456980000) /* ms; 2026-11-23 */
#define TF_ISSUER "https://issuer.test.example"

struct tf_key {
    cjose_jwk_t *jwk;
    const char *algorithm, *id; /* static */
};
struct tf_key tf_rsa(const char *algorithm, const char *id); /* 2048 bits: 0.1 s */
struct tf_key tf_ec(const char *id);                         /* P-256, ES256 */
void tf_key_free(struct tf_key *k);

/* The public half with "kid" and "alg"; json_decref. */
json_t *tf_public(const struct tf_key *k);
/* {"keys": [...]}, ended by NUL; free(). */
char *tf_jwks(const struct tf_key *const *keys, size_t count);

/* Good for the issuer and audience "cpis" at TF_WALL: issued a minute ago, for five; json_decref.
 */
json_t *tf_claims(void);
/* Signs with the key and its algorithm, typ JWT and its kid; free(). */
char *tf_sign(const struct tf_key *k, const json_t *claims);
/* The same over any bytes, with any header members beside alg (overriding kid); takes header. */
char *tf_sign_bytes(const struct tf_key *k, json_t *header, const char *payload, size_t len);
/* header.payload.signature from texts as they are; free(). */
char *tf_token(const char *header, const char *payload, const char *signature);
/* Base64url without padding; free(). */
char *tf_base64(const void *p, size_t len);
#endif
