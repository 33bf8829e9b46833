/* Unit tests of proto/codec.h, for every type of CPIS_MESSAGES, against tests/proto/wire.c. */
#include "proto/cpis.pb-c.h"
#include "tests/fail_malloc.h"
#include "tests/proto/wire.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define WIRE_BYTES_MAX (8U << 20)
#define ARENA_BYTES    ((size_t)64 << 20)

static struct wire_out out;

static void up(void)
{
    out.p = malloc(WIRE_BYTES_MAX);
    out.cap = WIRE_BYTES_MAX;
    cr_assert_not_null(out.p);
    (void)wire_count();
}
static void down(void) { free(out.p); }
TestSuite(codec, .init = up, .fini = down);

/* CPIS_OK: decoded, and encoded again it is what it was. */
static cpis_err round_trip(size_t type, struct bytes b)
{
    struct arena a = arena_make(ARENA_BYTES);
    struct bytes again = {NULL, 0};
    uint8_t *exact = malloc(b.len > 0 ? b.len : 1); /* so that ASan sees an over-read */
    cr_assert_not_null(exact);
    memcpy(exact, b.p, b.len);
    cpis_err err = wire_again(type, (struct bytes){exact, b.len}, &a, &again);
    free(exact);
    if (err == CPIS_OK)
        cr_assert(again.len == b.len && memcmp(again.p, b.p, b.len) == 0,
                  "%s comes out as other bytes", wire_at(type)->name);
    arena_free(&a);
    return err;
}

static struct bytes written(void) { return (struct bytes){out.p, out.len}; }

Test(codec, tables_match_the_generated_descriptors)
{
    const char *message, *field;
    cr_assert(codec_tables_match(&message, &field), "%s.%s", message, field);
}

Test(codec, every_type_comes_back_byte_by_byte)
{
    uint64_t seed = 1;
    for (size_t t = 0; t < wire_count(); t++)
        for (unsigned k = 0; k < 200; k++) {
            out.len = 0;
            wire_write_random(&out, wire_at(t), &seed);
            cr_assert_eq(round_trip(t, written()), CPIS_OK, "%s, number %u", wire_at(t)->name, k);
        }
}

/* Any program made from cpis.proto reads what we write, and writes what we read. */
Test(codec, the_generated_code_reads_and_writes_the_same_bytes)
{
    static const ProtobufCMessageDescriptor *const generated[] = {
#define CPIS_X(name, plain, generated) &cpis__##generated##__descriptor,
        CPIS_MESSAGES(CPIS_X)
#undef CPIS_X
    };
    uint64_t seed = 7;
    cr_assert_eq(wire_count(), sizeof generated / sizeof generated[0]);
    for (size_t t = 0; t < wire_count(); t++)
        for (unsigned k = 0; k < 20; k++) {
            struct arena a = arena_make(ARENA_BYTES);
            struct bytes ours = {NULL, 0};
            out.len = 0;
            wire_write_random(&out, wire_at(t), &seed);
            cr_assert_eq(wire_again(t, written(), &a, &ours), CPIS_OK);
            ProtobufCMessage *m = protobuf_c_message_unpack(generated[t], NULL, ours.len, ours.p);
            cr_assert_not_null(m, "%s", wire_at(t)->name);
            uint8_t *theirs = malloc(ours.len + 1);
            cr_assert_not_null(theirs);
            cr_assert_eq(protobuf_c_message_get_packed_size(m), ours.len);
            cr_assert_eq(protobuf_c_message_pack(m, theirs), ours.len);
            cr_assert(ours.len == 0 || memcmp(theirs, ours.p, ours.len) == 0);
            free(theirs);
            protobuf_c_message_free_unpacked(m, NULL);
            arena_free(&a);
        }
}

Test(codec, each_field_may_hold_its_least_and_its_most)
{
    for (size_t t = 0; t < wire_count(); t++)
        for (size_t f = 0; f < wire_at(t)->count; f++)
            for (enum wire_fault w = WIRE_NONE; w <= WIRE_MOST; w++) {
                out.len = 0;
                if (!wire_write(&out, wire_at(t), f, w)) continue;
                bool fits = out.len <= FRAME_BYTES_MAX;
                cr_assert_eq(round_trip(t, written()), fits ? CPIS_OK : CPIS_E_MALFORMED,
                             "%s, field %zu, %d", wire_at(t)->name, f + 1, w);
            }
}

Test(codec, what_is_not_the_one_encoding_is_refused)
{
    unsigned made[WIRE_FAULT_END] = {0};
    for (size_t t = 0; t < wire_count(); t++)
        for (size_t f = 0; f < wire_at(t)->count; f++)
            for (enum wire_fault w = WIRE_BELOW; w < WIRE_FAULT_END; w++) {
                out.len = 0;
                if (!wire_write(&out, wire_at(t), f, w)) continue;
                made[w]++;
                cr_assert_eq(round_trip(t, written()), CPIS_E_MALFORMED, "%s, field %zu, fault %d",
                             wire_at(t)->name, f + 1, w);
            }
    for (enum wire_fault w = WIRE_BELOW; w < WIRE_FAULT_END; w++)
        cr_assert_gt(made[w], 0, "fault %d was never made", w);
}

Test(codec, an_unknown_field_at_the_end_is_refused)
{
    static const struct bytes unknown[] = {
        {(const uint8_t *)"\xA0\x06\x00", 3},     /* number 100: varint */
        {(const uint8_t *)"\xA2\x06\x01x", 4},    /* bytes */
        {(const uint8_t *)"\xA5\x06...._", 6},    /* fixed32 */
        {(const uint8_t *)"\xA1\x06........", 10} /* fixed64 */
    };
    for (size_t t = 0; t < wire_count(); t++)
        for (size_t u = 0; u < sizeof unknown / sizeof *unknown; u++) {
            out.len = 0;
            cr_assert(wire_write(&out, wire_at(t), 0, WIRE_NONE));
            memcpy(out.p + out.len, unknown[u].p, unknown[u].len);
            out.len += unknown[u].len;
            cr_assert_eq(round_trip(t, written()), CPIS_E_MALFORMED, "%s, %zu", wire_at(t)->name,
                         u);
        }
}

static bool has_list(const struct wire_type *t)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->field[i].kind == WIRE_LIST) return true;
    return false;
}

/* Where a list stands at the end, a cut between its elements leaves a shorter list. */
Test(codec, cut_off_anywhere_a_message_is_refused_or_a_shorter_list)
{
    uint64_t seed = 2;
    for (size_t t = 0; t < wire_count(); t++) {
        out.len = 0;
        wire_write_random(&out, wire_at(t), &seed);
        unsigned accepted = 0;
        for (size_t len = 0; len < out.len; len++) {
            cpis_err err = round_trip(t, (struct bytes){out.p, len});
            cr_assert(err == CPIS_OK || err == CPIS_E_MALFORMED);
            accepted += err == CPIS_OK;
        }
        cr_assert(accepted == 0 || has_list(wire_at(t)), "%s", wire_at(t)->name);
    }
}

Test(codec, a_flipped_bit_is_refused_or_another_message)
{
    uint64_t seed = 3;
    for (size_t t = 0; t < wire_count(); t++) {
        out.len = 0;
        wire_write_random(&out, wire_at(t), &seed);
        size_t step = out.len > 2000 ? 61 : 1;
        for (size_t bit = 0; bit < 8 * out.len; bit += step) {
            out.p[bit / 8] ^= (uint8_t)(1U << bit % 8);
            cpis_err err = round_trip(t, written());
            out.p[bit / 8] ^= (uint8_t)(1U << bit % 8);
            cr_assert(err == CPIS_OK || err == CPIS_E_MALFORMED, "%s: %d", wire_at(t)->name, err);
        }
    }
}

Test(codec, when_an_allocation_fails_it_says_so_and_nothing_is_written)
{
    uint64_t seed = 4;
    for (size_t t = 0; t < wire_count(); t++) {
        out.len = 0;
        wire_write_random(&out, wire_at(t), &seed);
        for (int n = 0;; n++) {
            struct arena a = arena_make(ARENA_BYTES);
            struct bytes again = {NULL, 0};
            fail_malloc_at(n);
            cpis_err err = wire_again(t, written(), &a, &again);
            fail_malloc_at(-1);
            arena_free(&a);
            cr_assert(n < 1000);
            if (err == CPIS_OK) {
                cr_assert_gt(n, 0);
                break;
            }
            cr_assert_eq(err, CPIS_E_NOMEM, "%s, allocation %d: %d", wire_at(t)->name, n, err);
            cr_assert_null(again.p);
        }
    }
}

Test(codec, an_arena_that_is_too_small_is_out_of_memory_and_not_malformed)
{
    uint64_t seed = 5;
    for (size_t t = 0; t < wire_count(); t++) {
        out.len = 0;
        wire_write_random(&out, wire_at(t), &seed);
        cpis_err err = CPIS_E_NOMEM;
        for (size_t cap = 0; err == CPIS_E_NOMEM && cap < ARENA_BYTES; cap += 97) {
            struct arena a = arena_make(cap);
            struct bytes again;
            err = wire_again(t, written(), &a, &again);
            cr_assert_leq(a.used, a.cap);
            arena_free(&a);
        }
        cr_assert_eq(err, CPIS_OK, "%s", wire_at(t)->name);
    }
}

Test(codec, a_refused_message_leaves_the_result_untouched)
{
    struct arena a = arena_make(ARENA_BYTES);
    struct signed_message m, before;
    memset(&m, 0x5A, sizeof m);
    memset(&before, 0x5A, sizeof before);
    cr_assert_eq(signed_message_decode((struct bytes){(const uint8_t *)"\x0D", 1}, &a, &m),
                 CPIS_E_MALFORMED);
    cr_assert_eq(signed_message_decode((struct bytes){NULL, 0}, &a, &m), CPIS_E_MALFORMED);
    cr_assert_arr_eq((const uint8_t *)&m, (const uint8_t *)&before, sizeof m);
    arena_free(&a);
}

/* Fields out of range are this node's own fault: the encoder says so, before anything is sent. */
Test(codec, encoding_refuses_what_decoding_would_refuse)
{
    struct arena a = arena_make(ARENA_BYTES);
    struct bytes b;
    struct msg_ack ack = {.outcome = ACK_COMPLETED + 1};
    cr_assert_eq(ack_encode(&ack, &a, &b), CPIS_E_INVAL);
    struct msg_head head = {.prev = {out.p, 31}};
    cr_assert_eq(head_encode(&head, &a, &b), CPIS_E_INVAL);
    head.prev.len = 32 * (HEAD_PREV_MAX + 1);
    cr_assert_eq(head_encode(&head, &a, &b), CPIS_E_INVAL);
    struct msg_ask_details d = {.user_name = "tab\t"};
    cr_assert_eq(ask_details_encode(&d, &a, &b), CPIS_E_INVAL);
    memset(d.user_name, 'x', sizeof d.user_name); /* no terminator */
    cr_assert_eq(ask_details_encode(&d, &a, &b), CPIS_E_INVAL);
    struct msg_list_refused r = {.reason = REFUSAL_BASE, .held = NULL, .held_count = 2};
    cr_assert_eq(list_refused_encode(&r, &a, &b), CPIS_E_INVAL);
    arena_free(&a);
}

Test(codec, nothing_larger_than_a_frame_is_encoded_or_decoded)
{
    struct arena a = arena_make(ARENA_BYTES);
    struct bytes b = {NULL, 0};
    struct msg_register_document links[2] = {{.body = {out.p, FRAME_BYTES_MAX / 2}},
                                             {.body = {out.p, FRAME_BYTES_MAX / 2}}};
    memset(out.p, 0, FRAME_BYTES_MAX);
    const struct msg_register_chain two = {links, 2};
    cr_assert_eq(register_chain_encode(&two, &a, &b), CPIS_E_LIMIT);
    cr_assert_null(b.p);
    const struct msg_register_chain one = {links, 1};
    cr_assert_eq(register_chain_encode(&one, &a, &b), CPIS_OK);
    arena_free(&a);
}

/* A cap in bytes is not a cap in objects: as many of the smallest sub-messages as a frame holds. */
Test(codec, a_frame_full_of_tiny_messages_is_refused_in_bounded_memory)
{
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    for (size_t t = 0; t < wire_count(); t++)
        for (size_t f = 0; f < wire_at(t)->count; f++) {
            if (wire_at(t)->field[f].kind != WIRE_LIST) continue;
            struct wire_type many = *wire_at(t);
            out.len = 0;
            cr_assert(wire_write(&out, &many, f, WIRE_NONE));
            size_t rest = out.len;
            many.field[f].hi = 1;
            out.len = 0;
            cr_assert(wire_write(&out, &many, f, WIRE_MOST));
            many.field[f].hi = (FRAME_BYTES_MAX - rest) / (out.len - rest);
            out.len = 0;
            cr_assert(wire_write(&out, &many, f, WIRE_MOST));
            cr_assert(out.len <= FRAME_BYTES_MAX);
            if (many.field[f].hi > wire_at(t)->field[f].hi)
                cr_assert_eq(round_trip(t, written()), CPIS_E_MALFORMED, "%s", many.name);
        }
    getrusage(RUSAGE_SELF, &after);
    long grown = after.ru_maxrss - before.ru_maxrss; /* KiB; the cap is 16 bytes for one, 17 MiB */
#ifndef __SANITIZE_ADDRESS__
    cr_assert_lt(grown, 24L * 1024, "%ld KiB", grown);
#endif
    (void)grown;
}
