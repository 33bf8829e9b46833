#include "proto/codec.h"

#include "crypto/hash.h"
#include "proto/fields.h"
#include "proto/text.h"

#include <assert.h>
#include <string.h>

/* One walk writes the wire from the tables of fields.h, one reads it back. As every field is
 * required, stands in the order of its number and has one form, there is one byte string for a
 * message: the reader expects each byte of it and takes no other. The generated code is not run:
 * it takes several forms, and packing again what it unpacked, to find a second form out, was most
 * of what a message cost. test_codec proves the tables equal to its descriptors, and that it reads
 * and writes the same bytes. */

/* protobuf's wire types */
enum wire_type { WIRE_VARINT = 0, WIRE_8 = 1, WIRE_LENGTH = 2, WIRE_4 = 5 };
static const uint8_t wire_types[] = {
    [U32] = WIRE_4,      [U64] = WIRE_8,      [BOOL] = WIRE_VARINT, [FIX] = WIRE_LENGTH,
    [VAR] = WIRE_LENGTH, [TXT] = WIRE_LENGTH, [SUB] = WIRE_LENGTH,  [LST] = WIRE_LENGTH,
};

/* Lengths and tags: below 2^28, which is over FRAME_BYTES_MAX. */
static size_t varint_size(size_t v) { return v < 128 ? 1 : v < 16384 ? 2 : v < 2097152 ? 3 : 4; }

static size_t tag_of(const struct field *f, size_t number)
{
    return number << 3 | wire_types[f->kind];
}

static struct bytes var_of(const struct field *f, const uint8_t *plain)
{
    struct bytes b;
    memcpy(&b, plain + f->at, sizeof b);
    return b;
}

/* A list's first element. */
static const uint8_t *list_of(const struct field *f, const uint8_t *plain, size_t *ret_count)
{
    const uint8_t *element;
    memcpy(&element, plain + f->at, sizeof element);
    memcpy(ret_count, plain + f->count_at, sizeof *ret_count);
    return element;
}

/* --- plain to wire: first the size, with every check, then the bytes, the last one first, so that
 * the length of what is nested is known when it is written --- */

static cpis_err measure(enum shape s, const uint8_t *plain, size_t *ret);

static cpis_err measure_text(const struct field *f, const char *v, size_t *ret)
{
    const char *end = memchr(v, 0, f->size);
    if (end == NULL || text_check_utf8(v, (size_t)(end - v)) != CPIS_OK) return CPIS_E_INVAL;
    *ret = (size_t)(end - v);
    return CPIS_OK;
}

static cpis_err measure_list(const struct field *f, size_t tag_bytes, const uint8_t *plain,
                             size_t *ret)
{
    size_t count, total = 0;
    const uint8_t *element = list_of(f, plain, &count);
    if (count > f->size) return CPIS_E_INVAL;
    for (size_t i = 0; i < count; i++) {
        size_t len;
        cpis_err err = measure(f->shape, element + i * codec_shapes[f->shape].plain_bytes, &len);
        if (err != CPIS_OK) return err;
        total += tag_bytes + varint_size(len) + len;
    }
    *ret = total;
    return CPIS_OK;
}

/* The bytes of one field, its tag included. */
static cpis_err measure_field(const struct field *f, size_t number, const uint8_t *plain,
                              size_t *ret)
{
    const size_t tag_bytes = varint_size(tag_of(f, number));
    size_t len = 0;
    cpis_err err = CPIS_OK;
    switch (f->kind) {
    case U32: {
        uint32_t v;
        memcpy(&v, plain + f->at, sizeof v);
        *ret = tag_bytes + sizeof v;
        return v < f->lo || v > f->hi ? CPIS_E_INVAL : CPIS_OK;
    }
    case U64: *ret = tag_bytes + 8; return CPIS_OK;
    case BOOL: *ret = tag_bytes + 1; return CPIS_OK;
    case FIX: len = f->size; break;
    case VAR: {
        len = var_of(f, plain).len;
        if (len > f->size || len % f->multiple != 0) return CPIS_E_INVAL;
        break;
    }
    case TXT: err = measure_text(f, (const char *)plain + f->at, &len); break;
    case SUB: err = measure(f->shape, plain + f->at, &len); break;
    case LST: return measure_list(f, tag_bytes, plain, ret);
    }
    *ret = tag_bytes + varint_size(len) + len;
    return err;
}

static cpis_err measure(enum shape s, const uint8_t *plain, size_t *ret)
{
    size_t total = 0;
    for (size_t i = 0; i < codec_shapes[s].count; i++) {
        size_t len;
        cpis_err err = measure_field(&codec_shapes[s].fields[i], i + 1, plain, &len);
        if (err != CPIS_OK) return err;
        total += len;
    }
    *ret = total;
    return CPIS_OK;
}

/* `at` is where the next byte ends; each returns where the bytes written begin. */
static uint8_t *put_back(uint8_t *at, const void *p, size_t len)
{
    at -= len;
    if (len > 0) memcpy(at, p, len);
    return at;
}

static uint8_t *put_varint(uint8_t *at, size_t v)
{
    at -= varint_size(v);
    uint8_t *to = at;
    for (; v >= 128; v >>= 7)
        *to++ = (uint8_t)(v | 128);
    *to = (uint8_t)v;
    return at;
}

static uint8_t *put_little(uint8_t *at, uint64_t v, size_t len)
{
    at -= len;
    for (size_t i = 0; i < len; i++)
        at[i] = (uint8_t)(v >> (8 * i));
    return at;
}

static uint8_t *put_message(uint8_t *at, enum shape s, const uint8_t *plain);

static uint8_t *put_sized(uint8_t *at, size_t tag, const void *p, size_t len)
{
    return put_varint(put_varint(put_back(at, p, len), len), tag);
}

static uint8_t *put_nested(uint8_t *at, size_t tag, enum shape s, const uint8_t *plain)
{
    uint8_t *begin = put_message(at, s, plain);
    return put_varint(put_varint(begin, (size_t)(at - begin)), tag);
}

static uint8_t *put_field(uint8_t *at, const struct field *f, size_t number, const uint8_t *plain)
{
    const uint8_t *from = plain + f->at;
    const size_t tag = tag_of(f, number);
    switch (f->kind) {
    case U32: {
        uint32_t v;
        memcpy(&v, from, sizeof v);
        return put_varint(put_little(at, v, sizeof v), tag);
    }
    case U64: {
        uint64_t v;
        memcpy(&v, from, sizeof v);
        return put_varint(put_little(at, v, sizeof v), tag);
    }
    case BOOL: return put_varint(put_little(at, *(const bool *)from ? 1 : 0, 1), tag);
    case FIX: return put_sized(at, tag, from, f->size);
    case VAR: {
        const struct bytes b = var_of(f, plain);
        return put_sized(at, tag, b.p, b.len);
    }
    case TXT: return put_sized(at, tag, from, strlen((const char *)from));
    case SUB: return put_nested(at, tag, f->shape, from);
    case LST: break;
    }
    size_t count;
    const uint8_t *element = list_of(f, plain, &count);
    for (; count > 0; count--)
        at = put_nested(at, tag, f->shape,
                        element + (count - 1) * codec_shapes[f->shape].plain_bytes);
    return at;
}

static uint8_t *put_message(uint8_t *at, enum shape s, const uint8_t *plain)
{
    for (size_t i = codec_shapes[s].count; i > 0; i--)
        at = put_field(at, &codec_shapes[s].fields[i - 1], i, plain);
    return at;
}

static cpis_err encode(enum shape s, const void *plain, struct arena *a, struct bytes *ret)
{
    size_t len;
    cpis_err err = measure(s, plain, &len);
    if (err != CPIS_OK) return err;
    if (len > FRAME_BYTES_MAX) return CPIS_E_LIMIT;
    uint8_t *p = arena_take(a, len);
    if (p == NULL) return CPIS_E_NOMEM;
    const uint8_t *begin = put_message(p + len, s, plain);
    assert(begin == p);
    (void)begin;
    *ret = (struct bytes){p, len};
    return CPIS_OK;
}

/* --- wire to plain --- */

struct reader {
    const uint8_t *p, *end;
};

/* One byte for each seven bits, and no more than needed. */
static bool get_varint(struct reader *r, size_t *ret)
{
    size_t v = 0;
    if (r->p < r->end && *r->p < 128) { /* mostly */
        *ret = *r->p++;
        return true;
    }
    for (unsigned shift = 0; shift < 28 && r->p < r->end; shift += 7) {
        const uint8_t b = *r->p++;
        v |= (size_t)(b & 127) << shift;
        if (b >= 128) continue;
        *ret = v;
        return b != 0 || shift == 0;
    }
    return false;
}

/* The bytes of a field that has a length; they are left inside what is being read. */
static bool get_sized(struct reader *r, struct bytes *ret)
{
    size_t len;
    if (!get_varint(r, &len) || len > (size_t)(r->end - r->p)) return false;
    *ret = (struct bytes){r->p, len};
    r->p += len;
    return true;
}

/* False, and nothing has moved: another tag comes next, or nothing does. */
static bool get_tag(struct reader *r, size_t tag)
{
    const size_t len = varint_size(tag);
    uint8_t want[4];
    if (len == 1) { /* nearly all */
        if (r->p == r->end || *r->p != tag) return false;
        r->p++;
        return true;
    }
    (void)put_varint(want + len, tag);
    if (len > (size_t)(r->end - r->p) || memcmp(r->p, want, len) != 0) return false;
    r->p += len;
    return true;
}

static bool get_little(struct reader *r, size_t len, uint64_t *ret)
{
    uint64_t v = 0;
    if (len > (size_t)(r->end - r->p)) return false;
    for (size_t i = 0; i < len; i++)
        v |= (uint64_t)r->p[i] << (8 * i);
    r->p += len;
    *ret = v;
    return true;
}

static cpis_err get_message(struct bytes b, enum shape s, struct arena *a, uint8_t *plain);

/* How many elements follow: counted before room for them is taken. */
static cpis_err get_list(struct reader *r, const struct field *f, size_t number, struct arena *a,
                         uint8_t *plain)
{
    const size_t tag = tag_of(f, number), plain_bytes = codec_shapes[f->shape].plain_bytes;
    struct reader ahead = *r;
    struct bytes b;
    size_t count = 0;
    for (; get_tag(&ahead, tag); count++)
        if (count == f->size || !get_sized(&ahead, &b)) return CPIS_E_MALFORMED;
    uint8_t *to = arena_take(a, count * plain_bytes);
    if (to == NULL) return CPIS_E_NOMEM;
    for (size_t i = 0; i < count; i++) {
        bool there = get_tag(r, tag) && get_sized(r, &b);
        assert(there); /* as ahead */
        (void)there;
        cpis_err err = get_message(b, f->shape, a, to + i * plain_bytes);
        if (err != CPIS_OK) return err;
    }
    memcpy(plain + f->at, &to, sizeof to);
    memcpy(plain + f->count_at, &count, sizeof count);
    return CPIS_OK;
}

static cpis_err get_var(const struct field *f, struct bytes b, struct arena *a, uint8_t *to)
{
    if (b.len > f->size || b.len % f->multiple != 0) return CPIS_E_MALFORMED;
    b.p = arena_copy(a, b.p, b.len);
    if (b.p == NULL) return CPIS_E_NOMEM;
    memcpy(to, &b, sizeof b);
    return CPIS_OK;
}

/* Text takes up its capacity: a NUL inside would hide the rest of it. */
static cpis_err get_text(const struct field *f, struct bytes b, uint8_t *to)
{
    if (b.len >= f->size || memchr(b.p, 0, b.len) != NULL) return CPIS_E_MALFORMED;
    if (text_check_utf8((const char *)b.p, b.len) != CPIS_OK) return CPIS_E_MALFORMED;
    memcpy(to, b.p, b.len); /* the rest is zero */
    return CPIS_OK;
}

static cpis_err get_number(struct reader *r, const struct field *f, uint8_t *to)
{
    uint64_t v;
    if (!get_little(r, f->kind == BOOL ? 1 : f->size, &v)) return CPIS_E_MALFORMED;
    if (f->kind == BOOL) {
        *(bool *)to = v == 1;
        return v <= 1 ? CPIS_OK : CPIS_E_MALFORMED;
    }
    if (v < f->lo || v > f->hi) return CPIS_E_MALFORMED;
    const uint32_t half = (uint32_t)v;
    if (f->kind == U32)
        memcpy(to, &half, sizeof half);
    else
        memcpy(to, &v, sizeof v);
    return CPIS_OK;
}

static cpis_err get_field(struct reader *r, const struct field *f, size_t number, struct arena *a,
                          uint8_t *plain)
{
    uint8_t *to = plain + f->at;
    struct bytes b;
    if (f->kind == LST) return get_list(r, f, number, a, plain);
    if (!get_tag(r, tag_of(f, number))) return CPIS_E_MALFORMED;
    if (wire_types[f->kind] != WIRE_LENGTH) return get_number(r, f, to);
    if (!get_sized(r, &b)) return CPIS_E_MALFORMED;
    if (f->kind == VAR) return get_var(f, b, a, to);
    if (f->kind == TXT) return get_text(f, b, to);
    if (f->kind == SUB) return get_message(b, f->shape, a, to);
    if (b.len != f->size) return CPIS_E_MALFORMED;
    memcpy(to, b.p, b.len);
    return CPIS_OK;
}

/* Into zeroed memory. */
static cpis_err get_message(struct bytes b, enum shape s, struct arena *a, uint8_t *plain)
{
    struct reader r = {b.p, b.p + b.len};
    for (size_t i = 0; i < codec_shapes[s].count; i++) {
        cpis_err err = get_field(&r, &codec_shapes[s].fields[i], i + 1, a, plain);
        if (err != CPIS_OK) return err;
    }
    return r.p == r.end ? CPIS_OK : CPIS_E_MALFORMED;
}

/* Room for any plain struct: a refused message leaves the caller's as it was. */
union any {
#define CPIS_X(name, plain, generated) struct plain name;
    CPIS_MESSAGES(CPIS_X)
#undef CPIS_X
};

/* A plain memset of what dies is dropped by the compiler; through a volatile pointer it is not. */
static void *(*const volatile wipe)(void *, int, size_t) = memset;

static cpis_err decode(enum shape s, struct bytes b, struct arena *a, void *ret)
{
    static const uint8_t none[1];
    const size_t len = codec_shapes[s].plain_bytes;
    union any plain;
    if (b.len > FRAME_BYTES_MAX) return CPIS_E_MALFORMED;
    if (b.len == 0) b.p = none; /* it may be NULL */
    memset(&plain, 0, len);
    cpis_err err = get_message(b, s, a, (uint8_t *)&plain);
    if (err == CPIS_OK) memcpy(ret, &plain, len);
    wipe(&plain, 0, len);
    return err;
}

#define CPIS_X(name, plain, generated)                                                             \
    cpis_err name##_encode(const struct plain *m, struct arena *a, struct bytes *ret)              \
    {                                                                                              \
        return encode(SHAPE_##name, m, a, ret);                                                    \
    }                                                                                              \
    cpis_err name##_decode(struct bytes b, struct arena *a, struct plain *ret)                     \
    {                                                                                              \
        return decode(SHAPE_##name, b, a, ret);                                                    \
    }
CPIS_MESSAGES(CPIS_X)
#undef CPIS_X

/* --- frames --- */

/* What a frame of this kind holds on the wire, header and padding included; 0: as long as it is. */
static size_t frame_size(uint32_t kind)
{
    return kind == FRAME_LOOKUP_REPLY ? FRAME_REPLY_BYTES : 0;
}

static const size_t cell_sizes[] = {CELL_BYTES_ASK, CELL_BYTES_ANSWER, CELL_BYTES_REPLY};
#define CELL_SIZES (sizeof cell_sizes / sizeof *cell_sizes)
#define SLACK      CELL_SLACK_BYTES /* of a kind with a size: padding takes 2 bytes of length */

static bool has_its_size(uint32_t kind, size_t len, size_t padding)
{
    const size_t size = frame_size(kind);
    if (kind != FRAME_CELL) return size > 0 ? len == size : padding == 0;
    for (size_t i = 0; i < CELL_SIZES; i++)
        if (len == cell_sizes[i]) return true;
    return false;
}

/* kind: tag and 4 bytes; payload and padding: tag, length and bytes each */
static size_t frame_bytes(size_t payload, size_t padding)
{
    return 5 + 1 + varint_size(payload) + payload + 1 + varint_size(padding) + padding;
}

/* size 0: as long as it is. */
static cpis_err wrap(enum frame_kind kind, struct bytes payload, size_t size, struct arena *a,
                     struct bytes *ret)
{
    const struct field *f = codec_shapes[SHAPE_frame].fields;
    size_t padding = 0;
    if (payload.len > FRAME_BYTES_MAX) return CPIS_E_LIMIT;
    if ((uint32_t)kind < f[0].lo || (uint32_t)kind > f[0].hi) return CPIS_E_INVAL;
    if (size > 0) {
        if (payload.len + SLACK > size) return CPIS_E_LIMIT;
        padding = size - frame_bytes(payload.len, 128) + 128;
        assert(frame_bytes(payload.len, padding) == size);
    }
    const size_t len = frame_bytes(payload.len, padding);
    if (len > FRAME_BYTES_MAX) return CPIS_E_LIMIT;
    uint8_t *p = arena_take(a, len); /* zeroed: so is the padding, which is not written */
    if (p == NULL) return CPIS_E_NOMEM;
    uint8_t *at = put_varint(put_varint(p + len - padding, padding), tag_of(&f[2], 3));
    at = put_sized(at, tag_of(&f[1], 2), payload.p, payload.len);
    at = put_varint(put_little(at, (uint32_t)kind, 4), tag_of(&f[0], 1));
    assert(at == p);
    *ret = (struct bytes){p, len};
    return CPIS_OK;
}

cpis_err frame_wrap(enum frame_kind kind, struct bytes payload, struct arena *a, struct bytes *ret)
{
    size_t size = frame_size(kind);
    for (size_t i = 0; kind == FRAME_CELL && i < CELL_SIZES; i++) {
        size = cell_sizes[i];
        if (payload.len + SLACK <= size) break;
    }
    return wrap(kind, payload, size, a, ret);
}

cpis_err frame_wrap_cell(struct bytes payload, size_t size, struct arena *a, struct bytes *ret)
{
    for (size_t i = 0; i < CELL_SIZES; i++)
        if (size == cell_sizes[i]) return wrap(FRAME_CELL, payload, size, a, ret);
    return CPIS_E_INVAL;
}

/* The frame is one shape, and every message comes in it: as get_message, straight on. */
static bool get_frame(struct bytes wire, struct frame *ret)
{
    const struct field *f = codec_shapes[SHAPE_frame].fields;
    struct reader r = {wire.p, wire.p + wire.len};
    uint64_t kind;
    if (!get_tag(&r, tag_of(&f[0], 1)) || !get_little(&r, 4, &kind)) return false;
    if (!get_tag(&r, tag_of(&f[1], 2)) || !get_sized(&r, &ret->payload)) return false;
    if (!get_tag(&r, tag_of(&f[2], 3)) || !get_sized(&r, &ret->padding)) return false;
    ret->kind = (uint32_t)kind;
    return kind >= f[0].lo && kind <= f[0].hi && r.p == r.end;
}

cpis_err frame_unwrap(struct bytes wire, struct arena *a, struct frame *ret)
{
    struct frame f;
    if (wire.len == 0 || wire.len > FRAME_BYTES_MAX) return CPIS_E_MALFORMED;
    if (!get_frame(wire, &f)) return CPIS_E_MALFORMED;
    if (!has_its_size(f.kind, wire.len, f.padding.len)) return CPIS_E_MALFORMED;
    if (!bytes_are_zero(f.padding.p, f.padding.len)) return CPIS_E_MALFORMED;
    f.payload.p = arena_copy(a, f.payload.p, f.payload.len);
    if (f.payload.p == NULL) return CPIS_E_NOMEM;
    *ret = f;
    return CPIS_OK;
}

bool frame_is_later(struct bytes wire)
{
    const struct field *f = codec_shapes[SHAPE_frame].fields;
    struct reader r = {wire.p, wire.p + wire.len};
    uint64_t kind;
    return wire.len <= FRAME_BYTES_MAX && get_tag(&r, tag_of(&f[0], 1)) &&
           get_little(&r, 4, &kind) && kind > f[0].hi && kind <= FRAME_KIND_LATER_MAX;
}
