/* Lookups: clinicians' programs beside each query node, each a `cpis lookup --stream` that is
 * written a number and read a verdict, so many as are needed at once. Measured is from the number
 * written to the object read. */
#include "simulations/emulate_state.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SPARE 1U /* idle ones of each kind, kept ready */

/* --- sessions --- */

static struct emu_query *query_of(struct emulation *t, const struct emu_node *n)
{
    return &t->query[n->index];
}

static size_t count(const struct emu_query *q, bool scheduled, bool idle)
{
    size_t n = 0;
    for (const struct emu_session *s = q->session; s != NULL; s = s->next)
        n += s->scheduled == scheduled && (!idle || s->lookup == NULL);
    return n;
}

static struct emu_session *open_session(struct emulation *t, struct emu_query *q, bool scheduled)
{
    const char *const argv[] = {"cpis",
                                "lookup",
                                q->node->name,
                                "-",
                                "--stream",
                                "--json",
                                "--user",
                                "Test NURSE",
                                "--role-code",
                                "R0110",
                                "--role",
                                "Emergency nurse",
                                "--setting",
                                "emergency department",
                                scheduled ? "--scheduled" : NULL,
                                NULL};
    const struct process_conf c = {.path = t->o->cpis,
                                   .argv = argv,
                                   .cwd = t->o->scratch,
                                   .net = -1,
                                   .error = t->errors,
                                   .in = PROCESS_PIPE,
                                   .out = PROCESS_PIPE};
    struct emu_session *s = sim_must(calloc(1, sizeof *s));
    *s = (struct emu_session){.p = PROCESS_NONE, .scheduled = scheduled, .next = q->session};
    if (process_start(&c, &s->p) != CPIS_OK) {
        free(s);
        return NULL;
    }
    q->session = s;
    return s;
}

static void keep_spare(struct emulation *t, struct emu_query *q, bool scheduled)
{
    if (count(q, scheduled, true) < SPARE && count(q, scheduled, false) < EMU_SESSIONS_MAX)
        (void)open_session(t, q, scheduled);
}

static void give_up(struct emulation *t, struct emu_lookup *l)
{
    t->lost++;
    free(l);
}

static void close_session(struct emulation *t, struct emu_query *q, struct emu_session *s)
{
    struct emu_session **at = &q->session;
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    (void)process_end(&s->p, SIGKILL);
    process_text_free(&s->text);
    if (s->lookup != NULL) give_up(t, s->lookup);
    free(s);
}

void emu_ask_down(struct emulation *t, const struct emu_node *n)
{
    struct emu_query *q = query_of(t, n);
    while (q->session != NULL)
        close_session(t, q, q->session);
    while (q->queue != NULL) {
        struct emu_lookup *l = q->queue;
        q->queue = l->next;
        give_up(t, l);
    }
}

void emu_ask_ready(struct emulation *t, struct emu_query *q)
{
    const bool silent = t->sc->demand.scheduled_permille > 0 || t->sc->batches > 0;
    keep_spare(t, q, false);
    if (silent) keep_spare(t, q, true);
}

static bool write_number(const struct emu_session *s, const struct nhs_number *n)
{
    char line[NHS_NUMBER_DIGITS + 2];
    (void)snprintf(line, sizeof line, "%s\n", n->digits);
    ssize_t got;
    do
        got = write(s->p.in, line, sizeof line - 1);
    while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof line - 1; /* SIGPIPE is ignored: main.c */
}

/* false: no session is free; *l is taken otherwise. */
static bool begin(struct emulation *t, struct emu_query *q, struct emu_lookup *l)
{
    struct emu_session *s = q->session;
    while (s != NULL && (s->lookup != NULL || s->scheduled != l->scheduled))
        s = s->next;
    if (s == NULL && count(q, l->scheduled, false) < EMU_SESSIONS_MAX)
        s = open_session(t, q, l->scheduled);
    if (s == NULL) return false;
    s->lookup = l;
    if (!write_number(s, &l->number)) close_session(t, q, s);
    keep_spare(t, q, l->scheduled);
    return true;
}

void emu_ask(struct emulation *t, struct emu_query *q, const struct emu_lookup *asked)
{
    struct emu_lookup *l = sim_must(malloc(sizeof *l)), **last = &q->queue;
    *l = *asked;
    l->next = NULL;
    t->asked++;
    if (begin(t, q, l)) return;
    while (*last != NULL)
        last = &(*last)->next;
    *last = l;
}

/* --- verdicts --- */

static enum verdict_kind kind_of(const char *word)
{
    for (unsigned k = VERDICT_FLAG; word != NULL && k <= VERDICT_UNKNOWN; k++)
        if (strcmp(word, verdict_name((enum verdict_kind)k)) == 0) return (enum verdict_kind)k;
    return (enum verdict_kind)0;
}

static enum verdict_reason reason_of(const char *text)
{
    for (unsigned i = 0; text != NULL && i < REASON_COUNT; i++)
        if (strcmp(text, verdict_reason_text((enum verdict_reason)i)) == 0)
            return (enum verdict_reason)i;
    return REASON_NONE;
}

static void verdict(struct emulation *t, struct emu_lookup *l, const json_t *o)
{
    const enum verdict_kind kind = kind_of(json_string_value(json_object_get(o, "verdict")));
    const struct result_lookup told = {
        .begin_us = l->begin,
        .end_us = emu_now(t),
        .verdict = kind,
        .reason = reason_of(json_string_value(json_object_get(o, "reason"))),
        .scheduled = l->scheduled,
        .batch = l->batch,
        .listed = l->listed};
    if (kind == 0) {
        emu_breach(t, "a lookup ended with something that is no verdict");
        return;
    }
    result_lookup(t->r, &told);
    if (kind == VERDICT_NO_FLAG && l->must_not_deny && !t->child[l->child].c.gone)
        emu_breach(t, "NO FLAG for a child whose plan was live nationally");
    if (!l->scheduled) emu_due(t, l, o);
}

/* One line: the answer to what the session asked. */
static void answer(struct emulation *t, struct emu_query *q, struct emu_session *s,
                   const char *line, size_t len)
{
    struct emu_lookup *l = s->lookup;
    json_t *o = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
    s->lookup = NULL;
    if (l != NULL) verdict(t, l, o);
    free(l);
    json_decref(o);
    struct emu_lookup **at = &q->queue;
    while (*at != NULL && (*at)->scheduled != s->scheduled)
        at = &(*at)->next;
    if (*at == NULL) return;
    struct emu_lookup *next = *at;
    *at = next->next;
    (void)begin(t, q, next); /* this one is free */
}

void emu_session_read(struct emulation *t, struct emu_query *q, struct emu_session *s)
{
    const bool open = process_read(&s->p, &s->text);
    char *end = s->text.len == 0 ? NULL : memchr(s->text.p, '\n', s->text.len);
    if (end != NULL) {
        /* taken out before it is answered: the next question may be given this session */
        const size_t len = (size_t)(end - s->text.p);
        char *line = sim_must(malloc(len + 1));
        memcpy(line, s->text.p, len + 1);
        s->text.len -= len + 1;
        memmove(s->text.p, end + 1, s->text.len);
        answer(t, q, s, line, len);
        free(line);
        return;
    }
    if (!open) close_session(t, q, s);
}

size_t emu_ask_waits(const struct emulation *t)
{
    size_t n = 0;
    for (uint64_t i = 0; i < t->sc->topology.queries; i++) {
        for (const struct emu_session *s = t->query[i].session; s != NULL; s = s->next)
            n += s->lookup != NULL;
        for (const struct emu_lookup *l = t->query[i].queue; l != NULL; l = l->next)
            n++;
    }
    return n;
}

void emu_ask_free(struct emulation *t)
{
    for (uint64_t i = 0; t->query != NULL && i < t->sc->topology.queries; i++)
        if (t->query[i].node != NULL) emu_ask_down(t, t->query[i].node);
}

/* --- arrivals: run_load.c draws the same, in the same order --- */

static struct emu_query *choose_query(struct emulation *t)
{
    for (unsigned tries = 0; tries < 4; tries++) {
        struct emu_query *q = &t->query[random_below(&t->arrivals, t->sc->topology.queries)];
        if (q->node->up) return q;
    }
    return NULL;
}

static void ask_at(struct emulation *t, struct emu_query *q, bool hit, struct emu_lookup l)
{
    l.child =
        hit && t->children > 0 ? (uint32_t)random_below(&t->arrivals, t->children) : INDEX_NONE;
    l.number = l.child != INDEX_NONE ? t->child[l.child].c.number : arrival_nobody(&t->arrivals);
    if (q == NULL) return;
    l.listed = l.child != INDEX_NONE && !t->child[l.child].c.gone;
    l.must_not_deny = l.listed && t->child[l.child].live;
    l.begin = emu_now(t);
    emu_ask(t, q, &l);
}

static bool draw_hit(struct emulation *t)
{
    return random_chance(&t->arrivals, (unsigned)t->sc->demand.hit_permille);
}

static void ask_one(struct emulation *t)
{
    struct emu_query *q = choose_query(t);
    const bool hit = draw_hit(t);
    const bool scheduled = random_chance(&t->arrivals, (unsigned)t->sc->demand.scheduled_permille);
    ask_at(t, q, hit, (struct emu_lookup){.scheduled = scheduled});
}

static void next_lookup(struct emulation *t);

static void lookup_comes(struct emulation *t, void *arg)
{
    (void)arg;
    if (!t->safety) return;
    ask_one(t);
    next_lookup(t);
}
static void lookup_looks_again(struct emulation *t, void *arg)
{
    (void)arg;
    if (t->safety) next_lookup(t);
}

static void next_lookup(struct emulation *t)
{
    sim_us wait;
    const uint64_t rate = (t->o->rate > 0 ? t->o->rate * 3600000U
                                          : scenario_lookups_milli(t->sc, emu_now(t) / 1000U)) *
                          t->surge;
    const bool comes = arrival_next(&t->arrivals, rate, &wait);
    emu_at(t, emu_due_at(t) + wait, comes ? lookup_comes : lookup_looks_again, NULL);
}

static void next_burst(struct emulation *t);
static void burst_comes(struct emulation *t, void *arg)
{
    (void)arg;
    if (!t->safety) return;
    struct emu_query *q = choose_query(t);
    for (uint64_t i = 0; i < t->sc->demand.burst_lookups; i++)
        ask_at(t, q, draw_hit(t), (struct emu_lookup){.scheduled = false});
    next_burst(t);
}
static void burst_looks_again(struct emulation *t, void *arg)
{
    (void)arg;
    if (t->safety) next_burst(t);
}
static void next_burst(struct emulation *t)
{
    sim_us wait;
    const bool comes = arrival_next(&t->arrivals, t->sc->demand.bursts_per_day * 1000U / 24, &wait);
    emu_at(t, emu_due_at(t) + wait, comes ? burst_comes : burst_looks_again, NULL);
}

/* --- practices that trace their lists --- */

static void trace_next(struct emulation *t, void *arg)
{
    struct emu_practice *p = arg;
    struct emu_query *q = &t->query[p->query];
    if (p->left == 0 || !t->safety) return;
    p->left--;
    if (q->node->up) ask_at(t, q, draw_hit(t), (struct emu_lookup){.scheduled = true});
    emu_at(t, emu_due_at(t) + SIM_US_SECOND / p->b->per_second, trace_next, p);
}

static void begin_batches(struct emulation *t)
{
    uint64_t practices = 0, at = 0;
    for (size_t i = 0; i < t->sc->batches; i++)
        practices += t->sc->batch[i].practices;
    t->practice = sim_must(calloc(practices + 1, sizeof *t->practice));
    for (size_t i = 0; i < t->sc->batches; i++) {
        const struct scenario_batch *b = &t->sc->batch[i];
        for (uint64_t k = 0; k < b->practices; k++) {
            struct emu_practice *p = &t->practice[at++];
            const uint64_t q = b->query == INDEX_NONE ? k % t->sc->topology.queries : b->query;
            *p = (struct emu_practice){t, b, q, b->children};
            emu_at(t, b->at * 1000U + random_below(&t->chance, SIM_US_SECOND), trace_next, p);
        }
    }
}

void emu_ask_begin(struct emulation *t)
{
    for (uint64_t i = 0; i < t->sc->topology.queries; i++)
        emu_ask_ready(t, &t->query[i]);
    next_lookup(t);
    next_burst(t);
    begin_batches(t);
}
