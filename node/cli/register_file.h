/* node/cli/register_file.h - the register as stewards hold it: two files.
 *
 *   FILE       a chain file (node/net/chain_file.h): every register from version 1 on, all of them
 *              signed by enough root keys. What nodes are given. Only ever grows, by whole links;
 *              may be of any length: read link by link, replaced as a whole.
 *   FILE.next  an encoded register_document: the next one, being made. Changes are gathered here;
 *              once it bears a signature it is changed no more (`register discard` begins anew).
 *              It travels from steward to steward; the signature that makes it enough moves it
 *              into FILE and takes FILE.next away.
 *
 * Before version 1 is signed there is no FILE, only FILE.next. */
#ifndef CPIS_NODE_CLI_REGISTER_FILE_H
#define CPIS_NODE_CLI_REGISTER_FILE_H
#include "node/cli/cli.h"
#include "node/core/steward.h"
#include "node/net/chain_file.h"

#define REGISTER_ARENA_BYTES                                                                       \
    ((size_t)256 << 20) /* one register; its drafts: each node admitted copies the list */

struct register_file {
    const char *path;
    char next_path[FOLDER_PATH_BYTES];
    struct arena arena; /* everything below lies in it */
    struct registry *chain;
    size_t signatures;             /* that the newest in FILE bears */
    bool has_next, signed_already; /* FILE.next is there; bears a signature */
    struct bytes next;             /* as it stands in FILE.next */
    struct msg_register draft;     /* register_file_draft */
};
/* Reads both files and judges FILE as a node would. false: told; nothing to close. */
bool register_file_open(const struct cli *c, const char *path, struct register_file *ret);
void register_file_close(struct register_file *f);

/* f->draft: from FILE.next, or made from the last register with `expires` that many days ahead.
 * false: told (FILE.next is signed already). */
bool register_file_draft(const struct cli *c, struct register_file *f, uint64_t days);
/* Checks f->draft as a node would and writes it to FILE.next. false: told. */
bool register_file_save(const struct cli *c, struct register_file *f);
/* Writes a signed document to FILE.next or, if it bears enough signatures, to the end of FILE.
 * *ret_done: the latter. false: told. */
bool register_file_sign(const struct cli *c, struct register_file *f, struct bytes document,
                        bool *ret_done, const char **ret_lacks);
/* A node of the draft by code, "role:code" or id in hex. false: told. */
bool register_file_find(const struct cli *c, const struct msg_register *r, const char *name,
                        struct cpis_id *ret);
#endif
