/* Scenario files: each class of mistake says file, line, key and what was expected; the shipped
 * ones are right; the nation they describe. */
#include "simulations/keys.h"

#include <criterion/criterion.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

static struct scenario sc;
static struct scenario_mistakes mistakes;

TestSuite(scenario);

static cpis_err parse(const char *text) { return scenario_parse(text, "x.conf", &sc, &mistakes); }

static const struct mistake {
    const char *text, *expect;
} wrong_files[] = {
    {"lasts = \"1 d\"\nepoch_lasts = ;", "x.conf:2: not a libconfig file"},
    {"\nhit_rate = 3;", "x.conf:2: hit_rate: no such key here; expected one of"},
    {"\n\nlast = \"1 d\";", "x.conf:3: last: no such key here; did you mean \"lasts\"?"},
    {"topolgy = { };", "x.conf:1: topolgy: no such key here; did you mean \"topology\"?"},
    {"demand = {\n hit_permile = 3; };",
     "x.conf:2: demand.hit_permile: no such key here; did you mean \"hit_permille\"?"},
    {"demand = {\n hit_permille = 1001; };",
     "x.conf:2: demand.hit_permille: expected a whole number from 0 to 1000, found 1001"},
    {"demand = { hit_permille = -1; };", "from 0 to 1000, found -1"},
    {"demand = { hit_permille = 1.5; };", "from 0 to 1000, found the fraction 1.5"},
    {"demand = { hit_permille = \"3\"; };", "from 0 to 1000, found \"3\""},
    {"demand = 3;", "x.conf:1: demand: expected a group { }, found 3"},
    {"demand = { weekday = [1, 2]; };", "an array of 7 whole numbers from 0 to 10000, not all of "
                                        "them 0, found an array of 2"},
    {"demand = { weekday = [0, 0, 0, 0, 0, 0, 0]; };", "not all of them 0, found an array of 7"},
    {"demand = { weekday = [1, 2, 3, 4, 5, 6, 10001]; };", "found an array of 7"},
    {"lasts = 3;", "x.conf:1: lasts: expected a duration from 1 s to 400 d, as \"90 s\""},
    {"lasts = \"3\";", "found \"3\""},
    {"lasts = \"3 weeks\";", "found \"3 weeks\""},
    {"lasts = \"401 d\";", "found \"401 d\""},
    {"lasts = \"99999999999999999999 d\";", "lasts: expected a duration"},
    {"start = \"2026-02-29\";", "start: expected a date, as \"2026-11-23\", found \"2026-02-29\""},
    {"crypto = \"fake\";", "crypto: expected one of \"stub\" or \"real\", found \"fake\""},
    {"name = \"\";", "name: expected a text of 1 to 39 bytes, found \"\""},
    {"topology = {\n threshold = 8; };", "x.conf:2: topology.threshold: expected at most as many "
                                         "as there are directories (7), found 8"},
    {"network = {\n query_directory = \"wan\"; };",
     "x.conf:2: network.query_directory: expected the name of a link: loopback, lan, hscn, mobile, "
     "bad, or one of `links`; found \"wan\""},
    {"links = { };", "x.conf:1: links: expected a list ( { ... }, ... ), found a group { }"},
    {"links = ( 3 );", "links[0]: expected a group { }, found 3"},
    {"links = ( { name = \"a\"; } );",
     "links[0].delay_min_us: is missing; expected a whole number"},
    {"links = ( { name = \"a\"; delay_min_us = 5; delay_median_us = 4; delay_p90_us = 6;\n"
     "delay_p99_us = 7; delay_max_us = 8; } );",
     "links[0]: expected min, median, p90, p99 and max to rise, found 4 after 5"},
    {"links = ( { name = \"a\"; reorders = 1; } );",
     "links[0].reorders: expected true or false, found 1"},
    {"disk = { commit_min_us = 1000; };", "disk: expected min, median, p90, p99 and max to rise"},
    {"faults = ( { at = \"0d 01:00\"; } );",
     "faults[0].what: is missing; expected one of \"stop\""},
    {"faults = ( {\n what = \"stop\"; } );",
     "x.conf:1: faults[0].at: is missing; expected a moment"},
    {"faults = ( { at = \"01:00\"; what = \"stop\"; } );",
     "faults[0].at: expected a moment, as \"2d 17:30\" or \"2d 17:30:15\", found \"01:00\""},
    {"faults = ( { at = \"0d 24:00\"; what = \"stop\"; } );", "found \"0d 24:00\""},
    {"faults = ( { at = \"0d 01:00\"; what = \"stopp\"; } );", "faults[0].what: expected one of"},
    {"faults = ( { at = \"0d 02:00\"; until = \"0d 02:00\"; what = \"stop\"; } );",
     "faults[0]: until: expected a moment after `at`"},
    {"faults = ( { at = \"0d 02:00\"; what = \"crash\"; permille = 2; } );",
     "faults[0].down: is missing; expected a duration"},
    {"faults = ( { at = \"0d 02:00\"; what = \"stop\";\n permille = 2; } );",
     "x.conf:2: faults[0].permille: does not belong to \"stop\"; expected at what role region"},
    {"faults = ( { at = \"0d 02:00\"; what = \"surge\"; times = 2; role = \"query\"; } );",
     "faults[0].role: does not belong to \"surge\"; expected at what times until"},
    {"faults = ( { at = \"0d 02:00\"; what = \"suspend\"; role = \"query\"; } );",
     "faults[0]: expected role \"authority\", the only one that \"suspend\" can be about, found "
     "\"query\""},
    {"faults = ( { at = \"0d 02:00\"; what = \"rogue\"; role = \"query\"; behaviour = \"lies\"; } "
     ");",
     "faults[0]: expected role \"directory\", the only one that \"lies\" can be about"},
    {"faults = ( { at = \"0d 02:00\"; what = \"stop\"; index = 3; } );",
     "faults[0]: index: expected a role beside it"},
    {"faults = ( { at = \"0d 02:00\"; what = \"stop\"; count = 3; share_permille = 3; } );",
     "faults[0]: expected count or share_permille, found both"},
    {"faults = ( { at = \"0d 02:00\"; what = \"link\"; } );",
     "faults[0]: expected at least one of loss_permille, twice_permille, delay"},
    {"\nfaults = ( { at = \"1d 00:00\"; what = \"stop\"; } );",
     "x.conf:2: faults: at: expected a moment before the end (1d 00:00, by `lasts`), found \"1d "
     "00:00\""},
    {"faults = ( { at = \"0d 02:00\"; what = \"stop\"; role = \"directory\"; index = 7; } );",
     "x.conf:1: faults: index: expected a number below 7, as many as there are of role "
     "\"directory\", found 7"},
    {"faults = ( { at = \"0d 02:00\"; what = \"retire\"; successor = 153; } );",
     "faults: successor: expected a number below 153, found 153"},
    {"faults = ( { at = \"0d 02:00\"; what = \"clock-skew\"; skew = \"-1 y\"; } );",
     "faults[0].skew: expected a duration of at most 365 d, as \"90 s\" or \"-2 min\", found \"-1 "
     "y\""},
    {"batches = ( { practices = 3; } );", "batches[0].at: is missing; expected a moment"},
    {"batches = ( { at = \"0d 01:00\"; query = 20; } );",
     "batches: query: expected a number below 20, found 20"},
};

Test(scenario, every_class_of_mistake_says_file_line_key_and_what_was_expected)
{
    for (size_t i = 0; i < sizeof wrong_files / sizeof *wrong_files; i++) {
        cr_expect_eq(parse(wrong_files[i].text), CPIS_E_MALFORMED, "%s", wrong_files[i].text);
        cr_expect_geq(mistakes.count, 1);
        cr_expect(strstr(mistakes.text, wrong_files[i].expect) != NULL,
                  "of: %s\nexpected: %s\nsaid: %s", wrong_files[i].text, wrong_files[i].expect,
                  mistakes.text);
        cr_expect_eq(strncmp(mistakes.text, "x.conf:", 7), 0, "%s", mistakes.text);
    }
}

Test(scenario, all_mistakes_of_a_file_are_told_at_once_and_the_result_is_not_touched)
{
    sc.lasts = 77;
    cr_assert_eq(parse("a = 1;\nlasts = 1;\ndemand = { b = 2; };"), CPIS_E_MALFORMED);
    cr_expect_eq(mistakes.count, 3);
    cr_expect(strstr(mistakes.text, "x.conf:1: a:") != NULL);
    cr_expect(strstr(mistakes.text, "x.conf:2: lasts:") != NULL);
    cr_expect(strstr(mistakes.text, "x.conf:3: demand.b:") != NULL);
    cr_expect_eq(sc.lasts, 77);
}

Test(scenario, a_file_with_more_mistakes_than_fit_counts_them_all)
{
    char text[65536] = "";
    size_t used = 0;
    for (int i = 0; i < 500; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "unheard_of_key_%d = 1;\n", i);
    cr_assert_eq(parse(text), CPIS_E_MALFORMED);
    cr_expect_eq(mistakes.count, 500);
    cr_expect_lt(strlen(mistakes.text), sizeof mistakes.text);
}

Test(scenario, a_file_that_is_not_there_is_an_error_of_its_own)
{
    cr_expect_eq(scenario_read("/nowhere/x.conf", &sc, &mistakes), CPIS_E_IO);
    cr_expect(strstr(mistakes.text, "/nowhere/x.conf: can't be read") != NULL);
}

Test(scenario, what_is_written_is_what_is_read)
{
    cr_assert_eq(
        parse(
            "name = \"n\"; start = \"2026-12-14\"; lasts = \"2 d\"; storage = \"lmdb\";\n"
            "topology = { authorities = 10; directories = 3; threshold = 2; plans = 100; };\n"
            "links = ( { name = \"sat\"; delay_min_us = 1; delay_median_us = 2; delay_p90_us = 3;\n"
            "delay_p99_us = 4; delay_max_us = 5; reorders = true; } );\n"
            "network = { query_directory = \"sat\"; };\n"
            "faults = ( { at = \"1d 10:00\"; until = \"1d 11:00:30\"; what = \"clock-skew\";\n"
            "skew = \"-90 s\"; role = \"query\"; },\n"
            "{ at = \"0d 10:00\"; what = \"rogue\"; behaviour = \"omits\"; index = 2; } );"),
        CPIS_OK, "%s", mistakes.text);
    cr_expect_str_eq(sc.name, "n");
    cr_expect_eq(sc.lasts, 2 * CPIS_MS_DAY);
    cr_expect_eq(sc.storage, SCENARIO_STORAGE_LMDB);
    cr_expect_eq(sc.crypto, SCENARIO_CRYPTO_STUB);
    cr_expect_str_eq(sc.link[sc.pair[PAIR_QUERY_DIRECTORY]].name, "sat");
    cr_expect(sc.link[sc.pair[PAIR_QUERY_DIRECTORY]].reorders);
    cr_expect_str_eq(sc.link[sc.pair[PAIR_AUTHORITY_DIRECTORY]].name, "hscn");
    cr_assert_eq(sc.faults, 2);
    cr_expect_eq(sc.fault[0].type, FAULT_ROGUE, "sorted by time");
    cr_expect_eq(sc.fault[0].who.role, ROLE_DIRECTORY, "the only one that can omit");
    cr_expect_eq(sc.fault[0].until, MOMENT_NONE);
    cr_expect_eq(sc.fault[0].line, 8);
    cr_expect_eq(sc.fault[1].skew, -90000);
    cr_expect_eq(sc.fault[1].until, CPIS_MS_DAY + 11 * CPIS_MS_HOUR + 30000);
    cr_expect_eq(sc.fault[1].who.index, INDEX_NONE);
}

static const char folder[] = "simulations/scenarios";
static const char *const promised[] = {"quiet-day",
                                       "winter-peak",
                                       "friday-night-outage",
                                       "region-lost",
                                       "rolling-upgrade",
                                       "key-rotation",
                                       "revocation",
                                       "rogue-directory",
                                       "rogue-authority",
                                       "rogue-query-node",
                                       "split-brain",
                                       "restored-authority",
                                       "restored-directories",
                                       "authority-joins",
                                       "authority-suspended",
                                       "long-dark",
                                       "clock-drift",
                                       "disaster-day",
                                       "emulate-small",
                                       "gp-batch",
                                       "small",
                                       "demo"};

Test(scenario, every_shipped_scenario_is_right_and_says_what_it_is_for)
{
    for (size_t i = 0; i < sizeof promised / sizeof *promised; i++) {
        char path[256];
        (void)snprintf(path, sizeof path, "%s/%s.conf", folder, promised[i]);
        cr_expect_eq(scenario_read(path, &sc, &mistakes), CPIS_OK, "%s", mistakes.text);
        cr_expect_str_eq(sc.name, promised[i]);
        cr_expect_gt(strlen(sc.description), 20, "%s", path);
    }
    glob_t g;
    cr_assert_eq(glob("simulations/scenarios/*.conf", 0, NULL, &g), 0);
    cr_expect_eq(g.gl_pathc, sizeof promised / sizeof *promised, "one is not tested here");
    globfree(&g);
}

Test(scenario, every_kind_of_fault_and_rogue_stands_in_some_shipped_scenario)
{
    bool fault[FAULT_TYPE_END] = {false}, rogue[ROGUE_END] = {false};
    for (size_t i = 0; i < sizeof promised / sizeof *promised; i++) {
        char path[256];
        (void)snprintf(path, sizeof path, "%s/%s.conf", folder, promised[i]);
        cr_assert_eq(scenario_read(path, &sc, &mistakes), CPIS_OK);
        for (size_t k = 0; k < sc.faults; k++) {
            fault[sc.fault[k].type] = true;
            rogue[sc.fault[k].behaviour] = true;
        }
    }
    for (int t = 1; t < FAULT_TYPE_END; t++)
        cr_expect(fault[t], "%s", fault_word((enum scenario_fault_type)t));
    for (int r = 1; r < ROGUE_END; r++)
        cr_expect(rogue[r], "%s", rogue_word((enum scenario_rogue)r));
}

Test(scenario, every_key_has_help_and_a_default_that_is_as_expected)
{
    scenario_default(&sc);
    for (size_t i = 0; i < keys_count; i++) {
        cr_expect_gt(strlen(keys[i].help), 2, "%s", keys[i].name);
        FILE *nowhere = fopen("/dev/null", "w");
        cr_expect(keys_explain(nowhere, keys[i].name), "%s", keys[i].name);
        (void)fclose(nowhere);
    }
    cr_expect_eq(sc.topology.authorities, 153);
    cr_expect_eq(sc.demand.hour[11], 98);
}

Test(scenario, the_nation_has_the_plans_that_were_asked_for)
{
    static uint32_t plans[SCENARIO_AUTHORITIES_MAX];
    static const struct {
        const char *text;
        uint64_t sum, largest, smallest;
    } cases[] = {
        {"", 131191, 3994, 4},
        {"topology = { plans = 230000; };", 230000, 6999, 8},
        {"topology = { authorities = 1000; plans = 1000000; };", 1000000, 4697, 5},
        {"topology = { sizes = \"even\"; authorities = 4; plans = 42; };", 42, 11, 10},
        {"topology = { sizes = \"skewed\"; authorities = 6; plans = 60; };", 60, 23, 5},
        {"topology = { authorities = 6; plans = 2; };", 6, 1, 1},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        cr_assert_eq(parse(cases[c].text), CPIS_OK, "%s", mistakes.text);
        scenario_plans(&sc, plans);
        uint64_t sum = 0, largest = 0, smallest = UINT64_MAX;
        for (size_t i = 0; i < sc.topology.authorities; i++) {
            sum += plans[i];
            if (plans[i] > largest) largest = plans[i];
            if (plans[i] < smallest) smallest = plans[i];
        }
        cr_expect_eq(sum, cases[c].sum, "%zu: %lu", c, (unsigned long)sum);
        cr_expect_eq(largest, cases[c].largest, "%zu: largest %lu", c, (unsigned long)largest);
        cr_expect_eq(smallest, cases[c].smallest, "%zu: smallest %lu", c, (unsigned long)smallest);
    }
}

Test(scenario, a_day_of_lookups_adds_up_and_monday_has_more)
{
    cr_assert_eq(parse("demand = { lookups_per_day = 250000; };"), CPIS_OK);
    uint64_t week = 0, monday = 0, tuesday = 0;
    for (uint64_t h = 0; h < 7 * 24; h++) {
        uint64_t n = scenario_lookups_milli(&sc, h * CPIS_MS_HOUR);
        week += n;
        if (h < 24) monday += n;
        if (h >= 24 && h < 48) tuesday += n;
    }
    cr_expect_lt(1750000000 - week, 1000U, "rounded down each hour: %lu", (unsigned long)week);
    cr_expect_eq((monday + 500) / 1000, 276500, "15.8 %% of the week: %lu", (unsigned long)monday);
    cr_expect_lt(tuesday, monday);
    cr_expect_eq(scenario_churn_milli(&sc, 373, 5 * CPIS_MS_DAY + 10 * CPIS_MS_HOUR),
                 scenario_churn_milli(&sc, 373, 10 * CPIS_MS_HOUR) / 20, "a Saturday: 5 %%");
}

static struct scenario_node chosen[SCENARIO_NODES_MAX], again[SCENARIO_NODES_MAX];

Test(scenario, whom_a_fault_is_about_is_the_same_for_one_seed_and_in_order)
{
    scenario_default(&sc);
    struct scenario_who who = {.role = ROLE_AUTHORITY, .index = INDEX_NONE, .count = 30};
    cr_assert_eq(scenario_select(&sc, &who, 1, 0, chosen), 30);
    for (size_t i = 1; i < 30; i++)
        cr_expect_lt(chosen[i - 1].index, chosen[i].index);
    cr_assert_eq(scenario_select(&sc, &who, 1, 0, again), 30);
    cr_expect_eq(memcmp(chosen, again, 30 * sizeof *chosen), 0);
    cr_assert_eq(scenario_select(&sc, &who, 2, 0, again), 30);
    cr_expect_neq(memcmp(chosen, again, 30 * sizeof *chosen), 0, "another seed, others");
    cr_assert_eq(scenario_select(&sc, &who, 1, 1, again), 30);
    cr_expect_neq(memcmp(chosen, again, 30 * sizeof *chosen), 0, "another fault, others");
}

Test(scenario, a_region_an_index_a_share_and_everybody)
{
    scenario_default(&sc);
    struct scenario_who who = {.region = REGION_NORTH_WEST, .index = INDEX_NONE};
    size_t n = scenario_select(&sc, &who, 1, 0, chosen);
    cr_expect_eq(n, 1 + 23 + 3, "%zu", n);
    cr_expect_eq(chosen[0].role, ROLE_DIRECTORY);
    cr_expect_eq(chosen[n - 1].role, ROLE_QUERY);
    who = (struct scenario_who){.role = ROLE_QUERY, .index = 18, .count = 5};
    cr_assert_eq(scenario_select(&sc, &who, 1, 0, chosen), 2, "there are 20");
    cr_expect_eq(chosen[0].index, 18);
    who = (struct scenario_who){.role = ROLE_QUERY, .index = 3};
    cr_expect_eq(scenario_select(&sc, &who, 1, 0, chosen), 1);
    who = (struct scenario_who){.index = INDEX_NONE, .share_permille = 1};
    cr_expect_eq(scenario_select(&sc, &who, 1, 0, chosen), 1, "a share is at least one");
    who = (struct scenario_who){.index = INDEX_NONE};
    cr_expect_eq(scenario_select(&sc, &who, 1, 0, chosen), 180);
}

Test(scenario, regions_have_the_authorities_that_england_has)
{
    static const unsigned expected[REGION_END] = {0, 33, 28, 24, 23, 18, 15, 12};
    unsigned count[REGION_END] = {0};
    scenario_default(&sc);
    for (uint32_t i = 0; i < 153; i++)
        count[scenario_region(&sc, ROLE_AUTHORITY, i)]++;
    for (int r = 1; r < REGION_END; r++)
        cr_expect_eq(count[r], expected[r], "%s: %u", region_name((enum nhs_region)r), count[r]);
    char name[SCENARIO_NAME_BYTES];
    scenario_authority_name(&sc, 1, name);
    cr_expect_str_eq(name, "Camden");
}

Test(scenario, a_delay_is_drawn_between_its_points)
{
    struct distribution d = {{100, 200, 400, 1000, 5000}};
    cr_expect_eq(distribution_us(&d, 0), 100);
    cr_expect_eq(distribution_us(&d, 0x40000000U), 150);
    cr_expect_eq(distribution_us(&d, 0x80000000U), 200);
    cr_expect_geq(distribution_us(&d, 0xfd70a3d8U), 999);
    cr_expect_leq(distribution_us(&d, 0xfd70a3d8U), 1001);
    cr_expect_geq(distribution_us(&d, 0xffffffffU), 4999);
    cr_expect_leq(distribution_us(&d, 0xffffffffU), 5000);
}

Test(scenario, moments_and_durations_read_back_as_written)
{
    static const char *const moments[] = {"0d 00:00", "2d 17:30", "62d 23:59:59"};
    static const char *const durations[] = {"1 ms", "90 s", "15 min", "36 h", "62 d"};
    static const char *const bad[] = {"",          "2d",        "2d 7:30",
                                      "2d 17:60",  "2d 17:30:", "2d 17:30 ",
                                      "-1d 00:00", "2 17:30",   "10001d 00:00"};
    uint64_t v;
    char text[MOMENT_BYTES];
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(moment_parse(moments[i], &v), CPIS_OK);
        moment_format(v, text);
        cr_expect_str_eq(text, moments[i]);
    }
    for (size_t i = 0; i < 5; i++) {
        cr_assert_eq(duration_parse(durations[i], &v), CPIS_OK);
        duration_format(v, text);
        cr_expect_str_eq(text, durations[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_eq(moment_parse(bad[i], &v), CPIS_E_MALFORMED, "%s", bad[i]);
    cr_expect_eq(duration_parse("1 m", &v), CPIS_E_MALFORMED);
    cr_expect_eq(duration_parse("min", &v), CPIS_E_MALFORMED);
}
