/* A directory that starts with lists: they are searched at once, and deny nothing before others
 * have confirmed that they are the newest. */
#include "tests/node/core/lists_fixture.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

Test(lists, a_directory_with_nothing_held_is_ready_at_once) { cr_assert(lists_ready(lsf.d.lists)); }

Test(lists, after_a_restart_lists_are_searched_but_heads_are_not_in_S)
{
    struct list_match m[8];
    lsf_hold_and_restart();
    cr_assert_eq(lsf_matches(1007, m), 1);
    lsf_assert_state(lsf_none, 0);
    cr_assert_not(lists_ready(lsf.d.lists));
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

static size_t matches_of_token(const struct token *t, struct list_match *ret)
{
    const struct registry_epoch *ep = registry_epoch(lsf.d.registry, 1);
    const struct msg_lookup m = df_lookup(&lsf.d, 1000);
    const struct handle h = handle_make(1, &m.query_id, &m.rid);
    const struct tag tag = handle_tag(t, &h);
    return lists_match(lsf.d.lists, ep, &h, token_bucket(t, ep->bucket_bits), &tag, ret, 8);
}

Test(lists, a_list_is_whole_after_a_restart_in_whatever_order_its_rows_come)
{
    struct list_match m[8];
    struct df_list alike = df_list(&lsf.d, DF_AUTHORITY2, 3000, 64);
    for (size_t i = 0; i < alike.n; i++)
        alike.entry[i].token.b[0] = i < 2 ? 0xff : 0x07;
    qsort(alike.entry, alike.n, sizeof alike.entry[0], by_token);
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    df_push(&lsf.d, DF_AUTHORITY2, &alike);
    scan_in_order = lsf.d.store->view.scan;
    lsf.d.store->view.scan = scan_from_the_end;
    cr_assert_eq(df_restart(&lsf.d), CPIS_OK);
    cr_assert_eq(lsf_matches(1007, m), 1);
    cr_assert_eq(matches_of_token(&alike.entry[40].token, m), 1);
    cr_assert_eq(matches_of_token(&alike.entry[63].token, m), 1);
}

Test(lists, a_crash_loses_nothing_and_S_is_the_same_once_confirmed)
{
    struct list_match m[8];
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    struct df_list other = df_list(&lsf.d, DF_AUTHORITY2, 3000, 64),
                   next = df_list_next(&lsf.first);
    df_push(&lsf.d, DF_AUTHORITY2, &other);
    df_list_add(&next, 9000);
    df_push_delta(&lsf.d, DF_AUTHORITY, &lsf.first, &next);
    struct cpis_hash before = lists_state(lsf.d.lists, 1);
    cr_assert_eq(df_restart(&lsf.d), CPIS_OK);
    struct env *e = df_begin(&lsf.d);
    lists_accept_heads(lsf.d.lists, e);
    df_commit(&lsf.d);
    struct cpis_hash after = lists_state(lsf.d.lists, 1);
    cr_assert(hash_equal(&before, &after));
    cr_assert_eq(lsf_matches(9000, m), 1);
    cr_assert_eq(lsf_matches(3005, m), 1);
    cr_assert(lists_ready(lsf.d.lists));
    cr_assert_eq(rf_store_count(lsf.d.store, TABLE_LOG), 1, "by hand, so it is logged");
}

Test(lists, the_authoritys_own_push_confirms)
{
    lsf_hold_and_restart();
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    const struct df_list *const l[] = {&lsf.first};
    lsf_assert_state(l, 1);
    cr_assert(lists_ready(lsf.d.lists));
}

Test(lists, n_minus_t_plus_1_others_that_tell_the_same_confirm)
{
    lsf_hold_and_restart();
    const struct df_list *const told[] = {&lsf.first};
    df_tell_heads(&lsf.d, 2, 1, told, 1);
    df_tell_heads(&lsf.d, 2, 1, told, 1);
    cr_assert_not(df_in_state(&lsf.d, DF_AUTHORITY, 1, NULL), "one directory twice is one");
    df_tell_heads(&lsf.d, 3, 1, told, 1);
    cr_assert(df_in_state(&lsf.d, DF_AUTHORITY, 1, NULL));
}

Test(lists, others_that_hold_less_confirm_too)
{
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    struct df_list next = df_list_next(&lsf.first);
    df_push_delta(&lsf.d, DF_AUTHORITY, &lsf.first, &next);
    cr_assert_eq(df_restart(&lsf.d), CPIS_OK);
    const struct df_list *const told[] = {&lsf.first};
    df_tell_heads(&lsf.d, 2, 1, told, 1);
    df_tell_heads(&lsf.d, 3, 1, lsf_none, 0);
    cr_assert(df_in_state(&lsf.d, DF_AUTHORITY, 1, NULL));
}

Test(lists, a_directory_back_from_an_old_backup_denies_nothing_before_it_has_caught_up)
{
    lsf_hold_and_restart();
    struct df_list next = df_list_next(&lsf.first);
    df_list_add(&next, 9000);
    const struct df_list *const told[] = {&next};
    df_tell_heads(&lsf.d, 2, 1, told, 1);
    cr_assert_eq(df_sent(&lsf.d, 2, FRAME_LIST_REQUEST, NULL), 1);
    df_tell_heads(&lsf.d, 3, 1, told, 1);
    cr_assert_not(df_in_state(&lsf.d, DF_AUTHORITY, 1, NULL));
    df_push(&lsf.d, 2, &next);
    cr_assert_eq(lsf_held_version(DF_AUTHORITY), next.version);
    cr_assert_not(df_in_state(&lsf.d, DF_AUTHORITY, 1, NULL),
                  "another directory's word is not enough");
    df_tell_heads(&lsf.d, 2, 1, told, 1);
    df_tell_heads(&lsf.d, 3, 1, told, 1);
    cr_assert(df_in_state(&lsf.d, DF_AUTHORITY, 1, NULL));
}

Test(lists, directories_that_all_restart_confirm_with_one_that_was_rolled_back)
{
    struct df_list second = df_list_next(&lsf.first), third = df_list_next(&second);
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    df_push_delta(&lsf.d, DF_AUTHORITY, &lsf.first, &second);
    df_push_delta(&lsf.d, DF_AUTHORITY, &second, &third);
    cr_assert_eq(df_restart(&lsf.d), CPIS_OK);
    const struct df_list *const old[] = {&lsf.first}, *const held[] = {&third};
    df_tell_heads(&lsf.d, 2, 1, old, 1);
    cr_assert_not(df_in_state(&lsf.d, DF_AUTHORITY, 1, NULL), "one is not enough");
    df_tell_heads(&lsf.d, 3, 1, held, 1);
    cr_assert(df_in_state(&lsf.d, DF_AUTHORITY, 1, NULL),
              "a list that ours has followed says no more");
}

Test(lists, heads_count_only_from_directories)
{
    lsf_hold_and_restart();
    const struct df_list *const told[] = {&lsf.first};
    df_tell_heads(&lsf.d, DF_QUERY, 1, told, 1);
    cr_assert_eq(df_event(&lsf.d, EVENT_ROLE_WRONG), 1);
    df_tell_heads(&lsf.d, DF_AUTHORITY2, 1, told, 1);
    cr_assert_eq(df_event(&lsf.d, EVENT_ROLE_WRONG), 1);
    cr_assert_not(df_in_state(&lsf.d, DF_AUTHORITY, 1, NULL));
}

Test(lists, a_store_whose_rows_do_not_fit_stops_the_start)
{
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    uint8_t key[52] = {0, 0, 0, 1};
    const struct cpis_id id = rf_id(DF_AUTHORITY);
    memcpy(key + 4, id.b, sizeof id.b);
    memcpy(key + 20, lsf.first.entry[5].token.b, 32);
    struct env *e = df_begin(&lsf.d);
    emit_delete(e, TABLE_LIST, key, sizeof key);
    df_commit(&lsf.d);
    cr_assert_eq(df_restart(&lsf.d), CPIS_E_STORE);
}

Test(lists, a_salt_that_has_changed_on_disk_stops_the_start)
{
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    uint8_t key[52] = {0, 0, 0, 1};
    const struct cpis_id id = rf_id(DF_AUTHORITY);
    memcpy(key + 4, id.b, sizeof id.b);
    memcpy(key + 20, lsf.first.entry[5].token.b, 32);
    struct env *e = df_begin(&lsf.d);
    emit_persist(e, TABLE_LIST, key, sizeof key, (struct bytes){key, 16});
    df_commit(&lsf.d);
    cr_assert_eq(df_restart(&lsf.d), CPIS_E_STORE);
}
