/* crypto/merkle.h - an authority's list as a Merkle tree with n inside the root.
 * leaf = H(0x00 || token || salt), inner = H(0x01 || l || r), split at the largest power of two <
 * n, empty top = H("cpx1/mt-empty"), root = H(0x02 || n(8) || top). Source: proto/README.md
 * section 5. There is no proof of absence here, on purpose: neighbours would be handed out. Pure.
 */
#ifndef CPIS_CRYPTO_MERKLE_H
#define CPIS_CRYPTO_MERKLE_H
#include "crypto/keys.h"

#define SALT_BYTES        16U
#define MERKLE_PATH_MAX   20U /* enough for MERKLE_LEAVES_MAX */
#define MERKLE_LEAVES_MAX (1U << 20)

struct salt {
    uint8_t b[SALT_BYTES];
};
struct list_entry {
    struct token token;
    struct salt salt;
};
struct merkle_path { /* siblings from the leaf up; direction comes from (index, n) only */
    uint32_t count;
    struct cpis_hash sibling[MERKLE_PATH_MAX];
};
struct merkle; /* a tree in memory, without the entries it is of: 8 bytes a leaf; one owner */

struct cpis_hash merkle_leaf(const struct list_entry *e);
struct cpis_hash merkle_empty_top(void);
/* Builds the tree of n entries (0..MERKLE_LEAVES_MAX). CPIS_E_INVAL: tokens do not strictly rise.
 * CPIS_E_LIMIT: n too large. CPIS_E_NOMEM. CPIS_OK: the caller owns *ret. */
CPIS_CHECK cpis_err merkle_build(const struct list_entry *entries, size_t n, struct merkle **ret);
void merkle_free(struct merkle **p); /* *p may be NULL; leaves *p == NULL */
struct cpis_hash merkle_root(const struct merkle *m);
struct cpis_hash merkle_top(const struct merkle *m);
size_t merkle_count(const struct merkle *m);
/* entries: those that it was built of, as they were. CPIS_E_INVAL: index >= n. */
CPIS_CHECK cpis_err merkle_path_of(const struct merkle *m, const struct list_entry *entries,
                                   size_t index, struct merkle_path *ret);
/* Does `entry` stand at `index` of the list of n entries with this root? CPIS_E_AUTH: root differs.
 * CPIS_E_MALFORMED: n is 0 or too large, index >= n, or the path's length is not that of (index,
 * n). */
CPIS_CHECK cpis_err merkle_verify(const struct cpis_hash *root, uint64_t n, uint64_t index,
                                  const struct list_entry *entry, const struct merkle_path *path);
/* H("cpx1/list" || epoch(4) || version(8) || root || n(8) || count(1) || prev[]) */
struct cpis_hash list_id_of(uint32_t epoch, uint64_t version, const struct cpis_hash *root,
                            uint64_t n, const struct cpis_hash *prev, uint8_t prev_count);
/* S = H("cpx1/state" || epoch(4) || heads' H(body || signature), in rising authority-id order).
 * The caller gives them in that order. */
struct cpis_hash state_of(uint32_t epoch, const struct cpis_hash *heads, size_t count);
#endif
