#include "node/cli/lookup_text.h"

#include "node/cli/cli.h"
#include "proto/code.h"

#include <string.h>

static const struct verdict_words {
    const char *verdict, *headline, *meaning;
    int code;
} words[] = {
    {"flag", "FLAG", "This child is known to children's social care.", CLI_FLAG},
    {"flag_details_to_follow", "FLAG - DETAILS TO FOLLOW",
     "This child is listed by an authority that gives no details now. It will be told. Ring it.",
     CLI_FLAG_DETAILS},
    {"no_flag", "NO FLAG", "No authority lists this child.", CLI_OK},
    {"incomplete", "INCOMPLETE",
     "Nothing was found, but not every authority's list could be searched. This is not \"no "
     "flag\".",
     CLI_INCOMPLETE},
    {"unknown", "UNKNOWN",
     "The question could not be answered. This is not \"no flag\". Ask again, or ring.",
     CLI_UNKNOWN},
};

static const struct verdict_words *find(const char *verdict)
{
    size_t i = 0, last = sizeof words / sizeof *words - 1;
    while (i < last && strcmp(words[i].verdict, verdict) != 0)
        i++;
    return &words[i];
}

int lookup_exit(const char *verdict) { return find(verdict)->code; }

static void print_telephone(const json_t *o, FILE *to)
{
    const json_t *t = json_object_get(o, "telephone");
    const char *emergency = cli_text(t, "emergency"), *office = cli_text(t, "office");
    if (emergency[0] != '\0') (void)fprintf(to, "; emergency duty team %s", emergency);
    if (office[0] != '\0') (void)fprintf(to, "; office hours %s", office);
}

static void print_authority(const json_t *o, FILE *to)
{
    const json_t *a = json_object_get(o, "authority");
    (void)fprintf(to, "%s (%s)", cli_text(a, "name"), cli_text(a, "code"));
}

static void print_flag(const json_t *f, FILE *to)
{
    enum plan_type plan;
    const char *code = cli_text(f, "plan"), *end = cli_text(f, "end");
    (void)fputs("  ", to);
    if (plan_type_parse(code, strlen(code), &plan) == CPIS_OK) {
        (void)fprintf(to, "%s since %s", plan_type_text(plan), cli_text(f, "start"));
        if (end[0] != '\0') (void)fprintf(to, ", end date %s", end);
    } else {
        (void)fputs("there is safeguarding information: ring", to);
    }
    (void)fputs(" - ", to);
    print_authority(f, to);
    print_telephone(f, to);
    (void)fputc('\n', to);
}

static void print_named(const json_t *list, const char *title, const char *time_key, FILE *to)
{
    size_t i;
    const json_t *a;
    char when[WALL_LONDON_BYTES];
    if (json_array_size(list) > 0) (void)fprintf(to, "%s\n", title);
    json_array_foreach(list, i, a)
    {
        (void)fputs("  ", to);
        print_authority(a, to);
        if (time_key != NULL) {
            cli_london(cli_text(a, time_key), when);
            (void)fprintf(to, ", last heard %s", when[0] == '-' ? "never" : when);
        }
        print_telephone(a, to);
        const char *why = cli_text(a, "why");
        if (strcmp(why, "refused") == 0) why = "its policy gives this role no details";
        if (why[0] != '\0') (void)fprintf(to, " [%s]", why);
        (void)fputc('\n', to);
    }
}

static void print_accesses(const json_t *list, FILE *to)
{
    size_t i;
    const json_t *a;
    char when[WALL_LONDON_BYTES];
    if (json_array_size(list) > 0) (void)fputs("Seen before by:\n", to);
    json_array_foreach(list, i, a)
    {
        cli_london(cli_text(a, "time"), when);
        const char *role = cli_text(a, "role_name");
        (void)fprintf(to, "  %s  %s%s%s, %s\n", when, cli_text(a, "user_name"),
                      role[0] != '\0' ? ", " : "", role, cli_text(a, "organisation_name"));
    }
}

void lookup_print(const json_t *v, FILE *to)
{
    const struct verdict_words *w = find(cli_text(v, "verdict"));
    const char *n = cli_text(v, "nhs_number"), *reason = cli_text(v, "reason");
    const json_t *asked = json_object_get(v, "authorities"), *f;
    char when[WALL_LONDON_BYTES];
    size_t i;
    (void)fprintf(to, "%s  %.3s %.3s %s\n%s\n", w->headline, n, strlen(n) > 3 ? n + 3 : "",
                  strlen(n) > 6 ? n + 6 : "", w->meaning);
    cli_london(cli_text(v, "as_of"), when);
    if (when[0] != '-') (void)fprintf(to, "As of %s (London time).\n", when);
    if (reason[0] != '\0') (void)fprintf(to, "Why: %s.\n", reason);
    const json_t *flags = json_object_get(v, "flags");
    if (json_array_size(flags) > 0) (void)fputs("Known:\n", to);
    json_array_foreach(flags, i, f) { print_flag(f, to); }
    print_named(json_object_get(v, "pending"), "No details from - ring:", NULL, to);
    print_named(json_object_get(v, "unconfirmed"), "Could not be asked - ring:", "last_heard", to);
    print_named(json_object_get(v, "notes"), "Beside that:", "list_time", to);
    if (cli_integer(asked, "expected") > 0) /* a flag is found by its holder alone */
        (void)fprintf(to, "Authorities searched: %llu of %llu.\n",
                      (unsigned long long)cli_integer(asked, "asked"),
                      (unsigned long long)cli_integer(asked, "expected"));
    print_accesses(json_object_get(v, "accesses"), to);
    if (cli_text(v, "rid")[0] != '\0') (void)fprintf(to, "Evidence: %s\n", cli_text(v, "rid"));
}
