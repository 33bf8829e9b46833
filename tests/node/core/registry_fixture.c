#include "tests/node/core/registry_fixture.h"

#include "node/core/steward.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- store --- */

static struct rf_row *row_of(const struct rf_store *s, enum table t, const void *key, size_t len)
{
    for (size_t i = 0; i < RF_ROWS; i++) {
        const struct rf_row *r = &s->rows[i];
        if (r->used && r->table == t && r->key_len == len && memcmp(r->key, key, len) == 0)
            return (struct rf_row *)(uintptr_t)r;
    }
    return NULL;
}

const struct rf_row *rf_store_find(const struct rf_store *s, enum table t, const void *key,
                                   size_t key_len)
{
    return row_of(s, t, key, key_len);
}

static void row_free(struct rf_row *r)
{
    free((void *)(uintptr_t)r->value.p);
    *r = (struct rf_row){.used = false};
}

static struct bytes dup(struct bytes b)
{
    uint8_t *p = malloc(b.len + 1);
    assert(p != NULL);
    memcpy(p, b.p, b.len);
    return (struct bytes){p, b.len};
}

static void row_put(struct rf_store *s, const struct out *o)
{
    struct rf_row *r = row_of(s, o->table, o->key.p, o->key.len);
    if (r != NULL) row_free(r);
    for (size_t i = 0; r == NULL && i < RF_ROWS; i++)
        if (!s->rows[i].used) r = &s->rows[i];
    assert(r != NULL);
    *r = (struct rf_row){
        .used = true, .table = o->table, .key_len = o->key.len, .value = dup(o->value)};
    memcpy(r->key, o->key.p, o->key.len);
}

static cpis_err view_get(void *ctx, enum table t, const uint8_t *key, size_t key_len, uint8_t *ret,
                         size_t cap, size_t *ret_len)
{
    const struct rf_row *r = row_of(ctx, t, key, key_len);
    if (r == NULL) return CPIS_E_NOTFOUND;
    if (r->value.len > cap) return CPIS_E_LIMIT;
    memcpy(ret, r->value.p, r->value.len);
    *ret_len = r->value.len;
    return CPIS_OK;
}

static int row_order(const void *a, const void *b)
{
    const struct rf_row *x = *(const struct rf_row *const *)a,
                        *y = *(const struct rf_row *const *)b;
    size_t len = x->key_len < y->key_len ? x->key_len : y->key_len;
    int c = memcmp(x->key, y->key, len);
    return c != 0 ? c : (x->key_len > y->key_len) - (x->key_len < y->key_len);
}

static cpis_err view_scan(void *ctx, enum table t, const uint8_t *prefix, size_t prefix_len,
                          bool newest_first, row_fn fn, void *arg)
{
    struct rf_store *s = ctx;
    const struct rf_row *found[RF_ROWS];
    size_t count = 0;
    for (size_t i = 0; i < RF_ROWS; i++) {
        const struct rf_row *r = &s->rows[i];
        if (r->used && r->table == t && r->key_len >= prefix_len &&
            (prefix_len == 0 || memcmp(r->key, prefix, prefix_len) == 0))
            found[count++] = r;
    }
    qsort(found, count, sizeof found[0], row_order);
    for (size_t i = 0; i < count; i++) {
        const struct rf_row *r = found[newest_first ? count - 1 - i : i];
        const struct row row = {t, r->key, r->key_len, r->value.p, r->value.len};
        if (!fn(arg, &row)) break;
    }
    return CPIS_OK;
}

void rf_store_init(struct rf_store *s)
{
    memset(s, 0, sizeof *s);
    s->view = (struct view){s, view_get, view_scan};
}

void rf_store_free(struct rf_store *s)
{
    for (size_t i = 0; i < RF_ROWS; i++)
        if (s->rows[i].used) row_free(&s->rows[i]);
}

size_t rf_store_count(const struct rf_store *s, enum table t)
{
    size_t count = 0;
    for (size_t i = 0; i < RF_ROWS; i++)
        count += s->rows[i].used && s->rows[i].table == t;
    return count;
}

/* --- keys --- */

struct identity rf_identity(unsigned number)
{
    uint8_t seed[IDENTITY_SEED_BYTES];
    struct identity id;
    for (size_t i = 0; i < sizeof seed; i++)
        seed[i] = (uint8_t)(number >> (8 * (i % 2)));
    seed[2] = 1, seed[34] = 2, seed[66] = 3;
    identity_from(seed, &id);
    return id;
}

struct cpis_id rf_id(unsigned number)
{
    const struct identity id = rf_identity(number);
    return node_id_of(&id.pub.sign);
}

void rf_root(unsigned number, struct sign_public *ret_public, struct sign_secret *ret_secret)
{
    uint8_t seed[SIGN_SEED_BYTES] = {0xee, (uint8_t)number};
    sign_keypair_from(seed, ret_public, ret_secret);
}

struct bytes rf_root_keys(unsigned count, struct arena *a)
{
    uint8_t *p = arena_take(a, count * SIGN_PUBLIC_BYTES);
    assert(p != NULL);
    for (unsigned i = 0; i < count; i++) {
        struct sign_public pub;
        struct sign_secret secret;
        rf_root(i, &pub, &secret);
        memcpy(p + i * SIGN_PUBLIC_BYTES, pub.b, sizeof pub.b);
    }
    return (struct bytes){p, count * SIGN_PUBLIC_BYTES};
}

/* --- one node --- */

void rf_node_init(struct rf_node *n, unsigned number, struct registry *registry,
                  struct rf_store *store)
{
    const uint8_t seed[DRBG_SEED_BYTES] = {(uint8_t)number, (uint8_t)(number >> 8), 7};
    memset(n, 0, sizeof *n);
    n->identity = rf_identity(number);
    n->scratch = arena_make((size_t)16 * 1024 * 1024);
    n->store = store;
    queue_init(&n->queue);
    drbg_from(seed, &n->rng);
    n->env = (struct env){.view = &store->view,
                          .rng = &n->rng,
                          .out = &n->queue,
                          .self = &n->identity,
                          .id = node_id_of(&n->identity.pub.sign),
                          .registry = registry,
                          .log = &n->log,
                          .scratch = &n->scratch};
}

static void step_free(struct rf_step *s)
{
    for (size_t i = 0; i < s->sent_count; i++)
        free((void *)(uintptr_t)s->sent[i].frame.p);
    free(s->work);
    memset(s, 0, sizeof *s);
}

void rf_node_free(struct rf_node *n)
{
    step_free(&n->step);
    queue_deinit(&n->queue);
    arena_free(&n->scratch);
}

struct env *rf_begin(struct rf_node *n, cpis_ms now, cpis_ms wall)
{
    queue_reset(&n->queue);
    arena_free(&n->scratch);
    n->env.now = now;
    n->env.wall = wall;
    return &n->env;
}

void rf_commit(struct rf_node *n, bool lost)
{
    struct out o;
    step_free(&n->step);
    assert(!n->queue.failed);
    while (queue_pop(&n->queue, &o)) {
        struct rf_row *r = NULL;
        switch (o.type) {
        case OUT_PERSIST:
            if (!lost) row_put(n->store, &o);
            break;
        case OUT_DELETE:
            if (!lost) r = row_of(n->store, o.table, o.key.p, o.key.len);
            if (r != NULL) row_free(r);
            break;
        case OUT_SEND:
            assert(n->step.sent_count < RF_SENT);
            n->step.sent[n->step.sent_count++] = (struct rf_sent){o.peer, dup(o.frame)};
            break;
        case OUT_EVENT:
            n->step.events[o.event]++;
            n->step.event_number = o.number;
            n->step.event_peer = o.peer;
            break;
        case OUT_RESULT: break;
        case OUT_WORK:
            n->step.work = realloc(n->step.work, (n->step.work_count + 1) * sizeof *n->step.work);
            assert(n->step.work != NULL);
            n->step.work[n->step.work_count++] = *o.work;
            oprf_scalar_wipe(&o.work->share);
            break;
        }
    }
    if (lost) step_free(&n->step);
}

/* --- registers --- */

static void sign_descriptor(const struct msg_descriptor *d, unsigned number,
                            const struct net_id *net, struct signature *ret)
{
    struct arena a = arena_make(65536);
    const struct identity id = rf_identity(number);
    struct bytes b;
    cpis_err err = descriptor_encode(d, &a, &b);
    assert(err == CPIS_OK);
    sign_make(&id.sign, SIGNED_DESCRIPTOR, net, b.p, b.len, ret);
    arena_free(&a);
}

struct msg_signed_descriptor rf_descriptor(unsigned number, enum node_role role, const char *code,
                                           const struct net_id *net)
{
    const struct identity id = rf_identity(number);
    struct msg_signed_descriptor s = {.descriptor = {.sign_key = id.pub.sign,
                                                     .sealing_key = id.pub.sealing,
                                                     .transport_key = id.pub.transport,
                                                     .role = (uint32_t)role,
                                                     .not_before = RF_T0 - CPIS_MS_DAY,
                                                     .not_after = RF_T0 + 3000 * CPIS_MS_DAY}};
    snprintf(s.descriptor.code, sizeof s.descriptor.code, "%s", code);
    snprintf(s.descriptor.name, sizeof s.descriptor.name, "Organisation %s", code);
    if (role == ROLE_AUTHORITY)
        snprintf(s.descriptor.emergency, sizeof s.descriptor.emergency, "02079460000");
    if (role == ROLE_DIRECTORY)
        snprintf(s.descriptor.endpoint, sizeof s.descriptor.endpoint, "tcp://d%u.example:5700",
                 number);
    sign_descriptor(&s.descriptor, number, net, &s.signature);
    return s;
}

void rf_resign(struct msg_register_node *node, unsigned number, const struct net_id *net)
{
    sign_descriptor(&node->descriptor, number, net, &node->signature);
}

/* Every document made, by H(body): what a store would hold of those that were accepted. */
static struct made {
    struct cpis_hash hash;
    size_t signatures;
    struct bytes document; /* owned, until the end of the process */
} made[1024];
static size_t made_count;

static void remember(const struct msg_register_document *doc, struct bytes document)
{
    assert(made_count < sizeof made / sizeof *made);
    made[made_count++] =
        (struct made){hash_of(doc->body.p, doc->body.len), doc->signatures_count, dup(document)};
}

void rf_links_after(const struct registry *r, uint64_t have, struct arena *a,
                    struct msg_register_chain *ret)
{
    const size_t count = (size_t)(registry_version(r) - have);
    *ret = (struct msg_register_chain){arena_take(a, (count + 1) * sizeof *ret->links), count};
    for (size_t i = 0; i < count; i++) {
        const struct made *best = NULL;
        for (size_t k = 0; k < made_count; k++)
            if (registry_has_link(r, have + i + 1, &made[k].hash) &&
                (best == NULL || made[k].signatures > best->signatures))
                best = &made[k];
        assert(best != NULL);
        cpis_err err = register_document_decode(best->document, a, &ret->links[i]);
        assert(err == CPIS_OK);
        (void)err;
    }
}

struct bytes rf_document(const struct msg_register *body, const struct net_id *net, unsigned roots,
                         struct arena *a)
{
    struct msg_root_signature list[RF_ROOTS];
    struct msg_register_document doc = {.signatures = list};
    cpis_err err = register_body_encode(body, a, &doc.body);
    assert(err == CPIS_OK);
    const struct net_id n = net != NULL ? *net : net_id_of(doc.body.p, doc.body.len);
    for (unsigned i = 0; i < RF_ROOTS; i++) {
        struct sign_secret secret;
        if ((roots & 1U << i) == 0) continue;
        struct msg_root_signature *s = &list[doc.signatures_count++];
        rf_root(i, &s->key, &secret);
        sign_make(&secret, SIGNED_REGISTER, &n, doc.body.p, doc.body.len, &s->signature);
    }
    struct bytes ret;
    err = register_document_encode(&doc, a, &ret);
    assert(err == CPIS_OK);
    remember(&doc, ret);
    return ret;
}

struct msg_register_epoch rf_epoch(uint32_t number, unsigned n, unsigned t, struct arena *a)
{
    uint8_t seed[DRBG_SEED_BYTES] = {(uint8_t)number, 99}, wide[THRESHOLD_HOLDERS_MAX * 64];
    uint8_t *holders = arena_take(a, n * CPIS_ID_BYTES);
    struct threshold_commitments *c = arena_take(a, sizeof *c);
    struct threshold_polynomial p;
    struct drbg rng;
    drbg_from(seed, &rng);
    drbg_bytes(&rng, wide, sizeof wide);
    cpis_err err = threshold_deal(t, wide, &p);
    if (err == CPIS_OK) err = threshold_commit(&p, c);
    assert(err == CPIS_OK);
    for (unsigned i = 0; i < n; i++) {
        const struct cpis_id id = rf_id(i + 1);
        memcpy(holders + i * CPIS_ID_BYTES, id.b, sizeof id.b);
    }
    return (struct msg_register_epoch){.number = number,
                                       .holders = {holders, n * CPIS_ID_BYTES},
                                       .commitments = {(const uint8_t *)c->a, t * 32},
                                       .bucket_bits = 8,
                                       .not_before = RF_T0 + (number - 1) * 90 * CPIS_MS_DAY,
                                       .not_after = RF_T0 + (number * 90 + 3) * CPIS_MS_DAY};
}

void rf_add_epoch_2(struct msg_register *draft, struct arena *a)
{
    struct msg_register_epoch *two = arena_take(a, 2 * sizeof *two);
    assert(draft->epochs_count == 1);
    two[0] = draft->epochs[0];
    two[1] = rf_epoch(2, (unsigned)(two[0].holders.len / CPIS_ID_BYTES),
                      (unsigned)(two[0].commitments.len / OPRF_ELEMENT_BYTES), a);
    draft->epochs = two;
    draft->epochs_count = 2;
}

static void add(struct msg_register *m, struct arena *a, const struct net_id *net, unsigned number,
                enum node_role role, const char *code)
{
    const struct steward_limits limits = {1000000, 100000, role == ROLE_AUTHORITY ? 20000 : 0};
    const struct msg_signed_descriptor d = rf_descriptor(number, role, code, net);
    const char *why = NULL;
    cpis_err err = steward_add_node(m, a, net, &d, &limits, NULL, &why);
    assert(err == CPIS_OK);
    (void)err;
}

static void load(struct registry *r, struct bytes document)
{
    const char *why = NULL;
    cpis_err err = registry_would_accept(r, document, &why);
    if (err != CPIS_OK) fprintf(stderr, "the fixture's register is refused: %s\n", why);
    assert(err == CPIS_OK);
    err = registry_load(r, document);
    assert(err == CPIS_OK);
}

struct registry *rf_federation(unsigned directories, bool with_epoch, struct arena *a)
{
    struct registry *r = NULL;
    char code[CODE_BYTES_MAX + 1];
    cpis_err err = registry_new(&r);
    assert(err == CPIS_OK);
    struct msg_register m = steward_first(rf_root_keys(3, a), 2, RF_T0, RF_T0 + 30 * CPIS_MS_DAY);
    load(r, rf_document(&m, NULL, 3, a));
    const struct net_id net = *registry_net(r);
    err = steward_next(r, RF_T0 + 1, RF_T0 + 30 * CPIS_MS_DAY, a, &m);
    assert(err == CPIS_OK);
    for (unsigned i = 1; i <= directories; i++) {
        snprintf(code, sizeof code, "DIR%u", i);
        add(&m, a, &net, i, ROLE_DIRECTORY, code);
    }
    for (unsigned i = 101; i <= 103; i++) {
        snprintf(code, sizeof code, "%u", i + 200);
        add(&m, a, &net, i, ROLE_AUTHORITY, code);
    }
    add(&m, a, &net, 201, ROLE_QUERY, "RJ1");
    load(r, rf_document(&m, &net, 3, a));
    err = steward_next(r, RF_T0 + 2, RF_T0 + 30 * CPIS_MS_DAY, a, &m);
    assert(err == CPIS_OK);
    for (size_t i = 0; i < m.nodes_count; i++)
        m.nodes[i].state = NODE_ACTIVE;
    struct msg_register_epoch ep = rf_epoch(1, directories, directories / 2 + 1, a);
    m.epochs = &ep;
    m.epochs_count = with_epoch ? 1 : 0;
    load(r, rf_document(&m, &net, 3, a));
    return r;
}
