/* What must hold in every history. */
#include "node/core/evidence.h"
#include "node/core/seen.h"
#include "tests/fuzz/history.h"

#include <assert.h>
#include <string.h>

static struct arena arena; /* one for all checks: taken and reset */

static bool has_row(const struct history_node *m, enum table t, const void *key, size_t len)
{
    static uint8_t row[TABLE_ROW_BYTES_MAX];
    size_t row_len;
    return m->below.get(m->below.ctx, t, key, len, row, sizeof row, &row_len) == CPIS_OK;
}

static bool is_rogue(const struct history *h, unsigned n)
{
    return (h->rogue & HISTORY_OF(n)) != 0;
}

/* Whose plan of this child is live for the whole of a history; HISTORY_NODES: nobody's. */
static unsigned holder_of(unsigned child)
{
    if (child == HISTORY_CHILD_FIRST) return HISTORY_AUTHORITY;
    if (child == HISTORY_CHILD_SECOND) return HISTORY_AUTHORITY + 1;
    return HISTORY_NODES;
}

/* --- what is said --- */

/* A directory forwards what it has stored for that authority. */
static void check_forward(struct history *h, unsigned n, const struct flight *f,
                          const struct signed_message *m)
{
    uint8_t key[CPIS_HASH_BYTES + CPIS_ID_BYTES];
    const struct cpis_hash rh = signed_hash(m);
    memcpy(key, rh.b, sizeof rh.b);
    memcpy(key + sizeof rh.b, h->node[f->to].id.b, CPIS_ID_BYTES);
    assert(has_row(&h->node[n], TABLE_COPY, key, sizeof key));
}

/* An authority acknowledges what it has recorded, or keeps until it matches. */
static void check_ack(struct history *h, unsigned n, const struct signed_message *m)
{
    struct msg_ack ack;
    assert(ack_decode(m->body, &arena, &ack) == CPIS_OK);
    assert(has_row(&h->node[n], TABLE_ACCESS, ack.rh.b, sizeof ack.rh.b) ||
           has_row(&h->node[n], TABLE_UNMATCHED, ack.rh.b, sizeof ack.rh.b));
}

/* An answer is kept before it is given: asked again, the same one goes out. */
static void check_answer(struct history *h, unsigned n, const struct signed_message *m)
{
    struct msg_answer answer;
    assert(answer_decode(m->body, &arena, &answer) == CPIS_OK);
    assert(has_row(&h->node[n], TABLE_ACCESS, answer.rh.b, sizeof answer.rh.b));
}

/* No honest directory denies a child whose plan never ended and whose authority is honest. */
static void check_reply(struct history *h, struct bytes payload)
{
    struct msg_lookup_reply reply;
    struct signed_message m;
    unsigned child;
    assert(lookup_reply_decode(payload, &arena, &reply) == CPIS_OK);
    if (reply.outcome != LOOKUP_STATEMENT || !history_pool_lookup(&reply.rh, &child)) return;
    assert(signed_message_decode(reply.statement, &arena, &m) == CPIS_OK);
    assert(m.type != SIGNED_ABSENT || is_rogue(h, holder_of(child)));
}

void history_check_said(struct history *h, unsigned n, const struct flight *f)
{
    struct frame frame;
    struct signed_message m;
    if (h->damaged) return;
    if (arena.cap == 0) arena = arena_make((size_t)64 << 20);
    assert(frame_unwrap((struct bytes){f->p, f->len}, &arena, &frame) == CPIS_OK);
    if (frame.kind == FRAME_LOOKUP_REPLY) check_reply(h, frame.payload);
    if (frame.kind == FRAME_SIGNED) {
        assert(signed_message_decode(frame.payload, &arena, &m) == CPIS_OK);
        const enum node_role role = h->node[n].role;
        if (role == ROLE_DIRECTORY && m.type == SIGNED_LOOKUP) check_forward(h, n, f, &m);
        if (role == ROLE_AUTHORITY && m.type == SIGNED_ACK) check_ack(h, n, &m);
        if (role == ROLE_AUTHORITY && m.type == SIGNED_ANSWER) check_answer(h, n, &m);
    }
    arena_reset(&arena);
}

/* --- verdicts --- */

static void check_evidence(struct history_node *m, const struct spoken *s)
{
    static uint8_t row[TABLE_ROW_BYTES_MAX];
    struct row_evidence ev;
    struct verdict v;
    size_t len;
    cpis_err err = m->below.get(m->below.ctx, TABLE_EVIDENCE, s->rid.b, sizeof s->rid.b, row,
                                sizeof row, &len);
    if (s->kind == VERDICT_NO_FLAG) assert(err == CPIS_OK);
    if (err != CPIS_OK) return;
    if (arena.cap == 0) arena = arena_make((size_t)64 << 20);
    assert(row_evidence_decode((struct bytes){row, len}, &arena, &ev) == CPIS_OK);
    assert(seen_complete(&m->below, &arena, &ev) == CPIS_OK);
    assert(evidence_verify(node_registry(m->node), &ev, &arena, &v) == EVIDENCE_HOLDS);
    assert(v.kind == s->kind);
    arena_reset(&arena);
}

/* Fewer than t = 2 directories, and not the child's own authority: nobody who can lie it away. */
static bool can_be_denied(const struct history *h, unsigned holder)
{
    unsigned liars = 0;
    for (unsigned n = HISTORY_DIRECTORY; n < HISTORY_AUTHORITY; n++)
        liars += is_rogue(h, n);
    return holder == HISTORY_NODES || is_rogue(h, holder) || liars >= 2;
}

void history_check_verdict(struct history *h, unsigned n, const struct spoken *s)
{
    const unsigned holder = holder_of(s->child);
    if (h->damaged) return;
    assert(s->kind >= VERDICT_FLAG && s->kind <= VERDICT_UNKNOWN);
    if (!can_be_denied(h, holder)) assert(s->kind != VERDICT_NO_FLAG);
    check_evidence(&h->node[n], s);
}

/* --- records --- */

struct counting {
    const struct cpis_id *rid;
    unsigned count;
};

static bool count_access(void *arg, const struct row *row)
{
    struct counting *c = arg;
    struct row_access m;
    assert(row_access_decode((struct bytes){row->value, row->value_len}, &arena, &m) == CPIS_OK);
    c->count += id_equal(&m.rid, c->rid);
    return true;
}

void history_check_accesses(struct history *h, bool healed)
{
    if (arena.cap == 0) arena = arena_make((size_t)64 << 20);
    for (size_t i = 0; i < h->spoken_count; i++) {
        const struct spoken *s = &h->spoken[i];
        for (unsigned n = HISTORY_AUTHORITY; n < HISTORY_QUERY; n++) {
            struct counting c = {.rid = &s->rid};
            if (is_rogue(h, n)) continue;
            (void)h->node[n].below.scan(h->node[n].below.ctx, TABLE_ACCESS, NULL, 0, false,
                                        count_access, &c);
            assert(c.count <= 1);
            if (healed && id_equal(&s->holder, &h->node[n].id)) assert(c.count == 1);
        }
        arena_reset(&arena);
    }
}

/* One access is told of once. */
struct told_of {
    struct cpis_hash rh[64];
    size_t count;
};

static bool take_notification(void *arg, const struct row *row)
{
    struct told_of *t = arg;
    static const struct cpis_hash none;
    struct row_notification m;
    assert(row_notification_decode((struct bytes){row->value, row->value_len}, &arena, &m) ==
           CPIS_OK);
    for (size_t i = 0; i < t->count; i++)
        assert(!hash_equal(&t->rh[i], &m.rh));
    if (!hash_equal(&m.rh, &none) && t->count < sizeof t->rh / sizeof *t->rh)
        t->rh[t->count++] = m.rh;
    return true;
}

void history_check_notifications(struct history *h, unsigned n)
{
    struct told_of t = {.count = 0};
    const struct view *v = &h->node[n].below;
    if (arena.cap == 0) arena = arena_make((size_t)64 << 20);
    (void)v->scan(v->ctx, TABLE_NOTIFICATION, NULL, 0, false, take_notification, &t);
    arena_reset(&arena);
}

/* Nobody lied, all is mended, and time has passed: no node waits for anything. */
void history_check_settled(struct history *h)
{
    if (h->rogue != 0) return;
    for (unsigned n = 0; n < HISTORY_NODES; n++) {
        struct node_status st;
        node_status(h->node[n].node, h->now, h->wall, &st);
        assert(st.copies_waiting == 0 && st.lookups_active == 0);
        assert(rows_count(h->node[n].rows, TABLE_OUTBOX) == 0);
    }
}

/* --- restarts --- */

void history_restart(struct history *h, unsigned n)
{
    struct history_node *m = &h->node[n];
    struct node_status before, after;
    if (m->node == NULL || m->uncommitted || m->reads_fail_in > 0) return;
    node_status(m->node, h->now, h->wall, &before);
    assert(before.children == rows_count(m->rows, TABLE_CHILD));
    history_kill(h, n);
    history_start(h, n);
    node_status(m->node, h->now, h->wall, &after);
    assert(after.register_version == before.register_version);
    assert(after.children == before.children);
    assert(after.copies_waiting == before.copies_waiting);
    assert(after.inbox.unopened == before.inbox.unopened);
    assert(after.log.sequence == before.log.sequence + 1); /* it says that it was started */
    assert(after.has_share == before.has_share);
}
