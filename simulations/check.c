#include "node/core/seen.h"
#include "simulations/found.h"

#include <string.h>

#define CHECK(s, c) ((c) ? (void)0 : sim_breach((s), __FILE__, __LINE__, #c))

/* --- plans: the truth --- */

static void change(struct sim *s, unsigned authority, const struct child_change *c)
{
    const struct command command = {.type = COMMAND_CHANGES, .changes = c, .changes_count = 1};
    const struct node_in in = {.type = NODE_COMMAND, .command = &command};
    sim_step(s, authority, &in);
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
    CHECK(s, s->plans < SIM_PLANS_MAX);
    s->plan[s->plans++] = (struct sim_plan){.number = *n, .authority = authority};
    change(s, authority, &c);
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
    for (size_t i = 0; i < s->plans; i++)
        if (deleted && s->plan[i].authority == authority &&
            nhs_number_compare(&s->plan[i].number, n) == 0)
            s->plan[i] = s->plan[--s->plans];
    change(s, authority, &c);
}

/* Plans that are live now stay so until they are deleted. */
static bool is_live_somewhere(struct sim *s, const struct nhs_number *n)
{
    bool live = false;
    for (size_t i = 0; i < s->plans; i++) {
        struct sim_plan *p = &s->plan[i];
        if (!p->live && sim_is_live(s, p->authority)) p->live = true;
        live |= p->live && nhs_number_compare(&p->number, n) == 0;
    }
    return live;
}

/* --- lookups --- */

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
    CHECK(s, s->lookups < SIM_LOOKUPS_MAX);
    const size_t i = s->lookups++;
    s->verdict[i] = (struct sim_verdict){.number = *n, .began = s->now};
    s->must_not_deny[i] = is_live_somewhere(s, n);
    const struct command c = {.id = i + 1, .type = COMMAND_LOOKUP, .number = *n, .ask = &ask};
    const struct node_in in = {.type = NODE_COMMAND, .command = &c};
    sim_step(s, query, &in);
    return i;
}

const struct sim_verdict *sim_verdict(const struct sim *s, size_t lookup)
{
    return &s->verdict[lookup];
}

const struct sim_verdict *sim_ask(struct sim *s, unsigned query, const struct nhs_number *n,
                                  bool scheduled)
{
    const size_t i = sim_lookup(s, query, n, scheduled);
    for (unsigned k = 0; k < 700 && !s->verdict[i].given; k++)
        sim_run(s, 10);
    return &s->verdict[i];
}

/* --- invariants --- */

/* A verdict's evidence holds offline, with the register alone. */
static void check_evidence(struct sim *s, unsigned n, const struct cpis_id *rid)
{
    struct arena a = arena_make(64U << 20);
    struct row_evidence ev;
    struct verdict v;
    const struct view view = rows_view(s->node[n].rows);
    uint8_t *buf = arena_take(&a, TABLE_ROW_BYTES_MAX);
    size_t len;
    cpis_err err =
        view.get(view.ctx, TABLE_EVIDENCE, rid->b, sizeof rid->b, buf, TABLE_ROW_BYTES_MAX, &len);
    if (err == CPIS_OK) {
        CHECK(s, row_evidence_decode((struct bytes){buf, len}, &a, &ev) == CPIS_OK);
        CHECK(s, seen_complete(&view, &a, &ev) == CPIS_OK);
        enum evidence_fault fault = evidence_verify(node_registry(s->node[n].node), &ev, &a, &v);
        CHECK(s, fault == EVIDENCE_HOLDS);
    }
    arena_free(&a);
}

void sim_result(struct sim *s, unsigned n, uint64_t command, const struct result *r)
{
    if (r->type != RESULT_VERDICT) {
        s->last_done = r->err;
        return;
    }
    CHECK(s, command >= 1 && command <= s->lookups);
    struct sim_verdict *v = &s->verdict[command - 1];
    CHECK(s, !v->given); /* one verdict for one question */
    v->given = true;
    v->ended = s->now;
    v->rid = r->rid;
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
    }
    /* promise 1 */
    CHECK(s, !s->must_not_deny[command - 1] || r->verdict.kind != VERDICT_NO_FLAG);
    check_evidence(s, n, &r->rid);
}

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
    const struct view view = rows_view(s->node[authority].rows);
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
