#include "simulations/found.h"

#include "node/core/steward.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(s, c) ((c) ? (void)0 : sim_breach((s), __FILE__, __LINE__, #c))

static void seed_of(const struct sim_conf *conf, const char *label, unsigned n,
                    uint8_t ret[static 32])
{
    struct hash h;
    hash_init(&h, NULL, 0, 32);
    hash_label(&h, label);
    hash_u64(&h, conf->seed);
    hash_u32(&h, n);
    hash_final(&h, ret, 32);
}

static void make_identity(struct sim *s, unsigned n)
{
    struct sim_node *m = &s->node[n];
    uint8_t seed[32], wide[IDENTITY_SEED_BYTES];
    struct drbg d;
    seed_of(&s->conf, "identity", n, seed);
    drbg_from(seed, &d);
    drbg_bytes(&d, wide, sizeof wide);
    identity_from(wide, &m->identity);
    m->id = node_id_of(&m->identity.pub.sign);
    seed_of(&s->conf, "seeds", n, seed);
    drbg_from(seed, &m->seeds);
    seed_of(&s->conf, "faults", n, seed);
    drbg_from(seed, &m->faults);
    m->rows = rows_new();
    CHECK(s, m->rows != NULL);
}

static struct msg_signed_descriptor describe(struct sim *s, unsigned n, const struct net_id *net)
{
    const struct sim_node *m = &s->node[n];
    struct msg_signed_descriptor d = {
        .descriptor = {.sign_key = m->identity.pub.sign,
                       .sealing_key = m->identity.pub.sealing,
                       .transport_key = m->identity.pub.transport,
                       .role = m->role,
                       .not_before = SIM_EPOCH_START - CPIS_MS_DAY,
                       .not_after = SIM_EPOCH_START + 1000 * CPIS_MS_DAY}};
    struct msg_descriptor *p = &d.descriptor;
    struct bytes body;
    (void)snprintf(p->code, sizeof p->code, "T%03u", n);
    (void)snprintf(p->name, sizeof p->name, "Test organisation %u", n);
    if (m->role == ROLE_DIRECTORY)
        (void)snprintf(p->endpoint, sizeof p->endpoint, "tcp://127.0.0.1:%u", 7000 + n);
    if (m->role == ROLE_AUTHORITY) {
        (void)snprintf(p->emergency, sizeof p->emergency, "02079460%03u", n % 1000U);
        (void)snprintf(p->office, sizeof p->office, "01632960%03u", n % 1000U);
    }
    CHECK(s, descriptor_encode(p, &s->arena, &body) == CPIS_OK);
    sign_make(&m->identity.sign, SIGNED_DESCRIPTOR, net, body.p, body.len, &d.signature);
    return d;
}

/* Finishes a draft, has two roots sign it, and takes it into the stewards' own chain. */
static void sign_draft(struct sim *s, const struct msg_register *draft)
{
    struct bytes doc;
    const char *why = "";
    cpis_err err = steward_finish(s->stewards, draft, &s->arena, &doc, &why);
    if (err != CPIS_OK) fprintf(stderr, "register: %s\n", why);
    CHECK(s, err == CPIS_OK);
    for (unsigned i = 0; i < 2; i++)
        CHECK(s, steward_sign(s->stewards, doc, &s->root_public[i], &s->root_secret[i], &s->arena,
                              &doc, &why) == CPIS_OK);
    CHECK(s, registry_load(s->stewards, doc) == CPIS_OK);
    CHECK(s, s->links < SIM_LINKS_MAX);
    s->link[s->links++] = doc;
}

static struct bytes newest_as_chain(struct sim *s)
{
    struct msg_register_document doc;
    const struct msg_register_chain chain = {.links = &doc, .links_count = 1};
    struct bytes b;
    CHECK(s, register_document_decode(s->link[s->links - 1], &s->arena, &doc) == CPIS_OK);
    CHECK(s, register_chain_encode(&chain, &s->arena, &b) == CPIS_OK);
    return b;
}

void sim_give_register(struct sim *s, struct rows *rows, size_t versions)
{
    CHECK(s, versions <= s->links);
    for (size_t i = 0; i < versions; i++) {
        uint8_t key[REGISTER_KEY_BYTES];
        registry_key(i + 1, key);
        rows_put(rows, TABLE_REGISTER, key, sizeof key, s->link[i].p, s->link[i].len);
    }
    rows_commit(rows);
}

void sim_new_register(struct sim *s, sim_draft change, void *arg)
{
    struct msg_register draft;
    const uint64_t wall = SIM_EPOCH_START + s->now;
    CHECK(s, steward_next(s->stewards, wall, wall + REGISTER_EXPIRES_MAX, &s->arena, &draft) ==
                 CPIS_OK);
    change(arg, &draft, &s->arena);
    sign_draft(s, &draft);
    const struct command c = {.type = COMMAND_REGISTER, .chain = newest_as_chain(s)};
    const struct node_in in = {.type = NODE_COMMAND, .command = &c};
    sim_step(s, sim_directory(s, 0), &in);
    CHECK(s, s->last_done == CPIS_OK);
}

static void admit_everybody(void *arg, struct msg_register *draft, struct arena *a)
{
    struct sim *s = arg;
    const struct net_id *net = registry_net(s->stewards);
    const struct steward_limits limits = {1000000, 1000000, 65536};
    const char *why = "";
    for (unsigned n = 0; n < s->nodes; n++) {
        const struct msg_signed_descriptor d = describe(s, n, net);
        CHECK(s, steward_add_node(draft, a, net, &d, &limits, NULL, &why) == CPIS_OK);
        if (s->node[n].role != ROLE_AUTHORITY)
            CHECK(s, steward_set_state(draft, &s->node[n].id, NODE_ACTIVE, &why) == CPIS_OK);
    }
}

static void first_registers(struct sim *s)
{
    struct sign_public keys[SIM_ROOTS];
    struct msg_register draft;
    uint8_t seed[32];
    for (unsigned i = 0; i < SIM_ROOTS; i++) {
        seed_of(&s->conf, "root", i, seed);
        sign_keypair_from(seed, &s->root_public[i], &s->root_secret[i]);
        keys[i] = s->root_public[i];
    }
    CHECK(s, registry_new(&s->stewards) == CPIS_OK);
    draft = steward_first((struct bytes){keys[0].b, sizeof keys}, 2, SIM_EPOCH_START - 1000,
                          SIM_EPOCH_START + REGISTER_EXPIRES_MAX / 2);
    sign_draft(s, &draft);
    CHECK(s,
          steward_next(s->stewards, SIM_EPOCH_START - 500,
                       SIM_EPOCH_START + REGISTER_EXPIRES_MAX / 2, &s->arena, &draft) == CPIS_OK);
    admit_everybody(s, &draft, &s->arena);
    sign_draft(s, &draft);
}

static void hold_ceremony(struct sim *s)
{
    struct command c = {
        .type = COMMAND_CEREMONY, .epoch = 1, .t = s->conf.threshold, .n = s->conf.directories};
    for (unsigned i = 0; i < s->conf.directories; i++)
        c.holders[i] = s->node[i].id;
    const struct node_in in = {.type = NODE_COMMAND, .command = &c};
    sim_step(s, 0, &in);
    CHECK(s, s->last_done == CPIS_OK);
    sim_run(s, 30 * CPIS_MS_SECOND);
}

static void add_epoch(void *arg, struct msg_register *draft, struct arena *a)
{
    struct sim *s = arg;
    const struct signed_message *acceptances[THRESHOLD_HOLDERS_MAX];
    struct signed_message copies[THRESHOLD_HOLDERS_MAX];
    const char *why = "";
    size_t count = node_acceptances(s->node[0].node, acceptances, THRESHOLD_HOLDERS_MAX);
    CHECK(s, count == s->conf.directories);
    for (size_t i = 0; i < count; i++)
        copies[i] = *acceptances[i];
    const struct steward_epoch ep = {8, SIM_EPOCH_START, SIM_EPOCH_START + 400 * CPIS_MS_DAY};
    cpis_err err = steward_add_epoch(draft, a, registry_net(s->stewards), copies, count, &ep, &why);
    if (err != CPIS_OK) fprintf(stderr, "epoch: %s\n", why);
    CHECK(s, err == CPIS_OK);
}

static void activate(void *arg, struct msg_register *draft, struct arena *a)
{
    struct sim *s = arg;
    const char *why = "";
    (void)a;
    for (unsigned i = 0; i < s->conf.authorities; i++)
        CHECK(s, steward_set_state(draft, &s->node[sim_authority(s, i)].id, NODE_ACTIVE, &why) ==
                     CPIS_OK);
}

static void found(struct sim *s)
{
    first_registers(s);
    for (unsigned n = 0; n < s->nodes; n++)
        sim_give_register(s, s->node[n].rows, s->links);
    for (unsigned n = 0; n < s->nodes; n++)
        sim_start(s, n);
    sim_run(s, 10 * CPIS_MS_SECOND);
    hold_ceremony(s);
    sim_new_register(s, add_epoch, s);
    CHECK(s, sim_settle(s, 5 * CPIS_MS_MINUTE));
    sim_new_register(s, activate, s);
    sim_run(s, 3 * CPIS_MS_MINUTE); /* register-times of the new one; versions known for a minute */
}

struct sim *sim_new(const struct sim_conf *conf)
{
    uint8_t seed[32];
    struct sim *s = calloc(1, sizeof *s);
    if (s == NULL) abort();
    s->conf = *conf;
    s->nodes = conf->directories + conf->authorities + conf->queries;
    CHECK(s, s->nodes <= SIM_NODES_MAX && conf->delay_min <= conf->delay_max);
    s->arena = arena_make((size_t)1 << 30);
    seed_of(conf, "net", 0, seed);
    drbg_from(seed, &s->net);
    for (unsigned n = 0; n < s->nodes; n++) {
        s->node[n].role = n < conf->directories                       ? ROLE_DIRECTORY
                          : n < conf->directories + conf->authorities ? ROLE_AUTHORITY
                                                                      : ROLE_QUERY;
        make_identity(s, n);
    }
    found(s);
    return s;
}

void sim_free(struct sim **p)
{
    struct sim *s = *p;
    if (s == NULL) return;
    for (unsigned n = 0; n < s->nodes; n++) {
        node_free(&s->node[n].node);
        rows_free(&s->node[n].rows);
    }
    for (size_t i = 0; i < s->events; i++)
        free(s->event[i].p);
    free(s->event);
    free(s->out);
    registry_free(&s->stewards);
    arena_free(&s->arena);
    free(s);
    *p = NULL;
}
