#include "crypto/chain.h"
#include "crypto/hash.h"
#include "tests/crypto/bytes.h"

#define ENTRIES 20U

static uint8_t entries[ENTRIES][40];

static void setup(void)
{
    cr_assert_geq(sodium_init(), 0);
    fill_from(1, entries, sizeof entries);
}
TestSuite(chain, .init = setup);

/* Walks all entries but `without` (ENTRIES: none), with `a` and `b` exchanged. */
static struct chain_head walk(size_t without, size_t a, size_t b)
{
    struct chain_head h = {0};
    for (size_t i = 0; i < ENTRIES; i++) {
        const size_t at = i == a ? b : i == b ? a : i;
        if (i != without) h = chain_next(&h, entries[at], sizeof entries[at]);
    }
    return h;
}

Test(chain, an_empty_entry_at_the_start_has_a_known_head)
{
    uint8_t b[8 + 8 + 64] = "cpx1/log";
    const struct cpis_hash none = hash_of(NULL, 0);
    const struct chain_head empty = {0}, got = chain_next(&empty, NULL, 0);
    b[15] = 1;
    memcpy(b + 48, none.b, sizeof none.b);
    const struct chain_head want = {.sequence = 1, .head = hash_of(b, sizeof b)};
    cr_assert(chain_equal(&got, &want));
}

Test(chain, two_entries_in_another_order_give_another_head)
{
    const struct chain_head want = walk(ENTRIES, 0, 0);
    cr_assert_eq(want.sequence, ENTRIES);
    for (size_t a = 0; a < ENTRIES; a++)
        for (size_t b = 0; b < a; b++) {
            const struct chain_head got = walk(ENTRIES, a, b);
            cr_assert_not(hash_equal(&got.head, &want.head));
        }
}

Test(chain, an_entry_left_out_or_rewritten_shows)
{
    const struct chain_head want = walk(ENTRIES, 0, 0);
    for (size_t i = 0; i < ENTRIES; i++) {
        struct chain_head got = walk(i, 0, 0);
        cr_assert_not(chain_equal(&got, &want));
        cr_assert_not(hash_equal(&got.head, &want.head));
        flip(entries[i], 8 * i);
        got = walk(ENTRIES, 0, 0);
        cr_assert_not(hash_equal(&got.head, &want.head));
        flip(entries[i], 8 * i);
    }
}

Test(chain, from_hashes_of_pruned_entries_is_the_same)
{
    struct chain_head h = {0};
    for (size_t i = 0; i < ENTRIES; i++) {
        const struct cpis_hash e = hash_of(entries[i], sizeof entries[i]);
        h = chain_next_hashed(&h, &e);
    }
    const struct chain_head want = walk(ENTRIES, 0, 0);
    cr_assert(chain_equal(&h, &want));
}

Test(chain, the_number_is_part_of_the_head)
{
    const struct chain_head a = {.sequence = 5, .head = {{1}}}, b = {.sequence = 6, .head = {{1}}};
    const struct chain_head next_a = chain_next(&a, entries[0], 1);
    const struct chain_head next_b = chain_next(&b, entries[0], 1);
    cr_assert_not(chain_equal(&a, &b));
    cr_assert_not(hash_equal(&next_a.head, &next_b.head));
}
