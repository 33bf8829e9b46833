/* cpis register init | sign | discard | show | verify | publish: see register_file.h for the files.
 */
#include "node/cli/commands.h"
#include "node/cli/conf.h"
#include "node/cli/register_file.h"
#include "node/cli/register_offer.h"
#include "node/cli/root_key.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DAYS_DEFAULT 30U

/* --- init --- */

struct roots {
    uint8_t public[ROOT_KEYS_MAX * SIGN_PUBLIC_BYTES];
    size_t count;
};

static int compare_keys(const void *a, const void *b) { return memcmp(a, b, SIGN_PUBLIC_BYTES); }

static bool add_root(const struct cli *c, struct roots *r, const struct sign_public *key)
{
    if (r->count == ROOT_KEYS_MAX) {
        (void)cli_usage(c, "at most %u keys", ROOT_KEYS_MAX);
        return false;
    }
    memcpy(r->public + r->count++ * SIGN_PUBLIC_BYTES, key->b, SIGN_PUBLIC_BYTES);
    return true;
}

/* The key files: --keys, and what stands behind it without one. */
static const char *key_path(const struct cli *c, size_t i)
{
    size_t given = 0;
    while (cli_value_at(c, "keys", given) != NULL)
        given++;
    if (i < given) return cli_value_at(c, "keys", i);
    return i - given + 1 < c->args_count ? c->args[i - given + 1] : NULL;
}

static bool gather_roots(const struct cli *c, const char *pass, size_t len, struct roots *r)
{
    struct sign_public key;
    for (size_t i = 0; key_path(c, i) != NULL; i++) {
        bool made;
        if (!root_key_make(c, key_path(c, i), pass, len, &key, &made) || !add_root(c, r, &key))
            return false;
        if (made) (void)fprintf(stderr, "key made: %s - keep it offline\n", key_path(c, i));
    }
    for (size_t i = 0; cli_value_at(c, "public", i) != NULL; i++) {
        if (!cli_unhex(cli_value_at(c, "public", i), key.b, sizeof key.b)) {
            (void)cli_usage(c, "--public: 64 hexadecimal digits, as `cpis register key` prints");
            return false;
        }
        if (!add_root(c, r, &key)) return false;
    }
    qsort(r->public, r->count, SIGN_PUBLIC_BYTES, compare_keys);
    return true;
}

/* Signs FILE.next with one key file; told as it goes. */
static int sign_with(const struct cli *c, struct register_file *f, const char *key_file,
                     const char *pass, size_t len, bool *ret_done)
{
    struct sign_public public;
    struct sign_secret *secret;
    const char *why = NULL;
    struct bytes doc = {NULL, 0};
    if (!root_key_read(c, key_file, pass, len, &public, &secret)) return CLI_ERROR;
    cpis_err err = steward_sign(f->chain, f->next, &public, secret, &f->arena, &doc, &why);
    sodium_free(secret);
    if (err != CPIS_OK)
        return cli_fail(c, "%s: %s", key_file, why != NULL ? why : cpis_strerror(err));
    f->next = doc;
    return register_file_sign(c, f, doc, ret_done, &why) ? CLI_OK : CLI_ERROR;
}

static int sign_all(const struct cli *c, struct register_file *f,
                    const char *(*path)(const struct cli *, size_t), const char *pass, size_t len)
{
    bool done = false;
    int code = CLI_OK;
    for (size_t i = 0; code == CLI_OK && !done && path(c, i) != NULL; i++)
        code = sign_with(c, f, path(c, i), pass, len, &done);
    if (code != CLI_OK) return code;
    if (done)
        (void)printf("signed: %s has a new version; give it to the nodes: cpis register publish "
                     "DIR %s\n",
                     f->path, f->path);
    else
        (void)printf("signed, but not by enough keys yet: hand %s to the next steward\n",
                     f->next_path);
    return CLI_OK;
}

static int init_with(const struct cli *c, const char *pass, size_t len)
{
    struct roots roots = {.count = 0};
    uint64_t threshold = 0, days = DAYS_DEFAULT;
    struct register_file f = {.path = c->args[0], .arena = arena_make(REGISTER_ARENA_BYTES)};
    if (!cli_number(c, "threshold", 1, ROOT_KEYS_MAX, &threshold) ||
        !cli_number(c, "expires-days", 1, 30, &days))
        return CLI_USAGE;
    if (snprintf(f.next_path, sizeof f.next_path, "%s.next", f.path) >= (int)sizeof f.next_path)
        return cli_fail(c, "too long a path");
    if (access(f.path, F_OK) != 0 && access(f.next_path, F_OK) == 0)
        return cli_fail(c,
                        "%s is there already, not signed by enough keys: `cpis register sign %s "
                        "KEY...` goes on with it",
                        f.next_path, f.path);
    if (access(f.path, F_OK) == 0)
        return cli_fail(c, "%s is there already; a federation has one register for ever", f.path);
    if (!gather_roots(c, pass, len, &roots)) return CLI_ERROR;
    if (roots.count == 0 || threshold == 0 || threshold > roots.count)
        return cli_usage(c, "--keys or --public of all stewards, and --threshold: how many of "
                            "them must sign");
    if (registry_new(&f.chain) != CPIS_OK) return cli_fail(c, "%s", cpis_strerror(CPIS_E_NOMEM));
    uint64_t now = cli_wall();
    f.draft = steward_first((struct bytes){roots.public, roots.count * SIGN_PUBLIC_BYTES},
                            (uint32_t)threshold, now, now + days * CPIS_MS_DAY);
    int code = register_file_save(c, &f) ? sign_all(c, &f, key_path, pass, len) : CLI_ERROR;
    register_file_close(&f);
    return code;
}

static int with_passphrase(struct cli *c, int (*fn)(const struct cli *, const char *, size_t))
{
    char *pass;
    size_t len;
    if (!cli_passphrase(c, cli_value(c, "passphrase-file"), &pass, &len)) return CLI_ERROR;
    int code = fn(c, pass, len);
    sodium_free(pass);
    return code;
}

static int register_init(struct cli *c)
{
    if (!cli_args(c, 1, ROOT_KEYS_MAX + 1)) return CLI_USAGE;
    return with_passphrase(c, init_with);
}
#define PASSPHRASE_OPTION                                                                          \
    {                                                                                              \
        "passphrase-file", "FILE", "its first line opens (or will open) the key files"             \
    }
const struct cli_command cmd_register_init = {
    .name = "register init",
    .args = "FILE --keys KEY1 KEY2 ... --threshold N",
    .summary = "found a federation: make the stewards' root keys and version 1 of its register",
    .more = "KEY1, KEY2, ... are made (0600) when they are not there. With keys made elsewhere\n"
            "(`cpis register key`) give --public for each; then FILE.next goes round to be signed.",
    .fn = register_init,
    .options = (const struct cli_option[]){
        {"keys", "KEY...", "the stewards' key files"},
        {"public", "HEX", "a root key that lies elsewhere; may stand several times"},
        {"threshold", "N", "how many of them must sign"},
        {"expires-days", "N", "1 to 30, default 30"},
        PASSPHRASE_OPTION,
        {0}}};

static int key_with(const struct cli *c, const char *pass, size_t len)
{
    struct sign_public key;
    char hex[2 * SIGN_PUBLIC_BYTES + 1];
    bool made;
    if (!root_key_make(c, c->args[0], pass, len, &key, &made)) return CLI_ERROR;
    cli_hex(key.b, sizeof key.b, hex);
    (void)printf("%s\n", hex);
    return CLI_OK;
}

static int register_key(struct cli *c)
{
    return cli_args(c, 1, 1) ? with_passphrase(c, key_with) : CLI_USAGE;
}
const struct cli_command cmd_register_key = {
    .name = "register key",
    .args = "KEYFILE",
    .summary = "make a steward's root key, or read it, and print its public half",
    .fn = register_key,
    .options = (const struct cli_option[]){PASSPHRASE_OPTION, {0}}};

/* --- sign, discard --- */

static const char *signing_path(const struct cli *c, size_t i)
{
    return i + 1 < c->args_count ? c->args[i + 1] : NULL;
}

static int sign_files(const struct cli *c, const char *pass, size_t len)
{
    struct register_file f;
    if (!register_file_open(c, c->args[0], &f)) return CLI_ERROR;
    int code = f.has_next ? sign_all(c, &f, signing_path, pass, len)
                          : cli_fail(c, "nothing to sign: there is no %s", f.next_path);
    register_file_close(&f);
    return code;
}

static int register_sign(struct cli *c)
{
    return cli_args(c, 2, ROOT_KEYS_MAX + 1) ? with_passphrase(c, sign_files) : CLI_USAGE;
}
const struct cli_command cmd_register_sign = {
    .name = "register sign",
    .args = "FILE KEYFILE...",
    .summary = "sign FILE.next; with enough signatures it becomes the newest version in FILE",
    .more = "Look at it first: cpis register show FILE --next",
    .fn = register_sign,
    .options = (const struct cli_option[]){PASSPHRASE_OPTION, {0}}};

static int register_discard(struct cli *c)
{
    struct register_file f;
    if (!cli_args(c, 1, 1)) return CLI_USAGE;
    if (!register_file_open(c, c->args[0], &f)) return CLI_ERROR;
    int code = f.has_next && unlink(f.next_path) == 0
                   ? CLI_OK
                   : cli_fail(c, "there is no %s to throw away", f.next_path);
    register_file_close(&f);
    return code;
}
const struct cli_command cmd_register_discard = {
    .name = "register discard",
    .args = "FILE",
    .summary = "throw the version under construction (FILE.next) away",
    .fn = register_discard,
    .options = (const struct cli_option[]){{0}}};

/* --- verify, publish --- */

static int register_verify(struct cli *c)
{
    struct register_file f;
    char net[2 * NET_BYTES + 1], hash[2 * CPIS_HASH_BYTES + 1];
    if (!cli_args(c, 1, 1)) return CLI_USAGE;
    if (!register_file_open(c, c->args[0], &f)) return CLI_ERROR;
    int code = CLI_OK;
    if (registry_is_empty(f.chain)) {
        code = cli_fail(c, "%s is not signed yet: nothing to verify", f.next_path);
    } else {
        cli_hex(registry_net(f.chain)->b, NET_BYTES, net);
        cli_hex(registry_hash(f.chain)->b, CPIS_HASH_BYTES, hash);
        uint64_t expires = registry_expires(f.chain);
        if (cli_has(c, "json")) {
            cli_print_json(json_pack("{s:s,s:I,s:s,s:b}", "net", net, "version",
                                     (json_int_t)registry_version(f.chain), "hash", hash, "expired",
                                     expires < cli_wall()));
        } else {
            (void)printf("holds: versions 1 to %llu, each signed by enough root keys\nnet %s\n"
                         "hash %s\n",
                         (unsigned long long)registry_version(f.chain), net, hash);
        }
        if (expires < cli_wall()) (void)fprintf(stderr, "but it has expired: sign a new version\n");
    }
    register_file_close(&f);
    return code;
}
#define JSON_OPTION                                                                                \
    {                                                                                              \
        "json", NULL, "JSON instead of text"                                                       \
    }
const struct cli_command cmd_register_verify = {
    .name = "register verify",
    .args = "FILE",
    .summary = "check every link of a register as a node would",
    .fn = register_verify,
    .options = (const struct cli_option[]){JSON_OPTION, {0}}};

static int register_publish(struct cli *c)
{
    struct register_file f;
    if (!cli_args(c, 1, 1)) return CLI_USAGE;
    if (!register_file_open(c, c->args[0], &f)) return CLI_ERROR;
    int code = registry_is_empty(f.chain) ? cli_fail(c, "%s is not signed yet", f.next_path)
                                          : register_offer(c, f.path, registry_version(f.chain));
    if (code == CLI_OK)
        (void)printf("version %llu is in force at this node; it tells the others\n",
                     (unsigned long long)registry_version(f.chain));
    register_file_close(&f);
    return code;
}
const struct cli_command cmd_register_publish = {
    .name = "register publish",
    .args = "DIR FILE",
    .summary = "give a signed register to a running node, which tells the others",
    .more = "Every version that the node does not have yet, in parts; each is durable at the node\n"
            "before the next is given. What was cut short goes on where it was when repeated.",
    .takes_dir = true,
    .fn = register_publish,
    .options = (const struct cli_option[]){{0}}};
