/* node/feed/acknowledgement.h - what a file's sender gets back: message 02 of CP-IS, the Local
 * Authority Acknowledgement Response (REPC_MT000003GB01), written record by record in bounded
 * memory.
 *
 * It holds the file's code; for each failed record its place, its code and, as translation of the
 * code, our detail and the reason; then each record: a right one by its subjects (VR), a failed one
 * echoed whole (IR). What is wrong with a whole file is told in the same way, at its place, with no
 * record behind it. A record that can't be echoed within the schema is told by its place only; it
 * is counted all the same. A CSV file's records are told by row and column and never echoed.
 * The new number of a superseded one is a second translation: it stands here and nowhere else.
 * Source: the CP-IS schema REPC_MT000003GB01; node/README.md. */
#ifndef CPIS_NODE_FEED_ACKNOWLEDGEMENT_H
#define CPIS_NODE_FEED_ACKNOWLEDGEMENT_H
#include "node/feed/import.h"

/* Acknowledges an import that is done, repeated, or refused, to the organisation that the file
 * names, or to `own` where it can't be read. The file at `path` (readable by its owner only: it
 * holds children's data) appears whole and durably, in the place of one that may be there;
 * meanwhile it is `path`.part, which is gone on error. CPIS_E_INVAL: too long a path. CPIS_E_IO,
 * CPIS_E_NOMEM. CPIS_E_STATE: the imported file has changed. */
CPIS_CHECK cpis_err acknowledgement_write(struct import *m, const struct feed_organisation *own,
                                          cpis_ms now, const char *path);
#endif
