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

#define FIELD_1_FIXED32 0x0dU
#define FIELD_2_BYTES   0x12U
#define FIELD_1_BYTES   5U /* tag and number */

/* The number that a message begins with, when it is below `end` and not 0. */
static unsigned first_number(struct bytes b, size_t at, unsigned end)
{
    if (b.len < at + FIELD_1_BYTES || b.p[at] != FIELD_1_FIXED32) return 0;
    const bool small = b.p[at + 2] == 0 && b.p[at + 3] == 0 && b.p[at + 4] == 0;
    return small && b.p[at + 1] < end ? b.p[at + 1] : 0;
}

struct frame_look frame_look(struct bytes b)
{
    struct frame_look l = {first_number(b, 0, FRAME_KIND_END), 0};
    size_t at = FIELD_1_BYTES + 1;
    if (l.kind != FRAME_SIGNED || b.len <= at || b.p[at - 1] != FIELD_2_BYTES) return l;
    while (at < b.len && b.p[at] >= 0x80U) /* the payload's length */
        at++;
    l.signed_type = first_number(b, at + 1, SIGNED_DETAILS + 1U);
    return l;
}
