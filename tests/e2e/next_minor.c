/* tests/e2e/next_minor.c - cpis as a later minor version might be: linked with
 * -Wl,--wrap=transport_send, it sends a frame of a kind that today's version does not know
 * (proto/README.md, "Versions") after each seventh frame, to the same peer: so each has some. */
#include "node/net/transport.h"
#include "proto/message.h"

#include <string.h>

#define LATER_EVERY 7U

bool __real_transport_send(struct transport *t, const struct cpis_id *peer, struct bytes b,
                           cpis_ms now);
bool __wrap_transport_send(struct transport *t, const struct cpis_id *peer, struct bytes b,
                           cpis_ms now);

/* Begins as every frame does, with its kind (a fixed32, field 1); what follows is for who knows it.
 */
static struct bytes later_frame(void)
{
    static uint8_t frame[300] = {0x0d, FRAME_KIND_END};
    static size_t len = 5;
    frame[1] = frame[1] == FRAME_KIND_LATER_MAX ? FRAME_KIND_END : (uint8_t)(frame[1] + 1);
    len = len == sizeof frame ? 5 : len + 1;
    memset(frame + 5, frame[1], sizeof frame - 5);
    return (struct bytes){frame, len};
}

bool __wrap_transport_send(struct transport *t, const struct cpis_id *peer, struct bytes b,
                           cpis_ms now)
{
    static unsigned frames;
    const bool sent = __real_transport_send(t, peer, b, now);
    if (sent && ++frames % LATER_EVERY == 0)
        (void)__real_transport_send(t, peer, later_frame(), now);
    return sent;
}
