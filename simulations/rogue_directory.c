/* A directory that lies: in its statements, in the heads behind them, or in both so that they fit
 * each other. A statement fits what was shown when S of it is what the shown heads give. */
#include "simulations/rogue_state.h"

#include <string.h>

struct reply { /* to a lookup, down to what the statement says */
    struct msg_lookup_reply m;
    struct signed_message statement;
    bool absent;
    struct msg_absent no;
    struct msg_present yes;
};

static bool reply_read(const struct edit *e, struct reply *ret)
{
    struct frame f;
    if (frame_unwrap(e->frame, e->a, &f) != CPIS_OK) return false;
    if (lookup_reply_decode(f.payload, e->a, &ret->m) != CPIS_OK) return false;
    if (ret->m.outcome != LOOKUP_STATEMENT) return false;
    if (signed_message_decode(ret->m.statement, e->a, &ret->statement) != CPIS_OK) return false;
    ret->absent = ret->statement.type == SIGNED_ABSENT;
    return (ret->absent ? absent_decode(ret->statement.body, e->a, &ret->no)
                        : present_decode(ret->statement.body, e->a, &ret->yes)) == CPIS_OK;
}

static void reply_write(struct rogue *r, struct edit *e, struct reply *x)
{
    struct bytes body, payload;
    cpis_err err =
        x->absent ? absent_encode(&x->no, e->a, &body) : present_encode(&x->yes, e->a, &body);
    if (err != CPIS_OK) return;
    x->statement = rogue_sign(r, x->absent ? SIGNED_ABSENT : SIGNED_PRESENT, body);
    err = signed_message_encode(&x->statement, e->a, &x->m.statement);
    if (err == CPIS_OK) err = lookup_reply_encode(&x->m, e->a, &payload);
    if (err == CPIS_OK) rogue_replace(r, e, FRAME_LOOKUP_REPLY, payload);
}

static void deny(struct reply *x)
{
    const struct msg_present *p = &x->yes;
    x->absent = true;
    x->no = (struct msg_absent){.rh = p->rh,
                                .epoch = p->epoch,
                                .index = p->index,
                                .directory_id = p->directory_id,
                                .time = p->time,
                                .state = p->state,
                                .register_version = p->register_version,
                                .register_hash = p->register_hash};
}

void rogue_lies(struct rogue *r, struct edit *e)
{
    struct reply x;
    if (e->look.kind != FRAME_LOOKUP_REPLY || !reply_read(e, &x) || x.absent) return;
    if (!random_chance(&r->dice, r->c.permille)) return;
    deny(&x);
    reply_write(r, e, &x);
}

/* --- the directory's own state, as it streams it to query nodes --- */

static int order(const struct shown *x, uint32_t epoch, const struct cpis_id *authority)
{
    if (x->epoch != epoch) return x->epoch < epoch ? -1 : 1;
    return id_compare(&x->authority, authority);
}

static size_t place_of(const struct rogue *r, uint32_t epoch, const struct cpis_id *authority)
{
    size_t lo = 0, hi = r->shown_count;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (order(&r->shown[mid], epoch, authority) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static void note_one(struct rogue *r, uint32_t epoch, const struct msg_head_shown *h)
{
    const size_t at = place_of(r, epoch, &h->head.signer);
    if (at == r->shown_count || order(&r->shown[at], epoch, &h->head.signer) != 0) {
        r->shown = sim_grow(r->shown, r->shown_count, &r->shown_cap, sizeof *r->shown);
        memmove(&r->shown[at + 1], &r->shown[at], (r->shown_count - at) * sizeof *r->shown);
        r->shown_count++;
    }
    r->shown[at] = (struct shown){epoch, h->head.signer, signed_hash(&h->head), h->in_state};
}

static void note_heads(struct rogue *r, const struct msg_heads *m)
{
    const struct cpis_id *about = sim_id(r->s, r->about);
    for (size_t i = 0; m->whole && i < r->shown_count; i++)
        if (r->shown[i].epoch == m->epoch) r->shown[i].in_state = false;
    for (size_t i = 0; i < m->heads_count; i++) {
        note_one(r, m->epoch, &m->heads[i]);
        if (id_equal(&m->heads[i].head.signer, about))
            rogue_keep_head(r, &m->heads[i].head, m->epoch);
    }
}

/* S over what was streamed; of `about`, if it is given, with this head instead; NULL: without it.
 */
static struct cpis_hash state_over(const struct rogue *r, struct edit *e, uint32_t epoch,
                                   const struct cpis_id *about, const struct cpis_hash *instead)
{
    struct cpis_hash *hash = sim_must(arena_take(e->a, (r->shown_count + 1) * sizeof *hash));
    size_t count = 0;
    for (size_t i = 0; i < r->shown_count; i++) {
        const struct shown *x = &r->shown[i];
        const bool doctored = about != NULL && id_equal(&x->authority, about);
        if (x->epoch != epoch || !x->in_state || (doctored && instead == NULL)) continue;
        hash[count++] = doctored ? *instead : x->hash;
    }
    return state_of(epoch, hash, count);
}

/* --- omits, equivocates: one authority is not there, or is as it once was --- */

static bool is_deceived(const struct rogue *r, unsigned query)
{
    if (r->c.behaviour == ROGUE_OMITS) return true;
    for (unsigned i = 0, n = 0; n < sim_nodes(r->s); n++) {
        if (n == query) return i % 2 == 0;
        i += sim_role(r->s, n) == ROLE_QUERY;
    }
    return false;
}

static void doctor_heads(struct rogue *r, struct edit *e, struct msg_heads *m)
{
    const struct cpis_id *about = sim_id(r->s, r->about);
    const struct old_head *old = rogue_old_head(r, m->epoch);
    struct bytes payload;
    bool changed = false;
    for (size_t i = 0; i < m->heads_count; i++) {
        struct msg_head_shown *h = &m->heads[i];
        if (!h->in_state || !id_equal(&h->head.signer, about)) continue;
        if (r->c.behaviour == ROGUE_OMITS)
            h->in_state = false;
        else if (old != NULL)
            h->head = old->head;
        changed = true;
    }
    if (changed && heads_encode(m, e->a, &payload) == CPIS_OK)
        rogue_replace(r, e, FRAME_HEADS, payload);
}

static bool take_out(struct msg_present *p, const struct cpis_id *about)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->inclusions_count; i++)
        if (!id_equal(&p->inclusions[i].authority_id, about))
            p->inclusions[kept++] = p->inclusions[i];
    const size_t gone = p->inclusions_count - kept;
    p->inclusions_count = kept;
    p->holders -= (uint32_t)gone;
    return gone > 0;
}

static void doctor_reply(struct rogue *r, struct edit *e)
{
    struct reply x;
    const struct cpis_id *about = sim_id(r->s, r->about);
    if (!reply_read(e, &x)) return;
    const uint32_t epoch = x.absent ? x.no.epoch : x.yes.epoch;
    const struct old_head *old = rogue_old_head(r, epoch);
    const bool omits = r->c.behaviour == ROGUE_OMITS;
    if (!omits && (old == NULL)) return; /* nothing older to show yet */
    struct cpis_hash *state = x.absent ? &x.no.state : &x.yes.state;
    const struct cpis_hash ours = state_over(r, e, epoch, NULL, NULL);
    bool changed = !x.absent && take_out(&x.yes, about);
    if (hash_equal(&ours, state)) { /* else not all heads have gone by yet, and S stays */
        *state = state_over(r, e, epoch, about, omits ? NULL : &old->hash);
        changed |= !hash_equal(&ours, state);
    }
    if (!x.absent && x.yes.inclusions_count == 0) deny(&x);
    if (changed) reply_write(r, e, &x);
}

void rogue_omits(struct rogue *r, struct edit *e)
{
    struct frame f;
    struct msg_heads m;
    if (sim_role(r->s, e->to) != ROLE_QUERY) return;
    const bool deceives = r->on && is_deceived(r, e->to);
    if (e->look.kind == FRAME_LOOKUP_REPLY && deceives) doctor_reply(r, e);
    if (e->look.kind != FRAME_HEADS || frame_unwrap(e->frame, e->a, &f) != CPIS_OK ||
        heads_decode(f.payload, e->a, &m) != CPIS_OK)
        return;
    note_heads(r, &m);
    if (deceives) doctor_heads(r, e, &m);
}
