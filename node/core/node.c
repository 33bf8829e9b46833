#include "node/core/node.h"

#include "node/core/expiry.h"
#include "node/core/lookup.h"
#include "node/core/receive.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

cpis_err node_new(const struct node_conf *conf, struct node **ret)
{
    struct node *n = calloc(1, sizeof *n);
    if (n == NULL) return CPIS_E_NOMEM;
    queue_init(&n->queue);
    n->scratch = arena_make(SCRATCH_BYTES_MAX);
    n->role = conf->role;
    n->identity = *conf->identity;
    n->id = node_id_of(&n->identity.pub.sign);
    drbg_from(conf->seed, &n->rng);
    uint64_t session;
    drbg_bytes(&n->rng, &session, sizeof session);
    cpis_err err = registry_new(&n->registry);
    if (err == CPIS_OK) err = links_new(session | 1, &n->links);
    if (err == CPIS_OK) err = role_new(n, conf);
    if (err == CPIS_OK)
        *ret = n;
    else
        node_free(&n);
    return err;
}

void node_free(struct node **p)
{
    struct node *n = *p;
    if (n == NULL) return;
    role_free(n);
    links_free(&n->links);
    registry_free(&n->registry);
    queue_deinit(&n->queue);
    arena_free(&n->scratch);
    identity_wipe(&n->identity);
    drbg_wipe(&n->rng);
    free(n);
    *p = NULL;
}

/* --- a step's environment --- */

static struct env env_of(struct node *n, cpis_ms now, cpis_ms wall, const struct view *view)
{
    assert(now >= n->now);
    assert(n->queue.at == n->queue.count); /* all outputs were popped */
    queue_reset(&n->queue);
    arena_reset(&n->scratch);
    n->now = now;
    n->wall_given = wall;
    int64_t offset = registry_is_empty(n->registry) ? 0 : registry_clock_offset(n->registry, now);
    n->wall = offset < 0 && (uint64_t)-offset > wall ? 0 : wall + (uint64_t)offset;
    return (struct env){.now = now,
                        .wall = n->wall,
                        .view = view,
                        .rng = &n->rng,
                        .out = &n->queue,
                        .self = &n->identity,
                        .id = n->id,
                        .registry = n->registry,
                        .log = &n->log,
                        .quotas = n->quotas,
                        .scratch = &n->scratch};
}

bool node_pop(struct node *n, struct out *ret) { return queue_pop(&n->queue, ret); }

bool node_failed(const struct node *n) { return n->queue.failed; }

/* --- starting --- */

struct restoring {
    struct node *n;
    cpis_err err;
};

static bool restore_register(void *arg, const struct row *row)
{
    struct restoring *r = arg;
    r->err = registry_load(r->n->registry, (struct bytes){row->value, row->value_len});
    /* No peer that is behind or ahead: a row is missing, or stands under another key. */
    if (r->err == CPIS_E_REPLAY || r->err == CPIS_E_STATE) r->err = CPIS_E_MALFORMED;
    return r->err == CPIS_OK;
}

static bool restore_log(void *arg, const struct row *row)
{
    struct restoring *r = arg;
    r->err = log_restore(&r->n->log, row);
    return r->err == CPIS_OK;
}

static cpis_err restore_rows(struct node *n, struct env *e, enum table t, row_fn fn)
{
    struct restoring r = {n, CPIS_OK};
    cpis_err err = e->view->scan(e->view->ctx, t, NULL, 0, false, fn, &r);
    return err != CPIS_OK ? err : r.err;
}

static bool is_listed(const struct node *n)
{
    const struct registry_node *own = registry_node(n->registry, &n->id);
    return own != NULL && own->d.role == n->role && registry_in_force(own);
}

cpis_err node_start(struct node *n, cpis_ms now, cpis_ms wall, const struct view *view)
{
    struct env e = env_of(n, now, wall, view);
    cpis_err err = restore_rows(n, &e, TABLE_REGISTER, restore_register);
    if (err == CPIS_OK && registry_is_empty(n->registry)) err = CPIS_E_AUTH;
    if (err == CPIS_OK) err = restore_rows(n, &e, TABLE_LOG, restore_log);
    if (err == CPIS_OK) err = role_restore(n, &e);
    if (err != CPIS_OK) return err;
    (void)log_append(&e, LOG_STARTED, registry_hash(n->registry), registry_version(n->registry));
    n->listed = is_listed(n);
    n->started = true;
    return n->listed ? CPIS_OK : CPIS_E_NOTFOUND;
}

cpis_err node_configure(struct node *n, cpis_ms now, cpis_ms wall, const struct view *view,
                        const struct quota_conf *quotas, const struct inbox_conf *inbox,
                        const struct answer_policy *policy)
{
    struct env e = env_of(n, now, wall, view);
    if (n->role == ROLE_QUERY && quotas != NULL) return quotas_configure(n->quotas, quotas);
    if (n->role == ROLE_AUTHORITY) return authority_configure(n->authority, &e, inbox, policy);
    return CPIS_OK;
}

/* --- the register --- */

void node_registry_changed(struct node *n, struct env *e)
{
    n->listed = is_listed(n);
    role_registry_changed(n, e);
    links_announce(n->links, e);
    n->times_at = e->now; /* a register-time of the new one goes out at once */
}

static bool is_older_link(const struct registry *r, const struct msg_register_document *d)
{
    const struct cpis_hash hash = hash_of(d->body.p, d->body.len);
    for (uint64_t v = registry_version(r); v > 0; v--)
        if (registry_has_link(r, v, &hash)) return true;
    return false;
}

cpis_err node_take_chain(struct node *n, struct env *e, const struct msg_register_chain *chain,
                         const char **ret_why)
{
    cpis_err err = CPIS_OK;
    const uint64_t before = registry_version(n->registry);
    *ret_why = "";
    for (size_t i = 0; i < chain->links_count && err == CPIS_OK; i++) {
        struct bytes document;
        err = register_document_encode(&chain->links[i], e->scratch, &document);
        if (err != CPIS_OK) break;
        err = registry_offer(n->registry, e, document, ret_why);
        if (err == CPIS_E_REPLAY && is_older_link(n->registry, &chain->links[i])) err = CPIS_OK;
    }
    if (registry_version(n->registry) != before) node_registry_changed(n, e);
    return err;
}

/* --- time --- */

/* Each minute a directory tells everybody within reach which register is in force. */
static void send_times(struct node *n, struct env *e)
{
    if (n->role != ROLE_DIRECTORY || !n->listed || e->now < n->times_at) return;
    n->times_at = e->now + REGISTER_TIME_EVERY;
    const struct bytes time = registry_time(n->registry, e);
    if (time.p == NULL) return; /* the queue has failed */
    const struct bytes frame = wrap_frame(e, FRAME_SIGNED, time);
    for (size_t i = 0; i < registry_count(n->registry); i++) {
        const struct registry_node *peer = registry_at(n->registry, i);
        /* registry.c counts our own word already: heard from ourselves it would count twice */
        if (id_equal(&peer->id, &n->id)) continue;
        bool dialled = peer->d.role == ROLE_DIRECTORY && registry_in_force(peer);
        if (dialled || links_reachable(n->links, &peer->id, e->now))
            emit_wrapped(e, &peer->id, frame);
    }
}

static void tick(struct node *n, struct env *e)
{
    if (e->now >= n->minute_at) {
        n->minute_at = e->now + CPIS_MS_MINUTE;
        registry_tick(n->registry, e);
    }
    if (e->now >= links_deadline(n->links)) links_tick(n->links, e);
    if (e->now >= n->expire_at)
        n->expire_at = e->now + (expiry_tick(e) ? CPIS_MS_SECOND : EXPIRY_EVERY);
    send_times(n, e);
    if (n->listed) role_tick(n, e);
}

cpis_ms node_deadline(const struct node *n)
{
    if (!n->started) return CPIS_MS_NEVER;
    cpis_ms next = earlier(earlier(n->minute_at, n->expire_at), links_deadline(n->links));
    if (n->role == ROLE_DIRECTORY && n->listed) next = earlier(next, n->times_at);
    return n->listed ? earlier(next, role_deadline(n)) : next;
}

void node_step(struct node *n, const struct node_in *in)
{
    struct env e = env_of(n, in->now, in->wall, in->view);
    assert(n->started);
    e.workers = in->workers;
    switch (in->type) {
    case NODE_TICK: tick(n, &e); break;
    case NODE_MESSAGE: receive_frame(n, &e, &in->peer, in->message); break;
    case NODE_COMMAND: command_run(n, &e, in->command); break;
    case NODE_WORK: role_work(n, &e, in->work); break;
    }
    if (n->listed) role_settle(n, &e);
}

/* --- looking in --- */

const struct registry_node *node_peer_by_key(const struct node *n, const struct box_public *key)
{
    const struct registry_node *peer = registry_by_transport(n->registry, key);
    return peer != NULL && registry_in_force(peer) ? peer : NULL;
}

const struct registry *node_registry(const struct node *n) { return n->registry; }

const struct cpis_id *node_id(const struct node *n) { return &n->id; }

size_t node_peers(const struct node *n, cpis_ms now, struct peer_status *ret, size_t cap)
{
    size_t count = 0;
    for (size_t i = 0; i < registry_count(n->registry); i++) {
        const struct registry_node *peer = registry_at(n->registry, i);
        if (id_equal(&peer->id, &n->id)) continue;
        /* who is neither a directory nor one of a directory's clients is never heard directly */
        if (peer->d.role != ROLE_DIRECTORY && n->role != ROLE_DIRECTORY) continue;
        cpis_ms heard = links_last_heard(n->links, &peer->id);
        if (count < cap)
            ret[count] = (struct peer_status){
                .id = peer->id,
                .reachable = links_reachable(n->links, &peer->id, now),
                .twice = links_is_twice(n->links, &peer->id, now),
                .heard_ago = heard == 0 || heard > now ? CPIS_MS_NEVER : now - heard};
        count++;
    }
    return count;
}

cpis_err node_log_head(const struct node *n, struct arena *a, struct bytes *ret)
{
    const struct msg_log_head m = {n->id, n->wall, n->log.head.sequence, n->log.head.head};
    struct signed_message s = {.type = SIGNED_LOG_HEAD, .signer = n->id};
    cpis_err err = log_head_encode(&m, a, &s.body);
    if (err != CPIS_OK) return err;
    sign_make(&n->identity.sign, SIGNED_LOG_HEAD, registry_net(n->registry), s.body.p, s.body.len,
              &s.signature);
    return signed_message_encode(&s, a, ret);
}

void node_status(const struct node *n, cpis_ms now, cpis_ms wall, struct node_status *ret)
{
    *ret = (struct node_status){.id = n->id,
                                .role = n->role,
                                .listed = n->listed,
                                .trust = registry_trust(n->registry, now, wall),
                                .register_version = registry_version(n->registry),
                                .register_expires = registry_expires(n->registry),
                                .log = n->log.head};
    ret->clock_known = registry_clock_difference(n->registry, now, &ret->clock_difference);
    role_status(n, wall, ret);
}
