/* Who looked at one child, silent reads included. */
#include "node/net/control_int.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define ACCESSES_MAX 5000U

/* accesses: {nhs_number, from?, to?} -> {accesses: [...], cut}, unscheduled ones first, then silent
 * reads, then those without details, each newest first; cut: there are more than could be listed.
 */

struct accesses {
    const struct control_env *env;
    cpis_ms from, to; /* received in [from, to) */
    json_t *list;
    bool cut;
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
    put(o, "who", whole ? json_text(details_who(d)) : NULL);
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
    const bool listed = err == CPIS_OK && x.received >= all->from && x.received < all->to;
    if (listed && json_array_size(all->list) < ACCESSES_MAX)
        (void)json_array_append_new(all->list, access_json(all->env, &x));
    else if (listed)
        all->cut = true;
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
    return all->err == CPIS_OK && !all->cut;
}

json_t *control_accesses(struct control *c, const struct control_env *env, struct request *r,
                         struct fault *f)
{
    (void)c;
    struct nhs_number n;
    struct accesses all = {.env = env, .to = CPIS_MS_NEVER};
    if (!get_moment(r->body, "from", false, &all.from, f) ||
        !get_moment(r->body, "to", true, &all.to, f) ||
        !get_number(json_object_get(r->body, "nhs_number"), "nhs_number", &n, f))
        return NULL;
    all.list = json_array();
    json_t *o = json_object();
    put(o, "accesses", all.list);
    for (uint8_t class = 0; class < HISTORY_CLASS_END && all.err == CPIS_OK; class ++) {
        uint8_t prefix[NHS_NUMBER_DIGITS + 1];
        memcpy(prefix, n.digits, NHS_NUMBER_DIGITS);
        prefix[NHS_NUMBER_DIGITS] = class;
        cpis_err err = env->view->scan(env->view->ctx, TABLE_HISTORY, prefix, sizeof prefix, true,
                                       list_access, &all);
        if (err != CPIS_OK) all.err = err;
    }
    nhs_number_wipe(&n);
    put(o, "cut", json_boolean(all.cut));
    if (all.err == CPIS_OK) return o;
    json_decref(o);
    return fail_with(f, all.err, LOOK_AT_THE_DISK, "the accesses can't be read");
}
