#include "node/net/driver.h"

#include "crypto/hash.h"
#include "node/net/chain_store.h"
#include "node/net/clock.h"
#include "node/net/control.h"
#include "node/net/folder.h"
#include "node/net/machine.h"
#include "node/net/notify.h"
#include "node/net/transport.h"

#include <assert.h>
#include <czmq.h>
#include <malloc.h>
#include <signal.h>
#include <sodium.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#define LISTEN_RETRY (10 * CPIS_MS_SECOND)
#define LINGER_MS    500

struct driver {
    const struct driver_conf *conf;
    struct notes *notes;
    struct metrics metrics;
    struct folder_lock lock;
    struct identity *identity;       /* sodium_malloc */
    struct chain_mark register_file; /* DIR/register, as far as it is known to be the store's */
    struct store *store;
    struct workers *workers;
    struct machine *machine;
    struct transport *transport;
    struct control *control;
    int signals;
    bool draining, now; /* now: without waiting for what is under way */
    cpis_ms drain_until, listen_at;
    char listens_for[ENDPOINT_BYTES_MAX + 1]; /* what the ROUTER was bound for */
    uint64_t synced_build, synced_version;    /* of the register that the sockets follow */
};

static struct control_env env_of(const struct driver *d)
{
    return (struct control_env){.dir = d->conf->dir,
                                .role = d->conf->role,
                                .node = machine_node(d->machine),
                                .why_down = machine_why_down(d->machine),
                                .store = d->store,
                                .view = machine_view(d->machine),
                                .notes = d->notes,
                                .transport = d->transport,
                                .cover = machine_cover(d->machine),
                                .metrics = &d->metrics,
                                .confined = d->conf->confined,
                                .confined_whole = d->conf->confined_whole,
                                .memory = d->conf->memory,
                                .now = clock_monotonic(),
                                .wall = clock_wall()};
}

/* --- what the machine and the transport ask of us --- */

static bool on_send(void *ctx, const struct cpis_id *peer, struct bytes frame, cpis_ms now)
{
    struct driver *d = ctx;
    return d->transport != NULL && transport_send(d->transport, peer, frame, now);
}

static void on_result(void *ctx, uint64_t command, const struct result *result)
{
    struct driver *d = ctx;
    metrics_result(&d->metrics, result);
    if (d->control == NULL) return;
    const struct control_env env = env_of(d);
    control_result(d->control, &env, command, result);
}

static void on_committed(void *ctx, bool durable)
{
    struct driver *d = ctx;
    size_t lost = d->control == NULL ? 0 : control_committed(d->control, durable);
    metrics_committed(&d->metrics, durable, lost);
}

static bool on_known(void *ctx, const struct box_public *key, struct cpis_id *ret)
{
    const struct driver *d = ctx;
    const struct node *node = d->machine == NULL ? NULL : machine_node(d->machine);
    const struct registry_node *n = node == NULL ? NULL : node_peer_by_key(node, key);
    if (n == NULL) return false;
    *ret = n->id;
    return true;
}

/* --- sockets follow the register --- */

static void listen_again_later(struct driver *d, cpis_err err, const char *endpoint)
{
    static const char *const why[] = {"another process listens there: stop it, or set `listen`",
                                      "it can't be bound: see `listen` in node.conf"};
    note(d->notes, NOTE_ERROR, "can't listen on %s: %s; next try in 10 s", endpoint,
         why[err == CPIS_E_BUSY ? 0 : 1]);
    d->listen_at = clock_monotonic() + LISTEN_RETRY;
}

static void follow_own_endpoint(struct driver *d, const struct registry *r)
{
    const struct registry_node *self = registry_node(r, node_id(machine_node(d->machine)));
    char any[ENDPOINT_BYTES_MAX + 16];
    d->listen_at = CPIS_MS_NEVER;
    if (d->conf->role != ROLE_DIRECTORY || self == NULL || self->d.role != ROLE_DIRECTORY) return;
    const char *endpoint = d->conf->listen != NULL ? d->conf->listen : self->d.endpoint;
    const char *port = strrchr(endpoint, ':');
    if (transport_endpoint(d->transport) != NULL && strcmp(d->listens_for, endpoint) == 0) return;
    (void)snprintf(d->listens_for, sizeof d->listens_for, "%s", endpoint);
    cpis_err err = transport_listen(d->transport, endpoint);
    if (err == CPIS_E_NOTFOUND && d->conf->listen == NULL && port != NULL) {
        (void)snprintf(any, sizeof any, "tcp://*%s", port); /* behind a translated address */
        endpoint = any;
        err = transport_listen(d->transport, endpoint);
    }
    if (err != CPIS_OK)
        listen_again_later(d, err, endpoint);
    else
        note(d->notes, NOTE_INFO, "listens on %s", transport_endpoint(d->transport));
}

static void follow_directories(struct driver *d, const struct registry *r)
{
    struct transport_dial want[TRANSPORT_DIALS_MAX + 1];
    size_t n = 0;
    for (size_t i = 0; i < registry_count(r) && n <= TRANSPORT_DIALS_MAX; i++) {
        const struct registry_node *p = registry_at(r, i);
        if (p->d.role != ROLE_DIRECTORY || !registry_in_force(p) || p->d.endpoint[0] == '\0' ||
            id_equal(&p->id, node_id(machine_node(d->machine))))
            continue;
        want[n] = (struct transport_dial){.id = p->id, .key = p->d.transport_key};
        memcpy(want[n].endpoint, p->d.endpoint, sizeof want[n].endpoint);
        n++;
    }
    cpis_err err = transport_dial(d->transport, want, n, clock_monotonic());
    if (err != CPIS_OK)
        note(d->notes, NOTE_ERROR, "not every directory of the register can be dialled: %s",
             err == CPIS_E_LIMIT ? "there are more than 64"
                                 : "an endpoint in it is no tcp address");
}

/* DIR/register is the last accepted chain, for people and for `evidence verify`; the node itself
 * goes by its store. */
static void keep_register_file(struct driver *d, const struct registry *r)
{
    cpis_err err = chain_store_keep(d->conf->dir, machine_view(d->machine), registry_version(r),
                                    &d->register_file);
    if (err != CPIS_OK)
        note(d->notes, NOTE_WARN, "the register's file can't be written: %s; is the disk full?",
             cpis_strerror(err));
}

static void follow_register(struct driver *d)
{
    const struct node *node = machine_node(d->machine);
    const struct registry *r = node == NULL ? NULL : node_registry(node);
    if (r == NULL || registry_is_empty(r)) return;
    bool same =
        d->synced_build == machine_builds(d->machine) && d->synced_version == registry_version(r);
    if (same && clock_monotonic() < d->listen_at) return;
    d->synced_build = machine_builds(d->machine);
    d->synced_version = registry_version(r);
    follow_own_endpoint(d, r);
    if (same) return;
    follow_directories(d, r);
    keep_register_file(d, r);
    store_release_pages(d->store); /* old registers are read once; an idle node stays small */
    (void)malloc_trim(0);
}

/* --- one turn of the loop --- */

static void stop(struct driver *d, const char *why)
{
    if (d->draining) {
        d->now = true;
        return;
    }
    note(d->notes, NOTE_INFO, "%s: stopping", why);
    (void)notify_send("STOPPING=1");
    d->draining = true;
    d->drain_until = clock_monotonic() + DRIVER_DRAIN;
    control_drain(d->control);
}

static void reload(struct driver *d)
{
    char said[DRIVER_SAID_BYTES] = "";
    if (d->conf->hooks.reload == NULL) return;
    const bool taken = d->conf->hooks.reload(d->conf->hooks.arg, said);
    if (taken) machine_configure(d->machine);
    if (d->conf->log_level != NULL) notes_set_level(d->notes, *d->conf->log_level);
    note(d->notes, taken ? NOTE_INFO : NOTE_ERROR, "SIGHUP: %s", said);
}

static void take_signals(struct driver *d)
{
    struct signalfd_siginfo s;
    while (read(d->signals, &s, sizeof s) == (ssize_t)sizeof s) {
        if (s.ssi_signo == SIGHUP) {
            reload(d);
        } else {
            stop(d, s.ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT");
        }
    }
}

/* Requests of operators first, while no batch is under way: what they read is committed. */
static void take_requests(struct driver *d)
{
    const cpis_ms start = clock_monotonic();
    for (unsigned i = 0; i < DRIVER_BATCH && clock_monotonic() - start < DRIVER_BATCH_MS; i++) {
        const struct control_env env = env_of(d);
        if (!control_read(d->control, &env)) break;
    }
    if (control_wants_stop(d->control) && !d->draining) stop(d, "`stop`");
}

static bool take_one(struct driver *d)
{
    struct transport_message m;
    struct command command;
    bool any = false;
    if (transport_recv(d->transport, clock_monotonic(), &m)) {
        machine_message(d->machine, &m.peer, m.b);
        any = true;
    }
    if (machine_work(d->machine)) any = true;
    if (control_next(d->control, &command)) {
        machine_command(d->machine, &command);
        any = true;
    }
    return any;
}

static void take_batch(struct driver *d)
{
    const cpis_ms start = clock_monotonic();
    machine_tick(d->machine);
    for (unsigned i = 0; i < DRIVER_BATCH && machine_node(d->machine) != NULL; i++)
        if (!take_one(d) || machine_is_full(d->machine) ||
            clock_monotonic() - start >= DRIVER_BATCH_MS)
            break;
    machine_commit(d->machine);
}

static cpis_ms earliest(const struct driver *d)
{
    cpis_ms at = earlier(machine_deadline(d->machine), transport_deadline(d->transport));
    at = earlier(at, d->listen_at);
    if (d->draining) at = earlier(at, d->drain_until);
    return at;
}

static int wait_ms(const struct driver *d)
{
    const cpis_ms at = earliest(d), now = clock_monotonic();
    if (machine_node(d->machine) != NULL && control_waits_for_node(d->control)) return 0;
    if (at == CPIS_MS_NEVER) return -1;
    if (at <= now) return 0;
    return at - now < INT32_MAX ? (int)(at - now) : INT32_MAX;
}

/* true: a signal came. */
static bool wait_for_input(struct driver *d)
{
    static_assert(TRANSPORT_INLETS_MAX + 3 <= INLETS_FDS_MAX, "inlets_wait has room for all");
    struct inlet *inlets[TRANSPORT_INLETS_MAX + 1];
    struct pollfd fds[] = {{.fd = d->signals, .events = POLLIN},
                           {.fd = workers_fd(d->workers), .events = POLLIN}};
    /* Without a node nobody is let in and nothing is read: messages wait at their senders. */
    const bool listening = machine_node(d->machine) != NULL;
    size_t count = listening ? transport_inlets(d->transport, inlets) : 0;
    inlets[count++] = control_inlet(d->control);
    const int ms = workers_help(d->workers) ? 0 : wait_ms(d);
    inlets_wait(inlets, count, fds, listening ? 2 : 1, ms);
    return fds[0].revents != 0;
}

static bool is_over(const struct driver *d)
{
    if (!d->draining) return false;
    return d->now || control_is_idle(d->control) || clock_monotonic() >= d->drain_until;
}

static void loop(struct driver *d)
{
    while (!is_over(d)) {
        if (wait_for_input(d)) take_signals(d);
        take_requests(d);
        if (machine_node(d->machine) != NULL) transport_serve(d->transport);
        take_batch(d);
        transport_tick(d->transport, clock_monotonic());
        follow_register(d);
    }
}

/* --- start and end --- */

static cpis_err say(const struct driver *d, cpis_err err, const char *what, const char *todo)
{
    note(d->notes, NOTE_ERROR, "%s: %s", what, todo);
    return err;
}

static cpis_err block_signals(struct driver *d)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0) return CPIS_E_IO;
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ,
                 SIG_IGN); /* storage/store.h: a file size limit is an error, not a death */
    d->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return d->signals < 0 ? CPIS_E_IO : CPIS_OK;
}

static cpis_err take_folder(struct driver *d)
{
    const char *dir = d->conf->dir;
    pid_t holder = 0;
    cpis_err err = folder_lock(dir, &d->lock, &holder);
    if (err == CPIS_E_BUSY) {
        note(d->notes, NOTE_ERROR, "process %ld runs this node already: stop it first",
             (long)holder);
        return err;
    }
    if (err == CPIS_E_FULL) return say(d, err, dir, "the disk is full: free some space");
    if (err != CPIS_OK)
        return say(d, err, dir,
                   "there is no such folder, or this user may not write to it: `cpis init` makes "
                   "one");
    return CPIS_OK;
}

/* A register that `init` was given, or that somebody put there since, comes into the store. */
static cpis_err take_register(struct driver *d)
{
    char why[CHAIN_WHY_BYTES];
    cpis_err err = chain_store_take(d->store, d->conf->dir, &d->register_file, why);
    if (err != CPIS_OK)
        return say(d, err, FOLDER_REGISTER, why[0] != '\0' ? why : cpis_strerror(err));
    if (why[0] != '\0')
        note(d->notes, NOTE_WARN, "%s: %s. It is written anew from the node's store",
             FOLDER_REGISTER, why);
    return CPIS_OK;
}

static cpis_err open_store(struct driver *d, const struct rest_keys *keys)
{
    char path[FOLDER_PATH_BYTES];
    struct drbg seed;
    cpis_err err = folder_path(d->conf->dir, FOLDER_DATA, sizeof path, path);
    if (err != CPIS_OK) return say(d, err, d->conf->dir, "the path is too long");
    const struct store_conf conf = {
        .dir = path, .map_bytes = d->conf->map_bytes, .map_bytes_max = d->conf->map_bytes_max};
    randombytes_buf(&seed, sizeof seed);
    err = store_open(&conf, keys, &seed, &d->store);
    drbg_wipe(&seed);
    switch ((int)err) {
    case CPIS_OK: return CPIS_OK;
    case CPIS_E_AUTH:
        return say(d, err, path, "it was made with another identity.key: put that one back");
    case CPIS_E_VERSION: return say(d, err, path, "a newer version wrote it: install that one");
    case CPIS_E_OLD:
        return say(d, err, path,
                   "an older version wrote it, which this one does not read; it was not changed: "
                   "install that version again, and see \"Rolling upgrades\" in the handbook");
    case CPIS_E_FULL: return say(d, err, path, "the disk is full: free some space");
    case CPIS_E_STORE:
        return say(d, err, path, "it is damaged or half a copy: restore the node's backup");
    default: return say(d, err, path, cpis_strerror(err));
    }
}

static cpis_err read_secrets(struct driver *d)
{
    struct folder_secrets *s = sodium_malloc(sizeof *s);
    struct rest_keys *keys = sodium_malloc(sizeof *keys);
    d->identity = sodium_malloc(sizeof *d->identity);
    cpis_err err = s == NULL || keys == NULL || d->identity == NULL ? CPIS_E_NOMEM : CPIS_OK;
    const char *why = "out of memory";
    if (err == CPIS_OK)
        err = folder_secrets_read(d->conf->dir, d->conf->passphrase, d->conf->passphrase_len, s,
                                  &why);
    if (err == CPIS_OK) {
        identity_from(s->seed, d->identity);
        rest_keys_from(s->root, keys);
        (void)sodium_mprotect_readonly(d->identity);
        err = open_store(d, keys);
    } else {
        (void)say(d, err, FOLDER_IDENTITY, why);
    }
    sodium_free(s);
    sodium_free(keys);
    return err;
}

static cpis_err open_sockets(struct driver *d)
{
    char path[FOLDER_SOCKET_BYTES];
    if (folder_socket(d->conf->dir, path) != CPIS_OK)
        return say(d, CPIS_E_LIMIT, d->conf->dir,
                   "the path is too long for its control.sock, which may have 107 bytes: use a "
                   "shorter one");
    const struct transport_conf conf = {.identity = d->identity,
                                        .known = d->conf->role == ROLE_DIRECTORY ? on_known : NULL,
                                        .ctx = d};
    cpis_err err = transport_new(&conf, &d->transport);
    if (err == CPIS_OK) err = control_new(path, &d->control);
    if (err != CPIS_OK)
        return say(d, err, path,
                   "the sockets can't be made: may this user write here, and open more files?");
    return CPIS_OK;
}

static cpis_err start_workers(struct driver *d)
{
    const unsigned threads = workers_count(d->conf->workers);
    cpis_err err = workers_new(threads, &d->workers);
    if (err != CPIS_OK)
        return say(d, err, "threads can't be started", "see `workers` in node.conf");
    note(d->notes, NOTE_INFO, "threads that work beside the loop: %u", threads);
    return CPIS_OK;
}

static cpis_err start(struct driver *d)
{
    (void)umask(077);
    if (sodium_init() < 0) return CPIS_E_IO;
    cpis_err err = block_signals(d);
    if (err != CPIS_OK) return err;
    zsys_handler_set(NULL);
    err = take_folder(d);
    if (err == CPIS_OK) err = read_secrets(d);
    if (err == CPIS_OK) err = take_register(d);
    if (err == CPIS_OK) err = start_workers(d);
    if (err != CPIS_OK) return err;
    const struct machine_conf conf = {.role = d->conf->role,
                                      .identity = d->identity,
                                      .store = d->store,
                                      .quotas = d->conf->quotas,
                                      .inbox = d->conf->inbox,
                                      .policy = d->conf->policy,
                                      .cover = d->conf->cover,
                                      .workers = d->workers,
                                      .notes = d->notes,
                                      .metrics = &d->metrics,
                                      .send = on_send,
                                      .result = on_result,
                                      .committed = on_committed,
                                      .ctx = d};
    err = machine_new(&conf, &d->machine);
    if (err == CPIS_OK) err = open_sockets(d);
    if (err == CPIS_OK) err = machine_start(d->machine); /* says itself what is wrong */
    if (err != CPIS_OK) return err;
    follow_register(d);
    if (d->conf->hooks.started != NULL && !d->conf->hooks.started(d->conf->hooks.arg))
        return CPIS_E_STATE;
    if (d->conf->confined != NULL)
        note(d->notes, d->conf->confined_whole ? NOTE_INFO : NOTE_WARN, "%s", d->conf->confined);
    note(d->notes, NOTE_INFO, "the node runs");
    (void)notify_send("READY=1");
    return CPIS_OK;
}

static void end(struct driver *d)
{
    machine_free(&d->machine);
    workers_free(&d->workers);
    control_free(&d->control);
    transport_free(&d->transport, d->now ? 0 : LINGER_MS);
    store_close(&d->store);
    if (d->identity != NULL) sodium_free(d->identity);
    if (d->signals >= 0) (void)close(d->signals);
    folder_unlock(&d->lock);
}

cpis_err driver_run(const struct driver_conf *conf)
{
    struct driver d = {.conf = conf, .lock = {-1}, .signals = -1, .listen_at = CPIS_MS_NEVER};
    cpis_err err = notes_new(stderr, &d.notes);
    metrics_init(&d.metrics, clock_wall());
    if (err != CPIS_OK) return err;
    if (conf->log_level != NULL) notes_set_level(d.notes, *conf->log_level);
    err = start(&d);
    if (err == CPIS_OK) {
        loop(&d);
        if (conf->hooks.stopping != NULL) conf->hooks.stopping(conf->hooks.arg);
        note(d.notes, NOTE_INFO, "stopped");
    }
    end(&d);
    notes_free(&d.notes);
    return err;
}
