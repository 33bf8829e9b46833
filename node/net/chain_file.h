/* node/net/chain_file.h - the chain of registers as a file: every register from version 1 on, one
 * document after the other. What stewards hold and hand out, and DIR/register of a node. It may be
 * of any length: it is read and written document by document, never held as a whole.
 *
 *   "cpx1/reg"(8) format(4)                      then for each version from 1
 *   length(4) document(length) check(16)         document: an encoded register_document
 *   0(4) check(16)                               the end, and nothing after it
 *
 * check = BLAKE2b-128(key = the check before it, length || document); before the first stands that
 * of the header's 12 bytes. It is against damage: what a document says is held by its signatures.
 *
 * Every `why` continues a sentence that begins with the file's name ("FILE: is cut off at byte 812,
 * ..."), and says what to do. Any thread. */
#ifndef CPIS_NODE_NET_CHAIN_FILE_H
#define CPIS_NODE_NET_CHAIN_FILE_H
#include "node/core/registry.h"

#define CHAIN_MAGIC       "cpx1/reg"
#define CHAIN_FORMAT      1U
#define CHAIN_CHECK_BYTES 16U
#define CHAIN_END_BYTES   (4U + CHAIN_CHECK_BYTES)
#define CHAIN_WHY_BYTES   256U

struct chain_mark { /* where a file's end stands: so much of it is known to be whole */
    uint64_t at;    /* byte at which the end begins; 0: there is no such file */
    uint64_t links; /* documents before it */
    uint8_t check[CHAIN_CHECK_BYTES];
};

struct chain_reader { /* one owner; chain_file_close on every path after chain_file_open succeeded
                       */
    int fd;
    struct chain_mark mark; /* behind what was read */
    uint64_t began;         /* byte at which the document last read begins */
    uint8_t *document;
    size_t cap;
};
/* CPIS_E_NOTFOUND, CPIS_E_IO. CPIS_E_MALFORMED: another kind of file. CPIS_E_VERSION: of a newer
 * version of this program. */
CPIS_CHECK cpis_err chain_file_open(const char *path, struct chain_reader *ret,
                                    char why[static CHAIN_WHY_BYTES]);
/* The next document, borrowed until another is given. CPIS_E_NOTFOUND: that was the last one, and
 * the file is whole. CPIS_E_MALFORMED: cut off or damaged. CPIS_E_IO, CPIS_E_NOMEM. */
CPIS_CHECK cpis_err chain_file_next(struct chain_reader *r, struct bytes *ret,
                                    char why[static CHAIN_WHY_BYTES]);
void chain_file_close(struct chain_reader *r);

/* Reads on to the end, looking at checks only. Errors as chain_file_open and chain_file_next. */
CPIS_CHECK cpis_err chain_file_check(const char *path, struct chain_mark *ret,
                                     char why[static CHAIN_WHY_BYTES]);
/* Judges the link that chain_file_next gave as a node would, and takes it in. CPIS_E_AUTH,
 * CPIS_E_MALFORMED, CPIS_E_STATE, CPIS_E_REPLAY, CPIS_E_LIMIT as registry_load. */
CPIS_CHECK cpis_err chain_file_judge(const struct chain_reader *r, struct bytes document,
                                     struct registry *into, char why[static CHAIN_WHY_BYTES]);
/* Judges link after link into an empty registry: up to version `until`, or all with 0, then the
 * file is known to be whole. CPIS_E_LIMIT: it does not reach `until`. */
CPIS_CHECK cpis_err chain_file_load(const char *path, uint64_t until, struct registry *into,
                                    char why[static CHAIN_WHY_BYTES]);

struct chain_writer { /* one owner */
    int fd;
    struct chain_mark mark; /* behind what was written */
};
/* A new file, 0600 or as `mode` says; there must be none. CPIS_E_IO (see errno), CPIS_E_FULL. */
CPIS_CHECK cpis_err chain_file_create(const char *path, unsigned mode, struct chain_writer *ret);
/* To write on where `mark` says that the end stands. CPIS_E_STATE: it does not stand there: the
 * file is another one than the mark was taken of. */
CPIS_CHECK cpis_err chain_file_append(const char *path, const struct chain_mark *mark,
                                      struct chain_writer *ret);
/* CPIS_E_INVAL: no length that a document may have. CPIS_E_IO, CPIS_E_FULL. */
CPIS_CHECK cpis_err chain_file_write(struct chain_writer *w, struct bytes document);
/* Writes the end; durable on CPIS_OK. Closes whatever it returns. */
CPIS_CHECK cpis_err chain_file_finish(struct chain_writer *w);
/* Without an end: the file is cut off, to be taken away. */
void chain_file_abandon(struct chain_writer *w);
/* A whole copy at `to`, put in place at once and durably, with `more` (or NULL) as one document
 * more. An existing file is replaced. */
CPIS_CHECK cpis_err chain_file_copy(const char *from, const char *to, unsigned mode,
                                    const struct bytes *more, char why[static CHAIN_WHY_BYTES]);
#endif
