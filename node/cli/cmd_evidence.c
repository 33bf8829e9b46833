/* cpis evidence DIR RID, evidence list, evidence verify. */
#include "node/cli/commands.h"
#include "node/core/evidence.h"
#include "node/net/chain_file.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define EVIDENCE_BYTES_MAX   ((size_t)16 << 20)
#define EVIDENCE_ARENA_BYTES ((size_t)256 << 20)

static int evidence(struct cli *c)
{
    size_t len;
    if (!cli_args(c, 1, 1)) return CLI_USAGE;
    const char *out = cli_value(c, "out");
    json_t *r = cli_ask(c, "evidence", json_pack("{s:s}", "rid", c->args[0]));
    if (r == NULL) return CLI_ERROR;
    uint8_t *p = cli_base64(c, cli_text(r, "evidence"), &len);
    json_decref(r);
    if (p == NULL) return CLI_ERROR;
    bool ok = out == NULL ? fwrite(p, 1, len, stdout) == len
                          : cli_write_file(c, out, (struct bytes){p, len}, 0600, false);
    sodium_memzero(p, len);
    free(p);
    return ok ? CLI_OK : CLI_ERROR;
}
const struct cli_command cmd_evidence = {
    .name = "evidence",
    .args = "DIR RID",
    .summary = "export what a verdict rests on (35 days are kept), to verify anywhere",
    .more = "RID stands in the verdict. The file holds the NHS number: treat it like the record.",
    .takes_dir = true,
    .fn = evidence,
    .options = (const struct cli_option[]){{"out", "FILE", "default: standard output"}, {0}}};

static int evidence_list(struct cli *c)
{
    size_t i;
    json_t *e;
    if (!cli_args(c, 0, 0)) return CLI_USAGE;
    json_t *r = cli_ask(c, "evidence_list", NULL);
    if (r == NULL) return CLI_ERROR;
    json_array_foreach(json_object_get(r, "evidence"), i, e)
    {
        char when[WALL_LONDON_BYTES];
        cli_london(cli_text(e, "judged"), when);
        if (cli_has(c, "json"))
            cli_print_json(json_incref(e));
        else
            (void)printf("%s  %s  %s  %s\n", cli_text(e, "rid"), when, cli_text(e, "nhs_number"),
                         cli_text(e, "verdict"));
    }
    json_decref(r);
    return CLI_OK;
}
const struct cli_command cmd_evidence_list = {
    .name = "evidence list",
    .args = "DIR",
    .summary = "the verdicts that evidence is kept of",
    .takes_dir = true,
    .fn = evidence_list,
    .options = (const struct cli_option[]){{"json", NULL, "one JSON object a line"}, {0}}};

/* --- verify: offline, with nothing but the register --- */

static int no_memory(const struct cli *c)
{
    return cli_fail(c, "out of memory: nothing is said of %s", c->args[0]);
}

static int judge(const struct cli *c, const struct registry *r, const struct row_evidence *ev,
                 struct arena *a)
{
    struct verdict v = {.kind = 0};
    char rid[2 * CPIS_ID_BYTES + 1] = "", as_of[WALL_UTC_BYTES];
    enum evidence_fault f = evidence_verify(r, ev, a, &v);
    bool holds = f == EVIDENCE_HOLDS;
    if (f == EVIDENCE_NO_MEMORY) return no_memory(c);
    if (ev->searches_count > 0) cli_hex(ev->searches[0].rid.b, CPIS_ID_BYTES, rid);
    wall_format_utc(ev->as_of, as_of);
    const char *verdict = verdict_name((enum verdict_kind)ev->verdict);
    if (cli_has(c, "json"))
        cli_print_json(json_pack("{s:b,s:s,s:s,s:s,s:s,s:I}", "holds", holds, "reason",
                                 holds ? "" : evidence_fault_text(f), "rid", rid, "verdict",
                                 verdict, "as_of", as_of, "register_version",
                                 (json_int_t)ev->register_version));
    else if (holds)
        (void)printf("holds: %s, as of %s, request %s, register version %llu\n", verdict, as_of,
                     rid, (unsigned long long)ev->register_version);
    else
        (void)printf("DOES NOT HOLD: %s\n", evidence_fault_text(f));
    return holds ? CLI_OK : CLI_ERROR;
}

/* The register is loaded up to the version that the evidence names. */
static int verify_bytes(const struct cli *c, struct bytes file, const char *register_path)
{
    struct arena a = arena_make(EVIDENCE_ARENA_BYTES);
    struct registry *r = NULL;
    struct row_evidence ev;
    char why[CHAIN_WHY_BYTES] = "";
    int code;
    cpis_err err = row_evidence_decode(file, &a, &ev);
    if (err == CPIS_E_NOMEM) {
        code = no_memory(c);
    } else if (err != CPIS_OK) {
        code = cli_fail(c, "%s: is no evidence", c->args[0]);
    } else {
        err = registry_new(&r);
        if (err == CPIS_OK) err = chain_file_load(register_path, ev.register_version, r, why);
        code = err == CPIS_OK ? judge(c, r, &ev, &a)
                              : cli_fail(c, "%s: %s", register_path,
                                         why[0] != '\0' ? why : cpis_strerror(err));
    }
    registry_free(&r);
    arena_free(&a);
    return code;
}

static int evidence_check(struct cli *c)
{
    const char *path = cli_value(c, "register");
    uint8_t *file = NULL;
    size_t len;
    if (!cli_args(c, 1, 1)) return CLI_USAGE;
    if (path == NULL) return cli_usage(c, "--register: the federation's register, from a steward");
    if (!cli_read_file(c, c->args[0], EVIDENCE_BYTES_MAX, &file, &len)) return CLI_ERROR;
    int code = verify_bytes(c, (struct bytes){file, len}, path);
    sodium_memzero(file, len);
    free(file);
    return code;
}
const struct cli_command cmd_evidence_verify = {
    .name = "evidence verify",
    .args = "FILE --register CHAIN",
    .summary = "prove a verdict offline, from its evidence and the register alone",
    .exits = "0 it holds, 1 it does not (or can't be read), 2 usage error",
    .fn = evidence_check,
    .options = (const struct cli_option[]){{"register", "CHAIN", "the federation's register"},
                                           {"json", NULL, "JSON instead of text"},
                                           {0}}};
