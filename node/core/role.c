/* What a node of each role is made of: one place that knows which machines there are. */
#include "node/core/receive.h"

#include <assert.h>

cpis_err role_new(struct node *n, const struct node_conf *conf)
{
    static const struct quota_conf no_limits = {.lookups_a_day = UINT64_MAX};
    cpis_err err = CPIS_OK;
    switch (n->role) {
    case ROLE_DIRECTORY:
        err = evaluator_new(&n->evaluator);
        if (err == CPIS_OK) err = lists_new(n->links, &n->lists);
        if (err == CPIS_OK) err = courier_new(n->lists, n->evaluator, n->links, &n->courier);
        if (err == CPIS_OK) err = ceremony_new(n->evaluator, &n->ceremony);
        break;
    case ROLE_AUTHORITY:
        err = tokens_new(n->links, &n->tokens);
        if (err == CPIS_OK) err = children_new(&n->children);
        if (err == CPIS_OK) err = publisher_new(n->children, n->tokens, n->links, &n->publisher);
        if (err == CPIS_OK)
            err =
                authority_new(n->children, n->publisher, conf->inbox, conf->policy, &n->authority);
        break;
    case ROLE_QUERY:
        err = tokens_new(n->links, &n->tokens);
        if (err == CPIS_OK) err = heads_new(&n->heads);
        if (err == CPIS_OK) err = lookups_new(n->tokens, n->heads, n->links, &n->lookups);
        if (err == CPIS_OK)
            err = quotas_new(conf->quotas != NULL ? conf->quotas : &no_limits, &n->quotas);
        break;
    }
    return err;
}

void role_free(struct node *n)
{
    ceremony_free(&n->ceremony);
    courier_free(&n->courier);
    lists_free(&n->lists);
    evaluator_free(&n->evaluator);
    authority_free(&n->authority);
    publisher_free(&n->publisher);
    children_free(&n->children);
    quotas_free(&n->quotas);
    lookups_free(&n->lookups);
    heads_free(&n->heads);
    tokens_free(&n->tokens);
}

cpis_err role_restore(struct node *n, struct env *e)
{
    cpis_err err = CPIS_OK;
    switch (n->role) {
    case ROLE_DIRECTORY:
        err = evaluator_restore(n->evaluator, e);
        if (err == CPIS_OK) err = lists_restore(n->lists, e);
        if (err == CPIS_OK) err = courier_restore(n->courier, e);
        if (err == CPIS_OK) err = ceremony_restore(n->ceremony, e);
        break;
    case ROLE_AUTHORITY:
        err = children_restore(n->children, e);
        if (err == CPIS_OK) err = publisher_restore(n->publisher, e);
        if (err == CPIS_OK) err = authority_restore(n->authority, e);
        break;
    case ROLE_QUERY:
        err = heads_restore(n->heads, e);
        if (err == CPIS_OK) err = lookups_restore(n->lookups, e);
        if (err == CPIS_OK) err = quotas_restore(n->quotas, e);
        break;
    }
    return err;
}

void role_registry_changed(struct node *n, struct env *e)
{
    switch (n->role) {
    case ROLE_DIRECTORY:
        lists_registry_changed(n->lists, e);
        courier_registry_changed(n->courier, e);
        break;
    case ROLE_AUTHORITY: publisher_registry_changed(n->publisher, e); break;
    case ROLE_QUERY:
        heads_registry_changed(n->heads, e);
        lookups_registry_changed(n->lookups, e);
        break;
    }
}

void role_peer_appeared(struct node *n, struct env *e, const struct registry_node *peer)
{
    switch (n->role) {
    case ROLE_DIRECTORY:
        registry_send_time(n->registry, e, &peer->id);
        lists_peer_appeared(n->lists, e, peer);
        courier_peer_appeared(n->courier, e, peer);
        break;
    case ROLE_AUTHORITY:
        if (peer->d.role != ROLE_DIRECTORY) break;
        publisher_directory_appeared(n->publisher, e, peer);
        authority_directory_appeared(n->authority, e, peer);
        break;
    case ROLE_QUERY: break; /* directories stream to us of themselves */
    }
}

void role_tick(struct node *n, struct env *e)
{
    switch (n->role) {
    case ROLE_DIRECTORY:
        evaluator_tick(n->evaluator, e);
        lists_tick(n->lists, e);
        courier_tick(n->courier, e);
        ceremony_tick(n->ceremony, e);
        break;
    case ROLE_AUTHORITY:
        tokens_tick(n->tokens, e);
        publisher_tick(n->publisher, e);
        authority_tick(n->authority, e);
        break;
    case ROLE_QUERY:
        tokens_tick(n->tokens, e);
        lookups_tick(n->lookups, e);
        quotas_tick(n->quotas, e);
        break;
    }
}

cpis_ms role_deadline(const struct node *n)
{
    switch (n->role) {
    case ROLE_DIRECTORY:
        return earlier(earlier(lists_deadline(n->lists), courier_deadline(n->courier)),
                       ceremony_deadline(n->ceremony));
    case ROLE_AUTHORITY:
        return earlier(earlier(tokens_deadline(n->tokens), publisher_deadline(n->publisher)),
                       authority_deadline(n->authority));
    case ROLE_QUERY:
        return earlier(earlier(tokens_deadline(n->tokens), lookups_deadline(n->lookups)),
                       quotas_deadline(n->quotas));
    }
    return CPIS_MS_NEVER;
}

void role_work(struct node *n, struct env *e, const struct work *w)
{
    if (n->role == ROLE_DIRECTORY)
        evaluator_recv_work(n->evaluator, e, w);
    else
        tokens_recv_work(n->tokens, e, w);
}

void role_settle(struct node *n, struct env *e)
{
    struct tokens_done done;
    bool mine;
    while (n->tokens != NULL && tokens_pop(n->tokens, &done)) {
        if (n->role == ROLE_AUTHORITY)
            publisher_tokens_done(n->publisher, e, &done, &mine);
        else
            lookups_tokens_done(n->lookups, e, &done, &mine);
        tokens_release(n->tokens, done.job);
    }
    if (n->role == ROLE_AUTHORITY && publisher_take_entries_added(n->publisher))
        authority_entries_added(n->authority, e);
    if (n->role == ROLE_QUERY) quotas_settle(n->quotas, e);
}

void role_status(const struct node *n, cpis_ms wall, struct node_status *ret)
{
    const struct registry_epoch *ep = registry_epoch_current(n->registry, wall);
    const struct registry_node *self;
    switch (n->role) {
    case ROLE_DIRECTORY:
        ret->copies_waiting = courier_waiting(n->courier, &ret->copies_oldest);
        ret->lists_ready = lists_ready(n->lists);
        ret->has_share = ep != NULL && evaluator_has_share(n->evaluator, ep);
        ceremony_status(n->ceremony, &ret->ceremony);
        break;
    case ROLE_AUTHORITY:
        ret->children = children_count(n->children);
        ret->inbox = authority_inbox(n->authority);
        break;
    case ROLE_QUERY:
        ret->lookups_active = lookups_active(n->lookups);
        ret->outbox = lookups_outbox(n->lookups, &ret->outbox_oldest);
        ret->asked_today = quotas_node_used(n->quotas, n->wall);
        self = registry_node(n->registry, &n->id);
        ret->asked_limit = self == NULL ? 0 : quotas_node_limit(self);
        break;
    }
}

size_t node_lists(const struct node *n, struct list_summary *ret, size_t cap)
{
    return n->role == ROLE_DIRECTORY ? lists_summary(n->lists, ret, cap) : 0;
}

size_t node_published(const struct node *n, struct publisher_status *ret, size_t cap)
{
    return n->role == ROLE_AUTHORITY ? publisher_status(n->publisher, ret, cap) : 0;
}

size_t node_asked(const struct node *n, struct quota_use *ret, size_t cap)
{
    return n->role == ROLE_QUERY ? quotas_used(n->quotas, n->wall, ret, cap) : 0;
}

size_t node_heads(const struct node *n, struct newest_head *ret, size_t cap)
{
    const struct registry_epoch *ep = registry_epoch_current(n->registry, n->wall);
    return n->role == ROLE_QUERY && ep != NULL ? heads_newest(n->heads, ep->number, ret, cap) : 0;
}

size_t node_evaluated(const struct node *n, struct evaluator_use *ret, size_t cap)
{
    return n->role == ROLE_DIRECTORY ? evaluator_used(n->evaluator, n->wall, ret, cap) : 0;
}

size_t node_acceptances(const struct node *n, const struct signed_message **ret, size_t cap)
{
    return n->role == ROLE_DIRECTORY ? ceremony_acceptances(n->ceremony, ret, cap) : 0;
}
