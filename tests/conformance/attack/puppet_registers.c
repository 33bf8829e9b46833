/* A register withheld: what a directory may keep from one node. */
#include "tests/conformance/attack/puppet.h"

/* Neither which register it has, nor the documents after the peer's; all else is honest. */
static bool withhold(struct edit *e)
{
    struct frame f;
    struct signed_message m;
    if (frame_unwrap(e->frame, e->a, &f) != CPIS_OK) return false;
    const bool is_time = f.kind == FRAME_SIGNED &&
                         signed_message_decode(f.payload, e->a, &m) == CPIS_OK &&
                         m.type == SIGNED_REGISTER_TIME;
    if (!is_time && f.kind != FRAME_REGISTER_CHAIN) return false;
    e->times = 0;
    return true;
}

const struct puppet_entry puppet_registers[] = {{"register withheld", withhold, 0},
                                                {NULL, NULL, 0}};
