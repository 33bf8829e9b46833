/* Unit tests of node/core/quota.h. */
#include "node/core/quota.h"
#include "tests/fail_malloc.h"
#include "tests/node/core/registry_fixture.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define QUERY 201U

static struct arena a;
static struct registry *r;
static struct rf_store store;
static struct rf_node node;
static struct quotas *q;
static cpis_ms now, wall;
static struct quota_exception exceptions[2];
static struct quota_conf conf;

static void open_quotas(void)
{
    quotas_free(&q);
    cr_assert_eq(quotas_new(&conf, &q), CPIS_OK);
    cr_assert_eq(quotas_restore(q, rf_begin(&node, now, wall)), CPIS_OK);
    rf_commit(&node, false);
}

static void setup(void)
{
    cr_assert_geq(sodium_init(), 0);
    a = arena_make((size_t)16 << 20);
    r = rf_federation(3, true, &a);
    rf_store_init(&store);
    rf_node_init(&node, QUERY, r, &store);
    now = 1000;
    wall = RF_T0;
    cr_assert_eq(ods_code_parse("RJ1", 3, &exceptions[0].code), CPIS_OK);
    exceptions[0].lookups_a_day = 20;
    cr_assert_eq(ods_code_parse("RX9", 3, &exceptions[1].code), CPIS_OK);
    exceptions[1].lookups_a_day = 0;
    conf = (struct quota_conf){10, exceptions, 2};
    open_quotas();
}
static void teardown(void)
{
    quotas_free(&q);
    rf_node_free(&node);
    rf_store_free(&store);
    registry_free(&r);
    arena_free(&a);
}
TestSuite(quota, .init = setup, .fini = teardown);

/* One question, in a step that also stores the lookup (or does not). */
static enum verdict_reason take_with(const char *code, unsigned searches, bool stored)
{
    struct env *e = rf_begin(&node, now, wall);
    enum verdict_reason reason = quotas_take(q, e, code, searches);
    if (stored) emit_persist(e, TABLE_OUTBOX, "outbox row 12345", 16, (struct bytes){NULL, 0});
    quotas_settle(q, e);
    rf_commit(&node, false);
    return reason;
}
static enum verdict_reason take(const char *code) { return take_with(code, 1, true); }

static uint64_t used(const char *code, uint64_t *ret_limit)
{
    struct quota_use all[64];
    size_t n = quotas_used(q, wall, all, 64);
    for (size_t i = 0; i < n; i++)
        if (strcmp(all[i].code.text, code) == 0) {
            *ret_limit = all[i].limit;
            return all[i].lookups;
        }
    *ret_limit = 0;
    return 0;
}

Test(quota, each_organisation_has_its_own_limit_and_the_next_question_is_refused)
{
    uint64_t limit;
    for (unsigned i = 0; i < 10; i++)
        cr_assert_eq(take("RZZ99"), REASON_NONE, "%u", i);
    cr_expect_eq(take("RZZ99"), REASON_ORGANISATION_QUOTA);
    cr_expect_eq(node.step.events[EVENT_ORGANISATION_QUOTA], 1);
    cr_expect_eq(used("RZZ99", &limit), 10, "what is refused is not counted");
    cr_expect_eq(limit, 10);
    for (unsigned i = 0; i < 20; i++)
        cr_assert_eq(take("RJ1"), REASON_NONE, "an exception: %u", i);
    cr_expect_eq(take("RJ1"), REASON_ORGANISATION_QUOTA);
    cr_expect_eq(take("RX9"), REASON_ORGANISATION_QUOTA, "none at all");
    cr_expect_eq(quotas_node_used(q, wall), 30);
}

Test(quota, other_limits_hold_from_the_next_question_and_what_was_asked_stays_counted)
{
    static const struct quota_conf other = {.lookups_a_day = 12};
    uint64_t limit;
    for (unsigned i = 0; i < 10; i++)
        cr_assert_eq(take("RZZ99"), REASON_NONE, "%u", i);
    cr_assert_eq(take("RZZ99"), REASON_ORGANISATION_QUOTA);
    cr_assert_eq(quotas_configure(q, &other), CPIS_OK);
    cr_expect_eq(used("RZZ99", &limit), 10);
    cr_expect_eq(limit, 12);
    cr_expect_eq(take("RX9"), REASON_NONE, "no exception any more");
    cr_expect_eq(take("RZZ99"), REASON_NONE);
    cr_expect_eq(take("RZZ99"), REASON_NONE);
    cr_expect_eq(take("RZZ99"), REASON_ORGANISATION_QUOTA);
    cr_assert_eq(quotas_configure(q, &conf), CPIS_OK);
    cr_expect_eq(take("RX9"), REASON_ORGANISATION_QUOTA, "the exceptions are there again");
}

Test(quota, another_spelling_is_no_way_round_a_limit)
{
    uint64_t limit;
    for (unsigned i = 0; i < 10; i++)
        cr_assert_eq(take(i % 2 == 0 ? "rzz99" : "RZZ99"), REASON_NONE);
    cr_expect_eq(take("Rzz99"), REASON_ORGANISATION_QUOTA);
    static const char *const none[] = {"",       "RZZ99 ", " RZZ99", "R Z Z", "R!",
                                       "RZZ-99", "RZZ99.", "é",      "R",     "RZ"};
    for (unsigned i = 0; i < 10; i++)
        cr_assert_eq(take(none[i]), REASON_NONE, "\"%s\"", none[i]);
    cr_expect_eq(take("RZZ99 "), REASON_ORGANISATION_QUOTA);
    cr_expect_eq(used("", &limit), 10);
}

Test(quota, a_restart_forgets_nothing_that_was_sent_and_midnight_begins_anew)
{
    uint64_t limit;
    for (unsigned i = 0; i < 10; i++)
        (void)take("RZZ99");
    open_quotas();
    cr_expect_eq(used("RZZ99", &limit), 10);
    cr_expect_eq(quotas_node_used(q, wall), 10);
    cr_expect_eq(take("RZZ99"), REASON_ORGANISATION_QUOTA);
    wall += CPIS_MS_DAY;
    cr_expect_eq(used("RZZ99", &limit), 0);
    cr_expect_eq(take("RZZ99"), REASON_NONE);
    wall -= CPIS_MS_DAY; /* the clock was corrected */
    cr_expect_eq(take("RZZ99"), REASON_ORGANISATION_QUOTA);
    wall += 2 * CPIS_MS_DAY;
    quotas_tick(q, rf_begin(&node, now, wall));
    rf_commit(&node, false);
    cr_expect_eq(rf_store_count(&store, TABLE_ASKED), 2, "of yesterday");
    wall += CPIS_MS_DAY;
    quotas_tick(q, rf_begin(&node, now, wall));
    rf_commit(&node, false);
    cr_expect_eq(rf_store_count(&store, TABLE_ASKED), 0);
}

Test(quota, the_count_rides_on_the_lookups_own_commit_or_is_written_a_second_later)
{
    (void)take_with("RZZ99", 1, false);
    cr_expect_eq(rf_store_count(&store, TABLE_ASKED), 0);
    cr_expect_eq(quotas_deadline(q), now + QUOTA_WRITE_WAIT);
    (void)take_with("RJ1", 1, true);
    cr_expect_eq(rf_store_count(&store, TABLE_ASKED), 3, "both, and the node's");
    cr_expect_eq(quotas_deadline(q), CPIS_MS_NEVER);
    (void)take_with("RXX", 1, false);
    now += QUOTA_WRITE_WAIT - 1;
    quotas_tick(q, rf_begin(&node, now, wall));
    rf_commit(&node, false);
    cr_expect_eq(rf_store_count(&store, TABLE_ASKED), 3);
    now++;
    quotas_tick(q, rf_begin(&node, now, wall));
    rf_commit(&node, false);
    cr_expect_eq(rf_store_count(&store, TABLE_ASKED), 4);
    open_quotas();
    cr_expect_eq(quotas_node_used(q, wall), 3);
}

Test(quota, at_70_per_cent_there_is_one_alarm_a_day_also_over_a_restart)
{
    for (unsigned i = 1; i <= 10; i++) {
        (void)take("RZZ99");
        cr_expect_eq(node.step.events[EVENT_ORGANISATION_QUOTA_NEAR], i == 7, "%u", i);
        if (i == 8) open_quotas();
    }
    conf.lookups_a_day = 12; /* raised by the operator: no second one */
    open_quotas();
    (void)take("RZZ99");
    cr_expect_eq(node.step.events[EVENT_ORGANISATION_QUOTA_NEAR], 0);
    wall += CPIS_MS_DAY;
    conf.lookups_a_day = 1;
    open_quotas();
    (void)take("RZZ99");
    cr_expect_eq(node.step.events[EVENT_ORGANISATION_QUOTA_NEAR], 1);
}

Test(quota, the_nodes_own_limit_in_the_register_is_the_smaller_one_and_counts_searches)
{
    const struct registry_node *self = registry_node(r, &node.env.id);
    struct registry_node other = *self;
    other.lookups_per_day = 8;
    other.evaluations_per_day = 5;
    cr_expect_eq(quotas_node_limit(&other), 5);
    other.evaluations_per_day = 9;
    cr_expect_eq(quotas_node_limit(&other), 8);
    const uint64_t limit = quotas_node_limit(self), near = limit / 10 * 7;
    cr_assert(limit > 0 && limit % 10 == 0);
    uint64_t alarms = 0, asked = 0;
    char code[16];
    for (unsigned i = 0; asked + 50 < limit; i++) { /* from many organisations */
        (void)snprintf(code, sizeof code, "R%03u", i / 8);
        cr_assert_eq(take_with(code, 50, i % 50 == 0), REASON_NONE);
        asked += 50;
        cr_assert_eq(node.step.events[EVENT_NODE_QUOTA_NEAR], asked >= near && asked < near + 50);
        alarms += node.step.events[EVENT_NODE_QUOTA_NEAR];
    }
    cr_expect_eq(alarms, 1);
    cr_expect_eq(quotas_node_used(q, wall), asked);
}

Test(quota, more_organisations_than_can_be_counted_are_refused_and_say_so)
{
    char code[16];
    struct env *e = rf_begin(&node, now, wall);
    for (unsigned i = 0; i < QUOTA_ORGANISATIONS_MAX; i++) {
        (void)snprintf(code, sizeof code, "R%05u", i);
        cr_assert_eq(quotas_take(q, e, code, 1), REASON_NONE, "%u", i);
    }
    cr_expect_eq(quotas_take(q, e, "RLAST", 1), REASON_QUOTA);
    cr_expect_eq(quotas_take(q, e, "R00000", 1), REASON_NONE, "those that are counted go on");
    rf_commit(&node, false);
    cr_expect_eq(node.step.events[EVENT_ORGANISATIONS_MANY], 1);
    e = rf_begin(&node, now, wall + CPIS_MS_DAY);
    cr_expect_eq(quotas_take(q, e, "RLAST", 1), REASON_NONE, "the next day");
    rf_commit(&node, false);
}

Test(quota, a_row_that_can_not_be_is_an_error_of_the_store)
{
    static const struct {
        const char *key;
        size_t len;
    } bad[] = {{"\0\0\0\1\2RJ1", 8}, {"\0\0\0", 3}, {"\0\0\0\1\1RJ1RJ1RJ1RJ1R", 18}};
    const struct row_asked asked = {.lookups = 1};
    struct bytes value;
    cr_assert_eq(row_asked_encode(&asked, &a, &value), CPIS_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct env *e = rf_begin(&node, now, wall);
        struct quotas *other = NULL;
        emit_persist(e, TABLE_ASKED, bad[i].key, bad[i].len, value);
        rf_commit(&node, false);
        cr_assert_eq(quotas_new(&conf, &other), CPIS_OK);
        cr_expect_eq(quotas_restore(other, rf_begin(&node, now, wall)), CPIS_E_STORE, "%zu", i);
        quotas_free(&other);
        e = rf_begin(&node, now, wall);
        emit_delete(e, TABLE_ASKED, bad[i].key, bad[i].len);
        rf_commit(&node, false);
    }
}

Test(quota, without_memory_there_are_none)
{
    struct quotas *other = NULL;
    for (int i = 0; i < 2; i++) {
        fail_malloc_at(i);
        cpis_err err = quotas_new(&conf, &other);
        fail_malloc_at(-1);
        cr_expect_eq(err, CPIS_E_NOMEM, "%d", i);
    }
    cr_expect_null(other);
}
