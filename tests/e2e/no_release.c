/* tests/e2e/no_release.c - a directory that takes 20 ms longer for a presence, as one with a slow
 * disk may, and whose replies do not wait for their time, though all else is covered: linked with
 * -Wl,--wrap=cover_send. The test of the lines must see even that. */
#include "node/core/cover.h"

#include <time.h>

#define SLOWER_NS 20000000L

bool __real_cover_send(struct cover *c, const struct registry *r, const struct cpis_id *peer,
                       struct bytes frame, bool telling, cpis_ms now);
bool __wrap_cover_send(struct cover *c, const struct registry *r, const struct cpis_id *peer,
                       struct bytes frame, bool telling, cpis_ms now);

static bool is_presence(struct bytes wire)
{
    struct arena a = arena_make(1U << 20);
    struct frame f;
    struct msg_lookup_reply m;
    struct signed_message s;
    const bool is = frame_unwrap(wire, &a, &f) == CPIS_OK &&
                    lookup_reply_decode(f.payload, &a, &m) == CPIS_OK &&
                    signed_message_decode(m.statement, &a, &s) == CPIS_OK &&
                    s.type == SIGNED_PRESENT;
    arena_free(&a);
    return is;
}

bool __wrap_cover_send(struct cover *c, const struct registry *r, const struct cpis_id *peer,
                       struct bytes frame, bool telling, cpis_ms now)
{
    const struct timespec slower = {0, SLOWER_NS};
    if (frame.len != FRAME_REPLY_BYTES) return __real_cover_send(c, r, peer, frame, telling, now);
    if (is_presence(frame)) (void)nanosleep(&slower, NULL);
    return false;
}
