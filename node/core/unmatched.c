/* Lookups that a directory found on our list and we do not: the list lagged, we were restored from
 * a backup, or we have taken over from the authority that listed the child. They are kept whole,
 * with the details that come for them, and tried again whenever entries are added (section 9). */
#include "node/core/authority_state.h"
#include "node/core/expiry.h"
#include "node/core/log.h"

#include <assert.h>
#include <string.h>

#define UNMATCHED_BYTES_MAX 4096U
#define DETAILS_KEY_BYTES   (CPIS_HASH_BYTES + 1U) /* rh, 1 */

static void details_row_key(const struct cpis_hash *rh, uint8_t ret[static DETAILS_KEY_BYTES])
{
    memcpy(ret, rh->b, CPIS_HASH_BYTES);
    ret[CPIS_HASH_BYTES] = 1;
}

static cpis_err load(struct env *e, const uint8_t *key, size_t key_len, struct bytes *ret)
{
    uint8_t *buffer = arena_take(e->scratch, UNMATCHED_BYTES_MAX);
    size_t len = 0;
    cpis_err err = buffer == NULL ? CPIS_E_NOMEM
                                  : read_row(e, TABLE_UNMATCHED, key, key_len, buffer,
                                             UNMATCHED_BYTES_MAX, &len);
    if (err == CPIS_E_NOMEM) emit_failure(e);
    if (err == CPIS_OK) *ret = (struct bytes){buffer, len};
    return err;
}

static void keep(struct authority *a, struct env *e, const uint8_t *key, size_t key_len,
                 struct bytes value)
{
    emit_persist(e, TABLE_UNMATCHED, key, key_len, value);
    expiry_note(e, TABLE_UNMATCHED, key, key_len);
    a->unmatched++;
}

bool unmatched_has(struct env *e, const struct cpis_hash *rh)
{
    struct bytes unused;
    return load(e, rh->b, sizeof rh->b, &unused) == CPIS_OK;
}

bool unmatched_keep(struct authority *a, struct env *e, const struct signed_message *as_signed,
                    const struct cpis_hash *rh)
{
    const struct bytes whole = signed_bytes(e, as_signed);
    if (whole.p == NULL) return false;
    (void)log_append(e, LOG_ACCESS, rh, 1);
    keep(a, e, rh->b, sizeof rh->b, whole);
    return true;
}

static cpis_err decode_lookup(struct env *e, struct bytes whole, struct signed_message *ret_signed,
                              struct msg_lookup *ret)
{
    cpis_err err = signed_message_decode(whole, e->scratch, ret_signed);
    if (err == CPIS_OK) err = lookup_decode(ret_signed->body, e->scratch, ret);
    if (err != CPIS_OK) emit_unread(e, err, TABLE_UNMATCHED);
    return err;
}

bool unmatched_keep_details(struct authority *a, struct env *e, const struct msg_details *m)
{
    uint8_t key[DETAILS_KEY_BYTES];
    struct signed_message s;
    struct msg_lookup lookup;
    struct bytes whole, body;
    if (load(e, m->rh.b, sizeof m->rh.b, &whole) != CPIS_OK ||
        decode_lookup(e, whole, &s, &lookup) != CPIS_OK ||
        !id_equal(&lookup.query_id, &m->query_id))
        return false;
    details_row_key(&m->rh, key);
    if (load(e, key, sizeof key, &whole) == CPIS_OK) return true;
    cpis_err err = details_encode(m, e->scratch, &body);
    assert(err != CPIS_E_INVAL); /* it was decoded */
    if (err != CPIS_OK) {
        emit_failure(e);
        return false;
    }
    keep(a, e, key, sizeof key, body);
    return true;
}

/* --- tried again --- */

struct kept { /* rows collected before anything is changed under the scan */
    struct env *e;
    struct bytes *row;
    size_t count, cap;
    bool failed;
};

static bool keep_row(void *arg, const struct row *row)
{
    struct kept *k = arg;
    if (row->key_len != CPIS_HASH_BYTES) return true; /* details */
    if (k->count == k->cap) return false;
    const uint8_t *copy = arena_copy(k->e->scratch, row->value, row->value_len);
    k->failed = copy == NULL;
    if (copy != NULL) k->row[k->count++] = (struct bytes){copy, row->value_len};
    return copy != NULL;
}

static void forget(struct authority *a, struct env *e, const uint8_t *key, size_t key_len)
{
    emit_delete(e, TABLE_UNMATCHED, key, key_len);
    a->unmatched--;
}

static void try_again(struct authority *a, struct env *e, struct bytes whole)
{
    uint8_t key[DETAILS_KEY_BYTES];
    struct signed_message s;
    struct msg_lookup m;
    struct msg_details details;
    struct bytes row;
    if (decode_lookup(e, whole, &s, &m) != CPIS_OK) return;
    const struct own_entry *entry = authority_match(a, e, &m);
    if (entry == NULL) return;
    const struct cpis_hash rh = signed_hash(&s);
    struct record r = authority_record(a, e, entry, &s, &m, &rh);
    forget(a, e, rh.b, sizeof rh.b);
    details_row_key(&rh, key);
    if (load(e, key, sizeof key, &row) != CPIS_OK) return;
    cpis_err err = details_decode(row, e->scratch, &details);
    if (err == CPIS_OK)
        (void)authority_take_details(a, e, &r, &details);
    else
        emit_unread(e, err, TABLE_UNMATCHED);
    forget(a, e, key, sizeof key);
}

void authority_entries_added(struct authority *a, struct env *e)
{
    if (a->unmatched == 0) return;
    struct kept k = {.e = e, .cap = (size_t)a->unmatched};
    k.row = arena_take(e->scratch, k.cap * sizeof *k.row);
    cpis_err err = CPIS_E_NOMEM;
    if (k.row != NULL)
        err = e->view->scan(e->view->ctx, TABLE_UNMATCHED, NULL, 0, false, keep_row, &k);
    if (k.failed) emit_failure(e);
    if (err != CPIS_OK) emit_unread(e, err, TABLE_UNMATCHED);
    for (size_t i = 0; i < k.count; i++)
        try_again(a, e, k.row[i]);
}
