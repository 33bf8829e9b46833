/* Fuzz target: the FHIR face. After "v" a verdict as JSON: whatever it holds, "none" is made of
 * NO FLAG alone. Else the first byte is the method and the body's type, and lines follow: path and
 * query, TraceID, Accept, Host; the rest is the body: each request has one answer, which is JSON.
 * The node behind it is the sandbox. */
#include "node/http/fhir.h"
#include "node/http/fhir_answer.h"
#include "node/http/fhir_sandbox.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER "9990000018"
#define WALL   ((cpis_ms)1796083200000)

/* In the place of server.c. */
struct exchange {
    struct request request;
    struct reply *reply;
    unsigned answers;
};
const struct request *exchange_request(const struct exchange *x) { return &x->request; }
void exchange_reply(struct exchange *x, struct reply *reply)
{
    assert(x->answers++ == 0);
    x->reply = reply;
}

static const char *text_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text == NULL ? "" : text;
}

/* --- verdicts --- */

static void check_bundle(const json_t *o, const json_t *verdict, const struct fhir_asked *asked)
{
    const json_t *total = json_object_get(o, "total");
    const bool none = json_is_integer(total) && json_integer_value(total) == 0;
    const char *kind = text_of(verdict, "verdict");
    assert(strcmp(text_of(o, "resourceType"), "Bundle") == 0);
    if (strcmp(kind, "no_flag") == 0) {
        assert(none);
        return;
    }
    if (total == NULL) assert(strcmp(kind, "incomplete") == 0 && asked->incomplete_as_200);
    assert(!none);
    assert(json_array_size(json_object_get(o, "entry")) > 0);
}

static void check_verdict(const char *text, size_t len)
{
    json_t *v = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    for (unsigned i = 0; v != NULL && i < 8; i++) {
        struct fhir_search s = {.resource = FHIR_CARE_TEAM + i % 4, .number = {NUMBER}};
        const struct fhir_asked asked = {
            .search = &s, .base = "https://n/FHIR/R4", .incomplete_as_200 = i >= 4, .wall = WALL};
        struct fhir_make m = {.sandbox = i % 2 == 0};
        struct fhir_made made;
        (void)fhir_is_settled(v);
        fhir_answer(&m, &asked, v, &made);
        assert((made.status == 200) == (made.code == FHIR_OK));
        if (made.body != NULL && made.status == 200) check_bundle(made.body, v, &asked);
        json_decref(made.body);
    }
    json_decref(v);
}

/* --- requests --- */

static struct fhir_sandbox *children;
static struct fhir *face;
static cpis_ms now;

static char *line_of(char **at, char *end)
{
    char *line = *at, *stop = memchr(line, '\n', (size_t)(end - line));
    *at = stop == NULL ? end : stop + 1;
    *(stop == NULL ? end : stop) = '\0';
    return line;
}

static void check_reply(struct exchange *x)
{
    size_t len;
    for (unsigned i = 0; i < 3 && x->answers == 0; i++)
        fhir_sandbox_turn(children, now += 30000, WALL);
    assert(x->answers == 1 && x->reply != NULL);
    const char *body = reply_body(x->reply, &len);
    json_t *o = json_loadb(body, len, JSON_REJECT_DUPLICATES, NULL);
    assert(text_of(o, "resourceType")[0] != '\0');
    assert(reply_status(x->reply) == 200 ||
           strcmp(text_of(o, "resourceType"), "OperationOutcome") == 0);
    json_decref(o);
    reply_free(x->reply);
}

/* text[len] is ours, too. As the server, which lets nothing through that is no text. */
static void check_request(char *text, size_t len)
{
    static const char *const types[] = {"application/fhir+json",
                                        "application/x-www-form-urlencoded", "text/plain"};
    struct pair query[FHIR_PARAMS_MAX];
    struct fhir_fault fault;
    const struct caller who = {.client = "fuzz", .asker = {.user_name = "Dr A"}};
    struct exchange x = {.request = {.query = query, .now = ++now, .wall = WALL}};
    char *at = text + 1, *const end = text + len, path[2048];
    char *const target = line_of(&at, end);
    const struct pair headers[] = {{"Content-Type", types[(unsigned char)text[0] / 4 % 3]},
                                   {"TraceID", line_of(&at, end)},
                                   {"Accept", line_of(&at, end)},
                                   {"Host", line_of(&at, end)}};
    char *question = strchr(target, '?');
    if (question != NULL) *question++ = '\0';
    if (question != NULL &&
        !fhir_form_read(question, strlen(question), query, &x.request.query_count, &fault))
        return;
    (void)snprintf(path, sizeof path, "/FHIR/R4%s", target);
    x.request.method = (enum http_method)(HTTP_GET + text[0] % 4);
    x.request.path = path;
    x.request.headers = headers;
    x.request.headers_count = 4;
    x.request.body = (const uint8_t *)at;
    x.request.body_len = (size_t)(end - at);
    fhir_handle(face, &x, &who);
    fhir_turn(face, now);
    check_reply(&x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (face == NULL) {
        assert(sodium_init() >= 0);
        assert(fhir_sandbox_new(&children) == CPIS_OK);
        const struct fhir_conf conf = {.door = fhir_sandbox_door(children), .sandbox = true};
        assert(fhir_new(&conf, &face) == CPIS_OK);
    }
    char *text = malloc(size + 1);
    assert(text != NULL);
    if (size > 0) memcpy(text, data, size);
    text[size] = '\0';
    if (size > 0 && text[0] == 'v')
        check_verdict(text + 1, size - 1);
    else if (size > 0)
        check_request(text, size);
    free(text);
    return 0;
}
