/* node/feed/trace_list.h - the list of a practice: one NHS number a line, or a CSV file with a
 * column of them. Read whole; lines that hold no number are told by line and fault, never by what
 * stands there. A number that comes again is asked once. One owner; not thread-safe. */
#ifndef CPIS_NODE_FEED_TRACE_LIST_H
#define CPIS_NODE_FEED_TRACE_LIST_H
#include "crypto/hash.h"
#include "proto/nhs_number.h"

#define TRACE_FILE_BYTES_MAX ((size_t)64 * 1024 * 1024)

struct trace_entry {
    struct nhs_number number;
    uint32_t line; /* of the file, from 1 */
};
struct trace_fault {
    uint32_t line;
    enum nhs_number_fault fault;
};
struct trace_list {
    struct trace_entry *entries; /* in the order of the file */
    size_t entries_count, entries_cap;
    struct trace_fault *faults;
    size_t faults_count, faults_cap;
    size_t again; /* lines whose number had come before */
    struct cpis_hash hash;
};
/* column: the header's name of it; the header may be missing where each line begins with a number.
 * CPIS_E_NOTFOUND: the header has no such column; CPIS_E_LIMIT: too large; CPIS_E_IO; CPIS_E_NOMEM:
 * *ret is untouched. */
CPIS_CHECK cpis_err trace_list_read(int fd, const char *column, struct trace_list *ret);
void trace_list_free(struct trace_list *l); /* wipes */
#endif
