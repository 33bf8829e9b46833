#include "node/http/fhir_int.h"
#include "node/http/form.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define METADATA         "/metadata"
#define ORIGIN_BYTES_MAX 255U

cpis_err fhir_new(const struct fhir_conf *conf, struct fhir **ret)
{
    if (conf->origin != NULL && strlen(conf->origin) > ORIGIN_BYTES_MAX) return CPIS_E_INVAL;
    struct fhir *f = calloc(1, sizeof *f);
    if (f == NULL) return CPIS_E_NOMEM;
    f->conf = *conf;
    if (fhir_looks_new(conf->door, &f->looks) != CPIS_OK) {
        free(f);
        return CPIS_E_NOMEM;
    }
    *ret = f;
    return CPIS_OK;
}

void fhir_free(struct fhir **p)
{
    struct fhir *f = *p;
    if (f == NULL) return;
    fhir_looks_free(&f->looks);
    free(f);
    *p = NULL;
}

void fhir_turn(struct fhir *f, cpis_ms now) { fhir_looks_turn(f->looks, now); }

void fhir_counts(const struct fhir *f, struct fhir_counts *ret)
{
    struct fhir_looks_counts n;
    fhir_looks_counts(f->looks, &n);
    memcpy(ret->answers, f->answers, sizeof ret->answers);
    ret->lookups = n.asked;
    ret->joined = n.joined;
}

/* --- answers --- */

void fhir_make_begin(const struct fhir *f, struct fhir_make *ret)
{
    *ret = (struct fhir_make){.sandbox = f->conf.sandbox};
    randombytes_buf(ret->seed, sizeof ret->seed);
}

static void reply_with(struct exchange *x, const char *trace, unsigned status, json_t *body,
                       unsigned retry, const struct pair *header)
{
    struct reply *r = body == NULL ? NULL : reply_json(status, FHIR_JSON, body);
    char seconds[12];
    (void)snprintf(seconds, sizeof seconds, "%u", retry);
    reply_header(r, "Cache-Control", "no-store");
    reply_header(r, "X-Content-Type-Options", "nosniff");
    if (trace[0] != '\0') reply_header(r, "TraceID", trace);
    if (retry > 0) reply_header(r, "Retry-After", seconds);
    if (header != NULL) reply_header(r, header->name, header->value);
    exchange_reply(x, r);
}

void fhir_reply(struct exchange *x, const char *trace, const struct fhir_made *made,
                const struct pair *header)
{
    const unsigned retry = made->code == FHIR_OK ? 0 : fhir_code_facts(made->code)->retry;
    reply_with(x, trace, made->status, made->body, retry, header);
}

/* retry: 0: as the code has it. */
static void reply_fault(struct fhir *f, struct exchange *x, const char *trace,
                        const struct fhir_fault *fault, const struct pair *header, unsigned retry)
{
    struct fhir_make m;
    struct fhir_made made;
    fhir_make_begin(f, &m);
    fhir_made_fault(&m, fault, &made);
    f->answers[fault->code]++;
    if (retry == 0) retry = fhir_code_facts(fault->code)->retry;
    reply_with(x, trace, made.status, made.body, retry, header);
}

void fhir_reply_fault(struct fhir *f, struct exchange *x, const char *trace,
                      const struct fhir_fault *fault, const struct pair *header)
{
    reply_fault(f, x, trace, fault, header, 0);
}

/* --- a job --- */

struct fhir_job *fhir_job_new(struct fhir *f, struct exchange *x, const struct fhir_request *in,
                              size_t parts)
{
    struct fhir_job *j = calloc(1, sizeof *j + parts * sizeof j->parts[0]);
    if (j == NULL) {
        exchange_reply(x, NULL);
        return NULL;
    }
    *j = (struct fhir_job){.f = f, .x = x, .in = *in, .count = parts};
    for (size_t i = 0; i < parts; i++)
        j->parts[i].job = j;
    return j;
}

void fhir_job_free(struct fhir_job *j)
{
    for (size_t i = 0; i < j->count; i++) {
        fhir_search_wipe(&j->parts[i].search);
        json_decref(j->parts[i].made.body);
    }
    free(j);
}

static void finish(struct fhir_job *j)
{
    struct fhir_part *one = &j->parts[0];
    struct fhir_made made = {.status = 200};
    const struct pair evidence = {"CPIS-Evidence", j->batch ? "" : one->rid};
    if (j->batch) {
        struct fhir_make m;
        fhir_make_begin(j->f, &m);
        json_t *o = fhir_batch_bundle(&m, j);
        fhir_made_body(&m, o, &made);
    } else {
        made = one->made;
        one->made.body = NULL;
    }
    fhir_reply(j->x, j->in.trace, &made, evidence.value[0] == '\0' ? NULL : &evidence);
    fhir_job_free(j);
}

static void end_part(struct fhir_job *j)
{
    if (--j->waiting == 0) finish(j);
}

static void on_look(void *arg, const json_t *verdict, const struct fhir_fault *fault)
{
    struct fhir_part *p = arg;
    struct fhir_job *j = p->job;
    struct fhir_make m;
    const struct request *r = j->in.r;
    fhir_make_begin(j->f, &m);
    if (verdict != NULL) {
        const char *rid = json_string_value(json_object_get(verdict, "rid"));
        const size_t len = rid == NULL ? 0 : strspn(rid, "0123456789abcdef");
        if (len == sizeof p->rid - 1 && rid[len] == '\0') memcpy(p->rid, rid, len);
        fhir_answer(&m,
                    &(struct fhir_asked){.search = &p->search,
                                         .base = j->in.base,
                                         .incomplete_as_200 = j->incomplete_as_200,
                                         .wall = r->wall},
                    verdict, &p->made);
    } else {
        fhir_made_fault(&m, fault, &p->made);
    }
    j->f->answers[p->made.code]++;
    end_part(j);
}

void fhir_job_begin(struct fhir_job *j, const struct caller *who)
{
    const cpis_ms now = j->in.r->now;
    struct fhir *f = j->f;
    j->incomplete_as_200 = who->incomplete_as_200;
    j->waiting = 1; /* until all are asked: some are answered from within */
    for (size_t i = 0; i < j->count; i++) {
        struct fhir_part *p = &j->parts[i];
        if (p->search.resource == 0) {
            struct fhir_make m;
            fhir_make_begin(f, &m);
            fhir_made_fault(&m, &p->fault, &p->made);
            f->answers[p->made.code]++;
            continue;
        }
        p->waiter = (struct fhir_waiter){.fn = on_look, .arg = p};
        j->waiting++;
        fhir_look(f->looks, who, &p->search, j->in.trace, now, &p->waiter);
    }
    end_part(j);
}

/* --- what a request says of itself --- */

/* As the national services have it; what stands behind is ours. */
static const char *const bases[] = {"/FHIR/R4", "/cpis/FHIR/R4", "/patient-flags-api/FHIR/R4"};

static const char *behind_base(const char *path, size_t *ret_len)
{
    for (size_t i = 0; i < sizeof bases / sizeof *bases; i++) {
        const size_t len = strlen(bases[i]);
        if (strncmp(path, bases[i], len) != 0 || (path[len] != '\0' && path[len] != '/')) continue;
        *ret_len = len;
        return path + len;
    }
    return NULL;
}

bool fhir_takes(const char *path)
{
    size_t len;
    return behind_base(path, &len) != NULL;
}

bool fhir_is_open(const char *path)
{
    size_t len;
    const char *rest = behind_base(path, &len);
    return rest != NULL && strcmp(rest, METADATA) == 0;
}

static size_t count_headers(const struct request *r, const char *name)
{
    size_t n = 0;
    for (size_t i = 0; i < r->headers_count; i++)
        n += strcasecmp(r->headers[i].name, name) == 0;
    return n;
}

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

/* It is kept with the access, and others log it. */
static bool read_trace(const struct request *r, char ret[static FHIR_TRACE_BYTES],
                       struct fhir_fault *f)
{
    struct nhs_number n;
    const char *value = request_header(r, "TraceID");
    const size_t len = value == NULL ? 0 : strlen(value);
    if (len == 0) return true;
    if (count_headers(r, "TraceID") > 1 || len >= FHIR_TRACE_BYTES ||
        strspn(value, LETTERS "-._:") != len)
        return fhir_fault(f, FHIR_PRECONDITION_FAILED,
                          "TraceID: at most %u letters, digits and -._:, best a UUID, and once",
                          FHIR_TRACE_BYTES - 1);
    if (nhs_number_parse(value, len, &n) == CPIS_OK) {
        nhs_number_wipe(&n);
        return fhir_fault(f, FHIR_PRECONDITION_FAILED, "TraceID: it may be no NHS number");
    }
    memcpy(ret, value, len + 1);
    return true;
}

static bool read_base(const struct fhir *f, struct fhir_request *in, size_t base_len,
                      struct fhir_fault *fault)
{
    const struct request *r = in->r;
    const char *host = request_header(r, "Host");
    const bool tls = r->peer != NULL && r->peer->tls;
    if (f->conf.origin != NULL) {
        (void)snprintf(in->base, sizeof in->base, "%s%.*s", f->conf.origin, (int)base_len, r->path);
        return true;
    }
    if (host == NULL || host[0] == '\0' || strlen(host) > ORIGIN_BYTES_MAX ||
        strspn(host, LETTERS "-.:[]") != strlen(host))
        return fhir_fault(fault, FHIR_PRECONDITION_FAILED, "Host: this server's name is needed");
    (void)snprintf(in->base, sizeof in->base, "http%s://%s%.*s", tls ? "s" : "", host,
                   (int)base_len, r->path);
    return true;
}

/* One of a list of media ranges, up to the comma (RFC 9110, 12.5.1). */
static bool range_is_json(const char *range, size_t len)
{
    static const char *const types[] = {"application/fhir+json", "application/json", "text/json",
                                        "application/*", "*/*"};
    const char *end = range + len, *at = memchr(range, ';', len);
    size_t n = at == NULL ? len : (size_t)(at - range);
    bool is = false;
    while (n > 0 && (range[n - 1] == ' ' || range[n - 1] == '\t'))
        n--;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        is |= strlen(types[i]) == n && strncasecmp(types[i], range, n) == 0;
    while (is && at != NULL && at < end) {
        at += 1 + strspn(at + 1, " \t");
        const char *next = memchr(at, ';', (size_t)(end - at));
        const size_t size = (size_t)((next == NULL ? end : next) - at);
        if (size >= 3 && strncasecmp(at, "q=0", 3) == 0) is = strspn(at + 3, ".0") < size - 3;
        if (size >= 12 && strncasecmp(at, "fhirVersion=", 12) == 0)
            is = strncmp(at + 12, "4.0", 3) == 0;
        at = next;
    }
    return is;
}

static bool accepts_json(const struct request *r)
{
    bool asked = false;
    if (request_query(r, "_format", 0) != NULL) return true; /* it counts instead */
    for (size_t i = 0; i < r->headers_count; i++) {
        if (strcasecmp(r->headers[i].name, "Accept") != 0) continue;
        for (const char *p = r->headers[i].value; *p != '\0';) {
            p += strspn(p, " \t,");
            const size_t len = strcspn(p, ",");
            if (len > 0 && range_is_json(p, len)) return true;
            asked |= len > 0;
            p += len;
        }
    }
    return !asked;
}

/* --- where it goes --- */

static void refuse_method(struct fhir *f, struct exchange *x, const struct fhir_request *in,
                          const char *allow)
{
    const struct pair header = {"Allow", allow};
    struct fhir_fault fault;
    (void)fhir_fault(&fault, FHIR_METHOD_NOT_ALLOWED, "%s", allow);
    fhir_reply_fault(f, x, in->trace, &fault, &header);
}

/* Of what is no search. */
static bool asks_json_only(const struct request *r, struct fhir_fault *f)
{
    for (size_t i = 0; i < r->query_count; i++) {
        const bool format = strcmp(r->query[i].name, "_format") == 0;
        if (format && !fhir_is_json_format(r->query[i].value))
            return fhir_fault(f, FHIR_NOT_ACCEPTABLE, "_format: json, or leave it out");
        if (!format && strcmp(r->query[i].name, "_pretty") != 0)
            return fhir_fault(f, FHIR_UNSUPPORTED_PARAMETER, "but _format and _pretty");
    }
    return true;
}

static void answer_metadata(struct fhir *f, struct exchange *x, const struct fhir_request *in)
{
    const struct request *r = in->r;
    struct fhir_make m;
    struct fhir_made made;
    struct fhir_fault fault;
    if (!asks_json_only(r, &fault)) {
        fhir_reply_fault(f, x, in->trace, &fault, NULL);
        return;
    }
    fhir_make_begin(f, &m);
    json_t *o = fhir_capability(&m, in->base);
    fhir_made_body(&m, o, &made);
    fhir_reply(x, in->trace, &made, NULL);
}

/* The parameters of the query, and of a form in the body. false: fault, or FHIR_OK: no memory. */
static bool read_search(const struct fhir_request *in, enum fhir_resource resource,
                        struct fhir_search *ret, struct fhir_fault *fault)
{
    const struct request *r = in->r;
    struct pair params[2 * FHIR_PARAMS_MAX];
    size_t n = 0, form = 0;
    char *body = NULL;
    if (r->query_count > FHIR_PARAMS_MAX)
        return fhir_fault(fault, FHIR_UNSUPPORTED_PARAMETER, "over %u of them", FHIR_PARAMS_MAX);
    for (; n < r->query_count; n++)
        params[n] = r->query[n];
    if (r->method == HTTP_POST) {
        if (!request_is_type(r, FORM_TYPE))
            return fhir_fault(fault, FHIR_UNSUPPORTED_MEDIA_TYPE, "_search takes " FORM_TYPE);
        body = malloc(r->body_len + 1);
        if (body == NULL) return fhir_fault(fault, FHIR_OK, "%s", "");
        if (r->body_len > 0) memcpy(body, r->body, r->body_len);
    }
    bool ok = body == NULL || fhir_form_read(body, r->body_len, params + n, &form, fault);
    ok = ok && fhir_search_read(resource, params, n + form, ret, fault);
    if (body != NULL) sodium_memzero(body, r->body_len + 1);
    free(body);
    sodium_memzero(params, sizeof params);
    return ok;
}

static void answer_search(struct fhir *f, struct exchange *x, const struct fhir_request *in,
                          enum fhir_resource resource, const struct caller *who)
{
    struct fhir_search search;
    struct fhir_fault fault = {.code = FHIR_OK};
    if (read_search(in, resource, &search, &fault)) {
        struct fhir_job *j = fhir_job_new(f, x, in, 1);
        if (j != NULL) {
            j->parts[0].search = search;
            fhir_job_begin(j, who);
        }
        fhir_search_wipe(&search);
    } else if (fault.code == FHIR_OK) {
        exchange_reply(x, NULL);
    } else {
        fhir_reply_fault(f, x, in->trace, &fault, NULL);
    }
}

static void answer_batch(struct fhir *f, struct exchange *x, const struct fhir_request *in,
                         const struct caller *who)
{
    struct fhir_fault fault = {.code = FHIR_OK};
    struct fhir_job *j = asks_json_only(in->r, &fault) ? fhir_batch_read(f, x, in, &fault) : NULL;
    if (j != NULL)
        fhir_job_begin(j, who);
    else if (fault.code != FHIR_OK)
        fhir_reply_fault(f, x, in->trace, &fault, NULL);
}

/* "/CareTeam", "/CareTeam/_search", "/CareTeam/ID" */
static void route_resource(struct fhir *f, struct exchange *x, const struct fhir_request *in,
                           const struct caller *who)
{
    struct fhir_fault fault;
    const bool reading = in->r->method == HTTP_GET || in->r->method == HTTP_HEAD;
    const size_t len = in->rest[0] == '\0' ? 0 : 1 + strcspn(in->rest + 1, "/");
    const enum fhir_resource resource = fhir_resource_of(in->rest, len);
    const char *more = in->rest + len;
    if (resource == 0)
        (void)fhir_fault(&fault, FHIR_UNKNOWN_RESOURCE, "/metadata says what there is");
    else if (strcmp(more, "/_search") != 0 && more[0] != '\0')
        (void)fhir_fault(&fault, FHIR_UNSUPPORTED_INTERACTION,
                         "an id is good within its Bundle only");
    else if (more[0] == '\0' ? !reading : in->r->method != HTTP_POST) {
        refuse_method(f, x, in, more[0] == '\0' ? "GET, HEAD" : "POST");
        return;
    } else {
        answer_search(f, x, in, resource, who);
        return;
    }
    fhir_reply_fault(f, x, in->trace, &fault, NULL);
}

static void route(struct fhir *f, struct exchange *x, const struct fhir_request *in,
                  const struct caller *who)
{
    const bool metadata = strcmp(in->rest, METADATA) == 0;
    const bool reading = in->r->method == HTTP_GET || in->r->method == HTTP_HEAD;
    struct fhir_fault fault;
    if (!accepts_json(in->r)) {
        (void)fhir_fault(&fault, FHIR_NOT_ACCEPTABLE, "Accept: " FHIR_JSON);
        fhir_reply_fault(f, x, in->trace, &fault, NULL);
    } else if (metadata && reading) {
        answer_metadata(f, x, in);
    } else if (metadata) {
        refuse_method(f, x, in, "GET, HEAD");
    } else if (who == NULL) {
        const struct pair header = {"WWW-Authenticate", "Bearer"};
        (void)fhir_fault(&fault, FHIR_UNAUTHENTICATED, "%s", "");
        fhir_reply_fault(f, x, in->trace, &fault, &header);
    } else if (in->rest[0] != '\0' && strcmp(in->rest, "/") != 0) {
        route_resource(f, x, in, who);
    } else if (in->r->method != HTTP_POST) {
        refuse_method(f, x, in, "POST");
    } else {
        answer_batch(f, x, in, who);
    }
}

void fhir_handle(struct fhir *f, struct exchange *x, const struct caller *who)
{
    struct fhir_request in = {.r = exchange_request(x)};
    struct fhir_fault fault;
    size_t len = 0;
    in.rest = behind_base(in.r->path, &len);
    if (in.rest == NULL)
        (void)fhir_fault(&fault, FHIR_UNKNOWN_RESOURCE, "/FHIR/R4/metadata says what there is");
    if (in.rest == NULL || !read_trace(in.r, in.trace, &fault) || !read_base(f, &in, len, &fault))
        fhir_reply_fault(f, x, in.trace, &fault, NULL);
    else
        route(f, x, &in, who);
}

/* --- who may not ask --- */

void fhir_refuse(struct fhir *f, struct exchange *x, const struct fhir_refusal *r)
{
    struct fhir_fault ignored, fault;
    char trace[FHIR_TRACE_BYTES] = "";
    const struct pair challenge = {"WWW-Authenticate", r->challenge};
    (void)read_trace(exchange_request(x), trace, &ignored);
    (void)fhir_fault(&fault, r->code, "%s", r->told);
    reply_fault(f, x, trace, &fault, r->challenge[0] == '\0' ? NULL : &challenge, r->retry_after);
}
