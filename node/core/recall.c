#include "crypto/cursor.h"
#include "node/core/authority_state.h"
#include "node/core/log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* After a start the log is compared with the acks that directories hold. One that names more than
 * the log has: the store is a backup's, or the disk lied, and lookups that were acknowledged are
 * missing. Every directory is asked for all since; the row stays until each has been. */
#define RECALL_ROW "recall" /* TABLE_META: since(8) */

cpis_err recall_restore(struct authority *a, struct env *e)
{
    uint8_t since[8];
    size_t len = 0;
    a->start_wall = e->wall;
    a->start_sequence = e->log->head.sequence;
    cpis_err err = e->view->get(e->view->ctx, TABLE_META, (const uint8_t *)RECALL_ROW,
                                strlen(RECALL_ROW), since, sizeof since, &len);
    if (err == CPIS_E_NOTFOUND) return CPIS_OK;
    if (err != CPIS_OK || len != sizeof since) return CPIS_E_STORE;
    struct cursor c = cursor_read(since, sizeof since);
    a->recalling = true;
    a->recall_since = cursor_get_u64(&c);
    return CPIS_OK;
}

static void recall(struct authority *a, struct env *e, const struct cpis_id *directory)
{
    const struct msg_recall m = {.since = a->recall_since};
    EMIT(e, directory, FRAME_RECALL, recall, &m);
}

static bool was_recalled(const struct authority *a, const struct cpis_id *directory)
{
    for (size_t i = 0; i < a->recalled_count; i++)
        if (id_equal(&a->recalled[i], directory)) return true;
    return false;
}

/* It was there just now: it has heard us. Once all directories have, the recall is over. */
static void recall_once(struct authority *a, struct env *e, const struct cpis_id *directory)
{
    if (was_recalled(a, directory)) return;
    if (a->recalled_count == a->recalled_cap) {
        size_t cap = a->recalled_cap == 0 ? 8 : 2 * a->recalled_cap;
        struct cpis_id *grown = realloc(a->recalled, cap * sizeof *grown);
        if (grown == NULL) {
            emit_failure(e);
            return;
        }
        a->recalled = grown;
        a->recalled_cap = cap;
    }
    a->recalled[a->recalled_count++] = *directory;
    recall(a, e, directory);
    for (size_t i = 0; i < registry_count(e->registry); i++) {
        const struct registry_node *n = registry_at(e->registry, i);
        if (n->d.role == ROLE_DIRECTORY && registry_in_force(n) && !was_recalled(a, &n->id)) return;
    }
    a->recalling = false;
    a->recalled_count = 0;
    emit_delete(e, TABLE_META, RECALL_ROW, strlen(RECALL_ROW));
}

static void recall_begin(struct authority *a, struct env *e, const struct cpis_id *shown_by)
{
    uint8_t since[8];
    struct cursor c = cursor_write(since, sizeof since);
    emit_event(e, EVENT_BEHIND_OWN_ACKS, shown_by, a->newest_access);
    a->recalling = true;
    a->recall_since = a->newest_access;
    cursor_put_u64(&c, a->recall_since);
    emit_persist(e, TABLE_META, RECALL_ROW, strlen(RECALL_ROW), (struct bytes){since, 8});
    for (size_t i = 0; i < registry_count(e->registry); i++) {
        const struct registry_node *n = registry_at(e->registry, i);
        if (n->d.role == ROLE_DIRECTORY && registry_in_force(n) && !id_equal(&n->id, shown_by))
            recall(a, e, &n->id); /* perhaps not there: again when it shows its ack */
    }
}

void authority_recv_ack(struct authority *a, struct env *e, const struct registry_node *from,
                        const struct msg_ack *m)
{
    if (!id_equal(&m->authority_id, &e->id)) {
        emit_event(e, EVENT_BODY_MALFORMED, &from->id, 0);
        return;
    }
    const struct chain_head *log = &e->log->head;
    bool ahead = m->log_sequence > log->sequence;
    bool other = m->log_sequence == log->sequence && !hash_equal(&m->log_head, &log->head);
    /* our log may have grown past it since the start, on another branch */
    bool before = m->time < a->start_wall && m->log_sequence > a->start_sequence;
    if ((ahead || other || before) && !a->recalling) recall_begin(a, e, &from->id);
    if (a->recalling) recall_once(a, e, &from->id);
}
