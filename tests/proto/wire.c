#include "tests/proto/wire.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* w, q, b: any fixed32, fixed64, bool. 1-13: a fixed32 of these. =16: so many bytes. <640/32: up to
 * so many bytes, a multiple of 32. t70: text of up to so many bytes. m:head: a sub-message.
 * 8*head: up to 8 of them. */
static const struct {
    const char *name, *fields;
} specs[] = {
    {"frame", "1-16 <1048576 <12544"},
    {"cell", "32*frame"},
    {"signed_message", "1-16 =16 <1047552 =64"},
    {"hello", "q q b"},
    {"register_request", "q"},
    {"register_chain", "256*register_document"},
    {"register_document", "<1047552 32*root_signature"},
    {"root_signature", "=32 =64"},
    {"evaluate_request", "q w <8192/32"},
    {"evaluate_reply", "q w 0-13 0-16 <8192/32 =64"},
    {"lookup_reply", "=32 1-3 0-13 <12288"},
    {"list_update", "w =16 =32 w b <196608/48 <131072/32 1024*signed_message"},
    {"list_refused", "w =16 1-13 1*signed_message"},
    {"list_request", "w =16 =32"},
    {"head_shown", "b m:signed_message"},
    {"heads", "q q w b b 2048*head_shown"},
    {"heads_request", "w =32"},
    {"recall", "q"},
    {"lookup", "w w =16 =16 q =32 0-1023 =16 q =32 q =32"},
    {"absent", "=32 w 1-16 =16 q =32 q =32"},
    {"inclusion", "=16 q =16 <640/32 m:signed_message"},
    {"listed_elsewhere", "w =32 m:inclusion"},
    {"listed_elsewhere_heard", "=32 =16"},
    {"present", "=32 w 1-16 =16 q =32 q =32 1-1024 8*inclusion"},
    {"answer", "=16 =32 q q =32 =24 =8208"},
    {"head", "=16 w q <256/32 =32 q q q =32 b"},
    {"ack", "=16 =32 q 1-3 q =32"},
    {"register_time", "=16 q =32 q q =32"},
    {"log_head", "=16 q q =32"},
    {"dealing", "w 1-16 1-16 <256/16 =32"},
    {"dealing_reveal", "w 1-16 <512/32 <1280/80"},
    {"share_accepted", "w 1-16 1-16 <256/16 <512/32"},
    {"receipt", "=16 =32 w 1-16 q"},
    {"details", "=16 =32 =16 q =24 =1040"},
    {"ask_details", "t10 t36 t70 t12 t60 t36 t12 t100 t30 b 0-2 t36"},
    {"plan_shown", "1-3 q q"},
    {"access_shown", "q t70 t60 t100"},
    {"flag_payload", "t12 t100 t16 t16 1-2 b 32*plan_shown 25*access_shown"},
    {"descriptor", "=32 =32 =32 1-3 t12 t100 t127 t16 t16 q q"},
    {"signed_descriptor", "m:descriptor =64"},
    {"register_node", "m:descriptor =64 1-5 q q q =16 <128/16"},
    {"register_epoch", "w <256/16 <512/32 1-10 q q"},
    {"register_notice", "=16 q q"},
    {"register_expected", "t12 t100 t16 t16"},
    {"register_body", "q =32 q q <512/32 1-16 q 1024*register_node 4*register_epoch "
                      "1024*register_notice 1024*register_expected"},
    {"row_plan", "1-3 q q w q q"},
    {"row_child", "t10 w t70 t70 t40 1-2 32*row_plan =16 q w"},
    {"row_child_before", "q <8192"},
    {"row_entry", "w =32 =16 t10 =32 =32 q q"},
    {"row_held", "m:signed_message <256/32 <96/12"},
    {"row_access", "=32 =16 =16 <4096 t10 =32 q 1-3 b b b q q m:ask_details"},
    {"row_notification", "q =32 t10 t40 q q t12 t100 b 1-3 q m:ask_details 1-4 q q q q <2048/8 "
                         "16*row_change"},
    {"row_change", "q 1-3 t70"},
    {"row_history", "=32 q"},
    {"row_elsewhere", "t10 =16 q q"},
    {"row_tell", "w q"},
    {"row_log_entry", "q 1-17 =32 q"},
    {"row_copy", "=32 =16 q q q <4096 <4096 <4096"},
    {"row_quota", "q q"},
    {"row_asked", "q b"},
    {"row_share", "w 1-16 =32 <512/32"},
    {"row_ceremony", "w <65536"},
    {"row_evaluation", "1-16 =32 =64"},
    {"row_neighbour", "0-15 =32 <512/32"},
    {"row_floor", "=16 q q"},
    {"row_outbox_authority", "=16 q 1-3 <4096"},
    {"row_outbox", "=16 t10 =32 <4096 =32 =32 =32 =32 q w m:ask_details 64*row_outbox_authority"},
    {"row_state", "=32 <4096/2 <65536/32"},
    {"row_statement", "m:signed_message <65536/32"},
    {"row_answer", "m:signed_message"},
    {"row_search", "=16 =32 =32 <4096 16*row_evaluation 32*row_statement 64*row_answer "
                   "15*row_neighbour"},
    {"row_evidence", "2-3 t10 =32 q q w q 2*row_search 1024*row_floor 2048*signed_message "
                     "16*signed_message"},
    {"row_import", "q =32 q q q b b q =32 b =32 =32 q q q q q q"},
};

#define CPIS_X(name, plain, generated)                                                             \
    static cpis_err again_##name(struct bytes b, struct arena *a, struct bytes *ret)               \
    {                                                                                              \
        struct plain m;                                                                            \
        cpis_err err = name##_decode(b, a, &m);                                                    \
        return err == CPIS_OK ? name##_encode(&m, a, ret) : err;                                   \
    }
CPIS_MESSAGES(CPIS_X)
#undef CPIS_X
static const struct {
    const char *name;
    cpis_err (*again)(struct bytes b, struct arena *a, struct bytes *ret);
} codecs[] = {
#define CPIS_X(name, plain, generated) {#name, again_##name},
    CPIS_MESSAGES(CPIS_X)
#undef CPIS_X
};
#define TYPES (sizeof codecs / sizeof *codecs)
static struct wire_type types[TYPES];

static const struct wire_type *type_named(const char *name, size_t len)
{
    for (size_t i = 0; i < TYPES; i++)
        if (strlen(codecs[i].name) == len && memcmp(codecs[i].name, name, len) == 0)
            return &types[i];
    abort();
}

static struct wire_field parse_field(const char *s, const char *end)
{
    struct wire_field f = {.hi = UINT32_MAX, .multiple = 1};
    char *at = NULL;
    switch (*s) {
    case 'w': f.kind = WIRE_U32; return f;
    case 'q': f.kind = WIRE_U64; return f;
    case 'b': f.kind = WIRE_BOOL; return f;
    case '=':
        f.kind = WIRE_BYTES;
        f.lo = f.hi = strtoul(s + 1, NULL, 10);
        return f;
    case 't':
        f.kind = WIRE_TEXT;
        f.hi = strtoul(s + 1, NULL, 10);
        return f;
    case 'm':
        f.kind = WIRE_SUB;
        f.of = type_named(s + 2, (size_t)(end - s) - 2);
        return f;
    case '<':
        f.kind = WIRE_BYTES;
        f.hi = strtoul(s + 1, &at, 10);
        if (*at == '/') f.multiple = strtoul(at + 1, NULL, 10);
        return f;
    default: break;
    }
    f.hi = strtoul(s, &at, 10);
    if (*at == '*') {
        f.kind = WIRE_LIST;
        f.of = type_named(at + 1, (size_t)(end - at) - 1);
    } else {
        f.kind = WIRE_U32;
        f.lo = f.hi;
        f.hi = strtoul(at + 1, NULL, 10);
    }
    return f;
}

size_t wire_count(void)
{
    if (types[0].name != NULL) return TYPES;
    assert(sizeof specs / sizeof *specs == TYPES);
    for (size_t i = 0; i < TYPES; i++)
        types[i].name = codecs[i].name;
    for (size_t i = 0; i < TYPES; i++) {
        struct wire_type *t =
            (struct wire_type *)(uintptr_t)type_named(specs[i].name, strlen(specs[i].name));
        assert(t->count == 0);
        for (const char *s = specs[i].fields; *s != 0;) {
            const char *end = s + strcspn(s, " ");
            assert(t->count < WIRE_FIELDS_MAX);
            t->field[t->count++] = parse_field(s, end);
            s = end + (*end == ' ');
        }
    }
    return TYPES;
}

const struct wire_type *wire_at(size_t i)
{
    assert(i < wire_count());
    return &types[i];
}

cpis_err wire_again(size_t i, struct bytes b, struct arena *a, struct bytes *ret)
{
    return codecs[i].again(b, a, ret);
}

/* --- the writer --- */

static void put(struct wire_out *o, const void *p, size_t len)
{
    assert(len <= o->cap - o->len);
    if (len > 0) memcpy(o->p + o->len, p, len);
    o->len += len;
}

static void put_fill(struct wire_out *o, uint8_t v, size_t len)
{
    assert(len <= o->cap - o->len);
    memset(o->p + o->len, v, len);
    o->len += len;
}

void wire_put_varint(struct wire_out *o, uint64_t v, bool one_too_long)
{
    do {
        uint8_t b = v & 0x7F;
        v >>= 7;
        if (v != 0 || one_too_long) b |= 0x80;
        put(o, &b, 1);
    } while (v != 0);
    if (one_too_long) put(o, "", 1);
}

static void put_fixed(struct wire_out *o, uint64_t v, size_t len)
{
    for (size_t i = 0; i < len; i++, v >>= 8)
        put(o, &(uint8_t){v & 0xFF}, 1);
}

static void put_tag(struct wire_out *o, size_t number, const struct wire_field *f, bool too_long)
{
    static const uint8_t wire[] = {
        [WIRE_U32] = 5,  [WIRE_U64] = 1, [WIRE_BOOL] = 0, [WIRE_BYTES] = 2,
        [WIRE_TEXT] = 2, [WIRE_SUB] = 2, [WIRE_LIST] = 2};
    wire_put_varint(o, number << 3 | wire[f->kind], too_long);
}

static void put_base(struct wire_out *o, const struct wire_type *t);

/* Opens a length-delimited field of unknown length: returns where its bytes begin. */
static size_t open_sub(struct wire_out *o)
{
    put_fill(o, 0, 8);
    return o->len;
}

static void close_sub(struct wire_out *o, size_t begin, bool too_long)
{
    size_t len = o->len - begin;
    struct wire_out head = {o->p + begin - 8, 0, 8};
    wire_put_varint(&head, len, too_long);
    memmove(o->p + begin - 8 + head.len, o->p + begin, len);
    o->len -= 8 - head.len;
}

/* The value alone, with `n` for its number, length or count. */
static void put_value(struct wire_out *o, const struct wire_field *f, uint64_t n, bool too_long,
                      bool unknown)
{
    static const uint8_t unknown_field[] = {0x78, 0x01}; /* number 15, varint 1 */
    switch (f->kind) {
    case WIRE_U32: put_fixed(o, n, 4); break;
    case WIRE_U64: put_fixed(o, n, 8); break;
    case WIRE_BOOL: wire_put_varint(o, n, too_long); break;
    case WIRE_BYTES:
    case WIRE_TEXT:
        wire_put_varint(o, n, too_long);
        put_fill(o, f->kind == WIRE_TEXT ? 'a' : 0xA5, (size_t)n);
        break;
    case WIRE_SUB:
    case WIRE_LIST: {
        size_t begin = open_sub(o);
        put_base(o, f->of);
        if (unknown) put(o, unknown_field, sizeof unknown_field);
        close_sub(o, begin, too_long);
        break;
    }
    }
}

static void put_field(struct wire_out *o, size_t number, const struct wire_field *f, uint64_t n)
{
    uint64_t times = f->kind == WIRE_LIST ? n : 1;
    for (uint64_t i = 0; i < times; i++) {
        put_tag(o, number, f, false);
        put_value(o, f, n, false, false);
    }
}

static uint64_t least(const struct wire_field *f) { return f->kind == WIRE_LIST ? 0 : f->lo; }

static void put_base(struct wire_out *o, const struct wire_type *t)
{
    for (size_t i = 0; i < t->count; i++)
        put_field(o, i + 1, &t->field[i], least(&t->field[i]));
}

static void put_text(struct wire_out *o, size_t number, const struct wire_field *f,
                     const char *text)
{
    put_tag(o, number, f, false);
    wire_put_varint(o, 2, false);
    put(o, text, 2);
}

static bool put_wrong(struct wire_out *o, size_t number, const struct wire_field *f,
                      enum wire_fault fault)
{
    bool sized = f->kind == WIRE_U32 || f->kind == WIRE_BYTES || f->kind == WIRE_TEXT ||
                 f->kind == WIRE_LIST;
    bool delimited = f->kind >= WIRE_BYTES;
    uint64_t n = least(f);
    switch (fault) {
    case WIRE_MOST:
        put_field(o, number, f,
                  f->kind == WIRE_U64    ? UINT64_MAX
                  : f->kind == WIRE_BOOL ? 1
                                         : f->hi);
        return f->kind != WIRE_SUB;
    case WIRE_BELOW:
        if (!sized || f->lo == 0) return false;
        put_field(o, number, f, f->lo - 1);
        return true;
    case WIRE_ABOVE:
        if (!sized || f->hi == UINT32_MAX) return false;
        put_field(o, number, f, f->hi + f->multiple);
        return true;
    case WIRE_UNEVEN:
        if (f->kind != WIRE_BYTES || f->multiple == 1) return false;
        put_field(o, number, f, f->hi - 1);
        return true;
    case WIRE_LEFT_OUT: return f->kind != WIRE_LIST;
    case WIRE_TWICE:
        put_field(o, number, f, n);
        put_field(o, number, f, n);
        return f->kind != WIRE_LIST;
    case WIRE_LONG_TAG:
    case WIRE_LONG_VALUE:
        if (fault == WIRE_LONG_VALUE && !delimited && f->kind != WIRE_BOOL) return false;
        put_tag(o, number, f, fault == WIRE_LONG_TAG);
        put_value(o, f, f->kind == WIRE_LIST ? 1 : n, fault == WIRE_LONG_VALUE, false);
        return true;
    case WIRE_BOOL_TWO: put_field(o, number, f, 2); return f->kind == WIRE_BOOL;
    case WIRE_TEXT_NUL: put_text(o, number, f, "a\0"); return f->kind == WIRE_TEXT;
    case WIRE_TEXT_CONTROL: put_text(o, number, f, "a\n"); return f->kind == WIRE_TEXT;
    case WIRE_TEXT_BAD_UTF8: put_text(o, number, f, "a\xC3"); return f->kind == WIRE_TEXT;
    case WIRE_SUB_UNKNOWN:
        if (f->kind != WIRE_SUB && f->kind != WIRE_LIST) return false;
        put_tag(o, number, f, false);
        put_value(o, f, 1, false, true);
        return true;
    case WIRE_NONE:
    case WIRE_SWAPPED:
    case WIRE_FAULT_END: break;
    }
    put_field(o, number, f, n);
    return true;
}

bool wire_write(struct wire_out *o, const struct wire_type *t, size_t field, enum wire_fault fault)
{
    bool made = true;
    for (size_t i = 0; i < t->count; i++) {
        const struct wire_field *f = &t->field[i], *next = f + 1;
        if (i != field) {
            put_field(o, i + 1, f, least(f));
        } else if (fault == WIRE_SWAPPED) {
            if (i + 1 == t->count || f->kind == WIRE_LIST || next->kind == WIRE_LIST) return false;
            put_field(o, i + 2, next, least(next));
            put_field(o, i + 1, f, least(f));
            i++;
        } else {
            made = put_wrong(o, i + 1, f, fault);
        }
    }
    return made;
}

/* splitmix64 */
static uint64_t draw(uint64_t *seed)
{
    uint64_t z = *seed += 0x9E3779B97F4A7C15U;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31);
}

static void put_random_text(struct wire_out *o, uint64_t *seed, uint64_t most)
{
    static const char *const chars[] = {
        "a", "Z", " ", "'", "9", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x91\xB6"};
    size_t begin = open_sub(o);
    for (uint64_t want = draw(seed) % (most + 1);;) {
        const char *c = chars[draw(seed) % 8];
        if (o->len - begin + strlen(c) > want) break;
        put(o, c, strlen(c));
    }
    close_sub(o, begin, false);
}

static void put_random(struct wire_out *o, const struct wire_field *f, uint64_t *seed)
{
    uint64_t most = f->hi < 100 || f->lo == f->hi ? f->hi : 100;
    switch (f->kind) {
    case WIRE_U32: put_fixed(o, f->lo + draw(seed) % (f->hi - f->lo + 1), 4); break;
    case WIRE_U64: put_fixed(o, draw(seed), 8); break;
    case WIRE_BOOL: put_fixed(o, draw(seed) & 1, 1); break;
    case WIRE_BYTES: {
        uint64_t len = f->lo == f->hi ? f->lo : draw(seed) % (most / f->multiple + 1) * f->multiple;
        wire_put_varint(o, len, false);
        for (uint64_t i = 0; i < len; i++)
            put_fixed(o, draw(seed), 1);
        break;
    }
    case WIRE_TEXT: put_random_text(o, seed, f->hi); break;
    case WIRE_SUB:
    case WIRE_LIST: {
        size_t begin = open_sub(o);
        wire_write_random(o, f->of, seed);
        close_sub(o, begin, false);
        break;
    }
    }
}

void wire_write_random(struct wire_out *o, const struct wire_type *t, uint64_t *seed)
{
    for (size_t i = 0; i < t->count; i++) {
        const struct wire_field *f = &t->field[i];
        uint64_t most = f->hi < 3 ? f->hi : 3;
        uint64_t times = f->kind == WIRE_LIST ? draw(seed) % (most + 1) : 1;
        for (uint64_t k = 0; k < times; k++) {
            put_tag(o, i + 1, f, false);
            put_random(o, f, seed);
        }
    }
}
