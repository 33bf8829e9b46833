#include "crypto/hash.h"
#include "crypto/merkle.h"
#include "tests/crypto/bytes.h"
#include "tests/fail_malloc.h"

#include <stdlib.h>

#define N_MAX 70U

static struct list_entry entries[N_MAX];

static int by_token(const void *a, const void *b)
{
    return token_compare(&((const struct list_entry *)a)->token,
                         &((const struct list_entry *)b)->token);
}
static void setup(void)
{
    cr_assert_geq(sodium_init(), 0);
    fill_from(1, entries, sizeof entries);
    qsort(entries, N_MAX, sizeof entries[0], by_token);
}
TestSuite(merkle, .init = setup);

static struct merkle *tree_of(size_t n)
{
    struct merkle *m = NULL;
    cr_assert_eq(merkle_build(entries, n, &m), CPIS_OK);
    cr_assert_eq(merkle_count(m), n);
    return m;
}

/* The definition, word by word, as slow as it reads: the split at the largest power of two < n. */
static struct cpis_hash top_by_definition(const struct list_entry *e, size_t n)
{
    if (n == 0) return merkle_empty_top();
    if (n == 1) return merkle_leaf(e);
    size_t split = 1;
    while (2 * split < n)
        split *= 2;
    const struct cpis_hash l = top_by_definition(e, split);
    const struct cpis_hash r = top_by_definition(e + split, n - split);
    uint8_t b[1 + 2 * CPIS_HASH_BYTES] = {1};
    memcpy(b + 1, l.b, sizeof l.b);
    memcpy(b + 1 + sizeof l.b, r.b, sizeof r.b);
    return hash_of(b, sizeof b);
}

Test(merkle, tops_and_roots_follow_the_definition)
{
    for (size_t n = 0; n <= N_MAX; n++) {
        struct merkle *m = tree_of(n);
        const struct cpis_hash want = top_by_definition(entries, n);
        const struct cpis_hash top = merkle_top(m), root = merkle_root(m);
        uint8_t b[1 + 8 + CPIS_HASH_BYTES] = {2, [8] = (uint8_t)n};
        memcpy(b + 9, want.b, sizeof want.b);
        const struct cpis_hash want_root = hash_of(b, sizeof b);
        cr_assert(hash_equal(&top, &want), "n=%zu", n);
        cr_assert(hash_equal(&root, &want_root), "n=%zu", n);
        merkle_free(&m);
        cr_assert_null(m);
    }
}

Test(merkle, the_empty_list_has_the_root_of_the_vectors)
{
    struct merkle *m = NULL;
    cr_assert_eq(merkle_build(NULL, 0, &m), CPIS_OK);
    const struct cpis_hash root = merkle_root(m);
    char start[11];
    sodium_bin2hex(start, sizeof start, root.b, 5);
    cr_assert_str_eq(start, "fc5dcaaa3b");
    merkle_free(&m);
}

Test(merkle, a_proof_holds_at_its_own_index_and_count_only)
{
    for (size_t n = 0; n <= N_MAX; n++) {
        struct merkle *m = tree_of(n);
        const struct cpis_hash root = merkle_root(m);
        struct merkle_path path;
        for (size_t i = 0; i < n; i++) {
            cr_assert_eq(merkle_path_of(m, entries, i, &path), CPIS_OK);
            for (size_t j = 0; j <= n; j++) /* every index, and one past the end */
                cr_assert_eq(merkle_verify(&root, n, j, &entries[i], &path) == CPIS_OK, i == j,
                             "n=%zu i=%zu j=%zu", n, i, j);
            for (size_t k = 0; k <= N_MAX + 2; k++) /* every count */
                cr_assert_eq(merkle_verify(&root, k, i, &entries[i], &path) == CPIS_OK, k == n,
                             "n=%zu i=%zu k=%zu", n, i, k);
        }
        cr_assert_eq(merkle_path_of(m, entries, n, &path), CPIS_E_INVAL);
        merkle_free(&m);
    }
}

Test(merkle, a_proof_holds_for_no_other_path_length)
{
    for (size_t n = 1; n <= N_MAX; n++) {
        struct merkle *m = tree_of(n);
        const struct cpis_hash root = merkle_root(m);
        for (size_t i = 0; i < n; i++) {
            struct merkle_path path;
            cr_assert_eq(merkle_path_of(m, entries, i, &path), CPIS_OK);
            const uint32_t right = path.count;
            for (uint32_t count = 0; count <= MERKLE_PATH_MAX + 1; count++) {
                path.count = count;
                cr_assert_eq(merkle_verify(&root, n, i, &entries[i], &path),
                             count == right ? CPIS_OK : CPIS_E_MALFORMED);
            }
            path.count = UINT32_MAX;
            cr_assert_eq(merkle_verify(&root, n, i, &entries[i], &path), CPIS_E_MALFORMED);
        }
        merkle_free(&m);
    }
}

Test(merkle, every_flipped_bit_of_token_salt_path_and_root_is_refused)
{
    const size_t n = 21, at = 18; /* one whose way up skips a level */
    struct merkle *m = tree_of(n);
    struct cpis_hash root = merkle_root(m);
    struct merkle_path path;
    cr_assert_eq(merkle_path_of(m, entries, at, &path), CPIS_OK);
    const struct {
        void *p;
        size_t len;
    } parts[] = {{&entries[at].token, TOKEN_BYTES},
                 {&entries[at].salt, SALT_BYTES},
                 {path.sibling, path.count * sizeof path.sibling[0]},
                 {&root, sizeof root}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        for (size_t bit = 0; bit < 8 * parts[i].len; bit++) {
            flip(parts[i].p, bit);
            cr_assert_eq(merkle_verify(&root, n, at, &entries[at], &path), CPIS_E_AUTH);
            flip(parts[i].p, bit);
        }
    cr_assert_eq(merkle_verify(&root, n, at, &entries[at], &path), CPIS_OK);
    merkle_free(&m);
}

Test(merkle, impossible_counts_and_indices_are_malformed)
{
    struct merkle *m = tree_of(21);
    const struct cpis_hash root = merkle_root(m);
    struct merkle_path path;
    cr_assert_eq(merkle_path_of(m, entries, 16, &path), CPIS_OK);
    const struct {
        uint64_t n, index;
    } bad[] = {{0, 0},
               {21, 21},
               {21, 16 + (UINT64_C(1) << 32)}, /* would be 16 in 32 bits */
               {21 + (UINT64_C(1) << 32), 16},
               {(uint64_t)MERKLE_LEAVES_MAX + 1, 16},
               {UINT64_MAX, 16}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_eq(merkle_verify(&root, bad[i].n, bad[i].index, &entries[16], &path),
                     CPIS_E_MALFORMED);
    /* counts past the maximum are refused though the path's length is theirs; the second of them
     * would be read past its array's end */
    path.count = 1;
    cr_assert_eq(merkle_verify(&root, (uint64_t)MERKLE_LEAVES_MAX + 1, MERKLE_LEAVES_MAX,
                               &entries[16], &path),
                 CPIS_E_MALFORMED);
    path.count = MERKLE_PATH_MAX + 1;
    cr_assert_eq(merkle_verify(&root, (uint64_t)MERKLE_LEAVES_MAX * 2, 0, &entries[16], &path),
                 CPIS_E_MALFORMED);
    merkle_free(&m);
}

Test(merkle, tokens_that_do_not_strictly_rise_are_refused)
{
    struct merkle *m = NULL;
    for (size_t i = 0; i + 1 < N_MAX; i++) {
        const struct list_entry a = entries[i], b = entries[i + 1];
        entries[i] = b;
        entries[i + 1] = a;
        cr_assert_eq(merkle_build(entries, N_MAX, &m), CPIS_E_INVAL);
        entries[i] = a;
        entries[i + 1].token = a.token; /* the same token with another salt */
        cr_assert_eq(merkle_build(entries, N_MAX, &m), CPIS_E_INVAL);
        entries[i + 1] = b;
    }
    cr_assert_null(m);
}

Test(merkle, a_failed_allocation_is_an_error_and_nothing_else)
{
    struct merkle *m = NULL;
    fail_malloc_at(0);
    cr_assert_eq(merkle_build(entries, N_MAX, &m), CPIS_E_NOMEM);
    cr_assert_null(m);
    fail_malloc_at(1); /* there is but one allocation */
    cr_assert_eq(merkle_build(entries, N_MAX, &m), CPIS_OK);
    fail_malloc_at(-1);
    merkle_free(&m);
    merkle_free(&m); /* of NULL: nothing */
}

Test(merkle, the_largest_list_is_proved_and_a_larger_one_refused)
{
    const size_t n = MERKLE_LEAVES_MAX;
    struct list_entry *big = calloc(n + 1, sizeof *big);
    struct merkle *m = NULL;
    struct merkle_path path;
    cr_assert_not_null(big);
    for (size_t i = 0; i <= n; i++) {
        big[i].token.b[0] = (uint8_t)(i >> 16);
        big[i].token.b[1] = (uint8_t)(i >> 8);
        big[i].token.b[2] = (uint8_t)i;
    }
    cr_assert_eq(merkle_build(big, n + 1, &m), CPIS_E_LIMIT);
    cr_assert_eq(merkle_build(big, n, &m), CPIS_OK);
    const struct cpis_hash root = merkle_root(m);
    cr_assert_eq(merkle_path_of(m, big, n - 1, &path), CPIS_OK);
    cr_assert_eq(path.count, MERKLE_PATH_MAX);
    cr_assert_eq(merkle_verify(&root, n, n - 1, &big[n - 1], &path), CPIS_OK);
    merkle_free(&m);
    free(big);
}

Test(merkle, a_list_id_depends_on_everything_in_it)
{
    struct cpis_hash root = {{1}}, other = {{2}};
    const struct cpis_hash prev[2] = {{{3}}, {{4}}}, swapped[2] = {{{4}}, {{3}}};
    const struct cpis_hash ids[] = {
        list_id_of(1, 2, &root, 3, prev, 2), list_id_of(2, 2, &root, 3, prev, 2),
        list_id_of(1, 3, &root, 3, prev, 2), list_id_of(1, 2, &other, 3, prev, 2),
        list_id_of(1, 2, &root, 4, prev, 2), list_id_of(1, 2, &root, 3, prev, 1),
        list_id_of(1, 2, &root, 3, NULL, 0), list_id_of(1, 2, &root, 3, swapped, 2),
    };
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
        for (size_t j = 0; j < i; j++)
            cr_assert_not(hash_equal(&ids[i], &ids[j]), "%zu and %zu", i, j);
    static const uint8_t bytes[] = "cpx1/list"
                                   "\0\0\0\1"
                                   "\0\0\0\0\0\0\0\2";
    uint8_t b[sizeof bytes - 1 + 32 + 8 + 1 + 64] = {0};
    memcpy(b, bytes, sizeof bytes - 1);
    memcpy(b + 21, root.b, 32);
    b[21 + 32 + 7] = 3;
    b[21 + 32 + 8] = 2;
    memcpy(b + 21 + 32 + 9, prev, 64);
    const struct cpis_hash want = hash_of(b, sizeof b);
    cr_assert(hash_equal(&ids[0], &want));
}

Test(merkle, a_state_depends_on_epoch_and_on_the_heads_in_their_order)
{
    const struct cpis_hash heads[2] = {{{1}}, {{2}}}, swapped[2] = {{{2}}, {{1}}};
    const struct cpis_hash states[] = {state_of(7, heads, 2), state_of(8, heads, 2),
                                       state_of(7, heads, 1), state_of(7, swapped, 2),
                                       state_of(7, NULL, 0)};
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
        for (size_t j = 0; j < i; j++)
            cr_assert_not(hash_equal(&states[i], &states[j]), "%zu and %zu", i, j);
    static const uint8_t none[] = "cpx1/state\0\0\0\7";
    const struct cpis_hash want = hash_of(none, sizeof none - 1);
    cr_assert(hash_equal(&states[4], &want));
}
