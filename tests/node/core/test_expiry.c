/* Unit tests of node/core/expiry.h: what was needed 35 days ago and not since goes, nothing else.
 */
#include "node/core/expiry.h"
#include "simulations/rows.h"

#include <criterion/criterion.h>
#include <string.h>

static struct rows *rows;
static struct view view;
static struct queue queue;
static struct arena scratch;
static const uint8_t key[16] = {1, 2, 3}, other[16] = {9};

static void setup(void)
{
    rows = rows_new();
    view = rows_view(rows);
    queue_init(&queue);
    scratch = arena_make(1U << 20);
}
static void teardown(void)
{
    rows_free(&rows);
    queue_deinit(&queue);
    arena_free(&scratch);
}
TestSuite(expiry, .init = setup, .fini = teardown);

static struct env at_day(uint32_t day)
{
    queue_reset(&queue);
    return (struct env){
        .wall = day * CPIS_MS_DAY, .view = &view, .out = &queue, .scratch = &scratch};
}

static void commit(void)
{
    struct out o;
    while (queue_pop(&queue, &o)) {
        if (o.type == OUT_PERSIST)
            rows_put(rows, o.table, o.key.p, o.key.len, o.value.p, o.value.len);
        if (o.type == OUT_DELETE) rows_delete(rows, o.table, o.key.p, o.key.len);
    }
    rows_commit(rows);
}

static void needed_on(uint32_t day, const uint8_t k[static 16])
{
    struct env e = at_day(day);
    rows_put(rows, TABLE_EVIDENCE, k, 16, (const uint8_t *)"row", 3);
    expiry_note(&e, TABLE_EVIDENCE, k, 16);
    commit();
}

static bool tick_on(uint32_t day)
{
    struct env e = at_day(day);
    bool more = expiry_tick(&e);
    commit();
    return more;
}

Test(expiry, a_row_goes_when_its_day_is_over_35_days_past_and_its_note_with_it)
{
    needed_on(20000, key);
    cr_expect_not(tick_on(20035));
    cr_expect_eq(rows_count(rows, TABLE_EVIDENCE), 1);
    cr_expect_not(tick_on(20036));
    cr_expect_eq(rows_count(rows, TABLE_EVIDENCE), 0);
    cr_expect_eq(rows_count(rows, TABLE_EXPIRY), 0);
}

Test(expiry, a_row_needed_again_stays_as_long_from_then)
{
    needed_on(20000, key);
    needed_on(20010, key);
    needed_on(20000, other);
    (void)tick_on(20040);
    cr_expect_eq(rows_count(rows, TABLE_EVIDENCE), 1, "the one needed since");
    (void)tick_on(20046);
    cr_expect_eq(rows_count(rows, TABLE_EVIDENCE), 0);
}

Test(expiry, many_rows_go_in_bounded_steps)
{
    for (unsigned i = 0; i < EXPIRY_ROWS_MAX + 5; i++) {
        const uint8_t k[16] = {(uint8_t)i, 7};
        needed_on(20000, k);
    }
    cr_expect(tick_on(20100), "there is more");
    cr_expect_eq(rows_count(rows, TABLE_EVIDENCE), 5);
    cr_expect_not(tick_on(20100));
    cr_expect_eq(rows_count(rows, TABLE_EVIDENCE), 0);
}
