/* What an authority's people do: plans in, what is held, who looked. */
#include "node/net/control_int.h"
#include "proto/text.h"
#include "proto/visible.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define LIST_LIMIT 500U
#define CHANGE_FIELDS                                                                              \
    " type nhs_number birth_date given family local_id plan start end visibility to "

/* --- changes: {changes:[...], dry_run?, import?} -> {outcomes: [...]}, one a change --- */

static bool read_time(const json_t *o, const char *key, uint64_t *ret, struct fault *f)
{
    const char *text = NULL;
    if (!get_string(o, key, false, 16, &text, f)) return false;
    if (text == NULL || parse_plan_time(text, ret)) return true;
    (void)fail_with(f, CPIS_E_MALFORMED, "write it as 2026-11-23 or 202611231803",
                    "\"%s\" is no date", key);
    return false;
}

static bool read_text(const json_t *o, const char *key, size_t max, const char **ret,
                      struct fault *f)
{
    *ret = "";
    if (!get_string(o, key, false, max, ret, f)) return false;
    if (text_check_utf8(*ret, strlen(*ret)) == CPIS_OK) return true;
    (void)fail_with(f, CPIS_E_MALFORMED, "take out what can't be seen",
                    "\"%s\" holds control characters", key);
    return false;
}

static bool read_type(const json_t *o, struct child_change *ret, struct fault *f)
{
    const char *type = NULL;
    static const char *const types[] = {[CHANGE_UPSERT] = "upsert",
                                        [CHANGE_END] = "end",
                                        [CHANGE_DELETE] = "delete",
                                        [CHANGE_KEEP] = "keep",
                                        [CHANGE_TRANSFER] = "transfer"};
    if (!get_string(o, "type", true, 10, &type, f)) return false;
    for (unsigned i = CHANGE_UPSERT; i <= CHANGE_TRANSFER; i++)
        if (strcmp(type, types[i]) == 0) ret->type = (enum child_change_type)i;
    if (ret->type != 0) return true;
    (void)fail_with(f, CPIS_E_MALFORMED, "give one of these",
                    "\"type\" must be upsert, end, delete, keep or transfer");
    return false;
}

/* "": not to anybody any more. */
static bool read_to(const struct control_env *env, const json_t *o, struct child_change *ret,
                    struct fault *f)
{
    const char *code = NULL;
    const struct registry *r = env->node == NULL ? NULL : node_registry(env->node);
    if (!get_string(o, "to", true, CODE_BYTES_MAX, &code, f)) return false;
    if (code[0] == '\0') return true;
    const struct registry_node *n =
        r == NULL || registry_is_empty(r) ? NULL : registry_by_code(r, ROLE_AUTHORITY, code);
    if (n == NULL || !registry_in_force(n)) {
        (void)fail_with(f, CPIS_E_NOTFOUND, "`cpis register show` lists them",
                        "\"to\" is no authority in force in the register");
        return false;
    }
    ret->to = n->id;
    if (!id_equal(&n->id, node_id(env->node))) return true;
    (void)fail_with(f, CPIS_E_INVAL, "name the one that takes over", "\"to\" is this authority");
    return false;
}

static bool read_words(const json_t *o, struct child_change *ret, struct fault *f)
{
    const char *plan = NULL, *visibility = NULL;
    enum plan_type p;
    enum visibility v = (enum visibility)0; /* as it is held */
    if (!get_string(o, "plan", true, 8, &plan, f) ||
        !get_string(o, "visibility", false, 16, &visibility, f))
        return false;
    if (plan_type_parse(plan, strlen(plan), &p) != CPIS_OK) {
        (void)fail_with(f, CPIS_E_MALFORMED, "give one of these",
                        "\"plan\" must be CPP, LAC or UCPP");
        return false;
    }
    if (visibility != NULL && visibility_parse(visibility, strlen(visibility), &v) != CPIS_OK) {
        (void)fail_with(f, CPIS_E_MALFORMED, "give one of these",
                        "\"visibility\" must be full or contact-only");
        return false;
    }
    ret->plan = p;
    ret->visibility = v;
    return true;
}

static bool read_upsert(const struct child_change *ch, struct fault *f)
{
    const char *lacks = NULL;
    if (ch->birth_date == 0) lacks = "birth_date";
    if (ch->start == 0) lacks = "start";
    if (ch->end != 0 && ch->end < ch->start) {
        (void)fail_with(f, CPIS_E_MALFORMED, "correct one of them", "the end is before the start");
        return false;
    }
    if (lacks == NULL) return true;
    (void)fail_with(f, CPIS_E_MALFORMED, "give it", "the field \"%s\" is missing", lacks);
    return false;
}

static bool has_end(const struct child_change *ch, struct fault *f)
{
    if (ch->end != 0) return true;
    (void)fail_with(f, CPIS_E_MALFORMED, "give it", "the field \"end\" is missing");
    return false;
}

static bool read_change(const struct control_env *env, const json_t *o, struct child_change *ret,
                        struct fault *f)
{
    uint64_t birth = 0;
    if (!json_is_object(o)) {
        (void)fail_with(f, CPIS_E_MALFORMED, "give an object", "it is no object");
        return false;
    }
    if (!only_fields(o, CHANGE_FIELDS, f) ||
        !get_number(json_object_get(o, "nhs_number"), "nhs_number", &ret->number, f) ||
        !read_type(o, ret, f))
        return false;
    if (ret->type == CHANGE_TRANSFER) return read_to(env, o, ret, f);
    if (ret->type == CHANGE_KEEP) return read_time(o, "end", &ret->end, f) && has_end(ret, f);
    if (!read_words(o, ret, f) || !read_time(o, "birth_date", &birth, f) ||
        !read_time(o, "start", &ret->start, f) || !read_time(o, "end", &ret->end, f) ||
        !read_text(o, "given", NAME_BYTES_MAX, &ret->given, f) ||
        !read_text(o, "family", NAME_BYTES_MAX, &ret->family, f) ||
        !read_text(o, "local_id", LOCAL_ID_BYTES_MAX, &ret->local_id, f))
        return false;
    ret->birth_date = (uint32_t)(birth / 10000);
    if (ret->type == CHANGE_END && !has_end(ret, f)) return false;
    return ret->type != CHANGE_UPSERT || read_upsert(ret, f);
}

#define IMPORT_FIELDS                                                                              \
    " id file_hash started applied_rows rows finished snapshot sequence sequence_hash "            \
    "traced_hash sequence_traced_hash failed "
#define FAILED_FIELDS " CPR01 CPR02 CPR03 CPR04 CPR05 CPR07 "

static bool read_hash(const json_t *o, const char *key, bool required, struct cpis_hash *ret,
                      struct fault *f)
{
    const char *hex = NULL;
    if (!get_string(o, key, required, 2 * CPIS_HASH_BYTES, &hex, f)) return false;
    if (hex == NULL || parse_hex(hex, ret->b, sizeof ret->b)) return true;
    (void)fail_with(f, CPIS_E_MALFORMED, "give 64 hexadecimal digits", "\"%s\" is no hash", key);
    return false;
}

struct code_count {
    const char *code;
    uint64_t *n;
};
#define CODES 6U
static void codes_of(struct row_import *i, struct code_count ret[static CODES])
{
    const struct code_count all[CODES] = {{"CPR01", &i->cpr01}, {"CPR02", &i->cpr02},
                                          {"CPR03", &i->cpr03}, {"CPR04", &i->cpr04},
                                          {"CPR05", &i->cpr05}, {"CPR07", &i->cpr07}};
    memcpy(ret, all, sizeof all);
}

/* Of rows, so many failed. */
static bool read_failed(const json_t *o, struct row_import *i, struct fault *f)
{
    struct code_count counts[CODES];
    codes_of(i, counts);
    if (o == NULL) return true;
    if (!json_is_object(o)) {
        (void)fail_with(f, CPIS_E_MALFORMED, "give an object", "\"failed\" is no object");
        return false;
    }
    if (!only_fields(o, FAILED_FIELDS, f)) return false;
    for (size_t c = 0; c < CODES; c++)
        if (!get_integer(o, counts[c].code, false, UINT32_MAX, counts[c].n, f)) return false;
    return true;
}

static bool read_import(struct request *r, struct fault *f)
{
    const json_t *o = json_object_get(r->body, "import");
    struct row_import *i = &r->import;
    if (o == NULL || json_is_null(o)) return true;
    if (!json_is_object(o)) {
        (void)fail_with(f, CPIS_E_MALFORMED, "give an object", "\"import\" is no object");
        return false;
    }
    if (!only_fields(o, IMPORT_FIELDS, f) || !get_integer(o, "id", true, INT64_MAX, &i->id, f) ||
        !read_hash(o, "file_hash", true, &i->file_hash, f) ||
        !get_integer(o, "started", true, INT64_MAX, &i->started, f) ||
        !get_integer(o, "applied_rows", true, INT64_MAX, &i->applied_rows, f) ||
        !get_integer(o, "rows", true, INT64_MAX, &i->rows, f) ||
        !get_bool(o, "finished", &i->finished, f) || !get_bool(o, "snapshot", &i->snapshot, f) ||
        !get_integer(o, "sequence", false, INT64_MAX, &i->sequence, f) ||
        !read_hash(o, "sequence_hash", false, &i->sequence_hash, f) ||
        !read_hash(o, "traced_hash", false, &i->traced_hash, f) ||
        !read_hash(o, "sequence_traced_hash", false, &i->sequence_traced_hash, f) ||
        !read_failed(json_object_get(o, "failed"), i, f))
        return false;
    r->command.import = i;
    return true;
}

json_t *control_changes(struct control *c, const struct control_env *env, struct request *r,
                        struct fault *f)
{
    (void)c;
    const json_t *list = json_object_get(r->body, "changes");
    size_t n = json_array_size(list);
    if (!json_is_array(list) || n > CHANGES_MAX)
        return fail_with(f, CPIS_E_MALFORMED, "send them in several commands",
                         "\"changes\" must be a list of at most %u", CHANGES_MAX);
    r->command = (struct command){.type = COMMAND_CHANGES, .changes_count = n};
    if (!get_bool(r->body, "dry_run", &r->command.dry_run, f) || !read_import(r, f)) return NULL;
    r->changes = calloc(n > 0 ? n : 1, sizeof *r->changes);
    if (r->changes == NULL) return fail_with(f, CPIS_E_NOMEM, "send fewer", "out of memory");
    for (size_t i = 0; i < n; i++) {
        struct fault inner = {.code = CPIS_OK};
        r->changes[i].import_id = r->import.id;
        if (read_change(env, json_array_get(list, i), &r->changes[i], &inner)) continue;
        return fail_with(f, inner.code, inner.todo, "change %zu: %.200s", i + 1, inner.text);
    }
    r->command.changes = r->changes;
    r->for_node = true;
    return NULL;
}

static const char *outcome_name(enum child_outcome o)
{
    switch (o) {
    case OUTCOME_ADDED: return "added";
    case OUTCOME_ENDED: return "ended";
    case OUTCOME_REOPENED: return "reopened";
    case OUTCOME_UPDATED: return "updated";
    case OUTCOME_UNCHANGED: return "unchanged";
    case OUTCOME_DELETED: return "deleted";
    case OUTCOME_NOT_FOUND: return "not_found";
    case OUTCOME_TOO_MANY: return "too_many";
    }
    return "";
}

json_t *outcomes_json(const struct result *res)
{
    json_t *o = json_object(), *list = json_array();
    for (size_t i = 0; i < res->outcomes_count; i++)
        (void)json_array_append_new(list, json_string(outcome_name(res->outcomes[i])));
    put(o, "outcomes", list);
    return o;
}

/* undo_import: {import, dry_run?} -> {undone, kept}: children */
json_t *control_undo_import(struct control *c, const struct control_env *env, struct request *r,
                            struct fault *f)
{
    (void)c;
    (void)env;
    r->command = (struct command){.type = COMMAND_UNDO_IMPORT};
    if (!get_integer(r->body, "import", true, INT64_MAX, &r->command.import_id, f) ||
        !get_bool(r->body, "dry_run", &r->command.dry_run, f))
        return NULL;
    r->for_node = true;
    return NULL;
}

json_t *undone_json(const struct result *res)
{
    return json_pack("{s:I,s:I}", "undone", (json_int_t)res->undone, "kept", (json_int_t)res->kept);
}

/* --- imports: {limit?} -> {imports: [...]}, newest first --- */

struct listing {
    json_t *list;
    size_t limit;
    uint64_t before;
    uint32_t state;
};

static json_t *failed_json(struct row_import *i)
{
    struct code_count counts[CODES];
    json_t *o = json_object();
    codes_of(i, counts);
    for (size_t c = 0; c < CODES; c++)
        put(o, counts[c].code, json_integer((json_int_t)*counts[c].n));
    return o;
}

static bool list_import(void *arg, const struct row *row)
{
    struct listing *l = arg;
    struct arena a = arena_make(TABLE_ROW_BYTES_MAX);
    struct row_import i;
    if (row_import_decode((struct bytes){row->value, row->value_len}, &a, &i) == CPIS_OK) {
        json_t *o = json_object();
        put(o, "id", json_integer((json_int_t)i.id));
        put(o, "file_hash", json_hex(i.file_hash.b, sizeof i.file_hash.b));
        put(o, "started", json_time(i.started));
        put(o, "applied_rows", json_integer((json_int_t)i.applied_rows));
        put(o, "rows", json_integer((json_int_t)i.rows));
        put(o, "finished", json_boolean(i.finished));
        put(o, "snapshot", json_boolean(i.snapshot));
        put(o, "undone", json_boolean(i.undone));
        put(o, "sequence", json_integer((json_int_t)i.sequence));
        put(o, "sequence_hash", json_hex(i.sequence_hash.b, sizeof i.sequence_hash.b));
        put(o, "traced_hash", json_hex(i.traced_hash.b, sizeof i.traced_hash.b));
        put(o, "sequence_traced_hash",
            json_hex(i.sequence_traced_hash.b, sizeof i.sequence_traced_hash.b));
        put(o, "failed", failed_json(&i));
        (void)json_array_append_new(l->list, o);
    }
    arena_free(&a);
    return json_array_size(l->list) < l->limit;
}

/* Scans a table newest first into {name: [...]}. */
static json_t *list_table(const struct control_env *env, const struct request *r, enum table t,
                          const char *name, row_fn fn, struct listing *l, struct fault *f)
{
    uint64_t limit = LIST_LIMIT;
    if (!get_integer(r->body, "limit", false, LIST_LIMIT, &limit, f)) return NULL;
    l->limit = limit > 0 ? limit : 1;
    l->list = json_array();
    json_t *o = json_object();
    put(o, name, l->list);
    cpis_err err = env->view->scan(env->view->ctx, t, NULL, 0, true, fn, l);
    if (err == CPIS_OK) return o;
    json_decref(o);
    return fail_with(f, err, LOOK_AT_THE_DISK, "the %s can't be read", name);
}

json_t *control_imports(struct control *c, const struct control_env *env, struct request *r,
                        struct fault *f)
{
    struct listing l = {.limit = 0};
    (void)c;
    return list_table(env, r, TABLE_IMPORT, "imports", list_import, &l, f);
}
