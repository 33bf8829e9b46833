#include "crypto/chain.h"

#include "crypto/hash.h"

struct chain_head chain_next(const struct chain_head *h, const uint8_t *entry, size_t len)
{
    const struct cpis_hash entry_hash = hash_of(entry, len);
    return chain_next_hashed(h, &entry_hash);
}

struct chain_head chain_next_hashed(const struct chain_head *h, const struct cpis_hash *entry_hash)
{
    struct hash state;
    struct chain_head ret = {.sequence = h->sequence + 1};
    hash_init(&state, NULL, 0, sizeof ret.head.b);
    hash_label(&state, "cpx1/log");
    hash_u64(&state, ret.sequence);
    hash_bytes(&state, h->head.b, sizeof h->head.b);
    hash_bytes(&state, entry_hash->b, sizeof entry_hash->b);
    hash_final(&state, ret.head.b, sizeof ret.head.b);
    return ret;
}

bool chain_equal(const struct chain_head *a, const struct chain_head *b)
{
    return a->sequence == b->sequence && hash_equal(&a->head, &b->head);
}
