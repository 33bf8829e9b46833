/* What goes wrong on purpose: processes that are killed and come back, and what the WAN does to
 * packets. The rest of a scenario's faults needs an inside that a process doesn't show. */
#include "simulations/emulate_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_on(const struct emu_fault *f) { return f->begun && !f->ended; }

static struct emu_node *who(const struct emu_fault *f, size_t i)
{
    return emu_find(f->run, f->who[i].role, f->who[i].index);
}

static void describe(const struct emu_fault *f, char *ret, size_t cap)
{
    size_t used = 0;
    ret[0] = '\0';
    if (f->whos == f->run->nodes) (void)snprintf(ret, cap, "all nodes");
    for (size_t i = 0; i < f->whos && f->whos < f->run->nodes && used + EMU_NAME_BYTES < cap; i++) {
        const int n = snprintf(ret + used, cap - used, "%s%s", i == 0 ? "" : ", ", who(f, i)->name);
        used += n > 0 ? (size_t)n : 0;
    }
}

static void ended(struct emu_fault *f)
{
    char whom[160];
    f->ended = true;
    describe(f, whom, sizeof whom);
    result_fault(f->run->r, f->f->at * 1000U, emu_now(f->run), fault_word(f->f->type), whom);
}

/* --- killed at random --- */

static void comes_back(struct emulation *t, void *arg) { emu_release(t, arg); }

/* Each second; `permille` is the chance of a second. */
static void crash_some(struct emulation *t, void *arg)
{
    struct emu_fault *f = arg;
    if (!is_on(f)) return;
    for (size_t i = 0; i < f->whos; i++) {
        struct emu_node *n = who(f, i);
        const bool falls = random_chance(&f->dice, (unsigned)f->f->permille);
        const sim_us down = random_below(&f->dice, f->f->down * 1000U);
        if (!falls || !n->up) continue;
        emu_hold(t, n);
        emu_at(t, emu_now(t) + down, comes_back, n);
    }
    emu_at(t, emu_now(t) + SIM_US_SECOND, crash_some, f);
}

/* --- one after the other --- */

static void rolling_next(struct emulation *t, void *arg);

static void rolling_back(struct emulation *t, void *arg)
{
    struct emu_fault *f = arg;
    emu_release(t, who(f, f->step));
    if (++f->step == f->whos)
        ended(f);
    else if (t->safety)
        emu_at(t, emu_now(t) + f->f->gap * 1000U, rolling_next, f);
}

static void rolling_next(struct emulation *t, void *arg)
{
    struct emu_fault *f = arg;
    if (!t->safety || f->step >= f->whos) return;
    emu_hold(t, who(f, f->step));
    emu_at(t, emu_now(t) + f->f->down * 1000U, rolling_back, f);
}

/* --- the sum of all in force --- */

static void set_surge(struct emulation *t)
{
    t->surge = 1;
    for (size_t i = 0; i < t->sc->faults; i++)
        if (t->fault[i].f->type == FAULT_SURGE && is_on(&t->fault[i]))
            t->surge *= t->fault[i].f->times;
}

static bool is_about(const struct emu_fault *f, const struct emu_node *n)
{
    for (size_t i = 0; i < f->whos; i++)
        if (who(f, i) == n) return true;
    return false;
}

static unsigned group_of(const struct emulation *t, const struct emu_node *n)
{
    unsigned group = 0;
    for (size_t i = 0; i < t->sc->faults; i++) {
        const struct emu_fault *f = &t->fault[i];
        if (f->f->type != FAULT_PARTITION || !is_on(f) || !is_about(f, n)) continue;
        group = f->f->side != 0 ? (unsigned)f->f->side
                                : (unsigned)(SCENARIO_FAULTS_MAX + f->number + 1);
    }
    return group;
}

static bool is_cut(const struct emulation *t, const struct emu_node *a, const struct emu_node *b)
{
    for (size_t i = 0; i < t->sc->faults; i++) {
        const struct emu_fault *f = &t->fault[i];
        if (f->f->type != FAULT_CUT || !is_on(f) || !is_about(f, a)) continue;
        for (size_t k = 0; k < f->tos; k++)
            if (emu_find(f->run, f->to[k].role, f->to[k].index) == b) return true;
    }
    return false;
}

/* From a to b: what all faults in force come to. */
static struct wan_trouble trouble_of(const struct emulation *t, const struct emu_node *a,
                                     const struct emu_node *b)
{
    struct wan_trouble ret = {.cut = group_of(t, a) != group_of(t, b) || is_cut(t, a, b)};
    for (size_t i = 0; i < t->sc->faults; i++) {
        const struct emu_fault *f = &t->fault[i];
        if (f->f->type != FAULT_LINK || !is_on(f) || (!is_about(f, a) && !is_about(f, b))) continue;
        if (f->f->loss_permille > ret.loss_permille)
            ret.loss_permille = (unsigned)f->f->loss_permille;
        if (f->f->twice_permille > ret.twice_permille)
            ret.twice_permille = (unsigned)f->f->twice_permille;
        ret.delay_us += f->f->delay * 1000U;
    }
    return ret;
}

static void set_wan(struct emulation *t)
{
    for (size_t a = 0; a < t->nodes; a++)
        for (size_t b = 0; b < t->nodes; b++) {
            const struct wan_trouble trouble = trouble_of(t, &t->node[a], &t->node[b]);
            if (a != b) wan_set(t->wan, t->node[a].wan, t->node[b].wan, &trouble);
        }
}

/* --- begin, end --- */

static bool is_of_network(enum scenario_fault_type type)
{
    return type == FAULT_CUT || type == FAULT_PARTITION || type == FAULT_LINK;
}

static void turn(struct emu_fault *f, bool on)
{
    struct emulation *t = f->run;
    const enum scenario_fault_type type = f->f->type;
    for (size_t i = 0; i < f->whos && type == FAULT_STOP; i++)
        (on ? emu_hold : emu_release)(t, who(f, i));
    if (type == FAULT_CRASH && on) crash_some(t, f);
    if (type == FAULT_ROLLING_RESTART && on) rolling_next(t, f);
    if (type == FAULT_SURGE) set_surge(t);
    if (is_of_network(type)) set_wan(t);
}

static void end_event(struct emulation *t, void *arg)
{
    struct emu_fault *f = arg;
    (void)t;
    if (!is_on(f)) return;
    ended(f);
    turn(f, false);
}

static void begin_event(struct emulation *t, void *arg)
{
    struct emu_fault *f = arg;
    if (!t->safety) return;
    f->begun = true;
    turn(f, true);
    if (f->f->type != FAULT_ROLLING_RESTART && f->f->until != MOMENT_NONE)
        emu_at(t, f->f->until * 1000U, end_event, f);
}

void emu_faults_begin(struct emulation *t)
{
    for (size_t i = 0; i < t->sc->faults; i++)
        emu_at(t, t->fault[i].f->at * 1000U, begin_event, &t->fault[i]);
}

/* Those that are to come back of themselves (after a crash, in their turn) do; the rest now. */
void emu_faults_heal(struct emulation *t)
{
    for (size_t i = 0; i < t->sc->faults; i++)
        if (t->fault[i].f->type != FAULT_ROLLING_RESTART) end_event(t, &t->fault[i]);
}

/* --- made from the scenario --- */

static const char *cannot(const struct emulation *t, const struct emu_fault *f)
{
    const enum scenario_fault_type type = f->f->type;
    if (type == FAULT_SURGE) return NULL;
    if (type != FAULT_STOP && type != FAULT_CRASH && type != FAULT_ROLLING_RESTART &&
        !is_of_network(type))
        return "can't be emulated";
    if (is_of_network(type) && !t->o->netns) return "can't be emulated on loopback: --netns";
    return f->whos == 0 ? "it is about nobody" : NULL;
}

bool emu_faults_make(struct emulation *t)
{
    static struct scenario_node chosen[SCENARIO_NODES_MAX];
    t->fault = sim_must(calloc(t->sc->faults + 1, sizeof *t->fault));
    for (size_t i = 0; i < t->sc->faults; i++) {
        struct emu_fault *f = &t->fault[i];
        *f = (struct emu_fault){.run = t, .f = &t->sc->fault[i], .number = i};
        random_init(&f->dice, t->o->seed ^ i, random_name(0, "fault"));
        f->whos = scenario_select(t->sc, &f->f->who, t->o->seed, i, chosen);
        f->who = sim_must(calloc(f->whos + 1, sizeof *f->who));
        memcpy(f->who, chosen, f->whos * sizeof *f->who);
        f->tos = scenario_select(t->sc, &f->f->to, t->o->seed, i, chosen);
        f->to = sim_must(calloc(f->tos + 1, sizeof *f->to));
        memcpy(f->to, chosen, f->tos * sizeof *f->to);
        const char *text = cannot(t, f);
        if (text == NULL) continue;
        (void)snprintf(t->why, RUN_WHY_BYTES, "line %u: \"%s\": %s", f->f->line,
                       fault_word(f->f->type), text);
        return false;
    }
    return true;
}

void emu_faults_free(struct emulation *t)
{
    for (size_t i = 0; t->fault != NULL && i < t->sc->faults; i++) {
        free(t->fault[i].who);
        free(t->fault[i].to);
    }
    free(t->fault);
}
