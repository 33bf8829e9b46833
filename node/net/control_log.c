/* The log, and what this node holds that others have signed: what an audit is made of. */
#include "node/core/node.h"
#include "node/net/control_int.h"

#define EXPORT_BATCH 500U /* log entries in one reply */
#define EXPORT_LIMIT 100000U
#define HELD_BATCH   100U /* signed messages in one reply */
#define HELD_ARENA   ((size_t)8 << 20)

/* --- the log --- */

struct export
{
    struct control *c;
    struct request *r;
    json_t *batch;
    uint64_t after, last, left;
};

static void send_batch(struct export *x)
{
    if (json_array_size(x->batch) == 0) return;
    json_t *o = json_object();
    put(o, "entries", x->batch);
    control_more(x->c, x->r, o);
    x->batch = json_array();
}

static uint64_t sequence_of(const struct row *row)
{
    uint64_t n = 0;
    for (size_t i = 0; i < row->key_len && i < 8; i++)
        n = n << 8 | row->key[i];
    return n;
}

static bool export_entry(void *arg, const struct row *row)
{
    struct export *x = arg;
    uint64_t sequence = sequence_of(row);
    if (sequence <= x->after) return true;
    json_t *o = json_object();
    put(o, "sequence", json_integer((json_int_t)sequence));
    put(o, "entry", json_hex(row->value, row->value_len));
    (void)json_array_append_new(x->batch, o);
    x->last = sequence;
    if (json_array_size(x->batch) == EXPORT_BATCH) send_batch(x);
    return --x->left > 0;
}

static json_t *signed_head(const struct node *n)
{
    struct arena a = arena_make(FRAME_BYTES_MAX);
    struct bytes b;
    json_t *o = NULL;
    if (!registry_is_empty(node_registry(n)) && node_log_head(n, &a, &b) == CPIS_OK)
        o = json_hex(b.p, b.len);
    arena_free(&a);
    return o;
}

/* log_export: {after?, limit?} -> "more" {entries: [{sequence, entry: hex}]}, last {last, sequence,
 * head, signed}: the last entry given, and the head of the whole log, which the node signs */
json_t *control_log_export(struct control *c, const struct control_env *env, struct request *r,
                           struct fault *f)
{
    struct export x = {.c = c, .r = r, .left = EXPORT_LIMIT};
    if (!get_integer(r->body, "after", false, INT64_MAX, &x.after, f) ||
        !get_integer(r->body, "limit", false, EXPORT_LIMIT, &x.left, f))
        return NULL;
    if (x.left == 0) x.left = 1;
    x.last = x.after;
    x.batch = json_array();
    cpis_err err = env->view->scan(env->view->ctx, TABLE_LOG, NULL, 0, false, export_entry, &x);
    send_batch(&x);
    json_decref(x.batch);
    if (err != CPIS_OK) return fail_with(f, err, LOOK_AT_THE_DISK, "the log can't be read");
    json_t *o = json_object();
    put(o, "last", json_integer((json_int_t)x.last));
    if (env->node != NULL) {
        struct node_status s;
        node_status(env->node, env->now, env->wall, &s);
        put(o, "sequence", json_integer((json_int_t)s.log.sequence));
        put(o, "head", json_hex(s.log.head.b, sizeof s.log.head.b));
        put(o, "signed", signed_head(env->node));
    }
    return o;
}

/* --- what others have signed --- */

struct holding {
    struct control *c;
    struct request *r;
    json_t *batch;
    cpis_err err;
};

static void send_held(struct holding *h)
{
    if (json_array_size(h->batch) == 0) return;
    json_t *o = json_object();
    put(o, "held", h->batch);
    control_more(h->c, h->r, o);
    h->batch = json_array();
}

static void hold(struct holding *h, struct bytes signed_message)
{
    if (signed_message.len == 0) return;
    (void)json_array_append_new(h->batch, json_hex(signed_message.p, signed_message.len));
    if (json_array_size(h->batch) == HELD_BATCH) send_held(h);
}

static void hold_decoded(struct holding *h, const struct signed_message *m, struct arena *a)
{
    struct bytes b;
    if (h->err == CPIS_OK) h->err = signed_message_encode(m, a, &b);
    if (h->err == CPIS_OK) hold(h, b);
}

static void hold_evidence(struct holding *h, struct bytes row, struct arena *a)
{
    struct row_evidence ev;
    h->err = row_evidence_decode(row, a, &ev);
    if (h->err != CPIS_OK) return;
    for (size_t i = 0; i < ev.searches_count; i++) {
        const struct row_search *s = &ev.searches[i];
        for (size_t k = 0; k < s->statements_count; k++)
            hold_decoded(h, &s->statements[k].statement, a);
        for (size_t k = 0; k < s->answers_count; k++)
            hold_decoded(h, &s->answers[k].answer, a);
    }
    for (size_t i = 0; i < ev.register_times_count; i++)
        hold_decoded(h, &ev.register_times[i], a);
}

/* A row of the table, and what of it others have signed. Details are left out: they are the
 * authority's alone. */
static bool hold_row(struct holding *h, enum table t, const struct row *row)
{
    const struct bytes value = {row->value, row->value_len};
    struct arena a = arena_make(HELD_ARENA);
    struct row_copy copy;
    struct row_held held;
    struct row_access access;
    switch ((int)t) {
    case TABLE_COPY:
        h->err = row_copy_decode(value, &a, &copy);
        if (h->err == CPIS_OK) hold(h, copy.lookup);
        if (h->err == CPIS_OK) hold(h, copy.ack);
        break;
    case TABLE_HEAD: /* of a directory: a held head, or one that it has superseded */
        if (row->key_len == 4 + CPIS_ID_BYTES)
            h->err = row_held_decode(value, &a, &held);
        else
            hold(h, value);
        if (h->err == CPIS_OK && row->key_len == 4 + CPIS_ID_BYTES) hold_decoded(h, &held.head, &a);
        break;
    case TABLE_ACCESS:
        h->err = row_access_decode(value, &a, &access);
        if (h->err == CPIS_OK) hold(h, access.lookup);
        break;
    case TABLE_EVIDENCE: hold_evidence(h, value, &a); break;
    default: hold(h, value); break; /* a signed message by itself */
    }
    arena_free(&a);
    return h->err == CPIS_OK;
}

#define HOLD(table)                                                                                \
    static bool hold_##table(void *arg, const struct row *row) { return hold_row(arg, table, row); }
HOLD(TABLE_COPY)
HOLD(TABLE_LAST_ACK)
HOLD(TABLE_HEAD)
HOLD(TABLE_ACCESS)
HOLD(TABLE_EVIDENCE)
HOLD(TABLE_SEEN_HEAD)
static const struct {
    enum node_role role;
    enum table table;
    bool (*fn)(void *arg, const struct row *row);
} holdings[] = {{ROLE_DIRECTORY, TABLE_COPY, hold_TABLE_COPY},
                {ROLE_DIRECTORY, TABLE_LAST_ACK, hold_TABLE_LAST_ACK},
                {ROLE_DIRECTORY, TABLE_HEAD, hold_TABLE_HEAD},
                {ROLE_AUTHORITY, TABLE_ACCESS, hold_TABLE_ACCESS},
                {ROLE_QUERY, TABLE_EVIDENCE, hold_TABLE_EVIDENCE},
                {ROLE_QUERY, TABLE_SEEN_HEAD, hold_TABLE_SEEN_HEAD}};

/* log_held: {} -> "more" {held: [hex of a signed message]}, last {node: id in hex, code}. Nothing
 * in it is a number, a name or a key. */
json_t *control_log_held(struct control *c, const struct control_env *env, struct request *r,
                         struct fault *f)
{
    struct node_status s;
    node_status(env->node, env->now, env->wall, &s);
    struct holding h = {.c = c, .r = r, .batch = json_array(), .err = CPIS_OK};
    for (size_t i = 0; h.err == CPIS_OK && i < sizeof holdings / sizeof *holdings; i++) {
        if (holdings[i].role != s.role) continue;
        const cpis_err err =
            env->view->scan(env->view->ctx, holdings[i].table, NULL, 0, false, holdings[i].fn, &h);
        if (h.err == CPIS_OK) h.err = err;
    }
    send_held(&h);
    json_decref(h.batch);
    if (h.err != CPIS_OK)
        return fail_with(f, h.err, LOOK_AT_THE_DISK, "what others have signed can't be read");
    json_t *o = json_object();
    put(o, "node", json_hex(s.id.b, sizeof s.id.b));
    return o;
}
