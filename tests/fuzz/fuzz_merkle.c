/* Fuzz target: an honest inclusion proof, changed by the input; changed, it must not verify.
 * Input: how many leaves, which one, then what is xored over n(8) index(8) count(1) token salt
 * path.
 */
#include "crypto/merkle.h"

#include <assert.h>
#include <string.h>

#define LEAVES_MAX 64U

struct proof {
    uint64_t n, index;
    struct list_entry entry;
    struct merkle_path path;
};

static uint64_t flip(uint64_t v, const uint8_t *x)
{
    uint64_t by;
    memcpy(&by, x, sizeof by);
    return v ^ by;
}

static void mutate(struct proof *p, const uint8_t *data, size_t size)
{
    uint8_t x[8 + 8 + 1 + sizeof p->entry + sizeof p->path.sibling] = {0};
    memcpy(x, data, size < sizeof x ? size : sizeof x);
    p->n = flip(p->n, x);
    p->index = flip(p->index, x + 8);
    p->path.count ^= x[16];
    uint8_t *entry = (uint8_t *)&p->entry, *path = (uint8_t *)p->path.sibling;
    for (size_t i = 0; i < sizeof p->entry; i++)
        entry[i] ^= x[17 + i];
    for (size_t i = 0; i < sizeof p->path.sibling; i++)
        path[i] ^= x[17 + sizeof p->entry + i];
}

static bool is_same(const struct proof *a, const struct proof *b)
{
    return a->n == b->n && a->index == b->index && a->path.count == b->path.count &&
           memcmp(&a->entry, &b->entry, sizeof a->entry) == 0 &&
           memcmp(a->path.sibling, b->path.sibling, 32 * (size_t)a->path.count) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    struct list_entry entries[LEAVES_MAX];
    memset(entries, 0x11, sizeof entries);
    for (size_t i = 0; i < LEAVES_MAX; i++)
        entries[i].token.b[0] = (uint8_t)i;
    struct proof honest = {.n = data[0] % LEAVES_MAX + 1};
    honest.index = data[1] % honest.n;
    honest.entry = entries[honest.index];
    struct merkle *m = NULL;
    if (merkle_build(entries, honest.n, &m) != CPIS_OK) return 0;
    assert(merkle_path_of(m, entries, honest.index, &honest.path) == CPIS_OK);
    const struct cpis_hash root = merkle_root(m);
    struct proof p = honest;
    mutate(&p, data + 2, size - 2);
    cpis_err err = merkle_verify(&root, p.n, p.index, &p.entry, &p.path);
    assert((err == CPIS_OK) == is_same(&honest, &p));
    assert(err == CPIS_OK || err == CPIS_E_AUTH || err == CPIS_E_MALFORMED);
    merkle_free(&m);
    return 0;
}
