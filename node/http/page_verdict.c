/* A verdict as people read it. Each of the five has its own word, sign, border and colour, any one
 * of which tells it from NO FLAG; one that is not known here reads as UNKNOWN. */
#include "node/http/page_int.h"
#include "proto/code.h"

#include <sodium.h>
#include <string.h>

struct sign {
    const char *name; /* an element without an end tag, or "path" */
    const char *attributes[8][2];
};
struct words {
    const char *verdict, *headline, *class, *meaning, *todo;
    struct sign signs[3];
};
#define STROKE                                                                                     \
    {"fill", "none"}, {"stroke", "currentColor"}, { "stroke-width", "8" }
#define QUESTION                                                                                   \
    {                                                                                              \
        "path", { {"d", "M36 38c0-20 28-20 28-2 0 12-14 12-14 26M50 72v8"}, STROKE }               \
    }
static const struct words all[] = {
    {"flag",
     "FLAG",
     "flag",
     "This child is known to children's social care.",
     "Follow your safeguarding procedure. Ring the authority below if you are worried about the "
     "child, and about anything that you can't see here.",
     {{"path", {{"d", "M18 92V8h60l-14 24 14 24H26v36Z"}, {"fill", "currentColor"}}}}},
    {"flag_details_to_follow",
     "FLAG - DETAILS TO FOLLOW",
     "details",
     "An authority lists this child, and has not answered yet.",
     "Treat the child as known to children's social care. Ring the authority: it has the details. "
     "It will learn of your look by itself.",
     {{"path", {{"d", "M20 92V12h56l-12 20 12 20H20"}, STROKE}},
      {"path", {{"d", "M34 82h8M54 82h8M74 82h8"}, STROKE}}}},
    {"no_flag",
     "NO FLAG",
     "none",
     "No local authority in England that takes part lists this child.",
     "That is so as of the time shown. It says nothing of what nobody has noticed yet: if you are "
     "worried, follow your safeguarding procedure.",
     {{"circle", {{"cx", "50"}, {"cy", "50"}, {"r", "42"}, STROKE}},
      {"path", {{"d", "M28 52l16 16 30-34"}, STROKE}}}},
    {"incomplete",
     "INCOMPLETE",
     "incomplete",
     "This is not \"no flag\". Nothing was found, but not every authority's list could be "
     "searched.",
     "Ask again in a few minutes. Until then act as if the child could be known: if you can't "
     "wait, ring the authorities below, the child's own first.",
     {{"circle", {{"cx", "50"}, {"cy", "50"}, {"r", "42"}, STROKE, {"stroke-dasharray", "22 14"}}},
      QUESTION}},
    {"unknown",
     "UNKNOWN",
     "unknown",
     "This is not \"no flag\". The question could not be answered.",
     "Ask again. Until then act as if the child could be known: if you can't wait, ring the "
     "emergency duty team of the authority where the child lives.",
     {{"path", {{"d", "M50 6 94 50 50 94 6 50Z"}, STROKE}}, QUESTION}},
};
#define VERDICTS (sizeof all / sizeof *all)

static const struct words *find(const char *verdict)
{
    size_t i = 0;
    while (i < VERDICTS - 1 && strcmp(all[i].verdict, verdict) != 0)
        i++;
    return &all[i];
}

const char *verdict_headline(const char *verdict) { return find(verdict)->headline; }

static void icon(struct html *h, const struct words *w)
{
    html_open_class(h, "svg", "cpis-verdict__icon");
    html_attr(h, "viewBox", "0 0 100 100");
    html_attr(h, "aria-hidden", "true");
    html_attr(h, "focusable", "false");
    for (size_t i = 0; i < 3 && w->signs[i].name != NULL; i++) {
        html_open(h, w->signs[i].name);
        for (size_t k = 0; k < 8 && w->signs[i].attributes[k][0] != NULL; k++)
            html_attr(h, w->signs[i].attributes[k][0], w->signs[i].attributes[k][1]);
    }
    html_close(h, "svg");
}

static void headline(struct html *h, const struct words *w, const json_t *v)
{
    char when[WALL_LONDON_BYTES], number[PAGE_NHS_BYTES];
    html_open(h, "div");
    html_attrf(h, "class", "cpis-verdict cpis-verdict--%s", w->class);
    icon(h, w);
    html_open(h, "div");
    html_element(h, "h1", "cpis-verdict__word", w->headline);
    html_element(h, "p", "cpis-verdict__meaning", w->meaning);
    html_open_class(h, "p", "cpis-verdict__number");
    html_text(h, "NHS number ");
    html_element(h, "span", "cpis-number", page_nhs(page_text(v, "nhs_number"), number));
    sodium_memzero(number, sizeof number);
    html_close(h, "p");
    if (page_when(page_text(v, "as_of"), when)[0] != '-')
        html_elementf(h, "p", "cpis-verdict__as-of", "As of %s (London time)", when);
    html_close(h, "div");
    html_close(h, "div");
}

/* --- whom to ring --- */

static void flag(struct html *h, const json_t *f)
{
    enum plan_type plan;
    char day[PAGE_DAY_BYTES];
    const char *code = page_text(f, "plan");
    const bool is_plan = plan_type_parse(code, strlen(code), &plan) == CPIS_OK;
    html_open_class(h, "div", "cpis-ring");
    html_open_class(h, "h3", "nhsuk-heading-s");
    page_organisation(h, json_object_get(f, "authority"));
    html_close(h, "h3");
    if (is_plan) {
        html_open(h, "p");
        nhsuk_tag(h, "red", plan_type_text(plan));
        html_textf(h, " since %s", page_day(page_text(f, "start"), day));
        if (page_day(page_text(f, "end"), day)[0] != '\0') html_textf(h, ", end date %s", day);
        html_close(h, "p");
    } else {
        html_open(h, "p");
        nhsuk_tag(h, "red", "safeguarding information");
        html_text(h, " What it is, this authority says by telephone only: ring it.");
        html_close(h, "p");
    }
    page_telephones(h, json_object_get(f, "telephone"));
    html_close(h, "div");
}

static const char *why_text(const char *why)
{
    static const char *const texts[][2] = {
        {"pending", "has not answered yet"},
        {"refused", "its policy does not show this to your role"},
        {"no_list", "has published no list"},
        {"stale", "its list is too old"},
        {"rolled_back", "its list went back to an older one"},
        {"future", "its list is dated in the future"},
        {"old", "its list is getting old"},
        {"notice", "the federation's stewards have put out a notice about it"},
        {"suspended", "it is suspended; its last list was searched"},
        {"epoch_before", "its list is still one of the keys before: ring it"},
        {"joining", "it is joining, and not counted yet"},
        {"expected", "it is expected, and not there yet"}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (strcmp(texts[i][0], why) == 0) return texts[i][1];
    return why;
}

static void named(struct html *h, const json_t *list, const char *title, const char *time_key)
{
    size_t i;
    const json_t *a;
    char when[WALL_LONDON_BYTES];
    if (json_array_size(list) == 0) return;
    nhsuk_heading(h, 2, "m", NULL, title);
    json_array_foreach(list, i, a)
    {
        const char *why = page_text(a, "why");
        html_open_class(h, "div", "cpis-ring");
        html_open_class(h, "h3", "nhsuk-heading-s");
        page_organisation(h, json_object_get(a, "authority"));
        html_close(h, "h3");
        if (why[0] != '\0') html_elementf(h, "p", NULL, "Why: %s.", why_text(why));
        if (time_key != NULL && page_when(page_text(a, time_key), when)[0] != '-')
            html_elementf(h, "p", NULL, "Its list is of %s (London time).", when);
        page_telephones(h, json_object_get(a, "telephone"));
        html_close(h, "div");
    }
}

static void flags(struct html *h, const json_t *list)
{
    size_t i;
    const json_t *f;
    if (json_array_size(list) == 0) return;
    nhsuk_heading(h, 2, "m", NULL, "Known to");
    json_array_foreach(list, i, f) { flag(h, f); }
}

/* --- who looked before --- */

static void accesses(struct html *h, const json_t *list)
{
    size_t i;
    const json_t *a;
    char when[WALL_LONDON_BYTES];
    struct nhsuk_table t = {.h = h,
                            .caption = "Seen before by",
                            .columns = {"When (London time)", "Who", "Role", "Organisation"},
                            .count = 4};
    if (json_array_size(list) == 0) return;
    nhsuk_table_open(&t);
    json_array_foreach(list, i, a)
    {
        const char *who = page_text(a, "user_name"), *role = page_text(a, "role_name");
        nhsuk_row_open(&t);
        nhsuk_cell(&t, page_when(page_text(a, "time"), when));
        nhsuk_cell(&t, who[0] != '\0' ? who : "not told");
        nhsuk_cell(&t, role[0] != '\0' ? role : "not told");
        nhsuk_cell(&t, page_text(a, "organisation_name"));
        nhsuk_row_close(&t);
    }
    nhsuk_table_close(&t);
}

void verdict_show(struct html *h, const json_t *v)
{
    const struct words *w = find(page_text(v, "verdict"));
    const json_t *counted = json_object_get(v, "authorities");
    const char *reason = page_text(v, "reason");
    headline(h, w, v);
    if (reason[0] != '\0') html_elementf(h, "p", NULL, "Why: %s.", reason);
    html_element(h, "p", NULL, w->todo);
    flags(h, json_object_get(v, "flags"));
    named(h, json_object_get(v, "pending"), "Lists this child - ring", NULL);
    named(h, json_object_get(v, "unconfirmed"), "Could not be searched - ring", "last_heard");
    named(h, json_object_get(v, "notes"), "Beside that", "list_time");
    if (page_number(counted, "expected") > 0) /* a flag is found by its holder alone */
        html_elementf(h, "p", NULL, "Authorities searched: %llu of %llu.",
                      (unsigned long long)page_number(counted, "asked"),
                      (unsigned long long)page_number(counted, "expected"));
    accesses(h, json_object_get(v, "accesses"));
}
