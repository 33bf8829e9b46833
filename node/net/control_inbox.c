/* The inbox: notifications listed, dealt with, and one made as a test. */
#include "crypto/cursor.h"
#include "node/net/control_int.h"
#include "proto/text.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define LIST_LIMIT 500U

static const char *const states[] = {
    [NOTIFICATION_NEW] = "new", [NOTIFICATION_SEEN] = "seen", [NOTIFICATION_ACTIONED] = "actioned"};
static const char *const kinds[] = {[NOTIFICATION_ACCESS] = "access",
                                    [NOTIFICATION_NOT_BROUGHT] = "not-brought",
                                    [NOTIFICATION_PATTERN] = "pattern",
                                    [NOTIFICATION_TEST] = "test"};

static const char *state_name(uint32_t s)
{
    return s >= NOTIFICATION_NEW && s <= NOTIFICATION_ACTIONED ? states[s] : "";
}

static const char *kind_name(uint32_t k)
{
    return k >= NOTIFICATION_ACCESS && k <= NOTIFICATION_TEST ? kinds[k] : "";
}

/* One of `names`, from 1 to last; absent: *ret stays. */
static bool read_word(const struct request *r, const char *key, bool required,
                      const char *const *names, uint32_t last, const char *expected, uint32_t *ret,
                      struct fault *f)
{
    const char *text = NULL;
    if (!get_string(r->body, key, required, 12, &text, f)) return false;
    if (text == NULL) return true;
    for (uint32_t i = 1; i <= last; i++) {
        if (strcmp(text, names[i]) != 0) continue;
        *ret = i;
        return true;
    }
    (void)fail_with(f, CPIS_E_MALFORMED, "give one of these", "\"%s\" must be %s", key, expected);
    return false;
}

static bool read_state(const struct request *r, bool required, uint32_t *ret, struct fault *f)
{
    return read_word(r, "state", required, states, NOTIFICATION_ACTIONED, "new, seen or actioned",
                     ret, f);
}

static bool read_by(const struct request *r, const char **ret, struct fault *f)
{
    if (!get_string(r->body, "by", true, NAME_BYTES_MAX, ret, f)) return false;
    if ((*ret)[0] != '\0' && text_check_utf8(*ret, strlen(*ret)) == CPIS_OK) return true;
    (void)fail_with(f, CPIS_E_MALFORMED, "give the name of who does it",
                    "\"by\" is empty or holds control characters");
    return false;
}

/* --- one notification, as JSON --- */

const char *details_who(const struct msg_ask_details *d)
{
    if (d->user_name[0] != '\0') return d->user_name;
    return d->user_id[0] != '\0' ? d->user_id : d->device_id;
}

void put_organisation(json_t *o, const char *code, const char *name)
{
    put(o, "organisation", json_text(name[0] != '\0' ? name : code));
    put(o, "organisation_code", json_text(code));
}

/* From the details; if they did not come, from the envelope, which names the query node only. */
static void put_place(json_t *o, const struct row_notification *n)
{
    const struct msg_ask_details *d = &n->details;
    bool own = n->complete && d->organisation_code[0] != '\0';
    put_organisation(o, own ? d->organisation_code : n->asker_code,
                     own ? d->organisation_name : n->asker_name);
    put(o, "setting", n->complete ? json_text(d->setting) : NULL);
}

static cpis_err load(const struct control_env *env, uint64_t id, struct arena *a,
                     struct row_notification *ret)
{
    uint8_t key[8], *value;
    size_t len;
    struct cursor c = cursor_write(key, sizeof key);
    cursor_put_u64(&c, id);
    cpis_err err = row_bytes(env, TABLE_NOTIFICATION, key, sizeof key, &value, &len);
    if (err != CPIS_OK) return err;
    err = row_notification_decode((struct bytes){value, len}, a, ret);
    sodium_memzero(value, len);
    free(value);
    return err;
}

/* The looks that a pattern is made of: each is a notification itself. */
static json_t *looks_json(const struct control_env *env, const struct row_notification *n,
                          struct arena *a)
{
    json_t *list = json_array();
    struct cursor c = cursor_read(n->looks.p, n->looks.len);
    for (size_t i = 0; i < n->looks.len / 8; i++) {
        struct row_notification look = {.id = cursor_get_u64(&c)};
        if (load(env, look.id, a, &look) != CPIS_OK) continue;
        json_t *o = json_object();
        put(o, "id", json_integer((json_int_t)look.id));
        put(o, "at", json_time(look.at));
        put_place(o, &look);
        (void)json_array_append_new(list, o);
    }
    return list;
}

static json_t *changes_json(const struct row_notification *n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n->changes_count; i++) {
        json_t *o = json_object();
        put(o, "state", json_text(state_name(n->changes[i].state)));
        put(o, "at", json_time(n->changes[i].at));
        put(o, "by", json_text(n->changes[i].by));
        (void)json_array_append_new(list, o);
    }
    return list;
}

static void put_last(json_t *o, const struct row_notification *n, uint32_t state, const char *at,
                     const char *by)
{
    const struct row_change none = {.at = 0}, *last = &none;
    for (size_t i = 0; i < n->changes_count; i++)
        if (n->changes[i].state == state) last = &n->changes[i];
    put(o, at, json_time(last->at));
    put(o, by, json_text(last->by));
}

static void put_handling(json_t *o, const struct row_notification *n)
{
    put(o, "state", json_text(state_name(n->state)));
    put(o, "state_since", json_time(n->state_since));
    put(o, "opened", json_time(n->opened));
    put(o, "escalated", json_time(n->escalated));
    put_last(o, n, NOTIFICATION_SEEN, "seen_at", "seen_by");
    put_last(o, n, NOTIFICATION_ACTIONED, "actioned_at", "actioned_by");
    put(o, "changes", changes_json(n));
}

static json_t *notification_json(const struct control_env *env, const struct row_notification *n,
                                 struct arena *a)
{
    const struct msg_ask_details *d = &n->details;
    const bool of_a_look = n->kind == NOTIFICATION_ACCESS || n->kind == NOTIFICATION_NOT_BROUGHT;
    const bool whole = n->complete && n->kind != NOTIFICATION_PATTERN;
    json_t *o = json_object();
    put(o, "id", json_integer((json_int_t)n->id));
    put(o, "kind", json_text(kind_name(n->kind)));
    put(o, "nhs_number", json_text(n->nhs_number));
    put(o, "local_id", json_text(n->local_id));
    put(o, "at", json_time(n->at));
    put(o, "received", json_time(n->received));
    put(o, "who", whole ? json_text(details_who(d)) : NULL);
    put(o, "user_id", whole ? json_text(d->user_id) : NULL);
    put(o, "role", whole ? json_text(d->role_name) : NULL);
    put(o, "role_code", whole ? json_text(d->role_code) : NULL);
    put(o, "device_id", whole ? json_text(d->device_id) : NULL);
    put_place(o, n);
    put(o, "purpose",
        !whole || !of_a_look                  ? NULL
        : n->kind == NOTIFICATION_NOT_BROUGHT ? json_string("not-brought")
                                              : json_string("direct-care"));
    put_handling(o, n);
    put(o, "complete", json_boolean(n->complete));
    put(o, "completion", n->completion == 0 ? NULL : json_integer((json_int_t)n->completion));
    put(o, "lookup", of_a_look ? json_hex(n->rh.b, sizeof n->rh.b) : NULL);
    put(o, "import", n->import_id == 0 ? NULL : json_integer((json_int_t)n->import_id));
    put(o, "looks", n->kind == NOTIFICATION_PATTERN ? looks_json(env, n, a) : NULL);
    return o;
}

/* --- the list --- */

struct listing {
    uint32_t state, kind; /* 0: any */
    uint64_t before, after, limit;
    cpis_ms since;
    bool forward;
};

static bool newest_id(void *arg, const struct row *row)
{
    uint64_t *ret = arg;
    struct cursor c = cursor_read(row->key, row->key_len);
    *ret = cursor_get_u64(&c);
    return false; /* newest first: the first is enough */
}

static bool is_listed(const struct listing *l, const struct row_notification *n)
{
    return (l->state == 0 || n->state == l->state) && (l->kind == 0 || n->kind == l->kind) &&
           n->received >= l->since;
}

/* Ids have no gaps: each is read by its own. */
static cpis_err list(const struct control_env *env, const struct listing *l, uint64_t newest,
                     json_t *ret)
{
    const uint64_t last = l->before > 0 && l->before <= newest ? l->before - 1 : newest;
    for (uint64_t i = 0; l->after + i < last && json_array_size(ret) < l->limit; i++) {
        struct arena a = arena_make(TABLE_ROW_BYTES_MAX);
        struct row_notification n;
        cpis_err err = load(env, l->forward ? l->after + 1 + i : last - i, &a, &n);
        if (err == CPIS_OK && is_listed(l, &n))
            (void)json_array_append_new(ret, notification_json(env, &n, &a));
        arena_free(&a);
        if (err != CPIS_OK && err != CPIS_E_NOTFOUND) return err;
    }
    return CPIS_OK;
}

/* notifications_list: {state?, kind?, since?, before?, after?, limit?} -> {notifications: [...],
 * newest: the highest id there is}; newest first, older ones: before = the last id; with `after`
 * oldest first, newer ones: after = the last id */
json_t *control_notifications_list(struct control *c, const struct control_env *env,
                                   struct request *r, struct fault *f)
{
    (void)c;
    struct listing l = {.limit = LIST_LIMIT};
    uint64_t newest = 0;
    l.forward = json_is_integer(json_object_get(r->body, "after"));
    if (!read_state(r, false, &l.state, f) ||
        !read_word(r, "kind", false, kinds, NOTIFICATION_TEST,
                   "access, not-brought, pattern or test", &l.kind, f) ||
        !get_moment(r->body, "since", false, &l.since, f) ||
        !get_integer(r->body, "before", false, INT64_MAX, &l.before, f) ||
        !get_integer(r->body, "after", false, INT64_MAX, &l.after, f) ||
        !get_integer(r->body, "limit", false, LIST_LIMIT, &l.limit, f))
        return NULL;
    if (l.limit == 0) l.limit = 1;
    json_t *o = json_object(), *all = json_array();
    put(o, "notifications", all);
    cpis_err err =
        env->view->scan(env->view->ctx, TABLE_NOTIFICATION, NULL, 0, true, newest_id, &newest);
    if (err == CPIS_OK) err = list(env, &l, newest, all);
    put(o, "newest", json_integer((json_int_t)newest));
    if (err == CPIS_OK) return o;
    json_decref(o);
    return fail_with(f, err, LOOK_AT_THE_DISK, "the notifications can't be read");
}

/* --- those whose details came later --- */

struct completed { /* the lowest `limit` above `after`; rows come in the order of ids */
    uint64_t after, newest;
    cpis_ms since;
    struct {
        uint64_t completion, id;
    } at[LIST_LIMIT];
    size_t count, limit;
    cpis_err err;
};

static void gather(struct completed *k, const struct row_notification *n)
{
    if (n->completion > k->newest) k->newest = n->completion;
    if (n->completion <= k->after || n->received < k->since) return;
    if (k->count == k->limit) {
        if (n->completion > k->at[k->count - 1].completion) return;
        k->count--;
    }
    size_t i = k->count++;
    for (; i > 0 && k->at[i - 1].completion > n->completion; i--)
        k->at[i] = k->at[i - 1];
    k->at[i].completion = n->completion;
    k->at[i].id = n->id;
}

static bool gather_row(void *arg, const struct row *row)
{
    struct completed *k = arg;
    struct arena a = arena_make(TABLE_ROW_BYTES_MAX);
    struct row_notification n;
    k->err = row_notification_decode((struct bytes){row->value, row->value_len}, &a, &n);
    if (k->err == CPIS_OK) gather(k, &n);
    arena_free(&a);
    return k->err == CPIS_OK;
}

static cpis_err list_completed(const struct control_env *env, struct completed *k, json_t *ret)
{
    cpis_err err =
        env->view->scan(env->view->ctx, TABLE_NOTIFICATION, NULL, 0, false, gather_row, k);
    if (err == CPIS_OK) err = k->err;
    for (size_t i = 0; err == CPIS_OK && i < k->count; i++) {
        struct arena a = arena_make(TABLE_ROW_BYTES_MAX);
        struct row_notification n;
        err = load(env, k->at[i].id, &a, &n);
        if (err == CPIS_OK) (void)json_array_append_new(ret, notification_json(env, &n, &a));
        arena_free(&a);
    }
    return err;
}

/* notifications_completed: {after?, since?, limit?} -> {notifications: [...], newest: the highest
 * completion there is}; in the order in which their details came: after = the last completion */
json_t *control_notifications_completed(struct control *c, const struct control_env *env,
                                        struct request *r, struct fault *f)
{
    (void)c;
    uint64_t limit = LIST_LIMIT;
    struct completed k = {.after = 0};
    if (!get_integer(r->body, "after", false, INT64_MAX, &k.after, f) ||
        !get_moment(r->body, "since", false, &k.since, f) ||
        !get_integer(r->body, "limit", false, LIST_LIMIT, &limit, f))
        return NULL;
    k.limit = limit > 0 ? limit : 1;
    json_t *o = json_object(), *all = json_array();
    put(o, "notifications", all);
    cpis_err err = list_completed(env, &k, all);
    put(o, "newest", json_integer((json_int_t)k.newest));
    if (err == CPIS_OK) return o;
    json_decref(o);
    return fail_with(f, err, LOOK_AT_THE_DISK, "the notifications can't be read");
}

/* notifications_set: {notification: id, state, by} -> {} */
json_t *control_notifications_set(struct control *c, const struct control_env *env,
                                  struct request *r, struct fault *f)
{
    (void)c;
    (void)env;
    uint32_t state = 0;
    r->command = (struct command){.type = COMMAND_NOTIFICATION};
    if (!get_integer(r->body, "notification", true, INT64_MAX, &r->command.notification, f) ||
        !read_state(r, true, &state, f) || !read_by(r, &r->command.by, f))
        return NULL;
    r->command.state = (enum notification_state)state;
    r->for_node = true;
    return NULL;
}

/* notifications_test: {by} -> {notification: id} */
json_t *control_notifications_test(struct control *c, const struct control_env *env,
                                   struct request *r, struct fault *f)
{
    (void)c;
    (void)env;
    r->command = (struct command){.type = COMMAND_TEST};
    if (!read_by(r, &r->command.by, f)) return NULL;
    r->for_node = true;
    return NULL;
}

json_t *tested_json(const struct result *res)
{
    return json_pack("{s:I}", "notification", (json_int_t)res->notification);
}
