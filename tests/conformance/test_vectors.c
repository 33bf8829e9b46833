#include "tests/conformance/vectors.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FOLDER "tests/vectors/"

static FILE *sink; /* what a checker prints is looked at in one test only */

static void init(void)
{
    cr_assert(sodium_init() >= 0);
    sink = fopen("/dev/null", "w");
    cr_assert_not_null(sink);
}
static void fini(void) { fclose(sink); }
TestSuite(vectors, .init = init, .fini = fini);

static json_t *load(const char *file)
{
    char path[128];
    json_error_t error;
    (void)snprintf(path, sizeof path, FOLDER "%s.json", file);
    json_t *doc = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    cr_assert_not_null(doc, "%s: %s", path, error.text);
    return doc;
}

static bool passes(json_t *doc)
{
    struct vectors_tally tally = {0};
    return vectors_check_json(doc, "in memory", sink, &tally) == 0;
}

/* --- all that is carried passes, and nothing is left out --- */

static const struct carried {
    const char *file;
    size_t passed, unused;
} carried[] = {
    {"rfc9497-ristretto255", 7, 4}, /* two keys and five vectors; mode 2: a key and three */
    {"threshold", 29, 0},           /* 3 cases, 17 replies, 3 requests, 6 numbers */
    {"ceremony", 15, 0},            /* 2 ceremonies, 2 sealed shares, 11 dealings */
    {"keys", 8, 0},
    {"handle", 7, 0},
    {"list", 28, 0}, /* the empty top, 7 lists, 17 proofs, 3 lists */
    {"state", 6, 0},
    {"seal", 41, 0}, /* 4 cases, 34 seals, 3 public keys */
    {"sig", 14, 0},  /* NET, 5 messages, 8 messages */
    {"log", 10, 0},  /* 5 entries, the head, 4 logs */
};
#define CARRIED (sizeof carried / sizeof carried[0])

Test(vectors, each_carried_file_passes_with_every_case_counted)
{
    for (size_t i = 0; i < CARRIED; i++) {
        struct vectors_tally tally = {0};
        char path[128];
        (void)snprintf(path, sizeof path, FOLDER "%s.json", carried[i].file);
        cr_expect_eq(vectors_check_file(path, sink, &tally), 0, "%s", path);
        cr_expect_eq(tally.failed, 0, "%s: %zu failed", path, tally.failed);
        cr_expect_eq(tally.passed, carried[i].passed, "%s: %zu passed", path, tally.passed);
        cr_expect_eq(tally.unused, carried[i].unused, "%s: %zu unused", path, tally.unused);
    }
}

/* --- whatever is changed is noticed --- */

/* A document, or one case of it with the other cases left out, so that each change costs one case.
 */
struct mutation {
    json_t *doc;
    size_t tried, survived;
    bool bound; /* a change here must be noticed: not so below refused... and in what is not used */
    bool used;  /* malformed, missing and unknown fields must be noticed: all but mode 2 */
    bool light; /* costly: one change for each leaf, and none of its kind or name */
};

static bool describes(const char *key)
{
    return strcmp(key, "name") == 0 || strcmp(key, "source") == 0 || strcmp(key, "because") == 0;
}

static void must_fail(struct mutation *m, const char *path, const char *change)
{
    m->tried++;
    if (!passes(m->doc)) return;
    m->survived++;
    cr_expect(false, "%s: %s, and it passes", path, change);
}

static void change_char(struct mutation *m, json_t *leaf, const char *path, size_t at, char to)
{
    char *before = strdup(json_string_value(leaf)), *after = strdup(before);
    char change[64];
    cr_assert(before != NULL && after != NULL);
    if (after[at] == ',') at++;
    if (to == '\0') to = after[at] == '0' ? '1' : '0';
    (void)snprintf(change, sizeof change, "character %zu is %c now", at, to);
    after[at] = to;
    json_string_set(leaf, after);
    must_fail(m, path, change);
    json_string_set(leaf, before);
    free(before);
    free(after);
}

/* First, middle and last digit. None of them falls on the five bits of an X25519 secret that
 * clamping sets whatever the file says (three low ones of byte 0, two high ones of byte 31): those
 * bits, and only those, are truly free. */
static void mutate_leaf(struct mutation *m, json_t *leaf, const char *path)
{
    if (json_is_integer(leaf)) {
        json_int_t before = json_integer_value(leaf);
        if (!m->bound) return;
        json_integer_set(leaf, before ^ 1);
        must_fail(m, path, "last bit changed");
        json_integer_set(leaf, before);
    } else if (json_is_string(leaf)) {
        size_t len = json_string_length(leaf);
        if (len == 0 && m->bound) {
            json_string_set(leaf, "00");
            must_fail(m, path, "a byte added");
            json_string_set(leaf, "");
        }
        if (len == 0) return;
        bool is_hex = strcmp(strrchr(path, '/') + 1, "nhs_number") != 0;
        if (m->used && is_hex && !m->light) change_char(m, leaf, path, len / 2, 'G');
        if (!m->bound) return;
        change_char(m, leaf, path, len / 2, '\0');
        if (m->light) return;
        change_char(m, leaf, path, 0, '\0');
        change_char(m, leaf, path, len - 1, '\0');
    }
}

static void mutate(struct mutation *m, json_t *at, const char *path);

/* Below refused... a change leaves it refused as a rule, and there is nothing to notice: except who
 * lied, and all that the others said. */
static void mutate_field(struct mutation *m, json_t *object, const char *key, const char *path)
{
    struct mutation old = *m;
    json_t *value = json_object_get(object, key), *t = json_true();
    json_t *mode = json_object_get(object, "mode");
    char below[256];
    (void)snprintf(below, sizeof below, "%.180s/%s", path, key);
    json_incref(value);
    if (strncmp(key, "refused", 7) == 0) m->bound = false;
    if (strcmp(key, "liar") == 0) m->bound = true;
    if (mode != NULL && json_integer_value(mode) == 2 && strcmp(key, "mode") != 0 &&
        strcmp(key, "identifier") != 0 && strcmp(key, "groupDST") != 0)
        m->bound = m->used = false; /* POPRF, which we do not have */
    if (m->used && !m->light) {
        json_object_del(object, key);
        must_fail(m, below, "gone");
        json_object_set_new(object, key, t);
        must_fail(m, below, "true");
        json_object_set(object, key, value);
    }
    mutate(m, value, below);
    json_decref(value);
    m->bound = old.bound;
    m->used = old.used;
}

static void mutate_object(struct mutation *m, json_t *object, const char *path)
{
    char *keys[32];
    size_t count = 0;
    const char *key;
    json_t *value;
    json_t *liar = json_object_get(object, "liar"), *mode = json_object_get(object, "mode");
    json_object_foreach(object, key, value)
    {
        cr_assert(count < 32);
        keys[count++] = strdup(key);
    }
    if (m->used && !m->light && !(mode != NULL && json_integer_value(mode) == 2)) {
        json_object_set_new(object, "more", json_integer(1));
        must_fail(m, path, "a field more");
        json_object_del(object, "more");
    }
    for (size_t i = 0; i < count; i++) {
        if (!describes(keys[i]) && strcmp(keys[i], "replies") != 0)
            mutate_field(m, object, keys[i], path);
        free(keys[i]);
    }
    value = json_object_get(object, "replies");
    for (size_t i = 0; i < json_array_size(value); i++) {
        json_t *reply = json_array_get(value, i);
        char below[256];
        (void)snprintf(below, sizeof below, "%.180s/replies/%zu", path, i);
        m->bound = !json_equal(json_object_get(reply, "peer_index"), liar);
        mutate(m, reply, below);
        m->bound = false;
    }
}

static void mutate(struct mutation *m, json_t *at, const char *path)
{
    if (json_is_object(at)) {
        mutate_object(m, at, path);
    } else if (json_is_array(at)) {
        for (size_t i = 0; i < json_array_size(at); i++) {
            char below[256];
            const char *slash = strrchr(path, '/');
            (void)snprintf(below, sizeof below, "%.180s %zu", slash == NULL ? "/" : path, i);
            mutate(m, json_array_get(at, i), below);
        }
    } else {
        mutate_leaf(m, at, path);
    }
}

/* The document with one element of one list, and the other lists empty. */
static json_t *reduced(json_t *doc, const char *list, json_t *element)
{
    json_t *ret = json_copy(doc), *value;
    const char *key;
    json_object_foreach(doc, key, value)
    {
        if (!json_is_array(value)) continue;
        json_t *only = json_array();
        if (strcmp(key, list) == 0) json_array_append(only, element);
        json_object_set_new(ret, key, only);
    }
    return ret;
}

static void mutate_element(struct mutation *m, json_t *doc, const char *list, json_t *element,
                           size_t i)
{
    char path[64];
    json_t *replies = json_object_get(element, "refused_replies"), *all = json_copy(replies);
    m->doc = reduced(doc, list, element);
    m->bound = strncmp(list, "refused", 7) != 0;
    m->used = true;
    m->light = i > 0 && (all != NULL || strcmp(list, "ceremonies") == 0);
    (void)snprintf(path, sizeof path, "/%s %zu", list, i);
    json_array_clear(replies);
    cr_expect(passes(m->doc), "%s alone", path);
    mutate(m, element, path);
    for (size_t k = 0; k < json_array_size(all);
         k++) { /* costly: one at a time, its case as it is */
        json_array_clear(replies);
        json_array_append(replies, json_array_get(all, k));
        m->bound = false;
        m->light = k > 0;
        (void)snprintf(path, sizeof path, "/%s %zu/refused_replies %zu", list, i, k);
        mutate(m, json_array_get(all, k), path);
    }
    json_decref(m->doc);
    json_decref(all);
}

static void mutate_document(const char *file)
{
    json_t *doc = load(file), *value;
    const char *key;
    struct mutation m = {.doc = doc, .bound = true, .used = true};
    if (json_is_array(doc)) {
        for (size_t i = 0; i < json_array_size(doc); i++) {
            m.doc = json_pack("[O]", json_array_get(doc, i));
            mutate(&m, json_array_get(doc, i), "/suite");
            json_decref(m.doc);
        }
    } else if (strcmp(file, "log") == 0) { /* a chain: no entry stands alone */
        mutate(&m, doc, "");
    } else {
        json_t *rest = reduced(doc, "", NULL); /* the top's own fields */
        char *keys[8];
        size_t count = 0;
        json_object_foreach(doc, key, value)
        {
            cr_assert(count < 8);
            keys[count++] = strdup(key);
        }
        json_t *one = NULL; /* a case beside them: a document without any fails anyway */
        for (size_t k = 0; k < count; k++) {
            value = json_object_get(doc, keys[k]);
            for (size_t i = 0; i < json_array_size(value); i++)
                mutate_element(&m, doc, keys[k], json_array_get(value, i), i);
            if (one == NULL && json_array_size(value) > 0) {
                one = json_array_get(value, 0);
                json_array_append(json_object_get(rest, keys[k]), one);
            }
        }
        m.doc = rest;
        m.bound = m.used = true;
        m.light = false;
        json_object_set_new(rest, "more", json_integer(1));
        must_fail(&m, "", "a field more");
        json_object_del(rest, "more");
        cr_expect(passes(rest), "%s: its first case alone", file);
        for (size_t k = 0; k < count; k++) {
            value = json_object_get(rest, keys[k]);
            if (json_is_array(value)) {
                json_t *gone = json_incref(value);
                json_object_del(rest, keys[k]);
                must_fail(&m, keys[k], "gone");
                json_object_set_new(rest, keys[k], gone);
            } else if (!describes(keys[k])) {
                mutate_field(&m, rest, keys[k], "");
            }
            free(keys[k]);
        }
        json_decref(rest);
    }
    json_decref(doc);
    printf("%s: %zu changes tried, %zu not noticed\n", file, m.tried, m.survived);
    cr_expect_gt(m.tried, 50);
}

#define MUTATION(name, file)                                                                       \
    Test(vectors, every_change_is_noticed_in_##name, .timeout = 100) { mutate_document(file); }
MUTATION(rfc9497, "rfc9497-ristretto255")
MUTATION(threshold, "threshold")
MUTATION(ceremony, "ceremony")
MUTATION(keys, "keys")
MUTATION(handle, "handle")
MUTATION(list, "list")
MUTATION(state, "state")
MUTATION(seal, "seal")
MUTATION(sig, "sig")
MUTATION(log, "log")

/* --- what is to be refused, and is fine --- */

static json_t *at(json_t *json, const char *list, size_t i)
{
    json_t *ret = json_array_get(json_object_get(json, list), i);
    cr_assert_not_null(ret, "%s %zu", list, i);
    return ret;
}

static json_t *get(json_t *json, const char *key)
{
    json_t *ret = json_object_get(json, key);
    cr_assert_not_null(ret, "%s", key);
    return ret;
}

/* The refused entry takes the fields of `good` that it has itself. */
static void expect_noticed(json_t *doc, json_t *refused, json_t *good, const char *what)
{
    json_t *before = json_copy(refused);
    struct vectors_tally tally = {0};
    json_object_update_existing(refused, good);
    cr_expect_eq(vectors_check_json(doc, "in memory", sink, &tally), -1, "%s", what);
    cr_expect_eq(tally.failed, 1, "%s: %zu failed", what, tally.failed);
    json_object_update(refused, before);
    cr_expect(passes(doc), "%s: as it was", what);
    json_decref(before);
}

Test(vectors, a_good_message_or_log_among_the_refused_fails)
{
    json_t *doc = load("sig");
    json_t *good = json_copy(at(doc, "messages", 0));
    json_object_set(good, "network_NET", get(doc, "network_NET"));
    expect_noticed(doc, at(doc, "refused", 0), good, "sig");
    json_decref(good);
    json_decref(doc);

    doc = load("log");
    json_t *entries = json_array();
    for (size_t i = 0; i < 4; i++)
        json_array_append(entries, get(at(doc, "entries", i), "entry"));
    good = json_pack("{s:O, s:i, s:O}", "entries", entries, "witnessed_number", 4, "witnessed_head",
                     get(at(doc, "entries", 3), "chain_value_e_i"));
    expect_noticed(doc, at(doc, "refused_logs", 0), good, "log");
    json_decref(good);
    json_decref(entries);
    json_decref(doc);
}

Test(vectors, a_good_list_or_proof_among_the_refused_fails)
{
    json_t *doc = load("list"), *list = at(doc, "lists", 6), *entry = at(list, "entries", 3);
    json_t *proof = at(list, "inclusion_proofs", 1);
    json_t *good =
        json_pack("{s:O, s:O, s:O, s:O, s:O, s:O}", "root", get(list, "root"), "count",
                  get(list, "count"), "index", get(proof, "index"), "token", get(entry, "token"),
                  "salt", get(entry, "salt"), "path", get(proof, "path"));
    expect_noticed(doc, at(doc, "refused_proofs", 0), good, "proof");
    json_decref(good);
    entry = json_deep_copy(at(list, "entries", 0));
    json_object_del(entry, "leaf");
    good = json_pack("{s:[o]}", "entries", entry);
    expect_noticed(doc, at(doc, "refused_lists", 0), good, "list");
    json_decref(good);
    json_decref(doc);
}

Test(vectors, a_good_seal_or_public_key_among_the_refused_fails)
{
    json_t *doc = load("seal"), *a_case = at(doc, "cases", 0), *part = get(a_case, "details");
    json_t *good = json_pack("{s:O, s:O, s:O, s:O}", "key", get(part, "details_key"), "nonce",
                             get(part, "nonce"), "aad", get(part, "aad"), "ciphertext",
                             get(part, "ciphertext"));
    expect_noticed(doc, at(doc, "refused_seals", 0), good, "details");
    json_decref(good);
    part = get(a_case, "answer");
    good = json_pack("{s:s, s:O, s:O, s:O, s:O}", "message", "answer", "key",
                     get(part, "answer_key"), "nonce", get(part, "nonce"), "aad", get(part, "aad"),
                     "ciphertext", get(part, "ciphertext"));
    expect_noticed(doc, at(doc, "refused_seals", 33), good, "answer");
    json_decref(good);
    good = json_pack("{s:O}", "public", get(part, "authority_ephemeral_public"));
    expect_noticed(doc, at(doc, "refused_public_keys", 0), good, "public key");
    json_decref(good);
    json_decref(doc);
}

Test(vectors, a_good_dealing_among_the_refused_fails)
{
    json_t *doc = load("ceremony"), *dealing = at(at(doc, "ceremonies", 1), "dealings", 1);
    json_t *good = json_pack("{s:O, s:O, s:O}", "hash", get(dealing, "hash"), "commitments",
                             get(dealing, "commitments"), "share",
                             at(dealing, "shares_in_order_of_holders", 2));
    expect_noticed(doc, at(doc, "refused_dealings", 0), good, "dealing");
    json_decref(good);
    json_decref(doc);
}

Test(vectors, good_replies_requests_and_numbers_among_the_refused_fail)
{
    json_t *doc = load("threshold"), *seven = at(doc, "cases", 1),
           *number = at(seven, "numbers", 0);
    json_t *replies = json_array();
    for (size_t i = 0; i < 4; i++) {
        json_t *share = at(seven, "shares", i);
        json_array_append_new(
            replies, json_pack("{s:O, s:O, s:O, s:O}", "peer_index", get(share, "index"), "index",
                               get(share, "index"), "evaluated_elements",
                               get(share, "evaluated_elements"), "proof", get(share, "proof")));
    }
    json_t *good = json_pack("{s:O}", "replies", replies);
    expect_noticed(doc, at(seven, "refused_replies", 0), good, "replies without a lie");
    expect_noticed(doc, at(seven, "refused_replies", 14), good, "enough replies");
    json_decref(good);
    good = json_pack("{s:i}", "liar", 1);
    expect_noticed(doc, at(seven, "refused_replies", 0), good, "another liar");
    json_decref(good);
    good = json_pack("{s:[O]}", "blinded_elements", get(number, "blinded_element"));
    expect_noticed(doc, at(doc, "refused_requests", 0), good, "request");
    json_decref(good);
    good = json_pack("{s:O}", "nhs_number", get(number, "nhs_number"));
    expect_noticed(doc, at(doc, "refused_numbers", 0), good, "number");
    json_decref(good);
    json_decref(replies);
    json_decref(doc);
}

/* --- what is no file of ours, and what we do not use --- */

static int check_text(const char *text, struct vectors_tally *tally)
{
    char path[] = "/tmp/cpis-vectors-XXXXXX";
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    FILE *f = fdopen(fd, "w");
    cr_assert_not_null(f);
    fputs(text, f);
    cr_assert_eq(fclose(f), 0);
    *tally = (struct vectors_tally){0};
    int rc = vectors_check_file(path, sink, tally);
    (void)remove(path);
    return rc;
}

Test(vectors, what_is_no_file_of_vectors_is_one_failure)
{
    static const char *const texts[] = {
        "",
        "{",
        "{}",
        "[]",
        "7",
        "null",
        "{\"name\": 7, \"cases\": []}",
        "{\"name\": \"tokens\", \"cases\": [{}]}",
        "{\"name\": \"keys\"}",
        "{\"name\": \"keys\", \"cases\": {}}",
        "{\"name\": \"keys\", \"cases\": []}",
        "{\"name\": \"keys\", \"name\": \"keys\", \"cases\": []}",
        "{\"name\": \"keys\", \"cases\": [7]}",
        "{\"name\": \"keys\", \"cases\": [{}]}",
        "[7]",
        "[{}]",
    };
    struct vectors_tally tally = {0};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        cr_expect_eq(check_text(texts[i], &tally), -1, "%s", texts[i]);
        cr_expect_eq(tally.passed, 0, "%s", texts[i]);
        cr_expect_eq(tally.failed, 1, "%s: %zu failed", texts[i], tally.failed);
    }
    tally = (struct vectors_tally){0};
    cr_expect_eq(vectors_check_file("/nowhere/at-all.json", sink, &tally), -1);
    cr_expect_eq(vectors_check_file(FOLDER, sink, &tally), -1);
    cr_expect_eq(tally.failed, 2);
}

Test(vectors, mode_2_and_other_suites_neither_pass_nor_fail)
{
    static const char p256[] =
        "[{\"identifier\": \"P256-SHA256\", \"hash\": \"SHA256\", \"mode\": 0, \"groupDST\": "
        "\"48617368546f47726f75702d4f50524656312d002d503235362d534841323536\", \"keyInfo\": "
        "\"00\", "
        "\"seed\": \"00\", \"skSm\": \"00\", \"vectors\": [{\"Batch\": 1}, {\"Batch\": 1}]}]";
    struct vectors_tally tally = {0};
    json_t *doc = load("rfc9497-ristretto255"), *only = json_pack("[O]", json_array_get(doc, 2));
    cr_expect_eq(vectors_check_json(only, "mode 2", sink, &tally), 0);
    cr_expect(tally.passed == 0 && tally.failed == 0);
    cr_expect_eq(tally.unused, 4);
    json_decref(only);
    json_decref(doc);
    cr_expect_eq(check_text(p256, &tally), 0);
    cr_expect(tally.passed == 0 && tally.failed == 0);
    cr_expect_eq(tally.unused, 3);
}

Test(vectors, a_failure_names_format_case_field_and_both_values)
{
    json_t *doc = load("keys");
    char *text = NULL;
    size_t len = 0;
    struct vectors_tally tally = {0};
    FILE *out = open_memstream(&text, &len);
    cr_assert_not_null(out);
    json_string_set(get(at(doc, "cases", 1), "token"),
                    "00000000000000000000000000000000000000000000000000000000000000ff");
    cr_expect_eq(vectors_check_json(doc, "keys", out, &tally), -1);
    fclose(out);
    cr_expect_eq(tally.passed, 7);
    cr_expect_eq(tally.failed, 1);
    cr_expect_not_null(
        strstr(text, "\nFAIL keys cases[1]: field token: expected 00000000000000000"));
    cr_expect_not_null(strstr(text, "00ff, got e14515384a66fd7a"));
    cr_expect_not_null(strstr(text, "ok keys cases[0]\n"));
    free(text);
    json_decref(doc);
}
