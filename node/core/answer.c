#include "node/core/authority_state.h"
#include "node/core/expiry.h"
#include "node/core/log.h"
#include "proto/visible.h"

#include <assert.h>
#include <string.h>

static void wipe(void *p, size_t len)
{
    volatile uint8_t *v = p;
    for (size_t i = 0; i < len; i++)
        v[i] = 0;
}

/* --- who looked before --- */

struct look {
    uint64_t time;
    const struct msg_ask_details *by;
};
struct looks { /* newest first */
    struct env *e;
    const struct record *own;
    struct cpis_hash rh[HISTORY_READ_MAX];
    size_t count;
};

static bool collect(void *arg, const struct row *row)
{
    struct looks *k = arg;
    struct arena a = arena_make(4096);
    struct row_history h;
    cpis_err err = row_history_decode((struct bytes){row->value, row->value_len}, &a, &h);
    arena_free(&a);
    if (err != CPIS_OK)
        emit_unread(k->e, err, TABLE_HISTORY);
    else if (!hash_equal(&h.rh, &k->own->row.rh)) /* put first by hand: it may not be shown yet */
        k->rh[k->count++] = h.rh;
    return k->count < HISTORY_READ_MAX;
}

static bool same_person(const struct msg_ask_details *a, const struct msg_ask_details *b)
{
    return strcmp(a->user_id, b->user_id) == 0 && strcmp(a->user_name, b->user_name) == 0 &&
           strcmp(a->device_id, b->device_id) == 0 &&
           strcmp(a->organisation_code, b->organisation_code) == 0;
}

/* The 24-hour rule thins what is shown, nothing else: of one person's looks within 24 h the first
 * one stands. */
static bool is_shown(const struct look *looks, const bool *shown, size_t count, size_t at)
{
    for (size_t i = at + 1; i < count; i++) { /* older ones */
        if (!shown[i] || !same_person(looks[i].by, looks[at].by)) continue;
        if (looks[at].time < looks[i].time + SHOWN_ONCE_WITHIN) return false;
    }
    return true;
}

static void show(const struct look *x, struct msg_access_shown *ret)
{
    *ret = (struct msg_access_shown){.time = x->time};
    memcpy(ret->user_name, x->by->user_name, sizeof ret->user_name);
    memcpy(ret->role_name, x->by->role_name, sizeof ret->role_name);
    memcpy(ret->organisation_name, x->by->organisation_name, sizeof ret->organisation_name);
}

/* Looks at this child, newest first; this one among them unless it is scheduled. */
static bool read_looks(struct env *e, const struct record *own, struct look **ret,
                       size_t *ret_count)
{
    uint8_t prefix[NHS_NUMBER_DIGITS + 1] = {[NHS_NUMBER_DIGITS] = HISTORY_UNSCHEDULED};
    memcpy(prefix, own->row.nhs_number, NHS_NUMBER_DIGITS);
    struct looks *k = arena_take(e->scratch, sizeof *k);
    struct look *looks = arena_take(e->scratch, (HISTORY_READ_MAX + 1) * sizeof *looks);
    if (k == NULL || looks == NULL) return false;
    k->e = e;
    k->own = own;
    cpis_err err =
        e->view->scan(e->view->ctx, TABLE_HISTORY, prefix, sizeof prefix, true, collect, k);
    if (err != CPIS_OK) emit_unread(e, err, TABLE_HISTORY);
    size_t count = 0;
    bool placed = own->row.details.scheduled;
    const struct look mine = {own->lookup.time, &own->row.details};
    for (size_t i = 0; i < k->count; i++) {
        struct record *r = arena_take(e->scratch, sizeof *r);
        if (r == NULL) return false;
        if (record_load(e, &k->rh[i], r) != CPIS_OK) continue; /* the rest is still worth showing */
        if (!placed && r->row.sequence < own->row.sequence) {
            looks[count++] = mine;
            placed = true;
        }
        looks[count++] = (struct look){r->lookup.time, &r->row.details};
    }
    if (!placed) looks[count++] = mine;
    *ret = looks;
    *ret_count = count;
    return true;
}

static bool fill_accesses(struct env *e, const struct record *r, struct msg_flag_payload *p)
{
    struct look *looks;
    size_t count;
    if (!read_looks(e, r, &looks, &count)) return false;
    bool *shown = arena_take(e->scratch, count + 1);
    p->accesses = arena_take(e->scratch, HISTORY_SHOWN_MAX * sizeof *p->accesses);
    if (shown == NULL || p->accesses == NULL) return false;
    for (size_t i = count; i > 0; i--)
        shown[i - 1] = is_shown(looks, shown, count, i - 1);
    for (size_t i = 0; i < count && p->accesses_count < HISTORY_SHOWN_MAX; i++)
        if (shown[i]) show(&looks[i], &p->accesses[p->accesses_count++]);
    return true;
}

/* --- whom we answer --- */

cpis_err answer_roles_parse(const char *text, struct answer_roles *ret)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    struct answer_roles r = {.count = 0};
    while (*text != '\0') {
        const size_t len = strspn(text, letters);
        if (len == 0 || len > CODE_BYTES_MAX) return CPIS_E_MALFORMED;
        if (r.count == ANSWER_ROLES_MAX) return CPIS_E_LIMIT;
        memcpy(r.code[r.count++], text, len);
        text += len;
        if (*text == '\0') break;
        if (text[0] != ' ' || text[1] == '\0') return CPIS_E_MALFORMED;
        text++;
    }
    *ret = r;
    return CPIS_OK;
}

static bool has_role(const struct answer_roles *r, const char *code)
{
    for (size_t i = 0; i < r->count; i++)
        if (strcmp(r->code[i], code) == 0) return true;
    return false;
}

bool answer_policy_refuses(const struct answer_policy *p, const char *role_code)
{
    return has_role(&p->never, role_code) || (p->only.count > 0 && !has_role(&p->only, role_code));
}

/* --- what is said --- */

static bool fill_plans(struct env *e, const struct row_child *child, struct msg_flag_payload *p)
{
    p->plans = arena_take(e->scratch, (child->plans_count + 1) * sizeof *p->plans);
    if (p->plans == NULL) return false;
    for (size_t i = 0; i < child->plans_count; i++) {
        const struct row_plan *x = &child->plans[i];
        if (e->wall < children_plan_until(x))
            p->plans[p->plans_count++] = (struct msg_plan_shown){x->plan, x->start, x->end};
    }
    return true;
}

/* Status and payload. 0: nothing may be said now. */
static enum answer_status compose(struct authority *a, struct env *e, const struct record *r,
                                  struct msg_flag_payload *p)
{
    const struct registry_node *self = registry_node(e->registry, &e->id);
    struct nhs_number number;
    struct row_child child = {.visibility = VISIBILITY_FULL};
    memcpy(number.digits, r->row.nhs_number, sizeof number.digits);
    *p = (struct msg_flag_payload){.visibility = VISIBILITY_FULL};
    memcpy(p->authority_code, self->d.code, sizeof p->authority_code);
    memcpy(p->authority_name, self->d.name, sizeof p->authority_name);
    memcpy(p->emergency, self->d.emergency, sizeof p->emergency);
    memcpy(p->office, self->d.office, sizeof p->office);
    cpis_err err = children_get(a->children, e, &number, &child);
    if (err != CPIS_OK && err != CPIS_E_NOTFOUND) {
        emit_unread(e, err, TABLE_CHILD);
        return 0;
    }
    if (answer_policy_refuses(&a->policy, r->row.details.role_code)) return ANSWER_REFUSED;
    if (!fill_plans(e, &child, p)) {
        emit_failure(e);
        return 0;
    }
    if (p->plans_count == 0) /* the list lagged; but not while a list was taken over */
        return publisher_is_unsure(a->publisher) ? 0 : ANSWER_NONE_NOW;
    if (child.visibility != VISIBILITY_FULL) {
        p->visibility = VISIBILITY_CONTACT_ONLY; /* that there is something, and whom to ring */
        p->plans = NULL;
        p->plans_count = 0;
        return ANSWER_CONTACT_ONLY;
    }
    if (!fill_accesses(e, r, p)) {
        emit_failure(e);
        return 0;
    }
    return ANSWER_FLAGS;
}

/* status(1) || payload; the oldest looks go if it would not fit. NULL: out of memory. */
static struct bytes plaintext(struct env *e, enum answer_status status, struct msg_flag_payload *p)
{
    struct bytes b = {NULL, 0};
    cpis_err err = flag_payload_encode(p, e->scratch, &b);
    while (err == CPIS_OK && b.len + 1 + PAD_LENGTH_BYTES > ANSWER_PADDED_BYTES &&
           p->accesses_count > 0) {
        p->accesses_count--;
        p->history_cut = true;
        err = flag_payload_encode(p, e->scratch, &b);
    }
    assert(err != CPIS_E_INVAL);
    uint8_t *plain = err == CPIS_OK ? arena_take(e->scratch, b.len + 1) : NULL;
    if (plain == NULL) {
        emit_failure(e);
        return (struct bytes){NULL, 0};
    }
    plain[0] = (uint8_t)status;
    memcpy(plain + 1, b.p, b.len);
    return (struct bytes){plain, b.len + 1};
}

/* --- sealed to this lookup --- */

static cpis_err seal(struct authority *a, struct env *e, const struct record *r,
                     const struct own_entry *entry, struct bytes plain, struct msg_answer *ret)
{
    struct box_secret ephemeral;
    struct symmetric_key key;
    *ret =
        (struct msg_answer){.authority_id = e->id,
                            .rh = r->row.rh,
                            .time = e->wall,
                            .head_version = publisher_head_version(a->publisher, r->lookup.epoch)};
    drbg_bytes(e->rng, ephemeral.b, sizeof ephemeral.b);
    drbg_bytes(e->rng, ret->nonce, sizeof ret->nonce);
    box_public_of(&ephemeral, &ret->ephemeral);
    cpis_err err = answer_key(&entry->answer, &ephemeral, &r->lookup.ephemeral,
                              &r->lookup.ephemeral, &ret->ephemeral, &r->row.rh, &key);
    const struct cpis_hash aad =
        answer_aad(&e->id, &r->row.rh, ret->time, ret->head_version, &ret->ephemeral);
    if (err == CPIS_OK)
        err = seal_make(&key, ret->nonce, &aad, plain.p, plain.len, ANSWER_PADDED_BYTES,
                        ret->ciphertext);
    wipe(&ephemeral, sizeof ephemeral);
    wipe(&key, sizeof key);
    return err;
}

static void sign_and_send(struct env *e, const struct registry_node *to, const struct msg_answer *m,
                          enum answer_status status)
{
    struct bytes body;
    cpis_err err = answer_encode(m, e->scratch, &body);
    assert(err != CPIS_E_INVAL);
    if (err != CPIS_OK) {
        emit_failure(e);
        return;
    }
    const struct signed_message s = sign_body(e, SIGNED_ANSWER, body);
    const struct bytes whole = signed_bytes(e, &s);
    if (whole.p == NULL) return;
    emit_persist(e, TABLE_ANSWER, m->rh.b, sizeof m->rh.b, whole);
    expiry_note(e, TABLE_ANSWER, m->rh.b, sizeof m->rh.b);
    (void)log_append(e, LOG_ANSWERED, &m->rh, (uint64_t)status);
    emit_frame(e, &to->id, FRAME_SIGNED, whole);
}

static bool send_stored(struct env *e, const struct registry_node *to, const struct cpis_hash *rh)
{
    const size_t cap = ANSWER_SEALED_BYTES + 1024;
    uint8_t *buffer = arena_take(e->scratch, cap);
    size_t len;
    if (buffer == NULL) {
        emit_failure(e);
        return true;
    }
    cpis_err err = read_row(e, TABLE_ANSWER, rh->b, sizeof rh->b, buffer, cap, &len);
    if (err == CPIS_E_NOTFOUND) return false;
    if (err == CPIS_OK)
        emit_frame(e, &to->id, FRAME_SIGNED, (struct bytes){buffer, len});
    else
        emit_unread(e, err, TABLE_ANSWER);
    return true;
}

/* Who may be answered: on time, once, by an asker still in force, and only while we know that our
 * register is the current one. */
static bool may_answer(const struct env *e, const struct record *r)
{
    const struct registry_node *self = registry_node(e->registry, &e->id);
    const struct registry_node *asker = registry_node(e->registry, &r->row.query_id);
    if (r->row.state != ACCESS_COMPLETE || r->row.late || r->row.revoked || r->row.twin)
        return false;
    if (self == NULL || asker == NULL || !registry_may_sign(asker, e->wall)) return false;
    return registry_trust(e->registry, e->now, e->wall) != REGISTER_STALE;
}

void answer_give(struct authority *a, struct env *e, const struct registry_node *to,
                 const struct record *r)
{
    struct msg_flag_payload payload;
    struct msg_answer m;
    if (!may_answer(e, r) || send_stored(e, to, &r->row.rh)) return;
    const struct own_entry *entry = publisher_entry(a->publisher, r->lookup.epoch, &r->row.token);
    if (entry == NULL) return; /* its keys are gone: over 36 days */
    enum answer_status status = compose(a, e, r, &payload);
    if (status == 0) return;
    const struct bytes plain = plaintext(e, status, &payload);
    if (plain.p == NULL) return;
    cpis_err err = seal(a, e, r, entry, plain, &m);
    wipe(&payload, sizeof payload);
    if (err == CPIS_OK)
        sign_and_send(e, to, &m, status);
    else /* the asker's ephemeral key is a point of small order */
        emit_event(e, EVENT_BODY_MALFORMED, &r->row.query_id, 0);
}
