/* What the tables of keys.c say, for people. */
#include "simulations/keys.h"

#include <string.h>

static void print_key(FILE *to, const struct key *k)
{
    char expected[KEY_EXPECTED_BYTES];
    const char *group = key_group_name(k->group), *list = key_group_is_list(k->group) ? "[]" : "";
    key_expected(k, expected);
    (void)fprintf(to, "%s%s%s%s\n    %s.\n    Expected: %s.\n", group, list,
                  group[0] != '\0' ? "." : "", k->name, k->help, expected);
    if (k->value != NULL)
        (void)fprintf(to, "    Default: %s\n", k->value[0] != '\0' ? k->value : "\"\"");
    for (const struct key_word *w = k->words; w != NULL && w->word != NULL; w++)
        if (w->text[0] != '\0') (void)fprintf(to, "      %-16s %s\n", w->word, w->text);
}

static void print_words(FILE *to, const char *title, const char *words)
{
    if (words[0] != '\0') (void)fprintf(to, "    %s: %s\n", title, words);
}

static void print_fault(FILE *to, enum scenario_fault_type t)
{
    const struct fault_rule *rule = fault_rule(t);
    static const char *const roles[] = {"any role", "authority", "directory", "query"};
    (void)fprintf(to, "what = \"%s\"\n    %s.\n", fault_word(t), fault_text(t));
    (void)fprintf(to, "    About: %s\n",
                  rule->nobody ? "nobody; all nodes see it" : roles[rule->role]);
    if (!rule->nobody) print_words(to, "Whom", "role region index count share_permille");
    print_words(to, "Must be given", rule->required);
    print_words(to, "May be given", rule->optional);
}

bool keys_explain(FILE *to, const char *key)
{
    bool found = false;
    for (size_t i = 0; i < keys_count; i++) {
        const char *group = key_group_name(keys[i].group);
        size_t len = strlen(group);
        bool grouped =
            len > 0 && strncmp(key, group, len) == 0 &&
            (key[len] == '\0' || (key[len] == '.' && strcmp(key + len + 1, keys[i].name) == 0));
        if (!grouped && strcmp(key, keys[i].name) != 0) continue;
        if (found) (void)fputc('\n', to);
        print_key(to, &keys[i]);
        found = true;
    }
    for (int t = FAULT_NONE + 1; t < FAULT_TYPE_END; t++)
        if (strcmp(key, fault_word((enum scenario_fault_type)t)) == 0) {
            print_fault(to, (enum scenario_fault_type)t);
            found = true;
        }
    for (int r = ROGUE_NONE + 1; r < ROGUE_END; r++)
        if (strcmp(key, rogue_word((enum scenario_rogue)r)) == 0) {
            (void)fprintf(to, "what = \"rogue\", behaviour = \"%s\"\n    %s.\n", key,
                          rogue_text((enum scenario_rogue)r));
            found = true;
        }
    return found;
}

void keys_explain_all(FILE *to)
{
    (void)fprintf(to, "A scenario file is a libconfig file. A moment is \"2d 17:30\" (day 2 after "
                      "`start`, which is day 0), a\nduration \"90 s\". Everything may be left out "
                      "except where no default is named.\n");
    enum key_group last = GROUPS;
    for (size_t i = 0; i < keys_count; i++) {
        if (keys[i].group != last && keys[i].group != GROUP_TOP)
            (void)fprintf(to, "\n--- %s = %s ---\n", key_group_name(keys[i].group),
                          key_group_is_list(keys[i].group) ? "( { ... }, ... )" : "{ ... }");
        last = keys[i].group;
        (void)fputc('\n', to);
        print_key(to, &keys[i]);
    }
    (void)fprintf(to, "\n--- kinds of faults ---\n");
    for (int t = FAULT_NONE + 1; t < FAULT_TYPE_END; t++) {
        (void)fputc('\n', to);
        print_fault(to, (enum scenario_fault_type)t);
    }
}
