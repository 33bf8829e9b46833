/* The OPRF over the numbers below STUB_P: k*B is one multiplication, so that everything linear
 * holds as it does in the group: blinding, shares, commitments, combination. The one relation that
 * the group hides lies open, the key behind a public key; the proof's check makes use of it. */
#include "simulations/crypto_stub.h"

#include <assert.h>
#include <string.h>

#define GENERATOR ((uint64_t)0x0fedcba987654321 % STUB_P)

/* --- scalars: little-endian, the upper 24 bytes zero --- */

static bool scalar_read(const struct oprf_scalar *s, uint64_t *ret)
{
    const uint64_t v = stub_load(s->b);
    *ret = v;
    return (stub_load(s->b + 8) | stub_load(s->b + 16) | stub_load(s->b + 24)) == 0 && v > 0 &&
           v < STUB_P;
}

static struct oprf_scalar scalar_write(uint64_t v)
{
    struct oprf_scalar s = {{0}};
    memcpy(s.b, &v, sizeof v);
    return s;
}

static uint64_t plus(uint64_t a, uint64_t b) { return a + b >= STUB_P ? a + b - STUB_P : a + b; }
static uint64_t minus(uint64_t a, uint64_t b) { return a >= b ? a - b : a + STUB_P - b; }

static uint64_t inverse(uint64_t v) /* v^(p - 2), of v that is not zero */
{
    uint64_t ret = 1;
    for (uint64_t e = STUB_P - 2; e > 0; e >>= 1, v = stub_times(v, v))
        if (e & 1) ret = stub_times(ret, v);
    return ret;
}

static uint64_t number_from(const void *a, size_t a_len, const char *label)
{
    struct hash h;
    uint8_t wide[32];
    stub_hash_init(&h, NULL, 0, sizeof wide);
    stub_hash_label(&h, label);
    stub_hash_bytes(&h, a, a_len);
    stub_hash_final(&h, wide, sizeof wide);
    return stub_number_of(wide);
}

cpis_err stub_oprf_scalar_check(const struct oprf_scalar *s)
{
    uint64_t v;
    return scalar_read(s, &v) ? CPIS_OK : CPIS_E_MALFORMED;
}

cpis_err stub_oprf_scalar_from(const uint8_t wide[static 64], struct oprf_scalar *ret)
{
    if (bytes_are_zero(wide, 64)) return CPIS_E_INVAL;
    *ret = scalar_write(number_from(wide, 64, "scalar"));
    return CPIS_OK;
}

/* --- elements --- */

cpis_err stub_oprf_element_check(const struct oprf_element *e)
{
    uint64_t v;
    return stub_decode(e->b, &v) ? CPIS_OK : CPIS_E_MALFORMED;
}

cpis_err stub_oprf_element_add_scaled(const struct oprf_scalar *s, const struct oprf_element *e,
                                      struct oprf_element *sum)
{
    static const struct oprf_element identity = {{0}};
    uint64_t before = 0, v;
    if (!stub_decode(e->b, &v)) return CPIS_E_MALFORMED;
    if (memcmp(sum, &identity, sizeof identity) != 0 && !stub_decode(sum->b, &before))
        return CPIS_E_MALFORMED;
    v = plus(before, stub_times(stub_load(s->b) % STUB_P, v));
    if (v == 0)
        *sum = identity;
    else
        stub_encode(v, sum->b);
    return CPIS_OK;
}

cpis_err stub_oprf_public_key(const struct oprf_scalar *key, struct oprf_element *ret)
{
    uint64_t k;
    if (!scalar_read(key, &k)) return CPIS_E_INVAL;
    stub_encode(stub_times(k, GENERATOR), ret->b);
    return CPIS_OK;
}

/* --- blind, finalize --- */

cpis_err stub_oprf_blind_with(enum oprf_mode mode, const uint8_t *input, size_t len,
                              const struct oprf_scalar *blind, struct oprf_element *ret)
{
    uint64_t b;
    if (len > OPRF_INPUT_BYTES_MAX) return CPIS_E_INVAL;
    if (!scalar_read(blind, &b)) return CPIS_E_INVAL;
    const char *label = mode == OPRF_MODE_VOPRF ? "element of voprf" : "element of oprf";
    stub_encode(stub_times(b, number_from(input, len, label)), ret->b);
    return CPIS_OK;
}

cpis_err stub_oprf_finalize(const uint8_t *input, size_t len, const struct oprf_scalar *blind,
                            const struct oprf_element *evaluated, struct oprf_output *ret)
{
    struct hash h;
    uint64_t b, v;
    if (len > OPRF_INPUT_BYTES_MAX) return CPIS_E_INVAL;
    if (!scalar_read(blind, &b)) return CPIS_E_INVAL;
    if (!stub_decode(evaluated->b, &v)) return CPIS_E_MALFORMED;
    stub_hash_init(&h, NULL, 0, sizeof ret->b);
    stub_hash_u64(&h, stub_times(v, inverse(b)));
    stub_hash_bytes(&h, input, len);
    stub_hash_final(&h, ret->b, sizeof ret->b);
    return CPIS_OK;
}

/* --- evaluation by a share, and its check --- */

/* The challenge: a number of all that the proof is about, and of its second half. */
static uint64_t challenge(const struct oprf_element *public_key, const struct oprf_element *blinded,
                          const struct oprf_element *evaluated, size_t m, uint64_t nonce)
{
    struct hash h;
    uint8_t wide[32];
    stub_hash_init(&h, public_key->b, sizeof public_key->b, sizeof wide);
    stub_hash_u64(&h, nonce);
    stub_hash_bytes(&h, blinded, m * sizeof blinded[0]);
    stub_hash_bytes(&h, evaluated, m * sizeof evaluated[0]);
    stub_hash_final(&h, wide, sizeof wide);
    return stub_number_of(wide);
}

cpis_err stub_threshold_evaluate(const struct oprf_scalar *share,
                                 const struct oprf_element *public_share,
                                 const struct oprf_element *blinded, size_t m,
                                 const uint8_t random[static THRESHOLD_NONCE_RANDOM_BYTES],
                                 struct oprf_element *ret, struct oprf_proof *ret_proof)
{
    struct oprf_element d[OPRF_BATCH_MAX]; /* ret is written only on success */
    uint64_t k, v;
    if (m == 0 || m > OPRF_BATCH_MAX) return CPIS_E_LIMIT;
    if (!scalar_read(share, &k)) return CPIS_E_INVAL;
    for (size_t i = 0; i < m; i++) {
        if (!stub_decode(blinded[i].b, &v)) return CPIS_E_MALFORMED;
        stub_encode(stub_times(k, v), d[i].b);
    }
    const uint64_t nonce = stub_number_of(random);
    const struct oprf_scalar c = scalar_write(challenge(public_share, blinded, d, m, nonce));
    const struct oprf_scalar s = scalar_write(nonce);
    memcpy(ret_proof->b, c.b, sizeof c.b);
    memcpy(ret_proof->b + sizeof c.b, s.b, sizeof s.b);
    memcpy(ret, d, m * sizeof d[0]);
    return CPIS_OK;
}

cpis_err stub_oprf_verify(enum oprf_mode mode, const struct oprf_element *public_key,
                          const struct oprf_element *blinded, const struct oprf_element *evaluated,
                          size_t m, const struct oprf_proof *proof)
{
    struct oprf_scalar c, s;
    uint64_t want, nonce, key, b, d;
    bool holds = mode == OPRF_MODE_VOPRF; /* threshold_evaluate makes no other */
    memcpy(c.b, proof->b, sizeof c.b);
    memcpy(s.b, proof->b + sizeof c.b, sizeof s.b);
    if (!scalar_read(&c, &want) || !scalar_read(&s, &nonce)) return CPIS_E_MALFORMED;
    if (!stub_decode(public_key->b, &key)) return CPIS_E_MALFORMED;
    if (m == 0 || m > OPRF_BATCH_MAX) return CPIS_E_LIMIT;
    for (size_t i = 0; i < m; i++) {
        if (!stub_decode(blinded[i].b, &b) || !stub_decode(evaluated[i].b, &d))
            return CPIS_E_MALFORMED;
        /* d = k*b and key = k*G, without k */
        holds = holds && stub_times(d, GENERATOR) == stub_times(key, b);
    }
    holds = holds && challenge(public_key, blinded, evaluated, m, nonce) == want;
    return holds ? CPIS_OK : CPIS_E_AUTH;
}

/* sum lambda_i D_i as one fraction: lambda_i = prod_j x_j / (x_j - x_i) over all j but i. */
cpis_err stub_threshold_combine(const struct threshold_reply *replies, size_t k, size_t t,
                                size_t which, struct oprf_element *ret)
{
    uint64_t sum = 0, below_sum = 1;
    bool decodes = true;
    if (k == 0 || k < t || k > THRESHOLD_HOLDERS_MAX) return CPIS_E_INVAL;
    for (size_t i = 0; i < k; i++) {
        uint64_t above, below = 1, xi = replies[i].index;
        if (xi == 0) return CPIS_E_INVAL;
        decodes = stub_decode(replies[i].evaluated[which].b, &above) && decodes;
        for (size_t j = 0; j < k; j++) {
            const uint64_t xj = replies[j].index;
            if (j == i) continue;
            if (xj == xi) return CPIS_E_INVAL;
            above = stub_times(above % STUB_P, xj);
            below = stub_times(below, minus(xj, xi));
        }
        sum = plus(stub_times(sum, below), stub_times(above % STUB_P, below_sum));
        below_sum = stub_times(below_sum, below);
    }
    sum = stub_times(sum, inverse(below_sum));
    if (!decodes || sum == 0) return CPIS_E_MALFORMED;
    stub_encode(sum, ret->b);
    return CPIS_OK;
}

/* --- the ceremony's arithmetic --- */

cpis_err stub_threshold_share_for(const struct threshold_polynomial *p, uint32_t receiver,
                                  struct oprf_scalar *ret)
{
    if (receiver == 0 || p->t == 0 || p->t > THRESHOLD_HOLDERS_MAX) return CPIS_E_INVAL;
    uint64_t y = 0;
    for (uint32_t j = p->t; j > 0; j--)
        y = plus(stub_times(y, receiver), stub_load(p->c[j - 1].b) % STUB_P);
    if (y == 0) return CPIS_E_INVAL;
    *ret = scalar_write(y);
    return CPIS_OK;
}

cpis_err stub_threshold_sum_commitments(const struct threshold_commitments *dealings, size_t n,
                                        struct threshold_commitments *ret)
{
    if (n == 0 || n > THRESHOLD_HOLDERS_MAX) return CPIS_E_INVAL;
    struct threshold_commitments sum = {.t = dealings[0].t};
    if (sum.t == 0 || sum.t > THRESHOLD_HOLDERS_MAX) return CPIS_E_INVAL;
    const struct oprf_scalar one = {{1}};
    for (size_t i = 0; i < n; i++) {
        if (dealings[i].t != sum.t) return CPIS_E_INVAL;
        for (uint32_t j = 0; j < sum.t; j++)
            if (stub_oprf_element_add_scaled(&one, &dealings[i].a[j], &sum.a[j]) != CPIS_OK)
                return CPIS_E_MALFORMED;
    }
    for (uint32_t j = 0; j < sum.t; j++)
        if (stub_oprf_element_check(&sum.a[j]) != CPIS_OK) return CPIS_E_MALFORMED;
    *ret = sum;
    return CPIS_OK;
}

cpis_err stub_threshold_sum_shares(const struct oprf_scalar *shares, size_t n,
                                   struct oprf_scalar *ret)
{
    uint64_t sum = 0, v;
    if (n == 0 || n > THRESHOLD_HOLDERS_MAX) return CPIS_E_INVAL;
    for (size_t i = 0; i < n; i++) {
        if (!scalar_read(&shares[i], &v)) return CPIS_E_MALFORMED;
        sum = plus(sum, v);
    }
    if (sum == 0) return CPIS_E_MALFORMED;
    *ret = scalar_write(sum);
    return CPIS_OK;
}
