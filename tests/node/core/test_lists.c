/* Stories of a directory's lists: what it takes over, how it is searched, which epochs it keeps. */
#include "tests/fail_malloc.h"
#include "tests/node/core/lists_fixture.h"

#include <criterion/criterion.h>
#include <string.h>

/* --- what is taken over --- */

Test(lists, an_authoritys_first_list_is_searched_proven_and_in_S)
{
    struct list_match m[8];
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    cr_assert_eq(df_event(&lsf.d, EVENT_LIST_ACCEPTED), 1);
    const struct df_list *const l[] = {&lsf.first};
    lsf_assert_state(l, 1);
    cr_assert_eq(lsf_matches(1007, m), 1);
    const struct cpis_hash root = df_list_root(&lsf.first);
    const struct list_entry e = df_entry(1007);
    cr_assert_eq(merkle_verify(&root, lsf.first.n, m[0].index, &e, &m[0].path), CPIS_OK);
    cr_assert_eq(memcmp(m[0].salt.b, e.salt.b, sizeof e.salt.b), 0);
    cr_assert_eq(lsf_matches(999, m), 0);
}

Test(lists, every_listed_child_is_found_and_no_other)
{
    struct list_match m[8];
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    for (unsigned child = 1000; child < 1064; child++)
        cr_assert_eq(lsf_matches(child, m), 1);
    for (unsigned child = 2000; child < 2300; child++)
        cr_assert_eq(lsf_matches(child, m), 0);
}

Test(lists, two_authorities_may_list_one_child)
{
    struct list_match m[8];
    struct df_list other = df_list(&lsf.d, DF_AUTHORITY2, 1063, 3);
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    df_push(&lsf.d, DF_AUTHORITY2, &other);
    cr_assert_eq(lsf_matches(1063, m), 2);
    cr_assert_eq(lsf_matches(1063, NULL), 2);
}

Test(lists, a_receipt_is_signed_only_after_list_and_head_are_durable)
{
    struct signed_message s;
    struct msg_receipt r;
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    cr_assert_eq(df_sent_signed(&lsf.d, DF_AUTHORITY, SIGNED_RECEIPT, &s), 1);
    cr_assert(df_row_before_frame(&lsf.d, TABLE_LIST, FRAME_SIGNED));
    cr_assert(df_row_before_frame(&lsf.d, TABLE_HEAD, FRAME_SIGNED));
    cr_assert_eq(receipt_decode(s.body, &lsf.d.a, &r), CPIS_OK);
    const struct cpis_hash id = df_list_id(&lsf.first);
    cr_assert(hash_equal(&id, &r.list_id));
    cr_assert_eq(r.index, DF_SELF);
    cr_assert_eq(r.epoch, 1);
}

Test(lists, a_change_brings_only_what_changed_and_writes_only_that)
{
    struct list_match m[8];
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    struct df_list next = df_list_next(&lsf.first);
    df_list_add(&next, 5000);
    df_list_remove(&next, 1003);
    df_push_delta(&lsf.d, DF_AUTHORITY, &lsf.first, &next);
    size_t rows = 0;
    for (size_t i = 0; i < lsf.d.outs; i++)
        rows += (lsf.d.out[i].type == OUT_PERSIST || lsf.d.out[i].type == OUT_DELETE) &&
                lsf.d.out[i].table == TABLE_LIST;
    cr_assert_eq(rows, 2);
    cr_assert_eq(lsf_held_version(DF_AUTHORITY), next.version);
    cr_assert_eq(lsf_matches(5000, m), 1);
    cr_assert_eq(lsf_matches(1003, m), 0);
    cr_assert_eq(rf_store_count(lsf.d.store, TABLE_LIST), 64);
}

/* Are the children from..to, but for `missing`, listed by this authority alone, and the next two
 * not at all? */
static void assert_lists(unsigned author, unsigned from, unsigned to, unsigned missing)
{
    struct list_match m[8];
    const struct cpis_id id = rf_id(author);
    for (unsigned child = from; child < to + 2; child++) {
        const bool listed = child != missing && child < to;
        cr_expect_eq(lsf_matches(child, m), listed, "child %u", child);
        if (!listed) continue;
        cr_expect(id_equal(&m[0].authority, &id), "child %u", child);
        cr_expect_eq(memcmp(m[0].salt.b, df_entry(child).salt.b, SALT_BYTES), 0);
    }
}

Test(lists, when_lists_change_between_searches_every_child_is_found_where_it_is)
{
    struct df_list other = df_list(&lsf.d, DF_AUTHORITY2, 3000, 64);
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    df_push(&lsf.d, DF_AUTHORITY2, &other);
    assert_lists(DF_AUTHORITY, 1000, 1064, 0);
    struct df_list next = df_list_next(&lsf.first), next2 = df_list_next(&other);
    df_list_remove(&next, 1003);
    df_list_remove(&next2, 3007);
    for (unsigned i = 0; i < 20; i++) {
        df_list_add(&next, 1064 + i);
        df_list_add(&next2, 3064 + i);
    }
    df_push(&lsf.d, DF_AUTHORITY, &next);
    assert_lists(DF_AUTHORITY, 1000, 1084, 1003);
    assert_lists(DF_AUTHORITY2, 3000, 3064, 0);
    df_push(&lsf.d, DF_AUTHORITY2, &next2);
    assert_lists(DF_AUTHORITY, 1000, 1084, 1003);
    assert_lists(DF_AUTHORITY2, 3000, 3084, 3007);
}

Test(lists, a_head_signed_again_keeps_the_list_and_changes_S)
{
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    struct df_list again = lsf.first;
    again.time += 600000;
    df_pass(&lsf.d, 600000);
    df_push_delta(&lsf.d, DF_AUTHORITY, &lsf.first, &again);
    const struct df_list *const l[] = {&again};
    lsf_assert_state(l, 1);
    cr_assert_eq(df_sent_signed(&lsf.d, DF_AUTHORITY, SIGNED_RECEIPT, NULL), 1);
    df_push_delta(&lsf.d, DF_AUTHORITY, &lsf.first, &lsf.first);
    lsf_assert_state(l, 1);
}

Test(lists, a_push_that_comes_twice_gets_its_receipt_again)
{
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    cr_assert_eq(df_sent_signed(&lsf.d, DF_AUTHORITY, SIGNED_RECEIPT, NULL), 1);
    cr_assert_eq(df_event(&lsf.d, EVENT_LIST_ACCEPTED), 0);
}

static void push_parts(struct df_list *l, const unsigned *parts, size_t count, unsigned of)
{
    struct signed_message head = df_head(&lsf.d, l);
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
        df_push_message(&lsf.d, l->author, &m);
    }
}

Test(lists, a_list_may_come_in_parts)
{
    const unsigned parts[] = {0, 1, 2};
    push_parts(&lsf.first, parts, 3, 3);
    cr_assert_eq(lsf_held_version(DF_AUTHORITY), lsf.first.version);
}

Test(lists, when_a_part_is_lost_the_authority_is_told_to_begin_anew)
{
    const unsigned parts[] = {0, 2}, all[] = {0, 1, 2};
    push_parts(&lsf.first, parts, 2, 3);
    cr_assert_eq(df_refused(&lsf.d, DF_AUTHORITY), REFUSAL_BASE);
    cr_assert_eq(lsf_held_version(DF_AUTHORITY), 0);
    push_parts(&lsf.first, all, 3, 3);
    cr_assert_eq(lsf_held_version(DF_AUTHORITY), lsf.first.version);
}

Test(lists, parts_that_stop_coming_are_forgotten_after_two_minutes)
{
    const unsigned begun[] = {0, 1}, rest[] = {2};
    for (unsigned late = 0; late < 2; late++) {
        push_parts(&lsf.first, begun, 2, 3);
        df_pass(&lsf.d, 2 * CPIS_MS_MINUTE - 1 + late);
        df_tick(&lsf.d);
        push_parts(&lsf.first, rest, 1, 3);
        cr_expect_eq(df_event(&lsf.d, EVENT_LIST_ACCEPTED), late == 0 ? 1 : 0);
        if (late == 1) cr_expect_eq(df_refused(&lsf.d, DF_AUTHORITY2), REFUSAL_BASE);
        lsf.first = df_list(&lsf.d, DF_AUTHORITY2, 2000, 64);
    }
}

Test(lists, heads_between_come_along_with_a_whole_list)
{
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    struct df_list second = df_list_next(&lsf.first), third = df_list_next(&second);
    df_list_add(&third, 6000);
    const struct df_list *const chain[] = {&second, &third};
    df_push_chain(&lsf.d, 2, chain, 2);
    cr_assert_eq(lsf_held_version(DF_AUTHORITY), third.version);
}

Test(lists, a_head_after_a_restore_follows_each_that_it_names)
{
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    struct df_list lost = df_list(&lsf.d, DF_AUTHORITY, 1000, 60),
                   joined = df_list_next(&lsf.first);
    lost.version -= 5;
    joined.prev[0] = df_list_id(&lost);
    joined.prev[1] = df_list_id(&lsf.first);
    joined.prev_count = 2;
    df_push(&lsf.d, DF_AUTHORITY, &joined);
    cr_assert_eq(lsf_held_version(DF_AUTHORITY), joined.version);
}

/* --- the search --- */

Test(lists, every_entry_is_found_in_its_bucket_through_all_changes_also_without_memory)
{
    struct df_list other = df_list(&lsf.d, DF_AUTHORITY2, 1064, 64),
                   next = df_list_next(&lsf.first);
    struct list_match m[8];
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    cr_assert_eq(lsf_matches(1007, m), 1);
    df_push(&lsf.d, DF_AUTHORITY2, &other); /* a list more than the search knew */
    cr_assert_eq(lsf_matches(1100, m), 1);
    df_list_add(&next, 9000);
    df_list_remove(&next, 1003);
    df_push_delta(&lsf.d, DF_AUTHORITY, &lsf.first, &next); /* the entries behind them have moved */
    for (int short_of = 0; short_of < 2; short_of++) {
        if (short_of == 1) cr_assert_eq(df_restart(&lsf.d), CPIS_OK);
        for (unsigned child = 1000; child < 1128; child++) {
            const bool both = child >= 1064 && child < 1000 + lsf.first.n;
            if (short_of == 1) fail_malloc_at(0);
            const size_t found = lsf_matches(child, m);
            fail_malloc_at(-1);
            cr_assert_eq(found, child == 1003 ? 0 : both ? 2 : child < 1128, "%u", child);
        }
        if (short_of == 1) fail_malloc_at(0);
        const size_t found = lsf_matches(9000, m);
        fail_malloc_at(-1);
        cr_assert_eq(found, 1);
        const struct cpis_hash root = df_list_root(&next);
        cr_assert_eq(merkle_verify(&root, next.n, m[0].index,
                                   &(struct list_entry){m[0].token, m[0].salt}, &m[0].path),
                     CPIS_OK);
    }
}

Test(lists, out_of_memory_refuses_an_update_and_changes_nothing)
{
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    struct df_list next = df_list_next(&lsf.first);
    df_list_add(&next, 9000);
    struct signed_message head = df_head(&lsf.d, &next);
    const struct cpis_id id = rf_id(DF_AUTHORITY);
    const struct msg_list_update m = {.epoch = 1,
                                      .authority = id,
                                      .last = true,
                                      .additions = {next.entry[0].token.b, next.n * 48},
                                      .heads = &head,
                                      .heads_count = 1};
    bool taken = false;
    for (int n = 0; n < 200 && !taken; n++) {
        struct env *e = df_begin(&lsf.d);
        fail_malloc_at(n);
        lists_recv_update(lsf.d.lists, e, &id, &m);
        fail_malloc_at(-1);
        taken = lsf_held_version(DF_AUTHORITY) == next.version;
        struct out o;
        while (queue_pop(&lsf.d.node.queue, &o))
            ;
        if (lsf.d.node.queue.failed) { /* the driver's duty: made anew from the store */
            cr_assert_eq(df_restart(&lsf.d), CPIS_OK);
            taken = false;
        }
        cr_assert(taken || lsf_held_version(DF_AUTHORITY) == lsf.first.version);
    }
    cr_assert(taken);
}

/* --- epochs --- */

Test(lists, lists_of_an_epoch_that_is_over_are_deleted_once_nobody_needs_them)
{
    const struct df_list before = lsf.first;
    df_push(&lsf.d, DF_AUTHORITY, &before);
    lsf.first = df_list_next(&before);
    df_push_delta(&lsf.d, DF_AUTHORITY, &before, &lsf.first);
    cr_assert_eq(rf_store_count(lsf.d.store, TABLE_HEAD), 2);
    df_next_register(&lsf.d, rf_add_epoch_2);
    struct env *e = df_begin(&lsf.d);
    cr_assert(lists_epoch_is_needed(lsf.d.lists, e, 1));
    df_commit(&lsf.d);
    df_pass(&lsf.d, registry_epoch(lsf.d.registry, 1)->not_after + CPIS_MS_HOUR - lsf.d.wall);
    df_tick(&lsf.d);
    cr_assert_eq(rf_store_count(lsf.d.store, TABLE_LIST), 64, "it has no list in epoch 2 yet");
    struct df_list next = df_list(&lsf.d, DF_AUTHORITY, 1000, 64);
    next.epoch = 2;
    df_push(&lsf.d, DF_AUTHORITY, &next);
    cr_assert_eq(rf_store_count(lsf.d.store, TABLE_LIST), 128);
    df_tick(&lsf.d);
    cr_assert_eq(rf_store_count(lsf.d.store, TABLE_LIST), 64);
    cr_assert_eq(rf_store_count(lsf.d.store, TABLE_HEAD), 1);
    cr_assert_eq(df_restart(&lsf.d), CPIS_OK);
    lsf.first.version += 5;
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    cr_assert_eq(df_refused(&lsf.d, DF_AUTHORITY), REFUSAL_EPOCH);
}

/* Whoever looks in both epochs finds each authority in one of them. */
Test(lists, in_an_epoch_that_is_over_only_lists_without_a_newer_one_are_searched_and_shown)
{
    struct df_list other = df_list(&lsf.d, DF_AUTHORITY2, 1000, 64); /* the same children */
    struct list_match m[8];
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    df_push(&lsf.d, DF_AUTHORITY2, &other);
    df_next_register(&lsf.d, rf_add_epoch_2);
    df_pass(&lsf.d, registry_epoch(lsf.d.registry, 1)->not_after - 1 - lsf.d.wall);
    struct df_list newer = df_list(&lsf.d, DF_AUTHORITY2, 1000, 64);
    newer.epoch = 2;
    df_push(&lsf.d, DF_AUTHORITY2, &newer);
    df_tick(&lsf.d);
    cr_expect_eq(lsf_matches(1007, m), 2, "until it is over, all of both epochs");
    df_pass(&lsf.d, 1);
    df_tick(&lsf.d);
    const struct cpis_id dark = rf_id(DF_AUTHORITY);
    cr_assert_eq(lsf_matches(1007, m), 1);
    cr_expect(id_equal(&m[0].authority, &dark), "it has none in epoch 2");
    const struct df_list *const told[] = {&lsf.first};
    lsf_assert_state(told, 1);
    /* another directory, a little behind, still shows what we gave up: we do not ask for it */
    const struct df_list *const shown[] = {&lsf.first, &other};
    df_tell_heads(&lsf.d, 2, 1, shown, 2);
    cr_expect_eq(df_sent(&lsf.d, 2, FRAME_LIST_REQUEST, NULL), 0);
    df_push(&lsf.d, DF_AUTHORITY2, &other);
    cr_expect_eq(df_refused(&lsf.d, DF_AUTHORITY2), REFUSAL_EPOCH);
    /* and the one that is still needed can be repaired */
    cr_assert_eq(df_restart(&lsf.d), CPIS_OK);
    df_tell_heads(&lsf.d, 2, 1, told, 1);
    df_tell_heads(&lsf.d, 3, 1, told, 1);
    cr_expect(df_in_state(&lsf.d, DF_AUTHORITY, 1, NULL), "confirmed by other directories");
}

Test(lists, a_crash_between_the_deletions_leaves_nothing_behind)
{
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    uint8_t key[20] = {0, 0, 0, 1};
    const struct cpis_id id = rf_id(DF_AUTHORITY);
    memcpy(key + 4, id.b, sizeof id.b);
    struct env *e = df_begin(&lsf.d);
    emit_delete(e, TABLE_HEAD, key, sizeof key);
    df_commit(&lsf.d);
    cr_assert_eq(df_restart(&lsf.d), CPIS_OK);
    struct list_match m[8];
    cr_assert_eq(lsf_matches(1007, m), 0);
    df_tick(&lsf.d);
    cr_assert_eq(rf_store_count(lsf.d.store, TABLE_LIST), 0);
}
