/* tests/node/core/registry_fixture.h - root keys, identities, a store in memory and an environment,
 * so that a test can make registers and step one machine. Not for node/: tests only. */
#ifndef CPIS_TESTS_REGISTRY_FIXTURE_H
#define CPIS_TESTS_REGISTRY_FIXTURE_H
#include "node/core/log.h"
#include "node/core/registry.h"
#include "node/core/work.h"

#define RF_ROOTS 5U /* the first three are the roots of version 1, two must sign */
#define RF_T0    ((cpis_ms)1800000000000)
#define RF_ROWS  512U
#define RF_SENT  256U

struct rf_row {
    bool used;
    enum table table;
    uint8_t key[TABLE_KEY_BYTES_MAX];
    size_t key_len;
    struct bytes value; /* owned */
};
struct rf_store { /* what would be on disk */
    struct rf_row rows[RF_ROWS];
    struct view view;
};
struct rf_sent {
    struct cpis_id peer;
    struct bytes frame; /* owned */
};
struct rf_step { /* what one step put out, after rf_commit */
    unsigned events[EVENT_COUNT];
    uint64_t event_number;
    struct cpis_id event_peer;
    struct rf_sent sent[RF_SENT];
    size_t sent_count;
    struct work *work; /* put out, not done */
    size_t work_count;
};
struct rf_node {
    struct identity identity;
    struct env env;
    struct queue queue;
    struct arena scratch;
    struct drbg rng;
    struct chain_log log;
    struct rf_store *store;
    struct rf_step step;
};

void rf_store_init(struct rf_store *s);
void rf_store_free(struct rf_store *s);
const struct rf_row *rf_store_find(const struct rf_store *s, enum table t, const void *key,
                                   size_t key_len);
size_t rf_store_count(const struct rf_store *s, enum table t);

struct identity rf_identity(unsigned number); /* always the same keys for a number */
struct cpis_id rf_id(unsigned number);
void rf_root(unsigned number, struct sign_public *ret_public, struct sign_secret *ret_secret);
struct bytes rf_root_keys(unsigned count, struct arena *a);

void rf_node_init(struct rf_node *n, unsigned number, struct registry *registry,
                  struct rf_store *store);
void rf_node_free(struct rf_node *n);
struct env *rf_begin(struct rf_node *n, cpis_ms now, cpis_ms wall);
/* Commits what the step persisted (not if `lost`: the process died first), collects the rest. */
void rf_commit(struct rf_node *n, bool lost);

struct msg_signed_descriptor rf_descriptor(unsigned number, enum node_role role, const char *code,
                                           const struct net_id *net);
void rf_resign(struct msg_register_node *node, unsigned number, const struct net_id *net);
/* The document of a body, signed by the roots whose bit is set. net NULL: the body is version 1. */
struct bytes rf_document(const struct msg_register *body, const struct net_id *net, unsigned roots,
                         struct arena *a);
/* The documents of r's versions have+1.., as rf_document made them: a registry itself keeps none.
 */
void rf_links_after(const struct registry *r, uint64_t have, struct arena *a,
                    struct msg_register_chain *ret);
/* n directories (numbers 1..n), 3 authorities (101..103), a query node (201): version 3, everyone
 * active, and epoch 1 (t = n/2+1) when with_epoch. */
struct registry *rf_federation(unsigned directories, bool with_epoch, struct arena *a);
struct msg_register_epoch rf_epoch(uint32_t number, unsigned n, unsigned t, struct arena *a);
/* Epoch 2 behind the draft's one, of the same directories and t. */
void rf_add_epoch_2(struct msg_register *draft, struct arena *a);
#endif
