/* Stories of a directory's lists: what it takes over, what it refuses and keeps, what it may deny.
 */
#include "node/core/lists.h"
#include "tests/fail_malloc.h"
#include "tests/node/core/directory_fixture.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static struct df d;
static struct df_list first;

static void setup(void)
{
    cr_assert(sodium_init() >= 0);
    df_init(&d, 3); /* t = 2: two others confirm */
    first = df_list(&d, DF_AUTHORITY, 1000, 64);
}
static void teardown(void) { df_deinit(&d); }
TestSuite(lists, .init = setup, .fini = teardown);

static uint64_t held_version(unsigned author)
{
    uint64_t version = 0;
    (void)df_in_state(&d, author, 1, &version);
    return version;
}

static size_t matches(unsigned child, struct list_match *ret)
{
    const struct msg_lookup m = df_lookup(&d, child);
    const struct handle h = handle_make(m.epoch, &m.query_id, &m.rid);
    return lists_match(d.lists, registry_epoch(d.registry, 1), &h, m.bucket, &m.tag, ret,
                       ret == NULL ? 0 : 8);
}

static size_t matches_of_token(const struct token *t, struct list_match *ret)
{
    const struct registry_epoch *ep = registry_epoch(d.registry, 1);
    const struct msg_lookup m = df_lookup(&d, 1000);
    const struct handle h = handle_make(1, &m.query_id, &m.rid);
    const struct tag tag = handle_tag(t, &h);
    return lists_match(d.lists, ep, &h, token_bucket(t, ep->bucket_bits), &tag, ret, 8);
}

static struct cpis_hash state_with(const struct df_list *const *l, size_t count)
{
    struct cpis_hash hashes[DF_HEADS];
    for (size_t i = 0; i < count; i++) {
        struct signed_message head = df_head(&d, l[i]);
        hashes[i] = signed_hash(&head);
    }
    return state_of(1, hashes, count);
}

static void assert_state(const struct df_list *const *l, size_t count)
{
    struct cpis_hash want = state_with(l, count), is = lists_state(d.lists, 1);
    cr_assert(hash_equal(&want, &is));
}

static const struct df_list *const none[1] = {NULL};

/* --- what is taken over --- */

Test(lists, an_authoritys_first_list_is_searched_proven_and_in_S)
{
    struct list_match m[8];
    df_push(&d, DF_AUTHORITY, &first);
    cr_assert_eq(df_event(&d, EVENT_LIST_ACCEPTED), 1);
    const struct df_list *const l[] = {&first};
    assert_state(l, 1);
    cr_assert_eq(matches(1007, m), 1);
    const struct cpis_hash root = df_list_root(&first);
    const struct list_entry e = df_entry(1007);
    cr_assert_eq(merkle_verify(&root, first.n, m[0].index, &e, &m[0].path), CPIS_OK);
    cr_assert_eq(memcmp(m[0].salt.b, e.salt.b, sizeof e.salt.b), 0);
    cr_assert_eq(matches(999, m), 0);
}

Test(lists, every_listed_child_is_found_and_no_other)
{
    struct list_match m[8];
    df_push(&d, DF_AUTHORITY, &first);
    for (unsigned child = 1000; child < 1064; child++)
        cr_assert_eq(matches(child, m), 1);
    for (unsigned child = 2000; child < 2300; child++)
        cr_assert_eq(matches(child, m), 0);
}

Test(lists, two_authorities_may_list_one_child)
{
    struct list_match m[8];
    struct df_list other = df_list(&d, DF_AUTHORITY2, 1063, 3);
    df_push(&d, DF_AUTHORITY, &first);
    df_push(&d, DF_AUTHORITY2, &other);
    cr_assert_eq(matches(1063, m), 2);
    cr_assert_eq(matches(1063, NULL), 2);
}

Test(lists, a_receipt_is_signed_only_after_list_and_head_are_durable)
{
    struct signed_message s;
    struct msg_receipt r;
    df_push(&d, DF_AUTHORITY, &first);
    cr_assert_eq(df_sent_signed(&d, DF_AUTHORITY, SIGNED_RECEIPT, &s), 1);
    cr_assert(df_row_before_frame(&d, TABLE_LIST, FRAME_SIGNED));
    cr_assert(df_row_before_frame(&d, TABLE_HEAD, FRAME_SIGNED));
    cr_assert_eq(receipt_decode(s.body, &d.a, &r), CPIS_OK);
    const struct cpis_hash id = df_list_id(&first);
    cr_assert(hash_equal(&id, &r.list_id));
    cr_assert_eq(r.index, DF_SELF);
    cr_assert_eq(r.epoch, 1);
}

Test(lists, a_change_brings_only_what_changed_and_writes_only_that)
{
    struct list_match m[8];
    df_push(&d, DF_AUTHORITY, &first);
    struct df_list next = df_list_next(&first);
    df_list_add(&next, 5000);
    df_list_remove(&next, 1003);
    df_push_delta(&d, DF_AUTHORITY, &first, &next);
    size_t rows = 0;
    for (size_t i = 0; i < d.outs; i++)
        rows += (d.out[i].type == OUT_PERSIST || d.out[i].type == OUT_DELETE) &&
                d.out[i].table == TABLE_LIST;
    cr_assert_eq(rows, 2);
    cr_assert_eq(held_version(DF_AUTHORITY), next.version);
    cr_assert_eq(matches(5000, m), 1);
    cr_assert_eq(matches(1003, m), 0);
    cr_assert_eq(rf_store_count(d.store, TABLE_LIST), 64);
}

/* Are the children from..to, but for `missing`, listed by this authority alone, and the next two
 * not at all? */
static void assert_lists(unsigned author, unsigned from, unsigned to, unsigned missing)
{
    struct list_match m[8];
    const struct cpis_id id = rf_id(author);
    for (unsigned child = from; child < to + 2; child++) {
        const bool listed = child != missing && child < to;
        cr_expect_eq(matches(child, m), listed, "child %u", child);
        if (!listed) continue;
        cr_expect(id_equal(&m[0].authority, &id), "child %u", child);
        cr_expect_eq(memcmp(m[0].salt.b, df_entry(child).salt.b, SALT_BYTES), 0);
    }
}

Test(lists, when_lists_change_between_searches_every_child_is_found_where_it_is)
{
    struct df_list other = df_list(&d, DF_AUTHORITY2, 3000, 64);
    df_push(&d, DF_AUTHORITY, &first);
    df_push(&d, DF_AUTHORITY2, &other);
    assert_lists(DF_AUTHORITY, 1000, 1064, 0);
    struct df_list next = df_list_next(&first), next2 = df_list_next(&other);
    df_list_remove(&next, 1003);
    df_list_remove(&next2, 3007);
    for (unsigned i = 0; i < 20; i++) {
        df_list_add(&next, 1064 + i);
        df_list_add(&next2, 3064 + i);
    }
    df_push(&d, DF_AUTHORITY, &next);
    assert_lists(DF_AUTHORITY, 1000, 1084, 1003);
    assert_lists(DF_AUTHORITY2, 3000, 3064, 0);
    df_push(&d, DF_AUTHORITY2, &next2);
    assert_lists(DF_AUTHORITY, 1000, 1084, 1003);
    assert_lists(DF_AUTHORITY2, 3000, 3084, 3007);
}

Test(lists, a_head_signed_again_keeps_the_list_and_changes_S)
{
    df_push(&d, DF_AUTHORITY, &first);
    struct df_list again = first;
    again.time += 600000;
    df_pass(&d, 600000);
    df_push_delta(&d, DF_AUTHORITY, &first, &again);
    const struct df_list *const l[] = {&again};
    assert_state(l, 1);
    cr_assert_eq(df_sent_signed(&d, DF_AUTHORITY, SIGNED_RECEIPT, NULL), 1);
    df_push_delta(&d, DF_AUTHORITY, &first, &first);
    assert_state(l, 1);
}

Test(lists, a_push_that_comes_twice_gets_its_receipt_again)
{
    df_push(&d, DF_AUTHORITY, &first);
    df_push(&d, DF_AUTHORITY, &first);
    cr_assert_eq(df_sent_signed(&d, DF_AUTHORITY, SIGNED_RECEIPT, NULL), 1);
    cr_assert_eq(df_event(&d, EVENT_LIST_ACCEPTED), 0);
}

static void push_parts(struct df_list *l, const unsigned *parts, size_t count, unsigned of)
{
    struct signed_message head = df_head(&d, l);
    for (size_t i = 0; i < count; i++) {
        size_t from = l->n * parts[i] / of, to = l->n * (parts[i] + 1) / of;
        const struct msg_list_update m = {
            .epoch = 1,
            .authority = rf_id(l->author),
            .part = parts[i],
            .last = parts[i] + 1 == of,
            .additions = {l->entry[from].token.b, (to - from) * sizeof l->entry[0]},
            .heads = &head,
            .heads_count = parts[i] + 1 == of ? 1 : 0};
        df_push_message(&d, l->author, &m);
    }
}

Test(lists, a_list_may_come_in_parts)
{
    const unsigned parts[] = {0, 1, 2};
    push_parts(&first, parts, 3, 3);
    cr_assert_eq(held_version(DF_AUTHORITY), first.version);
}

Test(lists, when_a_part_is_lost_the_authority_is_told_to_begin_anew)
{
    const unsigned parts[] = {0, 2}, all[] = {0, 1, 2};
    push_parts(&first, parts, 2, 3);
    cr_assert_eq(df_refused(&d, DF_AUTHORITY), REFUSAL_BASE);
    cr_assert_eq(held_version(DF_AUTHORITY), 0);
    push_parts(&first, all, 3, 3);
    cr_assert_eq(held_version(DF_AUTHORITY), first.version);
}

Test(lists, parts_that_stop_coming_are_forgotten_after_two_minutes)
{
    const unsigned begun[] = {0, 1}, rest[] = {2};
    for (unsigned late = 0; late < 2; late++) {
        push_parts(&first, begun, 2, 3);
        df_pass(&d, 2 * CPIS_MS_MINUTE - 1 + late);
        df_tick(&d);
        push_parts(&first, rest, 1, 3);
        cr_expect_eq(df_event(&d, EVENT_LIST_ACCEPTED), late == 0 ? 1 : 0);
        if (late == 1) cr_expect_eq(df_refused(&d, DF_AUTHORITY2), REFUSAL_BASE);
        first = df_list(&d, DF_AUTHORITY2, 2000, 64);
    }
}

Test(lists, heads_between_come_along_with_a_whole_list)
{
    df_push(&d, DF_AUTHORITY, &first);
    struct df_list second = df_list_next(&first), third = df_list_next(&second);
    df_list_add(&third, 6000);
    const struct df_list *const chain[] = {&second, &third};
    df_push_chain(&d, 2, chain, 2);
    cr_assert_eq(held_version(DF_AUTHORITY), third.version);
}

Test(lists, a_head_after_a_restore_follows_each_that_it_names)
{
    df_push(&d, DF_AUTHORITY, &first);
    struct df_list lost = df_list(&d, DF_AUTHORITY, 1000, 60), joined = df_list_next(&first);
    lost.version -= 5;
    joined.prev[0] = df_list_id(&lost);
    joined.prev[1] = df_list_id(&first);
    joined.prev_count = 2;
    df_push(&d, DF_AUTHORITY, &joined);
    cr_assert_eq(held_version(DF_AUTHORITY), joined.version);
}

/* --- what is refused, and the list held before stays searched --- */

static void assert_kept(enum refusal why)
{
    struct list_match m[8];
    struct bytes b;
    struct msg_list_refused r;
    cr_assert_eq(df_refused(&d, DF_AUTHORITY), why, "said %d", df_refused(&d, DF_AUTHORITY));
    cr_assert_eq(df_event(&d, EVENT_LIST_REFUSED), 1);
    cr_assert_eq(held_version(DF_AUTHORITY), first.version);
    cr_assert_eq(matches(1007, m), 1);
    cr_assert_eq(df_sent_signed(&d, 0, SIGNED_RECEIPT, NULL), 0);
    cr_assert_eq(rf_store_count(d.store, TABLE_LIST), first.n);
    (void)df_sent(&d, DF_AUTHORITY, FRAME_LIST_REFUSED, &b);
    cr_assert_eq(list_refused_decode(b, &d.a, &r), CPIS_OK);
    cr_assert_eq(r.held_count, 1, "the head held is told");
}

Test(lists, a_list_that_does_not_follow_the_one_held_is_refused)
{
    df_push(&d, DF_AUTHORITY, &first);
    struct df_list next = df_list_next(&first);
    next.prev_count = 0;
    df_push(&d, DF_AUTHORITY, &next);
    assert_kept(REFUSAL_NOT_DESCENDANT);
}

Test(lists, a_chain_with_a_gap_is_refused)
{
    df_push(&d, DF_AUTHORITY, &first);
    struct df_list second = df_list_next(&first), third = df_list_next(&second);
    third.prev_count = 0;
    const struct df_list *const chain[] = {&second, &third};
    df_push_chain(&d, DF_AUTHORITY, chain, 2);
    assert_kept(REFUSAL_NOT_DESCENDANT);
}

Test(lists, a_chain_whose_versions_do_not_rise_is_refused)
{
    df_push(&d, DF_AUTHORITY, &first);
    struct df_list second = df_list_next(&first), third = df_list_next(&second);
    third.version = second.version;
    const struct df_list *const chain[] = {&second, &third};
    df_push_chain(&d, DF_AUTHORITY, chain, 2);
    assert_kept(REFUSAL_NOT_DESCENDANT);
}

Test(lists, a_follower_with_a_lower_version_is_refused)
{
    df_push(&d, DF_AUTHORITY, &first);
    struct df_list next = df_list_next(&first);
    next.version = first.version - 1;
    df_push(&d, DF_AUTHORITY, &next);
    assert_kept(REFUSAL_NOT_DESCENDANT);
}

Test(lists, changes_on_a_base_that_is_not_held_are_refused)
{
    df_push(&d, DF_AUTHORITY, &first);
    struct df_list second = df_list_next(&first), third = df_list_next(&second);
    df_push_delta(&d, DF_AUTHORITY, &second, &third);
    assert_kept(REFUSAL_BASE);
}

Test(lists, changes_to_nothing_are_refused)
{
    struct df_list second = df_list_next(&first);
    df_push_delta(&d, DF_AUTHORITY, &first, &second);
    cr_assert_eq(df_refused(&d, DF_AUTHORITY), REFUSAL_BASE);
    cr_assert_eq(held_version(DF_AUTHORITY), 0);
}

Test(lists, a_head_from_over_two_minutes_ahead_is_refused_and_the_authority_told)
{
    df_push(&d, DF_AUTHORITY, &first);
    struct df_list next = df_list_next(&first);
    next.time = d.wall + 120001;
    df_push(&d, DF_AUTHORITY, &next);
    assert_kept(REFUSAL_FUTURE);
    next.time = d.wall + 120000;
    df_push(&d, DF_AUTHORITY, &next);
    cr_assert_eq(held_version(DF_AUTHORITY), next.version);
}

Test(lists, a_version_from_over_two_minutes_ahead_is_refused)
{
    df_push(&d, DF_AUTHORITY, &first);
    struct df_list next = df_list_next(&first);
    next.version = d.wall + 120001;
    df_push(&d, DF_AUTHORITY, &next);
    assert_kept(REFUSAL_FUTURE);
}

Test(lists, a_head_of_the_future_that_gossip_brings_is_told_to_its_authority)
{
    df_push(&d, DF_AUTHORITY, &first);
    struct df_list next = df_list_next(&first);
    next.time = d.wall + 200000;
    df_push(&d, 2, &next);
    assert_kept(REFUSAL_FUTURE);
}

Test(lists, entries_that_do_not_give_the_root_are_refused)
{
    df_push(&d, DF_AUTHORITY, &first);
    struct df_list next = df_list_next(&first), other = next;
    df_list_add(&next, 7000);
    df_list_add(&other, 7001);
    struct signed_message head = df_head(&d, &next);
    const struct msg_list_update m = {.epoch = 1,
                                      .authority = rf_id(DF_AUTHORITY),
                                      .last = true,
                                      .additions = {other.entry[0].token.b, other.n * 48},
                                      .heads = &head,
                                      .heads_count = 1};
    df_push_message(&d, DF_AUTHORITY, &m);
    assert_kept(REFUSAL_ROOT);
}

Test(lists, a_removal_of_what_is_not_there_is_refused)
{
    df_push(&d, DF_AUTHORITY, &first);
    struct df_list next = df_list_next(&first), base = first;
    df_list_add(&base, 7000); /* thinks that we hold 7000 */
    struct signed_message head = df_head(&d, &next);
    const struct list_entry gone = df_entry(7000);
    const struct msg_list_update m = {.epoch = 1,
                                      .authority = rf_id(DF_AUTHORITY),
                                      .from = df_list_id(&first),
                                      .last = true,
                                      .removals = {gone.token.b, 32},
                                      .heads = &head,
                                      .heads_count = 1};
    df_push_message(&d, DF_AUTHORITY, &m);
    assert_kept(REFUSAL_ROOT);
}

Test(lists, a_removal_past_the_end_of_the_list_is_refused)
{
    df_push(&d, DF_AUTHORITY, &first);
    struct df_list next = df_list_next(&first);
    struct signed_message head = df_head(&d, &next);
    struct token last;
    memset(last.b, 0xff, sizeof last.b);
    const struct msg_list_update m = {.epoch = 1,
                                      .authority = rf_id(DF_AUTHORITY),
                                      .from = df_list_id(&first),
                                      .last = true,
                                      .removals = {last.b, 32},
                                      .heads = &head,
                                      .heads_count = 1};
    df_push_message(&d, DF_AUTHORITY, &m);
    assert_kept(REFUSAL_ROOT);
}

Test(lists, an_addition_of_what_is_there_already_is_refused)
{
    df_push(&d, DF_AUTHORITY, &first);
    struct df_list next = df_list_next(&first);
    struct signed_message head = df_head(&d, &next);
    const struct msg_list_update m = {.epoch = 1,
                                      .authority = rf_id(DF_AUTHORITY),
                                      .from = df_list_id(&first),
                                      .last = true,
                                      .additions = {first.entry[3].token.b, 48},
                                      .heads = &head,
                                      .heads_count = 1};
    df_push_message(&d, DF_AUTHORITY, &m);
    assert_kept(REFUSAL_ROOT);
}

Test(lists, additions_out_of_order_are_refused)
{
    df_push(&d, DF_AUTHORITY, &first);
    struct df_list next = df_list_next(&first);
    struct signed_message head = df_head(&d, &next);
    struct list_entry twice[2] = {next.entry[1], next.entry[0]};
    const struct msg_list_update m = {.epoch = 1,
                                      .authority = rf_id(DF_AUTHORITY),
                                      .last = true,
                                      .additions = {twice[0].token.b, 96},
                                      .heads = &head,
                                      .heads_count = 1};
    df_push_message(&d, DF_AUTHORITY, &m);
    assert_kept(REFUSAL_MALFORMED);
}

Test(lists, a_head_with_a_wrong_signature_is_refused)
{
    df_push(&d, DF_AUTHORITY, &first);
    struct df_list next = df_list_next(&first);
    struct signed_message head = df_head(&d, &next);
    head.signature.b[0] ^= 1;
    const struct msg_list_update m = {.epoch = 1,
                                      .authority = rf_id(DF_AUTHORITY),
                                      .last = true,
                                      .additions = {next.entry[0].token.b, next.n * 48},
                                      .heads = &head,
                                      .heads_count = 1};
    df_push_message(&d, DF_AUTHORITY, &m);
    cr_assert_eq(df_event(&d, EVENT_SIGNATURE_WRONG), 1);
    assert_kept(REFUSAL_MALFORMED);
}

Test(lists, a_head_sent_as_another_type_is_refused)
{
    df_push(&d, DF_AUTHORITY, &first);
    struct df_list next = df_list_next(&first);
    struct signed_message head = df_head(&d, &next);
    head.type = SIGNED_ACK;
    const struct msg_list_update m = {.epoch = 1,
                                      .authority = rf_id(DF_AUTHORITY),
                                      .last = true,
                                      .additions = {next.entry[0].token.b, next.n * 48},
                                      .heads = &head,
                                      .heads_count = 1};
    df_push_message(&d, DF_AUTHORITY, &m);
    assert_kept(REFUSAL_MALFORMED);
}

Test(lists, a_head_of_another_authority_is_refused)
{
    df_push(&d, DF_AUTHORITY, &first);
    struct df_list other = df_list(&d, DF_AUTHORITY2, 1000, 64);
    struct signed_message head = df_head(&d, &other);
    const struct msg_list_update m = {.epoch = 1,
                                      .authority = rf_id(DF_AUTHORITY),
                                      .last = true,
                                      .additions = {other.entry[0].token.b, other.n * 48},
                                      .heads = &head,
                                      .heads_count = 1};
    df_push_message(&d, DF_AUTHORITY, &m);
    assert_kept(REFUSAL_MALFORMED);
}

Test(lists, a_head_of_another_epoch_is_refused)
{
    df_push(&d, DF_AUTHORITY, &first);
    struct df_list next = df_list_next(&first);
    next.epoch = 2;
    struct signed_message head = df_head(&d, &next);
    const struct msg_list_update m = {.epoch = 1,
                                      .authority = rf_id(DF_AUTHORITY),
                                      .last = true,
                                      .additions = {next.entry[0].token.b, next.n * 48},
                                      .heads = &head,
                                      .heads_count = 1};
    df_push_message(&d, DF_AUTHORITY, &m);
    assert_kept(REFUSAL_MALFORMED);
}

Test(lists, an_update_without_a_head_is_refused)
{
    df_push(&d, DF_AUTHORITY, &first);
    const struct msg_list_update m = {.epoch = 1, .authority = rf_id(DF_AUTHORITY), .last = true};
    df_push_message(&d, DF_AUTHORITY, &m);
    assert_kept(REFUSAL_MALFORMED);
}

Test(lists, an_epoch_that_no_register_carries_is_refused)
{
    first.epoch = 9;
    df_push(&d, DF_AUTHORITY, &first);
    cr_assert_eq(df_refused(&d, DF_AUTHORITY), REFUSAL_EPOCH);
}

Test(lists, an_authority_can_not_push_in_anothers_name)
{
    df_push(&d, DF_AUTHORITY2, &first);
    cr_assert_eq(df_event(&d, EVENT_ROLE_WRONG), 1);
    cr_assert_eq(held_version(DF_AUTHORITY), 0);
}

Test(lists, a_query_node_can_not_push)
{
    df_push(&d, DF_QUERY, &first);
    cr_assert_eq(df_event(&d, EVENT_ROLE_WRONG), 1);
    cr_assert_eq(held_version(DF_AUTHORITY), 0);
}

static void limit_to_64(struct msg_register *m, struct arena *a)
{
    (void)a;
    for (size_t i = 0; i < m->nodes_count; i++)
        if (m->nodes[i].tokens_max > 0) m->nodes[i].tokens_max = 64;
}

Test(lists, more_entries_than_the_descriptor_allows_are_refused)
{
    df_next_register(&d, limit_to_64);
    df_push(&d, DF_AUTHORITY, &first);
    struct df_list next = df_list_next(&first);
    df_list_add(&next, 7000);
    df_push(&d, DF_AUTHORITY, &next);
    assert_kept(REFUSAL_LIMIT);
    df_push_delta(&d, DF_AUTHORITY, &first, &next);
    assert_kept(REFUSAL_LIMIT);
}

Test(lists, parts_are_not_gathered_beyond_the_limit)
{
    df_push(&d, DF_AUTHORITY, &first);
    df_next_register(&d, limit_to_64);
    struct df_list next = df_list_next(&first);
    df_list_add(&next, 7000);
    const struct msg_list_update m = {.epoch = 1,
                                      .authority = rf_id(DF_AUTHORITY),
                                      .additions = {next.entry[0].token.b, next.n * 48}};
    df_push_message(&d, DF_AUTHORITY, &m);
    assert_kept(REFUSAL_LIMIT);
}

static void set_state(struct msg_register *m, unsigned number, enum node_state to)
{
    const struct cpis_id id = rf_id(number);
    for (size_t i = 0; i < m->nodes_count; i++) {
        struct cpis_id n = node_id_of(&m->nodes[i].descriptor.sign_key);
        if (id_equal(&n, &id)) m->nodes[i].state = to;
    }
}
static void suspend(struct msg_register *m, struct arena *a)
{
    (void)a;
    set_state(m, DF_AUTHORITY, NODE_SUSPENDED);
}

Test(lists, of_a_suspended_authority_the_last_good_list_stays_and_new_heads_are_refused)
{
    df_push(&d, DF_AUTHORITY, &first);
    df_next_register(&d, suspend);
    struct df_list next = df_list_next(&first);
    df_push(&d, DF_AUTHORITY, &next);
    assert_kept(REFUSAL_SUSPENDED);
    const struct df_list *const l[] = {&first};
    assert_state(l, 1);
}

Test(lists, a_suspended_authoritys_head_is_not_refreshed_either)
{
    df_push(&d, DF_AUTHORITY, &first);
    df_next_register(&d, suspend);
    struct df_list again = first;
    again.time += 1000;
    const struct df_list *const told[] = {&again}, *const l[] = {&first};
    df_tell_heads(&d, 2, 1, told, 1);
    assert_state(l, 1);
}

/* --- shrink guard --- */

static struct df_list shrunk_to(size_t n)
{
    struct df_list next = df_list_next(&first);
    for (unsigned i = 0; next.n > n; i++)
        df_list_remove(&next, 1000 + i);
    return next;
}

Test(lists, a_fall_below_80_percent_that_nobody_confirmed_is_refused)
{
    df_push(&d, DF_AUTHORITY, &first);
    struct df_list next = shrunk_to(51); /* 80 % of 64 is 51.2 */
    df_push_delta(&d, DF_AUTHORITY, &first, &next);
    cr_assert_eq(df_refused(&d, DF_AUTHORITY), REFUSAL_SHRINK);
    cr_assert_eq(held_version(DF_AUTHORITY), first.version);
    next.shrink_confirmed = true;
    df_push_delta(&d, DF_AUTHORITY, &first, &next);
    cr_assert_eq(held_version(DF_AUTHORITY), next.version);
}

Test(lists, a_fall_to_just_above_80_percent_is_let_through)
{
    df_push(&d, DF_AUTHORITY, &first);
    struct df_list next = shrunk_to(52);
    df_push_delta(&d, DF_AUTHORITY, &first, &next);
    cr_assert_eq(held_version(DF_AUTHORITY), next.version);
}

Test(lists, small_steps_add_up_over_seven_days_even_across_a_restart)
{
    df_push(&d, DF_AUTHORITY, &first);
    df_pass(&d, 3 * CPIS_MS_DAY);
    struct df_list a = shrunk_to(55);
    df_push_delta(&d, DF_AUTHORITY, &first, &a);
    cr_assert_eq(held_version(DF_AUTHORITY), a.version);
    cr_assert_eq(df_restart(&d), CPIS_OK);
    df_pass(&d, 3 * CPIS_MS_DAY);
    struct df_list b = df_list_next(&a);
    for (unsigned i = 0; i < 6; i++)
        df_list_remove(&b, 1040 + i);
    df_push_delta(&d, DF_AUTHORITY, &a, &b);
    cr_assert_eq(df_refused(&d, DF_AUTHORITY), REFUSAL_SHRINK);
    df_pass(&d, 3 * CPIS_MS_DAY);
    df_push_delta(&d, DF_AUTHORITY, &a, &b);
    cr_assert_eq(held_version(DF_AUTHORITY), b.version, "the highest is over seven days ago");
}

Test(lists, after_a_confirmed_fall_the_next_list_needs_no_confirmation)
{
    df_push(&d, DF_AUTHORITY, &first);
    struct df_list next = shrunk_to(20);
    next.shrink_confirmed = true;
    struct df_list third = df_list_next(&next);
    const struct df_list *const chain[] = {&next, &third};
    df_push_chain(&d, 2, chain, 2);
    cr_assert_eq(held_version(DF_AUTHORITY), third.version);
    struct df_list fourth = df_list_next(&third);
    df_push_delta(&d, DF_AUTHORITY, &third, &fourth);
    cr_assert_eq(held_version(DF_AUTHORITY), fourth.version);
}

Test(lists, ten_entries_fewer_of_a_small_list_are_no_alarm)
{
    struct df_list small = df_list(&d, DF_AUTHORITY, 1000, 12), next = df_list_next(&small);
    df_push(&d, DF_AUTHORITY, &small);
    for (unsigned i = 0; i < 10; i++)
        df_list_remove(&next, 1000 + i);
    df_push_delta(&d, DF_AUTHORITY, &small, &next);
    cr_assert_eq(held_version(DF_AUTHORITY), next.version);
}

/* --- equivocation --- */

Test(lists, two_heads_of_one_version_put_the_authority_out_of_S_until_both_are_followed)
{
    struct list_match m[8];
    df_push(&d, DF_AUTHORITY, &first);
    struct df_list twin = first;
    df_list_add(&twin, 8000);
    df_push(&d, DF_AUTHORITY, &twin);
    cr_assert_eq(df_event(&d, EVENT_EQUIVOCATION), 1);
    cr_assert_eq(df_refused(&d, DF_AUTHORITY), REFUSAL_NOT_DESCENDANT);
    assert_state(none, 0);
    cr_assert_eq(matches(1007, m), 1, "its list stays searched");
    cr_assert_eq(df_restart(&d), CPIS_OK);
    df_push(&d, DF_AUTHORITY, &first);
    cr_assert_not(df_in_state(&d, DF_AUTHORITY, 1, NULL), "not even after a restart");
    struct df_list next = df_list_next(&first);
    df_push_delta(&d, DF_AUTHORITY, &first, &next);
    cr_assert_not(df_in_state(&d, DF_AUTHORITY, 1, NULL), "follows one only");
    struct df_list joined = df_list_next(&next);
    joined.prev[1] = df_list_id(&twin);
    joined.prev_count = 2;
    df_push_delta(&d, DF_AUTHORITY, &next, &joined);
    cr_assert(df_in_state(&d, DF_AUTHORITY, 1, NULL));
    const struct df_list *const l[] = {&joined};
    assert_state(l, 1);
    df_push(&d, DF_AUTHORITY, &twin);
    cr_assert_eq(df_event(&d, EVENT_EQUIVOCATION), 0, "mended is mended");
}

Test(lists, a_twin_that_gossip_shows_counts_the_same)
{
    df_push(&d, DF_AUTHORITY, &first);
    struct df_list twin = first;
    twin.prev[0] = df_list_id(&first);
    twin.prev_count = 1;
    const struct df_list *const told[] = {&twin};
    df_tell_heads(&d, 2, 1, told, 1);
    cr_assert_eq(df_event(&d, EVENT_EQUIVOCATION), 1);
    assert_state(none, 0);
    df_tell_heads(&d, 3, 1, told, 1);
    cr_assert_eq(df_event(&d, EVENT_EQUIVOCATION), 0, "told once");
}

Test(lists, a_twin_of_a_head_held_before_is_seen_too)
{
    df_push(&d, DF_AUTHORITY, &first);
    struct df_list next = df_list_next(&first), twin = first;
    df_push_delta(&d, DF_AUTHORITY, &first, &next);
    df_list_add(&twin, 8000);
    df_push(&d, DF_AUTHORITY, &twin);
    cr_assert_eq(df_event(&d, EVENT_EQUIVOCATION), 1);
    assert_state(none, 0);
}

/* --- the own start check --- */

static void hold_and_restart(void)
{
    df_push(&d, DF_AUTHORITY, &first);
    cr_assert_eq(df_restart(&d), CPIS_OK);
}

Test(lists, a_directory_with_nothing_held_is_ready_at_once) { cr_assert(lists_ready(d.lists)); }

Test(lists, after_a_restart_lists_are_searched_but_heads_are_not_in_S)
{
    struct list_match m[8];
    hold_and_restart();
    cr_assert_eq(matches(1007, m), 1);
    assert_state(none, 0);
    cr_assert_not(lists_ready(d.lists));
}

static cpis_err (*scan_in_order)(void *ctx, enum table t, const uint8_t *prefix, size_t prefix_len,
                                 bool newest_first, row_fn fn, void *arg);
static cpis_err scan_from_the_end(void *ctx, enum table t, const uint8_t *prefix, size_t prefix_len,
                                  bool newest_first, row_fn fn, void *arg)
{
    return scan_in_order(ctx, t, prefix, prefix_len, newest_first != (t == TABLE_LIST), fn, arg);
}
static int by_token(const void *a, const void *b)
{
    const struct list_entry *x = a, *y = b;
    return token_compare(&x->token, &y->token);
}

Test(lists, a_list_is_whole_after_a_restart_in_whatever_order_its_rows_come)
{
    struct list_match m[8];
    struct df_list alike = df_list(&d, DF_AUTHORITY2, 3000, 64);
    for (size_t i = 0; i < alike.n; i++)
        alike.entry[i].token.b[0] = i < 2 ? 0xff : 0x07;
    qsort(alike.entry, alike.n, sizeof alike.entry[0], by_token);
    df_push(&d, DF_AUTHORITY, &first);
    df_push(&d, DF_AUTHORITY2, &alike);
    scan_in_order = d.store->view.scan;
    d.store->view.scan = scan_from_the_end;
    cr_assert_eq(df_restart(&d), CPIS_OK);
    cr_assert_eq(matches(1007, m), 1);
    cr_assert_eq(matches_of_token(&alike.entry[40].token, m), 1);
    cr_assert_eq(matches_of_token(&alike.entry[63].token, m), 1);
}

Test(lists, a_crash_loses_nothing_and_S_is_the_same_once_confirmed)
{
    struct list_match m[8];
    df_push(&d, DF_AUTHORITY, &first);
    struct df_list other = df_list(&d, DF_AUTHORITY2, 3000, 64), next = df_list_next(&first);
    df_push(&d, DF_AUTHORITY2, &other);
    df_list_add(&next, 9000);
    df_push_delta(&d, DF_AUTHORITY, &first, &next);
    struct cpis_hash before = lists_state(d.lists, 1);
    cr_assert_eq(df_restart(&d), CPIS_OK);
    struct env *e = df_begin(&d);
    lists_accept_heads(d.lists, e);
    df_commit(&d);
    struct cpis_hash after = lists_state(d.lists, 1);
    cr_assert(hash_equal(&before, &after));
    cr_assert_eq(matches(9000, m), 1);
    cr_assert_eq(matches(3005, m), 1);
    cr_assert(lists_ready(d.lists));
    cr_assert_eq(rf_store_count(d.store, TABLE_LOG), 1, "by hand, so it is logged");
}

Test(lists, the_authoritys_own_push_confirms)
{
    hold_and_restart();
    df_push(&d, DF_AUTHORITY, &first);
    const struct df_list *const l[] = {&first};
    assert_state(l, 1);
    cr_assert(lists_ready(d.lists));
}

Test(lists, n_minus_t_plus_1_others_that_tell_the_same_confirm)
{
    hold_and_restart();
    const struct df_list *const told[] = {&first};
    df_tell_heads(&d, 2, 1, told, 1);
    df_tell_heads(&d, 2, 1, told, 1);
    cr_assert_not(df_in_state(&d, DF_AUTHORITY, 1, NULL), "one directory twice is one");
    df_tell_heads(&d, 3, 1, told, 1);
    cr_assert(df_in_state(&d, DF_AUTHORITY, 1, NULL));
}

Test(lists, others_that_hold_less_confirm_too)
{
    df_push(&d, DF_AUTHORITY, &first);
    struct df_list next = df_list_next(&first);
    df_push_delta(&d, DF_AUTHORITY, &first, &next);
    cr_assert_eq(df_restart(&d), CPIS_OK);
    const struct df_list *const told[] = {&first};
    df_tell_heads(&d, 2, 1, told, 1);
    df_tell_heads(&d, 3, 1, none, 0);
    cr_assert(df_in_state(&d, DF_AUTHORITY, 1, NULL));
}

Test(lists, a_directory_back_from_an_old_backup_denies_nothing_before_it_has_caught_up)
{
    hold_and_restart();
    struct df_list next = df_list_next(&first);
    df_list_add(&next, 9000);
    const struct df_list *const told[] = {&next};
    df_tell_heads(&d, 2, 1, told, 1);
    cr_assert_eq(df_sent(&d, 2, FRAME_LIST_REQUEST, NULL), 1);
    df_tell_heads(&d, 3, 1, told, 1);
    cr_assert_not(df_in_state(&d, DF_AUTHORITY, 1, NULL));
    df_push(&d, 2, &next);
    cr_assert_eq(held_version(DF_AUTHORITY), next.version);
    cr_assert_not(df_in_state(&d, DF_AUTHORITY, 1, NULL), "another directory's word is not enough");
    df_tell_heads(&d, 2, 1, told, 1);
    df_tell_heads(&d, 3, 1, told, 1);
    cr_assert(df_in_state(&d, DF_AUTHORITY, 1, NULL));
}

Test(lists, a_store_whose_rows_do_not_fit_stops_the_start)
{
    df_push(&d, DF_AUTHORITY, &first);
    uint8_t key[52] = {0, 0, 0, 1};
    const struct cpis_id id = rf_id(DF_AUTHORITY);
    memcpy(key + 4, id.b, sizeof id.b);
    memcpy(key + 20, first.entry[5].token.b, 32);
    struct env *e = df_begin(&d);
    emit_delete(e, TABLE_LIST, key, sizeof key);
    df_commit(&d);
    cr_assert_eq(df_restart(&d), CPIS_E_STORE);
}

Test(lists, a_salt_that_has_changed_on_disk_stops_the_start)
{
    df_push(&d, DF_AUTHORITY, &first);
    uint8_t key[52] = {0, 0, 0, 1};
    const struct cpis_id id = rf_id(DF_AUTHORITY);
    memcpy(key + 4, id.b, sizeof id.b);
    memcpy(key + 20, first.entry[5].token.b, 32);
    struct env *e = df_begin(&d);
    emit_persist(e, TABLE_LIST, key, sizeof key, (struct bytes){key, 16});
    df_commit(&d);
    cr_assert_eq(df_restart(&d), CPIS_E_STORE);
}

/* --- the stream, gossip, repair --- */

static struct msg_heads heads_to(unsigned number, size_t count)
{
    struct bytes b;
    struct msg_heads m = {.epoch = 0};
    cr_assert_eq(df_sent(&d, number, FRAME_HEADS, &b), count);
    cr_assert_eq(heads_decode(b, &d.a, &m), CPIS_OK);
    return m;
}

Test(lists, a_query_node_gets_the_whole_stream_and_then_each_change_in_order)
{
    df_push(&d, DF_AUTHORITY, &first);
    df_appear(&d, DF_QUERY, 5);
    struct msg_heads m = heads_to(DF_QUERY, 1);
    cr_assert(m.whole);
    cr_assert_eq(m.session, 4711);
    cr_assert_eq(m.heads_count, 1);
    uint64_t sequence = m.sequence;
    struct df_list next = df_list_next(&first);
    df_push_delta(&d, DF_AUTHORITY, &first, &next);
    m = heads_to(DF_QUERY, 1);
    cr_assert_not(m.whole);
    cr_assert_eq(m.sequence, sequence + 1);
    cr_assert(m.heads[0].in_state);
    cr_assert(df_row_before_frame(&d, TABLE_HEAD, FRAME_HEADS));
}

Test(lists, a_head_that_leaves_S_is_told_to_query_nodes)
{
    df_push(&d, DF_AUTHORITY, &first);
    df_appear(&d, DF_QUERY, 5);
    struct df_list twin = first;
    df_list_add(&twin, 8000);
    df_push(&d, DF_AUTHORITY, &twin);
    struct msg_heads m = heads_to(DF_QUERY, 1);
    cr_assert_not(m.heads[0].in_state);
}

Test(lists, an_authority_is_shown_its_own_heads_and_no_others)
{
    struct df_list other = df_list(&d, DF_AUTHORITY2, 3000, 64);
    df_push(&d, DF_AUTHORITY, &first);
    df_push(&d, DF_AUTHORITY2, &other);
    df_appear(&d, DF_AUTHORITY, 5);
    struct msg_heads m = heads_to(DF_AUTHORITY, 1);
    cr_assert_eq(m.heads_count, 1);
    cr_assert(m.ready);
    const struct cpis_id id = rf_id(DF_AUTHORITY);
    cr_assert(id_equal(&m.heads[0].head.signer, &id));
}

Test(lists, an_authority_is_shown_at_once_what_gossip_brought_in_its_name)
{
    df_push(&d, 2, &first);
    struct msg_heads m = heads_to(DF_AUTHORITY, 1);
    cr_assert_eq(m.heads_count, 1);
}

Test(lists, when_the_start_is_over_authorities_are_told)
{
    hold_and_restart();
    df_appear(&d, DF_AUTHORITY2, 5);
    cr_assert_not(heads_to(DF_AUTHORITY2, 1).ready);
    df_push(&d, DF_AUTHORITY, &first);
    cr_assert(heads_to(DF_AUTHORITY2, 1).ready);
}

/* What the other directory was asked for when gossip was due. */
static struct msg_heads_request gossip_to(unsigned number)
{
    struct bytes b;
    struct msg_heads_request m = {.epoch = 0};
    df_appear(&d, number, 5);
    df_pass(&d, GOSSIP_EVERY);
    df_tick(&d);
    cr_assert_eq(df_sent(&d, number, FRAME_HEADS_REQUEST, &b), 1);
    cr_assert_eq(heads_request_decode(b, &d.a, &m), CPIS_OK);
    return m;
}

static void ask_heads(unsigned number, const struct msg_heads_request *m)
{
    const struct cpis_id id = rf_id(number);
    struct env *e = df_begin(&d);
    lists_recv_heads_request(d.lists, e, &id, m);
    df_commit(&d);
}

Test(lists, directories_gossip_within_thirty_seconds)
{
    df_push(&d, DF_AUTHORITY, &first);
    df_appear(&d, 2, 5);
    df_tick(&d);
    cr_assert_eq(df_sent(&d, 2, FRAME_HEADS_REQUEST, NULL), 1);
    cr_assert_leq(lists_deadline(d.lists), d.now + GOSSIP_EVERY);
    df_tick(&d);
    cr_assert_eq(df_sent(&d, 2, FRAME_HEADS_REQUEST, NULL), 0);
    (void)gossip_to(2);
}

Test(lists, a_directory_that_holds_the_same_is_shown_nothing_and_another_is_shown_all)
{
    df_push(&d, DF_AUTHORITY, &first);
    struct msg_heads_request m = gossip_to(2);
    ask_heads(2, &m);
    cr_assert_eq(df_sent(&d, 0, FRAME_HEADS, NULL), 0);
    struct df_list resigned = first;
    resigned.time += 1000; /* the same list, signed again: already another */
    df_push(&d, DF_AUTHORITY, &resigned);
    ask_heads(2, &m);
    cr_assert_eq(heads_to(2, 1).heads_count, 1);
    m = gossip_to(2);
    ask_heads(2, &m);
    cr_assert_eq(df_sent(&d, 0, FRAME_HEADS, NULL), 0);
    struct df_list other = df_list(&d, DF_AUTHORITY2, 3000, 64);
    df_push(&d, DF_AUTHORITY2, &other);
    ask_heads(2, &m);
    cr_assert_eq(heads_to(2, 1).heads_count, 2);
    cr_assert(heads_to(2, 1).whole);
    m.have = (struct cpis_hash){{0}};
    ask_heads(2, &m);
    cr_assert_eq(heads_to(2, 1).heads_count, 2);
}

Test(lists, what_a_query_node_or_an_authority_says_it_has_spares_it_nothing)
{
    df_push(&d, DF_AUTHORITY, &first);
    const struct msg_heads_request m = gossip_to(2);
    ask_heads(DF_QUERY, &m);
    cr_assert_eq(heads_to(DF_QUERY, 1).heads_count, 1);
    ask_heads(DF_AUTHORITY, &m);
    cr_assert_eq(heads_to(DF_AUTHORITY, 1).heads_count, 1);
}

Test(lists, who_has_yet_to_be_told_of_a_head_asks_for_all_of_them)
{
    hold_and_restart();
    struct msg_heads_request m = gossip_to(2);
    cr_assert(bytes_are_zero(m.have.b, sizeof m.have.b));
    const struct df_list *const told[] = {&first};
    df_tell_heads(&d, 2, 1, told, 1);
    df_tell_heads(&d, 3, 1, told, 1);
    m = gossip_to(2);
    cr_assert_not(bytes_are_zero(m.have.b, sizeof m.have.b));
}

Test(lists, heads_out_of_S_are_part_of_what_gossip_compares)
{
    df_push(&d, DF_AUTHORITY, &first);
    struct df_list twin = first;
    df_list_add(&twin, 8000);
    df_push(&d, DF_AUTHORITY, &twin); /* out of S, held all the same */
    const struct msg_heads_request m = gossip_to(2);
    const struct df_list *const held[] = {&first};
    const struct cpis_hash want = state_with(held, 1), state = lists_state(d.lists, 1);
    cr_assert(hash_equal(&m.have, &want));
    cr_assert_not(hash_equal(&m.have, &state));
}

/* --- the search --- */

Test(lists, every_entry_is_found_in_its_bucket_through_all_changes_also_without_memory)
{
    struct df_list other = df_list(&d, DF_AUTHORITY2, 1064, 64), next = df_list_next(&first);
    struct list_match m[8];
    df_push(&d, DF_AUTHORITY, &first);
    cr_assert_eq(matches(1007, m), 1);
    df_push(&d, DF_AUTHORITY2, &other); /* a list more than the search knew */
    cr_assert_eq(matches(1100, m), 1);
    df_list_add(&next, 9000);
    df_list_remove(&next, 1003);
    df_push_delta(&d, DF_AUTHORITY, &first, &next); /* the entries behind them have moved */
    for (int short_of = 0; short_of < 2; short_of++) {
        if (short_of == 1) cr_assert_eq(df_restart(&d), CPIS_OK);
        for (unsigned child = 1000; child < 1128; child++) {
            const bool both = child >= 1064 && child < 1000 + first.n;
            if (short_of == 1) fail_malloc_at(0);
            const size_t found = matches(child, m);
            fail_malloc_at(-1);
            cr_assert_eq(found, child == 1003 ? 0 : both ? 2 : child < 1128, "%u", child);
        }
        if (short_of == 1) fail_malloc_at(0);
        const size_t found = matches(9000, m);
        fail_malloc_at(-1);
        cr_assert_eq(found, 1);
        const struct cpis_hash root = df_list_root(&next);
        cr_assert_eq(merkle_verify(&root, next.n, m[0].index,
                                   &(struct list_entry){m[0].token, m[0].salt}, &m[0].path),
                     CPIS_OK);
    }
}

static void request_from(unsigned number, const struct cpis_hash *have)
{
    struct msg_list_request m = {.epoch = 1, .authority = rf_id(DF_AUTHORITY)};
    const struct cpis_id id = rf_id(number);
    if (have != NULL) m.have = *have;
    struct env *e = df_begin(&d);
    lists_recv_request(d.lists, e, &id, &m);
    df_commit(&d);
}

Test(lists, a_repair_brings_the_list_and_the_heads_since)
{
    df_push(&d, DF_AUTHORITY, &first);
    struct df_list second = df_list_next(&first), third = df_list_next(&second);
    df_push_delta(&d, DF_AUTHORITY, &first, &second);
    df_push_delta(&d, DF_AUTHORITY, &second, &third);
    const struct cpis_hash have = df_list_id(&first);
    struct bytes b;
    struct msg_list_update m;
    request_from(2, &have);
    cr_assert_eq(df_sent(&d, 2, FRAME_LIST_UPDATE, &b), 1);
    cr_assert_eq(list_update_decode(b, &d.a, &m), CPIS_OK);
    cr_assert_eq(m.heads_count, 2);
    cr_assert_eq(m.additions.len, third.n * 48);
    struct msg_list_update copy = m;
    df_deinit(&d);
    df_init(&d, 3);
    df_push(&d, DF_AUTHORITY, &first);
    struct signed_message heads[2] = {df_head(&d, &second), df_head(&d, &third)};
    copy = (struct msg_list_update){.epoch = 1,
                                    .authority = rf_id(DF_AUTHORITY),
                                    .last = true,
                                    .additions = {third.entry[0].token.b, third.n * 48},
                                    .heads = heads,
                                    .heads_count = 2};
    df_push_message(&d, 2, &copy);
    cr_assert_eq(held_version(DF_AUTHORITY), third.version);
}

Test(lists, after_a_restart_a_peer_several_heads_behind_is_still_shown_the_way)
{
    struct df_list list[4] = {first};
    df_push(&d, DF_AUTHORITY, &list[0]);
    for (size_t i = 1; i < 4; i++) {
        list[i] = df_list_next(&list[i - 1]);
        df_push_delta(&d, DF_AUTHORITY, &list[i - 1], &list[i]);
    }
    cr_assert_eq(rf_store_count(d.store, TABLE_HEAD), 4);
    cr_assert_eq(df_restart(&d), CPIS_OK);
    const struct cpis_hash have = df_list_id(&list[0]);
    struct bytes b;
    struct msg_list_update m;
    request_from(2, &have);
    cr_assert_eq(df_sent(&d, 2, FRAME_LIST_UPDATE, &b), 1);
    cr_assert_eq(list_update_decode(b, &d.a, &m), CPIS_OK);
    cr_assert_eq(m.heads_count, 3, "each head since, the held one last");
    for (size_t i = 0; i < 3; i++) {
        struct msg_head h;
        cr_assert_eq(head_decode(m.heads[i].body, &d.a, &h), CPIS_OK);
        cr_expect_eq(h.version, list[i + 1].version);
    }
}

Test(lists, directories_that_all_restart_confirm_with_one_that_was_rolled_back)
{
    struct df_list second = df_list_next(&first), third = df_list_next(&second);
    df_push(&d, DF_AUTHORITY, &first);
    df_push_delta(&d, DF_AUTHORITY, &first, &second);
    df_push_delta(&d, DF_AUTHORITY, &second, &third);
    cr_assert_eq(df_restart(&d), CPIS_OK);
    const struct df_list *const old[] = {&first}, *const held[] = {&third};
    df_tell_heads(&d, 2, 1, old, 1);
    cr_assert_not(df_in_state(&d, DF_AUTHORITY, 1, NULL), "one is not enough");
    df_tell_heads(&d, 3, 1, held, 1);
    cr_assert(df_in_state(&d, DF_AUTHORITY, 1, NULL), "a list that ours has followed says no more");
}

Test(lists, of_the_heads_before_at_most_256_are_kept_in_memory_and_on_disk)
{
    struct df_list now = first;
    df_push(&d, DF_AUTHORITY, &now);
    for (unsigned i = 0; i < 260; i++) {
        struct df_list next = df_list_next(&now);
        df_pass(&d, CPIS_MS_SECOND);
        df_push_delta(&d, DF_AUTHORITY, &now, &next);
        now = next;
    }
    cr_assert_eq(held_version(DF_AUTHORITY), now.version);
    cr_assert_eq(rf_store_count(d.store, TABLE_HEAD), 257);
    cr_assert_eq(df_restart(&d), CPIS_OK);
    struct df_list next = df_list_next(&now);
    df_push_delta(&d, DF_AUTHORITY, &now, &next);
    cr_assert_eq(rf_store_count(d.store, TABLE_HEAD), 257);
}

Test(lists, tokens_go_to_no_query_node_and_no_other_authority)
{
    df_push(&d, DF_AUTHORITY, &first);
    request_from(DF_QUERY, NULL);
    cr_assert_eq(df_sent(&d, 0, FRAME_LIST_UPDATE, NULL), 0);
    cr_assert_eq(df_event(&d, EVENT_ROLE_WRONG), 1);
    request_from(DF_AUTHORITY2, NULL);
    cr_assert_eq(df_sent(&d, 0, FRAME_LIST_UPDATE, NULL), 0);
    request_from(DF_AUTHORITY, NULL);
    cr_assert_eq(df_sent(&d, DF_AUTHORITY, FRAME_LIST_UPDATE, NULL), 1);
}

Test(lists, heads_count_only_from_directories)
{
    hold_and_restart();
    const struct df_list *const told[] = {&first};
    df_tell_heads(&d, DF_QUERY, 1, told, 1);
    cr_assert_eq(df_event(&d, EVENT_ROLE_WRONG), 1);
    df_tell_heads(&d, DF_AUTHORITY2, 1, told, 1);
    cr_assert_eq(df_event(&d, EVENT_ROLE_WRONG), 1);
    cr_assert_not(df_in_state(&d, DF_AUTHORITY, 1, NULL));
}

Test(lists, a_newer_signature_that_gossip_shows_is_taken_over)
{
    df_push(&d, DF_AUTHORITY, &first);
    struct df_list again = first;
    again.time += 1000;
    const struct df_list *const told[] = {&again};
    df_tell_heads(&d, 2, 1, told, 1);
    assert_state(told, 1);
}

/* --- epochs --- */

static void add_epoch_2(struct msg_register *m, struct arena *a)
{
    struct msg_register_epoch *ep = arena_take(a, 2 * sizeof *ep);
    ep[0] = m->epochs[0];
    ep[1] = rf_epoch(2, 3, 2, a);
    m->epochs = ep;
    m->epochs_count = 2;
}

Test(lists, lists_of_an_epoch_that_is_over_are_deleted_once_nobody_needs_them)
{
    const struct df_list before = first;
    df_push(&d, DF_AUTHORITY, &before);
    first = df_list_next(&before);
    df_push_delta(&d, DF_AUTHORITY, &before, &first);
    cr_assert_eq(rf_store_count(d.store, TABLE_HEAD), 2);
    df_next_register(&d, add_epoch_2);
    struct env *e = df_begin(&d);
    cr_assert(lists_epoch_is_needed(d.lists, e, 1));
    df_commit(&d);
    df_pass(&d, registry_epoch(d.registry, 1)->not_after + CPIS_MS_HOUR - d.wall);
    df_tick(&d);
    cr_assert_eq(rf_store_count(d.store, TABLE_LIST), 64, "it has no list in epoch 2 yet");
    struct df_list next = df_list(&d, DF_AUTHORITY, 1000, 64);
    next.epoch = 2;
    df_push(&d, DF_AUTHORITY, &next);
    cr_assert_eq(rf_store_count(d.store, TABLE_LIST), 128);
    df_tick(&d);
    cr_assert_eq(rf_store_count(d.store, TABLE_LIST), 64);
    cr_assert_eq(rf_store_count(d.store, TABLE_HEAD), 1);
    cr_assert_eq(df_restart(&d), CPIS_OK);
    first.version += 5;
    df_push(&d, DF_AUTHORITY, &first);
    cr_assert_eq(df_refused(&d, DF_AUTHORITY), REFUSAL_EPOCH);
}

/* Whoever looks in both epochs finds each authority in one of them. */
Test(lists, in_an_epoch_that_is_over_only_lists_without_a_newer_one_are_searched_and_shown)
{
    struct df_list other = df_list(&d, DF_AUTHORITY2, 1000, 64); /* the same children */
    struct list_match m[8];
    df_push(&d, DF_AUTHORITY, &first);
    df_push(&d, DF_AUTHORITY2, &other);
    df_next_register(&d, add_epoch_2);
    df_pass(&d, registry_epoch(d.registry, 1)->not_after - 1 - d.wall);
    struct df_list newer = df_list(&d, DF_AUTHORITY2, 1000, 64);
    newer.epoch = 2;
    df_push(&d, DF_AUTHORITY2, &newer);
    df_tick(&d);
    cr_expect_eq(matches(1007, m), 2, "until it is over, all of both epochs");
    df_pass(&d, 1);
    df_tick(&d);
    const struct cpis_id dark = rf_id(DF_AUTHORITY);
    cr_assert_eq(matches(1007, m), 1);
    cr_expect(id_equal(&m[0].authority, &dark), "it has none in epoch 2");
    const struct df_list *const told[] = {&first};
    assert_state(told, 1);
    /* another directory, a little behind, still shows what we gave up: we do not ask for it */
    const struct df_list *const shown[] = {&first, &other};
    df_tell_heads(&d, 2, 1, shown, 2);
    cr_expect_eq(df_sent(&d, 2, FRAME_LIST_REQUEST, NULL), 0);
    df_push(&d, DF_AUTHORITY2, &other);
    cr_expect_eq(df_refused(&d, DF_AUTHORITY2), REFUSAL_EPOCH);
    /* and the one that is still needed can be repaired */
    cr_assert_eq(df_restart(&d), CPIS_OK);
    df_tell_heads(&d, 2, 1, told, 1);
    df_tell_heads(&d, 3, 1, told, 1);
    cr_expect(df_in_state(&d, DF_AUTHORITY, 1, NULL), "confirmed by other directories");
}

Test(lists, a_crash_between_the_deletions_leaves_nothing_behind)
{
    df_push(&d, DF_AUTHORITY, &first);
    uint8_t key[20] = {0, 0, 0, 1};
    const struct cpis_id id = rf_id(DF_AUTHORITY);
    memcpy(key + 4, id.b, sizeof id.b);
    struct env *e = df_begin(&d);
    emit_delete(e, TABLE_HEAD, key, sizeof key);
    df_commit(&d);
    cr_assert_eq(df_restart(&d), CPIS_OK);
    struct list_match m[8];
    cr_assert_eq(matches(1007, m), 0);
    df_tick(&d);
    cr_assert_eq(rf_store_count(d.store, TABLE_LIST), 0);
}

Test(lists, out_of_memory_refuses_an_update_and_changes_nothing)
{
    df_push(&d, DF_AUTHORITY, &first);
    struct df_list next = df_list_next(&first);
    df_list_add(&next, 9000);
    struct signed_message head = df_head(&d, &next);
    const struct cpis_id id = rf_id(DF_AUTHORITY);
    const struct msg_list_update m = {.epoch = 1,
                                      .authority = id,
                                      .last = true,
                                      .additions = {next.entry[0].token.b, next.n * 48},
                                      .heads = &head,
                                      .heads_count = 1};
    bool taken = false;
    for (int n = 0; n < 200 && !taken; n++) {
        struct env *e = df_begin(&d);
        fail_malloc_at(n);
        lists_recv_update(d.lists, e, &id, &m);
        fail_malloc_at(-1);
        taken = held_version(DF_AUTHORITY) == next.version;
        struct out o;
        while (queue_pop(&d.node.queue, &o))
            ;
        if (d.node.queue.failed) { /* the driver's duty: made anew from the store */
            cr_assert_eq(df_restart(&d), CPIS_OK);
            taken = false;
        }
        cr_assert(taken || held_version(DF_AUTHORITY) == first.version);
    }
    cr_assert(taken);
}
