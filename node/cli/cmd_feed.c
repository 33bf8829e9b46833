/* cpis feed: takes in what a case system drops into DIR/feed/in. Each file is taken in by a process
 * of its own, `cpis flags import`, which changes nothing when it meets a file again: so this one
 * may die at any moment, and a file that makes the other one die harms nobody: it is tried again,
 * DEATHS_MAX times in all, and then put away, for the next ones wait behind it. Names of files are
 * the case system's and may hold what no log should: they are not written there. */
#define _GNU_SOURCE /* prctl's constants */
#include "node/cli/commands.h"
#include "node/cli/companion.h"
#include "node/feed/upload.h"
#include "node/feed/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RETRY_MIN        (5 * CPIS_MS_SECOND)
#define RETRY_MAX        (5 * CPIS_MS_MINUTE)
#define DEATHS_MAX       4U /* with the pauses between them: 35 s */
#define UNREADABLE_EVERY (10 * CPIS_MS_MINUTE)
#define WHY_BYTES        4096U
#define WHY_ROWS         20U

/* --- a process that takes a file in --- */

struct output {
    int fd; /* -1: at its end */
    char *text;
    size_t len, cap;
};

static bool read_some(struct output *o)
{
    if (o->cap - o->len < 4097) {
        const size_t twice = 2 * o->cap + 8192,
                     cap = twice < WATCH_REPORT_BYTES_MAX ? twice : WATCH_REPORT_BYTES_MAX;
        char *grown = cap > o->cap ? realloc(o->text, cap) : NULL;
        if (grown == NULL) return false;
        o->text = grown;
        o->cap = cap;
    }
    const ssize_t n = read(o->fd, o->text + o->len, o->cap - o->len - 1);
    if (n < 0 && errno == EINTR) return true;
    if (n > 0) o->len += (size_t)n;
    o->text[o->len] = '\0';
    if (n <= 0) {
        (void)close(o->fd);
        o->fd = -1;
    }
    return true;
}

static bool read_both(struct output o[static 2])
{
    while (o[0].fd >= 0 || o[1].fd >= 0) {
        if (companion_stopped()) return false; /* the same file goes on where it was */
        struct pollfd p[2] = {{.fd = o[0].fd, .events = POLLIN}, {.fd = o[1].fd, .events = POLLIN}};
        if (poll(p, 2, -1) < 0 && errno != EINTR) return false;
        for (unsigned i = 0; i < 2; i++)
            if (o[i].fd >= 0 && p[i].revents != 0 && !read_some(&o[i])) return false;
    }
    return true;
}

static void become(char *const *args, const int out[2], const int err[2])
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* two imports of one file at once are none */
    const int nothing = open("/dev/null", O_RDONLY);
    if (nothing < 0 || dup2(nothing, 0) < 0 || dup2(out[1], 1) < 0 || dup2(err[1], 2) < 0)
        _exit(127);
    (void)execv("/proc/self/exe", args);
    _exit(127);
}

/* What a program's own fault ends it with; a kill from outside says nothing of the file. */
static bool is_fault(int signal)
{
    return signal == SIGSEGV || signal == SIGBUS || signal == SIGABRT || signal == SIGFPE ||
           signal == SIGILL || signal == SIGTRAP || signal == SIGSYS;
}

/* Its exit code, or -1: it could not be run, or was ended. o: what it wrote. *ret_fault: the signal
 * of its own fault; 0: none. */
static int run_import(char *const *args, struct output o[static 2], int *ret_fault)
{
    *ret_fault = 0;
    int out[2] = {-1, -1}, err[2] = {-1, -1}, status = -1;
    if (pipe(out) != 0 || pipe(err) != 0) return -1;
    const pid_t pid = fork();
    if (pid == 0) become(args, out, err);
    (void)close(out[1]);
    (void)close(err[1]);
    o[0] = (struct output){.fd = out[0]};
    o[1] = (struct output){.fd = err[0]};
    const bool read = pid > 0 && read_both(o);
    for (unsigned i = 0; i < 2; i++)
        if (o[i].fd >= 0) (void)close(o[i].fd);
    if (pid > 0 && !read) (void)kill(pid, SIGKILL);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (read && WIFSIGNALED(status) && is_fault(WTERMSIG(status))) *ret_fault = WTERMSIG(status);
    return read && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* --- one file --- */

struct feeding {
    struct cli *c;
    struct watch *watch;
    char feed[FOLDER_PATH_BYTES];
    cpis_ms retry;
    size_t unreadable; /* as it was told last */
    cpis_ms unreadable_at;
};

static bool is_xml(const char *path)
{
    char first[256];
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    const ssize_t n = fd < 0 ? 0 : read(fd, first, sizeof first);
    ssize_t at = n >= 3 && memcmp(first, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    if (fd >= 0) (void)close(fd);
    while (at < n && strchr(" \t\r\n", first[at]) != NULL)
        at++;
    return at < n && first[at] == '<';
}

static void append(char *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void append(char *text, const char *format, ...)
{
    const size_t len = strlen(text);
    va_list ap;
    va_start(ap, format);
    (void)vsnprintf(text + len, WHY_BYTES - len, format, ap);
    va_end(ap);
}

/* For the officer who opens feed/failed: the report's own words. */
static void explain(const json_t *report, const char *code, const char *told, char *ret)
{
    size_t i;
    const json_t *f;
    ret[0] = '\0';
    if (report == NULL) {
        append(ret, "Nothing was changed.\n%.3000s", told == NULL ? "" : told);
        return;
    }
    append(ret, "%s: nothing of this file was taken in.\n", code);
    if (cli_text(report, "reason")[0] != '\0')
        append(ret, "line %llu: %s\n", (unsigned long long)cli_integer(report, "line"),
               cli_text(report, "reason"));
    json_array_foreach(json_object_get(report, "failed"), i, f)
    {
        if (i == WHY_ROWS) append(ret, "... and more: feed/out holds the whole report\n");
        if (i >= WHY_ROWS) break;
        append(ret, "row %llu (line %llu): %s %s\n", (unsigned long long)cli_integer(f, "row"),
               (unsigned long long)cli_integer(f, "line"), cli_text(f, "code"),
               cli_text(f, "reason"));
    }
}

static bool write_report(const struct feeding *f, const char *name, struct bytes text)
{
    char path[FOLDER_PATH_BYTES + NAME_MAX + 32];
    (void)snprintf(path, sizeof path, "%s/out/%.200s.report.json", f->feed, name);
    return cli_write_file(f->c, path, text, 0600, true);
}

/* What came of it: it is over with the file, or (false) it is tried again later. */
static bool settle(struct feeding *f, const char *name, int exit, const struct output o[static 2])
{
    char why[WHY_BYTES];
    json_t *report = o[0].len > 0 ? json_loadb(o[0].text, o[0].len, 0, NULL) : NULL;
    char code[8];
    (void)snprintf(code, sizeof code, "%.5s", cli_text(report, "file_code"));
    const bool taken = exit == CLI_OK || exit == CLI_ROWS_SOME;
    const bool over = taken || exit == CLI_ROWS_NONE || exit == CLI_CONFIRM ||
                      (exit == CLI_ERROR && code[0] != '\0');
    const unsigned long long read = cli_integer(json_object_get(report, "rows"), "read"),
                             failed = cli_integer(json_object_get(report, "rows"), "failed");
    bool ok = over;
    if (ok && o[0].len > 0)
        ok = write_report(f, name, (struct bytes){(const uint8_t *)o[0].text, o[0].len});
    if (ok) {
        explain(report, code, o[1].text, why);
        ok = watch_end(f->watch, name, taken ? WATCH_DONE : WATCH_FAILED, taken ? NULL : why) ==
             CPIS_OK;
    }
    json_decref(report);
    if (ok && taken)
        companion_tell(failed == 0 ? COMPANION_INFO : COMPANION_WARN, "FEED_TAKEN",
                       "%s: %llu of %llu rows failed", code, failed, read);
    else if (ok)
        companion_tell(COMPANION_WARN, "FEED_FAILED",
                       "%s: look into feed/failed, beside the file: what to do",
                       code[0] != '\0' ? code : "held for an officer");
    return ok;
}

/* As settle, of a file that no import survives. */
static bool give_up(struct feeding *f, const char *name, int fault)
{
    char why[WHY_BYTES] = "";
    append(
        why,
        "cpis died %u times as it took this file in (signal %d), and goes on with the next "
        "files.\n"
        "That is a fault of cpis: tell its makers, and keep this file. A part of it may be taken "
        "in, or nothing;\nwhat is not is not found nationally. Bring it in another way now: the "
        "same plans in smaller files show\nwhich of them it is. Nothing is taken in twice.\n",
        DEATHS_MAX, fault);
    if (watch_end(f->watch, name, WATCH_FAILED, why) != CPIS_OK) return false;
    companion_tell(COMPANION_WARN, "FEED_FAILED",
                   "cpis died %u times as it took a file in (signal %d): look into feed/failed, "
                   "beside the file: what to do",
                   DEATHS_MAX, fault);
    return true;
}

static void forget(struct output o[static 2])
{
    for (unsigned i = 0; i < 2; i++) {
        free(o[i].text);
        o[i] = (struct output){.fd = -1};
    }
}

/* A new file does not make the old one better. */
static void pause_now(const struct feeding *f)
{
    const struct timespec ts = {.tv_sec = (time_t)(f->retry / 1000)};
    (void)nanosleep(&ts, NULL);
}

static void put_off(struct feeding *f, const char *why)
{
    f->retry = f->retry == 0 ? RETRY_MIN : 2 * f->retry < RETRY_MAX ? 2 * f->retry : RETRY_MAX;
    companion_tell(COMPANION_WARN, "FEED_WAITS", "%s, and is kept: tried again in %llu s", why,
                   (unsigned long long)(f->retry / 1000));
}

/* As run_import, again until it does not die of itself, or has too often. */
static int import_file(struct feeding *f, char *const *args, struct output o[static 2],
                       int *ret_fault)
{
    for (unsigned deaths = 1;; deaths++) {
        const int exit = run_import(args, o, ret_fault);
        if (*ret_fault == 0 || deaths == DEATHS_MAX) return exit;
        put_off(f, "a file made the process die that takes it in");
        pause_now(f);
        forget(o);
        if (companion_stopped()) break; /* the same file goes on where it was */
    }
    *ret_fault = 0;
    return -1;
}

static void take_in(struct feeding *f, const char *name)
{
    int fault;
    char path[FOLDER_PATH_BYTES + NAME_MAX + 16], ack[FOLDER_PATH_BYTES + NAME_MAX + 16];
    struct output o[2] = {{.fd = -1}, {.fd = -1}};
    (void)snprintf(path, sizeof path, "%s/work/%s", f->feed, name);
    (void)snprintf(ack, sizeof ack, "%s/out/%.200s.ack.xml", f->feed, name);
    const bool xml = is_xml(path);
    char *const args[] = {"cpis",
                          "flags",
                          "import",
                          (char *)(uintptr_t)f->c->dir,
                          path,
                          "--json",
                          xml ? "--ack" : NULL,
                          ack,
                          NULL};
    const int exit = import_file(f, args, o, &fault);
    if (fault != 0 ? give_up(f, name, fault) : settle(f, name, exit, o))
        f->retry = 0;
    else if (!companion_stopped())
        put_off(f, "a file can't be taken in now");
    forget(o);
}

/* --- the folder --- */

static void wait_for(const struct feeding *f, cpis_ms ms)
{
    struct pollfd p = {.fd = watch_fd(f->watch), .events = POLLIN};
    if (f->retry > 0)
        pause_now(f);
    else
        (void)poll(&p, 1, (int)ms);
}

/* Names may hold what no log should; the operator looks into the folder. */
static void tell_unreadable(struct feeding *f)
{
    const size_t n = watch_unreadable(f->watch);
    const cpis_ms now = cli_wall();
    const bool again = now < f->unreadable_at || now - f->unreadable_at >= UNREADABLE_EVERY;
    if (n > 0 && (n != f->unreadable || again)) {
        companion_tell(COMPANION_WARN, "FEED_UNREADABLE",
                       "%zu in feed/in can't be read, and wait: the operator: whose are they, and "
                       "may this user read them?",
                       n);
        f->unreadable_at = now;
    }
    f->unreadable = n;
}

static int watch_folder(struct feeding *f)
{
    while (!companion_stopped()) {
        char name[NAME_MAX + 1];
        cpis_ms wait = 0;
        cpis_err err = watch_take(f->watch, cli_wall(), name, &wait);
        tell_unreadable(f);
        if (err == CPIS_OK) take_in(f, name);
        if (err == CPIS_E_IO) {
            companion_tell(COMPANION_WARN, "FEED_FOLDER", "feed/ can't be read: %s",
                           strerror(errno));
            wait = WATCH_EVERY;
        }
        if (cli_has(f->c, "once") && (err != CPIS_OK || f->retry > 0)) break;
        if (err != CPIS_OK || f->retry > 0) wait_for(f, wait);
    }
    return f->retry > 0 || f->unreadable > 0 ? CLI_ERROR : CLI_OK;
}

static int feed_once(struct cli *c)
{
    struct feeding f = {.c = c};
    struct node_settings settings;
    if (!cli_settings(c, &settings)) return CLI_ERROR;
    companion_confine(c, &settings, CONFINE_FEED);
    if (folder_path(c->dir, "feed", sizeof f.feed, f.feed) != CPIS_OK)
        return cli_fail(c, "the folder's path is too long");
    const cpis_err err = watch_open(f.feed, upload_sequence, &f.watch);
    if (err == CPIS_E_BUSY) return cli_fail(c, "another `cpis feed` watches this folder");
    if (err != CPIS_OK) return cli_fail(c, "%s: %s", f.feed, strerror(errno));
    const int code = watch_folder(&f);
    watch_close(&f.watch);
    return code;
}

static int feed(struct cli *c)
{
    if (!cli_args(c, 0, 0)) return CLI_USAGE;
    return companion_run(c, feed_once);
}
const struct cli_command cmd_feed = {
    .name = "feed",
    .args = "DIR",
    .summary = "take in what a case system drops into DIR/feed/in, one file after the other",
    .more = "`cpis run` of an authority does this by itself (`feed` in node.conf). A file is taken "
            "when\n"
            "nobody writes to it any more: rename it into feed/in, or just write it there. Then it "
            "lies\n"
            "in feed/done, or in feed/failed with NAME.why.txt; reports and acknowledgements: "
            "feed/out.",
    .exits = "0 done, 1 error, or a file waits (--once), 2 usage",
    .takes_dir = true,
    .fn = feed,
    .options = (const struct cli_option[]){
        {"once", NULL, "what is there now, then end (for a timer)"}, {0}}};
