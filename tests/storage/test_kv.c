#include "storage/kv.h"
#include "tests/storage/tmp.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define KIB  ((size_t)1024)
#define V(s) ((struct kv_val){(const uint8_t *)(s), strlen(s)})
static const char *const names[] = {"one", "two", "own"};
static struct kv *kv;

static struct kv_conf conf_of(const char *dir)
{
    return (struct kv_conf){.dir = dir,
                            .map_bytes = 64 * 1024,
                            .map_bytes_max = 48 * 1024 * 1024, /* not a power of two */
                            .tables = names,
                            .table_count = 3};
}

static struct kv_txn *begin(enum kv_mode mode)
{
    struct kv_txn *t = NULL;
    cr_assert_eq(kv_begin(kv, mode, &t), CPIS_OK);
    if (mode == KV_WRITE) kv_make_tables(t);
    return t;
}

static bool holds(unsigned table, const char *key, const char *value) /* NULL: nothing */
{
    struct kv_txn *t = NULL;
    struct kv_val v = {0};
    if (kv_begin(kv, KV_READ, &t) != CPIS_OK) return false; /* no assertion: children call this */
    cpis_err err = kv_get(t, table, V(key), &v);
    bool ok = value == NULL
                  ? err == CPIS_E_NOTFOUND
                  : err == CPIS_OK && v.len == strlen(value) && memcmp(v.p, value, v.len) == 0;
    kv_abort(&t);
    return ok;
}

static cpis_err put_one(const char *key, const char *value)
{
    struct kv_txn *t = begin(KV_WRITE);
    kv_put(t, 0, V(key), V(value));
    return kv_commit(&t);
}

static void setup(void)
{
    tmp_make();
    struct kv_conf conf = conf_of(tmp_path("kv"));
    cr_assert_eq(kv_open(&conf, &kv), CPIS_OK);
}
static void teardown(void)
{
    kv_close(&kv);
    tmp_remove();
}
TestSuite(kv, .init = setup, .fini = teardown);

Test(kv, a_commit_is_read_back_and_an_abort_is_not)
{
    cr_assert_eq(put_one("a", "one"), CPIS_OK);
    struct kv_txn *t = begin(KV_WRITE);
    kv_put(t, 0, V("b"), V("two"));
    kv_delete(t, 0, V("a"));
    kv_abort(&t);
    cr_assert_null(t);
    cr_assert(holds(0, "a", "one"));
    cr_assert(holds(0, "b", NULL));
    cr_assert(holds(1, "a", NULL), "tables are apart");
    t = begin(KV_WRITE);
    kv_delete(t, 0, V("a"));
    kv_delete(t, 0, V("never there"));
    cr_assert_eq(kv_commit(&t), CPIS_OK);
    cr_assert(holds(0, "a", NULL));
}

Test(kv, tables_made_by_an_aborted_transaction_are_not_there)
{
    struct kv_txn *t = begin(KV_WRITE);
    cr_assert(kv_has_table(kv, 1));
    kv_abort(&t);
    cr_assert_not(kv_has_table(kv, 1));
    cr_assert(holds(1, "a", NULL));
    cr_assert_eq(kv_begin(kv, KV_WRITE, &t), CPIS_OK);
    kv_put(t, 1, V("a"), V("one"));
    cr_assert_eq(kv_commit(&t), CPIS_E_STATE);
    cr_assert_eq(put_one("a", "one"), CPIS_OK);
    cr_assert(kv_has_table(kv, 1));
}

Test(kv, a_full_map_sticks_leaves_nothing_half_written_and_ends_when_it_grows)
{
    static char big[16 * 1024];
    struct kv_val v;
    memset(big, 'x', sizeof big - 1);
    for (int round = 0;; round++) {
        struct kv_txn *t = begin(KV_WRITE);
        kv_put(t, 0, V("a"), V("one"));
        for (int i = 0; i < 8; i++) {
            char key[2] = {(char)('0' + i), 0};
            kv_put(t, 0, V(key), V(big));
        }
        if (kv_error(t) == CPIS_OK) {
            cr_assert_gt(round, 0);
            cr_assert_eq(kv_commit(&t), CPIS_OK);
            break;
        }
        cr_assert_eq(kv_error(t), CPIS_E_LIMIT);
        cr_assert_eq(kv_get(t, 0, V("a"), &v), CPIS_E_LIMIT);
        cr_assert_eq(kv_commit(&t), CPIS_E_LIMIT);
        cr_assert(holds(0, "a", NULL));
        cr_assert_eq(kv_grow(kv), CPIS_OK);
    }
    cr_assert(holds(0, "7", big));
}

static char seen[256];
static int limit;
static bool see(void *arg, struct kv_val key, struct kv_val value)
{
    size_t n = strlen(seen);
    (void)arg;
    (void)value;
    (void)snprintf(seen + n, sizeof seen - n, "%.*s ", (int)key.len, (const char *)key.p);
    return --limit != 0;
}

Test(kv, scans_go_both_ways_inside_a_prefix_and_stop_when_told)
{
    static const char *const keys[] = {"a", "b", "b1", "b2", "c", "\xfe", "\xff", "\xff\xff"};
    static const struct {
        const char *prefix, *forward, *back;
        int limit;
    } cases[] = {
        {"", "a b b1 b2 c \xfe \xff \xff\xff ", "\xff\xff \xff \xfe c b2 b1 b a ", 0},
        {"b", "b b1 b2 ", "b2 b1 b ", 0},
        {"b", "b b1 ", "b2 b1 ", 2},
        {"b1", "b1 ", "b1 ", 0},
        {"a", "a ", "a ", 0},
        {"\xfe", "\xfe ", "\xfe ", 0},
        {"\xff", "\xff \xff\xff ", "\xff\xff \xff ", 0},
        {"\xff\xff\xff", "", "", 0},
        {"A", "", "", 0},
        {"bb", "", "", 0},
        {"d", "", "", 0},
    };
    struct kv_txn *t = begin(KV_WRITE);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        kv_put(t, 1, V(keys[i]), V("v"));
    for (int committed = 0; committed < 2; committed++) {
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
            for (int back = 0; back < 2; back++) {
                seen[0] = 0;
                limit = cases[i].limit;
                cr_assert_eq(kv_scan(t, 1, V(cases[i].prefix), back, see, NULL), CPIS_OK);
                cr_assert_str_eq(seen, back ? cases[i].back : cases[i].forward, "case %zu", i);
            }
        seen[0] = 0;
        cr_assert_eq(kv_scan(t, 0, V(""), committed, see, NULL), CPIS_OK);
        cr_assert_str_eq(seen, "");
        if (!committed) {
            cr_assert_eq(kv_commit(&t), CPIS_OK);
            t = begin(KV_READ);
        }
    }
    uint64_t n = 0;
    cr_assert_eq(kv_count(t, 1, &n), CPIS_OK);
    cr_assert_eq(n, sizeof keys / sizeof *keys);
    kv_abort(&t);
}

Test(kv, a_folder_is_opened_once_in_a_process_by_whatever_path)
{
    struct kv *second = NULL;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/../kv/.", tmp_path("kv"));
    for (int ro = 0; ro < 2; ro++) {
        struct kv_conf conf = conf_of(path);
        conf.read_only = ro;
        cr_assert_eq(kv_open(&conf, &second), CPIS_E_STATE);
        cr_assert_null(second);
    }
    cr_assert_eq(put_one("a", "one"), CPIS_OK, "the first is none the worse");
    kv_close(&kv);
    struct kv_conf conf = conf_of(path);
    cr_assert_eq(kv_open(&conf, &kv), CPIS_OK);
    cr_assert(holds(0, "a", "one"));
}

Test(kv, folder_and_files_are_the_owners_alone_whatever_the_umask)
{
    static const mode_t masks[] = {0, 022, 0377, 0777};
    for (size_t i = 0; i < sizeof masks / sizeof *masks; i++) {
        char name[16], file[2][32];
        struct stat st;
        struct kv *other = NULL;
        (void)snprintf(name, sizeof name, "mask%zu", i);
        (void)snprintf(file[0], sizeof file[0], "%s/data.mdb", name);
        (void)snprintf(file[1], sizeof file[1], "%s/lock.mdb", name);
        struct kv_conf conf = conf_of(tmp_path(name));
        mode_t old = umask(masks[i]);
        cpis_err err = kv_open(&conf, &other);
        (void)umask(old);
        cr_assert_eq(err, CPIS_OK);
        cr_assert_eq(stat(tmp_path(name), &st), 0);
        cr_assert_eq(st.st_mode & 0777, 0700, "umask %o", (unsigned)masks[i]);
        for (size_t f = 0; f < 2; f++) {
            cr_assert_eq(stat(tmp_path(file[f]), &st), 0);
            cr_assert_eq(st.st_mode & 0777, 0600, "umask %o", (unsigned)masks[i]);
        }
        kv_close(&other);
    }
}

Test(kv, impossible_settings_are_refused)
{
    for (int i = 0; i < 7; i++) {
        struct kv *other = NULL;
        static char longer[KV_DIR_BYTES_MAX + 1];
        memset(longer, 'x', sizeof longer - 1);
        struct kv_conf conf = conf_of(tmp_path("never"));
        cpis_err want = CPIS_E_INVAL;
        if (i == 0) conf.dir = "";
        if (i == 1) conf.dir = longer;
        if (i == 2) conf.map_bytes = 0;
        if (i == 3) conf.map_bytes = conf.map_bytes_max + 1;
        if (i == 4) conf.table_count = 0;
        if (i == 5) conf.table_count = KV_TABLES_MAX + 1;
        if (i == 6) {
            conf.dir = "/dev/null/below-a-file";
            want = CPIS_E_IO;
        }
        cr_assert_eq(kv_open(&conf, &other), want, "case %d", i);
        cr_assert_null(other);
    }
}

Test(kv, a_map_grows_to_its_bound_and_a_map_with_no_address_space_leaves_the_store_usable)
{
    size_t used, map;
    cr_assert_eq(put_one("a", "one"), CPIS_OK);
    while (kv_grow(kv) == CPIS_OK) {
    }
    kv_sizes(kv, &used, &map);
    cr_assert_eq(map, 48 * 1024 * 1024);
    cr_assert_eq(kv_grow(kv), CPIS_E_FULL);
    cr_assert(holds(0, "a", "one"));
    kv_close(&kv);
    struct kv_conf conf = conf_of(tmp_path("kv"));
    conf.map_bytes_max = (size_t)1 << 60;
    cr_assert_eq(kv_open(&conf, &kv), CPIS_OK);
    cpis_err err;
    while ((err = kv_grow(kv)) == CPIS_OK) {
    }
    cr_assert_eq(err, CPIS_E_NOMEM);
    cr_assert(holds(0, "a", "one"));
    cr_assert_eq(put_one("b", "two"), CPIS_OK);
}

Test(kv, a_full_disk_fails_a_commit_and_only_that)
{
    for (int meta = 0; meta < 2; meta++) { /* meta: what LMDB calls fatal */
        const char *key = meta ? "y" : "x";
        cr_assert_eq(put_one("a", "one"), CPIS_OK);
        data_file_becomes_full(meta);
        cr_assert_eq(put_one(key, "lost"), CPIS_E_FULL);
        cr_assert(holds(0, "a", "one"));
        cr_assert(holds(0, key, NULL));
        if (!meta) { /* the descriptor stays full: space comes back with a new one */
            kv_close(&kv);
            struct kv_conf conf = conf_of(tmp_path("kv"));
            cr_assert_eq(kv_open(&conf, &kv), CPIS_OK);
        }
        cr_assert_eq(put_one("a", "later"), CPIS_OK, "meta %d", meta);
        cr_assert(holds(0, "a", "later"));
        cr_assert(holds(0, key, NULL));
    }
}

/* --- what is written ahead --- */

static void reopen_ahead(size_t ahead, size_t map, size_t map_max)
{
    struct kv_conf conf = conf_of(tmp_path("kv"));
    kv_close(&kv);
    conf.ahead_bytes = ahead;
    conf.map_bytes = map;
    conf.map_bytes_max = map_max;
    cr_assert_eq(kv_open(&conf, &kv), CPIS_OK);
}

static size_t used_bytes(void)
{
    size_t used, map;
    kv_sizes(kv, &used, &map);
    return used;
}

static cpis_err put_page(unsigned i) /* a row that takes most of one */
{
    static char value[3000];
    char key[16];
    memset(value, 'x', sizeof value - 1);
    (void)snprintf(key, sizeof key, "%06u", i);
    return put_one(key, value);
}

static bool is_whole(void *arg, struct kv_val key, struct kv_val value)
{
    (void)key;
    *(unsigned *)arg += value.len == 2999 && value.p[0] == 'x' && value.p[2998] == 'x';
    return true;
}

static unsigned rows(void) /* as put_page puts them, all read */
{
    unsigned n = 0;
    struct kv_txn *t = begin(KV_READ);
    cr_assert_eq(kv_scan(t, 0, V(""), false, is_whole, &n), CPIS_OK);
    kv_abort(&t);
    return n;
}

Test(kv, the_file_is_written_ahead_of_the_pages_in_use_a_step_at_a_time)
{
    const size_t step = 64 * KIB;
    unsigned i = 0, steps = 0;
    reopen_ahead(step, 64 * step, 64 * step);
    cr_assert_eq(tmp_size("kv/data.mdb"), 2 * 4096, "not by being opened");
    for (size_t last = 0; i < 200; i++) {
        cr_assert_eq(put_page(i), CPIS_OK);
        const size_t size = tmp_size("kv/data.mdb");
        cr_assert_eq(size, (used_bytes() / step + 2) * step, "row %u", i);
        steps += size != last;
        last = size;
    }
    cr_assert_geq(steps, 10);
    struct file_bytes b = file_read(tmp_path("kv/data.mdb"));
    for (size_t at = used_bytes(); at < b.len; at++)
        cr_assert_eq(b.p[at], 0);
    free(b.p);
    reopen_ahead(step, 64 * step, 64 * step);
    for (; i < 400; i++)
        cr_assert_eq(put_page(i), CPIS_OK);
    cr_assert_eq(tmp_size("kv/data.mdb"), (used_bytes() / step + 2) * step);
    cr_assert_eq(rows(), 400);
}

Test(kv, where_nothing_can_be_written_ahead_commits_go_on_while_there_is_room_for_themselves)
{
    const size_t step = 64 * KIB, bound = 2 * step + 1000; /* ends in the midst of a page */
    unsigned i = 0;
    cpis_err err;
    reopen_ahead(step, 64 * step, 64 * step);
    cr_assert_eq(put_page(i++), CPIS_OK);
    file_limit(bound);
    while ((err = put_page(i)) == CPIS_OK)
        i++;
    cr_assert_eq(err, CPIS_E_FULL);
    cr_assert_eq(tmp_size("kv/data.mdb"), bound, "half of it was written");
    cr_assert_gt(used_bytes(), 2 * step - 8 * 4096, "all that was there is used");
    cr_assert_eq(rows(), i);
    file_limit(0);
    for (unsigned more = 0; more < 50; more++)
        cr_assert_eq(put_page(i++), CPIS_OK);
    cr_assert_eq(tmp_size("kv/data.mdb"), (used_bytes() / step + 2) * step, "and ahead again");
    reopen_ahead(0, 64 * step, 64 * step);
    cr_assert_eq(rows(), i);
}

Test(kv, nothing_is_written_ahead_past_the_map)
{
    const size_t step = 256 * KIB, map = 192 * KIB;
    reopen_ahead(step, map, 2 * map);
    cr_assert_eq(put_page(0), CPIS_OK);
    cr_assert_eq(tmp_size("kv/data.mdb"), map);
    cr_assert_eq(kv_grow(kv), CPIS_OK);
    cr_assert_eq(put_page(1), CPIS_OK);
    cr_assert_eq(tmp_size("kv/data.mdb"), 2 * map);
    cpis_err err = CPIS_OK;
    for (unsigned i = 2; err == CPIS_OK; i++)
        err = put_page(i);
    cr_assert_eq(err, CPIS_E_LIMIT);
    cr_assert_eq(tmp_size("kv/data.mdb"), 2 * map);
}

Test(kv, a_copy_has_nothing_written_ahead)
{
    static const bool leave_out[3] = {false};
    const size_t step = 64 * KIB;
    reopen_ahead(step, 64 * step, 64 * step);
    for (unsigned i = 0; i < 30; i++)
        cr_assert_eq(put_page(i), CPIS_OK);
    cr_assert_eq(kv_copy(kv, tmp_path("copy"), leave_out, NULL, NULL), CPIS_OK);
    cr_assert_geq(tmp_size("kv/data.mdb"), used_bytes() + step);
    kv_close(&kv);
    struct kv_conf conf = conf_of(tmp_path("copy"));
    cr_assert_eq(kv_open(&conf, &kv), CPIS_OK);
    cr_assert_leq(tmp_size("copy/data.mdb"), used_bytes());
    cr_assert_eq(rows(), 30);
}

Test(kv, one_reader_and_one_writer_at_a_time)
{
    cr_assert_eq(put_one("b", "two"), CPIS_OK);
    struct kv_txn *r = begin(KV_READ), *w = begin(KV_WRITE), *none = NULL;
    cr_assert_eq(kv_begin(kv, KV_READ, &none), CPIS_E_STATE);
    cr_assert_eq(kv_begin(kv, KV_WRITE, &none), CPIS_E_STATE);
    kv_put(w, 0, V("a"), V("one"));
    cr_assert_eq(kv_commit(&w), CPIS_OK);
    struct kv_val v;
    cr_assert_eq(kv_get(r, 0, V("a"), &v), CPIS_E_NOTFOUND, "the moment it began");
    kv_abort(&r);
    cr_assert(holds(0, "a", "one"));
}

Test(kv, a_reading_process_follows_a_map_that_another_has_grown)
{
    static char big[1024 * 1024];
    int go[2], done[2], status = 0;
    char c = 0;
    memset(big, 'x', sizeof big - 1);
    cr_assert_eq(put_one("a", "one"), CPIS_OK);
    kv_close(&kv);
    cr_assert(pipe(go) == 0 && pipe(done) == 0);
    pid_t child = fork();
    cr_assert_geq(child, 0);
    struct kv_conf conf = conf_of(tmp_path("kv"));
    (void)close(child == 0 ? go[1] : go[0]); /* whoever dies, the other one's read ends */
    (void)close(child == 0 ? done[0] : done[1]);
    if (child == 0) {
        conf.read_only = true;
        struct kv_txn *t = NULL;
        bool ok = kv_open(&conf, &kv) == CPIS_OK && kv_begin(kv, KV_WRITE, &t) == CPIS_E_STATE &&
                  holds(0, "a", "one") && write(done[1], "r", 1) == 1 && read(go[0], &c, 1) == 1 &&
                  holds(0, "b", big);
        kv_close(&kv);
        _exit(ok ? 0 : 1);
    }
    cr_assert_eq(read(done[0], &c, 1), 1);
    cr_assert_eq(kv_open(&conf, &kv), CPIS_OK);
    for (int i = 0; i < 6; i++)
        cr_assert_eq(kv_grow(kv), CPIS_OK);
    cr_assert_eq(put_one("b", big), CPIS_OK);
    cr_assert_eq(write(go[1], "g", 1), 1);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

Test(kv, what_is_no_store_is_told_from_another_version_and_from_nothing)
{
    static const uint8_t version_999[4] = {0xe7, 3, 0, 0};
    char garbage[512];
    memset(garbage, 'g', sizeof garbage);
    struct kv_conf conf = conf_of(tmp_path("none"));
    struct kv *other = NULL;
    conf.read_only = true;
    cr_assert_eq(kv_open(&conf, &other), CPIS_E_NOTFOUND);
    conf = conf_of(tmp_path("kv"));
    kv_close(&kv);
    for (long page = 0; page < 2; page++) /* struct MDB_meta after a page header of 16 bytes */
        file_patch(tmp_path("kv/data.mdb"), page * 4096 + 16 + 4, version_999, sizeof version_999);
    cr_assert_eq(kv_open(&conf, &other), CPIS_E_VERSION);
    file_patch(tmp_path("kv/data.mdb"), 0, garbage, sizeof garbage);
    cr_assert_eq(kv_open(&conf, &other), CPIS_E_STORE);
    cr_assert_null(other);
}

static int steps;
static bool step(void *arg, uint64_t rows, uint64_t of)
{
    cr_assert_leq(rows, of);
    steps++;
    return arg == NULL;
}

Test(kv, a_copy_is_of_one_moment_leaves_tables_out_and_is_refused_where_something_is)
{
    static const bool leave_out[3] = {false, true, false};
    struct kv_conf conf = conf_of(tmp_path("copy"));
    struct stat st;
    struct kv_txn *t = begin(KV_WRITE);
    for (uint32_t i = 0; i < 20000; i++) {
        uint8_t key[4] = {0, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};
        if (kv_error(t) == CPIS_E_LIMIT) {
            kv_abort(&t);
            cr_assert_eq(kv_grow(kv), CPIS_OK);
            t = begin(KV_WRITE);
            i = UINT32_MAX; /* from the start */
            continue;
        }
        kv_put(t, 0, (struct kv_val){key, 4}, V("a value of one or another length"));
    }
    kv_put(t, 1, V("k"), V("left out: 8f2c11"));
    kv_put(t, 2, V("k"), V("own"));
    cr_assert_eq(kv_commit(&t), CPIS_OK);
    cr_assert_eq(kv_copy(kv, tmp_path("copy"), leave_out, step, &st), CPIS_E_STATE, "told to stop");
    cr_assert_neq(stat(tmp_path("copy"), &st), 0, "nothing is left of it");
    file_limit(256 * 1024);
    cr_assert_eq(kv_copy(kv, tmp_path("copy"), leave_out, NULL, NULL), CPIS_E_FULL);
    file_limit(0);
    cr_assert_neq(stat(tmp_path("copy"), &st), 0, "nothing is left of it");
    steps = 0;
    cr_assert_eq(kv_copy(kv, tmp_path("copy"), leave_out, step, NULL), CPIS_OK);
    cr_assert_eq(steps, 5);
    cr_assert_eq(kv_copy(kv, tmp_path("copy"), leave_out, NULL, NULL), CPIS_E_STATE, "not empty");
    cr_assert_eq(kv_copy(kv, tmp_path("kv"), leave_out, NULL, NULL), CPIS_E_STATE, "itself");
    cr_assert_eq(kv_copy(kv, tmp_path("copy/data.mdb"), leave_out, NULL, NULL), CPIS_E_IO);
    cr_assert(holds(0, "never", NULL), "the first is none the worse");
    struct file_bytes b = file_read(tmp_path("copy/data.mdb"));
    cr_assert_gt(b.len, 0);
    cr_assert_not(bytes_contain(b, "8f2c11", 6));
    free(b.p);
    kv_close(&kv);
    cr_assert_eq(kv_open(&conf, &kv), CPIS_OK);
    uint64_t n = 0;
    t = begin(KV_READ);
    cr_assert_eq(kv_count(t, 0, &n), CPIS_OK);
    kv_abort(&t);
    cr_assert_eq(n, 20000);
    cr_assert(holds(1, "k", NULL) && holds(2, "k", "own"));
}
