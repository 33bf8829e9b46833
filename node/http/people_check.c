/* The thread that checks passwords, so that the loop never stands still for one. Every attempt,
 * right, wrong, or of nobody, takes the same steps: a read, one password of the same cost, one
 * durable write. So neither the time nor the words of an answer say what was wrong. */
#include "node/http/people_int.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

const char *denial_text(enum denial r)
{
    switch (r) {
    case DENIAL_NONE: return "";
    case DENIAL_NAME: return "there is no such account";
    case DENIAL_PASSWORD: return "wrong password";
    case DENIAL_CODE: return "wrong code, or one that was used before";
    case DENIAL_PAUSED: return "the account pauses after failures";
    case DENIAL_ADDRESS_PAUSED: return "the address pauses after failures";
    case DENIAL_LOCKED: return "the account is locked: cpis accounts unlock";
    case DENIAL_NO_CODE: return "the account has no second factor: cpis accounts totp";
    case DENIAL_STALE: return "its first password is too old: cpis accounts password";
    case DENIAL_PROXY: return "the account is for the proxy's header alone";
    case DENIAL_ROLE: return "its role is none of this node: cpis accounts role";
    case DENIAL_CHANGED: return "a command has just changed the account";
    }
    return "";
}

void attempt_free(struct attempt **p)
{
    if (*p != NULL) sodium_memzero(*p, sizeof **p);
    free(*p);
    *p = NULL;
}

/* --- one attempt --- */

struct judging {
    const struct checker *c;
    struct attempt *a;
    bool right;                        /* the password, for this hash: */
    char checked[PASSWORD_HASH_BYTES]; /* "": of nobody */
    char renewed[PASSWORD_HASH_BYTES]; /* of the new password */
};

static void browser_of(const struct accounts *all, const struct account *x,
                       uint8_t ret[static HASH_BYTES])
{
    static const char label[] = "cpis/browser";
    crypto_generichash_state h;
    (void)crypto_generichash_init(&h, all->key, sizeof all->key, HASH_BYTES);
    (void)crypto_generichash_update(&h, (const uint8_t *)label, sizeof label);
    (void)crypto_generichash_update(&h, (const uint8_t *)x->name, sizeof x->name);
    (void)crypto_generichash_update(&h, x->stamp, sizeof x->stamp);
    (void)crypto_generichash_final(&h, ret, HASH_BYTES);
    sodium_memzero(&h, sizeof h);
}

static enum account_door door_of(const struct accounts *all, const struct account *x,
                                 const struct attempt *a)
{
    uint8_t browser[HASH_BYTES];
    bool known = false;
    browser_of(all, x, browser);
    for (size_t i = 0; i < a->browsers_count; i++)
        known |= sodium_memcmp(a->browsers[i], browser, sizeof browser) == 0;
    if (known) return DOOR_BROWSER;
    return account_has_place(x, a->address) ? DOOR_PLACE : DOOR_STRANGER;
}

static bool address_pauses(struct accounts *all, const struct attempt *a)
{
    const struct failures *f =
        a->address[0] != '\0' ? accounts_address(all, a->address, false) : NULL;
    return f != NULL && failures_until(f, FAILURES_FREE_ADDRESS, a->wall) != 0;
}

static enum denial judge(const struct judging *j, const struct account *x, uint64_t step)
{
    const struct attempt *a = j->a;
    if (x->proxy) return DENIAL_PROXY;
    if (strcmp(x->hash, j->checked) != 0) return DENIAL_CHANGED;
    if (!j->right) return DENIAL_PASSWORD;
    if (a->kind == ATTEMPT_LOGIN) {
        if (x->has_totp && step == 0) return DENIAL_CODE;
        if (!x->has_totp && j->c->second_factor) return DENIAL_NO_CODE;
        if (account_is_stale(x, a->wall)) return DENIAL_STALE;
    }
    if (x->locked) return DENIAL_LOCKED;
    if (account_roles_fault(x->roles, x->looks, j->c->role) != NULL) return DENIAL_ROLE;
    return DENIAL_NONE;
}

static void count_failure(struct accounts *all, struct account *x, enum account_door door,
                          struct attempt *a)
{
    struct failures *f = a->address[0] != '\0' ? accounts_address(all, a->address, true) : NULL;
    if (f != NULL) {
        failures_add(f, FAILURES_FORGET_ADDRESS, a->wall);
        a->pause = f->count == FAILURES_FREE_ADDRESS;
    }
    if (x == NULL) return;
    f = &x->failures[door];
    failures_add(f, FAILURES_FORGET_ACCOUNT, a->wall);
    a->pause |= failures_until(f, FAILURES_FREE_ACCOUNT, a->wall) != 0;
}

static void let_in(const struct accounts *all, struct account *x, enum account_door door,
                   uint64_t step, const struct judging *j)
{
    struct attempt *a = j->a;
    x->failures[door] = (struct failures){.count = 0};
    if (a->kind == ATTEMPT_PASSWORD) {
        memcpy(x->hash, j->renewed, sizeof x->hash);
        x->must_change = false;
        x->password_set = a->wall;
        account_stamp_keygen(x);
    } else {
        x->last_login = a->wall;
        if (step != 0) x->totp_last = step;
        account_add_place(x, a->address);
    }
    a->account = *x;
    browser_of(all, x, a->browser);
}

/* accounts_change_fn: all that is decided is decided here, while nobody else may write. */
static cpis_err apply(struct accounts *all, void *arg, char why[static ACCOUNTS_WHY_BYTES])
{
    static const uint8_t no_secret[TOTP_SECRET_BYTES] = {0};
    struct judging *j = arg;
    struct attempt *a = j->a;
    struct account *x = accounts_find(all, a->name);
    const bool coded = x != NULL && x->has_totp;
    const uint64_t step =
        totp_check(coded ? x->totp : no_secret, a->code, a->wall, coded ? x->totp_last : 0);
    const enum account_door door = x == NULL ? DOOR_STRANGER : door_of(all, x, a);
    (void)why;
    if (x != NULL && failures_until(&x->failures[door], FAILURES_FREE_ACCOUNT, a->wall) != 0)
        a->denial = DENIAL_PAUSED;
    else if (door == DOOR_STRANGER && address_pauses(all, a))
        a->denial = DENIAL_ADDRESS_PAUSED;
    else if (x == NULL)
        a->denial = DENIAL_NAME;
    else
        a->denial = judge(j, x, step);
    const bool tried = a->denial != DENIAL_PAUSED && a->denial != DENIAL_ADDRESS_PAUSED &&
                       a->denial != DENIAL_CHANGED;
    if (a->denial == DENIAL_NONE)
        let_in(all, x, door, coded ? step : 0, j);
    else if (tried)
        count_failure(all, x, door, a);
    if (x != NULL) memcpy(a->account.name, x->name, sizeof x->name);
    return CPIS_OK;
}

/* accounts_change_fn: the same password under today's limits. */
static cpis_err renew(struct accounts *all, void *arg, char why[static ACCOUNTS_WHY_BYTES])
{
    const struct judging *j = arg;
    struct account *x = accounts_find(all, j->a->name);
    (void)why;
    if (x == NULL || strcmp(x->hash, j->checked) != 0) return CPIS_E_STATE;
    memcpy(x->hash, j->renewed, sizeof x->hash);
    return CPIS_OK;
}

/* CPIS_OK: j->right says. Else nobody knows. */
static cpis_err check_password(const struct checker *c, struct judging *j)
{
    struct accounts *all = NULL;
    struct attempt *a = j->a;
    cpis_err err = accounts_read(c->dir, &all, a->why);
    if (err != CPIS_OK) return err;
    const struct account *x = accounts_find(all, a->name);
    if (x != NULL) memcpy(j->checked, x->hash, sizeof j->checked);
    accounts_free(&all);
    err = password_check(j->checked[0] != '\0' ? j->checked : c->nobody, a->password);
    j->right = err == CPIS_OK && j->checked[0] != '\0';
    if (err == CPIS_E_AUTH) err = CPIS_OK;
    if (err == CPIS_OK && j->right && a->kind == ATTEMPT_PASSWORD)
        err = password_hash(a->new_password, &c->limits, j->renewed);
    if (err != CPIS_OK) (void)snprintf(a->why, sizeof a->why, "%s", cpis_strerror(err));
    return err;
}

void attempt_check(const struct checker *c, struct attempt *a)
{
    struct judging j = {.c = c, .a = a};
    char why[ACCOUNTS_WHY_BYTES];
    cpis_err err = check_password(c, &j);
    if (err == CPIS_OK) err = accounts_update(c->dir, apply, &j, a->why);
    a->outcome = PEOPLE_ERROR; /* not durable: nobody is let in */
    if (err == CPIS_OK) a->outcome = a->denial == DENIAL_NONE ? PEOPLE_IN : PEOPLE_REFUSED;
    /* Only once somebody is in, so that its time says nothing. If it fails, the old one stays. */
    if (a->outcome == PEOPLE_IN && a->kind == ATTEMPT_LOGIN &&
        password_is_old(j.checked, &c->limits) &&
        password_hash(a->password, &c->limits, j.renewed) == CPIS_OK)
        err = accounts_update(c->dir, renew, &j, why);
    sodium_memzero(&j, sizeof j);
}

/* --- the thread --- */

static void look(struct checker *c)
{
    struct accounts *all = NULL;
    char why[ACCOUNTS_WHY_BYTES] = "";
    const cpis_err err = accounts_read(c->dir, &all, why);
    (void)pthread_mutex_lock(&c->lock);
    accounts_free(&c->looked);
    c->looked = all;
    c->look_failed = err != CPIS_OK;
    memcpy(c->look_why, why, sizeof why);
    (void)pthread_mutex_unlock(&c->lock);
}

static void ring(const struct checker *c)
{
    const uint64_t one = 1;
    ssize_t n;
    do {
        n = write(c->event, &one, sizeof one);
    } while (n < 0 && errno == EINTR); /* EAGAIN: it rings already */
}

static void put_done(struct checker *c, struct attempt *a)
{
    (void)pthread_mutex_lock(&c->lock);
    if (c->done_last == NULL)
        c->done = a;
    else
        c->done_last->next = a;
    c->done_last = a;
    (void)pthread_mutex_unlock(&c->lock);
}

static void *run(void *arg)
{
    struct checker *c = arg;
    for (;;) {
        (void)pthread_mutex_lock(&c->lock);
        while (!c->stop && !c->look && c->first == NULL)
            (void)pthread_cond_wait(&c->wake, &c->lock);
        const bool stop = c->stop, looks = c->look;
        struct attempt *a = stop || looks ? NULL : c->first;
        c->look = false;
        if (a != NULL) {
            c->first = a->next;
            if (c->first == NULL) c->last = NULL;
            a->next = NULL;
        }
        (void)pthread_mutex_unlock(&c->lock);
        if (stop) return NULL;
        if (a != NULL) {
            attempt_check(c, a);
            put_done(c, a);
        } else {
            look(c);
        }
        ring(c);
    }
}

cpis_err checker_start(struct checker *c, char why[static ACCOUNTS_WHY_BYTES])
{
    uint8_t random[24];
    char nobodys[49];
    sigset_t all, before;
    randombytes_buf(random, sizeof random);
    (void)sodium_bin2hex(nobodys, sizeof nobodys, random, sizeof random);
    c->event = -1;
    const cpis_err err = password_hash(nobodys, &c->limits, c->nobody);
    if (err != CPIS_OK) {
        (void)snprintf(why, ACCOUNTS_WHY_BYTES, "checking a password takes %zu MiB of memory: %s",
                       c->limits.mem >> 20, cpis_strerror(err));
        return err;
    }
    (void)pthread_mutex_init(&c->lock, NULL);
    (void)pthread_cond_init(&c->wake, NULL);
    c->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int rc = c->event < 0 ? errno : 0;
    if (rc == 0) {
        (void)sigfillset(&all); /* signals are the loop's */
        (void)pthread_sigmask(SIG_SETMASK, &all, &before);
        rc = pthread_create(&c->thread, NULL, run, c);
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    c->started = rc == 0;
    if (c->started) return CPIS_OK;
    (void)snprintf(why, ACCOUNTS_WHY_BYTES, "the thread for passwords: %s", strerror(rc));
    return CPIS_E_IO;
}

void checker_stop(struct checker *c)
{
    if (c->started) {
        (void)pthread_mutex_lock(&c->lock);
        c->stop = true;
        (void)pthread_cond_signal(&c->wake);
        (void)pthread_mutex_unlock(&c->lock);
        (void)pthread_join(c->thread, NULL);
        (void)pthread_cond_destroy(&c->wake);
        (void)pthread_mutex_destroy(&c->lock);
        c->started = false;
    }
    if (c->event >= 0) (void)close(c->event);
    c->event = -1;
    accounts_free(&c->looked);
}

cpis_err checker_put(struct checker *c, struct attempt *a)
{
    size_t same = 0;
    (void)pthread_mutex_lock(&c->lock);
    for (const struct attempt *i = c->first; a->address[0] != '\0' && i != NULL; i = i->next)
        same += strcmp(i->address, a->address) == 0;
    const bool full = c->waiting >= PEOPLE_QUEUE_MAX || same >= PEOPLE_QUEUE_OF_ONE;
    if (!full) {
        a->next = NULL;
        if (c->last == NULL)
            c->first = a;
        else
            c->last->next = a;
        c->last = a;
        c->waiting++; /* until the loop has it back */
        (void)pthread_cond_signal(&c->wake);
    }
    (void)pthread_mutex_unlock(&c->lock);
    return full ? CPIS_E_BUSY : CPIS_OK;
}

void checker_look(struct checker *c)
{
    (void)pthread_mutex_lock(&c->lock);
    c->look = true;
    (void)pthread_cond_signal(&c->wake);
    (void)pthread_mutex_unlock(&c->lock);
}
