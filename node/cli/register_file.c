#include "node/cli/register_file.h"

#include "node/cli/conf.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static bool take(const struct cli *c, const char *path, struct arena *a, struct bytes *ret)
{
    uint8_t *p;
    size_t len;
    if (!cli_read_file(c, path, FRAME_BYTES_MAX, &p, &len)) return false;
    *ret = (struct bytes){arena_copy(a, p, len), len};
    free(p);
    if (ret->p == NULL) (void)cli_fail(c, "%s", cpis_strerror(CPIS_E_NOMEM));
    return ret->p != NULL;
}

static cpis_err read_links(struct register_file *f, char why[static CHAIN_WHY_BYTES])
{
    struct chain_reader r;
    struct bytes document;
    struct msg_register_document newest;
    struct arena a = arena_make(REGISTER_ARENA_BYTES);
    cpis_err err = chain_file_open(f->path, &r, why);
    if (err != CPIS_OK) return err;
    do {
        err = chain_file_next(&r, &document, why);
        if (err == CPIS_OK) err = chain_file_judge(&r, document, f->chain, why);
    } while (err == CPIS_OK);
    if (err == CPIS_E_NOTFOUND) err = CPIS_OK;
    if (err == CPIS_OK && registry_is_empty(f->chain)) {
        (void)snprintf(why, CHAIN_WHY_BYTES, "holds no register: get it anew from a steward");
        err = CPIS_E_MALFORMED;
    }
    if (err == CPIS_OK) {
        err = register_document_decode(document, &a, &newest);
        if (err == CPIS_OK) f->signatures = newest.signatures_count;
    }
    arena_free(&a);
    chain_file_close(&r);
    return err;
}

static bool open_next(const struct cli *c, struct register_file *f)
{
    struct msg_register_document doc;
    f->has_next = access(f->next_path, F_OK) == 0;
    if (!f->has_next) return true;
    if (!take(c, f->next_path, &f->arena, &f->next)) return false;
    if (register_document_decode(f->next, &f->arena, &doc) != CPIS_OK ||
        register_body_decode(doc.body, &f->arena, &f->draft) != CPIS_OK) {
        (void)cli_fail(c, "%s: is no register under construction", f->next_path);
        return false;
    }
    f->signed_already = doc.signatures_count > 0;
    return true;
}

bool register_file_open(const struct cli *c, const char *path, struct register_file *ret)
{
    struct register_file f = {.path = path, .arena = arena_make(REGISTER_ARENA_BYTES)};
    int n = snprintf(f.next_path, sizeof f.next_path, "%s.next", path);
    bool ok = n > 0 && (size_t)n < sizeof f.next_path && registry_new(&f.chain) == CPIS_OK;
    if (!ok) (void)cli_fail(c, "%s: no memory, or too long a path", path);
    bool first = ok && access(path, F_OK) != 0 && access(f.next_path, F_OK) == 0;
    if (ok && !first) { /* else version 1 waits for its signatures */
        char why[CHAIN_WHY_BYTES] = "";
        cpis_err err = read_links(&f, why);
        if (err != CPIS_OK)
            (void)cli_fail(c, "%s: %s", path, why[0] != '\0' ? why : cpis_strerror(err));
        ok = err == CPIS_OK;
    }
    if (ok) ok = open_next(c, &f);
    if (!ok) register_file_close(&f);
    if (ok) *ret = f;
    return ok;
}

void register_file_close(struct register_file *f)
{
    registry_free(&f->chain);
    arena_free(&f->arena);
}

bool register_file_draft(const struct cli *c, struct register_file *f, uint64_t days)
{
    if (f->signed_already) {
        (void)cli_fail(c,
                       "%s is signed already: `cpis register sign` it by the others, or "
                       "`cpis register discard %s` and begin anew",
                       f->next_path, f->path);
        return false;
    }
    uint64_t now = cli_wall();
    if (f->has_next) { /* the span stays, it begins now */
        f->draft.expires = now + (f->draft.expires - f->draft.issued);
        f->draft.issued = now;
        return true;
    }
    cpis_err err = steward_next(f->chain, now, now + days * CPIS_MS_DAY, &f->arena, &f->draft);
    if (err != CPIS_OK) (void)cli_fail(c, "%s", cpis_strerror(err));
    return err == CPIS_OK;
}

bool register_file_save(const struct cli *c, struct register_file *f)
{
    const char *why = NULL;
    cpis_err err = steward_finish(f->chain, &f->draft, &f->arena, &f->next, &why);
    if (err != CPIS_OK) {
        (void)cli_fail(c, "not changed: %s", why != NULL ? why : cpis_strerror(err));
        return false;
    }
    f->has_next = true;
    return cli_write_file(c, f->next_path, f->next, 0644, true);
}

/* Version 1 founds the file: whole or not at all. */
static cpis_err found(const char *path, struct bytes document)
{
    char temporary[FOLDER_PATH_BYTES];
    struct chain_writer w;
    const int n = snprintf(temporary, sizeof temporary, "%s.new%ld", path, (long)getpid());
    if (n < 0 || (size_t)n >= sizeof temporary) return CPIS_E_LIMIT;
    (void)unlink(temporary); /* left by a crash */
    cpis_err err = chain_file_create(temporary, 0644, &w);
    if (err != CPIS_OK) return err;
    err = chain_file_write(&w, document);
    if (err == CPIS_OK)
        err = chain_file_finish(&w);
    else
        chain_file_abandon(&w);
    if (err == CPIS_OK && rename(temporary, path) != 0) err = CPIS_E_IO;
    if (err == CPIS_OK) err = folder_sync_of(path);
    if (err != CPIS_OK) (void)unlink(temporary);
    return err;
}

static bool append_link(const struct cli *c, struct register_file *f, struct bytes document)
{
    char why[CHAIN_WHY_BYTES] = "";
    cpis_err err = registry_is_empty(f->chain)
                       ? found(f->path, document)
                       : chain_file_copy(f->path, f->path, 0644, &document, why);
    if (err != CPIS_OK)
        (void)cli_fail(c, "%s: %s", f->path, why[0] != '\0' ? why : cpis_strerror(err));
    if (err != CPIS_OK) return false;
    (void)unlink(f->next_path); /* left behind it is refused: its version is there already */
    return true;
}

bool register_file_sign(const struct cli *c, struct register_file *f, struct bytes document,
                        bool *ret_done, const char **ret_lacks)
{
    cpis_err err = registry_would_accept(f->chain, document, ret_lacks);
    *ret_done = err == CPIS_OK;
    if (err == CPIS_OK) return append_link(c, f, document);
    if (err == CPIS_E_AUTH) return cli_write_file(c, f->next_path, document, 0644, true);
    (void)cli_fail(c, "%s: %s", f->next_path, *ret_lacks != NULL ? *ret_lacks : cpis_strerror(err));
    return false;
}

bool register_file_find(const struct cli *c, const struct msg_register *r, const char *name,
                        struct cpis_id *ret)
{
    struct cpis_id id;
    enum node_role role = 0;
    const char *colon = strchr(name, ':');
    char before[16] = "";
    if (colon != NULL && (size_t)(colon - name) < sizeof before)
        memcpy(before, name, (size_t)(colon - name));
    bool by_role = colon != NULL && conf_role_parse(before, &role);
    bool by_id = cli_unhex(name, &id, sizeof id);
    size_t found = 0;
    for (size_t i = 0; i < r->nodes_count; i++) {
        const struct msg_descriptor *d = &r->nodes[i].descriptor;
        struct cpis_id this = node_id_of(&d->sign_key);
        if (by_id ? memcmp(&this, &id, sizeof id) != 0
                  : strcasecmp(d->code, by_role ? colon + 1 : name) != 0 ||
                        (by_role && d->role != role))
            continue;
        *ret = this;
        found++;
    }
    if (found == 1) return true;
    (void)cli_fail(c,
                   found == 0 ? "%s: no such node; `cpis register show` lists them"
                              : "%s: there are several; say authority:CODE, or give the id",
                   name);
    return false;
}
