/* cpis register roots: who the stewards are. The version that changes them is signed by enough of
 * the old keys and by enough of the new ones. */
#include "node/cli/commands.h"
#include "node/cli/register_file.h"

#include <string.h>

struct root_keys {
    uint8_t key[ROOT_KEYS_MAX * SIGN_PUBLIC_BYTES];
    size_t count;
};

static uint8_t *find(struct root_keys *k, const uint8_t key[SIGN_PUBLIC_BYTES])
{
    for (size_t i = 0; i < k->count; i++)
        if (memcmp(k->key + i * SIGN_PUBLIC_BYTES, key, SIGN_PUBLIC_BYTES) == 0)
            return k->key + i * SIGN_PUBLIC_BYTES;
    return NULL;
}

static bool read_key(const struct cli *c, const char *hex, uint8_t ret[SIGN_PUBLIC_BYTES])
{
    if (strlen(hex) == 2 * SIGN_PUBLIC_BYTES && cli_unhex(hex, ret, SIGN_PUBLIC_BYTES)) return true;
    (void)cli_fail(c, "a root key is the 64 hexadecimal digits that `cpis register key` prints");
    return false;
}

static bool remove_keys(const struct cli *c, struct root_keys *k)
{
    const char *hex;
    for (size_t i = 0; (hex = cli_value_at(c, "remove", i)) != NULL; i++) {
        uint8_t key[SIGN_PUBLIC_BYTES], *at;
        if (!read_key(c, hex, key)) return false;
        at = find(k, key);
        if (at == NULL) {
            (void)cli_fail(c, "--remove: no such root key; `cpis register show` lists them");
            return false;
        }
        uint8_t *last = k->key + --k->count * SIGN_PUBLIC_BYTES;
        memmove(at, at + SIGN_PUBLIC_BYTES, (size_t)(last - at));
    }
    return true;
}

static bool add_keys(const struct cli *c, struct root_keys *k)
{
    const char *hex;
    for (size_t i = 0; (hex = cli_value_at(c, "add", i)) != NULL; i++) {
        uint8_t key[SIGN_PUBLIC_BYTES];
        if (!read_key(c, hex, key)) return false;
        if (find(k, key) != NULL || k->count == ROOT_KEYS_MAX) {
            (void)cli_fail(c,
                           k->count == ROOT_KEYS_MAX ? "--add: there are %u already"
                                                     : "--add: this key is in already (of %u)",
                           (unsigned)k->count);
            return false;
        }
        memcpy(k->key + k->count++ * SIGN_PUBLIC_BYTES, key, sizeof key);
    }
    return true;
}

static bool change(const struct cli *c, struct register_file *f, uint64_t days)
{
    struct root_keys k = {.count = 0};
    const char *why = NULL;
    if (!register_file_draft(c, f, days)) return false;
    uint64_t threshold = f->draft.root_threshold;
    if (!cli_number(c, "threshold", 1, ROOT_KEYS_MAX, &threshold)) return false;
    k.count = f->draft.root_keys.len / SIGN_PUBLIC_BYTES;
    if (k.count > 0) memcpy(k.key, f->draft.root_keys.p, k.count * SIGN_PUBLIC_BYTES);
    if (!remove_keys(c, &k) || !add_keys(c, &k)) return false;
    cpis_err err =
        steward_set_roots(&f->draft, &f->arena, (struct bytes){k.key, k.count * SIGN_PUBLIC_BYTES},
                          (uint32_t)threshold, &why);
    if (err != CPIS_OK) {
        (void)cli_fail(c, "%s", why != NULL ? why : cpis_strerror(err));
        return false;
    }
    if (!register_file_save(c, f)) return false;
    (void)printf("version %llu is in %s: %llu of %zu root keys; it needs enough signatures of the "
                 "keys before, and of these\n",
                 (unsigned long long)f->draft.version, f->next_path, (unsigned long long)threshold,
                 k.count);
    return true;
}

static int register_roots(struct cli *c)
{
    struct register_file f;
    uint64_t days = 30;
    if (!cli_args(c, 1, 1) || !cli_number(c, "expires-days", 1, 30, &days)) return CLI_USAGE;
    if (!cli_has(c, "add") && !cli_has(c, "remove") && !cli_has(c, "threshold"))
        return cli_usage(c, "--add, --remove or --threshold: what is to change");
    if (!register_file_open(c, c->args[0], &f)) return CLI_ERROR;
    const bool ok = change(c, &f, days);
    register_file_close(&f);
    return ok ? CLI_OK : CLI_ERROR;
}
const struct cli_command cmd_register_roots = {
    .name = "register roots",
    .args = "FILE",
    .summary = "change who the stewards are: a root key lost, stolen, or of somebody who leaves",
    .more = "Signed by enough of the old keys and enough of the new; a key that is lost needs not "
            "sign. With too few old keys left nothing can change them: found the federation anew.",
    .fn = register_roots,
    .options = (const struct cli_option[]){
        {"add", "HEX", "a new root key (`cpis register key`); may stand several times"},
        {"remove", "HEX", "a root key that counts no more; may stand several times"},
        {"threshold", "N", "how many must sign from then on; default: as before"},
        {"expires-days", "N", "of the new version: 1 to 30, default 30"},
        {0}}};
