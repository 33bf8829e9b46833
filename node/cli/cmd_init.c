/* cpis init: the folder of a node, and the descriptor by which the stewards admit it. */
#include "node/cli/commands.h"
#include "node/cli/conf.h"
#include "node/net/chain_file.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DESCRIPTOR  "descriptor"
#define VALID_DAYS  730U
#define CLOCK_SLACK CPIS_MS_HOUR /* a descriptor counts from a little before it was made */

static bool set_all(const struct cli *c, struct node_settings *s)
{
    static const char *const keys[] = {"role",   "org",      "name",   "emergency",
                                       "office", "endpoint", "listen", "passphrase_file"};
    static const char *const options[] = {"role",   "org",      "name",   "emergency",
                                          "office", "endpoint", "listen", "passphrase-file"};
    conf_default(s);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *value = cli_value(c, options[i]), *expected;
        if (value == NULL) continue;
        expected = conf_set(s, keys[i], value);
        if (expected != NULL) {
            (void)cli_usage(c, "--%s: expected %s", options[i], expected);
            return false;
        }
    }
    const char *lacks = !cli_has(c, "role")                                    ? "role"
                        : s->org[0] == '\0'                                    ? "org"
                        : s->name[0] == '\0'                                   ? "name"
                        : !cli_has(c, "register")                              ? "register"
                        : s->role == ROLE_AUTHORITY && s->emergency[0] == '\0' ? "emergency"
                        : s->role == ROLE_DIRECTORY && s->endpoint[0] == '\0'  ? "endpoint"
                                                                               : NULL;
    if (lacks != NULL) (void)cli_usage(c, "--%s is needed", lacks);
    return lacks == NULL;
}

static bool write_descriptor(const struct cli *c, const char *dir, const struct node_settings *s,
                             const struct identity *id, const struct net_id *net, uint64_t days)
{
    struct arena a = arena_make(65536);
    struct bytes body, b;
    uint64_t now = cli_wall();
    struct msg_signed_descriptor d = {.descriptor = {.sign_key = id->pub.sign,
                                                     .sealing_key = id->pub.sealing,
                                                     .transport_key = id->pub.transport,
                                                     .role = s->role,
                                                     .not_before = now - CLOCK_SLACK,
                                                     .not_after = now + days * CPIS_MS_DAY}};
    memcpy(d.descriptor.code, s->org, sizeof s->org);
    memcpy(d.descriptor.name, s->name, sizeof s->name);
    if (s->role == ROLE_DIRECTORY) memcpy(d.descriptor.endpoint, s->endpoint, sizeof s->endpoint);
    if (s->role == ROLE_AUTHORITY) {
        memcpy(d.descriptor.emergency, s->emergency, sizeof s->emergency);
        memcpy(d.descriptor.office, s->office, sizeof s->office);
    }
    cpis_err err = descriptor_encode(&d.descriptor, &a, &body);
    if (err == CPIS_OK) {
        sign_make(&id->sign, SIGNED_DESCRIPTOR, net, body.p, body.len, &d.signature);
        err = registry_descriptor_check(&d.descriptor, &d.signature, net);
    }
    if (err == CPIS_OK) err = signed_descriptor_encode(&d, &a, &b);
    if (err == CPIS_OK) err = folder_write(dir, DESCRIPTOR, b);
    arena_free(&a);
    if (err != CPIS_OK) (void)cli_fail(c, "the descriptor: %s", cpis_strerror(err));
    return err == CPIS_OK;
}

/* The node's keys: made, or (only a new descriptor is wanted) read. An init that was cut short has
 * left no node.conf: the next one goes on with the key that it had made. */
static bool get_identity(const struct cli *c, const char *dir, const char *passphrase, size_t len,
                         bool make, struct identity *ret)
{
    const char *why = NULL;
    struct folder_secrets *s = sodium_malloc(sizeof *s);
    cpis_err err = s == NULL ? CPIS_E_NOMEM : CPIS_OK;
    if (err == CPIS_OK && make) {
        folder_secrets_make(s);
        err = folder_secrets_write(dir, s, passphrase, len, false);
    }
    if (err == CPIS_E_STATE || (err == CPIS_OK && !make)) {
        err = folder_secrets_read(dir, passphrase, len, s, &why);
    }
    if (err == CPIS_OK) identity_from(s->seed, ret);
    sodium_free(s);
    if (err != CPIS_OK)
        (void)cli_fail(c, "%s: %s", FOLDER_IDENTITY, why != NULL ? why : cpis_strerror(err));
    return err == CPIS_OK;
}

static bool copy_register(const struct cli *c, const char *dir)
{
    char path[FOLDER_PATH_BYTES], why[CHAIN_WHY_BYTES] = "";
    cpis_err err = folder_path(dir, FOLDER_REGISTER, sizeof path, path);
    if (err == CPIS_OK) err = chain_file_copy(cli_value(c, "register"), path, 0600, NULL, why);
    if (err != CPIS_OK)
        (void)cli_fail(c, "%s: %s", cli_value(c, "register"),
                       why[0] != '\0' ? why : cpis_strerror(err));
    return err == CPIS_OK;
}

static bool write_conf(const struct cli *c, const char *dir, const struct node_settings *s)
{
    char *text = conf_write(s);
    cpis_err err = text == NULL ? CPIS_E_NOMEM : folder_make(dir);
    if (err == CPIS_OK)
        err = folder_write(dir, FOLDER_CONF, (struct bytes){(uint8_t *)text, strlen(text)});
    free(text);
    if (err == CPIS_OK) return true;
    (void)cli_fail(c, "the folder can't be made: %s (%s)", cpis_strerror(err), strerror(errno));
    return false;
}

static bool judge_register(const struct cli *c, struct net_id *ret_net)
{
    const char *path = cli_value(c, "register");
    char why[CHAIN_WHY_BYTES] = "";
    struct registry *r = NULL;
    cpis_err err = registry_new(&r);
    if (err == CPIS_OK) err = chain_file_load(path, 0, r, why);
    if (err == CPIS_OK)
        *ret_net = *registry_net(r);
    else
        (void)cli_fail(c, "%s: %s", path, why[0] != '\0' ? why : cpis_strerror(err));
    registry_free(&r);
    return err == CPIS_OK;
}

static int make_node(const struct cli *c, const char *dir, struct node_settings *s,
                     const char *passphrase, size_t passphrase_len)
{
    struct net_id net;
    uint64_t days = VALID_DAYS;
    char conf[FOLDER_PATH_BYTES], id_hex[2 * CPIS_ID_BYTES + 1];
    bool again = cli_has(c, "descriptor-only");
    if (!cli_number(c, "valid-days", 1, 3650, &days)) return CLI_USAGE;
    if (folder_path(dir, FOLDER_CONF, sizeof conf, conf) != CPIS_OK)
        return cli_fail(c, "the path of the folder is too long");
    if (again != (access(conf, F_OK) == 0))
        return cli_fail(c,
                        again ? "%s: there is no node here yet"
                              : "%s: there is a node here already; nothing was changed",
                        dir);
    if (!judge_register(c, &net)) return CLI_ERROR;
    struct identity *id = sodium_malloc(sizeof *id);
    bool ok = id != NULL && folder_make(dir) == CPIS_OK &&
              get_identity(c, dir, passphrase, passphrase_len, !again, id) &&
              write_descriptor(c, dir, s, id, &net, days) && copy_register(c, dir) &&
              write_conf(c, dir, s); /* last: the folder is whole */
    if (ok) {
        struct cpis_id node = node_id_of(&id->pub.sign);
        cli_hex(node.b, sizeof node.b, id_hex);
    }
    sodium_free(id);
    if (!ok) return CLI_ERROR;
    (void)printf("%s: %s %s, node %s\nsend %s/%s to the stewards; then: cpis run %s\n", dir,
                 conf_role_name(s->role), s->org, id_hex, dir, DESCRIPTOR, dir);
    return CLI_OK;
}

static int init(struct cli *c)
{
    struct node_settings s;
    char *passphrase;
    size_t len;
    if (!cli_args(c, 1, 1) || !set_all(c, &s)) return CLI_USAGE;
    if (s.passphrase_file[0] != '\0' && s.passphrase_file[0] != '/' && s.passphrase_file[0] != '-')
        return cli_usage(c, "--passphrase-file: a path that begins with /: the node may be started "
                            "elsewhere");
    if (strcmp(s.passphrase_file, "-") == 0) s.passphrase_file[0] = '\0'; /* given at each start */
    if (!cli_passphrase(c, cli_value(c, "passphrase-file"), &passphrase, &len)) return CLI_ERROR;
    int code = make_node(c, c->args[0], &s, passphrase, len);
    sodium_free(passphrase);
    return code;
}
const struct cli_command cmd_init = {
    .name = "init",
    .args = "DIR --register FILE --role ROLE --org CODE --name NAME",
    .summary = "make a node's folder: settings, keys, and the descriptor for the stewards",
    .fn = init,
    .options = (const struct cli_option[]){
        {"register", "FILE", "the federation's register, from the stewards"},
        {"role", "ROLE", "authority, directory or query"},
        {"org", "CODE", "ODS code of the organisation"},
        {"name", "NAME", "as others read it"},
        {"emergency", "NUMBER", "authority: the emergency duty team's telephone"},
        {"office", "NUMBER", "authority: the telephone in office hours"},
        {"endpoint", "tcp://...", "directory: where others find it (tcp://host:port)"},
        {"listen", "tcp://...", "directory: where it listens, if that differs"},
        {"passphrase-file", "FILE", "protect identity.key by its first line (- : standard input)"},
        {"valid-days", "N", "of the descriptor, default 730"},
        {"descriptor-only", NULL, "the node is there: a new descriptor with the same keys"},
        {0}}};
