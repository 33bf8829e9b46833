#include "node/cli/confine.h"

#include "node/cli/sandbox.h"

#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILES_MAX 16U
#define PATHS_MAX (2U * FILES_MAX + 16U)
#define ASSETS    "/usr/share/cpis/web"

struct paths {
    struct sandbox_path at[PATHS_MAX];
    size_t count;
    char text[PATHS_MAX][PATH_MAX];
};

static void add(struct paths *p, const char *path, enum sandbox_access access)
{
    if (p->count == PATHS_MAX || path[0] == '\0' || strlen(path) >= PATH_MAX) return;
    (void)snprintf(p->text[p->count], PATH_MAX, "%s", path);
    p->at[p->count] = (struct sandbox_path){p->text[p->count], access};
    p->count++;
}

static void add_in(struct paths *p, const char *dir, const char *name, enum sandbox_access access)
{
    char path[PATH_MAX];
    const int n = snprintf(path, sizeof path, "%s/%s", dir, name);
    if (n > 0 && (size_t)n < sizeof path) add(p, path, access);
}

/* Where a file stands and where its links lead: a rule is of what is there now, and a certificate
 * is renewed by putting another file in its place. */
static void add_folder_of(struct paths *p, const char *file)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s", file);
    const char *folder = dirname(path);
    add(p, strcmp(folder, "/") == 0 ? file : folder, SANDBOX_READ); /* never the whole system */
}
static void add_folders_of(struct paths *p, const char *file)
{
    char real[PATH_MAX];
    if (file[0] == '\0' || strlen(file) >= sizeof real) return;
    add_folder_of(p, file);
    if (realpath(file, real) != NULL) add_folder_of(p, real);
}

static void add_files(struct paths *p, const struct node_settings *s, const char *prefixes)
{
    const char *files[FILES_MAX];
    const size_t n = conf_files(s, prefixes, files, FILES_MAX);
    for (size_t i = 0; i < n; i++)
        add_folders_of(p, files[i]);
}

/* Each may be a link to another disk. */
static void add_folder(struct paths *p, const char *dir)
{
    static const char *const inside[] = {FOLDER_DATA,     "feed",        FOLDER_FEED_IN,
                                         FOLDER_FEED_OUT, FOLDER_PEOPLE, FOLDER_REGISTER};
    add(p, dir, SANDBOX_CHANGE);
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++)
        add_in(p, dir, inside[i], SANDBOX_CHANGE);
    char conf[FOLDER_PATH_BYTES];
    if (folder_path(dir, FOLDER_CONF, sizeof conf, conf) == CPIS_OK) add_folders_of(p, conf);
}

/* The place of this program, with what follows its folder. */
static bool beside(const char *name, char ret[static PATH_MAX])
{
    const ssize_t n = readlink("/proc/self/exe", ret, PATH_MAX - 1);
    ret[n < 0 ? 0 : n] = '\0';
    char *slash = strrchr(ret, '/');
    if (slash == NULL || (size_t)(slash + 1 - ret) + strlen(name) >= PATH_MAX) return false;
    memcpy(slash + 1, name, strlen(name) + 1);
    return true;
}

static void add_programs(struct paths *p)
{
    static const char *const names[] = {"cpis", "cpis-web"};
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (beside(names[i], path)) add(p, path, SANDBOX_RUN);
    add(p, "/proc/self/exe", SANDBOX_RUN);
}

/* As the pages' own rule has it: $CPIS_WEB, beside a build, or installed. */
static void add_assets(struct paths *p)
{
    const char *env = getenv("CPIS_WEB");
    char path[PATH_MAX];
    if (env != NULL) add(p, env, SANDBOX_READ);
    if (beside("../web", path)) add(p, path, SANDBOX_READ);
    add(p, ASSETS, SANDBOX_READ);
}

static void collect(struct paths *p, const char *dir, const struct node_settings *s,
                    enum confine_role role)
{
    switch (role) {
    case CONFINE_NODE:
        add_folder(p, dir);
        add_files(p, s, "web_ webhook_ mail_ traced_");
        add_programs(p);
        add_assets(p);
        break;
    case CONFINE_FEED:
        add_folder(p, dir);
        add_files(p, s, "traced_");
        add_programs(p);
        break;
    case CONFINE_DELIVER:
        add_in(p, dir, "feed", SANDBOX_CHANGE);
        add_in(p, dir, FOLDER_LOCK, SANDBOX_READ); /* does a node run? */
        add_files(p, s, "webhook_ mail_");
        break;
    case CONFINE_WEB:
        add_in(p, dir, FOLDER_PEOPLE, SANDBOX_CHANGE);
        add_in(p, dir, "feed", SANDBOX_READ); /* what became of files, for pages and metrics */
        add_in(p, dir, FOLDER_FEED_OUT, SANDBOX_READ);
        add_in(p, dir, FOLDER_LOCK, SANDBOX_READ);
        add_files(p, s, "web_");
        add_assets(p);
        break;
    }
}

bool confine_reaches(const struct node_settings *s, const char *before, const char *after)
{
    const char *a = strrchr(before, '/'), *b = strrchr(after, '/');
    const size_t a_len = a == NULL ? 0 : (size_t)(a - before),
                 b_len = b == NULL ? 0 : (size_t)(b - after);
    if (!s->confine || after[0] == '\0') return true;
    return before[0] != '\0' && a_len == b_len && memcmp(before, after, a_len) == 0;
}

bool confine(const char *dir, const struct node_settings *s, enum confine_role role,
             char ret[static CONFINE_TEXT_BYTES])
{
    if (!s->confine) {
        (void)snprintf(ret, CONFINE_TEXT_BYTES, "not confined: node.conf says confine = false");
        return false;
    }
    struct paths *p = calloc(1, sizeof *p);
    if (p == NULL) {
        (void)snprintf(ret, CONFINE_TEXT_BYTES, "not confined: out of memory");
        return false;
    }
    char why[CONFINE_TEXT_BYTES - 64];
    collect(p, dir, s, role);
    const struct sandbox_conf conf = {.paths = p->at,
                                      .count = p->count,
                                      .runs_programs =
                                          role == CONFINE_NODE || role == CONFINE_FEED};
    const unsigned have = sandbox_enter(&conf, why, sizeof why);
    free(p);
    (void)snprintf(ret, CONFINE_TEXT_BYTES, "%s%s",
                   have == SANDBOX_ALL     ? "confined: files (Landlock), system calls (seccomp)"
                   : have == SANDBOX_FILES ? "confined in files only (Landlock): "
                   : have == SANDBOX_CALLS ? "confined in system calls only (seccomp): "
                                           : "not confined: ",
                   have == SANDBOX_ALL ? "" : why);
    return have == SANDBOX_ALL || sandbox_is_left_out();
}
