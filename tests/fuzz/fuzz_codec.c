/* Fuzz target: the first byte picks a type; what decodes comes out again byte by byte. And against
 * libprotobuf-c, which knows cpis.proto from its generated descriptors: it reads what we read, and
 * writes it as we do. It takes more than we do (fields twice, in any order, unknown ones): there is
 * nothing to compare then. */
#include "proto/codec.h"
#include "proto/cpis.pb-c.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void check_other(const ProtobufCMessageDescriptor *d, struct bytes b)
{
    static uint8_t again[2U << 20];
    ProtobufCMessage *m = protobuf_c_message_unpack(d, NULL, b.len, b.p);
    assert(m != NULL);
    assert(protobuf_c_message_get_packed_size(m) == b.len && b.len <= sizeof again);
    assert(protobuf_c_message_pack(m, again) == b.len);
    assert(b.len == 0 || memcmp(again, b.p, b.len) == 0);
    protobuf_c_message_free_unpacked(m, NULL);
}

#define CPIS_X(name, plain, generated)                                                             \
    static cpis_err again_##name(struct bytes b, struct arena *a, struct bytes *ret)               \
    {                                                                                              \
        struct plain m;                                                                            \
        cpis_err err = name##_decode(b, a, &m);                                                    \
        if (err != CPIS_OK) return err;                                                            \
        check_other(&cpis__##generated##__descriptor, b);                                          \
        return name##_encode(&m, a, ret);                                                          \
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
