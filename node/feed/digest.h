/* node/feed/digest.h - a mail that says how many notifications wait and for how long, and nothing
 * of a child: mail is read on many screens. Pure. */
#ifndef CPIS_NODE_FEED_DIGEST_H
#define CPIS_NODE_FEED_DIGEST_H
#include "crypto/types.h"

#include <stddef.h>

#define DIGEST_LINE_BYTES 160U
#define DIGEST_MAIL_BYTES 4096U

struct digest {
    uint64_t fresh;         /* unopened, and in no mail before */
    cpis_ms oldest;         /* how long the first of those has waited */
    uint64_t overdue;       /* unopened for over escalate_after, in earlier mails or not */
    uint64_t overdue_fresh; /* those in no mail before */
    cpis_ms escalate_after;
};
bool digest_is_news(const struct digest *g);
/* "3 new, oldest 02:14; 1 unopened for over 4 h" */
void digest_line(const struct digest *g, char ret[static DIGEST_LINE_BYTES]);

struct digest_mail { /* texts are borrowed; addresses without <> */
    const char *from, *to, *org, *id;
    cpis_ms wall;
};
/* The whole mail, as SMTP wants it. CPIS_E_LIMIT: it does not fit. */
CPIS_CHECK cpis_err digest_write(const struct digest *g, const struct digest_mail *m,
                                 char ret[static DIGEST_MAIL_BYTES]);

/* Is a mail due, `period` after the last one was begun (0: never)? *tried in the future (the clock
 * was set back) becomes now: then a period is waited for, not the years in between. */
bool digest_is_due(cpis_ms *tried, cpis_ms period, cpis_ms now);
#endif
