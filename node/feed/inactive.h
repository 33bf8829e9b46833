/* node/feed/inactive.h - CP-IS message 06 (REPC_MT000005GB01, Inactive NHS Number Notification) for
 * an authority's case system: numbers under which it holds records, and which are in use no more.
 * Writes to a stream; the caller puts the file in its place whole. Any thread.
 *
 * A child that was adopted has a new identity: its old and new number are never to be linked, so
 * nothing here guesses a replacement; a person gives one or there is none. */
#ifndef CPIS_NODE_FEED_INACTIVE_H
#define CPIS_NODE_FEED_INACTIVE_H
#include "node/feed/hl7.h"

struct inactive { /* texts are borrowed; "": not known */
    const char *nhs_number, *local_id;
    const char *replaced_by; /* the new number; "": none is to be named */
    uint64_t import_id;      /* the file that placed the record; 0: none */
};
/* One message. Pre (asserted): count > 0, which the message needs. */
void inactive_write_message06(FILE *to, const struct hl7_head *head, const struct inactive *of,
                              size_t count);
#endif
