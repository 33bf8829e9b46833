#include "node/feed/delivery.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT(id) "2026-11-23T18:03:0" #id ".000Z"

static struct delivery d;
static const struct delivery_item *x;

static void fill(void)
{
    memset(&d, 0, sizeof d);
    delivery_begin(&d, 0);
}
TestSuite(delivery, .init = fill);

static struct delivery_notice notice(uint64_t id, bool opened, bool escalated)
{
    return (struct delivery_notice){
        .id = id, .received = AT(1), .opened = opened, .escalated = escalated};
}

static void add(uint64_t id, uint64_t child) { delivery_add(&d, id, child, DELIVERY_NOTIFICATION); }

static uint64_t next(cpis_ms now)
{
    x = delivery_next(&d, now);
    return x == NULL ? 0 : x->id;
}

static cpis_ms fail(uint64_t id, cpis_ms now, uint32_t random)
{
    return delivery_failed(&d, id, DELIVERY_NOTIFICATION, now, random);
}

Test(delivery, of_one_child_the_next_waits_for_the_first_and_others_do_not)
{
    add(1, 70);
    add(2, 80);
    add(3, 70);
    add(4, 80);
    cr_assert_eq(next(0), 1U);
    cr_assert_eq(next(0), 2U);
    cr_assert_eq(next(0), 0U, "both children have one under way");
    cr_assert_eq(delivery_deadline(&d), CPIS_MS_NEVER);
    const cpis_ms wait = fail(1, 100, 0);
    cr_assert_eq(delivery_sent(&d, 2, DELIVERY_NOTIFICATION), 0U);
    cr_assert_eq(next(100), 4U, "not 3, which comes after 1");
    cr_assert_eq(delivery_deadline(&d), 100 + wait);
    cr_assert_eq(next(99 + wait), 0U);
    cr_assert_eq(next(100 + wait), 1U);
    cr_assert_eq(delivery_sent(&d, 1, DELIVERY_NOTIFICATION), 1U);
    cr_assert_eq(next(100 + wait), 3U);
    cr_assert_eq(d.count, 2U);
}

Test(delivery, an_escalation_comes_after_its_notification)
{
    add(1, 70);
    delivery_add(&d, 1, 70, DELIVERY_ESCALATED);
    cr_assert_eq(next(0), 1U);
    cr_assert_eq(x->event, DELIVERY_NOTIFICATION);
    cr_assert_eq(next(0), 0U);
    (void)delivery_sent(&d, 1, DELIVERY_NOTIFICATION);
    cr_assert_eq(next(0), 1U);
    cr_assert_eq(x->event, DELIVERY_ESCALATED);
    add(1, 70);
    (void)delivery_sent(&d, 1, DELIVERY_NOTIFICATION);
    cr_assert_eq(d.unsent[0].event, DELIVERY_ESCALATED, "each is known by its number and event");
}

Test(delivery, waits_double_from_a_second_to_five_minutes_and_are_never_all_the_same)
{
    cpis_ms least = 0, most = 0;
    add(1, 70);
    add(2, 80);
    for (unsigned i = 0; i < 20; i++) {
        const cpis_ms low = fail(1, 0, 0), any = fail(2, 0, 12345678 + i);
        cr_expect_geq(low, least);
        cr_expect(any >= low && any <= DELIVERY_WAIT_MAX);
        if (i == 0) cr_expect_eq(low, DELIVERY_WAIT_MIN);
        if (i == 1) cr_expect_eq(low, 2 * DELIVERY_WAIT_MIN);
        least = low;
        if (any > most) most = any;
    }
    cr_expect_eq(least, DELIVERY_WAIT_MAX / 2);
    cr_expect_gt(most, least);
    cr_expect_eq(fail(1, 0, (uint32_t)(DELIVERY_WAIT_MAX / 2)), DELIVERY_WAIT_MAX);
}

Test(delivery, a_receiver_that_asks_for_patience_is_left_alone_so_long_with_all_children)
{
    add(1, 70);
    add(2, 80);
    cr_assert_eq(next(1000), 1U);
    const cpis_ms wait = fail(1, 1000, 0);
    cr_assert_lt(wait, 7000U);
    delivery_pause(&d, 1000, 7000);
    cr_expect_eq(next(7999), 0U, "another child's, due now");
    cr_expect_eq(delivery_deadline(&d), 8000U);
    delivery_pause(&d, 1000, 2000);
    cr_expect_eq(next(7999), 0U, "a shorter one does not shorten it");
    cr_expect_eq(next(8000), 1U);
    cr_expect_eq(next(8000), 2U);
    cr_expect_eq(delivery_deadline(&d), CPIS_MS_NEVER, "both are under way");
}

Test(delivery, no_receiver_is_left_alone_for_ever)
{
    add(1, 70);
    delivery_pause(&d, 1000, CPIS_MS_NEVER);
    cr_expect_eq(delivery_deadline(&d), 1000 + DELIVERY_PAUSE_MAX);
    cr_expect_eq(next(1000 + DELIVERY_PAUSE_MAX), 1U);
    delivery_pause(&d, 2000, 0);
    cr_expect_eq(d.paused, 1000 + DELIVERY_PAUSE_MAX, "no such wish");
}

Test(delivery, of_what_was_there_before_only_unopened_ones_are_told)
{
    delivery_begin(&d, 2);
    struct delivery_notice n = notice(1, true, true);
    cr_expect_not(delivery_take(&d.place, &n));
    n = notice(2, false, false);
    cr_expect(delivery_take(&d.place, &n));
    n = notice(3, true, false);
    cr_expect(delivery_take(&d.place, &n), "it came since: told whoever was quicker");
    n = notice(1, true, true);
    cr_expect_eq(delivery_escalation(&d.place, &n), DELIVERY_PASSED);
    cr_expect_eq(d.place.escalation, 1U);
}

Test(delivery, an_escalation_is_told_once_and_waits_for_those_before_it)
{
    for (uint64_t i = 1; i <= 3; i++) {
        const struct delivery_notice n = notice(i, false, false);
        cr_assert(delivery_take(&d.place, &n));
    }
    struct delivery_notice n = notice(1, false, false);
    cr_expect_eq(delivery_escalation(&d.place, &n), DELIVERY_UNDECIDED);
    cr_expect_eq(d.place.escalation, 0U);
    n.opened = true;
    cr_expect_eq(delivery_escalation(&d.place, &n), DELIVERY_PASSED);
    n = notice(2, false, true);
    cr_expect_eq(delivery_escalation(&d.place, &n), DELIVERY_TELL);
    n = notice(3, true, true);
    cr_expect_eq(delivery_escalation(&d.place, &n), DELIVERY_TELL,
                 "opened since: told all the same");
    n = notice(4, false, true);
    cr_expect_eq(delivery_escalation(&d.place, &n), DELIVERY_UNDECIDED,
                 "not before its notification was taken up");
    cr_expect_eq(d.place.escalation, 3U);
}

Test(delivery, a_node_that_numbers_again_is_seen)
{
    struct delivery_notice n = notice(5, false, false);
    (void)delivery_take(&d.place, &n);
    cr_expect(delivery_holds(&d.place, &n));
    n.received = AT(2);
    cr_expect_not(delivery_holds(&d.place, &n), "another one under the same number");
    n = notice(6, false, false);
    cr_expect_not(delivery_holds(&d.place, &n), "it is gone; this is the next one");
    n = (struct delivery_notice){.id = 0, .received = ""};
    cr_expect_not(delivery_holds(&d.place, &n), "no such number any more");
}

static char text[DELIVERY_TEXT_BYTES];

static void begin_full(void)
{
    delivery_begin(&d, 7);
    struct delivery_notice n = notice(UINT64_C(9999999999999999999), false, false);
    (void)delivery_take(&d.place, &n);
    d.tried = 1800000000000;
    for (uint64_t i = 0; i < DELIVERY_UNSENT_MAX; i++)
        delivery_add(&d, n.id - i, 70 + i, i % 3 == 0 ? DELIVERY_ESCALATED : DELIVERY_NOTIFICATION);
    d.place.escalation = 42;
}

Test(delivery, its_text_keeps_all_but_children_and_waits)
{
    static struct delivery back;
    begin_full();
    const size_t len = delivery_print(&d, text);
    cr_assert_eq(strlen(text), len);
    cr_assert_eq(delivery_parse(text, &back), CPIS_OK);
    cr_expect_eq(memcmp(&back.place, &d.place, sizeof d.place), 0);
    cr_expect_eq(back.tried, d.tried);
    cr_assert_eq(back.count, d.count);
    for (size_t i = 0; i < d.count; i++) {
        cr_assert(back.unsent[i].id == d.unsent[i].id && back.unsent[i].event == d.unsent[i].event);
        cr_assert_eq(back.unsent[i].child, 0U);
    }
    fill();
    cr_assert_lt(delivery_print(&d, text), sizeof text);
    cr_expect_eq(delivery_parse(text, &back), CPIS_OK, "nothing yet is a state, too");
    cr_expect_eq(back.place.last + back.count, 0U);
}

Test(delivery, a_text_that_is_cut_off_or_changed_is_none)
{
    static struct delivery back;
    static char other[DELIVERY_TEXT_BYTES];
    const struct delivery_notice n = notice(9, false, false);
    (void)delivery_take(&d.place, &n);
    add(8, 70);
    add(9, 80);
    const size_t len = delivery_print(&d, text);
    cr_assert_eq(delivery_parse(text, &back), CPIS_OK);
    for (size_t i = 0; i < len; i++) {
        memcpy(other, text, i);
        other[i] = '\0';
        cr_expect_eq(delivery_parse(other, &back), CPIS_E_MALFORMED, "cut at %zu", i);
    }
    static const char *const changes[][2] = {{"deliver 1", "deliver 2"},
                                             {"notification 8", "notification 0"},
                                             {"notification 9", "notification 10"},
                                             {"notification 8", "notification -"},
                                             {"notification 8", "something 8"},
                                             {"first 0", "first 99999999999999999999"}};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        const char *at = strstr(text, changes[i][0]);
        cr_assert(at != NULL);
        (void)snprintf(other, sizeof other, "%.*s%s%s", (int)(at - text), text, changes[i][1],
                       at + strlen(changes[i][0]));
        cr_expect_eq(delivery_parse(other, &back), CPIS_E_MALFORMED, "%s", changes[i][1]);
    }
    cr_expect_eq(back.count, 0U);
}

/* Chance plays the receiver and the deaths of the process: what comes is told, in order, once. */
Test(delivery, whatever_fails_all_arrive_one_childs_in_their_order)
{
    enum { ALL = 300, CHILDREN = 7 };
    static unsigned came[ALL + 1];
    uint64_t last[CHILDREN] = {0}, given = 0;
    srand(1); // NOLINT: the same each time
    for (cpis_ms now = 0; now < 100 * CPIS_MS_HOUR && (given < ALL || d.count > 0); now += 500) {
        if (given < ALL && rand() % 2 == 0) {
            const struct delivery_notice n = notice(++given, false, false);
            cr_assert(delivery_take(&d.place, &n));
            add(given, given % CHILDREN);
        }
        if (rand() % 50 == 0) { /* dies and comes back */
            (void)delivery_print(&d, text);
            cr_assert_eq(delivery_parse(text, &d), CPIS_OK);
            for (size_t i = 0; i < d.count; i++)
                delivery_set_child(&d, i, d.unsent[i].id % CHILDREN);
        }
        for (uint64_t id; (id = next(now)) != 0;) {
            if (rand() % 3 != 0) {
                (void)fail(id, now, (uint32_t)rand());
                continue;
            }
            cr_assert_gt(id, last[id % CHILDREN]);
            last[id % CHILDREN] = id;
            came[id]++;
            (void)delivery_sent(&d, id, DELIVERY_NOTIFICATION);
        }
    }
    for (unsigned i = 1; i <= ALL; i++)
        cr_expect_eq(came[i], 1U, "%u", i);
}
