#include "node/cli/delivery_file.h"

#include "node/cli/companion.h"

#include <stdlib.h>
#include <string.h>

#define TELL_EVERY CPIS_MS_MINUTE

bool delivery_file_load(const struct cli *c, const char *name, struct delivery *ret,
                        bool *ret_begun)
{
    uint8_t *bytes = NULL;
    char *text = NULL;
    size_t len = 0;
    memset(ret, 0, sizeof *ret);
    *ret_begun = false;
    cpis_err err = folder_read(c->dir, name, DELIVERY_TEXT_BYTES, &bytes, &len);
    if (err == CPIS_E_NOTFOUND) return true;
    if (err == CPIS_OK && (text = calloc(1, len + 1)) == NULL) err = CPIS_E_NOMEM;
    if (err == CPIS_OK) {
        memcpy(text, bytes, len);
        err = delivery_parse(text, ret);
    }
    free(bytes);
    free(text);
    *ret_begun = err == CPIS_OK;
    if (err == CPIS_E_MALFORMED || err == CPIS_E_LIMIT)
        (void)cli_fail(c, "%s is damaged: move it away; then what nobody has opened is sent again",
                       name);
    else if (err != CPIS_OK)
        (void)cli_fail(c, "%s: %s", name, cpis_strerror(err));
    return err == CPIS_OK;
}

bool delivery_file_save(const struct cli *c, const char *name, const struct delivery *state)
{
    static cpis_ms told;
    char text[DELIVERY_TEXT_BYTES];
    const size_t len = delivery_print(state, text);
    const cpis_err err = folder_write(c->dir, name, (struct bytes){(const uint8_t *)text, len});
    const cpis_ms now = cli_wall();
    if (err != CPIS_OK && (told == 0 || now < told || now - told >= TELL_EVERY)) {
        told = now;
        companion_tell(COMPANION_WARN, "DELIVER_STATE",
                       "%s can't be written: %s; nothing is sent until it can", name,
                       cpis_strerror(err));
    }
    return err == CPIS_OK;
}
