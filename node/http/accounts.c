#include "node/http/accounts.h"

#include "proto/text.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- roles --- */

static const char *const role_names[] = {"clinician", "inbox", "officer", "operator"};
#define ROLES (sizeof role_names / sizeof *role_names)

unsigned account_role_parse(const char *name)
{
    for (unsigned i = 0; i < ROLES; i++)
        if (strcmp(name, role_names[i]) == 0) return 1U << i;
    return 0;
}

const char *account_role_name(unsigned one)
{
    for (unsigned i = 0; i < ROLES; i++)
        if (one == 1U << i) return role_names[i];
    return NULL;
}

static const char *const look_names[] = {"unscheduled", "scheduled"};
#define LOOKS (sizeof look_names / sizeof *look_names)

unsigned account_look_parse(const char *name)
{
    for (unsigned i = 0; i < LOOKS; i++)
        if (strcmp(name, look_names[i]) == 0) return 1U << i;
    return 0;
}

const char *account_look_name(unsigned one)
{
    for (unsigned i = 0; i < LOOKS; i++)
        if (one == 1U << i) return look_names[i];
    return NULL;
}

unsigned account_roles_of(enum node_role node)
{
    switch (node) {
    case ROLE_QUERY: return ACCOUNT_CLINICIAN | ACCOUNT_OPERATOR;
    case ROLE_AUTHORITY: return ACCOUNT_INBOX | ACCOUNT_OFFICER | ACCOUNT_OPERATOR;
    case ROLE_DIRECTORY: return ACCOUNT_OPERATOR;
    }
    return 0;
}

bool account_roles_may(unsigned roles, enum account_right right)
{
    static const unsigned may[] = {
        [RIGHT_LOOKUP] = ACCOUNT_CLINICIAN,
        [RIGHT_INBOX] = ACCOUNT_INBOX | ACCOUNT_OFFICER,
        [RIGHT_CHILDREN] = ACCOUNT_OFFICER,
        [RIGHT_STATUS] = ACCOUNT_OPERATOR,
    };
    return (roles & may[right]) != 0;
}

const char *account_roles_fault(unsigned roles, unsigned looks, enum node_role node)
{
    static const char *const expected[] = {
        [ROLE_QUERY] = "people of a query node have the role clinician or operator",
        [ROLE_AUTHORITY] = "people of an authority have the role inbox, officer or operator",
        [ROLE_DIRECTORY] = "people of a directory have the role operator",
    };
    if (roles == 0 || (roles & ~account_roles_of(node)) != 0) return expected[node];
    if ((looks & ~(unsigned)(LOOK_UNSCHEDULED | LOOK_SCHEDULED)) != 0 ||
        (looks != 0) != ((roles & ACCOUNT_CLINICIAN) != 0))
        return "a clinician, and nobody else, has a kind of lookup: unscheduled, scheduled or both";
    return NULL;
}

/* --- one account --- */

bool account_name_parse(const char *text, char ret[static ACCOUNT_NAME_BYTES])
{
    char name[ACCOUNT_NAME_BYTES];
    size_t n = 0;
    for (; text[n] != '\0'; n++) {
        const char c = text[n] >= 'A' && text[n] <= 'Z' ? (char)(text[n] - 'A' + 'a') : text[n];
        const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (n == ACCOUNT_NAME_BYTES - 1 || !(plain || (n > 0 && strchr("._@+-", c) != NULL)))
            return false;
        name[n] = c;
    }
    name[n] = '\0';
    if (n == 0) return false;
    memcpy(ret, name, n + 1);
    return true;
}

void account_stamp_keygen(struct account *x) { randombytes_buf(x->stamp, sizeof x->stamp); }

void account_asker(const struct account *x, struct msg_ask_details *ret)
{
    const char *id = x->user_id[0] != '\0' ? x->user_id : x->name;
    (void)snprintf(ret->user_id, sizeof ret->user_id, "%s", id);
    memcpy(ret->user_name, x->display, sizeof ret->user_name);
    memcpy(ret->role_code, x->job_code, sizeof ret->role_code);
    memcpy(ret->role_name, x->job, sizeof ret->role_name);
    if (x->org_code[0] == '\0') return;
    memcpy(ret->organisation_code, x->org_code, sizeof ret->organisation_code);
    memcpy(ret->organisation_name, x->org_name, sizeof ret->organisation_name);
}

bool account_is_stale(const struct account *x, cpis_ms wall)
{
    return x->must_change && wall > x->password_set &&
           wall - x->password_set > ACCOUNT_FIRST_PASSWORD_TIME;
}

/* --- all of them --- */

void accounts_free(struct accounts **p)
{
    struct accounts *a = *p;
    *p = NULL;
    if (a == NULL) return;
    if (a->all != NULL) sodium_memzero(a->all, a->count * sizeof *a->all);
    free(a->all);
    free(a->addresses);
    sodium_memzero(a, sizeof *a);
    free(a);
}

struct account *accounts_find(const struct accounts *a, const char *name)
{
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->all[i].name, name) == 0) return &a->all[i];
    return NULL;
}

cpis_err accounts_add(struct accounts *a, const struct account *x)
{
    assert(accounts_find(a, x->name) == NULL);
    if (a->count == ACCOUNTS_MAX) return CPIS_E_LIMIT;
    struct account *all = calloc(a->count + 1, sizeof *all); /* realloc leaves secrets behind */
    if (all == NULL) return CPIS_E_NOMEM;
    if (a->count > 0) {
        memcpy(all, a->all, a->count * sizeof *all);
        sodium_memzero(a->all, a->count * sizeof *all);
    }
    free(a->all);
    a->all = all;
    all[a->count++] = *x;
    return CPIS_OK;
}

void accounts_remove(struct accounts *a, struct account *x)
{
    const size_t after = (size_t)(&a->all[a->count] - x) - 1;
    memmove(x, x + 1, after * sizeof *x);
    sodium_memzero(&a->all[--a->count], sizeof *x);
}

/* --- failures --- */

cpis_ms failures_until(const struct failures *f, unsigned free_ones, cpis_ms wall)
{
    if (f->count < free_ones) return 0;
    const unsigned more = f->count - free_ones;
    cpis_ms pause = FAILURES_PAUSE_MAX;
    if (more < 4) pause = FAILURES_PAUSE_MIN << more;
    /* a clock that was set back must not make it longer */
    const cpis_ms until = (f->at < wall ? f->at : wall) + pause;
    return until > wall ? until : 0;
}

void failures_add(struct failures *f, cpis_ms forget, cpis_ms wall)
{
    if (f->at < wall && wall - f->at > forget) f->count = 0;
    if (f->count < UINT32_MAX) f->count++;
    f->at = wall;
}

void account_address(const char *peer, char ret[static ACCOUNT_ADDRESS_BYTES])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff}; /* RFC 4291, 2.5.5.2 */
    static const uint8_t self[16] = {[15] = 1};
    uint8_t b[16];
    ret[0] = '\0';
    const bool six = inet_pton(AF_INET6, peer, b) == 1;
    if (six && memcmp(b, mapped, sizeof mapped) != 0) {
        if (memcmp(b, self, sizeof self) == 0) return;
        memset(b + 8, 0, 8);
        (void)inet_ntop(AF_INET6, b, ret, ACCOUNT_ADDRESS_BYTES);
        return;
    }
    if (six)
        memmove(b, b + 12, 4);
    else if (inet_pton(AF_INET, peer, b) != 1)
        return;
    if (b[0] != 127) (void)inet_ntop(AF_INET, b, ret, ACCOUNT_ADDRESS_BYTES);
}

bool account_has_place(const struct account *x, const char *address)
{
    for (size_t i = 0; address[0] != '\0' && i < ACCOUNT_PLACES; i++)
        if (strcmp(x->places[i], address) == 0) return true;
    return false;
}

void account_add_place(struct account *x, const char *address)
{
    size_t i = 0;
    if (address[0] == '\0') return;
    while (i < ACCOUNT_PLACES - 1 && strcmp(x->places[i], address) != 0)
        i++;
    memmove(x->places[1], x->places[0], i * sizeof x->places[0]);
    (void)snprintf(x->places[0], sizeof x->places[0], "%s", address);
}

struct failures *accounts_address(struct accounts *a, const char *address, bool make)
{
    size_t oldest = 0;
    for (size_t i = 0; i < a->addresses_count; i++) {
        if (strcmp(a->addresses[i].text, address) == 0) return &a->addresses[i].failures;
        if (a->addresses[i].failures.at < a->addresses[oldest].failures.at) oldest = i;
    }
    if (!make) return NULL;
    if (a->addresses_count < ACCOUNTS_ADDRESSES_MAX) {
        struct address *more = realloc(a->addresses, (a->addresses_count + 1) * sizeof *more);
        if (more == NULL) return NULL;
        a->addresses = more;
        oldest = a->addresses_count++;
    }
    struct address *x = &a->addresses[oldest];
    memset(x, 0, sizeof *x);
    (void)snprintf(x->text, sizeof x->text, "%s", address);
    return &x->failures;
}

/* --- the file --- */

/* false: others can read it, or it is none; *ret_missing: there is none. */
static bool is_own(const char *dir, bool *ret_missing)
{
    char path[FOLDER_PATH_BYTES];
    struct stat st;
    *ret_missing = false;
    if (folder_path(dir, ACCOUNTS_FILE, sizeof path, path) != CPIS_OK) return false;
    if (lstat(path, &st) != 0) {
        *ret_missing = errno == ENOENT;
        return false;
    }
    return S_ISREG(st.st_mode) && (st.st_mode & 077) == 0;
}

cpis_err accounts_read(const char *dir, struct accounts **ret, char why[static ACCOUNTS_WHY_BYTES])
{
    static const char name[] = ACCOUNTS_FILE;
    uint8_t *p = NULL;
    size_t len = 0;
    bool missing;
    if (!is_own(dir, &missing)) {
        struct accounts *none = missing ? calloc(1, sizeof *none) : NULL;
        if (none != NULL) {
            randombytes_buf(none->key, sizeof none->key);
            *ret = none;
            return CPIS_OK;
        }
        (void)snprintf(why, ACCOUNTS_WHY_BYTES,
                       "%s: can't be read, or others may read or write it: chmod 0600, and new "
                       "passwords if they have",
                       name);
        return missing ? CPIS_E_NOMEM : CPIS_E_IO;
    }
    cpis_err err = folder_read(dir, name, ACCOUNTS_BYTES_MAX, &p, &len);
    if (err != CPIS_OK) {
        (void)snprintf(why, ACCOUNTS_WHY_BYTES, "%s: %s", name, cpis_strerror(err));
        return err;
    }
    err = accounts_parse(p, len, ret, why);
    sodium_memzero(p, len);
    free(p);
    return err;
}

/* Nodes of before have none. */
static bool make_folder(const char *dir)
{
    char path[FOLDER_PATH_BYTES];
    return folder_path(dir, FOLDER_PEOPLE, sizeof path, path) == CPIS_OK &&
           folder_make_one(path) == CPIS_OK;
}

/* The end of the process ends it as well. -1: see errno. */
static int lock(const char *dir)
{
    char path[FOLDER_PATH_BYTES];
    if (folder_path(dir, ACCOUNTS_LOCK, sizeof path, path) != CPIS_OK) return -1;
    if (!make_folder(dir)) return -1;
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int rc;
    if (fd < 0) return -1;
    do {
        rc = flock(fd, LOCK_EX);
    } while (rc != 0 && errno == EINTR);
    if (rc == 0) return fd;
    (void)close(fd);
    return -1;
}

static cpis_err store(const char *dir, const struct accounts *a)
{
    uint8_t *p = NULL;
    size_t len = 0;
    cpis_err err = accounts_format(a, &p, &len);
    if (err != CPIS_OK) return err;
    err = len > ACCOUNTS_BYTES_MAX ? CPIS_E_LIMIT
                                   : folder_write(dir, ACCOUNTS_FILE, (struct bytes){p, len});
    sodium_memzero(p, len);
    free(p);
    return err;
}

/* What another user writes the node can't read any more. */
static bool is_owner(const char *dir, char why[static ACCOUNTS_WHY_BYTES])
{
    struct stat st;
    if (stat(dir, &st) != 0 || st.st_uid == geteuid()) return true; /* no folder: told later */
    (void)snprintf(why, ACCOUNTS_WHY_BYTES,
                   "the node's folder belongs to another user (number %u): run this as that user",
                   (unsigned)st.st_uid);
    return false;
}

cpis_err accounts_update(const char *dir, accounts_change_fn change, void *arg,
                         char why[static ACCOUNTS_WHY_BYTES])
{
    struct accounts *a = NULL;
    if (!is_owner(dir, why)) return CPIS_E_IO;
    const int locked = lock(dir);
    if (locked < 0) {
        const bool full = errno == ENOSPC || errno == EDQUOT;
        (void)snprintf(why, ACCOUNTS_WHY_BYTES, "%s: %s", ACCOUNTS_LOCK, strerror(errno));
        return full ? CPIS_E_FULL : CPIS_E_IO;
    }
    cpis_err err = accounts_read(dir, &a, why);
    if (err == CPIS_OK) {
        err = change(a, arg, why);
        if (err == CPIS_OK) {
            err = store(dir, a);
            if (err != CPIS_OK)
                (void)snprintf(why, ACCOUNTS_WHY_BYTES, "%s: %s; nothing was changed",
                               ACCOUNTS_FILE, cpis_strerror(err));
        }
    }
    accounts_free(&a);
    (void)close(locked);
    return err;
}
