#include "node/core/expiry.h"

#include "crypto/cursor.h"

#include <assert.h>
#include <string.h>

#define NOTE_KEY_BYTES_MAX (5U + EXPIRY_ROW_KEY_MAX)

uint32_t expiry_today(const struct env *e) { return (uint32_t)(e->wall / CPIS_MS_DAY); }

static size_t note_key(uint32_t day, enum table t, const void *key, size_t key_len,
                       uint8_t ret[static NOTE_KEY_BYTES_MAX])
{
    struct cursor c = cursor_write(ret, NOTE_KEY_BYTES_MAX);
    cursor_put_u32(&c, day);
    cursor_put_u8(&c, (uint8_t)t);
    cursor_put(&c, key, key_len);
    assert(!c.bad);
    return c.at;
}

void expiry_note(struct env *e, enum table t, const void *key, size_t key_len)
{
    uint8_t note[NOTE_KEY_BYTES_MAX];
    _Static_assert(TABLE_COUNT <= UINT8_MAX, "a table is one byte of a note's key");
    emit_persist(e, TABLE_EXPIRY, note, note_key(expiry_today(e), t, key, key_len, note),
                 (struct bytes){(const uint8_t *)"", 0});
}

struct due {
    uint8_t key[EXPIRY_ROWS_MAX][NOTE_KEY_BYTES_MAX];
    size_t len[EXPIRY_ROWS_MAX];
    size_t count;
    uint32_t before; /* notes of earlier days are due */
};

static bool collect(void *arg, const struct row *row)
{
    struct due *d = arg;
    struct cursor c = cursor_read(row->key, row->key_len);
    if (cursor_get_u32(&c) >= d->before || d->count == EXPIRY_ROWS_MAX) return false;
    if (row->key_len > NOTE_KEY_BYTES_MAX) return true;
    memcpy(d->key[d->count], row->key, row->key_len);
    d->len[d->count++] = row->key_len;
    return true;
}

/* Has the row been needed on a later day as well? */
static bool is_noted_since(struct env *e, uint32_t day, enum table t, const uint8_t *key,
                           size_t len)
{
    uint8_t note[NOTE_KEY_BYTES_MAX], none[1];
    size_t none_len;
    for (uint32_t later = day + 1; later <= expiry_today(e); later++) {
        size_t n = note_key(later, t, key, len, note);
        if (e->view->get(e->view->ctx, TABLE_EXPIRY, note, n, none, sizeof none, &none_len) !=
            CPIS_E_NOTFOUND)
            return true; /* also when it can't be read: rather kept too long */
    }
    return false;
}

bool expiry_tick(struct env *e)
{
    struct due *d = arena_take(e->scratch, sizeof *d);
    if (d == NULL || expiry_today(e) < EXPIRY_KEEP_DAYS) return false;
    d->before = expiry_today(e) - EXPIRY_KEEP_DAYS;
    if (e->view->scan(e->view->ctx, TABLE_EXPIRY, NULL, 0, false, collect, d) != CPIS_OK) {
        emit_event(e, EVENT_STORE_READ, NULL, TABLE_EXPIRY);
        return false;
    }
    for (size_t i = 0; i < d->count; i++) {
        struct cursor c = cursor_read(d->key[i], d->len[i]);
        uint32_t day = cursor_get_u32(&c);
        enum table t = (enum table)cursor_get_u8(&c);
        const uint8_t *key = d->key[i] + c.at;
        size_t len = cursor_left(&c);
        if (!is_noted_since(e, day, t, key, len)) emit_delete(e, t, key, len);
        emit_delete(e, TABLE_EXPIRY, d->key[i], d->len[i]);
    }
    return d->count == EXPIRY_ROWS_MAX;
}
