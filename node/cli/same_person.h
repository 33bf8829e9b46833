/* node/cli/same_person.h - one child who is held under two numbers: found while the list of all
 * children is read, for `cpis flags check` and for the page of data quality. */
#ifndef CPIS_NODE_CLI_SAME_PERSON_H
#define CPIS_NODE_CLI_SAME_PERSON_H
#include <jansson.h>

/* seen: json_object() at first, then what it was with the children before; holds names and birth
 * dates. child: of flags_list. The finding about it, in flags_list's shape, for json_decref; NULL:
 * nobody before has both names and the birth date, or it has not both names. */
json_t *same_person_check(json_t *seen, const json_t *child);
#endif
