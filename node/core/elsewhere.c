/* Another authority lists a child of ours, too (proto/README.md section 5). Whoever listed it first
 * is told, by any directory, with a proof that needs no trust in it: the token under the other's
 * signed head. The row is durable before the directory hears that we have heard. */
#include "crypto/cursor.h"
#include "node/core/authority_state.h"
#include "node/core/evidence.h"

#include <assert.h>
#include <string.h>

static void row_key(const struct nhs_number *n, const struct cpis_id *other,
                    uint8_t ret[static ELSEWHERE_KEY_BYTES])
{
    struct cursor c = cursor_write(ret, ELSEWHERE_KEY_BYTES);
    cursor_put(&c, n->digits, NHS_NUMBER_DIGITS);
    cursor_put(&c, other->b, sizeof other->b);
}

bool elsewhere_is_known(struct env *e, const struct nhs_number *n, const struct cpis_id *other)
{
    uint8_t key[ELSEWHERE_KEY_BYTES], row[ELSEWHERE_ROW_BYTES_MAX];
    size_t len;
    row_key(n, other, key);
    cpis_err err = read_row(e, TABLE_ELSEWHERE, key, sizeof key, row, sizeof row, &len);
    memset(row, 0, sizeof row);
    if (err != CPIS_OK && err != CPIS_E_NOTFOUND)
        emit_event(e, EVENT_STORE_READ, NULL, TABLE_ELSEWHERE);
    return err == CPIS_OK;
}

static void note(struct env *e, const struct nhs_number *n, const struct judged_presence *there)
{
    uint8_t key[ELSEWHERE_KEY_BYTES];
    if (elsewhere_is_known(e, n, &there->authority)) return; /* each directory tells */
    struct row_elsewhere row = {
        .authority_id = there->authority, .since = there->head_version, .heard = e->wall};
    memcpy(row.nhs_number, n->digits, sizeof row.nhs_number);
    row_key(n, &there->authority, key);
    EMIT_ROW(e, TABLE_ELSEWHERE, key, sizeof key, row_elsewhere, &row);
    emit_event(e, EVENT_LISTED_ELSEWHERE, &there->authority, 0);
}

/* Durable in the same batch as the row: a crash in between loses neither. */
static void end_if_transferred(struct authority *a, struct env *e, const struct nhs_number *n,
                               const struct cpis_id *other)
{
    bool ended = false;
    cpis_err err = children_taken_over(a->children, e, n, other, &ended);
    if (err == CPIS_E_NOMEM) emit_failure(e);
    if (err == CPIS_E_STORE) emit_event(e, EVENT_STORE_READ, NULL, TABLE_CHILD);
    if (!ended) return;
    emit_event(e, EVENT_TRANSFERRED, other, 0);
    publisher_children_changed(a->publisher, e);
}

void authority_transfer_announced(struct authority *a, struct env *e, const struct nhs_number *n,
                                  const struct cpis_id *to)
{
    if (elsewhere_is_known(e, n, to)) end_if_transferred(a, e, n, to);
}

void authority_recv_elsewhere(struct authority *a, struct env *e, const struct registry_node *from,
                              const struct msg_listed_elsewhere *m)
{
    const struct msg_listed_elsewhere_heard heard = {m->token, m->listed.authority_id};
    const struct own_entry *entry = publisher_entry(a->publisher, m->epoch, &m->token);
    struct judged_presence there;
    const bool ours = entry != NULL && entry->listed && entry->number.digits[0] != 0;
    if (id_equal(&m->listed.authority_id, &e->id) ||
        !evidence_inclusion_holds(e->registry, m->epoch, &m->token, &m->listed, e->scratch,
                                  &there)) {
        emit_event(e, e->scratch->failed ? EVENT_NO_MEMORY : EVENT_PROOF_WRONG, &from->id,
                   FRAME_LISTED_ELSEWHERE);
        return;
    }
    if (ours) { /* what we list no longer is nothing to us */
        note(e, &entry->number, &there);
        end_if_transferred(a, e, &entry->number, &there.authority);
    }
    EMIT(e, &from->id, FRAME_LISTED_ELSEWHERE_HEARD, listed_elsewhere_heard, &heard);
}
