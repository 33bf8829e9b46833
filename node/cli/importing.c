#include "node/cli/importing.h"

#include <string.h>

const char *const importing_outcomes[OUTCOME_TOO_MANY + 1] = {
    [OUTCOME_ADDED] = "added",         [OUTCOME_ENDED] = "ended",
    [OUTCOME_REOPENED] = "reopened",   [OUTCOME_UPDATED] = "updated",
    [OUTCOME_UNCHANGED] = "unchanged", [OUTCOME_DELETED] = "deleted",
    [OUTCOME_NOT_FOUND] = "not_found", [OUTCOME_TOO_MANY] = "too_many"};

/* --- the report --- */

static json_t *failed_json(const struct import_report *r)
{
    json_t *list = json_array();
    for (size_t i = 0; i < r->list_count; i++) {
        const struct import_failed *f = &r->list[i];
        json_t *field = f->where[0] != '\0' ? json_string(f->where) : json_null();
        (void)json_array_append_new(
            list,
            json_pack("{s:I,s:I,s:s,s:s,s:o,s:s}", "row", (json_int_t)f->record, "line",
                      (json_int_t)f->line, "code", feed_code(f->fault), "detail",
                      feed_detail(f->fault), "field", field, "reason", feed_reason(f->fault)));
    }
    return list;
}

static json_t *notes_json(const struct import_report *r)
{
    json_t *list = json_array();
    for (size_t i = 0; i < r->notes_count; i++) {
        const struct import_note *n = &r->notes[i];
        json_t *o = json_pack("{s:s}", "note", import_note_text(n->kind));
        if (n->record != 0) {
            (void)json_object_set_new(o, "row", json_integer((json_int_t)n->record));
            (void)json_object_set_new(o, "line", json_integer((json_int_t)n->line));
        }
        (void)json_array_append_new(list, o);
    }
    return list;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

void importing_report_json(const struct importing *x)
{
    const struct import_report *r = import_report(x->import);
    uint32_t dropped, open;
    json_t *o = json_pack("{s:s,s:s,s:{s:I,s:I,s:I},s:o,s:o}", "file", base_name(x->c->args[0]),
                          "file_code", import_file_code(r), "rows", "read",
                          (json_int_t)r->file.read, "ok", (json_int_t)r->ok, "failed",
                          (json_int_t)r->failed, "failed", failed_json(r), "notes", notes_json(r));
    if (o == NULL) return;
    bool upload = r->file.format == FEED_UPLOAD;
    (void)json_object_set_new(o, "format", json_string(upload ? "upload" : "csv"));
    if (r->file.sequence != 0)
        (void)json_object_set_new(o, "sequence", json_integer((json_int_t)r->file.sequence));
    if (r->file.fault != FEED_FILE_GOOD) {
        (void)json_object_set_new(o, "reason", json_string(feed_file_reason(r->file.fault)));
        (void)json_object_set_new(o, "line", json_integer((json_int_t)r->file.line));
        (void)json_object_set_new(o, "column", json_string(r->file.where));
    }
    json_t *counts = json_object();
    for (unsigned i = OUTCOME_ADDED; i <= OUTCOME_TOO_MANY; i++)
        (void)json_object_set_new(counts, importing_outcomes[i],
                                  json_integer((json_int_t)r->outcomes[i]));
    (void)json_object_set_new(counts, "ended_as_missing", json_integer((json_int_t)r->endings));
    (void)json_object_set_new(o, x->dry_run ? "would" : "changes", counts);
    if (x->dry_run) {
        bool asks = import_shrink(x->import, &dropped, &open);
        (void)json_object_set_new(o, "open",
                                  json_pack("{s:I,s:I,s:b}", "held", (json_int_t)open, "dropped",
                                            (json_int_t)dropped, "needs_confirm_shrink", asks));
        (void)json_object_set_new(o, "list", json_incref(x->list));
    }
    cli_print_json(o);
}

static void print_records(const struct import_report *r)
{
    const char *what = r->file.format == FEED_UPLOAD ? "record" : "row";
    for (size_t i = 0; i < r->list_count; i++)
        (void)printf("  %s %u (line %u): %s %s%s%s\n", what, r->list[i].record, r->list[i].line,
                     feed_code(r->list[i].fault), r->list[i].where,
                     r->list[i].where[0] != '\0' ? ": " : "", feed_reason(r->list[i].fault));
    for (size_t i = 0; i < r->notes_count; i++)
        if (r->notes[i].record != 0)
            (void)printf("  %s %u (line %u): note: %s\n", what, r->notes[i].record,
                         r->notes[i].line, import_note_text(r->notes[i].kind));
        else
            (void)printf("  note: %s\n", import_note_text(r->notes[i].kind));
}

void importing_report(const struct importing *x)
{
    const struct import_report *r = import_report(x->import);
    const char *would = x->dry_run ? "would be " : "";
    size_t i;
    const json_t *one;
    (void)printf("%s  %s: %u %s, %u ok, %u failed\n", import_file_code(r), base_name(x->c->args[0]),
                 r->file.read, r->file.format == FEED_UPLOAD ? "records" : "rows", r->ok,
                 r->failed);
    if (r->file.fault != FEED_FILE_GOOD) {
        if (r->file.line > 0) (void)printf("  line %u:", r->file.line);
        (void)printf("  %s%s%s\n", feed_file_reason(r->file.fault),
                     r->file.where[0] != '\0' ? ": " : "", r->file.where);
        if (r->file.fault == FEED_FILE_SEQUENCE_TAKEN || r->file.fault == FEED_FILE_SEQUENCE_LOWER)
            (void)printf("  if this file is right, an officer takes it with --accept-sequence\n");
        return;
    }
    (void)printf("  %sadded %u, ended %u (of them %u missing in the file), reopened %u, updated "
                 "%u, deleted %u, unchanged %u\n",
                 would, r->outcomes[OUTCOME_ADDED], r->outcomes[OUTCOME_ENDED], r->endings,
                 r->outcomes[OUTCOME_REOPENED], r->outcomes[OUTCOME_UPDATED],
                 r->outcomes[OUTCOME_DELETED], r->outcomes[OUTCOME_UNCHANGED]);
    json_array_foreach(x->list, i, one)
    {
        char start[CLI_MINUTE_BYTES];
        cli_minute(cli_text(one, "start"), start);
        (void)printf("  %-9s %s %-4s from %s\n", cli_text(one, "outcome"),
                     cli_text(one, "nhs_number"), cli_text(one, "plan"), start);
    }
    print_records(r);
}

/* --- flags diff: a dry run in other words --- */

static const char *difference(const json_t *one)
{
    const char *outcome = cli_text(one, "outcome");
    if (strcmp(outcome, "added") == 0) return "only in the file";
    if (strcmp(outcome, "deleted") == 0) return "held, and deleted in the file";
    if (strcmp(outcome, "not_found") == 0) return NULL;
    return cli_integer(one, "row") == 0 ? "open here, and not in the file" : "differs";
}

static size_t print_differences(const struct importing *x)
{
    size_t i, count = 0;
    const json_t *one;
    json_array_foreach(x->list, i, one)
    {
        const char *what = difference(one), *n = cli_text(one, "nhs_number");
        char start[CLI_MINUTE_BYTES];
        if (what == NULL) continue;
        count++;
        cli_minute(cli_text(one, "start"), start);
        if (cli_has(x->c, "json"))
            cli_print_json(json_pack("{s:s,s:s,s:s,s:s,s:I}", "difference", what, "nhs_number", n,
                                     "plan", cli_text(one, "plan"), "start", start, "row",
                                     (json_int_t)cli_integer(one, "row")));
        else
            (void)printf("%.3s %.3s %s  %-4s from %s: %s\n", n, n + 3, n + 6, cli_text(one, "plan"),
                         start, what);
    }
    return count;
}

/* Rows that can't be read are no agreement. */
int importing_differences(const struct importing *x)
{
    const struct import_report *r = import_report(x->import);
    if (r->file.fault != FEED_FILE_GOOD) {
        importing_report(x);
        return CLI_ERROR;
    }
    const size_t count = print_differences(x);
    if (!cli_has(x->c, "json")) {
        (void)printf("%zu differences; %u of %u rows of the file could be read\n", count, r->ok,
                     r->file.read);
        print_records(r);
    }
    return count > 0 ? CLI_FINDINGS : r->failed > 0 ? CLI_ROWS_SOME : CLI_OK;
}
