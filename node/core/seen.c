#include "node/core/seen.h"

#include "crypto/cursor.h"
#include "node/core/expiry.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define RECENT_STATES 32U
#define PLACE_BYTES   2U
#define ROW_BYTES_MAX (HEADS_MAX * CPIS_HASH_BYTES + 1024U)
_Static_assert(HEADS_MAX <= UINT16_MAX, "a place in a state is two bytes");

struct whole { /* the state of an epoch that others are told as differences from */
    uint32_t epoch, noted;
    struct cpis_hash state;
    struct cpis_hash *hash;
    size_t count;
};
struct recent {
    struct cpis_hash state;
    uint32_t noted; /* the day; 0: free */
};
struct seen {
    struct whole whole[REGISTER_EPOCHS_MAX];
    struct recent recent[RECENT_STATES];
    size_t next;
};

cpis_err seen_new(struct seen **ret)
{
    struct seen *s = calloc(1, sizeof *s);
    if (s == NULL) return CPIS_E_NOMEM;
    *ret = s;
    return CPIS_OK;
}

void seen_free(struct seen **p)
{
    if (*p == NULL) return;
    for (size_t i = 0; i < REGISTER_EPOCHS_MAX; i++)
        free((*p)->whole[i].hash);
    free(*p);
    *p = NULL;
}

/* --- kept --- */

/* Kept today already? Marks it so. */
static bool is_recent(struct seen *s, const struct env *e, const struct cpis_hash *state)
{
    for (size_t i = 0; i < RECENT_STATES; i++) {
        struct recent *r = &s->recent[i];
        if (r->noted == expiry_today(e) && hash_equal(&r->state, state)) return true;
    }
    s->recent[s->next] = (struct recent){*state, expiry_today(e)};
    s->next = (s->next + 1) % RECENT_STATES;
    return false;
}

/* Of the epoch; else a free one, else that of the lowest epoch, which is long over. */
static struct whole *whole_of(struct seen *s, uint32_t epoch)
{
    struct whole *lowest = &s->whole[0];
    for (size_t i = 0; i < REGISTER_EPOCHS_MAX; i++) {
        struct whole *w = &s->whole[i];
        if (w->hash != NULL && w->epoch == epoch) return w;
        if (w->hash == NULL || (lowest->hash != NULL && w->epoch < lowest->epoch)) lowest = w;
    }
    return lowest;
}

static void persist(struct env *e, const struct cpis_hash *state, const struct row_state *row)
{
    EMIT_ROW(e, TABLE_SEEN_STATE, state->b, sizeof state->b, row_state, row);
    expiry_note(e, TABLE_SEEN_STATE, state->b, sizeof state->b);
}

static void keep_whole(struct whole *w, struct env *e, uint32_t epoch,
                       const struct cpis_hash *state, const struct snapshot *heads)
{
    struct cpis_hash *hash = malloc((heads->count + 1) * sizeof *hash);
    if (hash == NULL) {
        emit_failure(e);
        return;
    }
    if (heads->count > 0) memcpy(hash, heads->hash, heads->count * sizeof *hash);
    free(w->hash);
    *w = (struct whole){epoch, expiry_today(e), *state, hash, heads->count};
    const struct row_state row = {.hashes = {hash->b, heads->count * sizeof *hash}};
    persist(e, state, &row);
}

/* False: it differs too much. */
static bool keep_differences(struct whole *w, struct env *e, const struct cpis_hash *state,
                             const struct snapshot *heads)
{
    uint8_t place[SEEN_CHANGES_MAX * PLACE_BYTES];
    struct cpis_hash hash[SEEN_CHANGES_MAX];
    struct cursor c = cursor_write(place, sizeof place);
    size_t count = 0;
    if (w->hash == NULL || w->count != heads->count) return false;
    for (size_t i = 0; i < heads->count; i++) {
        if (hash_equal(&w->hash[i], &heads->hash[i])) continue;
        if (count == SEEN_CHANGES_MAX) return false;
        cursor_put_u16(&c, (uint16_t)i);
        hash[count++] = heads->hash[i];
    }
    const struct row_state row = {
        .whole = w->state, .places = {place, c.at}, .hashes = {hash[0].b, count * sizeof hash[0]}};
    persist(e, state, &row);
    if (w->noted != expiry_today(e))
        expiry_note(e, TABLE_SEEN_STATE, w->state.b, sizeof w->state.b);
    w->noted = expiry_today(e);
    return true;
}

static void keep_heads(struct env *e, const struct snapshot *heads)
{
    for (size_t i = 0; i < heads->count; i++) {
        struct known_head *k = heads->head[i];
        if (k->noted == expiry_today(e)) continue;
        struct bytes b = signed_bytes(e, &k->as_signed);
        if (b.p != NULL) emit_persist(e, TABLE_SEEN_HEAD, k->hash.b, sizeof k->hash.b, b);
        expiry_note(e, TABLE_SEEN_HEAD, k->hash.b, sizeof k->hash.b);
        k->noted = expiry_today(e);
    }
}

void seen_state(struct seen *s, struct env *e, uint32_t epoch, const struct cpis_hash *state,
                const struct snapshot *heads)
{
    if (is_recent(s, e, state)) return; /* and its heads with it */
    struct whole *w = whole_of(s, epoch);
    bool same = w->hash != NULL && w->epoch == epoch && hash_equal(&w->state, state);
    keep_heads(e, heads);
    if (same || w->epoch != epoch || !keep_differences(w, e, state, heads))
        keep_whole(w, e, epoch, state, heads);
}

/* --- read back --- */

struct reading {
    const struct view *view;
    struct arena *a;
    uint8_t *buffer; /* of ROW_BYTES_MAX */
    struct signed_message *head;
    const uint8_t **hash; /* of head[] */
    size_t heads, heads_max;
};

static cpis_err read(struct reading *r, enum table t, const uint8_t *key, struct bytes *ret)
{
    size_t len = 0;
    cpis_err err =
        r->view->get(r->view->ctx, t, key, CPIS_HASH_BYTES, r->buffer, ROW_BYTES_MAX, &len);
    *ret = (struct bytes){r->buffer, len};
    return err;
}

static cpis_err read_state(struct reading *r, const struct cpis_hash *state, struct row_state *ret)
{
    struct bytes b;
    cpis_err err = read(r, TABLE_SEEN_STATE, state->b, &b);
    if (err == CPIS_OK) err = row_state_decode(b, r->a, ret);
    return err == CPIS_E_MALFORMED ? CPIS_E_STORE : err;
}

/* The hashes behind S, in S's order. */
static cpis_err hashes_of(struct reading *r, const struct cpis_hash *state, struct bytes *ret)
{
    struct row_state row, whole;
    cpis_err err = read_state(r, state, &row);
    if (err != CPIS_OK) return err;
    *ret = row.hashes;
    if (bytes_are_zero(row.whole.b, sizeof row.whole.b)) return CPIS_OK;
    err = read_state(r, &row.whole, &whole);
    if (err != CPIS_OK) return err;
    uint8_t *list = arena_copy(r->a, whole.hashes.p, whole.hashes.len);
    if (list == NULL) return CPIS_E_NOMEM;
    struct cursor c = cursor_read(row.places.p, row.places.len);
    for (size_t at = 0; at < row.hashes.len; at += CPIS_HASH_BYTES) {
        const size_t place = (size_t)cursor_get_u16(&c) * CPIS_HASH_BYTES;
        if (c.bad || place + CPIS_HASH_BYTES > whole.hashes.len) return CPIS_E_STORE;
        memcpy(list + place, row.hashes.p + at, CPIS_HASH_BYTES);
    }
    *ret = (struct bytes){list, whole.hashes.len};
    return CPIS_OK;
}

static bool has_head(const struct reading *r, const uint8_t *hash)
{
    for (size_t i = 0; i < r->heads; i++)
        if (memcmp(r->hash[i], hash, CPIS_HASH_BYTES) == 0) return true;
    return false;
}

static cpis_err add_heads(struct reading *r, struct bytes hashes)
{
    for (size_t at = 0; at + CPIS_HASH_BYTES <= hashes.len; at += CPIS_HASH_BYTES) {
        struct bytes b;
        if (has_head(r, hashes.p + at)) continue;
        if (r->heads == r->heads_max) return CPIS_E_LIMIT;
        cpis_err err = read(r, TABLE_SEEN_HEAD, hashes.p + at, &b);
        if (err == CPIS_OK) err = signed_message_decode(b, r->a, &r->head[r->heads]);
        if (err != CPIS_OK) return err == CPIS_E_MALFORMED ? CPIS_E_STORE : err;
        r->hash[r->heads++] = hashes.p + at;
    }
    return CPIS_OK;
}

static cpis_err complete(struct reading *r, struct row_statement *s)
{
    struct msg_absent m;
    if (s->statement.type != SIGNED_ABSENT) return CPIS_OK; /* a presence rests on its proof */
    if (absent_decode(s->statement.body, r->a, &m) != CPIS_OK) return CPIS_E_STORE;
    cpis_err err = hashes_of(r, &m.state, &s->heads);
    return err == CPIS_OK ? add_heads(r, s->heads) : err;
}

cpis_err seen_complete(const struct view *view, struct arena *a, struct row_evidence *ev)
{
    struct reading r = {.view = view,
                        .a = a,
                        .buffer = arena_take(a, ROW_BYTES_MAX),
                        .head = arena_take(a, HEADS_MAX * sizeof *r.head),
                        .hash = arena_take(a, HEADS_MAX * sizeof *r.hash),
                        .heads_max = HEADS_MAX};
    cpis_err err = r.buffer == NULL || r.head == NULL || r.hash == NULL ? CPIS_E_NOMEM : CPIS_OK;
    for (size_t i = 0; i < ev->searches_count && err == CPIS_OK; i++)
        for (size_t k = 0; k < ev->searches[i].statements_count && err == CPIS_OK; k++)
            err = complete(&r, &ev->searches[i].statements[k]);
    ev->heads = r.head;
    ev->heads_count = r.heads;
    return err;
}
