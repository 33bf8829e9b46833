/* Files of plans that came in: the reports that the watched folder wrote (feed/out), and the
 * node's own list of imports. A report's address is a keyed hash of its name, for a file's name is
 * somebody else's. */
#include "node/feed/watch.h"
#include "node/http/page_int.h"
#include "node/net/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TITLE           "Imports"
#define SUFFIX          ".report.json"
#define REPORTS_SHOWN   20U
#define IMPORTS_SHOWN   50
#define ROWS_ON_A_PAGE  200U
#define REPORT_ID_BYTES 33U

struct report {
    char name[NAME_MAX + 1];
    cpis_ms at; /* wall */
};
struct newest {
    struct report at[REPORTS_SHOWN]; /* the newest first */
    size_t count, total;             /* of these, of all there are */
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

static bool is_newer(const struct report *x, const struct report *y)
{
    return x->at != y->at ? x->at > y->at : strcmp(x->name, y->name) < 0;
}

/* CPIS_E_NOTFOUND: there is no such folder, so that no file has come. CPIS_E_IO: it can't be read.
 */
static cpis_err open_reports(const struct visit *v, DIR **ret)
{
    char path[PATH_MAX];
    *ret = NULL;
    if (folder_path(v->p->conf.dir, FOLDER_FEED_OUT, sizeof path, path) != CPIS_OK)
        return CPIS_E_IO;
    *ret = opendir(path);
    if (*ret != NULL) return CPIS_OK;
    return errno == ENOENT ? CPIS_E_NOTFOUND : CPIS_E_IO;
}

/* In the folder's order. CPIS_E_NOTFOUND: there are no more. CPIS_E_IO. */
static cpis_err next_report(DIR *d, struct report *ret)
{
    struct stat st;
    for (;;) {
        errno = 0;
        const struct dirent *e = readdir(d);
        if (e == NULL) return errno == 0 ? CPIS_E_NOTFOUND : CPIS_E_IO;
        if (!is_report(e->d_name)) continue;
        if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
            if (errno != ENOENT) return CPIS_E_IO;
            continue; /* moved away just now */
        }
        if (!S_ISREG(st.st_mode)) continue;
        (void)snprintf(ret->name, sizeof ret->name, "%s", e->d_name);
        ret->at = (cpis_ms)st.st_mtim.tv_sec * 1000 + (cpis_ms)st.st_mtim.tv_nsec / 1000000;
        return CPIS_OK;
    }
}

static void keep_newest(struct newest *n, const struct report *r)
{
    n->total++;
    if (n->count < REPORTS_SHOWN)
        n->count++;
    else if (!is_newer(r, &n->at[n->count - 1]))
        return;
    size_t i = n->count - 1;
    for (; i > 0 && is_newer(r, &n->at[i - 1]); i--)
        n->at[i] = n->at[i - 1];
    n->at[i] = *r;
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
        (uint64_t)st.st_size <= WATCH_REPORT_BYTES_MAX)
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

/* of: NULL: the report can't be read, so that nothing is known of the file. */
static void result(struct html *h, const json_t *of)
{
    if (of != NULL) {
        code_tag(h, page_text(of, "file_code"));
        return;
    }
    nhsuk_tag(h, "red", "not known");
    html_text(h, " the report can't be read: it lies in feed/out");
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
    result(h, o);
    nhsuk_cell_close(t);
    nhsuk_cell_open(t);
    if (json_is_object(rows))
        html_textf(h, "%llu read, %llu failed", (unsigned long long)page_number(rows, "read"),
                   (unsigned long long)page_number(rows, "failed"));
    else
        html_text(h, "-");
    nhsuk_cell_close(t);
    nhsuk_row_close(t);
    json_decref(o);
}

static void reports_table(struct html *h, const struct visit *v, DIR *d, const struct newest *n)
{
    struct nhsuk_table t = {.h = h,
                            .caption = "Files from the watched folder",
                            .columns = {"File", "Taken (London time)", "Result", "Rows"},
                            .count = 4};
    nhsuk_table_open(&t);
    for (size_t i = 0; i < n->count; i++)
        report_row(&t, v, d, &n->at[i]);
    nhsuk_table_close(&t);
    if (n->total > n->count)
        html_elementf(h, "p", NULL, "The newest %zu of %zu; all of them lie in feed/out.", n->count,
                      n->total);
}

static void reports(struct html *h, const struct visit *v)
{
    struct newest n = {.count = 0};
    struct report r;
    DIR *d;
    cpis_err err = open_reports(v, &d);
    if (err == CPIS_OK)
        while ((err = next_report(d, &r)) == CPIS_OK)
            keep_newest(&n, &r);
    if (err == CPIS_E_IO) {
        nhsuk_warning_open(h, "The reports can't be read");
        html_element(h, "p", NULL,
                     "They lie in feed/out. Ask whoever runs this node: is that folder there, and "
                     "may the node's user read it?");
        nhsuk_warning_close(h);
    } else if (n.total == 0) {
        nhsuk_paragraph(h, "No file has come through the watched folder, feed/in.");
    }
    if (n.total > 0) reports_table(h, v, d, &n);
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
    if (o == NULL) {
        visit_fault(v, 500, "This report can't be read", "It lies in feed/out.",
                    "Ask whoever runs this node: may its user read the file, and is it whole?");
        return;
    }
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
    char id[REPORT_ID_BYTES] = "";
    struct report r;
    DIR *d;
    cpis_err err = open_reports(v, &d);
    while (err == CPIS_OK && strcmp(id, v->rest) != 0)
        if ((err = next_report(d, &r)) == CPIS_OK) id_of(v, r.name, id);
    if (err == CPIS_OK)
        report_page(v, d, &r);
    else if (err == CPIS_E_IO)
        visit_fault(v, 500, "The reports can't be read", "They lie in feed/out.",
                    "Ask whoever runs this node: is that folder there, and may its user read it?");
    else
        visit_fault(v, 404, "There is no such report",
                    "It was moved away, or this page was loaded before the node was started anew.",
                    "Open it from the list of imports.");
    if (d != NULL) (void)closedir(d);
}
