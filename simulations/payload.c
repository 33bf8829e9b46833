#include "simulations/payload.h"

#include "simulations/kernel.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct payload *payload_new(struct bytes b)
{
    assert(b.len <= UINT32_MAX);
    struct payload *p = sim_must(malloc(sizeof *p + b.len));
    p->refs = 1;
    p->len = (uint32_t)b.len;
    if (b.len > 0) memcpy(p->b, b.p, b.len);
    return p;
}

struct payload *payload_share(struct payload *p)
{
    p->refs++;
    return p;
}

void payload_drop(struct payload *p)
{
    if (p != NULL && --p->refs == 0) free(p);
}

struct bytes payload_bytes(const struct payload *p) { return (struct bytes){p->b, p->len}; }

#define FIELD_1_VARINT 0x08U
#define FIELD_2_BYTES  0x12U

struct frame_look frame_look(struct bytes b)
{
    struct frame_look l = {0, 0};
    size_t at = 3;
    if (b.len < 4 || b.p[0] != FIELD_1_VARINT || b.p[1] >= FRAME_KIND_END) return l;
    l.kind = b.p[1];
    if (l.kind != FRAME_SIGNED || b.p[2] != FIELD_2_BYTES) return l;
    while (at < b.len && b.p[at] >= 0x80U) /* the payload's length */
        at++;
    if (at + 2 < b.len && b.p[at + 1] == FIELD_1_VARINT && b.p[at + 2] <= SIGNED_DETAILS)
        l.signed_type = b.p[at + 2];
    return l;
}
