#include "crypto/oprf.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

_Static_assert(OPRF_ELEMENT_BYTES == crypto_core_ristretto255_BYTES, "element size");
_Static_assert(OPRF_SCALAR_BYTES == crypto_core_ristretto255_SCALARBYTES, "scalar size");
_Static_assert(OPRF_OUTPUT_BYTES == crypto_hash_sha512_BYTES, "Finalize is one SHA-512");
_Static_assert(OPRF_PROOF_BYTES == 2 * OPRF_SCALAR_BYTES, "a proof is two scalars");
_Static_assert(OPRF_BATCH_MAX <= UINT16_MAX, "an index in a batch is I2OSP(i, 2)");

#define WIDE_BYTES  64U  /* what is reduced to a scalar, or mapped to an element */
#define BLOCK_BYTES 128U /* SHA-512's block: the zeros that expand_message_xmd starts with */

/* l, little-endian. libsodium 1.0.18 multiplies by a scalar >= l without a word. */
static const uint8_t order[OPRF_SCALAR_BYTES] = {
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0x10};

/* --- SHA-512 over the RFC's length-prefixed strings --- */

static void begin(crypto_hash_sha512_state *h)
{
    int rc = crypto_hash_sha512_init(h);
    assert(rc == 0);
    (void)rc;
}

static void put(crypto_hash_sha512_state *h, const void *p, size_t len)
{
    if (len == 0) return; /* p may be NULL */
    int rc = crypto_hash_sha512_update(h, p, len);
    assert(rc == 0);
    (void)rc;
}

static void put_u8(crypto_hash_sha512_state *h, uint8_t v) { put(h, &v, 1); }

static void put_u16(crypto_hash_sha512_state *h, size_t v)
{
    assert(v <= UINT16_MAX);
    const uint8_t b[2] = {(uint8_t)(v >> 8), (uint8_t)v};
    put(h, b, sizeof b);
}

static void put_sized(crypto_hash_sha512_state *h, const void *p, size_t len)
{
    put_u16(h, len);
    put(h, p, len);
}

static void put_label(crypto_hash_sha512_state *h, const char *ascii)
{
    put(h, ascii, strlen(ascii));
}

static void finish(crypto_hash_sha512_state *h, uint8_t ret[static crypto_hash_sha512_BYTES])
{
    int rc = crypto_hash_sha512_final(h, ret);
    assert(rc == 0);
    (void)rc;
    sodium_memzero(h, sizeof *h);
}

/* --- domain separation: label || contextString --- */

static const char context[] = "OPRFV1-", suite[] = "-ristretto255-SHA512";

static size_t dst_bytes(const char *label)
{
    return strlen(label) + strlen(context) + 1 + strlen(suite);
}

static void put_dst(crypto_hash_sha512_state *h, const char *label, enum oprf_mode mode)
{
    assert(mode == OPRF_MODE_OPRF || mode == OPRF_MODE_VOPRF);
    put_label(h, label);
    put_label(h, context);
    put_u8(h, (uint8_t)mode);
    put_label(h, suite);
}

/* expand_message_xmd of RFC 9380 5.3.1 for 64 bytes of output, which is one block (ell = 1):
 * xmd_begin, put the message, xmd_finish. */
static void xmd_begin(crypto_hash_sha512_state *h)
{
    static const uint8_t zeros[BLOCK_BYTES];
    begin(h);
    put(h, zeros, sizeof zeros);
}

static void put_dst_prime(crypto_hash_sha512_state *h, const char *label, enum oprf_mode mode)
{
    put_dst(h, label, mode);
    put_u8(h, (uint8_t)dst_bytes(label));
}

static void xmd_finish(crypto_hash_sha512_state *h, const char *label, enum oprf_mode mode,
                       uint8_t ret[static WIDE_BYTES])
{
    uint8_t b0[crypto_hash_sha512_BYTES];
    put_u16(h, WIDE_BYTES);
    put_u8(h, 0);
    put_dst_prime(h, label, mode);
    finish(h, b0);
    begin(h);
    put(h, b0, sizeof b0);
    put_u8(h, 1);
    put_dst_prime(h, label, mode);
    finish(h, ret);
    sodium_memzero(b0, sizeof b0);
}

/* HashToScalar of what was put after xmd_begin; may be zero, of chance 2^-252. */
static void scalar_finish(crypto_hash_sha512_state *h, const char *label, enum oprf_mode mode,
                          struct oprf_scalar *ret)
{
    uint8_t wide[WIDE_BYTES];
    xmd_finish(h, label, mode, wide);
    crypto_core_ristretto255_scalar_reduce(ret->b, wide);
    sodium_memzero(wide, sizeof wide);
}

/* --- elements and scalars --- */

/* libsodium 1.0.18 drops the top bit when it decodes (later ones refuse it): one element would have
 * two encodings, and the identity one that is not all zeros. So nothing is decoded before this. */
static bool top_bit_is_clear(const struct oprf_element *e)
{
    return (e->b[OPRF_ELEMENT_BYTES - 1] & 0x80U) == 0;
}

/* Refuses what does not decode, and the identity, whose multiples are the identity. s is in [1, l)
 * or a reduced hash. */
static cpis_err multiply(const struct oprf_scalar *s, const struct oprf_element *e,
                         struct oprf_element *ret)
{
    if (!top_bit_is_clear(e)) return CPIS_E_MALFORMED;
    return crypto_scalarmult_ristretto255(ret->b, s->b, e->b) == 0 ? CPIS_OK : CPIS_E_MALFORMED;
}

cpis_err oprf_element_check(const struct oprf_element *e)
{
    if (sodium_is_zero(e->b, sizeof e->b) == 1) return CPIS_E_MALFORMED; /* the identity */
    if (!top_bit_is_clear(e)) return CPIS_E_MALFORMED;
    return crypto_core_ristretto255_is_valid_point(e->b) == 1 ? CPIS_OK : CPIS_E_MALFORMED;
}

cpis_err oprf_scalar_check(const struct oprf_scalar *s)
{
    int zero = sodium_is_zero(s->b, sizeof s->b);
    int side = sodium_compare(s->b, order, sizeof order); /* little-endian, constant time */
    return zero == 0 && side < 0 ? CPIS_OK : CPIS_E_MALFORMED;
}

void oprf_scalar_wipe(struct oprf_scalar *s) { sodium_memzero(s, sizeof *s); }
void oprf_output_wipe(struct oprf_output *y) { sodium_memzero(y, sizeof *y); }

cpis_err oprf_scalar_from(const uint8_t wide[static 64], struct oprf_scalar *ret)
{
    struct oprf_scalar s;
    crypto_core_ristretto255_scalar_reduce(s.b, wide);
    cpis_err err = oprf_scalar_check(&s) == CPIS_OK ? CPIS_OK : CPIS_E_INVAL;
    if (err == CPIS_OK) *ret = s;
    oprf_scalar_wipe(&s);
    return err;
}

cpis_err oprf_element_add_scaled(const struct oprf_scalar *s, const struct oprf_element *e,
                                 struct oprf_element *sum)
{
    struct oprf_element term;
    if (!top_bit_is_clear(sum) || multiply(s, e, &term) != CPIS_OK) return CPIS_E_MALFORMED;
    if (sodium_is_zero(sum->b, sizeof sum->b) == 1)
        *sum = term; /* 0 + x, without the cost of an addition */
    else if (crypto_core_ristretto255_add(sum->b, sum->b, term.b) != 0)
        return CPIS_E_MALFORMED;
    return CPIS_OK;
}

cpis_err oprf_derive_key(enum oprf_mode mode, const uint8_t seed[static OPRF_SEED_BYTES],
                         const uint8_t *info, size_t info_len, struct oprf_scalar *ret)
{
    if (info_len > UINT16_MAX) return CPIS_E_INVAL;
    struct oprf_scalar key;
    crypto_hash_sha512_state h;
    cpis_err err = CPIS_E_INVAL;
    for (unsigned counter = 0; err != CPIS_OK && counter <= UINT8_MAX; counter++) {
        xmd_begin(&h);
        put(&h, seed, OPRF_SEED_BYTES);
        put_sized(&h, info, info_len);
        put_u8(&h, (uint8_t)counter);
        scalar_finish(&h, "DeriveKeyPair", mode, &key); /* this label has no hyphen */
        if (oprf_scalar_check(&key) == CPIS_OK) err = CPIS_OK;
    }
    if (err == CPIS_OK) *ret = key;
    oprf_scalar_wipe(&key);
    return err;
}

cpis_err oprf_public_key(const struct oprf_scalar *key, struct oprf_element *ret)
{
    struct oprf_element e;
    if (oprf_scalar_check(key) != CPIS_OK) return CPIS_E_INVAL;
    if (crypto_scalarmult_ristretto255_base(e.b, key->b) != 0) return CPIS_E_INVAL;
    *ret = e;
    return CPIS_OK;
}

/* --- blind, evaluate, finalize --- */

cpis_err oprf_blind_with(enum oprf_mode mode, const uint8_t *input, size_t len,
                         const struct oprf_scalar *blind, struct oprf_element *ret)
{
    if (len > OPRF_INPUT_BYTES_MAX) return CPIS_E_INVAL;
    if (oprf_scalar_check(blind) != CPIS_OK) return CPIS_E_INVAL;
    cpis_err err = CPIS_E_INVAL;
    crypto_hash_sha512_state h;
    uint8_t wide[WIDE_BYTES];
    struct oprf_element e, blinded;
    xmd_begin(&h);
    put(&h, input, len);
    xmd_finish(&h, "HashToGroup-", mode, wide);
    if (crypto_core_ristretto255_from_hash(e.b, wide) != 0) goto out;
    if (multiply(blind, &e, &blinded) != CPIS_OK) goto out; /* the input maps to the identity */
    *ret = blinded;
    err = CPIS_OK;
out:
    sodium_memzero(wide, sizeof wide); /* inputs are few: from this the input can be searched */
    sodium_memzero(&e, sizeof e);
    return err;
}

cpis_err oprf_blind(enum oprf_mode mode, const uint8_t *input, size_t len,
                    struct oprf_scalar *ret_blind, struct oprf_element *ret)
{
    uint8_t wide[WIDE_BYTES];
    struct oprf_scalar blind;
    randombytes_buf(wide, sizeof wide);
    cpis_err err = oprf_scalar_from(wide, &blind);
    if (err != CPIS_OK) goto out;
    err = oprf_blind_with(mode, input, len, &blind, ret);
    if (err != CPIS_OK) goto out;
    *ret_blind = blind;
out:
    sodium_memzero(wide, sizeof wide);
    oprf_scalar_wipe(&blind);
    return err;
}

cpis_err oprf_evaluate(const struct oprf_scalar *key, const struct oprf_element *blinded,
                       struct oprf_element *ret)
{
    struct oprf_element e;
    if (oprf_scalar_check(key) != CPIS_OK) return CPIS_E_INVAL;
    if (multiply(key, blinded, &e) != CPIS_OK) return CPIS_E_MALFORMED;
    *ret = e;
    return CPIS_OK;
}

cpis_err oprf_finalize(const uint8_t *input, size_t len, const struct oprf_scalar *blind,
                       const struct oprf_element *evaluated, struct oprf_output *ret)
{
    if (len > OPRF_INPUT_BYTES_MAX) return CPIS_E_INVAL;
    if (oprf_scalar_check(blind) != CPIS_OK) return CPIS_E_INVAL;
    cpis_err err = CPIS_E_INVAL;
    crypto_hash_sha512_state h;
    struct oprf_scalar inverse;
    struct oprf_element unblinded = {{0}};
    if (crypto_core_ristretto255_scalar_invert(inverse.b, blind->b) != 0) goto out;
    err = multiply(&inverse, evaluated, &unblinded);
    if (err != CPIS_OK) goto out;
    begin(&h);
    put_sized(&h, input, len);
    put_sized(&h, unblinded.b, sizeof unblinded.b);
    put_label(&h, "Finalize");
    finish(&h, ret->b);
    err = CPIS_OK;
out:
    oprf_scalar_wipe(&inverse);
    sodium_memzero(&unblinded, sizeof unblinded);
    return err;
}

/* --- the proof that one key made all of a batch --- */

static void composite_seed(enum oprf_mode mode, const struct oprf_element *public_key,
                           uint8_t ret[static crypto_hash_sha512_BYTES])
{
    crypto_hash_sha512_state h;
    begin(&h);
    put_sized(&h, public_key->b, sizeof public_key->b);
    put_u16(&h, dst_bytes("Seed-"));
    put_dst(&h, "Seed-", mode);
    finish(&h, ret);
}

/* d_i: the weight of pair i. It hashes the pair, so nobody can choose pairs to fit the weights. */
static void weight(enum oprf_mode mode, const uint8_t seed[static crypto_hash_sha512_BYTES],
                   size_t i, const struct oprf_element *c, const struct oprf_element *d,
                   struct oprf_scalar *ret)
{
    crypto_hash_sha512_state h;
    xmd_begin(&h);
    put_sized(&h, seed, crypto_hash_sha512_BYTES);
    put_u16(&h, i);
    put_sized(&h, c->b, sizeof c->b);
    put_sized(&h, d->b, sizeof d->b);
    put_label(&h, "Composite");
    scalar_finish(&h, "HashToScalar-", mode, ret);
}

/* M = sum d_i C_i and, unless ret_z is NULL, Z = sum d_i D_i. Every element is decoded on the way
 * and the identity refused, so the caller need not check them once more. */
static cpis_err weigh(enum oprf_mode mode, const struct oprf_element *public_key,
                      const struct oprf_element *blinded, const struct oprf_element *evaluated,
                      size_t m, struct oprf_element *ret_m, struct oprf_element *ret_z)
{
    uint8_t seed[crypto_hash_sha512_BYTES];
    struct oprf_element sum_m = {{0}}, sum_z = {{0}};
    if (m == 0 || m > OPRF_BATCH_MAX) return CPIS_E_LIMIT;
    composite_seed(mode, public_key, seed);
    for (size_t i = 0; i < m; i++) {
        struct oprf_scalar d;
        weight(mode, seed, i, &blinded[i], &evaluated[i], &d);
        cpis_err err = oprf_element_add_scaled(&d, &blinded[i], &sum_m);
        if (err == CPIS_OK && ret_z != NULL)
            err = oprf_element_add_scaled(&d, &evaluated[i], &sum_z);
        if (err != CPIS_OK) return err;
    }
    /* libsodium encodes only what is an element: a sum is that, or the identity */
    if (sodium_is_zero(sum_m.b, sizeof sum_m.b) == 1) return CPIS_E_MALFORMED;
    if (ret_z != NULL && sodium_is_zero(sum_z.b, sizeof sum_z.b) == 1) return CPIS_E_MALFORMED;
    *ret_m = sum_m;
    if (ret_z != NULL) *ret_z = sum_z;
    return CPIS_OK;
}

cpis_err oprf_composites(enum oprf_mode mode, const struct oprf_element *public_key,
                         const struct oprf_element *blinded, const struct oprf_element *evaluated,
                         size_t m, struct oprf_composites *ret)
{
    struct oprf_composites c;
    cpis_err err = weigh(mode, public_key, blinded, evaluated, m, &c.m, &c.z);
    if (err == CPIS_OK) *ret = c;
    return err;
}

cpis_err oprf_composites_fast(enum oprf_mode mode, const struct oprf_scalar *key,
                              const struct oprf_element *public_key,
                              const struct oprf_element *blinded,
                              const struct oprf_element *evaluated, size_t m,
                              struct oprf_composites *ret)
{
    struct oprf_composites c;
    cpis_err err = weigh(mode, public_key, blinded, evaluated, m, &c.m, NULL);
    if (err == CPIS_OK) err = oprf_evaluate(key, &c.m, &c.z);
    if (err == CPIS_OK) *ret = c;
    return err;
}

static void challenge(enum oprf_mode mode, const struct oprf_element *public_key,
                      const struct oprf_composites *c, const struct oprf_element *t2,
                      const struct oprf_element *t3, struct oprf_scalar *ret)
{
    crypto_hash_sha512_state h;
    xmd_begin(&h);
    put_sized(&h, public_key->b, sizeof public_key->b);
    put_sized(&h, c->m.b, sizeof c->m.b);
    put_sized(&h, c->z.b, sizeof c->z.b);
    put_sized(&h, t2->b, sizeof t2->b);
    put_sized(&h, t3->b, sizeof t3->b);
    put_label(&h, "Challenge");
    scalar_finish(&h, "HashToScalar-", mode, ret);
}

cpis_err oprf_prove_composites(enum oprf_mode mode, const struct oprf_scalar *key,
                               const struct oprf_element *public_key,
                               const struct oprf_composites *composites,
                               const struct oprf_scalar *nonce, struct oprf_proof *ret)
{
    struct oprf_element t2, t3;
    struct oprf_scalar c, s;
    cpis_err err = CPIS_E_INVAL;
    if (oprf_scalar_check(key) != CPIS_OK) goto out;
    err = oprf_public_key(nonce, &t2);
    if (err != CPIS_OK) goto out;
    err = oprf_evaluate(nonce, &composites->m, &t3);
    if (err != CPIS_OK) goto out;
    challenge(mode, public_key, composites, &t2, &t3, &c);
    crypto_core_ristretto255_scalar_mul(s.b, c.b, key->b);
    crypto_core_ristretto255_scalar_sub(s.b, nonce->b, s.b);
    err = CPIS_E_INVAL; /* a proof that oprf_verify would refuse, of chance 2^-251 */
    if (oprf_scalar_check(&c) != CPIS_OK || oprf_scalar_check(&s) != CPIS_OK) goto out;
    memcpy(ret->b, c.b, sizeof c.b);
    memcpy(ret->b + sizeof c.b, s.b, sizeof s.b);
    err = CPIS_OK;
out:
    oprf_scalar_wipe(&s); /* before the subtraction it was c*key */
    return err;
}

cpis_err oprf_prove(enum oprf_mode mode, const struct oprf_scalar *key,
                    const struct oprf_element *public_key, const struct oprf_element *blinded,
                    const struct oprf_element *evaluated, size_t m, const struct oprf_scalar *nonce,
                    struct oprf_proof *ret)
{
    struct oprf_composites c;
    cpis_err err = oprf_composites_fast(mode, key, public_key, blinded, evaluated, m, &c);
    if (err != CPIS_OK) return err;
    return oprf_prove_composites(mode, key, public_key, &c, nonce, ret);
}

/* s*base + c*image: the prover's nonce commitment, if image = key*base. */
static cpis_err commitment(const struct oprf_scalar *s, const struct oprf_element *base,
                           const struct oprf_scalar *c, const struct oprf_element *image,
                           struct oprf_element *ret)
{
    *ret = (struct oprf_element){{0}};
    cpis_err err = base == NULL ? oprf_public_key(s, ret) : oprf_element_add_scaled(s, base, ret);
    return err == CPIS_OK ? oprf_element_add_scaled(c, image, ret) : err;
}

cpis_err oprf_verify(enum oprf_mode mode, const struct oprf_element *public_key,
                     const struct oprf_element *blinded, const struct oprf_element *evaluated,
                     size_t m, const struct oprf_proof *proof)
{
    struct oprf_scalar c, s, want;
    struct oprf_composites comp;
    struct oprf_element t2, t3;
    memcpy(c.b, proof->b, sizeof c.b);
    memcpy(s.b, proof->b + sizeof c.b, sizeof s.b);
    if (oprf_scalar_check(&c) != CPIS_OK) return CPIS_E_MALFORMED;
    if (oprf_scalar_check(&s) != CPIS_OK) return CPIS_E_MALFORMED;
    cpis_err err = oprf_composites(mode, public_key, blinded, evaluated, m, &comp);
    if (err != CPIS_OK) return err;
    err = commitment(&s, NULL, &c, public_key, &t2); /* refuses a key that is no element */
    if (err != CPIS_OK) return err;
    err = commitment(&s, &comp.m, &c, &comp.z, &t3);
    if (err != CPIS_OK) return err;
    challenge(mode, public_key, &comp, &t2, &t3, &want);
    /* all of it is public: nothing to wipe, and a plain comparison would do as well */
    return sodium_memcmp(want.b, c.b, sizeof c.b) == 0 ? CPIS_OK : CPIS_E_AUTH;
}
