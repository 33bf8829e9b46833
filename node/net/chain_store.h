/* node/net/chain_store.h - between a node's register file (chain_file.h) and the register in its
 * store. The store is what the node goes by; the file is how the register comes to a new node, and
 * what people and `evidence verify` read. One owner; not thread-safe. */
#ifndef CPIS_NODE_NET_CHAIN_STORE_H
#define CPIS_NODE_NET_CHAIN_STORE_H
#include "node/net/chain_file.h"
#include "storage/store.h"

#define CHAIN_COMMIT_BYTES ((size_t)8 << 20) /* documents of one commit */

/* Before the node is built: the file is read once to see that it is whole; then each link that it
 * has beyond the store's is judged and put into the store, committed as it goes: an end in between
 * leaves what was committed, and the next call goes on there. *ret_mark: where the file's end
 * stands. CPIS_OK also when the store has a register and the file is not there, damaged, or another
 * one: then ret_mark->at is 0, and `why` says what is wrong with it (else it is ""). Errors: of
 * chain_file_open, chain_file_next and chain_file_judge, with `why`; CPIS_E_NOTFOUND: neither file
 * nor store have a register; of store_scan and store_commit, with `why` "". */
CPIS_CHECK cpis_err chain_store_take(struct store *s, const char *dir, struct chain_mark *ret_mark,
                                     char why[static CHAIN_WHY_BYTES]);
/* The newest version in a store; 0: it has no register. CPIS_E_STORE, CPIS_E_NOMEM. */
CPIS_CHECK cpis_err chain_store_version(const struct view *view, uint64_t *ret);
/* Makes DIR/register hold versions 1 to `version` of the store: adds what is missing behind the
 * mark, or, where the mark does not fit the file, writes all of it anew. Moves the mark. A crash
 * meanwhile leaves a file that chain_store_take sees to be cut off, and that is then written anew.
 * CPIS_E_STORE, CPIS_E_IO, CPIS_E_FULL, CPIS_E_NOMEM, CPIS_E_LIMIT: the mark's `at` is 0. */
CPIS_CHECK cpis_err chain_store_keep(const char *dir, const struct view *view, uint64_t version,
                                     struct chain_mark *mark);
#endif
