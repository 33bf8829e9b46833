/* What is known to be signed is this key's signature over these bytes, and nothing like it. */
#include "node/core/verified.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <string.h>

static struct sign_public key, other_key;
static struct sign_secret secret, other_secret;
static const struct net_id net = {{1, 2, 3}}, other_net = {{1, 2, 4}};
static struct verified known;
static uint8_t body[] = "a head, say";

static void init(void)
{
    static const uint8_t seed[SIGN_SEED_BYTES] = {7}, other_seed[SIGN_SEED_BYTES] = {8};
    cr_assert_geq(sodium_init(), 0);
    sign_keypair_from(seed, &key, &secret);
    sign_keypair_from(other_seed, &other_key, &other_secret);
    verified_forget(&known);
}
TestSuite(verified, .init = init);

static struct signed_message signed_by(const struct sign_secret *by, enum signed_type type)
{
    struct signed_message m = {.type = type, .body = {body, sizeof body}};
    sign_make(by, (uint8_t)type, &net, body, sizeof body, &m.signature);
    return m;
}

Test(verified, what_was_found_right_is_known_until_it_is_forgotten)
{
    const struct signed_message m = signed_by(&secret, SIGNED_HEAD);
    cr_assert(!verified_knows(&known, &key, &net, &m));
    cr_assert(verified_check(&known, &key, &net, &m));
    cr_assert(verified_knows(&known, &key, &net, &m));
    cr_assert(verified_check(&known, &key, &net, &m));
    verified_forget(&known);
    cr_assert(!verified_knows(&known, &key, &net, &m));
    cr_assert(verified_check(&known, &key, &net, &m));
}

Test(verified, a_forgery_is_refused_after_its_honest_twin_was_found_right)
{
    const struct signed_message honest = signed_by(&secret, SIGNED_HEAD);
    uint8_t forged[sizeof body];
    cr_assert(verified_check(&known, &key, &net, &honest));
    for (size_t bit = 0; bit < 8 * sizeof body; bit++) {
        struct signed_message m = honest;
        memcpy(forged, body, sizeof body);
        forged[bit / 8] ^= (uint8_t)(1U << bit % 8);
        m.body.p = forged;
        cr_assert(!verified_check(&known, &key, &net, &m), "bit %zu of the body", bit);
    }
    for (size_t bit = 0; bit < 8 * sizeof honest.signature.b; bit++) {
        struct signed_message m = honest;
        m.signature.b[bit / 8] ^= (uint8_t)(1U << bit % 8);
        cr_assert(!verified_check(&known, &key, &net, &m), "bit %zu of the signature", bit);
    }
    for (size_t len = 0; len < sizeof body; len++) {
        struct signed_message m = honest;
        m.body.len = len;
        cr_assert(!verified_check(&known, &key, &net, &m), "cut to %zu", len);
    }
    cr_assert(verified_knows(&known, &key, &net, &honest));
}

Test(verified, a_right_signature_is_of_one_key_one_type_and_one_network)
{
    const struct signed_message honest = signed_by(&secret, SIGNED_HEAD);
    struct signed_message m = honest;
    cr_assert(verified_check(&known, &key, &net, &honest));
    cr_assert(!verified_check(&known, &other_key, &net, &honest));
    cr_assert(!verified_check(&known, &key, &other_net, &honest));
    m.type = SIGNED_ACK;
    cr_assert(!verified_check(&known, &key, &net, &m));
    m = honest;
    m.signer.b[0] ^= 1; /* the signer is what the register says whose key this is: not looked at */
    cr_assert(verified_knows(&known, &key, &net, &m));
}

Test(verified, what_was_found_wrong_is_not_remembered_in_any_way)
{
    struct signed_message m = signed_by(&other_secret, SIGNED_HEAD);
    const struct verified empty = {{{{0}}}};
    cr_assert(!verified_check(&known, &key, &net, &m));
    cr_assert_eq(memcmp(&known, &empty, sizeof known), 0);
    cr_assert(!verified_check(&known, &key, &net, &m));
    cr_assert(verified_check(&known, &other_key, &net, &m));
}

/* More than there is room for: what was pushed out is only checked again. */
Test(verified, a_full_memory_takes_nothing_for_right_that_is_not)
{
    struct signed_message m = {.type = SIGNED_ACK, .body = {body, sizeof body}};
    size_t kept = 0;
    for (unsigned i = 0; i < 2 * VERIFIED_SLOTS; i++) {
        memcpy(body, &i, sizeof i);
        sign_make(&secret, SIGNED_ACK, &net, body, sizeof body, &m.signature);
        cr_assert(!verified_knows(&known, &key, &net, &m));
        cr_assert(verified_check(&known, &key, &net, &m));
    }
    for (unsigned i = 0; i < 2 * VERIFIED_SLOTS; i++) {
        memcpy(body, &i, sizeof i);
        sign_make(&secret, SIGNED_ACK, &net, body, sizeof body, &m.signature);
        kept += verified_knows(&known, &key, &net, &m);
        m.signature.b[3] ^= 1;
        cr_assert(!verified_check(&known, &key, &net, &m));
    }
    cr_assert_gt(kept, VERIFIED_SLOTS / 4);
    cr_assert_leq(kept, VERIFIED_SLOTS);
}
