/* node/feed/traced.h - the authority's own list of traced numbers: what its tracing against PDS has
 * said of each NHS number. With it an import can give the codes that only a tracing service can:
 * CPR01 (nobody has this number), CPR02 (a sensitive record), CPR03 (another person's number) and
 * CPR05 (replaced by another number).
 *
 * A table (table.h) with the columns nhs_number, birth_date, family, status, replaced_by. Strict: a
 * row that is wrong, or a number that comes twice, refuses the list, for every number it lacks
 * would keep a child off the list. Held sorted, wiped when it goes. Any thread.
 * Source: node/README.md, "The list of traced numbers". */
#ifndef CPIS_NODE_FEED_TRACED_H
#define CPIS_NODE_FEED_TRACED_H
#include "node/feed/row.h"

#define TRACED_ROWS_MAX  100000U
#define TRACED_WHY_BYTES 192U

struct traced;
/* Reads fd, from its beginning to its end. CPIS_E_MALFORMED: `why` says in which line, and nothing
 * that stands there. CPIS_E_IO, CPIS_E_NOMEM. */
CPIS_CHECK cpis_err traced_read(int fd, struct traced **ret, char why[static TRACED_WHY_BYTES]);
void traced_free(struct traced **p); /* *p may be NULL */
size_t traced_count(const struct traced *t);
struct cpis_hash traced_hash(const struct traced *t); /* of the file; zeros for NULL */

struct traced_person { /* borrowed */
    const struct nhs_number *number;
    struct date birth;
    const char *family; /* "": not known */
    bool full;          /* is shown, or is to be, with all that is held */
};
struct traced_verdict {
    enum feed_fault fault; /* FEED_GOOD or one of FEED_TRACED_* */
    bool sensitive;
    bool other_family; /* both are known, and differ in their letters: told, never a fault */
    const struct nhs_number *replaced_by; /* TRACED_SUPERSEDED; NULL: not known; the list's */
};
/* The birth date decides, where the list has one: names of children change, and are written in many
 * ways. A new number is told only of a child whose birth date agrees. */
struct traced_verdict traced_judge(const struct traced *t, const struct traced_person *p);

struct traced_notes { /* of a record that is right */
    bool sensitive;   /* and held contact-only because of it */
    bool other_family;
};
/* Judges a right record: it is left right, or fails. A plan that is deleted is not judged, for what
 * should never have been there has to be able to go. An upload can't say `contact-only`: its
 * sensitive children are made so, and found all the same. A CSV file can, and has to. */
struct traced_notes traced_judge_record(const struct traced *t, enum feed_format format,
                                        struct feed_record *r);
#endif
