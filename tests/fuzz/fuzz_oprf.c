/* Fuzz target: replies of share holders, honest up to what the input changes. A reply that is not
 * the honest one never verifies; combining whatever there is ends with a refusal or an element.
 * Input: index, then what is xored over evaluated(2 * 32) proof(64); the rest is combined as it
 * stands: index(1) element(32) each. */
#include "crypto/threshold.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#define HOLDERS 3U
#define BATCH   2U

static struct threshold_commitments commitments;
static struct threshold_public_shares public_shares;
static struct oprf_element blinded[BATCH];
static struct {
    struct oprf_element evaluated[BATCH];
    struct oprf_proof proof;
} honest[HOLDERS];

static void set_up(void)
{
    static bool done;
    if (done) return;
    assert(sodium_init() >= 0);
    uint8_t wide[2 * 64];
    struct threshold_polynomial poly;
    struct oprf_scalar blind = {{5}};
    memset(wide, 7, sizeof wide);
    assert(threshold_deal(2, wide, &poly) == CPIS_OK);
    assert(threshold_commit(&poly, &commitments) == CPIS_OK);
    threshold_public_shares(&commitments, HOLDERS, &public_shares);
    for (uint8_t j = 0; j < BATCH; j++)
        assert(oprf_blind_with(OPRF_MODE_VOPRF, &j, 1, &blind, &blinded[j]) == CPIS_OK);
    for (uint32_t i = 0; i < HOLDERS; i++) {
        struct oprf_scalar share;
        struct oprf_element pub;
        assert(threshold_share_for(&poly, i + 1, &share) == CPIS_OK);
        assert(threshold_public_share(&commitments, i + 1, &pub) == CPIS_OK);
        assert(threshold_evaluate(&share, &pub, blinded, BATCH, wide, honest[i].evaluated,
                                  &honest[i].proof) == CPIS_OK);
    }
    done = true;
}

static void change(void *p, size_t len, const uint8_t **data, size_t *size)
{
    uint8_t *b = p;
    for (size_t i = 0; i<len && * size> 0; i++, (*data)++, (*size)--)
        b[i] ^= **data;
}

static void combine(const uint8_t *data, size_t size)
{
    struct oprf_element e[THRESHOLD_HOLDERS_MAX + 1], z;
    struct threshold_reply replies[THRESHOLD_HOLDERS_MAX + 1];
    size_t k = 0;
    for (; k <= THRESHOLD_HOLDERS_MAX && size >= 33; k++, data += 33, size -= 33) {
        memcpy(&e[k], data + 1, 32);
        replies[k] = (struct threshold_reply){.index = data[0], .evaluated = &e[k]};
        const struct oprf_scalar one = {{1}};
        struct oprf_element sum = {{0}};
        if (oprf_element_check(&e[k]) != CPIS_OK) continue;
        assert(oprf_element_add_scaled(&one, &e[k], &sum) == CPIS_OK);
        assert(memcmp(&sum, &e[k], 32) == 0); /* an element has one encoding */
    }
    if (threshold_combine(replies, k, 1, 0, &z) == CPIS_OK)
        assert(oprf_element_check(&z) == CPIS_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    set_up();
    const uint8_t which = data[0] % HOLDERS;
    const uint32_t index = data[0] / HOLDERS;
    data++;
    size--;
    struct oprf_element evaluated[BATCH];
    struct threshold_reply reply = {.index = index, .evaluated = evaluated};
    memcpy(evaluated, honest[which].evaluated, sizeof evaluated);
    reply.proof = honest[which].proof;
    change(evaluated, sizeof evaluated, &data, &size);
    change(&reply.proof, sizeof reply.proof, &data, &size);
    const bool same = index == which + 1U &&
                      memcmp(evaluated, honest[which].evaluated, sizeof evaluated) == 0 &&
                      memcmp(&reply.proof, &honest[which].proof, sizeof reply.proof) == 0;
    cpis_err err = threshold_verify(&public_shares, blinded, BATCH, &reply);
    assert((err == CPIS_OK) == same);
    combine(data, size);
    return 0;
}
