#include "node/core/tokens.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum ask_state { NOT_ASKED = 0, ASKED, VERIFYING, ANSWERED, REFUSED };
struct ask { /* one directory of a job, best first */
    struct cpis_id directory;
    enum ask_state state;
    cpis_ms at, took; /* took: until its reply came; VERIFYING, ANSWERED */
};
struct job {
    uint64_t id;
    uint32_t epoch, t;
    size_t m, room;        /* room: for so many numbers */
    bool gathering;        /* nobody has been asked: more may join until the next tick */
    cpis_ms started, next; /* next: when something is to be done without a reply */
    struct ask ask[THRESHOLD_HOLDERS_MAX];
    size_t asks;
    bool over_quota;
    struct threshold_reply reply[THRESHOLD_HOLDERS_MAX]; /* verified; elements in `evaluated` */
    size_t replies;
    bool finished, popped;
    cpis_err err;
    uint8_t *arrays; /* all of these; numbers, blinds and keys are wiped */
    struct nhs_number *numbers;
    struct oprf_scalar *blinds;
    struct oprf_element *blinded, *evaluated; /* evaluated: t * room */
    struct child_keys *keys;
};
struct verifying { /* a reply whose check is put out and not back; its job may be over */
    uint64_t id, job;
    struct cpis_id directory;
    uint32_t index;
};
struct tokens {
    struct links *links;
    struct verifying verifying[WORK_MAX];
    size_t verifying_count;
    struct job *job[TOKENS_JOBS_MAX];
    size_t count;
    uint64_t last_id;
};

cpis_err tokens_new(struct links *links, struct tokens **ret)
{
    struct tokens *t = calloc(1, sizeof *t);
    if (t == NULL) return CPIS_E_NOMEM;
    t->links = links;
    *ret = t;
    return CPIS_OK;
}

static void wipe(void *p, size_t len)
{
    volatile uint8_t *v = p;
    for (size_t i = 0; i < len; i++)
        v[i] = 0;
}

static void job_free(struct job *j)
{
    if (j == NULL) return;
    wipe(j->numbers, j->m * sizeof *j->numbers);
    wipe(j->blinds, j->m * sizeof *j->blinds);
    wipe(j->keys, j->m * sizeof *j->keys);
    free(j->arrays);
    free(j);
}

void tokens_free(struct tokens **p)
{
    if (*p == NULL) return;
    for (size_t i = 0; i < (*p)->count; i++)
        job_free((*p)->job[i]);
    free(*p);
    *p = NULL;
}

static struct job *job_new(size_t room, uint32_t t)
{
    const size_t each = sizeof(struct nhs_number) + sizeof(struct oprf_scalar) +
                        (1 + (size_t)t) * sizeof(struct oprf_element) + sizeof(struct child_keys);
    struct job *j = calloc(1, sizeof *j);
    if (j == NULL) return NULL;
    j->arrays = calloc(room, each);
    if (j->arrays == NULL) {
        free(j);
        return NULL;
    }
    /* all of these are arrays of bytes: no alignment to keep */
    j->room = room;
    j->t = t;
    j->numbers = (struct nhs_number *)j->arrays;
    j->blinds = (struct oprf_scalar *)(j->numbers + room);
    j->blinded = (struct oprf_element *)(j->blinds + room);
    j->evaluated = j->blinded + room;
    j->keys = (struct child_keys *)(j->evaluated + t * room);
    return j;
}
_Static_assert(_Alignof(struct nhs_number) == 1 && _Alignof(struct child_keys) == 1,
               "arrays of bytes share one allocation");

/* One number more, behind those that are there. */
static cpis_err add(struct job *j, struct env *e, const struct nhs_number *number)
{
    uint8_t wide[64], input[THRESHOLD_INPUT_BYTES];
    assert(j->m < j->room);
    drbg_bytes(e->rng, wide, sizeof wide);
    cpis_err err = oprf_scalar_from(wide, &j->blinds[j->m]);
    threshold_input(j->epoch, number->digits, input);
    if (err == CPIS_OK)
        err = oprf_blind_with(OPRF_MODE_VOPRF, input, sizeof input, &j->blinds[j->m],
                              &j->blinded[j->m]);
    wipe(wide, sizeof wide);
    wipe(input, sizeof input);
    if (err == CPIS_OK)
        j->numbers[j->m++] = *number;
    else
        oprf_scalar_wipe(&j->blinds[j->m]);
    return err;
}

static void ask(struct job *j, struct env *e, struct ask *a)
{
    const struct msg_evaluate_request m = {
        .request = j->id,
        .epoch = j->epoch,
        .elements = {j->blinded[0].b, j->m * OPRF_ELEMENT_BYTES},
    };
    a->state = ASKED;
    a->at = e->now;
    EMIT(e, &a->directory, FRAME_EVALUATE_REQUEST, evaluate_request, &m);
}

static void finish(struct job *j, cpis_err err)
{
    j->finished = true;
    j->err = err;
    j->next = CPIS_MS_NEVER;
}

static cpis_ms waits(const struct job *j) { return (j->m + TOKENS_WAIT_PER - 1) / TOKENS_WAIT_PER; }
static cpis_ms reply_wait(const struct job *j) { return waits(j) * TOKENS_REPLY_WAIT; }
static cpis_ms give_up(const struct job *j) { return waits(j) * TOKENS_GIVE_UP; }

/* Keeps as many requests open as replies are wanting; one that is overdue no longer counts as open,
 * one whose reply is being checked does. */
static void ask_enough(struct job *j, struct env *e)
{
    size_t open = 0, overdue = 0;
    cpis_ms next = j->started + give_up(j);
    for (size_t i = 0; i < j->asks; i++) {
        open += j->ask[i].state == VERIFYING;
        if (j->ask[i].state != ASKED) continue;
        if (e->now >= j->ask[i].at + reply_wait(j)) {
            overdue++;
        } else {
            open++;
            next = earlier(next, j->ask[i].at + reply_wait(j));
        }
    }
    for (size_t i = 0; i < j->asks && j->replies + open < j->t; i++) {
        if (j->ask[i].state != NOT_ASKED) continue;
        ask(j, e, &j->ask[i]);
        next = earlier(next, e->now + reply_wait(j));
        open++;
    }
    for (size_t i = 0; i < j->asks && j->replies + open < j->t; i++) { /* lost on the way? */
        if (j->ask[i].state != ASKED || e->now < j->ask[i].at + reply_wait(j)) continue;
        ask(j, e, &j->ask[i]);
        next = earlier(next, e->now + reply_wait(j));
        open++;
        overdue--;
    }
    j->next = next;
    bool out_of_time = e->now >= j->started + give_up(j);
    bool out_of_reach = j->replies + open + overdue < j->t;
    if (out_of_time || out_of_reach) finish(j, j->over_quota ? CPIS_E_LIMIT : CPIS_E_NOTFOUND);
}

/* A job without numbers, not among the others yet. */
static cpis_err job_begin(struct tokens *t, struct env *e, uint32_t epoch, size_t room,
                          struct job **ret)
{
    struct cpis_id order[THRESHOLD_HOLDERS_MAX];
    const struct registry_epoch *ep = registry_epoch(e->registry, epoch);
    if (ep == NULL) return CPIS_E_NOTFOUND;
    if (t->count == TOKENS_JOBS_MAX) return CPIS_E_LIMIT;
    struct job *j = job_new(room, ep->t);
    if (j == NULL) return CPIS_E_NOMEM;
    /* from a random start: a reply to a request of before our start is not taken for one of now */
    if (t->last_id == 0) t->last_id = drbg_below(e->rng, UINT64_MAX / 2);
    j->id = ++t->last_id;
    j->epoch = epoch;
    j->started = e->now;
    j->asks = links_rank(t->links, e, ep, order);
    for (size_t i = 0; i < j->asks; i++)
        j->ask[i] = (struct ask){.directory = order[i]};
    *ret = j;
    return CPIS_OK;
}

cpis_err tokens_start(struct tokens *t, struct env *e, uint32_t epoch,
                      const struct nhs_number *numbers, size_t m, uint64_t *ret_job)
{
    struct job *j = NULL;
    assert(m >= 1 && m <= OPRF_BATCH_MAX);
    cpis_err err = job_begin(t, e, epoch, m, &j);
    for (size_t i = 0; i < m && err == CPIS_OK; i++)
        err = add(j, e, &numbers[i]);
    if (err != CPIS_OK) {
        job_free(j);
        return err;
    }
    t->job[t->count++] = j;
    ask_enough(j, e);
    *ret_job = j->id;
    return CPIS_OK;
}

static void ask_together(struct job *j, struct env *e)
{
    j->gathering = false;
    ask_enough(j, e);
}

static struct job *gathering_in(const struct tokens *t, uint32_t epoch)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->job[i]->gathering && t->job[i]->epoch == epoch) return t->job[i];
    return NULL;
}

cpis_err tokens_join(struct tokens *t, struct env *e, uint32_t epoch,
                     const struct nhs_number *number, uint64_t *ret_job, size_t *ret_place)
{
    struct job *j = gathering_in(t, epoch);
    const bool first = j == NULL;
    cpis_err err = first ? job_begin(t, e, epoch, TOKENS_TOGETHER_MAX, &j) : CPIS_OK;
    if (err == CPIS_OK) err = add(j, e, number);
    if (err != CPIS_OK) {
        if (first) job_free(j);
        return err;
    }
    if (first) {
        j->gathering = true;
        j->next = e->now;
        t->job[t->count++] = j;
    }
    *ret_job = j->id;
    *ret_place = j->m - 1;
    if (j->m == j->room) ask_together(j, e);
    return CPIS_OK;
}

static struct job *find(const struct tokens *t, uint64_t id)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->job[i]->id == id) return t->job[i];
    return NULL;
}

void tokens_release(struct tokens *t, uint64_t job)
{
    for (size_t i = 0; i < t->count; i++) {
        if (t->job[i]->id != job) continue;
        job_free(t->job[i]);
        memmove(&t->job[i], &t->job[i + 1], (t->count - i - 1) * sizeof t->job[0]);
        t->count--;
        return;
    }
}

/* Z, y and the keys of every number, from t verified replies. */
static cpis_err derive_all(struct job *j)
{
    cpis_err err = CPIS_OK;
    for (size_t i = 0; i < j->m && err == CPIS_OK; i++) {
        struct oprf_element z;
        struct oprf_output y;
        uint8_t input[THRESHOLD_INPUT_BYTES];
        threshold_input(j->epoch, j->numbers[i].digits, input);
        err = threshold_combine(j->reply, j->replies, j->t, i, &z);
        if (err == CPIS_OK) err = oprf_finalize(input, sizeof input, &j->blinds[i], &z, &y);
        if (err == CPIS_OK) keys_from_output(&y, j->epoch, &j->keys[i]);
        oprf_output_wipe(&y);
        wipe(input, sizeof input);
    }
    return err;
}

/* Exactly t replies, each verified: fewer would give a wrong y. */
static void go_on(struct job *j, struct env *e)
{
    if (j->replies == j->t)
        finish(j, derive_all(j));
    else
        ask_enough(j, e);
}

/* A wrong share would be a well-formed wrong y, and so a silent false "no flag". */
static void refuse_reply(struct ask *a, struct env *e, uint32_t index)
{
    emit_event(e, EVENT_EVALUATION_WRONG, &a->directory, index);
    a->state = REFUSED;
}

static void take_verified(struct tokens *t, struct job *j, struct env *e, struct ask *a,
                          uint32_t index, const struct work *w)
{
    struct oprf_element *to = j->evaluated + j->replies * j->room;
    if (w->err != CPIS_OK) {
        refuse_reply(a, e, index);
        return;
    }
    memcpy(to, w->evaluated, j->m * sizeof *to);
    j->reply[j->replies++] =
        (struct threshold_reply){.index = index, .evaluated = to, .proof = w->proof};
    a->state = ANSWERED;
    links_answered(t->links, &a->directory, a->took);
}

static void put_out(struct tokens *t, const struct job *j, struct env *e, struct ask *a,
                    uint32_t index, struct work *w)
{
    w->id = ++t->last_id;
    t->verifying[t->verifying_count++] = (struct verifying){w->id, j->id, a->directory, index};
    a->state = VERIFYING;
    emit_work(e, w);
}

/* Of the directory with this index in the epoch, and of the right length. */
static void verify(struct tokens *t, struct job *j, struct env *e, struct ask *a,
                   const struct registry_epoch *ep, const struct msg_evaluate_reply *m)
{
    struct work *w = arena_take(e->scratch, sizeof *w);
    if (w == NULL) {
        emit_failure(e);
        return;
    }
    assert(m->index >= 1 && m->index <= ep->public_shares.n);
    w->type = WORK_VERIFY;
    w->count = j->m;
    w->public_share = ep->public_shares.k[m->index - 1];
    w->proof = m->proof;
    memcpy(w->blinded, j->blinded, j->m * sizeof w->blinded[0]);
    memcpy(w->evaluated, m->elements.p, m->elements.len);
    if (e->workers && t->verifying_count < WORK_MAX) {
        put_out(t, j, e, a, m->index, w);
        return;
    }
    work_do(w);
    take_verified(t, j, e, a, m->index, w);
}

static struct ask *ask_of(struct job *j, const struct cpis_id *directory, enum ask_state state)
{
    for (size_t i = 0; i < j->asks; i++)
        if (id_equal(&j->ask[i].directory, directory) && j->ask[i].state == state)
            return &j->ask[i];
    return NULL;
}

void tokens_recv_reply(struct tokens *t, struct env *e, const struct cpis_id *directory,
                       const struct msg_evaluate_reply *m)
{
    struct job *j = find(t, m->request);
    const struct registry_epoch *ep = j == NULL ? NULL : registry_epoch(e->registry, j->epoch);
    struct ask *a = j == NULL ? NULL : ask_of(j, directory, ASKED);
    if (ep == NULL || a == NULL || j->finished || m->epoch != j->epoch) {
        emit_event(e, EVENT_NOT_EXPECTED, directory, 0);
        return;
    }
    const uint32_t index = registry_index_of(ep, directory);
    a->took = e->now - a->at;
    if (m->refused != REFUSAL_NONE) {
        j->over_quota |= m->refused == REFUSAL_QUOTA;
        a->state = REFUSED;
    } else if (index == 0 || m->index != index || m->elements.len != j->m * OPRF_ELEMENT_BYTES) {
        refuse_reply(a, e, m->index);
    } else {
        verify(t, j, e, a, ep, m);
    }
    go_on(j, e);
}

static bool take_verifying(struct tokens *t, uint64_t id, struct verifying *ret)
{
    for (size_t i = 0; i < t->verifying_count; i++) {
        if (t->verifying[i].id != id) continue;
        *ret = t->verifying[i];
        t->verifying[i] = t->verifying[--t->verifying_count];
        return true;
    }
    return false;
}

void tokens_recv_work(struct tokens *t, struct env *e, const struct work *w)
{
    struct verifying v;
    if (!take_verifying(t, w->id, &v)) {
        emit_event(e, EVENT_NOT_EXPECTED, NULL, 0);
        return;
    }
    struct job *j = find(t, v.job);
    if (j == NULL || j->finished) return; /* others were quicker, or it was given up */
    struct ask *a = ask_of(j, &v.directory, VERIFYING);
    assert(a != NULL);
    take_verified(t, j, e, a, v.index, w);
    go_on(j, e);
}

void tokens_tick(struct tokens *t, struct env *e)
{
    for (size_t i = 0; i < t->count; i++) {
        struct job *j = t->job[i];
        if (j->finished || e->now < j->next) continue;
        if (j->gathering) {
            ask_together(j, e);
            continue;
        }
        for (size_t k = 0; k < j->asks; k++)
            if (j->ask[k].state == ASKED && e->now >= j->ask[k].at + reply_wait(j))
                links_answered(t->links, &j->ask[k].directory, CPIS_MS_NEVER);
        ask_enough(j, e);
    }
}

cpis_ms tokens_deadline(const struct tokens *t)
{
    cpis_ms next = CPIS_MS_NEVER;
    for (size_t i = 0; i < t->count; i++)
        next = earlier(next, t->job[i]->next);
    return next;
}

bool tokens_pop(struct tokens *t, struct tokens_done *ret)
{
    for (size_t i = 0; i < t->count; i++) {
        struct job *j = t->job[i];
        if (!j->finished || j->popped) continue;
        j->popped = true;
        *ret = (struct tokens_done){.job = j->id,
                                    .err = j->err,
                                    .epoch = j->epoch,
                                    .m = j->m,
                                    .numbers = j->numbers,
                                    .keys = j->keys,
                                    .blinds = j->blinds,
                                    .blinded = j->blinded,
                                    .replies = j->reply,
                                    .replies_count = j->replies};
        for (size_t k = 0, u = 0; k < j->asks; k++)
            if (j->ask[k].state == ANSWERED) ret->used[u++] = j->ask[k].directory;
        return true;
    }
    return false;
}
