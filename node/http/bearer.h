/* node/http/bearer.h - bearer tokens (JWT, signed): the only door to libcjose.
 *
 * The algorithm belongs to the key, never to the token: a token's header has to name just the one
 * that its key is for, and that is looked at before anything is computed. Keys come from a file (a
 * JWKS); a token's own ideas of where to find keys (jku, jwk, x5u, x5c) are not looked at. JSON is
 * read strictly: a name that stands twice in one object is refused, at any depth.
 * Sources: RFC 7515, 7517, 7518, 7519, 8725. One thread. */
#ifndef CPIS_NODE_HTTP_BEARER_H
#define CPIS_NODE_HTTP_BEARER_H
#include "crypto/types.h"

#include <jansson.h>

#define BEARER_BYTES_MAX      ((size_t)8 * 1024) /* a token; above the server takes no header */
#define BEARER_KEYS_BYTES_MAX ((size_t)256 * 1024)
#define BEARER_KEYS_MAX       32U
#define BEARER_KID_BYTES      128U
#define BEARER_RSA_BITS_MIN   2048U
#define BEARER_RSA_BITS_MAX   8192U
#define BEARER_DEPTH_MAX      8U
#define BEARER_ISSUER_BYTES   256U
#define BEARER_AUDIENCES_MAX  4U
#define BEARER_WHY_BYTES      1024U

#define BEARER_ALGORITHMS(X)                                                                       \
    X(BEARER_RS256, "RS256")                                                                       \
    X(BEARER_RS512, "RS512")                                                                       \
    X(BEARER_PS256, "PS256")                                                                       \
    X(BEARER_ES256, "ES256")
enum bearer_algorithm {
    BEARER_ANY = 0, /* not said */
#define CPIS_X(name, text) name,
    BEARER_ALGORITHMS(CPIS_X)
#undef CPIS_X
};
/* BEARER_ANY: none of ours. */
enum bearer_algorithm bearer_algorithm_parse(const char *text);

struct bearer_keys; /* public keys of one issuer, each with its algorithm; opaque */
/* Reads a JWKS. A key has to name its algorithm ("alg"), or gets `algorithm` (BEARER_ANY: then it
 * is refused). Keys for another use than signatures are left out. Refused: a private or symmetric
 * key, RSA below BEARER_RSA_BITS_MIN or with a strange exponent, a curve other than P-256, a point
 * that is not on it, a key id twice, none where there are several keys, no key at all.
 * CPIS_E_MALFORMED, CPIS_E_IO, CPIS_E_NOMEM: `why` is "PATH: key "KID": expected ...". */
CPIS_CHECK cpis_err bearer_keys_read(const char *path, enum bearer_algorithm algorithm,
                                     struct bearer_keys **ret, char why[static BEARER_WHY_BYTES]);
/* The same from bytes; name is what `why` calls them. */
CPIS_CHECK cpis_err bearer_keys_parse(const char *name, const uint8_t *text, size_t len,
                                      enum bearer_algorithm algorithm, struct bearer_keys **ret,
                                      char why[static BEARER_WHY_BYTES]);
/* A file of at most max bytes, with a NUL behind them; free(). CPIS_E_IO, CPIS_E_NOMEM: errno
 * says why. */
CPIS_CHECK cpis_err bearer_file_read(const char *path, size_t max, uint8_t **ret, size_t *ret_len);
void bearer_keys_free(struct bearer_keys **p);
size_t bearer_keys_count(const struct bearer_keys *k);

struct bearer_issuer { /* whose tokens count, and when */
    const char *issuer;
    const char *const *audiences; /* a token has to be meant for one of them */
    size_t audiences_count;
    const struct bearer_keys *keys;
    cpis_ms skew;     /* how far its clock and ours may be apart */
    cpis_ms life_max; /* from iat to exp */
};
enum bearer_fault {
    BEARER_GOOD = 0,
    BEARER_MALFORMED, /* no signed JWT, too large, JSON that is not as it must be, crit, another typ
                       */
    BEARER_ALGORITHM, /* not the one that its key is for: none and HS* among them */
    BEARER_ISSUER,    /* no such issuer */
    BEARER_KEY,       /* the issuer has no key of that id, or the token names none of several */
    BEARER_SIGNATURE,
    BEARER_AUDIENCE,
    BEARER_EXPIRED,
    BEARER_EARLY, /* nbf or iat lies ahead of us */
    BEARER_LIFE,  /* exp or iat is missing, or it lives longer than it may */
    BEARER_MEMORY
};
/* A token as it stands behind "Bearer ". wall: ms since 1970. BEARER_GOOD: the caller owns
 * *ret_claims (json_decref), an object; *ret_issuer is whose it is. Both are written only then. A
 * time counts as kept up to and with the skew: exp + skew = wall is expired, nbf - skew = wall is
 * not early. */
enum bearer_fault bearer_check(const struct bearer_issuer *issuers, size_t count, const char *token,
                               size_t len, cpis_ms wall, json_t **ret_claims, size_t *ret_issuer);
#endif
