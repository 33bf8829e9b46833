/* node/cli/cli.h - what all commands share: the table they stand in, their arguments, how they end,
 * how they print. One process runs one command. */
#ifndef CPIS_NODE_CLI_CLI_H
#define CPIS_NODE_CLI_CLI_H
#include "node/net/folder.h"
#include "proto/arena.h"
#include "proto/date.h"

#include <jansson.h>
#include <stdio.h>

#define CLI_VERSION "0.2.0"

/* Exit codes; node/README.md lists them for operators, each --help its own. */
enum cli_exit {
    CLI_OK = 0,
    CLI_ERROR = 1,
    CLI_USAGE = 2,
    CLI_FLAG = 10, /* lookup */
    CLI_FLAG_DETAILS = 11,
    CLI_ROWS_SOME = 12, /* flags import */
    CLI_ROWS_NONE = 13,
    CLI_FINDINGS = 14, /* flags check */
    CLI_STOPPED = 15,  /* trace */
    CLI_CONFIRM = 16,  /* flags import: nothing was changed, an officer has to say so */
    CLI_INCOMPLETE = 20,
    CLI_UNKNOWN = 30
};

struct cli_option {
    const char *name, *arg; /* arg NULL: takes none */
    const char *help;
};
struct cli;
struct cli_command {
    const char *name; /* "flags import" */
    const char *args; /* "DIR FILE" */
    const char *summary;
    const char *more;   /* sentences below the options; or NULL */
    const char *exits;  /* NULL: 0 done, 1 error, 2 usage */
    bool takes_dir;     /* first argument, or $CPIS_DIR */
    bool takes_numbers; /* NHS numbers among its arguments: hidden from ps at once */
    int (*fn)(struct cli *c);
    const struct cli_option *options; /* ended by a NULL name */
    const char *program;              /* it stands in another one, beside this; NULL: here */
};
extern const struct cli_command *const cli_commands[]; /* ended by NULL; in the order of --help */

#define CLI_GIVEN_MAX 300U
struct cli {
    const struct cli_command *command;
    const char *dir; /* takes_dir */
    char **args;     /* what is left; copies that ps can't see */
    size_t args_count;
    struct {
        const struct cli_option *option;
        const char *value; /* "" when it takes none */
    } given[CLI_GIVEN_MAX];
    size_t given_count;
};

/* The option's last value, or NULL when it was not given. */
const char *cli_value(const struct cli *c, const char *option);
bool cli_has(const struct cli *c, const char *option);
/* The i-th of an option that may stand several times, or NULL. */
const char *cli_value_at(const struct cli *c, const char *option, size_t i);
/* A whole number within bounds; absent: *ret stays. false: a usage error was told. */
bool cli_number(const struct cli *c, const char *option, uint64_t min, uint64_t max, uint64_t *ret);
/* Exactly so many arguments (max SIZE_MAX: no end); false: a usage error was told. */
bool cli_args(const struct cli *c, size_t min, size_t max);

/* "cpis flags import: ..." on stderr. Never of an argument that may be a child's number. */
int cli_usage(const struct cli *c, const char *format, ...) /* returns CLI_USAGE */
    __attribute__((format(printf, 2, 3)));
int cli_fail(const struct cli *c, const char *format, ...) /* returns CLI_ERROR */
    __attribute__((format(printf, 2, 3)));

cpis_ms cli_wall(void);      /* ms since 1970 */
struct date cli_today(void); /* London's */
/* One line of JSON on stdout, or with indents; takes o. */
void cli_print_json(json_t *o);
/* A text of a JSON object, "" when absent or null; borrowed. */
const char *cli_text(const json_t *o, const char *key);
uint64_t cli_integer(const json_t *o, const char *key); /* 0 when absent */
/* "2026-11-23T18:03:00.000Z" as ms since 1970, whole seconds; 0 when it is no time. */
cpis_ms cli_iso(const char *iso);
/* The same as "Mon 23 Nov 2026 18:03" in London; "-" when it is no time. */
void cli_london(const char *iso, char ret[static WALL_LONDON_BYTES]);

/* "2026-11-23" or "202611231803", as the node gives and takes plan dates. false: neither. */
bool cli_plan_time(const char *text, struct date_time *ret);
#define CLI_MINUTE_BYTES 17U
/* The same for people: "2026-11-23", or "2026-11-23 18:03" when it is not at 00:00; "" for none. */
void cli_minute(const char *text, char ret[static CLI_MINUTE_BYTES]);

/* Texts of an option or file that hold a passphrase: its first line. *ret is sodium_malloc'd, for
 * sodium_free, NULL when `path` is NULL. false: told. */
bool cli_passphrase(const struct cli *c, const char *path, char **ret, size_t *ret_len);
/* A whole file of at most max bytes, "-" being stdin; free(). false: told. */
bool cli_read_file(const struct cli *c, const char *path, size_t max, uint8_t **ret,
                   size_t *ret_len);
/* Replaces a file whole and durably with these permissions. false: told. */
bool cli_write_file(const struct cli *c, const char *path, struct bytes b, unsigned mode,
                    bool replace);
struct node_settings; /* node/cli/conf.h */
/* DIR/node.conf. false: told. */
bool cli_settings(const struct cli *c, struct node_settings *ret);
void cli_hex(const void *p, size_t len, char *ret); /* 2 len + 1 */
bool cli_unhex(const char *hex, void *ret, size_t len);
#endif
