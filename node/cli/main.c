#include "node/cli/cli.h"
#include "node/cli/sandbox.h"
#include "node/net/json_memory.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPTIONS_MAX 40U

static void print_command_list(FILE *to)
{
    (void)fprintf(to, "usage: cpis COMMAND [DIR] [ARGUMENT...] [--OPTION...]\n\n");
    for (size_t i = 0; cli_commands[i] != NULL; i++)
        (void)fprintf(to, "  %-23s %s\n", cli_commands[i]->name, cli_commands[i]->summary);
    (void)fprintf(to, "\nDIR is a node's folder; it may be left out when $CPIS_DIR names it.\n"
                      "`cpis COMMAND --help` tells all of one command. Handbook: node/README.md\n");
}

static void print_help(const struct cli_command *c)
{
    (void)printf("usage: cpis %s %s%s\n\n%s\n\n", c->name, c->args,
                 c->options[0].name != NULL ? " [OPTION...]" : "", c->summary);
    for (const struct cli_option *o = c->options; o->name != NULL; o++) {
        char left[64];
        (void)snprintf(left, sizeof left, "--%s %s", o->name, o->arg == NULL ? "" : o->arg);
        (void)printf("  %-26s %s\n", left, o->help);
    }
    (void)printf("  %-26s %s\n", "--help", "this text");
    if (c->more != NULL) (void)printf("\n%s\n", c->more);
    (void)printf("\nexit codes: %s\n",
                 c->exits != NULL ? c->exits : "0 done, 1 error, 2 usage error");
}

/* "flags import" stands in argv[1] and argv[2]: *ret_used is how many words the name has. */
static const struct cli_command *find_command(int argc, char **argv, int *ret_used)
{
    for (size_t i = 0; cli_commands[i] != NULL; i++) {
        const char *name = cli_commands[i]->name, *space = strchr(name, ' ');
        size_t first = space == NULL ? strlen(name) : (size_t)(space - name);
        if (strlen(argv[1]) != first || strncmp(argv[1], name, first) != 0) continue;
        if (space != NULL && (argc < 3 || strcmp(argv[2], space + 1) != 0)) continue;
        *ret_used = space == NULL ? 1 : 2;
        return cli_commands[i];
    }
    return NULL;
}

static int unknown_command(const char *word)
{
    size_t len = strlen(word);
    bool group = false, plain = len < 16;
    for (size_t i = 0; i < len; i++)
        plain = plain && (islower((unsigned char)word[i]) || word[i] == '-');
    if (!plain) { /* perhaps a number: not repeated */
        (void)fprintf(stderr, "cpis: the first word must be a command; see `cpis --help`\n");
        return CLI_USAGE;
    }
    for (size_t i = 0; cli_commands[i] != NULL; i++) {
        const struct cli_command *c = cli_commands[i];
        if (strncmp(c->name, word, len) != 0 || c->name[len] != ' ') continue;
        if (!group) (void)fprintf(stderr, "cpis %s: one of these:\n", word);
        group = true;
        (void)fprintf(stderr, "  cpis %-23s %s\n", c->name, c->summary);
    }
    if (!group) (void)fprintf(stderr, "cpis: no command \"%s\"; see `cpis --help`\n", word);
    return CLI_USAGE;
}

/* Everybody on the machine can read argv: what may be a number is copied, then overwritten. */
static bool copy_args(const struct cli_command *cmd, int argc, char **argv, char **ret)
{
    for (int i = 0; i < argc; i++) {
        size_t len = strlen(argv[i]), digits = 0;
        ret[i] = malloc(len + 1);
        if (ret[i] == NULL) return false;
        memcpy(ret[i], argv[i], len + 1);
        for (size_t k = 0; k < len; k++)
            digits += isdigit((unsigned char)argv[i][k]) != 0;
        if (cmd->takes_numbers && digits >= 4) memset(argv[i], 'x', len);
    }
    return true;
}

static int parse_options(struct cli *c, int argc, char **argv, bool *ret_help)
{
    struct option longs[OPTIONS_MAX + 2] = {{0}};
    int n = 0;
    for (const struct cli_option *o = c->command->options; o->name != NULL; o++, n++)
        longs[n] =
            (struct option){o->name, o->arg == NULL ? no_argument : required_argument, NULL, n + 1};
    longs[n] = (struct option){"help", no_argument, NULL, OPTIONS_MAX + 2};
    opterr = 0;
    optind = 1;
    for (int got; (got = getopt_long(argc, argv, ":h", longs, NULL)) != -1;) {
        if (got == 'h' || got == (int)OPTIONS_MAX + 2) {
            *ret_help = true;
            return CLI_OK;
        }
        if (got == ':') return cli_usage(c, "an option lacks its value");
        if (got == '?') return cli_usage(c, "no such option, or one that takes no value");
        if (c->given_count == CLI_GIVEN_MAX) return cli_usage(c, "too many options");
        c->given[c->given_count].option = &c->command->options[got - 1];
        c->given[c->given_count++].value = optarg == NULL ? "" : optarg;
    }
    c->args = argv + optind;
    c->args_count = (size_t)(argc - optind);
    return CLI_OK;
}

static bool is_node_folder(const char *path)
{
    char conf[FOLDER_PATH_BYTES];
    struct stat st;
    return folder_path(path, FOLDER_CONF, sizeof conf, conf) == CPIS_OK && stat(conf, &st) == 0;
}

static int take_dir(struct cli *c)
{
    const char *env = getenv("CPIS_DIR");
    bool first = c->args_count > 0 && is_node_folder(c->args[0]);
    if (!first && env != NULL && env[0] != '\0') {
        c->dir = env;
        if (is_node_folder(env)) return CLI_OK;
        return cli_fail(c, "$CPIS_DIR is not the folder of a node (no %s in it)", FOLDER_CONF);
    }
    if (c->args_count == 0)
        return cli_usage(c, "which node? Give its folder first, or set $CPIS_DIR");
    if (!first)
        return cli_usage(c,
                         "the first argument is not the folder of a node (no %s in it); "
                         "`cpis init` makes one",
                         FOLDER_CONF);
    c->dir = c->args[0];
    c->args++;
    c->args_count--;
    return CLI_OK;
}

/* As git does: the command is told apart here, and run by the program that has what it needs. */
static int run_beside(const struct cli *c, char **argv)
{
    char path[FOLDER_PATH_BYTES];
    const ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    path[n < 0 ? 0 : n] = '\0';
    char *slash = strrchr(path, '/');
    const size_t room = slash == NULL ? 0 : sizeof path - (size_t)(slash + 1 - path);
    if (room <= strlen(c->command->program))
        return cli_fail(c, "the program's own place is not known");
    memcpy(slash + 1, c->command->program, strlen(c->command->program) + 1);
    (void)execv(path, argv);
    return cli_fail(c, "%s: %s; install it beside this one", path, strerror(errno));
}

static int run(struct cli *c, int argc, char **argv)
{
    bool help = false;
    int code = parse_options(c, argc, argv, &help);
    if (help) {
        print_help(c->command);
        return CLI_OK;
    }
    if (code == CLI_OK && c->command->takes_dir) code = take_dir(c);
    return code != CLI_OK ? code : c->command->fn(c);
}

static int dispatch(int argc, char **argv)
{
    if (argc < 2) {
        print_command_list(stderr);
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        print_command_list(stdout);
        return CLI_OK;
    }
    if (strcmp(argv[1], "--version") == 0) argv[1] = argv[1] + 2;
    int used = 0;
    struct cli c = {.command = find_command(argc, argv, &used)};
    if (c.command == NULL) return unknown_command(argv[1]);
    if (c.command->program != NULL) return run_beside(&c, argv);
    char **copy = calloc((size_t)argc + 1, sizeof *copy);
    if (copy == NULL || !copy_args(c.command, argc, argv, copy))
        return cli_fail(&c, "%s", cpis_strerror(CPIS_E_NOMEM));
    int code = run(&c, argc - used, copy + used);
    for (int i = 0; i < argc; i++) {
        sodium_memzero(copy[i], strlen(copy[i]));
        free(copy[i]);
    }
    free(copy);
    return code;
}

int main(int argc, char **argv)
{
    json_memory_use();
    (void)umask(077);
    sandbox_keep_memory(); /* keys, passphrases, children's numbers */
    /* a closed pipe must become a failed write, which is told, not a silent death */
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN);
    if (sodium_init() < 0) {
        (void)fprintf(stderr, "cpis: the system's randomness is not available\n");
        return CLI_ERROR;
    }
    int code = dispatch(argc, argv);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        (void)fprintf(stderr, "cpis: the result could not be written: is the disk full, or the "
                              "reader gone?\n");
        code = CLI_ERROR;
    }
    return code;
}
