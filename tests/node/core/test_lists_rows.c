/* A directory's lists between start and end: rows that can not be stop the start, what is half told
 * or half heard is kept or given up as it should be. What is taken over is test_lists.c's. */
#include "tests/fail_malloc.h"
#include "tests/node/core/lists_fixture.h"

#include <assert.h>
#include <criterion/criterion.h>
#include <string.h>

#define LIST_KEY 52U /* epoch(4) authority(16) token(32) */
#define HEAD_KEY 20U /* epoch(4) authority(16) */
#define TELL_KEY 64U /* holder(16) token(32) newcomer(16) */

TestSuite(lists_rows, .init = lsf_begin, .fini = lsf_end);

static void key_of(unsigned author, const struct token *t, uint8_t ret[static LIST_KEY])
{
    const struct cpis_id id = rf_id(author);
    memset(ret, 0, LIST_KEY);
    ret[3] = 1;
    memcpy(ret + 4, id.b, sizeof id.b);
    if (t != NULL) memcpy(ret + HEAD_KEY, t->b, sizeof t->b);
}

static void put(enum table t, const uint8_t *key, size_t key_len, struct bytes value)
{
    emit_persist(df_begin(&lsf.d), t, key, key_len, value);
    df_commit(&lsf.d);
}

static void take_away(enum table t, const uint8_t *key, size_t key_len)
{
    emit_delete(df_begin(&lsf.d), t, key, key_len);
    df_commit(&lsf.d);
}

/* Tried, then taken away again: the rows around it are right. */
static void expect_no_start(enum table t, const uint8_t *key, size_t key_len, struct bytes value,
                            const char *what)
{
    put(t, key, key_len, value);
    cr_expect_eq(df_restart(&lsf.d), CPIS_E_STORE, "%s", what);
    take_away(t, key, key_len);
    cr_assert_eq(df_restart(&lsf.d), CPIS_OK, "%s", what);
}

Test(lists_rows, a_row_that_can_not_be_stops_the_start)
{
    static const uint8_t zeros[TELL_KEY], junk[1] = {0xff};
    const struct bytes salt = {zeros, 16}, not_a_row = {junk, 1};
    uint8_t held[LIST_KEY], other[LIST_KEY], unlisted[LIST_KEY + 1] = {0};
    const struct list_entry more = df_entry(7000);
    struct bytes head;
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    key_of(DF_AUTHORITY, NULL, held);
    key_of(DF_AUTHORITY2, NULL, other);
    key_of(DF_AUTHORITY, &more.token, unlisted);
    const struct rf_row *row = rf_store_find(lsf.d.store, TABLE_HEAD, held, HEAD_KEY);
    cr_assert_not_null(row);
    head = (struct bytes){arena_copy(&lsf.d.a, row->value.p, row->value.len), row->value.len};
    expect_no_start(TABLE_HEAD, other, HEAD_KEY, head, "a head under another authority's key");
    expect_no_start(TABLE_HEAD, other, HEAD_KEY, not_a_row, "no head");
    expect_no_start(TABLE_HEAD, other, HEAD_KEY + 1, head, "a key that is too long for a head");
    expect_no_start(TABLE_LIST, unlisted, LIST_KEY, salt, "an entry that the head does not count");
    expect_no_start(TABLE_LIST, unlisted, LIST_KEY, (struct bytes){zeros, 15}, "a short salt");
    expect_no_start(TABLE_LIST, unlisted, LIST_KEY + 1, salt, "a key that is too long");
    expect_no_start(TABLE_TELL, zeros, TELL_KEY, not_a_row, "no word to tell");
    const struct row_tell tell = {.epoch = 1, .since = 1};
    struct bytes word;
    cr_assert_eq(row_tell_encode(&tell, &lsf.d.a, &word), CPIS_OK);
    expect_no_start(TABLE_TELL, zeros, TELL_KEY - 1, word, "a word to nobody there can be");
}

/* All else is as it should be: the key alone is one byte too long, or another authority's. */
Test(lists_rows, a_list_under_a_key_that_is_not_its_own_stops_the_start)
{
    uint8_t key[LIST_KEY + 1] = {0};
    struct bytes head, salt;
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    key_of(DF_AUTHORITY, NULL, key);
    const struct rf_row *row = rf_store_find(lsf.d.store, TABLE_HEAD, key, HEAD_KEY);
    head = (struct bytes){arena_copy(&lsf.d.a, row->value.p, row->value.len), row->value.len};
    take_away(TABLE_HEAD, key, HEAD_KEY);
    put(TABLE_HEAD, key, HEAD_KEY + 1, head);
    cr_expect_eq(df_restart(&lsf.d), CPIS_E_STORE, "a head's key is too long");
    take_away(TABLE_HEAD, key, HEAD_KEY + 1);
    put(TABLE_HEAD, key, HEAD_KEY, head);
    key_of(DF_AUTHORITY, &lsf.first.entry[3].token, key);
    salt = (struct bytes){lsf.first.entry[3].salt.b, SALT_BYTES};
    take_away(TABLE_LIST, key, LIST_KEY);
    put(TABLE_LIST, key, LIST_KEY + 1, salt);
    cr_expect_eq(df_restart(&lsf.d), CPIS_E_STORE, "an entry's key is too long");
    take_away(TABLE_LIST, key, LIST_KEY + 1);
    put(TABLE_LIST, key, LIST_KEY, salt);
    cr_expect_eq(df_restart(&lsf.d), CPIS_OK);
    for (size_t i = 0; i < lsf.first.n; i++) {
        key_of(DF_AUTHORITY, &lsf.first.entry[i].token, key);
        take_away(TABLE_LIST, key, LIST_KEY);
        key_of(DF_AUTHORITY2, &lsf.first.entry[i].token, key);
        put(TABLE_LIST, key, LIST_KEY, (struct bytes){lsf.first.entry[i].salt.b, SALT_BYTES});
    }
    key_of(DF_AUTHORITY, NULL, key);
    take_away(TABLE_HEAD, key, HEAD_KEY);
    key_of(DF_AUTHORITY2, NULL, key);
    put(TABLE_HEAD, key, HEAD_KEY, head);
    cr_expect_eq(df_restart(&lsf.d), CPIS_E_STORE, "one authority's list under another's name");
}

Test(lists_rows, a_head_kept_from_before_that_can_not_be_read_stops_the_start)
{
    static const uint8_t junk[1] = {0xff};
    const struct df_list second = df_list_next(&lsf.first);
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    df_push_delta(&lsf.d, DF_AUTHORITY, &lsf.first, &second);
    cr_assert_eq(rf_store_count(lsf.d.store, TABLE_HEAD), 2);
    for (size_t i = 0; i < RF_ROWS; i++) {
        const struct rf_row *r = &lsf.d.store->rows[i];
        if (!r->used || r->table != TABLE_HEAD || r->key_len == HEAD_KEY) continue;
        put(TABLE_HEAD, r->key, r->key_len, (struct bytes){junk, 1});
        break;
    }
    cr_expect_eq(df_restart(&lsf.d), CPIS_E_STORE);
}

Test(lists_rows, a_list_half_come_is_given_up_with_the_process)
{
    const size_t half = lsf.first.n / 2;
    const struct msg_list_update m = {
        .epoch = 1,
        .authority = rf_id(DF_AUTHORITY),
        .additions = {lsf.first.entry[0].token.b, half * sizeof lsf.first.entry[0]}};
    df_push_message(&lsf.d, DF_AUTHORITY, &m);
    cr_assert_eq(df_restart(&lsf.d), CPIS_OK); /* that nothing leaks is check-asan's word */
    cr_expect_eq(rf_store_count(lsf.d.store, TABLE_LIST), 0);
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    cr_expect(df_in_state(&lsf.d, DF_AUTHORITY, 1, NULL));
}

Test(lists_rows, a_peer_that_holds_the_same_list_gets_its_newest_signature_alone)
{
    struct df_list again = lsf.first;
    struct bytes b;
    struct msg_list_update m;
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    again.time += 1000;
    df_push_delta(&lsf.d, DF_AUTHORITY, &lsf.first, &again);
    const struct cpis_id id = rf_id(2);
    const struct msg_list_request asked = {
        .epoch = 1, .authority = rf_id(DF_AUTHORITY), .have = df_list_id(&again)};
    lists_recv_request(lsf.d.lists, df_begin(&lsf.d), &id, &asked);
    df_commit(&lsf.d);
    cr_assert_eq(df_sent(&lsf.d, 2, FRAME_LIST_UPDATE, &b), 1);
    cr_assert_eq(list_update_decode(b, &lsf.d.a, &m), CPIS_OK);
    cr_expect_eq(m.additions.len, 0);
    cr_expect(hash_equal(&m.from, &asked.have), "it stands on the list that is held");
    cr_assert_eq(m.heads_count, 1);
    struct msg_head h;
    cr_assert_eq(head_decode(m.heads[0].body, &lsf.d.a, &h), CPIS_OK);
    cr_expect_eq(h.time, again.time);
}

/* --- a child in two lists --- */

static void list_in_both(struct df_list *newcomer)
{
    struct df_list with;
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    *newcomer = df_list(&lsf.d, DF_AUTHORITY2, 2000, 64);
    df_push(&lsf.d, DF_AUTHORITY2, newcomer);
    with = df_list_next(newcomer);
    df_list_add(&with, 1007);
    df_push_delta(&lsf.d, DF_AUTHORITY2, newcomer, &with);
    *newcomer = with;
    cr_assert_eq(rf_store_count(lsf.d.store, TABLE_TELL), 1);
}

static void hear_it(void)
{
    const struct cpis_id id = rf_id(DF_AUTHORITY);
    const struct msg_listed_elsewhere_heard m = {df_entry(1007).token, rf_id(DF_AUTHORITY2)};
    lists_recv_heard(lsf.d.lists, df_begin(&lsf.d), &id, &m);
    df_commit(&lsf.d);
}

static void leave_again(struct df_list *newcomer)
{
    struct df_list without = df_list_next(newcomer);
    df_list_remove(&without, 1007);
    df_push_delta(&lsf.d, DF_AUTHORITY2, newcomer, &without);
    *newcomer = without;
}

Test(lists_rows, who_was_first_is_told_when_it_comes_and_what_it_has_heard_is_told_no_more)
{
    struct df_list newcomer;
    list_in_both(&newcomer);
    df_appear(&lsf.d, DF_AUTHORITY, 5);
    cr_expect_eq(df_sent(&lsf.d, DF_AUTHORITY, FRAME_LISTED_ELSEWHERE, NULL), 1);
    cr_expect_eq(df_sent(&lsf.d, DF_AUTHORITY2, FRAME_LISTED_ELSEWHERE, NULL), 0);
    cr_assert_eq(df_restart(&lsf.d), CPIS_OK);
    df_appear(&lsf.d, DF_AUTHORITY, 6);
    cr_expect_eq(df_sent(&lsf.d, DF_AUTHORITY, FRAME_LISTED_ELSEWHERE, NULL), 1,
                 "after a restart too");
    hear_it();
    cr_expect_eq(rf_store_count(lsf.d.store, TABLE_TELL), 0);
    df_appear(&lsf.d, DF_AUTHORITY, 7);
    cr_expect_eq(df_sent(&lsf.d, DF_AUTHORITY, FRAME_LISTED_ELSEWHERE, NULL), 0);
}

Test(lists_rows, what_is_listed_once_again_only_is_not_told_and_is_forgotten_when_the_first_comes)
{
    struct df_list newcomer;
    list_in_both(&newcomer);
    leave_again(&newcomer);
    cr_expect_eq(rf_store_count(lsf.d.store, TABLE_TELL), 1);
    df_appear(&lsf.d, DF_AUTHORITY, 5);
    cr_expect_eq(df_sent(&lsf.d, DF_AUTHORITY, FRAME_LISTED_ELSEWHERE, NULL), 0);
    cr_expect_eq(rf_store_count(lsf.d.store, TABLE_TELL), 0);
}

Test(lists_rows, what_is_listed_once_again_only_is_forgotten_while_the_first_is_there)
{
    struct df_list newcomer;
    list_in_both(&newcomer);
    df_appear(&lsf.d, DF_AUTHORITY, 5);
    cr_expect_eq(rf_store_count(lsf.d.store, TABLE_TELL), 1);
    leave_again(&newcomer);
    cr_expect_eq(rf_store_count(lsf.d.store, TABLE_TELL), 1);
    df_tick(&lsf.d);
    cr_expect_eq(rf_store_count(lsf.d.store, TABLE_TELL), 0);
}

Test(lists_rows, out_of_memory_at_an_authoritys_first_list_leaves_none)
{
    struct signed_message head = df_head(&lsf.d, &lsf.first);
    const struct cpis_id id = rf_id(DF_AUTHORITY);
    const struct msg_list_update m = {.epoch = 1,
                                      .authority = id,
                                      .last = true,
                                      .additions = {lsf.first.entry[0].token.b, lsf.first.n * 48},
                                      .heads = &head,
                                      .heads_count = 1};
    bool taken = false;
    size_t busy = 0;
    for (int n = 0; n < 200 && !taken; n++) {
        struct list_summary s[2];
        struct env *e = df_begin(&lsf.d);
        struct out o;
        fail_malloc_at(n);
        lists_recv_update(lsf.d.lists, e, &id, &m);
        fail_malloc_at(-1);
        while (queue_pop(&lsf.d.node.queue, &o))
            busy += o.type == OUT_SEND;
        taken = df_in_state(&lsf.d, DF_AUTHORITY, 1, NULL);
        if (!taken) cr_expect_eq(lists_summary(lsf.d.lists, s, 2), 0, "allocation %d", n);
        if (!lsf.d.node.queue.failed) continue;
        cr_assert_eq(df_restart(&lsf.d), CPIS_OK); /* the driver's duty */
        taken = false;
    }
    cr_expect(taken);
    cr_expect_gt(busy, 1, "refused as busy at least once");
}
