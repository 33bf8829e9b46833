/* What looks wrong in what an authority holds, as `cpis flags check` tells it but for the list of
 * traced numbers, which this process is not let read: nothing is changed. */
#include "node/cli/same_person.h"
#include "node/http/page_int.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT_ONCE    500
#define LISTED_MAX 1000U
#define TITLE      "Data quality"

/* v->gathered: [{nhs_number, local_id, finding, ...}], v->count: children looked at, v->found:
 * for same_person_check. */
static void add(struct visit *v, const json_t *child, json_t *finding)
{
    if (json_array_size(v->gathered) > LISTED_MAX) { /* one more is there, to know that */
        json_decref(finding);
        return;
    }
    (void)json_object_set(finding, "nhs_number", json_object_get(child, "nhs_number"));
    (void)json_object_set(finding, "local_id", json_object_get(child, "local_id"));
    (void)json_array_append_new(v->gathered, finding);
}

static void take_child(struct visit *v, const json_t *child)
{
    size_t i;
    const json_t *f;
    json_t *same = same_person_check(v->found, child);
    v->count++;
    if (same != NULL) add(v, child, same);
    json_array_foreach(json_object_get(child, "findings"), i, f)
    {
        add(v, child, json_deep_copy(f));
    }
}

static void row(struct nhsuk_table *t, const struct visit *v, const json_t *f)
{
    char number[PAGE_NHS_BYTES], day[PAGE_DAY_BYTES], of[PAGE_NHS_BYTES + 8];
    struct html *h = t->h;
    page_nhs(page_text(f, "nhs_number"), number);
    nhsuk_row_open(t);
    nhsuk_cell_open(t);
    html_element(h, "span", "cpis-number", number);
    if (page_text(f, "local_id")[0] != '\0') {
        html_open(h, "br");
        html_textf(h, "local id %s", page_text(f, "local_id"));
    }
    nhsuk_cell_close(t);
    nhsuk_cell_open(t);
    html_text(h, page_text(f, "plan")[0] != '\0' ? page_text(f, "plan") : "-");
    if (page_day(page_text(f, "start"), day)[0] != '\0') html_textf(h, " from %s", day);
    nhsuk_cell_close(t);
    nhsuk_cell(t, page_text(f, "text"));
    nhsuk_cell(t, page_text(f, "do"));
    nhsuk_cell_open(t);
    (void)snprintf(of, sizeof of, "of %s", number);
    page_child_button(h, v, page_text(f, "nhs_number"), "Record", of);
    sodium_memzero(number, sizeof number);
    sodium_memzero(of, sizeof of);
    nhsuk_cell_close(t);
    nhsuk_row_close(t);
}

static int by_number(const void *a, const void *b)
{
    const json_t *const *x = a, *const *y = b;
    return strcmp(page_text(*x, "nhs_number"), page_text(*y, "nhs_number"));
}

/* The node lists children in an order that means nothing. */
static void sort(json_t *list)
{
    const size_t n = json_array_size(list);
    json_t **all = n == 0 ? NULL : calloc(n, sizeof *all);
    if (all == NULL) return; /* as it came */
    for (size_t i = 0; i < n; i++)
        all[i] = json_incref(json_array_get(list, i));
    qsort(all, n, sizeof *all, by_number);
    for (size_t i = 0; i < n; i++)
        (void)json_array_set_new(list, i, all[i]);
    free(all);
}

static void show(struct visit *v)
{
    struct html h;
    size_t i;
    const json_t *f;
    const size_t n = json_array_size(v->gathered);
    struct nhsuk_table t = {.h = &h,
                            .caption = "To look at",
                            .columns = {"Child", "Plan", "What", "What to do", "Open"},
                            .count = 5};
    sort(v->gathered);
    frame_open(&h, v, TITLE, "/quality");
    frame_title(&h, TITLE);
    html_elementf(&h, "p", NULL, "%s%zu to look at, of %llu children.",
                  n > LISTED_MAX ? "Over " : "", n > LISTED_MAX ? LISTED_MAX : n,
                  (unsigned long long)v->count);
    nhsuk_paragraph(&h, "Nothing is changed by this list, and nothing in it hides a child.");
    if (v->p->conf.has_traced)
        nhsuk_paragraph(&h, "The list of traced numbers is not looked at here: only `cpis flags "
                            "check` compares children with it.");
    if (n > 0) nhsuk_table_open(&t);
    json_array_foreach(v->gathered, i, f)
    {
        if (i < LISTED_MAX) row(&t, v, f);
    }
    if (n > 0) nhsuk_table_close(&t);
    frame_close(&h, v);
    visit_page(v, &h, 200);
}

static void checked(struct visit *v, cpis_err err, json_t *reply, const char *why)
{
    size_t i;
    const json_t *child;
    const char *next = page_text(reply, "next");
    if (err != CPIS_OK) {
        visit_down(v, err, why);
        return;
    }
    json_array_foreach(json_object_get(reply, "flags"), i, child) { take_child(v, child); }
    if (next[0] == '\0')
        show(v);
    else
        visit_ask(v, "flags_list", json_pack("{s:s,s:i}", "after", next, "limit", AT_ONCE),
                  checked);
}

void page_quality(struct visit *v)
{
    v->gathered = json_array();
    v->found = json_object();
    visit_ask(v, "flags_list", json_pack("{s:i}", "limit", AT_ONCE), checked);
}
