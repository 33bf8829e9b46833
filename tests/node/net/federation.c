#include "tests/node/net/federation.h"

#include "node/core/steward.h"
#include "node/net/chain_file.h"
#include "node/net/clock.h"
#include "node/net/control_client.h"
#include "node/net/driver.h"
#include "node/net/folder.h"
#include "tests/node/net/place.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROOTS 3U

static struct {
    char dir[96];
    struct identity identity;
    struct cpis_id id;
    enum node_role role;
    unsigned port;
    pid_t pid;
} node[FEDERATION_NODES];
static struct registry *stewards;
static struct sign_public root_public[ROOTS];
static struct sign_secret root_secret[ROOTS];
static struct arena arena;
static struct bytes links[64]; /* the register as the stewards hold it, from version 1 */
static size_t links_count;

const char *federation_dir(unsigned n) { return node[n].dir; }
pid_t federation_pid(unsigned n) { return node[n].pid; }

/* LeakSanitizer can't look into a child of a process with threads: it says so in its log, which
 * counts as a failure. */
static void leave(int code)
{
#ifdef __SANITIZE_ADDRESS__
    _exit(code);
#else
    exit(code);
#endif
}

static void pause_ms(long ms)
{
    const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&t, NULL);
}

/* --- registers --- */

static unsigned free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(fd, (const struct sockaddr *)&a, sizeof a), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    (void)close(fd);
    return ntohs(a.sin_port);
}

static void make_node(unsigned n)
{
    struct folder_secrets s;
    (void)snprintf(node[n].dir, sizeof node[n].dir, "%s/n%u", place_dir(), n);
    cr_assert_eq(folder_make(node[n].dir), CPIS_OK);
    folder_secrets_make(&s);
    cr_assert_eq(folder_secrets_write(node[n].dir, &s, NULL, 0, false), CPIS_OK);
    identity_from(s.seed, &node[n].identity);
    node[n].id = node_id_of(&node[n].identity.pub.sign);
    node[n].role = n < FEDERATION_DIRECTORIES ? ROLE_DIRECTORY
                   : n < QUERY_0              ? ROLE_AUTHORITY
                                              : ROLE_QUERY;
    if (node[n].role == ROLE_DIRECTORY) node[n].port = free_port();
}

static struct msg_signed_descriptor describe(unsigned n)
{
    struct msg_signed_descriptor d = {
        .descriptor = {.sign_key = node[n].identity.pub.sign,
                       .sealing_key = node[n].identity.pub.sealing,
                       .transport_key = node[n].identity.pub.transport,
                       .role = node[n].role,
                       .not_before = clock_wall() - CPIS_MS_DAY,
                       .not_after = clock_wall() + 300 * CPIS_MS_DAY}};
    struct msg_descriptor *p = &d.descriptor;
    struct bytes body;
    (void)snprintf(p->code, sizeof p->code, "T%03u", n);
    (void)snprintf(p->name, sizeof p->name, "Test organisation %u", n);
    if (node[n].role == ROLE_DIRECTORY)
        (void)snprintf(p->endpoint, sizeof p->endpoint, "tcp://127.0.0.1:%u", node[n].port);
    if (node[n].role == ROLE_AUTHORITY)
        (void)snprintf(p->emergency, sizeof p->emergency, "02079460%03u", n);
    cr_assert_eq(descriptor_encode(p, &arena, &body), CPIS_OK);
    sign_make(&node[n].identity.sign, SIGNED_DESCRIPTOR, registry_net(stewards), body.p, body.len,
              &d.signature);
    return d;
}

static void sign_draft(const struct msg_register *draft)
{
    struct bytes doc;
    const char *why = "";
    cpis_err err = steward_finish(stewards, draft, &arena, &doc, &why);
    cr_assert_eq(err, CPIS_OK, "%s", why);
    for (unsigned i = 0; i < 2; i++) {
        err = steward_sign(stewards, doc, &root_public[i], &root_secret[i], &arena, &doc, &why);
        cr_assert_eq(err, CPIS_OK, "%s", why);
    }
    cr_assert_eq(registry_load(stewards, doc), CPIS_OK);
    cr_assert_lt(links_count, sizeof links / sizeof *links);
    links[links_count++] = doc;
}

static struct bytes newest_as_chain(void)
{
    struct msg_register_document doc;
    const struct msg_register_chain chain = {.links = &doc, .links_count = 1};
    struct bytes b;
    cr_assert_eq(register_document_decode(links[links_count - 1], &arena, &doc), CPIS_OK);
    cr_assert_eq(register_chain_encode(&chain, &arena, &b), CPIS_OK);
    return b;
}

static void write_register(unsigned n)
{
    char path[FOLDER_PATH_BYTES];
    struct chain_writer w;
    cr_assert_eq(folder_path(node[n].dir, FOLDER_REGISTER, sizeof path, path), CPIS_OK);
    cr_assert_eq(chain_file_create(path, 0600, &w), CPIS_OK);
    for (size_t i = 0; i < links_count; i++)
        cr_assert_eq(chain_file_write(&w, links[i]), CPIS_OK);
    cr_assert_eq(chain_file_finish(&w), CPIS_OK);
}

static void admit(struct msg_register *draft, unsigned n)
{
    const struct steward_limits limits = {1000000, 1000000, 65536};
    const struct msg_signed_descriptor d = describe(n);
    const char *why = "";
    cpis_err err = steward_add_node(draft, &arena, registry_net(stewards), &d, &limits, NULL, &why);
    cr_assert_eq(err, CPIS_OK, "%s", why);
    if (node[n].role != ROLE_AUTHORITY)
        cr_assert_eq(steward_set_state(draft, &node[n].id, NODE_ACTIVE, &why), CPIS_OK);
}

void federation_make(void)
{
    struct sign_public keys[ROOTS];
    struct msg_register draft;
    const uint64_t wall = clock_wall();
    arena = arena_make((size_t)64 << 20);
    for (unsigned n = 0; n < FEDERATION_NODES; n++)
        make_node(n);
    for (unsigned i = 0; i < ROOTS; i++) {
        uint8_t seed[SIGN_SEED_BYTES];
        randombytes_buf(seed, sizeof seed);
        sign_keypair_from(seed, &root_public[i], &root_secret[i]);
        keys[i] = root_public[i];
    }
    cr_assert_eq(registry_new(&stewards), CPIS_OK);
    draft = steward_first((struct bytes){keys[0].b, sizeof keys}, 2, wall - 1000,
                          wall + REGISTER_EXPIRES_MAX / 2);
    sign_draft(&draft);
    cr_assert_eq(
        steward_next(stewards, wall - 500, wall + REGISTER_EXPIRES_MAX / 2, &arena, &draft),
        CPIS_OK);
    for (unsigned n = 0; n < FEDERATION_NODES; n++)
        admit(&draft, n);
    sign_draft(&draft);
    for (unsigned n = 0; n < FEDERATION_NODES; n++)
        write_register(n);
}

/* --- processes --- */

static void run_child(unsigned n)
{
    char path[160];
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)snprintf(path, sizeof path, "%s/stderr", node[n].dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    (void)dup2(fd, STDERR_FILENO);
    const struct driver_conf conf = {.dir = node[n].dir, .role = node[n].role, .workers = 2};
    leave(driver_run(&conf) == CPIS_OK ? 0 : 1);
}

pid_t federation_start(unsigned n)
{
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) run_child(n);
    node[n].pid = pid;
    return pid;
}

int federation_end(unsigned n, int signal)
{
    int status = -1;
    if (node[n].pid == 0) return 0;
    (void)kill(node[n].pid, signal);
    (void)waitpid(node[n].pid, &status, 0);
    node[n].pid = 0;
    return status;
}

void federation_stop(void)
{
    for (unsigned n = 0; n < FEDERATION_NODES; n++)
        (void)federation_end(n, SIGKILL);
    registry_free(&stewards);
    arena_free(&arena);
}

char *federation_log(unsigned n)
{
    uint8_t *p = NULL;
    size_t len = 0;
    if (folder_read(node[n].dir, "stderr", (size_t)16 << 20, &p, &len) != CPIS_OK)
        return calloc(1, 1);
    p[len] = '\0'; /* folder_read takes one byte more */
    return (char *)p;
}

/* --- calls --- */

static bool gather(void *arg, const json_t *more)
{
    return json_array_append(arg, (json_t *)(uintptr_t)more) == 0;
}

static void call_child(unsigned n, const char *command, const char *fields, FILE *to)
{
    struct control_client *c;
    char why[CONTROL_WHY_BYTES];
    json_t *all = json_array(), *last = NULL, *in = json_loads(fields, 0, NULL);
    for (unsigned tries = 0; control_connect(node[n].dir, &c, why) != CPIS_OK; tries++) {
        if (tries == 100) leave(1); /* it is just starting */
        pause_ms(20);
    }
    cpis_err err = control_call(c, command, in, 20000, gather, all, &last, why);
    (void)err; /* stands in the last reply */
    if (last != NULL) (void)json_array_append(all, last);
    char *text = json_dumps(all, 0);
    (void)fputs(last == NULL ? "" : text, to);
    (void)fclose(to);
    free(text);
    json_decref(all);
    json_decref(last);
    json_decref(in);
    control_close(&c);
    leave(0);
}

json_t *federation_call(unsigned n, const char *command, const char *fields)
{
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(ends[0]);
        call_child(n, command, fields, fdopen(ends[1], "w"));
    }
    (void)close(ends[1]);
    FILE *from = fdopen(ends[0], "r");
    json_t *all = json_loadf(from, 0, NULL);
    (void)fclose(from);
    (void)waitpid(pid, NULL, 0);
    return all;
}

static json_t *last_of(const json_t *all)
{
    return json_array_get(all, json_array_size(all) > 0 ? json_array_size(all) - 1 : 0);
}

json_t *federation_call_until(unsigned n, const char *command, const char *fields, unsigned ms)
{
    for (cpis_ms until = clock_monotonic() + ms;;) {
        json_t *all = federation_call(n, command, fields);
        if (json_is_null(json_object_get(last_of(all), "error"))) return all;
        char *text = json_dumps(last_of(all), JSON_ENCODE_ANY);
        cr_assert(clock_monotonic() < until, "%s: %s", command, text == NULL ? "-" : text);
        free(text);
        json_decref(all);
        pause_ms(200);
    }
}

json_t *federation_lookup_until(const char *number, const char *verdict, unsigned ms)
{
    char fields[200];
    (void)snprintf(fields, sizeof fields,
                   "{\"numbers\":[\"%s\"],\"ask\":{\"user_id\":\"u1\",\"user_name\":\"A. Nurse\","
                   "\"organisation_code\":\"RTST\"}}",
                   number);
    for (cpis_ms until = clock_monotonic() + ms;;) {
        json_t *all = federation_call(QUERY_0, "lookup", fields);
        json_t *v = json_array_get(all, 0);
        const char *got = json_string_value(json_object_get(v, "verdict"));
        if (clock_monotonic() >= until || (got != NULL && strcmp(got, verdict) == 0)) {
            json_incref(v);
            json_decref(all);
            return v;
        }
        json_decref(all);
        pause_ms(200);
    }
}

static bool value_is(const json_t *o, const char *path, const char *want)
{
    char part[64];
    while (o != NULL && *path != '\0') {
        size_t len = strcspn(path, ".");
        (void)snprintf(part, sizeof part, "%.*s", (int)len, path);
        o = json_is_array(o) ? json_array_get(o, (size_t)atoi(part)) : json_object_get(o, part);
        path += len + (path[len] == '.');
    }
    char *text = o == NULL ? NULL : json_dumps(o, JSON_ENCODE_ANY);
    bool is = text != NULL && strcmp(text, want) == 0;
    free(text);
    return is;
}

bool federation_status_is(unsigned n, const char *path, const char *want, unsigned ms)
{
    for (cpis_ms until = clock_monotonic() + ms;;) {
        json_t *all = federation_call(n, "status", "{}");
        bool is = value_is(last_of(all), path, want);
        if (!is && clock_monotonic() >= until && getenv("CPIS_TEST_TELL") != NULL)
            (void)json_dumpf(all, stderr, JSON_INDENT(1));
        json_decref(all);
        if (is || clock_monotonic() >= until) return is;
        pause_ms(100);
    }
}

/* --- founding --- */

static void offer(void)
{
    const struct bytes chain = newest_as_chain();
    size_t cap = sodium_base64_encoded_len(chain.len, sodium_base64_VARIANT_ORIGINAL);
    char *text = malloc(cap), *fields = malloc(cap + 32);
    (void)sodium_bin2base64(text, cap, chain.p, chain.len, sodium_base64_VARIANT_ORIGINAL);
    (void)snprintf(fields, cap + 32, "{\"chain\":\"%s\"}", text);
    json_decref(federation_call_until(DIRECTORY_0, "register_offer", fields, 5000));
    free(text);
    free(fields);
}

static void add_epoch(struct msg_register *draft)
{
    struct signed_message all[FEDERATION_DIRECTORIES];
    json_t *reply = federation_call_until(DIRECTORY_0, "ceremony_result", "{}", 30000);
    const json_t *list = json_object_get(last_of(reply), "acceptances");
    const char *why = "";
    cr_assert_eq(json_array_size(list), FEDERATION_DIRECTORIES);
    for (size_t i = 0; i < FEDERATION_DIRECTORIES; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        uint8_t bytes[4096];
        size_t len = 0;
        cr_assert_eq(sodium_base642bin(bytes, sizeof bytes, text, strlen(text), NULL, &len, NULL,
                                       sodium_base64_VARIANT_ORIGINAL),
                     0);
        cr_assert_eq(signed_message_decode((struct bytes){bytes, len}, &arena, &all[i]), CPIS_OK);
    }
    const struct steward_epoch ep = {8, clock_wall() - 1000, clock_wall() + 400 * CPIS_MS_DAY};
    cpis_err err = steward_add_epoch(draft, &arena, registry_net(stewards), all,
                                     FEDERATION_DIRECTORIES, &ep, &why);
    cr_assert_eq(err, CPIS_OK, "%s", why);
    json_decref(reply);
}

static struct msg_register next_register(void)
{
    struct msg_register draft;
    const uint64_t wall = clock_wall();
    cr_assert_eq(steward_next(stewards, wall, wall + REGISTER_EXPIRES_MAX, &arena, &draft),
                 CPIS_OK);
    return draft;
}

void federation_found(void)
{
    const char *why = "";
    federation_make();
    for (unsigned n = 0; n < FEDERATION_NODES; n++)
        (void)federation_start(n);
    for (unsigned n = 1; n < FEDERATION_DIRECTORIES; n++)
        cr_assert(federation_status_is(n, "register.trust", "\"fresh\"", 20000));
    json_decref(federation_call_until(
        DIRECTORY_0, "ceremony_start",
        "{\"epoch\":1,\"t\":2,\"holders\":[\"T000\",\"T001\",\"T002\"]}", 5000));
    struct msg_register draft = next_register();
    add_epoch(&draft);
    sign_draft(&draft);
    offer();
    for (unsigned n = AUTHORITY_0; n <= AUTHORITY_1; n++)
        cr_assert(federation_status_is(n, "authority.published.0.live", "true", 60000));
    draft = next_register();
    for (unsigned n = AUTHORITY_0; n <= AUTHORITY_1; n++)
        cr_assert_eq(steward_set_state(&draft, &node[n].id, NODE_ACTIVE, &why), CPIS_OK);
    sign_draft(&draft);
    offer();
    cr_assert(federation_status_is(QUERY_0, "register.version", "4", 20000));
    cr_assert(federation_status_is(QUERY_0, "register.trust", "\"fresh\"", 90000));
}
