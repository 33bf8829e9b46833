/* cpis flags undo: the last import is taken back. */
#include "node/cli/commands.h"

static int flags_undo(struct cli *c)
{
    const bool dry_run = cli_has(c, "dry-run");
    if (!cli_args(c, 0, 0)) return CLI_USAGE;
    json_t *r = cli_ask(c, "imports", json_pack("{s:i}", "limit", 1));
    if (r == NULL) return CLI_ERROR;
    const json_t *last = json_array_get(json_object_get(r, "imports"), 0);
    const uint64_t id = cli_integer(last, "id");
    char when[WALL_LONDON_BYTES];
    cli_london(cli_text(last, "started"), when);
    json_decref(r);
    if (id == 0) return cli_fail(c, "nothing has been imported here yet");
    r = cli_ask(c, "undo_import",
                json_pack("{s:I,s:b}", "import", (json_int_t)id, "dry_run", dry_run));
    if (r == NULL) return CLI_ERROR;
    const unsigned long long undone = cli_integer(r, "undone"), kept = cli_integer(r, "kept");
    json_decref(r);
    if (cli_has(c, "json")) {
        cli_print_json(json_pack("{s:I,s:I,s:I,s:b}", "import", (json_int_t)id, "undone",
                                 (json_int_t)undone, "kept", (json_int_t)kept, "dry_run", dry_run));
        return CLI_OK;
    }
    (void)printf("import %llu of %s: %llu children %s as they were before it\n",
                 (unsigned long long)id, when, undone, dry_run ? "would be" : "are");
    if (kept > 0)
        (void)printf("%llu were changed since and %s as they are now: `cpis flags show`\n", kept,
                     dry_run ? "would stay" : "stay");
    return CLI_OK;
}
const struct cli_command cmd_flags_undo = {
    .name = "flags undo",
    .args = "DIR",
    .summary = "take the last import back: its children stand again as they did before it",
    .more =
        "What somebody has changed since stays. The file can be imported again. A list that falls\n"
        "by it is held by the publisher's own guard: `cpis flags confirm-shrink`.",
    .takes_dir = true,
    .fn = flags_undo,
    .options = (const struct cli_option[]){{"dry-run", NULL, "count, and change nothing"},
                                           {"json", NULL, "the counts as one JSON object"},
                                           {0}}};
