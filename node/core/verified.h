/* node/core/verified.h - signatures that were found right, so that the same bytes need no second
 * check: a lookup, an ack, an answer come through each of t directories, a head stands in each of t
 * proofs. What is remembered is that this key's signature over this type, network and body holds;
 * who the signer is and what it may sign now is asked of the register every time. A signature found
 * wrong is checked again each time. Bounded; what it has no room for is checked again. One owner;
 * not thread-safe. */
#ifndef CPIS_NODE_CORE_VERIFIED_H
#define CPIS_NODE_CORE_VERIFIED_H
#include "crypto/sign.h"
#include "proto/message.h"

#define VERIFIED_SLOTS 512U /* a power of two */

struct verified {
    struct cpis_hash of[VERIFIED_SLOTS]; /* each in its one place; zeros: free */
};
/* As sign_check: is it this key's signature over exactly this type, network and body? */
bool verified_check(struct verified *v, const struct sign_public *key, const struct net_id *net,
                    const struct signed_message *m);
/* Without a check: is it known to be right? */
bool verified_knows(const struct verified *v, const struct sign_public *key,
                    const struct net_id *net, const struct signed_message *m);
void verified_forget(struct verified *v); /* all */
#endif
