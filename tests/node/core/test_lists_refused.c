/* Lists that a directory refuses: what it held before stays searched. */
#include "tests/node/core/lists_fixture.h"

#include <criterion/criterion.h>
#include <string.h>

static void assert_kept(enum refusal why)
{
    struct list_match m[8];
    struct bytes b;
    struct msg_list_refused r;
    cr_assert_eq(df_refused(&lsf.d, DF_AUTHORITY), why, "said %d",
                 df_refused(&lsf.d, DF_AUTHORITY));
    cr_assert_eq(df_event(&lsf.d, EVENT_LIST_REFUSED), 1);
    cr_assert_eq(lsf_held_version(DF_AUTHORITY), lsf.first.version);
    cr_assert_eq(lsf_matches(1007, m), 1);
    cr_assert_eq(df_sent_signed(&lsf.d, 0, SIGNED_RECEIPT, NULL), 0);
    cr_assert_eq(rf_store_count(lsf.d.store, TABLE_LIST), lsf.first.n);
    (void)df_sent(&lsf.d, DF_AUTHORITY, FRAME_LIST_REFUSED, &b);
    cr_assert_eq(list_refused_decode(b, &lsf.d.a, &r), CPIS_OK);
    cr_assert_eq(r.held_count, 1, "the head held is told");
}

Test(lists, a_list_that_does_not_follow_the_one_held_is_refused)
{
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    struct df_list next = df_list_next(&lsf.first);
    next.prev_count = 0;
    df_push(&lsf.d, DF_AUTHORITY, &next);
    assert_kept(REFUSAL_NOT_DESCENDANT);
}

Test(lists, a_chain_with_a_gap_is_refused)
{
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    struct df_list second = df_list_next(&lsf.first), third = df_list_next(&second);
    third.prev_count = 0;
    const struct df_list *const chain[] = {&second, &third};
    df_push_chain(&lsf.d, DF_AUTHORITY, chain, 2);
    assert_kept(REFUSAL_NOT_DESCENDANT);
}

Test(lists, a_chain_whose_versions_do_not_rise_is_refused)
{
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    struct df_list second = df_list_next(&lsf.first), third = df_list_next(&second);
    third.version = second.version;
    const struct df_list *const chain[] = {&second, &third};
    df_push_chain(&lsf.d, DF_AUTHORITY, chain, 2);
    assert_kept(REFUSAL_NOT_DESCENDANT);
}

Test(lists, a_follower_with_a_lower_version_is_refused)
{
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    struct df_list next = df_list_next(&lsf.first);
    next.version = lsf.first.version - 1;
    df_push(&lsf.d, DF_AUTHORITY, &next);
    assert_kept(REFUSAL_NOT_DESCENDANT);
}

Test(lists, changes_on_a_base_that_is_not_held_are_refused)
{
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    struct df_list second = df_list_next(&lsf.first), third = df_list_next(&second);
    df_push_delta(&lsf.d, DF_AUTHORITY, &second, &third);
    assert_kept(REFUSAL_BASE);
}

Test(lists, changes_to_nothing_are_refused)
{
    struct df_list second = df_list_next(&lsf.first);
    df_push_delta(&lsf.d, DF_AUTHORITY, &lsf.first, &second);
    cr_assert_eq(df_refused(&lsf.d, DF_AUTHORITY), REFUSAL_BASE);
    cr_assert_eq(lsf_held_version(DF_AUTHORITY), 0);
}

Test(lists, a_head_from_over_two_minutes_ahead_is_refused_and_the_authority_told)
{
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    struct df_list next = df_list_next(&lsf.first);
    next.time = lsf.d.wall + 120001;
    df_push(&lsf.d, DF_AUTHORITY, &next);
    assert_kept(REFUSAL_FUTURE);
    next.time = lsf.d.wall + 120000;
    df_push(&lsf.d, DF_AUTHORITY, &next);
    cr_assert_eq(lsf_held_version(DF_AUTHORITY), next.version);
}

Test(lists, a_version_from_over_two_minutes_ahead_is_refused)
{
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    struct df_list next = df_list_next(&lsf.first);
    next.version = lsf.d.wall + 120001;
    df_push(&lsf.d, DF_AUTHORITY, &next);
    assert_kept(REFUSAL_FUTURE);
}

Test(lists, a_head_of_the_future_that_gossip_brings_is_told_to_its_authority)
{
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    struct df_list next = df_list_next(&lsf.first);
    next.time = lsf.d.wall + 200000;
    df_push(&lsf.d, 2, &next);
    assert_kept(REFUSAL_FUTURE);
}

Test(lists, entries_that_do_not_give_the_root_are_refused)
{
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    struct df_list next = df_list_next(&lsf.first), other = next;
    df_list_add(&next, 7000);
    df_list_add(&other, 7001);
    struct signed_message head = df_head(&lsf.d, &next);
    const struct msg_list_update m = {.epoch = 1,
                                      .authority = rf_id(DF_AUTHORITY),
                                      .last = true,
                                      .additions = {other.entry[0].token.b, other.n * 48},
                                      .heads = &head,
                                      .heads_count = 1};
    df_push_message(&lsf.d, DF_AUTHORITY, &m);
    assert_kept(REFUSAL_ROOT);
}

Test(lists, a_removal_of_what_is_not_there_is_refused)
{
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    struct df_list next = df_list_next(&lsf.first), base = lsf.first;
    df_list_add(&base, 7000); /* thinks that we hold 7000 */
    struct signed_message head = df_head(&lsf.d, &next);
    const struct list_entry gone = df_entry(7000);
    const struct msg_list_update m = {.epoch = 1,
                                      .authority = rf_id(DF_AUTHORITY),
                                      .from = df_list_id(&lsf.first),
                                      .last = true,
                                      .removals = {gone.token.b, 32},
                                      .heads = &head,
                                      .heads_count = 1};
    df_push_message(&lsf.d, DF_AUTHORITY, &m);
    assert_kept(REFUSAL_ROOT);
}

Test(lists, a_removal_past_the_end_of_the_list_is_refused)
{
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    struct df_list next = df_list_next(&lsf.first);
    struct signed_message head = df_head(&lsf.d, &next);
    struct token last;
    memset(last.b, 0xff, sizeof last.b);
    const struct msg_list_update m = {.epoch = 1,
                                      .authority = rf_id(DF_AUTHORITY),
                                      .from = df_list_id(&lsf.first),
                                      .last = true,
                                      .removals = {last.b, 32},
                                      .heads = &head,
                                      .heads_count = 1};
    df_push_message(&lsf.d, DF_AUTHORITY, &m);
    assert_kept(REFUSAL_ROOT);
}

Test(lists, an_addition_of_what_is_there_already_is_refused)
{
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    struct df_list next = df_list_next(&lsf.first);
    struct signed_message head = df_head(&lsf.d, &next);
    const struct msg_list_update m = {.epoch = 1,
                                      .authority = rf_id(DF_AUTHORITY),
                                      .from = df_list_id(&lsf.first),
                                      .last = true,
                                      .additions = {lsf.first.entry[3].token.b, 48},
                                      .heads = &head,
                                      .heads_count = 1};
    df_push_message(&lsf.d, DF_AUTHORITY, &m);
    assert_kept(REFUSAL_ROOT);
}

Test(lists, additions_out_of_order_are_refused)
{
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    struct df_list next = df_list_next(&lsf.first);
    struct signed_message head = df_head(&lsf.d, &next);
    struct list_entry twice[2] = {next.entry[1], next.entry[0]};
    const struct msg_list_update m = {.epoch = 1,
                                      .authority = rf_id(DF_AUTHORITY),
                                      .last = true,
                                      .additions = {twice[0].token.b, 96},
                                      .heads = &head,
                                      .heads_count = 1};
    df_push_message(&lsf.d, DF_AUTHORITY, &m);
    assert_kept(REFUSAL_MALFORMED);
}

Test(lists, a_head_with_a_wrong_signature_is_refused)
{
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    struct df_list next = df_list_next(&lsf.first);
    struct signed_message head = df_head(&lsf.d, &next);
    head.signature.b[0] ^= 1;
    const struct msg_list_update m = {.epoch = 1,
                                      .authority = rf_id(DF_AUTHORITY),
                                      .last = true,
                                      .additions = {next.entry[0].token.b, next.n * 48},
                                      .heads = &head,
                                      .heads_count = 1};
    df_push_message(&lsf.d, DF_AUTHORITY, &m);
    cr_assert_eq(df_event(&lsf.d, EVENT_SIGNATURE_WRONG), 1);
    assert_kept(REFUSAL_MALFORMED);
}

Test(lists, a_head_sent_as_another_type_is_refused)
{
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    struct df_list next = df_list_next(&lsf.first);
    struct signed_message head = df_head(&lsf.d, &next);
    head.type = SIGNED_ACK;
    const struct msg_list_update m = {.epoch = 1,
                                      .authority = rf_id(DF_AUTHORITY),
                                      .last = true,
                                      .additions = {next.entry[0].token.b, next.n * 48},
                                      .heads = &head,
                                      .heads_count = 1};
    df_push_message(&lsf.d, DF_AUTHORITY, &m);
    assert_kept(REFUSAL_MALFORMED);
}

Test(lists, a_head_of_another_authority_is_refused)
{
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    struct df_list other = df_list(&lsf.d, DF_AUTHORITY2, 1000, 64);
    struct signed_message head = df_head(&lsf.d, &other);
    const struct msg_list_update m = {.epoch = 1,
                                      .authority = rf_id(DF_AUTHORITY),
                                      .last = true,
                                      .additions = {other.entry[0].token.b, other.n * 48},
                                      .heads = &head,
                                      .heads_count = 1};
    df_push_message(&lsf.d, DF_AUTHORITY, &m);
    assert_kept(REFUSAL_MALFORMED);
}

Test(lists, a_head_of_another_epoch_is_refused)
{
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    struct df_list next = df_list_next(&lsf.first);
    next.epoch = 2;
    struct signed_message head = df_head(&lsf.d, &next);
    const struct msg_list_update m = {.epoch = 1,
                                      .authority = rf_id(DF_AUTHORITY),
                                      .last = true,
                                      .additions = {next.entry[0].token.b, next.n * 48},
                                      .heads = &head,
                                      .heads_count = 1};
    df_push_message(&lsf.d, DF_AUTHORITY, &m);
    assert_kept(REFUSAL_MALFORMED);
}

Test(lists, an_update_without_a_head_is_refused)
{
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    const struct msg_list_update m = {.epoch = 1, .authority = rf_id(DF_AUTHORITY), .last = true};
    df_push_message(&lsf.d, DF_AUTHORITY, &m);
    assert_kept(REFUSAL_MALFORMED);
}

Test(lists, an_epoch_that_no_register_carries_is_refused)
{
    lsf.first.epoch = 9;
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    cr_assert_eq(df_refused(&lsf.d, DF_AUTHORITY), REFUSAL_EPOCH);
}

Test(lists, an_authority_can_not_push_in_anothers_name)
{
    df_push(&lsf.d, DF_AUTHORITY2, &lsf.first);
    cr_assert_eq(df_event(&lsf.d, EVENT_ROLE_WRONG), 1);
    cr_assert_eq(lsf_held_version(DF_AUTHORITY), 0);
}

Test(lists, a_query_node_can_not_push)
{
    df_push(&lsf.d, DF_QUERY, &lsf.first);
    cr_assert_eq(df_event(&lsf.d, EVENT_ROLE_WRONG), 1);
    cr_assert_eq(lsf_held_version(DF_AUTHORITY), 0);
}

static void limit_to_64(struct msg_register *m, struct arena *a)
{
    (void)a;
    for (size_t i = 0; i < m->nodes_count; i++)
        if (m->nodes[i].tokens_max > 0) m->nodes[i].tokens_max = 64;
}

Test(lists, more_entries_than_the_descriptor_allows_are_refused)
{
    df_next_register(&lsf.d, limit_to_64);
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    struct df_list next = df_list_next(&lsf.first);
    df_list_add(&next, 7000);
    df_push(&lsf.d, DF_AUTHORITY, &next);
    assert_kept(REFUSAL_LIMIT);
    df_push_delta(&lsf.d, DF_AUTHORITY, &lsf.first, &next);
    assert_kept(REFUSAL_LIMIT);
}

Test(lists, parts_are_not_gathered_beyond_the_limit)
{
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    df_next_register(&lsf.d, limit_to_64);
    struct df_list next = df_list_next(&lsf.first);
    df_list_add(&next, 7000);
    const struct msg_list_update m = {.epoch = 1,
                                      .authority = rf_id(DF_AUTHORITY),
                                      .additions = {next.entry[0].token.b, next.n * 48}};
    df_push_message(&lsf.d, DF_AUTHORITY, &m);
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
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    df_next_register(&lsf.d, suspend);
    struct df_list next = df_list_next(&lsf.first);
    df_push(&lsf.d, DF_AUTHORITY, &next);
    assert_kept(REFUSAL_SUSPENDED);
    const struct df_list *const l[] = {&lsf.first};
    lsf_assert_state(l, 1);
}

Test(lists, a_suspended_authoritys_head_is_not_refreshed_either)
{
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    df_next_register(&lsf.d, suspend);
    struct df_list again = lsf.first;
    again.time += 1000;
    const struct df_list *const told[] = {&again}, *const l[] = {&lsf.first};
    df_tell_heads(&lsf.d, 2, 1, told, 1);
    lsf_assert_state(l, 1);
}

/* --- shrink guard --- */

static struct df_list shrunk_to(size_t n)
{
    struct df_list next = df_list_next(&lsf.first);
    for (unsigned i = 0; next.n > n; i++)
        df_list_remove(&next, 1000 + i);
    return next;
}

Test(lists, a_fall_below_80_percent_that_nobody_confirmed_is_refused)
{
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    struct df_list next = shrunk_to(51); /* 80 % of 64 is 51.2 */
    df_push_delta(&lsf.d, DF_AUTHORITY, &lsf.first, &next);
    cr_assert_eq(df_refused(&lsf.d, DF_AUTHORITY), REFUSAL_SHRINK);
    cr_assert_eq(lsf_held_version(DF_AUTHORITY), lsf.first.version);
    next.shrink_confirmed = true;
    df_push_delta(&lsf.d, DF_AUTHORITY, &lsf.first, &next);
    cr_assert_eq(lsf_held_version(DF_AUTHORITY), next.version);
}

Test(lists, a_fall_to_just_above_80_percent_is_let_through)
{
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    struct df_list next = shrunk_to(52);
    df_push_delta(&lsf.d, DF_AUTHORITY, &lsf.first, &next);
    cr_assert_eq(lsf_held_version(DF_AUTHORITY), next.version);
}

Test(lists, small_steps_add_up_over_seven_days_even_across_a_restart)
{
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    df_pass(&lsf.d, 3 * CPIS_MS_DAY);
    struct df_list a = shrunk_to(55);
    df_push_delta(&lsf.d, DF_AUTHORITY, &lsf.first, &a);
    cr_assert_eq(lsf_held_version(DF_AUTHORITY), a.version);
    cr_assert_eq(df_restart(&lsf.d), CPIS_OK);
    df_pass(&lsf.d, 3 * CPIS_MS_DAY);
    struct df_list b = df_list_next(&a);
    for (unsigned i = 0; i < 6; i++)
        df_list_remove(&b, 1040 + i);
    df_push_delta(&lsf.d, DF_AUTHORITY, &a, &b);
    cr_assert_eq(df_refused(&lsf.d, DF_AUTHORITY), REFUSAL_SHRINK);
    df_pass(&lsf.d, 3 * CPIS_MS_DAY);
    df_push_delta(&lsf.d, DF_AUTHORITY, &a, &b);
    cr_assert_eq(lsf_held_version(DF_AUTHORITY), b.version, "the highest is over seven days ago");
}

Test(lists, after_a_confirmed_fall_the_next_list_needs_no_confirmation)
{
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    struct df_list next = shrunk_to(20);
    next.shrink_confirmed = true;
    struct df_list third = df_list_next(&next);
    const struct df_list *const chain[] = {&next, &third};
    df_push_chain(&lsf.d, 2, chain, 2);
    cr_assert_eq(lsf_held_version(DF_AUTHORITY), third.version);
    struct df_list fourth = df_list_next(&third);
    df_push_delta(&lsf.d, DF_AUTHORITY, &third, &fourth);
    cr_assert_eq(lsf_held_version(DF_AUTHORITY), fourth.version);
}

Test(lists, ten_entries_fewer_of_a_small_list_are_no_alarm)
{
    struct df_list small = df_list(&lsf.d, DF_AUTHORITY, 1000, 12), next = df_list_next(&small);
    df_push(&lsf.d, DF_AUTHORITY, &small);
    for (unsigned i = 0; i < 10; i++)
        df_list_remove(&next, 1000 + i);
    df_push_delta(&lsf.d, DF_AUTHORITY, &small, &next);
    cr_assert_eq(lsf_held_version(DF_AUTHORITY), next.version);
}
