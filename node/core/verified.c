#include "node/core/verified.h"

#include "crypto/hash.h"

#include <string.h>

/* All that the answer depends on; only the body's length varies, so no two of them hash alike. */
static struct cpis_hash hash_of_claim(const struct sign_public *key, const struct net_id *net,
                                      const struct signed_message *m)
{
    struct hash h;
    struct cpis_hash ret;
    hash_init(&h, NULL, 0, sizeof ret.b);
    hash_bytes(&h, key->b, sizeof key->b);
    hash_u8(&h, (uint8_t)m->type);
    hash_bytes(&h, net->b, sizeof net->b);
    hash_bytes(&h, m->signature.b, sizeof m->signature.b);
    hash_bytes(&h, m->body.p, m->body.len);
    hash_final(&h, ret.b, sizeof ret.b);
    return ret;
}

static size_t place_of(const struct cpis_hash *h)
{
    _Static_assert((VERIFIED_SLOTS & (VERIFIED_SLOTS - 1)) == 0, "a place is some of the bits");
    return ((size_t)h->b[0] << 8 | h->b[1]) & (VERIFIED_SLOTS - 1);
}

bool verified_knows(const struct verified *v, const struct sign_public *key,
                    const struct net_id *net, const struct signed_message *m)
{
    const struct cpis_hash h = hash_of_claim(key, net, m);
    return hash_equal(&v->of[place_of(&h)], &h);
}

bool verified_check(struct verified *v, const struct sign_public *key, const struct net_id *net,
                    const struct signed_message *m)
{
    const struct cpis_hash h = hash_of_claim(key, net, m);
    struct cpis_hash *slot = &v->of[place_of(&h)];
    if (hash_equal(slot, &h)) return true;
    if (sign_check(key, (uint8_t)m->type, net, m->body.p, m->body.len, &m->signature) != CPIS_OK)
        return false;
    *slot = h;
    return true;
}

void verified_forget(struct verified *v) { memset(v, 0, sizeof *v); }
