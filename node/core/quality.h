/* node/core/quality.h - what looks wrong about a child's plans, for an officer to look at: nothing
 * is changed by it, and nothing here decides what others see. Pure. Any thread. Source: CP-IS rules
 * in proto/README.md section 18. */
#ifndef CPIS_NODE_CORE_QUALITY_H
#define CPIS_NODE_CORE_QUALITY_H
#include "proto/row.h"

#define QUALITY_SOON_DAYS     30U /* days before the 18th birthday */
#define QUALITY_TRANSFER_DAYS 7U  /* days after which a transfer is asked about */

/*    enum                    word          what is wrong, what to do */
#define CPIS_QUALITY(X)                                                                            \
    X(QUALITY_UNBORN_OVERDUE, "unborn-overdue",                                                    \
      "the end date of an unborn child's plan has passed",                                         \
      "born: `cpis flags born`; not yet: a later end date, before it is hidden")                   \
    X(QUALITY_UNBORN_HIDDEN, "unborn-hidden",                                                      \
      "an unborn child's plan ended over 28 days ago and is shown to nobody",                      \
      "born: does the child have its own plan? `cpis flags born`; else end it for good: remove "   \
      "it")                                                                                        \
    X(QUALITY_ADULT, "adult", "an open plan, and the 18th birthday has passed: shown to nobody",   \
      "end the plan, or correct the birth date")                                                   \
    X(QUALITY_ADULT_SOON, "adult-soon", "the 18th birthday is within 30 days",                     \
      "the plan is hidden from that day on: is another service told?")                             \
    X(QUALITY_OVERLAP, "overlap", "two plans of one type at one time",                             \
      "end or remove the one that was replaced")                                                   \
    X(QUALITY_ENDED_LATE, "ended-late",                                                            \
      "ended over 364 days before it was told: it was hidden at once",                             \
      "right: nothing; a wrong date: give the right one, and it is shown again")                   \
    X(QUALITY_STARTS_LATER, "starts-later", "starts in the future, and is shown already",          \
      "right: nothing; a mistyped date: correct it")                                               \
    X(QUALITY_TRANSFER_WAITS, "transfer-waits",                                                    \
      "announced to go to another authority 7 days ago, which does not list it",                   \
      "ring them; until they list it, it stays here")                                              \
    X(QUALITY_ELSEWHERE, "elsewhere", "another authority lists this child, too",                   \
      "agree who holds the case: `cpis flags transfer`, or leave both")                            \
    X(QUALITY_NO_LOCAL_ID, "no-local-id", "no local id: a notification will not name the case",    \
      "add it to the export")
enum quality {
#define CPIS_X(name, word, text, todo) name,
    CPIS_QUALITY(CPIS_X)
#undef CPIS_X
        QUALITY_COUNT
};
const char *quality_word(enum quality q); /* static, all three */
const char *quality_text(enum quality q);
const char *quality_todo(enum quality q);

/* Tells fn of each finding; plan: the one it is about, or NULL. elsewhere: does another authority
 * list the child? */
typedef void (*quality_fn)(void *arg, enum quality q, const struct row_plan *plan);
void quality_check(const struct row_child *child, bool elsewhere, cpis_ms wall, quality_fn fn,
                   void *arg);
#endif
