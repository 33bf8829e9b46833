#define _GNU_SOURCE /* CPU_COUNT */
#include "node/net/workers.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* A batch waits for no more pieces of few elements than this that come after it: or lookups that
 * never end would keep a list from being published. */
#define BATCH_BEHIND 64U

enum state { FREE = 0, WAITING, UNDER_WAY, DONE };
struct slot {
    enum state state;
    bool dropped;   /* UNDER_WAY: nobody waits for it any more */
    uint64_t order; /* in which it is done; DONE: in which it was */
    struct work work;
};
struct workers {
    pthread_mutex_t
        lock; /* of all that follows but `thread`, and of slots that are not UNDER_WAY */
    pthread_cond_t given;
    bool stop;
    size_t waiting;
    unsigned running; /* threads that have something UNDER_WAY */
    uint64_t last_given, last_done;
    struct slot *slot; /* sodium_malloc; NULL: there are no threads */
    size_t slots;
    int done;  /* an eventfd, readable while something may be DONE */
    bool told; /* it is readable */
    unsigned threads;
    pthread_t thread[WORKERS_MAX];
};

unsigned workers_count(unsigned most)
{
    cpu_set_t set;
    const unsigned have =
        sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
    const unsigned of_use = have > 2 ? have - 1 : 1;
    return of_use < most ? of_use : most;
}

static void lock(struct workers *w)
{
    int rc = pthread_mutex_lock(&w->lock);
    assert(rc == 0);
    (void)rc;
}
static void unlock(struct workers *w)
{
    int rc = pthread_mutex_unlock(&w->lock);
    assert(rc == 0);
    (void)rc;
}

/* Of those with at most so many elements. NULL: there is none. */
static struct slot *oldest(const struct workers *w, enum state state, size_t elements)
{
    struct slot *best = NULL;
    for (size_t i = 0; i < w->slots; i++)
        if (w->slot[i].state == state && w->slot[i].work.count <= elements &&
            (best == NULL || w->slot[i].order < best->order))
            best = &w->slot[i];
    return best;
}

static void empty(struct slot *s)
{
    oprf_scalar_wipe(&s->work.share); /* nothing else in it is secret */
    s->work.count = 0;
    s->state = FREE;
    s->dropped = false;
}

/* Within the lock, which is open meanwhile. */
static void do_slot(struct workers *w, struct slot *s)
{
    s->state = UNDER_WAY;
    w->waiting--;
    unlock(w);
    work_do(&s->work);
    lock(w);
    s->state = DONE;
    s->order = ++w->last_done;
    if (s->dropped) empty(s);
}

/* --- a thread --- */

static void tell(struct workers *w)
{
    const uint64_t one = 1;
    if (!w->told) w->told = write(w->done, &one, sizeof one) == (ssize_t)sizeof one;
    assert(w->told); /* an eventfd of 0 takes a 1 */
}

static void quiet(struct workers *w)
{
    uint64_t count;
    if (w->told) w->told = read(w->done, &count, sizeof count) != (ssize_t)sizeof count;
    assert(!w->told);
}

static void *run(void *arg)
{
    struct workers *w = arg;
    lock(w);
    while (!w->stop) {
        struct slot *s = oldest(w, WAITING, OPRF_BATCH_MAX);
        if (s == NULL) {
            (void)pthread_cond_wait(&w->given, &w->lock);
            continue;
        }
        w->running++;
        do_slot(w, s);
        w->running--;
        if (s->state == DONE) tell(w);
    }
    unlock(w);
    return NULL;
}

/* --- the loop's --- */

static cpis_err start(struct workers *w, unsigned threads)
{
    w->slots = WORK_MAX + threads; /* a node's, and those that another has left under way */
    w->slot = sodium_allocarray(w->slots, sizeof *w->slot);
    if (w->slot == NULL) return CPIS_E_NOMEM;
    for (size_t i = 0; i < w->slots; i++)
        empty(&w->slot[i]);
    for (; w->threads < threads; w->threads++)
        if (pthread_create(&w->thread[w->threads], NULL, run, w) != 0) return CPIS_E_IO;
    return CPIS_OK;
}

cpis_err workers_new(unsigned threads, struct workers **ret)
{
    struct workers *w = calloc(1, sizeof *w);
    cpis_err err = CPIS_OK;
    assert(threads <= WORKERS_MAX);
    if (w == NULL) return CPIS_E_NOMEM;
    (void)pthread_mutex_init(&w->lock, NULL);
    (void)pthread_cond_init(&w->given, NULL);
    w->done = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (w->done < 0) err = CPIS_E_IO;
    if (err == CPIS_OK && threads > 0) err = start(w, threads);
    if (err == CPIS_OK)
        *ret = w;
    else
        workers_free(&w);
    return err;
}

void workers_free(struct workers **p)
{
    struct workers *w = *p;
    if (w == NULL) return;
    lock(w);
    w->stop = true;
    (void)pthread_cond_broadcast(&w->given);
    unlock(w);
    for (unsigned i = 0; i < w->threads; i++)
        (void)pthread_join(w->thread[i], NULL);
    sodium_free(w->slot); /* wipes */
    if (w->done >= 0) (void)close(w->done);
    (void)pthread_cond_destroy(&w->given);
    (void)pthread_mutex_destroy(&w->lock);
    free(w);
    *p = NULL;
}

unsigned workers_threads(const struct workers *w) { return w->threads; }

void workers_give(struct workers *w, struct work *work)
{
    lock(w);
    struct slot *s = oldest(w, FREE, 0);
    assert(s != NULL);
    work_copy(work, &s->work);
    oprf_scalar_wipe(&work->share);
    s->order = ++w->last_given + (work->count <= WORK_FEW ? 0 : BATCH_BEHIND);
    s->state = WAITING;
    w->waiting++;
    (void)pthread_cond_signal(&w->given);
    unlock(w);
}

bool workers_take(struct workers *w, struct work *ret)
{
    if (w->threads == 0) return false;
    lock(w);
    struct slot *s = oldest(w, DONE, OPRF_BATCH_MAX);
    if (s != NULL) {
        work_copy(&s->work, ret);
        empty(s);
    } else {
        quiet(w);
    }
    unlock(w);
    return s != NULL;
}

void workers_drop(struct workers *w)
{
    lock(w);
    for (size_t i = 0; i < w->slots; i++) {
        struct slot *s = &w->slot[i];
        if (s->state == WAITING) w->waiting--;
        if (s->state == UNDER_WAY)
            s->dropped = true;
        else if (s->state != FREE)
            empty(s);
    }
    unlock(w);
}

bool workers_help(struct workers *w)
{
    if (w->threads == 0) return false;
    lock(w);
    const bool all_busy = w->waiting > w->threads - w->running;
    struct slot *s = all_busy ? oldest(w, WAITING, WORK_FEW) : NULL;
    if (s != NULL) do_slot(w, s);
    unlock(w);
    return s != NULL;
}

int workers_fd(const struct workers *w) { return w->done; }
