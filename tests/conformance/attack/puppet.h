/* tests/conformance/attack/puppet.h - a directory in an attacker's hands, as a process.
 *
 * It is the node of this project with the door to its sockets held by puppet.c (the linker's
 * --wrap): what the honest machine sends goes through one `act`, which may alter, drop or double
 * it, signing anew with the node's own key; and frames that the attacker made go out in the node's
 * name. The machine is never asked to misbehave, and the node that is tested has none of this.
 *
 * Told what to do over a local socket that $CPIS_PUPPET names: an order {op, length} and so many
 * bytes; the answer is one number. Both sides run on one machine: numbers are as they lie. */
#ifndef CPIS_TESTS_CONFORMANCE_PUPPET_H
#define CPIS_TESTS_CONFORMANCE_PUPPET_H
#include "crypto/sign.h"
#include "proto/codec.h"

#define PUPPET_ENV        "CPIS_PUPPET"
#define PUPPET_NAME_BYTES 48U

enum puppet_op {
    PUPPET_NET = 1, /* struct net_id: before any other */
    PUPPET_ACT,     /* struct puppet_act; 1: there is such an act; counting starts from 0 */
    PUPPET_STOP,    /* honest again; how often it acted */
    PUPPET_COUNT,   /* how often it acted since PUPPET_ACT */
    PUPPET_SEND     /* struct cpis_id and a frame; 1: it left */
};
struct puppet_order {
    uint32_t op, len;
};
struct puppet_act {
    char name[PUPPET_NAME_BYTES];
    struct cpis_id peer; /* only what goes to it is touched */
};

/* A frame on its way out, for puppet_acts*.c. */
struct edit {
    const struct identity *self;
    const struct net_id *net;
    struct arena *a;
    struct bytes frame; /* what goes out */
    unsigned times;     /* so often; 0: not at all */
    uint64_t number;    /* of the act: what its name leaves open */
};
/* false: this frame is none of the act's. */
typedef bool (*puppet_fn)(struct edit *e);
struct puppet_entry {
    const char *name;
    puppet_fn fn;
    uint64_t number;
};
/* Each ends with a NULL name. */
extern const struct puppet_entry puppet_evaluations[], puppet_replies[], puppet_heads[],
    puppet_registers[];
/* Every frame that goes out, also while there is no act: what a replay needs is kept. */
void puppet_listen(const struct edit *e);

void puppet_listen_heads(const struct edit *e);
/* A reply to a lookup becomes absent over the lists of state S. false: it is none. */
bool puppet_deny_over(struct edit *e, const struct cpis_hash *state);
/* Helpers of the acts. */
bool edit_replace(struct edit *e, enum frame_kind kind, struct bytes payload);
struct signed_message edit_sign(const struct edit *e, enum signed_type type, struct bytes body);
#endif
