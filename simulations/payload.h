/* simulations/payload.h - the bytes of a message on its way: one copy, counted, for the frame that
 * is doubled or goes to several. Whoever would change them takes a copy first. One owner a run. */
#ifndef CPIS_SIMULATIONS_PAYLOAD_H
#define CPIS_SIMULATIONS_PAYLOAD_H
#include "proto/message.h"

struct payload {
    uint32_t refs;
    uint32_t len;
    uint8_t b[];
};
struct payload *payload_new(struct bytes b); /* one reference, the caller's */
struct payload *payload_share(struct payload *p);
void payload_drop(struct payload *p); /* or NULL */
struct bytes payload_bytes(const struct payload *p);

/* What a frame is, from its first bytes as the codec writes them (kind first; of a signed message
 * its type first): for prices and crashes, where decoding would cost more than the answer is worth.
 * Never an error: 0 where it can't be told. */
struct frame_look {
    unsigned kind;        /* enum frame_kind, or 0 */
    unsigned signed_type; /* of FRAME_SIGNED: enum signed_type, or 0 */
};
struct frame_look frame_look(struct bytes b);
#endif
