/* proto/fields.h - the tables behind codec.c: one for each message says where each field stands in
 * the plain struct and what it may hold, in the order of the fields' numbers. fields.c holds them,
 * and shows them equal to the generated descriptors; codec.c walks them. Nobody else includes it.
 */
#ifndef CPIS_PROTO_FIELDS_H
#define CPIS_PROTO_FIELDS_H
#include "proto/codec.h"

enum kind { U32 = 1, U64, BOOL, FIX, VAR, TXT, SUB, LST };
enum shape {
#define CPIS_X(name, plain, generated) SHAPE_##name,
    CPIS_MESSAGES(CPIS_X)
#undef CPIS_X
        SHAPE_COUNT
};
struct field {
    const char *name;
    enum kind kind;
    size_t at; /* offset in the plain struct */
    size_t
        size; /* FIX: bytes; VAR: most bytes; TXT: capacity with terminator; LST: most elements */
    size_t multiple; /* VAR: the length is a multiple of it */
    uint64_t lo, hi; /* U32, U64 */
    size_t count_at; /* LST: offset of the count */
    enum shape shape;
};

struct shape_fields {
    const struct field *fields;
    size_t count, plain_bytes;
};
extern const struct shape_fields codec_shapes[SHAPE_COUNT];
#endif
