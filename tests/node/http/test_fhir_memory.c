/* Out of memory, at every allocation: an answer is whole, or it is an error. */
#include "node/net/json_memory.h"
#include "tests/fail_malloc.h"
#include "tests/node/http/fhir_fixture.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

TestSuite(fhir_memory, .init = ff_begin, .fini = ff_end);

#define OWN_MAX 40 /* allocations of our own objects for one request: fewer */

/* jansson is a shared library, out of fail_malloc's reach. */
static int countdown = -1;
static json_malloc_t json_malloc;
static json_free_t json_free;
static void *fail_json(size_t size)
{
    if (countdown >= 0 && countdown-- == 0) return NULL;
    return json_malloc(size);
}

static struct reply *reply;
static unsigned answers;
static void take(void *arg, struct reply *r)
{
    (void)arg;
    reply_free(reply);
    reply = r;
    answers++;
}

static const struct pair number[] = {{"patient", FF_NUMBER}},
                         headers[] = {{"Host", "n"}, {"Content-Type", "application/json"}};
static const char batch[] =
    "{\"resourceType\":\"Bundle\",\"type\":\"batch\",\"entry\":["
    "{\"request\":{\"method\":\"GET\",\"url\":\"AuditEvent?patient=" FF_NUMBER "\"}},"
    "{\"request\":{\"method\":\"GET\",\"url\":\"CareTeam?patient=" FF_NUMBER "\"}}]}";

/* json: the n-th allocation of jansson fails, else of our own; below 0: none. Returns whether
 * jansson's came. */
static bool answer_with(const struct request *r, const json_t *verdict, bool json, int n)
{
    struct exchange *x = exchange_by_hand(r, take, NULL);
    cr_assert_not_null(x);
    ff.calls_count = 0;
    answers = 0;
    countdown = json ? n : -1;
    fail_malloc_at(json ? -1 : n);
    fhir_handle(ff.f, x, &ff.who);
    if (ff.calls_count == 1) {
        const struct control_call call = ff.calls[0];
        json_decref(call.fields);
        ff.calls_count = 0;
        call.more(call.arg, verdict);
        call.done(call.arg, CPIS_OK, NULL, "");
    }
    fail_malloc_at(-1);
    const bool failed = countdown < 0;
    countdown = -1;
    cr_assert_eq(answers, 1, "%d", n);
    return failed;
}

/* Bytes of each answer in a batch, or of the one; 0: it is an error. */
static void measure(size_t ret[static 2])
{
    size_t len = 0, i;
    const char *text = reply_body(reply, &len);
    json_t *o = json_loadb(text, len, 0, NULL), *entry;
    ret[0] = reply_status(reply) >= 400 ? 0 : len;
    ret[1] = 0;
    if (strcmp(ff_text(o, "type"), "batch-response") == 0) {
        cr_expect_eq(json_array_size(json_object_get(o, "entry")), 2);
        json_array_foreach(json_object_get(o, "entry"), i, entry)
        {
            const char *status = ff_text(json_object_get(entry, "response"), "status");
            ret[i] = strncmp(status, "200", 3) != 0 ? 0 : json_dumpb(entry, NULL, 0, 0);
        }
    }
    json_decref(o);
}

static void expect_whole_or_error(const size_t whole[static 2], int n, const char *what)
{
    size_t got[2];
    if (reply == NULL) return; /* the server says 503 */
    measure(got);
    for (size_t i = 0; i < 2; i++)
        cr_expect(got[i] == 0 || got[i] == whole[i], "%s, %d: %zu bytes of %zu", what, n, got[i],
                  whole[i]);
}

static void fail_each(struct request *r, enum ff_kind kind, const char *what)
{
    size_t whole[2];
    json_t *v = ff_verdict(kind);
    json_object_set_new(v, "nhs_number", json_string(FF_NUMBER));
    json_get_alloc_funcs(&json_malloc, &json_free); /* before this file's wrapped malloc */
    json_set_alloc_funcs(fail_json, json_free);
    r->now = ff.now += CPIS_MS_HOUR;
    (void)answer_with(r, v, true, -1);
    cr_assert_not_null(reply);
    cr_assert_eq(reply_status(reply), 200);
    measure(whole);
    int n = 0;
    for (bool failed = true; failed; n++) {
        r->now = ff.now += CPIS_MS_HOUR; /* nothing is kept from one to the next */
        failed = answer_with(r, v, true, n);
        expect_whole_or_error(whole, n, what);
    }
    cr_expect_gt(n, 20, "%s: jansson's allocations were reached", what);
    for (n = 0; n < OWN_MAX; n++) {
        r->now = ff.now += CPIS_MS_HOUR;
        (void)answer_with(r, v, false, n);
        expect_whole_or_error(whole, n, what);
    }
    cr_expect_not_null(reply, "%d allocations are all of them", OWN_MAX);
    json_set_alloc_funcs(json_malloc, json_free);
    json_decref(v);
}

Test(fhir_memory, no_bundle_ever_lacks_an_entry_for_want_of_it)
{
    static const char *const paths[] = {"/CareTeam", "/AuditEvent", "/PatientFlag", "/CarePlan"};
    static const enum ff_kind kinds[] = {FF_FLAG_PENDING, FF_NO_FLAG_NOTED, FF_CONTACT_ONLY};
    char path[64];
    struct request r = {.method = HTTP_GET,
                        .path = path,
                        .query = number,
                        .query_count = 1,
                        .headers = headers,
                        .headers_count = 2};
    for (size_t i = 0; i < 4; i++) {
        for (size_t k = 0; k < 3; k++) {
            if (kinds[k] == FF_CONTACT_ONLY && i == 1) continue; /* no Bundle */
            (void)snprintf(path, sizeof path, FF_BASE "%s", paths[i]);
            fail_each(&r, kinds[k], path);
        }
    }
    reply_free(reply);
}

Test(fhir_memory, no_batch_ever_lacks_an_answer_for_want_of_it)
{
    struct request r = {.method = HTTP_POST,
                        .path = FF_BASE,
                        .headers = headers,
                        .headers_count = 2,
                        .body = (const uint8_t *)batch,
                        .body_len = strlen(batch)};
    fail_each(&r, FF_FLAG, "batch");
    reply_free(reply);
}

/* What the client could mend is 4xx: a batch that was well is not that. */
static bool blames_the_client(void)
{
    size_t len = 0, i;
    const char *text = reply_body(reply, &len);
    json_t *o = json_loadb(text, len, 0, NULL), *entry;
    bool blames = reply_status(reply) / 100 == 4;
    json_array_foreach(json_object_get(o, "entry"), i, entry)
    {
        blames |= ff_text(json_object_get(entry, "response"), "status")[0] == '4';
    }
    json_decref(o);
    return blames;
}

#define ALL_MAX 2000 /* allocations of jansson and of our own objects for one batch: fewer */

Test(fhir_memory, no_batch_is_called_wrong_for_want_of_it)
{
    struct request r = {.method = HTTP_POST,
                        .path = FF_BASE,
                        .headers = headers,
                        .headers_count = 2,
                        .body = (const uint8_t *)batch,
                        .body_len = strlen(batch)};
    unsigned refused = 0;
    json_memory_use(); /* as main() does: its allocations are within fail_malloc's reach */
    json_t *v = ff_verdict(FF_FLAG);
    json_object_set_new(v, "nhs_number", json_string(FF_NUMBER));
    for (int n = 0; n < ALL_MAX; n++) {
        r.now = ff.now += CPIS_MS_HOUR;
        (void)answer_with(&r, v, false, n);
        if (reply == NULL) continue; /* the server says 503 */
        cr_expect_not(blames_the_client(), "%d: %u", n, reply_status(reply));
        refused += reply_status(reply) == 503;
    }
    cr_expect_gt(refused, 10, "the parser's allocations were reached");
    cr_assert_not_null(reply);
    cr_expect_eq(reply_status(reply), 200, "%d allocations are all of them", ALL_MAX);
    json_decref(v);
    reply_free(reply);
}
