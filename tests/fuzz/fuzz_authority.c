/* Fuzz target: an authority alone: plans, list, accesses, inbox. All it hears can be changed. */
#include "tests/fuzz/history.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor c = {data, size};
    history_alone(HISTORY_AUTHORITY, HISTORY_EVERYBODY, &c);
    return 0;
}
