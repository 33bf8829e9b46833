/* What an audit finds: each log by itself, against what its node has signed, and what directories
 * have stated against each other. */
#include "node/core/audit_state.h"

#include <stdlib.h>
#include <string.h>

/* Is this log its node's own word? Entries can be cut off, and changed, by whoever had the file:
 * only what the node's signature at its end is of can convict it. */
static bool is_signed(const struct audit_log *l)
{
    static const struct cpis_hash none;
    const struct cpis_hash *head = l->count > 0 ? &l->line[l->count - 1].head : &none;
    return l->ended && !l->broken && l->signed_head.sequence == l->count &&
           hash_equal(&l->signed_head.head, head);
}

/* Was the one signed before the other, by times of one node? A corrected clock may step back
 * (registry_time.c), so that nearer times say nothing of the order: as much nearness is allowed as
 * nodes allow each other's clocks. */
static bool is_before(uint64_t one, uint64_t other)
{
    return other > one && other - one > LATE_MS; /* signed times: a sum might wrap */
}

/* --- entries by what they are about --- */

static int by_about(const void *x, const void *y)
{
    const struct audit_place *a = x, *b = y;
    const int order = audit_compare(&a->about, &b->about);
    return order != 0 ? order : (a->at > b->at) - (a->at < b->at);
}

static cpis_err sort_log(struct audit_log *l)
{
    free(l->by_about);
    l->by_about = malloc((l->count + 1) * sizeof *l->by_about);
    if (l->by_about == NULL) return CPIS_E_NOMEM;
    for (size_t i = 0; i < l->count; i++)
        l->by_about[i] = (struct audit_place){l->line[i].about, i};
    qsort(l->by_about, l->count, sizeof *l->by_about, by_about);
    return CPIS_OK;
}

/* The first entry of this event about that, up to entry `until`; NULL: there is none. */
static const struct audit_line *line_about(const struct audit_log *l, enum log_event event,
                                           const struct cpis_hash *about, uint64_t until)
{
    size_t lo = 0, hi = l->count;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (audit_compare(&l->by_about[mid].about, about) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (; lo < l->count && hash_equal(&l->by_about[lo].about, about); lo++)
        if (l->line[l->by_about[lo].at].event == event && l->by_about[lo].at < until)
            return &l->line[l->by_about[lo].at];
    return NULL;
}

/* --- a log by itself --- */

static cpis_err unnotified(struct audit *a, const struct audit_log *l, size_t at)
{
    return audit_find(a, &(struct audit_finding){.fault = AUDIT_UNNOTIFIED,
                                                 .who = l->node,
                                                 .file = l->file,
                                                 .witness = AUDIT_NO_FILE,
                                                 .time = l->line[at].time,
                                                 .entry = at + 1,
                                                 .agreed = at,
                                                 .about = l->line[at].about});
}

/* Whoever looks unscheduled is told of with the details, or a minute later without them; a node
 * that was down goes on waiting after its next start. */
static cpis_err judge_notifications(struct audit *a, const struct audit_log *l)
{
    uint64_t started = 0;
    cpis_err err = CPIS_OK;
    for (size_t i = 0; i < l->count; i++)
        if (l->line[i].event == LOG_STARTED) started = l->line[i].time;
    for (size_t i = 0; err == CPIS_OK && i < l->count; i++) {
        const struct audit_line *x = &l->line[i];
        const bool looked = x->event == LOG_ACCESS && x->value == 0;
        const bool detailed = x->event == LOG_DETAILS && x->value == 0;
        if (!looked && !detailed) continue;
        if (line_about(l, LOG_NOTIFIED, &x->about, UINT64_MAX) != NULL) continue;
        const uint64_t since = x->time > started ? x->time : started;
        const bool overdue = l->end > since && l->end - since > AUDIT_NOTIFIED_WITHIN;
        if (detailed || (overdue && line_about(l, LOG_DETAILS, &x->about, UINT64_MAX) == NULL))
            err = unnotified(a, l, i);
    }
    return err;
}

/* --- a log against what its node has signed --- */

static struct audit_finding about_said(enum audit_fault fault, const struct audit_log *l,
                                       const struct audit_said *s)
{
    return (struct audit_finding){.fault = fault,
                                  .who = s->who,
                                  .file = l == NULL ? AUDIT_NO_FILE : l->file,
                                  .witness = s->file,
                                  .type = s->type,
                                  .time = s->time,
                                  .entry = s->sequence,
                                  .about = s->about};
}

/* One finding a log: where it first differs from what was signed, and up to where it does not. */
static cpis_err judge_heads(struct audit *a, const struct audit_log *l)
{
    const struct audit_said *differs = NULL, *beyond = NULL;
    uint64_t agreed = 0;
    for (size_t i = 0; i < a->said_count; i++) {
        const struct audit_said *s = &a->said[i];
        if (s->sequence == 0 || !id_equal(&s->who, &l->node)) continue;
        if (s->sequence > l->count) {
            /* what was signed after this log was given out is of later entries */
            const bool before = is_before(s->time, l->end);
            if (before && (beyond == NULL || s->sequence < beyond->sequence)) beyond = s;
        } else if (!hash_equal(&s->head, &l->line[s->sequence - 1].head)) {
            if (differs == NULL || s->sequence < differs->sequence) differs = s;
        }
    }
    if (differs == NULL && beyond == NULL) return CPIS_OK;
    const struct audit_said *first = differs != NULL ? differs : beyond;
    for (size_t i = 0; i < a->said_count; i++) {
        const struct audit_said *s = &a->said[i];
        if (s->sequence > agreed && s->sequence < first->sequence && s->sequence <= l->count &&
            id_equal(&s->who, &l->node))
            agreed = s->sequence;
    }
    struct audit_finding f = about_said(differs != NULL ? AUDIT_ALTERED : AUDIT_CUT, l, first);
    f.agreed = differs != NULL ? agreed : l->count;
    return audit_find(a, &f);
}

/* Does the log go as far as the moment at which this was signed? Else it says nothing of it. */
static bool reaches(const struct audit_log *l, const struct audit_said *s)
{
    return s->sequence != 0 ? s->sequence <= l->count : is_before(s->time, l->end);
}

static enum audit_fault judge_one(const struct audit_log *l, const struct audit_said *s)
{
    const uint64_t by = s->sequence;
    switch (s->type) {
    case SIGNED_ACK:
        if (line_about(l, LOG_ACCESS, &s->about, by) == NULL) return AUDIT_ACK_UNRECORDED;
        /* what matches nothing is kept whole, and logged once */
        if (s->outcome == ACK_COMPLETED && line_about(l, LOG_DETAILS, &s->about, by) == NULL) {
            const struct audit_line *x = line_about(l, LOG_ACCESS, &s->about, by);
            return x->value == 0 ? AUDIT_ACK_UNDETAILED : AUDIT_NONE;
        }
        return AUDIT_NONE;
    case SIGNED_ANSWER:
        return line_about(l, LOG_ACCESS, &s->about, UINT64_MAX) == NULL ? AUDIT_ANSWER_UNRECORDED
                                                                        : AUDIT_NONE;
    case SIGNED_HEAD:
        return line_about(l, LOG_HEAD_SIGNED, &s->about, by) == NULL ? AUDIT_HEAD_UNLOGGED
                                                                     : AUDIT_NONE;
    case SIGNED_LOOKUP: /* it names the head before its own entry */
        return is_before(s->time, l->end) &&
                       line_about(l, LOG_LOOKUP_SENT, &s->about, UINT64_MAX) == NULL
                   ? AUDIT_LOOKUP_UNLOGGED
                   : AUDIT_NONE;
    case SIGNED_PRESENT:
        return line_about(l, LOG_STORED, &s->about, UINT64_MAX) == NULL ? AUDIT_PRESENT_UNSTORED
                                                                        : AUDIT_NONE;
    default: return AUDIT_NONE;
    }
}

static bool already(const struct audit *a, const struct audit_finding *f)
{
    for (size_t i = 0; i < a->findings; i++) {
        const struct audit_finding *x = &a->finding[i];
        if (x->fault == f->fault && id_equal(&x->who, &f->who) && id_equal(&x->other, &f->other) &&
            hash_equal(&x->about, &f->about))
            return true;
    }
    return false;
}

static cpis_err judge_said(struct audit *a, const struct audit_log *l)
{
    cpis_err err = CPIS_OK;
    for (size_t i = 0; err == CPIS_OK && i < a->said_count; i++) {
        const struct audit_said *s = &a->said[i];
        if (!id_equal(&s->who, &l->node) || !reaches(l, s)) continue;
        const enum audit_fault fault = judge_one(l, s);
        if (fault == AUDIT_NONE) continue;
        struct audit_finding f = about_said(fault, l, s);
        if (!already(a, &f)) err = audit_find(a, &f); /* several hold the same ack */
    }
    return err;
}

/* --- what was signed twice --- */

static int by_place(const void *x, const void *y)
{
    const struct audit_said *a = x, *b = y;
    const int order = id_compare(&a->who, &b->who);
    if (order != 0) return order;
    return (a->sequence > b->sequence) - (a->sequence < b->sequence);
}

/* Is there a log that has an entry of this place? */
static bool has_entry(const struct audit *a, const struct audit_said *s)
{
    for (size_t i = 0; i < a->logs; i++) {
        const struct audit_log *l = &a->log[i];
        if (id_equal(&l->node, &s->who) && is_signed(l) && s->sequence <= l->count) return true;
    }
    return false;
}

/* Where a log reaches, judge_heads says it: one of the two heads is not the log's. */
static cpis_err judge_forks(struct audit *a)
{
    cpis_err err = CPIS_OK;
    if (a->said_count > 1) qsort(a->said, a->said_count, sizeof *a->said, by_place);
    for (size_t i = 1; err == CPIS_OK && i < a->said_count; i++) {
        const struct audit_said *s = &a->said[i], *before = &a->said[i - 1];
        if (s->sequence == 0 || by_place(s, before) != 0 || hash_equal(&s->head, &before->head) ||
            has_entry(a, s))
            continue;
        struct audit_finding f = about_said(AUDIT_FORKED, NULL, s);
        f.about = (struct cpis_hash){{0}}; /* one for each node: the first place tells all */
        if (!already(a, &f)) err = audit_find(a, &f);
    }
    return err;
}

/* --- what directories have stated --- */

static int by_time(const void *x, const void *y)
{
    const struct audit_stated *a = x, *b = y;
    int order = id_compare(&a->directory, &b->directory);
    if (order == 0) order = id_compare(&a->authority, &b->authority);
    if (order != 0) return order;
    if (a->epoch != b->epoch) return a->epoch > b->epoch ? 1 : -1;
    if (a->time != b->time) return a->time > b->time ? 1 : -1;
    return (a->version > b->version) - (a->version < b->version);
}

static bool of_one_list(const struct audit_stated *a, const struct audit_stated *b)
{
    return id_equal(&a->directory, &b->directory) && id_equal(&a->authority, &b->authority) &&
           a->epoch == b->epoch;
}

/* Within one epoch: about a switch a directory may hold an older list in the older one beside. */
static cpis_err judge_stated(struct audit *a)
{
    const struct audit_stated *newest = NULL; /* of those stated before s */
    size_t next = 0;                          /* the first that is not among them */
    cpis_err err = CPIS_OK;
    if (a->stated_count > 1) qsort(a->stated, a->stated_count, sizeof *a->stated, by_time);
    for (size_t i = 0; err == CPIS_OK && i < a->stated_count; i++) {
        const struct audit_stated *s = &a->stated[i];
        if (i == 0 || !of_one_list(s, &a->stated[i - 1])) {
            newest = NULL;
            next = i;
        }
        for (; next < i && is_before(a->stated[next].time, s->time); next++)
            if (newest == NULL || a->stated[next].version > newest->version)
                newest = &a->stated[next];
        if (newest == NULL || s->version >= newest->version) continue;
        const struct audit_finding f = {.fault = AUDIT_ROLLED_BACK,
                                        .who = s->directory,
                                        .other = s->authority,
                                        .file = s->file,
                                        .witness = newest->file,
                                        .type = SIGNED_ABSENT,
                                        .time = s->time,
                                        .entry = s->version,
                                        .found = newest->version,
                                        .about = s->rh};
        if (!already(a, &f)) err = audit_find(a, &f);
    }
    return err;
}

cpis_err audit_judge(struct audit *a)
{
    const size_t before = a->findings;
    cpis_err err = judge_forks(a);
    if (err == CPIS_OK) err = judge_stated(a);
    for (size_t i = 0; err == CPIS_OK && i < a->logs; i++) {
        struct audit_log *l = &a->log[i];
        if (!is_signed(l)) {
            err = audit_find(a, &(struct audit_finding){.fault = AUDIT_UNSIGNED,
                                                        .who = l->node,
                                                        .file = l->file,
                                                        .witness = AUDIT_NO_FILE});
            continue;
        }
        err = sort_log(l);
        if (err == CPIS_OK) err = judge_heads(a, l);
        if (err == CPIS_OK) err = judge_said(a, l);
        if (err == CPIS_OK) err = judge_notifications(a, l);
    }
    if (err != CPIS_OK) a->findings = before; /* half of them would pass for all */
    return err;
}
