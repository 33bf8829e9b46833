#include "node/net/control_link.h"

#include "node/net/control_int.h"
#include "node/net/folder.h"
#include "node/net/json_memory.h"

#include <assert.h>
#include <czmq.h>
#include <sodium.h>

#define LOOK_EVERY ((cpis_ms)250) /* is the node that we asked still there? */
#define FDS_MAX    8U

/* What one program may have with the node at a time, below control.h's limits, so that neither
 * lookups that wait for far directories nor another program keep a page from being shown. */
enum kind { LOOKUPS, OTHERS, KINDS };
static const size_t sent_max[KINDS] = {[LOOKUPS] = 160, [OTHERS] = 16};
_Static_assert(160 + 16 < CONTROL_REQUESTS_MAX && 160 <= CONTROL_ACTIVE_MAX, "below the node's");

struct call {
    struct call *next, *before;
    uint64_t id; /* 0: waits for its turn */
    enum kind kind;
    char *text; /* until it is sent */
    cpis_ms within, due;
    control_more_fn more;
    control_done_fn done;
    void *arg;
    bool wants_more;
    cpis_err failed; /* CPIS_OK: not */
    const char *why; /* then: static; NULL: what_failed says it */
};
struct refused { /* a call for which there was no memory: who is to be told */
    control_done_fn done;
    void *arg;
};
struct control_link {
    const char *dir;
    char endpoint[FOLDER_SOCKET_BYTES + 8];
    zsock_t *dealer; /* NULL: to no node now */
    pid_t holder;
    cpis_ms looked;
    uint64_t last_id;
    struct list {
        struct call *first, *last;
        size_t count;
    } sent[KINDS], waiting[KINDS], ended;
    struct refused *refused;
    size_t refused_count, refused_max;
};

cpis_err control_link_new(const char *dir, size_t calls_max, struct control_link **ret)
{
    char path[FOLDER_SOCKET_BYTES];
    if (folder_socket(dir, path) != CPIS_OK) return CPIS_E_LIMIT;
    struct control_link *l = calloc(1, sizeof *l);
    struct refused *refused = calloc(calls_max, sizeof *refused);
    if (l == NULL || refused == NULL) {
        free(l);
        free(refused);
        return CPIS_E_NOMEM;
    }
    l->dir = dir;
    l->refused = refused;
    l->refused_max = calls_max;
    (void)snprintf(l->endpoint, sizeof l->endpoint, "ipc://%s", path);
    *ret = l;
    return CPIS_OK;
}

static const char part_lost[] = "out of memory: the node may have done what was asked",
                  not_read[] = "the node's reply can't be read: is it of another version?";
static const char *what_failed(cpis_err err)
{
    switch ((int)err) {
    case CPIS_E_NOTFOUND: return "no node runs here: start it with `cpis run`";
    case CPIS_E_BUSY: return "the node does not answer in time; it may have done what was asked";
    case CPIS_E_IO: return "the node stopped: whether it was done is not known";
    case CPIS_E_LIMIT: return "too much is under way at once: try again later";
    default: return cpis_strerror(err);
    }
}

static void add(struct list *to, struct call *c)
{
    c->next = NULL;
    c->before = to->last;
    *(to->last == NULL ? &to->first : &to->last->next) = c;
    to->last = c;
    to->count++;
}

static void take(struct list *from, struct call *c)
{
    *(c->before == NULL ? &from->first : &c->before->next) = c->next;
    *(c->next == NULL ? &from->last : &c->next->before) = c->before;
    from->count--;
}

/* c stands in no list now. */
static void tell_end(struct call *c, cpis_err err, json_t *reply, const char *why)
{
    c->done(c->arg, err, reply, why != NULL ? why : what_failed(err));
    json_memory_free(c->text);
    free(c);
}

/* Not from here: who is told may ask again at once. */
static void end_all(struct control_link *l, struct list *from, cpis_err err, cpis_ms until,
                    const char *why)
{
    for (struct call *c = from->first, *next; c != NULL; c = next) {
        next = c->next;
        if (c->due > until) continue;
        take(from, c);
        c->failed = err;
        c->why = why;
        add(&l->ended, c);
    }
}

static void end_sent(struct control_link *l, cpis_err err, const char *why)
{
    for (size_t k = 0; k < KINDS; k++)
        end_all(l, &l->sent[k], err, CPIS_MS_NEVER, why);
}

static void tell_ended(struct control_link *l)
{
    for (struct call *c; (c = l->ended.first) != NULL;) {
        take(&l->ended, c);
        tell_end(c, c->failed, NULL, c->why);
    }
    for (size_t n = l->refused_count; n > 0; n--) {
        const struct refused r = l->refused[--l->refused_count];
        r.done(r.arg, CPIS_E_NOMEM, NULL, what_failed(CPIS_E_NOMEM));
    }
}

static void drop_node(struct control_link *l)
{
    zsock_destroy(&l->dealer); /* what was not sent goes to no later node */
    l->holder = 0;
}

void control_link_free(struct control_link **p)
{
    struct control_link *l = *p;
    if (l == NULL) return;
    drop_node(l);
    end_sent(l, CPIS_E_IO, NULL);
    for (size_t k = 0; k < KINDS; k++)
        end_all(l, &l->waiting[k], CPIS_E_IO, CPIS_MS_NEVER, NULL);
    tell_ended(l);
    free(l->refused);
    free(l);
    *p = NULL;
}

static cpis_err find_node(struct control_link *l)
{
    pid_t holder = 0;
    if (l->dealer != NULL) return CPIS_OK;
    if (!folder_is_locked(l->dir, &holder)) return CPIS_E_NOTFOUND;
    zsock_t *s = zsock_new(ZMQ_DEALER);
    if (s == NULL) return CPIS_E_NOMEM;
    zsock_set_linger(s, 0);
    zsock_set_sndtimeo(s, 0);
    zsock_set_sndhwm(s, 0); /* CALLS_MAX bounds it */
    zsock_set_rcvhwm(s, 0);
    if (zmq_connect(zsock_resolve(s), l->endpoint) != 0) {
        zsock_destroy(&s);
        return CPIS_E_NOMEM;
    }
    l->dealer = s;
    l->holder = holder;
    return CPIS_OK;
}

static char *request_text(uint64_t id, const char *command, json_t *fields)
{
    char *text = NULL;
    if (json_object_set_new(fields, "id", json_integer((json_int_t)id)) == 0 &&
        json_object_set_new(fields, "command", json_string(command)) == 0)
        text = json_dumps(fields, JSON_COMPACT);
    return text;
}

static void send_waiting(struct control_link *l, enum kind k, cpis_ms now)
{
    while (l->waiting[k].first != NULL && l->sent[k].count < sent_max[k]) {
        struct call *c = l->waiting[k].first;
        c->failed = find_node(l);
        if (c->failed == CPIS_OK && zstr_send(l->dealer, c->text) != 0) c->failed = CPIS_E_IO;
        json_memory_free(c->text); /* it may hold a child's number: no longer than it is needed */
        c->text = NULL;
        take(&l->waiting[k], c);
        add(c->failed == CPIS_OK ? &l->sent[k] : &l->ended, c);
        c->due = now + c->within;
    }
}

void control_link_call(struct control_link *l, const struct control_call *call, cpis_ms now)
{
    json_t *fields = call->fields == NULL ? json_object() : call->fields;
    struct call *c = calloc(1, sizeof *c);
    if (c == NULL) {
        json_decref(fields);
        assert(l->refused_count < l->refused_max); /* the caller's promise: control_link_new */
        l->refused[l->refused_count++] = (struct refused){call->done, call->arg};
        return;
    }
    *c = (struct call){.id = ++l->last_id,
                       .kind = strcmp(call->command, "lookup") == 0 ? LOOKUPS : OTHERS,
                       .within = call->within,
                       .due = now + call->within,
                       .more = call->more,
                       .done = call->done,
                       .arg = call->arg,
                       .wants_more = call->more != NULL};
    c->text = request_text(c->id, call->command, fields);
    json_decref(fields);
    if (json_memory_failed() || c->text == NULL) c->failed = CPIS_E_NOMEM; /* not what was meant */
    if (l->waiting[c->kind].count >= CONTROL_LINK_WAITING_MAX) c->failed = CPIS_E_LIMIT;
    add(c->failed == CPIS_OK ? &l->waiting[c->kind] : &l->ended, c);
    send_waiting(l, c->kind, now);
}

void control_link_wait(struct control_link *l, const int *fds, size_t n, cpis_ms ms)
{
    zmq_pollitem_t items[FDS_MAX + 1];
    assert(n <= FDS_MAX);
    for (size_t i = 0; i < n; i++)
        items[i] = (zmq_pollitem_t){.fd = fds[i], .events = ZMQ_POLLIN};
    if (l->dealer != NULL)
        items[n] = (zmq_pollitem_t){.socket = zsock_resolve(l->dealer), .events = ZMQ_POLLIN};
    (void)zmq_poll(items, (int)(n + (l->dealer != NULL)), (long)(ms > 60000 ? 60000 : ms));
}

static struct call *find_call(struct control_link *l, const json_t *reply)
{
    const json_t *id = json_object_get(reply, "id");
    for (size_t k = 0; k < KINDS; k++)
        for (struct call *c = l->sent[k].first; c != NULL; c = c->next)
            if (json_is_integer(id) && (json_int_t)c->id == json_integer_value(id)) return c;
    return NULL; /* one that was given up */
}

/* One that is not whole was perhaps the last word on a call, or a part that its call must not do
 * without; where it names none of them it may be any. One of a call that was given up is nobody's.
 */
static void take_reply(struct control_link *l, zframe_t *f, cpis_ms now)
{
    char why[CONTROL_WHY_BYTES] = "";
    json_t *reply =
        json_loadb((const char *)zframe_data(f), zframe_size(f), JSON_REJECT_DUPLICATES, NULL);
    sodium_memzero(zframe_data(f), zframe_size(f));
    const bool whole = !json_memory_failed();
    const json_int_t id = json_integer_value(json_object_get(reply, "id"));
    struct call *c = find_call(l, reply);
    if (!whole || c == NULL) {
        const bool no_memory = !whole || control_told_error(reply, why) == CPIS_E_NOMEM;
        json_decref(reply);
        if (c != NULL) {
            take(&l->sent[c->kind], c);
            tell_end(c, CPIS_E_NOMEM, NULL, part_lost);
        } else if (!whole || id <= 0) {
            end_sent(l, no_memory ? CPIS_E_NOMEM : CPIS_E_MALFORMED,
                     no_memory ? part_lost : not_read);
        }
        return;
    }
    c->due = now + c->within;
    if (json_is_true(json_object_get(reply, "done"))) {
        take(&l->sent[c->kind], c);
        tell_end(c, control_told_error(reply, why), reply, why);
        return;
    }
    if (c->wants_more) c->wants_more = c->more(c->arg, reply);
    json_decref(reply);
}

static void look_after_node(struct control_link *l, cpis_ms now)
{
    pid_t holder = 0;
    if (l->dealer == NULL || now - l->looked < LOOK_EVERY) return;
    l->looked = now;
    if (folder_is_locked(l->dir, &holder) && holder == l->holder) return;
    drop_node(l);
    end_sent(l, CPIS_E_IO, NULL);
}

void control_link_turn(struct control_link *l, cpis_ms now)
{
    while (l->dealer != NULL) {
        zsock_set_rcvtimeo(l->dealer, 0);
        zframe_t *f = zframe_recv(l->dealer);
        if (f == NULL) break;
        take_reply(l, f, now);
        zframe_destroy(&f);
    }
    look_after_node(l, now);
    for (size_t k = 0; k < KINDS; k++) {
        end_all(l, &l->sent[k], CPIS_E_BUSY, now, NULL);
        end_all(l, &l->waiting[k], CPIS_E_BUSY, now, NULL);
        send_waiting(l, (enum kind)k, now);
    }
    tell_ended(l);
}

cpis_ms control_link_deadline(const struct control_link *l)
{
    cpis_ms due = l->dealer != NULL ? l->looked + LOOK_EVERY : CPIS_MS_NEVER;
    if (l->ended.first != NULL || l->refused_count > 0) due = 0;
    for (size_t k = 0; k < KINDS; k++) {
        for (const struct call *c = l->sent[k].first; c != NULL; c = c->next)
            if (c->due < due) due = c->due;
        for (const struct call *c = l->waiting[k].first; c != NULL; c = c->next)
            if (c->due < due) due = c->due;
    }
    return due;
}

size_t control_link_count(const struct control_link *l)
{
    size_t n = l->ended.count + l->refused_count;
    for (size_t k = 0; k < KINDS; k++)
        n += l->sent[k].count + l->waiting[k].count;
    return n;
}
