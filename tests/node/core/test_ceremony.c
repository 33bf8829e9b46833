#include "node/core/ceremony.h"
#include "tests/node/core/registry_fixture.h"

#include <assert.h>
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* The evaluator's door alone, for as long as nothing else in the program uses the real one; both
 * keep the share as a row of TABLE_SHARE, and that is where these tests look. */
struct evaluator {
    int nothing;
};
cpis_err __attribute__((weak)) evaluator_new(struct evaluator **ret)
{
    *ret = calloc(1, sizeof **ret);
    return *ret == NULL ? CPIS_E_NOMEM : CPIS_OK;
}
void __attribute__((weak)) evaluator_free(struct evaluator **p)
{
    free(*p);
    *p = NULL;
}
cpis_err __attribute__((weak)) evaluator_restore(struct evaluator *v, struct env *e)
{
    (void)v;
    (void)e;
    return CPIS_OK;
}
cpis_err __attribute__((weak))
evaluator_add_share(struct evaluator *v, struct env *e, const struct row_share *share)
{
    const uint8_t key[4] = {(uint8_t)(share->epoch >> 24), (uint8_t)(share->epoch >> 16),
                            (uint8_t)(share->epoch >> 8), (uint8_t)share->epoch};
    (void)v;
    EMIT_ROW(e, TABLE_SHARE, key, sizeof key, row_share, share);
    return CPIS_OK;
}

/* --- a network in memory --- */

#define NODES_MAX  7U
#define FLYING_MAX 4096U

struct flying {
    unsigned from, to; /* numbers, from 1 */
    cpis_ms at;
    struct bytes frame; /* owned */
};
struct directory {
    struct rf_node node;
    struct rf_store store;
    struct evaluator *evaluator;
    struct ceremony *ceremony;
    uint8_t reveal[3][64]; /* by epoch: signature of its reveal: there must never be another */
    bool has_reveal[3];
};
struct net {
    unsigned n;
    struct registry *registry;
    struct arena arena;
    struct drbg dice;
    struct directory d[NODES_MAX + 1];
    struct flying flying[FLYING_MAX];
    size_t flying_count;
    cpis_ms now;
    unsigned loss, twice, crash; /* permille */
    unsigned crashes;
    void (*spoil)(struct net *net, unsigned from, unsigned to, struct bytes *frame);
};
static struct net w; /* one for each test: every test is its own process */

static void start(unsigned number)
{
    struct directory *d = &w.d[number];
    rf_node_init(&d->node, number, w.registry, &d->store);
    drbg_bytes(&w.dice, &d->node.rng, sizeof d->node.rng); /* another generator at each start */
    cr_assert_eq(evaluator_new(&d->evaluator), CPIS_OK);
    cr_assert_eq(ceremony_new(d->evaluator, &d->ceremony), CPIS_OK);
    struct env *e = rf_begin(&d->node, w.now, RF_T0 + w.now);
    cr_assert_eq(evaluator_restore(d->evaluator, e), CPIS_OK);
    cr_assert_eq(ceremony_restore(d->ceremony, e), CPIS_OK);
    rf_commit(&d->node, false);
}

static void stop(unsigned number)
{
    struct directory *d = &w.d[number];
    ceremony_free(&d->ceremony);
    evaluator_free(&d->evaluator);
    rf_node_free(&d->node);
}

static void init(unsigned n, uint64_t seed)
{
    uint8_t s[DRBG_SEED_BYTES] = {(uint8_t)seed, (uint8_t)(seed >> 8), 42};
    memset(&w, 0, sizeof w);
    w.n = n;
    w.arena = arena_make((size_t)256 * 1024 * 1024);
    w.registry = rf_federation(n, false, &w.arena);
    drbg_from(s, &w.dice);
    for (unsigned i = 1; i <= n; i++) {
        rf_store_init(&w.d[i].store);
        start(i);
    }
}

static void end(void)
{
    for (unsigned i = 1; i <= w.n; i++) {
        stop(i);
        rf_store_free(&w.d[i].store);
    }
    for (size_t i = 0; i < w.flying_count; i++)
        free((void *)(uintptr_t)w.flying[i].frame.p);
    registry_free(&w.registry);
    arena_free(&w.arena);
}
TestSuite(ceremony);

static unsigned number_of(const struct cpis_id *id)
{
    for (unsigned i = 1; i <= w.n; i++)
        if (id_equal(&w.d[i].node.env.id, id)) return i;
    return 0;
}

static void fly(unsigned from, unsigned to, struct bytes frame)
{
    uint8_t *p = malloc(frame.len);
    memcpy(p, frame.p, frame.len);
    cr_assert_lt(w.flying_count, FLYING_MAX);
    w.flying[w.flying_count++] =
        (struct flying){from, to, w.now + drbg_below(&w.dice, 3000), {p, frame.len}};
}

/* Every reveal that leaves a directory is the same one, through all crashes. */
static void watch(struct directory *d, struct bytes frame)
{
    struct arena a = arena_make((size_t)4 * 1024 * 1024);
    struct frame f;
    struct signed_message s;
    cr_assert_eq(frame_unwrap(frame, &a, &f), CPIS_OK);
    cr_assert_eq(signed_message_decode(f.payload, &a, &s), CPIS_OK);
    struct msg_dealing_reveal m;
    if (s.type == SIGNED_DEALING_REVEAL) {
        cr_assert_eq(dealing_reveal_decode(s.body, &a, &m), CPIS_OK);
        if (d->has_reveal[m.epoch]) cr_assert_eq(memcmp(d->reveal[m.epoch], s.signature.b, 64), 0);
        memcpy(d->reveal[m.epoch], s.signature.b, 64);
        d->has_reveal[m.epoch] = true;
    }
    arena_free(&a);
}

/* After each step: committed or lost with the process. */
static void settle(unsigned number)
{
    struct directory *d = &w.d[number];
    const bool dies = drbg_below(&w.dice, 1000) < w.crash;
    const bool commits = !dies || drbg_below(&w.dice, 2) == 0; /* killed before or after it */
    const bool sends = !dies || drbg_below(&w.dice, 2) == 0;
    rf_commit(&d->node, !commits);
    for (size_t i = 0; i < d->node.step.sent_count && commits && sends; i++) {
        struct bytes frame = d->node.step.sent[i].frame;
        const unsigned to = number_of(&d->node.step.sent[i].peer);
        watch(d, frame);
        if (w.spoil != NULL) w.spoil(&w, number, to, &frame);
        if (drbg_below(&w.dice, 1000) >= w.loss) fly(number, to, frame);
        if (drbg_below(&w.dice, 1000) < w.twice) fly(number, to, frame);
    }
    if (!dies) return;
    w.crashes++;
    stop(number);
    start(number);
}

static void deliver(const struct flying *f)
{
    struct directory *d = &w.d[f->to];
    struct env *e = rf_begin(&d->node, w.now, RF_T0 + w.now);
    struct arena *a = e->scratch;
    const struct registry_node *from = registry_node(w.registry, &w.d[f->from].node.env.id);
    struct frame frame;
    struct signed_message s;
    union {
        struct msg_dealing dealing;
        struct msg_dealing_reveal reveal;
        struct msg_share_accepted accepted;
    } m;
    cr_assert_eq(frame_unwrap(f->frame, a, &frame), CPIS_OK);
    cr_assert_eq(signed_message_decode(frame.payload, a, &s), CPIS_OK);
    cr_assert_eq(sign_check(&from->d.sign_key, (uint8_t)s.type, registry_net(w.registry), s.body.p,
                            s.body.len, &s.signature),
                 CPIS_OK);
    if (s.type == SIGNED_DEALING) {
        cr_assert_eq(dealing_decode(s.body, a, &m.dealing), CPIS_OK);
        ceremony_recv_dealing(d->ceremony, e, from, &s, &m.dealing);
    } else if (s.type == SIGNED_DEALING_REVEAL) {
        cr_assert_eq(dealing_reveal_decode(s.body, a, &m.reveal), CPIS_OK);
        ceremony_recv_reveal(d->ceremony, e, from, &s, &m.reveal);
    } else {
        cr_assert_eq(share_accepted_decode(s.body, a, &m.accepted), CPIS_OK);
        ceremony_recv_accepted(d->ceremony, e, from, &s, &m.accepted);
    }
    settle(f->to);
}

static enum ceremony_phase phase(unsigned number)
{
    struct ceremony_status s;
    ceremony_status(w.d[number].ceremony, &s);
    return s.phase;
}

static bool all_in(enum ceremony_phase p)
{
    for (unsigned i = 1; i <= w.n; i++)
        if (phase(i) != p) return false;
    return true;
}

static void run(cpis_ms span)
{
    for (const cpis_ms until = w.now + span; w.now < until && !all_in(CEREMONY_DONE);) {
        size_t first = w.flying_count;
        for (size_t i = 0; i < w.flying_count; i++)
            if (first == w.flying_count || w.flying[i].at < w.flying[first].at) first = i;
        if (first < w.flying_count && w.flying[first].at <= w.now) {
            struct flying f = w.flying[first];
            w.flying[first] = w.flying[--w.flying_count];
            deliver(&f);
            free((void *)(uintptr_t)f.frame.p);
            continue;
        }
        w.now += 100;
        for (unsigned i = 1; i <= w.n; i++) {
            if (ceremony_deadline(w.d[i].ceremony) > w.now) continue;
            ceremony_tick(w.d[i].ceremony, rf_begin(&w.d[i].node, w.now, RF_T0 + w.now));
            settle(i);
        }
    }
}

static cpis_err propose(unsigned by, uint32_t epoch, uint32_t t, uint32_t n)
{
    struct cpis_id holders[NODES_MAX];
    for (unsigned i = 0; i < n; i++)
        holders[i] = rf_id(i + 1);
    cpis_err err = ceremony_start(w.d[by].ceremony, rf_begin(&w.d[by].node, w.now, RF_T0 + w.now),
                                  epoch, t, holders, n);
    settle(by);
    return err;
}

static bool share_of(unsigned number, uint32_t epoch, struct row_share *ret)
{
    const uint8_t key[4] = {(uint8_t)(epoch >> 24), (uint8_t)(epoch >> 16), (uint8_t)(epoch >> 8),
                            (uint8_t)epoch};
    const struct rf_row *row = rf_store_find(&w.d[number].store, TABLE_SHARE, key, sizeof key);
    return row != NULL && row_share_decode(row->value, &w.arena, ret) == CPIS_OK;
}

static void check_result(uint32_t epoch, uint32_t t)
{
    struct threshold_commitments first = {.t = 0};
    for (unsigned i = 1; i <= w.n; i++) {
        struct row_share s;
        struct threshold_commitments a = {.t = t};
        const struct signed_message *acceptances[16];
        cr_assert_eq(ceremony_acceptances(w.d[i].ceremony, acceptances, 16), w.n);
        cr_assert(share_of(i, epoch, &s));
        cr_assert_eq(s.index, i);
        cr_assert_eq(s.commitments.len, t * 32);
        memcpy(a.a, s.commitments.p, s.commitments.len);
        if (i == 1) first = a;
        cr_assert_eq(memcmp(&first, &a, sizeof a), 0);
        cr_assert_eq(threshold_share_fits(&a, i, &s.scalar), CPIS_OK);
        if (w.n > 1) cr_assert_neq(threshold_share_fits(&a, i % w.n + 1, &s.scalar), CPIS_OK);
        /* another register's commitments are refused by the holder */
        struct msg_register_epoch other = rf_epoch(epoch, w.n, t, &w.arena);
        memcpy(a.a, other.commitments.p, other.commitments.len);
        cr_assert_eq(threshold_share_fits(&a, i, &s.scalar), CPIS_E_AUTH);
        /* no dealing, reveal or polynomial is left, only the acceptances */
        cr_assert_eq(rf_store_count(&w.d[i].store, TABLE_CEREMONY), w.n);
    }
}

static void one_run(unsigned n, unsigned t, uint64_t seed, unsigned trouble)
{
    init(n, seed);
    w.loss = 3 * trouble;
    w.twice = 2 * trouble;
    w.crash = trouble;
    while (propose(1, 1, t, n) != CPIS_OK || phase(1) == CEREMONY_NONE) {
        /* killed before its first commit: nothing has happened, the operator starts it again */
    }
    run(60 * CPIS_MS_MINUTE);
    for (unsigned i = 1; i <= n; i++)
        cr_assert_eq(phase(i), CEREMONY_DONE, "seed %u: directory %u in phase %d", (unsigned)seed,
                     i, phase(i));
    check_result(1, t);
}

Test(ceremony, three_directories_make_a_key)
{
    one_run(3, 2, 0, 0);
    end();
}

Test(ceremony, a_single_directory_makes_a_key_alone)
{
    one_run(1, 1, 0, 0);
    end();
}

Test(ceremony, three_directories_make_a_key_through_loss_duplication_and_crashes, .timeout = 120)
{
    unsigned crashes = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        one_run(3, 2, seed, 100);
        crashes += w.crashes;
        end();
    }
    cr_assert_gt(crashes, 200);
}

Test(ceremony, seven_directories_make_a_key_through_loss_duplication_and_crashes, .timeout = 120)
{
    unsigned crashes = 0;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        one_run(7, 4, seed, 80);
        crashes += w.crashes;
        end();
    }
    cr_assert_gt(crashes, 100);
}

/* --- dishonest dealers: directory 2 tells directory 3 something else, signed by its own hand ---
 */

static struct bytes resigned(unsigned from, const struct signed_message *old, struct bytes body)
{
    struct signed_message s = *old;
    struct bytes b, frame;
    s.body = body;
    sign_make(&w.d[from].node.identity.sign, (uint8_t)s.type, registry_net(w.registry), body.p,
              body.len, &s.signature);
    cr_assert_eq(signed_message_encode(&s, &w.arena, &b), CPIS_OK);
    cr_assert_eq(frame_wrap(FRAME_SIGNED, b, &w.arena, &frame), CPIS_OK);
    return frame;
}

static bool of_type(struct bytes frame, enum signed_type type, struct signed_message *ret)
{
    struct frame f;
    cr_assert_eq(frame_unwrap(frame, &w.arena, &f), CPIS_OK);
    cr_assert_eq(signed_message_decode(f.payload, &w.arena, ret), CPIS_OK);
    return ret->type == (uint32_t)type;
}

static void bad_share(struct net *net, unsigned from, unsigned to, struct bytes *frame)
{
    (void)net;
    struct signed_message s;
    struct msg_dealing_reveal m;
    struct bytes body;
    if (from != 2 || to != 3 || !of_type(*frame, SIGNED_DEALING_REVEAL, &s)) return;
    cr_assert_eq(dealing_reveal_decode(s.body, &w.arena, &m), CPIS_OK);
    struct oprf_scalar wrong = {{5}};
    const uint8_t ephemeral[32] = {9};
    cr_assert_eq(threshold_seal_share_with(&wrong, w.d[3].node.identity.pub.sealing.b, ephemeral,
                                           (uint8_t *)(uintptr_t)m.sealed_shares.p + 2 * 80),
                 CPIS_OK);
    cr_assert_eq(dealing_reveal_encode(&m, &w.arena, &body), CPIS_OK);
    *frame = resigned(from, &s, body);
}

static void unopenable_share(struct net *net, unsigned from, unsigned to, struct bytes *frame)
{
    (void)net;
    struct signed_message s;
    struct msg_dealing_reveal m;
    struct bytes body;
    if (from != 2 || to != 3 || !of_type(*frame, SIGNED_DEALING_REVEAL, &s)) return;
    cr_assert_eq(dealing_reveal_decode(s.body, &w.arena, &m), CPIS_OK);
    memset((uint8_t *)(uintptr_t)m.sealed_shares.p + 2 * 80, 7, 80);
    cr_assert_eq(dealing_reveal_encode(&m, &w.arena, &body), CPIS_OK);
    *frame = resigned(from, &s, body);
}

static void long_reveal(struct net *net, unsigned from, unsigned to, struct bytes *frame)
{
    (void)net;
    struct signed_message s;
    struct msg_dealing_reveal m;
    struct bytes body;
    if (from != 2 || to != 3 || !of_type(*frame, SIGNED_DEALING_REVEAL, &s)) return;
    cr_assert_eq(dealing_reveal_decode(s.body, &w.arena, &m), CPIS_OK);
    uint8_t *more = arena_take(&w.arena, m.sealed_shares.len + 80);
    memcpy(more, m.sealed_shares.p, m.sealed_shares.len);
    m.sealed_shares = (struct bytes){more, m.sealed_shares.len + 80};
    cr_assert_eq(dealing_reveal_encode(&m, &w.arena, &body), CPIS_OK);
    *frame = resigned(from, &s, body);
}

static void other_commitments(struct net *net, unsigned from, unsigned to, struct bytes *frame)
{
    (void)net;
    struct signed_message s;
    struct msg_dealing_reveal m;
    struct bytes body;
    if (from != 2 || to != 3 || !of_type(*frame, SIGNED_DEALING_REVEAL, &s)) return;
    cr_assert_eq(dealing_reveal_decode(s.body, &w.arena, &m), CPIS_OK);
    m.commitments = rf_epoch(9, 3, 2, &w.arena).commitments; /* not those that were hashed */
    cr_assert_eq(dealing_reveal_encode(&m, &w.arena, &body), CPIS_OK);
    *frame = resigned(from, &s, body);
}

static void lying_acceptance(struct net *net, unsigned from, unsigned to, struct bytes *frame)
{
    (void)net;
    struct signed_message s;
    struct msg_share_accepted m;
    struct bytes body;
    if (from != 2 || to != 3 || !of_type(*frame, SIGNED_SHARE_ACCEPTED, &s)) return;
    cr_assert_eq(share_accepted_decode(s.body, &w.arena, &m), CPIS_OK);
    m.commitments = rf_epoch(9, 3, 2, &w.arena).commitments;
    cr_assert_eq(share_accepted_encode(&m, &w.arena, &body), CPIS_OK);
    *frame = resigned(from, &s, body);
}

static void check_culprit(uint32_t culprit)
{
    struct ceremony_status s;
    ceremony_status(w.d[3].ceremony, &s);
    cr_assert_eq(s.phase, CEREMONY_FAILED);
    cr_assert_eq(s.culprit, culprit);
    stop(3); /* it stays so through a restart */
    start(3);
    ceremony_status(w.d[3].ceremony, &s);
    cr_assert_eq(s.phase, CEREMONY_FAILED);
    cr_assert_eq(s.culprit, culprit);
    cr_assert_eq(ceremony_deadline(w.d[3].ceremony), CPIS_MS_NEVER);
}

Test(ceremony, a_dealer_that_breaks_a_check_is_named_and_the_next_number_succeeds)
{
    static const struct {
        void (*spoil)(struct net *net, unsigned from, unsigned to, struct bytes *frame);
        bool has_share;
        uint32_t culprit;
    } rows[] = {{bad_share, false, 2},   {unopenable_share, false, 2},
                {long_reveal, false, 2}, {other_commitments, false, 2},
                {NULL, false, 2},        {lying_acceptance, true, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct row_share share;
        init(3, 77 + i);
        w.spoil = rows[i].spoil;
        if (rows[i].spoil == NULL) { /* two dealings of one hand */
            struct signed_message s = {.type = SIGNED_DEALING, .signer = rf_id(2)};
            struct msg_dealing m = {.epoch = 1, .index = 2, .threshold = 2, .hash = {{1}}};
            const struct cpis_id holders[3] = {rf_id(1), rf_id(2), rf_id(3)};
            m.holders = (struct bytes){(const uint8_t *)holders, sizeof holders};
            for (int k = 0; k < 2; k++) {
                m.hash.b[0]++;
                cr_assert_eq(dealing_encode(&m, &w.arena, &s.body), CPIS_OK);
                struct flying f = {2, 3, 0, resigned(2, &s, s.body)};
                deliver(&f);
            }
        } else {
            cr_assert_eq(propose(1, 1, 2, 3), CPIS_OK);
            run(5 * CPIS_MS_MINUTE);
        }
        check_culprit(rows[i].culprit);
        cr_assert_eq(share_of(3, 1, &share), rows[i].has_share);
        w.spoil = NULL;
        cr_assert_eq(propose(3, 1, 2, 3), CPIS_E_STATE); /* the number is used up */
        cr_assert_eq(propose(3, 2, 2, 3), CPIS_OK);
        run(5 * CPIS_MS_MINUTE);
        cr_assert(all_in(CEREMONY_DONE));
        check_result(2, 2);
        end();
    }
}

/* --- two stories from one hand --- */

static struct bytes kept_dealing, kept_reveal;
static void hold_back_reveal_of_1(struct net *net, unsigned from, unsigned to, struct bytes *frame)
{
    (void)net;
    struct signed_message s;
    if (to != 3) return;
    if (from == 1 && of_type(*frame, SIGNED_DEALING, &s))
        kept_dealing = (struct bytes){arena_copy(&w.arena, frame->p, frame->len), frame->len};
    if (from == 1 && of_type(*frame, SIGNED_DEALING_REVEAL, &s)) *frame = kept_dealing;
    if (from == 2 && of_type(*frame, SIGNED_DEALING_REVEAL, &s))
        kept_reveal = (struct bytes){arena_copy(&w.arena, frame->p, frame->len), frame->len};
}

Test(ceremony, a_second_reveal_that_differs_names_its_dealer)
{
    struct signed_message s;
    struct msg_dealing_reveal m;
    struct bytes body;
    init(3, 11);
    w.spoil = hold_back_reveal_of_1;
    cr_assert_eq(propose(1, 1, 2, 3), CPIS_OK);
    run(CPIS_MS_MINUTE);
    cr_assert_eq(phase(3), CEREMONY_REVEALING);
    deliver(&(struct flying){2, 3, 0, kept_reveal}); /* the same again: nothing */
    cr_assert_eq(phase(3), CEREMONY_REVEALING);
    cr_assert(of_type(kept_reveal, SIGNED_DEALING_REVEAL, &s));
    cr_assert_eq(dealing_reveal_decode(s.body, &w.arena, &m), CPIS_OK);
    ((uint8_t *)(uintptr_t)m.sealed_shares.p)[0] ^= 1;
    cr_assert_eq(dealing_reveal_encode(&m, &w.arena, &body), CPIS_OK);
    deliver(&(struct flying){2, 3, 0, resigned(2, &s, body)});
    check_culprit(2);
    end();
}

static void deliver_accepted(const struct cpis_id *holders, uint32_t threshold, uint8_t mark)
{
    struct signed_message s = {.type = SIGNED_SHARE_ACCEPTED, .signer = rf_id(2)};
    const uint8_t commitments[64] = {mark};
    const struct msg_share_accepted m = {.epoch = 1,
                                         .index = 2,
                                         .threshold = threshold,
                                         .holders = {(const uint8_t *)holders, 48},
                                         .commitments = {commitments, 64}};
    cr_assert_eq(share_accepted_encode(&m, &w.arena, &s.body), CPIS_OK);
    deliver(&(struct flying){2, 3, 0, resigned(2, &s, s.body)});
}

Test(ceremony, two_proposals_of_one_number_or_two_acceptances_end_it_without_a_name)
{
    const struct cpis_id holders[3] = {rf_id(1), rf_id(2), rf_id(3)};
    const struct cpis_id swapped[3] = {rf_id(3), rf_id(2), rf_id(1)};
    for (int row = 0; row < 5; row++) {
        init(3, 12);
        w.loss = 1000;
        cr_assert_eq(propose(3, 1, 2, 3), CPIS_OK);
        struct signed_message s = {.type = SIGNED_DEALING, .signer = rf_id(2)};
        struct msg_dealing m = {.epoch = 1,
                                .index = 2,
                                .threshold = row == 0 ? 3 : 2,
                                .holders = {(const uint8_t *)(row == 1 ? swapped : holders), 48}};
        cr_assert_eq(dealing_encode(&m, &w.arena, &s.body), CPIS_OK);
        if (row < 2) deliver(&(struct flying){2, 3, 0, resigned(2, &s, s.body)});
        if (row == 2) deliver_accepted(holders, 3, 0);
        if (row == 3) deliver_accepted(swapped, 2, 0);
        if (row == 4) {
            deliver_accepted(holders, 2, 1);
            deliver_accepted(holders, 2, 1);
            cr_assert_eq(phase(3), CEREMONY_DEALING);
            deliver_accepted(holders, 2, 2);
        }
        cr_assert_eq(phase(3), CEREMONY_FAILED, "row %d", row);
        check_culprit(0);
        end();
    }
}

Test(ceremony, a_directory_does_not_join_what_it_may_not)
{
    static const struct {
        uint32_t epoch, index, threshold;
        int holders[4]; /* numbers; 0: the end */
        enum event event;
    } rows[] = {
        {1, 2, 2, {1, 2, 4, 0}, EVENT_BODY_MALFORMED},   /* not listed: another is no directory */
        {1, 2, 2, {1, 2, 0}, EVENT_BODY_MALFORMED},      /* not listed */
        {1, 2, 4, {1, 2, 3, 0}, EVENT_BODY_MALFORMED},   /* t over n */
        {1, 2, 2, {3, 2, 3, 0}, EVENT_BODY_MALFORMED},   /* one holder twice */
        {1, 1, 2, {1, 2, 3, 0}, EVENT_BODY_MALFORMED},   /* another's index */
        {1, 4, 2, {1, 2, 3, 0}, EVENT_BODY_MALFORMED},   /* no index */
        {1, 2, 2, {3, 2, 101, 0}, EVENT_BODY_MALFORMED}, /* an authority */
        {65, 2, 2, {1, 2, 3, 0}, EVENT_NOT_EXPECTED},    /* a number far ahead */
        {0, 2, 2, {1, 2, 3, 0}, EVENT_NOT_EXPECTED},
    };
    init(3, 5);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct cpis_id holders[4];
        size_t n = 0;
        while (rows[i].holders[n] != 0) {
            holders[n] = rf_id((unsigned)rows[i].holders[n]);
            n++;
        }
        const struct msg_dealing m = {.epoch = rows[i].epoch,
                                      .index = rows[i].index,
                                      .threshold = rows[i].threshold,
                                      .holders = {(const uint8_t *)holders, n * 16}};
        struct signed_message s = {.type = SIGNED_DEALING, .signer = rf_id(2)};
        cr_assert_eq(dealing_encode(&m, &w.arena, &s.body), CPIS_OK);
        struct flying f = {2, 3, 0, resigned(2, &s, s.body)};
        deliver(&f);
        cr_assert_eq(w.d[3].node.step.events[rows[i].event], 1, "row %zu", i);
        cr_assert_eq(phase(3), CEREMONY_NONE, "row %zu", i);
        cr_assert_eq(rf_store_count(&w.d[3].store, TABLE_CEREMONY), 0);
    }
    end();
}

Test(ceremony, only_directories_are_heard_and_only_for_themselves)
{
    init(3, 6);
    const struct cpis_id holders[3] = {rf_id(1), rf_id(2), rf_id(3)}, query = rf_id(201);
    const struct msg_dealing m = {
        .epoch = 1, .index = 2, .threshold = 2, .holders = {(const uint8_t *)holders, 48}};
    const struct signed_message s = {.type = SIGNED_DEALING, .signer = rf_id(2)};
    const struct signed_message by_query = {.type = SIGNED_DEALING, .signer = query};
    struct directory *d = &w.d[3];
    ceremony_recv_dealing(d->ceremony, rf_begin(&d->node, 0, RF_T0),
                          registry_node(w.registry, &holders[0]), &s, &m);
    rf_commit(&d->node, false);
    cr_assert_eq(d->node.step.events[EVENT_SIGNER_NOT_PEER], 1);
    ceremony_recv_dealing(d->ceremony, rf_begin(&d->node, 0, RF_T0),
                          registry_node(w.registry, &query), &by_query, &m);
    rf_commit(&d->node, false);
    cr_assert_eq(d->node.step.events[EVENT_ROLE_WRONG], 1);
    cr_assert_eq(phase(3), CEREMONY_NONE);
    end();
}

Test(ceremony, nobody_reveals_before_every_hash_is_here)
{
    init(3, 7);
    w.loss = 1000;
    cr_assert_eq(propose(1, 1, 2, 3), CPIS_OK);
    run(10 * CPIS_MS_MINUTE);
    cr_assert_eq(phase(1), CEREMONY_DEALING);
    cr_assert_not(w.d[1].has_reveal[1]);
    w.loss = 0;
    run(10 * CPIS_MS_MINUTE);
    cr_assert(all_in(CEREMONY_DONE));
    check_result(1, 2);
    end();
}

Test(ceremony, a_start_is_refused_for_holders_and_numbers_that_can_not_be)
{
    init(3, 8);
    struct cpis_id holders[3] = {rf_id(1), rf_id(2), rf_id(101)};
    struct env *e = rf_begin(&w.d[1].node, 0, RF_T0);
    cr_assert_eq(ceremony_start(w.d[1].ceremony, e, 1, 2, holders, 3), CPIS_E_INVAL);
    cr_assert_eq(ceremony_start(w.d[1].ceremony, e, 1, 2, holders, 0), CPIS_E_INVAL);
    cr_assert_eq(ceremony_start(w.d[1].ceremony, e, 1, 3, holders, 2), CPIS_E_INVAL);
    cr_assert_eq(ceremony_start(w.d[1].ceremony, e, 1, 0, holders, 2), CPIS_E_INVAL);
    cr_assert_eq(
        ceremony_start(w.d[3].ceremony, rf_begin(&w.d[3].node, 0, RF_T0), 1, 2, holders, 2),
        CPIS_E_INVAL);
    cr_assert_eq(ceremony_start(w.d[1].ceremony, e, 0, 2, holders, 2), CPIS_E_STATE);
    cr_assert_eq(phase(1), CEREMONY_NONE);
    end();
}
