/* When all has converged: each look that could read a flag has left its record at each holder, none
 * has left two; unscheduled ones have left one notification each; every log is whole. */
#include "crypto/chain.h"
#include "simulations/run_state.h"

#include <stdio.h>
#include <string.h>

#define ARENA_BYTES ((size_t)1 << 18)

struct counting { /* of one authority */
    struct run *run;
    unsigned authority;
    struct look_map records; /* by query node and child */
    uint64_t notified;       /* records that have a notification */
    bool bad;
};

static bool count_access(void *arg, const struct row *row)
{
    struct counting *c = arg;
    struct arena a = arena_make(ARENA_BYTES);
    struct row_access m;
    uint32_t query;
    cpis_err err = row_access_decode((struct bytes){row->value, row->value_len}, &a, &m);
    if (err == CPIS_OK && network_find(sim_network(c->run->s), &m.query_id, &query)) {
        struct look_key k = {.query = query, .authority = c->authority};
        memcpy(k.number.digits, m.nhs_number, sizeof k.number.digits);
        look_add(&c->records, &k);
        c->notified += m.notification != 0;
    }
    c->bad |= err != CPIS_OK;
    arena_free(&a);
    return true;
}

/* No record more than questions of that node about that child; in two epochs at once it may be two
 * for the seconds in which a first list spreads (proto/README.md, section 11). */
static bool too_many(const struct run *t, const struct look_count *c)
{
    const struct look_key asked = {c->key.number, c->key.query, NODE_NONE};
    const uint32_t questions = look_count(&t->asked, &asked);
    return c->n > (t->doubles ? 2 : 1) * questions;
}

static size_t missing(const struct counting *all, const struct look_count *read)
{
    const uint32_t n = look_count(&all->records, &read->key);
    return read->key.authority == all->authority && n < read->n ? read->n - n : 0;
}

/* A plan that began after the backup from which its authority came back, and ended before its case
 * system had sent it again, is known to no node: looks at it stay with those that match nothing. */
static bool count_unmatched(void *arg, const struct row *row)
{
    *(size_t *)arg += row->key_len == CPIS_HASH_BYTES;
    return true;
}

static void check_authority(struct run *t, unsigned node)
{
    struct counting c = {.run = t, .authority = node};
    const struct view *v = disk_view(sim_disk(t->s, node));
    (void)v->scan(v->ctx, TABLE_ACCESS, NULL, 0, false, count_access, &c);
    if (c.bad) run_breach(t, "a record of an access can't be read");
    for (size_t i = 0; i < c.records.cap; i++)
        if (c.records.slot[i].n > 0 && too_many(t, &c.records.slot[i]))
            run_breach(t, "an authority has more records than questions were asked");
    size_t lost = 0, unmatched = 0;
    for (size_t i = 0; i < t->read.cap; i++)
        lost += missing(&c, &t->read.slot[i]);
    (void)v->scan(v->ctx, TABLE_UNMATCHED, NULL, 0, false, count_unmatched, &unmatched);
    if (lost > unmatched)
        run_breach(t, "a look that could read a flag has left no record at its holder");
    if (c.notified != disk_count(sim_disk(t->s, node), TABLE_NOTIFICATION))
        run_breach(t, "an authority's notifications are not one for each record that has one");
    look_free(&c.records);
}

/* --- logs --- */

struct walking {
    struct chain_head head;
    bool gap;
};

static bool walk(void *arg, const struct row *row)
{
    struct walking *w = arg;
    uint64_t sequence = 0;
    for (size_t i = 0; i < row->key_len; i++)
        sequence = sequence << 8 | row->key[i];
    w->gap |= sequence != w->head.sequence + 1;
    w->head = chain_next(&w->head, row->value, row->value_len);
    return true;
}

static void check_log(struct run *t, unsigned node)
{
    struct walking w = {.gap = false};
    struct node_status st;
    const struct view *v = disk_view(sim_disk(t->s, node));
    if (sim_is_down(t->s, node)) return;
    (void)v->scan(v->ctx, TABLE_LOG, NULL, 0, false, walk, &w);
    sim_status(t->s, node, &st);
    if (w.gap || w.head.sequence != st.log.sequence || !hash_equal(&w.head.head, &st.log.head))
        run_breach(t, "a node's log does not verify");
}

/* --- what is to be acknowledged is --- */

static void tell_acknowledged(struct run *t)
{
    uint64_t open = 0;
    for (uint64_t i = 0; i < t->sc->topology.queries; i++)
        open += disk_count(sim_disk(t->s, t->query[i]), TABLE_OUTBOX);
    for (uint64_t i = open; i < t->due; i++)
        result_acknowledged(t->r);
}

void records_check(struct run *t)
{
    for (uint64_t i = 0; i < t->sc->topology.authorities && !t->breached; i++) {
        const struct run_authority *a = &t->authority[i];
        if (a->node != NODE_NONE && !a->rogue) check_authority(t, a->node);
    }
    for (unsigned n = 0; n < sim_nodes(t->s) && !t->breached; n++)
        check_log(t, n);
    tell_acknowledged(t);
}
