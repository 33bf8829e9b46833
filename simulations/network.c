#include "simulations/network.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ROLES      ((size_t)ROLE_QUERY + 1)
#define COPIES_MAX 4U
#define NONE       UINT32_MAX

struct net_node {
    struct cpis_id id;
    uint64_t name;
    enum node_role role;
    unsigned group;
    uint32_t next; /* the next copy with this id; NONE */
};
struct link {
    uint32_t from, to;
    bool cut;
    uint32_t profile; /* of this pair; NONE */
    struct random_stream dice;
    sim_us last; /* arrival of the message before */
};
/* Open addressing: a slot holds a number + 1, 0 is empty. At most half full. */
struct map {
    uint32_t *slot;
    size_t cap, count;
};
struct network {
    uint64_t seed;
    struct net_node *node;
    size_t nodes, nodes_cap;
    struct link *link;
    size_t links, links_cap;
    struct map ids, pairs;
    struct link_profile *profile; /* 0: everywhere */
    size_t profiles, profiles_cap;
    uint32_t by_role[ROLES][ROLES]; /* numbers of profiles */
    struct network_trouble trouble;
};

/* --- maps --- */

static uint64_t spread(uint64_t v)
{
    v *= UINT64_C(0x9e3779b97f4a7c15);
    return v ^ (v >> 32);
}

static uint64_t hash_of_id(const struct cpis_id *id) /* a hash already */
{
    uint64_t v;
    memcpy(&v, id->b, sizeof v);
    return spread(v);
}

static uint64_t hash_of_pair(uint32_t from, uint32_t to)
{
    return spread((uint64_t)from << 32 | to);
}

static uint64_t hash_in(const struct network *n, const struct map *m, uint32_t number)
{
    return m == &n->ids ? hash_of_id(&n->node[number].id)
                        : hash_of_pair(n->link[number].from, n->link[number].to);
}

static void map_put(struct map *m, uint64_t hash, uint32_t number)
{
    size_t i = (size_t)hash & (m->cap - 1);
    while (m->slot[i] != 0)
        i = (i + 1) & (m->cap - 1);
    m->slot[i] = number + 1;
    m->count++;
}

static void map_add(const struct network *n, struct map *m, uint32_t number)
{
    if (2 * (m->count + 1) > m->cap) {
        struct map larger = {.cap = m->cap == 0 ? 64 : 2 * m->cap};
        larger.slot = sim_must(calloc(larger.cap, sizeof *larger.slot));
        for (size_t i = 0; i < m->cap; i++)
            if (m->slot[i] != 0) map_put(&larger, hash_in(n, m, m->slot[i] - 1), m->slot[i] - 1);
        free(m->slot);
        *m = larger;
    }
    map_put(m, hash_in(n, m, number), number);
}

bool network_find(const struct network *n, const struct cpis_id *id, uint32_t *ret)
{
    const struct map *m = &n->ids;
    for (size_t i = (size_t)hash_of_id(id); m->cap > 0; i++) {
        const uint32_t slot = m->slot[i & (m->cap - 1)];
        if (slot == 0) return false;
        if (memcmp(n->node[slot - 1].id.b, id->b, sizeof id->b) != 0) continue;
        *ret = slot - 1;
        return true;
    }
    return false;
}

static struct link *link_of(struct network *n, uint32_t from, uint32_t to)
{
    const struct map *m = &n->pairs;
    for (size_t i = (size_t)hash_of_pair(from, to); m->cap > 0; i++) {
        const uint32_t slot = m->slot[i & (m->cap - 1)];
        if (slot == 0) break;
        if (n->link[slot - 1].from == from && n->link[slot - 1].to == to) return &n->link[slot - 1];
    }
    assert(from < n->nodes && to < n->nodes);
    n->link = sim_grow(n->link, n->links, &n->links_cap, sizeof *n->link);
    struct link *l = &n->link[n->links];
    *l = (struct link){.from = from, .to = to, .profile = NONE};
    const uint64_t name = random_name(n->node[from].name ^ spread(n->node[to].name), "link");
    random_init(&l->dice, n->seed, name);
    map_add(n, &n->pairs, (uint32_t)n->links++);
    return l;
}

/* --- making and changing --- */

static uint32_t add_profile(struct network *n, const struct link_profile *p)
{
    assert(delay_fault(&p->delay) == NULL && p->loss_permille <= 1000 && p->twice_permille <= 1000);
    n->profile = sim_grow(n->profile, n->profiles, &n->profiles_cap, sizeof *n->profile);
    n->profile[n->profiles] = *p;
    return (uint32_t)n->profiles++;
}

struct network *network_new(uint64_t seed, const struct link_profile *everywhere)
{
    struct network *n = sim_must(calloc(1, sizeof *n));
    n->seed = seed;
    (void)add_profile(n, everywhere);
    return n;
}

void network_free(struct network **p)
{
    struct network *n = *p;
    if (n == NULL) return;
    free(n->node);
    free(n->link);
    free(n->ids.slot);
    free(n->pairs.slot);
    free(n->profile);
    free(n);
    *p = NULL;
}

uint32_t network_add_node(struct network *n, const struct cpis_id *id, enum node_role role,
                          const char *name)
{
    uint32_t first;
    const uint32_t number = (uint32_t)n->nodes;
    n->node = sim_grow(n->node, n->nodes, &n->nodes_cap, sizeof *n->node);
    n->node[n->nodes++] =
        (struct net_node){.id = *id, .name = random_name(0, name), .role = role, .next = NONE};
    if (network_find(n, id, &first)) {
        n->node[number].next = n->node[first].next;
        n->node[first].next = number;
    } else {
        map_add(n, &n->ids, number);
    }
    return number;
}

void network_everywhere(struct network *n, const struct link_profile *p)
{
    const uint32_t added = add_profile(n, p);
    n->profile[0] = n->profile[added];
    n->profiles--;
}

/* Changed in place when it is there already: a schedule may change profiles all day. */
static void set_profile(struct network *n, uint32_t *which, uint32_t none,
                        const struct link_profile *p)
{
    const uint32_t added = add_profile(n, p);
    if (*which == none) {
        *which = added;
    } else {
        n->profile[*which] = n->profile[added];
        n->profiles--;
    }
}

void network_between_roles(struct network *n, enum node_role from, enum node_role to,
                           const struct link_profile *p)
{
    set_profile(n, &n->by_role[from][to], 0, p);
}

void network_between_nodes(struct network *n, uint32_t from, uint32_t to,
                           const struct link_profile *p)
{
    struct link *l = link_of(n, from, to);
    if (p == NULL)
        l->profile = NONE;
    else
        set_profile(n, &l->profile, NONE, p);
}

void network_trouble(struct network *n, const struct network_trouble *t)
{
    n->trouble = t == NULL ? (struct network_trouble){0, 0} : *t;
}

void network_cut(struct network *n, uint32_t from, uint32_t to, bool cut)
{
    link_of(n, from, to)->cut = cut;
}

void network_group(struct network *n, uint32_t node, unsigned group)
{
    assert(node < n->nodes);
    n->node[node].group = group;
}

/* The copy at the endpoint is the one the map knows: it becomes the first of its chain. */
void network_take_endpoint(struct network *n, uint32_t node)
{
    uint32_t first, before;
    bool found = network_find(n, &n->node[node].id, &first);
    assert(found);
    if (!found || first == node) return;
    for (before = first; n->node[before].next != node;)
        before = n->node[before].next;
    n->node[before].next = n->node[node].next;
    n->node[node].next = first;
    for (size_t i = (size_t)hash_of_id(&n->node[node].id);; i++)
        if (n->ids.slot[i & (n->ids.cap - 1)] == first + 1) {
            n->ids.slot[i & (n->ids.cap - 1)] = node + 1;
            return;
        }
}

/* --- sending --- */

static const struct link_profile *profile_of(const struct network *n, const struct link *l)
{
    if (l->profile != NONE) return &n->profile[l->profile];
    return &n->profile[n->by_role[n->node[l->from].role][n->node[l->to].role]];
}

static sim_us arrives(const struct link_profile *p, struct link *l, sim_us now)
{
    sim_us at = now + delay_draw(&p->delay, &l->dice);
    at += random_below(&l->dice, p->jitter + 1);
    if (!p->reorders && at < l->last) at = l->last; /* equal times: the one made first is first */
    if (at > l->last) l->last = at;
    return at;
}

static size_t send_over(struct network *n, uint32_t from, uint32_t to, sim_us now,
                        struct arrival *ret)
{
    struct link *l = link_of(n, from, to);
    const struct link_profile *p = profile_of(n, l);
    const bool lost = random_chance(&l->dice, p->loss_permille + n->trouble.loss_permille);
    const bool twice = random_chance(&l->dice, p->twice_permille + n->trouble.twice_permille);
    const bool goes = !lost && !l->cut && n->node[from].group == n->node[to].group;
    const sim_us last = l->last;
    ret[0] = (struct arrival){to, arrives(p, l, now)};
    const sim_us last_of_one = l->last;
    ret[1] = (struct arrival){to, arrives(p, l, now)};
    if (!goes)
        l->last = last; /* what never arrives holds up nothing */
    else if (!twice)
        l->last = last_of_one;
    return goes ? 1U + twice : 0;
}

size_t network_send(struct network *n, uint32_t from, const struct cpis_id *to, sim_us now,
                    struct arrival ret[static ARRIVALS_MAX])
{
    uint32_t at;
    size_t count = 0;
    if (!network_find(n, to, &at)) return 0;
    if (n->node[at].role == ROLE_DIRECTORY) return send_over(n, from, at, now, ret);
    for (unsigned i = 0; at != NONE && i < COPIES_MAX; at = n->node[at].next, i++)
        count += send_over(n, from, at, now, ret + count);
    return count;
}
_Static_assert(ARRIVALS_MAX == 2 * COPIES_MAX, "every copy may hear it twice");
