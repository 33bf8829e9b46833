/* crypto/chain.h - the hash-chained log: e_i = H("cpx1/log" || i(8) || e_{i-1} || H(entry)), i from
 * 1, e_0 = zeros. Source: proto/README.md section 13. Pure; any thread. */
#ifndef CPIS_CRYPTO_CHAIN_H
#define CPIS_CRYPTO_CHAIN_H
#include "crypto/types.h"

struct chain_head { /* all zero: an empty log */
    uint64_t sequence;
    struct cpis_hash head;
};
struct chain_head chain_next(const struct chain_head *h, const uint8_t *entry, size_t len);
/* The same from H(entry), for a verifier that holds only hashes of pruned entries. */
struct chain_head chain_next_hashed(const struct chain_head *h, const struct cpis_hash *entry_hash);
bool chain_equal(const struct chain_head *a, const struct chain_head *b);
#endif
