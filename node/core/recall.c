#include "crypto/cursor.h"
#include "node/core/authority_state.h"
#include "node/core/log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* A store may be a backup's, or the disk may have lied: lookups that we have signed for are missing
 * then, and no directory would send them again. So every start asks every directory for all copies
 * since the newest access that our store has, again and again until it says that we have signed for
 * each of them. The row stays until all directories have: a start in between forgets nothing. That
 * a directory holds an ack of ours which our log does not know is told to the operator. */
#define RECALL_ROW       "recall"              /* TABLE_META: since(8) */
#define RECALL_MARGIN    (10 * CPIS_MS_MINUTE) /* their clocks and ours */
#define RECALL_FIRST     CPIS_MS_SECOND        /* once the directories have been greeted */
#define RECALL_RETRY_MIN (5 * CPIS_MS_SECOND)
#define RECALL_RETRY_MAX (5 * CPIS_MS_MINUTE)

static void since_put(uint64_t since, uint8_t ret[static 8])
{
    struct cursor c = cursor_write(ret, 8);
    cursor_put_u64(&c, since);
}

cpis_err recall_restore(struct authority *a, struct env *e)
{
    uint8_t since[8];
    size_t len = 0;
    a->start_wall = e->wall;
    a->start_sequence = e->log->head.sequence;
    a->recalling = true;
    a->recall_wait = RECALL_RETRY_MIN;
    a->recall_at = e->now + RECALL_FIRST;
    cpis_err err = e->view->get(e->view->ctx, TABLE_META, (const uint8_t *)RECALL_ROW,
                                strlen(RECALL_ROW), since, sizeof since, &len);
    if (err == CPIS_OK && len == sizeof since) {
        struct cursor c = cursor_read(since, sizeof since);
        a->recall_since = cursor_get_u64(&c);
        return CPIS_OK;
    }
    if (err != CPIS_E_NOTFOUND) return CPIS_E_STORE;
    if (a->newest_access > RECALL_MARGIN) a->recall_since = a->newest_access - RECALL_MARGIN;
    since_put(a->recall_since, since);
    emit_persist(e, TABLE_META, RECALL_ROW, strlen(RECALL_ROW), (struct bytes){since, 8});
    return CPIS_OK;
}

static bool has_answered(const struct authority *a, const struct cpis_id *directory)
{
    for (size_t i = 0; i < a->recalled_count; i++)
        if (id_equal(&a->recalled[i], directory)) return true;
    return false;
}

static void ask(const struct authority *a, struct env *e, const struct cpis_id *directory)
{
    const struct msg_recall m = {.since = a->recall_since};
    EMIT(e, directory, FRAME_RECALL, recall, &m);
}

/* Asks all that have not answered, if `now`; returns how many there are. */
static size_t ask_rest(const struct authority *a, struct env *e, bool now)
{
    size_t rest = 0;
    for (size_t i = 0; i < registry_count(e->registry); i++) {
        const struct registry_node *n = registry_at(e->registry, i);
        if (n->d.role != ROLE_DIRECTORY || !registry_in_force(n) || has_answered(a, &n->id))
            continue;
        rest++;
        if (now) ask(a, e, &n->id);
    }
    return rest;
}

void recall_tick(struct authority *a, struct env *e)
{
    if (!a->recalling || e->now < a->recall_at) return;
    (void)ask_rest(a, e, true);
    a->recall_at = e->now + a->recall_wait - drbg_below(e->rng, a->recall_wait / 4);
    a->recall_wait = earlier(2 * a->recall_wait, RECALL_RETRY_MAX);
}

void authority_directory_appeared(struct authority *a, struct env *e,
                                  const struct registry_node *directory)
{
    if (a->recalling && !has_answered(a, &directory->id)) ask(a, e, &directory->id);
}

void authority_recv_recall(struct authority *a, struct env *e, const struct registry_node *from,
                           const struct msg_recall *m)
{
    if (!a->recalling || m->since != a->recall_since || has_answered(a, &from->id)) {
        emit_event(e, EVENT_NOT_EXPECTED, &from->id, FRAME_RECALL);
        return;
    }
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
    a->recalled[a->recalled_count++] = from->id;
    if (ask_rest(a, e, false) > 0) return;
    a->recalling = false;
    emit_delete(e, TABLE_META, RECALL_ROW, strlen(RECALL_ROW));
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
    if (!ahead && !other && !before) return;
    if (!a->behind) emit_event(e, EVENT_BEHIND_OWN_ACKS, &from->id, a->newest_access);
    a->behind = true;
}
