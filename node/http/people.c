#include "node/http/people_int.h"

#include <assert.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void people_tell(const struct people *p, bool warn, const char *event, const char *format, ...)
{
    char text[384];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    p->conf.tell(p->conf.arg, warn, event, text);
}

bool people_may_tell(const struct people *p, cpis_ms *last)
{
    if (*last != 0 && p->now - *last < CPIS_MS_MINUTE) return false;
    *last = p->now > 0 ? p->now : 1;
    return true;
}

void person_of(const struct people *p, const struct account *x, struct person *ret)
{
    const struct node_settings *s = p->conf.s;
    *ret = (struct person){
        .roles = x->roles, .looks = x->looks, .must_change = x->must_change, .asker = s->asker};
    memcpy(ret->name, x->name, sizeof ret->name);
    if (ret->asker.organisation_code[0] == '\0') {
        memcpy(ret->asker.organisation_code, s->org, sizeof s->org);
        memcpy(ret->asker.organisation_name, s->name, sizeof s->name);
    }
    ret->asker.nhs_number[0] = '\0';
    ret->asker.scheduled = false;
    ret->asker.correlation[0] = '\0';
    account_asker(x, &ret->asker);
}

/* --- sessions --- */

static void hash_cookie(const uint8_t cookie[static HASH_BYTES], uint8_t ret[static HASH_BYTES])
{
    static const char label[] = "cpis/session";
    crypto_generichash_state h;
    (void)crypto_generichash_init(&h, NULL, 0, HASH_BYTES);
    (void)crypto_generichash_update(&h, (const uint8_t *)label, sizeof label);
    (void)crypto_generichash_update(&h, cookie, HASH_BYTES);
    (void)crypto_generichash_final(&h, ret, HASH_BYTES);
}

/* Where the pointer to it stands; its target is NULL: none. */
static struct session **find(struct people *p, const uint8_t hash[static HASH_BYTES])
{
    struct session **at = &p->buckets[hash[0] % BUCKETS];
    while (*at != NULL && memcmp((*at)->hash, hash, HASH_BYTES) != 0)
        at = &(*at)->next;
    return at;
}

static void end(struct people *p, struct session **at)
{
    struct session *s = *at;
    if (s == NULL) return;
    *at = s->next;
    sodium_memzero(s, sizeof *s);
    free(s);
    p->counts.sessions--;
}

static cpis_ms ends_at(const struct people *p, const struct session *s)
{
    const cpis_ms idle = s->seen + p->conf.s->web_session_minutes * CPIS_MS_MINUTE,
                  old = s->began + p->conf.s->web_session_hours * CPIS_MS_HOUR;
    return idle < old ? idle : old;
}

/* The account is what it was when the session began. */
static bool is_backed(const struct people *p, const struct session *s)
{
    const struct account *x = p->accounts == NULL ? NULL : accounts_find(p->accounts, s->who.name);
    return x != NULL && !x->locked && memcmp(x->stamp, s->stamp, sizeof s->stamp) == 0;
}

static void end_where(struct people *p,
                      bool (*ended)(const struct people *p, const struct session *s,
                                    const void *arg),
                      const void *arg)
{
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct session **at = &p->buckets[i]; *at != NULL;) {
            if (ended(p, *at, arg))
                end(p, at);
            else
                at = &(*at)->next;
        }
}

static bool is_over(const struct people *p, const struct session *s, const void *arg)
{
    (void)arg;
    return ends_at(p, s) <= p->now;
}
static bool is_not_backed(const struct people *p, const struct session *s, const void *arg)
{
    (void)arg;
    return !is_backed(p, s);
}
static bool is_of_an_older(const struct people *p, const struct session *s, const void *arg)
{
    const struct account *x = arg;
    (void)p;
    return strcmp(s->who.name, x->name) == 0 && memcmp(s->stamp, x->stamp, sizeof x->stamp) != 0;
}
static bool is_any(const struct people *p, const struct session *s, const void *arg)
{
    (void)p;
    (void)s;
    (void)arg;
    return true;
}

/* One of them that was idle longest; name NULL: of anybody. */
static void end_idlest(struct people *p, const char *name)
{
    struct session **idlest = NULL;
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct session **at = &p->buckets[i]; *at != NULL; at = &(*at)->next)
            if ((name == NULL || strcmp((*at)->who.name, name) == 0) &&
                (idlest == NULL || (*at)->seen < (*idlest)->seen))
                idlest = at;
    if (idlest != NULL) end(p, idlest);
}

static size_t sessions_of(const struct people *p, const char *name)
{
    size_t n = 0;
    for (size_t i = 0; i < BUCKETS; i++)
        for (const struct session *s = p->buckets[i]; s != NULL; s = s->next)
            n += strcmp(s->who.name, name) == 0;
    return n;
}

/* false: out of memory. */
static bool begin(struct people *p, const struct account *x, struct people_result *ret)
{
    uint8_t cookie[HASH_BYTES];
    struct session *s = calloc(1, sizeof *s);
    if (s == NULL) return false;
    if (sessions_of(p, x->name) >= PEOPLE_SESSIONS_OF_ONE) end_idlest(p, x->name);
    if (p->counts.sessions >= p->conf.sessions_max) end_idlest(p, NULL);
    randombytes_buf(cookie, sizeof cookie); /* always a new one: none that a browser came with */
    (void)sodium_bin2hex(ret->session, sizeof ret->session, cookie, sizeof cookie);
    hash_cookie(cookie, s->hash);
    sodium_memzero(cookie, sizeof cookie);
    s->began = s->seen = p->now;
    memcpy(s->stamp, x->stamp, sizeof s->stamp);
    person_of(p, x, &s->who);
    memcpy(s->who.key, s->hash, sizeof s->hash);
    s->who.until = ends_at(p, s);
    struct session **at = &p->buckets[s->hash[0] % BUCKETS];
    s->next = *at;
    *at = s;
    p->counts.sessions++;
    ret->who = s->who;
    return true;
}

static cpis_err who(struct people *p, const struct request *r, bool seen, struct person *ret)
{
    uint8_t cookie[HASH_BYTES], hash[HASH_BYTES];
    if (p->conf.s->web_people == WEB_PEOPLE_HEADER) return header_who(p, r, ret);
    if (!cookie_read(p, r, COOKIE_SESSION, cookie)) return CPIS_E_NOTFOUND;
    hash_cookie(cookie, hash);
    sodium_memzero(cookie, sizeof cookie);
    if (r->now > p->now) p->now = r->now;
    struct session **at = find(p, hash);
    if (*at != NULL && is_over(p, *at, NULL)) end(p, at);
    if (*at == NULL || memcmp((*at)->hash, hash, sizeof hash) != 0) return CPIS_E_NOTFOUND;
    if (seen) (*at)->seen = p->now;
    (*at)->who.until = ends_at(p, *at);
    *ret = (*at)->who;
    return CPIS_OK;
}

cpis_err people_who(struct people *p, const struct request *r, struct person *ret)
{
    return who(p, r, true, ret);
}

cpis_err people_peek(struct people *p, const struct request *r, struct person *ret)
{
    return who(p, r, false, ret);
}

void people_logout(struct people *p, const struct request *r, const struct person *who_left,
                   struct reply *reply)
{
    if (who_left->by_header) return;
    struct session **at = find(p, who_left->key);
    if (*at != NULL) people_tell(p, false, "LOGOUT", "account %s", (*at)->who.name);
    end(p, at);
    cookie_write(p, r, COOKIE_SESSION, NULL, reply);
}

/* --- log-in --- */

static void take(const char *from, size_t cap, char *to, bool *ret_fits)
{
    const size_t len = from == NULL ? 0 : strlen(from);
    if (len >= cap)
        *ret_fits = false;
    else if (len > 0)
        memcpy(to, from, len + 1);
}

/* NULL: out of memory. */
static struct attempt *attempt_new(const struct people *p, const struct request *r,
                                   const struct people_attempt *given)
{
    bool fits = true;
    uint8_t cookie[HASH_BYTES];
    struct attempt *a = calloc(1, sizeof *a);
    if (a == NULL) return NULL;
    take(given->password, sizeof a->password, a->password, &fits);
    take(given->code, sizeof a->code, a->code, &fits);
    if (!fits) a->password[0] = '\0'; /* what no account has: wrong like any other */
    account_address(r->peer->address, a->address);
    a->browsers_count = cookie_read_browsers(p, r, a->browsers);
    a->has_old = cookie_read(p, r, COOKIE_SESSION, cookie);
    if (a->has_old) hash_cookie(cookie, a->old);
    sodium_memzero(cookie, sizeof cookie);
    a->wall = r->wall;
    a->done = given->done;
    a->arg = given->arg;
    return a;
}

static cpis_err put(struct people *p, struct attempt **a)
{
    const cpis_err err = checker_put(&p->checker, *a);
    if (err == CPIS_OK) {
        *a = NULL;
        p->counts.waiting++;
        return CPIS_OK;
    }
    attempt_free(a);
    p->counts.busy++;
    if (people_may_tell(p, &p->told_busy))
        people_tell(p, true, "LOGIN_BUSY", "more log-ins at a time than can be checked");
    return err;
}

cpis_err people_login(struct people *p, const struct request *r, const struct people_attempt *given)
{
    if (!people_has_login(p)) return CPIS_E_STATE;
    struct attempt *a = attempt_new(p, r, given);
    if (a == NULL) return CPIS_E_NOMEM;
    a->kind = ATTEMPT_LOGIN;
    if (given->name == NULL || !account_name_parse(given->name, a->name)) a->name[0] = '\0';
    return put(p, &a);
}

cpis_err people_password(struct people *p, const struct request *r, const struct person *who_asks,
                         const struct people_attempt *given, const char *new_password,
                         const char **ret_why)
{
    if (!people_has_login(p) || who_asks->by_header) return CPIS_E_STATE;
    *ret_why = password_fault(new_password, who_asks->name, who_asks->asker.user_name);
    if (*ret_why == NULL && given->password != NULL && strcmp(new_password, given->password) == 0)
        *ret_why = "the new password is another than the old one";
    if (*ret_why != NULL) return CPIS_E_INVAL;
    struct attempt *a = attempt_new(p, r, given);
    if (a == NULL) return CPIS_E_NOMEM;
    a->kind = ATTEMPT_PASSWORD;
    memcpy(a->name, who_asks->name, sizeof a->name);
    memcpy(a->new_password, new_password, strlen(new_password) + 1);
    return put(p, &a);
}

void people_cookies(const struct people *p, const struct request *r,
                    const struct people_result *result, struct reply *reply)
{
    assert(result->outcome == PEOPLE_IN);
    cookie_write(p, r, COOKIE_SESSION, result->session, reply);
    cookie_write(p, r, COOKIE_BROWSER, result->browser, reply);
    cookie_write(p, r, COOKIE_FORM, NULL, reply);
}

static void tell_attempt(struct people *p, const struct attempt *a)
{
    const char *from = a->address[0] != '\0' ? a->address : "this machine",
               *name = a->account.name[0] != '\0' ? a->account.name : "?";
    const bool login = a->kind == ATTEMPT_LOGIN;
    if (a->outcome == PEOPLE_IN) {
        people_tell(p, false, login ? "LOGIN" : "PASSWORD_CHANGED", "account %s from %s", name,
                    from);
    } else if (a->outcome == PEOPLE_REFUSED) {
        people_tell(p, true, "LOGIN_REFUSED", "account %s from %s: %s", name, from,
                    denial_text(a->denial));
        if (a->pause)
            people_tell(p, true, "LOGIN_PAUSED", "account %s from %s: failures; it pauses", name,
                        from);
    } else {
        people_tell(p, true, "LOGIN_ERROR", "nobody is let in: %s", a->why);
    }
}

/* The new one first, and whom the browser knew besides. */
static void remember(const struct attempt *a, char ret[static PEOPLE_COOKIE_BYTES])
{
    size_t len = 2 * HASH_BYTES;
    (void)sodium_bin2hex(ret, PEOPLE_COOKIE_BYTES, a->browser, sizeof a->browser);
    for (size_t i = 0, n = 1; i < a->browsers_count && n < BROWSERS_MAX; i++) {
        if (memcmp(a->browsers[i], a->browser, sizeof a->browser) == 0) continue;
        ret[len++] = '.';
        (void)sodium_bin2hex(ret + len, PEOPLE_COOKIE_BYTES - len, a->browsers[i],
                             sizeof a->browsers[i]);
        len += 2 * HASH_BYTES;
        n++;
    }
}

static void finish(struct people *p, struct attempt *a)
{
    struct people_result r = {.outcome = a->outcome};
    p->counts.waiting--;
    if (a->outcome == PEOPLE_IN) {
        end_where(p, is_of_an_older, &a->account);
        if (a->has_old) end(p, find(p, a->old));
        if (begin(p, &a->account, &r)) {
            remember(a, r.browser);
        } else {
            r.outcome = a->outcome = PEOPLE_ERROR;
            (void)snprintf(a->why, sizeof a->why, "%s", cpis_strerror(CPIS_E_NOMEM));
        }
        p->file = 0; /* what was read before it must not be the last that is read */
    }
    p->counts.in += a->outcome == PEOPLE_IN;
    p->counts.refused += a->outcome == PEOPLE_REFUSED;
    p->counts.paused += a->pause;
    tell_attempt(p, a);
    a->done(a->arg, &r);
    sodium_memzero(&r, sizeof r);
    attempt_free(&a);
}

/* --- the loop --- */

int people_fd(const struct people *p) { return p->checker.event; }
bool people_has_login(const struct people *p)
{
    return p->conf.s->web_people == WEB_PEOPLE_ACCOUNTS;
}
bool people_is_off(const struct people *p) { return p->conf.s->web_people == WEB_PEOPLE_NONE; }

cpis_ms people_deadline(const struct people *p)
{
    return people_is_off(p) ? CPIS_MS_NEVER : p->looked_at + PEOPLE_LOOK_EVERY;
}

/* Another one whenever DIR/people/accounts is another; never 0. */
static uint64_t file_of(const struct people *p)
{
    char path[FOLDER_PATH_BYTES];
    struct stat st;
    if (folder_path(p->conf.dir, ACCOUNTS_FILE, sizeof path, path) != CPIS_OK ||
        lstat(path, &st) != 0)
        return 1;
    const uint64_t at = (uint64_t)st.st_mtim.tv_sec * 1000000000U + (uint64_t)st.st_mtim.tv_nsec;
    const uint64_t is = (at * 1000003U + st.st_ino) * 1000003U + (uint64_t)st.st_mode;
    return is > 1 ? is : 2;
}

static void take_looked(struct people *p, struct accounts *looked, bool failed, const char *why)
{
    if (looked == NULL && !failed) return;
    accounts_free(&p->accounts);
    p->accounts = looked; /* NULL: who may come in is not known, so nobody is in */
    if (failed) {
        p->file = 0;
        if (people_may_tell(p, &p->told_file))
            people_tell(p, true, "ACCOUNTS_UNREADABLE", "nobody is let in: %s", why);
    }
    end_where(p, is_not_backed, NULL);
}

void people_turn(struct people *p, cpis_ms now)
{
    struct checker *c = &p->checker;
    uint64_t rings;
    char why[ACCOUNTS_WHY_BYTES];
    if (people_is_off(p)) return;
    if (now > p->now) p->now = now;
    if (read(c->event, &rings, sizeof rings) < 0) rings = 0; /* it did not ring */
    (void)pthread_mutex_lock(&c->lock);
    struct attempt *done = c->done;
    struct accounts *looked = c->looked;
    const bool failed = c->look_failed;
    memcpy(why, c->look_why, sizeof why);
    for (const struct attempt *a = done; a != NULL; a = a->next)
        c->waiting--;
    c->done = c->done_last = NULL;
    c->looked = NULL;
    c->look_failed = false;
    (void)pthread_mutex_unlock(&c->lock);
    take_looked(p, looked, failed, why);
    while (done != NULL) {
        struct attempt *a = done;
        done = a->next;
        finish(p, a);
    }
    if (p->now < p->looked_at + PEOPLE_LOOK_EVERY) return;
    p->looked_at = p->now;
    end_where(p, is_over, NULL);
    const uint64_t file = file_of(p);
    if (file != p->file) checker_look(c);
    p->file = file;
}

cpis_err people_new(const struct people_conf *conf, cpis_ms now, struct people **ret,
                    char why[static ACCOUNTS_WHY_BYTES])
{
    struct people *p = calloc(1, sizeof *p);
    if (p == NULL) {
        (void)snprintf(why, ACCOUNTS_WHY_BYTES, "%s", cpis_strerror(CPIS_E_NOMEM));
        return CPIS_E_NOMEM;
    }
    p->conf = *conf;
    if (p->conf.sessions_max == 0) p->conf.sessions_max = PEOPLE_SESSIONS_MAX;
    p->now = p->looked_at = now;
    p->checker =
        (struct checker){.dir = conf->dir,
                         .role = conf->s->role,
                         .second_factor = conf->s->web_second_factor,
                         .limits = conf->limits != NULL ? *conf->limits : password_limits_default,
                         .event = -1};
    randombytes_buf(p->key, sizeof p->key);
    cpis_err err = CPIS_OK;
    if (!people_is_off(p)) {
        p->file = file_of(p);
        err = accounts_read(conf->dir, &p->accounts, why);
        if (err == CPIS_OK) err = checker_start(&p->checker, why);
    }
    if (err == CPIS_OK)
        *ret = p;
    else
        people_free(&p);
    return err;
}

static void end_attempts(struct attempt *a)
{
    const struct people_result r = {.outcome = PEOPLE_ENDED};
    while (a != NULL) {
        struct attempt *next = a->next;
        a->done(a->arg, &r);
        attempt_free(&a);
        a = next;
    }
}

void people_free(struct people **ptr)
{
    struct people *p = *ptr;
    *ptr = NULL;
    if (p == NULL) return;
    checker_stop(&p->checker);
    end_attempts(p->checker.done);
    end_attempts(p->checker.first);
    end_where(p, is_any, NULL);
    accounts_free(&p->accounts);
    sodium_memzero(p, sizeof *p);
    free(p);
}

void people_counts(const struct people *p, struct people_counts *ret) { *ret = p->counts; }
