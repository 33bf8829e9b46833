#include "tests/node/core/authority_fixture.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OK(call)                                                                                   \
    do {                                                                                           \
        cpis_err ok_ = (call);                                                                     \
        assert(ok_ == CPIS_OK);                                                                    \
        (void)ok_;                                                                                 \
    } while (0)

static struct bytes dup(struct bytes b)
{
    uint8_t *p = malloc(b.len + 1);
    assert(p != NULL);
    if (b.len > 0) memcpy(p, b.p, b.len);
    return (struct bytes){p, b.len};
}

static void drop(struct bytes *b)
{
    free((void *)(uintptr_t)b->p);
    *b = (struct bytes){NULL, 0};
}

/* --- store --- */

static struct af_row *row_of(const struct af_store *s, enum table t, const void *key, size_t len)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct af_row *r = &s->row[i];
        if (r->table == t && r->key_len == len && memcmp(r->key, key, len) == 0)
            return (struct af_row *)(uintptr_t)r;
    }
    return NULL;
}

static cpis_err view_get(void *ctx, enum table t, const uint8_t *key, size_t len, uint8_t *ret,
                         size_t cap, size_t *ret_len)
{
    const struct af_store *s = ctx;
    const struct af_row *r = row_of(s, t, key, len);
    if (s->broken) return CPIS_E_STORE;
    if (r == NULL) return CPIS_E_NOTFOUND;
    if (r->value.len > cap) return CPIS_E_LIMIT;
    memcpy(ret, r->value.p, r->value.len);
    *ret_len = r->value.len;
    return CPIS_OK;
}

static int row_order(const void *a, const void *b)
{
    const struct af_row *x = *(const struct af_row *const *)a,
                        *y = *(const struct af_row *const *)b;
    size_t len = x->key_len < y->key_len ? x->key_len : y->key_len;
    if (table_hidden(x->table) == x->key_len) /* hidden whole: any order but this one */
        for (size_t i = len; i > 0; i--)
            if (x->key[i - 1] != y->key[i - 1]) return x->key[i - 1] < y->key[i - 1] ? 1 : -1;
    int c = memcmp(x->key, y->key, len);
    return c != 0 ? c : (x->key_len > y->key_len) - (x->key_len < y->key_len);
}

static cpis_err view_scan(void *ctx, enum table t, const uint8_t *prefix, size_t prefix_len,
                          bool newest_first, row_fn fn, void *arg)
{
    struct af_store *s = ctx;
    const struct af_row **found = malloc((s->count + 1) * sizeof *found);
    size_t count = 0;
    if (found == NULL) return CPIS_E_NOMEM; /* as the store may say, too */
    for (size_t i = 0; i < s->count; i++) {
        const struct af_row *r = &s->row[i];
        if (r->table == t && r->key_len >= prefix_len &&
            (prefix_len == 0 || memcmp(r->key, prefix, prefix_len) == 0))
            found[count++] = r;
    }
    if (count > 0) qsort(found, count, sizeof *found, row_order);
    for (size_t i = 0; i < count; i++) {
        const struct af_row *r = found[newest_first ? count - 1 - i : i];
        const struct row row = {t, r->key, r->key_len, r->value.p, r->value.len};
        if (!fn(arg, &row)) break;
    }
    free(found);
    return s->broken ? CPIS_E_STORE : CPIS_OK;
}

static void row_delete(struct af_store *s, struct af_row *r)
{
    drop(&r->value);
    *r = s->row[--s->count];
}

static void row_put(struct af_store *s, const struct out *o)
{
    struct af_row *r = row_of(s, o->table, o->key.p, o->key.len);
    if (r != NULL) {
        drop(&r->value);
    } else {
        assert(s->count < AF_ROWS);
        r = &s->row[s->count++];
        *r = (struct af_row){.table = o->table, .key_len = o->key.len};
        memcpy(r->key, o->key.p, o->key.len);
    }
    r->value = dup(o->value);
}

void af_copy_rows(const struct af *f, struct af_store *ret)
{
    ret->count = f->store.count;
    for (size_t i = 0; i < ret->count; i++) {
        ret->row[i] = f->store.row[i];
        ret->row[i].value = dup(f->store.row[i].value);
    }
}

void af_use_rows(struct af *f, struct af_store *from)
{
    for (size_t i = 0; i < f->store.count; i++)
        drop(&f->store.row[i].value);
    f->store.count = from->count;
    memcpy(f->store.row, from->row, from->count * sizeof from->row[0]);
    from->count = 0;
}

size_t af_rows(const struct af *f, enum table t)
{
    size_t count = 0;
    for (size_t i = 0; i < f->store.count; i++)
        count += f->store.row[i].table == t;
    return count;
}

const struct af_row *af_find(const struct af *f, enum table t, const void *key, size_t len)
{
    return row_of(&f->store, t, key, len);
}

/* --- machines --- */

static void deal(struct af *f, uint32_t epoch)
{
    uint8_t seed[DRBG_SEED_BYTES] = {(uint8_t)epoch, 99}, wide[THRESHOLD_HOLDERS_MAX * 64];
    struct threshold_polynomial p;
    struct drbg rng;
    drbg_from(seed, &rng);
    drbg_bytes(&rng, wide, sizeof wide);
    OK(threshold_deal(2, wide, &p)); /* as rf_epoch does */
    f->key[epoch - 1] = p.c[0];
    for (unsigned i = 0; i < AF_DIRS; i++)
        OK(threshold_share_for(&p, i + 1, &f->dir[i].share[epoch - 1]));
}

static void machines_free(struct af *f)
{
    authority_free(&f->authority);
    publisher_free(&f->publisher);
    children_free(&f->children);
    tokens_free(&f->tokens);
    links_free(&f->links);
}

static bool restore_log(void *arg, const struct row *row)
{
    OK(log_restore(arg, row));
    return true;
}

cpis_err af_restart_try(struct af *f)
{
    machines_free(f);
    f->delivered = f->outs; /* what was under way is lost */
    f->log = (struct chain_log){.head = {0}};
    OK(links_new(++f->starts, &f->links));
    OK(tokens_new(f->links, &f->tokens));
    OK(children_new(&f->children));
    OK(publisher_new(f->children, f->tokens, f->links, &f->publisher));
    OK(authority_new(f->children, f->publisher, &f->inbox, &f->policy, &f->authority));
    struct env *e = af_begin(f);
    OK(f->store.view.scan(&f->store, TABLE_LOG, NULL, 0, false, restore_log, &f->log));
    cpis_err err = children_restore(f->children, e);
    if (err == CPIS_OK) err = publisher_restore(f->publisher, e);
    if (err == CPIS_OK) err = authority_restore(f->authority, e);
    if (err != CPIS_OK) return err;
    (void)log_append(e, LOG_STARTED, NULL, f->starts);
    af_commit(f);
    return CPIS_OK;
}

void af_restart(struct af *f) { OK(af_restart_try(f)); }

void af_init(struct af *f)
{
    const uint8_t seed[DRBG_SEED_BYTES] = {42}, other[DRBG_SEED_BYTES] = {43};
    memset(f, 0, sizeof *f);
    f->a = arena_make((size_t)64 * 1024 * 1024);
    f->scratch = arena_make((size_t)256 * 1024 * 1024);
    f->registry = rf_federation(AF_DIRS, true, &f->a);
    f->store.view = (struct view){&f->store, view_get, view_scan};
    f->identity = rf_identity(AF_SELF);
    queue_init(&f->queue);
    drbg_from(seed, &f->rng);
    drbg_from(other, &f->query_rng);
    f->env = (struct env){.view = &f->store.view,
                          .rng = &f->rng,
                          .out = &f->queue,
                          .self = &f->identity,
                          .id = rf_id(AF_SELF),
                          .registry = f->registry,
                          .log = &f->log,
                          .scratch = &f->scratch};
    f->now = 1000000;
    f->wall = RF_T0 + CPIS_MS_HOUR;
    for (unsigned i = 0; i < AF_DIRS; i++)
        f->dir[i] = (struct af_dir){.number = i + 1, .id = rf_id(i + 1), .session = i + 1};
    deal(f, 1);
    deal(f, 2);
    af_restart(f);
    af_confirm_register(f);
}

void af_free(struct af *f)
{
    machines_free(f);
    af_forget(f);
    for (size_t i = 0; i < f->store.count; i++)
        drop(&f->store.row[i].value);
    for (unsigned i = 0; i < AF_DIRS; i++)
        for (unsigned k = 0; k < AF_EPOCHS; k++)
            drop(&f->dir[i].held[k].as_signed.body);
    registry_free(&f->registry);
    queue_deinit(&f->queue);
    arena_free(&f->scratch);
    arena_free(&f->a);
}

struct env *af_begin(struct af *f)
{
    queue_reset(&f->queue);
    arena_free(&f->scratch);
    f->env.now = f->now;
    f->env.wall = f->wall;
    return &f->env;
}

static void note(struct af *f, const struct out *o)
{
    assert(f->outs < AF_TRACE);
    struct af_out *x = &f->out[f->outs++];
    *x = (struct af_out){.type = o->type, .table = o->table, .peer = o->peer, .event = o->event};
    if (o->type != OUT_SEND) return;
    struct arena a = arena_make((size_t)4 * 1024 * 1024);
    struct frame frame;
    OK(frame_unwrap(o->frame, &a, &frame));
    x->kind = (enum frame_kind)frame.kind;
    x->bytes = dup(frame.payload);
    arena_free(&a);
}

static void pop_all(struct af *f)
{
    struct out o;
    assert(!f->queue.failed);
    while (queue_pop(&f->queue, &o)) {
        struct af_row *r = NULL;
        if (f->lose_commits) continue;
        if (o.type == OUT_PERSIST) row_put(&f->store, &o);
        if (o.type == OUT_DELETE) r = row_of(&f->store, o.table, o.key.p, o.key.len);
        if (r != NULL) row_delete(&f->store, r);
        note(f, &o);
    }
}

void af_commit(struct af *f)
{
    struct tokens_done done;
    bool more = true;
    pop_all(f);
    while (more) { /* as the node does after each input */
        struct env *e = af_begin(f);
        more = tokens_pop(f->tokens, &done);
        if (more) {
            bool mine;
            publisher_tokens_done(f->publisher, e, &done, &mine);
            assert(mine);
            tokens_release(f->tokens, done.job);
        }
        if (publisher_take_entries_added(f->publisher)) {
            authority_entries_added(f->authority, e);
            more = true;
        }
        pop_all(f);
    }
}

void af_forget(struct af *f)
{
    assert(f->delivered <= f->outs);
    for (size_t i = 0; i < f->outs; i++)
        drop(&f->out[i].bytes);
    f->outs = f->delivered = 0;
}

/* --- directories --- */

const struct registry_node *af_node(const struct af *f, unsigned number)
{
    const struct cpis_id id = rf_id(number);
    return registry_node(f->registry, &id);
}

static void show_heads(struct af *f, struct af_dir *d, uint32_t epoch)
{
    struct af_held *h = &d->held[epoch - 1];
    struct msg_head_shown shown = {.in_state = true, .head = h->as_signed};
    const struct msg_heads m = {.session = d->session,
                                .sequence = 1,
                                .epoch = epoch,
                                .whole = true,
                                .ready = !d->not_ready,
                                .heads = &shown,
                                .heads_count = h->any ? 1 : 0};
    if (d->no_heads || d->no_heads_of == epoch) return;
    publisher_recv_heads(f->publisher, af_begin(f), af_node(f, d->number), &m);
    af_commit(f);
}

static void answer_hello(struct af *f, struct af_dir *d)
{
    const struct msg_hello m = {.session = d->session, .register_version = 3, .answer = true};
    bool appeared;
    struct env *e = af_begin(f);
    links_recv_hello(f->links, e, &d->id, &m, &appeared);
    if (appeared) publisher_directory_appeared(f->publisher, e, af_node(f, d->number));
    af_commit(f);
    for (uint32_t k = 1; appeared && k <= AF_EPOCHS; k++)
        if (d->held[k - 1].any) show_heads(f, d, k);
}

static void evaluate(struct af *f, struct af_dir *d, struct bytes payload)
{
    struct msg_evaluate_request q;
    struct oprf_element pub, out[OPRF_BATCH_MAX];
    uint8_t random[THRESHOLD_NONCE_RANDOM_BYTES] = {(uint8_t)d->number};
    struct arena a = arena_make((size_t)1024 * 1024);
    OK(evaluate_request_decode(payload, &a, &q));
    d->lookups_asked += q.elements.len / OPRF_ELEMENT_BYTES;
    if (d->no_evaluation) {
        const struct msg_evaluate_reply no = {
            .request = q.request, .epoch = q.epoch, .refused = REFUSAL_QUOTA};
        tokens_recv_reply(f->tokens, af_begin(f), &d->id, &no);
    } else {
        struct msg_evaluate_reply r = {.request = q.request,
                                       .epoch = q.epoch,
                                       .index = d->number,
                                       .elements = {out[0].b, q.elements.len}};
        OK(threshold_public_share(&registry_epoch(f->registry, q.epoch)->commitments, d->number,
                                  &pub));
        OK(threshold_evaluate(&d->share[q.epoch - 1], &pub,
                              (const struct oprf_element *)(const void *)q.elements.p,
                              q.elements.len / OPRF_ELEMENT_BYTES, random, out, &r.proof));
        tokens_recv_reply(f->tokens, af_begin(f), &d->id, &r);
    }
    af_commit(f);
    arena_free(&a);
}

static void refuse(struct af *f, struct af_dir *d, uint32_t epoch, enum refusal why)
{
    struct af_held *h = &d->held[epoch - 1];
    const struct msg_list_refused m = {.epoch = epoch,
                                       .authority = f->env.id,
                                       .reason = why,
                                       .held = h->any ? &h->as_signed : NULL,
                                       .held_count = h->any ? 1 : 0};
    d->refusals++;
    publisher_recv_refused(f->publisher, af_begin(f), af_node(f, d->number), &m);
    af_commit(f);
}

static struct cpis_hash head_id(const struct msg_head *h)
{
    struct cpis_hash prev[HEAD_PREV_MAX];
    if (h->prev.len > 0) memcpy(prev, h->prev.p, h->prev.len);
    return list_id_of(h->epoch, h->version, &h->root, h->n, prev,
                      (uint8_t)(h->prev.len / CPIS_HASH_BYTES));
}

static bool names(const struct msg_head *h, const struct cpis_hash *id)
{
    for (size_t i = 0; i < h->prev.len; i += CPIS_HASH_BYTES)
        if (memcmp(h->prev.p + i, id->b, CPIS_HASH_BYTES) == 0) return true;
    return false;
}

static int by_token(const void *a, const void *b)
{
    const struct list_entry *x = a, *y = b;
    return token_compare(&x->token, &y->token);
}

/* The rules that a directory keeps (lists.c), in short. */
static enum refusal take_update(struct af *f, struct af_dir *d, const struct msg_list_update *m,
                                struct arena *a)
{
    struct af_held *h = &d->held[m->epoch - 1];
    bool whole = bytes_are_zero(m->from.b, sizeof m->from.b), linked = !h->any;
    const struct registry_node *author = af_node(f, AF_SELF);
    struct msg_head last = {.n = 0}, head;
    struct cpis_hash before = {{0}}, id = {{0}};
    for (size_t i = 0; i < m->heads_count; i++) {
        const struct signed_message *s = &m->heads[i];
        if (sign_check(&author->d.sign_key, SIGNED_HEAD, registry_net(f->registry), s->body.p,
                       s->body.len, &s->signature) != CPIS_OK)
            return REFUSAL_MALFORMED;
        OK(head_decode(s->body, a, &head));
        id = head_id(&head);
        if (i > 0 && !names(&head, &before)) return REFUSAL_NOT_DESCENDANT;
        if (h->any && names(&head, &h->id)) linked = true;
        before = id;
        last = head;
    }
    if (m->heads_count == 0) return REFUSAL_MALFORMED;
    if (!whole && (!h->any || memcmp(&m->from, &h->id, sizeof h->id) != 0)) return REFUSAL_BASE;
    bool resign = h->any && hash_equal(&id, &h->id);
    if (!resign && !linked) return REFUSAL_NOT_DESCENDANT;
    static struct list_entry next[AF_ENTRIES * 2];
    size_t n = 0;
    for (size_t i = 0; !whole && i < h->n; i++) {
        bool gone = false;
        for (size_t k = 0; k < d->staged_removals_n; k++)
            gone |= token_compare(&d->staged_removals[k], &h->entry[i].token) == 0;
        if (!gone) next[n++] = h->entry[i];
    }
    if (!whole && n + d->staged_removals_n != h->n) return REFUSAL_ROOT;
    for (size_t i = 0; i < d->staged_n; i++)
        next[n++] = d->staged[i];
    if (n > 0) qsort(next, n, sizeof next[0], by_token);
    struct merkle *t = NULL;
    if (!(resign && whole && n == 0)) {
        if (n != last.n || merkle_build(next, n, &t) != CPIS_OK) return REFUSAL_ROOT;
        const struct cpis_hash root = merkle_root(t);
        merkle_free(&t);
        if (!hash_equal(&root, &last.root)) return REFUSAL_ROOT;
        memcpy(h->entry, next, n * sizeof next[0]);
        h->n = n;
    }
    drop(&h->as_signed.body);
    h->as_signed = m->heads[m->heads_count - 1];
    h->as_signed.body = dup(h->as_signed.body);
    h->head = last;
    h->id = id;
    h->any = true;
    if (whole) d->whole_updates++;
    if (resign) d->resigns++;
    return REFUSAL_NONE;
}

static void receive_update(struct af *f, struct af_dir *d, struct bytes payload)
{
    struct msg_list_update m;
    struct arena a = arena_make((size_t)16 * 1024 * 1024);
    OK(list_update_decode(payload, &a, &m));
    if (m.part == 0) d->staged_n = d->staged_removals_n = 0;
    for (size_t i = 0; i < m.additions.len; i += 48) {
        assert(d->staged_n < AF_ENTRIES);
        memcpy(&d->staged[d->staged_n++], m.additions.p + i, 48);
    }
    for (size_t i = 0; i < m.removals.len; i += 32)
        memcpy(&d->staged_removals[d->staged_removals_n++], m.removals.p + i, 32);
    if (m.last) {
        d->updates++;
        enum refusal why = d->refuses != REFUSAL_NONE ? d->refuses : take_update(f, d, &m, &a);
        const struct msg_receipt r = {.authority_id = f->env.id,
                                      .list_id = d->held[m.epoch - 1].id,
                                      .epoch = m.epoch,
                                      .index = d->number,
                                      .time = f->wall};
        if (why != REFUSAL_NONE) {
            refuse(f, d, m.epoch, why);
        } else if (!d->no_receipts) {
            publisher_recv_receipt(f->publisher, af_begin(f), af_node(f, d->number), &r);
            af_commit(f);
        }
    }
    arena_free(&a);
}

static void give_list(struct af *f, struct af_dir *d, struct bytes payload)
{
    struct msg_list_request q;
    struct arena a = arena_make(4096);
    OK(list_request_decode(payload, &a, &q));
    struct af_held *h = &d->held[q.epoch - 1];
    d->list_requests++;
    if (h->any) {
        size_t half = h->n / 2; /* in two parts */
        struct msg_list_update m = {.epoch = q.epoch, .authority = f->env.id};
        m.additions = (struct bytes){(const uint8_t *)h->entry, half * 48};
        publisher_recv_update(f->publisher, af_begin(f), af_node(f, d->number), &m);
        af_commit(f);
        m.part = 1;
        m.last = true;
        m.additions = (struct bytes){(const uint8_t *)&h->entry[half], (h->n - half) * 48};
        m.heads = &h->as_signed;
        m.heads_count = 1;
        publisher_recv_update(f->publisher, af_begin(f), af_node(f, d->number), &m);
        af_commit(f);
    }
    arena_free(&a);
}

static void deliver(struct af *f, struct af_dir *d, enum frame_kind kind, struct bytes payload)
{
    struct msg_heads_request q;
    struct msg_recall r;
    struct arena a = arena_make(4096);
    switch ((int)kind) {
    case FRAME_HELLO: answer_hello(f, d); break;
    case FRAME_EVALUATE_REQUEST: evaluate(f, d, payload); break;
    case FRAME_LIST_UPDATE: receive_update(f, d, payload); break;
    case FRAME_LIST_REQUEST: give_list(f, d, payload); break;
    case FRAME_HEADS_REQUEST:
        OK(heads_request_decode(payload, &a, &q));
        show_heads(f, d, q.epoch);
        break;
    case FRAME_RECALL:
        OK(recall_decode(payload, &a, &r));
        d->recalls++;
        d->recall_since = r.since;
        if (d->no_recalls) break;
        authority_recv_recall(f->authority, af_begin(f), af_node(f, d->number), &r);
        af_commit(f);
        break;
    default: break;
    }
    arena_free(&a);
}

void af_settle(struct af *f)
{
    while (f->delivered < f->outs) {
        const struct af_out *x = &f->out[f->delivered++];
        if (x->type != OUT_SEND) continue;
        for (unsigned i = 0; i < AF_DIRS; i++)
            if (id_equal(&f->dir[i].id, &x->peer) && !f->dir[i].down)
                deliver(f, &f->dir[i], x->kind, x->bytes);
    }
}

static void tick(struct af *f)
{
    struct env *e = af_begin(f);
    links_tick(f->links, e);
    tokens_tick(f->tokens, e);
    publisher_tick(f->publisher, e);
    authority_tick(f->authority, e);
    af_commit(f);
    af_settle(f);
}

void af_run(struct af *f, cpis_ms ms)
{
    const cpis_ms until = f->now + ms;
    tick(f);
    for (unsigned steps = 0; f->now < until; steps++) {
        assert(steps < 200000); /* a deadline that never moves */
        cpis_ms next =
            earlier(earlier(links_deadline(f->links), tokens_deadline(f->tokens)),
                    earlier(publisher_deadline(f->publisher), authority_deadline(f->authority)));
        if (next <= f->now) next = f->now + 1;
        if (next > until) next = until;
        f->wall += next - f->now;
        f->now = next;
        tick(f);
    }
}

void af_pass(struct af *f, cpis_ms ms)
{
    f->now += ms;
    f->wall += ms;
}

void af_tick(struct af *f)
{
    authority_tick(f->authority, af_begin(f));
    af_commit(f);
}

/* --- what came out --- */

size_t af_events(const struct af *f, enum event e)
{
    size_t count = 0;
    for (size_t i = 0; i < f->outs; i++)
        count += f->out[i].type == OUT_EVENT && f->out[i].event == e;
    return count;
}

size_t af_sent(const struct af *f, unsigned number, enum frame_kind kind)
{
    const struct cpis_id id = rf_id(number == 0 ? 1 : number);
    size_t count = 0;
    for (size_t i = 0; i < f->outs; i++)
        count += f->out[i].type == OUT_SEND && f->out[i].kind == kind &&
                 (number == 0 || id_equal(&f->out[i].peer, &id));
    return count;
}

size_t af_sent_signed(struct af *f, enum signed_type type, struct signed_message *ret_last)
{
    size_t count = 0;
    for (size_t i = 0; i < f->outs; i++) {
        struct signed_message s;
        if (f->out[i].type != OUT_SEND || f->out[i].kind != FRAME_SIGNED) continue;
        OK(signed_message_decode(f->out[i].bytes, &f->a, &s));
        if (s.type != (uint32_t)type) continue;
        count++;
        if (ret_last != NULL) *ret_last = s;
    }
    return count;
}

bool af_row_before_frame(const struct af *f, enum table t, enum frame_kind kind)
{
    bool row = false, frame = false, order = true;
    for (size_t i = 0; i < f->outs; i++) {
        const struct af_out *x = &f->out[i];
        if (x->type == OUT_SEND && x->kind == kind) frame = true;
        if (x->type == OUT_PERSIST && x->table == t) {
            row = true;
            order &= !frame;
        }
    }
    return row && frame && order;
}

/* --- children --- */

struct nhs_number af_number(unsigned i)
{
    struct nhs_number n;
    char text[24];
    for (unsigned k = i * 2, valid = 0;; k++) { /* the next valid one, a different one for each i */
        snprintf(text, sizeof text, "%010llu", 9990000000ULL + (unsigned long long)k * 11 + valid);
        for (unsigned c = 0; c < 10; c++) {
            text[9] = (char)('0' + c);
            if (nhs_number_parse(text, 10, &n) == CPIS_OK) return n;
        }
        valid++;
    }
}

struct child_change af_upsert(unsigned child, uint64_t end)
{
    return (struct child_change){.type = CHANGE_UPSERT,
                                 .number = af_number(child),
                                 .birth_date = 20200101,
                                 .given = "Ann",
                                 .family = "Example",
                                 .local_id = "L1",
                                 .plan = PLAN_CPP,
                                 .start = 202601010900,
                                 .end = end,
                                 .visibility = VISIBILITY_FULL,
                                 .import_id = 1};
}

enum child_outcome af_apply(struct af *f, const struct child_change *c)
{
    enum child_outcome outcome;
    struct env *e = af_begin(f);
    OK(children_apply(f->children, e, c, &outcome));
    publisher_children_changed(f->publisher, e);
    af_commit(f);
    return outcome;
}

void af_add(struct af *f, unsigned first, unsigned count)
{
    for (unsigned i = first; i < first + count; i++) {
        const struct child_change c = af_upsert(i, 0);
        (void)af_apply(f, &c);
    }
    af_run(f, 5 * CPIS_MS_SECOND);
}

void af_remove(struct af *f, unsigned first, unsigned count)
{
    for (unsigned i = first; i < first + count; i++) {
        struct child_change c = af_upsert(i, 0);
        c.type = CHANGE_DELETE;
        (void)af_apply(f, &c);
    }
    af_run(f, 5 * CPIS_MS_SECOND);
}

struct publisher_status af_status(const struct af *f, uint32_t epoch)
{
    struct publisher_status s[8], none = {0};
    size_t count = publisher_status(f->publisher, s, 8);
    for (size_t i = 0; i < count; i++)
        if (s[i].epoch == epoch) return s[i];
    return none;
}

struct token af_token(const struct af *f, uint32_t epoch, unsigned child, struct child_keys *keys)
{
    const struct nhs_number n = af_number(child);
    const uint8_t wide[64] = {5};
    uint8_t input[THRESHOLD_INPUT_BYTES];
    struct oprf_scalar blind;
    struct oprf_element b, z;
    struct oprf_output y;
    threshold_input(epoch, n.digits, input);
    OK(oprf_scalar_from(wide, &blind));
    OK(oprf_blind_with(OPRF_MODE_VOPRF, input, sizeof input, &blind, &b));
    OK(oprf_evaluate(&f->key[epoch - 1], &b, &z));
    OK(oprf_finalize(input, sizeof input, &blind, &z, &y));
    keys_from_output(&y, epoch, keys);
    return keys->token;
}

bool af_holds(const struct af *f, unsigned directory, uint32_t epoch, unsigned child)
{
    struct child_keys keys;
    const struct token t = af_token(f, epoch, child, &keys);
    const struct af_held *h = &f->dir[directory - 1].held[epoch - 1];
    for (size_t i = 0; i < h->n; i++)
        if (token_compare(&h->entry[i].token, &t) == 0) return true;
    return false;
}

void af_next_register(struct af *f, void (*change)(struct msg_register *m, struct arena *a))
{
    struct msg_register m;
    const char *why = "";
    OK(steward_next(f->registry, f->wall, f->wall + 30 * CPIS_MS_DAY, &f->a, &m));
    change(&m, &f->a);
    const struct bytes doc = rf_document(&m, registry_net(f->registry), 3, &f->a);
    cpis_err err = registry_would_accept(f->registry, doc, &why);
    if (err != CPIS_OK) fprintf(stderr, "register refused: %s\n", why);
    OK(registry_load(f->registry, doc));
    af_confirm_register(f);
    publisher_registry_changed(f->publisher, af_begin(f));
    af_commit(f);
}

void af_confirm_register(struct af *f)
{
    for (unsigned i = 0; i < AF_DIRS; i++) {
        const struct identity id = rf_identity(i + 1);
        const struct msg_register_time m = {.node_id = f->dir[i].id,
                                            .version = registry_version(f->registry),
                                            .register_hash = *registry_hash(f->registry),
                                            .time = f->wall};
        struct signed_message s = {.type = SIGNED_REGISTER_TIME, .signer = f->dir[i].id};
        OK(register_time_encode(&m, &f->a, &s.body));
        sign_make(&id.sign, SIGNED_REGISTER_TIME, registry_net(f->registry), s.body.p, s.body.len,
                  &s.signature);
        OK(registry_heard_time(f->registry, &m, &s, f->now, f->wall));
    }
}

/* --- a query node --- */

void af_lookup_sign(struct af *f, struct af_lookup *l)
{
    const struct identity id = rf_identity(AF_QUERY);
    OK(lookup_encode(&l->m, &f->a, &l->body));
    l->as_signed =
        (struct signed_message){.type = SIGNED_LOOKUP, .signer = l->m.query_id, .body = l->body};
    sign_make(&id.sign, SIGNED_LOOKUP, registry_net(f->registry), l->body.p, l->body.len,
              &l->as_signed.signature);
    l->rh = signed_hash(&l->as_signed);
}

struct af_lookup af_lookup(struct af *f, unsigned child)
{
    struct af_lookup l = {.child = child, .epoch = 1};
    l.m = (struct msg_lookup){.version = LOOKUP_VERSION,
                              .epoch = 1,
                              .query_id = rf_id(AF_QUERY),
                              .time = f->wall,
                              .register_version = registry_version(f->registry),
                              .register_hash = *registry_hash(f->registry)};
    (void)af_token(f, 1, child, &l.keys);
    drbg_bytes(&f->query_rng, l.m.rid.b, sizeof l.m.rid.b);
    drbg_bytes(&f->query_rng, l.ephemeral.b, sizeof l.ephemeral.b);
    box_public_of(&l.ephemeral, &l.m.ephemeral);
    const struct handle r = handle_make(1, &l.m.query_id, &l.m.rid);
    l.m.tag = handle_tag(&l.keys.token, &r);
    l.m.bucket = token_bucket(&l.keys.token, 8);
    af_lookup_sign(f, &l);
    return l;
}

void af_bring(struct af *f, unsigned directory, const struct af_lookup *l)
{
    const struct registry_node *signer = registry_node_ever(f->registry, &l->m.query_id);
    authority_recv_lookup(f->authority, af_begin(f), af_node(f, directory), signer, &l->as_signed,
                          &l->m);
    af_commit(f);
}

struct msg_ask_details af_ask(unsigned child, const char *user, bool scheduled)
{
    struct msg_ask_details d = {.scheduled = scheduled, .purpose = PURPOSE_DIRECT_CARE};
    memcpy(d.nhs_number, af_number(child).digits, sizeof d.nhs_number);
    snprintf(d.user_id, sizeof d.user_id, "%s", user);
    snprintf(d.user_name, sizeof d.user_name, "Nurse %s", user);
    snprintf(d.role_code, sizeof d.role_code, "R0670");
    snprintf(d.role_name, sizeof d.role_name, "Sister");
    snprintf(d.organisation_code, sizeof d.organisation_code, "RJ1");
    snprintf(d.organisation_name, sizeof d.organisation_name, "Example Hospital");
    return d;
}

struct msg_details af_details(struct af *f, const struct af_lookup *l,
                              const struct msg_ask_details *ask)
{
    struct msg_details m = {
        .query_id = l->m.query_id, .rh = l->rh, .authority_id = f->env.id, .time = f->wall};
    struct symmetric_key key;
    struct bytes plain;
    drbg_bytes(&f->query_rng, m.nonce, sizeof m.nonce);
    OK(details_key(&l->keys.request, &l->ephemeral, &f->identity.pub.sealing, &l->m.ephemeral,
                   &f->identity.pub.sealing, &l->rh, &key));
    OK(ask_details_encode(ask, &f->a, &plain));
    const struct cpis_hash aad = details_aad(&m.query_id, &m.rh, &m.authority_id, m.time);
    OK(seal_make(&key, m.nonce, &aad, plain.p, plain.len, DETAILS_PADDED_BYTES, m.ciphertext));
    return m;
}

void af_bring_details(struct af *f, unsigned directory, const struct msg_details *m)
{
    const struct registry_node *signer = registry_node_ever(f->registry, &m->query_id);
    authority_recv_details(f->authority, af_begin(f), af_node(f, directory), signer, m);
    af_commit(f);
}

struct af_lookup af_look(struct af *f, unsigned child, const struct msg_ask_details *ask)
{
    struct af_lookup l = af_lookup(f, child);
    const struct msg_details d = af_details(f, &l, ask);
    af_bring(f, 1, &l);
    af_bring_details(f, 1, &d);
    return l;
}

unsigned af_acked(struct af *f, const struct cpis_hash *rh)
{
    unsigned outcome = 0;
    for (size_t i = 0; i < f->outs; i++) {
        struct signed_message s;
        struct msg_ack m;
        if (f->out[i].type != OUT_SEND || f->out[i].kind != FRAME_SIGNED) continue;
        OK(signed_message_decode(f->out[i].bytes, &f->a, &s));
        if (s.type != SIGNED_ACK) continue;
        OK(sign_check(&f->identity.pub.sign, SIGNED_ACK, registry_net(f->registry), s.body.p,
                      s.body.len, &s.signature));
        OK(ack_decode(s.body, &f->a, &m));
        if (hash_equal(&m.rh, rh)) outcome = m.outcome;
    }
    return outcome;
}

cpis_err af_open(struct af *f, const struct af_lookup *l, enum answer_status *ret_status,
                 struct msg_flag_payload *ret)
{
    struct signed_message s;
    struct msg_answer m;
    struct symmetric_key key;
    uint8_t padded[ANSWER_PADDED_BYTES];
    const uint8_t *inside;
    size_t len;
    if (af_sent_signed(f, SIGNED_ANSWER, &s) == 0) return CPIS_E_NOTFOUND;
    OK(sign_check(&f->identity.pub.sign, SIGNED_ANSWER, registry_net(f->registry), s.body.p,
                  s.body.len, &s.signature));
    OK(answer_decode(s.body, &f->a, &m));
    if (!hash_equal(&m.rh, &l->rh)) return CPIS_E_NOTFOUND;
    OK(answer_key(&l->keys.answer, &l->ephemeral, &m.ephemeral, &l->m.ephemeral, &m.ephemeral,
                  &l->rh, &key));
    const struct cpis_hash aad =
        answer_aad(&f->env.id, &l->rh, m.time, m.head_version, &m.ephemeral);
    cpis_err err = seal_open(&key, m.nonce, &aad, m.ciphertext, sizeof m.ciphertext, padded,
                             sizeof padded, &inside, &len);
    if (err != CPIS_OK) return err;
    *ret_status = (enum answer_status)inside[0];
    return flag_payload_decode((struct bytes){inside + 1, len - 1}, &f->a, ret);
}

bool af_access(struct af *f, const struct cpis_hash *rh, struct row_access *ret)
{
    const struct af_row *r = af_find(f, TABLE_ACCESS, rh->b, sizeof rh->b);
    if (r == NULL) return false;
    OK(row_access_decode(r->value, &f->a, ret));
    return true;
}

size_t af_notifications(struct af *f, struct row_notification *ret_last)
{
    size_t count = 0;
    uint64_t last = 0;
    for (size_t i = 0; i < f->store.count; i++) {
        struct row_notification n;
        if (f->store.row[i].table != TABLE_NOTIFICATION) continue;
        OK(row_notification_decode(f->store.row[i].value, &f->a, &n));
        count++;
        if (n.id < last || ret_last == NULL) continue;
        last = n.id;
        *ret_last = n;
    }
    return count;
}
