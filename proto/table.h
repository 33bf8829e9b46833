/* proto/table.h - the tables of a node's store: one list that core (which rows to persist) and
 * storage (where they lie) share, because neither may include the other. Rows are messages of
 * cpis.proto (see proto/row.h); keys are bytes, integers big-endian, so that byte order is number
 * order.
 *
 * `hidden` is how many leading bytes of a key are sensitive: they lie on disk as BLAKE2b-128(index
 * key, table || 0 || those bytes) and are kept inside the sealed value; what follows them stays in
 * the clear and in order, so that "all rows of this child, newest first" is one short scan. */
#ifndef CPIS_PROTO_TABLE_H
#define CPIS_PROTO_TABLE_H
#include "crypto/types.h"

#define TABLE_KEY_BYTES_MAX 64U
#define TABLE_ROW_BYTES_MAX (1024U * 1024U)

/*    enum              name on disk       hidden  key */
#define CPIS_TABLES(X)                                                                             \
    X(TABLE_META, "meta", 0)         /* name */                                                    \
    X(TABLE_REGISTER, "register", 0) /* version(8): every link; version(8) hash(32): a fork */     \
    X(TABLE_LOG, "log", 0)           /* sequence(8) */                                             \
    X(TABLE_CHILD, "child", 10)      /* NHS number(10): all plans of a child (authority) */        \
    X(TABLE_CHILD_BEFORE, "child-before", 10) /* NHS number(10): before the newest import          \
                                                 (authority) */                                    \
    X(TABLE_ENTRY, "entry", 36)     /* epoch(4) token(32): own list, with keys (authority) */      \
    X(TABLE_ACCESS, "access", 0)    /* rh(32): one row for each lookup that matched (authority) */ \
    X(TABLE_HISTORY, "history", 10) /* NHS number(10) history_class(1) sequence(8) (authority) */  \
    X(TABLE_NOTIFICATION, "notification", 0) /* id(8) (authority) */                               \
    X(TABLE_UNMATCHED, "unmatched", 0)  /* rh(32): matched nothing yet; then 1: its details */     \
    X(TABLE_ANSWER, "answer", 0)        /* rh(32): the answer given (authority) */                 \
    X(TABLE_IMPORT, "import", 0)        /* id(8): an import under way or done (authority) */       \
    X(TABLE_ELSEWHERE, "elsewhere", 10) /* NHS number(10) authority(16): another that lists it,    \
                                           too (authority) */                                      \
    X(TABLE_TELL, "tell", 48) /* holder(16) token(32) newcomer(16): not heard yet (directory) */   \
    X(TABLE_HEAD, "head", 0)  /* epoch(4) authority(16); then version(8): an authority's own, or   \
                                 what a directory's held head has superseded */                    \
    X(TABLE_LIST, "list", 52) /* epoch(4) authority(16) token(32): a held list (directory) */      \
    X(TABLE_COPY, "copy", 0)  /* rh(32) authority(16): stored and forwarded (directory) */         \
    X(TABLE_LAST_ACK, "last-ack", 0) /* authority(16) (directory) */                               \
    X(TABLE_QUOTA, "quota", 0)       /* node(16) day(4) (directory) */                             \
    X(TABLE_SHARE, "share", 0)       /* epoch(4): never in a backup (directory) */                 \
    X(TABLE_CEREMONY, "ceremony",                                                                  \
      0)                         /* epoch(4) part(1) index(1): never in a backup (directory) */    \
    X(TABLE_OUTBOX, "outbox", 0) /* rid(16): lookups not yet ended (query) */                      \
    X(TABLE_EVIDENCE, "evidence", 0) /* rid(16): what a verdict rests on, 35 days (query) */       \
    X(TABLE_SEEN_HEAD, "seen-head",                                                                \
      0)                         /* H(body || signature): heads that evidence names (query) */     \
    X(TABLE_EXPIRY, "expiry", 0) /* day(4) table(1) key: needed on that day */                     \
    X(TABLE_SEEN_STATE, "seen-state", 0) /* S(32): states that evidence names (query) */           \
    X(TABLE_ASKED, "asked", 0) /* day(4) 0(1), or 1(1) ODS code(0..12): lookups of the node,       \
                                  of an organisation behind it (query) */

enum table {
#define CPIS_X(name, text, hidden) name,
    CPIS_TABLES(CPIS_X)
#undef CPIS_X
        TABLE_COUNT
};
const char *table_name(enum table t); /* static; "" for a value that is no table */
size_t table_hidden(enum table t);
bool table_is_secret_of_holder(enum table t); /* shares and ceremony: left out of every backup */
#endif
