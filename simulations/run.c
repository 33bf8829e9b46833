#include "simulations/run.h"

#include "simulations/crypto_choice.h"
#include "simulations/rogue.h"
#include "simulations/run_state.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define SLICE         (2 * SIM_US_SECOND) /* of virtual time between two looks at the wall clock */
#define PROGRESS_US   250000U
#define EVIDENCE_KEPT 1000U /* verdicts of a query node whose evidence stays, in memory */
/* And of what these name: a state for each of seven directories at most, mostly four, and what they
 * are differences from; all heads of a day and a half, where lookups are few. */
#define STATES_KEPT (16U * EVIDENCE_KEPT)
#define HEADS_KEPT  (64U * EVIDENCE_KEPT)
#define SETTLE_STEP CPIS_MS_SECOND
#define HEALING     (15 * CPIS_MS_SECOND) /* between two looks whether all has converged */

sim_us run_now(const struct run *t) { return sim_now_us(t->s) - t->zero; }

void run_at(struct run *t, sim_us at, sim_call call, void *arg)
{
    const sim_us when = t->zero + at, now = sim_now_us(t->s);
    sim_at(t->s, when > now ? when : now, call, arg);
}

unsigned run_node(const struct run *t, const struct scenario_node *n)
{
    if (n->role == ROLE_DIRECTORY) return t->directory[n->index];
    return n->role == ROLE_AUTHORITY ? t->authority[n->index].node : t->query[n->index];
}

bool run_is_up(const struct run *t, unsigned node)
{
    return node != NODE_NONE && !sim_is_down(t->s, node);
}

/* They are numbered in one row behind the directories, but for those that join later. */
uint32_t run_authority_of(const struct run *t, unsigned node)
{
    const uint64_t count = t->sc->topology.authorities;
    const uint64_t guess = node - t->sc->topology.directories;
    if (guess < count && t->authority[guess].node == node) return (uint32_t)guess;
    for (uint32_t i = 0; i < count; i++)
        if (t->authority[i].node == node) return i;
    return INDEX_NONE;
}

void run_breach(struct run *t, const char *what)
{
    result_breach(t->r, t->zero == 0 ? 0 : run_now(t), what);
    t->breached = true;
    if (t->s != NULL) sim_halt(t->s);
}

/* --- the wall clock and what the processor was busy: for progress and the result alone --- */

static uint64_t wall_us(void)
{
    struct timespec at;
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * 1000000U + (uint64_t)at.tv_nsec / 1000U;
}

static uint64_t cpu_us(void)
{
    struct rusage use;
    if (getrusage(RUSAGE_SELF, &use) != 0) return 0;
    return (uint64_t)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000000U +
           (uint64_t)(use.ru_utime.tv_usec + use.ru_stime.tv_usec);
}

static bool is_stopped(const struct run *t) { return t->o->stop != NULL && *t->o->stop != 0; }

struct meter {
    uint64_t told_us;
    bool liveness;
};

static void tell(struct run *t, struct meter *m)
{
    const uint64_t now = wall_us();
    if (t->o->progress == NULL || now - m->told_us < PROGRESS_US) return;
    m->told_us = now;
    const struct run_progress p = {.virtual_us = run_now(t),
                                   .of_us = t->sc->lasts * 1000U,
                                   .wall_us = now - t->wall_began_us,
                                   .events = sim_kernel_events(t->s),
                                   .liveness = m->liveness};
    t->o->progress(t->o->arg, &p, t->r);
}

/* --- the world that the scenario describes --- */

struct delay run_delay(const struct distribution *d, uint64_t times)
{
    static const uint32_t at[POINTS] = {0, 500, 900, 990, 1000};
    struct delay ret = {.type = DELAY_TABLE, .count = POINTS};
    for (size_t i = 0; i < POINTS; i++)
        ret.points[i] = (struct delay_point){at[i], d->us[i] * times};
    return ret;
}

struct link_profile run_link(const struct scenario *sc, size_t pair)
{
    const struct scenario_link *l = &sc->link[sc->pair[pair]];
    return (struct link_profile){.delay = run_delay(&l->delay, 1),
                                 .loss_permille = (unsigned)l->loss_permille,
                                 .twice_permille = (unsigned)l->twice_permille,
                                 .reorders = l->reorders};
}

static void lay_network(struct run *t)
{
    static const struct {
        size_t pair;
        enum node_role a, b;
    } pairs[] = {{PAIR_DIRECTORY_DIRECTORY, ROLE_DIRECTORY, ROLE_DIRECTORY},
                 {PAIR_AUTHORITY_DIRECTORY, ROLE_AUTHORITY, ROLE_DIRECTORY},
                 {PAIR_QUERY_DIRECTORY, ROLE_QUERY, ROLE_DIRECTORY}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        const struct link_profile p = run_link(t->sc, pairs[i].pair);
        network_between_roles(sim_network(t->s), pairs[i].a, pairs[i].b, &p);
        network_between_roles(sim_network(t->s), pairs[i].b, pairs[i].a, &p);
    }
}

static void set_prices(struct run *t)
{
    const struct scenario_cpu *c = &t->sc->cpu;
    for (enum node_role role = ROLE_AUTHORITY; role <= ROLE_QUERY; role++) {
        struct sim_prices p = {.tick = (uint32_t)c->step_us, .command = (uint32_t)c->step_us};
        const uint32_t with_signature = (uint32_t)(c->step_us + c->signature_us);
        for (size_t k = 0; k < FRAME_KIND_END; k++)
            p.frame[k] = (uint32_t)c->step_us;
        for (size_t k = 0; k <= SIGNED_DETAILS; k++)
            p.signed_frame[k] = with_signature;
        p.frame[FRAME_EVALUATE_REQUEST] += (uint32_t)c->evaluation_us;
        p.frame[FRAME_EVALUATE_REPLY] += (uint32_t)c->unblind_us;
        p.frame[FRAME_LOOKUP_REPLY] = with_signature;
        if (role == ROLE_DIRECTORY) p.signed_frame[SIGNED_LOOKUP] += (uint32_t)c->search_us;
        if (role == ROLE_AUTHORITY) p.signed_frame[SIGNED_DETAILS] += (uint32_t)c->answer_us;
        sim_cpu(t->s, role, &p);
    }
}

static bool is_zero(const void *p, size_t len)
{
    const uint8_t *b = p;
    for (size_t i = 0; i < len; i++)
        if (b[i] != 0) return false;
    return true;
}

/* Only now, with everybody live, does the world cost something. */
static void begin_world(struct run *t)
{
    const struct scenario_disk *d = &t->sc->disk;
    lay_network(t);
    if (!is_zero(&t->sc->cpu, sizeof t->sc->cpu)) set_prices(t);
    for (unsigned n = 0; n < sim_nodes(t->s) && !is_zero(d, sizeof *d); n++)
        disk_faults(sim_disk(t->s, n))->latency = run_delay(&d->commit, 1);
    t->zero = sim_now_us(t->s);
    t->founding_cpu_us = cpu_us();
    t->founding_events = sim_kernel_events(t->s);
}

static void number_nodes(struct run *t)
{
    const uint64_t a = t->sc->topology.authorities;
    unsigned next = 0;
    t->authority = sim_must(calloc(a, sizeof *t->authority));
    t->directory = sim_must(calloc(t->sc->topology.directories, sizeof *t->directory));
    t->query = sim_must(calloc(t->sc->topology.queries, sizeof *t->query));
    for (uint64_t i = 0; i < a; i++)
        t->authority[i] = (struct run_authority){.run = t, .index = (uint32_t)i, .node = NODE_NONE};
    for (size_t i = 0; i < t->sc->faults; i++) {
        const struct run_fault *f = &t->fault[i];
        for (size_t k = 0; f->f->type == FAULT_JOIN && k < f->whos; k++)
            t->authority[f->who[k].index].joins = true;
    }
    for (unsigned i = 0; i < t->sc->topology.directories; i++)
        t->directory[i] = i;
    next = (unsigned)t->sc->topology.directories;
    for (uint64_t i = 0; i < a; i++)
        if (!t->authority[i].joins) t->authority[i].node = next++;
    for (unsigned i = 0; i < t->sc->topology.queries; i++)
        t->query[i] = next++;
}

static unsigned founded_authorities(const struct run *t)
{
    unsigned n = 0;
    for (uint64_t i = 0; i < t->sc->topology.authorities; i++)
        n += !t->authority[i].joins;
    return n;
}

static bool found(struct run *t)
{
    const struct scenario *sc = t->sc;
    /* as node.conf has them by default */
    static const struct inbox_conf inbox = {
        .pattern_count = 3, .pattern_days = 7, .escalate_after = 4 * CPIS_MS_HOUR};
    const struct sim_conf conf = {
        .seed = t->o->seed,
        .inbox = &inbox,
        .directories = (unsigned)sc->topology.directories,
        .threshold = (unsigned)sc->topology.threshold,
        .authorities = founded_authorities(t),
        .queries = (unsigned)sc->topology.queries,
        .link = {.delay = {.min = 500, .max = 2000}},
        .epoch_lasts = sc->epoch_lasts,
        .lookups_per_day = sc->topology.lookup_limit,
        .dir = t->o->scratch,
        .trace = t->o->trace,
        .forget_lookups = true,
        .check_every =
            sc->evidence_permille == 0 ? UINT32_MAX : (unsigned)(1000U / sc->evidence_permille),
        .hooks = watch_hooks(t),
    };
    t->s = sim_new(&conf);
    for (unsigned i = 0; i < sc->topology.queries; i++) {
        struct rows *rows = sim_rows(t->s, t->query[i]);
        if (rows == NULL) continue;
        rows_keep(rows, TABLE_EVIDENCE, EVIDENCE_KEPT);
        rows_keep(rows, TABLE_SEEN_STATE, STATES_KEPT);
        rows_keep(rows, TABLE_SEEN_HEAD, HEADS_KEPT);
        rows_keep(rows, TABLE_EXPIRY, EVIDENCE_KEPT + STATES_KEPT + HEADS_KEPT);
    }
    return load_population(t);
}

/* --- phases --- */

static void run_until(struct run *t, sim_us until, struct meter *m)
{
    while (run_now(t) < until && !is_stopped(t) && !t->breached) {
        const sim_us next = run_now(t) + SLICE;
        sim_run_until(t->s, t->zero + (next < until ? next : until));
        tell(t, m);
    }
}

static bool converge(struct run *t, struct meter *m)
{
    const sim_us healed = run_now(t), until = healed + t->sc->converge_within * 1000U;
    bool settled = false;
    while (!settled && run_now(t) < until && !is_stopped(t) && !t->breached) {
        settled = sim_settle(t->s, SETTLE_STEP);
        if (settled) run_until(t, run_now(t) + HEALING * 1000U, m);
        settled = settled && sim_settle(t->s, SETTLE_STEP);
        tell(t, m);
    }
    return settled && run_now(t) <= until + HEALING * 1000U;
}

static void finish(struct run *t, bool reached, bool converged, sim_us healed)
{
    struct rusage use;
    const bool stopped = is_stopped(t);
    const sim_us now = t->zero == 0 ? 0 : run_now(t);
    struct result_end end = {.virtual_us = now,
                             .wall_us = wall_us() - t->wall_began_us,
                             .cpu_us = cpu_us(),
                             .founding_cpu_us = t->founding_cpu_us,
                             .events = t->s == NULL ? 0 : sim_kernel_events(t->s),
                             .founding_events = t->founding_events,
                             .partial = stopped || (t->breached && !reached),
                             .liveness_asked = reached && (converged || !stopped) && !t->breached,
                             .converged = converged,
                             .converge_us = now - healed};
    const uint64_t trace = t->s == NULL ? 0 : sim_trace(t->s);
    memcpy(end.trace.b, &trace, sizeof trace);
    if (getrusage(RUSAGE_SELF, &use) == 0) end.peak_rss_kib = (uint64_t)use.ru_maxrss;
    if (end.liveness_asked && !converged)
        sim_unsettled(t->s, end.not_converged, sizeof end.not_converged);
    result_end(t->r, &end);
}

static void run_phases(struct run *t)
{
    struct meter m = {0, false};
    load_begin(t);
    steward_begin(t);
    fault_begin_all(t);
    watch_begin(t);
    t->safety = true;
    run_until(t, t->sc->lasts * 1000U, &m);
    t->safety = false;
    const bool reached = !is_stopped(t) && !t->breached;
    const sim_us healed = run_now(t);
    bool converged = false;
    if (reached) {
        m.liveness = true;
        fault_heal(t);
        converged = converge(t, &m);
        if (converged) records_check(t);
    }
    finish(t, reached, converged, healed);
}

static void run_free(struct run *t)
{
    sim_free(&t->s);
    rogues_free(&t->rogues);
    fault_free(t);
    load_free(t);
    watch_free(t);
    for (uint64_t i = 0; t->authority != NULL && i < t->sc->topology.authorities; i++)
        free(t->authority[i].saved);
    free(t->authority);
    free(t->directory);
    free(t->query);
    free(t->child);
    look_free(&t->asked);
    look_free(&t->read);
    free(t);
}

cpis_err run_scenario(const struct scenario *sc, const struct run_options *o,
                      char why[static RUN_WHY_BYTES], struct run_result **ret)
{
    struct run *t = calloc(1, sizeof *t);
    struct run_result *r = result_new(sc, o->seed);
    why[0] = '\0';
    if (t == NULL || r == NULL) {
        free(t);
        result_free(&r);
        return CPIS_E_NOMEM;
    }
    *t = (struct run){.sc = sc, .o = o, .r = r, .surge = 1, .wall_began_us = wall_us()};
    random_init(&t->arrivals, o->seed, random_name(0, "arrivals"));
    random_init(&t->churn, o->seed, random_name(0, "churn"));
    random_init(&t->chance, o->seed, random_name(0, "chance"));
    crypto_choose(sc->crypto == SCENARIO_CRYPTO_STUB ? CRYPTO_STUB : CRYPTO_REAL);
    if (!fault_make(t, why)) {
        run_free(t);
        result_free(&r);
        return CPIS_E_INVAL;
    }
    number_nodes(t);
    if (setjmp(t->home) != 0) { /* a check of the engine does not hold: all ends where it was */
        finish(t, false, false, 0);
    } else if (!found(t)) {
        run_breach(t, "the first lists did not become live");
        finish(t, false, false, 0);
    } else {
        begin_world(t);
        run_phases(t);
    }
    run_free(t);
    *ret = r;
    return CPIS_OK;
}
