/* The inbox, sent to a program: each notification a signed POST. */
#include "node/cli/companion.h"
#include "node/feed/url.h"
#include "node/http/deliver.h"
#include "node/net/clock.h"
#include "node/net/json_memory.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define PAGE          100U
#define LOOK_EVERY    CPIS_MS_SECOND
#define KEY_BYTES_MIN 32U
#define HEADER_BYTES  192U

struct webhook {
    struct deliver *on;
    struct delivery d;
    bool tls;
    uint8_t *key; /* sodium_malloc */
    size_t key_len;
    uint8_t salt[crypto_shorthash_KEYBYTES]; /* of the numbers that stand for children */
    bool begun, dirty;
    bool stale;     /* the node numbers again: what is under way has to end first */
    bool known;     /* the children of what was unsent before a restart */
    bool caught_up; /* nothing was left in the inbox at the last look */
    size_t under_way;
    cpis_ms look_at;                         /* when to look at the inbox again */
    cpis_ms refused_at, away_at, arrived_at; /* when each line was told last */
};

bool webhook_open(struct deliver *d, struct webhook **ret)
{
    struct webhook *w = calloc(1, sizeof *w);
    struct url url;
    if (w == NULL) {
        (void)cli_fail(d->c, "%s", cpis_strerror(CPIS_E_NOMEM));
        return false;
    }
    w->on = d;
    if (!url_parse(d->s.webhook_url, "http", &url)) url.tls = true; /* conf.c has seen to it */
    w->tls = url.tls;
    crypto_shorthash_keygen(w->salt);
    if (deliver_secret(d->c, "webhook_key_file", d->s.webhook_key_file, KEY_BYTES_MIN, &w->key,
                       &w->key_len) &&
        delivery_file_load(d->c, DELIVERY_FILE_WEBHOOK, &w->d, &w->begun)) {
        *ret = w;
        return true;
    }
    webhook_close(&w);
    return false;
}

void webhook_close(struct webhook **p)
{
    if (*p != NULL) sodium_free((*p)->key);
    free(*p);
    *p = NULL;
}

/* --- from the inbox --- */

/* All that is of no child, tests, is one. */
static uint64_t child_of(const struct webhook *w, const json_t *n)
{
    const char *number = cli_text(n, "nhs_number");
    uint8_t hash[crypto_shorthash_BYTES];
    uint64_t child;
    _Static_assert(sizeof child == sizeof hash, "a number that stands for a child");
    (void)crypto_shorthash(hash, (const uint8_t *)number, strlen(number), w->salt);
    memcpy(&child, hash, sizeof child);
    return child;
}

static size_t room(const struct webhook *w) { return DELIVERY_UNSENT_MAX - w->d.count; }

/* What is under way is known by ids that mean something else then: not before it has ended. */
static void begin(struct webhook *w, const json_t *reply)
{
    assert(w->under_way == 0);
    if (w->stale)
        companion_tell(COMPANION_WARN, "WEBHOOK_ANEW",
                       "the node was restored and numbers its notifications again: what nobody has "
                       "opened is sent (again)");
    delivery_begin(&w->d, cli_integer(reply, "newest"));
    w->begun = w->known = w->dirty = true;
    w->stale = false;
}

/* A page that begins with the last one that was taken up, if there is one. false: end of it. */
static bool take_page(struct webhook *w, const json_t *reply, size_t limit)
{
    const json_t *list = json_object_get(reply, "notifications"), *n;
    size_t i;
    if (!w->begun || w->stale) begin(w, reply);
    const bool overlaps = w->d.place.last != 0;
    if (overlaps) {
        const struct delivery_notice first = deliver_notice(json_array_get(list, 0));
        w->stale = !delivery_holds(&w->d.place, &first);
        if (w->stale) return false;
    }
    json_array_foreach(list, i, n)
    {
        const struct delivery_notice notice = deliver_notice(n);
        if (overlaps && i == 0) continue;
        if (delivery_take(&w->d.place, &notice))
            delivery_add(&w->d, notice.id, child_of(w, n), DELIVERY_NOTIFICATION);
        w->dirty = true;
    }
    w->caught_up = json_array_size(list) < limit;
    return !w->caught_up && room(w) > 0;
}

static bool take_up(struct webhook *w)
{
    w->caught_up = false;
    if (w->stale && w->under_way > 0) return false;
    for (bool more = true; more;) { /* without room, too: does the node number again? */
        const uint64_t last = w->stale ? 0 : w->d.place.last;
        const size_t limit = (room(w) < PAGE ? room(w) : PAGE) + (last != 0);
        json_t *reply = deliver_list(w->on, last == 0 ? 0 : last - 1, limit);
        if (reply == NULL) return false;
        more = take_page(w, reply, limit);
        json_decref(reply);
    }
    return !w->stale;
}

static bool pass_page(struct webhook *w, const json_t *reply)
{
    size_t i;
    const json_t *n;
    json_array_foreach(json_object_get(reply, "notifications"), i, n)
    {
        const struct delivery_notice notice = deliver_notice(n);
        if (room(w) == 0) return false;
        const enum delivery_decision is = delivery_escalation(&w->d.place, &notice);
        if (is == DELIVERY_UNDECIDED) return false;
        if (is == DELIVERY_TELL) delivery_add(&w->d, notice.id, child_of(w, n), DELIVERY_ESCALATED);
        w->dirty = true;
    }
    return i == PAGE;
}

static bool pass_escalated(struct webhook *w)
{
    for (bool more = w->d.place.escalation < w->d.place.last; more;) {
        json_t *reply = deliver_list(w->on, w->d.place.escalation, PAGE);
        if (reply == NULL) return false;
        more = pass_page(w, reply);
        json_decref(reply);
    }
    return true;
}

/* After a restart: only ids are kept. */
static bool know_children(struct webhook *w)
{
    for (size_t i = 0; i < w->d.count; i++) {
        json_t *reply = deliver_list(w->on, w->d.unsent[i].id - 1, 1);
        if (reply == NULL) return false;
        const json_t *n = json_array_get(json_object_get(reply, "notifications"), 0);
        delivery_set_child(&w->d, i, child_of(w, n));
        json_decref(reply);
    }
    w->known = true;
    return true;
}

static bool look(struct webhook *w)
{
    if (w->on->node == NULL) return false;
    if (clock_monotonic() < w->look_at) return true;
    w->look_at = clock_monotonic() + LOOK_EVERY;
    return (w->known || know_children(w)) && take_up(w) && pass_escalated(w);
}

/* --- to the receiver --- */

static const char *event_of(const json_t *n, enum delivery_event event)
{
    if (event == DELIVERY_ESCALATED) return "escalated";
    return strcmp(cli_text(n, "kind"), "test") == 0 ? "test" : "notification";
}

static void sign(const struct webhook *w, const char *body, char ret[static HEADER_BYTES])
{
    const unsigned long long at = cli_wall() / CPIS_MS_SECOND;
    crypto_auth_hmacsha256_state h;
    uint8_t mac[crypto_auth_hmacsha256_BYTES];
    char time[24], hex[2 * sizeof mac + 1];
    (void)snprintf(time, sizeof time, "%llu.", at);
    (void)crypto_auth_hmacsha256_init(&h, w->key, w->key_len);
    (void)crypto_auth_hmacsha256_update(&h, (const uint8_t *)time, strlen(time));
    (void)crypto_auth_hmacsha256_update(&h, (const uint8_t *)body, strlen(body));
    (void)crypto_auth_hmacsha256_final(&h, mac);
    sodium_memzero(&h, sizeof h);
    cli_hex(mac, sizeof mac, hex);
    (void)snprintf(ret, HEADER_BYTES, "CPIS-Signature: t=%llu,v1=%s", at, hex);
}

/* One and the same for one event, whatever befalls this process or the node: after a restore the
 * number alone might be another notification's. */
static void name(const json_t *n, enum delivery_event event, char ret[static HEADER_BYTES])
{
    (void)snprintf(ret, HEADER_BYTES, "Idempotency-Key: %s-%llu-%s",
                   event == DELIVERY_ESCALATED ? "escalated" : "notification",
                   (unsigned long long)cli_integer(n, "id"), cli_text(n, "received"));
}

static uint64_t tag_of(uint64_t id, enum delivery_event event) { return id << 2 | event; }

char *webhook_body(json_t *n, enum delivery_event event)
{
    (void)json_object_set_new(n, "event", json_string(event_of(n, event)));
    char *body = json_dumps(n, JSON_COMPACT);
    if (!json_memory_failed()) return body;
    if (body != NULL) json_memory_free(body);
    return NULL;
}

static bool post(struct webhook *w, uint64_t id, enum delivery_event event)
{
    char signature[HEADER_BYTES], key[HEADER_BYTES];
    json_t *reply = deliver_list(w->on, id - 1, 1);
    json_t *n = json_array_get(json_object_get(reply, "notifications"), 0);
    char *body = NULL;
    if (cli_integer(n, "id") == id) {
        body = webhook_body(n, event);
        name(n, event, key);
    }
    json_decref(reply);
    if (body == NULL) return false;
    sign(w, body, signature);
    const char *const headers[] = {"Content-Type: application/json",
                                   "Expect:",
                                   "User-Agent: cpis/" CLI_VERSION,
                                   signature,
                                   key,
                                   NULL};
    const struct post_http to = {.url = w->on->s.webhook_url,
                                 .ca_file = w->on->s.webhook_ca_file,
                                 .headers = headers,
                                 .tls = w->tls};
    return post_http(w->on->post, tag_of(id, event), &to, body) == CPIS_OK;
}

static void send_due(struct webhook *w)
{
    const struct delivery_item *x;
    while (w->under_way < DELIVERY_AT_ONCE_MAX && w->on->node != NULL &&
           (x = delivery_next(&w->d, clock_monotonic())) != NULL) {
        if (post(w, x->id, x->event))
            w->under_way++;
        else
            (void)delivery_failed(&w->d, x->id, x->event, clock_monotonic(), randombytes_random());
    }
}

void webhook_keep(struct webhook *w)
{
    if (w->dirty) w->dirty = !delivery_file_save(w->on->c, DELIVERY_FILE_WEBHOOK, &w->d);
}

void webhook_round(struct webhook *w)
{
    const bool looked = look(w);
    webhook_keep(w);
    if (looked && !w->dirty) send_due(w);
}

void webhook_done(struct webhook *w, const struct post_done *done)
{
    const uint64_t id = done->tag >> 2;
    const enum delivery_event event = (enum delivery_event)(done->tag & 3);
    w->under_way--;
    if (done->result == POST_ARRIVED) {
        const unsigned failures = delivery_sent(&w->d, id, event);
        w->dirty = true;
        if (failures > 0 && deliver_may_tell(&w->arrived_at))
            companion_tell(COMPANION_INFO, "WEBHOOK_ARRIVED",
                           "notification %llu, after %u times in vain; %zu wait",
                           (unsigned long long)id, failures, w->d.count);
        return;
    }
    const cpis_ms now = clock_monotonic();
    cpis_ms wait = delivery_failed(&w->d, id, event, now, randombytes_random());
    delivery_pause(&w->d, now, done->asked);
    if (w->d.paused > now + wait) wait = w->d.paused - now;
    const bool refused = done->result == POST_REFUSED;
    if (deliver_may_tell(refused ? &w->refused_at : &w->away_at))
        companion_tell(COMPANION_WARN, refused ? "WEBHOOK_REFUSED" : "WEBHOOK_WAITS",
                       "notification %llu: %s; tried again in %llu s; %zu wait",
                       (unsigned long long)id, done->why,
                       (unsigned long long)(wait / CPIS_MS_SECOND), w->d.count);
}

cpis_ms webhook_deadline(const struct webhook *w)
{
    const cpis_ms due = delivery_deadline(&w->d);
    return due < w->look_at ? due : w->look_at;
}

bool webhook_is_settled(const struct webhook *w)
{
    return w->under_way == 0 && (w->dirty || w->caught_up || room(w) == 0) &&
           delivery_deadline(&w->d) > clock_monotonic();
}

bool webhook_is_empty(const struct webhook *w)
{
    return w->caught_up && !w->dirty && w->d.count == 0;
}
