#include "tests/node/core/directory_fixture.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define MUST(call)                                                                                 \
    do {                                                                                           \
        cpis_err must_ = (call);                                                                   \
        assert(must_ == CPIS_OK);                                                                  \
        (void)must_;                                                                               \
    } while (0)

static cpis_err machines_make(struct df *d)
{
    MUST(links_new(4711, &d->links));
    MUST(evaluator_new(&d->evaluator));
    MUST(lists_new(d->links, &d->lists));
    MUST(courier_new(d->lists, d->evaluator, d->links, &d->courier));
    struct env *e = df_begin(d);
    cpis_err err = evaluator_restore(d->evaluator, e);
    if (err == CPIS_OK) err = lists_restore(d->lists, e);
    if (err == CPIS_OK) err = courier_restore(d->courier, e);
    df_commit(d);
    return err;
}

static void machines_free(struct df *d)
{
    courier_free(&d->courier);
    lists_free(&d->lists);
    evaluator_free(&d->evaluator);
    links_free(&d->links);
}

void df_init(struct df *d, unsigned directories)
{
    memset(d, 0, sizeof *d);
    d->a = arena_make((size_t)64 * 1024 * 1024);
    d->registry = rf_federation(directories, true, &d->a);
    d->store = calloc(1, sizeof *d->store);
    assert(d->store != NULL);
    rf_store_init(d->store);
    rf_node_init(&d->node, DF_SELF, d->registry, d->store);
    d->now = 1000000;
    d->wall = RF_T0 + CPIS_MS_HOUR;
    MUST(machines_make(d));
}

void df_deinit(struct df *d)
{
    machines_free(d);
    rf_node_free(&d->node);
    rf_store_free(d->store);
    free(d->store);
    registry_free(&d->registry);
    arena_free(&d->a);
}

cpis_err df_restart(struct df *d)
{
    machines_free(d);
    return machines_make(d);
}

struct env *df_begin(struct df *d) { return rf_begin(&d->node, d->now, d->wall); }

void df_commit(struct df *d)
{
    d->outs = 0;
    for (size_t i = 0; i < d->node.queue.count; i++) {
        const struct out *o = &d->node.queue.out[i];
        struct frame f = {.kind = 0};
        if (o->type == OUT_SEND) MUST(frame_unwrap(o->frame, &d->a, &f));
        assert(d->outs < DF_OUTS);
        d->out[d->outs++] = (struct df_out){o->type, o->table, (enum frame_kind)f.kind, o->peer};
    }
    rf_commit(&d->node, false);
}

void df_pass(struct df *d, cpis_ms ms)
{
    d->now += ms;
    d->wall += ms;
}

void df_tick(struct df *d)
{
    struct env *e = df_begin(d);
    lists_tick(d->lists, e);
    courier_tick(d->courier, e);
    evaluator_tick(d->evaluator, e);
    df_commit(d);
}

const struct registry_node *df_node(const struct df *d, unsigned number)
{
    const struct cpis_id id = rf_id(number);
    const struct registry_node *n = registry_node_ever(d->registry, &id);
    assert(n != NULL);
    return n;
}

void df_appear(struct df *d, unsigned number, uint64_t session)
{
    const struct registry_node *n = df_node(d, number);
    const struct msg_hello hello = {.session = session, .answer = true};
    struct env *e = df_begin(d);
    bool appeared;
    links_recv_hello(d->links, e, &n->id, &hello, &appeared);
    if (appeared) {
        lists_peer_appeared(d->lists, e, n);
        courier_peer_appeared(d->courier, e, n);
    }
    df_commit(d);
}

struct oprf_scalar df_share_of(uint32_t epoch, unsigned t, unsigned index)
{
    uint8_t seed[DRBG_SEED_BYTES] = {(uint8_t)epoch, 99}, wide[THRESHOLD_HOLDERS_MAX * 64];
    struct threshold_polynomial p;
    struct oprf_scalar share;
    struct drbg rng;
    drbg_from(seed, &rng); /* as rf_epoch does */
    drbg_bytes(&rng, wide, sizeof wide);
    MUST(threshold_deal(t, wide, &p));
    MUST(threshold_share_for(&p, index, &share));
    return share;
}

void df_add_share(struct df *d, uint32_t epoch)
{
    const struct registry_epoch *ep = registry_epoch(d->registry, 1);
    const struct row_share row = {
        .epoch = epoch, .index = DF_SELF, .scalar = df_share_of(epoch, ep->t, DF_SELF)};
    struct env *e = df_begin(d);
    MUST(evaluator_add_share(d->evaluator, e, &row));
    df_commit(d);
}

void df_next_register(struct df *d, void (*change)(struct msg_register *m, struct arena *a))
{
    struct msg_register m;
    const struct net_id net = *registry_net(d->registry);
    MUST(steward_next(d->registry, d->wall, d->wall + 30 * CPIS_MS_DAY, &d->a, &m));
    change(&m, &d->a);
    struct bytes document = rf_document(&m, &net, 3, &d->a);
    const char *why = NULL;
    cpis_err err = registry_would_accept(d->registry, document, &why);
    assert(err == CPIS_OK);
    err = registry_load(d->registry, document);
    assert(err == CPIS_OK);
    struct env *e = df_begin(d);
    lists_registry_changed(d->lists, e);
    courier_registry_changed(d->courier, e);
    df_commit(d);
}

/* --- outputs --- */

unsigned df_event(const struct df *d, enum event e) { return d->node.step.events[e]; }

size_t df_sent(struct df *d, unsigned number, enum frame_kind kind, struct bytes *ret_last)
{
    size_t count = 0;
    const struct cpis_id id = rf_id(number);
    for (size_t i = 0; i < d->node.step.sent_count; i++) {
        const struct rf_sent *s = &d->node.step.sent[i];
        struct frame f;
        if (number != 0 && !id_equal(&s->peer, &id)) continue;
        MUST(frame_unwrap(s->frame, &d->a, &f));
        if (f.kind != (uint32_t)kind) continue;
        if (ret_last != NULL) *ret_last = f.payload;
        count++;
    }
    return count;
}

size_t df_sent_signed(struct df *d, unsigned number, enum signed_type type,
                      struct signed_message *ret_last)
{
    size_t count = 0;
    const struct cpis_id id = rf_id(number);
    for (size_t i = 0; i < d->node.step.sent_count; i++) {
        const struct rf_sent *s = &d->node.step.sent[i];
        struct frame f;
        struct signed_message m;
        if (number != 0 && !id_equal(&s->peer, &id)) continue;
        MUST(frame_unwrap(s->frame, &d->a, &f));
        if (f.kind != FRAME_SIGNED) continue;
        MUST(signed_message_decode(f.payload, &d->a, &m));
        if (m.type != (uint32_t)type) continue;
        if (ret_last != NULL) *ret_last = m;
        count++;
    }
    return count;
}

bool df_row_before_frame(const struct df *d, enum table t, enum frame_kind kind)
{
    size_t rows = 0, frames = 0;
    for (size_t i = 0; i < d->outs; i++) {
        if (d->out[i].type == OUT_PERSIST && d->out[i].table == t) {
            rows++;
            if (frames > 0) return false;
        }
        if (d->out[i].type == OUT_SEND && d->out[i].kind == kind) frames++;
    }
    return rows > 0 && frames > 0;
}

/* --- an authority --- */

struct list_entry df_entry(unsigned child)
{
    struct list_entry e;
    const uint8_t b[4] = {(uint8_t)child, (uint8_t)(child >> 8), 1, 2};
    struct cpis_hash h = hash_of(b, sizeof b);
    memcpy(e.token.b, h.b, sizeof e.token.b);
    h = hash_of(h.b, sizeof h.b);
    memcpy(e.salt.b, h.b, sizeof e.salt.b);
    return e;
}

void df_list_add(struct df_list *l, unsigned child)
{
    struct list_entry e = df_entry(child);
    size_t i = 0;
    while (i < l->n && token_compare(&l->entry[i].token, &e.token) < 0)
        i++;
    assert(l->n < DF_ENTRIES);
    memmove(&l->entry[i + 1], &l->entry[i], (l->n - i) * sizeof e);
    l->entry[i] = e;
    l->n++;
}

void df_list_remove(struct df_list *l, unsigned child)
{
    struct list_entry e = df_entry(child);
    for (size_t i = 0; i < l->n; i++) {
        if (token_compare(&l->entry[i].token, &e.token) != 0) continue;
        l->n--;
        memmove(&l->entry[i], &l->entry[i + 1], (l->n - i) * sizeof e);
        return;
    }
    assert(false);
}

struct df_list df_list(const struct df *d, unsigned author, unsigned first, size_t n)
{
    struct df_list l = {.author = author, .epoch = 1, .version = d->wall, .time = d->wall};
    for (unsigned i = 0; i < n; i++)
        df_list_add(&l, first + i);
    return l;
}

struct df_list df_list_next(const struct df_list *last)
{
    struct df_list l = *last;
    l.version += 1000;
    l.time += 1000;
    l.prev[0] = df_list_id(last);
    l.prev_count = 1;
    l.shrink_confirmed = false;
    return l;
}

struct cpis_hash df_list_root(const struct df_list *l)
{
    struct merkle *m = NULL;
    MUST(merkle_build(l->entry, l->n, &m));
    struct cpis_hash root = merkle_root(m);
    merkle_free(&m);
    return root;
}

struct cpis_hash df_list_id(const struct df_list *l)
{
    struct cpis_hash root = df_list_root(l);
    return list_id_of(l->epoch, l->version, &root, l->n, l->prev, (uint8_t)l->prev_count);
}

struct signed_message df_sign(struct df *d, unsigned number, enum signed_type type,
                              struct bytes body)
{
    const struct identity id = rf_identity(number);
    struct signed_message m = {.type = type, .signer = rf_id(number), .body = body};
    sign_make(&id.sign, (uint8_t)type, registry_net(d->registry), body.p, body.len, &m.signature);
    return m;
}

struct signed_message df_head(struct df *d, const struct df_list *l)
{
    const struct msg_head h = {.authority_id = rf_id(l->author),
                               .epoch = l->epoch,
                               .version = l->version,
                               .prev = {l->prev[0].b, l->prev_count * CPIS_HASH_BYTES},
                               .root = df_list_root(l),
                               .n = l->n,
                               .time = l->time,
                               .shrink_confirmed = l->shrink_confirmed};
    struct bytes body;
    MUST(head_encode(&h, &d->a, &body));
    return df_sign(d, l->author, SIGNED_HEAD, body);
}

void df_push_message(struct df *d, unsigned peer, const struct msg_list_update *m)
{
    const struct cpis_id id = rf_id(peer);
    struct env *e = df_begin(d);
    lists_recv_update(d->lists, e, &id, m);
    df_commit(d);
}

void df_push_chain(struct df *d, unsigned peer, const struct df_list *const *chain, size_t count)
{
    const struct df_list *l = chain[count - 1];
    struct signed_message heads[DF_HEADS];
    assert(count <= DF_HEADS);
    for (size_t i = 0; i < count; i++)
        heads[i] = df_head(d, chain[i]);
    const struct msg_list_update m = {.epoch = l->epoch,
                                      .authority = rf_id(l->author),
                                      .last = true,
                                      .additions = {l->entry[0].token.b, l->n * sizeof l->entry[0]},
                                      .heads = heads,
                                      .heads_count = count};
    df_push_message(d, peer, &m);
}

void df_push(struct df *d, unsigned peer, const struct df_list *l)
{
    df_push_chain(d, peer, &l, 1);
}

static bool has(const struct df_list *l, const struct list_entry *e)
{
    for (size_t i = 0; i < l->n; i++)
        if (token_compare(&l->entry[i].token, &e->token) == 0) return true;
    return false;
}

void df_push_delta(struct df *d, unsigned peer, const struct df_list *base, const struct df_list *l)
{
    struct list_entry more[DF_ENTRIES];
    struct token gone[DF_ENTRIES];
    size_t more_count = 0, gone_count = 0;
    for (size_t i = 0; i < l->n; i++)
        if (!has(base, &l->entry[i])) more[more_count++] = l->entry[i];
    for (size_t i = 0; i < base->n; i++)
        if (!has(l, &base->entry[i])) gone[gone_count++] = base->entry[i].token;
    struct signed_message head = df_head(d, l);
    const struct msg_list_update m = {.epoch = l->epoch,
                                      .authority = rf_id(l->author),
                                      .from = df_list_id(base),
                                      .last = true,
                                      .additions = {more[0].token.b, more_count * sizeof more[0]},
                                      .removals = {gone[0].b, gone_count * sizeof gone[0]},
                                      .heads = &head,
                                      .heads_count = 1};
    df_push_message(d, peer, &m);
}

enum refusal df_refused(struct df *d, unsigned author)
{
    struct bytes b;
    struct msg_list_refused m;
    if (df_sent(d, author, FRAME_LIST_REFUSED, &b) == 0) return REFUSAL_NONE;
    MUST(list_refused_decode(b, &d->a, &m));
    return (enum refusal)m.reason;
}

void df_tell_heads(struct df *d, unsigned number, uint32_t epoch, const struct df_list *const *l,
                   size_t count)
{
    struct msg_head_shown shown[DF_HEADS];
    const struct cpis_id id = rf_id(number);
    assert(count <= DF_HEADS);
    for (size_t i = 0; i < count; i++)
        shown[i] = (struct msg_head_shown){.in_state = true, .head = df_head(d, l[i])};
    const struct msg_heads m = {
        .epoch = epoch, .whole = true, .heads = shown, .heads_count = count};
    struct env *e = df_begin(d);
    lists_recv_heads(d->lists, e, &id, &m);
    df_commit(d);
}

bool df_in_state(const struct df *d, unsigned author, uint32_t epoch, uint64_t *ret_version)
{
    struct list_summary s[DF_HEADS];
    const struct cpis_id id = rf_id(author);
    size_t count = lists_summary(d->lists, s, DF_HEADS);
    for (size_t i = 0; i < count; i++) {
        if (s[i].epoch != epoch || !id_equal(&s[i].authority, &id)) continue;
        if (ret_version != NULL) *ret_version = s[i].version;
        return s[i].in_state;
    }
    return false;
}

/* --- a query node --- */

struct msg_lookup df_lookup(const struct df *d, unsigned child)
{
    const struct list_entry entry = df_entry(child);
    struct msg_lookup m = {.version = LOOKUP_VERSION,
                           .epoch = 1,
                           .query_id = rf_id(DF_QUERY),
                           .rid = {{(uint8_t)child, (uint8_t)(child >> 8), 3}},
                           .time = d->wall,
                           .bucket = token_bucket(&entry.token, 8),
                           .register_version = registry_version(d->registry),
                           .register_hash = *registry_hash(d->registry)};
    struct handle h = handle_make(m.epoch, &m.query_id, &m.rid);
    m.tag = handle_tag(&entry.token, &h);
    return m;
}

struct msg_lookup_reply df_look_up(struct df *d, const struct msg_lookup *m, struct cpis_hash *rh)
{
    struct bytes body, payload;
    struct msg_lookup_reply reply;
    MUST(lookup_encode(m, &d->a, &body));
    struct signed_message s = df_sign(d, DF_QUERY, SIGNED_LOOKUP, body);
    struct env *e = df_begin(d);
    courier_recv_lookup(d->courier, e, df_node(d, DF_QUERY), &s, m);
    df_commit(d);
    if (rh != NULL) *rh = signed_hash(&s);
    size_t replies = df_sent(d, DF_QUERY, FRAME_LOOKUP_REPLY, &payload);
    assert(replies == 1);
    (void)replies;
    MUST(lookup_reply_decode(payload, &d->a, &reply));
    return reply;
}
