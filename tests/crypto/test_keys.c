#include "crypto/hash.h"
#include "crypto/keys.h"
#include "tests/crypto/bytes.h"

#include <signal.h>

static struct oprf_output y;
static struct child_keys keys;

static void setup(void)
{
    cr_assert_geq(sodium_init(), 0);
    from_hex("cec3ce6028fca55bc7560999b4498fdec966cdc184c131486f699717795b7d17"
             "1028a7753ab229134723493697b26be51577c9466790a02c4b9c9f72c105a7c0",
             y.b, sizeof y.b);
    keys_from_output(&y, 7, &keys);
}
static void teardown(void) { keys_wipe(&keys); }
TestSuite(keys, .init = setup, .fini = teardown);

Test(keys, are_those_of_the_vectors)
{
    assert_hex(&keys.token, 32, "3bd7c2cb819cc04d2acdc1da14e06f373635b241e14e97624a1c5025e7696873");
    assert_hex(&keys.request, 32,
               "913e7277905e75af2a026d3b0838e033df6c08db0d294def1bd846e276aef28d");
    assert_hex(&keys.answer, 32,
               "90b49b76dda2af14e7502a07a96b6c92ded69e274898c87e248ff77e764ccf0e");
}

Test(keys, every_bit_of_y_and_of_the_epoch_changes_all_three)
{
    for (size_t bit = 0; bit < 8 * sizeof y.b + 32; bit++) {
        struct child_keys other;
        struct oprf_output y2 = y;
        uint32_t epoch = 7;
        if (bit < 8 * sizeof y.b)
            flip(y2.b, bit);
        else
            epoch ^= 1U << (bit - 8 * sizeof y.b);
        keys_from_output(&y2, epoch, &other);
        cr_assert_neq(token_compare(&other.token, &keys.token), 0);
        cr_assert_neq(memcmp(&other.request, &keys.request, 32), 0);
        cr_assert_neq(memcmp(&other.answer, &keys.answer, 32), 0);
    }
}

Test(keys, wiping_leaves_nothing)
{
    keys_wipe(&keys);
    cr_assert(bytes_are_zero((const uint8_t *)&keys, sizeof keys));
}

Test(keys, a_tag_is_new_for_every_request_query_node_epoch_and_token)
{
    const struct cpis_id query = {{1}}, query2 = {{2}}, rid = {{3}}, rid2 = {{4}};
    struct token token2 = keys.token;
    flip(token2.b, 255);
    const struct handle r = handle_make(7, &query, &rid);
    const struct handle others[] = {handle_make(8, &query, &rid), handle_make(7, &query2, &rid),
                                    handle_make(7, &query, &rid2), handle_make(7, &rid, &query)};
    const struct tag tag = handle_tag(&keys.token, &r), again = handle_tag(&keys.token, &r);
    cr_assert(tag_equal(&tag, &again));
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        const struct tag other = handle_tag(&keys.token, &others[i]);
        cr_assert_not(tag_equal(&tag, &other));
    }
    const struct tag other = handle_tag(&token2, &r);
    cr_assert_not(tag_equal(&tag, &other));
}

Test(keys, a_tags_tokens_are_found_wherever_and_however_often_they_stand)
{
    const struct handle handle = {{5}};
    const struct tag tag = handle_tag(&keys.token, &handle);
    struct token token[100];
    size_t at[3] = {SIZE_MAX, SIZE_MAX, SIZE_MAX};
    for (size_t i = 0; i < 100; i++) {
        token[i] = keys.token;
        token[i].b[0] = (uint8_t)(keys.token.b[0] + 1 + i);
    }
    cr_expect_eq(handle_find(token, 0, &handle, &tag, at, 3), 0);
    cr_expect_eq(handle_find(token, 100, &handle, &tag, at, 3), 0);
    token[99] = token[0] = token[41] = keys.token;
    cr_expect_eq(handle_find(token, 100, &handle, &tag, at, 2), 3, "all are counted");
    cr_expect_eq(at[0], 0);
    cr_expect_eq(at[1], 41);
    cr_expect_eq(at[2], SIZE_MAX, "and no more told than there is room for");
    cr_expect_eq(handle_find(token, 99, &handle, &tag, at, 3), 2);
}

Test(keys, tag_and_token_comparisons_see_every_bit)
{
    for (size_t bit = 0; bit < 8 * TAG_BYTES; bit++) {
        struct tag a = {{0}}, b = {{0}};
        cr_assert(tag_equal(&a, &b));
        flip(b.b, bit);
        cr_assert_not(tag_equal(&a, &b));
    }
    for (size_t bit = 0; bit < 8 * TOKEN_BYTES; bit++) {
        struct token a = {{0}}, b = {{0}};
        cr_assert_eq(token_compare(&a, &b), 0);
        flip(b.b, bit);
        cr_assert_lt(token_compare(&a, &b), 0);
        cr_assert_gt(token_compare(&b, &a), 0);
    }
}

Test(keys, tokens_are_ordered_as_their_bytes)
{
    for (size_t at = 0; at < TOKEN_BYTES; at++)
        for (unsigned low = 0; low < 256; low += 51)
            for (unsigned high = low; high < 256; high += 51) {
                struct token a = {.b = {0}}, b = {.b = {0}};
                memset(a.b + at, 0xff, TOKEN_BYTES - at); /* what stands behind decides nothing */
                a.b[at] = (uint8_t)low;
                b.b[at] = (uint8_t)high;
                const int is = token_compare(&a, &b), as = memcmp(a.b, b.b, TOKEN_BYTES);
                cr_expect_eq((is > 0) - (is < 0), (as > 0) - (as < 0), "byte %zu", at);
                cr_expect_eq(token_compare(&a, &a), 0);
            }
}

Test(keys, a_bucket_is_the_first_bits_of_the_token)
{
    const struct token t = {{0xa5, 0xc0, 0xff}}, last = {{0xff, 0xff}};
    static const uint32_t want[] = {1, 2, 5, 10, 20, 41, 82, 165, 331, 663};
    for (uint32_t bits = 1; bits <= BUCKET_BITS_MAX; bits++) {
        cr_assert_eq(token_bucket(&t, bits), want[bits - 1]);
        cr_assert_eq(token_bucket(&last, bits), (1U << bits) - 1);
    }
}

Test(keys, a_bucket_of_no_bits_is_our_own_bug, .signal = SIGABRT)
{
    (void)token_bucket(&keys.token, 0);
}

Test(keys, a_bucket_of_too_many_bits_is_our_own_bug, .signal = SIGABRT)
{
    (void)token_bucket(&keys.token, BUCKET_BITS_MAX + 1);
}
