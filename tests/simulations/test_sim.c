/* The engine around the machines: group commit, prices, slow and full disks, clocks, copies, both
 * stores. What the protocol makes of all that stands in test_federation.c. */
#include "node/core/steward.h"
#include "simulations/payload.h"
#include "simulations/sim.h"
#include "tests/storage/tmp.h"

#include <criterion/criterion.h>
#include <limits.h>
#include <signal.h>
#include <sodium.h>

static const struct sim_conf quiet = {.seed = 1,
                                      .directories = 3,
                                      .threshold = 2,
                                      .authorities = 2,
                                      .queries = 2,
                                      .link = {.delay = {.min = 2000, .max = 8000}}};
static struct sim *s;
static unsigned query, authority;

static void open_with(const struct sim_conf *conf)
{
    s = sim_new(conf);
    query = sim_query(s, 0);
    authority = sim_authority(s, 0);
}
static void setup(void)
{
    cr_assert_geq(sodium_init(), 0);
    open_with(&quiet);
}
static void teardown(void) { sim_free(&s); }
TestSuite(sim, .init = setup, .fini = teardown, .timeout = 60);

static struct nhs_number child(unsigned i)
{
    struct nhs_number n = sim_number(i);
    sim_add_plan(s, authority, &n, 1, 1);
    cr_assert(sim_settle(s, CPIS_MS_MINUTE));
    return n;
}

/* --- batches --- */

Test(sim, a_command_that_waited_while_a_commit_failed_dies_with_the_node)
{
    const struct sim_prices p = {.command = 1000};
    struct nhs_number n = sim_number(0), later = sim_number(1);
    sim_cpu(s, ROLE_AUTHORITY, &p);
    disk_faults(sim_disk(s, authority))->fail_next = 1;
    sim_add_plan(s, authority, &n, 1, 1);     /* it is busy with this one, and will lose it */
    sim_add_plan(s, authority, &later, 1, 1); /* this one waits */
    sim_run(s, 10 * CPIS_MS_SECOND);
    cr_assert_not(sim_is_down(s, authority), "built anew");
    cr_expect_eq(rows_count(sim_rows(s, authority), TABLE_CHILD), 0);
    (void)child(2);
}

Test(sim, without_prices_each_input_is_a_batch_of_its_own)
{
    const uint64_t steps = sim_steps(s), batches = sim_batches(s);
    for (unsigned i = 0; i < 20; i++) {
        struct nhs_number n = sim_number(i);
        (void)sim_lookup(s, query, &n, false);
    }
    sim_run(s, CPIS_MS_SECOND);
    cr_expect_gt(sim_steps(s), steps + 100);
    cr_expect_eq(sim_steps(s) - steps, sim_batches(s) - batches);
}

Test(sim, what_comes_while_a_node_is_busy_is_taken_in_one_commit)
{
    const struct sim_prices p = {.frame = {[FRAME_LOOKUP_REPLY] = 300}};
    sim_cpu(s, ROLE_QUERY, &p);
    disk_faults(sim_disk(s, query))->latency = (struct delay){.min = 5000, .max = 5000};
    const uint64_t steps = sim_steps(s), batches = sim_batches(s);
    for (unsigned i = 0; i < 20; i++) {
        struct nhs_number n = sim_number(i);
        (void)sim_lookup(s, query, &n, false);
    }
    sim_run(s, 5 * CPIS_MS_SECOND);
    cr_expect_lt(sim_batches(s) - batches, sim_steps(s) - steps - 25);
    for (unsigned i = 0; i < 20; i++) {
        cr_assert(sim_verdict(s, i)->given);
        cr_expect_eq(sim_verdict(s, i)->verdict.kind, VERDICT_NO_FLAG);
        cr_expect_geq(sim_verdict(s, i)->took, 10000, "two commits of its node at least");
    }
}

static sim_us sent_at;
static unsigned sent;
static bool watch(void *arg, unsigned from, unsigned to, uint8_t *p, size_t len)
{
    (void)to;
    const struct frame_look l = frame_look((struct bytes){p, len});
    if (from == query && l.signed_type == SIGNED_LOOKUP && sent++ == 0) sent_at = sim_now_us(arg);
    return true;
}

static sim_us run_until_outbox(void) /* the row is written and not yet durable */
{
    for (unsigned i = 0; i < 1000 && rows_count(sim_rows(s, query), TABLE_OUTBOX) == 0; i++)
        sim_run_until(s, sim_now_us(s) + 100);
    cr_assert_eq(rows_count(sim_rows(s, query), TABLE_OUTBOX), 1);
    return sim_now_us(s);
}

Test(sim, nothing_is_sent_before_what_it_relies_on_is_durable)
{
    struct nhs_number n = sim_number(3);
    disk_faults(sim_disk(s, query))->latency = (struct delay){.min = 40000, .max = 40000};
    sim_set_tap(s, watch, s);
    const size_t first = sim_lookup(s, query, &n, false);
    (void)run_until_outbox();
    sim_run(s, 39);
    cr_expect_eq(sent, 0);
    sim_stop(s, query); /* a millisecond before its commit would be done */
    cr_expect_eq(rows_count(sim_rows(s, query), TABLE_OUTBOX), 0);
    sim_run(s, CPIS_MS_SECOND);
    cr_expect_eq(sent, 0, "nobody hears of what is lost");
    sim_start(s, query);
    sim_run(s, 30 * CPIS_MS_SECOND);
    cr_expect_not(sim_verdict(s, first)->given);
    const size_t second = sim_lookup(s, query, &n, false);
    const sim_us written_at = run_until_outbox();
    sim_run(s, 2 * CPIS_MS_SECOND);
    cr_expect(sent >= 2 && sent_at > written_at + 39800 && sent_at <= written_at + 40000,
              "%u sent, the first %lld us after it was written", sent,
              (long long)(sent_at - written_at));
    cr_expect(sim_verdict(s, second)->given);
}

Test(sim, a_slow_processor_makes_lookups_take_longer)
{
    const struct sim_prices p = {.command = 1000, .signed_frame = {[SIGNED_LOOKUP] = 2000}};
    struct nhs_number n = sim_number(3);
    const sim_us fast = sim_ask(s, query, &n, false)->took;
    sim_cpu(s, ROLE_QUERY, &p);
    sim_cpu(s, ROLE_DIRECTORY, &p);
    const sim_us priced = sim_ask(s, query, &n, false)->took;
    for (unsigned d = 0; d < 3; d++)
        sim_slow(s, sim_directory(s, d), 50000);
    const sim_us slow = sim_ask(s, query, &n, false)->took;
    cr_expect_gt(priced, fast - 12000 + 3000);
    cr_expect_gt(slow, priced + 80000);
}

/* --- disks --- */

Test(sim, a_full_disk_takes_a_node_down_until_there_is_room_and_loses_nothing_confirmed)
{
    struct nhs_number n = child(0), late = sim_number(1);
    disk_faults(sim_disk(s, authority))->full = true;
    sim_add_plan(s, authority, &late, 1, 1); /* can't be kept: its node is gone with it */
    cr_expect(sim_is_down(s, authority));
    const struct sim_verdict *v = sim_ask(s, query, &n, false);
    cr_expect_eq(v->verdict.kind, VERDICT_DETAILS_TO_FOLLOW, "%s", verdict_name(v->verdict.kind));
    sim_run(s, 10 * CPIS_MS_MINUTE);
    cr_expect(sim_is_down(s, authority), "tried again all the time, and in vain");
    disk_faults(sim_disk(s, authority))->full = false;
    sim_run(s, CPIS_MS_MINUTE);
    cr_expect_not(sim_is_down(s, authority), "it is tried at least each minute");
    cr_assert(sim_settle(s, 15 * CPIS_MS_MINUTE));
    cr_expect_eq(sim_accesses(s, authority, &v->rid), 1);
    cr_expect_eq(sim_ask(s, query, &late, false)->verdict.kind, VERDICT_NO_FLAG);
}

Test(sim, both_stores_give_the_same_trace)
{
    struct sim_conf conf = quiet;
    (void)child(0);
    struct nhs_number n = sim_number(0);
    (void)sim_ask(s, query, &n, false);
    cr_expect_null(conf.dir);
    const uint64_t trace = sim_trace(s);
    sim_free(&s);
    tmp_make();
    conf.dir = tmp_path("");
    open_with(&conf);
    (void)child(0);
    (void)sim_ask(s, query, &n, false);
    cr_expect_null(sim_rows(s, query));
    sim_stop(s, authority);
    sim_start(s, authority);
    cr_expect(sim_settle(s, CPIS_MS_MINUTE));
    sim_free(&s);
    conf.dir = NULL;
    open_with(&conf);
    (void)child(0);
    (void)sim_ask(s, query, &n, false);
    cr_expect_eq(sim_trace(s), trace);
    tmp_remove();
}

/* --- clocks --- */

Test(sim, a_clock_that_drifts_moves_the_nodes_own_time_and_nobody_elses)
{
    struct node_status st;
    sim_drift(s, query, 1000); /* 3.6 s an hour */
    sim_drift(s, authority, -1000);
    sim_run(s, 10 * CPIS_MS_HOUR);
    sim_status(s, query, &st);
    cr_expect(st.clock_known);
    cr_expect(st.clock_difference > -37000 && st.clock_difference < -35000, "%lld",
              (long long)st.clock_difference);
    sim_status(s, authority, &st);
    cr_expect(st.clock_difference > 35000 && st.clock_difference < 37000, "%lld",
              (long long)st.clock_difference);
    sim_status(s, sim_query(s, 1), &st);
    cr_expect(st.clock_difference > -100 && st.clock_difference < 100);
    cr_expect_gt(sim_events(s, query, EVENT_CLOCK_OFF), 0);
    struct nhs_number n = child(0);
    cr_expect_eq(sim_ask(s, query, &n, false)->verdict.kind, VERDICT_FLAG);
}

/* --- copies --- */

Test(sim, a_copy_running_beside_is_noticed)
{
    struct nhs_number n = child(0);
    struct rows *rows = disk_copy(sim_disk(s, query), DISK_SNAPSHOT);
    const unsigned copy = sim_copy(s, query, rows);
    rows_free(&rows);
    sim_start(s, copy);
    sim_run(s, 5 * CPIS_MS_MINUTE);
    uint64_t noticed = 0;
    for (unsigned d = 0; d < 3; d++)
        noticed += sim_events(s, sim_directory(s, d), EVENT_TWICE_CONNECTED);
    cr_expect_gt(noticed, 0);
    cr_expect_eq(sim_ask(s, query, &n, false)->verdict.kind, VERDICT_FLAG);
}

/* --- joining --- */

static void admit(void *arg, struct msg_register *draft, struct arena *a)
{
    const unsigned *n = arg;
    const struct msg_signed_descriptor d = sim_describe(s, *n, UINT_MAX);
    const struct steward_limits limits = {1000000, 1000000, 65536};
    const char *why = "";
    cr_assert_eq(steward_add_node(draft, a, registry_net(sim_stewards(s)), &d, &limits, NULL, &why),
                 CPIS_OK, "%s", why);
}
static void activate(void *arg, struct msg_register *draft, struct arena *a)
{
    const char *why = "";
    (void)a;
    cr_assert_eq(steward_set_state(draft, sim_id(s, *(unsigned *)arg), NODE_ACTIVE, &why), CPIS_OK,
                 "%s", why);
}

Test(sim, an_authority_that_joins_is_admitted_lists_and_is_found)
{
    unsigned n = sim_add_node(s, ROLE_AUTHORITY);
    cr_expect_eq(n, sim_authority(s, 2));
    sim_start(s, n);
    sim_run(s, CPIS_MS_MINUTE);
    sim_new_register(s, admit, &n);
    cr_assert(sim_settle(s, 5 * CPIS_MS_MINUTE));
    sim_new_register(s, activate, &n);
    authority = n;
    struct nhs_number held = child(0);
    sim_run(s, 3 * CPIS_MS_MINUTE);
    const struct sim_verdict *v = sim_ask(s, query, &held, false);
    cr_expect_eq(v->verdict.kind, VERDICT_FLAG, "%s", verdict_name(v->verdict.kind));
    cr_expect_eq(v->verdict.expected, 3);
    cr_expect(v->must_not_deny);
}

/* --- hooks and calls --- */

static struct {
    unsigned outcomes, live, commits, calls;
    size_t lookup;
    sim_us called_at;
} told;

static void outcome(void *arg, const struct sim_outcome *o)
{
    (void)arg;
    told.outcomes++;
    if (o->type != RESULT_VERDICT || told.lookup != 0) return;
    struct nhs_number n = sim_number(4); /* another one from within: it waits for its turn */
    told.lookup = sim_lookup(s, o->node, &n, false);
}
static void event(void *arg, unsigned node, enum event e, const struct cpis_id *peer,
                  uint64_t number)
{
    (void)arg;
    (void)peer;
    (void)number;
    told.live += node == authority && e == EVENT_LIVE;
}
static void committed(void *arg, unsigned node)
{
    (void)arg;
    (void)node;
    told.commits++;
}
static void called(void *arg, struct sim *sim)
{
    told.calls += arg == &told;
    told.called_at = sim_now_us(sim);
    sim_stop(sim, query);
    sim_start(sim, query);
}

Test(sim, hooks_hear_what_is_durable_and_may_ask_for_more)
{
    struct sim_conf conf = quiet;
    conf.hooks = (struct sim_hooks){.outcome = outcome, .event = event, .committed = committed};
    sim_free(&s);
    authority = 3;
    open_with(&conf);
    const unsigned live = told.live;
    struct nhs_number n = child(0);
    told.outcomes = 0;
    cr_expect_gt(told.live, live);
    (void)sim_ask(s, query, &n, false);
    sim_run(s, CPIS_MS_SECOND);
    cr_expect_eq(told.outcomes, 2);
    cr_expect(sim_verdict(s, told.lookup)->given);
    cr_expect_eq(told.commits, sim_batches(s));
}

Test(sim, a_call_comes_at_its_moment_and_may_do_anything)
{
    const sim_us at = sim_now_us(s) + 12345;
    sim_at(s, at, called, &told);
    sim_run(s, CPIS_MS_SECOND);
    cr_expect_eq(told.calls, 1);
    cr_expect_eq(told.called_at, at);
    cr_expect_not(sim_is_down(s, query));
}

static void halt(void *arg, struct sim *sim)
{
    (void)arg;
    sim_halt(sim);
}

Test(sim, a_halt_ends_the_run_after_the_event_under_way_and_it_can_go_on)
{
    const sim_us at = sim_now_us(s) + 500;
    sim_at(s, at, halt, NULL);
    sim_run(s, CPIS_MS_HOUR);
    cr_expect_eq(sim_now_us(s), at);
    sim_run(s, CPIS_MS_SECOND);
    cr_expect_eq(sim_now_us(s), at + SIM_US_SECOND);
}

/* --- a breach --- */

/* Everybody is put back to before the plan: nobody is left who could know of it, so the lookup is
 * answered NO FLAG, and the truth, which nobody can put back, says otherwise. */
Test(sim, a_denied_child_is_a_breach_and_ends_the_run, .signal = SIGABRT)
{
    struct rows *old[7];
    const unsigned nodes = sim_nodes(s);
    cr_assert_leq(nodes, 7);
    for (unsigned n = 0; n < nodes; n++)
        old[n] = disk_copy(sim_disk(s, n), DISK_SNAPSHOT);
    struct nhs_number held = child(0);
    cr_assert_eq(sim_ask(s, query, &held, false)->verdict.kind, VERDICT_FLAG);
    for (unsigned n = 0; n < nodes; n++)
        sim_stop(s, n);
    for (unsigned n = 0; n < nodes; n++) {
        sim_restore(s, n, old[n]);
        rows_free(&old[n]);
        sim_start(s, n);
    }
    sim_run(s, 5 * CPIS_MS_MINUTE);
    (void)sim_ask(s, query, &held, false);
    cr_assert_fail("denied, and nobody noticed");
}

/* --- seeds --- */

static uint64_t trace_of(const struct sim_conf *conf)
{
    sim_free(&s);
    open_with(conf);
    struct nhs_number n = child(0);
    sim_faults(s, true);
    for (unsigned i = 0; i < 20; i++) {
        if (!sim_is_down(s, query)) (void)sim_lookup(s, query, &n, false);
        sim_run(s, 300);
    }
    return sim_trace(s);
}

Test(sim, one_seed_gives_one_trace_with_every_fault_on_and_another_another)
{
    struct sim_conf conf = quiet;
    conf.trouble = (struct sim_trouble){.loss_permille = 50,
                                        .twice_permille = 50,
                                        .crash_permille = 20,
                                        .commit_permille = 20,
                                        .down_max = 2000};
    const uint64_t first = trace_of(&conf);
    cr_expect_eq(trace_of(&conf), first);
    conf.seed = 2;
    cr_expect_neq(trace_of(&conf), first);
}

Test(sim, another_node_more_leaves_the_keys_of_all_others)
{
    struct sim_conf conf = quiet;
    const struct cpis_id a = *sim_id(s, authority), q = *sim_id(s, query);
    sim_free(&s);
    conf.authorities++;
    open_with(&conf);
    cr_expect(id_equal(&a, sim_id(s, authority)));
    cr_expect(id_equal(&q, sim_id(s, query)));
    cr_expect_str_eq(sim_name(s, query), "query-0");
}
