#include "node/core/log.h"
#include "node/core/registry_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define DIFFERENCE_MAX ((int64_t)(100 * 365 * CPIS_MS_DAY)) /* a clock is never further off */

/* How many directories must name our register: t, less our own word. */
static size_t needed(const struct registry *r, cpis_ms wall)
{
    const struct registry_epoch *ep = registry_epoch_current(r, wall);
    size_t need = ep == NULL ? 0 : ep->t;
    if (need == 0) need = r->role_count[ROLE_DIRECTORY] / 2 + 1;
    return r->self_counts ? need - 1 : need;
}

static bool is_fresh(const struct heard_time *t, cpis_ms now)
{
    return now - t->heard <= REGISTER_TIME_FRESH;
}

static bool names_ours(const struct registry *r, const struct heard_time *t)
{
    return t->version == registry_version(r) && hash_equal(&t->hash, &r->hash);
}

static bool is_directory(const struct registry *r, const struct cpis_id *id)
{
    const struct registry_node *n = registry_node(r, id);
    return n != NULL && n->d.role == ROLE_DIRECTORY && registry_in_force(n);
}

void registry_times_prune(struct registry *r)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->times_count; i++)
        if (is_directory(r, &r->times[i].id)) r->times[kept++] = r->times[i];
    r->times_count = kept;
    r->offset_until = 0;
}

static int64_t difference_of(uint64_t theirs, uint64_t ours)
{
    const uint64_t apart = theirs > ours ? theirs - ours : ours - theirs;
    const int64_t d = apart > (uint64_t)DIFFERENCE_MAX ? DIFFERENCE_MAX : (int64_t)apart;
    return theirs > ours ? d : -d;
}

static struct heard_time *slot_of(struct registry *r, const struct cpis_id *id)
{
    for (size_t i = 0; i < r->times_count; i++)
        if (id_equal(&r->times[i].id, id)) return &r->times[i];
    if (r->times_count == r->times_cap) {
        size_t cap = r->times_cap == 0 ? 16 : 2 * r->times_cap;
        struct heard_time *grown = realloc(r->times, cap * sizeof *grown);
        if (grown == NULL) return NULL;
        r->times = grown;
        r->times_cap = cap;
    }
    struct heard_time *t = &r->times[r->times_count++];
    *t = (struct heard_time){.id = *id};
    return t;
}

/* The directories' words for our register that are fresh now. */
static size_t confirming(const struct registry *r, cpis_ms now)
{
    size_t count = 0;
    for (size_t i = 0; i < r->times_count; i++)
        count += is_fresh(&r->times[i], now) && names_ours(r, &r->times[i]);
    return count;
}

static int by_heard_falling(const void *a, const void *b)
{
    const cpis_ms x = *(const cpis_ms *)a, y = *(const cpis_ms *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* Remembers the last moment at which enough fresh ones stood: as old as the oldest of the `need`
 * newest. */
static void note_confirmed(struct registry *r, cpis_ms now, cpis_ms wall)
{
    cpis_ms heard[REGISTER_NODES_MAX];
    size_t count = 0, need = needed(r, wall);
    for (size_t i = 0; i < r->times_count && count < REGISTER_NODES_MAX; i++)
        if (is_fresh(&r->times[i], now) && names_ours(r, &r->times[i]))
            heard[count++] = r->times[i].heard;
    if (count < need) return;
    qsort(heard, count, sizeof heard[0], by_heard_falling);
    const cpis_ms at = need == 0 ? now : heard[need - 1];
    if (!r->confirmed_ever || at > r->confirmed) r->confirmed = at;
    r->confirmed_ever = true;
}

cpis_err registry_heard_time(struct registry *r, const struct msg_register_time *m,
                             const struct signed_message *as_signed, cpis_ms now,
                             cpis_ms wall_uncorrected)
{
    if (!id_equal(&m->node_id, &as_signed->signer) || !is_directory(r, &m->node_id) ||
        as_signed->body.len > REGISTER_TIME_BODY_MAX)
        return CPIS_E_MALFORMED;
    struct heard_time *t = slot_of(r, &m->node_id);
    if (t == NULL) return CPIS_E_NOMEM;
    if (m->time < t->time || (m->time == t->time && m->version <= t->version)) return CPIS_E_REPLAY;
    t->version = m->version;
    t->time = m->time;
    t->hash = m->register_hash;
    t->heard = now;
    t->difference = difference_of(m->time, wall_uncorrected);
    t->as_signed = *as_signed;
    t->body_len = as_signed->body.len;
    memcpy(t->body, as_signed->body.p, as_signed->body.len);
    r->wall_heard = wall_uncorrected;
    r->offset_until = 0;
    note_confirmed(r, now, wall_uncorrected);
    return CPIS_OK;
}

enum register_trust registry_trust(const struct registry *r, cpis_ms now, cpis_ms wall)
{
    const uint64_t expires = registry_expires(r);
    if (r->forked) return REGISTER_STALE;
    if (wall > expires && wall - expires > REGISTER_EXPIRED_LIMIT) return REGISTER_STALE;
    if (confirming(r, now) >= needed(r, wall)) return REGISTER_FRESH;
    if (wall > expires) return REGISTER_STALE; /* in use past its end only while confirmed */
    if (!r->confirmed_ever || now - r->confirmed > REGISTER_UNKNOWN_AFTER) return REGISTER_STALE;
    return REGISTER_UNCONFIRMED;
}

static int by_difference(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y ? 1 : 0;
}

/* Of an even number the middle one nearer to our own clock: a single liar beside a single honest
 * directory does not move a clock that is right. A directory's own clock is one of them, as its own
 * word is one of the t. */
bool registry_clock_difference(const struct registry *r, cpis_ms now, int64_t *ret)
{
    int64_t d[REGISTER_NODES_MAX];
    size_t count = 0, need = needed(r, r->wall_heard);
    for (size_t i = 0; i < r->times_count && count < REGISTER_NODES_MAX; i++)
        if (is_fresh(&r->times[i], now)) d[count++] = r->times[i].difference;
    if (count < need || count == 0) return false;
    if (r->self_counts && count < REGISTER_NODES_MAX) d[count++] = 0;
    qsort(d, count, sizeof d[0], by_difference);
    const int64_t low = d[(count - 1) / 2], high = d[count / 2];
    *ret = (low < 0 ? -low : low) < (high < 0 ? -high : high) ? low : high;
    return true;
}

static bool is_off_by(int64_t difference, cpis_ms more_than)
{
    return (uint64_t)(difference < 0 ? -difference : difference) > more_than;
}

/* Asked at each step: found anew when a time was heard, or one is no longer fresh. */
int64_t registry_clock_offset(struct registry *r, cpis_ms now)
{
    int64_t d;
    if (now < r->offset_until && now >= r->offset_from) return r->offset;
    r->offset_from = now;
    r->offset_until = CPIS_MS_NEVER;
    for (size_t i = 0; i < r->times_count; i++)
        if (is_fresh(&r->times[i], now))
            r->offset_until = earlier(r->offset_until, r->times[i].heard + REGISTER_TIME_FRESH + 1);
    bool known = registry_clock_difference(r, now, &d);
    r->offset = known && is_off_by(d, CLOCK_CORRECTED_FROM) ? d : 0;
    return r->offset;
}

/* All that a verdict may rest on: past being fresh they still hold off UNKNOWN for a day. */
static bool is_shown(const struct registry *r, const struct heard_time *t, cpis_ms now)
{
    return now - t->heard <= REGISTER_UNKNOWN_AFTER && registry_has_link(r, t->version, &t->hash);
}

enum register_trust registry_trust_shown(const struct registry *r, cpis_ms now, cpis_ms wall)
{
    const struct registry_epoch *ep = registry_epoch_current(r, wall);
    size_t count = 0;
    for (size_t i = 0; i < r->times_count; i++)
        count += is_shown(r, &r->times[i], now) && registry_time_supports(r->times[i].time, wall);
    return ep != NULL && count >= ep->t ? registry_trust(r, now, wall) : REGISTER_STALE;
}

size_t registry_times(const struct registry *r, cpis_ms now, const struct signed_message **ret,
                      size_t cap)
{
    size_t count = 0;
    for (size_t i = 0; i < r->times_count && count < cap; i++) {
        struct heard_time *t = &r->times[i];
        if (!is_shown(r, t, now)) continue;
        t->as_signed.body = (struct bytes){t->body, t->body_len};
        ret[count++] = &t->as_signed;
    }
    return count;
}

struct bytes registry_time(const struct registry *r, struct env *e)
{
    const struct msg_register_time m = {.node_id = e->id,
                                        .version = registry_version(r),
                                        .register_hash = r->hash,
                                        .time = e->wall,
                                        .log_sequence = e->log->head.sequence,
                                        .log_head = e->log->head.head};
    struct bytes body = {NULL, 0};
    cpis_err err = register_time_encode(&m, e->scratch, &body);
    assert(err != CPIS_E_INVAL);
    if (err != CPIS_OK) {
        emit_failure(e);
        return (struct bytes){NULL, 0};
    }
    const struct signed_message s = sign_body(e, SIGNED_REGISTER_TIME, body);
    return signed_bytes(e, &s);
}

void registry_send_time(const struct registry *r, struct env *e, const struct cpis_id *peer)
{
    const struct bytes b = registry_time(r, e);
    if (b.p != NULL) emit_frame(e, peer, FRAME_SIGNED, b);
}

/* --- alarms --- */

static void alarm_raise(struct registry *r, struct env *e, enum alarm which, enum event event,
                        const struct cpis_id *peer, uint64_t number)
{
    if (e->now < r->alarm_next[which]) return;
    r->alarm_next[which] = e->now + REGISTRY_ALARM_EVERY;
    emit_event(e, event, peer, number);
}

static void tick_fork(struct registry *r, struct env *e)
{
    if (r->forked) alarm_raise(r, e, ALARM_FORK, EVENT_REGISTER_FORK, NULL, r->fork_version);
    for (size_t i = 0; i < r->times_count; i++) { /* one directory's word is no proof: only told */
        const struct heard_time *t = &r->times[i];
        if (is_fresh(t, e->now) && t->version == registry_version(r) &&
            !hash_equal(&t->hash, &r->hash))
            alarm_raise(r, e, ALARM_FORK, EVENT_REGISTER_FORK, &t->id, t->version);
    }
}

/* Who never was in the register waits to be admitted: that is no alarm. */
static void tick_standing(struct registry *r, struct env *e)
{
    const struct registry_node *own = registry_node_ever(r, &e->id);
    if (own == NULL || (own->gone == 0 && registry_in_force(own))) return;
    alarm_raise(r, e, ALARM_OUT, EVENT_NODE_OUT, NULL, registry_version(r));
}

void registry_tick(struct registry *r, struct env *e)
{
    const uint64_t expires = registry_expires(r);
    const bool counted = r->self_counts;
    r->self_counts = is_directory(r, &e->id);
    if (counted != r->self_counts) r->offset_until = 0;
    if (!r->ticked) r->first_tick = e->now;
    r->ticked = true;
    note_confirmed(r, e->now, e->wall);
    if (e->wall + REGISTER_EXPIRING_ALARM >= expires)
        alarm_raise(r, e, ALARM_EXPIRING, EVENT_REGISTER_EXPIRING, NULL,
                    e->wall < expires ? (expires - e->wall) / CPIS_MS_DAY : 0);
    /* a new register is not yet named by anybody: only 10 min without is an alarm */
    const cpis_ms since =
        r->confirmed_ever && r->confirmed > r->first_tick ? r->confirmed : r->first_tick;
    if (e->now - since > REGISTER_TIME_FRESH && confirming(r, e->now) < needed(r, e->wall))
        alarm_raise(r, e, ALARM_UNCONFIRMED, EVENT_REGISTER_UNCONFIRMED, NULL,
                    confirming(r, e->now));
    int64_t d;
    if (registry_clock_difference(r, e->now, &d) && is_off_by(d, CLOCK_ALARM_FROM))
        alarm_raise(r, e, ALARM_CLOCK, EVENT_CLOCK_OFF, NULL, (uint64_t)(d < 0 ? -d : d));
    tick_fork(r, e);
    tick_standing(r, e);
}
