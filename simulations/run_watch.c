/* What happened, told to the result; and what must hold for every message that is sent: no NHS
 * number leaves an authority unsealed, and no token of any list ever goes to a query node. */
#include "simulations/run_state.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLE_EVERY  (10 * 60 * SIM_US_SECOND) /* of freshness */
#define LOOK_AT_EVERY 16U /* so many messages to query nodes, above so many: */
#define LOOK_AT_ALL   2000000U
#define TOKEN_BITS    24U
#define LOOK_STEP     4U
_Static_assert(64 % LOOK_STEP == 0 && LOOK_STEP + 8 <= TOKEN_BYTES, "a token is not stepped over");

/* --- maps --- */

static size_t slot_of(const struct look_map *m, const struct look_key *k)
{
    uint64_t h = (uint64_t)k->query << 32 | k->authority;
    for (size_t i = 0; i < NHS_NUMBER_DIGITS; i++)
        h = (h ^ (uint8_t)k->number.digits[i]) * UINT64_C(0x9fb21c651e98df25);
    return (size_t)(h >> 24) & (m->cap - 1);
}

static bool key_equal(const struct look_key *a, const struct look_key *b)
{
    return a->query == b->query && a->authority == b->authority &&
           nhs_number_compare(&a->number, &b->number) == 0;
}

static struct look_count *find(const struct look_map *m, const struct look_key *k)
{
    size_t i = slot_of(m, k);
    while (m->slot[i].n != 0 && !key_equal(&m->slot[i].key, k))
        i = (i + 1) & (m->cap - 1);
    return &m->slot[i];
}

void look_add(struct look_map *m, const struct look_key *k)
{
    if (2 * m->count >= m->cap) {
        struct look_map grown = {.cap = m->cap == 0 ? 1024 : 2 * m->cap, .count = m->count};
        grown.slot = sim_must(calloc(grown.cap, sizeof *grown.slot));
        for (size_t i = 0; i < m->cap; i++)
            if (m->slot[i].n != 0) *find(&grown, &m->slot[i].key) = m->slot[i];
        free(m->slot);
        *m = grown;
    }
    struct look_count *c = find(m, k);
    if (c->n == 0) {
        c->key = *k;
        m->count++;
    }
    c->n++;
}

uint32_t look_count(const struct look_map *m, const struct look_key *k)
{
    return m->cap == 0 ? 0 : find(m, k)->n;
}

void look_free(struct look_map *m)
{
    free(m->slot);
    *m = (struct look_map){NULL, 0, 0};
}

/* --- lookups --- */

void watch_asked(struct run *t, unsigned query, const struct nhs_number *n)
{
    const struct look_key k = {*n, query, NODE_NONE};
    look_add(&t->asked, &k);
}

static void verdict_given(struct run *t, const struct sim_verdict *v, bool batch)
{
    const struct result_lookup l = {.begin_us = v->began_us - t->zero,
                                    .end_us = v->began_us - t->zero + v->took,
                                    .verdict = v->verdict.kind,
                                    .reason = v->verdict.reason,
                                    .scheduled = v->scheduled,
                                    .batch = batch,
                                    .listed = v->must_not_deny};
    const bool read =
        v->verdict.kind == VERDICT_FLAG || v->verdict.kind == VERDICT_DETAILS_TO_FOLLOW;
    result_lookup(t->r, &l);
    for (unsigned i = 0; i < v->holders && read; i++) {
        const struct look_key k = {v->number, v->node, v->holder[i]};
        look_add(&t->read, &k);
        if (!v->scheduled) result_notification_due(t->r);
        t->due += !v->scheduled;
    }
}

static void outcome(void *arg, const struct sim_outcome *o)
{
    struct run *t = arg;
    if (o->type == RESULT_CHANGES && o->err == CPIS_OK) people_answered(t, o->node, o->command);
    if (o->type != RESULT_VERDICT || t->zero == 0) return;
    verdict_given(t, sim_verdict(t->s, o->lookup), false);
}

/* --- plans that become live --- */

void watch_saved(struct run *t, uint32_t authority, size_t plans)
{
    struct run_authority *a = &t->authority[authority];
    for (size_t i = 0; i < plans; i++) {
        a->saved = sim_grow(a->saved, a->waiting, &a->waiting_cap, sizeof *a->saved);
        a->saved[a->waiting++] = run_now(t);
        result_plan_saved(t->r);
    }
}

static void list_is_live(struct run *t, unsigned node)
{
    const uint32_t index = run_authority_of(t, node);
    if (index == INDEX_NONE || !sim_is_live(t->s, node)) return;
    struct run_authority *a = &t->authority[index];
    for (size_t i = 0; i < a->waiting; i++)
        result_propagation(t->r, run_now(t), run_now(t) - a->saved[i]);
    a->waiting = 0;
}

/* --- events, notifications, load --- */

static void event(void *arg, unsigned node, enum event e, const struct cpis_id *peer,
                  uint64_t number)
{
    struct run *t = arg;
    (void)peer;
    (void)number;
    if (t->zero == 0) return;
    result_event(t->r, e);
    if (e == EVENT_LIVE) list_is_live(t, node);
    if (node < t->sc->topology.directories && (e == EVENT_BUSY || e == EVENT_QUOTA))
        result_load(t->r, node, LOAD_REFUSED, run_now(t), 1);
}

struct newest {
    struct run *run;
    uint32_t authority;
    size_t left;
};

static bool new_notification(void *arg, const struct row *row)
{
    struct newest *n = arg;
    struct arena a = arena_make(1U << 16);
    struct row_notification m;
    const uint64_t wall = SIM_EPOCH_START + sim_now(n->run->s);
    if (n->left-- == 0) return false;
    if (row_notification_decode((struct bytes){row->value, row->value_len}, &a, &m) == CPIS_OK &&
        m.kind != NOTIFICATION_PATTERN) /* of looks that were told one by one */
        result_notification(n->run->r, n->authority, run_now(n->run),
                            wall > m.at ? (wall - m.at) * 1000U : 0);
    arena_free(&a);
    return n->left > 0;
}

static void committed(void *arg, unsigned node)
{
    struct run *t = arg;
    if (t->zero == 0 || sim_role(t->s, node) != ROLE_AUTHORITY) return;
    const size_t count = disk_count(sim_disk(t->s, node), TABLE_NOTIFICATION);
    const uint32_t index = run_authority_of(t, node);
    if (index == INDEX_NONE || count <= t->authority[index].notifications) return;
    struct newest n = {t, index, count - t->authority[index].notifications};
    t->authority[index].notifications = count;
    const struct view *v = disk_view(sim_disk(t->s, node));
    (void)v->scan(v->ctx, TABLE_NOTIFICATION, NULL, 0, true, new_notification, &n);
}

/* --- what may be in a message --- */

struct tokens_seen { /* of every list, eight bytes each, LOOK_STEP times */
    uint64_t bit[(1U << TOKEN_BITS) / 64U];
    uint64_t *token; /* open addressing; 0: free */
    size_t count, cap;
};

static uint64_t first_bytes(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static uint64_t *token_slot(const struct tokens_seen *s, uint64_t v)
{
    size_t i = (size_t)(v >> 20) & (s->cap - 1);
    while (s->token[i] != 0 && s->token[i] != v)
        i = (i + 1) & (s->cap - 1);
    return &s->token[i];
}

static void token_add(struct tokens_seen *s, const uint8_t *p)
{
    const uint64_t v = first_bytes(p);
    if (v == 0) return; /* once in 2^64 */
    if (2 * s->count >= s->cap) {
        struct tokens_seen old = *s;
        s->cap = s->cap == 0 ? 4096 : 2 * s->cap;
        s->token = sim_must(calloc(s->cap, sizeof *s->token));
        for (size_t i = 0; i < old.cap; i++)
            if (old.token[i] != 0) *token_slot(s, old.token[i]) = old.token[i];
        free(old.token);
    }
    uint64_t *slot = token_slot(s, v);
    s->count += *slot == 0;
    *slot = v;
    const uint64_t b = v >> (64U - TOKEN_BITS);
    s->bit[b / 64] |= UINT64_C(1) << (b % 64);
}

static void learn_tokens(struct run *t, struct bytes frame)
{
    struct arena a = arena_make(8U * FRAME_BYTES_MAX);
    struct frame f;
    struct msg_list_update m;
    if (frame_unwrap(frame, &a, &f) == CPIS_OK && list_update_decode(f.payload, &a, &m) == CPIS_OK)
        for (size_t at = 0; at + TOKEN_BYTES + SALT_BYTES <= m.additions.len;
             at += TOKEN_BYTES + SALT_BYTES)
            for (size_t i = 0; i < LOOK_STEP; i++)
                token_add(t->tokens, m.additions.p + at + i);
    arena_free(&a);
}

/* From `at`, in steps: the next place where eight bytes are not all zero; most of a padded frame is
 * nothing else. */
static size_t behind_zeros(struct bytes b, size_t at)
{
    static const uint8_t zeros[64];
    while (at + sizeof zeros <= b.len && memcmp(b.p + at, zeros, sizeof zeros) == 0)
        at += sizeof zeros;
    return at;
}

/* Of each token the eight bytes from its first, second, .. place on are known: wherever it lies,
 * one of them is at a multiple of LOOK_STEP. */
static bool has_token(const struct tokens_seen *s, struct bytes b)
{
    for (size_t at = 0; at + 8 <= b.len; at += LOOK_STEP) {
        const uint64_t v = first_bytes(b.p + at), k = v >> (64U - TOKEN_BITS);
        if (v == 0) {
            const size_t next = behind_zeros(b, at);
            if (next > at) at = next - LOOK_STEP;
            continue;
        }
        if ((s->bit[k / 64] >> (k % 64) & 1U) != 0 && *token_slot(s, v) == v) return true;
    }
    return false;
}

static bool is_digit(uint8_t c) { return c >= '0' && c <= '9'; }

static bool has_number(struct bytes b)
{
    for (size_t at = 0; at + NHS_NUMBER_DIGITS <= b.len; at++) {
        struct nhs_number n;
        const uint8_t *nine = memchr(b.p + at, '9', b.len - at);
        if (nine == NULL) return false;
        at = (size_t)(nine - b.p);
        if (at + NHS_NUMBER_DIGITS <= b.len && is_digit(nine[1]) && is_digit(nine[2]) &&
            nhs_number_parse((const char *)nine, NHS_NUMBER_DIGITS, &n) == CPIS_OK)
            return true;
    }
    return false;
}

static void directory_load(struct run *t, unsigned node, enum result_load kind)
{
    if (node < t->sc->topology.directories) result_load(t->r, node, kind, run_now(t), 1);
}

static void look_for_tokens(struct run *t, const struct sim_sent *m)
{
    if (t->is_looked_at) return;
    t->is_looked_at = true;
    const bool looks = t->looked_at < LOOK_AT_ALL || t->looked_at % LOOK_AT_EVERY == 0;
    t->looked_at++;
    if (looks && has_token(t->tokens, m->frame))
        run_breach(t, "a token of a list went to a query node");
}

static void sent(void *arg, unsigned from, unsigned to, const struct sim_sent *m)
{
    struct run *t = arg;
    if (t->s == NULL) return; /* being founded: no list has a child yet */
    const enum node_role sender = sim_role(t->s, from), hears = sim_role(t->s, to);
    const unsigned kind = m->look.kind;
    if (kind == FRAME_LIST_UPDATE && sender == ROLE_AUTHORITY && to == 0)
        learn_tokens(t, m->frame); /* each goes to all directories */
    if (sender == ROLE_AUTHORITY && !m->again && has_number(m->frame))
        run_breach(t, "an NHS number left an authority unsealed");
    if (!m->again) t->is_looked_at = false;
    if (t->zero == 0) return;
    if (kind != 0) result_message(t->r, (enum frame_kind)kind, m->frame.len);
    if (hears == ROLE_QUERY && kind != FRAME_EVALUATE_REPLY) look_for_tokens(t, m);
    if (kind == FRAME_EVALUATE_REPLY) directory_load(t, from, LOAD_EVALUATION);
    if (kind == FRAME_LOOKUP_REPLY) directory_load(t, from, LOAD_LOOKUP);
    if (kind == FRAME_LIST_UPDATE && sender == ROLE_AUTHORITY) directory_load(t, to, LOAD_LIST);
    if (m->look.signed_type == SIGNED_LOOKUP && sender == ROLE_DIRECTORY)
        directory_load(t, from, LOAD_FORWARD);
}

/* --- how old each list is, as directories have it --- */

static void sample(void *arg, struct sim *s)
{
    struct run *t = arg;
    unsigned d = 0;
    while (d < t->sc->topology.directories && !run_is_up(t, t->directory[d]))
        d++;
    const size_t cap = 4 * t->sc->topology.authorities + 64;
    struct list_summary *held = sim_must(calloc(cap, sizeof *held));
    const uint64_t wall = SIM_EPOCH_START + sim_now(s);
    size_t count = 0;
    if (d < t->sc->topology.directories)
        count = node_lists(sim_node(s, t->directory[d]), held, cap);
    for (size_t i = 0; i < count && i < cap; i++) {
        uint32_t node;
        if (!network_find(sim_network(s), &held[i].authority, &node)) continue;
        const uint32_t index = run_authority_of(t, node);
        if (index != INDEX_NONE)
            result_freshness(t->r, index, run_now(t),
                             wall > held[i].time ? (wall - held[i].time) * 1000U : 0);
    }
    free(held);
    run_at(t, run_now(t) + SAMPLE_EVERY, sample, t);
}

/* --- a check of the engine does not hold --- */

static void breach(void *arg, const char *what)
{
    struct run *t = arg;
    result_breach(t->r, t->zero == 0 ? 0 : run_now(t), what);
    t->breached = true;
    longjmp(t->home, 1); /* what the engine was about to do is not gone on with */
}

struct sim_hooks watch_hooks(struct run *t)
{
    t->tokens = sim_must(calloc(1, sizeof *t->tokens));
    return (struct sim_hooks){.arg = t,
                              .outcome = outcome,
                              .event = event,
                              .committed = committed,
                              .sent = sent,
                              .breach = breach};
}

void watch_begin(struct run *t)
{
    for (uint32_t i = 0; i < t->sc->topology.authorities; i++) {
        struct run_authority *a = &t->authority[i];
        if (run_is_up(t, a->node))
            a->notifications = disk_count(sim_disk(t->s, a->node), TABLE_NOTIFICATION);
    }
    run_at(t, 0, sample, t);
}

void watch_free(struct run *t)
{
    if (t->tokens != NULL) free(t->tokens->token);
    free(t->tokens);
}
