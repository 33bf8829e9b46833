#include "node/http/assets.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_BYTES 96U
#define INSTALLED  "/usr/share/cpis/web"
#define MANIFEST   "manifest.json"

struct asset {
    char name[NAME_BYTES];                                            /* "pages.css" */
    char path[sizeof ASSETS_PATH + NAME_BYTES], etag[NAME_BYTES + 2]; /* "/web/pages.HASH.css" */
    const char *type;
    char *p;
    size_t len;
};
struct assets {
    struct asset all[ASSETS_MAX];
    size_t count, bytes;
};

static cpis_err fault(char why[static ASSETS_WHY_BYTES], cpis_err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static cpis_err fault(char why[static ASSETS_WHY_BYTES], cpis_err err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(why, ASSETS_WHY_BYTES, format, args);
    va_end(args);
    return err;
}

void assets_free(struct assets **p)
{
    struct assets *a = *p;
    *p = NULL;
    if (a == NULL) return;
    for (size_t i = 0; i < a->count; i++)
        free(a->all[i].p);
    free(a);
}

/* By its name alone, which is ours; what has another is not served. */
static const char *type_of(const char *name)
{
    static const char *const types[][2] = {{".css", "text/css; charset=utf-8"},
                                           {".js", "text/javascript; charset=utf-8"},
                                           {".svg", "image/svg+xml"},
                                           {".ico", "image/x-icon"},
                                           {".png", "image/png"}};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot != NULL && i < sizeof types / sizeof *types; i++)
        if (strcmp(dot, types[i][0]) == 0) return types[i][1];
    return NULL;
}

static bool is_name(const char *s)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    return s != NULL && s[0] != '\0' && s[0] != '.' && strlen(s) < NAME_BYTES &&
           strspn(s, allowed) == strlen(s);
}

/* A whole plain file below folder, NUL after it; free(). */
static cpis_err read_file(int folder, const char *name, size_t max, char **ret, size_t *ret_len)
{
    struct stat st;
    const int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return errno == ENOENT ? CPIS_E_NOTFOUND : CPIS_E_IO;
    cpis_err err = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? CPIS_OK : CPIS_E_IO;
    if (err == CPIS_OK && (st.st_size < 0 || (uint64_t)st.st_size > max)) err = CPIS_E_LIMIT;
    const size_t len = err == CPIS_OK ? (size_t)st.st_size : 0;
    char *p = err == CPIS_OK ? malloc(len + 1) : NULL;
    if (err == CPIS_OK && p == NULL) err = CPIS_E_NOMEM;
    for (size_t at = 0; err == CPIS_OK && at < len;) {
        const ssize_t n = read(fd, p + at, len - at);
        if (n > 0)
            at += (size_t)n;
        else if (n == 0 || errno != EINTR)
            err = CPIS_E_IO; /* it has become shorter */
    }
    (void)close(fd);
    if (err != CPIS_OK) {
        free(p);
        return err;
    }
    p[len] = '\0';
    *ret = p;
    *ret_len = len;
    return CPIS_OK;
}

static cpis_err add(struct assets *a, int folder, const char *name, const json_t *value,
                    char why[static ASSETS_WHY_BYTES])
{
    const char *file = json_string_value(value);
    struct asset *x = &a->all[a->count];
    if (!is_name(name) || !is_name(file) || type_of(file) == NULL || a->count == ASSETS_MAX)
        return fault(why, CPIS_E_MALFORMED, "%s is not one of ours: `make pages` makes it anew",
                     MANIFEST);
    const cpis_err err = read_file(folder, file, ASSETS_BYTES_MAX - a->bytes, &x->p, &x->len);
    if (err == CPIS_E_NOMEM) return err;
    if (err != CPIS_OK)
        return fault(why, CPIS_E_MALFORMED, "%s can't be read (%s): `make pages` makes it anew",
                     file, cpis_strerror(err));
    (void)snprintf(x->name, sizeof x->name, "%s", name);
    (void)snprintf(x->path, sizeof x->path, "%s%s", ASSETS_PATH, file);
    (void)snprintf(x->etag, sizeof x->etag, "\"%s\"", file);
    x->type = type_of(file);
    a->bytes += x->len;
    a->count++;
    return CPIS_OK;
}

static cpis_err read_manifest(struct assets *a, int folder, char why[static ASSETS_WHY_BYTES])
{
    char *text = NULL;
    size_t len = 0;
    const char *name;
    json_t *value;
    cpis_err err = read_file(folder, MANIFEST, 64 * 1024, &text, &len);
    if (err == CPIS_E_NOTFOUND || err == CPIS_E_NOMEM) return err;
    if (err != CPIS_OK) return fault(why, CPIS_E_MALFORMED, "%s can't be read", MANIFEST);
    json_t *o = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    free(text);
    if (!json_is_object(o))
        err = fault(why, CPIS_E_MALFORMED, "%s is no JSON: `make pages` makes it anew", MANIFEST);
    json_object_foreach(o, name, value)
    {
        if (err == CPIS_OK) err = add(a, folder, name, value, why);
    }
    json_decref(o);
    return err;
}

cpis_err assets_open(const char *folder, struct assets **ret, char why[static ASSETS_WHY_BYTES])
{
    why[0] = '\0';
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return CPIS_E_NOTFOUND;
    struct assets *a = calloc(1, sizeof *a);
    cpis_err err = a == NULL ? CPIS_E_NOMEM : read_manifest(a, fd, why);
    (void)close(fd);
    if (err != CPIS_OK)
        assets_free(&a);
    else
        *ret = a;
    return err;
}

cpis_err assets_find(struct assets **ret, char why[static ASSETS_WHY_BYTES])
{
    char path[PATH_MAX + 16];
    const char *set = getenv("CPIS_WEB");
    if (set != NULL) return assets_open(set, ret, why);
    const ssize_t n = readlink("/proc/self/exe", path, PATH_MAX);
    if (n > 0 && n < PATH_MAX) { /* build/release/cpis-web: build/web */
        path[n] = '\0';
        char *slash = strrchr(path, '/');
        if (slash != NULL) (void)memcpy(slash, "/../web", sizeof "/../web");
        const cpis_err err = assets_open(path, ret, why);
        if (err != CPIS_E_NOTFOUND) return err;
    }
    return assets_open(INSTALLED, ret, why);
}

const char *assets_path(const struct assets *a, const char *name)
{
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->all[i].name, name) == 0) return a->all[i].path;
    return NULL;
}

static struct reply *text_reply(unsigned status, const char *text)
{
    char *body = strdup(text);
    if (body == NULL) return NULL;
    struct reply *r = reply_new(status, "text/plain; charset=utf-8", body, strlen(text));
    if (r != NULL) reply_header(r, "Cache-Control", "no-store");
    return r;
}

struct reply *assets_reply(const struct assets *a, const struct request *r)
{
    const struct asset *x = NULL;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->all[i].path, r->path) == 0) x = &a->all[i];
    if (x == NULL) return text_reply(404, "There is no such file.\n");
    if (r->method != HTTP_GET && r->method != HTTP_HEAD) {
        struct reply *refused = text_reply(405, "A file can only be fetched.\n");
        reply_header(refused, "Allow", "GET, HEAD");
        return refused;
    }
    const char *held = request_header(r, "If-None-Match");
    const bool same = held != NULL && strstr(held, x->etag) != NULL;
    char *body = same ? NULL : malloc(x->len + 1);
    if (!same && body == NULL) return NULL;
    if (!same) memcpy(body, x->p, x->len);
    struct reply *reply = reply_new(same ? 304 : 200, x->type, body, same ? 0 : x->len);
    if (reply == NULL) return NULL;
    reply_header(reply, "ETag", x->etag);
    reply_header(reply, "Cache-Control", "public, max-age=31536000, immutable");
    return reply;
}
