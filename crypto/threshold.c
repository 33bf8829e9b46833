#include "crypto/threshold.h"

#include "crypto/cursor.h"
#include "crypto/hash.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#define WIDE_BYTES       64U /* uniform bytes reduced to one scalar */
#define SEAL_NONCE_BYTES 24U

_Static_assert(THRESHOLD_SEALED_BYTES == OPRF_SCALAR_BYTES + crypto_box_SEALBYTES, "sealed size");
_Static_assert(SEAL_NONCE_BYTES == crypto_box_NONCEBYTES, "nonce size");
_Static_assert(crypto_box_PUBLICKEYBYTES == 32 && crypto_box_SECRETKEYBYTES == 32, "X25519 keys");
_Static_assert(OPRF_SCALAR_BYTES <= HASH_KEY_BYTES_MAX, "a share keys the nonce's hash");

static bool degree_fits(uint32_t t) { return t >= 1 && t <= THRESHOLD_HOLDERS_MAX; }

static struct oprf_scalar scalar_of(uint32_t v)
{
    return (struct oprf_scalar){
        {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)}};
}

void threshold_input(uint32_t epoch, const char digits[static 10],
                     uint8_t ret[static THRESHOLD_INPUT_BYTES])
{
    static const char label[8] = {'c', 'p', 'x', '1', '/', 'n', 'h', 's'};
    struct cursor c = cursor_write(ret, THRESHOLD_INPUT_BYTES);
    cursor_put(&c, label, sizeof label);
    cursor_put_u32(&c, epoch);
    cursor_put(&c, digits, 10);
    assert(cursor_done(&c));
}

/* --- one holder's evaluation, and its check --- */

/* Horner's rule from the highest commitment. A partial sum may be the identity without anything
 * being wrong (then its multiple is the identity too); only the result may not. */
cpis_err threshold_public_share(const struct threshold_commitments *a, uint32_t i,
                                struct oprf_element *ret)
{
    if (i == 0 || !degree_fits(a->t)) return CPIS_E_INVAL;
    for (uint32_t j = 0; j < a->t; j++)
        if (oprf_element_check(&a->a[j]) != CPIS_OK) return CPIS_E_MALFORMED;
    const struct oprf_scalar index = scalar_of(i);
    struct oprf_element sum = a->a[a->t - 1];
    for (uint32_t j = a->t - 1; j > 0; j--) {
        struct oprf_element next = a->a[j - 1];
        if (!bytes_are_zero(sum.b, sizeof sum.b) &&
            oprf_element_add_scaled(&index, &sum, &next) != CPIS_OK)
            return CPIS_E_MALFORMED;
        sum = next;
    }
    if (oprf_element_check(&sum) != CPIS_OK) return CPIS_E_MALFORMED;
    *ret = sum;
    return CPIS_OK;
}

void threshold_public_shares(const struct threshold_commitments *a, uint32_t n,
                             struct threshold_public_shares *ret)
{
    assert(degree_fits(a->t) && n >= 1 && n <= THRESHOLD_HOLDERS_MAX);
    *ret = (struct threshold_public_shares){.n = n};
    for (uint32_t i = 1; i <= n; i++) {
        struct oprf_element k;
        if (threshold_public_share(a, i, &k) == CPIS_OK) ret->k[i - 1] = k;
    }
}

/* Fresh bytes alone would give the key away if they ever repeat for another statement (a cloned
 * machine, a bad generator); the statement alone is what a glitch can be aimed at. Hence both. */
static cpis_err hedged_nonce(const struct oprf_scalar *share,
                             const uint8_t random[static THRESHOLD_NONCE_RANDOM_BYTES],
                             const struct oprf_composites *c, struct oprf_scalar *ret)
{
    struct hash h;
    uint8_t wide[WIDE_BYTES];
    hash_init(&h, share->b, sizeof share->b, sizeof wide);
    hash_label(&h, "cpx1/dleq-nonce");
    hash_bytes(&h, random, THRESHOLD_NONCE_RANDOM_BYTES);
    hash_bytes(&h, c->m.b, sizeof c->m.b);
    hash_bytes(&h, c->z.b, sizeof c->z.b);
    hash_final(&h, wide, sizeof wide);
    cpis_err err = oprf_scalar_from(wide, ret);
    sodium_memzero(wide, sizeof wide);
    return err;
}

cpis_err threshold_evaluate(const struct oprf_scalar *share,
                            const struct oprf_element *public_share,
                            const struct oprf_element *blinded, size_t m,
                            const uint8_t random[static THRESHOLD_NONCE_RANDOM_BYTES],
                            struct oprf_element *ret, struct oprf_proof *ret_proof)
{
    struct oprf_element d[OPRF_BATCH_MAX]; /* 8 KiB: ret is written only on success */
    struct oprf_composites c;
    struct oprf_scalar nonce;
    cpis_err err = CPIS_E_LIMIT;
    if (m == 0 || m > OPRF_BATCH_MAX) return err;
    for (size_t i = 0; i < m; i++) {
        err = oprf_evaluate(share, &blinded[i], &d[i]);
        if (err != CPIS_OK) return err;
    }
    err = oprf_composites_fast(OPRF_MODE_VOPRF, share, public_share, blinded, d, m, &c);
    if (err != CPIS_OK) return err;
    err = hedged_nonce(share, random, &c, &nonce);
    if (err != CPIS_OK) goto out;
    err = oprf_prove_composites(OPRF_MODE_VOPRF, share, public_share, &c, &nonce, ret_proof);
    if (err != CPIS_OK) goto out;
    memcpy(ret, d, m * sizeof d[0]);
out:
    oprf_scalar_wipe(&nonce);
    return err;
}

cpis_err threshold_verify(const struct threshold_public_shares *shares,
                          const struct oprf_element *blinded, size_t m,
                          const struct threshold_reply *reply)
{
    if (reply->index == 0 || reply->index > shares->n) return CPIS_E_INVAL;
    return oprf_verify(OPRF_MODE_VOPRF, &shares->k[reply->index - 1], blinded, reply->evaluated, m,
                       &reply->proof);
}

/* --- combination --- */

/* lambda = above / below. */
static cpis_err fraction(const uint32_t *indices, size_t k, size_t at, struct oprf_scalar *above,
                         struct oprf_scalar *below)
{
    const struct oprf_scalar own = scalar_of(indices[at]);
    *above = *below = scalar_of(1);
    for (size_t i = 0; i < k; i++) {
        if (indices[i] == 0) return CPIS_E_INVAL;
        if (i == at) continue;
        if (indices[i] == indices[at]) return CPIS_E_INVAL;
        struct oprf_scalar j = scalar_of(indices[i]);
        crypto_core_ristretto255_scalar_mul(above->b, above->b, j.b);
        crypto_core_ristretto255_scalar_sub(j.b, j.b, own.b);
        crypto_core_ristretto255_scalar_mul(below->b, below->b, j.b);
    }
    return CPIS_OK;
}

/* All k at the price of one inversion, which costs half a multiplication of an element: that of the
 * product of all that is below (Montgomery's trick). */
static cpis_err coefficients(const uint32_t *indices, size_t k, struct oprf_scalar *ret)
{
    struct oprf_scalar below[THRESHOLD_HOLDERS_MAX], before[THRESHOLD_HOLDERS_MAX];
    struct oprf_scalar product = scalar_of(1);
    for (size_t i = 0; i < k; i++) {
        cpis_err err = fraction(indices, k, i, &ret[i], &below[i]);
        if (err != CPIS_OK) return err;
        before[i] = product;
        crypto_core_ristretto255_scalar_mul(product.b, product.b, below[i].b);
    }
    /* never zero: a product of differences of different numbers below 2^32, and l is prime */
    int rc = crypto_core_ristretto255_scalar_invert(product.b, product.b);
    assert(rc == 0);
    (void)rc;
    for (size_t i = k; i-- > 0;) {
        crypto_core_ristretto255_scalar_mul(ret[i].b, ret[i].b, product.b);
        crypto_core_ristretto255_scalar_mul(ret[i].b, ret[i].b, before[i].b);
        crypto_core_ristretto255_scalar_mul(product.b, product.b, below[i].b);
    }
    return CPIS_OK;
}

cpis_err threshold_lagrange(const uint32_t *indices, size_t k, size_t at, struct oprf_scalar *ret)
{
    struct oprf_scalar all[THRESHOLD_HOLDERS_MAX];
    if (k == 0 || k > THRESHOLD_HOLDERS_MAX || at >= k) return CPIS_E_INVAL;
    cpis_err err = coefficients(indices, k, all);
    if (err == CPIS_OK) *ret = all[at];
    return err;
}

cpis_err threshold_combine(const struct threshold_reply *replies, size_t k, size_t t, size_t which,
                           struct oprf_element *ret)
{
    uint32_t indices[THRESHOLD_HOLDERS_MAX];
    struct oprf_scalar lambda[THRESHOLD_HOLDERS_MAX];
    struct oprf_element sum = {{0}};
    if (k == 0 || k < t || k > THRESHOLD_HOLDERS_MAX) return CPIS_E_INVAL;
    for (size_t i = 0; i < k; i++)
        indices[i] = replies[i].index;
    cpis_err err = coefficients(indices, k, lambda);
    for (size_t i = 0; err == CPIS_OK && i < k; i++)
        err = oprf_element_add_scaled(&lambda[i], &replies[i].evaluated[which], &sum);
    if (err != CPIS_OK) return err;
    if (bytes_are_zero(sum.b, sizeof sum.b)) return CPIS_E_MALFORMED; /* the identity */
    *ret = sum;
    return CPIS_OK;
}

/* --- the key ceremony --- */

void threshold_polynomial_wipe(struct threshold_polynomial *p) { sodium_memzero(p, sizeof *p); }

cpis_err threshold_deal(uint32_t t, const uint8_t *wide, struct threshold_polynomial *ret)
{
    if (!degree_fits(t)) return CPIS_E_INVAL;
    cpis_err err = CPIS_OK;
    struct threshold_polynomial p = {.t = t};
    for (uint32_t j = 0; err == CPIS_OK && j < t; j++)
        err = oprf_scalar_from(wide + (size_t)j * WIDE_BYTES, &p.c[j]);
    if (err == CPIS_OK) *ret = p;
    threshold_polynomial_wipe(&p);
    return err;
}

cpis_err threshold_commit(const struct threshold_polynomial *p, struct threshold_commitments *ret)
{
    if (!degree_fits(p->t)) return CPIS_E_INVAL;
    struct threshold_commitments a = {.t = p->t};
    for (uint32_t j = 0; j < p->t; j++) {
        cpis_err err = oprf_public_key(&p->c[j], &a.a[j]);
        if (err != CPIS_OK) return err;
    }
    *ret = a;
    return CPIS_OK;
}

struct cpis_hash threshold_dealing_hash(uint32_t epoch, uint8_t dealer,
                                        const struct threshold_commitments *a)
{
    struct hash h;
    struct cpis_hash ret = {{0}}; /* for cppcheck, which does not see hash_final fill it */
    assert(degree_fits(a->t));    /* the codec bounds it, or its array would not hold them */
    hash_init(&h, NULL, 0, sizeof ret.b);
    hash_label(&h, "cpx1/dkg");
    hash_u32(&h, epoch);
    hash_u8(&h, dealer);
    for (uint32_t j = 0; j < a->t; j++)
        hash_bytes(&h, a->a[j].b, sizeof a->a[j].b);
    hash_final(&h, ret.b, sizeof ret.b);
    return ret;
}

cpis_err threshold_share_for(const struct threshold_polynomial *p, uint32_t receiver,
                             struct oprf_scalar *ret)
{
    if (receiver == 0 || !degree_fits(p->t)) return CPIS_E_INVAL; /* f(0) is the secret itself */
    const struct oprf_scalar x = scalar_of(receiver);
    struct oprf_scalar y = p->c[p->t - 1];
    for (uint32_t j = p->t - 1; j > 0; j--) {
        crypto_core_ristretto255_scalar_mul(y.b, y.b, x.b);
        crypto_core_ristretto255_scalar_add(y.b, y.b, p->c[j - 1].b);
    }
    cpis_err err = oprf_scalar_check(&y) == CPIS_OK ? CPIS_OK : CPIS_E_INVAL;
    if (err == CPIS_OK) *ret = y;
    oprf_scalar_wipe(&y);
    return err;
}

cpis_err threshold_share_fits(const struct threshold_commitments *a, uint32_t i,
                              const struct oprf_scalar *share)
{
    struct oprf_element want, have;
    if (oprf_scalar_check(share) != CPIS_OK) return CPIS_E_MALFORMED;
    cpis_err err = threshold_public_share(a, i, &want);
    if (err != CPIS_OK) return err;
    err = oprf_public_key(share, &have);
    if (err != CPIS_OK) return err;
    return memcmp(want.b, have.b, sizeof want.b) == 0 ? CPIS_OK : CPIS_E_AUTH;
}

cpis_err threshold_dealing_check(uint32_t epoch, uint32_t t, uint8_t dealer,
                                 const struct cpis_hash *published,
                                 const struct threshold_commitments *a, uint32_t receiver,
                                 const struct oprf_scalar *share)
{
    if (!degree_fits(t) || a->t != t) return CPIS_E_INVAL;
    const struct cpis_hash hash = threshold_dealing_hash(epoch, dealer, a);
    if (!hash_equal(&hash, published)) return CPIS_E_AUTH;
    return threshold_share_fits(a, receiver, share);
}

cpis_err threshold_sum_commitments(const struct threshold_commitments *dealings, size_t n,
                                   struct threshold_commitments *ret)
{
    if (n == 0 || n > THRESHOLD_HOLDERS_MAX || !degree_fits(dealings[0].t)) return CPIS_E_INVAL;
    struct threshold_commitments sum = {.t = dealings[0].t};
    for (size_t i = 0; i < n; i++) {
        if (dealings[i].t != sum.t) return CPIS_E_INVAL;
        for (uint32_t j = 0; j < sum.t; j++) {
            const struct oprf_element *e = &dealings[i].a[j];
            if (oprf_element_check(e) != CPIS_OK) return CPIS_E_MALFORMED;
            if (crypto_core_ristretto255_add(sum.a[j].b, sum.a[j].b, e->b) != 0)
                return CPIS_E_MALFORMED;
        }
    }
    for (uint32_t j = 0; j < sum.t; j++)
        if (oprf_element_check(&sum.a[j]) != CPIS_OK) return CPIS_E_MALFORMED;
    *ret = sum;
    return CPIS_OK;
}

cpis_err threshold_sum_shares(const struct oprf_scalar *shares, size_t n, struct oprf_scalar *ret)
{
    if (n == 0 || n > THRESHOLD_HOLDERS_MAX) return CPIS_E_INVAL;
    cpis_err err = CPIS_OK;
    struct oprf_scalar sum = {{0}};
    for (size_t i = 0; err == CPIS_OK && i < n; i++) {
        err = oprf_scalar_check(&shares[i]);
        crypto_core_ristretto255_scalar_add(sum.b, sum.b, shares[i].b);
    }
    if (err == CPIS_OK) err = oprf_scalar_check(&sum);
    if (err == CPIS_OK) *ret = sum;
    oprf_scalar_wipe(&sum);
    return err;
}

/* --- shares under way --- */

cpis_err threshold_seal_share_with(const struct oprf_scalar *share,
                                   const uint8_t receiver_public[static 32],
                                   const uint8_t ephemeral_secret[static 32],
                                   uint8_t ret[static THRESHOLD_SEALED_BYTES])
{
    uint8_t sealed[THRESHOLD_SEALED_BYTES], nonce[SEAL_NONCE_BYTES];
    struct hash h;
    if (crypto_scalarmult_base(sealed, ephemeral_secret) != 0) return CPIS_E_INVAL;
    hash_init(&h, NULL, 0, sizeof nonce);
    hash_bytes(&h, sealed, crypto_box_PUBLICKEYBYTES);
    hash_bytes(&h, receiver_public, crypto_box_PUBLICKEYBYTES);
    hash_final(&h, nonce, sizeof nonce);
    /* crypto_box_easy fails when X25519 gives all zeros: a secret that everybody knows */
    if (crypto_box_easy(sealed + crypto_box_PUBLICKEYBYTES, share->b, sizeof share->b, nonce,
                        receiver_public, ephemeral_secret) != 0)
        return CPIS_E_INVAL;
    memcpy(ret, sealed, sizeof sealed);
    return CPIS_OK;
}

cpis_err threshold_open_share(const uint8_t sealed[static THRESHOLD_SEALED_BYTES],
                              const uint8_t receiver_public[static 32],
                              const uint8_t receiver_secret[static 32], struct oprf_scalar *ret)
{
    struct oprf_scalar share = {{0}};
    cpis_err err = CPIS_E_AUTH;
    if (crypto_box_seal_open(share.b, sealed, THRESHOLD_SEALED_BYTES, receiver_public,
                             receiver_secret) != 0)
        goto out;
    err = oprf_scalar_check(&share);
    if (err != CPIS_OK) goto out;
    *ret = share;
out:
    oprf_scalar_wipe(&share);
    return err;
}
