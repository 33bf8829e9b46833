/* Nodes in an attacker's hands in a small federation, one behaviour after the other: what the
 * honest nodes say and notice, and that all is well when it is over. After each verdict the engine
 * checks that no live plan was denied and that the evidence holds (simulations/check.c). */
#include "simulations/crypto_choice.h"
#include "simulations/rogue.h"
#include "simulations/run.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define DIRECTORIES 5U
#define THRESHOLD   3U
#define CHILDREN    8U /* child i is of authority i mod 4 */

static struct sim *s;
static struct rogues *all;
static unsigned q0, q1;
static struct nhs_number child[CHILDREN], nobody;
static bool breaks; /* a breach is what is waited for */

static void breach(void *arg, const char *what)
{
    (void)arg;
    cr_assert(breaks, "%s", what); /* and abort, as for all others */
}

static void setup(void)
{
    const struct sim_conf conf = {.seed = 7,
                                  .directories = DIRECTORIES,
                                  .threshold = THRESHOLD,
                                  .authorities = 4,
                                  .queries = 2,
                                  .link = {.delay = {.min = 2000, .max = 8000}},
                                  .hooks.breach = breach};
    cr_assert_geq(sodium_init(), 0);
    s = sim_new(&conf);
    all = rogues_new(s, conf.seed);
    q0 = sim_query(s, 0);
    q1 = sim_query(s, 1);
    for (unsigned i = 0; i < CHILDREN; i++) {
        child[i] = sim_number(i);
        sim_add_plan(s, sim_authority(s, i % 4), &child[i], 1, 1);
    }
    nobody = sim_number(77);
    cr_assert(sim_settle(s, CPIS_MS_MINUTE));
    sim_run(s, 2 * CPIS_MS_MINUTE);
}
static void setup_stub(void)
{
    crypto_choose(CRYPTO_STUB);
    setup();
}
static void teardown(void)
{
    sim_free(&s);
    rogues_free(&all);
}
TestSuite(rogue, .init = setup, .fini = teardown, .timeout = 120);
TestSuite(rogue_stub, .init = setup_stub, .fini = teardown, .timeout = 120);

static struct rogue *listen_as(enum scenario_rogue behaviour, unsigned node, uint64_t per_second)
{
    const struct rogue_conf c = {
        .behaviour = behaviour, .node = node, .permille = 1000, .per_second = per_second};
    return rogue_listen(all, &c);
}

static struct rogue *begin_as(enum scenario_rogue behaviour, unsigned node, uint64_t per_second)
{
    struct rogue *r = listen_as(behaviour, node, per_second);
    rogue_begin(r);
    return r;
}

static const struct sim_verdict *ask(unsigned query, const struct nhs_number *n)
{
    const struct sim_verdict *v = sim_ask(s, query, n, false);
    cr_assert(v->given);
    return v;
}

static void expect_all_found(unsigned query)
{
    for (unsigned i = 0; i < CHILDREN; i++) {
        const struct sim_verdict *v = ask(query, &child[i]);
        cr_expect_eq(v->verdict.kind, VERDICT_FLAG, "child %u: %s", i,
                     verdict_name(v->verdict.kind));
    }
    const struct sim_verdict *v = ask(query, &nobody);
    cr_expect_eq(v->verdict.kind, VERDICT_NO_FLAG, "%s: %s", verdict_name(v->verdict.kind),
                 verdict_reason_text(v->verdict.reason));
}

static uint64_t events_of(enum node_role role, enum event e, unsigned but)
{
    uint64_t count = 0;
    for (unsigned n = 0; n < sim_nodes(s); n++)
        if (sim_role(s, n) == role && n != but) count += sim_events(s, n, e);
    return count;
}

static void expect_well_again(void)
{
    char what[160];
    sim_run(s, 2 * CPIS_MS_MINUTE);
    bool settled = sim_settle(s, 30 * CPIS_MS_MINUTE);
    sim_unsettled(s, what, sizeof what);
    cr_expect(settled, "%s", what);
    expect_all_found(q0);
    expect_all_found(q1);
}

/* So that a rogue is among the t whose word is all there is. */
static void stop_two_others(unsigned rogue)
{
    for (unsigned d = 0, stopped = 0; d < DIRECTORIES && stopped < DIRECTORIES - THRESHOLD; d++) {
        if (d == rogue) continue;
        sim_stop(s, d);
        stopped++;
    }
    sim_run(s, CPIS_MS_MINUTE);
}

static void start_all(void)
{
    for (unsigned d = 0; d < DIRECTORIES; d++)
        if (sim_is_down(s, d)) sim_start(s, d);
}

/* --- directories --- */

Test(rogue, liars_fewer_than_t_hide_nobody)
{
    struct rogue *a = begin_as(ROGUE_LIES, 1, 1), *b = begin_as(ROGUE_LIES, 3, 1);
    expect_all_found(q0);
    expect_all_found(q1);
    cr_expect_gt(rogue_acts(a), 0);
    cr_expect_gt(rogue_acts(b), 0);
    rogue_end(a);
    rogue_end(b);
    const uint64_t acts = rogue_acts(a);
    expect_well_again();
    cr_expect_eq(rogue_acts(a), acts, "it is over");
}

Test(rogue, one_liar_of_the_last_t_directories_hides_nobody)
{
    struct rogue *r = begin_as(ROGUE_LIES, 2, 1);
    stop_two_others(2);
    expect_all_found(q0);
    cr_expect_geq(rogue_acts(r), CHILDREN, "each child was asked of it");
    rogue_end(r);
    start_all();
    expect_well_again();
}

/* The other side of the promise; and so the engine's check is seen to see. */
Test(rogue, t_liars_hide_a_child_and_the_engine_sees_it, .signal = SIGABRT)
{
    for (unsigned d = 0; d < THRESHOLD; d++)
        (void)begin_as(ROGUE_LIES, d, 1);
    breaks = true;
    cr_assert_not_null(freopen("/dev/null", "w", stderr)); /* what the breach prints */
    for (unsigned i = 0; i < 4 * CHILDREN; i++)
        (void)ask(q0, &child[i % CHILDREN]);
}

Test(rogue, an_omission_that_fits_its_own_heads_is_incomplete_where_nobody_else_is_left)
{
    struct rogue *r = begin_as(ROGUE_OMITS, 2, 1);
    stop_two_others(2);
    sim_run(s, 11 * CPIS_MS_MINUTE); /* every head has been signed again */
    const struct sim_verdict *v = ask(q0, &nobody);
    cr_expect_eq(v->verdict.kind, VERDICT_INCOMPLETE, "%s", verdict_name(v->verdict.kind));
    cr_expect_eq(v->unconfirmed, 1);
    cr_expect_eq(v->verdict.asked, 3, "one list is not searched by all");
    for (unsigned i = 0; i < CHILDREN; i++)
        cr_expect_eq(ask(q0, &child[i])->verdict.kind, VERDICT_FLAG);
    cr_expect_gt(rogue_acts(r), 0);
    rogue_end(r);
    start_all();
    sim_run(s, 11 * CPIS_MS_MINUTE);
    expect_well_again();
}

Test(rogue, an_omission_is_made_up_for_by_further_directories)
{
    struct rogue *r = begin_as(ROGUE_OMITS, 2, 1);
    sim_run(s, 11 * CPIS_MS_MINUTE);
    for (unsigned i = 0; i < 6; i++) {
        expect_all_found(q0);
        expect_all_found(q1);
    }
    cr_expect_gt(rogue_acts(r), 0);
    rogue_end(r);
    sim_run(s, 11 * CPIS_MS_MINUTE);
    expect_well_again();
}

Test(rogue, heads_that_differ_by_who_asks_are_behind_what_was_known_and_hide_no_new_child)
{
    struct rogue *r = listen_as(ROGUE_EQUIVOCATES, 2, 1);
    sim_run(s, 11 * CPIS_MS_MINUTE); /* it has an old head of every list by now */
    rogue_begin(r);
    const struct nhs_number new = sim_number(40);
    sim_add_plan(s, rogue_about(r), &new, 1, 1);
    cr_assert(sim_settle(s, CPIS_MS_MINUTE));
    sim_run(s, 2 * CPIS_MS_MINUTE);
    expect_all_found(q0);
    stop_two_others(2);
    const struct sim_verdict *v = ask(q0, &nobody); /* deceived */
    cr_expect_eq(v->verdict.kind, VERDICT_INCOMPLETE, "%s", verdict_name(v->verdict.kind));
    cr_expect_eq(v->unconfirmed, 1);
    v = ask(q1, &nobody); /* told the truth */
    cr_expect_eq(v->verdict.kind, VERDICT_NO_FLAG, "%s", verdict_name(v->verdict.kind));
    cr_expect_eq(ask(q0, &new)->verdict.kind, VERDICT_FLAG);
    cr_expect_eq(ask(q1, &new)->verdict.kind, VERDICT_FLAG);
    rogue_end(r);
    start_all();
    sim_run(s, 11 * CPIS_MS_MINUTE);
    expect_well_again();
}

Test(rogue, old_frames_of_a_directory_change_nothing)
{
    struct rogue *r = listen_as(ROGUE_REPLAYS, 2, 50);
    expect_all_found(q0);
    sim_run(s, 11 * CPIS_MS_MINUTE);
    const uint64_t replays = events_of(ROLE_QUERY, EVENT_REPLAY, UINT_MAX);
    rogue_begin(r);
    for (unsigned i = 0; i < 4; i++) {
        sim_run(s, CPIS_MS_MINUTE);
        expect_all_found(q0);
        expect_all_found(q1);
    }
    const struct sim_verdict *v = ask(q1, &child[1]);
    cr_expect_geq(rogue_acts(r), 4 * 60 * 50);
    cr_expect_gt(events_of(ROLE_QUERY, EVENT_REPLAY, UINT_MAX), replays);
    cr_expect_gt(events_of(ROLE_DIRECTORY, EVENT_REPLAY, 2), 0);
    cr_expect_eq(events_of(ROLE_AUTHORITY, EVENT_HEAD_UNKNOWN_OWN, UINT_MAX), 0,
                 "old heads of its own are no surprise to an authority");
    rogue_end(r);
    expect_well_again();
    cr_expect_eq(sim_accesses(s, sim_authority(s, 1), &v->rid), 1);
    cr_expect_eq(sim_notifications(s, sim_authority(s, 1), &v->rid), 1);
}

/* --- authorities --- */

static void officer(unsigned authority)
{
    const struct command restored = {.type = COMMAND_CONFIRM_RESTORE};
    const struct command shrinks = {.type = COMMAND_CONFIRM_SHRINK};
    struct publisher_status p = {0};
    (void)sim_command(s, authority, &restored);
    sim_run(s, CPIS_MS_MINUTE);
    cr_assert_eq(node_published(sim_node(s, authority), &p, 1), 1);
    if (p.shrink_held) (void)sim_command(s, authority, &shrinks);
    sim_run(s, CPIS_MS_MINUTE);
}

Test(rogue, copied_tokens_can_not_be_answered_and_the_authority_copes_when_it_is_back)
{
    const unsigned copier = sim_authority(s, 3);
    sim_stop(s, copier);
    struct rogue *r = begin_as(ROGUE_COPIES_TOKENS, copier, 1);
    sim_run(s, CPIS_MS_MINUTE);
    const struct sim_verdict *of_another = ask(q0, &child[0]);
    cr_expect_eq(of_another->verdict.kind, VERDICT_FLAG, "who is of the child answers");
    cr_expect_eq(of_another->flags, 1);
    cr_expect_eq(of_another->pending, 1, "the copier is named beside it");
    cr_expect_eq(ask(q0, &child[3])->verdict.kind, VERDICT_DETAILS_TO_FOLLOW, "its own child");
    cr_expect_eq(ask(q0, &nobody)->verdict.kind, VERDICT_NO_FLAG);
    sim_run(s, 11 * CPIS_MS_MINUTE); /* signed again */
    rogue_end(r);
    sim_start(s, copier);
    sim_run(s, CPIS_MS_MINUTE);
    cr_expect_gt(sim_events(s, copier, EVENT_HEAD_UNKNOWN_OWN), 0, "the operator is told");
    for (unsigned i = 3; i < CHILDREN; i += 4)
        sim_add_plan(s, copier, &child[i], 1, 1);
    officer(copier);
    expect_well_again();
    of_another = ask(q0, &child[0]);
    cr_expect_eq(of_another->flags, 1);
    cr_expect_eq(of_another->pending, 0, "its token is off that list");
}

static struct list_summary held_by(unsigned directory, unsigned authority)
{
    struct list_summary l[8];
    const size_t count = node_lists(sim_node(s, directory), l, 8);
    for (size_t i = 0; i < count && i < 8; i++)
        if (id_equal(&l[i].authority, sim_id(s, authority))) return l[i];
    cr_assert(false, "directory %u holds no list", directory);
    return l[0];
}

Test(rogue, a_list_rolled_back_is_refused_and_the_one_held_stays)
{
    const unsigned back = sim_authority(s, 2);
    const struct nhs_number new = sim_number(40);
    struct rogue *r = listen_as(ROGUE_ROLLS_BACK, back, 20);
    sim_run(s, 11 * CPIS_MS_MINUTE);
    sim_add_plan(s, back, &new, 1, 1);
    cr_assert(sim_settle(s, CPIS_MS_MINUTE));
    const struct list_summary before = held_by(0, back);
    rogue_begin(r);
    sim_run(s, 5 * CPIS_MS_MINUTE);
    cr_expect_geq(rogue_acts(r), 5 * 60 * 20);
    for (unsigned d = 0; d < DIRECTORIES; d++) {
        const struct list_summary now = held_by(d, back);
        cr_expect_gt(sim_events(s, d, EVENT_LIST_REFUSED), 0);
        cr_expect_eq(now.version, before.version, "directory %u", d);
        cr_expect_eq(now.n, before.n);
        cr_expect(now.in_state);
    }
    cr_expect_eq(events_of(ROLE_DIRECTORY, EVENT_EQUIVOCATION, UINT_MAX), 0);
    cr_expect_eq(ask(q0, &new)->verdict.kind, VERDICT_FLAG);
    rogue_end(r);
    expect_well_again();
}

/* A directory keeps superseded heads in memory only. */
Test(rogue, a_list_rolled_back_is_refused_by_a_directory_that_has_started_anew)
{
    const unsigned back = sim_authority(s, 2);
    const struct nhs_number new = sim_number(40);
    struct rogue *r = listen_as(ROGUE_ROLLS_BACK, back, 20);
    sim_run(s, 11 * CPIS_MS_MINUTE);
    sim_add_plan(s, back, &new, 1, 1);
    cr_assert(sim_settle(s, CPIS_MS_MINUTE));
    const struct list_summary before = held_by(0, back);
    rogue_begin(r);
    for (unsigned d = 0; d < DIRECTORIES; d++) {
        sim_stop(s, d);
        sim_start(s, d);
        sim_run(s, CPIS_MS_MINUTE);
        cr_expect_eq(held_by(d, back).version, before.version, "directory %u", d);
        cr_expect_eq(ask(q0, &new)->verdict.kind, VERDICT_FLAG);
    }
    rogue_end(r);
    expect_well_again();
}

/* --- query nodes --- */

Test(rogue, a_flood_is_refused_frame_by_frame_and_slows_nobody)
{
    const struct sim_verdict *v = ask(q1, &nobody);
    const sim_us before = v->took;
    struct rogue *r = begin_as(ROGUE_FLOODS, q0, 500);
    for (unsigned i = 0; i < 4; i++) {
        sim_run(s, 20 * CPIS_MS_SECOND);
        expect_all_found(q1);
    }
    cr_expect_geq(rogue_acts(r), 4 * 20 * 500);
    static const enum event seen[] = {EVENT_FRAME_MALFORMED, EVENT_ROLE_WRONG,
                                      EVENT_SIGNATURE_WRONG, EVENT_BODY_MALFORMED};
    for (unsigned d = 0; d < DIRECTORIES; d++)
        for (size_t e = 0; e < sizeof seen / sizeof *seen; e++)
            cr_expect_gt(sim_events(s, d, seen[e]), 100, "%s", event_name(seen[e]));
    cr_expect_leq(ask(q1, &nobody)->took, 2 * before + 100000);
    rogue_end(r);
    expect_well_again();
}

Test(rogue, lookups_sent_again_and_details_withheld_leave_one_record_each)
{
    const struct sim_verdict *asked[CHILDREN];
    struct rogue *r = begin_as(ROGUE_QUERY_REPLAYS, q0, 20);
    for (unsigned i = 0; i < CHILDREN; i++) {
        asked[i] = ask(q0, &child[i]);
        cr_expect_eq(asked[i]->verdict.kind, VERDICT_DETAILS_TO_FOLLOW, "%s",
                     verdict_name(asked[i]->verdict.kind));
    }
    sim_run(s, 5 * CPIS_MS_MINUTE);
    cr_expect_eq(events_of(ROLE_AUTHORITY, EVENT_DETAILS_MISSING, UINT_MAX), CHILDREN);
    cr_expect_gt(events_of(ROLE_DIRECTORY, EVENT_LATE, UINT_MAX), 0);
    for (unsigned i = 0; i < CHILDREN; i++)
        cr_expect_eq(sim_notifications(s, sim_authority(s, i % 4), &asked[i]->rid), 1,
                     "they hear without details");
    rogue_end(r);
    expect_well_again();
    for (unsigned i = 0; i < CHILDREN; i++) {
        cr_expect_eq(sim_accesses(s, sim_authority(s, i % 4), &asked[i]->rid), 1);
        cr_expect_eq(sim_notifications(s, sim_authority(s, i % 4), &asked[i]->rid), 1);
    }
    cr_expect_eq(events_of(ROLE_AUTHORITY, EVENT_TWIN_LOOKUP, UINT_MAX), 0);
}

/* --- all of them, and with stand-ins for crypto --- */

Test(rogue_stub, all_at_once_with_stand_ins_for_crypto)
{
    struct rogue *r[] = {listen_as(ROGUE_LIES, 2, 1),
                         listen_as(ROGUE_OMITS, 2, 1),
                         listen_as(ROGUE_EQUIVOCATES, 2, 1),
                         listen_as(ROGUE_REPLAYS, 2, 20),
                         listen_as(ROGUE_ROLLS_BACK, sim_authority(s, 2), 20),
                         listen_as(ROGUE_FLOODS, q0, 100),
                         listen_as(ROGUE_QUERY_REPLAYS, q0, 5)};
    sim_run(s, 11 * CPIS_MS_MINUTE);
    for (size_t i = 0; i < sizeof r / sizeof *r; i++)
        rogue_begin(r[i]);
    for (unsigned i = 0; i < 4; i++) {
        sim_run(s, CPIS_MS_MINUTE);
        expect_all_found(q1);
        cr_expect_neq(ask(q0, &child[i])->verdict.kind, VERDICT_NO_FLAG);
    }
    for (size_t i = 0; i < sizeof r / sizeof *r; i++) {
        cr_expect_gt(rogue_acts(r[i]), 0, "%zu", i);
        rogue_end(r[i]);
    }
    sim_run(s, 11 * CPIS_MS_MINUTE);
    expect_well_again();
}

/* --- those that only give commands, in a scenario --- */

static json_t *run_with(const char *faults, const char *topology)
{
    static struct scenario sc;
    static struct scenario_mistakes mistakes;
    const struct run_options o = {.seed = 3};
    char text[2048], why[RUN_WHY_BYTES];
    struct run_result *r = NULL;
    (void)snprintf(text, sizeof text,
                   "start = \"2026-11-25\"; lasts = \"10 min\"; converge_within = \"20 min\";\n"
                   "topology = { authorities = 4; directories = 3; threshold = 2; queries = 2; "
                   "sizes = \"even\"; plans = 40; %s };\n"
                   "demand = { lookups_per_day = 30000; hit_permille = 500; };\n"
                   "faults = ( %s );\n",
                   topology, faults);
    cr_assert_eq(scenario_parse(text, "rogue", &sc, &mistakes), CPIS_OK, "%s", mistakes.text);
    cr_assert_eq(run_scenario(&sc, &o, why, &r), CPIS_OK, "%s", why);
    cr_expect(result_ok(r));
    json_t *j = result_json(r, false);
    cr_assert_not_null(j);
    result_free(&r);
    return j;
}

static json_int_t number(const json_t *o, const char *group, const char *key)
{
    return json_integer_value(json_object_get(json_object_get(o, group), key));
}

static void only_sodium(void) { cr_assert_geq(sodium_init(), 0); }
TestSuite(rogue_run, .init = only_sodium, .timeout = 120);

Test(rogue_run, who_lists_a_foreign_child_is_a_holder_with_a_record_of_each_look)
{
    json_t *honest = run_with("", "");
    json_t *foreign = run_with("{ at = \"0d 00:01\"; until = \"0d 00:09\"; what = \"rogue\"; "
                               "behaviour = \"lists-foreign\"; index = 3; }",
                               "");
    /* records and logs are checked at the end of each: result_ok */
    cr_expect_gt(number(foreign, "notifications", "due"), number(honest, "notifications", "due"),
                 "both holders hear");
    cr_expect_gt(number(foreign, "node_events", "EVENT_LIVE"),
                 number(honest, "node_events", "EVENT_LIVE"));
    cr_expect_eq(number(foreign, "verdicts", "no_flag"), number(honest, "verdicts", "no_flag"));
    json_decref(honest);
    json_decref(foreign);
}

Test(rogue_run, who_probes_is_stopped_by_the_days_limit_and_nobody_else_is)
{
    json_t *r = run_with("{ at = \"0d 00:01\"; what = \"rogue\"; behaviour = \"probes\"; "
                         "index = 0; per_second = 10; }",
                         "lookup_limit = 1500;");
    const json_int_t unknown = number(r, "verdicts", "unknown");
    cr_expect_gt(number(r, "node_events", "EVENT_QUOTA"), 0);
    cr_expect_eq(number(r, "node_events", "EVENT_NODE_QUOTA_NEAR"), 1, "the other one is not near");
    cr_expect_gt(unknown, 2000);
    cr_expect_eq(number(r, "reasons", "the day's limit of this node is used up"), unknown);
    cr_expect_gt(number(r, "verdicts", "no_flag"), 1000, "what it read before that");
    json_decref(r);
}

Test(rogue_run, equal_seeds_give_equal_traces)
{
    static const char all_kinds[] =
        "{ at = \"0d 00:01\"; what = \"rogue\"; behaviour = \"lies\"; index = 1; permille = 500; "
        "}, "
        "{ at = \"0d 00:02\"; what = \"rogue\"; behaviour = \"omits\"; index = 1; }, "
        "{ at = \"0d 00:02\"; what = \"rogue\"; behaviour = \"replays\"; index = 1; per_second = "
        "9; }, "
        "{ at = \"0d 00:02\"; until = \"0d 00:06\"; what = \"rogue\"; behaviour = "
        "\"copies-tokens\"; index = 2; }, "
        "{ at = \"0d 00:02\"; what = \"rogue\"; behaviour = \"rolls-back\"; index = 1; }, "
        "{ at = \"0d 00:02\"; what = \"rogue\"; behaviour = \"floods\"; index = 0; per_second = 9; "
        "}";
    json_t *a = run_with(all_kinds, ""), *b = run_with(all_kinds, "");
    cr_expect_str_eq(json_string_value(json_object_get(a, "trace_hash")),
                     json_string_value(json_object_get(b, "trace_hash")));
    json_decref(a);
    json_decref(b);
}
