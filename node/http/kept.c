#include "node/http/kept.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define WHOSE_BYTES 128U

struct one {
    char id[KEPT_ID_BYTES];
    char whose[WHOSE_BYTES];
    json_t *what; /* NULL: free */
    cpis_ms put;
    uint64_t order;
};
struct kept {
    struct one all[KEPT_MAX];
    uint64_t order;
};

cpis_err kept_new(struct kept **ret)
{
    struct kept *k = calloc(1, sizeof *k);
    if (k == NULL) return CPIS_E_NOMEM;
    *ret = k;
    return CPIS_OK;
}

static void drop(struct one *o)
{
    json_decref(o->what);
    sodium_memzero(o, sizeof *o);
}

void kept_free(struct kept **p)
{
    if (*p == NULL) return;
    for (size_t i = 0; i < KEPT_MAX; i++)
        drop(&(*p)->all[i]);
    free(*p);
    *p = NULL;
}

/* now may be before another one's `put`: it is when a request came, whose answer took its time. */
static void drop_old(struct kept *k, cpis_ms now)
{
    for (size_t i = 0; i < KEPT_MAX; i++)
        if (k->all[i].what != NULL && now >= k->all[i].put + KEPT_TIME) drop(&k->all[i]);
}

/* Where the next one goes: a free place, but that of the oldest where there are too many. */
static struct one *place_for(struct kept *k, const char *whose)
{
    struct one *empty = NULL, *oldest = NULL, *own = NULL;
    size_t own_count = 0;
    for (size_t i = 0; i < KEPT_MAX; i++) {
        struct one *o = &k->all[i];
        if (o->what == NULL) {
            if (empty == NULL) empty = o;
            continue;
        }
        if (oldest == NULL || o->order < oldest->order) oldest = o;
        if (strcmp(o->whose, whose) != 0) continue;
        own_count++;
        if (own == NULL || o->order < own->order) own = o;
    }
    if (own_count >= KEPT_OF_ONE_MAX) return own;
    return empty != NULL ? empty : oldest;
}

cpis_err kept_put(struct kept *k, const char *whose, json_t *what, cpis_ms now,
                  char ret[static KEPT_ID_BYTES])
{
    uint8_t id[(KEPT_ID_BYTES - 1) / 2];
    if (what == NULL || strlen(whose) >= WHOSE_BYTES) {
        json_decref(what);
        return CPIS_E_NOMEM;
    }
    drop_old(k, now);
    struct one *o = place_for(k, whose);
    drop(o);
    randombytes_buf(id, sizeof id);
    (void)sodium_bin2hex(o->id, sizeof o->id, id, sizeof id);
    memcpy(o->whose, whose, strlen(whose) + 1);
    o->what = what;
    o->put = now;
    o->order = ++k->order;
    memcpy(ret, o->id, sizeof o->id);
    return CPIS_OK;
}

json_t *kept_get(struct kept *k, const char *whose, const char *id, cpis_ms now)
{
    json_t *found = NULL;
    drop_old(k, now);
    if (strlen(id) != KEPT_ID_BYTES - 1) return NULL;
    for (size_t i = 0; i < KEPT_MAX; i++) { /* all of them: the time says nothing of an id */
        const struct one *o = &k->all[i];
        if (o->what == NULL) continue;
        if (sodium_memcmp(o->id, id, KEPT_ID_BYTES - 1) == 0 && strcmp(o->whose, whose) == 0)
            found = o->what;
    }
    return found;
}

void kept_turn(struct kept *k, cpis_ms now) { drop_old(k, now); }

cpis_ms kept_deadline(const struct kept *k)
{
    cpis_ms due = CPIS_MS_NEVER;
    for (size_t i = 0; i < KEPT_MAX; i++)
        if (k->all[i].what != NULL && k->all[i].put + KEPT_TIME < due)
            due = k->all[i].put + KEPT_TIME;
    return due;
}

void kept_forget(struct kept *k, const char *whose)
{
    for (size_t i = 0; i < KEPT_MAX; i++)
        if (k->all[i].what != NULL && strcmp(k->all[i].whose, whose) == 0) drop(&k->all[i]);
}
