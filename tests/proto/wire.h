/* tests/proto/wire.h - the wire written down a second time, apart from cpis.proto and the codec's
 * tables: what each field of each message may hold, and a writer that puts down right and wrong
 * encodings of it. */
#ifndef CPIS_TESTS_PROTO_WIRE_H
#define CPIS_TESTS_PROTO_WIRE_H
#include "proto/codec.h"

#define WIRE_FIELDS_MAX 20U

enum wire_kind { WIRE_U32 = 1, WIRE_U64, WIRE_BOOL, WIRE_BYTES, WIRE_TEXT, WIRE_SUB, WIRE_LIST };
struct wire_type;
struct wire_field {
    enum wire_kind kind;
    uint64_t lo, hi;            /* U32: values; BYTES, TEXT: lengths; LIST: elements */
    uint64_t multiple;          /* BYTES */
    const struct wire_type *of; /* SUB, LIST */
};
struct wire_type {
    const char *name;
    size_t count;
    struct wire_field field[WIRE_FIELDS_MAX]; /* field[i] has number i + 1 */
};
size_t wire_count(void);
const struct wire_type *wire_at(size_t i); /* in the order of CPIS_MESSAGES */

struct wire_out {
    uint8_t *p;
    size_t len, cap;
};
/* How one field departs from the base message, in which each field holds the least it may. */
enum wire_fault {
    WIRE_NONE = 0,
    WIRE_MOST,   /* the most it may hold */
    WIRE_BELOW,  /* one below the least */
    WIRE_ABOVE,  /* one above the most */
    WIRE_UNEVEN, /* a length that is no multiple */
    WIRE_LEFT_OUT,
    WIRE_TWICE,
    WIRE_SWAPPED,    /* after the field that follows it */
    WIRE_LONG_TAG,   /* a tag in one byte more than it needs */
    WIRE_LONG_VALUE, /* a length, or a bool, in one byte more than it needs */
    WIRE_BOOL_TWO,
    WIRE_TEXT_NUL,
    WIRE_TEXT_CONTROL,
    WIRE_TEXT_BAD_UTF8,
    WIRE_SUB_UNKNOWN, /* an unknown field at the end of a sub-message */
    WIRE_FAULT_END
};
/* false: this fault can't be made of this field (nothing useful was written). */
bool wire_write(struct wire_out *o, const struct wire_type *t, size_t field, enum wire_fault fault);
/* Any values that are allowed, from the seed: lists of up to 3, strings of up to 100 bytes. */
void wire_write_random(struct wire_out *o, const struct wire_type *t, uint64_t *seed);
void wire_put_varint(struct wire_out *o, uint64_t v, bool one_too_long);
/* Decodes p as a wire_at(i) and encodes what came out. */
cpis_err wire_again(size_t i, struct bytes b, struct arena *a, struct bytes *ret);
#endif
