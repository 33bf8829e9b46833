#include "simulations/emulate.h"

#include "simulations/emulate_state.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define PROGRESS_US 250000U
#define LOOK_AFTER  (200 * SIM_US_MS)
#define SETTLE_STEP (200 * SIM_US_MS)

/* --- real time --- */

static uint64_t monotonic_us(void)
{
    struct timespec at;
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * 1000000U + (uint64_t)at.tv_nsec / 1000U;
}
static cpis_ms wall_ms(void)
{
    struct timespec at;
    (void)clock_gettime(CLOCK_REALTIME, &at);
    return (cpis_ms)at.tv_sec * 1000U + (cpis_ms)at.tv_nsec / 1000000U;
}
static sim_us since_began(const struct emulation *t) { return monotonic_us() - t->began_us; }

sim_us emu_now(const struct emulation *t) { return since_began(t) - t->zero; }
sim_us emu_due_at(const struct emulation *t)
{
    return kernel_now(t->k) > t->zero ? kernel_now(t->k) - t->zero : 0;
}
bool emu_is_stopped(const struct emulation *t) { return t->o->stop != NULL && *t->o->stop != 0; }

void emu_breach(struct emulation *t, const char *what)
{
    result_breach(t->r, t->founded ? emu_now(t) : 0, what);
    if (!t->founded) (void)snprintf(t->why, RUN_WHY_BYTES, "%s", what);
}

/* --- what is due --- */

struct timer {
    emu_call call;
    void *arg;
};

void emu_at(struct emulation *t, sim_us at, emu_call call, void *arg)
{
    struct timer *timer = sim_must(malloc(sizeof *timer));
    const sim_us when = t->zero + at, now = kernel_now(t->k);
    *timer = (struct timer){call, arg};
    kernel_add(t->k, &(struct kernel_event){.at = when > now ? when : now, .p = timer});
}

static void drop_timer(void *arg, const struct kernel_event *e)
{
    (void)arg;
    free(e->p);
}

static void do_due(struct emulation *t)
{
    struct kernel_event e;
    while (kernel_take(t->k, since_began(t), &e)) {
        const struct timer timer = *(struct timer *)e.p;
        free(e.p);
        timer.call(t, timer.arg);
    }
}

static void tell(struct emulation *t)
{
    const uint64_t now = monotonic_us();
    if (t->o->progress == NULL || !t->founded || now - t->told_us < PROGRESS_US) return;
    t->told_us = now;
    const struct run_progress p = {.virtual_us = emu_now(t),
                                   .of_us = t->sc->lasts * 1000U,
                                   .wall_us = now - t->began_us,
                                   .events = kernel_taken(t->k),
                                   .liveness = t->liveness};
    t->o->progress(t->o->arg, &p, t->r);
}

/* --- what comes --- */

struct reader { /* whose pipe it is: a job's, or a session's */
    struct emu_job *job;
    struct emu_query *query;
    struct emu_session *session;
};
struct readers {
    struct pollfd *fd;
    struct reader *of;
    size_t count, fd_cap, of_cap;
};

static void add_reader(struct readers *r, int fd, struct reader of)
{
    r->fd = sim_grow(r->fd, r->count, &r->fd_cap, sizeof *r->fd);
    r->of = sim_grow(r->of, r->count, &r->of_cap, sizeof *r->of);
    r->fd[r->count] = (struct pollfd){.fd = fd, .events = POLLIN};
    r->of[r->count++] = of;
}

static void list_readers(const struct emulation *t, struct readers *r)
{
    r->count = 0;
    for (struct emu_job *j = t->job; j != NULL; j = j->next)
        add_reader(r, j->p.out, (struct reader){.job = j});
    for (uint64_t i = 0; i < t->sc->topology.queries; i++)
        for (struct emu_session *s = t->query[i].session; s != NULL; s = s->next)
            add_reader(r, s->p.out, (struct reader){.query = &t->query[i], .session = s});
}

/* One pipe a look: what reading one does may close others. */
static void read_next(struct emulation *t, struct readers *r, sim_us until)
{
    const sim_us next = kernel_due(t->k), now = since_began(t);
    sim_us wait = next < t->zero + until ? next : t->zero + until;
    wait = wait > now ? wait - now : 0;
    if (wait > PROGRESS_US) wait = PROGRESS_US;
    list_readers(t, r);
    /* rounded up: a timer is done at most a millisecond late, and never looked for in vain */
    if (poll(r->fd, (nfds_t)r->count, (int)((wait + 999) / 1000)) <= 0) return;
    for (size_t i = 0; i < r->count; i++) {
        if (r->fd[i].revents == 0) continue;
        if (r->of[i].job != NULL)
            emu_job_read(t, r->of[i].job);
        else
            emu_session_read(t, r->of[i].query, r->of[i].session);
        return;
    }
}

bool emu_run_until(struct emulation *t, sim_us until)
{
    struct readers r = {.count = 0};
    while (!emu_is_stopped(t) && emu_now(t) < until) {
        do_due(t);
        read_next(t, &r, until);
        tell(t);
    }
    free(r.fd);
    free(r.of);
    return !emu_is_stopped(t);
}

static void look_after(struct emulation *t, void *arg)
{
    (void)arg;
    emu_look_after(t);
    emu_at(t, emu_now(t) + LOOK_AFTER, look_after, NULL);
}

/* --- phases --- */

static void run_safety(struct emulation *t)
{
    const sim_us end = t->sc->lasts * 1000U;
    t->safety = true;
    emu_ask_begin(t);
    emu_churn_begin(t);
    emu_faults_begin(t);
    look_after(t, NULL);
    while (emu_now(t) < end && result_breaches(t->r) == 0)
        if (!emu_run_until(t, emu_now(t) + LOOK_AFTER < end ? emu_now(t) + LOOK_AFTER : end)) break;
    t->safety = false;
}

static bool converge(struct emulation *t, char ret_missing[static 160])
{
    const sim_us until = emu_now(t) + t->sc->converge_within * 1000U;
    bool settled = false;
    while (!settled && emu_now(t) < until && result_breaches(t->r) == 0) {
        if (!emu_run_until(t, emu_now(t) + SETTLE_STEP)) break;
        settled = emu_is_settled(t, ret_missing);
    }
    return settled;
}

static void finish(struct emulation *t, bool reached, struct result_end *end)
{
    struct rusage use;
    end->virtual_us = emu_now(t);
    end->wall_us = since_began(t);
    end->events = kernel_taken(t->k);
    end->partial = emu_is_stopped(t) || (result_breaches(t->r) > 0 && !reached);
    end->liveness_asked = reached && !emu_is_stopped(t) && result_breaches(t->r) == 0;
    if (getrusage(RUSAGE_CHILDREN, &use) == 0) end->peak_rss_kib = (uint64_t)use.ru_maxrss;
    result_end(t->r, end);
}

static void run_phases(struct emulation *t)
{
    struct result_end end = {.converged = false};
    run_safety(t);
    const bool reached = !emu_is_stopped(t) && result_breaches(t->r) == 0;
    const sim_us healed = emu_now(t);
    if (reached) {
        t->liveness = true;
        emu_faults_heal(t);
        end.converged = converge(t, end.not_converged);
        end.converge_us = emu_now(t) - healed;
        if (end.converged) end.not_converged[0] = '\0';
    }
    emu_collect(t, end.converged);
    finish(t, reached, &end);
}

static void begin_world(struct emulation *t)
{
    emu_snapshot(t);
    /* timers so far were the founding's: none is left but what looks again and finds nothing */
    t->zero = since_began(t);
    t->zero_wall = wall_ms();
    t->founded = true;
    if (t->wan != NULL) wan_begin(t->wan);
}

/* --- made, ended --- */

static bool make(struct emulation *t)
{
    const uint64_t a = t->sc->topology.authorities;
    (void)kernel_add_node(t->k);
    random_init(&t->arrivals, t->o->seed, random_name(0, "arrivals"));
    random_init(&t->churn, t->o->seed, random_name(0, "churn"));
    random_init(&t->chance, t->o->seed, random_name(0, "chance"));
    t->authority = sim_must(calloc(a, sizeof *t->authority));
    t->query = sim_must(calloc(t->sc->topology.queries, sizeof *t->query));
    t->zero_wall = wall_ms();
    t->errors = emu_file(t, "errors", O_RDWR | O_CREAT);
    if (t->errors < 0) (void)snprintf(t->why, RUN_WHY_BYTES, "scratch: %s", strerror(errno));
    return t->errors >= 0;
}

static void emulation_free(struct emulation *t)
{
    while (t->job != NULL) {
        struct emu_job *j = t->job;
        t->job = j->next;
        (void)process_end(&j->p, SIGKILL);
        process_text_free(&j->text);
        free(j);
    }
    emu_ask_free(t);
    emu_stop_all(t);
    wan_free(&t->wan);
    emu_plans_free(t);
    emu_faults_free(t);
    kernel_free(&t->k, drop_timer, NULL);
    if (t->errors >= 0) (void)close(t->errors);
    free(t->node);
    free(t->authority);
    free(t->query);
    free(t->child);
    free(t->practice);
    free(t->due);
    free(t->due_slot);
    free(t);
}

cpis_err emulate_scenario(const struct scenario *sc, const struct emulate_options *o,
                          char why[static RUN_WHY_BYTES], struct run_result **ret)
{
    struct emulation *t = calloc(1, sizeof *t);
    struct run_result *r = result_new(sc, o->seed);
    cpis_err err = CPIS_OK;
    why[0] = '\0';
    if (t == NULL || r == NULL) {
        free(t);
        result_free(&r);
        return CPIS_E_NOMEM;
    }
    result_emulated(r);
    *t = (struct emulation){.sc = sc,
                            .o = o,
                            .r = r,
                            .why = why,
                            .k = kernel_new(),
                            .began_us = monotonic_us(),
                            .errors = -1,
                            .surge = 1};
    if (!emu_faults_make(t)) {
        err = CPIS_E_INVAL;
    } else if (!make(t) || !emu_found(t) || !emu_figures(t)) {
        err = emu_is_stopped(t) ? CPIS_OK : t->no_wan ? CPIS_E_STATE : CPIS_E_IO;
        struct result_end end = {.converged = false};
        t->zero = since_began(t);
        finish(t, false, &end);
    } else {
        begin_world(t);
        run_phases(t);
    }
    if (o->lost != NULL) *o->lost = t->lost;
    emulation_free(t);
    if (err != CPIS_OK) result_free(&r);
    *ret = r;
    return err;
}
