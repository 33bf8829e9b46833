#define _GNU_SOURCE /* pipe2 */
#include "node/cli/cli.h"
#include "node/cli/doctor.h"
#include "node/core/registry.h"
#include "node/feed/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define DISK_FREE_MIN   ((uint64_t)1 << 30)
#define FEED_TOO_LONG   (15 * CPIS_MS_MINUTE)
#define CERTIFICATE_MIN (14 * CPIS_MS_DAY)
#define TEXT_BYTES      512U

void doctor_say(struct doctor *d, const char *check, const char *todo, const char *format, ...)
{
    char text[TEXT_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    d->wrong = d->wrong || todo != NULL;
    (void)json_array_append_new(d->checks, json_pack("{s:s,s:b,s:s,s:s?}", "check", check, "ok",
                                                     todo == NULL, "text", text, "do", todo));
}

/* --- permissions --- */

static void check_path(struct doctor *d, const char *name, const char *path, bool needed)
{
    struct stat st;
    if (stat(path, &st) != 0)
        doctor_say(d, "permissions",
                   needed ? "the operator: restore it from the backup"
                          : "the operator: correct the setting that names it, or put it there",
                   "%s is not there", name);
    else if ((st.st_mode & 077) != 0)
        doctor_say(d, "permissions",
                   needed ? "the operator: chmod go= it; who could read it has the node's keys: "
                            "tell the stewards"
                          : "the operator: chmod go= it, and a new secret if others could read it",
                   "%s can be read or written by others", name);
    else
        doctor_say(d, "permissions", NULL, "%s is its owner's alone", name);
}

void doctor_check_mode(struct doctor *d, const char *name)
{
    char path[FOLDER_PATH_BYTES];
    if (folder_path(d->c->dir, name, sizeof path, path) == CPIS_OK) check_path(d, name, path, true);
}

void doctor_check_secrets(struct doctor *d, const struct node_settings *s)
{
    const struct {
        const char *key, *path;
    } all[] = {{"passphrase_file", s->passphrase_file},
               {"webhook_key_file", s->webhook_key_file},
               {"mail_password_file", s->mail_password_file}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].path[0] != '\0') check_path(d, all[i].key, all[i].path, false);
}

void doctor_check_disk(struct doctor *d)
{
    struct statvfs v;
    if (statvfs(d->c->dir, &v) != 0) return;
    uint64_t free_bytes = (uint64_t)v.f_bavail * v.f_frsize;
    doctor_say(d, "disk", free_bytes < DISK_FREE_MIN ? "the operator: make room" : NULL,
               "%llu MiB free", (unsigned long long)(free_bytes >> 20));
}

/* --- the key --- */

static void judge_key(struct doctor *d, const struct folder_secrets *secrets,
                      const struct registry *r)
{
    struct identity *identity = sodium_malloc(sizeof *identity);
    if (identity == NULL) return;
    identity_from(secrets->seed, identity);
    const struct cpis_id id = node_id_of(&identity->pub.sign);
    const struct registry_node *own = r == NULL ? NULL : registry_node_ever(r, &id);
    sodium_free(identity);
    if (own == NULL)
        doctor_say(d, "key",
                   "the stewards: admit DIR/descriptor; admitted already: get the newest register "
                   "from a steward, and see that identity.key is this node's",
                   "identity.key opens; DIR/register does not know it");
    else if (own->gone != 0 || !registry_in_force(own))
        doctor_say(
            d, "key", "if that is right: keep its backup; if not: ring the stewards",
            "identity.key opens; the register has suspended, retired, revoked or removed it");
    else
        doctor_say(d, "key", NULL, "identity.key opens, and is that of %s in the register",
                   own->d.code);
}

void doctor_check_key(struct doctor *d, const struct node_settings *s, const struct registry *r)
{
    const char *why = "";
    char *passphrase = NULL;
    size_t len = 0;
    if (folder_needs_passphrase(d->c->dir) && s->passphrase_file[0] == '\0') {
        doctor_say(d, "key", NULL, "identity.key wants a passphrase that node.conf does not name");
        return;
    }
    struct folder_secrets *secrets = sodium_malloc(sizeof *secrets);
    if (secrets != NULL && cli_passphrase(d->c, s->passphrase_file, &passphrase, &len)) {
        if (folder_secrets_read(d->c->dir, passphrase, len, secrets, &why) == CPIS_OK)
            judge_key(d, secrets, r);
        else
            doctor_say(d, "key", "the operator: as it says", "identity.key: %s", why);
    } else {
        doctor_say(d, "key", "the operator: see what it says above",
                   "the passphrase of identity.key can't be read");
    }
    sodium_free(passphrase);
    sodium_free(secrets);
}

/* --- files that wait --- */

/* As this user sees it: the node's, who alone may read its folder. */
static void check_readable(struct doctor *d, const char *feed)
{
    size_t n = 0;
    const cpis_err err = watch_count_unreadable(feed, &n);
    if (err == CPIS_E_NOTFOUND || (err == CPIS_OK && n == 0)) return;
    if (err != CPIS_OK)
        doctor_say(d, "feed unreadable", "the operator: give the folder back to the node's user",
                   "feed/in can't be read");
    else
        doctor_say(d, "feed unreadable",
                   "the operator: let the node's user read them (chown, chmod); nothing of them is "
                   "taken in until then",
                   "%zu files in feed/in can't be read", n);
}

void doctor_check_feed(struct doctor *d, const struct node_settings *s)
{
    char feed[FOLDER_PATH_BYTES];
    if (s->role != ROLE_AUTHORITY || folder_path(d->c->dir, "feed", sizeof feed, feed) != CPIS_OK)
        return;
    const struct watch_backlog b = watch_backlog(feed);
    const cpis_ms now = cli_wall(), age = b.oldest != 0 && b.oldest < now ? now - b.oldest : 0;
    doctor_say(d, "feed",
               age > FEED_TOO_LONG
                   ? "the operator: does `cpis feed` run (`cpis run` starts it unless feed is "
                     "false), and may it read the file? FEED_ lines of the log say why it waits"
                   : NULL,
               "%zu files wait in feed/in, the oldest for %llu min", b.waiting,
               (unsigned long long)(age / CPIS_MS_MINUTE));
    doctor_say(d, "feed failed",
               b.failed > 0 ? "an officer here: NAME.why.txt beside each says what to do; then "
                              "move it away"
                            : NULL,
               "%zu files in feed/failed", b.failed);
    check_readable(d, feed);
}

/* --- the certificate --- */

/* What `cpis web DIR --check` prints, both ways; its exit code, or -1. */
static int ask_web(const char *dir, char *text, size_t cap)
{
    char *const args[] = {"cpis", "web", (char *)(uintptr_t)dir, "--check", NULL};
    int ends[2], status = -1;
    size_t len = 0;
    text[0] = '\0';
    if (pipe2(ends, O_CLOEXEC) != 0) return -1;
    const pid_t pid = fork();
    if (pid == 0) {
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)dup2(ends[1], STDERR_FILENO);
        (void)execv("/proc/self/exe", args);
        _exit(127);
    }
    (void)close(ends[1]);
    for (ssize_t n = 1; pid > 0 && n != 0 && len + 1 < cap; len += n > 0 ? (size_t)n : 0) {
        n = read(ends[0], text + len, cap - 1 - len);
        if (n < 0 && errno != EINTR) break;
    }
    text[len] = '\0';
    (void)close(ends[0]);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void doctor_check_certificate(struct doctor *d, const struct node_settings *s)
{
    char text[TEXT_BYTES];
    if (s->web_certificate[0] == '\0') return;
    const int code = ask_web(d->c->dir, text, sizeof text);
    json_t *o = code == CLI_OK ? json_loads(text, 0, NULL) : NULL;
    const cpis_ms until = cli_iso(cli_text(o, "until")), now = cli_wall();
    text[strcspn(text, "\n")] = '\0';
    if (until == 0)
        doctor_say(d, "certificate",
                   "the operator: mend the files that web_certificate, web_key and web_client_ca "
                   "name",
                   "%s", text[0] != '\0' ? text : "cpis-web can't be run");
    else
        doctor_say(d, "certificate",
                   until < now + CERTIFICATE_MIN
                       ? "the operator: put a new one there; it is taken up within a minute"
                       : NULL,
                   "%s %s", until > now ? "holds until" : "HAS EXPIRED:", cli_text(o, "until"));
    json_decref(o);
}
