/* cpis clients check, cpis clients example: clients.conf, without a running node. */
#include "node/cli/commands.h"
#include "node/cli/conf.h"
#include "node/http/callers_conf.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void print_list(const char *label, const struct callers_list *l)
{
    if (l->count == 0) return;
    (void)printf("  %-14s", label);
    for (size_t i = 0; i < l->count; i++)
        (void)printf("%s%s", i > 0 ? ", " : "", l->texts[i]);
    (void)printf("\n");
}

static void print_text(const char *label, const char *text)
{
    if (text[0] != '\0') (void)printf("  %-14s%s\n", label, text);
}

static void print_client(const struct callers_client *x)
{
    (void)printf("client %s: %s (%s)\n", x->name, x->organisation_name, x->organisation_code);
    print_list("certificate", &x->fingerprints);
    print_text("certificate", x->subject);
    print_text("token", callers_token_name(x->token));
    print_list("issuers", &x->issuers);
    print_text("token_client", x->token_client);
    if (x->speaks_for_any)
        print_text("speaks for", "any organisation");
    else
        print_list("speaks for", &x->speaks_for);
    print_text("device", x->device_id);
    print_text("responsible", x->responsible);
    print_text("setting", x->setting);
    print_list("roles", &x->roles);
    print_text("may ask", x->scheduled
                              ? x->unscheduled ? "unscheduled, and silently" : "silently only"
                              : "unscheduled only");
    print_text("incomplete", x->incomplete_as_200 ? "as 200" : "");
    (void)printf("  %-14s%" PRIu64, "a minute", x->requests_a_minute);
    if (x->token != TOKEN_NEVER) (void)printf(", each user %" PRIu64, x->user_requests_a_minute);
    (void)printf("\n");
}

static json_t *list_json(const struct callers_list *l)
{
    json_t *list = json_array();
    for (size_t i = 0; i < l->count; i++)
        (void)json_array_append_new(list, json_string(l->texts[i]));
    return list;
}

static json_t *client_json(const struct callers_client *x)
{
    return json_pack("{s:s,s:o,s:s,s:s,s:o,s:s,s:s,s:s,s:o,s:s,s:s,s:s,s:b,s:b,s:o,s:b,s:I,s:I}",
                     "name", x->name, "fingerprints", list_json(&x->fingerprints), "subject",
                     x->subject, "token", callers_token_name(x->token), "issuers",
                     list_json(&x->issuers), "token_client", x->token_client, "organisation_code",
                     x->organisation_code, "organisation_name", x->organisation_name, "speaks_for",
                     list_json(&x->speaks_for), "setting", x->setting, "device_id", x->device_id,
                     "responsible", x->responsible, "unscheduled", x->unscheduled, "scheduled",
                     x->scheduled, "roles", list_json(&x->roles), "incomplete_as_200",
                     x->incomplete_as_200, "requests_a_minute", (json_int_t)x->requests_a_minute,
                     "user_requests_a_minute", (json_int_t)x->user_requests_a_minute);
}

static void print_conf(const struct cli *c, const struct callers_conf *conf)
{
    const bool json = cli_has(c, "json");
    for (size_t i = 0; i < conf->issuers_count; i++) {
        const struct callers_issuer *x = &conf->issuers[i];
        if (json)
            cli_print_json(json_pack("{s:s,s:s,s:o,s:I}", "issuer", x->name, "iss", x->issuer,
                                     "audiences", list_json(&x->audiences), "keys",
                                     (json_int_t)bearer_keys_count(x->keys)));
        else
            (void)printf("issuer %s: %s, keys: %zu\n", x->name, x->issuer,
                         bearer_keys_count(x->keys));
    }
    for (size_t i = 0; i < conf->clients_count; i++)
        if (json)
            cli_print_json(client_json(&conf->clients[i]));
        else
            print_client(&conf->clients[i]);
    if (!json && conf->clients_count == 0) (void)printf("no client: no system may ask\n");
}

static int clients_check(struct cli *c)
{
    struct node_settings s;
    struct callers_conf *conf;
    char why[CALLERS_WHY_BYTES] = "";
    if (!cli_args(c, 0, 0)) return CLI_USAGE;
    const char *path = cli_value(c, "file");
    if (path == NULL) {
        if (!cli_settings(c, &s)) return CLI_ERROR;
        path = s.web_clients;
    }
    if (path[0] == '\0')
        return cli_fail(c, "node.conf names no web_clients: no system may ask; `cpis clients "
                           "example` writes a file to begin with");
    if (callers_conf_read(path, &conf, why) != CPIS_OK) return cli_fail(c, "%s", why);
    print_conf(c, conf);
    callers_conf_free(&conf);
    return CLI_OK;
}
const struct cli_command cmd_clients_check = {
    .name = "clients check",
    .args = "DIR",
    .summary = CLI_CLIENTS_CHECK_SUMMARY,
    .more =
        "Reads web_clients of node.conf and the keys that it names, as `cpis web` does when it "
        "starts and at SIGHUP,\nand changes nothing. Exit 1: a mistake, with its file and line.",
    .takes_dir = true,
    .fn = clients_check,
    .options = (const struct cli_option[]){
        {"file", "FILE", "this one instead"}, {"json", NULL, "one JSON object a line"}, {0}}};

static int clients_example(struct cli *c)
{
    if (!cli_args(c, 0, 0)) return CLI_USAGE;
    char *text = callers_conf_example();
    if (text == NULL) return cli_fail(c, "%s", cpis_strerror(CPIS_E_NOMEM));
    const bool ok = fputs(text, stdout) >= 0 && fflush(stdout) == 0;
    free(text);
    return ok ? CLI_OK : cli_fail(c, "it could not be written");
}
const struct cli_command cmd_clients_example = {.name = "clients example",
                                                .args = "",
                                                .summary = CLI_CLIENTS_EXAMPLE_SUMMARY,
                                                .fn = clients_example,
                                                .options = (const struct cli_option[]){{0}}};
