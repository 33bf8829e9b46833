/* The federation at a glance, and what is live. */
#include "tests/node/http/pages_fixture.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static void directory(void) { fixture_up(ROLE_DIRECTORY, ACCOUNT_OPERATOR); }
TestSuite(pages_federation, .init = directory, .fini = fixture_down);

#define PEER(role, code, state, there)                                                             \
    "{\"id\":\"" code "\",\"code\":\"" code "\",\"name\":\"Node " code "\",\"role\":\"" role       \
    "\",\"state\":\"" state "\",\"reachable\":" there ",\"twice\":false,\"heard_ago_ms\":4000}"
#define LIST(code, time, in_state)                                                                 \
    "{\"authority\":{\"code\":\"" code "\"},\"epoch\":1,\"time\":\"" time                          \
    "\",\"in_state\":" in_state "}"
#define STATUS(there, version, reachable)                                                                                                                                                                                                        \
    "{\"role\":\"directory\",\"runs\":true,\"time\":\"2026-07-03T08:00:00.000Z\",\"register\":{"                                                                                                                                                 \
    "\"version\":" version ",\"expires\":\"2026-07-08T08:00:00.000Z\",\"trust\":\"fresh\","                                                                                                                                                      \
    "\"head_age_ms\":3600000},\"epoch\":{\"number\":1,\"t\":2,\"n\":3,\"reachable\":" reachable                                                                                                                                                  \
    "},\"directory\":{\"copies_"                                                                                                                                                                                                                 \
    "waiting\":2,\"copies_oldest\":\"2026-07-03T05:00:00.000Z\",\"lists\":[" LIST("T001", "2026-07-03T07:59:00.000Z", "true") "," LIST("T002", "2026-07-03T05:00:00.000Z", "true") "," LIST(                                                     \
        "T003", "2026-07-03T07:20:00.000Z",                                                                                                                                                                                                      \
        "true") "]},\"peers\":[" PEER("directory", "D02", "active",                                                                                                                                                                              \
                                      there) "," PEER("directory", "D03", "active",                                                                                                                                                              \
                                                      "false") "," PEER("authority", "T001",                                                                                                                                                     \
                                                                        "active",                                                                                                                                                                \
                                                                        "true") "," PEER("authori"                                                                                                                                               \
                                                                                         "ty",                                                                                                                                                   \
                                                                                         "T002",                                                                                                                                                 \
                                                                                         "active",                                                                                                                                               \
                                                                                         "false") "," PEER("authority",                                                                                                                          \
                                                                                                           "T003",                                                                                                                               \
                                                                                                           "active",                                                                                                                             \
                                                                                                           "true") "," PEER("authority",                                                                                                         \
                                                                                                                            "T004",                                                                                                              \
                                                                                                                            "active",                                                                                                            \
                                                                                                                            "true") "," PEER("authority",                                                                                        \
                                                                                                                                             "T005",                                                                                             \
                                                                                                                                             "joining",                                                                                          \
                                                                                                                                             "true") "],\"alarms\":[{\"event\":"                                                                 \
                                                                                                                                                     "\"EVENT_COPY_OLD\",\"text\":\"a copy is old\",\"count\":3,\"last\":\"2026-07-03T07:00:00." \
                                                                                                                                                     "000Z\"}]}"

static const struct answer well[] = {{.command = "status", .reply = STATUS("true", "7", "2")},
                                     {.command = NULL}};
static const struct answer few[] = {{.command = "status", .reply = STATUS("false", "7", "1")},
                                    {.command = NULL}};
static const struct answer newer[] = {{.command = "status", .reply = STATUS("true", "8", "2")},
                                      {.command = NULL}};

/* The row of the authority of this code. */
static bool row_has(const char *code, const char *text)
{
    char start[32];
    (void)snprintf(start, sizeof start, "(%s)", code);
    const char *at = strstr(body(), start), *end = at == NULL ? NULL : strstr(at, "</tr>");
    const char *found = at == NULL ? NULL : strstr(at, text);
    return found != NULL && found < end;
}

Test(pages_federation, each_authority_s_freshness_is_told_in_words)
{
    fx.answers = well;
    (void)get("/federation");
    cr_assert_eq(status(), 200);
    cr_assert(row_has("T001", "Fresh"));
    cr_assert(row_has("T001", "heard 4 seconds ago"));
    cr_assert(row_has("T002", "Too old"));
    cr_assert(row_has("T002", "INCOMPLETE"));
    cr_assert(row_has("T002", "Not there"));
    cr_assert(row_has("T003", "Getting old"));
    cr_assert(row_has("T004", "No list"));
    cr_assert(row_has("T004", "INCOMPLETE"));
    cr_assert(row_has("T005", "not counted yet"));
}

Test(pages_federation, authorities_that_need_somebody_come_first)
{
    fx.answers = well;
    (void)get("/federation");
    cr_assert(has("<strong>1 of 4</strong>"), "of the active ones");
    cr_assert(has("Not all"));
    const char *fresh = strstr(body(), "(T001)");
    cr_assert(fresh != NULL && strstr(fresh, "(T002)") == NULL && strstr(fresh, "(T004)") == NULL);
}

Test(pages_federation, quorum_register_copies_and_alarms_are_told)
{
    fx.answers = well;
    (void)get("/federation");
    cr_assert(has("2 of 3"));
    cr_assert(has("Enough"));
    cr_assert(has("Version 7"));
    cr_assert(has("in 5 days"));
    cr_assert(has("Ends soon"));
    cr_assert(has("the oldest for 3 hours"));
    cr_assert(has("EVENT_COPY_OLD"));
    cr_assert(has("a copy is old"));
}

Test(pages_federation, too_few_directories_are_told_with_what_follows)
{
    fx.answers = few;
    (void)get("/federation");
    cr_assert(has("1 of 3"));
    cr_assert(has("Too few"));
    cr_assert(has("look-ups are UNKNOWN"));
}

Test(pages_federation, only_directories_that_hold_a_share_are_counted)
{
    const struct answer answers[] = {{.command = "status", .reply = STATUS("true", "7", "1")},
                                     {.command = NULL}}; /* D02 is there, and holds none */
    fx.answers = answers;
    (void)get("/federation");
    cr_assert(has("1 of 3"));
    cr_assert(has("Too few"));
}

Test(pages_federation, what_waits_waits_whatever_time_it_came)
{
    const struct answer answers[] = {
        {.command = "status",
         .reply = "{\"runs\":true,\"time\":\"2026-07-03T08:00:00.000Z\",\"directory\":{"
                  "\"copies_waiting\":2,\"copies_oldest\":\"2026-07-03T08:00:00.001Z\"}}"},
        {.command = NULL}};
    const struct answer none[] = {
        {.command = "status",
         .reply = "{\"runs\":true,\"directory\":{\"copies_waiting\":0,\"copies_oldest\":null}}"},
        {.command = NULL}};
    fx.answers = answers;
    (void)get("/federation");
    cr_assert(has("its authority is not there"));
    fx.answers = none;
    (void)get("/federation");
    cr_assert(has("every authority has what is for it"));
}

Test(pages_federation, a_register_that_is_not_trusted_is_told)
{
    const struct answer answers[] = {{.command = "status",
                                      .reply = "{\"runs\":true,\"time\":\"2026-07-03T08:00:00."
                                               "000Z\",\"register\":{\"trust\":\"stale\","
                                               "\"expires\":\"2026-07-01T08:00:00.000Z\"}}"},
                                     {.command = NULL}};
    fx.answers = answers;
    (void)get("/federation");
    cr_assert(has("Not trusted"));
    cr_assert(has("Expired"));
    cr_assert(has("No keys yet"));
}

Test(pages_federation, a_node_that_is_down_says_why)
{
    const struct answer answers[] = {
        {.command = "status", .reply = "{\"runs\":false,\"why_down\":\"the disk is full\"}"},
        {.command = NULL}};
    fx.answers = answers;
    (void)get("/federation");
    cr_assert(has("the disk is full"));
}

Test(pages_federation, every_text_of_the_status_is_only_text)
{
    const struct answer answers[] = {
        {.command = "status",
         .reply = "{\"runs\":true,\"time\":" EVIL_J ",\"role\":" EVIL_J
                  ",\"register\":{\"trust\":" EVIL_J ",\"expires\":" EVIL_J
                  "},\"directory\":{\"lists\":[{\"authority\":{\"code\":" EVIL_J
                  "}}]},\"peers\":[{\"code\":" EVIL_J ",\"name\":" EVIL_J
                  ",\"role\":\"authority\",\"state\":" EVIL_J "}],\"alarms\":[{\"event\":" EVIL_J
                  ",\"text\":" EVIL_J ",\"last\":" EVIL_J "}]}"},
        {.command = NULL}};
    fx.answers = answers;
    (void)get("/federation");
    cr_assert(has("&lt;script&gt;evil()"));
}

/* --- what is live --- */

static struct stream *stream;
static stream_gone_fn on_gone;
static void *gone_arg;
static struct server looked; /* each stream's server lives on */

static void look(void)
{
    (void)get("/live");
    cr_assert_not_null(fx.x.stream);
    stream = fx.x.stream;
    looked = fx.server;
    stream->server = &looked;
    looked.streams = stream;
    on_gone = stream->gone;
    gone_arg = stream->arg;
}
static void leave(void)
{
    on_gone(gone_arg);
    free(stream->text);
    free(stream);
}
static void turn(void)
{
    for (unsigned i = 0; i < 3 && pages_deadline(fx.p) <= fx.now; i++) {
        pages_turn(fx.p, fx.now);
        while (fx.is_waiting)
            go_on();
    }
    fx.now += 5000;
}
static bool said(const char *text)
{
    stream->text[stream->len] = '\0';
    const bool found = strstr(stream->text, text) != NULL;
    stream->len = 0;
    return found;
}

Test(pages_federation, nobody_is_asked_while_nobody_looks)
{
    cr_assert_eq(pages_deadline(fx.p), CPIS_MS_NEVER);
    pages_turn(fx.p, 1000000);
    cr_assert_eq(fx.calls_count, 0);
}

Test(pages_federation, who_looks_is_told_when_something_has_changed)
{
    look();
    fx.answers = well;
    turn();
    cr_assert_not(said("changed"));
    turn();
    cr_assert_not(said("changed"));
    fx.answers = newer;
    turn();
    cr_assert(said("event: changed"));
    turn();
    cr_assert_not(said("changed"));
    cr_assert_gt(fx.background, 0);
    leave();
    cr_assert_eq(pages_deadline(fx.p), CPIS_MS_NEVER);
}

Test(pages_federation, who_has_logged_out_is_told_so_and_nothing_more)
{
    look();
    fx.answers = well;
    turn();
    fx.in = false;
    turn();
    cr_assert(said("event: ended"));
    fx.in = true;
    fx.answers = newer;
    turn();
    cr_assert_eq(stream->len, 0);
    leave();
}

Test(pages_federation, a_node_that_does_not_answer_is_told_once_and_asked_again_later)
{
    const struct answer gone[] = {{.command = "status", .reply = NULL, CPIS_E_NOTFOUND, "none"},
                                  {.command = NULL}};
    look();
    fx.answers = gone;
    turn();
    cr_assert(said("event: stale"));
    turn();
    cr_assert_eq(stream->len, 0); /* told once */
    fx.answers = well;
    turn();
    cr_assert(said("event: fresh"));
    turn();
    cr_assert_eq(stream->len, 0);
    fx.answers = newer;
    turn();
    cr_assert(said("event: changed"));
    leave();
}

Test(pages_federation, a_stream_that_is_still_there_at_the_end_is_forgotten)
{
    look();
    pages_free(&fx.p);
    free(stream->text);
    free(stream);
}

static void inbox_node(void) { fixture_up(ROLE_AUTHORITY, ACCOUNT_INBOX); }
Test(pages_inbox_live, who_reads_the_inbox_is_told_of_counts_and_of_no_child, .init = inbox_node,
     .fini = fixture_down)
{
    const struct answer answers[] = {
        {.command = "status",
         .reply =
             "{\"authority\":{\"notifications\":{\"unopened\":3,\"escalated\":1}},\"register\":{"
             "\"version\":1}}"},
        {.command = "notifications_list",
         .reply = "{\"newest\":17,\"notifications\":[{\"id\":17,\"nhs_number\":\"" CHILD "\"}]}"},
        {.command = NULL}};
    look();
    fx.answers = answers;
    turn();
    stream->text[stream->len] = '\0';
    cr_assert_null(strstr(stream->text, CHILD));
    cr_assert(said("event: inbox\ndata: {\"unopened\":3,\"escalated\":1,\"newest\":17}\n"));
    turn();
    cr_assert_eq(stream->len, 0); /* nothing is new */
    leave();
}
