/* An authority that lists what is not its own, or what it no longer is. */
#include "crypto/cursor.h"
#include "simulations/rogue_state.h"

#include <stdlib.h>
#include <string.h>

#define ROWS_ARENA  ((size_t)1 << 20)
#define ENTRY_BYTES (TOKEN_BYTES + SALT_BYTES)
_Static_assert(sizeof(struct list_entry) == ENTRY_BYTES, "entries are sent as bytes");

/* --- what an accomplice holds --- */

struct loot { /* of one epoch, out of a directory's store */
    uint32_t epoch;
    struct cpis_id own;
    struct list_entry *mine, *others;
    size_t mines, mines_cap, others_count, others_cap;
};

static bool take_entry(void *arg, const struct row *row)
{
    struct loot *l = arg;
    struct list_entry entry;
    struct cpis_id authority;
    struct cursor c = cursor_read(row->key, row->key_len);
    const bool here = cursor_get_u32(&c) == l->epoch;
    cursor_get(&c, authority.b, sizeof authority.b);
    cursor_get(&c, entry.token.b, sizeof entry.token.b);
    if (!here || !cursor_done(&c) || row->value_len != SALT_BYTES) return true;
    memcpy(entry.salt.b, row->value, SALT_BYTES);
    if (id_equal(&authority, &l->own)) {
        l->mine = sim_grow(l->mine, l->mines, &l->mines_cap, sizeof entry);
        l->mine[l->mines++] = entry;
    } else {
        l->others = sim_grow(l->others, l->others_count, &l->others_cap, sizeof entry);
        l->others[l->others_count++] = entry;
    }
    return true;
}

static int by_token(const void *a, const void *b)
{
    const struct list_entry *x = a, *y = b;
    return token_compare(&x->token, &y->token);
}

/* Tokens are as good as dice, and in no store's order: by their ends, a few of every list come
 * first. */
static int by_end(const void *a, const void *b)
{
    const struct list_entry *x = a, *y = b;
    const int ends =
        memcmp(x->token.b + TOKEN_BYTES / 2, y->token.b + TOKEN_BYTES / 2, TOKEN_BYTES / 2);
    return ends != 0 ? ends : by_token(a, b);
}

/* The node's own list and as many tokens of others; in l->mine, rising, each once. */
static void mix(const struct rogue *r, struct loot *l)
{
    size_t copies = l->others_count * r->c.permille / 1000U, kept = 0;
    if (copies > ROGUE_COPIES) copies = ROGUE_COPIES;
    if (l->others_count > 0) qsort(l->others, l->others_count, sizeof *l->others, by_end);
    for (size_t i = 0; i < copies; i++) {
        l->mine = sim_grow(l->mine, l->mines, &l->mines_cap, sizeof *l->mine);
        l->mine[l->mines++] = l->others[i];
    }
    if (l->mines > 0) qsort(l->mine, l->mines, sizeof *l->mine, by_token);
    for (size_t i = 0; i < l->mines; i++) /* a child of two authorities has one token */
        if (kept == 0 || token_compare(&l->mine[kept - 1].token, &l->mine[i].token) != 0)
            l->mine[kept++] = l->mine[i];
    l->mines = kept;
}

/* --- a list of one's own making --- */

static void push_to_all(struct rogue *r, struct msg_list_update *m, struct arena *a)
{
    struct bytes payload, frame;
    if (list_update_encode(m, a, &payload) != CPIS_OK ||
        frame_wrap(FRAME_LIST_UPDATE, payload, a, &frame) != CPIS_OK)
        return;
    for (unsigned n = 0; n < sim_nodes(r->s); n++)
        if (sim_role(r->s, n) == ROLE_DIRECTORY) rogue_send(r, n, frame);
}

static struct signed_message sign_head(struct rogue *r, struct forged *f, struct arena *a)
{
    struct bytes body = {NULL, 0};
    f->head.time = rogue_wall(r);
    f->head.prev = (struct bytes){f->prev.b, sizeof f->prev.b};
    if (head_encode(&f->head, a, &body) != CPIS_OK) abort(); /* all its fields were decoded */
    return rogue_sign(r, SIGNED_HEAD, body);
}

static void push_list(struct rogue *r, struct forged *f, const struct loot *l)
{
    struct msg_list_update m = {.epoch = f->epoch, .authority = *sim_id(r->s, r->c.node)};
    for (size_t at = 0; !m.last; m.part++) {
        struct arena a = arena_make(ROWS_ARENA * 4);
        const size_t left = l->mines - at;
        const size_t part = left < LIST_PART_ENTRIES_MAX ? left : LIST_PART_ENTRIES_MAX;
        struct signed_message head = sign_head(r, f, &a);
        m.additions = (struct bytes){l->mine[at].token.b, part * ENTRY_BYTES};
        at += part;
        m.last = at == l->mines;
        m.heads = m.last ? &head : NULL;
        m.heads_count = m.last;
        push_to_all(r, &m, &a);
        arena_free(&a);
    }
}

static bool forge(struct rogue *r, const struct row *row, struct forged *f, const struct loot *l)
{
    struct arena a = arena_make(ROWS_ARENA);
    struct row_held held;
    struct msg_head h;
    struct merkle *tree = NULL;
    bool made = row_held_decode((struct bytes){row->value, row->value_len}, &a, &held) == CPIS_OK &&
                head_decode(held.head.body, &a, &h) == CPIS_OK &&
                merkle_build(l->mine, l->mines, &tree) == CPIS_OK;
    if (made) {
        f->epoch = h.epoch;
        f->prev = head_list_id(&h);
        f->head = h;
        f->head.version = h.version + 1 > rogue_wall(r) ? h.version + 1 : rogue_wall(r);
        f->head.root = merkle_root(tree);
        f->head.n = l->mines;
        f->head.shrink_confirmed = false;
        f->id = list_id_of(h.epoch, f->head.version, &f->head.root, f->head.n, &f->prev, 1);
    }
    merkle_free(&tree);
    arena_free(&a);
    return made;
}

struct publishing {
    struct rogue *r;
    const struct view *view;
};

/* One list of ours that the accomplice holds. */
static bool publish(void *arg, const struct row *row)
{
    struct publishing *p = arg;
    struct rogue *r = p->r;
    struct cpis_id authority;
    struct cursor c = cursor_read(row->key, row->key_len);
    struct loot l = {.epoch = cursor_get_u32(&c), .own = *sim_id(r->s, r->c.node)};
    cursor_get(&c, authority.b, sizeof authority.b);
    if (!cursor_done(&c) || !id_equal(&authority, &l.own)) return true;
    struct forged *f = &r->forged[r->forgeds];
    (void)p->view->scan(p->view->ctx, TABLE_LIST, NULL, 0, false, take_entry, &l);
    mix(r, &l);
    if (l.mines > 0 && forge(r, row, f, &l)) {
        push_list(r, f, &l);
        r->forgeds++;
    }
    free(l.mine);
    free(l.others);
    return r->forgeds < REGISTER_EPOCHS_MAX;
}

void rogue_copies(struct rogue *r)
{
    for (size_t i = 0; i < r->forgeds; i++) { /* as an honest head: again, with a new time */
        struct arena a = arena_make(ROWS_ARENA);
        struct signed_message head = sign_head(r, &r->forged[i], &a);
        struct msg_list_update m = {.epoch = r->forged[i].epoch,
                                    .authority = *sim_id(r->s, r->c.node),
                                    .from = r->forged[i].id,
                                    .last = true,
                                    .heads = &head,
                                    .heads_count = 1};
        push_to_all(r, &m, &a);
        arena_free(&a);
    }
    for (unsigned n = 0; n < sim_nodes(r->s) && r->forgeds == 0; n++) {
        if (sim_role(r->s, n) != ROLE_DIRECTORY || sim_is_down(r->s, n)) continue;
        struct publishing p = {r, disk_view(sim_disk(r->s, n))};
        (void)p.view->scan(p.view->ctx, TABLE_HEAD, NULL, 0, false, publish, &p);
    }
}

/* --- rolls back --- */

void rogue_keeps_lists(struct rogue *r, struct edit *e)
{
    struct frame f;
    struct msg_list_update m;
    if (e->look.kind != FRAME_LIST_UPDATE) return;
    rogue_keep(r, e);
    if (frame_unwrap(e->frame, e->a, &f) != CPIS_OK ||
        list_update_decode(f.payload, e->a, &m) != CPIS_OK)
        return;
    for (size_t i = 0; i < m.heads_count; i++)
        rogue_keep_head(r, &m.heads[i], m.epoch);
}

/* A head of an old version with a time of today: as that list signed again, or on top of the list
 * that it was followed by. */
static void old_head_anew(struct rogue *r, const struct old_head *o)
{
    struct arena a = arena_make(ROWS_ARENA);
    struct msg_head h;
    struct bytes body;
    struct msg_list_update m = {
        .epoch = o->epoch, .authority = *sim_id(r->s, r->c.node), .last = true, .heads_count = 1};
    if (head_decode(o->head.body, &a, &h) == CPIS_OK) {
        h.time = rogue_wall(r);
        if (random_chance(&r->dice, 500)) m.from = head_list_id(&h);
        if (head_encode(&h, &a, &body) == CPIS_OK) {
            struct signed_message head = rogue_sign(r, SIGNED_HEAD, body);
            m.heads = &head;
            push_to_all(r, &m, &a);
        }
    }
    arena_free(&a);
}

void rogue_rolls_back(struct rogue *r)
{
    const struct kept_frame *f = rogue_kept(r);
    const bool anew = random_chance(&r->dice, 500);
    const uint64_t which = random_below(&r->dice, r->olds);
    if (anew && r->olds > 0 && r->old[which].newest > r->old[which].version)
        old_head_anew(r, &r->old[which]);
    else if (f != NULL)
        rogue_send(r, f->to, (struct bytes){f->p, f->len});
}
