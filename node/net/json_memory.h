/* node/net/json_memory.h - jansson's memory: what it frees is wiped, for it holds children's
 * numbers and names; and that it was refused some is remembered. jansson 2.14 itself goes on
 * without what there was no room for - a member of an object, a byte of a text - so whoever sends
 * or has read JSON asks here whether it is whole. Per thread. */
#ifndef CPIS_NODE_NET_JSON_MEMORY_H
#define CPIS_NODE_NET_JSON_MEMORY_H
#include <stdbool.h>
#include <stddef.h>

void json_memory_use(void); /* before or after jansson is used; again: nothing */
/* Was jansson refused memory in this thread since the last call? Then what was built or read since
 * may lack something: throw it away. */
bool json_memory_failed(void);
void json_memory_free(void *p); /* what json_dumps gave */
/* Zeroed, for what goes into JSON: a failure counts as one of jansson's. For free(). */
void *json_memory_calloc(size_t n, size_t size);
#endif
