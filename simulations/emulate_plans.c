/* Plans: CSV files that authorities import, as they do from their case systems. A plan is live when
 * a list that was signed after its import is live nationally; asked of the node while one waits. */
#include "proto/code.h"
#include "proto/date.h"
#include "simulations/emulate_state.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define POLL_EVERY (40 * SIM_US_MS)
#define BEGUN_BEFORE                                                                               \
    100                  /* days that each plan has run; of an ended or deleted one: before today  \
                          */
#define ENDS_AFTER   200 /* days; an ended plan stays visible for a year and more */
#define BIRTH_DATE   "2020-02-29"
#define FIRST_WITHIN (600 * SIM_US_SECOND)

/* --- children --- */

static bool new_child(struct emulation *t, uint32_t holder)
{
    struct run_child made;
    if (!arrival_child(t->sc, &t->number_next, &t->chance, holder, &made)) return false;
    t->child = sim_grow(t->child, t->children, &t->children_cap, sizeof *t->child);
    t->child[t->children++] = (struct emu_child){.c = made};
    return true;
}

static void change(struct emulation *t, enum child_change_type type, uint32_t child, uint32_t which)
{
    struct emu_authority *a = &t->authority[t->child[child].c.holder[which]];
    a->change = sim_grow(a->change, a->changes, &a->changes_cap, sizeof *a->change);
    a->change[a->changes++] = (struct emu_change){type, child, which};
}

/* --- files --- */

static void write_row(FILE *f, const struct emulation *t, const struct emu_change *c)
{
    const struct child_change plan = arrival_plan(&t->child[c->child].c, c->which);
    const struct date today = date_from_days((int32_t)(t->zero_wall / CPIS_MS_DAY));
    char start[DATE_BYTES], end[DATE_BYTES], deleted[DATE_BYTES];
    date_format(date_add_days(today, -BEGUN_BEFORE), start);
    date_format(date_add_days(today, ENDS_AFTER), end);
    date_format(date_add_days(today, -1), deleted);
    const bool ends = c->type == CHANGE_END || plan.end != 0;
    (void)fprintf(f, "%s,%s,%s,%s,%s,%s,%s,%s,%s,\n", plan.number.digits, BIRTH_DATE, plan.given,
                  plan.family, plan.local_id, plan_type_name((enum plan_type)plan.plan), start,
                  ends ? end : "", c->type == CHANGE_DELETE ? deleted : "");
}

/* All that waits to be given, in one file. */
static bool write_file(struct emu_authority *a, char ret_path[static 48])
{
    struct emulation *t = a->run;
    (void)snprintf(ret_path, 48, "%.15s-%u.csv", a->node->name, a->files++);
    const int fd = emu_file(t, ret_path, O_WRONLY | O_CREAT | O_TRUNC);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
    if (f == NULL) return false;
    (void)fputs("nhs_number,birth_date,given,family,local_id,plan,start,end,deleted,visibility\n",
                f);
    for (size_t i = 0; i < a->changes; i++)
        write_row(f, t, &a->change[i]);
    a->given = a->changes;
    return fclose(f) == 0;
}

/* --- one authority's way: ask for its list's version, import, wait until a later one is live ---
 */

static void look_again(struct emulation *t, void *arg) { emu_plans_go(t, arg); }

static void saved(struct emu_authority *a)
{
    struct emulation *t = a->run;
    for (size_t i = 0; i < a->given; i++) {
        if (a->change[i].type != CHANGE_UPSERT) continue;
        a->waiting = sim_grow(a->waiting, a->waits, &a->waits_cap, sizeof *a->waiting);
        a->waiting[a->waits].child = a->change[i].child;
        a->waiting[a->waits++].saved = a->import_began;
        if (t->founded) result_plan_saved(t->r);
    }
    a->changes -= a->given;
    memmove(a->change, a->change + a->given, a->changes * sizeof *a->change);
    a->given = 0;
}

static void imported(struct emulation *t, void *arg, int code, const char *out)
{
    struct emu_authority *a = arg;
    (void)out;
    a->state = PLANS_IDLE;
    if (code == 0)
        saved(a);
    else if (a->node->up)
        emu_breach(t, "an authority refused an import");
    a->given = 0;
    emu_at(t, emu_now(t) + POLL_EVERY, look_again, a);
}

static void import(struct emulation *t, struct emu_authority *a)
{
    char path[48];
    const char *const args[] = {"flags", "import", a->node->name, path, "--json", NULL};
    if (!write_file(a, path)) {
        emu_breach(t, "a CSV file could not be written");
        return;
    }
    a->state = PLANS_IMPORTING;
    a->version_before = a->version;
    a->import_began = emu_now(t);
    emu_job(t, args, imported, a);
}

static bool is_live(struct emu_authority *a, const json_t *status)
{
    const json_t *all = json_object_get(json_object_get(status, "authority"), "published"), *p;
    bool live = json_array_size(all) > 0;
    size_t i;
    a->version = 0;
    json_array_foreach(all, i, p)
    {
        const uint64_t version = (uint64_t)json_integer_value(json_object_get(p, "version"));
        if (version > a->version) a->version = version;
        live = live && json_is_true(json_object_get(p, "live")) &&
               json_integer_value(json_object_get(p, "waiting")) == 0;
    }
    return live && a->version > a->version_before;
}

static void all_live(struct emu_authority *a)
{
    struct emulation *t = a->run;
    for (size_t i = 0; i < a->waits; i++) {
        t->child[a->waiting[i].child].live = true;
        if (t->founded) result_propagation(t->r, emu_now(t), emu_now(t) - a->waiting[i].saved);
    }
    a->waits = 0;
}

static void told(struct emulation *t, void *arg, int code, const char *out)
{
    struct emu_authority *a = arg;
    json_t *status = code == 0 ? json_loads(out, 0, NULL) : NULL;
    a->state = PLANS_IDLE;
    if (status != NULL && is_live(a, status) && a->waits > 0) all_live(a);
    if (status != NULL && a->changes > 0)
        import(t, a);
    else if (a->waits > 0 || a->changes > 0)
        emu_at(t, emu_now(t) + POLL_EVERY, look_again, a);
    json_decref(status);
}

void emu_plans_go(struct emulation *t, struct emu_authority *a)
{
    const char *const args[] = {"status", a->node->name, "--json", NULL};
    if (a->state != PLANS_IDLE || !a->node->up || (a->changes == 0 && a->waits == 0)) return;
    a->state = PLANS_ASKING;
    emu_job(t, args, told, a);
}

size_t emu_plans_wait(const struct emulation *t)
{
    size_t n = 0;
    for (uint64_t i = 0; i < t->sc->topology.authorities; i++)
        n += t->authority[i].changes + t->authority[i].waits;
    return n;
}

/* --- the first lists --- */

bool emu_population(struct emulation *t)
{
    const uint64_t n = t->sc->topology.authorities;
    uint32_t *plans = sim_must(calloc(n, sizeof *plans));
    bool room = true;
    scenario_plans(t->sc, plans);
    for (uint32_t a = 0; a < n; a++)
        for (uint32_t i = 0; i < plans[a] && room; i++)
            room = new_child(t, a);
    free(plans);
    for (uint32_t i = 0; i < t->children; i++)
        for (uint32_t k = 0; k < 2; k++)
            if (t->child[i].c.holder[k] != INDEX_NONE) change(t, CHANGE_UPSERT, i, k);
    for (uint64_t i = 0; i < n; i++)
        emu_plans_go(t, &t->authority[i]);
    const sim_us until = emu_now(t) + FIRST_WITHIN;
    while (emu_plans_wait(t) > 0 && emu_now(t) < until && result_breaches(t->r) == 0)
        if (!emu_run_until(t, emu_now(t) + POLL_EVERY)) return false;
    if (!room) (void)snprintf(t->why, RUN_WHY_BYTES, "more plans than the 999 range has numbers");
    if (emu_plans_wait(t) > 0)
        (void)snprintf(t->why, RUN_WHY_BYTES, "the first lists did not become live");
    return room && emu_plans_wait(t) == 0;
}

/* --- changes: run_load.c draws the same, in the same order --- */

static bool both_up(const struct emulation *t, const struct run_child *c)
{
    for (uint32_t k = 0; k < 2; k++)
        if (c->holder[k] != INDEX_NONE && !t->authority[c->holder[k]].node->up) return false;
    return true;
}

static void change_all(struct emulation *t, enum child_change_type type, uint32_t child)
{
    const struct run_child *c = &t->child[child].c;
    for (uint32_t k = 0; k < 2; k++) {
        if (c->holder[k] == INDEX_NONE) continue;
        change(t, type, child, k);
        emu_plans_go(t, &t->authority[c->holder[k]]);
    }
}

static void start_plan(struct emulation *t)
{
    if (t->children == 0) return;
    const uint32_t a = t->child[random_below(&t->churn, t->children)].c.holder[0];
    if (!t->authority[a].node->up || !new_child(t, a)) return;
    change_all(t, CHANGE_UPSERT, (uint32_t)(t->children - 1));
}

static void end_plan(struct emulation *t, enum child_change_type type)
{
    if (t->children == 0) return;
    const uint32_t i = (uint32_t)random_below(&t->churn, t->children);
    struct run_child *c = &t->child[i].c;
    if (c->gone || !both_up(t, c)) return;
    c->gone = type == CHANGE_DELETE; /* an ended one stays visible for a year */
    change_all(t, type, i);
}

static uint64_t a_day(const struct emulation *t, enum child_change_type type)
{
    const struct scenario_churn *c = &t->sc->churn;
    if (type == CHANGE_UPSERT) return c->starts;
    return type == CHANGE_END ? c->ends : c->deletes;
}

static void next(struct emulation *t, enum child_change_type type);

static void comes(struct emulation *t, enum child_change_type type)
{
    if (!t->safety) return;
    if (type == CHANGE_UPSERT)
        start_plan(t);
    else
        end_plan(t, type);
    next(t, type);
}
static void start_comes(struct emulation *t, void *again)
{
    if (again == NULL)
        comes(t, CHANGE_UPSERT);
    else if (t->safety)
        next(t, CHANGE_UPSERT);
}
static void end_comes(struct emulation *t, void *again)
{
    if (again == NULL)
        comes(t, CHANGE_END);
    else if (t->safety)
        next(t, CHANGE_END);
}
static void delete_comes(struct emulation *t, void *again)
{
    if (again == NULL)
        comes(t, CHANGE_DELETE);
    else if (t->safety)
        next(t, CHANGE_DELETE);
}

static void next(struct emulation *t, enum child_change_type type)
{
    const emu_call calls[] = {
        [CHANGE_UPSERT] = start_comes, [CHANGE_END] = end_comes, [CHANGE_DELETE] = delete_comes};
    sim_us wait;
    const uint64_t rate = scenario_churn_milli(t->sc, a_day(t, type), emu_now(t) / 1000U);
    const bool one_comes = arrival_next(&t->churn, rate, &wait);
    emu_at(t, emu_due_at(t) + wait, calls[type], one_comes ? NULL : t);
}

void emu_churn_begin(struct emulation *t)
{
    next(t, CHANGE_UPSERT);
    next(t, CHANGE_END);
    next(t, CHANGE_DELETE);
}

void emu_plans_free(struct emulation *t)
{
    for (uint64_t i = 0; t->authority != NULL && i < t->sc->topology.authorities; i++) {
        free(t->authority[i].change);
        free(t->authority[i].waiting);
    }
}
