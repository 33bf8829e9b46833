#include "node/core/quota.h"

#include "crypto/cursor.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define KEY_BYTES_MAX (4U + 1U + ODS_CODE_CHARS_MAX)
#define DAYS_KEPT     2U /* and yesterday: a corrected clock may step back over midnight */
#define USES_MAX      (DAYS_KEPT * (QUOTA_ORGANISATIONS_MAX + 1U))
_Static_assert(CODE_BYTES_MAX == ODS_CODE_CHARS_MAX, "an asker's code and an ODS code fit alike");

enum who { WHO_NODE = 0, WHO_ORGANISATION = 1 };
struct use {
    uint32_t day;
    enum who who;
    struct ods_code code;
    struct row_asked asked;
    bool unwritten;
};
struct quotas {
    uint64_t lookups_a_day;
    struct quota_exception *exceptions;
    size_t exceptions_count;
    struct use *use;
    size_t uses, uses_cap;
    cpis_ms write_at; /* CPIS_MS_NEVER: all is written */
};

cpis_err quotas_configure(struct quotas *q, const struct quota_conf *conf)
{
    assert(conf->exceptions_count <= QUOTA_EXCEPTIONS_MAX);
    struct quota_exception *own = calloc(conf->exceptions_count + 1, sizeof *own);
    if (own == NULL) return CPIS_E_NOMEM;
    if (conf->exceptions_count > 0)
        memcpy(own, conf->exceptions, conf->exceptions_count * sizeof *own);
    free(q->exceptions);
    q->exceptions = own;
    q->exceptions_count = conf->exceptions_count;
    q->lookups_a_day = conf->lookups_a_day;
    return CPIS_OK;
}

cpis_err quotas_new(const struct quota_conf *conf, struct quotas **ret)
{
    struct quotas *q = calloc(1, sizeof *q);
    if (q == NULL) return CPIS_E_NOMEM;
    q->write_at = CPIS_MS_NEVER;
    cpis_err err = quotas_configure(q, conf);
    if (err == CPIS_OK)
        *ret = q;
    else
        quotas_free(&q);
    return err;
}

void quotas_free(struct quotas **p)
{
    if (*p == NULL) return;
    free((*p)->exceptions);
    free((*p)->use);
    free(*p);
    *p = NULL;
}

static uint32_t day_of(cpis_ms wall) { return (uint32_t)(wall / CPIS_MS_DAY); }

static uint64_t limit_of(const struct quotas *q, const struct ods_code *code)
{
    for (size_t i = 0; i < q->exceptions_count; i++)
        if (ods_code_compare(&q->exceptions[i].code, code) == 0)
            return q->exceptions[i].lookups_a_day;
    return q->lookups_a_day;
}

uint64_t quotas_node_limit(const struct registry_node *self)
{
    return self->lookups_per_day < self->evaluations_per_day ? self->lookups_per_day
                                                             : self->evaluations_per_day;
}

/* --- rows --- */

static size_t key_of(const struct use *u, uint8_t ret[static KEY_BYTES_MAX])
{
    struct cursor c = cursor_write(ret, KEY_BYTES_MAX);
    cursor_put_u32(&c, u->day);
    cursor_put_u8(&c, (uint8_t)u->who);
    cursor_put(&c, u->code.text, strlen(u->code.text));
    return c.at;
}

static bool parse_key(const struct row *row, struct use *ret)
{
    struct use u = {.day = 0};
    struct cursor c = cursor_read(row->key, row->key_len);
    u.day = cursor_get_u32(&c);
    const uint8_t who = cursor_get_u8(&c);
    const size_t len = cursor_left(&c);
    if (c.bad || who > WHO_ORGANISATION || len > ODS_CODE_CHARS_MAX) return false;
    u.who = (enum who)who;
    cursor_get(&c, u.code.text, len);
    *ret = u;
    return cursor_done(&c);
}

static struct use *find(const struct quotas *q, uint32_t day, enum who who,
                        const struct ods_code *code)
{
    for (size_t i = 0; i < q->uses; i++) {
        struct use *u = &q->use[i];
        if (u->day == day && u->who == who && ods_code_compare(&u->code, code) == 0) return u;
    }
    return NULL;
}

static size_t organisations_on(const struct quotas *q, uint32_t day)
{
    size_t count = 0;
    for (size_t i = 0; i < q->uses; i++)
        count += q->use[i].day == day && q->use[i].who == WHO_ORGANISATION;
    return count;
}

static bool make_room(struct quotas *q)
{
    if (q->uses < q->uses_cap) return true;
    size_t cap = q->uses_cap == 0 ? 64 : 2 * q->uses_cap;
    struct use *grown = cap > 2 * USES_MAX ? NULL : realloc(q->use, cap * sizeof *grown);
    if (grown == NULL) return false;
    q->use = grown;
    q->uses_cap = cap;
    return true;
}

/* The one there is, or a new one. NULL: no more are counted. */
static struct use *use_of(struct quotas *q, uint32_t day, enum who who, const struct ods_code *code)
{
    struct use *u = find(q, day, who, code);
    if (u != NULL) return u;
    if (who == WHO_ORGANISATION && organisations_on(q, day) >= QUOTA_ORGANISATIONS_MAX) return NULL;
    if (!make_room(q)) return NULL;
    q->use[q->uses] = (struct use){.day = day, .who = who, .code = *code};
    return &q->use[q->uses++];
}

static void forget_old(struct quotas *q, struct env *e)
{
    uint8_t key[KEY_BYTES_MAX];
    for (size_t i = 0; i < q->uses;) {
        struct use *u = &q->use[i];
        if (u->day + DAYS_KEPT > day_of(e->wall)) {
            i++;
            continue;
        }
        emit_delete(e, TABLE_ASKED, key, key_of(u, key));
        *u = q->use[--q->uses];
    }
}

struct restore {
    struct quotas *q;
    struct env *e;
    cpis_err err;
};

static bool restore_row(void *arg, const struct row *row)
{
    struct restore *r = arg;
    struct use u;
    struct row_asked asked;
    r->err = parse_key(row, &u) ? CPIS_OK : CPIS_E_STORE;
    if (r->err == CPIS_OK)
        r->err =
            row_asked_decode((struct bytes){row->value, row->value_len}, r->e->scratch, &asked);
    if (r->err == CPIS_E_MALFORMED) r->err = CPIS_E_STORE;
    if (r->err != CPIS_OK) return false;
    struct use *mine = use_of(r->q, u.day, u.who, &u.code);
    if (mine == NULL) {
        r->err = CPIS_E_NOMEM;
        return false;
    }
    mine->asked = asked;
    return true;
}

cpis_err quotas_restore(struct quotas *q, struct env *e)
{
    struct restore r = {q, e, CPIS_OK};
    cpis_err err = e->view->scan(e->view->ctx, TABLE_ASKED, NULL, 0, false, restore_row, &r);
    if (err == CPIS_OK) err = r.err;
    if (err == CPIS_OK) forget_old(q, e);
    return err;
}

/* --- writing --- */

static bool step_persists(const struct env *e)
{
    for (size_t i = 0; i < e->out->count; i++)
        if (e->out->out[i].type == OUT_PERSIST) return true;
    return false;
}

static void write_all(struct quotas *q, struct env *e)
{
    uint8_t key[KEY_BYTES_MAX];
    for (size_t i = 0; i < q->uses; i++) {
        struct use *u = &q->use[i];
        if (!u->unwritten) continue;
        EMIT_ROW(e, TABLE_ASKED, key, key_of(u, key), row_asked, &u->asked);
        u->unwritten = false;
    }
    q->write_at = CPIS_MS_NEVER;
}

void quotas_settle(struct quotas *q, struct env *e)
{
    if (q->write_at != CPIS_MS_NEVER && step_persists(e)) write_all(q, e);
}

void quotas_tick(struct quotas *q, struct env *e)
{
    if (e->now >= q->write_at) write_all(q, e);
    forget_old(q, e);
}

cpis_ms quotas_deadline(const struct quotas *q) { return q->write_at; }

/* --- counting --- */

/* used of limit is QUOTA_ALARM_PERCENT or more; without a product that could wrap */
static bool is_near(uint64_t used, uint64_t limit)
{
    return used >= limit - limit / 100 * (100 - QUOTA_ALARM_PERCENT) -
                       limit % 100 * (100 - QUOTA_ALARM_PERCENT) / 100;
}

static void count(struct quotas *q, struct env *e, struct use *u, uint64_t more, uint64_t limit,
                  enum event alarm)
{
    u->asked.lookups += more;
    u->unwritten = true;
    q->write_at = earlier(q->write_at, e->now + QUOTA_WRITE_WAIT);
    if (!u->asked.alarmed && is_near(u->asked.lookups, limit)) {
        u->asked.alarmed = true;
        emit_event(e, alarm, NULL, u->asked.lookups);
    }
}

static void count_for_node(struct quotas *q, struct env *e, unsigned searches)
{
    static const struct ods_code none = {""};
    const struct registry_node *self = registry_node(e->registry, &e->id);
    struct use *u = use_of(q, day_of(e->wall), WHO_NODE, &none);
    if (u == NULL) {
        emit_failure(e); /* out of memory: what can't be counted is not asked */
        return;
    }
    count(q, e, u, searches, self == NULL ? UINT64_MAX : quotas_node_limit(self),
          EVENT_NODE_QUOTA_NEAR);
}

enum verdict_reason quotas_take(struct quotas *q, struct env *e, const char *organisation_code,
                                unsigned searches)
{
    struct ods_code code = {""};
    if (q == NULL) return REASON_NONE;
    if (ods_code_parse(organisation_code, strlen(organisation_code), &code) != CPIS_OK)
        code = (struct ods_code){""};
    const uint64_t limit = limit_of(q, &code);
    struct use *u = use_of(q, day_of(e->wall), WHO_ORGANISATION, &code);
    if (u == NULL) {
        emit_event(e, EVENT_ORGANISATIONS_MANY, NULL, organisations_on(q, day_of(e->wall)));
        return REASON_QUOTA;
    }
    if (u->asked.lookups >= limit) {
        emit_event(e, EVENT_ORGANISATION_QUOTA, NULL, limit);
        return REASON_ORGANISATION_QUOTA;
    }
    count(q, e, u, 1, limit, EVENT_ORGANISATION_QUOTA_NEAR);
    count_for_node(q, e, searches);
    return REASON_NONE;
}

/* --- looking in --- */

static int most_first(const void *a, const void *b)
{
    const struct quota_use *x = a, *y = b;
    if (x->lookups != y->lookups) return x->lookups < y->lookups ? 1 : -1;
    return ods_code_compare(&x->code, &y->code);
}

size_t quotas_used(const struct quotas *q, cpis_ms wall, struct quota_use *ret, size_t cap)
{
    size_t all = 0;
    for (size_t i = 0; i < q->uses; i++) {
        const struct use *u = &q->use[i];
        if (u->day != day_of(wall) || u->who != WHO_ORGANISATION) continue;
        if (all < cap)
            ret[all] = (struct quota_use){u->code, u->asked.lookups, limit_of(q, &u->code)};
        all++;
    }
    qsort(ret, all < cap ? all : cap, sizeof *ret, most_first);
    return all;
}

uint64_t quotas_node_used(const struct quotas *q, cpis_ms wall)
{
    static const struct ods_code none = {""};
    const struct use *u = find(q, day_of(wall), WHO_NODE, &none);
    return u == NULL ? 0 : u->asked.lookups;
}
