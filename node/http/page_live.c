/* What changes while somebody looks: counts and "look again", by server-sent events, and never
 * anything of a child. The node is asked once for all who look, and not at all while nobody does;
 * whether each of them may still look is asked of the log-in every time. */
#include "node/http/page_int.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVERY       (5 * CPIS_MS_SECOND)
#define EVENT_BYTES 160U

struct onlooker {
    struct onlooker *next;
    struct live *live;
    struct stream *stream;
    struct request r; /* what who is asked with; its texts are ours */
    struct peer peer;
    struct pair *headers;
    char *text;
    size_t text_len;
    bool ended;
    unsigned roles;
    char told[EVENT_BYTES]; /* the last "inbox" */
    uint8_t seen[32];       /* the state that it was told to look at */
    bool has_seen;
    bool stale; /* was told so */
};
struct live {
    struct pages *p;
    struct onlooker *first;
    cpis_ms due;
    bool asking;
    json_t *status; /* while the second call is under way */
};

cpis_err live_new(struct pages *p, struct live **ret)
{
    struct live *l = calloc(1, sizeof *l);
    if (l == NULL) return CPIS_E_NOMEM;
    l->p = p;
    *ret = l;
    return CPIS_OK;
}

static void onlooker_free(struct onlooker *o)
{
    if (o->text != NULL) sodium_memzero(o->text, o->text_len);
    free(o->text);
    free(o->headers);
    free(o);
}

void live_free(struct live **p)
{
    struct live *l = *p;
    *p = NULL;
    if (l == NULL) return;
    while (l->first != NULL) {
        struct onlooker *o = l->first;
        l->first = o->next;
        onlooker_free(o);
    }
    json_decref(l->status);
    free(l);
}

static void gone(void *arg)
{
    struct onlooker *o = arg, **at = &o->live->first;
    while (*at != o)
        at = &(*at)->next;
    *at = o->next;
    onlooker_free(o);
}

/* The headers hold the session's cookie: they are what says who this is, as long as the stream
 * lives. */
static struct onlooker *onlooker_new(const struct visit *v)
{
    const struct request *r = v->r;
    struct onlooker *o = calloc(1, sizeof *o);
    size_t len = 1;
    for (size_t i = 0; i < r->headers_count; i++)
        len += strlen(r->headers[i].name) + strlen(r->headers[i].value) + 2;
    if (o == NULL) return NULL;
    o->headers = calloc(r->headers_count + 1, sizeof *o->headers);
    o->text = malloc(len);
    o->text_len = len;
    if (o->headers == NULL || o->text == NULL) {
        o->text_len = 0;
        free(o->headers);
        free(o->text);
        free(o);
        return NULL;
    }
    char *at = o->text;
    for (size_t i = 0; i < r->headers_count; i++) {
        const size_t name = strlen(r->headers[i].name) + 1, value = strlen(r->headers[i].value) + 1;
        memcpy(at, r->headers[i].name, name);
        memcpy(at + name, r->headers[i].value, value);
        o->headers[i] = (struct pair){at, at + name};
        at += name + value;
    }
    o->peer = *r->peer;
    o->r = (struct request){.method = HTTP_GET,
                            .path = "/live",
                            .headers = o->headers,
                            .headers_count = r->headers_count,
                            .peer = &o->peer,
                            .now = r->now,
                            .wall = r->wall};
    o->roles = v->who.roles;
    o->live = v->p->live;
    return o;
}

void page_live(struct visit *v)
{
    struct live *l = v->p->live;
    struct exchange *x = v->x;
    struct onlooker *o = onlooker_new(v);
    if (o == NULL) {
        visit_reply(v, NULL);
        return;
    }
    visit_free(v);
    o->next = l->first;
    l->first = o;
    struct stream *s = exchange_stream(x, gone, o);
    if (s == NULL) { /* it was answered; gone is not called */
        l->first = o->next;
        onlooker_free(o);
        return;
    }
    o->stream = s;
    if (!l->asking) l->due = 0; /* what there is, now */
}

/* --- telling --- */

static void tell_inbox(struct onlooker *o, const json_t *status, const json_t *reply)
{
    const json_t *n = json_object_get(json_object_get(status, "authority"), "notifications");
    char text[EVENT_BYTES];
    if (n == NULL || !account_roles_may(o->roles, RIGHT_INBOX)) return;
    (void)snprintf(text, sizeof text, "{\"unopened\":%llu,\"escalated\":%llu,\"newest\":%llu}",
                   (unsigned long long)page_number(n, "unopened"),
                   (unsigned long long)page_number(n, "escalated"),
                   (unsigned long long)page_number(reply, "newest"));
    if (strcmp(text, o->told) == 0) return;
    memcpy(o->told, text, sizeof text);
    (void)stream_send(o->stream, "inbox", text);
}

static void copy_keys(const json_t *from, const char *const *keys, size_t n, json_t *list)
{
    for (size_t i = 0; i < n; i++) {
        json_t *value = json_object_get(from, keys[i]);
        (void)json_array_append(list, value == NULL ? json_null() : value);
    }
}

static void add_list(json_t *all, const json_t *s, const json_t *l)
{
    (void)json_array_append(all, json_object_get(json_object_get(l, "authority"), "code"));
    (void)json_array_append_new(all, json_integer(page_freshness(s, l)));
}

/* Of all that the page shows but ages; those grow, so that it is another one every minute. */
static void digest_of(const json_t *s, uint8_t ret[static 32])
{
    static const char *const of_all[] = {"runs", "why_down", "epoch"};
    static const char *const of_register[] = {"version", "trust", "expires"};
    static const char *const of_peer[] = {"id", "state", "reachable", "twice"};
    static const char *const of_alarm[] = {"event", "count"};
    const json_t *o, *directory = json_object_get(s, "directory");
    const cpis_ms minute = page_ms(page_text(s, "time")) / CPIS_MS_MINUTE;
    size_t i;
    json_t *all = json_pack("[I]", (json_int_t)minute);
    copy_keys(s, of_all, 3, all);
    copy_keys(json_object_get(s, "register"), of_register, 3, all);
    (void)json_array_append_new(all,
                                json_integer((json_int_t)page_number(directory, "copies_waiting")));
    json_array_foreach(json_object_get(directory, "lists"), i, o) { add_list(all, s, o); }
    json_array_foreach(json_object_get(s, "peers"), i, o) { copy_keys(o, of_peer, 4, all); }
    json_array_foreach(json_object_get(s, "alarms"), i, o) { copy_keys(o, of_alarm, 2, all); }
    char *text = json_dumps(all, JSON_COMPACT);
    (void)crypto_generichash(ret, 32, (const uint8_t *)text, text == NULL ? 0 : strlen(text), NULL,
                             0);
    free(text);
    json_decref(all);
}

static void tell_change(struct onlooker *o, const uint8_t digest[static 32])
{
    if (!account_roles_may(o->roles, RIGHT_STATUS)) return;
    if (o->has_seen && memcmp(o->seen, digest, sizeof o->seen) != 0)
        (void)stream_send(o->stream, "changed", "{}");
    memcpy(o->seen, digest, sizeof o->seen);
    o->has_seen = true;
}

/* Once, when the node does not answer: what is shown is getting old. */
static void tell_stale(struct onlooker *o)
{
    if (o->ended || o->stale) return;
    o->stale = true;
    (void)stream_send(o->stream, "stale", "{}");
}

static void tell_fresh(struct onlooker *o)
{
    if (o->stale) (void)stream_send(o->stream, "fresh", "{}");
    o->stale = false;
}

static void tell(struct live *l, const json_t *reply)
{
    uint8_t digest[32];
    digest_of(l->status, digest);
    for (struct onlooker *o = l->first; o != NULL; o = o->next) {
        if (o->ended) continue;
        tell_fresh(o);
        tell_inbox(o, l->status, reply);
        tell_change(o, digest);
    }
}

/* --- asking --- */

static void call(struct live *l, const char *command, json_t *fields, control_done_fn done)
{
    const struct node_door *door = l->p->conf.door;
    door->call(
        door->arg,
        &(struct control_call){
            .command = command, .fields = fields, .within = PAGE_WITHIN, .done = done, .arg = l});
}

static void newest(void *arg, cpis_err err, json_t *reply, const char *why)
{
    struct live *l = arg;
    (void)why;
    l->asking = false;
    if (err == CPIS_OK) {
        tell(l, reply);
    } else {
        for (struct onlooker *o = l->first; o != NULL; o = o->next)
            tell_stale(o);
    }
    json_decref(reply);
    json_decref(l->status);
    l->status = NULL;
}

static void status(void *arg, cpis_err err, json_t *reply, const char *why)
{
    struct live *l = arg;
    l->status = reply;
    if (err == CPIS_OK && l->p->conf.role == ROLE_AUTHORITY)
        call(l, "notifications_list", json_pack("{s:i}", "limit", 1), newest);
    else
        newest(l, err, NULL, why);
}

/* Who has logged out, or may not any more, is told so once. */
static bool look_who(struct live *l, cpis_ms now)
{
    bool any = false;
    const struct page_people *people = &l->p->conf.people;
    for (struct onlooker *o = l->first; o != NULL; o = o->next) {
        struct person who;
        if (o->ended) continue;
        o->r.wall += now - o->r.now;
        o->r.now = now;
        if (people->who(people->arg, &o->r, true, &who) && !who.must_change) {
            o->roles = who.roles;
            any = true;
        } else {
            o->ended = true;
            (void)stream_send(o->stream, "ended", "{}");
        }
    }
    return any;
}

void live_turn(struct live *l, cpis_ms now)
{
    if (l->first == NULL || l->asking || now < l->due) return;
    l->due = now + EVERY;
    if (!look_who(l, now)) return;
    l->asking = true;
    call(l, "status", NULL, status);
}

cpis_ms live_deadline(const struct live *l)
{
    return l->first == NULL || l->asking ? CPIS_MS_NEVER : l->due;
}
