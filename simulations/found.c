/* Founding a federation of any size: nodes with keys from the seed and their names, the stewards'
 * registers, the key ceremony, every list live. */
#include "node/core/steward.h"
#include "simulations/sim_state.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* By name, not by number: another node more leaves the keys of all others as they were. */
static void seed_of(const struct sim_conf *conf, const char *label, const char *name,
                    uint8_t ret[static 32])
{
    struct hash h;
    hash_init(&h, NULL, 0, 32);
    hash_label(&h, label);
    hash_u64(&h, conf->seed);
    hash_label(&h, name);
    hash_final(&h, ret, 32);
}

static void make_identity(struct sim *s, struct sim_node *m)
{
    uint8_t seed[32], wide[IDENTITY_SEED_BYTES];
    struct drbg d;
    seed_of(&s->conf, "identity", m->name, seed);
    drbg_from(seed, &d);
    drbg_bytes(&d, wide, sizeof wide);
    identity_from(wide, &m->identity);
    m->id = node_id_of(&m->identity.pub.sign);
}

static void name_node(struct sim *s, struct sim_node *m, const struct sim_node *original)
{
    static const char *const word[SIM_ROLES] = {
        [ROLE_AUTHORITY] = "authority", [ROLE_DIRECTORY] = "directory", [ROLE_QUERY] = "query"};
    if (original != NULL)
        (void)snprintf(m->name, sizeof m->name, "%.20s-copy-%zu", original->name, s->nodes);
    else
        (void)snprintf(m->name, sizeof m->name, "%s-%u", word[m->role], m->role_index);
}

unsigned found_node(struct sim *s, enum node_role role, const struct sim_node *original)
{
    struct sim_node *m = sim_must(calloc(1, sizeof *m));
    struct roll *roll = &s->roll[role];
    uint8_t seed[32];
    m->role = role;
    m->is_copy = original != NULL;
    m->role_index = original != NULL ? original->role_index : (uint32_t)roll->count;
    name_node(s, m, original);
    if (original != NULL) {
        m->identity = original->identity;
        m->id = original->id;
    } else {
        make_identity(s, m);
        roll->node = sim_grow(roll->node, roll->count, &roll->cap, sizeof *roll->node);
        roll->node[roll->count++] = (unsigned)s->nodes;
    }
    seed_of(&s->conf, "seeds", m->name, seed);
    drbg_from(seed, &m->seeds);
    random_init(&m->faults, s->conf.seed, random_name(random_name(0, "faults"), m->name));
    m->slow = 1000;
    m->pause = CPIS_MS_SECOND;
    m->tick_at = SIM_US_NEVER;
    const struct disk_conf disk = {s->conf.seed, m->name, s->conf.dir};
    CHECK(s, disk_open(&disk, &m->disk) == CPIS_OK);
    const uint32_t number = kernel_add_node(s->kernel);
    CHECK(s, network_add_node(s->network, &m->id, role, m->name) == number);
    s->node = sim_grow(s->node, s->nodes, &s->nodes_cap, sizeof *s->node);
    s->node[s->nodes++] = m;
    return number;
}

/* organisation: the number in its code, name and telephones */
static struct msg_signed_descriptor describe(struct sim *s, unsigned n, unsigned organisation,
                                             const struct net_id *net)
{
    const struct sim_node *m = s->node[n];
    struct msg_signed_descriptor d = {
        .descriptor = {.sign_key = m->identity.pub.sign,
                       .sealing_key = m->identity.pub.sealing,
                       .transport_key = m->identity.pub.transport,
                       .role = m->role,
                       .not_before = SIM_EPOCH_START - CPIS_MS_DAY,
                       .not_after = SIM_EPOCH_START + 1000 * CPIS_MS_DAY}};
    struct msg_descriptor *p = &d.descriptor;
    struct bytes body;
    (void)snprintf(p->code, sizeof p->code, "T%03u", organisation);
    (void)snprintf(p->name, sizeof p->name, "Test organisation %u", organisation);
    if (m->role == ROLE_DIRECTORY)
        (void)snprintf(p->endpoint, sizeof p->endpoint, "tcp://127.0.0.1:%u", 7000 + n);
    if (m->role == ROLE_AUTHORITY) {
        (void)snprintf(p->emergency, sizeof p->emergency, "02079460%03u", organisation % 1000U);
        (void)snprintf(p->office, sizeof p->office, "01632960%03u", organisation % 1000U);
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
    s->link = sim_grow(s->link, s->links, &s->links_cap, sizeof *s->link);
    s->link[s->links++] = doc;
}

static struct bytes as_chain(struct sim *s, struct bytes document)
{
    struct msg_register_document doc;
    const struct msg_register_chain chain = {.links = &doc, .links_count = 1};
    struct bytes b;
    CHECK(s, register_document_decode(document, &s->arena, &doc) == CPIS_OK);
    CHECK(s, register_chain_encode(&chain, &s->arena, &b) == CPIS_OK);
    return b;
}

void sim_give_register(struct sim *s, unsigned node, size_t versions)
{
    struct disk *d = s->node[node]->disk;
    CHECK(s, versions <= s->links);
    for (size_t i = 0; i < versions; i++) {
        uint8_t key[REGISTER_KEY_BYTES];
        registry_key(i + 1, key);
        disk_put(d, TABLE_REGISTER, key, sizeof key, s->link[i].p, s->link[i].len);
    }
    CHECK(s, disk_commit(d) == CPIS_OK);
}

/* Every version that this directory does not have yet, in turn. False: it is down, or refuses. */
static bool give_register(struct sim *s, unsigned directory)
{
    struct node_status st;
    if (s->node[directory]->node == NULL) return false;
    sim_status(s, directory, &st);
    s->last_done = CPIS_OK; /* a busy one answers later: it takes what the stewards signed */
    for (uint64_t v = st.register_version; v < s->links; v++) {
        const struct command c = {.type = COMMAND_REGISTER, .chain = as_chain(s, s->link[v])};
        if (sim_command(s, directory, &c) == 0 || s->last_done != CPIS_OK) return false;
    }
    return true;
}

void sim_new_register(struct sim *s, sim_draft change, void *arg)
{
    struct msg_register draft;
    const uint64_t wall = SIM_EPOCH_START + sim_now(s);
    CHECK(s, steward_next(s->stewards, wall, wall + REGISTER_EXPIRES_MAX, &s->arena, &draft) ==
                 CPIS_OK);
    change(arg, &draft, &s->arena);
    sign_draft(s, &draft);
    for (unsigned i = 0; i < s->roll[ROLE_DIRECTORY].count; i++)
        if (give_register(s, sim_directory(s, i))) return;
    CHECK(s, !"no directory took the register");
}

static void admit_everybody(void *arg, struct msg_register *draft, struct arena *a)
{
    struct sim *s = arg;
    const struct net_id *net = registry_net(s->stewards);
    const uint64_t lookups = s->conf.lookups_per_day == 0 ? 10000000 : s->conf.lookups_per_day;
    const struct steward_limits limits = {10000000, lookups, 65536};
    const char *why = "";
    for (unsigned n = 0; n < s->nodes; n++) {
        const struct msg_signed_descriptor d = describe(s, n, n, net);
        CHECK(s, steward_add_node(draft, a, net, &d, &limits, NULL, &why) == CPIS_OK);
        if (s->node[n]->role != ROLE_AUTHORITY)
            CHECK(s, steward_set_state(draft, &s->node[n]->id, NODE_ACTIVE, &why) == CPIS_OK);
    }
}

static void first_registers(struct sim *s)
{
    struct sign_public keys[SIM_ROOTS];
    struct msg_register draft;
    uint8_t seed[32];
    for (unsigned i = 0; i < SIM_ROOTS; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "%u", i);
        seed_of(&s->conf, "root", name, seed);
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

/* --- key epochs --- */

bool sim_begin_ceremony(struct sim *s, uint32_t epoch)
{
    struct command c = {
        .type = COMMAND_CEREMONY, .epoch = epoch, .t = s->conf.threshold, .n = s->conf.directories};
    for (unsigned i = 0; i < s->conf.directories; i++)
        c.holders[i] = s->node[sim_directory(s, i)]->id;
    s->last_done = CPIS_OK; /* a busy one answers later */
    for (unsigned i = 0; i < s->conf.directories; i++)
        if (sim_command(s, sim_directory(s, i), &c) != 0) return s->last_done == CPIS_OK;
    return false;
}

/* What every holder has signed in the end; 0: it is not finished. */
static size_t acceptances_of(struct sim *s, uint32_t epoch, struct signed_message *ret)
{
    const struct signed_message *all[THRESHOLD_HOLDERS_MAX];
    for (unsigned i = 0; i < s->conf.directories; i++) {
        struct msg_share_accepted m;
        const struct node *n = sim_node(s, sim_directory(s, i));
        size_t count = n == NULL ? 0 : node_acceptances(n, all, THRESHOLD_HOLDERS_MAX);
        if (count != s->conf.directories ||
            share_accepted_decode(all[0]->body, &s->arena, &m) != CPIS_OK || m.epoch != epoch)
            continue;
        for (size_t k = 0; k < count; k++)
            ret[k] = *all[k];
        return count;
    }
    return 0;
}

struct new_epoch {
    struct sim *s;
    const struct signed_message *acceptances;
    size_t count;
    uint64_t not_before, before_ends; /* wall; before_ends 0: there is none before */
    uint32_t before;
};

static void add_epoch(void *arg, struct msg_register *draft, struct arena *a)
{
    const struct new_epoch *n = arg;
    const char *why = "";
    const struct steward_epoch ep = {8, n->not_before, n->not_before + n->s->conf.epoch_lasts};
    cpis_err err = steward_add_epoch(draft, a, registry_net(n->s->stewards), n->acceptances,
                                     n->count, &ep, &why);
    if (err == CPIS_OK && n->before_ends != 0)
        err = steward_set_epoch_end(draft, n->before, n->before_ends, &why);
    if (err != CPIS_OK) fprintf(stderr, "epoch: %s\n", why);
    CHECK(n->s, err == CPIS_OK);
}

bool sim_publish_epoch(struct sim *s, uint32_t epoch, cpis_ms in, cpis_ms overlap)
{
    struct signed_message acceptances[THRESHOLD_HOLDERS_MAX];
    const size_t epochs = registry_epoch_count(s->stewards);
    struct new_epoch n = {.s = s, .acceptances = acceptances};
    n.count = acceptances_of(s, epoch, acceptances);
    if (n.count == 0) return false;
    n.not_before = SIM_EPOCH_START + sim_now(s) + in;
    if (epochs == 0) {
        n.not_before = SIM_EPOCH_START;
    } else {
        const struct registry_epoch *last = registry_epoch_at(s->stewards, epochs - 1);
        n.before = last->number;
        n.before_ends = n.not_before + overlap;
        if (n.before_ends < last->not_after) n.before_ends = last->not_after;
    }
    sim_new_register(s, add_epoch, &n);
    return true;
}

void sim_next_epoch(struct sim *s, cpis_ms in, cpis_ms overlap)
{
    const size_t epochs = registry_epoch_count(s->stewards);
    const uint32_t next = epochs == 0 ? 1 : registry_epoch_at(s->stewards, epochs - 1)->number + 1;
    CHECK(s, sim_begin_ceremony(s, next));
    sim_run(s, 30 * CPIS_MS_SECOND);
    CHECK(s, sim_publish_epoch(s, next, in, overlap));
}

static void activate(void *arg, struct msg_register *draft, struct arena *a)
{
    struct sim *s = arg;
    const char *why = "";
    (void)a;
    for (unsigned i = 0; i < s->conf.authorities; i++)
        CHECK(s, steward_set_state(draft, sim_id(s, sim_authority(s, i)), NODE_ACTIVE, &why) ==
                     CPIS_OK);
}

static void found(struct sim *s)
{
    first_registers(s);
    for (unsigned n = 0; n < s->nodes; n++)
        sim_give_register(s, n, s->links);
    for (unsigned n = 0; n < s->nodes; n++)
        sim_start(s, n);
    sim_run(s, 10 * CPIS_MS_SECOND);
    sim_next_epoch(s, 0, 0);
    CHECK(s, sim_settle(s, 5 * CPIS_MS_MINUTE));
    sim_new_register(s, activate, s);
    sim_run(s, 3 * CPIS_MS_MINUTE); /* register-times of the new one; versions known for a minute */
}

static void add_nodes(struct sim *s, enum node_role role, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        (void)found_node(s, role, NULL);
}

struct sim *sim_new(const struct sim_conf *conf)
{
    struct sim *s = sim_must(calloc(1, sizeof *s));
    s->conf = *conf;
    if (s->conf.epoch_lasts == 0) s->conf.epoch_lasts = SIM_EPOCH_LASTS;
    s->kernel = kernel_new();
    s->network = network_new(conf->seed, &conf->link);
    s->arena = arena_make((size_t)1 << 30);
    add_nodes(s, ROLE_DIRECTORY, conf->directories);
    add_nodes(s, ROLE_AUTHORITY, conf->authorities);
    add_nodes(s, ROLE_QUERY, conf->queries);
    found(s);
    return s;
}

unsigned sim_add_node(struct sim *s, enum node_role role)
{
    const unsigned n = found_node(s, role, NULL);
    sim_give_register(s, n, s->links);
    return n;
}

const struct registry *sim_stewards(const struct sim *s) { return s->stewards; }

struct msg_signed_descriptor sim_describe(struct sim *s, unsigned node, unsigned like)
{
    return describe(s, node, like == UINT_MAX ? node : like, registry_net(s->stewards));
}
