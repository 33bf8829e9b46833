#include "crypto/hash.h"
#include "node/core/cover_impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SCRATCH_BYTES_MAX ((size_t)1 << 20)
#define FOLLOW_EVERY      CPIS_MS_SECOND /* how soon a change of the register is seen */

struct item { /* a frame on its way */
    struct item *next;
    struct cpis_id peer;
    cpis_ms at; /* held: when it goes */
    enum event event;
    uint64_t number;
    size_t len;
    bool is_event;
    uint8_t b[];
};
struct fifo {
    struct item *first, **end;
    size_t count, bytes;
};
struct link {
    struct cpis_id id;
    enum node_role role;
    bool live, ever; /* cells came within COVER_LAPSE; have come at all */
    cpis_ms heard;   /* the last one; ever */
    cpis_ms next;    /* live: the next cell; else when to begin again */
    uint64_t session;
    struct fifo waiting;
};
struct asked { /* a lookup that came in */
    struct cpis_id peer;
    struct cpis_hash rh;
    cpis_ms at;
    bool in_cell;
};
struct cover {
    enum node_role role;
    bool on;
    struct drbg rng;
    struct link **link; /* in no order */
    size_t links, cap;
    struct asked *asked; /* a ring; NULL: none came yet */
    size_t asked_count, asked_at;
    struct fifo held; /* in the order of their times */
    struct fifo out;
    struct item *popped;
    cpis_ms follow_at;
    struct arena scratch;
    struct cover_counts counts;
};

/* --- frames that wait --- */

static struct item *item_new(const struct cpis_id *peer, struct bytes frame)
{
    struct item *i = calloc(1, sizeof *i + frame.len);
    if (i == NULL) return NULL;
    i->peer = *peer;
    i->len = frame.len;
    if (frame.len > 0) memcpy(i->b, frame.p, frame.len);
    return i;
}

static void fifo_push(struct fifo *f, struct item *i)
{
    if (f->end == NULL) f->end = &f->first;
    i->next = NULL;
    *f->end = i;
    f->end = &i->next;
    f->count++;
    f->bytes += i->len;
}

static struct item *fifo_take(struct fifo *f)
{
    struct item *i = f->first;
    if (i == NULL) return NULL;
    f->first = i->next;
    if (f->first == NULL) f->end = &f->first;
    f->count--;
    f->bytes -= i->len;
    return i;
}

static void fifo_free(struct fifo *f)
{
    for (struct item *i; (i = fifo_take(f)) != NULL;)
        free(i);
}

static bool fifo_has(const struct fifo *f, struct bytes frame)
{
    for (const struct item *i = f->first; i != NULL; i = i->next)
        if (i->len == frame.len && memcmp(i->b, frame.p, frame.len) == 0) return true;
    return false;
}

/* Lost for want of memory: the counter of events is all that lacks. */
static void tell(struct cover *c, enum event event, const struct cpis_id *peer, uint64_t number)
{
    struct item *i = item_new(peer, (struct bytes){NULL, 0});
    if (i == NULL) return;
    i->is_event = true;
    i->event = event;
    i->number = number;
    fifo_push(&c->out, i);
}

/* --- links --- */

static struct link *link_of(const struct cover *c, const struct cpis_id *id)
{
    for (size_t i = 0; i < c->links; i++)
        if (id_equal(&c->link[i]->id, id)) return c->link[i];
    return NULL;
}

static struct link *link_add(struct cover *c, const struct cpis_id *id, enum node_role role)
{
    if (c->links == c->cap) {
        size_t cap = c->cap == 0 ? 16 : 2 * c->cap;
        struct link **grown = realloc(c->link, cap * sizeof *grown);
        if (grown == NULL) return NULL;
        c->link = grown;
        c->cap = cap;
    }
    struct link *l = calloc(1, sizeof *l);
    if (l == NULL) return NULL;
    *l = (struct link){.id = *id, .role = role, .next = CPIS_MS_NEVER};
    c->link[c->links++] = l;
    return l;
}

static void link_free(struct link *l)
{
    fifo_free(&l->waiting);
    free(l);
}

/* All that waits comes out as it is: the peer comes first, who watches the line second. */
static void clear_out(struct cover *c, struct fifo *from)
{
    for (struct item *i; (i = fifo_take(from)) != NULL; c->counts.clear++)
        fifo_push(&c->out, i);
}

static void lapse(struct cover *c, struct link *l, cpis_ms now)
{
    if (!l->live || now < l->heard + COVER_LAPSE) return;
    l->live = false;
    tell(c, EVENT_UNCOVERED, &l->id, l->waiting.count);
    clear_out(c, &l->waiting);
    l->next = c->role == ROLE_DIRECTORY ? CPIS_MS_NEVER : l->next + COVER_BEGIN_EVERY;
}

/* --- made and switched --- */

cpis_err cover_new(enum node_role self, const struct drbg *rng, struct cover **ret)
{
    struct cover *c = calloc(1, sizeof *c);
    if (c == NULL) return CPIS_E_NOMEM;
    *c = (struct cover){.role = self,
                        .rng = *rng,
                        .follow_at = CPIS_MS_NEVER,
                        .scratch = arena_make(SCRATCH_BYTES_MAX)};
    *ret = c;
    return CPIS_OK;
}

static void forget(struct cover *c)
{
    for (size_t i = 0; i < c->links; i++)
        link_free(c->link[i]);
    free(c->link);
    free(c->asked);
    c->link = NULL;
    c->asked = NULL;
    c->links = c->cap = c->asked_count = c->asked_at = 0;
}

void cover_free(struct cover **p)
{
    struct cover *c = *p;
    if (c == NULL) return;
    forget(c);
    fifo_free(&c->held);
    fifo_free(&c->out);
    free(c->popped);
    arena_free(&c->scratch);
    drbg_wipe(&c->rng);
    free(c);
    *p = NULL;
}

void cover_switch(struct cover *c, bool on)
{
    if (on == c->on) return;
    c->on = on;
    c->follow_at = on ? 0 : CPIS_MS_NEVER;
    for (size_t i = 0; i < c->links; i++)
        clear_out(c, &c->link[i]->waiting);
    clear_out(c, &c->held);
    forget(c);
}

/* --- what is sent --- */

enum way { AS_IT_IS = 1, IN_A_CELL, AT_ITS_TIME };

static enum way way_of(enum node_role self, const struct frame *f, struct arena *a, bool telling)
{
    struct signed_message m;
    if (f->kind == FRAME_LOOKUP_REPLY) return AT_ITS_TIME;
    if (f->kind != FRAME_SIGNED || signed_message_decode(f->payload, a, &m) != CPIS_OK)
        return AS_IT_IS;
    switch (m.type) {
    case SIGNED_LOOKUP: return self == ROLE_DIRECTORY || telling ? IN_A_CELL : AS_IT_IS;
    case SIGNED_DETAILS:
    case SIGNED_ACK:
    case SIGNED_ANSWER: return IN_A_CELL;
    default: return AS_IT_IS;
    }
}

static size_t room_of(const struct cover *c, const struct link *l)
{
    return cell_bytes(c->role, l->role) - CELL_SLACK_BYTES;
}

/* What a frame takes up in a cell: a tag, its length, itself. */
static size_t in_cell(size_t len)
{
    const size_t length_bytes = len < 128 ? 1 : len < 16384 ? 2 : 3;
    return 1 + length_bytes + len;
}

static bool put_into_cell(struct cover *c, struct link *l, struct bytes frame)
{
    if (in_cell(frame.len) > room_of(c, l)) {
        c->counts.clear++;
        return false;
    }
    if (fifo_has(&l->waiting, frame)) return true; /* sent again before it went: once is enough */
    if (l->waiting.bytes + frame.len > COVER_QUEUE_BYTES_MAX) {
        c->counts.lost++;
        tell(c, EVENT_COVER_FULL, &l->id, l->waiting.count);
        return true;
    }
    struct item *i = item_new(&l->id, frame);
    if (i == NULL) {
        c->counts.clear++;
        return false;
    }
    fifo_push(&l->waiting, i);
    return true;
}

static const struct asked *asked_of(const struct cover *c, const struct cpis_id *peer,
                                    const struct cpis_hash *rh)
{
    for (size_t n = 1; n <= c->asked_count; n++) { /* the newest first */
        const struct asked *q = &c->asked[(c->asked_at + COVER_ASKED_MAX - n) % COVER_ASKED_MAX];
        if (hash_equal(&q->rh, rh) && id_equal(&q->peer, peer)) return q;
    }
    return NULL;
}

/* A reply, whatever it says, a multiple of COVER_SLOT after its lookup: what storing and forwarding
 * took is not seen. */
static bool hold(struct cover *c, struct link *l, const struct frame *f, struct bytes frame,
                 cpis_ms now)
{
    struct msg_lookup_reply m;
    if (lookup_reply_decode(f->payload, &c->scratch, &m) != CPIS_OK) return false;
    const struct asked *q = asked_of(c, &l->id, &m.rh);
    if (q != NULL && q->in_cell) return put_into_cell(c, l, frame);
    struct item *i = c->held.count < COVER_HELD_MAX ? item_new(&l->id, frame) : NULL;
    if (i == NULL) {
        c->counts.clear++;
        return false;
    }
    const cpis_ms came = q == NULL ? now : q->at;
    i->at = came + ((now - came) / COVER_SLOT + 1) * COVER_SLOT;
    struct item **at = &c->held.first;
    while (*at != NULL && (*at)->at <= i->at)
        at = &(*at)->next;
    if (*at == NULL) {
        fifo_push(&c->held, i);
    } else {
        i->next = *at;
        *at = i;
        c->held.count++;
        c->held.bytes += i->len;
    }
    return true;
}

static bool take(struct cover *c, const struct registry_node *to, struct bytes frame, bool telling,
                 cpis_ms now)
{
    struct frame f;
    if (frame_unwrap(frame, &c->scratch, &f) != CPIS_OK) return false;
    const enum way way = way_of(c->role, &f, &c->scratch, telling);
    struct link *l = link_of(c, &to->id);
    if (way == AS_IT_IS) return false;
    if (l != NULL) lapse(c, l, now);
    if (l != NULL && l->live)
        return way == IN_A_CELL ? put_into_cell(c, l, frame) : hold(c, l, &f, frame, now);
    if (way == AT_ITS_TIME) return false; /* of a query node that sends no cells */
    c->counts.clear++;
    /* a directory can't know who means to be covered before the first cell */
    if (c->role != ROLE_DIRECTORY || (l != NULL && l->ever)) tell(c, EVENT_UNCOVERED, &to->id, 1);
    return false;
}

/* Who is at the other end of a link; NULL: it is none, or they are not in force. */
static const struct registry_node *peer_of(const struct cover *c, const struct registry *r,
                                           const struct cpis_id *id)
{
    const struct registry_node *n = registry_node(r, id);
    if (n == NULL || !registry_in_force(n)) return NULL;
    return cell_bytes(c->role, (enum node_role)n->d.role) == 0 ? NULL : n;
}

/* The kind of a frame, before anything of it is checked. */
static unsigned kind_of(struct bytes wire) { return wire.len < 2 ? 0 : wire.p[1]; }

bool cover_send(struct cover *c, const struct registry *r, const struct cpis_id *peer,
                struct bytes frame, bool telling, cpis_ms now)
{
    const unsigned kind = kind_of(frame);
    if (!c->on || (kind != FRAME_SIGNED && kind != FRAME_LOOKUP_REPLY)) return false;
    const struct registry_node *to = peer_of(c, r, peer);
    const bool taken = to != NULL && take(c, to, frame, telling, now);
    arena_reset(&c->scratch);
    return taken;
}

/* --- what comes --- */

static void note_lookup(struct cover *c, struct link *l, struct bytes payload, bool in_cell,
                        cpis_ms now)
{
    struct signed_message m;
    if (signed_message_decode(payload, &c->scratch, &m) != CPIS_OK || m.type != SIGNED_LOOKUP)
        return;
    if (c->asked == NULL) c->asked = calloc(COVER_ASKED_MAX, sizeof *c->asked);
    if (c->asked == NULL) return; /* its reply is held from when it is made */
    c->asked[c->asked_at] = (struct asked){
        .peer = l->id,
        .rh = hash_of_signed(m.body.p, m.body.len, m.signature.b),
        .at = now,
        .in_cell = in_cell,
    };
    c->asked_at = (c->asked_at + 1) % COVER_ASKED_MAX;
    if (c->asked_count < COVER_ASKED_MAX) c->asked_count++;
}

/* A directory that is there, or has started anew, is asked at once. */
static void recv_hello(struct cover *c, struct link *l, const struct frame *f, cpis_ms now)
{
    struct msg_hello m;
    if (hello_decode(f->payload, &c->scratch, &m) != CPIS_OK || m.session == l->session) return;
    if (!l->live && c->role != ROLE_DIRECTORY) l->next = now;
    l->session = m.session;
}

static void recv_cell(struct cover *c, struct link *l, const struct frame *f, size_t wire_bytes,
                      cpis_ms now)
{
    struct bytes inner[CELL_FRAMES_MAX];
    size_t count = 0;
    if (cell_open(l->role, c->role, f, wire_bytes, &c->scratch, inner, &count) != CPIS_OK) return;
    c->counts.received++;
    l->heard = now;
    if (!l->live) l->next = now + 1 + drbg_below(&c->rng, COVER_SLOT);
    l->live = l->ever = true;
    for (size_t i = 0; i < count && c->role == ROLE_DIRECTORY; i++) {
        struct frame g;
        if (frame_unwrap(inner[i], &c->scratch, &g) == CPIS_OK && g.kind == FRAME_SIGNED)
            note_lookup(c, l, g.payload, true, now);
    }
}

void cover_receive(struct cover *c, const struct registry *r, const struct cpis_id *peer,
                   struct bytes wire, cpis_ms now)
{
    const unsigned kind = kind_of(wire);
    struct frame f;
    if (!c->on || (kind != FRAME_SIGNED && kind != FRAME_HELLO && kind != FRAME_CELL)) return;
    const struct registry_node *from = peer_of(c, r, peer);
    struct link *l = from == NULL ? NULL : link_of(c, peer);
    if (from == NULL || (l == NULL && kind != FRAME_CELL)) return;
    if (kind == FRAME_SIGNED && (c->role != ROLE_DIRECTORY || l->role != ROLE_QUERY)) return;
    if (l == NULL) l = link_add(c, peer, (enum node_role)from->d.role);
    if (l != NULL) lapse(c, l, now);
    if (l != NULL && frame_unwrap(wire, &c->scratch, &f) == CPIS_OK) {
        if (f.kind == FRAME_CELL)
            recv_cell(c, l, &f, wire.len, now);
        else if (f.kind == FRAME_HELLO)
            recv_hello(c, l, &f, now);
        else if (f.kind == FRAME_SIGNED && l->live)
            note_lookup(c, l, f.payload, false, now);
    }
    arena_reset(&c->scratch);
}

/* --- time --- */

/* As many frames as there is room for, in their order. They leave the queue when the cell is made:
 * CPIS_E_NOMEM leaves them there. */
static cpis_err make_cell(struct cover *c, struct link *l)
{
    struct frame frames[CELL_FRAMES_MAX];
    struct msg_cell m = {.frames = frames};
    struct bytes payload, wire;
    size_t bytes = 0;
    cpis_err err = CPIS_OK;
    for (const struct item *i = l->waiting.first;
         i != NULL && m.frames_count < CELL_FRAMES_MAX && err == CPIS_OK; i = i->next) {
        bytes += in_cell(i->len);
        if (bytes > room_of(c, l)) break;
        err = frame_decode((struct bytes){i->b, i->len}, &c->scratch, &frames[m.frames_count]);
        if (err == CPIS_OK) m.frames_count++;
    }
    if (err == CPIS_OK) err = cell_encode(&m, &c->scratch, &payload);
    if (err == CPIS_OK)
        err = frame_wrap_cell(payload, cell_bytes(c->role, l->role), &c->scratch, &wire);
    assert(err == CPIS_OK || err == CPIS_E_NOMEM);
    struct item *i = err == CPIS_OK ? item_new(&l->id, wire) : NULL;
    if (i == NULL) return CPIS_E_NOMEM;
    fifo_push(&c->out, i);
    c->counts.sent++;
    c->counts.carried += m.frames_count;
    for (size_t n = 0; n < m.frames_count; n++)
        free(fifo_take(&l->waiting));
    return CPIS_OK;
}

static void tick_link(struct cover *c, struct link *l, cpis_ms now)
{
    lapse(c, l, now);
    if (now < l->next) return;
    cpis_err err = make_cell(c, l); /* no memory: this slot stays empty */
    (void)err;
    arena_reset(&c->scratch);
    /* slots that were slept through are not made up for: a burst would say that there was one */
    l->next = l->live ? l->next + ((now - l->next) / COVER_SLOT + 1) * COVER_SLOT
                      : now + COVER_BEGIN_EVERY;
}

/* Links of peers that are no more end; an authority or a query node has one with each directory. */
static void follow(struct cover *c, const struct registry *r)
{
    for (size_t i = c->links; i-- > 0;) {
        struct link *l = c->link[i];
        if (peer_of(c, r, &l->id) != NULL) continue;
        c->counts.lost += l->waiting.count;
        link_free(l);
        c->link[i] = c->link[--c->links];
    }
    for (size_t i = 0; c->role != ROLE_DIRECTORY && i < registry_role_count(r, ROLE_DIRECTORY);
         i++) {
        const struct registry_node *n = registry_role_at(r, ROLE_DIRECTORY, i);
        if (!registry_in_force(n) || link_of(c, &n->id) != NULL) continue;
        (void)link_add(c, &n->id, ROLE_DIRECTORY); /* its first hello begins it */
    }
}

void cover_tick(struct cover *c, const struct registry *r, cpis_ms now)
{
    if (!c->on) return;
    while (c->held.first != NULL && c->held.first->at <= now) {
        fifo_push(&c->out, fifo_take(&c->held));
        c->counts.held++;
    }
    if (now >= c->follow_at) {
        follow(c, r);
        c->follow_at = now + FOLLOW_EVERY;
    }
    for (size_t i = 0; i < c->links; i++)
        tick_link(c, c->link[i], now);
}

bool cover_pop(struct cover *c, struct cover_out *ret)
{
    free(c->popped);
    struct item *i = c->popped = fifo_take(&c->out);
    if (i == NULL) return false;
    *ret = (struct cover_out){.peer = i->peer, .event = i->event, .number = i->number};
    if (!i->is_event) ret->frame = (struct bytes){i->b, i->len};
    return true;
}

cpis_ms cover_deadline(const struct cover *c)
{
    cpis_ms at = c->follow_at;
    if (c->held.first != NULL) at = earlier(at, c->held.first->at);
    for (size_t i = 0; i < c->links; i++)
        at = earlier(at, c->link[i]->next);
    return at;
}

bool cover_is_on(const struct cover *c) { return c->on; }

bool cover_is_live(const struct cover *c, const struct cpis_id *peer, cpis_ms now)
{
    const struct link *l = link_of(c, peer);
    return l != NULL && l->live && now < l->heard + COVER_LAPSE;
}

void cover_counts(const struct cover *c, struct cover_counts *ret) { *ret = c->counts; }
