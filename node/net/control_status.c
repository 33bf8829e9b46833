/* status: {} -> what the node knows of itself. Names stand beside ids wherever the register has
 * them; times are ISO 8601 UTC or null. */
#include "node/net/control_int.h"
#include "node/net/json_memory.h"

#include <stdlib.h>
#include <string.h>

#define LIST_MAX 2048U

const char *control_role_name(enum node_role r)
{
    switch (r) {
    case ROLE_AUTHORITY: return "authority";
    case ROLE_DIRECTORY: return "directory";
    case ROLE_QUERY: return "query";
    }
    return "";
}

static const char *trust_name(enum register_trust t)
{
    switch (t) {
    case REGISTER_FRESH: return "fresh";
    case REGISTER_UNCONFIRMED: return "unconfirmed";
    case REGISTER_STALE: return "stale";
    }
    return "";
}

static const char *phase_name(enum ceremony_phase p)
{
    switch (p) {
    case CEREMONY_NONE: return "none";
    case CEREMONY_DEALING: return "dealing";
    case CEREMONY_REVEALING: return "revealing";
    case CEREMONY_ACCEPTING: return "accepting";
    case CEREMONY_DONE: return "done";
    case CEREMONY_FAILED: return "failed";
    }
    return "";
}

static json_t *number(uint64_t n) { return json_integer((json_int_t)n); }

static json_t *peers_json(const struct control_env *env)
{
    json_t *list = json_array();
    struct peer_status *all = json_memory_calloc(LIST_MAX, sizeof *all);
    size_t n = all == NULL ? 0 : node_peers(env->node, env->now, all, LIST_MAX);
    for (size_t i = 0; i < n && i < LIST_MAX; i++) {
        const struct registry_node *p = registry_node(node_registry(env->node), &all[i].id);
        json_t *o = json_node(env, &all[i].id);
        put(o, "id", json_hex(all[i].id.b, CPIS_ID_BYTES));
        put(o, "role",
            p == NULL ? NULL : json_string(control_role_name((enum node_role)p->d.role)));
        put(o, "in_force", json_boolean(p != NULL && registry_in_force(p)));
        put(o, "state", p == NULL ? NULL : json_string(node_state_name(p->state)));
        put(o, "reachable", json_boolean(all[i].reachable));
        put(o, "twice", json_boolean(all[i].twice));
        put(o, "covered",
            json_boolean(env->cover != NULL && cover_is_live(env->cover, &all[i].id, env->now)));
        put(o, "heard_ago_ms", all[i].heard_ago == CPIS_MS_NEVER ? NULL : number(all[i].heard_ago));
        (void)json_array_append_new(list, o);
    }
    free(all);
    return list;
}

static json_t *lists_json(const struct control_env *env)
{
    json_t *list = json_array();
    struct list_summary *all = json_memory_calloc(LIST_MAX, sizeof *all);
    size_t n = all == NULL ? 0 : node_lists(env->node, all, LIST_MAX);
    for (size_t i = 0; i < n && i < LIST_MAX; i++) {
        json_t *o = json_object();
        put(o, "authority", json_node(env, &all[i].authority));
        put(o, "epoch", number(all[i].epoch));
        put(o, "version", number(all[i].version));
        put(o, "n", number(all[i].n));
        put(o, "time", json_time(all[i].time));
        put(o, "in_state", json_boolean(all[i].in_state));
        (void)json_array_append_new(list, o);
    }
    free(all);
    return list;
}

static json_t *published_json(const struct control_env *env)
{
    struct publisher_status all[REGISTER_EPOCHS_MAX];
    size_t n = node_published(env->node, all, REGISTER_EPOCHS_MAX);
    json_t *list = json_array();
    for (size_t i = 0; i < n && i < REGISTER_EPOCHS_MAX; i++) {
        const struct publisher_status *p = &all[i];
        json_t *o = json_object();
        put(o, "epoch", number(p->epoch));
        put(o, "version", number(p->version));
        put(o, "version_live", number(p->version_live));
        put(o, "live", json_boolean(p->version > 0 && p->version_live == p->version));
        put(o, "n", number(p->n));
        put(o, "real", number(p->real));
        put(o, "time", json_time(p->time));
        put(o, "receipts", number(p->receipts));
        put(o, "receipts_searchable", number(p->receipts_searchable));
        put(o, "receipts_live", number(p->receipts_live));
        put(o, "waiting", number(p->waiting));
        put(o, "evaluated", number(p->evaluated));
        put(o, "to_evaluate", number(p->to_evaluate));
        put(o, "started", json_boolean(p->started));
        put(o, "shrink_held", json_boolean(p->shrink_held));
        put(o, "unsure", json_boolean(p->unsure));
        (void)json_array_append_new(list, o);
    }
    return list;
}

/* use of limit in whole per cent, rounded down; null where nothing is allowed */
static json_t *percent(uint64_t used, uint64_t limit)
{
    if (limit == 0) return NULL;
    return number(used < UINT64_MAX / 100 ? used * 100 / limit : used / (limit / 100 + 1));
}

static json_t *organisations_json(const struct control_env *env)
{
    json_t *list = json_array();
    struct quota_use *all = json_memory_calloc(QUOTA_ORGANISATIONS_MAX, sizeof *all);
    size_t n = all == NULL ? 0 : node_asked(env->node, all, QUOTA_ORGANISATIONS_MAX);
    for (size_t i = 0; i < n && i < QUOTA_ORGANISATIONS_MAX; i++) {
        json_t *o = json_object();
        const bool unlimited = all[i].limit > INT64_MAX;
        put(o, "code", json_text(all[i].code.text));
        put(o, "lookups", number(all[i].lookups));
        put(o, "limit", unlimited ? NULL : number(all[i].limit));
        put(o, "percent", unlimited ? NULL : percent(all[i].lookups, all[i].limit));
        (void)json_array_append_new(list, o);
    }
    free(all);
    return list;
}

static json_t *today_json(const struct control_env *env, const struct node_status *s)
{
    json_t *o = json_object();
    put(o, "lookups", number(s->asked_today));
    put(o, "limit", s->listed ? number(s->asked_limit) : NULL);
    put(o, "percent", s->listed ? percent(s->asked_today, s->asked_limit) : NULL);
    put(o, "organisations", organisations_json(env));
    return o;
}

static json_t *ceremony_json(const struct ceremony_status *c)
{
    json_t *o = json_object();
    put(o, "phase", json_string(phase_name(c->phase)));
    put(o, "epoch", number(c->epoch));
    put(o, "n", number(c->n));
    put(o, "t", number(c->t));
    put(o, "own_index", number(c->own_index));
    put(o, "heard", number(c->heard));
    put(o, "culprit", c->culprit == 0 ? NULL : number(c->culprit));
    return o;
}

static void put_role(json_t *o, const struct control_env *env, const struct node_status *s)
{
    json_t *part = json_object();
    if (s->role == ROLE_DIRECTORY) {
        put(part, "copies_waiting", number(s->copies_waiting));
        put(part, "copies_oldest", s->copies_waiting == 0 ? NULL : json_time(s->copies_oldest));
        put(part, "ceremony", ceremony_json(&s->ceremony));
        put(part, "lists_ready", json_boolean(s->lists_ready));
        put(part, "has_share", json_boolean(s->has_share));
        put(part, "lists", lists_json(env));
    } else if (s->role == ROLE_AUTHORITY) {
        put(part, "children", number(s->children));
        put(part, "published", published_json(env));
        json_t *inbox = json_object();
        put(inbox, "unopened", number(s->inbox.unopened));
        put(inbox, "escalated", number(s->inbox.escalated));
        put(part, "notifications", inbox);
    } else {
        put(part, "lookups_active", number(s->lookups_active));
        put(part, "outbox", number(s->outbox));
        put(part, "outbox_oldest", json_time(s->outbox_oldest));
        put(part, "today", today_json(env, s));
    }
    put(o, control_role_name(s->role), part);
}

struct control_quorum control_quorum(const struct control_env *env)
{
    struct control_quorum q = {.holders = 0};
    const struct registry *r = node_registry(env->node);
    const struct registry_epoch *ep = registry_epoch_current(r, env->wall);
    struct peer_status *all = json_memory_calloc(LIST_MAX, sizeof *all);
    const size_t n = all == NULL ? 0 : node_peers(env->node, env->now, all, LIST_MAX);
    if (ep != NULL) {
        const bool self = registry_index_of(ep, node_id(env->node)) != 0;
        q = (struct control_quorum){
            .holders = ep->n, .reachable = self, .needed = ep->t, .epoch = ep->number};
        for (size_t i = 0; i < n && i < LIST_MAX; i++)
            q.reachable += all[i].reachable && registry_index_of(ep, &all[i].id) != 0;
    }
    free(all);
    return q;
}

/* The current one; `before`: the number of the one before, as long as the register carries it. */
static json_t *epoch_json(const struct control_env *env)
{
    const struct registry *r = node_registry(env->node);
    const struct registry_epoch *ep = registry_epoch_current(r, env->wall),
                                *before = registry_epoch_before(r, env->wall);
    if (ep == NULL) return NULL;
    json_t *o = json_object();
    put(o, "number", number(ep->number));
    put(o, "t", number(ep->t));
    put(o, "n", number(ep->n));
    put(o, "reachable", number(control_quorum(env).reachable));
    put(o, "ends", json_time(ep->not_after));
    put(o, "before", before == NULL ? NULL : number(before->number));
    return o;
}

/* How the register has this node. */
static const char *standing_of(const struct registry *r, const struct cpis_id *id)
{
    const struct registry_node *own = registry_node(r, id);
    if (own != NULL) return node_state_name(own->state);
    own = registry_node_ever(r, id);
    if (own == NULL) return "never admitted";
    return own->state >= NODE_RETIRED ? node_state_name(own->state) : "removed";
}

static void put_node(json_t *o, const struct control_env *env)
{
    struct node_status s;
    node_status(env->node, env->now, env->wall, &s);
    put(o, "node_id", json_hex(s.id.b, sizeof s.id.b)); /* "id" is the request's */
    put(o, "listed", json_boolean(s.listed));
    put(o, "standing", json_string(standing_of(node_registry(env->node), &s.id)));
    put(o, "node", json_node(env, &s.id));
    json_t *r = json_object();
    put(r, "version", number(s.register_version));
    put(r, "expires", json_time(s.register_expires));
    put(r, "trust", json_string(trust_name(s.trust)));
    put(r, "head_age_ms", number(registry_head_age(node_registry(env->node))));
    put(o, "register", r);
    put(o, "epoch", epoch_json(env));
    json_t *clock = json_object();
    put(clock, "known", json_boolean(s.clock_known));
    put(clock, "difference_ms",
        s.clock_known ? json_integer((json_int_t)s.clock_difference) : NULL);
    put(o, "clock", clock);
    json_t *log = json_object();
    put(log, "sequence", number(s.log.sequence));
    put(log, "head", json_hex(s.log.head.b, sizeof s.log.head.b));
    put(o, "log", log);
    put_role(o, env, &s);
    put(o, "peers", peers_json(env));
}

static json_t *events_json(const struct control_env *env)
{
    json_t *o = json_object();
    for (unsigned e = 0; e < EVENT_COUNT; e++)
        put(o, event_name((enum event)e), number(note_count(env->notes, (enum event)e)));
    return o;
}

/* Events of the level of errors that have come since the start: what an operator should see to. */
static json_t *alarms_json(const struct control_env *env)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < EVENT_COUNT; i++) {
        const enum event e = (enum event)i;
        const cpis_ms last = note_last(env->notes, e);
        if (event_level(e) < 3 || note_count(env->notes, e) == 0) continue;
        json_t *o = json_object();
        put(o, "event", json_string(event_name(e)));
        put(o, "text", json_string(event_text(e)));
        put(o, "count", number(note_count(env->notes, e)));
        put(o, "last", last > env->now ? NULL : json_time(env->wall - (env->now - last)));
        (void)json_array_append_new(list, o);
    }
    return list;
}

static json_t *transport_json(const struct control_env *env)
{
    struct transport_counts t;
    if (env->transport == NULL) return NULL;
    transport_counts(env->transport, &t);
    json_t *o = json_object();
    const char *endpoint = transport_endpoint(env->transport);
    put(o, "endpoint", endpoint == NULL ? NULL : json_string(endpoint));
    put(o, "received", number(t.received));
    put(o, "sent", number(t.sent));
    put(o, "refused", number(t.refused));
    put(o, "malformed", number(t.malformed));
    put(o, "unreachable", number(t.unreachable));
    put(o, "full", number(t.full));
    return o;
}

static json_t *cover_json(const struct control_env *env)
{
    struct cover_counts n;
    json_t *o = json_object();
    cover_counts(env->cover, &n);
    put(o, "on", json_boolean(cover_is_on(env->cover)));
    put(o, "cells_sent", number(n.sent));
    put(o, "cells_received", number(n.received));
    put(o, "carried", number(n.carried));
    put(o, "clear", number(n.clear));
    put(o, "lost", number(n.lost));
    put(o, "held", number(n.held));
    return o;
}

static json_t *store_json(const struct control_env *env)
{
    struct store_stats s;
    if (store_stats(env->store, &s) != CPIS_OK) return NULL;
    json_t *o = json_object(), *rows = json_object();
    for (unsigned t = 0; t < TABLE_COUNT; t++)
        put(rows, table_name((enum table)t), number(s.rows[t]));
    put(o, "rows", rows);
    put(o, "row_version", number(s.row_version));
    put(o, "map_bytes", number(s.map_bytes));
    put(o, "map_bytes_max", number(s.map_bytes_max));
    put(o, "used_bytes", number(s.used_bytes));
    return o;
}

json_t *control_status(struct control *c, const struct control_env *env, struct request *r,
                       struct fault *f)
{
    (void)c;
    (void)r;
    (void)f;
    json_t *o = json_object();
    put(o, "role", json_string(control_role_name(env->role)));
    put(o, "time", json_time(env->wall));
    put(o, "runs", json_boolean(env->node != NULL));
    put(o, "why_down", env->node != NULL ? NULL : json_text(env->why_down));
    put(o, "confined", env->confined == NULL ? NULL : json_text(env->confined));
    put(o, "confined_whole", env->confined == NULL ? NULL : json_boolean(env->confined_whole));
    if (env->node != NULL) put_node(o, env);
    put(o, "events", events_json(env));
    put(o, "alarms", alarms_json(env));
    put(o, "transport", transport_json(env));
    put(o, "cover", env->cover == NULL ? NULL : cover_json(env));
    put(o, "store", store_json(env));
    return o;
}
