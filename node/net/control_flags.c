/* What an authority holds of its children: flags_show, flags_list. */
#include "node/core/quality.h"
#include "node/net/control_int.h"
#include "proto/visible.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define LIST_LIMIT 500U

/* {nhs_number, birth_date, given, family, local_id, visibility, visible, keep_until,
 * plans: [{plan, start, end, saved, import, visible}], transfer: {code, name, since} or null,
 * elsewhere: [{code, name, since}], findings: [{finding, text, do, plan, start}]} */

static struct date day_of(uint32_t yyyymmdd)
{
    return (struct date){.year = (uint16_t)(yyyymmdd / 10000),
                         .month = (uint8_t)(yyyymmdd / 100 % 100),
                         .day = (uint8_t)(yyyymmdd % 100)};
}

static bool is_visible(const struct row_plan *p, cpis_ms wall)
{
    struct plan_dates d = {.type = (enum plan_type)p->plan,
                           .start = day_of((uint32_t)(p->start / 10000)),
                           .has_end = p->end != 0};
    if (d.has_end) d.end = day_of((uint32_t)(p->end / 10000));
    struct date birth = day_of(p->birth_date);
    if (plan_type_name(d.type)[0] == '\0' || !date_is_valid(d.start) || !date_is_valid(birth) ||
        (d.has_end && !date_is_valid(d.end)))
        return true; /* can't be; the longer showing is the safer one */
    return plan_visible_at(&d, birth, wall);
}

static json_t *transfer_json(const struct control_env *env, const struct row_child *ch)
{
    if (ch->transfer_since == 0) return NULL;
    json_t *o = json_node(env, &ch->transfer_to);
    put(o, "since", json_time(ch->transfer_since));
    return o;
}

struct others {
    const struct control_env *env;
    json_t *list;
    cpis_err err; /* NOMEM: some are missing */
};

static bool add_other(void *arg, const struct row *row)
{
    struct others *x = arg;
    struct arena a = arena_make(TABLE_ROW_BYTES_MAX);
    struct row_elsewhere r;
    cpis_err err = row_elsewhere_decode((struct bytes){row->value, row->value_len}, &a, &r);
    if (err == CPIS_E_NOMEM) x->err = err;
    if (err == CPIS_OK) {
        json_t *o = json_node(x->env, &r.authority_id);
        put(o, "since", json_time(r.since));
        (void)json_array_append_new(x->list, o);
    }
    arena_free(&a);
    return true;
}

static cpis_err elsewhere_json(const struct control_env *env, const char *number, json_t **ret)
{
    struct others x = {env, json_array(), CPIS_OK};
    cpis_err err = env->view->scan(env->view->ctx, TABLE_ELSEWHERE, (const uint8_t *)number,
                                   NHS_NUMBER_DIGITS, false, add_other, &x);
    *ret = x.list;
    return err == CPIS_OK ? x.err : err;
}

static void add_finding(void *arg, enum quality q, const struct row_plan *p)
{
    json_t *o = json_object();
    put(o, "finding", json_string(quality_word(q)));
    put(o, "text", json_string(quality_text(q)));
    put(o, "do", json_string(quality_todo(q)));
    put(o, "plan", p == NULL ? NULL : json_string(plan_type_name((enum plan_type)p->plan)));
    put(o, "start", p == NULL ? NULL : json_plan_time(p->start));
    (void)json_array_append_new(arg, o);
}

/* *ret is the caller's, whatever is returned; on an error it is not whole. */
static cpis_err child_json(const struct control_env *env, const struct row_child *ch, json_t **ret)
{
    json_t *o = json_object(), *plans = json_array(), *findings = json_array(), *elsewhere;
    cpis_err err = elsewhere_json(env, ch->nhs_number, &elsewhere);
    const struct date last = day_of(ch->keep_until);
    const bool kept =
        ch->keep_until == 0 || !date_is_valid(last) || env->wall < london_midnight_after(last);
    const cpis_ms wall = env->wall;
    bool any = false;
    for (size_t i = 0; i < ch->plans_count; i++) {
        const struct row_plan *p = &ch->plans[i];
        bool visible = kept && is_visible(p, wall);
        json_t *one = json_object();
        put(one, "plan", json_text(plan_type_name((enum plan_type)p->plan)));
        put(one, "start", json_plan_time(p->start));
        put(one, "end", json_plan_time(p->end));
        put(one, "saved", json_time(p->saved));
        put(one, "import", p->import_id == 0 ? NULL : json_integer((json_int_t)p->import_id));
        put(one, "visible", json_boolean(visible));
        (void)json_array_append_new(plans, one);
        any = any || visible;
    }
    put(o, "nhs_number", json_string(ch->nhs_number));
    put(o, "birth_date", json_day(ch->birth_date));
    put(o, "given", json_text(ch->given));
    put(o, "family", json_text(ch->family));
    put(o, "local_id", json_text(ch->local_id));
    put(o, "visibility", json_string(visibility_name((enum visibility)ch->visibility)));
    put(o, "visible", json_boolean(any));
    put(o, "keep_until", json_day(ch->keep_until));
    put(o, "plans", plans);
    put(o, "transfer", transfer_json(env, ch));
    quality_check(ch, json_array_size(elsewhere) > 0, wall, add_finding, findings);
    put(o, "elsewhere", elsewhere);
    put(o, "findings", findings);
    *ret = o;
    return err;
}

static json_t *read_child(const struct control_env *env, const char *number, struct fault *f)
{
    uint8_t *value;
    size_t len;
    cpis_err err = row_bytes(env, TABLE_CHILD, number, NHS_NUMBER_DIGITS, &value, &len);
    if (err == CPIS_E_NOTFOUND)
        return fail_with(f, err, "see that the number is the one meant",
                         "nothing is held here about this number");
    if (err != CPIS_OK) return fail_with(f, err, LOOK_AT_THE_DISK, "the plans can't be read");
    struct arena a = arena_make(TABLE_ROW_BYTES_MAX * 2);
    struct row_child ch;
    json_t *o = NULL;
    err = row_child_decode((struct bytes){value, len}, &a, &ch);
    if (err == CPIS_OK) err = child_json(env, &ch, &o);
    if (err != CPIS_OK) {
        (void)fail_with(f, err,
                        err == CPIS_E_NOMEM ? "give the machine more memory"
                                            : "restore the node from its backup",
                        "the plans can't be read");
        json_decref(o);
        o = NULL;
    }
    sodium_memzero(value, len);
    free(value);
    arena_free(&a);
    return o;
}

json_t *control_flags_show(struct control *c, const struct control_env *env, struct request *r,
                           struct fault *f)
{
    (void)c;
    struct nhs_number n;
    if (!get_number(json_object_get(r->body, "nhs_number"), "nhs_number", &n, f)) return NULL;
    json_t *child = read_child(env, n.digits, f);
    nhs_number_wipe(&n);
    if (child == NULL) return NULL;
    json_t *o = json_object();
    put(o, "flag", child);
    return o;
}

struct page {
    const struct control_env *env;
    json_t *list;
    size_t limit;
    char last[NHS_NUMBER_DIGITS + 1];
    bool more;
    cpis_err err;
};

static bool add_child(void *arg, const struct row *row)
{
    struct page *p = arg;
    struct arena a = arena_make(TABLE_ROW_BYTES_MAX * 2);
    struct row_child ch;
    p->more = json_array_size(p->list) == p->limit;
    if (!p->more) p->err = row_child_decode((struct bytes){row->value, row->value_len}, &a, &ch);
    if (!p->more && p->err == CPIS_OK) {
        json_t *child;
        p->err = child_json(p->env, &ch, &child);
        (void)json_array_append_new(p->list, child);
        memcpy(p->last, ch.nhs_number, sizeof p->last);
    }
    arena_free(&a);
    return !p->more && p->err == CPIS_OK;
}

/* flags_list: {after?, limit?} -> {flags: [...], next: the number to go on after, or null}. In the
 * store's order, which means nothing: a part is read without those before it, and what comes or
 * goes meanwhile moves none of the others. */
json_t *control_flags_list(struct control *c, const struct control_env *env, struct request *r,
                           struct fault *f)
{
    (void)c;
    uint64_t limit = 100;
    const char *after = "";
    if (!get_integer(r->body, "limit", false, LIST_LIMIT, &limit, f) ||
        !get_string(r->body, "after", false, NHS_NUMBER_DIGITS, &after, f))
        return NULL;
    if (after[0] != '\0' && strlen(after) != NHS_NUMBER_DIGITS)
        return fail_with(f, CPIS_E_MALFORMED, "give what stood in \"next\"",
                         "\"after\" is no number");
    struct page p = {.env = env, .list = json_array(), .limit = limit > 0 ? limit : 1};
    cpis_err err = after[0] == '\0'
                       ? store_each(env->store, TABLE_CHILD, add_child, &p)
                       : store_scan_after(env->store, TABLE_CHILD, (const uint8_t *)after,
                                          NHS_NUMBER_DIGITS, add_child, &p);
    if (err == CPIS_OK) err = p.err;
    json_t *o = json_object();
    put(o, "flags", p.list);
    put(o, "next", p.more ? json_string(p.last) : NULL);
    sodium_memzero(p.last, sizeof p.last);
    if (err == CPIS_OK) return o;
    json_decref(o);
    return fail_with(f, err, LOOK_AT_THE_DISK, "the plans can't be read");
}
