#include "node/net/control_int.h"
#include "node/net/json_memory.h"

#include <assert.h>
#include <czmq.h>
#include <inttypes.h>
#include <sodium.h>

/* So many replies wait for a client that does not read; then they are lost. */
#define REPLY_HWM 4096U

#define ALL       (1U << ROLE_AUTHORITY | 1U << ROLE_DIRECTORY | 1U << ROLE_QUERY)
#define AUTHORITY (1U << ROLE_AUTHORITY)
#define DIRECTORY (1U << ROLE_DIRECTORY)
#define QUERY     (1U << ROLE_QUERY)

static const struct control_command commands[] = {
    /* name, roles, needs the node, fields, function */
    {"status", ALL, false, " ", control_status},
    {"metrics", ALL, false, " ", control_metrics},
    {"stop", ALL, false, " ", control_stop},
    {"register_offer", ALL, true, " chain ", control_register_offer},
    {"log_export", ALL, false, " after limit ", control_log_export},
    {"log_held", ALL, true, " ", control_log_held},
    {"lookup", QUERY, true, " numbers ask ", control_lookup},
    {"evidence", QUERY, false, " rid ", control_evidence},
    {"evidence_list", QUERY, false, " limit ", control_evidence_list},
    {"changes", AUTHORITY, true, " changes dry_run import ", control_changes},
    {"undo_import", AUTHORITY, true, " import dry_run ", control_undo_import},
    {"imports", AUTHORITY, false, " limit ", control_imports},
    {"flags_list", AUTHORITY, false, " after limit ", control_flags_list},
    {"flags_show", AUTHORITY, false, " nhs_number ", control_flags_show},
    {"notifications_list", AUTHORITY, false, " state kind since before after limit ",
     control_notifications_list},
    {"notifications_completed", AUTHORITY, false, " after since limit ",
     control_notifications_completed},
    {"notifications_set", AUTHORITY, true, " notification state by ", control_notifications_set},
    {"notifications_test", AUTHORITY, true, " by ", control_notifications_test},
    {"accesses", AUTHORITY, false, " nhs_number from to ", control_accesses},
    {"stats", AUTHORITY, false, " from to for_sharing ", control_stats},
    {"confirm_shrink", AUTHORITY, true, " ", control_simple},
    {"confirm_restore", AUTHORITY, true, " ", control_simple},
    {"accept_heads", DIRECTORY, true, " ", control_simple},
    {"ceremony_start", DIRECTORY, true, " epoch t holders ", control_ceremony_start},
    {"ceremony_result", DIRECTORY, true, " ", control_ceremony_result},
};

cpis_err control_new(const char *path, struct control **ret)
{
    json_memory_use();
    struct control *c = calloc(1, sizeof *c);
    zsock_t *s = zsock_new(ZMQ_ROUTER);
    if (c == NULL || s == NULL) {
        free(c);
        zsock_destroy(&s);
        return CPIS_E_NOMEM;
    }
    zsock_set_linger(s, 0);
    zsock_set_sndtimeo(s, 0);
    zsock_set_sndhwm(s, (int)REPLY_HWM);
    zsock_set_rcvhwm(s, (int)CONTROL_REQUESTS_MAX);
    zsock_set_maxmsgsize(s, 2 * (int)CONTROL_REQUEST_BYTES); /* above the limit we can say so */
    zsock_set_router_mandatory(s, 1);
    *c = (struct control){.router = s, .inlet = inlet_open(zsock_resolve(s))};
    c->held_end = &c->held;
    char endpoint[160] = "";
    if (path != NULL) (void)snprintf(endpoint, sizeof endpoint, "ipc://%s", path);
    if (zmq_bind(c->inlet.socket, CONTROL_INPROC) != 0 ||
        (path != NULL && zmq_bind(c->inlet.socket, endpoint) != 0)) {
        control_free(&c);
        return CPIS_E_IO;
    }
    *ret = c;
    return CPIS_OK;
}

static void request_free(struct request *r)
{
    free(r->route);
    json_decref(r->body);
    if (r->numbers != NULL) sodium_memzero(r->numbers, r->numbers_count * sizeof *r->numbers);
    free(r->numbers);
    if (r->changes != NULL && r->command.changes_count > 0)
        sodium_memzero(r->changes, r->command.changes_count * sizeof *r->changes);
    free(r->changes);
    free(r->chain);
    sodium_memzero(r, sizeof *r);
    free(r);
}

static void end_request(struct control *c, struct request *r)
{
    struct request **at = &c->first;
    while (*at != r)
        at = &(*at)->next;
    *at = r->next;
    c->count--;
    request_free(r);
}

static void drop_held(struct control *c)
{
    while (c->held != NULL) {
        struct held *h = c->held;
        c->held = h->next;
        json_decref(h->body);
        free(h);
    }
    c->held_end = &c->held;
}

void control_free(struct control **p)
{
    struct control *c = *p;
    if (c == NULL) return;
    drop_held(c);
    while (c->first != NULL)
        end_request(c, c->first);
    zsock_t *s = c->router;
    zsock_set_linger(s, 200); /* the reply to `stop` */
    zsock_destroy(&s);
    free(c);
    *p = NULL;
}

struct inlet *control_inlet(struct control *c) { return &c->inlet; }
void control_drain(struct control *c) { c->draining = true; }
bool control_is_idle(const struct control *c) { return c->first == NULL; }
bool control_wants_stop(const struct control *c) { return c->stop; }

/* --- replies --- */

/* CPIS_E_NOMEM; CPIS_E_LIMIT: REPLY_HWM wait already. Of a client that is gone: CPIS_OK. The memory
 * is had before the route is sent: the next reply's route would end a message that was half sent,
 * and its text go to this client. */
static cpis_err send_frames(struct control *c, const uint8_t *route, size_t route_len,
                            const char *text)
{
    zmq_msg_t m;
    const size_t len = strlen(text);
    if (zmq_msg_init_size(&m, len) != 0) return CPIS_E_NOMEM;
    memcpy(zmq_msg_data(&m), text, len);
    inlet_called(&c->inlet);
    if (zmq_send(c->inlet.socket, route, route_len, ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0 &&
        zmq_msg_send(&m, c->inlet.socket, ZMQ_DONTWAIT) >= 0)
        return CPIS_OK;
    const int why = zmq_errno();
    (void)zmq_msg_close(&m);
    return why == EAGAIN ? CPIS_E_LIMIT : why == ENOMEM ? CPIS_E_NOMEM : CPIS_OK;
}

static cpis_err send_text(struct control *c, const uint8_t *route, size_t route_len, json_t *body)
{
    char *text = json_dumps(body, JSON_COMPACT | JSON_REAL_PRECISION(15));
    json_decref(body);
    const bool whole = !json_memory_failed() && text != NULL;
    const cpis_err err = whole ? send_frames(c, route, route_len, text) : CPIS_E_NOMEM;
    json_memory_free(text);
    return err;
}

/* A last reply that takes no memory to make. id 0: of a request that could not be read. */
static void send_no_memory(struct control *c, const uint8_t *route, size_t route_len, uint64_t id,
                           const char *what, const char *todo)
{
    char text[384];
    (void)snprintf(text, sizeof text,
                   "{\"id\":%" PRIu64 ",\"done\":true,\"error\":{\"code\":\"CPIS_E_NOMEM\","
                   "\"text\":\"out of memory: %s\",\"do\":\"%s\"}}",
                   id, what, todo);
    (void)send_frames(c, route, route_len,
                      text); /* if even this fails, the client's timeout tells */
}

static void send_more(struct control *c, struct request *r, json_t *body)
{
    const cpis_err err = send_text(c, r->route, r->route_len, body);
    if (r->lost == CPIS_OK) r->lost = err;
}

void control_more(struct control *c, struct request *r, json_t *body)
{
    put(body, "id", json_integer((json_int_t)r->id));
    put(body, "more", json_true());
    send_more(c, r, body);
}

static json_t *error_json(const struct fault *f)
{
    const char *name = "CPIS_E_STATE";
#define CPIS_X(name_, value, text)                                                                 \
    if (f->code == (value)) name = #name_;
    CPIS_ERRORS(CPIS_X)
#undef CPIS_X
    json_t *error = json_object();
    put(error, "code", json_string(name));
    put(error, "text", json_string(f->text));
    put(error, "do", json_text(f->todo == NULL ? "" : f->todo));
    return error;
}

static json_t *as_last(uint64_t id, json_t *body, const struct fault *f)
{
    if (body == NULL) body = json_object();
    put(body, "id", json_integer((json_int_t)id));
    put(body, "done", json_true());
    put(body, "error", f != NULL && f->code != CPIS_OK ? error_json(f) : NULL);
    return body;
}

/* What lacks a part is not told as if it were whole. */
static void send_last(struct control *c, struct request *r, json_t *body)
{
    static const char look[] = "what was asked for may have been done: look, then ask again",
                      read[] = "ask again, for less at a time";
    struct fault f = {.code = CPIS_OK};
    if (r->lost == CPIS_E_NOMEM)
        (void)fail_with(&f, r->lost, look, "out of memory: a part of the answer is lost");
    else if (r->lost != CPIS_OK)
        (void)fail_with(&f, r->lost, read,
                        "a part of the answer is lost: more than %u replies waited to be read",
                        REPLY_HWM);
    if (f.code != CPIS_OK && json_is_null(json_object_get(body, "error")))
        put(body, "error", error_json(&f));
    if (send_text(c, r->route, r->route_len, body) == CPIS_E_NOMEM)
        send_no_memory(c, r->route, r->route_len, r->id, "the answer is lost", look);
    r->told = true;
}

static void hold_reply(struct control *c, struct request *r, struct number_asked *number,
                       json_t *body)
{
    struct held *h = calloc(1, sizeof *h);
    if (json_memory_failed() || h == NULL || body == NULL) { /* its last reply tells */
        if (r->lost == CPIS_OK) r->lost = CPIS_E_NOMEM;
        free(h);
        json_decref(body);
        return;
    }
    *h = (struct held){.request = r, .number = number, .body = body};
    *c->held_end = h;
    c->held_end = &h->next;
}

/* --- requests --- */

static const struct control_command *find_command(const json_t *body)
{
    const char *name = json_string_value(json_object_get(body, "command"));
    for (size_t i = 0; name != NULL && i < sizeof commands / sizeof *commands; i++)
        if (strcmp(commands[i].name, name) == 0) return &commands[i];
    return NULL;
}

static bool check_kind(const struct control *c, const struct control_env *env,
                       const struct request *r, struct fault *f)
{
    static const char elsewhere[] = "`cpis status` says what this node is";
    char allowed[128];
    if (r->kind == NULL) {
        (void)fail_with(f, CPIS_E_NOTFOUND, "`cpis --help` lists the commands",
                        "there is no such command");
        return false;
    }
    if ((r->kind->roles & 1U << env->role) == 0) {
        (void)fail_with(f, CPIS_E_STATE, elsewhere, "a node of this role has no command \"%s\"",
                        r->kind->name);
        return false;
    }
    (void)snprintf(allowed, sizeof allowed, " id command%s", r->kind->fields);
    if (!only_fields(r->body, allowed, f)) return false;
    if (c->draining) {
        (void)fail_with(f, CPIS_E_BUSY, "ask again when it runs", "the node is stopping");
        return false;
    }
    if (c->count > CONTROL_REQUESTS_MAX) {
        (void)fail_with(f, CPIS_E_BUSY, "ask again in a moment", "%u requests are waiting already",
                        CONTROL_REQUESTS_MAX);
        return false;
    }
    if (r->kind->needs_node && env->node == NULL) {
        (void)fail_with(f, CPIS_E_STORE, env->why_down, "the node does not run now");
        return false;
    }
    return true;
}

static void serve(struct control *c, const struct control_env *env, struct request *r)
{
    struct fault f = {.code = CPIS_OK};
    json_t *reply = NULL;
    if (check_kind(c, env, r, &f)) reply = r->kind->fn(c, env, r, &f);
    if (r->for_node && f.code == CPIS_OK) return;
    send_last(c, r, as_last(r->id, reply, &f));
    sodium_memzero(&f, sizeof f);
    end_request(c, r);
}

static const char nothing_done[] = "nothing was done", ask_again[] = "ask again in a moment";

static void refuse(struct control *c, const uint8_t *route, size_t len, const char *text)
{
    struct fault f = {.code = CPIS_OK};
    (void)fail_with(&f, CPIS_E_MALFORMED, "send one JSON object with \"id\" and \"command\"", "%s",
                    text);
    if (send_text(c, route, len, as_last(0, NULL, &f)) == CPIS_E_NOMEM)
        send_no_memory(c, route, len, 0, nothing_done, ask_again);
}

static void take_request(struct control *c, const struct control_env *env, const zframe_t *route,
                         const zframe_t *text)
{
    uint8_t *from = zframe_data((zframe_t *)(uintptr_t)route);
    size_t from_len = zframe_size((zframe_t *)(uintptr_t)route);
    size_t len = zframe_size((zframe_t *)(uintptr_t)text);
    json_error_t e;
    if (len > CONTROL_REQUEST_BYTES) {
        refuse(c, from, from_len, "the request is larger than 4 MiB");
        return;
    }
    json_t *body = json_loadb((const char *)zframe_data((zframe_t *)(uintptr_t)text), len,
                              JSON_REJECT_DUPLICATES, &e);
    const json_t *id = json_object_get(body, "id");
    const bool has_id = json_is_integer(id) && json_integer_value(id) >= 0;
    if (json_memory_failed()) {
        send_no_memory(c, from, from_len, has_id ? (uint64_t)json_integer_value(id) : 0,
                       nothing_done, ask_again);
        json_decref(body);
        return;
    }
    if (!has_id) {
        refuse(c, from, from_len,
               body == NULL ? "the request is no JSON" : "the request has no number \"id\"");
        json_decref(body);
        return;
    }
    struct request *r = calloc(1, sizeof *r);
    uint8_t *own = malloc(from_len);
    if (r == NULL || own == NULL) {
        send_no_memory(c, from, from_len, (uint64_t)json_integer_value(id), nothing_done,
                       ask_again);
        free(r);
        free(own);
        json_decref(body);
        return;
    }
    memcpy(own, from, from_len);
    *r = (struct request){.route = own,
                          .route_len = from_len,
                          .id = (uint64_t)json_integer_value(id),
                          .body = body,
                          .kind = find_command(body)};
    struct request **end = &c->first;
    while (*end != NULL)
        end = &(*end)->next;
    *end = r;
    c->count++;
    serve(c, env, r);
}

bool control_read(struct control *c, const struct control_env *env)
{
    zframe_t *f[2] = {NULL, NULL};
    size_t n = 0;
    for (bool more = c->inlet.may_hold; more; n++) {
        zframe_t *got = zframe_recv_nowait(c->router);
        if (got == NULL) {
            inlet_emptied(&c->inlet);
            break;
        }
        more = zframe_more(got) != 0;
        if (n < 2)
            f[n] = got;
        else
            zframe_destroy(&got);
    }
    if (n == 2) {
        take_request(c, env, f[0], f[1]);
        sodium_memzero(zframe_data(f[1]), zframe_size(f[1])); /* it may hold NHS numbers */
    }
    zframe_destroy(&f[0]);
    zframe_destroy(&f[1]);
    return n > 0;
}

/* --- commands for the node --- */

static struct number_asked *next_number(struct request *r)
{
    return r->numbers_given < r->numbers_count ? &r->numbers[r->numbers_given] : NULL;
}

/* The request whose turn it is: lookups of one wait while CONTROL_ACTIVE_MAX are under way, and a
 * long list leaves room for a short one. */
static struct request *find_ready(const struct control *c)
{
    for (struct request *r = c->first; r != NULL; r = r->next) {
        if (!r->for_node || r->ended) continue;
        if (r->numbers == NULL && !r->started) return r;
        size_t own = r->numbers_given - r->numbers_answered;
        if (r->numbers != NULL && next_number(r) != NULL && c->active < CONTROL_ACTIVE_MAX &&
            own < CONTROL_ACTIVE_MAX / 2)
            return r;
    }
    return NULL;
}

bool control_waits_for_node(const struct control *c) { return find_ready(c) != NULL; }

bool control_next(struct control *c, struct command *ret)
{
    struct request *r = find_ready(c);
    if (r == NULL) return false;
    r->started = true;
    r->command.id = ++c->last_command;
    struct number_asked *n = r->numbers == NULL ? NULL : next_number(r);
    if (n != NULL) {
        n->command = r->command.id;
        r->numbers_given++;
        c->active++;
        r->command.number = n->number;
        memcpy(r->ask.nhs_number, n->number.digits, sizeof r->ask.nhs_number);
    }
    *ret = r->command;
    return true;
}

static struct request *find_request(const struct control *c, uint64_t command,
                                    struct number_asked **ret_number)
{
    *ret_number = NULL;
    for (struct request *r = c->first; r != NULL; r = r->next) {
        if (r->numbers == NULL && r->started && !r->ended && r->command.id == command) return r;
        for (size_t i = r->numbers_given; i-- > 0;) { /* those under way are the last ones */
            if (r->numbers[i].command != command || r->numbers[i].answered) continue;
            *ret_number = &r->numbers[i];
            return r;
        }
    }
    return NULL;
}

static void hold_verdict(struct control *c, const struct control_env *env, struct request *r,
                         struct number_asked *n, const struct result *res)
{
    json_t *body = verdict_json(env, res);
    put(body, "nhs_number", json_string(n->number.digits));
    put(body, "id", json_integer((json_int_t)r->id));
    put(body, "more", json_true());
    hold_reply(c, r, n, body);
    n->answered = true;
    r->numbers_answered++;
    c->active--;
    if (r->numbers_answered < r->numbers_count) return;
    r->ended = true;
    hold_reply(c, r, NULL,
               as_last(r->id, json_pack("{s:I}", "count", (json_int_t)r->numbers_count), NULL));
}

void control_result(struct control *c, const struct control_env *env, uint64_t command,
                    const struct result *res)
{
    struct number_asked *n;
    struct request *r = find_request(c, command, &n);
    if (r == NULL) return; /* of a node before this one */
    if (n != NULL) {
        hold_verdict(c, env, r, n, res);
        return;
    }
    struct fault f = {.code = CPIS_OK};
    json_t *reply = NULL;
    if (res->err == CPIS_OK && res->type == RESULT_CHANGES) reply = outcomes_json(res);
    if (res->err == CPIS_OK && r->command.type == COMMAND_TEST) reply = tested_json(res);
    if (res->err == CPIS_OK && r->command.type == COMMAND_UNDO_IMPORT) reply = undone_json(res);
    if (res->err != CPIS_OK)
        (void)fail_with(&f, res->err, "", "%s",
                        res->why[0] != '\0' ? res->why : cpis_strerror(res->err));
    r->ended = true;
    hold_reply(c, r, NULL, as_last(r->id, reply, &f));
}

static void show_held(struct control *c)
{
    while (c->held != NULL) {
        struct held *h = c->held;
        c->held = h->next;
        if (h->number == NULL) {
            send_last(c, h->request, h->body);
        } else {
            send_more(c, h->request, h->body);
            h->number->shown = true;
        }
        free(h);
    }
    c->held_end = &c->held;
    for (struct request *r = c->first, *next; r != NULL; r = next) {
        next = r->next;
        if (!r->ended) continue;
        if (!r->told) send_last(c, r, as_last(r->id, NULL, NULL));
        end_request(c, r);
    }
}

/* A verdict that was held back with the lost batch counts as none. */
static size_t fail_request(struct control *c, struct request *r)
{
    static const char why[] = "this node can't store the lookup";
    struct fault f = {.code = CPIS_OK};
    size_t lookups = 0;
    for (size_t i = 0; i < r->numbers_count; i++) {
        if (r->numbers[i].shown) continue;
        control_more(c, r, unknown_json(&r->numbers[i].number, why));
        lookups++;
    }
    (void)fail_with(&f, CPIS_E_STORE,
                    "`cpis status` says what is wrong; then ask again: a lookup that was sent is "
                    "recorded all the same",
                    "the node could not store its work and began anew");
    send_last(c, r, as_last(r->id, NULL, &f));
    end_request(c, r);
    return lookups;
}

size_t control_committed(struct control *c, bool durable)
{
    size_t lookups = 0;
    if (durable) {
        show_held(c);
        return 0;
    }
    drop_held(c);
    for (struct request *r = c->first, *next; r != NULL; r = next) {
        next = r->next;
        if (r->started) lookups += fail_request(c, r);
    }
    c->active = 0;
    return lookups;
}
