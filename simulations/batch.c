/* Nodes at work: what node/net/driver.c and machine.c do, in virtual time. Inputs that are ready
 * are stepped, their rows go into the disk's batch at once and all else waits; the commit; and only
 * then sends, results and events are let out. A commit that fails drops what waits and the node,
 * which is built anew from the store after 1 s, 2 s, ... 60 s, as after kill -9. */
#include "simulations/sim_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_MIN     CPIS_MS_SECOND
#define RETRY_MAX     CPIS_MS_MINUTE
#define TICKS_NOW_MAX 100000U /* of one node without time passing: it would hang a real one */

static void trace(struct sim *s, unsigned n, enum trace_what what, uint64_t detail)
{
    const struct kernel_entry e = {kernel_now(s->kernel), n, (uint64_t)what << TRACE_WHAT | detail};
    kernel_trace(s->kernel, e.node, e.what);
    if (s->conf.trace != NULL) trace_line(s, s->conf.trace, &e);
}

/* A message in the trace: its kind for whoever reads it, and in the rest its length and eight of
 * its bytes, in which a difference shows. */
static void trace_message(struct sim *s, unsigned n, enum trace_what what, const struct payload *p,
                          struct frame_look l)
{
    const size_t at = p->len >= 72 ? 64 : 0;
    uint64_t some = 0;
    memcpy(&some, p->b + at, p->len - at < sizeof some ? p->len - at : sizeof some);
    some = (some ^ p->len) * UINT64_C(0x9fb21c651e98df25) >> (64U - TRACE_SIGNED);
    trace(s, n, what,
          (uint64_t)l.kind << TRACE_KIND | (uint64_t)l.signed_type << TRACE_SIGNED | some);
}

cpis_ms node_wall(const struct sim *s, const struct sim_node *m)
{
    return sim_clock_wall(&m->clock, kernel_now(s->kernel), SIM_EPOCH_START);
}

static void add(struct sim *s, unsigned n, enum item_type type, sim_us at)
{
    const struct kernel_event e = {
        .at = at, .node = n, .type = type, .generation = kernel_generation(s->kernel, n)};
    kernel_add(s->kernel, &e);
}

/* --- prices --- */

static sim_us price_of(const struct sim *s, const struct sim_node *m, const struct payload *p)
{
    const struct sim_prices *price = &s->price[m->role];
    const struct frame_look l = frame_look(payload_bytes(p));
    if (l.kind == 0) return 0;
    uint64_t us =
        l.kind == FRAME_SIGNED ? price->signed_frame[l.signed_type] : price->frame[l.kind];
    us += (p->len + UINT64_C(1023)) / 1024 * price->frame_kib[l.kind];
    return us * m->slow / 1000;
}

/* --- what a node puts out --- */

static void keep(struct sim *s, unsigned n, const struct out *o)
{
    struct sim_node *m = s->node[n];
    struct batch *b = &m->batch;
    b->waiting = sim_grow(b->waiting, b->count, &b->cap, sizeof *b->waiting);
    struct waiting *w = &b->waiting[b->count++];
    *w = (struct waiting){.type = o->type, .event = o->event, .peer = o->peer, .number = o->number};
    if (o->type == OUT_SEND) {
        const struct payload *last = b->count > 1 ? w[-1].payload : NULL;
        if (last != NULL && last->len == o->frame.len &&
            memcmp(last->b, o->frame.p, o->frame.len) == 0)
            w->payload = payload_share(w[-1].payload); /* one frame to many */
        else
            w->payload = payload_new(o->frame);
        if (m->crash_next != 0)
            b->wanted |= frame_look(o->frame).kind == (unsigned)m->crash_sending;
    } else if (o->type == OUT_RESULT) {
        b->finding = sim_grow(b->finding, b->findings, &b->findings_cap, sizeof *b->finding);
        w->number = b->findings;
        check_result(s, n, o->command, o->result, &b->finding[b->findings++]);
    }
}

static void pop_all(struct sim *s, unsigned n)
{
    struct sim_node *m = s->node[n];
    struct out o;
    while (node_pop(m->node, &o))
        switch (o.type) {
        case OUT_PERSIST:
            disk_put(m->disk, o.table, o.key.p, o.key.len, o.value.p, o.value.len);
            break;
        case OUT_DELETE: disk_delete(m->disk, o.table, o.key.p, o.key.len); break;
        case OUT_SEND:
        case OUT_EVENT:
        case OUT_RESULT: keep(s, n, &o); break;
        case OUT_WORK: assert(false); break; /* evaluations are done in their steps */
        }
    if (node_failed(m->node)) m->batch.failed = true;
}

static void drop_batch(struct sim_node *m)
{
    for (size_t i = 0; i < m->batch.count; i++)
        payload_drop(m->batch.waiting[i].payload);
    m->batch.count = m->batch.findings = 0;
    m->batch.wanted = m->batch.failed = false;
}

static void drop_inbox(struct sim_node *m)
{
    for (size_t i = m->inbox.at; i < m->inbox.count; i++) {
        payload_drop(m->inbox.input[i].payload);
        free(m->inbox.input[i].command);
    }
    m->inbox.at = m->inbox.count = 0;
}

void batch_drop(struct sim_node *m)
{
    drop_batch(m);
    drop_inbox(m);
}

/* --- letting out --- */

static void send_one(struct sim *s, unsigned n, const struct cpis_id *peer, struct payload *whole,
                     bool again)
{
    struct arrival to[ARRIVALS_MAX];
    const struct sim_hooks *h = &s->conf.hooks;
    struct sim_sent m = {frame_look(payload_bytes(whole)), payload_bytes(whole), again};
    trace_message(s, n, TRACE_SENT, whole, m.look);
    const size_t count = network_send(s->network, n, peer, kernel_now(s->kernel), to);
    for (size_t i = 0; i < count; i++) {
        struct payload *p = whole;
        if (h->sent != NULL) h->sent(h->arg, n, to[i].to, &m);
        m.again = true;
        if (s->tap == NULL) {
            p = payload_share(p);
        } else {
            p = payload_new(payload_bytes(p));
            if (!s->tap(s->tap_arg, n, to[i].to, p->b, p->len)) {
                payload_drop(p);
                continue;
            }
        }
        const struct kernel_event e = {
            .at = to[i].at, .node = to[i].to, .from = n, .type = ITEM_MESSAGE, .p = p};
        kernel_add(s->kernel, &e);
        s->messages++;
    }
}

void sim_inject(struct sim *s, unsigned from, const struct cpis_id *to, struct bytes frame)
{
    struct payload *p = payload_new(frame);
    send_one(s, from, to, p, false);
    payload_drop(p);
}

static void let_out(struct sim *s, unsigned n)
{
    struct sim_node *m = s->node[n];
    CHECK(s, disk_is_durable(m->disk));
    s->releasing++;
    for (size_t i = 0; i < m->batch.count; i++) {
        const struct waiting *w = &m->batch.waiting[i];
        if (w->type == OUT_SEND) {
            check_spoken(s, n, &w->peer, payload_bytes(w->payload));
            send_one(s, n, &w->peer, w->payload, i > 0 && w[-1].payload == w->payload);
        } else if (w->type == OUT_RESULT) {
            check_release(s, n, &m->batch.finding[w->number]);
        } else {
            m->event_count[w->event]++;
            trace(s, n, TRACE_EVENT, w->event);
            if (w->event == EVENT_LIVE) check_live(s, n);
            if (s->conf.hooks.event != NULL)
                s->conf.hooks.event(s->conf.hooks.arg, n, w->event, &w->peer, w->number);
        }
    }
    if (s->conf.hooks.committed != NULL) s->conf.hooks.committed(s->conf.hooks.arg, n);
    s->releasing--;
    drop_batch(m);
}

/* --- going down and coming up --- */

void batch_plan(struct sim *s, unsigned n)
{
    struct sim_node *m = s->node[n];
    const sim_us now = kernel_now(s->kernel);
    sim_us at = sim_clock_when(&m->clock, node_deadline(m->node));
    if (at == SIM_US_NEVER) return;
    if (at < now) at = now;
    if (at < m->free_at) at = m->free_at;
    if (m->tick_at <= at) return; /* an earlier one comes, and plans this one then */
    m->tick_at = at;
    add(s, n, ITEM_TICK, at);
}

static void go_down(struct sim *s, unsigned n)
{
    struct sim_node *m = s->node[n];
    node_free(&m->node);
    drop_batch(m);
    check_died(s, m);
    m->busy = m->waking = m->starting = false;
    m->free_at = 0;
    m->tick_at = SIM_US_NEVER;
    kernel_renew(s->kernel, n); /* its ticks and what it was computing are not its own any more */
}

/* Messages wait for the node to be built anew; commands die with it, as check_died has it. */
static void drop_commands(struct inbox *b)
{
    size_t kept = b->at;
    for (size_t i = b->at; i < b->count; i++)
        if (b->input[i].command != NULL)
            free(b->input[i].command);
        else
            b->input[kept++] = b->input[i];
    b->count = kept;
}

/* The commit failed: everything of the batch is gone, and the node with it. */
static void fail(struct sim *s, unsigned n, cpis_err err)
{
    struct sim_node *m = s->node[n];
    trace(s, n, TRACE_FAILED, (uint64_t)-err);
    disk_abort(m->disk);
    drop_commands(&m->inbox);
    go_down(s, n);
    m->retrying = true;
    add(s, n, ITEM_START, kernel_now(s->kernel) + m->pause * SIM_US_MS);
    m->pause = m->pause * 2 < RETRY_MAX ? m->pause * 2 : RETRY_MAX;
}

void sim_stop(struct sim *s, unsigned n)
{
    struct sim_node *m = s->node[n];
    CHECK(s, s->releasing == 0);
    trace(s, n, TRACE_STOPPED, 0);
    disk_crash(m->disk);
    drop_inbox(m);
    go_down(s, n);
    m->retrying = false;
    m->crash_next = (enum sim_crash)0;
}

/* --- a batch --- */

static void finish(struct sim *s, unsigned n)
{
    struct sim_node *m = s->node[n];
    const bool on = s->faults && m->batch.count > 0;
    bool dies = random_chance(&m->faults, s->conf.trouble.crash_permille) && on;
    bool before = random_chance(&m->faults, 500);
    const cpis_ms down = 1 + random_below(&m->faults, s->conf.trouble.down_max + 1);
    if (m->crash_next != 0 && m->batch.wanted) {
        dies = true;
        before = m->crash_next == SIM_CRASH_BEFORE_COMMIT;
    }
    m->busy = false;
    cpis_err err = CPIS_OK;
    if (!dies || !before) err = m->batch.failed ? CPIS_E_NOMEM : disk_commit(m->disk);
    if (dies) {
        sim_stop(s, n);
        add(s, n, ITEM_START, kernel_now(s->kernel) + down * SIM_US_MS);
        return;
    }
    if (err != CPIS_OK) {
        fail(s, n, err);
        return;
    }
    s->batches++;
    if (!m->starting) m->pause = RETRY_MIN;
    m->starting = false;
    let_out(s, n);
    batch_plan(s, n);
}

static void begin(struct sim *s, unsigned n) { s->node[n]->cpu_at = kernel_now(s->kernel); }

/* All inputs of the batch are stepped: it is over at once, or the node is busy until it is. With
 * nothing to commit or to let out only what comes meanwhile has to know when that is. */
static void end(struct sim *s, unsigned n)
{
    struct sim_node *m = s->node[n];
    const sim_us done = m->cpu_at + disk_commit_time(m->disk);
    const bool is_empty = m->batch.count == 0 && disk_is_durable(m->disk);
    if (done <= kernel_now(s->kernel) || is_empty) {
        m->free_at = done;
        finish(s, n);
    } else {
        m->busy = true;
        add(s, n, ITEM_DONE, done);
    }
}

static void step(struct sim *s, unsigned n, struct node_in *in, sim_us us)
{
    struct sim_node *m = s->node[n];
    if (m->batch.failed) return; /* the batch is lost: nothing more into it */
    cpis_ms now = sim_clock_mono(&m->clock, m->cpu_at);
    if (now < m->shown) now = m->shown; /* the drift was set while it was ahead in a batch */
    m->shown = now;
    in->now = now;
    in->wall = sim_clock_wall(&m->clock, m->cpu_at, SIM_EPOCH_START);
    in->view = disk_view(m->disk);
    node_step(m->node, in);
    s->steps++;
    m->cpu_at += us;
    pop_all(s, n);
}

static void step_message(struct sim *s, unsigned n, uint32_t from, const struct payload *p)
{
    struct node_in in = {
        .type = NODE_MESSAGE, .peer = s->node[from]->id, .message = payload_bytes(p)};
    step(s, n, &in, price_of(s, s->node[n], p));
}

static void step_command(struct sim *s, unsigned n, const struct command *c)
{
    const struct sim_node *m = s->node[n];
    struct node_in in = {.type = NODE_COMMAND, .command = c};
    step(s, n, &in, (sim_us)s->price[m->role].command * m->slow / 1000);
}

static void step_tick(struct sim *s, unsigned n)
{
    const struct sim_node *m = s->node[n];
    struct node_in in = {.type = NODE_TICK};
    step(s, n, &in, (sim_us)s->price[m->role].tick * m->slow / 1000);
}

static bool is_due(const struct sim *s, const struct sim_node *m)
{
    return sim_clock_mono(&m->clock, kernel_now(s->kernel)) >= node_deadline(m->node);
}

static bool is_free(const struct sim *s, const struct sim_node *m)
{
    return m->node != NULL && !m->busy && kernel_now(s->kernel) >= m->free_at;
}

/* For what waits with no DONE to come. */
static void wake(struct sim *s, unsigned n)
{
    struct sim_node *m = s->node[n];
    const sim_us now = kernel_now(s->kernel);
    if (m->waking || m->busy || m->node == NULL) return;
    m->waking = true;
    add(s, n, ITEM_WAKE, now > m->free_at ? now : m->free_at);
}

/* Takes what waits, in one batch after the other, until nothing does or the node is busy. */
static void work(struct sim *s, unsigned n)
{
    struct sim_node *m = s->node[n];
    struct inbox *b = &m->inbox;
    while (is_free(s, m) && b->at < b->count) {
        begin(s, n);
        if (is_due(s, m)) step_tick(s, n);
        for (unsigned i = 0; i < SIM_BATCH && b->at < b->count; i++) {
            const struct input in = b->input[b->at++];
            if (in.command != NULL)
                step_command(s, n, in.command);
            else
                step_message(s, n, in.from, in.payload);
            payload_drop(in.payload);
            free(in.command);
            if (m->cpu_at - kernel_now(s->kernel) >= SIM_BATCH_US) break;
        }
        end(s, n);
    }
    if (b->at == b->count)
        b->at = b->count = 0;
    else
        wake(s, n);
}

static bool may_step(const struct sim *s, const struct sim_node *m)
{
    return is_free(s, m) && s->releasing == 0 && m->inbox.at == m->inbox.count;
}

static void wait(struct sim *s, unsigned n, struct input in)
{
    struct sim_node *m = s->node[n];
    struct inbox *b = &m->inbox;
    if (b->at > 0 && b->at * 2 >= b->count) { /* room at the front */
        b->count -= b->at;
        memmove(b->input, b->input + b->at, b->count * sizeof *b->input);
        b->at = 0;
    }
    b->input = sim_grow(b->input, b->count, &b->cap, sizeof *b->input);
    b->input[b->count++] = in;
    wake(s, n);
}

void batch_message(struct sim *s, unsigned n, uint32_t from, struct payload *p)
{
    struct sim_node *m = s->node[n];
    trace_message(s, n, TRACE_HEARD, p, frame_look(payload_bytes(p)));
    if (may_step(s, m)) {
        begin(s, n);
        step_message(s, n, from, p);
        payload_drop(p);
        end(s, n);
    } else if ((m->node == NULL && !m->retrying) ||
               m->inbox.count - m->inbox.at >= SIM_WAITING_MAX) {
        payload_drop(p);
    } else {
        wait(s, n, (struct input){.from = from, .payload = p});
    }
}

void batch_command(struct sim *s, unsigned n, const struct command *c)
{
    if (may_step(s, s->node[n])) {
        begin(s, n);
        step_command(s, n, c);
        end(s, n);
    } else {
        wait(s, n, (struct input){.command = command_copy(c)});
    }
}

void batch_tick(struct sim *s, unsigned n, sim_us at)
{
    struct sim_node *m = s->node[n];
    if (at != m->tick_at) return; /* an earlier one came in its place */
    m->tick_at = SIM_US_NEVER;
    if (m->busy) return; /* planned anew when it is done */
    if (is_free(s, m) && is_due(s, m)) {
        begin(s, n);
        CHECK(s, sim_clock_mono(&m->clock, at) > m->shown || ++m->ticks_now < TICKS_NOW_MAX);
        if (sim_clock_mono(&m->clock, at) > m->shown) m->ticks_now = 0;
        step_tick(s, n);
        end(s, n);
    } else {
        batch_plan(s, n);
    }
}

void batch_done(struct sim *s, unsigned n)
{
    finish(s, n);
    work(s, n);
}

void batch_wake(struct sim *s, unsigned n)
{
    s->node[n]->waking = false;
    work(s, n);
}

void sim_start(struct sim *s, unsigned n)
{
    struct sim_node *m = s->node[n];
    struct node_conf conf = {.role = m->role,
                             .identity = &m->identity,
                             .quotas = s->conf.quotas,
                             .inbox = s->conf.inbox};
    CHECK(s, m->node == NULL && s->releasing == 0);
    kernel_renew(s->kernel, n); /* another start may be planned */
    drbg_bytes(&m->seeds, conf.seed, sizeof conf.seed);
    CHECK(s, node_new(&conf, &m->node) == CPIS_OK);
    begin(s, n);
    m->shown = sim_clock_mono(&m->clock, m->cpu_at);
    cpis_err err = node_start(m->node, m->shown, node_wall(s, m), disk_view(m->disk));
    CHECK(s, err == CPIS_OK || err == CPIS_E_NOTFOUND);
    trace(s, n, TRACE_STARTED, 0);
    m->retrying = false;
    m->starting = true;
    m->cpu_at += (sim_us)s->price[m->role].start * m->slow / 1000;
    pop_all(s, n);
    end(s, n);
    work(s, n);
}
