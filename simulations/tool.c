#include "simulations/tool.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HELP_OPTION 1000

volatile sig_atomic_t tool_stop;

static void stop(int signal)
{
    (void)signal;
    tool_stop = 1;
}

void tool_catch_signals(void)
{
    struct sigaction sa = {.sa_handler = stop, .sa_flags = (int)SA_RESETHAND};
    (void)sigemptyset(&sa.sa_mask);
    (void)sigaction(SIGINT, &sa, NULL);
    (void)sigaction(SIGTERM, &sa, NULL);
}

/* --- the command line --- */

static void print_list(FILE *to, const struct tool_entry *const *table)
{
    (void)fprintf(to, "usage: cpis-sim COMMAND [ARGUMENT...] [--OPTION...]\n\n");
    for (; *table != NULL; table++)
        (void)fprintf(to, "  %-10s %s\n", (*table)->name, (*table)->summary);
    (void)fprintf(to, "\n`cpis-sim COMMAND --help` tells all of one command, `cpis-sim "
                      "--help-scenario` all of scenario files.\nMore: simulations/README.md\n");
}

static void print_help(const struct tool_entry *e)
{
    (void)printf("usage: cpis-sim %s %s%s\n\n%s\n\n", e->name, e->args,
                 e->options[0].name != NULL ? " [OPTION...]" : "", e->summary);
    for (const struct tool_option *o = e->options; o->name != NULL; o++) {
        int width = printf("  --%s %s", o->name, o->arg == NULL ? "" : o->arg);
        (void)printf("%*s %s\n", width < 26 ? 26 - width : 0, "", o->help);
    }
    if (e->more != NULL) (void)printf("\n%s\n", e->more);
    (void)printf("\nexit codes: %s\n", e->exits);
}

static int parse(struct tool_line *l, int argc, char **argv, bool *ret_help)
{
    struct option longs[TOOL_GIVEN_MAX] = {{0}};
    const struct tool_option *options = l->entry->options;
    int n = 0, got;
    for (; options[n].name != NULL; n++)
        longs[n] = (struct option){
            options[n].name, options[n].arg == NULL ? no_argument : required_argument, NULL, n};
    longs[n] = (struct option){"help", no_argument, NULL, HELP_OPTION};
    opterr = 0;
    while ((got = getopt_long(argc, argv, ":h", longs, NULL)) != -1) {
        if (got == 'h' || got == HELP_OPTION) {
            *ret_help = true;
            return TOOL_DONE;
        }
        if (got == ':') return tool_usage(l, "%s lacks its value", argv[optind - 1]);
        if (got == '?')
            return tool_usage(l, "no such option, or one that takes no value: %s",
                              argv[optind - 1]);
        if (l->given_count == TOOL_GIVEN_MAX) return tool_usage(l, "too many options");
        l->given[l->given_count].name = options[got].name;
        l->given[l->given_count++].value = optarg == NULL ? "" : optarg;
    }
    l->args = argv + optind;
    l->args_count = (size_t)(argc - optind);
    return TOOL_DONE;
}

int tool_dispatch(const struct tool_entry *const *table, int argc, char **argv)
{
    if (argc < 2) {
        print_list(stderr, table);
        return TOOL_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        print_list(stdout, table);
        return TOOL_DONE;
    }
    static char explain[] = "explain";
    if (strcmp(argv[1], "--help-scenario") == 0) argv[1] = explain;
    for (; *table != NULL; table++) {
        if (strcmp((*table)->name, argv[1]) != 0) continue;
        struct tool_line l = {.entry = *table};
        bool help = false;
        int code = parse(&l, argc - 1, argv + 1, &help);
        if (help) print_help(l.entry);
        return code != TOOL_DONE || help ? code : l.entry->fn(&l);
    }
    (void)fprintf(stderr, "cpis-sim: no command \"%s\"; see `cpis-sim --help`\n", argv[1]);
    return TOOL_USAGE;
}

const char *tool_value(const struct tool_line *l, const char *option)
{
    const char *last = NULL;
    for (size_t i = 0; i < l->given_count; i++)
        if (strcmp(l->given[i].name, option) == 0) last = l->given[i].value;
    return last;
}

static void say(const struct tool_line *l, const char *format, va_list args)
{
    (void)fprintf(stderr, "cpis-sim %s: ", l->entry->name);
    (void)vfprintf(stderr, format, args);
}

int tool_usage(const struct tool_line *l, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(l, format, args);
    va_end(args);
    (void)fprintf(stderr, " (see `cpis-sim %s --help`)\n", l->entry->name);
    return TOOL_USAGE;
}

int tool_trouble(const struct tool_line *l, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(l, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
    return TOOL_TROUBLE;
}

bool tool_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
    char *end;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || v < min || v > max)
        return false;
    *ret = v;
    return true;
}

/* --- scenarios --- */

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool tool_scenario_folder(char ret[static TOOL_PATH_BYTES])
{
    const char *set = getenv("CPIS_SIM_SCENARIOS");
#ifdef CPIS_SIM_SCENARIO_DIR
    if (set == NULL || set[0] == '\0') set = CPIS_SIM_SCENARIO_DIR;
#endif
    if (set != NULL && set[0] != '\0') {
        (void)snprintf(ret, TOOL_PATH_BYTES, "%s", set);
        return is_folder(ret);
    }
    char self[TOOL_PATH_BYTES / 2];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    if (len <= 0) return false;
    self[len] = '\0';
    char *slash = strrchr(self, '/'); /* build/release/cpis-sim: two folders up is the tree */
    if (slash == NULL) return false;
    *slash = '\0';
    (void)snprintf(ret, TOOL_PATH_BYTES, "%s/../../simulations/scenarios", self);
    return is_folder(ret);
}

/* "2", "0.25": ms, rounded down. */
static bool days(const char *text, uint64_t *ret)
{
    uint64_t whole = 0, part = 0, unit = CPIS_MS_DAY;
    char copy[16];
    if (strlen(text) >= sizeof copy) return false;
    (void)snprintf(copy, sizeof copy, "%s", text);
    char *dot = strchr(copy, '.');
    if (dot != NULL) *dot = '\0';
    if (!tool_number(copy, 0, SCENARIO_LASTS_MAX / CPIS_MS_DAY, &whole)) return false;
    if (dot != NULL) {
        if (!tool_number(dot + 1, 0, 99999999, &part)) return false;
        for (const char *p = dot + 1; *p != '\0'; p++)
            unit /= 10;
        part *= unit;
    }
    *ret = whole * CPIS_MS_DAY + part;
    return *ret >= CPIS_MS_SECOND && *ret <= SCENARIO_LASTS_MAX;
}

static int apply(const struct tool_line *l, struct scenario *sc)
{
    const char *crypto = tool_value(l, "crypto"), *storage = tool_value(l, "storage"),
               *length = tool_value(l, "days");
    if (length != NULL && !days(length, &sc->lasts))
        return tool_usage(l, "--days: a number of days up to 400, as 2 or 0.25");
    if (crypto != NULL && strcmp(crypto, "stub") != 0 && strcmp(crypto, "real") != 0)
        return tool_usage(l, "--crypto: stub or real");
    if (storage != NULL && strcmp(storage, "memory") != 0 && strcmp(storage, "lmdb") != 0)
        return tool_usage(l, "--storage: memory or lmdb");
    if (crypto != NULL)
        sc->crypto = strcmp(crypto, "real") == 0 ? SCENARIO_CRYPTO_REAL : SCENARIO_CRYPTO_STUB;
    if (storage != NULL)
        sc->storage =
            strcmp(storage, "lmdb") == 0 ? SCENARIO_STORAGE_LMDB : SCENARIO_STORAGE_MEMORY;
    return TOOL_DONE;
}

int tool_scenario(const struct tool_line *l, const char *what, struct scenario *ret)
{
    static struct scenario_mistakes mistakes;
    char folder[TOOL_PATH_BYTES], path[TOOL_PATH_BYTES + SCENARIO_NAME_BYTES + 8];
    bool is_name = strchr(what, '/') == NULL && strchr(what, '.') == NULL;
    if (is_name && strlen(what) >= SCENARIO_NAME_BYTES)
        return tool_usage(l, "no scenario has so long a name");
    if (is_name && !tool_scenario_folder(folder))
        return tool_usage(l, "the folder of the shipped scenarios is not there; name it in "
                             "$CPIS_SIM_SCENARIOS, or give a file");
    if (is_name)
        (void)snprintf(path, sizeof path, "%s/%s.conf", folder, what);
    else
        (void)snprintf(path, sizeof path, "%.4000s", what);
    if (is_name && access(path, R_OK) != 0)
        return tool_usage(l,
                          "no scenario \"%s\"; `cpis-sim list` shows them, and a file is "
                          "given as ./NAME.conf",
                          what);
    cpis_err err = scenario_read(path, ret, &mistakes);
    if (err == CPIS_OK) return apply(l, ret);
    (void)fputs(mistakes.text, stderr);
    if (err == CPIS_E_NOMEM) return tool_trouble(l, "%s", cpis_strerror(err));
    if (err == CPIS_E_MALFORMED)
        (void)fprintf(stderr, "cpis-sim %s: %u mistake%s; `cpis-sim explain KEY` tells more\n",
                      l->entry->name, mistakes.count, mistakes.count == 1 ? "" : "s");
    return TOOL_USAGE;
}

/* --- results --- */

int tool_results(const struct tool_line *l, const char *path, json_t **ret)
{
    bool standard = strcmp(path, "-") == 0;
    FILE *f = standard ? stdin : fopen(path, "r");
    json_error_t error;
    if (f == NULL) return tool_usage(l, "%s: %s", path, strerror(errno));
    json_t *all = json_array(), *o = NULL;
    int code = all == NULL ? tool_trouble(l, "%s", cpis_strerror(CPIS_E_NOMEM)) : TOOL_DONE;
    while (code == TOOL_DONE) {
        int c = fgetc(f);
        while (c == ' ' || c == '\n' || c == '\r' || c == '\t')
            c = fgetc(f);
        if (c == EOF) break;
        (void)ungetc(c, f);
        o = json_loadf(f, JSON_DISABLE_EOF_CHECK | JSON_REJECT_DUPLICATES, &error);
        if (o == NULL)
            code = tool_usage(l, "%s:%d: not a result: %s", path, error.line, error.text);
        else if (!json_is_string(json_object_get(o, "scenario")) ||
                 !json_is_object(json_object_get(o, "verdicts")))
            code = tool_usage(l, "%s: not a result of cpis-sim run or sweep", path);
        else if (json_array_append(all, o) != 0)
            code = tool_trouble(l, "%s", cpis_strerror(CPIS_E_NOMEM));
        json_decref(o);
    }
    if (code == TOOL_DONE && json_array_size(all) == 0)
        code = tool_usage(l, "%s: no result in it", path);
    if (!standard) (void)fclose(f);
    if (code == TOOL_DONE)
        *ret = all;
    else
        json_decref(all);
    return code;
}

int tool_write(const struct tool_line *l, const char *path, tool_writer fn, void *arg)
{
    char temporary[TOOL_PATH_BYTES + 8];
    if (strcmp(path, "-") == 0) {
        fn(stdout, arg);
        return fflush(stdout) == 0 && !ferror(stdout)
                   ? TOOL_DONE
                   : tool_trouble(l, "standard output: is the disk full, or the reader gone?");
    }
    (void)snprintf(temporary, sizeof temporary, "%.4000s.part", path);
    FILE *f = fopen(temporary, "w");
    if (f == NULL) return tool_trouble(l, "%s: %s", temporary, strerror(errno));
    fn(f, arg);
    bool bad = ferror(f) != 0;
    bad |= fclose(f) != 0;
    if (!bad && rename(temporary, path) == 0) return TOOL_DONE;
    int code = tool_trouble(l, "%s: %s", path, strerror(errno));
    (void)unlink(temporary);
    return code;
}
