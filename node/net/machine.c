#include "node/net/machine.h"

#include "crypto/hash.h"
#include "node/net/clock.h"

#include <assert.h>
#include <malloc.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

struct waiting { /* until the commit */
    enum out_type type;
    struct cpis_id peer;
    uint8_t *frame; /* SEND: owned */
    size_t len;
    bool telling; /* SEND */
    enum event event;
    uint64_t number;
};
struct machine {
    struct machine_conf conf;
    struct view view;
    struct node *node; /* NULL: to be built at `retry` */
    struct cover *cover;
    struct work *work; /* what came back last */
    struct waiting *waiting;
    size_t count, cap, bytes;
    bool failed, dirty;
    cpis_ms retry, pause;
    uint64_t builds;
    const char *why;
};

cpis_err machine_new(const struct machine_conf *conf, struct machine **ret)
{
    struct machine *m = calloc(1, sizeof *m);
    if (m == NULL) return CPIS_E_NOMEM;
    *m = (struct machine){.conf = *conf,
                          .view = store_view(conf->store),
                          .pause = MACHINE_RETRY_MIN,
                          .retry = CPIS_MS_NEVER,
                          .why = "it is starting"};
    struct drbg seed;
    randombytes_buf(&seed, sizeof seed);
    cpis_err err = cover_new(conf->role, &seed, &m->cover);
    drbg_wipe(&seed);
    m->work = malloc(sizeof *m->work);
    if (m->work == NULL) err = CPIS_E_NOMEM;
    if (err == CPIS_OK)
        *ret = m;
    else
        machine_free(&m);
    if (err == CPIS_OK) cover_switch(m->cover, conf->cover != NULL && *conf->cover);
    return err;
}

static void drop_waiting(struct machine *m)
{
    for (size_t i = 0; i < m->count; i++)
        free(m->waiting[i].frame);
    m->count = m->bytes = 0;
}

void machine_free(struct machine **p)
{
    struct machine *m = *p;
    if (m == NULL) return;
    store_abort(m->conf.store);
    drop_waiting(m);
    free(m->waiting);
    free(m->work);
    node_free(&m->node);
    cover_free(&m->cover);
    free(m);
    *p = NULL;
}

const struct node *machine_node(const struct machine *m) { return m->node; }
const char *machine_why_down(const struct machine *m) { return m->node == NULL ? m->why : ""; }
uint64_t machine_builds(const struct machine *m) { return m->builds; }
const struct view *machine_view(const struct machine *m) { return &m->view; }
const struct cover *machine_cover(const struct machine *m) { return m->cover; }
bool machine_is_full(const struct machine *m) { return m->bytes >= MACHINE_WAITING_BYTES_MAX; }

/* --- what the node puts out --- */

static void keep(struct machine *m, const struct out *o)
{
    if (m->count == m->cap) {
        size_t cap = m->cap == 0 ? 64 : 2 * m->cap;
        struct waiting *grown = realloc(m->waiting, cap * sizeof *grown);
        if (grown == NULL) {
            m->failed = true;
            return;
        }
        m->waiting = grown;
        m->cap = cap;
    }
    struct waiting w = {.type = o->type,
                        .peer = o->peer,
                        .event = o->event,
                        .number = o->number,
                        .telling = o->telling};
    if (o->type == OUT_SEND) {
        w.len = o->frame.len;
        w.frame = malloc(w.len > 0 ? w.len : 1);
        if (w.frame == NULL) {
            m->failed = true;
            return;
        }
        if (w.len > 0) memcpy(w.frame, o->frame.p, w.len);
        m->bytes += w.len;
    }
    m->waiting[m->count++] = w;
}

static void take_out(struct machine *m, const struct out *o)
{
    switch (o->type) {
    case OUT_PERSIST:
        store_put(m->conf.store, o->table, o->key.p, o->key.len, o->value.p, o->value.len);
        break;
    case OUT_DELETE: store_delete(m->conf.store, o->table, o->key.p, o->key.len); break;
    case OUT_RESULT: m->conf.result(m->conf.ctx, o->command, o->result); break;
    case OUT_WORK: workers_give(m->conf.workers, o->work); break;
    case OUT_SEND:
    case OUT_EVENT: keep(m, o); break;
    }
    m->dirty = true;
}

static void take_all(struct machine *m)
{
    struct out o;
    while (node_pop(m->node, &o))
        take_out(m, &o);
    if (node_failed(m->node)) m->failed = true;
}

static void step(struct machine *m, struct node_in *in)
{
    static const enum step_kind kinds[] = {[NODE_TICK] = STEP_TICK,
                                           [NODE_MESSAGE] = STEP_MESSAGE,
                                           [NODE_COMMAND] = STEP_COMMAND,
                                           [NODE_WORK] = STEP_WORK};
    const uint64_t began = clock_monotonic_us();
    assert(m->node != NULL);
    if (m->failed) return; /* the batch is lost: nothing more into it */
    in->now = began / 1000;
    in->wall = clock_wall();
    in->view = &m->view;
    node_step(m->node, in);
    take_all(m);
    histogram_observe(&m->conf.metrics->step[kinds[in->type]], clock_monotonic_us() - began);
}

void machine_message(struct machine *m, const struct cpis_id *peer, struct bytes message)
{
    cover_receive(m->cover, node_registry(m->node), peer, message, clock_monotonic());
    step(m, &(struct node_in){.type = NODE_MESSAGE,
                              .peer = *peer,
                              .message = message,
                              .workers = workers_threads(m->conf.workers) > 0});
}

bool machine_work(struct machine *m)
{
    assert(m->node != NULL);
    if (!workers_take(m->conf.workers, m->work)) return false;
    step(m, &(struct node_in){.type = NODE_WORK, .work = m->work});
    return true;
}

void machine_command(struct machine *m, const struct command *command)
{
    step(m, &(struct node_in){.type = NODE_COMMAND, .command = command});
}

/* --- the end of a batch --- */

static const char *code_of(const struct machine *m, const struct cpis_id *id)
{
    const struct registry *r = node_registry(m->node);
    const struct registry_node *n =
        r == NULL || registry_is_empty(r) ? NULL : registry_node_ever(r, id);
    return n == NULL ? "" : n->d.code;
}

/* A head's version is the time at which it was made. One made before this process began was live
 * perhaps long ago: receipts come again after a start. */
static void count_live(struct machine *m, uint64_t version)
{
    const cpis_ms wall = clock_wall();
    if (version < m->conf.metrics->started) return;
    histogram_observe(&m->conf.metrics->live, wall > version ? (wall - version) * 1000 : 0);
}

/* All of it has been durable since it was given to the cover. */
static void release_covered(struct machine *m, cpis_ms now)
{
    struct cover_out o;
    while (cover_pop(m->cover, &o))
        if (o.frame.p != NULL)
            (void)m->conf.send(m->conf.ctx, &o.peer, o.frame, now);
        else
            note_event(m->conf.notes, o.event, &o.peer, code_of(m, &o.peer), o.number, now);
}

void machine_configure(struct machine *m)
{
    cover_switch(m->cover, m->conf.cover != NULL && *m->conf.cover);
    if (m->node == NULL || m->failed) return; /* the next one is built with it */
    release_covered(m, clock_monotonic());
    if (node_configure(m->node, clock_monotonic(), clock_wall(), &m->view, m->conf.quotas,
                       m->conf.inbox, m->conf.policy) != CPIS_OK)
        m->failed = true;
}

static void release(struct machine *m)
{
    const cpis_ms now = clock_monotonic();
    for (size_t i = 0; i < m->count; i++) {
        const struct waiting *w = &m->waiting[i];
        const struct bytes frame = {w->frame, w->len};
        if (w->type == OUT_SEND) {
            if (!cover_send(m->cover, node_registry(m->node), &w->peer, frame, w->telling, now))
                (void)m->conf.send(m->conf.ctx, &w->peer, frame, now);
            continue;
        }
        note_event(m->conf.notes, w->event, &w->peer, code_of(m, &w->peer), w->number, now);
        if (w->event == EVENT_LIVE) count_live(m, w->number);
    }
    drop_waiting(m);
    release_covered(m, now);
    m->conf.committed(m->conf.ctx, true);
}

static const char *what_to_do(cpis_err err)
{
    switch ((int)err) {
    case CPIS_E_FULL:
        return "no room: the disk that holds the node's data is full, or its store has reached its "
               "limit. Free space, or raise the limit in node.conf; the node goes on by itself";
    case CPIS_E_NOMEM: return "out of memory: give the node more; it goes on by itself";
    case CPIS_E_STORE:
        return "the store can't be read or written: look at the disk and the system's log; if "
               "data.mdb is damaged, restore the node from its backup";
    case CPIS_E_AUTH:
        return "the register does not hold, or names this node with another role: compare "
               "identity.key and the register with what the stewards sent";
    case CPIS_E_MALFORMED:
        return "the register or a row of the store can't be: restore the node from its backup, or "
               "install the version that wrote it";
    case CPIS_E_VERSION: return "a newer version wrote this folder: install that one";
    default: return "an error that is not expected here: please report it";
    }
}

static void fail(struct machine *m, cpis_err err)
{
    store_abort(m->conf.store);
    drop_waiting(m);
    workers_drop(m->conf.workers);
    node_free(&m->node);
    m->why = what_to_do(err);
    m->retry = clock_monotonic() + m->pause;
    if (m->builds == 0)
        note(m->conf.notes, NOTE_ERROR, "the node can't start: %s: %s", cpis_strerror(err), m->why);
    else
        note(m->conf.notes, NOTE_ERROR,
             "%s: %s; nothing that was confirmed is lost; next try in %u s", cpis_strerror(err),
             m->why, (unsigned)(m->pause / CPIS_MS_SECOND));
    m->pause = m->pause * 2 < MACHINE_RETRY_MAX ? m->pause * 2 : MACHINE_RETRY_MAX;
    m->failed = m->dirty = false;
    m->conf.committed(m->conf.ctx, false);
}

static void step_if_due(struct machine *m)
{
    if (clock_monotonic() >= node_deadline(m->node)) step(m, &(struct node_in){.type = NODE_TICK});
}

void machine_commit(struct machine *m)
{
    if (m->node != NULL) step_if_due(m); /* what waits for the end of the batch is part of it */
    if (m->node == NULL || (!m->dirty && !m->failed)) return;
    const uint64_t began = clock_monotonic_us();
    cpis_err err = m->failed ? CPIS_E_NOMEM : store_commit(m->conf.store);
    histogram_observe(&m->conf.metrics->commit, clock_monotonic_us() - began);
    if (err != CPIS_OK) {
        fail(m, err);
        return;
    }
    m->dirty = false;
    m->pause = MACHINE_RETRY_MIN;
    release(m);
}

/* --- start --- */

static cpis_err build(struct machine *m)
{
    struct node_conf conf = {.role = m->conf.role,
                             .identity = m->conf.identity,
                             .quotas = m->conf.quotas,
                             .inbox = m->conf.inbox,
                             .policy = m->conf.policy};
    randombytes_buf(conf.seed, sizeof conf.seed);
    cpis_err err = node_new(&conf, &m->node);
    sodium_memzero(&conf, sizeof conf);
    if (err != CPIS_OK) return err;
    err = node_start(m->node, clock_monotonic(), clock_wall(), &m->view);
    if (err == CPIS_E_NOTFOUND) {
        note(m->conf.notes, NOTE_WARN,
             "this node is not in the register yet: it runs, asks for newer registers and does "
             "nothing else until the stewards admit it");
        err = CPIS_OK;
    }
    if (err != CPIS_OK) return err;
    m->dirty = true;
    take_all(m);
    err = m->failed ? CPIS_E_NOMEM : store_commit(m->conf.store);
    if (err == CPIS_OK) m->builds++;
    return err;
}

cpis_err machine_start(struct machine *m)
{
    assert(m->node == NULL);
    cpis_err err = build(m);
    if (err != CPIS_OK) {
        fail(m, err);
        return err;
    }
    m->dirty = false;
    release(m);
    store_release_pages(m->conf.store); /* an idle node stays small */
    (void)malloc_trim(0);
    return CPIS_OK;
}

void machine_tick(struct machine *m)
{
    const cpis_ms now = clock_monotonic();
    if (m->node == NULL) {
        if (now < m->retry) return;
        if (machine_start(m) == CPIS_OK) note(m->conf.notes, NOTE_INFO, "the node runs again");
        return;
    }
    if (now >= cover_deadline(m->cover)) { /* first: nothing that happens here moves a slot */
        cover_tick(m->cover, node_registry(m->node), now);
        release_covered(m, now);
    }
    step_if_due(m);
}

cpis_ms machine_deadline(const struct machine *m)
{
    if (m->node == NULL) return m->retry;
    return earlier(node_deadline(m->node), cover_deadline(m->cover));
}
