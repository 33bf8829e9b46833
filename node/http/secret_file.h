/* node/http/secret_file.h - a file whose content is a secret: a key, a password. */
#ifndef CPIS_NODE_HTTP_SECRET_FILE_H
#define CPIS_NODE_HTTP_SECRET_FILE_H
#include "node/cli/cli.h"

/* The whole of a regular file of min to max bytes that nobody but its owner may read or write: what
 * is looked at is what is read. key: the setting that names it. *ret is sodium_malloc'd, for
 * sodium_free, with a NUL behind its *ret_len bytes. false: told. */
bool secret_file_read(const struct cli *c, const char *key, const char *path, size_t min,
                      size_t max, uint8_t **ret, size_t *ret_len);
#endif
