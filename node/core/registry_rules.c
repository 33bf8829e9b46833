#include "node/core/registry_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Each rule gives its own sentence: stewards read them when a draft is refused, operators when a
 * register is. NULL: the rule is kept. */
struct rules {
    const struct registry *chain;    /* NULL: next is version 1 */
    const struct msg_register *last; /* NULL: next is version 1 */
    const struct msg_register *next;
    struct cpis_id ids[REGISTER_NODES_MAX]; /* of next's nodes */
};

static const char *rule_chain(const struct rules *c)
{
    const struct msg_register *n = c->next;
    if (c->last == NULL) {
        if (n->version != 1) return "the first register must have version 1";
        if (!bytes_are_zero(n->previous.b, sizeof n->previous.b))
            return "version 1 follows nothing: previous must be zeros";
        if (n->nodes_count > 0)
            return "version 1 may hold no nodes: their signatures need its hash";
        if (n->epochs_count > 0) return "version 1 may hold no epochs";
        return NULL;
    }
    if (n->version != c->last->version + 1) return "the version must be the last one plus one";
    if (!hash_equal(&n->previous, &c->chain->hash))
        return "previous is not the hash of the register before";
    if (n->issued < c->last->issued) return "issued before the register that it follows";
    return NULL;
}

static const char *rule_document(const struct rules *c)
{
    const struct msg_register *n = c->next;
    if (n->expires <= n->issued) return "it expires before it is issued";
    if (n->expires - n->issued > REGISTER_EXPIRES_MAX)
        return "it expires more than 30 days after it is issued";
    if (n->root_keys.len == 0) return "it has no root keys";
    if (n->root_threshold == 0 || n->root_threshold > n->root_keys.len / SIGN_PUBLIC_BYTES)
        return "the root threshold is larger than the number of root keys";
    if (n->head_age == 0) return "the limit for the age of heads is zero";
    return NULL;
}

static int key_compare(const void *a, const void *b)
{
    return memcmp(*(const uint8_t *const *)a, *(const uint8_t *const *)b, SIGN_PUBLIC_BYTES);
}

_Static_assert(SIGN_PUBLIC_BYTES == BOX_KEY_BYTES, "all kinds of keys are compared as bytes");

static const char *rule_keys(const struct rules *c)
{
    const uint8_t *keys[3 * REGISTER_NODES_MAX + ROOT_KEYS_MAX];
    size_t count = 0;
    for (size_t i = 0; i + SIGN_PUBLIC_BYTES <= c->next->root_keys.len; i += SIGN_PUBLIC_BYTES)
        keys[count++] = c->next->root_keys.p + i;
    for (size_t i = 0; i < c->next->nodes_count; i++) {
        const struct msg_descriptor *d = &c->next->nodes[i].descriptor;
        keys[count++] = d->sign_key.b;
        keys[count++] = d->sealing_key.b;
        keys[count++] = d->transport_key.b;
    }
    qsort(keys, count, sizeof keys[0], key_compare);
    for (size_t i = 1; i < count; i++)
        if (key_compare(&keys[i - 1], &keys[i]) == 0) return "one key stands in it twice";
    return NULL;
}

/* --- nodes --- */

static const struct msg_register_node *find(const struct rules *c, const struct cpis_id *id)
{
    for (size_t i = 0; i < c->next->nodes_count; i++)
        if (id_equal(&c->ids[i], id)) return &c->next->nodes[i];
    return NULL;
}

static struct cpis_id id_in(struct bytes list, size_t i)
{
    struct cpis_id id;
    memcpy(id.b, list.p + i * CPIS_ID_BYTES, CPIS_ID_BYTES);
    return id;
}

static const char *descriptor_rules(const struct msg_descriptor *d)
{
    if (d->not_before >= d->not_after) return "a node's not_after is not after its not_before";
    if (d->code[0] == 0) return "a node has no organisation code";
    if (d->name[0] == 0) return "a node has no organisation name";
    if (d->role == ROLE_AUTHORITY && d->emergency[0] == 0)
        return "an authority has no emergency telephone number";
    if (d->role == ROLE_DIRECTORY && d->endpoint[0] == 0) return "a directory has no endpoint";
    return NULL;
}

static bool authority_stands(const struct msg_register_node *n)
{
    return n != NULL && n->descriptor.role == ROLE_AUTHORITY &&
           (n->state == NODE_JOINING || n->state == NODE_ACTIVE || n->state == NODE_SUSPENDED);
}

static const char *successor_rules(const struct rules *c, size_t at)
{
    const struct msg_register_node *n = &c->next->nodes[at];
    if (n->successors.len == 0) return NULL;
    if (n->descriptor.role != ROLE_AUTHORITY) return "only an authority has successors";
    for (size_t i = 0; i < n->successors.len / CPIS_ID_BYTES; i++) {
        const struct cpis_id id = id_in(n->successors, i);
        if (id_equal(&id, &c->ids[at])) return "an authority can't be its own successor";
        if (!authority_stands(find(c, &id))) return "a successor is no authority in the register";
    }
    return NULL;
}

static const char *replaces_rules(const struct rules *c, size_t at)
{
    const struct msg_register_node *n = &c->next->nodes[at];
    if (bytes_are_zero(n->replaces.b, sizeof n->replaces.b)) return NULL;
    const struct registry_node *old = registry_node(c->chain, &n->replaces);
    if (old == NULL) return "a new node replaces one that is not in the register before";
    if (old->d.role != n->descriptor.role) return "a node replaces one of another role";
    if (strcmp(old->d.code, n->descriptor.code) != 0)
        return "a node replaces one of another organisation";
    for (size_t i = 0; i < c->next->nodes_count; i++)
        if (i != at && id_equal(&c->next->nodes[i].replaces, &n->replaces))
            return "two nodes replace the same one";
    return NULL;
}

static const char *new_node_rules(const struct rules *c, size_t at)
{
    const struct msg_register_node *n = &c->next->nodes[at];
    if (n->descriptor.role == ROLE_AUTHORITY && n->state != NODE_JOINING)
        return "a new authority must begin as joining";
    if (n->state != NODE_JOINING && n->state != NODE_ACTIVE)
        return "a new node must begin as joining or active";
    const char *why = replaces_rules(c, at);
    return why != NULL ? why : successor_rules(c, at);
}

/* joining -> active <-> suspended -> retired (authorities, announced) or revoked (the others).
 * A joining authority may be revoked: nobody counts it yet. */
static const char *state_rules(const struct registry_node *was, uint32_t state)
{
    static const unsigned may_move_to[NODE_REVOKED + 1] = {
        [NODE_JOINING] = 1U << NODE_ACTIVE | 1U << NODE_REVOKED,
        [NODE_ACTIVE] = 1U << NODE_SUSPENDED | 1U << NODE_RETIRED | 1U << NODE_REVOKED,
        [NODE_SUSPENDED] = 1U << NODE_ACTIVE | 1U << NODE_RETIRED | 1U << NODE_REVOKED,
    };
    if (state == (uint32_t)was->state) return NULL;
    if ((may_move_to[was->state] & 1U << state) == 0)
        return "a node's state can't change from what it was to this";
    if (state == NODE_RETIRED && was->d.role != ROLE_AUTHORITY)
        return "only an authority is retired; other nodes are revoked";
    if (state == NODE_REVOKED && registry_is_counted(was))
        return "a counted authority can't be revoked, only suspended or retired";
    return NULL;
}

static bool same_successors(const struct registry_node *was, struct bytes now)
{
    if (now.len != was->successors_count * CPIS_ID_BYTES) return false;
    return now.len == 0 || memcmp(now.p, was->successors, now.len) == 0;
}

static const char *retire_rules(const struct rules *c, const struct registry_node *was,
                                const struct msg_register_node *n)
{
    if (was->announced == 0) return "an authority is retired that no register before announced";
    if (!same_successors(was, n->successors))
        return "an authority is retired with other successors than announced";
    if (c->next->issued - was->announced < RETIRE_NOTICE)
        return "an authority is retired less than 7 days after its announcement";
    return NULL;
}

static const char *known_node_rules(const struct rules *c, size_t at,
                                    const struct registry_node *was)
{
    const struct msg_register_node *n = &c->next->nodes[at];
    const struct msg_descriptor *d = &n->descriptor;
    if (d->role != was->d.role) return "a node's role can't change";
    if (memcmp(&d->sealing_key, &was->d.sealing_key, sizeof d->sealing_key) != 0 ||
        memcmp(&d->transport_key, &was->d.transport_key, sizeof d->transport_key) != 0)
        return "a node's keys can't change: a new key is a new node that replaces it";
    if (!id_equal(&n->replaces, &was->replaces)) return "what a node replaces can't change";
    const char *why = state_rules(was, n->state);
    if (why != NULL) return why;
    if (was->state == NODE_RETIRED)
        return same_successors(was, n->successors)
                   ? NULL
                   : "the successors of a retired authority can't change";
    if (n->state == NODE_RETIRED) why = retire_rules(c, was, n);
    return why != NULL ? why : successor_rules(c, at);
}

static const char *rule_nodes(const struct rules *c)
{
    for (size_t i = 0; i < c->next->nodes_count; i++) {
        const char *why = descriptor_rules(&c->next->nodes[i].descriptor);
        if (why != NULL) return why;
        const struct registry_node *was = registry_node(c->chain, &c->ids[i]);
        why = was == NULL ? new_node_rules(c, i) : known_node_rules(c, i, was);
        if (why != NULL) return why;
    }
    return NULL;
}

/* Its list would silently count no more: NO FLAG without asking it. */
static const char *rule_vanished(const struct rules *c)
{
    for (size_t i = 0; c->chain != NULL && i < registry_count(c->chain); i++) {
        const struct registry_node *was = registry_at(c->chain, i);
        if (!registry_is_counted(was) || find(c, &was->id) != NULL) continue;
        bool replaced = false;
        for (size_t k = 0; k < c->next->nodes_count; k++)
            replaced |= id_equal(&c->next->nodes[k].replaces, &was->id) &&
                        c->next->nodes[k].state == NODE_ACTIVE;
        if (!replaced)
            return "a counted authority is missing that is neither retired nor replaced by an "
                   "active one";
    }
    return NULL;
}

/* --- epochs --- */

static const char *epoch_shape(const struct msg_register_epoch *ep)
{
    const size_t n = ep->holders.len / CPIS_ID_BYTES, t = ep->commitments.len / OPRF_ELEMENT_BYTES;
    if (n == 0) return "an epoch has no share holders";
    if (t == 0 || t > n) return "an epoch's threshold is not between 1 and its share holders";
    if (ep->not_before >= ep->not_after) return "an epoch's not_after is not after its not_before";
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < i; k++)
            if (memcmp(ep->holders.p + i * CPIS_ID_BYTES, ep->holders.p + k * CPIS_ID_BYTES,
                       CPIS_ID_BYTES) == 0)
                return "one node holds two shares of an epoch";
    return NULL;
}

static const char *epoch_new(const struct rules *c, const struct msg_register_epoch *ep)
{
    if (c->chain != NULL && ep->number <= c->chain->epoch_highest)
        return "a new epoch's number is not above all that were";
    for (size_t i = 0; i < ep->holders.len / CPIS_ID_BYTES; i++) {
        const struct cpis_id id = id_in(ep->holders, i);
        const struct msg_register_node *holder = find(c, &id);
        if (holder == NULL || holder->descriptor.role != ROLE_DIRECTORY ||
            (holder->state != NODE_ACTIVE && holder->state != NODE_JOINING))
            return "a share holder is no directory in force";
    }
    for (size_t i = 0; i < ep->commitments.len / OPRF_ELEMENT_BYTES; i++) {
        struct oprf_element e;
        memcpy(e.b, ep->commitments.p + i * OPRF_ELEMENT_BYTES, sizeof e.b);
        if (oprf_element_check(&e) != CPIS_OK)
            return "a commitment of an epoch is no group element";
    }
    return NULL;
}

static bool same_bytes(struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

static const char *epoch_kept(const struct msg_register_epoch *was,
                              const struct msg_register_epoch *ep)
{
    if (!same_bytes(was->holders, ep->holders)) return "an epoch's share holders have changed";
    if (!same_bytes(was->commitments, ep->commitments))
        return "an epoch's commitments have changed";
    if (was->bucket_bits != ep->bucket_bits) return "an epoch's bucket bits have changed";
    if (was->not_before != ep->not_before) return "an epoch's not_before has changed";
    if (ep->not_after < was->not_after) return "an epoch's not_after may only become later";
    return NULL;
}

static const struct msg_register_epoch *epoch_in(const struct msg_register *r, uint32_t number)
{
    for (size_t i = 0; r != NULL && i < r->epochs_count; i++)
        if (r->epochs[i].number == number) return &r->epochs[i];
    return NULL;
}

static const char *rule_epochs(const struct rules *c)
{
    const struct msg_register *n = c->next;
    for (size_t i = 0; i < n->epochs_count; i++) {
        const struct msg_register_epoch *ep = &n->epochs[i], *was = epoch_in(c->last, ep->number);
        if (i > 0 && ep->number <= n->epochs[i - 1].number)
            return "epochs do not stand in rising order of their numbers";
        const char *why = epoch_shape(ep);
        if (why == NULL) why = was == NULL ? epoch_new(c, ep) : epoch_kept(was, ep);
        if (why != NULL) return why;
        if (i > 0 && ep->not_before <= n->epochs[i - 1].not_before)
            return "an epoch begins before the one before it";
        if (i > 0 && (n->epochs[i - 1].not_after < ep->not_before ||
                      n->epochs[i - 1].not_after - ep->not_before < EPOCH_OVERLAP))
            return "an epoch ends less than 48 hours after the next one begins";
    }
    return NULL;
}

/* Lists, tokens and shares hang on an epoch: only one that is over, or has not begun, may go. */
static const char *rule_epochs_dropped(const struct rules *c)
{
    const struct msg_register *n = c->next;
    for (size_t i = 0; c->last != NULL && i < c->last->epochs_count; i++) {
        const struct msg_register_epoch *was = &c->last->epochs[i];
        if (epoch_in(n, was->number) != NULL || was->not_before > n->issued) continue;
        bool followed = false;
        for (size_t k = 0; k < n->epochs_count; k++)
            followed |= n->epochs[k].number > was->number && n->epochs[k].not_before <= n->issued;
        if (!followed || was->not_after > n->issued) return "an epoch in use is missing";
    }
    return NULL;
}

/* --- notices, expected --- */

static const char *rule_notices(const struct rules *c)
{
    const struct msg_register *n = c->next;
    for (size_t i = 0; i < n->notices_count; i++) {
        const struct msg_register_notice *m = &n->notices[i];
        if (!authority_stands(find(c, &m->authority_id)))
            return "a notice is about no authority of this register";
        if (m->list_time > n->issued) return "a notice names a list of the future";
        for (size_t k = 0; k < i; k++)
            if (id_equal(&n->notices[k].authority_id, &m->authority_id))
                return "two notices about one authority";
    }
    return NULL;
}

static const char *rule_expected(const struct rules *c)
{
    const struct msg_register *n = c->next;
    for (size_t i = 0; i < n->expected_count; i++) {
        const struct msg_register_expected *m = &n->expected[i];
        if (m->code[0] == 0) return "an expected authority has no organisation code";
        for (size_t k = 0; k < i; k++)
            if (strcmp(n->expected[k].code, m->code) == 0) return "one authority is expected twice";
        for (size_t k = 0; k < n->nodes_count; k++)
            if (authority_stands(&n->nodes[k]) && strcmp(n->nodes[k].descriptor.code, m->code) == 0)
                return "an authority is expected that takes part";
    }
    return NULL;
}

const char *registry_may_follow(const struct registry *chain, const struct msg_register *next)
{
    static const char *(*const rules[])(const struct rules *) = {
        rule_chain,  rule_document,       rule_keys,    rule_nodes,    rule_vanished,
        rule_epochs, rule_epochs_dropped, rule_notices, rule_expected,
    };
    struct rules c = {.next = next};
    if (chain != NULL && !registry_is_empty(chain)) {
        c.chain = chain;
        c.last = &chain->newest;
    }
    if (next->nodes_count > REGISTER_NODES_MAX) return "it holds too many nodes";
    for (size_t i = 0; i < next->nodes_count; i++)
        c.ids[i] = node_id_of(&next->nodes[i].descriptor.sign_key);
    const char *why = NULL;
    for (size_t i = 0; i < sizeof rules / sizeof rules[0] && why == NULL; i++)
        why = rules[i](&c);
    return why;
}

cpis_err registry_signatures_check(const struct msg_register_document *doc,
                                   const struct net_id *net, struct bytes root_keys,
                                   uint32_t threshold)
{
    uint32_t good = 0;
    for (size_t i = 0; i + SIGN_PUBLIC_BYTES <= root_keys.len; i += SIGN_PUBLIC_BYTES) {
        bool counts = false;
        for (size_t k = 0; k < i && !counts; k += SIGN_PUBLIC_BYTES)
            counts = memcmp(root_keys.p + k, root_keys.p + i, SIGN_PUBLIC_BYTES) == 0;
        if (counts) continue; /* a key twice in the set is one key */
        for (size_t s = 0; s < doc->signatures_count && !counts; s++)
            counts = memcmp(doc->signatures[s].key.b, root_keys.p + i, SIGN_PUBLIC_BYTES) == 0 &&
                     sign_check(&doc->signatures[s].key, SIGNED_REGISTER, net, doc->body.p,
                                doc->body.len, &doc->signatures[s].signature) == CPIS_OK;
        good += counts;
    }
    return threshold > 0 && good >= threshold ? CPIS_OK : CPIS_E_AUTH;
}

cpis_err registry_descriptor_check(const struct msg_descriptor *d,
                                   const struct signature *signature, const struct net_id *net)
{
    struct arena scratch = arena_make(65536);
    struct bytes b = {NULL, 0};
    cpis_err err = descriptor_encode(d, &scratch, &b);
    if (err == CPIS_E_INVAL) err = CPIS_E_AUTH; /* what can't be encoded was never signed */
    if (err == CPIS_OK)
        err = sign_check(&d->sign_key, SIGNED_DESCRIPTOR, net, b.p, b.len, signature);
    arena_free(&scratch);
    return err;
}
