/* tests/bench/make_chain.c - a register of a national size and age, as a chain file.
 *
 *   make_chain FILE                               version 1, of one root key
 *   make_chain FILE VERSIONS NODES DESCRIPTOR...  FILE (version 1) with versions 2 to VERSIONS:
 *                                                 these descriptors' nodes and made-up authorities,
 *                                                 NODES in all, one of them changed in each version
 */
#include "node/core/steward.h"
#include "node/net/chain_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MUST(c)                                                                                    \
    do {                                                                                           \
        if (!(c)) {                                                                                \
            fprintf(stderr, "make_chain: line %d: %s\n", __LINE__, #c);                            \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static struct sign_public root;
static struct sign_secret root_secret;
static const char *why = "";

static uint64_t wall(void) { return (uint64_t)time(NULL) * 1000; }

static struct identity identity_of(unsigned n)
{
    uint8_t seed[32] = {77, (uint8_t)n, (uint8_t)(n >> 8)}, wide[IDENTITY_SEED_BYTES];
    struct identity id;
    struct drbg d;
    drbg_from(seed, &d);
    drbg_bytes(&d, wide, sizeof wide);
    identity_from(wide, &id);
    return id;
}

static void add_made_up(struct msg_register *draft, struct arena *a, const struct net_id *net,
                        unsigned n)
{
    const struct identity id = identity_of(n);
    const struct steward_limits limits = {1000000, 1000000, 65536};
    struct msg_signed_descriptor d = {.descriptor = {.sign_key = id.pub.sign,
                                                     .sealing_key = id.pub.sealing,
                                                     .transport_key = id.pub.transport,
                                                     .role = ROLE_AUTHORITY,
                                                     .not_before = wall() - CPIS_MS_DAY,
                                                     .not_after = wall() + 700 * CPIS_MS_DAY}};
    struct bytes body;
    snprintf(d.descriptor.code, sizeof d.descriptor.code, "T9%03u", n);
    snprintf(d.descriptor.name, sizeof d.descriptor.name,
             "Borough Council of Testborough-upon-Example %u", n);
    snprintf(d.descriptor.emergency, sizeof d.descriptor.emergency, "02079460%03u", n % 1000);
    snprintf(d.descriptor.office, sizeof d.descriptor.office, "01632960%03u", n % 1000);
    MUST(descriptor_encode(&d.descriptor, a, &body) == CPIS_OK);
    sign_make(&id.sign, SIGNED_DESCRIPTOR, net, body.p, body.len, &d.signature);
    MUST(steward_add_node(draft, a, net, &d, &limits, NULL, &why) == CPIS_OK);
}

static void add_described(struct msg_register *draft, struct arena *a, const struct net_id *net,
                          const char *path)
{
    const struct steward_limits limits = {1000000, 1000000, 65536};
    uint8_t bytes[4096];
    struct msg_signed_descriptor d;
    FILE *f = fopen(path, "rb");
    MUST(f != NULL);
    const size_t len = fread(bytes, 1, sizeof bytes, f);
    (void)fclose(f);
    MUST(signed_descriptor_decode((struct bytes){bytes, len}, a, &d) == CPIS_OK);
    MUST(steward_add_node(draft, a, net, &d, &limits, NULL, &why) == CPIS_OK);
    const struct cpis_id id = node_id_of(&d.descriptor.sign_key);
    if (d.descriptor.role != ROLE_AUTHORITY)
        MUST(steward_set_state(draft, &id, NODE_ACTIVE, &why) == CPIS_OK);
}

static struct bytes finish(struct registry *chain, const struct msg_register *draft,
                           struct arena *a)
{
    struct bytes doc;
    MUST(steward_finish(chain, draft, a, &doc, &why) == CPIS_OK);
    MUST(steward_sign(chain, doc, &root, &root_secret, a, &doc, &why) == CPIS_OK);
    MUST(registry_load(chain, doc) == CPIS_OK);
    return doc;
}

static int make_first(const char *path, struct registry *chain)
{
    struct arena a = arena_make((size_t)1 << 20);
    struct chain_writer w;
    const struct msg_register draft =
        steward_first((struct bytes){root.b, sizeof root.b}, 1, wall(), wall() + 30 * CPIS_MS_DAY);
    MUST(chain_file_create(path, 0644, &w) == CPIS_OK);
    MUST(chain_file_write(&w, finish(chain, &draft, &a)) == CPIS_OK);
    MUST(chain_file_finish(&w) == CPIS_OK);
    arena_free(&a);
    return 0;
}

int main(int argc, char **argv)
{
    static const uint8_t seed[32] = {1, 2, 3};
    char text[CHAIN_WHY_BYTES];
    struct registry *chain;
    struct chain_mark mark;
    struct chain_writer w;
    MUST(argc == 2 || argc >= 4);
    sign_keypair_from(seed, &root, &root_secret);
    MUST(registry_new(&chain) == CPIS_OK);
    if (argc == 2) return make_first(argv[1], chain);
    const uint64_t versions = strtoull(argv[2], NULL, 10);
    const unsigned nodes = (unsigned)strtoul(argv[3], NULL, 10);
    MUST(chain_file_load(argv[1], 0, chain, text) == CPIS_OK);
    MUST(chain_file_check(argv[1], &mark, text) == CPIS_OK);
    MUST(chain_file_append(argv[1], &mark, &w) == CPIS_OK);
    while (w.mark.links < versions) {
        struct arena a = arena_make((size_t)64 << 20);
        struct msg_register draft;
        MUST(steward_next(chain, wall(), wall() + 30 * CPIS_MS_DAY, &a, &draft) == CPIS_OK);
        for (int i = 4; draft.version == 2 && i < argc; i++)
            add_described(&draft, &a, registry_net(chain), argv[i]);
        for (unsigned n = 0; draft.version == 2 && draft.nodes_count < nodes; n++)
            add_made_up(&draft, &a, registry_net(chain), n);
        draft.head_age = 3600000 * (48 + draft.version % 24);
        MUST(chain_file_write(&w, finish(chain, &draft, &a)) == CPIS_OK);
        arena_free(&a);
    }
    MUST(chain_file_finish(&w) == CPIS_OK);
    printf("%" PRIu64 " versions of %zu nodes\n", registry_version(chain), registry_count(chain));
    registry_free(&chain);
    return 0;
}
