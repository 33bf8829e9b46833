#include "node/core/links.h"

#include "node/core/id_map.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct link {
    struct cpis_id id;
    bool known;       /* a hello has come since our start */
    cpis_ms heard;    /* 0: never */
    cpis_ms hello_at; /* directories: when to say hello next */
    cpis_ms took;     /* of the last request to it; CPIS_MS_NEVER: not in time */
    uint64_t session, session_before;
    cpis_ms twice_until;
};
struct links {
    uint64_t session;
    struct link *link; /* in no order */
    size_t count, cap;
    struct id_map places;
    cpis_ms deadline;
};

cpis_err links_new(uint64_t session, struct links **ret)
{
    struct links *l = calloc(1, sizeof *l);
    if (l == NULL) return CPIS_E_NOMEM;
    l->session = session;
    *ret = l;
    return CPIS_OK;
}

void links_free(struct links **p)
{
    if (*p == NULL) return;
    free((*p)->link);
    id_map_free(&(*p)->places);
    free(*p);
    *p = NULL;
}

uint64_t links_session(const struct links *l) { return l->session; }

static struct link *find(const struct links *l, const struct cpis_id *id)
{
    const size_t at = id_map_find(&l->places, l->link, sizeof *l->link, id);
    return at == ID_MAP_NONE ? NULL : &l->link[at];
}

static struct link *find_or_add(struct links *l, const struct cpis_id *id)
{
    struct link *k = find(l, id);
    if (k != NULL) return k;
    if (l->count == l->cap) {
        size_t cap = l->cap == 0 ? 16 : 2 * l->cap;
        struct link *grown = realloc(l->link, cap * sizeof *grown);
        if (grown == NULL) return NULL;
        l->link = grown;
        l->cap = cap;
    }
    l->link[l->count] = (struct link){.id = *id};
    if (id_map_add(&l->places, l->link, sizeof *l->link, l->count) != CPIS_OK) return NULL;
    return &l->link[l->count++];
}

static bool is_reachable(const struct link *k, cpis_ms now)
{
    return k != NULL && k->known && now < k->heard + LINK_LOST;
}

/* One for all peers of a step. {NULL, 0} and a failed queue: out of memory. */
static struct bytes hello_frame(const struct links *l, struct env *e, bool answer)
{
    const struct msg_hello m = {
        .session = l->session, .register_version = registry_version(e->registry), .answer = answer};
    struct bytes b;
    cpis_err err = hello_encode(&m, e->scratch, &b);
    assert(err != CPIS_E_INVAL);
    if (err == CPIS_OK) return wrap_frame(e, FRAME_HELLO, b);
    emit_failure(e);
    return (struct bytes){NULL, 0};
}

/* One id, two sessions that both go on speaking: somebody copied a folder. A restart looks
 * different: the session before is never heard again. */
static void note_session(struct link *k, struct env *e, uint64_t session)
{
    if (k->known && session == k->session) return;
    if (k->known && session == k->session_before) {
        k->twice_until = e->now + 2 * LINK_LOST;
        emit_event(e, EVENT_TWICE_CONNECTED, &k->id, 0);
    }
    k->session_before = k->known ? k->session : session;
    k->session = session;
}

void links_recv_hello(struct links *l, struct env *e, const struct cpis_id *peer,
                      const struct msg_hello *m, bool *ret_appeared)
{
    *ret_appeared = false;
    struct link *k = find_or_add(l, peer);
    if (k == NULL) {
        emit_failure(e);
        return;
    }
    *ret_appeared = !is_reachable(k, e->now) || k->session != m->session;
    note_session(k, e, m->session);
    k->known = true;
    k->heard = e->now;
    if (!m->answer) emit_wrapped(e, peer, hello_frame(l, e, true));
}

void links_heard(struct links *l, const struct cpis_id *peer, cpis_ms now)
{
    struct link *k = find(l, peer);
    if (k != NULL && k->known && now < k->heard + LINK_LOST) k->heard = now;
}

void links_answered(struct links *l, const struct cpis_id *peer, cpis_ms took)
{
    struct link *k = find(l, peer);
    if (k != NULL) k->took = took;
}

bool links_reachable(const struct links *l, const struct cpis_id *peer, cpis_ms now)
{
    return is_reachable(find(l, peer), now);
}

cpis_ms links_last_heard(const struct links *l, const struct cpis_id *peer)
{
    const struct link *k = find(l, peer);
    return k != NULL ? k->heard : 0;
}

bool links_is_twice(const struct links *l, const struct cpis_id *peer, cpis_ms now)
{
    const struct link *k = find(l, peer);
    return k != NULL && now < k->twice_until;
}

struct ranked {
    struct cpis_id id;
    uint64_t score;
};

static int by_score(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    return x->score < y->score ? -1 : x->score > y->score;
}

size_t links_rank(const struct links *l, struct env *e, const struct registry_epoch *ep,
                  struct cpis_id *ret)
{
    struct ranked r[THRESHOLD_HOLDERS_MAX];
    const cpis_ms slow = 10000,
                  step = 20; /* within one step of 20 ms the dice decide: load spreads */
    size_t count = 0;
    for (uint32_t i = 0; i < ep->n; i++) {
        uint64_t dice =
            drbg_below(e->rng, 1024); /* always drawn: one stream whatever is reachable */
        if (id_equal(&ep->holders[i], &e->id)) continue;
        const struct link *k = find(l, &ep->holders[i]);
        cpis_ms took = k == NULL || k->took > slow ? slow : k->took;
        uint64_t far = is_reachable(k, e->now) ? 0 : 1;
        r[count++] = (struct ranked){ep->holders[i], (far << 40) | ((took / step) << 10) | dice};
    }
    qsort(r, count, sizeof r[0], by_score);
    for (size_t i = 0; i < count; i++)
        ret[i] = r[i].id;
    return count;
}

/* Directories are dialled by everybody; nobody dials anybody else. */
static bool is_dialled(const struct registry_node *n, const struct cpis_id *self)
{
    return n->d.role == ROLE_DIRECTORY && registry_in_force(n) && !id_equal(&n->id, self);
}

void links_announce(struct links *l, struct env *e)
{
    const struct bytes hello = hello_frame(l, e, false);
    for (size_t i = 0; i < registry_count(e->registry); i++) {
        const struct registry_node *n = registry_at(e->registry, i);
        if (is_dialled(n, &e->id) || links_reachable(l, &n->id, e->now))
            emit_wrapped(e, &n->id, hello);
    }
}

/* What is due soon goes along with what is due: a node wakes once for all its hellos, and all of
 * them keep one distance, drawn anew each time, so that nodes don't fall into step. */
void links_tick(struct links *l, struct env *e)
{
    const size_t count = registry_role_count(e->registry, ROLE_DIRECTORY);
    const uint64_t dice = drbg_below(e->rng, 1024);
    bool due = false;
    for (size_t i = 0; i < count; i++) {
        const struct registry_node *n = registry_role_at(e->registry, ROLE_DIRECTORY, i);
        const struct link *k = is_dialled(n, &e->id) ? find_or_add(l, &n->id) : NULL;
        due |= k != NULL && e->now >= k->hello_at;
    }
    const struct bytes hello = due ? hello_frame(l, e, false) : (struct bytes){NULL, 0};
    l->deadline = e->now + HELLO_EVERY;
    for (size_t i = 0; i < count; i++) {
        const struct registry_node *n = registry_role_at(e->registry, ROLE_DIRECTORY, i);
        if (!is_dialled(n, &e->id)) continue;
        struct link *k = find_or_add(l, &n->id);
        if (k == NULL) {
            emit_failure(e);
            return;
        }
        const cpis_ms wait = is_reachable(k, e->now) ? HELLO_EVERY : HELLO_RETRY, early = wait / 8;
        if (due && e->now + early >= k->hello_at) {
            emit_wrapped(e, &n->id, hello);
            k->hello_at = e->now + wait - early * dice / 1024;
        }
        l->deadline = earlier(l->deadline, k->hello_at);
    }
}

cpis_ms links_deadline(const struct links *l) { return l->deadline; }
