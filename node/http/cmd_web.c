/* cpis web: what people and systems see of a node over HTTP. A process of its own, without the
 * node's keys: it asks the node as any command does. */
#include "node/cli/commands.h"
#include "node/cli/companion.h"
#include "node/http/certificate.h"
#include "node/http/secret_file.h"
#include "node/http/web.h"
#include "node/net/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define PEM_BYTES_MAX          ((size_t)256 * 1024)
#define BODY_BYTES_MAX         ((size_t)1024 * 1024)
#define CONNECTIONS_MAX        12000U
#define OPERATIONS_CONNECTIONS 64U
#define DESCRIPTORS_BESIDE     200U /* all that are no connection */
#define LOOK_AT_FILES_EVERY    CPIS_MS_MINUTE
#define DRAIN_TIME             (5 * CPIS_MS_SECOND)

static volatile sig_atomic_t reload;
static void on_hup(int signal)
{
    (void)signal;
    reload = 1;
}

/* --- the files of TLS --- */

struct tls {
    char *certificate, *client_ca; /* PEM; NULL: none */
    char *key;                     /* sodium_malloc */
};
static void tls_free(struct tls *t)
{
    free(t->certificate);
    sodium_free(t->key);
    free(t->client_ca);
    memset(t, 0, sizeof *t);
}

/* "": NULL, and true. false: told. */
static bool read_pem(const struct cli *c, const char *path, char **ret)
{
    uint8_t *p;
    size_t len;
    if (path[0] == '\0') return true;
    if (!cli_read_file(c, path, PEM_BYTES_MAX, &p, &len)) return false;
    char *text = malloc(len + 1);
    const bool whole = text != NULL && memchr(p, '\0', len) == NULL;
    if (whole) {
        memcpy(text, p, len);
        text[len] = '\0';
        *ret = text;
    } else {
        free(text);
        (void)cli_fail(c, "%s: no PEM text", path);
    }
    free(p);
    return whole;
}

static bool read_key(const struct cli *c, const char *path, char **ret)
{
    uint8_t *p = NULL;
    size_t len = 0;
    if (!secret_file_read(c, "web_key", path, 1, PEM_BYTES_MAX, &p, &len)) return false;
    if (memchr(p, '\0', len) == NULL) {
        *ret = (char *)p;
        return true;
    }
    (void)cli_fail(c, "web_key: %s: no PEM text", path);
    sodium_free(p);
    return false;
}

static bool tls_read(const struct cli *c, const struct node_settings *s, struct tls *ret,
                     cpis_ms *ret_until)
{
    char why[CERTIFICATE_WHY_BYTES] = "";
    *ret_until = CPIS_MS_NEVER;
    if (s->web_certificate[0] == '\0') return true;
    if (read_pem(c, s->web_certificate, &ret->certificate) && read_key(c, s->web_key, &ret->key) &&
        read_pem(c, s->web_client_ca, &ret->client_ca)) {
        const cpis_err err =
            certificate_check(ret->certificate, ret->key, ret->client_ca, ret_until, why);
        if (err == CPIS_OK) return true;
        (void)cli_fail(c, "web_certificate, web_key, web_client_ca: %s",
                       why[0] != '\0' ? why : cpis_strerror(err));
    }
    tls_free(ret);
    return false;
}

/* Changes with any of the three files. */
static uint64_t stamp_of(const struct node_settings *s)
{
    const char *paths[] = {s->web_certificate, s->web_key, s->web_client_ca};
    uint64_t stamp = 0;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct stat st;
        if (paths[i][0] == '\0' || stat(paths[i], &st) != 0) continue;
        stamp = stamp * 1000003U + (uint64_t)st.st_mtim.tv_sec * 1000000000U +
                (uint64_t)st.st_mtim.tv_nsec + st.st_ino;
    }
    return stamp;
}

/* --- servers --- */

static unsigned connections_max(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0) return 512;
    if (r.rlim_cur < r.rlim_max) {
        r.rlim_cur = r.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &r);
        (void)getrlimit(RLIMIT_NOFILE, &r);
    }
    const rlim_t room =
        r.rlim_cur > 2 * DESCRIPTORS_BESIDE ? r.rlim_cur - DESCRIPTORS_BESIDE : DESCRIPTORS_BESIDE;
    return room < CONNECTIONS_MAX ? (unsigned)room : CONNECTIONS_MAX;
}

static bool open_server(struct web *w, const char *key, const char *address,
                        const struct server_conf *like, struct server **ret)
{
    char why[SERVER_WHY_BYTES] = "";
    struct server_conf conf = *like;
    if (address[0] == '\0') return true;
    cpis_err err = server_listen(address, &conf.listening, why);
    if (err == CPIS_OK) err = server_new(&conf, ret, why);
    if (err == CPIS_OK) {
        companion_tell(COMPANION_INFO, "WEB_LISTENS", "%s: %s%s", key, address,
                       conf.certificate != NULL ? " (TLS)" : "");
        return true;
    }
    (void)cli_fail(w->c, "%s %s: %s", key, address, why[0] != '\0' ? why : cpis_strerror(err));
    return false;
}

static struct server_conf faces_conf(struct web *w, const struct tls *t)
{
    const unsigned most = connections_max();
    /* behind a proxy all come from its address */
    const uint64_t of_one = w->s.web_origin[0] == '\0' ? w->s.web_connections_of_one_address : 0;
    return (struct server_conf){.certificate = t->certificate,
                                .key = t->key,
                                .client_ca = t->client_ca,
                                .connections_max = most,
                                .connections_of_one_address_max = (unsigned)of_one,
                                .body_max = BODY_BYTES_MAX,
                                .handle = route_faces,
                                .arg = w};
}

static bool open_servers(struct web *w, const struct tls *t)
{
    const struct server_conf faces = faces_conf(w, t),
                             operations = {.connections_max = OPERATIONS_CONNECTIONS,
                                           .handle = route_operations,
                                           .arg = w};
    return open_server(w, "web_listen", w->s.web_listen, &faces, &w->faces) &&
           open_server(w, "metrics_listen", w->s.metrics_listen, &operations, &w->operations);
}

/* Serves the certificate that stands in the files now. false: told, and that of before goes on. */
static bool renew(struct web *w)
{
    char why[SERVER_WHY_BYTES] = "";
    struct tls t = {.key = NULL};
    cpis_ms until;
    if (w->faces == NULL || w->s.web_certificate[0] == '\0') return true;
    cpis_err err = CPIS_E_INVAL;
    if (tls_read(w->c, &w->s, &t, &until)) {
        const struct server_conf conf = faces_conf(w, &t);
        err = server_renew(w->faces, &conf, why);
        if (why[0] == '\0') (void)snprintf(why, sizeof why, "%s", cpis_strerror(err));
        tls_free(&t);
    } else {
        (void)snprintf(why, sizeof why, "the line before this one says why");
    }
    if (err == CPIS_OK) {
        w->certificate_until = until;
        companion_tell(COMPANION_INFO, "WEB_CERTIFICATE", "a new certificate is served");
    } else {
        companion_tell(COMPANION_WARN, "WEB_CERTIFICATE",
                       "the new certificate is not served, and tried again within a minute: %s",
                       why);
    }
    return err == CPIS_OK;
}

/* --- who may ask --- */

static void tell_refused(void *arg, const struct callers_told *t)
{
    (void)arg;
    const struct caller_refusal_text *text = caller_refusal_text(t->why);
    const bool known = t->client[0] != '\0', print = t->fingerprint[0] != '\0';
    companion_tell(COMPANION_WARN, "WEB_REFUSED", "%s%s: %s, %" PRIu64 " times: %s%s%s",
                   known ? "client " : "no client", t->client, text->name, t->count, text->told,
                   print ? "; fingerprint " : "", t->fingerprint);
}

static bool open_callers(struct web *w)
{
    char why[CALLERS_WHY_BYTES] = "";
    if (w->s.web_clients[0] == '\0') return true;
    if (callers_new(w->s.web_clients, tell_refused, w, &w->callers, why) == CPIS_OK) return true;
    (void)cli_fail(w->c, "web_clients: %s", why);
    return false;
}

/* A wrong new file changes nothing, and is told. */
static void renew_callers(struct web *w)
{
    char why[CALLERS_WHY_BYTES] = "";
    if (w->callers == NULL) return;
    if (callers_reload(w->callers, why) == CPIS_OK)
        companion_tell(COMPANION_INFO, "WEB_CLIENTS", "%zu clients may ask",
                       callers_clients(w->callers));
    else
        companion_tell(COMPANION_WARN, "WEB_CLIENTS", "the clients stay as they were: %s", why);
}

/* --- the loop --- */

static cpis_ms least(cpis_ms a, cpis_ms b) { return a < b ? a : b; }

static void turn(struct web *w)
{
    struct server *const servers[] = {w->faces, w->operations};
    int fds[3];
    size_t n = 0;
    cpis_ms due = control_link_deadline(w->link);
    for (size_t i = 0; i < 2; i++) {
        if (servers[i] == NULL) continue;
        fds[n++] = server_fd(servers[i]);
        due = least(due, server_deadline(servers[i]));
    }
    if (w->people != NULL && !people_is_off(w->people)) {
        fds[n++] = people_fd(w->people);
        due = least(due, people_deadline(w->people));
    }
    if (w->pages != NULL) due = least(due, pages_deadline(w->pages));
    const cpis_ms now = clock_monotonic();
    control_link_wait(w->link, fds, n, due > now ? least(due - now, CPIS_MS_SECOND) : 0);
    w->now = clock_monotonic();
    control_link_turn(w->link, w->now);
    if (w->people != NULL) people_turn(w->people, w->now);
    if (w->pages != NULL) pages_turn(w->pages, w->now);
    for (size_t i = 0; i < 2; i++)
        if (servers[i] != NULL) server_turn(servers[i], w->now, clock_wall());
    if (w->callers != NULL) callers_turn(w->callers, w->now);
    if (w->fhir != NULL) fhir_turn(w->fhir, w->now);
}

static bool is_waited_for(const struct web *w)
{
    struct server_counts n = {.waiting = 0};
    if (w->faces != NULL) server_counts(w->faces, &n);
    return n.waiting > 0;
}

static void serve(struct web *w)
{
    cpis_ms looked = w->now;
    bool served = true; /* what w->stamp says */
    while (!companion_stopped()) {
        turn(w);
        if (reload == 0 && w->now - looked < LOOK_AT_FILES_EVERY) continue;
        const bool told_to = reload != 0;
        const uint64_t is = stamp_of(&w->s);
        reload = 0;
        looked = w->now;
        if (!served || is != w->stamp) served = renew(w);
        w->stamp = is;
        if (told_to) renew_callers(w);
    }
    if (w->faces != NULL) server_drain(w->faces); /* a look that has begun is answered */
    const cpis_ms until = w->now + DRAIN_TIME;
    while (is_waited_for(w) && w->now < until)
        turn(w);
    /* What still waits is answered: this ends. Whoever is told of the node asks who they are. */
    control_link_free(&w->link);
    people_free(&w->people);
    if (w->faces != NULL) /* and that goes out; a new request is refused before it is handled */
        server_turn(w->faces, clock_monotonic(), clock_wall());
}

static void tell_of_people(void *arg, bool warn, const char *event, const char *text)
{
    (void)arg;
    companion_tell(warn ? COMPANION_WARN : COMPANION_INFO, event, "%s", text);
}

/* false: told. */
static bool open_people(struct web *w)
{
    char why[ACCOUNTS_WHY_BYTES] = "";
    const struct people_conf conf = {.dir = w->c->dir, .s = &w->s, .tell = tell_of_people};
    if (w->s.web_listen[0] == '\0') return true;
    const cpis_err err = people_new(&conf, w->now, &w->people, why);
    if (err != CPIS_OK) (void)cli_fail(w->c, "%s", why[0] != '\0' ? why : cpis_strerror(err));
    return err == CPIS_OK;
}

static bool open_fhir(struct web *w)
{
    const struct fhir_conf conf = {.door = &w->door,
                                   .origin = w->s.web_origin[0] == '\0' ? NULL : w->s.web_origin};
    if (w->s.web_listen[0] == '\0' || w->s.role != ROLE_QUERY) return true;
    return fhir_new(&conf, &w->fhir) == CPIS_OK ||
           cli_fail(w->c, "%s", cpis_strerror(CPIS_E_NOMEM)) == CLI_OK;
}

/* false: told. */
static bool open_pages(struct web *w)
{
    char why[ASSETS_WHY_BYTES] = "";
    if (w->people == NULL) return true;
    cpis_err err = assets_find(&w->assets, why);
    if (err == CPIS_E_NOTFOUND)
        companion_tell(COMPANION_WARN, "WEB_NO_PAGES",
                       "pages are not served, for they were not built: `make pages`, with npm");
    else if (err != CPIS_OK)
        return cli_fail(w->c, "pages: %s", why[0] != '\0' ? why : cpis_strerror(err)) == CLI_OK;
    const struct pages_conf conf = {.role = w->s.role,
                                    .code = w->s.org,
                                    .name = w->s.name,
                                    .asker = &w->s.asker,
                                    .dir = w->c->dir,
                                    .has_traced = w->s.traced_numbers[0] != '\0',
                                    .door = &w->door,
                                    .assets = w->assets,
                                    .people = page_people_of(w->people)};
    err = pages_new(&conf, &w->pages);
    if (err != CPIS_OK) (void)cli_fail(w->c, "%s", cpis_strerror(err));
    return err == CPIS_OK;
}

static void call_link(void *arg, const struct control_call *call)
{
    struct web *w = arg;
    control_link_call(w->link, call, w->now);
}

static bool read_settings(struct web *w)
{
    if (!cli_settings(w->c, &w->s)) return false;
    if (w->s.web_listen[0] != '\0' || w->s.metrics_listen[0] != '\0') return true;
    (void)cli_fail(w->c, "node.conf says nowhere to serve: web_listen, metrics_listen");
    return false;
}

static int work(struct cli *c)
{
    struct web w = {.c = c, .now = clock_monotonic()};
    struct tls t = {.key = NULL};
    struct sigaction act = {.sa_handler = on_hup};
    (void)sigemptyset(&act.sa_mask);
    (void)sigaction(SIGHUP, &act, NULL);
    if (!read_settings(&w)) return CLI_ERROR;
    if (folder_make(c->dir) != CPIS_OK) /* people/, of a node of before */
        return cli_fail(c, "%s/" FOLDER_PEOPLE ": %s", c->dir, strerror(errno));
    companion_confine(c, &w.s, CONFINE_WEB);
    w.stamp = stamp_of(&w.s);
    if (!tls_read(c, &w.s, &t, &w.certificate_until)) return CLI_ERROR;
    w.door = (struct node_door){.call = call_link, .arg = &w};
    w.health = (struct health){
        .door = &w.door, .role = conf_role_name(w.s.role), .add_families = web_families, .arg = &w};
    const cpis_err err = control_link_new(
        c->dir, connections_max() + OPERATIONS_CONNECTIONS + DESCRIPTORS_BESIDE, &w.link);
    if (err != CPIS_OK) (void)cli_fail(c, "%s", cpis_strerror(err));
    const bool open = err == CPIS_OK && open_callers(&w) && open_people(&w) && open_fhir(&w) &&
                      open_pages(&w) && open_servers(&w, &t);
    tls_free(&t);
    if (open) serve(&w);
    control_link_free(&w.link); /* each of these before what its answers need */
    people_free(&w.people);
    server_free(&w.faces);
    server_free(&w.operations);
    callers_free(&w.callers);
    fhir_free(&w.fhir);
    pages_free(&w.pages);
    assets_free(&w.assets);
    return open ? CLI_OK : CLI_ERROR;
}

/* For `cpis doctor`. */
static int check(struct cli *c)
{
    struct web w = {.c = c};
    struct tls t = {.key = NULL};
    char until[WALL_UTC_BYTES] = "";
    if (!read_settings(&w) || !tls_read(c, &w.s, &t, &w.certificate_until)) return CLI_ERROR;
    tls_free(&t);
    if (w.certificate_until != CPIS_MS_NEVER)
        wall_format_utc(w.certificate_until < DATE_WALL_MAX ? w.certificate_until : DATE_WALL_MAX,
                        until);
    cli_print_json(json_pack("{s:s}", "until", until));
    return CLI_OK;
}

static int web(struct cli *c)
{
    if (!cli_args(c, 0, 0)) return CLI_USAGE;
    return cli_has(c, "check") ? check(c) : companion_run(c, work);
}
const struct cli_command cmd_web = {
    .name = "web",
    .args = "DIR",
    .summary = CLI_WEB_SUMMARY,
    .more = "`cpis run` starts it by itself when node.conf says where to serve (web_listen, "
            "metrics_listen).\nSIGHUP: reads certificates and clients anew; it also looks by "
            "itself every "
            "minute. SIGTERM: answers what has begun, and ends.",
    .takes_dir = true,
    .fn = web,
    .options = (const struct cli_option[]){
        {"check", NULL, "serve nothing: say as JSON until when the certificate holds"}, {0}}};
