/* What an authority's people do after it came back from an old copy, or listed what it should not:
 * its case system sends everything again until all of it is taken, and only then an officer
 * confirms, and looks again until there is nothing left to confirm. */
#include "simulations/run_state.h"

#define FIRST_LOOK (2 * 60 * SIM_US_SECOND)
#define LOOK_EVERY (30 * SIM_US_SECOND)

/* True: there was something to confirm, and it may have been lost with the node. */
static bool confirm(struct run *t, unsigned node)
{
    const struct command restored = {.type = COMMAND_CONFIRM_RESTORE};
    const struct command shrinks = {.type = COMMAND_CONFIRM_SHRINK};
    struct publisher_status p;
    if (node_published(sim_node(t->s, node), &p, 1) == 0) return false;
    if (p.unsure) (void)sim_command(t->s, node, &restored);
    if (p.shrink_held) (void)sim_command(t->s, node, &shrinks);
    return p.unsure || p.shrink_held;
}

static void look(void *arg, struct sim *s)
{
    struct run_authority *a = arg;
    struct run *t = a->run;
    (void)s;
    bool done = false;
    if (run_is_up(t, a->node)) {
        const bool taken = a->answered == a->given;
        if (!taken) load_resend(t, a->index);
        done = taken && !confirm(t, a->node);
    }
    if (done)
        a->looked_after = false;
    else
        run_at(t, run_now(t) + LOOK_EVERY, look, a);
}

void people_look(struct run *t, uint32_t index)
{
    struct run_authority *a = &t->authority[index];
    if (a->looked_after) return;
    a->looked_after = true;
    run_at(t, run_now(t) + FIRST_LOOK, look, a);
}

void people_given(struct run *t, uint32_t index, uint64_t command)
{
    struct run_authority *a = &t->authority[index];
    if (a->given++ == 0) a->first = command;
}

void people_answered(struct run *t, unsigned node, uint64_t command)
{
    const uint32_t index = run_authority_of(t, node);
    if (index == INDEX_NONE) return;
    struct run_authority *a = &t->authority[index];
    a->answered += a->given > 0 && command >= a->first;
}
