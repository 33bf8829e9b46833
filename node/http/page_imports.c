/* Files of plans that came in: the reports that the watched folder wrote (feed/out), and the
 * node's own list of imports. A report's address is a keyed hash of its name, for a file's name is
 * somebody else's. */
#include "node/http/page_int.h"
#include "node/net/folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TITLE            "Imports"
#define SUFFIX           ".report.json"
#define REPORTS_SHOWN    20U
#define REPORTS_MAX      5000U /* looked at, to find the newest */
#define REPORT_BYTES_MAX ((size_t)8 << 20)
#define IMPORTS_SHOWN    50
#define ROWS_ON_A_PAGE   200U
#define REPORT_ID_BYTES  33U

struct report {
    char name[NAME_MAX + 1];
    cpis_ms at; /* wall */
};

static void id_of(const struct visit *v, const char *name, char ret[static REPORT_ID_BYTES])
{
    uint8_t hash[(REPORT_ID_BYTES - 1) / 2];
    (void)crypto_generichash(hash, sizeof hash, (const uint8_t *)name, strlen(name), v->p->key,
                             sizeof v->p->key);
    (void)sodium_bin2hex(ret, REPORT_ID_BYTES, hash, sizeof hash);
}

static bool is_report(const char *name)
{
    const size_t len = strlen(name), end = sizeof SUFFIX - 1;
    return len > end && name[0] != '.' && strcmp(name + len - end, SUFFIX) == 0;
}

static int newest_first(const void *a, const void *b)
{
    const struct report *x = a, *y = b;
    if (x->at != y->at) return x->at < y->at ? 1 : -1;
    return strcmp(x->name, y->name);
}

static DIR *open_reports(const struct visit *v)
{
    char path[PATH_MAX];
    if (folder_path(v->p->conf.dir, "feed/out", sizeof path, path) != CPIS_OK) return NULL;
    return opendir(path);
}

/* free(); NULL: none. */
static struct report *list_reports(DIR *d, size_t *ret)
{
    struct report *all = calloc(REPORTS_MAX, sizeof *all);
    const struct dirent *e;
    struct stat st;
    size_t n = 0;
    while (all != NULL && n < REPORTS_MAX && (e = readdir(d)) != NULL) {
        if (!is_report(e->d_name) || fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISREG(st.st_mode))
            continue;
        (void)snprintf(all[n].name, sizeof all[n].name, "%s", e->d_name);
        all[n++].at = (cpis_ms)st.st_mtim.tv_sec * 1000 + (cpis_ms)st.st_mtim.tv_nsec / 1000000;
    }
    if (all != NULL) qsort(all, n, sizeof *all, newest_first);
    *ret = n;
    return all;
}

/* json_decref(); NULL: it can't be read, or it is none. */
static json_t *read_report(DIR *d, const char *name)
{
    struct stat st;
    json_t *o = NULL;
    const int fd = openat(dirfd(d), name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
    if (f == NULL && fd >= 0) (void)close(fd);
    if (f != NULL && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
        (uint64_t)st.st_size <= REPORT_BYTES_MAX)
        o = json_loadf(f, JSON_REJECT_DUPLICATES, NULL);
    if (f != NULL) (void)fclose(f);
    if (json_is_object(o)) return o;
    json_decref(o);
    return NULL;
}

static const char *code_text(const char *code)
{
    static const char *const texts[][2] = {{"CPF01", "damaged: nothing was changed"},
                                           {"CPF02", "all taken in"},
                                           {"CPF03", "taken in, but some rows failed"},
                                           {"CPF04", "nothing was changed"}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (strcmp(texts[i][0], code) == 0) return texts[i][1];
    return "not read to its end";
}

static void code_tag(struct html *h, const char *code)
{
    const char *colour = strcmp(code, "CPF02") == 0   ? "green"
                         : strcmp(code, "CPF03") == 0 ? "yellow"
                                                      : "red";
    nhsuk_tag(h, colour, code[0] != '\0' ? code : "no report");
    html_textf(h, " %s", code_text(code));
}

/* --- the list --- */

static void report_row(struct nhsuk_table *t, const struct visit *v, DIR *d, const struct report *r)
{
    struct html *h = t->h;
    char when[WALL_LONDON_BYTES], id[REPORT_ID_BYTES];
    json_t *o = read_report(d, r->name);
    const json_t *rows = json_object_get(o, "rows");
    id_of(v, r->name, id);
    wall_format_london(r->at, when);
    nhsuk_row_open(t);
    nhsuk_cell_open(t);
    html_open(h, "a");
    html_attrf(h, "href", "/imports/%s", id);
    html_textf(h, "%.*s", (int)(strlen(r->name) - (sizeof SUFFIX - 1)), r->name);
    html_close(h, "a");
    nhsuk_cell_close(t);
    nhsuk_cell(t, when);
    nhsuk_cell_open(t);
    code_tag(h, page_text(o, "file_code"));
    nhsuk_cell_close(t);
    nhsuk_cell_open(t);
    html_textf(h, "%llu read, %llu failed", (unsigned long long)page_number(rows, "read"),
               (unsigned long long)page_number(rows, "failed"));
    nhsuk_cell_close(t);
    nhsuk_row_close(t);
    json_decref(o);
}

static void reports(struct html *h, const struct visit *v)
{
    size_t n = 0;
    DIR *d = open_reports(v);
    struct report *all = d == NULL ? NULL : list_reports(d, &n);
    struct nhsuk_table t = {.h = h,
                            .caption = "Files from the watched folder",
                            .columns = {"File", "Taken (London time)", "Result", "Rows"},
                            .count = 4};
    if (n == 0) {
        nhsuk_paragraph(h, "No file has come through the watched folder, feed/in.");
    } else {
        nhsuk_table_open(&t);
        for (size_t i = 0; i < n && i < REPORTS_SHOWN; i++)
            report_row(&t, v, d, &all[i]);
        nhsuk_table_close(&t);
        if (n > REPORTS_SHOWN)
            html_elementf(h, "p", NULL, "The newest %u of %zu; all of them lie in feed/out.",
                          REPORTS_SHOWN, n);
    }
    free(all);
    if (d != NULL) (void)closedir(d);
}

static void import_row(struct nhsuk_table *t, const json_t *m)
{
    char when[WALL_LONDON_BYTES];
    const char *state = page_true(m, "undone")     ? "taken back"
                        : page_true(m, "finished") ? "finished"
                                                   : "stopped before its end: send the file again";
    nhsuk_row_open(t);
    nhsuk_cell_open(t);
    html_textf(t->h, "%llu", (unsigned long long)page_number(m, "id"));
    nhsuk_cell_close(t);
    nhsuk_cell(t, page_when(page_text(m, "started"), when));
    nhsuk_cell_open(t);
    html_textf(t->h, "%llu of %llu", (unsigned long long)page_number(m, "applied_rows"),
               (unsigned long long)page_number(m, "rows"));
    nhsuk_cell_close(t);
    nhsuk_cell_open(t);
    if (page_number(m, "sequence") > 0)
        html_textf(t->h, "upload number %llu", (unsigned long long)page_number(m, "sequence"));
    else
        html_text(t->h, page_true(m, "snapshot") ? "snapshot: all there is" : "what has changed");
    nhsuk_cell_close(t);
    nhsuk_cell(t, state);
    nhsuk_row_close(t);
}

static void listed(struct visit *v, cpis_err err, json_t *reply, const char *why)
{
    struct html h;
    size_t i;
    const json_t *m, *all = json_object_get(reply, "imports");
    struct nhsuk_table t = {.h = &h,
                            .caption = "All imports, also by command",
                            .columns = {"Number", "Started (London time)", "Rows", "Kind", "State"},
                            .count = 5};
    if (err != CPIS_OK) {
        visit_down(v, err, why);
        return;
    }
    frame_open(&h, v, TITLE, "/imports");
    frame_title(&h, TITLE);
    reports(&h, v);
    if (json_array_size(all) > 0) nhsuk_table_open(&t);
    json_array_foreach(all, i, m) { import_row(&t, m); }
    if (json_array_size(all) > 0) nhsuk_table_close(&t);
    frame_close(&h, v);
    visit_page(v, &h, 200);
}

void page_imports(struct visit *v)
{
    visit_ask(v, "imports", json_pack("{s:i}", "limit", IMPORTS_SHOWN), listed);
}

/* --- one report --- */

static void failed_rows(struct html *h, const json_t *all, size_t from)
{
    const json_t *f;
    struct nhsuk_table t = {.h = h,
                            .caption = "Rows that failed",
                            .columns = {"Row", "Line", "Where", "Code", "What to correct"},
                            .count = 5};
    if (from >= json_array_size(all)) return;
    nhsuk_table_open(&t);
    for (size_t i = from; i < from + ROWS_ON_A_PAGE && i < json_array_size(all); i++) {
        f = json_array_get(all, i);
        nhsuk_row_open(&t);
        nhsuk_cell_open(&t);
        html_textf(h, "%llu", (unsigned long long)page_number(f, "row"));
        nhsuk_cell_close(&t);
        nhsuk_cell_open(&t);
        html_textf(h, "%llu", (unsigned long long)page_number(f, "line"));
        nhsuk_cell_close(&t);
        nhsuk_cell(&t, page_text(f, "field"));
        nhsuk_cell_open(&t);
        html_textf(h, "%s %s", page_text(f, "code"), page_text(f, "detail"));
        nhsuk_cell_close(&t);
        nhsuk_cell(&t, page_text(f, "reason"));
        nhsuk_row_close(&t);
    }
    nhsuk_table_close(&t);
}

static void notes(struct html *h, const json_t *all)
{
    size_t i;
    const json_t *n;
    if (json_array_size(all) == 0) return;
    nhsuk_heading(h, 2, "m", NULL, "Notes");
    html_open_class(h, "ul", "nhsuk-list nhsuk-list--bullet");
    json_array_foreach(all, i, n)
    {
        if (i >= ROWS_ON_A_PAGE) break;
        html_open(h, "li");
        if (page_number(n, "row") > 0)
            html_textf(h, "Row %llu: ", (unsigned long long)page_number(n, "row"));
        html_text(h, page_text(n, "note"));
        html_close(h, "li");
    }
    html_close(h, "ul");
}

static void changes(struct html *h, const json_t *o)
{
    static const char *const words[][2] = {{"added", "Added"},
                                           {"updated", "Updated"},
                                           {"ended", "Ended"},
                                           {"reopened", "Opened again"},
                                           {"deleted", "Taken away"},
                                           {"unchanged", "As it was"},
                                           {"ended_as_missing", "Ended because it was missing"}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (!json_is_integer(json_object_get(o, words[i][0]))) continue;
        nhsuk_summary_row_open(h, words[i][1]);
        html_textf(h, "%llu", (unsigned long long)page_number(o, words[i][0]));
        nhsuk_summary_row_close(h);
    }
}

static void whole_file(struct html *h, const json_t *o, const struct report *r)
{
    char when[WALL_LONDON_BYTES];
    const json_t *rows = json_object_get(o, "rows");
    wall_format_london(r->at, when);
    nhsuk_summary_open(h);
    nhsuk_summary_row_open(h, "Result");
    code_tag(h, page_text(o, "file_code"));
    nhsuk_summary_row_close(h);
    nhsuk_summary_row(h, "Why", page_text(o, "reason"));
    nhsuk_summary_row(h, "Taken (London time)", when);
    nhsuk_summary_row_open(h, "Rows");
    html_textf(h, "%llu read, %llu right, %llu failed",
               (unsigned long long)page_number(rows, "read"),
               (unsigned long long)page_number(rows, "ok"),
               (unsigned long long)page_number(rows, "failed"));
    nhsuk_summary_row_close(h);
    changes(h, json_object_get(o, "changes"));
    nhsuk_summary_close(h);
}

static void report_page(struct visit *v, DIR *d, const struct report *r)
{
    struct html h;
    char path[PAGE_REST_BYTES + 48], first[PAGE_REST_BYTES + 48];
    const size_t asked = (size_t)page_whole(request_query(v->r, "from", 0));
    const size_t from = asked - asked % ROWS_ON_A_PAGE;
    json_t *o = read_report(d, r->name);
    const json_t *failed = json_object_get(o, "failed");
    frame_open(&h, v, "Report of an import", "/imports");
    html_link(&h, "nhsuk-back-link", "/imports", "Back to the imports");
    html_elementf(&h, "h1", "nhsuk-heading-l", "%.*s", (int)(strlen(r->name) - (sizeof SUFFIX - 1)),
                  r->name);
    whole_file(&h, o, r);
    failed_rows(&h, failed, from);
    (void)snprintf(path, sizeof path, "/imports/%s?from=%zu", v->rest, from + ROWS_ON_A_PAGE);
    (void)snprintf(first, sizeof first, "/imports/%s?from=%zu", v->rest,
                   from < ROWS_ON_A_PAGE ? 0 : from - ROWS_ON_A_PAGE);
    nhsuk_pagination(&h, from > 0 ? first : NULL,
                     from + ROWS_ON_A_PAGE < json_array_size(failed) ? path : NULL);
    notes(&h, json_object_get(o, "notes"));
    frame_close(&h, v);
    json_decref(o);
    visit_page(v, &h, 200);
}

void page_import_report(struct visit *v)
{
    char id[REPORT_ID_BYTES];
    size_t n = 0, i = 0;
    DIR *d = open_reports(v);
    struct report *all = d == NULL ? NULL : list_reports(d, &n);
    for (; i < n; i++) {
        id_of(v, all[i].name, id);
        if (strcmp(id, v->rest) == 0) break;
    }
    if (i < n)
        report_page(v, d, &all[i]);
    else
        visit_fault(v, 404, "There is no such report",
                    "It was moved away, or this page was loaded before the node was started anew.",
                    "Open it from the list of imports.");
    free(all);
    if (d != NULL) (void)closedir(d);
}
