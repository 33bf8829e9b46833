/* Making, running and looking into a federation; what happens in its nodes stands in batch.c. */
#include "simulations/sim_state.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- a breach --- */

static void dump_node(const struct sim *s, unsigned n)
{
    const struct sim_node *m = s->node[n];
    struct publisher_status p[REGISTER_EPOCHS_MAX];
    struct node_status st;
    fprintf(stderr, "  %s:", m->name);
    if (m->node == NULL) {
        fprintf(stderr, " down%s", m->retrying ? ", will try again" : "");
    } else {
        sim_status(s, n, &st);
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

void trace_line(const struct sim *s, FILE *to, const struct kernel_entry *e)
{
    static const char *const word[] = {"?", "started", "stopped", "failed", "sent", "heard"};
    const uint64_t what = e->what >> TRACE_WHAT;
    fprintf(to, "%" PRIu64 "\t%s\t", e->at, s->node[e->node]->name);
    if (what == TRACE_EVENT) {
        fprintf(to, "%s\n", event_name((enum event)(e->what & 0xff)));
        return;
    }
    fprintf(to, "%s", word[what <= TRACE_HEARD ? what : 0]);
    if (what == TRACE_FAILED)
        fprintf(to, "\t%s", cpis_strerror((cpis_err) - (int)(e->what & 0xff)));
    if (what >= TRACE_SENT)
        fprintf(to, "\tframe %u signed %u %010" PRIx64, (unsigned)(e->what >> TRACE_KIND & 0xff),
                (unsigned)(e->what >> TRACE_SIGNED & 0xff),
                e->what & ((UINT64_C(1) << TRACE_SIGNED) - 1));
    fputc('\n', to);
}

static void dump_tail(const struct sim *s)
{
    struct kernel_entry tail[KERNEL_TAIL];
    const size_t count = kernel_tail(s->kernel, tail);
    fprintf(stderr, "the last %zu things that happened, us:\n", count);
    for (size_t i = 0; i < count; i++)
        trace_line(s, stderr, &tail[i]);
}

_Noreturn void sim_breach(const struct sim *s, const char *file, int line, const char *what)
{
    fprintf(stderr,
            "%s:%d: %s: seed %" PRIu64 ", virtual time %" PRIu64 " us, trace %016" PRIx64 "\n",
            file, line, what, s->conf.seed, sim_now_us(s), sim_trace(s));
    dump_tail(s);
    for (unsigned n = 0; n < s->nodes; n++)
        dump_node(s, n);
    if (s->conf.replay != NULL) fprintf(stderr, "again: %s\n", s->conf.replay);
    if (s->conf.hooks.breach != NULL) s->conf.hooks.breach(s->conf.hooks.arg, what);
    abort();
}

/* --- time --- */

static void happen(struct sim *s, const struct kernel_event *e)
{
    switch ((enum item_type)e->type) {
    case ITEM_MESSAGE: batch_message(s, e->node, e->from, e->p); break;
    case ITEM_TICK: batch_tick(s, e->node, e->at); break;
    case ITEM_START: sim_start(s, e->node); break;
    case ITEM_DONE: batch_done(s, e->node); break;
    case ITEM_WAKE: batch_wake(s, e->node); break;
    case ITEM_CALL: {
        const struct call c = *(struct call *)e->p;
        free(e->p);
        c.call(c.arg, s);
        break;
    }
    }
}

/* What the next event is about is on its way from memory while this one happens: with some hundred
 * nodes each one's own is cold when its turn comes. */
static void fetch_next(const struct sim *s)
{
    const struct kernel_event *next = kernel_next(s->kernel);
    if (next == NULL) return;
    const struct sim_node *m = s->node[next->node];
    __builtin_prefetch(&m->node);
    __builtin_prefetch(&m->clock);
    __builtin_prefetch(&m->batch);
    __builtin_prefetch(&m->faults);
    if (next->type != ITEM_MESSAGE) return;
    const struct payload *p = next->p;
    __builtin_prefetch(p);
    __builtin_prefetch(&p->b[64]);
}

void sim_run_until(struct sim *s, sim_us until)
{
    struct kernel_event e;
    CHECK(s, s->releasing == 0); /* not from within a hook */
    s->halted = false;
    while (!s->halted && kernel_take(s->kernel, until, &e)) {
        fetch_next(s);
        happen(s, &e);
    }
}

void sim_run(struct sim *s, cpis_ms ms) { sim_run_until(s, sim_now_us(s) + ms * SIM_US_MS); }
void sim_halt(struct sim *s) { s->halted = true; }

void sim_at(struct sim *s, sim_us at, sim_call call, void *arg)
{
    struct call *c = sim_must(malloc(sizeof *c));
    *c = (struct call){call, arg};
    const sim_us now = sim_now_us(s);
    const struct kernel_event e = {.at = at < now ? now : at, .type = ITEM_CALL, .p = c};
    kernel_add(s->kernel, &e);
}

sim_us sim_now_us(const struct sim *s) { return kernel_now(s->kernel); }
cpis_ms sim_now(const struct sim *s) { return sim_now_us(s) / SIM_US_MS; }

/* --- rest --- */

bool sim_is_live(const struct sim *s, unsigned n)
{
    struct publisher_status p[REGISTER_EPOCHS_MAX];
    if (s->node[n]->node == NULL) return false;
    size_t count = node_published(s->node[n]->node, p, REGISTER_EPOCHS_MAX);
    bool live = count > 0;
    for (size_t i = 0; i < count; i++)
        live &= p[i].waiting == 0 && p[i].version_live == p[i].version && p[i].version > 0;
    return live;
}

/* What of a node is still under way; NULL: nothing. */
static const char *under_way(const struct sim *s, unsigned n)
{
    const struct sim_node *m = s->node[n];
    struct node_status st;
    if (m->is_copy) return NULL;
    /* Revoked, retired, not admitted: nobody waits for it, whatever it knows itself; its peers have
     * stopped to speak with it, so it may never have heard. */
    const struct registry_node *r = registry_node(sim_stewards(s), &m->id);
    if (r == NULL || !registry_in_force(r)) return NULL;
    if (m->node == NULL) return "is down";
    if (m->busy || m->inbox.count > m->inbox.at) return "is busy";
    sim_status(s, n, &st);
    if (!st.listed) return "does not know that it is in the register";
    if (st.copies_waiting > 0) return "keeps copies that are not signed for";
    if (disk_count(m->disk, TABLE_OUTBOX) > 0) return "has lookups in its outbox";
    if (st.lookups_active > 0) return "has lookups without a verdict";
    if (m->role == ROLE_AUTHORITY && !sim_is_live(s, n)) return "has a list that is not live";
    return NULL;
}

static bool is_settled(const struct sim *s)
{
    for (unsigned n = 0; n < s->nodes; n++)
        if (under_way(s, n) != NULL) return false;
    return true;
}

static void list_text(const struct sim *s, unsigned n, char *ret, size_t cap)
{
    struct publisher_status p;
    if (s->node[n]->node == NULL || node_published(s->node[n]->node, &p, 1) == 0) return;
    (void)snprintf(ret, cap, ": %zu wait, %u of %u receipts%s%s%s", p.waiting, p.receipts,
                   p.receipts_live, p.started ? "" : ", not started", p.unsure ? ", unsure" : "",
                   p.shrink_held ? ", held by the shrink guard" : "");
}

void sim_unsettled(const struct sim *s, char *ret, size_t cap)
{
    if (cap > 0) ret[0] = '\0';
    for (unsigned n = 0; n < s->nodes; n++) {
        const char *what = under_way(s, n);
        if (what == NULL) continue;
        int used = snprintf(ret, cap, "%s %s", s->node[n]->name, what);
        if (s->node[n]->role == ROLE_AUTHORITY && used > 0 && (size_t)used < cap)
            list_text(s, n, ret + used, cap - (size_t)used);
        return;
    }
}

bool sim_settle(struct sim *s, cpis_ms ms)
{
    const cpis_ms until = sim_now(s) + ms;
    while (!is_settled(s)) {
        if (sim_now(s) >= until || s->halted) return false;
        sim_run(s, CPIS_MS_SECOND);
    }
    return true;
}

/* --- nodes --- */

static unsigned of_role(const struct sim *s, enum node_role role, unsigned i)
{
    CHECK(s, i < s->roll[role].count);
    return s->roll[role].node[i];
}

unsigned sim_nodes(const struct sim *s) { return (unsigned)s->nodes; }
unsigned sim_directory(const struct sim *s, unsigned i) { return of_role(s, ROLE_DIRECTORY, i); }
unsigned sim_authority(const struct sim *s, unsigned i) { return of_role(s, ROLE_AUTHORITY, i); }
unsigned sim_query(const struct sim *s, unsigned i) { return of_role(s, ROLE_QUERY, i); }
const char *sim_name(const struct sim *s, unsigned n) { return s->node[n]->name; }
enum node_role sim_role(const struct sim *s, unsigned n) { return s->node[n]->role; }
const struct identity *sim_identity(const struct sim *s, unsigned n)
{
    return &s->node[n]->identity;
}
const struct cpis_id *sim_id(const struct sim *s, unsigned n) { return &s->node[n]->id; }
struct node *sim_node(const struct sim *s, unsigned n) { return s->node[n]->node; }
struct disk *sim_disk(const struct sim *s, unsigned n) { return s->node[n]->disk; }
struct rows *sim_rows(const struct sim *s, unsigned n) { return disk_rows(s->node[n]->disk); }
struct network *sim_network(const struct sim *s) { return s->network; }
bool sim_is_down(const struct sim *s, unsigned n) { return s->node[n]->node == NULL; }

void sim_status(const struct sim *s, unsigned n, struct node_status *ret)
{
    const struct sim_node *m = s->node[n];
    cpis_ms now = sim_clock_mono(&m->clock, sim_now_us(s));
    if (now < m->shown) now = m->shown; /* in a batch it is ahead */
    node_status(m->node, now, node_wall(s, m), ret);
}

/* --- what goes wrong --- */

void sim_trouble(struct sim *s, const struct sim_trouble *t) { s->conf.trouble = *t; }
void sim_faults(struct sim *s, bool on)
{
    const struct sim_trouble *t = &s->conf.trouble;
    const struct network_trouble net = {t->loss_permille, t->twice_permille};
    s->faults = on;
    network_trouble(s->network, on ? &net : NULL);
    for (unsigned n = 0; n < s->nodes && t->commit_permille > 0; n++)
        disk_faults(s->node[n]->disk)->fail_permille = on ? t->commit_permille : 0;
}

void sim_crash_next(struct sim *s, unsigned n, enum sim_crash where, enum frame_kind sending)
{
    s->node[n]->crash_next = where;
    s->node[n]->crash_sending = sending;
}

void sim_cut(struct sim *s, unsigned from, unsigned to, bool cut)
{
    network_cut(s->network, from, to, cut);
}

void sim_skew(struct sim *s, unsigned n, int64_t ms) { s->node[n]->clock.skew = ms; }

void sim_drift(struct sim *s, unsigned n, int32_t ppm)
{
    sim_clock_drift(&s->node[n]->clock, sim_now_us(s), ppm);
    s->node[n]->tick_at = SIM_US_NEVER; /* its deadline is another moment now */
    if (s->node[n]->node != NULL) batch_plan(s, n);
}

void sim_restore(struct sim *s, unsigned n, const struct rows *rows)
{
    CHECK(s, s->node[n]->node == NULL);
    disk_restore(s->node[n]->disk, rows);
}

unsigned sim_copy(struct sim *s, unsigned node, const struct rows *rows)
{
    const unsigned n = found_node(s, s->node[node]->role, s->node[node]);
    disk_restore(s->node[n]->disk, rows);
    return n;
}

void sim_cpu(struct sim *s, enum node_role role, const struct sim_prices *p)
{
    static const struct sim_prices nothing;
    s->price[role] = p == NULL ? nothing : *p;
}

void sim_slow(struct sim *s, unsigned n, unsigned permille) { s->node[n]->slow = permille; }

/* --- counting --- */

uint64_t sim_events(const struct sim *s, unsigned n, enum event e)
{
    return s->node[n]->event_count[e];
}
uint64_t sim_messages(const struct sim *s) { return s->messages; }
uint64_t sim_steps(const struct sim *s) { return s->steps; }
uint64_t sim_batches(const struct sim *s) { return s->batches; }
uint64_t sim_kernel_events(const struct sim *s) { return kernel_taken(s->kernel); }
uint64_t sim_trace(const struct sim *s) { return kernel_trace_hash(s->kernel); }

void sim_set_tap(struct sim *s, sim_tap tap, void *arg)
{
    s->tap = tap;
    s->tap_arg = arg;
}

/* --- end --- */

static void drop_event(void *arg, const struct kernel_event *e)
{
    (void)arg;
    if (e->type == ITEM_MESSAGE) payload_drop(e->p);
    if (e->type == ITEM_CALL) free(e->p);
}

static void free_node(struct sim *s, struct sim_node *m)
{
    node_free(&m->node);
    batch_drop(m);
    check_died(s, m);
    disk_close(&m->disk);
    identity_wipe(&m->identity);
    free(m->inbox.input);
    free(m->batch.waiting);
    free(m->batch.finding);
    free(m);
}

void sim_free(struct sim **p)
{
    struct sim *s = *p;
    if (s == NULL) return;
    for (unsigned n = 0; n < s->nodes; n++)
        free_node(s, s->node[n]);
    free(s->node);
    for (size_t r = 0; r < SIM_ROLES; r++)
        free(s->roll[r].node);
    kernel_free(&s->kernel, drop_event, NULL);
    network_free(&s->network);
    for (size_t i = 0; i < s->lookups; i++)
        free(s->lookup[i]);
    free(s->link);
    free(s->lookup);
    free(s->row);
    free(s->truths.truth);
    free(s->truths.head);
    registry_free(&s->stewards);
    arena_free(&s->arena);
    free(s);
    *p = NULL;
}
