#include "node/core/id_map.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 64U

static uint32_t spread_of(const struct cpis_id *id)
{
    uint64_t v;
    memcpy(&v, id->b, sizeof v);
    return (uint32_t)(v * UINT64_C(0x9e3779b97f4a7c15) >> 32); /* all its bits into the highest */
}

static const struct cpis_id *id_at(const void *base, size_t size, size_t place)
{
    return (const struct cpis_id *)(const void *)((const uint8_t *)base + place * size);
}

size_t id_map_find(const struct id_map *m, const void *base, size_t size, const struct cpis_id *id)
{
    if (m->cap == 0) return ID_MAP_NONE;
    const uint32_t spread = spread_of(id);
    for (size_t i = spread & (m->cap - 1); m->slot[i].place_1 != 0; i = (i + 1) & (m->cap - 1)) {
        const size_t place = m->slot[i].place_1 - 1;
        if (m->slot[i].spread == spread && id_equal(id_at(base, size, place), id)) return place;
    }
    return ID_MAP_NONE;
}

static void put(struct id_map *m, struct id_map_slot new)
{
    size_t i = new.spread &(m->cap - 1);
    while (m->slot[i].place_1 != 0)
        i = (i + 1) & (m->cap - 1);
    m->slot[i] = new;
    m->count++;
}

static cpis_err grow(struct id_map *m)
{
    struct id_map larger = {.cap = m->cap == 0 ? FIRST_SLOTS : 2 * m->cap};
    larger.slot = calloc(larger.cap, sizeof *larger.slot);
    if (larger.slot == NULL) return CPIS_E_NOMEM;
    for (size_t i = 0; i < m->cap; i++)
        if (m->slot[i].place_1 != 0) put(&larger, m->slot[i]);
    free(m->slot);
    *m = larger;
    return CPIS_OK;
}

cpis_err id_map_add(struct id_map *m, const void *base, size_t size, size_t place)
{
    assert(place < UINT32_MAX);
    if (2 * (m->count + 1) > m->cap) {
        cpis_err err = grow(m);
        if (err != CPIS_OK) return err;
    }
    put(m, (struct id_map_slot){(uint32_t)place + 1, spread_of(id_at(base, size, place))});
    return CPIS_OK;
}

void id_map_free(struct id_map *m)
{
    free(m->slot);
    *m = (struct id_map){NULL, 0, 0};
}
