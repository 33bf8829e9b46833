/* An authority's inbox: who has looked at its children, and who has dealt with it. */
#include "node/http/page_int.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define ON_A_PAGE  25
#define PATH_BYTES 96U

static const struct filter {
    const char *state, *text;
} filters[] = {{"new", "New"}, {"seen", "Seen"}, {"actioned", "Dealt with"}, {"all", "All"}};
#define FILTERS (sizeof filters / sizeof *filters)

static const struct filter *filter_of(const char *state)
{
    for (size_t i = 0; state != NULL && i < FILTERS; i++)
        if (strcmp(filters[i].state, state) == 0) return &filters[i];
    return &filters[0];
}

static const char *kind_text(const char *kind)
{
    static const char *const texts[][2] = {{"access", "Looked at"},
                                           {"not-brought", "Not brought to an appointment"},
                                           {"pattern", "Pattern: seen at several places"},
                                           {"test", "Test, of no child"}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (strcmp(texts[i][0], kind) == 0) return texts[i][1];
    return kind;
}

static void state_tag(struct html *h, const json_t *n)
{
    const char *state = page_text(n, "state");
    if (strcmp(state, "new") == 0) {
        nhsuk_tag(h, "blue", "New");
        if (page_text(n, "escalated")[0] != '\0') {
            html_text(h, " ");
            nhsuk_tag(h, "red", "Unopened for too long");
        }
    } else if (strcmp(state, "actioned") == 0) {
        nhsuk_tag(h, "green", "Dealt with");
    } else {
        nhsuk_tag(h, "grey", "Seen");
    }
}

/* --- buttons: they post, for a page that is merely loaded changes nothing --- */

static void button(struct html *h, const struct visit *v, const json_t *n, const char *state,
                   const char *text, const char *back)
{
    char id[24], of[48];
    (void)snprintf(id, sizeof id, "%llu", (unsigned long long)page_number(n, "id"));
    (void)snprintf(of, sizeof of, "(notification %s)", id);
    nhsuk_form_open(h, "/inbox", v->token);
    nhsuk_form_hidden(h, "notification", id);
    nhsuk_form_hidden(h, "state", state);
    nhsuk_form_hidden(h, "back", back);
    nhsuk_button(h, NHSUK_SMALL, text, of);
    nhsuk_form_close(h);
}

static void buttons(struct html *h, const struct visit *v, const json_t *n, const char *back)
{
    const char *state = page_text(n, "state");
    html_open_class(h, "div", "cpis-buttons cpis-not-paper");
    if (strcmp(state, "new") == 0) button(h, v, n, "seen", "Seen", back);
    if (strcmp(state, "actioned") != 0) button(h, v, n, "actioned", "Dealt with", back);
    html_close(h, "div");
}

/* --- the list --- */

static void cell_what(struct nhsuk_table *t, const json_t *n)
{
    struct html *h = t->h;
    char when[WALL_LONDON_BYTES];
    nhsuk_cell_open(t);
    html_open(h, "a");
    html_attrf(h, "href", "/inbox/%llu", (unsigned long long)page_number(n, "id"));
    html_text(h, page_when(page_text(n, "at"), when));
    nhsuk_hidden(h, ": open this notification");
    html_close(h, "a");
    html_open(h, "br");
    html_text(h, kind_text(page_text(n, "kind")));
    nhsuk_cell_close(t);
}

static void cell_child(struct nhsuk_table *t, const json_t *n)
{
    char number[PAGE_NHS_BYTES];
    nhsuk_cell_open(t);
    page_nhs(page_text(n, "nhs_number"), number);
    html_element(t->h, "span", "cpis-number", number[0] != '\0' ? number : "no child");
    sodium_memzero(number, sizeof number);
    if (page_text(n, "local_id")[0] != '\0') {
        html_open(t->h, "br");
        html_textf(t->h, "local id %s", page_text(n, "local_id"));
    }
    nhsuk_cell_close(t);
}

static void cell_who(struct nhsuk_table *t, const json_t *n)
{
    const char *who = page_text(n, "who"), *setting = page_text(n, "setting");
    nhsuk_cell_open(t);
    if (who[0] != '\0')
        html_textf(t->h, "%s%s%s", who, page_text(n, "role")[0] != '\0' ? ", " : "",
                   page_text(n, "role"));
    else if (!page_true(n, "complete"))
        html_text(t->h, "The details have not come yet");
    html_open(t->h, "br");
    html_textf(t->h, "%s%s%s", page_text(n, "organisation"), setting[0] != '\0' ? ", " : "",
               setting);
    nhsuk_cell_close(t);
}

static void list(struct html *h, const struct visit *v, const json_t *all, const char *state)
{
    size_t i;
    const json_t *n;
    struct nhsuk_table t = {.h = h,
                            .caption = "Notifications, newest first",
                            .columns = {"When (London time)", "Child", "Who", "State"},
                            .count = 4};
    nhsuk_table_open(&t);
    json_array_foreach(all, i, n)
    {
        nhsuk_row_open(&t);
        cell_what(&t, n);
        cell_child(&t, n);
        cell_who(&t, n);
        nhsuk_cell_open(&t);
        state_tag(h, n);
        buttons(h, v, n, state);
        nhsuk_cell_close(&t);
        nhsuk_row_close(&t);
    }
    nhsuk_table_close(&t);
}

static void filter_links(struct html *h, const char *state)
{
    html_open_class(h, "nav", "cpis-filter");
    html_attr(h, "aria-label", "Which notifications");
    html_open_class(h, "ul", "cpis-filter__list");
    for (size_t i = 0; i < FILTERS; i++) {
        const bool current = strcmp(filters[i].state, state) == 0;
        html_open(h, "li");
        html_open(h, "a");
        html_attrf(h, "href", "/inbox?state=%s", filters[i].state);
        if (current) html_attr(h, "aria-current", "true");
        html_text(h, filters[i].text);
        html_close(h, "a");
        html_close(h, "li");
    }
    html_close(h, "ul");
    html_close(h, "nav");
}

static void figure(struct html *h, const char *id, uint64_t n, const char *what)
{
    html_open(h, "li");
    html_open(h, "strong");
    html_attr(h, "id", id);
    html_textf(h, "%llu", (unsigned long long)n);
    html_close(h, "strong");
    html_text(h, what);
    html_close(h, "li");
}

static void figures(struct html *h, const json_t *status)
{
    const json_t *n = json_object_get(json_object_get(status, "authority"), "notifications");
    if (n == NULL) return;
    html_open_class(h, "ul", "cpis-figures");
    figure(h, "unopened", page_number(n, "unopened"), "unopened");
    figure(h, "escalated", page_number(n, "escalated"), "of them for too long");
    html_close(h, "ul");
}

/* What has just been done, if it is this person's. */
static void done_banner(struct html *h, struct visit *v)
{
    const char *id = request_query(v->r, "done", 0);
    const json_t *kept = id == NULL ? NULL : visit_kept(v, id);
    char text[96];
    if (json_object_get(kept, "notification") == NULL) return;
    (void)snprintf(text, sizeof text, "Notification %llu is marked as %s",
                   (unsigned long long)page_number(kept, "notification"),
                   strcmp(page_text(kept, "state"), "seen") == 0 ? "seen" : "dealt with");
    nhsuk_done_banner(h, text);
}

static void listed(struct visit *v, cpis_err err, json_t *reply, const char *why)
{
    struct html h;
    const char *state = filter_of(request_query(v->r, "state", 0))->state;
    const json_t *all = json_object_get(reply, "notifications");
    const size_t n = json_array_size(all);
    char next[PATH_BYTES], first[PATH_BYTES];
    if (err != CPIS_OK) {
        visit_down(v, err, why);
        return;
    }
    frame_open(&h, v, "Inbox", "/inbox");
    done_banner(&h, v);
    frame_title(&h, "Inbox");
    frame_live(&h);
    html_open(&h, "div");
    html_attr(&h, "id", "inbox");
    html_attr(&h, "data-live", "/live");
    html_attrf(&h, "data-newest", "%llu", (unsigned long long)page_number(reply, "newest"));
    figures(&h, v->found);
    html_close(&h, "div");
    filter_links(&h, state);
    if (n == 0)
        nhsuk_paragraph(&h, "There are none.");
    else
        list(&h, v, all, state);
    (void)snprintf(next, sizeof next, "/inbox?state=%s&before=%llu", state,
                   (unsigned long long)page_number(json_array_get(all, n - 1), "id"));
    (void)snprintf(first, sizeof first, "/inbox?state=%s", state);
    nhsuk_pagination(&h, request_query(v->r, "before", 0) != NULL ? first : NULL,
                     n == ON_A_PAGE ? next : NULL);
    frame_close(&h, v);
    visit_page(v, &h, 200);
}

static void counted(struct visit *v, cpis_err err, json_t *reply, const char *why)
{
    const char *state = filter_of(request_query(v->r, "state", 0))->state;
    const uint64_t before = page_whole(request_query(v->r, "before", 0));
    if (err != CPIS_OK) {
        visit_down(v, err, why);
        return;
    }
    v->found = json_incref(reply);
    json_t *fields = json_pack("{s:i}", "limit", ON_A_PAGE);
    if (strcmp(state, "all") != 0) (void)json_object_set_new(fields, "state", json_string(state));
    if (before > 0) (void)json_object_set_new(fields, "before", json_integer((json_int_t)before));
    visit_ask(v, "notifications_list", fields, listed);
}

void page_inbox(struct visit *v) { visit_ask(v, "status", NULL, counted); }

/* --- one notification --- */

static void history(struct html *h, const json_t *changes)
{
    size_t i;
    const json_t *c;
    char when[WALL_LONDON_BYTES];
    struct nhsuk_table t = {.h = h,
                            .caption = "Who has dealt with it",
                            .columns = {"When (London time)", "By", "Marked as"},
                            .count = 3};
    if (json_array_size(changes) == 0) return;
    nhsuk_table_open(&t);
    json_array_foreach(changes, i, c)
    {
        nhsuk_row_open(&t);
        nhsuk_cell(&t, page_when(page_text(c, "at"), when));
        nhsuk_cell(&t, page_text(c, "by"));
        nhsuk_cell(&t, strcmp(page_text(c, "state"), "actioned") == 0 ? "dealt with"
                                                                      : page_text(c, "state"));
        nhsuk_row_close(&t);
    }
    nhsuk_table_close(&t);
}

static void looks(struct html *h, const json_t *all)
{
    size_t i;
    const json_t *l;
    char when[WALL_LONDON_BYTES];
    struct nhsuk_table t = {.h = h,
                            .caption = "The looks that make this pattern",
                            .columns = {"When (London time)", "Organisation", "Setting"},
                            .count = 3};
    if (json_array_size(all) == 0) return;
    nhsuk_table_open(&t);
    json_array_foreach(all, i, l)
    {
        nhsuk_row_open(&t);
        nhsuk_cell_open(&t);
        html_open(h, "a");
        html_attrf(h, "href", "/inbox/%llu", (unsigned long long)page_number(l, "id"));
        html_text(h, page_when(page_text(l, "at"), when));
        html_close(h, "a");
        nhsuk_cell_close(&t);
        nhsuk_cell(&t, page_text(l, "organisation"));
        nhsuk_cell(&t, page_text(l, "setting"));
        nhsuk_row_close(&t);
    }
    nhsuk_table_close(&t);
}

static void summary(struct html *h, const json_t *n)
{
    char when[WALL_LONDON_BYTES], number[PAGE_NHS_BYTES];
    static const char *const rows[][2] = {{"Who", "who"},
                                          {"User id", "user_id"},
                                          {"Role", "role"},
                                          {"Role code", "role_code"},
                                          {"System", "device_id"},
                                          {"Organisation", "organisation"},
                                          {"Code", "organisation_code"},
                                          {"Where", "setting"}};
    nhsuk_summary_open(h);
    nhsuk_summary_row_open(h, "State");
    state_tag(h, n);
    nhsuk_summary_row_close(h);
    nhsuk_summary_row(h, "What", kind_text(page_text(n, "kind")));
    nhsuk_summary_row(h, "NHS number", page_nhs(page_text(n, "nhs_number"), number));
    sodium_memzero(number, sizeof number);
    nhsuk_summary_row(h, "Local id", page_text(n, "local_id"));
    nhsuk_summary_row(h, "When (London time)", page_when(page_text(n, "at"), when));
    nhsuk_summary_row(h, "Came here", page_when(page_text(n, "received"), when));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        nhsuk_summary_row(h, rows[i][0], page_text(n, rows[i][1]));
    nhsuk_summary_close(h);
    if (!page_true(n, "complete"))
        nhsuk_paragraph(h, "The details have not come yet: only the organisation that asked is "
                           "known. They come by themselves.");
}

static void shown(struct visit *v, cpis_err err, json_t *reply, const char *why)
{
    struct html h;
    char title[48];
    const json_t *n = json_array_get(json_object_get(reply, "notifications"), 0);
    if (err != CPIS_OK) {
        visit_down(v, err, why);
        return;
    }
    if (page_number(n, "id") != v->count) {
        visit_fault(v, 404, "There is no such notification", "No notification has this number.",
                    NULL);
        return;
    }
    (void)snprintf(title, sizeof title, "Notification %llu", (unsigned long long)v->count);
    frame_open(&h, v, title, "/inbox");
    html_link(&h, "nhsuk-back-link", "/inbox", "Back to the inbox");
    frame_title(&h, title);
    summary(&h, n);
    buttons(&h, v, n, "this");
    page_child_button(&h, v, page_text(n, "nhs_number"), "The child's record, and who has looked",
                      NULL);
    looks(&h, json_object_get(n, "looks"));
    history(&h, json_object_get(n, "changes"));
    frame_close(&h, v);
    visit_page(v, &h, 200);
}

void page_notification(struct visit *v)
{
    v->count = page_whole(v->rest);
    if (v->count == 0) {
        visit_fault(v, 404, "There is no such notification", "A notification has a number.", NULL);
        return;
    }
    visit_ask(v, "notifications_list",
              json_pack("{s:I,s:i}", "before", (json_int_t)(v->count + 1), "limit", 1), shown);
}

static void set(struct visit *v, cpis_err err, json_t *reply, const char *why)
{
    char path[PATH_BYTES], id[KEPT_ID_BYTES];
    const char *back = form_value(&v->form, "back");
    (void)reply;
    if (err != CPIS_OK) {
        visit_down(v, err, why);
        return;
    }
    if (strcmp(back, "this") == 0) {
        (void)snprintf(path, sizeof path, "/inbox/%llu", (unsigned long long)v->count);
        visit_see(v, path);
        return;
    }
    json_t *what = json_pack("{s:I,s:s}", "notification", (json_int_t)v->count, "state",
                             form_value(&v->form, "state"));
    if (visit_put(v, what, id) != CPIS_OK) id[0] = '\0';
    (void)snprintf(path, sizeof path, "/inbox?state=%s&done=%s", filter_of(back)->state, id);
    visit_see(v, path);
}

void page_notification_set(struct visit *v)
{
    const char *state = form_value(&v->form, "state"), *by = v->who.asker.user_name;
    v->count = page_whole(form_value(&v->form, "notification"));
    if (v->count == 0 || (strcmp(state, "seen") != 0 && strcmp(state, "actioned") != 0)) {
        visit_fault(v, 400, "This form can't be read", "Nothing was done.",
                    "Load the inbox again.");
        return;
    }
    visit_ask(v, "notifications_set",
              json_pack("{s:I,s:s,s:s}", "notification", (json_int_t)v->count, "state", state, "by",
                        by[0] != '\0' ? by : v->who.name),
              set);
}
