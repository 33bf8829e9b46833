#include "node/core/evaluator.h"

#include "crypto/cursor.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SHARES_MAX      8U
#define EPOCH_GRACE     (10 * CPIS_MS_MINUTE)
#define QUOTA_KEY_BYTES (CPIS_ID_BYTES + 4U)
#define QUOTAS_MAX      (4U * REGISTER_NODES_MAX) /* nodes and days in memory */
#define QUOTA_DAYS_KEPT 2U /* and yesterday: a corrected clock may step back over midnight */
#define LIST_PART       2U /* an authority's batches may use one half of a day's limit */
/* Counts are written ahead, or each lookup would be two writes to the disk: so much of the day's
 * limit, and no more than so many. */
#define AHEAD_PART      64U
#define AHEAD_MAX       32U
#define SHARE_KEY_BYTES 4U

enum share_fit { SHARE_UNCHECKED = 0, SHARE_FITS, SHARE_REFUSED };
struct share {
    uint32_t epoch, index;
    struct oprf_scalar scalar;
    struct oprf_element public_share; /* when it fits */
    enum share_fit fit;
};
struct quota {
    struct cpis_id node;
    uint32_t day;
    struct row_quota used, written; /* as counted; on disk, never below it once told */
};
enum where { IN_STEP = 1, BESIDE, NOWHERE }; /* an evaluation is done */
struct asked {                               /* a request that was taken */
    uint64_t id;                             /* of its evaluation */
    struct cpis_id asker;
    uint64_t request;
    uint32_t epoch, index;
};
struct evaluator {
    struct cpis_id self;
    struct share share[SHARES_MAX];
    size_t shares;
    struct quota *quota;
    size_t quotas, quotas_cap;
    struct asked asked[WORK_MAX]; /* whose work is put out and not back */
    size_t asked_count;
    uint64_t last_id;
    uint32_t keep_from; /* epochs from here on are needed */
};

cpis_err evaluator_new(struct evaluator **ret)
{
    struct evaluator *v = calloc(1, sizeof *v);
    if (v == NULL) return CPIS_E_NOMEM;
    *ret = v;
    return CPIS_OK;
}

void evaluator_free(struct evaluator **p)
{
    if (*p == NULL) return;
    for (size_t i = 0; i < (*p)->shares; i++)
        oprf_scalar_wipe(&(*p)->share[i].scalar);
    free((*p)->quota);
    free(*p);
    *p = NULL;
}

/* --- shares --- */

static void share_key(uint32_t epoch, uint8_t ret[static SHARE_KEY_BYTES])
{
    struct cursor c = cursor_write(ret, SHARE_KEY_BYTES);
    cursor_put_u32(&c, epoch);
}

static struct share *share_of(const struct evaluator *v, uint32_t epoch)
{
    for (size_t i = 0; i < v->shares; i++)
        if (v->share[i].epoch == epoch) return (struct share *)(uintptr_t)&v->share[i];
    return NULL;
}

static cpis_err share_put(struct evaluator *v, const struct row_share *row)
{
    if (share_of(v, row->epoch) != NULL) return CPIS_E_STATE;
    if (v->shares == SHARES_MAX) return CPIS_E_LIMIT;
    v->share[v->shares++] =
        (struct share){.epoch = row->epoch, .index = row->index, .scalar = row->scalar};
    return CPIS_OK;
}

/* The index is ours in the register's epoch, and the share fits its commitments there. An entry is
 * fixed from the first register that carries it, so what does not fit never will. */
static bool share_fits(const struct evaluator *v, const struct registry_epoch *ep,
                       const struct share *s, struct oprf_element *ret_public)
{
    if (s->index == 0 || registry_index_of(ep, &v->self) != s->index) return false;
    *ret_public = ep->public_shares.k[s->index - 1];
    return threshold_share_fits(&ep->commitments, s->index, &s->scalar) == CPIS_OK;
}

static void share_settle(struct evaluator *v, struct env *e, struct share *s)
{
    const struct registry_epoch *ep = registry_epoch(e->registry, s->epoch);
    if (s->fit != SHARE_UNCHECKED || ep == NULL) return;
    s->fit = share_fits(v, ep, s, &s->public_share) ? SHARE_FITS : SHARE_REFUSED;
    if (s->fit == SHARE_FITS) return;
    oprf_scalar_wipe(&s->scalar);
    emit_event(e, EVENT_SHARE_WRONG, NULL, s->epoch);
}

cpis_err evaluator_add_share(struct evaluator *v, struct env *e, const struct row_share *share)
{
    uint8_t key[SHARE_KEY_BYTES];
    v->self = e->id;
    cpis_err err = share_put(v, share);
    if (err != CPIS_OK) return err;
    share_key(share->epoch, key);
    EMIT_ROW(e, TABLE_SHARE, key, sizeof key, row_share, share);
    share_settle(v, e, share_of(v, share->epoch));
    return CPIS_OK;
}

bool evaluator_has_share(const struct evaluator *v, const struct registry_epoch *ep)
{
    const struct share *s = share_of(v, ep->number);
    struct oprf_element unused;
    if (s == NULL || s->fit == SHARE_REFUSED) return false;
    return s->fit == SHARE_FITS || share_fits(v, ep, s, &unused);
}

void evaluator_keep_from(struct evaluator *v, uint32_t lowest) { v->keep_from = lowest; }

static void share_destroy(struct evaluator *v, struct env *e, size_t i)
{
    uint8_t key[SHARE_KEY_BYTES];
    share_key(v->share[i].epoch, key);
    emit_delete(e, TABLE_SHARE, key, sizeof key);
    oprf_scalar_wipe(&v->share[i].scalar);
    if (i != --v->shares) {
        v->share[i] = v->share[v->shares];
        oprf_scalar_wipe(&v->share[v->shares].scalar);
    }
}

/* --- quotas --- */

static uint32_t day_of(cpis_ms wall) { return (uint32_t)(wall / CPIS_MS_DAY); }

static void quota_key(const struct quota *q, uint8_t ret[static QUOTA_KEY_BYTES])
{
    struct cursor c = cursor_write(ret, QUOTA_KEY_BYTES);
    cursor_put(&c, q->node.b, sizeof q->node.b);
    cursor_put_u32(&c, q->day);
}

/* NULL: no memory, or more nodes than a register can hold. */
static struct quota *quota_of(struct evaluator *v, const struct cpis_id *node, uint32_t day)
{
    for (size_t i = 0; i < v->quotas; i++)
        if (v->quota[i].day == day && id_equal(&v->quota[i].node, node)) return &v->quota[i];
    if (v->quotas == v->quotas_cap) {
        size_t cap = v->quotas_cap == 0 ? 64 : 2 * v->quotas_cap;
        struct quota *grown = cap > QUOTAS_MAX ? NULL : realloc(v->quota, cap * sizeof *v->quota);
        if (grown == NULL) return NULL;
        v->quota = grown;
        v->quotas_cap = cap;
    }
    v->quota[v->quotas] = (struct quota){.node = *node, .day = day};
    return &v->quota[v->quotas++];
}

/* What is to be on disk for `used`; true: it is not there yet. */
static bool write_ahead(uint64_t used, uint64_t limit, uint64_t *written)
{
    const uint64_t part = limit / AHEAD_PART, left = limit > used ? limit - used : 0;
    const uint64_t more = part < AHEAD_MAX ? part : AHEAD_MAX;
    if (used <= *written) return false;
    *written = used + (more < left ? more : left);
    return true;
}

/* Before what is counted is told: what is on disk is at least what was used. */
static void quota_settle(struct env *e, struct quota *q, const struct registry_node *asker)
{
    uint8_t key[QUOTA_KEY_BYTES];
    bool write =
        write_ahead(q->used.evaluations, asker->evaluations_per_day, &q->written.evaluations);
    write |= write_ahead(q->used.lookups, asker->lookups_per_day, &q->written.lookups);
    if (!write) return;
    quota_key(q, key);
    EMIT_ROW(e, TABLE_QUOTA, key, sizeof key, row_quota, &q->written);
}

static void quotas_forget_old(struct evaluator *v, struct env *e)
{
    for (size_t i = 0; i < v->quotas;) {
        struct quota *q = &v->quota[i];
        if (q->day + QUOTA_DAYS_KEPT > day_of(e->wall)) {
            i++;
            continue;
        }
        uint8_t key[QUOTA_KEY_BYTES];
        quota_key(q, key);
        emit_delete(e, TABLE_QUOTA, key, sizeof key);
        *q = v->quota[--v->quotas];
    }
}

static bool fits_limit(uint64_t used, uint64_t more, uint64_t limit)
{
    return used <= limit && more <= limit - used;
}

cpis_err evaluator_count_lookup(struct evaluator *v, struct env *e,
                                const struct registry_node *asker)
{
    struct quota *q = quota_of(v, &asker->id, day_of(e->wall));
    if (q == NULL) return CPIS_E_NOMEM;
    if (!fits_limit(q->used.lookups, 1, asker->lookups_per_day)) return CPIS_E_LIMIT;
    q->used.lookups++;
    quota_settle(e, q, asker);
    return CPIS_OK;
}

size_t evaluator_used(const struct evaluator *v, cpis_ms wall, struct evaluator_use *ret,
                      size_t cap)
{
    size_t count = 0;
    for (size_t i = 0; i < v->quotas; i++) {
        const struct quota *q = &v->quota[i];
        if (q->day != day_of(wall)) continue;
        if (count < cap)
            ret[count] = (struct evaluator_use){q->node, q->used.evaluations, q->used.lookups};
        count++;
    }
    return count;
}

/* --- start --- */

struct restore {
    struct evaluator *v;
    struct env *e;
    cpis_err err;
};

static bool restore_share(void *arg, const struct row *row)
{
    struct restore *r = arg;
    struct row_share share;
    uint8_t key[SHARE_KEY_BYTES];
    r->err = row_share_decode((struct bytes){row->value, row->value_len}, r->e->scratch, &share);
    if (r->err == CPIS_OK) {
        share_key(share.epoch, key);
        const bool fits = row->key_len == sizeof key && memcmp(row->key, key, sizeof key) == 0;
        r->err = fits ? share_put(r->v, &share) : CPIS_E_STORE;
    }
    if (r->err == CPIS_E_MALFORMED || r->err == CPIS_E_LIMIT) r->err = CPIS_E_STORE;
    return r->err == CPIS_OK;
}

static bool restore_quota(void *arg, const struct row *row)
{
    struct restore *r = arg;
    struct quota q = {.day = 0};
    struct cursor c = cursor_read(row->key, row->key_len);
    cursor_get(&c, q.node.b, sizeof q.node.b);
    q.day = cursor_get_u32(&c);
    r->err = row_quota_decode((struct bytes){row->value, row->value_len}, r->e->scratch, &q.used);
    if (r->err == CPIS_E_MALFORMED || !cursor_done(&c)) r->err = CPIS_E_STORE;
    if (r->err != CPIS_OK) return false;
    struct quota *mine = quota_of(r->v, &q.node, q.day);
    if (mine == NULL) {
        r->err = CPIS_E_NOMEM;
        return false;
    }
    mine->used = mine->written = q.used; /* nobody knows how much of it was written ahead */
    return true;
}

cpis_err evaluator_restore(struct evaluator *v, struct env *e)
{
    struct restore r = {.v = v, .e = e};
    v->self = e->id;
    cpis_err err = e->view->scan(e->view->ctx, TABLE_SHARE, NULL, 0, false, restore_share, &r);
    if (err == CPIS_OK) err = r.err;
    if (err == CPIS_OK)
        err = e->view->scan(e->view->ctx, TABLE_QUOTA, NULL, 0, false, restore_quota, &r);
    if (err == CPIS_OK) err = r.err;
    if (err == CPIS_OK) quotas_forget_old(v, e);
    return err;
}

/* --- requests --- */

/* What has to hold when a request comes, and again when it is answered. */
static enum refusal may_ask(struct evaluator *v, struct env *e, const struct registry_node *asker,
                            uint32_t epoch, struct share **ret)
{
    if (asker->d.role != ROLE_AUTHORITY && asker->d.role != ROLE_QUERY) return REFUSAL_ROLE;
    if (!registry_may_sign(asker, e->wall)) return REFUSAL_REGISTER;
    struct share *s = share_of(v, epoch);
    if (s != NULL) share_settle(v, e, s);
    if (s == NULL || s->fit != SHARE_FITS || registry_epoch(e->registry, epoch) == NULL)
        return REFUSAL_EPOCH;
    *ret = s;
    return REFUSAL_NONE;
}

static bool has_room(const struct evaluator *v, const struct cpis_id *asker)
{
    size_t of_asker = 0;
    for (size_t i = 0; i < v->asked_count; i++)
        of_asker += id_equal(&v->asked[i].asker, asker);
    return v->asked_count < WORK_MAX && of_asker < EVALUATIONS_OF_ASKER_MAX;
}

static enum where where_to(const struct evaluator *v, const struct env *e,
                           const struct cpis_id *asker, size_t elements)
{
    if (!e->workers) return IN_STEP;
    if (has_room(v, asker)) return BESIDE;
    return elements <= WORK_FEW ? IN_STEP : NOWHERE;
}

/* A list that is made anew leaves room for what comes singly. A query node's elements are lookups,
 * asked for together or not. */
static uint64_t limit_of(const struct registry_node *asker, size_t count)
{
    const bool is_list = asker->d.role == ROLE_AUTHORITY && count > 1;
    return is_list ? asker->evaluations_per_day / LIST_PART : asker->evaluations_per_day;
}

static enum refusal may_evaluate(struct evaluator *v, struct env *e,
                                 const struct registry_node *asker,
                                 const struct msg_evaluate_request *m, struct share **ret,
                                 enum where *ret_where)
{
    size_t count = m->elements.len / OPRF_ELEMENT_BYTES;
    enum refusal why = may_ask(v, e, asker, m->epoch, ret);
    if (why != REFUSAL_NONE) return why;
    if (count == 0 || count > OPRF_BATCH_MAX || m->elements.len % OPRF_ELEMENT_BYTES != 0)
        return REFUSAL_MALFORMED;
    const struct quota *q = quota_of(v, &asker->id, day_of(e->wall));
    *ret_where = where_to(v, e, &asker->id, count);
    if (q == NULL || *ret_where == NOWHERE) return REFUSAL_BUSY;
    return fits_limit(q->used.evaluations, count, limit_of(asker, count)) ? REFUSAL_NONE
                                                                          : REFUSAL_QUOTA;
}

static enum event event_of(enum refusal why)
{
    switch (why) {
    case REFUSAL_ROLE: return EVENT_ROLE_WRONG;
    case REFUSAL_REGISTER: return EVENT_PEER_UNKNOWN;
    case REFUSAL_EPOCH: return EVENT_EPOCH_UNKNOWN;
    case REFUSAL_QUOTA: return EVENT_QUOTA;
    case REFUSAL_BUSY: return EVENT_BUSY;
    case REFUSAL_NONE:
    case REFUSAL_MALFORMED:
    case REFUSAL_BASE:
    case REFUSAL_NOT_DESCENDANT:
    case REFUSAL_FUTURE:
    case REFUSAL_SHRINK:
    case REFUSAL_ROOT:
    case REFUSAL_LIMIT:
    case REFUSAL_SUSPENDED:
    case REFUSAL_END: break;
    }
    return EVENT_BODY_MALFORMED;
}

static void refuse(struct env *e, const struct asked *a, enum refusal why)
{
    const struct msg_evaluate_reply reply = {
        .request = a->request, .epoch = a->epoch, .refused = why};
    emit_event(e, event_of(why), &a->asker, why);
    EMIT(e, &a->asker, FRAME_EVALUATE_REPLY, evaluate_reply, &reply);
}

static void answer(struct env *e, const struct asked *a, const struct work *w)
{
    const struct msg_evaluate_reply reply = {
        .request = a->request,
        .epoch = a->epoch,
        .index = a->index,
        .elements = {w->evaluated[0].b, w->count * OPRF_ELEMENT_BYTES},
        .proof = w->proof};
    if (w->err == CPIS_OK)
        EMIT(e, &a->asker, FRAME_EVALUATE_REPLY, evaluate_reply, &reply);
    else
        refuse(e, a, REFUSAL_MALFORMED);
}

/* In the queue before the answer, and so durable before it. */
static void count(struct evaluator *v, struct env *e, const struct registry_node *asker,
                  size_t elements)
{
    struct quota *q = quota_of(v, &asker->id, day_of(e->wall));
    assert(q != NULL); /* may_evaluate has made it */
    q->used.evaluations += elements;
    quota_settle(e, q, asker);
}

static void put_out(struct evaluator *v, struct env *e, struct asked *a, struct work *w)
{
    /* from a random start: what comes back from before our start is not taken for one of now */
    if (v->last_id == 0) v->last_id = drbg_below(e->rng, UINT64_MAX / 2);
    w->id = a->id = ++v->last_id;
    v->asked[v->asked_count++] = *a;
    emit_work(e, w);
}

void evaluator_recv_request(struct evaluator *v, struct env *e, const struct registry_node *asker,
                            const struct msg_evaluate_request *m)
{
    struct work *w = arena_take(e->scratch, sizeof *w);
    struct asked a = {.asker = asker->id, .request = m->request, .epoch = m->epoch};
    struct share *s = NULL;
    enum where where = NOWHERE;
    if (w == NULL) {
        emit_failure(e);
        return;
    }
    drbg_bytes(e->rng, w->random, sizeof w->random); /* drawn whatever comes of it */
    const enum refusal why = may_evaluate(v, e, asker, m, &s, &where);
    if (why != REFUSAL_NONE) {
        refuse(e, &a, why);
        return;
    }
    a.index = s->index;
    w->type = WORK_EVALUATE;
    w->share = s->scalar;
    w->public_share = s->public_share;
    w->count = m->elements.len / OPRF_ELEMENT_BYTES;
    memcpy(w->blinded, m->elements.p, m->elements.len);
    count(v, e, asker, w->count); /* what is not counted is not evaluated */
    if (where == BESIDE) {
        put_out(v, e, &a, w);
        return;
    }
    work_do(w);
    answer(e, &a, w);
}

static bool take_asked(struct evaluator *v, uint64_t id, struct asked *ret)
{
    for (size_t i = 0; i < v->asked_count; i++) {
        if (v->asked[i].id != id) continue;
        *ret = v->asked[i];
        v->asked[i] = v->asked[--v->asked_count];
        return true;
    }
    return false;
}

void evaluator_recv_work(struct evaluator *v, struct env *e, const struct work *w)
{
    struct asked a;
    struct share *unused;
    if (!take_asked(v, w->id, &a)) {
        emit_event(e, EVENT_NOT_EXPECTED, NULL, 0);
        return;
    }
    const struct registry_node *asker = registry_node(e->registry, &a.asker);
    const struct registry_node *own = registry_node(e->registry, &e->id);
    if (asker == NULL || !registry_in_force(asker) || own == NULL || !registry_in_force(own)) {
        emit_event(e, EVENT_PEER_UNKNOWN, &a.asker, 0);
        return;
    }
    const enum refusal why = may_ask(v, e, asker, a.epoch, &unused);
    if (why == REFUSAL_NONE)
        answer(e, &a, w);
    else
        refuse(e, &a, why);
}

void evaluator_tick(struct evaluator *v, struct env *e)
{
    for (size_t i = 0; i < v->shares;) {
        share_settle(v, e, &v->share[i]);
        uint32_t epoch = v->share[i].epoch;
        /* for clocks behind ours, and for what is under way */
        bool over = registry_epoch_is_over(e->registry, epoch, e->wall - EPOCH_GRACE);
        if (epoch < v->keep_from && over)
            share_destroy(v, e, i);
        else
            i++;
    }
    quotas_forget_old(v, e);
}
