/* list, check, explain: scenario files, before anything runs. */
#include "simulations/keys.h"
#include "simulations/tool.h"

#include <glob.h>
#include <string.h>

static const struct tool_option none[] = {{NULL, NULL, NULL}};
static const char exits[] = "0 done, 2 wrong (told with file, line, key and what was expected), 3 "
                            "this machine's fault";

static int list(const struct tool_line *l)
{
    static struct scenario sc;
    static struct scenario_mistakes mistakes;
    char folder[TOOL_PATH_BYTES], pattern[TOOL_PATH_BYTES + 8];
    glob_t g;
    int code = TOOL_DONE;
    if (l->args_count != 0) return tool_usage(l, "takes no argument");
    if (!tool_scenario_folder(folder))
        return tool_usage(l, "the folder of the shipped scenarios is not there; name it in "
                             "$CPIS_SIM_SCENARIOS");
    (void)snprintf(pattern, sizeof pattern, "%s/*.conf", folder);
    if (glob(pattern, 0, NULL, &g) != 0) return tool_usage(l, "no scenario in %s", folder);
    for (size_t i = 0; i < g.gl_pathc; i++) {
        if (scenario_read(g.gl_pathv[i], &sc, &mistakes) == CPIS_OK) {
            (void)printf("  %-21s %s\n", sc.name, sc.description);
        } else {
            (void)fputs(mistakes.text, stderr);
            code = TOOL_USAGE;
        }
    }
    globfree(&g);
    return code;
}

static int check(const struct tool_line *l)
{
    static struct scenario sc;
    int code = TOOL_DONE;
    if (l->args_count == 0) return tool_usage(l, "which scenario? Give a name or a file");
    for (size_t i = 0; i < l->args_count; i++) {
        int this = tool_scenario(l, l->args[i], &sc);
        if (this != TOOL_DONE) {
            code = this;
            continue;
        }
        char lasts[MOMENT_BYTES];
        duration_format(sc.lasts, lasts);
        (void)printf("%s: right: %s, %u authorities, %u directories, %u query nodes, %zu faults\n",
                     sc.name, lasts, scenario_count(&sc, ROLE_AUTHORITY),
                     scenario_count(&sc, ROLE_DIRECTORY), scenario_count(&sc, ROLE_QUERY),
                     sc.faults);
    }
    return code;
}

static int explain(const struct tool_line *l)
{
    if (l->args_count == 0) keys_explain_all(stdout);
    for (size_t i = 0; i < l->args_count; i++)
        if (!keys_explain(stdout, l->args[i]))
            return tool_usage(l,
                              "no key, group or kind of fault \"%s\"; `cpis-sim explain` "
                              "lists all",
                              l->args[i]);
    return TOOL_DONE;
}

const struct tool_entry tool_list = {.name = "list",
                                     .args = "",
                                     .summary = "The shipped scenarios",
                                     .exits = exits,
                                     .fn = list,
                                     .options = none};
const struct tool_entry tool_check = {.name = "check",
                                      .args = "SCENARIO...",
                                      .summary = "Is this scenario file right?",
                                      .exits = exits,
                                      .fn = check,
                                      .options = none};
const struct tool_entry tool_explain = {
    .name = "explain",
    .args = "[KEY...]",
    .summary = "What a key, group or kind of fault of a scenario file means",
    .more = "KEY is as demand.hit_permille, hit_permille, demand, stop or lies. Without: all.",
    .exits = exits,
    .fn = explain,
    .options = none};
