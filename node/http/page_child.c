/* What an authority holds of one child, and everybody who has looked, silent reads included. */
#include "node/http/page_int.h"
#include "proto/code.h"

#include <sodium.h>
#include <string.h>

#define TITLE "A child's record"

static void find_page(struct visit *v, unsigned status, const char *number, const char *problem)
{
    struct html h;
    const struct nhsuk_error error = {.id = "nhs_number", .text = problem};
    frame_open(&h, v, problem == NULL ? TITLE : "Error: " TITLE, "/child");
    nhsuk_error_summary(&h, &error, problem == NULL ? 0 : 1);
    frame_title(&h, TITLE);
    nhsuk_paragraph(&h,
                    "What is held here of a child, and everybody who has looked. Nobody is told "
                    "that you open it.");
    nhsuk_form_open(&h, "/child", v->token);
    page_nhs_field(&h, number, problem);
    nhsuk_button(&h, NHSUK_PRIMARY, "Show", NULL);
    nhsuk_form_close(&h);
    frame_close(&h, v);
    visit_page(v, &h, status);
}

void page_child_form(struct visit *v) { find_page(v, 200, NULL, NULL); }

void page_child_find(struct visit *v)
{
    char number[11];
    const char *problem = page_nhs_number(&v->form, number);
    if (problem != NULL)
        find_page(v, 400, form_value(&v->form, "nhs_number"), problem);
    else
        visit_keep(v, "/child/", json_pack("{s:s}", "child", number));
    sodium_memzero(number, sizeof number);
}

/* --- the record --- */

static const char *plan_text(const char *code)
{
    enum plan_type plan;
    return plan_type_parse(code, strlen(code), &plan) == CPIS_OK ? plan_type_text(plan) : code;
}

static void plans(struct html *h, const json_t *list)
{
    size_t i;
    const json_t *p;
    char day[PAGE_DAY_BYTES], when[WALL_LONDON_BYTES];
    struct nhsuk_table t = {
        .h = h,
        .caption = "Plans",
        .columns = {"Plan", "Start", "End", "Saved here (London time)", "Seen by others"},
        .count = 5};
    if (json_array_size(list) == 0) return;
    nhsuk_table_open(&t);
    json_array_foreach(list, i, p)
    {
        nhsuk_row_open(&t);
        nhsuk_cell(&t, plan_text(page_text(p, "plan")));
        nhsuk_cell(&t, page_day(page_text(p, "start"), day));
        page_day(page_text(p, "end"), day);
        nhsuk_cell(&t, day[0] != '\0' ? day : "none");
        nhsuk_cell(&t, page_when(page_text(p, "saved"), when));
        nhsuk_cell(&t, page_true(p, "visible") ? "yes" : "no");
        nhsuk_row_close(&t);
    }
    nhsuk_table_close(&t);
}

static void findings(struct html *h, const json_t *list)
{
    size_t i;
    const json_t *f;
    if (json_array_size(list) == 0) return;
    nhsuk_warning_open(h, "To look at");
    html_open_class(h, "ul", "nhsuk-list nhsuk-list--bullet");
    json_array_foreach(list, i, f)
    {
        html_open(h, "li");
        html_textf(h, "%s: %s", page_text(f, "text"), page_text(f, "do"));
        html_close(h, "li");
    }
    html_close(h, "ul");
    nhsuk_warning_close(h);
}

static void others(struct html *h, const json_t *child)
{
    size_t i;
    const json_t *o, *to = json_object_get(child, "transfer");
    char when[WALL_LONDON_BYTES];
    if (json_is_object(to)) {
        html_open(h, "p");
        html_text(h, "Announced to go to ");
        page_organisation(h, to);
        html_textf(h, " since %s.", page_when(page_text(to, "since"), when));
        html_close(h, "p");
    }
    json_array_foreach(json_object_get(child, "elsewhere"), i, o)
    {
        html_open(h, "p");
        html_text(h, "Also listed by ");
        page_organisation(h, o);
        html_textf(h, " since %s.", page_when(page_text(o, "since"), when));
        html_close(h, "p");
    }
}

static void record(struct html *h, const json_t *child)
{
    char number[PAGE_NHS_BYTES], day[PAGE_DAY_BYTES];
    const bool contact = strcmp(page_text(child, "visibility"), "contact-only") == 0;
    nhsuk_summary_open(h);
    nhsuk_summary_row(h, "NHS number", page_nhs(page_text(child, "nhs_number"), number));
    sodium_memzero(number, sizeof number);
    nhsuk_summary_row(h, "Family name", page_text(child, "family"));
    nhsuk_summary_row(h, "Given name", page_text(child, "given"));
    nhsuk_summary_row(h, "Born", page_day(page_text(child, "birth_date"), day));
    nhsuk_summary_row(h, "Local id", page_text(child, "local_id"));
    nhsuk_summary_row(h, "Seen by others",
                      !page_true(child, "visible") ? "no"
                      : contact ? "only that there is something, and your telephone numbers"
                                : "yes, in full");
    nhsuk_summary_row(h, "This number is kept until",
                      page_day(page_text(child, "keep_until"), day));
    nhsuk_summary_close(h);
    findings(h, json_object_get(child, "findings"));
    others(h, child);
    plans(h, json_object_get(child, "plans"));
}

/* --- accesses --- */

static const char *how_text(const json_t *a)
{
    if (strcmp(page_text(a, "state"), "complete") != 0) return "details have not come";
    return page_true(a, "scheduled") ? "planned care (silent)" : "unplanned care";
}

static void accesses(struct html *h, const json_t *reply)
{
    size_t i;
    const json_t *a, *list = json_object_get(reply, "accesses");
    char when[WALL_LONDON_BYTES];
    struct nhsuk_table t = {
        .h = h,
        .caption = "Everybody who has looked",
        .columns = {"When (London time)", "Who", "Role", "Organisation", "Where", "How"},
        .count = 6};
    if (json_array_size(list) == 0) {
        nhsuk_paragraph(h, "Nobody has looked at this child.");
        return;
    }
    nhsuk_table_open(&t);
    json_array_foreach(list, i, a)
    {
        const char *organisation = page_text(a, "organisation");
        if (organisation[0] == '\0') organisation = page_text(json_object_get(a, "query"), "name");
        nhsuk_row_open(&t);
        nhsuk_cell(&t, page_when(page_text(a, "time"), when));
        nhsuk_cell(&t, page_text(a, "who"));
        nhsuk_cell(&t, page_text(a, "role"));
        nhsuk_cell(&t, organisation);
        nhsuk_cell(&t, page_text(a, "setting"));
        nhsuk_cell(&t, how_text(a));
        nhsuk_row_close(&t);
    }
    nhsuk_table_close(&t);
    if (page_true(reply, "cut"))
        nhsuk_paragraph(h,
                        "There are more than can be shown here: `cpis accesses` lists a period.");
}

static void looked(struct visit *v, cpis_err err, json_t *reply, const char *why)
{
    struct html h;
    char number[PAGE_NHS_BYTES];
    const json_t *child = json_object_get(v->found, "flag");
    if (err != CPIS_OK) {
        visit_down(v, err, why);
        return;
    }
    frame_open(&h, v, TITLE, "/child");
    frame_title(&h, TITLE);
    if (child != NULL) {
        record(&h, child);
    } else {
        nhsuk_summary_open(&h);
        nhsuk_summary_row(&h, "NHS number", page_nhs(page_text(v->gathered, "child"), number));
        sodium_memzero(number, sizeof number);
        nhsuk_summary_close(&h);
        nhsuk_inset_open(&h);
        html_element(&h, "p", NULL, "Nothing is held here about this number.");
        nhsuk_inset_close(&h);
    }
    accesses(&h, reply);
    html_open_class(&h, "p", "cpis-not-paper");
    html_link(&h, NULL, "/child", "Another child");
    html_close(&h, "p");
    frame_close(&h, v);
    visit_page(v, &h, 200);
}

static void held(struct visit *v, cpis_err err, json_t *reply, const char *why)
{
    /* the node's own "not held"; without a reply it is the node that was not found */
    if (err != CPIS_OK && !(err == CPIS_E_NOTFOUND && reply != NULL)) {
        visit_down(v, err, why);
        return;
    }
    v->found = json_incref(reply);
    visit_ask(v, "accesses", json_pack("{s:s}", "nhs_number", page_text(v->gathered, "child")),
              looked);
}

void page_child(struct visit *v)
{
    const json_t *kept = visit_kept(v, v->rest);
    if (page_text(kept, "child")[0] == '\0') {
        visit_gone(v, "/child");
        return;
    }
    v->gathered = json_deep_copy(kept); /* it may be over while the node answers */
    visit_ask(v, "flags_show", json_pack("{s:s}", "nhs_number", page_text(kept, "child")), held);
}
