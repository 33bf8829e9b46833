/* Fuzz target: the first byte picks a type; what decodes comes out again byte by byte. */
#include "proto/codec.h"

#include <assert.h>
#include <string.h>

#define CPIS_X(name, plain, generated)                                                             \
    static cpis_err again_##name(struct bytes b, struct arena *a, struct bytes *ret)               \
    {                                                                                              \
        struct plain m;                                                                            \
        cpis_err err = name##_decode(b, a, &m);                                                    \
        return err == CPIS_OK ? name##_encode(&m, a, ret) : err;                                   \
    }
CPIS_MESSAGES(CPIS_X)
#undef CPIS_X

static cpis_err (*const again[])(struct bytes b, struct arena *a, struct bytes *ret) = {
#define CPIS_X(name, plain, generated) again_##name,
    CPIS_MESSAGES(CPIS_X)
#undef CPIS_X
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    struct arena a = arena_make((size_t)64 << 20);
    const struct bytes b = {data + 1, size - 1};
    struct bytes ret;
    cpis_err err = again[data[0] % (sizeof again / sizeof *again)](b, &a, &ret);
    if (err == CPIS_OK) {
        assert(ret.len == b.len);
        assert(memcmp(ret.p, b.p, b.len) == 0);
    } else {
        assert(err == CPIS_E_MALFORMED); /* never INVAL: what decodes can be encoded */
    }
    arena_free(&a);
    return 0;
}
