#include "node/core/log.h"

#include "crypto/cursor.h"

#include <assert.h>

uint64_t log_append(struct env *e, enum log_event event, const struct cpis_hash *about,
                    uint64_t value)
{
    struct row_log_entry entry = {.time = e->wall, .event = event, .value = value};
    if (about != NULL) entry.about = *about;
    struct bytes b;
    cpis_err err = row_log_entry_encode(&entry, e->scratch, &b);
    assert(err != CPIS_E_INVAL);
    if (err != CPIS_OK) {
        emit_failure(e);
        return e->log->head.sequence;
    }
    e->log->head = chain_next(&e->log->head, b.p, b.len);
    uint8_t key[8];
    struct cursor c = cursor_write(key, sizeof key);
    cursor_put_u64(&c, e->log->head.sequence);
    emit_persist(e, TABLE_LOG, key, sizeof key, b);
    return e->log->head.sequence;
}

cpis_err log_restore(struct chain_log *log, const struct row *row)
{
    struct cursor c = cursor_read(row->key, row->key_len);
    if (cursor_get_u64(&c) != log->head.sequence + 1 || !cursor_done(&c)) return CPIS_E_MALFORMED;
    log->head = chain_next(&log->head, row->value, row->value_len);
    return CPIS_OK;
}
