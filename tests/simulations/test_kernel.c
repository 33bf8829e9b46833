#include "simulations/kernel.h"
#include "simulations/random.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct kernel *k;
static void setup(void)
{
    k = kernel_new();
    for (unsigned n = 0; n < 4; n++)
        cr_assert_eq(kernel_add_node(k), n);
}
static void teardown(void) { kernel_free(&k, NULL, NULL); }
TestSuite(kernel, .init = setup, .fini = teardown);

static void add(sim_us at, uint32_t node, uint32_t type)
{
    const struct kernel_event e = {.at = at, .node = node, .type = type};
    kernel_add(k, &e);
}

Test(kernel, events_come_in_the_order_of_their_times)
{
    struct random_stream r;
    struct kernel_event e;
    sim_us before = 0;
    random_init(&r, 1, 1);
    for (unsigned i = 0; i < 10000; i++)
        add(random_below(&r, 100000), i % 4, i);
    for (unsigned i = 0; i < 10000; i++) {
        cr_assert(kernel_take(k, SIM_US_NEVER, &e));
        cr_assert_geq(e.at, before);
        cr_assert_eq(kernel_now(k), e.at);
        before = e.at;
    }
    cr_expect_not(kernel_take(k, SIM_US_NEVER, &e));
    cr_expect_eq(kernel_taken(k), 10000);
}

Test(kernel, of_events_at_one_time_the_one_made_first_comes_first)
{
    struct kernel_event e;
    for (unsigned i = 0; i < 1000; i++)
        add(7 + i % 3, 0, i);
    for (unsigned late = 0; late < 3; late++)
        for (unsigned i = late; i < 1000; i += 3) {
            cr_assert(kernel_take(k, SIM_US_NEVER, &e));
            cr_assert_eq(e.type, i);
        }
}

Test(kernel, what_is_later_than_asked_for_waits_and_time_goes_to_what_was_asked)
{
    struct kernel_event e;
    add(100, 0, 1);
    cr_expect_not(kernel_take(k, 99, &e));
    cr_expect_eq(kernel_now(k), 99);
    cr_expect(kernel_take(k, 100, &e));
    cr_expect_not(kernel_take(k, 50, &e));
    cr_expect_eq(kernel_now(k), 100, "never back");
}

Test(kernel, an_event_of_an_older_generation_is_outlived_and_one_of_none_is_not)
{
    struct kernel_event e = {.at = 5, .node = 2, .type = 1};
    e.generation = kernel_generation(k, 2);
    kernel_add(k, &e);
    e.generation = 0;
    e.type = 2;
    kernel_add(k, &e);
    e.generation = kernel_generation(k, 3);
    e.node = 3;
    e.type = 3;
    kernel_add(k, &e);
    kernel_renew(k, 2);
    cr_assert(kernel_take(k, 10, &e));
    cr_expect_eq(e.type, 2);
    cr_assert(kernel_take(k, 10, &e));
    cr_expect_eq(e.type, 3, "another node's generation is its own");
    cr_expect_not(kernel_take(k, 10, &e));
}

static unsigned dropped;
static void drop(void *arg, const struct kernel_event *e)
{
    (void)arg;
    dropped += e->type;
}

Test(kernel, what_was_not_taken_is_shown_when_the_kernel_goes)
{
    add(1, 0, 3);
    add(2, 0, 4);
    kernel_free(&k, drop, NULL);
    cr_expect_eq(dropped, 7);
}

Test(kernel, the_trace_tells_time_node_order_and_what_apart)
{
    uint64_t hash[6];
    for (unsigned i = 0; i < 6; i++) {
        struct kernel_event e;
        teardown();
        setup();
        (void)kernel_take(k, i == 1 ? 4 : 3, &e);
        kernel_trace(k, i == 2 ? 1 : 0, i == 4 ? 8 : 9);
        kernel_trace(k, 0, i == 4 ? 9 : 8);
        if (i == 3) kernel_trace(k, 0, 0);
        hash[i] = kernel_trace_hash(k);
    }
    cr_expect_eq(hash[0], hash[5], "equal histories");
    for (unsigned i = 1; i < 5; i++)
        cr_expect_neq(hash[0], hash[i], "history %u", i);
}

Test(kernel, the_last_of_the_trace_is_kept_oldest_first)
{
    struct kernel_entry tail[KERNEL_TAIL];
    kernel_trace(k, 1, 11);
    cr_assert_eq(kernel_tail(k, tail), 1);
    cr_expect_eq(tail[0].what, 11);
    for (unsigned i = 0; i < 200; i++)
        kernel_trace(k, 0, i);
    cr_assert_eq(kernel_tail(k, tail), KERNEL_TAIL);
    cr_expect_eq(tail[0].what, 200 - KERNEL_TAIL);
    cr_expect_eq(tail[KERNEL_TAIL - 1].what, 199);
}

Test(kernel, the_next_moment_is_told_without_taking_it)
{
    struct kernel_event e;
    cr_expect_eq(kernel_due(k), SIM_US_NEVER);
    add(70, 0, 0);
    add(30, 1, 0);
    cr_expect_eq(kernel_due(k), 30);
    cr_assert(kernel_take(k, 30, &e));
    cr_expect_eq(kernel_due(k), 70);
}
