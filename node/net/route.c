#include "node/net/route.h"

#include "crypto/hash.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct peer_routes { /* newest first */
    struct cpis_id peer;
    struct route *at[ROUTES_PER_PEER];
    size_t count;
};
struct routes { /* peers in rising order; two nodes with one routing id are looked for by a pass
                   over all: only when a route is new */
    struct peer_routes *peers;
    size_t count, cap;
};

cpis_err routes_new(struct routes **ret)
{
    *ret = calloc(1, sizeof **ret);
    return *ret == NULL ? CPIS_E_NOMEM : CPIS_OK;
}

void routes_free(struct routes **p)
{
    if (*p == NULL) return;
    for (size_t i = 0; i < (*p)->count; i++)
        for (size_t k = 0; k < (*p)->peers[i].count; k++)
            free((*p)->peers[i].at[k]);
    free((*p)->peers);
    free(*p);
    *p = NULL;
}

static size_t place_of(const struct routes *r, const struct cpis_id *peer)
{
    size_t low = 0, high = r->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (id_compare(&r->peers[middle].peer, peer) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct peer_routes *find(struct routes *r, const struct cpis_id *peer)
{
    size_t i = place_of(r, peer);
    return i < r->count && id_equal(&r->peers[i].peer, peer) ? &r->peers[i] : NULL;
}

static struct peer_routes *find_or_add(struct routes *r, const struct cpis_id *peer)
{
    struct peer_routes *p = find(r, peer);
    if (p != NULL) return p;
    if (r->count == r->cap) {
        size_t cap = r->cap == 0 ? 16 : 2 * r->cap;
        p = realloc(r->peers, cap * sizeof *p);
        if (p == NULL) return NULL;
        r->peers = p;
        r->cap = cap;
    }
    size_t i = place_of(r, peer);
    memmove(&r->peers[i + 1], &r->peers[i], (r->count - i) * sizeof *p);
    r->peers[i] = (struct peer_routes){.peer = *peer};
    r->count++;
    return &r->peers[i];
}

static bool is_route(const struct route *a, const uint8_t *id, size_t len)
{
    return a->len == len && memcmp(a->id, id, len) == 0;
}

static void take_out(struct peer_routes *p, size_t k)
{
    free(p->at[k]);
    p->count--;
    memmove(&p->at[k], &p->at[k + 1], (p->count - k) * sizeof *p->at);
}

static void take_from_others(struct routes *r, const uint8_t *id, size_t len)
{
    for (size_t i = 0; i < r->count; i++)
        for (size_t k = r->peers[i].count; k-- > 0;)
            if (is_route(r->peers[i].at[k], id, len)) take_out(&r->peers[i], k);
}

cpis_err routes_heard(struct routes *r, const struct cpis_id *peer, const uint8_t *id, size_t len,
                      cpis_ms now)
{
    if (len == 0 || len > ROUTE_BYTES_MAX) return CPIS_E_INVAL;
    struct peer_routes *p = find(r, peer);
    for (size_t k = 0; p != NULL && k < p->count; k++) {
        struct route *same = p->at[k];
        if (!is_route(same, id, len)) continue;
        memmove(&p->at[1], &p->at[0], k * sizeof *p->at);
        p->at[0] = same;
        same->heard = now;
        return CPIS_OK;
    }
    take_from_others(r, id, len);
    p = find_or_add(r, peer);
    struct route *new = p == NULL ? NULL : calloc(1, sizeof *new);
    if (new == NULL) return CPIS_E_NOMEM;
    new->len = (uint8_t)len;
    new->heard = now;
    memcpy(new->id, id, len);
    if (p->count == ROUTES_PER_PEER) take_out(p, p->count - 1);
    memmove(&p->at[1], &p->at[0], p->count * sizeof *p->at);
    p->at[0] = new;
    p->count++;
    return CPIS_OK;
}

static void drop_silent(struct peer_routes *p, cpis_ms now)
{
    while (p->count > 0 && now - p->at[p->count - 1]->heard > ROUTE_SILENT_MAX)
        take_out(p, p->count - 1);
}

size_t routes_of(struct routes *r, const struct cpis_id *peer, cpis_ms now,
                 struct route ret[static ROUTES_PER_PEER])
{
    struct peer_routes *p = find(r, peer);
    if (p == NULL) return 0;
    drop_silent(p, now);
    for (size_t k = 0; k < p->count; k++)
        ret[k] = *p->at[k];
    return p->count;
}

void routes_drop(struct routes *r, const struct cpis_id *peer, const struct route *route)
{
    struct peer_routes *p = find(r, peer);
    for (size_t k = p == NULL ? 0 : p->count; k-- > 0;)
        if (is_route(p->at[k], route->id, route->len)) take_out(p, k);
}

void routes_expire(struct routes *r, cpis_ms now)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->count; i++) {
        drop_silent(&r->peers[i], now);
        if (r->peers[i].count > 0) r->peers[kept++] = r->peers[i];
    }
    r->count = kept;
}

size_t routes_count(const struct routes *r)
{
    size_t n = 0;
    for (size_t i = 0; i < r->count; i++)
        n += r->peers[i].count;
    return n;
}
