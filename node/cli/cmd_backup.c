/* cpis backup, cpis restore. */
#include "node/cli/commands.h"
#include "node/cli/conf.h"
#include "node/net/chain_store.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_BYTES_MAX ((size_t)1 << 20) /* node.conf, identity.key */

static bool copy_files(const struct cli *c, const char *from, const char *to)
{
    static const char *const files[] = {FOLDER_IDENTITY, FOLDER_CONF};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        uint8_t *p;
        size_t len;
        cpis_err err = folder_read(from, files[i], FILE_BYTES_MAX, &p, &len);
        if (err == CPIS_OK) {
            err = folder_write(to, files[i], (struct bytes){p, len});
            sodium_memzero(p, len);
            free(p);
        }
        if (err == CPIS_OK) continue;
        (void)cli_fail(c, "%s: %s", files[i], cpis_strerror(err));
        return false;
    }
    return true;
}

/* As the store has it; a node that has never run has only the file. */
static bool copy_register(const struct cli *c, struct store *store, const char *from,
                          const char *to)
{
    char source[FOLDER_PATH_BYTES], target[FOLDER_PATH_BYTES], why[CHAIN_WHY_BYTES] = "";
    struct chain_mark none = {.at = 0};
    uint64_t version = 0;
    cpis_err err = folder_path(from, FOLDER_REGISTER, sizeof source, source);
    if (err == CPIS_OK) err = folder_path(to, FOLDER_REGISTER, sizeof target, target);
    if (err == CPIS_OK && store != NULL) {
        const struct view view = store_view(store);
        err = chain_store_version(&view, &version);
        if (err == CPIS_OK && version > 0) err = chain_store_keep(to, &view, version, &none);
    }
    if (err == CPIS_OK && version == 0) err = chain_file_copy(source, target, 0600, NULL, why);
    if (err != CPIS_OK)
        (void)cli_fail(c, "%s: %s", source, why[0] != '\0' ? why : cpis_strerror(err));
    return err == CPIS_OK;
}

static bool show_progress(void *arg, uint64_t rows, uint64_t of)
{
    (void)arg;
    if (rows % 10000 == 0 && isatty(STDERR_FILENO) == 1)
        (void)fprintf(stderr, "\r%llu of %llu rows", (unsigned long long)rows,
                      (unsigned long long)of);
    return true;
}

static bool open_store(const struct cli *c, const char *dir, struct store **ret)
{
    char data[FOLDER_PATH_BYTES], why[CONF_WHY_BYTES] = "", *passphrase;
    size_t len;
    struct node_settings s;
    const char *sentence = NULL, *file = cli_value(c, "passphrase-file");
    if (conf_read(dir, &s, why) != CPIS_OK) {
        (void)cli_fail(c, "%s", why);
        return false;
    }
    if (!cli_passphrase(c, file != NULL ? file : s.passphrase_file, &passphrase, &len))
        return false;
    struct folder_secrets *secrets = sodium_malloc(sizeof *secrets);
    struct rest_keys *keys = sodium_malloc(sizeof *keys);
    cpis_err err = secrets == NULL || keys == NULL ? CPIS_E_NOMEM : CPIS_OK;
    if (err == CPIS_OK) err = folder_secrets_read(dir, passphrase, len, secrets, &sentence);
    bool opened = err == CPIS_OK;
    if (err == CPIS_OK) err = folder_path(dir, FOLDER_DATA, sizeof data, data);
    if (err == CPIS_OK) {
        rest_keys_from(secrets->root, keys);
        struct store_conf conf = {.dir = data, .read_only = true};
        err = store_open(&conf, keys, NULL, ret);
    }
    sodium_free(keys);
    sodium_free(secrets);
    sodium_free(passphrase);
    if (err == CPIS_E_NOTFOUND && opened) {
        *ret = NULL; /* it has never run */
        return true;
    }
    if (err != CPIS_OK)
        (void)cli_fail(c, "%s: %s", dir,
                       !opened && sentence != NULL ? sentence : cpis_strerror(err));
    return err == CPIS_OK;
}

static bool copy_folder(const struct cli *c, const char *from, const char *to)
{
    struct store *store = NULL;
    char data[FOLDER_PATH_BYTES], conf[FOLDER_PATH_BYTES];
    if (folder_path(to, FOLDER_CONF, sizeof conf, conf) != CPIS_OK || access(conf, F_OK) == 0) {
        (void)cli_fail(c, "%s: there is a node already; give a folder that is not there yet", to);
        return false;
    }
    if (!open_store(c, from, &store)) return false;
    cpis_err err = folder_make(to);
    if (err == CPIS_OK) err = folder_path(to, FOLDER_DATA, sizeof data, data);
    if (err == CPIS_OK && store != NULL) err = store_backup(store, data, show_progress, NULL);
    bool ok = err == CPIS_OK && copy_register(c, store, from, to);
    store_close(&store);
    if (err == CPIS_OK) return ok && copy_files(c, from, to); /* node.conf last: it is whole */
    (void)cli_fail(c, "%s: %s", to,
                   err == CPIS_E_STATE ? "there is a store already; give a new folder"
                                       : cpis_strerror(err));
    return false;
}

/* This process reads the store beside the node that runs there, one moment of it: the node does not
 * stand still, and need not be able to write where its backups go. */
static int backup(struct cli *c)
{
    if (!cli_args(c, 1, 1)) return CLI_USAGE;
    return copy_folder(c, c->dir, c->args[0]) ? CLI_OK : CLI_ERROR;
}
#define PASSPHRASE_OPTION                                                                          \
    {                                                                                              \
        "passphrase-file", "FILE", "if identity.key has one, and node.conf doesn't name it"        \
    }
const struct cli_command cmd_backup = {
    .name = "backup",
    .args = "DIR TO",
    .summary = "copy a node's folder, while it runs or not; TO is a new folder",
    .more = "Everything but key shares. It holds identity.key: keep it as safe as the node.",
    .takes_dir = true,
    .fn = backup,
    .options = (const struct cli_option[]){PASSPHRASE_OPTION, {0}}};

static int restore(struct cli *c)
{
    if (!cli_args(c, 2, 2)) return CLI_USAGE;
    if (!copy_folder(c, c->args[0], c->args[1])) return CLI_ERROR;
    (void)printf("restored to %s. Be sure that the old node is gone: two with one key are an "
                 "alarm.\nauthority: run it, import a full snapshot, then `cpis flags "
                 "confirm-restore`\ndirectory: its key shares were not in the backup: hold a new "
                 "ceremony\nquery: run it\n",
                 c->args[1]);
    return CLI_OK;
}
const struct cli_command cmd_restore = {
    .name = "restore",
    .args = "BACKUP DIR",
    .summary = "make a node's folder from a backup; every row is read and checked",
    .fn = restore,
    .options = (const struct cli_option[]){PASSPHRASE_OPTION, {0}}};
