/* What is refused matters more than what is accepted. */
#include "crypto/hash.h"
#include "crypto/sign.h"
#include "tests/crypto/bytes.h"

#include <signal.h>

#define TYPE 5

static struct identity id;
static struct net_id net;
static struct signature sig;
static uint8_t body[40];

static void setup(void)
{
    uint8_t seed[IDENTITY_SEED_BYTES];
    cr_assert_geq(sodium_init(), 0);
    fill_from(1, seed, sizeof seed);
    fill_from(2, net.b, sizeof net.b);
    fill_from(3, body, sizeof body);
    identity_from(seed, &id);
    sign_make(&id.sign, TYPE, &net, body, sizeof body, &sig);
}
static void teardown(void) { identity_wipe(&id); }
TestSuite(sign, .init = setup, .fini = teardown);

static cpis_err check(void)
{
    return sign_check(&id.pub.sign, TYPE, &net, body, sizeof body, &sig);
}

Test(sign, reproduces_a_known_signature_over_an_empty_body)
{
    uint8_t seed[SIGN_SEED_BYTES];
    struct sign_public pub;
    struct sign_secret secret;
    from_hex("c76ea3861c4b616ef8bb52c89a2ea0323ef0bd32529b8d8b85e17721c514a6c2", seed, 32);
    from_hex("c601009536b6296a6e3cb4a0acea6359", net.b, 16);
    sign_keypair_from(seed, &pub, &secret);
    sign_make(&secret, 6, &net, NULL, 0, &sig);
    assert_hex(pub.b, 32, "3139d025bc46b7dc16ea2d81e0ea8139c2babec58fc27e4ce7522b9ee5de4b97");
    assert_hex(sig.b, 64,
               "fd76a71233fc75cc29ee0cd97bd7b05045a12f426e7c7acbe57b4227f97ef8b3"
               "459b74d22a42a6dff9e9bba4d8529f35f63b6d89b75b716c91ce25a99ab9cf07");
    const struct cpis_id node = node_id_of(&pub);
    assert_hex(node.b, 16, "b34035710be5756a193770878212cd60");
    cr_assert_eq(sign_check(&pub, 6, &net, NULL, 0, &sig), CPIS_OK);
}

Test(sign, every_flipped_bit_of_body_signature_network_and_key_is_refused)
{
    const struct {
        void *p;
        size_t len;
    } parts[] = {{body, sizeof body},
                 {&sig, sizeof sig},
                 {&net, sizeof net},
                 {&id.pub.sign, sizeof id.pub.sign}};
    cr_assert_eq(check(), CPIS_OK);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        for (size_t bit = 0; bit < 8 * parts[i].len; bit++) {
            flip(parts[i].p, bit);
            cr_assert_eq(check(), CPIS_E_AUTH, "part %zu bit %zu", i, bit);
            flip(parts[i].p, bit);
        }
    cr_assert_eq(check(), CPIS_OK);
}

Test(sign, holds_for_no_other_type_and_no_other_length)
{
    for (unsigned type = 0; type < 256; type++)
        cr_assert_eq(sign_check(&id.pub.sign, (uint8_t)type, &net, body, sizeof body, &sig),
                     type == TYPE ? CPIS_OK : CPIS_E_AUTH);
    for (size_t len = 0; len < sizeof body; len++)
        cr_assert_eq(sign_check(&id.pub.sign, TYPE, &net, body, len, &sig), CPIS_E_AUTH);
}

Test(sign, a_key_of_small_order_signs_for_nobody)
{
    /* R = sB - hA holds for the identity as the key, whatever the message: s = 0, R = identity */
    const struct sign_public small = {{1}};
    const struct signature forged = {{1}};
    cr_assert_eq(sign_check(&small, TYPE, &net, body, sizeof body, &forged), CPIS_E_AUTH);
}

Test(sign, a_second_form_of_a_signature_is_refused)
{
    /* s + l, l the group's order, satisfies the same equation */
    static const uint8_t order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,       0xd6,
                                      0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10};
    sodium_add(sig.b + 32, order, sizeof order);
    cr_assert_eq(check(), CPIS_E_AUTH);
}

Test(sign, takes_the_longest_body_and_refuses_a_longer_one)
{
    static uint8_t big[SIGN_BODY_BYTES_MAX + 1];
    big[SIGN_BODY_BYTES_MAX - 1] = 1;
    sign_make(&id.sign, TYPE, &net, big, SIGN_BODY_BYTES_MAX, &sig);
    cr_assert_eq(sign_check(&id.pub.sign, TYPE, &net, big, SIGN_BODY_BYTES_MAX, &sig), CPIS_OK);
    cr_assert_eq(sign_check(&id.pub.sign, TYPE, &net, big, sizeof big, &sig), CPIS_E_AUTH);
    big[SIGN_BODY_BYTES_MAX - 1] = 0;
    cr_assert_eq(sign_check(&id.pub.sign, TYPE, &net, big, SIGN_BODY_BYTES_MAX, &sig), CPIS_E_AUTH);
}

Test(sign, a_longer_body_is_our_own_bug, .signal = SIGABRT)
{
    static uint8_t big[SIGN_BODY_BYTES_MAX + 1];
    sign_make(&id.sign, TYPE, &net, big, sizeof big, &sig);
}

Test(sign, the_network_is_the_first_half_of_the_hash_of_the_first_register)
{
    const struct cpis_hash h = hash_of(body, sizeof body);
    const struct net_id got = net_id_of(body, sizeof body);
    cr_assert_arr_eq(got.b, h.b, sizeof got.b);
}

Test(sign, an_identity_is_three_distinct_pairs_from_its_seed)
{
    uint8_t seed[IDENTITY_SEED_BYTES], shared[2][32];
    struct identity again;
    fill_from(1, seed, sizeof seed);
    identity_from(seed, &again);
    cr_assert_arr_eq(&again, &id, sizeof id);
    cr_assert_neq(memcmp(&id.pub.sealing, &id.pub.transport, BOX_KEY_BYTES), 0);
    cr_assert_neq(memcmp(&id.pub.sealing, &id.pub.sign, BOX_KEY_BYTES), 0);
    /* the publics belong to their secrets: both sides agree */
    cr_assert_eq(crypto_scalarmult(shared[0], id.sealing.b, id.pub.transport.b), 0);
    cr_assert_eq(crypto_scalarmult(shared[1], id.transport.b, id.pub.sealing.b), 0);
    cr_assert_arr_eq(shared[0], shared[1], 32);
    identity_wipe(&again);
    cr_assert(bytes_are_zero((const uint8_t *)&again, sizeof again));
}

Test(sign, two_generated_identities_differ_in_every_key)
{
    struct identity a, b;
    identity_keygen(&a);
    identity_keygen(&b);
    cr_assert_neq(memcmp(&a.pub.sign, &b.pub.sign, SIGN_PUBLIC_BYTES), 0);
    cr_assert_neq(memcmp(&a.pub.sealing, &b.pub.sealing, BOX_KEY_BYTES), 0);
    cr_assert_neq(memcmp(&a.pub.transport, &b.pub.transport, BOX_KEY_BYTES), 0);
    identity_wipe(&a);
    identity_wipe(&b);
}
