/* Faults that come and go: each begins and ends by itself, as the scenario says; what several of
 * them do to one thing is worked out anew from all that are in force. Registers: run_steward.c. */
#include "simulations/run_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PPM_MAX 500000

/* --- whom --- */

static bool is_on(const struct run_fault *f) { return f->begun && !f->ended; }

static unsigned who_node(const struct run_fault *f, size_t i)
{
    return run_node(f->run, &f->who[i]);
}

static bool is_of(const struct run_fault *f, unsigned node)
{
    for (size_t i = 0; i < f->whos; i++)
        if (who_node(f, i) == node) return true;
    return false;
}

void fault_describe(const struct run_fault *f, char *ret, size_t cap)
{
    static const char *const roles[] = {"", "authority", "directory", "query node"};
    const struct scenario *sc = f->run->sc;
    const uint64_t all = sc->topology.authorities + sc->topology.directories + sc->topology.queries;
    size_t used = 0;
    ret[0] = '\0';
    if (f->whos == all) (void)snprintf(ret, cap, "all nodes");
    for (size_t i = 0; i < f->whos && f->whos < all && used + 40 < cap; i++) {
        const bool again = i > 0 && f->who[i].role == f->who[i - 1].role;
        int n = snprintf(ret + used, cap - used, "%s%s%s%u", i == 0 ? "" : ", ",
                         again ? "" : roles[f->who[i].role], again ? "" : " ", f->who[i].index);
        used += n > 0 ? (size_t)n : 0;
    }
}

void fault_ended(struct run_fault *f)
{
    char whom[160];
    fault_describe(f, whom, sizeof whom);
    result_fault(f->run->r, f->f->at * 1000U, run_now(f->run), fault_word(f->f->type), whom);
}

/* --- what is the sum of all in force --- */

static void set_groups(struct run *t)
{
    for (unsigned n = 0; n < sim_nodes(t->s); n++) {
        unsigned group = 0;
        for (size_t i = 0; i < t->sc->faults; i++) {
            const struct run_fault *f = &t->fault[i];
            if (f->f->type != FAULT_PARTITION || !is_on(f) || !is_of(f, n)) continue;
            /* sides of one number are one; a fault without is a side of its own */
            group = f->f->side != 0 ? (unsigned)f->f->side
                                    : (unsigned)(SCENARIO_FAULTS_MAX + f->number + 1);
        }
        network_group(sim_network(t->s), n, group);
    }
}

static void set_cuts(struct run_fault *f, bool cut)
{
    for (size_t i = 0; i < f->whos; i++)
        for (size_t k = 0; k < f->tos; k++) {
            const unsigned from = who_node(f, i), to = run_node(f->run, &f->to[k]);
            if (from != NODE_NONE && to != NODE_NONE && from != to)
                sim_cut(f->run->s, from, to, cut);
        }
}

/* Loss and doubling by the worst in force; delay on top of each chosen node's profiles. */
static void set_links(struct run *t)
{
    struct network_trouble trouble = {0, 0};
    for (size_t i = 0; i < t->sc->faults; i++) {
        const struct run_fault *f = &t->fault[i];
        if (f->f->type != FAULT_LINK || !is_on(f)) continue;
        if (f->f->loss_permille > trouble.loss_permille)
            trouble.loss_permille = (unsigned)f->f->loss_permille;
        if (f->f->twice_permille > trouble.twice_permille)
            trouble.twice_permille = (unsigned)f->f->twice_permille;
    }
    network_trouble(sim_network(t->s), &trouble);
}

static size_t pair_of(const struct run *t, unsigned a, unsigned b)
{
    const enum node_role x = sim_role(t->s, a), y = sim_role(t->s, b);
    if (x == y) return PAIR_DIRECTORY_DIRECTORY;
    return x == ROLE_AUTHORITY || y == ROLE_AUTHORITY ? PAIR_AUTHORITY_DIRECTORY
                                                      : PAIR_QUERY_DIRECTORY;
}

static void set_delays(struct run_fault *f, bool on)
{
    struct run *t = f->run;
    for (size_t i = 0; i < f->whos && f->f->delay > 0; i++)
        for (unsigned n = 0; n < sim_nodes(t->s); n++) {
            const unsigned a = who_node(f, i);
            const bool linked =
                a != NODE_NONE && a != n &&
                (sim_role(t->s, a) == ROLE_DIRECTORY || sim_role(t->s, n) == ROLE_DIRECTORY);
            if (!linked) continue;
            struct link_profile p = run_link(t->sc, pair_of(t, a, n));
            for (unsigned k = 0; k < p.delay.count; k++)
                p.delay.points[k].us += f->f->delay * 1000U;
            network_between_nodes(sim_network(t->s), a, n, on ? &p : NULL);
            network_between_nodes(sim_network(t->s), n, a, on ? &p : NULL);
        }
}

static void set_node(struct run *t, unsigned n)
{
    int64_t skew = 0, drift = 0;
    uint64_t slow = 1, disk = 1;
    struct disk_faults *d = disk_faults(sim_disk(t->s, n));
    d->full = false;
    d->fail_permille = 0;
    for (size_t i = 0; i < t->sc->faults; i++) {
        const struct run_fault *f = &t->fault[i];
        if (!is_on(f) || !is_of(f, n)) continue;
        if (f->f->type == FAULT_CLOCK_SKEW) skew += f->f->skew;
        if (f->f->type == FAULT_CLOCK_DRIFT) drift += f->f->drift_ppm;
        if (f->f->type == FAULT_CPU_SLOW && f->f->times > slow) slow = f->f->times;
        if (f->f->type == FAULT_DISK_SLOW && f->f->times > disk) disk = f->f->times;
        d->full |= f->f->type == FAULT_DISK_FULL;
        if (f->f->type == FAULT_COMMIT_FAILS && f->f->permille > d->fail_permille)
            d->fail_permille = (unsigned)f->f->permille;
    }
    if (t->sc->disk.commit.us[POINT_MAX] > 0) d->latency = run_delay(&t->sc->disk.commit, disk);
    sim_skew(t->s, n, skew);
    sim_drift(t->s, n, drift > PPM_MAX ? PPM_MAX : (int32_t)drift);
    sim_slow(t->s, n, (unsigned)(1000U * slow));
}

static void set_nodes(struct run_fault *f)
{
    for (size_t i = 0; i < f->whos; i++)
        if (who_node(f, i) != NODE_NONE) set_node(f->run, who_node(f, i));
}

/* Crashes are rolled by the engine for every node: by the greatest chance in force. */
static void set_crashes(struct run *t)
{
    struct sim_trouble trouble = {0};
    for (size_t i = 0; i < t->sc->faults; i++) {
        const struct run_fault *f = &t->fault[i];
        if (f->f->type != FAULT_CRASH || !is_on(f)) continue;
        if (f->f->permille > trouble.crash_permille) {
            trouble.crash_permille = (unsigned)f->f->permille;
            trouble.down_max = f->f->down;
        }
    }
    sim_trouble(t->s, &trouble);
    sim_faults(t->s, trouble.crash_permille > 0);
}

static void set_surge(struct run *t)
{
    t->surge = 1;
    for (size_t i = 0; i < t->sc->faults; i++)
        if (t->fault[i].f->type == FAULT_SURGE && is_on(&t->fault[i]))
            t->surge *= t->fault[i].f->times;
}

/* --- nodes that stop, and come back --- */

/* Another fault that keeps it down? */
static bool is_kept_down(const struct run *t, unsigned node)
{
    for (size_t i = 0; i < t->sc->faults; i++) {
        const struct run_fault *f = &t->fault[i];
        const bool downs = f->f->type == FAULT_STOP || f->f->type == FAULT_RESTORE ||
                           f->f->behaviour == ROGUE_COPIES_TOKENS;
        if (downs && is_on(f) && is_of(f, node)) return true;
    }
    return false;
}

void fault_stop(struct run *t, unsigned node)
{
    if (node != NODE_NONE)
        sim_stop(t->s, node); /* down after a crash: it does not come up by itself */
}

void fault_start(struct run *t, unsigned node)
{
    if (node != NODE_NONE && sim_is_down(t->s, node) && !is_kept_down(t, node))
        sim_start(t->s, node);
}

static void stop_all(struct run_fault *f)
{
    for (size_t i = 0; i < f->whos; i++)
        fault_stop(f->run, who_node(f, i));
}

static void start_all(struct run_fault *f)
{
    for (size_t i = 0; i < f->whos; i++)
        fault_start(f->run, who_node(f, i));
}

/* --- old copies --- */

/* A directory's backup is without its key share, and so of no use until the next ceremony; what
 * puts one back with it is a machine's snapshot. */
static enum disk_copy kind_of(enum node_role role)
{
    return role == ROLE_DIRECTORY ? DISK_SNAPSHOT : DISK_BACKUP;
}

/* What is committed: a node that has a batch open is copied when that is over. */
static void back_up(void *arg, struct sim *s)
{
    struct run_fault *f = arg;
    bool again = false;
    if (f->backup == NULL) f->backup = sim_must(calloc(f->whos, sizeof(struct rows *)));
    for (size_t i = 0; i < f->whos; i++) {
        if (who_node(f, i) == NODE_NONE || f->backup[i] != NULL) continue;
        struct disk *d = sim_disk(s, who_node(f, i));
        if (disk_is_durable(d))
            f->backup[i] = disk_copy(d, kind_of(f->who[i].role));
        else
            again = true;
    }
    if (again) sim_at(s, sim_now_us(s) + SIM_US_MS, back_up, f);
}

static void put_back(struct run_fault *f)
{
    struct run *t = f->run;
    for (size_t i = 0; i < f->whos; i++) {
        const unsigned n = who_node(f, i);
        if (n == NODE_NONE || f->backup[i] == NULL || !sim_is_down(t->s, n)) continue;
        sim_restore(t->s, n, f->backup[i]);
        fault_start(t, n);
        if (f->who[i].role != ROLE_AUTHORITY) continue;
        load_resend(t, f->who[i].index);
        people_look(t, f->who[i].index);
    }
}

static void run_copies(struct run_fault *f, bool on)
{
    struct run *t = f->run;
    if (f->copies == NULL) f->copies = sim_must(calloc(f->whos, sizeof *f->copies));
    for (size_t i = 0; i < f->whos; i++) {
        const unsigned n = who_node(f, i);
        if (n == NODE_NONE || f->backup == NULL || f->backup[i] == NULL) continue;
        if (on) {
            f->copies[i] = sim_copy(t->s, n, f->backup[i]);
            sim_start(t->s, f->copies[i]);
            if (f->who[i].role == ROLE_DIRECTORY)
                network_take_endpoint(sim_network(t->s), f->copies[i]);
        } else if (f->copies[i] != 0 && !sim_is_down(t->s, f->copies[i])) {
            sim_stop(t->s, f->copies[i]);
            if (f->who[i].role == ROLE_DIRECTORY) network_take_endpoint(sim_network(t->s), n);
        }
    }
}

/* --- one after the other --- */

static void rolling_next(void *arg, struct sim *s);

static void rolling_back(void *arg, struct sim *s)
{
    struct run_fault *f = arg;
    (void)s;
    fault_start(f->run, who_node(f, f->step));
    if (++f->step == f->whos) {
        f->ended = true;
        fault_ended(f);
    } else if (f->run->safety) {
        run_at(f->run, run_now(f->run) + f->f->gap * 1000U, rolling_next, f);
    }
}

static void rolling_next(void *arg, struct sim *s)
{
    struct run_fault *f = arg;
    (void)s;
    if (!f->run->safety || f->step >= f->whos) return;
    fault_stop(f->run, who_node(f, f->step));
    run_at(f->run, run_now(f->run) + f->f->down * 1000U, rolling_back, f);
}

/* --- begin, end --- */

static void turn(struct run_fault *f, bool on)
{
    struct run *t = f->run;
    switch (f->f->type) {
    case FAULT_STOP: (on ? stop_all : start_all)(f); return;
    case FAULT_CRASH:
        set_crashes(t);
        set_links(t);
        return;
    case FAULT_COMMIT_FAILS:
    case FAULT_DISK_SLOW:
    case FAULT_DISK_FULL:
    case FAULT_CPU_SLOW:
    case FAULT_CLOCK_SKEW:
    case FAULT_CLOCK_DRIFT: set_nodes(f); return;
    case FAULT_CUT: set_cuts(f, on); return;
    case FAULT_PARTITION: set_groups(t); return;
    case FAULT_LINK:
        set_links(t);
        set_delays(f, on);
        return;
    case FAULT_ROLLING_RESTART:
        if (on && f->whos > 0) rolling_next(f, t->s);
        return;
    case FAULT_SURGE: set_surge(t); return;
    case FAULT_RESTORE:
        if (on)
            stop_all(f);
        else
            put_back(f);
        return;
    case FAULT_COPY: run_copies(f, on); return;
    case FAULT_REVOKE:
    case FAULT_SUSPEND:
    case FAULT_REINSTATE:
    case FAULT_JOIN:
    case FAULT_RETIRE:
    case FAULT_NOTICE:
    case FAULT_EPOCH_CHANGE: (on ? steward_fault_begin : steward_fault_end)(f); return;
    case FAULT_ROGUE: (on ? rogue_fault_begin : rogue_fault_end)(f); return;
    case FAULT_NONE:
    case FAULT_TYPE_END: return;
    }
}

static void trace_fault(const struct run_fault *f, const char *what)
{
    char whom[160];
    if (f->run->o->trace == NULL) return;
    fault_describe(f, whom, sizeof whom);
    (void)fprintf(f->run->o->trace, "%" PRIu64 "\t%s\t%s %s\n", sim_now_us(f->run->s), whom,
                  fault_word(f->f->type), what);
}

static void end_now(struct run_fault *f)
{
    if (!is_on(f)) return;
    f->ended = true;
    trace_fault(f, "ends");
    turn(f, false);
    fault_ended(f);
}

static void end_event(void *arg, struct sim *s)
{
    (void)s;
    end_now(arg);
}

static sim_us end_of(const struct run_fault *f)
{
    const struct scenario_fault *sf = f->f;
    if (sf->type == FAULT_RESTORE) return (sf->at + sf->down) * 1000U;
    if (sf->type == FAULT_ROLLING_RESTART || sf->until == MOMENT_NONE) return SIM_US_NEVER;
    return sf->until * 1000U;
}

static void begin_event(void *arg, struct sim *s)
{
    struct run_fault *f = arg;
    (void)s;
    if (!f->run->safety) return;
    f->begun = true;
    trace_fault(f, "begins");
    turn(f, true);
    if (end_of(f) != SIM_US_NEVER) run_at(f->run, end_of(f), end_event, f);
}

void fault_begin_all(struct run *t)
{
    for (size_t i = 0; i < t->sc->faults; i++) {
        struct run_fault *f = &t->fault[i];
        const struct scenario_fault *sf = f->f;
        if (sf->type == FAULT_RESTORE || sf->type == FAULT_COPY)
            run_at(t, sf->at > sf->age ? (sf->at - sf->age) * 1000U : 0, back_up, f);
        if (sf->type == FAULT_ROGUE) rogue_fault_plan(f);
        run_at(t, sf->at * 1000U, begin_event, f);
    }
}

/* A copy, or one that another with new keys has replaced: it stays down. */
static bool is_out(const struct run *t, unsigned node)
{
    for (size_t i = 0; i < t->sc->faults; i++)
        for (size_t k = 0; k < t->fault[i].whos; k++) {
            const struct run_fault *f = &t->fault[i];
            if (f->copies != NULL && f->copies[k] == node) return true;
            if (f->before != NULL && f->before[k] == node) return true;
        }
    return false;
}

void fault_heal(struct run *t)
{
    for (size_t i = 0; i < t->sc->faults; i++)
        end_now(&t->fault[i]);
    for (unsigned n = 0; n < sim_nodes(t->s); n++)
        if (!is_out(t, n) && sim_is_down(t->s, n)) sim_start(t->s, n);
}

/* --- made from the scenario --- */

static bool choose(struct run_fault *f)
{
    static struct scenario_node chosen[SCENARIO_NODES_MAX];
    const struct run *t = f->run;
    f->whos = scenario_select(t->sc, &f->f->who, t->o->seed, f->number, chosen);
    f->who = sim_must(calloc(f->whos + 1, sizeof *f->who));
    memcpy(f->who, chosen, f->whos * sizeof *f->who);
    f->tos = scenario_select(t->sc, &f->f->to, t->o->seed, f->number, chosen);
    f->to = sim_must(calloc(f->tos + 1, sizeof *f->to));
    memcpy(f->to, chosen, f->tos * sizeof *f->to);
    return f->whos > 0 || f->f->type == FAULT_SURGE || f->f->type == FAULT_EPOCH_CHANGE;
}

bool fault_make(struct run *t, char why[static RUN_WHY_BYTES])
{
    t->fault = sim_must(calloc(t->sc->faults + 1, sizeof *t->fault));
    for (size_t i = 0; i < t->sc->faults; i++) {
        struct run_fault *f = &t->fault[i];
        const char *text = NULL;
        *f = (struct run_fault){.run = t, .f = &t->sc->fault[i], .number = i};
        t->doubles |= f->f->type == FAULT_EPOCH_CHANGE;
        if (!choose(f)) text = "it is about nobody";
        if (text == NULL) (void)steward_fault_can(t, f->f, &text);
        if (text == NULL) continue;
        (void)snprintf(why, RUN_WHY_BYTES, "line %u: \"%s\": %s", f->f->line,
                       fault_word(f->f->type), text);
        return false;
    }
    return true;
}

void fault_free(struct run *t)
{
    for (size_t i = 0; t->fault != NULL && i < t->sc->faults; i++) {
        struct run_fault *f = &t->fault[i];
        for (size_t k = 0; f->backup != NULL && k < f->whos; k++)
            rows_free(&f->backup[k]);
        free(f->backup);
        free(f->copies);
        free(f->before);
        rogue_fault_free(f);
        free(f->who);
        free(f->to);
    }
    free(t->fault);
}
