/* cpis log verify | export: the hash-chained log of a node. */
#include "crypto/chain.h"
#include "crypto/hash.h"
#include "node/cli/audit_file.h"
#include "node/cli/commands.h"
#include "proto/codec.h"

#include <stdlib.h>
#include <string.h>

#define ENTRY_BYTES_MAX 1024U
#define AUDIT_ROUNDS    100U

static const char *const events[] = {[LOG_STARTED] = "started",
                                     [LOG_LOOKUP_SENT] = "lookup-sent",
                                     [LOG_VERDICT] = "verdict",
                                     [LOG_ACCESS] = "access",
                                     [LOG_DETAILS] = "details",
                                     [LOG_ANSWERED] = "answered",
                                     [LOG_HEAD_SIGNED] = "head-signed",
                                     [LOG_REGISTER_ACCEPTED] = "register-accepted",
                                     [LOG_STORED] = "stored",
                                     [LOG_FORWARD_ACKED] = "forward-acked",
                                     [LOG_CEREMONY] = "ceremony",
                                     [LOG_IMPORT] = "import",
                                     [LOG_HEADS_ACCEPTED_BY_HAND] = "heads-accepted-by-hand",
                                     [LOG_SHRINK_CONFIRMED] = "shrink-confirmed",
                                     [LOG_RESTORE_CONFIRMED] = "restore-confirmed",
                                     [LOG_IMPORT_UNDONE] = "import-undone",
                                     [LOG_NOTIFIED] = "notified"};
_Static_assert(sizeof events / sizeof *events == LOG_EVENT_END, "each event has a name");

struct reading {
    bool print, audit, broken;
    uint64_t first, count;
    struct chain_head head;
};

static void print_entry(uint64_t sequence, const uint8_t *p, size_t len)
{
    struct arena a = arena_make(65536);
    struct row_log_entry e;
    char time[WALL_UTC_BYTES], about[2 * CPIS_HASH_BYTES + 1];
    if (row_log_entry_decode((struct bytes){p, len}, &a, &e) == CPIS_OK) {
        wall_format_utc(e.time, time);
        cli_hex(e.about.b, sizeof e.about.b, about);
        const char *name = e.event < LOG_EVENT_END ? events[e.event] : NULL;
        json_t *o = json_pack("{s:I,s:s,s:s,s:s,s:I}", "sequence", (json_int_t)sequence, "time",
                              time, "event", name == NULL ? "?" : name, "about", about, "value",
                              (json_int_t)e.value);
        cli_print_json(o);
    }
    arena_free(&a);
}

static bool take(void *arg, const json_t *more)
{
    struct reading *r = arg;
    size_t i;
    const json_t *e;
    json_array_foreach(json_object_get(more, "entries"), i, e)
    {
        uint8_t entry[ENTRY_BYTES_MAX];
        const char *hex = cli_text(e, "entry");
        uint64_t sequence = cli_integer(e, "sequence");
        size_t len = strlen(hex) / 2;
        if (r->count == 0) r->first = sequence;
        if (len > sizeof entry || !cli_unhex(hex, entry, len)) {
            r->broken = true;
            return false;
        }
        /* what lies before the first entry is known only by its hash: then the head can't be had */
        if (r->count == 0) r->head.sequence = sequence - 1;
        r->head = chain_next(&r->head, entry, len);
        r->broken = r->broken || r->head.sequence != sequence;
        r->count++;
        if (r->audit)
            cli_print_json(json_pack("{s:I,s:s}", "sequence", (json_int_t)sequence, "entry", hex));
        else if (r->print)
            print_entry(sequence, entry, len);
    }
    return !r->broken;
}

/* The whole log; *ret_last: the last reply, with the node's own head. */
static bool read_log(const struct cli *c, struct reading *r, json_t **ret_last)
{
    struct control_client *client = cli_connect(c);
    if (client == NULL) return false;
    char why[CONTROL_WHY_BYTES] = "";
    cpis_err err;
    json_t *reply = NULL;
    uint64_t before;
    do {
        json_decref(reply);
        reply = NULL;
        before = r->count;
        json_t *f = json_pack("{s:I}", "after", (json_int_t)r->head.sequence);
        err = control_call(client, "log_export", f, CLI_TIMEOUT_MS, take, r, &reply, why);
        json_decref(f);
    } while (err == CPIS_OK && r->count > before && !r->broken);
    control_close(&client);
    if (err != CPIS_OK) {
        json_decref(reply);
        (void)cli_fail(c, "%s", why[0] != '\0' ? why : cpis_strerror(err));
        return false;
    }
    *ret_last = reply;
    return true;
}

static int log_verify(struct cli *c)
{
    struct reading r = {.first = 0};
    json_t *last;
    char head[2 * CPIS_HASH_BYTES + 1];
    if (!cli_args(c, 0, 0)) return CLI_USAGE;
    if (!read_log(c, &r, &last)) return CLI_ERROR;
    cli_hex(r.head.head.b, CPIS_HASH_BYTES, head);
    bool whole = r.first <= 1;
    bool same = cli_integer(last, "sequence") > r.head.sequence || /* it went on meanwhile */
                (cli_integer(last, "sequence") == r.head.sequence &&
                 strcmp(cli_text(last, "head"), head) == 0);
    const char *why = r.broken ? "an entry is missing or damaged"
                      : !whole ? "its beginning is not here any more: it can't be proved from this"
                      : !same  ? "the entries do not give the head that this node signs"
                               : NULL;
    json_decref(last);
    if (cli_has(c, "json"))
        cli_print_json(json_pack("{s:b,s:s,s:I,s:s}", "holds", why == NULL, "reason",
                                 why == NULL ? "" : why, "entries", (json_int_t)r.count, "head",
                                 head));
    else if (why == NULL)
        (void)printf("holds: %llu entries, head %s\n", (unsigned long long)r.count, head);
    return why == NULL ? CLI_OK : cli_fail(c, "DOES NOT HOLD: %s", why);
}
const struct cli_command cmd_log_verify = {
    .name = "log verify",
    .args = "DIR",
    .summary = "prove that no entry of a node's log was taken out or changed",
    .more = "Compare the head with the ones that other nodes hold (log heads stand in lookups, "
            "heads and acks).",
    .exits = "0 it holds, 1 it does not, 2 usage error",
    .takes_dir = true,
    .fn = log_verify,
    .options = (const struct cli_option[]){{"json", NULL, "JSON instead of text"}, {0}}};

/* --- for an audit: what this node holds of others, then its log, then its word for it --- */

static bool take_held(void *arg, const json_t *more)
{
    size_t i;
    const json_t *e;
    (void)arg;
    json_array_foreach(json_object_get(more, "held"), i, e)
    {
        cli_print_json(json_pack("{s:O}", "held", e));
    }
    return true;
}

static bool print_held(const struct cli *c)
{
    struct control_client *client = cli_connect(c);
    if (client == NULL) return false;
    char why[CONTROL_WHY_BYTES] = "";
    json_t *last = NULL;
    cpis_err err =
        control_call(client, "log_held", NULL, CLI_TIMEOUT_MS, take_held, NULL, &last, why);
    control_close(&client);
    if (err == CPIS_OK)
        cli_print_json(
            json_pack("{s:i,s:s}", "log_format", AUDIT_FORMAT, "node", cli_text(last, "node")));
    else
        (void)cli_fail(c, "%s", why[0] != '\0' ? why : cpis_strerror(err));
    json_decref(last);
    return err == CPIS_OK;
}

/* The head that the node signs must be of the last entry given: on a busy node it takes a few
 * rounds. */
static int export_for_audit(const struct cli *c)
{
    struct reading r = {.audit = true};
    json_t *last = NULL;
    if (!print_held(c)) return CLI_ERROR;
    for (unsigned round = 0; round < AUDIT_ROUNDS && !r.broken; round++) {
        json_decref(last);
        if (!read_log(c, &r, &last)) return CLI_ERROR;
        if (cli_integer(last, "sequence") == r.head.sequence) break;
    }
    const bool same = cli_integer(last, "sequence") == r.head.sequence;
    if (same && cli_text(last, "signed")[0] != '\0')
        cli_print_json(json_pack("{s:s}", "held", cli_text(last, "signed")));
    json_decref(last);
    if (r.broken) return cli_fail(c, "an entry is missing or damaged");
    return same ? CLI_OK : cli_fail(c, "the node is too busy to end its log: try again");
}

static int log_export(struct cli *c)
{
    struct reading r = {.print = true};
    json_t *last;
    if (!cli_args(c, 0, 0)) return CLI_USAGE;
    if (cli_has(c, "audit")) return export_for_audit(c);
    if (!read_log(c, &r, &last)) return CLI_ERROR;
    json_decref(last);
    return r.broken ? cli_fail(c, "an entry is missing or damaged") : CLI_OK;
}
const struct cli_command cmd_log_export = {
    .name = "log export",
    .args = "DIR",
    .summary = "a node's log as JSON lines; it holds hashes, never a number or a name",
    .more =
        "With --audit: the entries as they are hashed, the node's signature under them, and what "
        "other nodes have signed and this one holds. `cpis log audit` judges such files.",
    .takes_dir = true,
    .fn = log_export,
    .options = (const struct cli_option[]){
        {"audit", NULL, "for `cpis log audit`"}, {"json", NULL, "the only form there is"}, {0}}};
