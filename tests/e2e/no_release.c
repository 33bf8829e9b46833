/* tests/e2e/no_release.c - a directory whose replies do not wait for their time, though all else
 * is covered: linked with -Wl,--wrap=cover_send. The test of the lines must see even that. */
#include "node/core/cover.h"

bool __real_cover_send(struct cover *c, const struct registry *r, const struct cpis_id *peer,
                       struct bytes frame, bool telling, cpis_ms now);
bool __wrap_cover_send(struct cover *c, const struct registry *r, const struct cpis_id *peer,
                       struct bytes frame, bool telling, cpis_ms now);

bool __wrap_cover_send(struct cover *c, const struct registry *r, const struct cpis_id *peer,
                       struct bytes frame, bool telling, cpis_ms now)
{
    if (frame.len == FRAME_REPLY_BYTES) return false;
    return __real_cover_send(c, r, peer, frame, telling, now);
}
