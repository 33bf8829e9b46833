/* node/net/control_int.h - inside control*.c: a request under way, replies, and what turns values
 * into JSON and back. */
#ifndef CPIS_NODE_NET_CONTROL_INT_H
#define CPIS_NODE_NET_CONTROL_INT_H
#include "node/net/control.h"
#include "proto/code.h"
#include "proto/date.h"

#include <jansson.h>

#define LOOK_AT_THE_DISK "look at the disk and the system's log"

struct control_command;
struct number_asked {
    struct nhs_number number;
    uint64_t command; /* of the node; 0: not given to it yet */
    bool answered;    /* by the node */
    bool shown;       /* to the client: its batch was committed */
};
struct request {
    struct request *next;
    uint8_t *route; /* the client's routing id */
    size_t route_len;
    uint64_t id;
    const struct control_command *kind;
    json_t *body;
    /* for the node: one command, or one for each number */
    bool for_node, started, ended;
    bool told;     /* its last reply was sent */
    cpis_err lost; /* a reply of it was not, CPIS_E_NOMEM or CPIS_E_LIMIT: the last one says so */
    struct command command;
    struct msg_ask_details ask;
    struct number_asked *numbers;
    size_t numbers_count, numbers_given, numbers_answered;
    struct child_change *changes;
    struct row_import import;
    uint8_t *chain;
};
struct held { /* a reply that waits for the commit */
    struct held *next;
    struct request *request;
    struct number_asked *number; /* or NULL */
    json_t *body;
};
struct control {
    void *router;       /* zsock_t */
    struct inlet inlet; /* of `router` */
    struct request *first;
    size_t count;
    uint64_t last_command;
    size_t active; /* lookups with the node */
    struct held *held, **held_end;
    bool draining, stop;
};

/* What is wrong with a request, for its error reply. */
struct fault {
    cpis_err code;
    char text[256];
    const char *todo;
};
/* Answers with a last reply's object (owned by the caller), or NULL and *f; or NULL and no fault
 * when the node will answer. */
typedef json_t *(*control_fn)(struct control *c, const struct control_env *env, struct request *r,
                              struct fault *f);
struct control_command {
    const char *name;
    unsigned roles; /* bits 1 << role */
    bool needs_node;
    const char *fields; /* allowed ones, a space before and after each */
    control_fn fn;
};

json_t *fail_with(struct fault *f, cpis_err code, const char *todo, const char *format, ...)
    __attribute__((format(printf, 4, 5)));                             /* NULL */
void control_more(struct control *c, struct request *r, json_t *body); /* at once; takes it */

/* Fields of a request; false: *f says what is wrong. Absent and required: a fault; absent and not
 * required: *ret unchanged. */
bool get_string(const json_t *o, const char *key, bool required, size_t max, const char **ret,
                struct fault *f);
bool get_integer(const json_t *o, const char *key, bool required, uint64_t max, uint64_t *ret,
                 struct fault *f);
bool get_bool(const json_t *o, const char *key, bool *ret, struct fault *f);
bool get_number(const json_t *value, const char *what, struct nhs_number *ret, struct fault *f);
/* "2026-11-23" or "202611231803", London's; a day alone is its first moment, or with `end` the
 * first one after it. */
bool get_moment(const json_t *o, const char *key, bool end, cpis_ms *ret, struct fault *f);
bool get_id(const char *hex, struct cpis_id *ret);
bool only_fields(const json_t *o, const char *allowed, struct fault *f);
/* "YYYY-MM-DD" or "YYYYMMDDHHMM" as YYYYMMDDHHMM. */
bool parse_plan_time(const char *text, uint64_t *ret);
bool parse_hex(const char *hex, uint8_t *ret, size_t len); /* exactly len bytes, lower case */

json_t *json_time(uint64_t wall);    /* ISO 8601 UTC, or null for 0 */
json_t *json_plan_day(uint64_t t);   /* YYYYMMDDHHMM as YYYY-MM-DD, or null for 0 */
json_t *json_plan_time(uint64_t t);  /* the same, but as YYYYMMDDHHMM if it is not at 00:00 */
json_t *json_day(uint32_t yyyymmdd); /* or null for 0 */
json_t *json_text(const char *s);    /* null for "" */
json_t *json_hex(const void *p, size_t len);
json_t *json_base64(const void *p, size_t len);
uint8_t *base64_bytes(const char *text, size_t *ret_len); /* free(); NULL: not base64 */
json_t *json_telephone(const char *emergency, const char *office);
json_t *json_authority(const char *code, const char *name);
/* {code, name} of a node by the register, or {code: null, name: null}. */
json_t *json_node(const struct control_env *env, const struct cpis_id *id);
void put(json_t *o, const char *key, json_t *value); /* takes value; NULL becomes null */

const char *control_role_name(enum node_role r); /* "" for none */
struct control_quorum { /* directories that hold a share of the current key; all 0: no epoch */
    size_t holders, reachable; /* this node counts as reachable */
    uint32_t needed, epoch;
};
struct control_quorum control_quorum(const struct control_env *env);
const char *details_who(const struct msg_ask_details *d); /* the best name there is */
void put_organisation(json_t *o, const char *code, const char *name);

/* A row decoded: row_bytes(env, TABLE_X, key, len, &bytes): free(). CPIS_E_NOTFOUND, CPIS_E_STORE,
 * CPIS_E_NOMEM. */
CPIS_CHECK cpis_err row_bytes(const struct control_env *env, enum table t, const void *key,
                              size_t len, uint8_t **ret, size_t *ret_len);

json_t *control_status(struct control *c, const struct control_env *env, struct request *r,
                       struct fault *f);
json_t *control_metrics(struct control *c, const struct control_env *env, struct request *r,
                        struct fault *f);
json_t *control_lookup(struct control *c, const struct control_env *env, struct request *r,
                       struct fault *f);
json_t *control_changes(struct control *c, const struct control_env *env, struct request *r,
                        struct fault *f);
json_t *control_undo_import(struct control *c, const struct control_env *env, struct request *r,
                            struct fault *f);
json_t *control_imports(struct control *c, const struct control_env *env, struct request *r,
                        struct fault *f);
json_t *control_flags_list(struct control *c, const struct control_env *env, struct request *r,
                           struct fault *f);
json_t *control_flags_show(struct control *c, const struct control_env *env, struct request *r,
                           struct fault *f);
json_t *control_notifications_list(struct control *c, const struct control_env *env,
                                   struct request *r, struct fault *f);
json_t *control_notifications_completed(struct control *c, const struct control_env *env,
                                        struct request *r, struct fault *f);
json_t *control_notifications_set(struct control *c, const struct control_env *env,
                                  struct request *r, struct fault *f);
json_t *control_notifications_test(struct control *c, const struct control_env *env,
                                   struct request *r, struct fault *f);
json_t *control_stats(struct control *c, const struct control_env *env, struct request *r,
                      struct fault *f);
json_t *control_accesses(struct control *c, const struct control_env *env, struct request *r,
                         struct fault *f);
json_t *control_register_offer(struct control *c, const struct control_env *env, struct request *r,
                               struct fault *f);
json_t *control_ceremony_start(struct control *c, const struct control_env *env, struct request *r,
                               struct fault *f);
json_t *control_ceremony_result(struct control *c, const struct control_env *env, struct request *r,
                                struct fault *f);
json_t *control_simple(struct control *c, const struct control_env *env, struct request *r,
                       struct fault *f); /* accept_heads, confirm_shrink, confirm_restore */
json_t *control_evidence(struct control *c, const struct control_env *env, struct request *r,
                         struct fault *f);
json_t *control_evidence_list(struct control *c, const struct control_env *env, struct request *r,
                              struct fault *f);
json_t *control_log_export(struct control *c, const struct control_env *env, struct request *r,
                           struct fault *f);
json_t *control_log_held(struct control *c, const struct control_env *env, struct request *r,
                         struct fault *f);
json_t *control_stop(struct control *c, const struct control_env *env, struct request *r,
                     struct fault *f);

json_t *verdict_json(const struct control_env *env, const struct result *res);
json_t *unknown_json(const struct nhs_number *n, const char *reason);
json_t *outcomes_json(const struct result *res);
json_t *undone_json(const struct result *res);
json_t *tested_json(const struct result *res);
#endif
