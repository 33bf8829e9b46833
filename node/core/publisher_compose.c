#include "node/core/publisher_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* --- what should stand on the list --- */

static int by_number(const void *a, const void *b)
{
    const struct entry *const *x = a, *const *y = b;
    return nhs_number_compare(&(*x)->own.number, &(*y)->own.number);
}

struct wanted { /* the visible numbers, and where each stands in a list */
    const struct nhs_number *number;
    size_t count;
};

/* entry[i]: that of number[i] in l, or NULL; in the arena. NULL: out of memory. */
static struct entry **entries_of(struct env *e, const struct list *l, const struct wanted *w,
                                 size_t *ret_missing)
{
    struct entry **sorted = arena_take(e->scratch, l->count * sizeof *sorted);
    struct entry **ret = arena_take(e->scratch, w->count * sizeof *ret);
    if (sorted == NULL || ret == NULL) return NULL;
    size_t named = 0, at = 0;
    for (size_t i = 0; i < l->count; i++)
        if (l->entry[i]->own.number.digits[0] != 0) sorted[named++] = l->entry[i];
    if (named > 0) qsort(sorted, named, sizeof *sorted, by_number);
    *ret_missing = 0;
    for (size_t i = 0; i < w->count; i++) {
        while (at < named && nhs_number_compare(&sorted[at]->own.number, &w->number[i]) < 0)
            at++;
        bool found = at < named && nhs_number_compare(&sorted[at]->own.number, &w->number[i]) == 0;
        ret[i] = found ? sorted[at] : NULL;
        if (!found) ++*ret_missing;
    }
    return ret;
}

static bool wanted_now(struct publisher *p, struct env *e, struct wanted *ret)
{
    if (children_visible_all(p->children, e->wall, e->scratch, &ret->number, &ret->count) ==
        CPIS_OK)
        return true;
    emit_failure(e);
    return false;
}

/* --- evaluation --- */

static bool todo_make(struct env *e, struct list *l, const struct wanted *w)
{
    size_t missing;
    struct entry **have = entries_of(e, l, w, &missing);
    todo_free(l);
    if (have != NULL && missing == 0) return true;
    if (have != NULL) l->todo = calloc(missing, sizeof *l->todo);
    if (l->todo == NULL) return false;
    for (size_t i = 0; i < w->count; i++)
        if (have[i] == NULL) l->todo[l->todo_count++] = w->number[i];
    return true;
}

static void begin(struct publisher *p, struct env *e)
{
    struct wanted w;
    if (!wanted_now(p, e, &w)) return;
    p->dirty = p->failed = false;
    p->running = true;
    p->generation = children_generation(p->children);
    p->evaluated = p->to_evaluate = 0;
    for (size_t i = 0; i < p->lists; i++) {
        if (!p->list[i]->published) continue;
        if (!todo_make(e, p->list[i], &w)) emit_failure(e);
        p->to_evaluate += p->list[i]->todo_count;
    }
}

static void feed(struct publisher *p, struct env *e, struct batch *b)
{
    for (size_t i = 0; i < p->lists; i++) {
        struct list *l = p->list[i];
        size_t m = l->todo_count - l->todo_at;
        if (m == 0) continue;
        if (m > OPRF_BATCH_MAX) m = OPRF_BATCH_MAX;
        cpis_err err = tokens_start(p->tokens, e, l->epoch, l->todo + l->todo_at, m, &b->job);
        if (err == CPIS_E_NOMEM) emit_failure(e);
        if (err != CPIS_OK) { /* asked again after the back-off */
            b->job = 0;
            p->failed = true;
        }
        b->epoch = l->epoch;
        l->todo_at += m;
        return;
    }
}

static bool run_is_over(const struct publisher *p)
{
    for (size_t i = 0; i < BATCHES_MAX; i++)
        if (p->batch[i].job != 0) return false;
    for (size_t i = 0; i < p->lists; i++)
        if (p->list[i]->todo_at < p->list[i]->todo_count) return false;
    return true;
}

void publisher_run(struct publisher *p, struct env *e)
{
    if (p->dirty && !p->running && e->now >= p->gather_at) begin(p, e);
    if (!p->running) return;
    for (size_t i = 0; i < BATCHES_MAX; i++)
        if (p->batch[i].job == 0) feed(p, e, &p->batch[i]);
    if (!run_is_over(p)) return;
    p->running = false;
    p->sign = true;
    for (size_t i = 0; i < p->lists; i++)
        todo_free(p->list[i]);
    if (p->failed) { /* too few directories, or over quota: what we have goes out, the rest later */
        publisher_dirty(p, e->now + p->retry_wait + drbg_below(e->rng, p->retry_wait / 4));
        p->retry_wait = earlier(2 * p->retry_wait, PUSH_RETRY_MAX);
    } else {
        p->retry_wait = PUSH_RETRY_MIN;
    }
}

/* One evaluated number: its keys complete an entry taken over, or make a new one. */
static cpis_err stage(struct env *e, struct list *l, const struct nhs_number *n,
                      const struct child_keys *keys)
{
    struct entry *x = list_find(l, &keys->token);
    if (x == NULL) {
        x = calloc(1, sizeof *x);
        if (x == NULL) return CPIS_E_NOMEM;
        x->own.epoch = l->epoch;
        x->own.token = keys->token;
        drbg_bytes(e->rng, x->salt.b, sizeof x->salt.b);
        cpis_err err = list_insert(l, x);
        if (err != CPIS_OK) {
            entry_free(x);
            return err;
        }
    }
    x->own.number = *n;
    x->own.request = keys->request;
    x->own.answer = keys->answer;
    x->dummy = x->taken = false;
    list_persist(e, l, x);
    return CPIS_OK;
}

void publisher_tokens_done(struct publisher *p, struct env *e, const struct tokens_done *done,
                           bool *ret_mine)
{
    struct batch *b = NULL;
    for (size_t i = 0; i < BATCHES_MAX; i++)
        if (p->batch[i].job == done->job) b = &p->batch[i];
    *ret_mine = b != NULL;
    if (b == NULL) return;
    struct list *l = publisher_list(p, b->epoch);
    b->job = 0;
    if (done->err != CPIS_OK) p->failed = true;
    for (size_t i = 0; l != NULL && done->err == CPIS_OK && i < done->m; i++)
        if (stage(e, l, &done->numbers[i], &done->keys[i]) != CPIS_OK) emit_failure(e);
    if (done->err == CPIS_OK) {
        p->evaluated += done->m;
        p->entries_added = true;
    }
    publisher_run(p, e);
    publisher_sign(p, e);
}

/* --- composing --- */

struct change { /* of one list */
    struct list *l;
    struct entry **add, **drop; /* in the arena */
    size_t adds, drops, real_before, real_after, dummies;
};
struct draft {
    struct wanted w;
    struct change change[LISTS_MAX];
    size_t count;   /* lists that get a head */
    size_t waiting; /* visible numbers without an entry in each of them */
    uint64_t n, version;
    bool shrink_confirmed, first, exchange;
    cpis_ms time;
};

/* Real entries only; dummies follow once n is known. Nothing real is removed while an officer has
 * to confirm: what a taken-over head listed stays findable. */
static bool change_make(struct publisher *p, struct env *e, const struct draft *d, struct change *c,
                        const bool *addable, struct entry *const *have, bool removals)
{
    struct list *l = c->l;
    c->add = arena_take(e->scratch, (l->count + 1) * sizeof *c->add);
    c->drop = arena_take(e->scratch, (l->count + 1) * sizeof *c->drop);
    enum { NOT_WANTED = 0, WANTED, ADDABLE };
    uint8_t *want = arena_take(e->scratch, l->count + 1);
    if (c->add == NULL || c->drop == NULL || want == NULL) return false;
    c->adds = c->drops = c->real_before = c->dummies = 0;
    for (size_t i = 0; i < d->w.count; i++)
        if (have[i] != NULL)
            want[list_position(l, &have[i]->own.token)] = addable[i] ? ADDABLE : WANTED;
    for (size_t i = 0; i < l->count; i++) {
        struct entry *x = l->entry[i];
        if (x->own.listed) {
            c->dummies += x->dummy ? 1 : 0;
            c->real_before += x->dummy ? 0 : 1;
            /* what was taken over may be a number that still waits for its token */
            bool may_go = removals && !p->unsure && !(x->taken && d->waiting > 0);
            if (!x->dummy && want[i] == NOT_WANTED && may_go) c->drop[c->drops++] = x;
        } else if (want[i] == ADDABLE || x->relist || (x->taken && x->added == 0)) {
            c->add[c->adds++] = x;
        }
    }
    c->real_after = c->real_before + c->adds - c->drops;
    return true;
}

static uint64_t padded(size_t real)
{
    return (real + LIST_PADDING - 1) / LIST_PADDING * LIST_PADDING;
}

/* Which lists get a head, and for each the changes to its real entries. */
static bool draft_make(struct publisher *p, struct env *e, bool removals, struct draft *d)
{
    struct entry **have[LISTS_MAX];
    size_t missing[LISTS_MAX];
    if (!wanted_now(p, e, &d->w)) return false;
    bool *addable = arena_take(e->scratch, d->w.count + 1);
    if (addable == NULL) return false;
    memset(addable, 1, d->w.count + 1);
    d->count = d->waiting = 0;
    d->n = LIST_PADDING; /* an authority without children looks like others */
    d->first = false;
    for (size_t i = 0; i < p->lists; i++) {
        have[i] = entries_of(e, p->list[i], &d->w, &missing[i]);
        if (have[i] == NULL) return false;
        if (!p->list[i]->published || p->list[i]->heads == 0) continue;
        for (size_t k = 0; k < d->w.count; k++)
            if (have[i][k] == NULL) addable[k] = false;
    }
    for (size_t k = 0; k < d->w.count; k++)
        if (!addable[k]) d->waiting++;
    for (size_t i = 0; i < p->lists; i++) {
        struct list *l = p->list[i];
        if (!l->published) continue;
        if (l->heads == 0 && missing[i] + d->waiting > 0) continue; /* first head: whole only */
        struct change *c = &d->change[d->count++];
        *c = (struct change){.l = l};
        if (!change_make(p, e, d, c, addable, have[i], removals)) return false;
        if (padded(c->real_after) > d->n) d->n = padded(c->real_after);
        d->first |= l->heads == 0;
    }
    p->waiting = d->waiting;
    return true;
}

/* The highest n of the last 7 days, and one more because directories count whole days: of all
 * heads, or since the last confirmed fall. */
static uint64_t highest_n(const struct publisher *p, cpis_ms wall, bool since_confirmed)
{
    uint64_t highest = 0;
    for (size_t i = 0; i < p->lists; i++) {
        const struct list *l = p->list[i];
        for (size_t k = l->heads; l->published && k > 0; k--) {
            const struct own_head *h = &l->head[k - 1];
            if (h->n > highest) highest = h->n;
            if (h->version + SHRINK_WINDOW + CPIS_MS_DAY < wall) break; /* stood at its opening */
            if (since_confirmed && h->shrink_confirmed) break;
        }
    }
    return highest;
}

static bool falls(uint64_t highest, uint64_t n)
{
    return n * 10 < highest * 8 && highest - n > SHRINK_ALLOWED;
}

static bool guard_trips(const struct publisher *p, const struct env *e, const struct draft *d)
{
    if (falls(highest_n(p, e->wall, true), d->n)) return true;
    for (size_t i = 0; i < d->count; i++)
        if (d->change[i].real_before > 0 && d->change[i].real_after == 0) return true;
    return false;
}

static uint64_t n_now(const struct draft *d)
{
    uint64_t n = 0;
    for (size_t i = 0; i < d->count; i++) {
        const struct own_head *h = newest(d->change[i].l);
        if (h != NULL && h->n > n) n = h->n;
    }
    return n;
}

static bool foreign_to_name(const struct publisher *p)
{
    for (size_t i = 0; i < p->foreigns; i++)
        if (p->foreign[i].taken) return true;
    return false;
}

static bool draft_changes(const struct publisher *p, const struct draft *d)
{
    bool any = d->first || d->exchange || foreign_to_name(p);
    for (size_t i = 0; i < d->count; i++) {
        const struct change *c = &d->change[i];
        const struct own_head *h = newest(c->l);
        any |= c->adds + c->drops > 0 || (h != NULL && h->n != d->n);
    }
    return any && d->count > 0;
}

/* Random tokens among the real ones: the number of children is known to 64 only. */
static bool dummies_fit(struct env *e, struct draft *d, struct change *c)
{
    struct list *l = c->l;
    size_t need = (size_t)d->n - c->real_after, have = c->dummies, drop = 0, add = 0;
    if (need > have) add = need - have;
    if (have > need) drop = have - need;
    if (d->exchange && have > drop && need > 0) { /* one goes, one comes */
        drop++;
        add++;
    }
    struct entry **dummy = arena_take(e->scratch, (have + 1) * sizeof *dummy);
    struct entry **drops = arena_take(e->scratch, (c->drops + drop + 1) * sizeof *drops);
    struct entry **adds = arena_take(e->scratch, (c->adds + add + 1) * sizeof *adds);
    if (dummy == NULL || drops == NULL || adds == NULL) return false;
    if (c->drops > 0) memcpy(drops, c->drop, c->drops * sizeof *drops);
    if (c->adds > 0) memcpy(adds, c->add, c->adds * sizeof *adds);
    for (size_t i = 0, k = 0; i < l->count; i++)
        if (l->entry[i]->own.listed && l->entry[i]->dummy) dummy[k++] = l->entry[i];
    for (; drop > 0; drop--) {
        size_t which = (size_t)drbg_below(e->rng, have);
        drops[c->drops++] = dummy[which];
        dummy[which] = dummy[--have];
    }
    for (; add > 0; add--) {
        struct entry *x = calloc(1, sizeof *x);
        if (x == NULL) return false;
        x->own.epoch = l->epoch;
        x->dummy = true;
        drbg_bytes(e->rng, x->own.token.b, sizeof x->own.token.b);
        drbg_bytes(e->rng, x->salt.b, sizeof x->salt.b);
        drbg_bytes(e->rng, x->own.request.b, sizeof x->own.request.b); /* marks the row a dummy's */
        if (list_insert(l, x) != CPIS_OK) {
            entry_free(x);
            return false;
        }
        adds[c->adds++] = x;
    }
    c->add = adds;
    c->drop = drops;
    return true;
}

static void change_do(struct env *e, const struct draft *d, struct change *c)
{
    for (size_t i = 0; i < c->adds; i++) {
        struct entry *x = c->add[i];
        if (x->removed > c->l->delta_from) c->l->delta_from = x->removed;
        x->added = d->version;
        x->removed = 0;
        x->own.listed = true;
        x->relist = false;
        list_persist(e, c->l, x);
    }
    for (size_t i = 0; i < c->drops; i++) {
        c->drop[i]->removed = d->version;
        c->drop[i]->own.listed = false;
        list_persist(e, c->l, c->drop[i]);
    }
}

/* prev: the list this one follows, and those taken over. */
static void name_previous(struct publisher *p, struct own_head *h, const struct list *l)
{
    if (l->heads > 0) h->prev[h->prev_count++] = newest(l)->list_id;
    for (size_t i = 0; i < p->foreigns;) {
        struct foreign *f = &p->foreign[i];
        if (f->epoch == l->epoch && f->taken && h->prev_count < HEAD_PREV_MAX) {
            h->prev[h->prev_count++] = f->head.list_id;
            foreign_free(f);
            *f = p->foreign[--p->foreigns];
        } else {
            i++;
        }
    }
}

static bool new_head(struct publisher *p, struct env *e, const struct draft *d, struct list *l)
{
    struct own_head h = {
        .version = d->version, .n = d->n, .time = d->time, .shrink_confirmed = d->shrink_confirmed};
    size_t n;
    if (newest(l) != NULL && h.time < newest(l)->time) h.time = newest(l)->time;
    if (!list_root(e, l, &h.root, &n)) return false;
    assert(n == d->n);
    name_previous(p, &h, l);
    h.list_id = list_id_of(l->epoch, h.version, &h.root, h.n, h.prev, (uint8_t)h.prev_count);
    if (sign_head(e, l, &h) && list_add_head(l, &h) == CPIS_OK) return true;
    free(h.body);
    return false;
}

/* A new version in every epoch that has a list: the same children, the same n. */
static void publish(struct publisher *p, struct env *e, struct draft *d)
{
    d->version = publisher_last_version(p) + 1;
    for (size_t i = 0; i < p->foreigns; i++)
        if (p->foreign[i].head.version >= d->version) d->version = p->foreign[i].head.version + 1;
    if (e->wall > d->version) d->version = e->wall;
    /* as-of: while a visible plan waits, time stands still */
    d->time = p->waiting == 0 ? e->wall : 0;
    d->shrink_confirmed |= falls(highest_n(p, e->wall, false), d->n);
    for (size_t i = 0; i < d->count; i++) {
        struct change *c = &d->change[i];
        if (!dummies_fit(e, d, c)) {
            emit_failure(e);
            return;
        }
        change_do(e, d, c);
        if (!new_head(p, e, d, c->l)) {
            emit_failure(e);
            return;
        }
        push_now(p, e, c->l->epoch);
    }
    p->resign_at = e->now + HEAD_EVERY;
    if (d->exchange)
        p->exchange_at = e->now + EXCHANGE_MIN + drbg_below(e->rng, EXCHANGE_MAX - EXCHANGE_MIN);
}

/* The same list, a later time. */
static void resign(struct publisher *p, struct env *e)
{
    p->resign_at = e->now + HEAD_EVERY;
    for (size_t i = 0; i < p->lists; i++) {
        struct list *l = p->list[i];
        if (!l->published || l->heads == 0) continue;
        struct own_head *h = &l->head[l->heads - 1];
        if (e->wall <= h->time) continue;
        h->time = e->wall;
        if (!sign_head(e, l, h)) return;
        push_resigned(p, e, l);
    }
}

/* In force, past the start check, nothing left to take over. */
static bool may_sign(struct publisher *p, struct env *e)
{
    const struct registry_node *self = registry_node(e->registry, &e->id);
    p->started = start_is_done(p, e);
    p->blocked = self == NULL || !registry_may_sign(self, e->wall) || !p->started ||
                 start_is_taking_over(p) || p->past.lost;
    return !p->blocked;
}

static void hold(struct publisher *p, struct env *e, const struct draft *d)
{
    if (!p->shrink_held) emit_event(e, EVENT_SHRINK_GUARD, NULL, d->n);
    p->shrink_held = true;
}

/* The shrink guard: what comes on the list goes first, in a head of its own; what would leave it
 * waits for an officer. */
static void publish_guarded(struct publisher *p, struct env *e, struct draft *d)
{
    struct draft additions = {.exchange = d->exchange};
    if (!draft_make(p, e, false, &additions)) {
        emit_failure(e);
        return;
    }
    if (additions.n < n_now(&additions)) additions.n = n_now(&additions);
    bool published = draft_changes(p, &additions);
    if (published) publish(p, e, &additions);
    if (e->now >= p->shrink_until) {
        hold(p, e, d);
        return;
    }
    struct draft rest = {.shrink_confirmed = true};
    if (!draft_make(p, e, true, &rest)) {
        emit_failure(e);
        return;
    }
    publish(p, e, &rest);
    p->shrink_until = 0;
    p->shrink_held = false;
}

/* Every ten minutes at every authority: without looking at each child and entry again. */
static bool is_quiet(const struct publisher *p, const struct env *e)
{
    return p->quiet && !p->sign && !p->dirty && p->foreigns == 0 && p->waiting == 0 &&
           p->generation == children_generation(p->children) && e->wall >= p->quiet_from &&
           e->wall < p->quiet_until;
}

void publisher_sign(struct publisher *p, struct env *e)
{
    bool due = e->now >= p->resign_at, exchange = e->now >= p->exchange_at;
    if (p->running || !(p->sign || due || exchange) || !may_sign(p, e)) return;
    if (!exchange && is_quiet(p, e)) {
        resign(p, e);
        return;
    }
    struct draft d = {.exchange = exchange};
    if (!draft_make(p, e, true, &d)) {
        emit_failure(e);
        return;
    }
    p->sign = p->quiet = false;
    if (exchange && d.count == 0) p->exchange_at = e->now + EXCHANGE_MIN;
    bool changes = draft_changes(p, &d), trips = d.count > 0 && guard_trips(p, e, &d);
    if (trips)
        publish_guarded(p, e, &d);
    else if (changes)
        publish(p, e, &d);
    if (!trips) {
        p->shrink_held = false;
        p->quiet = true;
        p->quiet_from = e->wall;
        p->quiet_until = children_next_change(p->children, e->wall);
    }
    if (e->now >= p->resign_at && p->waiting == 0) resign(p, e);
    if (e->now >= p->resign_at) p->resign_at = e->now + CPIS_MS_SECOND; /* time stands still */
}
