/* All rogues of a simulation: one tap that goes by the sender, a clock for each, what is kept. */
#include "simulations/rogue_state.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_BYTES  (8U * FRAME_BYTES_MAX)
#define RESIGN_EVERY (10 * 60 * SIM_US_SECOND) /* as an honest list's head */

struct rogues {
    struct sim *s;
    uint64_t seed;
    struct rogue **rogue;
    size_t count, cap, listening;
    bool sending; /* a frame of our own is put on its way: the tap lets it pass */
};

static void keeps(struct rogue *r, struct edit *e);
static void replays(struct rogue *r);

static const struct behaviour {
    void (*hears)(struct rogue *r, struct edit *e); /* a frame of its node; NULL: none */
    bool listens;                                   /* also before it has begun */
    void (*begins)(struct rogue *r);
    void (*acts)(struct rogue *r); /* by its clock; NULL: never */
    sim_us every;                  /* 0: per_second */
} behaviours[ROGUE_END] = {
    [ROGUE_LIES] = {rogue_lies, false, NULL, NULL, 0},
    [ROGUE_OMITS] = {rogue_omits, true, NULL, NULL, 0},
    [ROGUE_EQUIVOCATES] = {rogue_omits, true, NULL, NULL, 0},
    [ROGUE_REPLAYS] = {keeps, true, NULL, replays, 0},
    [ROGUE_COPIES_TOKENS] = {NULL, false, rogue_copies, rogue_copies, RESIGN_EVERY},
    [ROGUE_ROLLS_BACK] = {rogue_keeps_lists, true, NULL, rogue_rolls_back, 0},
    [ROGUE_FLOODS] = {NULL, false, NULL, rogue_floods, 0},
    [ROGUE_QUERY_REPLAYS] = {rogue_keeps_lookups, true, NULL, replays, 0},
};

/* --- what is kept --- */

static const struct behaviour *behaviour_of(const struct rogue *r)
{
    return &behaviours[r->c.behaviour];
}

void rogue_keep(struct rogue *r, const struct edit *e)
{
    struct kept *k = &r->kept;
    const uint64_t at = random_below(&r->dice, ++k->seen); /* reservoir sampling */
    if (e->frame.len > KEPT_BYTES_MAX || (k->count == KEPT_FRAMES && at >= KEPT_FRAMES)) return;
    struct kept_frame *f = &k->frame[k->count < KEPT_FRAMES ? k->count++ : at];
    free(f->p);
    *f = (struct kept_frame){e->to, sim_must(malloc(e->frame.len + 1)), e->frame.len};
    memcpy(f->p, e->frame.p, e->frame.len);
}

const struct kept_frame *rogue_kept(struct rogue *r)
{
    const uint64_t at = random_below(&r->dice, r->kept.count);
    return r->kept.count == 0 ? NULL : &r->kept.frame[at];
}

static struct old_head *old_of(struct rogue *r, uint32_t epoch)
{
    for (size_t i = 0; i < r->olds; i++)
        if (r->old[i].epoch == epoch) return &r->old[i];
    return NULL;
}

const struct old_head *rogue_old_head(const struct rogue *r, uint32_t epoch)
{
    for (size_t i = 0; i < r->olds; i++)
        if (r->old[i].epoch == epoch) return &r->old[i];
    return NULL;
}

void rogue_keep_head(struct rogue *r, const struct signed_message *m, uint32_t epoch)
{
    struct arena a = arena_make(KEPT_BYTES_MAX);
    struct msg_head head;
    struct old_head *o = old_of(r, epoch);
    const bool whole = head_decode(m->body, &a, &head) == CPIS_OK;
    if (whole && o != NULL && head.version > o->newest) o->newest = head.version;
    if (whole && o == NULL && r->olds < REGISTER_EPOCHS_MAX) {
        uint8_t *body = sim_must(malloc(m->body.len + 1));
        memcpy(body, m->body.p, m->body.len);
        o = &r->old[r->olds++];
        *o = (struct old_head){.epoch = epoch,
                               .version = head.version,
                               .newest = head.version,
                               .head = *m,
                               .hash = signed_hash(m)};
        o->head.body.p = body;
    }
    arena_free(&a);
}

/* --- on the wire, in the node's name --- */

cpis_ms rogue_wall(const struct rogue *r) { return SIM_EPOCH_START + sim_now(r->s); }

struct signed_message rogue_sign(const struct rogue *r, enum signed_type type, struct bytes body)
{
    struct signed_message m = {.type = type, .signer = *sim_id(r->s, r->c.node), .body = body};
    sign_make(&sim_identity(r->s, r->c.node)->sign, (uint8_t)type, registry_net(sim_stewards(r->s)),
              body.p, body.len, &m.signature);
    return m;
}

void rogue_send(struct rogue *r, unsigned to, struct bytes frame)
{
    r->acts++;
    r->all->sending = true;
    sim_inject(r->s, r->c.node, sim_id(r->s, to), frame);
    r->all->sending = false;
}

void rogue_replace(struct rogue *r, struct edit *e, enum frame_kind kind, struct bytes payload)
{
    struct bytes frame;
    if (frame_wrap(kind, payload, e->a, &frame) != CPIS_OK) return;
    e->frame = frame;
    r->acts++;
}

unsigned rogue_any(struct rogue *r, enum node_role role)
{
    unsigned count = 0, chosen = UINT_MAX;
    for (unsigned n = 0; n < sim_nodes(r->s); n++)
        count += sim_role(r->s, n) == role;
    uint64_t at = random_below(&r->dice, count);
    for (unsigned n = 0; n < sim_nodes(r->s) && chosen == UINT_MAX; n++)
        if (sim_role(r->s, n) == role && at-- == 0) chosen = n;
    return chosen;
}

static bool tap(void *arg, unsigned from, unsigned to, uint8_t *p, size_t len)
{
    struct rogues *all = arg;
    struct arena a = arena_make(ARENA_BYTES);
    struct edit e = {.to = to, .frame = {p, len}, .a = &a};
    struct rogue *last = NULL;
    for (size_t i = 0; i < all->count && !all->sending && !e.dropped; i++) {
        struct rogue *r = all->rogue[i];
        const struct behaviour *b = behaviour_of(r);
        if (r->c.node != from || !r->listens || b->hears == NULL || !(r->on || b->listens))
            continue;
        e.look = frame_look(e.frame);
        b->hears(r, &e);
        last = r;
    }
    bool passes = !e.dropped;
    if (passes && e.frame.p != p && e.frame.len == len) {
        memcpy(p, e.frame.p, len);
    } else if (passes && e.frame.p != p) { /* another length is another frame */
        rogue_send(last, to, e.frame);
        passes = false;
    }
    arena_free(&a);
    return passes;
}

/* --- replays --- */

static void keeps(struct rogue *r, struct edit *e) { rogue_keep(r, e); }

/* To whom it went, or to another of that role. */
static void replays(struct rogue *r)
{
    const struct kept_frame *f = rogue_kept(r);
    const bool same = random_chance(&r->dice, 500);
    const enum node_role role = f == NULL ? ROLE_DIRECTORY : sim_role(r->s, f->to);
    const unsigned other = rogue_any(r, role);
    if (f == NULL) return;
    const unsigned to = same || other == r->c.node ? f->to : other;
    rogue_send(r, to, (struct bytes){f->p, f->len});
}

/* --- time --- */

static void clock_event(void *arg, struct sim *s);

static void wind(struct rogue *r)
{
    const sim_us every = behaviour_of(r)->every;
    sim_at(r->s, sim_now_us(r->s) + (every > 0 ? every : SIM_US_SECOND / r->c.per_second),
           clock_event, r);
}

static void clock_event(void *arg, struct sim *s)
{
    struct rogue *r = arg;
    (void)s;
    if (!r->on) return;
    behaviour_of(r)->acts(r);
    wind(r);
}

struct rogues *rogues_new(struct sim *s, uint64_t seed)
{
    struct rogues *all = sim_must(calloc(1, sizeof *all));
    *all = (struct rogues){.s = s, .seed = seed};
    return all;
}

struct rogue *rogue_listen(struct rogues *all, const struct rogue_conf *c)
{
    struct rogue *r = sim_must(calloc(1, sizeof *r));
    uint64_t name = random_name(random_name(0, "rogue"), rogue_word(c->behaviour));
    *r = (struct rogue){.all = all, .s = all->s, .c = *c, .listens = true};
    name = random_name(name, sim_name(all->s, c->node));
    random_init(&r->dice, all->seed, name + c->number);
    r->about = rogue_any(r, ROLE_AUTHORITY);
    all->rogue = sim_grow(all->rogue, all->count, &all->cap, sizeof(struct rogue *));
    all->rogue[all->count++] = r;
    if (all->listening++ == 0) sim_set_tap(all->s, tap, all);
    return r;
}

void rogue_begin(struct rogue *r)
{
    const struct behaviour *b = behaviour_of(r);
    r->on = true;
    if (b->begins != NULL) b->begins(r);
    if (b->acts != NULL) wind(r);
}

void rogue_end(struct rogue *r)
{
    if (!r->listens) return;
    r->on = r->listens = false;
    if (--r->all->listening == 0) sim_set_tap(r->s, NULL, NULL);
}

static void rogue_free(struct rogue *r)
{
    for (size_t i = 0; i < r->kept.count; i++)
        free(r->kept.frame[i].p);
    for (size_t i = 0; i < r->olds; i++)
        free((void *)(uintptr_t)r->old[i].head.body.p);
    free(r->shown);
    free(r);
}

void rogues_free(struct rogues **p)
{
    for (size_t i = 0; *p != NULL && i < (*p)->count; i++)
        rogue_free((*p)->rogue[i]);
    if (*p != NULL) free((*p)->rogue);
    free(*p);
    *p = NULL;
}

unsigned rogue_about(const struct rogue *r) { return r->about; }
uint64_t rogue_acts(const struct rogue *r) { return r->acts; }
