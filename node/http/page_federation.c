/* The federation at a glance: how fresh every authority's list is, whether enough directories are
 * there, what waits, what is wrong, how long the register holds. A node that is no directory sees
 * its own part of it. */
#include "node/http/page_int.h"

#include <stdio.h>
#include <string.h>

/* --- figures --- */

static void figure_open(struct html *h, const char *what, const char *value)
{
    html_open(h, "li");
    html_element(h, "h2", "nhsuk-heading-xs", what);
    html_element(h, "strong", NULL, value);
}

static bool is_role(const json_t *peer, const char *role)
{
    return strcmp(page_text(peer, "role"), role) == 0;
}

static void figure_quorum(struct html *h, const json_t *s)
{
    const json_t *epoch = json_object_get(s, "epoch");
    const uint64_t there = page_number(epoch, "reachable"), needed = page_number(epoch, "t");
    char value[64] = "None";
    if (json_is_object(epoch))
        (void)snprintf(value, sizeof value, "%llu of %llu", (unsigned long long)there,
                       (unsigned long long)page_number(epoch, "n"));
    figure_open(h, "Holders of a key share there", value);
    if (!json_is_object(epoch)) {
        nhsuk_tag(h, "red", "No keys yet");
        html_text(h, " a key ceremony has to be held");
    } else if (there < needed) {
        nhsuk_tag(h, "red", "Too few");
        html_textf(h, " %llu are needed: look-ups are UNKNOWN", (unsigned long long)needed);
    } else {
        nhsuk_tag(h, "green", "Enough");
        html_textf(h, " %llu are needed", (unsigned long long)needed);
    }
    html_close(h, "li");
}

static void figure_register(struct html *h, const json_t *s)
{
    const json_t *r = json_object_get(s, "register");
    const char *trust = page_text(r, "trust");
    const cpis_ms now = page_ms(page_text(s, "time")), ends = page_ms(page_text(r, "expires"));
    char value[48], when[WALL_LONDON_BYTES], age[PAGE_AGE_BYTES];
    (void)snprintf(value, sizeof value, "Version %llu",
                   (unsigned long long)page_number(r, "version"));
    figure_open(h, "Register", value);
    if (strcmp(trust, "fresh") != 0) {
        nhsuk_tag(h, "red", strcmp(trust, "stale") == 0 ? "Not trusted" : "Not confirmed");
        html_text(h, " look-ups are UNKNOWN or will be. ");
    }
    page_when(page_text(r, "expires"), when);
    if (ends <= now) {
        nhsuk_tag(h, "red", "Expired");
        html_textf(h, " on %s", when);
    } else {
        if (ends - now < 10 * CPIS_MS_DAY) {
            nhsuk_tag(h, "yellow", "Ends soon");
            html_text(h, " ");
        }
        html_textf(h, "expires %s, in %s", when, page_age(ends - now, age));
    }
    html_close(h, "li");
}

static void figure_copies(struct html *h, const json_t *s)
{
    const json_t *d = json_object_get(s, "directory");
    const cpis_ms now = page_ms(page_text(s, "time"));
    const cpis_ms oldest = page_ms(page_text(d, "copies_oldest"));
    const uint64_t waiting = page_number(d, "copies_waiting");
    char value[24], age[PAGE_AGE_BYTES];
    if (d == NULL) return;
    (void)snprintf(value, sizeof value, "%llu", (unsigned long long)waiting);
    figure_open(h, "Notifications that wait here", value);
    if (waiting == 0)
        html_text(h, "every authority has what is for it");
    else
        html_textf(h, "the oldest for %s: its authority is not there",
                   page_age(oldest > 0 && oldest < now ? now - oldest : 0, age));
    html_close(h, "li");
}

static void figure_alarms(struct html *h, const json_t *s)
{
    const size_t n = json_array_size(json_object_get(s, "alarms"));
    char value[24];
    (void)snprintf(value, sizeof value, "%zu", n);
    figure_open(h, "Alarms since the start", value);
    nhsuk_tag(h, n == 0 ? "green" : "red", n == 0 ? "None" : "See below");
    html_close(h, "li");
}

/* --- authorities --- */

static const json_t *list_of(const json_t *s, const char *code)
{
    size_t i;
    const json_t *l, *found = NULL;
    json_array_foreach(json_object_get(json_object_get(s, "directory"), "lists"), i, l)
    {
        if (strcmp(page_text(json_object_get(l, "authority"), "code"), code) != 0) continue;
        if (found == NULL || page_number(l, "epoch") > page_number(found, "epoch")) found = l;
    }
    return found;
}

enum freshness page_freshness(const json_t *s, const json_t *l)
{
    const cpis_ms now = page_ms(page_text(s, "time")), time = page_ms(page_text(l, "time"));
    const cpis_ms limit = page_number(json_object_get(s, "register"), "head_age_ms");
    const cpis_ms age = time < now ? now - time : 0;
    if (l == NULL) return FRESHNESS_NONE;
    if (limit > 0 && age > limit) return FRESHNESS_TOO_OLD;
    if (!page_true(l, "in_state")) return FRESHNESS_NOT_SEARCHED;
    return limit > 0 && age > limit / 2 ? FRESHNESS_OLD : FRESHNESS_FRESH;
}

static void freshness(struct nhsuk_table *t, const json_t *s, const json_t *peer, const json_t *l)
{
    const cpis_ms now = page_ms(page_text(s, "time")), time = page_ms(page_text(l, "time"));
    const bool joining = strcmp(page_text(peer, "state"), "joining") == 0;
    char age[PAGE_AGE_BYTES];
    page_age(time < now ? now - time : 0, age);
    nhsuk_cell_open(t);
    switch (page_freshness(s, l)) {
    case FRESHNESS_NONE:
        nhsuk_tag(t->h, joining ? "grey" : "red", "No list");
        html_text(t->h, joining ? " not counted yet" : " look-ups are INCOMPLETE");
        break;
    case FRESHNESS_TOO_OLD:
        nhsuk_tag(t->h, "red", "Too old");
        html_textf(t->h, " %s: look-ups are INCOMPLETE", age);
        break;
    case FRESHNESS_NOT_SEARCHED: nhsuk_tag(t->h, "yellow", "Not searched"); break;
    case FRESHNESS_OLD:
        nhsuk_tag(t->h, "yellow", "Getting old");
        html_textf(t->h, " %s", age);
        break;
    case FRESHNESS_FRESH:
        nhsuk_tag(t->h, "green", "Fresh");
        html_textf(t->h, " %s", age);
        break;
    }
    nhsuk_cell_close(t);
}

static void connection(struct nhsuk_table *t, const json_t *peer)
{
    char age[PAGE_AGE_BYTES];
    nhsuk_cell_open(t);
    if (page_true(peer, "twice")) {
        nhsuk_tag(t->h, "red", "Connected twice");
        html_text(t->h, " ");
    }
    nhsuk_tag(t->h, page_true(peer, "reachable") ? "green" : "red",
              page_true(peer, "reachable") ? "There" : "Not there");
    if (json_is_integer(json_object_get(peer, "heard_ago_ms")))
        html_textf(t->h, " heard %s ago", page_age(page_number(peer, "heard_ago_ms"), age));
    else
        html_text(t->h, " never heard since the start");
    nhsuk_cell_close(t);
}

static void peer_name(struct nhsuk_table *t, const json_t *peer)
{
    nhsuk_cell_open(t);
    page_organisation(t->h, peer);
    nhsuk_cell_close(t);
}

static bool is_well(const json_t *s, const json_t *peer)
{
    return page_true(peer, "reachable") && !page_true(peer, "twice") &&
           page_freshness(s, list_of(s, page_text(peer, "code"))) == FRESHNESS_FRESH;
}

static void authority_row(struct nhsuk_table *t, const json_t *s, const json_t *p)
{
    char when[WALL_LONDON_BYTES];
    const json_t *l = list_of(s, page_text(p, "code"));
    nhsuk_row_open(t);
    peer_name(t, p);
    nhsuk_cell(t, page_text(p, "state"));
    freshness(t, s, p, l);
    nhsuk_cell(t, page_when(page_text(l, "time"), when));
    connection(t, p);
    nhsuk_row_close(t);
}

/* Those that somebody has to ring come first. */
static void authorities(struct html *h, const json_t *s)
{
    size_t i;
    const json_t *p;
    struct nhsuk_table t = {.h = h,
                            .caption = "Authorities",
                            .columns = {"Authority", "In the register", "Freshness",
                                        "List of (London time)", "Connection"},
                            .count = 5};
    if (json_object_get(s, "directory") == NULL) return;
    nhsuk_table_open(&t);
    for (unsigned well = 0; well < 2; well++)
        json_array_foreach(json_object_get(s, "peers"), i, p)
        {
            if (is_role(p, "authority") && is_well(s, p) == (well == 1)) authority_row(&t, s, p);
        }
    nhsuk_table_close(&t);
}

static void figure_authorities(struct html *h, const json_t *s)
{
    size_t i, active = 0, fresh = 0;
    const json_t *p;
    char value[64];
    if (json_object_get(s, "directory") == NULL) return;
    json_array_foreach(json_object_get(s, "peers"), i, p)
    {
        if (!is_role(p, "authority") || strcmp(page_text(p, "state"), "active") != 0) continue;
        active++;
        fresh += page_freshness(s, list_of(s, page_text(p, "code"))) == FRESHNESS_FRESH;
    }
    (void)snprintf(value, sizeof value, "%zu of %zu", fresh, active);
    figure_open(h, "Active authorities with a fresh list", value);
    nhsuk_tag(h, fresh == active ? "green" : "red", fresh == active ? "All" : "Not all");
    html_close(h, "li");
}

static void peers(struct html *h, const json_t *s, const char *role, const char *caption)
{
    size_t i, n = 0;
    const json_t *p;
    struct nhsuk_table t = {.h = h,
                            .caption = caption,
                            .columns = {"Node", "In the register", "Connection"},
                            .count = 3};
    json_array_foreach(json_object_get(s, "peers"), i, p) n += is_role(p, role);
    if (n == 0) return;
    nhsuk_table_open(&t);
    json_array_foreach(json_object_get(s, "peers"), i, p)
    {
        if (!is_role(p, role)) continue;
        nhsuk_row_open(&t);
        peer_name(&t, p);
        nhsuk_cell(&t, page_text(p, "state"));
        connection(&t, p);
        nhsuk_row_close(&t);
    }
    nhsuk_table_close(&t);
}

static void alarms(struct html *h, const json_t *s)
{
    size_t i;
    const json_t *a, *all = json_object_get(s, "alarms");
    char when[WALL_LONDON_BYTES];
    struct nhsuk_table t = {.h = h,
                            .caption = "Alarms",
                            .columns = {"Event", "What", "Times", "Last (London time)"},
                            .count = 4};
    if (json_array_size(all) == 0) return;
    nhsuk_table_open(&t);
    json_array_foreach(all, i, a)
    {
        nhsuk_row_open(&t);
        nhsuk_cell(&t, page_text(a, "event"));
        nhsuk_cell(&t, page_text(a, "text"));
        nhsuk_cell_open(&t);
        html_textf(h, "%llu", (unsigned long long)page_number(a, "count"));
        nhsuk_cell_close(&t);
        nhsuk_cell(&t, page_when(page_text(a, "last"), when));
        nhsuk_row_close(&t);
    }
    nhsuk_table_close(&t);
    nhsuk_paragraph(h, "What each asks for stands in the handbook, \"Lines of the log, and what to "
                       "do\". `cpis doctor` says what is wrong now.");
}

static void shown(struct visit *v, cpis_err err, json_t *s, const char *why)
{
    struct html h;
    char when[WALL_LONDON_BYTES];
    const char *title = v->p->conf.role == ROLE_DIRECTORY ? "The federation" : "This node";
    if (err != CPIS_OK) {
        visit_down(v, err, why);
        return;
    }
    frame_open(&h, v, title, "/federation");
    frame_title(&h, title);
    frame_live(&h);
    html_open(&h, "div");
    html_attr(&h, "id", "federation");
    html_attr(&h, "data-live", "/live");
    if (!page_true(s, "runs")) {
        nhsuk_warning_open(&h, "The node does not run");
        html_element(&h, "p", NULL, page_text(s, "why_down"));
        nhsuk_warning_close(&h);
    } else {
        html_elementf(&h, "p", NULL, "As this node saw it at %s (London time).",
                      page_when(page_text(s, "time"), when));
        html_open_class(&h, "ul", "cpis-figures");
        figure_quorum(&h, s);
        figure_authorities(&h, s);
        figure_register(&h, s);
        figure_copies(&h, s);
        figure_alarms(&h, s);
        html_close(&h, "ul");
        alarms(&h, s);
        authorities(&h, s);
        peers(&h, s, "directory", "Directories");
        peers(&h, s, "query", "Query nodes");
    }
    html_close(&h, "div");
    frame_close(&h, v);
    visit_page(v, &h, 200);
}

void page_federation(struct visit *v) { visit_ask(v, "status", NULL, shown); }
