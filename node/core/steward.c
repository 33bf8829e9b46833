#include "node/core/steward.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static bool is_first(const struct registry *chain)
{
    return chain == NULL || registry_is_empty(chain);
}

struct msg_register steward_first(struct bytes root_keys, uint32_t root_threshold, uint64_t issued,
                                  uint64_t expires)
{
    return (struct msg_register){.version = 1,
                                 .issued = issued,
                                 .expires = expires,
                                 .root_keys = root_keys,
                                 .root_threshold = root_threshold,
                                 .head_age = STEWARD_HEAD_AGE};
}

cpis_err steward_next(const struct registry *chain, uint64_t issued, uint64_t expires,
                      struct arena *a, struct msg_register *ret)
{
    struct bytes body = {NULL, 0};
    struct msg_register next; /* through the codec: the draft borrows nothing from the chain */
    cpis_err err = register_body_encode(registry_newest(chain), a, &body);
    if (err == CPIS_OK) err = register_body_decode(body, a, &next);
    if (err != CPIS_OK) return err;
    next.version = registry_version(chain) + 1;
    next.previous = *registry_hash(chain);
    next.issued = issued;
    next.expires = expires;
    *ret = next;
    return CPIS_OK;
}

static struct cpis_id id_of(const struct msg_register_node *n)
{
    return node_id_of(&n->descriptor.sign_key);
}

static struct msg_register_node *find(struct msg_register *draft, const struct cpis_id *node)
{
    for (size_t i = 0; i < draft->nodes_count; i++) {
        const struct cpis_id id = id_of(&draft->nodes[i]);
        if (id_equal(&id, node)) return &draft->nodes[i];
    }
    return NULL;
}

static cpis_err fails(cpis_err err, const char *why, const char **ret_why)
{
    *ret_why = why;
    return err;
}

static cpis_err no_room(const char **ret_why)
{
    return fails(CPIS_E_NOMEM, "out of memory", ret_why);
}

static cpis_err not_there(const char **ret_why)
{
    return fails(CPIS_E_NOTFOUND, "no such node in the register", ret_why);
}

/* A copy of a list with room for one element more, zeroed. NULL: out of memory. */
static void *longer(struct arena *a, const void *list, size_t count, size_t element)
{
    uint8_t *p = arena_take(a, (count + 1) * element);
    if (p != NULL && count > 0) memcpy(p, list, count * element);
    return p;
}

static void take_away(void *list, size_t *count, size_t at, size_t element)
{
    uint8_t *p = list;
    memmove(p + at * element, p + (at + 1) * element, (*count - at - 1) * element);
    (*count)--;
}

/* --- nodes --- */

static cpis_err own_signature(const struct net_id *net, const struct msg_signed_descriptor *d,
                              const char **ret_why)
{
    cpis_err err = registry_descriptor_check(&d->descriptor, &d->signature, net);
    if (err == CPIS_OK) return CPIS_OK;
    if (err == CPIS_E_NOMEM) return no_room(ret_why);
    return fails(err, "the node's own signature does not verify for this network", ret_why);
}

cpis_err steward_add_node(struct msg_register *draft, struct arena *a, const struct net_id *net,
                          const struct msg_signed_descriptor *d,
                          const struct steward_limits *limits, const struct cpis_id *replaces,
                          const char **ret_why)
{
    cpis_err err = own_signature(net, d, ret_why);
    if (err != CPIS_OK) return err;
    const struct cpis_id id = node_id_of(&d->descriptor.sign_key);
    if (find(draft, &id) != NULL)
        return fails(CPIS_E_STATE, "the node is in the register", ret_why);
    if (draft->nodes_count == REGISTER_NODES_MAX)
        return fails(CPIS_E_LIMIT, "the register is full", ret_why);
    struct msg_register_node *nodes =
        longer(a, draft->nodes, draft->nodes_count, sizeof *draft->nodes);
    if (nodes == NULL) return no_room(ret_why);
    struct msg_register_node *n = &nodes[draft->nodes_count];
    *n = (struct msg_register_node){.descriptor = d->descriptor,
                                    .signature = d->signature,
                                    .state = NODE_JOINING,
                                    .evaluations_per_day = limits->evaluations_per_day,
                                    .lookups_per_day = limits->lookups_per_day,
                                    .tokens_max = limits->tokens_max};
    if (replaces != NULL) n->replaces = *replaces;
    draft->nodes = nodes;
    draft->nodes_count++;
    return CPIS_OK;
}

cpis_err steward_set_descriptor(struct msg_register *draft, const struct net_id *net,
                                const struct msg_signed_descriptor *d, const char **ret_why)
{
    cpis_err err = own_signature(net, d, ret_why);
    if (err != CPIS_OK) return err;
    const struct cpis_id id = node_id_of(&d->descriptor.sign_key);
    struct msg_register_node *n = find(draft, &id);
    if (n == NULL) return not_there(ret_why);
    n->descriptor = d->descriptor;
    n->signature = d->signature;
    return CPIS_OK;
}

cpis_err steward_set_state(struct msg_register *draft, const struct cpis_id *node,
                           enum node_state state, const char **ret_why)
{
    struct msg_register_node *n = find(draft, node);
    if (n == NULL) return not_there(ret_why);
    n->state = (uint32_t)state;
    return CPIS_OK;
}

cpis_err steward_set_limits(struct msg_register *draft, const struct cpis_id *node,
                            const struct steward_limits *limits, const char **ret_why)
{
    struct msg_register_node *n = find(draft, node);
    if (n == NULL) return not_there(ret_why);
    n->evaluations_per_day = limits->evaluations_per_day;
    n->lookups_per_day = limits->lookups_per_day;
    n->tokens_max = limits->tokens_max;
    return CPIS_OK;
}

cpis_err steward_set_successors(struct msg_register *draft, struct arena *a,
                                const struct cpis_id *node, const struct cpis_id *successors,
                                size_t count, const char **ret_why)
{
    struct msg_register_node *n = find(draft, node);
    if (n == NULL) return not_there(ret_why);
    if (count > SUCCESSORS_MAX) return fails(CPIS_E_LIMIT, "too many successors", ret_why);
    const uint8_t *p = arena_copy(a, successors, count * CPIS_ID_BYTES);
    if (p == NULL) return no_room(ret_why);
    n->successors = (struct bytes){p, count * CPIS_ID_BYTES};
    return CPIS_OK;
}

cpis_err steward_remove_node(struct msg_register *draft, const struct cpis_id *node,
                             const char **ret_why)
{
    struct msg_register_node *n = find(draft, node);
    if (n == NULL) return not_there(ret_why);
    take_away(draft->nodes, &draft->nodes_count, (size_t)(n - draft->nodes), sizeof *n);
    return CPIS_OK;
}

/* --- epochs --- */

static bool same_bytes(struct bytes x, struct bytes y)
{
    return x.len == y.len && (x.len == 0 || memcmp(x.p, y.p, x.len) == 0);
}

/* One share-accepted message: signed by the directory that the draft knows at that index. */
static cpis_err take_acceptance(struct msg_register *draft, struct arena *a,
                                const struct net_id *net, const struct signed_message *s,
                                struct msg_share_accepted *ret, const char **ret_why)
{
    struct msg_register_node *n = find(draft, &s->signer);
    if (s->type != SIGNED_SHARE_ACCEPTED || n == NULL || n->descriptor.role != ROLE_DIRECTORY ||
        sign_check(&n->descriptor.sign_key, SIGNED_SHARE_ACCEPTED, net, s->body.p, s->body.len,
                   &s->signature) != CPIS_OK)
        return fails(CPIS_E_AUTH, "an acceptance is not signed by a directory of the register",
                     ret_why);
    cpis_err err = share_accepted_decode(s->body, a, ret);
    if (err == CPIS_E_NOMEM) return no_room(ret_why);
    if (err != CPIS_OK) return fails(CPIS_E_MALFORMED, "an acceptance does not decode", ret_why);
    if (ret->index > ret->holders.len / CPIS_ID_BYTES)
        return fails(CPIS_E_MALFORMED, "an acceptance's index is not among its holders", ret_why);
    if (memcmp(ret->holders.p + (ret->index - 1) * CPIS_ID_BYTES, s->signer.b, CPIS_ID_BYTES) != 0)
        return fails(CPIS_E_AUTH, "an acceptance is signed by another node than its share holder",
                     ret_why);
    return CPIS_OK;
}

static cpis_err take_acceptances(struct msg_register *draft, struct arena *a,
                                 const struct net_id *net, const struct signed_message *s,
                                 size_t count, struct msg_share_accepted *ret, const char **ret_why)
{
    uint32_t seen = 0;
    if (count == 0) return fails(CPIS_E_MALFORMED, "there are no acceptances", ret_why);
    for (size_t i = 0; i < count; i++) {
        struct msg_share_accepted m = {.epoch = 0};
        cpis_err err = take_acceptance(draft, a, net, &s[i], &m, ret_why);
        if (err != CPIS_OK) return err;
        if (i == 0) *ret = m;
        if (m.epoch != ret->epoch || m.threshold != ret->threshold ||
            !same_bytes(m.holders, ret->holders) || !same_bytes(m.commitments, ret->commitments))
            return fails(CPIS_E_MALFORMED, "the acceptances are not of one ceremony", ret_why);
        if ((seen & 1U << (m.index - 1)) != 0)
            return fails(CPIS_E_MALFORMED, "one share holder's acceptance stands there twice",
                         ret_why);
        seen |= 1U << (m.index - 1);
    }
    const size_t n = ret->holders.len / CPIS_ID_BYTES;
    if (count != n)
        return fails(CPIS_E_MALFORMED, "the acceptance of a share holder is missing", ret_why);
    if (ret->threshold > n || ret->commitments.len != ret->threshold * OPRF_ELEMENT_BYTES)
        return fails(CPIS_E_MALFORMED, "threshold and commitments do not fit", ret_why);
    return CPIS_OK;
}

cpis_err steward_add_epoch(struct msg_register *draft, struct arena *a, const struct net_id *net,
                           const struct signed_message *acceptances, size_t count,
                           const struct steward_epoch *ep, const char **ret_why)
{
    struct msg_share_accepted m = {.epoch = 0};
    cpis_err err = take_acceptances(draft, a, net, acceptances, count, &m, ret_why);
    if (err != CPIS_OK) return err;
    for (size_t i = 0; i < draft->epochs_count; i++)
        if (draft->epochs[i].number == m.epoch)
            return fails(CPIS_E_STATE, "the epoch is in the register", ret_why);
    if (draft->epochs_count == REGISTER_EPOCHS_MAX)
        return fails(CPIS_E_LIMIT, "the register holds as many epochs as it can", ret_why);
    struct msg_register_epoch *epochs =
        longer(a, draft->epochs, draft->epochs_count, sizeof *draft->epochs);
    if (epochs == NULL) return no_room(ret_why);
    epochs[draft->epochs_count] = (struct msg_register_epoch){.number = m.epoch,
                                                              .holders = m.holders,
                                                              .commitments = m.commitments,
                                                              .bucket_bits = ep->bucket_bits,
                                                              .not_before = ep->not_before,
                                                              .not_after = ep->not_after};
    draft->epochs = epochs;
    draft->epochs_count++;
    return CPIS_OK;
}

static struct msg_register_epoch *find_epoch(struct msg_register *draft, uint32_t number)
{
    for (size_t i = 0; i < draft->epochs_count; i++)
        if (draft->epochs[i].number == number) return &draft->epochs[i];
    return NULL;
}

cpis_err steward_set_epoch_end(struct msg_register *draft, uint32_t number, uint64_t not_after,
                               const char **ret_why)
{
    struct msg_register_epoch *ep = find_epoch(draft, number);
    if (ep == NULL) return fails(CPIS_E_NOTFOUND, "no such epoch in the register", ret_why);
    ep->not_after = not_after;
    return CPIS_OK;
}

cpis_err steward_remove_epoch(struct msg_register *draft, uint32_t number, const char **ret_why)
{
    struct msg_register_epoch *ep = find_epoch(draft, number);
    if (ep == NULL) return fails(CPIS_E_NOTFOUND, "no such epoch in the register", ret_why);
    take_away(draft->epochs, &draft->epochs_count, (size_t)(ep - draft->epochs), sizeof *ep);
    return CPIS_OK;
}

/* --- notices, expected, roots --- */

cpis_err steward_set_notice(struct msg_register *draft, struct arena *a,
                            const struct msg_register_notice *notice, const char **ret_why)
{
    size_t at = 0;
    while (at < draft->notices_count &&
           !id_equal(&draft->notices[at].authority_id, &notice->authority_id))
        at++;
    const bool is_there = at < draft->notices_count;
    if (notice->until == 0) {
        if (!is_there) return fails(CPIS_E_NOTFOUND, "no notice about that authority", ret_why);
        take_away(draft->notices, &draft->notices_count, at, sizeof *draft->notices);
        return CPIS_OK;
    }
    if (!is_there) {
        if (at == REGISTER_NODES_MAX) return fails(CPIS_E_LIMIT, "too many notices", ret_why);
        struct msg_register_notice *longer_list =
            longer(a, draft->notices, at, sizeof *draft->notices);
        if (longer_list == NULL) return no_room(ret_why);
        draft->notices = longer_list;
        draft->notices_count++;
    }
    draft->notices[at] = *notice;
    return CPIS_OK;
}

cpis_err steward_set_expected(struct msg_register *draft, struct arena *a,
                              const struct msg_register_expected *expected, size_t count,
                              const char **ret_why)
{
    if (count > REGISTER_NODES_MAX)
        return fails(CPIS_E_LIMIT, "too many expected authorities", ret_why);
    struct msg_register_expected *copy = arena_copy(a, expected, count * sizeof *expected);
    if (copy == NULL) return no_room(ret_why);
    draft->expected = copy;
    draft->expected_count = count;
    return CPIS_OK;
}

cpis_err steward_set_roots(struct msg_register *draft, struct arena *a, struct bytes root_keys,
                           uint32_t root_threshold, const char **ret_why)
{
    if (root_keys.len > ROOT_KEYS_MAX * SIGN_PUBLIC_BYTES)
        return fails(CPIS_E_LIMIT, "too many root keys", ret_why);
    const uint8_t *copy = arena_copy(a, root_keys.p, root_keys.len);
    if (copy == NULL) return no_room(ret_why);
    draft->root_keys = (struct bytes){copy, root_keys.len};
    draft->root_threshold = root_threshold;
    return CPIS_OK;
}

/* --- finishing and signing --- */

/* The rules, and the nodes' own signatures: all that a node asks, save the root keys' signatures.
 */
static cpis_err check_draft(const struct registry *chain, const struct msg_register *draft,
                            const char **ret_why)
{
    const char *why = registry_may_follow(chain, draft);
    if (why != NULL) return fails(CPIS_E_MALFORMED, why, ret_why);
    for (size_t i = 0; i < draft->nodes_count; i++) { /* none in version 1 */
        const struct msg_register_node *n = &draft->nodes[i];
        cpis_err err =
            registry_descriptor_check(&n->descriptor, &n->signature, registry_net(chain));
        if (err == CPIS_E_NOMEM) return no_room(ret_why);
        if (err != CPIS_OK)
            return fails(err, "a node's own signature over its descriptor does not verify",
                         ret_why);
    }
    return CPIS_OK;
}

cpis_err steward_finish(const struct registry *chain, const struct msg_register *draft,
                        struct arena *a, struct bytes *ret_document, const char **ret_why)
{
    cpis_err err = check_draft(chain, draft, ret_why);
    if (err != CPIS_OK) return err;
    struct msg_register_document doc = {.signatures = NULL};
    err = register_body_encode(draft, a, &doc.body);
    if (err == CPIS_OK && doc.body.len > REGISTER_BODY_BYTES_MAX)
        return fails(CPIS_E_MALFORMED, "it is larger than one frame holds", ret_why);
    if (err == CPIS_OK) err = register_document_encode(&doc, a, ret_document);
    if (err == CPIS_E_INVAL) return fails(CPIS_E_MALFORMED, "a field is out of its range", ret_why);
    return err == CPIS_OK ? CPIS_OK : no_room(ret_why);
}

static bool is_root(struct bytes set, const struct sign_public *key)
{
    for (size_t i = 0; i + SIGN_PUBLIC_BYTES <= set.len; i += SIGN_PUBLIC_BYTES)
        if (memcmp(set.p + i, key->b, SIGN_PUBLIC_BYTES) == 0) return true;
    return false;
}

static int by_key(const void *a, const void *b)
{
    const struct msg_root_signature *x = a, *y = b;
    return memcmp(x->key.b, y->key.b, SIGN_PUBLIC_BYTES);
}

static cpis_err add_signature(struct msg_register_document *doc, const struct msg_root_signature *s,
                              struct arena *a, const char **ret_why)
{
    for (size_t i = 0; i < doc->signatures_count; i++) {
        if (by_key(&doc->signatures[i], s) != 0) continue;
        doc->signatures[i] = *s; /* a damaged one is mended */
        return CPIS_OK;
    }
    if (doc->signatures_count == (size_t)2 * ROOT_KEYS_MAX)
        return fails(CPIS_E_LIMIT, "too many signatures", ret_why);
    struct msg_root_signature *list =
        longer(a, doc->signatures, doc->signatures_count, sizeof *doc->signatures);
    if (list == NULL) return no_room(ret_why);
    list[doc->signatures_count++] = *s;
    qsort(list, doc->signatures_count, sizeof *list, by_key);
    doc->signatures = list;
    return CPIS_OK;
}

cpis_err steward_sign(const struct registry *chain, struct bytes document,
                      const struct sign_public *public_key, const struct sign_secret *secret_key,
                      struct arena *a, struct bytes *ret_document, const char **ret_why)
{
    struct msg_register_document doc;
    struct msg_register body;
    struct msg_root_signature s = {.key = *public_key};
    cpis_err err = register_document_decode(document, a, &doc);
    if (err == CPIS_OK) err = register_body_decode(doc.body, a, &body);
    if (err == CPIS_E_NOMEM) return no_room(ret_why);
    if (err != CPIS_OK) return fails(CPIS_E_MALFORMED, "it is no register document", ret_why);
    err = check_draft(chain, &body, ret_why);
    if (err != CPIS_OK) return err;
    if (!is_root(body.root_keys, public_key) &&
        (is_first(chain) || !is_root(registry_newest(chain)->root_keys, public_key)))
        return fails(CPIS_E_AUTH, "this key is no root key of the federation", ret_why);
    const struct net_id net =
        is_first(chain) ? net_id_of(doc.body.p, doc.body.len) : *registry_net(chain);
    sign_make(secret_key, SIGNED_REGISTER, &net, doc.body.p, doc.body.len, &s.signature);
    if (sign_check(public_key, SIGNED_REGISTER, &net, doc.body.p, doc.body.len, &s.signature) !=
        CPIS_OK)
        return fails(CPIS_E_AUTH, "the secret key is not that of the public key", ret_why);
    err = add_signature(&doc, &s, a, ret_why);
    if (err != CPIS_OK) return err;
    return register_document_encode(&doc, a, ret_document) == CPIS_OK ? CPIS_OK : no_room(ret_why);
}
