#include "node/core/heads.h"

#include "crypto/cursor.h"
#include "node/core/evidence.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define RECENT_MAX    8U
#define REQUEST_EVERY CPIS_MS_SECOND

/* Rising by authority id. While a snapshot shares it, it is not changed but copied: heads come all
 * day, and hardly ever in the tenth of a second that a lookup takes. */
struct head_set {
    unsigned refs;
    struct known_head **head;
    struct judged_head *judged;
    struct cpis_hash *hash; /* what S is made of */
    size_t count, cap;
    bool is_hashed; /* since a head last changed */
    struct cpis_hash state;
};
struct state { /* of one directory in one epoch */
    uint32_t epoch;
    struct head_set *set; /* NULL: no head yet */
    uint64_t sequence;
    cpis_ms requested;
};
struct directory {
    struct cpis_id id;
    uint64_t session;
    struct state state[REGISTER_EPOCHS_MAX];
    size_t states;
};
struct recent {
    uint64_t version;
    cpis_ms since; /* monotonic */
};
struct floor { /* of one authority, over all epochs */
    struct cpis_id authority;
    uint64_t settled, highest;
    struct recent recent[RECENT_MAX]; /* newer than settled, oldest first */
    size_t recents;
};
struct heads {
    struct directory directory[THRESHOLD_HOLDERS_MAX * 2];
    size_t directories;
    struct floor *floor; /* rising by authority id */
    size_t floors, floors_cap;
};

cpis_err heads_new(struct heads **ret)
{
    struct heads *h = calloc(1, sizeof *h);
    if (h == NULL) return CPIS_E_NOMEM;
    *ret = h;
    return CPIS_OK;
}

static void release(struct known_head *k)
{
    assert(k->refs > 0);
    if (--k->refs == 0) free(k);
}

static void set_drop(struct head_set *set)
{
    if (set == NULL || --set->refs > 0) return;
    for (size_t i = 0; i < set->count; i++)
        release(set->head[i]);
    free(set->head);
    free(set->judged);
    free(set->hash);
    free(set);
}

static void state_clear(struct state *s)
{
    set_drop(s->set);
    s->set = NULL;
}

static size_t count_of(const struct state *s) { return s->set == NULL ? 0 : s->set->count; }

static void directory_clear(struct directory *d)
{
    for (size_t i = 0; i < d->states; i++) {
        state_clear(&d->state[i]);
        d->state[i] = (struct state){0};
    }
    d->states = 0;
}

void heads_free(struct heads **p)
{
    if (*p == NULL) return;
    for (size_t i = 0; i < (*p)->directories; i++)
        directory_clear(&(*p)->directory[i]);
    free((*p)->floor);
    free(*p);
    *p = NULL;
}

/* --- floors --- */

static struct floor *floor_of(struct heads *h, const struct cpis_id *authority)
{
    size_t lo = 0, hi = h->floors;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (id_compare(&h->floor[mid].authority, authority) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo < h->floors && id_equal(&h->floor[lo].authority, authority)) return &h->floor[lo];
    if (h->floors == h->floors_cap) {
        size_t cap = h->floors_cap == 0 ? 64 : 2 * h->floors_cap;
        struct floor *grown = realloc(h->floor, cap * sizeof *grown);
        if (grown == NULL) return NULL;
        h->floor = grown;
        h->floors_cap = cap;
    }
    memmove(&h->floor[lo + 1], &h->floor[lo], (h->floors - lo) * sizeof h->floor[0]);
    h->floors++;
    h->floor[lo] = (struct floor){.authority = *authority};
    return &h->floor[lo];
}

/* The newest version known for long enough at `now`. */
static uint64_t settled_at(const struct floor *f, cpis_ms now)
{
    uint64_t version = f->settled;
    for (size_t i = 0; i < f->recents && now >= f->recent[i].since + FLOOR_SETTLE; i++)
        version = f->recent[i].version;
    return version;
}

static void settle(struct floor *f, cpis_ms now)
{
    while (f->recents > 0 && now >= f->recent[0].since + FLOOR_SETTLE) {
        f->settled = f->recent[0].version;
        f->recents--;
        memmove(&f->recent[0], &f->recent[1], f->recents * sizeof f->recent[0]);
    }
}

static void floor_key(const struct cpis_id *authority, uint8_t key[static 20])
{
    struct cursor c = cursor_write(key, 20);
    cursor_put_u32(&c, 0); /* no epoch has number 0: one floor over all epochs */
    cursor_put(&c, authority->b, sizeof authority->b);
}

/* A version this node has seen under a good signature may never again be undercut unnoticed. */
static void raise_floor(struct heads *h, struct env *e, const struct judged_head *j)
{
    uint8_t key[20];
    if (!j->verified || is_future(j->version, e->wall)) return;
    struct floor *f = floor_of(h, &j->authority);
    if (f == NULL) {
        emit_failure(e);
        return;
    }
    settle(f, e->now);
    if (j->version <= f->highest) return;
    f->highest = j->version;
    if (f->recents == RECENT_MAX) f->recents--; /* the older ones settle first */
    f->recent[f->recents++] = (struct recent){j->version, e->now};
    const struct row_floor row = {
        .authority_id = j->authority, .version = j->version, .since = e->wall};
    floor_key(&j->authority, key);
    EMIT_ROW(e, TABLE_HEAD, key, sizeof key, row_floor, &row);
}

struct restoring {
    struct heads *h;
    struct env *e;
    cpis_err err;
};

static bool restore_floor(void *arg, const struct row *row)
{
    struct restoring *r = arg;
    struct row_floor m;
    r->err = row_floor_decode((struct bytes){row->value, row->value_len}, r->e->scratch, &m);
    struct floor *f = r->err == CPIS_OK ? floor_of(r->h, &m.authority_id) : NULL;
    if (r->err == CPIS_OK && f == NULL) r->err = CPIS_E_NOMEM;
    if (f != NULL) f->settled = f->highest = m.version;
    return r->err == CPIS_OK;
}

cpis_err heads_restore(struct heads *h, struct env *e)
{
    struct restoring r = {h, e, CPIS_OK};
    const uint8_t epoch_0[4] = {0};
    cpis_err err =
        e->view->scan(e->view->ctx, TABLE_HEAD, epoch_0, sizeof epoch_0, false, restore_floor, &r);
    return err != CPIS_OK ? err : r.err;
}

cpis_err heads_floors(const struct heads *h, cpis_ms now, struct arena *a,
                      struct judged_floor **ret, size_t *ret_count)
{
    struct judged_floor *list = arena_take(a, h->floors * sizeof *list);
    if (list == NULL) return CPIS_E_NOMEM;
    for (size_t i = 0; i < h->floors; i++) {
        const struct floor *f = &h->floor[i];
        list[i] = (struct judged_floor){f->authority, settled_at(f, now)};
    }
    *ret = list;
    *ret_count = h->floors;
    return CPIS_OK;
}

/* --- states --- */

static struct directory *directory_of(struct heads *h, const struct cpis_id *id, bool add)
{
    for (size_t i = 0; i < h->directories; i++)
        if (id_equal(&h->directory[i].id, id)) return &h->directory[i];
    if (!add || h->directories == sizeof h->directory / sizeof h->directory[0]) return NULL;
    h->directory[h->directories] = (struct directory){.id = *id};
    return &h->directory[h->directories++];
}

static struct state *state_find(struct directory *d, uint32_t epoch)
{
    for (size_t i = 0; i < d->states; i++)
        if (d->state[i].epoch == epoch) return &d->state[i];
    return NULL;
}

static const struct state *state_of_directory(const struct heads *h, const struct cpis_id *id,
                                              uint32_t epoch)
{
    for (size_t i = 0; i < h->directories; i++)
        for (size_t k = 0; id_equal(&h->directory[i].id, id) && k < h->directory[i].states; k++)
            if (h->directory[i].state[k].epoch == epoch) return &h->directory[i].state[k];
    return NULL;
}

static struct state *state_add(struct directory *d, uint32_t epoch)
{
    if (d->states == REGISTER_EPOCHS_MAX) { /* the lowest epoch is the one that is over */
        size_t lowest = 0;
        for (size_t i = 1; i < d->states; i++)
            if (d->state[i].epoch < d->state[lowest].epoch) lowest = i;
        if (epoch < d->state[lowest].epoch) return NULL;
        state_clear(&d->state[lowest]);
        d->state[lowest] = d->state[--d->states];
    }
    d->state[d->states] = (struct state){.epoch = epoch};
    return &d->state[d->states++];
}

static size_t place_of(const struct state *s, const struct cpis_id *authority)
{
    size_t lo = 0, hi = count_of(s);
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (id_compare(&s->set->judged[mid].authority, authority) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static struct known_head *at_place(const struct state *s, size_t i, const struct cpis_id *authority)
{
    bool there = i < count_of(s) && id_equal(&s->set->judged[i].authority, authority);
    return there ? s->set->head[i] : NULL;
}

static struct known_head *known_new(struct env *e, const struct signed_message *m, uint32_t epoch,
                                    const struct cpis_hash *hash)
{
    struct known_head *k = malloc(sizeof *k + m->body.len);
    if (k == NULL) return NULL;
    *k = (struct known_head){.hash = *hash, .as_signed = *m};
    uint8_t *body = (uint8_t *)(k + 1);
    memcpy(body, m->body.p, m->body.len);
    k->as_signed.body.p = body;
    evidence_judge_head(e->registry, m, epoch, e->scratch, &k->judged);
    if (!k->judged.verified && e->scratch->failed) { /* it was not judged */
        free(k);
        return NULL;
    }
    if (!k->judged.verified) emit_event(e, EVENT_SIGNATURE_WRONG, &m->signer, epoch);
    return k;
}

/* The same head told by another directory: verified once, shared. */
static struct known_head *shared(const struct heads *h, const struct signed_message *m,
                                 uint32_t epoch, const struct cpis_hash *hash)
{
    for (size_t i = 0; i < h->directories; i++) {
        const struct state *s = state_of_directory(h, &h->directory[i].id, epoch);
        if (s == NULL) continue;
        struct known_head *k = at_place(s, place_of(s, &m->signer), &m->signer);
        if (k != NULL && hash_equal(&k->hash, hash)) return k;
    }
    return NULL;
}

static bool set_grow(struct head_set *set, size_t cap)
{
    struct known_head **head = realloc(set->head, cap * sizeof *head);
    if (head == NULL) return false;
    set->head = head;
    struct judged_head *judged = realloc(set->judged, cap * sizeof *judged);
    if (judged == NULL) return false;
    set->judged = judged;
    struct cpis_hash *hash = realloc(set->hash, cap * sizeof *hash);
    if (hash == NULL) return false;
    set->hash = hash;
    set->cap = cap;
    return true;
}

/* A set of the state's own to be changed, with room for one more. False: out of memory, and nothing
 * has changed.
 */
static bool set_own(struct state *s)
{
    struct head_set *was = s->set;
    if (was != NULL && was->refs == 1) {
        was->is_hashed = false;
        return was->count < was->cap || set_grow(was, 2 * was->cap);
    }
    struct head_set *set = calloc(1, sizeof *set);
    if (set == NULL) return false;
    set->refs = 1;
    if (!set_grow(set, count_of(s) + 16)) {
        set_drop(set);
        return false;
    }
    for (; was != NULL && set->count < was->count; set->count++) {
        set->head[set->count] = was->head[set->count];
        set->head[set->count]->refs++;
        set->judged[set->count] = was->judged[set->count];
        set->hash[set->count] = was->hash[set->count];
    }
    set_drop(was);
    s->set = set;
    return true;
}

static cpis_err put(struct heads *h, struct env *e, struct state *s, const struct signed_message *m)
{
    const struct cpis_hash hash = signed_hash(m);
    struct known_head *k = shared(h, m, s->epoch, &hash);
    if (!set_own(s)) return CPIS_E_NOMEM;
    if (k == NULL) {
        k = known_new(e, m, s->epoch, &hash);
        if (k == NULL) return CPIS_E_NOMEM;
        raise_floor(h, e, &k->judged);
    }
    k->refs++;
    struct head_set *set = s->set;
    const size_t i = place_of(s, &m->signer), behind = set->count - i;
    if (at_place(s, i, &m->signer) != NULL) {
        release(set->head[i]);
    } else {
        memmove(&set->head[i + 1], &set->head[i], behind * sizeof set->head[0]);
        memmove(&set->judged[i + 1], &set->judged[i], behind * sizeof set->judged[0]);
        memmove(&set->hash[i + 1], &set->hash[i], behind * sizeof set->hash[0]);
        set->count++;
    }
    set->head[i] = k;
    set->judged[i] = k->judged;
    set->hash[i] = hash;
    return CPIS_OK;
}

static cpis_err take_away(struct state *s, const struct cpis_id *authority)
{
    const size_t i = place_of(s, authority);
    if (at_place(s, i, authority) == NULL) return CPIS_OK;
    if (!set_own(s)) return CPIS_E_NOMEM;
    struct head_set *set = s->set;
    release(set->head[i]);
    const size_t behind = --set->count - i;
    memmove(&set->head[i], &set->head[i + 1], behind * sizeof set->head[0]);
    memmove(&set->judged[i], &set->judged[i + 1], behind * sizeof set->judged[0]);
    memmove(&set->hash[i], &set->hash[i + 1], behind * sizeof set->hash[0]);
    return CPIS_OK;
}

/* Heads that do not verify are kept too, so a directory could fill our memory: not beyond this.
 * What is dropped leaves a gap, and its statements without heads. */
static bool has_room(const struct state *s, const struct msg_heads *m)
{
    const size_t before = m->whole ? 0 : count_of(s);
    if (before + m->heads_count > STATE_HEADS_MAX) return false;
    for (size_t i = 0; i < m->heads_count; i++)
        if (m->heads[i].head.body.len > HEAD_BODY_BYTES_MAX) return false;
    return true;
}

void heads_recv(struct heads *h, struct env *e, const struct cpis_id *directory,
                const struct msg_heads *m, bool *ret_whole)
{
    *ret_whole = false;
    struct directory *d = directory_of(h, directory, true);
    if (d == NULL) {
        emit_event(e, EVENT_BUSY, directory, 0);
        return;
    }
    if (d->session != m->session) {
        directory_clear(d);
        d->session = m->session;
    }
    struct state *s = state_find(d, m->epoch);
    if (s == NULL && registry_epoch(e->registry, m->epoch) != NULL) s = state_add(d, m->epoch);
    if (s == NULL) {
        emit_event(e, EVENT_EPOCH_UNKNOWN, directory, m->epoch);
        return;
    }
    if (count_of(s) > 0 &&
        m->sequence < s->sequence) { /* overtaken on the way: S would tell anyway */
        emit_event(e, EVENT_REPLAY, directory, 0);
        return;
    }
    if (!has_room(s, m)) {
        emit_event(e, EVENT_BODY_MALFORMED, directory, m->heads_count);
        return;
    }
    s->sequence = m->sequence;
    if (m->whole) state_clear(s);
    for (size_t i = 0; i < m->heads_count; i++) {
        const struct msg_head_shown *shown = &m->heads[i];
        cpis_err err =
            shown->in_state ? put(h, e, s, &shown->head) : take_away(s, &shown->head.signer);
        if (err != CPIS_OK) {
            emit_failure(e);
            return;
        }
    }
    if (m->whole) s->requested = 0;
    *ret_whole = m->whole;
}

void heads_request(struct heads *h, struct env *e, const struct cpis_id *directory, uint32_t epoch)
{
    struct directory *d = directory_of(h, directory, true);
    struct state *s = d == NULL ? NULL : state_find(d, epoch);
    if (d != NULL && s == NULL) s = state_add(d, epoch);
    if (s == NULL || (s->requested != 0 && e->now < s->requested + REQUEST_EVERY)) return;
    s->requested = e->now > 0 ? e->now : 1;
    const struct msg_heads_request m = {.epoch = epoch};
    EMIT(e, directory, FRAME_HEADS_REQUEST, heads_request, &m);
}

static struct cpis_hash hash_of_set(uint32_t epoch, struct head_set *set)
{
    static const struct cpis_hash none[1];
    if (set == NULL) return state_of(epoch, none, 0);
    if (!set->is_hashed) set->state = state_of(epoch, set->hash, set->count);
    set->is_hashed = true;
    return set->state;
}

cpis_err heads_snapshot(const struct heads *h, const struct cpis_id *directory, uint32_t epoch,
                        const struct cpis_hash *state, struct snapshot *ret)
{
    const struct state *s = state_of_directory(h, directory, epoch);
    if (s == NULL) return CPIS_E_NOTFOUND;
    const struct cpis_hash mine = hash_of_set(epoch, s->set);
    if (!hash_equal(&mine, state)) return CPIS_E_NOTFOUND;
    *ret = (struct snapshot){.set = s->set};
    if (s->set == NULL) return CPIS_OK;
    s->set->refs++;
    ret->head = s->set->head;
    ret->judged = s->set->judged;
    ret->hash = s->set->hash;
    ret->count = s->set->count;
    return CPIS_OK;
}

void snapshot_release(struct snapshot *s)
{
    set_drop(s->set);
    *s = (struct snapshot){0};
}

/* Directories that have gone make room for new ones. */
static void forget_gone(struct heads *h, const struct registry *r)
{
    size_t kept = 0;
    for (size_t i = 0; i < h->directories; i++) {
        const struct registry_node *n = registry_node(r, &h->directory[i].id);
        if (n == NULL || !registry_in_force(n))
            directory_clear(&h->directory[i]);
        else
            h->directory[kept++] = h->directory[i];
    }
    h->directories = kept;
}

/* In place: a lookup under way is judged by what is known when it is judged. */
static void judge_again(struct heads *h, struct env *e, struct state *s)
{
    for (size_t i = 0; i < count_of(s); i++) {
        struct known_head *k = s->set->head[i];
        if (s->set->judged[i].verified) continue;
        if (!k->judged.verified)
            evidence_judge_head(e->registry, &k->as_signed, s->epoch, e->scratch, &k->judged);
        s->set->judged[i] = k->judged;
        raise_floor(h, e, &k->judged); /* only a verified one does */
    }
}

void heads_registry_changed(struct heads *h, struct env *e)
{
    forget_gone(h, e->registry);
    for (size_t i = 0; i < h->directories; i++)
        for (size_t k = 0; k < h->directory[i].states; k++)
            judge_again(h, e, &h->directory[i].state[k]);
}

static void count_states(const struct heads *h, uint32_t epoch, const struct cpis_id *authority,
                         size_t *ret_states, size_t *ret_with)
{
    *ret_states = *ret_with = 0;
    for (size_t i = 0; i < h->directories; i++) {
        const struct state *s = state_of_directory(h, &h->directory[i].id, epoch);
        if (s == NULL) continue;
        ++*ret_states;
        *ret_with += at_place(s, place_of(s, authority), authority) != NULL;
    }
}

bool heads_lack(const struct heads *h, const struct registry *r, uint32_t current, uint32_t before)
{
    for (size_t i = 0; i < registry_count(r); i++) {
        const struct registry_node *n = registry_at(r, i);
        size_t states, with, unused;
        if (n->d.role != ROLE_AUTHORITY || !registry_is_searched(n)) continue;
        count_states(h, current, &n->id, &states, &with);
        if (with == states && states > 0) continue;
        count_states(h, before, &n->id, &unused, &with);
        if (with > 0) return true;
    }
    return false;
}

size_t heads_known(const struct heads *h, const struct cpis_id *directory, uint32_t epoch)
{
    const struct state *s = state_of_directory(h, directory, epoch);
    return s == NULL ? 0 : count_of(s);
}

/* --- looking in --- */

static void take_newest(const struct judged_head *j, struct newest_head *ret, size_t cap,
                        size_t *count)
{
    size_t at = *count;
    while (at > 0 && id_compare(&ret[at - 1].authority, &j->authority) > 0)
        at--;
    if (at > 0 && id_equal(&ret[at - 1].authority, &j->authority)) {
        if (j->version > ret[at - 1].version)
            ret[at - 1] = (struct newest_head){j->authority, j->version, j->time};
        return;
    }
    if (*count == cap) return;
    memmove(&ret[at + 1], &ret[at], (*count - at) * sizeof *ret);
    (*count)++;
    ret[at] = (struct newest_head){j->authority, j->version, j->time};
}

size_t heads_newest(const struct heads *h, uint32_t epoch, struct newest_head *ret, size_t cap)
{
    size_t count = 0;
    for (size_t i = 0; i < h->directories; i++) {
        const struct state *s = state_of_directory(h, &h->directory[i].id, epoch);
        for (size_t k = 0; s != NULL && k < count_of(s); k++)
            if (s->set->judged[k].verified) take_newest(&s->set->judged[k], ret, cap, &count);
    }
    return count;
}
