/* A ceremony's rows after a restart, and what one directory alone is told: what can't be is refused
 * and nothing of it stays. The protocol among several is test_ceremony.c's. */
#include "crypto/cursor.h"
#include "node/core/ceremony.h"
#include "tests/node/core/registry_fixture.h"

#include <assert.h>
#include <criterion/criterion.h>
#include <sodium.h>
#include <string.h>

#define SELF 3U

enum { OWN = 1, DEALING, REVEAL, ACCEPTED, FAILED, NO_PART = 9 }; /* as ceremony.c numbers them */

static struct arena a;
static struct registry *registry;
static struct rf_store store;
static struct rf_node node;
static struct evaluator *evaluator;
static struct ceremony *ceremony;

static void init(void)
{
    cr_assert_geq(sodium_init(), 0);
    a = arena_make((size_t)64 * 1024 * 1024);
    registry = rf_federation(3, false, &a);
    rf_store_init(&store);
    rf_node_init(&node, SELF, registry, &store);
    cr_assert_eq(evaluator_new(&evaluator), CPIS_OK);
    cr_assert_eq(ceremony_new(evaluator, &ceremony), CPIS_OK);
}
static void fini(void)
{
    ceremony_free(&ceremony);
    evaluator_free(&evaluator);
    rf_node_free(&node);
    rf_store_free(&store);
    registry_free(&registry);
    arena_free(&a);
}
TestSuite(ceremony_restore, .init = init, .fini = fini);

static struct ceremony_status status(void)
{
    struct ceremony_status s;
    ceremony_status(ceremony, &s);
    return s;
}

static void put(uint32_t epoch, uint8_t part, uint8_t index, size_t key_len, struct bytes payload)
{
    const uint8_t key[7] = {(uint8_t)(epoch >> 24),
                            (uint8_t)(epoch >> 16),
                            (uint8_t)(epoch >> 8),
                            (uint8_t)epoch,
                            part,
                            index};
    const struct row_ceremony row = {.part = part, .payload = payload};
    struct env *e = rf_begin(&node, 0, RF_T0);
    EMIT_ROW(e, TABLE_CEREMONY, key, key_len, row_ceremony, &row);
    rf_commit(&node, false);
}

/* Our polynomial of `t` coefficients among three holders, and `more` bytes behind it. */
static struct bytes own_row(uint8_t n, uint8_t t, uint8_t own, size_t more)
{
    const size_t cap = 4096;
    uint8_t *p = arena_take(&a, cap);
    const struct cpis_id holders[3] = {rf_id(1), rf_id(2), rf_id(3)};
    const uint8_t one[OPRF_SCALAR_BYTES] = {1}, rest[8] = {0};
    struct cursor c = cursor_write(p, cap);
    cursor_put_u8(&c, n);
    cursor_put_u8(&c, t);
    cursor_put_u8(&c, own);
    cursor_put(&c, holders, sizeof holders);
    for (unsigned i = 0; i < t; i++)
        cursor_put(&c, one, sizeof one);
    cursor_put(&c, rest, more);
    return (struct bytes){p, 3 + sizeof holders + t * sizeof one + more};
}

static struct signed_message signed_by(unsigned number, enum signed_type type, struct bytes body)
{
    struct signed_message s = {.type = type, .signer = rf_id(number), .body = body};
    const struct identity keys = rf_identity(number);
    sign_make(&keys.sign, (uint8_t)type, registry_net(registry), body.p, body.len, &s.signature);
    return s;
}

static struct bytes whole(const struct signed_message *s)
{
    struct bytes b;
    cr_assert_eq(signed_message_encode(s, &a, &b), CPIS_OK);
    return b;
}

static const struct cpis_id *three(void)
{
    static struct cpis_id holders[3];
    for (unsigned i = 0; i < 3; i++)
        holders[i] = rf_id(i + 1);
    return holders;
}

static struct msg_dealing dealing_of(unsigned number)
{
    return (struct msg_dealing){.epoch = 1,
                                .index = number,
                                .threshold = 2,
                                .holders = {(const uint8_t *)three(), 3 * CPIS_ID_BYTES},
                                .hash = {{(uint8_t)number}}};
}

static struct bytes dealing_row(const struct cpis_id *holders, size_t n, uint32_t t)
{
    struct msg_dealing m = dealing_of(2);
    struct bytes body;
    m.holders = (struct bytes){(const uint8_t *)holders, n * CPIS_ID_BYTES};
    m.threshold = t;
    cr_assert_eq(dealing_encode(&m, &a, &body), CPIS_OK);
    const struct signed_message s = signed_by(2, SIGNED_DEALING, body);
    return whole(&s);
}

static struct signed_message accepted_by(const struct cpis_id *holders, size_t n, uint32_t t,
                                         uint32_t index, size_t elements)
{
    const uint8_t commitments[3 * OPRF_ELEMENT_BYTES] = {1};
    const struct msg_share_accepted m = {
        .epoch = 1,
        .index = index,
        .threshold = t,
        .holders = {(const uint8_t *)holders, n * CPIS_ID_BYTES},
        .commitments = {commitments, elements * OPRF_ELEMENT_BYTES}};
    struct bytes body;
    cr_assert_eq(share_accepted_encode(&m, &a, &body), CPIS_OK);
    return signed_by(2, SIGNED_SHARE_ACCEPTED, body);
}
static struct signed_message acceptance(uint32_t index, size_t elements)
{
    return accepted_by(three(), 3, 2, index, elements);
}

static void expect_start(cpis_err err, const char *what)
{
    cr_expect_eq(ceremony_restore(ceremony, rf_begin(&node, 0, RF_T0)), err, "%s", what);
    cr_expect_eq(status().phase, CEREMONY_NONE, "%s", what);
    cr_expect_eq(status().epoch, 0, "%s", what);
    cr_expect_eq(ceremony_deadline(ceremony), CPIS_MS_NEVER, "%s", what);
    rf_commit(&node, false);
    rf_store_free(&store);
    rf_store_init(&store);
}

Test(ceremony_restore, a_row_of_our_own_that_can_not_be_stops_the_start_and_leaves_nothing)
{
    static const struct {
        const char *what;
        uint8_t n, t, own;
        size_t more;
    } rows[] = {{"no holders", 0, 1, 1, 0},
                {"more holders than there can be", THRESHOLD_HOLDERS_MAX + 1, 2, 3, 0},
                {"a threshold of none", 3, 0, 3, 0},
                {"a threshold above the holders", 3, 4, 3, 0},
                {"no place of ours", 3, 2, 0, 0},
                {"a place behind the holders", 3, 2, 4, 0},
                {"one byte too many", 3, 2, 3, 1}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        put(1, OWN, 0, 6, own_row(rows[i].n, rows[i].t, rows[i].own, rows[i].more));
        expect_start(CPIS_E_MALFORMED, rows[i].what);
    }
    put(1, OWN, 0, 7, own_row(3, 2, 3, 0));
    expect_start(CPIS_E_MALFORMED, "a key too long");
    put(1, OWN, 0, 6, own_row(3, 2, 3, 0));
    cr_assert_eq(ceremony_restore(ceremony, rf_begin(&node, 0, RF_T0)), CPIS_OK);
    rf_commit(&node, false);
    cr_expect_eq(status().phase, CEREMONY_DEALING, "and the right one is taken");
}

Test(ceremony_restore, a_message_that_can_not_have_been_kept_stops_the_start_and_leaves_nothing)
{
    const struct bytes own = own_row(3, 2, SELF, 0), dealing = dealing_row(three(), 3, 2);
    const struct signed_message short_one = acceptance(2, 1), right = acceptance(2, 2),
                                without_us = accepted_by(three(), 2, 2, 2, 2),
                                too_high = accepted_by(three() + 1, 2, 3, 1, 3);
    struct bytes body;
    const uint8_t many[THRESHOLD_SEALED_BYTES * 3] = {7};
    const struct msg_dealing_reveal m = {
        .epoch = 1, .index = 2, .commitments = {many, 64}, .sealed_shares = {many, sizeof many}};
    cr_assert_eq(dealing_reveal_encode(&m, &a, &body), CPIS_OK);
    const struct signed_message revealed = signed_by(2, SIGNED_DEALING_REVEAL, body);
    const struct {
        const char *what;
        bool has_own;
        uint8_t part, index;
        struct bytes payload;
    } rows[] = {{"a threshold above the holders", false, DEALING, 2, dealing_row(three(), 2, 3)},
                {"we are not among the holders", false, DEALING, 2, dealing_row(three(), 2, 2)},
                {"our polynomial is gone", false, DEALING, 2, dealing},
                {"of other holders than ours", true, DEALING, 2, dealing_row(three(), 2, 2)},
                {"a dealer behind the holders", true, DEALING, 4, dealing},
                {"a dealer of no place", true, DEALING, 0, dealing},
                {"a reveal from behind the holders", true, REVEAL, 4, whole(&revealed)},
                {"a reveal of no place", true, REVEAL, 0, whole(&revealed)},
                {"an acceptance among others", false, ACCEPTED, 2, whole(&without_us)},
                {"an acceptance of more than there are", false, ACCEPTED, 1, whole(&too_high)},
                {"too few commitments", true, ACCEPTED, 2, whole(&short_one)},
                {"an acceptance from behind", true, ACCEPTED, 4, whole(&right)},
                {"an acceptance of no place", true, ACCEPTED, 0, whole(&right)},
                {"no part there is", true, NO_PART, 2, dealing},
                {"no message at all", true, DEALING, 2, {(const uint8_t *)"x", 1}}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].has_own) put(1, OWN, 0, 6, own);
        put(1, rows[i].part, rows[i].index, 6, rows[i].payload);
        expect_start(CPIS_E_MALFORMED, rows[i].what);
    }
}

Test(ceremony_restore, of_two_numbers_the_higher_one_stands_and_the_lower_ones_key_is_forgotten)
{
    put(1, OWN, 0, 6, own_row(3, 2, SELF, 0));
    put(1, DEALING, 2, 6, dealing_row(three(), 3, 2));
    put(2, FAILED, 2, 6, (struct bytes){NULL, 0});
    cr_assert_eq(ceremony_restore(ceremony, rf_begin(&node, 0, RF_T0)), CPIS_OK);
    rf_commit(&node, false);
    cr_expect_eq(status().phase, CEREMONY_FAILED);
    cr_expect_eq(status().epoch, 2);
    cr_expect_eq(status().culprit, 2);
    cr_expect_eq(status().n, 0, "nothing of the lower number is left");
    cr_expect_eq(status().own_index, 0);
}

/* --- what is told --- */

static void hear_dealing(unsigned from)
{
    const struct msg_dealing m = dealing_of(from);
    const struct cpis_id id = rf_id(from);
    struct bytes body;
    cr_assert_eq(dealing_encode(&m, &a, &body), CPIS_OK);
    const struct signed_message s = signed_by(from, SIGNED_DEALING, body);
    ceremony_recv_dealing(ceremony, rf_begin(&node, 0, RF_T0), registry_node(registry, &id), &s,
                          &m);
    rf_commit(&node, false);
}

Test(ceremony_restore, a_word_under_another_place_than_its_signers_is_not_heard)
{
    static const uint32_t places[] = {1, SELF, 4};
    const struct cpis_id from = rf_id(2);
    cr_assert_eq(ceremony_start(ceremony, rf_begin(&node, 0, RF_T0), 1, 2, three(), 3), CPIS_OK);
    rf_commit(&node, false);
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        const struct signed_message s = acceptance(places[i], 2);
        struct msg_share_accepted m;
        cr_assert_eq(share_accepted_decode(s.body, &a, &m), CPIS_OK);
        ceremony_recv_accepted(ceremony, rf_begin(&node, 0, RF_T0), registry_node(registry, &from),
                               &s, &m);
        rf_commit(&node, false);
        cr_expect_eq(node.step.events[EVENT_BODY_MALFORMED], 1, "%u", (unsigned)places[i]);
        cr_expect_eq(status().phase, CEREMONY_DEALING);
    }
    const uint8_t key[6] = {0, 0, 0, 1, ACCEPTED, 1};
    cr_expect_null(rf_store_find(&store, TABLE_CEREMONY, key, sizeof key));
}

Test(ceremony_restore, a_holder_that_has_left_the_register_ends_it_by_its_place)
{
    struct registry *smaller = rf_federation(2, false, &a);
    const struct cpis_id holders[3] = {rf_id(1), rf_id(2), rf_id(3)};
    rf_node_free(&node);
    rf_node_init(&node, 1, registry, &store); /* number 1 is in both registers */
    cr_assert_eq(ceremony_start(ceremony, rf_begin(&node, 0, RF_T0), 1, 2, holders, 3), CPIS_OK);
    rf_commit(&node, false);
    hear_dealing(2);
    cr_assert_eq(status().phase, CEREMONY_DEALING);
    node.env.registry = smaller;
    hear_dealing(3); /* the last hash: each share would be sealed to its holder's key now */
    cr_expect_eq(status().phase, CEREMONY_FAILED);
    cr_expect_eq(status().culprit, 3);
    registry_free(&smaller);
}
