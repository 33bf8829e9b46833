#include "simulations/arrival.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(arrival);

static struct scenario sc;

Test(arrival, children_have_different_valid_numbers_and_the_given_share_a_second_holder)
{
    struct random_stream dice;
    struct run_child c, before = {.gone = false};
    uint32_t next = 0, shared = 0;
    scenario_default(&sc);
    sc.topology.authorities = 3;
    sc.topology.shared_permille = 250;
    random_init(&dice, 1, 1);
    for (unsigned i = 0; i < 4000; i++) {
        struct nhs_number n;
        cr_assert(arrival_child(&sc, &next, &dice, 1, &c));
        cr_assert_eq(nhs_number_parse(c.number.digits, NHS_NUMBER_DIGITS, &n), CPIS_OK);
        cr_assert(memcmp(c.number.digits, "999", 3) == 0);
        cr_assert(nhs_number_compare(&c.number, &before.number) > 0,
                  "in rising order: no two alike");
        cr_assert_eq(c.holder[0], 1);
        cr_assert_neq(c.holder[1], 1, "the second is another one");
        shared += c.holder[1] != INDEX_NONE;
        before = c;
    }
    cr_expect(shared > 900 && shared < 1100, "%u of 4000", shared);
}

Test(arrival, nobodys_number_is_valid_and_no_childs)
{
    struct random_stream dice;
    struct run_child last;
    struct nhs_number n;
    uint32_t next = 0;
    scenario_default(&sc);
    random_init(&dice, 2, 2);
    while (arrival_child(&sc, &next, &dice, 0, &last) && next < 1000000)
        ;
    for (unsigned i = 0; i < 2000; i++) {
        const struct nhs_number nobody = arrival_nobody(&dice);
        cr_assert_eq(nhs_number_parse(nobody.digits, NHS_NUMBER_DIGITS, &n), CPIS_OK);
        cr_assert(memcmp(nobody.digits, "999", 3) == 0);
        cr_assert(nobody.digits[3] >= '5', "children come from the lower half");
    }
    cr_assert(last.number.digits[3] < '5');
}

Test(arrival, the_mean_wait_is_the_rates)
{
    struct random_stream dice;
    sim_us sum = 0, wait;
    random_init(&dice, 3, 3);
    for (unsigned i = 0; i < 20000; i++) {
        cr_assert(arrival_next(&dice, 36000000, &wait)); /* ten a second */
        sum += wait;
    }
    cr_expect(sum / 20000 > 97000 && sum / 20000 < 103000, "%lu us", (unsigned long)(sum / 20000));
}

Test(arrival, nothing_comes_at_no_rate_and_is_looked_for_again_within_the_hour)
{
    struct random_stream dice;
    sim_us wait = 0;
    random_init(&dice, 4, 4);
    for (unsigned i = 0; i < 20000; i++) {
        cr_assert_not(arrival_next(&dice, 0, &wait));
        cr_assert(wait <= 3600 * SIM_US_SECOND);
    }
}

Test(arrival, each_holder_has_a_plan_of_its_own_and_an_unborn_childs_ends)
{
    struct random_stream dice;
    struct run_child c;
    uint32_t next = 0;
    bool seen[4] = {false};
    scenario_default(&sc);
    random_init(&dice, 5, 5);
    for (unsigned i = 0; i < 100; i++) {
        cr_assert(arrival_child(&sc, &next, &dice, 0, &c));
        const struct child_change first = arrival_plan(&c, 0), second = arrival_plan(&c, 1);
        cr_assert(first.plan >= 1 && first.plan <= 3);
        cr_assert_eq(first.plan == 3, first.end != 0);
        cr_assert_eq(second.plan, 2);
        cr_assert_eq(second.end, 0);
        seen[first.plan] = true;
    }
    cr_expect(seen[1] && seen[2] && seen[3]);
}
