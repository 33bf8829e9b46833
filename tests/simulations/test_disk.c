/* Both stores behind one interface: the same script gives the same rows, and the same faults leave
 * the same last commit. */
#include "simulations/disk.h"
#include "tests/storage/tmp.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

static struct disk *memory, *real;
static void open_both(void)
{
    struct disk_conf conf = {.seed = 1, .name = "node"};
    cr_assert_eq(disk_open(&conf, &memory), CPIS_OK);
    conf.dir = tmp_path("");
    cr_assert_eq(disk_open(&conf, &real), CPIS_OK);
}
static void setup(void)
{
    cr_assert_geq(sodium_init(), 0);
    tmp_make();
    open_both();
}
static void teardown(void)
{
    disk_close(&memory);
    disk_close(&real);
    tmp_remove();
}
TestSuite(disk, .init = setup, .fini = teardown);

static void put(struct disk *d, enum table t, const char *key, const char *value)
{
    disk_put(d, t, (const uint8_t *)key, strlen(key), (const uint8_t *)value, strlen(value));
}
static void delete (struct disk *d, enum table t, const char *key)
{
    disk_delete(d, t, (const uint8_t *)key, strlen(key));
}

static char text[4096];
static bool note(void *arg, const struct row *row)
{
    const size_t at = strlen(text);
    (void)snprintf(text + at, sizeof text - at, "%.*s=%.*s ", (int)row->key_len,
                   (const char *)row->key, (int)row->value_len, (const char *)row->value);
    return arg == NULL;
}
static const char *seen(struct disk *d, enum table t, const char *prefix, bool newest_first)
{
    const struct view *v = disk_view(d);
    text[0] = '\0';
    cr_assert_eq(
        v->scan(v->ctx, t, (const uint8_t *)prefix, strlen(prefix), newest_first, note, NULL),
        CPIS_OK);
    return text;
}
static bool are_equal(void)
{
    struct rows *a = disk_copy(memory, DISK_SNAPSHOT), *b = disk_copy(real, DISK_SNAPSHOT);
    enum table t;
    const bool differ = rows_differ(a, b, &t);
    rows_free(&a);
    rows_free(&b);
    return !differ;
}
#define EACH(d) for (struct disk *d = memory; d != NULL; d = d == memory ? real : NULL)

static void script(struct disk *d, unsigned part)
{
    for (unsigned i = 0; i < 400; i++) {
        char key[64], value[64];
        const unsigned k = i * 7919U % 199U;
        (void)snprintf(key, sizeof key, "%010u-%03u", k % 13, k);
        (void)snprintf(value, sizeof value, "value %u of %u", i, part);
        if (i % 5 == part % 5)
            delete (d, i % 2 == 0 ? TABLE_META : TABLE_HISTORY, key);
        else
            put(d, i % 2 == 0 ? TABLE_META : TABLE_HISTORY, key, value);
        if (i % 50 == 49) cr_assert_eq(disk_commit(d), CPIS_OK);
    }
}

Test(disk, one_script_gives_the_same_rows_in_both_stores)
{
    for (unsigned part = 0; part < 3; part++) {
        EACH(d) script(d, part);
        cr_expect(are_equal());
        cr_expect_eq(disk_count(memory, TABLE_META), disk_count(real, TABLE_META));
        cr_expect_gt(disk_count(memory, TABLE_HISTORY), 50);
    }
    put(memory, TABLE_META, "one more", "");
    cr_assert_eq(disk_commit(memory), CPIS_OK);
    cr_expect_not(are_equal());
}

Test(disk, a_batch_is_seen_before_its_commit_in_order_and_from_the_end)
{
    EACH(d)
    {
        put(d, TABLE_META, "b1", "x");
        put(d, TABLE_META, "b3", "y");
        put(d, TABLE_META, "a", "0");
        put(d, TABLE_META, "c", "0");
        cr_assert_eq(disk_commit(d), CPIS_OK);
        put(d, TABLE_META, "b2", "z");
        put(d, TABLE_META, "b1", "w");
        delete (d, TABLE_META, "b3");
        cr_expect_str_eq(seen(d, TABLE_META, "b", false), "b1=w b2=z ");
        cr_expect_str_eq(seen(d, TABLE_META, "b", true), "b2=z b1=w ");
        cr_expect_str_eq(seen(d, TABLE_META, "", true), "c=0 b2=z b1=w a=0 ");
        cr_expect_str_eq(seen(d, TABLE_META, "d", true), "");
        disk_abort(d);
        cr_expect_str_eq(seen(d, TABLE_META, "", false), "a=0 b1=x b3=y c=0 ");
    }
}

Test(disk, a_crash_leaves_the_last_commit_and_nothing_else)
{
    EACH(d)
    {
        put(d, TABLE_META, "kept", "1");
        put(d, TABLE_META, "changed", "1");
        cr_assert_eq(disk_commit(d), CPIS_OK);
        put(d, TABLE_META, "changed", "2");
        put(d, TABLE_META, "new", "2");
        put(d, TABLE_META, "new", "3");
        delete (d, TABLE_META, "new");
        delete (d, TABLE_META, "kept");
        disk_crash(d);
        cr_expect_str_eq(seen(d, TABLE_META, "", false), "changed=1 kept=1 ");
        cr_assert_eq(disk_commit(d), CPIS_OK);
        cr_expect_str_eq(seen(d, TABLE_META, "", false), "changed=1 kept=1 ");
    }
    cr_expect(are_equal());
}

Test(disk, a_commit_that_fails_leaves_the_last_one_and_the_next_may_succeed)
{
    EACH(d)
    {
        put(d, TABLE_META, "a", "1");
        cr_assert_eq(disk_commit(d), CPIS_OK);
        disk_faults(d)->fail_next = 1;
        cr_assert_eq(disk_commit(d), CPIS_OK, "nothing to write: no disk is touched");
        put(d, TABLE_META, "a", "2");
        cr_expect_eq(disk_commit(d), CPIS_E_STORE);
        cr_expect_str_eq(seen(d, TABLE_META, "", false), "a=1 ");
        put(d, TABLE_META, "a", "3");
        cr_expect_eq(disk_commit(d), CPIS_OK);
        cr_expect_str_eq(seen(d, TABLE_META, "", false), "a=3 ");
    }
    cr_expect(are_equal());
}

Test(disk, commits_fail_in_a_thousand_at_the_same_moments_in_both)
{
    unsigned failed[2][500], count[2] = {0};
    EACH(d)
    {
        const unsigned which = d == real;
        disk_faults(d)->fail_permille = 100;
        for (unsigned i = 0; i < 500; i++) {
            put(d, TABLE_META, "a", "1");
            failed[which][i] = disk_commit(d) != CPIS_OK;
            count[which] += failed[which][i];
        }
    }
    cr_expect(count[0] > 30 && count[0] < 75, "%u", count[0]);
    cr_expect_eq(memcmp(failed[0], failed[1], sizeof failed[0]), 0);
}

Test(disk, a_full_disk_takes_deletes_only_until_there_is_room)
{
    EACH(d)
    {
        put(d, TABLE_META, "a", "1");
        put(d, TABLE_META, "b", "1");
        cr_assert_eq(disk_commit(d), CPIS_OK);
        disk_faults(d)->full = true;
        put(d, TABLE_META, "a", "2");
        cr_expect_eq(disk_commit(d), CPIS_E_FULL);
        delete (d, TABLE_META, "b");
        cr_expect_eq(disk_commit(d), CPIS_OK);
        cr_expect_str_eq(seen(d, TABLE_META, "", false), "a=1 ");
        disk_faults(d)->full = false;
        put(d, TABLE_META, "a", "2");
        cr_expect_eq(disk_commit(d), CPIS_OK);
    }
    cr_expect(are_equal());
}

Test(disk, a_slow_disk_says_how_long_and_only_for_a_batch_that_writes)
{
    disk_faults(memory)->latency = (struct delay){.min = 300, .max = 400};
    cr_expect_eq(disk_commit_time(memory), 0);
    put(memory, TABLE_META, "a", "1");
    const sim_us us = disk_commit_time(memory);
    cr_expect(us >= 300 && us <= 400);
}

Test(disk, a_copy_goes_back_as_it_was_and_a_backup_leaves_the_shares_out)
{
    EACH(d)
    {
        put(d, TABLE_META, "a", "1");
        put(d, TABLE_SHARE, "0001", "secret");
        put(d, TABLE_CHILD, "9990000018", "child");
        cr_assert_eq(disk_commit(d), CPIS_OK);
        struct rows *snapshot = disk_copy(d, DISK_SNAPSHOT), *backup = disk_copy(d, DISK_BACKUP);
        put(d, TABLE_META, "a", "2");
        put(d, TABLE_META, "b", "2");
        delete (d, TABLE_CHILD, "9990000018");
        cr_assert_eq(disk_commit(d), CPIS_OK);
        disk_restore(d, backup);
        cr_expect_str_eq(seen(d, TABLE_META, "", false), "a=1 ");
        cr_expect_eq(disk_count(d, TABLE_SHARE), 0);
        disk_restore(d, snapshot);
        cr_expect_eq(disk_count(d, TABLE_SHARE), 1);
        cr_expect_str_eq(seen(d, TABLE_CHILD, "9990000018", false), "9990000018=child ");
        disk_crash(d);
        cr_expect_str_eq(seen(d, TABLE_META, "", false), "a=1 ");
        rows_free(&snapshot);
        rows_free(&backup);
    }
    cr_expect(are_equal());
}

/* --- rows alone --- */

static void key_of(uint32_t i, uint8_t ret[static 8])
{
    for (unsigned b = 0; b < 4; b++)
        ret[b] = ret[4 + b] = (uint8_t)(i >> (24 - 8 * b));
}

struct walk {
    uint32_t next;
    int32_t step;
    unsigned count;
};
static bool walked(void *arg, const struct row *row)
{
    struct walk *w = arg;
    uint8_t want[8];
    key_of(w->next, want);
    cr_assert_eq(memcmp(row->key, want, 8), 0, "row %u", w->next);
    w->next += (uint32_t)w->step;
    w->count++;
    return true;
}

Test(disk, three_hundred_thousand_rows_stay_in_order_through_changes_and_aborts)
{
    const uint32_t many = 300007; /* a prime: i * 7919 % many goes through all */
    struct rows *r = rows_new();
    uint8_t key[8];
    for (uint32_t i = 0; i < many; i++) {
        key_of((uint32_t)((uint64_t)i * 7919 % many), key);
        rows_put(r, TABLE_META, key, sizeof key, key, i % 9);
        if (i % 64 == 0) rows_commit(r);
    }
    rows_commit(r);
    const size_t bytes = rows_bytes(r);
    cr_assert_eq(rows_count(r, TABLE_META), many);
    for (uint32_t i = 0; i < many; i++) { /* a batch that takes three of four away, and is lost */
        key_of((uint32_t)((uint64_t)i * 104729 % many), key);
        if (i % 4 != 0)
            rows_delete(r, TABLE_META, key, sizeof key);
        else
            rows_put(r, TABLE_META, key, sizeof key, (const uint8_t *)"other", 5);
    }
    cr_expect_eq(rows_count(r, TABLE_META), (many + 3) / 4);
    rows_abort(r);
    cr_expect_eq(rows_count(r, TABLE_META), many);
    cr_expect_eq(rows_bytes(r), bytes);
    const struct view v = rows_view(r);
    struct walk up = {0, 1, 0}, down = {many - 1, -1, 0};
    cr_assert_eq(v.scan(v.ctx, TABLE_META, NULL, 0, false, walked, &up), CPIS_OK);
    cr_assert_eq(v.scan(v.ctx, TABLE_META, NULL, 0, true, walked, &down), CPIS_OK);
    cr_expect_eq(up.count, many);
    cr_expect_eq(down.count, many);
    for (uint32_t i = 0; i < many; i++) {
        key_of(i, key);
        rows_delete(r, TABLE_META, key, sizeof key);
    }
    rows_commit(r);
    cr_expect_eq(rows_count(r, TABLE_META), 0);
    cr_expect_eq(rows_bytes(r), 0);
    rows_free(&r);
}

Test(disk, of_a_table_that_is_cut_short_the_newest_rows_stay)
{
    struct rows *r = rows_new();
    uint8_t key[8];
    rows_keep(r, TABLE_EVIDENCE, 10);
    for (uint32_t i = 0; i < 100; i++) {
        key_of(i * 37 % 100, key);
        rows_put(r, TABLE_EVIDENCE, key, sizeof key, key, 8);
        rows_put(r, TABLE_META, key, sizeof key, key, 8);
        if (i % 7 == 0) rows_commit(r);
    }
    rows_commit(r);
    cr_expect_eq(rows_count(r, TABLE_EVIDENCE), 10);
    cr_expect_eq(rows_count(r, TABLE_META), 100);
    for (uint32_t i = 90; i < 100; i++) {
        const struct view v = rows_view(r);
        uint8_t value[8];
        size_t len;
        key_of(i * 37 % 100, key);
        cr_expect_eq(v.get(v.ctx, TABLE_EVIDENCE, key, sizeof key, value, sizeof value, &len),
                     CPIS_OK);
    }
    rows_free(&r);
}

static bool has(struct rows *r, uint32_t i)
{
    const struct view v = rows_view(r);
    uint8_t key[8], value[8];
    size_t len;
    key_of(i, key);
    return v.get(v.ctx, TABLE_EVIDENCE, key, sizeof key, value, sizeof value, &len) == CPIS_OK;
}

Test(disk, of_a_table_that_is_cut_short_what_is_put_again_stays)
{
    struct rows *r = rows_new();
    uint8_t key[8], other[8];
    rows_keep(r, TABLE_EVIDENCE, 10);
    key_of(1000, other);
    for (uint32_t i = 0; i < 100; i++) {
        key_of(i, key);
        rows_put(r, TABLE_EVIDENCE, key, sizeof key, key, 8);
        if (i % 9 == 0) rows_put(r, TABLE_EVIDENCE, other, sizeof other, key, 8);
        if (i % 2 == 0) rows_commit(r);
        cr_expect(has(r, 1000), "%u", i);
    }
    rows_delete(r, TABLE_EVIDENCE, other, sizeof other);
    rows_commit(r);
    for (uint32_t i = 100; i < 108; i++) {
        key_of(i, key);
        rows_put(r, TABLE_EVIDENCE, key, sizeof key, key, 8);
    }
    rows_put(r, TABLE_EVIDENCE, other, sizeof other, key,
             8); /* its first entries are still there */
    rows_commit(r);
    for (uint32_t i = 108; i < 116; i++) {
        key_of(i, key);
        rows_put(r, TABLE_EVIDENCE, key, sizeof key, key, 8);
        rows_commit(r);
        cr_expect(has(r, 1000), "%u", i);
    }
    rows_free(&r);
}
