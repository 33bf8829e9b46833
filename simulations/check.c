/* Plans and lookups as tests and scenarios make them, the truth that verdicts are held against, and
 * the invariants. Each of them is O(1) an event: the truth is a hash map by number, and an
 * authority's plans become live all at once, by a count. */
#include "node/core/seen.h"
#include "simulations/sim_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- commands under way --- */

#define TEXTLESS "" /* what is not kept of a change */

struct pending *check_pending(struct sim *s, unsigned n, const struct command *c, size_t lookup)
{
    struct pending *p = sim_must(calloc(1, sizeof *p + c->changes_count * sizeof p->changes[0]));
    p->id = c->id;
    p->lookup = lookup;
    if (c->type == COMMAND_CHANGES && !c->dry_run) p->count = c->changes_count;
    for (size_t i = 0; i < p->count; i++) {
        p->changes[i] = c->changes[i];
        p->changes[i].given = p->changes[i].family = p->changes[i].local_id = TEXTLESS;
    }
    p->next = s->node[n]->pending;
    s->node[n]->pending = p;
    return p;
}

static struct pending *take_pending(struct sim_node *m, uint64_t id)
{
    for (struct pending **at = &m->pending; *at != NULL; at = &(*at)->next)
        if ((*at)->id == id) {
            struct pending *p = *at;
            *at = p->next;
            return p;
        }
    return NULL;
}

static void forget_lookup(struct sim *s, size_t lookup)
{
    if (!s->conf.forget_lookups || lookup == NO_LOOKUP) return;
    free(s->lookup[lookup]);
    s->lookup[lookup] = NULL;
}

static bool still_waits(const struct sim_node *m, uint64_t command)
{
    for (size_t i = m->inbox.at; i < m->inbox.count; i++)
        if (m->inbox.input[i].command != NULL && m->inbox.input[i].command->id == command)
            return true;
    return false;
}

/* What it had not taken yet waits for the next try, as in a driver whose node is being rebuilt. */
void check_died(struct sim *s, struct sim_node *m)
{
    for (struct pending **at = &m->pending; *at != NULL;) {
        struct pending *p = *at;
        if (still_waits(m, p->id)) {
            at = &p->next;
            continue;
        }
        *at = p->next;
        forget_lookup(s, p->lookup);
        free(p);
    }
}

static uint64_t give(struct sim *s, unsigned n, const struct command *c, size_t lookup)
{
    struct command own = *c;
    if (s->node[n]->node == NULL) return 0;
    own.id = ++s->commands;
    (void)check_pending(s, n, &own, lookup);
    batch_command(s, n, &own);
    return own.id;
}

uint64_t sim_command(struct sim *s, unsigned n, const struct command *c)
{
    CHECK(s, c->type != COMMAND_LOOKUP); /* these have their own call: their verdict is checked */
    return give(s, n, c, NO_LOOKUP);
}

/* --- the truth --- */

static size_t slot_of(const struct truths *t, const struct nhs_number *n)
{
    uint64_t h = 0;
    for (size_t i = 0; i < sizeof n->digits; i++)
        h = h * 10 + (uint8_t)n->digits[i];
    h *= UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(h >> 32) & (t->heads - 1);
}

static void hang(struct truths *t, uint32_t i)
{
    uint32_t *head = &t->head[slot_of(t, &t->truth[i].number)];
    t->truth[i].next = *head;
    *head = i + 1;
}

static void add_truth(struct truths *t, const struct truth *new)
{
    t->truth = sim_grow(t->truth, t->count, &t->cap, sizeof *t->truth);
    t->truth[t->count++] = *new;
    if (t->count <= t->heads) {
        hang(t, (uint32_t)t->count - 1);
        return;
    }
    t->heads = t->heads == 0 ? 64 : 2 * t->heads;
    free(t->head);
    t->head = sim_must(calloc(t->heads, sizeof *t->head));
    for (uint32_t i = 0; i < t->count; i++)
        hang(t, i);
}

/* Of one number, in no order; i from first_truth, 0: no more. */
static uint32_t first_truth(const struct truths *t, const struct nhs_number *n)
{
    return t->heads == 0 ? 0 : t->head[slot_of(t, n)];
}

static struct truth *truth_of(struct truths *t, uint32_t i, const struct nhs_number *n)
{
    struct truth *at = &t->truth[i - 1];
    return !at->gone && nhs_number_compare(&at->number, n) == 0 ? at : NULL;
}

static cpis_ms until_of(const struct child_change *c)
{
    const struct row_plan p = {
        .plan = c->plan, .start = c->start, .end = c->end, .birth_date = c->birth_date};
    return children_plan_until(&p);
}

static struct truth *plan_truth(struct truths *t, uint32_t i, unsigned authority,
                                const struct child_change *c)
{
    struct truth *at = &t->truth[i - 1];
    bool same = at->authority == authority && at->plan == c->plan &&
                (c->start == 0 || c->start == at->start) &&
                nhs_number_compare(&at->number, &c->number) == 0;
    return same ? at : NULL;
}

/* A deleted plan may be denied from the moment its deletion is asked for. So may one whose saving
 * was asked for before, and is not durable yet: of that it is kept that it is not a truth. */
static void end_truths(struct sim *s, unsigned authority, const struct child_change *c, uint64_t id)
{
    struct truths *t = &s->truths;
    bool known = false;
    for (uint32_t i = first_truth(t, &c->number); i != 0; i = t->truth[i - 1].next) {
        struct truth *at = plan_truth(t, i, authority, c);
        if (at == NULL) continue;
        known = true;
        if (c->type == CHANGE_DELETE) {
            at->gone = true;
            at->ended_by = id;
            continue;
        }
        struct child_change ended = *c;
        ended.start = at->start;
        ended.birth_date = at->birth_date;
        const cpis_ms until = until_of(&ended);
        if (until < at->until) at->until = until;
    }
    const struct truth none = {.number = c->number,
                               .authority = authority,
                               .plan = c->plan,
                               .start = c->start,
                               .gone = true,
                               .ended_by = id};
    if (!known) add_truth(t, &none);
}

/* Durable at the authority: from the next live list on it must be found. */
static void begin_truth(struct sim *s, unsigned authority, const struct child_change *c,
                        uint64_t id)
{
    struct truths *t = &s->truths;
    struct sim_node *m = s->node[authority];
    struct truth new = {.number = c->number,
                        .authority = authority,
                        .plan = c->plan,
                        .start = c->start,
                        .birth_date = c->birth_date,
                        .until = until_of(c)};
    for (uint32_t i = first_truth(t, &c->number); i != 0; i = t->truth[i - 1].next) {
        struct truth *at = plan_truth(t, i, authority, c);
        if (at == NULL) continue;
        if (at->gone && at->ended_by > id) return;          /* ended before it was durable */
        new.order = at->gone ? ++m->plan_order : at->order; /* again: still as live as it was */
        new.next = at->next;
        *at = new;
        return;
    }
    new.order = ++m->plan_order;
    add_truth(t, &new);
}

static void learn(struct sim *s, unsigned authority, const struct pending *p,
                  const enum child_outcome *each)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->changes[i].type == CHANGE_UPSERT && each[i] != OUTCOME_TOO_MANY)
            begin_truth(s, authority, &p->changes[i], p->id);
}

void check_live(struct sim *s, unsigned n)
{
    if (sim_is_live(s, n)) s->node[n]->live_order = s->node[n]->plan_order;
}

#define TRUTH_MARGIN CPIS_MS_DAY /* clocks may be off, and a lookup takes its time */

/* A plan that is live now, + 1; 0: there is none. */
static uint32_t live_truth(struct sim *s, const struct nhs_number *n)
{
    struct truths *t = &s->truths;
    for (uint32_t i = first_truth(t, n); i != 0; i = t->truth[i - 1].next) {
        const struct truth *at = truth_of(t, i, n);
        if (at == NULL || at->until <= SIM_EPOCH_START + sim_now(s) + TRUTH_MARGIN) continue;
        check_live(s, at->authority);
        if (at->order <= s->node[at->authority]->live_order) return i;
    }
    return 0;
}

/* --- plans --- */

uint64_t sim_change(struct sim *s, unsigned authority, const struct child_change *changes,
                    size_t count)
{
    const struct command c = {.type = COMMAND_CHANGES, .changes = changes, .changes_count = count};
    for (size_t i = 0; i < count; i++)
        if (changes[i].type == CHANGE_END || changes[i].type == CHANGE_DELETE)
            end_truths(s, authority, &changes[i], s->commands + 1);
    return sim_command(s, authority, &c);
}

void sim_add_plan(struct sim *s, unsigned authority, const struct nhs_number *n, uint32_t plan,
                  uint32_t visibility)
{
    const struct child_change c = {.type = CHANGE_UPSERT,
                                   .number = *n,
                                   .birth_date = 20200229,
                                   .given = "Test",
                                   .family = "Child",
                                   .local_id = "L1",
                                   .plan = plan,
                                   .start = 202601010000,
                                   .end = plan == 3 ? 202912310000 : 0,
                                   .visibility = visibility};
    (void)sim_change(s, authority, &c, 1);
}

void sim_end_plan(struct sim *s, unsigned authority, const struct nhs_number *n, bool deleted)
{
    const struct child_change c = {.type = deleted ? CHANGE_DELETE : CHANGE_END,
                                   .number = *n,
                                   .given = "",
                                   .family = "",
                                   .local_id = "",
                                   .plan = 1,
                                   .end = deleted ? 0 : 202701010000};
    (void)sim_change(s, authority, &c, 1);
}

bool sim_next_number(uint32_t *at, struct nhs_number *ret)
{
    while (*at < 10000000U) {
        char text[11];
        (void)snprintf(text, sizeof text, "999%07u", (*at)++ % 10000000U);
        if (nhs_number_parse(text, 10, ret) == CPIS_OK) return true;
    }
    return false;
}

struct nhs_number sim_number(unsigned i)
{
    struct nhs_number n = {{0}};
    uint32_t at = 0;
    for (unsigned k = 0; k <= i && sim_next_number(&at, &n); k++)
        ;
    return n;
}

/* --- lookups --- */

size_t sim_lookup_as(struct sim *s, unsigned query, const struct nhs_number *n,
                     const struct msg_ask_details *ask)
{
    struct sim_verdict *v = sim_must(calloc(1, sizeof *v));
    const size_t i = s->lookups;
    s->lookup = sim_grow(s->lookup, s->lookups, &s->lookups_cap, sizeof(struct sim_verdict *));
    s->lookup[s->lookups++] = v;
    v->node = query;
    v->number = *n;
    v->began = sim_now(s);
    v->began_us = sim_now_us(s);
    v->scheduled = ask->scheduled;
    v->live = live_truth(s, n);
    v->must_not_deny = v->live != 0;
    const struct command c = {.type = COMMAND_LOOKUP, .number = *n, .ask = ask};
    if (give(s, query, &c, i) == 0) forget_lookup(s, i);
    return i;
}

size_t sim_lookup(struct sim *s, unsigned query, const struct nhs_number *n, bool scheduled)
{
    const struct msg_ask_details ask = {.user_id = "100000000001",
                                        .user_name = "Test NURSE",
                                        .role_code = "R0110",
                                        .role_name = "Test role",
                                        .organisation_code = "RZZ99",
                                        .organisation_name = "Test Hospital",
                                        .setting = "emergency",
                                        .scheduled = scheduled,
                                        .purpose = PURPOSE_DIRECT_CARE};
    return sim_lookup_as(s, query, n, &ask);
}

const struct sim_verdict *sim_verdict(const struct sim *s, size_t lookup)
{
    return s->lookup[lookup];
}

const struct sim_verdict *sim_ask(struct sim *s, unsigned query, const struct nhs_number *n,
                                  bool scheduled)
{
    const size_t i = sim_lookup(s, query, n, scheduled);
    CHECK(s, !s->conf.forget_lookups);
    for (unsigned k = 0; k < 700 && !s->lookup[i]->given; k++)
        sim_run(s, 10);
    return s->lookup[i];
}

/* --- invariants --- */

static bool has_row(const struct view *v, enum table t, const uint8_t *key, size_t key_len)
{
    static uint8_t row[TABLE_ROW_BYTES_MAX];
    size_t len;
    return v->get(v->ctx, t, key, key_len, row, sizeof row, &len) == CPIS_OK;
}

/* That all is committed has been checked. A directory forwards what it has stored for that
 * authority; an authority acknowledges what it has recorded, or keeps until it matches. */
void check_spoken(struct sim *s, unsigned n, const struct cpis_id *peer, struct bytes frame)
{
    const struct frame_look look = frame_look(frame);
    const enum node_role role = s->node[n]->role;
    const bool forward = role == ROLE_DIRECTORY && look.signed_type == SIGNED_LOOKUP;
    const bool ack = role == ROLE_AUTHORITY && look.signed_type == SIGNED_ACK;
    if (!forward && !ack) return;
    const struct view *v = disk_view(s->node[n]->disk);
    struct arena a = arena_make(4U * FRAME_BYTES_MAX);
    struct frame f;
    struct signed_message m;
    struct msg_ack said;
    CHECK(s, frame_unwrap(frame, &a, &f) == CPIS_OK);
    CHECK(s, signed_message_decode(f.payload, &a, &m) == CPIS_OK);
    if (forward) {
        uint8_t key[CPIS_HASH_BYTES + CPIS_ID_BYTES];
        const struct cpis_hash rh = signed_hash(&m);
        memcpy(key, rh.b, sizeof rh.b);
        memcpy(key + sizeof rh.b, peer->b, sizeof peer->b);
        CHECK(s, has_row(v, TABLE_COPY, key, sizeof key));
    } else {
        CHECK(s, ack_decode(m.body, &a, &said) == CPIS_OK);
        CHECK(s, has_row(v, TABLE_ACCESS, said.rh.b, sizeof said.rh.b) ||
                     has_row(v, TABLE_UNMATCHED, said.rh.b, sizeof said.rh.b));
    }
    arena_free(&a);
}

/* A verdict's evidence holds offline, with the register alone. */
static void check_evidence(struct sim *s, unsigned n, const struct cpis_id *rid)
{
    struct arena a = arena_make(64U << 20);
    struct row_evidence ev;
    struct verdict v;
    const struct view view = *disk_view(s->node[n]->disk);
    size_t len;
    if (s->row == NULL) s->row = sim_must(malloc(TABLE_ROW_BYTES_MAX));
    cpis_err err = view.get(view.ctx, TABLE_EVIDENCE, rid->b, sizeof rid->b, s->row,
                            TABLE_ROW_BYTES_MAX, &len);
    if (err == CPIS_OK) {
        CHECK(s, row_evidence_decode((struct bytes){s->row, len}, &a, &ev) == CPIS_OK);
        CHECK(s, seen_complete(&view, &a, &ev) == CPIS_OK);
        enum evidence_fault fault = evidence_verify(node_registry(s->node[n]->node), &ev, &a, &v);
        CHECK(s, fault == EVIDENCE_HOLDS);
    }
    arena_free(&a);
}

/* --- results --- */

static void add_holder(const struct sim *s, const struct cpis_id *id, struct sim_verdict *v)
{
    uint32_t n;
    if (v->holders == SIM_HOLDERS_MAX || !network_find(s->network, id, &n)) return;
    for (unsigned i = 0; i < v->holders; i++)
        if (v->holder[i] == n) return;
    v->holder[v->holders++] = n;
}

static void keep_verdict(const struct sim *s, const struct result *r, struct sim_verdict *v)
{
    v->rid = r->rid;
    v->number = r->number;
    v->verdict = r->verdict;
    v->verdict.pending = v->verdict.unconfirmed = v->verdict.notes = NULL;
    v->flags = (unsigned)r->flags_count;
    v->pending = (unsigned)r->verdict.pending_count;
    v->unconfirmed = (unsigned)r->verdict.unconfirmed_count;
    v->notes = (unsigned)r->verdict.notes_count;
    for (size_t i = 0; i < r->flags_count; i++) {
        v->plans += (unsigned)r->flags[i].payload.plans_count;
        v->accesses += (unsigned)r->flags[i].payload.accesses_count;
        if (i == 0) v->status = r->flags[i].status;
        add_holder(s, &r->flags[i].authority, v);
    }
    for (size_t i = 0; i < r->verdict.pending_count; i++)
        add_holder(s, &r->verdict.pending[i].id, v);
}

/* Before the commit, while it can be read: what is kept of it is told after. */
void check_result(struct sim *s, unsigned n, uint64_t command, const struct result *r,
                  struct finding *ret)
{
    ret->outcome = (struct sim_outcome){.node = n,
                                        .command = command,
                                        .type = r->type,
                                        .err = r->err,
                                        .why = r->why,
                                        .lookup = NO_LOOKUP};
    ret->verdict = (struct sim_verdict){.given = true};
    ret->changes = 0;
    if (r->type == RESULT_VERDICT) keep_verdict(s, r, &ret->verdict);
    if (r->type != RESULT_CHANGES) return;
    CHECK(s, r->outcomes_count <= CHANGES_MAX);
    ret->changes = r->outcomes_count;
    for (size_t i = 0; i < r->outcomes_count; i++) {
        ret->each[i] = r->outcomes[i];
        ret->outcome.outcomes[r->outcomes[i]]++;
    }
}

static void release_verdict(struct sim *s, unsigned n, size_t lookup, const struct finding *f)
{
    struct sim_verdict *v = s->lookup[lookup];
    const struct sim_verdict asked = *v;
    CHECK(s, !v->given && nhs_number_compare(&v->number, &f->verdict.number) == 0);
    *v = f->verdict;
    v->node = n;
    v->began = asked.began;
    v->began_us = asked.began_us;
    v->scheduled = asked.scheduled;
    /* live when it began, and not deleted since */
    v->must_not_deny = asked.live != 0 && !s->truths.truth[asked.live - 1].gone;
    v->ended = sim_now(s);
    v->took = sim_now_us(s) - v->began_us;
    /* promise 1 */
    CHECK(s, !v->must_not_deny || v->verdict.kind != VERDICT_NO_FLAG);
    if (s->conf.check_every <= 1 || s->verdicts % s->conf.check_every == 0)
        check_evidence(s, n, &v->rid);
    s->verdicts++;
}

void check_release(struct sim *s, unsigned n, const struct finding *f)
{
    struct sim_outcome o = f->outcome;
    struct pending *p = take_pending(s->node[n], o.command);
    CHECK(s, p != NULL); /* one result for one command */
    o.lookup = p->lookup;
    if (o.type == RESULT_VERDICT)
        release_verdict(s, n, p->lookup, f);
    else
        s->last_done = o.err;
    if (o.type == RESULT_CHANGES && o.err == CPIS_OK && f->changes == p->count)
        learn(s, n, p, f->each);
    if (s->conf.hooks.outcome != NULL) s->conf.hooks.outcome(s->conf.hooks.arg, &o);
    forget_lookup(s, p->lookup);
    free(p);
}

/* --- looking at rows --- */

struct counting {
    const struct cpis_id *rid;
    const struct view *view;
    unsigned accesses, notifications;
    struct cpis_hash rh[8];
};

static bool count_access(void *arg, const struct row *row)
{
    struct counting *c = arg;
    struct row_access m;
    struct arena a = arena_make(1U << 20);
    if (row_access_decode((struct bytes){row->value, row->value_len}, &a, &m) == CPIS_OK &&
        id_equal(&m.rid, c->rid)) {
        if (c->accesses < 8) c->rh[c->accesses] = m.rh;
        c->accesses++;
    }
    arena_free(&a);
    return true;
}

static bool count_notification(void *arg, const struct row *row)
{
    struct counting *c = arg;
    struct row_notification m;
    struct arena a = arena_make(1U << 20);
    if (row_notification_decode((struct bytes){row->value, row->value_len}, &a, &m) == CPIS_OK)
        for (unsigned i = 0; i < c->accesses && i < 8; i++)
            c->notifications += hash_equal(&m.rh, &c->rh[i]);
    arena_free(&a);
    return true;
}

static struct counting count(const struct sim *s, unsigned authority, const struct cpis_id *rid)
{
    const struct view view = *disk_view(s->node[authority]->disk);
    struct counting c = {.rid = rid, .view = &view};
    (void)view.scan(view.ctx, TABLE_ACCESS, NULL, 0, false, count_access, &c);
    (void)view.scan(view.ctx, TABLE_NOTIFICATION, NULL, 0, false, count_notification, &c);
    return c;
}

unsigned sim_accesses(const struct sim *s, unsigned authority, const struct cpis_id *rid)
{
    return count(s, authority, rid).accesses;
}

unsigned sim_notifications(const struct sim *s, unsigned authority, const struct cpis_id *rid)
{
    return count(s, authority, rid).notifications;
}
