#include "node/core/registry.h"

#include "crypto/cursor.h"
#include "node/core/log.h"
#include "node/core/registry_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define NEWEST_BYTES_MAX  ((size_t)64 * 1024 * 1024)
#define SCRATCH_BYTES_MAX ((size_t)8 * 1024 * 1024)

cpis_err registry_new(struct registry **ret)
{
    struct registry *r = calloc(1, sizeof *r + sizeof *r->verified);
    if (r == NULL) return CPIS_E_NOMEM;
    r->verified = (struct verified *)(r + 1);
    r->arena = arena_make(NEWEST_BYTES_MAX);
    *ret = r;
    return CPIS_OK;
}

void registry_free(struct registry **p)
{
    struct registry *r = *p;
    if (r == NULL) return;
    free(r->links);
    free(r->gone);
    free(r->times);
    id_map_free(&r->places);
    arena_free(&r->arena);
    free(r);
    *p = NULL;
}

/* --- judging a document --- */

struct candidate { /* a document on its way in: nothing of the registry has changed yet */
    struct arena document_arena, arena;
    struct msg_register_document doc;
    struct msg_register reg;
    struct cpis_hash hash;
    struct net_id net;
    bool same; /* our newest register again */
    bool fork; /* enough signatures, but ours is another of that version, or another's follower */
};

static void candidate_free(struct candidate *c)
{
    arena_free(&c->document_arena);
    arena_free(&c->arena);
}

static cpis_err signatures_suffice(const struct candidate *c, struct bytes roots,
                                   uint32_t threshold)
{
    cpis_err err = registry_signatures_check(&c->doc, &c->net, roots, threshold);
    const struct bytes own = c->reg.root_keys; /* a change of roots: the new set as well */
    const bool same = own.len == roots.len && memcmp(own.p, roots.p, own.len) == 0 &&
                      c->reg.root_threshold == threshold;
    if (err == CPIS_OK && !same)
        err = registry_signatures_check(&c->doc, &c->net, own, c->reg.root_threshold);
    return err;
}

/* Another register of our version. Whoever signs one more than once need not keep to any rule:
 * signatures alone make the fork. Version 1 is its own network. */
static cpis_err judge_twin(const struct registry *r, struct candidate *c, const char **why)
{
    const struct bytes roots = {r->roots_before, r->roots_before_len};
    *why = "its version is not above the one in use";
    if (c->reg.version == registry_version(r) && c->reg.version > 1)
        c->fork = signatures_suffice(c, roots, r->threshold_before) == CPIS_OK;
    if (c->fork) *why = "two registers of one version: a fork";
    return CPIS_E_REPLAY;
}

static bool same_descriptor(const struct registry *r, const struct msg_register_node *n)
{ /* verified when it first came: a national register holds a thousand signatures */
    for (size_t i = 0; i < r->newest.nodes_count; i++) {
        const struct msg_register_node *was = &r->newest.nodes[i];
        if (memcmp(&was->descriptor.sign_key, &n->descriptor.sign_key,
                   sizeof n->descriptor.sign_key) == 0)
            return memcmp(&was->descriptor, &n->descriptor, sizeof n->descriptor) == 0 &&
                   memcmp(&was->signature, &n->signature, sizeof n->signature) == 0;
    }
    return false;
}

static cpis_err judge_descriptors(const struct registry *r, const struct candidate *c,
                                  const char **why)
{
    for (size_t i = 0; i < c->reg.nodes_count; i++) {
        const struct msg_register_node *n = &c->reg.nodes[i];
        if (same_descriptor(r, n)) continue;
        cpis_err err = registry_descriptor_check(&n->descriptor, &n->signature, &c->net);
        if (err == CPIS_E_AUTH) {
            *why = "a node's own signature over its descriptor does not verify";
            return CPIS_E_MALFORMED;
        }
        if (err != CPIS_OK) return err;
    }
    return CPIS_OK;
}

static cpis_err judge_next(const struct registry *r, struct candidate *c, const char **why)
{
    const bool first = registry_is_empty(r);
    *why = "too few signatures by distinct root keys";
    cpis_err err = first ? signatures_suffice(c, c->reg.root_keys, c->reg.root_threshold)
                         : signatures_suffice(c, r->newest.root_keys, r->newest.root_threshold);
    if (err != CPIS_OK) return err;
    c->fork = !first && !hash_equal(&c->reg.previous, &r->hash);
    *why = registry_may_follow(r, &c->reg);
    if (*why != NULL) return CPIS_E_MALFORMED;
    err = judge_descriptors(r, c, why);
    if (err == CPIS_OK && r->links_count == REGISTRY_LINKS_MAX) {
        *why = "the chain is as long as it may be";
        err = CPIS_E_LIMIT;
    }
    return err;
}

static cpis_err judge_decoded(const struct registry *r, struct candidate *c, const char **why)
{
    if (registry_is_empty(r)) {
        if (c->reg.version > 1) {
            *why = "registers between are missing";
            return CPIS_E_STATE;
        }
        c->net = net_id_of(c->doc.body.p, c->doc.body.len);
        return judge_next(r, c, why);
    }
    c->net = r->net;
    c->same = hash_equal(&c->hash, &r->hash);
    if (c->same) return CPIS_OK;
    if (c->reg.version <= registry_version(r)) return judge_twin(r, c, why);
    if (c->reg.version - 1 > registry_version(r)) {
        *why = "registers between are missing";
        return CPIS_E_STATE;
    }
    return judge_next(r, c, why);
}

/* Fills *c; the caller frees it on every path. */
static cpis_err judge(const struct registry *r, struct bytes document, struct candidate *c,
                      const char **why)
{
    *c = (struct candidate){.document_arena = arena_make(SCRATCH_BYTES_MAX),
                            .arena = arena_make(NEWEST_BYTES_MAX)};
    *why = "it is no register document";
    cpis_err err = register_document_decode(document, &c->document_arena, &c->doc);
    if (err == CPIS_OK && c->doc.body.len > REGISTER_BODY_BYTES_MAX) {
        *why = "it is larger than one frame holds";
        return CPIS_E_MALFORMED;
    }
    if (err == CPIS_OK) err = register_body_decode(c->doc.body, &c->arena, &c->reg);
    if (err == CPIS_OK) {
        c->hash = hash_of(c->doc.body.p, c->doc.body.len);
        err = judge_decoded(r, c, why);
    }
    if (err == CPIS_OK) *why = NULL;
    if (err == CPIS_E_NOMEM) *why = "out of memory";
    return err;
}

/* --- taking it in: everything that can fail comes before anything changes --- */

static int by_id(const void *a, const void *b)
{
    const struct registry_node *x = a, *y = b;
    return id_compare(&x->id, &y->id);
}

static void fill_node(const struct registry *r, const struct msg_register *reg,
                      const struct msg_register_node *m, struct registry_node *n)
{
    *n = (struct registry_node){.id = node_id_of(&m->descriptor.sign_key),
                                .d = m->descriptor,
                                .state = (enum node_state)m->state,
                                .evaluations_per_day = m->evaluations_per_day,
                                .lookups_per_day = m->lookups_per_day,
                                .tokens_max = m->tokens_max,
                                .replaces = m->replaces};
    n->successors_count = (uint32_t)(m->successors.len / CPIS_ID_BYTES);
    if (m->successors.len > 0) memcpy(n->successors, m->successors.p, m->successors.len);
    const struct registry_node *was = registry_is_empty(r) ? NULL : registry_node(r, &n->id);
    const bool same = was != NULL && was->announced > 0 &&
                      was->successors_count == n->successors_count &&
                      memcmp(was->successors, n->successors, sizeof n->successors) == 0;
    if (n->successors_count > 0 && n->state != NODE_JOINING)
        n->announced = same ? was->announced : reg->issued;
    if (n->state == NODE_REVOKED) n->gone = was != NULL && was->gone > 0 ? was->gone : reg->issued;
}

/* was: the same epoch in the register before; NULL: it is new. Its commitments stay as they were
 * (registry_rules.c), and the shares with them: they are dear, and links are many. */
static void fill_epoch(const struct registry_epoch *was, const struct msg_register_epoch *m,
                       struct registry_epoch *ep)
{
    *ep = (struct registry_epoch){.number = m->number,
                                  .n = (uint32_t)(m->holders.len / CPIS_ID_BYTES),
                                  .t = (uint32_t)(m->commitments.len / OPRF_ELEMENT_BYTES),
                                  .bucket_bits = m->bucket_bits,
                                  .not_before = m->not_before,
                                  .not_after = m->not_after};
    ep->commitments.t = ep->t;
    memcpy(ep->holders, m->holders.p, m->holders.len);
    memcpy(ep->commitments.a, m->commitments.p, m->commitments.len);
    if (was != NULL)
        ep->public_shares = was->public_shares;
    else
        threshold_public_shares(&ep->commitments, ep->n, &ep->public_shares);
}

static bool grow(void **p, size_t *cap, size_t want, size_t element)
{
    if (want <= *cap) return true;
    size_t more = want < 16 ? 16 : want + want / 2;
    void *grown = realloc(*p, more * element);
    if (grown == NULL) return false;
    *p = grown;
    *cap = more;
    return true;
}

static bool reserve(struct registry *r)
{
    void *links = r->links, *gone = r->gone;
    bool ok = grow(&links, &r->links_cap, r->links_count + 1, sizeof *r->links);
    r->links = links;
    ok = ok && grow(&gone, &r->gone_cap, r->gone_count + r->newest.nodes_count, sizeof *r->gone);
    r->gone = gone;
    return ok;
}

static const struct registry_node *among(const struct registry_node *nodes, size_t count,
                                         const struct cpis_id *id)
{
    struct registry_node key = {.id = *id};
    return count == 0 ? NULL : bsearch(&key, nodes, count, sizeof *nodes, by_id);
}

static void remember_gone(struct registry *r, const struct registry_node *nodes, size_t count,
                          uint64_t issued)
{
    for (size_t i = 0; i < r->newest.nodes_count; i++) {
        if (among(nodes, count, &r->nodes[i].id) != NULL) continue;
        struct registry_node *n = &r->gone[r->gone_count++];
        *n = r->nodes[i];
        if (n->gone == 0) n->gone = issued;
    }
    if (r->gone_count <= REGISTRY_GONE_MAX) return;
    const size_t over = r->gone_count - REGISTRY_GONE_MAX;
    memmove(r->gone, r->gone + over, REGISTRY_GONE_MAX * sizeof *r->gone);
    r->gone_count = REGISTRY_GONE_MAX;
}

static void remember_roots(struct registry *r, const struct msg_register *reg)
{
    const struct msg_register *before = registry_is_empty(r) ? reg : &r->newest;
    r->roots_before_len = before->root_keys.len;
    r->threshold_before = before->root_threshold;
    assert(r->roots_before_len <= sizeof r->roots_before); /* the codec's bound */
    memcpy(r->roots_before, before->root_keys.p, before->root_keys.len);
}

/* room for a pointer to each node */
static void group_by_role(struct registry *r, const struct registry_node **room)
{
    for (unsigned role = 0; role <= ROLE_QUERY; role++) {
        r->role[role] = room;
        r->role_count[role] = 0;
        for (size_t i = 0; i < r->newest.nodes_count; i++)
            if ((unsigned)r->nodes[i].d.role == role && registry_in_force(&r->nodes[i]))
                *room++ = &r->nodes[i], r->role_count[role]++;
    }
}

static bool map_nodes(const struct registry_node *nodes, size_t count, struct id_map *ret)
{
    for (size_t i = 0; i < count; i++)
        if (id_map_add(ret, nodes, sizeof *nodes, i) != CPIS_OK) {
            id_map_free(ret);
            return false;
        }
    return true;
}

/* Takes over c's arena. */
static cpis_err adopt(struct registry *r, struct candidate *c)
{
    const struct msg_register *reg = &c->reg;
    struct registry_node *nodes = arena_take(&c->arena, reg->nodes_count * sizeof *nodes);
    struct registry_epoch *epochs = arena_take(&c->arena, reg->epochs_count * sizeof *epochs);
    struct registry_notice *notices = arena_take(&c->arena, reg->notices_count * sizeof *notices);
    const struct registry_node **grouped =
        arena_take(&c->arena, reg->nodes_count * sizeof(struct registry_node *));
    struct id_map places = {NULL, 0, 0};
    if (nodes == NULL || epochs == NULL || notices == NULL || grouped == NULL || !reserve(r))
        return CPIS_E_NOMEM;
    for (size_t i = 0; i < reg->nodes_count; i++)
        fill_node(r, reg, &reg->nodes[i], &nodes[i]);
    if (reg->nodes_count > 0) qsort(nodes, reg->nodes_count, sizeof *nodes, by_id);
    if (!map_nodes(nodes, reg->nodes_count, &places)) return CPIS_E_NOMEM;
    for (size_t i = 0; i < reg->epochs_count; i++)
        fill_epoch(registry_epoch(r, reg->epochs[i].number), &reg->epochs[i], &epochs[i]);
    for (size_t i = 0; i < reg->notices_count; i++)
        notices[i] = (struct registry_notice){reg->notices[i].authority_id,
                                              reg->notices[i].list_time, reg->notices[i].until};
    remember_gone(r, nodes, reg->nodes_count, reg->issued);
    remember_roots(r, reg);
    r->links[r->links_count++] = c->hash;
    arena_free(&r->arena);
    r->arena = c->arena;
    c->arena = arena_make(0);
    r->net = c->net;
    r->newest = *reg;
    r->hash = c->hash;
    r->nodes = nodes;
    r->epochs = epochs;
    r->notices = notices;
    id_map_free(&r->places);
    r->places = places;
    group_by_role(r, grouped);
    for (size_t i = 0; i < reg->epochs_count; i++)
        if (epochs[i].number > r->epoch_highest) r->epoch_highest = epochs[i].number;
    r->forked = false;
    verified_forget(r->verified);
    registry_times_prune(r);
    return CPIS_OK;
}

static void remember_fork(struct registry *r, const struct candidate *c)
{
    struct cursor k = cursor_write(r->fork_key, sizeof r->fork_key);
    cursor_put_u64(&k, c->reg.version);
    cursor_put(&k, c->hash.b, sizeof c->hash.b);
    r->fork_version = c->reg.version;
    r->forked = true;
}

cpis_err registry_load(struct registry *r, struct bytes document)
{
    struct candidate c;
    const char *why;
    cpis_err err = judge(r, document, &c, &why);
    if (err == CPIS_OK && !c.same) err = adopt(r, &c);
    if (c.fork) {
        remember_fork(r, &c);
        err = CPIS_OK;
    }
    candidate_free(&c);
    return err;
}

static void tell_refusal(struct env *e, cpis_err err, const struct candidate *c)
{
    if (c->fork)
        emit_event(e, EVENT_REGISTER_FORK, NULL, c->reg.version);
    else if (err == CPIS_E_REPLAY)
        emit_event(e, EVENT_REPLAY, NULL, c->reg.version);
    else if (err == CPIS_E_STATE)
        emit_event(e, EVENT_NOT_EXPECTED, NULL, c->reg.version);
    else if (err == CPIS_E_NOMEM)
        emit_event(e, EVENT_NO_MEMORY, NULL, c->reg.version);
    else
        emit_event(e, EVENT_REGISTER_REFUSED, NULL, c->reg.version);
}

/* One proof is enough: further ones would only fill the disk. */
static void keep_fork(struct registry *r, struct env *e, const struct candidate *c,
                      struct bytes document)
{
    if (r->forked) return;
    remember_fork(r, c);
    emit_persist(e, TABLE_REGISTER, r->fork_key, sizeof r->fork_key, document);
}

cpis_err registry_offer(struct registry *r, struct env *e, struct bytes document,
                        const char **ret_why)
{
    struct candidate c;
    uint8_t fork_key[FORK_KEY_BYTES], key[REGISTER_KEY_BYTES];
    const bool forked = r->forked;
    memcpy(fork_key, r->fork_key, sizeof fork_key);
    cpis_err err = judge(r, document, &c, ret_why);
    if (err == CPIS_OK && !c.same) {
        err = adopt(r, &c);
        if (err != CPIS_OK) *ret_why = "out of memory";
    }
    if (err == CPIS_OK && !c.same) {
        registry_key(c.reg.version, key);
        emit_persist(e, TABLE_REGISTER, key, sizeof key, document);
        if (forked) emit_delete(e, TABLE_REGISTER, fork_key, sizeof fork_key);
        emit_event(e, EVENT_REGISTER_ACCEPTED, NULL, c.reg.version);
        log_append(e, LOG_REGISTER_ACCEPTED, &c.hash, c.reg.version);
    } else if (err != CPIS_OK) {
        tell_refusal(e, err, &c);
        if (c.fork) keep_fork(r, e, &c, document);
    }
    candidate_free(&c);
    return err;
}

cpis_err registry_would_accept(const struct registry *r, struct bytes document,
                               const char **ret_why)
{
    struct candidate c;
    cpis_err err = judge(r, document, &c, ret_why);
    candidate_free(&c);
    return err;
}

/* --- what it says --- */

bool registry_is_empty(const struct registry *r) { return r->links_count == 0; }

const struct net_id *registry_net(const struct registry *r)
{
    assert(!registry_is_empty(r));
    return &r->net;
}

uint64_t registry_version(const struct registry *r) { return registry_newest(r)->version; }

const struct cpis_hash *registry_hash(const struct registry *r)
{
    assert(!registry_is_empty(r));
    return &r->hash;
}

bool registry_has_link(const struct registry *r, uint64_t version, const struct cpis_hash *hash)
{
    return version > 0 && version <= r->links_count && hash_equal(hash, &r->links[version - 1]);
}

const struct msg_register *registry_newest(const struct registry *r)
{
    assert(!registry_is_empty(r));
    return &r->newest;
}

uint64_t registry_expires(const struct registry *r) { return registry_newest(r)->expires; }
uint64_t registry_head_age(const struct registry *r) { return registry_newest(r)->head_age; }

void registry_key(uint64_t version, uint8_t ret[static REGISTER_KEY_BYTES])
{
    struct cursor k = cursor_write(ret, REGISTER_KEY_BYTES);
    cursor_put_u64(&k, version);
}

cpis_err registry_links_after(const struct registry *r, const struct view *view, uint64_t have,
                              struct arena *a, struct msg_register_chain *ret)
{
    *ret = (struct msg_register_chain){NULL, 0};
    if (have >= r->links_count) return CPIS_OK;
    size_t most = r->links_count - (size_t)have, room = FRAME_BYTES_MAX - 2048, len;
    if (most > REGISTER_LINKS_MAX) most = REGISTER_LINKS_MAX;
    ret->links = arena_take(a, most * sizeof *ret->links);
    uint8_t *document = arena_take(a, FRAME_BYTES_MAX), key[REGISTER_KEY_BYTES];
    if (ret->links == NULL || document == NULL) return CPIS_E_NOMEM;
    for (size_t i = 0; i < most; i++) {
        registry_key(have + i + 1, key);
        cpis_err err =
            view->get(view->ctx, TABLE_REGISTER, key, sizeof key, document, FRAME_BYTES_MAX, &len);
        if (err != CPIS_OK) return err == CPIS_E_NOMEM ? err : CPIS_E_STORE;
        if (len + 8 > room) return CPIS_OK; /* 8: the field's tag and length */
        err = register_document_decode((struct bytes){document, len}, a, &ret->links[i]);
        if (err != CPIS_OK) return err == CPIS_E_NOMEM ? err : CPIS_E_STORE;
        room -= len + 8;
        ret->links_count = i + 1;
    }
    return CPIS_OK;
}

size_t registry_count(const struct registry *r) { return registry_newest(r)->nodes_count; }

const struct registry_node *registry_at(const struct registry *r, size_t i)
{
    assert(i < registry_count(r));
    return &r->nodes[i];
}

size_t registry_role_count(const struct registry *r, enum node_role role)
{
    assert(!registry_is_empty(r) && role >= ROLE_AUTHORITY && role <= ROLE_QUERY);
    return r->role_count[role];
}

const struct registry_node *registry_role_at(const struct registry *r, enum node_role role,
                                             size_t i)
{
    assert(i < registry_role_count(r, role));
    return r->role[role][i];
}

const struct registry_node *registry_node(const struct registry *r, const struct cpis_id *id)
{
    const size_t at = id_map_find(&r->places, r->nodes, sizeof *r->nodes, id);
    return at == ID_MAP_NONE ? NULL : &r->nodes[at];
}

const struct registry_node *registry_node_ever(const struct registry *r, const struct cpis_id *id)
{
    const struct registry_node *n = registry_node(r, id);
    for (size_t i = r->gone_count; n == NULL && i > 0; i--)
        if (id_equal(&r->gone[i - 1].id, id)) n = &r->gone[i - 1];
    return n;
}

bool registry_has_signed(const struct registry *r, const struct registry_node *n,
                         const struct signed_message *m)
{
    return verified_check(r->verified, &n->d.sign_key, registry_net(r), m);
}

const struct registry_node *registry_by_transport(const struct registry *r,
                                                  const struct box_public *key)
{
    for (size_t i = 0; i < registry_count(r); i++)
        if (memcmp(r->nodes[i].d.transport_key.b, key->b, sizeof key->b) == 0) return &r->nodes[i];
    return NULL;
}

/* Of several with one code (one replaces the other): one in force before one that is not, an active
 * one before others. */
const struct registry_node *registry_by_code(const struct registry *r, enum node_role role,
                                             const char *code)
{
    const struct registry_node *best = NULL;
    unsigned best_rank = 0;
    for (size_t i = 0; i < registry_count(r); i++) {
        const struct registry_node *n = &r->nodes[i];
        if (n->d.role != role || strcmp(n->d.code, code) != 0) continue;
        unsigned rank = 1U + (registry_in_force(n) ? 1U : 0U) + (n->state == NODE_ACTIVE ? 1U : 0U);
        if (rank > best_rank) best = n;
        if (rank > best_rank) best_rank = rank;
    }
    return best;
}

bool registry_in_force(const struct registry_node *n)
{
    return n->gone == 0 && (n->state == NODE_JOINING || n->state == NODE_ACTIVE ||
                            (n->state == NODE_SUSPENDED && n->d.role == ROLE_AUTHORITY));
}

bool registry_may_sign(const struct registry_node *n, cpis_ms wall)
{
    return registry_in_force(n) && n->state != NODE_SUSPENDED && n->d.not_before <= wall &&
           wall < n->d.not_after;
}

bool registry_is_counted(const struct registry_node *n)
{
    return n->gone == 0 && n->d.role == ROLE_AUTHORITY &&
           (n->state == NODE_ACTIVE || n->state == NODE_SUSPENDED);
}

bool registry_is_searched(const struct registry_node *n)
{
    return registry_is_counted(n) ||
           (n->gone == 0 && n->d.role == ROLE_AUTHORITY && n->state == NODE_JOINING);
}

size_t registry_notice_count(const struct registry *r) { return registry_newest(r)->notices_count; }

const struct registry_notice *registry_notice(const struct registry *r,
                                              const struct cpis_id *authority, cpis_ms wall)
{
    for (size_t i = 0; i < registry_notice_count(r); i++)
        if (id_equal(&r->notices[i].authority_id, authority) && wall < r->notices[i].until)
            return &r->notices[i];
    return NULL;
}

size_t registry_expected_count(const struct registry *r)
{
    return registry_newest(r)->expected_count;
}

const struct msg_register_expected *registry_expected_at(const struct registry *r, size_t i)
{
    assert(i < registry_expected_count(r));
    return &r->newest.expected[i];
}

size_t registry_epoch_count(const struct registry *r) { return registry_newest(r)->epochs_count; }

const struct registry_epoch *registry_epoch_at(const struct registry *r, size_t i)
{
    assert(i < registry_epoch_count(r));
    return &r->epochs[i];
}

const struct registry_epoch *registry_epoch(const struct registry *r, uint32_t number)
{
    for (size_t i = 0; i < registry_epoch_count(r); i++)
        if (r->epochs[i].number == number) return &r->epochs[i];
    return NULL;
}

const struct registry_epoch *registry_epoch_current(const struct registry *r, cpis_ms wall)
{
    const struct registry_epoch *current = NULL; /* in rising order of number */
    for (size_t i = 0; i < registry_epoch_count(r); i++)
        if (current == NULL || r->epochs[i].not_before <= wall) current = &r->epochs[i];
    return current;
}

const struct registry_epoch *registry_epoch_before(const struct registry *r, cpis_ms wall)
{
    const struct registry_epoch *current = registry_epoch_current(r, wall), *before = NULL;
    for (size_t i = 0; current != NULL && r->epochs[i].number < current->number; i++)
        before = &r->epochs[i];
    return before;
}

bool registry_epoch_is_over(const struct registry *r, uint32_t number, cpis_ms wall)
{
    const struct registry_epoch *current = registry_epoch_current(r, wall);
    if (current == NULL || number >= current->number) return false;
    const struct registry_epoch *ep = registry_epoch(r, number);
    return ep == NULL || wall >= ep->not_after;
}

bool registry_epoch_published(const struct registry *r, const struct registry_epoch *ep,
                              cpis_ms wall)
{
    const struct registry_epoch *current = registry_epoch_current(r, wall),
                                *before = registry_epoch_before(r, wall);
    if (current == NULL) return false;
    if (ep->number >= current->number) return true;
    return before != NULL && ep->number == before->number && wall < ep->not_after;
}

uint32_t registry_index_of(const struct registry_epoch *ep, const struct cpis_id *directory)
{
    for (uint32_t i = 0; i < ep->n; i++)
        if (id_equal(&ep->holders[i], directory)) return i + 1;
    return 0;
}

/* --- who has taken over --- */

struct succession {
    struct cpis_id id[SUCCESSION_MAX];
    size_t count;
};

static void succession_add(struct succession *s, const struct cpis_id *id)
{
    for (size_t i = 0; i < s->count; i++)
        if (id_equal(&s->id[i], id)) return;
    if (s->count < SUCCESSION_MAX) s->id[s->count++] = *id;
}

static void succession_step(const struct registry *r, struct succession *s,
                            const struct cpis_id *gone)
{
    const struct registry_node *was = registry_node_ever(r, gone);
    for (uint32_t i = 0; was != NULL && i < was->successors_count; i++)
        succession_add(s, &was->successors[i]);
    for (size_t i = 0; i < registry_count(r); i++)
        if (id_equal(&r->nodes[i].replaces, gone)) succession_add(s, &r->nodes[i].id);
    for (size_t i = 0; i < r->gone_count; i++)
        if (id_equal(&r->gone[i].replaces, gone)) succession_add(s, &r->gone[i].id);
}

size_t registry_successors(const struct registry *r, const struct cpis_id *gone,
                           struct cpis_id *ret, size_t cap)
{
    struct succession s = {.id = {*gone}, .count = 1};
    size_t found = 0;
    for (size_t i = 0; i < s.count; i++) {
        const struct registry_node *n = registry_node(r, &s.id[i]);
        if (n == NULL || !registry_is_searched(n))
            succession_step(r, &s, &s.id[i]);
        else if (i > 0 && found < cap)
            ret[found++] = s.id[i];
    }
    return found;
}
