/* Who looked: notifications, and the accesses of one child. */
#include "node/net/control_int.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define LIST_LIMIT 500U

static const char *const states[] = {
    [NOTIFICATION_NEW] = "new", [NOTIFICATION_SEEN] = "seen", [NOTIFICATION_ACTIONED] = "actioned"};

static const char *state_name(uint32_t s)
{
    return s >= NOTIFICATION_NEW && s <= NOTIFICATION_ACTIONED ? states[s] : "";
}

static bool read_state(const struct request *r, bool required, uint32_t *ret, struct fault *f)
{
    const char *text = NULL;
    if (!get_string(r->body, "state", required, 12, &text, f)) return false;
    if (text == NULL) return true;
    for (uint32_t s = NOTIFICATION_NEW; s <= NOTIFICATION_ACTIONED; s++) {
        if (strcmp(text, states[s]) != 0) continue;
        *ret = s;
        return true;
    }
    (void)fail_with(f, CPIS_E_MALFORMED, "give one of these",
                    "\"state\" must be new, seen or actioned");
    return false;
}

struct listing {
    json_t *list;
    size_t limit;
    uint64_t before;
    uint32_t state;
};

static const char *who(const struct msg_ask_details *d)
{
    if (d->user_name[0] != '\0') return d->user_name;
    return d->user_id[0] != '\0' ? d->user_id : d->device_id;
}

static void put_organisation(json_t *o, const char *code, const char *name)
{
    put(o, "organisation", json_text(name[0] != '\0' ? name : code));
    put(o, "organisation_code", json_text(code));
}

/* From the details; if they did not come, from the envelope, which names the query node only. */
static json_t *notification_json(const struct row_notification *n)
{
    const struct msg_ask_details *d = &n->details;
    bool own = n->complete && d->organisation_code[0] != '\0';
    json_t *o = json_object();
    put(o, "id", json_integer((json_int_t)n->id));
    put(o, "nhs_number", json_string(n->nhs_number));
    put(o, "local_id", json_text(n->local_id));
    put(o, "at", json_time(n->at));
    put(o, "received", json_time(n->received));
    put(o, "who", n->complete ? json_text(who(d)) : NULL);
    put(o, "role", n->complete ? json_text(d->role_name) : NULL);
    put_organisation(o, own ? d->organisation_code : n->asker_code,
                     own ? d->organisation_name : n->asker_name);
    put(o, "setting", n->complete ? json_text(d->setting) : NULL);
    put(o, "purpose",
        n->complete && d->purpose == PURPOSE_NOT_BROUGHT ? json_string("not-brought")
        : n->complete                                    ? json_string("direct-care")
                                                         : NULL);
    put(o, "state", json_text(state_name(n->state)));
    put(o, "state_since", json_time(n->state_since));
    put(o, "complete", json_boolean(n->complete));
    return o;
}

static bool list_notification(void *arg, const struct row *row)
{
    struct listing *l = arg;
    struct arena a = arena_make(TABLE_ROW_BYTES_MAX);
    struct row_notification n;
    cpis_err err = row_notification_decode((struct bytes){row->value, row->value_len}, &a, &n);
    if (err == CPIS_OK && (l->state == 0 || n.state == l->state) &&
        (l->before == 0 || n.id < l->before))
        (void)json_array_append_new(l->list, notification_json(&n));
    arena_free(&a);
    return json_array_size(l->list) < l->limit;
}

/* notifications_list: {state?, before?, limit?} -> {notifications: [...]}, newest first; older
 * ones: before = the last id */
json_t *control_notifications_list(struct control *c, const struct control_env *env,
                                   struct request *r, struct fault *f)
{
    (void)c;
    uint64_t limit = LIST_LIMIT;
    struct listing l = {.state = 0};
    if (!read_state(r, false, &l.state, f) ||
        !get_integer(r->body, "before", false, INT64_MAX, &l.before, f) ||
        !get_integer(r->body, "limit", false, LIST_LIMIT, &limit, f))
        return NULL;
    l.limit = limit > 0 ? limit : 1;
    l.list = json_array();
    json_t *o = json_object();
    put(o, "notifications", l.list);
    cpis_err err =
        env->view->scan(env->view->ctx, TABLE_NOTIFICATION, NULL, 0, true, list_notification, &l);
    if (err == CPIS_OK) return o;
    json_decref(o);
    return fail_with(f, err, LOOK_AT_THE_DISK, "the notifications can't be read");
}

/* notifications_set: {notification: id, state} -> {} */
json_t *control_notifications_set(struct control *c, const struct control_env *env,
                                  struct request *r, struct fault *f)
{
    (void)c;
    (void)env;
    uint64_t id = 0;
    uint32_t state = 0;
    if (!get_integer(r->body, "notification", true, INT64_MAX, &id, f) ||
        !read_state(r, true, &state, f))
        return NULL;
    r->command = (struct command){
        .type = COMMAND_NOTIFICATION, .notification = id, .state = (enum notification_state)state};
    r->for_node = true;
    return NULL;
}

/* --- accesses: {nhs_number} -> {accesses: [...]}, unscheduled ones first, each newest first --- */

struct accesses {
    const struct control_env *env;
    json_t *list;
    cpis_err err;
};

static json_t *access_json(const struct control_env *env, const struct row_access *x)
{
    static const char *const access_states[] = {[ACCESS_AWAITING] = "awaiting",
                                                [ACCESS_ENVELOPE_ONLY] = "envelope_only",
                                                [ACCESS_COMPLETE] = "complete"};
    const struct msg_ask_details *d = &x->details;
    bool whole = x->state == ACCESS_COMPLETE;
    json_t *o = json_object();
    put(o, "time", json_time(x->received));
    put(o, "rid", json_hex(x->rid.b, sizeof x->rid.b));
    put(o, "query", json_node(env, &x->query_id));
    put(o, "state",
        x->state >= ACCESS_AWAITING && x->state <= ACCESS_COMPLETE
            ? json_string(access_states[x->state])
            : NULL);
    put(o, "who", whole ? json_text(who(d)) : NULL);
    put(o, "user_id", whole ? json_text(d->user_id) : NULL);
    put(o, "role", whole ? json_text(d->role_name) : NULL);
    put_organisation(o, whole ? d->organisation_code : "", whole ? d->organisation_name : "");
    put(o, "setting", whole ? json_text(d->setting) : NULL);
    put(o, "scheduled", whole ? json_boolean(d->scheduled) : NULL);
    put(o, "correlation", whole ? json_text(d->correlation) : NULL);
    put(o, "late", json_boolean(x->late));
    put(o, "revoked", json_boolean(x->revoked));
    put(o, "twin", json_boolean(x->twin));
    put(o, "log_sequence", json_integer((json_int_t)x->sequence));
    put(o, "notification", x->notification == 0 ? NULL : json_integer((json_int_t)x->notification));
    return o;
}

static cpis_err add_access(struct accesses *all, const struct cpis_hash *rh)
{
    uint8_t *value;
    size_t len;
    struct row_access x;
    cpis_err err = row_bytes(all->env, TABLE_ACCESS, rh->b, sizeof rh->b, &value, &len);
    if (err == CPIS_E_NOTFOUND) return CPIS_OK; /* older than accesses are kept */
    if (err != CPIS_OK) return err;
    struct arena a = arena_make(TABLE_ROW_BYTES_MAX * 2);
    err = row_access_decode((struct bytes){value, len}, &a, &x);
    if (err == CPIS_OK) (void)json_array_append_new(all->list, access_json(all->env, &x));
    arena_free(&a);
    sodium_memzero(value, len);
    free(value);
    return err;
}

static bool list_access(void *arg, const struct row *row)
{
    struct accesses *all = arg;
    struct arena a = arena_make(TABLE_ROW_BYTES_MAX);
    struct row_history h;
    all->err = row_history_decode((struct bytes){row->value, row->value_len}, &a, &h);
    arena_free(&a);
    if (all->err == CPIS_OK) all->err = add_access(all, &h.rh);
    return all->err == CPIS_OK && json_array_size(all->list) < LIST_LIMIT;
}

json_t *control_accesses(struct control *c, const struct control_env *env, struct request *r,
                         struct fault *f)
{
    (void)c;
    struct nhs_number n;
    struct accesses all = {.env = env, .list = json_array()};
    json_t *o = json_object();
    put(o, "accesses", all.list);
    if (!get_number(json_object_get(r->body, "nhs_number"), "nhs_number", &n, f)) {
        json_decref(o);
        return NULL;
    }
    for (uint8_t scheduled = 0; scheduled < 2 && all.err == CPIS_OK; scheduled++) {
        uint8_t prefix[NHS_NUMBER_DIGITS + 1];
        memcpy(prefix, n.digits, NHS_NUMBER_DIGITS);
        prefix[NHS_NUMBER_DIGITS] = scheduled;
        cpis_err err = env->view->scan(env->view->ctx, TABLE_HISTORY, prefix, sizeof prefix, true,
                                       list_access, &all);
        if (err != CPIS_OK) all.err = err;
    }
    nhs_number_wipe(&n);
    if (all.err == CPIS_OK) return o;
    json_decref(o);
    return fail_with(f, all.err, LOOK_AT_THE_DISK, "the accesses can't be read");
}
