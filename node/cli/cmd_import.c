/* cpis flags import: node/feed/import.h with the node as what is changed. */
#include "node/cli/commands.h"
#include "node/cli/conf.h"
#include "node/cli/importing.h"
#include "node/cli/traced_file.h"
#include "node/feed/acknowledgement.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PAGE          500
#define PROGRESS_FROM 1000U
#define WAIT_SECONDS  600U
#define WAIT_GATHER   700U /* ms until the node has begun to publish what it was given */
#define WAIT_POLL     300U
#define BATCH_TIMEOUT 60000U

static enum child_outcome outcome_of(const char *name)
{
    for (unsigned o = OUTCOME_ADDED; name != NULL && o <= OUTCOME_TOO_MANY; o++)
        if (strcmp(name, importing_outcomes[o]) == 0) return (enum child_outcome)o;
    return 0;
}

static json_t *minute(uint64_t stamp)
{
    return stamp == 0 ? json_null() : json_sprintf("%012llu", (unsigned long long)stamp);
}

static json_t *change_json(const struct child_change *ch)
{
    static const char *const types[] = {
        [CHANGE_UPSERT] = "upsert", [CHANGE_END] = "end", [CHANGE_DELETE] = "delete"};
    json_t *o =
        json_pack("{s:s,s:s,s:s,s:o}", "type", types[ch->type], "nhs_number", ch->number.digits,
                  "plan", plan_type_name((enum plan_type)ch->plan), "start", minute(ch->start));
    if (ch->type != CHANGE_DELETE) (void)json_object_set_new(o, "end", minute(ch->end));
    if (ch->type != CHANGE_UPSERT) return o;
    (void)json_object_set_new(o, "birth_date", minute((uint64_t)ch->birth_date * 10000));
    (void)json_object_set_new(o, "given", json_string(ch->given));
    (void)json_object_set_new(o, "family", json_string(ch->family));
    (void)json_object_set_new(o, "local_id", json_string(ch->local_id));
    if (ch->visibility != 0)
        (void)json_object_set_new(o, "visibility",
                                  json_string(visibility_name((enum visibility)ch->visibility)));
    return o;
}

static json_t *marker_json(const struct row_import *m)
{
    char hash[2 * CPIS_HASH_BYTES + 1], sequence_hash[2 * CPIS_HASH_BYTES + 1];
    char traced[2 * CPIS_HASH_BYTES + 1], sequence_traced[2 * CPIS_HASH_BYTES + 1];
    cli_hex(m->file_hash.b, sizeof m->file_hash.b, hash);
    cli_hex(m->sequence_hash.b, sizeof m->sequence_hash.b, sequence_hash);
    cli_hex(m->traced_hash.b, sizeof m->traced_hash.b, traced);
    cli_hex(m->sequence_traced_hash.b, sizeof m->sequence_traced_hash.b, sequence_traced);
    json_t *o = json_pack("{s:I,s:s,s:I,s:I,s:I,s:b,s:b,s:I,s:s}", "id", (json_int_t)m->id,
                          "file_hash", hash, "started", (json_int_t)m->started, "applied_rows",
                          (json_int_t)m->applied_rows, "rows", (json_int_t)m->rows, "finished",
                          m->finished, "snapshot", m->snapshot, "sequence", (json_int_t)m->sequence,
                          "sequence_hash", sequence_hash);
    (void)json_object_set_new(o, "traced_hash", json_string(traced));
    (void)json_object_set_new(o, "sequence_traced_hash", json_string(sequence_traced));
    (void)json_object_set_new(o, "failed",
                              json_pack("{s:I,s:I,s:I,s:I,s:I,s:I}", "CPR01", (json_int_t)m->cpr01,
                                        "CPR02", (json_int_t)m->cpr02, "CPR03",
                                        (json_int_t)m->cpr03, "CPR04", (json_int_t)m->cpr04,
                                        "CPR05", (json_int_t)m->cpr05, "CPR07",
                                        (json_int_t)m->cpr07));
    return o;
}

static void remember(struct importing *x, const struct import_batch *b, size_t i,
                     enum child_outcome o)
{
    if (o == OUTCOME_UNCHANGED || json_array_size(x->list) >= IMPORT_LISTED_MAX) return;
    const struct child_change *ch = &b->changes[i];
    (void)json_array_append_new(
        x->list, json_pack("{s:I,s:s,s:s,s:o,s:s}", "row", (json_int_t)b->records[i], "nhs_number",
                           ch->number.digits, "plan", plan_type_name((enum plan_type)ch->plan),
                           "start", minute(ch->start), "outcome",
                           b->records[i] == 0 ? "ended" : importing_outcomes[o]));
}

static cpis_err send(void *arg, const struct import_batch *b, enum child_outcome *ret)
{
    struct importing *x = arg;
    json_t *list = json_array();
    for (size_t i = 0; i < b->count; i++)
        (void)json_array_append_new(list, change_json(&b->changes[i]));
    json_t *fields = json_pack("{s:o,s:b}", "changes", list, "dry_run", x->dry_run);
    if (!x->dry_run) (void)json_object_set_new(fields, "import", marker_json(&b->marker));
    json_t *reply = cli_call(x->c, x->client, "changes", fields, BATCH_TIMEOUT);
    const json_t *got = json_object_get(reply, "outcomes");
    cpis_err err = reply != NULL && json_array_size(got) == b->count ? CPIS_OK : CPIS_E_IO;
    x->told = reply == NULL;
    for (size_t i = 0; err == CPIS_OK && i < b->count; i++) {
        ret[i] = outcome_of(json_string_value(json_array_get(got, i)));
        if (x->list != NULL && ret[i] != 0) remember(x, b, i, ret[i]);
    }
    json_decref(reply);
    if (err == CPIS_OK && x->progress)
        (void)fprintf(stderr, "\r%llu of %u rows", (unsigned long long)b->marker.applied_rows,
                      x->records);
    return err;
}

/* --- what the authority holds --- */

static uint64_t stamp_of(const char *text) /* 0: none */
{
    struct date_time t;
    if (!cli_plan_time(text, &t)) return 0;
    uint64_t day = ((uint64_t)t.date.year * 100 + t.date.month) * 100 + t.date.day;
    return (day * 100 + t.hour) * 100 + t.minute;
}

static cpis_err hold_child(struct import *m, const json_t *f)
{
    size_t i;
    const json_t *p;
    struct import_held h;
    const char *number = cli_text(f, "nhs_number");
    cpis_err err = nhs_number_parse(number, strlen(number), &h.number);
    json_array_foreach(json_object_get(f, "plans"), i, p)
    {
        const char *plan = cli_text(p, "plan");
        h.start = stamp_of(cli_text(p, "start"));
        h.end = stamp_of(cli_text(p, "end"));
        if (err == CPIS_OK) err = plan_type_parse(plan, strlen(plan), &h.plan);
        if (err == CPIS_OK && h.start != 0) err = import_hold(m, &h);
    }
    nhs_number_wipe(&h.number);
    return err;
}

static bool hold_all(struct importing *x)
{
    char after[11] = "";
    cpis_err err = CPIS_OK;
    for (bool more = true; err == CPIS_OK && more;) {
        size_t i;
        const json_t *f;
        json_t *r = cli_call(x->c, x->client, "flags_list",
                             json_pack("{s:s,s:i}", "after", after, "limit", PAGE), BATCH_TIMEOUT);
        if (r == NULL) return false;
        json_array_foreach(json_object_get(r, "flags"), i, f)
        {
            if (err == CPIS_OK) err = hold_child(x->import, f);
        }
        const char *next = cli_text(r, "next");
        more = next[0] != '\0' && strlen(next) < sizeof after;
        if (more) memcpy(after, next, strlen(next) + 1);
        json_decref(r);
    }
    memset(after, 0, sizeof after);
    if (err != CPIS_OK) (void)cli_fail(x->c, "what is held can't be read: %s", cpis_strerror(err));
    return err == CPIS_OK;
}

/* --- where to begin --- */

static bool take_hash(const json_t *o, const char *key, struct cpis_hash *ret)
{
    return cli_unhex(cli_text(o, key), ret, CPIS_HASH_BYTES);
}

/* false: told. `started` is left out: a time of an import's own, of no use to the next one. */
static bool place(struct importing *x)
{
    struct row_import newest = {.id = 0};
    if (x->compare) { /* also a file that was taken in long ago */
        import_place(x->import, NULL, &x->own, true);
        return true;
    }
    json_t *r = cli_call(x->c, x->client, "imports", json_pack("{s:i}", "limit", 1), BATCH_TIMEOUT);
    if (r == NULL) return false;
    const json_t *last = json_array_get(json_object_get(r, "imports"), 0);
    newest.id = cli_integer(last, "id");
    newest.applied_rows = cli_integer(last, "applied_rows");
    newest.finished = json_is_true(json_object_get(last, "finished"));
    newest.snapshot = json_is_true(json_object_get(last, "snapshot"));
    newest.sequence = cli_integer(last, "sequence");
    bool ok =
        last == NULL || (take_hash(last, "file_hash", &newest.file_hash) &&
                         take_hash(last, "sequence_hash", &newest.sequence_hash) &&
                         take_hash(last, "traced_hash", &newest.traced_hash) &&
                         take_hash(last, "sequence_traced_hash", &newest.sequence_traced_hash));
    json_decref(r);
    if (!ok) {
        (void)cli_fail(x->c, "the node's last import can't be read");
        return false;
    }
    import_place(x->import, last == NULL ? NULL : &newest, &x->own,
                 cli_has(x->c, "accept-sequence"));
    return true;
}

/* --- --wait --- */

static void sleep_ms(unsigned ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    (void)nanosleep(&t, NULL);
}

/* Does every epoch's list hold all that is visible, and is it live nationally? */
static bool is_live(const json_t *status, uint64_t *ret_left)
{
    const json_t *all = json_object_get(json_object_get(status, "authority"), "published"), *p;
    size_t i;
    bool live = json_array_size(all) > 0;
    *ret_left = 0;
    json_array_foreach(all, i, p)
    {
        *ret_left += cli_integer(p, "waiting");
        live = live && json_is_true(json_object_get(p, "live")) && cli_integer(p, "waiting") == 0 &&
               cli_integer(p, "evaluated") >= cli_integer(p, "to_evaluate");
    }
    return live;
}

/* The publisher has a guard of its own, over the whole list. It may hold the list only once the
 * changes are gathered: so it is asked, and told, until the list is there. */
static bool confirm_held(struct importing *x, const json_t *status)
{
    const json_t *all = json_object_get(json_object_get(status, "authority"), "published"), *p;
    size_t i;
    bool held = false;
    json_array_foreach(all, i, p)
    {
        held = held || json_is_true(json_object_get(p, "shrink_held"));
    }
    if (!held || !cli_has(x->c, "confirm-shrink")) return true;
    json_t *r = cli_call(x->c, x->client, "confirm_shrink", NULL, CLI_TIMEOUT_MS);
    json_decref(r);
    return r != NULL;
}

static int wait_live(struct importing *x)
{
    uint64_t seconds = WAIT_SECONDS, left = 0;
    if (!cli_number(x->c, "wait-seconds", 1, 86400, &seconds)) return CLI_USAGE;
    cpis_ms end = cli_wall() + seconds * CPIS_MS_SECOND;
    sleep_ms(WAIT_GATHER);
    for (bool live = false; !live;) {
        json_t *status = cli_call(x->c, x->client, "status", NULL, CLI_TIMEOUT_MS);
        if (status == NULL) return CLI_ERROR;
        live = is_live(status, &left);
        bool told = confirm_held(x, status);
        json_decref(status);
        if (!told) return CLI_ERROR;
        if (x->progress) (void)fprintf(stderr, "\rto publish: %llu    ", (unsigned long long)left);
        if (!live && cli_wall() > end)
            return cli_fail(x->c,
                            "imported, but not live nationally after %llu s: `cpis doctor` "
                            "says why",
                            (unsigned long long)seconds);
        if (!live) sleep_ms(WAIT_POLL);
    }
    if (x->progress) (void)fputc('\n', stderr);
    return CLI_OK;
}

/* --confirm-shrink without --wait: the guard is told once the changes are gathered. */
static int confirm_later(struct importing *x)
{
    bool ok = true;
    for (unsigned i = 0; ok && i < 5; i++) {
        sleep_ms(WAIT_GATHER);
        json_t *status = cli_call(x->c, x->client, "status", NULL, CLI_TIMEOUT_MS);
        ok = status != NULL && confirm_held(x, status);
        json_decref(status);
    }
    return ok ? CLI_OK : CLI_ERROR;
}

/* --- all of it --- */

static int exit_of(const struct import_report *r)
{
    const char *code = import_file_code(r);
    if (strcmp(code, "CPF01") == 0) return CLI_ERROR;
    if (strcmp(code, "CPF04") == 0) return CLI_ROWS_NONE;
    return r->failed == 0 ? CLI_OK : CLI_ROWS_SOME;
}

static bool may_shrink(struct importing *x)
{
    uint32_t dropped, open;
    if (!import_shrink(x->import, &dropped, &open) || x->dry_run) return true;
    x->shrinks = true;
    if (cli_has(x->c, "confirm-shrink")) return true;
    (void)cli_fail(x->c,
                   "nothing was changed: %u of %u open plans would no longer be open. Look at "
                   "--dry-run; if it is right: --confirm-shrink",
                   dropped, open);
    return false;
}

static int apply(struct importing *x)
{
    if (!place(x)) return CLI_ERROR;
    if (import_report(x->import)->file.fault != FEED_FILE_GOOD) return CLI_OK; /* not in its turn */
    if (import_wants_held(x->import) && !hold_all(x)) return CLI_ERROR;
    if (!may_shrink(x)) return CLI_CONFIRM;
    cpis_err err = import_apply(x->import, cli_wall(), send, x);
    if (x->progress) (void)fputc('\n', stderr);
    if (err == CPIS_E_STATE)
        return cli_fail(x->c, "the file changed while it was read: import it again");
    if (err != CPIS_OK && !x->told) (void)cli_fail(x->c, "%s", cpis_strerror(err));
    if (err != CPIS_OK)
        return cli_fail(x->c, "stopped; import the same file again: it goes on where it was");
    return CLI_OK;
}

static int acknowledge(const struct importing *x)
{
    const char *path = cli_value(x->c, "ack");
    if (path == NULL) return CLI_OK;
    cpis_err err = acknowledgement_write(x->import, &x->own, cli_wall(), path);
    if (err == CPIS_OK) return CLI_OK;
    return cli_fail(x->c, "%s: no acknowledgement could be written: %s", path, cpis_strerror(err));
}

static int report(const struct importing *x)
{
    if (x->compare) return importing_differences(x);
    if (cli_has(x->c, "json"))
        importing_report_json(x);
    else
        importing_report(x);
    (void)fflush(stdout);
    return acknowledge(x);
}

static int import_open(struct importing *x)
{
    const struct import_report *r = import_report(x->import);
    int code = CLI_OK;
    x->records = r->file.read;
    x->progress =
        r->file.read > PROGRESS_FROM && (cli_has(x->c, "progress") || isatty(STDERR_FILENO) == 1);
    if (r->file.fault == FEED_FILE_GOOD) {
        x->client = cli_connect(x->c);
        code = x->client != NULL ? apply(x) : CLI_ERROR;
    }
    if (code == CLI_OK) code = report(x);
    if (code == CLI_OK && !x->compare && r->file.fault == FEED_FILE_GOOD) {
        if (!x->dry_run && cli_has(x->c, "wait"))
            code = wait_live(x);
        else if (x->shrinks)
            code = confirm_later(x);
    }
    control_close(&x->client);
    return code == CLI_OK && !x->compare ? exit_of(r) : code;
}

static bool read_telephone(const char *text, struct telephone *ret)
{
    return text[0] == '\0' || telephone_parse(text, strlen(text), ret) == CPIS_OK;
}

/* Whom an acknowledgement goes to when the file doesn't say; which organisation this node is; and
 * the list of traced numbers. What is compared only is not judged by it. */
static bool read_own(struct importing *x)
{
    static struct node_settings s;
    static char list[TRACED_FILE_WHY_BYTES];
    cpis_ms changed;
    char why[CONF_WHY_BYTES] = "the settings have no organisation or no telephone that could be";
    cpis_err err = conf_read(x->c->dir, &s, why);
    if (err == CPIS_OK && ods_code_parse(s.org, strlen(s.org), &x->own.code) == CPIS_OK &&
        read_telephone(s.emergency, &x->own.emergency) &&
        read_telephone(s.office, &x->own.office)) {
        memcpy(x->own.name, s.name, sizeof x->own.name);
        if (x->compare || traced_file_read(s.traced_numbers, &x->traced, &changed, list))
            return true;
        (void)cli_fail(x->c, "nothing was changed: %s", list);
        return false;
    }
    (void)cli_fail(x->c, "%s", why);
    return false;
}

static int import_file(struct importing *x, bool snapshot)
{
    const struct cli *c = x->c;
    int fd = open(c->args[0], O_RDONLY | O_CLOEXEC);
    if (fd < 0) return cli_fail(c, "%s: %s", c->args[0], strerror(errno));
    cpis_err err = import_check(fd, cli_today(), snapshot, x->traced, &x->import);
    if (err == CPIS_E_INVAL && x->compare) /* an upload: what it names is compared, no more */
        err = import_check(fd, cli_today(), false, x->traced, &x->import);
    int code = CLI_ERROR;
    if (x->dry_run) x->list = json_array();
    if (err == CPIS_E_INVAL)
        code = cli_usage(c, "--snapshot is for CSV files: an upload holds what has changed");
    else if (err != CPIS_OK)
        (void)cli_fail(c, "%s: %s", c->args[0],
                       err == CPIS_E_IO ? "can't be read (a pipe can't: give a file)"
                                        : cpis_strerror(err));
    else
        code = import_open(x);
    json_decref(x->list);
    import_free(&x->import);
    (void)close(fd);
    return code;
}

static int open_file(struct importing *x, bool snapshot)
{
    const int code = read_own(x) ? import_file(x, snapshot) : CLI_ERROR;
    traced_free(&x->traced);
    return code;
}

static int flags_import(struct cli *c)
{
    struct importing x = {.c = c, .dry_run = cli_has(c, "dry-run")};
    if (!cli_args(c, 1, 1)) return CLI_USAGE;
    if (x.dry_run && cli_has(c, "ack")) return cli_usage(c, "a dry run acknowledges nothing");
    return open_file(&x, cli_has(c, "snapshot"));
}

static int flags_diff(struct cli *c)
{
    struct importing x = {.c = c, .dry_run = true, .compare = true};
    if (!cli_args(c, 1, 1)) return CLI_USAGE;
    return open_file(&x, true);
}
const struct cli_command cmd_flags_diff = {
    .name = "flags diff",
    .args = "DIR FILE",
    .summary = "compare what is held with any export, CSV or CP-IS upload; change nothing",
    .more =
        "For an authority that also sends to the national service: both should have the same. An\n"
        "upload holds what has changed: what it does not name is not compared. At most 10,000\n"
        "differences are listed.",
    .exits = "0 no difference, 14 some, 12 some rows can't be read, 1 error, 2 usage",
    .takes_dir = true,
    .fn = flags_diff,
    .options = (const struct cli_option[]){
        {"progress", NULL, "show it also when stderr is no terminal (over 1,000 rows)"},
        {"json", NULL, "one JSON object for each difference"},
        {0}}};
const struct cli_command cmd_flags_import = {
    .name = "flags import",
    .args = "DIR FILE",
    .summary = "take in plans from a CSV file or a CP-IS upload (XML): checked whole, then applied",
    .more =
        "Columns: nhs_number,birth_date,given,family,local_id,plan,start,end,deleted,visibility\n"
        "in any order; dates YYYY-MM-DD; plan CPP, LAC or UCPP. An upload is message 01 of CP-IS\n"
        "(REPC_MT000002GB01). Which of them a file is, its content says. The same file twice\n"
        "changes nothing; after a crash the same file goes on where it was.",
    .exits = "0 all rows (CPF02), 12 some rows failed (CPF03), 13 no row was right, or the file\n"
             "  is not in its turn (CPF04), 16 nothing was changed: an officer has to say\n"
             "  --confirm-shrink, 1 error or damaged file (CPF01), 2 usage error",
    .takes_dir = true,
    .fn = flags_import,
    .options = (const struct cli_option[]){
        {"snapshot", NULL,
         "CSV: the file is the whole truth: what is open and missing is ended today"},
        {"dry-run", NULL, "show who would be added, ended, dropped; change nothing"},
        {"confirm-shrink", NULL, "yes: over a fifth of the open plans go"},
        {"ack", "OUT", "write the acknowledgement, message 02 of CP-IS (XML), to this file"},
        {"accept-sequence", NULL, "an officer says: this upload is right, whatever its number"},
        {"wait", NULL, "until the list with these rows is live nationally"},
        {"wait-seconds", "N", "at most so long, default 600"},
        {"progress", NULL, "show it also when stderr is no terminal (over 1,000 rows)"},
        {"json", NULL, "the report as one JSON object"},
        {0}}};
