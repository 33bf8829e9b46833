/* node/core/cover_impl.h - what the files of cover.h share; nobody else includes it.
 *
 *   cell.c   one cell
 *   cover.c  what is sent when */
#ifndef CPIS_NODE_CORE_COVER_IMPL_H
#define CPIS_NODE_CORE_COVER_IMPL_H
#include "node/core/cover.h"

size_t cell_bytes(enum node_role from, enum node_role to); /* 0: no link has these ends */
/* false: it may not stand in a cell; *ret_err says if that was for want of memory. */
bool cell_may_hold(const struct frame *f, struct arena *a, cpis_err *ret_err);
#endif
