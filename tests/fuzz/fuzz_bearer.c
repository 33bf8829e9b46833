/* Fuzz target: who may ask. The first line is a bearer token, the rest a clients.conf. Whatever
 * they are, only a token of a known key is good, a file is right or says why not, and whoever a
 * right one lets ask can be told to an authority as it is. Keys: tests/fuzz/bearer.jwks; run from
 * the tree's root. */
#include "node/http/callers_user.h"
#include "proto/codec.h"
#include "proto/text.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define WALL   ((cpis_ms)1795456980000)
#define FOLDER "tests/fuzz/"

static struct bearer_keys *keys;

/* What a token says, whoever has signed it: NULL unless it is an object. */
static json_t *payload_of(const char *token, size_t len)
{
    const char *dot = memchr(token, '.', len);
    const char *end = dot == NULL ? NULL : memchr(dot + 1, '.', len - (size_t)(dot + 1 - token));
    uint8_t bytes[BEARER_BYTES_MAX];
    size_t n = 0;
    if (end == NULL ||
        sodium_base642bin(bytes, sizeof bytes, dot + 1, (size_t)(end - dot - 1), NULL, &n, NULL,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0)
        return NULL;
    json_t *o = json_loadb((const char *)bytes, n, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(o)) return o;
    json_decref(o);
    return NULL;
}

static void check_token(const char *token, size_t len)
{
    static const char *const audiences[] = {"cpis"};
    const struct bearer_issuer issuer = {.issuer = "https://issuer.test.example",
                                         .audiences = audiences,
                                         .audiences_count = 1,
                                         .keys = keys,
                                         .skew = 30 * CPIS_MS_SECOND,
                                         .life_max = CPIS_MS_HOUR};
    json_t *claims = NULL;
    size_t at = 7;
    const enum bearer_fault f = bearer_check(&issuer, 1, token, len, WALL, &claims, &at);
    assert((f == BEARER_GOOD) == (claims != NULL && at == 0));
    if (f == BEARER_GOOD)
        assert(strcmp(json_string_value(json_object_get(claims, "iss")), issuer.issuer) == 0);
    json_decref(claims);
}

static void check_user(const struct callers_issuer *x, const struct callers_client *client,
                       const json_t *claims)
{
    struct callers_user u;
    struct arena a = arena_make(65536);
    struct bytes b;
    if (callers_user(x, client, claims, &u) == CALLER_GOOD) {
        assert(u.asker.user_id[0] != '\0' && u.asker.organisation_code[0] != '\0');
        (void)strcpy(u.asker.nhs_number, "9990000018");
        u.asker.purpose = PURPOSE_DIRECT_CARE;
        assert(ask_details_encode(&u.asker, &a, &b) == CPIS_OK);
    }
    arena_free(&a);
}

static void check_conf(const char *text, const json_t *claims)
{
    struct callers_conf *c = NULL;
    char why[CALLERS_WHY_BYTES] = "";
    const cpis_err err = callers_conf_parse(FOLDER "clients.conf", text, &c, why);
    assert((err == CPIS_OK) == (c != NULL) && (err == CPIS_OK) == (why[0] == '\0'));
    for (size_t i = 0; c != NULL && i < c->clients_count; i++)
        for (size_t k = 0; claims != NULL && k < c->issuers_count; k++)
            check_user(&c->issuers[k], &c->clients[i], claims);
    callers_conf_free(&c);
}

/* libconfig 1.5 loses the text of a string that does not end: once for each such file. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) { return "leak:libconfig.so"; }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char why[BEARER_WHY_BYTES];
    if (keys == NULL) {
        assert(sodium_init() >= 0);
        assert(bearer_keys_read(FOLDER "bearer.jwks", BEARER_ANY, &keys, why) == CPIS_OK);
    }
    const char *token = (const char *)data, *end = memchr(data, '\n', size);
    const size_t len = end == NULL ? size : (size_t)(end - token);
    const size_t rest = end == NULL ? 0 : size - len - 1;
    char *conf = malloc(rest + 1);
    assert(conf != NULL);
    if (rest > 0) memcpy(conf, end + 1, rest);
    conf[rest] = '\0';
    json_t *claims = payload_of(token, len);
    check_token(token, len);
    check_conf(conf, claims);
    json_decref(claims);
    free(conf);
    return 0;
}
