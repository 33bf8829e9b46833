/* tests/bench/frames.h - how long the frames of a lookup are, and what they are on the wire. */
#ifndef CPIS_TESTS_BENCH_FRAMES_H
#define CPIS_TESTS_BENCH_FRAMES_H
#include <stddef.h>

struct frame_lengths {
    size_t evaluate_request, evaluate_reply, lookup, lookup_reply, ack, answer;
};
void frame_lengths(struct frame_lengths *ret);
/* Bytes of a frame over ZMTP 3.1 with CURVE, without TCP's and IP's own headers. */
size_t frame_on_wire(size_t frame);
#endif
