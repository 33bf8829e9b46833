#include "node/http/bearer.h"

#include "node/net/json_memory.h"

#include <assert.h>
#include <cjose/cjose.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define ES256_SIGNATURE_BYTES 64U
#define SECONDS_MAX           253402300799.0 /* the end of the year 9999 */

struct key {
    char id[BEARER_KID_BYTES + 1]; /* "": none */
    enum bearer_algorithm algorithm;
    size_t signature_bytes;
    cjose_jwk_t *jwk;
};
struct bearer_keys {
    size_t count;
    struct key keys[BEARER_KEYS_MAX];
};

static const char *const algorithm_names[] = {[BEARER_ANY] = "",
#define CPIS_X(name, text) [name] = (text),
                                              BEARER_ALGORITHMS(CPIS_X)
#undef CPIS_X
};
#define ALGORITHMS (sizeof algorithm_names / sizeof *algorithm_names)
#define ONE_OF     "RS256, RS512, PS256 or ES256"

enum bearer_algorithm bearer_algorithm_parse(const char *text)
{
    for (unsigned i = BEARER_ANY + 1; i < ALGORITHMS; i++)
        if (strcmp(text, algorithm_names[i]) == 0) return (enum bearer_algorithm)i;
    return BEARER_ANY;
}

/* The text of a member; "" when there is none. */
static const char *text_of(const json_t *o, const char *name)
{
    const char *text = json_string_value(json_object_get(o, name));
    return text == NULL ? "" : text;
}

static bool is_no_text(const json_t *o, const char *name)
{
    const json_t *v = json_object_get(o, name);
    return v != NULL && !json_is_string(v);
}

/* Base64url without padding, and the only way to write these bytes: libsodium refuses bits that are
 * left over. free(); NULL: it is none, or out of memory (then *ret_memory). */
static uint8_t *decode(const char *text, size_t len, size_t *ret_len, bool *ret_memory)
{
    uint8_t *bytes = malloc(len + 1);
    const char *end = NULL;
    *ret_memory = bytes == NULL;
    if (bytes == NULL) return NULL;
    if (len > 0 &&
        sodium_base642bin(bytes, len + 1, text, len, NULL, ret_len, &end,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0 &&
        end == text + len)
        return bytes;
    free(bytes);
    return NULL;
}

static json_t *parse(const uint8_t *text, size_t len)
{
    return json_loadb((const char *)text, len, JSON_REJECT_DUPLICATES, NULL);
}

/* --- keys --- */

struct loading {
    const char *name;
    enum bearer_algorithm algorithm;
    struct bearer_keys *keys;
    char *why;
};

__attribute__((format(printf, 4, 5))) static bool wrong(const struct loading *l, const char *kid,
                                                        size_t at, const char *form, ...)
{
    char text[256], named[BEARER_KID_BYTES + 3];
    va_list args;
    va_start(args, form);
    (void)vsnprintf(text, sizeof text, form, args);
    va_end(args);
    (void)snprintf(named, sizeof named, "\"%.*s\"", (int)BEARER_KID_BYTES, kid);
    if (kid[0] == '\0') (void)snprintf(named, sizeof named, "number %zu", at + 1);
    (void)snprintf(l->why, BEARER_WHY_BYTES, "%.*s: key %s: %s", 600, l->name, named, text);
    return false;
}

static bool is_family(enum bearer_algorithm a, const char *kty)
{
    return strcmp(kty, a == BEARER_ES256 ? "EC" : "RSA") == 0;
}

/* Bits of the modulus; 0: it is none, or the exponent is one nobody uses in good faith (1 lets
 * anybody sign; NIST SP 800-56B asks for odd and over 2^16). */
static size_t rsa_bits(const json_t *o)
{
    const char *n_text = text_of(o, "n"), *e_text = text_of(o, "e");
    size_t n_len = 0, e_len = 0, bits = 0;
    bool memory;
    uint8_t *n = decode(n_text, strlen(n_text), &n_len, &memory);
    uint8_t *e = decode(e_text, strlen(e_text), &e_len, &memory);
    if (n != NULL && e != NULL && n_len > 0 && n[0] != 0 && (n[n_len - 1] & 1) != 0 && e_len >= 3 &&
        e_len <= 8 && e[0] != 0 && (e[e_len - 1] & 1) != 0) {
        bits = n_len * 8;
        for (unsigned top = n[0]; (top & 0x80) == 0; top <<= 1)
            bits--;
    }
    free(n);
    free(e);
    return bits;
}

static bool check_material(const struct loading *l, const json_t *o, size_t at, struct key *k)
{
    static const char *const secret[] = {"d", "k", "p", "q", "dp", "dq", "qi", "oth"};
    for (size_t i = 0; i < sizeof secret / sizeof *secret; i++)
        if (json_object_get(o, secret[i]) != NULL)
            return wrong(l, k->id, at,
                         "is secret (\"%s\"): expected public keys only; a key that "
                         "stood in such a file is to be replaced",
                         secret[i]);
    if (k->algorithm == BEARER_ES256) {
        k->signature_bytes = ES256_SIGNATURE_BYTES;
        return strcmp(text_of(o, "crv"), "P-256") == 0 ||
               wrong(l, k->id, at, "expected the curve P-256");
    }
    const size_t bits = rsa_bits(o);
    k->signature_bytes = (bits + 7) / 8;
    return (bits >= BEARER_RSA_BITS_MIN && bits <= BEARER_RSA_BITS_MAX) ||
           wrong(l, k->id, at, "expected RSA of %u to %u bits with an odd exponent over 65536",
                 BEARER_RSA_BITS_MIN, BEARER_RSA_BITS_MAX);
}

static bool check_algorithm(const struct loading *l, const json_t *o, size_t at, struct key *k)
{
    const char *kty = text_of(o, "kty");
    const bool named = json_object_get(o, "alg") != NULL;
    k->algorithm = named ? bearer_algorithm_parse(text_of(o, "alg")) : l->algorithm;
    if (strcmp(kty, "RSA") != 0 && strcmp(kty, "EC") != 0)
        return wrong(l, k->id, at, "expected \"kty\": \"RSA\" or \"EC\"");
    if (k->algorithm == BEARER_ANY)
        return wrong(l, k->id, at,
                     named ? "expected \"alg\": " ONE_OF
                           : "expected \"alg\": " ONE_OF ", or `algorithm` of its issuer");
    return is_family(k->algorithm, kty) || wrong(l, k->id, at, "%s is not for a key of type %s",
                                                 algorithm_names[k->algorithm], kty);
}

static bool is_for_signatures(const json_t *o)
{
    const json_t *use = json_object_get(o, "use"), *ops = json_object_get(o, "key_ops");
    if (use != NULL && strcmp(text_of(o, "use"), "sig") != 0) return false;
    if (ops == NULL) return true;
    for (size_t i = 0; i < json_array_size(ops); i++) {
        const char *op = json_string_value(json_array_get(ops, i));
        if (op != NULL && strcmp(op, "verify") == 0) return true;
    }
    return false;
}

static const struct key *find_key(const struct bearer_keys *k, const char *id)
{
    for (size_t i = 0; i < k->count; i++)
        if (strcmp(k->keys[i].id, id) == 0) return &k->keys[i];
    return NULL;
}

static bool take_key(const struct loading *l, json_t *o, size_t at)
{
    const char *id = text_of(o, "kid");
    struct key *k = &l->keys->keys[l->keys->count];
    *k = (struct key){.algorithm = BEARER_ANY};
    if (!json_is_object(o)) return wrong(l, "", at, "expected an object");
    if (!is_for_signatures(o)) return true;
    if (is_no_text(o, "kid") || strlen(id) > BEARER_KID_BYTES)
        return wrong(l, "", at, "expected \"kid\": a text of at most %u bytes", BEARER_KID_BYTES);
    if (id[0] != '\0' && find_key(l->keys, id) != NULL)
        return wrong(l, id, at, "stands there twice: expected one key of each id");
    memcpy(k->id, id, strlen(id) + 1);
    if (!check_algorithm(l, o, at, k) || !check_material(l, o, at, k)) return false;
    k->jwk = cjose_jwk_import_json(o, NULL);
    if (k->jwk == NULL) return wrong(l, id, at, "its numbers make no key");
    l->keys->count++;
    return true;
}

static bool take_keys(const struct loading *l, const json_t *set)
{
    const json_t *list = json_object_get(set, "keys");
    const size_t n = json_array_size(list);
    if (!json_is_array(list) || n > BEARER_KEYS_MAX) {
        (void)snprintf(l->why, BEARER_WHY_BYTES,
                       "%.*s: expected a JWKS: {\"keys\": [ ... ]} with at most %u keys", 600,
                       l->name, BEARER_KEYS_MAX);
        return false;
    }
    for (size_t i = 0; i < n; i++)
        if (!take_key(l, json_array_get(list, i), i)) return false;
    for (size_t i = 0; l->keys->count > 1 && i < l->keys->count; i++)
        if (l->keys->keys[i].id[0] == '\0')
            return wrong(l, "", i, "expected \"kid\": there are several keys");
    if (l->keys->count == 0)
        (void)snprintf(l->why, BEARER_WHY_BYTES, "%.*s: expected at least one key for signatures",
                       600, l->name);
    return l->keys->count > 0;
}

cpis_err bearer_keys_parse(const char *name, const uint8_t *text, size_t len,
                           enum bearer_algorithm algorithm, struct bearer_keys **ret,
                           char why[static BEARER_WHY_BYTES])
{
    struct loading l = {.name = name, .algorithm = algorithm, .why = why};
    json_error_t error;
    l.keys = calloc(1, sizeof *l.keys);
    if (l.keys == NULL) {
        (void)snprintf(why, BEARER_WHY_BYTES, "%s", cpis_strerror(CPIS_E_NOMEM));
        return CPIS_E_NOMEM;
    }
    json_t *set = json_loadb((const char *)text, len, JSON_REJECT_DUPLICATES, &error);
    if (set == NULL) /* jansson's own text may repeat what stands there: a key's number, perhaps */
        (void)snprintf(why, BEARER_WHY_BYTES, "%.*s:%d: is no JSON, or a name stands twice", 600,
                       name, error.line);
    const bool ok = set != NULL && take_keys(&l, set);
    json_decref(set);
    if (!ok) {
        bearer_keys_free(&l.keys);
        return CPIS_E_MALFORMED;
    }
    *ret = l.keys;
    return CPIS_OK;
}

cpis_err bearer_file_read(const char *path, size_t max, uint8_t **ret, size_t *ret_len)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    uint8_t *text = fd < 0 ? NULL : malloc(max + 1);
    size_t len = 0;
    ssize_t n = 1;
    while (text != NULL && len <= max && n > 0) {
        n = read(fd, text + len, max + 1 - len);
        if (n > 0) len += (size_t)n;
    }
    const int error = errno;
    if (fd >= 0) (void)close(fd);
    if (text != NULL && n == 0) {
        text[len] = '\0';
        *ret = text;
        *ret_len = len;
        return CPIS_OK;
    }
    const bool memory = fd >= 0 && text == NULL;
    free(text);
    errno = memory ? ENOMEM : n > 0 && fd >= 0 ? EFBIG : error;
    return memory ? CPIS_E_NOMEM : CPIS_E_IO;
}

cpis_err bearer_keys_read(const char *path, enum bearer_algorithm algorithm,
                          struct bearer_keys **ret, char why[static BEARER_WHY_BYTES])
{
    uint8_t *text = NULL;
    size_t len = 0;
    errno = 0;
    cpis_err err = bearer_file_read(path, BEARER_KEYS_BYTES_MAX, &text, &len);
    if (err != CPIS_OK) {
        (void)snprintf(why, BEARER_WHY_BYTES, "%.*s: %s", 600, path, strerror(errno));
        return err;
    }
    err = bearer_keys_parse(path, text, len, algorithm, ret, why);
    free(text);
    return err;
}

void bearer_keys_free(struct bearer_keys **p)
{
    for (size_t i = 0; *p != NULL && i < (*p)->count; i++)
        (void)cjose_jwk_release((*p)->keys[i].jwk);
    free(*p);
    *p = NULL;
}

size_t bearer_keys_count(const struct bearer_keys *k) { return k->count; }

/* --- a token --- */

struct token {
    const char *text;
    size_t len;
    size_t dots[2];
    json_t *header, *claims;
    size_t signature_bytes;
};

static enum bearer_fault decode_object(const char *text, size_t len, json_t **ret)
{
    size_t n = 0;
    bool memory;
    uint8_t *bytes = decode(text, len, &n, &memory);
    if (bytes == NULL) return memory ? BEARER_MEMORY : BEARER_MALFORMED;
    *ret = parse(bytes, n);
    sodium_memzero(bytes, n);
    free(bytes);
    if (json_memory_failed()) return BEARER_MEMORY; /* a claim may lack */
    return json_is_object(*ret) ? BEARER_GOOD : BEARER_MALFORMED;
}

/* Three parts of base64url, the first two JSON objects. libcjose takes what stands behind the
 * second dot as it comes, and decodes more loosely than this. */
static enum bearer_fault split(struct token *t)
{
    size_t dots = 0;
    if (t->len > BEARER_BYTES_MAX) return BEARER_MALFORMED;
    for (size_t i = 0; i < t->len; i++) {
        if (t->text[i] != '.') continue;
        if (dots == 2) return BEARER_MALFORMED;
        t->dots[dots++] = i;
    }
    if (dots != 2) return BEARER_MALFORMED;
    const char *payload = t->text + t->dots[0] + 1, *signature = t->text + t->dots[1] + 1;
    enum bearer_fault fault = decode_object(t->text, t->dots[0], &t->header);
    if (fault == BEARER_GOOD)
        fault = decode_object(payload, (size_t)(signature - 1 - payload), &t->claims);
    if (fault != BEARER_GOOD) return fault;
    bool memory;
    uint8_t *bytes = decode(signature, t->len - t->dots[1] - 1, &t->signature_bytes, &memory);
    free(bytes);
    if (bytes != NULL) return BEARER_GOOD;
    /* "alg": "none" comes without a signature: what is wrong with it is said below */
    if (!memory && t->len == t->dots[1] + 1) return BEARER_GOOD;
    return memory ? BEARER_MEMORY : BEARER_MALFORMED;
}

/* Deeper than a role in a list in a claim is nothing that we read. */
static bool is_shallow(const json_t *v, unsigned left)
{
    const char *name;
    json_t *member;
    if (left == 0) return false;
    if (json_is_array(v)) {
        for (size_t i = 0; i < json_array_size(v); i++)
            if (!is_shallow(json_array_get(v, i), left - 1)) return false;
    } else if (json_is_object(v)) {
        json_object_foreach((json_t *)(uintptr_t)v, name, member)
        {
            if (!is_shallow(member, left - 1)) return false;
        }
    }
    return true;
}

/* RFC 8725, 3.11: a token made for something else is none for us; RFC 9068, 2.1. */
static bool is_type_good(const json_t *header)
{
    const char *type = text_of(header, "typ");
    if (json_object_get(header, "typ") == NULL) return true;
    if (strncasecmp(type, "application/", 12) == 0) type += 12;
    return strcasecmp(type, "JWT") == 0 || strcasecmp(type, "at+jwt") == 0;
}

static enum bearer_fault check_header(const struct token *t, enum bearer_algorithm *ret)
{
    if (!json_is_string(json_object_get(t->header, "alg"))) return BEARER_MALFORMED;
    *ret = bearer_algorithm_parse(text_of(t->header, "alg"));
    if (*ret == BEARER_ANY) return BEARER_ALGORITHM;
    /* crit: it wants something understood that we do not; cty: a token within a token */
    if (json_object_get(t->header, "crit") != NULL || json_object_get(t->header, "cty") != NULL ||
        json_object_get(t->header, "b64") != NULL || is_no_text(t->header, "kid") ||
        !is_type_good(t->header) || !is_shallow(t->header, BEARER_DEPTH_MAX) ||
        !is_shallow(t->claims, BEARER_DEPTH_MAX))
        return BEARER_MALFORMED;
    return t->signature_bytes == 0 ? BEARER_SIGNATURE : BEARER_GOOD;
}

/* The signature over the very bytes that were decoded above. */
static enum bearer_fault check_signature(const struct token *t, const struct key *k)
{
    cjose_err err = {.code = CJOSE_ERR_NONE};
    if (t->signature_bytes != k->signature_bytes) return BEARER_SIGNATURE;
    cjose_jws_t *jws = cjose_jws_import(t->text, t->len, &err);
    const bool good = jws != NULL && cjose_jws_verify(jws, k->jwk, &err);
    cjose_jws_release(jws);
    if (good) return BEARER_GOOD;
    return err.code == CJOSE_ERR_NO_MEMORY ? BEARER_MEMORY : BEARER_SIGNATURE;
}

static enum bearer_fault find_issuer(const struct bearer_issuer *issuers, size_t count,
                                     const json_t *claims, size_t *ret)
{
    const json_t *iss = json_object_get(claims, "iss");
    if (!json_is_string(iss)) return BEARER_ISSUER;
    for (size_t i = 0; i < count; i++)
        if (strcmp(issuers[i].issuer, json_string_value(iss)) == 0) {
            *ret = i;
            return BEARER_GOOD;
        }
    return BEARER_ISSUER;
}

static const struct key *choose_key(const struct bearer_keys *k, const json_t *header)
{
    const char *id = text_of(header, "kid");
    if (k->count == 1 && (id[0] == '\0' || k->keys[0].id[0] == '\0')) return &k->keys[0];
    return id[0] == '\0' ? NULL : find_key(k, id);
}

/* --- claims that every token has --- */

static bool is_audience(const struct bearer_issuer *x, const json_t *v)
{
    if (!json_is_string(v)) return false;
    for (size_t i = 0; i < x->audiences_count; i++)
        if (strcmp(x->audiences[i], json_string_value(v)) == 0) return true;
    return false;
}

static bool is_meant_for(const struct bearer_issuer *x, const json_t *claims)
{
    const json_t *aud = json_object_get(claims, "aud");
    bool meant = is_audience(x, aud);
    for (size_t i = 0; i < json_array_size(aud); i++)
        meant |= is_audience(x, json_array_get(aud, i));
    return meant;
}

/* A NumericDate in ms; false: none that can be. A part of a second is dropped. */
static bool time_of(const json_t *claims, const char *name, cpis_ms *ret)
{
    const json_t *v = json_object_get(claims, name);
    if (!json_is_number(v)) return false;
    const double seconds = json_number_value(v);
    if (!(seconds >= 0.0 && seconds <= SECONDS_MAX)) return false;
    *ret = (cpis_ms)seconds * CPIS_MS_SECOND;
    return true;
}

static enum bearer_fault check_times(const struct bearer_issuer *x, const json_t *claims,
                                     cpis_ms wall)
{
    cpis_ms exp, iat, nbf = 0;
    if (json_object_get(claims, "nbf") != NULL && !time_of(claims, "nbf", &nbf))
        return BEARER_MALFORMED;
    if (!time_of(claims, "exp", &exp) || !time_of(claims, "iat", &iat)) return BEARER_LIFE;
    if (wall >= exp + x->skew) return BEARER_EXPIRED;
    if (nbf > wall + x->skew || iat > wall + x->skew) return BEARER_EARLY;
    return exp <= iat || exp - iat > x->life_max ? BEARER_LIFE : BEARER_GOOD;
}

static enum bearer_fault check(const struct bearer_issuer *issuers, size_t count, struct token *t,
                               cpis_ms wall, size_t *ret)
{
    enum bearer_algorithm algorithm = BEARER_ANY;
    enum bearer_fault fault = split(t);
    if (fault == BEARER_GOOD) fault = check_header(t, &algorithm);
    if (fault == BEARER_GOOD) fault = find_issuer(issuers, count, t->claims, ret);
    if (fault != BEARER_GOOD) return fault;
    const struct bearer_issuer *x = &issuers[*ret];
    const struct key *k = choose_key(x->keys, t->header);
    if (k == NULL) return BEARER_KEY;
    if (k->algorithm != algorithm) return BEARER_ALGORITHM;
    fault = check_signature(t, k);
    if (fault != BEARER_GOOD) return fault;
    if (!is_meant_for(x, t->claims)) return BEARER_AUDIENCE;
    return check_times(x, t->claims, wall);
}

enum bearer_fault bearer_check(const struct bearer_issuer *issuers, size_t count, const char *token,
                               size_t len, cpis_ms wall, json_t **ret_claims, size_t *ret_issuer)
{
    struct token t = {.text = token, .len = len};
    size_t issuer = 0;
    enum bearer_fault fault = check(issuers, count, &t, wall, &issuer);
    if (fault == BEARER_GOOD) {
        *ret_claims = json_incref(t.claims);
        *ret_issuer = issuer;
    }
    json_decref(t.header);
    json_decref(t.claims);
    return fault;
}
