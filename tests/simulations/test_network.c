#include "simulations/network.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct network *n;
static struct cpis_id id[8];
enum { DIRECTORY, AUTHORITY, QUERY, OTHER };
static const struct link_profile even = {.delay = {.min = 1000, .max = 20000}};

static void add(unsigned i, enum node_role role, const char *name)
{
    memset(id[i].b, 'a' + (int)i, sizeof id[i].b);
    cr_assert_eq(network_add_node(n, &id[i], role, name), i);
}
static void found(uint64_t seed, const struct link_profile *p)
{
    n = network_new(seed, p);
    add(DIRECTORY, ROLE_DIRECTORY, "directory-0");
    add(AUTHORITY, ROLE_AUTHORITY, "authority-0");
    add(QUERY, ROLE_QUERY, "query-0");
    add(OTHER, ROLE_QUERY, "query-1");
}
static void setup(void) { found(1, &even); }
static void teardown(void) { network_free(&n); }
TestSuite(network, .init = setup, .fini = teardown);

static struct arrival got[ARRIVALS_MAX];
static size_t send(unsigned from, unsigned to, sim_us now)
{
    return network_send(n, from, &id[to], now, got);
}

Test(network, a_message_arrives_once_at_whoever_has_the_id_within_the_delay)
{
    for (unsigned i = 0; i < 1000; i++) {
        cr_assert_eq(send(QUERY, DIRECTORY, 100 * i), 1);
        cr_assert_eq(got[0].to, DIRECTORY);
        cr_assert(got[0].at >= 100 * i + 1000 && got[0].at <= 100 * i + 120000);
    }
    const struct cpis_id nobody = {{9}};
    cr_expect_eq(network_send(n, QUERY, &nobody, 0, got), 0);
}

Test(network, messages_between_two_nodes_keep_their_order)
{
    sim_us before = 0;
    for (unsigned i = 0; i < 1000; i++) {
        (void)send(QUERY, DIRECTORY, i);
        cr_assert_geq(got[0].at, before);
        before = got[0].at;
    }
    (void)send(DIRECTORY, QUERY, 0);
    cr_expect_lt(got[0].at, before, "the other direction is another link");
}

Test(network, a_link_that_reorders_lets_them_overtake)
{
    struct link_profile p = even;
    unsigned overtaken = 0;
    sim_us before = 0;
    p.reorders = true;
    network_everywhere(n, &p);
    for (unsigned i = 0; i < 1000; i++) {
        (void)send(QUERY, DIRECTORY, i);
        overtaken += got[0].at < before;
        before = got[0].at;
    }
    cr_expect_gt(overtaken, 300);
}

Test(network, loss_and_doubling_are_in_a_thousand)
{
    struct link_profile p = even;
    unsigned none = 0, two = 0;
    p.loss_permille = 100;
    p.twice_permille = 200;
    network_everywhere(n, &p);
    for (unsigned i = 0; i < 10000; i++) {
        const size_t count = send(QUERY, DIRECTORY, i);
        none += count == 0;
        two += count == 2;
        if (count == 2) cr_assert_geq(got[1].at, got[0].at);
    }
    cr_expect(none > 900 && none < 1100, "%u", none);
    cr_expect(two > 1680 && two < 1920, "%u: 200 of those not lost", two);
}

Test(network, trouble_comes_on_top_and_goes)
{
    unsigned none = 0;
    network_trouble(n, &(struct network_trouble){.loss_permille = 500});
    for (unsigned i = 0; i < 1000; i++)
        none += send(QUERY, DIRECTORY, i) == 0;
    cr_expect(none > 400 && none < 600, "%u", none);
    network_trouble(n, NULL);
    for (unsigned i = 0; i < 1000; i++)
        cr_assert_eq(send(QUERY, DIRECTORY, i), 1);
}

Test(network, a_cut_is_one_way_and_heals)
{
    network_cut(n, QUERY, DIRECTORY, true);
    cr_expect_eq(send(QUERY, DIRECTORY, 0), 0);
    cr_expect_eq(send(DIRECTORY, QUERY, 0), 1);
    cr_expect_eq(send(OTHER, DIRECTORY, 0), 1);
    network_cut(n, QUERY, DIRECTORY, false);
    cr_expect_eq(send(QUERY, DIRECTORY, 0), 1);
}

Test(network, partitions_hear_themselves_and_nobody_else)
{
    network_group(n, QUERY, 1);
    network_group(n, OTHER, 1);
    cr_expect_eq(send(QUERY, OTHER, 0), 1);
    cr_expect_eq(send(QUERY, DIRECTORY, 0), 0);
    cr_expect_eq(send(DIRECTORY, QUERY, 0), 0);
    cr_expect_eq(send(AUTHORITY, DIRECTORY, 0), 1);
    network_group(n, DIRECTORY, 1);
    cr_expect_eq(send(QUERY, DIRECTORY, 0), 1);
}

Test(network, the_most_particular_profile_counts)
{
    const struct link_profile slow = {.delay = {.min = 1000000, .max = 1000000}},
                              slower = {.delay = {.min = 2000000, .max = 2000000}, .jitter = 5};
    network_between_roles(n, ROLE_QUERY, ROLE_DIRECTORY, &slow);
    (void)send(QUERY, DIRECTORY, 0);
    cr_expect_eq(got[0].at, 1000000);
    (void)send(DIRECTORY, QUERY, 0);
    cr_expect_leq(got[0].at, 20000);
    network_between_nodes(n, QUERY, DIRECTORY, &slower);
    (void)send(QUERY, DIRECTORY, 0);
    cr_expect(got[0].at >= 2000000 && got[0].at <= 2000005);
    (void)send(OTHER, DIRECTORY, 0);
    cr_expect_eq(got[0].at, 1000000);
    network_between_nodes(n, QUERY, DIRECTORY, NULL);
    (void)send(QUERY, DIRECTORY, 10000000);
    cr_expect_eq(got[0].at, 11000000);
}

/* The arrivals of 200 messages from QUERY to DIRECTORY, as one number. */
static sim_us arrivals(void)
{
    sim_us sum = 0;
    for (unsigned i = 0; i < 200; i++) {
        const size_t count = send(QUERY, DIRECTORY, (i + 1) * 100000);
        for (size_t k = 0; k < count; k++)
            sum = sum * 31 + got[k].at;
    }
    return sum;
}

Test(network, equal_seeds_give_equal_arrivals_and_others_do_not)
{
    const sim_us first = arrivals();
    teardown();
    setup();
    cr_expect_eq(arrivals(), first);
    teardown();
    found(2, &even);
    cr_expect_neq(arrivals(), first);
}

Test(network, a_links_dice_are_its_own)
{
    const sim_us first = arrivals();
    teardown();
    n = network_new(1, &even); /* other numbers, more nodes, other traffic, a cut elsewhere */
    for (unsigned i = 4; i < 6; i++)
        (void)network_add_node(n, &(struct cpis_id){{(uint8_t)i}}, ROLE_AUTHORITY,
                               i == 4 ? "authority-8" : "authority-9");
    const uint32_t query = network_add_node(n, &id[QUERY], ROLE_QUERY, "query-0");
    const uint32_t directory = network_add_node(n, &id[DIRECTORY], ROLE_DIRECTORY, "directory-0");
    network_cut(n, 0, directory, true);
    sim_us sum = 0;
    for (unsigned i = 0; i < 200; i++) {
        (void)network_send(n, 1, &id[DIRECTORY], i, got);
        (void)network_send(n, directory, &id[QUERY], i, got);
        const size_t count = network_send(n, query, &id[DIRECTORY], (i + 1) * 100000, got);
        for (size_t k = 0; k < count; k++)
            sum = sum * 31 + got[k].at;
    }
    cr_expect_eq(sum, first);
}

Test(network, dice_are_rolled_where_they_cant_matter)
{
    const struct link_profile still = {.delay = {.min = 5, .max = 5}};
    for (unsigned i = 0; i < 10; i++)
        (void)send(QUERY, DIRECTORY, 0);
    const sim_us first = arrivals();
    teardown();
    setup();
    network_everywhere(n, &still);
    network_cut(n, QUERY, DIRECTORY, true);
    for (unsigned i = 0; i < 10; i++)
        (void)send(QUERY, DIRECTORY, 0);
    network_cut(n, QUERY, DIRECTORY, false);
    network_everywhere(n, &even);
    cr_expect_eq(arrivals(), first);
}

Test(network, copies_of_one_id_all_hear_and_a_directory_only_at_its_endpoint)
{
    const uint32_t copy = network_add_node(n, &id[QUERY], ROLE_QUERY, "query-0-copy"),
                   twin = network_add_node(n, &id[DIRECTORY], ROLE_DIRECTORY, "directory-0-copy");
    cr_assert_eq(send(DIRECTORY, QUERY, 0), 2);
    cr_expect_eq(got[0].to, QUERY);
    cr_expect_eq(got[1].to, copy);
    cr_assert_eq(send(QUERY, DIRECTORY, 0), 1);
    cr_expect_eq(got[0].to, DIRECTORY);
    network_take_endpoint(n, twin);
    cr_assert_eq(send(QUERY, DIRECTORY, 0), 1);
    cr_expect_eq(got[0].to, twin);
    network_take_endpoint(n, DIRECTORY);
    cr_assert_eq(send(QUERY, DIRECTORY, 0), 1);
    cr_expect_eq(got[0].to, DIRECTORY);
}

Test(network, a_thousand_nodes_find_each_other)
{
    for (unsigned i = 4; i < 1200; i++) {
        struct cpis_id other = {{(uint8_t)i, (uint8_t)(i >> 8), 1}};
        char name[16];
        (void)snprintf(name, sizeof name, "query-%u", i);
        cr_assert_eq(network_add_node(n, &other, ROLE_QUERY, name), i);
    }
    for (unsigned i = 4; i < 1200; i++) {
        struct cpis_id other = {{(uint8_t)i, (uint8_t)(i >> 8), 1}};
        cr_assert_eq(network_send(n, DIRECTORY, &other, 0, got), 1);
        cr_assert_eq(got[0].to, i);
    }
}
