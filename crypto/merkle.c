#include "crypto/merkle.h"

#include "crypto/hash.h"

#include <stdlib.h>
#include <string.h>

/* Splitting at the largest power of two < n is the same as pairing neighbours level by level, where
 * a last node without a neighbour goes up as it is. The levels that are kept lie in one array, the
 * lowest first, level k + 1 right behind level k, and the top last. Leaves are not kept, nor what
 * is near them: 64 bytes a leaf would be, 8 are, and a path costs a dozen hashes more. */
#define LOWEST_KEPT 3U
#define BLOCK       (1U << LOWEST_KEPT)
struct merkle {
    size_t n, nodes;
    unsigned lowest;         /* LOWEST_KEPT, or the top's level where that is lower */
    struct cpis_hash node[]; /* nodes of them; at n = 0 the empty top */
};

static size_t count_at(size_t n, unsigned level) { return (n + ((size_t)1 << level) - 1) >> level; }

static struct cpis_hash inner(const struct cpis_hash *left, const struct cpis_hash *right)
{
    struct hash h;
    struct cpis_hash ret;
    hash_init(&h, NULL, 0, sizeof ret.b);
    hash_u8(&h, 1);
    hash_bytes(&h, left->b, sizeof left->b);
    hash_bytes(&h, right->b, sizeof right->b);
    hash_final(&h, ret.b, sizeof ret.b);
    return ret;
}

static struct cpis_hash root_of(uint64_t n, const struct cpis_hash *top)
{
    struct hash h;
    struct cpis_hash ret;
    hash_init(&h, NULL, 0, sizeof ret.b);
    hash_u8(&h, 2);
    hash_u64(&h, n);
    hash_bytes(&h, top->b, sizeof top->b);
    hash_final(&h, ret.b, sizeof ret.b);
    return ret;
}

struct cpis_hash merkle_leaf(const struct list_entry *e)
{
    struct hash h;
    struct cpis_hash ret;
    hash_init(&h, NULL, 0, sizeof ret.b);
    hash_u8(&h, 0);
    hash_bytes(&h, e->token.b, sizeof e->token.b);
    hash_bytes(&h, e->salt.b, sizeof e->salt.b);
    hash_final(&h, ret.b, sizeof ret.b);
    return ret;
}

struct cpis_hash merkle_empty_top(void)
{
    static const char label[] = "cpx1/mt-empty";
    return hash_of(label, sizeof label - 1);
}

static unsigned lowest_for(size_t n)
{
    unsigned level = 0;
    while (level < LOWEST_KEPT && count_at(n, level) > 1)
        level++;
    return level;
}

static size_t nodes_for(size_t n)
{
    size_t nodes = 1; /* the top */
    for (unsigned level = lowest_for(n); count_at(n, level) > 1; level++)
        nodes += count_at(n, level);
    return nodes;
}

/* The node at `at` of a level, from the entries below it. Pre: level <= LOWEST_KEPT. */
static struct cpis_hash node_of(const struct list_entry *entries, size_t n, unsigned level,
                                size_t at)
{
    struct cpis_hash node[BLOCK];
    const size_t from = at << level, all = (size_t)1 << level;
    size_t count = n - from < all ? n - from : all;
    for (size_t i = 0; i < count; i++)
        node[i] = merkle_leaf(&entries[from + i]);
    for (; count > 1; count = count_at(count, 1)) {
        for (size_t i = 0; i < count / 2; i++)
            node[i] = inner(&node[2 * i], &node[2 * i + 1]);
        if (count % 2 == 1) node[count / 2] = node[count - 1];
    }
    return node[0];
}

static void fill(struct merkle *m, const struct list_entry *entries)
{
    struct cpis_hash *level = m->node;
    size_t count = count_at(m->n, m->lowest);
    if (m->n == 0) level[0] = merkle_empty_top();
    for (size_t i = 0; i < count; i++)
        level[i] = node_of(entries, m->n, m->lowest, i);
    for (; count > 1; count = count_at(count, 1)) {
        struct cpis_hash *above = level + count;
        for (size_t i = 0; i < count / 2; i++)
            above[i] = inner(&level[2 * i], &level[2 * i + 1]);
        if (count % 2 == 1) above[count / 2] = level[count - 1];
        level = above;
    }
}

cpis_err merkle_build(const struct list_entry *entries, size_t n, struct merkle **ret)
{
    if (n > MERKLE_LEAVES_MAX) return CPIS_E_LIMIT;
    for (size_t i = 1; i < n; i++)
        if (token_compare(&entries[i - 1].token, &entries[i].token) >= 0) return CPIS_E_INVAL;
    const size_t nodes = nodes_for(n);
    struct merkle *m = malloc(sizeof *m + nodes * sizeof m->node[0]);
    if (m == NULL) return CPIS_E_NOMEM;
    m->n = n;
    m->nodes = nodes;
    m->lowest = lowest_for(n);
    fill(m, entries);
    *ret = m;
    return CPIS_OK;
}

void merkle_free(struct merkle **p)
{
    free(*p);
    *p = NULL;
}

struct cpis_hash merkle_root(const struct merkle *m)
{
    return root_of(m->n, &m->node[m->nodes - 1]);
}

struct cpis_hash merkle_top(const struct merkle *m) { return m->node[m->nodes - 1]; }

size_t merkle_count(const struct merkle *m) { return m->n; }

cpis_err merkle_path_of(const struct merkle *m, const struct list_entry *entries, size_t index,
                        struct merkle_path *ret)
{
    if (index >= m->n) return CPIS_E_INVAL;
    const struct cpis_hash *kept = m->node;
    memset(ret, 0, sizeof *ret); /* the unused siblings too: a path may be copied out whole */
    for (unsigned level = 0; count_at(m->n, level) > 1; level++, index /= 2) {
        const size_t beside = index ^ 1, count = count_at(m->n, level);
        if (beside < count)
            ret->sibling[ret->count++] =
                level < m->lowest ? node_of(entries, m->n, level, beside) : kept[beside];
        if (level >= m->lowest) kept += count;
    }
    return CPIS_OK;
}

/* How many siblings stand on the way up from (index, n): one a level, none where it goes up alone.
 */
static uint32_t path_length(uint64_t index, uint64_t n)
{
    uint32_t length = 0;
    for (; n > 1; n = (n + 1) / 2, index /= 2)
        if ((index ^ 1) < n) length++;
    return length;
}

cpis_err merkle_verify(const struct cpis_hash *root, uint64_t n, uint64_t index,
                       const struct list_entry *entry, const struct merkle_path *path)
{
    if (n == 0 || n > MERKLE_LEAVES_MAX) return CPIS_E_MALFORMED;
    if (index >= n) return CPIS_E_MALFORMED;
    if (path->count != path_length(index, n)) return CPIS_E_MALFORMED;
    struct cpis_hash at = merkle_leaf(entry);
    const struct cpis_hash *sibling = path->sibling;
    for (uint64_t count = n; count > 1; count = (count + 1) / 2, index /= 2) {
        if ((index ^ 1) >= count) continue;
        at = index % 2 == 1 ? inner(sibling, &at) : inner(&at, sibling);
        sibling++;
    }
    const struct cpis_hash got = root_of(n, &at);
    return hash_equal(&got, root) ? CPIS_OK : CPIS_E_AUTH;
}

struct cpis_hash list_id_of(uint32_t epoch, uint64_t version, const struct cpis_hash *root,
                            uint64_t n, const struct cpis_hash *prev, uint8_t prev_count)
{
    struct hash h;
    struct cpis_hash ret;
    hash_init(&h, NULL, 0, sizeof ret.b);
    hash_label(&h, "cpx1/list");
    hash_u32(&h, epoch);
    hash_u64(&h, version);
    hash_bytes(&h, root->b, sizeof root->b);
    hash_u64(&h, n);
    hash_u8(&h, prev_count);
    for (size_t i = 0; i < prev_count; i++)
        hash_bytes(&h, prev[i].b, sizeof prev[i].b);
    hash_final(&h, ret.b, sizeof ret.b);
    return ret;
}

struct cpis_hash state_of(uint32_t epoch, const struct cpis_hash *heads, size_t count)
{
    struct hash h;
    struct cpis_hash ret;
    hash_init(&h, NULL, 0, sizeof ret.b);
    hash_label(&h, "cpx1/state");
    hash_u32(&h, epoch);
    for (size_t i = 0; i < count; i++)
        hash_bytes(&h, heads[i].b, sizeof heads[i].b);
    hash_final(&h, ret.b, sizeof ret.b);
    return ret;
}
