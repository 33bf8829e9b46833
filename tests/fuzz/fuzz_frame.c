/* Fuzz target: a frame as it comes off the wire, down to the body of the signed message in it. */
#include "proto/codec.h"

#include <assert.h>
#include <string.h>

#define AGAIN(plain, name)                                                                         \
    do {                                                                                           \
        struct plain m_;                                                                           \
        struct bytes again_;                                                                       \
        if (name##_decode(b, a, &m_) != CPIS_OK) break;                                            \
        cpis_err err_ = name##_encode(&m_, a, &again_);                                            \
        assert(err_ == CPIS_OK && again_.len == b.len);                                            \
        assert(memcmp(again_.p, b.p, b.len) == 0);                                                 \
    } while (0)

static void body(uint32_t type, struct bytes b, struct arena *a)
{
    switch (type) {
    case SIGNED_LOOKUP: AGAIN(msg_lookup, lookup); break;
    case SIGNED_ABSENT: AGAIN(msg_absent, absent); break;
    case SIGNED_PRESENT: AGAIN(msg_present, present); break;
    case SIGNED_ANSWER: AGAIN(msg_answer, answer); break;
    case SIGNED_HEAD: AGAIN(msg_head, head); break;
    case SIGNED_ACK: AGAIN(msg_ack, ack); break;
    case SIGNED_REGISTER: AGAIN(msg_register, register_body); break;
    case SIGNED_DESCRIPTOR: AGAIN(msg_descriptor, descriptor); break;
    case SIGNED_REGISTER_TIME: AGAIN(msg_register_time, register_time); break;
    case SIGNED_LOG_HEAD: AGAIN(msg_log_head, log_head); break;
    case SIGNED_DEALING: AGAIN(msg_dealing, dealing); break;
    case SIGNED_DEALING_REVEAL: AGAIN(msg_dealing_reveal, dealing_reveal); break;
    case SIGNED_SHARE_ACCEPTED: AGAIN(msg_share_accepted, share_accepted); break;
    case SIGNED_RECEIPT: AGAIN(msg_receipt, receipt); break;
    case SIGNED_DETAILS: AGAIN(msg_details, details); break;
    default: break;
    }
}

static void signed_bytes(struct bytes b, struct arena *a)
{
    struct signed_message m;
    if (signed_message_decode(b, a, &m) == CPIS_OK) body(m.type, m.body, a);
}

static void payload(uint32_t kind, struct bytes b, struct arena *a)
{
    struct msg_lookup_reply reply;
    switch (kind) {
    case FRAME_SIGNED: signed_bytes(b, a); break;
    case FRAME_LOOKUP_REPLY:
        if (lookup_reply_decode(b, a, &reply) == CPIS_OK) signed_bytes(reply.statement, a);
        break;
    case FRAME_HELLO: AGAIN(msg_hello, hello); break;
    case FRAME_REGISTER_CHAIN: AGAIN(msg_register_chain, register_chain); break;
    case FRAME_EVALUATE_REQUEST: AGAIN(msg_evaluate_request, evaluate_request); break;
    case FRAME_EVALUATE_REPLY: AGAIN(msg_evaluate_reply, evaluate_reply); break;
    case FRAME_LIST_UPDATE: AGAIN(msg_list_update, list_update); break;
    case FRAME_LIST_REFUSED: AGAIN(msg_list_refused, list_refused); break;
    case FRAME_HEADS: AGAIN(msg_heads, heads); break;
    case FRAME_CELL: AGAIN(msg_cell, cell); break;
    default: break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a = arena_make((size_t)64 << 20);
    struct frame f;
    struct bytes wire;
    if (frame_unwrap((struct bytes){data, size}, &a, &f) == CPIS_OK) {
        if (f.kind == FRAME_CELL)
            assert(frame_wrap_cell(f.payload, size, &a, &wire) == CPIS_OK);
        else
            assert(frame_wrap((enum frame_kind)f.kind, f.payload, &a, &wire) == CPIS_OK);
        assert(wire.len == size && memcmp(wire.p, data, size) == 0);
        payload(f.kind, f.payload, &a);
    }
    arena_free(&a);
    return 0;
}
