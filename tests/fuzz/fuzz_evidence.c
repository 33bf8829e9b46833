/* Fuzz target: the evidence of a FLAG and of a NO FLAG, changed: its bytes, its parts, parts of one
 * in the other, and statements that one directory signs anew. What then still holds says of the
 * child that is listed no NO FLAG, and what it says is what it gives. */
#include "node/core/evidence.h"
#include "node/core/seen.h"
#include "tests/fuzz/history.h"

#include <assert.h>
#include <string.h>

#define EVIDENCES 2U
#define LIAR      HISTORY_DIRECTORY /* one of three, of which two are believed */

static struct {
    struct history *h;
    struct arena a;
    struct bytes bytes[EVIDENCES];
    enum verdict_kind kind[EVIDENCES];
    char number[11]; /* of the child that is listed */
} base;

static void set_up(void)
{
    static uint8_t row[TABLE_ROW_BYTES_MAX];
    static const uint8_t ask[EVIDENCES][3] = {{1, 0, HISTORY_CHILD_FIRST},
                                              {1, 0, HISTORY_CHILD_NOBODYS}};
    if (base.h != NULL) return;
    struct history *h = base.h = history_begin(HISTORY_EVERYBODY, 0);
    const struct view *v = &h->node[HISTORY_QUERY].below;
    base.a = arena_make((size_t)64 << 20);
    history_pass(h, 10 * CPIS_MS_SECOND, true);
    for (unsigned i = 0; i < EVIDENCES; i++) {
        struct cursor c = {ask[i], sizeof ask[i]};
        struct row_evidence ev;
        struct verdict verdict;
        size_t len;
        history_play_command(h, &c, HISTORY_QUERY);
        history_pass(h, 10 * CPIS_MS_SECOND, true);
        assert(h->spoken_count == i + 1);
        const struct spoken *s = &h->spoken[i];
        assert(v->get(v->ctx, TABLE_EVIDENCE, s->rid.b, sizeof s->rid.b, row, sizeof row, &len) ==
               CPIS_OK);
        assert(row_evidence_decode((struct bytes){row, len}, &base.a, &ev) == CPIS_OK);
        assert(seen_complete(v, &base.a, &ev) == CPIS_OK);
        assert(row_evidence_encode(&ev, &base.a, &base.bytes[i]) == CPIS_OK);
        base.bytes[i].p = arena_copy(&base.a, base.bytes[i].p, base.bytes[i].len);
        base.kind[i] = s->kind;
        assert(evidence_verify(node_registry(h->node[HISTORY_QUERY].node), &ev, &base.a,
                               &verdict) == EVIDENCE_HOLDS);
        if (i == 0) memcpy(base.number, ev.nhs_number, sizeof base.number);
    }
    assert(base.kind[0] == VERDICT_FLAG && base.kind[1] == VERDICT_NO_FLAG);
}

static void flip(struct cursor *c, uint8_t *p, size_t len)
{
    if (len > 0) p[cursor_u16(c) % len] ^= (uint8_t)(1U + cursor_below(c, 255));
}

/* Signed anew by the liar, if it is the liar's. */
static void resign(struct cursor *c, struct arena *a, struct signed_message *m)
{
    const struct history_node *liar = &base.h->node[LIAR];
    uint8_t *body = arena_copy(a, m->body.p, m->body.len);
    if (body == NULL || !id_equal(&m->signer, &liar->id)) return;
    flip(c, body, m->body.len);
    if (cursor_below(c, 4) == 0) m->type = 1 + cursor_below(c, SIGNED_DETAILS);
    m->body.p = body;
    sign_make(&liar->identity.sign, (uint8_t)m->type, registry_net(node_registry(liar->node)),
              m->body.p, m->body.len, &m->signature);
}

static void change_search(struct cursor *c, struct arena *a, struct row_search *to,
                          const struct row_search *from)
{
    switch (cursor_below(c, 12)) {
    case 0: to->statements_count = cursor_below(c, (uint32_t)to->statements_count + 1); break;
    case 1: to->evaluations_count = cursor_below(c, (uint32_t)to->evaluations_count + 1); break;
    case 2: to->answers_count = 0; break;
    case 3:
        to->statements = from->statements;
        to->statements_count = from->statements_count;
        break;
    case 4: to->lookup = from->lookup; break;
    case 5:
        to->evaluations = from->evaluations;
        to->evaluations_count = from->evaluations_count;
        break;
    case 6: to->ephemeral_secret = from->ephemeral_secret; break;
    case 7:
        if (to->statements_count > 1) to->statements[0] = to->statements[1];
        break;
    case 8:
        to->neighbours = from->neighbours;
        to->neighbours_count = from->neighbours_count;
        break;
    case 9:
        if (to->neighbours_count > 0)
            to->neighbours[0].place = cursor_below(c, EVIDENCE_TOGETHER_MAX);
        break;
    default:
        if (to->statements_count > 0)
            resign(c, a,
                   &to->statements[cursor_below(c, (uint32_t)to->statements_count)].statement);
        break;
    }
}

static void change(struct cursor *c, struct arena *a, struct row_evidence *to,
                   const struct row_evidence *from)
{
    switch (cursor_below(c, 12)) {
    case 0: to->verdict = 1 + cursor_below(c, 6); break;
    case 1: memcpy(to->nhs_number, from->nhs_number, sizeof to->nhs_number); break;
    case 2: to->judged += cursor_u16(c) * (uint64_t)CPIS_MS_MINUTE; break;
    case 3: to->judged -= cursor_u16(c) * (uint64_t)CPIS_MS_SECOND; break;
    case 4: to->register_version -= cursor_below(c, 3); break;
    case 5: to->heads_count = cursor_below(c, (uint32_t)to->heads_count + 1); break;
    case 6: to->floors_count = 0; break;
    case 7:
        to->register_times_count = cursor_below(c, (uint32_t)to->register_times_count + 1);
        break;
    case 8: to->as_of += cursor_byte(c); break;
    default:
        if (to->searches_count > 0 && from->searches_count > 0)
            change_search(c, a, &to->searches[0], &from->searches[0]);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor c = {data, size};
    struct row_evidence ev, other;
    struct verdict v = {.reason = REASON_NONE};
    struct arena a;
    set_up();
    a = arena_make((size_t)64 << 20);
    const unsigned which = cursor_below(&c, EVIDENCES), bytes = cursor_below(&c, 3);
    struct bytes b = base.bytes[which];
    uint8_t *p = arena_copy(&a, b.p, b.len);
    for (unsigned i = 0; i < bytes; i++)
        flip(&c, p, b.len);
    b.p = p;
    if (row_evidence_decode(b, &a, &ev) == CPIS_OK) {
        assert(row_evidence_decode(base.bytes[1 - which], &a, &other) == CPIS_OK);
        for (unsigned i = 0; i < 8 && c.left > 0; i++)
            change(&c, &a, &ev, &other);
        if (evidence_verify(node_registry(base.h->node[HISTORY_QUERY].node), &ev, &a, &v) ==
            EVIDENCE_HOLDS) {
            assert(v.kind == (enum verdict_kind)ev.verdict);
            assert(v.kind != VERDICT_NO_FLAG || ev.searches[0].statements_count >= 2);
            assert(v.kind != VERDICT_NO_FLAG || strcmp(ev.nhs_number, base.number) != 0);
        }
    }
    arena_free(&a);
    return 0;
}
