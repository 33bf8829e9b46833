/* Fuzz target: a whole federation. One of its nodes (the first byte says which, or none) has lost
 * its keys to the input; what the others come to must hold. At the end all is mended, and every
 * access that somebody was told of has its record. */
#include "tests/fuzz/history.h"

#define STEPS_MAX 120U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor c = {data, size};
    const unsigned rogue = cursor_below(&c, HISTORY_NODES + 1);
    struct history *h =
        history_begin(HISTORY_EVERYBODY, rogue < HISTORY_NODES ? HISTORY_OF(rogue) : 0);
    history_pass(h, 10 * CPIS_MS_SECOND, true);
    for (unsigned i = 0; i < STEPS_MAX && history_play(h, &c); i++)
        continue;
    history_check_accesses(h, false);
    history_heal(h);
    history_check_accesses(h, true);
    history_check_settled(h);
    for (unsigned n = HISTORY_AUTHORITY; n < HISTORY_QUERY; n++)
        history_check_notifications(h, n);
    history_end(&h);
    return 0;
}
