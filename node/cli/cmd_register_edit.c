/* cpis register admit | update | state | revoke | remove | retire | limits | epoch | notice |
 * expect: each changes FILE.next, beginning it if it is not there; several changes go into one. */
#include "node/cli/commands.h"
#include "node/cli/conf.h"
#include "node/cli/register_file.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define EVALUATIONS_AUTHORITY 200000U
#define EVALUATIONS_QUERY     1000000U
#define LOOKUPS_QUERY         1000000U
#define TOKENS_MAX            32768U
#define DESCRIPTOR_BYTES_MAX  8192U
#define RESULT_BYTES_MAX      ((size_t)1 << 20)

typedef bool (*edit_fn)(struct cli *c, struct register_file *f); /* false: told */

static bool told(const struct cli *c, const char *what, cpis_err err, const char *why)
{
    if (err == CPIS_OK) return true;
    (void)cli_fail(c, "%s: %s", what, why != NULL ? why : cpis_strerror(err));
    return false;
}

static int edit(struct cli *c, size_t min, size_t max, edit_fn fn)
{
    struct register_file f;
    uint64_t days = 30;
    if (!cli_args(c, min, max) || !cli_number(c, "expires-days", 1, 30, &days)) return CLI_USAGE;
    if (!register_file_open(c, c->args[0], &f)) return CLI_ERROR;
    bool ok = register_file_draft(c, &f, days);
    if (ok && cli_has(c, "expires-days")) f.draft.expires = f.draft.issued + days * CPIS_MS_DAY;
    ok = ok && fn(c, &f) && register_file_save(c, &f);
    if (ok)
        (void)printf("version %llu is in %s: more changes, or `cpis register sign`\n",
                     (unsigned long long)f.draft.version, f.next_path);
    register_file_close(&f);
    return ok ? CLI_OK : CLI_ERROR;
}
#define DAYS_OPTION                                                                                \
    {                                                                                              \
        "expires-days", "N", "of the new version: 1 to 30, default 30"                             \
    }
#define LIMIT_OPTIONS                                                                              \
    {"evaluations-per-day", "N", "default: authority 200,000, query 1,000,000"},                   \
        {"lookups-per-day", "N", "default: query 1,000,000"},                                      \
    {                                                                                              \
        "tokens-max", "N", "authority: most entries of its list, default 32,768"                   \
    }

static bool limits_of(const struct cli *c, uint32_t role, struct steward_limits *ret)
{
    *ret = (struct steward_limits){0};
    if (role == ROLE_AUTHORITY) {
        ret->evaluations_per_day = EVALUATIONS_AUTHORITY;
        ret->tokens_max = TOKENS_MAX;
    } else if (role == ROLE_QUERY) {
        ret->evaluations_per_day = EVALUATIONS_QUERY;
        ret->lookups_per_day = LOOKUPS_QUERY;
    }
    return cli_number(c, "evaluations-per-day", 0, UINT32_MAX, &ret->evaluations_per_day) &&
           cli_number(c, "lookups-per-day", 0, UINT32_MAX, &ret->lookups_per_day) &&
           (role != ROLE_AUTHORITY || cli_number(c, "tokens-max", 1, 1U << 24, &ret->tokens_max));
}

static bool read_descriptor(const struct cli *c, const char *path, struct arena *a,
                            struct msg_signed_descriptor *ret)
{
    uint8_t *p;
    size_t len;
    if (!cli_read_file(c, path, DESCRIPTOR_BYTES_MAX, &p, &len)) return false;
    cpis_err err = signed_descriptor_decode((struct bytes){p, len}, a, ret);
    free(p);
    return told(c, path, err, err == CPIS_E_MALFORMED ? "is no descriptor" : NULL);
}

/* --- nodes --- */

static bool admit(struct cli *c, struct register_file *f)
{
    struct cpis_id replaces, id;
    const char *old = cli_value(c, "replaces"), *why = NULL;
    if (old != NULL && !register_file_find(c, &f->draft, old, &replaces)) return false;
    if (registry_is_empty(f->chain))
        return told(c, f->path, CPIS_E_STATE, "version 1 is not signed yet");
    for (size_t i = 1; i < c->args_count; i++) {
        struct msg_signed_descriptor d;
        struct steward_limits limits;
        if (!read_descriptor(c, c->args[i], &f->arena, &d) ||
            !limits_of(c, d.descriptor.role, &limits))
            return false;
        cpis_err err = steward_add_node(&f->draft, &f->arena, registry_net(f->chain), &d, &limits,
                                        old != NULL ? &replaces : NULL, &why);
        if (!told(c, c->args[i], err, why)) return false;
        id = node_id_of(&d.descriptor.sign_key);
        if (cli_has(c, "active")) {
            err = steward_set_state(&f->draft, &id, NODE_ACTIVE, &why);
            if (!told(c, c->args[i], err, why)) return false;
        }
        (void)printf("admitted: %s %s, %s\n", conf_role_name((enum node_role)d.descriptor.role),
                     d.descriptor.code, d.descriptor.name);
    }
    return true;
}
static int register_admit(struct cli *c) { return edit(c, 2, 2000, admit); }
const struct cli_command cmd_register_admit = {
    .name = "register admit",
    .args = "FILE DESCRIPTOR...",
    .summary = "let nodes in, by the descriptors that `cpis init` wrote",
    .more = "Check first, by telephone or in person, that the descriptor comes from whom it names.",
    .fn = register_admit,
    .options = (const struct cli_option[]){
        {"active", NULL, "at once; default: joining (searched, not yet counted)"},
        {"replaces", "NODE", "the node whose successor it is (new key after a loss)"},
        LIMIT_OPTIONS,
        DAYS_OPTION,
        {0}}};

static bool update(struct cli *c, struct register_file *f)
{
    const char *why = NULL;
    for (size_t i = 1; i < c->args_count; i++) {
        struct msg_signed_descriptor d;
        if (!read_descriptor(c, c->args[i], &f->arena, &d)) return false;
        cpis_err err = registry_is_empty(f->chain)
                           ? CPIS_E_STATE
                           : steward_set_descriptor(&f->draft, registry_net(f->chain), &d, &why);
        if (!told(c, c->args[i], err, why)) return false;
    }
    return true;
}
static int register_update(struct cli *c) { return edit(c, 2, 2000, update); }
const struct cli_command cmd_register_update = {
    .name = "register update",
    .args = "FILE DESCRIPTOR...",
    .summary = "take in another descriptor of a node that is in: telephone, endpoint, dates",
    .fn = register_update,
    .options = (const struct cli_option[]){DAYS_OPTION, {0}}};

static bool set_states(struct cli *c, struct register_file *f, size_t end, enum node_state state)
{
    for (size_t i = 1; i < end; i++) {
        struct cpis_id id;
        const char *why = NULL;
        if (!register_file_find(c, &f->draft, c->args[i], &id)) return false;
        if (!told(c, c->args[i], steward_set_state(&f->draft, &id, state, &why), why)) return false;
    }
    return true;
}

static bool state(struct cli *c, struct register_file *f)
{
    const char *last = c->args[c->args_count - 1];
    for (unsigned s = NODE_JOINING; s <= NODE_RETIRED; s++)
        if (strcmp(last, node_state_name((enum node_state)s)) == 0)
            return set_states(c, f, c->args_count - 1, (enum node_state)s);
    (void)cli_usage(c, "the last argument: joining, active, suspended or retired");
    return false;
}
static int register_state(struct cli *c) { return edit(c, 3, 2000, state); }
const struct cli_command cmd_register_state = {
    .name = "register state",
    .args = "FILE NODE... joining|active|suspended|retired",
    .summary = "change what nodes are in the federation",
    .more = "NODE: its code, role:code where two have it, or its id in hexadecimal.\n"
            "suspended (authority): its last good list stays searched, new ones are refused.\n"
            "retired: only seven days after `register retire` announced it.",
    .fn = register_state,
    .options = (const struct cli_option[]){DAYS_OPTION, {0}}};

static bool revoke(struct cli *c, struct register_file *f)
{
    return set_states(c, f, c->args_count, NODE_REVOKED);
}
static int register_revoke(struct cli *c) { return edit(c, 2, 2000, revoke); }
const struct cli_command cmd_register_revoke = {
    .name = "register revoke",
    .args = "FILE NODE...",
    .summary = "shut a directory or query node out (key stolen); an authority is suspended instead",
    .fn = register_revoke,
    .options = (const struct cli_option[]){DAYS_OPTION, {0}}};

static bool remove_nodes(struct cli *c, struct register_file *f)
{
    for (size_t i = 1; i < c->args_count; i++) {
        struct cpis_id id;
        const char *why = NULL;
        if (!register_file_find(c, &f->draft, c->args[i], &id)) return false;
        if (!told(c, c->args[i], steward_remove_node(&f->draft, &id, &why), why)) return false;
    }
    return true;
}
static int register_remove(struct cli *c) { return edit(c, 2, 2000, remove_nodes); }
const struct cli_command cmd_register_remove = {
    .name = "register remove",
    .args = "FILE NODE...",
    .summary = "take nodes out of the register for good",
    .fn = register_remove,
    .options = (const struct cli_option[]){DAYS_OPTION, {0}}};

static bool retire(struct cli *c, struct register_file *f)
{
    struct cpis_id id, successors[SUCCESSORS_MAX];
    const char *why = NULL;
    size_t n = c->args_count - 2;
    if (!register_file_find(c, &f->draft, c->args[1], &id)) return false;
    for (size_t i = 0; i < n; i++)
        if (!register_file_find(c, &f->draft, c->args[i + 2], &successors[i])) return false;
    return told(c, c->args[1],
                steward_set_successors(&f->draft, &f->arena, &id, successors, n, &why), why);
}
static int register_retire(struct cli *c) { return edit(c, 2, 2 + SUCCESSORS_MAX, retire); }
const struct cli_command cmd_register_retire = {
    .name = "register retire",
    .args = "FILE AUTHORITY SUCCESSOR...",
    .summary =
        "announce that an authority's children go to others; seven days later: state retired",
    .more = "Without successors an announcement is taken back.",
    .fn = register_retire,
    .options = (const struct cli_option[]){DAYS_OPTION, {0}}};

static bool set_limits(struct cli *c, struct register_file *f)
{
    for (size_t i = 1; i < c->args_count; i++) {
        struct cpis_id id;
        struct steward_limits limits = {0};
        const char *why = NULL;
        if (!register_file_find(c, &f->draft, c->args[i], &id)) return false;
        for (size_t k = 0; k < f->draft.nodes_count; k++) {
            struct msg_register_node *n = &f->draft.nodes[k];
            struct cpis_id this = node_id_of(&n->descriptor.sign_key);
            if (memcmp(&this, &id, sizeof id) != 0) continue;
            limits =
                (struct steward_limits){n->evaluations_per_day, n->lookups_per_day, n->tokens_max};
        }
        if (!cli_number(c, "evaluations-per-day", 0, UINT32_MAX, &limits.evaluations_per_day) ||
            !cli_number(c, "lookups-per-day", 0, UINT32_MAX, &limits.lookups_per_day) ||
            !cli_number(c, "tokens-max", 0, 1U << 24, &limits.tokens_max) ||
            !told(c, c->args[i], steward_set_limits(&f->draft, &id, &limits, &why), why))
            return false;
    }
    return true;
}
static int register_limits(struct cli *c) { return edit(c, 2, 2000, set_limits); }
const struct cli_command cmd_register_limits = {
    .name = "register limits",
    .args = "FILE NODE...",
    .summary = "change how much nodes may ask a day, or an authority list",
    .fn = register_limits,
    .options = (const struct cli_option[]){LIMIT_OPTIONS, DAYS_OPTION, {0}}};

/* --- epochs, notices, who is expected --- */

static bool read_acceptances(const struct cli *c, const char *path, struct arena *a,
                             struct signed_message *ret, size_t *ret_count)
{
    uint8_t *p;
    size_t len;
    json_error_t e;
    if (!cli_read_file(c, path, RESULT_BYTES_MAX, &p, &len)) return false;
    json_t *o = json_loadb((const char *)p, len, JSON_REJECT_DUPLICATES, &e);
    free(p);
    const json_t *list = json_object_get(o, "acceptances");
    size_t n = json_array_size(list);
    bool ok = n > 0 && n <= THRESHOLD_HOLDERS_MAX;
    for (size_t i = 0; ok && i < n; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        uint8_t *b = text == NULL ? NULL : cli_base64(c, text, &len);
        ok = b != NULL && signed_message_decode((struct bytes){b, len}, a, &ret[i]) == CPIS_OK;
        free(b);
    }
    json_decref(o);
    *ret_count = n;
    return told(c, path, ok ? CPIS_OK : CPIS_E_MALFORMED,
                "is not what `cpis ceremony result` writes");
}

static bool epoch(struct cli *c, struct register_file *f)
{
    struct signed_message acceptances[THRESHOLD_HOLDERS_MAX];
    size_t n;
    uint64_t from = 0, days = 400, bits = 8;
    const char *why = NULL;
    if (!cli_number(c, "from-hours", 0, 24 * 365, &from) ||
        !cli_number(c, "days", 1, 3650, &days) || !cli_number(c, "bucket-bits", 0, 10, &bits) ||
        !read_acceptances(c, c->args[1], &f->arena, acceptances, &n))
        return false;
    if (registry_is_empty(f->chain)) return told(c, f->path, CPIS_E_STATE, "is not signed yet");
    uint64_t begin = f->draft.issued + from * CPIS_MS_HOUR;
    struct steward_epoch ep = {.bucket_bits = (uint32_t)bits,
                               .not_before = begin,
                               .not_after = begin + days * CPIS_MS_DAY};
    return told(
        c, c->args[1],
        steward_add_epoch(&f->draft, &f->arena, registry_net(f->chain), acceptances, n, &ep, &why),
        why);
}
static int register_epoch(struct cli *c) { return edit(c, 2, 2, epoch); }
const struct cli_command cmd_register_epoch = {
    .name = "register epoch",
    .args = "FILE RESULT",
    .summary = "take in the key epoch that a ceremony made (`cpis ceremony result`)",
    .fn = register_epoch,
    .options = (const struct cli_option[]){
        {"from-hours", "N", "it becomes the current one so many hours from now, default 0"},
        {"days", "N", "how long it lasts, default 400"},
        {"bucket-bits", "N", "default 8, at most 10"},
        DAYS_OPTION,
        {0}}};

static bool notice(struct cli *c, struct register_file *f)
{
    struct cpis_id id;
    const char *why = NULL;
    uint64_t list_hours = 0, hours = 24;
    if (!register_file_find(c, &f->draft, c->args[1], &id) ||
        !cli_number(c, "list-age-hours", 0, 24 * 365, &list_hours) ||
        !cli_number(c, "hours", 0, 24 * 60, &hours))
        return false;
    struct msg_register_notice n = {.authority_id = id,
                                    .list_time = f->draft.issued - list_hours * CPIS_MS_HOUR,
                                    .until =
                                        hours == 0 ? 0 : f->draft.issued + hours * CPIS_MS_HOUR};
    return told(c, c->args[1], steward_set_notice(&f->draft, &f->arena, &n, &why), why);
}
static int register_notice(struct cli *c) { return edit(c, 2, 2, notice); }
const struct cli_command cmd_register_notice = {
    .name = "register notice",
    .args = "FILE AUTHORITY",
    .summary = "say that an authority can't publish for a while: its old list counts meanwhile",
    .fn = register_notice,
    .options = (const struct cli_option[]){
        {"list-age-hours", "N", "its last list is so old"},
        {"hours", "N", "the notice lasts so long, default 24; 0 takes it away"},
        DAYS_OPTION,
        {0}}};

static bool expect(struct cli *c, struct register_file *f)
{
    size_t n = c->args_count - 1;
    struct msg_register_expected *list = arena_take(&f->arena, n * sizeof *list);
    const char *why = NULL;
    if (list == NULL) return told(c, f->path, CPIS_E_NOMEM, NULL);
    for (size_t i = 0; i < n; i++) { /* CODE=NAME=EMERGENCY[=OFFICE] */
        struct node_settings s;
        char *text = c->args[i + 1], *save = NULL;
        static const char *const parts[] = {"org", "name", "emergency", "office"};
        conf_default(&s);
        size_t k = 0;
        for (char *p = strtok_r(text, "=", &save); p != NULL; p = strtok_r(NULL, "=", &save), k++)
            if (k == 4 || (why = conf_set(&s, parts[k], p)) != NULL) break;
        if (why != NULL || k < 3 || k > 4)
            return told(c, "CODE=NAME=EMERGENCY[=OFFICE]", CPIS_E_MALFORMED, why);
        memcpy(list[i].code, s.org, sizeof s.org);
        memcpy(list[i].name, s.name, sizeof s.name);
        memcpy(list[i].emergency, s.emergency, sizeof s.emergency);
        memcpy(list[i].office, s.office, sizeof s.office);
    }
    return told(c, f->path, steward_set_expected(&f->draft, &f->arena, list, n, &why), why);
}
static int register_expect(struct cli *c) { return edit(c, 1, 2000, expect); }
const struct cli_command cmd_register_expect = {
    .name = "register expect",
    .args = "FILE CODE=NAME=EMERGENCY[=OFFICE]...",
    .summary = "name the authorities that do not take part yet (the whole list, each time)",
    .fn = register_expect,
    .options = (const struct cli_option[]){DAYS_OPTION, {0}}};
