/* What arrives: the children of every authority, plan changes by the hour, lookups by the hour and
 * weekday, batches of practices. All by streams of their own: a fault shifts none of it. */
#include "proto/code.h"
#include "simulations/run_state.h"

#include <stdlib.h>
#include <string.h>

#define CHANGES      256U /* in one command, as an import's commits */
#define SETTLE_FIRST (30 * CPIS_MS_MINUTE)

struct flow { /* events of one kind, at a rate that changes by the hour */
    struct run *run;
    uint64_t (*rate)(const struct run *t); /* thousandths an hour */
    void (*happen)(struct run *t);
    struct random_stream *dice;
};
struct practice { /* traces its list, one lookup after the other */
    struct run *run;
    const struct scenario_batch *b;
    unsigned query;
    uint64_t left;
};
#define FLOWS 5U
struct run_load {
    struct flow flow[FLOWS];
    struct practice *practice;
};

/* --- plans --- */

/* Changes of one authority, sent as they fill a command. */
struct sheaf {
    struct run *run;
    uint32_t authority;
    struct child_change change[CHANGES];
    size_t count, saved;
    bool again; /* saved before: this is no new plan on its way to the nation */
};

static void send_sheaf(struct sheaf *h)
{
    const unsigned node = h->run->authority[h->authority].node;
    if (h->count == 0) return;
    const uint64_t id =
        run_is_up(h->run, node) ? sim_change(h->run->s, node, h->change, h->count) : 0;
    if (id != 0) people_given(h->run, h->authority, id);
    if (id != 0 && h->run->safety) watch_saved(h->run, h->authority, h->saved);
    h->count = h->saved = 0;
}

static void put(struct sheaf *h, const struct child_change *c)
{
    h->change[h->count++] = *c;
    h->saved += c->type == CHANGE_UPSERT && !h->again;
    if (h->count == CHANGES) send_sheaf(h);
}

static struct run_child *new_child(struct run *t, uint32_t holder)
{
    struct run_child made;
    if (!arrival_child(t->sc, &t->number_next, &t->chance, holder, &made)) return NULL;
    t->child = sim_grow(t->child, t->children, &t->children_cap, sizeof *t->child);
    struct run_child *c = &t->child[t->children++];
    *c = made;
    return c;
}

void load_resend(struct run *t, uint32_t index)
{
    struct sheaf h = {.run = t, .authority = index, .again = true};
    t->authority[index].given = t->authority[index].answered = 0;
    for (size_t i = 0; i < t->children; i++)
        for (uint32_t k = 0; k < 2; k++) {
            const struct run_child *c = &t->child[i];
            if (c->gone || c->holder[k] != index) continue;
            const struct child_change change = arrival_plan(c, k);
            put(&h, &change);
        }
    send_sheaf(&h);
}

void load_foreign(struct run *t, uint32_t index, const size_t *child, size_t count, bool listed)
{
    struct sheaf h = {.run = t, .authority = index};
    for (size_t i = 0; i < count; i++) {
        struct child_change change = arrival_plan(&t->child[child[i]], 1);
        if (!listed) change.type = CHANGE_DELETE;
        put(&h, &change);
    }
    send_sheaf(&h);
}

void load_move(struct run *t, uint32_t from, uint32_t to)
{
    struct sheaf h = {.run = t, .authority = to};
    for (size_t i = 0; i < t->children; i++)
        for (uint32_t k = 0; k < 2; k++) {
            struct run_child *c = &t->child[i];
            if (c->gone || c->holder[k] != from) continue;
            c->holder[k] = to;
            const struct child_change change = arrival_plan(c, k);
            put(&h, &change);
        }
    send_sheaf(&h);
}

bool load_population(struct run *t)
{
    const uint64_t n = t->sc->topology.authorities;
    uint32_t *plans = sim_must(calloc(n, sizeof *plans));
    bool room = true;
    scenario_plans(t->sc, plans);
    for (uint32_t a = 0; a < n; a++)
        for (uint32_t i = 0; i < plans[a] && room; i++)
            room = new_child(t, a) != NULL;
    free(plans);
    for (uint32_t a = 0; a < n && room; a++)
        load_resend(t, a);
    return room && sim_settle(t->s, SETTLE_FIRST);
}

/* --- plan changes --- */

static void start_plan(struct run *t)
{
    /* by size: an authority as often as it has children */
    if (t->children == 0) return;
    const uint32_t a = t->child[random_below(&t->churn, t->children)].holder[0];
    if (!run_is_up(t, t->authority[a].node)) return;
    const struct run_child *c = new_child(t, a);
    if (c == NULL) return;
    for (uint32_t k = 0; k < 2; k++) {
        struct sheaf h = {.run = t, .authority = c->holder[k]};
        if (c->holder[k] == INDEX_NONE) continue;
        const struct child_change change = arrival_plan(c, k);
        put(&h, &change);
        send_sheaf(&h);
    }
}

static void end_plan(struct run *t, bool deleted)
{
    if (t->children == 0) return;
    struct run_child *c = &t->child[random_below(&t->churn, t->children)];
    if (c->gone) return;
    for (uint32_t k = 0; k < 2; k++) /* all its authorities hear of it, or it stays */
        if (c->holder[k] != INDEX_NONE && !run_is_up(t, t->authority[c->holder[k]].node)) return;
    c->gone = deleted; /* an ended one stays visible for a year */
    for (uint32_t k = 0; k < 2; k++) {
        struct sheaf h = {.run = t, .authority = c->holder[k]};
        if (c->holder[k] == INDEX_NONE) continue;
        struct child_change change = arrival_plan(c, k);
        change.type = deleted ? CHANGE_DELETE : CHANGE_END;
        change.end = deleted ? 0 : 202701010000U;
        put(&h, &change);
        send_sheaf(&h);
    }
}

/* --- the next of a kind: an exponential wait at the present rate --- */

static void flow_on(struct flow *f);

static void flow_event(void *arg, struct sim *s)
{
    struct flow *f = arg;
    (void)s;
    if (!f->run->safety) return;
    f->happen(f->run);
    flow_on(f);
}

static void flow_look_again(void *arg, struct sim *s)
{
    (void)s;
    if (((struct flow *)arg)->run->safety) flow_on(arg);
}

static void flow_on(struct flow *f)
{
    sim_us wait;
    const bool comes = arrival_next(f->dice, f->rate(f->run), &wait);
    run_at(f->run, run_now(f->run) + wait, comes ? flow_event : flow_look_again, f);
}

/* --- lookups --- */

/* A clinician goes to a node that works; a few tries, as a balancer in front of them would. */
static unsigned choose_query(struct run *t)
{
    for (unsigned tries = 0; tries < 4; tries++) {
        const unsigned q = t->query[random_below(&t->arrivals, t->sc->topology.queries)];
        if (run_is_up(t, q)) return q;
    }
    return NODE_NONE;
}

static void ask_at(struct run *t, unsigned query, bool hit, bool scheduled)
{
    const struct run_child *c =
        hit && t->children > 0 ? &t->child[random_below(&t->arrivals, t->children)] : NULL;
    const struct nhs_number n = c != NULL ? c->number : arrival_nobody(&t->arrivals);
    if (query == NODE_NONE) return;
    if (c != NULL) watch_asked(t, query, &n);
    (void)sim_lookup(t->s, query, &n, scheduled);
}

static void ask_one(struct run *t)
{
    const unsigned query = choose_query(t);
    const bool hit = random_chance(&t->arrivals, (unsigned)t->sc->demand.hit_permille);
    const bool scheduled = random_chance(&t->arrivals, (unsigned)t->sc->demand.scheduled_permille);
    ask_at(t, query, hit, scheduled);
}

static void ask_burst(struct run *t)
{
    const unsigned query = choose_query(t);
    for (uint64_t i = 0; i < t->sc->demand.burst_lookups; i++) {
        const bool hit = random_chance(&t->arrivals, (unsigned)t->sc->demand.hit_permille);
        ask_at(t, query, hit, false);
    }
}

static uint64_t rate_lookups(const struct run *t)
{
    return scenario_lookups_milli(t->sc, run_now(t) / 1000U) * t->surge;
}
static uint64_t rate_bursts(const struct run *t)
{
    return t->sc->demand.bursts_per_day * 1000U / 24;
}
static uint64_t rate_starts(const struct run *t)
{
    return scenario_churn_milli(t->sc, t->sc->churn.starts, run_now(t) / 1000U);
}
static uint64_t rate_ends(const struct run *t)
{
    return scenario_churn_milli(t->sc, t->sc->churn.ends, run_now(t) / 1000U);
}
static uint64_t rate_deletes(const struct run *t)
{
    return scenario_churn_milli(t->sc, t->sc->churn.deletes, run_now(t) / 1000U);
}
static void end_one(struct run *t) { end_plan(t, false); }
static void delete_one(struct run *t) { end_plan(t, true); }

/* --- batches --- */

static void trace_next(void *arg, struct sim *s)
{
    struct practice *p = arg;
    (void)s;
    if (p->left == 0 || !p->run->safety) return;
    p->left--;
    if (run_is_up(p->run, p->query)) {
        const bool hit =
            random_chance(&p->run->arrivals, (unsigned)p->run->sc->demand.hit_permille);
        ask_at(p->run, p->query, hit, true);
    }
    run_at(p->run, run_now(p->run) + SIM_US_SECOND / p->b->per_second, trace_next, p);
}

static void begin_batches(struct run *t)
{
    uint64_t count = 0, at = 0;
    for (size_t i = 0; i < t->sc->batches; i++)
        count += t->sc->batch[i].practices;
    t->load->practice = sim_must(calloc(count + 1, sizeof *t->load->practice));
    for (size_t i = 0; i < t->sc->batches; i++) {
        const struct scenario_batch *b = &t->sc->batch[i];
        for (uint64_t k = 0; k < b->practices; k++) {
            struct practice *p = &t->load->practice[at++];
            const uint64_t q = b->query == INDEX_NONE ? k % t->sc->topology.queries : b->query;
            *p = (struct practice){t, b, t->query[q], b->children};
            /* not all in one microsecond */
            run_at(t, b->at * 1000U + random_below(&t->chance, SIM_US_SECOND), trace_next, p);
        }
    }
}

void load_begin(struct run *t)
{
    t->load = sim_must(calloc(1, sizeof *t->load));
    const struct flow flows[FLOWS] = {{t, rate_lookups, ask_one, &t->arrivals},
                                      {t, rate_bursts, ask_burst, &t->arrivals},
                                      {t, rate_starts, start_plan, &t->churn},
                                      {t, rate_ends, end_one, &t->churn},
                                      {t, rate_deletes, delete_one, &t->churn}};
    memcpy(t->load->flow, flows, sizeof flows);
    for (size_t i = 0; i < FLOWS; i++)
        flow_on(&t->load->flow[i]);
    begin_batches(t);
}

void load_free(struct run *t)
{
    if (t->load != NULL) free(t->load->practice);
    free(t->load);
}
