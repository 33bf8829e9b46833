/* What the stewards do: renew the register, admit, revoke, suspend, replace, retire, give notice,
 * change the key epoch. Each as its people would: look whether the one step has come about, then
 * sign the next. */
#include "node/core/steward.h"
#include "simulations/run_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RENEW_EVERY (10 * 86400 * SIM_US_SECOND)
#define LOOK_EVERY  (30 * SIM_US_SECOND)
#define RETIRE_US   ((sim_us)RETIRE_NOTICE * SIM_US_MS)

bool steward_fault_can(const struct run *t, const struct scenario_fault *f, const char **ret_why)
{
    (void)t;
    switch ((int)f->type) {
    case FAULT_REVOKE:
        if (f->who.role == ROLE_AUTHORITY)
            *ret_why = "an authority is suspended or retired, never revoked: its children would be "
                       "missed";
        break;
    case FAULT_SUSPEND:
    case FAULT_REINSTATE:
    case FAULT_JOIN:
    case FAULT_RETIRE:
    case FAULT_NOTICE:
        if (f->who.role != ROLE_AUTHORITY && f->who.role != 0)
            *ret_why = "it is about authorities only";
        break;
    case FAULT_EPOCH_CHANGE:
        if (f->overlap < EPOCH_OVERLAP)
            *ret_why = "the old epoch has to end at least 48 h after the switch";
        break;
    default: break;
    }
    return *ret_why == NULL;
}

/* --- registers --- */

static bool a_directory_is_up(const struct run *t)
{
    for (uint64_t i = 0; i < t->sc->topology.directories; i++)
        if (run_is_up(t, t->directory[i])) return true;
    return false;
}

/* Signed when somebody is there to take it; false: later. */
static bool sign(struct run *t, sim_draft change, void *arg)
{
    if (!a_directory_is_up(t)) return false;
    sim_new_register(t->s, change, arg);
    return true;
}

static void must(const struct run *t, cpis_err err, const char *why)
{
    if (err == CPIS_OK) return;
    fprintf(stderr, "register: %s\n", why);
    run_breach((struct run *)(uintptr_t)t, "the stewards' own change of the register is refused");
}

static void unchanged(void *arg, struct msg_register *draft, struct arena *a)
{
    (void)arg;
    (void)draft;
    (void)a;
}

static void renew(void *arg, struct sim *s)
{
    struct run *t = arg;
    (void)s;
    const bool done = sign(t, unchanged, NULL);
    run_at(t, run_now(t) + (done ? RENEW_EVERY : LOOK_EVERY), renew, t);
}

void steward_begin(struct run *t) { run_at(t, RENEW_EVERY, renew, t); }

/* --- states --- */

static void set_states(struct run_fault *f, struct msg_register *draft, enum node_state state)
{
    const char *why = "";
    for (size_t i = 0; i < f->whos; i++) {
        const unsigned n = run_node(f->run, &f->who[i]);
        if (n == NODE_NONE) continue;
        must(f->run, steward_set_state(draft, sim_id(f->run->s, n), state, &why), why);
    }
}

static void revoke(void *arg, struct msg_register *draft, struct arena *a)
{
    (void)a;
    set_states(arg, draft, NODE_REVOKED);
}
static void suspend(void *arg, struct msg_register *draft, struct arena *a)
{
    (void)a;
    set_states(arg, draft, NODE_SUSPENDED);
}
static void activate(void *arg, struct msg_register *draft, struct arena *a)
{
    (void)a;
    set_states(arg, draft, NODE_ACTIVE);
}
static void retire(void *arg, struct msg_register *draft, struct arena *a)
{
    (void)a;
    set_states(arg, draft, NODE_RETIRED);
}

/* --- authorities that come --- */

static const struct steward_limits limits = {10000000, 10000000, 65536};

static void admit(void *arg, struct msg_register *draft, struct arena *a)
{
    const struct run_fault *f = arg;
    struct sim *s = f->run->s;
    const char *why = "";
    for (size_t i = 0; i < f->whos; i++) {
        const unsigned n = run_node(f->run, &f->who[i]);
        const struct msg_signed_descriptor d = sim_describe(s, n, NODE_NONE);
        must(f->run,
             steward_add_node(draft, a, registry_net(sim_stewards(s)), &d, &limits, NULL, &why),
             why);
    }
}

static bool all_live(const struct run_fault *f)
{
    for (size_t i = 0; i < f->whos; i++) {
        const unsigned n = run_node(f->run, &f->who[i]);
        if (!run_is_up(f->run, n) || !sim_is_live(f->run->s, n)) return false;
    }
    return true;
}

/* Live nationally: the stewards make it count. */
static void count_when_live(void *arg, struct sim *s)
{
    struct run_fault *f = arg;
    (void)s;
    if (!all_live(f) || !sign(f->run, activate, f))
        run_at(f->run, run_now(f->run) + LOOK_EVERY, count_when_live, f);
}

static void start_loaded(struct run_fault *f)
{
    for (size_t i = 0; i < f->whos; i++) {
        sim_start(f->run->s, run_node(f->run, &f->who[i]));
        load_resend(f->run, f->who[i].index);
    }
}

static void join(struct run_fault *f)
{
    for (size_t i = 0; i < f->whos; i++)
        f->run->authority[f->who[i].index].node = sim_add_node(f->run->s, ROLE_AUTHORITY);
    (void)sign(f->run, admit, f);
    start_loaded(f);
    run_at(f->run, run_now(f->run) + LOOK_EVERY, count_when_live, f);
}

/* --- a new key --- */

static void admit_in_place(void *arg, struct msg_register *draft, struct arena *a)
{
    const struct run_fault *f = arg;
    struct sim *s = f->run->s;
    const char *why = "";
    for (size_t i = 0; i < f->whos; i++) {
        const struct msg_signed_descriptor d =
            sim_describe(s, run_node(f->run, &f->who[i]), f->before[i]);
        must(f->run,
             steward_add_node(draft, a, registry_net(sim_stewards(s)), &d, &limits,
                              sim_id(s, f->before[i]), &why),
             why);
    }
}

static void take_over(void *arg, struct msg_register *draft, struct arena *a)
{
    const struct run_fault *f = arg;
    const char *why = "";
    activate(arg, draft, a);
    for (size_t i = 0; i < f->whos; i++)
        must(f->run, steward_remove_node(draft, sim_id(f->run->s, f->before[i]), &why), why);
}

static void take_over_when_live(void *arg, struct sim *s)
{
    struct run_fault *f = arg;
    if (!all_live(f) || !sign(f->run, take_over, f)) {
        run_at(f->run, run_now(f->run) + LOOK_EVERY, take_over_when_live, f);
        return;
    }
    for (size_t i = 0; i < f->whos; i++)
        if (!sim_is_down(s, f->before[i])) sim_stop(s, f->before[i]);
}

static void reinstate(struct run_fault *f)
{
    f->before = sim_must(calloc(f->whos, sizeof *f->before));
    for (size_t i = 0; i < f->whos; i++) {
        struct run_authority *a = &f->run->authority[f->who[i].index];
        f->before[i] = a->node;
        a->node = sim_add_node(f->run->s, ROLE_AUTHORITY);
        a->notifications = 0;
    }
    (void)sign(f->run, admit_in_place, f);
    start_loaded(f);
    run_at(f->run, run_now(f->run) + LOOK_EVERY, take_over_when_live, f);
}

/* --- retirement --- */

static void announce(void *arg, struct msg_register *draft, struct arena *a)
{
    const struct run_fault *f = arg;
    struct sim *s = f->run->s;
    const char *why = "";
    const struct cpis_id *to = sim_id(s, f->run->authority[f->f->successor].node);
    for (size_t i = 0; i < f->whos; i++)
        must(f->run,
             steward_set_successors(draft, a, sim_id(s, run_node(f->run, &f->who[i])), to, 1, &why),
             why);
}

static void retire_when_moved(void *arg, struct sim *s)
{
    struct run_fault *f = arg;
    const unsigned to = f->run->authority[f->f->successor].node;
    const bool moved = run_is_up(f->run, to) && sim_is_live(s, to);
    if (!moved || !sign(f->run, retire, f))
        run_at(f->run, run_now(f->run) + LOOK_EVERY, retire_when_moved, f);
}

static void begin_retirement(struct run_fault *f)
{
    (void)sign(f->run, announce, f);
    for (size_t i = 0; i < f->whos; i++)
        load_move(f->run, f->who[i].index, (uint32_t)f->f->successor);
    run_at(f->run, run_now(f->run) + RETIRE_US + LOOK_EVERY, retire_when_moved, f);
}

/* --- notice --- */

/* The date of its list, as a directory has it. */
static uint64_t list_time(const struct run *t, const struct cpis_id *authority)
{
    const size_t cap = 4 * t->sc->topology.authorities + 64;
    struct list_summary *held = sim_must(calloc(cap, sizeof *held));
    uint64_t time = 0;
    for (uint64_t d = 0; d < t->sc->topology.directories && time == 0; d++) {
        if (!run_is_up(t, t->directory[d])) continue;
        const size_t n = node_lists(sim_node(t->s, t->directory[d]), held, cap);
        for (size_t i = 0; i < n && i < cap; i++)
            if (id_equal(&held[i].authority, authority) && held[i].time > time) time = held[i].time;
    }
    free(held);
    return time;
}

static void notice(void *arg, struct msg_register *draft, struct arena *a)
{
    const struct run_fault *f = arg;
    struct run *t = f->run;
    const char *why = "";
    const bool over = f->ended || f->f->until == MOMENT_NONE;
    for (size_t i = 0; i < f->whos; i++) {
        const struct cpis_id *id = sim_id(t->s, run_node(t, &f->who[i]));
        const struct msg_register_notice n = {
            .authority_id = *id,
            .list_time = list_time(t, id),
            .until = over ? 0 : SIM_EPOCH_START + t->zero / SIM_US_MS + f->f->until};
        must(t, steward_set_notice(draft, a, &n, &why), why);
    }
}

/* --- the next key epoch --- */

static uint32_t next_epoch(const struct run_fault *f)
{
    const struct registry *r = sim_stewards(f->run->s);
    return registry_epoch_at(r, registry_epoch_count(r) - 1)->number + 1 + (uint32_t)f->step;
}

static void publish_epoch(void *arg, struct sim *s);

static void begin_epoch(void *arg, struct sim *s)
{
    struct run_fault *f = arg;
    (void)sim_begin_ceremony(s, next_epoch(f));
    run_at(f->run, run_now(f->run) + LOOK_EVERY, publish_epoch, f);
}

/* A ceremony that does not come to an end in a few minutes is begun anew with the next number. */
static void publish_epoch(void *arg, struct sim *s)
{
    struct run_fault *f = arg;
    if (a_directory_is_up(f->run) &&
        sim_publish_epoch(s, next_epoch(f), f->f->switch_after, f->f->overlap))
        return;
    if (++f->tries % 10 == 0) {
        f->step++;
        begin_epoch(f, s);
    } else {
        run_at(f->run, run_now(f->run) + LOOK_EVERY, publish_epoch, f);
    }
}

/* --- begin, end --- */

static void again(void *arg, struct sim *s)
{
    (void)s;
    steward_fault_begin(arg);
}

void steward_fault_begin(struct run_fault *f)
{
    struct run *t = f->run;
    if (!a_directory_is_up(t)) {
        run_at(t, run_now(t) + LOOK_EVERY, again, f);
        return;
    }
    switch ((int)f->f->type) {
    case FAULT_REVOKE: (void)sign(t, revoke, f); break;
    case FAULT_SUSPEND: (void)sign(t, suspend, f); break;
    case FAULT_REINSTATE: reinstate(f); break;
    case FAULT_JOIN: join(f); break;
    case FAULT_RETIRE: begin_retirement(f); break;
    case FAULT_NOTICE: (void)sign(t, notice, f); break;
    case FAULT_EPOCH_CHANGE: begin_epoch(f, t->s); break;
    default: break;
    }
}

void steward_fault_end(struct run_fault *f)
{
    if (f->f->type == FAULT_NOTICE) (void)sign(f->run, notice, f);
}
