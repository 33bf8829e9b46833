/* node/feed/notice.h - notifications out of the node, for a case system or a spreadsheet: CP-IS
 * message 05 (REPC_MT000004GB01, Access to Service Notification) and CSV. Writes to a stream; the
 * caller puts the file in its place whole. Any thread.
 *
 * Message 05 has a place for who looked, where, when, at whom, and the file that placed the record,
 * and for nothing else. So a child that was not brought is told behind the organisation's name, and
 * a pattern is left out: its looks are in the message one by one. */
#ifndef CPIS_NODE_FEED_NOTICE_H
#define CPIS_NODE_FEED_NOTICE_H
#include "node/feed/hl7.h"

enum notice_kind { NOTICE_ACCESS = 1, NOTICE_NOT_BROUGHT, NOTICE_PATTERN, NOTICE_TEST };
struct notice { /* texts are borrowed, UTF-8 without control characters; "": not known */
    uint64_t id;
    enum notice_kind kind;
    const char *nhs_number, *local_id; /* TEST: "" */
    cpis_ms at, received;
    const char *who, *user_id, *device_id, *role, *role_code;
    const char *organisation, *organisation_code, *setting;
    bool complete; /* false: only the node that asked is known */
    const char *state, *seen_by, *actioned_by;
    cpis_ms seen_at, actioned_at, escalated; /* 0: never */
    uint8_t query[HL7_UUID_BYTES];           /* of the lookup: the same in every export */
    uint64_t import_id;                      /* the file that placed the record; 0: none */
    const char *looks;                       /* PATTERN: ids, a space between them */
};

struct notice_batch {
    struct hl7_head head; /* of a message 05 */
    const struct notice *notices;
    size_t count;
};

/* The header, then a row each: RFC 4180, CRLF, times as London's with their offset. A text that a
 * spreadsheet would take for a formula has an apostrophe before it. */
void notice_write_csv(FILE *to, const struct notice_batch *b);
/* One message; of no notification it is legal, too. Returns how many were left out. */
size_t notice_write_message05(FILE *to, const struct notice_batch *b);
#endif
