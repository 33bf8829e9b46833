/* One step of a history, read from the input; and what somebody who holds a node's keys can do. */
#include "proto/codec.h"
#include "tests/fuzz/history.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* --- what a rogue makes of a message --- */

static void flip(struct cursor *c, uint8_t *p, size_t len)
{
    const unsigned times = 1 + cursor_below(c, 3);
    for (unsigned i = 0; i < times && len > 0; i++) {
        const size_t at = cursor_u16(c) % len;
        const uint8_t with = cursor_byte(c);
        p[at] ^= with != 0 ? with : 1;
    }
}

static bool is_rogue(const struct history *h, unsigned n)
{
    return (h->rogue & HISTORY_OF(n)) != 0;
}

static const struct history_node *rogue_of(const struct history *h, const struct cpis_id *id)
{
    for (unsigned n = 0; n < HISTORY_NODES; n++)
        if (is_rogue(h, n) && id_equal(&h->node[n].id, id)) return &h->node[n];
    return NULL;
}

static const struct net_id *net_of(const struct history *h)
{
    for (unsigned n = 0; n < HISTORY_NODES; n++)
        if (h->node[n].node != NULL) return registry_net(node_registry(h->node[n].node));
    return NULL;
}

/* Changes the body of a signed message and signs it anew, if its signer is a rogue. */
static void resign(struct history *h, struct cursor *c, struct arena *a, struct signed_message *m)
{
    const struct history_node *by = rogue_of(h, &m->signer);
    const struct net_id *net = net_of(h);
    uint8_t *body = arena_copy(a, m->body.p, m->body.len);
    if (by == NULL || net == NULL || body == NULL) return;
    flip(c, body, m->body.len);
    m->body.p = body;
    sign_make(&by->identity.sign, (uint8_t)m->type, net, m->body.p, m->body.len, &m->signature);
}

static struct bytes resign_bytes(struct history *h, struct cursor *c, struct arena *a,
                                 struct bytes b)
{
    struct signed_message m;
    struct bytes ret = b;
    if (signed_message_decode(b, a, &m) != CPIS_OK) return b;
    resign(h, c, a, &m);
    if (signed_message_encode(&m, a, &ret) != CPIS_OK) return b;
    return ret;
}

/* The signed part inside a payload of this kind, changed. */
static struct bytes resign_inside(struct history *h, struct cursor *c, struct arena *a,
                                  uint32_t kind, struct bytes b)
{
    struct msg_lookup_reply reply;
    struct msg_list_update update;
    struct msg_heads heads;
    struct bytes ret = b;
    cpis_err err = CPIS_OK;
    if (kind == FRAME_SIGNED) return resign_bytes(h, c, a, b);
    if (kind == FRAME_LOOKUP_REPLY && lookup_reply_decode(b, a, &reply) == CPIS_OK) {
        reply.statement = resign_bytes(h, c, a, reply.statement);
        err = lookup_reply_encode(&reply, a, &ret);
    } else if (kind == FRAME_LIST_UPDATE && list_update_decode(b, a, &update) == CPIS_OK &&
               update.heads_count > 0) {
        resign(h, c, a, &update.heads[cursor_below(c, (uint32_t)update.heads_count)]);
        err = list_update_encode(&update, a, &ret);
    } else if (kind == FRAME_HEADS && heads_decode(b, a, &heads) == CPIS_OK &&
               heads.heads_count > 0) {
        resign(h, c, a, &heads.heads[cursor_below(c, (uint32_t)heads.heads_count)].head);
        err = heads_encode(&heads, a, &ret);
    }
    return err == CPIS_OK ? ret : b;
}

void history_tamper(struct history *h, struct cursor *c, const struct flight *f)
{
    struct arena a = arena_make((size_t)64 << 20);
    struct frame frame;
    struct bytes wire = {f->p, f->len};
    const unsigned how = cursor_below(c, 4);
    if (how == 0) {
        uint8_t *p = arena_copy(&a, f->p, f->len);
        flip(c, p, f->len);
        wire.p = p;
    } else if (frame_unwrap(wire, &a, &frame) == CPIS_OK) {
        struct bytes payload = frame.payload;
        uint32_t kind = frame.kind;
        if (how == 1) {
            uint8_t *p = arena_copy(&a, payload.p, payload.len);
            flip(c, p, payload.len);
            payload.p = p;
        } else if (how == 2) {
            payload = resign_inside(h, c, &a, kind, payload);
        } else {
            kind = 1 + cursor_below(c, FRAME_KIND_END - 1); /* another kind */
        }
        if (frame_wrap((enum frame_kind)kind, payload, &a, &wire) != CPIS_OK)
            wire = (struct bytes){f->p, f->len};
    }
    history_send(h, f->from, f->to, wire);
    arena_free(&a);
}

/* A message out of nothing: a payload of the input's bytes, or a body that is signed. */
static void invent(struct history *h, struct cursor *c, unsigned from, unsigned to)
{
    struct arena a = arena_make((size_t)4 << 20);
    const struct net_id *net = net_of(h);
    uint32_t kind = 1 + cursor_below(c, FRAME_KIND_END - 1);
    struct signed_message m = {.type = 1 + cursor_below(c, SIGNED_DETAILS),
                               .signer = h->node[from].id};
    struct bytes payload = cursor_bytes(c, cursor_byte(c));
    struct bytes wire;
    if (kind == FRAME_SIGNED && net != NULL) {
        m.body = payload;
        sign_make(&h->node[from].identity.sign, (uint8_t)m.type, net, m.body.p, m.body.len,
                  &m.signature);
        if (signed_message_encode(&m, &a, &payload) != CPIS_OK) payload.len = 0;
    }
    if (payload.len > 0 && frame_wrap((enum frame_kind)kind, payload, &a, &wire) == CPIS_OK)
        history_send(h, from, to, wire);
    arena_free(&a);
}

/* --- commands --- */

static struct child_change change_of(struct cursor *c)
{
    static const uint64_t moment[] = {0,
                                      202601010000,
                                      202701010000,
                                      202701140000,
                                      202701150900,
                                      202702010000,
                                      202612312359,
                                      202513010000 /* no date */};
    static const uint32_t birth[] = {20200229, 20090115, 20090116, 20270101, 20201332, 0};
    static const char *const text[] = {"", "Test", "Zo\xc3\xab", "\xff"};
    const unsigned child =
        HISTORY_CHILD_OTHERS + cursor_below(c, HISTORY_CHILDREN - HISTORY_CHILD_OTHERS);
    struct child_change g = {.type = (enum child_change_type)(1 + cursor_below(c, 6)),
                             .number = history_number(child),
                             .birth_date = birth[cursor_below(c, 6)],
                             .given = text[cursor_below(c, 4)],
                             .family = "Child",
                             .local_id = "L1",
                             .plan = cursor_below(c, 5),
                             .start = moment[cursor_below(c, 8)],
                             .end = moment[cursor_below(c, 8)],
                             .visibility = cursor_below(c, 4),
                             .import_id = cursor_below(c, 3)};
    const unsigned to = cursor_below(c, 3);
    if (to > 0) g.to = *history_id(HISTORY_AUTHORITY + to - 1);
    return g;
}

static void authority_command(struct history *h, struct cursor *c, unsigned n)
{
    static const enum command_type types[] = {
        COMMAND_CHANGES,      COMMAND_CHANGES, COMMAND_CHANGES,         COMMAND_UNDO_IMPORT,
        COMMAND_NOTIFICATION, COMMAND_TEST,    COMMAND_CONFIRM_RESTORE, COMMAND_CONFIRM_SHRINK};
    struct child_change changes[4];
    struct row_import import = {.file_hash = {{1}}, .finished = true};
    struct command k = {.type = types[cursor_below(c, 8)], .by = "officer"};
    k.dry_run = k.type <= COMMAND_UNDO_IMPORT && cursor_below(c, 5) == 0;
    if (k.type == COMMAND_CHANGES) {
        k.changes_count = cursor_below(c, 5);
        k.changes = changes;
        for (size_t i = 0; i < k.changes_count; i++)
            changes[i] = change_of(c);
        if (k.changes_count > 0 && changes[0].import_id != 0) { /* all of a file */
            import.id = changes[0].import_id;
            import.rows = import.applied_rows = k.changes_count;
            import.sequence = changes[0].visibility;
            k.import = &import;
        }
    } else if (k.type == COMMAND_UNDO_IMPORT) {
        k.import_id = cursor_below(c, 3);
    } else if (k.type == COMMAND_NOTIFICATION) {
        k.notification = cursor_below(c, 6);
        k.state = (enum notification_state)cursor_below(c, 6);
    }
    history_command(h, n, &k);
}

static void query_command(struct history *h, struct cursor *c, unsigned n)
{
    static const char *const code[] = {"RZZ99", "rzz99", "?", ""};
    const unsigned what = cursor_byte(c);
    struct msg_ask_details ask = {.user_id = "100000000001",
                                  .user_name = "Test NURSE",
                                  .role_code = "R0110",
                                  .role_name = "Test role",
                                  .organisation_name = "Test Hospital",
                                  .setting = "emergency",
                                  .scheduled = (what & 1U) != 0,
                                  .purpose =
                                      (what & 2U) != 0 ? PURPOSE_NOT_BROUGHT : PURPOSE_DIRECT_CARE};
    strcpy(ask.organisation_code, code[(what & 24U) == 24U ? what >> 5U & 3U : 0]);
    struct command k = {.type = COMMAND_LOOKUP,
                        .number = history_number(cursor_below(c, HISTORY_CHILDREN)),
                        .ask = &ask};
    history_command(h, n, &k);
}

static void directory_command(struct history *h, struct cursor *c, unsigned n)
{
    struct command k = {.type = COMMAND_ACCEPT_HEADS};
    if (cursor_below(c, 4) != 0) {
        k.type = COMMAND_CEREMONY;
        k.epoch = 2 + cursor_below(c, 3);
        k.t = 2;
        k.n = 3;
        if (cursor_below(c, 8) == 0) k.t = cursor_below(c, 5);
        if (cursor_below(c, 8) == 0) k.n = cursor_below(c, 5);
        const unsigned turn = cursor_below(c, 8) == 0 ? cursor_byte(c) : 0;
        for (unsigned i = 0; i < k.n; i++)
            k.holders[i] = *history_id((i + turn) % HISTORY_NODES);
    }
    history_command(h, n, &k);
}

static void register_command(struct history *h, struct cursor *c, unsigned n)
{
    struct arena a = arena_make((size_t)16 << 20);
    struct msg_register_document doc[2];
    struct msg_register_chain chain = {.links = doc};
    struct command k = {.type = COMMAND_REGISTER};
    size_t count;
    (void)history_register(0, &count);
    const size_t first = cursor_below(c, (uint32_t)count);
    for (size_t i = first; i < count && chain.links_count < 2; i++)
        if (register_document_decode(history_register(i, &count), &a, &doc[i - first]) == CPIS_OK)
            chain.links_count++;
    if (register_chain_encode(&chain, &a, &k.chain) == CPIS_OK) {
        uint8_t *p = arena_copy(&a, k.chain.p, k.chain.len);
        if (cursor_below(c, 4) == 0) flip(c, p, k.chain.len);
        k.chain.p = p;
        history_command(h, n, &k);
    }
    arena_free(&a);
}

void history_play_command(struct history *h, struct cursor *c, unsigned n)
{
    if (cursor_below(c, 16) == 0)
        register_command(h, c, n);
    else if (n < HISTORY_AUTHORITY)
        directory_command(h, c, n);
    else if (n < HISTORY_QUERY)
        authority_command(h, c, n);
    else
        query_command(h, c, n);
}

/* --- a step --- */

static void from_flight(struct history *h, struct cursor *c, unsigned how)
{
    if (h->flights == 0) return;
    struct flight f = history_take(h, cursor_below(c, (uint32_t)h->flights));
    const struct bytes frame = {f.p, f.len};
    if (how == 0)
        history_message(h, f.to, f.from, frame);
    else if (how == 1) {
        history_message(h, f.to, f.from, frame); /* and once more later */
        history_send(h, f.from, f.to, frame);
    } else if (how == 2 && is_rogue(h, f.from))
        history_tamper(h, c, &f);
    free(f.p); /* how 3: lost */
}

static void from_past(struct history *h, struct cursor *c)
{
    const size_t count = h->past_count < HISTORY_FLIGHTS ? h->past_count : HISTORY_FLIGHTS;
    if (count == 0) return;
    struct flight f = h->past[cursor_below(c, (uint32_t)count)];
    const unsigned by = cursor_below(c, HISTORY_NODES), to = cursor_below(c, HISTORY_NODES);
    if (is_rogue(h, by)) { /* somebody else's message as one's own, or to another */
        f.from = (uint8_t)by;
        f.to = (uint8_t)to;
        history_tamper(h, c, &f);
    } else {
        history_send(h, f.from, f.to, (struct bytes){f.p, f.len});
    }
}

static cpis_ms some_time(struct cursor *c)
{
    static const cpis_ms some[] = {1,
                                   50,
                                   600,
                                   CPIS_MS_SECOND * 3,
                                   CPIS_MS_SECOND * 11,
                                   CPIS_MS_SECOND * 61,
                                   CPIS_MS_MINUTE * 6,
                                   CPIS_MS_HOUR * 2};
    return some[cursor_below(c, 8)];
}

static void break_something(struct history *h, struct cursor *c, unsigned n)
{
    static const int64_t skew[] = {0, 900, -900, 40000, -40000, 200000, -200000, 90000000};
    struct history_node *m = &h->node[n];
    switch (cursor_below(c, 7)) {
    case 0: m->commits_fail = 1 + cursor_below(c, 3); break;
    case 1: m->reads_fail_in = 1 + cursor_below(c, 20); break;
    case 2: m->hold = 1 + cursor_below(c, 6); break;
    case 3: m->skew = skew[cursor_below(c, 8)]; break;
    case 4: history_kill(h, n); break;
    case 5: m->late = 1 + cursor_below(c, 6); break;
    default:
        history_kill(h, n);
        history_start(h, n);
        break;
    }
}

bool history_play(struct history *h, struct cursor *c)
{
    if (c->left == 0) return false;
    const uint8_t op = cursor_byte(c);
    const unsigned n = op / 16U % HISTORY_NODES;
    switch (op % 16U) {
    case 0:
    case 1:
    case 2: history_play_command(h, c, n); break;
    case 3: history_pass(h, some_time(c), true); break;
    case 4: history_pass(h, some_time(c), false); break;
    case 5: history_deliver_all(h); break;
    case 6: from_flight(h, c, 0); break;
    case 7: from_flight(h, c, 1); break;
    case 8:
    case 9:
    case 10: from_flight(h, c, 2); break;
    case 11: from_flight(h, c, 3); break;
    case 12: from_past(h, c); break;
    case 13: break_something(h, c, n); break;
    case 14:
        if (is_rogue(h, n)) invent(h, c, n, cursor_below(c, HISTORY_NODES));
        break;
    default:
        if (h->node[n].node == NULL)
            history_start(h, n);
        else
            history_tick(h, n); /* early is legal */
        break;
    }
    return true;
}
