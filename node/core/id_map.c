#include "node/core/id_map.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 64U

static size_t slot_of(const struct id_map *m, const struct cpis_id *id)
{
    uint64_t v;
    memcpy(&v, id->b, sizeof v);
    v *= UINT64_C(0x9e3779b97f4a7c15); /* all its bits into the highest */
    return (size_t)(v >> 32) & (m->cap - 1);
}

static const struct cpis_id *id_at(const void *base, size_t size, size_t place)
{
    return (const struct cpis_id *)(const void *)((const uint8_t *)base + place * size);
}

size_t id_map_find(const struct id_map *m, const void *base, size_t size, const struct cpis_id *id)
{
    if (m->cap == 0) return ID_MAP_NONE;
    for (size_t i = slot_of(m, id); m->slot[i] != 0; i = (i + 1) & (m->cap - 1))
        if (id_equal(id_at(base, size, m->slot[i] - 1), id)) return m->slot[i] - 1;
    return ID_MAP_NONE;
}

static void put(struct id_map *m, const struct cpis_id *id, uint32_t place_1)
{
    size_t i = slot_of(m, id);
    while (m->slot[i] != 0)
        i = (i + 1) & (m->cap - 1);
    m->slot[i] = place_1;
    m->count++;
}

static cpis_err grow(struct id_map *m, const void *base, size_t size)
{
    struct id_map larger = {.cap = m->cap == 0 ? FIRST_SLOTS : 2 * m->cap};
    larger.slot = calloc(larger.cap, sizeof *larger.slot);
    if (larger.slot == NULL) return CPIS_E_NOMEM;
    for (size_t i = 0; i < m->cap; i++)
        if (m->slot[i] != 0) put(&larger, id_at(base, size, m->slot[i] - 1), m->slot[i]);
    free(m->slot);
    *m = larger;
    return CPIS_OK;
}

cpis_err id_map_add(struct id_map *m, const void *base, size_t size, size_t place)
{
    assert(place < UINT32_MAX);
    if (2 * (m->count + 1) > m->cap) {
        cpis_err err = grow(m, base, size);
        if (err != CPIS_OK) return err;
    }
    put(m, id_at(base, size, place), (uint32_t)place + 1);
    return CPIS_OK;
}

void id_map_free(struct id_map *m)
{
    free(m->slot);
    *m = (struct id_map){NULL, 0, 0};
}
