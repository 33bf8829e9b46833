/* Which searches are one lookup, and which never are. node/http/fhir_look.h. */
#include "node/http/fhir_look.h"
#include "tests/node/http/fhir_fixture.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(fhir_look, .init = ff_begin, .fini = ff_end);

static void want(enum ff_kind k)
{
    json_decref(ff.verdict);
    ff.verdict = ff_verdict(k);
}

/* How many lookups this search has cost. */
static size_t cost(const char *resource, const char *number)
{
    const size_t before = ff.calls_count;
    ff_get(resource, number);
    return ff.calls_count - before;
}

Test(fhir_look, a_care_team_and_then_its_history_are_one_lookup)
{
    cr_expect_eq(cost("CareTeam", FF_NUMBER), 1);
    ff.now += FHIR_LOOK_LIFE - 1;
    cr_expect_eq(cost("AuditEvent", FF_NUMBER), 0);
    cr_expect_eq(ff_got.status, 200);
    cr_expect_eq(ff_count(ff_got.body, "AuditEvent"), 2);
}

Test(fhir_look, after_five_minutes_they_are_two)
{
    cr_expect_eq(cost("CareTeam", FF_NUMBER), 1);
    ff.now += FHIR_LOOK_LIFE;
    cr_expect_eq(cost("AuditEvent", FF_NUMBER), 1);
}

Test(fhir_look, a_verdict_is_asked_for_anew_each_time)
{
    cr_expect_eq(cost("CareTeam", FF_NUMBER), 1);
    cr_expect_eq(cost("CareTeam", FF_NUMBER), 1, "it may have changed meanwhile");
    cr_expect_eq(cost("PatientFlag", FF_NUMBER), 1);
    cr_expect_eq(cost("CarePlan", FF_NUMBER), 1);
    cr_expect_eq(cost("AuditEvent", FF_OTHER), 1);
    cr_expect_eq(cost("CareTeam", FF_OTHER), 1, "the history's lookup is over");
}

Test(fhir_look, each_history_is_good_for_one_search)
{
    (void)cost("CareTeam", FF_NUMBER);
    cr_expect_eq(cost("AuditEvent", FF_NUMBER), 0);
    cr_expect_eq(cost("AuditEvent", FF_NUMBER), 1);
    (void)cost("PatientFlag", FF_OTHER);
    cr_expect_eq(cost("AuditEvent", FF_OTHER), 0);
    cr_expect_eq(cost("AuditEvent", FF_OTHER), 1);
}

Test(fhir_look, whoever_differs_in_anything_has_a_lookup_of_their_own)
{
    struct msg_ask_details *a = &ff.who.asker;
    char *const texts[] = {ff.who.client, a->user_id,           a->user_name,
                           a->role_code,  a->role_name,         a->device_id,
                           a->setting,    a->organisation_code, a->organisation_name};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const struct caller before = ff.who;
        cr_expect_eq(cost("CareTeam", FF_NUMBER), 1);
        memcpy(texts[i], "x", 2);
        cr_expect_eq(cost("AuditEvent", FF_NUMBER), 1, "%zu", i);
        ff.who = before;
        cr_expect_eq(cost("AuditEvent", FF_NUMBER), 0);
    }
    (void)cost("CareTeam", FF_NUMBER);
    cr_expect_eq(cost("AuditEvent", FF_OTHER), 1, "another child");
}

/* Who looked silently and then openly has looked openly: the authority is to be told. */
Test(fhir_look, a_silent_one_never_stands_for_one_that_is_to_be_told)
{
    ff.who.asker.scheduled = true;
    cr_expect_eq(cost("CareTeam", FF_NUMBER), 1);
    ff.who.asker.scheduled = false;
    cr_expect_eq(cost("AuditEvent", FF_NUMBER), 1);
    ff.answer_at_once = false;
    ff.who.asker.scheduled = true;
    cr_expect_eq(cost("CareTeam", FF_OTHER), 1);
    ff.who.asker.scheduled = false;
    cr_expect_eq(cost("AuditEvent", FF_OTHER), 1, "nor one under way");
}

Test(fhir_look, what_asking_again_may_mend_is_asked_again)
{
    static const enum ff_kind kinds[] = {FF_UNKNOWN, FF_INCOMPLETE, FF_DETAILS_TO_FOLLOW,
                                         FF_FLAG_PENDING};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        want(kinds[i]);
        cr_expect_eq(cost("CareTeam", FF_NUMBER), 1);
        cr_expect_eq(cost("AuditEvent", FF_NUMBER), 1, "%zu", i);
    }
    want(FF_REFUSED);
    (void)cost("CareTeam", FF_NUMBER);
    cr_expect_eq(cost("AuditEvent", FF_NUMBER), 0, "a policy stays as it is");
}

/* Meanwhile the child may have been listed. */
Test(fhir_look, no_none_is_told_from_memory)
{
    static const enum ff_kind kinds[] = {FF_NO_FLAG, FF_NO_FLAG_NOTED};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        want(kinds[i]);
        cr_expect_eq(cost("CareTeam", FF_NUMBER), 1);
        want(FF_FLAG);
        cr_expect_eq(cost("AuditEvent", FF_NUMBER), 1, "%zu", i);
        cr_expect_eq(ff_count(ff_got.body, "AuditEvent"), 2);
    }
}

static unsigned told;
static void count_told(void *arg, struct reply *r)
{
    (void)arg;
    told += reply_status(r) == 200;
    reply_free(r);
}

static struct request of(const char *path)
{
    static const struct pair query[] = {{"patient", FF_NUMBER}}, headers[] = {{"Host", "n"}};
    return (struct request){.method = HTTP_GET,
                            .path = path,
                            .query = query,
                            .query_count = 1,
                            .headers = headers,
                            .headers_count = 1,
                            .now = ff.now};
}

Test(fhir_look, searches_at_the_same_time_are_one_lookup_in_whatever_order)
{
    const struct request history = of(FF_BASE "/AuditEvent"), team = of(FF_BASE "/CareTeam");
    ff.answer_at_once = false;
    told = 0;
    fhir_handle(ff.f, exchange_by_hand(&history, count_told, NULL), &ff.who);
    fhir_handle(ff.f, exchange_by_hand(&team, count_told, NULL), &ff.who);
    cr_assert_eq(ff.calls_count, 1);
    fhir_handle(ff.f, exchange_by_hand(&team, count_told, NULL), &ff.who);
    cr_assert_eq(ff.calls_count, 2, "a second look at the same is a second look");
    ff_answer(0, ff.verdict);
    cr_expect_eq(told, 2);
    ff_answer(1, ff.verdict);
    cr_expect_eq(told, 3);
}

static void ask_again(void *arg, struct reply *r)
{
    const struct request history = of(FF_BASE "/AuditEvent");
    (void)arg;
    reply_free(r);
    fhir_handle(ff.f, exchange_by_hand(&history, count_told, NULL), &ff.who);
}

Test(fhir_look, who_asks_again_from_within_an_answer_is_answered)
{
    const struct request team = of(FF_BASE "/CareTeam");
    ff.answer_at_once = false;
    told = 0;
    fhir_handle(ff.f, exchange_by_hand(&team, ask_again, NULL), &ff.who);
    ff_answer(0, ff.verdict);
    cr_expect_eq(ff.calls_count, 1);
    cr_expect_eq(told, 1);
}

/* --- the number that are held --- */

static struct fhir_looks *looks;
static struct control_call last;
static size_t asked;
static void keep_call(void *arg, const struct control_call *call)
{
    (void)arg;
    json_decref(call->fields);
    last = *call;
    asked++;
}
static const struct node_door counting = {.call = keep_call};

static enum fhir_code heard;
static void hear(void *arg, const json_t *verdict, const struct fhir_fault *f)
{
    (void)arg;
    heard = verdict != NULL ? FHIR_OK : f->code;
}

/* One of many children, whose number need not have a right check digit here. */
static void look_at(unsigned child, enum fhir_resource r, struct fhir_waiter *w)
{
    struct fhir_search s = {.resource = r};
    (void)snprintf(s.number.digits, sizeof s.number.digits, "999%07u", child);
    *w = (struct fhir_waiter){.fn = hear};
    fhir_look(looks, &ff.who, &s, "", ff.now, w);
}

static void answer_last(unsigned child)
{
    char digits[11];
    (void)snprintf(digits, sizeof digits, "999%07u", child);
    json_t *v = ff_verdict(FF_FLAG);
    json_object_set_new(v, "nhs_number", json_string(digits));
    last.more(last.arg, v);
    json_decref(v);
    last.done(last.arg, CPIS_OK, NULL, "");
}

Test(fhir_look, no_more_are_kept_than_may_be_and_all_are_forgotten_in_time)
{
    struct fhir_waiter w;
    struct fhir_looks_counts n;
    cr_assert_eq(fhir_looks_new(&counting, &looks), CPIS_OK);
    for (unsigned i = 0; i < FHIR_LOOKS_MAX + 2; i++) {
        look_at(i, FHIR_CARE_TEAM, &w);
        answer_last(i);
    }
    fhir_looks_counts(looks, &n);
    cr_expect_eq(n.kept, FHIR_LOOKS_MAX);
    cr_expect_eq(n.under_way, 0);
    asked = 0;
    look_at(0, FHIR_AUDIT_EVENT, &w);
    cr_expect_eq(asked, 0);
    look_at(FHIR_LOOKS_MAX + 1, FHIR_AUDIT_EVENT, &w);
    cr_expect_eq(asked, 1, "one that had no room is asked for anew");
    answer_last(FHIR_LOOKS_MAX + 1);
    fhir_looks_turn(looks, ff.now + FHIR_LOOK_LIFE - 1);
    fhir_looks_counts(looks, &n);
    cr_expect_eq(n.kept, FHIR_LOOKS_MAX - 1, "nor is one kept whose history was taken");
    fhir_looks_turn(looks, ff.now + FHIR_LOOK_LIFE + CPIS_MS_SECOND);
    fhir_looks_counts(looks, &n);
    cr_expect_eq(n.kept, 0);
    fhir_looks_free(&looks);
}

Test(fhir_look, no_more_are_under_way_than_may_be)
{
    static struct fhir_waiter w[FHIR_ASKED_MAX + 1];
    static struct control_call all[FHIR_ASKED_MAX];
    cr_assert_eq(fhir_looks_new(&counting, &looks), CPIS_OK);
    heard = FHIR_OK;
    for (unsigned i = 0; i < FHIR_ASKED_MAX; i++) {
        look_at(i, FHIR_CARE_TEAM, &w[i]);
        all[i] = last;
    }
    cr_expect_eq(heard, FHIR_OK);
    asked = 0;
    look_at(FHIR_ASKED_MAX, FHIR_CARE_TEAM, &w[FHIR_ASKED_MAX]);
    cr_expect_eq(heard, FHIR_TOO_BUSY);
    cr_expect_eq(asked, 0);
    for (unsigned i = 0; i < FHIR_ASKED_MAX; i++)
        all[i].done(all[i].arg, CPIS_E_IO, NULL, "");
    cr_expect_eq(heard, FHIR_NODE_UNAVAILABLE);
    fhir_looks_free(&looks);
}
