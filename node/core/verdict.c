#include "node/core/verdict.h"

#include <assert.h>
#include <string.h>

const char *verdict_name(enum verdict_kind k)
{
    switch (k) {
    case VERDICT_FLAG: return "flag";
    case VERDICT_DETAILS_TO_FOLLOW: return "flag_details_to_follow";
    case VERDICT_NO_FLAG: return "no_flag";
    case VERDICT_INCOMPLETE: return "incomplete";
    case VERDICT_UNKNOWN: return "unknown";
    }
    return "unknown";
}

const char *verdict_reason_text(enum verdict_reason r)
{
    switch (r) {
#define CPIS_X(name, text)                                                                         \
    case name: return text;
        CPIS_VERDICT_REASONS(CPIS_X)
#undef CPIS_X
    case REASON_COUNT: break;
    }
    return "";
}

/* For each search t of its absences, as a mask over its statements; 0: it has too few. */
struct choice {
    uint32_t of[SEARCHES_MAX];
};
/* What a choice of absences says about one counted authority. */
struct finding {
    bool holds;   /* its condition, in all t states */
    bool lagging; /* fails in some state only, or behind what was known: asking again may mend it */
    bool behind;  /* in some state its list is older than one known before */
    bool searched;      /* some list was searched in every one of the t states */
    bool notice;        /* it is its notice that covers it */
    bool before;        /* it holds in the epoch before only */
    uint64_t oldest;    /* list time, over the t states; 0: a state without a list */
    enum named_why why; /* when it does not hold: the worst over the t states */
};

/* Registers, heads and floors all rise by authority id: one pass over all authorities walks through
 * each of them once. */
struct walk {
    size_t head[SEARCHES_MAX][STATEMENTS_MAX], floor;
};

static const struct judged_head *head_of(const struct judged_statement *s, const struct cpis_id *id,
                                         size_t *at)
{
    while (*at < s->heads_count && id_compare(&s->heads[*at].authority, id) < 0)
        ++*at;
    bool there = *at < s->heads_count && id_equal(&s->heads[*at].authority, id);
    return there ? &s->heads[*at] : NULL;
}

static uint64_t floor_of(const struct evidence *ev, const struct cpis_id *id, size_t *at)
{
    while (*at < ev->floors_count && id_compare(&ev->floors[*at].authority, id) < 0)
        ++*at;
    bool there = *at < ev->floors_count && id_equal(&ev->floors[*at].authority, id);
    return there ? ev->floors[*at].version : 0;
}

/* Does this authority hold in this one state? 0: yes; else why not. */
static int check_head(const struct evidence *ev, const struct registry_node *a, uint64_t floor,
                      const struct judged_head *h, bool *ret_notice)
{
    *ret_notice = false;
    if (h == NULL || !h->verified) return NAMED_NO_LIST;
    if (h->version < floor) return NAMED_ROLLED_BACK;
    if (is_future(h->time, ev->wall)) return NAMED_FUTURE;
    if (h->time >= ev->wall || ev->wall - h->time <= registry_head_age(ev->registry)) return 0;
    const struct registry_notice *n = registry_notice(ev->registry, &a->id, ev->wall);
    *ret_notice = n != NULL && h->time >= n->list_time;
    return *ret_notice ? 0 : NAMED_STALE;
}

static struct finding find_in(const struct evidence *ev, size_t search,
                              const struct registry_node *a, uint32_t chosen, struct walk *w)
{
    const struct judged_search *s = &ev->searches[search];
    const uint64_t floor = floor_of(ev, &a->id, &w->floor);
    struct finding f = {.holds = true, .searched = true, .oldest = UINT64_MAX};
    size_t good = 0;
    if (chosen == 0) return (struct finding){.why = NAMED_NO_LIST}; /* no word is no evidence */
    for (size_t i = 0; i < s->statements_count; i++) {
        if ((chosen & (1U << i)) == 0) continue;
        const struct judged_head *h = head_of(&s->statements[i], &a->id, &w->head[search][i]);
        bool notice;
        int why = check_head(ev, a, floor, h, &notice);
        if (why == 0) good++;
        if (why != 0 && (f.holds || (enum named_why)why < f.why)) f.why = (enum named_why)why;
        if (why != 0) f.holds = false;
        f.behind |= why == NAMED_ROLLED_BACK;
        f.notice |= notice;
        f.searched &= h != NULL && h->verified;
        f.oldest = h != NULL && h->verified && h->time < f.oldest ? h->time : f.oldest;
    }
    if (!f.searched) f.oldest = 0;
    f.lagging = !f.holds && (good > 0 || f.behind);
    return f;
}

/* An authority holds if it does in one search: each is t directories' word over its signed list,
 * not older than the highest version known in any epoch. Else the search that says more stands. */
static struct finding find_authority(const struct evidence *ev, const struct registry_node *a,
                                     const struct choice *c, struct walk *w)
{
    struct finding f = find_in(ev, 0, a, c->of[0], w);
    for (size_t i = 1; i < ev->searches_count && !f.holds; i++) {
        struct finding other = find_in(ev, i, a, c->of[i], w);
        const bool lagging = f.lagging || other.lagging;
        other.before = other.holds;
        if (other.holds || (other.searched && !f.searched)) f = other;
        f.lagging = !f.holds && lagging;
    }
    return f;
}

/* to NULL: it is only counted. */
static void describe(struct named_authority *to, size_t *count, const struct registry_node *n,
                     enum named_why why, uint64_t list_time)
{
    const size_t at = (*count)++;
    if (to == NULL) return;
    to[at] = (struct named_authority){.id = n->id, .why = why, .list_time = list_time};
    memcpy(to[at].code, n->d.code, sizeof to->code);
    memcpy(to[at].name, n->d.name, sizeof to->name);
    memcpy(to[at].emergency, n->d.emergency, sizeof to->emergency);
    memcpy(to[at].office, n->d.office, sizeof to->office);
}

static void describe_expected(struct named_authority *to, size_t *count,
                              const struct msg_register_expected *x)
{
    const size_t at = (*count)++;
    if (to == NULL) return;
    to[at] = (struct named_authority){.why = NAMED_EXPECTED};
    memcpy(to[at].code, x->code, sizeof to->code);
    memcpy(to[at].name, x->name, sizeof to->name);
    memcpy(to[at].emergency, x->emergency, sizeof to->emergency);
    memcpy(to[at].office, x->office, sizeof to->office);
}

static const struct judged_answer *answer_of(const struct evidence *ev, const struct cpis_id *id)
{
    for (size_t i = 0; i < ev->answers_count; i++)
        if (id_equal(&ev->answers[i].authority, id)) return &ev->answers[i];
    return NULL;
}

/* Section 10: a valid presence stands until that authority's opened answer for rh has status 2 and
 * a head version not below the proof's. Of one that is suspended or revoked the key may be in other
 * hands: its word alone takes no child's flag away. */
static bool stands(const struct evidence *ev, const struct judged_presence *p,
                   const struct judged_answer *a)
{
    if (a == NULL || a->status != ANSWER_NONE_NOW || a->head_version < p->head_version) return true;
    const struct registry_node *n = registry_node(ev->registry, &p->authority);
    return n == NULL || !registry_in_force(n) || n->state == NODE_SUSPENDED;
}

static bool opens(const struct judged_answer *a)
{
    return a != NULL && (a->status == ANSWER_FLAGS || a->status == ANSWER_CONTACT_ONLY);
}

/* FLAG or DETAILS TO FOLLOW when a presence stands; false: none does. */
static bool judge_presences(const struct evidence *ev, struct verdict *v)
{
    size_t standing = 0, opened = 0;
    for (size_t i = 0; i < ev->presences_count; i++) {
        const struct judged_presence *p = &ev->presences[i];
        const struct judged_answer *a = answer_of(ev, &p->authority);
        if (!stands(ev, p, a)) continue;
        standing++;
        if (opens(a)) {
            opened++;
            continue;
        }
        const struct registry_node *n = registry_node_ever(ev->registry, &p->authority);
        const bool refused = a != NULL && a->status == ANSWER_REFUSED;
        if (n != NULL)
            describe(v->pending, &v->pending_count, n, refused ? NAMED_REFUSED : NAMED_PENDING, 0);
    }
    if (standing == 0) return false;
    v->kind = opened > 0 ? VERDICT_FLAG : VERDICT_DETAILS_TO_FOLLOW;
    v->as_of = ev->wall;
    return true;
}

static void note(struct verdict *v, const struct registry_node *n, enum named_why why,
                 const struct finding *f)
{
    describe(v->notes, &v->notes_count, n, why, f->oldest);
}

/* One authority whose list is searched, for one choice of absences. */
static void judge_authority(const struct evidence *ev, const struct registry_node *n,
                            const struct choice *c, struct walk *w, struct verdict *v)
{
    const struct finding f = find_authority(ev, n, c, w);
    v->expected++;
    v->asked += f.searched;
    if (!registry_is_counted(n)) {
        note(v, n, NAMED_JOINING, &f);
        return;
    }
    v->lagging |= f.lagging;
    if (!f.holds) {
        describe(v->unconfirmed, &v->unconfirmed_count, n, f.why, f.oldest);
        return;
    }
    if (!f.notice && f.oldest < v->as_of) v->as_of = f.oldest;
    if (f.notice)
        note(v, n, NAMED_NOTICE, &f);
    else if (n->state == NODE_SUSPENDED)
        note(v, n, NAMED_SUSPENDED, &f);
    else if (f.before)
        note(v, n, NAMED_EPOCH, &f);
    else if (f.oldest + LIST_OLD < ev->wall)
        note(v, n, NAMED_OLD, &f);
}

/* Fills the verdict for one choice of absences, and its lists of authorities where there is room
 * for them; returns how many counted authorities fail. */
static size_t judge_absences(const struct evidence *ev, const struct choice *c, struct verdict *v)
{
    struct walk w = {{{0}}, 0};
    v->unconfirmed_count = v->notes_count = 0;
    v->asked = v->expected = 0;
    v->as_of = UINT64_MAX;
    v->lagging = false;
    for (size_t i = 0; i < registry_role_count(ev->registry, ROLE_AUTHORITY); i++) {
        const struct registry_node *n = registry_role_at(ev->registry, ROLE_AUTHORITY, i);
        if (registry_is_searched(n)) judge_authority(ev, n, c, &w, v);
    }
    for (size_t i = 0; i < registry_expected_count(ev->registry); i++)
        describe_expected(v->notes, &v->notes_count, registry_expected_at(ev->registry, i));
    v->expected += (uint32_t)registry_expected_count(ev->registry);
    if (v->as_of == UINT64_MAX) v->as_of = 0; /* nothing but lists under notice */
    v->kind = v->unconfirmed_count == 0 ? VERDICT_NO_FLAG : VERDICT_INCOMPLETE;
    v->reason = v->unconfirmed_count == 0 ? REASON_NONE : REASON_AUTHORITIES;
    return v->unconfirmed_count;
}

static uint32_t bit_count(uint32_t v)
{
    uint32_t n = 0;
    for (; v != 0; v &= v - 1)
        n++;
    return n;
}

/* Statements that may be part of a choice of t: absences whose state is known head by head. */
static uint32_t usable(const struct judged_search *search)
{
    uint32_t mask = 0;
    for (size_t i = 0; i < search->statements_count; i++) {
        const struct judged_statement *s = &search->statements[i];
        assert(s->index >= 1 && s->index <= STATEMENTS_MAX);
        for (size_t k = 0; k < i; k++)
            assert(search->statements[k].index != s->index); /* one index counted twice: never */
        if (s->absent && s->heads_known) mask |= 1U << i;
    }
    return mask;
}

static bool counts_somebody(const struct registry *r)
{
    for (size_t i = 0; i < registry_role_count(r, ROLE_AUTHORITY); i++)
        if (registry_is_counted(registry_role_at(r, ROLE_AUTHORITY, i))) return true;
    return false;
}

/* Names those that the judgement counted; mostly there are none. */
static cpis_err name_them(const struct evidence *ev, const struct choice *c, struct arena *a,
                          struct verdict *v)
{
    if (v->unconfirmed_count + v->notes_count == 0) return CPIS_OK;
    v->unconfirmed = arena_take(a, v->unconfirmed_count * sizeof *v->unconfirmed);
    v->notes = arena_take(a, v->notes_count * sizeof *v->notes);
    if (v->unconfirmed == NULL || v->notes == NULL) return CPIS_E_NOMEM;
    (void)judge_absences(ev, c, v);
    return CPIS_OK;
}

/* "Judged over any t statements": the choice under which the fewest authorities fail; in the first
 * search, then in the second for those that are left. */
static cpis_err choose_absences(const struct evidence *ev, struct arena *a, struct verdict *v)
{
    struct choice best = {{0}};
    size_t fewest = SIZE_MAX;
    for (size_t i = 0; i < ev->searches_count && fewest > 0; i++) {
        const uint32_t mask = usable(&ev->searches[i]);
        struct choice c = best;
        for (uint32_t chosen = mask; chosen != 0 && fewest > 0; chosen = (chosen - 1) & mask) {
            if (bit_count(chosen) != ev->searches[i].t) continue;
            c.of[i] = chosen;
            size_t failing = judge_absences(ev, &c, v);
            bool better = failing < fewest || (failing == fewest && best.of[i] == 0);
            if (!better) continue;
            fewest = failing;
            best = c;
        }
    }
    assert(best.of[0] != 0);
    if (fewest > 0) (void)judge_absences(ev, &best, v); /* else it was the last one judged */
    return name_them(ev, &best, a, v);
}

static bool is_searched_in(const struct judged_search *s, const struct cpis_id *authority,
                           size_t at[static STATEMENTS_MAX])
{
    size_t known = 0, there = 0;
    for (size_t i = 0; i < s->statements_count; i++) {
        if (!s->statements[i].heads_known) continue;
        const struct judged_head *h = head_of(&s->statements[i], authority, &at[i]);
        known++;
        there += h != NULL && h->verified;
    }
    return known > 0 && there == known;
}

/* Beside verdicts that rest on no absences: how many lists every known state holds, of how many. */
static void count_searched(const struct evidence *ev, struct verdict *v)
{
    struct walk w = {{{0}}, 0};
    v->asked = 0;
    v->expected = (uint32_t)registry_expected_count(ev->registry);
    for (size_t i = 0; i < registry_role_count(ev->registry, ROLE_AUTHORITY); i++) {
        const struct registry_node *n = registry_role_at(ev->registry, ROLE_AUTHORITY, i);
        bool searched = false;
        if (!registry_is_searched(n)) continue;
        v->expected++;
        for (size_t k = 0; k < ev->searches_count; k++)
            searched |= is_searched_in(&ev->searches[k], &n->id, w.head[k]);
        v->asked += searched;
    }
}

bool verdict_lacks_statements(const struct evidence *ev)
{
    return ev->trust != REGISTER_STALE && ev->presences_count == 0 &&
           counts_somebody(ev->registry) && bit_count(usable(&ev->searches[0])) < ev->searches[0].t;
}

cpis_err verdict_judge(const struct evidence *ev, struct arena *a, struct verdict *ret)
{
    struct verdict v = {.kind = VERDICT_UNKNOWN, .as_of = ev->wall};
    cpis_err err = CPIS_OK;
    assert(ev->searches_count >= 1 && ev->searches_count <= SEARCHES_MAX);
    for (size_t i = 0; i < ev->searches_count; i++)
        assert(ev->searches[i].statements_count <= STATEMENTS_MAX && ev->searches[i].t >= 1);
    v.pending = arena_take(a, ev->presences_count * sizeof *v.pending);
    if (v.pending == NULL) return CPIS_E_NOMEM;
    if (ev->trust == REGISTER_STALE) {
        v.reason = REASON_REGISTER;
    } else if (judge_presences(ev, &v)) {
        v.reason = REASON_NONE;
    } else if (!counts_somebody(ev->registry)) {
        v.reason = REASON_NO_AUTHORITY;
    } else if (bit_count(usable(&ev->searches[0])) >= ev->searches[0].t) {
        err = choose_absences(ev, a, &v);
        if (err == CPIS_OK) *ret = v;
        return err;
    } else {
        v.reason = ev->presences_count > 0 ? REASON_LIST_CHANGING : REASON_STATEMENTS;
        v.lagging = true;
    }
    count_searched(ev, &v);
    *ret = v;
    return CPIS_OK;
}
