/* Fuzz target: a directory alone: shares, lists, copies, its part in a ceremony. All it hears can
 * be changed but what the first authority says; so it never denies that one's first child. */
#include "tests/fuzz/history.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor c = {data, size};
    history_alone(HISTORY_DIRECTORY, HISTORY_EVERYBODY & ~HISTORY_OF(HISTORY_AUTHORITY), &c);
    return 0;
}
