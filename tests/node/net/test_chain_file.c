/* Unit tests of node/net/chain_file.h and chain_store.h. */
#include "node/net/chain_store.h"
#include "node/net/folder.h"
#include "tests/node/core/registry_fixture.h"
#include "tests/node/net/place.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VERSIONS 5U

static struct arena a;
static struct registry *r; /* versions 1 to 3; then as many as grow() made */
static char path[FOLDER_PATH_BYTES], why[CHAIN_WHY_BYTES];
static struct store *store;
static uint8_t *file;
static size_t file_len;

/* Another version: nothing but the head age is different, by so much. */
static void grow(uint64_t head_age)
{
    struct msg_register m = *registry_newest(r);
    m.previous = *registry_hash(r);
    m.version++;
    m.head_age = head_age;
    cr_assert_eq(registry_load(r, rf_document(&m, registry_net(r), 3, &a)), CPIS_OK);
}

static struct bytes document(const struct registry *of, uint64_t version)
{
    struct msg_register_chain c;
    struct bytes b;
    rf_links_after(of, version - 1, &a, &c);
    cr_assert_eq(register_document_encode(&c.links[0], &a, &b), CPIS_OK);
    return b;
}

static void write_file(const struct registry *of, uint64_t versions)
{
    struct chain_writer w;
    (void)unlink(path);
    cr_assert_eq(chain_file_create(path, 0600, &w), CPIS_OK);
    for (uint64_t v = 1; v <= versions; v++)
        cr_assert_eq(chain_file_write(&w, document(of, v)), CPIS_OK);
    cr_assert_eq(chain_file_finish(&w), CPIS_OK);
}

static void read_file(void)
{
    free(file);
    cr_assert_eq(folder_read(place_dir(), FOLDER_REGISTER, (size_t)1 << 24, &file, &file_len),
                 CPIS_OK);
}

static void put_file(size_t len)
{
    FILE *f = fopen(path, "wb");
    cr_assert_not_null(f);
    cr_assert_eq(fwrite(file, 1, len, f), len);
    cr_assert_eq(fclose(f), 0);
}

static void open_store(void)
{
    static const uint8_t root[REST_ROOT_BYTES] = {9}, seed[DRBG_SEED_BYTES] = {8};
    char data[FOLDER_PATH_BYTES];
    struct rest_keys keys;
    struct drbg rng;
    cr_assert_eq(folder_path(place_dir(), FOLDER_DATA, sizeof data, data), CPIS_OK);
    const struct store_conf conf = {.dir = data};
    rest_keys_from(root, &keys);
    drbg_from(seed, &rng);
    cr_assert_eq(store_open(&conf, &keys, &rng, &store), CPIS_OK);
}

static void begin(void)
{
    cr_assert_geq(sodium_init(), 0);
    place_make();
    cr_assert_eq(folder_path(place_dir(), FOLDER_REGISTER, sizeof path, path), CPIS_OK);
    a = arena_make((size_t)64 << 20);
    r = rf_federation(3, true, &a);
    for (unsigned i = 4; i <= VERSIONS; i++)
        grow(i * CPIS_MS_HOUR);
    write_file(r, VERSIONS);
    read_file();
}
static void end(void)
{
    store_close(&store);
    registry_free(&r);
    arena_free(&a);
    free(file);
    place_remove();
}
TestSuite(chain_file, .init = begin, .fini = end);
TestSuite(chain_store, .init = begin, .fini = end);

static cpis_err load(uint64_t until, uint64_t *ret_version)
{
    struct registry *into = NULL;
    cr_assert_eq(registry_new(&into), CPIS_OK);
    why[0] = '\0';
    cpis_err err = chain_file_load(path, until, into, why);
    *ret_version = registry_is_empty(into) ? 0 : registry_version(into);
    registry_free(&into);
    return err;
}

Test(chain_file, gives_every_version_back_and_stops_where_it_is_told)
{
    struct chain_mark mark;
    uint64_t version;
    cr_assert_eq(load(0, &version), CPIS_OK, "%s", why);
    cr_expect_eq(version, VERSIONS);
    cr_assert_eq(load(3, &version), CPIS_OK, "%s", why);
    cr_expect_eq(version, 3);
    cr_assert_eq(load(9, &version), CPIS_E_LIMIT);
    cr_expect_str_eq(why, "ends with version 5, version 9 is needed: get the newest register from "
                          "a steward");
    cr_assert_eq(chain_file_check(path, &mark, why), CPIS_OK);
    cr_expect_eq(mark.links, VERSIONS);
    cr_expect_eq(mark.at + CHAIN_END_BYTES, file_len);
}

Test(chain_file, cut_off_anywhere_it_says_at_which_byte)
{
    struct chain_mark mark;
    char expect[64];
    for (size_t len = 0; len < file_len; len += len < 64 || len + 64 > file_len ? 1 : 29) {
        put_file(len);
        cr_assert_eq(chain_file_check(path, &mark, why), CPIS_E_MALFORMED, "%zu", len);
        (void)snprintf(expect, sizeof expect, "cut off at byte %zu", len);
        cr_expect(len < 8 || strstr(why, expect) != NULL, "%zu: %s", len, why);
        cr_expect_not_null(strstr(why, "steward"), "says what to do: %s", why);
    }
    put_file(file_len);
    FILE *f = fopen(path, "ab");
    cr_assert(f != NULL && fputc('x', f) != EOF && fclose(f) == 0);
    cr_assert_eq(chain_file_check(path, &mark, why), CPIS_E_MALFORMED);
    (void)snprintf(expect, sizeof expect, "behind its end, at byte %zu", file_len);
    cr_expect_not_null(strstr(why, expect), "%s", why);
}

Test(chain_file, any_byte_changed_is_found_and_in_which_version)
{
    struct chain_mark mark;
    uint64_t version = 0, ends = 0;
    for (size_t at = 0; at < file_len; at++) {
        while (at >= ends && version < VERSIONS) {
            ends =
                (version == 0 ? 12 : ends) + 4 + document(r, version + 1).len + CHAIN_CHECK_BYTES;
            version++;
        }
        if (at > 64 && at + 64 < file_len && at % 7 != 0) continue;
        file[at] ^= 0x10;
        put_file(file_len);
        cpis_err err = chain_file_check(path, &mark, why);
        file[at] ^= 0x10;
        cr_assert(err == CPIS_E_MALFORMED || err == CPIS_E_VERSION, "byte %zu: %d", at, err);
        if (at < 12 || at >= ends) continue;
        char expect[64];
        (void)snprintf(expect, sizeof expect,
                       "in what follows version %llu:", (unsigned long long)(version - 1));
        cr_expect_not_null(strstr(why, expect), "byte %zu: %s, not %s", at, why, expect);
    }
}

Test(chain_file, other_files_are_told_apart)
{
    struct msg_register_chain old;
    struct chain_mark mark;
    struct bytes b;
    rf_links_after(r, 0, &a, &old); /* what the file was before the first release */
    cr_assert_eq(register_chain_encode(&old, &a, &b), CPIS_OK);
    cr_assert_eq(folder_write(place_dir(), FOLDER_REGISTER, b), CPIS_OK);
    cr_assert_eq(chain_file_check(path, &mark, why), CPIS_E_MALFORMED);
    cr_expect_not_null(strstr(why, "does not begin with \"cpx1/reg\", at byte 0"), "%s", why);
    file[11] = 2;
    put_file(file_len);
    cr_assert_eq(chain_file_check(path, &mark, why), CPIS_E_VERSION);
    cr_expect_not_null(strstr(why, "install a newer version"), "%s", why);
    cr_assert_eq(chain_file_check(place_dir(), &mark, why), CPIS_E_IO);
    cr_assert_eq(chain_file_check("build/no-such-file", &mark, why), CPIS_E_NOTFOUND);
}

/* Checks are against damage only: whoever writes a file can make them. Signatures hold. */
Test(chain_file, a_forged_or_repeated_link_is_refused_with_version_and_byte)
{
    struct msg_register m = *registry_newest(r);
    struct chain_writer w;
    struct chain_mark mark;
    uint64_t version;
    m.previous = *registry_hash(r);
    m.version++;
    cr_assert_eq(chain_file_check(path, &mark, why), CPIS_OK);
    cr_assert_eq(chain_file_append(path, &mark, &w), CPIS_OK);
    cr_assert_eq(chain_file_write(&w, rf_document(&m, registry_net(r), 1, &a)), CPIS_OK);
    cr_assert_eq(chain_file_finish(&w), CPIS_OK);
    cr_assert_eq(load(0, &version), CPIS_E_AUTH);
    char expect[96];
    (void)snprintf(expect, sizeof expect, "version 6, at byte %llu: too few signatures",
                   (unsigned long long)mark.at);
    cr_expect_not_null(strstr(why, expect), "%s", why);
    write_file(r, VERSIONS);
    cr_assert_eq(chain_file_append(path, &mark, &w), CPIS_OK);
    cr_assert_eq(chain_file_write(&w, document(r, VERSIONS)), CPIS_OK);
    cr_assert_eq(chain_file_finish(&w), CPIS_OK);
    cr_assert_neq(load(0, &version), CPIS_OK);
    cr_expect_not_null(strstr(why, "twice"), "%s", why);
}

Test(chain_file, a_copy_takes_one_link_more_or_leaves_what_was)
{
    struct chain_mark mark, before;
    const struct bytes four = document(r, 4);
    write_file(r, 3);
    cr_assert_eq(chain_file_check(path, &before, why), CPIS_OK);
    cr_assert_eq(chain_file_copy(path, path, 0644, &four, why), CPIS_OK, "%s", why);
    cr_assert_eq(chain_file_check(path, &mark, why), CPIS_OK);
    cr_expect_eq(mark.links, 4);
    read_file();
    put_file(file_len - 1);
    cr_assert_eq(chain_file_copy(path, path, 0644, &four, why), CPIS_E_MALFORMED);
    cr_expect_not_null(strstr(why, "cut off"), "%s", why);
    struct stat st;
    cr_assert_eq(stat(path, &st), 0);
    cr_expect_eq((size_t)st.st_size, file_len - 1);
    struct chain_writer w;
    cr_expect_eq(chain_file_append(path, &mark, &w), CPIS_E_STATE, "the end is not whole");
    cr_expect_eq(chain_file_append(path, &before, &w), CPIS_E_STATE, "the file is longer");
    put_file(file_len);
    FILE *f = fopen(path, "ab");
    cr_assert(f != NULL && fputc('x', f) != EOF && fclose(f) == 0);
    cr_expect_eq(chain_file_append(path, &mark, &w), CPIS_E_STATE, "something stands behind it");
}

/* --- file and store --- */

static uint64_t stored(void)
{
    const struct view view = store_view(store);
    uint64_t version = 77;
    cr_assert_eq(chain_store_version(&view, &version), CPIS_OK);
    return version;
}

Test(chain_store, takes_what_the_store_lacks_and_writes_what_the_file_lacks)
{
    struct chain_mark mark;
    uint64_t version;
    write_file(r, 2);
    open_store();
    cr_assert_eq(chain_store_take(store, place_dir(), &mark, why), CPIS_OK, "%s", why);
    cr_expect_eq(stored(), 2);
    write_file(r, VERSIONS);
    cr_assert_eq(chain_store_take(store, place_dir(), &mark, why), CPIS_OK, "%s", why);
    cr_expect_eq(stored(), VERSIONS);
    cr_expect_str_empty(why);
    const struct view view = store_view(store);
    write_file(r, 3); /* as after an older backup of the file */
    cr_assert_eq(chain_store_take(store, place_dir(), &mark, why), CPIS_OK, "%s", why);
    cr_expect_eq(mark.links, 3);
    cr_assert_eq(chain_store_keep(place_dir(), &view, VERSIONS, &mark), CPIS_OK);
    cr_expect_eq(mark.links, VERSIONS);
    cr_assert_eq(load(0, &version), CPIS_OK, "%s", why);
    cr_expect_eq(version, VERSIONS);
}

Test(chain_store, an_interrupted_start_goes_on_where_it_was)
{
    struct chain_mark mark;
    uint8_t key[REGISTER_KEY_BYTES];
    open_store();
    for (uint64_t v = 1; v <= 4; v++) { /* what a start committed before it was killed */
        registry_key(v, key);
        const struct bytes b = document(r, v);
        store_put(store, TABLE_REGISTER, key, sizeof key, b.p, b.len);
    }
    cr_assert_eq(store_commit(store), CPIS_OK);
    cr_assert_eq(chain_store_take(store, place_dir(), &mark, why), CPIS_OK, "%s", why);
    cr_expect_eq(stored(), VERSIONS);
    cr_expect_eq(mark.links, VERSIONS);
}

Test(chain_store, a_damaged_file_stops_a_new_node_and_is_mended_for_an_old_one)
{
    struct chain_mark mark;
    uint64_t version;
    put_file(file_len - 30);
    open_store();
    cr_assert_eq(chain_store_take(store, place_dir(), &mark, why), CPIS_E_MALFORMED);
    cr_expect_not_null(strstr(why, "cut off at byte"), "%s", why);
    cr_expect_eq(stored(), 0, "nothing of a file that is not whole");
    put_file(file_len);
    cr_assert_eq(chain_store_take(store, place_dir(), &mark, why), CPIS_OK, "%s", why);
    put_file(file_len - 30);
    cr_assert_eq(chain_store_take(store, place_dir(), &mark, why), CPIS_OK);
    cr_expect_not_null(strstr(why, "cut off at byte"), "%s", why);
    const struct view view = store_view(store);
    cr_assert_eq(chain_store_keep(place_dir(), &view, VERSIONS, &mark), CPIS_OK);
    cr_assert_eq(load(0, &version), CPIS_OK, "%s", why);
    cr_expect_eq(version, VERSIONS);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(chain_store_take(store, place_dir(), &mark, why), CPIS_OK, "the store has it");
    cr_expect_eq(mark.at, 0);
}

Test(chain_store, another_register_is_not_taken_for_ones_own)
{
    struct chain_mark mark;
    struct registry *other = NULL;
    open_store();
    write_file(r, 3);
    cr_assert_eq(chain_store_take(store, place_dir(), &mark, why), CPIS_OK, "%s", why);
    grow(999 * CPIS_MS_HOUR); /* the same federation forks here */
    cr_assert_eq(registry_new(&other), CPIS_OK);
    for (uint64_t v = 1; v <= 3; v++)
        cr_assert_eq(registry_load(other, document(r, v)), CPIS_OK);
    struct msg_register m = *registry_newest(other);
    m.head_age++;
    m.version = 3;
    m.previous = (struct cpis_hash){{0}};
    struct chain_writer w;
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(chain_file_create(path, 0600, &w), CPIS_OK);
    for (uint64_t v = 1; v <= 2; v++)
        cr_assert_eq(chain_file_write(&w, document(r, v)), CPIS_OK);
    cr_assert_eq(chain_file_write(&w, rf_document(&m, registry_net(r), 3, &a)), CPIS_OK);
    cr_assert_eq(chain_file_finish(&w), CPIS_OK);
    cr_assert_eq(chain_store_take(store, place_dir(), &mark, why), CPIS_OK);
    cr_expect_str_eq(why, "is not the register of this node's store");
    cr_expect_eq(mark.at, 0);
    registry_free(&other);
}

Test(chain_store, a_file_that_changed_behind_ones_back_is_written_anew)
{
    struct chain_mark mark;
    uint64_t version;
    open_store();
    cr_assert_eq(chain_store_take(store, place_dir(), &mark, why), CPIS_OK, "%s", why);
    grow(77 * CPIS_MS_HOUR);
    uint8_t key[REGISTER_KEY_BYTES];
    registry_key(VERSIONS + 1, key);
    const struct bytes b = document(r, VERSIONS + 1);
    store_put(store, TABLE_REGISTER, key, sizeof key, b.p, b.len);
    cr_assert_eq(store_commit(store), CPIS_OK);
    write_file(r, 2);
    const struct view view = store_view(store);
    cr_assert_eq(chain_store_keep(place_dir(), &view, VERSIONS + 1, &mark), CPIS_OK);
    cr_assert_eq(load(0, &version), CPIS_OK, "%s", why);
    cr_expect_eq(version, VERSIONS + 1);
    cr_assert_eq(chain_store_keep(place_dir(), &view, VERSIONS + 9, &mark), CPIS_E_NOTFOUND);
    cr_expect_eq(mark.at, 0);
}
