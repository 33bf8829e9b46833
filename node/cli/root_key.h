/* node/cli/root_key.h - a steward's key: a file of its own, made and used offline, never on a node.
 *   "cpx1/rtk"(8) flags(4: 1 = passphrase) public(32) salt(16) nonce(24) body(32, or 48 wrapped)
 *   hash(16, BLAKE2b of all before it)
 * Permissions 0600 are insisted on. */
#ifndef CPIS_NODE_CLI_ROOT_KEY_H
#define CPIS_NODE_CLI_ROOT_KEY_H
#include "crypto/sign.h"
#include "node/cli/cli.h"

/* Makes a key and its file; an existing file is left alone (*ret_made false) and its public key
 * read. passphrase: NULL for none. false: told. */
bool root_key_make(const struct cli *c, const char *path, const char *passphrase, size_t len,
                   struct sign_public *ret, bool *ret_made);
/* *ret_secret (sodium_malloc'd): for sodium_free. false: told. */
bool root_key_read(const struct cli *c, const char *path, const char *passphrase, size_t len,
                   struct sign_public *ret, struct sign_secret **ret_secret);
#endif
