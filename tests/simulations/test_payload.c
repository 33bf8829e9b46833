#include "proto/codec.h"
#include "simulations/payload.h"

#include <criterion/criterion.h>
#include <string.h>

Test(payload, a_look_at_a_frame_tells_what_decoding_would)
{
    uint8_t body[2000] = {1};
    struct arena a = arena_make(1U << 20);
    for (uint32_t kind = 1; kind < FRAME_KIND_END; kind++)
        for (uint32_t type = SIGNED_LOOKUP; type <= SIGNED_DETAILS; type++)
            for (size_t len = 1; len <= sizeof body; len += 300) {
                const struct signed_message m = {.type = type, .body = {body, len}};
                struct bytes b;
                cr_assert_eq(signed_message_encode(&m, &a, &b), CPIS_OK);
                cr_assert_eq(frame_wrap((enum frame_kind)kind, b, &a, &b), CPIS_OK);
                const struct frame_look l = frame_look(b);
                cr_assert_eq(l.kind, kind);
                cr_assert_eq(l.signed_type, kind == FRAME_SIGNED ? type : 0);
                for (size_t cut = 0; cut < 20; cut++) /* reads no further than there is */
                    (void)frame_look((struct bytes){b.p, cut});
                arena_free(&a);
            }
    memset(body, 0xff, sizeof body);
    cr_expect_eq(frame_look((struct bytes){body, sizeof body}).kind, 0);
}

Test(payload, bytes_live_as_long_as_somebody_shares_them)
{
    struct payload *p = payload_new((struct bytes){(const uint8_t *)"abc", 3});
    cr_expect_eq(payload_share(p), p);
    payload_drop(p);
    cr_expect_eq(payload_bytes(p).len, 3);
    cr_expect_eq(memcmp(payload_bytes(p).p, "abc", 3), 0);
    payload_drop(p);
    payload_drop(NULL);
}
