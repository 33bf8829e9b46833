/* cpis sandbox: the FHIR face for those who write a client, with test children and without a node,
 * a folder, a federation or a log-in. */
#include "node/cli/commands.h"
#include "node/cli/companion.h"
#include "node/http/callers.h"
#include "node/http/fhir.h"
#include "node/http/fhir_sandbox.h"
#include "node/http/server.h"
#include "node/net/clock.h"
#include "node/net/listen_address.h"

#include <poll.h>
#include <sodium.h>
#include <string.h>

#define LISTEN         "127.0.0.1:8080"
#define BODY_BYTES_MAX ((size_t)1024 * 1024) /* as of cpis web */
#define CONNECTIONS    200U

struct sandbox_program {
    struct fhir_sandbox *children;
    struct fhir *fhir;
    struct server *server;
};

/* --- who asks: whoever it is --- */

static void handle(void *arg, struct exchange *x)
{
    const struct sandbox_program *p = arg;
    struct caller who = {.client = "sandbox",
                         .asker = {.user_id = "100000000001",
                                   .user_name = "Dr Test USER",
                                   .role_code = "R0260",
                                   .role_name = "General Medical Practitioner",
                                   .organisation_code = "RZZ99",
                                   .organisation_name = "Test Hospital"}};
    const enum caller_refusal why = callers_scheduled(exchange_request(x), &who.asker.scheduled);
    if (why != CALLER_GOOD)
        fhir_refuse(p->fhir, x,
                    &(struct fhir_refusal){.code = caller_refusal_text(why)->code,
                                           .told = caller_refusal_text(why)->told,
                                           .challenge = caller_refusal_text(why)->challenge});
    else
        fhir_handle(p->fhir, x, &who);
}

/* --- the loop --- */

static cpis_ms least(cpis_ms a, cpis_ms b) { return a < b ? a : b; }

static void serve(struct sandbox_program *p)
{
    while (!companion_stopped()) {
        const cpis_ms before = clock_monotonic();
        const cpis_ms due =
            least(least(server_deadline(p->server), fhir_sandbox_deadline(p->children)),
                  before + CPIS_MS_SECOND);
        struct pollfd fd = {.fd = server_fd(p->server), .events = POLLIN};
        (void)poll(&fd, 1, due > before ? (int)(due - before) : 0);
        const cpis_ms now = clock_monotonic(), wall = clock_wall();
        fhir_sandbox_turn(p->children, now, wall);
        fhir_turn(p->fhir, now);
        server_turn(p->server, now, wall);
    }
}

static bool open_server(const struct cli *c, struct sandbox_program *p, const char *address)
{
    char why[SERVER_WHY_BYTES] = "";
    struct listen_address at;
    struct server_conf conf = {
        .connections_max = CONNECTIONS, .body_max = BODY_BYTES_MAX, .handle = handle, .arg = p};
    if (listen_address_parse(address, &at) && !at.loopback)
        return cli_fail(c, "--listen: without TLS and a log-in it listens to this machine only, "
                           "as 127.0.0.1:8080") == CLI_OK;
    cpis_err err = server_listen(address, &conf.listening, why);
    if (err == CPIS_OK) err = server_new(&conf, &p->server, why);
    if (err == CPIS_OK) return true;
    return cli_fail(c, "--listen %s: %s", address, why[0] != '\0' ? why : cpis_strerror(err)) ==
           CLI_OK;
}

static void tell(const char *address)
{
    (void)printf("http://%s/cpis/FHIR/R4/metadata\n", address);
    for (size_t i = 0; fhir_sandbox_child(i) != NULL; i++)
        (void)printf("  %s  %s\n", fhir_sandbox_child(i)->number, fhir_sandbox_child(i)->shows);
    (void)puts("  any other   UNKNOWN");
    (void)fflush(stdout);
}

static int work(struct cli *c)
{
    struct sandbox_program p = {.server = NULL};
    const char *address = cli_value(c, "listen");
    if (address == NULL) address = LISTEN;
    const bool made =
        fhir_sandbox_new(&p.children) == CPIS_OK &&
        fhir_new(&(struct fhir_conf){.door = fhir_sandbox_door(p.children), .sandbox = true},
                 &p.fhir) == CPIS_OK;
    if (!made) (void)cli_fail(c, "%s", cpis_strerror(CPIS_E_NOMEM));
    const bool open = made && open_server(c, &p, address);
    if (open) {
        tell(address);
        serve(&p);
    }
    server_free(&p.server);
    fhir_sandbox_free(&p.children); /* ends what is under way */
    fhir_free(&p.fhir);
    return open ? CLI_OK : CLI_ERROR;
}

static int sandbox(struct cli *c)
{
    if (!cli_args(c, 0, 0)) return CLI_USAGE;
    return companion_run(c, work);
}
const struct cli_command cmd_sandbox = {
    .name = "sandbox",
    .args = "",
    .summary = CLI_SANDBOX_SUMMARY,
    .more =
        "For those who write a client: it needs no folder, no federation and no log-in, and it\n"
        "prints the test children that it knows. Every answer is tagged as test data. It "
        "listens to this machine only.\nIsUnscheduledAccessEvent is read as by a node; a "
        "bearer token is not looked at.",
    .fn = sandbox,
    .options = (const struct cli_option[]){
        {"listen", "ADDRESS:PORT", "a loopback address and a port (default " LISTEN ")"}, {0}}};
