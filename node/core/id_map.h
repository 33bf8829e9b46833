/* node/core/id_map.h - where in an array the element with this id stands: open addressing over
 * elements that begin with their id, which the map neither holds nor copies. Ids are hashes, and
 * are spread by their own first bytes; somebody who seeks ids that meet makes a search as long as
 * the array is, no longer. Inside a node; one owner. */
#ifndef CPIS_NODE_CORE_ID_MAP_H
#define CPIS_NODE_CORE_ID_MAP_H
#include "crypto/hash.h"

#define ID_MAP_NONE SIZE_MAX

struct id_map { /* zeroed: empty */
    struct id_map_slot {
        uint32_t place_1; /* a place + 1; 0: free */
        uint32_t spread;  /* of its id: an element is touched only where this agrees */
    } * slot;             /* at most half are taken */
    size_t cap, count;
};
/* `base`: the array's first element, of `size` bytes each. ID_MAP_NONE: not in the map. */
size_t id_map_find(const struct id_map *m, const void *base, size_t size, const struct cpis_id *id);
/* The element at `place`, whose id is not in the map yet. CPIS_E_NOMEM: nothing has changed. */
CPIS_CHECK cpis_err id_map_add(struct id_map *m, const void *base, size_t size, size_t place);
void id_map_free(struct id_map *m); /* leaves it empty */
#endif
