/* Faults that are rogues: attackers on the wire (rogue.h), and people or programs that make an
 * honest machine do what they may not: those only give it commands. */
#include "simulations/rogue.h"
#include "simulations/run_state.h"

#include <stdlib.h>
#include <string.h>

#define LISTENS_BEFORE  (30 * CPIS_MS_MINUTE) /* three signings of every head */
#define FOREIGN_MAX     64U                   /* children that one authority lists wrongly */
#define OFFICER_EVERY   (30 * SIM_US_SECOND)
#define PERMILLE        1000U
#define DETAILS_DROPPED 500U /* permille, where the scenario does not say */

struct run_rogue { /* one of the chosen nodes */
    struct run_fault *f;
    struct scenario_node who;
    struct rogue *rogue; /* on the wire; NULL: it only gives commands */
    uint32_t number_at;  /* probes: of sim_next_number */
    size_t *child;       /* lists-foreign: of the run's children */
    size_t children;
};

static bool is_on_the_wire(const struct run_fault *f)
{
    return f->f->behaviour != ROGUE_LISTS_FOREIGN && f->f->behaviour != ROGUE_PROBES;
}

static unsigned permille_of(const struct run_fault *f)
{
    if (f->f->permille > 0) return (unsigned)f->f->permille;
    return f->f->behaviour == ROGUE_QUERY_REPLAYS ? DETAILS_DROPPED : PERMILLE;
}

static uint64_t rate_of(const struct run_fault *f)
{
    return f->f->per_second > 0 ? f->f->per_second : 1;
}

static unsigned node_of(const struct run_rogue *g) { return run_node(g->f->run, &g->who); }

static void listen_event(void *arg, struct sim *s)
{
    struct run_fault *f = arg;
    struct run *t = f->run;
    if (t->rogues == NULL) t->rogues = rogues_new(s, t->o->seed);
    for (size_t i = 0; i < f->whos; i++) {
        const struct rogue_conf c = {.behaviour = f->f->behaviour,
                                     .node = node_of(&f->rogue[i]),
                                     .permille = permille_of(f),
                                     .per_second = rate_of(f),
                                     .number = f->number};
        if (c.node != NODE_NONE) f->rogue[i].rogue = rogue_listen(t->rogues, &c);
    }
}

void rogue_fault_plan(struct run_fault *f)
{
    const uint64_t at = f->f->at;
    f->rogue = sim_must(calloc(f->whos, sizeof *f->rogue));
    for (size_t i = 0; i < f->whos; i++)
        f->rogue[i] = (struct run_rogue){.f = f, .who = f->who[i]};
    if (is_on_the_wire(f))
        run_at(f->run, at > LISTENS_BEFORE ? (at - LISTENS_BEFORE) * 1000U : 0, listen_event, f);
}

/* --- probes: one number after the other --- */

static void probe_event(void *arg, struct sim *s)
{
    struct run_rogue *g = arg;
    struct run *t = g->f->run;
    struct nhs_number n;
    const unsigned query = node_of(g);
    if (!t->safety || g->f->ended || !sim_next_number(&g->number_at, &n)) return;
    if (run_is_up(t, query)) {
        /* also of nobody's number: a child may get it while the question is still in an outbox */
        watch_asked(t, query, &n);
        (void)sim_lookup(s, query, &n, false);
    }
    run_at(t, run_now(t) + SIM_US_SECOND / rate_of(g->f), probe_event, g);
}

/* --- lists foreign children --- */

static void list_foreign(struct run_rogue *g)
{
    struct run *t = g->f->run;
    struct random_stream dice;
    const size_t most = FOREIGN_MAX * permille_of(g->f) / PERMILLE;
    if (!run_is_up(t, node_of(g)) || t->children == 0) return;
    random_init(&dice, t->o->seed, random_name(g->f->number, "foreign"));
    g->child = sim_must(calloc(FOREIGN_MAX, sizeof *g->child));
    for (size_t tries = 0; tries < 4U * FOREIGN_MAX && g->children < most; tries++) {
        const size_t i = random_below(&dice, t->children);
        struct run_child *c = &t->child[i];
        if (c->gone || c->foreign || c->holder[0] == g->who.index || c->holder[1] == g->who.index)
            continue;
        c->foreign = true;
        g->child[g->children++] = i;
    }
    load_foreign(t, g->who.index, g->child, g->children, true);
}

/* --- what people do when it is over --- */

static void delete_foreign(void *arg, struct sim *s)
{
    struct run_rogue *g = arg;
    struct run *t = g->f->run;
    (void)s;
    if (!run_is_up(t, node_of(g))) { /* it has them until somebody can delete them */
        run_at(t, run_now(t) + OFFICER_EVERY, delete_foreign, g);
        return;
    }
    load_foreign(t, g->who.index, g->child, g->children, false);
    people_look(t, g->who.index);
}

/* The honest node is back, and finds a head of its own that it does not know. */
static void start_again(struct run_rogue *g)
{
    struct run *t = g->f->run;
    fault_start(t, node_of(g));
    load_resend(t, g->who.index);
    people_look(t, g->who.index);
}

/* --- begin, end --- */

void rogue_fault_begin(struct run_fault *f)
{
    struct run *t = f->run;
    for (size_t i = 0; i < f->whos; i++) {
        struct run_rogue *g = &f->rogue[i];
        if (node_of(g) == NODE_NONE) continue;
        if (f->f->behaviour == ROGUE_COPIES_TOKENS) {
            t->authority[g->who.index].rogue = true;
            fault_stop(t, node_of(g));
        }
        if (f->f->behaviour == ROGUE_LISTS_FOREIGN) list_foreign(g);
        if (f->f->behaviour == ROGUE_PROBES) run_at(t, run_now(t), probe_event, g);
        if (g->rogue != NULL) rogue_begin(g->rogue);
    }
}

void rogue_fault_end(struct run_fault *f)
{
    for (size_t i = 0; i < f->whos; i++) {
        struct run_rogue *g = &f->rogue[i];
        if (g->rogue != NULL) rogue_end(g->rogue);
        if (node_of(g) == NODE_NONE) continue;
        if (f->f->behaviour == ROGUE_COPIES_TOKENS) start_again(g);
        if (g->children > 0) run_at(f->run, run_now(f->run), delete_foreign, g);
    }
}

void rogue_fault_free(struct run_fault *f)
{
    for (size_t i = 0; f->rogue != NULL && i < f->whos; i++)
        free(f->rogue[i].child);
    free(f->rogue);
}
