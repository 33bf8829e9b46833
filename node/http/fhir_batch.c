/* A Bundle of searches, each answered for itself (FHIR R4, 3.1.0.11: batch). */
#include "node/http/fhir_int.h"
#include "node/net/json_memory.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "CareTeam?patient=..." into a search; text is ours, and decoded in place. */
static void read_url(char *text, struct fhir_part *p)
{
    struct pair params[FHIR_PARAMS_MAX];
    size_t n = 0;
    char *query = strchr(text, '?');
    char path[32];
    const size_t len = query == NULL ? strlen(text) : (size_t)(query - text);
    (void)snprintf(path, sizeof path, "%s%.*s", text[0] == '/' ? "" : "/", len < 30 ? (int)len : 30,
                   text);
    const enum fhir_resource r = fhir_resource_of(path, strlen(path));
    if (query != NULL) query++;
    if (r == 0)
        (void)fhir_fault(&p->fault, FHIR_UNSUPPORTED_ENTRY,
                         "url: a search below the base, as CareTeam?patient:identifier=...");
    else if (fhir_form_read(query == NULL ? text + len : query, query == NULL ? 0 : strlen(query),
                            params, &n, &p->fault))
        (void)fhir_search_read(r, params, n, &p->search, &p->fault);
    if (p->fault.code != FHIR_OK) fhir_search_wipe(&p->search);
    sodium_memzero(params, sizeof params);
}

/* false: out of memory. */
static bool read_entry(const json_t *entry, struct fhir_part *p)
{
    const json_t *request = json_object_get(entry, "request");
    const char *method = json_string_value(json_object_get(request, "method")),
               *url = json_string_value(json_object_get(request, "url"));
    if (method == NULL || url == NULL || strcmp(method, "GET") != 0 ||
        json_object_get(entry, "resource") != NULL) {
        (void)fhir_fault(&p->fault, FHIR_UNSUPPORTED_ENTRY,
                         "request: {\"method\":\"GET\",\"url\":\"...\"}, and no resource");
        return true;
    }
    char *text = strdup(url);
    if (text == NULL) return false;
    const size_t len = strlen(text);
    read_url(text, p);
    sodium_memzero(text, len);
    free(text);
    return true;
}

static const char *text_at(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text == NULL ? "" : text;
}

static struct fhir_job *read_bundle(struct fhir *f, struct exchange *x,
                                    const struct fhir_request *in, const json_t *bundle,
                                    struct fhir_fault *fault)
{
    const json_t *list = json_object_get(bundle, "entry");
    const size_t n = json_array_size(list);
    if (strcmp(text_at(bundle, "resourceType"), "Bundle") != 0 ||
        strcmp(text_at(bundle, "type"), "batch") != 0 || n == 0) {
        (void)fhir_fault(fault, FHIR_INVALID_BATCH,
                         "{\"resourceType\":\"Bundle\",\"type\":\"batch\",\"entry\":[...]}");
        return NULL;
    }
    if (n > FHIR_BATCH_MAX) {
        (void)fhir_fault(fault, FHIR_BATCH_TOO_LARGE, "%zu; nothing was asked", n);
        return NULL;
    }
    struct fhir_job *j = fhir_job_new(f, x, in, n);
    if (j == NULL) return NULL;
    j->batch = true;
    for (size_t i = 0; i < n; i++) {
        if (read_entry(json_array_get(list, i), &j->parts[i])) continue;
        fhir_job_free(j);
        exchange_reply(x, NULL);
        return NULL;
    }
    return j;
}

struct fhir_job *fhir_batch_read(struct fhir *f, struct exchange *x, const struct fhir_request *in,
                                 struct fhir_fault *fault)
{
    const struct request *r = in->r;
    if (!request_is_type(r, FHIR_JSON) && !request_is_type(r, "application/json")) {
        (void)fhir_fault(fault, FHIR_UNSUPPORTED_MEDIA_TYPE, "a batch is " FHIR_JSON);
        return NULL;
    }
    /* The parser's own words may repeat what stands there. */
    json_error_t where;
    json_t *bundle = r->body_len == 0 ? NULL
                                      : json_loadb((const char *)r->body, r->body_len,
                                                   JSON_REJECT_DUPLICATES, &where);
    if (json_memory_failed()) { /* what was read may lack something, or be called no JSON for it */
        json_decref(bundle);
        (void)fhir_fault(fault, FHIR_TOO_BUSY, "out of memory; nothing was asked");
        return NULL;
    }
    if (bundle == NULL) {
        if (r->body_len == 0)
            (void)fhir_fault(fault, FHIR_MALFORMED_JSON, "the body is empty");
        else
            (void)fhir_fault(fault, FHIR_MALFORMED_JSON,
                             "line %d, column %d: no JSON, a name twice in one object, no UTF-8, "
                             "or too deep",
                             where.line, where.column);
        return NULL;
    }
    struct fhir_job *j = read_bundle(f, x, in, bundle, fault);
    json_decref(bundle);
    return j;
}

/* RFC 9110's words of the statuses that a search has. */
static const char *phrase_of(unsigned status)
{
    switch (status) {
    case 200: return "200 OK";
    case 400: return "400 Bad Request";
    case 403: return "403 Forbidden";
    case 406: return "406 Not Acceptable";
    case 422: return "422 Unprocessable Content";
    case 429: return "429 Too Many Requests";
    case 503: return "503 Service Unavailable";
    default: return "500 Internal Server Error";
    }
}

/* What is no answer has no resource: its outcome stands where FHIR has it, in the response. */
json_t *fhir_batch_bundle(struct fhir_make *m, struct fhir_job *j)
{
    char id[FHIR_UUID_BYTES];
    fhir_make_uuid(m, id);
    json_t *o = fhir_resource(m, "Bundle", id), *list = json_array();
    fhir_text(m, o, "type", "batch-response");
    for (size_t i = 0; i < j->count; i++) {
        struct fhir_made *made = &j->parts[i].made;
        json_t *entry = json_object(), *response = json_object();
        fhir_text(m, response, "status", phrase_of(made->status));
        if (made->code == FHIR_OK)
            fhir_set(m, entry, "resource", made->body);
        else
            fhir_set(m, response, "outcome", made->body);
        made->body = NULL;
        fhir_set(m, entry, "response", response);
        fhir_append(m, list, entry);
    }
    fhir_set(m, o, "entry", list);
    return o;
}
