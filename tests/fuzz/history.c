/* A federation for fuzzing: founded by the simulator, driven by hand. */
#include "tests/fuzz/history.h"

#include "node/core/steward.h"
#include "simulations/crypto_choice.h"
#include "simulations/sim_state.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TICKS_MAX    96U  /* in one history_pass: the rest of the time goes by at once */
#define ROUNDS_MAX   64U  /* of delivering what delivering brings forth */
#define TICKS_STILL  256U /* of one node without time passing: it would hang a real one */
#define LINKS_MAX    8U
#define STEWARD_DAYS 20U

/* --- what is left of an input --- */

uint8_t cursor_byte(struct cursor *c)
{
    if (c->left == 0) return 0;
    c->left--;
    return *c->p++;
}

uint16_t cursor_u16(struct cursor *c)
{
    const unsigned high = cursor_byte(c);
    return (uint16_t)(high << 8 | cursor_byte(c));
}

uint32_t cursor_below(struct cursor *c, uint32_t bound)
{
    const uint32_t v = bound <= 256 ? cursor_byte(c) : cursor_u16(c);
    return bound == 0 ? 0 : v % bound;
}

struct bytes cursor_bytes(struct cursor *c, size_t most)
{
    const struct bytes b = {c->p, c->left < most ? c->left : most};
    c->p += b.len;
    c->left -= b.len;
    return b;
}

/* --- founding, once --- */

static struct {
    struct sim *sim;
    struct rows *rows[HISTORY_NODES];
    struct bytes link[LINKS_MAX];
    size_t links;
    cpis_ms now, wall;
} founded;

static void next_day(void *arg, struct msg_register *draft, struct arena *a)
{
    static const struct msg_register_expected expected[] = {
        {.code = "T900", .name = "Elsewhere", .emergency = "02079460900", .office = "01632960900"}};
    const char *why = "";
    const unsigned i = *(unsigned *)arg;
    cpis_err err = CPIS_OK;
    const struct msg_register_notice notice = {.authority_id = *history_id(HISTORY_AUTHORITY + 1),
                                               .list_time = draft->issued - CPIS_MS_HOUR,
                                               .until = draft->issued + CPIS_MS_DAY};
    if (i == 1) err = steward_set_expected(draft, a, expected, 1, &why);
    if (i == 2) err = steward_set_notice(draft, a, &notice, &why);
    if (i == 3) err = steward_set_state(draft, &notice.authority_id, NODE_SUSPENDED, &why);
    if (err != CPIS_OK) fprintf(stderr, "register: %s\n", why);
    assert(err == CPIS_OK);
}

static void found_later_registers(struct sim *s)
{
    const size_t before = s->links;
    for (unsigned i = 0; i < 4; i++) {
        sim_new_register(s, next_day, &i);
        sim_run(s, 2 * CPIS_MS_SECOND);
    }
    founded.links = s->links - before;
    assert(founded.links <= LINKS_MAX);
    for (size_t i = 0; i < founded.links; i++)
        founded.link[i] = s->link[before + i];
}

static void found(void)
{
    if (founded.sim != NULL) return;
    assert(sodium_init() >= 0);
    crypto_choose(CRYPTO_STUB);
    const struct sim_conf conf = {
        .seed = 7, .directories = 3, .threshold = 2, .authorities = 2, .queries = 1};
    struct sim *s = founded.sim = sim_new(&conf);
    for (unsigned child = 0; child < HISTORY_CHILDREN; child++) {
        const struct nhs_number n = history_number(child);
        if (child == HISTORY_CHILD_NOBODYS) continue;
        sim_add_plan(s, sim_authority(s, child % 2), &n, 1 + child % 2, 1);
    }
    assert(sim_settle(s, CPIS_MS_MINUTE));
    sim_run(s, 2 * CPIS_MS_MINUTE); /* versions are known for a minute */
    for (unsigned n = 0; n < HISTORY_NODES; n++) {
        founded.rows[n] = disk_copy(sim_disk(s, n), DISK_SNAPSHOT);
        assert(sim_role(s, n) == (n < HISTORY_AUTHORITY ? ROLE_DIRECTORY
                                  : n < HISTORY_QUERY   ? ROLE_AUTHORITY
                                                        : ROLE_QUERY));
    }
    founded.now = sim_now(s);
    founded.wall = SIM_EPOCH_START + founded.now;
    found_later_registers(s);
}

struct nhs_number history_number(unsigned child) { return sim_number(child); }
const struct cpis_id *history_id(unsigned node)
{
    found();
    return sim_id(founded.sim, node);
}
struct bytes history_register(size_t i, size_t *ret_count)
{
    found();
    *ret_count = founded.links;
    return founded.link[i];
}

static int by_key(const void *a, const void *b)
{
    const struct msg_root_signature *x = a, *y = b;
    return memcmp(x->key.b, y->key.b, sizeof x->key.b);
}

void history_sign_register(const struct net_id *net, struct bytes body, unsigned roots,
                           struct arena *a, struct msg_register_document *ret)
{
    const struct sim *s = founded.sim;
    struct msg_root_signature *signatures = arena_take(a, SIM_ROOTS * sizeof *signatures);
    *ret = (struct msg_register_document){.body = body, .signatures = signatures};
    for (unsigned i = 0; i < SIM_ROOTS; i++) {
        if ((roots & 1U << i) == 0) continue;
        struct msg_root_signature *sig = &signatures[ret->signatures_count++];
        sig->key = s->root_public[i];
        sign_make(&s->root_secret[i], SIGNED_REGISTER, net, body.p, body.len, &sig->signature);
    }
    qsort(signatures, ret->signatures_count, sizeof *signatures, by_key);
}

/* --- the store, and when it can't be read --- */

static bool read_fails(struct history_node *m)
{
    return m->reads_fail_in > 0 && --m->reads_fail_in == 0;
}

static cpis_err get(void *ctx, enum table t, const uint8_t *key, size_t key_len, uint8_t *ret,
                    size_t cap, size_t *ret_len)
{
    struct history_node *m = ctx;
    if (read_fails(m)) return CPIS_E_STORE;
    return m->below.get(m->below.ctx, t, key, key_len, ret, cap, ret_len);
}

static cpis_err scan(void *ctx, enum table t, const uint8_t *prefix, size_t prefix_len,
                     bool newest_first, row_fn fn, void *arg)
{
    struct history_node *m = ctx;
    if (read_fails(m)) return CPIS_E_STORE;
    return m->below.scan(m->below.ctx, t, prefix, prefix_len, newest_first, fn, arg);
}

/* --- beginning and ending --- */

struct history *history_begin(unsigned running, unsigned rogue)
{
    found();
    struct history *h = sim_must(calloc(1, sizeof *h));
    h->rogue = rogue;
    h->now = founded.now;
    h->wall = founded.wall;
    for (unsigned n = 0; n < HISTORY_NODES; n++) {
        struct history_node *m = &h->node[n];
        const uint8_t seed[DRBG_SEED_BYTES] = {(uint8_t)(n + 1)};
        m->role = sim_role(founded.sim, n);
        m->identity = *sim_identity(founded.sim, n);
        m->id = *sim_id(founded.sim, n);
        m->rows = rows_copy(founded.rows[n]);
        m->below = rows_view(m->rows);
        m->view = (struct view){m, get, scan};
        drbg_from(seed, &m->seeds);
        if ((running & HISTORY_OF(n)) != 0) history_start(h, n);
    }
    return h;
}

static void drop_waiting(struct history_node *m)
{
    for (size_t i = 0; i < m->waiting_count; i++)
        free(m->waiting[i].p);
    m->waiting_count = m->spoken_count = 0;
    m->hold = 0;
    m->uncommitted = false;
}

void history_end(struct history **p)
{
    struct history *h = *p;
    for (unsigned n = 0; n < HISTORY_NODES; n++) {
        struct history_node *m = &h->node[n];
        node_free(&m->node);
        drop_waiting(m);
        free(m->waiting);
        free(m->work);
        rows_free(&m->rows);
    }
    for (size_t i = 0; i < h->flights; i++)
        free(h->flight[i].p);
    for (size_t i = 0; i < HISTORY_FLIGHTS; i++)
        free(h->past[i].p);
    free(h);
    *p = NULL;
}

/* --- the network --- */

static struct flight flight_of(unsigned from, unsigned to, struct bytes frame)
{
    struct flight f = {.from = (uint8_t)from, .to = (uint8_t)to, .len = (uint32_t)frame.len};
    f.p = sim_must(malloc(frame.len > 0 ? frame.len : 1));
    if (frame.len > 0) memcpy(f.p, frame.p, frame.len);
    return f;
}

static void depart(struct history *h, struct flight f)
{
    if (h->tap != NULL && !h->tap(h, f.from, f.to, (struct bytes){f.p, f.len})) {
        free(f.p);
        return;
    }
    if (h->flights == HISTORY_FLIGHTS) free(history_take(h, 0).p);
    h->flight[h->flights++] = f;
}

void history_send(struct history *h, unsigned from, unsigned to, struct bytes frame)
{
    depart(h, flight_of(from, to, frame));
}

struct flight history_take(struct history *h, size_t i)
{
    const struct flight f = h->flight[i];
    h->flights--;
    memmove(&h->flight[i], &h->flight[i + 1], (h->flights - i) * sizeof *h->flight);
    return f;
}

static unsigned index_of(const struct cpis_id *id)
{
    unsigned n = 0;
    while (n < HISTORY_NODES && !id_equal(history_id(n), id))
        n++;
    return n;
}

/* --- one node at work --- */

static void keep_result(struct history *h, struct history_node *m, const struct result *r)
{
    h->result = (struct history_result){.type = r->type, .err = r->err};
    for (size_t i = 0; i < r->outcomes_count && i < sizeof h->result.outcome / sizeof(int); i++)
        h->result.outcome[h->result.count++] = r->outcomes[i];
    if (r->type != RESULT_VERDICT || m->spoken_count == sizeof m->spoken / sizeof *m->spoken)
        return;
    struct spoken *s = &m->spoken[m->spoken_count++];
    *s = (struct spoken){.rid = r->rid, .kind = r->verdict.kind, .child = HISTORY_CHILDREN};
    for (unsigned child = 0; child < HISTORY_CHILDREN; child++) {
        const struct nhs_number n = history_number(child);
        if (nhs_number_compare(&n, &r->number) == 0) s->child = child;
    }
    if (r->flags_count > 0)
        s->holder = r->flags[0].authority;
    else if (r->verdict.pending_count > 0)
        s->holder = r->verdict.pending[0].id;
}

static void keep_frame(struct history_node *m, unsigned n, const struct out *o)
{
    const unsigned to = index_of(&o->peer);
    if (to == HISTORY_NODES) return; /* nobody has this id */
    m->waiting = sim_grow(m->waiting, m->waiting_count, &m->waiting_cap, sizeof *m->waiting);
    m->waiting[m->waiting_count++] = flight_of(n, to, o->frame);
}

static void pop_all(struct history *h, unsigned n)
{
    struct history_node *m = &h->node[n];
    struct out o;
    while (node_pop(m->node, &o))
        switch (o.type) {
        case OUT_PERSIST:
            assert(o.value.len <= TABLE_ROW_BYTES_MAX);
            rows_put(m->rows, o.table, o.key.p, o.key.len, o.value.p, o.value.len);
            break;
        case OUT_DELETE: rows_delete(m->rows, o.table, o.key.p, o.key.len); break;
        case OUT_SEND:
            assert(o.frame.len <= FRAME_BYTES_MAX);
            keep_frame(m, n, &o);
            break;
        case OUT_RESULT: keep_result(h, m, o.result); break;
        case OUT_EVENT: assert(o.event < EVENT_COUNT); break;
        case OUT_WORK:
            m->work = sim_grow(m->work, m->work_count, &m->work_cap, sizeof *m->work);
            m->work[m->work_count++] = *o.work;
            oprf_scalar_wipe(&o.work->share);
            break;
        }
}

static void let_out(struct history *h, unsigned n)
{
    struct history_node *m = &h->node[n];
    for (size_t i = 0; i < m->waiting_count; i++) {
        history_check_said(h, n, &m->waiting[i]);
        depart(h, m->waiting[i]);
    }
    for (size_t i = 0; i < m->spoken_count; i++) {
        history_check_verdict(h, n, &m->spoken[i]);
        if (h->spoken_count < sizeof h->spoken / sizeof *h->spoken)
            h->spoken[h->spoken_count++] = m->spoken[i];
    }
    m->waiting_count = m->spoken_count = 0;
}

static void commit(struct history *h, unsigned n)
{
    struct history_node *m = &h->node[n];
    if (node_failed(m->node)) {
        m->commits_fail = 1;
        m->hold = 0;
    }
    m->uncommitted = m->hold > 0;
    if (m->uncommitted) {
        m->hold--;
        return;
    }
    if (m->commits_fail > 0) {
        m->commits_fail--;
        history_kill(h, n);
        history_start(h, n);
        return;
    }
    rows_commit(m->rows);
    let_out(h, n);
}

static cpis_ms wall_of(const struct history *h, const struct history_node *m)
{
    return (cpis_ms)((int64_t)h->wall + m->skew);
}

static void step(struct history *h, unsigned n, struct node_in *in);

/* Also what a node that was killed since has put out: the next one must not take it for its own. */
static void work(struct history *h, unsigned n)
{
    struct history_node *m = &h->node[n];
    if (m->late > 0) {
        m->late--;
        return;
    }
    while (m->work_count > 0) {
        struct work done = m->work[--m->work_count];
        work_do(&done);
        step(h, n, &(struct node_in){.type = NODE_WORK, .work = &done});
    }
}

static void step(struct history *h, unsigned n, struct node_in *in)
{
    struct history_node *m = &h->node[n];
    if (m->node == NULL) return;
    in->now = h->now;
    in->wall = wall_of(h, m);
    in->view = &m->view;
    in->workers = true;
    node_step(m->node, in);
    pop_all(h, n);
    /* No message makes a node need so much memory. A command of which a part can't be asks for this
     * itself: all of it or nothing. */
    assert(in->type == NODE_COMMAND || !node_failed(m->node));
    commit(h, n);
    if (in->type != NODE_WORK) work(h, n);
}

void history_message(struct history *h, unsigned to, unsigned from, struct bytes frame)
{
    step(h, to,
         &(struct node_in){.type = NODE_MESSAGE, .peer = h->node[from].id, .message = frame});
}

void history_command(struct history *h, unsigned n, struct command *c)
{
    c->id = ++h->commands;
    if (h->dry_run && c->type != COMMAND_CHANGES && c->type != COMMAND_UNDO_IMPORT) return;
    c->dry_run = c->dry_run || h->dry_run;
    step(h, n, &(struct node_in){.type = NODE_COMMAND, .command = c});
}

void history_tick(struct history *h, unsigned n)
{
    step(h, n, &(struct node_in){.type = NODE_TICK});
}

void history_kill(struct history *h, unsigned n)
{
    struct history_node *m = &h->node[n];
    rows_abort(m->rows);
    drop_waiting(m);
    node_free(&m->node);
}

void history_start(struct history *h, unsigned n)
{
    struct history_node *m = &h->node[n];
    struct node_conf conf = {.role = m->role, .identity = &m->identity};
    if (m->node != NULL) return;
    cpis_err err;
    do { /* a read that failed: the driver tries again */
        node_free(&m->node);
        drbg_bytes(&m->seeds, conf.seed, sizeof conf.seed);
        assert(node_new(&conf, &m->node) == CPIS_OK);
        const bool fails = m->reads_fail_in > 0;
        err = node_start(m->node, h->now, wall_of(h, m), &m->view);
        if (h->damaged) break;
        assert(err != CPIS_E_STORE || (fails && m->reads_fail_in == 0));
    } while (err == CPIS_E_STORE);
    assert(err == CPIS_OK || err == CPIS_E_NOTFOUND || h->damaged); /* its own rows are right */
    if (err != CPIS_OK && err != CPIS_E_NOTFOUND) {
        history_kill(h, n);
        return;
    }
    pop_all(h, n);
    m->last_ticks = 0;
    rows_commit(m->rows);
    let_out(h, n);
}

/* --- time --- */

static void deliver(struct history *h, const struct flight f)
{
    struct flight *past = &h->past[h->past_count++ % HISTORY_FLIGHTS];
    history_message(h, f.to, f.from, (struct bytes){f.p, f.len});
    free(past->p);
    *past = f;
}

void history_deliver_all(struct history *h)
{
    for (size_t left = ROUNDS_MAX * 16; h->flights > 0 && left > 0; left--)
        deliver(h, history_take(h, 0));
}

static cpis_ms next_deadline(const struct history *h, unsigned *ret)
{
    cpis_ms at = CPIS_MS_NEVER;
    for (unsigned n = 0; n < HISTORY_NODES; n++) {
        if (h->node[n].node == NULL) continue;
        const cpis_ms d = node_deadline(h->node[n].node);
        if (d >= at) continue;
        at = d;
        *ret = n;
    }
    return at;
}

static void go_to(struct history *h, cpis_ms at)
{
    if (at <= h->now) return;
    h->wall += at - h->now;
    h->now = at;
    for (unsigned n = 0; n < HISTORY_NODES; n++)
        h->node[n].last_ticks = 0;
}

void history_pass(struct history *h, cpis_ms ms, bool delivers)
{
    const cpis_ms until = h->now + ms;
    if (delivers) history_deliver_all(h);
    for (unsigned i = 0; i < TICKS_MAX; i++) {
        unsigned n = 0;
        const cpis_ms at = next_deadline(h, &n);
        if (at > until) break;
        go_to(h, at);
        history_tick(h, n);
        assert(h->node[n].last_ticks++ < TICKS_STILL);
        if (delivers) history_deliver_all(h);
    }
    go_to(h, until);
}

void history_heal(struct history *h)
{
    for (unsigned n = 0; n < HISTORY_NODES; n++) {
        struct history_node *m = &h->node[n];
        m->commits_fail = m->reads_fail_in = m->hold = m->late = 0;
        m->skew = 0;
        history_start(h, n);
    }
    for (unsigned i = 0; i < 20; i++)
        history_pass(h, 10 * CPIS_MS_SECOND, true);
}
