#include "node/http/fhir_look.h"

#include "crypto/hash.h"
#include "node/http/ask.h"
#include "node/http/fhir_answer.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define KEY_BYTES  32U
#define BUCKETS    1024U
#define TURN_EVERY CPIS_MS_SECOND

struct look {
    struct look *next; /* of its bucket */
    struct fhir_looks *all;
    uint8_t key[KEY_BYTES];
    struct nhs_number number;
    unsigned served; /* bits 1 << resource: searched for already */
    bool under_way;
    cpis_ms until;   /* answered: kept until then */
    json_t *verdict; /* NULL: none yet */
    struct fhir_waiter *first, **last;
};
struct fhir_looks {
    const struct node_door *door;
    uint8_t secret[KEY_BYTES]; /* of the keys: which number was asked about can't be guessed */
    struct look *buckets[BUCKETS];
    struct fhir_looks_counts counts;
    cpis_ms now, turned;
};

cpis_err fhir_looks_new(const struct node_door *door, struct fhir_looks **ret)
{
    struct fhir_looks *l = calloc(1, sizeof *l);
    if (l == NULL) return CPIS_E_NOMEM;
    l->door = door;
    randombytes_buf(l->secret, sizeof l->secret);
    *ret = l;
    return CPIS_OK;
}

/* --- one lookup --- */

static struct look **bucket_of(struct fhir_looks *l, const uint8_t key[static KEY_BYTES])
{
    return &l->buckets[((size_t)key[0] << 8 | key[1]) % BUCKETS];
}

static void drop(struct look *k)
{
    struct look **at = bucket_of(k->all, k->key);
    while (*at != k)
        at = &(*at)->next;
    *at = k->next;
    if (k->under_way)
        k->all->counts.under_way--;
    else
        k->all->counts.kept--;
    json_decref(k->verdict); /* wiped: main() has given jansson a free that does so */
    sodium_memzero(k, sizeof *k);
    free(k);
}

void fhir_looks_free(struct fhir_looks **p)
{
    struct fhir_looks *l = *p;
    if (l == NULL) return;
    assert(l->counts.under_way == 0);
    for (size_t i = 0; i < BUCKETS; i++)
        while (l->buckets[i] != NULL)
            drop(l->buckets[i]);
    sodium_memzero(l, sizeof *l);
    free(l);
    *p = NULL;
}

static void make_key(const struct fhir_looks *l, const struct caller *who,
                     const struct nhs_number *number, uint8_t ret[static KEY_BYTES])
{
    const struct msg_ask_details *a = &who->asker;
    const char *const texts[] = {
        who->client,  a->user_id,           a->user_name,         a->role_code, a->role_name,
        a->device_id, a->organisation_code, a->organisation_name, a->setting,   number->digits};
    struct hash h;
    hash_init(&h, l->secret, sizeof l->secret, KEY_BYTES);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        hash_bytes(&h, texts[i], strlen(texts[i]) + 1);
    hash_u32(&h, a->scheduled);
    hash_final(&h, ret, KEY_BYTES);
    sodium_memzero(&h, sizeof h);
}

/* --- the node --- */

/* Who is told may ask again at once, and join. */
static void tell_all(struct look *k, const json_t *verdict, const struct fhir_fault *f)
{
    for (struct fhir_waiter *w; (w = k->first) != NULL;) {
        k->first = w->next;
        if (k->first == NULL) k->last = &k->first;
        w->fn(w->arg, verdict, f);
    }
}

/* The node's words are about itself, none of a child. */
static void read_failure(cpis_err err, const char *why, struct fhir_fault *ret)
{
    enum fhir_code c;
    switch ((int)err) {
    case CPIS_E_NOTFOUND:
    case CPIS_E_IO: c = FHIR_NODE_UNAVAILABLE; break;
    case CPIS_E_BUSY: c = FHIR_TIMED_OUT; break;
    case CPIS_E_LIMIT:
    case CPIS_E_NOMEM: c = FHIR_TOO_BUSY; break;
    case CPIS_E_STATE:
    case CPIS_E_STORE:
    case CPIS_E_FULL: c = FHIR_NOT_ANSWERED; break;
    default: c = FHIR_INTERNAL_ERROR; break;
    }
    (void)fhir_fault(ret, c, "%s", c == FHIR_INTERNAL_ERROR ? "" : why);
}

static bool on_more(void *arg, const json_t *more)
{
    struct look *k = arg;
    const char *number = json_string_value(json_object_get(more, "nhs_number"));
    if (number == NULL || strcmp(number, k->number.digits) != 0) return true;
    k->verdict = json_incref((json_t *)(uintptr_t)more);
    return false;
}

static bool is_worth_keeping(const struct look *k)
{
    return (k->served & 1U << FHIR_AUDIT_EVENT) == 0 && k->all->counts.kept <= FHIR_LOOKS_MAX &&
           fhir_is_settled(k->verdict);
}

static void on_done(void *arg, cpis_err err, json_t *reply, const char *why)
{
    struct look *k = arg;
    struct fhir_looks *l = k->all;
    struct fhir_fault f;
    json_decref(reply);
    if (k->verdict != NULL) { /* a verdict that has come is true, whatever came after it */
        tell_all(k, k->verdict, NULL);
        k->under_way = false;
        l->counts.under_way--;
        l->counts.kept++;
        k->until = l->now + FHIR_LOOK_LIFE;
        if (!is_worth_keeping(k)) drop(k);
        return;
    }
    if (err == CPIS_OK)
        (void)fhir_fault(&f, FHIR_INTERNAL_ERROR, "the node gave no verdict");
    else
        read_failure(err, why, &f);
    tell_all(k, NULL, &f);
    drop(k);
}

static json_t *fields_json(const struct msg_ask_details *a, const struct nhs_number *n,
                           const char *correlation)
{
    json_t *ask = ask_json(a, correlation), *o = json_object(), *numbers = json_array();
    const bool ok = ask != NULL && json_array_append_new(numbers, json_string(n->digits)) == 0 &&
                    json_object_set(o, "numbers", numbers) == 0 &&
                    json_object_set(o, "ask", ask) == 0;
    json_decref(numbers);
    json_decref(ask);
    if (ok) return o;
    json_decref(o);
    return NULL;
}

/* --- who waits --- */

static bool may_join(const struct look *k, enum fhir_resource r, cpis_ms now)
{
    if ((k->served & 1U << r) != 0) return false;
    if (k->under_way) return true;
    return r == FHIR_AUDIT_EVENT && now < k->until;
}

static struct look *find(struct fhir_looks *l, const uint8_t key[static KEY_BYTES],
                         enum fhir_resource r, cpis_ms now)
{
    for (struct look *k = *bucket_of(l, key); k != NULL; k = k->next)
        if (sodium_memcmp(k->key, key, KEY_BYTES) == 0 && may_join(k, r, now)) return k;
    return NULL;
}

static void wait_for(struct look *k, struct fhir_waiter *w)
{
    w->next = NULL;
    *k->last = w;
    k->last = &w->next;
}

static void refuse(struct fhir_waiter *w, const char *why)
{
    struct fhir_fault f;
    (void)fhir_fault(&f, FHIR_TOO_BUSY, "%s", why);
    w->fn(w->arg, NULL, &f);
}

static void ask(struct fhir_looks *l, const uint8_t key[static KEY_BYTES], const struct caller *who,
                const struct fhir_search *s, const char *correlation, struct fhir_waiter *w)
{
    json_t *fields = fields_json(&who->asker, &s->number, correlation);
    struct look *k = fields == NULL ? NULL : calloc(1, sizeof *k);
    if (k == NULL) {
        json_decref(fields);
        refuse(w, "out of memory; nothing was asked");
        return;
    }
    *k = (struct look){.all = l,
                       .next = *bucket_of(l, key),
                       .number = s->number,
                       .served = 1U << s->resource,
                       .under_way = true};
    memcpy(k->key, key, KEY_BYTES);
    k->last = &k->first;
    *bucket_of(l, key) = k;
    l->counts.under_way++;
    l->counts.asked++;
    wait_for(k, w);
    l->door->call(l->door->arg, &(struct control_call){.command = "lookup",
                                                       .fields = fields,
                                                       .within = FHIR_LOOK_WITHIN,
                                                       .more = on_more,
                                                       .done = on_done,
                                                       .arg = k});
}

void fhir_look(struct fhir_looks *l, const struct caller *who, const struct fhir_search *search,
               const char *correlation, cpis_ms now, struct fhir_waiter *w)
{
    uint8_t key[KEY_BYTES];
    l->now = now;
    make_key(l, who, &search->number, key);
    struct look *k = find(l, key, search->resource, now);
    if (k == NULL) {
        if (l->counts.under_way >= FHIR_ASKED_MAX)
            refuse(w, "nothing was asked");
        else
            ask(l, key, who, search, correlation, w);
        return;
    }
    l->counts.joined++;
    k->served |= 1U << search->resource;
    if (k->under_way) {
        wait_for(k, w);
        return;
    }
    json_t *verdict = json_incref(k->verdict);
    drop(k); /* of no more use */
    w->fn(w->arg, verdict, NULL);
    json_decref(verdict);
}

void fhir_looks_turn(struct fhir_looks *l, cpis_ms now)
{
    l->now = now;
    if (now - l->turned < TURN_EVERY) return;
    l->turned = now;
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct look *k = l->buckets[i], *next; k != NULL; k = next) {
            next = k->next;
            if (!k->under_way && now >= k->until) drop(k);
        }
    }
}

void fhir_looks_counts(const struct fhir_looks *l, struct fhir_looks_counts *ret)
{
    *ret = l->counts;
}
