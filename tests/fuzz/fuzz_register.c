/* Fuzz target: registers, right and wrong ones, signed by whichever of the three roots the input
 * names, offered to a query node by its operator and by directories. Whatever comes: the version
 * never falls, what is taken was signed by two roots, and a restart finds the same. */
#include "node/core/steward.h"
#include "proto/codec.h"
#include "tests/fuzz/history.h"

#include <assert.h>
#include <string.h>

#define STEPS_MAX 80U
#define OWN_MAX   64U

struct offer {
    struct bytes body;
    struct msg_register_document document;
    bool enough; /* two roots have signed it */
};
struct play {
    struct history *h;
    struct arena a;
    struct offer offer[OWN_MAX]; /* the stewards' first */
    size_t count;
    uint64_t version;
    struct cpis_hash hash;
};

static const struct registry *registry_now(const struct play *p)
{
    return node_registry(p->h->node[HISTORY_QUERY].node);
}

static void add(struct play *p, struct bytes body, unsigned roots)
{
    if (p->count == OWN_MAX) return;
    struct offer *o = &p->offer[p->count++];
    *o = (struct offer){.body = body, .enough = (roots & (roots - 1)) != 0};
    history_sign_register(registry_net(registry_now(p)), body, roots, &p->a, &o->document);
}

/* A change that stays a register, for the rules behind the codec. */
static void change(struct cursor *c, struct arena *a, struct msg_register *m)
{
    const char *why = "";
    const struct cpis_id *who = history_id(cursor_below(c, HISTORY_NODES));
    switch (cursor_below(c, 12)) {
    case 0: m->version += cursor_byte(c) % 3U - 1U; break;
    case 1: m->issued += cursor_u16(c); break;
    case 2: m->expires -= (uint64_t)cursor_u16(c) << 16U; break;
    case 3: m->root_threshold = cursor_below(c, 5); break;
    case 4: m->head_age = (uint64_t)cursor_u16(c) << cursor_below(c, 24); break;
    case 5:
    case 6:
        (void)!steward_set_state(m, who, (enum node_state)(1 + cursor_below(c, 6)), &why);
        break;
    case 7: (void)!steward_remove_node(m, who, &why); break;
    case 8:
        (void)!steward_set_successors(m, a, who, history_id(cursor_below(c, 6)), 1, &why);
        break;
    case 9: (void)!steward_remove_epoch(m, 1, &why); break;
    case 10: (void)!steward_set_epoch_end(m, 1, m->issued + cursor_u16(c), &why); break;
    default:
        if (m->nodes_count > 1) m->nodes[0] = m->nodes[m->nodes_count - 1]; /* one twice */
        break;
    }
}

static void make(struct play *p, struct cursor *c)
{
    const unsigned how = cursor_byte(c);
    const unsigned roots = cursor_below(c, 8);
    struct msg_register m;
    struct bytes body;
    cpis_err err = CPIS_E_NOTFOUND;
    if (how % 3 == 0) { /* what comes after what is held */
        const uint64_t at = p->h->wall + cursor_u16(c);
        err = steward_next(registry_now(p), at, at + CPIS_MS_DAY * (1 + cursor_below(c, 62)), &p->a,
                           &m);
    } else {
        const struct bytes from = p->offer[cursor_below(c, (uint32_t)p->count)].body;
        err = register_body_decode(from, &p->a, &m);
    }
    if (err != CPIS_OK) return;
    for (unsigned i = 0; i < (how >> 4U & 3U); i++)
        change(c, &p->a, &m);
    if (register_body_encode(&m, &p->a, &body) != CPIS_OK) return;
    if (how >= 192) { /* and then bytes of it */
        uint8_t *b = arena_copy(&p->a, body.p, body.len);
        b[cursor_u16(c) % body.len] ^= (uint8_t)(1U + cursor_byte(c));
        body.p = b;
    }
    add(p, body, roots);
}

static void tell(struct play *p, struct cursor *c)
{
    struct msg_register_document links[4];
    struct msg_register_chain chain = {.links = links, .links_count = 1 + cursor_below(c, 4)};
    struct bytes b, wire;
    const bool by_operator = cursor_below(c, 2) == 0;
    for (size_t i = 0; i < chain.links_count; i++)
        links[i] = p->offer[cursor_below(c, (uint32_t)p->count)].document;
    if (register_chain_encode(&chain, &p->a, &b) != CPIS_OK) return;
    struct command k = {.type = COMMAND_REGISTER, .chain = b};
    if (by_operator)
        history_command(p->h, HISTORY_QUERY, &k);
    else if (frame_wrap(FRAME_REGISTER_CHAIN, b, &p->a, &wire) == CPIS_OK)
        history_message(p->h, HISTORY_QUERY, cursor_below(c, HISTORY_NODES), wire);
}

static void check(struct play *p)
{
    const struct registry *r = registry_now(p);
    const uint64_t version = registry_version(r);
    assert(version >= p->version);
    if (version == p->version) {
        assert(hash_equal(registry_hash(r), &p->hash));
        return;
    }
    for (uint64_t v = p->version + 1; v <= version; v++) {
        bool found = false;
        for (size_t i = 0; i < p->count && !found; i++) {
            const struct cpis_hash hash = hash_of(p->offer[i].body.p, p->offer[i].body.len);
            found = p->offer[i].enough && registry_has_link(r, v, &hash);
        }
        assert(found);
    }
    p->version = version;
    p->hash = *registry_hash(r);
}

static bool step(struct play *p, struct cursor *c)
{
    if (c->left == 0) return false;
    switch (cursor_byte(c) % 8U) {
    case 0:
    case 1:
    case 2: make(p, c); break;
    case 3:
    case 4:
    case 5: tell(p, c); break;
    case 6:
        history_kill(p->h, HISTORY_QUERY);
        history_start(p->h, HISTORY_QUERY);
        break;
    default: history_pass(p->h, (cpis_ms)cursor_u16(c) << cursor_below(c, 16), false); break;
    }
    check(p);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct play p;
    struct cursor c = {data, size};
    size_t later = 1;
    p = (struct play){.a = arena_make((size_t)256 << 20)};
    p.h = history_begin(HISTORY_OF(HISTORY_QUERY), 0);
    p.version = registry_version(registry_now(&p));
    p.hash = *registry_hash(registry_now(&p));
    for (size_t i = 0; i < later; i++) {
        struct offer *o = &p.offer[p.count++];
        assert(register_document_decode(history_register(i, &later), &p.a, &o->document) ==
               CPIS_OK);
        o->body = o->document.body;
        o->enough = true;
    }
    for (unsigned i = 0; i < STEPS_MAX && step(&p, &c); i++)
        continue;
    history_end(&p.h);
    arena_free(&p.a);
    return 0;
}
