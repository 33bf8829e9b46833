/* simulations/tool.h - what the commands of cpis-sim share: the table they stand in, the command
 * line, how they end, where scenarios are found. One process runs one command. */
#ifndef CPIS_SIMULATIONS_TOOL_H
#define CPIS_SIMULATIONS_TOOL_H
#include "simulations/run.h"

#include <jansson.h>
#include <signal.h>
#include <stdio.h>

enum tool_exit { /* of every command; --help names those that one has */
                 TOOL_DONE = 0,
                 TOOL_FOUND = 1,   /* a breach, not converged, out of bounds */
                 TOOL_USAGE = 2,   /* the command line, a scenario or result file is wrong */
                 TOOL_TROUBLE = 3, /* this machine: disk, memory */
                 TOOL_STOPPED = 4  /* by a signal; what was written is valid, and partial */
};
struct tool_option {
    const char *name, *arg; /* arg NULL: takes none; name NULL: the end */
    const char *help;
};
struct tool_line;
struct tool_entry {
    const char *name, *args, *summary;
    const char *more;  /* sentences below the options; or NULL */
    const char *exits; /* in words */
    int (*fn)(const struct tool_line *l);
    const struct tool_option *options;
};
extern const struct tool_entry tool_run, tool_emulate, tool_sweep, tool_list, tool_check,
    tool_explain, tool_report, tool_compare, tool_calibrate;

#define TOOL_GIVEN_MAX 64U
struct tool_line {
    const struct tool_entry *entry;
    char **args; /* what is no option */
    size_t args_count;
    struct {
        const char *name, *value; /* value "" when it takes none */
    } given[TOOL_GIVEN_MAX];
    size_t given_count;
};
/* Parses and runs argv[0] = the command's name. */
int tool_dispatch(const struct tool_entry *const *table, int argc, char **argv);

const char *tool_value(const struct tool_line *l, const char *option); /* NULL: not given */
/* Each returns the code it is named after, having said why on stderr. */
int tool_usage(const struct tool_line *l, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
int tool_trouble(const struct tool_line *l, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A whole number from min to max: all of the text. */
bool tool_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret);

/* SIGINT and SIGTERM set it; a second one ends the process at once. */
extern volatile sig_atomic_t tool_stop;
void tool_catch_signals(void);

#define TOOL_PATH_BYTES 4096U
/* The folder of the shipped scenarios: $CPIS_SIM_SCENARIOS; else CPIS_SIM_SCENARIO_DIR where the
 * build defines it; else simulations/scenarios of the tree that the executable was built in. false:
 * none of them is there. */
bool tool_scenario_folder(char ret[static TOOL_PATH_BYTES]);
/* Reads a scenario by name or path, and applies --days, --crypto and --storage. TOOL_DONE, or
 * the exit code, having said why. */
int tool_scenario(const struct tool_line *l, const char *what, struct scenario *ret);

/* All JSON objects of a file, "-": standard input; one after the other, as sweep writes them. The
 * caller owns the array *ret. TOOL_DONE, or the exit code, having said why. */
int tool_results(const struct tool_line *l, const char *path, json_t **ret);
/* Writes a file whole, through a temporary one beside it, "-": standard output. */
typedef void (*tool_writer)(FILE *to, void *arg);
int tool_write(const struct tool_line *l, const char *path, tool_writer fn, void *arg);

/* deliver.c: what run and emulate share. An empty folder in $TMPDIR or /tmp; and away with it. */
bool tool_scratch(char ret[static TOOL_PATH_BYTES]);
void tool_unscratch(const char *path);
/* For run_options and emulate_options: a line on the terminal that is written over. */
void tool_progress(void *arg, const struct run_progress *p, const struct run_result *r);
/* What --out, --csv, --summary and --json ask for, or text for people. TOOL_DONE, or the exit code,
 * having said why. */
int tool_deliver(const struct tool_line *l, const struct run_result *r);
#endif
