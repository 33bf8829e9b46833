#include "node/cli/same_person.h"

#include "node/cli/cli.h"

#include <sodium.h>

#define SAME      "another number is held with the same names and birth date"
#define SAME_TODO "one child: `cpis flags renumber`; two children: nothing"

json_t *same_person_check(json_t *seen, const json_t *child)
{
    char key[256];
    json_t *finding = NULL;
    if (cli_text(child, "family")[0] == '\0' || cli_text(child, "given")[0] == '\0') return NULL;
    (void)snprintf(key, sizeof key, "%s|%s|%s", cli_text(child, "family"), cli_text(child, "given"),
                   cli_text(child, "birth_date"));
    if (json_object_get(seen, key) == NULL)
        (void)json_object_set_new(seen, key, json_true());
    else
        finding = json_pack("{s:s,s:s,s:s,s:n,s:n}", "finding", "same-person", "text", SAME, "do",
                            SAME_TODO, "plan", "start");
    sodium_memzero(key, sizeof key);
    return finding;
}
