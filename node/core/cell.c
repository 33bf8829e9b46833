/* One cell: which size, what may stand in it, opened. */
#include "node/core/cover_impl.h"

#include <assert.h>

size_t cell_bytes(enum node_role from, enum node_role to)
{
    if ((from == ROLE_DIRECTORY) == (to == ROLE_DIRECTORY)) return 0;
    if (to == ROLE_QUERY) return CELL_BYTES_REPLY;
    return from == ROLE_AUTHORITY ? CELL_BYTES_ANSWER : CELL_BYTES_ASK;
}

bool cell_may_hold(const struct frame *f, struct arena *a, cpis_err *ret_err)
{
    struct signed_message m;
    *ret_err = CPIS_OK;
    if (f->kind == FRAME_LOOKUP_REPLY) return true;
    if (f->kind != FRAME_SIGNED) return false;
    *ret_err = signed_message_decode(f->payload, a, &m);
    return *ret_err == CPIS_OK && (m.type == SIGNED_LOOKUP || m.type == SIGNED_DETAILS ||
                                   m.type == SIGNED_ACK || m.type == SIGNED_ANSWER);
}

cpis_err cell_open(enum node_role from, enum node_role to, const struct frame *cell,
                   size_t wire_bytes, struct arena *a, struct bytes ret[static CELL_FRAMES_MAX],
                   size_t *ret_count)
{
    struct msg_cell m;
    if (cell->kind != FRAME_CELL || wire_bytes != cell_bytes(from, to)) return CPIS_E_MALFORMED;
    cpis_err err = cell_decode(cell->payload, a, &m);
    for (size_t i = 0; err == CPIS_OK && i < m.frames_count; i++) {
        if (!cell_may_hold(&m.frames[i], a, &err)) return err == CPIS_OK ? CPIS_E_MALFORMED : err;
        err = frame_encode(&m.frames[i], a, &ret[i]); /* one encoding: the bytes that came */
        assert(err != CPIS_E_INVAL);
    }
    if (err == CPIS_OK) *ret_count = m.frames_count;
    return err;
}
