#include "node/net/chain_store.h"

#include "crypto/cursor.h"
#include "node/net/folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static cpis_err fails(char why[static CHAIN_WHY_BYTES], cpis_err err, const char *text)
{
    (void)snprintf(why, CHAIN_WHY_BYTES, "%s", text);
    return err;
}

/* --- from the file into the store --- */

static bool newest_link(void *arg, const struct row *row)
{
    uint64_t *version = arg;
    struct cursor c = cursor_read(row->key, row->key_len);
    if (row->key_len != REGISTER_KEY_BYTES) return true; /* what proves a fork */
    *version = cursor_get_u64(&c);
    return false;
}

cpis_err chain_store_version(const struct view *view, uint64_t *ret)
{
    uint64_t version = 0;
    cpis_err err = view->scan(view->ctx, TABLE_REGISTER, NULL, 0, true, newest_link, &version);
    if (err == CPIS_OK) *ret = version;
    return err;
}

struct loading {
    struct registry *into;
    cpis_err err;
};

static bool load_row(void *arg, const struct row *row)
{
    struct loading *l = arg;
    l->err = registry_load(l->into, (struct bytes){row->value, row->value_len});
    return l->err == CPIS_OK;
}

static cpis_err load_stored(struct store *s, struct registry *into)
{
    struct loading l = {into, CPIS_OK};
    cpis_err err = store_scan(s, TABLE_REGISTER, NULL, 0, false, load_row, &l);
    return err != CPIS_OK ? err : l.err;
}

/* The file's links beyond `stored`. */
static cpis_err take_links(struct store *s, struct chain_reader *r, uint64_t stored,
                           struct registry *into, char why[static CHAIN_WHY_BYTES])
{
    struct bytes document;
    uint8_t key[REGISTER_KEY_BYTES];
    size_t uncommitted = 0;
    for (;;) {
        cpis_err err = chain_file_next(r, &document, why);
        if (err == CPIS_E_NOTFOUND) return store_commit(s);
        if (err == CPIS_OK && r->mark.links <= stored) continue;
        if (err == CPIS_OK) err = chain_file_judge(r, document, into, why);
        if (err != CPIS_OK) {
            store_abort(s);
            return err;
        }
        registry_key(r->mark.links, key);
        store_put(s, TABLE_REGISTER, key, sizeof key, document.p, document.len);
        uncommitted += document.len;
        if (uncommitted < CHAIN_COMMIT_BYTES) continue;
        uncommitted = 0;
        err = store_commit(s);
        if (err != CPIS_OK) return err;
    }
}

static cpis_err take_beyond(struct store *s, const char *path, uint64_t stored,
                            char why[static CHAIN_WHY_BYTES])
{
    struct registry *into = NULL;
    struct chain_reader r;
    cpis_err err = registry_new(&into);
    if (err == CPIS_OK && stored > 0) err = load_stored(s, into);
    if (err == CPIS_OK) {
        err = chain_file_open(path, &r, why);
        if (err == CPIS_OK) {
            err = take_links(s, &r, stored, into, why);
            chain_file_close(&r);
        }
    }
    registry_free(&into);
    return err;
}

struct pass { /* over the whole file: is it whole, and is it ours as far as the store goes? */
    struct chain_mark mark;
    uint8_t *last; /* the document of the highest version that the store has as well */
    size_t last_len;
    uint64_t last_version;
};

static cpis_err keep_last(struct pass *p, struct bytes document, uint64_t version)
{
    uint8_t *grown = realloc(p->last, document.len);
    if (grown == NULL) return CPIS_E_NOMEM;
    memcpy(grown, document.p, document.len);
    p->last = grown;
    p->last_len = document.len;
    p->last_version = version;
    return CPIS_OK;
}

static cpis_err pass_over(const char *path, uint64_t stored, struct pass *p,
                          char why[static CHAIN_WHY_BYTES])
{
    struct chain_reader r;
    struct bytes document;
    cpis_err err = chain_file_open(path, &r, why);
    if (err != CPIS_OK) return err;
    do {
        err = chain_file_next(&r, &document, why);
        if (err == CPIS_OK && r.mark.links <= stored) err = keep_last(p, document, r.mark.links);
    } while (err == CPIS_OK);
    if (err == CPIS_E_NOTFOUND) p->mark = r.mark;
    chain_file_close(&r);
    return err == CPIS_E_NOTFOUND ? CPIS_OK : err;
}

/* Each link names the one before it: where the last ones are the same, all are. */
static bool is_ours(struct store *s, const struct pass *p)
{
    uint8_t key[REGISTER_KEY_BYTES], *row = malloc(p->last_len + 1);
    size_t len = 0;
    registry_key(p->last_version, key);
    bool same = row != NULL &&
                store_get(s, TABLE_REGISTER, key, sizeof key, row, p->last_len, &len) == CPIS_OK &&
                len == p->last_len && memcmp(row, p->last, len) == 0;
    free(row);
    return same;
}

cpis_err chain_store_take(struct store *s, const char *dir, struct chain_mark *ret_mark,
                          char why[static CHAIN_WHY_BYTES])
{
    char path[FOLDER_PATH_BYTES];
    struct pass p = {.last = NULL};
    uint64_t stored = 0;
    why[0] = '\0';
    cpis_err err = folder_path(dir, FOLDER_REGISTER, sizeof path, path);
    const struct view view = store_view(s);
    if (err == CPIS_OK) err = chain_store_version(&view, &stored);
    if (err != CPIS_OK) return err;
    err = pass_over(path, stored, &p, why);
    if (err == CPIS_OK && p.mark.links == 0 && stored == 0)
        err = fails(why, CPIS_E_MALFORMED, "holds no register: get it from a steward");
    if (err == CPIS_OK && p.mark.links > stored) {
        err = take_beyond(s, path, stored, why);
        if (err == CPIS_OK) *ret_mark = p.mark;
    } else if (stored > 0) { /* the store is enough */
        if (err == CPIS_OK && !is_ours(s, &p))
            err = fails(why, CPIS_E_STATE, "is not the register of this node's store");
        *ret_mark = err == CPIS_OK ? p.mark : (struct chain_mark){.at = 0};
        err = CPIS_OK;
    }
    free(p.last);
    return err;
}

/* --- from the store into the file --- */

/* Versions behind the writer's mark, and the end. Closes the writer. */
static cpis_err write_links(struct chain_writer *w, const struct view *view, uint64_t version)
{
    uint8_t *document = malloc(FRAME_BYTES_MAX), key[REGISTER_KEY_BYTES];
    size_t len = 0;
    cpis_err err = document == NULL ? CPIS_E_NOMEM : CPIS_OK;
    while (err == CPIS_OK && w->mark.links < version) {
        registry_key(w->mark.links + 1, key);
        err =
            view->get(view->ctx, TABLE_REGISTER, key, sizeof key, document, FRAME_BYTES_MAX, &len);
        if (err == CPIS_OK) err = chain_file_write(w, (struct bytes){document, len});
    }
    free(document);
    if (err == CPIS_OK) return chain_file_finish(w);
    chain_file_abandon(w);
    return err;
}

static cpis_err write_anew(const char *path, const struct view *view, uint64_t version,
                           struct chain_mark *ret)
{
    char temporary[FOLDER_PATH_BYTES + 4];
    struct chain_writer w;
    (void)snprintf(temporary, sizeof temporary, "%s.new", path);
    (void)unlink(temporary); /* left by a crash */
    cpis_err err = chain_file_create(temporary, 0600, &w);
    if (err != CPIS_OK) return err;
    err = write_links(&w, view, version);
    if (err == CPIS_OK && rename(temporary, path) != 0) err = CPIS_E_IO;
    if (err == CPIS_OK) err = folder_sync_of(path);
    if (err == CPIS_OK)
        *ret = w.mark;
    else
        (void)unlink(temporary);
    return err;
}

cpis_err chain_store_keep(const char *dir, const struct view *view, uint64_t version,
                          struct chain_mark *mark)
{
    char path[FOLDER_PATH_BYTES];
    struct chain_writer w;
    if (mark->at != 0 && mark->links == version) return CPIS_OK;
    cpis_err err = folder_path(dir, FOLDER_REGISTER, sizeof path, path);
    if (err != CPIS_OK) return err;
    bool fits =
        mark->at != 0 && mark->links < version && chain_file_append(path, mark, &w) == CPIS_OK;
    mark->at = 0;
    if (!fits) return write_anew(path, view, version, mark);
    err = write_links(&w, view, version);
    if (err == CPIS_OK) *mark = w.mark;
    return err;
}
