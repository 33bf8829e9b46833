/* Fuzz target: a query node, all of whose peers have lost their keys to the input: whatever they
 * say to it, what it says itself stands in its own store first, and every verdict's evidence holds.
 */
#include "tests/fuzz/history.h"

#define STEPS_MAX 160U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor c = {data, size};
    struct history *h =
        history_begin(HISTORY_EVERYBODY, HISTORY_EVERYBODY ^ HISTORY_OF(HISTORY_QUERY));
    history_pass(h, 10 * CPIS_MS_SECOND, true);
    for (unsigned i = 0; i < STEPS_MAX && history_play(h, &c); i++)
        continue;
    history_end(&h);
    return 0;
}
