#include "tests/node/http/token_fixture.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tf_key tf_rsa(const char *algorithm, const char *id)
{
    static const uint8_t exponent[] = {1, 0, 1};
    struct tf_key k = {cjose_jwk_create_RSA_random(2048, exponent, sizeof exponent, NULL),
                       algorithm, id};
    cr_assert_not_null(k.jwk);
    return k;
}

struct tf_key tf_ec(const char *id)
{
    struct tf_key k = {cjose_jwk_create_EC_random(CJOSE_JWK_EC_P_256, NULL), "ES256", id};
    cr_assert_not_null(k.jwk);
    return k;
}

void tf_key_free(struct tf_key *k)
{
    (void)cjose_jwk_release(k->jwk);
    k->jwk = NULL;
}

json_t *tf_public(const struct tf_key *k)
{
    char *text = cjose_jwk_to_json(k->jwk, false, NULL);
    cr_assert_not_null(text);
    json_t *o = json_loads(text, 0, NULL);
    free(text);
    cr_assert_not_null(o);
    if (k->id[0] != '\0') cr_assert_eq(json_object_set_new(o, "kid", json_string(k->id)), 0);
    cr_assert_eq(json_object_set_new(o, "alg", json_string(k->algorithm)), 0);
    return o;
}

char *tf_jwks(const struct tf_key *const *keys, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(json_array_append_new(list, tf_public(keys[i])), 0);
    json_t *set = json_pack("{s:o}", "keys", list);
    char *text = json_dumps(set, 0);
    json_decref(set);
    cr_assert_not_null(text);
    return text;
}

json_t *tf_claims(void)
{
    const json_int_t now = (json_int_t)(TF_WALL / 1000);
    json_t *o = json_pack("{s:s,s:s,s:I,s:I,s:I}", "iss", TF_ISSUER, "aud", "cpis", "iat", now - 60,
                          "nbf", now - 60, "exp", now + 240);
    cr_assert_not_null(o);
    return o;
}

char *tf_base64(const void *p, size_t len)
{
    const size_t cap = sodium_base64_encoded_len(len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    char *text = malloc(cap);
    cr_assert_not_null(text);
    return sodium_bin2base64(text, cap, p, len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

char *tf_token(const char *header, const char *payload, const char *signature)
{
    char *h = tf_base64(header, strlen(header)), *p = tf_base64(payload, strlen(payload));
    const size_t cap = strlen(h) + strlen(p) + strlen(signature) + 3;
    char *text = malloc(cap);
    cr_assert_not_null(text);
    (void)snprintf(text, cap, "%s.%s.%s", h, p, signature);
    free(h);
    free(p);
    return text;
}

char *tf_sign_bytes(const struct tf_key *k, json_t *header, const char *payload, size_t len)
{
    const char *text = NULL;
    json_t *whole = json_pack("{s:s,s:s}", "alg", k->algorithm, "typ", "JWT");
    if (k->id[0] != '\0') cr_assert_eq(json_object_set_new(whole, "kid", json_string(k->id)), 0);
    if (header != NULL) cr_assert_eq(json_object_update(whole, header), 0);
    json_decref(header);
    cjose_jws_t *jws = cjose_jws_sign(k->jwk, whole, (const uint8_t *)payload, len, NULL);
    cr_assert_not_null(jws);
    cr_assert(cjose_jws_export(jws, &text, NULL));
    char *copy = strdup(text);
    cjose_jws_release(jws);
    json_decref(whole);
    cr_assert_not_null(copy);
    return copy;
}

char *tf_sign(const struct tf_key *k, const json_t *claims)
{
    char *payload = json_dumps(claims, JSON_COMPACT);
    cr_assert_not_null(payload);
    char *token = tf_sign_bytes(k, NULL, payload, strlen(payload));
    free(payload);
    return token;
}
