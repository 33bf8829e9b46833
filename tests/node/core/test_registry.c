/* Stories of registers that follow one another: whose signatures count, chains and forks,
 * limits. What they do to nodes is test_registry_nodes.c's, the rules test_registry_rules.c's. */
#include "crypto/cursor.h"
#include "node/core/registry_state.h" /* what it has verified */
#include "tests/fail_malloc.h"
#include "tests/node/core/draft_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* --- signatures --- */

Test(registry, signatures_of_distinct_root_keys_are_counted)
{
    struct msg_register m = draft_next();
    const char *why = NULL;
    static const struct {
        unsigned roots;
        cpis_err err;
    } rows[] = {{0, CPIS_E_AUTH},      {1, CPIS_E_AUTH}, {4, CPIS_E_AUTH}, {24, CPIS_E_AUTH},
                {1 | 24, CPIS_E_AUTH}, {5, CPIS_OK},     {3, CPIS_OK},     {31, CPIS_OK}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        cr_assert_eq(registry_would_accept(
                         draft.r, rf_document(&m, &draft.net, rows[i].roots, &draft.a), &why),
                     rows[i].err, "%x", rows[i].roots);
    cr_assert_eq(draft_offer(rf_document(&m, &draft.net, 1, &draft.a), &why), CPIS_E_AUTH);
    cr_assert_eq(draft.node.step.events[EVENT_REGISTER_REFUSED], 1);
    cr_assert_str_eq(why, "too few signatures by distinct root keys");
}

Test(registry, one_key_that_signs_twice_is_one_signature)
{
    struct msg_register m = draft_next();
    struct msg_register_document doc;
    struct msg_root_signature twice[2];
    struct bytes once = rf_document(&m, &draft.net, 1, &draft.a), b;
    const char *why;
    cr_assert_eq(register_document_decode(once, &draft.a, &doc), CPIS_OK);
    twice[0] = twice[1] = doc.signatures[0];
    doc.signatures = twice;
    doc.signatures_count = 2;
    cr_assert_eq(register_document_encode(&doc, &draft.a, &b), CPIS_OK);
    cr_assert_eq(registry_would_accept(draft.r, b, &why), CPIS_E_AUTH);
    /* nor is a key twice in the set two keys */
    uint8_t set[64];
    memcpy(set, doc.signatures[0].key.b, 32);
    memcpy(set + 32, set, 32);
    cr_assert_eq(registry_signatures_check(&doc, &draft.net, (struct bytes){set, 64}, 2),
                 CPIS_E_AUTH);
    cr_assert_eq(registry_signatures_check(&doc, &draft.net, (struct bytes){set, 64}, 1), CPIS_OK);
    cr_assert_eq(registry_signatures_check(&doc, &draft.net, (struct bytes){set, 64}, 0),
                 CPIS_E_AUTH);
}

Test(registry, a_signature_is_bound_to_network_and_body)
{
    struct msg_register m = draft_next();
    const struct net_id other = {{9}};
    struct msg_register_document doc;
    struct bytes b;
    const char *why;
    cr_assert_eq(registry_would_accept(draft.r, rf_document(&m, &other, 3, &draft.a), &why),
                 CPIS_E_AUTH);
    cr_assert_eq(register_document_decode(rf_document(&m, &draft.net, 3, &draft.a), &draft.a, &doc),
                 CPIS_OK);
    m.head_age++;
    cr_assert_eq(register_body_encode(&m, &draft.a, &doc.body), CPIS_OK);
    cr_assert_eq(register_document_encode(&doc, &draft.a, &b), CPIS_OK);
    cr_assert_eq(registry_would_accept(draft.r, b, &why), CPIS_E_AUTH);
}

Test(registry, a_change_of_roots_needs_the_old_and_the_new_set)
{
    struct msg_register m = draft_next();
    const char *why;
    m.root_keys = rf_root_keys(5, &draft.a);
    m.root_keys.p += 64; /* roots 2, 3, 4 in place of 0, 1, 2 */
    m.root_keys.len = 96;
    m.root_threshold = 2;
    cr_assert_eq(registry_would_accept(draft.r, rf_document(&m, &draft.net, 3, &draft.a), &why),
                 CPIS_E_AUTH);
    cr_assert_eq(registry_would_accept(draft.r, rf_document(&m, &draft.net, 24, &draft.a), &why),
                 CPIS_E_AUTH);
    cr_assert_eq(registry_would_accept(draft.r, rf_document(&m, &draft.net, 1 | 4, &draft.a), &why),
                 CPIS_E_AUTH);
    cr_assert_eq(
        registry_would_accept(draft.r, rf_document(&m, &draft.net, 1 | 4 | 8, &draft.a), &why),
        CPIS_OK);
    cr_assert_eq(draft_offer(rf_document(&m, &draft.net, 3 | 24, &draft.a), &why), CPIS_OK);
    m = draft_next();
    cr_assert_eq(registry_would_accept(draft.r, rf_document(&m, &draft.net, 3, &draft.a), &why),
                 CPIS_E_AUTH);
    cr_assert_eq(registry_would_accept(draft.r, rf_document(&m, &draft.net, 24, &draft.a), &why),
                 CPIS_OK);
    m.root_threshold = 3; /* the threshold alone is a change too */
    cr_assert_eq(registry_would_accept(draft.r, rf_document(&m, &draft.net, 24, &draft.a), &why),
                 CPIS_E_AUTH);
    cr_assert_eq(registry_would_accept(draft.r, rf_document(&m, &draft.net, 28, &draft.a), &why),
                 CPIS_OK);
}

/* --- versions --- */

Test(registry, a_signature_found_right_is_checked_again_under_each_newer_register)
{
    static const uint8_t body[] = {1, 2, 3};
    const struct identity id = rf_identity(101);
    struct signed_message m = {
        .type = SIGNED_ACK, .signer = rf_id(101), .body = {body, sizeof body}};
    sign_make(&id.sign, SIGNED_ACK, &draft.net, body, sizeof body, &m.signature);
    const struct cpis_id who = rf_id(101);
    cr_assert(!verified_knows(draft.r->verified, &id.pub.sign, &draft.net, &m));
    cr_assert(registry_has_signed(draft.r, registry_node(draft.r, &who), &m));
    cr_assert(verified_knows(draft.r->verified, &id.pub.sign, &draft.net, &m));
    struct msg_register suspends = draft_next();
    draft_in(&suspends, 101)->state = NODE_SUSPENDED;
    draft_accept(&suspends);
    cr_assert(!verified_knows(draft.r->verified, &id.pub.sign, &draft.net, &m));
    cr_assert(registry_has_signed(draft.r, registry_node(draft.r, &who), &m),
              "the key is still its own");
    cr_assert(!registry_may_sign(registry_node(draft.r, &who), RF_T0 + CPIS_MS_DAY));
    cr_assert(!registry_has_signed(draft.r, registry_at(draft.r, 0), &m), "and nobody else's");
}

Test(registry, lower_versions_are_refused_and_gaps_ask_for_the_chain)
{
    struct msg_register m = draft_next(), later;
    const struct bytes four = rf_document(&m, &draft.net, 3, &draft.a);
    const char *why;
    draft_accept(&m);
    cr_assert_eq(draft.node.step.events[EVENT_REGISTER_ACCEPTED], 1);
    cr_assert_eq(rf_store_count(&draft.store, TABLE_REGISTER), 1);
    cr_assert_eq(rf_store_count(&draft.store, TABLE_LOG), 1);
    cr_assert_eq(draft_offer(four, &why), CPIS_OK); /* again: nothing happens */
    cr_assert_eq(draft.node.step.events[EVENT_REGISTER_ACCEPTED], 0);
    struct msg_register_chain chain;
    rf_links_after(draft.r, 1, &draft.a, &chain);
    cr_assert_eq(chain.links_count, 3);
    struct bytes two;
    cr_assert_eq(register_document_encode(&chain.links[0], &draft.a, &two), CPIS_OK);
    cr_assert_eq(draft_offer(two, &why), CPIS_E_REPLAY);
    cr_assert_eq(draft.node.step.events[EVENT_REPLAY], 1);
    later = draft_next();
    later.version++;
    cr_assert_eq(draft_offer(rf_document(&later, &draft.net, 3, &draft.a), &why), CPIS_E_STATE);
    cr_assert_eq(draft.node.step.events[EVENT_NOT_EXPECTED], 1);
    cr_assert_eq(draft_offer((struct bytes){(const uint8_t *)"x", 1}, &why), CPIS_E_MALFORMED);
    cr_assert_eq(registry_version(draft.r), 4);
}

Test(registry, a_chain_from_version_1_gives_the_same_registry_elsewhere)
{
    struct registry *other = NULL;
    struct msg_register_chain chain;
    struct bytes b;
    rf_links_after(draft.r, 0, &draft.a, &chain);
    cr_assert_eq(chain.links_count, 3);
    cr_assert_eq(registry_new(&other), CPIS_OK);
    cr_assert_eq(register_document_encode(&chain.links[1], &draft.a, &b), CPIS_OK);
    cr_assert_eq(registry_load(other, b), CPIS_E_STATE);
    cr_assert(registry_is_empty(other));
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(register_document_encode(&chain.links[i], &draft.a, &b), CPIS_OK);
        cr_assert_eq(registry_load(other, b), CPIS_OK);
    }
    cr_assert(hash_equal(registry_hash(draft.r), registry_hash(other)));
    cr_assert_eq(memcmp(registry_net(draft.r), registry_net(other), sizeof draft.net), 0);
    registry_free(&other);
}

static struct registry *reload(void)
{
    struct registry *again = NULL;
    struct msg_register_chain chain;
    struct bytes b;
    rf_links_after(draft.r, 0, &draft.a, &chain);
    cr_assert_eq(registry_new(&again), CPIS_OK);
    for (size_t i = 0; i < chain.links_count; i++) {
        cr_assert_eq(register_document_encode(&chain.links[i], &draft.a, &b), CPIS_OK);
        cr_assert_eq(registry_load(again, b), CPIS_OK);
        for (size_t k = 0; k < RF_ROWS; k++) { /* what the store holds behind that link */
            const struct rf_row *row = &draft.store.rows[k];
            struct cursor c = cursor_read(row->key, row->key_len);
            if (row->used && row->table == TABLE_REGISTER && row->key_len > 8 &&
                cursor_get_u64(&c) == i + 1)
                cr_assert_eq(registry_load(again, row->value), CPIS_OK);
        }
    }
    return again;
}

Test(registry, two_registers_of_one_version_are_a_fork_that_survives_a_restart)
{
    struct msg_register m = draft_next(), twin = m;
    const char *why;
    twin.head_age++;
    draft_accept(&m);
    draft_tell_all(draft.r, 1000, RF_T0 + 1000);
    cr_assert_eq(registry_trust(draft.r, 1000, RF_T0), REGISTER_FRESH);
    cr_assert_eq(draft_offer(rf_document(&twin, &draft.net, 1, &draft.a), &why),
                 CPIS_E_REPLAY); /* anybody's paper */
    cr_assert_eq(draft.node.step.events[EVENT_REGISTER_FORK], 0);
    cr_assert_eq(registry_trust(draft.r, 1000, RF_T0), REGISTER_FRESH);
    cr_assert_eq(draft_offer(rf_document(&twin, &draft.net, 3, &draft.a), &why), CPIS_E_REPLAY);
    cr_assert_eq(draft.node.step.events[EVENT_REGISTER_FORK], 1);
    cr_assert_eq(registry_trust(draft.r, 1000, RF_T0), REGISTER_STALE);
    cr_assert_eq(rf_store_count(&draft.store, TABLE_REGISTER), 2);
    struct registry *again = reload();
    draft_tell_all(again, 1000, RF_T0 + 1000);
    cr_assert_eq(registry_trust(again, 1000, RF_T0), REGISTER_STALE);
    registry_free(&again);
    m = draft_next(); /* the stewards go on from ours */
    draft_accept(&m);
    draft_tell_all(draft.r, 1000, RF_T0 + 2000);
    cr_assert_eq(registry_trust(draft.r, 1000, RF_T0), REGISTER_FRESH);
    cr_assert_eq(rf_store_count(&draft.store, TABLE_REGISTER), 2); /* versions 4 and 5 */
}

Test(registry, a_follower_of_another_register_of_our_version_is_a_fork_too)
{
    struct msg_register m = draft_next();
    const char *why;
    m.previous.b[0] ^= 1;
    draft_tell_all(draft.r, 1000, RF_T0 + 1000);
    cr_assert_eq(draft_offer(rf_document(&m, &draft.net, 1, &draft.a), &why), CPIS_E_AUTH);
    cr_assert_eq(registry_trust(draft.r, 1000, RF_T0), REGISTER_FRESH);
    cr_assert_eq(draft_offer(rf_document(&m, &draft.net, 3, &draft.a), &why), CPIS_E_MALFORMED);
    cr_assert_eq(registry_trust(draft.r, 1000, RF_T0), REGISTER_STALE);
    struct registry *again = registry_is_empty(draft.r) ? NULL : reload();
    registry_free(&again);
}

/* --- limits --- */

Test(registry, links_come_in_frames_that_fit)
{
    struct msg_register m = draft_next();
    struct msg_register_expected *many = arena_take(&draft.a, 1000 * sizeof *many);
    for (size_t i = 0; i < 1000; i++) {
        snprintf(many[i].code, sizeof many[i].code, "%zu", i + 1000);
        memset(many[i].name, 'x', ORGANISATION_BYTES_MAX);
    }
    struct msg_register_chain chain;
    struct bytes b, wire;
    for (int i = 0; i < 12; i++) { /* over 100 KB each */
        m = draft_next();
        m.expected = many;
        m.expected_count = 1000;
        draft_accept(&m);
    }
    uint64_t have = 3; /* those before were loaded, and stand in no store */
    while (have < registry_version(draft.r)) {
        cr_assert_eq(registry_links_after(draft.r, &draft.store.view, have, &draft.a, &chain),
                     CPIS_OK);
        cr_assert_gt(chain.links_count, 0);
        cr_assert_lt(chain.links_count, 12);
        cr_assert_eq(register_body_decode(chain.links[0].body, &draft.a, &m), CPIS_OK);
        cr_assert_eq(m.version, have + 1);
        cr_assert_eq(register_chain_encode(&chain, &draft.a, &b), CPIS_OK);
        cr_assert_eq(frame_wrap(FRAME_REGISTER_CHAIN, b, &draft.a, &wire), CPIS_OK);
        cr_assert_leq(wire.len, FRAME_BYTES_MAX);
        have += chain.links_count;
    }
    cr_assert_eq(have, 15);
    cr_assert_eq(registry_links_after(draft.r, &draft.store.view, 15, &draft.a, &chain), CPIS_OK);
    cr_assert_eq(chain.links_count, 0);
    cr_assert_eq(registry_links_after(draft.r, &draft.store.view, UINT64_MAX, &draft.a, &chain),
                 CPIS_OK);
    cr_assert_eq(chain.links_count, 0);
    cr_assert_eq(registry_links_after(draft.r, &draft.store.view, 2, &draft.a, &chain),
                 CPIS_E_STORE, "version 3 is not in the store");
    cr_assert_eq(chain.links_count, 0);
}

Test(registry, running_out_of_memory_changes_nothing)
{
    struct msg_register m = draft_next();
    draft_without(&m, 201);
    const struct bytes document = rf_document(&m, &draft.net, 3, &draft.a);
    int failed = 0;
    for (int i = 0; i < 100; i++) {
        fail_malloc_at(i);
        cpis_err err = registry_load(draft.r, document);
        fail_malloc_at(-1);
        if (err == CPIS_OK) break;
        failed++;
        cr_assert(err == CPIS_E_NOMEM || err == CPIS_E_MALFORMED, "%d", err);
        cr_assert_eq(registry_version(draft.r), 3);
        cr_assert_eq(registry_count(draft.r), 7);
    }
    cr_assert_gt(failed, 2);
    cr_assert_eq(registry_version(draft.r), 4);
    cr_assert_eq(registry_count(draft.r), 6);
}

Test(registry, a_document_larger_than_one_frame_holds_is_refused)
{
    static const uint8_t zeros[REGISTER_BODY_BYTES_MAX + 1];
    const char *why = NULL;
    for (size_t over = 0; over < 2; over++) {
        const struct msg_register_document doc = {.body = {zeros, REGISTER_BODY_BYTES_MAX + over}};
        struct bytes document;
        cr_assert_eq(register_document_encode(&doc, &draft.a, &document), CPIS_OK);
        cr_expect_eq(registry_would_accept(draft.r, document, &why), CPIS_E_MALFORMED);
        cr_expect_str_eq(why, over == 1 ? "it is larger than one frame holds"
                                        : "it is no register document");
    }
}
