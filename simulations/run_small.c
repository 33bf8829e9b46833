/* The engine on sim.h: small federations, real crypto, rows in memory, faults as far as sim.h has
 * them. What it can't do it refuses by name. Network delays are drawn evenly between a link's min
 * and p99, work and disks take no time. */
#include "node/core/children.h"
#include "simulations/run.h"
#include "simulations/sim.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define STEP         ((cpis_ms)100) /* between two looks at what happened */
#define CHILDREN_MAX 2000U

struct child {
    struct nhs_number number;
    unsigned authority;  /* index */
    cpis_ms saved;       /* when; CPIS_MS_NEVER: its list has been live since */
    bool gone, at_start; /* ended or deleted: no truth about it any more */
};
struct question {
    size_t lookup;
    unsigned child, query; /* child CHILDREN_MAX: of nobody */
    bool scheduled, listed, told, noted, acknowledged;
};
struct runner {
    const struct scenario *sc;
    const struct run_options *o;
    struct run_result *r;
    struct sim *s;
    cpis_ms zero; /* sim.h's time at the scenario's 0 */
    struct timespec began;
    struct drbg dice;
    struct child child[CHILDREN_MAX];
    struct question asked[SIM_LOOKUPS_MAX];
    struct rows *backup[SCENARIO_FAULTS_MAX];
    bool begun[SCENARIO_FAULTS_MAX], ended[SCENARIO_FAULTS_MAX];
    struct scenario_node chosen[SCENARIO_NODES_MAX];
    size_t children, lookups;
    unsigned numbers; /* used so far */
    cpis_ms looked_at;
};

static cpis_ms now(const struct runner *t) { return sim_now(t->s) - t->zero; }
static bool stopped(const struct runner *t) { return t->o->stop != NULL && *t->o->stop != 0; }

static uint64_t wall_us(const struct runner *t)
{
    struct timespec at;
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)((at.tv_sec - t->began.tv_sec) * 1000000 +
                      (at.tv_nsec - t->began.tv_nsec) / 1000);
}

/* --- can it? --- */

static bool does_fault(const struct scenario_fault *f)
{
    bool all = f->who.role == 0 && f->who.region == REGION_ANY && f->who.count == 0 &&
               f->who.share_permille == 0;
    switch ((int)f->type) {
    case FAULT_STOP:
    case FAULT_CUT:
    case FAULT_PARTITION:
    case FAULT_CLOCK_SKEW:
    case FAULT_SURGE: return f->side == 0;
    case FAULT_CRASH:
    case FAULT_COMMIT_FAILS: return all;
    case FAULT_LINK: return all && f->delay == 0;
    case FAULT_RESTORE: /* after an authority's, an officer would have to confirm */
        return f->at >= f->age && f->who.role == ROLE_DIRECTORY && f->who.index != INDEX_NONE;
    default: return false;
    }
}

static bool can(const struct scenario *sc, char why[static RUN_WHY_BYTES])
{
    const uint64_t nodes =
        sc->topology.authorities + sc->topology.directories + sc->topology.queries;
    if (nodes > SIM_NODES_MAX)
        (void)snprintf(why, RUN_WHY_BYTES, "this engine runs at most %u nodes", SIM_NODES_MAX);
    else if (sc->topology.plans == 0 || sc->topology.plans > CHILDREN_MAX / 2)
        (void)snprintf(why, RUN_WHY_BYTES, "this engine holds at most %u plans at the start",
                       CHILDREN_MAX / 2);
    else if (sc->crypto != SCENARIO_CRYPTO_REAL)
        (void)snprintf(why, RUN_WHY_BYTES, "this engine has real crypto only (--crypto real)");
    else if (sc->storage != SCENARIO_STORAGE_MEMORY)
        (void)snprintf(why, RUN_WHY_BYTES,
                       "this engine has rows in memory only (--storage memory)");
    else if (sc->batches > 0 || sc->demand.bursts_per_day > 0)
        (void)snprintf(why, RUN_WHY_BYTES, "this engine has no batches and no bursts");
    else
        for (size_t i = 0; i < sc->faults && why[0] == '\0'; i++)
            if (!does_fault(&sc->fault[i]))
                (void)snprintf(why, RUN_WHY_BYTES, "line %u: this engine has no such \"%s\"",
                               sc->fault[i].line, fault_word(sc->fault[i].type));
    return why[0] == '\0';
}

static void set_chances(const struct scenario *sc, struct sim_conf *ret)
{
    for (size_t i = 0; i < sc->faults; i++) {
        const struct scenario_fault *f = &sc->fault[i];
        if (f->type == FAULT_CRASH) {
            ret->crash_permille = (unsigned)f->permille;
            ret->down_max = f->down;
        }
        if (f->type == FAULT_COMMIT_FAILS) ret->commit_permille = (unsigned)f->permille;
        if (f->type == FAULT_LINK) {
            ret->loss_permille = (unsigned)f->loss_permille;
            ret->twice_permille = (unsigned)f->twice_permille;
        }
    }
}

/* --- whom --- */

static unsigned node_of(const struct runner *t, const struct scenario_node *n)
{
    if (n->role == ROLE_DIRECTORY) return sim_directory(t->s, n->index);
    return n->role == ROLE_AUTHORITY ? sim_authority(t->s, n->index) : sim_query(t->s, n->index);
}

static unsigned nodes_of(const struct runner *t)
{
    return (unsigned)(t->sc->topology.authorities + t->sc->topology.directories +
                      t->sc->topology.queries);
}

static void choose(struct runner *t, size_t fault, const struct scenario_who *who,
                   bool ret[static SIM_NODES_MAX])
{
    size_t n = scenario_select(t->sc, who, t->o->seed, fault, t->chosen);
    memset(ret, 0, SIM_NODES_MAX * sizeof *ret);
    for (size_t i = 0; i < n; i++)
        ret[node_of(t, &t->chosen[i])] = true;
}

static void describe(struct runner *t, size_t fault, char *ret, size_t cap)
{
    static const char *const roles[] = {"", "authority", "directory", "query"};
    const struct scenario_fault *f = &t->sc->fault[fault];
    size_t n = scenario_select(t->sc, &f->who, t->o->seed, fault, t->chosen), used = 0;
    ret[0] = '\0';
    if (n == nodes_of(t)) (void)snprintf(ret, cap, "all nodes");
    for (size_t i = 0; i < n && n < nodes_of(t) && used < cap - 40; i++)
        used += (size_t)snprintf(ret + used, cap - used, "%s%s %u", i == 0 ? "" : ", ",
                                 roles[t->chosen[i].role], t->chosen[i].index);
}

/* --- faults --- */

static bool in_force(const struct runner *t, size_t i) { return t->begun[i] && !t->ended[i]; }

/* Cuts and clocks are the sum of what is in force. */
static void apply_cuts_and_clocks(struct runner *t)
{
    bool cut[SIM_NODES_MAX][SIM_NODES_MAX] = {{false}}, who[SIM_NODES_MAX], to[SIM_NODES_MAX];
    int64_t skew[SIM_NODES_MAX] = {0};
    bool chances = false;
    for (size_t i = 0; i < t->sc->faults; i++) {
        const struct scenario_fault *f = &t->sc->fault[i];
        if (!in_force(t, i)) continue;
        choose(t, i, &f->who, who);
        choose(t, i, &f->to, to);
        chances |= f->type == FAULT_CRASH || f->type == FAULT_COMMIT_FAILS || f->type == FAULT_LINK;
        for (unsigned a = 0; a < nodes_of(t); a++) {
            if (f->type == FAULT_CLOCK_SKEW && who[a]) skew[a] += f->skew;
            for (unsigned b = 0; b < nodes_of(t); b++)
                cut[a][b] |= (f->type == FAULT_CUT && who[a] && to[b]) ||
                             (f->type == FAULT_PARTITION && who[a] != who[b]);
        }
    }
    for (unsigned a = 0; a < nodes_of(t); a++) {
        sim_skew(t->s, a, skew[a]);
        for (unsigned b = 0; b < nodes_of(t); b++)
            sim_cut(t->s, a, b, cut[a][b]);
    }
    sim_faults(t->s, chances);
}

static void stop_or_start(struct runner *t, size_t i, bool stop)
{
    bool who[SIM_NODES_MAX];
    choose(t, i, &t->sc->fault[i].who, who);
    for (unsigned n = 0; n < nodes_of(t); n++) {
        if (!who[n]) continue;
        if (stop) sim_stop(t->s, n); /* also one that has crashed: it stays down */
        if (stop || !sim_is_down(t->s, n)) continue;
        if (t->backup[i] != NULL) sim_restore(t->s, n, &t->backup[i]);
        sim_start(t->s, n);
    }
}

static cpis_ms end_of(const struct scenario *sc, const struct scenario_fault *f)
{
    if (f->type == FAULT_RESTORE) return f->at + f->down;
    return f->until < sc->lasts ? f->until : sc->lasts;
}

static void turn(struct runner *t, size_t i, bool begin)
{
    const struct scenario_fault *f = &t->sc->fault[i];
    char whom[160];
    (begin ? t->begun : t->ended)[i] = true;
    if (f->type == FAULT_STOP || f->type == FAULT_RESTORE) stop_or_start(t, i, begin);
    apply_cuts_and_clocks(t);
    if (begin) return;
    describe(t, i, whom, sizeof whom);
    result_fault(t->r, f->at * 1000U, now(t) * 1000U, fault_word(f->type), whom);
}

static void do_faults(struct runner *t, bool heal)
{
    for (size_t i = 0; i < t->sc->faults; i++) {
        const struct scenario_fault *f = &t->sc->fault[i];
        if (f->type == FAULT_RESTORE && t->backup[i] == NULL && !t->begun[i] &&
            now(t) >= f->at - f->age) {
            size_t n = scenario_select(t->sc, &f->who, t->o->seed, i, t->chosen);
            if (n > 0) t->backup[i] = rows_copy(sim_rows(t->s, node_of(t, &t->chosen[0])));
        }
        if (!t->begun[i] && now(t) >= f->at && !heal) turn(t, i, true);
        if (in_force(t, i) && (heal || now(t) >= end_of(t->sc, f))) turn(t, i, false);
    }
    for (unsigned n = 0; heal && n < nodes_of(t); n++)
        if (sim_is_down(t->s, n)) sim_start(t->s, n);
}

/* --- plans and lookups --- */

static bool happens(struct runner *t, uint64_t milli_per_hour)
{
    uint64_t per_step = milli_per_hour * STEP; /* of 3.6e9 */
    return drbg_below(&t->dice, 3600000000U) < per_step;
}

static void add_child(struct runner *t, unsigned authority)
{
    unsigned node = sim_authority(t->s, authority);
    if (t->children == CHILDREN_MAX || sim_is_down(t->s, node)) return;
    struct child *c = &t->child[t->children++];
    *c =
        (struct child){.number = sim_number(t->numbers++), .authority = authority, .saved = now(t)};
    sim_add_plan(t->s, node, &c->number, 1, 1);
    if (t->zero == 0)
        c->at_start = true;
    else
        result_plan_saved(t->r);
}

static void end_child(struct runner *t, bool deleted)
{
    struct child *c = &t->child[drbg_below(&t->dice, t->children)];
    unsigned node = sim_authority(t->s, c->authority);
    if (c->gone || sim_is_down(t->s, node)) return;
    c->gone = true;
    sim_end_plan(t->s, node, &c->number, deleted);
}

static void churn(struct runner *t)
{
    const struct scenario_churn *c = &t->sc->churn;
    uint32_t a = (uint32_t)t->sc->topology.authorities;
    if (happens(t, scenario_churn_milli(t->sc, c->starts, now(t))))
        add_child(t, (unsigned)drbg_below(&t->dice, a));
    if (happens(t, scenario_churn_milli(t->sc, c->ends, now(t)))) end_child(t, false);
    if (happens(t, scenario_churn_milli(t->sc, c->deletes, now(t)))) end_child(t, true);
}

static void ask(struct runner *t)
{
    struct question *a = &t->asked[t->lookups];
    unsigned query = (unsigned)drbg_below(&t->dice, t->sc->topology.queries);
    bool hit = drbg_below(&t->dice, 1000) < t->sc->demand.hit_permille;
    unsigned child = (unsigned)drbg_below(&t->dice, t->children);
    bool scheduled = drbg_below(&t->dice, 1000) < t->sc->demand.scheduled_permille;
    if (t->lookups == SIM_LOOKUPS_MAX || sim_is_down(t->s, sim_query(t->s, query))) return;
    struct nhs_number n = hit ? t->child[child].number : sim_number(9000 + t->numbers++ % 1000);
    *a = (struct question){
        .child = hit ? child : CHILDREN_MAX, .query = query, .scheduled = scheduled};
    a->listed = hit && !t->child[child].gone && t->child[child].saved == CPIS_MS_NEVER;
    t->lookups++;
    a->lookup = sim_lookup(t->s, sim_query(t->s, query), &n, scheduled);
}

static void arrivals(struct runner *t)
{
    uint64_t milli = scenario_lookups_milli(t->sc, now(t));
    for (size_t i = 0; i < t->sc->faults; i++)
        if (t->sc->fault[i].type == FAULT_SURGE && in_force(t, i)) milli *= t->sc->fault[i].times;
    for (; milli * STEP > 3600000000U; milli -= 3600000000U / STEP)
        ask(t); /* more than one a step */
    if (happens(t, milli)) ask(t);
}

/* --- what came of it --- */

static void look_at_lookup(struct runner *t, struct question *a)
{
    const struct sim_verdict *v = sim_verdict(t->s, a->lookup);
    bool hit = a->child < CHILDREN_MAX;
    struct node_status st;
    if (!v->given) return;
    bool read = v->verdict.kind == VERDICT_FLAG || v->verdict.kind == VERDICT_DETAILS_TO_FOLLOW;
    uint64_t began = (v->began - t->zero) * 1000U, ended = (v->ended - t->zero) * 1000U;
    if (!a->told) {
        const struct result_lookup l = {.begin_us = began,
                                        .end_us = ended,
                                        .verdict = v->verdict.kind,
                                        .reason = v->verdict.reason,
                                        .scheduled = a->scheduled,
                                        .listed = a->listed};
        result_lookup(t->r, &l);
        if (read && !a->scheduled) result_notification_due(t->r);
        a->told = true;
    }
    if (!read || a->scheduled || !hit || a->acknowledged) return;
    unsigned authority = t->child[a->child].authority;
    if (!a->noted && sim_notifications(t->s, sim_authority(t->s, authority), &v->rid) > 0) {
        a->noted = true;
        result_notification(t->r, authority, now(t) * 1000U, now(t) * 1000U - began);
    }
    const struct node *q = sim_node(t->s, sim_query(t->s, a->query));
    if (!a->noted || q == NULL) return;
    node_status(q, sim_now(t->s), SIM_EPOCH_START + sim_now(t->s), &st);
    if (st.outbox > 0) return;
    a->acknowledged = true; /* an empty outbox: every ack is there */
    result_acknowledged(t->r);
}

static void look_at_lists(struct runner *t)
{
    struct list_summary held[REGISTER_EPOCHS_MAX * SIM_NODES_MAX];
    for (unsigned d = 0; d < t->sc->topology.directories; d++) {
        struct node *n = sim_node(t->s, sim_directory(t->s, d));
        if (n == NULL) continue;
        size_t count = node_lists(n, held, sizeof held / sizeof *held);
        for (size_t i = 0; i < count && i < sizeof held / sizeof *held; i++)
            for (unsigned a = 0; a < t->sc->topology.authorities; a++) {
                struct node *owner = sim_node(t->s, sim_authority(t->s, a));
                uint64_t wall = SIM_EPOCH_START + sim_now(t->s);
                if (owner == NULL || !id_equal(node_id(owner), &held[i].authority)) continue;
                result_freshness(t->r, a, now(t) * 1000U,
                                 wall > held[i].time ? (wall - held[i].time) * 1000U : 0);
            }
    }
}

static void look(struct runner *t)
{
    for (size_t i = 0; i < t->children; i++) {
        struct child *c = &t->child[i];
        if (c->saved == CPIS_MS_NEVER || !sim_is_live(t->s, sim_authority(t->s, c->authority)))
            continue;
        if (!c->at_start) result_propagation(t->r, now(t) * 1000U, (now(t) - c->saved) * 1000U);
        c->saved = CPIS_MS_NEVER;
    }
    for (size_t i = 0; i < t->lookups; i++)
        if (!t->asked[i].acknowledged) look_at_lookup(t, &t->asked[i]);
    if (now(t) - t->looked_at < 10 * CPIS_MS_SECOND) return;
    t->looked_at = now(t);
    look_at_lists(t);
}

static void tell(struct runner *t, bool liveness)
{
    if (t->o->progress == NULL || now(t) % (5 * CPIS_MS_SECOND) != 0) return;
    const struct run_progress p = {.virtual_us = now(t) * 1000U,
                                   .of_us = t->sc->lasts * 1000U,
                                   .wall_us = wall_us(t),
                                   .events = sim_messages(t->s),
                                   .liveness = liveness};
    t->o->progress(t->o->arg, &p, t->r);
}

static bool tap(void *arg, unsigned from, unsigned to, uint8_t *p, size_t len)
{
    struct runner *t = arg;
    struct arena a = arena_make(4U * FRAME_BYTES_MAX);
    struct frame f;
    bool directory = from < t->sc->topology.directories;
    (void)to;
    if (t->zero > 0 && frame_unwrap((struct bytes){p, len}, &a, &f) == CPIS_OK) {
        result_message(t->r, (enum frame_kind)f.kind, len);
        if (directory && f.kind == FRAME_EVALUATE_REPLY)
            result_load(t->r, from, LOAD_EVALUATION, now(t) * 1000U, 1);
        if (directory && f.kind == FRAME_LOOKUP_REPLY)
            result_load(t->r, from, LOAD_LOOKUP, now(t) * 1000U, 1);
    }
    arena_free(&a);
    return true;
}

/* --- the run --- */

static bool start(struct runner *t)
{
    const struct scenario *sc = t->sc;
    const struct distribution *d = &sc->link[sc->pair[PAIR_QUERY_DIRECTORY]].delay;
    struct sim_conf conf = {.seed = t->o->seed,
                            .directories = (unsigned)sc->topology.directories,
                            .threshold = (unsigned)sc->topology.threshold,
                            .authorities = (unsigned)sc->topology.authorities,
                            .queries = (unsigned)sc->topology.queries,
                            .delay_min = d->us[POINT_MIN] / 1000U + 1,
                            .delay_max = d->us[POINT_P99] / 1000U + 1,
                            .down_max = 20 * CPIS_MS_SECOND};
    uint8_t seed[DRBG_SEED_BYTES] = "cpis-sim/arrivals";
    uint32_t plans[SIM_NODES_MAX];
    set_chances(sc, &conf);
    for (size_t i = 0; i < 8; i++)
        seed[24 + i] = (uint8_t)(t->o->seed >> (8 * i));
    drbg_from(seed, &t->dice);
    t->s = sim_new(&conf);
    sim_set_tap(t->s, tap, t);
    scenario_plans(sc, plans);
    for (unsigned a = 0; a < sc->topology.authorities; a++)
        for (uint32_t i = 0; i < plans[a]; i++)
            add_child(t, a);
    bool live = sim_settle(t->s, 10 * CPIS_MS_MINUTE);
    t->zero = sim_now(t->s);
    for (size_t i = 0; i < t->children; i++)
        t->child[i].saved = CPIS_MS_NEVER;
    return live;
}

static void finish(struct runner *t, bool reached, bool converged, cpis_ms healed_at)
{
    struct rusage use;
    struct result_end end = {.virtual_us = now(t) * 1000U,
                             .wall_us = wall_us(t),
                             .events = sim_messages(t->s),
                             .trace = sim_trace(t->s),
                             .partial = stopped(t),
                             .liveness_asked = reached && (converged || !stopped(t)),
                             .converged = converged,
                             .converge_us = (now(t) - healed_at) * 1000U};
    if (getrusage(RUSAGE_SELF, &use) == 0) end.peak_rss_kib = (uint64_t)use.ru_maxrss;
    if (end.liveness_asked && !converged)
        (void)snprintf(end.not_converged, sizeof end.not_converged,
                       "an outbox, a copy or a list was still under way");
    result_end(t->r, &end);
}

cpis_err run_scenario(const struct scenario *sc, const struct run_options *o,
                      char why[static RUN_WHY_BYTES], struct run_result **ret)
{
    why[0] = '\0';
    if (!can(sc, why)) return CPIS_E_INVAL;
    struct runner *t = calloc(1, sizeof *t);
    struct run_result *r = result_new(sc, o->seed);
    if (t == NULL || r == NULL) {
        free(t);
        result_free(&r);
        return CPIS_E_NOMEM;
    }
    *t = (struct runner){.sc = sc, .o = o, .r = r};
    (void)clock_gettime(CLOCK_MONOTONIC, &t->began);
    if (!start(t)) result_breach(r, 0, "the first lists did not become live");
    while (now(t) < sc->lasts && !stopped(t)) {
        do_faults(t, false);
        churn(t);
        arrivals(t);
        sim_run(t->s, STEP);
        look(t);
        tell(t, false);
    }
    bool reached = !stopped(t), converged = false;
    cpis_ms healed_at = now(t);
    do_faults(t, true);
    while (reached && !converged && now(t) - healed_at < sc->converge_within && !stopped(t)) {
        converged = sim_settle(t->s, STEP);
        look(t);
        tell(t, true);
    }
    look(t);
    finish(t, reached, converged, healed_at);
    for (size_t i = 0; i < SCENARIO_FAULTS_MAX; i++)
        rows_free(&t->backup[i]);
    sim_free(&t->s);
    free(t);
    *ret = r;
    return CPIS_OK;
}
