/* cpis register show: the newest register, or the one under construction. */
#include "node/cli/commands.h"
#include "node/cli/conf.h"
#include "node/cli/register_file.h"

#include <string.h>

static const char *state_name(uint32_t s)
{
    const char *name = node_state_name((enum node_state)s);
    return name[0] != '\0' ? name : "?";
}

static json_t *time_json(uint64_t wall)
{
    char text[WALL_UTC_BYTES];
    wall_format_utc(wall, text);
    return json_string(text);
}

static json_t *node_json(const struct msg_register_node *n)
{
    const struct msg_descriptor *d = &n->descriptor;
    struct cpis_id id = node_id_of(&d->sign_key);
    char hex[2 * CPIS_ID_BYTES + 1];
    cli_hex(id.b, sizeof id.b, hex);
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:o,s:o,s:I,s:I,s:I}", "id", hex, "role",
                     conf_role_name((enum node_role)d->role), "code", d->code, "name", d->name,
                     "state", state_name(n->state), "endpoint", d->endpoint, "emergency",
                     d->emergency, "office", d->office, "not_before", time_json(d->not_before),
                     "not_after", time_json(d->not_after), "evaluations_per_day",
                     (json_int_t)n->evaluations_per_day, "lookups_per_day",
                     (json_int_t)n->lookups_per_day, "tokens_max", (json_int_t)n->tokens_max);
}

static json_t *holders_json(const struct msg_register_epoch *e)
{
    json_t *list = json_array();
    char hex[2 * CPIS_ID_BYTES + 1];
    for (size_t i = 0; i + CPIS_ID_BYTES <= e->holders.len; i += CPIS_ID_BYTES) {
        cli_hex(e->holders.p + i, CPIS_ID_BYTES, hex);
        (void)json_array_append_new(list, json_string(hex));
    }
    return list;
}

static json_t *register_json(const struct msg_register *r)
{
    json_t *nodes = json_array(), *epochs = json_array(), *roots = json_array();
    char hex[2 * SIGN_PUBLIC_BYTES + 1];
    for (size_t i = 0; i < r->nodes_count; i++)
        (void)json_array_append_new(nodes, node_json(&r->nodes[i]));
    for (size_t i = 0; i < r->epochs_count; i++) {
        const struct msg_register_epoch *e = &r->epochs[i];
        (void)json_array_append_new(
            epochs, json_pack("{s:I,s:I,s:I,s:I,s:o,s:o,s:o}", "number", (json_int_t)e->number, "n",
                              (json_int_t)(e->holders.len / CPIS_ID_BYTES), "t",
                              (json_int_t)(e->commitments.len / 32), "bucket_bits",
                              (json_int_t)e->bucket_bits, "holders", holders_json(e), "not_before",
                              time_json(e->not_before), "not_after", time_json(e->not_after)));
    }
    for (size_t i = 0; i + SIGN_PUBLIC_BYTES <= r->root_keys.len; i += SIGN_PUBLIC_BYTES) {
        cli_hex(r->root_keys.p + i, SIGN_PUBLIC_BYTES, hex);
        (void)json_array_append_new(roots, json_string(hex));
    }
    return json_pack("{s:I,s:o,s:o,s:o,s:I,s:o,s:o,s:I,s:I}", "version", (json_int_t)r->version,
                     "issued", time_json(r->issued), "expires", time_json(r->expires), "root_keys",
                     roots, "root_threshold", (json_int_t)r->root_threshold, "nodes", nodes,
                     "epochs", epochs, "notices", (json_int_t)r->notices_count, "expected",
                     (json_int_t)r->expected_count);
}

static void print_register(const struct msg_register *r, size_t signatures)
{
    char issued[WALL_LONDON_BYTES], expires[WALL_LONDON_BYTES], from[WALL_LONDON_BYTES];
    wall_format_london(r->issued, issued);
    wall_format_london(r->expires, expires);
    (void)printf("version %llu, issued %s, expires %s\n%zu root keys, %u must sign; %zu have\n",
                 (unsigned long long)r->version, issued, expires,
                 r->root_keys.len / SIGN_PUBLIC_BYTES, r->root_threshold, signatures);
    for (size_t i = 0; i < r->nodes_count; i++) {
        const struct msg_descriptor *d = &r->nodes[i].descriptor;
        (void)printf("%-9s %-8s %-10s %-30s %s%s%s%s\n", conf_role_name((enum node_role)d->role),
                     d->code, state_name(r->nodes[i].state), d->name, d->endpoint, d->emergency,
                     d->office[0] != '\0' ? ", in office hours " : "", d->office);
    }
    for (size_t i = 0; i < r->epochs_count; i++) {
        wall_format_london(r->epochs[i].not_before, from);
        (void)printf("epoch     %u: %zu of %zu directories, from %s\n", r->epochs[i].number,
                     r->epochs[i].commitments.len / 32, r->epochs[i].holders.len / CPIS_ID_BYTES,
                     from);
    }
    for (size_t i = 0; i < r->expected_count; i++)
        (void)printf("expected  %-8s %s\n", r->expected[i].code, r->expected[i].name);
    if (r->notices_count > 0) (void)printf("notices   %zu\n", r->notices_count);
}

static int register_show(struct cli *c)
{
    struct register_file f;
    struct msg_register_document next = {.signatures = NULL};
    if (!cli_args(c, 1, 1)) return CLI_USAGE;
    if (!register_file_open(c, c->args[0], &f)) return CLI_ERROR;
    bool show_next = cli_has(c, "next") || registry_is_empty(f.chain);
    int code = CLI_OK;
    if (show_next &&
        (!f.has_next || register_document_decode(f.next, &f.arena, &next) != CPIS_OK)) {
        code = cli_fail(c, "there is no %s", f.next_path);
    } else {
        const struct msg_register *r = show_next ? &f.draft : registry_newest(f.chain);
        size_t n = show_next ? next.signatures_count : f.signatures;
        if (cli_has(c, "json"))
            cli_print_json(register_json(r));
        else
            print_register(r, n);
    }
    register_file_close(&f);
    return code;
}
const struct cli_command cmd_register_show = {
    .name = "register show",
    .args = "FILE",
    .summary = "who is in the federation by FILE, or (--next) by what is being made",
    .fn = register_show,
    .options =
        (const struct cli_option[]){{"next", NULL, "FILE.next: what a steward is asked to sign"},
                                    {"json", NULL, "JSON instead of text"},
                                    {0}}};
