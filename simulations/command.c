/* Commands hold what others own (proto and node/core borrow for the call only): one that must wait
 * is copied with all it points to, into one allocation. */
#include "simulations/sim_state.h"

#include <stdlib.h>
#include <string.h>

struct room { /* counts first, then copies: the same walk twice */
    uint8_t *p;
    size_t used;
};

static void *put(struct room *r, const void *p, size_t len)
{
    const size_t align = _Alignof(max_align_t);
    void *to = r->p == NULL ? NULL : r->p + r->used;
    if (to != NULL && len > 0) memcpy(to, p, len);
    r->used += (len + align - 1) / align * align;
    return to;
}

static struct command *walk(struct room *r, const struct command *c)
{
    struct command unused, *made = put(r, c, sizeof *c);
    struct command *to = made != NULL ? made : &unused; /* counting */
    if (c->ask != NULL) to->ask = put(r, c->ask, sizeof *c->ask);
    if (c->import != NULL) to->import = put(r, c->import, sizeof *c->import);
    to->chain.p = put(r, c->chain.p, c->chain.len);
    struct child_change *changes = put(r, c->changes, c->changes_count * sizeof *changes);
    to->changes = changes;
    for (size_t i = 0; i < c->changes_count; i++) {
        const struct child_change *from = &c->changes[i];
        const char *given = put(r, from->given, strlen(from->given) + 1);
        const char *family = put(r, from->family, strlen(from->family) + 1);
        const char *local_id = put(r, from->local_id, strlen(from->local_id) + 1);
        if (changes == NULL) continue;
        changes[i].given = given;
        changes[i].family = family;
        changes[i].local_id = local_id;
    }
    return made;
}

struct command *command_copy(const struct command *c)
{
    struct room r = {NULL, 0};
    (void)walk(&r, c);
    r.p = sim_must(malloc(r.used));
    r.used = 0;
    return walk(&r, c);
}
