/* cpis notifications export: the inbox as a file for a case system or a spreadsheet. */
#include "node/cli/commands.h"
#include "node/feed/notice.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define PAGE        500U
#define LOOKS_BYTES 4096U /* of ids in text; a pattern has 256 at most */

enum format { FORMAT_MESSAGE05 = 1, FORMAT_CSV, FORMAT_JSON };

/* Where an export ends, and the next goes on: "17", or "17.3" once details have come later. */
struct place {
    uint64_t last;      /* id */
    uint64_t completed; /* those up to `last` whose details came later have been told up to here */
};
struct export
{
    enum format format;
    uint64_t limit; /* 0: all there are */
    struct place after, now, newest;
    const char *since, *out;
    json_t *list;
    size_t completed, left_out; /* of the list: told before, without their details */
};

static bool read_place(const struct cli *c, struct place *ret)
{
    const char *text = cli_value(c, "after");
    unsigned long long last = 0, completed = 0;
    char dot = '.', rest;
    if (text == NULL) return true;
    const int n = strspn(text, "0123456789.") == strlen(text) && strlen(text) < 38 &&
                          text[0] >= '0' && text[0] <= '9'
                      ? sscanf(text, "%18llu%c%18llu%c", &last, &dot, &completed, &rest)
                      : 0;
    *ret = (struct place){last, completed};
    if ((n == 1 || n == 3) && dot == '.') return true;
    (void)cli_usage(c, "--after: what the last export has printed, as 17 or 17.3");
    return false;
}

static bool read_options(const struct cli *c, struct export *x)
{
    const char *format = cli_value(c, "format");
    *x = (struct export){.since = cli_value(c, "since"), .out = cli_value(c, "out")};
    if (format != NULL && strcmp(format, "message05") == 0) x->format = FORMAT_MESSAGE05;
    if (format != NULL && strcmp(format, "csv") == 0) x->format = FORMAT_CSV;
    if (format != NULL && strcmp(format, "json") == 0) x->format = FORMAT_JSON;
    if (x->format == 0)
        (void)cli_usage(c, "--format: message05, csv or json");
    else if (x->out == NULL)
        (void)cli_usage(c, "--out: the file to write");
    return x->format != 0 && x->out != NULL && read_place(c, &x->after) &&
           cli_number(c, "limit", 1, 1000000, &x->limit);
}

/* --- from the node --- */

static json_t *page(const struct cli *c, struct control_client *client, const struct export *x,
                    const char *command, uint64_t after)
{
    return cli_call(
        c, client, command,
        json_pack("{s:i,s:I,s:s*}", "limit", PAGE, "after", (json_int_t)after, "since", x->since),
        CLI_TIMEOUT_MS);
}

static bool is_full(const struct export *x)
{
    return x->limit != 0 && json_array_size(x->list) == x->limit;
}

/* What was told before without its details, and has them now. false: that is all of it. */
static bool take_completed(struct export *x, const json_t *r)
{
    size_t i;
    json_t *n;
    json_array_foreach(json_object_get(r, "notifications"), i, n)
    {
        if (is_full(x)) return false;
        if (cli_integer(n, "completion") > x->newest.completed) break; /* next time */
        x->now.completed = cli_integer(n, "completion");
        if (cli_integer(n, "id") > x->after.last) continue; /* it is told for the first time */
        (void)json_array_append(x->list, n);
        x->completed++;
    }
    if (i == PAGE) return true;
    x->now.completed = x->newest.completed; /* also when the last ones are too old for --since */
    return false;
}

/* What has come, or was completed, meanwhile is for the next time. */
static bool take_new(struct export *x, const json_t *r)
{
    size_t i;
    json_t *n;
    json_array_foreach(json_object_get(r, "notifications"), i, n)
    {
        if (is_full(x) || cli_integer(n, "id") > x->newest.last) return false;
        x->now.last = cli_integer(n, "id");
        if (cli_integer(n, "completion") <= x->newest.completed)
            (void)json_array_append(x->list, n);
    }
    if (i == PAGE) return true;
    x->now.last = x->newest.last;
    return false;
}

/* The highest id and completion there are now: further on this export does not go. */
static bool find_newest(const struct cli *c, struct control_client *client, struct export *x)
{
    json_t *completed = page(c, client, x, "notifications_completed", INT64_MAX);
    json_t *r = completed == NULL ? NULL : page(c, client, x, "notifications_list", INT64_MAX);
    const bool ok = r != NULL;
    x->newest = (struct place){cli_integer(r, "newest"), cli_integer(completed, "newest")};
    json_decref(completed);
    json_decref(r);
    if (!ok) return false;
    if (x->after.last <= x->newest.last && x->after.completed <= x->newest.completed) return true;
    (void)cli_fail(c,
                   "--after %llu.%llu: the newest is %llu.%llu, so the node was restored from a "
                   "backup and numbers again: find the last one in the list that was exported, and "
                   "give its number",
                   (unsigned long long)x->after.last, (unsigned long long)x->after.completed,
                   (unsigned long long)x->newest.last, (unsigned long long)x->newest.completed);
    return false;
}

static bool fetch(const struct cli *c, struct export *x)
{
    struct control_client *client = cli_connect(c);
    bool ok = client != NULL && find_newest(c, client, x);
    x->now = x->after;
    for (bool more = ok; ok && more;) {
        json_t *r = page(c, client, x, "notifications_completed", x->now.completed);
        ok = r != NULL;
        more = ok && take_completed(x, r);
        json_decref(r);
    }
    for (bool more = ok; ok && more;) {
        json_t *r = page(c, client, x, "notifications_list", x->now.last);
        ok = r != NULL;
        more = ok && take_new(x, r);
        json_decref(r);
    }
    control_close(&client);
    return ok;
}

/* --- to the file --- */

static enum notice_kind kind_of(const json_t *n)
{
    const char *kind = cli_text(n, "kind");
    if (strcmp(kind, "not-brought") == 0) return NOTICE_NOT_BROUGHT;
    if (strcmp(kind, "pattern") == 0) return NOTICE_PATTERN;
    return strcmp(kind, "test") == 0 ? NOTICE_TEST : NOTICE_ACCESS;
}

static char *looks_text(const json_t *n)
{
    size_t i, at = 0;
    const json_t *look;
    char *text = calloc(1, LOOKS_BYTES);
    json_array_foreach(json_object_get(n, "looks"), i, look)
    {
        if (text == NULL || at + 24 > LOOKS_BYTES) break;
        at += (size_t)snprintf(text + at, LOOKS_BYTES - at, "%s%llu", i > 0 ? " " : "",
                               (unsigned long long)cli_integer(look, "id"));
    }
    return text;
}

/* false: out of memory. looks is the caller's. */
static bool notice_of(const json_t *n, struct notice *ret)
{
    *ret = (struct notice){.id = cli_integer(n, "id"),
                           .kind = kind_of(n),
                           .nhs_number = cli_text(n, "nhs_number"),
                           .local_id = cli_text(n, "local_id"),
                           .at = cli_iso(cli_text(n, "at")),
                           .received = cli_iso(cli_text(n, "received")),
                           .who = cli_text(n, "who"),
                           .user_id = cli_text(n, "user_id"),
                           .device_id = cli_text(n, "device_id"),
                           .role = cli_text(n, "role"),
                           .role_code = cli_text(n, "role_code"),
                           .organisation = cli_text(n, "organisation"),
                           .organisation_code = cli_text(n, "organisation_code"),
                           .setting = cli_text(n, "setting"),
                           .complete = json_is_true(json_object_get(n, "complete")),
                           .state = cli_text(n, "state"),
                           .seen_by = cli_text(n, "seen_by"),
                           .seen_at = cli_iso(cli_text(n, "seen_at")),
                           .actioned_by = cli_text(n, "actioned_by"),
                           .actioned_at = cli_iso(cli_text(n, "actioned_at")),
                           .escalated = cli_iso(cli_text(n, "escalated")),
                           .import_id = cli_integer(n, "import"),
                           .looks = looks_text(n)};
    char id[2 * HL7_UUID_BYTES + 1];
    (void)snprintf(id, sizeof id, "%.32s", cli_text(n, "lookup"));
    if (!cli_unhex(id, ret->query, sizeof ret->query)) /* a test: of no lookup */
        for (size_t i = 0; i < 8; i++)
            ret->query[15 - i] = (uint8_t)(ret->id >> (8 * i));
    return ret->looks != NULL;
}

static bool write_notices(const struct cli *c, struct export *x, FILE *to)
{
    struct notice_batch b = {.head = {.made = cli_wall()}, .count = json_array_size(x->list)};
    struct notice *all = calloc(b.count + 1, sizeof *all);
    json_t *status = cli_ask(c, "status", NULL);
    const json_t *node = json_object_get(status, "node");
    bool ok = status != NULL && all != NULL;
    for (size_t i = 0; ok && i < b.count; i++)
        ok = notice_of(json_array_get(x->list, i), &all[i]);
    if (ok) {
        b.notices = all;
        b.head.authority_code = cli_text(node, "code");
        b.head.authority_name = cli_text(node, "name");
        randombytes_buf(b.head.id, sizeof b.head.id);
        if (x->format == FORMAT_CSV)
            notice_write_csv(to, &b);
        else
            x->left_out = notice_write_message05(to, &b);
    }
    for (size_t i = 0; all != NULL && i < b.count; i++)
        free((char *)(uintptr_t)all[i].looks);
    free(all);
    json_decref(status);
    return ok;
}

static void write_lines(const struct export *x, FILE *to)
{
    size_t i;
    const json_t *n;
    json_array_foreach(x->list, i, n)
    {
        (void)json_dumpf(n, to, JSON_COMPACT);
        (void)fputc('\n', to);
    }
}

static bool write_out(const struct cli *c, struct export *x)
{
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);
    bool ok = to != NULL;
    if (ok && x->format == FORMAT_JSON)
        write_lines(x, to);
    else if (ok)
        ok = write_notices(c, x, to);
    if (to != NULL && fclose(to) != 0) ok = false;
    if (to == NULL) (void)cli_fail(c, "%s", cpis_strerror(CPIS_E_NOMEM));
    ok = ok && cli_write_file(c, x->out, (struct bytes){(const uint8_t *)text, len}, 0600, true);
    if (text != NULL) sodium_memzero(text, len);
    free(text);
    return ok;
}

static void tell(const struct cli *c, const struct export *x)
{
    const size_t written = json_array_size(x->list) - x->left_out;
    char after[44];
    (void)snprintf(after, sizeof after, x->now.completed == 0 ? "%llu" : "%llu.%llu",
                   (unsigned long long)x->now.last, (unsigned long long)x->now.completed);
    if (cli_has(c, "json")) {
        cli_print_json(json_pack("{s:I,s:I,s:I,s:I,s:s}", "written", (json_int_t)written,
                                 "completed", (json_int_t)x->completed, "left_out",
                                 (json_int_t)x->left_out, "last", (json_int_t)x->now.last, "after",
                                 after));
        return;
    }
    (void)printf("%zu notifications written; the next export: --after %s\n", written, after);
    if (x->completed > 0)
        (void)printf("%zu of them were told before, without their details\n", x->completed);
    if (x->left_out > 0)
        (void)printf("%zu patterns are told in csv and json only; their looks are in the message\n",
                     x->left_out);
}

static int notifications_export(struct cli *c)
{
    struct export x;
    if (!cli_args(c, 0, 0) || !read_options(c, &x)) return CLI_USAGE;
    x.list = json_array();
    const bool ok = fetch(c, &x) && write_out(c, &x);
    if (ok) tell(c, &x);
    json_decref(x.list);
    return ok ? CLI_OK : CLI_ERROR;
}
const struct cli_command cmd_notifications_export = {
    .name = "notifications export",
    .args = "DIR",
    .summary = "write notifications to a file, oldest first, each once",
    .more =
        "Keep what it prints and give it as --after the next time: none is lost, none comes "
        "twice; one\nwhose details came later comes again with them.\nThe file appears whole or "
        "not at all; give each export a file of its own. message05 is CP-IS message 05 "
        "(REPC_MT000004GB01);\none of no notification is right, too. Each is written as it stands "
        "now: what people do with it later is in\n`cpis notifications list`.",
    .takes_dir = true,
    .fn = notifications_export,
    .options = (const struct cli_option[]){
        {"format", "FORMAT", "message05, csv or json (one object a line)"},
        {"out", "FILE", "where to"},
        {"after", "PLACE", "go on after this one, as 17 or 17.3 (0, the default: from the first)"},
        {"since", "DAY", "only those received from this day on: 2026-11-23, or 202611231803"},
        {"limit", "N", "at most so many; the next export goes on"},
        {"json", NULL, "tell the result as one JSON object"},
        {0}}};
