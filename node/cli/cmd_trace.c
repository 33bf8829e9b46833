/* cpis trace: a practice's list, asked at a measured pace. What has been answered stands in a file,
 * line by line and durable, so that the same command goes on where it was: after Ctrl-C, kill -9,
 * or a day's share that was used up. */
#include "node/cli/asker.h"
#include "node/cli/commands.h"
#include "node/cli/lookup_text.h"
#include "node/feed/trace_list.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PER_SECOND     5U
#define PER_SECOND_MAX 200U
#define SHARE          50U /* percent of the node's day limit that a trace may use up */
#define TIMEOUT_MS     120000U
#define LINE_BYTES_MAX 65536U
#define FORMAT         1

struct trace {
    struct cli *c;
    struct control_client *client;
    struct trace_list list;
    uint8_t *state; /* of each entry: exit code of its verdict + 1; 0: not asked */
    json_t *who;
    FILE *out;
    uint64_t per_second, share;
    uint64_t began; /* wall ms */
    size_t asked;   /* in this run */
    bool progress, full, failed;
    const size_t *batch; /* entries of the request under way, and which comes next */
    size_t batch_count, batch_at;
};

static volatile sig_atomic_t stopped;
static void on_signal(int signal)
{
    (void)signal;
    stopped = 1;
}

static bool is_settled(uint8_t state)
{
    return state != 0 && state - 1 != CLI_INCOMPLETE && state - 1 != CLI_UNKNOWN;
}

static size_t count_settled(const struct trace *t, int code) /* -1: of any */
{
    size_t n = 0;
    for (size_t i = 0; i < t->list.entries_count; i++)
        n += code < 0 ? is_settled(t->state[i]) : t->state[i] == code + 1;
    return n;
}

/* --- the file of answers: a line that says of which list, then one for each answer --- */

static json_t *first_line(const struct trace *t)
{
    char hash[2 * CPIS_HASH_BYTES + 1];
    cli_hex(t->list.hash.b, sizeof t->list.hash.b, hash);
    return json_pack("{s:i,s:s,s:I}", "trace", FORMAT, "list", hash, "numbers",
                     (json_int_t)t->list.entries_count);
}

static bool write_line(struct trace *t, const json_t *o)
{
    char *text = json_dumps(o, JSON_COMPACT | JSON_PRESERVE_ORDER);
    const bool ok = text != NULL && fputs(text, t->out) >= 0 && fputc('\n', t->out) != EOF;
    free(text);
    return ok;
}

static size_t entry_at_line(const struct trace *t, uint64_t line)
{
    size_t low = 0, high = t->list.entries_count;
    while (low < high) {
        const size_t mid = low + (high - low) / 2;
        if (t->list.entries[mid].line < line)
            low = mid + 1;
        else
            high = mid;
    }
    return low < t->list.entries_count && t->list.entries[low].line == line ? low
                                                                            : t->list.entries_count;
}

static bool take_line(struct trace *t, const json_t *o, bool first)
{
    if (first) {
        json_t *want = first_line(t);
        const bool same = json_equal(o, want);
        json_decref(want);
        return same;
    }
    const size_t i = entry_at_line(t, cli_integer(o, "line"));
    if (i == t->list.entries_count) return false;
    if (strcmp(cli_text(o, "nhs_number"), t->list.entries[i].number.digits) != 0) return false;
    t->state[i] = (uint8_t)(lookup_exit(cli_text(o, "verdict")) + 1);
    return true;
}

/* What a run before has left; a line that it could not finish is cut off. False: told. */
static bool take_up(struct trace *t, const char *path)
{
    char *line = NULL;
    size_t cap = 0, lines = 0;
    long good = 0;
    bool right = true;
    for (ssize_t n; right && (n = getline(&line, &cap, t->out)) > 0; lines++) {
        json_t *o = line[n - 1] == '\n' ? json_loads(line, JSON_REJECT_DUPLICATES, NULL) : NULL;
        if (o == NULL) break; /* torn */
        right = take_line(t, o, lines == 0);
        json_decref(o);
        if (right) good = ftell(t->out);
    }
    if (line != NULL) sodium_memzero(line, cap);
    free(line);
    if (!right) {
        (void)cli_fail(t->c,
                       "%s holds the answers to another list: give another --out, or the list as "
                       "it was",
                       path);
        return false;
    }
    if (fseek(t->out, good, SEEK_SET) != 0 || ftruncate(fileno(t->out), good) != 0) {
        (void)cli_fail(t->c, "%s: %s", path, strerror(errno));
        return false;
    }
    if (lines > 0) return true;
    json_t *o = first_line(t);
    const bool ok = write_line(t, o) && folder_sync_of(path) == CPIS_OK; /* the file is new */
    json_decref(o);
    if (!ok) (void)cli_fail(t->c, "%s: %s", path, strerror(errno));
    return ok;
}

static bool keep(struct trace *t)
{
    if (fflush(t->out) == 0 && fsync(fileno(t->out)) == 0) return true;
    (void)cli_fail(t->c, "%s can't be written: %s", cli_value(t->c, "out"), strerror(errno));
    return false;
}

/* --- asking --- */

/* Answers come in any order; each names its number. */
static bool answered(void *arg, const json_t *more)
{
    struct trace *t = arg;
    for (size_t i = 0; i < t->batch_count; i++) {
        const struct trace_entry *e = &t->list.entries[t->batch[i]];
        if (strcmp(e->number.digits, cli_text(more, "nhs_number")) != 0) continue;
        json_t *o = json_copy((json_t *)(uintptr_t)more);
        (void)json_object_del(o, "id");
        (void)json_object_del(o, "more");
        (void)json_object_set_new(o, "line", json_integer((json_int_t)e->line));
        t->failed = t->failed || !write_line(t, o);
        json_decref(o);
        t->state[t->batch[i]] = (uint8_t)(lookup_exit(cli_text(more, "verdict")) + 1);
        t->asked++;
        t->batch_at++;
    }
    return true;
}

/* May so many more be asked today, of what a trace may use? */
static bool has_share(struct trace *t, size_t count)
{
    json_t *r = cli_call(t->c, t->client, "status", NULL, CLI_TIMEOUT_MS);
    const json_t *today = json_object_get(json_object_get(r, "query"), "today");
    const uint64_t used = cli_integer(today, "lookups"), limit = cli_integer(today, "limit");
    t->failed = t->failed || r == NULL;
    json_decref(r);
    t->full = used + count > limit / 100 * t->share + limit % 100 * t->share / 100;
    return !t->failed && !t->full;
}

static bool ask(struct trace *t, const size_t *batch, size_t count)
{
    char why[CONTROL_WHY_BYTES] = "";
    json_t *numbers = json_array(), *reply = NULL;
    for (size_t i = 0; i < count; i++)
        (void)json_array_append_new(numbers, json_string(t->list.entries[batch[i]].number.digits));
    json_t *fields = json_pack("{s:o,s:O}", "numbers", numbers, "ask", t->who);
    t->batch = batch;
    t->batch_count = count;
    t->batch_at = 0;
    cpis_err err = control_call(t->client, "lookup", fields, TIMEOUT_MS, answered, t, &reply, why);
    json_decref(fields);
    json_decref(reply);
    const bool kept = keep(t);
    if (err == CPIS_OK && kept && !t->failed && t->batch_at == count) return true;
    if (stopped) return false;
    if (err != CPIS_OK) (void)cli_fail(t->c, "%s", why[0] != '\0' ? why : cpis_strerror(err));
    t->failed = true;
    return false;
}

static void show_progress(const struct trace *t)
{
    const size_t all = t->list.entries_count, done = count_settled(t, -1);
    const uint64_t left = (all - done) / t->per_second;
    if (!t->progress) return;
    (void)fprintf(stderr, "\r%zu of %zu, %zu known, %llu min %llu s left   ", done, all,
                  count_settled(t, CLI_FLAG) + count_settled(t, CLI_FLAG_DETAILS),
                  (unsigned long long)(left / 60), (unsigned long long)(left % 60));
}

static void wait_until(uint64_t wall)
{
    const uint64_t now = cli_wall();
    if (now >= wall) return;
    const struct timespec ts = {.tv_sec = (time_t)((wall - now) / 1000),
                                .tv_nsec = (long)((wall - now) % 1000) * 1000000};
    (void)nanosleep(&ts, NULL);
}

/* One pass over what has no settled answer: a batch a second. */
static void pass(struct trace *t)
{
    size_t batch[PER_SECOND_MAX];
    for (size_t i = 0; i < t->list.entries_count && !stopped && !t->failed && !t->full;) {
        const uint64_t began = cli_wall();
        size_t count = 0;
        for (; i < t->list.entries_count && count < t->per_second; i++)
            if (!is_settled(t->state[i])) batch[count++] = i;
        if (count == 0) break;
        if (!has_share(t, count) || !ask(t, batch, count)) break;
        show_progress(t);
        wait_until(began + 1000);
    }
}

/* --- the report --- */

static void report_positive(const struct trace *t, json_t *list)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    if (fseek(t->out, 0, SEEK_SET) != 0) return;
    while ((n = getline(&line, &cap, t->out)) > 0) {
        json_t *o = json_loads(line, 0, NULL);
        const int code = lookup_exit(cli_text(o, "verdict"));
        const bool known =
            cli_text(o, "nhs_number")[0] != '\0' && (code == CLI_FLAG || code == CLI_FLAG_DETAILS);
        if (known && list != NULL) (void)json_array_append(list, o);
        if (known && list == NULL) {
            (void)printf("\nline %llu\n", (unsigned long long)cli_integer(o, "line"));
            lookup_print(o, stdout);
        }
        json_decref(o);
    }
    if (line != NULL) sodium_memzero(line, cap);
    free(line);
}

static json_t *faults_json(const struct trace *t)
{
    json_t *list = json_array();
    for (size_t i = 0; i < t->list.faults_count; i++)
        (void)json_array_append_new(
            list, json_pack("{s:I,s:s}", "line", (json_int_t)t->list.faults[i].line, "reason",
                            nhs_number_fault_text(t->list.faults[i].fault)));
    return list;
}

static void report(const struct trace *t)
{
    const size_t all = t->list.entries_count, flags = count_settled(t, CLI_FLAG),
                 follow = count_settled(t, CLI_FLAG_DETAILS), none = count_settled(t, CLI_OK),
                 open = all - flags - follow - none;
    if (cli_has(t->c, "json")) {
        json_t *known = json_array();
        report_positive(t, known);
        cli_print_json(json_pack(
            "{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:o,s:o}", "numbers", (json_int_t)all, "flag",
            (json_int_t)flags, "flag_details_to_follow", (json_int_t)follow, "no_flag",
            (json_int_t)none, "not_answered", (json_int_t)open, "asked_now", (json_int_t)t->asked,
            "listed_again", (json_int_t)t->list.again, "faults", faults_json(t), "known", known));
        return;
    }
    (void)printf(
        "%zu of %zu known (%zu with details to follow), %zu no flag, %zu not answered yet\n",
        flags + follow, all, follow, none, open);
    if (t->list.again > 0)
        (void)printf("%zu lines hold a number that came before\n", t->list.again);
    for (size_t i = 0; i < t->list.faults_count; i++)
        (void)printf("line %u: %s\n", t->list.faults[i].line,
                     nhs_number_fault_text(t->list.faults[i].fault));
    report_positive(t, NULL);
}

static int exit_of(const struct trace *t)
{
    const size_t all = t->list.entries_count, settled = count_settled(t, -1);
    if (t->failed) return CLI_ERROR;
    if (stopped || t->full) return CLI_STOPPED;
    if (settled < all) return CLI_INCOMPLETE;
    if (t->list.faults_count > 0) return CLI_ROWS_SOME;
    return count_settled(t, CLI_OK) < all ? CLI_FLAG : CLI_OK;
}

/* --- all of it --- */

static bool read_list(struct trace *t)
{
    const char *column = cli_value(t->c, "column");
    if (column == NULL) column = "nhs_number";
    int fd = open(t->c->args[0], O_RDONLY | O_CLOEXEC);
    cpis_err err = fd < 0 ? CPIS_E_IO : trace_list_read(fd, column, &t->list);
    const int why = errno;
    if (fd >= 0) (void)close(fd);
    if (err == CPIS_OK) {
        t->state = calloc(t->list.entries_count + 1, 1);
        if (t->state != NULL) return true;
        err = CPIS_E_NOMEM;
    }
    if (fd < 0)
        (void)cli_fail(t->c, "%s: %s", t->c->args[0], strerror(why));
    else if (err == CPIS_E_NOTFOUND)
        (void)cli_fail(t->c, "%s: no column \"%s\" in its first line: name it with --column",
                       t->c->args[0], column);
    else
        (void)cli_fail(t->c, "%s: %s", t->c->args[0],
                       err == CPIS_E_LIMIT ? "larger than 64 MB: split it" : cpis_strerror(err));
    return false;
}

static bool open_out(struct trace *t)
{
    const char *path = cli_value(t->c, "out");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
    t->out = fd < 0 ? NULL : fdopen(fd, "r+");
    if (t->out == NULL) {
        (void)cli_fail(t->c, "%s: %s", path, strerror(errno));
        if (fd >= 0) (void)close(fd);
        return false;
    }
    return take_up(t, path) && keep(t);
}

static void run(struct trace *t)
{
    struct sigaction act = {.sa_handler = on_signal};
    (void)sigemptyset(&act.sa_mask);
    (void)sigaction(SIGINT, &act, NULL);
    (void)sigaction(SIGTERM, &act, NULL);
    t->began = cli_wall();
    t->progress = cli_has(t->c, "progress") || isatty(STDERR_FILENO) == 1;
    pass(t);
    if (count_settled(t, -1) < t->list.entries_count)
        pass(t); /* once more: it may have been a moment */
    if (t->progress) (void)fputc('\n', stderr);
    if (t->full)
        (void)fprintf(
            stderr,
            "cpis trace: %u %% of this node's lookups a day are used up: the same command "
            "goes on tomorrow (days are UTC's)\n",
            (unsigned)t->share);
    if (stopped)
        (void)fputs("cpis trace: stopped: the same command goes on where it was\n", stderr);
    report(t);
}

static int trace(struct cli *c)
{
    struct trace t = {.c = c, .per_second = PER_SECOND, .share = SHARE};
    if (!cli_args(c, 1, 1)) return CLI_USAGE;
    if (cli_value(c, "out") == NULL) return cli_usage(c, "--out FILE: where the answers are kept");
    if (!cli_number(c, "per-second", 1, PER_SECOND_MAX, &t.per_second) ||
        !cli_number(c, "share", 1, 100, &t.share) || !cli_asker(c, &t.who))
        return CLI_USAGE;
    (void)json_object_set_new(t.who, "scheduled", json_true());
    int code = CLI_ERROR;
    if (read_list(&t) && open_out(&t)) {
        t.client = cli_connect(c);
        if (t.client != NULL) {
            run(&t);
            code = exit_of(&t);
        }
        control_close(&t.client);
    }
    if (t.out != NULL) (void)fclose(t.out);
    json_decref(t.who);
    free(t.state);
    trace_list_free(&t.list);
    return code;
}
const struct cli_command cmd_trace = {
    .name = "trace",
    .args = "DIR LIST --out FILE",
    .summary = "query node: asks a whole list of numbers silently, at a measured pace",
    .more =
        "LIST: a number a line, or a CSV file with a column of them. Every look is recorded at "
        "the\n"
        "holder and nobody is notified. FILE holds the answers (keep it as you keep records); the\n"
        "same command goes on where it was, and asks again what was incomplete or unknown. A\n"
        "directory counts these lookups against this node's day limit: a trace stops at its share.",
    .exits = "0 all no flag, 10 some are known, 12 some lines hold no number, 15 stopped early,\n"
             "  20 some have no answer yet, 1 error, 2 usage",
    .takes_dir = true,
    .fn = trace,
    .options = (const struct cli_option[]){
        {"out", "FILE", "where the answers are kept, a JSON object a line"},
        {"column", "NAME", "of the CSV file; default nhs_number"},
        {"per-second", "N", "default 5, at most 200"},
        {"share", "PERCENT", "of this node's lookups a day that may be used up; default 50"},
        ASKER_OPTIONS,
        {"progress", NULL, "show it also when stderr is no terminal"},
        {"json", NULL, "the report as one JSON object"},
        {0}}};
