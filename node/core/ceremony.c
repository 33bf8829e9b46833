#include "node/core/ceremony.h"

#include "crypto/cursor.h"
#include "node/core/log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define HOLDERS_MAX    THRESHOLD_HOLDERS_MAX
#define KEPT_BYTES_MAX ((size_t)1024 * 1024)
#define KEY_BYTES      6U /* epoch(4) part(1) index(1) */
#define OWN_BYTES_MAX  (3U + HOLDERS_MAX * (CPIS_ID_BYTES + OPRF_SCALAR_BYTES))
_Static_assert(OPRF_OUTPUT_BYTES == 64, "as many uniform bytes as one coefficient takes");

/* Rows of TABLE_CEREMONY. What was received is kept as it was signed: it names a culprit. */
enum part {
    PART_OWN = 1,  /* n(1) t(1) own index(1) holders coefficients: until our reveal is made */
    PART_DEALING,  /* index: of the dealer; ours too */
    PART_REVEAL,   /* as PART_DEALING */
    PART_ACCEPTED, /* as PART_DEALING */
    PART_FAILED,   /* index: the culprit, or 0 */
    PART_END
};

struct dealer { /* what one holder has said; index = place + 1 */
    bool has_dealing, has_reveal, has_accepted;
    struct signed_message dealing, reveal, accepted; /* bodies lie in ceremony.kept */
    struct cpis_hash hash;                           /* from the dealing */
    struct threshold_commitments commitments;        /* from the reveal, checked */
    struct oprf_scalar share;                        /* secret: told to us, checked */
};
struct ceremony {
    struct evaluator *evaluator;
    enum ceremony_phase phase;
    uint32_t epoch, n, t, own, culprit;
    struct cpis_id holders[HOLDERS_MAX];
    bool has_polynomial;
    struct threshold_polynomial polynomial; /* secret */
    struct dealer dealers[HOLDERS_MAX];
    struct threshold_commitments sum; /* from ACCEPTING on */
    struct arena kept;
    cpis_ms resend, wait;
};

cpis_err ceremony_new(struct evaluator *evaluator, struct ceremony **ret)
{
    struct ceremony *c = calloc(1, sizeof *c);
    if (c == NULL) return CPIS_E_NOMEM;
    c->evaluator = evaluator;
    c->kept = arena_make(KEPT_BYTES_MAX);
    c->resend = CPIS_MS_NEVER;
    *ret = c;
    return CPIS_OK;
}

static void forget_secrets(struct ceremony *c)
{
    threshold_polynomial_wipe(&c->polynomial);
    c->has_polynomial = false;
    for (size_t i = 0; i < HOLDERS_MAX; i++)
        oprf_scalar_wipe(&c->dealers[i].share);
}

static void forget(struct ceremony *c)
{
    forget_secrets(c);
    arena_free(&c->kept);
    *c = (struct ceremony){
        .evaluator = c->evaluator, .kept = arena_make(KEPT_BYTES_MAX), .resend = CPIS_MS_NEVER};
}

void ceremony_free(struct ceremony **p)
{
    if (*p == NULL) return;
    forget(*p);
    free(*p);
    *p = NULL;
}

static void move(struct ceremony *c, enum ceremony_phase to)
{
    static const unsigned may_move_to[CEREMONY_FAILED + 1] = {
        [CEREMONY_NONE] = 1U << CEREMONY_DEALING,
        [CEREMONY_DEALING] = 1U << CEREMONY_REVEALING | 1U << CEREMONY_FAILED,
        [CEREMONY_REVEALING] = 1U << CEREMONY_ACCEPTING | 1U << CEREMONY_FAILED,
        [CEREMONY_ACCEPTING] = 1U << CEREMONY_DONE | 1U << CEREMONY_FAILED,
    };
    assert((may_move_to[c->phase] & 1U << to) != 0);
    c->phase = to;
}

/* --- rows --- */

static void row_key(uint32_t epoch, enum part part, uint32_t index, uint8_t ret[static KEY_BYTES])
{
    struct cursor k = cursor_write(ret, KEY_BYTES);
    cursor_put_u32(&k, epoch);
    cursor_put_u8(&k, (uint8_t)part);
    cursor_put_u8(&k, (uint8_t)index);
}

static void persist(const struct ceremony *c, struct env *e, enum part part, uint32_t index,
                    struct bytes payload)
{
    uint8_t key[KEY_BYTES];
    const struct row_ceremony row = {.part = (uint32_t)part, .payload = payload};
    row_key(c->epoch, part, index, key);
    EMIT_ROW(e, TABLE_CEREMONY, key, sizeof key, row_ceremony, &row);
}

static void drop(const struct ceremony *c, struct env *e, enum part part, uint32_t index)
{
    uint8_t key[KEY_BYTES];
    row_key(c->epoch, part, index, key);
    emit_delete(e, TABLE_CEREMONY, key, sizeof key);
}

static void drop_rows(const struct ceremony *c, struct env *e, enum part last)
{
    for (enum part p = PART_OWN; p <= last; p++)
        for (uint32_t i = p == PART_FAILED ? 0 : 1; i <= c->n; i++)
            drop(c, e, p, i);
}

static void persist_own(const struct ceremony *c, struct env *e)
{
    uint8_t *b = arena_take(e->scratch, OWN_BYTES_MAX);
    if (b == NULL) {
        emit_failure(e);
        return;
    }
    struct cursor w = cursor_write(b, OWN_BYTES_MAX);
    cursor_put_u8(&w, (uint8_t)c->n);
    cursor_put_u8(&w, (uint8_t)c->t);
    cursor_put_u8(&w, (uint8_t)c->own);
    cursor_put(&w, c->holders, c->n * sizeof c->holders[0]);
    cursor_put(&w, c->polynomial.c, c->t * sizeof c->polynomial.c[0]);
    assert(!w.bad);
    persist(c, e, PART_OWN, c->own, (struct bytes){b, w.at});
}

/* Copies a signed message into what is kept. */
static bool keep(struct ceremony *c, const struct signed_message *m, struct signed_message *ret)
{
    const uint8_t *body = arena_copy(&c->kept, m->body.p, m->body.len);
    if (body == NULL) return false;
    *ret = *m;
    ret->body = (struct bytes){body, m->body.len};
    return true;
}

static bool keep_durably(struct ceremony *c, struct env *e, enum part part, uint32_t index,
                         const struct signed_message *m, struct signed_message *ret)
{
    struct bytes b = signed_bytes(e, m);
    if (b.p == NULL || !keep(c, m, ret)) {
        emit_failure(e);
        return false;
    }
    persist(c, e, part, index, b);
    return true;
}

/* --- sending --- */

static void send_soon(struct ceremony *c, struct env *e)
{
    c->wait = CEREMONY_RESEND_FIRST;
    c->resend = e->now + c->wait;
}

static void send_to_others(const struct ceremony *c, struct env *e, const struct signed_message *m)
{
    for (uint32_t i = 0; i < c->n; i++)
        if (i + 1 != c->own) emit_signed(e, &c->holders[i], m);
}

/* A holder that has revealed has our hash; one that has accepted has our reveal. */
static void send_again(const struct ceremony *c, struct env *e)
{
    const struct dealer *us = &c->dealers[c->own - 1];
    for (uint32_t i = 0; i < c->n; i++) {
        const struct dealer *d = &c->dealers[i];
        if (i + 1 == c->own) continue;
        if (us->has_dealing && !d->has_reveal && !d->has_accepted)
            emit_signed(e, &c->holders[i], &us->dealing);
        if (us->has_reveal && !d->has_accepted) emit_signed(e, &c->holders[i], &us->reveal);
        if (us->has_accepted) emit_signed(e, &c->holders[i], &us->accepted);
    }
}

static void fail(struct ceremony *c, struct env *e, uint32_t culprit, const struct cpis_id *about)
{
    move(c, CEREMONY_FAILED);
    c->culprit = culprit;
    c->resend = CPIS_MS_NEVER;
    drop(c, e, PART_OWN, c->own);
    persist(c, e, PART_FAILED, culprit, (struct bytes){(const uint8_t *)"", 0});
    forget_secrets(c);
    emit_event(e, EVENT_CEREMONY_FAULT, about, culprit);
    log_append(e, LOG_CEREMONY, NULL, c->epoch);
}

static void fail_by_dealer(struct ceremony *c, struct env *e, uint32_t culprit)
{
    fail(c, e, culprit, &c->holders[culprit - 1]);
}

static void fail_unknown(struct ceremony *c, struct env *e) { fail(c, e, 0, NULL); }

/* --- our own messages --- */

static void make_dealing(struct ceremony *c, struct env *e)
{
    struct threshold_commitments a;
    struct dealer *us = &c->dealers[c->own - 1];
    cpis_err err = threshold_commit(&c->polynomial, &a);
    assert(err == CPIS_OK);
    const struct msg_dealing m = {
        .epoch = c->epoch,
        .index = c->own,
        .threshold = c->t,
        .holders = {(const uint8_t *)c->holders, c->n * sizeof c->holders[0]},
        .hash = threshold_dealing_hash(c->epoch, (uint8_t)c->own, &a)};
    struct bytes body = {NULL, 0};
    err = dealing_encode(&m, e->scratch, &body);
    assert(err != CPIS_E_INVAL);
    if (err != CPIS_OK) {
        emit_failure(e);
        return;
    }
    const struct signed_message s = sign_body(e, SIGNED_DEALING, body);
    if (!keep_durably(c, e, PART_DEALING, c->own, &s, &us->dealing)) return;
    us->has_dealing = true;
    us->hash = m.hash;
    send_to_others(c, e, &us->dealing);
}

/* The shares sealed to each holder's X25519 key. CPIS_E_NOTFOUND: *ret_bad is in the register no
 * more; CPIS_E_INVAL: its key can't be sealed to. */
static cpis_err seal_shares(const struct ceremony *c, struct env *e, uint8_t *sealed,
                            uint32_t *ret_bad)
{
    struct oprf_scalar share;
    struct box_secret ephemeral;
    cpis_err err = CPIS_OK;
    for (uint32_t i = 0; i < c->n && err == CPIS_OK; i++) {
        const struct registry_node *holder = registry_node(e->registry, &c->holders[i]);
        *ret_bad = i + 1;
        if (holder == NULL) {
            err = CPIS_E_NOTFOUND;
            break;
        }
        drbg_bytes(e->rng, ephemeral.b, sizeof ephemeral.b);
        err = threshold_share_for(&c->polynomial, i + 1, &share);
        assert(err == CPIS_OK);
        err = threshold_seal_share_with(&share, holder->d.sealing_key.b, ephemeral.b,
                                        sealed + i * THRESHOLD_SEALED_BYTES);
    }
    oprf_scalar_wipe(&share);
    box_secret_wipe(&ephemeral);
    return err;
}

static void make_reveal(struct ceremony *c, struct env *e)
{
    uint8_t sealed[HOLDERS_MAX * THRESHOLD_SEALED_BYTES];
    struct threshold_commitments a;
    struct dealer *us = &c->dealers[c->own - 1];
    uint32_t bad = 0;
    assert(c->has_polynomial);
    cpis_err err = threshold_commit(&c->polynomial, &a);
    assert(err == CPIS_OK);
    err = seal_shares(c, e, sealed, &bad);
    if (err != CPIS_OK) {
        fail_by_dealer(c, e, bad);
        return;
    }
    const struct msg_dealing_reveal m = {
        .epoch = c->epoch,
        .index = c->own,
        .commitments = {(const uint8_t *)a.a, c->t * sizeof a.a[0]},
        .sealed_shares = {sealed, c->n * THRESHOLD_SEALED_BYTES}};
    struct bytes body = {NULL, 0};
    err = dealing_reveal_encode(&m, e->scratch, &body);
    assert(err != CPIS_E_INVAL);
    if (err != CPIS_OK) {
        emit_failure(e);
        return;
    }
    const struct signed_message s = sign_body(e, SIGNED_DEALING_REVEAL, body);
    if (!keep_durably(c, e, PART_REVEAL, c->own, &s, &us->reveal)) return;
    us->commitments = a;
    err = threshold_share_for(&c->polynomial, c->own, &us->share);
    assert(err == CPIS_OK);
    us->has_reveal = true;
    drop(c, e, PART_OWN, c->own);
    threshold_polynomial_wipe(&c->polynomial);
    c->has_polynomial = false;
    move(c, CEREMONY_REVEALING);
    send_to_others(c, e, &us->reveal);
    send_soon(c, e);
}

static void make_accepted(struct ceremony *c, struct env *e)
{
    struct dealer *us = &c->dealers[c->own - 1];
    const struct msg_share_accepted m = {
        .epoch = c->epoch,
        .index = c->own,
        .threshold = c->t,
        .holders = {(const uint8_t *)c->holders, c->n * sizeof c->holders[0]},
        .commitments = {(const uint8_t *)c->sum.a, c->t * sizeof c->sum.a[0]}};
    struct bytes body = {NULL, 0};
    cpis_err err = share_accepted_encode(&m, e->scratch, &body);
    assert(err != CPIS_E_INVAL);
    if (err != CPIS_OK) {
        emit_failure(e);
        return;
    }
    const struct signed_message s = sign_body(e, SIGNED_SHARE_ACCEPTED, body);
    if (!keep_durably(c, e, PART_ACCEPTED, c->own, &s, &us->accepted)) return;
    us->has_accepted = true;
    move(c, CEREMONY_ACCEPTING);
    send_to_others(c, e, &us->accepted);
    send_soon(c, e);
}

/* --- steps --- */

static uint32_t count_of(const struct ceremony *c, enum ceremony_phase phase)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < c->n; i++) {
        const struct dealer *d = &c->dealers[i];
        count += phase == CEREMONY_DEALING     ? d->has_dealing
                 : phase == CEREMONY_REVEALING ? d->has_reveal
                                               : d->has_accepted;
    }
    return count;
}

static cpis_err sum_commitments(const struct ceremony *c, struct threshold_commitments *ret)
{
    struct threshold_commitments all[HOLDERS_MAX];
    for (uint32_t i = 0; i < c->n; i++)
        all[i] = c->dealers[i].commitments;
    return threshold_sum_commitments(all, c->n, ret);
}

static void accept_share(struct ceremony *c, struct env *e)
{
    struct oprf_scalar shares[HOLDERS_MAX];
    struct row_share row = {.epoch = c->epoch, .index = c->own};
    for (uint32_t i = 0; i < c->n; i++)
        shares[i] = c->dealers[i].share;
    cpis_err err = sum_commitments(c, &c->sum);
    if (err == CPIS_OK) err = threshold_sum_shares(shares, c->n, &row.scalar);
    if (err == CPIS_OK) err = threshold_share_fits(&c->sum, c->own, &row.scalar);
    if (err == CPIS_OK) {
        row.commitments = (struct bytes){(const uint8_t *)c->sum.a, c->t * sizeof c->sum.a[0]};
        err = evaluator_add_share(c->evaluator, e, &row);
    }
    for (uint32_t i = 0; i < c->n; i++)
        oprf_scalar_wipe(&shares[i]);
    oprf_scalar_wipe(&row.scalar);
    if (err == CPIS_E_NOMEM)
        emit_failure(e);
    else if (err != CPIS_OK)
        fail_unknown(c, e);
    else
        make_accepted(c, e);
}

/* Does this acceptance name what we have summed? One that differs is its signer's lie, or a dealer
 * has told two stories: nobody can say which. */
static bool agrees(const struct ceremony *c, const struct msg_share_accepted *m)
{
    return m->commitments.len == c->t * OPRF_ELEMENT_BYTES &&
           memcmp(m->commitments.p, c->sum.a, m->commitments.len) == 0;
}

static void finish(struct ceremony *c, struct env *e)
{
    for (uint32_t i = 0; i < c->n; i++) {
        struct msg_share_accepted m;
        cpis_err err = share_accepted_decode(c->dealers[i].accepted.body, e->scratch, &m);
        if (err == CPIS_E_NOMEM) {
            emit_failure(e);
            return;
        }
        if (err != CPIS_OK || !agrees(c, &m)) {
            fail(c, e, 0, &c->holders[i]);
            return;
        }
    }
    move(c, CEREMONY_DONE);
    drop_rows(c, e, PART_REVEAL);
    forget_secrets(c);
    send_soon(c, e);
    emit_event(e, EVENT_CEREMONY_DONE, NULL, c->epoch);
    log_append(e, LOG_CEREMONY, NULL, c->epoch);
}

static void advance(struct ceremony *c, struct env *e)
{
    if (c->phase == CEREMONY_DEALING && count_of(c, CEREMONY_DEALING) == c->n) make_reveal(c, e);
    if (c->phase == CEREMONY_REVEALING && count_of(c, CEREMONY_REVEALING) == c->n)
        accept_share(c, e);
    if (c->phase == CEREMONY_ACCEPTING && count_of(c, CEREMONY_ACCEPTING) == c->n) finish(c, e);
}

/* --- beginning --- */

struct proposal {
    uint32_t epoch, t, n;
    struct cpis_id holders[HOLDERS_MAX];
};

/* CPIS_E_STATE, CPIS_E_INVAL as ceremony_start. *ret_own: our index. */
static cpis_err check_proposal(const struct ceremony *c, const struct env *e,
                               const struct proposal *p, uint32_t *ret_own)
{
    uint32_t highest = c->epoch, own = 0;
    if (p->n == 0 || p->n > HOLDERS_MAX || p->t == 0 || p->t > p->n) return CPIS_E_INVAL;
    for (size_t i = 0; i < registry_epoch_count(e->registry); i++)
        if (registry_epoch_at(e->registry, i)->number > highest)
            highest = registry_epoch_at(e->registry, i)->number;
    if (p->epoch <= highest || p->epoch - highest > CEREMONY_EPOCH_AHEAD_MAX) return CPIS_E_STATE;
    for (uint32_t i = 0; i < p->n; i++) {
        const struct registry_node *holder = registry_node(e->registry, &p->holders[i]);
        if (holder == NULL || holder->d.role != ROLE_DIRECTORY || !registry_in_force(holder))
            return CPIS_E_INVAL;
        for (uint32_t k = 0; k < i; k++)
            if (id_equal(&p->holders[k], &p->holders[i])) return CPIS_E_INVAL;
        if (id_equal(&p->holders[i], &e->id)) own = i + 1;
    }
    if (own == 0) return CPIS_E_INVAL;
    *ret_own = own;
    return CPIS_OK;
}

static void begin(struct ceremony *c, struct env *e, const struct proposal *p, uint32_t own)
{
    struct oprf_output wide[HOLDERS_MAX]; /* for its size and its wipe */
    if (c->phase != CEREMONY_NONE) drop_rows(c, e, PART_FAILED);
    forget(c);
    c->epoch = p->epoch;
    c->n = p->n;
    c->t = p->t;
    c->own = own;
    memcpy(c->holders, p->holders, p->n * sizeof p->holders[0]);
    do /* a zero coefficient: of chance 2^-248 */
        drbg_bytes(e->rng, wide, sizeof wide);
    while (threshold_deal(p->t, (const uint8_t *)wide, &c->polynomial) != CPIS_OK);
    for (size_t i = 0; i < HOLDERS_MAX; i++)
        oprf_output_wipe(&wide[i]);
    c->has_polynomial = true;
    move(c, CEREMONY_DEALING);
    persist_own(c, e);
    make_dealing(c, e);
    send_soon(c, e);
}

cpis_err ceremony_start(struct ceremony *c, struct env *e, uint32_t epoch, uint32_t t,
                        const struct cpis_id *holders, uint32_t n)
{
    struct proposal p = {.epoch = epoch, .t = t, .n = n};
    uint32_t own = 0;
    if (n == 0 || n > HOLDERS_MAX) return CPIS_E_INVAL;
    memcpy(p.holders, holders, n * sizeof holders[0]);
    cpis_err err = check_proposal(c, e, &p, &own);
    if (err != CPIS_OK) return err;
    begin(c, e, &p, own);
    advance(c, e);
    return CPIS_OK;
}

/* --- receiving --- */

static bool is_busy(const struct ceremony *c)
{
    return c->phase == CEREMONY_DEALING || c->phase == CEREMONY_REVEALING ||
           c->phase == CEREMONY_ACCEPTING;
}

static bool is_directory(struct env *e, const struct registry_node *from,
                         const struct signed_message *as_signed)
{
    if (!id_equal(&from->id, &as_signed->signer))
        emit_event(e, EVENT_SIGNER_NOT_PEER, &from->id, as_signed->type);
    else if (from->d.role != ROLE_DIRECTORY || !registry_in_force(from))
        emit_event(e, EVENT_ROLE_WRONG, &from->id, as_signed->type);
    else
        return true;
    return false;
}

static bool same_message(const struct signed_message *a, const struct signed_message *b)
{
    return a->body.len == b->body.len && memcmp(a->body.p, b->body.p, a->body.len) == 0;
}

static bool same_holders(const struct ceremony *c, struct bytes holders)
{
    return holders.len == c->n * sizeof c->holders[0] &&
           memcmp(holders.p, c->holders, holders.len) == 0;
}

/* Of the ceremony under way, from the holder whose index it states. */
static struct dealer *speaker(struct ceremony *c, struct env *e, const struct registry_node *from,
                              uint32_t epoch, uint32_t index)
{
    if (epoch != c->epoch || !is_busy(c))
        emit_event(e, EVENT_NOT_EXPECTED, &from->id, epoch);
    else if (index == 0 || index > c->n || !id_equal(&c->holders[index - 1], &from->id) ||
             index == c->own)
        emit_event(e, EVENT_BODY_MALFORMED, &from->id, epoch);
    else
        return &c->dealers[index - 1];
    return NULL;
}

/* A dealing of a higher number proposes a ceremony: join it, if it may be. */
static bool join(struct ceremony *c, struct env *e, const struct registry_node *from,
                 const struct msg_dealing *m)
{
    struct proposal p = {
        .epoch = m->epoch, .t = m->threshold, .n = (uint32_t)(m->holders.len / CPIS_ID_BYTES)};
    uint32_t own = 0;
    if (p.n > 0 && p.n <= HOLDERS_MAX) memcpy(p.holders, m->holders.p, p.n * sizeof p.holders[0]);
    cpis_err err = check_proposal(c, e, &p, &own);
    if (err == CPIS_OK &&
        (m->index == 0 || m->index > p.n || !id_equal(&p.holders[m->index - 1], &from->id)))
        err = CPIS_E_INVAL;
    if (err != CPIS_OK)
        emit_event(e, err == CPIS_E_STATE ? EVENT_NOT_EXPECTED : EVENT_BODY_MALFORMED, &from->id,
                   m->epoch);
    else
        begin(c, e, &p, own);
    return err == CPIS_OK;
}

void ceremony_recv_dealing(struct ceremony *c, struct env *e, const struct registry_node *from,
                           const struct signed_message *as_signed, const struct msg_dealing *m)
{
    if (!is_directory(e, from, as_signed)) return;
    if (m->epoch > c->epoch && !join(c, e, from, m)) return;
    struct dealer *d = speaker(c, e, from, m->epoch, m->index);
    if (d == NULL) return;
    if (d->has_dealing) {
        if (!same_message(&d->dealing, as_signed)) fail_by_dealer(c, e, m->index);
        return;
    }
    if (m->threshold != c->t || !same_holders(c, m->holders)) {
        fail(c, e, 0, &from->id); /* two proposals of one number: perhaps two honest operators */
        return;
    }
    if (!keep_durably(c, e, PART_DEALING, m->index, as_signed, &d->dealing)) return;
    d->has_dealing = true;
    d->hash = m->hash;
    send_soon(c, e);
    advance(c, e);
}

/* Opens and checks our share of a reveal. On error `d` is as it was. */
static cpis_err take_reveal(const struct ceremony *c, const struct env *e, struct dealer *d,
                            uint32_t index, const struct msg_dealing_reveal *m)
{
    struct threshold_commitments a = {.t = c->t};
    struct oprf_scalar share;
    if (m->commitments.len != c->t * OPRF_ELEMENT_BYTES ||
        m->sealed_shares.len != c->n * THRESHOLD_SEALED_BYTES)
        return CPIS_E_MALFORMED;
    memcpy(a.a, m->commitments.p, m->commitments.len);
    const uint8_t *sealed = m->sealed_shares.p + (c->own - 1) * THRESHOLD_SEALED_BYTES;
    cpis_err err = threshold_open_share(sealed, e->self->pub.sealing.b, e->self->sealing.b, &share);
    if (err == CPIS_OK)
        err = threshold_dealing_check(c->epoch, c->t, (uint8_t)index, &d->hash, &a, c->own, &share);
    if (err == CPIS_OK) {
        d->commitments = a;
        d->share = share;
    }
    oprf_scalar_wipe(&share);
    return err;
}

void ceremony_recv_reveal(struct ceremony *c, struct env *e, const struct registry_node *from,
                          const struct signed_message *as_signed,
                          const struct msg_dealing_reveal *m)
{
    if (!is_directory(e, from, as_signed)) return;
    struct dealer *d = speaker(c, e, from, m->epoch, m->index);
    if (d == NULL) return;
    if (d->has_reveal) {
        if (!same_message(&d->reveal, as_signed)) fail_by_dealer(c, e, m->index);
        return;
    }
    if (!d->has_dealing) { /* without its hash it proves nothing; both are sent again */
        emit_event(e, EVENT_NOT_EXPECTED, &from->id, m->epoch);
        return;
    }
    if (!keep_durably(c, e, PART_REVEAL, m->index, as_signed, &d->reveal)) return;
    cpis_err err = take_reveal(c, e, d, m->index, m);
    if (err != CPIS_OK) { /* the reveal stays in the store, signed: evidence */
        fail_by_dealer(c, e, m->index);
        return;
    }
    d->has_reveal = true;
    send_soon(c, e);
    advance(c, e);
}

void ceremony_recv_accepted(struct ceremony *c, struct env *e, const struct registry_node *from,
                            const struct signed_message *as_signed,
                            const struct msg_share_accepted *m)
{
    if (!is_directory(e, from, as_signed)) return;
    struct dealer *d = speaker(c, e, from, m->epoch, m->index);
    if (d == NULL) return;
    if (d->has_accepted) {
        if (!same_message(&d->accepted, as_signed)) fail(c, e, 0, &from->id);
        return;
    }
    if (m->threshold != c->t || !same_holders(c, m->holders)) {
        fail(c, e, 0, &from->id);
        return;
    }
    if (!keep_durably(c, e, PART_ACCEPTED, m->index, as_signed, &d->accepted)) return;
    d->has_accepted = true;
    send_soon(c, e);
    advance(c, e);
}

/* --- restart --- */

struct restoring {
    struct ceremony *c;
    struct env *e;
    cpis_err err;
};

static cpis_err restore_own(struct ceremony *c, struct bytes payload)
{
    struct cursor r = cursor_read(payload.p, payload.len);
    const uint32_t n = cursor_get_u8(&r), t = cursor_get_u8(&r), own = cursor_get_u8(&r);
    if (n == 0 || n > HOLDERS_MAX || t == 0 || t > n || own == 0 || own > n)
        return CPIS_E_MALFORMED;
    cursor_get(&r, c->holders, n * sizeof c->holders[0]);
    cursor_get(&r, c->polynomial.c, t * sizeof c->polynomial.c[0]);
    if (!cursor_done(&r)) return CPIS_E_MALFORMED;
    c->polynomial.t = t;
    c->n = n;
    c->t = t;
    c->own = own;
    c->has_polynomial = true;
    c->phase = CEREMONY_DEALING;
    return CPIS_OK;
}

/* Any dealing or acceptance says who holds what. */
static cpis_err restore_shape(struct ceremony *c, const struct env *e, struct bytes holders,
                              uint32_t t)
{
    const uint32_t n = (uint32_t)(holders.len / CPIS_ID_BYTES);
    if (c->n > 0) return n == c->n && t == c->t ? CPIS_OK : CPIS_E_MALFORMED;
    if (n == 0 || t > n) return CPIS_E_MALFORMED;
    memcpy(c->holders, holders.p, holders.len);
    for (uint32_t i = 0; i < n; i++)
        if (id_equal(&c->holders[i], &e->id)) c->own = i + 1;
    if (c->own == 0) return CPIS_E_MALFORMED;
    c->n = n;
    c->t = t;
    return CPIS_OK;
}

static cpis_err restore_dealing(struct ceremony *c, struct env *e, uint32_t index,
                                const struct signed_message *s)
{
    struct msg_dealing m;
    cpis_err err = dealing_decode(s->body, e->scratch, &m);
    if (err == CPIS_OK) err = restore_shape(c, e, m.holders, m.threshold);
    if (err != CPIS_OK) return err;
    if (index == 0 || index > c->n) return CPIS_E_MALFORMED;
    struct dealer *d = &c->dealers[index - 1];
    if (!keep(c, s, &d->dealing)) return CPIS_E_NOMEM;
    d->hash = m.hash;
    d->has_dealing = true;
    c->phase = CEREMONY_DEALING;
    return CPIS_OK;
}

static cpis_err restore_reveal(struct ceremony *c, struct env *e, uint32_t index,
                               const struct signed_message *s)
{
    struct msg_dealing_reveal m;
    if (index == 0 || index > c->n) return CPIS_E_MALFORMED;
    struct dealer *d = &c->dealers[index - 1];
    cpis_err err = dealing_reveal_decode(s->body, e->scratch, &m);
    if (err == CPIS_OK && !keep(c, s, &d->reveal)) err = CPIS_E_NOMEM;
    if (err != CPIS_OK) return err;
    if (take_reveal(c, e, d, index, &m) != CPIS_OK) return CPIS_OK; /* the row of a culprit */
    d->has_reveal = true;
    if (index == c->own) c->phase = CEREMONY_REVEALING;
    return CPIS_OK;
}

static cpis_err restore_accepted(struct ceremony *c, struct env *e, uint32_t index,
                                 const struct signed_message *s)
{
    struct msg_share_accepted m;
    cpis_err err = share_accepted_decode(s->body, e->scratch, &m);
    if (err == CPIS_OK) err = restore_shape(c, e, m.holders, m.threshold);
    if (err != CPIS_OK) return err;
    if (index == 0 || index > c->n || m.commitments.len != c->t * OPRF_ELEMENT_BYTES)
        return CPIS_E_MALFORMED;
    struct dealer *d = &c->dealers[index - 1];
    if (!keep(c, s, &d->accepted)) return CPIS_E_NOMEM;
    d->has_accepted = true;
    if (index != c->own) return CPIS_OK;
    c->sum.t = c->t;
    memcpy(c->sum.a, m.commitments.p, m.commitments.len);
    c->phase = CEREMONY_ACCEPTING;
    return CPIS_OK;
}

static cpis_err restore_row(struct ceremony *c, struct env *e, const struct row *row)
{
    struct cursor k = cursor_read(row->key, row->key_len);
    const uint32_t epoch = cursor_get_u32(&k);
    const uint8_t part = cursor_get_u8(&k), index = cursor_get_u8(&k);
    struct row_ceremony value;
    struct signed_message s;
    if (!cursor_done(&k)) return CPIS_E_MALFORMED;
    cpis_err err =
        row_ceremony_decode((struct bytes){row->value, row->value_len}, e->scratch, &value);
    if (err != CPIS_OK) return err;
    if (epoch != c->epoch) forget(c); /* in key order: the highest number is the last one */
    c->epoch = epoch;
    if (part == PART_OWN) return restore_own(c, value.payload);
    if (part == PART_FAILED) {
        c->phase = CEREMONY_FAILED;
        c->culprit = index;
        return CPIS_OK;
    }
    err = signed_message_decode(value.payload, e->scratch, &s);
    if (err != CPIS_OK) return err;
    switch (part) {
    case PART_DEALING: return restore_dealing(c, e, index, &s);
    case PART_REVEAL: return restore_reveal(c, e, index, &s);
    case PART_ACCEPTED: return restore_accepted(c, e, index, &s);
    default: return CPIS_E_MALFORMED;
    }
}

static bool restore_fn(void *arg, const struct row *row)
{
    struct restoring *r = arg;
    r->err = restore_row(r->c, r->e, row);
    return r->err == CPIS_OK;
}

cpis_err ceremony_restore(struct ceremony *c, struct env *e)
{
    struct restoring r = {c, e, CPIS_OK};
    cpis_err err = e->view->scan(e->view->ctx, TABLE_CEREMONY, NULL, 0, false, restore_fn, &r);
    if (err == CPIS_OK) err = r.err;
    if (err != CPIS_OK) {
        forget(c);
        return err;
    }
    if (is_busy(c)) {
        const bool broken = c->phase == CEREMONY_DEALING && !c->has_polynomial;
        if (broken) {
            forget(c);
            return CPIS_E_MALFORMED;
        }
        send_soon(c, e);
        c->resend = e->now; /* what was to be sent when the process died was not */
        /* acceptances of all and no dealings left: it had ended */
        if (c->phase == CEREMONY_ACCEPTING && count_of(c, CEREMONY_ACCEPTING) == c->n &&
            count_of(c, CEREMONY_DEALING) == 0)
            move(c, CEREMONY_DONE);
    }
    if (c->phase == CEREMONY_FAILED) forget_secrets(c);
    return CPIS_OK;
}

/* --- asking --- */

void ceremony_status(const struct ceremony *c, struct ceremony_status *ret)
{
    *ret = (struct ceremony_status){.phase = c->phase,
                                    .epoch = c->epoch,
                                    .n = c->n,
                                    .t = c->t,
                                    .own_index = c->own,
                                    .culprit = c->culprit};
    memcpy(ret->holders, c->holders, sizeof ret->holders);
    if (c->phase != CEREMONY_NONE && c->phase != CEREMONY_FAILED)
        ret->heard = count_of(c, c->phase);
}

size_t ceremony_acceptances(const struct ceremony *c, const struct signed_message **ret, size_t cap)
{
    size_t count = 0;
    for (uint32_t i = 0; i < c->n && count < cap && c->phase == CEREMONY_DONE; i++)
        ret[count++] = &c->dealers[i].accepted;
    return count;
}

void ceremony_tick(struct ceremony *c, struct env *e)
{
    if (e->now < c->resend) return;
    if (c->phase == CEREMONY_NONE || c->phase == CEREMONY_FAILED) return;
    if (registry_epoch(e->registry, c->epoch) != NULL) {
        /* the stewards had all acceptances: nobody waits for us any more */
        c->resend = CPIS_MS_NEVER;
        return;
    }
    advance(c, e);
    send_again(c, e);
    const cpis_ms most = c->phase == CEREMONY_DONE ? CEREMONY_RESEND_DONE : CEREMONY_RESEND_MOST;
    c->wait = earlier(2 * c->wait, most);
    c->resend = e->now + c->wait;
}

cpis_ms ceremony_deadline(const struct ceremony *c) { return c->resend; }
