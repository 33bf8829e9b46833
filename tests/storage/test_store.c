#include "storage/kv.h"
#include "storage/store.h"
#include "tests/fail_malloc.h"
#include "tests/storage/tmp.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KIB  ((size_t)1024)
#define K(s) ((const uint8_t *)(s)), strlen(s) /* a key or value from a string */
static const uint8_t root[REST_ROOT_BYTES] = {1, 2, 3}, other_root[REST_ROOT_BYTES] = {3, 2, 1};
static const char nhs[] = "9434765919", nhs2[] = "9434765870";
static struct rest_keys keys;
static struct drbg drbg;
static struct store *store;
static struct store_conf conf;

static cpis_err reopen(size_t map_bytes, size_t map_bytes_max)
{
    store_close(&store);
    conf = (struct store_conf){tmp_path("s"), map_bytes, map_bytes_max, false};
    return store_open(&conf, &keys, &drbg, &store);
}

static void setup(void)
{
    static const uint8_t seed[DRBG_SEED_BYTES] = {7};
    tmp_make();
    rest_keys_from(root, &keys);
    drbg_from(seed, &drbg);
    cr_assert_eq(reopen(64 * KIB, 64 * KIB * KIB), CPIS_OK);
}
static void teardown(void)
{
    store_close(&store);
    tmp_remove();
}
TestSuite(store, .init = setup, .fini = teardown);

static void put(enum table t, const char *key, const char *value)
{
    store_put(store, t, K(key), K(value));
}

static bool holds(enum table t, const char *key, const char *value) /* NULL: nothing */
{
    uint8_t buf[64];
    size_t len = 0;
    cpis_err err = store_get(store, t, K(key), buf, sizeof buf, &len);
    if (value == NULL) return err == CPIS_E_NOTFOUND;
    return err == CPIS_OK && len == strlen(value) && memcmp(buf, value, len) == 0;
}

static char seen[512];
static int limit;
static bool see(void *arg, const struct row *row) /* arg: the table; reads the row again, too */
{
    size_t n = strlen(seen), len = 0;
    uint8_t again[64];
    const enum table *t = arg;
    cr_assert_eq(row->table, *t);
    cr_assert_eq(store_get(store, *t, row->key, row->key_len, again, sizeof again, &len), CPIS_OK);
    cr_assert(len == row->value_len && memcmp(again, row->value, len) == 0);
    (void)snprintf(seen + n, sizeof seen - n, "%.*s=%.*s ", (int)row->key_len,
                   (const char *)row->key, (int)row->value_len, (const char *)row->value);
    return --limit != 0;
}

static const char *scan(enum table t, const char *prefix, bool newest_first, int rows)
{
    seen[0] = 0;
    limit = rows;
    cr_assert_eq(store_scan(store, t, K(prefix), newest_first, see, &t), CPIS_OK);
    return seen;
}

static bool count_empty(void *arg, const struct row *row)
{
    *(unsigned *)arg += row->value_len == 0;
    return true;
}

Test(store, a_row_without_a_value_is_a_row)
{
    unsigned empty = 0;
    size_t len = 9;
    uint8_t none[1];
    store_put(store, TABLE_EXPIRY, (const uint8_t *)"key", 3, NULL, 0);
    cr_assert_eq(store_commit(store), CPIS_OK);
    store_close(&store); /* the first thing that a new process reads */
    cr_assert_eq(reopen(0, 0), CPIS_OK);
    cr_assert_eq(store_each(store, TABLE_EXPIRY, count_empty, &empty), CPIS_OK);
    cr_assert_eq(empty, 1);
    cr_assert_eq(store_get(store, TABLE_EXPIRY, (const uint8_t *)"key", 3, none, 0, &len), CPIS_OK);
    cr_assert_eq(len, 0);
}

Test(store, what_is_committed_outlives_a_new_opening_and_what_is_aborted_does_not)
{
    put(TABLE_CHILD, nhs, "plan");
    put(TABLE_LOG, "00000001", "entry");
    put(TABLE_META, "empty", "");
    cr_assert_eq(store_commit(store), CPIS_OK);
    put(TABLE_CHILD, nhs, "other plan");
    put(TABLE_LOG, "00000002", "entry 2");
    store_abort(store);
    put(TABLE_LOG, "00000003", "entry 3"); /* under way when closed */
    for (int i = 0; i < 2; i++) {
        if (i == 1) cr_assert_eq(reopen(64 * KIB, 64 * KIB * KIB), CPIS_OK);
        if (i == 0) store_abort(store);
        cr_assert(holds(TABLE_CHILD, nhs, "plan"));
        cr_assert(holds(TABLE_CHILD, nhs2, NULL));
        cr_assert(holds(TABLE_LOG, "00000001", "entry"));
        cr_assert(holds(TABLE_LOG, "00000002", NULL));
        cr_assert(holds(TABLE_LOG, "00000003", NULL));
        cr_assert(holds(TABLE_META, "empty", ""));
    }
}

Test(store, reads_see_the_puts_and_deletes_of_the_batch_under_way)
{
    struct view view = store_view(store);
    enum table t = TABLE_LOG;
    uint8_t buf[8];
    size_t len = 99;
    put(t, "1", "old");
    put(t, "2", "old");
    put(t, "3", "old");
    cr_assert_eq(store_commit(store), CPIS_OK);
    put(t, "2", "new");
    put(t, "4", "new");
    store_delete(store, t, K("1"));
    store_delete(store, t, K("never there"));
    put(t, "5", "gone");
    store_delete(store, t, K("5"));
    for (int committed = 0; committed < 2; committed++) {
        cr_assert_str_eq(scan(t, "", false, 0), "2=new 3=old 4=new ");
        cr_assert_str_eq(scan(t, "", true, 0), "4=new 3=old 2=new ");
        cr_assert_eq(view.get(view.ctx, t, K("4"), buf, sizeof buf, &len), CPIS_OK);
        cr_assert(len == 3 && memcmp(buf, "new", 3) == 0);
        cr_assert_eq(view.get(view.ctx, t, K("1"), buf, sizeof buf, &len), CPIS_E_NOTFOUND);
        cr_assert_eq(view.get(view.ctx, t, K("3"), buf, 2, &len), CPIS_E_LIMIT);
        cr_assert_eq(len, 3, "written only on success");
        seen[0] = 0;
        cr_assert_eq(view.scan(view.ctx, t, NULL, 0, true, see, &t), CPIS_OK);
        cr_assert_str_eq(seen, "4=new 3=old 2=new ");
        seen[0] = 0;
        cr_assert_eq(store_each(store, t, see, &t), CPIS_OK);
        cr_assert_str_eq(seen, "2=new 3=old 4=new ");
        cr_assert_eq(store_commit(store), CPIS_OK);
    }
    put(t, "6", "aborted");
    cr_assert(holds(t, "6", "aborted"));
    store_abort(store);
    cr_assert_str_eq(scan(t, "", true, 0), "4=new 3=old 2=new ");
}

static bool take_one(void *arg, const struct row *row)
{
    memcpy(arg, row->key, 10);
    return false;
}

Test(store, a_table_is_read_on_from_any_key_whether_it_is_there_or_not)
{
    static const char *const numbers[] = {"9990000018", "9990000026", "9990000034", "9990000042",
                                          "9990000050", "9990000069", "9990000077"};
    char order[8][11] = {""};
    for (size_t i = 0; i < 7; i++)
        put(TABLE_CHILD, numbers[i], "v");
    cr_assert_eq(store_commit(store), CPIS_OK);
    cr_assert_eq(store_each(store, TABLE_CHILD, take_one, order[0]), CPIS_OK);
    for (size_t i = 1; i < 7; i++) /* in parts of one row */
        cr_assert_eq(store_scan_after(store, TABLE_CHILD, K(order[i - 1]), take_one, order[i]),
                     CPIS_OK);
    for (size_t i = 0; i < 7; i++)
        for (size_t k = 0; k < i; k++)
            cr_expect_str_neq(order[i], order[k]);
    cr_assert_eq(store_scan_after(store, TABLE_CHILD, K(order[6]), take_one, order[7]), CPIS_OK);
    cr_expect_str_eq(order[7], "", "none behind the last");
    store_delete(store, TABLE_CHILD, K(order[2]));
    cr_assert_eq(store_scan_after(store, TABLE_CHILD, K(order[2]), take_one, order[7]), CPIS_OK);
    cr_expect_str_eq(order[7], order[3], "behind one that is gone");
    cr_expect_eq(store_scan_after(store, TABLE_CHILD, K(""), take_one, order[7]), CPIS_E_INVAL);
    cr_expect_eq(store_scan_after(store, TABLE_CHILD, K("99900"), take_one, order[7]),
                 CPIS_E_INVAL);
}

Test(store, scans_of_a_child_give_its_own_rows_newest_first_with_the_number_in_the_clear)
{
    static const struct {
        const char *prefix;
        bool newest_first;
        int rows;
        const char *want;
    } cases[] = {
        {"9434765919", true, 0, "9434765919b3=6 9434765919b2=5 9434765919a3=3 9434765919a1=1 "},
        {"9434765919", false, 0, "9434765919a1=1 9434765919a3=3 9434765919b2=5 9434765919b3=6 "},
        {"9434765919", true, 1, "9434765919b3=6 "},
        {"9434765919a", true, 0, "9434765919a3=3 9434765919a1=1 "},
        {"9434765919b2", false, 0, "9434765919b2=5 "},
        {"9434765870", true, 0, "9434765870b1=4 9434765870a2=2 "},
        {"9434765870c", true, 0, ""},
        {"1111111111", true, 0, ""},
    };
    static const char *const rows[] = {"9434765919a1", "9434765870a2", "9434765919a3",
                                       "9434765870b1", "9434765919b2", "9434765919b3"};
    for (int i = 0; i < 6; i++) {
        char value[2] = {(char)('1' + i), 0};
        put(TABLE_HISTORY, rows[i], value);
    }
    for (int committed = 0; committed < 2; committed++) {
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
            cr_assert_str_eq(
                scan(TABLE_HISTORY, cases[i].prefix, cases[i].newest_first, cases[i].rows),
                cases[i].want, "case %zu", i);
        cr_assert_eq(strlen(scan(TABLE_HISTORY, "", false, 0)), 6 * strlen("9434765919a1=1 "));
        cr_assert_eq(store_commit(store), CPIS_OK);
    }
    enum table t = TABLE_HISTORY;
    cr_assert_eq(store_scan(store, t, K("943476"), true, see, &t), CPIS_E_INVAL, "half a number");
    struct view view = store_view(store);
    cr_assert_eq(view.scan(view.ctx, t, K("943476"), true, see, &t), CPIS_E_STORE);
}

Test(store, neither_a_hidden_key_nor_a_value_can_be_found_in_the_file)
{
    put(TABLE_CHILD, nhs, "Billy Shears, 12 Acacia Avenue");
    put(TABLE_HISTORY, "9434765919rest-in-clear", "a visit by the social worker");
    put(TABLE_LOG, "sequence", "logged in");
    cr_assert_eq(store_commit(store), CPIS_OK);
    struct file_bytes b = file_read(tmp_path("s/data.mdb"));
    static const char *const absent[] = {"9434765919", "Billy", "Acacia", "social worker",
                                         "logged in"};
    static const char *const present[] = {"rest-in-clear", "sequence", "child"}; /* it does look */
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
        cr_assert_not(bytes_contain(b, absent[i], strlen(absent[i])), "%s", absent[i]);
    for (size_t i = 0; i < sizeof present / sizeof *present; i++)
        cr_assert(bytes_contain(b, present[i], strlen(present[i])), "%s", present[i]);
    free(b.p);
}

/* --- what an attacker with the file, or a fault, may do to it: through kv, below the sealing ---
 */

static struct kv_txn *below(struct kv **ret)
{
    static const char *names[TABLE_COUNT + 1];
    struct kv_txn *t = NULL;
    for (int i = 0; i < TABLE_COUNT; i++)
        names[i] = table_name((enum table)i);
    names[TABLE_COUNT] = "store";
    struct kv_conf kc = {.dir = tmp_path("s"),
                         .map_bytes = 1024 * KIB,
                         .map_bytes_max = 1024 * KIB,
                         .tables = names,
                         .table_count = TABLE_COUNT + 1};
    store_close(&store);
    cr_assert_eq(kv_open(&kc, ret), CPIS_OK);
    cr_assert_eq(kv_begin(*ret, KV_WRITE, &t), CPIS_OK);
    kv_make_tables(t);
    return t;
}

static struct file_bytes disk_get(enum table t, const char *key) /* as it lies there */
{
    struct kv *kv = NULL;
    struct kv_txn *txn = below(&kv);
    struct kv_val v;
    cr_assert_eq(kv_get(txn, t, (struct kv_val){K(key)}, &v), CPIS_OK);
    struct file_bytes b = {malloc(v.len), v.len};
    memcpy(b.p, v.p, v.len);
    kv_close(&kv);
    return b;
}

static void disk_put(unsigned t, const char *key, const void *p, size_t len)
{
    struct kv *kv = NULL;
    struct kv_txn *txn = below(&kv);
    kv_put(txn, t, (struct kv_val){K(key)}, (struct kv_val){p, len});
    cr_assert_eq(kv_commit(&txn), CPIS_OK);
    kv_close(&kv);
}

static cpis_err get_and_scan(enum table t, const char *key)
{
    uint8_t buf[64];
    size_t len;
    struct view view = store_view(store);
    cpis_err err = store_get(store, t, K(key), buf, sizeof buf, &len);
    cr_assert_eq(view.get(view.ctx, t, K(key), buf, sizeof buf, &len),
                 err == CPIS_E_AUTH ? CPIS_E_STORE : err);
    cr_assert_eq(store_scan(store, t, K(key), true, see, &t), err);
    return err;
}

Test(store, a_value_that_is_moved_cut_or_changed_does_not_open)
{
    put(TABLE_LOG, "k1", "value one");
    put(TABLE_LOG, "k2", "value two");
    cr_assert_eq(store_commit(store), CPIS_OK);
    struct file_bytes one = disk_get(TABLE_LOG, "k1"), two = disk_get(TABLE_LOG, "k2");
    cr_assert(one.len == 9 + REST_OVERHEAD_BYTES && two.len == one.len);
    for (size_t i = 0; i < one.len + 5; i++) {
        enum table t = TABLE_LOG;
        struct file_bytes b = {malloc(one.len + 1), one.len};
        memcpy(b.p, one.p, one.len);
        b.p[one.len] = 0;
        if (i < one.len) b.p[i] ^= 1;
        if (i == one.len) memcpy(b.p, two.p, two.len); /* from another key */
        if (i == one.len + 1) t = TABLE_META;          /* from another table */
        if (i == one.len + 2) b.len--;
        if (i == one.len + 3) b.len++;
        if (i == one.len + 4) b.len = 1;
        disk_put(t, "k1", b.p, b.len);
        free(b.p);
        cr_assert_eq(reopen(64 * KIB, 64 * KIB * KIB), CPIS_OK);
        cr_assert_eq(get_and_scan(t, "k1"), CPIS_E_AUTH, "case %zu", i);
        cr_assert_eq(get_and_scan(TABLE_LOG, "k2"), CPIS_OK);
    }
    disk_put(TABLE_LOG, "k1", one.p, one.len);
    cr_assert_eq(reopen(64 * KIB, 64 * KIB * KIB), CPIS_OK);
    cr_assert_eq(get_and_scan(TABLE_LOG, "k1"), CPIS_OK, "put back it opens again");
    free(one.p);
    free(two.p);
}

Test(store, a_row_of_a_later_state_of_the_store_does_not_open_in_an_earlier_one)
{
    put(TABLE_LOG, "k", "earlier");
    cr_assert_eq(store_commit(store), CPIS_OK);
    cr_assert_eq(store_backup(store, tmp_path("b"), NULL, NULL), CPIS_OK);
    put(TABLE_LOG, "k", "later");
    cr_assert_eq(store_commit(store), CPIS_OK);
    struct file_bytes later = disk_get(TABLE_LOG, "k");
    cr_assert_eq(rename(tmp_path("s"), tmp_path("was")), 0);
    cr_assert_eq(rename(tmp_path("b"), tmp_path("s")), 0);
    disk_put(TABLE_LOG, "k", later.p, later.len);
    free(later.p);
    cr_assert_eq(reopen(64 * KIB, 64 * KIB * KIB), CPIS_OK);
    cr_assert_eq(get_and_scan(TABLE_LOG, "k"), CPIS_E_AUTH);
}

Test(store, other_keys_are_told_from_an_empty_store)
{
    struct rest_keys other;
    put(TABLE_CHILD, nhs, "plan");
    cr_assert_eq(store_commit(store), CPIS_OK);
    rest_keys_from(other_root, &other);
    store_close(&store);
    for (int i = 0; i < 2; i++) {
        struct rest_keys half = keys;
        memcpy(half.value, other.value, sizeof half.value);
        conf.read_only = i;
        cr_assert_eq(store_open(&conf, &other, &drbg, &store), CPIS_E_AUTH);
        cr_assert_eq(store_open(&conf, &half, &drbg, &store), CPIS_E_AUTH);
        cr_assert_null(store);
    }
    cr_assert_eq(reopen(64 * KIB, 64 * KIB * KIB), CPIS_OK);
    cr_assert(holds(TABLE_CHILD, nhs, "plan"));
}

Test(store, another_schema_is_refused_before_anything_is_read_or_changed)
{
    static const struct {
        uint8_t schema[5];
        size_t len;
        cpis_err want;
    } cases[] = {
        {{0, 0, 0, STORE_SCHEMA + 1}, 4, CPIS_E_VERSION},
        {{0xff, 0xff, 0xff, 0xff}, 4, CPIS_E_VERSION},
        {{0, 0, 0, STORE_SCHEMA + 1, 1}, 5, CPIS_E_VERSION},
        {{0, 0, 0, STORE_SCHEMA_OLDEST - 1}, 4, CPIS_E_OLD},
        {{0, 0, 0, 0}, 4, CPIS_E_STORE},
        {{0, 0, 1}, 3, CPIS_E_STORE},
        {{0, 0, 0, STORE_SCHEMA, 1}, 5, CPIS_E_STORE},
    };
    struct rest_keys other;
    rest_keys_from(other_root, &other); /* not even the keys are tried */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        disk_put(TABLE_COUNT, "schema", cases[i].schema, cases[i].len);
        struct file_bytes before = file_read(tmp_path("s/data.mdb"));
        cr_assert_eq(store_open(&conf, &other, &drbg, &store), cases[i].want, "case %zu", i);
        cr_assert_null(store);
        struct file_bytes after = file_read(tmp_path("s/data.mdb"));
        cr_assert(before.len > 0 && bytes_equal(before, after));
        free(before.p);
        free(after.p);
    }
    disk_put(TABLE_COUNT, "schema", (const uint8_t[]){0, 0, 0, STORE_SCHEMA}, 4);
    cr_assert_eq(reopen(0, 0), CPIS_OK);
    disk_put(TABLE_COUNT, "state", "short", 5);
    cr_assert_eq(reopen(0, 0), CPIS_E_STORE);
}

/* As the version before left it: the schema in clear, and sealed in the state. */
static void become_schema(uint8_t schema)
{
    static const char table[] = "store";
    const uint8_t clear[] = {0, 0, 0, schema};
    uint8_t sealed[sizeof clear + REST_OVERHEAD_BYTES], nonce[REST_NONCE_BYTES] = {7};
    rest_seal(&keys, table, K("state"), 1000, nonce, clear, sizeof clear, sealed);
    disk_put(TABLE_COUNT, "schema", clear, sizeof clear);
    disk_put(TABLE_COUNT, "state", sealed, sizeof sealed);
}
static uint8_t schema_on_disk(void)
{
    struct kv *kv = NULL;
    struct kv_val v;
    struct kv_txn *t = below(&kv);
    cr_assert_eq(kv_get(t, TABLE_COUNT, (struct kv_val){K("schema")}, &v), CPIS_OK);
    const uint8_t schema = ((const uint8_t *)v.p)[3];
    kv_abort(&t);
    kv_close(&kv);
    return schema;
}

Test(store, an_older_schema_that_is_read_becomes_this_one_when_it_is_opened_to_be_written)
{
    put(TABLE_CHILD, nhs, "plan");
    cr_assert_eq(store_commit(store), CPIS_OK);
    store_close(&store);
    become_schema(STORE_SCHEMA_OLDEST);
    conf.read_only = true;
    cr_assert_eq(store_open(&conf, &keys, NULL, &store), CPIS_OK);
    cr_assert(holds(TABLE_CHILD, nhs, "plan"));
    store_close(&store);
    cr_assert_eq(schema_on_disk(), STORE_SCHEMA_OLDEST, "who only reads changes nothing");
    conf.read_only = false;
    cr_assert_eq(reopen(0, 0), CPIS_OK);
    cr_assert(holds(TABLE_CHILD, nhs, "plan"));
    store_close(&store);
    cr_assert_eq(schema_on_disk(), STORE_SCHEMA);
    disk_put(TABLE_COUNT, "schema", (const uint8_t[]){0, 0, 0, STORE_SCHEMA_OLDEST}, 4);
    cr_assert_eq(reopen(0, 0), CPIS_E_AUTH, "the clear one was changed");
}

Test(store, a_copy_that_did_not_end_is_refused_and_not_filled_up)
{
    struct kv *kv = NULL;
    struct kv_txn *t = below(&kv);
    kv_delete(t, TABLE_COUNT, (struct kv_val){K("schema")});
    kv_delete(t, TABLE_COUNT, (struct kv_val){K("state")});
    cr_assert_eq(kv_commit(&t), CPIS_OK);
    kv_close(&kv);
    cr_assert_eq(reopen(0, 0), CPIS_E_STORE);
}

Test(store, a_second_opening_in_this_process_is_refused)
{
    struct store *second = NULL;
    for (int ro = 0; ro < 2; ro++) {
        conf.read_only = ro;
        cr_assert_eq(store_open(&conf, &keys, &drbg, &second), CPIS_E_STATE);
    }
    put(TABLE_LOG, "k", "v");
    cr_assert_eq(store_commit(store), CPIS_OK);
    store_close(&store);
    cr_assert_eq(store_open(&conf, &keys, NULL, &store), CPIS_OK, "read_only, no seed");
    cr_assert(holds(TABLE_LOG, "k", "v"));
    put(TABLE_LOG, "k", "w");
    cr_assert_eq(store_commit(store), CPIS_E_STATE);
    cr_assert(holds(TABLE_LOG, "k", "v"));
    store_close(&store);
    conf.read_only = false;
    cr_assert_eq(store_open(&conf, &keys, NULL, &store), CPIS_E_INVAL);
}

Test(store, the_first_error_sticks_until_the_batch_ends)
{
    static uint8_t big[TABLE_ROW_BYTES_MAX + 1], long_key[TABLE_KEY_BYTES_MAX + 1];
    for (int i = 0; i < 7; i++) {
        cpis_err want = i == 0 ? CPIS_E_LIMIT : CPIS_E_INVAL;
        put(TABLE_LOG, "before", "x");
        if (i == 0) store_put(store, TABLE_LOG, K("k"), big, sizeof big);
        if (i == 1) store_put(store, TABLE_LOG, long_key, sizeof long_key, K("v"));
        if (i == 2) put(TABLE_LOG, "", "v");
        if (i == 3) put(TABLE_CHILD, "943476591", "a digit short");
        if (i == 4) put(TABLE_COUNT, "k", "v");
        if (i == 5) store_delete(store, TABLE_CHILD, K("943476591"));
        if (i == 6) store_delete(store, (enum table) - 1, K("k"));
        put(TABLE_LOG, "after", "x");
        uint8_t buf[8];
        size_t len;
        cr_assert_eq(store_get(store, TABLE_LOG, K("before"), buf, 8, &len), want, "case %d", i);
        cr_assert_eq(store_backup(store, tmp_path("b"), NULL, NULL), CPIS_E_STATE);
        if (i % 2 == 0) cr_assert_eq(store_commit(store), want, "case %d", i);
        if (i % 2 == 1) store_abort(store);
        cr_assert(holds(TABLE_LOG, "before", NULL) && holds(TABLE_LOG, "after", NULL));
    }
    store_put(store, TABLE_LOG, long_key, TABLE_KEY_BYTES_MAX, big, TABLE_ROW_BYTES_MAX);
    cr_assert_eq(store_commit(store), CPIS_OK, "both at their bounds");
}

Test(store, a_batch_without_writes_leaves_the_file_untouched)
{
    struct store_stats st[2];
    put(TABLE_LOG, "k", "v");
    cr_assert_eq(store_commit(store), CPIS_OK);
    struct file_bytes before = file_read(tmp_path("s/data.mdb"));
    cr_assert_eq(store_stats(store, &st[0]), CPIS_OK);
    for (int i = 0; i < 10; i++) {
        cr_assert(holds(TABLE_LOG, "k", "v"));
        cr_assert_eq(store_commit(store), CPIS_OK);
    }
    data_file_becomes_full(true); /* and no commit is tried */
    data_file_becomes_full(false);
    cr_assert_eq(store_commit(store), CPIS_OK);
    struct file_bytes after = file_read(tmp_path("s/data.mdb"));
    cr_assert_eq(store_stats(store, &st[1]), CPIS_OK);
    cr_assert_eq(st[0].row_version, st[1].row_version);
    cr_assert(bytes_equal(before, after));
    free(before.p);
    free(after.p);
}

/* --- growth, and no room to grow --- */

Test(store, the_file_is_written_ahead_and_a_backup_is_not)
{
    struct store_stats st;
    cr_assert_eq(reopen(0, 0), CPIS_OK);
    put(TABLE_LOG, "k", "v");
    cr_assert_eq(store_commit(store), CPIS_OK);
    cr_assert_eq(store_stats(store, &st), CPIS_OK);
    const size_t ahead = tmp_size("s/data.mdb") - st.used_bytes;
    cr_assert(ahead > STORE_AHEAD_BYTES && ahead <= 2 * STORE_AHEAD_BYTES, "%zu", ahead);
    cr_assert_eq(store_backup(store, tmp_path("b"), NULL, NULL), CPIS_OK);
    cr_assert_leq(tmp_size("b/data.mdb"), st.used_bytes);
}

static bool blocks_are(uint32_t from, uint32_t to) /* rows of 4 KiB that tell their number */
{
    static uint8_t buf[4096];
    size_t len;
    for (uint32_t i = from; i < to; i++) {
        uint8_t key[4] = {(uint8_t)(i >> 24), (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};
        if (store_get(store, TABLE_LOG, key, 4, buf, sizeof buf, &len) != CPIS_OK) return false;
        for (size_t j = 0; j < len; j++)
            if (len != 4096 || buf[j] != (uint8_t)(i + j)) return false;
    }
    return true;
}

static void put_blocks(uint32_t from, uint32_t to)
{
    static uint8_t buf[4096];
    for (uint32_t i = from; i < to; i++) {
        uint8_t key[4] = {(uint8_t)(i >> 24), (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};
        for (size_t j = 0; j < sizeof buf; j++)
            buf[j] = (uint8_t)(i + j);
        store_put(store, TABLE_LOG, key, 4, buf, sizeof buf);
    }
}

Test(store, the_map_grows_from_64_kib_to_many_mib_inside_a_batch_and_between_batches)
{
    struct store_stats st;
    uint32_t n = 0;
    cr_assert_eq(store_stats(store, &st), CPIS_OK);
    cr_assert_leq(st.map_bytes, 256 * KIB);
    put_blocks(0, 10);
    cr_assert_eq(store_commit(store), CPIS_OK);
    store_delete(store, TABLE_LOG, (const uint8_t *)"\0\0\0\5", 4);
    put_blocks(10, 2000); /* one batch of 8 MiB */
    cr_assert(blocks_are(6, 2000), "also before it is committed");
    cr_assert_not(blocks_are(5, 6), "the delete was played again, too");
    cr_assert_eq(store_commit(store), CPIS_OK);
    for (n = 2000; n < 4000; n += 50) {
        put_blocks(n, n + 50);
        cr_assert_eq(store_commit(store), CPIS_OK);
    }
    cr_assert_eq(store_stats(store, &st), CPIS_OK);
    cr_assert_gt(st.map_bytes, 16 * KIB * KIB);
    cr_assert_eq(st.rows[TABLE_LOG], 3999);
    cr_assert(st.used_bytes > 16 * KIB * KIB && st.used_bytes <= st.map_bytes);
    for (int i = 0; i < 2; i++) {
        cr_assert(blocks_are(0, 5) && blocks_are(6, 4000));
        cr_assert_eq(reopen(64 * KIB, 64 * KIB * KIB), CPIS_OK, "a map smaller than the file");
    }
}

Test(store, a_map_at_its_bound_is_full_and_loses_nothing)
{
    cr_assert_eq(reopen(64 * KIB, 1024 * KIB), CPIS_OK);
    put_blocks(0, 60);
    cr_assert_eq(store_commit(store), CPIS_OK);
    put_blocks(60, 1000);
    cr_assert_eq(store_commit(store), CPIS_E_FULL);
    cr_assert(blocks_are(0, 60));
    cr_assert_not(blocks_are(60, 61));
    put_blocks(60, 70);
    cr_assert_eq(store_commit(store), CPIS_OK, "a smaller batch fits");
    for (uint8_t i = 0; i < 70; i++)
        store_delete(store, TABLE_LOG, (const uint8_t[]){0, 0, 0, i}, 4);
    cr_assert_eq(store_commit(store), CPIS_OK);
    put(TABLE_META, "k", "v");
    cr_assert_eq(store_commit(store), CPIS_OK);
    put_blocks(0, 60); /* LMDB keeps freed pages for one commit more */
    cr_assert_eq(store_commit(store), CPIS_OK, "what is deleted can be used again");
    cr_assert_eq(reopen(0, 0), CPIS_OK);
    put_blocks(60, 1000);
    cr_assert_eq(store_commit(store), CPIS_OK, "and so does a larger bound");
    cr_assert(blocks_are(0, 1000));
}

Test(store, a_full_disk_takes_the_batch_and_nothing_else_and_passes)
{
    put_blocks(0, 20);
    cr_assert_eq(store_commit(store), CPIS_OK);
    for (uint32_t size = 100; size < 400; size += 7) { /* cut at, and in the midst of, pages */
        file_limit(size * 1024 + 512 * (size % 3));
        put_blocks(20, 400);
        cr_assert_eq(store_commit(store), CPIS_E_FULL, "limit %u KiB", size);
        cr_assert(blocks_are(0, 20));
        cr_assert_not(blocks_are(20, 21));
    }
    cr_assert_eq(store_backup(store, tmp_path("b"), NULL, NULL), CPIS_OK, "it fits");
    file_limit(0);
    put_blocks(20, 400);
    cr_assert_eq(store_commit(store), CPIS_OK);
    put(TABLE_META, "k", "v"); /* grows ahead: else that would come first, and open anew */
    cr_assert_eq(store_commit(store), CPIS_OK);
    data_file_becomes_full(false); /* the device's own ENOSPC */
    put_blocks(400, 401);
    cr_assert_eq(store_commit(store), CPIS_E_FULL);
    cr_assert(blocks_are(0, 400));
    cr_assert_eq(reopen(64 * KIB, 64 * KIB * KIB), CPIS_OK);
    cr_assert(blocks_are(0, 400));
    put(TABLE_META, "k", "v");
    cr_assert_eq(store_commit(store), CPIS_OK);
    data_file_becomes_full(true); /* for the last write of a commit only: fatal to LMDB */
    put_blocks(400, 401);
    cr_assert_eq(store_commit(store), CPIS_E_FULL);
    cr_assert_not(blocks_are(400, 401));
    put_blocks(400, 402);
    cr_assert_eq(store_commit(store), CPIS_OK);
    cr_assert(blocks_are(0, 402));
    file_limit(4096);
    conf.dir = tmp_path("new");
    struct store *other = NULL;
    cr_assert_eq(store_open(&conf, &keys, &drbg, &other), CPIS_E_FULL);
    file_limit(0);
    cr_assert_eq(store_open(&conf, &keys, &drbg, &other), CPIS_OK, "once there is space");
    store_close(&other);
}

static bool count(void *arg, const struct row *row)
{
    (void)row;
    ++*(int *)arg;
    return true;
}

Test(store, an_allocation_that_fails_fails_the_call_and_nothing_else)
{
    struct store *other = NULL;
    cpis_err err = CPIS_E_NOMEM;
    int n = 0;
    for (; err != CPIS_OK; n++) {
        conf.dir = tmp_path(n % 2 ? "odd" : "even"); /* new ones, and ones left half made */
        fail_malloc_at(n);
        err = store_open(&conf, &keys, &drbg, &other);
        fail_malloc_at(-1);
        cr_assert_eq(err, other == NULL ? CPIS_E_NOMEM : CPIS_OK, "allocation %d", n);
    }
    cr_assert_geq(n, 4, "store, kv, log, then none");
    store_close(&other);
    put_blocks(0, 4);
    cr_assert_eq(store_commit(store), CPIS_OK);
    for (n = 0, err = CPIS_E_NOMEM; err != CPIS_OK; n++) {
        uint8_t buf[8];
        size_t len;
        cr_assert_eq(reopen(64 * KIB, 64 * KIB * KIB), CPIS_OK); /* buffers at their smallest */
        fail_malloc_at(n);
        put(TABLE_CHILD, nhs, "plan");
        put_blocks(4, 300);
        err = store_commit(store);
        fail_malloc_at(-1);
        cr_assert(err == CPIS_OK || err == CPIS_E_NOMEM);
        cr_assert(blocks_are(0, 4));
        cr_assert_eq(store_get(store, TABLE_CHILD, K(nhs), buf, sizeof buf, &len),
                     err == CPIS_OK ? CPIS_OK : CPIS_E_NOTFOUND);
    }
    cr_assert_geq(n, 10, "the log doubled often");
    cr_assert(blocks_are(0, 300));
    for (n = 0, err = CPIS_E_NOMEM; err != CPIS_OK; n++) {
        uint8_t buf[8];
        size_t len;
        int rows = 0;
        cr_assert_eq(reopen(64 * KIB, 64 * KIB * KIB), CPIS_OK);
        fail_malloc_at(n);
        err = store_scan(store, TABLE_CHILD, K(nhs), true, count, &rows);
        if (err == CPIS_OK) err = store_get(store, TABLE_CHILD, K(nhs), buf, sizeof buf, &len);
        fail_malloc_at(-1);
        cr_assert(err == CPIS_OK || err == CPIS_E_NOMEM);
        cr_assert_eq(rows, n > 0);
    }
    cr_assert_eq(n, 3, "one for a scan, one for a get, then none");
}

/* --- backup --- */

Test(store, a_backup_holds_all_but_what_only_its_holder_may_have)
{
    struct store_stats st;
    struct stat file;
    put(TABLE_CHILD, nhs, "plan");
    put(TABLE_SHARE, "0001", "a share");
    put(TABLE_CEREMONY, "000111", "a secret");
    put_blocks(0, 3000);
    cr_assert_eq(store_commit(store), CPIS_OK);
    struct file_bytes share = disk_get(TABLE_SHARE, "0001");
    cr_assert_eq(reopen(0, 0), CPIS_OK);
    put(TABLE_LOG, "under way", "x");
    cr_assert_eq(store_backup(store, tmp_path("b"), NULL, NULL), CPIS_E_STATE);
    store_abort(store);
    cr_assert_eq(store_backup(store, tmp_path("b"), NULL, NULL), CPIS_OK);
    cr_assert_eq(store_backup(store, tmp_path("b"), NULL, NULL), CPIS_E_STATE, "not empty");
    cr_assert_eq(mkdir(tmp_path("b2"), 0755), 0);
    cr_assert_eq(store_backup(store, tmp_path("b2"), NULL, NULL), CPIS_OK, "empty");
    cr_assert_eq(stat(tmp_path("b/data.mdb"), &file), 0);
    cr_assert_eq(file.st_mode & 0777, 0600);
    struct file_bytes b = file_read(tmp_path("b/data.mdb"));
    cr_assert_not(bytes_contain(b, share.p, share.len));
    free(b.p);
    free(share.p);
    put(TABLE_LOG, "later", "x");
    cr_assert_eq(store_commit(store), CPIS_OK);
    store_close(&store);
    conf.dir = tmp_path("b");
    for (int ro = 1; ro >= 0; ro--) {
        conf.read_only = ro;
        cr_assert_eq(store_open(&conf, &keys, &drbg, &store), CPIS_OK);
        cr_assert(holds(TABLE_CHILD, nhs, "plan"));
        cr_assert(blocks_are(0, 3000));
        cr_assert(holds(TABLE_SHARE, "0001", NULL) && holds(TABLE_CEREMONY, "000111", NULL));
        cr_assert(holds(TABLE_LOG, "later", NULL));
        cr_assert_eq(store_stats(store, &st), CPIS_OK);
        cr_assert_eq(st.rows[TABLE_LOG], 3000);
        if (ro) store_close(&store);
    }
    put(TABLE_SHARE, "0001", "another");
    cr_assert_eq(store_commit(store), CPIS_OK, "it is a store like any other");
}

static void pause_ms(long ms)
{
    struct timespec t = {0, ms * 1000000};
    (void)nanosleep(&t, NULL);
}

Test(store, a_second_process_makes_whole_backups_while_this_one_writes)
{
    int status = 0, commits = 0;
    store_close(&store); /* nothing of LMDB crosses a fork */
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        uint8_t buf[16];
        size_t len;
        pause_ms(5);
        conf.read_only = true;
        bool ok = store_open(&conf, &keys, NULL, &store) == CPIS_OK; /* once: rows grow newer */
        for (int i = 0; i < 6 && ok; i++) {
            char name[16];
            (void)snprintf(name, sizeof name, "b%d", i);
            cpis_err err = store_get(store, TABLE_LOG, K("number"), buf, sizeof buf, &len);
            ok = (err == CPIS_OK || err == CPIS_E_NOTFOUND) &&
                 store_backup(store, tmp_path(name), NULL, NULL) == CPIS_OK;
            pause_ms(5);
        }
        store_close(&store);
        _exit(ok ? 0 : 1);
    }
    cr_assert_eq(reopen(64 * KIB, 64 * KIB * KIB), CPIS_OK);
    do { /* the same number in two tables, and a rising pile */
        char n[16];
        (void)snprintf(n, sizeof n, "%d", ++commits);
        put(TABLE_LOG, "number", n);
        put_blocks((uint32_t)commits, (uint32_t)commits + 1);
        put(TABLE_META, "number", n);
        cr_assert_eq(store_commit(store), CPIS_OK);
    } while (commits < 3000 && waitpid(child, &status, WNOHANG) == 0);
    if (commits == 3000) cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    for (int i = 0; i < 6; i++) {
        char name[16], number[2][16] = {"", ""};
        struct store_stats st;
        size_t len;
        (void)snprintf(name, sizeof name, "b%d", i);
        store_close(&store);
        conf.dir = tmp_path(name);
        conf.read_only = true;
        cr_assert_eq(store_open(&conf, &keys, NULL, &store), CPIS_OK);
        uint64_t blocks = 0;
        cr_assert_eq(store_stats(store, &st), CPIS_OK);
        if (st.rows[TABLE_META] == 0) continue; /* before the first commit */
        cr_assert_eq(store_get(store, TABLE_LOG, K("number"), (uint8_t *)number[0], 15, &len),
                     CPIS_OK);
        cr_assert_eq(store_get(store, TABLE_META, K("number"), (uint8_t *)number[1], 15, &len),
                     CPIS_OK);
        cr_assert_str_eq(number[0], number[1]);
        blocks = st.rows[TABLE_LOG] - 1;
        cr_assert_eq(blocks, (uint64_t)atoi(number[0]));
        cr_assert(blocks_are(1, (uint32_t)blocks + 1));
    }
}

/* --- kill -9 --- */

#define KEPT 10U /* batch n deletes batch n - KEPT */
static uint32_t rows_of(uint32_t batch) { return 1 + batch * 7 % 40; }

static size_t crash_key(uint32_t batch, uint32_t row, uint8_t ret[static 64])
{
    return (size_t)snprintf((char *)ret, 64, "%010u%010u", batch, row); /* the first 10 hidden */
}

static void crash_child(uint32_t batch, int report)
{
    static uint8_t value[900];
    uint8_t key[64];
    if (reopen(64 * KIB, 1024 * KIB * KIB) != CPIS_OK) _exit(1);
    for (;; batch++) {
        memset(value, (int)batch, sizeof value);
        for (uint32_t i = 0; i < rows_of(batch); i++) {
            size_t len = crash_key(batch, i, key);
            store_put(store, i % 2 ? TABLE_HISTORY : TABLE_LOG, key, len, value, 20 * i + 9);
        }
        for (uint32_t i = 0; batch > KEPT && i < rows_of(batch - KEPT); i++) {
            size_t len = crash_key(batch - KEPT, i, key);
            store_delete(store, i % 2 ? TABLE_HISTORY : TABLE_LOG, key, len);
        }
        if (store_commit(store) != CPIS_OK) _exit(2);
        if (write(report, &batch, sizeof batch) != sizeof batch) _exit(3);
    }
}

/* How many of a batch's rows are there and right; UINT32_MAX: one does not open. */
static uint32_t rows_found(uint32_t batch)
{
    uint32_t n = 0;
    uint8_t key[64], value[1024];
    for (uint32_t i = 0; i < rows_of(batch); i++) {
        size_t len = crash_key(batch, i, key), got = 0;
        cpis_err err = store_get(store, i % 2 ? TABLE_HISTORY : TABLE_LOG, key, len, value,
                                 sizeof value, &got);
        if (err == CPIS_E_NOTFOUND) continue;
        if (err != CPIS_OK || got != 20 * i + 9 || value[0] != (uint8_t)batch) return UINT32_MAX;
        n++;
    }
    return n;
}

Test(store, a_node_killed_at_any_moment_finds_whole_batches_and_all_that_were_committed)
{
    uint32_t last = 0; /* batches are numbered from 1 */
    int reports[2];
    for (int round = 0; round < 30; round++) {
        uint32_t reported = last, one = 0;
        int status = 0;
        store_close(&store);
        cr_assert_eq(pipe(reports), 0);
        pid_t child = fork();
        cr_assert_geq(child, 0);
        if (child == 0) crash_child(last + 1, reports[1]);
        (void)close(reports[1]);
        struct timespec t = {0, (long)drbg_below(&drbg, 40000000)};
        if (round % 3 == 0) /* not before the first commit */
            while (read(reports[0], &one, sizeof one) < 0) {
            }
        (void)nanosleep(&t, NULL);
        cr_assert_eq(kill(child, SIGKILL), 0);
        cr_assert_eq(waitpid(child, &status, 0), child);
        cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        if (one > 0) reported = one;
        while (read(reports[0], &one, sizeof one) == sizeof one)
            reported = one;
        (void)close(reports[0]);
        cr_assert_eq(reopen(64 * KIB, 1024 * KIB * KIB), CPIS_OK, "round %d", round);
        last = rows_found(reported + 1) > 0 ? reported + 1 : reported;
        uint64_t rows = 0;
        for (uint32_t b = last > KEPT ? last - KEPT + 1 : 1; b <= last; b++) {
            cr_assert_eq(rows_found(b), rows_of(b), "round %d batch %u of %u", round, b, reported);
            rows += rows_of(b);
        }
        struct store_stats st;
        cr_assert_eq(store_stats(store, &st), CPIS_OK);
        cr_assert_eq(st.rows[TABLE_LOG] + st.rows[TABLE_HISTORY], rows, "and no others");
    }
    cr_assert_gt(last, 30, "it got far enough to mean something: %u", last);
}
