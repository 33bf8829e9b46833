/* Founds a federation of processes as its people would: the stewards' registers, a folder for each
 * node, a key ceremony, the first lists live nationally. */
#include "simulations/emulate_state.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT_FROM      12000U /* below those that outgoing connections are given */
#define PORT_RANGE     20000U
#define WAN_PORT       7001U
#define ENDPOINT_BYTES 64U
#define ANSWERS_WITHIN (30 * SIM_US_SECOND)
#define LIVE_WITHIN    (600 * SIM_US_SECOND)
#define STEP           (50 * SIM_US_MS)

/* --- names, places --- */

static bool is_free(unsigned port)
{
    const struct sockaddr_in at = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    const int s = socket(AF_INET, SOCK_STREAM, 0);
    const bool ok = s >= 0 && bind(s, (const struct sockaddr *)&at, sizeof at) == 0;
    if (s >= 0) (void)close(s);
    return ok;
}

static bool endpoint(struct emulation *t, const struct emu_node *n, struct random_stream *dice,
                     char ret[static ENDPOINT_BYTES])
{
    char address[WAN_ADDRESS_BYTES];
    if (t->wan != NULL) {
        wan_address(n->wan, address);
        (void)snprintf(ret, ENDPOINT_BYTES, "tcp://%s:%u", address, WAN_PORT);
        return true;
    }
    for (unsigned tries = 0; tries < 1000; tries++) {
        const unsigned port = PORT_FROM + (unsigned)random_below(dice, PORT_RANGE);
        bool taken =
            !is_free(port); /* those given already are not bound yet: they differ by dice */
        if (taken) continue;
        (void)snprintf(ret, ENDPOINT_BYTES, "tcp://127.0.0.1:%u", port);
        return true;
    }
    (void)snprintf(t->why, RUN_WHY_BYTES, "no free port was found");
    return false;
}

static void name_nodes(struct emulation *t)
{
    static const struct {
        enum node_role role;
        const char *letter;
        int digits;
    } roles[] = {{ROLE_DIRECTORY, "D", 2}, {ROLE_AUTHORITY, "T", 3}, {ROLE_QUERY, "Q", 2}};
    for (size_t r = 0; r < 3; r++)
        t->nodes += scenario_count(t->sc, roles[r].role);
    t->node = sim_must(calloc(t->nodes, sizeof *t->node));
    size_t at = 0;
    for (size_t r = 0; r < 3; r++)
        for (uint32_t i = 0; i < scenario_count(t->sc, roles[r].role); i++) {
            struct emu_node *n = &t->node[at];
            *n = (struct emu_node){
                .role = roles[r].role, .index = i, .p = PROCESS_NONE, .wan = (unsigned)at};
            (void)snprintf(n->name, sizeof n->name, "%s%0*u", roles[r].letter, roles[r].digits,
                           i + 1);
            at++;
        }
    for (uint32_t i = 0; i < t->sc->topology.authorities; i++) {
        t->authority[i].node = emu_find(t, ROLE_AUTHORITY, i);
        t->authority[i].run = t;
    }
    for (uint32_t i = 0; i < t->sc->topology.queries; i++)
        t->query[i].node = emu_find(t, ROLE_QUERY, i);
}

/* --- the stewards --- */

#define DO(t, ...) emu_do(t, (const char *const[]){__VA_ARGS__, NULL})

static bool sign(struct emulation *t) { return DO(t, "register", "sign", "register", "k1", "k2"); }
static bool publish(struct emulation *t)
{
    return sign(t) && DO(t, "register", "publish", t->node[0].name, "register");
}

/* With all keys at hand `register init` has signed version 1 already. */
static bool sign_first(struct emulation *t)
{
    const int there = emu_file(t, "register", O_RDONLY);
    if (there >= 0) (void)close(there);
    return there >= 0 || sign(t);
}

static bool make_folder(struct emulation *t, const struct emu_node *n, struct random_stream *dice)
{
    char at[ENDPOINT_BYTES], name[SCENARIO_NAME_BYTES], emergency[16], office[16];
    (void)snprintf(emergency, sizeof emergency, "02079460%03u", n->index % 1000);
    (void)snprintf(office, sizeof office, "01632960%03u", n->index % 1000);
    switch (n->role) {
    case ROLE_DIRECTORY:
        return endpoint(t, n, dice, at) &&
               DO(t, "init", n->name, "--role", "directory", "--org", n->name, "--name", n->name,
                  "--endpoint", at, "--register", "register");
    case ROLE_AUTHORITY:
        scenario_authority_name(t->sc, n->index, name);
        return DO(t, "init", n->name, "--role", "authority", "--org", n->name, "--name", name,
                  "--emergency", emergency, "--office", office, "--register", "register");
    case ROLE_QUERY:
        return DO(t, "init", n->name, "--role", "query", "--org", n->name, "--name",
                  "Test Hospital", "--register", "register");
    }
    return false;
}

static bool copy_register(struct emulation *t, const struct emu_node *n)
{
    char to[EMU_NAME_BYTES + 12], block[65536];
    (void)snprintf(to, sizeof to, "%s/register", n->name);
    const int in = emu_file(t, "register", O_RDONLY);
    const int out = emu_file(t, to, O_WRONLY | O_CREAT | O_TRUNC);
    ssize_t len = -1;
    bool ok = in >= 0 && out >= 0;
    while (ok && (len = read(in, block, sizeof block)) > 0)
        ok = write(out, block, (size_t)len) == len;
    if (in >= 0) (void)close(in);
    if (out >= 0) (void)close(out);
    if (!ok || len < 0) (void)snprintf(t->why, RUN_WHY_BYTES, "%s/register: not written", n->name);
    return ok && len == 0;
}

static bool admit(struct emulation *t, const struct emu_node *n)
{
    char descriptor[EMU_NAME_BYTES + 12], limit[24];
    const uint64_t a_day = t->sc->topology.lookup_limit;
    (void)snprintf(descriptor, sizeof descriptor, "%s/descriptor", n->name);
    (void)snprintf(limit, sizeof limit, "%llu", (unsigned long long)a_day);
    if (n->role == ROLE_AUTHORITY) return DO(t, "register", "admit", "register", descriptor);
    if (n->role == ROLE_QUERY && a_day > 0)
        return DO(t, "register", "admit", "register", "--active", "--lookups-per-day", limit,
                  descriptor);
    return DO(t, "register", "admit", "register", "--active", descriptor);
}

static bool all_nodes(struct emulation *t,
                      bool (*fn)(struct emulation *t, const struct emu_node *n))
{
    for (size_t i = 0; i < t->nodes; i++)
        if (emu_is_stopped(t) || !fn(t, &t->node[i])) return false;
    return true;
}

static bool found_register(struct emulation *t)
{
    struct random_stream dice;
    random_init(&dice, t->o->seed ^ (uint64_t)getpid(), random_name(0, "ports"));
    if (!DO(t, "register", "init", "register", "--keys", "k1", "k2", "k3", "--threshold", "2"))
        return false;
    if (!sign_first(t)) return false;
    for (size_t i = 0; i < t->nodes; i++)
        if (emu_is_stopped(t) || !make_folder(t, &t->node[i], &dice)) return false;
    return all_nodes(t, admit) && sign(t) && all_nodes(t, copy_register);
}

/* --- they run --- */

static bool wait_for(struct emulation *t, sim_us within, const char *what,
                     bool (*is_so)(struct emulation *t))
{
    const sim_us until = emu_now(t) + within;
    while (!is_so(t)) {
        if (!emu_run_until(t, emu_now(t) + STEP)) return false;
        emu_look_after(t);
        if (result_breaches(t->r) > 0 || emu_now(t) > until) {
            (void)snprintf(t->why, RUN_WHY_BYTES, "%s; the nodes' logs say why", what);
            return false;
        }
    }
    return true;
}

static bool all_up(struct emulation *t)
{
    for (size_t i = 0; i < t->nodes; i++)
        if (!t->node[i].up) return false;
    return true;
}

static bool start_all(struct emulation *t)
{
    for (size_t i = 0; i < t->nodes; i++) {
        if (!emu_start(t, &t->node[i])) return false;
        emu_probe(t, &t->node[i]);
    }
    return wait_for(t, ANSWERS_WITHIN, "not every node came up", all_up);
}

static bool ceremony_ended(struct emulation *t)
{
    struct process_text out = {.p = NULL};
    const char *const args[] = {"ceremony", "result", t->node[0].name, NULL};
    bool ok = emu_command(t, NULL, &out, args) == 0 && out.len > 0;
    if (ok) {
        const int to = emu_file(t, "ceremony", O_WRONLY | O_CREAT | O_TRUNC);
        ok = to >= 0 && write(to, out.p, out.len) == (ssize_t)out.len;
        if (to >= 0) (void)close(to);
    }
    process_text_free(&out);
    return ok;
}

static bool hold_ceremony(struct emulation *t)
{
    char threshold[24], days[24];
    (void)snprintf(threshold, sizeof threshold, "%llu",
                   (unsigned long long)t->sc->topology.threshold);
    (void)snprintf(days, sizeof days, "%llu",
                   (unsigned long long)(t->sc->epoch_lasts / CPIS_MS_DAY));
    return DO(t, "ceremony", "start", t->node[0].name, "--epoch", "1", "--threshold", threshold) &&
           wait_for(t, ANSWERS_WITHIN, "the key ceremony did not end", ceremony_ended) &&
           DO(t, "register", "epoch", "register", "ceremony", "--days", days) && publish(t);
}

static bool activate(struct emulation *t)
{
    for (uint32_t i = 0; i < t->sc->topology.authorities; i++)
        if (!DO(t, "register", "state", "register", t->authority[i].node->name, "active"))
            return false;
    return publish(t);
}

/* Every query node says NO FLAG of a child that nobody has. */
static bool all_complete(struct emulation *t)
{
    struct random_stream dice;
    random_init(&dice, t->o->seed, random_name(0, "first"));
    for (uint32_t i = 0; i < t->sc->topology.queries; i++) {
        struct process_text out = {.p = NULL};
        const char *const args[] = {"lookup",     t->query[i].node->name, "-",      "--user",
                                    "Test FIRST", "--scheduled",          "--json", NULL};
        const struct nhs_number n = arrival_nobody(&dice);
        const int code = emu_command(t, n.digits, &out, args);
        process_text_free(&out);
        if (code != 0) return false;
    }
    return true;
}

bool emu_found(struct emulation *t)
{
    name_nodes(t);
    if (t->o->netns) {
        const cpis_err err = wan_new(t->sc, t->o->seed, t->nodes, t->why, &t->wan);
        t->no_wan = err != CPIS_OK;
        if (t->no_wan) return false;
    }
    return found_register(t) && start_all(t) && hold_ceremony(t) && emu_population(t) &&
           activate(t) &&
           wait_for(t, LIVE_WITHIN, "no query node has a complete answer", all_complete);
}
