#include "node/http/health.h"

#include "node/net/json_memory.h"
#include "node/net/prometheus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT       "text/plain; charset=utf-8"
#define JSON       "application/json"
#define ASK_WITHIN (5 * CPIS_MS_SECOND) /* Prometheus gives up after 10 s unless told otherwise */

struct probe { /* one request that waits for the node */
    const struct health *h;
    struct exchange *x;
};

static void answer(struct exchange *x, struct reply *r)
{
    reply_header(r, "Cache-Control", "no-store");
    reply_header(r, "X-Content-Type-Options", "nosniff");
    exchange_reply(x, r);
}

/* Takes text; NULL: no memory. */
static struct reply *as_text(unsigned status, const char *type, char *text)
{
    return text == NULL ? NULL : reply_new(status, type, text, strlen(text));
}

/* false: x was answered. */
static bool ask(const struct health *h, struct exchange *x, const char *command,
                control_done_fn done)
{
    struct probe *p = malloc(sizeof *p);
    if (p == NULL) {
        exchange_reply(x, NULL);
        return false;
    }
    *p = (struct probe){h, x};
    const struct control_call call = {
        .command = command, .within = ASK_WITHIN, .done = done, .arg = p};
    h->door->call(h->door->arg, &call);
    return true;
}

/* --- /metrics --- */

/* Of a node that doesn't answer there is still what is known without it. */
static void on_metrics(void *arg, cpis_err err, json_t *reply, const char *why)
{
    struct probe *p = arg;
    char *text = NULL;
    json_t *families = err == CPIS_OK ? json_incref(json_object_get(reply, "families")) : NULL;
    (void)why; /* the log of this process says why, the metric that it is so */
    json_decref(reply);
    if (families == NULL) {
        families = json_array();
        family_count(family_add(families, "cpis_node_up", "gauge",
                                "1: the node runs; 0: it does not, or does not answer."),
                     0, "role", p->h->role, NULL, NULL);
    }
    if (p->h->add_families != NULL) p->h->add_families(p->h->arg, families);
    err = prometheus_text(families, &text);
    json_decref(families);
    if (json_memory_failed()) { /* a family may lack, or a sample */
        free(text);
        err = CPIS_E_NOMEM;
    }
    if (err == CPIS_OK)
        answer(p->x, as_text(200, PROMETHEUS_CONTENT_TYPE, text));
    else if (err == CPIS_E_NOMEM)
        answer(p->x, NULL);
    else
        answer(p->x, as_text(503, TEXT,
                             strdup("the node's metrics can't be read: see that the node and "
                                    "cpis-web are of one version\n")));
    free(p);
}

/* --- /readyz --- */

static void add(json_t *list, const char *check, const char *todo, const char *text)
{
    (void)json_array_append_new(
        list, json_pack("{s:s,s:s,s:s}", "check", check, "text", text, "do", todo));
}

static const char *text_at(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s == NULL ? "" : s;
}

static void judge_register(const json_t *s, json_t *reasons, json_t *notes)
{
    const char *trust = text_at(json_object_get(s, "register"), "trust");
    if (!json_is_true(json_object_get(s, "listed")))
        add(reasons, "register", "the stewards: `cpis doctor` says what they must do",
            "this node is not in force in the register");
    if (strcmp(trust, "fresh") == 0) return;
    /* A new register is unconfirmed until directories name it: nobody is to be sent away then. */
    const bool usable = strcmp(trust, "unconfirmed") == 0;
    add(usable ? notes : reasons, "register",
        "the operators of the directories: see that they run and hold this register; a node that "
        "has just been started: wait a minute",
        usable ? "too few directories have confirmed the register within 10 minutes"
               : "the register can't be trusted: every verdict is unknown");
}

static void judge_directories(const json_t *s, json_t *reasons)
{
    char text[128];
    const json_t *epoch = json_object_get(s, "epoch");
    const json_int_t needed = json_integer_value(json_object_get(epoch, "t")),
                     reachable = json_integer_value(json_object_get(epoch, "reachable"));
    (void)snprintf(text, sizeof text, "%lld directories are reachable, %lld are needed",
                   (long long)reachable, (long long)needed);
    if (needed <= 0)
        add(reasons, "directories",
            "the stewards: hold a key ceremony and put its epoch into the register",
            "there is no key epoch");
    else if (reachable < needed)
        add(reasons, "directories",
            "the operators of the directories: bring them back; here: see that the network "
            "reaches them",
            text);
}

static void judge_directory(const json_t *d, json_t *reasons)
{
    if (!json_is_true(json_object_get(d, "has_share")))
        add(reasons, "share", "the stewards: hold a key ceremony with this directory",
            "no share of the current key is held here");
    if (!json_is_true(json_object_get(d, "lists_ready")))
        add(reasons, "lists", "wait; if it stays: `cpis accept-heads`, see the handbook",
            "the lists held at the start are not all confirmed yet");
}

json_t *health_readiness(const json_t *s)
{
    json_t *reasons = json_array(), *notes = json_array();
    const json_t *directory = json_object_get(s, "directory");
    if (json_is_true(json_object_get(s, "runs"))) {
        judge_register(s, reasons, notes);
        judge_directories(s, reasons);
        if (directory != NULL) judge_directory(directory, reasons);
    } else {
        add(reasons, "node", "do what it says; the node tries again by itself",
            text_at(s, "why_down"));
    }
    return json_pack("{s:b,s:o,s:o}", "ready", json_array_size(reasons) == 0, "reasons", reasons,
                     "notes", notes);
}

static void print_findings(FILE *to, const json_t *list)
{
    size_t i;
    const json_t *f;
    json_array_foreach(list, i, f)(void)
        fprintf(to, "%s: %s\n  -> %s\n", text_at(f, "check"), text_at(f, "text"), text_at(f, "do"));
}

static char *readiness_text(const json_t *o)
{
    char *text = NULL;
    size_t len;
    FILE *to = open_memstream(&text, &len);
    if (to == NULL) return NULL;
    (void)fputs(json_is_true(json_object_get(o, "ready")) ? "ready\n" : "not ready\n", to);
    print_findings(to, json_object_get(o, "reasons"));
    print_findings(to, json_object_get(o, "notes"));
    if (fclose(to) == 0) return text;
    free(text);
    return NULL;
}

/* RFC 9110, 12.5.1, as far as two types go: the one that is named first. */
static bool wants_json(const struct request *r)
{
    const char *accept = request_header(r, "Accept");
    const char *json = accept == NULL ? NULL : strstr(accept, JSON);
    const char *text = accept == NULL ? NULL : strstr(accept, "text/plain");
    return json != NULL && (text == NULL || json < text);
}

static void on_status(void *arg, cpis_err err, json_t *reply, const char *why)
{
    struct probe *p = arg;
    json_t *o;
    if (err == CPIS_OK) {
        o = health_readiness(reply);
    } else {
        json_t *reasons = json_array();
        add(reasons, "node", "the operator: see that the node runs, and what its log says", why);
        o = json_pack("{s:b,s:o,s:[]}", "ready", false, "reasons", reasons, "notes");
    }
    json_decref(reply);
    if (json_memory_failed()) { /* a reason may lack: it is not known to be ready */
        json_decref(o);
        o = NULL;
    }
    const unsigned status = json_is_true(json_object_get(o, "ready")) ? 200 : 503;
    struct reply *r = o == NULL ? NULL
                      : wants_json(exchange_request(p->x))
                          ? reply_json(status, JSON, json_incref(o))
                          : as_text(status, TEXT, readiness_text(o));
    json_decref(o);
    reply_header(r, "Vary", "Accept");
    answer(p->x, r);
    free(p);
}

/* --- all --- */

bool health_handle(const struct health *h, struct exchange *x)
{
    const char *path = exchange_request(x)->path;
    if (strcmp(path, "/healthz") == 0)
        answer(x, as_text(200, TEXT, strdup("alive\n")));
    else if (strcmp(path, "/metrics") == 0)
        (void)ask(h, x, "metrics", on_metrics);
    else if (strcmp(path, "/readyz") == 0)
        (void)ask(h, x, "status", on_status);
    else
        return false;
    return true;
}

void health_server_families(json_t *families, const struct health_listener *all, size_t count,
                            cpis_ms certificate_until)
{
    json_t *requests = family_add(families, "cpis_http_requests_total", "counter",
                                  "HTTP requests that reached a handler, by listener.");
    json_t *refused = family_add(families, "cpis_http_refused_total", "counter",
                                 "HTTP requests that were refused before one, by reason.");
    json_t *connections =
        family_add(families, "cpis_http_connections", "gauge", "HTTP connections open now.");
    json_t *streams = family_add(families, "cpis_http_streams", "gauge",
                                 "Of these, pages that are told of news as it comes.");
    json_t *waiting = family_add(families, "cpis_http_requests_waiting", "gauge",
                                 "HTTP requests under way that have no answer yet.");
    for (size_t i = 0; i < count; i++) {
        const struct server_counts *n = &all[i].counts;
        const char *name = all[i].name;
        family_count(requests, n->requests, "listener", name, NULL, NULL);
        family_count(refused, n->malformed, "listener", name, "reason", "malformed");
        family_count(refused, n->too_large, "listener", name, "reason", "too_large");
        family_count(refused, n->cut_off, "listener", name, "reason", "cut_off");
        family_count(connections, n->connections, "listener", name, NULL, NULL);
        family_count(streams, n->streams, "listener", name, NULL, NULL);
        family_count(waiting, n->waiting, "listener", name, NULL, NULL);
    }
    json_t *until = family_add(families, "cpis_http_certificate_expires_timestamp_seconds", "gauge",
                               "When the certificate that is served expires, since 1970.");
    if (certificate_until != CPIS_MS_NEVER)
        family_value(until, (double)certificate_until / 1000, NULL, NULL, NULL, NULL);
}
