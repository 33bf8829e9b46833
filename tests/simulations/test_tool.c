/* The built command itself: $CPIS_SIM_BIN, or build/release/cpis-sim. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char work[] = "/tmp/cpis-sim-test.XXXXXX";
static char output[1 << 20]; /* of the last line of shell: stdout and stderr */

static void init(void)
{
    const char *bin = getenv("CPIS_SIM_BIN");
    char path[4096], cwd[2048];
    cr_assert(mkdtemp(work) != NULL);
    cr_assert(getcwd(cwd, sizeof cwd) != NULL);
    (void)snprintf(path, sizeof path, "%s/%s", cwd, bin == NULL ? "build/release/cpis-sim" : bin);
    cr_assert_eq(access(path, X_OK), 0, "not built: %s", path);
    (void)setenv("SIM", path, 1);
    (void)setenv("W", work, 1);
    (void)setenv("TINY", "tests/simulations/tiny.conf", 1);
    (void)unsetenv("CPIS_SIM_SCENARIOS");
}
static void fini(void)
{
    char line[64];
    (void)snprintf(line, sizeof line, "rm -rf %s", work);
    (void)!system(line);
}
TestSuite(tool, .init = init, .fini = fini);

static int sh(const char *line)
{
    char whole[4096];
    (void)snprintf(whole, sizeof whole, "{ %s\n} 2>&1", line);
    FILE *p = popen(whole, "r"); // NOLINT: a test's own words
    cr_assert(p != NULL);
    output[fread(output, 1, sizeof output - 1, p)] = '\0';
    int status = pclose(p);
    cr_assert(WIFEXITED(status), "%s: %s", line, output);
    return WEXITSTATUS(status);
}

static void expect(const char *line, int code, const char *text)
{
    int got = sh(line);
    cr_expect_eq(got, code, "%s: exit %d: %.600s", line, got, output);
    cr_expect(strstr(output, text) != NULL, "%s: expected \"%s\", said: %.1500s", line, text,
              output);
}

Test(tool, every_command_has_help_and_exit_codes)
{
    static const char *const commands[] = {"run",  "sweep", "report",  "compare",
                                           "list", "check", "explain", "calibrate"};
    expect("$SIM --help", 0, "usage: cpis-sim COMMAND");
    expect("$SIM", 2, "usage: cpis-sim COMMAND");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        char line[64];
        (void)snprintf(line, sizeof line, "$SIM %s --help", commands[i]);
        expect(line, 0, "exit codes: 0 ");
    }
    expect("$SIM walk", 2, "no command \"walk\"");
    expect("$SIM run small --fast", 2, "no such option");
    expect("$SIM run small --seed", 2, "--seed lacks its value");
    expect("$SIM run small --seed x", 2, "--seed: a whole number");
    expect("$SIM run small --days 401", 2, "--days: a number of days up to 400");
    expect("$SIM run small --crypto none", 2, "--crypto: stub or real");
    expect("$SIM run", 2, "one scenario");
    expect("$SIM --help-scenario", 0, "demand.hit_permille");
    expect("$SIM explain hit_permille", 0, "Expected: a whole number from 0 to 1000");
    expect("$SIM explain restore", 0, "Must be given: age down");
    expect("$SIM explain nothing", 2, "no key, group or kind of fault \"nothing\"");
}

Test(tool, shipped_scenarios_are_found_listed_and_right)
{
    expect("$SIM list", 0, "quiet-day");
    expect("$SIM check small demo disaster-day", 0, "disaster-day: right: 1 d, 153 authorities");
    expect("cd / && $SIM check quiet-day", 0, "quiet-day: right");
    expect("$SIM check nosuch", 2, "no scenario \"nosuch\"");
    expect("CPIS_SIM_SCENARIOS=/nowhere $SIM list", 2, "not there");
    expect("cp $TINY $W/mine.conf && CPIS_SIM_SCENARIOS=$W $SIM list", 0, "mine");
    expect("printf 'lasts = \"1 d\";\\n\\nlookups = 3;\\n' >$W/x.conf; $SIM check $W/x.conf", 2,
           "/x.conf:3: lookups: no such key here");
    expect("$SIM run $W/x.conf", 2, "/x.conf:3: lookups: no such key here");
    expect("$SIM check $W/none.conf", 2, "/none.conf: can't be read");
}

Test(tool, a_run_gives_one_object_the_same_each_time)
{
    json_error_t error;
    expect("$SIM run $TINY --seed 3 --days 0.001 --json --out $W/a.json --csv $W/csv", 0, "{");
    json_t *o = json_loads(output, JSON_REJECT_DUPLICATES, &error);
    cr_assert(o != NULL, "%s: %.300s", error.text, output);
    static const char *const keys[] = {
        "scenario", "seed",       "virtual_s",         "wall_s",        "events", "messages",
        "lookups",  "verdicts",   "breaches",          "notifications", "crypto", "storage",
        "partial",  "trace_hash", "propagation_p99_s", "peak_rss_mib",  "series", "authorities"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        cr_expect(json_object_get(o, keys[i]) != NULL, "%s", keys[i]);
    cr_expect_eq(json_integer_value(json_object_get(o, "seed")), 3);
    json_decref(o);
    expect("ls $W/csv", 0,
           "authorities.csv\ndirectories.csv\nfaults.csv\nfreshness.csv\nseries.csv\n"
           "summary.csv");
    expect("$SIM run $TINY --seed 3 --days 0.001 --summary >$W/b.json && "
           "jq -r .trace_hash $W/a.json $W/b.json | uniq | wc -l",
           0, "1\n");
    expect("$SIM compare $W/a.json $W/b.json --within latency=0%,verdicts=0% propagation=0%", 0,
           "within");
    expect("jq -c '.latency_ms.p50 *= 2' $W/b.json >$W/c.json; "
           "$SIM compare $W/a.json $W/c.json --within latency=25%",
           1, "OUT OF BOUNDS");
    expect("$SIM compare $W/a.json $W/c.json --json | jq .within", 0, "true");
    expect("$SIM compare $W/a.json $W/c.json --within speed=1%", 2, "--within: as latency=25%");
    expect("$SIM compare $W/a.json", 2, "two results");
    expect("$SIM report $W/a.json $W/b.json --out $W/r.html && grep -c '<h2>' $W/r.html", 0, "1\n");
    expect("echo '{}' | $SIM report -", 2, "not a result of cpis-sim");
    expect("echo 'x' | $SIM report -", 2, "-:1: not a result");
    expect("$SIM report $W/nothing", 2, "No such file");
    expect("$SIM run $TINY --seed 3 --days 0.0001 --out /nowhere/a.json", 3, "/nowhere/a.json");
}

Test(tool, a_sweep_is_a_line_for_each_seed_and_says_how_to_replay_a_failing_one)
{
    expect("$SIM sweep $TINY --seeds 1..4 --jobs 2 --days 0.0005 >$W/s.jsonl", 0,
           "tiny: 4 seeds, 0 failed");
    expect("wc -l <$W/s.jsonl; jq -s -c 'map(.seed)|sort' $W/s.jsonl", 0, "4\n[1,2,3,4]");
    expect("TMPDIR=/nowhere $SIM sweep $TINY --seeds 7..8 --storage lmdb", 1,
           "seed 7: exit 3: cpis-sim run: no scratch folder could be made");
    cr_expect(strstr(output, "  replay: cpis-sim run tests/simulations/tiny.conf --seed 7 "
                             "--storage=lmdb\n") != NULL,
              "%s", output);
    cr_expect(strstr(output, "tiny: 2 seeds, 2 failed\n") != NULL, "%s", output);
    expect("$SIM sweep $TINY --seeds 4..1", 2, "--seeds: from..to");
    expect("$SIM sweep $TINY", 2, "--seeds: from..to");
}

/* An officer's sending again is no new plan that the nation waits for. */
Test(tool, what_is_sent_again_after_a_restore_is_not_counted_as_saved)
{
    expect("sed -e '/starts/s/= [0-9]*/= 0/g' -e '/what = .link/d; /what = .stop/d' -e "
           "'/restore/{s/directory/authority/;s/2;/1;/}' "
           "$TINY >$W/again.conf; $SIM run $W/again.conf --summary | "
           "jq -c '[.ok, .breaches, .plans.saved]'",
           0, "[true,0,0]");
}

Test(tool, a_run_that_is_stopped_writes_a_valid_partial_result)
{
    expect("$SIM run $TINY --days 20 --out $W/p.json >/dev/null & P=$!; "
           "while kill -0 $P && ! grep -q SigCgt:.*4..2$ /proc/$P/status; do :; done; kill -INT "
           "$P; wait $P",
           4, "");
    expect("jq -c '[.partial, .ok, .liveness.reached]' $W/p.json", 0, "[true,true,false]");
    expect("$SIM report $W/p.json", 0, "stopped before its time");
    expect("$SIM sweep $TINY --days 20 --seeds 1..2 --jobs 2 >$W/p.jsonl & P=$!; "
           "while kill -0 $P && ! grep -q SigCgt:.*4..2$ /proc/$P/status; do :; done; kill -TERM "
           "$P; wait $P",
           4, "stopped early");
}

Test(tool, metrics_become_a_link_that_a_scenario_can_use)
{
    expect("printf 'rtt_bucket{le=\"0.01\"} 5\\nrtt_bucket{le=\"+Inf\"} 5\\n' >$W/m; "
           "$SIM calibrate $W/m --name vpn --round-trip >$W/v.conf; "
           "echo 'network = { query_directory = \"vpn\"; };' >>$W/v.conf; $SIM check $W/v.conf",
           0, "v: right");
    expect("echo 'b_bucket{le=\"1\"} 1' >>$W/m; $SIM calibrate $W/m", 2, "say which with --metric");
    expect("echo 'b_bucket{} 1' | $SIM calibrate -", 2,
           "-:1: not a line of a Prometheus histogram");
}
