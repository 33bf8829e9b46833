/* What operators of any role do: the register, the key ceremony, evidence. */
#include "node/core/seen.h"
#include "node/net/chain_store.h"
#include "node/net/control_int.h"
#include "node/net/folder.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define CHAIN_TEXT_MAX ((FRAME_BYTES_MAX + 2) / 3 * 4) /* base64 */
#define EVIDENCE_BYTES ((size_t)16 << 20)
#define LIST_LIMIT     1000U
#define NO_MEMORY      "ask for less at once, or give the machine more"

/* stop: {} -> {} and the node ends as after SIGTERM. */
json_t *control_stop(struct control *c, const struct control_env *env, struct request *r,
                     struct fault *f)
{
    (void)env;
    (void)r;
    (void)f;
    c->stop = true;
    return json_object();
}

/* accept_heads, confirm_shrink, confirm_restore: {} -> {} */
json_t *control_simple(struct control *c, const struct control_env *env, struct request *r,
                       struct fault *f)
{
    (void)c;
    (void)env;
    (void)f;
    enum command_type type = COMMAND_CONFIRM_RESTORE;
    if (strcmp(r->kind->name, "accept_heads") == 0) type = COMMAND_ACCEPT_HEADS;
    if (strcmp(r->kind->name, "confirm_shrink") == 0) type = COMMAND_CONFIRM_SHRINK;
    r->command = (struct command){.type = type};
    r->for_node = true;
    return NULL;
}

/* register_offer: {chain: base64 of an encoded register_chain} -> {} when it is in force, durably.
 * As many links as 1 MiB holds: a longer chain comes in several commands, one after the other, from
 * the version on that `status` tells. What was taken stays, whatever becomes of the rest. */
json_t *control_register_offer(struct control *c, const struct control_env *env, struct request *r,
                               struct fault *f)
{
    (void)c;
    (void)env;
    const char *text = NULL;
    size_t len = 0;
    if (!get_string(r->body, "chain", true, CHAIN_TEXT_MAX, &text, f)) return NULL;
    r->chain = base64_bytes(text, &len);
    if (r->chain == NULL || len == 0)
        return fail_with(f, CPIS_E_MALFORMED, "`cpis register publish DIR FILE` does it right",
                         "\"chain\" is no base64");
    r->command = (struct command){.type = COMMAND_REGISTER, .chain = {r->chain, len}};
    r->for_node = true;
    return NULL;
}

/* --- the key ceremony --- */

static bool read_holder(const struct control_env *env, const char *text, struct cpis_id *ret)
{
    const struct registry *reg = node_registry(env->node);
    if (text == NULL) return false;
    if (get_id(text, ret)) return true;
    if (reg == NULL || registry_is_empty(reg)) return false;
    const struct registry_node *n = registry_by_code(reg, ROLE_DIRECTORY, text);
    if (n != NULL) *ret = n->id;
    return n != NULL;
}

/* ceremony_start: {epoch, t, holders: [directory code or id in hex, ...]} -> {} when begun; status
 * tells how it goes */
json_t *control_ceremony_start(struct control *c, const struct control_env *env, struct request *r,
                               struct fault *f)
{
    (void)c;
    uint64_t epoch = 0, t = 0;
    const json_t *holders = json_object_get(r->body, "holders");
    size_t n = json_array_size(holders);
    if (!get_integer(r->body, "epoch", true, UINT32_MAX, &epoch, f) ||
        !get_integer(r->body, "t", true, THRESHOLD_HOLDERS_MAX, &t, f))
        return NULL;
    if (n == 0 || n > THRESHOLD_HOLDERS_MAX)
        return fail_with(f, CPIS_E_MALFORMED, "name every directory that takes part",
                         "\"holders\" must be a list of 1 to %u directories",
                         (unsigned)THRESHOLD_HOLDERS_MAX);
    r->command = (struct command){
        .type = COMMAND_CEREMONY, .epoch = (uint32_t)epoch, .t = (uint32_t)t, .n = (uint32_t)n};
    for (size_t i = 0; i < n; i++)
        if (!read_holder(env, json_string_value(json_array_get(holders, i)),
                         &r->command.holders[i]))
            return fail_with(f, CPIS_E_NOTFOUND, "`cpis register show` lists them",
                             "holder %zu is no directory of the register", i + 1);
    r->for_node = true;
    return NULL;
}

/* ceremony_result: {} -> {epoch, acceptances: [base64 of a signed message, ...]} */
json_t *control_ceremony_result(struct control *c, const struct control_env *env, struct request *r,
                                struct fault *f)
{
    (void)c;
    (void)r;
    const struct signed_message *all[THRESHOLD_HOLDERS_MAX];
    struct node_status s;
    node_status(env->node, env->now, env->wall, &s);
    size_t n = node_acceptances(env->node, all, THRESHOLD_HOLDERS_MAX);
    if (n == 0)
        return fail_with(f, CPIS_E_STATE, "`cpis status` tells how far it is",
                         "no key ceremony is finished here");
    struct arena a = arena_make(FRAME_BYTES_MAX);
    json_t *list = json_array();
    cpis_err err = CPIS_OK;
    for (size_t i = 0; err == CPIS_OK && i < n && i < THRESHOLD_HOLDERS_MAX; i++) {
        struct bytes b;
        err = signed_message_encode(all[i], &a, &b);
        if (err == CPIS_OK) (void)json_array_append_new(list, json_base64(b.p, b.len));
    }
    arena_free(&a);
    json_t *o = json_object();
    put(o, "epoch", json_integer((json_int_t)s.ceremony.epoch));
    put(o, "acceptances", list);
    if (err == CPIS_OK) return o;
    json_decref(o);
    return fail_with(f, err, NO_MEMORY, "the acceptances can't be written");
}

/* --- evidence --- */

static cpis_err export_evidence(const struct control_env *env, const struct cpis_id *rid,
                                struct arena *a, struct bytes *ret)
{
    uint8_t *value;
    size_t len;
    struct row_evidence ev;
    cpis_err err = row_bytes(env, TABLE_EVIDENCE, rid->b, sizeof rid->b, &value, &len);
    if (err != CPIS_OK) return err;
    err = row_evidence_decode((struct bytes){value, len}, a, &ev);
    free(value);
    if (err == CPIS_OK) err = seen_complete(env->view, a, &ev);
    return err == CPIS_OK ? row_evidence_encode(&ev, a, ret) : err;
}

/* evidence: {rid: hex} -> {evidence: base64 of an encoded row_evidence with all its heads} */
json_t *control_evidence(struct control *c, const struct control_env *env, struct request *r,
                         struct fault *f)
{
    (void)c;
    const char *text = NULL;
    struct cpis_id rid;
    struct bytes b;
    if (!get_string(r->body, "rid", true, 2 * CPIS_ID_BYTES, &text, f)) return NULL;
    if (!get_id(text, &rid))
        return fail_with(f, CPIS_E_MALFORMED, "`cpis evidence DIR` lists them",
                         "\"rid\" is no request id: 32 hexadecimal digits");
    struct arena a = arena_make(EVIDENCE_BYTES);
    cpis_err err = export_evidence(env, &rid, &a, &b);
    json_t *o = NULL;
    if (err == CPIS_OK) {
        o = json_object();
        put(o, "evidence", json_base64(b.p, b.len));
    } else if (err == CPIS_E_NOTFOUND) {
        (void)fail_with(f, err, "evidence is kept for 35 days after the verdict",
                        "there is no (whole) evidence for this request");
    } else {
        (void)fail_with(f, err, LOOK_AT_THE_DISK, "the evidence can't be read");
    }
    arena_free(&a);
    return o;
}

struct listing {
    json_t *list;
    size_t limit;
    uint64_t next;
    bool failed;
};

static bool list_evidence(void *arg, const struct row *row)
{
    struct listing *l = arg;
    struct arena a = arena_make(TABLE_ROW_BYTES_MAX * 4);
    struct row_evidence ev;
    if (row_evidence_decode((struct bytes){row->value, row->value_len}, &a, &ev) == CPIS_OK) {
        json_t *o = json_object();
        put(o, "rid", json_hex(row->key, row->key_len));
        put(o, "nhs_number", json_string(ev.nhs_number));
        put(o, "judged", json_time(ev.judged));
        put(o, "verdict", json_string(verdict_name((enum verdict_kind)ev.verdict)));
        put(o, "as_of", json_time(ev.as_of));
        (void)json_array_append_new(l->list, o);
    }
    arena_free(&a);
    return json_array_size(l->list) < l->limit;
}

/* evidence_list: {limit?} -> {evidence: [{rid, nhs_number, judged, verdict, as_of}]}, in no order
 */
json_t *control_evidence_list(struct control *c, const struct control_env *env, struct request *r,
                              struct fault *f)
{
    (void)c;
    uint64_t limit = LIST_LIMIT;
    if (!get_integer(r->body, "limit", false, LIST_LIMIT, &limit, f)) return NULL;
    struct listing l = {.list = json_array(), .limit = limit > 0 ? limit : 1};
    cpis_err err =
        env->view->scan(env->view->ctx, TABLE_EVIDENCE, NULL, 0, false, list_evidence, &l);
    if (err != CPIS_OK) {
        json_decref(l.list);
        return fail_with(f, err, LOOK_AT_THE_DISK, "the evidence can't be read");
    }
    json_t *o = json_object();
    put(o, "evidence", l.list);
    return o;
}
