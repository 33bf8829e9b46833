#include "node/core/io.h"

#include "crypto/merkle.h"
#include "node/core/registry.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name, *text;
    unsigned level;
} events[EVENT_COUNT] = {
#define CPIS_X(name, level, text) [name] = {#name, text, level},
    CPIS_EVENTS(CPIS_X)
#undef CPIS_X
};

const char *event_name(enum event e) { return (unsigned)e < EVENT_COUNT ? events[e].name : ""; }
const char *event_text(enum event e) { return (unsigned)e < EVENT_COUNT ? events[e].text : ""; }
unsigned event_level(enum event e) { return (unsigned)e < EVENT_COUNT ? events[e].level : 0; }

void queue_init(struct queue *q) { *q = (struct queue){.arena = arena_make(QUEUE_BYTES_MAX)}; }

void queue_deinit(struct queue *q)
{
    free(q->out);
    arena_free(&q->arena);
    *q = (struct queue){.arena = arena_make(0)};
}

void queue_reset(struct queue *q)
{
    arena_reset(&q->arena);
    q->count = q->at = 0;
    q->failed = false;
}

bool queue_pop(struct queue *q, struct out *ret)
{
    if (q->at == q->count) return false;
    *ret = q->out[q->at++];
    return true;
}

static struct bytes keep(struct queue *q, const void *p, size_t len)
{
    struct bytes b = {arena_copy(&q->arena, p, len), len};
    if (b.p == NULL) q->failed = true;
    return b;
}

static void push(struct queue *q, const struct out *o)
{
    if (q->count == q->cap) {
        size_t cap = q->cap == 0 ? 64 : 2 * q->cap;
        struct out *grown = realloc(q->out, cap * sizeof *grown);
        if (grown == NULL) {
            q->failed = true;
            return;
        }
        q->out = grown;
        q->cap = cap;
    }
    if (!q->failed) q->out[q->count++] = *o;
}

void emit_persist(struct env *e, enum table t, const void *key, size_t key_len, struct bytes value)
{
    assert(key_len <= TABLE_KEY_BYTES_MAX && key_len >= table_hidden(t));
    const struct out o = {.type = OUT_PERSIST,
                          .table = t,
                          .key = keep(e->out, key, key_len),
                          .value = keep(e->out, value.p, value.len)};
    push(e->out, &o);
}

void emit_delete(struct env *e, enum table t, const void *key, size_t key_len)
{
    assert(key_len <= TABLE_KEY_BYTES_MAX && key_len >= table_hidden(t));
    const struct out o = {.type = OUT_DELETE, .table = t, .key = keep(e->out, key, key_len)};
    push(e->out, &o);
}

void emit_event(struct env *e, enum event event, const struct cpis_id *peer, uint64_t number)
{
    struct out o = {.type = OUT_EVENT, .event = event, .number = number};
    if (peer != NULL) o.peer = *peer;
    push(e->out, &o);
}

void emit_result(struct env *e, uint64_t command, const void *result, size_t len)
{
    const struct out o = {
        .type = OUT_RESULT, .command = command, .result = keep(e->out, result, len).p};
    push(e->out, &o);
}

void emit_work(struct env *e, struct work *w)
{
    const struct out o = {.type = OUT_WORK, .work = w};
    push(e->out, &o);
}

struct bytes wrap_frame(struct env *e, enum frame_kind kind, struct bytes payload)
{
    struct bytes frame = {NULL, 0};
    cpis_err err = frame_wrap(kind, payload, &e->out->arena, &frame);
    assert(err == CPIS_OK || err == CPIS_E_NOMEM); /* too large for its kind: our bug */
    if (err != CPIS_OK) e->out->failed = true;
    return frame;
}

void emit_wrapped(struct env *e, const struct cpis_id *peer, struct bytes frame)
{
    const struct out o = {.type = OUT_SEND, .peer = *peer, .frame = frame, .telling = e->telling};
    if (frame.p != NULL) push(e->out, &o);
}

void emit_frame(struct env *e, const struct cpis_id *peer, enum frame_kind kind,
                struct bytes payload)
{
    emit_wrapped(e, peer, wrap_frame(e, kind, payload));
}

void emit_failure(struct env *e) { e->out->failed = true; }

void emit_unread(struct env *e, cpis_err err, enum table t)
{
    if (err == CPIS_E_NOMEM)
        emit_failure(e);
    else
        emit_event(e, EVENT_STORE_READ, NULL, t);
}

cpis_err read_row(const struct env *e, enum table t, const void *key, size_t key_len, uint8_t *ret,
                  size_t cap, size_t *ret_len)
{
    for (size_t i = e->out->count; i > e->out->at; i--) {
        const struct out *o = &e->out->out[i - 1];
        if ((o->type != OUT_PERSIST && o->type != OUT_DELETE) || o->table != t) continue;
        if (o->key.len != key_len || memcmp(o->key.p, key, key_len) != 0) continue;
        if (o->type == OUT_DELETE) return CPIS_E_NOTFOUND;
        if (o->value.len > cap) return CPIS_E_LIMIT;
        memcpy(ret, o->value.p, o->value.len);
        *ret_len = o->value.len;
        return CPIS_OK;
    }
    return e->view->get(e->view->ctx, t, key, key_len, ret, cap, ret_len);
}

struct signed_message sign_body(const struct env *e, enum signed_type type, struct bytes body)
{
    struct signed_message m = {.type = type, .signer = e->id, .body = body};
    sign_make(&e->self->sign, (uint8_t)type, registry_net(e->registry), body.p, body.len,
              &m.signature);
    return m;
}

struct bytes signed_bytes(struct env *e, const struct signed_message *m)
{
    struct bytes b = {NULL, 0};
    cpis_err err = signed_message_encode(m, e->scratch, &b);
    assert(err == CPIS_OK || err == CPIS_E_NOMEM);
    if (err != CPIS_OK) emit_failure(e);
    return b;
}

struct cpis_hash signed_hash(const struct signed_message *m)
{
    return hash_of_signed(m->body.p, m->body.len, m->signature.b);
}

struct cpis_hash head_list_id(const struct msg_head *h)
{
    struct cpis_hash prev[HEAD_PREV_MAX];
    if (h->prev.len > 0) memcpy(prev, h->prev.p, h->prev.len); /* the decoder bounds it */
    return list_id_of(h->epoch, h->version, &h->root, h->n, prev,
                      (uint8_t)(h->prev.len / CPIS_HASH_BYTES));
}

void emit_signed(struct env *e, const struct cpis_id *peer, const struct signed_message *m)
{
    struct bytes b = signed_bytes(e, m);
    if (b.p != NULL) emit_frame(e, peer, FRAME_SIGNED, b);
}
