/* cpis ceremony start | status | result: at a running directory. */
#include "node/cli/commands.h"

#include <stdlib.h>
#include <string.h>

#define HOLDERS_MAX 64U

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* All directories of the register, this one among them, in order of code. */
static json_t *all_directories(const struct cli *c)
{
    json_t *r = cli_ask(c, "status", NULL);
    if (r == NULL) return NULL;
    const char *codes[HOLDERS_MAX];
    size_t i, n = 0;
    const json_t *p, *peers = json_object_get(r, "peers");
    codes[n++] = cli_text(json_object_get(r, "node"), "code");
    json_array_foreach(peers, i, p)
    {
        if (n < HOLDERS_MAX && strcmp(cli_text(p, "role"), "directory") == 0)
            codes[n++] = cli_text(p, "code");
    }
    qsort(codes, n, sizeof *codes, by_text);
    json_t *list = json_array();
    for (i = 0; i < n; i++)
        (void)json_array_append_new(list, json_string(codes[i]));
    json_decref(r);
    return list;
}

static int ceremony_start(struct cli *c)
{
    uint64_t epoch = 0, t = 0;
    if (!cli_args(c, 0, HOLDERS_MAX) || !cli_number(c, "epoch", 1, UINT32_MAX, &epoch) ||
        !cli_number(c, "threshold", 1, 64, &t))
        return CLI_USAGE;
    if (epoch == 0 || t == 0) return cli_usage(c, "--epoch and --threshold are needed");
    json_t *holders = c->args_count == 0 ? all_directories(c) : json_array();
    if (holders == NULL) return CLI_ERROR;
    for (size_t i = 0; i < c->args_count; i++)
        (void)json_array_append_new(holders, json_string(c->args[i]));
    json_t *r = cli_ask(c, "ceremony_start",
                        json_pack("{s:I,s:I,s:o}", "epoch", (json_int_t)epoch, "t", (json_int_t)t,
                                  "holders", holders));
    if (r == NULL) return CLI_ERROR;
    json_decref(r);
    (void)printf("begun; `cpis ceremony status` tells how far it is\n");
    return CLI_OK;
}
const struct cli_command cmd_ceremony_start = {
    .name = "ceremony start",
    .args = "DIR [DIRECTORY...] --epoch N --threshold T",
    .summary = "begin a key ceremony; all directories named must run",
    .more = "DIRECTORY: the code of each, in the order of their indices; default: all that the\n"
            "register has, in order of code. Only one of them starts.\n"
            "A failed ceremony is begun anew with the next epoch number.",
    .takes_dir = true,
    .fn = ceremony_start,
    .options = (const struct cli_option[]){
        {"epoch", "N", "number of the epoch: one that was never used"},
        {"threshold", "T", "how many directories together can evaluate"},
        {0}}};

static int ceremony_status(struct cli *c)
{
    if (!cli_args(c, 0, 0)) return CLI_USAGE;
    json_t *r = cli_ask(c, "status", NULL);
    if (r == NULL) return CLI_ERROR;
    json_t *s = json_object_get(json_object_get(r, "directory"), "ceremony");
    int code = CLI_OK;
    if (s == NULL) {
        code = cli_fail(c, "this node is no directory, or does not run well: `cpis doctor`");
    } else if (cli_has(c, "json")) {
        cli_print_json(json_incref(s));
    } else {
        (void)printf("%s: epoch %llu, %llu of %llu, own index %llu, heard %llu\n",
                     cli_text(s, "phase"), (unsigned long long)cli_integer(s, "epoch"),
                     (unsigned long long)cli_integer(s, "t"),
                     (unsigned long long)cli_integer(s, "n"),
                     (unsigned long long)cli_integer(s, "own_index"),
                     (unsigned long long)cli_integer(s, "heard"));
        if (cli_integer(s, "culprit") != 0)
            (void)printf("the dealing of directory %llu does not hold\n",
                         (unsigned long long)cli_integer(s, "culprit"));
    }
    json_decref(r);
    return code;
}
const struct cli_command cmd_ceremony_status = {
    .name = "ceremony status",
    .args = "DIR",
    .summary = "how far the key ceremony is at this directory",
    .takes_dir = true,
    .fn = ceremony_status,
    .options = (const struct cli_option[]){{"json", NULL, "JSON instead of text"}, {0}}};

static int ceremony_result(struct cli *c)
{
    if (!cli_args(c, 0, 0)) return CLI_USAGE;
    json_t *r = cli_ask(c, "ceremony_result", NULL);
    if (r == NULL) return CLI_ERROR;
    json_t *o = json_pack("{s:O,s:O}", "epoch", json_object_get(r, "epoch"), "acceptances",
                          json_object_get(r, "acceptances"));
    json_decref(r);
    cli_print_json(o);
    return CLI_OK;
}
const struct cli_command cmd_ceremony_result = {
    .name = "ceremony result",
    .args = "DIR",
    .summary = "what all directories signed for, as JSON for `cpis register epoch`",
    .takes_dir = true,
    .fn = ceremony_result,
    .options = (const struct cli_option[]){{0}}};
