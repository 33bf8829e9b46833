/* node/http/accounts.h - people who may log in to a node's web pages: the file DIR/people/accounts,
 * whole in memory. What administrators say and what log-ins leave behind (failures, the last code)
 * stand together, so that one durable write keeps both.
 *
 * The file is JSON, an account a line, 0600; a version; no key that is not known. It is written
 * whole, by one at a time (DIR/people/accounts.lock), and survives kill -9 at any moment. Secrets
 * of the second factor stand in it as they are: who checks them has to read them without a person,
 * and a key beside the file would be stolen with it. Passwords are hashes.
 *
 * A struct accounts is a value: any thread, its owner's. */
#ifndef CPIS_NODE_HTTP_ACCOUNTS_H
#define CPIS_NODE_HTTP_ACCOUNTS_H
#include "node/http/password.h"
#include "node/http/totp.h"
#include "node/net/folder.h"
#include "proto/message.h"

#define ACCOUNTS_FILE          FOLDER_PEOPLE "/accounts"
#define ACCOUNTS_LOCK          FOLDER_PEOPLE "/accounts.lock"
#define ACCOUNTS_VERSION       1U
#define ACCOUNTS_MAX           2000U
#define ACCOUNTS_ADDRESSES_MAX 1000U /* then the one that failed longest ago is forgotten */
#define ACCOUNTS_BYTES_MAX     ((size_t)4 * 1024 * 1024)
#define ACCOUNTS_WHY_BYTES     512U
#define ACCOUNT_NAME_BYTES     (USER_ID_BYTES_MAX + 1U)
#define ACCOUNT_STAMP_BYTES    16U
#define ACCOUNT_ADDRESS_BYTES  46U
/* A password that somebody else has chosen opens the pages for so long, once. */
#define ACCOUNT_FIRST_PASSWORD_TIME (7 * CPIS_MS_DAY)

/* What a person is to a node of this kind; bits. */
enum account_role {
    ACCOUNT_CLINICIAN = 1, /* query node */
    ACCOUNT_INBOX = 2,     /* authority */
    ACCOUNT_OFFICER = 4,   /* authority */
    ACCOUNT_OPERATOR = 8   /* each */
};
/* What somebody wants to do; the one place that says which role may. */
enum account_right {
    RIGHT_LOOKUP = 1, /* clinician, of the kinds that the account has (looks) */
    RIGHT_INBOX,      /* inbox, officer: notifications, read and acknowledged */
    RIGHT_CHILDREN,   /* officer: children, imports, data quality */
    RIGHT_STATUS      /* operator: this node, the federation */
};
/* What a clinician may do; bits. */
enum account_look {
    LOOK_UNSCHEDULED = 1, /* the authority is told */
    LOOK_SCHEDULED = 2    /* a silent read */
};
bool account_roles_may(unsigned roles, enum account_right right);
/* "clinician"; 0: there is none of that name. And back: static; NULL for none. */
unsigned account_role_parse(const char *name);
const char *account_role_name(unsigned one);
/* The same of "unscheduled" and "scheduled". */
unsigned account_look_parse(const char *name);
const char *account_look_name(unsigned one);
/* Those that mean something at a node of this kind. */
unsigned account_roles_of(enum node_role node);

/* How often it failed, and when last (ms since 1970). */
struct failures {
    uint32_t count;
    cpis_ms at;
};
/* Where a log-in comes from, as an account knows it: three counts, so that who fails at one of them
 * on purpose leaves the others open. */
enum account_door {
    DOOR_BROWSER, /* it has logged in with this browser (a cookie says so) */
    DOOR_PLACE,   /* from this address, of its last ACCOUNT_PLACES */
    DOOR_STRANGER,
    DOORS
};
#define ACCOUNT_PLACES 4U
struct account {
    char name[ACCOUNT_NAME_BYTES];       /* a-z 0-9 . _ @ + -, a letter or digit first */
    char display[NAME_BYTES_MAX + 1];    /* "Dr A. Smith" */
    char user_id[USER_ID_BYTES_MAX + 1]; /* of the Spine Directory Service; or "" */
    char job_code[CODE_BYTES_MAX + 1], job[ROLE_BYTES_MAX + 1];              /* or "" */
    char org_code[CODE_BYTES_MAX + 1], org_name[ORGANISATION_BYTES_MAX + 1]; /* "": the node's */
    unsigned roles;                 /* enum account_role; 0: is let in nowhere */
    unsigned looks;                 /* enum account_look; 0 unless a clinician */
    bool locked;                    /* by a command */
    bool must_change;               /* its password */
    bool proxy;                     /* known by the reverse proxy's header, by nothing else */
    char hash[PASSWORD_HASH_BYTES]; /* "": with proxy */
    bool has_totp;
    uint8_t totp[TOTP_SECRET_BYTES];
    uint64_t totp_last; /* the step of the last code that was taken */
    /* Random, and new whenever what was let in by it must end: a session, a known browser. */
    uint8_t stamp[ACCOUNT_STAMP_BYTES];
    cpis_ms made, password_set, last_login; /* ms since 1970; last_login 0: never */
    struct failures failures[DOORS];
    char places[ACCOUNT_PLACES][ACCOUNT_ADDRESS_BYTES]; /* the last one first; "": none */
};
struct address {
    char text[ACCOUNT_ADDRESS_BYTES]; /* as account_address gives it */
    struct failures failures;
};
struct accounts {
    uint8_t key[32]; /* of the cookies that make a browser known */
    struct account *all;
    size_t count;
    struct address *addresses;
    size_t addresses_count;
};

void accounts_free(struct accounts **p); /* *p may be NULL; wipes */
/* No file: no accounts. CPIS_E_IO: others may read or write it, or it can't be read.
 * CPIS_E_MALFORMED, CPIS_E_VERSION, CPIS_E_LIMIT, CPIS_E_NOMEM. why: what to do, on each error. */
CPIS_CHECK cpis_err accounts_read(const char *dir, struct accounts **ret,
                                  char why[static ACCOUNTS_WHY_BYTES]);
/* The file's content: checked whole; free(), after a wipe. */
CPIS_CHECK cpis_err accounts_parse(const uint8_t *p, size_t len, struct accounts **ret,
                                   char why[static ACCOUNTS_WHY_BYTES]);
CPIS_CHECK cpis_err accounts_format(const struct accounts *a, uint8_t **ret, size_t *ret_len);

/* Not CPIS_OK: nothing is written, and accounts_update returns it; it fills why itself. */
typedef cpis_err (*accounts_change_fn)(struct accounts *a, void *arg,
                                       char why[static ACCOUNTS_WHY_BYTES]);
/* Reads, changes and writes while nobody else does; durable on CPIS_OK. Errors as accounts_read's,
 * and CPIS_E_FULL. */
CPIS_CHECK cpis_err accounts_update(const char *dir, accounts_change_fn change, void *arg,
                                    char why[static ACCOUNTS_WHY_BYTES]);

struct account *accounts_find(const struct accounts *a, const char *name); /* NULL: none */
/* A copy of *x; its name is not there yet (asserted). CPIS_E_LIMIT, CPIS_E_NOMEM. */
CPIS_CHECK cpis_err accounts_add(struct accounts *a, const struct account *x);
void accounts_remove(struct accounts *a, struct account *x);
/* A name as it is kept: small letters. false: it can't be one. */
bool account_name_parse(const char *text, char ret[static ACCOUNT_NAME_BYTES]);
void account_stamp_keygen(struct account *x); /* a new one */
/* Who asks, for a lookup: user id (else the account's name), name, job, and the organisation where
 * the account has one of its own; the rest stays. */
void account_asker(const struct account *x, struct msg_ask_details *ret);
/* Those of `roles` and `looks` that an account of this node may have: NULL; else what to do. */
const char *account_roles_fault(unsigned roles, unsigned looks, enum node_role node);
/* The password was chosen by somebody else, and too long ago. */
bool account_is_stale(const struct account *x, cpis_ms wall);

/* --- failures: growing pauses, never for ever ---
 *
 * The first few cost nothing; each further one a pause that doubles, from a minute to 15. While it
 * lasts nothing is tried and nothing counted, so whoever goes on does not lengthen it. An hour
 * (address) or a day (account) without one, and they are forgotten. An address's pause is for
 * accounts that do not know it (DOOR_STRANGER): else who fails on purpose beside the nurses keeps
 * them out. */
#define FAILURES_FREE_ACCOUNT 5U
#define FAILURES_FREE_ADDRESS 20U /* a whole hospital may have one */
#define FAILURES_PAUSE_MIN    CPIS_MS_MINUTE
#define FAILURES_PAUSE_MAX    (15 * CPIS_MS_MINUTE)

/* Until when (ms since 1970) nothing is tried; 0: it may be now. */
cpis_ms failures_until(const struct failures *f, unsigned free_ones, cpis_ms wall);
void failures_add(struct failures *f, cpis_ms forget, cpis_ms wall);
#define FAILURES_FORGET_ACCOUNT CPIS_MS_DAY
#define FAILURES_FORGET_ADDRESS CPIS_MS_HOUR
/* The form in which addresses are counted: IPv4 whole, of IPv6 the first 64 bits (a household).
 * "": it is this machine, or no address; that is not counted. */
void account_address(const char *peer, char ret[static ACCOUNT_ADDRESS_BYTES]);
/* Has it logged in from there, or: now it has. "" is no place. */
bool account_has_place(const struct account *x, const char *address);
void account_add_place(struct account *x, const char *address);
/* NULL: nothing is known of it. make: then it is made; NULL: out of memory. */
struct failures *accounts_address(struct accounts *a, const char *address, bool make);
#endif
