#include "tests/bench/frames.h"

#include "proto/codec.h"
#include "tests/bench/figure.h"

static size_t framed(enum frame_kind kind, struct bytes payload, struct arena *a)
{
    struct bytes b;
    MUST(frame_wrap(kind, payload, a, &b) == CPIS_OK);
    return b.len;
}

void frame_lengths(struct frame_lengths *ret)
{
    static const uint8_t element[OPRF_ELEMENT_BYTES];
    static struct msg_answer answer = {.time = 1};
    const struct msg_ack ack = {.time = 1, .outcome = ACK_RECORDED};
    const struct msg_evaluate_request request = {
        .request = 1000, .epoch = 1, .elements = {element, sizeof element}};
    const struct msg_evaluate_reply reply = {
        .request = 1000, .epoch = 1, .index = 3, .elements = {element, sizeof element}};
    const struct msg_lookup lookup = {.version = LOOKUP_VERSION, .epoch = 1, .time = 1};
    const struct msg_lookup_reply looked = {.outcome = LOOKUP_LATE};
    struct signed_message m = {.type = SIGNED_LOOKUP};
    struct arena a = arena_make((size_t)1 << 20);
    struct bytes b;
    MUST(evaluate_request_encode(&request, &a, &b) == CPIS_OK);
    ret->evaluate_request = framed(FRAME_EVALUATE_REQUEST, b, &a);
    MUST(evaluate_reply_encode(&reply, &a, &b) == CPIS_OK);
    ret->evaluate_reply = framed(FRAME_EVALUATE_REPLY, b, &a);
    MUST(lookup_encode(&lookup, &a, &m.body) == CPIS_OK);
    MUST(signed_message_encode(&m, &a, &b) == CPIS_OK);
    ret->lookup = framed(FRAME_SIGNED, b, &a);
    MUST(lookup_reply_encode(&looked, &a, &b) == CPIS_OK);
    ret->lookup_reply = framed(FRAME_LOOKUP_REPLY, b, &a); /* always padded */
    m.type = SIGNED_ACK;
    MUST(ack_encode(&ack, &a, &m.body) == CPIS_OK);
    MUST(signed_message_encode(&m, &a, &b) == CPIS_OK);
    ret->ack = framed(FRAME_SIGNED, b, &a);
    m.type = SIGNED_ANSWER;
    MUST(answer_encode(&answer, &a, &m.body) == CPIS_OK);
    MUST(signed_message_encode(&m, &a, &b) == CPIS_OK);
    ret->answer = framed(FRAME_SIGNED, b, &a);
    arena_free(&a);
}

/* A frame's header (2 bytes, 9 when it is over 255 long), then "\7MESSAGE", nonce(8), tag(16),
 * flags(1) around what is sent. */
size_t frame_on_wire(size_t frame)
{
    const size_t inside = frame + 8U + 8U + 16U + 1U;
    return inside + (inside > 255 ? 9U : 2U);
}
