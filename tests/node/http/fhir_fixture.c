#include "tests/node/http/fhir_fixture.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

struct ff ff;
struct ff_answer ff_got;

/* --- the door --- */

static void on_call(void *arg, const struct control_call *call)
{
    (void)arg;
    cr_assert_lt(ff.calls_count, FF_ANSWERS);
    ff.calls[ff.calls_count++] = *call;
}
static const struct node_door door = {.call = on_call};

static void forget(size_t i)
{
    json_decref(ff.calls[i].fields);
    ff.calls[i].fields = NULL;
    ff.calls[i].done = NULL;
}

void ff_answer(size_t i, const json_t *verdict)
{
    const struct control_call call = ff.calls[i];
    cr_assert_not_null(call.done, "call %zu was answered", i);
    json_t *number = json_array_get(json_object_get(call.fields, "numbers"), 0);
    json_object_set((json_t *)(uintptr_t)verdict, "nhs_number", number);
    call.more(call.arg, verdict);
    forget(i);
    call.done(call.arg, CPIS_OK, NULL, "");
}

void ff_fail(size_t i, cpis_err err)
{
    const struct control_call call = ff.calls[i];
    forget(i);
    call.done(call.arg, err, NULL, err == CPIS_OK ? "" : cpis_strerror(err));
}

const char *ff_asked(size_t i, const char *key)
{
    return ff_text(json_object_get(ff.calls[i].fields, "ask"), key);
}

void ff_begin(void)
{
    cr_assert_geq(sodium_init(), 0);
    ff = (struct ff){.now = 1000, .answer_at_once = true, .verdict = ff_verdict(FF_FLAG)};
    ff.who = (struct caller){.client = "ed-system",
                             .asker = {.user_id = "100000000001",
                                       .user_name = "Dr A",
                                       .role_code = "R0260",
                                       .role_name = "General Medical Practitioner",
                                       .organisation_code = "RJ1",
                                       .organisation_name = "Test Hospital",
                                       .setting = "emergency department"}};
    cr_assert_eq(fhir_new(&(struct fhir_conf){.door = &door}, &ff.f), CPIS_OK);
}

static void drop_answer(void)
{
    reply_free(ff_got.reply);
    json_decref(ff_got.body);
    ff_got = (struct ff_answer){.reply = NULL};
}

void ff_end(void)
{
    for (size_t i = 0; i < ff.calls_count; i++)
        if (ff.calls[i].done != NULL) ff_fail(i, CPIS_E_IO);
    drop_answer();
    json_decref(ff.verdict);
    fhir_free(&ff.f);
}

/* --- requests --- */

static void on_answer(void *arg, struct reply *r)
{
    size_t len;
    (void)arg;
    const unsigned before = ff_got.answers;
    drop_answer();
    ff_got = (struct ff_answer){.answers = before + 1, .no_memory = r == NULL, .reply = r};
    if (r == NULL) return;
    ff_got.status = reply_status(r);
    const char *body = reply_body(r, &len);
    ff_got.body = json_loadb(body, len, JSON_REJECT_DUPLICATES, NULL);
}

static size_t count(const struct pair *p)
{
    size_t n = 0;
    while (n < FF_PAIRS && p[n].name != NULL)
        n++;
    return n;
}

void ff_ask_as(const struct ff_request *q, const struct caller *who)
{
    static const struct peer peer = {.tls = true};
    static char path[200]; /* they live until the answer */
    static struct pair headers[FF_PAIRS + 1], query[FF_PAIRS];
    drop_answer();
    (void)snprintf(path, sizeof path, "%s%s", q->path[0] == '=' ? "" : FF_BASE,
                   q->path + (q->path[0] == '='));
    memcpy(query, q->query, sizeof query);
    memcpy(headers, q->headers, sizeof q->headers);
    size_t n = count(q->headers);
    if (n == 0 || strcmp(headers[0].name, "Host") != 0)
        headers[n++] = (struct pair){"Host", "node.example:8443"};
    const struct request r = {.method = q->method == 0 ? HTTP_GET : q->method,
                              .path = path,
                              .query = query,
                              .query_count = count(q->query),
                              .headers = headers,
                              .headers_count = n,
                              .body = (const uint8_t *)q->body,
                              .body_len = q->body == NULL ? 0 : strlen(q->body),
                              .peer = &peer,
                              .now = ff.now,
                              .wall = FF_T0};
    struct exchange *x = exchange_by_hand(&r, on_answer, NULL);
    const size_t from = ff.calls_count;
    cr_assert_not_null(x);
    fhir_handle(ff.f, x, who);
    for (size_t i = from; ff.answer_at_once && i < ff.calls_count; i++)
        ff_answer(i, ff.verdict);
}

void ff_ask(const struct ff_request *q) { ff_ask_as(q, &ff.who); }

void ff_get(const char *resource, const char *number)
{
    char path[64], value[80];
    (void)snprintf(path, sizeof path, "/%s", resource);
    (void)snprintf(value, sizeof value, FF_SYSTEM "|%s", number);
    ff_ask(&(struct ff_request){.path = path, .query = {{"patient:identifier", value}}});
}

const char *ff_header(const char *name)
{
    const char *value = ff_got.reply == NULL ? NULL : reply_header_value(ff_got.reply, name);
    return value == NULL ? "" : value;
}

/* --- verdicts --- */

#define A_FLAG                                                                                     \
    "{\"authority\":{\"code\":\"T001\",\"name\":\"Testborough\"},\"plan\":\"CPP\","                \
    "\"start\":\"2026-01-05\",\"end\":null,\"visibility\":\"full\","                               \
    "\"telephone\":{\"emergency\":\"02079460123\",\"office\":\"01632960123\"}}"
#define A_CONTACT                                                                                  \
    "{\"authority\":{\"code\":\"T001\",\"name\":\"Testborough\"},\"plan\":null,\"start\":null,"    \
    "\"end\":null,\"visibility\":\"contact-only\","                                                \
    "\"telephone\":{\"emergency\":\"02079460123\",\"office\":null}}"
#define NAMED(more)                                                                                \
    "{\"authority\":{\"code\":\"T002\",\"name\":\"Exampleton\"},"                                  \
    "\"telephone\":{\"emergency\":\"02079460456\",\"office\":\"01632960456\"}" more "}"
#define NAMED_3                                                                                    \
    "{\"authority\":{\"code\":\"T003\",\"name\":\"Samplewick\"},"                                  \
    "\"telephone\":{\"emergency\":\"02079460789\",\"office\":null}}"
#define UNHEARD NAMED(",\"last_heard\":\"2026-11-30T21:00:00.000Z\",\"why\":\"stale\"")
#define NOTED   NAMED(",\"list_time\":\"2026-11-30T21:00:00.000Z\",\"why\":\"old\"")
#define ACCESSES                                                                                   \
    "{\"time\":\"2026-11-30T17:36:41.000Z\",\"user_name\":\"Dr A\",\"role_name\":\"Registrar\","   \
    "\"organisation_name\":\"Test Hospital\"},"                                                    \
    "{\"time\":\"2026-11-02T09:00:00.000Z\",\"user_name\":\"Ms B\",\"role_name\":null,"            \
    "\"organisation_name\":\"Other Hospital\"}"

static const struct {
    const char *verdict, *flags, *pending, *unconfirmed, *notes, *accesses, *reason;
    bool history_cut;
} verdicts[FF_KINDS] = {
    [FF_FLAG] = {"flag", A_FLAG, "", "", "", ACCESSES, "", false},
    [FF_FLAG_PENDING] = {"flag", A_FLAG, NAMED(",\"why\":\"pending\""), "", "", ACCESSES, "",
                         false},
    [FF_FLAG_UNSEEN] = {"flag", A_FLAG, "", "", "", "", "", false},
    [FF_FLAG_CUT] = {"flag", A_FLAG, "", "", "", ACCESSES, "", true},
    [FF_FLAG_CUT_ALL] = {"flag", A_FLAG, "", "", "", "", "", true},
    [FF_CONTACT_ONLY] = {"flag", A_CONTACT, "", "", "", "", "", false},
    [FF_DETAILS_TO_FOLLOW] = {"flag_details_to_follow", "", NAMED("") "," NAMED_3, "", "", "", "",
                              false},
    [FF_REFUSED] = {"flag_details_to_follow", "", NAMED(",\"why\":\"refused\""), "", "", "", "",
                    false},
    [FF_NO_FLAG] = {"no_flag", "", "", "", "", "", "", false},
    [FF_NO_FLAG_NOTED] = {"no_flag", "", "", "", NOTED, "", "", false},
    [FF_INCOMPLETE] = {"incomplete", "", "", UNHEARD, "", "",
                       "not every authority's list could be confirmed", false},
    [FF_UNKNOWN] = {"unknown", "", "", "", "", "", "too few directories gave a valid statement",
                    false},
};

json_t *ff_verdict(enum ff_kind k)
{
    char text[4096];
    (void)snprintf(text, sizeof text,
                   "{\"verdict\":\"%s\",\"as_of\":\"2026-11-30T23:59:30.000Z\",\"flags\":[%s],"
                   "\"pending\":[%s],\"unconfirmed\":[%s],\"notes\":[%s],\"accesses\":[%s],"
                   "\"history_cut\":%s,\"authorities\":{\"asked\":3,\"expected\":3},\"reason\":\"%"
                   "s\",\"rid\":\"%s\"}",
                   verdicts[k].verdict, verdicts[k].flags, verdicts[k].pending,
                   verdicts[k].unconfirmed, verdicts[k].notes, verdicts[k].accesses,
                   verdicts[k].history_cut ? "true" : "false", verdicts[k].reason, FF_RID);
    json_t *o = json_loads(text, 0, NULL);
    cr_assert_not_null(o);
    return o;
}

/* --- reading --- */

const char *ff_text(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text == NULL ? "" : text;
}

const json_t *ff_entry(const json_t *bundle, const char *type, size_t at)
{
    size_t i;
    const json_t *e;
    json_array_foreach(json_object_get(bundle, "entry"), i, e)
    {
        const json_t *r = json_object_get(e, "resource");
        if (type != NULL && strcmp(ff_text(r, "resourceType"), type) != 0) continue;
        if (at-- == 0) return r;
    }
    return NULL;
}

size_t ff_count(const json_t *bundle, const char *type)
{
    size_t n = 0;
    while (ff_entry(bundle, type, n) != NULL)
        n++;
    return n;
}

bool ff_is_outcome(const json_t *o, enum fhir_code c)
{
    const json_t *issue = json_array_get(json_object_get(o, "issue"), 0);
    const json_t *coding =
        json_array_get(json_object_get(json_object_get(issue, "details"), "coding"), 0);
    return strcmp(ff_text(o, "resourceType"), "OperationOutcome") == 0 &&
           strcmp(ff_text(coding, "code"), fhir_code_facts(c)->name) == 0;
}

bool ff_says(const json_t *o, const char *text)
{
    char *all = json_dumps(o, JSON_COMPACT);
    const bool is = all != NULL && strstr(all, text) != NULL;
    free(all);
    return is;
}
