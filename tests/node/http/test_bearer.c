#include "node/http/bearer.h"
#include "tests/fail_malloc.h"
#include "tests/node/http/token_fixture.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS ((json_int_t)(TF_WALL / 1000))
#define SKEW    30

static const char *const audiences[] = {"other", "cpis"};
static struct bearer_keys *keys;
static struct bearer_issuer issuer;

static void setup(void) { cr_assert_geq(sodium_init(), 0); }
TestSuite(bearer, .init = setup);

static void use_keys(const struct tf_key *const *list, size_t count)
{
    char why[BEARER_WHY_BYTES] = "", *text = tf_jwks(list, count);
    cr_assert_eq(bearer_keys_parse("keys", (uint8_t *)text, strlen(text), BEARER_ANY, &keys, why),
                 CPIS_OK, "%s", why);
    cr_assert_eq(bearer_keys_count(keys), count);
    free(text);
    issuer = (struct bearer_issuer){.issuer = TF_ISSUER,
                                    .audiences = audiences,
                                    .audiences_count = 2,
                                    .keys = keys,
                                    .skew = SKEW * CPIS_MS_SECOND,
                                    .life_max = CPIS_MS_HOUR};
}

static enum bearer_fault check_bytes(const char *token, size_t len)
{
    json_t *claims = NULL;
    size_t at = 9;
    char *exact = malloc(len + 1); /* ASan sees an over-read */
    cr_assert_not_null(exact);
    memcpy(exact, token, len);
    const enum bearer_fault f = bearer_check(&issuer, 1, exact, len, TF_WALL, &claims, &at);
    free(exact);
    cr_assert_eq(f == BEARER_GOOD, claims != NULL);
    cr_assert_eq(at, f == BEARER_GOOD ? 0 : 9);
    json_decref(claims);
    return f;
}

static enum bearer_fault check(char *token) /* takes it */
{
    const enum bearer_fault f = check_bytes(token, strlen(token));
    free(token);
    return f;
}

static enum bearer_fault check_payload(const struct tf_key *k, const char *payload)
{
    return check(tf_sign_bytes(k, NULL, payload, strlen(payload)));
}

Test(bearer, each_of_the_four_algorithms_is_taken_from_its_own_key_and_from_no_other)
{
    struct tf_key k[] = {tf_rsa("RS256", "a"), tf_rsa("RS512", "b"), tf_rsa("PS256", "c"),
                         tf_ec("d")};
    const struct tf_key *list[] = {&k[0], &k[1], &k[2], &k[3]};
    json_t *claims = tf_claims();
    use_keys(list, 4);
    for (size_t i = 0; i < 4; i++)
        cr_expect_eq(check(tf_sign(&k[i], claims)), BEARER_GOOD, "%s", k[i].algorithm);
    for (size_t i = 0; i < 4; i++)
        for (size_t other = 0; other < 4; other++) {
            struct tf_key signer = k[i];
            signer.id = k[other].id;
            const enum bearer_fault f = check(tf_sign(&signer, claims));
            cr_expect_eq(f, i == other ? BEARER_GOOD : BEARER_ALGORITHM, "%zu as %zu", i, other);
        }
    static const char *const families[] = {"RS384", "PS384", "PS512"};
    for (size_t i = 0; i < 3; i++) { /* right in itself, and nothing that we take */
        struct tf_key signer = k[0];
        signer.algorithm = families[i];
        cr_expect_eq(check(tf_sign(&signer, claims)), BEARER_ALGORITHM, "%s", families[i]);
    }
    struct tf_key swapped = k[0]; /* a signature that the key did make, by another padding */
    swapped.algorithm = "RS512";
    cr_expect_eq(check(tf_sign(&swapped, claims)), BEARER_ALGORITHM);
    json_decref(claims);
    bearer_keys_free(&keys);
    for (size_t i = 0; i < 4; i++)
        tf_key_free(&k[i]);
}

Test(bearer, a_public_key_is_never_taken_for_a_secret_one_and_no_signature_for_one)
{
    struct tf_key k = tf_rsa("RS256", "a");
    const struct tf_key *list[] = {&k};
    json_t *claims = tf_claims(), *public = tf_public(&k);
    char *payload = json_dumps(claims, JSON_COMPACT), *jwk = json_dumps(public, JSON_COMPACT);
    const char *n = json_string_value(json_object_get(public, "n"));
    use_keys(list, 1);
    const char *secrets[] = {jwk, n};
    static const char *const hs[] = {"HS256", "HS384", "HS512"};
    for (size_t i = 0; i < 2; i++)
        for (size_t h = 0; h < 3; h++) {
            struct tf_key forged = {
                cjose_jwk_create_oct_spec((const uint8_t *)secrets[i], strlen(secrets[i]), NULL),
                hs[h], "a"};
            cr_assert_not_null(forged.jwk);
            cr_expect_eq(check(tf_sign(&forged, claims)), BEARER_ALGORITHM, "%s", hs[h]);
            tf_key_free(&forged);
        }
    static const char *const none[] = {"none", "None", "NONE", "", "rs256", "RS256 "};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        char header[64];
        (void)snprintf(header, sizeof header, "{\"alg\":\"%s\",\"kid\":\"a\"}", none[i]);
        cr_expect_eq(check(tf_token(header, payload, "")), BEARER_ALGORITHM, "%s", none[i]);
        cr_expect_eq(check(tf_token(header, payload, "AAAA")), BEARER_ALGORITHM, "%s", none[i]);
    }
    cr_expect_eq(check(tf_token("{\"alg\":\"RS256\",\"kid\":\"a\"}", payload, "")),
                 BEARER_SIGNATURE);
    cr_expect_eq(check(tf_token("{\"kid\":\"a\"}", payload, "AAAA")), BEARER_MALFORMED);
    cr_expect_eq(check(tf_token("{\"alg\":[\"RS256\"]}", payload, "AAAA")), BEARER_MALFORMED);
    free(payload);
    free(jwk);
    json_decref(claims);
    json_decref(public);
    bearer_keys_free(&keys);
    tf_key_free(&k);
}

Test(bearer, a_key_that_the_token_itself_brings_is_not_looked_at)
{
    struct tf_key k = tf_ec("a"), own = tf_ec("a");
    const struct tf_key *list[] = {&k};
    json_t *claims = tf_claims();
    char *payload = json_dumps(claims, JSON_COMPACT);
    use_keys(list, 1);
    json_t *header = json_pack("{s:o,s:s,s:s}", "jwk", tf_public(&own), "jku",
                               "https://attacker.test.example/keys", "x5u", "file:///etc/passwd");
    cr_expect_eq(check(tf_sign_bytes(&own, header, payload, strlen(payload))), BEARER_SIGNATURE);
    free(payload);
    json_decref(claims);
    bearer_keys_free(&keys);
    tf_key_free(&k);
    tf_key_free(&own);
}

Test(bearer, which_key_is_said_by_its_id_and_only_a_single_key_needs_none)
{
    struct tf_key a = tf_ec("a"), b = tf_ec("b"), bare = a;
    const struct tf_key *both[] = {&a, &b}, *one[] = {&a}, *nameless[] = {&bare};
    json_t *claims = tf_claims();
    bare.id = "";
    use_keys(both, 2);
    cr_expect_eq(check(tf_sign(&b, claims)), BEARER_GOOD);
    cr_expect_eq(check(tf_sign(&bare, claims)), BEARER_KEY, "none of several is guessed");
    struct tf_key stranger = a;
    static const char *const strange[] = {"c", "A", "a ", "aa", "..", "b\xC3\xA9"};
    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++) {
        stranger.id = strange[i];
        cr_expect_eq(check(tf_sign(&stranger, claims)), BEARER_KEY, "%s", strange[i]);
    }
    stranger.id = "b"; /* b's id, a's signature */
    cr_expect_eq(check(tf_sign(&stranger, claims)), BEARER_SIGNATURE);
    char *payload = json_dumps(claims, 0);
    cr_expect_eq(check(tf_sign_bytes(&a, json_pack("{s:i}", "kid", 1), payload, strlen(payload))),
                 BEARER_MALFORMED);
    free(payload);
    bearer_keys_free(&keys);
    use_keys(one, 1);
    cr_expect_eq(check(tf_sign(&bare, claims)), BEARER_GOOD);
    stranger.id = "c";
    cr_expect_eq(check(tf_sign(&stranger, claims)), BEARER_KEY, "the only key has another id");
    bearer_keys_free(&keys);
    use_keys(nameless, 1);
    cr_expect_eq(check(tf_sign(&a, claims)), BEARER_GOOD, "the only key has no id");
    bearer_keys_free(&keys);
    json_decref(claims);
    tf_key_free(&a);
    tf_key_free(&b);
}

Test(bearer, times_hold_to_the_second_up_to_the_skew)
{
    static const struct {
        json_int_t iat, nbf, exp; /* from now; nbf 9999: none */
        enum bearer_fault fault;
    } rows[] = {
        {-60, -60, 240, BEARER_GOOD},
        {-60, 9999, 240, BEARER_GOOD},
        {-600, 9999, 1 - SKEW, BEARER_GOOD},
        {-600, 9999, -SKEW, BEARER_EXPIRED},
        {-600, 9999, -600, BEARER_EXPIRED},
        {-60, SKEW, 240, BEARER_GOOD},
        {-60, SKEW + 1, 240, BEARER_EARLY},
        {SKEW, 9999, 240, BEARER_GOOD},
        {SKEW + 1, 9999, 240, BEARER_EARLY},
        {-60, 9999, 3540, BEARER_GOOD},
        {-60, 9999, 3541, BEARER_LIFE},
        {20, 9999, 20, BEARER_LIFE}, /* ends before it begins */
        {20, 9999, 10, BEARER_LIFE},
    };
    struct tf_key k = tf_ec("a");
    const struct tf_key *list[] = {&k};
    use_keys(list, 1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t *c = tf_claims();
        (void)json_object_set_new(c, "iat", json_integer(SECONDS + rows[i].iat));
        (void)json_object_set_new(c, "nbf", json_integer(SECONDS + rows[i].nbf));
        (void)json_object_set_new(c, "exp", json_integer(SECONDS + rows[i].exp));
        if (rows[i].nbf == 9999) (void)json_object_del(c, "nbf");
        cr_expect_eq(check(tf_sign(&k, c)), rows[i].fault, "row %zu", i);
        json_decref(c);
    }
    bearer_keys_free(&keys);
    tf_key_free(&k);
}

/* One claim of a good token is another JSON value, or (NULL) is not there. */
static enum bearer_fault with(const struct tf_key *k, const char *claim, const char *value)
{
    json_t *c = tf_claims();
    if (value == NULL)
        (void)json_object_del(c, claim);
    else
        (void)json_object_set_new(c, claim, json_loads(value, JSON_DECODE_ANY, NULL));
    const enum bearer_fault f = check(tf_sign(k, c));
    json_decref(c);
    return f;
}

Test(bearer, claims_of_another_kind_are_refused_each_with_its_reason)
{
    static const struct {
        const char *claim, *value;
        enum bearer_fault fault;
    } rows[] = {
        {"iss", NULL, BEARER_ISSUER},
        {"iss", "\"https://issuer.test.example/\"", BEARER_ISSUER},
        {"iss", "\"https://issuer.t\\u0435st.example\"", BEARER_ISSUER}, /* a Cyrillic letter */
        {"iss", "[\"https://issuer.test.example\"]", BEARER_ISSUER},
        {"aud", NULL, BEARER_AUDIENCE},
        {"aud", "\"CPIS\"", BEARER_AUDIENCE},
        {"aud", "\"cpis.attacker\"", BEARER_AUDIENCE},
        {"aud", "[]", BEARER_AUDIENCE},
        {"aud", "[[\"cpis\"]]", BEARER_AUDIENCE},
        {"aud", "{\"cpis\": \"cpis\"}", BEARER_AUDIENCE},
        {"aud", "[\"x\", \"cpis\"]", BEARER_GOOD},
        {"aud", "\"other\"", BEARER_GOOD},
        {"exp", NULL, BEARER_LIFE},
        {"exp", "\"1895456980\"", BEARER_LIFE},
        {"exp", "null", BEARER_LIFE},
        {"exp", "-1", BEARER_LIFE},
        {"exp", "1e300", BEARER_LIFE},
        {"exp", "9223372036854775807", BEARER_LIFE},
        {"exp", "true", BEARER_LIFE},
        {"iat", NULL, BEARER_LIFE},
        {"iat", "[1795456920]", BEARER_LIFE},
        {"iat", "1795456920.75", BEARER_GOOD},
        {"nbf", "\"soon\"", BEARER_MALFORMED},
        {"nbf", "-5", BEARER_MALFORMED},
        {"deep", "[[[[[[[[]]]]]]]]", BEARER_MALFORMED},
        {"deep", "[[[[[[[]]]]]]]", BEARER_GOOD},
        {"deep", "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":1}}}}}}}", BEARER_MALFORMED},
        {"name", "\"Zo\\u00eb \\ud83d\\ude00\"", BEARER_GOOD},
    };
    struct tf_key k = tf_ec("a");
    const struct tf_key *list[] = {&k};
    use_keys(list, 1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_expect_eq(with(&k, rows[i].claim, rows[i].value), rows[i].fault, "row %zu: %s %s", i,
                     rows[i].claim, rows[i].value);
    bearer_keys_free(&keys);
    tf_key_free(&k);
}

Test(bearer, json_that_two_readers_could_read_differently_is_refused_although_it_is_signed)
{
    static const char *const payloads[] = {
        "{\"iss\":\"x\",\"iss\":\"https://issuer.test.example\"}",
        "{\"iss\":\"https://issuer.test.example\",\"act\":{\"sub\":1,\"sub\":2}}",
        "{\"iss\":\"https://issuer.test.example\",\"l\":[{\"a\":1,\"\\u0061\":2}]}",
        "{\"iss\":\"https://issuer.test.example\\u0000\"}",
        "{\"iss\":\"https://issuer.test.example\"} {}",
        "{\"iss\":\"\xC0\xAF\"}",
        "{\"iss\":\"\xED\xA0\x80\"}",
        "{\"iss\":\"\\ud800\"}",
        "{\"exp\":1e999}",
        "[\"https://issuer.test.example\"]",
        "\"text\"",
        "{",
        " ",
    };
    struct tf_key k = tf_ec("a");
    const struct tf_key *list[] = {&k};
    use_keys(list, 1);
    for (size_t i = 0; i < sizeof payloads / sizeof *payloads; i++)
        cr_expect_eq(check_payload(&k, payloads[i]), BEARER_MALFORMED, "%s", payloads[i]);
    char deep[4000];
    memset(deep, '[', sizeof deep - 1);
    deep[sizeof deep - 1] = '\0';
    cr_expect_eq(check_payload(&k, deep), BEARER_MALFORMED);
    bearer_keys_free(&keys);
    tf_key_free(&k);
}

Test(bearer, a_header_that_wants_more_than_we_understand_is_refused)
{
    static const struct {
        const char *header;
        enum bearer_fault fault;
    } rows[] = {
        {"{\"crit\":[\"exp\"]}", BEARER_MALFORMED},
        {"{\"crit\":[],\"b64\":false}", BEARER_MALFORMED},
        {"{\"b64\":true}", BEARER_MALFORMED},
        {"{\"cty\":\"JWT\"}", BEARER_MALFORMED},
        {"{\"typ\":\"dpop+jwt\"}", BEARER_MALFORMED},
        {"{\"typ\":1}", BEARER_MALFORMED},
        {"{\"kid\":null}", BEARER_MALFORMED},
        {"{\"x\":[[[[[[[[]]]]]]]]}", BEARER_MALFORMED},
        {"{\"typ\":\"at+jwt\"}", BEARER_GOOD},
        {"{\"typ\":\"application/JWT\"}", BEARER_GOOD},
        {"{\"x\":1}", BEARER_GOOD},
    };
    struct tf_key k = tf_ec("a");
    const struct tf_key *list[] = {&k};
    json_t *claims = tf_claims();
    char *payload = json_dumps(claims, 0);
    use_keys(list, 1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_expect_eq(
            check(tf_sign_bytes(&k, json_loads(rows[i].header, 0, NULL), payload, strlen(payload))),
            rows[i].fault, "%s", rows[i].header);
    /* no signature is needed to see these */
    cr_expect_eq(check(tf_token("{\"alg\":\"none\",\"alg\":\"ES256\"}", payload, "AAAA")),
                 BEARER_MALFORMED);
    cr_expect_eq(check(tf_token("[\"ES256\"]", payload, "AAAA")), BEARER_MALFORMED);
    free(payload);
    json_decref(claims);
    bearer_keys_free(&keys);
    tf_key_free(&k);
}

Test(bearer, what_is_not_three_parts_of_base64url_is_none_and_8_kib_are_the_most)
{
    static const char *const texts[] = {"",
                                        ".",
                                        "..",
                                        "...",
                                        "a.b.c",
                                        "e30.e30",
                                        "e30.e30.",
                                        "e30=.e30.AAAA",
                                        "e30.e30.AAAA.AAAA.AAAA",
                                        "+/8.e30.AAAA"};
    struct tf_key k = tf_ec("a");
    const struct tf_key *list[] = {&k};
    json_t *claims = tf_claims();
    use_keys(list, 1);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        cr_expect_eq(check_bytes(texts[i], strlen(texts[i])), BEARER_MALFORMED, "%s", texts[i]);
    char *good = tf_sign(&k, claims);
    const size_t len = strlen(good);
    char *more = malloc(len + 3);
    (void)snprintf(more, len + 3, "%s ", good);
    cr_expect_eq(check_bytes(more, len + 1), BEARER_MALFORMED, "a blank behind it");
    (void)snprintf(more, len + 3, "%s=", good);
    cr_expect_eq(check_bytes(more, len + 1), BEARER_MALFORMED, "padding");
    memcpy(more, good, len + 1);
    more[len - 1] = (char)(more[len - 1] == 'A' ? 'B' : more[len - 1] + 1); /* bits left over */
    cr_expect_neq(check_bytes(more, len), BEARER_GOOD);
    for (size_t cut = 0; cut < len; cut++)
        cr_expect_neq(check_bytes(good, cut), BEARER_GOOD, "cut at %zu", cut);
    free(more);
    free(good);
    for (size_t pad = 5000;; pad++) { /* the longest that is taken, and one more */
        char *text = malloc(pad + 1);
        memset(text, 'x', pad);
        text[pad] = '\0';
        (void)json_object_set_new(claims, "pad", json_string(text));
        char *token = tf_sign(&k, claims);
        const size_t n = strlen(token);
        const enum bearer_fault f = check(token);
        free(text);
        cr_assert_eq(f, n <= BEARER_BYTES_MAX ? BEARER_GOOD : BEARER_MALFORMED, "%zu bytes", n);
        if (n > BEARER_BYTES_MAX) break;
        if (n + 40 < BEARER_BYTES_MAX) pad += 24;
    }
    json_decref(claims);
    bearer_keys_free(&keys);
    tf_key_free(&k);
}

Test(bearer, no_byte_of_a_token_can_be_changed)
{
    struct tf_key k = tf_ec("a");
    const struct tf_key *list[] = {&k};
    json_t *claims = tf_claims();
    char *good = tf_sign(&k, claims);
    const size_t len = strlen(good);
    use_keys(list, 1);
    for (size_t i = 0; i < len; i++) {
        const char was = good[i];
        good[i] = was == 'A' ? 'Q' : 'A';
        cr_expect_neq(check_bytes(good, len), BEARER_GOOD, "byte %zu", i);
        good[i] = was;
    }
    cr_expect_eq(check_bytes(good, len), BEARER_GOOD);
    char *zeros = strdup(good); /* r = s = 0, which some libraries have let through */
    memset(strrchr(zeros, '.') + 1, 'A', 86);
    cr_expect_eq(check(zeros), BEARER_SIGNATURE);
    free(good);
    json_decref(claims);
    bearer_keys_free(&keys);
    tf_key_free(&k);
}

/* --- key files --- */

static bool parse(const char *text, enum bearer_algorithm a, char why[static BEARER_WHY_BYTES])
{
    struct bearer_keys *k = NULL;
    why[0] = '\0';
    const cpis_err err = bearer_keys_parse("keys", (const uint8_t *)text, strlen(text), a, &k, why);
    cr_assert(err == CPIS_OK || err == CPIS_E_MALFORMED);
    cr_assert_eq(err == CPIS_OK, k != NULL);
    bearer_keys_free(&k);
    return err == CPIS_OK;
}

/* A good key with these members changed (NULL: taken away). */
static char *changed(const struct tf_key *k, const char *a, const char *a_is, const char *b,
                     const char *b_is)
{
    json_t *o = tf_public(k);
    if (a_is == NULL)
        (void)json_object_del(o, a);
    else
        (void)json_object_set_new(o, a, json_loads(a_is, JSON_DECODE_ANY, NULL));
    if (b != NULL) (void)json_object_set_new(o, b, json_loads(b_is, JSON_DECODE_ANY, NULL));
    json_t *set = json_pack("{s:[o]}", "keys", o);
    char *text = json_dumps(set, 0);
    json_decref(set);
    return text;
}

Test(bearer, a_key_that_is_weak_secret_or_of_no_known_kind_is_refused_by_name)
{
    struct tf_key rsa = tf_rsa("RS256", "r"), ec = tf_ec("e");
    char n1024[180], why[BEARER_WHY_BYTES];
    uint8_t modulus[128];
    memset(modulus, 0xFF, sizeof modulus);
    char *n_text = tf_base64(modulus, sizeof modulus);
    (void)snprintf(n1024, sizeof n1024, "\"%s\"", n_text);
    free(n_text);
    const struct {
        const struct tf_key *k;
        const char *a, *a_is, *b, *b_is, *why;
    } rows[] = {
        {&rsa, "d", "\"AQAB\"", NULL, NULL, "is secret"},
        {&ec, "d", "\"AQAB\"", NULL, NULL, "is secret"},
        {&rsa, "k", "\"AQAB\"", NULL, NULL, "is secret"},
        {&rsa, "n", n1024, NULL, NULL, "expected RSA of 2048 to 8192 bits"},
        {&rsa, "n", NULL, NULL, NULL, "expected RSA of 2048 to 8192 bits"},
        {&rsa, "n", "\"!\"", NULL, NULL, "expected RSA of 2048 to 8192 bits"},
        {&rsa, "e", "\"AQ\"", NULL, NULL, "an odd exponent over 65536"},
        {&rsa, "e", "\"Aw\"", NULL, NULL, "an odd exponent over 65536"},
        {&rsa, "e", "\"AQAA\"", NULL, NULL, "an odd exponent over 65536"},
        {&rsa, "alg", NULL, NULL, NULL, "expected \"alg\": RS256, RS512, PS256 or ES256, or"},
        {&rsa, "alg", "\"HS256\"", NULL, NULL, "expected \"alg\""},
        {&rsa, "alg", "\"none\"", NULL, NULL, "expected \"alg\""},
        {&rsa, "alg", "\"ES256\"", NULL, NULL, "ES256 is not for a key of type RSA"},
        {&ec, "alg", "\"RS256\"", NULL, NULL, "RS256 is not for a key of type EC"},
        {&rsa, "kty", "\"oct\"", NULL, NULL, "expected \"kty\""},
        {&ec, "crv", "\"P-384\"", NULL, NULL, "expected the curve P-256"},
        {&ec, "crv", "\"secp256k1\"", NULL, NULL, "expected the curve P-256"},
        {&ec, "x", "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE\"", NULL, NULL,
         "its numbers make no key"},
        {&ec, "kid", "17", NULL, NULL, "expected \"kid\""},
        {&ec, "use", "\"enc\"", NULL, NULL, "expected at least one key for signatures"},
        {&ec, "key_ops", "[\"sign\"]", NULL, NULL, "expected at least one key for signatures"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *text = changed(rows[i].k, rows[i].a, rows[i].a_is, rows[i].b, rows[i].b_is);
        cr_expect(!parse(text, BEARER_ANY, why), "row %zu", i);
        cr_expect(strstr(why, rows[i].why) != NULL, "row %zu: %s", i, why);
        cr_expect_eq(strncmp(why, "keys: ", 6), 0, "%s", why);
        free(text);
    }
    char *text = changed(&rsa, "alg", NULL, "use", "\"sig\"");
    cr_expect(parse(text, BEARER_PS256, why), "%s", why);
    cr_expect(!parse(text, BEARER_ES256, why));
    free(text);
    tf_key_free(&rsa);
    tf_key_free(&ec);
}

Test(bearer, a_set_of_keys_is_refused_that_is_none_or_leaves_open_which_key_is_meant)
{
    struct tf_key a = tf_ec("a"), b = tf_ec("a"), bare = b;
    char why[BEARER_WHY_BYTES];
    bare.id = "";
    const struct tf_key *twice[] = {&a, &b}, *without[] = {&a, &bare};
    char *text = tf_jwks(twice, 2);
    cr_expect(!parse(text, BEARER_ANY, why) && strstr(why, "key \"a\": stands there twice") != NULL,
              "%s", why);
    free(text);
    text = tf_jwks(without, 2);
    cr_expect(!parse(text, BEARER_ANY, why) &&
                  strstr(why, "key number 2: expected \"kid\"") != NULL,
              "%s", why);
    free(text);
    const struct tf_key *many[BEARER_KEYS_MAX + 1];
    for (size_t i = 0; i <= BEARER_KEYS_MAX; i++)
        many[i] = &a;
    text = tf_jwks(many, BEARER_KEYS_MAX + 1);
    cr_expect(!parse(text, BEARER_ANY, why) && strstr(why, "at most 32 keys") != NULL, "%s", why);
    free(text);
    static const char *const none[] = {"",
                                       "[]",
                                       "{}",
                                       "{\"keys\":{}}",
                                       "null",
                                       "{\"keys\":[]}",
                                       "{\"keys\":[1]}",
                                       "{\"keys\":[],\"keys\":[]}"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        cr_expect(!parse(none[i], BEARER_ANY, why) && why[0] != '\0', "%s", none[i]);
    tf_key_free(&a);
    tf_key_free(&b);
}

Test(bearer, a_key_file_that_cannot_be_read_is_named)
{
    struct bearer_keys *k = NULL;
    char why[BEARER_WHY_BYTES] = "";
    cr_expect_eq(bearer_keys_read("build/none.jwks", BEARER_ANY, &k, why), CPIS_E_IO);
    cr_expect_str_eq(why, "build/none.jwks: No such file or directory");
    cr_expect_eq(bearer_keys_read("tests", BEARER_ANY, &k, why), CPIS_E_IO);
    cr_expect_str_eq(why, "tests: Is a directory");
    cr_expect_null(k);
}

Test(bearer, where_memory_ends_a_token_is_refused_and_no_key_is_kept_by_halves)
{
    struct tf_key k = tf_ec("a");
    const struct tf_key *list[] = {&k};
    json_t *claims = tf_claims();
    char *token = tf_sign(&k, claims), *set = tf_jwks(list, 1), why[BEARER_WHY_BYTES];
    use_keys(list, 1);
    enum bearer_fault f = BEARER_MEMORY;
    for (int n = 0; f != BEARER_GOOD; n++) {
        json_t *got = NULL;
        size_t at;
        fail_malloc_at(n);
        f = bearer_check(&issuer, 1, token, strlen(token), TF_WALL, &got, &at);
        fail_malloc_at(-1);
        json_decref(got);
        cr_assert_eq(f, n < 3 ? BEARER_MEMORY : BEARER_GOOD, "allocation %d", n);
    }
    struct bearer_keys *more = NULL;
    fail_malloc_at(0);
    cr_expect_eq(bearer_keys_parse("keys", (uint8_t *)set, strlen(set), BEARER_ANY, &more, why),
                 CPIS_E_NOMEM);
    fail_malloc_at(-1);
    cr_expect_null(more);
    free(token);
    free(set);
    json_decref(claims);
    bearer_keys_free(&keys);
    tf_key_free(&k);
}
