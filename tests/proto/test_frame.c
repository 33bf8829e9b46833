/* Unit tests of frames in proto/codec.h: sizes that say nothing, padding that is only zeros. */
#include "crypto/seal.h"
#include "proto/codec.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct arena a;
static void up(void) { a = arena_make((size_t)64 << 20); }
static void down(void) { arena_free(&a); }
TestSuite(frame, .init = up, .fini = down);

static uint8_t *filled(size_t len, uint8_t v)
{
    uint8_t *p = arena_take(&a, len);
    cr_assert_not_null(p);
    memset(p, v, len);
    return p;
}

static struct bytes signed_around(enum signed_type type, struct bytes body)
{
    struct signed_message m = {.type = type, .body = body};
    struct bytes ret;
    memset(&m.signer, 0xFF, sizeof m.signer);
    memset(&m.signature, 0xFF, sizeof m.signature);
    cr_assert_eq(signed_message_encode(&m, &a, &ret), CPIS_OK);
    return ret;
}

static struct signed_message signed_of(enum signed_type type, struct bytes body)
{
    struct signed_message m;
    cr_assert_eq(signed_message_decode(signed_around(type, body), &a, &m), CPIS_OK);
    return m;
}

static struct bytes wrapped(enum frame_kind kind, struct bytes payload)
{
    struct bytes ret;
    cr_assert_eq(frame_wrap(kind, payload, &a, &ret), CPIS_OK);
    return ret;
}

/* The largest present: 8 inclusions, each with the longest path and a head of 8 predecessors. */
static struct bytes largest_present(void)
{
    static struct msg_inclusion inclusions[INCLUSIONS_MAX];
    struct msg_head head = {.prev = {filled(32 * HEAD_PREV_MAX, 0xFF), 32 * HEAD_PREV_MAX},
                            .shrink_confirmed = true};
    struct bytes body;
    cr_assert_eq(head_encode(&head, &a, &body), CPIS_OK);
    for (size_t i = 0; i < INCLUSIONS_MAX; i++)
        inclusions[i] = (struct msg_inclusion){
            .path = {filled(32 * MERKLE_PATH_MAX, 0xFF), 32 * MERKLE_PATH_MAX},
            .head = signed_of(SIGNED_HEAD, body)};
    const struct msg_present m = {.index = THRESHOLD_HOLDERS_MAX,
                                  .holders = REGISTER_NODES_MAX,
                                  .inclusions = inclusions,
                                  .inclusions_count = INCLUSIONS_MAX};
    cr_assert_eq(present_encode(&m, &a, &body), CPIS_OK);
    return signed_around(SIGNED_PRESENT, body);
}

static struct bytes absent(void)
{
    const struct msg_absent m = {.index = 1};
    struct bytes body;
    cr_assert_eq(absent_encode(&m, &a, &body), CPIS_OK);
    return signed_around(SIGNED_ABSENT, body);
}

static struct bytes lookup_reply(enum lookup_outcome outcome, enum refusal reason,
                                 struct bytes statement)
{
    const struct msg_lookup_reply m = {
        .outcome = outcome, .reason = reason, .statement = statement};
    struct bytes ret;
    cr_assert_eq(lookup_reply_encode(&m, &a, &ret), CPIS_OK);
    return ret;
}

Test(frame, every_lookup_reply_has_one_size_whatever_it_says)
{
    const struct bytes none = {NULL, 0};
    const struct bytes replies[] = {
        lookup_reply(LOOKUP_STATEMENT, REFUSAL_NONE, absent()),
        lookup_reply(LOOKUP_STATEMENT, REFUSAL_NONE, largest_present()),
        lookup_reply(LOOKUP_LATE, REFUSAL_NONE, none),
        lookup_reply(LOOKUP_REFUSED, REFUSAL_BUSY, none),
    };
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
        struct bytes wire = wrapped(FRAME_LOOKUP_REPLY, replies[i]);
        struct frame f;
        cr_assert_eq(wire.len, FRAME_REPLY_BYTES, "reply %zu: %zu bytes", i, wire.len);
        cr_assert_eq(frame_unwrap(wire, &a, &f), CPIS_OK);
        cr_assert_eq(f.kind, FRAME_LOOKUP_REPLY);
        cr_assert_eq(f.payload.len, replies[i].len);
        cr_assert_arr_eq(f.payload.p, replies[i].p, replies[i].len);
    }
}

Test(frame, of_a_lookup_reply_fits_every_payload_up_to_its_limit)
{
    const uint8_t *p = filled(FRAME_REPLY_BYTES, 0xFF);
    const size_t most = FRAME_REPLY_BYTES - 192;
    for (size_t len = 0; len <= most; len += len < 300 || len > most - 300 ? 1 : 101) {
        struct frame f;
        struct bytes wire = wrapped(FRAME_LOOKUP_REPLY, (struct bytes){p, len});
        cr_assert_eq(wire.len, FRAME_REPLY_BYTES, "payload of %zu", len);
        cr_assert_eq(frame_unwrap(wire, &a, &f), CPIS_OK);
        cr_assert_eq(f.payload.len, len);
        down();
        up();
        p = filled(FRAME_REPLY_BYTES, 0xFF);
    }
    struct bytes wire;
    cr_assert_eq(frame_wrap(FRAME_LOOKUP_REPLY, (struct bytes){p, most + 1}, &a, &wire),
                 CPIS_E_LIMIT);
    cr_assert_lt(lookup_reply(LOOKUP_STATEMENT, REFUSAL_NONE, largest_present()).len, most);
}

static struct bytes frame_of(uint32_t kind, size_t payload, size_t padding)
{
    const struct frame f = {.kind = kind,
                            .payload = {filled(payload, 1), payload},
                            .padding = {filled(padding, 0), padding}};
    struct bytes ret;
    cr_assert_eq(frame_encode(&f, &a, &ret), CPIS_OK);
    return ret;
}

Test(frame, of_a_cell_has_one_of_three_sizes_whatever_is_in_it)
{
    static const size_t sizes[] = {CELL_BYTES_ASK, CELL_BYTES_ANSWER, CELL_BYTES_REPLY};
    const uint8_t *p = filled(CELL_BYTES_REPLY, 0xFF);
    struct bytes wire;
    struct frame f;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const size_t most = sizes[i] - CELL_SLACK_BYTES;
        for (size_t len = 0; len <= most; len += len < 300 || len > most - 300 ? 1 : 101) {
            struct arena b = arena_make(1U << 20);
            cr_assert_eq(frame_wrap_cell((struct bytes){p, len}, sizes[i], &b, &wire), CPIS_OK);
            cr_assert_eq(wire.len, sizes[i], "payload of %zu", len);
            cr_assert_eq(frame_unwrap(wire, &b, &f), CPIS_OK);
            cr_assert_eq(f.payload.len, len);
            arena_free(&b);
        }
        cr_expect_eq(frame_wrap_cell((struct bytes){p, most + 1}, sizes[i], &a, &wire),
                     CPIS_E_LIMIT);
        cr_expect_eq(frame_wrap_cell((struct bytes){p, 1}, sizes[i] + 1, &a, &wire), CPIS_E_INVAL);
        cr_expect_eq(wrapped(FRAME_CELL, (struct bytes){p, most}).len, sizes[i]);
        for (size_t padding = sizes[i] - 100; padding < sizes[i]; padding++)
            cr_expect_eq(frame_unwrap(frame_of(FRAME_CELL, 10, padding), &a, &f),
                         padding == sizes[i] - 20 ? CPIS_OK : CPIS_E_MALFORMED, "%zu", padding);
    }
}

Test(frame, with_padding_that_is_not_zero_is_refused)
{
    struct bytes wire =
        wrapped(FRAME_LOOKUP_REPLY, lookup_reply(LOOKUP_LATE, REFUSAL_NONE, (struct bytes){0}));
    uint8_t *p = arena_copy(&a, wire.p, wire.len);
    for (size_t at = 200; at < wire.len; at++) {
        struct arena b = arena_make(1U << 20);
        struct frame f;
        p[at] ^= 1;
        cr_assert_eq(frame_unwrap((struct bytes){p, wire.len}, &b, &f), CPIS_E_MALFORMED, "%zu",
                     at);
        p[at] ^= 1;
        if (at % 1000 == 0)
            cr_assert_eq(frame_unwrap((struct bytes){p, wire.len}, &b, &f), CPIS_OK);
        arena_free(&b);
    }
}

Test(frame, of_another_size_than_its_kind_is_refused)
{
    struct frame f;
    for (size_t padding = 0; padding < 12288; padding += 1024)
        cr_assert_eq(frame_unwrap(frame_of(FRAME_LOOKUP_REPLY, 60, padding), &a, &f),
                     CPIS_E_MALFORMED, "%zu", padding);
    for (uint32_t kind = FRAME_HELLO; kind < FRAME_KIND_END; kind++) {
        if (kind == FRAME_LOOKUP_REPLY || kind == FRAME_CELL) continue;
        cr_assert_eq(frame_unwrap(frame_of(kind, 10, 0), &a, &f), CPIS_OK);
        cr_assert_eq(frame_unwrap(frame_of(kind, 10, 1), &a, &f), CPIS_E_MALFORMED, "kind %u",
                     (unsigned)kind);
    }
}

Test(frame, of_no_known_kind_is_refused)
{
    struct frame f;
    uint8_t wire[] = {0x0D, 0, 0, 0, 0, 0x12, 0, 0x1A, 0};
    for (unsigned kind = 0; kind < 256; kind++) {
        wire[1] = (uint8_t)kind;
        bool good =
            kind >= 1 && kind < FRAME_KIND_END && kind != FRAME_LOOKUP_REPLY && kind != FRAME_CELL;
        cr_assert_eq(frame_unwrap((struct bytes){wire, sizeof wire}, &a, &f),
                     good ? CPIS_OK : CPIS_E_MALFORMED, "kind %u", kind);
    }
    cr_assert_eq(frame_unwrap((struct bytes){wire, 0}, &a, &f), CPIS_E_MALFORMED);
}

Test(frame, is_never_larger_than_its_limit)
{
    const uint8_t *p = filled(FRAME_BYTES_MAX + 1, 0);
    struct bytes wire;
    size_t most = FRAME_BYTES_MAX - 5 - 4 - 2;
    cr_assert_eq(wrapped(FRAME_HEADS, (struct bytes){p, most}).len, FRAME_BYTES_MAX);
    for (size_t len = most + 1; len <= FRAME_BYTES_MAX + 1; len++)
        cr_assert_eq(frame_wrap(FRAME_HEADS, (struct bytes){p, len}, &a, &wire), CPIS_E_LIMIT,
                     "%zu", len);
    struct frame f;
    cr_assert_eq(frame_unwrap((struct bytes){p, FRAME_BYTES_MAX + 1}, &a, &f), CPIS_E_MALFORMED);
}

/* What runs on an observer's line: who asks, about whom and with what result shows in no length. */
Test(frame, of_a_lookup_details_or_an_answer_has_one_size_each)
{
    size_t sizes[3] = {0};
    for (unsigned v = 0; v < 256; v++) {
        struct msg_lookup lookup;
        struct msg_details details;
        struct msg_answer answer;
        memset(&lookup, (int)v, sizeof lookup);
        memset(&details, (int)v, sizeof details);
        memset(&answer, (int)v, sizeof answer);
        lookup.bucket = v;
        struct bytes body[3];
        cr_assert_eq(lookup_encode(&lookup, &a, &body[0]), CPIS_OK);
        cr_assert_eq(details_encode(&details, &a, &body[1]), CPIS_OK);
        cr_assert_eq(answer_encode(&answer, &a, &body[2]), CPIS_OK);
        for (size_t i = 0; i < 3; i++) {
            struct bytes wire = wrapped(FRAME_SIGNED, signed_around(SIGNED_LOOKUP, body[i]));
            if (v == 0) sizes[i] = wire.len;
            cr_assert_eq(wire.len, sizes[i]);
        }
        down();
        up();
    }
}

/* What a person's names can fill is what the seal has room for. */
Test(frame, the_longest_details_fit_into_their_padding)
{
    struct msg_ask_details d = {.scheduled = true, .purpose = PURPOSE_NOT_BROUGHT};
    struct bytes b;
    const struct {
        char *p;
        size_t bytes;
    } texts[] = {{d.nhs_number, sizeof d.nhs_number},
                 {d.user_id, sizeof d.user_id},
                 {d.user_name, sizeof d.user_name},
                 {d.role_code, sizeof d.role_code},
                 {d.role_name, sizeof d.role_name},
                 {d.device_id, sizeof d.device_id},
                 {d.organisation_code, sizeof d.organisation_code},
                 {d.organisation_name, sizeof d.organisation_name},
                 {d.setting, sizeof d.setting},
                 {d.correlation, sizeof d.correlation}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        memset(texts[i].p, 'x', texts[i].bytes - 1);
    cr_assert_eq(ask_details_encode(&d, &a, &b), CPIS_OK);
    cr_assert_leq(b.len + PAD_LENGTH_BYTES, DETAILS_PADDED_BYTES);
}

/* 32 plans and 25 accesses, with the longest names of all. */
Test(frame, the_longest_flag_payload_fits_into_an_answer)
{
    static struct msg_plan_shown plans[PLANS_PER_CHILD_MAX];
    static struct msg_access_shown accesses[HISTORY_SHOWN_MAX];
    struct msg_flag_payload m = {.visibility = 1, .plans = plans, .accesses = accesses};
    struct bytes b;
    memset(m.authority_code, 'x', CODE_BYTES_MAX);
    memset(m.authority_name, 'x', ORGANISATION_BYTES_MAX);
    memset(m.emergency, '1', TELEPHONE_BYTES_MAX);
    memset(m.office, '1', TELEPHONE_BYTES_MAX);
    for (size_t i = 0; i < PLANS_PER_CHILD_MAX; i++)
        plans[i].plan = 1;
    for (size_t i = 0; i < HISTORY_SHOWN_MAX; i++) {
        memset(accesses[i].user_name, 'x', NAME_BYTES_MAX);
        memset(accesses[i].role_name, 'x', ROLE_BYTES_MAX);
        memset(accesses[i].organisation_name, 'x', ORGANISATION_BYTES_MAX);
    }
    m.plans_count = PLANS_PER_CHILD_MAX;
    m.accesses_count = HISTORY_SHOWN_MAX;
    cr_assert_eq(flag_payload_encode(&m, &a, &b), CPIS_OK);
    cr_assert_leq(1 + b.len + PAD_LENGTH_BYTES, ANSWER_PADDED_BYTES, "%zu", b.len);
}
