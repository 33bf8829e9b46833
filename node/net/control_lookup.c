/* lookup: {numbers:[...], ask:{...}} -> for each number, as its verdict comes, one "more":
 *   nhs_number, verdict (flag, flag_details_to_follow, no_flag, incomplete, unknown), as_of,
 *   flags[], pending[], unconfirmed[], notes[], accesses[], history_cut (older accesses did not fit
 *   into an authority's answer), authorities{asked, expected}, reason, rid
 * then the last reply with {count}. The keys are always all there; what is not known is null. */
#include "node/net/control_int.h"

#include <stdlib.h>
#include <string.h>

#define ACCESSES_MAX 400U /* 16 authorities, 25 each */

/* --- the request --- */

struct ask_field {
    const char *key;
    size_t offset, max;
};
#define ASK(key, member)                                                                           \
    {                                                                                              \
        key, offsetof(struct msg_ask_details, member),                                             \
            sizeof((struct msg_ask_details *)0)->member - 1                                        \
    }
static const struct ask_field ask_fields[] = {
    ASK("user_id", user_id),
    ASK("user_name", user_name),
    ASK("role_code", role_code),
    ASK("role_name", role_name),
    ASK("device_id", device_id),
    ASK("organisation_code", organisation_code),
    ASK("organisation_name", organisation_name),
    ASK("setting", setting),
    ASK("correlation", correlation),
};
#define ASK_ALLOWED                                                                                \
    " user_id user_name role_code role_name device_id organisation_code organisation_name "        \
    "setting correlation scheduled purpose "

static bool read_purpose(const json_t *ask, uint32_t *ret, struct fault *f)
{
    const char *purpose = "direct-care";
    if (!get_string(ask, "purpose", false, 20, &purpose, f)) return false;
    if (strcmp(purpose, "direct-care") == 0) {
        *ret = PURPOSE_DIRECT_CARE;
    } else if (strcmp(purpose, "not-brought") == 0) {
        *ret = PURPOSE_NOT_BROUGHT;
    } else {
        (void)fail_with(f, CPIS_E_MALFORMED, "give one of these, or leave it out",
                        "\"purpose\" must be direct-care or not-brought");
        return false;
    }
    return true;
}

static bool read_ask(const json_t *body, struct msg_ask_details *ret, struct fault *f)
{
    const json_t *ask = json_object_get(body, "ask");
    if (!json_is_object(ask)) {
        (void)fail_with(f, CPIS_E_MALFORMED, "say who asks: the authority is told",
                        "the field \"ask\" is missing, or no object");
        return false;
    }
    if (!only_fields(ask, ASK_ALLOWED, f)) return false;
    for (size_t i = 0; i < sizeof ask_fields / sizeof *ask_fields; i++) {
        const struct ask_field *a = &ask_fields[i];
        const char *text = "";
        if (!get_string(ask, a->key, false, a->max, &text, f)) return false;
        memcpy((char *)ret + a->offset, text, strlen(text) + 1);
    }
    if (ret->user_id[0] == '\0' && ret->user_name[0] == '\0' && ret->device_id[0] == '\0') {
        (void)fail_with(f, CPIS_E_MALFORMED, "say who asks: the authority is told",
                        "one of user_id, user_name or device_id must be given");
        return false;
    }
    return get_bool(ask, "scheduled", &ret->scheduled, f) && read_purpose(ask, &ret->purpose, f);
}

static bool read_numbers(struct request *r, struct fault *f)
{
    const json_t *list = json_object_get(r->body, "numbers");
    size_t n = json_array_size(list);
    if (n == 0 || n > CONTROL_NUMBERS_MAX) {
        (void)fail_with(f, CPIS_E_MALFORMED, "give that many, or several commands",
                        "\"numbers\" must be a list of 1 to %u NHS numbers", CONTROL_NUMBERS_MAX);
        return false;
    }
    r->numbers = calloc(n, sizeof *r->numbers);
    if (r->numbers == NULL) {
        (void)fail_with(f, CPIS_E_NOMEM, "ask for fewer at once", "out of memory");
        return false;
    }
    r->numbers_count = n;
    for (size_t i = 0; i < n; i++) {
        char what[32];
        (void)snprintf(what, sizeof what, "number %zu", i + 1);
        if (!get_number(json_array_get(list, i), what, &r->numbers[i].number, f)) return false;
    }
    return true;
}

json_t *control_lookup(struct control *c, const struct control_env *env, struct request *r,
                       struct fault *f)
{
    (void)c;
    (void)env;
    if (!read_ask(r->body, &r->ask, f) || !read_numbers(r, f)) return NULL;
    r->command = (struct command){.type = COMMAND_LOOKUP, .ask = &r->ask};
    r->for_node = true;
    return NULL;
}

/* --- the verdict --- */

static json_t *one_flag(const struct flag_shown *s, const struct msg_plan_shown *plan)
{
    const struct msg_flag_payload *p = &s->payload;
    json_t *o = json_object();
    put(o, "authority", json_authority(p->authority_code, p->authority_name));
    put(o, "plan", plan == NULL ? NULL : json_text(plan_type_name((enum plan_type)plan->plan)));
    put(o, "start", plan == NULL ? NULL : json_plan_day(plan->start));
    put(o, "end", plan == NULL ? NULL : json_plan_day(plan->end));
    put(o, "visibility",
        json_string(visibility_name(plan == NULL ? VISIBILITY_CONTACT_ONLY : VISIBILITY_FULL)));
    put(o, "telephone", json_telephone(p->emergency, p->office));
    return o;
}

static json_t *flags_json(const struct result *res)
{
    json_t *list = json_array();
    for (size_t i = 0; i < res->flags_count; i++) {
        const struct flag_shown *s = &res->flags[i];
        bool contact = s->status == ANSWER_CONTACT_ONLY ||
                       s->payload.visibility == VISIBILITY_CONTACT_ONLY ||
                       s->payload.plans_count == 0;
        if (s->status != ANSWER_FLAGS && s->status != ANSWER_CONTACT_ONLY) continue;
        if (contact) (void)json_array_append_new(list, one_flag(s, NULL));
        for (size_t k = 0; !contact && k < s->payload.plans_count; k++)
            (void)json_array_append_new(list, one_flag(s, &s->payload.plans[k]));
    }
    return list;
}

static int newer_first(const void *a, const void *b)
{
    const struct msg_access_shown *const *x = a, *const *y = b;
    return ((*x)->time < (*y)->time) - ((*x)->time > (*y)->time);
}

static json_t *accesses_json(const struct result *res)
{
    const struct msg_access_shown *all[ACCESSES_MAX] = {NULL};
    size_t n = 0;
    for (size_t i = 0; i < res->flags_count; i++)
        for (size_t k = 0; k < res->flags[i].payload.accesses_count && n < ACCESSES_MAX; k++)
            all[n++] = &res->flags[i].payload.accesses[k];
    qsort(all, n, sizeof *all, newer_first);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *o = json_object();
        put(o, "time", json_time(all[i]->time));
        put(o, "user_name", json_text(all[i]->user_name));
        put(o, "role_name", json_text(all[i]->role_name));
        put(o, "organisation_name", json_text(all[i]->organisation_name));
        (void)json_array_append_new(list, o);
    }
    return list;
}

static bool is_cut(const struct result *res)
{
    bool cut = false;
    for (size_t i = 0; i < res->flags_count; i++)
        cut |= res->flags[i].payload.history_cut;
    return cut;
}

static const char *why_name(enum named_why w)
{
    switch (w) {
    case NAMED_PENDING: return "pending";
    case NAMED_NO_LIST: return "no_list";
    case NAMED_STALE: return "stale";
    case NAMED_ROLLED_BACK: return "rolled_back";
    case NAMED_FUTURE: return "future";
    case NAMED_OLD: return "old";
    case NAMED_NOTICE: return "notice";
    case NAMED_SUSPENDED: return "suspended";
    case NAMED_EPOCH: return "epoch_before";
    case NAMED_JOINING: return "joining";
    case NAMED_EXPECTED: return "expected";
    case NAMED_REFUSED: return "refused";
    }
    return "";
}

static json_t *telephone_json(const struct named_authority *a)
{
    json_t *o = json_object();
    put(o, "authority", json_authority(a->code, a->name));
    put(o, "telephone", json_telephone(a->emergency, a->office));
    return o;
}

/* why: "pending", or "refused": its policy gives this role no details */
static json_t *pending_json(const struct named_authority *a)
{
    json_t *o = telephone_json(a);
    put(o, "why", json_string(why_name(a->why)));
    return o;
}

static json_t *unconfirmed_json(const struct named_authority *a)
{
    json_t *o = telephone_json(a);
    put(o, "last_heard", json_time(a->list_time));
    put(o, "why", json_string(why_name(a->why)));
    return o;
}

static json_t *note_json(const struct named_authority *a)
{
    json_t *o = telephone_json(a);
    put(o, "why", json_string(why_name(a->why)));
    put(o, "list_time", json_time(a->list_time));
    return o;
}

static json_t *named_json(const struct named_authority *a, size_t n,
                          json_t *(*one)(const struct named_authority *))
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(list, one(&a[i]));
    return list;
}

json_t *unknown_json(const struct nhs_number *n, const char *reason)
{
    json_t *o = json_object();
    put(o, "nhs_number", json_string(n->digits));
    put(o, "verdict", json_string(verdict_name(VERDICT_UNKNOWN)));
    put(o, "as_of", NULL);
    put(o, "flags", json_array());
    put(o, "pending", json_array());
    put(o, "unconfirmed", json_array());
    put(o, "notes", json_array());
    put(o, "accesses", json_array());
    put(o, "history_cut", json_false());
    put(o, "authorities", json_pack("{s:i,s:i}", "asked", 0, "expected", 0));
    put(o, "reason", json_text(reason));
    put(o, "rid", NULL);
    return o;
}

json_t *verdict_json(const struct control_env *env, const struct result *res)
{
    (void)env;
    const struct verdict *v = &res->verdict;
    if (res->err != CPIS_OK || v->kind < VERDICT_FLAG || v->kind > VERDICT_UNKNOWN)
        return unknown_json(&res->number, res->why[0] != '\0' ? res->why : cpis_strerror(res->err));
    json_t *o = json_object();
    put(o, "nhs_number", json_string(res->number.digits));
    put(o, "verdict", json_string(verdict_name(v->kind)));
    put(o, "as_of", json_time(v->as_of));
    put(o, "flags", flags_json(res));
    put(o, "pending", named_json(v->pending, v->pending_count, pending_json));
    put(o, "unconfirmed", named_json(v->unconfirmed, v->unconfirmed_count, unconfirmed_json));
    put(o, "notes", named_json(v->notes, v->notes_count, note_json));
    put(o, "accesses", accesses_json(res));
    put(o, "history_cut", json_boolean(is_cut(res)));
    put(o, "authorities",
        json_pack("{s:I,s:I}", "asked", (json_int_t)v->asked, "expected", (json_int_t)v->expected));
    put(o, "reason", json_text(verdict_reason_text(v->reason)));
    put(o, "rid", json_hex(res->rid.b, sizeof res->rid.b));
    return o;
}
