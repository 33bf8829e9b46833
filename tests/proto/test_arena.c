/* Unit tests of proto/arena.h. */
#include "proto/arena.h"
#include "tests/fail_malloc.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

TestSuite(arena);

Test(arena, gives_zeroed_memory_aligned_for_any_type_that_does_not_overlap)
{
    struct arena a = arena_make(1U << 20);
    uint8_t *p[200], *dirty = malloc(60000); /* below what glibc maps by itself */
    cr_assert_not_null(dirty);
    memset(dirty, 0xFF, 60000); /* what malloc gives next has been used before */
    free(dirty);
    for (size_t i = 0; i < 200; i++) {
        size_t len = i * 37 % 5000;
        p[i] = arena_take(&a, len);
        cr_assert_not_null(p[i]);
        cr_assert_eq((uintptr_t)p[i] % _Alignof(max_align_t), 0);
        for (size_t k = 0; k < len; k++)
            cr_assert_eq(p[i][k], 0);
        memset(p[i], (int)(i + 1), len);
    }
    for (size_t i = 0; i < 200; i++)
        for (size_t k = 0; k < i * 37 % 5000; k++)
            cr_assert_eq(p[i][k], (uint8_t)(i + 1));
    arena_free(&a);
}

Test(arena, hands_out_no_more_than_its_cap_whatever_the_pieces)
{
    for (size_t len = 0; len < 100; len++) {
        struct arena a = arena_make(10000);
        size_t taken = 0;
        while (arena_take(&a, len) != NULL) {
            taken += len > 0 ? len : 1;
            cr_assert_leq(taken, 10000, "pieces of %zu", len);
            cr_assert_leq(a.used, a.cap);
        }
        cr_assert(!a.failed);
        arena_free(&a);
        cr_assert_not_null(arena_take(&a, len));
        arena_free(&a);
    }
}

/* A piece of one byte takes up as much as its alignment: the cap is one of memory, not of wishes.
 */
Test(arena, counts_what_a_piece_takes_up_and_not_what_was_asked)
{
    struct arena a = arena_make(1600);
    size_t pieces = 0;
    while (arena_take(&a, 1) != NULL)
        pieces++;
    cr_assert_eq(pieces, 1600 / _Alignof(max_align_t));
    arena_free(&a);
    for (pieces = 0; arena_take(&a, 0) != NULL; pieces++)
        cr_assert_lt(pieces, 1600);
    arena_free(&a);
}

Test(arena, refuses_lengths_whose_sum_would_wrap)
{
    for (size_t less = 0; less < 200; less++) {
        struct arena a = arena_make(SIZE_MAX);
        cr_assert_null(arena_take(&a, SIZE_MAX - less), "%zu", less);
        cr_assert_not_null(arena_take(&a, 100));
        cr_assert_null(arena_take(&a, SIZE_MAX - less), "%zu", less);
        arena_free(&a);
    }
}

Test(arena, tells_a_failed_allocation_from_its_own_cap)
{
    struct arena a = arena_make(100);
    cr_assert_null(arena_take(&a, 101));
    cr_assert(!a.failed);
    fail_malloc_at(0);
    cr_assert_null(arena_take(&a, 10));
    fail_malloc_at(-1);
    cr_assert(a.failed);
    arena_free(&a);
    cr_assert(!a.failed);
    cr_assert_not_null(arena_take(&a, 10));
    arena_free(&a);
}

Test(arena, copies)
{
    struct arena a = arena_make(100);
    const char *p = arena_copy(&a, "abc", 4);
    cr_assert_str_eq(p, "abc");
    cr_assert_not_null(arena_copy(&a, NULL, 0));
    cr_assert_null(arena_copy(&a, "abc", 101));
    arena_free(&a);
    arena_free(&a);
}

Test(arena, a_reset_one_is_empty_wiped_and_keeps_one_small_block)
{
    struct arena a = arena_make(1U << 20);
    uint8_t *first = arena_take(&a, 100);
    memset(first, 0x5A, 100);
    memset(arena_take(&a, 500000), 0x5A, 500000);
    arena_reset(&a);
    cr_assert_eq(a.used, 0);
    for (size_t i = 0; i < 100; i++) /* kept, so it may be looked at */
        cr_assert_eq(first[i], 0);
    fail_malloc_at(0);
    cr_assert_eq(arena_take(&a, 100), first);
    cr_assert_null(arena_take(&a, 500000), "the large block has gone");
    fail_malloc_at(-1);
    arena_reset(&a);
    cr_assert_not(a.failed);
    arena_free(&a);
}
