#include "simulations/sim.h"

#include "node/core/steward.h"
#include "simulations/found.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(s, c)                                                                                \
    ((c) ? (void)0 : sim_breach((s), __FILE__, __LINE__, #c)) /* stays on in every build */

static void dump(const struct sim *s, unsigned n)
{
    const struct sim_node *m = &s->node[n];
    struct publisher_status p[REGISTER_EPOCHS_MAX];
    struct node_status st;
    fprintf(stderr, "  node %u role %d%s:", n, (int)m->role, m->node == NULL ? " down" : "");
    if (m->node != NULL) {
        node_status(m->node, s->now, SIM_EPOCH_START + s->now + (uint64_t)m->skew, &st);
        fprintf(stderr, " listed %d register %" PRIu64 " trust %d copies %zu outbox %zu ready %d",
                st.listed, st.register_version, (int)st.trust, st.copies_waiting, st.outbox,
                st.lists_ready);
        size_t count = node_published(m->node, p, REGISTER_EPOCHS_MAX);
        for (size_t i = 0; i < count; i++)
            fprintf(stderr,
                    " epoch %u started %d waiting %zu version %" PRIu64 " live %" PRIu64
                    " receipts %u of %u",
                    p[i].epoch, p[i].started, p[i].waiting, p[i].version, p[i].version_live,
                    p[i].receipts, p[i].receipts_live);
    }
    for (unsigned e = 0; e < EVENT_COUNT; e++)
        if (m->event_count[e] > 0)
            fprintf(stderr, " %s=%" PRIu64, event_name((enum event)e), m->event_count[e]);
    fputc('\n', stderr);
}

void sim_breach(const struct sim *s, const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: %s: seed %" PRIu64 ", virtual time %" PRIu64 " ms\n", file, line, what,
            s->conf.seed, s->now);
    for (unsigned n = 0; n < s->nodes; n++)
        dump(s, n);
    abort();
}

/* --- events: one heap, by time, then by the order they were made --- */

static bool before(const struct event_item *a, const struct event_item *b)
{
    return a->at < b->at || (a->at == b->at && a->order < b->order);
}

static void swap(struct event_item *a, struct event_item *b)
{
    struct event_item t = *a;
    *a = *b;
    *b = t;
}

static void schedule(struct sim *s, const struct event_item *what, cpis_ms at)
{
    if (s->events == s->events_cap) {
        s->events_cap = s->events_cap == 0 ? 1024 : 2 * s->events_cap;
        s->event = realloc(s->event, s->events_cap * sizeof *s->event);
        CHECK(s, s->event != NULL);
    }
    size_t i = s->events++;
    s->event[i] = *what;
    s->event[i].at = at;
    s->event[i].order = s->order++;
    while (i > 0 && before(&s->event[i], &s->event[(i - 1) / 2])) {
        swap(&s->event[i], &s->event[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
}

static struct event_item take_first(struct sim *s)
{
    struct event_item first = s->event[0];
    s->event[0] = s->event[--s->events];
    for (size_t i = 0;;) {
        size_t l = 2 * i + 1, r = l + 1, least = i;
        if (l < s->events && before(&s->event[l], &s->event[least])) least = l;
        if (r < s->events && before(&s->event[r], &s->event[least])) least = r;
        if (least == i) return first;
        swap(&s->event[i], &s->event[least]);
        i = least;
    }
}

/* The trace is a hash over what happened, in order: equal runs give equal traces. */
static void trace(struct sim *s, unsigned node, uint64_t what)
{
    struct hash h;
    hash_init(&h, s->trace.b, sizeof s->trace.b, sizeof s->trace.b);
    hash_u64(&h, s->now);
    hash_u64(&h, node);
    hash_u64(&h, what);
    hash_final(&h, s->trace.b, sizeof s->trace.b);
}

/* --- the network --- */

static bool chance(struct drbg *d,
                   unsigned permille) /* drawn even when it can't be: stable streams */
{
    return drbg_below(d, 1000) < permille;
}

static void send_copy(struct sim *s, unsigned from, unsigned to, const uint8_t *p, size_t len)
{
    const struct sim_conf *c = &s->conf;
    cpis_ms delay = c->delay_min + drbg_below(&s->net, c->delay_max - c->delay_min + 1);
    uint8_t *copy = malloc(len);
    CHECK(s, copy != NULL);
    memcpy(copy, p, len);
    if (s->tap != NULL && !s->tap(s->tap_arg, from, to, copy, len)) {
        free(copy);
        return;
    }
    const struct event_item e = {
        .type = EVENT_ITEM_MESSAGE, .node = to, .from = from, .p = copy, .len = len};
    schedule(s, &e, s->now + delay);
    s->messages++;
}

static void net_send(struct sim *s, unsigned from, const struct out *o)
{
    bool lost = chance(&s->net, s->conf.loss_permille) && s->faults;
    bool twice = chance(&s->net, s->conf.twice_permille) && s->faults;
    for (unsigned to = 0; to < s->nodes; to++) {
        if (!id_equal(&s->node[to].id, &o->peer) || s->cut[from][to] || lost) continue;
        send_copy(s, from, to, o->frame.p, o->frame.len);
        if (twice) send_copy(s, from, to, o->frame.p, o->frame.len);
    }
}

/* --- nodes --- */

static cpis_ms wall_of(const struct sim *s, unsigned n)
{
    return SIM_EPOCH_START + s->now + (uint64_t)s->node[n].skew;
}

static void plan_tick(struct sim *s, unsigned n)
{
    struct sim_node *m = &s->node[n];
    cpis_ms at = node_deadline(m->node);
    if (at == CPIS_MS_NEVER) return;
    if (at < s->now) at = s->now;
    if (m->tick_at <= at && m->tick_at > s->now) return; /* an earlier one comes: early is legal */
    m->tick_at = at;
    const struct event_item e = {.type = EVENT_ITEM_TICK, .node = n, .generation = m->generation};
    schedule(s, &e, at);
}

static void take_outputs(struct sim *s, unsigned n);

void sim_start(struct sim *s, unsigned n)
{
    struct sim_node *m = &s->node[n];
    struct node_conf conf = {.role = m->role, .identity = &m->identity, .quotas = s->conf.quotas};
    const struct view view = rows_view(m->rows);
    drbg_bytes(&m->seeds, conf.seed, sizeof conf.seed);
    CHECK(s, m->node == NULL);
    CHECK(s, node_new(&conf, &m->node) == CPIS_OK);
    cpis_err err = node_start(m->node, s->now, wall_of(s, n), &view);
    CHECK(s, err == CPIS_OK || err == CPIS_E_NOTFOUND);
    m->generation++;
    m->tick_at = 0;
    trace(s, n, 1);
    take_outputs(s, n);
}

void sim_stop(struct sim *s, unsigned n)
{
    struct sim_node *m = &s->node[n];
    rows_abort(m->rows);
    node_free(&m->node);
    m->generation++; /* ticks under way are not its own any more */
    trace(s, n, 2);
}

/* A crash: what was committed stays, what was to be sent is gone. */
static void crash(struct sim *s, unsigned n)
{
    sim_stop(s, n);
    s->node[n].crash_next = (enum sim_crash)0;
    const struct event_item e = {
        .type = EVENT_ITEM_START, .node = n, .generation = s->node[n].generation};
    schedule(s, &e, s->now + 1 + drbg_below(&s->net, s->conf.down_max + 1));
}

static void keep_out(struct sim *s, const struct out *o)
{
    if (s->outs == s->outs_cap) {
        s->outs_cap = s->outs_cap == 0 ? 256 : 2 * s->outs_cap;
        s->out = realloc(s->out, s->outs_cap * sizeof *s->out);
        CHECK(s, s->out != NULL);
    }
    s->out[s->outs++] = *o;
}

/* Pops all: rows go into the batch at once, the rest waits for the commit. */
static void pop_all(struct sim *s, struct sim_node *m, bool *ret_sends_wanted)
{
    struct out o;
    s->outs = 0;
    *ret_sends_wanted = false;
    while (node_pop(m->node, &o)) {
        if (o.type == OUT_PERSIST)
            rows_put(m->rows, o.table, o.key.p, o.key.len, o.value.p, o.value.len);
        else if (o.type == OUT_DELETE)
            rows_delete(m->rows, o.table, o.key.p, o.key.len);
        else
            keep_out(s, &o);
        struct frame f;
        struct arena a = arena_make(FRAME_BYTES_MAX * 4);
        if (o.type == OUT_SEND && m->crash_next != 0 && frame_unwrap(o.frame, &a, &f) == CPIS_OK)
            *ret_sends_wanted |= f.kind == (uint32_t)m->crash_sending;
        arena_free(&a);
    }
}

static void take_outputs(struct sim *s, unsigned n)
{
    struct sim_node *m = &s->node[n];
    bool wanted, put_out;
    pop_all(s, m, &wanted);
    put_out = s->outs > 0;
    CHECK(s, !node_failed(m->node));
    bool fails = chance(&m->faults, s->conf.commit_permille) && s->faults && put_out;
    bool dies = chance(&m->faults, s->conf.crash_permille) && s->faults && put_out;
    bool before_commit = chance(&m->faults, 500);
    if (m->crash_next != 0 && wanted) {
        dies = true;
        before_commit = m->crash_next == SIM_CRASH_BEFORE_COMMIT;
    }
    if (dies && before_commit) {
        crash(s, n);
        return;
    }
    if (fails) { /* a failed commit: the outputs are dropped, the machines rebuilt from the store */
        sim_stop(s, n);
        sim_start(s, n);
        return;
    }
    rows_commit(m->rows);
    if (dies) {
        crash(s, n);
        return;
    }
    for (size_t i = 0; i < s->outs; i++) {
        const struct out *o = &s->out[i];
        if (o->type == OUT_SEND) {
            trace(s, n, 0x100 + o->frame.len);
            net_send(s, n, o);
        }
        if (o->type == OUT_EVENT) m->event_count[o->event]++;
        if (o->type == OUT_RESULT) sim_result(s, n, o->command, o->result);
    }
    plan_tick(s, n);
}

void sim_step(struct sim *s, unsigned n, const struct node_in *what)
{
    struct sim_node *m = &s->node[n];
    struct node_in in = *what;
    const struct view view = rows_view(m->rows);
    if (m->node == NULL) return;
    in.now = s->now;
    in.wall = wall_of(s, n);
    in.view = &view;
    node_step(m->node, &in);
    take_outputs(s, n);
}

static void run_one(struct sim *s)
{
    struct event_item e = take_first(s);
    struct sim_node *m = &s->node[e.node];
    CHECK(s, e.at >= s->now); /* virtual time never goes back */
    s->now = e.at;
    if (e.type == EVENT_ITEM_MESSAGE) {
        const struct node_in in = {
            .type = NODE_MESSAGE, .peer = s->node[e.from].id, .message = {e.p, e.len}};
        trace(s, e.node, 0x10000 + e.len);
        sim_step(s, e.node, &in);
        free(e.p);
    } else if (e.generation == m->generation) {
        if (e.type == EVENT_ITEM_START) {
            sim_start(s, e.node);
        } else {
            const struct node_in in = {.type = NODE_TICK};
            m->tick_at = 0;
            sim_step(s, e.node, &in);
        }
    }
}

void sim_run(struct sim *s, cpis_ms ms)
{
    const cpis_ms until = s->now + ms;
    while (s->events > 0 && s->event[0].at <= until)
        run_one(s);
    s->now = until;
}

/* --- what tests do and ask --- */

void sim_faults(struct sim *s, bool on) { s->faults = on; }
unsigned sim_directory(const struct sim *s, unsigned i) { return (void)s, i; }
unsigned sim_authority(const struct sim *s, unsigned i) { return s->conf.directories + i; }
unsigned sim_query(const struct sim *s, unsigned i)
{
    return s->conf.directories + s->conf.authorities + i;
}
void sim_crash_next(struct sim *s, unsigned n, enum sim_crash where, enum frame_kind sending)
{
    s->node[n].crash_next = where;
    s->node[n].crash_sending = sending;
}
bool sim_is_down(const struct sim *s, unsigned n) { return s->node[n].node == NULL; }
void sim_cut(struct sim *s, unsigned from, unsigned to, bool cut) { s->cut[from][to] = cut; }
void sim_skew(struct sim *s, unsigned n, int64_t ms) { s->node[n].skew = ms; }
struct node *sim_node(const struct sim *s, unsigned n) { return s->node[n].node; }
struct rows *sim_rows(const struct sim *s, unsigned n) { return s->node[n].rows; }
cpis_ms sim_now(const struct sim *s) { return s->now; }
uint64_t sim_messages(const struct sim *s) { return s->messages; }
struct cpis_hash sim_trace(const struct sim *s) { return s->trace; }
uint64_t sim_events(const struct sim *s, unsigned n, enum event e)
{
    return s->node[n].event_count[e];
}
void sim_set_tap(struct sim *s, sim_tap tap, void *arg)
{
    s->tap = tap;
    s->tap_arg = arg;
}

void sim_restore(struct sim *s, unsigned n, struct rows **rows)
{
    CHECK(s, s->node[n].node == NULL);
    rows_free(&s->node[n].rows);
    s->node[n].rows = *rows;
    *rows = NULL;
}

bool sim_is_live(const struct sim *s, unsigned n)
{
    struct publisher_status p[REGISTER_EPOCHS_MAX];
    if (s->node[n].node == NULL) return false;
    size_t count = node_published(s->node[n].node, p, REGISTER_EPOCHS_MAX);
    bool live = count > 0;
    for (size_t i = 0; i < count; i++)
        live &= p[i].waiting == 0 && p[i].version_live == p[i].version && p[i].version > 0;
    return live;
}

static bool is_settled(const struct sim *s)
{
    for (unsigned n = 0; n < s->nodes; n++) {
        struct node_status st;
        if (s->node[n].node == NULL) return false;
        node_status(s->node[n].node, s->now, wall_of(s, n), &st);
        if (st.copies_waiting > 0 || st.outbox > 0 || st.lookups_active > 0) return false;
        if (s->node[n].role == ROLE_AUTHORITY && !sim_is_live(s, n)) return false;
    }
    return true;
}

bool sim_settle(struct sim *s, cpis_ms ms)
{
    const cpis_ms until = s->now + ms;
    while (!is_settled(s)) {
        if (s->now >= until) return false;
        sim_run(s, CPIS_MS_SECOND);
    }
    return true;
}

struct nhs_number sim_number(unsigned i)
{
    struct nhs_number n = {{0}};
    for (unsigned candidate = 0, found = 0;; candidate++) {
        char text[11];
        (void)snprintf(text, sizeof text, "999%07u", candidate % 10000000U);
        if (nhs_number_parse(text, 10, &n) == CPIS_OK && found++ == i) return n;
    }
}
